//! The compiled functions at work: submitters as coroutines that stop before each access, and the memory and registers that
//! they share with the hardware of [`vtd_qi::impl_qi`].
//!
//! A submitter that is resumed does the access before which it stood and runs on to the next. Nothing else runs meanwhile, so
//! what it reads is what lies there when it is resumed, and what it stores lies there when it stops again.

use std::ffi::c_void;
use std::ptr;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, Yielder};

use super::access::{Access, Field, Kind, RawStatus, Register};
use super::program::{BuildError, Loaded, Piece, Program};
use vtd_qi::impl_qi::{
    Desc, Fsts, IdKind, Length, Queue, Request, Slot, Status, Unit, WdData, MAX_DEPTH, MAX_SUBMITTERS,
};

/// Which accesses are stopped at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grain {
    /// Every access to a status, a descriptor or a private field, the lock, registers and relaxing.
    Every,
    /// What hardware can see, the lock and relaxing: no private fields.
    Visible,
    /// The lock, registers and relaxing.
    Coarse,
}

impl Grain {
    fn mask(self) -> u32 {
        match self {
            Grain::Every => 3,
            Grain::Visible => 1,
            Grain::Coarse => 0,
        }
    }
}

/// Why a submitter stands where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    pub(super) kind: Kind,
    bytes: u32,
    at: u64,
    value: u64,
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

#[derive(Clone, Copy)]
struct Fetched {
    desc: Desc,
    owner: u32,
}

/// Everything that is shared, and what the hardware has fetched.
pub struct Board {
    length: Length,
    shift: u32,
    status: *mut RawStatus,
    descs: *mut u8,
    private: *mut u8,
    /// Offsets of `free_head`, `free_tail`, `free_cnt`.
    fields: [usize; 3],
    registers: [u32; 4],
    status_at: Piece,
    descs_at: Piece,
    private_at: Piece,
    iqh: Slot,
    iqt: Slot,
    fsts: Fsts,
    itesid: u8,
    gone: u8,
    /// Whether a device that is gone is not even known any more.
    pub(super) forgotten: bool,
    injected: u8,
    holder: u8,
    fetched: [Fetched; MAX_DEPTH],
    fetched_len: usize,
    /// Who posted what lies in a slot, until it is fetched.
    posted: [u32; 256],
    /// Of each submitter: the number of its call, which of its IDs were executed, whether its WD was completed.
    serial: [u32; MAX_SUBMITTERS],
    executed: [u32; MAX_SUBMITTERS],
    completed: [bool; MAX_SUBMITTERS],
    request: [Request; MAX_SUBMITTERS],
    calls: u32,
    pub(super) wrong: Option<(Wrong, usize)>,
    yielder: *const Yielder<(), ()>,
    current: usize,
    returned: Option<i32>,
    at: [At; MAX_SUBMITTERS],
    /// Who is asked at a stop whether the submitter may go on at once; saves two switches of stacks.
    decider: Option<(Decide, *mut c_void)>,
}

/// Asked at a stop, with what was handed to [`Machine::decide_with`].
pub(super) type Decide = fn(*mut c_void, &mut Board) -> bool;

const FSTS_BITS: [(Fsts, u64); 3] = [(Fsts::IQE, 1 << 4), (Fsts::ICE, 1 << 5), (Fsts::ITE, 1 << 6)];

/// The requester id of a device numbered from 1: a bus of its own.
pub(super) fn rid(device: u8) -> u16 {
    u16::from(device) << 8
}

/// What marks an ID as ours, in its second word; below it the submitter and the number of the ID.
const MARK: u64 = 0x5155 << 48;

impl Board {
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

    fn field(&self, number: usize) -> i64 {
        // SAFETY: the offsets come from the compiler that laid out the structure, and it is an int.
        unsafe { ptr::read_volatile(self.private.add(self.fields[number]).cast::<i32>()).into() }
    }

    pub(super) fn set_field(&mut self, number: usize, value: i32) {
        // SAFETY: as above.
        unsafe { ptr::write_volatile(self.private.add(self.fields[number]).cast::<i32>(), value) }
    }

