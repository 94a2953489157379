//! Checks the scenario table, or a configuration of one's own, and prints verdicts and counterexamples.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::{Parser, ValueEnum};
use comfy_table::{presets, CellAlignment, Table as Grid};
use indicatif::HumanCount;
use serde::de::DeserializeOwned;
use vtd_qi::impl_qi::{
    AfterIte, FaultCheck, FaultClass, Faults, Handout, Hardware, Itesid, Length, Lock, RingCfg, Slots,
};
use vtd_qi::matrix::Matrix;
use vtd_qi::scenario::{rules, Check, HardwareKind, Scenario, Table};
use vtd_qi::spec::MAX_COUNT;
use vtd_qi::verify::{Detail, Outcome, Report, Verdict};
use vtd_qi_terminal::{arguments, interrupt, Exit, Failure, Output};
use vtd_qi_twin::timeline_of_trace;

use pool::{run_all, How};

mod findings;
mod matrix;
mod mutants;
mod pool;

/// Check the model of VT-d queued invalidation: safety, refinement, liveness under fairness.

#[derive(Parser)]
#[command(after_help = "\
Examples:
  check                                   the whole table
  check g3-c01                            one family: the 2024 lockup, its timeline
  check --faults                          every generation under every class of faults
  check --faults g5plus --full            a part of it, searched as far as 20 million states
  check g5-lost-answer-in-order-drop-2x4  one cell of it, its timelines
  check --mutants                         what notices an altered rule, fairness or hardware
  check --list                            what there is
  check --generation g3 --submitters 2 --counts 0,1 --ring 8 --lock fifo
  check g3-c01-2x4 --from-tlc trace.json  execute and draw what TLC wrote with -dumpTrace json
  check --generation g5 --fault lost-answer --hardware pipelined --depth 4 --slots fair
  check --generation g4 --rule reclaim=while-free --submitters 2 --counts 0,1 --ring 4

