//! Each hidden step of the ring by itself: [`Grain::Steps`](super::Grain::Steps).

use super::runs::Run;
use super::tracker::Tracker;
use vtd_qi::impl_qi::{Action, MAX_SUBMITTERS, Pc, Request, Step};

impl Tracker {
    /// Every step that no line shows; a call with as many IDs as its IQT write to come will bring. An ID executes at once.
    pub(super) fn hidden_steps(&mut self, run: &Run, next: &mut Vec<Run>) {
        for t in 0..MAX_SUBMITTERS as u8 {
            let pc = run.call(t).pc;
            if pc == Pc::Idle {
                let Some(&ids) = self.to_come.get(usize::from(t)).and_then(|posts| posts.front()) else { continue };
                let asks = |request: &Request| request.count() == ids && request.faults() == 0;
                if let Some(request) = self.ring.requests().iter().position(asks) {
                    next.extend(self.step(run, Action::Call { t, request: request as u8 }));
                }
                continue;
            }
            let step = pc.step(&self.ring.cfg().rules);
            if step.is_some_and(|step| !matches!(step, Step::WriteIqt | Step::ClearIte | Step::ClearIqe)) {
                next.extend(self.driver(run, t));
            }
        }
    }
}
