//! A QEMU log of the emulated remapping unit, read as the events that concern the ring.
//!
//! QEMU has written its events in several forms, and each is read, also where they are mixed or lines end in CRLF:
//!
//! | form | where |
//! | --- | --- |
//! | `THREAD@SECONDS.MICROS:event text` | QEMU up to 10.0, and `-D FILE` |
//! | the same, or `event text`, behind an ISO time and a space | `-msg timestamp=on` |
//! | `event text` | QEMU 10.1 on, without `-msg timestamp=on` |
//!
//! A line that is no event, such as a message of QEMU, is counted and listed ([`Facts::others`]). These events concern the ring:
//!
//! | event | what it says |
//! | --- | --- |
//! | `vtd_inv_qi_setup addr A size S` | a life of the queue begins: the ring exists and has S slots; IQT is written 0 before that |
//! | `vtd_inv_qi_enable enabled 0` | the life is over |
//! | `vtd_reg_write addr 0x88 size S value V` | software is about to write IQT; the next event of this table follows at once |
//! | `vtd_inv_qi_tail write tail S` | IQT is written by the thread, a CPU; S is the slot |
//! | `vtd_inv_qi_head read head S` | slot S is about to be fetched |
//! | `vtd_inv_desc invalidate desc type T high H low L` | the descriptor; a WD has its status data in bits 63:32 of L, its status address in H |
//! | `vtd_inv_desc_wait_sw .. addr A data D` | the status write |
//! | `vtd_reg_write addr 0x34 size S value V` | FSTS is written: each fault whose bit is set in V is cleared |
//!
//! A unit with device time-outs, which QEMU's own has not, says four things more:
//!
//! | event | what it says |
//! | --- | --- |
//! | `vtd_x_dev_noresp head S` | the device-TLB invalidation fetched from slot S gets no answer |
//! | `vtd_x_wait_pend head S status addr A` | the WD fetched from slot S has to wait behind it |
//! | `vtd_x_ite_set head S tail S aborted waits N` | ITE is set and N pending WDs are aborted; IQH and IQT |
//! | `vtd_x_fsts_write fsts now V` | the thread, a CPU, has written FSTS, which is V now |
//!
//! All other kinds are counted ([`Facts::ignored`]). Some descriptors have no event of their own in some versions of QEMU, so that
//! one read of IQH follows another. Status addresses are `base + 4 * slot` ([`Statuses`]). The values are read, not judged: a tail
//! outside of the ring is an event.
//!
//! A log has several *lives* of the queue where the machine is rebooted or suspended, or another kernel is started. It has
//! several *units* where several machines write into one file: a thread that has never been seen before and sets up a queue
//! belongs to another unit. [`Reader`] reads a log as it comes, [`Trace`] keeps a life of it.
//!
//! An event of the tables that contradicts itself is an error: a field that is said twice, even alike; a descriptor whose type is
//! not that of the low 4 bits of L (context-cache 1, iotlb 2, device 3, iec 4, wait 5, p-iotlb 6, pasid-cache 7, device-piotlb 8);
//! a size of an IQT write other than 4 or 8 bytes. So is a line that is no event and yet has the name of one of them as a word.
//!
//! How much of a log may be kept is bounded ([`MAX_EVENTS`], [`MAX_TEXT`], [`MAX_KINDS`], [`MAX_LINE`]).
//!
//! Source of the lines: QEMU's `hw/i386/trace-events` and `hw/i386/intel_iommu.c`.
//!
//! ```
//! use vtd_qi_traces::qemu_log::{Trace, What};
//!
//! let log = "\
//! 7@1.000001:vtd_inv_qi_setup addr 0x1000 size 256
//! 8@1.000002:vtd_reg_write addr 0x88 size 0x4 value 0x10
//! 8@1.000003:vtd_inv_qi_tail write tail 1
//! 8@1.000004:vtd_inv_qi_fetch \n";
//! let trace = Trace::read(log.as_bytes())?;
//! assert_eq!((trace.events().len(), trace.lines(), trace.cpus()), (2, 4, &[8][..]));
//! assert_eq!(trace.events()[1].what, What::IqtWrite { slot: 1 });
//! assert_eq!(trace.ignored()["vtd_inv_qi_fetch"], 1);
//! # Ok::<(), vtd_qi_traces::qemu_log::TraceError>(())
//! ```

