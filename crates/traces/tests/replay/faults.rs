//! Device time-outs: a real excerpt, corruptions of it, short traces by hand, and runs of small rings with faults as traces.
//!
//! `fixtures/ite612.qemu.log.gz` are the first 1890 lines of a log of Linux 6.12.95 with four CPUs on a unit with a queue of its
//! own and device time-outs. 3156 is the unit's thread. The first ITE is cleared by 3161, whose own batch goes on, the second by
//! 3160, whose batch it is.
//!
//! ```text
//! 1204, 1205 3162 IQT 49                                1869  head 231, iotlb 0xffff2040 (1870: details)
//! 1206, 1207      head 46, iotlb (1208: details)        1871, 1872      head 232, device 0xffff2000
//! 1208, 1209      (so numbered in the log: 1207, 1209)  1873            vtd_x_dev_noresp head 232
//! 1210            vtd_x_dev_noresp head 47              1874, 1875      head 233, wait 0x4042fa4
//! 1211, 1212 3161 IQT 51                                1876            vtd_x_wait_pend head 233
//! 1213, 1214      head 48, wait 0x4042cc0               1877            vtd_x_ite_set head 234 tail 234 aborted waits 1
//! 1215            vtd_x_wait_pend head 48               1879, 1880 3160 vtd_reg_write addr 0x34, vtd_x_fsts_write now 0x0
//! 1216            vtd_x_ite_set head 49 tail 51         1881, 1882 3160 IQT 237
//! 1218, 1219 3161 vtd_reg_write, vtd_x_fsts_write       1883, 1884      head 234, iotlb 0xffff2040 (1885: details)
//! 1220 .. 1225    head 49, iotlb; head 50, wait, status 1886, 1887      head 235, device 0xffff2000
//! 1226, 1227 3162 IQT 54                                1888 .. 1890    head 236, wait 0x4042fb0, status
//! 1228 ..         head 51, iotlb; head 52, device ..
//! ```

use vtd_qi::impl_qi::{FaultClass, Faults, IdKind, Pc, Request, State};
use vtd_qi_traces::replay::{Cause, GivenUp};

use super::*;

/// The generations whose walk visits every slot.
fn every_slot() -> impl Iterator<Item = &'static Generation> {
    ["g5", "g5r", "g5plus"].into_iter().map(|name| Generation::named(name).unwrap())
}

fn excerpt() -> Log {
    Log::of(include_bytes!("../../../../tests/fixtures/ite612.qemu.log.gz"))
}

/// A short log with a time-out, whose batch is posted again.
pub fn by_hand() -> Log {
    let script = ["1 post 2", "fetch 0 lost", "fetch 1 wd", "2 post 5", "ite 2 5 1", "1 clear"];
    let rest = ["fetch 2 id", "fetch 3 dev", "fetch 4 wd", "done 4", "2 post 7"];
    short(8, &[&script[..], &rest].concat())
}

/// The reason, if each generation whose walk visits every slot rejects the trace at a line.
#[track_caller]
fn rejected_at(log: &Log, line: u64) -> Reason {
    let mut reasons = every_slot().map(|generation| log.rejection(generation.rules, ASYNC));
    let (first, reason) = reasons.next().unwrap();
    assert_eq!(first, line, "{reason}");
    assert!(reasons.all(|(other, _)| other == line));
    reason
}

/// A driver that only retries does not do this at a line; of one that returns `-ETIMEDOUT` where a device is gone it is not known.
#[track_caller]
fn unless_gone(log: &Log, line: u64, reason: Reason) {
    assert_eq!(log.rejection(Rules::G5R, ASYNC), (line, reason));
    let unknown = ReplayVerdict::Unknown(GivenUp { line, cause: Cause::DeviceGone });
    assert_eq!(log.replay(Rules::G5, ASYNC).verdict, unknown);
}

#[test]
fn the_excerpt_is_accepted_by_the_walk_of_every_slot() {
    let log = excerpt();
    let summary = log.trace().summary();
    // By `grep -c`: 206 tails, one of them before the set-up; 493 descriptors, 205 of them WDs; 203 status writes.
    assert_eq!((summary.iqt_writes, summary.wds, summary.status_writes), (205, 205, 203));
    assert_eq!((summary.ites, summary.aborted), (2, 2));
    // 493 - 205 IDs, of which 2 are not answered.
    let all = SpecSteps {
        submit: 203,
        accept: 205,
        execute: 286,
        complete: 203,
        observe: 203,
        abort: 2,
        repost: 2,
        refuse: 0,
    };
    for generation in every_slot() {
        for after_ite in AfterIte::ALL {
            let replayed = log.replay(generation.rules, Options { after_ite, ..ASYNC });
            assert_eq!(replayed.grain, Grain::Sections);
            let accepted = Accepted { steps: all, end: Ending::Idle };
            assert_eq!(replayed.verdict, ReplayVerdict::Accepted(accepted));
        }
    }
    // QEMU's own unit has no time-outs, but the first fetch, at 12, is on another thread than the IQT write already.
    assert_eq!(log.rejection(Rules::G5, STOCK), (12, Reason::Thread { thread: 3156, writer: 3159 }));
}

