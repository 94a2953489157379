//! The words for what the C does: one access of a status slot, a descriptor, a private field or a register, or one operation on
//! the lock.

use std::fmt;

use vtd_qi::impl_qi::{Desc, Slot, Status};
use vtd_qi::listed;

listed! {
    /// Why the C stopped, as the shim numbers it: from 0.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(u32)]
    pub(super) enum Kind {
        Read,
        Write,
        Copy,
        Lock,
        Unlock,
        Relax,
        ReadReg,
        WriteReg,
        Outside,
        Runaway,
        Clock,
    }
}

/// What the shim calls in with where a call has left something in a cell of its own, which is no stop: the number behind the last.
pub(super) const CELL: u32 = Kind::ALL.len() as u32;

impl Kind {
    pub(super) fn from_number(number: u32) -> Kind {
        Kind::ALL[(number as usize).min(Kind::ALL.len() - 1)]
    }
}

/// A register of the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Register {
    /// The head register.
    Iqh,
    /// The tail register.
    Iqt,
    /// The fault status register.
    Fsts,
    /// The error record register.
    Iqer,
    /// Any other, by its offset.
    Other(u64),
}

impl Register {
    pub(super) const KNOWN: [Register; 4] = [Register::Iqh, Register::Iqt, Register::Fsts, Register::Iqer];
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Register::Iqh => write!(f, "IQH"),
            Register::Iqt => write!(f, "IQT"),
            Register::Fsts => write!(f, "FSTS"),
            Register::Iqer => write!(f, "IQER"),
            Register::Other(offset) => write!(f, "register {offset:#x}"),
        }
    }
}

/// A private field of `struct q_inval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `free_head`
    FreeHead,
    /// `free_tail`
    FreeTail,
    /// `free_cnt`
    FreeCnt,
    /// Any other member: `desc`, `desc_status`.
    Pointer,
}

impl Field {
    /// The fields that are numbers, in the order in which the shim and [`super::Board::fields`] have them.
    pub(super) const COUNTED: [Field; 3] = [Field::FreeHead, Field::FreeTail, Field::FreeCnt];
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::FreeHead => "free_head",
            Field::FreeTail => "free_tail",
            Field::FreeCnt => "free_cnt",
            Field::Pointer => "a pointer",
        })
    }
}

/// A status as it lies in memory: the kernel's four, or anything else.
pub type RawStatus = i32;

/// How a status is written.
pub(super) fn status_name(raw: RawStatus) -> String {
    let known = [Status::Free, Status::InUse, Status::Done, Status::Abort].into_iter().find(|s| *s as RawStatus == raw);
    known.map_or_else(|| raw.to_string(), |status| status.name().to_string())
}

/// What a submitter does, with the value read or stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Takes `q_lock`.
    Lock,
    /// Drops it.
    Unlock,
    /// `cpu_relax`.
    Relax,
    /// Reads `desc_status[slot]`.
    ReadStatus(Slot, RawStatus),
    /// Writes it.
    WriteStatus(Slot, RawStatus),
    /// Reads the descriptor in a slot, or part of it.
    ReadDesc(Slot),
    /// Writes it.
    WriteDesc(Slot, Desc),
    /// Reads a register: the raw value, indices as slots.
    ReadReg(Register, u64),
    /// Writes it.
    WriteReg(Register, u64),
    /// Reads a private field.
    ReadField(Field, i64),
    /// Writes it.
    WriteField(Field, i64),
    /// Touches memory that is neither: an offset from the start of `desc_status`, or what the shim says.
    Outside(i64),
    /// More accesses under the lock than any driver needs: an endless loop.
    Runaway,
    /// Looks at the clock: the time in nanoseconds.
    Clock(u64),
    /// Returns.
    Return(i32),
}

impl Access {
    /// Whether hardware can see it, or another submitter's lock.
    pub fn is_visible(self) -> bool {
        !matches!(
            self,
            Access::Relax | Access::ReadDesc(_) | Access::ReadField(..) | Access::WriteField(..) | Access::Clock(_)
        )
    }
}

/// An access that has not been made yet: of a write it is not known what will be stored.
pub(super) struct Pending(pub(super) Access);

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Access::WriteStatus(slot, _) => write!(f, "status[{slot}]=..."),
            Access::WriteDesc(slot, _) => write!(f, "desc[{slot}]=..."),
            Access::WriteField(field, _) => write!(f, "{field}=..."),
            access => access.fmt(f),
        }
    }
}

/// What the function returns, as the kernel spells it.
pub(super) fn errno(rc: i32) -> String {
    match rc {
        -11 => "-EAGAIN".to_string(),
        -22 => "-EINVAL".to_string(),
        -110 => "-ETIMEDOUT".to_string(),
        other => other.to_string(),
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Access::Lock => write!(f, "lock"),
            Access::Unlock => write!(f, "unlock"),
            Access::Relax => write!(f, "relax"),
            Access::ReadStatus(slot, value) => write!(f, "status[{slot}]=={}", status_name(value)),
            Access::WriteStatus(slot, value) => write!(f, "status[{slot}]={}", status_name(value)),
            Access::ReadDesc(slot) => write!(f, "read desc[{slot}]"),
            Access::WriteDesc(slot, desc) => match desc {
                Desc::Blank => write!(f, "desc[{slot}]=(no descriptor that is known)"),
                Desc::Id { number, kind } => write!(f, "desc[{slot}]=ID {number} {kind:?}"),
                Desc::Wd { target, data } => write!(f, "desc[{slot}]=WD status[{target}]={}", data.status().name()),
                Desc::InvalidWd { target } => write!(f, "desc[{slot}]=invalid WD for {target}"),
            },
            Access::ReadReg(register, value) => write!(f, "{register}=={value:#x}"),
            Access::WriteReg(register, value) => write!(f, "{register}={value:#x}"),
            Access::ReadField(field, value) => write!(f, "{field}=={value}"),
            Access::WriteField(field, value) => write!(f, "{field}={value}"),
            Access::Outside(at) => write!(f, "touches memory outside the arrays, {at} bytes from desc_status"),
            Access::Runaway => write!(f, "does not come to an end with the lock held"),
            Access::Clock(time) => write!(f, "clock=={} ms", time / 1_000_000),
            Access::Return(rc) => write!(f, "return {}", errno(rc)),
        }
    }
}
