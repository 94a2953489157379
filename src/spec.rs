//! The specification: what callers of `qi_submit_sync` rely on, as a [`stateright::actor::ActorModel`].
//!
//! The hardware and up to eight submitters are actors that exchange messages over an unordered network that does not
//! duplicate. The specification keeps only who waits for whom; it has no ring, slot or lock.
//!
//! | label | actor | step | in the driver and the hardware |
//! | --- | --- | --- | --- |
//! | `Submit(t)` | submitter | an idle `t` picks a count `n`, sends `Submit(n)` and waits | `qi_submit_sync` writes IQT |
//! | `Accept(t)` | hardware | `Submit(n)` arrives: `t`'s batch joins the queue, `n` IDs left | fetch of the batch's first descriptor (VT-d 6.5.2) |
//! | `Execute(t)` | hardware | one of the remaining IDs of `t`'s batch, wherever it is in the queue | no fence flag: IDs behind a WD need not await it (VT-d 6.5.2.8) |
//! | `Complete(t)` | hardware | `t`'s batch, at the head of the queue with nothing left, leaves it: `Done` is sent | the WD's status write, in order (VT-d 6.5.2.8) |
//! | `CompleteEarly(t)` | hardware | [`SpecFaults::EarlyDone`] only, seeded: the same though IDs are left | none |
//! | `Observe(t)` | submitter | `Done` arrives, `t` is idle again | the poll in `qi_submit_sync` sees `QI_DONE` |
//! | `Abort` | hardware | [`SpecFaults::Possible`] only: drops any of the accepted batches and sends `Aborted` for each | an ITE drops pending WDs (VT-d 6.5.2.11) |
//! | `Again(t)` | submitter | `Aborted` arrives | `-EAGAIN` |
//! | `Repost(t)` | submitter | an aborted `t` sends `Submit(n)` for the same call | `qi_submit_sync` writes IQT once more |
//! | `Refuse(t)` | hardware | as `Execute(t)`: takes `t`'s accepted batch for invalid and sends `Refused` | IQE is handled (VT-d 6.5.2.10) |
//! | `Fail(t)` | submitter | an aborted `t` gives up, or `Refused` arrives: `t` is idle again | `-ETIMEDOUT`, `-EINVAL` |
//! | `Lose(t)` | network | [`Loss::Done`] only: a `Done` is lost | another submitter's `reclaim_free_desc` turns `QI_DONE` into `QI_FREE` (the 2024 bug) |
//!
//! Submitters call without end; as nothing counts the calls, the reachable states are finite. A count may be 0: a lone WD.
//!
//! An aborted batch is forgotten: when it is posted again, all its IDs have still to be executed. Counting earlier attempts
//! would promise less: `Done` would only say that each ID was executed since the call began. The hardware would also have to
//! remember an owner that has given up.
//!
//! * **Safety**, a property of the model: a submitter observes `Done` only after its own `n` invalidations were executed.
//! * **Liveness**: under [`Spec::weakly_fair`], every WD is eventually observed done: [`waiting`]`(t)` leads to its opposite;
//!   with faults, unless there are aborts without end ([`Spec::aborts_end`]).
//!
//! stateright's fingerprint of a collection leaves out its length, so two states that differ in their actors' timers or
//! random choices alone could be taken for one. Here an actor's state determines both, and fingerprints tell states apart
//! by the actors' states and the network.
//!
//! ```
//! use stateright::Model;
//! use vtd_qi::temporal::graph::Search;
//! use vtd_qi::spec::{label, view, SpecFaults, SpecLabel, Loss, SpecCfg};
//!
//! let spec = SpecCfg { submitters: 2, counts: vec![0, 1], loss: Loss::None, faults: SpecFaults::None }.into_model()?;
//! let graph = Search::new(&spec, label).run();
//! assert_eq!(graph.len(), 73);
//! assert!(graph.findings().iter().all(|found| found.as_expected()));
//!
//! // The shortest way to a batch that was executed before the one ahead of it.
//! let finding = graph.findings().iter().find(|found| found.name == "executed-out-of-order").unwrap();
//! let path = graph.path_to(finding.state.unwrap());
//! let labels: Vec<SpecLabel> = path.iter().map(|edge| graph.labels()[edge.label as usize]).collect();
//! assert_eq!(
//!     labels,
//!     [SpecLabel::Submit(0), SpecLabel::Accept(0), SpecLabel::Submit(1), SpecLabel::Accept(1), SpecLabel::Execute(1)]
//! );
//! assert_eq!(
//!     view(graph.state(finding.state.unwrap())).to_string(),
//!     "T1 waiting(1) T2 waiting(1) | queue T1:0/1 T2:1/1"
//! );
//! # Ok::<(), vtd_qi::spec::SpecError>(())
//! ```