#[test]
fn the_walk_of_odd_slots_has_no_end() {
    // At the first ITE IQT = 51: the walk ends at slot 50, which it never visits. 3161 walks and holds the lock, which 3162
    // would need at 1227 at the latest.
    for rules in [Rules::G3, Rules::G3T, Rules::G4, Rules::G4R] {
        assert_eq!(excerpt().rejection(rules, ASYNC), (1227, Reason::EndlessWalk { cpu: 3162, by: 3161, end: 50 }));
    }
    // In short: IQT = 5, so that the walk of odd slots, 1, 7, 5, 3, never comes to 4.
    let log = by_hand();
    let options = Options { end: End::Anywhere, ..ASYNC };
    both(&log, Rules::G5, options).unwrap();
    assert_eq!(both(&log, Rules::G4, options), Err((18, Reason::EndlessWalk { cpu: 2, by: 1, end: 4 })));
    // Where the walk comes before ITE is cleared, ITE is never cleared.
    let rules = Rules { ite_walk: Rules::G4.ite_walk, straddler: Rules::G5.straddler, ..Rules::G5_PLUS };
    assert_eq!(excerpt().rejection(rules, ASYNC), (1219, Reason::EndlessWalk { cpu: 3161, by: 3161, end: 50 }));
}

#[test]
fn an_ite_without_an_answer_missing() {
    // Without 1210, the WD of slot 48 waits for nothing (1215, one line up); without that line too, ITE has no cause.
    assert_eq!(rejected_at(&excerpt().delete(1210), 1214), Reason::WaitsForNothing(48));
    assert_eq!(rejected_at(&excerpt().delete(1215).delete(1210), 1214), Reason::IteForNothing);
    // It is an ID for the unit that gets no answer, or one that was fetched before, or none.
    let log = excerpt().replace(1210, "head 47", "head 46");
    assert_eq!(rejected_at(&log, 1210), Reason::NoRequest(46));
    assert_eq!(rejected_at(&excerpt().shift(1210, 1215), 1214), Reason::WaitsForNothing(48));
    // The WD that waits: another address, another slot.
    assert_eq!(rejected_at(&excerpt().replace(1215, "0x4042cc0", "0x4042cc4"), 1215), Reason::NoWait(48));
    assert_eq!(rejected_at(&excerpt().replace(1215, "head 48", "head 47"), 1215), Reason::NoWait(47));
}

#[test]
fn an_ite_that_contradicts_the_ring() {
    let log = excerpt().replace(1216, "head 49", "head 48");
    assert_eq!(rejected_at(&log, 1216), Reason::IteElsewhere { head: 48, tail: 51, iqh: 49, iqt: 51 });
    for aborted in [0, 2] {
        let log = excerpt().replace(1216, "waits 1", &format!("waits {aborted}"));
        assert_eq!(rejected_at(&log, 1216), Reason::Aborted { aborted, pending: 1 });
    }
    // Between a read of IQH and the descriptor.
    assert_eq!(rejected_at(&excerpt().shift(1216, 1214), 1214), Reason::HeadTwice { slot: 49, before: 48 });
    assert!(matches!(rejected_at(&excerpt().replace(1216, "3156@", "7@"), 1216), Reason::SecondThread { .. }));
    // Twice.
    assert_eq!(rejected_at(&excerpt().copy(1216, 1217), 1217), Reason::IteForNothing);
}

#[test]
fn a_status_write_of_an_aborted_wd() {
    let write = "3156@1795403848.505447:vtd_inv_desc_wait_sw wait invalidate status write addr 0x4042cc0 data 0x2";
    // Before the time-out it waits for the answer; after, it is gone.
    assert_eq!(rejected_at(&excerpt().insert(1216, write), 1216), Reason::Unanswered(48));
    for line in [1217, 1220] {
        let reason = rejected_at(&excerpt().insert(line, write), line as u64);
        assert_eq!(reason, Reason::NotDue { slot: 48, due: None });
    }
}

#[test]
fn a_time_out_that_nobody_clears() {
    // Without 1219 hardware fetches slot 49 while ITE is set.
    assert_eq!(rejected_at(&excerpt().delete(1219), 1219), Reason::Stopped(49));
    assert_eq!(rejected_at(&excerpt().cut_after(1878), 1878), Reason::IteLeft);
    // The owner of the aborted batch posts while ITE is set: nobody has told it.
    let log = excerpt().shift(1881, 1879).shift(1882, 1880);
    assert_eq!(rejected_at(&log, 1880), Reason::StillWaits { cpu: 3160, wd: 233 });
}

