//! The busy part of a ring as a picture: batches, each slot with its status, and where IQH stands in them.
//!
//! A ring of 256 slots is too large to explore. What matters of a state is how the slots between `free_tail` and `free_head` look and
//! on which side of an odd slot they lie, since the ITE walk of older drivers visits odd slots only. What repeats is left out: see
//! [`crate::reduction`].

use vtd_qi::impl_qi::{Desc, IdKind, Request, Slot, Status};

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    /// An ID that the unit serves alone: IOTLB, context cache, interrupt entry cache.
    UnitId,
    /// An ID that a device has to answer: a device-TLB invalidation.
    DeviceId,
    /// The batch's WD.
    Wd,
    /// A copy of the batch's WD, which the driver writes over an invalid ID.
    Copy,
}

impl Content {
    /// Whether a descriptor of the model is such a one. Any ID may be the invalid one; without faults all IDs are alike.
    pub fn is(self, desc: Desc, own_wd: Slot, with_kinds: bool) -> bool {
        match (self, desc) {
            (Content::UnitId | Content::DeviceId, Desc::Id { .. }) if !with_kinds => true,
            (Content::UnitId, Desc::Id { kind, .. }) => !matches!(kind, IdKind::Device(_)),
            (Content::DeviceId, Desc::Id { kind, .. }) => kind != IdKind::Unit,
            (Content::Wd | Content::Copy, Desc::Wd { target, .. } | Desc::InvalidWd { target }) => target == own_wd,
            _ => false,
        }
    }

    fn kind(self) -> IdKind {
        match self {
            Content::DeviceId => IdKind::Device(1),
            // The copy stands where an invalid ID was.
            Content::Copy => IdKind::Invalid,
            Content::UnitId | Content::Wd => IdKind::Unit,
        }
    }
}

/// A slot of a picture. Two are equal if they look alike, wherever they lie.
#[derive(Clone, Copy, Debug)]
pub struct SlotPicture {
    /// Where it lies in the ring.
    pub slot: Slot,
    /// What it holds.
    pub content: Content,
    /// Its status.
    pub status: Status,
    /// Whether hardware has fetched it: IQH is past it.
    pub fetched: bool,
}

impl PartialEq for SlotPicture {
    fn eq(&self, other: &Self) -> bool {
        (self.content, self.status, self.fetched) == (other.content, other.status, other.fetched)
    }
}

impl Eq for SlotPicture {}

/// A batch of a picture: its IDs and, last, its WD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPicture(pub Vec<SlotPicture>);

impl BatchPicture {
    /// Its first slot.
    pub fn first(&self) -> Slot {
        self.0[0].slot
    }

    /// Its IDs.
    pub fn ids(&self) -> &[SlotPicture] {
        &self.0[..self.0.len() - 1]
    }

    /// Whether all its slots are FREE and fetched: it is over, as far as can be seen.
    pub fn is_over(&self) -> bool {
        self.0.iter().all(|slot| slot.status == Status::Free && slot.fetched)
    }

    /// The call that posts it. Devices are told from the unit only where faults are modelled.
    pub fn request(&self, with_kinds: bool) -> Request {
        match with_kinds {
            true => Request::of(&self.ids().iter().map(|id| id.content.kind()).collect::<Vec<_>>()),
            false => Request::plain(self.ids().len() as u8),
        }
    }
}

/// The busy part of a ring, from the oldest batch of which something is left to IQT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Whether it begins at an odd slot.
    pub odd: bool,
    /// The batches, oldest first.
    pub batches: Vec<BatchPicture>,
    /// How many slots of the ring lie outside.
    pub rest: u16,
}

impl Picture {
    /// Number of slots.
    pub fn slots(&self) -> usize {
        self.batches.iter().map(|batch| batch.0.len()).sum()
    }

    /// Number of batches of which something is to be seen.
    pub fn busy(&self) -> usize {
        self.batches.iter().filter(|batch| !batch.is_over()).count()
    }
}
