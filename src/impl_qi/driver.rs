//! The driver: `qi_submit_sync` as a step machine over a [`Bus`].
//!
//! One step does at most one access that hardware can also make (a status slot, a descriptor, a register) or one operation on
//! the lock. Private fields (`free_head`, `free_tail`, `free_cnt`) are read and written in the step beside which they stand,
//! which is sound only while the lock is held; the property `lock-held-on-access` checks that it is.
//!
//! The machine knows nothing of the memory it runs on. The model checker gives it a packed state, a test gives it atomics
//! shared by real threads.

use serde::{Deserialize, Serialize};

use super::fsts::Fsts;
use super::request::Request;
use super::ring::{Desc, IdKind, Length, Queue, Slot, Status};
use super::rules::{CleanUp, IdStatus, Layout, Mark, PollUntil, Presence, Publish, Reclaim, RoomWait, Rules};
use crate::listed;

mod fault_check;

/// What the driver can reach, seen from one CPU.
pub trait Bus {
    /// `QI_LENGTH`.
    fn length(&self) -> Length;
    /// Reads `desc_status[slot]`.
    fn status(&self, slot: Slot) -> Status;
    /// Writes `desc_status[slot]`.
    fn set_status(&mut self, slot: Slot, status: Status);
    /// Writes the descriptor in `slot`, as one of its own batch.
    fn set_desc(&mut self, slot: Slot, desc: Desc);
    /// What the caller whose calls are numbered `request` asks for: its array of IDs, `count` of them. Private; no access.
    fn request(&self, request: u8, count: u8) -> Request {
        let _ = request;
        Request::plain(count)
    }
    /// Writes the tail register.
    fn set_iqt(&mut self, slot: Slot);
    /// Reads the private fields.
    fn queue(&self) -> Queue;
    /// Writes the private fields.
    fn set_queue(&mut self, queue: Queue);
    /// Tries to take `q_lock`.
    fn acquire(&mut self) -> Acquire;
    /// Drops `q_lock`.
    fn release(&mut self);
    /// The call is over. For bookkeeping; no access.
    fn returned(&mut self) {}
    /// The call begins again after `-EAGAIN`. For bookkeeping; no access.
    fn restarted(&mut self) {}

    /// Whether the fault check is made. Where no fault can occur its reads change nothing and may be left out; then none of the
    /// methods below is called.
    fn checks_faults(&self) -> bool {
        false
    }
    /// Reads FSTS.
    fn fsts(&self) -> Fsts {
        Fsts::NONE
    }
    /// Writes FSTS: clears the faults that are written as 1.
    fn clear_fsts(&mut self, faults: Fsts) {
        let _ = faults;
    }
    /// Reads the head register.
    fn iqh(&self) -> Slot {
        0
    }
    /// Reads the tail register.
    fn iqt(&self) -> Slot {
        0
    }
    /// Reads IQER: the device that ITESID names, 0 if none.
    fn itesid(&self) -> u8 {
        0
    }
    /// Reads the descriptor in `slot`.
    fn desc(&self, slot: Slot) -> Desc {
        let _ = slot;
        Desc::Blank
    }
    /// Overwrites a descriptor that was posted, by this submitter or another.
    fn patch_desc(&mut self, slot: Slot, desc: Desc) {
        let _ = (slot, desc);
    }
    /// Whether a device is gone. Asks the device, not the unit.
    fn is_gone(&self, device: u8) -> bool {
        let _ = device;
        false
    }
}

/// How a call ends, or that it is to begin again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Outcome {
    /// 0: success.
    #[default]
    Success = 0,
    /// `-EAGAIN`: post the same descriptors again.
    Again = 1,
    /// `-EINVAL`: an invalid descriptor.
    Invalid = 2,
    /// `-ETIMEDOUT`: a device that is gone.
    TimedOut = 3,
}

impl Outcome {
    pub(super) fn from_bits(bits: u8) -> Outcome {
        [Outcome::Success, Outcome::Again, Outcome::Invalid, Outcome::TimedOut][usize::from(bits & 3)]
    }

    /// What the function returns, as the kernel spells it.
    pub fn errno(self) -> &'static str {
        ["0", "-EAGAIN", "-EINVAL", "-ETIMEDOUT"][self as usize]
    }
}

