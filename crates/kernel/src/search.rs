//! Direct search: schedules of the C alone, with the hardware of [`vtd_qi::impl_qi`], at random or by priorities.
//!
//! A run lets each submitter make a few calls. At each stop a scheduler picks who goes on: a submitter, or the hardware with one
//! of the steps that it can do. `Random` picks evenly; `Pct` runs whoever has the highest priority and lowers it at a few
//! random places (Burckhardt and others, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", 2010) and
//! whenever a submitter relaxes. A run is its seed; what it finds is shrunk to fewer steps and drawn.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::access::{Access, Kind, Pending};
use super::board::{Board, Wrong};
use super::isolate::{Death, Pulse, ROOM, isolated};
use super::machine::{Machine, StopGrain};
use super::picture::Picture;
use super::program::{Program, file_in_memory};
use vtd_qi::impl_qi::{Faults, Hardware, HwStep, Request, Unit, ValidRing};
use vtd_qi::timeline::{Held, Row, Timeline};

/// How the next step is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Evenly among all who can go on; in some runs whoever ran is preferred.
    Random,
    /// By priorities, with so many places at which one is lowered.
    Pct {
        /// How many.
        changes: u8,
    },
}

/// What is searched.
#[derive(Clone, Debug)]
pub struct SearchCfg {
    /// Number of submitters.
    pub submitters: usize,
    /// What a call may bring.
    pub requests: Vec<Request>,
    /// How many calls each submitter makes in a run.
    pub calls: u32,
    /// The hardware.
    pub hardware: Hardware,
    /// The faults that may occur.
    pub faults: Faults,
    /// Who is picked.
    pub strategy: Strategy,
    /// Steps after which a run is brought to an end fairly.
    pub limit: u32,
}

impl SearchCfg {
    /// What is searched on a ring: four calls of each submitter, brought to an end after 5,000 steps.
    pub fn of(ring: &ValidRing, strategy: Strategy) -> SearchCfg {
        SearchCfg {
            submitters: ring.submitters,
            requests: ring.requests().to_vec(),
            calls: 4,
            hardware: ring.hardware,
            faults: ring.faults.clone(),
            strategy,
            limit: 5_000,
        }
    }
}

/// What can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoundKind {
    /// No submitter and no hardware step can change anything, and a call is not over.
    Hang,
    /// Calls go on for ever though everybody goes on.
    Livelock,
    /// An endless loop with the lock held.
    HardLock,
    /// At rest not every slot is free.
    Leak,
    /// A slot is written that hardware has still to read or to write, or `free_cnt` is wrong, or IQT comes to IQH.
    Overrun,
    /// Memory outside the arrays is touched.
    Outside,
    /// Success is returned for IDs that were not executed, or on another's DONE.
    WrongSuccess,
    /// A register is accessed that these functions do not use, or a lock is dropped that is not held.
    Misuse,
    /// The C code crashed or never came back.
    Crash,
}

impl FoundKind {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            FoundKind::Hang => "hang",
            FoundKind::Livelock => "livelock",
            FoundKind::HardLock => "hard lock",
            FoundKind::Leak => "leak",
            FoundKind::Overrun => "overrun",
            FoundKind::Outside => "access outside the arrays",
            FoundKind::WrongSuccess => "wrong success",
            FoundKind::Misuse => "misuse of a register or of the lock",
            FoundKind::Crash => "crash",
        }
    }

    fn of(wrong: Wrong) -> FoundKind {
        match wrong {
            Wrong::Outside => FoundKind::Outside,
            Wrong::Runaway => FoundKind::HardLock,
            Wrong::Overrun | Wrong::FreeCnt | Wrong::BadIqt => FoundKind::Overrun,
            Wrong::SuccessWithoutExecution | Wrong::StrangerDone => FoundKind::WrongSuccess,
            Wrong::OtherRegister | Wrong::Unlocked => FoundKind::Misuse,
        }
    }
}

