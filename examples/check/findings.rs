//! `--findings`: FINDINGS.md, from findings.toml and what is checked anew.

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use vtd_qi::impl_qi::{assumption, AfterIte, ASSUMPTIONS, GENERATIONS};
use vtd_qi::matrix::{Cell, Matrix, Scope};
use vtd_qi::mutants::Mutant;
use vtd_qi::scenario::{Check, Scenario};
use vtd_qi::verify::{Detail, Report, Verdict};

use crate::complain;
use crate::pool::{run_all, How};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    finding: Vec<Finding>,
    part: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finding {
    title: String,
    classes: Vec<String>,
    properties: Vec<String>,
    /// Whose first property's timeline is shown.
    cell: String,
    takes: String,
    window: String,
    regression: String,
    rests_on: Vec<String>,
    mended_by: Vec<String>,
}

/// A rule of g5plus, and what fails without it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    rule: String,
    without: String,
    cell: String,
    property: String,
}

const INTRODUCTION: &str = include_str!("findings-introduction.md");
const G5PLUS: &str = include_str!("findings-g5plus.md");

pub fn run(how: How, cancel: &'static AtomicBool) -> ExitCode {
    let file: File = toml::from_str(include_str!("findings.toml")).unwrap_or_else(|e| panic!("findings.toml: {e}"));
    let matrix = Matrix::embedded();
    let cell = |name: &str| matrix.find(name).unwrap_or_else(|| panic!("findings.toml: there is no cell {name}"));
    let mut scenarios: Vec<Scenario> = file.finding.iter().map(|finding| shown(finding, cell(&finding.cell))).collect();
    scenarios.extend(file.part.iter().map(|part| without(part, cell(&part.cell))));
    let reports = run_all(&scenarios, How { detail: Detail::Readable, ..how }, cancel, |_, _| ());
    if cancel.load(Ordering::Relaxed) {
        return ExitCode::from(130);
    }
    let mut out = INTRODUCTION.to_string();
    let (found, parts) = reports.split_at(file.finding.len());
    for (i, (finding, report)) in file.finding.iter().zip(found).enumerate() {
        finding_text(&mut out, i + 1, finding, report, &matrix);
    }
    out += "\n## Assumptions\n\n| number | name | what | source |\n| --- | --- | --- | --- |\n";
    for a in ASSUMPTIONS {
        out += &format!("| {} | {} | {} | {} |\n", a.number, a.name, a.text, a.source);
    }
    out += G5PLUS;
    out += "\n| left out | then it is | fails | in |\n| --- | --- | --- | --- |\n";
    let mut fine = true;
    for (part, report) in file.part.iter().zip(parts) {
        let check = Check::named(&part.property).expect("a property");
        let verdict = report.outcome(check).map(|outcome| outcome.verdict);
        fine &= verdict == Some(Verdict::Violated);
        let fails = if verdict == Some(Verdict::Violated) { part.property.as_str() } else { "NOTHING" };
        out += &format!("| {} | {} | {fails} | {} |\n", part.rule, part.without, part.cell);
    }
    fine &= found.iter().zip(&file.finding).all(|(report, finding)| counterexample(report, finding).is_some());
    print!("{out}");
    if fine {
        ExitCode::SUCCESS
    } else {
        complain("error: something that is claimed is not found; see NOTHING and `no timeline` above");
        ExitCode::FAILURE
    }
}

/// The cell of a finding, asked for what is shown only.
fn shown(finding: &Finding, cell: &Cell) -> Scenario {
    let check = Check::named(&finding.properties[0]).expect("a property");
    Scenario { checks: vec![check], ..cell.scenario.clone() }
}

/// A cell of g5plus without one of its parts.
fn without(part: &Part, cell: &Cell) -> Scenario {
    let mutant = Mutant::Rule { rule: part.rule.clone(), value: part.without.clone() };
    let scenario = mutant.apply(&cell.scenario).expect("a rule set that fits");
    Scenario { checks: vec![Check::named(&part.property).expect("a property")], ..scenario }
}

fn counterexample<'a>(report: &'a Report, finding: &Finding) -> Option<&'a vtd_qi::verify::Violation> {
    report.outcome(Check::named(&finding.properties[0])?)?.counterexample.as_ref()
}

fn finding_text(out: &mut String, number: usize, finding: &Finding, report: &Report, matrix: &Matrix) {
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
    let write = |out: &mut String, line: String| out.write_str(&(line + "\n")).expect("a string");
    write(out, format!("\n## {number}. {}\n", finding.title));
    for property in &finding.properties {
        let (violated, all) = of("g5", None, property);
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
    let others: Vec<&str> = GENERATIONS
        .iter()
        .filter(|generation| of(generation.name, None, &finding.properties[0]).0 > 0)
        .map(|generation| generation.name)
        .collect();
    write(out, format!("**A regression?** {} Violated in {}.\n", finding.regression, others.join(", ")));
    let named = |number: &String| assumption(number).map_or(number.clone(), |a| format!("{number} ({})", a.name));
    write(out, format!("**Rests on** {}.\n", finding.rests_on.iter().map(named).collect::<Vec<_>>().join(", ")));
    let readings: Vec<String> = AfterIte::ALL
        .into_iter()
        .map(|reading| (reading, of("g5", Some(reading), &finding.properties[0])))
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
    match counterexample(report, finding) {
        None => write(out, "no timeline".to_string()),
        Some(violation) => {
            let lap = if violation.repeating > 0 {
                format!(", then {} for ever", violation.repeating)
            } else {
                String::new()
            };
            write(
                out,
                format!(
                    "The shortest run that violates `{}` in `{}`: {} steps{lap} ({}).\n\n```text\n{}```",
                    finding.properties[0], report.name, violation.stem, violation.length, violation.timeline
                ),
            );
        }
    }
}
