//! What is claimed of the ring: the safety properties of the model under their own names, as terms over positions.
//!
//! A property about a step is, as in the model, a predicate of the state in which the step can be done next.

use vtd_qi::impl_qi::{Pc, Safety, Status};

use crate::invariant::{Named, named};
use crate::relation::{Relation, WHO};
use crate::term::{Term, all, any, every_submitter, not};
use crate::vars::StateVar::*;
use crate::vars::{STALE, at, has_status, in_batch, stands, stands_in, var, wait_index, waits};

/// The safety properties that say something where no fault occurs, and that nobody deadlocks.
pub fn safety(relation: &Relation) -> Vec<Named> {
    let mut claims: Vec<Named> =
        Safety::ALL.into_iter().filter_map(|property| Some(named(property.name(), property_term(property)?))).collect();
    claims.push(named("no-deadlock", no_deadlock(relation)));
    claims
}

/// A safety property as a term; `None` for those that are about faults.
fn property_term(property: Safety) -> Option<Term> {
    Some(match property {
        Safety::FreeCntConsistent => all([
            (var(Head) - var(Tail)).between(0, var(Length) - 1),
            var(FreeCnt).is(var(Length) - (var(Head) - var(Tail))),
        ]),
        Safety::NoOverwriteInFlight => no_overwrite_in_flight(),
        Safety::IqtDiffersFromIqh => every_submitter('u', |u| {
            let ahead = var(Head) + at(Count, &u) + 1 - var(Iqh);
            stands(&u, Pc::WriteIqt).implies(ahead.between(1, var(Length) - 1))
        }),
        Safety::HwFetchedUnowned => {
            let owner = at(Owner, &var(Iqh));
            var(Iqh).lt(var(Head)).implies(all([
                waits(&owner),
                in_batch(&var(Iqh), &owner),
                at(Desc, &var(Iqh)).is_not(STALE),
            ]))
        }
        Safety::SuccessAfterExecution => {
            every_submitter('u', |u| will_see_done(&u).implies(at(Executed, &u).is(at(Count, &u))))
        }
        Safety::NoStrangerDone => {
            every_submitter('u', |u| will_see_done(&u).implies(at(DoneBy, &wait_index(&u)).is(u)))
        }
        Safety::LockHeldOnAccess => every_submitter('u', |u| {
            let needs = not(any([stands(&u, Pc::Idle), stands(&u, Pc::Acquire), stands(&u, Pc::PollAcquire)]));
            needs.implies(all([var(Held), var(Holder).is(u)]))
        }),
        Safety::NoSlotLeak => {
            let nobody_calls = every_submitter('u', |u| stands(&u, Pc::Idle));
            all([var(Iqh).is(var(Head)), nobody_calls]).implies(var(FreeCnt).is(var(Length)))
        }
        Safety::NoStrayStatusWrite | Safety::EinvalOnlyIfInvalid | Safety::EtimedoutOnlyIfGone => return None,
    })
}

/// A submitter polls next and will see DONE.
fn will_see_done(u: &Term) -> Term {
    all([stands(u, Pc::Poll), has_status(&wait_index(u), Status::Done)])
}

/// What a poster writes next lies outside of [IQH, IQT) and is no slot to which hardware will write a status. All of these
/// positions lie in the window, where different positions are different slots (see [`crate::window`]).
fn no_overwrite_in_flight() -> Term {
    every_submitter('u', |u| {
        let writes_id = stands_in(&u, Pc::WriteId, Pc::IdInUse);
        let writes = stands_in(&u, Pc::WriteId, Pc::WriteWd);
        let slot = at(Index, &u) + writes_id.choose(at(At, &u), at(Count, &u));
        let in_window = |p: Term| p.between(var(Tail), var(Tail) + var(Length) - 1);
        let flies = any([slot.clone().lt(var(Iqh)), var(Head).le(slot.clone())]);
        let is_no_target = every_submitter('w', |w| {
            let pending = all([waits(&w), var(Comp).le(wait_index(&w)), wait_index(&w).lt(var(Iqh))]);
            pending.implies(all([in_window(wait_index(&w)), wait_index(&w).is_not(slot.clone())]))
        });
        writes.implies(all([
            in_window(slot.clone()),
            var(Tail).le(var(Iqh)),
            var(Head).le(var(Tail) + var(Length)),
            flies,
            is_no_target,
        ]))
    })
}

/// Whoever is in a call can go on, or the holder of the lock can.
fn no_deadlock(relation: &Relation) -> Term {
    let can_step = |submitter: &Term| {
        let steps = relation.transitions.iter().filter(|transition| transition.is_drivers());
        any(steps.map(|transition| transition.guard.with(WHO, submitter)))
    };
    every_submitter('u', |u| {
        not(stands(&u, Pc::Idle)).implies(any([can_step(&u), all([var(Held), can_step(&var(Holder))])]))
    })
}
