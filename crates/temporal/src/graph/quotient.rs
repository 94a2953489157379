//! Whether a canonical form is what [`Search::canonical`](super::Search::canonical) demands, asked of a sample.

use std::fmt::Debug;

use stateright::{Expectation, Model};
use thiserror::Error;

use super::{Canonical, StateId};

/// Why a [`Graph`](super::Graph) does not represent its model. States and labels are shown as `Debug` shows them.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuotientFault {
    /// The model has more labels than can be numbered.
    #[error("{} labels occur, at most {limit} can be numbered", limit + 1)]
    TooManyLabels {
        /// The greatest number of labels.
        limit: usize,
    },
    /// The canonical form of a canonical form is yet another state.
    #[error("the canonical form of {state} is {representative}, which has a canonical form of its own, {again}")]
    NotIdempotent {
        /// A state of the model.
        state: String,
        /// Its canonical form.
        representative: String,
        /// The canonical form of that.
        again: String,
    },
    /// Only one of a state and its canonical form can take this step. Steps are compared by label, by whether they
    /// change the state, and by the canonical form of the state they lead to.
    #[error(
        "{state} and its canonical form {representative} should have the same steps, but only {} has a step {label} \
         to {target}",
        if *of_state { "the state" } else { "the canonical form" }
    )]
    OtherSteps {
        /// A state of the model.
        state: String,
        /// Its canonical form.
        representative: String,
        /// The label of the step.
        label: String,
        /// Where the step leads to, in canonical form; or that it leads out of the boundary, or changes nothing.
        target: String,
        /// Whether it is the state that can take the step; otherwise its canonical form can.
        of_state: bool,
    },
    /// One of the model's own properties is true of only one of a state and its canonical form.
    #[error(
        "{state} and its canonical form {representative} should have the same properties, but {property} tells them \
         apart"
    )]
    OtherProperty {
        /// A state of the model.
        state: String,
        /// Its canonical form.
        representative: String,
        /// The property.
        property: &'static str,
    },
}

/// Every step of the states with a number below this one is looked at.
const FIRST: StateId = 256;
/// Of the other states, one in so many is chosen, and every step of it is looked at.
const ONE_IN: u32 = 256;
/// How many of the states that were looked at are kept, for the predicates that are asked about the graph later on.
pub(super) const KEPT: usize = 4096;

/// Whether the states that the steps of this one lead to are looked at.
pub(super) fn is_sampled(source: StateId) -> bool {
    // Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): a multiple of some number may well be a
    // pattern of the model.
    source < FIRST || source.wrapping_mul(0x9e37_79b1) < u32::MAX / ONE_IN
}

/// A canonical form, and how to show what is wrong with it.
pub(super) struct Quotient<'a, M: Model, L> {
    pub(super) canonical: Canonical<'a, M::State>,
    show_state: fn(&M::State) -> String,
    show_label: fn(&L) -> String,
}

impl<'a, M: Model, L> Quotient<'a, M, L>
where
    M::State: PartialEq,
    L: PartialEq,
{
    pub(super) fn new(canonical: Canonical<'a, M::State>) -> Self
    where
        M::State: Debug,
        L: Debug,
    {
        Quotient { canonical, show_state: |state| format!("{state:?}"), show_label: |label| format!("{label:?}") }
    }

    /// What tells a state from its representative, though nothing may.
    pub(super) fn fault(
        &self,
        model: &M,
        label: &dyn Fn(&M::Action) -> L,
        state: &M::State,
        representative: &M::State,
    ) -> Option<QuotientFault> {
        let shown = || ((self.show_state)(state), (self.show_state)(representative));
        let again = (self.canonical)(representative);
        if again != *representative {
            let (state, representative) = shown();
            return Some(QuotientFault::NotIdempotent { state, representative, again: (self.show_state)(&again) });
        }
        let tells_apart = model.properties().into_iter().find(|property| {
            property.expectation != Expectation::Eventually
                && (property.condition)(model, state) != (property.condition)(model, representative)
        });
        if let Some(property) = tells_apart {
            let (state, representative) = shown();
            return Some(QuotientFault::OtherProperty { state, representative, property: property.name });
        }
        let (ours, theirs) = (self.steps(model, label, state), self.steps(model, label, representative));
        let only = |some: &[Step<M, L>], others: &[Step<M, L>]| some.iter().position(|step| !others.contains(step));
        let (step, of_state) = match (only(&ours, &theirs), only(&theirs, &ours)) {
            (Some(at), _) => (&ours[at], true),
            (None, Some(at)) => (&theirs[at], false),
            (None, None) => return None,
        };
        let (label, changes, target) = step;
        let target = match target {
            None => "a state out of the boundary".to_string(),
            Some(_) if !changes => "itself".to_string(),
            Some(target) => (self.show_state)(target),
        };
        let (state, representative) = shown();
        Some(QuotientFault::OtherSteps { state, representative, label: (self.show_label)(label), target, of_state })
    }

    /// The steps of a state as a graph has them.
    fn steps(&self, model: &M, label: &dyn Fn(&M::Action) -> L, state: &M::State) -> Vec<Step<M, L>> {
        let mut actions = Vec::new();
        model.actions(state, &mut actions);
        let step = |action| {
            let label = label(&action);
            let next = model.next_state(state, action)?;
            let changes = next != *state;
            Some((label, changes, model.within_boundary(&next).then(|| (self.canonical)(&next))))
        };
        actions.into_iter().filter_map(step).collect()
    }
}

/// The label, whether the state changes, and the canonical form of the state after; none if that is out of the
/// boundary.
type Step<M, L> = (L, bool, Option<<M as Model>::State>);
