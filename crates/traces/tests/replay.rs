//! Replaying traces: a real excerpt, corruptions and reorderings of it, rules altered, and runs of small rings as traces.
//!
//! `fixtures/k612mf.qemu.log.gz` are the first 1092 lines of a log of Linux 6.12.95 with four CPUs on QEMU 7.2: 92 batches,
//! of which the last but one goes round the end of the ring. The lines that are edited here are these, without their times.
//!
//! ```text
//!  222 27606 vtd_inv_desc_wait_sw .. addr 0x1042c8c data 0x2       403 27608 vtd_reg_write addr 0x88 .. value 0x4d0
//!  223 27606 vtd_reg_write addr 0x88 .. value 0x260                404 27608 vtd_inv_qi_tail write tail 77
//!  224 27606 vtd_inv_qi_tail write tail 38                         405       vtd_inv_qi_fetch
//!  225       vtd_inv_qi_fetch                                      406       vtd_inv_qi_head read head 72
//!  226       vtd_inv_qi_head read head 36                          407       vtd_inv_desc type iotlb
//!  227       vtd_inv_desc type iec                                 408       vtd_inv_desc_iotlb_pages
//!  228       vtd_inv_desc_iec                                      409       vtd_inv_qi_head read head 73
//!  229       x86_iommu_iec_notify                                  410       vtd_inv_desc type device
//!  230       vtd_inv_qi_head read head 37                          411, 412  head 74, device
//!  231       vtd_inv_desc type wait                                413, 414  head 75, device
//!  232       vtd_inv_desc_wait_sw addr 0x1042c94                   415       vtd_inv_qi_head read head 76
//!  233 27608 vtd_reg_write addr 0x88 .. value 0x280                416       vtd_inv_desc type wait high 0x1042d30
//!  234 27608 vtd_inv_qi_tail write tail 40                         417       vtd_inv_desc_wait_sw addr 0x1042d30
//!  235       vtd_inv_qi_fetch                                      418 27608 vtd_reg_write addr 0x88 .. value 0x520
//!  236       vtd_inv_qi_head read head 38                          419 27608 vtd_inv_qi_tail write tail 82
//!  237       vtd_inv_desc type iec                                 420       vtd_inv_qi_fetch
//!  238, 239  details                                               421, 422  head 77, iotlb (423: details)
//!  240       vtd_inv_qi_head read head 39                          424, 425  head 78, device
//!  241       vtd_inv_desc type wait                                426, 427  head 79, device
//!  242       vtd_inv_desc_wait_sw addr 0x1042c9c                   428, 429  head 80, device
//!                                                                  430, 431  head 81, wait
//! ```

#[path = "replay/dialects.rs"]
mod dialects;
#[path = "replay/faults.rs"]
mod faults;
#[path = "replay/hostile.rs"]
mod hostile;
#[path = "replay/large.rs"]
mod large;
#[path = "replay/options.rs"]
mod options;

use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Command, Output};

use fastrand::Rng;
use flate2::read::GzDecoder;
use stateright::Model;
use vtd_qi::impl_qi::{
    Action, AfterIte, CleanUp, Desc, GENERATIONS, Generation, Hardware, HwStep, IdStatus, Layout, Length, Mark,
    PollUntil, Publish, Reclaim, Ring, RingCfg, Room, Rules, Step,
};
use vtd_qi_traces::qemu_log::{AddressError, Trace, TraceError};
use vtd_qi_traces::replay::{
    Accepted, Breach, BrokenPromise, End, Ending, Grain, MostStates, Options, Qemu, Reason, ReplayVerdict, Replayed,
    SpecSteps, replay,
};

const STOCK: Options = Options {
    hardware: Qemu::Stock,
    end: End::Idle,
    grain: Grain::Sections,
    after_ite: AfterIte::Drop,
    most_states: MostStates(400_000),
};
const ASYNC: Options = Options { hardware: Qemu::Async, ..STOCK };

/// A log that can be edited, by line numbers from 1.
#[derive(Clone)]
struct Log(Vec<String>);

impl Log {
    fn excerpt() -> Log {
        Log::of(include_bytes!("../../../tests/fixtures/k612mf.qemu.log.gz"))
    }

    fn of(gzip: &[u8]) -> Log {
        let mut text = String::new();
        GzDecoder::new(gzip).read_to_string(&mut text).unwrap();
        Log(text.lines().map(str::to_owned).collect())
    }

    /// Replaces a part of a line, which has to be there.
    fn replace(mut self, line: usize, from: &str, to: &str) -> Log {
        let text = &mut self.0[line - 1];
        assert!(text.contains(from), "line {line} is {text}");
        *text = text.replacen(from, to, 1);
        self
    }

    fn delete(mut self, line: usize) -> Log {
        self.0.remove(line - 1);
        self
    }

    /// Inserts a copy of a line so that it becomes line `at`.
    fn copy(mut self, line: usize, at: usize) -> Log {
        let text = self.0[line - 1].clone();
        self.0.insert(at - 1, text);
        self
    }

    /// Moves a line so that it becomes line `at`.
    fn shift(mut self, line: usize, at: usize) -> Log {
        let text = self.0.remove(line - 1);
        self.0.insert(at - 1, text);
        self
    }

    fn swap(mut self, a: usize, b: usize) -> Log {
        self.0.swap(a - 1, b - 1);
        self
    }

    fn insert(mut self, at: usize, text: &str) -> Log {
        self.0.insert(at - 1, text.into());
        self
    }

    /// The same log of a unit with a thread of its own, 9.
    fn own_thread(mut self) -> Log {
        for line in &mut self.0 {
            let (_, event) = line.split_once('@').unwrap();
            if event.contains(":vtd_inv_qi_head ") || event.contains(":vtd_inv_desc") {
                *line = format!("9@{event}");
            }
        }
        self
    }

    fn cut_after(mut self, line: usize) -> Log {
        self.0.truncate(line);
        self
    }