mod diagram;
mod list;

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use stateright::actor::{
    Actor, ActorModel, ActorModelAction, ActorModelState, Envelope, Id, LossyNetwork, Network, Out, RandomChoices,
    Timers, model_timeout,
};
use stateright::{Model, Path, Property};

use stateright_temporal::liveness::{Fairness, Formula, Occurs};

use crate::words;

pub use diagram::escape;
pub use list::List;

/// Most submitters that a specification can have.
pub const MAX_SUBMITTERS: usize = 8;

/// Most IDs in one batch: `qi_submit_sync` wants `count + 2` free slots, and the ring has `QI_LENGTH` = 256.
pub const MAX_COUNT: u8 = 254;

/// A state of the specification as stateright keeps it; [`view`] reads it, [`Spec::state_of`] builds it.
pub type SpecState = ActorModelState<Party>;

/// A step of the specification as stateright names it; [`label`] says what it is.
pub type SpecAction = ActorModelAction<Message, SpecStep, u8>;

words! {
    /// What may be lost on the way.
    pub enum Loss as "loss" {
        /// Nothing.
        None = "none",
        /// A `Done`, nothing else: the status of a WD that hardware has completed is overwritten before its owner looks.
        Done = "done",
    }
}

/// Whether anything but a loss can go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpecFaults {
    /// Nothing.
    #[default]
    None,
    /// Hardware may abort batches or refuse one, at any time.
    Possible,
    /// Seeded, to see the safety property violated: hardware may complete a batch of which IDs are left. In the twin this is
    /// a specification of its own, `EarlyDoneSpec`, and not a value of a constant.
    EarlyDone,
}

/// What a [`Spec`] is made of.
///
/// # Examples
/// ```
/// use vtd_qi::spec::{SpecFaults, Loss, SpecCfg};
///
/// let cfg = SpecCfg { submitters: 9, counts: vec![0, 1], loss: Loss::None, faults: SpecFaults::None };
/// assert_eq!(cfg.into_model().err().unwrap().to_string(), "9 submitters asked for, but 1 to 8 are supported");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecCfg {
    /// Number of submitters, 1 to [`MAX_SUBMITTERS`].
    pub submitters: usize,
    /// The numbers of IDs that a call may submit, each at most [`MAX_COUNT`]. 0 is a lone WD.
    pub counts: Vec<u8>,
    /// What may be lost.
    pub loss: Loss,
    /// What else may go wrong.
    pub faults: SpecFaults,
}

/// Why a [`SpecCfg`] is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// No submitter, or more than [`MAX_SUBMITTERS`].
    #[error("{0} submitters asked for, but 1 to {MAX_SUBMITTERS} are supported")]
    Submitters(usize),
    /// No count.
    #[error("no counts given, but a call needs at least one to choose from")]
    NoCounts,
    /// A count above [`MAX_COUNT`].
    #[error("a count of {0} IDs asked for, but at most {MAX_COUNT} fit into the ring")]
    Count(u8),
    /// A count that is listed more than once.
    #[error("a count of {0} IDs is listed more than once, but the counts are a set")]
    RepeatedCount(u8),
}

impl SpecCfg {
    /// The specification of this configuration.
    ///
    /// # Errors
    /// If a number is out of its range or a count is repeated; the message names the value and the limit.
    ///
    /// # Examples
    /// See the [module](self).
    pub fn into_model(self) -> Result<Spec, SpecError> {
        if !(1..=MAX_SUBMITTERS).contains(&self.submitters) {
            return Err(SpecError::Submitters(self.submitters));
        }
        if self.counts.is_empty() {
            return Err(SpecError::NoCounts);
        }
        for (i, &count) in self.counts.iter().enumerate() {
            if count > MAX_COUNT {
                return Err(SpecError::Count(count));
            }
            if self.counts[..i].contains(&count) {
                return Err(SpecError::RepeatedCount(count));
            }
        }
        let submitter = Party::Submitter { counts: self.counts.clone() };
        let actors = ActorModel::new((), ())
            .actor(Party::Hardware { faults: self.faults })
            .actors(std::iter::repeat_n(submitter, self.submitters))
            .init_network(Network::new_unordered_nonduplicating([]))
            .lossy_network(match self.loss {
                Loss::None => LossyNetwork::No,
                Loss::Done => LossyNetwork::Yes,
            });
        Ok(Spec { cfg: self, actors })
    }
}

/// The specification: an [`ActorModel`], narrowed to the losses that [`Loss`] names and drawn with them.
///
/// stateright's own lossy network also drops a `Submit`; that would say that an IQT write can get lost, which it cannot.
#[derive(Clone)]
pub struct Spec {
    cfg: SpecCfg,
    actors: ActorModel<Party>,
}

impl Spec {
    /// What this specification is made of.
    pub fn cfg(&self) -> &SpecCfg {
        &self.cfg
    }

