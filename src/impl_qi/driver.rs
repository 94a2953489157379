//! The driver: `qi_submit_sync` as a step machine over a [`Bus`].
//!
//! One step does at most one access that hardware can also make (a status slot, a descriptor, a register) or one operation on
//! the lock. Private fields (`free_head`, `free_tail`, `free_cnt`) are read and written in the step beside which they stand,
//! which is sound only while the lock is held; the property `lock-held-on-access` checks that it is.
//!
//! The machine knows nothing of the memory it runs on. The model checker gives it a packed state, a test gives it atomics
//! shared by real threads.

use super::ring::{Desc, Length, Queue, Slot, Status};
use super::rules::{CleanUp, IdStatus, Layout, Mark, PollUntil, Publish, Reclaim, RoomWait, Rules};

/// What the driver can reach, seen from one CPU.
pub trait Bus {
    /// `QI_LENGTH`.
    fn length(&self) -> Length;
    /// Reads `desc_status[slot]`.
    fn status(&self, slot: Slot) -> Status;
    /// Writes `desc_status[slot]`.
    fn set_status(&mut self, slot: Slot, status: Status);
    /// Writes the descriptor in `slot`.
    fn set_desc(&mut self, slot: Slot, desc: Desc);
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
}

/// What came of an attempt to take the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquire {
    /// The lock is held now.
    Taken,
    /// A place in the queue of waiters was taken.
    Queued,
    /// Not yet: somebody else's turn.
    Busy,
}

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
    /// Read the own WD's status.
    Poll,
    /// It was not DONE: drop the lock.
    PollUnlock,
    /// Take the lock for the next look.
    PollAcquire,
    /// Drop the lock before MARK (seeded fault only).
    DropLock,
    /// MARK the own slot numbered `at`.
    Mark,
    /// `reclaim_free_desc`: look at the status of `free_tail`.
    Reclaim,
    /// It was DONE: set it FREE and advance (G1, G3).
    ReclaimFree,
    /// Drop the lock and return.
    Return,
}

impl Pc {
    const ALL: [Pc; 16] = [
        Pc::Idle,
        Pc::Acquire,
        Pc::NoRoom,
        Pc::WriteId,
        Pc::IdInUse,
        Pc::WdInUse,
        Pc::WriteWd,
        Pc::WriteIqt,
        Pc::Poll,
        Pc::PollUnlock,
        Pc::PollAcquire,
        Pc::DropLock,
        Pc::Mark,
        Pc::Reclaim,
        Pc::ReclaimFree,
        Pc::Return,
    ];

    pub(super) fn from_byte(byte: u8) -> Pc {
        Pc::ALL[usize::from(byte)]
    }

    /// The name of the step that is next, `None` when idle; taking the lock may turn out to be queueing for it.
    pub fn step(self, rules: &Rules) -> Option<Step> {
        Some(match self {
            Pc::Idle => return None,
            Pc::Acquire | Pc::PollAcquire => Step::Acquire,
            Pc::NoRoom if rules.room_wait == RoomWait::KeepLock => Step::Look,
            Pc::NoRoom | Pc::PollUnlock | Pc::DropLock | Pc::Return => Step::Unlock,
            Pc::WriteId => Step::WriteId,
            Pc::IdInUse => Step::IdInUse,
            Pc::WdInUse => Step::WdInUse,
            Pc::WriteWd => Step::WriteWd,
            Pc::WriteIqt => Step::WriteIqt,
            Pc::Poll => Step::Poll,
            Pc::Mark => Step::Mark,
            Pc::Reclaim => Step::Reclaim,
            Pc::ReclaimFree => Step::ReclaimFree,
        })
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
    /// First slot of its batch; 0 until it has one.
    pub index: Slot,
    /// Which own slot a repeated step is at: `0..=count`.
    pub at: u8,
}

/// The name of a driver's step, the same in the TLA+ twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// Reads the own WD's status.
    Poll,
    /// Writes the status of one own slot.
    Mark,
    /// Reads the status of `free_tail`.
    Reclaim,
    /// Sets the status of `free_tail` FREE.
    ReclaimFree,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 13] = [
        Step::Enqueue,
        Step::Acquire,
        Step::Unlock,
        Step::Look,
        Step::WriteId,
        Step::IdInUse,
        Step::WdInUse,
        Step::WriteWd,
        Step::WriteIqt,
        Step::Poll,
        Step::Mark,
        Step::Reclaim,
        Step::ReclaimFree,
    ];
}

