//! Where the invariant breaks on the ring itself: the proof that fails, as a run.

use std::fmt::Write;

use stateright_temporal::graph::{Limits, Search};
use vtd_qi::impl_qi::{Action, Label, Pc, Status};

use super::{Link, Mismatch, NOBODY, Unrolled};
use crate::obligation::Obligation;
use crate::relation::{BROUGHT, WHO};
use crate::term::{Evaluation, Valuation};
use crate::vars::{ID, StateVar, WD};

/// A shortest run of the ring to a step that breaks the invariant.
#[derive(Clone, Debug)]
pub struct BreakingRun {
    /// The steps of the run, the last of them the one that breaks the invariant.
    pub run: Vec<String>,
    /// The name of that step in the relation.
    pub step: &'static str,
    /// Whose step it is.
    pub who: i64,
    /// The conjuncts that do not hold behind it.
    pub broken: Vec<&'static str>,
    /// The state before it.
    pub before: Unrolled,
    /// The state behind it.
    pub after: Unrolled,
}

impl BreakingRun {
    /// Whether it refutes an obligation: the step is the obligation's, and what is to hold does not.
    pub fn refutes(&self, obligation: &Obligation) -> bool {
        let bound = vec![(WHO, self.who), (BROUGHT, 0)];
        let mut given = Evaluation { before: &self.before, after: &self.after, bound };
        obligation.step == self.step && obligation.transition.is_some() && obligation.goal.value(&mut given) == 0
    }
}

impl<const N: usize, const T: usize> Link<'_, N, T> {
    /// The first step of the ring that breaks the invariant, level by level; `None` if none does.
    ///
    /// States behind a broken one are not looked at. Every step on the way is one of the relation.
    ///
    /// # Errors
    /// A [`Mismatch`] of another kind.
    ///
    /// # Panics
    /// If the ring has more states than a search can number.
    pub fn breach(&self) -> Result<Option<BreakingRun>, Mismatch> {
        let graph = Search::new(self.ring, Action::label).limits(Limits::default()).run();
        let mut is_sound = vec![false; graph.len()];
        graph.initial().iter().for_each(|&id| is_sound[id as usize] = true);
        for id in graph.ids() {
            if !is_sound[id as usize] {
                continue;
            }
            let here = self.state(graph.state(id))?;
            for edge in graph.edges(id) {
                let target = graph.state(edge.target);
                let after = self.reached(graph.state(id), &here, target)?;
                let broken: Vec<_> = self.broken(&after).collect();
                if broken.is_empty() {
                    is_sound[edge.target as usize] = true;
                    continue;
                }
                let label = graph.labels()[edge.label as usize];
                let step = self.relation.transitions.iter().find(|transition| super::is_step(transition, &label));
                let labels =
                    graph.path_to(id).into_iter().chain([edge]).map(|edge| graph.labels()[edge.label as usize]);
                let run = labels.map(|label| label.to_string()).collect();
                let step = step.map_or("none", |transition| transition.name);
                let who = match label {
                    Label::Call(t) | Label::Driver(_, t) => t.into(),
                    _ => 0,
                };
                return Ok(Some(BreakingRun { run, step, who, broken, before: here, after }));
            }
        }
        Ok(None)
    }
}

/// A state drawn as a ring: a column for each slot from `free_tail` on, and who stands where.
pub fn drawn(state: &Unrolled) -> String {
    let get = |var| state.get(var, 0);
    let [tail, length] = [get(StateVar::Tail), get(StateVar::Length)];
    let slots: Vec<i64> = (0..length).collect();
    // Positions are named by slot, in the order of the array.
    let position = |slot: i64| tail + (slot - tail).rem_euclid(length);
    let row = |name: &str, cell: &dyn Fn(i64) -> String| {
        let cells: String = slots.iter().map(|&slot| format!("{:<9}", cell(position(slot)))).collect();
        format!("{name:<11}{}\n", cells.trim_end())
    };
    let owner = |p: i64| match state.get(StateVar::Owner, p) {
        NOBODY => String::new(),
        t => format!(" T{}", t + 1),
    };
    let mut text = row("slot", &|p| p.rem_euclid(length).to_string());
    text += &row("status", &|p| {
        let names = [Status::Free, Status::InUse, Status::Done, Status::Abort].map(Status::name);
        names[state.get(StateVar::Status, p) as usize].trim_start_matches("QI_").to_string()
    });
    text += &row("descriptor", &|p| match state.get(StateVar::Desc, p) {
        ID => format!("ID{}", owner(p)),
        WD => format!("WD{}", owner(p)),
        _ => "-".to_string(),
    });
    for (name, var) in [("free_tail", StateVar::Tail), ("free_head", StateVar::Head), ("IQH", StateVar::Iqh)] {
        let _ = writeln!(text, "{name:<11}slot {}", get(var).rem_euclid(length));
    }
    let (_, submitters) = state.range(crate::vars::Sort::Submitter);
    for t in 0..submitters {
        let pc = Pc::ALL[state.get(StateVar::Pc, t) as usize];
        let wd = (state.get(StateVar::Index, t) + state.get(StateVar::Count, t)).rem_euclid(length);
        let at =
            if (Pc::Poll..=Pc::PollAcquire).contains(&pc) { format!(", waits for slot {wd}") } else { String::new() };
        let _ = writeln!(text, "T{:<10}{pc:?}{at}", t + 1);
    }
    text
}
