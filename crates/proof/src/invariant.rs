//! The invariant: what holds in every state of the ring, as named conjuncts.
//!
//! In words: `free_tail <= completed <= IQH <= free_head`, less than a ring apart. A waiting owner's batch lies between
//! `free_tail` and `free_head`, its IDs IN_USE, its WD DONE exactly if hardware has completed it. An owner that marks has a DONE
//! WD; what it has marked is ready to be reclaimed, the rest is its own. Everything else behind `free_head` is ready to be
//! reclaimed and completed; everything ahead is FREE but for what the poster has written so far.

use vtd_qi::impl_qi::{Pc, Status};

use crate::relation::{CleanUpKind, Relation};
use crate::term::{Term, all, any, every_position, every_submitter, not};
use crate::vars::StateVar::*;
use crate::vars::{ID, WD, at, has_status, in_batch, posts, stands, stands_in, var, wait_index, waits};

/// A conjunct of the invariant, or a claim, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: &'static str,
    /// What is said.
    pub term: Term,
}

pub(crate) fn named(name: &'static str, term: Term) -> Named {
    Named { name, term }
}

/// What holds in the ring as `dmar_enable_qi` leaves it.
pub fn initial() -> Term {
    all([
        var(Length).is_not(0),
        Term::Int(4).le(var(Length)),
        var(Tail).is(0),
        var(Head).is(0),
        var(Iqh).is(0),
        var(Comp).is(0),
        var(FreeCnt).is(var(Length)),
        not(var(Held)),
        every_submitter('u', |u| all([stands(&u, Pc::Idle), at(Executed, &u).is(0)])),
        every_position('p', |p| has_status(&p, Status::Free)),
    ])
}

/// The invariant of the ring under a relation's rules.
pub fn invariant(relation: &Relation) -> Vec<Named> {
    let mut conjuncts = vec![
        named("order", order()),
        named("free-cnt", var(FreeCnt).is(var(Length) - (var(Head) - var(Tail)))),
        named("lock", every_submitter('u', |u| needs_lock(&u).iff(holds_lock(&u)))),
        named("places", places(relation)),
        named("counts", counts(relation)),
        named("executed", executed()),
        named("room", every_submitter('u', |u| posts(&u).implies(room(&u)))),
        named("written-statuses", written_statuses()),
        named("written-descriptors", written_descriptors()),
        named("ahead", ahead()),
        named("waiting", every_submitter('u', |u| waits(&u).implies(in_window(&u)))),
        named("waiting-slots", waiting_slots()),
        named("apart", apart()),
        named("hardware-batches", hardware_batches()),
        named("marking", marking()),
        named("marking-slots", marking_slots(relation.clean_up)),
        named("window", window(relation.clean_up)),
        named("reclaimed", reclaimed(relation.clean_up)),
    ];
    if relation.clean_up == CleanUpKind::Done {
        conjuncts.push(named("reclaim-free", reclaim_free()));
    }
    conjuncts
}

fn order() -> Term {
    all([
        Term::Int(4).le(var(Length)),
        var(Tail).le(var(Comp)),
        var(Comp).le(var(Iqh)),
        var(Iqh).le(var(Head)),
        (var(Head) - var(Tail)).lt(var(Length)),
    ])
}

/// All places but the first of a call and the two that take the lock.
fn needs_lock(u: &Term) -> Term {
    any([stands_in(u, Pc::NoRoom, Pc::PollUnlock), stands_in(u, Pc::Mark, Pc::Return)])
}

fn holds_lock(u: &Term) -> Term {
    all([var(Held), var(Holder).is(u.clone())])
}

