//! Each hidden step of the ring by itself: [`Grain::Steps`](super::Grain::Steps).

use stateright::Model;

use super::tracker::{Run, Tracker};
use vtd_qi::impl_qi::{Action, HwStep, Step};

impl<const N: usize, const T: usize, const F: usize> Tracker<'_, N, T, F> {
    /// Every step that no line shows; a call with as many IDs as its IQT write to come will bring.
    pub(super) fn hidden_steps(&mut self, run: Run<N, T, F>, next: &mut Vec<Run<N, T, F>>) {
        let mut actions = std::mem::take(&mut self.actions);
        actions.clear();
        self.ring.actions(&run.0, &mut actions);
        let lost: Vec<u8> = if F > 0 { self.unanswered_at(&run.0).collect() } else { Vec::new() };
        for &action in &actions {
            let hidden = match action {
                Action::Call { t, request } => {
                    let to_come = self.posts[usize::from(t)].last();
                    to_come.is_some_and(|&number| self.plan.posts[number].request == Some(request))
                }
                Action::Driver { step, .. } => !matches!(step, Step::WriteIqt | Step::ClearIte),
                Action::Hardware(HwStep::Execute { position }) => !lost.contains(&position),
                Action::Hardware(_) => false,
            };
            if hidden {
                next.extend(self.step(run, action));
            }
        }
        self.actions = actions;
    }
}
