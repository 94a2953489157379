//! The named safety properties of the ring, and the witnesses that show that a `holds` is not vacuous.
//!
//! A property about a step is a predicate of the state in which that step can be done next, so that a shortest run to a
//! violation ends right before the offending access.

use stateright::Property;

use super::driver::{Outcome, Pc};
use super::fsts::Fsts;
use super::ghost::Owner;
use super::ring::{Desc, IdKind, Status};
use super::{Ring, State};

/// Names and meanings of the safety properties, in the order of [`stateright::Model::properties`].
pub const SAFETY: &[(&str, &str)] = &[
    ("free-cnt-consistent", "free_cnt is QI_LENGTH less what lies between free_tail and free_head, and never 0"),
    ("no-overwrite-in-flight", "no descriptor or IN_USE is written into [IQH, IQT) or where a fetched WD will write"),
    ("iqt-differs-from-iqh", "after every post IQT differs from IQH: a full ring does not look empty"),
    ("hw-fetched-unowned", "hardware never fetches what was not submitted"),
    ("success-after-execution", "a call returns success only after all its IDs were executed since it began"),
    ("no-stranger-done", "no submitter takes a DONE that was written for another's WD"),
    ("lock-held-on-access", "every access but taking the lock is made with the lock held"),
    ("no-slot-leak", "with no call pending and hardware idle, free_cnt is QI_LENGTH"),
    ("no-stray-status-write", "hardware writes no status that is FREE or lies in another call's batch"),
    ("einval-only-if-invalid", "a call returns -EINVAL only if one of its own descriptors was invalid"),
    (
        "etimedout-only-if-gone",
        "a call returns -ETIMEDOUT only if one of its IDs addresses a device that is gone and was not executed as last posted",
    ),
];

/// How many of [`SAFETY`] say something where no fault occurs.
pub const SAFETY_WITHOUT_FAULTS: usize = 8;

/// Names and meanings of the reachability witnesses, in the order of [`stateright::Model::properties`].
pub const WITNESSES: &[(&str, &str)] = &[
    ("own-done-observed", "a submitter sees the DONE that was written for its own WD"),
    ("ring-full", "a submitter finds no room"),
    ("two-wds-outstanding", "two WDs are posted and neither is observed"),
    ("foreign-status-in-reclaim", "reclaim looks at a slot of a batch whose owner still waits"),
];

type Condition<const N: usize, const T: usize, const F: usize> = fn(&Ring<N, T, F>, &State<N, T, F>) -> bool;

pub(super) fn properties<const N: usize, const T: usize, const F: usize>() -> Vec<Property<Ring<N, T, F>>> {
    let safety: [Condition<N, T, F>; 11] = [
        free_cnt_consistent,
        no_overwrite_in_flight,
        iqt_differs_from_iqh,
        fetches_are_owned,
        success_after_execution,
        no_stranger_done,
        lock_held_on_access,
        no_slot_leak,
        no_stray_status_write,
        einval_only_if_invalid,
        etimedout_only_if_gone,
    ];
    let witnesses: [Condition<N, T, F>; 4] =
        [own_done_observed, ring_full, two_wds_outstanding, foreign_status_in_reclaim];
    let always = SAFETY.iter().zip(safety).map(|((name, _), condition)| Property::always(name, condition));
    let sometimes = WITNESSES.iter().zip(witnesses).map(|((name, _), condition)| Property::sometimes(name, condition));
    always.chain(sometimes).collect()
}

fn calls<'a, const N: usize, const T: usize, const F: usize>(
    ring: &'a Ring<N, T, F>,
    state: &'a State<N, T, F>,
) -> impl Iterator<Item = (usize, super::Call)> + 'a {
    (0..ring.cfg().submitters).map(|t| (t, state.call(t)))
}

fn free_cnt_consistent<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    state: &State<N, T, F>,
) -> bool {
    let queue = state.queue();
    let used = ring.length().distance(queue.free_tail, queue.free_head);
    queue.free_cnt == ring.length().slots() - used
}

fn no_overwrite_in_flight<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    state: &State<N, T, F>,
) -> bool {
    let rules = &ring.cfg().rules;
    calls(ring, state).all(|(_, call)| {
        let slot = match call.pc {
            Pc::WriteId | Pc::IdInUse => call.id_slot(rules, ring.length(), call.at),
            Pc::WdInUse | Pc::WriteWd => ring.wait_index(&call),
            _ => return true,
        };
        !ring.length().within(slot, state.iqh(), state.iqt())
            && state.pending().all(|(desc, _)| !matches!(desc, Desc::Wd { target, .. } if target == slot))
    })
}