    /// The actors and their network, not narrowed: under [`Loss::Done`] it drops a `Submit` too.
    pub fn actor_model(&self) -> &ActorModel<Party> {
        &self.actors
    }

    /// The state that a view shows: the opposite of [`view`], for an abstraction function to build states with.
    ///
    /// # Panics
    /// If the view has another number of submitters.
    ///
    /// # Examples
    /// ```
    /// use stateright::Model;
    /// use vtd_qi::spec::{view, SpecFaults, Loss, SpecCfg, Submitter};
    ///
    /// let spec = SpecCfg { submitters: 2, counts: vec![1], loss: Loss::None, faults: SpecFaults::None }.into_model()?;
    /// let mut seen = view(&spec.init_states()[0]);
    /// seen.calls[1].submitter = Submitter::Waiting(1);
    /// seen.calls[1].done = Some(1);
    /// assert_eq!(view(&spec.state_of(&seen)), seen);
    /// # Ok::<(), vtd_qi::spec::SpecError>(())
    /// ```
    pub fn state_of(&self, view: &View) -> SpecState {
        let parties = self.actors.actors.len();
        assert_eq!(view.calls.len() + 1, parties, "a view of another number of submitters");
        let mut state = SpecState {
            actor_states: vec![Arc::new(PartyState::Hardware(view.queue))],
            network: Network::new_unordered_nonduplicating(view.messages()),
            timers_set: vec![Timers::new(); parties],
            random_choices: vec![RandomChoices::default(); parties],
            crashed: vec![false; parties],
            history: (),
            actor_storages: vec![None; parties],
        };
        for step in steps(&view.queue, self.cfg.faults) {
            state.timers_set[HARDWARE].set(step);
        }
        for (t, call) in (0..).zip(view.calls.iter()) {
            state.actor_states.push(Arc::new(PartyState::Submitter(call.submitter)));
            let choices = &mut state.random_choices[usize::from(id(t))];
            match call.submitter {
                Submitter::Idle => choices.insert(COUNT.into(), self.cfg.counts.clone()),
                Submitter::Aborted(_) => choices.insert(AGAIN.into(), vec![GIVE_UP, REPOST]),
                Submitter::Waiting(_) => {}
            }
        }
        state
    }

    /// The labels that are each weakly fair, with their names: `Accept(t)`, `Execute(t)`, `Complete(t)`, `Observe(t)`; with
    /// faults `Again(t)`, `Repost(t)`, `Fail(t)` too.
    ///
    /// Nobody has to call, and nothing has to go wrong: `Submit`, `Lose`, `Abort` and `Refuse` are not fair. `Execute` is left
    /// out where there is nothing to execute, since a fair label that no transition bears says nothing.
    ///
    /// # Examples
    /// ```
    /// use vtd_qi::spec::{SpecFaults, Loss, SpecCfg};
    ///
    /// let spec = SpecCfg { submitters: 1, counts: vec![0], loss: Loss::None, faults: SpecFaults::None }.into_model()?;
    /// let names: Vec<String> = spec.weakly_fair().into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["Accept(T1)", "Complete(T1)", "Observe(T1)"]);
    /// # Ok::<(), vtd_qi::spec::SpecError>(())
    /// ```
    pub fn weakly_fair(&self) -> Vec<(String, SpecLabel)> {
        (0..self.cfg.submitters as u8)
            .flat_map(|t| {
                let faults = [SpecLabel::Again(t), SpecLabel::Repost(t), SpecLabel::Fail(t)];
                let faults = faults.into_iter().filter(|_| self.cfg.faults == SpecFaults::Possible);
                [SpecLabel::Accept(t), SpecLabel::Execute(t), SpecLabel::Complete(t), SpecLabel::Observe(t)]
                    .into_iter()
                    .chain(faults)
            })
            .filter(|label| !matches!(label, SpecLabel::Execute(_)) || self.executes())
            .map(|label| (label.to_string(), label))
            .collect()
    }

    /// [`Spec::weakly_fair`] as conditions for [`stateright_temporal::liveness`].
    pub fn fairness(&self) -> Vec<Fairness<'static, SpecState, SpecLabel>> {
        self.weakly_fair().into_iter().map(|(name, label)| Fairness::weak(name, vec![label])).collect()
    }

    /// With faults: aborts come to an end. Beside [`Spec::fairness`], the liveness of a submitter needs it.
    pub fn aborts_end(&self) -> Fairness<'static, SpecState, SpecLabel> {
        let aborts = Occurs::step(|_, label, _| *label == SpecLabel::Abort);
        Fairness::streett("Aborts", aborts, Occurs::state(|_| false))
    }

    /// The liveness of `t`: if it waits, it is eventually idle again.
    pub fn observed(&self, t: u8) -> Formula<'static, SpecState, SpecLabel> {
        Formula::leads_to(move |state| waiting(state, t), move |state| !waiting(state, t))
    }

    /// Whether there is ever an ID to execute.
    fn executes(&self) -> bool {
        self.cfg.counts.iter().any(|&count| count > 0)
    }
}