    fn trace(&self) -> Trace {
        Trace::read(self.0.join("\n").as_bytes()).unwrap()
    }

    fn replay(&self, rules: Rules, options: Options) -> Replayed {
        replay(&self.trace(), rules, options, |_| ControlFlow::Continue(()))
    }

    #[track_caller]
    fn accepted(&self, rules: Rules, options: Options) -> SpecSteps {
        match self.replay(rules, options).verdict {
            ReplayVerdict::Accepted(accepted) => accepted.steps,
            ReplayVerdict::Broken(broken) => panic!("{broken:?}"),
            ReplayVerdict::Rejected(rejection) => panic!("rejected at line {}: {}", rejection.line, rejection.reason),
            ReplayVerdict::Unknown(given_up) => panic!("{given_up:?}"),
        }
    }

    /// The reason, if each generation rejects the trace at a line, and by single steps one before and one after the 2024 fix: the
    /// others do not differ where no fault occurs.
    #[track_caller]
    fn rejected_at(&self, line: u64, options: Options) -> Reason {
        let mut reasons = batching().flat_map(|generation| {
            let by_steps = ["g3", "g5"].contains(&generation.name).then_some(Grain::Steps);
            let grains = [Grain::Sections].into_iter().chain(by_steps);
            grains.map(|grain| self.rejection(generation.rules, Options { grain, ..options }))
        });
        let (first, reason) = reasons.next().unwrap();
        assert_eq!(first, line, "{reason}");
        for (other, reason) in reasons {
            assert_eq!(other, line, "{reason}");
        }
        reason
    }

    #[track_caller]
    fn rejection(&self, rules: Rules, options: Options) -> (u64, Reason) {
        match self.replay(rules, options).verdict {
            ReplayVerdict::Accepted(_) => panic!("accepted"),
            ReplayVerdict::Broken(broken) => panic!("{broken:?}"),
            ReplayVerdict::Rejected(rejection) => (rejection.line, rejection.reason),
            ReplayVerdict::Unknown(given_up) => panic!("{given_up:?}"),
        }
    }

    /// The promise that is broken, and how the run ends.
    #[track_caller]
    fn broken(&self, rules: Rules, options: Options) -> (Breach, Ending) {
        match self.replay(rules, options).verdict {
            ReplayVerdict::Broken(BrokenPromise { breach, end }) => (breach, end),
            verdict => panic!("{verdict:?}"),
        }
    }

    /// How a run ends that keeps all promises.
    #[track_caller]
    fn end(&self, rules: Rules, options: Options) -> Ending {
        match self.replay(rules, options).verdict {
            ReplayVerdict::Accepted(Accepted { end, .. }) => end,
            verdict => panic!("{verdict:?}"),
        }
    }
}

/// The generations that post more than one ID at a time, as these traces do.
fn batching() -> impl Iterator<Item = &'static Generation> {
    GENERATIONS.iter().filter(|generation| !generation.rules.one_id_only())
}

#[test]
fn the_excerpt_is_accepted_and_its_steps_are_those_of_its_lines() {
    let log = Log::excerpt();
    let summary = log.trace().summary();
    // By `grep -c`: 93 tails, one of them before the set-up; 262 descriptors, of which 92 are WDs; 92 status writes.
    assert_eq!((summary.iqt_writes, summary.wds, summary.status_writes), (92, 92, 92));
    let ids: u64 = summary.batches.iter().map(|(ids, times)| ids * times).sum();
    assert_eq!((ids, summary.slots), (262 - 92, 262));
    assert_eq!(summary.outstanding, [(1, 92)].into());
    let by_steps = Options { grain: Grain::Steps, ..STOCK };
    for generation in batching() {
        for (log, options) in [(&log, STOCK), (&log.clone().own_thread(), ASYNC), (&log, by_steps)] {
            let steps = log.accepted(generation.rules, options);
            let all =
                SpecSteps { submit: 92, accept: 92, execute: ids, complete: 92, observe: 92, ..SpecSteps::default() };
            assert_eq!(steps, all);
        }
    }
    // Whoever can clean up does it at once: one state stands for all.
    let replayed = log.replay(Rules::G4, STOCK);
    assert_eq!((replayed.most_states, replayed.grain), (1, Grain::Sections));
}

#[test]
fn a_status_write_dropped() {
    // Stock QEMU leaves the IQT write of 404 only when it has written the status: the next IQT write, 419, is too early.
    let log = Log::excerpt().delete(417);
    assert!(matches!(log.rejected_at(418, STOCK), Reason::NotDrained(left) if left.due == Some(76)));
    // A unit with its own thread may take its time, but the CPU that writes IQT at 419 is the one that waits.
    assert_eq!(log.own_thread().rejected_at(418, ASYNC), Reason::StillWaits { cpu: 27608, wd: 76 });
}

#[test]
fn a_status_write_doubled() {
    // The copy, line 418, finds nothing due.
    let log = Log::excerpt().copy(417, 418);
    assert_eq!(log.rejected_at(418, STOCK), Reason::NotDue { slot: 76, due: None });
    assert_eq!(log.own_thread().rejected_at(418, ASYNC), Reason::NotDue { slot: 76, due: None });
}

#[test]
fn a_status_write_early() {
    // Before slot 76 has been fetched at 415 and 416.
    let log = Log::excerpt().shift(417, 415);
    assert_eq!(log.rejected_at(415, STOCK), Reason::NotDue { slot: 76, due: None });
    // Before the WD is posted at all: the line itself again.
    let log = Log::excerpt().shift(417, 403);
    assert_eq!(log.own_thread().rejected_at(403, ASYNC), Reason::NotDue { slot: 76, due: None });
}