Exit code: 0 everything decided and as expected (a configuration of one's own: decided),
1 not as expected or unknown, 2 unusable arguments, 130 interrupted.")]
struct Args {
    /// Scenarios or families to check, with --faults cells of the matrix or the beginnings of their names; all if none is named
    #[arg(value_name = "NAME", conflicts_with = "generation")]
    names: Vec<String>,
    /// The verdict matrix: every generation under every class of faults
    #[arg(long, conflicts_with_all = ["generation", "scenarios", "from_tlc"])]
    faults: bool,
    /// With --faults: search further; the larger sizes too, two faults, two devices. Finished cells are kept and taken up again
    #[arg(long, requires = "faults")]
    full: bool,
    /// With --faults: keep finished cells in this file and do not check them again; with --full vtd-qi-faults.jsonl if left out
    #[arg(long, value_name = "FILE", requires = "faults")]
    keep: Option<PathBuf>,
    /// Mutants: rules, fairness and hardware altered one at a time, and which property notices
    #[arg(long, conflicts_with_all = ["names", "generation", "scenarios", "from_tlc", "faults"])]
    mutants: bool,
    /// Print docs/findings.md, what the newest driver does under faults, or the list of its cells, each cell of it; all is found anew
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, default_missing_value = "summary", conflicts_with_all = ["names", "generation", "scenarios", "from_tlc", "faults", "mutants", "json"])]
    findings: Option<findings::Wanted>,
    /// List the scenarios and the properties instead of checking
    #[arg(long)]
    list: bool,
    /// Read the scenario table from a file instead of the embedded one
    #[arg(long, value_name = "FILE")]
    scenarios: Option<PathBuf>,
    /// Check a configuration of one's own: its generation
    #[arg(long, value_name = "NAME")]
    generation: Option<String>,
    /// Replace a rule of the generation: room, room-wait, layout, id-status, publish, poll, mark, reclaim, clean-up, ite-walk,
    /// time-out, ite-clear, straddler, iqe-at, iqe-patch, iqe-return or presence; a wrong value is answered with the right ones
    #[arg(long = "rule", value_name = "RULE=VALUE", requires = "generation")]
    rules: Vec<String>,
    /// Number of submitters, 1 to 8
    #[arg(long, default_value_t = 2, requires = "generation")]
    submitters: usize,
    /// Numbers of IDs that a call may bring
    #[arg(long, value_delimiter = ',', default_value = "0,1", requires = "generation")]
    counts: Vec<u64>,
    /// QI_LENGTH, even, 4 to 256; the smallest that serves the counts if left out
    #[arg(long, requires = "generation")]
    ring: Option<u64>,
    /// The lock: strong-fair or fifo
    #[arg(long, value_parser = word::<Lock>, default_value = "strong-fair", requires = "generation")]
    lock: Lock,
    /// How fetched descriptors act: in-order or pipelined
    #[arg(long, value_parser = word::<HardwareKind>, default_value = "in-order", requires = "generation")]
    hardware: HardwareKind,
    /// How many descriptors the hardware fetches ahead, 1 to 4
    #[arg(long, default_value_t = 2, requires = "generation")]
    depth: u8,
    /// Whether a call that waits for slots is promised any: unfair or fair
    #[arg(long, value_parser = word::<Slots>, default_value = "unfair", requires = "generation")]
    slots: Slots,
    /// Which slots a post may hand out: as-driver or not-while-owner-waits
    #[arg(long, value_parser = word::<Handout>, default_value = "as-driver", requires = "generation")]
    handout: Handout,
    /// Faults that may occur: invalid-id, lost-answer, ice, device-gone, invalid-wd
    #[arg(long, value_name = "CLASS", value_delimiter = ',', value_parser = word::<FaultClass>, requires = "generation")]
    fault: Vec<FaultClass>,
    /// How many faults may be injected, 1 to 15
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=15), requires = "fault")]
    bound: u8,
    /// How many devices IDs may address, up to 2; 1 where one is to fail if left out
    #[arg(long, value_name = "N", requires = "fault")]
    devices: Option<u8>,
    /// What IQER says of a time-out: named or zero
    #[arg(long, value_parser = word::<Itesid>, default_value = "named", requires = "fault")]
    itesid: Itesid,
    /// What becomes of fetched work after an ITE: drop, ids-run or wds-run
    #[arg(long, value_parser = word::<AfterIte>, default_value = "drop", requires = "fault")]
    after_ite: AfterIte,
    /// Where the fault check is modelled: where-faults-occur or always
    #[arg(long, value_parser = word::<FaultCheck>, default_value = "where-faults-occur", requires = "generation")]
    fault_check: FaultCheck,
    /// Properties to check of it; all if none is named
    #[arg(long = "property", value_name = "NAME", requires = "generation")]
    properties: Vec<String>,
    /// Execute an error trace of TLC (`-dumpTrace json FILE`) on the ring of the one named scenario or configuration, and draw it
    #[arg(long, value_name = "FILE")]
    from_tlc: Option<PathBuf>,
    /// Which counterexamples to draw
    #[arg(long, value_enum, default_value = "liveness-and-refinement")]
    timelines: Timelines,
    /// Give a scenario up when it has more states than this; as many as fit into about 8 GB if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_states: Option<u32>,
    /// Worker threads; as many as there are cores if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Print the results as JSON, and nothing else, on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Timelines {
    None,
    LivenessAndRefinement,
    All,
}

/// A word as the scenario table spells it.
fn word<T: DeserializeOwned>(word: &str) -> Result<T, String> {
    serde_json::from_value(word.into()).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    let Some(args) = arguments::<Args>(out)? else { return Ok(Exit::Success) };
    let scenarios = chosen(&args).map_err(Failure::Unusable)?;
    if args.list {
        return list(out, &scenarios);
    }
    if let Some(file) = &args.from_tlc {
        return from_tlc(out, file, &scenarios);
    }
    let cancel = interrupt();
    let how = How { threads: args.threads, max_states: args.max_states, detail: Detail::Readable };
    if let Some(wanted) = args.findings {
        return findings::run(out, wanted, how, cancel);
    }
    if args.mutants {
        return mutants::run(out, args.json, how, cancel);
    }
    if args.faults {
        return matrix::run(out, &args, how, cancel);
    }
    let reports = run_all(&scenarios, how, cancel, |_, _| ());
    match args.json {
        true => print_json(out, &reports)?,
        false => print_all(out, &scenarios, &reports, &args)?,
    }
    if cancel.load(Ordering::Relaxed) {
        return Ok(Exit::Interrupted);
    }
    let own = args.generation.is_some();
    Ok(Exit::success_if(reports.iter().all(|report| if own { report.is_decided() } else { report.as_expected() })))
}

