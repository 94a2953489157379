//! Each thing that is done with a tree, one after the other.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::HumanCount;
use serde::Serialize;
use stateright_temporal::graph::Limits;
use vtd_qi::campaign::findings::{Confirmations, NEWEST, can_be_replayed, cells, violated};
use vtd_qi::campaign::matrix::{Matrix, Scope};
use vtd_qi::impl_qi::{Faults, Generation, Hardware, Length, RingCfg};
use vtd_qi::scenario::{Check, Scenario, Table};
use vtd_qi::timeline::Timeline;
use vtd_qi::verify::{Detail, PropertyReport, Verdict, Violation, verify_with};
use vtd_qi_kernel::{
    CutText, Death, FoundKind, Machine, Optimise, Program, Pulse, ROOM, Recognised, Sameness, SearchCfg, SearchFinding,
    Searched, Source, StopGrain, Strategy, compiler, confirm, cut, draw, edit, exhaustive, flags, isolated, patch,
    random, recognise, replay, search,
};
use vtd_qi_page::run::ShownRun;
use vtd_qi_terminal::{ProgressLine, complain, interrupt};

use crate::arguments::{Args, CLASSES, Grains, Part, Picks};
use crate::baseline::{patch_text, weigh};
use crate::cancelled;
use crate::plan::{CONFIRMED, Plan, cores, unreadable};
use crate::print::recognised_in_words;
use crate::report::{COMPARE, Confirmed, Exhaustive, Random, Report, Search};

/// The programs that have been compiled, by length; `None`: the tree's own.
pub struct Programs {
    cut: CutText,
    compiled: BTreeMap<(Option<u16>, bool), Program>,
}

impl Programs {
    /// What the source is called.
    pub fn name(&self) -> String {
        self.cut.from.clone()
    }

    pub fn get(&mut self, length: Length, optimise: Optimise) -> Result<&Program, String> {
        let own = (length != Length::KERNEL).then_some(length);
        self.of(own, optimise)
    }

    fn of(&mut self, length: Option<Length>, optimise: Optimise) -> Result<&Program, String> {
        match self.compiled.entry((length.map(Length::slots), optimise == Optimise::O2)) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(new) => Ok(new.insert(
                Program::compile(&self.cut, length, optimise, &mut |_| !cancelled()).map_err(|e| e.to_string())?,
            )),
        }
    }
}

/// How long C code may go without coming back.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs something in a child that may take so many bytes of memory, with a line of progress.
pub fn run<T: Serialize + serde::de::DeserializeOwned>(
    report: &mut Report,
    what: &str,
    unit: &str,
    memory: u64,
    f: impl Fn(&Pulse) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if cancelled() {
        return Ok(None);
    }
    let mut line = ProgressLine::new();
    let mut watch = |pulse: &Pulse| {
        let steps = HumanCount(pulse.steps.load(Ordering::Relaxed));
        line.show(&match pulse.silence.load(Ordering::Relaxed) {
            0 | 1 => format!("{what}: {steps} {unit}"),
            seconds => {
                format!("{what}: {steps} {unit}; the process that runs the C has not come along for {seconds} s")
            }
        });
        !cancelled()
    };
    let result = isolated(PATIENCE, memory, &mut watch, f);
    line.clear();
    match result {
        Ok(Ok(value)) => Ok(Some(value)),
        Ok(Err(error)) => Err(error),
        Err(Death::Failed(error)) => Err(error),
        Err(Death::Cancelled) => Ok(None),
        Err(death) => {
            report.deaths.push((what.to_string(), death));
            Ok(None)
        }
    }
}

