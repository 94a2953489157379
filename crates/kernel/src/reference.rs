//! The Rust driver on plain memory, each access noted: what the C is compared with.

use std::cell::RefCell;

use super::access::{Access, RawStatus, Register};
use super::board::rid;
use vtd_qi::impl_qi::{
    Acquire, Bus, Call, Desc, Fsts, Length, MAX_DEPTH, Outcome, Pc, Queue, Request, Rules, Slot, Status, Step, Unit,
};

/// Memory, registers, hardware and lock.
pub(super) struct Memory {
    length: Length,
    status: [Status; 256],
    descs: [Desc; 256],
    queue: Queue,
    iqh: Slot,
    iqt: Slot,
    fsts: Fsts,
    itesid: u8,
    gone: u8,
    injected: u8,
    holder: Option<usize>,
    fetched: Vec<Desc>,
    requests: Vec<Request>,
    /// Who accesses, and what has been accessed since the log was last taken.
    cpu: usize,
    log: RefCell<Vec<Access>>,
}

/// The driver's submitters on their memory.
pub(super) struct Reference {
    pub(super) rules: Rules,
    pub(super) memory: Memory,
    calls: Vec<Call>,
}

impl Memory {
    fn note(&self, access: Access) {
        self.log.borrow_mut().push(access);
    }

    pub(super) fn raw_status(&self, slot: Slot) -> RawStatus {
        self.status[usize::from(slot)] as RawStatus
    }

    pub(super) fn queue(&self) -> Queue {
        self.queue
    }

    pub(super) fn set_queue(&mut self, queue: Queue) {
        self.queue = queue;
    }

    pub(super) fn poke_status(&mut self, slot: Slot, status: Status) {
        self.status[usize::from(slot)] = status;
    }

    pub(super) fn holder(&self) -> Option<usize> {
        self.holder
    }

    pub(super) fn set_faults(&mut self, fsts: Fsts, itesid: u8) {
        (self.fsts, self.itesid) = (fsts, itesid);
    }

    pub(super) fn set_gone(&mut self, gone: u8) {
        self.gone = gone;
    }

    pub(super) fn set_indices(&mut self, iqh: Slot, iqt: Slot) {
        (self.iqh, self.iqt) = (iqh, iqt);
    }
}

impl Reference {
    pub(super) fn new(rules: Rules, length: Length, submitters: usize, requests: Vec<Request>) -> Reference {
        let memory = Memory {
            length,
            status: [Status::Free; 256],
            descs: [Desc::Blank; 256],
            queue: Queue { free_cnt: length.slots(), free_head: 0, free_tail: 0 },
            iqh: 0,
            iqt: 0,
            fsts: Fsts::NONE,
            itesid: 0,
            gone: 0,
            injected: 0,
            holder: None,
            fetched: Vec::with_capacity(MAX_DEPTH),
            requests,
            cpu: 0,
            log: RefCell::new(Vec::new()),
        };
        Reference { rules, memory, calls: vec![Call::IDLE; submitters] }
    }

    pub(super) fn reset(&mut self) {
        let requests = std::mem::take(&mut self.memory.requests);
        *self = Reference::new(self.rules, self.memory.length, self.calls.len(), requests);
    }

    /// Starts anew with one request.
    pub(super) fn restart_with(&mut self, request: Request) {
        *self = Reference::new(self.rules, self.memory.length, self.calls.len(), vec![request]);
    }

    pub(super) fn requests(&self) -> &[Request] {
        &self.memory.requests
    }

    pub(super) fn is_idle(&self, t: usize) -> bool {
        self.calls[t].pc == Pc::Idle
    }

    pub(super) fn can_run(&self, t: usize) -> bool {
        match self.calls[t].pc {
            Pc::Idle => false,
            Pc::Acquire | Pc::PollAcquire => self.memory.holder.is_none(),
            _ => true,
        }
    }

    /// The name of the next step.
    pub(super) fn next(&self, t: usize) -> Option<Step> {
        self.calls[t].pc.step(&self.rules)
    }

    pub(super) fn call(&mut self, t: usize, request: usize) {
        self.calls[t] = Call::begin_request(request as u8, self.memory.requests[request].count());
    }

