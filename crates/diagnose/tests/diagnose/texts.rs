//! Texts as they exist in the field, each with an answer that was derived by hand.

use std::io::Read;

use vtd_qi::campaign::findings::Findings;
use vtd_qi_diagnose::diagnosis::{Diagnosis, wrong_in};
use vtd_qi_diagnose::dmesg::{FaultKind, KernelLog};
use vtd_qi_diagnose::dump::{DumpError, read};
use vtd_qi_diagnose::ftrace::CallTrace;
use vtd_qi_diagnose::judge::Bounds;
use vtd_qi_diagnose::material::Material;
use vtd_qi_diagnose::naming::KnownBug;
use vtd_qi_diagnose::patterns::patterns;
use vtd_qi_diagnose::report::{bugs, is_healthy, verdict};
use vtd_qi_diagnose::unit::{JudgedUnit, UnitState};
use vtd_qi_diagnose::window::Impossible;

use crate::rings;

/// Batches written into a ring from slot 0 on: `i` an ID of the unit, `d` one of a device, `W` a WD, `c` a copy of the WD that follows.
fn rows(batches: &str) -> Vec<(u64, u64)> {
    let at = |slot: usize| rings::BASE + 4 * slot as u64;
    let word = |(slot, letter): (usize, char)| match letter {
        'i' => (0x6_00f2, 0xffff_2040),
        'd' => (0x100_0000_0003, 0xffff_2000),
        'c' => (0x2_0000_0025, at(slot + batches[slot..].find('W').unwrap())),
        _ => (0x2_0000_0025, at(slot)),
    };
    batches.chars().enumerate().map(word).collect()
}

/// A dump of batches with the statuses of some slots; IQT is behind the last.
fn dump(batches: &str, head: u64, statuses: &[(usize, u64)]) -> String {
    let rows = rows(batches);
    let status = |slot: usize| statuses.iter().find(|(at, _)| *at == slot).map_or(0, |(_, status)| *status);
    let all = (0..256).map(|slot| (rows.get(slot).copied().unwrap_or((0, 0)), status(slot)));
    rings::printed("dmar0", head, rows.len() as u64, all)
}

fn judged(text: &str) -> JudgedUnit {
    Diagnosis::of(&[Material::read("a test", text).unwrap()], Bounds::default()).units.remove(0)
}

/// 67 slots of batches as Linux 6.12.43 left them at its first ITE.
fn hang_of_6_12_43() -> String {
    let batches = "iW".to_string() + &"idW".repeat(7) + "dW" + &"idW".repeat(14);
    assert_eq!(batches.len(), 67);
    dump(&batches, 67, &[(23, 3), (24, 2), (64, 1), (65, 3), (66, 1)])
}

#[test]
fn the_hang_of_6_12_43_is_the_odd_walk() {
    let kernel = "CPU: 1 PID: 233 Comm: dd Not tainted 6.12.43+deb13-amd64 #1  Debian 6.12.43-1\n";
    let unit = judged(&(hang_of_6_12_43() + kernel));
    assert!(matches!(unit.state, UnitState::Hangs), "{}", verdict(&unit));
    assert_eq!(bugs(&unit), [KnownBug::OddWalk2026]);
    let fits: Vec<&str> = unit.fitting().iter().map(|verdict| verdict.generation.name).collect();
    assert_eq!(fits, ["g4"]);
    assert!(unit.fitting()[0].sightings.iter().all(|(sighting, _)| sighting.lock_held), "who walks has the lock");
    let window = unit.window.as_ref().unwrap();
    assert_eq!((window.free_tail, window.free_cnt, window.iqt), (23, 256 - 44, 67));
    // Without the kernel's version it is g4 or g4r, from one reading as from four that are alike: g3 marks DONE, not FREE.
    for readings in [1, 4] {
        let unit = judged(&hang_of_6_12_43().repeat(readings));
        let fits: Vec<&str> = unit.fitting().iter().map(|verdict| verdict.generation.name).collect();
        assert_eq!((unit.state.word(), fits, unit.stands_still), ("hangs", vec!["g4", "g4r"], readings > 1));
    }
}

const SOFT: &str = "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [dd:210]\nRIP: 0010:qi_submit_sync+0x2d5/0x830\n";

