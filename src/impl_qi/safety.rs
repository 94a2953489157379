//! The named safety properties of the ring, and the witnesses that show that a `holds` is not vacuous.
//!
//! A property about a step is a predicate of the state in which that step can be done next, so that a shortest run to a
//! violation ends right before the offending access.

use stateright::Property;

use super::driver::{Outcome, Pc};
use super::fsts::Fsts;
use super::ghost::Owner;
use super::ring::{Desc, IdKind, Status};
use super::{Call, Ring, State};
use crate::words;

words! {
    /// A named safety property of the ring.
    pub enum Safety as "safety property" {
        /// Free_cnt is QI_LENGTH less what lies between free_tail and free_head, and never 0.
        FreeCntConsistent = "free-cnt-consistent",
        /// No descriptor or IN_USE is written into [IQH, IQT) or where a fetched WD will write.
        NoOverwriteInFlight = "no-overwrite-in-flight",
        /// After every post IQT differs from IQH: a full ring does not look empty.
        IqtDiffersFromIqh = "iqt-differs-from-iqh",
        /// Hardware never fetches what was not submitted.
        HwFetchedUnowned = "hw-fetched-unowned",
        /// A call returns success only after all its IDs were executed since it began.
        SuccessAfterExecution = "success-after-execution",
        /// No submitter takes a DONE that was written for another's WD.
        NoStrangerDone = "no-stranger-done",
        /// Every access but taking the lock is made with the lock held.
        LockHeldOnAccess = "lock-held-on-access",
        /// With no call pending and hardware idle, free_cnt is QI_LENGTH.
        NoSlotLeak = "no-slot-leak",
        /// Hardware writes no status that is FREE or lies in another call's batch.
        NoStrayStatusWrite = "no-stray-status-write",
        /// A call returns -EINVAL only if one of its own descriptors was invalid.
        EinvalOnlyIfInvalid = "einval-only-if-invalid",
        /// A call returns -ETIMEDOUT only if one of its IDs addresses a device that is gone and was not executed as
        /// last posted.
        EtimedoutOnlyIfGone = "etimedout-only-if-gone",
    }
}

words! {
    /// A situation that is to be reached, so that a `holds` is not vacuous.
    pub enum Witness as "witness" {
        /// A submitter sees the DONE that was written for its own WD.
        OwnDoneObserved = "own-done-observed",
        /// A submitter finds no room.
        RingFull = "ring-full",
        /// Two WDs are posted and neither is observed.
        TwoWdsOutstanding = "two-wds-outstanding",
        /// Reclaim looks at a slot of a batch whose owner still waits.
        ForeignStatusInReclaim = "foreign-status-in-reclaim",
    }
}

type Condition<const N: usize, const T: usize, const F: usize> = fn(&Ring<N, T, F>, &State<N, T, F>) -> bool;

