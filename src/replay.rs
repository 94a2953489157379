//! Whether a trace is one of a real driver on this ring: a run of [`crate::impl_qi`] that is a run of [`crate::spec`] too.
//!
//! A trace shows three kinds of steps: IQT writes, fetches and status writes. All else is hidden: the lock, polls, the
//! driver's writes to the ring and to its statuses, reclaim, the execution of IDs. [`replay`] keeps the *set* of states in which
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
//! That premise is checked at each section. Where it fails, and under rules that do not keep the lock or have no end, the
//! trace is replayed by [`Grain::Steps`] instead ([`Replayed::grain`]).
//!
//! ```
//! use vtd_qi::impl_qi::Rules;
//! use vtd_qi::replay::{replay, Options, Verdict};
//! use vtd_qi::trace::Trace;
//!
//! let log = "\
//! 7@1.000001:vtd_inv_qi_setup addr 0x1000 size 256
//! 8@1.000003:vtd_inv_qi_tail write tail 1
//! 8@1.000004:vtd_inv_qi_head read head 0
//! 8@1.000005:vtd_inv_desc invalidate desc type wait high 0x2000 low 0x200000025
//! 8@1.000006:vtd_inv_desc_wait_sw wait invalidate status write addr 0x2004 data 0x2\n";
//! let replayed = replay(&Trace::read(log.as_bytes())?, Rules::G4, Options::default(), |_| ());
//! let Verdict::Rejected(rejection) = replayed.verdict else { panic!("slot 1 has no WD") };
//! assert_eq!(rejection.line, 5);
//! assert_eq!(
//!     rejection.reason.to_string(),
//!     "hardware writes desc_status[1], but no WD for slot 1 is fetched and due; due: slot 0"
//! );
//! # Ok::<(), vtd_qi::trace::TraceError>(())
//! ```

use std::fmt::{self, Display, Formatter};

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use serde::Serialize;
use stateright::Model;
use thiserror::Error;

use crate::impl_qi::{
    Action, CleanUp, Desc, Hardware, HwStep, Length, Lock, Pc, Publish, Reclaim, Ring, RingCfg, Rules, Slot, State,
    Status, Step, MAX_DEPTH,
};
use crate::refine::{Mapping, RingToSpec};
use crate::spec::{self, Label, Loss, View};
use crate::trace::{AddressError, Event, Fetched, Trace, What};
use crate::with_ring;

/// Most IDs in one batch: the kernel's `QI_MAX_BATCHED_DESC_COUNT`, since 6.12; before, fewer.
pub const MAX_IDS: u8 = 16;

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
            Qemu::Stock => Hardware::InOrder { depth: 1 },
            Qemu::Async => Hardware::Pipelined { depth: MAX_DEPTH as u8 },
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
}

/// How many steps of the specification a run contains, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpecSteps {
    /// IQT writes.
    pub submit: u64,
    /// Batches of which the first descriptor was fetched.
    pub accept: u64,
    /// IDs executed.
    pub execute: u64,
    /// Status writes.
    pub complete: u64,
    /// Polls that saw DONE.
    pub observe: u64,
}

impl SpecSteps {
    fn with(mut self, label: Label) -> Self {
        let kind = match label {
            Label::Submit(_) => &mut self.submit,
            Label::Accept(_) => &mut self.accept,
            Label::Execute(_) => &mut self.execute,
            Label::Complete(_) => &mut self.complete,
            Label::Observe(_) => &mut self.observe,
            Label::Lose(_) => unreachable!("the specification loses nothing here"),
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
            Desc::Id { .. } => write!(f, "an ID"),
            Desc::Wd { target, .. } | Desc::InvalidWd { target } => {
                write!(f, "a WD that writes desc_status[{target}]")
            }
        }
    }
}

/// Replays a trace against the ring under some rules, and against the specification.
///
/// `progress` is told how many events have been replayed.
pub fn replay(trace: &Trace, rules: Rules, options: Options, mut progress: impl FnMut(usize)) -> Replayed {
    let length = trace.length();
    let mut counts: Vec<u8> = posts(trace).filter_map(|(_, count)| count).collect();
    counts.sort_unstable();
    counts.dedup();
    counts.retain(|&count| count == 1 || !rules.one_id_only());
    if counts.is_empty() {
        counts.push(rules.one_id_only().into());
    }
    let submitters = trace.cpus().len().max(1);
    let (lock, hardware) = (Lock::StrongFair, options.hardware.hardware());
    let cfg = RingCfg { lock, hardware, length, ..RingCfg::new(rules, submitters, counts) };
    let replayed = with_ring!(cfg, |ring| {
        if options.grain == Grain::Sections && has_sections(&rules) {
            let sections = Tracker::new(&ring, trace, options).run(&mut progress);
            sections.unwrap_or_else(|Unsound| by_steps(&ring, trace, options, &mut progress))
        } else {
            by_steps(&ring, trace, options, &mut progress)
        }
    });
    replayed.expect("a trace has no more CPUs than submitters can be, and its counts fit into the ring")
}

