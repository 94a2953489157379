//! What submitters and hardware share: the arrays of the C, the registers, and what the hardware has fetched.
//!
//! A [`Board`] performs what an access comes to beside what the C does itself, and notices what no driver may do.

use std::ffi::c_void;
use std::ptr;

use corosensei::Yielder;

use super::access::{Access, Field, Kind, RawStatus, Register};
use super::program::{Loaded, Piece};
use vtd_qi::impl_qi::{
    Desc, Fsts, IdKind, Length, MAX_DEPTH, MAX_SUBMITTERS, Queue, Request, Slot, Status, Unit, WdData,
};

/// Why a submitter stands where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    pub(super) kind: Kind,
    pub(super) bytes: u32,
    pub(super) at: u64,
    pub(super) value: u64,
}

/// Where a submitter is.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    /// Not in the function.
    Idle,
    /// Before an access.
    Stopped(Stop),
}

/// Something that no driver may do, seen while it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It touches memory outside the arrays.
    Outside,
    /// It does not come to an end with the lock held.
    Runaway,
    /// It writes a descriptor or a status that hardware has still to read or to write.
    Overrun,
    /// `free_cnt` is not what lies between `free_tail` and `free_head`.
    FreeCnt,
    /// IQT is no slot.
    BadIqt,
    /// It returned 0 before all its IDs were executed.
    SuccessWithoutExecution,
    /// It returned 0 though no DONE was written for its own WD.
    StrangerDone,
    /// A register was accessed that the functions have no business with.
    OtherRegister,
    /// It drops a lock that it does not hold.
    Unlocked,
}

/// How the clock goes on when it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// By a tick; a schedule may let it leap before.
    Walking,
    /// By more than any time-out.
    Leaping,
    /// By a tick, and now and then by more than any time-out.
    Sometimes,
}

/// What the clock shows at first, by how much it goes on at each look, and by how much it leaps, in nanoseconds.
pub(super) const START: u64 = 1_000_000_000_000;
const TICK: u64 = 1_000;
const LEAP: u64 = 3_600_000_000_000;

#[derive(Clone, Copy)]
pub(super) struct Fetched {
    pub(super) desc: Desc,
    pub(super) owner: u32,
}

/// Everything that is shared, and what the hardware has fetched.
pub struct Board {
    pub(super) length: Length,
    pub(super) shift: u32,
    pub(super) status: *mut RawStatus,
    pub(super) descs: *mut u8,
    pub(super) private: *mut u8,
    /// Offsets of [`Field::COUNTED`].
    pub(super) fields: [usize; 3],
    pub(super) registers: [u32; 4],
    pub(super) status_at: Piece,
    pub(super) descs_at: Piece,
    pub(super) private_at: Piece,
    pub(super) iqh: Slot,
    pub(super) iqt: Slot,
    pub(super) fsts: Fsts,
    pub(super) itesid: u8,
    pub(super) gone: u8,
    /// Whether a device that is gone is not even known any more.
    pub(super) forgotten: bool,
    pub(super) injected: u8,
    pub(super) holder: u8,
    pub(super) fetched: [Fetched; MAX_DEPTH],
    pub(super) fetched_len: usize,
    /// Who posted what lies in a slot, until it is fetched.
    pub(super) posted: [u32; 256],
    /// For each submitter: the number of its call, which of its IDs were executed, whether its WD was completed.
    pub(super) serial: [u32; MAX_SUBMITTERS],
    pub(super) executed: [u32; MAX_SUBMITTERS],
    pub(super) completed: [bool; MAX_SUBMITTERS],
    pub(super) request: [Request; MAX_SUBMITTERS],
    pub(super) calls: u32,
    pub(super) wrong: Option<(Wrong, usize)>,
    /// The time, in nanoseconds, how often it was looked at since the last reset, and how it goes on.
    pub(super) clock: u64,
    pub(super) looks: u64,
    /// What a call that has just returned left in cells of its own: which, from 1, and what.
    pub(super) cells: Vec<(u32, u64)>,
    pub(super) pace: Pace,
    pub(super) yielder: *const Yielder<(), ()>,
    pub(super) current: usize,
    pub(super) returned: Option<i32>,
    pub(super) at: [At; MAX_SUBMITTERS],
    /// Who is asked at a stop whether the submitter may go on at once; saves two switches of stacks.
    pub(super) decider: Option<(Decide, *mut c_void)>,
}