/// The local variables of the fault check, in one pass of the poll loop with the lock held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FaultPass {
    /// What was read from FSTS.
    pub fault: Fsts,
    /// The slot that the ITE walk is at.
    pub head: Option<Slot>,
    /// The slot at which it ends.
    pub tail: Option<Slot>,
    /// What was read from IQER.
    pub itesid: u8,
}

/// The outcome of an attempt to take the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquire {
    /// The lock is held now.
    Taken,
    /// A place in the queue of waiters was taken.
    Queued,
    /// The lock is not to be had yet; it is another submitter's turn.
    Busy,
}

listed! {
    /// Where a submitter stands in `qi_submit_sync`: what it will do next.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    #[repr(u8)]
    pub enum Pc {
        /// Not in the function.
        Idle,
        /// Take the lock and look for `count + 2` free slots.
        Acquire,
        /// There was no room: drop the lock and try again.
        NoRoom,
        /// Write the ID numbered `at`.
        WriteId,
        /// Set that ID's status IN_USE.
        IdInUse,
        /// Set the WD's status IN_USE.
        WdInUse,
        /// Write the WD.
        WriteWd,
        /// Advance `free_head`, lower `free_cnt`, write IQT.
        WriteIqt,
        /// Read its own WD's status.
        Poll,
        /// It was not DONE: drop the lock.
        PollUnlock,
        /// Take the lock for the next look.
        PollAcquire,
        /// Drop the lock before MARK (seeded fault only).
        DropLock,
        /// MARK its own slot numbered `at`.
        Mark,
        /// `reclaim_free_desc`: look at the status of `free_tail`.
        Reclaim,
        /// It was DONE: set it FREE and advance (G1, G3).
        ReclaimFree,
        /// Drop the lock and return, or begin again.
        Return,
        /// Fault check: read its own WD's status, which may be ABORT.
        CheckAbort,
        /// Fault check: read FSTS.
        ReadFsts,
        /// IQE: read IQH.
        IqeIqh,
        /// IQE: write over the invalid descriptor.
        PatchDesc,
        /// IQE: clear it.
        ClearIqe,
        /// ITE: read IQH; the walk begins at the slot before.
        IteIqh,
        /// ITE: read IQT; the walk ends at the slot before.
        IteIqt,
        /// ITE: read IQER, if the rules use ITESID.
        ReadIqer,
        /// ITE: clear it.
        ClearIte,
        /// ITE walk: read a status.
        Walk,
        /// ITE walk: it was IN_USE: set it ABORT.
        WalkAbort,
        /// ITE (g5plus): read IQH, to look at the batch it stands in.
        StraddlerIqh,
        /// ITE (g5plus): read the descriptor before IQH.
        StraddlerLook,
        /// ITE (g5plus): look for the WD of the batch that IQH stands in.
        StraddlerSeek,
        /// ITE (g5plus): rewrite it.
        StraddlerPatch,
        /// ITE: read its own WD's status again.
        RecheckAbort,
        /// ICE: clear it.
        ClearIce,
        /// Drop the lock and return without having posted (g5plus).
        GiveUp,
    }
}

impl Pc {
    pub(super) fn from_byte(byte: u8) -> Pc {
        Pc::ALL[usize::from(byte)]
    }

    /// The name of the step that is next, `None` when idle; taking the lock may turn out to be queueing for it.
    pub fn step(self, rules: &Rules) -> Option<Step> {
        Some(match self {
            Pc::Idle => return None,
            Pc::Acquire | Pc::PollAcquire => Step::Acquire,
            Pc::NoRoom if rules.room_wait == RoomWait::KeepLock => Step::Look,
            Pc::NoRoom | Pc::PollUnlock | Pc::DropLock | Pc::Return | Pc::GiveUp => Step::Unlock,
            Pc::WriteId => Step::WriteId,
            Pc::IdInUse => Step::IdInUse,
            Pc::WdInUse => Step::WdInUse,
            Pc::WriteWd => Step::WriteWd,
            Pc::WriteIqt => Step::WriteIqt,
            Pc::Poll => Step::Poll,
            Pc::Mark => Step::Mark,
            Pc::Reclaim => Step::Reclaim,
            Pc::ReclaimFree => Step::ReclaimFree,
            Pc::CheckAbort | Pc::RecheckAbort => Step::CheckAbort,
            Pc::ReadFsts => Step::ReadFsts,
            Pc::IqeIqh | Pc::IteIqh | Pc::StraddlerIqh => Step::ReadIqh,
            Pc::PatchDesc | Pc::StraddlerPatch => Step::PatchDesc,
            Pc::ClearIqe => Step::ClearIqe,
            Pc::IteIqt => Step::ReadIqt,
            Pc::ReadIqer => Step::ReadIqer,
            Pc::ClearIte => Step::ClearIte,
            Pc::Walk => Step::Walk,
            Pc::WalkAbort => Step::WalkAbort,
            Pc::StraddlerLook | Pc::StraddlerSeek => Step::ReadDesc,
            Pc::ClearIce => Step::ClearIce,
        })
    }

