//! `--findings`: docs/findings.md and the list of cells, from what is known and what is checked anew.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use vtd_qi::campaign::findings::{Confirmations, Finding, Findings, NEWEST, can_be_replayed, cells, violated};
use vtd_qi::campaign::matrix::{Cell, Matrix, Scope};
use vtd_qi::impl_qi::{ASSUMPTIONS, AfterIte, GENERATIONS, Generation, assumption};
use vtd_qi::scenario::{Check, Scenario};
use vtd_qi::verify::{Detail, PropertyReport, Report, Verdict, Violation};
use vtd_qi_terminal::{Exit, Failure, Output, complain};

use crate::arguments::Wanted;
use crate::pool::{How, run_all};

const INTRODUCTION: &str = include_str!("findings-introduction.md");
const G5PLUS: &str = include_str!("findings-g5plus.md");
const CELLS: &str = include_str!("findings-cells.md");

/// What became of a claim that something is violated.
enum Claim<'r> {
    /// A run violates it.
    Shown(&'r Violation),
    /// The search was cut before a run was found.
    Unknown,
    /// Nothing violates it, so that the claim is wrong.
    Refuted,
}

impl<'r> Claim<'r> {
    /// What a report says of the claim that a property is violated.
    fn of(report: &'r Report, check: Check) -> Claim<'r> {
        match report.outcome(check) {
            Some(PropertyReport { counterexample: Some(run), .. }) => Claim::Shown(run),
            Some(PropertyReport { verdict: Verdict::Unknown, .. }) => Claim::Unknown,
            _ => Claim::Refuted,
        }
    }
}

/// What is known before anything is checked.
struct Known {
    matrix: Matrix,
    findings: Findings,
    confirmed: Confirmations,
}

pub fn run(out: &mut Output, wanted: Wanted, how: How, cancel: &'static AtomicBool) -> Result<Exit, Failure> {
    let known =
        Known { matrix: Matrix::embedded(), findings: Findings::embedded(), confirmed: Confirmations::embedded() };
    let check = |scenarios: &[Scenario]| run_all(scenarios, How { detail: Detail::Readable, ..how }, cancel, |_, _| ());
    let (text, fine) = match wanted {
        Wanted::Summary => known.summary(check),
        Wanted::Cells => known.every_cell(check),
    };
    out.write_all(text.as_bytes())?;
    if cancel.load(Ordering::Relaxed) {
        complain("interrupted: what is said to be unknown above was not searched to the end");
        return Ok(Exit::Interrupted);
    }
    if !fine {
        complain("error: something that is claimed is not found; see NOTHING and `no timeline` above");
    }
    Ok(Exit::success_if(fine))
}

impl Known {
    /// The findings one by one, the assumptions, and g5plus. Whether all that is claimed was found.
    fn summary(&self, check: impl Fn(&[Scenario]) -> Vec<Report>) -> (String, bool) {
        let Known { matrix, findings, confirmed } = self;
        let mut scenarios: Vec<Scenario> = findings.findings.iter().map(|finding| finding.scenario(matrix)).collect();
        scenarios.extend(findings.parts.iter().map(|part| part.scenario(matrix)));
        let reports = check(&scenarios);
        let mut out = INTRODUCTION.to_string();
        let mut fine = true;
        let (found, parts) = reports.split_at(findings.findings.len());
        for (i, (finding, report)) in findings.findings.iter().zip(found).enumerate() {
            fine &= matches!(Claim::of(report, finding.shown()), Claim::Shown(_));
            finding_text(&mut out, i + 1, finding, report, matrix, confirmed);
        }
        out += "\n## Assumptions\n\n| number | name | what | source |\n| --- | --- | --- | --- |\n";
        for a in ASSUMPTIONS {
            out += &format!("| {} | {} | {} | {} |\n", a.number, a.name, a.text, a.source);
        }
        out += G5PLUS;
        out += "\n| left out | then it is | fails | in |\n| --- | --- | --- | --- |\n";
        for (part, report) in findings.parts.iter().zip(parts) {
            let claim = Claim::of(report, part.fails());
            fine &= matches!(claim, Claim::Shown(_));
            let fails = match claim {
                Claim::Shown(_) => part.property.as_str(),
                Claim::Unknown => "unknown",
                Claim::Refuted => "NOTHING",
            };
            out += &format!("| {} | {} | {fails} | {} |\n", part.rule, part.without, part.cell);
        }
        (out, fine)
    }

