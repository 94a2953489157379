//! The specification, followed step by step.

use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use stateright::Model;

use super::SpecSteps;
use super::runs::{LogRing, LogState};
use vtd_qi::refine::spec_cfg;
use vtd_qi::refine::{Mapping, RingToSpec};
use vtd_qi::spec::{self, CallFault, Loss, Spec, SpecLabel, View};

/// So many states of the specification are kept with what they lead to.
const KEPT: usize = 5_000;

/// The specification, expanded where a run leads.
#[derive(Clone)]
pub(super) struct Abstraction {
    spec: Arc<Spec>,
    successors: HashMap<View, Arc<[(SpecLabel, View)]>, FxBuildHasher>,
}

/// What the specification makes of a step of the ring.
pub(super) enum Followed {
    /// It takes these steps in all so far.
    Steps(SpecSteps),
    /// It has no such step.
    Refused { from: String, to: String },
}

impl Abstraction {
    pub fn new(ring: &LogRing) -> Self {
        let spec = spec_cfg(ring.cfg(), Loss::None).into_model().expect("what makes a ring makes a specification");
        Abstraction { spec: Arc::new(spec), successors: HashMap::default() }
    }

    /// The steps that the specification has taken after a step of the ring.
    pub fn follow(&mut self, ring: &LogRing, from: &LogState, to: &LogState, steps: SpecSteps) -> Followed {
        let mapping = RingToSpec::sharing(ring, self.spec.clone());
        let (before, after) = (mapping.view(from), mapping.view(to));
        if before == after {
            return Followed::Steps(steps);
        }
        let taken = self.successors(&before).iter().find(|(_, view)| *view == after).map(|(label, _)| *label);
        match taken {
            Some(SpecLabel::Abort) => {
                Followed::Steps(SpecSteps { abort: steps.abort + dropped(&before, &after), ..steps })
            }
            Some(label) => Followed::Steps(steps.with(label)),
            None => Followed::Refused { from: before.to_string(), to: after.to_string() },
        }
    }

    fn successors(&mut self, of: &View) -> Arc<[(SpecLabel, View)]> {
        if let Some(known) = self.successors.get(of) {
            return known.clone();
        }
        if self.successors.len() == KEPT {
            self.successors.clear();
        }
        let next = self.spec.next_steps(&self.spec.state_of(of)).into_iter();
        let next: Arc<[_]> = next.map(|(action, next)| (spec::label(&action), spec::view(&next))).collect();
        self.successors.insert(*of, next.clone());
        next
    }
}

/// How many batches an `Abort` drops.
fn dropped(before: &View, after: &View) -> u64 {
    let aborted = |view: &View| view.calls.iter().filter(|call| call.fault == Some(CallFault::Aborted)).count();
    (aborted(after) as u64).saturating_sub(aborted(before) as u64)
}
