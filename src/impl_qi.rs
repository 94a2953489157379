//! The concrete descriptor ring: driver, hardware, lock and ghosts, written once and run everywhere from the same code.
//!
//! | part | file | what it is |
//! | --- | --- | --- |
//! | words | `ring.rs` | slots, statuses, descriptors, private fields |
//! | rules | `rules.rs` | MARK, RECLAIM and the rest of a generation, as data |
//! | driver | `driver.rs` | `qi_submit_sync` and `reclaim_free_desc` as a step machine over a [`Bus`] |
//! | faults | `faults.rs`, `fsts.rs` | what may be injected, and the fault status register |
//! | requests | `request.rs` | what a caller brings |
//! | assumptions | `assumptions.rs` | what every verdict about faults rests on, by number |
//! | hardware | `hardware.rs` | fetch, execute, complete and fail, as a step machine over a [`Unit`] |
//! | ghosts | `ghost.rs` | ghost variables, which only properties and mappings read |
//! | state | `state.rs` | all of it in a few bytes, and its canonical form |
//! | fairness | `fairness.rs` | what is assumed of lock, driver and hardware |
//! | safety | `safety.rs` | the named safety properties and reachability witnesses |
//!
//! [`RingCfg`] says what is modelled. Once it is accepted, as a [`ValidRing`], [`with_ring!`](crate::with_ring) gives the
//! [`stateright::Model`] of the smallest capacity that holds it. The fault check of the poll loop is modelled where faults may
//! occur; elsewhere its register reads change nothing and are left out, unless [`FaultCheck::Always`] asks for them.
//!
//! ```
//! use vtd_qi::temporal::graph::Search;
//! use vtd_qi::impl_qi::{Length, RingCfg, Rules};
//! use vtd_qi::with_ring;
//!
//! let cfg = RingCfg { length: Length::new(4)?, ..RingCfg::new(Rules::G4, 2, [0]) };
//! let states = with_ring!(cfg.validate()?, |ring| Search::new(&ring, |action| action.label()).run().len());
//! assert!(states > 100);
//! # Ok::<(), vtd_qi::impl_qi::RingError>(())
//! ```

mod assumptions;
mod driver;
mod fairness;
mod faults;
mod fsts;
mod ghost;
mod hardware;
mod request;
mod ring;
mod rules;
mod safety;
mod state;

use std::fmt;
use std::ops::Deref;

use crate::words;
use serde::{Deserialize, Serialize};
use stateright::{Model, Property};

pub use assumptions::{ASSUMPTIONS, Assumption, assumption};
pub use driver::{Acquire, Bus, Call, FaultPass, Outcome, Pc, Step};
pub use fairness::SlotFairness;
pub use faults::{AfterIte, FaultClass, Faults, Itesid, MAX_DEVICES, Quirk};
pub use fsts::Fsts;
pub use ghost::{Ghost, Owner};
pub use hardware::{Hardware, HwStep, MAX_DEPTH, Order, Unit};
pub use request::Request;
pub use ring::{Desc, IdKind, Length, MAX_IDS, Queue, RingError, Slot, Status, WdData};
pub use rules::{
    CleanUp, GENERATIONS, Generation, IdStatus, IqeAt, IqePatch, IqeReturn, IteClear, IteWalk, Layout, Mark, PollUntil,
    Presence, Publish, Reclaim, Room, RoomWait, Rules, Straddler, TimeOut,
};
pub use safety::{Safety, Witness};
use state::{CheckReads, Memory, Rotation};
pub use state::{State, WideState};

/// Most submitters that are modelled.
pub const MAX_SUBMITTERS: usize = 8;

words! {
    /// `q_lock`.
    pub enum Lock as "lock" {
        /// No queue in the state; taking the lock is strongly fair. Its runs include all FIFO runs, so what holds here holds there.
        StrongFair = "strong-fair",
        /// A queue of waiters in the state, as x86's queued spinlock has; taking the lock is weakly fair.
        Fifo = "fifo",
    }
}

words! {
    /// Which slots a post may hand out.
    pub enum Handout as "handout" {
        /// Whatever `free_head` and `free_cnt` say.
        AsDriver = "as-driver",
        /// A post is disabled while it would hand out a slot of a batch whose owner still waits. No driver can know this: it is
        /// the condition under which the 2024 bug is the loss of a message and nothing worse.
        NotWhileOwnerWaits = "not-while-owner-waits",
    }
}