    /// Whether this step is part of the fault check of the poll loop.
    pub fn is_fault_check(self) -> bool {
        self >= Pc::CheckAbort && self != Pc::GiveUp
    }

    /// Whether the next step needs the lock: all but the first of a call and the two that take it.
    pub fn needs_lock(self) -> bool {
        !matches!(self, Pc::Idle | Pc::Acquire | Pc::PollAcquire)
    }
}

/// One submitter's local variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// What it will do next.
    pub pc: Pc,
    /// Number of IDs in its batch.
    pub count: u8,
    /// Which of the calls that can be made it is, where faults are modelled; see [`Bus::request`].
    pub request: u8,
    /// First slot of its batch; 0 until it has one.
    pub index: Slot,
    /// Which own slot a repeated step is at: `0..=count`.
    pub at: u8,
    /// `rc`: how the call will end, as far as is known.
    pub outcome: Outcome,
    /// Local variables of the fault check; cleared when the pass is over.
    pub check: FaultPass,
}

listed! {
    /// The name of a driver's step, the same in the TLA+ twin.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
    pub enum Step {
        /// Takes its place in the queue of the lock (FIFO lock only).
        Enqueue,
        /// Takes the lock.
        Acquire,
        /// Drops the lock.
        Unlock,
        /// Looks for room again with the lock held (seeded fault only).
        Look,
        /// Writes an ID.
        WriteId,
        /// Sets an ID's status IN_USE.
        IdInUse,
        /// Sets the WD's status IN_USE.
        WdInUse,
        /// Writes the WD.
        WriteWd,
        /// Writes IQT.
        WriteIqt,
        /// Reads its own WD's status.
        Poll,
        /// Writes the status of one own slot.
        Mark,
        /// Reads the status of `free_tail`.
        Reclaim,
        /// Sets the status of `free_tail` FREE.
        ReclaimFree,
        /// Fault check: reads its own WD's status.
        CheckAbort,
        /// Reads FSTS.
        ReadFsts,
        /// Reads IQH.
        ReadIqh,
        /// Reads IQT.
        ReadIqt,
        /// Reads IQER.
        ReadIqer,
        /// Writes over a descriptor that was posted.
        PatchDesc,
        /// Clears IQE.
        ClearIqe,
        /// Clears ITE.
        ClearIte,
        /// Clears ICE.
        ClearIce,
        /// ITE walk: reads a status.
        Walk,
        /// ITE walk: sets a status ABORT.
        WalkAbort,
        /// Reads a descriptor (g5plus).
        ReadDesc,
    }
}

impl Step {
    /// Whether only the fault check does it.
    pub fn is_fault_check(self) -> bool {
        self >= Step::CheckAbort
    }
}

impl Call {
    /// A submitter that is not in the function.
    pub const IDLE: Call = Call {
        pc: Pc::Idle,
        count: 0,
        request: 0,
        index: 0,
        at: 0,
        outcome: Outcome::Success,
        check: FaultPass { fault: Fsts::NONE, head: None, tail: None, itesid: 0 },
    };

    /// A call with `count` IDs that has just begun.
    pub fn begin(count: u8) -> Call {
        Call { pc: Pc::Acquire, count, ..Call::IDLE }
    }

    /// A call of the caller that is numbered `request` and brings `count` IDs; see [`Bus::request`].
    pub fn begin_request(request: u8, count: u8) -> Call {
        Call { request, ..Call::begin(count) }
    }

    /// Number of slots of the batch.
    pub fn slots(&self) -> u16 {
        u16::from(self.count) + 1
    }

