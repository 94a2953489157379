//! The concrete descriptor ring: driver, hardware, lock and ghosts, written once and run everywhere from the same code.
//!
//! | part | file | what it is |
//! | --- | --- | --- |
//! | words | `ring.rs` | slots, statuses, descriptors, private fields |
//! | rules | `rules.rs` | MARK, RECLAIM and the rest of a generation, as data |
//! | driver | `driver.rs` | `qi_submit_sync` and `reclaim_free_desc` as a step machine over a [`Bus`] |
//! | hardware | `hardware.rs` | fetch, execute, complete, as a step machine over a [`Unit`] |
//! | ghosts | `ghost.rs` | what only properties and mappings may read |
//! | state | `state.rs` | all of it in a few bytes, and its canonical form |
//! | fairness | `fairness.rs` | what is assumed of lock, driver and hardware |
//! | safety | `safety.rs` | the named safety properties and reachability witnesses |
//!
//! [`RingCfg`] says what is modelled; [`with_ring!`](crate::with_ring) gives the [`stateright::Model`] of the smallest capacity
//! that holds it. The fault check of the poll loop is not modelled: its register reads change nothing where no fault occurs.
//!
//! ```
//! use vtd_qi::graph::Search;
//! use vtd_qi::impl_qi::{Length, RingCfg, Rules};
//! use vtd_qi::with_ring;
//!
//! let cfg = RingCfg { length: Length::new(4)?, ..RingCfg::new(Rules::G4, 2, [0]) };
//! let states = with_ring!(cfg, |ring| Search::new(&ring, |action| action.label()).run().len())?;
//! assert!(states > 100);
//! # Ok::<(), vtd_qi::impl_qi::RingError>(())
//! ```

mod driver;
mod fairness;
mod ghost;
mod hardware;
mod ring;
mod rules;
mod safety;
mod state;

use std::fmt;

use serde::{Deserialize, Serialize};
use stateright::{Model, Property};

pub use driver::{Acquire, Bus, Call, Pc, Step};
pub use fairness::Slots;
pub use ghost::{Ghost, Owner};
pub use hardware::{Hardware, HwStep, Unit, MAX_DEPTH};
pub use ring::{Desc, Length, Queue, RingError, Slot, Status};
pub use rules::{
    CleanUp, Generation, IdStatus, Layout, Mark, PollUntil, Publish, Reclaim, Room, RoomWait, Rules, GENERATIONS,
};
pub use safety::{SAFETY, WITNESSES};
use state::Memory;
pub use state::State;

/// Most submitters that are modelled.
pub const MAX_SUBMITTERS: usize = 8;

/// `q_lock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lock {
    /// No queue in the state; taking the lock is strongly fair. Its runs include all FIFO runs, so what holds here holds there.
    StrongFair,
    /// A queue of waiters in the state, as x86's queued spinlock has; taking the lock is weakly fair.
    Fifo,
}

/// Which slots a post may hand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handout {
    /// Whatever `free_head` and `free_cnt` say.
    AsDriver,
    /// A post is disabled while it would hand out a slot of a batch whose owner still waits. No driver can know this: it is
    /// the condition under which the 2024 bug is the loss of a message and nothing worse.
    NotWhileOwnerWaits,
}

/// What is modelled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RingCfg {
    /// The driver.
    pub rules: Rules,
    /// The lock.
    pub lock: Lock,
    /// The remapping unit.
    pub hardware: Hardware,
    /// Number of submitters, 1 to [`MAX_SUBMITTERS`].
    pub submitters: usize,
    /// Numbers of IDs that a call may bring.
    pub counts: Vec<u8>,
    /// `QI_LENGTH`.
    pub length: Length,
    /// Which slots a post may hand out.
    pub handout: Handout,
}

impl RingCfg {
    /// A configuration on the smallest even ring that serves the largest count, with a strongly fair lock and hardware that
    /// works in order, two descriptors deep.
    pub fn new(rules: Rules, submitters: usize, counts: impl Into<Vec<u8>>) -> Self {
        let counts = counts.into();
        let needed = u16::from(counts.iter().copied().max().unwrap_or(0)) + 2;
        let length = Length::new(needed.next_multiple_of(2).max(4)).unwrap_or(Length::KERNEL);
        RingCfg {
            rules,
            lock: Lock::StrongFair,
            hardware: Hardware::InOrder { depth: 2 },
            submitters,
            counts,
            length,
            handout: Handout::AsDriver,
        }
    }

