//! The words of the ring: slots, statuses, descriptors, and the private fields that `q_lock` guards.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most IDs in one batch where faults are modelled: the kernel's `QI_MAX_BATCHED_DESC_COUNT`.
pub const MAX_IDS: u8 = 16;

/// A slot of the ring, `0..QI_LENGTH`; the byte that indexes descriptors and `desc_status` alike.
pub type Slot = u8;

/// `QI_LENGTH`, the number of slots: even, 4 to 256.
///
/// The kernel has 256. A batch of `count` IDs needs `count + 2` free slots, so a shorter ring than 4 serves no batch that
/// holds an ID beside another's WD. Odd lengths are refused because the ITE walk over odd slots leaves the array on them.
///
/// ```
/// use vtd_qi::impl_qi::Length;
/// let ring = Length::new(6)?;
/// assert_eq!((ring.add(4, 3), ring.distance(4, 1)), (1, 3));
/// assert!(Length::new(5).is_err() && Length::new(258).is_err());
/// # Ok::<(), vtd_qi::impl_qi::RingError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Length(u16);

impl Length {
    /// The kernel's own 256 slots.
    pub const KERNEL: Length = Length(256);

    /// A ring of `slots` slots.
    ///
    /// # Errors
    /// [`RingError::OddLength`], [`RingError::LengthOutOfRange`].
    pub fn new(slots: u16) -> Result<Length, RingError> {
        match slots {
            4..=256 if slots.is_multiple_of(2) => Ok(Length(slots)),
            4..=256 => Err(RingError::OddLength(slots)),
            _ => Err(RingError::LengthOutOfRange(slots)),
        }
    }

    /// Number of slots.
    pub fn slots(self) -> u16 {
        self.0
    }

    /// All slots, from 0.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Slot> {
        (0..self.0).map(|s| s as Slot)
    }

    /// The slot `k` places after `slot`; `k` at most `QI_LENGTH`.
    pub fn add(self, slot: Slot, k: u16) -> Slot {
        let s = u16::from(slot) + k;
        (if s >= self.0 { s - self.0 } else { s }) as Slot
    }

    /// The slot `k` places before `slot`; `k` at most `QI_LENGTH`.
    pub fn before(self, slot: Slot, k: u16) -> Slot {
        let s = u16::from(slot);
        (if s >= k { s - k } else { s + self.0 - k }) as Slot
    }

    /// How many places `to` lies after `from`: `0..QI_LENGTH`.
    pub fn distance(self, from: Slot, to: Slot) -> u16 {
        let (from, to) = (u16::from(from), u16::from(to));
        if to >= from { to - from } else { to + self.0 - from }
    }

    /// Whether `slot` lies in the half-open stretch `[from, to)`, which is empty when `from == to`.
    pub fn within(self, slot: Slot, from: Slot, to: Slot) -> bool {
        self.distance(from, slot) < self.distance(from, to)
    }
}

impl TryFrom<u16> for Length {
    type Error = RingError;
    fn try_from(slots: u16) -> Result<Self, RingError> {
        Length::new(slots)
    }
}

impl From<Length> for u16 {
    fn from(length: Length) -> u16 {
        length.0
    }
}