    /// Every cell of the newest generation that does not hold: how long the shortest runs are, and the runs on the smallest ring.
    fn every_cell(&self, check: impl Fn(&[Scenario]) -> Vec<Report>) -> (String, bool) {
        let Known { matrix, findings, confirmed } = self;
        let failing: Vec<&Cell> = cells(matrix).collect();
        let scenarios: Vec<Scenario> = failing.iter().map(|cell| violated(cell)).collect();
        let reports = check(&scenarios);
        let mut out = CELLS.to_string();
        let mut fine = true;
        let classes: BTreeSet<&str> = failing.iter().map(|cell| cell.class.as_str()).collect();
        // The runs on the smallest ring, each with the properties and cells that it is of.
        let mut runs: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for class in classes {
            let rows: Vec<(&Cell, &Report)> =
                failing.iter().copied().zip(&reports).filter(|(cell, _)| cell.class == class).collect();
            let columns: Vec<Check> =
                Check::all().filter(|check| rows.iter().any(|(_, report)| report.outcome(*check).is_some())).collect();
            let names: Vec<&str> = columns.iter().map(|check| check.name()).collect();
            out +=
                &format!("\n## {class}\n\n| cell | {} |\n|{}\n", names.join(" | "), " --- |".repeat(names.len() + 1));
            for (cell, report) in rows {
                let name = &cell.scenario.name;
                let claims: Vec<(Check, Option<Claim>)> = columns
                    .iter()
                    .map(|&check| (check, report.outcome(check).map(|_| Claim::of(report, check))))
                    .collect();
                fine &= !claims.iter().any(|(_, claim)| matches!(claim, Some(Claim::Refuted)));
                let entry = |(check, claim): &(Check, Option<Claim>)| match claim {
                    None => "-".to_string(),
                    Some(Claim::Unknown) => "?".to_string(),
                    Some(Claim::Refuted) => "NOTHING".to_string(),
                    Some(Claim::Shown(run)) => {
                        let on_c = !confirmed.kernels(name, check.name(), run).is_empty();
                        format!("{}{}", length(run), if on_c { " C" } else { "" })
                    }
                };
                let entries: Vec<String> = claims.iter().map(entry).collect();
                out += &format!("| {name} | {} |\n", entries.join(" | "));
                if cell.is_smallest() {
                    for outcome in &report.properties {
                        let Some(run) = &outcome.counterexample else { continue };
                        let number = findings.number(cell, outcome.check.name());
                        let said = said_by_c(confirmed, &cell.scenario, outcome.check, run);
                        let key = (run.timeline.to_string(), format!("{} ({})", length(run), run.length));
                        let of = number.map_or(String::new(), |number| format!(", finding {number}"));
                        runs.entry(key)
                            .or_default()
                            .push(format!("- `{}` in `{name}`{of}. {said}", outcome.check.name()));
                    }
                }
            }
        }
        out += "\n## The runs on the smallest ring\n";
        let mut runs: Vec<_> = runs.into_iter().collect();
        runs.sort_by(|a, b| a.1.cmp(&b.1));
        for (i, ((timeline, length), of)) in runs.into_iter().enumerate() {
            out += &format!("\n### Run {}: {length}\n\n{}\n\n```text\n{timeline}```\n", i + 1, of.join("\n"));
        }
        (out, fine)
    }
}

/// Which kernels' C has gone the same way, or why none has.
fn said_by_c(confirmed: &Confirmations, scenario: &Scenario, check: Check, run: &Violation) -> String {
    match confirmed.kernels(&scenario.name, check.name(), run).as_slice() {
        [] if !can_be_replayed(scenario) => "Not replayed on the C: a real driver builds no invalid WD.".into(),
        [] => "Not replayed on the C.".into(),
        kernels => format!("**Confirmed on the C** of kernel {}.", kernels.join(" and of kernel ")),
    }
}

/// Steps, and steps of the loop.
fn length(run: &Violation) -> String {
    match run.repeating {
        0 => format!("{}", run.stem),
        repeating => format!("{}+{repeating}", run.stem),
    }
}

fn finding_text(
    out: &mut String,
    number: usize,
    finding: &Finding,
    report: &Report,
    matrix: &Matrix,
    confirmed: &Confirmations,
) {
    let of = |generation: &str, after_ite: Option<AfterIte>, property: &str| {
        let cells = matrix.cells(Scope::Quick).filter(|cell| {
            cell.scenario.generation == generation
                && finding.classes.contains(&cell.class)
                && (after_ite.is_none() || cell.after_ite == after_ite)
        });
        let expected: Vec<bool> =
            cells.filter_map(|cell| cell.scenario.expected(property)).map(|expected| expected.violated).collect();
        (expected.iter().filter(|violated| **violated).count(), expected.len())
    };
    let write = |out: &mut String, line: String| *out += &(line + "\n");
    write(out, format!("\n## {number}. {}\n", finding.title));
    for property in &finding.properties {
        let (violated, all) = of(NEWEST, None, property);
        let meaning = Check::named(property).map_or("", Check::meaning);
        write(
            out,
            format!(
                "- `{property}` ({meaning}): violated in {violated} of the {all} cells of {}",
                finding.classes.join(" and ")
            ),
        );
    }
    write(out, format!("\n**What it takes.** {}\n\n**How wide the window is.** {}\n", finding.takes, finding.window));
    let violating = |generation: &Generation| {
        let under = |reading: &AfterIte| of(generation.name, Some(*reading), &finding.properties[0]).0 > 0;
        match AfterIte::ALL.into_iter().filter(under).map(AfterIte::name).collect::<Vec<_>>().as_slice() {
            [] => None,
            [only] => Some(format!("{} (under {only} only)", generation.name)),
            _ => Some(generation.name.to_string()),
        }
    };
    let others: Vec<String> = GENERATIONS.iter().filter_map(violating).collect();
    write(out, format!("**A regression?** {}\n", finding.regression));
    write(
        out,
        format!("**Generations with a cell that violates `{}`.** {}.\n", finding.properties[0], others.join(", ")),
    );
    let named = |number: &String| assumption(number).map_or(number.clone(), |a| format!("{number} ({})", a.name));
    write(out, format!("**Rests on** {}.\n", finding.rests_on.iter().map(named).collect::<Vec<_>>().join(", ")));
    let readings: Vec<String> = AfterIte::ALL
        .into_iter()
        .map(|reading| (reading, of(NEWEST, Some(reading), &finding.properties[0])))
        .filter(|(_, (_, all))| *all > 0)
        .map(|(reading, (violated, all))| format!("{}: {violated} of {all} cells", reading.name()))
        .collect();
    if !readings.is_empty() {
        write(
            out,
            format!(
                "**Under the readings of A11**, `{}` is violated in {}.\n",
                finding.properties[0],
                readings.join(", ")
            ),
        );
    }
    let mended = match finding.mended_by.as_slice() {
        [] => "nothing in g5plus: see below".to_string(),
        rules => rules.iter().map(|rule| format!("`{rule}`")).collect::<Vec<_>>().join(", "),
    };
    write(out, format!("**Mended by** {mended}.\n"));
    write(out, shortest_run(finding, report, matrix, confirmed));
}

/// The run that shows a finding, drawn, or that there is none.
fn shortest_run(finding: &Finding, report: &Report, matrix: &Matrix, confirmed: &Confirmations) -> String {
    let run = match Claim::of(report, finding.shown()) {
        Claim::Unknown => return "no timeline: unknown".to_string(),
        Claim::Refuted => return "no timeline".to_string(),
        Claim::Shown(run) => run,
    };
    let lap = match run.repeating {
        0 => String::new(),
        repeating => format!(", then {repeating} for ever"),
    };
    format!(
        "The shortest run that violates `{}` in `{}`: {} steps{lap} ({}). {}\n\n```text\n{}```",
        finding.properties[0],
        report.name,
        run.stem,
        run.length,
        said_by_c(confirmed, &finding.scenario(matrix), finding.shown(), run),
        run.timeline
    )
}
