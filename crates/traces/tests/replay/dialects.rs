//! Every form in which QEMU has written its events, and what else a log may hold, each with the answer derived by hand.

use vtd_qi::campaign::hangs::HangKind;
use vtd_qi_page::report::ReportData;
use vtd_qi_page::run::ShownRun;
use vtd_qi_traces::qemu_log::{LogEntry, Reader};
use vtd_qi_traces::replay::Judge;

use super::*;

/// An ID that has no descriptor line, then its WD, and the status write.
const SMALL: [&str; 8] = [
    "7@1.000002:vtd_inv_qi_setup addr 0x1000 size 256",
    "8@1.000003:vtd_reg_write addr 0x88 size 0x4 value 0x20",
    "8@1.000004:vtd_inv_qi_tail write tail 2",
    "8@1.000005:vtd_inv_qi_head read head 0",
    "8@1.000006:vtd_inv_qi_head read head 1",
    "8@1.000007:vtd_inv_desc invalidate desc type wait high 0x100004 low 0x200000025",
    "8@1.000008:vtd_inv_desc_wait_sw wait invalidate status write addr 0x100004 data 0x2",
    "",
];

fn small() -> Log {
    Log(SMALL.iter().map(|line| line.to_string()).collect())
}

const EITHER: Options = Options { hardware: Qemu::Auto, end: End::Anywhere, ..STOCK };

/// The same lines in another form.
fn rewritten(log: &Log, form: impl Fn(&str, &str) -> String) -> Log {
    let rewrite = |line: &String| line.split_once(':').map_or(line.clone(), |(front, event)| form(front, event));
    Log(log.0.iter().map(rewrite).collect())
}

#[test]
fn an_id_of_a_kind_without_a_line_is_one_if_iqh_goes_on() {
    for generation in GENERATIONS {
        let steps = small().accepted(generation.rules, EITHER);
        assert_eq!((steps.submit, steps.execute, steps.complete), (1, 1, 1));
        // Its line, in a newer QEMU: the types that there are by now.
        for (name, code) in [("pasid-cache", "0x37"), ("device-piotlb", "0x8"), ("p-iotlb", "0x6"), ("device", "0x3")] {
            let line = format!("8@1.0000055:vtd_inv_desc invalidate desc type {name} high 0x0 low {code}");
            small().insert(5, &line).accepted(generation.rules, EITHER);
        }
    }
    // Nothing stands behind the second head, where the WD has to lie: QEMU writes a line for each WD.
    assert_eq!(small().delete(6).rejection(Rules::G5, EITHER), (6, Reason::NoDescriptor(1)));
    let alone = small().cut_after(5);
    assert_eq!(alone.rejection(Rules::G5, EITHER), (5, Reason::NoDescriptor(1)));
    assert_eq!(alone.end(Rules::G5, Options { end: End::Cut, ..EITHER }), Ending::NotJudged);
    // Behind the first alone the descriptor may still come: pending.
    assert!(matches!(small().cut_after(4).end(Rules::G5, EITHER), Ending::Middle { .. }));
}

#[test]
fn every_form_says_the_same() {
    let excerpt = Log::excerpt().cut_after(402);
    let steps = excerpt.accepted(Rules::G4, EITHER);
    let iso = "2026-03-01T10:00:00.123456Z";
    for (what, log) in [
        ("a time before the thread", rewritten(&excerpt, |front, event| format!("{iso} {front}:{event}"))),
        ("a time and no thread", rewritten(&excerpt, |_, event| format!("{iso} {event}"))),
        ("neither", rewritten(&excerpt, |_, event| event.to_owned())),
        ("CRLF", Log(excerpt.0.iter().map(|line| format!("{line}\r")).collect())),
    ] {
        assert_eq!(log.accepted(Rules::G4, EITHER), steps, "{what}");
        assert_eq!(log.trace().ignored(), excerpt.trace().ignored(), "{what}");
    }
    // Without threads the corruption of a status write is seen all the same, and who posted is not.
    let bare = rewritten(&Log::excerpt(), |_, event| event.to_owned());
    let not_due = bare.clone().copy(417, 418).rejection(Rules::G4, EITHER);
    assert_eq!(not_due, (418, Reason::NotDue { slot: 76, due: None }));
    // A unit of its own may be late, and another CPU may have posted; QEMU's own unit is not late.
    let late = bare.shift(417, 419);
    late.accepted(Rules::G4, EITHER);
    assert!(matches!(late.rejection(Rules::G4, STOCK), (418, Reason::NotDrained(_))));
}