/// A WD on an even slot, aborted by the unit, was stepped over by the walk; others have gone on for nine batches.
#[test]
fn a_wd_that_was_stepped_over_is_the_odd_walk_too() {
    let unit = judged(&(dump(&"idW".repeat(32), 96, &[(66, 1), (67, 3), (68, 1)]) + SOFT));
    let fits: Vec<&str> = unit.fitting().iter().map(|verdict| verdict.generation.name).collect();
    assert_eq!((unit.state.word(), fits), ("hangs", vec!["g4", "g4r"]));
    assert_eq!(bugs(&unit), [KnownBug::OddWalk2026]);
}

/// Four CPUs with 16 IDs each: the walk goes round and round, over every odd slot.
#[test]
fn a_hard_lock_with_many_large_batches_is_named() {
    let large = "i".repeat(8) + &"d".repeat(8) + "W";
    let walked: Vec<(usize, u64)> = (153..221).map(|slot| (slot, if slot % 2 == 1 { 3 } else { 1 })).collect();
    let hard = "NMI watchdog: Watchdog detected hard LOCKUP on cpu 3\nRIP: 0010:qi_submit_sync+0x2d5/0x830\n";
    let unit = judged(&(dump(&large.repeat(13), 221, &walked) + hard));
    let fits: Vec<&str> = unit.fitting().iter().map(|verdict| verdict.generation.name).collect();
    assert_eq!((unit.state.word(), fits), ("hangs", vec!["g3", "g3t", "g4", "g4r"]), "{}", verdict(&unit));
    assert_eq!(bugs(&unit), [KnownBug::OddWalk2026]);
}

#[test]
fn a_ring_at_rest_and_one_at_work_are_healthy() {
    let mut small = "Invalidation queue on IOMMU: dmar1\n Base: 0x1672c9000      Head: 2        Tail: 2\n".to_string();
    small += "Index           qw0                     qw1                     status\n";
    small += "    0   0000000000000004        0000000000000000        0000000000000000\n";
    small += "    1   0000000200000025        00000001672be804        0000000000000000\n";
    let blank = |slot: usize| format!("  {slot:3}   {0:016x}        {0:016x}        {0:016x}\n", 0);
    small += &(2..256).map(blank).collect::<String>();
    for text in [small.clone(), small.replace('\n', "\r\n"), dump(&"idW".repeat(20), 60, &[])] {
        assert_eq!(judged(&text).state.word(), "idle");
        let material = Material::read("a test", &text).unwrap();
        let diagnosis = Diagnosis::of(std::slice::from_ref(&material), Bounds::default());
        assert!(is_healthy(&[material], &diagnosis));
    }
    // Two batches outstanding: the first DONE and not seen, of the second one ID fetched.
    let work = dump(&"idW".repeat(10), 28, &[(24, 1), (25, 1), (26, 2), (27, 1), (28, 1), (29, 1)]);
    let unit = judged(&work);
    assert_eq!(unit.state.word(), "at-work", "{}", verdict(&unit));
    assert!(unit.window.as_ref().unwrap().busy().len() == 2);
    // Sixteen IDs a batch, and eight CPUs that wait: what repeats is left out.
    let many = ("i".repeat(16) + "W").repeat(12);
    let busy: Vec<(usize, u64)> = (68..204).map(|slot| (slot, 1)).collect();
    let unit = judged(&dump(&many, 100, &busy));
    assert_eq!(unit.state.word(), "at-work", "{}", verdict(&unit));
    // One ID and a WD a batch is what g1 posts, and nothing else.
    let fits = |unit: &JudgedUnit| unit.fitting().iter().any(|verdict| verdict.generation.name == "g1");
    assert!(!fits(&unit) && fits(&judged(&dump(&"iW".repeat(10), 20, &[(18, 1), (19, 1)]))));
}

#[test]
fn wide_descriptors_and_several_units() {
    let mut text = dump("iWidW", 5, &[]);
    let wide = text.replace("dmar0", "dmar7");
    let widen = |line: &str| match line.split('\t').collect::<Vec<_>>()[..] {
        [index, qw0, qw1, status] => format!("{index}\t{qw0}\t{qw1}\t{:016x}\t{:016x}\t{status}", 0, 0),
        _ => line.to_string(),
    };
    text += &(wide.lines().map(widen).collect::<Vec<_>>().join("\n") + "\n");
    let (dumps, _) = read(&text).unwrap();
    let words: Vec<(&str, usize)> = dumps.iter().map(|dump| (dump.unit.as_str(), dump.words)).collect();
    assert_eq!(words, [("dmar0", 2), ("dmar7", 4)]);
    let diagnosis = Diagnosis::of(&[Material::read("a test", &text).unwrap()], Bounds::default());
    let states: Vec<&str> = diagnosis.units.iter().map(|unit| unit.state.word()).collect();
    assert_eq!(states, ["idle", "idle"]);
}

