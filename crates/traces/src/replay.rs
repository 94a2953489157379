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
//! The run is held against the specification with faults ([`vtd_qi::spec::Faults`]): an ITE drops batches (`Abort`), their
//! owners learn of it (`Again`) and submit the same once more (`Repost`). A caller that is told of success though one of its IDs
//! timed out, as where ITE comes before its WD has been fetched, is a step that the specification cannot follow, and the trace is
//! rejected.
//!
//! In the ring any number of answers may be lost, and a device that did not answer is present. All devices are one, since which
//! it is matters only where one is gone. The calls that can be made are the batches of the trace; that a batch is posted again
//! with the very same descriptors is checked beside the ring. What becomes of fetched work is disputed; [`Options::after_ite`]
//! chooses a reading.
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use vtd_qi::impl_qi::Rules;
//! use vtd_qi_traces::replay::{replay, Options, Verdict};
//! use vtd_qi_traces::qemu_log::Trace;
//!
//! let log = "\
//! 7@1.000001:vtd_inv_qi_setup addr 0x1000 size 256
//! 8@1.000003:vtd_inv_qi_tail write tail 1
//! 8@1.000004:vtd_inv_qi_head read head 0
//! 8@1.000005:vtd_inv_desc invalidate desc type wait high 0x2000 low 0x200000025
//! 8@1.000006:vtd_inv_desc_wait_sw wait invalidate status write addr 0x2004 data 0x2\n";
//! let replayed = replay(&Trace::read(log.as_bytes())?, Rules::G4, Options::default(), |_| ControlFlow::Continue(()));
//! let Verdict::Rejected(rejection) = replayed.verdict else { panic!("slot 1 has no WD") };
//! assert_eq!(rejection.line, 5);
//! assert_eq!(
//!     rejection.reason.to_string(),
//!     "hardware writes desc_status[1], but no WD for slot 1 is fetched and due; due: slot 0"
//! );
//! # Ok::<(), vtd_qi_traces::qemu_log::TraceError>(())
//! ```

mod abstraction;
mod plan;

use std::fmt::{self, Display, Formatter};
use std::ops::ControlFlow;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use serde::Serialize;
use stateright::Model;
use thiserror::Error;

use crate::qemu_log::{AddressError, Event, Fetched, Trace, What, FSTS_ICE, FSTS_IQE, FSTS_ITE};
use abstraction::Abstraction;
use plan::{in_ring, Plan};
use vtd_qi::impl_qi::{
    Action, AfterIte, CleanUp, Desc, FaultClass, Faults, Fsts, Hardware, HwStep, IdKind, IteClear, Lock, Outcome,
    Owner, Pc, Publish, Reclaim, Ring, RingCfg, Rules, Slot, State, Status, Step, WdData, MAX_DEPTH,
};
use vtd_qi::spec::Label;
use vtd_qi::with_ring;

/// Most IDs in one batch: the kernel's `QI_MAX_BATCHED_DESC_COUNT`, since 6.12; before, fewer.
pub use vtd_qi::impl_qi::MAX_IDS;

/// Which of QEMU's units wrote the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Qemu {
    /// QEMU's own: drains the queue inside the IQT write, on the thread that writes, one descriptor after the other.
    #[default]
    Stock,
    /// A unit with a thread of its own, which IQT writes do not wait for; up to [`MAX_DEPTH`] descriptors are fetched ahead.
    ///
    /// The thread that first reads IQH is the unit's. It does all fetches and status writes and, once the queue is set up, never
    /// writes IQT, neither before nor after. No CPU stands in for it, not even for the first fetches.
    Async,
}

impl Qemu {
    fn hardware(self) -> Hardware {
        match self {
            Qemu::Stock => Hardware::in_order(1),
            Qemu::Async => Hardware::pipelined(MAX_DEPTH as u8),
        }
    }
}

/// In which states a trace may end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// No call pending, the ring empty, the hardware done: the trace is complete.
    #[default]
    Idle,
    /// In any: the trace is the beginning of a longer one.
    Anywhere,
}

/// How fine the hidden steps are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grain {
    /// What is done under the lock is one step, where that decides the same.
    #[default]
    Sections,
    /// Each step of the ring is one.
    Steps,
}

/// How to replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What wrote the log.
    pub hardware: Qemu,
    /// Where it may end.
    pub end: End,
    /// How fine the hidden steps are.
    pub grain: Grain,
    /// What the unit makes of work fetched when ITE is raised.
    pub after_ite: AfterIte,
    /// How many states may be possible at once, at most.
    pub most_states: MostStates,
}

/// How many states of the ring may be possible at once; with more, the verdict is unknown.
///
/// The default is many times what a log of a real driver needs, and takes about 1 GB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MostStates(pub usize);

impl Default for MostStates {
    fn default() -> Self {
        MostStates(400_000)
    }
}

/// What became of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// The verdict.
    pub verdict: Verdict,
    /// Most states that were possible at once.
    pub most_states: usize,
    /// The grain that was used in the end.
    pub grain: Grain,
}

/// Accepted or not.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Some run of ring and specification looks like this; the specification's steps of one are counted.
    Accepted(SpecSteps),
    /// No run does.
    Rejected(Rejection),
    /// The replay was given up: up to here some run looks like this.
    Unknown(GivenUp),
}

/// Where and why a replay was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The number of the first line that was not judged, from 1.
    pub line: u64,
    /// The reason.
    pub cause: Cause,
}

/// Why a replay was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Cause {
    /// The caller wanted it to stop.
    #[error("interrupted")]
    Interrupted,
    /// The set of possible states became too large.
    #[error("more than {} states of the ring are possible, and more are not followed", .0.0)]
    TooManyStates(MostStates),
}

/// How many steps of the specification a run contains, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpecSteps {
    /// IQT writes that begin a call.
    pub submit: u64,
    /// Batches of which the first descriptor was fetched.
    pub accept: u64,
    /// IDs executed.
    pub execute: u64,
    /// Status writes.
    pub complete: u64,
    /// Polls that saw DONE.
    pub observe: u64,
    /// Batches that hardware dropped.
    pub abort: u64,
    /// IQT writes that post a dropped batch once more, each after an `Again`; `submit` does not count them.
    pub repost: u64,
}

impl SpecSteps {
    fn with(mut self, label: Label) -> Self {
        let kind = match label {
            Label::Submit(_) => &mut self.submit,
            Label::Accept(_) => &mut self.accept,
            Label::Execute(_) => &mut self.execute,
            Label::Complete(_) => &mut self.complete,
            Label::Observe(_) => &mut self.observe,
            Label::Abort => &mut self.abort,
            // Whether the owner of the last one has looked is not to be seen.
            Label::Again(_) => return self,
            Label::Repost(_) => &mut self.repost,
            label => unreachable!("nothing is lost or invalid here, so there is no {label}"),
        };
        *kind += 1;
        self
    }
}

/// Where and why a trace was rejected.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// The line's number, from 1.
    pub line: u64,
    /// The line; empty where it is the end that does not fit.
    pub text: Box<str>,
    /// The reason.
    pub reason: Reason,
}