/// Does what is asked for, and notes in the report what comes of it.
///
/// # Errors
/// What cannot be used or be done, in a sentence.
pub fn check(args: &Args, plan: &Plan, report: &mut Report) -> Result<(), String> {
    let (source, before) = sources(args)?;
    let cut = cut(&source).map_err(|e| e.to_string())?;
    report.tree = source.name();
    report.notes = [source.notes.clone(), cut.notes.clone()].concat();
    report.compiler = compiler().to_string_lossy().into_owned();
    report.flags = flags(Optimise::O2);
    report.cut = cut.names.clone();
    report.shimmed = cut.shimmed.clone();
    let mut programs = Programs { cut, compiled: BTreeMap::new() };

    if let Some(seed) = args.replay {
        return search_all(args, plan, &mut programs, report, Some(seed));
    }
    let wants = |part: Part| args.wants(part);
    let mut generation = None;
    if [Part::Recognise, Part::Compare, Part::Confirm].into_iter().any(wants) {
        report.recognised = recognised(&mut programs, report)?;
        generation = report.recognised.as_ref().and_then(|recognised| {
            let name = recognised.generation.as_ref().or(recognised.nearest.as_ref().map(|n| &n.generation))?;
            Generation::named(name)
        });
        if generation.is_none() && !cancelled() {
            let what = "nothing was compared and nothing confirmed: what the tree does was not found out";
            report.not_done.push(what.to_string());
        }
    }
    if let Some(generation) = generation {
        let base = RingCfg { rules: generation.rules, ..RingCfg::clone(&plan.base) };
        // Held against another, a driver of a generation that is known is compared with it too.
        let known = report.recognised.as_ref().is_some_and(|recognised| recognised.generation.is_some());
        if wants(Part::Compare) || wants(Part::Baseline) && known {
            compare_at_random(args, &base, &mut programs, report)?;
        }
        let only_probes = args.only == [Part::Recognise];
        if let Some(recognised) = report.recognised.as_ref().filter(|_| !only_probes && !args.json && !cancelled()) {
            // The rest takes minutes, and this is what is asked first.
            complain(format_args!("so far: {}", recognised_in_words(recognised, report.compared()).remove(0)));
        }
        if wants(Part::Compare) {
            compare_exhaustively(args, plan, &base, &mut programs, report)?;
        }
        if wants(Part::Confirm) {
            match &args.record {
                None => confirm_smallest(generation, plan, &mut programs, report)?,
                Some(kernel) => record(kernel, generation, plan, &mut programs, report)?,
            }
        }
    }
    if wants(Part::Search) {
        search_all(args, plan, &mut programs, report, None)?;
    }
    match before {
        Some(before) if wants(Part::Baseline) => {
            let cut = self::cut(&before).map_err(|e| e.to_string())?;
            let mut before = Programs { cut, compiled: BTreeMap::new() };
            weigh(args, plan, &mut before, &mut programs, report)
        }
        _ => Ok(()),
    }
}

/// The source that is asked about, and the one that it is held against.
fn sources(args: &Args) -> Result<(Source, Option<Source>), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let open = |place: &Path| -> Result<Source, String> {
        let source = Source::open(place, interrupt()).map_err(|e| text(&e))?;
        let source = match &args.headers {
            Some(headers) => source.with_headers(headers).map_err(|e| text(&e))?,
            None => source,
        };
        match &args.shim {
            Some(shim) => source.with_shim(shim).map_err(|e| text(&e)),
            None => Ok(source),
        }
    };
    let mut source = open(&args.linux)?;
    for &rule in &args.edit {
        source = edit(&source, rule).map_err(|e| text(&e))?;
    }
    let baseline = args.baseline.as_deref().map(open).transpose()?;
    let Some(path) = &args.patch else { return Ok((source, baseline)) };
    let patched = patch(&source, path, &patch_text(path)?).map_err(|e| text(&e))?;
    Ok((patched, baseline.or(Some(source))))
}

/// Which generation a driver is of, as far as probes tell.
///
/// # Errors
/// What cannot be compiled.
pub fn recognised(programs: &mut Programs, report: &mut Report) -> Result<Option<Recognised>, String> {
    programs.of(Length::new(8).ok(), Optimise::O2)?;
    programs.of(None, Optimise::O2)?;
    let (short, real) = (&programs.compiled[&(Some(8), true)], &programs.compiled[&(None, true)]);
    run(report, "recognise", "", ROOM, |pulse| recognise(short, Some(real), pulse).map_err(|e| e.to_string()))
}

