//! Whether a trace is one of a real driver on this ring: a run of [`vtd_qi::impl_qi`] that is a run of [`vtd_qi::spec`] too.
//!
//! A trace shows three kinds of steps: IQT writes, fetches and status writes; with device time-outs also when ITE is set and
//! cleared. All else is hidden: the lock, polls, the driver's writes to the ring and to its statuses, reclaim, the fault check,
//! the execution of IDs. [`replay`] keeps the *set* of states in which
//! the ring can be after what has been read, each reached by a run whose every step is a step of the specification or none. A
//! trace is rejected at the first line after which the set is empty; a complete one has to end idle ([`End`]).
//!
//! Submitters are the threads that write IQT. How many IDs a call brings need not be guessed: from the time when a submitter
//! finds room until it writes IQT it holds `q_lock`, so its batch is what lies between the IQT write before and its own.
//!
//! # How the hidden steps are taken
//! [`Grain::Steps`] takes them one by one, in every order. [`Grain::Sections`], the default, is smaller and decides the same:
//!
//! * **A look that finds nothing is left out**: taking the lock, finding no room or no DONE, and dropping it changes no state.
//!   Nor does the lock have to be taken early: a holder that does nothing may as well take it later. (The lock is strongly
//!   fair, without a queue.)
//! * **An ID executes as soon as it can.** That disables nothing, and no driver and no line of the trace sees it.
//! * **What is done under the lock is done at once**: the posting just before its IQT write; MARK and RECLAIM between two lines.
//!   Only hardware can come between, and of its steps only the status write touches what the holder touches. Let every WD that
//!   is posted and has not written its status be due to a slot that is IN_USE and none of the holder's own, and let those not
//!   fetched lie in none of the holder's slots. Then posting, the poll and MARK commute with each step of hardware. RECLAIM
//!   might as well have run as a whole at the moment of its last read: a slot that read FREE is written by nobody, one that
//!   read DONE was DONE from then on, and one that reads IN_USE is the last.
//!
//! With device time-outs three things more have to be seen to.
//!
//! * **An ID that gets no answer does not execute**, nor does it time out before the line that says so. Which it is is known
//!   when it is fetched: the trace has been read to its end. The oldest of several times out first.
//! * **Looks that find no fault are left out too**, all but one. Who clears ITE has read its own status before FSTS, and the one
//!   step that may come between and tells these reads apart is the write of that very status: so at each status write its owner
//!   may also stand between them, with the lock held. From the read of FSTS until ITE is cleared hardware is stopped, and nobody
//!   else has the lock: all of this is done at the line that clears ITE. A look that comes to ABORT is a section like the one
//!   that comes to DONE.
//! * **The walk is done at once**, with the clearing of ITE. Hardware may go on meanwhile (not under g5plus, which walks first),
//!   but commutes with the walk as long as no WD that is posted or pending is due to a slot that the walk visits: the walk of
//!   every slot visits just those that hardware has fetched. A walk that has gone round without meeting its end never does.
//!
//! That premise is checked at each section, and at each slot of a walk. Where it fails, and under rules that do not keep the
//! lock or have no end, the trace is replayed by [`Grain::Steps`] instead ([`Replayed::grain`]).
//!
//! # Time-outs and the specification
//! The run is held against the specification with faults ([`vtd_qi::spec::SpecFaults`]): an ITE drops batches (`Abort`), their
//! owners learn of it (`Again`) and submit the same once more (`Repost`). A caller that is told of success though one of its IDs
//! timed out, as where ITE comes before its WD has been fetched, is a step that the specification cannot follow, and the trace is
//! rejected.
//!
//! In the ring any number of answers may be lost, and a device that did not answer is present. All devices are one, since which
//! it is matters only where one is gone. The calls that can be made are the batches of the trace; that a batch is posted again
//! with the very same descriptors is checked beside the ring. What becomes of fetched work is disputed; [`Options::after_ite`]
//! chooses a reading.
//!
//! | file | what it is |
//! | --- | --- |
//! | `plan.rs` | what the whole trace says ahead of its lines: who posts what, which IDs get no answer |
//! | `tracker.rs` | the set of possible states, and how it follows from line to line |
//! | `lines.rs` | what each kind of line does to that set |
//! | `sections.rs`, `steps.rs` | the hidden steps, under the lock at once or one by one |
//! | `abstraction.rs` | the specification, followed step by step |
//! | `options.rs`, `outcome.rs`, `reasons.rs`, `blame.rs` | what is asked; what is answered; why a trace is rejected, and which reason it is |
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use vtd_qi::impl_qi::Rules;
//! use vtd_qi_traces::replay::{replay, Options, ReplayVerdict};
//! use vtd_qi_traces::qemu_log::Trace;
//!
//! let log = "\
//! 7@1.000001:vtd_inv_qi_setup addr 0x1000 size 256
//! 8@1.000003:vtd_inv_qi_tail write tail 1
//! 8@1.000004:vtd_inv_qi_head read head 0
//! 8@1.000005:vtd_inv_desc invalidate desc type wait high 0x2000 low 0x200000025
//! 8@1.000006:vtd_inv_desc_wait_sw wait invalidate status write addr 0x2004 data 0x2\n";
//! let replayed = replay(&Trace::read(log.as_bytes())?, Rules::G4, Options::default(), |_| ControlFlow::Continue(()));
//! let ReplayVerdict::Rejected(rejection) = replayed.verdict else { panic!("slot 1 has no WD") };
//! assert_eq!(rejection.line, 5);
//! assert_eq!(
//!     rejection.reason.to_string(),
//!     "hardware writes desc_status[1], but no WD for slot 1 is fetched and due; due: slot 0"
//! );
//! # Ok::<(), vtd_qi_traces::qemu_log::TraceError>(())
//! ```