/// Why no state is left.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Reason {
    /// Something comes between the two lines of an IQT write.
    #[error("IQT is written {value:#x} by thread {thread}, but the line of the queue's tail does not follow")]
    Torn {
        /// The register's value.
        value: u64,
        /// Who writes it.
        thread: u64,
    },
    /// The two lines of an IQT write contradict each other.
    #[error("IQT is written {value:#x}, which is slot {}, but the queue's tail becomes {tail}", value >> 4)]
    Register {
        /// The register's value.
        value: u64,
        /// The slot that the queue takes.
        tail: u64,
    },
    /// A tail that is no slot.
    #[error("IQT is written slot {tail}, but the ring has {slots} slots, 0 to {}", slots - 1)]
    TailOutside {
        /// The tail.
        tail: u64,
        /// Number of slots.
        slots: u16,
    },
    /// IQT is written while stock QEMU drains the queue.
    #[error("IQT is written, but stock QEMU has not drained the queue for the write before; {0}")]
    NotDrained(Left),
    /// IQT stays where it is.
    #[error("IQT is written {0} again, but a batch has at least its WD")]
    NothingPosted(Slot),
    /// IQT goes on by too much, or back.
    #[error(
        "IQT goes from {from} to {to}, {slots} slots on ({} back), but a batch has at most {MAX_IDS} IDs and a WD",
        length - slots
    )]
    TooFar {
        /// Where it was.
        from: Slot,
        /// What is written.
        to: Slot,
        /// How many slots lie between.
        slots: u16,
        /// Number of slots.
        length: u16,
    },
    /// A submitter posts while it waits.
    #[error("CPU {cpu} writes IQT, but cannot have returned from its call before: it waits for the WD in slot {wd}")]
    StillWaits {
        /// The thread.
        cpu: u64,
        /// Where its WD lies.
        wd: Slot,
    },
    /// The ring is full.
    #[error("{ids} IDs and a WD are posted, which takes {needed} free slots, but at most {free} can be free")]
    NoRoom {
        /// Number of IDs.
        ids: u8,
        /// How many free slots the driver asks for.
        needed: u16,
        /// How many there are in the state that has most.
        free: u16,
    },
    /// The rules post otherwise.
    #[error("IQT is written {0}, which no call can do here")]
    NoPost(Slot),
    /// IQH is read a second time.
    #[error("hardware reads IQH = {slot}, but the descriptor in slot {before} has not come yet")]
    HeadTwice {
        /// The slot.
        slot: u64,
        /// The slot read before.
        before: u64,
    },
    /// Another thread does the stock unit's work.
    #[error("thread {thread} does the unit's work, but stock QEMU does it on the thread that wrote IQT, {writer}")]
    Thread {
        /// The thread.
        thread: u64,
        /// The one that wrote IQT.
        writer: u64,
    },
    /// A CPU does the asynchronous unit's work.
    #[error(
        "thread {thread} does the unit's work, but is a CPU, as it has written IQT; the unit has a thread of its own"
    )]
    CpuFetches {
        /// The thread.
        thread: u64,
    },
    /// Two threads do the asynchronous unit's work.
    #[error(
        "thread {thread} does the unit's work, but the unit has one thread of its own, {unit}, which did it before"
    )]
    SecondThread {
        /// The thread.
        thread: u64,
        /// The one that fetched first.
        unit: u64,
    },
    /// The asynchronous unit's thread does a CPU's work.
    #[error("thread {0} writes IQT, but has fetched before: it is the unit's own and no CPU")]
    UnitWrites(u64),
    /// A fetch from an empty queue.
    #[error("hardware fetches slot {slot}, but IQH = IQT = {iqt}: nothing is posted")]
    NothingToFetch {
        /// The slot.
        slot: u64,
        /// The tail.
        iqt: Slot,
    },
    /// A fetch from elsewhere.
    #[error("hardware fetches slot {slot}, but IQH = {iqh} (and IQT = {iqt})")]
    NotAtHead {
        /// The slot.
        slot: u64,
        /// The head.
        iqh: Slot,
        /// The tail.
        iqt: Slot,
    },
    /// Hardware holds as many descriptors as it can.
    #[error("hardware fetches slot {slot}, but can hold no more descriptors; {left}")]
    NoFetch {
        /// The slot.
        slot: u64,
        /// What it holds.
        left: Left,
    },
    /// A descriptor without a read of IQH.
    #[error("hardware fetches a descriptor without having read IQH for it")]
    NoHead,
    /// A WD that writes no status.
    #[error("the WD in slot {0} asks for no status write, but the driver's do (bit 5 of its low half)")]
    NoStatusWrite(u64),
    /// Status data other than the driver's.
    #[error("the status data is {data}, but the driver's WDs carry QI_DONE = {}", Status::Done as u8)]
    Data {
        /// The data.
        data: u64,
    },
    /// An address that is none of a status.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Another descriptor than the one posted.
    #[error("hardware fetches {} from slot {slot}, but {} lies there", Shown(*read), Shown(*posted))]
    OtherDescriptor {
        /// The slot.
        slot: u64,
        /// What the log says.
        read: Desc,
        /// What was posted, in one of the possible states.
        posted: Desc,
    },
    /// No such status write.
    #[error("hardware writes desc_status[{slot}], but no WD for slot {slot} is fetched and due; due: {}", Due(*due))]
    NotDue {
        /// The slot.
        slot: Slot,
        /// The slot that is due.
        due: Option<Slot>,
    },
    /// A line of another unit.
    #[error("{0}, but stock QEMU knows no device time-outs; this is the log of a unit with a queue of its own")]
    StockFault(&'static str),
    /// No answer to something that asks for none.
    #[error("no answer comes to slot {0}, but no device-TLB invalidation has been fetched from there just before")]
    NoRequest(u64),
    /// A WD that waits and was not fetched.
    #[error("the WD of slot {0} is said to wait, but no WD with this status address has been fetched from there just before")]
    NoWait(u64),
    /// A WD that waits for nothing.
    #[error("the WD of slot {0} is said to wait, but every ID ahead of it has been answered")]
    WaitsForNothing(u64),
    /// A status write behind an ID that was not answered.
    #[error("hardware writes desc_status[{0}], but an ID ahead of the WD for it has not been answered")]
    Unanswered(Slot),
    /// An ITE that contradicts the registers.
    #[error("ITE is set with IQH = {head} and IQT = {tail}, but IQH = {iqh} and IQT = {iqt}")]
    IteElsewhere {
        /// IQH, as the line says.
        head: u64,
        /// IQT, as the line says.
        tail: u64,
        /// The head.
        iqh: Slot,
        /// The tail.
        iqt: Slot,
    },
    /// An ITE without a cause.
    #[error("ITE is set, but every ID fetched before has been answered")]
    IteForNothing,
    /// Other WDs are aborted than those that are pending.
    #[error("ITE is set and {aborted} WDs are aborted, but {pending} are pending")]
    Aborted {
        /// How many, as the line says.
        aborted: u64,
        /// How many there are.
        pending: usize,
    },
    /// A fetch while ITE is set.
    #[error("hardware fetches slot {0}, but ITE is set and nobody has cleared it")]
    Stopped(u64),
    /// Another fault than a time-out.
    #[error("FSTS is {0:#x} after it was written, with IQE or ICE set, of which no line has told")]
    OtherFault(u64),
    /// A write of FSTS after which ITE is set.
    #[error(
        "FSTS is {0:#x} after it was written, with ITE still set, but the driver writes it here to clear ITE only"
    )]
    IteStays(u64),
    /// FSTS is written by a thread that is no CPU.
    #[error("thread {0} writes FSTS, but is no CPU: it never writes IQT")]
    NoCpuClears(u64),
    /// FSTS is written without an ITE.
    #[error("CPU {0} writes FSTS, but ITE is not set")]
    NoIte(u64),
    /// FSTS is written by somebody who does not look at it.
    #[error("CPU {0} clears ITE, but no call of it waits for a WD that is neither DONE nor ABORT")]
    NoCheck(u64),
    /// FSTS is written by somebody who does not hold the lock.
    #[error("CPU {cpu} clears ITE, but CPU {by} holds the lock and has it to clear first")]
    NotItsIte {
        /// The thread.
        cpu: u64,
        /// Who holds the lock.
        by: u64,
    },
    /// A post while the holder of the lock is in an endless walk.
    #[error(
        "CPU {cpu} cannot have gone on, since CPU {by} holds the lock for ever: its walk sees every second slot and never comes to \
         slot {end}, where it would end"
    )]
    EndlessWalk {
        /// The thread.
        cpu: u64,
        /// Who walks.
        by: u64,
        /// The end of the walk.
        end: Slot,
    },
    /// A post while the holder of the lock is about to clear ITE.
    #[error("CPU {cpu} writes IQT, but CPU {by} holds the lock, has seen ITE and clears it first")]
    ClearsFirst {
        /// The thread.
        cpu: u64,
        /// Who holds the lock.
        by: u64,
    },
    /// A post by one whose aborted WD was not marked.
    #[error(
        "CPU {cpu} writes IQT, but polls for ever: its WD in slot {wd} was aborted in hardware, and the walk has passed it over"
    )]
    PassedOver {
        /// The thread.
        cpu: u64,
        /// Where its WD lies.
        wd: Slot,
    },
    /// An aborted batch, and another is posted.
    #[error(
        "CPU {cpu} posts {ids} IDs, but its batch was aborted and it posts the same {again} again before any other"
    )]
    OtherBatch {
        /// The thread.
        cpu: u64,
        /// How many IDs it posts.
        ids: u8,
        /// How many it has to.
        again: u8,
    },
    /// An aborted batch, and other descriptors are posted.
    #[error(
        "CPU {cpu} has posted another ID in slot {slot} than in the batch that was aborted and that it posts again"
    )]
    OtherIds {
        /// The thread.
        cpu: u64,
        /// The slot.
        slot: u64,
    },
    /// The end comes before a batch is posted again.
    #[error("the trace ends here, but CPU {0} has not posted again the batch that was aborted")]
    NotPostedAgain(u64),
    /// The end comes before ITE is cleared.
    #[error("the trace ends here, but ITE is set and nobody has cleared it")]
    IteLeft,
    /// The specification has no such step.
    #[error("the ring could do this, but the specification could not go from \"{from}\" to \"{to}\"")]
    Specification {
        /// Its state before, as the mapping shows it.
        from: String,
        /// Its state after.
        to: String,
    },
    /// The trace ends too early.
    #[error("the trace ends here, but not idle; {0}")]
    NotIdle(Left),
}