/// What a run found, shrunk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SearchFinding {
    /// What it is.
    pub found: FoundKind,
    /// In words: who, and how.
    pub detail: String,
    /// The seed of the run, which finds it again.
    pub seed: u64,
    /// Number of steps of the run, before and after shrinking.
    pub steps: (usize, usize),
    /// How often the loop at the end was repeated without a change.
    pub repeated: u32,
    /// The shrunk run.
    pub schedule: Vec<Choice>,
}

impl SearchFinding {
    /// A crash of which nothing else is known.
    pub fn blank() -> SearchFinding {
        let (detail, schedule) = (String::new(), Vec::new());
        SearchFinding { found: FoundKind::Crash, detail, seed: 0, steps: (0, 0), repeated: 0, schedule }
    }
}

/// What a search did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Searched {
    /// Runs.
    pub runs: u64,
    /// Accesses of the C to statuses, descriptors, private fields and registers, lock operations and relaxations: its steps.
    pub steps: u64,
    /// Steps of the hardware.
    pub hardware_steps: u64,
    /// Time taken, in seconds.
    pub seconds: f64,
    /// The first run that found something of each kind.
    pub findings: Vec<SearchFinding>,
    /// How many runs found something.
    pub hits: u64,
    /// How many of these found what.
    pub by_kind: BTreeMap<FoundKind, u64>,
}

impl Searched {
    /// Steps of the C per second.
    pub fn rate(&self) -> f64 {
        self.steps as f64 / self.seconds.max(1e-9)
    }
}

/// One step of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Choice {
    /// Submitter `t` calls with the request of that number.
    Call(u8, u8),
    /// Submitter `t` does its next access.
    Step(u8),
    /// The hardware does a step, as numbers.
    Hardware(u8, u8, u8),
    /// So much time goes by that every time-out has come.
    Leap,
}

impl Choice {
    fn hardware(step: HwStep) -> Choice {
        let (kind, position, operand) = match step {
            HwStep::Fetch => (0, 0, 0),
            HwStep::Execute { position } => (1, position, 0),
            HwStep::Complete => (2, 0, 0),
            HwStep::Iqe => (3, 0, 0),
            HwStep::TimeOut { position, kept } => (4, position, kept),
            HwStep::LoseAnswer { position, kept } => (5, position, kept),
            HwStep::Ice => (6, 0, 0),
            HwStep::Remove { device } => (7, device, 0),
        };
        Choice::Hardware(kind, position, operand)
    }
}

/// wyrand: a small generator that is good enough to pick steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0xa076_1d64_78bd_642f);
        let wide = u128::from(self.0) * u128::from(self.0 ^ 0xe703_7ed1_a0b4_28db);
        (wide >> 64) as u64 ^ wide as u64
    }

    /// A number below `n`.
    #[inline]
    pub(super) fn below(&mut self, n: usize) -> usize {
        (((self.next() >> 32) * n as u64) >> 32) as usize
    }
}

const ACTORS: usize = vtd_qi::impl_qi::MAX_SUBMITTERS + 1;

/// Who picks the next step.
enum Picker<'a> {
    /// Whoever ran goes on with a probability of 0, 4, 6 or 7 in 8, drawn for each run; else evenly.
    Random {
        sticky: usize,
    },
    Pct {
        priority: [u32; ACTORS],
        lowest: u32,
        changes: [u32; 8],
        next_change: usize,
    },
    Replay {
        schedule: &'a [Choice],
        at: usize,
    },
}

/// A run in the making.
struct Scheduler<'a> {
    cfg: &'a SearchCfg,
    rng: Rng,
    picker: Picker<'a>,
    /// Calls that each submitter has still to make.
    calls_left: [u32; ACTORS],
    steps: u32,
    hardware_steps: u32,
    record: Option<Vec<Choice>>,
    /// Who was picked at a stop and is not the one who stopped.
    picked: Option<Picked>,
}

