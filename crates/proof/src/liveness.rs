//! Every waiting owner observes its DONE: `wd-eventually-observed-done`, by two rules and a ranking.
//!
//! The fairness is that of the table: the steps of each submitter and those of the hardware are weakly fair, taking the lock is
//! strongly fair. `m` is the submitter that waits.
//!
//! **Hardware comes to it.** While hardware has not completed `m`'s WD, `completed` and IQH never go back, and as long as
//! `completed` stands the set of executed positions only grows, within one ring's length. All three are bounded, so that in the
//! end they stand still, and so does the batch `o` that is next. Then one of three steps is enabled for ever: Fetch (where
//! nothing of `o` is left to execute of what was fetched: hardware then holds nothing, so that its depth does not matter),
//! Execute, or Complete. Each of them moves one of the three, which is a contradiction. So hardware completes the WD.
//!
//! **The owner looks.** From then on its status is DONE until it looks. The rank of whoever holds the lock goes down with each of its
//! steps and with nobody else's step goes up, and it can always step: the lock comes free again and again. So the owner takes it,
//! which leads it back to its look, and the look cannot miss.

use vtd_qi::impl_qi::{Label, Pc};

use crate::invariant::{invariant, is_own};
use crate::obligation::Obligation;
use crate::refinement::{ACCEPTED, DONE, SENT, phase};
use crate::relation::{Relation, Transition, WHO, who};
use crate::term::{Term, after, all, any, every_position, every_submitter, for_submitter, not};
use crate::vars::StateVar::*;
use crate::vars::{at, in_batch, stands, stands_in, var, wait_index, waits};

/// The name of the claim.
pub const OBSERVED: &str = "wd-eventually-observed-done";

/// The name of the claim about the specification's fairness.
pub const REFINES_FAIRLY: &str = "refines-fair-spec";

/// The premise that the steps of an owner whose WD is completed lead it back to its look.
pub const LEADS_BACK: &str = "leads-back-to-its-look";

/// The owner waits, and hardware has not completed its WD.
pub fn uncompleted(m: &Term) -> Term {
    all([waits(m), var(Comp).le(wait_index(m))])
}

/// The owner waits, and hardware has completed its WD.
pub fn completed(m: &Term) -> Term {
    all([waits(m), wait_index(m).lt(var(Comp))])
}

/// Whose batch hardware completes next, while anybody waits for it.
pub fn next_owner() -> Term {
    at(Owner, &var(Comp))
}

/// A position holds an ID that was executed and whose WD was not completed.
fn was_executed(p: &Term) -> Term {
    let owner = at(Owner, p);
    all([
        waits(&owner),
        in_batch(p, &owner),
        var(Comp).le(p.clone()),
        p.clone().lt(at(Index, &owner) + at(Executed, &owner)),
    ])
}

/// What hardware can do for the next batch, which is this owner's, by the step that does it.
pub fn helpful(o: &Term) -> [(&'static str, Term); 3] {
    let next = var(Comp) + at(Executed, o);
    let is_left = at(Executed, o).lt(at(Count, o));
    [
        ("Fetch", var(Iqh).le(next.clone())),
        ("Execute", all([is_left.clone(), next.clone().lt(var(Iqh))])),
        ("Complete", all([not(is_left), next.lt(var(Iqh))])),
    ]
}

/// The questions of one claim, with the invariant as a hypothesis.
struct Premises<'a> {
    relation: &'a Relation,
    invariant: Vec<Term>,
    claim: &'static str,
    obligations: Vec<Obligation>,
}

impl Premises<'_> {
    /// A premise about states.
    fn state(&mut self, step: &'static str, conjunct: &'static str, goal: Term) {
        let (claim, hypotheses) = (self.claim, self.invariant.clone());
        self.obligations.push(Obligation { claim, step, conjunct, hypotheses, transition: None, goal });
    }

    /// A premise about each step.
    fn steps(&mut self, conjunct: &'static str, goal: impl Fn(&Transition) -> Term) {
        for transition in &self.relation.transitions {
            self.obligations.push(Obligation {
                claim: self.claim,
                step: transition.name,
                conjunct,
                hypotheses: self.invariant.clone(),
                transition: Some(transition.clone()),
                goal: goal(transition),
            });
        }
    }
}

fn premises<'a>(relation: &'a Relation, claim: &'static str) -> Premises<'a> {
    let invariant = invariant(relation).into_iter().map(|conjunct| conjunct.term).collect();
    Premises { relation, invariant, claim, obligations: Vec::new() }
}

/// The obligations of `wd-eventually-observed-done`.
pub fn liveness(relation: &Relation) -> Vec<Obligation> {
    let mut premises = premises(relation, OBSERVED);
    hardware_comes(&mut premises);
    owner_looks(&mut premises);
    lock_comes_free(&mut premises);
    premises.obligations
}