/// What hardware has to do yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The head.
    pub iqh: Slot,
    /// The tail.
    pub iqt: Slot,
    /// The slot that the oldest fetched WD writes.
    pub due: Option<Slot>,
}

impl Left {
    fn of<const N: usize, const T: usize, const F: usize>(state: &State<N, T, F>) -> Left {
        let due = state.pending().find_map(|(desc, _)| match desc {
            Desc::Wd { target, .. } => Some(target),
            _ => None,
        });
        Left { iqh: state.iqh(), iqt: state.iqt(), due }
    }

    fn is_nothing(self) -> bool {
        self.iqh == self.iqt && self.due.is_none()
    }
}

impl Display for Left {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Left { iqh, iqt, due } = *self;
        write!(f, "IQH = {iqh}, IQT = {iqt}, status write due: {}", Due(due))
    }
}

struct Due(Option<Slot>);

impl Display for Due {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(slot) => write!(f, "slot {slot}"),
            None => write!(f, "none"),
        }
    }
}

struct Shown(Desc);

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Desc::Blank => write!(f, "nothing yet"),
            Desc::Id { kind: IdKind::Device(_), .. } => write!(f, "an ID for a device"),
            Desc::Id { .. } => write!(f, "an ID"),
            Desc::Wd { target, .. } | Desc::InvalidWd { target } => {
                write!(f, "a WD that writes desc_status[{target}]")
            }
        }
    }
}

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

/// Whether what is done under the lock comes to an end, and nothing is done without it.
fn has_sections(rules: &Rules) -> bool {
    rules.clean_up == CleanUp::Locked
        && matches!(rules.publish, Publish::StatusWdIqt | Publish::StatusesFirst)
        && rules.reclaim != Reclaim::WhileFree
}

fn wd_data(data: u64) -> Option<WdData> {
    [WdData::Done, WdData::InUse, WdData::Abort].into_iter().find(|known| known.status() as u64 == data)
}

fn said_data(fetched: Fetched) -> Reason {
    match fetched {
        Fetched::Wd { data, .. } => Reason::Data { data },
        Fetched::Id { .. } => unreachable!("an ID carries no status data"),
    }
}

/// A premise of [`Grain::Sections`] does not hold.
struct Unsound;

/// Why an event is not taken.
enum Stop {
    Rejected(Reason),
    Unsound,
    GivenUp(Cause),
}

impl From<Unsound> for Stop {
    fn from(Unsound: Unsound) -> Self {
        Stop::Unsound
    }
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Stop::Rejected(reason)
    }
}

/// A state, and the steps of the specification in a run that leads to it.
type Run<const N: usize, const T: usize, const F: usize> = (State<N, T, F>, SpecSteps);