/// A step of the specification, by what it means and whom it concerns: `t` is `0..submitters`, displayed as `T1` onwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpecLabel {
    /// `t` calls: it sends `Submit`.
    Submit(u8),
    /// The hardware takes `t`'s batch into its queue.
    Accept(u8),
    /// The hardware executes one ID of `t`'s batch.
    Execute(u8),
    /// The hardware completes `t`'s batch: it sends `Done`.
    Complete(u8),
    /// The hardware completes `t`'s batch though IDs are left.
    CompleteEarly(u8),
    /// `t` receives `Done` and returns.
    Observe(u8),
    /// The hardware drops accepted batches.
    Abort,
    /// `t` learns that its batch was dropped.
    Again(u8),
    /// `t` submits a batch that was dropped once more.
    Repost(u8),
    /// The hardware takes `t`'s batch for invalid.
    Refuse(u8),
    /// `t` returns with an error.
    Fail(u8),
    /// A message between `t` and the hardware is lost; in a [`Spec`] that is always a `Done`.
    Lose(u8),
}

impl SpecLabel {
    /// The submitter whom the step concerns, if it concerns one.
    pub fn submitter(self) -> Option<u8> {
        match self {
            SpecLabel::Submit(t) | SpecLabel::Accept(t) | SpecLabel::Execute(t) | SpecLabel::CompleteEarly(t) => {
                Some(t)
            }
            SpecLabel::Complete(t) | SpecLabel::Observe(t) | SpecLabel::Lose(t) => Some(t),
            SpecLabel::Again(t) | SpecLabel::Repost(t) | SpecLabel::Refuse(t) | SpecLabel::Fail(t) => Some(t),
            SpecLabel::Abort => None,
        }
    }

    /// Whether it occurs with [`SpecFaults::Possible`] only.
    pub fn is_fault(self) -> bool {
        matches!(
            self,
            SpecLabel::Abort | SpecLabel::Again(_) | SpecLabel::Repost(_) | SpecLabel::Refuse(_) | SpecLabel::Fail(_)
        )
    }
}

impl Display for SpecLabel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (name, t) = match self {
            SpecLabel::Submit(t) => ("Submit", t),
            SpecLabel::Accept(t) => ("Accept", t),
            SpecLabel::Execute(t) => ("Execute", t),
            SpecLabel::Complete(t) => ("Complete", t),
            SpecLabel::CompleteEarly(t) => ("CompleteEarly", t),
            SpecLabel::Observe(t) => ("Observe", t),
            SpecLabel::Abort => return write!(f, "Abort"),
            SpecLabel::Again(t) => ("Again", t),
            SpecLabel::Repost(t) => ("Repost", t),
            SpecLabel::Refuse(t) => ("Refuse", t),
            SpecLabel::Fail(t) => ("Fail", t),
            SpecLabel::Lose(t) => ("Lose", t),
        };
        write!(f, "{name}(T{})", t + 1)
    }
}

/// What an action is.
///
/// # Panics
/// If an actor crashes or recovers: those of a [`Spec`] do not.
///
/// # Examples
/// ```
/// use stateright::Model;
/// use vtd_qi::spec::{label, SpecFaults, Loss, SpecCfg};
///
/// let spec = SpecCfg { submitters: 1, counts: vec![0], loss: Loss::None, faults: SpecFaults::None }.into_model()?;
/// let steps = spec.next_steps(&spec.init_states()[0]);
/// assert_eq!(label(&steps[0].0).to_string(), "Submit(T1)");
/// # Ok::<(), vtd_qi::spec::SpecError>(())
/// ```
pub fn label(action: &SpecAction) -> SpecLabel {
    match *action {
        SpecAction::SelectRandom { actor, ref key, random } => match (key.as_str(), random) {
            (AGAIN, REPOST) => SpecLabel::Repost(submitter(actor)),
            (AGAIN, _) => SpecLabel::Fail(submitter(actor)),
            _ => SpecLabel::Submit(submitter(actor)),
        },
        SpecAction::Deliver { src, msg: Message::Submit(_), .. } => SpecLabel::Accept(submitter(src)),
        SpecAction::Deliver { dst, msg: Message::Done { .. }, .. } => SpecLabel::Observe(submitter(dst)),
        SpecAction::Deliver { dst, msg: Message::Aborted, .. } => SpecLabel::Again(submitter(dst)),
        SpecAction::Deliver { dst, msg: Message::Refused, .. } => SpecLabel::Fail(submitter(dst)),
        SpecAction::Timeout(_, SpecStep::Execute(t)) => SpecLabel::Execute(t),
        SpecAction::Timeout(_, SpecStep::Complete(t)) => SpecLabel::Complete(t),
        SpecAction::Timeout(_, SpecStep::CompleteEarly(t)) => SpecLabel::CompleteEarly(t),
        SpecAction::Timeout(_, SpecStep::Abort(_)) => SpecLabel::Abort,
        SpecAction::Timeout(_, SpecStep::Refuse(t)) => SpecLabel::Refuse(t),
        SpecAction::Drop(Envelope { src, msg: Message::Submit(_), .. }) => SpecLabel::Lose(submitter(src)),
        SpecAction::Drop(Envelope { dst, .. }) => SpecLabel::Lose(submitter(dst)),
        SpecAction::Crash(_) | SpecAction::Recover(_) => unreachable!("actors of the specification do not crash"),
    }
}