#[test]
fn a_corrupted_dump_is_refused_at_its_line() {
    let text = dump("iWidW", 5, &[]);
    let line = |slot: usize| 4 + slot;
    let without = |slot: usize| {
        let lines =
            text.lines().enumerate().filter(|(at, _)| *at + 1 != line(slot)).map(|(_, line)| format!("{line}\n"));
        lines.collect::<String>()
    };
    assert_eq!(read(&without(7)), Err(DumpError::Gap { line: line(7), index: 8, before: 6 }));
    let row = |slot: usize| text.lines().nth(line(slot) - 1).unwrap().to_string();
    let error = |from: &str, to: &str| read(&text.replacen(from, to, 1)).unwrap_err();
    assert_eq!(error(&row(9), &row(8)), DumpError::Gap { line: line(9), index: 8, before: 8 });
    assert_eq!(error(&row(255), &row(255).replace("255", "256")), DumpError::Index { line: line(255), index: 256 });
    assert_eq!(
        error("Tail: 5", "Tail: -5"),
        DumpError::Register { line: 2, name: "Tail", base: "decimal", value: "-5".into() }
    );
    assert_eq!(
        error("Head: 5\t", ""),
        DumpError::Register { line: 2, name: "Head", base: "decimal", value: String::new() }
    );
    let short = row(3).rsplit_once('\t').unwrap().0.to_string();
    assert_eq!(error(&row(3), &short), DumpError::Columns { line: line(3), found: 3 });
    let word = "0000000x00000000";
    let bad = row(3).replacen(&"0".repeat(16), word, 1);
    assert_eq!(error(&row(3), &bad), DumpError::Word { line: line(3), word: word.into() });
    let head: String = text.lines().take(3).map(|line| format!("{line}\n")).collect();
    let unit = || "dmar0".to_string();
    assert_eq!(read(&head).unwrap_err(), DumpError::Cut { line: 1, unit: unit(), rows: 0 });
    let half: String = text.lines().take(3 + 128).map(|line| format!("{line}\n")).collect();
    assert_eq!(read(&half).unwrap_err(), DumpError::Cut { line: 1, unit: unit(), rows: 128 });
    let title = text.lines().next().unwrap().to_string() + "\n";
    let line = 1 + text.lines().count();
    assert_eq!(read(&(text.clone() + &title)).unwrap_err(), DumpError::NameOnly { line, unit: unit() });
    assert_eq!(read(&(title + &text)).unwrap_err(), DumpError::NameOnly { line: 1, unit: unit() });
    let registers = text.lines().nth(1).unwrap().to_string() + "\n";
    assert!(matches!(error(&registers, ""), DumpError::NoRegisters { line: 3, .. }));
}

/// A lone WD behind another batch, both over, and a CPU that is stuck, softly or hard.
#[test]
fn a_lost_done_is_found_in_a_ring_that_looks_idle() {
    for batches in ["iWW", "WW"] {
        for reported in ["BUG: soft lockup - CPU#1 stuck for 22s!", "Watchdog detected hard LOCKUP on cpu 1"] {
            let log = format!("{reported}\nRIP: 0010:qi_submit_sync+0x2d5/0x830\n");
            let unit = judged(&(dump(batches, batches.len() as u64, &[]) + &log));
            assert_eq!(bugs(&unit), [KnownBug::LostDone2024], "{batches}, {reported}: {}", verdict(&unit));
            let fits: Vec<&str> = unit.fitting().iter().map(|verdict| verdict.generation.name).collect();
            assert_eq!(fits, ["g3", "g3t"], "{batches}, {reported}");
        }
    }
    // The version of the kernel may speak against it.
    let log =
        "Linux version 6.12.95 (x) #1 SMP\nBUG: soft lockup - CPU#1 stuck\nRIP: 0010:qi_submit_sync+0x2d5/0x830\n";
    let told = verdict(&judged(&(dump("iWW", 3, &[]) + log)));
    assert!(told.contains("g5 by its version, is not among them"), "{told}");
}

