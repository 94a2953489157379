//! A state of the ring: plain bytes, no heap, with the ghosts in a struct of their own.

use std::fmt;

use super::Lock;
use super::driver::{Acquire, Bus, Call, FaultPass, Outcome, Pc};
use super::faults::Quirk;
use super::fsts::Fsts;
use super::ghost::{Ghost, Owner, wide};
use super::hardware::{MAX_DEPTH, Unit};
use super::request::Request;
use super::ring::{Desc, Length, Queue, Slot, Status};
use super::rules::Rules;

/// Memory, registers, lock and local variables, for at most `N` slots and `T` submitters; `F` is 1 where the fault check is
/// modelled and 0 where not.
///
/// Per slot a byte for status and kind of descriptor, one for its operand and one of ghosts; 8 slots and 3 submitters fit
/// in 64 bytes, and in 96 with faults. Unused capacity is zero and stays zero, so that equality of bytes is equality of states.
///
/// ```
/// use vtd_qi::impl_qi::State;
/// assert!(size_of::<State<8, 3, 0>>() <= 64);
/// assert!(size_of::<State<8, 3, 1>>() <= 96);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct State<const N: usize, const T: usize, const F: usize = 0> {
    free_cnt: u16,
    free_head: Slot,
    free_tail: Slot,
    iqh: Slot,
    iqt: Slot,
    /// 0 if the lock is free, `t + 1` if submitter `t` holds it.
    lock: u8,
    /// Submitters in the queue of the lock, first in line first: t + 1, then zeroes.
    waiters: [u8; T],
    /// Status in bits 0 and 1, kind of descriptor in the bits above.
    slots: [u8; N],
    /// What the descriptor in the slot holds beside its kind: the target of a WD.
    operands: [u8; N],
    /// Pending descriptors, oldest first: kind, 0 behind the last.
    pending: [u8; MAX_DEPTH],
    pending_operands: [u8; MAX_DEPTH],
    pc: [u8; T],
    count: [u8; T],
    index: [Slot; T],
    at: [u8; T],
    faults: [FaultState<T>; F],
    ghost: Ghost<N, T, F>,
}

/// A state of a [`WideRing`](super::WideRing).
pub type WideState<const F: usize> = State<256, 8, F>;

/// What only exists where faults are modelled.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct FaultState<const T: usize> {
    fsts: u8,
    itesid: u8,
    /// Devices that are gone: bit 0 stands for device 1.
    gone: u8,
    injected: u8,
    /// Local variables of the fault check of whoever holds the lock. FSTS in the low bits, [`HEAD`] and [`TAIL`] if these mean
    /// something.
    check: u8,
    check_head: Slot,
    check_tail: Slot,
    check_itesid: u8,
    request: [u8; T],
    outcome: [u8; T],
}

const HEAD: u8 = 8;
const TAIL: u8 = 16;

impl<const T: usize> FaultState<T> {
    const NONE: FaultState<T> = FaultState {
        fsts: 0,
        itesid: 0,
        gone: 0,
        injected: 0,
        check: 0,
        check_head: 0,
        check_tail: 0,
        check_itesid: 0,
        request: [0; T],
        outcome: [0; T],
    };

    fn check(&self) -> FaultPass {
        FaultPass {
            fault: Fsts::unpacked(self.check),
            head: (self.check & HEAD != 0).then_some(self.check_head),
            tail: (self.check & TAIL != 0).then_some(self.check_tail),
            itesid: self.check_itesid,
        }
    }

    fn set_check(&mut self, check: FaultPass) {
        let valid = |slot: Option<Slot>, bit: u8| slot.map_or(0, |_| bit);
        self.check = check.fault.packed() | valid(check.head, HEAD) | valid(check.tail, TAIL);
        self.check_head = check.head.unwrap_or(0);
        self.check_tail = check.tail.unwrap_or(0);
        self.check_itesid = check.itesid;
    }
}

