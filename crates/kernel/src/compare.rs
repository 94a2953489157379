//! Same program: the C and the Rust driver through the same schedules, access by access.
//!
//! Compared are the accesses that hardware can see, in order and with their values, operations on the lock, the private fields
//! at each of these, what is returned, and after every step what lies in memory. Not compared: reads of descriptors and of
//! registers for the log, relaxing, and reads of a status that the same submitter has just read: a compiler may merge such
//! reads (`READ_ONCE` keeps them), and both sides may make them or not. How often that happens is counted.

use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::access::{Access, Register};
use super::board::Pace;
use super::isolate::Pulse;
use super::machine::{Machine, StopGrain};
use super::picture::Picture;
use super::program::{BuildError, Program};
use super::reference::Reference;
use super::search::Rng;
use super::tour::Tour;
use stateright_temporal::graph::{Coverage, Graph, Limits, Search, StateId};
use stateright_temporal::memory::Memory;
use vtd_qi::impl_qi::{Action, HwStep, Ring, Slot, State, Step, TimeOut, Unit, ValidRing};
use vtd_qi::timeline::Timeline;
use vtd_qi::with_ring;

/// The first thing in which the C and the Rust driver differ.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// The submitter, from 0; `None`: the hardware.
    pub submitter: Option<usize>,
    /// What the Rust driver does, or what lies in the model's memory.
    pub model: String,
    /// What the C does.
    pub c: String,
    /// The run up to there, the last rows.
    pub timeline: Timeline,
    /// The steps of the model that lead there; none if they are more than [`MOST_TOLD`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<Action>,
}

/// How many steps of a run are told with a difference.
pub const MOST_TOLD: usize = 2_000;

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.submitter {
            Some(t) => write!(f, "T{}: ", t + 1)?,
            None => write!(f, "hardware: ")?,
        }
        write!(f, "the model: {}; the C: {}", self.model, self.c)
    }
}

/// What a comparison took.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Steps taken by both.
    pub steps: u64,
    /// Accesses compared.
    pub accesses: u64,
    /// Repeated reads of a status that the C does not make: merged by the compiler.
    pub merged: u64,
    /// Repeated reads of a status that the model does not make.
    pub repeated: u64,
    /// Reads of IQER that the model makes and the C does not: where nothing depends on it.
    pub iqer: u64,
    /// Runs that ended where `free_cnt` has come to exceed `QI_LENGTH`: there the model stops counting.
    pub saturated: u64,
}

/// The C and the Rust driver side by side.
pub(super) struct Pair {
    pub(super) machine: Machine,
    pub(super) reference: Reference,
    cfg: ValidRing,
    /// The last visible access of each submitter, if it was a read of a status and the lock has not been dropped since.
    last_read: Vec<Option<Slot>>,
    pub(super) tally: Tally,
    small: bool,
    /// What is drawn of the run, if it is.
    picture: Option<Picture>,
}

type Mismatch = (Option<usize>, String, String);

impl Pair {
    pub(super) fn new(program: &Program, cfg: &ValidRing, scalable: bool) -> Result<Pair, BuildError> {
        let mut machine = Machine::new(program, cfg.submitters, StopGrain::Visible, scalable)?;
        machine.without_budget();
        // No driver of the model's looks at the clock: whatever it shows, the C has to do the same.
        machine.board_mut().pace = Pace::Sometimes;
        let requests = cfg.requests().to_vec();
        let reference = Reference::new(cfg.rules, cfg.length, cfg.submitters, requests);
        let small = cfg.length.slots() <= 16;
        let last_read = vec![None; cfg.submitters];
        Ok(Pair { machine, reference, cfg: cfg.clone(), last_read, tally: Tally::default(), small, picture: None })
    }

    pub(super) fn reset(&mut self) {
        self.machine.reset();
        self.reference.reset();
        self.last_read.fill(None);
    }

    pub(super) fn call(&mut self, t: usize, request: usize) {
        let brought = self.reference.requests()[request];
        self.machine.call(t, brought);
        self.reference.call(t, request);
        self.last_read[t] = None;
    }