/// A premise about every submitter that waits for hardware.
fn while_uncompleted(goal: impl FnOnce(Term) -> Term) -> Term {
    every_submitter('m', |m| uncompleted(&m).implies(goal(m)))
}

fn hardware_comes(premises: &mut Premises) {
    let stands_still = |of| after(var(of)).is(var(of));
    premises.steps("goes-on-waiting", |_| {
        while_uncompleted(|m| {
            let same_wd = after(wait_index(&m)).is(wait_index(&m));
            all([after(any([uncompleted(&m), completed(&m)])), same_wd])
        })
    });
    premises.steps("completed-never-goes-back", |_| while_uncompleted(|_| var(Comp).le(after(var(Comp)))));
    premises.steps("iqh-never-goes-back", |_| while_uncompleted(|_| var(Iqh).le(after(var(Iqh)))));
    premises.steps("executed-stays", |_| {
        let grows = every_position('p', |p| was_executed(&p).implies(after(was_executed(&p))));
        while_uncompleted(|_| stands_still(Comp).implies(grows))
    });
    premises.steps("next-batch-stays", |_| {
        let same_batch = for_submitter('o', next_owner(), |o| {
            let same = |of| after(at(of, &o)).is(at(of, &o));
            all([after(next_owner()).is(o.clone()), same(Index), same(Count), after(waits(&o))])
        });
        while_uncompleted(|_| stands_still(Comp).implies(same_batch))
    });
    let end = || var(Comp) + var(Length);
    premises.state("every state", "iqh-is-bounded", while_uncompleted(|_| var(Iqh).lt(end())));
    let bounded = every_position('p', |p| was_executed(&p).implies(p.between(var(Comp), end())));
    premises.state("every state", "executed-is-bounded", while_uncompleted(|_| bounded));
    // Of the submitter whose batch is next; `o` is a name for it.
    let of_next = |goal: &dyn Fn(&Term) -> Term| while_uncompleted(|_| for_submitter('o', next_owner(), |o| goal(&o)));
    let cases = of_next(&|o| any(helpful(o).map(|(_, case)| case)));
    premises.state("every state", "one-of-three", cases);
    let first = |o: &Term| all([waits(o), at(Index, o).is(var(Comp)), is_own(&(var(Comp) + at(Executed, o)), o)]);
    premises.state("every state", "next-batch", of_next(&first));
    for number in 0..3 {
        let (step, _) = helpful(&who())[number];
        let case = |o: &Term| helpful(o)[number].1.clone();
        let guard = &premises.relation.transition(step).guard;
        let enabled = of_next(&|o| all([case(o), first(o)]).implies(guard.with(WHO, o)));
        premises.state(step, "is-enabled", enabled);
    }
    let held = |p: &Term| p.clone().between(var(Comp), var(Iqh) - 1);
    let holds_nothing =
        of_next(&|o| every_position('p', |p| all([helpful(o)[0].1.clone(), held(&p)]).implies(was_executed(&p))));
    premises.state("Fetch", "holds-nothing", holds_nothing);
    premises.steps("moves", |transition| match transition.name {
        "Fetch" => var(Iqh).lt(after(var(Iqh))),
        "Complete" => var(Comp).lt(after(var(Comp))),
        "Execute" => {
            let id = at(Index, &who()) + at(Executed, &who());
            every_position('p', |p| p.clone().is(id).implies(all([not(was_executed(&p)), after(was_executed(&p))])))
        }
        _ => Term::Bool(true),
    });
}

fn owner_looks(premises: &mut Premises) {
    let looks = |m: &Term, relation: &Relation| {
        let guard = |name: &str| relation.transition(name).guard.with(WHO, m);
        stands(m, Pc::Poll).implies(all([guard("Poll, DONE"), not(guard("Poll, not DONE"))]))
    };
    premises.steps("done-until-seen", |transition| {
        every_submitter('m', |m| {
            let sees = match transition.name {
                "Poll, DONE" => who().is(m.clone()),
                _ => Term::Bool(false),
            };
            completed(&m).implies(sees.choose(after(not(waits(&m))), after(completed(&m))))
        })
    });
    premises.steps("others-do-not-move-it", |_| {
        every_submitter('m', |m| {
            let others = all([completed(&m), who().is_not(m.clone())]);
            others.implies(after(at(Pc, &m)).is(at(Pc, &m)))
        })
    });
    premises.steps(LEADS_BACK, |transition| {
        let next = match transition.name {
            "Unlock, polling" => Pc::PollAcquire,
            "Acquire, polling" => Pc::Poll,
            _ => return Term::Bool(true),
        };
        every_submitter('m', |m| all([completed(&m), who().is(m.clone())]).implies(after(stands(&m, next))))
    });
    let cannot_miss = every_submitter('m', |m| completed(&m).implies(looks(&m, premises.relation)));
    premises.state("Poll, DONE", "cannot-miss", cannot_miss);
    let takes = |m: &Term| premises.relation.transition("Acquire, polling").guard.with(WHO, m);
    let can_take =
        every_submitter('m', |m| all([completed(&m), stands(&m, Pc::PollAcquire), not(var(Held))]).implies(takes(&m)));
    premises.state("Acquire, polling", "is-enabled", can_take);
    let drops = every_submitter('m', |m| {
        let guard = premises.relation.transition("Unlock, polling").guard.with(WHO, &m);
        all([completed(&m), stands(&m, Pc::PollUnlock)]).implies(all([guard, var(Held), var(Holder).is(m)]))
    });
    premises.state("Unlock, polling", "is-enabled", drops);
}

