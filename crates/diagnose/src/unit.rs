//! One unit's ring, judged: what state it is in, for which generations, and what that is called.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};
use std::thread;

use vtd_qi::impl_qi::{FaultClass, GENERATIONS, Generation, IteWalk, Length, Slot};

use crate::dmesg::{FaultKind, KernelLog};
use crate::dump::RingDump;
use crate::judge::{Bounds, Evidence, FaultGuess, Reached, Sighting, search};
use crate::naming::{KnownBug, name};
use crate::picture::{BatchPicture, Picture};
use crate::reduction::Sides;
use crate::window::{Impossible, RingWindow};

/// A unit's ring, judged.
#[derive(Clone, Debug)]
pub struct JudgedUnit {
    /// Its name.
    pub unit: String,
    /// The line of the reading that was judged.
    pub line: usize,
    /// Which reading of its ring that is, from 1, and how many there are.
    pub reading: (usize, usize),
    /// Whether all dumps of it are alike though something is outstanding.
    pub stands_still: bool,
    /// The ring, if a driver can have left it behind.
    pub window: Option<RingWindow>,
    /// What it comes to.
    pub state: UnitState,
    /// The generations that the kernel may have; empty if that is not known.
    pub kernel: Vec<&'static str>,
    /// What each generation says, for the generations that were asked.
    pub generations: Vec<GenerationVerdict>,
}

/// What a unit's ring comes to.
#[derive(Clone, Debug)]
pub enum UnitState {
    /// Nothing is outstanding.
    Idle,
    /// Something is outstanding, as in any ring at work.
    AtWork,
    /// Something is left that only a fault explains; every call may still return, or slots are lost.
    AfterFault,
    /// Every state that looks like this hangs.
    Hangs,
    /// Some states that look like this hang and others do not.
    MayHang,
    /// Nothing is going on, and slots are lost.
    Leaks,
    /// No driver leaves this behind.
    Impossible(Impossible),
    /// No generation comes to it; the first slot that no run shares. `None`: some run shares them all, but not what is known beside.
    Unreached(Option<u8>),
    /// The searches do not decide it.
    Unknown(String),
}

impl UnitState {
    /// Whether nothing is wrong.
    pub fn is_healthy(&self) -> bool {
        matches!(self, UnitState::Idle | UnitState::AtWork)
    }

    /// One word.
    pub fn word(&self) -> &'static str {
        match self {
            UnitState::Idle => "idle",
            UnitState::AtWork => "at-work",
            UnitState::AfterFault => "after-fault",
            UnitState::Hangs => "hangs",
            UnitState::MayHang => "may-hang",
            UnitState::Leaks => "leaks",
            UnitState::Impossible(_) => "impossible",
            UnitState::Unreached(_) => "unreached",
            UnitState::Unknown(_) => "unknown",
        }
    }
}

/// What a generation says of a ring.
#[derive(Clone, Debug)]
pub struct GenerationVerdict {
    /// The generation.
    pub generation: &'static Generation,
    /// The sightings, each with its name; none: it does not come to this state, unless `unknown` says why that is not known.
    pub sightings: Vec<(Sighting, Option<KnownBug>)>,
    /// Why something is not known.
    pub unknown: Option<String>,
    /// How much of the picture some state shares.
    shared: Shared,
}

/// How much of a picture a state shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shared {
    /// All before a slot: its distance from the picture's first.
    Before(u16),
    /// All of it.
    All,
}

impl Shared {
    /// Of a reduced picture of one whose first slot is given, so many slots are shared.
    fn of(reduced: &Picture, first: Slot, alike: usize) -> Shared {
        let slot = reduced.batches.iter().flat_map(|batch| &batch.0).nth(alike);
        slot.map_or(Shared::All, |slot| Shared::Before(Length::KERNEL.distance(first, slot.slot)))
    }
}

impl GenerationVerdict {
    /// Whether it comes to the state, and not for moments only.
    pub fn fits(&self) -> bool {
        self.telling().next().is_some()
    }

    /// The sightings that are more than fleeting.
    pub fn telling(&self) -> impl Iterator<Item = &(Sighting, Option<KnownBug>)> {
        self.sightings.iter().filter(|(sighting, _)| !sighting.fleeting)
    }
}