/// The set of possible states after some lines.
struct Tracker<'a, const N: usize, const T: usize, const F: usize> {
    ring: &'a Ring<N, T, F>,
    trace: &'a Trace,
    options: Options,
    spec: Abstraction<'a, N, T, F>,
    /// Closed under hidden steps, never empty.
    runs: HashMap<State<N, T, F>, SpecSteps, FxBuildHasher>,
    most_states: usize,
    plan: &'a Plan,
    /// Each submitter's IQT writes to come, the next one last.
    posts: Vec<Vec<usize>>,
    /// The IQT write before, of the submitter of an IQT write that posts a batch again.
    again: HashMap<usize, usize, FxBuildHasher>,
    /// Each submitter's last IQT write.
    posted: Vec<Option<usize>>,
    /// Number of descriptors fetched.
    fetched: usize,
    /// What was fetched last, and from which slot.
    last: Option<(u64, Fetched)>,
    /// The fetched IDs that get no answer, oldest first: whose each is, and which of the batch.
    unanswered: Vec<(u8, u8)>,
    /// The thread that is writing IQT, and the register's value.
    register: Option<(u64, u64)>,
    /// The slot that hardware has read from IQH and not fetched yet.
    head: Option<u64>,
    /// The thread that wrote IQT last.
    writer: Option<u64>,
    /// How many submitters have written IQT.
    writers: u8,
    /// The asynchronous unit's thread, once it has fetched.
    unit: Option<u64>,
    actions: Vec<Action>,
    /// Number of events replayed.
    replayed: usize,
    progress: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
}