/// Asked at a stop, with what was handed to [`Machine::decide_with`].
pub(super) type Decide = fn(*mut c_void, &mut Board) -> bool;

/// The requester id of a device numbered from 1: a bus of its own.
pub(super) fn rid(device: u8) -> u16 {
    u16::from(device) << 8
}

/// What marks an ID as ours, in its second word; below it the submitter and the number of the ID.
pub(super) const MARK: u64 = 0x5155 << 48;

impl Board {
    /// A board on which nothing has happened, over the arrays of `desc_status`, of descriptors and of `struct q_inval`.
    pub(super) fn blank(
        length: Length,
        shift: u32,
        loaded: &Loaded,
        [status, descs, private]: [*mut u8; 3],
        [status_at, descs_at, private_at]: [Piece; 3],
    ) -> Board {
        Board {
            length,
            shift,
            status: status.cast(),
            descs,
            private,
            fields: loaded.layout.fields,
            registers: loaded.registers,
            status_at,
            descs_at,
            private_at,
            iqh: 0,
            iqt: 0,
            fsts: Fsts::NONE,
            itesid: 0,
            gone: 0,
            forgotten: false,
            injected: 0,
            holder: 0,
            fetched: [Fetched { desc: Desc::Blank, owner: 0 }; MAX_DEPTH],
            fetched_len: 0,
            posted: [0; 256],
            serial: [0; MAX_SUBMITTERS],
            executed: [0; MAX_SUBMITTERS],
            completed: [false; MAX_SUBMITTERS],
            request: [Request::plain(0); MAX_SUBMITTERS],
            calls: 0,
            wrong: None,
            clock: START,
            looks: 0,
            cells: Vec::new(),
            pace: Pace::Walking,
            yielder: ptr::null(),
            current: 0,
            returned: None,
            at: [At::Idle; MAX_SUBMITTERS],
            decider: None,
        }
    }

    /// `QI_LENGTH`.
    pub fn length(&self) -> Length {
        self.length
    }

    /// `desc_status[slot]`, whatever it is.
    pub fn raw_status(&self, slot: Slot) -> RawStatus {
        // SAFETY: a slot is below QI_LENGTH, and the array has that many elements.
        unsafe { ptr::read_volatile(self.status.add(slot.into())) }
    }

    pub(super) fn set_raw_status(&mut self, slot: Slot, status: RawStatus) {
        // SAFETY: as above.
        unsafe { ptr::write_volatile(self.status.add(slot.into()), status) }
    }

    /// Where a private field lies; `None` for [`Field::Pointer`].
    fn field_at(&self, field: Field) -> Option<*mut i32> {
        let number = Field::COUNTED.iter().position(|&counted| counted == field)?;
        // SAFETY: the offsets come from the compiler that laid out the structure.
        Some(unsafe { self.private.add(self.fields[number]).cast::<i32>() })
    }

    fn field(&self, field: Field) -> i64 {
        // SAFETY: the field lies there, and it is an int.
        self.field_at(field).map_or(0, |at| unsafe { ptr::read_volatile(at).into() })
    }

    pub(super) fn set_queue(&mut self, queue: Queue) {
        let values = [queue.free_head.into(), queue.free_tail.into(), queue.free_cnt.into()];
        for (field, value) in Field::COUNTED.into_iter().zip(values) {
            // SAFETY: as above.
            self.field_at(field).into_iter().for_each(|at| unsafe { ptr::write_volatile(at, value) });
        }
    }

    /// `free_head`, `free_tail`, `free_cnt`, whatever they are.
    pub fn fields(&self) -> [i64; 3] {
        Field::COUNTED.map(|field| self.field(field))
    }

    /// The private fields, if they are in range.
    pub fn queue(&self) -> Option<Queue> {
        let [head, tail, cnt] = self.fields();
        let slot = |value: i64| (0..i64::from(self.length.slots())).contains(&value).then_some(value as Slot);
        let free_cnt = u16::try_from(cnt).ok()?;
        Some(Queue { free_head: slot(head)?, free_tail: slot(tail)?, free_cnt })
    }

    /// Who holds `q_lock`.
    pub fn lock_holder(&self) -> Option<usize> {
        self.holder.checked_sub(1).map(usize::from)
    }

    /// The two words of a descriptor that hardware reads.
    fn desc_words(&self, slot: Slot) -> [u64; 2] {
        // SAFETY: the array has QI_LENGTH descriptors of 1 << shift bytes, at least 16, and is aligned.
        unsafe {
            let at = self.descs.add(usize::from(slot) << self.shift).cast::<u64>();
            [ptr::read_volatile(at), ptr::read_volatile(at.add(1))]
        }
    }