impl JudgedUnit {
    /// The generations that come to this state: those that the kernel may have, or if none of them does all that do.
    pub fn fitting(&self) -> Vec<&GenerationVerdict> {
        fitting(&self.generations, &self.kernel)
    }
}

fn fitting<'a>(generations: &'a [GenerationVerdict], kernel: &[&str]) -> Vec<&'a GenerationVerdict> {
    let fits = || generations.iter().filter(|verdict| verdict.fits());
    let own: Vec<_> = fits().filter(|verdict| kernel.contains(&verdict.generation.name)).collect();
    if own.is_empty() { fits().collect() } else { own }
}

/// What the rest of the text says, as far as the ring is concerned.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// What is known beside the ring.
    pub evidence: Evidence,
    /// The kinds of faults that were reported; empty if none was.
    pub faults: Vec<FaultKind>,
    /// The generations that the kernel may have; empty if that is not known.
    pub generations: Vec<&'static str>,
}

impl Circumstances {
    /// What a kernel's log and the number of calls that hang in a trace tell.
    pub fn of(log: &KernelLog, hung: usize) -> Circumstances {
        let hard = log.in_driver().any(|lockup| lockup.hard);
        let hangs = hung > 0 || log.in_driver().next().is_some();
        let kinds = [FaultKind::Iqe, FaultKind::Ite, FaultKind::Ice];
        Circumstances {
            evidence: Evidence { hangs, hard, ..Evidence::default() },
            faults: kinds.into_iter().filter(|kind| log.of_kind(*kind).next().is_some()).collect(),
            generations: log.kernel.as_ref().map_or(Vec::new(), |kernel| kernel.generations.to_vec()),
        }
    }

    /// Whether a guess agrees with the faults that were reported.
    fn allows(&self, guess: FaultGuess) -> bool {
        let kind = match guess.class {
            None => return true,
            Some(FaultClass::InvalidId | FaultClass::InvalidWd) => FaultKind::Iqe,
            Some(FaultClass::LostAnswer | FaultClass::DeviceGone) => FaultKind::Ite,
            Some(FaultClass::Ice) => FaultKind::Ice,
        };
        self.faults.is_empty() || self.faults.contains(&kind)
    }
}

/// Generations that are asked at a time: each may need some 200 MB.
pub const MOST_WORKERS: usize = 4;

/// So many earlier readings are judged.
const MOST_EARLIER: usize = 3;

/// What judges units. Rings that are alike are asked about once.
pub struct UnitJudge<'a> {
    circumstances: &'a Circumstances,
    bounds: Bounds<'a>,
    asked: Vec<(Vec<Picture>, Evidence, Vec<GenerationVerdict>)>,
}

impl<'a> UnitJudge<'a> {
    /// Of units about which this is known beside.
    pub fn new(circumstances: &'a Circumstances, bounds: Bounds<'a>) -> Self {
        UnitJudge { circumstances, bounds, asked: Vec::new() }
    }

    /// What each generation says of pictures.
    fn ask(&mut self, pictures: Vec<Picture>, evidence: Evidence) -> Vec<GenerationVerdict> {
        // Two pictures are equal if they look alike, wherever in the ring they lie.
        let known = self.asked.iter().find(|(known, under, _)| *known == pictures && *under == evidence);
        if let Some((_, _, answers)) = known {
            return answers.clone();
        }
        let answers = ask_all(&pictures, &Circumstances { evidence, ..self.circumstances.clone() }, self.bounds);
        self.asked.push((pictures, evidence, answers.clone()));
        answers
    }
}

/// Judges all dumps of one ring, oldest first. The last counts, unless an earlier one shows what does not go away again: then the
/// readings are not in order, or are of several boots.
///
/// # Panics
/// If there is no dump.
pub fn judge_unit(dumps: &[&RingDump], judge: &mut UnitJudge) -> JudgedUnit {
    let stays = |judged: &JudgedUnit| {
        use UnitState::{Hangs, Impossible, Leaks, Unreached};
        matches!(judged.state, Hangs | Impossible(_) | Leaks | Unreached(_))
    };
    let mut judge = |number| judge_reading(dumps, number, judge);
    let last = judge(dumps.len());
    let is_idle = |dump: &RingDump| RingWindow::of(dump).is_ok_and(|window| window.is_idle());
    let other = |number: &usize| !same(dumps[number - 1], dumps[dumps.len() - 1]) && !is_idle(dumps[number - 1]);
    let earlier = (1..dumps.len()).rev().filter(other).take(MOST_EARLIER);
    match stays(&last) {
        true => last,
        false => earlier.map(judge).find(stays).unwrap_or(last),
    }
}