impl<'a, const N: usize, const T: usize, const F: usize> Tracker<'a, N, T, F> {
    fn new(
        ring: &'a Ring<N, T, F>,
        trace: &'a Trace,
        plan: &'a Plan,
        options: Options,
        progress: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Self {
        let mut to_come = vec![Vec::new(); ring.cfg().submitters];
        plan.posts.iter().enumerate().rev().for_each(|(number, post)| to_come[usize::from(post.t)].push(number));
        Tracker {
            ring,
            trace,
            options,
            spec: Abstraction::new(ring),
            runs: HashMap::default(),
            most_states: 0,
            plan,
            posted: vec![None; to_come.len()],
            posts: to_come,
            again: HashMap::default(),
            fetched: 0,
            last: None,
            unanswered: Vec::new(),
            register: None,
            head: None,
            writer: None,
            writers: 0,
            unit: None,
            actions: Vec::new(),
            replayed: 0,
            progress,
        }
    }

    fn run(mut self) -> Result<Replayed, Unsound> {
        if let Err(stop) = self.events() {
            let unjudged = self.trace.events().get(self.replayed);
            let line = unjudged.map_or(self.trace.lines(), |event| event.line);
            return match stop {
                Stop::Unsound => Err(Unsound),
                Stop::Rejected(reason) => Ok(self.rejected(line, self.trace.text(self.replayed), reason)),
                Stop::GivenUp(cause) => Ok(self.verdict(Verdict::Unknown(GivenUp { line, cause }))),
            };
        }
        let between_lines = self.register.is_none() && self.head.is_none();
        let may_end = |state: &State<N, T, F>| match self.options.end {
            End::Idle => between_lines && self.ring.at_rest(state),
            End::Anywhere => true,
        };
        let accepted = self.runs.iter().filter(|(state, _)| may_end(state)).max_by_key(|(_, steps)| steps.observe);
        Ok(match accepted {
            Some((_, steps)) => self.verdict(Verdict::Accepted(*steps)),
            None => {
                let torn = self.register.map(|(thread, value)| Reason::Torn { value, thread });
                self.rejected(self.trace.lines(), "", torn.unwrap_or_else(|| self.not_idle()))
            }
        })
    }

    fn rejected(&self, line: u64, text: &str, reason: Reason) -> Replayed {
        self.verdict(Verdict::Rejected(Rejection { line, text: text.into(), reason }))
    }

    fn verdict(&self, verdict: Verdict) -> Replayed {
        Replayed { verdict, most_states: self.most_states, grain: self.options.grain }
    }

    /// Replays every event.
    fn events(&mut self) -> Result<(), Stop> {
        let initial = self.ring.init_states().into_iter().map(|state| (state, SpecSteps::default())).collect();
        self.close(initial)?;
        for event in self.trace.events() {
            self.event(event)?;
            self.replayed += 1;
            self.go_on()?;
        }
        Ok(())
    }

    /// Asks the caller whether to go on.
    fn go_on(&mut self) -> Result<(), Stop> {
        match (self.progress)(self.replayed) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Stop::GivenUp(Cause::Interrupted)),
        }
    }

    fn event(&mut self, event: &Event) -> Result<(), Stop> {
        self.spec.refused = None;
        let register = self.register.take();
        if let Some((thread, value)) = register {
            if thread != event.thread || !matches!(event.what, What::IqtWrite { .. }) {
                return Err(Reason::Torn { value, thread }.into());
            }
        }
        let next = match event.what {
            What::Register { value } => {
                self.register = Some((event.thread, value));
                return Ok(());
            }
            What::IqtWrite { slot } => self.iqt_write(event.thread, slot, register.map(|(_, value)| value))?,
            What::Head { slot } => self.head(event.thread, slot)?,
            What::Fetch { slot, desc } => self.fetch(event.thread, slot, desc)?,
            What::StatusWrite { address, data } => self.status_write(event.thread, address, data)?,
            What::NoAnswer { slot } => return Ok(self.no_answer(event.thread, slot)?),
            What::Pends { slot, address } => return Ok(self.pends(event.thread, slot, address)?),
            What::Ite { head, tail, aborted } => self.ite(event.thread, head, tail, aborted)?,
            What::Fsts { now } => self.clear(event.thread, now)?,
        };
        let touches_statuses =
            matches!(event.what, What::IqtWrite { .. } | What::StatusWrite { .. } | What::Fsts { .. });
        if self.options.grain == Grain::Sections && !touches_statuses {
            // Sections commute with fetches, and with an ITE: the image of a closed set is closed.
            self.runs = next.into_iter().collect();
            return Ok(());
        }
        self.close(next)
    }

    /// What hardware has to do is the same in all possible states.
    fn left(&self) -> Left {
        Left::of(self.any())
    }

    fn any(&self) -> &State<N, T, F> {
        self.runs.keys().next().expect("the set is never empty")
    }

    /// The runs that some step continues, or why there is none.
    fn continued(
        &mut self,
        mut step: impl FnMut(&mut Self, Run<N, T, F>) -> Result<Option<Run<N, T, F>>, Stop>,
        reason: impl FnOnce(&mut Self) -> Reason,
    ) -> Result<Vec<Run<N, T, F>>, Stop> {
        let before: Vec<Run<N, T, F>> = self.runs.iter().map(|(state, steps)| (*state, *steps)).collect();
        let mut next = Vec::new();
        for run in before {
            next.extend(step(self, run)?);
        }
        if next.is_empty() {
            return Err(self.spec.refused.take().unwrap_or_else(|| reason(self)).into());
        }
        Ok(next)
    }

    fn iqt_write(&mut self, cpu: u64, tail: u64, register: Option<u64>) -> Result<Vec<Run<N, T, F>>, Stop> {
        let (length, left) = (self.ring.length(), self.left());
        if self.unit == Some(cpu) {
            return Err(Reason::UnitWrites(cpu).into());
        }
        if let Some(value) =
            register.filter(|value| ![tail.checked_shl(4), tail.checked_shl(5)].contains(&Some(*value)))
        {
            return Err(Reason::Register { value, tail }.into());
        }
        let to = in_ring(tail, length).ok_or(Reason::TailOutside { tail, slots: length.slots() })?;
        if self.options.hardware == Qemu::Stock && !left.is_nothing() {
            return Err(Reason::NotDrained(left).into());
        }
        let t = self.trace.submitter(cpu).expect("the trace knows all who write IQT");
        let (from, slots) = (left.iqt, length.distance(left.iqt, to));
        let number = self.posts[usize::from(t)].pop().expect("the plan knows every IQT write");
        let ids = self.plan.posts[number].ids.ok_or(match slots {
            0 => Reason::NothingPosted(to),
            _ => Reason::TooFar { from, to, slots, length: length.slots() },
        })?;
        self.writer = Some(cpu);
        self.writers = self.writers.max(t + 1);
        let mut first_time = false;
        let post = |tracker: &mut Self, run: Run<N, T, F>| {
            let again = run.0.ghost().is_reposting(t.into());
            let posted = match tracker.options.grain {
                Grain::Sections => tracker.post(run, t, number)?,
                Grain::Steps if run.0.call(t.into()).pc == Pc::WriteIqt => tracker.driver(run, t),
                Grain::Steps => None,
            };
            let posted = posted.filter(|(state, _)| state.iqt() == to);
            first_time |= posted.is_some() && !again;
            Ok(posted)
        };
        let next = self.continued(post, |tracker| tracker.no_post(cpu, t, ids, to))?;
        let before = self.posted[usize::from(t)].replace(number);
        if let Some(before) = before.filter(|_| !first_time) {
            self.again.insert(number, before);
        }
        Ok(next)
    }

    /// Why nobody can post.
    fn no_post(&self, cpu: u64, t: u8, ids: u8, to: Slot) -> Reason {
        let rules = &self.ring.cfg().rules;
        if let Some(reason) = self.lock_kept(cpu) {
            return reason;
        }
        if let Some(state) =
            self.runs.keys().next().filter(|_| self.runs.keys().all(|s| self.ring.waiting(s, t.into())))
        {
            let wd = self.ring.wait_index(&state.call(t.into()));
            return match self.runs.keys().all(|state| self.passed_over(state, t, wd)) {
                true => Reason::PassedOver { cpu, wd },
                false => Reason::StillWaits { cpu, wd },
            };
        }
        let again =
            self.runs.keys().find(|state| state.ghost().is_reposting(t.into())).map(|state| state.call(t.into()).count);
        if let Some(again) = again.filter(|&again| again != ids) {
            return Reason::OtherBatch { cpu, ids, again };
        }
        let (needed, free) = (rules.slots_needed(ids), self.runs.keys().map(|state| state.queue().free_cnt).max());
        match free {
            Some(free) if free < needed => Reason::NoRoom { ids, needed, free },
            _ => Reason::NoPost(to),
        }
    }

    fn head(&mut self, thread: u64, slot: u64) -> Result<Vec<Run<N, T, F>>, Stop> {
        let left = self.left();
        let Left { iqh, iqt, .. } = left;
        if let Some(before) = self.head {
            return Err(Reason::HeadTwice { slot, before }.into());
        }
        if iqh == iqt {
            return Err(Reason::NothingToFetch { slot, iqt }.into());
        }
        if slot != u64::from(iqh) {
            return Err(Reason::NotAtHead { slot, iqh, iqt }.into());
        }
        self.unit_thread(thread)?;
        self.head = Some(slot);
        if self.any().fsts().has(Fsts::ITE) {
            return Err(Reason::Stopped(slot).into());
        }
        let can_fetch = |tracker: &mut Self, run: Run<N, T, F>| {
            Ok(tracker.offers(&run.0, Action::Hardware(HwStep::Fetch)).then_some(run))
        };
        self.continued(can_fetch, |_| Reason::NoFetch { slot, left })
    }

    fn fetch(&mut self, thread: u64, slot: Option<u64>, fetched: Fetched) -> Result<Vec<Run<N, T, F>>, Stop> {
        self.unit_thread(thread)?;
        let slot = slot.filter(|slot| self.head == Some(*slot)).ok_or(Reason::NoHead)?;
        self.head = None;
        if self.any().fsts().has(Fsts::ITE) {
            return Err(Reason::Stopped(slot).into());
        }
        let posted = self.plan.fetches[self.fetched].posted;
        let read = match fetched {
            Fetched::Id { device, .. } if F > 0 => Desc::Id {
                number: posted.map_or(0, |(_, place)| place),
                kind: if device { IdKind::Device(1) } else { IdKind::Unit },
            },
            Fetched::Id { .. } => Desc::ID,
            Fetched::Wd { writes: false, .. } => return Err(Reason::NoStatusWrite(slot).into()),
            Fetched::Wd { data, address, .. } => {
                let data = wd_data(data).filter(|&data| data == WdData::Done || self.posts_data(data));
                let data = data.ok_or_else(|| said_data(fetched))?;
                Desc::Wd { target: self.trace.status_slot(address).map_err(Reason::Address)?, data }
            }
        };
        if let Some((post, place)) = posted.filter(|_| self.plan.fetches[self.fetched].unanswered) {
            self.unanswered.push((self.plan.posts[post].t, place));
        }
        self.fetched += 1;
        self.last = Some((slot, fetched));
        let lies = |state: &State<N, T, F>| state.desc(state.iqh());
        let fetch = |tracker: &mut Self, run: Run<N, T, F>| {
            Ok(if lies(&run.0) == read { tracker.hardware(run, HwStep::Fetch) } else { None })
        };
        let next =
            self.continued(fetch, |tracker| Reason::OtherDescriptor { slot, read, posted: lies(tracker.any()) })?;
        let again = posted.and_then(|(post, place)| Some((post, *self.again.get(&post)?, place)));
        match again.filter(|&(post, before, place)| !self.plan.alike(before, post, place)) {
            Some((post, ..)) => Err(Reason::OtherIds { cpu: self.cpu(self.plan.posts[post].t), slot }.into()),
            None => Ok(next),
        }
    }

    /// Whether the driver has rewritten the WD at IQH, in some state, so that it carries other data than `QI_DONE` (g5plus).
    fn posts_data(&self, data: WdData) -> bool {
        let carries = |desc| matches!(desc, Desc::Wd { data: carried, .. } if carried == data);
        self.runs.keys().any(|state| carries(state.desc(state.iqh())))
    }

    fn cpu(&self, t: impl Into<usize>) -> u64 {
        self.trace.cpus()[t.into()]
    }

    fn status_write(&mut self, thread: u64, address: u64, data: u64) -> Result<Vec<Run<N, T, F>>, Stop> {
        let slot = self.trace.status_slot(address).map_err(Reason::Address)?;
        let due = self.left().due;
        if due != Some(slot) {
            return Err(Reason::NotDue { slot, due }.into());
        }
        let oldest = |state: &State<N, T, F>| state.pending().find(|(desc, _)| matches!(desc, Desc::Wd { .. }));
        let due_data = match oldest(self.any()) {
            Some((Desc::Wd { data, .. }, _)) => data,
            _ => WdData::Done,
        };
        if data != due_data.status() as u64 {
            return Err(Reason::Data { data }.into());
        }
        self.unit_thread(thread)?;
        if self.options.grain == Grain::Sections && F > 0 {
            self.look_before(slot);
        }
        let complete = |tracker: &mut Self, run| Ok(tracker.hardware(run, HwStep::Complete));
        self.continued(complete, |tracker| match tracker.unanswered.is_empty() {
            true => Reason::NotDue { slot, due: None },
            false => Reason::Unanswered(slot),
        })
    }

    fn no_answer(&mut self, thread: u64, slot: u64) -> Result<(), Reason> {
        if self.options.hardware == Qemu::Stock {
            return Err(Reason::StockFault("a device does not answer"));
        }
        self.unit_thread(thread)?;
        match self.last {
            Some((fetched, Fetched::Id { device: true, .. })) if fetched == slot && self.head.is_none() => Ok(()),
            _ => Err(Reason::NoRequest(slot)),
        }
    }

    fn pends(&mut self, thread: u64, slot: u64, said: u64) -> Result<(), Reason> {
        if self.options.hardware == Qemu::Stock {
            return Err(Reason::StockFault("a WD waits for an answer"));
        }
        self.unit_thread(thread)?;
        match self.last {
            Some((fetched, Fetched::Wd { address, .. }))
                if (fetched, address) == (slot, said) && self.head.is_none() => {}
            _ => return Err(Reason::NoWait(slot)),
        }
        if self.unanswered.is_empty() {
            return Err(Reason::WaitsForNothing(slot));
        }
        Ok(())
    }

    /// The oldest ID that gets no answer has timed out.
    fn ite(&mut self, thread: u64, head: u64, tail: u64, aborted: u64) -> Result<Vec<Run<N, T, F>>, Stop> {
        if self.options.hardware == Qemu::Stock {
            return Err(Reason::StockFault("ITE is set").into());
        }
        self.unit_thread(thread)?;
        if let Some(before) = self.head {
            return Err(Reason::HeadTwice { slot: head, before }.into());
        }
        let Left { iqh, iqt, .. } = self.left();
        if (head, tail) != (iqh.into(), iqt.into()) {
            return Err(Reason::IteElsewhere { head, tail, iqh, iqt }.into());
        }
        if self.unanswered.is_empty() {
            return Err(Reason::IteForNothing.into());
        }
        let wds = |state: &State<N, T, F>| state.pending().filter(|(desc, _)| matches!(desc, Desc::Wd { .. })).count();
        let before: Vec<Run<N, T, F>> = self.runs.iter().map(|(state, steps)| (*state, *steps)).collect();
        let mut next = Vec::new();
        for run in before {
            let oldest = self.unanswered_at(&run.0).next();
            self.actions.clear();
            self.ring.actions(&run.0, &mut self.actions);
            let lost = |action: &Action| matches!(action, Action::Hardware(HwStep::LoseAnswer { position, .. }) if Some(*position) == oldest);
            let actions: Vec<Action> = self.actions.iter().copied().filter(lost).collect();
            let runs = actions.into_iter().filter_map(|action| self.step(run, action));
            next.extend(runs.filter(|(state, _)| wds(&run.0) - wds(state) == aborted as usize));
        }
        if next.is_empty() {
            let refused = self.spec.refused.take();
            return Err(refused.unwrap_or(Reason::Aborted { aborted, pending: wds(self.any()) }).into());
        }
        match self.options.after_ite {
            AfterIte::Drop => self.unanswered.clear(),
            AfterIte::IdsRun | AfterIte::WdsRun => drop(self.unanswered.remove(0)),
        }
        Ok(next)
    }

    /// Somebody has written FSTS.
    fn clear(&mut self, cpu: u64, now: u64) -> Result<Vec<Run<N, T, F>>, Stop> {
        if self.options.hardware == Qemu::Stock {
            return Err(Reason::StockFault("FSTS is written").into());
        }
        if now & (FSTS_IQE | FSTS_ICE) != 0 {
            return Err(Reason::OtherFault(now).into());
        }
        let t = self.trace.submitter(cpu).ok_or(Reason::NoCpuClears(cpu))?;
        if !self.any().fsts().has(Fsts::ITE) {
            return Err(Reason::NoIte(cpu).into());
        }
        if now & FSTS_ITE != 0 {
            return Err(Reason::IteStays(now).into());
        }
        let clear = |tracker: &mut Self, run: Run<N, T, F>| match tracker.options.grain {
            Grain::Sections => tracker.clear_ite(run, t),
            Grain::Steps if run.0.call(t.into()).pc == Pc::ClearIte => Ok(tracker.driver(run, t)),
            Grain::Steps => Ok(None),
        };
        self.continued(clear, |tracker| match tracker.lock_kept(cpu) {
            Some(Reason::ClearsFirst { by, .. }) if by != cpu => Reason::NotItsIte { cpu, by },
            Some(reason @ Reason::EndlessWalk { .. }) => reason,
            _ => tracker.endless_before(cpu, t).unwrap_or(Reason::NoCheck(cpu)),
        })
    }

    /// Whether in all states the same submitter holds the lock and will not drop it before ITE is cleared, or never.
    fn lock_kept(&self, cpu: u64) -> Option<Reason> {
        let holder = self.any().lock_holder()?;
        let at = |state: &State<N, T, F>, pcs: &[Pc]| {
            state.lock_holder() == Some(holder) && pcs.contains(&state.call(holder).pc)
        };
        let by = self.cpu(holder);
        if self.runs.keys().all(|state| at(state, &[Pc::Walk, Pc::WalkAbort])) {
            let end = self.any().call(holder).check.tail?;
            return Some(Reason::EndlessWalk { cpu, by, end });
        }
        let (looks, clears) =
            ([Pc::Poll, Pc::CheckAbort, Pc::ReadFsts], [Pc::IteIqh, Pc::IteIqt, Pc::ReadIqer, Pc::ClearIte]);
        let t = holder as u8;
        let will_clear = |state: &State<N, T, F>| {
            at(state, &clears)
                || at(state, &looks)
                    && state.fsts().has(Fsts::ITE)
                    && !(self.sees_done(state, t) || self.sees_abort(state, t))
        };
        self.runs.keys().all(will_clear).then_some(Reason::ClearsFirst { cpu, by })
    }

    /// Whether a walk that comes before ITE is cleared has no end.
    fn endless_before(&mut self, cpu: u64, t: u8) -> Option<Reason> {
        if self.ring.cfg().rules.ite_clear == IteClear::BeforeWalk {
            return None;
        }
        let run = self.runs.iter().map(|(state, steps)| (*state, *steps)).find(|run| self.polls(&run.0, t))?;
        let (state, _) = self.section(run, t)?;
        let call = state.call(t.into());
        let end = call.check.tail.filter(|_| matches!(call.pc, Pc::Walk | Pc::WalkAbort))?;
        Some(Reason::EndlessWalk { cpu, by: cpu, end })
    }

    fn polls(&self, state: &State<N, T, F>, t: u8) -> bool {
        state.lock_holder().is_none() && state.call(t.into()).pc == Pc::PollAcquire
    }

    /// Whether `t`'s WD is neither in the ring nor in hardware, and nobody has told its owner.
    fn passed_over(&self, state: &State<N, T, F>, t: u8, wd: Slot) -> bool {
        state.status(wd) == Status::InUse
            && !state.fsts().has(Fsts::ITE)
            && !state.ghost().posted_by(wd).is(t.into())
            && state.pending().all(|(desc, owner)| !(owner.is(t.into()) && desc == Desc::wd(wd)))
    }

    /// Positions of the pending IDs that get no answer, oldest first.
    fn unanswered_at(&self, state: &State<N, T, F>) -> impl Iterator<Item = u8> {
        let mut left = self.unanswered.clone();
        let positions: Vec<u8> = state
            .pending()
            .zip(0..)
            .filter_map(|((desc, owner), position)| {
                let Desc::Id { number, .. } = desc else { return None };
                let is_this =
                    |&(t, place): &(u8, u8)| place == number && (owner.is(t.into()) || owner == Owner::Returned);
                left.iter().position(is_this).map(|i| {
                    left.remove(i);
                    position
                })
            })
            .collect();
        positions.into_iter()
    }

    /// Adds, for the one whose WD is about to write its status, that it has just looked, still holds the lock and is about to
    /// read FSTS.
    fn look_before(&mut self, slot: Slot) {
        let rules = &self.ring.cfg().rules;
        let looks = |state: &State<N, T, F>| {
            (0..self.ring.cfg().submitters as u8)
                .find(|&t| self.polls(state, t) && state.call(t.into()).polled_slot(rules, self.ring.length()) == slot)
        };
        let looking: Vec<(Run<N, T, F>, u8)> =
            self.runs.iter().filter_map(|(state, steps)| Some(((*state, *steps), looks(state)?))).collect();
        for (mut run, t) in looking {
            while run.0.call(t.into()).pc != Pc::ReadFsts {
                match self.driver(run, t) {
                    Some(next) if next.0.lock_holder() == Some(t.into()) => run = next,
                    _ => break,
                }
            }
            if run.0.call(t.into()).pc == Pc::ReadFsts {
                self.runs.insert(run.0, run.1);
            }
        }
    }

    /// `t` looks, or has looked, for its WD, and clears ITE; then the walk, if it comes after that.
    fn clear_ite(&mut self, run: Run<N, T, F>, t: u8) -> Result<Option<Run<N, T, F>>, Stop> {
        let me = usize::from(t);
        let call = run.0.call(me);
        let has_looked = run.0.lock_holder() == Some(me) && matches!(call.pc, Pc::ReadFsts | Pc::ClearIte);
        let looks = self.polls(&run.0, t) && !self.sees_done(&run.0, t) && !self.sees_abort(&run.0, t);
        if !has_looked && !looks {
            return Ok(None);
        }
        let at_clear = if call.pc == Pc::ClearIte { Some(run) } else { self.section(run, t) };
        let Some(run) = at_clear.filter(|(state, _)| state.call(me).pc == Pc::ClearIte) else { return Ok(None) };
        let Some(mut run) = self.driver(run, t) else { return Ok(None) };
        let (length, mut walked) = (self.ring.length(), 0);
        loop {
            let call = run.0.call(me);
            match call.pc {
                Pc::Walk if walked == length.slots() => break,
                Pc::Walk => {
                    walked += 1;
                    let slot = call.check.head.expect("a walk is somewhere");
                    if self.will_be_written(&run.0, slot) {
                        return Err(Stop::Unsound);
                    }
                }
                Pc::WalkAbort | Pc::StraddlerIqh | Pc::StraddlerLook | Pc::StraddlerSeek | Pc::StraddlerPatch => {}
                _ => break,
            }
            match self.driver(run, t) {
                Some(next) => run = next,
                None => return Ok(None),
            }
        }
        Ok(Some(run))
    }

    /// Whether a WD that is posted or pending writes a slot's status.
    fn will_be_written(&self, state: &State<N, T, F>, slot: Slot) -> bool {
        let length = self.ring.length();
        let writes = |desc| matches!(desc, Desc::Wd { target, .. } if target == slot);
        let posted = length.distance(state.iqh(), state.iqt());
        (0..posted).any(|k| writes(state.desc(length.add(state.iqh(), k))))
            || state.pending().any(|(desc, _)| writes(desc))
    }

    /// What is missing at the end.
    fn not_idle(&self) -> Reason {
        let left = self.left();
        if self.any().fsts().has(Fsts::ITE) {
            return Reason::IteLeft;
        }
        let again = |state: &State<N, T, F>, t: u8| {
            state.ghost().is_reposting(t.into())
                || state.call(t.into()).outcome == Outcome::Again
                || self.ring.waiting(state, t.into()) && self.sees_abort(state, t)
        };
        let waits = (0..self.ring.cfg().submitters as u8).find(|&t| self.runs.keys().all(|state| again(state, t)));
        waits.map_or(Reason::NotIdle(left), |t| Reason::NotPostedAgain(self.cpu(t)))
    }

    /// The stock unit works on the thread that wrote IQT, the other on one of its own, whose first read of IQH names it.
    fn unit_thread(&mut self, thread: u64) -> Result<(), Reason> {
        match (self.options.hardware, self.writer) {
            (Qemu::Stock, Some(writer)) if writer != thread => return Err(Reason::Thread { thread, writer }),
            (Qemu::Stock, _) => return Ok(()),
            (Qemu::Async, _) => {}
        }
        if self.trace.submitter(thread).is_some_and(|t| t < self.writers) {
            return Err(Reason::CpuFetches { thread });
        }
        match *self.unit.get_or_insert(thread) {
            unit if unit != thread => Err(Reason::SecondThread { thread, unit }),
            _ => Ok(()),
        }
    }

    fn offers(&mut self, state: &State<N, T, F>, action: Action) -> bool {
        self.actions.clear();
        self.ring.actions(state, &mut self.actions);
        self.actions.contains(&action)
    }

    /// One step of the ring that the specification can follow.
    fn step(&mut self, (state, steps): Run<N, T, F>, action: Action) -> Option<Run<N, T, F>> {
        let next = self.ring.next_state(&state, action)?;
        let steps = self.spec.follow(&state, &next, steps)?;
        Some((next, steps))
    }

    /// Submitter `t`'s next step, if it can be done.
    fn driver(&mut self, run: Run<N, T, F>, t: u8) -> Option<Run<N, T, F>> {
        let step = run.0.call(t.into()).pc.step(&self.ring.cfg().rules)?;
        self.step(run, Action::Driver { t, step })
    }

    /// A step of hardware, if it can be done, and the IDs that can execute then.
    fn hardware(&mut self, run: Run<N, T, F>, step: HwStep) -> Option<Run<N, T, F>> {
        if !self.offers(&run.0, Action::Hardware(step)) {
            return None;
        }
        let mut run = self.step(run, Action::Hardware(step))?;
        while self.options.grain == Grain::Sections {
            self.actions.clear();
            self.ring.actions(&run.0, &mut self.actions);
            let lost: Vec<u8> = if F > 0 { self.unanswered_at(&run.0).collect() } else { Vec::new() };
            let executes = |action: &&Action| matches!(action, Action::Hardware(HwStep::Execute { position }) if !lost.contains(position));
            match self.actions.iter().find(executes) {
                Some(&execute) => run = self.step(run, execute)?,
                None => break,
            }
        }
        Some(run)
    }

    /// The whole post of a submitter that is idle or has to post again, and its first look.
    fn post(&mut self, run: Run<N, T, F>, t: u8, number: usize) -> Result<Option<Run<N, T, F>>, Stop> {
        let (post, call) = (self.plan.posts[number], run.0.call(t.into()));
        let slots = u16::from(post.ids.unwrap_or(0)) + 1;
        let again = call.pc == Pc::Acquire && call.slots() == slots;
        if !(call.pc == Pc::Idle || again) || run.0.lock_holder().is_some() {
            return Ok(None);
        }
        let Some(request) = post.request else { return Ok(None) };
        self.undisturbed(&run.0, run.0.queue().free_head, slots)?;
        let called = if again { Some(run) } else { self.step(run, Action::Call { t, request }) };
        let posted = called.and_then(|mut run| loop {
            let pc = run.0.call(t.into()).pc;
            if pc == Pc::NoRoom {
                break None;
            }
            run = self.driver(run, t)?;
            if pc == Pc::WriteIqt {
                break Some(run);
            }
        });
        Ok(posted.and_then(|run| if self.sees_done(&run.0, t) { Some(run) } else { self.section(run, t) }))
    }

    /// Steps of `t` until it drops the lock, or is about to clear ITE, which a line shows, or has walked in vain.
    fn section(&mut self, run: Run<N, T, F>, t: u8) -> Option<Run<N, T, F>> {
        let mut run = self.driver(run, t)?;
        let mut walked = 0;
        while run.0.lock_holder() == Some(t.into()) {
            match run.0.call(t.into()).pc {
                Pc::ClearIte => break,
                Pc::Walk if walked == self.ring.length().slots() => break,
                Pc::Walk => walked += 1,
                _ => {}
            }
            run = self.driver(run, t)?;
        }
        Some(run)
    }

    fn sees_abort(&self, state: &State<N, T, F>, t: u8) -> bool {
        F > 0 && state.status(self.ring.wait_index(&state.call(t.into()))) == Status::Abort
    }

    fn sees_done(&self, state: &State<N, T, F>, t: u8) -> bool {
        let call = state.call(t.into());
        state.status(call.polled_slot(&self.ring.cfg().rules, self.ring.length())) == Status::Done
    }

    /// The premise of [`Grain::Sections`], for a holder of the lock whose slots begin at `first`.
    fn undisturbed(&self, state: &State<N, T, F>, first: Slot, slots: u16) -> Result<(), Unsound> {
        let length = self.ring.length();
        let own = |slot| length.distance(first, slot) < slots;
        let harmless = |desc| match desc {
            Desc::Wd { target, .. } => !own(target) && state.status(target) == Status::InUse,
            Desc::Id { .. } | Desc::Blank | Desc::InvalidWd { .. } => true,
        };
        let posted = length.distance(state.iqh(), state.iqt());
        let mut unfetched = (0..posted).map(|k| length.add(state.iqh(), k));
        let sound = unfetched.all(|slot| !own(slot) && harmless(state.desc(slot)))
            && state.pending().all(|(desc, _)| harmless(desc));
        if sound {
            Ok(())
        } else {
            Err(Unsound)
        }
    }

    /// Makes the set of some states and all that hidden steps lead to.
    fn close(&mut self, mut to_do: Vec<Run<N, T, F>>) -> Result<(), Stop> {
        self.runs.clear();
        while let Some((state, steps)) = to_do.pop() {
            if self.runs.insert(state, steps).is_none() {
                if self.runs.len() > self.options.most_states.0 {
                    return Err(Stop::GivenUp(Cause::TooManyStates(self.options.most_states)));
                }
                if self.runs.len().is_multiple_of(1_000) {
                    self.go_on()?;
                }
                match self.options.grain {
                    Grain::Sections => self.hidden_sections((state, steps), &mut to_do)?,
                    Grain::Steps => self.hidden_steps((state, steps), &mut to_do),
                }
            }
        }
        self.most_states = self.most_states.max(self.runs.len());
        Ok(())
    }

    /// Those who can see DONE or ABORT do, and clean up; who holds the lock goes on.
    fn hidden_sections(&mut self, run: Run<N, T, F>, next: &mut Vec<Run<N, T, F>>) -> Result<(), Unsound> {
        let holder = run.0.lock_holder();
        for t in 0..self.ring.cfg().submitters as u8 {
            let holds = holder == Some(t.into());
            let call = run.0.call(t.into());
            let sees = |tracker: &Self| tracker.sees_done(&run.0, t) || tracker.sees_abort(&run.0, t);
            if holds && (call.pc == Pc::ReadFsts || call.pc == Pc::RecheckAbort && !self.sees_abort(&run.0, t)) {
                next.extend(self.section(run, t));
                continue;
            }
            let cleans_up = match call.pc {
                Pc::PollAcquire => holder.is_none() && sees(self),
                Pc::Poll => holds && self.sees_done(&run.0, t),
                Pc::RecheckAbort | Pc::Mark | Pc::Reclaim => holds,
                _ => false,
            };
            if cleans_up {
                self.undisturbed(&run.0, call.index, call.slots())?;
                next.extend(self.section(run, t));
            }
        }
        Ok(())
    }

    /// Every step that no line shows; a call with as many IDs as its IQT write to come will bring.
    fn hidden_steps(&mut self, run: Run<N, T, F>, next: &mut Vec<Run<N, T, F>>) {
        let mut actions = std::mem::take(&mut self.actions);
        actions.clear();
        self.ring.actions(&run.0, &mut actions);
        let lost: Vec<u8> = if F > 0 { self.unanswered_at(&run.0).collect() } else { Vec::new() };
        for &action in &actions {
            let hidden = match action {
                Action::Call { t, request } => {
                    let to_come = self.posts[usize::from(t)].last();
                    to_come.is_some_and(|&number| self.plan.posts[number].request == Some(request))
                }
                Action::Driver { step, .. } => !matches!(step, Step::WriteIqt | Step::ClearIte),
                Action::Hardware(HwStep::Execute { position }) => !lost.contains(&position),
                Action::Hardware(_) => false,
            };
            if hidden {
                next.extend(self.step(run, action));
            }
        }
        self.actions = actions;
    }
}