impl<const N: usize, const T: usize, const F: usize> State<N, T, F> {
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
            operands: [0; N],
            pending: [0; MAX_DEPTH],
            pending_operands: [0; MAX_DEPTH],
            pc: [Pc::Idle as u8; T],
            count: [0; T],
            index: [0; T],
            at: [0; T],
            faults: [FaultState::NONE; F],
            ghost: Ghost::initial(),
        }
    }

    /// `desc_status[slot]`.
    pub fn status(&self, slot: Slot) -> Status {
        Status::from_bits(self.slots[usize::from(slot)])
    }

    /// The descriptor in a slot.
    pub fn desc(&self, slot: Slot) -> Desc {
        Desc::from_parts(self.slots[usize::from(slot)] >> 2, self.operands[usize::from(slot)])
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

    /// Which submitter holds `q_lock`.
    pub fn lock_holder(&self) -> Option<usize> {
        self.lock.checked_sub(1).map(usize::from)
    }

    /// The submitters in the queue of the lock, in order.
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
        Desc::from_parts(self.pending[position], self.pending_operands[position])
    }

    /// FSTS.
    pub fn fsts(&self) -> Fsts {
        self.faults.first().map_or(Fsts::NONE, |faults| Fsts::unpacked(faults.fsts))
    }

    /// The device that ITESID names, 0 if none; cleared with ITE, without which it means nothing.
    pub fn itesid(&self) -> u8 {
        self.faults.first().map_or(0, |faults| faults.itesid)
    }

    /// Whether a device is gone.
    pub fn is_gone(&self, device: u8) -> bool {
        self.faults.first().is_some_and(|faults| faults.gone >> (device - 1) & 1 == 1)
    }

    /// How many faults have been injected.
    pub fn injected(&self) -> u8 {
        self.faults.first().map_or(0, |faults| faults.injected)
    }

    /// Counts faults that a call brings.
    pub(super) fn inject(&mut self, count: u8) {
        if let Some(faults) = self.faults.first_mut() {
            faults.injected += count;
        }
    }

    /// The outcome that an attempt of submitter `t` to take the lock would have now.
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
        let pc = Pc::from_byte(self.pc[t]);
        let call = Call { pc, count: self.count[t], index: self.index[t], at: self.at[t], ..Call::IDLE };
        match self.faults.first() {
            Some(faults) => Call {
                request: faults.request[t],
                outcome: Outcome::from_bits(faults.outcome[t]),
                check: if pc.is_fault_check() { faults.check() } else { FaultPass::default() },
                ..call
            },
            None => call,
        }
    }

    pub(super) fn set_call(&mut self, t: usize, call: Call) {
        let was_checking = Pc::from_byte(self.pc[t]).is_fault_check();
        self.pc[t] = call.pc as u8;
        self.count[t] = call.count;
        self.index[t] = call.index;
        self.at[t] = call.at;
        if let Some(faults) = self.faults.first_mut() {
            faults.request[t] = call.request;
            faults.outcome[t] = call.outcome as u8;
            // Only who holds the lock checks, so one set of these variables is enough.
            if was_checking || call.pc.is_fault_check() {
                faults.set_check(call.check);
            }
        }
    }

    /// The ghosts: read by properties and mappings only.
    pub fn ghost(&self) -> &Ghost<N, T, F> {
        &self.ghost
    }

    /// The same state of a ring of the largest capacity, in which code that need not be fast is compiled once.
    pub fn widened(&self) -> WideState<F> {
        let faults = self.faults.map(|of| FaultState {
            fsts: of.fsts,
            itesid: of.itesid,
            gone: of.gone,
            injected: of.injected,
            check: of.check,
            check_head: of.check_head,
            check_tail: of.check_tail,
            check_itesid: of.check_itesid,
            request: wide(of.request),
            outcome: wide(of.outcome),
        });
        State {
            free_cnt: self.free_cnt,
            free_head: self.free_head,
            free_tail: self.free_tail,
            iqh: self.iqh,
            iqt: self.iqt,
            lock: self.lock,
            waiters: wide(self.waiters),
            slots: wide(self.slots),
            operands: wide(self.operands),
            pending: self.pending,
            pending_operands: self.pending_operands,
            pc: wide(self.pc),
            count: wide(self.count),
            index: wide(self.index),
            at: wide(self.at),
            faults,
            ghost: self.ghost.widened(),
        }
    }

    /// The state with its ghosts erased: what the real ring consists of.
    pub fn without_ghosts(&self) -> Self {
        State { ghost: Ghost::initial(), ..*self }
    }

    /// The representative of this state under rotation of the ring, with descriptors that nothing can read any more cleared.
    ///
    /// Rotation acts on every slot-valued datum: indices, registers, walk cursors, WD targets in the ring and in hardware,
    /// ghosts. A descriptor is dead outside [IQH, IQT), unless a submitter has just written it, as long as
    /// [`Rules::keeps_hardware_behind_posts`](super::Rules::keeps_hardware_behind_posts); and unless
    /// the fault check may read it.
    pub(super) fn canonical(&self, ring: Length, submitters: usize, rules: &Rules, rotation: Rotation) -> Self {
        let step = rotation.step;
        let len = usize::from(ring.slots());
        let tail = self.free_tail as u16 / step * step;
        let back = |slot: Slot| ring.distance(tail as Slot, slot) as Slot;
        let mut s = *self;
        if tail != 0 {
            s.slots[..len].rotate_left(tail.into());
            s.operands[..len].rotate_left(tail.into());
            s.ghost.rotate(len, tail.into());
            (s.free_head, s.free_tail) = (back(self.free_head), back(self.free_tail));
            (s.iqh, s.iqt) = (back(self.iqh), back(self.iqt));
            for slot in 0..len {
                if Desc::kind_has_target(s.slots[slot] >> 2) {
                    s.operands[slot] = back(s.operands[slot]);
                }
            }
            for i in 0..MAX_DEPTH {
                if Desc::kind_has_target(s.pending[i]) {
                    s.pending_operands[i] = back(s.pending_operands[i]);
                }
            }
            for t in 0..submitters {
                if s.call(t).has_index() {
                    s.index[t] = back(s.index[t]);
                }
            }
            if let Some(faults) = s.faults.first_mut() {
                let check = faults.check();
                faults.set_check(FaultPass { head: check.head.map(back), tail: check.tail.map(back), ..check });
            }
        }
        let Some(reads) = rotation.clear else { return s };
        for slot in ring.iter() {
            if s.slots[usize::from(slot)] >> 2 != 0
                && !ring.within(slot, s.iqh, s.iqt)
                && !s.ghost.is_posted(slot)
                && !s.will_be_posted(rules, ring, submitters, slot)
                && !s.fault_check_may_read(reads, rules, ring, submitters, slot)
            {
                s.slots[usize::from(slot)] &= 3;
                s.operands[usize::from(slot)] = 0;
                s.ghost.forget_posted(slot);
            }
        }
        s
    }

    /// Whether `slot` has been written for a post whose IQT write is to come.
    ///
    /// Where a slot is handed out that hardware has still to read, the new descriptor may have been fetched before that.
    fn will_be_posted(&self, rules: &Rules, ring: Length, submitters: usize, slot: Slot) -> bool {
        let written = |t: usize| {
            let call = self.call(t);
            ring.distance(call.index, slot) < call.written(rules)
        };
        F > 0 && (0..submitters).any(written)
    }

    /// Whether a fault check may read the descriptor in `slot` though hardware has done with it.
    fn fault_check_may_read(
        &self,
        reads: CheckReads,
        rules: &Rules,
        ring: Length,
        submitters: usize,
        slot: Slot,
    ) -> bool {
        let own_wd = |t: usize| {
            let call = self.call(t);
            call.waiting(rules) && call.wait_index(rules, ring) == slot
        };
        reads.before_iqh && slot == ring.before(self.iqh, 1) || reads.own_wd && (0..submitters).any(own_wd)
    }
}