/// What lies elsewhere is another ring; what hangs is not outdone by a later reading; one text is one reading.
#[test]
fn readings_are_of_one_ring_and_of_different_texts() {
    let diagnosed = |texts: &[&str]| {
        let materials: Vec<_> = texts.iter().map(|text| Material::read("a test", text).unwrap()).collect();
        let diagnosis = Diagnosis::of(&materials, Bounds::default());
        assert_eq!(is_healthy(&materials, &diagnosis), diagnosis.units.iter().all(|unit| unit.state.is_healthy()));
        diagnosis.units
    };
    let words = |texts: &[&str]| diagnosed(texts).iter().map(|unit| unit.state.word()).collect::<Vec<_>>();
    let (hung, idle) = (hang_of_6_12_43(), dump(&"idW".repeat(20), 60, &[]));
    let elsewhere = idle.replace("0x1672c9000", "0x1672ca000");
    assert_eq!(words(&[&hung, &elsewhere]), ["hangs", "idle"]);
    let status = |word: u64| format!("{word:016x}");
    let moved = (0..256).fold(idle.clone(), |text, slot| {
        text.replace(&status(rings::BASE + 4 * slot), &status(rings::BASE + 0x10_0000 + 4 * slot))
    });
    assert_eq!(words(&[&hung, &moved]), ["hangs", "idle"]);
    assert_eq!(words(&[&idle, &hung]), ["hangs"]);
    let units = diagnosed(&[&hung, &idle]);
    assert!(
        units[0].state.word() == "hangs" && verdict(&units[0]).contains("reading 1 of 2"),
        "{}",
        verdict(&units[0])
    );
    // A WD that is still to be fetched: it may be at work, unless it is seen to stand still.
    let work = dump(&"idW".repeat(10), 28, &[(27, 1), (28, 1), (29, 1)]);
    let once = diagnosed(&[&work, &work]);
    assert_eq!((once[0].reading, once[0].stands_still), ((1, 1), false));
    let twice = diagnosed(&[&work, &format!("ten seconds later\n{work}")]);
    assert_eq!((twice[0].reading, twice[0].stands_still), ((2, 2), true));
}

#[test]
fn a_dump_is_read_behind_any_prefix() {
    let text = hang_of_6_12_43();
    let (plain, _) = read(&text).unwrap();
    let prefixed = |prefix: &str| text.lines().map(|line| format!("{prefix}{line}\n")).collect::<String>();
    for prefix in [
        "> ",
        "[   12.000001] ",
        "[Fri Nov 27 10:00:00 2026] ",
        "<6>[   12.000001][ T177] ",
        "Nov 27 10:00:00 host root: ",
        "2026-11-27T10:00:00.123456+00:00 host root[12]: ",
    ] {
        assert_eq!(read(&prefixed(prefix)).unwrap().0, plain, "{prefix}");
    }
    // What stands before it is not known, and nothing is guessed.
    assert!(matches!(read(&prefixed("ring.txt ")), Err(DumpError::NameOnly { line: 1.., .. })));
}