#[derive(Clone, Copy)]
enum Picked {
    Step(usize),
    Call(usize, usize),
    /// Nobody can go on, the limit is reached, or something is wrong.
    End,
}

/// Enabled steps of the hardware, up to a number.
struct Steps {
    steps: [HwStep; 16],
    len: usize,
}

fn hardware_steps(cfg: &SearchCfg, board: &Board) -> Steps {
    let mut steps = Steps { steps: [HwStep::Fetch; 16], len: 0 };
    cfg.hardware.steps(&cfg.faults, board, |step| {
        if steps.len < steps.steps.len() {
            steps.steps[steps.len] = step;
            steps.len += 1;
        }
    });
    steps
}

impl<'a> Scheduler<'a> {
    fn new(cfg: &'a SearchCfg, seed: u64, picker: Picker<'a>, record: bool) -> Scheduler<'a> {
        let mut scheduler = Scheduler {
            cfg,
            rng: Rng::new(seed),
            picker,
            calls_left: [0; ACTORS],
            steps: 0,
            hardware_steps: 0,
            record: record.then(Vec::new),
            picked: None,
        };
        scheduler.calls_left[..cfg.submitters].fill(cfg.calls);
        if let Picker::Random { sticky } = &mut scheduler.picker {
            *sticky = [0, 4, 6, 7][scheduler.rng.below(4)];
        }
        if let Picker::Pct { priority, lowest, changes, .. } = &mut scheduler.picker {
            // Above the ground from which priorities are lowered, in random order.
            *lowest = u32::MAX / 2;
            for (i, p) in priority[..=cfg.submitters].iter_mut().enumerate() {
                *p = u32::MAX - (scheduler.rng.below(1 << 16) << 4 | i) as u32;
            }
            for change in changes.iter_mut() {
                *change = scheduler.rng.below(cfg.limit.min(64 * cfg.calls * cfg.submitters as u32) as usize) as u32;
            }
            changes.sort_unstable();
        }
        scheduler
    }

    fn picker(cfg: &SearchCfg) -> Picker<'static> {
        match cfg.strategy {
            Strategy::Random => Picker::Random { sticky: 0 },
            Strategy::Pct { changes } => {
                let next_change = 8usize.saturating_sub(changes.into());
                Picker::Pct { priority: [0; ACTORS], lowest: 0, changes: [0; 8], next_change }
            }
        }
    }

    /// Lets the hardware go on as long as it is picked, then says who is next.
    fn pick(&mut self, board: &mut Board) -> Picked {
        let n = self.cfg.submitters;
        loop {
            if board.wrong.is_some() || self.steps >= self.cfg.limit {
                return Picked::End;
            }
            let actor = match &mut self.picker {
                Picker::Random { .. } | Picker::Pct { .. } => self.next_actor(board),
                Picker::Replay { .. } => match self.next_of_schedule(board) {
                    Some(picked) => return picked,
                    None => continue,
                },
            };
            if actor < n {
                if board.can_run(actor) {
                    if board.next_kind(actor) == Some(Kind::Clock) && self.rng.below(8) == 0 {
                        self.leap(board);
                    }
                    self.note(Choice::Step(actor as u8));
                    return Picked::Step(actor);
                }
                if board.is_idle(actor) && self.calls_left[actor] > 0 {
                    let request = self.rng.below(self.cfg.requests.len());
                    if board.injected() + self.cfg.requests[request].faults() > self.cfg.faults.bound {
                        continue;
                    }
                    self.calls_left[actor] -= 1;
                    self.note(Choice::Call(actor as u8, request as u8));
                    return Picked::Call(actor, request);
                }
                if (0..n).any(|t| board.can_run(t) || board.is_idle(t) && self.calls_left[t] > 0) {
                    continue;
                }
            }
            let steps = hardware_steps(self.cfg, board);
            if steps.len > 0 {
                let step = steps.steps[if steps.len > 1 { self.rng.below(steps.len) } else { 0 }];
                self.hardware(board, step);
            } else if !(0..n).any(|t| board.can_run(t) || board.is_idle(t) && self.calls_left[t] > 0) {
                return Picked::End;
            }
        }
    }

    /// Who is next at random: a submitter, or, as the last number, the hardware. Whether that one can do anything is not looked at.
    #[inline]
    fn next_actor(&mut self, board: &Board) -> usize {
        let (n, current) = (self.cfg.submitters, board.current());
        match &mut self.picker {
            Picker::Random { sticky } => {
                let word = self.rng.next();
                if ((word & 7) as usize) < *sticky && board.can_run(current) {
                    current
                } else {
                    (((word >> 32) * (n as u64 + 1)) >> 32) as usize
                }
            }
            Picker::Pct { priority, lowest, changes, next_change } => {
                let change = changes.get(*next_change).is_some_and(|&change| change <= self.steps);
                *next_change += usize::from(change);
                if change || board.next_kind(current) == Some(Kind::Relax) {
                    *lowest -= 1;
                    priority[current] = *lowest;
                }
                let ready = |&t: &usize| board.can_run(t) || board.is_idle(t) && self.calls_left[t] > 0;
                let best = (0..n).filter(ready).max_by_key(|&t| priority[t]);
                match best {
                    Some(t) if priority[t] > priority[n] => t,
                    Some(t) if hardware_steps(self.cfg, board).len == 0 => t,
                    _ => n,
                }
            }
            Picker::Replay { .. } => unreachable!("a schedule says itself who is next"),
        }
    }

    /// The next choice of a schedule: a submitter's is returned, the hardware's is done. `None` also if it is not possible here, and
    /// passed over.
    fn next_of_schedule(&mut self, board: &mut Board) -> Option<Picked> {
        let Picker::Replay { schedule, at } = &mut self.picker else {
            unreachable!("only a schedule has a next choice")
        };
        let Some(&choice) = schedule.get(*at) else { return Some(Picked::End) };
        *at += 1;
        match choice {
            Choice::Call(t, request) if board.is_idle(t.into()) && self.calls_left[usize::from(t)] > 0 => {
                self.calls_left[usize::from(t)] -= 1;
                self.note(choice);
                return Some(Picked::Call(t.into(), request.into()));
            }
            Choice::Step(t) if board.can_run(t.into()) => {
                self.note(choice);
                return Some(Picked::Step(t.into()));
            }
            Choice::Leap => self.leap(board),
            Choice::Hardware(..) => {
                let steps = hardware_steps(self.cfg, board);
                let steps = &steps.steps[..steps.len];
                if let Some(&step) = steps.iter().find(|step| Choice::hardware(**step) == choice) {
                    self.hardware(board, step);
                }
            }
            _ => {}
        }
        None
    }

    fn note(&mut self, choice: Choice) {
        if let Some(record) = &mut self.record {
            record.push(choice);
        }
    }

    fn leap(&mut self, board: &mut Board) {
        self.note(Choice::Leap);
        board.leap();
    }

    fn hardware(&mut self, board: &mut Board, step: HwStep) {
        self.note(Choice::hardware(step));
        self.hardware_steps += 1;
        self.cfg.hardware.step(&self.cfg.faults, board, step);
    }
}