#[test]
fn lines_of_other_programs_are_counted_and_listed() {
    let log = Log::excerpt()
        .insert(100, "qemu-system-x86_64: warning: vtd_iova_to_slpte: detected slpte permission error")
        .insert(50, "char device redirected to /dev/pts/3 (label serial0)");
    log.accepted(Rules::G4, STOCK);
    let others = &log.trace().facts().others.clone();
    assert_eq!((others.count, others.shown[0].0, others.shown[1].0), (2, 50, 101));
    assert!(others.shown[0].1.starts_with("char device redirected"));
    let path = file("replay-others.log", log.0.join("\n").as_bytes());
    let text = String::from_utf8(run(&[path.to_str().unwrap()]).stdout).unwrap();
    assert!(text.contains("lines that are no events of QEMU: 2\n    line 50: char device redirected"), "{text}");
}

#[test]
fn fsts_may_be_written_for_other_reasons() {
    // At start-up, before a CPU has written IQT, and later by one that never does.
    let written = |thread: u64| format!("{thread}@1.0:vtd_x_fsts_write fsts now 0x0");
    let log = by_a_unit_of_its_own(&small());
    log.clone().insert(2, &written(8)).insert(8, &written(77)).accepted(Rules::G5, EITHER);
    // The register's line alone: QEMU's own unit has no other.
    let register = "8@1.0:vtd_reg_write addr 0x34 size 0x4 value 0x3";
    small().insert(2, register).insert(8, register).accepted(Rules::G5, STOCK);
    // ICE changes nothing in the ring, and the driver clears it and polls on. IQE would have a line that tells of it.
    log.clone().insert(2, "8@1.0:vtd_x_fsts_write fsts now 0x20").accepted(Rules::G5, EITHER);
    let register = "8@1.0:vtd_reg_write addr 0x34 size 0x4 value 0x20";
    small().insert(2, register).insert(8, register).accepted(Rules::G5, STOCK);
    let log = log.insert(2, "8@1.0:vtd_x_fsts_write fsts now 0x30");
    assert_eq!(log.rejection(Rules::G5, EITHER), (2, Reason::OtherFault(0x30)));
}

/// The same log by a unit with the thread 9.
fn by_a_unit_of_its_own(log: &Log) -> Log {
    rewritten(log, |front, event| {
        let works = event.starts_with("vtd_inv_qi_head") || event.starts_with("vtd_inv_desc");
        if works { format!("9@1.0:{event}") } else { format!("{front}:{event}") }
    })
}

#[test]
fn the_real_log_with_an_fsts_write_at_start_up() {
    // a61's first lines, in short: FSTS is written by the register's line and the unit's, while no ITE is set.
    let fsts = ["8@1.0:vtd_reg_write addr 0x34 size 0x4 value 0x0", "8@1.0:vtd_x_fsts_write fsts now 0x0"];
    let log = by_a_unit_of_its_own(&small()).insert(8, fsts[1]).insert(8, fsts[0]);
    for generation in GENERATIONS {
        log.accepted(generation.rules, EITHER);
    }
}

/// An IQE in a log of QEMU's own unit: CPU 8 posts an ID and a WD, the ID is refused, and CPU 8 clears IQE, as its batch begins
/// there. It has copied its WD over the ID and returned. CPU 6 posts as many; QEMU goes on with that, and fetches the copy first.
fn refused(descriptor: Option<&str>) -> Log {
    let mut lines = vec![
        "7@1.0:vtd_inv_qi_setup addr 0x1000 size 256".to_owned(),
        "8@1.0:vtd_reg_write addr 0x88 size 0x4 value 0x20".into(),
        "8@1.0:vtd_inv_qi_tail write tail 2".into(),
        "8@1.0:vtd_inv_qi_head read head 0".into(),
    ];
    lines.extend(descriptor.map(str::to_owned));
    for line in [
        "8@1.0:vtd_reg_write addr 0x34 size 0x4 value 0x10",
        "6@1.0:vtd_reg_write addr 0x88 size 0x4 value 0x40",
        "6@1.0:vtd_inv_qi_tail write tail 4",
        "6@1.0:vtd_inv_qi_head read head 0",
        "6@1.0:vtd_inv_desc invalidate desc type wait high 0x100004 low 0x200000025",
        "6@1.0:vtd_inv_desc_wait_sw wait invalidate status write addr 0x100004 data 0x2",
    ] {
        lines.push(line.into());
    }
    Log(lines)
}