/// Compares along random schedules, on rings of several lengths.
fn compare_at_random(args: &Args, base: &RingCfg, programs: &mut Programs, report: &mut Report) -> Result<(), String> {
    let hardware = [Hardware::in_order(2), Hardware::pipelined(4)];
    let all_faults = Faults { devices: 2, ..Faults::of(CLASSES, 3) };
    let cases = [
        (6, 2, vec![0, 1], Faults::none(), hardware[0], false),
        (8, 3, vec![0, 1, 2, 3], Faults::none(), hardware[1], true),
        (8, 3, vec![0, 1, 2], all_faults.clone(), hardware[1], false),
        (256, 3, vec![0, 1, 2], all_faults, hardware[1], true),
    ];
    const STEPS: u64 = 2_000_000;
    for (slots, submitters, counts, faults, hardware, scalable) in cases {
        let length = Length::new(slots).map_err(|e| e.to_string())?;
        let what = format!(
            "{submitters} submitters, counts {counts:?}, {slots} slots, {}{}",
            if faults.is_none() { "no faults" } else { "faults of every class" },
            if scalable { ", descriptors of 32 bytes" } else { "" }
        );
        let cfg = RingCfg { length, submitters, counts, faults, hardware, ..base.clone() };
        let cfg = cfg.validate().map_err(|e| e.to_string())?;
        let compare = |optimise, report: &mut Report, programs: &mut Programs| {
            let program = programs.get(length, optimise)?;
            run(report, &format!("{COMPARE}at random: {what}"), "steps", ROOM, |pulse| {
                random(program, &cfg, scalable, args.seed, STEPS, pulse).map_err(|e| e.to_string())
            })
        };
        let Some((tally, difference)) = compare(Optimise::O2, report, programs)? else { continue };
        let by_compiler = match &difference {
            None => None,
            Some(_) => compare(Optimise::O0, report, programs)?.map(|(_, difference)| difference.is_none()),
        };
        report.random.push(Random { what, cfg, tally, difference, by_compiler });
    }
    Ok(())
}

/// Compares on every transition: without faults, and with one of each class.
fn compare_exhaustively(
    args: &Args,
    plan: &Plan,
    base: &RingCfg,
    programs: &mut Programs,
    report: &mut Report,
) -> Result<(), String> {
    report.left_out = plan.left_out.clone();
    for faults in plan.compared.iter().cloned() {
        let fault =
            faults.classes.first().map_or("no faults".to_string(), |class| format!("one fault: {}", class.name()));
        let what = format!("{} submitters, counts {:?}, {} slots, {fault}", base.submitters, base.counts, args.ring);
        let cfg = RingCfg { faults, ..base.clone() }.validate().map_err(|e| e.to_string())?;
        let compare = |optimise, report: &mut Report, programs: &mut Programs| {
            let program = programs.get(cfg.length, optimise)?;
            run(report, &format!("{COMPARE}every transition: {what}"), "transitions", plan.room, |pulse| {
                let beat = |states: usize, _: usize| {
                    pulse.beats.fetch_add(1, Ordering::Relaxed);
                    pulse.steps.store(states as u64, Ordering::Relaxed);
                };
                let limits = Limits {
                    max_states: args.max_states as usize,
                    memory: Some(&plan.memory),
                    cancel: Some(&pulse.stop),
                    progress: Some(&beat),
                    ..Limits::default()
                };
                let until = Instant::now() + Duration::from_secs(args.exhaustive_seconds);
                exhaustive(program, &cfg, limits, until, pulse).map_err(|e| e.to_string())
            })
        };
        let Some(covered) = compare(Optimise::O2, report, programs)? else { continue };
        let mut by_compiler = None;
        if covered.verdict == Sameness::Differs {
            // A comparison that was cut does not tell.
            let again = compare(Optimise::O0, report, programs)?.filter(|again| again.verdict != Sameness::Unknown);
            by_compiler = again.map(|again| again.verdict == Sameness::Same);
        }
        report.exhaustive.push(Exhaustive { what, cfg, covered, by_compiler });
    }
    Ok(())
}