#[test]
fn a_status_write_to_another_slot() {
    let log = Log::excerpt().replace(417, "0x1042d30", "0x1042d34");
    assert_eq!(log.rejected_at(417, STOCK), Reason::NotDue { slot: 77, due: Some(76) });
    // Not 4-aligned; and behind the 256 statuses, which begin at 0x1042c00.
    let log = Log::excerpt().replace(417, "0x1042d30", "0x1042d31");
    assert_eq!(log.rejected_at(417, STOCK), Reason::Address(AddressError::Misaligned(0x1042d31)));
    let log = Log::excerpt().replace(417, "0x1042d30", "0x1043000");
    let outside = AddressError::Outside { address: 0x1043000, base: 0x1042c00, last: 0x1042ffc };
    assert_eq!(log.rejected_at(417, STOCK), Reason::Address(outside));
}

#[test]
fn status_writes_out_of_order() {
    // The WD of slot 37, fetched at 231, is due before that of slot 39, whose status write moves up from 242 to 241.
    let log = Log::excerpt().shift(232, 242);
    assert_eq!(log.own_thread().rejected_at(241, ASYNC), Reason::NotDue { slot: 39, due: Some(37) });
}

#[test]
fn status_data_other_than_done() {
    // In the write; in the descriptor.
    assert_eq!(Log::excerpt().replace(417, "data 0x2", "data 0x1").rejected_at(417, STOCK), Reason::Data { data: 1 });
    let log = Log::excerpt().replace(416, "low 0x2000", "low 0x3000");
    assert_eq!(log.rejected_at(416, STOCK), Reason::Data { data: 3 });
    // A WD that does not ask for the write: bit 5 is missing.
    let log = Log::excerpt().replace(416, "00000025", "00000005");
    assert_eq!(log.rejected_at(416, STOCK), Reason::NoStatusWrite(76));
}

#[test]
fn slots_swapped() {
    // IQH is 73 at line 409.
    let log = Log::excerpt().swap(409, 411);
    assert_eq!(log.rejected_at(409, STOCK), Reason::NotAtHead { slot: 74, iqh: 73, iqt: 77 });
    // The WD changes places with the last ID: slot 75 holds an ID.
    let log = Log::excerpt().swap(414, 416);
    let (read, posted) = (Desc::wd(76), Desc::ID);
    assert_eq!(log.rejected_at(414, STOCK), Reason::OtherDescriptor { slot: 75, read, posted });
    // The WD names another slot than the one it lies in.
    let log = Log::excerpt().replace(416, "0x1042d30", "0x1042d2c");
    let (read, posted) = (Desc::wd(75), Desc::wd(76));
    assert_eq!(log.rejected_at(416, STOCK), Reason::OtherDescriptor { slot: 76, read, posted });
}

#[test]
fn iqt_backwards() {
    let log = Log::excerpt().replace(418, "0x520", "0x4b0").replace(419, "tail 82", "tail 75");
    let reason = log.rejected_at(419, STOCK);
    assert_eq!(reason, Reason::TooFar { from: 77, to: 75, slots: 254, length: 256 });
    assert_eq!(
        reason.to_string(),
        "IQT goes from 77 to 75, 254 slots on (2 back), but a batch has at most 16 IDs and a WD"
    );
    // Not at all.
    let log = Log::excerpt().replace(418, "0x520", "0x4d0").replace(419, "tail 82", "tail 77");
    assert_eq!(log.rejected_at(419, STOCK), Reason::NothingPosted(77));
}

#[test]
fn iqt_too_far() {
    // By much: seen at once.
    let log = Log::excerpt().replace(418, "0x520", "0xb10").replace(419, "tail 82", "tail 177");
    let too_far = Reason::TooFar { from: 77, to: 177, slots: 100, length: 256 };
    assert_eq!(log.rejected_at(419, STOCK), too_far);
    // By one: a batch of 5 IDs and a WD is possible, but then slot 81 holds its last ID, and 431 reads a WD.
    let log = Log::excerpt().replace(418, "0x520", "0x530").replace(419, "tail 82", "tail 83");
    let (read, posted) = (Desc::wd(81), Desc::ID);
    assert_eq!(log.rejected_at(431, STOCK), Reason::OtherDescriptor { slot: 81, read, posted });
    // Too short by one: then slot 80 holds the WD, and 429 reads an ID.
    let log = Log::excerpt().replace(418, "0x520", "0x510").replace(419, "tail 82", "tail 81");
    let (read, posted) = (Desc::ID, Desc::wd(80));
    assert_eq!(log.rejected_at(429, STOCK), Reason::OtherDescriptor { slot: 80, read, posted });
    // Outside of a ring of 128: IQT is 127 after 554 and 132 after 569.
    let log = Log::excerpt().replace(15, "size 256", "size 128");
    assert_eq!(log.rejected_at(569, STOCK), Reason::TailOutside { tail: 132, slots: 128 });
}

#[test]
fn an_iqt_write_doubled_or_contradicted() {
    // The copy comes before anything has been fetched.
    let log = Log::excerpt().copy(419, 420);
    assert!(matches!(log.rejected_at(420, STOCK), Reason::NotDrained(left) if (left.iqh, left.iqt) == (77, 82)));
    assert_eq!(log.own_thread().rejected_at(420, ASYNC), Reason::NothingPosted(82));
    // The register's line says slot 83.
    let log = Log::excerpt().replace(418, "0x520", "0x530");
    assert_eq!(log.rejected_at(419, STOCK), Reason::Register { value: 0x530, tail: 82 });
    // The status write of the batch before comes between the two lines of the IQT write; a line is missing.
    let log = Log::excerpt().swap(417, 418);
    assert_eq!(log.rejected_at(418, STOCK), Reason::Torn { value: 0x520 });
    let log = Log::excerpt().delete(419);
    assert_eq!(log.rejected_at(420, STOCK), Reason::Torn { value: 0x520 });
}

