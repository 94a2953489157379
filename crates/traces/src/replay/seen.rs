//! What the lines have said beside the ring: threads, descriptors, what is not decided yet.

use super::{Left, MAX_IDS, Qemu, Reason};
use crate::qemu_log::{Fetched, Statuses};
use vtd_qi::impl_qi::{Length, MAX_SUBMITTERS, Slot};

/// What the lines have said beside the ring.
#[derive(Clone)]
pub(super) struct Seen {
    pub statuses: Statuses,
    /// Who is writing IQT, and the register's value.
    pub register: Option<(Option<u64>, u64)>,
    /// The read of IQH of which it is open what became of it.
    pub open: Option<Open>,
    /// Whether there was none such at the end.
    pub settled: bool,
    /// What was fetched last, and from which slot.
    pub last: Option<(u64, Fetched)>,
    /// The thread that wrote IQT last.
    pub writer: Option<u64>,
    /// All threads that have written IQT.
    writers: Vec<u64>,
    /// Which thread each submitter stands for.
    pub cpus: [Option<u64>; MAX_SUBMITTERS],
    /// The asynchronous unit's thread, once it has fetched.
    unit: Option<u64>,
    /// Whether QEMU's own unit may have written this.
    stock: bool,
    /// Whether a unit with a thread of its own may have.
    asynchronous: bool,
    /// Whether the queue was stopped by an IQE that has been cleared, and nothing was fetched since: QEMU's own unit goes on
    /// with the next IQT write.
    pub stalled: bool,
    /// Who may have cleared an ITE in the call that it is in.
    pub cleared: [bool; MAX_SUBMITTERS],
    /// Each submitter's last batches, where it is known who it is.
    batches: Vec<Batch>,
    /// Whose a slot is, and which of its batch, by the last IQT write.
    owners: Vec<Option<(u8, u8)>>,
}

/// A read of IQH.
#[derive(Clone, Copy)]
pub(super) struct Open {
    pub slot: Slot,
    /// The descriptor, an ID, if it has a line.
    pub fetched: Option<Fetched>,
}

/// The IDs of a submitter's last batch, as far as they were fetched, and those of the batch before if it is the same once more.
#[derive(Clone, Default)]
struct Batch {
    now: [Option<Fetched>; MAX_IDS as usize],
    before: Option<[Option<Fetched>; MAX_IDS as usize]>,
}

impl Seen {
    pub fn new(length: Length, hardware: Qemu) -> Seen {
        Seen {
            statuses: Statuses::new(length),
            register: None,
            open: None,
            settled: true,
            last: None,
            writer: None,
            writers: Vec::new(),
            cpus: [None; MAX_SUBMITTERS],
            unit: None,
            stock: hardware != Qemu::Async,
            asynchronous: hardware != Qemu::Stock,
            stalled: false,
            cleared: [false; MAX_SUBMITTERS],
            batches: vec![Batch::default(); MAX_SUBMITTERS],
            owners: vec![None; length.slots().into()],
        }
    }

    /// A line that QEMU's own unit does not write.
    pub fn not_stock(&mut self, reason: Reason) -> Result<(), Reason> {
        match std::mem::take(&mut self.stock) && !self.asynchronous {
            true => Err(reason),
            false => Ok(()),
        }
    }

    /// A line that a unit with a thread of its own does not write.
    pub fn not_asynchronous(&mut self, reason: Reason) -> Result<(), Reason> {
        match std::mem::take(&mut self.asynchronous) && !self.stock {
            true => Err(reason),
            false => Ok(()),
        }
    }

    /// Which unit may have written what has been read.
    pub fn wrote(&self) -> Qemu {
        match (self.stock, self.asynchronous) {
            (true, false) => Qemu::Stock,
            (false, true) => Qemu::Async,
            _ => Qemu::Auto,
        }
    }

    /// A thread writes IQT. The other unit's thread never does, and QEMU's own drains the queue before anybody does again.
    pub fn writes_iqt(&mut self, thread: Option<u64>, drained: Result<(), Left>) -> Result<(), Reason> {
        if let Some(thread) = thread.filter(|thread| self.unit == Some(*thread)) {
            self.not_asynchronous(Reason::UnitWrites(thread))?;
        }
        if let Err(left) = drained {
            self.not_stock(Reason::NotDrained(left))?;
        }
        Ok(())
    }

    /// The IQT write has been taken.
    pub fn written_by(&mut self, thread: Option<u64>) {
        self.writer = thread;
        if let Some(thread) = thread.filter(|thread| !self.writers.contains(thread)) {
            self.writers.push(thread);
        }
    }

    /// The stock unit works on the thread that wrote IQT, the other on one of its own, whose first read of IQH names it.
    pub fn works(&mut self, thread: Option<u64>) -> Result<(), Reason> {
        let Some(thread) = thread else { return Ok(()) };
        if let Some(writer) = self.writer.filter(|writer| *writer != thread) {
            self.not_stock(Reason::Thread { thread, writer })?;
        }
        if self.writers.contains(&thread) {
            return self.not_asynchronous(Reason::CpuFetches { thread });
        }
        match self.unit {
            Some(unit) if unit != thread => self.not_asynchronous(Reason::SecondThread { thread, unit }),
            _ => {
                self.unit = Some(thread);
                Ok(())
            }
        }
    }

    /// What a message calls a submitter: its thread; where the log names none, its number, from 1.
    pub fn cpu(&self, t: impl Into<usize>) -> u64 {
        let t = t.into();
        self.cpus[t].unwrap_or(t as u64 + 1)
    }

    /// Submitter `t` has posted a batch; whether it is the batch before once more.
    pub fn posted(&mut self, length: Length, t: u8, first: Slot, ids: u8, again: bool) {
        let batch = &mut self.batches[usize::from(t)];
        let before = std::mem::take(batch).now;
        batch.before = again.then_some(before);
        self.cleared[usize::from(t)] &= again;
        for place in 0..=ids {
            self.owners[usize::from(length.add(first, place.into()))] = Some((t, place));
        }
    }

    /// An ID has been fetched from a slot: whose it is, if another lay there in the batch that is posted again.
    pub fn differs(&mut self, slot: Slot, fetched: Fetched) -> Option<u8> {
        let (t, place) = self.owners[usize::from(slot)]?;
        let batch = &mut self.batches[usize::from(t)];
        *batch.now.get_mut(usize::from(place))? = Some(fetched);
        let before = batch.before.as_ref()?[usize::from(place)]?;
        let is_id = |fetched| matches!(fetched, Fetched::Id { .. });
        (is_id(before) && is_id(fetched) && before != fetched).then_some(t)
    }
}
