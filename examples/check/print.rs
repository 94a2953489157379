//! What `check` prints of scenarios: their verdicts with the reasons, counterexamples, and all of it as JSON.

use std::io::{Result, Write};
use std::path::PathBuf;
use std::time::Duration;

use indicatif::HumanCount;
use serde_json::{Value, json};
use vtd_qi::scenario::{Check, Scenario};
use vtd_qi::timeline::{LEGEND, Line, Part, Timeline};
use vtd_qi::verify::{PropertyReport, Report, Surprise, Verdict, Violation};
use vtd_qi_subject::Own;
use vtd_qi_terminal::style::{AGAIN, BAD, FAINT, GOOD, STRONG, Style, UNSURE, next, painted, wrapped};

use crate::arguments::{Expect, Timelines};
use crate::next::of_reports;
use crate::subjects::Subjects;
use crate::{is_fine, overview, table};

/// Of at most so many scenarios all is told; of more what they have in common.
pub const FEW: usize = 4;

/// How the reports are to be shown.
pub struct Look {
    /// Which counterexamples are drawn.
    pub timelines: Option<Timelines>,
    /// What is expected of a configuration made with options.
    pub expect: Option<Expect>,
    /// The file of the scenario table, if it is not the embedded one.
    pub table: Option<PathBuf>,
    /// The properties that are asked, if not those of the scenarios.
    pub properties: Vec<String>,
    /// The page that is written too.
    pub html: Option<PathBuf>,
    /// Whether the table is printed.
    pub verbose: bool,
    /// How many columns there are.
    pub width: usize,
    /// How long it took.
    pub took: Duration,
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

/// A JSON value for people and machines alike.
pub fn pretty(out: &mut impl Write, json: &Value) -> Result<()> {
    writeln!(out, "{json:#}")
}

/// The reports for a person.
pub fn all(out: &mut impl Write, subjects: &Subjects, reports: &[Report], look: &Look) -> Result<()> {
    let Subjects { scenarios, own } = subjects;
    let few = scenarios.len() <= FEW;
    let drawn = |report: &Report, outcome: &PropertyReport| {
        is_drawn(report, outcome, own.is_some() || !look.properties.is_empty(), look.timelines)
            && (few || look.timelines.is_some())
    };
    if let Some(own) = own {
        introduce(out, own, look.width)?;
    }
    for (scenario, report) in scenarios.iter().zip(reports) {
        if few {
            details(out, scenario, report, look.width, &|outcome| drawn(report, outcome))?;
        }
        for outcome in report.properties.iter().filter(|outcome| drawn(report, outcome)) {
            counterexample(out, report, outcome, look.width)?;
        }
    }
    match look.verbose {
        true => table::print(out, reports, look.expect)?,
        false if !few => overview::print(out, scenarios, reports, look)?,
        false => {}
    }
    match own {
        Some(_) => reports.iter().try_for_each(|report| summary_of_own(out, report))?,
        None => summary(out, reports, (!few && !look.verbose).then_some(look.took))?,
    }
    next(out, &of_reports(subjects, reports, look, &drawn), look.width)
}

fn introduce(out: &mut impl Write, Own { what, not_asked }: &Own, width: usize) -> Result<()> {
    writeln!(out, "{what}")?;
    if !not_asked.is_empty() {
        let names: Vec<_> = not_asked.iter().map(|check| check.name()).collect();
        let line = format!("not asked, since no driver promises it without --slots fair: {}", names.join(", "));
        writeln!(out, "{}", wrapped(&line, width, 0, 2))?;
    }
    writeln!(out)
}

fn summary(out: &mut impl Write, reports: &[Report], took: Option<Duration>) -> Result<()> {
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
    let took = took.map_or(String::new(), |took| format!("; {:.1} s", took.as_secs_f64()));
    let scenarios = if reports.len() == 1 { "scenario" } else { "scenarios" };
    let counts = format!("{} {scenarios}: {fine} as expected, {} not{undecided}", reports.len(), reports.len() - fine);
    writeln!(out, "{}{took}", painted(if fine == reports.len() { GOOD } else { BAD }, counts))
}

/// What there is to say of the property whose verdict surprises.
fn because(report: &Report, surprise: &Surprise) -> String {
    let detail = surprise.verdict_of.and_then(|check| report.outcome(check)?.detail.as_ref());
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

/// The style of a verdict.
pub fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Holds => GOOD,
        Verdict::Violated => BAD,
        Verdict::Unknown => UNSURE,
    }
}