/// Asked at each stop: does the one who stopped go on?
fn decide(context: *mut c_void, board: &mut Board) -> bool {
    // SAFETY: `run` hands its scheduler to `decide_with` and takes it back before it returns; it holds no reference to it
    // while submitters run.
    let scheduler = unsafe { &mut *context.cast::<Scheduler>() };
    scheduler.steps += 1;
    let picked = scheduler.pick(board);
    match picked {
        Picked::Step(t) if t == board.current() => true,
        _ => {
            scheduler.picked = Some(picked);
            false
        }
    }
}

/// How a run ended.
struct Ended {
    found: Option<(FoundKind, String)>,
    repeated: u32,
    steps: u32,
    hardware_steps: u32,
    record: Vec<Choice>,
}

fn run(machine: &mut Machine, cfg: &SearchCfg, seed: u64, picker: Picker, laps: u32, record: bool) -> Ended {
    machine.reset();
    let mut scheduler = Scheduler::new(cfg, seed, picker, record);
    let context: *mut Scheduler = &mut scheduler;
    // SAFETY: the scheduler outlives the loop below, after which nobody is asked any more; between the asking it is reached
    // through `context` alone.
    unsafe {
        machine.decide_with(Some((decide, context.cast())));
        loop {
            let picked = match (*context).picked.take() {
                Some(picked) => picked,
                None => (*context).pick(machine.board_mut()),
            };
            match picked {
                Picked::Step(t) => {
                    machine.resume(t);
                }
                Picked::Call(t, request) => machine.call(t, cfg.requests[request]),
                Picked::End => break,
            }
        }
        machine.decide_with(None);
    }
    let (found, repeated) = conclude(machine, cfg, &mut scheduler, laps);
    let Scheduler { steps, hardware_steps, record, .. } = scheduler;
    Ended { found, repeated, steps, hardware_steps, record: record.unwrap_or_default() }
}