#[test]
fn what_no_driver_leaves_behind_is_named_with_its_first_slot() {
    let batches = "iWidWidW";
    let state = |text: String| match judged(&text).state {
        UnitState::Impossible(why) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(state(dump(batches, 256, &[])), Impossible::Register { register: "Head", value: 256 });
    assert_eq!(state(dump(batches, 8, &[(3, 4)])), Impossible::Status { slot: 3, status: 4 });
    assert_eq!(state(dump("iWidWid", 7, &[])), Impossible::NoWd { slot: 6 });
    assert_eq!(state(dump(batches, 8, &[(100, 1)])), Impossible::Blank { slot: 100, what: "QI_IN_USE" });
    assert!(matches!(
        state(dump(batches, 20, &[])),
        Impossible::Blank { slot: 20, .. } | Impossible::Blank { slot: 8, .. }
    ));
    let elsewhere =
        dump(batches, 8, &[]).replacen(&format!("{:016x}", rings::BASE + 16), &format!("{:016x}", rings::BASE + 24), 1);
    let (address, expected) = (rings::BASE + 24, rings::BASE + 16);
    assert_eq!(state(elsewhere), Impossible::WdAddress { slot: 4, address, expected });
    let other_data = dump(batches, 8, &[]).replacen("0000000200000025", "0000000300000025", 1);
    assert_eq!(state(other_data), Impossible::WdData { slot: 1, data: 3 });
    // A copy of the WD over an invalid ID is the driver's own doing.
    assert_eq!(judged(&dump("iWicWidW", 8, &[])).state.word(), "idle");
}

/// A batch of which the second ID alone is ABORT, with both ends free, is none that any walk makes.
#[test]
fn a_state_that_no_generation_comes_to_is_named_with_its_first_slot() {
    let unit = judged(&dump(&"idW".repeat(6), 18, &[(12, 2), (13, 3), (14, 0), (15, 1), (16, 1), (17, 1)]));
    assert!(matches!(unit.state, UnitState::Unreached(12..=14)), "{}", verdict(&unit));
}

#[test]
fn a_kernel_log_is_read_behind_any_prefix() {
    let lines = [
        "DMAR: VT-d detected Invalidation Completion Error: SID 0",
        "DMAR: VT-d detected Invalidation Time-out Error: SID 3a10",
        "DMAR: VT-d detected Invalidation Queue Error: Reason 0",
        "DMAR: QI HEAD: UNKNOWN qw0 = 0x0, qw1 = 0x0",
        "DMAR: QI PRIOR: Invalidation Wait qw0 = 0x200000025, qw1 = 0x185f6729c4",
        "DMAR: Invalidation Completion Error (ICE) cleared",
        "DMAR: Invalidation Time-out Error (ITE) cleared",
        "DMAR: Invalidation Queue Error (IQE) cleared",
    ];
    for prefix in [
        "",
        "[   39.029346] ",
        "<3>[   39.029346] ",
        "Nov 27 13:51:01 host kernel: ",
        "2026-03-01T10:00:00.123456+00:00 host kernel: ",
    ] {
        let text: String = lines.iter().map(|line| format!("{prefix}{line}\r\n")).collect();
        let log = KernelLog::read(&text, |_| false);
        let kinds: Vec<FaultKind> = log.faults.iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, [FaultKind::Ice, FaultKind::Ite, FaultKind::Iqe], "{prefix}");
        assert!(log.faults.iter().all(|fault| fault.cleared), "{prefix}");
        assert_eq!(log.faults[0].seconds.is_some(), prefix.contains("39.02"));
        let last = &log.faults[2];
        // 0x9c4 is the 113th word of an array at a multiple of 1024 bytes.
        assert_eq!((last.prior.unwrap().slot(), last.iqh()), (Some(113), Some(114)));
        assert_eq!(last.head.unwrap().text(), "a blank descriptor");
        assert!(log.faults[1].text().contains("device 3a:02.0"), "{}", log.faults[1].text());
    }
}

/// A console behind the log itself, cut off at its end: each fault counts once.
#[test]
fn what_a_log_says_twice_is_one_fault() {
    let fault = |seconds: u32| {
        format!(
            "[{seconds:5}.000001] DMAR: VT-d detected Invalidation Time-out Error: SID 0\n[{seconds:5}.000002] DMAR: QI HEAD: IOTLB \
             Invalidation qw0 = 0x300f2, qw1 = 0x{seconds:x}\n"
        )
    };
    let log: String = (0..20_000).map(fault).collect();
    let again = log.replace("qw1", "DMAR") + "DMAR: Invalidation Time-out Error (ITE) cleared\n";
    let read = KernelLog::read(&(log + &again), |_| false);
    assert_eq!(read.faults.len(), 20_000);
    let last = &read.faults[19_999];
    assert!(last.cleared && last.head.is_some() && !read.faults[0].cleared);
}

