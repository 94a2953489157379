//! Which generation a tree is of, told by what its functions do.
//!
//! A probe sets memory and registers, lets one submitter call, plays the hardware by hand, and notes every visible access. The
//! same is done with the Rust driver under the rules of each generation. A tree is of the generation with which it agrees in
//! every probe; otherwise it is unknown, and the probe in which it differs from the nearest one is named. Neither version
//! strings nor the source text are asked.

use serde::{Deserialize, Serialize};

use super::access::{Access, Register};
use super::board::Pace;
use super::isolate::Pulse;
use super::machine::{Machine, StopGrain};
use super::program::{BuildError, Program};
use super::reference::Reference;
use vtd_qi::impl_qi::{
    Faults, Fsts, GENERATIONS, Generation, Hardware, IdKind, Length, Queue, Request, Slot, Status, TimeOut, Unit,
};

/// What a tree was recognised as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recognised {
    /// The generation, if there is one with which every probe agrees.
    pub generation: Option<String>,
    /// Otherwise the nearest, and where the tree differs from it.
    pub nearest: Option<Nearest>,
    /// How many probes were run.
    pub probes: usize,
    /// Reads of a status that repeat another and are made by one side only: merged by the compiler, or left out by the model.
    pub repeats: usize,
}

/// The generation with which most probes agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearest {
    /// Its name.
    pub generation: String,
    /// In what the tree differs: the parts of the driver that probes ask after.
    pub parts: Vec<String>,
    /// In how many probes the tree differs.
    pub differs: usize,
    /// The first of them.
    pub probe: String,
    /// What the generation does there, from the first difference on.
    pub expected: Vec<String>,
    /// What the tree does.
    pub found: Vec<String>,
}

/// What is to be played to a submitter.
#[derive(Clone, Debug)]
struct Probe {
    name: String,
    request: Request,
    /// `free_head`, `free_tail`, `free_cnt` before the call.
    queue: Queue,
    /// Statuses before the call.
    statuses: Vec<(Slot, Status)>,
    /// What happens once IQT has been written.
    then: Then,
}

#[derive(Clone, Debug)]
enum Then {
    /// Hardware does everything, in order.
    Complete,
    /// Statuses, IQH and IQT as given, and a fault; nothing completes.
    Fault { fsts: Fsts, itesid: u8, gone: u8, forgotten: bool, iqh: Slot, iqt: Slot, statuses: Vec<(Slot, Status)> },
    /// Nothing at first; after so many looks at it hardware does everything, in order.
    Late(u32),
    /// Nothing, for so many rounds of waiting.
    Nothing(u32),
}

impl Then {
    /// After how often dropping the lock a probe ends.
    fn rounds(&self) -> u32 {
        match *self {
            Then::Complete => 2,
            Then::Late(rounds) => rounds + 2,
            Then::Nothing(rounds) => rounds,
            Then::Fault { .. } => 1,
        }
    }

    /// What of a driver is asked after.
    fn part(&self) -> &'static str {
        match self {
            Then::Complete => "MARK and RECLAIM",
            Then::Late(_) => "polling",
            Then::Nothing(_) => "waiting for room",
            Then::Fault { fsts, itesid, .. } if fsts.has(Fsts::ITE) && *itesid > 0 => "time-outs of devices",
            Then::Fault { fsts, .. } if fsts.has(Fsts::IQE) => "the handling of IQE",
            Then::Fault { fsts, .. } if fsts.has(Fsts::ITE) => "the ITE walk",
            Then::Fault { fsts, .. } if fsts.has(Fsts::ICE) => "the handling of ICE",
            Then::Fault { .. } => "its own WD's status",
        }
    }
}

/// Accesses after which a probe is cut off, for each round of waiting: an endless walk is told by them.
const LONGEST: usize = 96;

/// Rounds of waiting that are long: nothing but hardware ends them.
const LONG: u32 = 100;

/// Devices that can be named.
const MAX_DEVICES: u8 = 8;

/// The ring that probes are run on.
const SLOTS: u16 = 8;

fn queue(free_head: Slot, free_tail: Slot, slots: u16) -> Queue {
    let used = Length::new(slots).map_or(0, |length| length.distance(free_tail, free_head));
    Queue { free_head, free_tail, free_cnt: slots - used }
}