/// What a canonical form does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rotation {
    /// Rotates by multiples of so many slots: 1, or 2 where a rule tells odd slots from even ones.
    pub(super) step: u16,
    /// Clears dead descriptors, but for those that the fault check reads; `None`: clears nothing.
    pub(super) clear: Option<CheckReads>,
}

/// Which descriptors a fault check reads that hardware may have done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CheckReads {
    /// The WD of the submitter's own batch, to be copied over an invalid descriptor.
    pub(super) own_wd: bool,
    /// The one before IQH, to see whether IQH stands in a batch.
    pub(super) before_iqh: bool,
}

impl Call {
    /// Whether the call has been given a batch of slots, so that `index` means something.
    pub fn has_index(&self) -> bool {
        self.pc != Pc::Idle && self.pc != Pc::GiveUp && !self.wants_room()
    }
}

/// Draws the state in one line; with `{:#?}`, as the Explorer does, all of it: there states that are written alike are taken
/// for the same.
impl<const N: usize, const T: usize, const F: usize> fmt::Debug for State<N, T, F> {
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
            if let Some(faults) = self.faults.first() {
                let ghost = &self.ghost;
                let ids = |t| (ghost.executed_ids(t), ghost.executed_ids_since_post(t), ghost.is_reposting(t));
                write!(
                    f,
                    "\nFSTS={} ITESID={} gone={:#b} injected={} executed={:?}",
                    self.fsts().names(),
                    faults.itesid,
                    faults.gone,
                    faults.injected,
                    (0..T).map(ids).collect::<Vec<_>>()
                )?;
            }
            for slot in (0..N).map(|slot| slot as Slot).filter(|&slot| self.desc(slot) != Desc::Blank) {
                let (posted, done) = (self.ghost.posted_by(slot), self.ghost.done_by(slot));
                write!(f, "\n{slot}: {:?}, posted by {posted}, DONE of {done}", self.desc(slot))?;
            }
        }
        Ok(())
    }
}

/// A state seen from one CPU, or from the hardware.
pub(super) struct Memory<'a, const N: usize, const T: usize, const F: usize> {
    pub(super) state: &'a mut State<N, T, F>,
    pub(super) ring: Length,
    pub(super) lock: Lock,
    /// The calls that can be made.
    pub(super) requests: &'a [Request],
    /// An altered clause of the hardware's rules.
    pub(super) quirk: Option<Quirk>,
    /// The CPU through which the state is seen; the hardware does not use it.
    pub(super) cpu: usize,
}