/// Every property of a scenario with its verdict and the reason for it.
fn details(
    out: &mut impl Write,
    scenario: &Scenario,
    report: &Report,
    width: usize,
    drawn: &dyn Fn(&PropertyReport) -> bool,
) -> Result<()> {
    let mut lines = scenario.in_words();
    lines[0] = format!("{}: {}", report.name, lines[0]);
    lines.push(format!(
        "{} states of {} bytes, {} transitions, {} levels, {:.2} s",
        HumanCount(report.states as u64),
        report.bytes_per_state,
        HumanCount(report.transitions as u64),
        report.depth,
        report.seconds
    ));
    lines.push(format!("fairness assumed: {}", report.fairness.join(", ")));
    lines.extend(scenario.why.clone());
    lines.extend(scenario.killed_by.iter().map(|killer| format!("a seeded fault, to be killed by {killer}")));
    for (i, line) in lines.iter().enumerate() {
        writeln!(out, "{}", wrapped(line, width, if i == 0 { 0 } else { 2 }, 4))?;
    }
    for outcome in &report.properties {
        verdict(out, outcome, width, drawn(outcome))?;
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
fn verdict(out: &mut impl Write, outcome: &PropertyReport, width: usize, drawn: bool) -> Result<()> {
    let name = outcome.check.name();
    let other = outcome.expected.filter(|expected| *expected != outcome.verdict);
    let expected = other.map_or(String::new(), |expected| match outcome.verdict {
        Verdict::Unknown => format!(" ({expected} is expected)"),
        _ => format!(" (EXPECTED: {expected})"),
    });
    let found = painted(style(outcome.verdict), format_args!("{:<9}", outcome.verdict));
    writeln!(out, "  {found}{expected} {name}")?;
    let why = outcome.why.as_ref().map(|why| match other {
        None => why.clone(),
        Some(Verdict::Violated) => format!("expected to be violated: {why}"),
        Some(_) => format!("expected to hold: {why}"),
    });
    let see = outcome.counterexample.as_ref().filter(|_| !drawn);
    let see = see.map(|run| format!("{}: --timelines all draws it", steps(run)));
    let surprise = outcome.surprise.as_ref().map(|surprise| format!("NOT AS EXPECTED: {surprise}"));
    for text in [&surprise, &outcome.detail, &why, &see].into_iter().flatten() {
        writeln!(out, "{}", wrapped(text, width, 12, 12))?;
    }
    Ok(())
}

/// Whether a counterexample is drawn. If nothing is said, every run of a configuration made with options is drawn, and of every property
/// that was named, but each once.
fn is_drawn(report: &Report, outcome: &PropertyReport, asked_for: bool, timelines: Option<Timelines>) -> bool {
    let same_as_in_steps = outcome.check == Check::RefinesFairSpec
        && report.outcome(Check::RefinesSpec).is_some_and(|o| o.verdict == Verdict::Violated);
    outcome.counterexample.is_some()
        && match timelines {
            Some(Timelines::None) => false,
            Some(Timelines::All) => true,
            None if asked_for => !same_as_in_steps,
            Some(Timelines::LivenessAndRefinement) | None => {
                !same_as_in_steps && !matches!(outcome.check, Check::Safety(_) | Check::NoDeadlock)
            }
        }
}

fn counterexample(out: &mut impl Write, report: &Report, outcome: &PropertyReport, width: usize) -> Result<()> {
    let Some(run) = &outcome.counterexample else { return Ok(()) };
    let detail = outcome.detail.as_ref().map_or(String::new(), |detail| format!(": {detail}"));
    let violates = format!("{} violates {}{detail}", report.name, outcome.check.name());
    writeln!(out, "{}", painted(STRONG, wrapped(&violates, width, 0, 2)))?;
    writeln!(out, "{}", wrapped(&format!("{}; {}", steps(run), run.length), width, 0, 2))?;
    writeln!(out, "{}\n", wrapped(LEGEND, width, 0, 2))?;
    timeline(out, &run.timeline, width)?;
    writeln!(out)
}

/// A run, drawn as wide as there are columns.
pub fn timeline(out: &mut impl Write, timeline: &Timeline, width: usize) -> Result<()> {
    timeline.lines(width, None).iter().try_for_each(|line| drawn_line(out, line))
}

/// A line of a drawing in the colour of what it belongs to.
pub fn drawn_line(out: &mut impl Write, Line { part, text }: &Line) -> Result<()> {
    let style = match part {
        Part::Step => return writeln!(out, "{text}"),
        Part::Harm => BAD,
        Part::Loop => AGAIN,
        Part::Head | Part::Folded => FAINT,
    };
    writeln!(out, "{}", painted(style, text))
}

/// How many steps, and how many of them for ever.
pub fn steps(run: &Violation) -> String {
    match run.repeating {
        0 => format!("{} steps", run.stem),
        repeating => format!("{} steps, then {repeating} for ever", run.stem),
    }
}