/// Loops that are looked at before a hang is taken for one in a search, and before it is reported.
const LAPS: [u32; 2] = [3, 1000];
/// Rounds in which everybody goes on, after which calls that are not over are taken to go on for ever.
const ROUNDS: u32 = 100_000;

/// What the end of a run shows: what was wrong, or after everybody has been let go on fairly, a hang or a leak.
fn conclude(
    machine: &mut Machine,
    cfg: &SearchCfg,
    scheduler: &mut Scheduler,
    laps: u32,
) -> (Option<(FoundKind, String)>, u32) {
    let wrong = |machine: &Machine| {
        let (wrong, t) = machine.board().wrong?;
        Some((FoundKind::of(wrong), format!("T{}: {}", t + 1, in_words(wrong))))
    };
    if let Some(found) = wrong(machine) {
        return (Some(found), 0);
    }
    let busy = |machine: &Machine| (0..cfg.submitters).filter(|&t| !machine.is_idle(t)).collect::<Vec<_>>();
    let names = |who: &[usize]| who.iter().map(|t| format!("T{}", t + 1)).collect::<Vec<_>>().join(" and ");
    // Everybody goes on in turn; the calls that are left are not begun.
    let mut unchanged_since = None;
    let mut relaxed = [0u32; ACTORS];
    let mut print = if busy(machine).is_empty() { 0 } else { machine.board().fingerprint() };
    for round in 0.. {
        let waiting = busy(machine);
        if waiting.is_empty() {
            break;
        }
        if round > ROUNDS {
            return (Some((FoundKind::Livelock, format!("{} goes on for ever", names(&waiting)))), 0);
        }
        for &t in &waiting {
            if machine.can_run(t) {
                if machine.board().next_kind(t) == Some(Kind::Clock) {
                    scheduler.leap(machine.board_mut());
                }
                relaxed[t] += u32::from(machine.board().next_kind(t) == Some(Kind::Relax));
                scheduler.note(Choice::Step(t as u8));
                scheduler.steps += 1;
                machine.resume(t);
            }
        }
        let steps = hardware_steps(cfg, machine.board());
        let injected = |step: &&HwStep| matches!(step, HwStep::LoseAnswer { .. } | HwStep::Ice | HwStep::Remove { .. });
        let step = steps.steps[..steps.len].iter().find(|step| !injected(step)).copied();
        if let Some(step) = step {
            scheduler.hardware(machine.board_mut(), step);
        }
        if let Some(found) = wrong(machine) {
            return (Some(found), 0);
        }
        let now = machine.board().fingerprint();
        if now != print || step.is_some() || waiting != busy(machine) {
            (unchanged_since, print, relaxed) = (None, now, [0; ACTORS]);
        } else if unchanged_since.is_none() {
            unchanged_since = scheduler.record.as_ref().map(Vec::len).or(Some(0));
        }
        let least = waiting.iter().map(|&t| relaxed[t]).min().unwrap_or(0);
        if let Some(since) = unchanged_since.filter(|_| least >= laps) {
            if let Some(record) = &mut scheduler.record {
                record.truncate(since);
            }
            return (
                Some((FoundKind::Hang, format!("{} waits for ever; nothing can change any more", names(&waiting)))),
                least,
            );
        }
    }
    let board = machine.board();
    let at_rest = board.pending() == 0 && board.iqh() == board.iqt();
    let [_, _, cnt] = board.fields();
    let slots = i64::from(Unit::length(board).slots());
    if at_rest && cnt != slots {
        return (Some((FoundKind::Leak, format!("at rest {cnt} of {slots} slots are free"))), 0);
    }
    (None, 0)
}