mod abstraction;
mod blame;
mod lines;
mod options;
mod outcome;
mod plan;
mod reasons;
mod sections;
mod steps;
mod tracker;

use std::ops::ControlFlow;

use crate::qemu_log::Trace;
use plan::Plan;
use sections::has_sections;
use tracker::{Tracker, Unsound};
use vtd_qi::impl_qi::{FaultClass, Faults, Lock, Ring, RingCfg, Rules};
use vtd_qi::with_ring;

pub use options::{End, Grain, MostStates, Options, Qemu};
pub use outcome::{Cause, GivenUp, Rejection, ReplayVerdict, Replayed, SpecSteps};
pub use reasons::{Left, Reason};

/// Most IDs in one batch: the kernel's `QI_MAX_BATCHED_DESC_COUNT`, since 6.12; before, fewer.
pub use vtd_qi::impl_qi::MAX_IDS;

/// Replays a trace against the ring under some rules, and against the specification.
///
/// `progress` is told how many events have been replayed, after each and now and then within one; where it breaks, the replay is
/// given up.
pub fn replay(
    trace: &Trace,
    rules: Rules,
    options: Options,
    mut progress: impl FnMut(usize) -> ControlFlow<()>,
) -> Replayed {
    let has_faults = trace.has_faults() && options.hardware == Qemu::Async;
    let plan = Plan::of(trace, &rules, has_faults);
    let submitters = trace.cpus().len().max(1);
    let (lock, hardware, length) = (Lock::StrongFair, options.hardware.hardware(), trace.length());
    let faults = match has_faults {
        true => Faults { after_ite: options.after_ite, ..Faults::of([FaultClass::LostAnswer], Faults::UNBOUNDED) },
        false => Faults::none(),
    };
    let cfg = RingCfg { lock, hardware, length, faults, ..RingCfg::new(rules, submitters, []) };
    let accepted = cfg
        .with_requests(plan.requests.clone())
        .expect("a trace has no more CPUs than submitters can be, and its batches fit into the ring");
    with_ring!(accepted, |ring| {
        if options.grain == Grain::Sections && has_sections(&rules) {
            let sections = Tracker::new(&ring, trace, &plan, options, &mut progress).run();
            sections.unwrap_or_else(|Unsound| by_steps(&ring, trace, &plan, options, &mut progress))
        } else {
            by_steps(&ring, trace, &plan, options, &mut progress)
        }
    })
}

fn by_steps<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    trace: &Trace,
    plan: &Plan,
    options: Options,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Replayed {
    let options = Options { grain: Grain::Steps, ..options };
    let Ok(replayed) = Tracker::new(ring, trace, plan, options, progress).run() else {
        unreachable!("single steps have no premise")
    };
    replayed
}
