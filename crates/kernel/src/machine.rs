//! The compiled functions at work: submitters as coroutines that stop before each access. What they share with the hardware of
//! [`vtd_qi::impl_qi`] is a [`Board`].
//!
//! A submitter that is resumed does the access before which it stood and runs on to the next. Nothing else runs meanwhile, so
//! what it reads is what lies there when it is resumed, and what it stores lies there when it stops again.

use std::ffi::c_void;
use std::ptr;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, Yielder};

use super::access::{Access, CELL, Kind, RawStatus};
use super::board::{At, Board, Decide, MARK, START, Stop, rid};
use super::program::{BuildError, Loaded, Piece, Program};
use vtd_qi::impl_qi::{Fsts, IdKind, MAX_SUBMITTERS, Request};

/// Which accesses are stopped at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopGrain {
    /// Every access to a status, a descriptor or a private field, the lock, registers and relaxing.
    Every,
    /// What hardware can see, the lock and relaxing: no private fields.
    Visible,
    /// The lock, registers and relaxing.
    Coarse,
}

impl StopGrain {
    fn mask(self) -> u32 {
        match self {
            StopGrain::Every => 3,
            StopGrain::Visible => 1,
            StopGrain::Coarse => 0,
        }
    }
}

/// The shim's call-back at an access.
unsafe extern "C" fn on_stop(context: *mut c_void, kind: u32, bytes: u32, at: u64, value: u64) -> u64 {
    let board: *mut Board = context.cast();
    if kind == CELL {
        // SAFETY: as below.
        unsafe { (*board).cells.push((bytes + 1, value)) };
        return 0;
    }
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
    grain: StopGrain,
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
    pub fn new(program: &Program, submitters: usize, grain: StopGrain, scalable: bool) -> Result<Machine, BuildError> {
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
        let arrays = [at(status), at(descs), at(private)];
        let board = Board::blank(program.length, shift, &loaded, arrays, [status, descs, private]);
        let board = Box::into_raw(Box::new(board));
        let iommu = at(unit);
        let slots = u32::from(program.length.slots());
        // SAFETY: these are the shim's own variables, of these types; nothing runs yet. The board and the arena live as long as
        // the machine.
        unsafe {
            *loaded.arena = arena as usize;
            *loaded.arena_bytes = end;
            *loaded.mask = grain.mask();
            *loaded.budget_full = slots * 64 + 4096;
            *loaded.budget = *loaded.budget_full;
            *loaded.q_lock = at(private).add(loaded.layout.q_lock);
            *loaded.reg = ptr::without_provenance_mut(REGISTERS);
            *loaded.context = board.cast();
            *loaded.stop = on_stop;
            *loaded.device_state = on_device;
            show(&loaded, pieces);
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
    pub fn grain(&self) -> StopGrain {
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
        (board.clock, board.looks) = (START, 0);
    }

    /// Has somebody asked at each stop whether the submitter may go on at once.
    ///
    /// # Safety
    /// `context` has to be what `decide` takes it for as long as submitters are resumed; nobody else may hold a reference to it
    /// meanwhile.
    pub(super) unsafe fn decide_with(&mut self, decider: Option<(Decide, *mut c_void)>) {
        self.board_mut().decider = decider;
    }

    /// How many accesses have not been stopped at that [`StopGrain::Every`] stops at, since the machine was made.
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
            (*board).cells.clear();
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

/// Tells the shim where the arrays and the structures are, and in which part of `struct q_inval` the private fields lie.
///
/// # Safety
/// Nothing of the library runs.
unsafe fn show(loaded: &Loaded, [status, descs, private, unit]: [Piece; 4]) {
    let fields = loaded.layout.fields;
    let (first, last) = (fields.iter().min().copied().unwrap_or(0), fields.iter().max().copied().unwrap_or(0));
    // SAFETY: these are the shim's own variables, of these types.
    unsafe {
        *loaded.status = status;
        *loaded.descs = descs;
        *loaded.private = Piece { at: private.at + first, bytes: last - first + size_of::<i32>() };
        *loaded.queue = private;
        *loaded.unit = unit;
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