#[test]
fn an_iqt_write_lost() {
    // Slot 77 is fetched at 421, two lines up, and nothing is posted.
    let log = Log::excerpt().delete(419).delete(418);
    assert_eq!(log.rejected_at(419, STOCK), Reason::NothingToFetch { slot: 77, iqt: 77 });
}

#[test]
fn a_descriptor_lost_or_doubled() {
    // The line of an ID only: QEMU has none for some kinds, and that IQH goes on shows that it was fetched. The line of a WD only:
    // a status write that no WD stands behind, one line up; QEMU has a line for each WD.
    for generation in batching() {
        Log::excerpt().delete(410).accepted(generation.rules, STOCK);
    }
    assert_eq!(Log::excerpt().delete(416).rejected_at(416, STOCK), Reason::NoDescriptor(76));
    let reason = Log::excerpt().delete(417).delete(416).rejected_at(416, STOCK);
    assert_eq!(reason, Reason::NoDescriptor(76));
    // Both lines: IQH jumps. The read of IQH only: a descriptor from nowhere.
    let reason = Log::excerpt().delete(410).delete(409).rejected_at(409, STOCK);
    assert_eq!(reason, Reason::NotAtHead { slot: 74, iqh: 73, iqt: 77 });
    assert_eq!(Log::excerpt().delete(409).rejected_at(409, STOCK), Reason::NoHead);
    // Fetched twice: IQH has gone on.
    let reason = Log::excerpt().copy(410, 411).copy(409, 411).rejected_at(411, STOCK);
    assert_eq!(reason, Reason::NotAtHead { slot: 73, iqh: 74, iqt: 77 });
}

#[test]
fn another_thread() {
    // Stock QEMU fetches on the CPU that wrote IQT.
    let log = Log::excerpt().replace(416, "27608@", "27610@").replace(415, "27608@", "27610@");
    assert_eq!(log.rejected_at(415, STOCK), Reason::Thread { thread: 27610, writer: 27608 });
}

#[test]
fn a_unit_of_its_own_has_one_thread() {
    // IQT is written by 27608 at 404 and, later, at 419; 27606 has written it before. The unit's thread is 9.
    let own = || Log::excerpt().own_thread();
    own().accepted(Rules::G4, ASYNC);
    let does = |line, thread: &str| own().replace(line, "9@", &format!("{thread}@")).rejected_at(line as u64, ASYNC);
    // The status write, a read of IQH, a descriptor: by the CPU that wrote IQT last, by another one, by neither.
    for line in [417, 415, 416] {
        assert_eq!(does(line, "27608"), Reason::CpuFetches { thread: 27608 });
        assert_eq!(does(line, "27606"), Reason::CpuFetches { thread: 27606 });
        assert_eq!(does(line, "8"), Reason::SecondThread { thread: 8, unit: 9 });
    }
    assert_eq!(
        does(417, "27608").to_string(),
        "thread 27608 does the unit's work, but is a CPU, as it has written IQT; the unit has a thread of its own"
    );
    assert_eq!(
        does(417, "8").to_string(),
        "thread 8 does the unit's work, but the unit has one thread of its own, 9, which did it before"
    );
    // The log of stock QEMU: its first fetch is a CPU's. A thread that has fetched writes IQT.
    assert!(matches!(Log::excerpt().rejected_at(27, ASYNC), Reason::CpuFetches { thread: 27606 }));
    let log = own().replace(418, "27608@", "9@").replace(419, "27608@", "9@");
    assert_eq!(log.rejected_at(419, ASYNC), Reason::UnitWrites(9));
    assert_eq!(
        Reason::UnitWrites(9).to_string(),
        "thread 9 writes IQT, but has fetched before: it is the unit's own and no CPU"
    );
}

#[test]
fn an_end_in_the_middle() {
    let log = Log::excerpt().cut_after(416);
    assert!(matches!(log.rejected_at(416, STOCK), Reason::NotIdle(left) if left.due == Some(76)));
    log.accepted(Rules::G4, Options { end: End::Anywhere, ..STOCK });
    // With its status write it ends idle.
    Log::excerpt().cut_after(417).accepted(Rules::G4, STOCK);
}

#[test]
fn legal_reorderings_of_two_cpus() {
    // 27606 waits for the WD of slot 37 (fetched at 231, status at 232) when 27608 posts slots 38 and 39 (233, 234).
    for (log, what) in [
        (Log::excerpt().shift(232, 234), "the status write of one after the IQT write of the other"),
        (Log::excerpt().shift(232, 237), "also after the fetch of an ID of the other"),
        (Log::excerpt().shift(232, 241), "also after the fetch of the other's WD"),
        (Log::excerpt().shift(233, 225).shift(234, 226), "the other's IQT write before the first's fetch"),
        (Log::excerpt().shift(233, 230).shift(234, 231), "the other's IQT write between two fetches"),
    ] {
        let log = log.own_thread();
        for generation in batching() {
            let by_steps = ["g3", "g5"].contains(&generation.name).then_some(Grain::Steps);
            for grain in [Grain::Sections].into_iter().chain(by_steps) {
                // After 402 the ring is idle.
                let verdict = log.clone().cut_after(402).replay(generation.rules, Options { grain, ..ASYNC }).verdict;
                assert!(matches!(verdict, ReplayVerdict::Accepted(_)), "{what}: {verdict:?}");
            }
        }
    }
    // Stock QEMU can do none of them: the IQT write, now at 233, comes before the queue is drained.
    Log::excerpt().shift(232, 234).rejected_at(233, STOCK);
}

#[test]
fn lines_that_say_nothing_may_stand_anywhere() {
    let line = "27610@1795403282.247741:vtd_reg_read addr 0x34 size 0x4";
    let log = (404..418).rev().fold(Log::excerpt(), |log, at| log.insert(at, line));
    log.accepted(Rules::G4, STOCK);
    assert_eq!(log.trace().ignored()["vtd_reg_read"], Log::excerpt().trace().ignored()["vtd_reg_read"] + 14);
    let log = Log::excerpt().insert(100, "1@0.0:never_heard_of it").delete(20);
    log.accepted(Rules::G4, STOCK);
    assert_eq!(log.trace().ignored()["never_heard_of"], 1);
}

