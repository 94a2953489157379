//! `--html FILE`: the diagnosis as a page, with the model's shortest run to each bug that was named.

use std::io::Result;

use vtd_qi::scenario::Table;
use vtd_qi::temporal::graph::Limits;
use vtd_qi::temporal::memory::Memory;
use vtd_qi::verify::Verdict;
use vtd_qi_diagnose::diagnosis::{Diagnosis, wrong_in};
use vtd_qi_diagnose::material::Material;
use vtd_qi_diagnose::qemu::JudgedLife;
use vtd_qi_diagnose::report::{bugs, verdict};
use vtd_qi_diagnose::unit::{JudgedUnit, UnitState};
use vtd_qi_page::about::About;
use vtd_qi_page::report::{ReportData, ReportPart, ScenarioData};
use vtd_qi_page::run::{ShownRun, shown_runs};
use vtd_qi_subject::named;
use vtd_qi_terminal::interrupt;
use vtd_qi_terminal::style::{PIPED, plain};

use crate::print;

/// The page of a diagnosis; `memory` is what looking for runs may take.
pub fn page(materials: &[Material], diagnosis: &Diagnosis, interrupted: bool, memory: usize) -> Result<String> {
    let about = About { interrupted, ..About::of("diagnose", "findings", "diagnose FILE --html FILE") };
    let mut parts = Vec::new();
    for unit in &diagnosis.units {
        parts.push(of_unit(unit, memory)?);
    }
    for (file, judged) in &diagnosis.qemu {
        match judged {
            Err(why) => parts.push(told(file, &format!("{file}: {why}"), Verdict::Unknown, String::new())),
            Ok(lives) => parts.extend(lives.iter().map(|life| of_life(file, life, memory))),
        }
    }
    parts.extend(of_log(diagnosis)?);
    for material in materials.iter().filter(|material| material.trace.says_something()) {
        parts.push(of_calls(material)?);
    }
    let wrong = parts.iter().filter(|part| part.data.verdict != Verdict::Holds).count();
    let sentence = match &parts[..] {
        [] => "Nothing was judged.".to_string(),
        [part] => part.data.sentence.clone(),
        parts => format!("Of {} things that were judged, {wrong} are wrong or not decided.", parts.len()),
    };
    Ok(ReportData::of_parts(about, sentence, parts).html())
}

/// Something that no run of the model shows.
fn told(name: &str, sentence: &str, verdict: Verdict, drawing: String) -> ReportPart {
    let drawings = Some(drawing).filter(|drawing| !drawing.is_empty()).into_iter().collect();
    ReportPart { data: ScenarioData { drawings, ..ScenarioData::told(name, sentence, verdict) }, runs: Vec::new() }
}

/// What is printed, without styles.
fn drawn(print: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<String> {
    let mut text = Vec::new();
    print(&mut text)?;
    Ok(plain(&String::from_utf8_lossy(&text)).trim_start().to_string())
}

fn of_unit(unit: &JudgedUnit, memory: usize) -> Result<ReportPart> {
    let word = match &unit.state {
        state if state.is_healthy() => Verdict::Holds,
        UnitState::Unknown(_) | UnitState::MayHang => Verdict::Unknown,
        _ => Verdict::Violated,
    };
    let ring = drawn(|out| print::ring(out, unit, PIPED))?;
    let part = told(&unit.unit, &format!("{}: {}", unit.unit, verdict(unit)), word, ring);
    let shown_by = bugs(unit).iter().filter_map(|bug| bug.shown_by()).collect::<Vec<_>>();
    Ok(ReportPart { runs: shown_by.iter().flat_map(|name| shortest(name, memory)).collect(), ..part })
}

fn of_life(file: &str, life: &JudgedLife, memory: usize) -> ReportPart {
    let word = if life.is_fine() { Verdict::Holds } else { Verdict::Violated };
    let name = format!("{file}, queue set up at line {}", life.life.line);
    let part = told(&name, &format!("{name}: {}", life.verdict()), word, String::new());
    ReportPart { runs: life.shown_by().map_or(Vec::new(), |name| shortest(&name, memory)), ..part }
}

/// What the kernel said, if it said something.
fn of_log(diagnosis: &Diagnosis) -> Result<Option<ReportPart>> {
    let log = &diagnosis.log;
    if !log.says_something() {
        return Ok(None);
    }
    let bad = !log.faults.is_empty() || log.in_driver().next().is_some();
    let sentence = match &diagnosis.patterns[..] {
        [] if !bad => "the kernel's log has no fault of the queue, and no lockup in qi_submit_sync".to_string(),
        [] => format!("the kernel's log has {} fault(s) and {} lockup(s)", log.faults.len(), log.lockups.len()),
        patterns => {
            let told =
                patterns.iter().map(|pattern| format!("{}: {}. Do: {}", pattern.what, pattern.means, pattern.advice));
            told.collect::<Vec<_>>().join(". ")
        }
    };
    let listed = match log.faults.is_empty() && log.lockups.is_empty() {
        true => String::new(),
        false => drawn(|out| print::faults(out, log, PIPED))?,
    };
    let word = if bad { Verdict::Violated } else { Verdict::Holds };
    Ok(Some(told("the kernel's log", &sentence, word, listed)))
}

fn of_calls(material: &Material) -> Result<ReportPart> {
    let wrong = wrong_in(&material.trace);
    let (sentence, word) = match &wrong[..] {
        [] => (format!("{} call(s) returned", material.trace.returned()), Verdict::Holds),
        wrong => (wrong.join(". "), Verdict::Violated),
    };
    let listed = drawn(|out| print::calls(out, material, PIPED))?;
    Ok(told(&material.name, &format!("{}: {sentence}", material.name), word, listed))
}

/// The runs of the model that show what a scenario or cell is about.
fn shortest(name: &str, memory: usize) -> Vec<ShownRun> {
    let memory = Memory::of(memory);
    let limits = Limits { memory: Some(&memory), cancel: Some(interrupt()), ..Limits::default() };
    shown_runs(&named(&Table::embedded(), name).expect("a known bug has a scenario, as tests say"), limits)
}