/// The scenarios that the arguments name.
fn chosen(args: &Args) -> Result<Vec<Scenario>, String> {
    if let Some(generation) = &args.generation {
        return own(args, generation).map(|scenario| vec![scenario]);
    }
    let table = match &args.scenarios {
        None => Table::embedded(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
            Table::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?
        }
    };
    if args.names.is_empty() || args.faults {
        return Ok(table.scenarios);
    }
    let mut scenarios: Vec<Scenario> = Vec::new();
    let matrix = Matrix::embedded();
    for name in &args.names {
        let mut selected = table.select(name);
        selected.extend(matrix.select(name).into_iter().map(|cell| &cell.scenario));
        if selected.is_empty() {
            return Err(format!(
                "there is no scenario or family {name:?}; --list shows the {} there are",
                table.scenarios.len()
            ));
        }
        for scenario in selected {
            if scenarios.iter().all(|known| known.name != scenario.name) {
                scenarios.push(scenario.clone());
            }
        }
    }
    Ok(scenarios)
}

/// The configuration that the options describe.
fn own(args: &Args, generation: &str) -> Result<Scenario, String> {
    let mut changes = BTreeMap::new();
    for change in &args.rules {
        let (rule, value) =
            change.split_once('=').ok_or_else(|| format!("--rule {change:?} is not of the form RULE=VALUE"))?;
        changes.insert(rule.to_string(), value.to_string());
    }
    let (generation, rules) = rules(generation, &changes)?;
    let known = || Check::all().map(Check::name).collect::<Vec<_>>().join(", ");
    let checks = match args.properties.as_slice() {
        [] if args.fault.is_empty() => Check::without_faults().collect(),
        [] => Check::under_faults().collect(),
        names => names
            .iter()
            .map(|name| {
                Check::named(name).ok_or_else(|| format!("there is no property {name:?}; there are {}", known()))
            })
            .collect::<Result<_, _>>()?,
    };
    let counts = args.counts.iter().map(|&count| match u8::try_from(count) {
        Ok(count) if count <= MAX_COUNT => Ok(count),
        _ => Err(format!("a batch of {count} IDs cannot be submitted; the largest ring takes {MAX_COUNT}")),
    });
    let defaults = RingCfg::new(rules, args.submitters, counts.collect::<Result<Vec<u8>, _>>()?);
    let length = |slots: u64| match u16::try_from(slots) {
        Ok(slots) => Length::new(slots).map_err(|e| e.to_string()),
        Err(_) => Err(format!("a ring of {slots} slots cannot be built; QI_LENGTH must be even, from 4 to 256")),
    };
    let cfg = RingCfg {
        lock: args.lock,
        hardware: args.hardware.with_depth(args.depth),
        length: args.ring.map_or(Ok(defaults.length), length)?,
        handout: args.handout,
        faults: match args.fault.as_slice() {
            [] => Faults::none(),
            classes => {
                let faults = Faults::of(classes, args.bound);
                let devices = args.devices.unwrap_or(faults.devices);
                Faults { devices, itesid: args.itesid, after_ite: args.after_ite, ..faults }
            }
        },
        fault_check: args.fault_check,
        ..defaults
    };
    Scenario::own(generation, cfg, args.slots, checks).map_err(|e| e.to_string())
}

fn list(out: &mut Output, scenarios: &[Scenario]) -> Result<Exit, Failure> {
    for scenario in scenarios {
        let violated: Vec<_> = scenario.expected.iter().filter(|(_, e)| e.violated).map(|(name, _)| *name).collect();
        let expected = match violated.as_slice() {
            _ if scenario.expected.is_empty() => "no expectation".to_string(),
            [] => format!("{} properties hold", scenario.checks.len()),
            names => format!("violates {}", names.join(", ")),
        };
        writeln!(out, "{:<32} {expected}", scenario.name)?;
    }
    writeln!(out, "\nproperties:")?;
    for check in Check::all() {
        writeln!(out, "  {:<30} {}", check.name(), check.meaning())?;
    }
    Ok(Exit::Success)
}

