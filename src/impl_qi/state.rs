//! A state of the ring: plain bytes, no heap, with the ghosts in a struct of their own.

use std::fmt;

use super::driver::{Acquire, Bus, Call, Pc};
use super::ghost::{Ghost, Owner};
use super::hardware::{Unit, MAX_DEPTH};
use super::ring::{Desc, Length, Queue, Slot, Status};
use super::Lock;

/// Memory, registers, lock and local variables, for at most `N` slots and `T` submitters.
///
/// Per slot a byte for status and kind of descriptor, one for the WD's target and one of ghosts; 8 slots and 3 submitters fit
/// in 64 bytes. Unused capacity is zero and stays zero, so that equality of bytes is equality of states.
///
/// ```
/// assert!(size_of::<vtd_qi::impl_qi::State<8, 3>>() <= 64);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct State<const N: usize, const T: usize> {
    free_cnt: u16,
    free_head: Slot,
    free_tail: Slot,
    iqh: Slot,
    iqt: Slot,
    /// 0: free; t + 1: held by submitter t.
    lock: u8,
    /// Submitters in the queue of the lock, first in line first: t + 1, then zeroes.
    waiters: [u8; T],
    /// Status in bits 0 and 1, kind of descriptor in bits 2 and 3.
    slots: [u8; N],
    /// Target of the WD in the slot.
    targets: [Slot; N],
    /// Pending descriptors, oldest first: kind, 0 behind the last.
    pending: [u8; MAX_DEPTH],
    pending_targets: [Slot; MAX_DEPTH],
    pc: [u8; T],
    count: [u8; T],
    index: [Slot; T],
    at: [u8; T],
    ghost: Ghost<N, T>,
}

impl<const N: usize, const T: usize> State<N, T> {
    /// The ring as `dmar_enable_qi` leaves it: every slot FREE and blank, IQH = IQT = 0.
    pub fn initial(ring: Length) -> Self {
        State {
            free_cnt: ring.slots(),
            free_head: 0,
            free_tail: 0,
            iqh: 0,
            iqt: 0,
            lock: 0,
            waiters: [0; T],
            slots: [0; N],
            targets: [0; N],
            pending: [0; MAX_DEPTH],
            pending_targets: [0; MAX_DEPTH],
            pc: [Pc::Idle as u8; T],
            count: [0; T],
            index: [0; T],
            at: [0; T],
            ghost: Ghost::initial(),
        }
    }

    /// `desc_status[slot]`.
    pub fn status(&self, slot: Slot) -> Status {
        Status::from_bits(self.slots[usize::from(slot)])
    }

    /// The descriptor in a slot.
    pub fn desc(&self, slot: Slot) -> Desc {
        Desc::from_parts(self.slots[usize::from(slot)] >> 2, self.targets[usize::from(slot)])
    }

    /// The private fields.
    pub fn queue(&self) -> Queue {
        Queue { free_cnt: self.free_cnt, free_head: self.free_head, free_tail: self.free_tail }
    }

    /// The head register.
    pub fn iqh(&self) -> Slot {
        self.iqh
    }

    /// The tail register.
    pub fn iqt(&self) -> Slot {
        self.iqt
    }

    /// Who holds `q_lock`.
    pub fn lock_holder(&self) -> Option<usize> {
        self.lock.checked_sub(1).map(usize::from)
    }