impl Call {
    /// A submitter that is not in the function.
    pub const IDLE: Call = Call { pc: Pc::Idle, count: 0, index: 0, at: 0 };

    /// A call with `count` IDs that has just begun.
    pub fn begin(count: u8) -> Call {
        Call { pc: Pc::Acquire, count, ..Call::IDLE }
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

    /// Whether it waits for free slots, or is about to look for them.
    pub fn wants_room(&self) -> bool {
        matches!(self.pc, Pc::Acquire | Pc::NoRoom)
    }

    /// Whether IQT has been written for this call and its completion has not been observed.
    pub fn waiting(&self, rules: &Rules) -> bool {
        match self.pc {
            Pc::Poll | Pc::PollUnlock | Pc::PollAcquire => true,
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
        let ring = bus.length();
        Some(match self.pc {
            Pc::Idle => return None,
            Pc::Acquire => match bus.acquire() {
                Acquire::Busy => return None,
                Acquire::Queued => Step::Enqueue,
                Acquire::Taken => {
                    self.look_for_room(rules, bus);
                    Step::Acquire
                }
            },
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
                bus.set_desc(self.id_slot(rules, ring, self.at), Desc::Id);
                match rules.id_status {
                    IdStatus::InUse => self.pc = Pc::IdInUse,
                    IdStatus::Untouched => self.next_id(rules),
                }
                Step::WriteId
            }
            Pc::IdInUse => {
                bus.set_status(self.id_slot(rules, ring, self.at), Status::InUse);
                self.next_id(rules);
                Step::IdInUse
            }
            Pc::WdInUse => {
                bus.set_status(self.wait_index(rules, ring), Status::InUse);
                self.pc = match rules.publish {
                    Publish::StatusWdIqt => Pc::WriteWd,
                    Publish::StatusIqtWd => Pc::WriteIqt,
                    Publish::WdIqtStatus => Pc::Poll,
                };
                Step::WdInUse
            }
            Pc::WriteWd => {
                let slot = self.wait_index(rules, ring);
                bus.set_desc(slot, Desc::Wd { target: slot });
                self.pc = match rules.publish {
                    Publish::StatusWdIqt | Publish::WdIqtStatus => Pc::WriteIqt,
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
                    Publish::StatusWdIqt => Pc::Poll,
                    Publish::StatusIqtWd => Pc::WriteWd,
                    Publish::WdIqtStatus => Pc::WdInUse,
                };
                Step::WriteIqt
            }
            Pc::Poll => {
                if bus.status(self.polled_slot(rules, ring)) == Status::Done {
                    match rules.clean_up {
                        CleanUp::Locked => self.start_mark(rules),
                        CleanUp::Unlocked => self.pc = Pc::DropLock,
                    }
                } else {
                    self.pc = Pc::PollUnlock;
                }
                Step::Poll
            }
            Pc::PollUnlock => {
                bus.release();
                self.pc = Pc::PollAcquire;
                Step::Unlock
            }
            Pc::PollAcquire => match bus.acquire() {
                Acquire::Busy => return None,
                Acquire::Queued => Step::Enqueue,
                Acquire::Taken => {
                    self.pc = Pc::Poll;
                    Step::Acquire
                }
            },
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
            Pc::Return => {
                bus.release();
                bus.returned();
                *self = Call::IDLE;
                Step::Unlock
            }
        })
    }

    fn look_for_room<B: Bus>(&mut self, rules: &Rules, bus: &B) {
        let queue = bus.queue();
        if queue.free_cnt < rules.slots_needed(self.count) {
            self.pc = Pc::NoRoom;
        } else {
            self.index = queue.free_head;
            self.at = 0;
            self.id_or_wd(rules);
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
            Publish::WdIqtStatus => Pc::WriteWd,
        };
        if self.pc != Pc::WriteId {
            self.at = 0;
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
            CleanUp::Unlocked => {
                bus.returned();
                *self = Call::IDLE;
            }
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