#[test]
fn known_patterns_are_named() {
    let ite = |slot: u64, seconds: f64| {
        format!(
            "[{seconds:12.6}] DMAR: VT-d detected Invalidation Time-out Error: SID 0\n[{seconds:12.6}] DMAR: QI HEAD: Device-TLB \
             Invalidation qw0 = 0x3, qw1 = 0x0\n[{seconds:12.6}] DMAR: QI PRIOR: Invalidation Wait qw0 = 0x200000025, qw1 = {:#x}\n",
            0x4042c00 + 4 * slot
        )
    };
    let of = |text: &str| patterns(&KernelLog::read(text, |_| false));
    let endless: String = (0..6).map(|k| ite(10 + 2 * k, 5.0 + k as f64)).collect();
    assert!(of(&endless)[0].means.contains("finding 4"), "{:?}", of(&endless));
    // At places far apart the ring has gone on in between.
    let recovered: String = (0..6).map(|k| ite((10 + 100 * k) % 256, 5.0 + k as f64)).collect();
    assert!(of(&recovered)[0].means.contains("has gone on"), "{:?}", of(&recovered));
    let gpu = "DMAR: VT-d detected Invalidation Completion Error: SID 0\n".to_string() + &endless;
    assert!(of(&gpu).iter().any(|pattern| pattern.what.contains("(ICE), then")));
    let iqe = "DMAR: VT-d detected Invalidation Queue Error: Reason 0\nDMAR: QI HEAD: IOTLB Invalidation qw0 = 0x72, qw1 = 0x7\nDMAR: QI \
               PRIOR: IOTLB Invalidation qw0 = 0xf2, qw1 = 0x0\n";
    assert!(of(&iqe.repeat(3))[0].means.contains("finding 5"));
    assert!(!of(iqe)[0].means.contains("finding"));
    let soft = "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [dd:210]\nRIP: 0010:qi_submit_sync+0x2d5/0x830\n";
    assert!(of(soft)[0].advice.contains("3cf74230c139"));
    let hard = "NMI watchdog: Watchdog detected hard LOCKUP on cpu 2\n RIP: 0010:qi_submit_sync+0x2d5/0x830\n";
    assert!(of(&(ite(1, 2.0) + hard))[1].advice.contains("fe89277c9ceb"));
    assert!(
        of("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [dd:210]\nRIP: 0010:ext4_readdir+0x1/0x2\n").is_empty()
    );
    // Interrupts are off while the lock is held and while a call polls.
    assert!(["3cf74230c139", "fe89277c9ceb"].iter().all(|commit| of(hard)[0].advice.contains(commit)));
    // At one place nothing goes on; of a single time-out nothing is said.
    let still: String = (0..6).map(|k| ite(10, 5.0 + k as f64)).collect();
    assert!(of(&still)[0].means.contains("IQH stands at slot 11"), "{:?}", of(&still));
    assert!(of(&ite(1, 2.0))[0].means.contains("is not said"));
    // What the version speaks against is said.
    let kernel = |release: &str| format!("Linux version {release} (x) #1 SMP\n{soft}");
    assert!(of(&kernel("6.12.95"))[0].means.contains("does not have the bug of 2024"));
    assert!(!of(&kernel("6.8.1"))[0].means.contains("does not have"));
    // A trace in the same text is no stack.
    let stall = "[   39.0] rcu: INFO: rcu_preempt self-detected stall on CPU\n dd-7     [001] d..1.    49.199990: enter: \
                 (qi_submit_sync+0x4/0x830) count=1\n";
    assert!(of(stall).is_empty());
    // The numbers that the sentences name are those of the findings.
    let titles: Vec<String> = Findings::embedded().findings.into_iter().map(|finding| finding.title).collect();
    assert!(
        titles[3].starts_with("Endless -EAGAIN")
            && titles[4].starts_with("An invalid ID that is not the first of its batch")
    );
}

/// Which lines of a text belong to a lockup: its own stack, of the CPU that is stuck, as far as it is sure.
#[test]
fn a_lockup_is_the_drivers_by_its_own_stack_alone() {
    let in_driver = |lines: &[&str]| {
        let text: String = lines.iter().map(|line| format!("[  100.000001] {line}\n")).collect();
        let log = KernelLog::read(&text, |_| false);
        log.lockups.iter().map(|lockup| lockup.in_driver).collect::<Vec<_>>()
    };
    let soft = "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [kworker/3:1:77]";
    let head = [soft, "Modules linked in: foo", "CPU: 3 PID: 77 Comm: kworker/3:1 Not tainted 6.1.0 #1"];
    let (ours, other) = ("RIP: 0010:qi_submit_sync+0x2c0/0x490", "RIP: 0010:nvme_poll+0x10/0x50 [nvme]");
    let with = |lines: &[&str]| in_driver(&[&head[..], lines].concat());
    assert_eq!(with(&[ours, "Code: 00"]), [true]);
    let lock = "RIP: 0010:native_queued_spin_lock_slowpath+0x1/0x2";
    let frame = " qi_submit_sync.part.0+0x1/0x2";
    assert_eq!(with(&[lock, "RAX: 0", "Call Trace:", " <TASK>", " ? __pfx_foo+0x1/0x2", frame]), [true]);
    assert_eq!(with(&[other, "Call Trace:", " <TASK>", " ? qi_submit_sync+0x1/0x2", " </TASK>"]), [false]);
    // Another stack, behind its end, behind a line that is no part of it, or of another CPU.
    assert_eq!(with(&[other, "Call Trace:", " foo+0x1/0x2", " </TASK>", "Call Trace:", frame]), [false]);
    assert_eq!(with(&[other, "Call Trace:", " foo+0x1/0x2", "eth0: link is up", frame]), [false]);
    assert_eq!(with(&[other, "---[ end trace 0 ]---", "CPU: 3 PID: 1", ours]), [false]);
    assert_eq!(with(&[other, "Call Trace:", " </TASK>", "NMI backtrace for cpu 1", ours]), [false]);
    assert_eq!(with(&[other, soft, ours]), [false, true]);
    let stall = "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:";
    let sent =
        ["rcu:     3-....: (5250 ticks this GP)", "Sending NMI from CPU 1 to CPUs 3:", "NMI backtrace for cpu 3"];
    assert_eq!(in_driver(&[&[stall], &sent[..], &[ours]].concat()), [true]);
    assert_eq!(in_driver(&[stall, "p:qis/enter qi_submit_sync count=%dx:u32"]), [false]);
    let old = "RIP: 0010:[<ffffffff8154a1b0>]  [<ffffffff8154a1b0>] qi_submit_sync+0x2c0/0x490";
    assert_eq!(with(&[old]), [true]);
}