    /// Who waits in the queue of the lock, first in line first.
    pub fn waiters(&self) -> impl Iterator<Item = usize> + '_ {
        self.waiters.iter().map_while(|w| w.checked_sub(1)).map(usize::from)
    }

    /// The descriptors fetched and not completed, oldest first, and whose they are.
    pub fn pending(&self) -> impl Iterator<Item = (Desc, Owner)> + '_ {
        (0..self.pending_len()).map(|i| (self.pending_at(i), self.ghost.pending(i)))
    }

    fn pending_len(&self) -> usize {
        self.pending.iter().position(|&kind| kind == 0).unwrap_or(MAX_DEPTH)
    }

    fn pending_at(&self, position: usize) -> Desc {
        Desc::from_parts(self.pending[position], self.pending_targets[position])
    }

    /// What an attempt of submitter `t` to take the lock would come to.
    pub(super) fn lock_for(&self, t: usize, lock: Lock) -> Acquire {
        let me = t as u8 + 1;
        match lock {
            Lock::Fifo if !self.waiters.contains(&me) => Acquire::Queued,
            Lock::Fifo if self.waiters[0] != me => Acquire::Busy,
            _ if self.lock != 0 => Acquire::Busy,
            _ => Acquire::Taken,
        }
    }

    /// One submitter's local variables.
    pub fn call(&self, t: usize) -> Call {
        Call { pc: Pc::from_byte(self.pc[t]), count: self.count[t], index: self.index[t], at: self.at[t] }
    }

    pub(super) fn set_call(&mut self, t: usize, call: Call) {
        self.pc[t] = call.pc as u8;
        self.count[t] = call.count;
        self.index[t] = call.index;
        self.at[t] = call.at;
    }

    /// The ghosts: read by properties and mappings only.
    pub fn ghost(&self) -> &Ghost<N, T> {
        &self.ghost
    }

    /// The state with its ghosts erased: what the real ring consists of.
    pub fn without_ghosts(&self) -> Self {
        State { ghost: Ghost::initial(), ..*self }
    }

    /// The representative of this state under rotation of the ring by multiples of `step` slots (1, or 2 where a rule tells
    /// odd slots from even ones), with descriptors that nothing can read any more cleared if `clear_dead`.
    ///
    /// Rotation acts on every slot-valued datum: indices, registers, WD targets in the ring and in hardware, ghosts. A
    /// descriptor is dead outside [IQH, IQT), unless a submitter has just written it, as long as
    /// [`Rules::keeps_hardware_behind_posts`](super::Rules::keeps_hardware_behind_posts).
    pub fn canonical(&self, ring: Length, submitters: usize, step: u16, clear_dead: bool) -> Self {
        let len = usize::from(ring.slots());
        let tail = self.free_tail as u16 / step * step;
        let back = |slot: Slot| ring.distance(tail as Slot, slot) as Slot;
        let mut s = *self;
        if tail != 0 {
            s.slots[..len].rotate_left(tail.into());
            s.targets[..len].rotate_left(tail.into());
            s.ghost.rotate(len, tail.into());
            (s.free_head, s.free_tail) = (back(self.free_head), back(self.free_tail));
            (s.iqh, s.iqt) = (back(self.iqh), back(self.iqt));
            for slot in 0..len {
                if s.slots[slot] >> 2 == 2 {
                    s.targets[slot] = back(s.targets[slot]);
                }
            }
            for i in 0..MAX_DEPTH {
                if s.pending[i] == 2 {
                    s.pending_targets[i] = back(s.pending_targets[i]);
                }
            }
            for t in 0..submitters {
                if s.call(t).has_index() {
                    s.index[t] = back(s.index[t]);
                }
            }
        }
        for slot in ring.iter().filter(|_| clear_dead) {
            if s.slots[usize::from(slot)] >> 2 != 0 && !ring.within(slot, s.iqh, s.iqt) && !s.ghost.is_posted(slot) {
                s.slots[usize::from(slot)] &= 3;
                s.targets[usize::from(slot)] = 0;
                s.ghost.forget_posted(slot);
            }
        }
        s
    }
}

impl Call {
    /// Whether the call has been given a batch of slots, so that `index` means something.
    pub fn has_index(&self) -> bool {
        self.pc != Pc::Idle && !self.wants_room()
    }
}

/// Draws the state in one line; with `{:#?}`, as the Explorer does, all of it: there states that are written alike are taken
/// for the same.
impl<const N: usize, const T: usize> fmt::Debug for State<N, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters: String = (0..N).map(|s| self.status(s as Slot).letter()).collect();
        write!(
            f,
            "{letters} head={} tail={} cnt={} IQH={} IQT={} lock=",
            self.free_head, self.free_tail, self.free_cnt, self.iqh, self.iqt
        )?;
        match self.lock_holder() {
            Some(t) => write!(f, "T{}", t + 1)?,
            None => write!(f, "-")?,
        }
        for (desc, owner) in self.pending() {
            write!(f, " [{desc:?} {owner}]")?;
        }
        for t in 0..T {
            write!(f, " T{}={:?}", t + 1, self.call(t))?;
        }
        if f.alternate() {
            let waiters: Vec<usize> = self.waiters().map(|t| t + 1).collect();
            write!(
                f,
                "\nwaiters={waiters:?} executed={:?}",
                (0..T).map(|t| self.ghost.executed(t)).collect::<Vec<_>>()
            )?;
            for slot in (0..N).map(|slot| slot as Slot).filter(|&slot| self.desc(slot) != Desc::Blank) {
                let (posted, done) = (self.ghost.posted_by(slot), self.ghost.done_by(slot));
                write!(f, "\n{slot}: {:?}, posted by {posted}, DONE of {done}", self.desc(slot))?;
            }
        }
        Ok(())
    }
}