fn in_words(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::Outside => "touches memory outside the arrays",
        Wrong::Runaway => "does not come to an end with the lock held",
        Wrong::Overrun => "writes into a slot that hardware has still to read or to write, or IQT comes to IQH",
        Wrong::FreeCnt => "drops the lock with a free_cnt that is not what lies between free_tail and free_head",
        Wrong::BadIqt => "writes an IQT that is no slot",
        Wrong::SuccessWithoutExecution => "returns 0 before its IDs were executed",
        Wrong::StrangerDone => "returns 0 on a DONE that was not written for its WD",
        Wrong::OtherRegister => "accesses a register that the function does not use",
        Wrong::Unlocked => "drops a lock that it does not hold",
    }
}

/// Searches until `until` says that it is enough, with runs of the seeds from `seed` on.
pub fn search(
    machine: &mut Machine,
    cfg: &SearchCfg,
    seed: u64,
    pulse: &Pulse,
    mut until: impl FnMut(&Searched) -> bool,
) -> Searched {
    let mut searched = Searched::default();
    let started = Instant::now();
    while !until(&searched) && !pulse.stop.load(Ordering::Relaxed) {
        let seed = seed.wrapping_add(searched.runs);
        pulse.seed.store(seed, Ordering::Relaxed);
        pulse.beats.fetch_add(1, Ordering::Relaxed);
        let passed = machine.passed();
        let ended = run(machine, cfg, seed, Scheduler::picker(cfg), LAPS[0], false);
        searched.runs += 1;
        searched.steps += u64::from(ended.steps) + (machine.passed() - passed);
        searched.hardware_steps += u64::from(ended.hardware_steps);
        pulse.steps.store(searched.steps, Ordering::Relaxed);
        searched.seconds = started.elapsed().as_secs_f64();
        if let Some((found, _)) = ended.found {
            searched.hits += 1;
            *searched.by_kind.entry(found).or_default() += 1;
            if searched.findings.iter().all(|finding| finding.found != found)
                && let Some(finding) = replay(machine, cfg, seed)
            {
                searched.findings.push(finding);
            }
        }
    }
    searched
}

/// Runs a seed again and shrinks what it finds.
pub fn replay(machine: &mut Machine, cfg: &SearchCfg, seed: u64) -> Option<SearchFinding> {
    let ended = run(machine, cfg, seed, Scheduler::picker(cfg), LAPS[0], true);
    let (found, _) = ended.found?;
    let before = ended.record.len();
    let schedule = shrink(machine, cfg, ended.record, found);
    let ended = run(machine, cfg, 0, Picker::Replay { schedule: &schedule, at: 0 }, LAPS[1], true);
    let detail = ended.found.map_or_else(String::new, |(_, detail)| detail);
    Some(SearchFinding { found, detail, seed, steps: (before, schedule.len()), repeated: ended.repeated, schedule })
}