fn statuses(all: Status, slots: u16) -> Vec<(Slot, Status)> {
    (0..slots).map(|slot| (slot as Slot, all)).collect()
}

/// All probes on the short ring.
fn probes() -> Vec<Probe> {
    [probes_without_faults(), probes_of_faults(), probes_of_devices()].concat()
}

/// A call of units' IDs, on slots that are all free.
fn plain(name: String, count: u8, queue: Queue, then: Then) -> Probe {
    Probe { name, request: Request::plain(count), queue, statuses: Vec::new(), then }
}

/// Every status.
const EACH: [Status; 4] = [Status::Free, Status::InUse, Status::Done, Status::Abort];

fn probes_without_faults() -> Vec<Probe> {
    let mut all = Vec::new();
    for count in 0..=3 {
        for head in [0, 1, 5, 7] {
            let name = format!("post, MARK and RECLAIM of {count} IDs at slot {head}");
            all.push(plain(name, count, queue(head, head, SLOTS), Then::Complete));
        }
    }
    for count in [0, 1, 3] {
        for cnt in 0..=SLOTS {
            let name = format!("room for {count} IDs with free_cnt {cnt}");
            let queue = Queue { free_cnt: cnt, ..queue(2, 2, SLOTS) };
            all.push(plain(name, count, queue, Then::Nothing(2)));
        }
        let full = Queue { free_cnt: 1, ..queue(2, 2, SLOTS) };
        all.push(plain(format!("no room for {count} IDs for long"), count, full, Then::Nothing(LONG)));
    }
    for looks in [1, 2, 3, LONG] {
        for kind in [IdKind::Unit, IdKind::Device(1)] {
            let request = Request::of(&[kind]);
            let name = format!("DONE after {looks} looks, of a batch {kind:?}");
            all.push(Probe { request, ..plain(name, 1, queue(0, 0, SLOTS), Then::Late(looks)) });
        }
    }
    for a in EACH {
        for b in EACH {
            for c in EACH {
                let name = format!("RECLAIM with {} {} {} before its own batch", a.name(), b.name(), c.name());
                let statuses = vec![(7, a), (0, b), (1, c)];
                all.push(Probe { statuses, ..plain(name, 1, queue(2, 7, SLOTS), Then::Complete) });
            }
        }
    }
    all
}

fn probes_of_faults() -> Vec<Probe> {
    let mut all = Vec::new();
    let (unit, device) = (IdKind::Unit, IdKind::Device(1));
    for kinds in [[unit, unit], [device, unit], [unit, device]] {
        for own in EACH {
            let name = format!("its own WD's status reads {}, of a batch {kinds:?}", own.name());
            let then = fault(Fsts::NONE, 0, (0, 3), vec![(2, own)]);
            all.push(Probe { request: Request::of(&kinds), ..plain(name, 2, queue(0, 0, SLOTS), then) });
        }
    }
    for iqh in 0..SLOTS as Slot {
        for iqt in 0..SLOTS as Slot {
            for fsts in [Fsts::ITE, Fsts::IQE, Fsts::ITE.with(Fsts::ICE), Fsts::IQE.with(Fsts::ITE), Fsts::ICE] {
                let name = format!("{} with IQH {iqh} and IQT {iqt}, all slots QI_IN_USE", fsts.names());
                let then = fault(fsts, 0, (iqh, iqt), statuses(Status::InUse, SLOTS));
                all.push(plain(name, 1, queue(1, 1, SLOTS), then));
            }
            let name = format!("ITE with IQH {iqh} and IQT {iqt}, slots of every status");
            let mixed = (0..SLOTS).map(|slot| (slot as Slot, EACH[usize::from(slot + u16::from(iqh)) % 4])).collect();
            all.push(plain(name, 1, queue(1, 1, SLOTS), fault(Fsts::ITE, 0, (iqh, iqt), mixed)));
        }
    }
    let invalid = Request::of(&[IdKind::Unit, IdKind::Invalid]);
    for iqh in [2, 3, 4] {
        let name = format!("IQE at slot {iqh} of a batch at 2");
        let then = fault(Fsts::IQE, 0, (iqh, 5), Vec::new());
        all.push(Probe { request: invalid, ..plain(name, 2, queue(2, 2, SLOTS), then) });
    }
    all
}