/// Draws a trace of TLC, after having executed each of its steps on the ring.
fn from_tlc(out: &mut Output, file: &Path, scenarios: &[Scenario]) -> Result<Exit, Failure> {
    let [scenario] = scenarios else {
        let why = "--from-tlc needs exactly 1 scenario, or --generation and the rest of a configuration";
        return Err(Failure::unusable(format_args!("{why}; {} are named", scenarios.len())));
    };
    let timeline = timeline_of_trace(file, &scenario.cfg).map_err(Failure::unusable)?;
    let (stem, repeating) = (timeline.rows.len() - timeline.repeating, timeline.repeating);
    let lap = if repeating > 0 { format!(", then {repeating} for ever") } else { String::new() };
    write!(out, "{}: {stem} steps executed{lap}\n\n{timeline}", file.display())?;
    Ok(Exit::Success)
}

fn print_json(out: &mut Output, reports: &[Report]) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &serde_json::json!({ "scenarios": reports }))?;
    writeln!(out)
}

fn print_all(out: &mut Output, scenarios: &[Scenario], reports: &[Report], args: &Args) -> std::io::Result<()> {
    let few = scenarios.len() <= 4;
    for (scenario, report) in scenarios.iter().zip(reports) {
        if few {
            print_details(out, scenario, report)?;
        }
        for outcome in &report.properties {
            print_counterexample(out, report, outcome, args.timelines)?;
        }
    }
    print_table(out, reports)?;
    let unexpected: Vec<_> = reports.iter().filter(|report| !report.as_expected()).collect();
    for report in &unexpected {
        print_unexpected(out, report)?;
    }
    let undecided = reports.iter().filter(|report| !report.is_decided()).count();
    let undecided = if undecided > 0 { format!(", {undecided} with something unknown") } else { String::new() };
    if args.generation.is_some() {
        return writeln!(out, "1 configuration without expectations{undecided}");
    }
    let (all, expected) = (reports.len(), reports.len() - unexpected.len());
    writeln!(out, "{all} scenarios: {expected} as expected, {} not{undecided}", unexpected.len())
}

/// Every property of a scenario with its verdict and the reason for it.
fn print_details(out: &mut impl Write, scenario: &Scenario, report: &Report) -> std::io::Result<()> {
    let cfg = &scenario.cfg;
    writeln!(
        out,
        "{}: {}, {} submitters, counts {:?}, {} slots, {}, {}",
        report.name,
        report.generation,
        report.submitters,
        report.counts,
        report.ring,
        match cfg.lock {
            Lock::StrongFair => "strongly fair lock",
            Lock::Fifo => "FIFO lock",
        },
        match cfg.hardware {
            Hardware::InOrder { depth } => format!("hardware in order, {depth} deep"),
            Hardware::Pipelined { depth } => format!("pipelined hardware, {depth} deep"),
        }
    )?;
    writeln!(
        out,
        "  {} states of {} bytes, {} transitions, {} levels, {:.2} s",
        HumanCount(report.states as u64),
        report.bytes_per_state,
        HumanCount(report.transitions as u64),
        report.depth,
        report.seconds
    )?;
    writeln!(out, "  fairness assumed: {}", report.fairness.join(", "))?;
    if let Some(why) = &scenario.why {
        writeln!(out, "  {why}")?;
    }
    if let Some(killer) = &scenario.killed_by {
        writeln!(out, "  a seeded fault, to be killed by {killer}")?;
    }
    for outcome in &report.properties {
        let expected = match outcome.expected {
            Some(expected) if expected != outcome.verdict => format!(" (EXPECTED: {expected})"),
            _ => String::new(),
        };
        writeln!(out, "  {:<9}{expected} {}", outcome.verdict, outcome.check.name())?;
        for text in [&outcome.detail, &outcome.why].into_iter().flatten() {
            writeln!(out, "            {text}")?;
        }
    }
    for witness in &report.witnesses {
        let reached = match witness.reached {
            Some(true) => "reached",
            Some(false) => "never",
            None => "unknown",
        };
        writeln!(out, "  {reached:<9} {}", witness.name)?;
    }
    writeln!(out)
}