    fn decode(&self, [w0, w1]: [u64; 2]) -> Desc {
        // VT-d 6.5.2: the type in bits 3:0; of a wait descriptor the status-write flag in bit 5 and the data in 63:32.
        match w0 & 15 {
            0 => Desc::Blank,
            5 => {
                let target = (w1 as usize).wrapping_sub(self.status as usize);
                let slot = target / size_of::<RawStatus>();
                let data = match w0 >> 32 {
                    1 => WdData::InUse,
                    2 => WdData::Done,
                    3 => WdData::Abort,
                    _ => return Desc::Blank,
                };
                let known = w0 as u32 & !(1 << 7) == 0x25 && target.is_multiple_of(size_of::<RawStatus>());
                if known && slot < self.length.slots().into() {
                    Desc::Wd { target: slot as Slot, data }
                } else {
                    Desc::Blank
                }
            }
            kind if w1 & (0xffff << 48) == MARK => Desc::Id {
                number: w1 as u8,
                kind: match kind {
                    2 => IdKind::Unit,
                    3 => IdKind::Device((w0 >> 40) as u8),
                    _ => IdKind::Invalid,
                },
            },
            _ => Desc::Blank,
        }
    }

    /// The slot at an offset into an array of elements of a size.
    fn slot_at(&self, piece: Piece, at: u64, element: usize) -> Slot {
        ((at as usize - piece.at) / element) as Slot
    }

    fn register(&self, offset: u64) -> Register {
        let known = self.registers.iter().position(|&register| u64::from(register) == offset);
        known.map_or(Register::Other(offset), |number| Register::KNOWN[number])
    }

    /// What lies in a register, slots not shifted.
    fn register_value(&self, register: Register) -> u64 {
        match register {
            Register::Iqh => self.iqh.into(),
            Register::Iqt => self.iqt.into(),
            Register::Fsts => self.fsts.bits().into(),
            Register::Iqer => u64::from(rid(self.itesid)) << 32,
            Register::Other(_) => 0,
        }
    }

    /// What a stop is about. `done`: the access has been made; then what was stored lies in memory.
    pub(super) fn access(&self, stop: &Stop) -> Access {
        let at = stop.at as usize;
        let within = |piece: Piece| at >= piece.at && at < piece.at + piece.bytes;
        match stop.kind {
            Kind::Lock => Access::Lock,
            Kind::Unlock => Access::Unlock,
            Kind::Relax => Access::Relax,
            Kind::Runaway => Access::Runaway,
            Kind::Clock => Access::Clock(self.clock),
            Kind::Outside => Access::Outside(at as i64 - self.status_at.at as i64),
            Kind::ReadReg => {
                let register = self.register(stop.at);
                Access::ReadReg(register, self.register_value(register))
            }
            Kind::WriteReg => {
                let register = self.register(stop.at);
                let index = matches!(register, Register::Iqh | Register::Iqt);
                Access::WriteReg(register, if index { stop.value >> self.shift } else { stop.value })
            }
            Kind::Read | Kind::Write | Kind::Copy if within(self.status_at) => {
                if stop.bytes as usize != size_of::<RawStatus>() || !(at - self.status_at.at).is_multiple_of(4) {
                    return Access::Outside(at as i64 - self.status_at.at as i64);
                }
                let slot = self.slot_at(self.status_at, stop.at, size_of::<RawStatus>());
                match stop.kind {
                    Kind::Read => Access::ReadStatus(slot, self.raw_status(slot)),
                    _ => Access::WriteStatus(slot, self.raw_status(slot)),
                }
            }
            Kind::Read | Kind::Write | Kind::Copy if within(self.descs_at) => {
                let slot = self.slot_at(self.descs_at, stop.at, 1 << self.shift);
                match stop.kind {
                    Kind::Read => Access::ReadDesc(slot),
                    _ => Access::WriteDesc(slot, self.decode(self.desc_words(slot))),
                }
            }
            Kind::Read | Kind::Write | Kind::Copy => {
                let offset = at - self.private_at.at;
                let number = self.fields.iter().position(|&field| field == offset);
                let field = number.map_or(Field::Pointer, |number| Field::COUNTED[number]);
                let value = self.field(field);
                match stop.kind {
                    Kind::Read => Access::ReadField(field, value),
                    _ => Access::WriteField(field, value),
                }
            }
        }
    }