/// Whether `t` is in `qi_submit_sync`, in other words not idle. Liveness is: for every `t` this leads to its opposite.
///
/// # Panics
/// If there is no such submitter.
///
/// # Examples
/// ```
/// use stateright::Model;
/// use vtd_qi::spec::{waiting, SpecFaults, Loss, SpecCfg};
///
/// let spec = SpecCfg { submitters: 1, counts: vec![0], loss: Loss::None, faults: SpecFaults::None }.into_model()?;
/// let init = &spec.init_states()[0];
/// assert!(!waiting(init, 0) && waiting(&spec.next_states(init)[0], 0));
/// # Ok::<(), vtd_qi::spec::SpecError>(())
/// ```
pub fn waiting(state: &SpecState, t: u8) -> bool {
    *state.actor_states[usize::from(id(t))] != PartyState::Submitter(Submitter::Idle)
}

impl Model for Spec {
    type State = SpecState;
    type Action = SpecAction;

    fn init_states(&self) -> Vec<SpecState> {
        self.actors.init_states()
    }

    fn actions(&self, state: &SpecState, actions: &mut Vec<SpecAction>) {
        self.actors.actions(state, actions);
        let loses_too_much = |action: &SpecAction| matches!(action, SpecAction::Drop(message) if !matches!(message.msg, Message::Done { .. }));
        actions.retain(|action| !loses_too_much(action));
    }

    fn next_state(&self, state: &SpecState, action: SpecAction) -> Option<SpecState> {
        self.actors.next_state(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("observed-after-execution", observed_after_execution),
            Property::sometimes("submitted", |_, s| view(s).calls.iter().any(|c| c.submit.is_some())),
            Property::sometimes("accepted", |_, s| !view(s).queue.is_empty()),
            Property::sometimes("completed", |_, s| view(s).calls.iter().any(|c| c.done.is_some())),
        ];
        if self.executes() {
            properties.push(Property::sometimes("executed", |_, s| view(s).queue.iter().any(|b| b.executed > 0)));
        }
        if self.cfg.faults == SpecFaults::Possible {
            properties.push(Property::sometimes("aborted", |_, s| {
                view(s).calls.iter().any(|call| matches!(call.submitter, Submitter::Aborted(_)))
            }));
            properties.push(Property::sometimes("refused", |_, s| {
                view(s).calls.iter().any(|call| call.fault == Some(CallFault::Refused))
            }));
        }
        if self.cfg.submitters > 1 {
            properties.push(Property::sometimes("two-outstanding", |_, s| (0..2).all(|t| waiting(s, t))));
            properties.push(Property::sometimes("one-behind-another", |_, s| view(s).queue.len() > 1));
        }
        if self.cfg.submitters > 1 && self.executes() {
            properties.push(Property::sometimes("executed-out-of-order", |_, s| {
                let queue = view(s).queue;
                queue.len() > 1 && queue[0].left > 0 && queue[1].executed > 0
            }));
        }
        if self.cfg.loss == Loss::Done {
            properties.push(Property::sometimes("lost", |_, s| {
                let view = view(s);
                (0..).zip(view.calls.iter()).any(|(t, call)| {
                    let queued = view.queue.iter().any(|batch| batch.submitter == t);
                    let in_flight = call.submit.is_some() || call.done.is_some() || call.fault.is_some();
                    matches!(call.submitter, Submitter::Waiting(_)) && !in_flight && !queued
                })
            }));
        }
        properties
    }

    /// The label, and the message where one is sent or arrives.
    fn format_action(&self, action: &SpecAction) -> String {
        let label = label(action);
        match *action {
            SpecAction::SelectRandom { random, .. } if matches!(label, SpecLabel::Submit(_)) => {
                format!("{label} sends {}", Message::Submit(random))
            }
            SpecAction::Timeout(_, SpecStep::Abort(batches)) => {
                let of: Vec<String> = submitters_in(batches).map(|t| format!("T{}", t + 1)).collect();
                format!("{label} of {}", of.join(", "))
            }
            SpecAction::Deliver { msg, .. } => format!("{label} takes {msg}"),
            SpecAction::Drop(Envelope { msg, .. }) => format!("{label} drops {msg}"),
            _ => label.to_string(),
        }
    }

