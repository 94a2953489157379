//! The ring of the model, made to post given batches and no others.
//!
//! [`Planned`] explores every run that posts the batches of a picture in their order; [`Onward`] explores what may come after, without
//! a new call and without another fault.

use stateright::Model;
use vtd_qi::impl_qi::{Action, Call, HwStep, Label, Pc, Request, Ring, Slot, State};

/// Most slots of the rings that are explored.
pub const SLOTS: usize = 32;
/// Most submitters.
pub const SUBMITTERS: usize = 4;

/// A ring that is explored; `F` is 1 where faults are modelled.
pub type SmallRing<const F: usize> = Ring<SLOTS, SUBMITTERS, F>;
/// A state of it.
pub type SmallState<const F: usize> = State<SLOTS, SUBMITTERS, F>;

/// A state of a planned run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlannedState<const F: usize> {
    /// The ring's.
    pub ring: SmallState<F>,
    /// How many batches of the plan have been begun.
    pub posted: u8,
}

/// A ring whose submitters post the batches of a plan.
pub struct Planned<'a, const F: usize> {
    /// The ring.
    pub ring: &'a SmallRing<F>,
    /// For each batch the calls that may post it.
    pub plan: Vec<Vec<Request>>,
    /// Where runs begin: a ring at rest.
    pub initial: SmallState<F>,
}

impl<const F: usize> Planned<'_, F> {
    /// Whether a call takes its place in the ring when it takes the lock now.
    fn begins(&self, state: &SmallState<F>, t: usize, action: &Action) -> bool {
        matches!(action, Action::Driver { .. })
            && action.label() == Label::Driver(vtd_qi::impl_qi::Step::Acquire, t as u8)
            && self.ring.waits_with_room(state, t)
    }

    fn is_next(&self, posted: u8, request: Request) -> bool {
        self.plan.get(usize::from(posted)).is_some_and(|next| next.contains(&request))
    }

    fn may(&self, state: &PlannedState<F>, action: &Action) -> bool {
        match *action {
            Action::Call { t, request } => {
                let ring = &state.ring;
                let idle = |t: usize| ring.call(t).pc == Pc::Idle;
                // Submitters are alike: the first that is idle calls. A call that cannot be posted next need not begin yet.
                let first = (0..usize::from(t)).all(|other| !idle(other));
                let new = |t: usize| ring.call(t).wants_room() && !ring.ghost().is_reposting(t);
                first
                    && self.is_next(state.posted, self.ring.requests()[usize::from(request)])
                    && !(0..self.ring.cfg().submitters).any(new)
            }
            Action::Driver { t, .. } if self.begins(&state.ring, t.into(), action) => {
                self.is_next(state.posted, self.ring.request(&state.ring.call(t.into())))
            }
            _ => true,
        }
    }
}

impl<const F: usize> Model for Planned<'_, F> {
    type State = PlannedState<F>;
    type Action = Action;

    fn init_states(&self) -> Vec<PlannedState<F>> {
        vec![PlannedState { ring: self.initial, posted: 0 }]
    }

    fn actions(&self, state: &PlannedState<F>, actions: &mut Vec<Action>) {
        self.ring.actions(&state.ring, actions);
        actions.retain(|action| self.may(state, action));
    }

    fn next_state(&self, state: &PlannedState<F>, action: Action) -> Option<PlannedState<F>> {
        let begins = matches!(action, Action::Driver { t, .. } if self.begins(&state.ring, t.into(), &action));
        let ring = self.ring.next_state(&state.ring, action)?;
        Some(PlannedState { ring, posted: state.posted + u8::from(begins) })
    }
}

/// A ring left to itself: nobody calls, and no fault is injected any more.
pub struct Onward<'a, const F: usize> {
    /// The ring.
    pub ring: &'a SmallRing<F>,
    /// Where runs begin.
    pub from: Vec<SmallState<F>>,
}

impl<const F: usize> Model for Onward<'_, F> {
    type State = SmallState<F>;
    type Action = Action;

    fn init_states(&self) -> Vec<SmallState<F>> {
        self.from.clone()
    }

    fn actions(&self, state: &SmallState<F>, actions: &mut Vec<Action>) {
        self.ring.actions(state, actions);
        actions.retain(|action| {
            !matches!(
                action,
                Action::Call { .. } | Action::Hardware(HwStep::LoseAnswer { .. } | HwStep::Ice | HwStep::Remove { .. })
            )
        });
    }

    fn next_state(&self, state: &SmallState<F>, action: Action) -> Option<SmallState<F>> {
        self.ring.next_state(state, action)
    }
}

/// A ring at rest in which the next slot to be handed out is `first`, 0 or 1: a lone WD has been posted and is over.
///
/// # Panics
/// If the ring's calls hold no lone WD and `first` is not 0.
pub fn at_rest<const F: usize>(ring: &SmallRing<F>, first: Slot) -> SmallState<F> {
    let mut state = ring.init_states()[0];
    if first == 0 {
        return state;
    }
    let lone = ring.requests().iter().position(|request| *request == Request::plain(0)).expect("a lone WD");
    let mut action = Action::Call { t: 0, request: lone as u8 };
    loop {
        state = ring.next_state(&state, action).expect("a step that can be done");
        if ring.at_rest(&state) {
            return state;
        }
        let mut actions = Vec::new();
        ring.actions(&state, &mut actions);
        let goes_on = |action: &Action| match action {
            Action::Call { .. } => false,
            // Hardware first, so that the first look finds DONE.
            Action::Hardware(step) => matches!(step, HwStep::Fetch | HwStep::Execute { .. } | HwStep::Complete),
            Action::Driver { .. } => true,
        };
        let mut actions: Vec<Action> = actions.into_iter().filter(goes_on).collect();
        actions.sort_by_key(|action| !matches!(action, Action::Hardware(_)));
        action = actions[0];
    }
}

/// Whether a call has batches in the ring or is about to post: it has not returned.
pub fn is_active(call: &Call) -> bool {
    call.pc != Pc::Idle
}
