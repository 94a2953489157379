//! What a solver is asked: each question by the claim it belongs to, the step and the conjunct.

use crate::claims;
use crate::invariant::{Named, initial, invariant};
use crate::liveness::{fairness, liveness};
use crate::refinement::refinement;
use crate::relation::{Relation, Transition};
use crate::term::{Term, after};
use crate::window::modulo;

/// A question for a solver: the hypotheses and the step imply the goal.
#[derive(Clone, Debug)]
pub struct Obligation {
    /// The claim that it belongs to.
    pub claim: &'static str,
    /// The step, `initially` for the initial state, or what a claim that is about no step is about.
    pub step: &'static str,
    /// The conjunct of the invariant, or the claim itself.
    pub conjunct: &'static str,
    /// What may be assumed of the state before the step.
    pub hypotheses: Vec<Term>,
    /// The step, with its guard.
    pub transition: Option<Transition>,
    /// What is to follow.
    pub goal: Term,
}

/// The name of the claim that the invariant holds initially and after every step.
pub const INVARIANT: &str = "invariant";

/// The obligations of the invariant: each conjunct holds initially, and each step keeps each conjunct.
pub fn inductive(relation: &Relation) -> Vec<Obligation> {
    keeps(relation, &invariant(relation))
}

/// The same for any invariant.
pub fn keeps(relation: &Relation, conjuncts: &[Named]) -> Vec<Obligation> {
    let hypotheses: Vec<Term> = conjuncts.iter().map(|conjunct| conjunct.term.clone()).collect();
    let initially = conjuncts.iter().map(|conjunct| Obligation {
        claim: INVARIANT,
        step: "initially",
        conjunct: conjunct.name,
        hypotheses: vec![initial()],
        transition: None,
        goal: conjunct.term.clone(),
    });
    let kept = relation.transitions.iter().flat_map(|transition| {
        let hypotheses = &hypotheses;
        let is_assigned = |var| transition.updates.iter().any(|update| update.var == var);
        conjuncts.iter().map(move |conjunct| Obligation {
            claim: INVARIANT,
            step: transition.name,
            conjunct: conjunct.name,
            // What a step does not touch needs nothing but itself, which is soon seen.
            hypotheses: match conjunct.term.reads(is_assigned) {
                true => hypotheses.clone(),
                false => vec![conjunct.term.clone()],
            },
            transition: Some(transition.clone()),
            goal: after(conjunct.term.clone()),
        })
    });
    initially.chain(kept).collect()
}

/// The obligations of claims about states: each follows from the invariant.
pub fn follows(relation: &Relation, claims: Vec<Named>) -> Vec<Obligation> {
    let hypotheses: Vec<Term> = invariant(relation).into_iter().map(|conjunct| conjunct.term).collect();
    let obligation = |claim: Named| Obligation {
        claim: claim.name,
        step: "every state",
        conjunct: claim.name,
        hypotheses: hypotheses.clone(),
        transition: None,
        goal: claim.term,
    };
    claims.into_iter().map(obligation).collect()
}

/// All obligations of a relation, claim by claim; that of the invariant first, on which the others rest.
pub fn obligations(relation: &Relation) -> Vec<Obligation> {
    let mut all = inductive(relation);
    all.extend(modulo(relation));
    all.extend(follows(relation, claims::safety(relation)));
    all.extend(refinement(relation));
    all.extend(liveness(relation));
    all.extend(fairness(relation));
    all
}
