//! The link: the relation is compared with the model, so that what is proved of the one is true of the other.
//!
//! Each state of an explored graph is taken for one of the relation ([`Unrolled`]: positions in place of slots). There the
//! invariant and the claims are evaluated, and each step of the model is looked for among the steps of the relation, and, the
//! other way round, each step of the relation among those of the model. The graph may be one of states up to rotation: steps are
//! taken from the representatives by the model itself, and a rotation of the ring changes no position's meaning.
//!
//! Two things are the model's alone and restrict its steps: the depth of the hardware, which may keep it from fetching, and the
//! queue of a FIFO lock. The relation has more steps there, and what is proved of more steps holds of fewer.

use stateright::Model;
use vtd_qi::impl_qi::{Action, HwStep, Label, Lock, Ring, State, Step};

use vtd_qi::refine::{Mapping, RingToSpec};
use vtd_qi::spec::Loss;

use crate::claims::safety;
use crate::invariant::{Named, initial, invariant};
use crate::relation::{Relation, Transition};

use crate::vars::StateVar;

pub use breach::{BreakingRun, drawn};
pub use unrolled::{NOBODY, NoPlace, Unrolled};

mod breach;
mod mapped;
mod unrolled;

/// What is compared with a ring.
pub struct Link<'a, const N: usize, const T: usize> {
    ring: &'a Ring<N, T>,
    relation: &'a Relation,
    invariant: Vec<Named>,
    claims: Vec<Named>,
    mapping: RingToSpec<'a, N, T, 0>,
}

/// In which direction steps are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Every step of the model is one of the relation.
    Forward,
    /// And every step of the relation is one of the model, but for those that depth and FIFO lock keep it from.
    Both,
}