words! {
    /// Where the fault check of the poll loop is modelled.
    pub enum FaultCheck as "fault-check" {
        /// Where faults may occur: elsewhere its reads change nothing.
        WhereFaultsOccur = "where-faults-occur",
        /// Always: each of its accesses is a step, as in the kernel's C.
        Always = "always",
    }
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
    /// Which faults may occur.
    pub faults: Faults,
    /// Where the fault check is modelled.
    pub fault_check: FaultCheck,
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
            hardware: Hardware::in_order(2),
            submitters,
            counts,
            length,
            handout: Handout::AsDriver,
            faults: Faults::none(),
            fault_check: FaultCheck::WhereFaultsOccur,
        }
    }

    /// Whether the fault check's accesses are steps.
    pub fn checks_faults(&self) -> bool {
        !self.faults.is_none() || self.fault_check == FaultCheck::Always
    }

    /// Accepts the configuration, with its counts in order and each once.
    ///
    /// ```
    /// use vtd_qi::impl_qi::{RingCfg, RingError, Rules};
    /// let accepted = RingCfg::new(Rules::G4, 2, [1, 0, 1]).validate()?;
    /// assert_eq!((&accepted.counts[..], accepted.requests().len()), (&[0, 1][..], 2));
    /// assert_eq!(RingCfg::new(Rules::G4, 9, [0]).validate(), Err(RingError::Submitters(9)));
    /// # Ok::<(), RingError>(())
    /// ```
    ///
    /// # Errors
    /// Any [`RingError`].
    pub fn validate(self) -> Result<ValidRing, RingError> {
        let cfg = self.validate_but_requests()?;
        let requests = request::requests(&cfg.counts, &cfg.faults)?;
        Ok(ValidRing { cfg, requests })
    }

    /// Accepts the configuration with no other calls than the given ones; the counts are theirs, whatever the configuration
    /// says.
    ///
    /// # Errors
    /// Any [`RingError`].
    pub fn with_requests(mut self, requests: impl Into<Vec<Request>>) -> Result<ValidRing, RingError> {
        let requests = requests.into();
        self.counts = requests.iter().map(|request| request.count()).collect();
        let cfg = self.validate_but_requests()?;
        request::validate_requests(&requests, &cfg)?;
        Ok(ValidRing { cfg, requests })
    }

    fn validate_but_requests(mut self) -> Result<Self, RingError> {
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
        if self.rules.one_id_only()
            && let Some(&count) = self.counts.iter().find(|&&count| count != 1)
        {
            return Err(RingError::OneIdOnly(count));
        }
        self.faults.validate()?;
        if self.checks_faults() && largest > MAX_IDS {
            return Err(RingError::CountWithFaults(largest));
        }
        Ok(self)
    }
}

/// A [`RingCfg`] that was accepted, and every call that can be made in it.
///
/// Only [`RingCfg::validate`] and [`RingCfg::with_requests`] make one, and it cannot change, so its holder can build the ring. It
/// dereferences to the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValidRing {
    cfg: RingCfg,
    requests: Vec<Request>,
}

impl ValidRing {
    /// The calls that can be made: for each count all choices of what its IDs ask for, unless they were given one by one.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }
}

impl Deref for ValidRing {
    type Target = RingCfg;

    fn deref(&self) -> &RingCfg {
        &self.cfg
    }
}

/// The ring as a [`stateright::Model`], for at most `N` slots and `T` submitters; `F` is 1 where the fault check is modelled
/// and 0 where not.
#[derive(Clone, Debug)]
pub struct Ring<const N: usize, const T: usize, const F: usize = 0> {
    accepted: ValidRing,
    rotation: Rotation,
}

/// A ring of the largest capacity: each [`ValidRing`] fits.
pub type WideRing<const F: usize> = Ring<256, 8, F>;

/// Evaluates an expression with the [`Ring`] of the smallest capacity that holds a [`ValidRing`].
#[macro_export]
macro_rules! with_ring {
    ($accepted:expr, |$ring:ident| $body:expr) => {{
        let accepted: $crate::impl_qi::ValidRing = $accepted;
        let slots = accepted.length.slots();
        let is_small = slots <= 8 && accepted.submitters <= 3;
        match accepted.checks_faults() {
            true if is_small => $crate::with_ring!(@ 8, 3, 1, accepted, $ring, $body),
            true => $crate::with_ring!(@ 256, 8, 1, accepted, $ring, $body),
            false if is_small => $crate::with_ring!(@ 8, 3, 0, accepted, $ring, $body),
            false if slots <= 16 => $crate::with_ring!(@ 16, 8, 0, accepted, $ring, $body),
            false => $crate::with_ring!(@ 256, 8, 0, accepted, $ring, $body),
        }
    }};
    (@ $slots:literal, $submitters:literal, $faults:literal, $accepted:ident, $ring:ident, $body:expr) => {{
        let $ring = $crate::impl_qi::Ring::<$slots, $submitters, $faults>::of($accepted);
        $body
    }};
}