#[test]
fn rules_altered() {
    // 252 slots are posted after 1054; the batch of 4 IDs of 1064 needs 6 free ones. If nothing is reclaimed, 4 are.
    let no_room = (1064, Reason::NoRoom { ids: 4, needed: 6, free: 4 });
    let g4 = Rules::G4;
    for rules in [
        Rules { reclaim: Reclaim::Never, ..g4 },
        Rules { mark: Mark::Nothing, ..g4 },
        // The MARK of one generation with the RECLAIM of another.
        Rules { mark: Mark::IdsDone, ..g4 },
        Rules { reclaim: Reclaim::WhileDone, ..g4 },
    ] {
        assert_eq!(Log::excerpt().rejection(rules, STOCK), no_room, "{rules:?}");
    }
    // The first batch: slot 0 is read at 28 as an ID, where a WD would lie.
    let (rules, posted) = (Rules { layout: Layout::WdFirst, ..g4 }, Desc::wd(0));
    let reason = Reason::OtherDescriptor { slot: 0, read: Desc::ID, posted };
    assert_eq!(Log::excerpt().rejection(rules, STOCK), (28, reason));
    // The second batch: its CPU polls the first slot of the first batch, an ID's, which is never DONE.
    let (rules, reason) = (Rules { poll: PollUntil::FirstSlotDone, ..g4 }, Reason::StillWaits { cpu: 27606, wd: 1 });
    assert_eq!(Log::excerpt().rejection(rules, STOCK), (38, reason));
}

#[test]
fn room_for_one_less() {
    // A ring of 4 slots, of which T1's batch takes 2, both fetched and not completed, when T2's batch would take the others.
    let log = Log(vec![
        "0@0.0:vtd_inv_qi_setup addr 0x0 size 4".into(),
        "1@0.0:vtd_inv_qi_tail write tail 2".into(),
        "9@0.0:vtd_inv_qi_head read head 0".into(),
        "9@0.0:vtd_inv_desc invalidate desc type iec high 0x0 low 0x4".into(),
        "9@0.0:vtd_inv_qi_head read head 1".into(),
        "9@0.0:vtd_inv_desc invalidate desc type wait high 0x104 low 0x200000025".into(),
        "2@0.0:vtd_inv_qi_tail write tail 0".into(),
    ]);
    let options = Options { end: End::Anywhere, ..ASYNC };
    assert_eq!(log.rejected_at(7, options), Reason::NoRoom { ids: 1, needed: 3, free: 2 });
    log.accepted(Rules { room: Room::CountPlus1, ..Rules::G4 }, options);
}

#[test]
fn what_only_the_specification_forbids() {
    // With the WD first the ring completes it, at line 5, before the batch's ID has been fetched.
    let log = Log(vec![
        "0@0.0:vtd_inv_qi_setup addr 0x0 size 4".into(),
        "1@0.0:vtd_inv_qi_tail write tail 2".into(),
        "9@0.0:vtd_inv_qi_head read head 0".into(),
        "9@0.0:vtd_inv_desc invalidate desc type wait high 0x100 low 0x200000025".into(),
        "9@0.0:vtd_inv_desc_wait_sw wait invalidate status write addr 0x100 data 0x2".into(),
    ]);
    let rules = Rules { layout: Layout::WdFirst, ..Rules::G4 };
    let options = Options { end: End::Anywhere, ..ASYNC };
    let (breach, _) = log.broken(rules, options);
    // Whoever looks now is told of success, and its ID has not been executed.
    assert_eq!((breach.line, breach.property), (5, "success-after-execution"));
    assert!(breach.before.contains("T1 waiting(1)") && breach.after.contains("done(0)->T1"), "{breach:?}");
}

/// The log of a random run of a ring.
fn walk(ring: &Ring<8, 3>, steps: usize, dice: &mut Rng) -> Log {
    let mut lines = vec![format!("0@0.0:vtd_inv_qi_setup addr 0x0 size {}", ring.length().slots())];
    let mut state = ring.init_states()[0];
    for _ in 0..steps {
        let mut actions = Vec::new();
        ring.actions(&state, &mut actions);
        if actions.is_empty() {
            break;
        }
        let action = actions[dice.usize(..actions.len())];
        let next = ring.next_state(&state, action).unwrap();
        match action {
            Action::Driver { t, step: Step::WriteIqt } => {
                lines.push(format!("{}@0.0:vtd_reg_write addr 0x88 size 0x4 value {:#x}", t + 1, next.iqt() << 4));
                lines.push(format!("{}@0.0:vtd_inv_qi_tail write tail {}", t + 1, next.iqt()));
            }
            Action::Hardware(HwStep::Fetch) => {
                lines.push(format!("9@0.0:vtd_inv_qi_head read head {}", state.iqh()));
                lines.push(match state.desc(state.iqh()) {
                    Desc::Wd { target, .. } => format!(
                        "9@0.0:vtd_inv_desc invalidate desc type wait high {:#x} low 0x200000025",
                        0x1000 + 4 * u64::from(target)
                    ),
                    _ => "9@0.0:vtd_inv_desc invalidate desc type iotlb high 0x0 low 0xd2".into(),
                });
            }
            Action::Hardware(HwStep::Complete) => {
                let Some((Desc::Wd { target, .. }, _)) = state.pending().next() else { panic!("no WD to complete") };
                let address = 0x1000 + 4 * u64::from(target);
                lines.push(format!("9@0.0:vtd_inv_desc_wait_sw wait addr {address:#x} data 0x2"));
            }
            _ => {}
        }
        state = next;
    }
    Log(lines)
}

