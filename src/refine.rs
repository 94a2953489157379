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
//! Where faults occur:
//!
//! | the specification's step | the ring's step |
//! | --- | --- |
//! | `Accept(t)` | also: IQE is set at the first descriptor of t's batch |
//! | `Abort` | the ITE that drops pending WDs, or a status write of `QI_ABORT` |
//! | `Again(t)` | t's fault check sees `QI_ABORT`, or that its device is the one that timed out |
//! | `Repost(t)` | t's next IQT write for the same call |
//! | `Refuse(t)` | t clears an IQE that it has found to be its own |
//! | `Fail(t)` | t returns `-EINVAL`, returns `-ETIMEDOUT` after an ITE, or decides to return it when it is about to post again |
//!
//! All other steps stutter (they change nothing in the specification). The mapping reads the ring, the submitters' local variables
//! and the ghosts. Once a batch is refused, what becomes of its descriptors does not matter: the call will fail whatever they do.
//! Only IDs of the latest post count as executed: IDs left over from an earlier post are not counted for the current one.

use std::sync::Arc;

use stateright::Model;

pub use stateright_temporal::refinement::{
    AbstractFairness, FairnessError, Mapping, StepVerdict, Steps, Strength, check_fairness, check_steps,
};

use crate::impl_qi::{Call, Desc, Fsts, Outcome, Owner, Pc, Ring, RingCfg, State, Status};
use crate::spec::{self, Batch, CallFault, Loss, Spec, SpecCfg, SpecError, SpecFaults, Submitter, View};

/// The ring as an implementation of the [`Spec`] with the same submitters and counts.
#[derive(Clone)]
pub struct RingToSpec<'a, const N: usize, const T: usize, const F: usize> {
    ring: &'a Ring<N, T, F>,
    spec: Arc<Spec>,
}

impl<'a, const N: usize, const T: usize, const F: usize> RingToSpec<'a, N, T, F> {
    /// The mapping to the specification that may lose what `loss` says.
    ///
    /// # Errors
    /// [`SpecError`] if the specification cannot be built for this many submitters or these counts.
    pub fn new(ring: &'a Ring<N, T, F>, loss: Loss) -> Result<Self, SpecError> {
        Ok(RingToSpec { ring, spec: Arc::new(spec_cfg(ring.cfg(), loss).into_model()?) })
    }

    /// The same with a specification that has been built before, of the configuration that [`spec_cfg`] says.
    pub fn sharing(ring: &'a Ring<N, T, F>, spec: Arc<Spec>) -> Self {
        RingToSpec { ring, spec }
    }

    /// The specification.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The fairness conditions of the specification, submitter by submitter, for [`check_fairness`].
    pub fn fairness(&self) -> impl Iterator<Item = AbstractFairness<spec::SpecLabel>> {
        let weakly_fair = self.spec.weakly_fair().into_iter();
        weakly_fair.map(|(name, label)| AbstractFairness { name, strength: Strength::Weak, labels: vec![label] })
    }

    /// The conditions that are about submitter `t`.
    pub fn fairness_of(&self, t: usize) -> impl Iterator<Item = AbstractFairness<spec::SpecLabel>> {
        self.fairness().filter(move |condition| condition.labels.iter().all(|label| label.submitter() == Some(t as u8)))
    }

    /// A submitter and its messages; `queued` says whether hardware has its batch.
    fn call(&self, state: &State<N, T, F>, t: usize, call: &Call, queued: bool) -> spec::SpecCall {
        let waiting = spec::SpecCall { submitter: Submitter::Waiting(call.count), ..spec::SpecCall::default() };
        if call.outcome == Outcome::Invalid {
            return spec::SpecCall { fault: Some(CallFault::Refused), ..waiting };
        }
        if !self.ring.waiting(state, t) {
            let aborted = call.outcome == Outcome::Again
                || call.outcome == Outcome::TimedOut && call.pc != Pc::GiveUp
                || call.outcome == Outcome::Success && state.ghost().is_reposting(t);
            let submitter = if aborted { Submitter::Aborted(call.count) } else { Submitter::Idle };
            return spec::SpecCall { submitter, ..spec::SpecCall::default() };
        }
        let slot = self.ring.wait_index(call);
        let done = state.status(slot) == Status::Done && state.ghost().done_by(slot).is(t);
        let submit = !self.is_begun(state, t, call);
        let lost = !done && !submit && !queued && self.spec.cfg().faults == SpecFaults::Possible;
        spec::SpecCall {
            submit: submit.then_some(call.count),
            done: done.then(|| executed(state, t)),
            fault: lost.then_some(CallFault::Aborted),
            ..waiting
        }
    }