mod error;
mod line;
mod reader;
mod summary;
mod trace;

use thiserror::Error;

pub use error::TraceError;
pub use reader::{Facts, Life, LogEntry, Others, Reader};
pub use summary::Summary;
pub use trace::{Statuses, Trace};

/// Longest line that is read, in bytes; those of QEMU have less than 200.
pub const MAX_LINE: usize = 4096;

/// Most lines that concern the ring of which a log is kept.
pub const MAX_EVENTS: usize = 2_000_000;

/// Most bytes that the lines that concern the ring may have in all, where a log is kept.
pub const MAX_TEXT: usize = 200_000_000;

/// Most kinds of lines that say nothing about the ring; QEMU's unit knows fewer than 100.
pub const MAX_KINDS: usize = 1_000;

/// Most units of one log that are told apart.
pub const MAX_UNITS: usize = 8;

/// A line that concerns the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Number of the line, from 1.
    pub line: u64,
    /// The thread that QEMU was on, if the log says it. For an IQT write it stands for the CPU.
    pub thread: Option<u64>,
    /// What happened.
    pub what: What,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Software writes the register IQT.
    Register {
        /// The value.
        value: u64,
    },
    /// The write takes effect: IQT is a slot.
    IqtWrite {
        /// The slot.
        slot: u64,
    },
    /// Hardware reads IQH in order to fetch a descriptor.
    Head {
        /// The slot.
        slot: u64,
    },
    /// Hardware has fetched a descriptor.
    Fetch {
        /// The slot that the thread had read from IQH just before, if it had.
        slot: Option<u64>,
        /// The descriptor.
        desc: Fetched,
    },
    /// Hardware writes a status.
    StatusWrite {
        /// The address written to.
        address: u64,
        /// What is written.
        data: u64,
    },
    /// The device does not answer the invalidation that was fetched last.
    NoAnswer {
        /// The slot it was fetched from.
        slot: u64,
    },
    /// The WD that was fetched last has to wait for an answer to an ID ahead of it.
    Pends {
        /// The slot it was fetched from.
        slot: u64,
        /// The status address.
        address: u64,
    },
    /// ITE is set.
    Ite {
        /// IQH.
        head: u64,
        /// IQT.
        tail: u64,
        /// How many pending WDs are aborted.
        aborted: u64,
    },
    /// Software is about to write FSTS.
    FstsRegister {
        /// The value: each fault whose bit is set is cleared.
        value: u64,
    },
    /// Software has written FSTS.
    Fsts {
        /// What FSTS is now.
        now: u64,
    },
}

impl What {
    /// Whether the ring is used: whether this is more than a write of a register.
    pub fn uses_the_ring(&self) -> bool {
        !matches!(self, What::Register { .. } | What::FstsRegister { .. } | What::Fsts { .. })
    }
}

/// A descriptor as hardware has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// An ID.
    Id {
        /// Whether a device has to answer it: a device-TLB invalidation.
        device: bool,
        /// The high half of the descriptor.
        high: u64,
        /// The low half.
        low: u64,
    },
    /// A WD.
    Wd {
        /// The status data.
        data: u64,
        /// The status address.
        address: u64,
        /// Whether the WD asks for a status write.
        writes: bool,
    },
}

/// Why an address is no status address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// No WD says where `desc_status` lies.
    #[error("no WD before it says where desc_status lies")]
    Unknown,
    /// Not a multiple of four.
    #[error("the status address {0:#x} is not 4-aligned")]
    Misaligned(u64),
    /// Not in the array.
    #[error("the status address {address:#x} is outside of desc_status, {base:#x} to {last:#x}")]
    Outside {
        /// The address.
        address: u64,
        /// The address of `desc_status[0]`.
        base: u64,
        /// The address of the last status.
        last: u64,
    },
}
