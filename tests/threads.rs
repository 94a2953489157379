//! The same driver and hardware on real threads: atomics in place of the model checker's state.
//!
//! This is no check of anything but that the step machines are what they say they are: code that runs, over a [`Bus`].

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::thread;

use vtd_qi::impl_qi::{
    Acquire, Bus, Call, Desc, Faults, Hardware, HwStep, Length, Pc, Queue, Rules, Slot, Status, Step, Unit,
};

const IDS: usize = 3;
const CALLS: usize = 300;

/// The memory that threads share.
struct Shared {
    ring: Length,
    status: Vec<AtomicU8>,
    desc: Vec<AtomicU16>,
    iqh: AtomicU8,
    iqt: AtomicU8,
    /// free_cnt, free_head, free_tail.
    queue: [AtomicU16; 3],
    lock: AtomicBool,
    executed: AtomicUsize,
    completed: AtomicUsize,
}

impl Shared {
    fn new(slots: u16) -> Shared {
        Shared {
            ring: Length::new(slots).unwrap(),
            status: (0..slots).map(|_| AtomicU8::new(0)).collect(),
            desc: (0..slots).map(|_| AtomicU16::new(0)).collect(),
            iqh: AtomicU8::new(0),
            iqt: AtomicU8::new(0),
            queue: [AtomicU16::new(slots), AtomicU16::new(0), AtomicU16::new(0)],
            lock: AtomicBool::new(false),
            executed: AtomicUsize::new(0),
            completed: AtomicUsize::new(0),
        }
    }

    fn status(&self, slot: Slot) -> Status {
        [Status::Free, Status::InUse, Status::Done, Status::Abort]
            [usize::from(self.status[usize::from(slot)].load(SeqCst))]
    }

    fn desc(&self, slot: Slot) -> Desc {
        match self.desc[usize::from(slot)].load(SeqCst) {
            0 => Desc::Blank,
            1 => Desc::ID,
            wd => Desc::wd((wd - 2) as Slot),
        }
    }
}

struct Cpu<'a>(&'a Shared);

impl Bus for Cpu<'_> {
    fn length(&self) -> Length {
        self.0.ring
    }
    fn status(&self, slot: Slot) -> Status {
        self.0.status(slot)
    }
    fn set_status(&mut self, slot: Slot, status: Status) {
        self.0.status[usize::from(slot)].store(status as u8, SeqCst);
    }
    fn set_desc(&mut self, slot: Slot, desc: Desc) {
        let word = match desc {
            Desc::Blank => 0,
            Desc::Id { .. } => 1,
            Desc::Wd { target, .. } | Desc::InvalidWd { target } => 2 + u16::from(target),
        };
        self.0.desc[usize::from(slot)].store(word, SeqCst);
    }
    fn set_iqt(&mut self, slot: Slot) {
        self.0.iqt.store(slot, SeqCst);
    }
    fn queue(&self) -> Queue {
        let [free_cnt, free_head, free_tail] = [0, 1, 2].map(|i: usize| self.0.queue[i].load(SeqCst));
        Queue { free_cnt, free_head: free_head as Slot, free_tail: free_tail as Slot }
    }
    fn set_queue(&mut self, queue: Queue) {
        let fields = [queue.free_cnt, queue.free_head.into(), queue.free_tail.into()];
        self.0.queue.iter().zip(fields).for_each(|(field, value)| field.store(value, SeqCst));
    }
    fn acquire(&mut self) -> Acquire {
        match self.0.lock.compare_exchange(false, true, SeqCst, SeqCst) {
            Ok(_) => Acquire::Taken,
            Err(_) => Acquire::Busy,
        }
    }
    fn release(&mut self) {
        assert!(self.0.lock.swap(false, SeqCst), "the lock is dropped by its holder");
    }
}

struct Device<'a> {
    shared: &'a Shared,
    pending: Vec<Desc>,
}

impl Unit for Device<'_> {
    fn length(&self) -> Length {
        self.shared.ring
    }
    fn iqh(&self) -> Slot {
        self.shared.iqh.load(SeqCst)
    }
    fn set_iqh(&mut self, slot: Slot) {
        self.shared.iqh.store(slot, SeqCst);
    }
    fn iqt(&self) -> Slot {
        self.shared.iqt.load(SeqCst)
    }
    fn desc(&self, slot: Slot) -> Desc {
        self.shared.desc(slot)
    }
    fn pending(&self) -> usize {
        self.pending.len()
    }
    fn pending_at(&self, position: usize) -> Desc {
        self.pending[position]
    }
    fn fetch(&mut self, slot: Slot) {
        let desc = self.shared.desc(slot);
        assert_ne!(desc, Desc::Blank);
        self.pending.push(desc);
    }
    fn retire(&mut self, position: usize) {
        let counter = match self.pending.remove(position) {
            Desc::Id { .. } => &self.shared.executed,
            _ => &self.shared.completed,
        };
        counter.fetch_add(1, SeqCst);
    }
    fn write_status(&mut self, slot: Slot, status: Status, _: usize) {
        self.shared.status[usize::from(slot)].store(status as u8, SeqCst);
    }
}

/// Three CPUs and a device; each call brings up to two IDs. All calls return and all slots come back.
#[test]
fn the_fixed_driver_runs_on_real_threads() {
    let shared = Shared::new(8);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut device = Device { shared: &shared, pending: Vec::new() };
            let (hardware, faults) = (Hardware::pipelined(4), Faults::none());
            while !stop.load(SeqCst) {
                let mut next: Option<HwStep> = None;
                hardware.steps(&faults, &device, |step| next = next.or(Some(step)));
                match next {
                    Some(step) => hardware.step(&faults, &mut device, step),
                    None => thread::yield_now(),
                }
            }
        });
        let cpus: Vec<_> = (0..3)
            .map(|cpu| {
                let shared = &shared;
                scope.spawn(move || {
                    for call in 0..CALLS {
                        let mut state = Call::begin(((cpu + call) % IDS) as u8);
                        while state.pc != Pc::Idle {
                            match state.step(&Rules::G4, &mut Cpu(shared)) {
                                None | Some(Step::Unlock) => thread::yield_now(),
                                Some(_) => {}
                            }
                        }
                    }
                })
            })
            .collect();
        let results: Vec<_> = cpus.into_iter().map(|cpu| cpu.join()).collect();
        stop.store(true, SeqCst);
        assert!(results.into_iter().all(|result| result.is_ok()));
    });
    assert_eq!(Cpu(&shared).queue().free_cnt, 8);
    assert_eq!(shared.completed.load(SeqCst), 3 * CALLS);
    let submitted = (0..3).flat_map(|cpu| (0..CALLS).map(move |c| (cpu + c) % IDS)).sum::<usize>();
    assert_eq!(shared.executed.load(SeqCst), submitted);
}
