//! Why a trace is rejected, in words: one variant for each way in which a line cannot be.

use std::fmt::{self, Display, Formatter};

use thiserror::Error;

use super::MAX_IDS;
use super::runs::LogState;
use crate::qemu_log::AddressError;
use vtd_qi::impl_qi::{Desc, IdKind, Slot, Status, WdData};

/// Why no state is left.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Reason {
    /// Something comes between the two lines of an IQT write.
    #[error("IQT is written {value:#x}, but the line of the queue's tail does not follow")]
    Torn {
        /// The register's value.
        value: u64,
    },
    /// The two lines of an IQT write contradict each other.
    #[error("IQT is written {value:#x}, which is slot {}, but the queue's tail becomes {tail}", value >> 4)]
    Register {
        /// The register's value.
        value: u64,
        /// The slot that the queue takes.
        tail: u64,
    },
    /// A tail that is no slot.
    #[error("IQT is written slot {tail}, but the ring has {slots} slots, 0 to {}", slots - 1)]
    TailOutside {
        /// The tail.
        tail: u64,
        /// Number of slots.
        slots: u16,
    },
    /// IQT is written while stock QEMU drains the queue.
    #[error("IQT is written, but stock QEMU has not drained the queue for the write before; {0}")]
    NotDrained(Left),
    /// IQT stays where it is.
    #[error("IQT is written {0} again, but a batch has at least its WD")]
    NothingPosted(Slot),
    /// IQT goes on by too much, or back.
    #[error(
        "IQT goes from {from} to {to}, {slots} slots on ({} back), but a batch has at most {MAX_IDS} IDs and a WD",
        length - slots
    )]
    TooFar {
        /// Where it was.
        from: Slot,
        /// What is written.
        to: Slot,
        /// How many slots lie between.
        slots: u16,
        /// Number of slots.
        length: u16,
    },
    /// A submitter posts while it waits.
    #[error("CPU {cpu} writes IQT, but cannot have returned from its call before: it waits for the WD in slot {wd}")]
    StillWaits {
        /// The thread.
        cpu: u64,
        /// Where its WD lies.
        wd: Slot,
    },
    /// The ring is full.
    #[error("{ids} IDs and a WD are posted, which takes {needed} free slots, but at most {free} can be free")]
    NoRoom {
        /// Number of IDs.
        ids: u8,
        /// How many free slots the driver asks for.
        needed: u16,
        /// How many there are in the state that has most.
        free: u16,
    },
    /// Nobody can post.
    #[error(
        "{ids} IDs and a WD are posted up to slot {to}, but nobody can post them: every call waits, or has to post others again"
    )]
    NobodyPosts {
        /// Number of IDs.
        ids: u8,
        /// Where IQT is written.
        to: Slot,
    },
    /// The rules post otherwise.
    #[error("IQT is written {0}, which no call can do here")]
    NoPost(Slot),
    /// IQH is read a second time.
    #[error("hardware reads IQH = {slot}, but the descriptor in slot {before} has not come yet")]
    HeadTwice {
        /// The slot.
        slot: u64,
        /// The slot read before.
        before: u64,
    },
    /// IQH is read, and no descriptor comes that would have to.
    #[error("hardware has read IQH = {0}, but the descriptor in that slot, which has to be a WD, does not come")]
    NoDescriptor(u64),
    /// Another thread does the stock unit's work.
    #[error("thread {thread} does the unit's work, but stock QEMU does it on the thread that wrote IQT, {writer}")]
    Thread {
        /// The thread.
        thread: u64,
        /// The one that wrote IQT.
        writer: u64,
    },
    /// A CPU does the asynchronous unit's work.
    #[error(
        "thread {thread} does the unit's work, but is a CPU, as it has written IQT; the unit has a thread of its own"
    )]
    CpuFetches {
        /// The thread.
        thread: u64,
    },
    /// Two threads do the asynchronous unit's work.
    #[error(
        "thread {thread} does the unit's work, but the unit has one thread of its own, {unit}, which did it before"
    )]
    SecondThread {
        /// The thread.
        thread: u64,
        /// The one that fetched first.
        unit: u64,
    },
    /// The asynchronous unit's thread does a CPU's work.
    #[error("thread {0} writes IQT, but has fetched before: it is the unit's own and no CPU")]
    UnitWrites(u64),
    /// A fetch from an empty queue.
    #[error("hardware fetches slot {slot}, but IQH = IQT = {iqt}: nothing is posted")]
    NothingToFetch {
        /// The slot.
        slot: u64,
        /// The tail.
        iqt: Slot,
    },
    /// A fetch from elsewhere.
    #[error("hardware fetches slot {slot}, but IQH = {iqh} (and IQT = {iqt})")]
    NotAtHead {
        /// The slot.
        slot: u64,
        /// The head.
        iqh: Slot,
        /// The tail.
        iqt: Slot,
    },
    /// Hardware holds as many descriptors as it can.
    #[error("hardware fetches slot {slot}, but can hold no more descriptors; {left}")]
    NoFetch {
        /// The slot.
        slot: u64,
        /// What it holds.
        left: Left,
    },
    /// A descriptor without a read of IQH.
    #[error("hardware fetches a descriptor without having read IQH for it")]
    NoHead,
    /// A WD that writes no status.
    #[error("the WD in slot {0} asks for no status write, but the driver's do (bit 5 of its low half)")]
    NoStatusWrite(u64),
    /// Status data other than the driver's.
    #[error("the status data is {data}, but the driver's WDs carry QI_DONE = {}", Status::Done as u8)]
    Data {
        /// The data.
        data: u64,
    },
    /// An address that is not the address of a status.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Another descriptor than the one posted.
    #[error("hardware fetches {} from slot {slot}, but {} lies there", Shown(*read), Shown(*posted))]
    OtherDescriptor {
        /// The slot.
        slot: u64,
        /// What the log says.
        read: Desc,
        /// What was posted, in one of the possible states.
        posted: Desc,
    },
    /// No such status write.
    #[error("hardware writes desc_status[{slot}], but no WD for slot {slot} is fetched and due; due: {}", Due(*due))]
    NotDue {
        /// The slot.
        slot: Slot,
        /// The slot that is due.
        due: Option<Slot>,
    },
    /// A line of another unit.
    #[error("{0}, but stock QEMU knows no device time-outs; this is the log of a unit with a queue of its own")]
    StockFault(&'static str),
    /// No answer to something that asks for none.
    #[error("no answer comes to slot {0}, but no device-TLB invalidation has been fetched from there just before")]
    NoRequest(u64),
    /// A WD that waits and was not fetched.
    #[error(
        "the WD of slot {0} is said to wait, but no WD with this status address has been fetched from there just before"
    )]
    NoWait(u64),
    /// A WD that waits for nothing.
    #[error("the WD of slot {0} is said to wait, but every ID ahead of it has been answered")]
    WaitsForNothing(u64),
    /// A status write behind an ID that was not answered.
    #[error("hardware writes desc_status[{0}], but an ID ahead of the WD for it has not been answered")]
    Unanswered(Slot),
    /// An ITE that contradicts the registers.
    #[error("ITE is set with IQH = {head} and IQT = {tail}, but IQH = {iqh} and IQT = {iqt}")]
    IteElsewhere {
        /// IQH, as the line says.
        head: u64,
        /// IQT, as the line says.
        tail: u64,
        /// The head.
        iqh: Slot,
        /// The tail.
        iqt: Slot,
    },
    /// An ITE without a cause.
    #[error("ITE is set, but every ID fetched before has been answered")]
    IteForNothing,
    /// Other WDs are aborted than those that are pending.
    #[error("ITE is set and {aborted} WDs are aborted, but {pending} are pending")]
    Aborted {
        /// How many, as the line says.
        aborted: u64,
        /// How many there are.
        pending: usize,
    },
    /// A fetch while ITE or IQE is set.
    #[error("hardware fetches slot {0}, but ITE or IQE is set and nobody has cleared it")]
    Stopped(u64),
    /// Another fault than a time-out.
    #[error("FSTS is {0:#x} after it was written, with IQE set, of which no line has told")]
    OtherFault(u64),
    /// FSTS is written by a thread that is no CPU.
    #[error("thread {0} clears a fault in FSTS, but is no CPU that has written IQT")]
    NoCpuClears(u64),
    /// A fault is cleared and nobody can do that.
    #[error("a fault is cleared in FSTS, but no call waits that could clear it")]
    NobodyClears,
    /// FSTS is written by somebody who does not look at it.
    #[error(
        "CPU {0} clears a fault in FSTS, but no call of it waits for a WD that is neither DONE nor ABORT and may clear it"
    )]
    NoCheck(u64),
    /// FSTS is written by somebody who does not hold the lock.
    #[error("CPU {cpu} clears ITE, but CPU {by} holds the lock and has it to clear first")]
    NotItsIte {
        /// The thread.
        cpu: u64,
        /// Who holds the lock.
        by: u64,
    },
    /// A post while the holder of the lock is in an endless walk.
    #[error(
        "CPU {cpu} cannot have gone on, since CPU {by} holds the lock for ever: its walk sees every second slot and never comes to \
         slot {end}, where it would end"
    )]
    EndlessWalk {
        /// The thread.
        cpu: u64,
        /// Who walks.
        by: u64,
        /// The end of the walk.
        end: Slot,
    },
    /// A post while the holder of the lock is about to clear ITE.
    #[error("CPU {cpu} writes IQT, but CPU {by} holds the lock, has seen ITE and clears it first")]
    ClearsFirst {
        /// The thread.
        cpu: u64,
        /// Who holds the lock.
        by: u64,
    },
    /// A post by one whose aborted WD was not marked.
    #[error(
        "CPU {cpu} writes IQT, but polls for ever: its WD in slot {wd} was aborted in hardware, and the walk has passed it over"
    )]
    PassedOver {
        /// The thread.
        cpu: u64,
        /// Where its WD lies.
        wd: Slot,
    },
    /// An aborted batch, and another is posted.
    #[error(
        "CPU {cpu} posts {ids} IDs, but its batch was aborted and it posts the same {again} again before any other"
    )]
    OtherBatch {
        /// The thread.
        cpu: u64,
        /// How many IDs it posts.
        ids: u8,
        /// How many it has to.
        again: u8,
    },
    /// An aborted batch, and other descriptors are posted.
    #[error(
        "CPU {cpu} has posted another ID in slot {slot} than in the batch that was aborted and that it posts again"
    )]
    OtherIds {
        /// The thread.
        cpu: u64,
        /// The slot.
        slot: u64,
    },
    /// The end comes before a batch is posted again.
    #[error("the trace ends here, but CPU {0} has not posted again the batch that was aborted")]
    NotPostedAgain(u64),
    /// The end comes before ITE is cleared.
    #[error("the trace ends here, but ITE is set and nobody has cleared it")]
    IteLeft,
    /// The trace ends too early.
    #[error("the trace ends here, but not idle; {0}")]
    NotIdle(Left),
}