fn small_ring(rules: Rules, counts: &[u8], slots: u16) -> Ring<8, 3> {
    let length = Length::new(slots).unwrap();
    Ring::new(RingCfg { hardware: Hardware::pipelined(4), length, ..RingCfg::new(rules, 3, counts) }).unwrap()
}

const ANYWHERE: Options = Options { end: End::Anywhere, ..ASYNC };

#[test]
fn every_run_of_a_ring_is_accepted() {
    let mut dice = Rng::with_seed(7);
    for generation in batching() {
        for slots in [4, 6, 8] {
            let ring = small_ring(generation.rules, &[1, 2][..usize::from(slots / 4)], slots);
            let mut wrapped = 0;
            for _ in 0..40 {
                let log = walk(&ring, 600, &mut dice);
                let steps = log.accepted(generation.rules, ANYWHERE);
                let summary = log.trace().summary();
                assert_eq!((steps.submit, steps.complete), (summary.iqt_writes, summary.status_writes));
                wrapped += u32::from(summary.laps > 2.0);
            }
            assert!(wrapped > 20, "{wrapped}");
        }
    }
}

#[test]
fn sections_decide_as_steps_do() {
    let mut dice = Rng::with_seed(11);
    let (g3, g4) = (Rules::G3, Rules::G4);
    let (mut accepted, mut rejected, mut by_steps) = (0, 0, 0);
    for rules in [
        g3,
        g4,
        Rules { room: Room::CountPlus1, ..g4 },
        Rules { id_status: IdStatus::Untouched, ..g4 },
        Rules { id_status: IdStatus::Untouched, ..g3 },
        Rules { layout: Layout::WdFirst, ..g4 },
        Rules { poll: PollUntil::FirstSlotDone, ..g3 },
        Rules { mark: Mark::IdsFree, ..g4 },
        Rules { reclaim: Reclaim::ToHead, ..g4 },
        Rules { reclaim: Reclaim::WhileFree, ..g4 },
        Rules { publish: Publish::StatusIqtWd, ..g4 },
        Rules { clean_up: CleanUp::Unlocked, ..g4 },
    ] {
        for (counts, slots) in [(&[0][..], 4), (&[0, 1], 6), (&[0, 2], 8), (&[1, 2], 6)] {
            let ring = small_ring(rules, counts, slots);
            for _ in 0..8 {
                let mut log = walk(&ring, 300, &mut dice);
                // One run in two is corrupted, by two neighbouring lines that change places or by one that is lost.
                let at = 2 + dice.usize(..log.0.len().max(4) - 2);
                log = match dice.usize(..4) {
                    0 if at < log.0.len() => log.swap(at, at + 1),
                    1 if at <= log.0.len() => log.delete(at),
                    _ => log,
                };
                let sections = log.replay(rules, ANYWHERE);
                let steps = log.replay(rules, Options { grain: Grain::Steps, ..ANYWHERE });
                let line = |replayed: &Replayed| match &replayed.verdict {
                    ReplayVerdict::Accepted(_) | ReplayVerdict::Broken(_) => None,
                    ReplayVerdict::Rejected(rejection) => Some(rejection.line),
                    ReplayVerdict::Unknown(given_up) => panic!("{given_up:?}"),
                };
                assert_eq!(line(&sections), line(&steps), "{rules:?}\n{}", log.0.join("\n"));
                by_steps += usize::from(sections.grain == Grain::Steps);
                *(if line(&steps).is_none() { &mut accepted } else { &mut rejected }) += 1;
            }
        }
    }
    // All three occur often enough to mean something.
    assert!(accepted > 100 && rejected > 100 && by_steps > 100, "{accepted} {rejected} {by_steps}");
}

#[test]
fn lines_that_contradict_themselves() {
    let error = |line: &str| {
        let log = format!("1@0.0:vtd_inv_qi_setup addr 0x0 size 256\n1@0.1:{line}\n");
        Trace::read(log.as_bytes()).map(|trace| trace.events().len()).map_err(|error| error.to_string())
    };
    // Each type with each number, and higher bits that say nothing of the type.
    let types = [
        ("context-cache", 1),
        ("iotlb", 2),
        ("device", 3),
        ("iec", 4),
        ("wait", 5),
        ("p-iotlb", 6),
        ("pasid-cache", 7),
        ("device-piotlb", 8),
    ];
    for (name, code) in types {
        for low in (0x2_0000_0020u64..).take(16) {
            let said = error(&format!("vtd_inv_desc invalidate desc type {name} high 0x0 low {low:#x}"));
            let message = format!(
                "line 2: vtd_inv_desc says type {name} and low {low:#x}, whose low 4 bits, the type, have to be {code}"
            );
            assert_eq!(said, if low & 0xf == code { Ok(1) } else { Err(message) });
        }
    }
    for (line, message) in [
        ("vtd_inv_qi_tail write tail 2 tail 9", "vtd_inv_qi_tail says tail 2 and then tail 9"),
        ("vtd_inv_qi_tail write tail 2 tail 2", "vtd_inv_qi_tail says tail 2 and then tail 2"),
        ("vtd_inv_qi_head read head 2 head 9", "vtd_inv_qi_head says head 2 and then head 9"),
        (
            "vtd_inv_desc invalidate desc type iec high 0x0 low 0x4 type wait",
            "vtd_inv_desc says type iec and then type wait",
        ),
        (
            "vtd_inv_desc invalidate desc type iec high 0x0 low 0x4 low 0x14",
            "vtd_inv_desc says low 0x4 and then low 0x14",
        ),
        (
            "vtd_inv_desc_wait_sw wait invalidate status write addr 0x10 addr 0x14 data 0x2",
            "vtd_inv_desc_wait_sw says addr 0x10 and then addr 0x14",
        ),
        ("vtd_reg_write addr 0x38 addr 0x88 size 0x4 value 0x10", "vtd_reg_write says addr 0x38 and then addr 0x88"),
        ("vtd_reg_write addr 0x88 size 0x4 value 0x10 value 0x20", "vtd_reg_write says value 0x10 and then value 0x20"),
        ("vtd_inv_qi_setup addr 0x0 size 256 size 128", "vtd_inv_qi_setup says size 256 and then size 128"),
    ] {
        assert_eq!(error(line), Err(format!("line 2: {message}; each field has to be said once")));
    }
    assert_eq!(
        error("vtd_inv_qi_tail write tail 2 9"),
        Err(
            "line 2: vtd_inv_qi_tail says tail 2 9, which has to be a number below 2^64, decimal or 0x and hexadecimal"
                .into()
        )
    );
    for size in ["0x0", "0x1", "0x2", "0x3", "0x5", "0x10", "0x44"] {
        let said = error(&format!("vtd_reg_write addr 0x88 size {size} value 0x10"));
        let limit = "0x4 or 0x8, the bytes that a write of IQT can have";
        assert_eq!(said, Err(format!("line 2: vtd_reg_write says size {size}, which has to be {limit}")));
    }
    assert!(error("vtd_reg_write addr 0x88 value 0x10").is_err());
    assert_eq!(error("vtd_reg_write addr 0x88 size 0x4 value 0x10"), Ok(1));
    assert_eq!(error("vtd_reg_write addr 0x88 size 0x8 value 0x10"), Ok(1));
    // Of other registers nothing is known.
    assert_eq!(error("vtd_reg_write addr 0x36 size 0x2 value 0x10"), Ok(0));
}