    /// Whether a submitter is not in the function.
    pub(super) fn is_idle(&self, t: usize) -> bool {
        matches!(self.at[t], At::Idle)
    }

    /// Whether a submitter stands before an access that it can make.
    #[inline]
    pub(super) fn can_run(&self, t: usize) -> bool {
        match &self.at[t] {
            At::Idle => false,
            At::Stopped(stop) => stop.kind != Kind::Lock || self.holder == 0,
        }
    }

    /// The access before which a submitter stands.
    pub(super) fn next(&self, t: usize) -> Option<Access> {
        match &self.at[t] {
            At::Idle => None,
            At::Stopped(stop) => Some(self.access(stop)),
        }
    }

    /// Of what kind it is.
    pub(super) fn next_kind(&self, t: usize) -> Option<Kind> {
        match &self.at[t] {
            At::Idle => None,
            At::Stopped(stop) => Some(stop.kind),
        }
    }

    /// Who runs, or ran last.
    pub(super) fn current(&self) -> usize {
        self.current
    }

    fn is_wrong(&mut self, wrong: Wrong) {
        self.wrong.get_or_insert((wrong, self.current));
    }

    /// What an access comes to beside what the C does itself.
    pub(super) fn perform(&mut self, stop: Stop) -> u64 {
        match stop.kind {
            Kind::Lock => self.holder = self.current as u8 + 1,
            Kind::Unlock => {
                if usize::from(self.holder) != self.current + 1 {
                    self.is_wrong(Wrong::Unlocked);
                }
                self.holder = 0;
                let [head, tail, cnt] = self.fields();
                let slots = i64::from(self.length.slots());
                let used = if head >= tail { head - tail } else { head - tail + slots };
                if cnt != slots - used || head as u64 >= slots as u64 || tail as u64 >= slots as u64 {
                    self.is_wrong(Wrong::FreeCnt);
                }
            }
            Kind::Relax | Kind::Read => {}
            Kind::Clock => {
                self.looks += 1;
                match self.pace {
                    Pace::Leaping => self.leap(),
                    Pace::Sometimes if self.looks % 4 == 3 => self.leap(),
                    Pace::Walking | Pace::Sometimes => self.clock += TICK,
                }
                return self.clock;
            }
            Kind::Outside => self.is_wrong(Wrong::Outside),
            Kind::Runaway => self.is_wrong(Wrong::Runaway),
            Kind::Write | Kind::Copy => self.written(stop),
            Kind::ReadReg => {
                let register = self.register(stop.at);
                let value = self.register_value(register);
                return match register {
                    Register::Iqh | Register::Iqt => value << self.shift,
                    Register::Other(_) => {
                        self.is_wrong(Wrong::OtherRegister);
                        0
                    }
                    _ => value,
                };
            }
            Kind::WriteReg => match self.register(stop.at) {
                Register::Iqt => {
                    let slot = stop.value >> self.shift;
                    if slot >= self.length.slots().into() || slot << self.shift != stop.value {
                        self.is_wrong(Wrong::BadIqt);
                    } else {
                        let mut posted = self.iqt;
                        self.iqt = slot as Slot;
                        while posted != self.iqt {
                            self.posted[usize::from(posted)] = self.serial[self.current];
                            posted = self.length.add(posted, 1);
                        }
                        if self.iqt == self.iqh {
                            self.is_wrong(Wrong::Overrun);
                        }
                    }
                }
                Register::Fsts => {
                    let cleared = Fsts::of_register(stop.value);
                    self.fsts = self.fsts.without(cleared);
                    if cleared.has(Fsts::ITE) {
                        self.itesid = 0;
                    }
                }
                _ => self.is_wrong(Wrong::OtherRegister),
            },
        }
        0
    }

    /// A store is about to be made: is it into a descriptor that hardware has still to read, or has a WD still to write there?
    fn written(&mut self, stop: Stop) {
        if (stop.at as usize).wrapping_sub(self.descs_at.at) >= self.descs_at.bytes {
            return;
        }
        let slot = self.slot_at(self.descs_at, stop.at, 1 << self.shift);
        // A patch of the fault check is a write over what was posted, where IQH stands at an invalid descriptor.
        if self.fsts.has(Fsts::IQE) && slot == self.iqh {
            return;
        }
        let awaited = |f: &Fetched| matches!(f.desc, Desc::Wd { target, .. } if target == slot);
        if self.length.within(slot, self.iqh, self.iqt) || self.fetched[..self.fetched_len].iter().any(awaited) {
            self.is_wrong(Wrong::Overrun);
        }
    }