impl<const N: usize, const T: usize, const F: usize> Bus for Memory<'_, N, T, F> {
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
        Bus::patch_desc(self, slot, desc);
        self.state.ghost.posted(slot, self.cpu);
    }

    fn request(&self, request: u8, _: u8) -> Request {
        self.requests[usize::from(request)]
    }

    fn set_iqt(&mut self, slot: Slot) {
        self.state.iqt = slot;
        self.state.ghost.submitted(self.cpu);
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

    fn restarted(&mut self) {
        self.state.ghost.restarted(self.cpu);
    }

    fn checks_faults(&self) -> bool {
        F > 0
    }

    fn fsts(&self) -> Fsts {
        self.state.fsts()
    }

    fn clear_fsts(&mut self, cleared: Fsts) {
        if let Some(faults) = self.state.faults.first_mut() {
            faults.fsts = Fsts::unpacked(faults.fsts).without(cleared).packed();
            if cleared.has(Fsts::ITE) {
                faults.itesid = 0;
            }
        }
    }

    fn iqh(&self) -> Slot {
        self.state.iqh
    }

    fn iqt(&self) -> Slot {
        self.state.iqt
    }

    fn itesid(&self) -> u8 {
        self.state.itesid()
    }

    fn desc(&self, slot: Slot) -> Desc {
        self.state.desc(slot)
    }

    fn patch_desc(&mut self, slot: Slot, desc: Desc) {
        let byte = &mut self.state.slots[usize::from(slot)];
        *byte = *byte & 3 | desc.kind() << 2;
        self.state.operands[usize::from(slot)] = desc.operand();
    }

    fn is_gone(&self, device: u8) -> bool {
        self.state.is_gone(device) && self.quirk != Some(Quirk::GoneUnknown)
    }
}

impl<const N: usize, const T: usize, const F: usize> Memory<'_, N, T, F> {
    /// Whether the pending ID at a position is of an earlier post of its batch: its submitter posts again, or the same ID of the
    /// present post is still in the ring or behind.
    fn is_left_over(&self, position: usize, number: u8) -> bool {
        let Owner::Submitter(t) = self.state.ghost.pending(position) else { return false };
        let (t, call) = (usize::from(t), self.state.call(t.into()));
        let same = |desc: Desc| matches!(desc, Desc::Id { number: n, .. } if n == number);
        let mut behind = self.state.pending().skip(position + 1);
        let mut in_ring = (0..call.slots()).map(|k| self.ring.add(call.index, k));
        self.state.ghost.is_reposting(t)
            || behind.any(|(desc, owner)| owner.is(t) && same(desc))
            || in_ring.any(|slot| self.state.ghost.posted_by(slot).is(t) && same(self.state.desc(slot)))
    }
}

impl<const N: usize, const T: usize, const F: usize> Unit for Memory<'_, N, T, F> {
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
        self.state.pending_operands[position] = desc.operand();
        self.state.ghost.fetched(slot, position);
    }

    fn retire(&mut self, position: usize) {
        if let Desc::Id { number, .. } = self.state.pending_at(position) {
            let left_over = F > 0 && self.is_left_over(position, number);
            self.state.ghost.executed_id(position, number, left_over);
        }
        self.discard(position);
    }

    fn write_status(&mut self, slot: Slot, status: Status, position: usize) {
        let byte = &mut self.state.slots[usize::from(slot)];
        *byte = *byte & !3 | status as u8;
        match status {
            Status::Done => self.state.ghost.done(slot, position),
            _ => self.state.ghost.status_overwritten(slot),
        }
    }

    fn fsts(&self) -> Fsts {
        self.state.fsts()
    }

    fn set_fsts(&mut self, fsts: Fsts) {
        if let Some(faults) = self.state.faults.first_mut() {
            faults.fsts = fsts.packed();
        }
    }

    fn set_itesid(&mut self, device: u8) {
        if let Some(faults) = self.state.faults.first_mut() {
            faults.itesid = device;
        }
    }

    fn discard(&mut self, position: usize) {
        let state = &mut *self.state;
        state.pending[position..].rotate_left(1);
        state.pending[MAX_DEPTH - 1] = 0;
        state.pending_operands[position..].rotate_left(1);
        state.pending_operands[MAX_DEPTH - 1] = 0;
        state.ghost.retired(position);
    }

    fn is_gone(&self, device: u8) -> bool {
        self.state.is_gone(device)
    }

    fn remove(&mut self, device: u8) {
        if let Some(faults) = self.state.faults.first_mut() {
            faults.gone |= 1 << (device - 1);
        }
    }

    fn injected(&self) -> u8 {
        self.state.injected()
    }

    fn inject(&mut self) {
        self.state.inject(1);
    }
}