#[test]
fn fsts_written_by_another_or_with_another_effect() {
    // By the unit; by 3161, whose last batch was posted at 1821, and others have had the lock since it was completed.
    assert_eq!(rejected_at(&excerpt().replace(1219, "3161@", "3156@"), 1219), Reason::NoCpuClears(3156));
    assert_eq!(rejected_at(&excerpt().replace(1880, "3160@", "3161@"), 1880), Reason::NoCheck(3161));
    // 3159, whose batch was posted at 1854 and completed at 1867, may have looked before that, and nobody has had the lock since.
    excerpt().replace(1880, "3160@", "3159@").accepted(Rules::G5, ASYNC);
    // Twice: the second finds nothing to clear, and changes nothing.
    excerpt().copy(1219, 1220).accepted(Rules::G5, ASYNC);
    // A write that does not clear ITE is one for another reason; then hardware goes on, at 1220, though ITE is set.
    assert_eq!(rejected_at(&excerpt().replace(1219, "0x0", "0x40"), 1220), Reason::Stopped(49));
    assert_eq!(rejected_at(&excerpt().replace(1219, "0x0", "0x10"), 1219), Reason::OtherFault(0x10));
    // Other bits of FSTS do not belong to the invalidation queue.
    excerpt().replace(1219, "0x0", "0x3").accepted(Rules::G5, ASYNC);
    // The first may as well be cleared by 3162, whose batch it is: both look.
    excerpt().replace(1219, "3161@", "3162@").accepted(Rules::G5, ASYNC);
}

#[test]
fn a_batch_not_posted_again() {
    // The IQT write of 1226 and 1227 is missing: slot 51 is fetched, now at 1226, and nothing is posted.
    let log = excerpt().delete(1227).delete(1226);
    assert_eq!(rejected_at(&log, 1226), Reason::NothingToFetch { slot: 51, iqt: 51 });
    // Another CPU posts in its place, and the trace ends.
    let log = excerpt().replace(1881, "3160@", "3159@").replace(1882, "3160@", "3159@");
    unless_gone(&log, 1890, Reason::NotPostedAgain(3160));
    unless_gone(&excerpt().cut_after(1880), 1880, Reason::NotPostedAgain(3160));
    excerpt().cut_after(1880).accepted(Rules::G5, Options { end: End::Anywhere, ..ASYNC });
}

#[test]
fn another_batch_is_posted_again() {
    // One ID more, one less.
    for (value, tail, ids) in [("0xee0", 238, 3), ("0xec0", 236, 1)] {
        let log = excerpt().replace(1881, "0xed0", value).replace(1882, "tail 237", &format!("tail {tail}"));
        unless_gone(&log, 1882, Reason::OtherBatch { cpu: 3160, ids, again: 2 });
    }
    // As many, of other kinds: what lies in slot 235 is what was there before.
    let log = excerpt().replace(1887, "type device", "type iotlb").replace(1887, "low 0x10000000003", "low 0x600f2");
    unless_gone(&log, 1887, Reason::OtherIds { cpu: 3160, slot: 235 });
    // IDs of the same kinds, for another page.
    let log = excerpt().replace(1884, "0xffff2040", "0xffff3040");
    unless_gone(&log, 1884, Reason::OtherIds { cpu: 3160, slot: 234 });
    let log = excerpt().replace(1887, "0xffff2000", "0xffff3000");
    unless_gone(&log, 1887, Reason::OtherIds { cpu: 3160, slot: 235 });
}

/// A device that is gone: who clears the ITE returns `-ETIMEDOUT` and goes on with other work, its own batch aborted or not.
#[test]
fn a_call_that_may_have_returned_an_error_is_never_called_wrong() {
    let script = ["1 post 2", "fetch 0 lost", "fetch 1 wd", "2 post 5", "ite 2 5 1"];
    let rest = ["fetch 2 id", "fetch 3 dev", "fetch 4 wd"];
    // Line 13 is the ITE, 14 its clearing; the first posts one ID more in the end, at 22, or the bystander does, whose WD is due.
    let owner = short(8, &[&script[..], &["1 clear"], &rest, &["done 4", "1 post 0"]].concat());
    let bystander = short(8, &[&script[..], &["2 clear"], &rest, &["2 post 7"]].concat());
    for (log, line, reason) in [
        (&owner, owner.0.len() as u64, Reason::OtherBatch { cpu: 1, ids: 2, again: 1 }),
        (&bystander, bystander.0.len() as u64, Reason::StillWaits { cpu: 2, wd: 4 }),
    ] {
        unless_gone(log, line, reason);
    }
    // Who has not cleared it does not return so.
    let log = short(8, &[&script[..], &["1 clear"], &rest, &["2 post 7"]].concat());
    assert_eq!(rejected_at(&log, log.0.len() as u64), Reason::StillWaits { cpu: 2, wd: 4 });
}

