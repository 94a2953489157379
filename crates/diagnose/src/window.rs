//! What follows from a dump without a model: batches, private fields, and what no driver leaves behind.

use std::collections::BTreeMap;

use thiserror::Error;
use vtd_qi::impl_qi::{Length, Slot, Status};

use crate::descriptor::{DescriptorKind, status_data};
use crate::dump::{DumpRow, RingDump};
use crate::picture::{BatchPicture, Content, Picture, SlotPicture};
use crate::reduction::Sides;

/// A ring as a dump shows it, understood.
#[derive(Clone, Debug)]
pub struct RingWindow {
    /// IQH.
    pub iqh: Slot,
    /// IQT; at rest `free_head` is the same.
    pub iqt: Slot,
    /// The oldest slot that is not free; `free_head` if there is none.
    pub free_tail: Slot,
    /// Free slots: those outside of what lies between the two.
    pub free_cnt: u16,
    /// The address of `desc_status`, from the WDs; `None` without a WD.
    pub status_base: Option<u64>,
    /// Every batch that the ring still shows, oldest first.
    pub batches: Vec<BatchPicture>,
    /// The number, in `batches`, of the oldest of which something is not over; the length of `batches` if all are over.
    pub oldest: usize,
}

/// Why a dump is none of a driver's that is modelled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Impossible {
    /// Head or Tail names no slot.
    #[error("{register} is {value}; the ring has 256 slots")]
    Register {
        /// `Head` or `Tail`.
        register: &'static str,
        /// Its value.
        value: u64,
    },
    /// A status that the driver does not have.
    #[error("slot {slot}: its status is {status}; there are 0 to 3 (FREE, IN_USE, DONE, ABORT)")]
    Status {
        /// The slot.
        slot: Slot,
        /// Its status.
        status: u64,
    },
    /// A WD that writes something else than DONE.
    #[error("slot {slot}: its WD writes {data}; the driver's WDs write 2 (DONE)")]
    WdData {
        /// The slot.
        slot: Slot,
        /// Its status data.
        data: u64,
    },
    /// A WD that writes elsewhere than into its own slot's status.
    #[error(
        "slot {slot}: its WD writes to {address:#x}, which is not its own status ({expected:#x}) nor that of the WD behind it, whose \
         copy the driver writes over an invalid ID"
    )]
    WdAddress {
        /// The slot.
        slot: Slot,
        /// Its status address.
        address: u64,
        /// Where its own status lies.
        expected: u64,
    },
    /// A slot in use that was never written.
    #[error("slot {slot}: it is {what}, but no descriptor was ever written there")]
    Blank {
        /// The slot.
        slot: Slot,
        /// What it is.
        what: &'static str,
    },
    /// What lies before Tail ends in no WD.
    #[error("slot {slot}: it is the last before Tail and holds no WD; every batch of the driver ends with one")]
    NoWd {
        /// The slot.
        slot: Slot,
    },
    /// A slot that is not free lies in no batch.
    #[error("slot {slot}: it is {status}, but no batch that the driver can have posted reaches it")]
    Stray {
        /// The slot.
        slot: Slot,
        /// Its status.
        status: &'static str,
    },
}

/// One slot as far as it is known.
#[derive(Clone, Copy)]
struct Known {
    qw0: u64,
    qw1: u64,
    status: Status,
}

const RING: Length = Length::KERNEL;

impl RingWindow {
    /// Understands a dump.
    ///
    /// # Errors
    /// [`Impossible`], with the first slot that shows it.
    pub fn of(dump: &RingDump) -> Result<RingWindow, Impossible> {
        let (head, tail) = dump.registers;
        let register = |register, value| Slot::try_from(value).map_err(|_| Impossible::Register { register, value });
        let (iqh, iqt) = (register("Head", head)?, register("Tail", tail)?);
        let slots = known(&dump.rows)?;
        let status_base = status_base(&dump.rows);
        if let Some(base) = status_base {
            addresses(&slots, base)?;
        }
        let ring = Slots { slots, iqh, iqt, status_base };
        let batches = ring.batches()?;
        let oldest = batches.iter().position(|batch| !batch.is_over()).unwrap_or(batches.len());
        ring.all_in_batches(&batches[oldest..])?;
        let first = batches.get(oldest).map_or(iqt, |batch| batch.first());
        let is_busy = |slot: &Slot| ring.status(*slot) != Status::Free;
        let free_tail = (0..RING.distance(first, iqt)).map(|k| RING.add(first, k)).find(is_busy).unwrap_or(iqt);
        let free_cnt = 256 - RING.distance(free_tail, iqt);
        Ok(RingWindow { iqh, iqt, free_tail, free_cnt, status_base, batches, oldest })
    }

    /// Whether nothing is outstanding.
    pub fn is_idle(&self) -> bool {
        self.oldest == self.batches.len()
    }

    /// The batches from the oldest that is not over, those between that are over included.
    pub fn busy(&self) -> &[BatchPicture] {
        &self.batches[self.oldest..]
    }

    /// The picture of the busy part.
    pub fn picture(&self) -> Picture {
        picture_of(self.busy())
    }

    /// Pictures of two batches one after the other that the ring still shows, reduced and each once. A ring that looks idle hides a
    /// call whose WD is lost among them.
    pub fn pairs(&self) -> Vec<Picture> {
        let mut pictures: Vec<Picture> = Vec::new();
        for pair in self.batches.windows(2) {
            let picture = Picture { rest: 200, ..picture_of(pair) };
            let short = |batch: &BatchPicture| batch.shortest(Sides::Free);
            let picture = Picture { batches: pair.iter().map(short).collect(), ..picture };
            // Which slots are odd matters only where a fault is walked, and then something is left to be seen.
            let picture = Picture { odd: false, ..picture };
            if !pictures.contains(&picture) {
                pictures.push(picture);
            }
        }
        pictures
    }
}