    /// The slot of the batch's WD: the kernel's `wait_index`.
    pub fn wait_index(&self, rules: &Rules, ring: Length) -> Slot {
        match rules.layout {
            Layout::WdLast => ring.add(self.index, u16::from(self.count)),
            Layout::WdFirst => self.index,
        }
    }

    /// The slot of the batch's ID numbered `at`.
    pub fn id_slot(&self, rules: &Rules, ring: Length, at: u8) -> Slot {
        let first = match rules.layout {
            Layout::WdLast => 0,
            Layout::WdFirst => 1,
        };
        ring.add(self.index, u16::from(at) + first)
    }

    /// The slot whose status ends the poll loop.
    pub fn polled_slot(&self, rules: &Rules, ring: Length) -> Slot {
        match rules.poll {
            PollUntil::Done => self.wait_index(rules, ring),
            PollUntil::FirstSlotDone => self.index,
        }
    }

    /// How many descriptors of the batch have been written while IQT has not: the first so many.
    pub fn written(&self, rules: &Rules) -> u16 {
        match self.pc {
            Pc::WriteId => self.at.into(),
            Pc::IdInUse | Pc::WdInUse if rules.publish == Publish::StatusesFirst => 0,
            Pc::IdInUse => u16::from(self.at) + 1,
            Pc::WdInUse | Pc::WriteWd => self.count.into(),
            Pc::WriteIqt => self.slots(),
            _ => 0,
        }
    }

    /// Whether it waits for free slots, or is about to look for them.
    pub fn wants_room(&self) -> bool {
        matches!(self.pc, Pc::Acquire | Pc::NoRoom)
    }

    /// Whether IQT has been written for this call and its completion has not been observed.
    pub fn waiting(&self, rules: &Rules) -> bool {
        match self.pc {
            Pc::Poll | Pc::PollUnlock | Pc::PollAcquire => true,
            pc if pc.is_fault_check() => true,
            Pc::WdInUse => rules.publish == Publish::WdIqtStatus,
            Pc::WriteWd => rules.publish == Publish::StatusIqtWd,
            _ => false,
        }
    }

    /// Does the next step, if it can be done now.
    ///
    /// Returns the step's name, or `None` when the submitter is idle or the lock is not to be had; then nothing has changed.
    /// Source: `qi_submit_sync` and `reclaim_free_desc` in drivers/iommu/intel/dmar.c.
    pub fn step<B: Bus>(&mut self, rules: &Rules, bus: &mut B) -> Option<Step> {
        match self.pc {
            Pc::Idle => None,
            Pc::Acquire | Pc::PollAcquire => match bus.acquire() {
                Acquire::Busy => None,
                Acquire::Queued => Some(Step::Enqueue),
                Acquire::Taken => {
                    match self.pc {
                        Pc::Acquire => self.look_for_room(rules, bus),
                        _ => self.pc = Pc::Poll,
                    }
                    Some(Step::Acquire)
                }
            },
            Pc::NoRoom | Pc::WriteId | Pc::IdInUse | Pc::WdInUse | Pc::WriteWd | Pc::WriteIqt => {
                Some(self.post(rules, bus))
            }
            Pc::Poll | Pc::PollUnlock => Some(self.poll(rules, bus)),
            Pc::DropLock | Pc::Mark | Pc::Reclaim | Pc::ReclaimFree | Pc::Return | Pc::GiveUp => {
                Some(self.clean_up(rules, bus))
            }
            _ => Some(self.fault_check(rules, bus)),
        }
    }