/// A short trace: `t post slot`, `fetch slot [dev|wd]`, `lost`, `done slot`, `ite head tail waits`, `t clear`.
pub fn short(slots: u16, script: &[&str]) -> Log {
    let mut lines = vec![format!("0@0.0:vtd_inv_qi_setup addr 0x0 size {slots}")];
    for said in script {
        let words: Vec<&str> = said.split(' ').collect();
        match words[..] {
            [t, "post", slot] => lines.push(format!("{t}@0.0:vtd_inv_qi_tail write tail {slot}")),
            [t, "clear"] => lines.push(format!("{t}@0.0:vtd_x_fsts_write fsts now 0x0")),
            ["fetch", slot, what] => {
                lines.push(format!("9@0.0:vtd_inv_qi_head read head {slot}"));
                lines.push(match what {
                    "dev" | "lost" => "9@0.0:vtd_inv_desc invalidate desc type device high 0x0 low 0x3".into(),
                    "id" => "9@0.0:vtd_inv_desc invalidate desc type iec high 0x0 low 0x4".into(),
                    _ => format!(
                        "9@0.0:vtd_inv_desc invalidate desc type wait high {:#x} low 0x200000025",
                        0x100 + 4 * slot.parse::<u64>().unwrap()
                    ),
                });
                if what == "lost" {
                    lines.push(format!("9@0.0:vtd_x_dev_noresp head {slot}"));
                }
            }
            ["done", slot] => lines.push(format!(
                "9@0.0:vtd_inv_desc_wait_sw wait addr {:#x} data 0x2",
                0x100 + 4 * slot.parse::<u64>().unwrap()
            )),
            ["ite", head, tail, waits] => {
                lines.push(format!("9@0.0:vtd_x_ite_set head {head} tail {tail} aborted waits {waits}"))
            }
            _ => panic!("{said}"),
        }
    }
    Log(lines)
}

/// The verdict, on which both grains agree.
#[track_caller]
fn both(log: &Log, rules: Rules, options: Options) -> Result<SpecSteps, (u64, Reason)> {
    let verdict = |grain| match log.replay(rules, Options { grain, ..options }).verdict {
        // Whether an ID was executed before it was dropped is not to be seen.
        ReplayVerdict::Accepted(accepted) => Ok(SpecSteps { execute: 0, ..accepted.steps }),
        ReplayVerdict::Broken(broken) => panic!("{broken:?}"),
        ReplayVerdict::Rejected(rejection) => Err((rejection.line, rejection.reason)),
        ReplayVerdict::Unknown(given_up) => panic!("{given_up:?}"),
    };
    let (sections, steps) = (verdict(Grain::Sections), verdict(Grain::Steps));
    assert_eq!(sections, steps);
    sections
}

#[test]
fn an_aborted_wd_on_an_even_slot_is_passed_over() {
    // T1 posts two IDs and a WD in slot 2, T2 as many behind. IQH = 3 and IQT = 6: the walk of odd slots goes 3, 1, 7 and ends
    // at 5; that of every slot visits 2.
    let script = ["1 post 3", "fetch 0 id", "fetch 1 lost", "2 post 6", "fetch 2 wd", "ite 3 6 1", "1 clear"];
    let rest =
        ["fetch 3 id", "fetch 4 dev", "fetch 5 wd", "done 5", "1 post 1", "fetch 6 id", "fetch 7 dev", "fetch 0 wd"];
    let log = short(8, &[&script[..], &rest, &["done 0"]].concat());
    let steps = both(&log, Rules::G5, ASYNC).unwrap();
    assert_eq!((steps.submit, steps.complete, steps.abort, steps.repost), (2, 2, 1, 1));
    // The IQT write is the 20th line: 1 for the set-up, 2 for each fetch, 1 more for that without an answer.
    let passed_over = Reason::PassedOver { cpu: 1, wd: 2 };
    assert_eq!(both(&log, Rules::G4R, ASYNC), Err((20, passed_over)));
}

#[test]
fn who_has_looked_before_its_status_was_written_may_clear() {
    // T2's WD, in slot 1, is written before ITE is set, and T2 clears it: it had polled before the write and read FSTS after.
    let begin = ["2 post 2", "fetch 0 id", "1 post 4", "fetch 1 wd", "fetch 2 lost"];
    let end = ["fetch 3 wd", "ite 4 4 1", "2 clear", "1 post 6", "fetch 4 dev", "fetch 5 wd", "done 5"];
    let log = short(8, &[&begin[..], &["done 1"], &end].concat());
    for generation in every_slot() {
        let steps = both(&log, generation.rules, ASYNC).unwrap();
        assert_eq!((steps.observe, steps.abort), (2, 1));
    }
    // If T3 takes the lock between the write and the ITE, T2 has dropped it and sees DONE.
    let end = ["fetch 3 wd", "3 post 6", "ite 4 6 1", "2 clear"];
    let log = short(8, &[&begin[..], &["done 1"], &end].concat());
    assert_eq!(both(&log, Rules::G5, ASYNC), Err((16, Reason::NoCheck(2))));
    // Also a post under ITE has to clear it, before any other takes the lock.
    let log = short(8, &["1 post 2", "fetch 0 lost", "fetch 1 wd", "ite 2 2 1", "2 post 4", "1 clear"]);
    assert_eq!(both(&log, Rules::G5, ASYNC), Err((10, Reason::NotItsIte { cpu: 1, by: 2 })));
    let log = short(8, &["1 post 2", "fetch 0 lost", "fetch 1 wd", "ite 2 2 1", "2 post 4", "3 post 6"]);
    assert_eq!(both(&log, Rules::G5, ASYNC), Err((10, Reason::ClearsFirst { cpu: 3, by: 2 })));
}

