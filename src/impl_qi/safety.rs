//! The named safety properties of the ring, and the witnesses that show that a `holds` is not vacuous.
//!
//! A property about a step is a predicate of the state in which that step can be done next, so that a shortest run to a
//! violation ends right before the offending access.

use stateright::Property;

use super::driver::Pc;
use super::ghost::Owner;
use super::ring::{Desc, Status};
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
];

/// Names and meanings of the reachability witnesses, in the order of [`stateright::Model::properties`].
pub const WITNESSES: &[(&str, &str)] = &[
    ("own-done-observed", "a submitter sees the DONE that was written for its own WD"),
    ("ring-full", "a submitter finds no room"),
    ("two-wds-outstanding", "two WDs are posted and neither is observed"),
    ("foreign-status-in-reclaim", "reclaim looks at a slot of a batch whose owner still waits"),
];

type Condition<const N: usize, const T: usize> = fn(&Ring<N, T>, &State<N, T>) -> bool;

pub(super) fn properties<const N: usize, const T: usize>() -> Vec<Property<Ring<N, T>>> {
    let safety: [Condition<N, T>; 8] = [
        free_cnt_consistent,
        no_overwrite_in_flight,
        iqt_differs_from_iqh,
        fetches_are_owned,
        success_after_execution,
        no_stranger_done,
        lock_held_on_access,
        no_slot_leak,
    ];
    let witnesses: [Condition<N, T>; 4] =
        [own_done_observed, ring_full, two_wds_outstanding, foreign_status_in_reclaim];
    let always = SAFETY.iter().zip(safety).map(|((name, _), condition)| Property::always(name, condition));
    let sometimes = WITNESSES.iter().zip(witnesses).map(|((name, _), condition)| Property::sometimes(name, condition));
    always.chain(sometimes).collect()
}

fn calls<'a, const N: usize, const T: usize>(
    ring: &'a Ring<N, T>,
    state: &'a State<N, T>,
) -> impl Iterator<Item = (usize, super::Call)> + 'a {
    (0..ring.cfg().submitters).map(|t| (t, state.call(t)))
}

fn free_cnt_consistent<const N: usize, const T: usize>(ring: &Ring<N, T>, state: &State<N, T>) -> bool {
    let queue = state.queue();
    let used = ring.length().distance(queue.free_tail, queue.free_head);
    queue.free_cnt == ring.length().slots() - used
}

fn no_overwrite_in_flight<const N: usize, const T: usize>(ring: &Ring<N, T>, state: &State<N, T>) -> bool {
    let rules = &ring.cfg().rules;
    calls(ring, state).all(|(_, call)| {
        let slot = match call.pc {
            Pc::WriteId | Pc::IdInUse => call.id_slot(rules, ring.length(), call.at),
            Pc::WdInUse | Pc::WriteWd => ring.wait_index(&call),
            _ => return true,
        };
        !ring.length().within(slot, state.iqh(), state.iqt())
            && state.pending().all(|(desc, _)| desc != Desc::Wd { target: slot })
    })
}

fn iqt_differs_from_iqh<const N: usize, const T: usize>(ring: &Ring<N, T>, state: &State<N, T>) -> bool {
    calls(ring, state).all(|(_, call)| {
        call.pc != Pc::WriteIqt || ring.length().add(state.queue().free_head, call.slots()) != state.iqh()
    })
}

fn fetches_are_owned<const N: usize, const T: usize>(_: &Ring<N, T>, state: &State<N, T>) -> bool {
    state.iqh() == state.iqt() || matches!(state.ghost().posted_by(state.iqh()), Owner::Submitter(_))
}

/// Whether submitter `t`, whose call this is, polls next and will take what it sees for success.
fn will_succeed<const N: usize, const T: usize>(ring: &Ring<N, T>, state: &State<N, T>, call: &super::Call) -> bool {
    call.pc == Pc::Poll && state.status(call.polled_slot(&ring.cfg().rules, ring.length())) == Status::Done
}

fn success_after_execution<const N: usize, const T: usize>(ring: &Ring<N, T>, state: &State<N, T>) -> bool {
    calls(ring, state).all(|(t, call)| !will_succeed(ring, state, &call) || state.ghost().executed(t) == call.count)
}

fn no_stranger_done<const N: usize, const T: usize>(ring: &Ring<N, T>, state: &State<N, T>) -> bool {
    calls(ring, state).all(|(t, call)| {
        !will_succeed(ring, state, &call)
            || state.ghost().done_by(call.polled_slot(&ring.cfg().rules, ring.length())).is(t)
    })
}

fn lock_held_on_access<const N: usize, const T: usize>(ring: &Ring<N, T>, state: &State<N, T>) -> bool {
    calls(ring, state).all(|(t, call)| !call.pc.needs_lock() || state.lock_holder() == Some(t))
}

fn no_slot_leak<const N: usize, const T: usize>(ring: &Ring<N, T>, state: &State<N, T>) -> bool {
    !ring.at_rest(state) || state.queue().free_cnt == ring.length().slots()
}

fn own_done_observed<const N: usize, const T: usize>(ring: &Ring<N, T>, state: &State<N, T>) -> bool {
    calls(ring, state)
        .any(|(t, call)| will_succeed(ring, state, &call) && state.ghost().done_by(ring.wait_index(&call)).is(t))
}

fn ring_full<const N: usize, const T: usize>(ring: &Ring<N, T>, state: &State<N, T>) -> bool {
    calls(ring, state).any(|(_, call)| call.pc == Pc::NoRoom)
}

fn two_wds_outstanding<const N: usize, const T: usize>(ring: &Ring<N, T>, state: &State<N, T>) -> bool {
    (0..ring.cfg().submitters).filter(|&t| ring.waiting(state, t)).count() >= 2
}

fn foreign_status_in_reclaim<const N: usize, const T: usize>(ring: &Ring<N, T>, state: &State<N, T>) -> bool {
    let tail = state.queue().free_tail;
    calls(ring, state).any(|(_, call)| call.pc == Pc::Reclaim)
        && calls(ring, state)
            .any(|(other, call)| ring.waiting(state, other) && ring.length().distance(call.index, tail) < call.slots())
}