#[test]
fn an_invalid_descriptor_is_refused_and_its_copy_is_read_at_the_same_slot() {
    let malformed = "8@1.0:vtd_inv_desc invalidate desc type iotlb high 0x0 low 0xfff2";
    for (descriptor, line) in [(None, 10), (Some(malformed), 11)] {
        let log = refused(descriptor);
        // From the line on at which IQE is cleared, and its owner returns, hardware may fetch what no call has submitted.
        let (breach, _) = log.broken(Rules::G5, EITHER);
        assert_eq!((breach.line, breach.property), (line - 5, "hw-fetched-unowned"));
        assert_eq!(breach.finding, Some((6, "What an early -EINVAL leaves behind".into())));
        // Before that everything is as it should be.
        log.clone().cut_after(line as usize - 6).accepted(Rules::G5, EITHER);
        // Who mends it waits: a WD of its own that writes IN_USE.
        let mended = log.clone().replace(line as usize - 1, "0x100004", "0x100000");
        let mended = mended.replace(line as usize - 1, "0x2000", "0x1000").cut_after(line as usize - 1);
        mended.accepted(Rules::G5_PLUS, EITHER);
        // Hardware goes on though nobody has cleared IQE: the ID was not refused, and IQH has to be one slot on.
        let log = log.delete(line as usize - 5);
        assert!(matches!(log.rejection(Rules::G5, EITHER), (_, Reason::Stopped(0) | Reason::NotAtHead { .. })));
    }
}

#[test]
fn an_invalid_id_that_is_not_the_first_of_its_batch_is_not_repaired() {
    // Two IDs and a WD; the second is read, refused, and nothing comes any more. In a log it may as well have been answered and
    // the WD may come; once another CPU has posted, and QEMU's own unit has fetched nothing, it has not.
    let lines = [
        "7@1.0:vtd_inv_qi_setup addr 0x1000 size 256",
        "8@1.0:vtd_inv_qi_tail write tail 3",
        "8@1.0:vtd_inv_qi_head read head 0",
        "8@1.0:vtd_inv_desc invalidate desc type iotlb high 0x0 low 0xd2",
        "8@1.0:vtd_inv_qi_head read head 1",
        "8@1.0:vtd_inv_desc invalidate desc type iotlb high 0x0 low 0xfff2",
        "6@1.0:vtd_inv_qi_tail write tail 5",
    ];
    let log = Log(lines.map(str::to_owned).to_vec());
    let Ending::Stuck(stuck) = log.end(Rules::G5, Options { end: End::Anywhere, ..STOCK }) else { panic!("not stuck") };
    assert_eq!((stuck.hang, stuck.cpus), (HangKind::UnclaimedIqe, vec![8, 6]));
    // g5plus knows it for its own.
    assert!(matches!(log.end(Rules::G5_PLUS, Options { end: End::Anywhere, ..STOCK }), Ending::Middle { .. }));
}

#[test]
fn a_log_with_several_lives_is_several_traces() {
    let first = Log::excerpt().cut_after(402);
    let again = [
        "27606@9.0:vtd_reg_write addr 0x88 size 0x4 value 0x0",
        "27606@9.0:vtd_inv_qi_tail write tail 0",
        "27606@9.0:vtd_inv_qi_enable enabled 1",
    ];
    let second: Vec<String> = Log::excerpt().0[14..402].to_vec();
    let log = [first.0.clone(), again.map(str::to_owned).to_vec(), second].concat();
    let lives = Trace::read_all(log.join("\n").as_bytes()).unwrap();
    assert_eq!(lives.iter().map(|life| (life.life().unit, life.life().line)).collect::<Vec<_>>(), [(0, 15), (0, 406)]);
    // The write of 0 belongs to the second life, of which it is no event; both have the same 40 batches less those after 402.
    assert_eq!(lives[0].summary(), lives[1].summary());
    let path = file("replay-lives.log", log.join("\n").as_bytes());
    let output = run(&["--json", path.to_str().unwrap()]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), report.as_array().unwrap().len()), (Some(0), 2));
    assert_eq!((&report[1]["life"], &report[1]["unit"], &report[1]["from_line"]), (&2.into(), &1.into(), &406.into()));
    // A second life that is none: the first is known all the same, and the exit code says that one is not.
    let bad = [log, vec!["27606@9.0:vtd_inv_qi_head read head 9".into()]].concat();
    let path = file("replay-lives-bad.log", bad.join("\n").as_bytes());
    let output = run(&[path.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("life 1 of 2 (unit 1, from line 15): a run of g1, g3"), "{text}");
    assert!(text.contains("life 2 of 2 (unit 1, from line 406): not a run of any generation"), "{text}");
}