#[test]
fn a_time_out_before_the_wd_is_fetched() {
    // The ID has timed out and the WD is fetched behind it: the ring tells the caller of success, the specification does not.
    let script = ["1 post 2", "fetch 0 lost", "ite 1 2 0", "1 clear", "fetch 1 wd"];
    let log = short(4, &[&script[..], &["done 1"]].concat());
    for grain in [Grain::Sections, Grain::Steps] {
        let (breach, end) = log.broken(Rules::G5, Options { grain, ..ASYNC });
        assert_eq!((breach.line, breach.property, end), (10, "success-after-execution", Ending::Idle));
        assert_eq!(breach.finding, Some((1, "Success, though an ID timed out".into())));
        assert!(breach.before.contains("T1 waiting(1)") && breach.after.contains("done(0)->T1"), "{breach:?}");
    }
    // G5 mended has written QI_ABORT into that WD.
    let mut mended = short(4, &[&script[..], &["done 1", "1 post 0", "fetch 2 dev", "fetch 3 wd", "done 3"]].concat())
        .replace(9, "0x200000025", "0x300000025")
        .replace(10, "data 0x2", "data 0x3");
    let steps = both(&mended, Rules::G5_PLUS, ASYNC).unwrap();
    assert_eq!((steps.submit, steps.complete, steps.abort, steps.repost), (1, 1, 1, 1));
    assert_eq!(both(&mended, Rules::G5, ASYNC), Err((9, Reason::Data { data: 3 })));
    mended = mended.replace(10, "data 0x3", "data 0x2");
    assert_eq!(both(&mended, Rules::G5_PLUS, ASYNC), Err((10, Reason::Data { data: 2 })));
}

/// Two IDs of two batches get no answer; both WDs are aborted at the first ITE, and one batch is posted again.
const TWO_LOST: [&str; 11] = [
    "1 post 2",
    "fetch 0 lost",
    "fetch 1 wd",
    "2 post 4",
    "fetch 2 lost",
    "fetch 3 wd",
    "ite 4 4 2",
    "1 clear",
    "1 post 6",
    "fetch 4 dev",
    "fetch 5 wd",
];

pub fn two_lost(end: &[&str]) -> Log {
    short(8, &[&TWO_LOST, end].concat())
}

#[test]
fn readings_of_what_becomes_of_fetched_work() {
    let reading = |script: &[&str], after_ite| {
        both(&two_lost(script), Rules::G5, Options { after_ite, end: End::Anywhere, ..ASYNC }).map(|steps| steps.abort)
    };
    // If all is dropped, the second ID holds back nothing. If IDs stay, it does, until it times out itself.
    let completes = ["done 5"];
    assert_eq!(reading(&completes, AfterIte::Drop), Ok(2));
    assert_eq!(reading(&completes, AfterIte::IdsRun), Err((21, Reason::Unanswered(5))));
    let again = ["ite 6 6 1"];
    assert_eq!(reading(&again, AfterIte::Drop), Err((21, Reason::IteForNothing)));
    assert_eq!(reading(&again, AfterIte::IdsRun), Ok(3));
    // Only if WDs may live on is one aborted of two.
    let log = short(8, &[&TWO_LOST[..6], &["ite 4 4 1"]].concat());
    for after_ite in AfterIte::ALL {
        let verdict = both(&log, Rules::G5, Options { after_ite, end: End::Anywhere, ..ASYNC });
        match after_ite {
            AfterIte::WdsRun => assert_eq!(verdict.map(|steps| steps.abort), Ok(1)),
            _ => assert_eq!(verdict, Err((14, Reason::Aborted { aborted: 1, pending: 2 }))),
        }
    }
}

