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
//! A log may name no threads. Then whoever is idle may have written IQT, and whoever has to post again; the set says as much as can be
//! known.
//!
//! # The answers
//! A run keeps every promise ([`Accepted`]), or every run breaks one ([`BrokenPromise`]: the line, the property, the finding, the states
//! before and after), or there is none ([`Rejection`]: the line and the reason). Runs that break a promise are followed too, and count
//! where no other is left. A run ends idle, in the middle, or stuck ([`Ending`]): somebody can never return, whatever the others that
//! are in calls and the hardware do; that is looked for in the graph of all that can still happen.
//!
//! # How the hidden steps are taken
//! [`Grain::Steps`] takes them one by one, in every order. [`Grain::Sections`], the default, is smaller and decides the same:
//!
//! * **A look that finds nothing is left out**: taking the lock, finding no room or no DONE, and dropping it changes no state.
//!   Nor does the lock have to be taken early: a holder that does nothing may as well take it later. (The lock is strongly
//!   fair, without a queue.)
//! * **An ID executes as soon as it can**, once the next line has not said that it gets no answer. That disables nothing, and no
//!   driver and no line of the trace sees it. Steps of [`Grain::Steps`] are no finer here.
//! * **What is done under the lock is done at once**: the posting just before its IQT write; MARK and RECLAIM between two lines.
//!   Only hardware can come between, and of its steps only the status write touches what the holder touches. Let every WD that
//!   is posted and has not written its status be due to a slot that is IN_USE and none of the holder's own, and let those not
//!   fetched lie in none of the holder's slots. Then posting, the poll and MARK commute with each step of hardware. RECLAIM
//!   might as well have run as a whole at the moment of its last read: a slot that read FREE is written by nobody, one that
//!   read DONE was DONE from then on, and one that reads IN_USE is the last.
//! * **Who sees DONE or ABORT cleans up as soon as it can**, under the rules of a kernel: then more slots are free, never fewer, and
//!   each line that fits a run in which somebody has not yet cleaned up fits this one too. So without faults the set has one state.
//!
//! With device time-outs three things more have to be seen to.
//!
//! * **An ID that gets no answer does not execute**, nor does it time out before the line that says so. The oldest of several times
//!   out first.
//! * **Looks that find no fault are left out too**, all but one. Who clears ITE has read its own status before FSTS, and the one
//!   step that may come between and tells these reads apart is the write of that very status: so at each status write its owner
//!   may also stand between them, with the lock held. Whether somebody does matters only once ITE is set: then the lines since the
//!   lock was last taken are taken once more, with these runs too. From the read of FSTS until ITE is cleared hardware is stopped,
//!   and nobody else has the lock: all of this is done at the line that clears ITE. A look that comes to ABORT is a section like
//!   the one that comes to DONE.
//! * **The walk is done at once**, with the clearing of ITE. Hardware may go on meanwhile (not under g5plus, which walks first),
//!   but commutes with the walk as long as no WD that is posted or pending is due to a slot that the walk visits: the walk of
//!   every slot visits just those that hardware has fetched. A walk that has gone round without meeting its end never does.
//!
//! That premise is checked at each section, and at each slot of a walk. What is accepted is a run in any case. Where the premise has
//! failed and no run is left, and under rules that do not keep the lock or have no end, the trace is replayed by [`Grain::Steps`]
//! instead ([`Replayed::grain`]), or, if it is too long for that, the verdict is unknown.
//!
//! # Descriptors without a line, and an IQE
//! QEMU has no line for some kinds of IDs, and none that says that a descriptor was refused. So a read of IQH, or an ID's line, leaves
//! open what has become of it: it was fetched if IQH is read one slot on, and refused if it is read at the same slot after
//! somebody has cleared IQE. In between there are runs of both kinds. A WD has a line always.
//!
//! # Time-outs and the specification
//! The run is held against the specification with faults ([`vtd_qi::spec::SpecFaults`]): an ITE drops batches (`Abort`), their
//! owners learn of it (`Again`) and submit the same once more (`Repost`). A caller that is told of success though one of its IDs
//! timed out, as where ITE comes before its WD has been fetched, is a step that the specification cannot follow: a promise is
//! broken.
//!
//! In the ring any number of answers may be lost, and a device that did not answer is present. All devices are one, since which
//! it is matters only where one is gone. That a batch is posted again with the very same descriptors is checked beside the ring.
//! Where a device is gone, who clears the ITE returns `-ETIMEDOUT` under the rules `t`, which is not followed: a line that only such a
//! return explains makes the verdict unknown for them, and is no run of those that only retry. ICE changes nothing in the ring.
//! What becomes of fetched work is disputed; [`Options::after_ite`] chooses a reading.
//!
//! | file | what it is |
//! | --- | --- |
//! | `log.rs`, `judge.rs` | a log, and a life of the queue, judged as it is read, under several generations at once; a trace replayed under one |
//! | `tracker.rs`, `runs.rs` | the set of runs, and how it follows from line to line |
//! | `seen.rs` | what the lines have said beside the ring: threads, descriptors, what is not decided yet |
//! | `lines.rs`, `faults.rs` | what each kind of line does to that set |
//! | `sections.rs`, `steps.rs` | the hidden steps, under the lock at once or one by one |
//! | `abstraction.rs`, `harm.rs` | the specification, followed step by step; which promise is broken |
//! | `ending.rs` | how a trace ends |
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
mod ending;
mod faults;
mod harm;
mod judge;
mod lines;
mod log;
mod options;
mod outcome;
mod reasons;
mod runs;
mod sections;
mod seen;
mod steps;
mod tracker;

pub use ending::{Ending, Stuck};
pub use judge::{Judge, replay};
pub use log::{ReplayedLife, judge_log};
pub use options::{End, Grain, MostStates, Options, Qemu};
pub use outcome::{Accepted, Breach, BrokenPromise, Cause, GivenUp, Rejection, ReplayVerdict, Replayed, SpecSteps};
pub use reasons::{Left, Reason};

/// Most IDs in one batch: the kernel's `QI_MAX_BATCHED_DESC_COUNT`, since 6.12; before, fewer.
pub use vtd_qi::impl_qi::MAX_IDS;
