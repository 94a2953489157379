//! What a state stands for in the specification, by the mapping of [`crate::refinement`].

use vtd_qi::spec::{Batch, SpecCall, Submitter, View};

use super::Unrolled;
use crate::refinement::{ACCEPTED, DONE, IDLE, SENT, phase};
use crate::term::{Evaluation, Term, Valuation};
use crate::vars::{Sort, StateVar};

impl Unrolled {
    /// The state of the specification, in the model's own words.
    pub fn view(&self) -> View {
        let (_, submitters) = self.range(Sort::Submitter);
        let mut view = View::new(submitters as usize);
        let mut queue = Vec::new();
        let phase = phase(&Term::Bound('u'));
        for t in 0..submitters {
            let get = |var| self.get(var, t) as u8;
            let (count, executed) = (get(StateVar::Count), get(StateVar::Executed));
            let at = phase.value(&mut Evaluation { before: self, after: self, bound: vec![('u', t)] });
            if at == IDLE {
                continue;
            }
            view.calls[t as usize] = SpecCall {
                submitter: Submitter::Waiting(count),
                submit: (at == SENT).then_some(count),
                done: (at == DONE).then_some(executed),
                fault: None,
            };
            if at == ACCEPTED {
                let batch = Batch { submitter: t as u8, executed, left: count.saturating_sub(executed) };
                queue.push((self.get(StateVar::Index, t), batch));
            }
        }
        queue.sort_unstable_by_key(|(index, _)| *index);
        queue.into_iter().for_each(|(_, batch)| view.queue.push(batch));
        view
    }
}