    /// Lets both do the next step of a submitter's that is not of the fault check, or of the fault check too if `step` is one.
    fn driver(&mut self, t: usize, step: Option<Step>) -> Result<(), Mismatch> {
        if step == Some(Step::Enqueue) {
            return Ok(());
        }
        loop {
            let next = self.reference.next(t);
            let extra = step.is_some_and(|step| !step.is_fault_check())
                && next.is_some_and(|next| next.is_fault_check() && Some(next) != step);
            self.one(t)?;
            if !extra {
                return Ok(());
            }
        }
    }

    /// One step of the Rust driver and the access of the C that belongs to it.
    pub(super) fn one(&mut self, t: usize) -> Result<(), Mismatch> {
        self.tally.steps += 1;
        let Some((expected, returned)) = self.reference.step(t) else {
            return Err((Some(t), "cannot go on".to_string(), "goes on".to_string()));
        };
        let Some(expected) = expected.filter(|access| access.is_visible()) else { return Ok(()) };
        let repeats =
            |access: Access, last: Option<Slot>| matches!(access, Access::ReadStatus(slot, _) if last == Some(slot));
        // The C, up to its next visible access.
        let found = loop {
            match self.machine.next(t) {
                None => break None,
                Some(next) if !next.is_visible() => {
                    self.machine.resume(t);
                }
                Some(next) if repeats(next, self.last_read[t]) && next != expected => {
                    self.tally.repeated += 1;
                    self.step(t);
                }
                Some(next) => break Some(next),
            }
        };
        let same_kind = |found: &Access| match (found, &expected) {
            (Access::ReadStatus(a, _), Access::ReadStatus(b, _)) => a == b,
            (found, expected) => std::mem::discriminant(found) == std::mem::discriminant(expected),
        };
        if !found.as_ref().is_some_and(same_kind) && repeats(expected, self.last_read[t]) {
            self.tally.merged += 1;
            return Ok(());
        }
        if matches!(expected, Access::ReadReg(Register::Iqer, _))
            && !matches!(found, Some(Access::ReadReg(Register::Iqer, _)))
            && self.cfg.rules.time_out == TimeOut::Retry
        {
            self.tally.iqer += 1;
            return Ok(());
        }
        let Some((found, c_returned)) = self.step(t) else {
            return Err((Some(t), expected.to_string(), "has returned".to_string()));
        };
        self.tally.accesses += 1;
        if found != expected {
            return Err((Some(t), expected.to_string(), found.to_string()));
        }
        self.last_read[t] = match found {
            Access::ReadStatus(slot, _) => Some(slot),
            _ => None,
        };
        if matches!(found, Access::Lock | Access::Unlock) {
            self.compare_fields(t)?;
        }
        let rc = |rc: Option<i32>| rc.map_or("does not return".to_string(), |rc| Access::Return(rc).to_string());
        if c_returned != returned {
            return Err((Some(t), rc(returned), rc(c_returned)));
        }
        Ok(())
    }

    /// One access of the C, drawn once it has been made: what it stores is not known before.
    fn step(&mut self, t: usize) -> Option<(Access, Option<i32>)> {
        let (access, returned) = self.machine.step(t)?;
        if let Some(picture) = &mut self.picture {
            picture.access(&self.machine, t, access, returned);
        }
        Some((access, returned))
    }

    /// Whether `free_cnt` exceeds `QI_LENGTH`, which the model says by one number for all.
    fn is_saturated(&self) -> bool {
        self.reference.memory.queue().free_cnt > self.cfg.length.slots()
    }

    fn compare_fields(&self, t: usize) -> Result<(), Mismatch> {
        let queue = self.reference.memory.queue();
        if self.is_saturated() && self.machine.board().fields()[2] > self.cfg.length.slots().into() {
            return Ok(());
        }
        let model = [queue.free_head.into(), queue.free_tail.into(), i64::from(queue.free_cnt)];
        let c = self.machine.board().fields();
        if model != c {
            let text = |[head, tail, cnt]: [i64; 3]| format!("free_head={head} free_tail={tail} free_cnt={cnt}");
            return Err((Some(t), text(model), text(c)));
        }
        Ok(())
    }