#[test]
fn calls_that_never_return_are_told_with_what_they_have_posted() {
    let log = include_str!("../fixtures/ite612.serial.log");
    let material = Material::read("a test", log).unwrap();
    let trace = &material.trace;
    assert_eq!((trace.calls.len(), trace.submissions, trace.units["dmar0"]), (6, 12, 12));
    assert!(trace.calls.iter().all(|call| call.count == Some(2) && call.posted.len() == 2));
    assert_eq!(trace.codes().into_iter().collect::<Vec<_>>(), [(0, 6)]);
    assert!(wrong_in(trace).is_empty() && material.log.faults.len() == 8, "{}", material.log.faults.len());
    // The last call's return is missing, and the trace goes on for two seconds.
    let cut = log.trim_end().rsplit_once('\n').unwrap().0;
    let later =
        "\n              dd-7       [002] d.h4.    10.500000: qi_submit: iotlb_inv dmar0: 0x600f2 0x0 0x0 0x0\n";
    let trace = CallTrace::read(&(cut.to_string() + later), |_| false);
    let wrong = wrong_in(&trace);
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].contains("dev_tlb_inv dmar0: 0x10000000003") && wrong[0].contains("2.043"), "{wrong:?}");
    // At once behind it the trace ends: it may be in the middle.
    assert!(wrong_in(&CallTrace::read(cut, |_| false)).is_empty());
    // Its task calls again, so the call has returned, recorded or not; in an interrupt it may be going on.
    let call = |depth: char, seconds: u32| {
        format!("dd-7 [002] d.{depth}1. {seconds}.0: enter: (qi_submit_sync+0x4/0x830) count=1\n")
    };
    let ret = |seconds: u32| format!("dd-7 [002] d..1. {seconds}.5: ret: (foo+0x1/0x2 <- qi_submit_sync) rc=0\n");
    let read = |text: String| CallTrace::read(&text, |_| false);
    let goes_on = read(call('.', 1) + &call('.', 3) + &ret(3) + &call('.', 9) + &ret(9));
    assert!(wrong_in(&goes_on).is_empty() && goes_on.calls[0].unrecorded && goes_on.returned() == 2);
    let interrupted = read(call('.', 1) + &call('h', 3) + &ret(3).replace("d..", "d.h") + &call('h', 9));
    assert!(wrong_in(&interrupted)[0].starts_with("line 1: the call of dd-7 has not returned"));
    // What is not recorded says nothing.
    let undecided =
        |trace: &CallTrace| trace.hung().count() == 0 && wrong_in(trace)[0].starts_with("not decided: 1 call");
    assert!(undecided(&read(call('.', 1) + &call('.', 3) + &call('.', 9))));
    let other = (call('.', 1) + &ret(1) + &call('.', 9) + &ret(9)).replace("dd-7", "dd-8");
    assert!(undecided(&read(call('.', 1) + "CPU:1 [LOST 37 EVENTS]\n" + &other)));
    assert_eq!(read(call('.', 1) + &other).hung().count(), 1);
    let coded = |code: &str| {
        let at = log.rfind("rc=0").unwrap();
        let trace = CallTrace::read(&format!("{}rc={code}{}", &log[..at], &log[at + 4..]), |_| false);
        (trace.codes().into_keys().min().unwrap(), wrong_in(&trace).len())
    };
    assert_eq!(coded("-22"), (-22, 0));
    assert_eq!(coded("0xffffff92"), (-110, 0));
    assert_eq!(coded("0xfffffffffffffff5"), (-11, 1));
    assert_eq!(coded("-5"), (-5, 1));
}