    /// Checks the configuration and brings the counts in order.
    ///
    /// # Errors
    /// Any [`RingError`].
    pub fn validate(mut self) -> Result<Self, RingError> {
        if !(1..=MAX_SUBMITTERS).contains(&self.submitters) {
            return Err(RingError::Submitters(self.submitters));
        }
        self.hardware.validate()?;
        self.counts.sort_unstable();
        self.counts.dedup();
        let largest = *self.counts.last().ok_or(RingError::NoCounts)?;
        let needed = u16::from(largest) + 2;
        if needed > self.length.slots() {
            return Err(RingError::CountTooLarge { count: largest.into(), needed, slots: self.length.slots() });
        }
        Ok(self)
    }
}

/// The ring as a [`stateright::Model`], for at most `N` slots and `T` submitters.
#[derive(Clone, Debug)]
pub struct Ring<const N: usize, const T: usize> {
    cfg: RingCfg,
}

/// Evaluates an expression with the [`Ring`] of the smallest capacity that holds a [`RingCfg`].
///
/// # Errors
/// The result is `Err(RingError)` if the configuration is not valid.
#[macro_export]
macro_rules! with_ring {
    ($cfg:expr, |$ring:ident| $body:expr) => {
        match $crate::impl_qi::RingCfg::validate($cfg) {
            Err(error) => Err(error),
            Ok(cfg) if cfg.length.slots() <= 8 && cfg.submitters <= 3 => {
                let $ring = $crate::impl_qi::Ring::<8, 3>::of(cfg);
                Ok($body)
            }
            Ok(cfg) if cfg.length.slots() <= 16 => {
                let $ring = $crate::impl_qi::Ring::<16, 8>::of(cfg);
                Ok($body)
            }
            Ok(cfg) => {
                let $ring = $crate::impl_qi::Ring::<256, 8>::of(cfg);
                Ok($body)
            }
        }
    };
}

/// A transition of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Submitter `t` enters `qi_submit_sync` with `count` IDs.
    Call {
        /// The submitter, from 0.
        t: u8,
        /// Number of IDs.
        count: u8,
    },
    /// Submitter `t` does its next step.
    Driver {
        /// The submitter, from 0.
        t: u8,
        /// What the step is.
        step: Step,
    },
    /// The hardware does a step.
    Hardware(HwStep),
}

/// What fairness and the TLA+ twin call a transition: the name of the action and who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// Submitter `t` calls.
    Call(u8),
    /// A driver's step of submitter `t`.
    Driver(Step, u8),
    /// The hardware fetches.
    Fetch,
    /// The hardware executes an ID.
    Execute,
    /// The hardware completes a WD.
    Complete,
}

impl Action {
    /// The action's label.
    pub fn label(&self) -> Label {
        match *self {
            Action::Call { t, .. } => Label::Call(t),
            Action::Driver { t, step } => Label::Driver(step, t),
            Action::Hardware(HwStep::Fetch) => Label::Fetch,
            Action::Hardware(HwStep::Execute { .. }) => Label::Execute,
            Action::Hardware(HwStep::Complete) => Label::Complete,
        }
    }
}

impl Label {
    /// The name of the step, whoever does it.
    pub fn step_name(self) -> String {
        match self {
            Label::Call(_) => "Call".to_string(),
            Label::Driver(step, _) => format!("{step:?}"),
            hardware => format!("{hardware:?}"),
        }
    }

    /// The names of all steps.
    pub fn step_names() -> impl Iterator<Item = String> {
        let driver = Step::ALL.into_iter().map(|step| Label::Driver(step, 0));
        [Label::Call(0), Label::Fetch, Label::Execute, Label::Complete].into_iter().chain(driver).map(Label::step_name)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Call(t) => write!(f, "T{} Call", t + 1),
            Label::Driver(step, t) => write!(f, "T{} {step:?}", t + 1),
            hardware => write!(f, "{hardware:?}"),
        }
    }
}

impl<const N: usize, const T: usize> Ring<N, T> {
    /// The model of a configuration.
    ///
    /// # Errors
    /// Any [`RingError`].
    ///
    /// # Panics
    /// If the configuration has more than `N` slots or `T` submitters.
    pub fn new(cfg: RingCfg) -> Result<Self, RingError> {
        cfg.validate().map(Self::of)
    }

    /// The model of a configuration that has been validated; [`with_ring!`](crate::with_ring) is the way in.
    #[doc(hidden)]
    pub fn of(cfg: RingCfg) -> Self {
        assert!(usize::from(cfg.length.slots()) <= N && cfg.submitters <= T, "capacity {N} slots, {T} submitters");
        Ring { cfg }
    }

    /// The configuration.
    pub fn cfg(&self) -> &RingCfg {
        &self.cfg
    }

    /// Number of slots.
    pub fn length(&self) -> Length {
        self.cfg.length
    }

