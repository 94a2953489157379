//! Ghosts: variables that the real ring does not have and that properties need.
//!
//! Two submitters' WDs for one slot are bit-identical, so that properties need extra variables to tell them apart. Ghosts are bounded,
//! driver and hardware never read them, and the TLA+ twin has them too. A test erases them and finds the same transitions.

use std::fmt;

use super::hardware::MAX_DEPTH;
use super::ring::Slot;

/// The owner of a descriptor or of a DONE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// No call's: the descriptor was never submitted, has been fetched, or was overwritten.
    Nobody,
    /// Left over from a call that has returned.
    Returned,
    /// The present call of a submitter.
    Submitter(u8),
}

impl Owner {
    fn to_bits(self) -> u8 {
        match self {
            Owner::Nobody => 0,
            Owner::Returned => 1,
            Owner::Submitter(t) => t + 2,
        }
    }

    fn from_bits(bits: u8) -> Owner {
        match bits {
            0 => Owner::Nobody,
            1 => Owner::Returned,
            _ => Owner::Submitter(bits - 2),
        }
    }

    /// Whether it is the present call of submitter `t`.
    pub fn is(self, t: usize) -> bool {
        self == Owner::Submitter(t as u8)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Nobody => write!(f, "nobody"),
            Owner::Returned => write!(f, "returned"),
            Owner::Submitter(t) => write!(f, "T{}", t + 1),
        }
    }
}

/// The ghosts of a state; `F` is 1 where faults are modelled and 0 where not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ghost<const N: usize, const T: usize, const F: usize> {
    /// Low half: who posted the descriptor, until it is fetched. High half: for whose WD hardware wrote the DONE.
    slots: [u8; N],
    /// Whose the pending descriptors are.
    pending: [u8; MAX_DEPTH],
    /// How many IDs of a submitter's present call were executed, where a batch is posted once.
    executed: [u8; T],
    faults: [ExecutedIds<T>; F],
}

/// Which IDs were executed, where a batch may be posted more than once: a bit for each; and who posts again, a bit for each.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct ExecutedIds<const T: usize> {
    since_call: [u16; T],
    since_post: [u16; T],
    reposting: u8,
}

impl<const N: usize, const T: usize, const F: usize> Ghost<N, T, F> {
    pub(super) fn initial() -> Self {
        let faults = [ExecutedIds { since_call: [0; T], since_post: [0; T], reposting: 0 }; F];
        Ghost { slots: [0; N], pending: [0; MAX_DEPTH], executed: [0; T], faults }
    }

    /// The same with room for more.
    pub(super) fn widened<const N2: usize, const T2: usize>(&self) -> Ghost<N2, T2, F> {
        let faults = self.faults.map(|executed| ExecutedIds {
            since_call: wide(executed.since_call),
            since_post: wide(executed.since_post),
            reposting: executed.reposting,
        });
        Ghost { slots: wide(self.slots), pending: self.pending, executed: wide(self.executed), faults }
    }

    /// Who submitted the descriptor in a slot, until hardware fetches it.
    pub fn posted_by(&self, slot: Slot) -> Owner {
        Owner::from_bits(self.slots[usize::from(slot)] & 15)
    }

    /// Whether the descriptor in a slot was written by a present call and has not been fetched.
    pub(super) fn is_posted(&self, slot: Slot) -> bool {
        matches!(self.posted_by(slot), Owner::Submitter(_))
    }

    /// For whose WD hardware wrote the DONE that lies in a slot.
    pub fn done_by(&self, slot: Slot) -> Owner {
        Owner::from_bits(self.slots[usize::from(slot)] >> 4)
    }

    /// Whose the pending descriptor at a position is.
    pub fn pending(&self, position: usize) -> Owner {
        Owner::from_bits(self.pending[position])
    }

    /// How many IDs of a submitter's present call were executed since it began, however often it was posted.
    pub fn executed(&self, t: usize) -> u8 {
        match self.faults.first() {
            Some(ids) => ids.since_call[t].count_ones() as u8,
            None => self.executed[t],
        }
    }