/// A configuration that the ring cannot be built for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RingError {
    /// `QI_LENGTH` is odd.
    #[error("a ring of {0} slots is odd; QI_LENGTH must be even, from 4 to 256")]
    OddLength(u16),
    /// `QI_LENGTH` is below 4 or above 256.
    #[error("a ring of {0} slots cannot be built; QI_LENGTH must be even, from 4 to 256")]
    LengthOutOfRange(u16),
    /// No submitter or more than eight.
    #[error("{0} submitters cannot be modelled; there must be 1 to 8")]
    Submitters(usize),
    /// No count at all.
    #[error("the set of counts is empty; name at least one number of IDs per batch")]
    NoCounts,
    /// A batch that the kernel would wait for for ever, since `free_cnt` never reaches `count + 2`.
    #[error(
        "a batch of {count} IDs does not fit: the kernel asks for {needed} free slots and the ring has {slots}, so that it would \
         wait for ever; the largest count is {}",
        slots.saturating_sub(2)
    )]
    CountTooLarge {
        /// The count asked for.
        count: u16,
        /// The free slots that the driver's rules ask for.
        needed: u16,
        /// `QI_LENGTH`.
        slots: u16,
    },
    /// A fetch depth of 0 or more than the model holds.
    #[error("a hardware that holds {0} fetched descriptors cannot be modelled; the depth must be 1 to 4")]
    Depth(u8),
    /// A batch too large for faults.
    #[error("a batch of {0} IDs cannot be modelled with faults; the largest has {MAX_IDS}, as in Linux 6.12")]
    CountWithFaults(u8),
    /// More devices than are modelled.
    #[error("{0} devices cannot be modelled; there may be 1 or 2 where one is to fail, else up to 2")]
    Devices(u8),
    /// More injected faults than are modelled.
    #[error("{0} faults cannot be modelled; the bound must be 1 to 15, or none")]
    FaultBound(u8),
    /// A bound without a class of faults, or the other way round.
    #[error("a bound of {bound} faults and {classes} classes of faults: both must be 0 or neither")]
    BoundWithoutClass {
        /// The bound.
        bound: u8,
        /// Number of classes.
        classes: usize,
    },
    /// More kinds of calls than a byte can number.
    #[error("counts, devices and faults make {0} kinds of calls; at most 255 can be modelled")]
    Requests(usize),
    /// A call that asks for what is not modelled.
    #[error("a call brings an ID for {}, which the faults do not include", named(*.0))]
    UnknownKind(IdKind),
    /// A call with a WD that no fault explains.
    #[error("a call brings an invalid WD, which the faults do not include")]
    UnknownInvalidWd,
    /// A rule set for one ID per batch.
    #[error("the driver before Linux 5.8 posts 1 ID and a WD, no other batch; counts must be 1, {0} is asked for")]
    OneIdOnly(u8),
}

fn named(kind: IdKind) -> String {
    match kind {
        IdKind::Unit => "the unit".to_string(),
        IdKind::Device(device) => format!("device {device}"),
        IdKind::Invalid => "nothing, an invalid one".to_string(),
    }
}

/// `desc_status[slot]`: the kernel's `QI_FREE` .. `QI_ABORT`, with the kernel's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// `QI_FREE` 0: no submitter's, or ready to be reclaimed (from G4 on).
    Free = 0,
    /// `QI_IN_USE` 1: submitted, not finished.
    InUse = 1,
    /// `QI_DONE` 2: written by hardware into a WD's slot; by G1 and G3 also into an ID's.
    Done = 2,
    /// `QI_ABORT` 3: the batch has to be submitted again.
    Abort = 3,
}

impl Status {
    /// One letter for drawings: `.` FREE, `u` IN_USE, `D` DONE, `A` ABORT.
    pub fn letter(self) -> char {
        ['.', 'u', 'D', 'A'][self as usize]
    }

    /// The kernel's name.
    pub fn name(self) -> &'static str {
        ["QI_FREE", "QI_IN_USE", "QI_DONE", "QI_ABORT"][self as usize]
    }

    pub(super) fn from_bits(bits: u8) -> Status {
        [Status::Free, Status::InUse, Status::Done, Status::Abort][usize::from(bits & 3)]
    }
}

/// What an ID asks for, as far as faults tell one from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdKind {
    /// The unit's own caches: IOTLB, context cache, interrupt entry cache. The unit does it alone.
    Unit,
    /// A device's TLB: the device, numbered from 1, has to answer (VT-d 6.5.2.5).
    Device(u8),
    /// A descriptor that the unit refuses (VT-d 6.5.2.10).
    Invalid,
}

/// What a WD writes to its status address: its status data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WdData {
    /// `QI_DONE`: every WD that a kernel's driver posts.
    Done,
    /// `QI_IN_USE`: a WD whose write changes nothing that anybody waits for (g5plus).
    InUse,
    /// `QI_ABORT`: a WD that sends its owner back to post again (g5plus).
    Abort,
}