/// A state seen from one CPU, or from the hardware.
pub(super) struct Memory<'a, const N: usize, const T: usize> {
    pub(super) state: &'a mut State<N, T>,
    pub(super) ring: Length,
    pub(super) lock: Lock,
    /// The CPU that looks; the hardware has no use for it.
    pub(super) cpu: usize,
}

impl<const N: usize, const T: usize> Bus for Memory<'_, N, T> {
    fn length(&self) -> Length {
        self.ring
    }

    fn status(&self, slot: Slot) -> Status {
        self.state.status(slot)
    }

    fn set_status(&mut self, slot: Slot, status: Status) {
        let byte = &mut self.state.slots[usize::from(slot)];
        *byte = *byte & !3 | status as u8;
        self.state.ghost.status_overwritten(slot);
    }

    fn set_desc(&mut self, slot: Slot, desc: Desc) {
        let byte = &mut self.state.slots[usize::from(slot)];
        *byte = *byte & 3 | desc.kind() << 2;
        self.state.targets[usize::from(slot)] = desc.target();
        self.state.ghost.posted(slot, self.cpu);
    }

    fn set_iqt(&mut self, slot: Slot) {
        self.state.iqt = slot;
    }

    fn queue(&self) -> Queue {
        self.state.queue()
    }

    fn set_queue(&mut self, queue: Queue) {
        self.state.free_cnt = queue.free_cnt;
        self.state.free_head = queue.free_head;
        self.state.free_tail = queue.free_tail;
    }

    fn acquire(&mut self) -> Acquire {
        let outcome = self.state.lock_for(self.cpu, self.lock);
        let me = self.cpu as u8 + 1;
        let state = &mut *self.state;
        match outcome {
            Acquire::Busy => {}
            Acquire::Queued => {
                let place = state.waiters().count();
                state.waiters[place] = me;
            }
            Acquire::Taken => {
                state.lock = me;
                if self.lock == Lock::Fifo {
                    state.waiters.rotate_left(1);
                    state.waiters[T - 1] = 0;
                }
            }
        }
        outcome
    }

    fn release(&mut self) {
        // A seeded fault may drop a lock that it does not hold; the property `lock-held-on-access` has then failed already.
        if self.state.lock == self.cpu as u8 + 1 {
            self.state.lock = 0;
        }
    }

    fn returned(&mut self) {
        self.state.ghost.returned(self.cpu);
    }
}

impl<const N: usize, const T: usize> Unit for Memory<'_, N, T> {
    fn length(&self) -> Length {
        self.ring
    }

    fn iqh(&self) -> Slot {
        self.state.iqh
    }

    fn set_iqh(&mut self, slot: Slot) {
        self.state.iqh = slot;
    }

    fn iqt(&self) -> Slot {
        self.state.iqt
    }

    fn desc(&self, slot: Slot) -> Desc {
        self.state.desc(slot)
    }

    fn pending(&self) -> usize {
        self.state.pending_len()
    }

    fn pending_at(&self, position: usize) -> Desc {
        self.state.pending_at(position)
    }

    fn fetch(&mut self, slot: Slot) {
        let position = self.state.pending_len();
        let desc = self.state.desc(slot);
        self.state.pending[position] = desc.kind();
        self.state.pending_targets[position] = desc.target();
        self.state.ghost.fetched(slot, position);
    }

    fn retire(&mut self, position: usize) {
        let state = &mut *self.state;
        if state.pending_at(position) == Desc::Id {
            state.ghost.executed_id(position);
        }
        state.pending[position..].rotate_left(1);
        state.pending[MAX_DEPTH - 1] = 0;
        state.pending_targets[position..].rotate_left(1);
        state.pending_targets[MAX_DEPTH - 1] = 0;
        state.ghost.retired(position);
    }

    fn write_done(&mut self, slot: Slot) {
        let byte = &mut self.state.slots[usize::from(slot)];
        *byte = *byte & !3 | Status::Done as u8;
        self.state.ghost.done(slot, 0);
    }
}