#[test]
fn what_is_no_trace() {
    let error = |log: &str| Trace::read(log.as_bytes()).unwrap_err().to_string();
    let setup = "1@0.0:vtd_inv_qi_setup addr 0x0 size 256\n";
    assert_eq!(error(""), "the trace is empty; it has to have a line vtd_inv_qi_setup at least");
    assert_eq!(
        error("1@0.0:vtd_reg_read addr 0x8\n"),
        "the trace has 1 lines and none is vtd_inv_qi_setup, with which the ring begins"
    );
    assert_eq!(error("hello\n"), "the trace has 1 lines and none is vtd_inv_qi_setup, with which the ring begins");
    // A line that was written into another, or is cut, must not be taken for a message of somebody else.
    for damaged in
        ["1@0.1vtd_inv_qi_tail write tail 2", "1@0.1:vtd_inv_qi_t@il", "qemu: warning 1@0.1:vtd_inv_qi_tail write"]
    {
        let said = format!(
            "line 2, \"{damaged}\", is neither an event (THREAD@SECONDS.MICROS:event text, or event text) nor free of one"
        );
        assert_eq!(error(&format!("{setup}{damaged}\n")), said);
    }
    assert_eq!(
        error(&format!("{setup}1@0.1:vtd_inv_qi_tail write tail 0xg\n")),
        "line 2: vtd_inv_qi_tail says tail 0xg, which has to be a number below 2^64, decimal or 0x and hexadecimal"
    );
    assert_eq!(
        error(&format!("{setup}1@0.1:vtd_inv_desc invalidate desc type pasid high 0x0 low 0x7\n")),
        "line 2: vtd_inv_desc says type pasid, which has to be iotlb, device, iec, context-cache, p-iotlb, pasid-cache, \
         device-piotlb or wait"
    );
    assert_eq!(
        error(&format!("{setup}1@0.1:vtd_inv_desc_wait_sw wait invalidate status write addr 0x10\n")),
        "line 2: vtd_inv_desc_wait_sw says data nothing, which has to be a number below 2^64, decimal or 0x and \
         hexadecimal"
    );
    assert_eq!(
        error("1@0.0:vtd_inv_qi_setup addr 0x0 size 512\n"),
        "line 1: vtd_inv_qi_setup says size 512, which has to be even and from 4 to 256, the QI_LENGTH of a ring that can be \
         modelled"
    );
    assert_eq!(
        error("1@0.0:vtd_inv_qi_head read head 7\n"),
        "line 1: vtd_inv_qi_head before vtd_inv_qi_setup; a trace has to begin before the queue is enabled"
    );
    assert_eq!(
        error(&format!("{setup}1@0.1:vtd_inv_qi_enable enabled 0\n1@0.1:vtd_inv_qi_head read head 0\n")),
        "line 3: vtd_inv_qi_head before vtd_inv_qi_setup; a trace has to begin before the queue is enabled"
    );
    assert_eq!(error(&setup.repeat(2)), "line 2: the queue is set up again; the log has several lives of it");
    for (line, field) in [
        ("vtd_x_ite_set head 1 tail 2 aborted", "vtd_x_ite_set says waits nothing"),
        ("vtd_x_ite_set head 1 tail x aborted waits 1", "vtd_x_ite_set says tail x"),
        ("vtd_x_dev_noresp head", "vtd_x_dev_noresp says head nothing"),
        ("vtd_x_wait_pend head 1 status 0x10", "vtd_x_wait_pend says addr nothing"),
        ("vtd_x_fsts_write fsts now 0xg", "vtd_x_fsts_write says now 0xg"),
    ] {
        let said = error(&format!("{setup}1@0.1:{line}\n"));
        let limit = "which has to be a number below 2^64, decimal or 0x and hexadecimal";
        assert_eq!(said, format!("line 2: {field}, {limit}"));
    }
    assert_eq!(error(&"x".repeat(5000)), "line 1 is longer than 4096 bytes; a QEMU log is text with shorter lines");
    let garbage: Vec<u8> = (0..3000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    assert!(matches!(Trace::read(&garbage[..]), Err(TraceError::NoSetup { .. })));
    let half = &include_bytes!("../../../tests/fixtures/k612mf.qemu.log.gz")[..3000];
    assert!(matches!(Trace::read(BufReader::new(GzDecoder::new(half))), Err(TraceError::Read { .. })));
}

/// The program, which `cargo test` builds beside the tests.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let example =
        test.ancestors().nth(2).unwrap().join("examples/replay").with_extension(std::env::consts::EXE_EXTENSION);
    assert!(example.exists(), "{} is missing; cargo build --examples builds it", example.display());
    example
}