/// Evaluates an expression with the [`WideRing`] of a [`ValidRing`]. Code that need not be fast is then compiled twice, and not
/// once for each capacity.
#[macro_export]
macro_rules! with_wide_ring {
    ($accepted:expr, |$ring:ident| $body:expr) => {{
        let accepted: $crate::impl_qi::ValidRing = $accepted;
        match accepted.checks_faults() {
            true => $crate::with_ring!(@ 256, 8, 1, accepted, $ring, $body),
            false => $crate::with_ring!(@ 256, 8, 0, accepted, $ring, $body),
        }
    }};
}

/// A transition of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Submitter `t` enters `qi_submit_sync`.
    Call {
        /// The submitter, from 0.
        t: u8,
        /// What it brings: the position in [`Ring::requests`].
        request: u8,
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
    /// The hardware finds an invalid descriptor at IQH.
    Iqe,
    /// An ID for a device that is gone times out.
    TimeOut,
    /// Injected: a device that is present does not answer.
    LoseAnswer,
    /// Injected: a completion error.
    Ice,
    /// Injected: a device goes.
    Remove,
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
            Action::Hardware(HwStep::Iqe) => Label::Iqe,
            Action::Hardware(HwStep::TimeOut { .. }) => Label::TimeOut,
            Action::Hardware(HwStep::LoseAnswer { .. }) => Label::LoseAnswer,
            Action::Hardware(HwStep::Ice) => Label::Ice,
            Action::Hardware(HwStep::Remove { .. }) => Label::Remove,
        }
    }
}

impl Label {
    /// The labels of the hardware's steps.
    pub const HARDWARE: [Label; 8] = [
        Label::Fetch,
        Label::Execute,
        Label::Complete,
        Label::Iqe,
        Label::TimeOut,
        Label::LoseAnswer,
        Label::Ice,
        Label::Remove,
    ];

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
        [Label::Call(0)].into_iter().chain(Label::HARDWARE).chain(driver).map(Label::step_name)
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

impl<const N: usize, const T: usize, const F: usize> Ring<N, T, F> {
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

    /// The model of a configuration in which only given calls can be made; the counts are theirs, whatever the configuration
    /// says.
    ///
    /// ```
    /// use vtd_qi::impl_qi::{FaultClass, Faults, IdKind, Request, Ring, RingCfg, RingError, Rules};
    /// let faults = Faults::of([FaultClass::LostAnswer], Faults::UNBOUNDED);
    /// let cfg = RingCfg { faults, ..RingCfg::new(Rules::G5, 2, [2]) };
    /// let flush = Request::of(&[IdKind::Unit, IdKind::Device(1)]);
    /// let ring = Ring::<8, 3, 1>::with_requests(cfg.clone(), [Request::plain(0), flush])?;
    /// assert_eq!((ring.requests().len(), &ring.cfg().counts[..]), (2, &[0, 2][..]));
    /// let unknown = Ring::<8, 3, 1>::with_requests(cfg, [Request::of(&[IdKind::Device(2)])]);
    /// assert_eq!(unknown.unwrap_err(), RingError::UnknownKind(IdKind::Device(2)));
    /// # Ok::<(), RingError>(())
    /// ```
    ///
    /// # Errors
    /// Any [`RingError`].
    ///
    /// # Panics
    /// If the configuration has more than `N` slots or `T` submitters.
    pub fn with_requests(cfg: RingCfg, requests: impl Into<Vec<Request>>) -> Result<Self, RingError> {
        cfg.with_requests(requests).map(Self::of)
    }

    /// The model of an accepted configuration; [`with_ring!`](crate::with_ring) chooses the capacity.
    ///
    /// # Panics
    /// If the configuration has more than `N` slots or `T` submitters, or if `F` does not say whether the fault check is modelled.
    pub fn of(accepted: ValidRing) -> Self {
        let cfg = &accepted.cfg;
        assert!(usize::from(cfg.length.slots()) <= N && cfg.submitters <= T, "capacity {N} slots, {T} submitters");
        assert_eq!(cfg.checks_faults(), F > 0, "room for faults");
        let (rules, faults) = (&cfg.rules, &cfg.faults);
        let invalid = faults.includes(FaultClass::InvalidId) || faults.includes(FaultClass::InvalidWd);
        let reads = CheckReads {
            own_wd: invalid && rules.iqe_patch == IqePatch::CopyWd,
            before_iqh: faults.time_out() && rules.straddler == Straddler::WriteAbort,
        };
        let rotation = Rotation {
            step: rules.rotation(faults.time_out()),
            // Altered hardware may read what no other reads.
            clear: (rules.keeps_hardware_behind_posts() && faults.quirk.is_none()).then_some(reads),
        };
        Ring { accepted, rotation }
    }