    pub(super) fn hardware(&mut self, step: HwStep) {
        self.tally.steps += 1;
        self.cfg.hardware.step(&self.cfg.faults, self.machine.board_mut(), step);
        self.cfg.hardware.step(&self.cfg.faults, &mut self.reference.memory, step);
    }

    /// Compares what lies in memory; of a long ring only the registers.
    pub(super) fn compare_memory(&self) -> Result<(), Mismatch> {
        let (c, model) = (self.machine.board(), &self.reference.memory);
        if self.small {
            for slot in Unit::length(c).iter() {
                if c.raw_status(slot) != model.raw_status(slot) {
                    let text = |raw| Access::WriteStatus(slot, raw).to_string();
                    return Err((None, text(model.raw_status(slot)), text(c.raw_status(slot))));
                }
                if c.desc(slot) != Unit::desc(model, slot) {
                    let text = |desc| Access::WriteDesc(slot, desc).to_string();
                    return Err((None, text(Unit::desc(model, slot)), text(c.desc(slot))));
                }
            }
        }
        let registers = |iqh, iqt, fsts: vtd_qi::impl_qi::Fsts, holder: Option<usize>| (iqh, iqt, fsts.bits(), holder);
        let of_c = registers(c.iqh(), c.iqt(), c.fsts(), c.lock_holder());
        let of_model = registers(Unit::iqh(model), Unit::iqt(model), Unit::fsts(model), model.holder());
        if of_c != of_model {
            let text = |(iqh, iqt, fsts, holder): (Slot, Slot, u8, Option<usize>)| {
                format!(
                    "IQH={iqh} IQT={iqt} FSTS={fsts:#b} lock={}",
                    holder.map_or("-".into(), |t| format!("T{}", t + 1))
                )
            };
            return Err((None, text(of_model), text(of_c)));
        }
        Ok(())
    }

    /// Lets both do an action of the model's.
    fn apply(&mut self, action: Action) -> Result<(), Mismatch> {
        match action {
            Action::Call { t, request } => self.call(t.into(), request.into()),
            Action::Driver { t, step } => self.driver(t.into(), Some(step))?,
            Action::Hardware(step) => self.hardware(step),
        }
        self.compare_memory()
    }

    /// Follows actions from the initial state and draws them; the difference, if there is one, is the last row.
    fn drawn(&mut self, actions: &[Action], rows: usize) -> (Timeline, Option<Mismatch>) {
        self.reset();
        self.picture = Some(Picture::new(&self.machine, self.cfg.submitters));
        let mismatch = actions.iter().find_map(|&action| self.draw(action).err());
        let mut picture = self.picture.take().expect("begun above, and taken by nobody else");
        if let Some((t, model, c)) = &mismatch {
            picture.note(&self.machine, *t, format!("DIFFERS: the model {model}, the C {c}"));
        }
        picture.keep_last(rows);
        (picture.finish(), mismatch)
    }

    /// Lets both do an action, and draws it.
    fn draw(&mut self, action: Action) -> Result<(), Mismatch> {
        let rows = |pair: &Pair| pair.picture.as_ref().map_or(0, Picture::rows);
        let (iqh, before) = (self.machine.board().iqh(), rows(self));
        let outcome = self.apply(action);
        let drawn = rows(self) > before;
        let Some(picture) = &mut self.picture else { return outcome };
        match action {
            Action::Call { t, request } => {
                let request = self.reference.requests()[usize::from(request)];
                picture.call(&self.machine, t.into(), request);
            }
            Action::Driver { .. } if drawn => {}
            // A step of the model that is no access of the C's that hardware can see.
            Action::Driver { t, step } => picture.note(&self.machine, Some(t.into()), format!("({step:?})")),
            Action::Hardware(step) => picture.hardware(&self.machine, step, iqh),
        }
        outcome
    }
}