fn probes_of_devices() -> Vec<Probe> {
    let mut all = Vec::new();
    let devices = (1..=MAX_DEVICES).flat_map(|named| (0..4).map(move |state| (named, state)));
    for (named, state) in devices {
        let (gone, forgotten, who) = match state {
            0 => (0, false, "present"),
            1 => (1 << (named - 1), false, "gone"),
            2 => (1 << (named - 1), true, "forgotten"),
            _ => (!(1 << (named - 1)), false, "the only one that is present"),
        };
        for own in [Status::InUse, Status::Done] {
            let mut states = statuses(Status::Free, SLOTS);
            states[3].1 = own;
            let then =
                Then::Fault { fsts: Fsts::ITE, itesid: named, gone, forgotten, iqh: 3, iqt: 4, statuses: states };
            let request = Request::of(&[IdKind::Device(named)]);
            let name = format!("ITE that names device {named}, which is {who}, own WD {}", own.name());
            all.push(Probe { request, ..plain(name, 1, queue(2, 2, SLOTS), then) });
        }
    }
    all
}

fn fault(fsts: Fsts, itesid: u8, (iqh, iqt): (Slot, Slot), statuses: Vec<(Slot, Status)>) -> Then {
    Then::Fault { fsts, itesid, gone: 0, forgotten: false, iqh, iqt, statuses }
}

/// Probes on the kernel's own ring: every slot, and batches of every length that drivers of today bring.
fn probes_of_the_real_ring() -> Vec<Probe> {
    let at = |head: u8, count: u8| Probe {
        name: format!("post, MARK and RECLAIM of {count} IDs at slot {head} of the unmodified ring"),
        request: Request::plain(count),
        queue: queue(head, head, 256),
        statuses: Vec::new(),
        then: Then::Complete,
    };
    (0..=255).map(|head| at(head, 2)).chain((0..=16).map(|count| at(250, count))).collect()
}

/// Something that can be probed.
trait Target {
    fn begin(&mut self, probe: &Probe);
    /// The next visible access, if the call is not over and nothing but the lock held hinders it.
    fn step(&mut self) -> Option<(Access, Option<i32>)>;
    fn complete(&mut self);
    fn fault(&mut self, then: &Then);
}

const HARDWARE: Hardware = Hardware::in_order(2);

fn complete_all(unit: &mut impl Unit) {
    loop {
        let mut step = None;
        HARDWARE.steps(&Faults::none(), unit, |s| step = step.or(Some(s)));
        match step {
            Some(step) => HARDWARE.step(&Faults::none(), unit, step),
            None => return,
        }
    }
}

impl Target for Machine {
    fn begin(&mut self, probe: &Probe) {
        self.reset();
        let board = self.board_mut();
        board.set_queue(probe.queue);
        board.set_indices(probe.queue.free_head, probe.queue.free_head);
        probe.statuses.iter().for_each(|&(slot, status)| board.set_raw_status(slot, status as i32));
        self.call(0, probe.request);
    }

    fn step(&mut self) -> Option<(Access, Option<i32>)> {
        loop {
            let (access, returned) = Machine::step(self, 0)?;
            if access.is_visible() || returned.is_some() {
                return Some((access, returned));
            }
        }
    }

    fn complete(&mut self) {
        complete_all(self.board_mut());
    }

    fn fault(&mut self, then: &Then) {
        if let Then::Fault { fsts, itesid, gone, forgotten, iqh, iqt, statuses } = then {
            let board = self.board_mut();
            board.set_indices(*iqh, *iqt);
            board.set_faults(*fsts, *itesid);
            board.set_gone(*gone, *forgotten);
            statuses.iter().for_each(|&(slot, status)| board.set_raw_status(slot, status as i32));
        }
    }
}

impl Target for Reference {
    fn begin(&mut self, probe: &Probe) {
        self.restart_with(probe.request);
        self.memory.set_queue(probe.queue);
        self.memory.set_indices(probe.queue.free_head, probe.queue.free_head);
        probe.statuses.iter().for_each(|&(slot, status)| self.memory.poke_status(slot, status));
        self.call(0, 0);
    }

    fn step(&mut self) -> Option<(Access, Option<i32>)> {
        loop {
            let (access, returned) = Reference::step(self, 0)?;
            match access.filter(|access| access.is_visible()) {
                Some(access) => return Some((access, returned)),
                None if returned.is_some() => return None,
                None => {}
            }
        }
    }

