//! The specification, followed step by step.

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use stateright::Model;

use super::{Reason, SpecSteps};
use vtd_qi::impl_qi::{Ring, State};
use vtd_qi::refine::{Mapping, RingToSpec};
use vtd_qi::spec::{self, CallFault, Loss, SpecLabel, View};

/// The specification, expanded where a run leads.
pub(super) struct Abstraction<'a, const N: usize, const T: usize, const F: usize> {
    mapping: RingToSpec<'a, N, T, F>,
    successors: HashMap<View, Vec<(SpecLabel, View)>, FxBuildHasher>,
    /// The last step that the specification could not follow.
    pub refused: Option<Reason>,
}

impl<'a, const N: usize, const T: usize, const F: usize> Abstraction<'a, N, T, F> {
    pub fn new(ring: &'a Ring<N, T, F>) -> Self {
        let mapping = RingToSpec::new(ring, Loss::None).expect("what makes a ring makes a specification");
        Abstraction { mapping, successors: HashMap::default(), refused: None }
    }

    /// The steps that the specification has taken after a step of the ring; `None` if it cannot follow.
    pub fn follow(&mut self, from: &State<N, T, F>, to: &State<N, T, F>, steps: SpecSteps) -> Option<SpecSteps> {
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
        taken.map(|(label, _)| match label {
            SpecLabel::Abort => SpecSteps { abort: steps.abort + dropped(&before, &after), ..steps },
            label => steps.with(*label),
        })
    }
}

/// How many batches an `Abort` drops.
fn dropped(before: &View, after: &View) -> u64 {
    let aborted = |view: &View| view.calls.iter().filter(|call| call.fault == Some(CallFault::Aborted)).count();
    (aborted(after) - aborted(before)) as u64
}