    /// The state that the step leads to in one line, then what the actor did.
    fn format_step(&self, state: &SpecState, action: SpecAction) -> Option<String> {
        let next = self.next_state(state, action.clone())?;
        Some(format!("{}\n\n{}", view(&next), self.actors.format_step(state, action)?))
    }

    fn as_svg(&self, path: Path<SpecState, SpecAction>) -> Option<String> {
        Some(self.sequence_diagram(path))
    }
}

/// A `Done` in flight is received next, so its count must equal the count that was asked for.
fn observed_after_execution(_: &Spec, state: &SpecState) -> bool {
    view(state).calls.iter().all(|call| call.done.is_none_or(|executed| call.submitter == Submitter::Waiting(executed)))
}

/// An actor. The hardware is number 0, and submitter `t` is number `t + 1`.
#[derive(Clone, Debug)]
pub enum Party {
    /// The invalidation unit.
    Hardware {
        /// Whether it may abort and refuse.
        faults: SpecFaults,
    },
    /// A thread in `qi_submit_sync`, or about to enter it.
    Submitter {
        /// The numbers of IDs that it may submit.
        counts: Vec<u8>,
    },
}

const HARDWARE: usize = 0;

/// The one random choice of an idle submitter.
const COUNT: &str = "count";

/// The one random choice of a submitter whose batch was aborted.
const AGAIN: &str = "again";
const GIVE_UP: u8 = 0;
const REPOST: u8 = 1;

/// The submitters of a set of bits.
fn submitters_in(bits: u8) -> impl Iterator<Item = u8> {
    (0..MAX_SUBMITTERS as u8).filter(move |t| bits >> t & 1 == 1)
}

fn id(t: u8) -> Id {
    Id::from(usize::from(t) + 1)
}

fn submitter(id: Id) -> u8 {
    (usize::from(id) - 1) as u8
}

/// A message between a submitter and the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Message {
    /// A batch of so many IDs and its WD: `qi_submit_sync` has written IQT.
    Submit(u8),
    /// The batch is complete: its WD's status is `QI_DONE`.
    Done {
        /// How many IDs of the batch were executed.
        executed: u8,
    },
    /// The batch was dropped: its WD's status is, or will be, `QI_ABORT`.
    Aborted,
    /// The batch holds a descriptor that hardware does not take.
    Refused,
}

impl Display for Message {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Message::Submit(count) => write!(f, "Submit({count})"),
            Message::Done { executed } => write!(f, "Done({executed})"),
            Message::Aborted => write!(f, "Aborted"),
            Message::Refused => write!(f, "Refused"),
        }
    }
}

/// A step that the hardware takes without a message; stateright keeps it as the value of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpecStep {
    /// Execute one ID of this submitter's batch.
    Execute(u8),
    /// Complete this submitter's batch.
    Complete(u8),
    /// Complete this submitter's batch though IDs are left.
    CompleteEarly(u8),
    /// Drop the batches of these submitters, a bit for each.
    Abort(u8),
    /// Take this submitter's batch for invalid.
    Refuse(u8),
}

/// The state of a [`Party`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PartyState {
    /// The batches accepted and not completed, in the order of acceptance.
    Hardware(List<Batch>),
    /// Whether it is in a call.
    Submitter(Submitter),
}

/// A submitter between calls or in one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Submitter {
    /// Not in `qi_submit_sync`.
    #[default]
    Idle,
    /// In `qi_submit_sync`, polling for the WD behind so many IDs.
    Waiting(u8),
    /// In `qi_submit_sync`, its batch of so many IDs aborted and not posted again.
    Aborted(u8),
}

/// A batch in the hardware's queue. What it was submitted with is `executed + left`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Batch {
    /// The submitter whose batch it is.
    pub submitter: u8,
    /// How many of its IDs were executed.
    pub executed: u8,
    /// How many of its IDs were not executed yet.
    pub left: u8,
}

impl Actor for Party {
    type Msg = Message;
    type Timer = SpecStep;
    type State = PartyState;
    type Storage = ();
    type Random = u8;

    fn on_start(&self, _: Id, _: &Option<()>, out: &mut Out<Self>) -> PartyState {
        match self {
            Party::Hardware { .. } => PartyState::Hardware(List::default()),
            Party::Submitter { counts } => {
                out.choose_random(COUNT, counts.clone());
                PartyState::Submitter(Submitter::Idle)
            }
        }
    }