    /// One step: the access that it makes, if any, and what the function returns, if it does.
    pub(super) fn step(&mut self, t: usize) -> Option<(Option<Access>, Option<i32>)> {
        let call = &mut self.calls[t];
        let outcome = call.outcome;
        self.memory.cpu = t;
        call.step(&self.rules, &mut self.memory)?;
        let mut log = self.memory.log.borrow_mut();
        // A patch reads what it copies: the write is the access.
        let access = log.pop();
        log.clear();
        let rc = match outcome {
            Outcome::Success => 0,
            Outcome::Again => -11,
            Outcome::Invalid => -22,
            Outcome::TimedOut => -110,
        };
        Some((access, (call.pc == Pc::Idle).then_some(rc)))
    }
}

impl Bus for Memory {
    fn length(&self) -> Length {
        self.length
    }

    fn status(&self, slot: Slot) -> Status {
        self.note(Access::ReadStatus(slot, self.raw_status(slot)));
        self.status[usize::from(slot)]
    }

    fn set_status(&mut self, slot: Slot, status: Status) {
        self.status[usize::from(slot)] = status;
        self.note(Access::WriteStatus(slot, status as RawStatus));
    }

    fn set_desc(&mut self, slot: Slot, desc: Desc) {
        self.patch_desc(slot, desc);
    }

    fn request(&self, request: u8, _: u8) -> Request {
        self.requests[usize::from(request)]
    }

    fn set_iqt(&mut self, slot: Slot) {
        self.iqt = slot;
        self.note(Access::WriteReg(Register::Iqt, slot.into()));
    }

    fn queue(&self) -> Queue {
        self.queue
    }

    fn set_queue(&mut self, queue: Queue) {
        self.queue = queue;
    }

    fn acquire(&mut self) -> Acquire {
        if self.holder.is_some() {
            return Acquire::Busy;
        }
        self.holder = Some(self.cpu);
        self.note(Access::Lock);
        Acquire::Taken
    }

    fn release(&mut self) {
        self.holder = None;
        self.note(Access::Unlock);
    }

    fn checks_faults(&self) -> bool {
        true
    }

    fn fsts(&self) -> Fsts {
        self.note(Access::ReadReg(Register::Fsts, self.fsts.bits().into()));
        self.fsts
    }

    fn clear_fsts(&mut self, faults: Fsts) {
        self.fsts = self.fsts.without(faults);
        if faults.has(Fsts::ITE) {
            self.itesid = 0;
        }
        self.note(Access::WriteReg(Register::Fsts, faults.bits().into()));
    }

    fn iqh(&self) -> Slot {
        self.note(Access::ReadReg(Register::Iqh, self.iqh.into()));
        self.iqh
    }

    fn iqt(&self) -> Slot {
        self.note(Access::ReadReg(Register::Iqt, self.iqt.into()));
        self.iqt
    }

    fn itesid(&self) -> u8 {
        self.note(Access::ReadReg(Register::Iqer, u64::from(rid(self.itesid)) << 32));
        self.itesid
    }

    fn desc(&self, slot: Slot) -> Desc {
        self.note(Access::ReadDesc(slot));
        self.descs[usize::from(slot)]
    }

    fn patch_desc(&mut self, slot: Slot, desc: Desc) {
        self.descs[usize::from(slot)] = desc;
        self.note(Access::WriteDesc(slot, desc));
    }

    fn is_gone(&self, device: u8) -> bool {
        self.gone >> (device - 1) & 1 == 1
    }
}

impl Unit for Memory {
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
        self.descs[usize::from(slot)]
    }

    fn pending(&self) -> usize {
        self.fetched.len()
    }

    fn pending_at(&self, position: usize) -> Desc {
        self.fetched[position]
    }

    fn fetch(&mut self, slot: Slot) {
        self.fetched.push(self.descs[usize::from(slot)]);
    }

    fn retire(&mut self, position: usize) {
        self.fetched.remove(position);
    }

    fn write_status(&mut self, slot: Slot, status: Status, _: usize) {
        self.status[usize::from(slot)] = status;
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
        self.fetched.remove(position);
    }

    fn is_gone(&self, device: u8) -> bool {
        Bus::is_gone(self, device)
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
