//! Every step of the ring is a step of the specification, or none: `refines-spec`.
//!
//! The mapping is that of `src/refine.rs`, as terms. The specification's queue is a function of positions: the batches that
//! hardware has accepted and not completed, in the order in which they lie in the ring. What the specification allows is written
//! here as what a step does to one submitter's part of it, while nothing changes for the others.

use vtd_qi::impl_qi::Status;

use crate::invariant::{initial, invariant};
use crate::obligation::Obligation;
use crate::relation::{Relation, Transition, who};
use crate::term::{Term, after, all, every_submitter, for_submitter};
use crate::vars::StateVar::*;
use crate::vars::{at, has_status, var, wait_index, waits};

/// The name of the claim.
pub const REFINES: &str = "refines-spec";

/// The submitter is idle.
pub const IDLE: i64 = 0;
/// It waits, and its batch has not been accepted.
pub const SENT: i64 = 1;
/// It waits, and its batch is in the queue.
pub const ACCEPTED: i64 = 2;
/// It waits, and Done has been sent to it.
pub const DONE: i64 = 3;

/// Where a submitter and its batch are in the specification.
pub fn phase(u: &Term) -> Term {
    let wd = wait_index(u);
    let done = all([has_status(&wd, Status::Done), at(DoneBy, &wd).is(u.clone())]);
    let is_sent = var(Iqh).le(at(Index, u));
    waits(u).choose(done.choose(DONE, is_sent.choose(SENT, ACCEPTED)), IDLE)
}

fn is(u: &Term, at: i64) -> Term {
    phase(u).is(at)
}

/// What a step of the ring is in the specification, of which submitter.
fn meaning(transition: &Transition) -> Term {
    let t = who();
    let changes = |u: &Term, action: Term| all([action, others_stand(u)]);
    match transition.name {
        "WriteIqt" => changes(&t, submit(&t)),
        "Fetch" => for_submitter('o', at(Owner, &var(Iqh)), |owner| {
            var(Iqh).is(at(Index, &owner)).choose(changes(&owner, accept(&owner)), nobody_moves())
        }),
        "Execute" => changes(&t, execute(&t)),
        "Complete" => changes(&t, complete(&t)),
        "Poll, DONE" => changes(&t, observe(&t)),
        _ => nobody_moves(),
    }
}

fn goes(u: &Term, from: i64, to: i64) -> Term {
    all([is(u, from), after(is(u, to))])
}

fn keeps_count(u: &Term) -> Term {
    after(at(Count, u)).is(at(Count, u))
}

/// `Submit`: an idle submitter sends a batch of which nothing is executed.
fn submit(u: &Term) -> Term {
    all([goes(u, IDLE, SENT), Term::Int(0).le(at(Count, u)), after(at(Executed, u)).is(0)])
}

/// `Accept`: the batch joins the queue behind all others, with nothing executed.
fn accept(u: &Term) -> Term {
    let is_last = every_submitter('v', |v| {
        all([is(&v, ACCEPTED), v.clone().is_not(u.clone())]).implies(at(Index, &v).lt(at(Index, u)))
    });
    all([goes(u, SENT, ACCEPTED), keeps_count(u), after(at(Executed, u)).is(0), is_last])
}

/// `Execute`: one of the remaining IDs of an accepted batch.
fn execute(u: &Term) -> Term {
    let one_more = after(at(Executed, u)).is(at(Executed, u) + 1);
    all([goes(u, ACCEPTED, ACCEPTED), at(Executed, u).lt(at(Count, u)), keeps_count(u), one_more, stays(u)])
}

/// `Complete`: the batch at the head of the queue, with nothing left, leaves it.
fn complete(u: &Term) -> Term {
    let is_first = every_submitter('v', |v| {
        all([is(&v, ACCEPTED), v.clone().is_not(u.clone())]).implies(at(Index, u).lt(at(Index, &v)))
    });
    let nothing_left = at(Executed, u).is(at(Count, u));
    all([goes(u, ACCEPTED, DONE), nothing_left, keeps_count(u), is_first, after(at(Executed, u)).is(at(Count, u))])
}

/// `Observe`: Done arrives.
fn observe(u: &Term) -> Term {
    goes(u, DONE, IDLE)
}

/// The batch keeps its place in the queue.
fn stays(u: &Term) -> Term {
    after(at(Index, u)).is(at(Index, u))
}

/// Nothing changes for a submitter.
fn stands(u: &Term) -> Term {
    let same_batch = all([keeps_count(u), stays(u), after(at(Executed, u)).is(at(Executed, u))]);
    all([after(phase(u)).is(phase(u)), is(u, IDLE).choose(true, same_batch)])
}

fn others_stand(u: &Term) -> Term {
    every_submitter('v', |v| v.clone().is_not(u.clone()).implies(stands(&v)))
}

fn nobody_moves() -> Term {
    every_submitter('v', |v| stands(&v))
}

/// The obligations: the specification's initial state, and each step.
pub fn refinement(relation: &Relation) -> Vec<Obligation> {
    let hypotheses: Vec<Term> = invariant(relation).into_iter().map(|conjunct| conjunct.term).collect();
    let initially = Obligation {
        claim: REFINES,
        step: "initially",
        conjunct: "initial",
        hypotheses: vec![initial()],
        transition: None,
        goal: every_submitter('v', |v| is(&v, IDLE)),
    };
    let steps = relation.transitions.iter().map(|transition| Obligation {
        claim: REFINES,
        step: transition.name,
        conjunct: "step",
        hypotheses: hypotheses.clone(),
        transition: Some(transition.clone()),
        goal: meaning(transition),
    });
    [initially].into_iter().chain(steps).collect()
}