/// How many kinds of steps are still to come in the critical section of a submitter.
pub fn section(u: &Term) -> Term {
    let places = [
        (Pc::WriteId, Pc::IdInUse, 8),
        (Pc::WdInUse, Pc::WdInUse, 7),
        (Pc::WriteWd, Pc::WriteWd, 6),
        (Pc::WriteIqt, Pc::WriteIqt, 5),
        (Pc::Poll, Pc::Poll, 4),
        (Pc::Mark, Pc::Mark, 3),
        (Pc::Reclaim, Pc::ReclaimFree, 2),
        (Pc::NoRoom, Pc::NoRoom, 1),
        (Pc::PollUnlock, Pc::PollUnlock, 1),
        (Pc::Return, Pc::Return, 1),
    ];
    let choose = |rest: Term, (first, last, rank): (Pc, Pc, i64)| stands_in(u, first, last).choose(rank, rest);
    places.into_iter().rev().fold(Term::Int(0), choose)
}

/// How many steps of the present kind are to come, at most.
fn steps_left(u: &Term) -> Term {
    let slots = at(Count, u) - at(At, u);
    let posting = slots.clone() + slots.clone() + stands(u, Pc::WriteId).choose(1, 0);
    let window = var(Head) - var(Tail);
    let reclaiming = window.clone() + window + stands(u, Pc::Reclaim).choose(1, 0);
    let rest = stands_in(u, Pc::Reclaim, Pc::ReclaimFree).choose(reclaiming, 0);
    stands_in(u, Pc::WriteId, Pc::IdInUse).choose(posting, stands(u, Pc::Mark).choose(slots + 1, rest))
}

fn lock_comes_free(premises: &mut Premises) {
    let h = var(Holder);
    let bounded = all([Term::Int(1).le(section(&h)), Term::Int(0).le(steps_left(&h))]);
    premises.state("every state", "rank-is-bounded", var(Held).implies(bounded));
    let can_step = {
        let drivers = premises.relation.transitions.iter().filter(|of| of.is_drivers());
        any(drivers.map(|transition| transition.guard.with(WHO, &h)))
    };
    premises.state("every state", "holder-can-step", var(Held).implies(can_step));
    premises.steps("rank-goes-down", |transition| {
        let t = who();
        let same_section = after(section(&t)).is(section(&t));
        let lower = any([
            after(not(var(Held))),
            after(section(&t)).lt(section(&t)),
            all([same_section, after(steps_left(&t)).lt(steps_left(&t))]),
        ]);
        let mine = all([var(Held), var(Holder).is(t)]);
        match transition.label {
            Label::Call(_) | Label::Driver(..) => mine.implies(lower),
            _ => Term::Bool(true),
        }
    });
    premises.steps("others-do-not-raise-it", |transition| {
        let same = for_submitter('h', var(Holder), |h| {
            let same_rank = [section(&h), steps_left(&h)].map(|rank| after(rank.clone()).is(rank));
            all([after(var(Held)), after(var(Holder)).is(h)].into_iter().chain(same_rank))
        });
        let by_another = match transition.label {
            Label::Call(_) | Label::Driver(..) => who().is_not(var(Holder)),
            _ => Term::Bool(true),
        };
        all([var(Held), by_another]).implies(same)
    });
}

/// The obligations of `refines-fair-spec`, beside those of `refines-spec` and `wd-eventually-observed-done`: where the
/// specification's Accept, Execute or Complete of a submitter is enabled, hardware has still to come to it, and where Observe is,
/// hardware has come. Neither lasts, so no fair action is enabled for ever and not taken.
pub fn fairness(relation: &Relation) -> Vec<Obligation> {
    let mut premises = premises(relation, REFINES_FAIRLY);
    let hardware_has_to_come = every_submitter('m', |m| phase(&m).between(SENT, ACCEPTED).implies(uncompleted(&m)));
    let owner_has_to_look = every_submitter('m', |m| phase(&m).is(DONE).implies(completed(&m)));
    premises.state("every state", "hardware-has-to-come", hardware_has_to_come);
    premises.state("every state", "owner-has-to-look", owner_has_to_look);
    premises.obligations
}