#[test]
fn a_disabled_queue_is_the_end_of_a_life() {
    // Suspend and resume: QEMU says that the queue is disabled, and the same kernel sets it up again.
    let off = ["8@2.0:vtd_inv_qi_enable enabled 0", "8@2.0:vtd_reg_write addr 0x88 size 0x4 value 0x0"];
    let lines = [&SMALL[..7], &off, &SMALL[..7]].concat();
    let lives = Trace::read_all(lines.join("\n").as_bytes()).unwrap();
    assert_eq!((lives.len(), lives[0].events(), lives[1].events().len()), (2, lives[0].events(), 6));
    assert!(lives.iter().all(|life| life.life().unit == 0 && life.summary().status_writes == 1));
}

#[test]
fn units_of_one_log_are_told_apart_by_their_threads() {
    // Two machines write into one file, line by line in turns. The threads of the second have never been seen before.
    let other = |line: &str| line.replacen("7@", "17@", 1).replacen("8@", "18@", 1).replace("0x100004", "0x500004");
    let lines: Vec<String> = SMALL[..7].iter().flat_map(|line| [line.to_string(), other(line)]).collect();
    let lives = Trace::read_all(lines.join("\n").as_bytes()).unwrap();
    assert_eq!(lives.iter().map(|life| life.life().unit).collect::<Vec<_>>(), [0, 1]);
    for life in &lives {
        let verdict = replay(life, Rules::G5, EITHER, |_| ControlFlow::Continue(())).verdict;
        assert!(matches!(verdict, ReplayVerdict::Accepted(Accepted { end: Ending::Idle, .. })), "{verdict:?}");
    }
}

#[test]
fn more_cpus_than_submitters_take_turns() {
    // 20 CPUs post one after the other; none is in a call when the next one posts.
    let mut lines = vec!["1@0.0:vtd_inv_qi_setup addr 0x0 size 256".to_owned()];
    for cpu in 0..20_u64 {
        let thread = 100 + cpu;
        lines.push(format!("{thread}@0.0:vtd_inv_qi_tail write tail {}", cpu + 1));
        lines.push(format!("{thread}@0.0:vtd_inv_qi_head read head {cpu}"));
        let address = 0x1000 + 4 * cpu;
        lines.push(format!("{thread}@0.0:vtd_inv_desc invalidate desc type wait high {address:#x} low 0x200000025"));
        lines.push(format!("{thread}@0.0:vtd_inv_desc_wait_sw wait addr {address:#x} data 0x2"));
    }
    assert_eq!(Log(lines).accepted(Rules::G5, EITHER).submit, 20);
}

/// All generations at once, as the program judges them, with the lines each as they come.
fn judged(log: &Log) -> Vec<(&'static str, Replayed)> {
    let text = log.0.join("\n");
    let (mut go_on, mut judge) = (|| ControlFlow::Continue(()), None);
    for entry in Reader::new(text.as_bytes()) {
        match entry.unwrap() {
            LogEntry::Life(life) => judge = Some(Judge::new(life, GENERATIONS, EITHER)),
            LogEntry::Event { event, text, .. } => judge.as_mut().unwrap().event(&event, &text, &mut go_on),
        }
    }
    let judged = judge.unwrap().end(log.0.len() as u64, &mut go_on);
    judged.into_iter().map(|(generation, replayed)| (generation.name, replayed)).collect()
}

#[test]
fn generations_judged_together_are_judged_as_each_alone() {
    let ite612 = || Log::of(include_bytes!("../../../../tests/fixtures/ite612.qemu.log.gz"));
    for log in [Log::excerpt(), Log::excerpt().delete(417), ite612(), ite612().cut_after(1226), refused(None), small()]
    {
        for (name, together) in judged(&log) {
            let alone = log.replay(Generation::named(name).unwrap().rules, EITHER);
            assert_eq!(together.verdict, alone.verdict, "{name}");
        }
    }
}