impl WdData {
    /// The status that is written.
    pub fn status(self) -> Status {
        match self {
            WdData::Done => Status::Done,
            WdData::InUse => Status::InUse,
            WdData::Abort => Status::Abort,
        }
    }
}

/// A descriptor as it lies in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Desc {
    /// Never written: reads as type 0, which is invalid (VT-d 6.5.2).
    Blank,
    /// An invalidation descriptor.
    Id {
        /// The ID's position in its batch, from 0, where faults are modelled: a batch may be posted more than once, and what
        /// counts is which of its IDs were executed. Otherwise 0.
        number: u8,
        /// What it asks for.
        kind: IdKind,
    },
    /// A wait descriptor: hardware writes its data to `desc_status[target]` (VT-d 6.5.2.8).
    Wd {
        /// The slot whose status it writes.
        target: Slot,
        /// What it writes.
        data: WdData,
    },
    /// A wait descriptor that the unit refuses: no driver builds one; see [`FaultClass::InvalidWd`](super::FaultClass).
    InvalidWd {
        /// The slot whose status it would write.
        target: Slot,
    },
}

impl Desc {
    /// An ID for the unit itself.
    pub const ID: Desc = Desc::Id { number: 0, kind: IdKind::Unit };

    /// The WD that the driver posts for a slot.
    pub fn wd(target: Slot) -> Desc {
        Desc::Wd { target, data: WdData::Done }
    }

    /// Whether it is a WD that ends a batch, that is, one whose status its owner waits for.
    pub fn ends_batch(self) -> bool {
        matches!(self, Desc::Wd { data: WdData::Done | WdData::Abort, .. } | Desc::InvalidWd { .. })
    }

    /// Whether the unit refuses it.
    pub fn is_invalid(self) -> bool {
        matches!(self, Desc::Blank | Desc::Id { kind: IdKind::Invalid, .. } | Desc::InvalidWd { .. })
    }

    pub(super) fn kind(self) -> u8 {
        match self {
            Desc::Blank => 0,
            Desc::Id { .. } => 1,
            Desc::Wd { data: WdData::Done, .. } => 2,
            Desc::Wd { data: WdData::InUse, .. } => 3,
            Desc::Wd { data: WdData::Abort, .. } => 4,
            Desc::InvalidWd { .. } => 5,
        }
    }

    /// Whether a descriptor of this kind names a slot.
    pub(super) fn kind_has_target(kind: u8) -> bool {
        kind >= 2
    }

    /// The byte beside the kind: the target of a WD; number and kind of an ID.
    pub(super) fn operand(self) -> u8 {
        match self {
            Desc::Blank => 0,
            Desc::Id { number, kind } => number << 2 | id_kind_bits(kind),
            Desc::Wd { target, .. } | Desc::InvalidWd { target } => target,
        }
    }

    pub(super) fn from_parts(kind: u8, operand: u8) -> Desc {
        let wd = |data| Desc::Wd { target: operand, data };
        match kind {
            0 => Desc::Blank,
            1 => Desc::Id { number: operand >> 2, kind: id_kind_from_bits(operand & 3) },
            2 => wd(WdData::Done),
            3 => wd(WdData::InUse),
            4 => wd(WdData::Abort),
            _ => Desc::InvalidWd { target: operand },
        }
    }
}

/// An ID's kind in two bits.
pub(super) fn id_kind_bits(kind: IdKind) -> u8 {
    match kind {
        IdKind::Unit => 0,
        IdKind::Device(device) => device,
        IdKind::Invalid => 3,
    }
}

pub(super) fn id_kind_from_bits(bits: u8) -> IdKind {
    match bits {
        0 => IdKind::Unit,
        3 => IdKind::Invalid,
        device => IdKind::Device(device),
    }
}

/// The fields of `struct q_inval` that only the holder of `q_lock` touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Queue {
    /// Number of free slots; at rest `QI_LENGTH`. Saturates at `QI_LENGTH + 1`, which is already a violation.
    pub free_cnt: u16,
    /// Next slot to hand out.
    pub free_head: Slot,
    /// Oldest slot that has not been reclaimed.
    pub free_tail: Slot,
}