    fn on_random(&self, _: Id, state: &mut Cow<PartyState>, random: &u8, out: &mut Out<Self>) {
        let (Party::Submitter { counts }, PartyState::Submitter(call)) = (self, state.to_mut()) else {
            unreachable!("only submitters choose")
        };
        *call = match (*call, *random) {
            (Submitter::Aborted(_), GIVE_UP) => {
                out.choose_random(COUNT, counts.clone());
                Submitter::Idle
            }
            (Submitter::Aborted(count), _) | (_, count) => {
                out.send(Id::from(HARDWARE), Message::Submit(count));
                Submitter::Waiting(count)
            }
        };
    }

    fn on_msg(&self, _: Id, state: &mut Cow<PartyState>, src: Id, message: Message, out: &mut Out<Self>) {
        match (self, state.to_mut(), message) {
            (Party::Hardware { faults }, PartyState::Hardware(queue), Message::Submit(count)) => {
                let batch = Batch { submitter: submitter(src), executed: 0, left: count };
                change(queue, *faults, out, |queue| queue.push(batch));
            }
            (Party::Submitter { .. }, PartyState::Submitter(call), Message::Aborted) => {
                let Submitter::Waiting(count) = *call else { unreachable!("{call:?} has no batch") };
                *call = Submitter::Aborted(count);
                out.choose_random(AGAIN, vec![GIVE_UP, REPOST]);
            }
            (Party::Submitter { counts }, PartyState::Submitter(call), Message::Done { .. } | Message::Refused) => {
                *call = Submitter::Idle;
                out.choose_random(COUNT, counts.clone());
            }
            (party, state, message) => unreachable!("{message} sent to {party:?} in {state:?}"),
        }
    }

    fn on_timeout(&self, _: Id, state: &mut Cow<PartyState>, step: &SpecStep, out: &mut Out<Self>) {
        let (Party::Hardware { faults }, PartyState::Hardware(queue)) = (self, state.to_mut()) else {
            unreachable!("only the hardware has timers")
        };
        match *step {
            SpecStep::Abort(batches) => {
                submitters_in(batches).for_each(|t| out.send(id(t), Message::Aborted));
                change(queue, *faults, out, |queue| queue.retain(|batch| batches >> batch.submitter & 1 == 0));
            }
            SpecStep::Refuse(t) => {
                out.send(id(t), Message::Refused);
                change(queue, *faults, out, |queue| queue.retain(|batch| batch.submitter != t));
            }
            SpecStep::Execute(t) => change(queue, *faults, out, |queue| {
                let batch = queue.iter_mut().find(|batch| batch.submitter == t && batch.left > 0);
                let batch = batch.expect("the timer is set while an ID is left");
                batch.left -= 1;
                batch.executed += 1;
            }),
            SpecStep::Complete(t) | SpecStep::CompleteEarly(t) => {
                out.send(id(t), Message::Done { executed: queue[0].executed });
                change(queue, *faults, out, List::pop_front);
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Party::Hardware { .. } => "hardware".into(),
            Party::Submitter { .. } => "submitter".into(),
        }
    }
}

/// Changes the queue, and sets exactly the timers that the new one determines.
fn change(queue: &mut List<Batch>, faults: SpecFaults, out: &mut Out<Party>, by: impl FnOnce(&mut List<Batch>)) {
    steps(queue, faults).for_each(|step| out.cancel_timer(step));
    by(queue);
    steps(queue, faults).for_each(|step| out.set_timer(step, model_timeout()));
}

/// The steps that the hardware can take: an ID of any batch, or the completion of the first; to drop any of them, or to
/// refuse one.
fn steps(queue: &List<Batch>, faults: SpecFaults) -> impl Iterator<Item = SpecStep> {
    let complete = queue.first().and_then(|head| match head.left {
        0 => Some(SpecStep::Complete(head.submitter)),
        _ => (faults == SpecFaults::EarlyDone).then_some(SpecStep::CompleteEarly(head.submitter)),
    });
    let queue = *queue;
    let execute =
        (0..queue.len()).map(move |i| queue[i]).filter(|b| b.left > 0).map(|b| SpecStep::Execute(b.submitter));
    let possible = faults == SpecFaults::Possible;
    let queued = queue.iter().fold(0u8, |bits, batch| bits | 1 << batch.submitter);
    let abort = (1..=queued).filter(move |batches| possible && batches & !queued == 0).map(SpecStep::Abort);
    let refuse = submitters_in(queued).filter(move |_| possible).map(SpecStep::Refuse);
    execute.chain(complete).chain(abort).chain(refuse)
}

/// The information in a [`SpecState`], small and without heap allocation; the rest of the state follows from it.
///
/// Displayed as one line: the submitters, then the queue with executed/submitted IDs, then the messages in flight.
///
/// # Examples
/// ```
/// use vtd_qi::spec::{Batch, Submitter, View};
///
/// let mut view = View::new(2);
/// view.calls[0].submitter = Submitter::Waiting(1);
/// view.queue.push(Batch { submitter: 0, executed: 1, left: 0 });
/// view.calls[1].submitter = Submitter::Waiting(0);
/// view.calls[1].done = Some(0);
/// assert_eq!(view.to_string(), "T1 waiting(1) T2 waiting(0) | queue T1:1/1 | done(0)->T2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// The submitters and their messages.
    pub calls: List<SpecCall>,
    /// The batches accepted and not completed, in the order of acceptance.
    pub queue: List<Batch>,
}