    fn complete(&mut self) {
        complete_all(&mut self.memory);
    }

    fn fault(&mut self, then: &Then) {
        if let Then::Fault { fsts, itesid, gone, iqh, iqt, statuses, .. } = then {
            self.memory.set_indices(*iqh, *iqt);
            self.memory.set_faults(*fsts, *itesid);
            self.memory.set_gone(*gone);
            statuses.iter().for_each(|&(slot, status)| self.memory.poke_status(slot, status));
        }
    }
}

/// Accesses after which a probe is cut off.
fn longest(probe: &Probe) -> usize {
    LONGEST * (probe.then.rounds() as usize).div_ceil(10)
}

/// Plays a probe and notes the accesses.
fn play(target: &mut dyn Target, probe: &Probe) -> Vec<Access> {
    target.begin(probe);
    let mut seen = Vec::new();
    let mut unlocks = 0;
    while seen.len() < longest(probe) {
        let Some((access, returned)) = target.step() else { break };
        seen.push(access);
        if let Some(rc) = returned {
            seen.push(Access::Return(rc));
            break;
        }
        match access {
            Access::WriteReg(Register::Iqt, _) => match &probe.then {
                Then::Complete => target.complete(),
                Then::Late(_) | Then::Nothing(_) => {}
                then => target.fault(then),
            },
            Access::Unlock => {
                unlocks += 1;
                if unlocks >= probe.then.rounds() {
                    break;
                }
                if matches!(probe.then, Then::Late(looks) if unlocks == looks) {
                    target.complete();
                }
            }
            _ => {}
        }
    }
    seen
}

/// Leaves out reads of a status that repeat the access before them, and reads of IQER by a driver that returns no time-outs:
/// it makes nothing of them.
fn comparable(accesses: &[Access], time_out: TimeOut) -> Vec<Access> {
    let mut kept: Vec<Access> = Vec::new();
    let idle = |access: &&Access| time_out == TimeOut::Retry && matches!(access, Access::ReadReg(Register::Iqer, _));
    for &access in accesses.iter().filter(|access| !idle(access)) {
        let repeats =
            matches!((access, kept.last()), (Access::ReadStatus(a, _), Some(Access::ReadStatus(b, _))) if a == *b);
        if !repeats {
            kept.push(access);
        }
    }
    kept
}

/// What of a driver differs, most of it first: before IQT is written, what is before it; then what a probe asks after.
fn parts(differs: &[Differs<'_>]) -> Vec<String> {
    let mut parts: Vec<(&str, usize)> = Vec::new();
    for (probe, expected, found) in differs {
        let same = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
        let posted = expected[..same].iter().any(|access| matches!(access, Access::WriteReg(Register::Iqt, _)));
        let part = match &probe.then {
            Then::Nothing(_) => probe.then.part(),
            _ if !posted => "the post",
            then => then.part(),
        };
        match parts.iter_mut().find(|(known, _)| *known == part) {
            Some((_, times)) => *times += 1,
            None => parts.push((part, 1)),
        }
    }
    parts.sort_by_key(|&(_, times)| std::cmp::Reverse(times));
    parts.into_iter().map(|(part, _)| part.to_string()).collect()
}

/// The kernel's generations: those that can be compiled from a tree since 5.8.
fn candidates() -> impl Iterator<Item = &'static Generation> {
    GENERATIONS.iter().filter(|generation| generation.is_in_linux() && !generation.rules.one_id_only())
}

/// Recognises a tree. `short` has 8 slots, `real` the tree's own number, if it can be run.
///
/// # Errors
/// [`BuildError`] if a program cannot be loaded.
///
/// # Panics
/// If `short` has not 8 slots.
pub fn recognise(short: &Program, real: Option<&Program>, pulse: &Pulse) -> Result<Recognised, BuildError> {
    let runs = Runs::of(short, real, pulse)?;
    let mut nearest: Option<Nearest> = None;
    let mut repeats = 0;
    for generation in candidates() {
        let (differs, repeated) = runs.against(generation);
        if differs.is_empty() && runs.other_length.is_none() {
            let generation = Some(generation.name.to_string());
            return Ok(Recognised { generation, nearest: None, probes: runs.played.len(), repeats: repeated });
        }
        let parts = parts(&differs);
        // Candidates come from the oldest to the newest.
        let distance = (parts.len(), differs.len());
        if nearest.as_ref().is_none_or(|nearest| distance <= (nearest.parts.len(), nearest.differs)) {
            repeats = repeated;
            nearest = Some(runs.nearest(generation, &differs, parts));
        }
    }
    Ok(Recognised { generation: None, nearest, probes: runs.played.len(), repeats })
}