    /// The same ring with room for the most slots and submitters; its states are [`State::widened`].
    pub fn widened(&self) -> WideRing<F> {
        WideRing { accepted: self.accepted.clone(), rotation: self.rotation }
    }

    /// The same ring under another lock. No configuration is refused for its lock.
    pub fn with_lock(&self, lock: Lock) -> Self {
        let ValidRing { cfg, requests } = self.accepted.clone();
        Self::of(ValidRing { cfg: RingCfg { lock, ..cfg }, requests })
    }

    /// The calls that can be made.
    pub fn requests(&self) -> &[Request] {
        self.accepted.requests()
    }

    /// What submitter `t`'s present call asks for.
    pub fn request(&self, call: &Call) -> Request {
        match F {
            0 => Request::plain(call.count),
            _ => self.accepted.requests()[usize::from(call.request)],
        }
    }

    /// The configuration.
    pub fn cfg(&self) -> &ValidRing {
        &self.accepted
    }

    /// Number of slots.
    pub fn length(&self) -> Length {
        self.accepted.length
    }

    /// The representative of a state under rotation of the ring; for [`stateright_temporal::graph::Search::canonical`].
    ///
    /// Rotation goes by single slots, but by two where an ITE may be handled by the odd walk.
    pub fn canonical(&self, state: &State<N, T, F>) -> State<N, T, F> {
        state.canonical(self.accepted.length, self.accepted.submitters, &self.accepted.rules, self.rotation)
    }

    /// One submitter's `wait_index`.
    pub fn wait_index(&self, call: &Call) -> Slot {
        call.wait_index(&self.accepted.rules, self.accepted.length)
    }

    /// Whether submitter `t` has written IQT and not yet observed the completion.
    pub fn waiting(&self, state: &State<N, T, F>, t: usize) -> bool {
        state.call(t).waiting(&self.accepted.rules)
    }

    /// Whether no call is pending and the hardware has nothing to do.
    pub fn at_rest(&self, state: &State<N, T, F>) -> bool {
        state.iqh() == state.iqt() && state.pending().next().is_none() && !self.has_calls(state)
    }

    /// Whether some call is not over.
    pub fn has_calls(&self, state: &State<N, T, F>) -> bool {
        (0..self.accepted.submitters).any(|t| state.call(t).pc != Pc::Idle)
    }

    /// Whether submitter `t` waits for free slots and there are enough.
    pub fn waits_with_room(&self, state: &State<N, T, F>, t: usize) -> bool {
        let call = state.call(t);
        call.wants_room() && state.queue().free_cnt >= self.accepted.rules.slots_needed(call.count)
    }

    /// The name of submitter `t`'s next step, if it can be done now.
    fn next_step(&self, state: &State<N, T, F>, t: usize) -> Option<Step> {
        let call = state.call(t);
        let step = call.pc.step(&self.accepted.rules)?;
        if step != Step::Acquire {
            return Some(step);
        }
        match state.lock_for(t, self.accepted.lock) {
            Acquire::Busy => None,
            Acquire::Queued => Some(Step::Enqueue),
            Acquire::Taken if self.withheld(state, t, &call) => None,
            Acquire::Taken => Some(Step::Acquire),
        }
    }

    /// Whether [`Handout::NotWhileOwnerWaits`] disables the post that taking the lock now would begin.
    fn withheld(&self, state: &State<N, T, F>, t: usize, call: &Call) -> bool {
        let ring = self.accepted.length;
        self.accepted.handout == Handout::NotWhileOwnerWaits
            && call.pc == Pc::Acquire
            && (0..self.accepted.submitters).any(|other| {
                let theirs = state.call(other);
                let head = state.queue().free_head;
                other != t
                    && theirs.waiting(&self.accepted.rules)
                    && self.waits_with_room(state, t)
                    && (ring.distance(head, theirs.index) < call.slots()
                        || ring.distance(theirs.index, head) < theirs.slots())
            })
    }