/// Whether a schedule shows something of a kind: on another driver than the one it was found in, what it cannot do is passed over.
pub fn shows(machine: &mut Machine, cfg: &SearchCfg, schedule: &[Choice], kind: FoundKind) -> bool {
    let ended = run(machine, cfg, 0, Picker::Replay { schedule, at: 0 }, LAPS[0], false);
    ended.found.is_some_and(|(found, _)| found == kind)
}

/// Leaves out what is not needed: halves, quarters, and so on down to single steps (Zeller's ddmin).
fn shrink(machine: &mut Machine, cfg: &SearchCfg, mut schedule: Vec<Choice>, found: FoundKind) -> Vec<Choice> {
    let until = Instant::now() + Duration::from_secs(5);
    // What could not be done was skipped and what was missing was added: the record is what was done.
    let mut shorter = |schedule: &[Choice], without: &[Choice]| {
        let ended = run(machine, cfg, 0, Picker::Replay { schedule: without, at: 0 }, LAPS[0], true);
        let same = ended.found.is_some_and(|(other, _)| other == found);
        (same && ended.record.len() < schedule.len()).then_some(ended.record)
    };
    loop {
        let before = schedule.len();
        let mut chunk = schedule.len().div_ceil(2);
        while chunk > 0 {
            let mut at = 0;
            while at < schedule.len() && Instant::now() < until {
                let end = (at + chunk).min(schedule.len());
                match shorter(&schedule, &[&schedule[..at], &schedule[end..]].concat()) {
                    Some(less) => schedule = less,
                    None => at = end,
                }
            }
            chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
        }
        let mut at = 0;
        while at < schedule.len() && Instant::now() < until {
            let is_step = matches!(schedule[at], Choice::Step(..));
            let mut laps = 2..=if is_step { LAP } else { 0 };
            match laps.find_map(|steps| shorter(&schedule, &without_lap(&schedule, at, steps))) {
                Some(less) => schedule = less,
                None => at += 1,
            }
        }
        if schedule.len() == before || Instant::now() >= until {
            return schedule;
        }
    }
}

/// Most steps of a lap of the poll loop that shrinking takes out, those with a walk left out.
const LAP: usize = 16;

/// A schedule without the next so many steps of the submitter whose step is at `at`: a lap of its poll loop, whatever others do
/// meanwhile.
fn without_lap(schedule: &[Choice], at: usize, steps: usize) -> Vec<Choice> {
    let Choice::Step(t) = schedule[at] else { return schedule.to_vec() };
    let mut left = steps;
    let is_of_lap = |(i, choice): &(usize, &Choice)| {
        let is = *i >= at && left > 0 && **choice == Choice::Step(t);
        left -= usize::from(is);
        !is
    };
    schedule.iter().enumerate().filter(is_of_lap).map(|(_, choice)| *choice).collect()
}

/// The last steps of a run that kills its process, or never comes back: it is run again in a child of its own, and each step
/// written down before it is made, and again, with what it stored, when it has been made.
///
/// # Errors
/// If there is no memory for what is written down.
pub fn last_steps(
    program: &Program,
    cfg: &SearchCfg,
    grain: StopGrain,
    seed: u64,
    steps: usize,
) -> io::Result<Timeline> {
    let mut written = file_in_memory()?;
    let patience = Duration::from_secs(3);
    let _: Result<(), Death> = isolated(patience, ROOM, &mut |_| true, |pulse| {
        // A child that the machine has ended is started again.
        let emptied = written.set_len(0).and_then(|()| (&written).rewind());
        if let (Ok(()), Ok(mut machine)) = (emptied, Machine::new(program, cfg.submitters, grain, false)) {
            write_down(&mut machine, cfg, seed, pulse, &written);
        }
    });
    let mut text = String::new();
    written.rewind()?;
    written.read_to_string(&mut text)?;
    // The last line may have been cut when the child died.
    let mut picture = Picture::begin(cfg.submitters, Held { slots: Vec::new(), numbered: false, fields: Vec::new() });
    // The last line may have been cut when the child died.
    let mut lines = text.lines().map_while(|line| serde_json::from_str(line).ok()).peekable();
    while let Some(line) = lines.next() {
        match line {
            Written::Start(held) => picture = Picture::begin(cfg.submitters, held),
            // Once a step was made, the line before its own counts no more.
            Written::Begun(_) if lines.peek().is_some() => {}
            Written::Begun(row) | Written::Made(row) => picture.add(row),
        }
    }
    picture.keep_last(steps);
    Ok(picture.finish())
}