/// What the C did at each probe.
struct Runs {
    played: Vec<(Probe, Length, Vec<Access>)>,
    /// The length of the unmodified ring, if it is not the kernel's.
    other_length: Option<u16>,
}

/// A probe at which the model's accesses, in front, and the C's are not the same.
type Differs<'p> = (&'p Probe, Vec<Access>, Vec<Access>);

impl Runs {
    fn of(short: &Program, real: Option<&Program>, pulse: &Pulse) -> Result<Runs, BuildError> {
        assert_eq!(short.length.slots(), SLOTS, "probes are written for {SLOTS} slots");
        let mut runs = Runs { played: Vec::new(), other_length: None };
        let mut looked = false;
        for (scalable, prefix) in [(false, ""), (true, "scalable mode: ")] {
            let mut machine = Machine::new(short, 1, StopGrain::Visible, scalable)?;
            looked |= runs.play(&mut machine, short.length, probes(), prefix, pulse);
        }
        if looked {
            // What it does must not depend on the time.
            let mut machine = Machine::new(short, 1, StopGrain::Visible, false)?;
            machine.board_mut().pace = Pace::Leaping;
            runs.play(&mut machine, short.length, probes(), "an hour between two looks at the clock: ", pulse);
        }
        match real {
            Some(real) if real.length == Length::KERNEL => {
                let mut machine = Machine::new(real, 1, StopGrain::Visible, false)?;
                runs.play(&mut machine, real.length, probes_of_the_real_ring(), "", pulse);
            }
            _ => runs.other_length = real.map(|real| real.length.slots()),
        }
        Ok(runs)
    }

    /// Plays probes, and says whether the C has looked at a clock.
    fn play(&mut self, machine: &mut Machine, length: Length, probes: Vec<Probe>, prefix: &str, pulse: &Pulse) -> bool {
        let mut looked = false;
        for mut probe in probes {
            pulse.beats.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let seen = play(machine, &probe);
            looked |= machine.board().looks > 0;
            probe.name.insert_str(0, prefix);
            self.played.push((probe, length, seen));
        }
        looked
    }

    /// Where a generation does something else, and how often the C merely repeats a read.
    fn against(&self, generation: &Generation) -> (Vec<Differs<'_>>, usize) {
        let (mut differs, mut repeated) = (Vec::new(), 0);
        for (probe, length, seen) in &self.played {
            let mut reference = Reference::new(generation.rules, *length, 1, vec![Request::plain(0)]);
            let expected = play(&mut reference, probe);
            let time_out = generation.rules.time_out;
            let (c, model) = (comparable(seen, time_out), comparable(&expected, time_out));
            // A walk without an end is cut at a number of accesses, repeats among them.
            let common = c.len().min(model.len());
            let cut = seen.len() >= longest(probe) && expected.len() >= longest(probe);
            if c == model || cut && c[..common] == model[..common] {
                repeated += usize::from(seen != &expected);
            } else {
                differs.push((probe, model, c));
            }
        }
        (differs, repeated)
    }

    /// How a generation differs, by the first probe that tells them apart.
    fn nearest(&self, generation: &Generation, differs: &[Differs<'_>], parts: Vec<String>) -> Nearest {
        let generation = generation.name.to_string();
        let text = |accesses: &[Access]| accesses.iter().take(4).map(|access| access.to_string()).collect();
        match differs.first() {
            Some((probe, expected, found)) => {
                let same = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
                Nearest {
                    generation,
                    parts,
                    differs: differs.len(),
                    probe: probe.name.clone(),
                    expected: text(&expected[same..]),
                    found: text(&found[same..]),
                }
            }
            None => Nearest {
                generation,
                parts: vec!["the length of the ring".to_string()],
                differs: 0,
                probe: "the length of the ring".to_string(),
                expected: vec!["QI_LENGTH is 256".to_string()],
                found: self.other_length.iter().map(|slots| format!("QI_LENGTH is {slots}")).collect(),
            },
        }
    }
}