#[test]
fn one_text_may_hold_all_kinds() {
    let text = include_str!("../fixtures/ite612.serial.log").to_string() + &hang_of_6_12_43() + "vtd_inv_qi_fetch\n";
    let material = Material::read("a test", &text).unwrap();
    assert_eq!((material.dumps.len(), material.trace.calls.len(), material.qemu), (1, 6, 1));
    assert_eq!(material.kinds().len(), 4);
    // What QEMU's lines come to is said by the bridge that replays them.
    let log = "\
7@1.000002:vtd_inv_qi_setup addr 0x1000 size 256
8@1.000004:vtd_inv_qi_tail write tail 2
8@1.000005:vtd_inv_qi_head read head 0
8@1.000006:vtd_inv_qi_head read head 1
8@1.000007:vtd_inv_desc invalidate desc type wait high 0x100004 low 0x200000025
8@1.000008:vtd_inv_desc_wait_sw wait invalidate status write addr 0x100004 data 0x2
";
    let judged = |log: &str| {
        let material = Material::read("a test", &(log.to_string() + "qemu-system-x86_64: warning\n")).unwrap();
        let diagnosis = Diagnosis::of(std::slice::from_ref(&material), Bounds::default());
        let lives = diagnosis.qemu[0].1.as_ref().unwrap();
        (is_healthy(&[material], &diagnosis), lives[0].verdict())
    };
    let (healthy, told) = judged(log);
    assert!(healthy && told.starts_with("a run of ") && told.contains("g5"), "{told}");
    // Of the generations that explain it some hang at its end.
    let mut hang = String::new();
    let packed = &include_bytes!("../../../../tests/fixtures/ite612.qemu.log.gz")[..];
    flate2::read::GzDecoder::new(packed).read_to_string(&mut hang).unwrap();
    let hang: String = hang.lines().take(1219).map(|line| format!("{line}\n")).collect();
    let (healthy, either) = judged(&hang);
    assert!(
        !healthy && either.starts_with("not decided") && either.contains("a run of g3, g3t, g4, g4r; it ends stuck")
    );
    let (healthy, told) = judged(&log.replace("tail 2", "tail 1"));
    assert!(!healthy && told.starts_with("no run of any generation"), "{told}");
    assert!(Material::read("a test", "Dear colleague,\nit hangs.\n").unwrap().is_unknown());
}

/// Whatever a file holds, it is read or refused.
#[test]
fn no_text_makes_it_panic() {
    let mut random = fastrand::Rng::with_seed(15);
    let sources = [hang_of_6_12_43(), include_str!("../fixtures/ite612.serial.log").to_string()];
    let words = [
        "",
        "-1",
        "0x",
        "99999999999999999999",
        "[",
        "]",
        ": ",
        "\t",
        "Base:",
        "Head:",
        "qi_submit",
        "SID",
        "é",
        "\u{0}",
    ];
    for turn in 0..20_000 {
        let source = &sources[turn % 2];
        let lines: Vec<&str> = source.lines().collect();
        let from = random.usize(..lines.len());
        let mut text = lines[from..(from + random.usize(1..40)).min(lines.len())].join("\n");
        match random.u8(..8) {
            0 => text.clone_from(source),
            1..4 => text = lines[..3].join("\n") + "\n" + &text,
            _ => {}
        }
        for _ in 0..random.usize(1..6) {
            let mut at = random.usize(..=text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let mut end = (at + random.usize(..6)).min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            text.replace_range(at..end, words[random.usize(..words.len())]);
        }
        if let Ok(material) = Material::read("fuzz", &text) {
            let bounds = Bounds { states: 200, ..Bounds::default() };
            let diagnosis = Diagnosis::of(std::slice::from_ref(&material), bounds);
            let data = vtd_qi_diagnose::report::DiagnosisData::of(&[material], &diagnosis);
            assert!(serde_json::to_string(&data).is_ok());
        }
    }
}