/// A line of what is written down.
#[derive(Serialize, Deserialize)]
enum Written {
    /// The ring before the first step.
    Start(Held),
    /// A step that is about to be made, with the ring before it.
    Begun(Row),
    /// One that has been made, with the ring after it.
    Made(Row),
}

/// Runs a seed and writes down its steps.
fn write_down(machine: &mut Machine, cfg: &SearchCfg, seed: u64, pulse: &Pulse, mut written: &File) {
    machine.reset();
    let mut scheduler = Scheduler::new(cfg, seed, Scheduler::picker(cfg), false);
    let mut line = |line: Written| {
        let _ = serde_json::to_string(&line).map(|line| writeln!(written, "{line}"));
    };
    line(Written::Start(super::picture::ring(machine.board())));
    let row = |machine: &Machine, t: usize, text: String| Row {
        submitter: Some(t),
        text,
        ring: super::picture::ring(machine.board()),
    };
    loop {
        pulse.beats.fetch_add(1, Ordering::Relaxed);
        // Not asked within the C: the picks are the same, one by one.
        let picked = scheduler.pick(machine.board_mut());
        match picked {
            Picked::Step(t) => {
                let next = machine.next(t).map_or(String::new(), |access| Pending(access).to_string());
                line(Written::Begun(row(machine, t, next)));
                if let Some((access, returned)) = machine.step(t) {
                    let returned = returned.map_or(String::new(), |rc| format!(", {}", Access::Return(rc)));
                    line(Written::Made(row(machine, t, format!("{access}{returned}"))));
                }
            }
            Picked::Call(t, request) => {
                let text = format!("qi_submit_sync({})", cfg.requests[request].text());
                line(Written::Begun(row(machine, t, text.clone())));
                machine.call(t, cfg.requests[request]);
                line(Written::Made(row(machine, t, text)));
            }
            Picked::End => break,
        }
        // As `decide` counts: a stop is a step.
        if !machine.is_idle(machine.board().current()) {
            scheduler.steps += 1;
        }
    }
}

/// Draws a schedule: each step with what the ring holds afterwards.
pub fn draw(machine: &mut Machine, cfg: &SearchCfg, schedule: &[Choice]) -> Timeline {
    machine.reset();
    let mut picture = Picture::new(machine, cfg.submitters);
    for &choice in schedule {
        match choice {
            Choice::Call(t, request) if machine.is_idle(t.into()) => {
                let request = cfg.requests[usize::from(request)];
                machine.call(t.into(), request);
                picture.call(machine, t.into(), request);
            }
            Choice::Step(t) if machine.can_run(t.into()) => {
                if let Some((access, returned)) = machine.step(t.into()) {
                    picture.access(machine, t.into(), access, returned);
                }
            }
            Choice::Leap => {
                machine.board_mut().leap();
                picture.note(machine, None, "an hour goes by".to_string());
            }
            Choice::Hardware(..) => {
                let steps = hardware_steps(cfg, machine.board());
                if let Some(&step) = steps.steps[..steps.len].iter().find(|step| Choice::hardware(**step) == choice) {
                    let fetched = machine.board().iqh();
                    cfg.hardware.step(&cfg.faults, machine.board_mut(), step);
                    picture.hardware(machine, step, fetched);
                }
            }
            _ => {}
        }
    }
    picture.finish()
}