/// Whether the C and the Rust driver are the same program, as far as a comparison was asked to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sameness {
    /// They are, on every transition up to where the model stops counting `free_cnt`.
    Same,
    /// They are not.
    Differs,
    /// No difference was found, but a limit was reached before every transition was compared.
    Unknown,
}

/// What replaying every transition came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Covered {
    /// What is known of it.
    pub verdict: Sameness,
    /// Whether the states and transitions counted here are all that there are.
    pub whole: bool,
    /// Reachable states of the unreduced ring.
    pub states: usize,
    /// Its transitions.
    pub edges: usize,
    /// Those that were replayed.
    pub covered: usize,
    /// Why not all, if not all.
    pub why: Option<String>,
    /// Paths from the initial state.
    pub paths: usize,
    /// What was compared.
    pub tally: Tally,
    /// Seconds for the graph, and for the replaying.
    pub seconds: (f64, f64),
    /// The first difference.
    pub difference: Option<Difference>,
}

impl Covered {
    /// The share of transitions that were replayed, in per cent.
    pub fn share(&self) -> f64 {
        100.0 * self.covered as f64 / self.edges.max(1) as f64
    }
}

/// Replays every transition of the reachable unreduced graph on the C and on the Rust driver, along paths from the initial
/// state; up to a number of states.
///
/// # Errors
/// [`BuildError`] if the program cannot be loaded.
pub fn exhaustive(
    program: &Program,
    cfg: &ValidRing,
    limits: Limits,
    until: Instant,
    pulse: &Pulse,
) -> Result<Covered, BuildError> {
    with_ring!(cfg.clone(), |ring| cover(program, &ring, limits, until, pulse))
}

/// Longest path: a path that differs is to be replayed.
const LONGEST: usize = 20_000;

/// Why a tour ends before every transition has been taken.
enum End {
    Difference(Box<Difference>),
    Cancelled,
    TimeIsUp,
}

fn cover<const N: usize, const T: usize, const F: usize>(
    program: &Program,
    ring: &Ring<N, T, F>,
    limits: Limits,
    until: Instant,
    pulse: &Pulse,
) -> Result<Covered, BuildError> {
    let started = Instant::now();
    let graph = Search::new(ring, |action: &Action| *action).limits(limits).run();
    let explored = started.elapsed().as_secs_f64();
    let mut pair = Pair::new(program, ring.cfg(), false)?;
    let mut tour = Tour::new(&graph);
    let (mut paths, mut end) = (0, None);
    while let Some(destination) = tour.destination().filter(|_| end.is_none()) {
        paths += 1;
        end = path(&mut pair, &graph, &mut tour, destination).err().map(End::Difference);
        pulse.beats.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        pulse.steps.store(tour.taken as u64, std::sync::atomic::Ordering::Relaxed);
        if end.is_none() && tour.destination().is_some() {
            if pulse.stop.load(std::sync::atomic::Ordering::Relaxed) {
                end = Some(End::Cancelled);
            } else if Instant::now() > until {
                end = Some(End::TimeIsUp);
            }
        }
    }
    let cut = why_cut(graph.coverage(), graph.len(), limits.memory);
    let saturated = || match tour.given_up {
        0 => None,
        beyond => Some(format!("{beyond} transitions lie behind states where the model stops counting free_cnt")),
    };
    let (verdict, why, difference) = match (end, cut) {
        (Some(End::Difference(difference)), _) => {
            (Sameness::Differs, Some("stopped at the first difference".to_string()), Some(*difference))
        }
        (Some(End::Cancelled), _) => (Sameness::Unknown, Some("cancelled".to_string()), None),
        (Some(End::TimeIsUp), _) => (Sameness::Unknown, Some("the time was up".to_string()), None),
        (None, Some(why)) => (Sameness::Unknown, Some(why), None),
        (None, None) => (Sameness::Same, saturated(), None),
    };
    Ok(Covered {
        verdict,
        whole: graph.coverage() == Coverage::Complete,
        states: graph.len(),
        edges: graph.transitions(),
        covered: tour.taken,
        why,
        paths,
        tally: pair.tally,
        seconds: (explored, started.elapsed().as_secs_f64() - explored),
        difference,
    })
}