/// Where model and relation part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// A state of the model has no place in the relation.
    #[error("no state of the relation: {0}")]
    NoPlace(NoPlace),
    /// A conjunct of the invariant does not hold in it.
    #[error("it breaks the invariant's {0}")]
    Broken(&'static str),
    /// A claim and the model's own property differ, or the claim does not hold.
    #[error("the claim {0} is not what the model says")]
    Claim(&'static str),
    /// The mapping to the specification, as terms, is not the model's.
    #[error("the mapping says {0} and the model {1}")]
    Mapping(String, String),
    /// A step of the model is none of the relation.
    #[error("{step} is no step of the relation{}", .differs.map_or(String::new(), |(var, index)| format!(": {var:?}({index}) differs")))]
    Missing {
        /// The step of the model.
        step: String,
        /// Where the nearest step of the relation differs.
        differs: Option<(StateVar, i64)>,
    },
    /// A step of the relation is none of the model.
    #[error("{step} of T{} is no step of the model", .who + 1)]
    Extra {
        /// The transition.
        step: &'static str,
        /// The submitter.
        who: i64,
    },
}

impl<'a, const N: usize, const T: usize> Link<'a, N, T> {
    /// The link between a ring and a relation that has been made for its rules, with the relation's own invariant and claims.
    ///
    /// # Panics
    /// If the ring is one that has no specification; each accepted ring without faults has one.
    pub fn new(ring: &'a Ring<N, T>, relation: &'a Relation) -> Self {
        let mapping = RingToSpec::new(ring, Loss::None).expect("a ring without faults has a specification");
        Link { ring, relation, invariant: invariant(relation), claims: safety(relation), mapping }
    }

    /// The same with another invariant.
    pub fn with_invariant(self, invariant: Vec<Named>) -> Self {
        Link { invariant, ..self }
    }

    /// Compares the states in which the ring begins: each is one in which the relation begins.
    ///
    /// # Errors
    /// The first [`Mismatch`].
    pub fn beginning(&self) -> Result<(), Mismatch> {
        let begins = initial();
        for state in self.ring.init_states() {
            if !begins.holds(&self.place(&state)?) {
                return Err(Mismatch::Broken("initial"));
            }
        }
        Ok(())
    }

    /// Compares a state: it is one of the relation, the invariant and the claims hold in it.
    ///
    /// # Errors
    /// The first [`Mismatch`].
    pub fn state(&self, state: &State<N, T>) -> Result<Unrolled, Mismatch> {
        let here = self.place(state)?;
        if let Some(broken) = self.broken(&here).next() {
            return Err(Mismatch::Broken(broken));
        }
        let properties = self.ring.properties();
        for claim in &self.claims {
            let own = properties.iter().find(|property| property.name == claim.name);
            let holds = claim.term.holds(&here);
            if !holds || own.is_some_and(|own| !(own.condition)(self.ring, state)) {
                return Err(Mismatch::Claim(claim.name));
            }
        }
        let [mapped, model] = [here.view(), self.mapping.view(state)];
        match mapped == model {
            true => Ok(here),
            false => Err(Mismatch::Mapping(mapped.to_string(), model.to_string())),
        }
    }

    /// Compares a state and the steps from it; returns how many steps the model has.
    ///
    /// # Errors
    /// The first [`Mismatch`].
    pub fn steps(&self, state: &State<N, T>, direction: Direction) -> Result<usize, Mismatch> {
        let here = self.state(state)?;
        let mut actions = Vec::new();
        self.ring.actions(state, &mut actions);
        let mut targets = Vec::new();
        for action in actions {
            let target = self.ring.next_state(state, action).expect("an action that is offered can be done");
            let there = self.reached(state, &here, &target)?;
            self.forward(&here, &action, &there)?;
            targets.push((action, there));
        }
        if direction == Direction::Both {
            self.backward(state, &here, &targets)?;
        }
        Ok(targets.len())
    }

    fn place(&self, state: &State<N, T>) -> Result<Unrolled, Mismatch> {
        Unrolled::of(self.ring, state, state.queue().free_tail.into()).map_err(Mismatch::NoPlace)
    }

    /// The state that a step of the model has reached, with positions that go on where it began.
    fn reached(&self, from: &State<N, T>, here: &Unrolled, target: &State<N, T>) -> Result<Unrolled, Mismatch> {
        let moved = self.ring.length().distance(from.queue().free_tail, target.queue().free_tail);
        let tail = here.get(StateVar::Tail, 0) + i64::from(moved);
        Unrolled::of(self.ring, target, tail).map_err(Mismatch::NoPlace)
    }

    /// The conjuncts of the invariant that do not hold.
    fn broken(&self, here: &Unrolled) -> impl Iterator<Item = &'static str> {
        self.invariant.iter().filter(|conjunct| !conjunct.term.holds(here)).map(|conjunct| conjunct.name)
    }

    /// Looks for a step of the model among those of the relation.
    fn forward(&self, here: &Unrolled, action: &Action, there: &Unrolled) -> Result<(), Mismatch> {
        let mut differs = None;
        if let Action::Driver { step: Step::Enqueue, .. } = action {
            // The queue of the lock is no variable of the relation.
            differs = here.difference(there);
            if differs.is_none() {
                return Ok(());
            }
        }
        let same = |transition: &&Transition| is_step(transition, &action.label());
        for transition in self.relation.transitions.iter().filter(same) {
            for who in self.submitters(action) {
                if let Some(next) = here.after(transition, who, self.count(action)) {
                    match next.difference(there) {
                        None => return Ok(()),
                        Some(found) => differs = Some(found),
                    }
                }
            }
        }
        Err(Mismatch::Missing { step: self.ring.format_action(action), differs })
    }

    /// Looks for each step of the relation among those of the model.
    fn backward(&self, state: &State<N, T>, here: &Unrolled, targets: &[(Action, Unrolled)]) -> Result<(), Mismatch> {
        let counts = || self.ring.cfg().counts.iter().map(|count| i64::from(*count));
        let is_deep = state.pending().count() >= usize::from(self.ring.cfg().hardware.depth);
        for transition in &self.relation.transitions {
            let excused = match transition.label {
                Label::Fetch => is_deep,
                Label::Driver(Step::Acquire, _) => self.ring.cfg().lock == Lock::Fifo,
                _ => false,
            };
            if excused {
                continue;
            }
            for who in 0..self.ring.cfg().submitters as i64 {
                let brought: Vec<i64> =
                    if let Label::Call(_) = transition.label { counts().collect() } else { vec![0] };
                for next in brought.into_iter().filter_map(|count| here.after(transition, who, count)) {
                    let is_made = |(action, there): &(Action, Unrolled)| {
                        is_step(transition, &action.label()) && next.difference(there).is_none()
                    };
                    if !targets.iter().any(is_made) {
                        return Err(Mismatch::Extra { step: transition.name, who });
                    }
                }
            }
        }
        Ok(())
    }

    /// Whose step an action may be in the relation: the hardware acts for whoever owns the descriptor.
    fn submitters(&self, action: &Action) -> std::ops::Range<i64> {
        match *action {
            Action::Call { t, .. } | Action::Driver { t, .. } => i64::from(t)..i64::from(t) + 1,
            Action::Hardware(HwStep::Fetch) => 0..1,
            Action::Hardware(_) => 0..self.ring.cfg().submitters as i64,
        }
    }

    fn count(&self, action: &Action) -> i64 {
        match action {
            Action::Call { request, .. } => self.ring.requests()[usize::from(*request)].count().into(),
            _ => 0,
        }
    }
}

/// Whether a transition has the name of a label.
fn is_step(transition: &Transition, label: &Label) -> bool {
    match (transition.label, label) {
        (Label::Call(_), Label::Call(_)) => true,
        (Label::Driver(step, _), Label::Driver(other, _)) => step == *other,
        (hardware, other) => hardware == *other,
    }
}