impl Safety {
    /// What it says, in one line.
    pub fn meaning(self) -> &'static str {
        match self {
            Safety::FreeCntConsistent => {
                "free_cnt is QI_LENGTH less what lies between free_tail and free_head, and never 0"
            }
            Safety::NoOverwriteInFlight => {
                "no descriptor or IN_USE is written into [IQH, IQT) or where a fetched WD will write"
            }
            Safety::IqtDiffersFromIqh => "after every post IQT differs from IQH: a full ring does not look empty",
            Safety::HwFetchedUnowned => "hardware never fetches what was not submitted",
            Safety::SuccessAfterExecution => {
                "a call returns success only after all its IDs were executed since it began"
            }
            Safety::NoStrangerDone => "no submitter takes a DONE that was written for another's WD",
            Safety::LockHeldOnAccess => "every access but taking the lock is made with the lock held",
            Safety::NoSlotLeak => "with no call pending and hardware idle, free_cnt is QI_LENGTH",
            Safety::NoStrayStatusWrite => "hardware writes no status that is FREE or lies in another call's batch",
            Safety::EinvalOnlyIfInvalid => "a call returns -EINVAL only if one of its own descriptors was invalid",
            Safety::EtimedoutOnlyIfGone => {
                "a call returns -ETIMEDOUT only if one of its IDs addresses a device that is gone and was not executed as last posted"
            }
        }
    }

    /// What it means to a caller of the driver that it is violated.
    pub fn harm(self) -> &'static str {
        match self {
            Safety::FreeCntConsistent => "the driver miscounts the free slots",
            Safety::NoOverwriteInFlight => "a descriptor is written over that the hardware still needs",
            Safety::IqtDiffersFromIqh => "a full ring looks empty to the hardware",
            Safety::HwFetchedUnowned => "the hardware executes what nobody has submitted",
            Safety::SuccessAfterExecution => {
                "a call returns success although one of its invalidations was not executed"
            }
            Safety::NoStrangerDone => "a call takes the completion of another for its own",
            Safety::LockHeldOnAccess => "the ring is accessed without the lock",
            Safety::NoSlotLeak => "slots of the ring are lost",
            Safety::NoStrayStatusWrite => "the hardware writes a status into a slot that is free or another call's",
            Safety::EinvalOnlyIfInvalid => "a call returns -EINVAL for what another has submitted",
            Safety::EtimedoutOnlyIfGone => "a call returns -ETIMEDOUT although its own device has answered",
        }
    }

    /// Whether it says something only where faults may occur.
    pub fn needs_faults(self) -> bool {
        matches!(self, Safety::NoStrayStatusWrite | Safety::EinvalOnlyIfInvalid | Safety::EtimedoutOnlyIfGone)
    }

    fn condition<const N: usize, const T: usize, const F: usize>(self) -> Condition<N, T, F> {
        match self {
            Safety::FreeCntConsistent => |ring, state| At { ring, state }.free_cnt_consistent(),
            Safety::NoOverwriteInFlight => |ring, state| At { ring, state }.no_overwrite_in_flight(),
            Safety::IqtDiffersFromIqh => |ring, state| At { ring, state }.iqt_differs_from_iqh(),
            Safety::HwFetchedUnowned => |ring, state| At { ring, state }.fetches_are_owned(),
            Safety::SuccessAfterExecution => |ring, state| At { ring, state }.success_after_execution(),
            Safety::NoStrangerDone => |ring, state| At { ring, state }.no_stranger_done(),
            Safety::LockHeldOnAccess => |ring, state| At { ring, state }.lock_held_on_access(),
            Safety::NoSlotLeak => |ring, state| At { ring, state }.no_slot_leak(),
            Safety::NoStrayStatusWrite => |ring, state| At { ring, state }.no_stray_status_write(),
            Safety::EinvalOnlyIfInvalid => |ring, state| At { ring, state }.einval_only_if_invalid(),
            Safety::EtimedoutOnlyIfGone => |ring, state| At { ring, state }.etimedout_only_if_gone(),
        }
    }
}

impl Witness {
    /// What it says, in one line.
    pub fn meaning(self) -> &'static str {
        match self {
            Witness::OwnDoneObserved => "a submitter sees the DONE that was written for its own WD",
            Witness::RingFull => "a submitter finds no room",
            Witness::TwoWdsOutstanding => "two WDs are posted and neither is observed",
            Witness::ForeignStatusInReclaim => "reclaim looks at a slot of a batch whose owner still waits",
        }
    }

    fn condition<const N: usize, const T: usize, const F: usize>(self) -> Condition<N, T, F> {
        match self {
            Witness::OwnDoneObserved => |ring, state| At { ring, state }.own_done_observed(),
            Witness::RingFull => |ring, state| At { ring, state }.ring_full(),
            Witness::TwoWdsOutstanding => |ring, state| At { ring, state }.two_wds_outstanding(),
            Witness::ForeignStatusInReclaim => |ring, state| At { ring, state }.foreign_status_in_reclaim(),
        }
    }
}

/// The properties in the order of their enums.
pub(super) fn properties<const N: usize, const T: usize, const F: usize>() -> Vec<Property<Ring<N, T, F>>> {
    let always = Safety::ALL.into_iter().map(|safety| Property::always(safety.name(), safety.condition()));
    let sometimes = Witness::ALL.into_iter().map(|witness| Property::sometimes(witness.name(), witness.condition()));
    always.chain(sometimes).collect()
}

/// A state of a ring, with what the conditions ask of it.
struct At<'a, const N: usize, const T: usize, const F: usize> {
    ring: &'a Ring<N, T, F>,
    state: &'a State<N, T, F>,
}

