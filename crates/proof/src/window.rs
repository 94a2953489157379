//! The modulo argument: why positions may stand for slots.
//!
//! Position `p` lies in slot `p mod QI_LENGTH`. The window of `QI_LENGTH` positions from `free_tail` on has each slot once; every
//! status and every descriptor that a step reads or writes lies in it; and where `free_tail` moves on, the slot that leaves the
//! window at its end comes back at its front as it is there already: FREE.

use vtd_qi::impl_qi::Status;

use crate::invariant::invariant;
use crate::obligation::Obligation;
use crate::relation::{Relation, Transition};
use crate::term::{Term, after, all, any, every_position};
use crate::vars::{StateVar, has_status, var};

/// The name of the claim.
pub const MODULO: &str = "one-slot-one-position";

/// Its obligations: the arithmetic, and for each step what it accesses and what it leaves behind.
pub fn modulo(relation: &Relation) -> Vec<Obligation> {
    let invariant: Vec<Term> = invariant(relation).into_iter().map(|conjunct| conjunct.term).collect();
    let mut obligations = arithmetic();
    for transition in &relation.transitions {
        let mut push = |conjunct, transition: &Transition, goal| {
            obligations.push(Obligation {
                claim: MODULO,
                step: transition.name,
                conjunct,
                hypotheses: invariant.clone(),
                transition: Some(transition.clone()),
                goal,
            });
        };
        let accessed = accessed(transition);
        if !accessed.is_empty() {
            push("accesses", transition, all(accessed.into_iter().map(|position| in_window(&position))));
        }
        if transition.updates.iter().any(|update| update.var == StateVar::Tail) {
            push("moves-by-one", transition, after(var(StateVar::Tail)).is(var(StateVar::Tail) + 1));
            push("leaves-free", transition, comes_back(|p| p));
            push("comes-back-free", transition, comes_back(|p| p + var(StateVar::Length)));
        } else {
            push("stands", transition, after(var(StateVar::Tail)).is(var(StateVar::Tail)));
        }
    }
    obligations
}

/// The positions of the statuses and descriptors that a step reads or writes; ghosts are in no slot.
fn accessed(transition: &Transition) -> Vec<Term> {
    let is_in_a_slot = |of: StateVar| matches!(of, StateVar::Status | StateVar::Desc);
    let mut positions = Vec::new();
    transition.guard.indices(is_in_a_slot, &mut positions);
    for update in &transition.updates {
        update.to.indices(is_in_a_slot, &mut positions);
        if let Some(index) = update.at.as_ref().filter(|_| is_in_a_slot(update.var)) {
            positions.push(index.clone());
        }
    }
    positions.dedup();
    positions
}

fn in_window(position: &Term) -> Term {
    let tail = var(StateVar::Tail);
    all([tail.clone().le(position.clone()), position.clone().lt(tail + var(StateVar::Length))])
}

/// Behind the step, the status at a position is FREE that depends on where `free_tail` was before.
fn comes_back(position: impl FnOnce(Term) -> Term) -> Term {
    let goes = position(var(StateVar::Tail));
    every_position('p', |p| p.clone().is(goes).implies(after(has_status(&p, Status::Free))))
}

/// Two positions of one window that are congruent modulo `QI_LENGTH` are the same: they differ by `k QI_LENGTH`, and that is less
/// than `QI_LENGTH` either way for no `k` but 0.
fn arithmetic() -> Vec<Obligation> {
    let length = || var(StateVar::Length);
    let k = || Term::Bound('k');
    let product = || k().times(length());
    let ring = Term::Int(4).le(length());
    let lemma = |conjunct, hypotheses, body: Term| Obligation {
        claim: MODULO,
        step: "every state",
        conjunct,
        hypotheses,
        transition: None,
        goal: every_position('k', |_| body),
    };
    let ahead = Term::Int(1).le(k()).implies(length().le(product()));
    let behind = k().le(-1).implies(product().le(Term::Int(0) - length()));
    let same = k().is(0).implies(product().is(0));
    let [p, q] = ['p', 'q'].map(Term::Bound);
    let congruent = all([in_window(&p), in_window(&q), (p.clone() - q.clone()).is(product())]);
    let lemmas = all([ahead.clone(), behind.clone(), same.clone(), any([k().is(0), Term::Int(1).le(k()), k().le(-1)])]);
    let unique = every_position('p', |_| every_position('q', |_| all([congruent, lemmas]).implies(p.is(q))));
    vec![
        lemma("a-ring-ahead", vec![ring.clone()], ahead),
        lemma("a-ring-behind", vec![ring.clone()], behind),
        lemma("no-ring-apart", vec![ring.clone()], same),
        lemma("unique", vec![ring], unique),
    ]
}