/// Whether nothing has moved between two readings.
fn same(one: &RingDump, other: &RingDump) -> bool {
    other.registers == one.registers
        && other.rows.iter().zip(&one.rows).all(|(a, b)| (a.qw0, a.qw1, a.status) == (b.qw0, b.qw1, b.status))
}

/// Judges one reading, by its number from 1.
fn judge_reading(dumps: &[&RingDump], number: usize, judge: &mut UnitJudge) -> JudgedUnit {
    let circumstances = judge.circumstances;
    let dump = dumps[number - 1];
    let mut judged = JudgedUnit {
        unit: dump.unit.clone(),
        line: dump.line,
        reading: (number, dumps.len()),
        stands_still: false,
        window: None,
        state: UnitState::Idle,
        kernel: circumstances.generations.clone(),
        generations: Vec::new(),
    };
    let window = match RingWindow::of(dump) {
        Ok(window) => window,
        Err(impossible) => return JudgedUnit { state: UnitState::Impossible(impossible), ..judged },
    };
    judged.stands_still = dumps.len() > 1 && dumps.iter().all(|other| same(dump, other)) && !window.is_idle();
    let mut circumstances = circumstances.clone();
    circumstances.evidence.still = judged.stands_still;
    let pictures = match window.is_idle() {
        false => vec![window.picture()],
        // A ring that looks idle may hide a call that waits for a DONE that was taken away.
        true if circumstances.evidence.hangs => window.pairs(),
        true => Vec::new(),
    };
    judged.generations = judge.ask(pictures, circumstances.evidence);
    if !circumstances.evidence.hard {
        only_lock_free(&mut judged.generations);
    }
    mark_fleeting(&mut judged.generations);
    let waits = circumstances.evidence.hangs || circumstances.evidence.still;
    if waits {
        only_lasting(&mut judged.generations, window.is_idle());
    }
    judged.state = state(&judged.generations, &window, &circumstances);
    judged.window = Some(window);
    judged
}

/// Asks each generation, several at a time.
fn ask_all(pictures: &[Picture], circumstances: &Circumstances, bounds: Bounds) -> Vec<GenerationVerdict> {
    if pictures.is_empty() {
        return Vec::new();
    }
    let generations: Vec<_> = GENERATIONS.iter().filter(|generation| generation.is_in_linux()).collect();
    let workers = thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
    let answers: Mutex<Vec<Option<GenerationVerdict>>> = Mutex::new(vec![None; generations.len()]);
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((at, generation)) =
            Some(next.fetch_add(1, Relaxed)).and_then(|at| Some((at, *generations.get(at)?)))
        {
            let answer = ask(generation, pictures, circumstances, bounds);
            answers.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(answer);
        }
    };
    thread::scope(|scope| (0..workers).for_each(|_| _ = scope.spawn(work)));
    answers.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
}

/// debugfs takes the lock, so nobody else has it. If no generation comes to a ring so, it was read from memory.
fn only_lock_free(generations: &mut [GenerationVerdict]) {
    if generations.iter().flat_map(|verdict| &verdict.sightings).any(|(sighting, _)| !sighting.lock_held) {
        generations.iter_mut().for_each(|verdict| verdict.sightings.retain(|(sighting, _)| !sighting.lock_held));
    }
}

/// Who works with the lock held is done with it in microseconds: a reader meets a state that lasts.
fn mark_fleeting(generations: &mut [GenerationVerdict]) {
    if generations.iter().flat_map(|verdict| &verdict.sightings).any(|(sighting, _)| sighting.lasts) {
        let all = generations.iter_mut().flat_map(|verdict| &mut verdict.sightings);
        all.for_each(|(sighting, _)| sighting.fleeting = sighting.lock_held && sighting.hang.is_none());
    }
}

