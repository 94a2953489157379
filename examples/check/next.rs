//! What to do next: every output for a person ends with it.

use vtd_qi::impl_qi::{RingCfg, Rules};
use vtd_qi::scenario::Table;
use vtd_qi::verify::{PropertyReport, Report, Verdict};
use vtd_qi_subject::named;

use crate::overview;
use crate::print::{FEW, Look};
use crate::subjects::Subjects;

/// What there is to do once reports have been read; `drawn` says which counterexamples have been.
pub fn of_reports(
    subjects: &Subjects,
    reports: &[Report],
    look: &Look,
    drawn: &dyn Fn(&Report, &PropertyReport) -> bool,
) -> String {
    if let Some(page) = &look.html {
        return format!("{} is a page that steps through the runs: open it in a browser", page.display());
    }
    let violates = |report: &&Report| report.properties.iter().any(|outcome| outcome.verdict == Verdict::Violated);
    let undrawn = |report: &&Report| {
        report.properties.iter().any(|outcome| outcome.counterexample.is_some() && !drawn(report, outcome))
    };
    if subjects.own.is_some() {
        return match reports {
            _ if reports.iter().any(|report| undrawn(&report)) => {
                "the same with --timelines all draws every run".into()
            }
            _ if reports.iter().any(|report| !report.is_decided()) => FURTHER.into(),
            _ => "check --list has the rules and their values, to change one with --rule RULE=VALUE".into(),
        };
    }
    if reports.len() > FEW {
        return of_many(reports, look);
    }
    if let Some(report) = reports.iter().find(undrawn) {
        return format!("{} --timelines all draws what is not drawn above", command(look, &report.name));
    }
    match reports.iter().find(violates) {
        Some(report) if is_explored(&report.name, look) => {
            format!(
                "explore {} walks through the run, the same with --html FILE makes a page of it to send",
                report.name
            )
        }
        Some(report) => of_rules(&command(look, &report.name), &subjects.scenarios[0].cfg),
        None if reports.iter().any(|report| !report.is_decided()) => FURTHER.into(),
        None => of_rules(&command(look, &reports[0].name), &subjects.scenarios[0].cfg),
    }
}

const FURTHER: &str = "the same with a larger --max-states or --max-memory searches further";

fn of_many(reports: &[Report], look: &Look) -> String {
    match overview::shown(reports) {
        _ if look.verbose => format!("{} has the reasons", command(look, &reports[0].name)),
        Some(report) if is_explored(&report.name, look) => format!(
            "{} draws all of its run, explore {} walks through it; --verbose: the table; \
             --faults: the hang of 2026",
            command(look, &report.name),
            report.name
        ),
        _ => "the same with --verbose has the table".to_string(),
    }
}

/// How the program is called for a scenario, with the table and the properties that it was called with.
fn command(look: &Look, name: &str) -> String {
    let table = look.table.iter().map(|table| format!(" --scenarios {}", table.display()));
    let properties = look.properties.iter().map(|property| format!(" --property {property}"));
    format!("check{} {name}{}", table.collect::<String>(), properties.collect::<String>())
}

/// Whether the Explorer knows a scenario or a cell.
fn is_explored(name: &str, look: &Look) -> bool {
    look.table.is_none() && named(&Table::embedded(), name).is_ok()
}

/// A rule to change: how slots are reclaimed, which is what the 2024 fix is about.
fn of_rules(check: &str, cfg: &RingCfg) -> String {
    let rule = "reclaim";
    let own = cfg.rules.reclaim.name();
    let other = Rules::values(rule).into_iter().flatten().find(|value| *value != own).unwrap_or(own);
    format!("{check} --rule {rule}={other} shows what comes of another rule; check --list has them all")
}