fn by_steps<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    trace: &Trace,
    options: Options,
    progress: &mut impl FnMut(usize),
) -> Replayed {
    let options = Options { grain: Grain::Steps, ..options };
    let Ok(replayed) = Tracker::new(ring, trace, options).run(progress) else {
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

/// Who posts, and how many IDs: `None` where that is no possible number.
fn posts(trace: &Trace) -> impl Iterator<Item = (u8, Option<u8>)> + '_ {
    let length = trace.length();
    let most = u16::from(MAX_IDS).min(length.slots() - 2);
    let mut tail = 0;
    trace.events().iter().filter_map(move |event| {
        let What::IqtWrite { slot } = event.what else { return None };
        let before = tail;
        let slots = in_ring(slot, length).map(|slot| {
            tail = slot;
            length.distance(before, slot)
        });
        let count = slots.and_then(|slots| slots.checked_sub(1)).filter(|ids| *ids <= most);
        Some((trace.submitter(event.thread)?, count.map(|ids| ids as u8)))
    })
}

fn in_ring(slot: u64, length: Length) -> Option<Slot> {
    (slot < length.slots().into()).then_some(slot as Slot)
}

/// A premise of [`Grain::Sections`] does not hold.
struct Unsound;

/// Why an event is not taken.
enum Stop {
    Rejected(Reason),
    Unsound,
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
    /// The counts of each submitter's IQT writes to come, the next one last.
    posts: Vec<Vec<Option<u8>>>,
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
}

impl<'a, const N: usize, const T: usize, const F: usize> Tracker<'a, N, T, F> {
    fn new(ring: &'a Ring<N, T, F>, trace: &'a Trace, options: Options) -> Self {
        let mut to_come = vec![Vec::new(); ring.cfg().submitters];
        posts(trace).for_each(|(t, count)| to_come[usize::from(t)].push(count));
        to_come.iter_mut().for_each(|counts| counts.reverse());
        Tracker {
            ring,
            trace,
            options,
            spec: Abstraction::new(ring),
            runs: HashMap::default(),
            most_states: 0,
            posts: to_come,
            register: None,
            head: None,
            writer: None,
            writers: 0,
            unit: None,
            actions: Vec::new(),
        }
    }

    fn run(mut self, progress: &mut impl FnMut(usize)) -> Result<Replayed, Unsound> {
        let initial = self.ring.init_states().into_iter().map(|state| (state, SpecSteps::default())).collect();
        self.close(initial)?;
        for (i, event) in self.trace.events().iter().enumerate() {
            match self.event(event) {
                Ok(()) => {}
                Err(Stop::Unsound) => return Err(Unsound),
                Err(Stop::Rejected(reason)) => return Ok(self.rejected(event.line, &event.text, reason)),
            }
            progress(i + 1);
        }
        let between_lines = self.register.is_none() && self.head.is_none();
        let may_end = |state: &State<N, T, F>| match self.options.end {
            End::Idle => between_lines && self.ring.at_rest(state),
            End::Anywhere => true,
        };
        let accepted = self.runs.iter().filter(|(state, _)| may_end(state)).max_by_key(|(_, steps)| steps.observe);
        Ok(match accepted {
            Some((_, &steps)) => self.replayed(Verdict::Accepted(steps)),
            None => {
                let torn = self.register.map(|(thread, value)| Reason::Torn { value, thread });
                self.rejected(self.trace.lines(), "", torn.unwrap_or(Reason::NotIdle(self.left())))
            }
        })
    }

    fn rejected(&self, line: u64, text: &str, reason: Reason) -> Replayed {
        self.replayed(Verdict::Rejected(Rejection { line, text: text.into(), reason }))
    }

    fn replayed(&self, verdict: Verdict) -> Replayed {
        Replayed { verdict, most_states: self.most_states, grain: self.options.grain }
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
        };
        let touches_statuses = matches!(event.what, What::IqtWrite { .. } | What::StatusWrite { .. });
        if self.options.grain == Grain::Sections && !touches_statuses {
            // Sections commute with fetches: the image of a closed set is closed.
            self.runs = next.into_iter().collect();
            return Ok(());
        }
        self.close(next).map_err(|Unsound| Stop::Unsound)
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
        reason: impl FnOnce(&Self) -> Reason,
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
        let ids = self.posts[usize::from(t)].pop().flatten().ok_or(match slots {
            0 => Reason::NothingPosted(to),
            _ => Reason::TooFar { from, to, slots, length: length.slots() },
        })?;
        self.writer = Some(cpu);
        self.writers = self.writers.max(t + 1);
        let post = |tracker: &mut Self, run| {
            let posted = match tracker.options.grain {
                Grain::Sections => tracker.post(run, t, ids)?,
                Grain::Steps if run.0.call(t.into()).pc == Pc::WriteIqt => tracker.driver(run, t),
                Grain::Steps => None,
            };
            Ok(posted.filter(|(state, _)| state.iqt() == to))
        };
        self.continued(post, |tracker| tracker.no_post(cpu, t, ids, to))
    }

    /// Why nobody can post.
    fn no_post(&self, cpu: u64, t: u8, ids: u8, to: Slot) -> Reason {
        let rules = &self.ring.cfg().rules;
        if let Some(state) =
            self.runs.keys().next().filter(|_| self.runs.keys().all(|s| self.ring.waiting(s, t.into())))
        {
            return Reason::StillWaits { cpu, wd: self.ring.wait_index(&state.call(t.into())) };
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
        let can_fetch = |tracker: &mut Self, run: Run<N, T, F>| {
            Ok(tracker.offers(&run.0, Action::Hardware(HwStep::Fetch)).then_some(run))
        };
        self.continued(can_fetch, |_| Reason::NoFetch { slot, left })
    }

    fn fetch(&mut self, thread: u64, slot: Option<u64>, fetched: Fetched) -> Result<Vec<Run<N, T, F>>, Stop> {
        self.unit_thread(thread)?;
        let slot = slot.filter(|slot| self.head == Some(*slot)).ok_or(Reason::NoHead)?;
        self.head = None;
        let read = match fetched {
            Fetched::Id => Desc::ID,
            Fetched::Wd { writes: false, .. } => return Err(Reason::NoStatusWrite(slot).into()),
            Fetched::Wd { data, .. } if data != Status::Done as u64 => return Err(Reason::Data { data }.into()),
            Fetched::Wd { address, .. } => Desc::wd(self.trace.status_slot(address).map_err(Reason::Address)?),
        };
        let posted = |state: &State<N, T, F>| state.desc(state.iqh());
        let fetch = |tracker: &mut Self, run: Run<N, T, F>| {
            Ok(if posted(&run.0) == read { tracker.hardware(run, HwStep::Fetch) } else { None })
        };
        self.continued(fetch, |tracker| Reason::OtherDescriptor { slot, read, posted: posted(tracker.any()) })
    }

    fn status_write(&mut self, thread: u64, address: u64, data: u64) -> Result<Vec<Run<N, T, F>>, Stop> {
        let slot = self.trace.status_slot(address).map_err(Reason::Address)?;
        let due = self.left().due;
        if due != Some(slot) {
            return Err(Reason::NotDue { slot, due }.into());
        }
        if data != Status::Done as u64 {
            return Err(Reason::Data { data }.into());
        }
        self.unit_thread(thread)?;
        let complete = |tracker: &mut Self, run| Ok(tracker.hardware(run, HwStep::Complete));
        self.continued(complete, |_| Reason::NotDue { slot, due: None })
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
            let executes = |action: &&Action| matches!(action, Action::Hardware(HwStep::Execute { .. }));
            match self.actions.iter().find(executes) {
                Some(&execute) => run = self.step(run, execute)?,
                None => break,
            }
        }
        Some(run)
    }

    /// The whole post of an idle submitter, and its first look.
    fn post(&mut self, run: Run<N, T, F>, t: u8, count: u8) -> Result<Option<Run<N, T, F>>, Stop> {
        let free_head = run.0.queue().free_head;
        if run.0.call(t.into()).pc != Pc::Idle || run.0.lock_holder().is_some() {
            return Ok(None);
        }
        let Some(request) = self.request(count) else { return Ok(None) };
        self.undisturbed(&run.0, free_head, u16::from(count) + 1).map_err(|Unsound| Stop::Unsound)?;
        let posted = self.step(run, Action::Call { t, request }).and_then(|mut run| loop {
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

    /// The call that brings so many IDs, if the driver makes any.
    fn request(&self, count: u8) -> Option<u8> {
        self.ring.requests().iter().position(|request| request.count() == count).map(|position| position as u8)
    }

    /// Steps of `t` until it drops the lock.
    fn section(&mut self, run: Run<N, T, F>, t: u8) -> Option<Run<N, T, F>> {
        let mut run = self.driver(run, t)?;
        while run.0.lock_holder() == Some(t.into()) {
            run = self.driver(run, t)?;
        }
        Some(run)
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
    fn close(&mut self, mut to_do: Vec<Run<N, T, F>>) -> Result<(), Unsound> {
        self.runs.clear();
        while let Some((state, steps)) = to_do.pop() {
            if self.runs.insert(state, steps).is_none() {
                match self.options.grain {
                    Grain::Sections => self.hidden_sections((state, steps), &mut to_do)?,
                    Grain::Steps => self.hidden_steps((state, steps), &mut to_do),
                }
            }
        }
        self.most_states = self.most_states.max(self.runs.len());
        Ok(())
    }

    /// Those who can see DONE do, and clean up.
    fn hidden_sections(&mut self, run: Run<N, T, F>, next: &mut Vec<Run<N, T, F>>) -> Result<(), Unsound> {
        let holder = run.0.lock_holder();
        for t in 0..self.ring.cfg().submitters {
            let call = run.0.call(t);
            let is_next = holder == Some(t) || holder.is_none() && call.pc == Pc::PollAcquire;
            if is_next && self.sees_done(&run.0, t as u8) {
                self.undisturbed(&run.0, call.index, call.slots())?;
                next.extend(self.section(run, t as u8));
            }
        }
        Ok(())
    }

    /// Every step that no line shows; a call with as many IDs as its IQT write to come will bring.
    fn hidden_steps(&mut self, run: Run<N, T, F>, next: &mut Vec<Run<N, T, F>>) {
        let mut actions = std::mem::take(&mut self.actions);
        actions.clear();
        self.ring.actions(&run.0, &mut actions);
        for &action in &actions {
            let hidden = match action {
                Action::Call { t, request } => {
                    let count = self.ring.requests()[usize::from(request)].count();
                    self.posts[usize::from(t)].last() == Some(&Some(count))
                }
                Action::Driver { step, .. } => step != Step::WriteIqt,
                Action::Hardware(step) => matches!(step, HwStep::Execute { .. }),
            };
            if hidden {
                next.extend(self.step(run, action));
            }
        }
        self.actions = actions;
    }
}

/// The specification, expanded where a run leads.
struct Abstraction<'a, const N: usize, const T: usize, const F: usize> {
    mapping: RingToSpec<'a, N, T, F>,
    successors: HashMap<View, Vec<(Label, View)>, FxBuildHasher>,
    /// The last step that the specification could not follow.
    refused: Option<Reason>,
}

impl<'a, const N: usize, const T: usize, const F: usize> Abstraction<'a, N, T, F> {
    fn new(ring: &'a Ring<N, T, F>) -> Self {
        let mapping = RingToSpec::new(ring, Loss::None).expect("what makes a ring makes a specification");
        Abstraction { mapping, successors: HashMap::default(), refused: None }
    }

    /// The steps that the specification has taken after a step of the ring; `None` if it cannot follow.
    fn follow(&mut self, from: &State<N, T, F>, to: &State<N, T, F>, steps: SpecSteps) -> Option<SpecSteps> {
        let (before, after) = (self.mapping.view(from), self.mapping.view(to));
        if before == after {
            return Some(steps);
        }
        let spec = self.mapping.spec();
        let successors = self.successors.entry(before).or_insert_with(|| {
            let state = spec.state_of(&before);
            let next = spec.next_steps(&state).into_iter();
            next.map(|(action, next)| (spec::label(&action), spec::view(&next))).collect()
        });
        let taken = successors.iter().find(|(_, view)| *view == after);
        if taken.is_none() {
            self.refused = Some(Reason::Specification { from: before.to_string(), to: after.to_string() });
        }
        taken.map(|(label, _)| steps.with(*label))
    }
}