fn picture_of(batches: &[BatchPicture]) -> Picture {
    let first = batches.first().map_or(0, |batch| batch.first());
    let batches: Vec<BatchPicture> = batches.to_vec();
    let slots: usize = batches.iter().map(|batch| batch.0.len()).sum();
    Picture { odd: first % 2 == 1, batches, rest: 256_u16.saturating_sub(slots as u16) }
}

fn known(rows: &[DumpRow]) -> Result<BTreeMap<Slot, Known>, Impossible> {
    let known = |row: &DumpRow| {
        let status = match row.status {
            0 => Status::Free,
            1 => Status::InUse,
            2 => Status::Done,
            3 => Status::Abort,
            status => return Err(Impossible::Status { slot: row.slot, status }),
        };
        let is_wd = DescriptorKind::of(row.qw0) == DescriptorKind::Wait;
        match status_data(row.qw0) {
            data if is_wd && data != Status::Done as u64 => Err(Impossible::WdData { slot: row.slot, data }),
            _ => Ok((row.slot, Known { qw0: row.qw0, qw1: row.qw1, status })),
        }
    };
    rows.iter().map(known).collect()
}

/// The address of `desc_status` that most WDs agree on.
pub(crate) fn status_base(rows: &[DumpRow]) -> Option<u64> {
    let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| DescriptorKind::of(row.qw0) == DescriptorKind::Wait) {
        *votes.entry(row.qw1.wrapping_sub(4 * u64::from(row.slot))).or_default() += 1;
    }
    votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(base, _)| base)
}

fn own_address(base: u64, slot: Slot) -> u64 {
    base.wrapping_add(4 * u64::from(slot))
}

/// Checks that each WD writes its own status, or is a copy of the one that ends its batch.
fn addresses(slots: &BTreeMap<Slot, Known>, base: u64) -> Result<(), Impossible> {
    let is_wd = |known: &&Known| DescriptorKind::of(known.qw0) == DescriptorKind::Wait;
    for (&slot, known) in slots.iter().filter(|(_, known)| is_wd(known)) {
        let expected = own_address(base, slot);
        let end = (1..=254).map(|k| RING.add(slot, k)).find(|&next| {
            slots.get(&next).as_ref().is_some_and(|known| is_wd(known) && known.qw1 == own_address(base, next))
        });
        let copied = end.is_some_and(|end| known.qw1 == own_address(base, end));
        if known.qw1 != expected && !copied {
            return Err(Impossible::WdAddress { slot, address: known.qw1, expected });
        }
    }
    Ok(())
}

struct Slots {
    slots: BTreeMap<Slot, Known>,
    iqh: Slot,
    iqt: Slot,
    status_base: Option<u64>,
}

impl Slots {
    fn status(&self, slot: Slot) -> Status {
        self.slots.get(&slot).map_or(Status::Free, |known| known.status)
    }

    fn content(&self, slot: Slot) -> Option<Content> {
        let known = self.slots.get(&slot)?;
        let own = self.status_base.is_some_and(|base| known.qw1 == own_address(base, slot));
        match DescriptorKind::of(known.qw0) {
            DescriptorKind::Blank => None,
            DescriptorKind::Wait if own => Some(Content::Wd),
            DescriptorKind::Wait => Some(Content::Copy),
            DescriptorKind::Device => Some(Content::DeviceId),
            DescriptorKind::Unit => Some(Content::UnitId),
        }
    }

    fn is_fetched(&self, slot: Slot) -> bool {
        !RING.within(slot, self.iqh, self.iqt)
    }

    /// Every batch, oldest first: the ring is read backwards from IQT, where each WD ends a batch.
    fn batches(&self) -> Result<Vec<BatchPicture>, Impossible> {
        let mut batches = Vec::new();
        let mut slots: Vec<SlotPicture> = Vec::new();
        let last = RING.before(self.iqt, 1);
        let picture =
            |slot, content| SlotPicture { slot, content, status: self.status(slot), fetched: self.is_fetched(slot) };
        for back in 1..=256 {
            let slot = RING.before(self.iqt, back);
            let content = self.content(slot);
            if slot == last && content.is_some_and(|content| content != Content::Wd) {
                return Err(Impossible::NoWd { slot });
            }
            if matches!(content, None | Some(Content::Wd)) && !slots.is_empty() {
                slots.reverse();
                batches.push(BatchPicture(std::mem::take(&mut slots)));
            }
            let Some(content) = content else { break };
            slots.push(picture(slot, content));
        }
        // What is left is a batch whose first IDs have been written over, or all of a ring that is full of one batch.
        batches.reverse();
        Ok(batches)
    }

    /// Checks that whatever is in use, and whatever is to be fetched, lies in the given batches.
    fn all_in_batches(&self, busy: &[BatchPicture]) -> Result<(), Impossible> {
        let first = busy.first().map_or(self.iqt, |batch| batch.first());
        for slot in RING.iter() {
            let (status, fetched) = (self.status(slot), self.is_fetched(slot));
            if busy.iter().any(|_| RING.within(slot, first, self.iqt)) || status == Status::Free && fetched {
                continue;
            }
            return Err(match self.content(slot) {
                None if !fetched => Impossible::Blank { slot, what: "still to be fetched (from Head to Tail)" },
                None => Impossible::Blank { slot, what: status.name() },
                Some(_) => Impossible::Stray { slot, status: status.name() },
            });
        }
        Ok(())
    }
}