fn run(args: &[&str]) -> Output {
    Command::new(example()).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).args(args).output().unwrap()
}

/// A file with these contents.
fn file(name: &str, contents: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, contents).unwrap();
    path
}

const FIXTURE: &str = "tests/fixtures/k612mf.qemu.log.gz";

#[test]
fn exit_codes() {
    let accepted = run(&[FIXTURE]);
    assert_eq!(accepted.status.code(), Some(0));
    let text = String::from_utf8(accepted.stdout).unwrap();
    // Generations of which the same is to be said stand together.
    let names: Vec<&str> = batching().map(|generation| generation.name).collect();
    assert!(text.contains(&format!("  {}: a run, at most 1 states", names.join(", "))), "{text}");
    // The driver before Linux 5.8 posts one ID at a time.
    assert!(text.contains("g1: not a run at line"), "{text}");
    let corrupted = Log::excerpt().delete(417);
    let corrupted = file("replay-corrupted.log", corrupted.0.join("\n").as_bytes());
    let rejected = run(&["--generation", "g4", corrupted.to_str().unwrap()]);
    assert_eq!(rejected.status.code(), Some(1));
    let text = String::from_utf8(rejected.stdout).unwrap();
    assert!(text.contains("g4: not a run at line 418: IQT is written, but stock QEMU"), "{text}");
    assert!(text.contains("vtd_inv_qi_tail write tail 82"), "{text}");
}

#[test]
fn unusable_input_is_one_sentence_and_exit_code_2() {
    let half = file("replay-half.gz", &include_bytes!("../../../tests/fixtures/k612mf.qemu.log.gz")[..3000]);
    let garbage = file("replay-garbage", &[0xff, 0, 0x80, 0x1f, 7].repeat(900));
    let empty = file("replay-empty", b"");
    for path in [half.to_str().unwrap(), garbage.to_str().unwrap(), empty.to_str().unwrap(), "no/such/file"] {
        let output = run(&[path]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with("error: ") && said.contains(path) && said.lines().count() == 1, "{said}");
        assert!(output.stdout.is_empty());
    }
    // A line of a known kind that contradicts itself: the ID of 227 would be a WD.
    let iec = Log::excerpt().0[226].rsplit_once("low ").unwrap().1.to_owned();
    let log = Log::excerpt().replace(227, &format!("low {iec}"), "low 0x200000025");
    let path = file("replay-contradiction.log", log.0.join("\n").as_bytes());
    let output = run(&[path.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("line 227: vtd_inv_desc says type iec and low 0x200000025"), "{said}");
    assert_eq!(run(&["--generation", "g2", FIXTURE]).status.code(), Some(2));
    assert_eq!(run(&[]).status.code(), Some(2));
}

#[test]
fn all_traces_are_judged_though_some_cannot_be_used() {
    let garbage = file("replay-second", &[0xff, 0, 0x80, 0x1f, 7].repeat(900));
    let output = run(&["--generation", "g4", "no/such/file", FIXTURE, garbage.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let [first, missing, unreadable] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert_eq!(first, "error: 2 of 3 traces cannot be used:");
    assert!(missing.contains("no/such/file") && unreadable.contains("replay-second"), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("k612mf.qemu.log.gz: a run of g4; it ends idle"), "{text}");
    // One that cannot be used among several is its own sentence.
    let one = run(&["--json", "--generation", "g4", "no/such/file", FIXTURE]);
    let said = String::from_utf8(one.stderr).unwrap();
    assert!(said.starts_with("error: cannot open no/such/file") && said.lines().count() == 1, "{said}");
    let report: serde_json::Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!((one.status.code(), &report[0]["verdict"]), (Some(2), &serde_json::json!("run")));
}

#[test]
fn output_for_machines() {
    let output = run(&["--json", "--generation", GENERATIONS[1].name, FIXTURE]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report[0]["verdict"], "run");
    assert_eq!(report[0]["generations"][0]["spec_steps"]["submit"], 92);
    let events = String::from_utf8(run(&["--ndjson", FIXTURE]).stdout).unwrap();
    let events: Vec<serde_json::Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_kind = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert_eq!((of_kind("WriteIqt"), of_kind("Complete")), (92, 92));
    let wanted = [
        serde_json::json!({"event": "WriteIqt", "line": 404, "cpu": 4, "slot": 77, "count": 4}),
        serde_json::json!({"event": "Fetch", "line": 407, "slot": 72, "desc": "ID", "target": null}),
        serde_json::json!({"event": "Fetch", "line": 416, "slot": 76, "desc": "WD", "target": 76}),
        serde_json::json!({"event": "Complete", "line": 417, "target": 76, "data": 2}),
    ];
    for event in wanted {
        assert!(events.contains(&event), "{event}");
    }
}

/// The events of several traces stand in one file, each behind a line that names its trace.
#[test]
fn events_say_of_which_trace_they_are() {
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/ite612.qemu.log.gz");
    let lines = |files: &[&str]| {
        let output = run(&[&["--ndjson"], files].concat());
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>()
    };
    let (first, second) = (lines(&[FIXTURE]), lines(&[other]));
    assert_eq!(first[0], serde_json::json!({"event": "Trace", "file": FIXTURE, "slots": 256}));
    assert_eq!(second[0]["file"], other);
    assert!(first[1..].iter().chain(&second[1..]).all(|event| event["event"] != "Trace" && event["line"].is_u64()));
    assert_eq!(lines(&[FIXTURE, other]), [first, second].concat());
}

#[test]
fn every_generation_is_found_by_its_name() {
    for generation in GENERATIONS {
        assert_eq!(Generation::named(generation.name), Some(generation));
    }
}