/// Replays every counterexample that the table's scenarios and the matrix's smallest cells of a generation have.
fn confirm_smallest(
    generation: &Generation,
    plan: &Plan,
    programs: &mut Programs,
    report: &mut Report,
) -> Result<(), String> {
    let (table, matrix) = (Table::embedded(), Matrix::embedded());
    let cells = matrix.cells(Scope::Quick).filter(|cell| cell.is_smallest()).map(|cell| &cell.scenario);
    let scenarios: Vec<Scenario> = table
        .scenarios
        .iter()
        .chain(cells)
        .filter(|s| s.generation == generation.name && s.cfg.rules == generation.rules)
        .filter(|s| s.expected.values().any(|expected| expected.violated))
        .cloned()
        .collect();
    confirm_all(&scenarios, Detail::Verdicts, plan, programs, report, |_, _, _, _| Ok(()))
}

/// Replays the shortest run of every property that some cell of the newest generation violates, and notes what is confirmed.
///
/// What a kernel of that name was said to confirm before and does not now is taken back.
fn record(
    kernel: &str,
    generation: &Generation,
    plan: &Plan,
    programs: &mut Programs,
    report: &mut Report,
) -> Result<(), String> {
    let recognised = report.recognised.as_ref().and_then(|recognised| recognised.generation.as_deref());
    if recognised != Some(NEWEST) {
        let what = recognised.map_or(format!("not recognised, though nearest to {}", generation.name), str::to_string);
        return Err(format!("this tree is {what}, but what --record notes is about {NEWEST}"));
    }
    let file = Path::new(CONFIRMED);
    let mut confirmed = Confirmations::read(file).map_err(unreadable)?;
    let matrix = Matrix::embedded();
    let scenarios: Vec<Scenario> = cells(&matrix).map(violated).collect();
    confirm_all(&scenarios, Detail::Readable, plan, programs, report, |scenario, check, run, is_confirmed| {
        match is_confirmed {
            true => confirmed.add(&scenario.name, check.name(), run, kernel),
            false => confirmed.remove(&scenario.name, check.name(), kernel),
        }
        confirmed.write(file).map_err(unreadable)
    })
}

/// Replays every counterexample of some scenarios, and calls `done` with each and whether it is confirmed.
fn confirm_all(
    scenarios: &[Scenario],
    detail: Detail,
    plan: &Plan,
    programs: &mut Programs,
    report: &mut Report,
    mut done: impl FnMut(&Scenario, Check, &Violation, bool) -> Result<(), String>,
) -> Result<(), String> {
    let mut line = ProgressLine::new();
    let possible: Vec<&Scenario> = scenarios.iter().filter(|scenario| can_be_replayed(scenario)).collect();
    for (i, scenario) in possible.iter().enumerate() {
        if cancelled() {
            return Ok(());
        }
        line.show(&format!("confirm: {} of {} scenarios done; {}", i, possible.len(), scenario.name));
        let limits =
            Limits { threads: cores(), memory: Some(&plan.memory), cancel: Some(interrupt()), ..Limits::default() };
        let checked = verify_with(scenario, limits, detail);
        let unknown = |outcome: &&PropertyReport| {
            outcome.verdict == Verdict::Unknown && outcome.expected == Some(Verdict::Violated) && !cancelled()
        };
        for outcome in checked.properties.iter().filter(unknown) {
            let detail = outcome.detail.as_deref().unwrap_or("the search was cut");
            let (scenario, property) = (&scenario.name, outcome.check.name());
            report.not_done.push(format!("{scenario} {property}: whether it is violated is unknown: {detail}"));
        }
        for outcome in checked.properties.iter().filter(|outcome| outcome.verdict == Verdict::Violated) {
            let Some(violation) = &outcome.counterexample else { continue };
            let program = programs.get(scenario.cfg.length, Optimise::O2)?;
            let what = format!("confirm {} {}", scenario.name, outcome.check.name());
            let confirmation = run(report, &what, "steps", ROOM, |pulse| {
                confirm(program, &scenario.cfg, &violation.actions, violation.repeating, pulse)
                    .map_err(|e| e.to_string())
            })?;
            let Some(confirmation) = confirmation else { continue };
            done(scenario, outcome.check, violation, confirmation.confirmed)?;
            let run = if plan.shows_runs { ShownRun::of(scenario, outcome) } else { None };
            let (scenario, property) = (scenario.name.clone(), outcome.check.name());
            report.confirmations.push(Confirmed { scenario, property, confirmation, run });
        }
    }
    line.clear();
    Ok(())
}