fn iqt_differs_from_iqh<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    state: &State<N, T, F>,
) -> bool {
    calls(ring, state).all(|(_, call)| {
        call.pc != Pc::WriteIqt || ring.length().add(state.queue().free_head, call.slots()) != state.iqh()
    })
}

fn fetches_are_owned<const N: usize, const T: usize, const F: usize>(
    _: &Ring<N, T, F>,
    state: &State<N, T, F>,
) -> bool {
    state.iqh() == state.iqt() || matches!(state.ghost().posted_by(state.iqh()), Owner::Submitter(_))
}

/// Whether a submitter, whose call this is, polls next and will see DONE.
fn will_see_done<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    state: &State<N, T, F>,
    call: &super::Call,
) -> bool {
    call.pc == Pc::Poll && state.status(call.polled_slot(&ring.cfg().rules, ring.length())) == Status::Done
}

fn success_after_execution<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    state: &State<N, T, F>,
) -> bool {
    calls(ring, state).all(|(t, call)| {
        let succeeds = will_see_done(ring, state, &call) && call.outcome == Outcome::Success;
        !succeeds || state.ghost().executed(t) == call.count
    })
}

fn no_stranger_done<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    state: &State<N, T, F>,
) -> bool {
    calls(ring, state).all(|(t, call)| {
        !will_see_done(ring, state, &call)
            || state.ghost().done_by(call.polled_slot(&ring.cfg().rules, ring.length())).is(t)
    })
}

fn lock_held_on_access<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    state: &State<N, T, F>,
) -> bool {
    calls(ring, state).all(|(t, call)| !call.pc.needs_lock() || state.lock_holder() == Some(t))
}

fn no_slot_leak<const N: usize, const T: usize, const F: usize>(ring: &Ring<N, T, F>, state: &State<N, T, F>) -> bool {
    !ring.at_rest(state) || state.queue().free_cnt == ring.length().slots()
}

fn own_done_observed<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    state: &State<N, T, F>,
) -> bool {
    calls(ring, state)
        .any(|(t, call)| will_see_done(ring, state, &call) && state.ghost().done_by(ring.wait_index(&call)).is(t))
}

fn ring_full<const N: usize, const T: usize, const F: usize>(ring: &Ring<N, T, F>, state: &State<N, T, F>) -> bool {
    calls(ring, state).any(|(_, call)| call.pc == Pc::NoRoom)
}

fn two_wds_outstanding<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    state: &State<N, T, F>,
) -> bool {
    (0..ring.cfg().submitters).filter(|&t| ring.waiting(state, t)).count() >= 2
}

fn foreign_status_in_reclaim<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    state: &State<N, T, F>,
) -> bool {
    let tail = state.queue().free_tail;
    calls(ring, state).any(|(_, call)| call.pc == Pc::Reclaim)
        && calls(ring, state)
            .any(|(other, call)| ring.waiting(state, other) && ring.length().distance(call.index, tail) < call.slots())
}

/// A property of hardware's next step: its oldest pending descriptor is a WD that can write.
fn no_stray_status_write<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    state: &State<N, T, F>,
) -> bool {
    let Some((Desc::Wd { target, .. }, owner)) = state.pending().next() else { return true };
    let strays = |(t, call): (usize, super::Call)| {
        call.has_index() && ring.length().distance(call.index, target) < call.slots() && !owner.is(t)
    };
    state.fsts().has(Fsts::ITE) || state.status(target) != Status::Free && !calls(ring, state).any(strays)
}

/// The call of submitter `t` if it returns next, and how.
fn returning<'a, const N: usize, const T: usize, const F: usize>(
    ring: &'a Ring<N, T, F>,
    state: &'a State<N, T, F>,
    outcome: Outcome,
) -> impl Iterator<Item = (usize, super::Call)> + 'a {
    calls(ring, state).filter(move |(_, call)| matches!(call.pc, Pc::Return | Pc::GiveUp) && call.outcome == outcome)
}

fn einval_only_if_invalid<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    state: &State<N, T, F>,
) -> bool {
    returning(ring, state, Outcome::Invalid).all(|(_, call)| ring.request(&call).faults() > 0)
}

fn etimedout_only_if_gone<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    state: &State<N, T, F>,
) -> bool {
    returning(ring, state, Outcome::TimedOut).all(|(t, call)| {
        let executed = state.ghost().executed_ids_since_post(t);
        ring.request(&call).kinds().enumerate().any(|(number, kind)| {
            matches!(kind, IdKind::Device(device) if state.is_gone(device)) && executed >> number & 1 == 0
        })
    })
}