    fn memory<'a>(&'a self, state: &'a mut State<N, T, F>, cpu: usize) -> Memory<'a, N, T, F> {
        Memory {
            state,
            ring: self.accepted.length,
            lock: self.accepted.lock,
            requests: self.accepted.requests(),
            quirk: self.accepted.faults.quirk,
            cpu,
        }
    }
}

impl<const N: usize, const T: usize, const F: usize> Ring<N, T, F> {
    /// Appends the steps that the hardware can do.
    pub fn hardware_actions(&self, state: &State<N, T, F>, actions: &mut Vec<Action>) {
        let mut state = *state;
        let unit = self.memory(&mut state, 0);
        self.accepted.hardware.steps(&self.accepted.faults, &unit, |step| actions.push(Action::Hardware(step)));
    }

    /// The state without what the hardware holds at a position, oldest first; it does not act any more.
    pub fn without_pending(&self, state: &State<N, T, F>, position: usize) -> State<N, T, F> {
        let mut next = *state;
        Unit::discard(&mut self.memory(&mut next, 0), position);
        next
    }

    /// The state as it were if the ID that was posted in a slot were one that the unit refuses, and the call that brought it had
    /// asked for that; `None` if no present call has posted an ID there or no call that can be made asks for that.
    pub fn had_invalid(&self, state: &State<N, T, F>, slot: Slot) -> Option<State<N, T, F>> {
        let (Desc::Id { number, .. }, Owner::Submitter(t)) = (state.desc(slot), state.ghost().posted_by(slot)) else {
            return None;
        };
        let call = state.call(t.into());
        let mut kinds: Vec<IdKind> = self.request(&call).kinds().collect();
        *kinds.get_mut(usize::from(number))? = IdKind::Invalid;
        let asked = Request::of(&kinds);
        let request = self.requests().iter().position(|request| *request == asked)?;
        let mut next = *state;
        next.set_call(t.into(), Call { request: request as u8, ..call });
        Bus::patch_desc(&mut self.memory(&mut next, t.into()), slot, Desc::Id { number, kind: IdKind::Invalid });
        Some(next)
    }
}

impl<const N: usize, const T: usize, const F: usize> Model for Ring<N, T, F> {
    type State = State<N, T, F>;
    type Action = Action;

    fn init_states(&self) -> Vec<Self::State> {
        vec![State::initial(self.accepted.length)]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        for t in 0..self.accepted.submitters {
            if state.call(t).pc == Pc::Idle {
                let left = self.accepted.faults.bound - state.injected();
                let possible =
                    self.accepted.requests().iter().enumerate().filter(|(_, request)| request.faults() <= left);
                actions.extend(possible.map(|(i, _)| Action::Call { t: t as u8, request: i as u8 }));
            } else if let Some(step) = self.next_step(state, t) {
                actions.push(Action::Driver { t: t as u8, step });
            }
        }
        self.hardware_actions(state, actions);
    }

    fn next_state(&self, state: &Self::State, action: Self::Action) -> Option<Self::State> {
        let mut next = *state;
        match action {
            Action::Call { t, request } => {
                let asked = self.accepted.requests()[usize::from(request)];
                next.set_call(t.into(), Call::begin_request(request, asked.count()));
                if self.accepted.faults.is_counted() {
                    next.inject(asked.faults());
                }
            }
            Action::Driver { t, step } => {
                let mut call = state.call(t.into());
                let done = call.step(&self.accepted.rules, &mut self.memory(&mut next, t.into()))?;
                debug_assert_eq!(done, step);
                next.set_call(t.into(), call);
            }
            Action::Hardware(step) => {
                self.accepted.hardware.step(&self.accepted.faults, &mut self.memory(&mut next, 0), step);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        safety::properties()
    }

    fn format_action(&self, action: &Self::Action) -> String {
        match action {
            Action::Call { t, request } => {
                format!("T{} Call({})", t + 1, self.accepted.requests()[usize::from(*request)].text())
            }
            Action::Hardware(HwStep::Execute { position }) => format!("Execute({position})"),
            Action::Hardware(HwStep::TimeOut { position, kept: 0 }) => format!("TimeOut({position})"),
            Action::Hardware(HwStep::TimeOut { position, kept }) => format!("TimeOut({position}, keeping {kept:#b})"),
            Action::Hardware(HwStep::LoseAnswer { position, kept: 0 }) => format!("LoseAnswer({position})"),
            Action::Hardware(HwStep::LoseAnswer { position, kept }) => {
                format!("LoseAnswer({position}, keeping {kept:#b})")
            }
            Action::Hardware(HwStep::Remove { device }) => format!("Remove({device})"),
            other => other.label().to_string(),
        }
    }
}