    /// `free_head`, `free_tail`, `free_cnt`, whatever they are.
    pub fn fields(&self) -> [i64; 3] {
        [self.field(0), self.field(1), self.field(2)]
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
            Register::Fsts => FSTS_BITS.iter().filter(|(fault, _)| self.fsts.has(*fault)).map(|(_, bit)| bit).sum(),
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
                let (field, value) = match number {
                    Some(number) => ([Field::FreeHead, Field::FreeTail, Field::FreeCnt][number], self.field(number)),
                    None => (Field::Pointer, 0),
                };
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
    fn perform(&mut self, stop: Stop) -> u64 {
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
                    for (fault, _) in FSTS_BITS.iter().filter(|(_, bit)| stop.value & bit != 0) {
                        self.fsts = self.fsts.without(*fault);
                        if *fault == Fsts::ITE {
                            self.itesid = 0;
                        }
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

    fn begin(&mut self, t: usize, request: Request) {
        self.calls += 1;
        self.serial[t] = self.calls;
        self.executed[t] = 0;
        self.completed[t] = false;
        self.request[t] = request;
        self.injected += request.faults();
    }

    fn end(&mut self, t: usize, rc: i32) {
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

/// The shim's call-back at an access.
unsafe extern "C" fn on_stop(context: *mut c_void, kind: u32, bytes: u32, at: u64, value: u64) -> u64 {
    let board: *mut Board = context.cast();
    let stop = Stop { kind: Kind::from_number(kind), bytes, at, value };
    // SAFETY: the context is the machine's board, which outlives the library; while a submitter runs, nobody else holds a
    // reference to it, and none is held across the switch. The yielder is the running coroutine's own.
    unsafe {
        let t = (*board).current;
        (*board).at[t] = At::Stopped(stop);
        let goes_on = match (*board).decider {
            Some((decide, context)) => decide(context, &mut *board),
            None => false,
        };
        if !goes_on {
            let yielder = (*board).yielder;
            (*yielder).suspend(());
        }
        (*board).perform(stop)
    }
}

/// The shim's question after a device: 0 none, 1 gone, 2 present.
unsafe extern "C" fn on_device(context: *mut c_void, rid: u32) -> u32 {
    let board: *mut Board = context.cast();
    let device = (rid >> 8) as u8;
    // SAFETY: as in `on_stop`.
    unsafe {
        match device {
            1..=8 if rid & 0xff == 0 => match (*board).gone >> (device - 1) & 1 {
                1 if (*board).forgotten => 0,
                1 => 1,
                _ => 2,
            },
            _ => 0,
        }
    }
}

/// Where a submitter is.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    /// Not in the function.
    Idle,
    /// Before an access.
    Stopped(Stop),
}

/// What a coroutine is told.
struct Call {
    submit: super::program::SubmitFn,
    iommu: *mut u8,
    ids: Vec<u64>,
    count: u32,
    board: *mut Board,
}

struct Submitter {
    coroutine: Option<Coroutine<(), (), (), DefaultStack>>,
    yielder: *const Yielder<(), ()>,
    call: Box<Call>,
}

const STACK: usize = 64 << 10;
/// Room around each array, so that an index that is a little wrong is seen and does no harm.
const GUARD: usize = 64 << 10;
/// What stands for the address of the registers.
const REGISTERS: usize = 0x10_0000;

/// A loaded program with its memory, its hardware's state and its submitters.
pub struct Machine {
    board: *mut Board,
    submitters: Vec<Submitter>,
    arena: *mut u8,
    arena_bytes: usize,
    iommu: *mut u8,
    scalable: bool,
    grain: Grain,
    /// Last: the coroutines run its code.
    loaded: Loaded,
}

impl Machine {
    /// Loads a program for a number of submitters, with descriptors of 16 bytes, or of 32 (scalable mode).
    ///
    /// This runs code of the tree in the calling process, as does every call of the machine's: code that is not known to be
    /// harmless belongs into [`isolated`](super::isolated).
    ///
    /// # Errors
    /// [`BuildError`] if it cannot be loaded.
    ///
    /// # Panics
    /// If there are no submitters or more than [`MAX_SUBMITTERS`], or no memory is to be had.
    pub fn new(program: &Program, submitters: usize, grain: Grain, scalable: bool) -> Result<Machine, BuildError> {
        assert!((1..=MAX_SUBMITTERS).contains(&submitters), "{submitters} submitters");
        let loaded = program.load()?;
        let shift = if scalable { 5 } else { 4 };
        let slots = usize::from(program.length.slots());
        let sizes = [slots * size_of::<RawStatus>(), slots << shift, loaded.layout.queue, loaded.layout.unit];
        let mut pieces = [Piece::default(); 4];
        let mut end = GUARD;
        for (piece, bytes) in pieces.iter_mut().zip(sizes) {
            *piece = Piece { at: end, bytes };
            end += bytes.next_multiple_of(64) + GUARD;
        }
        // SAFETY: a fresh private mapping; the result is checked.
        let arena = unsafe {
            libc::mmap(
                ptr::null_mut(),
                end,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(arena, libc::MAP_FAILED, "no memory for the arena: {}", std::io::Error::last_os_error());
        let arena: *mut u8 = arena.cast();
        let [status, descs, private, unit] = pieces;
        // SAFETY: all pieces lie within the mapping.
        let at = |piece: Piece| unsafe { arena.add(piece.at) };
        let layout = &loaded.layout;
        let board = Box::new(Board {
            length: program.length,
            shift,
            status: at(status).cast(),
            descs: at(descs),
            private: at(private),
            fields: layout.fields,
            registers: loaded.registers,
            status_at: status,
            descs_at: descs,
            private_at: private,
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
            yielder: ptr::null(),
            current: 0,
            returned: None,
            at: [At::Idle; MAX_SUBMITTERS],
            decider: None,
        });
        let board = Box::into_raw(board);
        let iommu = at(unit);
        // SAFETY: these are the shim's own variables, of these types; nothing runs yet.
        unsafe {
            *loaded.arena = arena as usize;
            *loaded.arena_bytes = end;
            *loaded.status = status;
            *loaded.descs = descs;
            let fields = layout.fields;
            let (first, last) = (fields.iter().min().copied().unwrap_or(0), fields.iter().max().copied().unwrap_or(0));
            *loaded.private = Piece { at: private.at + first, bytes: last - first + size_of::<i32>() };
            *loaded.queue = private;
            *loaded.unit = unit;
            *loaded.mask = grain.mask();
            *loaded.budget_full = u32::from(program.length.slots()) * 64 + 4096;
            *loaded.budget = *loaded.budget_full;
            *loaded.q_lock = at(private).add(layout.q_lock);
            *loaded.reg = ptr::without_provenance_mut(REGISTERS);
            *loaded.context = board.cast();
            *loaded.stop = on_stop;
            *loaded.device_state = on_device;
        }
        let submitter = |_| Submitter {
            coroutine: None,
            yielder: ptr::null(),
            call: Box::new(Call { submit: loaded.submit, iommu, ids: vec![0; 4 * 256], count: 0, board }),
        };
        let submitters = (0..submitters).map(submitter).collect();
        let mut machine = Machine { board, submitters, arena, arena_bytes: end, iommu, scalable, grain, loaded };
        machine.reset();
        Ok(machine)
    }

    /// Memory, registers and hardware.
    pub fn board(&self) -> &Board {
        // SAFETY: the board lives as long as the machine; the C changes it only within `resume`, which takes `&mut self`.
        unsafe { &*self.board }
    }

    /// The same, to let the hardware do a step.
    pub fn board_mut(&mut self) -> &mut Board {
        // SAFETY: as above.
        unsafe { &mut *self.board }
    }

    /// What is stopped at.
    pub fn grain(&self) -> Grain {
        self.grain
    }

    /// Number of submitters.
    pub fn submitters(&self) -> usize {
        self.submitters.len()
    }

    /// Everything as `dmar_enable_qi` leaves it; calls that are not over are given up.
    pub fn reset(&mut self) {
        let stopped = self.board().at.map(|at| matches!(at, At::Stopped(_)));
        for (submitter, _) in self.submitters.iter_mut().zip(stopped).filter(|(_, stopped)| *stopped) {
            let Some(mut coroutine) = submitter.coroutine.take() else { continue };
            // SAFETY: the stack holds C frames and those of `on_stop` and the coroutine's closure, none of which has anything to
            // drop: the closure's only values are raw pointers.
            unsafe { coroutine.force_reset() };
            let stack = coroutine.into_stack();
            submitter.coroutine = Some(new_coroutine(stack, &mut *submitter.call, &mut submitter.yielder));
        }
        let ecap = if self.scalable { 1 << 43 } else { 0 };
        let board = self.board_mut();
        let slots = usize::from(board.length.slots());
        let (status, descs, private, shift) = (board.status, board.descs, board.private, board.shift);
        // SAFETY: the arrays have these sizes; attach only stores into the two structures. It is instrumented too: without an
        // arena nothing stops.
        unsafe {
            *self.loaded.arena_bytes = 0;
            ptr::write_bytes(status, 0, slots);
            ptr::write_bytes(descs, 0, slots << shift);
            (self.loaded.attach)(
                self.iommu,
                private,
                descs,
                status.cast(),
                ptr::without_provenance_mut(REGISTERS),
                ecap,
            );
            *self.loaded.arena_bytes = self.arena_bytes;
            *self.loaded.budget = *self.loaded.budget_full;
        }
        let board = self.board_mut();
        (board.iqh, board.iqt, board.fsts, board.itesid) = (0, 0, Fsts::NONE, 0);
        (board.gone, board.forgotten, board.injected, board.holder) = (0, false, 0, 0);
        (board.fetched_len, board.posted, board.calls) = (0, [0; 256], 0);
        board.serial = [0; MAX_SUBMITTERS];
        board.at = [At::Idle; MAX_SUBMITTERS];
        board.wrong = None;
    }

    /// Has somebody asked at each stop whether the submitter may go on at once.
    ///
    /// # Safety
    /// `context` has to be what `decide` takes it for as long as submitters are resumed; nobody else may hold a reference to it
    /// meanwhile.
    pub(super) unsafe fn decide_with(&mut self, decider: Option<(Decide, *mut c_void)>) {
        self.board_mut().decider = decider;
    }

    /// How many accesses have not been stopped at that [`Grain::Every`] stops at, since the machine was made.
    pub fn passed(&self) -> u64 {
        // SAFETY: the shim's own variable, which only the running C writes.
        unsafe { *self.loaded.passed }
    }

    /// Takes away the limit of accesses under the lock: for those who look at each access.
    pub(super) fn without_budget(&mut self) {
        // SAFETY: the shim's own variables; nothing runs.
        unsafe {
            *self.loaded.budget_full = u32::MAX;
            *self.loaded.budget = u32::MAX;
        }
    }

    /// Whether a submitter is not in the function.
    pub fn is_idle(&self, t: usize) -> bool {
        self.board().is_idle(t)
    }

    /// Whether a submitter stands before an access that it can make: any but taking a lock that is held.
    #[inline]
    pub fn can_run(&self, t: usize) -> bool {
        self.board().can_run(t)
    }

    /// The access before which a submitter stands, with what it would read now; of a write, with what is there before.
    pub fn next(&self, t: usize) -> Option<Access> {
        self.board().next(t)
    }

    /// Lets an idle submitter call `qi_submit_sync`; it stops before its first access.
    ///
    /// # Panics
    /// If it is not idle.
    pub fn call(&mut self, t: usize, request: Request) {
        assert!(self.is_idle(t), "T{} calls while it is in a call", t + 1);
        let submitter = &mut self.submitters[t];
        for (number, kind) in request.kinds().enumerate() {
            let ids = &mut submitter.call.ids[4 * number..4 * number + 4];
            ids[0] = match kind {
                IdKind::Unit => 2,
                IdKind::Device(device) => u64::from(rid(device)) << 32 | 3,
                IdKind::Invalid => 15,
            };
            ids[1] = MARK | (t as u64) << 8 | number as u64;
        }
        submitter.call.count = request.count().into();
        if submitter.coroutine.is_none() {
            let stack = DefaultStack::new(STACK).expect("memory for a stack");
            submitter.coroutine = Some(new_coroutine(stack, &mut *submitter.call, &mut submitter.yielder));
        }
        self.board_mut().begin(t, request);
        self.run(t);
    }

    /// Lets a submitter do the access before which it stands. Returns what the function returned, if it did.
    #[inline]
    pub fn resume(&mut self, t: usize) -> Option<i32> {
        self.run(t)
    }

    fn run(&mut self, t: usize) -> Option<i32> {
        let board = self.board;
        let submitter = &mut self.submitters[t];
        // SAFETY: no reference to the board is held while the coroutine runs.
        unsafe {
            (*board).current = t;
            (*board).yielder = submitter.yielder;
        }
        if let Some(coroutine) = &mut submitter.coroutine {
            coroutine.resume(());
        }
        // SAFETY: the coroutine has come back.
        let board = unsafe { &mut *board };
        let rc = board.returned.take()?;
        board.at[t] = At::Idle;
        board.end(t, rc);
        Some(rc)
    }

    /// Lets a submitter do the access before which it stands, and says which it was, with its value; and what the function
    /// returned, if it did.
    pub fn step(&mut self, t: usize) -> Option<(Access, Option<i32>)> {
        let At::Stopped(stop) = self.board().at[t] else { return None };
        let before = self.board().access(&stop);
        let returned = self.run(t);
        let stores = matches!(stop.kind, Kind::Write | Kind::Copy);
        Some((if stores { self.board().access(&stop) } else { before }, returned))
    }
}

fn new_coroutine(
    stack: DefaultStack,
    call: *mut Call,
    own_yielder: *mut *const Yielder<(), ()>,
) -> Coroutine<(), (), (), DefaultStack> {
    Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
        // SAFETY: the call and the place for the yielder belong to the submitter, which is neither moved nor dropped while its
        // coroutine lives; the ids outlive the call.
        unsafe {
            *own_yielder = yielder;
            (*(*call).board).yielder = yielder;
            loop {
                let rc = ((*call).submit)((*call).iommu, (*call).ids.as_ptr(), (*call).count, 0);
                (*(*call).board).returned = Some(rc);
                yielder.suspend(());
            }
        }
    })
}

impl Drop for Machine {
    fn drop(&mut self) {
        for submitter in &mut self.submitters {
            if let Some(coroutine) = &mut submitter.coroutine {
                // SAFETY: as in `reset`; a coroutine never ends by itself.
                unsafe { coroutine.force_reset() };
            }
        }
        self.submitters.clear();
        // SAFETY: made by Box::into_raw and mmap in `new`, and used by nobody any more.
        unsafe {
            drop(Box::from_raw(self.board));
            libc::munmap(self.arena.cast(), self.arena_bytes);
        }
    }
}