/// A submitter and the messages in flight between it and the hardware, of each kind at most one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SpecCall {
    /// The submitter itself.
    pub submitter: Submitter,
    /// The count of a `Submit` in flight.
    pub submit: Option<u8>,
    /// The executed IDs of a `Done` in flight.
    pub done: Option<u8>,
    /// An `Aborted` or `Refused` in flight.
    pub fault: Option<CallFault>,
}

/// The message about a batch that hardware does not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallFault {
    /// [`Message::Aborted`].
    Aborted,
    /// [`Message::Refused`].
    Refused,
}

impl View {
    /// Idle submitters, an empty queue, nothing in flight: the initial state.
    ///
    /// # Panics
    /// If there are to be more than [`MAX_SUBMITTERS`].
    ///
    /// # Examples
    /// See [`View`].
    pub fn new(submitters: usize) -> Self {
        let mut calls = List::default();
        (0..submitters).for_each(|_| calls.push(SpecCall::default()));
        View { calls, queue: List::default() }
    }

    fn messages(&self) -> impl Iterator<Item = Envelope<Message>> + '_ {
        let hardware = Id::from(HARDWARE);
        (0..).zip(self.calls.iter()).flat_map(move |(t, call)| {
            let submit = call.submit.map(|count| Envelope { src: id(t), dst: hardware, msg: Message::Submit(count) });
            let done =
                call.done.map(|executed| Envelope { src: hardware, dst: id(t), msg: Message::Done { executed } });
            let fault = call.fault.map(|fault| {
                let msg = match fault {
                    CallFault::Aborted => Message::Aborted,
                    CallFault::Refused => Message::Refused,
                };
                Envelope { src: hardware, dst: id(t), msg }
            });
            submit.into_iter().chain(done).chain(fault)
        })
    }
}

/// What a state says.
///
/// # Panics
/// If the state is not one of a [`Spec`].
///
/// # Examples
/// ```
/// use stateright::Model;
/// use vtd_qi::spec::{view, SpecFaults, Loss, SpecCfg, View};
///
/// let spec = SpecCfg { submitters: 2, counts: vec![0], loss: Loss::None, faults: SpecFaults::None }.into_model()?;
/// assert_eq!(view(&spec.init_states()[0]), View::new(2));
/// # Ok::<(), vtd_qi::spec::SpecError>(())
/// ```
pub fn view(state: &SpecState) -> View {
    let mut view = View::new(state.actor_states.len() - 1);
    for (index, party) in state.actor_states.iter().enumerate() {
        match **party {
            PartyState::Hardware(queue) => view.queue = queue,
            PartyState::Submitter(submitter) => view.calls[index - 1].submitter = submitter,
        }
    }
    for Envelope { src, dst, msg } in state.network.iter_all() {
        match *msg {
            Message::Submit(count) => view.calls[usize::from(submitter(src))].submit = Some(count),
            Message::Done { executed } => view.calls[usize::from(submitter(dst))].done = Some(executed),
            Message::Aborted => view.calls[usize::from(submitter(dst))].fault = Some(CallFault::Aborted),
            Message::Refused => view.calls[usize::from(submitter(dst))].fault = Some(CallFault::Refused),
        }
    }
    view
}

impl Display for View {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, call) in self.calls.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            match call.submitter {
                Submitter::Idle => write!(f, "{space}T{} idle", i + 1)?,
                Submitter::Waiting(count) => write!(f, "{space}T{} waiting({count})", i + 1)?,
                Submitter::Aborted(count) => write!(f, "{space}T{} aborted({count})", i + 1)?,
            }
        }
        for (i, Batch { submitter, executed, left }) in self.queue.iter().enumerate() {
            let before = if i == 0 { " | queue" } else { "" };
            // A view may be built of what a faulty ring shows: no sum of such bytes may overflow.
            write!(f, "{before} T{}:{executed}/{}", submitter + 1, u16::from(*executed) + u16::from(*left))?;
        }
        for (i, Envelope { src, dst, msg }) in self.messages().enumerate() {
            let before = if i == 0 { " |" } else { "" };
            match msg {
                Message::Submit(count) => write!(f, "{before} T{}->submit({count})", usize::from(src))?,
                Message::Done { executed } => write!(f, "{before} done({executed})->T{}", usize::from(dst))?,
                Message::Aborted => write!(f, "{before} aborted->T{}", usize::from(dst))?,
                Message::Refused => write!(f, "{before} refused->T{}", usize::from(dst))?,
            }
        }
        Ok(())
    }
}