impl<'a, const N: usize, const T: usize, const F: usize> At<'a, N, T, F> {
    /// The calls, each with its submitter.
    fn calls(&self) -> impl Iterator<Item = (usize, Call)> + 'a {
        let (ring, state) = (self.ring, self.state);
        (0..ring.cfg().submitters).map(move |t| (t, state.call(t)))
    }

    fn free_cnt_consistent(&self) -> bool {
        let queue = self.state.queue();
        let used = self.ring.length().distance(queue.free_tail, queue.free_head);
        queue.free_cnt == self.ring.length().slots() - used
    }

    fn no_overwrite_in_flight(&self) -> bool {
        let rules = &self.ring.cfg().rules;
        self.calls().all(|(_, call)| {
            let slot = match call.pc {
                Pc::WriteId | Pc::IdInUse => call.id_slot(rules, self.ring.length(), call.at),
                Pc::WdInUse | Pc::WriteWd => self.ring.wait_index(&call),
                _ => return true,
            };
            !self.ring.length().within(slot, self.state.iqh(), self.state.iqt())
                && self.state.pending().all(|(desc, _)| !matches!(desc, Desc::Wd { target, .. } if target == slot))
        })
    }

    fn iqt_differs_from_iqh(&self) -> bool {
        self.calls().all(|(_, call)| {
            call.pc != Pc::WriteIqt
                || self.ring.length().add(self.state.queue().free_head, call.slots()) != self.state.iqh()
        })
    }

    fn fetches_are_owned(&self) -> bool {
        self.state.iqh() == self.state.iqt()
            || matches!(self.state.ghost().posted_by(self.state.iqh()), Owner::Submitter(_))
    }

    /// Whether a submitter, whose call this is, polls next and will see DONE.
    fn will_see_done(&self, call: &Call) -> bool {
        call.pc == Pc::Poll
            && self.state.status(call.polled_slot(&self.ring.cfg().rules, self.ring.length())) == Status::Done
    }

    fn success_after_execution(&self) -> bool {
        self.calls().all(|(t, call)| {
            let succeeds = self.will_see_done(&call) && call.outcome == Outcome::Success;
            !succeeds || self.state.ghost().executed(t) == call.count
        })
    }

    fn no_stranger_done(&self) -> bool {
        self.calls().all(|(t, call)| {
            !self.will_see_done(&call)
                || self.state.ghost().done_by(call.polled_slot(&self.ring.cfg().rules, self.ring.length())).is(t)
        })
    }

    fn lock_held_on_access(&self) -> bool {
        self.calls().all(|(t, call)| !call.pc.needs_lock() || self.state.lock_holder() == Some(t))
    }

    fn no_slot_leak(&self) -> bool {
        !self.ring.at_rest(self.state) || self.state.queue().free_cnt == self.ring.length().slots()
    }

    fn own_done_observed(&self) -> bool {
        self.calls()
            .any(|(t, call)| self.will_see_done(&call) && self.state.ghost().done_by(self.ring.wait_index(&call)).is(t))
    }

    fn ring_full(&self) -> bool {
        self.calls().any(|(_, call)| call.pc == Pc::NoRoom)
    }

    fn two_wds_outstanding(&self) -> bool {
        (0..self.ring.cfg().submitters).filter(|&t| self.ring.waiting(self.state, t)).count() >= 2
    }

    fn foreign_status_in_reclaim(&self) -> bool {
        let tail = self.state.queue().free_tail;
        self.calls().any(|(_, call)| call.pc == Pc::Reclaim)
            && self.calls().any(|(other, call)| {
                self.ring.waiting(self.state, other) && self.ring.length().distance(call.index, tail) < call.slots()
            })
    }

    /// A property of hardware's next step: its oldest pending descriptor is a WD that can write.
    fn no_stray_status_write(&self) -> bool {
        let Some((Desc::Wd { target, .. }, owner)) = self.state.pending().next() else { return true };
        let strays = |(t, call): (usize, Call)| {
            call.has_index() && self.ring.length().distance(call.index, target) < call.slots() && !owner.is(t)
        };
        self.state.fsts().has(Fsts::ITE) || self.state.status(target) != Status::Free && !self.calls().any(strays)
    }

    /// The call of submitter `t` if it returns next, and how.
    fn returning(&self, outcome: Outcome) -> impl Iterator<Item = (usize, Call)> + 'a {
        self.calls().filter(move |(_, call)| matches!(call.pc, Pc::Return | Pc::GiveUp) && call.outcome == outcome)
    }

    fn einval_only_if_invalid(&self) -> bool {
        self.returning(Outcome::Invalid).all(|(_, call)| self.ring.request(&call).faults() > 0)
    }

    fn etimedout_only_if_gone(&self) -> bool {
        self.returning(Outcome::TimedOut).all(|(t, call)| {
            let executed = self.state.ghost().executed_ids_since_post(t);
            self.ring.request(&call).kinds().enumerate().any(|(number, kind)| {
                matches!(kind, IdKind::Device(device) if self.state.is_gone(device)) && executed >> number & 1 == 0
            })
        })
    }
}