/// What has hung for a while is a state that lasts. If there is no such explanation of a busy ring, some other call may be on its way
/// in it; an idle one shows nobody on the way.
fn only_lasting(generations: &mut [GenerationVerdict], idle: bool) {
    let lasts = generations.iter().flat_map(|verdict| &verdict.sightings).any(|(sighting, _)| sighting.lasts);
    if lasts || idle {
        generations.iter_mut().for_each(|verdict| verdict.sightings.retain(|(sighting, _)| sighting.lasts));
    }
}

/// Asks a generation about each picture under each guess.
fn ask(
    generation: &'static Generation,
    pictures: &[Picture],
    circumstances: &Circumstances,
    bounds: Bounds,
) -> GenerationVerdict {
    let mut verdict = GenerationVerdict { generation, sightings: Vec::new(), unknown: None, shared: Shared::Before(0) };
    let one_id = |picture: &Picture| picture.batches.iter().all(|batch| batch.ids().len() == 1);
    let pictures: Vec<&Picture> =
        pictures.iter().filter(|picture| !generation.rules.one_id_only() || one_id(picture)).collect();
    for guess in FaultGuess::ALL.into_iter().filter(|guess| circumstances.allows(*guess)) {
        if let Some(progress) = bounds.progress {
            progress(&format!("asking whether {} comes to this state {}", generation.name, guess.text()));
        }
        let walks = guess.class.is_some_and(FaultClass::times_out) && generation.rules.ite_walk == IteWalk::Odd;
        let sides = if walks { Sides::Kept } else { Sides::Free };
        // Of what is over all is left: a pair of batches is as short as it can be.
        let reduced = |picture: &Picture| match picture.busy() {
            0 => picture.clone(),
            _ => picture.reduced(sides),
        };
        for whole in &pictures {
            let (picture, first) = (reduced(whole), whole.batches.first().map_or(0, BatchPicture::first));
            match search(generation.rules, guess, &picture, circumstances.evidence, bounds) {
                Reached::Yes(sighting) => {
                    let name = name(generation.rules, &sighting, &picture, circumstances.evidence, bounds);
                    verdict.sightings.push((*sighting, name));
                    break;
                }
                Reached::No { alike, .. } => verdict.shared = verdict.shared.max(Shared::of(&picture, first, alike)),
                Reached::Unknown(why) => verdict.unknown = verdict.unknown.take().or(Some(why)),
            }
        }
        // What needs no fault is not explained by one, unless interrupts are off, which the endless walk needs a fault for.
        if guess.class.is_none()
            && !circumstances.evidence.hard
            && verdict.sightings.iter().any(|(sighting, _)| !sighting.lock_held)
        {
            break;
        }
    }
    verdict
}

fn state(generations: &[GenerationVerdict], window: &RingWindow, circumstances: &Circumstances) -> UnitState {
    if generations.is_empty() {
        return UnitState::Idle;
    }
    let fits = fitting(generations, &circumstances.generations);
    let sightings: Vec<&Sighting> =
        fits.iter().flat_map(|verdict| verdict.telling()).map(|(sighting, _)| sighting).collect();
    let unknown = generations.iter().find_map(|verdict| verdict.unknown.clone());
    if sightings.is_empty() {
        return match unknown {
            _ if window.is_idle() => UnitState::Idle,
            Some(why) => UnitState::Unknown(why),
            None => match generations.iter().map(|verdict| verdict.shared).max() {
                Some(Shared::Before(distance)) => {
                    let first = window.busy().first().map_or(window.iqt, BatchPicture::first);
                    UnitState::Unreached(Some(Length::KERNEL.add(first, distance)))
                }
                Some(Shared::All) | None => UnitState::Unreached(None),
            },
        };
    }
    let lives = |sighting: &&Sighting| sighting.may_live;
    if sightings.iter().any(|sighting| sighting.guess.class.is_none() && lives(sighting)) {
        return UnitState::AtWork;
    }
    match (sightings.iter().any(lives), sightings.iter().any(|sighting| sighting.hang.is_some())) {
        (false, true) => UnitState::Hangs,
        (true, true) if circumstances.evidence.hangs || circumstances.evidence.still => UnitState::Hangs,
        (true, true) => UnitState::MayHang,
        (true, false) => UnitState::AfterFault,
        (false, false) => UnitState::Leaks,
    }
}