/// Every submitter stands at a place that there is, and its cursor within its batch.
fn places(relation: &Relation) -> Term {
    let last_mark = |u: &Term| match relation.clean_up {
        CleanUpKind::Free => at(Count, u),
        CleanUpKind::Done => at(Count, u) - 1,
    };
    every_submitter('u', |u| {
        let exists = match relation.clean_up {
            CleanUpKind::Free => any([
                stands_in(&u, Pc::Idle, Pc::PollAcquire),
                stands_in(&u, Pc::Mark, Pc::Reclaim),
                stands(&u, Pc::Return),
            ]),
            CleanUpKind::Done => any([stands_in(&u, Pc::Idle, Pc::PollAcquire), stands_in(&u, Pc::Mark, Pc::Return)]),
        };
        all([
            exists,
            stands_in(&u, Pc::WriteId, Pc::IdInUse).implies(at(At, &u).between(0, at(Count, &u) - 1)),
            stands(&u, Pc::Mark).implies(at(At, &u).between(0, last_mark(&u))),
        ])
    })
}

fn counts(relation: &Relation) -> Term {
    every_submitter('u', |u| not(stands(&u, Pc::Idle)).implies(at(Count, &u).between(relation.least, var(Length) - 2)))
}

/// IDs of a batch are executed once IQT has been written, and none twice.
fn executed() -> Term {
    every_submitter('u', |u| {
        all([
            stands_in(&u, Pc::Idle, Pc::WriteIqt).implies(at(Executed, &u).is(0)),
            waits(&u).implies(at(Executed, &u).between(0, at(Count, &u))),
            stands_in(&u, Pc::Mark, Pc::Return).implies(at(Executed, &u).is(at(Count, &u))),
        ])
    })
}

/// Whoever posts writes at `free_head`, where `count + 2` slots are free.
fn room(u: &Term) -> Term {
    all([at(Index, u).is(var(Head)), (var(Head) - var(Tail) + at(Count, u) + 2).le(var(Length))])
}

/// How many statuses of its batch a poster has written.
fn statuses_written(u: &Term) -> Term {
    let ids = at(Count, u);
    stands_in(u, Pc::WriteId, Pc::IdInUse).choose(at(At, u), stands(u, Pc::WdInUse).choose(ids.clone(), ids + 1))
}

/// How many descriptors of its batch a poster has written.
fn descriptors_written(u: &Term) -> Term {
    let ids = at(Count, u);
    let last = stands(u, Pc::WriteIqt).choose(ids.clone() + 1, ids);
    stands(u, Pc::WriteId).choose(at(At, u), stands(u, Pc::IdInUse).choose(at(At, u) + 1, last))
}

/// The descriptor at a position of a submitter's batch is the submitter's, and the kind that belongs there.
pub(crate) fn is_own(p: &Term, u: &Term) -> Term {
    all([at(Owner, p).is(u.clone()), at(Desc, p).is(p.clone().is(wait_index(u)).choose(WD, ID))])
}

fn written_statuses() -> Term {
    every_submitter('u', |u| {
        every_position('p', |p| {
            let written = all([posts(&u), var(Head).le(p.clone()), p.clone().lt(var(Head) + statuses_written(&u))]);
            written.implies(has_status(&p, Status::InUse))
        })
    })
}

fn written_descriptors() -> Term {
    every_submitter('u', |u| {
        every_position('p', |p| {
            let written = all([posts(&u), var(Head).le(p.clone()), p.clone().lt(var(Head) + descriptors_written(&u))]);
            written.implies(is_own(&p, &u))
        })
    })
}

/// Ahead of `free_head` every status is FREE, but for those that the poster has written.
fn ahead() -> Term {
    let poster = var(Holder);
    every_position('p', |p| {
        let written = all([var(Held), posts(&poster), p.clone().lt(var(Head) + statuses_written(&poster))]);
        var(Head).le(p.clone()).implies(any([has_status(&p, Status::Free), written]))
    })
}

/// The batch lies between `free_tail` and `free_head`.
fn in_window(u: &Term) -> Term {
    all([var(Tail).le(at(Index, u)), wait_index(u).lt(var(Head))])
}

fn waiting_slots() -> Term {
    every_submitter('u', |u| {
        every_position('p', |p| {
            let completed = p.clone().lt(var(Comp));
            let is_wd = p.clone().is(wait_index(&u));
            all([waits(&u), in_batch(&p, &u)]).implies(all([
                is_own(&p, &u),
                all([is_wd.clone(), completed]).choose(has_status(&p, Status::Done), has_status(&p, Status::InUse)),
                all([is_wd, has_status(&p, Status::Done)]).implies(at(DoneBy, &p).is(u)),
            ]))
        })
    })
}

