//! What becomes of calls when the ring is left to itself.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use stateright_temporal::graph::{Edge, Graph, StateId};
use stateright_temporal::liveness::{Checker, Condition, LivenessVerdict};
use vtd_qi::campaign::hangs::HangKind;
use vtd_qi::impl_qi::{Fsts, Label, Pc, SlotFairness, Status};

use crate::model::{SmallRing, SmallState, is_active};

/// What becomes of calls when the ring is left to itself.
pub(crate) struct Fates<'a, const F: usize> {
    ring: &'a SmallRing<F>,
    graph: &'a Graph<SmallState<F>, Label>,
    /// For each submitter, which states lead to its return.
    returns: Vec<Vec<bool>>,
    drops_lock: Vec<bool>,
    numbers: HashMap<SmallState<F>, StateId>,
}

impl<'a, const F: usize> Fates<'a, F> {
    pub(crate) fn new(ring: &'a SmallRing<F>, graph: &'a Graph<SmallState<F>, Label>) -> Self {
        let submitters = 0..ring.cfg().submitters;
        let returns = submitters.map(|t| graph.leading_to(|id| !is_active(&graph.state(id).call(t)))).collect();
        let drops_lock = graph.leading_to(|id| graph.state(id).lock_holder().is_none());
        let numbers = graph.initial().iter().map(|&id| (*graph.state(id), id)).collect();
        Fates { ring, graph, returns, drops_lock, numbers }
    }

    /// How some call hangs; `None` if each can return.
    pub(crate) fn of(&self, state: &SmallState<F>) -> Option<HangKind> {
        let id = self.numbers[&self.ring.canonical(state)];
        let hung: Vec<usize> = (0..self.returns.len()).filter(|&t| !self.returns[t][id as usize]).collect();
        if hung.is_empty() {
            return None;
        }
        if !self.drops_lock[id as usize] {
            let holder = state.lock_holder().unwrap_or(hung[0]);
            let walks = matches!(
                state.call(holder).pc,
                Pc::Walk | Pc::WalkAbort | Pc::ClearIte | Pc::IteIqt | Pc::IteIqh | Pc::ReadIqer
            );
            return Some(if walks { HangKind::EndlessWalk } else { HangKind::LockKept });
        }
        let end = self.far_from(id);
        let late = self.graph.state(end);
        let waits_for = |t: usize, status: Status| {
            let call = late.call(t);
            self.ring.waiting(late, t) && late.status(self.ring.wait_index(&call)) == status
        };
        let retries = || self.reachable(end).iter().any(|&id| self.graph.edges(id).any(|edge| self.is_time_out(edge)));
        Some(match () {
            () if !self.drops_lock[end as usize] => HangKind::EndlessWalk,
            () if late.fsts().has(Fsts::IQE) => HangKind::UnclaimedIqe,
            () if retries() => HangKind::EndlessRetry,
            () if hung.iter().any(|&t| waits_for(t, Status::Free)) => HangKind::LostDone,
            () if hung.iter().any(|&t| self.ring.waiting(late, t)) => HangKind::MissedWd,
            () => HangKind::NoRoom,
        })
    }

    /// Whether a state lasts: every state that can follow leads back to it, up to rotation of the ring.
    pub(crate) fn lasts(&self, state: &SmallState<F>) -> bool {
        let id = self.numbers[&self.ring.canonical(state)];
        let leads_back = self.graph.leading_to(|other| other == id);
        self.reachable(id).into_iter().all(|after| leads_back[after as usize])
    }

    /// A state from which some fair run never brings a call to its end, though others do, and how it hangs.
    ///
    /// # Errors
    /// Why that is not known.
    pub(crate) fn may_hang(&self, cancel: Option<&AtomicBool>) -> Result<Option<(SmallState<F>, HangKind)>, String> {
        let borne = self.graph.labels();
        let mut fairness = self.ring.fairness(SlotFairness::Unfair, borne);
        // Who does nothing any more has no steps to be fair to.
        fairness.retain(|fair| match &fair.condition {
            Condition::Weak(labels) | Condition::Strong(labels) => labels.iter().any(|label| borne.contains(label)),
            Condition::Streett { .. } => true,
        });
        let checker = Checker::new(self.graph, &fairness).map_err(|error| error.to_string())?;
        for t in 0..self.ring.cfg().submitters {
            let verdict = checker.check(&self.ring.returned(t), cancel).map_err(|error| error.to_string())?;
            if let LivenessVerdict::Violated(lasso) = verdict {
                let retries = lasso.cycle.iter().any(|edge| self.is_time_out(*edge));
                let hang = if retries { HangKind::EndlessRetry } else { HangKind::MissedWd };
                return Ok(Some((*self.graph.state(lasso.start), hang)));
            }
        }
        Ok(None)
    }

    fn is_time_out(&self, edge: Edge) -> bool {
        self.graph.labels()[edge.label as usize] == Label::TimeOut
    }

    /// The states that can follow, in the order in which they are found.
    fn reachable(&self, from: StateId) -> Vec<StateId> {
        let mut known = vec![false; self.graph.len()];
        let mut found = vec![from];
        known[from as usize] = true;
        let mut at = 0;
        while at < found.len() {
            for edge in self.graph.edges(found[at]) {
                if !std::mem::replace(&mut known[edge.target as usize], true) {
                    found.push(edge.target);
                }
            }
            at += 1;
        }
        found
    }

    /// A state that lies as far ahead as any.
    fn far_from(&self, from: StateId) -> StateId {
        self.reachable(from).last().copied().unwrap_or(from)
    }
}