    /// Whether hardware has looked at the first descriptor of a posted batch.
    fn is_begun(&self, state: &State<N, T, F>, t: usize, call: &Call) -> bool {
        let refused =
            state.fsts().has(Fsts::IQE) && state.iqh() == call.index && state.ghost().posted_by(call.index).is(t);
        refused || self.unfetched(state, t, call) < call.slots()
    }

    /// How many descriptors of a posted batch still lie in the ring.
    fn unfetched(&self, state: &State<N, T, F>, t: usize, call: &Call) -> u16 {
        let ring = self.ring.length();
        (0..call.slots()).filter(|&k| state.ghost().posted_by(ring.add(call.index, k)).is(t)).count() as u16
    }
}

/// How many IDs of t's batch, as last posted, were executed.
fn executed<const N: usize, const T: usize, const F: usize>(state: &State<N, T, F>, t: usize) -> u8 {
    match F {
        0 => state.ghost().executed(t),
        _ => state.ghost().executed_ids_since_post(t).count_ones() as u8,
    }
}

/// The specification that a ring is to refine.
pub fn spec_cfg(ring: &RingCfg, loss: Loss) -> SpecCfg {
    let faults = if ring.faults.is_none() { SpecFaults::None } else { SpecFaults::Possible };
    SpecCfg { submitters: ring.submitters, counts: ring.counts.clone(), loss, faults }
}

impl<const N: usize, const T: usize, const F: usize> Mapping for RingToSpec<'_, N, T, F> {
    type Concrete = State<N, T, F>;
    type Abstract = Spec;
    type View = View;
    type Label = spec::SpecLabel;

    fn target(&self) -> &Spec {
        &self.spec
    }

    fn label(&self, action: &<Spec as Model>::Action) -> spec::SpecLabel {
        spec::label(action)
    }

    fn view(&self, state: &State<N, T, F>) -> View {
        let submitters = self.ring.cfg().submitters;
        let mut view = View::new(submitters);
        let batch = |t: usize, call: &Call| {
            let executed = executed(state, t);
            Batch { submitter: t as u8, executed, left: call.count.saturating_sub(executed) }
        };
        let refused = |call: &Call| call.outcome == Outcome::Invalid;
        // Batches are fetched one after the other: those whose WD hardware holds come first, in the order in which it
        // holds them, then the one whose WD is still in the ring.
        for (desc, owner) in state.pending().filter(|(desc, _)| desc.ends_batch()) {
            if let (Desc::Wd { .. }, Owner::Submitter(t)) = (desc, owner) {
                let call = state.call(t.into());
                if !refused(&call) {
                    view.queue.push(batch(t.into(), &call));
                }
            }
        }
        for t in 0..submitters {
            let call = state.call(t);
            if self.ring.waiting(state, t)
                && !refused(&call)
                && state.ghost().posted_by(self.ring.wait_index(&call)).is(t)
                && self.is_begun(state, t, &call)
            {
                view.queue.push(batch(t, &call));
            }
        }
        for t in 0..submitters {
            let queued = view.queue.iter().any(|batch| usize::from(batch.submitter) == t);
            view.calls[t] = self.call(state, t, &state.call(t), queued);
        }
        view
    }

    fn state(&self, view: &View) -> spec::SpecState {
        self.spec.state_of(view)
    }
}