/// No two waiting owners' batches overlap.
fn apart() -> Term {
    every_submitter('u', |u| {
        every_submitter('w', |w| {
            let both_wait = all([waits(&u), waits(&w), u.clone().is_not(w.clone())]);
            both_wait.implies(any([wait_index(&u).lt(at(Index, &w)), wait_index(&w).lt(at(Index, &u))]))
        })
    })
}

/// Hardware completes whole batches: it stands at none, before or behind; it executes what it has fetched, and completes what
/// it has executed.
fn hardware_batches() -> Term {
    every_submitter('u', |u| {
        let before = var(Comp).le(at(Index, &u));
        let behind = wait_index(&u).lt(var(Comp));
        waits(&u).implies(all([
            any([before.clone(), behind.clone()]),
            behind.implies(at(Executed, &u).is(at(Count, &u))),
            any([at(Executed, &u).is(0), (at(Index, &u) + at(Executed, &u)).le(var(Iqh))]),
        ]))
    })
}

fn marking() -> Term {
    every_submitter('u', |u| stands(&u, Pc::Mark).implies(all([in_window(&u), wait_index(&u).lt(var(Comp))])))
}

fn marking_slots(clean_up: CleanUpKind) -> Term {
    every_submitter('u', |u| {
        every_position('p', |p| {
            let marked = p.clone().lt(at(Index, &u) + at(At, &u));
            let slot = match clean_up {
                CleanUpKind::Free => marked.choose(
                    has_status(&p, Status::Free),
                    all([at(Owner, &p).is(u.clone()), not(has_status(&p, Status::Free))]),
                ),
                CleanUpKind::Done => all([
                    at(Owner, &p).is(u.clone()),
                    any([marked, p.clone().is(wait_index(&u))])
                        .choose(has_status(&p, Status::Done), has_status(&p, Status::InUse)),
                ]),
            };
            all([stands(&u, Pc::Mark), in_batch(&p, &u)]).implies(slot)
        })
    })
}

/// Between `free_tail` and `free_head` a slot is ready to be reclaimed and completed, or its owner waits or marks.
fn window(clean_up: CleanUpKind) -> Term {
    every_position('p', |p| {
        let owner = at(Owner, &p);
        let completed = p.clone().lt(var(Comp));
        let waited_for = all([waits(&owner), in_batch(&p, &owner)]);
        let marked_by = all([stands(&owner, Pc::Mark), in_batch(&p, &owner)]);
        let either = match clean_up {
            CleanUpKind::Free => any([
                all([has_status(&p, Status::Free), completed]),
                waited_for,
                all([marked_by, (at(Index, &owner) + at(At, &owner)).le(p.clone())]),
            ]),
            CleanUpKind::Done => any([
                all([has_status(&p, Status::Done), completed, not(waited_for.clone()), not(marked_by.clone())]),
                waited_for,
                marked_by,
            ]),
        };
        all([var(Tail).le(p.clone()), p.lt(var(Head))]).implies(either)
    })
}

/// What is ready at `free_tail` is reclaimed by whoever holds the lock, or its owner has still to look.
fn reclaimed(clean_up: CleanUpKind) -> Term {
    let ready = match clean_up {
        CleanUpKind::Free => Status::Free,
        CleanUpKind::Done => Status::Done,
    };
    let owner = at(Owner, &var(Tail));
    any([
        var(Tail).is(var(Head)),
        not(has_status(&var(Tail), ready)),
        all([waits(&owner), in_batch(&var(Tail), &owner)]),
        all([var(Held), stands_in(&var(Holder), Pc::Mark, Pc::ReclaimFree)]),
    ])
}

/// Whoever is about to set the slot at `free_tail` FREE has found it DONE.
fn reclaim_free() -> Term {
    every_submitter('u', |u| stands(&u, Pc::ReclaimFree).implies(has_status(&var(Tail), Status::Done)))
}