fn search_all(
    args: &Args,
    plan: &Plan,
    programs: &mut Programs,
    report: &mut Report,
    seed: Option<u64>,
) -> Result<(), String> {
    let strategies = match args.strategy {
        Some(Picks::Random) => vec![Strategy::Random],
        Some(Picks::Pct) => vec![Strategy::Pct { changes: 3 }],
        None => vec![Strategy::Random, Strategy::Pct { changes: 3 }],
    };
    let grains = match args.grain {
        Some(Grains::Every) => vec![StopGrain::Every],
        Some(Grains::Visible) => vec![StopGrain::Visible],
        Some(Grains::Coarse) => vec![StopGrain::Coarse],
        None => vec![StopGrain::Every, StopGrain::Coarse],
    };
    let program = programs.get(plan.base.length, Optimise::O2)?;
    for cfg in &plan.searched {
        let faults = &cfg.faults;
        for &strategy in &strategies {
            for &grain in &grains {
                if cancelled() {
                    return Ok(());
                }
                let names: Vec<&str> = faults.classes.iter().map(|class| class.name()).collect();
                let what = format!(
                    "{}, {}, {}",
                    match strategy {
                        Strategy::Random => "random",
                        Strategy::Pct { .. } => "PCT",
                    },
                    match grain {
                        StopGrain::Every => "every access",
                        StopGrain::Visible => "visible accesses",
                        StopGrain::Coarse => "lock, registers, relaxing",
                    },
                    if names.is_empty() {
                        "no faults".to_string()
                    } else {
                        format!("one fault: {}", names.join(" or "))
                    }
                );
                one_search(args, program, &SearchCfg::of(cfg, strategy), grain, what, report, seed)?;
            }
        }
    }
    Ok(())
}

/// One way of searching, or one seed of it again.
fn one_search(
    args: &Args,
    program: &Program,
    cfg: &SearchCfg,
    grain: StopGrain,
    what: String,
    report: &mut Report,
    seed: Option<u64>,
) -> Result<(), String> {
    let before = report.deaths.len();
    let length = Duration::from_secs(args.seconds);
    let searched = run(report, &format!("search: {what}"), "steps", ROOM, |pulse| {
        let mut machine = Machine::new(program, cfg.submitters, grain, false).map_err(|e| e.to_string())?;
        let started = Instant::now();
        Ok(match seed {
            None => search(&mut machine, cfg, args.seed, pulse, |so_far| {
                so_far.runs % 16 == 0 && started.elapsed() >= length && so_far.runs > 0
            }),
            Some(seed) => {
                pulse.seed.store(seed, Ordering::Relaxed);
                let findings: Vec<SearchFinding> = replay(&mut machine, cfg, seed).into_iter().collect();
                Searched { runs: 1, hits: findings.len() as u64, findings, ..Searched::default() }
            }
        })
    })?;
    let Some(mut searched) = searched else {
        // It died: the seed that it was at is run again, and each step written down before it is made.
        if let Some((_, death)) = report.deaths.get(before).cloned() {
            let Some(seed) = death.by_the_code() else { return Ok(()) };
            let timeline = last_steps(program, cfg, grain, seed)?;
            let death = death.to_string();
            let finding = SearchFinding { found: FoundKind::Crash, detail: death, seed, ..SearchFinding::blank() };
            let searched = Searched { runs: 1, hits: 1, findings: vec![finding], ..Searched::default() };
            report.searches.push(Search { what, searched, timelines: vec![Some(timeline)] });
        }
        return Ok(());
    };
    let mut timelines = Vec::new();
    for finding in &mut searched.findings {
        let drawn = run(report, "draw", "", ROOM, |_| {
            let mut machine = Machine::new(program, cfg.submitters, grain, false).map_err(|e| e.to_string())?;
            Ok(draw(&mut machine, cfg, &finding.schedule))
        })?;
        timelines.push(drawn);
    }
    report.searches.push(Search { what, searched, timelines });
    Ok(())
}

/// The last steps of a run that kills its process.
fn last_steps(program: &Program, cfg: &SearchCfg, grain: StopGrain, seed: u64) -> Result<Timeline, String> {
    vtd_qi_kernel::last_steps(program, cfg, grain, seed, 40).map_err(|e| e.to_string())
}