#[test]
fn a_log_that_ends_in_the_hang_that_it_shows_says_which() {
    // The first ITE of the excerpt is cleared by 3161 at 1219; IQT is 51, so that the walk of odd slots has no end. In the
    // generations with that walk nobody can return any more; in the others everybody can.
    let log = Log::of(include_bytes!("../../../../tests/fixtures/ite612.qemu.log.gz")).cut_after(1219);
    for (name, replayed) in judged(&log) {
        let ReplayVerdict::Accepted(Accepted { end, .. }) = replayed.verdict else {
            assert_eq!(name, "g1");
            continue;
        };
        match end {
            Ending::Stuck(stuck) => {
                assert!(["g3", "g3t", "g4", "g4r"].contains(&name), "{name}");
                assert_eq!((stuck.hang, stuck.cpus.contains(&3161)), (HangKind::EndlessWalk, true));
            }
            Ending::Middle { .. } => assert!(name.starts_with("g5"), "{name}"),
            end => panic!("{name}: {end:?}"),
        }
    }
    let path = file("replay-hang.log", log.0.join("\n").as_bytes());
    let output = run(&["--generation", "g4", path.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("a run that ends stuck, of g4") && text.contains("fe89277c9ceb"), "{text}");
    // All generations: if the machine hung, it was one of those; if it was switched off, it was one of the others.
    let output = run(&[path.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("If the machine hung here, it was g3 or g3t or g4 or g4r"), "{text}");
    assert!(text.trim_end().lines().last().unwrap().starts_with("next: check g4-lost-answer"), "{text}");
    let page = path.with_extension("html");
    let output = run(&["--html", page.to_str().unwrap(), path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let html = std::fs::read_to_string(&page).unwrap();
    let data = html.split(r#"<script type="application/json" id="data">"#).nth(1).unwrap().split("</script>").next();
    let data: ReportData = serde_json::from_str(data.unwrap()).unwrap();
    assert!(data.sentence.contains("If the machine hung here, it was g3 or g3t or g4 or g4r"), "{}", data.sentence);
    assert!(text.contains(&data.scenarios[0].drawings[0]), "{:?}", data.scenarios[0].drawings);
    // The model's run to the hang that it may have been.
    let hangs = |run: &ShownRun| run.scenario == "g4-lost-answer-in-order-drop-2x4" && !run.stuck.is_empty();
    assert!(data.runs.iter().any(hangs), "{} runs", data.runs.len());
}

#[test]
fn a_missed_wd_is_a_soft_lockup() {
    // Two IDs and a WD in slots 0 to 2; IQH = 3 and IQT = 6: the walk of odd slots, 3, 1, 7, ends at 5 and passes slot 2 over.
    let script = ["1 post 3", "fetch 0 id", "fetch 1 lost", "2 post 6", "fetch 2 wd", "ite 3 6 1", "1 clear"];
    let rest = ["fetch 3 id", "fetch 4 dev", "fetch 5 wd", "done 5"];
    let log = faults::short(8, &[&script[..], &rest].concat());
    let Ending::Stuck(stuck) = log.end(Rules::G4, EITHER) else { panic!("not stuck") };
    assert_eq!((stuck.hang, stuck.cpus), (HangKind::MissedWd, vec![1]));
    assert!(matches!(log.end(Rules::G5, EITHER), Ending::Middle { .. }));
}

#[test]
fn a_log_that_is_cut_off_ends_in_the_middle() {
    // The WD of slot 76 has been fetched, and its status is about to be written: its owner can return.
    let end = Log::excerpt().cut_after(416).end(Rules::G4, EITHER);
    let Ending::Middle { state } = end else { panic!("{end:?}") };
    assert!(state.starts_with("IQH = 77, IQT = 77; slots 72 IN_USE"), "{state}");
    assert!(state.contains("CPU 27608 waits for slot 76"), "{state}");
    assert_eq!(Log::excerpt().cut_after(417).end(Rules::G4, EITHER), Ending::Idle);
    // Half an IQT write.
    assert!(matches!(Log::excerpt().cut_after(418).end(Rules::G4, EITHER), Ending::Middle { .. }));
}
