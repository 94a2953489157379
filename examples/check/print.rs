//! What `check` prints of scenarios: their verdicts with the reasons, counterexamples, the table, and all of it as JSON.

use std::collections::BTreeMap;
use std::io::{Result, Write};

use comfy_table::{CellAlignment, Table as Grid, presets};
use indicatif::HumanCount;
use serde_json::{Value, json};
use vtd_qi::impl_qi::{Faults, Generation, Hardware, Lock, Order, RingCfg, SlotFairness};
use vtd_qi::scenario::{Check, Scenario};
use vtd_qi::verify::{PropertyReport, Report, Verdict, Violation};

use crate::arguments::{Args, Expect, Timelines};
use crate::is_fine;
use crate::subjects::{Own, Subjects};

/// `--list`.
pub fn list(out: &mut impl Write, scenarios: &[Scenario]) -> Result<()> {
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
    Ok(())
}

/// `--list --json`.
pub fn list_json(out: &mut impl Write, scenarios: &[Scenario]) -> Result<()> {
    let scenario = |scenario: &Scenario| {
        let expected: BTreeMap<_, _> = scenario
            .expected
            .iter()
            .map(|(name, e)| (name, if e.violated { Verdict::Violated } else { Verdict::Holds }))
            .collect();
        json!({
            "name": scenario.name,
            "family": scenario.family,
            "generation": scenario.generation,
            "submitters": scenario.cfg.submitters,
            "counts": scenario.cfg.counts,
            "ring": scenario.cfg.length.slots(),
            "expected": expected,
        })
    };
    let scenarios: Vec<Value> = scenarios.iter().map(scenario).collect();
    let properties: Vec<Value> =
        Check::all().map(|check| json!({ "name": check.name(), "meaning": check.meaning() })).collect();
    pretty(out, &json!({ "scenarios": scenarios, "properties": properties }))
}

/// The reports as JSON.
pub fn json(out: &mut impl Write, subjects: &Subjects, reports: &[Report]) -> Result<()> {
    let mut all = json!({ "scenarios": reports });
    if let Some(Own { what, not_asked }) = &subjects.own {
        all["configuration"] = json!(what);
        all["not_asked"] = not_asked.iter().map(|check| check.name()).collect();
    }
    pretty(out, &all)
}

fn pretty(out: &mut impl Write, json: &Value) -> Result<()> {
    writeln!(out, "{json:#}")
}

/// The reports for a person.
pub fn all(out: &mut impl Write, subjects: &Subjects, reports: &[Report], args: &Args) -> Result<()> {
    let Subjects { scenarios, own } = subjects;
    let &Args { timelines, expect, .. } = args;
    let drawn = |report: &Report, outcome: &PropertyReport| is_drawn(report, outcome, own.is_some(), timelines);
    if let Some(own) = own {
        introduce(out, own)?;
    }
    let few = scenarios.len() <= 4;
    for (scenario, report) in scenarios.iter().zip(reports) {
        if few {
            details(out, scenario, report, &|outcome| drawn(report, outcome))?;
        }
        for outcome in report.properties.iter().filter(|outcome| drawn(report, outcome)) {
            counterexample(out, report, outcome)?;
        }
    }
    table(out, reports, expect)?;
    match own {
        Some(_) => reports.iter().try_for_each(|report| summary_of_own(out, report)),
        None => summary(out, reports),
    }
}

fn introduce(out: &mut impl Write, Own { what, not_asked }: &Own) -> Result<()> {
    writeln!(out, "{what}")?;
    if !not_asked.is_empty() {
        let names: Vec<_> = not_asked.iter().map(|check| check.name()).collect();
        writeln!(out, "not asked, since no driver promises it without --slots fair: {}", names.join(", "))?;
    }
    writeln!(out)
}

