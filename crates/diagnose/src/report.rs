//! A diagnosis as plain data, for `diagnose --json`.
//!
//! Names of fields are the document's; a field that is null is not known or does not apply.

use serde::Serialize;
use vtd_qi::campaign::hangs::HangKind;

use crate::diagnosis::{Diagnosis, wrong_in};
use crate::dmesg::{ReportedFault, ReportedLockup};
use crate::ftrace::TracedCall;
use crate::material::Material;
use crate::naming::KnownBug;
use crate::patterns::KnownPattern;
use crate::unit::{GenerationVerdict, JudgedUnit, UnitState};
use crate::window::RingWindow;

/// The document.
#[derive(Clone, Debug, Serialize)]
pub struct DiagnosisData {
    /// Whether nothing wrong was found.
    pub healthy: bool,
    /// The files, each with what it holds.
    pub files: Vec<FileData>,
    /// The kernel's release, and the generations of the driver that it may have.
    pub kernel: Option<(String, Vec<&'static str>)>,
    /// The units whose rings were dumped.
    pub units: Vec<UnitData>,
    /// The faults that were reported, in order.
    pub faults: Vec<ReportedFault>,
    /// The lockups that were reported, in order.
    pub lockups: Vec<ReportedLockup>,
    /// Known patterns in faults and lockups.
    pub patterns: Vec<KnownPattern>,
    /// The lives of queues in QEMU logs.
    pub lives: Vec<LifeData>,
}

/// A life of a queue in a QEMU log.
#[derive(Clone, Debug, Serialize)]
pub struct LifeData {
    /// The file.
    pub file: String,
    /// The line at which the queue is set up; null if the log cannot be judged.
    pub line: Option<u64>,
    /// Whether some generation explains it without a broken promise and without a hang.
    pub fine: bool,
    /// What it comes to, in a sentence; or why it cannot be judged.
    pub verdict: String,
}

impl LifeData {
    fn of(diagnosis: &Diagnosis) -> Vec<LifeData> {
        let mut lives = Vec::new();
        for (file, judged) in &diagnosis.qemu {
            match judged {
                Err(why) => lives.push(LifeData { file: file.clone(), line: None, fine: false, verdict: why.clone() }),
                Ok(judged) => lives.extend(judged.iter().map(|life| LifeData {
                    file: file.clone(),
                    line: Some(life.life.line),
                    fine: life.is_fine(),
                    verdict: life.verdict(),
                })),
            }
        }
        lives
    }
}

/// A file.
#[derive(Clone, Debug, Serialize)]
pub struct FileData {
    /// Its name.
    pub file: String,
    /// The file given before that has the same text, so that this one does not count; null if there is none.
    pub same_as: Option<String>,
    /// What it holds, in words.
    pub holds: Vec<String>,
    /// What is wrong in its trace of calls, each in a sentence.
    pub wrong_calls: Vec<String>,
    /// The calls that had not returned when its trace ended.
    pub open_calls: Vec<TracedCall>,
}

/// A unit.
#[derive(Clone, Debug, Serialize)]
pub struct UnitData {
    /// Its name.
    pub unit: String,
    /// `idle`, `at-work`; `hangs`, `may-hang`, `after-fault`, `leaks`, `impossible`, `unreached`; `unknown`.
    pub state: &'static str,
    /// The verdict in a sentence.
    pub verdict: String,
    /// The bugs that explain it, likeliest first.
    pub bugs: Vec<KnownBug>,
    /// The ring: null if no driver can have left it behind.
    pub ring: Option<RingData>,
    /// What each generation says.
    pub generations: Vec<GenerationData>,
}

/// A ring, with what is inferred of the private fields.
#[derive(Clone, Debug, Serialize)]
pub struct RingData {
    /// IQH.
    pub iqh: u8,
    /// IQT.
    pub iqt: u8,
    /// Inferred: IQT at rest.
    pub free_head: u8,
    /// Inferred: the oldest slot that is not free.
    pub free_tail: u8,
    /// Inferred from the two.
    pub free_cnt: u16,
    /// The batches from the oldest that is not over.
    pub batches: Vec<BatchData>,
}

/// A batch.
#[derive(Clone, Debug, Serialize)]
pub struct BatchData {
    /// Its first slot.
    pub first: u8,
    /// The statuses of its slots, a letter each: `.` FREE, `u` IN_USE, `D` DONE, `A` ABORT.
    pub statuses: String,
    /// Whether hardware has fetched all of it.
    pub fetched: bool,
}

/// What a generation says of a ring.
#[derive(Clone, Debug, Serialize)]
pub struct GenerationData {
    /// Its name.
    pub generation: &'static str,
    /// `yes`, `no`, `for moments` (microseconds, with the lock held), or why it is not known.
    pub reached: String,
    /// How it comes to it.
    pub ways: Vec<WayData>,
}

/// A way to a state.
#[derive(Clone, Debug, Serialize)]
pub struct WayData {
    /// What has gone wrong with hardware.
    pub fault: String,
    /// How a call hangs; null: none does.
    pub hang: Option<HangKind>,
    /// Whether in some state that looks like this no call hangs and no slot is lost.
    pub may_live: bool,
    /// Whether somebody holds the lock in all of them.
    pub lock_held: bool,
    /// The bug that it is.
    pub bug: Option<KnownBug>,
    /// A shortest run of the model to such a state.
    pub run: Vec<String>,
}

impl DiagnosisData {
    /// The data of a diagnosis.
    pub fn of(materials: &[Material], diagnosis: &Diagnosis) -> DiagnosisData {
        let kernel = diagnosis.log.kernel.as_ref();
        DiagnosisData {
            healthy: is_healthy(materials, diagnosis),
            files: materials.iter().map(|material| FileData::of(material, materials)).collect(),
            kernel: kernel.map(|kernel| (kernel.release.clone(), kernel.generations.to_vec())),
            units: diagnosis.units.iter().map(UnitData::of).collect(),
            faults: diagnosis.log.faults.clone(),
            lockups: diagnosis.log.lockups.clone(),
            patterns: diagnosis.patterns.clone(),
            lives: LifeData::of(diagnosis),
        }
    }
}

/// Whether nothing wrong was found.
pub fn is_healthy(materials: &[Material], diagnosis: &Diagnosis) -> bool {
    diagnosis.units.iter().all(|unit| unit.state.is_healthy())
        && LifeData::of(diagnosis).iter().all(|life| life.fine)
        && diagnosis.log.faults.is_empty()
        && diagnosis.log.in_driver().next().is_none()
        && materials.iter().all(|material| wrong_in(&material.trace).is_empty())
}

impl FileData {
    fn of(material: &Material, all: &[Material]) -> FileData {
        FileData {
            file: material.name.clone(),
            same_as: material.first_alike(all).map(|first| first.name.clone()),
            holds: material.kinds(),
            wrong_calls: wrong_in(&material.trace),
            open_calls: material.trace.open().cloned().collect(),
        }
    }
}

impl UnitData {
    fn of(judged: &JudgedUnit) -> UnitData {
        let ring = judged.window.as_ref().map(|window| RingData {
            iqh: window.iqh,
            iqt: window.iqt,
            free_head: window.iqt,
            free_tail: window.free_tail,
            free_cnt: window.free_cnt,
            batches: window
                .busy()
                .iter()
                .map(|batch| BatchData {
                    first: batch.first(),
                    statuses: batch.0.iter().map(|slot| slot.status.letter()).collect(),
                    fetched: batch.0.iter().all(|slot| slot.fetched),
                })
                .collect(),
        });
        let idle = judged.window.as_ref().is_some_and(RingWindow::is_idle);
        UnitData {
            unit: judged.unit.clone(),
            state: judged.state.word(),
            verdict: verdict(judged),
            bugs: bugs(judged),
            ring,
            generations: judged.generations.iter().map(|verdict| GenerationData::of(verdict, idle)).collect(),
        }
    }
}

impl GenerationData {
    fn of(verdict: &GenerationVerdict, idle: bool) -> GenerationData {
        let way = |(sighting, bug): &(crate::judge::Sighting, Option<KnownBug>)| WayData {
            fault: sighting.guess.text(),
            hang: sighting.hang,
            may_live: sighting.may_live,
            lock_held: sighting.lock_held,
            bug: bug.clone(),
            run: sighting.run.rows.iter().map(|row| step(row.submitter, &row.text)).collect(),
        };
        let reached = match (verdict.fits(), &verdict.unknown) {
            (true, _) => "yes".to_string(),
            _ if !verdict.sightings.is_empty() => "for moments".to_string(),
            (false, None) if idle => "not with the batches that the ring still shows".to_string(),
            (false, None) => "no".to_string(),
            (false, Some(why)) => why.clone(),
        };
        GenerationData {
            generation: verdict.generation.name,
            reached,
            ways: verdict.sightings.iter().map(way).collect(),
        }
    }
}

fn step(submitter: Option<usize>, text: &str) -> String {
    match submitter {
        Some(t) => format!("T{}: {text}", t + 1),
        None => format!("hardware: {text}"),
    }
}

/// The bugs that explain a unit's state, the published ones first, in the generations that its kernel may have.
pub fn bugs(judged: &JudgedUnit) -> Vec<KnownBug> {
    let mut bugs: Vec<KnownBug> =
        judged.fitting().iter().flat_map(|verdict| verdict.telling()).filter_map(|(_, bug)| bug.clone()).collect();
    bugs.sort();
    bugs.dedup();
    bugs
}

/// What a unit's ring comes to, in one sentence.
pub fn verdict(judged: &JudgedUnit) -> String {
    let (number, of) = judged.reading;
    let sentence = verdict_of_reading(judged);
    match number == of {
        true => sentence,
        false => format!(
            "{sentence}; this is reading {number} of {of}, and such a state does not go away, as it has in the last one: they are not in \
             order, or are of several boots or machines"
        ),
    }
}

fn verdict_of_reading(judged: &JudgedUnit) -> String {
    let names: Vec<&str> = judged.fitting().iter().map(|verdict| verdict.generation.name).collect();
    let busy = judged.window.as_ref().map_or(0, |window| window.busy().iter().filter(|batch| !batch.is_over()).count());
    let bugs: Vec<String> = bugs(judged).iter().map(KnownBug::name).collect();
    let which = match &bugs[..] {
        [] => String::new(),
        [one] => format!(": {one}"),
        several => format!(": {}", several.join(", or ")),
    };
    let fit = match &names[..] {
        [] => String::new(),
        [one] => format!(", in generation {one}"),
        several => format!("; {} generations fit: {}", several.len(), several.join(", ")),
    };
    let own = |name: &&str| judged.kernel.contains(name);
    let fit = match judged.kernel.is_empty() || names.is_empty() || names.iter().any(own) {
        true => fit,
        false => format!("{fit}; the kernel, {} by its version, is not among them", judged.kernel.join(" or ")),
    };
    match &judged.state {
        UnitState::Idle if !judged.generations.is_empty() => {
            "every slot is free, and with the batches that the ring still shows no search has found a call that hangs so; a DONE that was \
             taken away (the bug of 2024, in g3 and g3t) leaves such a ring behind too, once those batches are written over"
                .to_string()
        }
        UnitState::Idle => "healthy: nothing is outstanding, every slot is free".to_string(),
        UnitState::AtWork => format!("healthy: at work, {busy} batch(es) outstanding, each of which can still come to its end"),
        UnitState::AfterFault if bugs.is_empty() => format!("a fault has occurred, and each call can still return{fit}"),
        UnitState::AfterFault => {
            format!("a fault has occurred; either a call is still on its way, or slots are lost{which}{fit}")
        }
        UnitState::Hangs => format!("hangs{which}{fit}"),
        UnitState::MayHang => format!("either in the middle of a fault's handling or hung{which}{fit}"),
        UnitState::Leaks => format!("slots are lost, though nothing is going on{which}{fit}"),
        UnitState::Impossible(why) => format!("no driver that is modelled leaves this behind: {why}"),
        UnitState::Unreached(Some(slot)) => {
            format!("no generation comes to this state; slot {slot} is the first that no run shares")
        }
        UnitState::Unreached(None) => {
            "no generation comes to this state: some run shares all of its slots, but not what is known beside them, that a call hangs or \
             that nothing moves"
                .to_string()
        }
        UnitState::Unknown(why) => format!("not decided: {why}"),
    }
}