    /// The submitter whose present call has a number.
    fn owner(&self, serial: u32) -> Option<usize> {
        (serial != 0).then(|| self.serial.iter().position(|&s| s == serial)).flatten()
    }

    pub(super) fn begin(&mut self, t: usize, request: Request) {
        self.calls += 1;
        self.serial[t] = self.calls;
        self.executed[t] = 0;
        self.completed[t] = false;
        self.request[t] = request;
        self.injected += request.faults();
    }

    pub(super) fn end(&mut self, t: usize, rc: i32) {
        if rc == 0 {
            let all = (1u64 << self.request[t].count().min(31)) - 1;
            if u64::from(self.executed[t]) & all != all {
                self.is_wrong(Wrong::SuccessWithoutExecution);
            } else if !self.completed[t] {
                self.is_wrong(Wrong::StrangerDone);
            }
        }
        self.serial[t] = 0;
    }

    /// A number for all that lies in memory and registers but for the lock: equal numbers mean that nothing has changed.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut put = |word: u64| hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        for slot in self.length.iter() {
            put(self.raw_status(slot) as u64);
            let [w0, w1] = self.desc_words(slot);
            put(w0);
            put(w1);
        }
        self.fields().iter().for_each(|&field| put(field as u64));
        put(u64::from(self.iqh) | u64::from(self.iqt) << 8 | u64::from(self.fsts.bits()) << 16);
        put(self.fetched_len as u64);
        hash
    }

    /// Lets so much time go by that every time-out has come.
    pub(super) fn leap(&mut self) {
        self.clock += LEAP;
    }

    /// Sets the fault registers as hardware would; for probes.
    pub(super) fn set_faults(&mut self, fsts: Fsts, itesid: u8) {
        self.fsts = fsts;
        self.itesid = itesid;
    }

    pub(super) fn set_gone(&mut self, gone: u8, forgotten: bool) {
        self.gone = gone;
        self.forgotten = forgotten;
    }

    /// Sets IQH and IQT.
    pub(super) fn set_indices(&mut self, iqh: Slot, iqt: Slot) {
        (self.iqh, self.iqt) = (iqh, iqt);
    }
}

impl Unit for Board {
    fn length(&self) -> Length {
        self.length
    }

    fn iqh(&self) -> Slot {
        self.iqh
    }

    fn set_iqh(&mut self, slot: Slot) {
        self.iqh = slot;
    }

    fn iqt(&self) -> Slot {
        self.iqt
    }

    fn desc(&self, slot: Slot) -> Desc {
        self.decode(self.desc_words(slot))
    }

    fn pending(&self) -> usize {
        self.fetched_len
    }

    fn pending_at(&self, position: usize) -> Desc {
        self.fetched[position].desc
    }

    fn fetch(&mut self, slot: Slot) {
        let owner = std::mem::take(&mut self.posted[usize::from(slot)]);
        self.fetched[self.fetched_len] = Fetched { desc: self.decode(self.desc_words(slot)), owner };
        self.fetched_len += 1;
    }

    fn retire(&mut self, position: usize) {
        let Fetched { desc, owner } = self.fetched[position];
        if let (Desc::Id { number, .. }, Some(t)) = (desc, self.owner(owner)) {
            self.executed[t] |= 1 << number.min(31);
        }
        self.discard(position);
    }

    fn write_status(&mut self, slot: Slot, status: Status, position: usize) {
        self.set_raw_status(slot, status as RawStatus);
        if let Some(t) = self.owner(self.fetched[position].owner).filter(|_| status == Status::Done) {
            self.completed[t] = true;
        }
    }

    fn fsts(&self) -> Fsts {
        self.fsts
    }

    fn set_fsts(&mut self, fsts: Fsts) {
        self.fsts = fsts;
    }

    fn set_itesid(&mut self, device: u8) {
        self.itesid = device;
    }

    fn discard(&mut self, position: usize) {
        self.fetched.copy_within(position + 1..self.fetched_len, position);
        self.fetched_len -= 1;
    }

    fn is_gone(&self, device: u8) -> bool {
        self.gone >> (device - 1) & 1 == 1
    }

    fn remove(&mut self, device: u8) {
        self.gone |= 1 << (device - 1);
    }

    fn injected(&self) -> u8 {
        self.injected
    }

    fn inject(&mut self) {
        self.injected += 1;
    }
}