fn summary(out: &mut impl Write, reports: &[Report]) -> Result<()> {
    for report in reports {
        for surprise in &report.surprises {
            writeln!(out, "{}: {surprise}{}", report.name, because(report, surprise))?;
        }
        let unlisted = report.properties.iter().filter(|outcome| outcome.expected.is_none());
        for outcome in unlisted.filter(|outcome| outcome.verdict == Verdict::Violated) {
            writeln!(out, "{}: {} violated, of which its row says nothing", report.name, outcome.check.name())?;
        }
    }
    let undecided = reports.iter().filter(|report| !report.is_decided()).count();
    let undecided = if undecided > 0 { format!(", {undecided} with something unknown") } else { String::new() };
    let fine = reports.iter().filter(|report| is_fine(report, None)).count();
    writeln!(out, "{} scenarios: {fine} as expected, {} not{undecided}", reports.len(), reports.len() - fine)
}

/// What there is to say of the property that surprises.
fn because(report: &Report, surprise: &str) -> String {
    let about =
        |outcome: &&PropertyReport| surprise.starts_with(&format!("{} {}", outcome.check.name(), outcome.verdict));
    let detail = report.properties.iter().find(about).and_then(|outcome| outcome.detail.as_ref());
    detail.map_or(String::new(), |detail| format!(" ({detail})"))
}

fn summary_of_own(out: &mut impl Write, report: &Report) -> Result<()> {
    let named = |verdict: Verdict| {
        let of = report.properties.iter().filter(|outcome| outcome.verdict == verdict);
        let names: Vec<_> = of.map(|outcome| outcome.check.name()).collect();
        match (names.len(), verdict) {
            (n, Verdict::Holds) => format!("{n} hold"),
            (0, _) => format!("0 {verdict}"),
            (n, _) => format!("{n} {verdict} ({})", names.join(", ")),
        }
    };
    let verdicts = [Verdict::Holds, Verdict::Violated, Verdict::Unknown].map(named);
    writeln!(out, "{} properties asked: {}", report.properties.len(), verdicts.join(", "))
}