    /// The representative of a state under rotation of the ring; for [`crate::graph::Search::canonical`].
    ///
    /// No rule of the modelled generations tells odd slots from even ones, so rotation goes by single slots.
    pub fn canonical(&self, state: &State<N, T>) -> State<N, T> {
        state.canonical(self.cfg.length, self.cfg.submitters, 1, self.cfg.rules.keeps_hardware_behind_posts())
    }

    /// One submitter's `wait_index`.
    pub fn wait_index(&self, call: &Call) -> Slot {
        call.wait_index(&self.cfg.rules, self.cfg.length)
    }

    /// Whether submitter `t` has written IQT and not yet observed the completion.
    pub fn waiting(&self, state: &State<N, T>, t: usize) -> bool {
        state.call(t).waiting(&self.cfg.rules)
    }

    /// Whether no call is pending and the hardware has nothing to do.
    pub fn at_rest(&self, state: &State<N, T>) -> bool {
        state.iqh() == state.iqt() && state.pending().next().is_none() && !self.has_calls(state)
    }

    /// Whether some call is not over.
    pub fn has_calls(&self, state: &State<N, T>) -> bool {
        (0..self.cfg.submitters).any(|t| state.call(t).pc != Pc::Idle)
    }

    /// Whether submitter `t` waits for free slots and there are enough.
    pub fn waits_with_room(&self, state: &State<N, T>, t: usize) -> bool {
        let call = state.call(t);
        call.wants_room() && state.queue().free_cnt >= self.cfg.rules.slots_needed(call.count)
    }

    /// The name of submitter `t`'s next step, if it can be done now.
    fn next_step(&self, state: &State<N, T>, t: usize) -> Option<Step> {
        let call = state.call(t);
        let step = call.pc.step(&self.cfg.rules)?;
        if step != Step::Acquire {
            return Some(step);
        }
        match state.lock_for(t, self.cfg.lock) {
            Acquire::Busy => None,
            Acquire::Queued => Some(Step::Enqueue),
            Acquire::Taken if self.withheld(state, t, &call) => None,
            Acquire::Taken => Some(Step::Acquire),
        }
    }

    /// Whether [`Handout::NotWhileOwnerWaits`] disables the post that taking the lock now would begin.
    fn withheld(&self, state: &State<N, T>, t: usize, call: &Call) -> bool {
        let ring = self.cfg.length;
        self.cfg.handout == Handout::NotWhileOwnerWaits
            && call.pc == Pc::Acquire
            && (0..self.cfg.submitters).any(|other| {
                let theirs = state.call(other);
                let head = state.queue().free_head;
                other != t
                    && theirs.waiting(&self.cfg.rules)
                    && self.waits_with_room(state, t)
                    && (ring.distance(head, theirs.index) < call.slots()
                        || ring.distance(theirs.index, head) < theirs.slots())
            })
    }

    fn memory<'a>(&self, state: &'a mut State<N, T>, cpu: usize) -> Memory<'a, N, T> {
        Memory { state, ring: self.cfg.length, lock: self.cfg.lock, cpu }
    }
}

impl<const N: usize, const T: usize> Model for Ring<N, T> {
    type State = State<N, T>;
    type Action = Action;

    fn init_states(&self) -> Vec<Self::State> {
        vec![State::initial(self.cfg.length)]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        for t in 0..self.cfg.submitters {
            if state.call(t).pc == Pc::Idle {
                actions.extend(self.cfg.counts.iter().map(|&count| Action::Call { t: t as u8, count }));
            } else if let Some(step) = self.next_step(state, t) {
                actions.push(Action::Driver { t: t as u8, step });
            }
        }
        let mut state = *state;
        let unit = self.memory(&mut state, 0);
        self.cfg.hardware.steps(&unit, |step| actions.push(Action::Hardware(step)));
    }

    fn next_state(&self, state: &Self::State, action: Self::Action) -> Option<Self::State> {
        let mut next = *state;
        match action {
            Action::Call { t, count } => next.set_call(t.into(), Call::begin(count)),
            Action::Driver { t, step } => {
                let mut call = state.call(t.into());
                let done = call.step(&self.cfg.rules, &mut self.memory(&mut next, t.into()))?;
                debug_assert_eq!(done, step);
                next.set_call(t.into(), call);
            }
            Action::Hardware(step) => self.cfg.hardware.step(&mut self.memory(&mut next, 0), step),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        safety::properties()
    }

    fn format_action(&self, action: &Self::Action) -> String {
        match action {
            Action::Call { t, count } => format!("T{} Call({count})", t + 1),
            Action::Hardware(HwStep::Execute { position }) => format!("Execute({position})"),
            other => other.label().to_string(),
        }
    }
}