#[test]
fn more_wds_wait_behind_an_id_than_the_modelled_unit_holds() {
    // Six CPUs: the first one's ID gets no answer, and six WDs wait behind it.
    let mut script = vec!["1 post 2".to_owned(), "fetch 0 lost".into(), "fetch 1 wd".into()];
    for cpu in 2..=6 {
        let first = 2 * (cpu - 1);
        script.extend([
            format!("{cpu} post {}", first + 2),
            format!("fetch {first} dev"),
            format!("fetch {} wd", first + 1),
        ]);
    }
    let with = |rest: &[&str]| {
        let rest = rest.iter().map(|line| line.to_string());
        let script: Vec<String> = script.iter().cloned().chain(rest).collect();
        short(32, &script.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let options = Options { end: End::Anywhere, ..ASYNC };
    let again = ["ite 12 12 6", "3 clear", "2 post 14", "fetch 12 dev", "fetch 13 wd", "done 13"];
    let steps = both(&with(&again), Rules::G5, options).unwrap();
    assert_eq!((steps.submit, steps.complete, steps.abort, steps.repost), (6, 1, 6, 1));
    // The ITE is the line behind the set-up, the post, two fetches with the line of no answer, and five times a post and two fetches.
    assert_eq!(
        both(&with(&["ite 12 12 5"]), Rules::G5, options),
        Err((33, Reason::Aborted { aborted: 5, pending: 6 }))
    );
    // One that is aborted cannot be written.
    assert_eq!(both(&with(&["done 11"]), Rules::G5, options).unwrap_err().0, 33);
    // Where fetched work may live on, it is not known what becomes of what the modelled unit does not hold.
    let options = Options { after_ite: AfterIte::IdsRun, ..options };
    let verdict = with(&again).replay(Rules::G5, options).verdict;
    assert!(matches!(verdict, ReplayVerdict::Unknown(_)), "{verdict:?}");
}

#[test]
fn any_number_of_time_outs() {
    // On a ring of 8 slots, a batch of an ID and a WD that fails 100 times.
    let mut script = Vec::new();
    for i in 0..100 {
        let slot = |k| (2 * i + k) % 8;
        script.push(format!("1 post {}", slot(2)));
        script.push(format!("fetch {} lost", slot(0)));
        script.push(format!("fetch {} wd", slot(1)));
        script.push(format!("ite {} {} 1", slot(2), slot(2)));
        script.push("1 clear".into());
    }
    script.extend(["1 post 2", "fetch 0 dev", "fetch 1 wd", "done 1"].map(String::from));
    let script: Vec<&str> = script.iter().map(String::as_str).collect();
    let steps = both(&short(8, &script), Rules::G5, ASYNC).unwrap();
    assert_eq!((steps.submit, steps.complete, steps.abort, steps.repost), (1, 1, 100, 100));
}

#[test]
fn the_example_counts_what_is_posted_again() {
    const FIXTURE: &str = "tests/fixtures/ite612.qemu.log.gz";
    let output = run(&[FIXTURE]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("device time-outs: ITE set 2 times, WDs aborted 2"), "{text}");
    let accepted =
        text.lines().find(|line| line.starts_with("  g5, g5r, g5plus: a run")).unwrap_or_else(|| panic!("{text}"));
    assert!(accepted.ends_with(", Abort 2, Repost 2"), "{accepted}");
    let said = "g3, g3t, g4, g4r: not a run at line 1227: CPU 3162 cannot have gone on, since CPU 3161 holds the lock for ever";
    assert!(text.contains(said), "{text}");
    let output = run(&["--after-ite", "perhaps", FIXTURE]);
    assert_eq!(output.status.code(), Some(2));
    let events = String::from_utf8(run(&["--ndjson", FIXTURE]).stdout).unwrap();
    let events: Vec<serde_json::Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in [
        serde_json::json!({"event": "LoseAnswer", "line": 1216, "aborted": 1}),
        // 3161 is the second CPU to write IQT.
        serde_json::json!({"event": "ClearIte", "line": 1219, "cpu": 2}),
    ] {
        assert!(events.contains(&event), "{event}");
    }
}

#[test]
fn stock_qemu_has_no_time_outs() {
    let log = short(8, &["9 post 2", "fetch 0 lost"]);
    let options = Options { end: End::Anywhere, ..STOCK };
    let (line, reason) = log.rejection(Rules::G5, options);
    assert_eq!((line, &reason), (5, &Reason::StockFault("a device does not answer")));
    let said = "a device does not answer, but stock QEMU knows no device time-outs; this is the log of a unit with a queue of \
                its own";
    assert_eq!(reason.to_string(), said);
    for line in [
        "vtd_x_wait_pend head 0 status addr 0x0",
        "vtd_x_ite_set head 0 tail 0 aborted waits 0",
        "vtd_x_fsts_write fsts now 0x0",
    ] {
        let log = Log(vec!["0@0.0:vtd_inv_qi_setup addr 0x0 size 8".into(), format!("9@0.0:{line}")]);
        assert!(matches!(log.rejection(Rules::G5, options), (2, Reason::StockFault(_))));
    }
    // Kinds that are not known are counted.
    let log = log.delete(5).insert(2, "9@0.0:vtd_x_new_one head x");
    log.accepted(Rules::G5, options);
    assert_eq!(log.trace().ignored()["vtd_x_new_one"], 1);
}

/// The log of a random run of a ring with lost answers, and whether a caller is told of success though an ID timed out, or
/// some other thing happens that the specification does not know. If not `early`, no answer is lost while a batch is half
/// fetched.
fn walk_with_faults(ring: &Ring<8, 3, 1>, steps: usize, early: bool, dice: &mut Rng) -> (Log, bool) {
    let mut lines = vec![vec![format!("0@0.0:vtd_inv_qi_setup addr 0x0 size {}", ring.length().slots())]];
    let mut state = ring.init_states()[0];
    // Where each pending descriptor was fetched: the index of its lines, and the slot.
    let mut pending: Vec<(usize, u8)> = Vec::new();
    let (mut last_lost, mut astray) = (0, false);
    let is_posted = |state: &State<8, 3, 1>, t| ring.length().iter().any(|slot| state.ghost().posted_by(slot).is(t));
    for _ in 0..steps {
        let mut actions = Vec::new();
        ring.actions(&state, &mut actions);
        // IDs are said to time out in the order in which they were fetched.
        actions.retain(|action| match action {
            Action::Hardware(HwStep::LoseAnswer { position, .. }) => {
                let half = |t: usize| state.pending().any(|(_, owner)| owner.is(t)) && is_posted(&state, t);
                pending[usize::from(*position)].0 > last_lost && (early || !(0..3).any(half))
            }
            _ => true,
        });
        if actions.is_empty() {
            break;
        }
        let action = actions[dice.usize(..actions.len())];
        let next = ring.next_state(&state, action).unwrap();
        match action {
            Action::Driver { t, step: Step::WriteIqt } => {
                lines.push(vec![format!("{}@0.0:vtd_inv_qi_tail write tail {}", t + 1, next.iqt())]);
            }
            Action::Driver { t, step: Step::ClearIte } => {
                lines.push(vec![format!("{}@0.0:vtd_x_fsts_write fsts now 0x0", t + 1)]);
            }
            // Its batch is still posted or fetched.
            Action::Driver { t, step: Step::CheckAbort } if !ring.waiting(&next, t.into()) => {
                astray |= is_posted(&state, t.into());
                astray |= state.pending().any(|(desc, owner)| owner.is(t.into()) && matches!(desc, Desc::Wd { .. }));
            }
            Action::Hardware(HwStep::Fetch) => {
                pending.push((lines.len(), state.iqh()));
                let head = format!("9@0.0:vtd_inv_qi_head read head {}", state.iqh());
                let desc = match state.desc(state.iqh()) {
                    Desc::Wd { target, data } => format!(
                        "type wait high {:#x} low {:#x}",
                        0x1000 + 4 * u64::from(target),
                        (data.status() as u64) << 32 | 0x25
                    ),
                    Desc::Id { kind: IdKind::Device(_), .. } => "type device high 0x0 low 0x3".into(),
                    _ => "type iotlb high 0x0 low 0xd2".into(),
                };
                lines.push(vec![head, format!("9@0.0:vtd_inv_desc invalidate desc {desc}")]);
            }
            Action::Hardware(HwStep::Execute { position }) => drop(pending.remove(position.into())),
            Action::Hardware(HwStep::Complete) => {
                let Some((Desc::Wd { target, data }, owner)) = state.pending().next() else { panic!("no WD") };
                pending.remove(0);
                let (address, data) = (0x1000 + 4 * u64::from(target), data.status() as u64);
                lines.push(vec![format!("9@0.0:vtd_inv_desc_wait_sw wait addr {address:#x} data {data:#x}")]);
                let executed = |t: usize| state.ghost().executed_ids_since_post(t).count_ones() as u8;
                astray |= (0..3).any(|t| owner.is(t) && data == 2 && executed(t) < state.call(t).count);
            }
            Action::Hardware(HwStep::LoseAnswer { position, kept }) => {
                let (fetched, slot) = pending[usize::from(position)];
                lines[fetched].push(format!("9@0.0:vtd_x_dev_noresp head {slot}"));
                last_lost = fetched;
                let aborted = drop_fetched(ring, &state, position.into(), kept, &mut pending);
                let (head, tail) = (state.iqh(), state.iqt());
                lines.push(vec![format!("9@0.0:vtd_x_ite_set head {head} tail {tail} aborted waits {aborted}")]);
            }
            _ => {}
        }
        assert_eq!(next.pending().count(), pending.len());
        state = next;
    }
    (Log(lines.concat()), astray)
}

/// What a unit drops when an answer is lost: the ID, and of what was fetched beside it all that does not stay. Returns the number of WDs
/// that are dropped.
fn drop_fetched(
    ring: &Ring<8, 3, 1>,
    state: &State<8, 3, 1>,
    lost: usize,
    kept: u8,
    pending: &mut Vec<(usize, u8)>,
) -> usize {
    let drops = ring.cfg().faults.after_ite == AfterIte::Drop;
    let is_wd = |desc: Desc| matches!(desc, Desc::Wd { .. });
    let stays = |i: usize, desc: Desc| i != lost && if is_wd(desc) { kept >> i & 1 == 1 } else { !drops };
    let fetched: Vec<Desc> = state.pending().map(|(desc, _)| desc).collect();
    let mut positions = 0..;
    pending.retain(|_| positions.next().is_some_and(|i| stays(i, fetched[i])));
    fetched.iter().enumerate().filter(|(i, desc)| is_wd(**desc) && !stays(*i, **desc)).count()
}

fn ring_with_faults(rules: Rules, after_ite: AfterIte, slots: u16) -> Ring<8, 3, 1> {
    let (unit, device) = (IdKind::Unit, IdKind::Device(1));
    let requests = [Request::of(&[device]), Request::of(&[unit, device])];
    let faults = Faults { after_ite, ..Faults::of([FaultClass::LostAnswer], Faults::UNBOUNDED) };
    let (hardware, length) = (Hardware::pipelined(4), Length::new(slots).unwrap());
    let requests = &requests[..if slots == 4 { 1 } else { 2 }];
    Ring::with_requests(RingCfg { hardware, length, faults, ..RingCfg::new(rules, 3, []) }, requests).unwrap()
}

#[test]
fn every_run_of_a_ring_with_time_outs_is_accepted() {
    let mut dice = Rng::with_seed(13);
    for generation in every_slot() {
        let (mut again, mut refused) = (0, 0);
        for after_ite in [AfterIte::Drop, AfterIte::IdsRun] {
            for slots in [4, 6, 8] {
                let ring = ring_with_faults(generation.rules, after_ite, slots);
                for run in 0..12 {
                    let early = run % 2 == 0;
                    let (log, astray) = walk_with_faults(&ring, 500, early, &mut dice);
                    // A time-out while IQH is in the batch: g5plus alone deals with it.
                    assert!(!astray || early && generation.name != "g5plus", "{}", log.0.join("\n"));
                    match log.replay(generation.rules, Options { after_ite, ..ANYWHERE }).verdict {
                        ReplayVerdict::Accepted(Accepted { steps, .. }) => {
                            assert_eq!(steps.submit + steps.repost, log.trace().summary().iqt_writes);
                            again += steps.repost;
                        }
                        ReplayVerdict::Broken(broken) => {
                            assert!(astray, "{broken:?}\n{}", log.0.join("\n"));
                            refused += 1;
                        }
                        verdict => panic!("{verdict:?}\n{}", log.0.join("\n")),
                    }
                }
            }
        }
        assert!(again > 30, "{}: {again} {refused}", generation.name);
        assert_eq!(refused > 0, generation.name != "g5plus", "{}: {refused}", generation.name);
    }
}

#[test]
fn sections_decide_as_steps_do_with_time_outs() {
    let mut dice = Rng::with_seed(17);
    let (mut accepted, mut rejected, mut by_steps, mut by_sections) = (0, 0, 0, 0);
    for rules in [Rules::G3, Rules::G4, Rules::G5, Rules::G5_PLUS] {
        for after_ite in AfterIte::ALL {
            for slots in [4, 6, 8] {
                let ring = ring_with_faults(rules, after_ite, slots);
                for run in 0..4 {
                    let (mut log, _) = walk_with_faults(&ring, 200, run == 0, &mut dice);
                    let at = 2 + dice.usize(..log.0.len().max(4) - 2);
                    log = match dice.usize(..4) {
                        0 if at < log.0.len() => log.swap(at, at + 1),
                        1 if at <= log.0.len() => log.delete(at),
                        _ => log,
                    };
                    let options = Options { after_ite, ..ANYWHERE };
                    let sections = log.replay(rules, options);
                    let steps = log.replay(rules, Options { grain: Grain::Steps, ..options });
                    let line = |replayed: &Replayed| match &replayed.verdict {
                        ReplayVerdict::Accepted(_) | ReplayVerdict::Broken(_) => None,
                        ReplayVerdict::Rejected(rejection) => Some(rejection.line),
                        ReplayVerdict::Unknown(given_up) => panic!("{given_up:?}"),
                    };
                    assert_eq!(line(&sections), line(&steps), "{rules:?} {after_ite:?}\n{}", log.0.join("\n"));
                    *(if sections.grain == Grain::Steps { &mut by_steps } else { &mut by_sections }) += 1;
                    *(if line(&steps).is_none() { &mut accepted } else { &mut rejected }) += 1;
                }
            }
        }
    }
    assert!(
        accepted > 30 && rejected > 30 && by_steps > 2 && by_sections > 50,
        "{accepted} {rejected} {by_steps} {by_sections}"
    );
}

#[test]
fn the_states_of_an_unbounded_ring_are_those_of_a_bounded_one() {
    // What is injected is not counted: a caller may be aborted more often than any bound says, and the state is the same.
    let ring = ring_with_faults(Rules::G5, AfterIte::Drop, 4);
    let mut state = ring.init_states()[0];
    let mut seen = Vec::new();
    for _ in 0..40 {
        let before = state;
        loop {
            let mut actions = Vec::new();
            ring.actions(&state, &mut actions);
            let wanted = |action: &&Action| match action {
                Action::Call { t, request } => (*t, *request) == (0, 0),
                Action::Driver { .. } => true,
                Action::Hardware(step) => {
                    matches!(step, HwStep::Fetch | HwStep::LoseAnswer { .. }) && ring.waiting(&state, 0)
                }
            };
            // The WD is fetched before the answer is lost.
            let loses = |action: &&Action| matches!(action, Action::Hardware(HwStep::LoseAnswer { .. }));
            let fetched = state.pending().count() == 2;
            let action = actions
                .iter()
                .filter(wanted)
                .find(|action| loses(action) == fetched && !matches!(action, Action::Driver { .. }));
            let action = action.or_else(|| actions.iter().filter(wanted).find(|action| !loses(action))).unwrap();
            state = ring.next_state(&state, *action).unwrap();
            if state.call(0).pc == Pc::Acquire && !loses(&action) && !matches!(action, Action::Call { .. }) {
                break;
            }
        }
        assert_eq!(state.injected(), 0);
        seen.push(before);
    }
    assert!(seen[4..].contains(&state));
}