fn print_counterexample(
    out: &mut impl Write,
    report: &Report,
    outcome: &Outcome,
    timelines: Timelines,
) -> std::io::Result<()> {
    let Some(violation) = &outcome.counterexample else { return Ok(()) };
    let drawn = match (timelines, outcome.check) {
        (Timelines::None, _) => false,
        (Timelines::All, _) => true,
        (Timelines::LivenessAndRefinement, Check::Safety(_) | Check::NoDeadlock) => false,
        // The same run as that of refines-spec.
        (_, Check::RefinesFairSpec) => report.outcome(Check::RefinesSpec).is_none_or(|o| o.verdict == Verdict::Holds),
        _ => true,
    };
    if !drawn {
        return Ok(());
    }
    let detail = outcome.detail.as_ref().map_or(String::new(), |detail| format!(": {detail}"));
    writeln!(out, "{} violates {}{detail}", report.name, outcome.check.name())?;
    match violation.repeating {
        0 => writeln!(out, "{} steps; {}", violation.stem, violation.length)?,
        repeating => writeln!(out, "{} steps, then {repeating} for ever; {}", violation.stem, violation.length)?,
    }
    writeln!(out, "\n{}", violation.timeline)
}

/// One row per scenario, one narrow column per property.
fn print_table(out: &mut impl Write, reports: &[Report]) -> std::io::Result<()> {
    let columns: Vec<Check> =
        Check::all().filter(|&check| reports.iter().any(|report| report.outcome(check).is_some())).collect();
    let mut grid = Grid::new();
    grid.load_style(presets::NOTHING);
    let letters = ('a'..).take(columns.len()).map(|letter| letter.to_string());
    let header = ["scenario", "states", "transitions"].map(String::from);
    grid.set_header(header.into_iter().chain(letters.clone()).chain(["as expected".to_string()]));
    for report in reports {
        let marks = columns.iter().map(|&check| match report.outcome(check).map(|outcome| outcome.verdict) {
            None => "",
            Some(Verdict::Holds) => "+",
            Some(Verdict::Violated) => "X",
            Some(Verdict::Unknown) => "?",
        });
        let states = HumanCount(report.states as u64).to_string();
        let transitions = HumanCount(report.transitions as u64).to_string();
        let expected = match () {
            _ if report.properties.iter().all(|o| o.expected.is_none()) => "-",
            _ if report.as_expected() => "yes",
            _ => "NO",
        };
        let row = [report.name.clone(), states, transitions].into_iter();
        grid.add_row(row.chain(marks.map(String::from)).chain([expected.to_string()]));
    }
    for number in [1, 2] {
        if let Some(column) = grid.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in grid.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(out, "\n+ holds, X violated, ? unknown, blank: not checked")?;
    for (letter, check) in letters.zip(&columns) {
        writeln!(out, "{letter}  {:<28} {}", check.name(), check.meaning())?;
    }
    writeln!(out)
}

fn print_unexpected(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    for outcome in report.properties.iter().filter(|outcome| !outcome.as_expected()) {
        let expected = outcome.expected.map_or(String::new(), |expected| format!(", expected: {expected}"));
        let detail = outcome.surprise.as_ref().or(outcome.detail.as_ref());
        let detail = detail.map_or(String::new(), |detail| format!(" ({detail})"));
        writeln!(out, "{}: {} {}{expected}{detail}", report.name, outcome.check.name(), outcome.verdict)?;
    }
    for witness in &report.witnesses {
        if witness.expected.is_some() && witness.reached != witness.expected {
            let (reached, expected) = (witness.reached, witness.expected);
            let word = |reached: Option<bool>| match reached {
                Some(true) => "reached",
                Some(false) => "never reached",
                None => "unknown",
            };
            writeln!(out, "{}: witness {} {}, expected: {}", report.name, witness.name, word(reached), word(expected))?;
        }
    }
    Ok(())
}