    /// Waits for room, then writes the batch: descriptors, statuses, IQT.
    fn post<B: Bus>(&mut self, rules: &Rules, bus: &mut B) -> Step {
        let ring = bus.length();
        match self.pc {
            Pc::NoRoom => match rules.room_wait {
                RoomWait::Unlock => {
                    bus.release();
                    self.pc = Pc::Acquire;
                    Step::Unlock
                }
                RoomWait::KeepLock => {
                    self.look_for_room(rules, bus);
                    Step::Look
                }
            },
            Pc::WriteId => {
                bus.set_desc(self.id_slot(rules, ring, self.at), self.id(bus));
                match rules.id_status {
                    _ if rules.publish == Publish::StatusesFirst => self.next_id(rules),
                    IdStatus::InUse => self.pc = Pc::IdInUse,
                    IdStatus::Untouched => self.next_id(rules),
                }
                Step::WriteId
            }
            Pc::IdInUse => {
                bus.set_status(self.id_slot(rules, ring, self.at), Status::InUse);
                match rules.publish {
                    Publish::StatusesFirst => self.next_status(),
                    _ => self.next_id(rules),
                }
                Step::IdInUse
            }
            Pc::WdInUse => {
                bus.set_status(self.wait_index(rules, ring), Status::InUse);
                self.pc = match rules.publish {
                    Publish::StatusWdIqt => Pc::WriteWd,
                    Publish::StatusIqtWd => Pc::WriteIqt,
                    Publish::WdIqtStatus => Pc::Poll,
                    Publish::StatusesFirst if self.count > 0 => Pc::IdInUse,
                    Publish::StatusesFirst => Pc::WriteWd,
                };
                Step::WdInUse
            }
            Pc::WriteWd => {
                let slot = self.wait_index(rules, ring);
                bus.set_desc(slot, self.wd(bus, slot));
                self.pc = match rules.publish {
                    Publish::StatusWdIqt | Publish::WdIqtStatus | Publish::StatusesFirst => Pc::WriteIqt,
                    Publish::StatusIqtWd => Pc::Poll,
                };
                Step::WriteWd
            }
            Pc::WriteIqt => {
                let mut queue = bus.queue();
                queue.free_head = ring.add(queue.free_head, self.slots());
                queue.free_cnt -= self.slots();
                bus.set_queue(queue);
                bus.set_iqt(queue.free_head);
                self.pc = match rules.publish {
                    Publish::StatusWdIqt | Publish::StatusesFirst => Pc::Poll,
                    Publish::StatusIqtWd => Pc::WriteWd,
                    Publish::WdIqtStatus => Pc::WdInUse,
                };
                Step::WriteIqt
            }
            pc => unreachable!("{pc:?} is no step of this part"),
        }
    }

    /// Looks at its own status; drops the lock between two looks.
    fn poll<B: Bus>(&mut self, rules: &Rules, bus: &mut B) -> Step {
        let ring = bus.length();
        match self.pc {
            Pc::Poll => {
                if bus.status(self.polled_slot(rules, ring)) == Status::Done {
                    self.leave_loop(rules);
                } else {
                    self.pc = if bus.checks_faults() { Pc::CheckAbort } else { Pc::PollUnlock };
                }
                Step::Poll
            }
            Pc::PollUnlock => {
                bus.release();
                self.pc = Pc::PollAcquire;
                Step::Unlock
            }
            pc => unreachable!("{pc:?} is no step of this part"),
        }
    }

    /// MARK, RECLAIM and the way out.
    fn clean_up<B: Bus>(&mut self, rules: &Rules, bus: &mut B) -> Step {
        let ring = bus.length();
        match self.pc {
            Pc::DropLock => {
                bus.release();
                self.start_mark(rules);
                Step::Unlock
            }
            Pc::Mark => {
                let status = match rules.mark {
                    Mark::IdsDone => Status::Done,
                    Mark::AllFree | Mark::IdsFree | Mark::Nothing => Status::Free,
                };
                let slot = if self.at == self.count {
                    self.wait_index(rules, ring)
                } else {
                    self.id_slot(rules, ring, self.at)
                };
                bus.set_status(slot, status);
                self.at += 1;
                self.mark_or_reclaim(rules);
                Step::Mark
            }
            Pc::Reclaim => {
                let queue = bus.queue();
                let status = bus.status(queue.free_tail);
                match rules.reclaim {
                    Reclaim::WhileDone if matches!(status, Status::Done | Status::Abort) => self.pc = Pc::ReclaimFree,
                    Reclaim::WhileFreeToHead if status == Status::Free && queue.free_tail != queue.free_head => {
                        advance_tail(bus)
                    }
                    Reclaim::WhileFree if status == Status::Free => advance_tail(bus),
                    Reclaim::ToHead if queue.free_tail != queue.free_head => advance_tail(bus),
                    _ => self.finish(rules, bus),
                }
                Step::Reclaim
            }
            Pc::ReclaimFree => {
                bus.set_status(bus.queue().free_tail, Status::Free);
                advance_tail(bus);
                self.pc = Pc::Reclaim;
                Step::ReclaimFree
            }
            Pc::Return | Pc::GiveUp => {
                bus.release();
                self.end(bus);
                Step::Unlock
            }
            pc => unreachable!("{pc:?} is no step of this part"),
        }
    }

