//! The specification, followed step by step, and past what it does not know: a batch that is aborted and posted again.

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use stateright::Model;

use super::{Reason, SpecSteps};
use crate::impl_qi::{Action, Desc, HwStep, Ring, State, Step, WdData};
use crate::refine::{Mapping, RingToSpec};
use crate::spec::{self, Label, Loss, View};

/// The specification, expanded where a run leads.
pub(super) struct Abstraction<'a, const N: usize, const T: usize, const F: usize> {
    mapping: RingToSpec<'a, N, T, F>,
    successors: HashMap<View, Vec<(Label, View)>, FxBuildHasher>,
    /// The last step that the specification could not follow.
    pub refused: Option<Reason>,
}

impl<'a, const N: usize, const T: usize, const F: usize> Abstraction<'a, N, T, F> {
    pub fn new(ring: &'a Ring<N, T, F>) -> Self {
        let mapping = RingToSpec::new(ring, Loss::None).expect("what makes a ring makes a specification");
        Abstraction { mapping, successors: HashMap::default(), refused: None }
    }

    /// The steps that the specification has taken after a step of the ring; `None` if it cannot follow.
    pub fn follow(
        &mut self,
        from: &State<N, T, F>,
        action: Action,
        to: &State<N, T, F>,
        steps: SpecSteps,
    ) -> Option<SpecSteps> {
        let (before, after) = (self.view(from), self.view(to));
        if before == after {
            return Some(steps);
        }
        if let Some(aborted) = aborted(from, action, &before, &after) {
            return Some(SpecSteps { aborted: steps.aborted + aborted, ..steps });
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
        taken.map(|(label, _)| steps.with(*label))
    }

    /// What a state stands for. Each post of a batch is taken for a call: an ID counts only if it was executed since.
    fn view(&self, state: &State<N, T, F>) -> View {
        let mut view = self.mapping.view(state);
        if F > 0 {
            let executed = |t: usize| state.ghost().executed_ids_since_post(t).count_ones() as u8;
            for (t, call) in view.calls.iter_mut().enumerate() {
                call.done = call.done.map(|_| executed(t));
            }
            for batch in view.queue.iter_mut() {
                let t = usize::from(batch.submitter);
                batch.executed = executed(t);
                batch.left = state.call(t).count.saturating_sub(batch.executed);
            }
        }
        view
    }
}

/// How many batches end without a Done, if the step is one that the specification does not know: an ITE takes batches away
/// and changes nothing else, as does the status write of a WD that says ABORT (g5plus); and the caller of one that was taken
/// away stops waiting, in order to post again.
fn aborted<const N: usize, const T: usize, const F: usize>(
    from: &State<N, T, F>,
    action: Action,
    before: &View,
    after: &View,
) -> Option<u64> {
    let says_abort = || matches!(from.pending().next(), Some((Desc::Wd { data: WdData::Abort, .. }, _)));
    match action {
        Action::Hardware(step)
            if matches!(step, HwStep::LoseAnswer { .. }) || step == HwStep::Complete && says_abort() =>
        {
            let mut rest = before.queue.iter();
            let only_less = after.queue.iter().all(|batch| rest.any(|other| other == batch));
            let taken = before.queue.len().checked_sub(after.queue.len())?;
            (only_less && after.calls == before.calls).then_some(taken as u64)
        }
        Action::Driver { t, step: Step::CheckAbort } => {
            let t = usize::from(t);
            let nothing_left = before.calls[t].submit.is_none()
                && before.calls[t].done.is_none()
                && before.queue.iter().all(|batch| usize::from(batch.submitter) != t);
            let mut stopped = *before;
            stopped.calls[t] = spec::Call::default();
            (nothing_left && stopped == *after).then_some(0)
        }
        _ => None,
    }
}