/// Every property of a scenario with its verdict and the reason for it.
fn details(
    out: &mut impl Write,
    scenario: &Scenario,
    report: &Report,
    drawn: &dyn Fn(&PropertyReport) -> bool,
) -> Result<()> {
    configuration(out, scenario, report)?;
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
        verdict(out, outcome, drawn(outcome))?;
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

/// A property, its verdict, and what belongs to it: a reason stands beside the verdict that it is a reason for, and says so
/// beside any other.
fn verdict(out: &mut impl Write, outcome: &PropertyReport, drawn: bool) -> Result<()> {
    let name = outcome.check.name();
    let other = outcome.expected.filter(|expected| *expected != outcome.verdict);
    let expected = other.map_or(String::new(), |expected| format!(" (EXPECTED: {expected})"));
    writeln!(out, "  {:<9}{expected} {name}", outcome.verdict)?;
    let why = outcome.why.as_ref().map(|why| match other {
        None => why.clone(),
        Some(Verdict::Violated) => format!("expected to be violated: {why}"),
        Some(_) => format!("expected to hold: {why}"),
    });
    let see = outcome.counterexample.as_ref().filter(|_| !drawn);
    let see = see.map(|run| format!("{}: --timelines all draws it", steps(run)));
    let surprise = outcome.surprise.as_ref().map(|surprise| format!("NOT AS EXPECTED: {surprise}"));
    for text in [&surprise, &outcome.detail, &why, &see].into_iter().flatten() {
        writeln!(out, "            {text}")?;
    }
    Ok(())
}

/// What is modelled.
fn configuration(out: &mut impl Write, scenario: &Scenario, report: &Report) -> Result<()> {
    let cfg = &scenario.cfg;
    writeln!(
        out,
        "{}: {}, {} submitters, counts {:?}, {} slots{}, {}, {}",
        report.name,
        report.generation,
        report.submitters,
        report.counts,
        report.ring,
        match scenario.slots {
            SlotFairness::Unfair => "",
            SlotFairness::Fair => " handed out fairly",
        },
        match cfg.lock {
            Lock::StrongFair => "strongly fair lock",
            Lock::Fifo => "FIFO lock",
        },
        match cfg.hardware {
            Hardware { order: Order::InOrder, depth } => format!("hardware in order, {depth} deep"),
            Hardware { order: Order::Pipelined, depth } => format!("pipelined hardware, {depth} deep"),
        }
    )?;
    let rules = changed_rules(scenario.generation, cfg);
    if !rules.is_empty() {
        writeln!(out, "  rules that {} does not have: {}", scenario.generation, rules.join(", "))?;
    }
    match &cfg.faults {
        faults if faults.is_none() => Ok(()),
        faults => writeln!(out, "  faults: {}", faults_in_words(faults)),
    }
}

/// The rules that are not the generation's own.
fn changed_rules(generation: &str, cfg: &RingCfg) -> Vec<String> {
    let Some(generation) = Generation::named(generation) else { return Vec::new() };
    let both = cfg.rules.words().zip(generation.rules.words());
    both.filter(|(of, own)| of != own).map(|((rule, value), _)| format!("{rule}={value}")).collect()
}

fn faults_in_words(faults: &Faults) -> String {
    let classes: Vec<_> = faults.classes.iter().map(|class| class.name()).collect();
    let devices = if faults.devices == 1 { "device" } else { "devices" };
    let mut words = vec![format!("{}, at most {}", classes.join(" or "), faults.bound)];
    words.push(format!("{} {devices}", faults.devices));
    if faults.time_out() {
        words.push(format!("ITESID {:?}", faults.itesid).to_lowercase().replace("itesid", "ITESID"));
        words.push(format!("fetched work after an ITE: {}", faults.after_ite.name()));
    }
    words.join("; ")
}

/// Whether a counterexample is drawn. Of a configuration of one's own every run is if nothing is said, but each once.
fn is_drawn(report: &Report, outcome: &PropertyReport, own: bool, timelines: Option<Timelines>) -> bool {
    let same_as_in_steps = outcome.check == Check::RefinesFairSpec
        && report.outcome(Check::RefinesSpec).is_some_and(|o| o.verdict == Verdict::Violated);
    outcome.counterexample.is_some()
        && match timelines {
            Some(Timelines::None) => false,
            Some(Timelines::All) => true,
            None if own => !same_as_in_steps,
            Some(Timelines::LivenessAndRefinement) | None => {
                !same_as_in_steps && !matches!(outcome.check, Check::Safety(_) | Check::NoDeadlock)
            }
        }
}

fn counterexample(out: &mut impl Write, report: &Report, outcome: &PropertyReport) -> Result<()> {
    let Some(run) = &outcome.counterexample else { return Ok(()) };
    let detail = outcome.detail.as_ref().map_or(String::new(), |detail| format!(": {detail}"));
    writeln!(out, "{} violates {}{detail}", report.name, outcome.check.name())?;
    writeln!(out, "{}; {}", steps(run), run.length)?;
    writeln!(out, "\n{}", run.timeline)
}

/// How many steps, and how many of them for ever.
fn steps(run: &Violation) -> String {
    match run.repeating {
        0 => format!("{} steps", run.stem),
        repeating => format!("{} steps, then {repeating} for ever", run.stem),
    }
}

/// By what the column `as expected` judges.
fn what_is_expected(reports: &[Report], expect: Option<Expect>) -> &'static str {
    let mut outcomes = reports.iter().flat_map(|report| &report.properties);
    match expect {
        Some(Expect::Violated) => "at least one property has to be violated (--expect violated)",
        _ if outcomes.clone().all(|outcome| outcome.expected.is_none()) => {
            "every property has to hold, since no row of the table speaks of it"
        }
        _ if outcomes.all(|outcome| outcome.expected.is_some()) => {
            "every verdict has to be the one of the scenario's row"
        }
        _ => "every verdict has to be the one of the scenario's row; what that does not speak of has to hold",
    }
}

/// One row per scenario, one narrow column per property.
fn table(out: &mut impl Write, reports: &[Report], expect: Option<Expect>) -> Result<()> {
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
        let expected = if is_fine(report, expect) { "yes" } else { "NO" };
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
    writeln!(out, "as expected: {}", what_is_expected(reports, expect))?;
    for (letter, check) in letters.zip(&columns) {
        writeln!(out, "{letter}  {:<28} {}", check.name(), check.meaning())?;
    }
    writeln!(out)
}