/// Why a graph is not all of its model, in words.
fn why_cut(coverage: Coverage, states: usize, memory: Option<&Memory>) -> Option<String> {
    Some(match coverage {
        Coverage::Complete => return None,
        Coverage::CutByMaxStates => format!("the limit of {states} states was reached"),
        Coverage::CutByMemory => match memory {
            Some(memory) => format!("the {memory} of memory that were allowed are used at {states} states"),
            None => format!("the machine gives no more memory at {states} states"),
        },
        Coverage::Cancelled => format!("cancelled at {states} states"),
        Coverage::CutByBoundary | Coverage::Faulty => format!("the graph is no account of its model ({coverage:?})"),
    })
}

/// One path of a tour: to its destination, and on as long as a transition that is left is near.
fn path<const N: usize, const T: usize, const F: usize>(
    pair: &mut Pair,
    graph: &Graph<State<N, T, F>, Action>,
    tour: &mut Tour<State<N, T, F>, Action>,
    destination: StateId,
) -> Result<(), Box<Difference>> {
    pair.reset();
    let (mut at, mut length, before) = (graph.initial()[0], 0, tour.taken);
    let mut way: Vec<usize> = graph.path_to(destination).iter().map(|edge| edge.index).collect();
    while length < LONGEST {
        if way.is_empty() {
            match tour.onward(at) {
                Some(onward) => way = onward,
                None => break,
            }
        }
        for index in way.drain(..) {
            let edge = graph.edge_at(at, index);
            let action = graph.labels()[edge.label as usize];
            let outcome = pair.apply(action).and_then(|()| same_state(pair, graph.state(edge.target)));
            if let Err(mismatch) = outcome {
                let mut actions: Vec<Action> =
                    graph.path_to(at).iter().map(|edge| graph.labels()[edge.label as usize]).collect();
                actions.push(action);
                return Err(along(pair, &actions, mismatch));
            }
            tour.take(index);
            at = edge.target;
            length += 1;
            if pair.is_saturated() {
                // From here on the numbers differ: what lies behind is left out, and where this path was to lead unless it
                // has brought anything.
                pair.tally.saturated += 1;
                tour.give_up(at);
                if tour.taken == before {
                    tour.give_up(destination);
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether the model's state is what lies in the C's memory.
fn same_state<const N: usize, const T: usize, const F: usize>(
    pair: &Pair,
    state: &State<N, T, F>,
) -> Result<(), Mismatch> {
    let board = pair.machine.board();
    let statuses = |slot: &Slot| board.raw_status(*slot) == state.status(*slot) as i32;
    let same = Unit::length(board).iter().all(|slot| statuses(&slot))
        && (board.iqh(), board.iqt()) == (state.iqh(), state.iqt())
        && board.lock_holder() == state.lock_holder();
    if same { Ok(()) } else { Err((None, format!("{state:?}"), super::picture::ring(board).to_string())) }
}

/// Draws a difference along the shortest way to it, or says that there it does not show.
fn along(pair: &mut Pair, actions: &[Action], mismatch: Mismatch) -> Box<Difference> {
    let (timeline, found) = pair.drawn(actions, 60);
    let (submitter, model, c) = found.unwrap_or(mismatch);
    let run = if actions.len() <= MOST_TOLD { actions.to_vec() } else { Vec::new() };
    Box::new(Difference { submitter, model, c, timeline, run })
}

/// Compares along random schedules: so many steps, from the initial state again now and then.
///
/// # Errors
/// [`BuildError`] if the program cannot be loaded.
pub fn random(
    program: &Program,
    cfg: &ValidRing,
    scalable: bool,
    seed: u64,
    steps: u64,
    pulse: &Pulse,
) -> Result<(Tally, Option<Difference>), BuildError> {
    let mut pair = Pair::new(program, cfg, scalable)?;
    let mut rng = Rng::new(seed);
    let mut actions: Vec<Action> = Vec::new();
    while pair.tally.steps < steps {
        if actions.len() >= 4000 {
            pair.reset();
            actions.clear();
        }
        if actions.len().is_multiple_of(64) {
            pulse.beats.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            pulse.steps.store(pair.tally.steps, std::sync::atomic::Ordering::Relaxed);
            if pulse.stop.load(std::sync::atomic::Ordering::Relaxed) {
                break;
            }
        }
        let actor = rng.below(cfg.submitters + 1);
        let action = if actor < cfg.submitters {
            if pair.reference.is_idle(actor) {
                let request = rng.below(pair.reference.requests().len()) as u8;
                Action::Call { t: actor as u8, request }
            } else if let Some(step) = pair.reference.next(actor).filter(|_| pair.reference.can_run(actor)) {
                Action::Driver { t: actor as u8, step }
            } else {
                continue;
            }
        } else {
            let mut can = Vec::new();
            cfg.hardware.steps(&cfg.faults, &pair.reference.memory, |step| can.push(step));
            if can.is_empty() {
                continue;
            }
            // Faults are rare, or every run would begin with one.
            let step = can[rng.below(can.len())];
            let rare = matches!(step, HwStep::LoseAnswer { .. } | HwStep::Ice | HwStep::Remove { .. });
            if rare && rng.below(32) > 0 {
                continue;
            }
            Action::Hardware(step)
        };
        actions.push(action);
        if pair.is_saturated() {
            pair.tally.saturated += 1;
            pair.reset();
            actions.clear();
            continue;
        }
        if let Err(mismatch) = pair.apply(action) {
            let tally = pair.tally.clone();
            return Ok((tally, Some(*along(&mut pair, &actions, mismatch))));
        }
    }
    Ok((pair.tally, None))
}

/// What replaying a counterexample on the C came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Confirmation {
    /// Whether the C goes the same way.
    pub confirmed: bool,
    /// Steps before the loop, and of the loop.
    pub steps: (usize, usize),
    /// How often the loop was repeated.
    pub laps: u32,
    /// The submitters that wait at the end.
    pub waiting: Vec<usize>,
    /// The first difference, if it is refuted.
    pub difference: Option<Difference>,
}

/// Laps of the loop of a counterexample that are replayed.
pub const LAPS: u32 = 1000;

/// Replays a counterexample of the model: its steps, and those of its loop again and again.
///
/// # Errors
/// [`BuildError`] if the program cannot be loaded.
pub fn confirm(
    program: &Program,
    cfg: &ValidRing,
    actions: &[Action],
    repeating: usize,
    pulse: &Pulse,
) -> Result<Confirmation, BuildError> {
    let mut pair = Pair::new(program, cfg, false)?;
    let stem = actions.len() - repeating;
    let mut confirmation =
        Confirmation { confirmed: true, steps: (stem, repeating), laps: 0, waiting: Vec::new(), difference: None };
    let laps = if repeating > 0 { LAPS } else { 0 };
    let refuted = |pair: &mut Pair, upto: &[Action], mismatch: Mismatch, confirmation: &mut Confirmation| {
        confirmation.confirmed = false;
        confirmation.difference = Some(*along(pair, upto, mismatch));
    };
    for (i, &action) in actions[..stem].iter().enumerate() {
        if let Err(mismatch) = pair.apply(action) {
            refuted(&mut pair, &actions[..=i], mismatch, &mut confirmation);
            return Ok(confirmation);
        }
    }
    for _ in 0..laps {
        pulse.beats.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        for (i, &action) in actions[stem..].iter().enumerate() {
            if let Err(mismatch) = pair.apply(action) {
                refuted(&mut pair, &actions[..=stem + i], mismatch, &mut confirmation);
                return Ok(confirmation);
            }
        }
        confirmation.laps += 1;
    }
    confirmation.waiting = (0..cfg.submitters).filter(|&t| !pair.machine.is_idle(t)).collect();
    Ok(confirmation)
}