    /// The descriptor of the ID numbered `at`.
    fn id(&self, bus: &impl Bus) -> Desc {
        if bus.checks_faults() {
            Desc::Id { number: self.at, kind: bus.request(self.request, self.count).kind(self.at) }
        } else {
            Desc::ID
        }
    }

    fn wd(&self, bus: &impl Bus, slot: Slot) -> Desc {
        if bus.checks_faults() && bus.request(self.request, self.count).has_invalid_wd() {
            Desc::InvalidWd { target: slot }
        } else {
            Desc::wd(slot)
        }
    }

    /// Whether a device that one of its IDs addresses is gone.
    fn addresses_gone(&self, bus: &impl Bus) -> bool {
        let gone = |kind| matches!(kind, IdKind::Device(device) if bus.is_gone(device));
        bus.checks_faults() && bus.request(self.request, self.count).kinds().any(gone)
    }

    /// The poll loop is over: MARK and RECLAIM.
    fn leave_loop(&mut self, rules: &Rules) {
        self.check = FaultPass::default();
        match rules.clean_up {
            CleanUp::Locked => self.start_mark(rules),
            CleanUp::Unlocked => self.pc = Pc::DropLock,
        }
    }

    /// Idle, or about to post again.
    fn end<B: Bus>(&mut self, bus: &mut B) {
        if self.outcome == Outcome::Again {
            bus.restarted();
            *self = Call::begin_request(self.request, self.count);
        } else {
            bus.returned();
            *self = Call::IDLE;
        }
    }

    fn look_for_room<B: Bus>(&mut self, rules: &Rules, bus: &B) {
        let queue = bus.queue();
        if rules.presence == Presence::BeforePost && self.addresses_gone(bus) {
            self.outcome = Outcome::TimedOut;
            self.pc = Pc::GiveUp;
        } else if queue.free_cnt < rules.slots_needed(self.count) {
            self.pc = Pc::NoRoom;
        } else {
            self.index = queue.free_head;
            self.at = 0;
            match rules.publish {
                Publish::StatusesFirst => self.pc = Pc::WdInUse,
                _ => self.id_or_wd(rules),
            }
        }
    }

    fn next_id(&mut self, rules: &Rules) {
        self.at += 1;
        self.id_or_wd(rules);
    }

    fn id_or_wd(&mut self, rules: &Rules) {
        self.pc = match rules.publish {
            _ if self.at < self.count => Pc::WriteId,
            Publish::StatusWdIqt | Publish::StatusIqtWd => Pc::WdInUse,
            Publish::WdIqtStatus | Publish::StatusesFirst => Pc::WriteWd,
        };
        if self.pc != Pc::WriteId {
            self.at = 0;
        }
    }

    /// After the status of an ID that of the next, or the first ID.
    fn next_status(&mut self) {
        self.at += 1;
        if self.at == self.count {
            self.at = 0;
            self.pc = Pc::WriteId;
        }
    }

    fn start_mark(&mut self, rules: &Rules) {
        self.at = 0;
        self.mark_or_reclaim(rules);
    }

    fn mark_or_reclaim(&mut self, rules: &Rules) {
        let marks = match rules.mark {
            Mark::AllFree => self.slots(),
            Mark::IdsDone | Mark::IdsFree => u16::from(self.count),
            Mark::Nothing => 0,
        };
        self.pc = if u16::from(self.at) < marks { Pc::Mark } else { Pc::Reclaim };
        if self.pc == Pc::Reclaim {
            self.at = 0;
        }
    }

    fn finish<B: Bus>(&mut self, rules: &Rules, bus: &mut B) {
        match rules.clean_up {
            CleanUp::Locked => self.pc = Pc::Return,
            CleanUp::Unlocked => self.end(bus),
        }
    }
}

/// `free_tail++, free_cnt++`; without a head guard this has no end, so `free_cnt` stops counting at `QI_LENGTH + 1`.
fn advance_tail<B: Bus>(bus: &mut B) {
    let ring = bus.length();
    let mut queue = bus.queue();
    queue.free_tail = ring.add(queue.free_tail, 1);
    queue.free_cnt = (queue.free_cnt + 1).min(ring.slots() + 1);
    bus.set_queue(queue);
}
