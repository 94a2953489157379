//! The refinement mapping: which specification state a ring state stands for.
//!
//! | the specification's step | the ring's step |
//! | --- | --- |
//! | `Submit(t)` | t's IQT write |
//! | `Accept(t)` | fetch of the first descriptor of t's batch |
//! | `Execute(t)` | execution of an ID of t's batch |
//! | `Complete(t)` | the status write of t's WD |
//! | `Observe(t)` | t's poll that sees DONE |
//! | `Lose(t)` | the step after which the DONE written for t is gone and t has not seen it |
//!
//! All other steps stutter. The mapping reads the ring, the submitters' local variables and the ghosts.

use stateright::Model;

use super::{AbstractFairness, Mapping, Strength};
use crate::impl_qi::{Call, Desc, Ring, RingCfg, State, Status};
use crate::spec::{self, Batch, Loss, Spec, SpecCfg, SpecError, Submitter, View};

/// The ring as an implementation of the [`Spec`] with the same submitters and counts.
#[derive(Clone)]
pub struct RingToSpec<'a, const N: usize, const T: usize, const F: usize> {
    ring: &'a Ring<N, T, F>,
    spec: Spec,
}

impl<'a, const N: usize, const T: usize, const F: usize> RingToSpec<'a, N, T, F> {
    /// The mapping to the specification that may lose what `loss` says.
    ///
    /// # Errors
    /// [`SpecError`] if the specification cannot be built for this many submitters or these counts.
    pub fn new(ring: &'a Ring<N, T, F>, loss: Loss) -> Result<Self, SpecError> {
        Ok(RingToSpec { ring, spec: spec_cfg(ring.cfg(), loss).into_model()? })
    }

    /// The specification.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The fairness conditions of the specification, submitter by submitter, for [`super::check_fairness`].
    pub fn fairness(&self) -> impl Iterator<Item = AbstractFairness<spec::Label>> {
        let weakly_fair = self.spec.weakly_fair().into_iter();
        weakly_fair.map(|(name, label)| AbstractFairness { name, strength: Strength::Weak, labels: vec![label] })
    }

    /// Those of them that are about submitter `t`.
    pub fn fairness_of(&self, t: usize) -> impl Iterator<Item = AbstractFairness<spec::Label>> {
        self.fairness()
            .filter(move |condition| condition.labels.iter().all(|label| usize::from(label.submitter()) == t))
    }

    fn call(&self, state: &State<N, T, F>, t: usize, call: &Call) -> spec::Call {
        if !self.ring.waiting(state, t) {
            return spec::Call::default();
        }
        let (all, left) = (call.slots(), self.unfetched(state, t, call));
        let slot = self.ring.wait_index(call);
        let done = state.status(slot) == Status::Done && state.ghost().done_by(slot).is(t);
        spec::Call {
            submitter: Submitter::Waiting(call.count),
            submit: (left == all).then_some(call.count),
            done: done.then(|| state.ghost().executed(t)),
        }
    }

    /// How many descriptors of a posted batch still lie in the ring.
    fn unfetched(&self, state: &State<N, T, F>, t: usize, call: &Call) -> u16 {
        let ring = self.ring.length();
        (0..call.slots()).filter(|&k| state.ghost().posted_by(ring.add(call.index, k)).is(t)).count() as u16
    }
}

/// The specification that a ring is to refine.
pub fn spec_cfg(ring: &RingCfg, loss: Loss) -> SpecCfg {
    SpecCfg { submitters: ring.submitters, counts: ring.counts.clone(), loss }
}

impl<const N: usize, const T: usize, const F: usize> Mapping for RingToSpec<'_, N, T, F> {
    type Concrete = State<N, T, F>;
    type Abstract = Spec;
    type View = View;
    type Label = spec::Label;

    fn target(&self) -> &Spec {
        &self.spec
    }

    fn label(&self, action: &<Spec as Model>::Action) -> spec::Label {
        spec::label(action)
    }

    fn view(&self, state: &State<N, T, F>) -> View {
        let submitters = self.ring.cfg().submitters;
        let mut view = View::new(submitters);
        let batch = |t: usize, call: &Call| {
            let executed = state.ghost().executed(t);
            Batch { submitter: t as u8, executed, left: call.count.saturating_sub(executed) }
        };
        for t in 0..submitters {
            view.calls[t] = self.call(state, t, &state.call(t));
        }
        // Batches are fetched one after the other: those whose WD hardware holds come first, in the order in which it
        // holds them, then the one whose WD is still in the ring.
        for (desc, owner) in state.pending() {
            if let (Desc::Wd { .. }, crate::impl_qi::Owner::Submitter(t)) = (desc, owner) {
                view.queue.push(batch(t.into(), &state.call(t.into())));
            }
        }
        for t in 0..submitters {
            let call = state.call(t);
            if self.ring.waiting(state, t)
                && state.ghost().posted_by(self.ring.wait_index(&call)).is(t)
                && self.unfetched(state, t, &call) < call.slots()
            {
                view.queue.push(batch(t, &call));
            }
        }
        view
    }

    fn state(&self, view: &View) -> spec::State {
        self.spec.state_of(view)
    }
}