/// What hardware has to do yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The head.
    pub iqh: Slot,
    /// The tail.
    pub iqt: Slot,
    /// The slot that the oldest fetched WD writes.
    pub due: Option<Slot>,
}

impl Left {
    pub(super) fn of(state: &LogState) -> Left {
        let due = state.pending().find_map(|(desc, _)| match desc {
            Desc::Wd { target, .. } => Some(target),
            _ => None,
        });
        Left { iqh: state.iqh(), iqt: state.iqt(), due }
    }

    pub(super) fn is_nothing(self) -> bool {
        self.iqh == self.iqt && self.due.is_none()
    }
}

impl Display for Left {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Left { iqh, iqt, due } = *self;
        write!(f, "IQH = {iqh}, IQT = {iqt}, status write due: {}", Due(due))
    }
}

struct Due(Option<Slot>);

impl Display for Due {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(slot) => write!(f, "slot {slot}"),
            None => write!(f, "none"),
        }
    }
}

struct Shown(Desc);

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Desc::Blank => write!(f, "nothing yet"),
            Desc::Id { kind: IdKind::Device(_), .. } => write!(f, "an ID for a device"),
            Desc::Id { .. } => write!(f, "an ID"),
            Desc::Wd { target, data } if data != WdData::Done => {
                write!(f, "a WD that writes {} to desc_status[{target}]", data.status().name())
            }
            Desc::Wd { target, .. } | Desc::InvalidWd { target } => {
                write!(f, "a WD that writes desc_status[{target}]")
            }
        }
    }
}