    /// Which IDs of a submitter's present call were executed since it began, a bit for each; where faults are modelled.
    pub fn executed_ids(&self, t: usize) -> u16 {
        self.faults.first().map_or(0, |ids| ids.since_call[t])
    }

    /// The same as last posted: without what an earlier post has left.
    pub fn executed_ids_since_post(&self, t: usize) -> u16 {
        self.faults.first().map_or(0, |ids| ids.since_post[t])
    }

    /// Whether a submitter's present call began again after `-EAGAIN` and has not been posted since.
    pub fn is_reposting(&self, t: usize) -> bool {
        self.faults.first().is_some_and(|ids| ids.reposting >> t & 1 == 1)
    }

    /// The call's batch is in the ring: IQT has been written.
    pub(super) fn submitted(&mut self, t: usize) {
        if let Some(ids) = self.faults.first_mut() {
            ids.reposting &= !(1 << t);
        }
    }

    pub(super) fn posted(&mut self, slot: Slot, t: usize) {
        self.set_posted(slot, Owner::Submitter(t as u8));
    }

    pub(super) fn forget_posted(&mut self, slot: Slot) {
        self.set_posted(slot, Owner::Nobody);
    }

    fn set_posted(&mut self, slot: Slot, owner: Owner) {
        let byte = &mut self.slots[usize::from(slot)];
        *byte = *byte & 0xf0 | owner.to_bits();
    }

    fn set_done(&mut self, slot: Slot, owner: Owner) {
        let byte = &mut self.slots[usize::from(slot)];
        *byte = *byte & 15 | owner.to_bits() << 4;
    }

    pub(super) fn status_overwritten(&mut self, slot: Slot) {
        self.set_done(slot, Owner::Nobody);
    }

    pub(super) fn fetched(&mut self, slot: Slot, position: usize) {
        self.pending[position] = self.posted_by(slot).to_bits();
        self.set_posted(slot, Owner::Nobody);
    }

    /// An ID was executed; `left_over` says whether it is of an earlier post of its batch.
    pub(super) fn executed_id(&mut self, position: usize, number: u8, left_over: bool) {
        if let Owner::Submitter(t) = self.pending(position) {
            let t = usize::from(t);
            match self.faults.first_mut() {
                Some(ids) => {
                    ids.since_call[t] |= 1 << number;
                    ids.since_post[t] |= u16::from(!left_over) << number;
                }
                None => self.executed[t] += 1,
            }
        }
    }

    /// The call is to be posted again.
    pub(super) fn restarted(&mut self, t: usize) {
        if let Some(ids) = self.faults.first_mut() {
            ids.since_post[t] = 0;
            ids.reposting |= 1 << t;
        }
    }

    pub(super) fn done(&mut self, slot: Slot, position: usize) {
        self.set_done(slot, self.pending(position));
    }

    pub(super) fn retired(&mut self, position: usize) {
        self.pending[position..].rotate_left(1);
        self.pending[MAX_DEPTH - 1] = 0;
    }

    /// Marks what a returning call leaves behind as belonging to no present call.
    pub(super) fn returned(&mut self, t: usize) {
        self.executed[t] = 0;
        if let Some(ids) = self.faults.first_mut() {
            (ids.since_call[t], ids.since_post[t]) = (0, 0);
            ids.reposting &= !(1 << t);
        }
        for slot in 0..N as u16 {
            let slot = slot as Slot;
            if self.posted_by(slot).is(t) {
                self.set_posted(slot, Owner::Returned);
            }
            if self.done_by(slot).is(t) {
                self.set_done(slot, Owner::Returned);
            }
        }
        for position in 0..MAX_DEPTH {
            if self.pending(position).is(t) {
                self.pending[position] = Owner::Returned.to_bits();
            }
        }
    }

    pub(super) fn rotate(&mut self, len: usize, by: usize) {
        self.slots[..len].rotate_left(by);
    }
}

/// An array with zeroes behind it.
///
/// # Panics
/// If the new one is shorter.
pub(super) fn wide<T: Copy + Default, const SHORT: usize, const LONG: usize>(short: [T; SHORT]) -> [T; LONG] {
    let mut long = [T::default(); LONG];
    long[..SHORT].copy_from_slice(&short);
    long
}
