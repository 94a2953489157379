//! `--mutants`: which property notices what is altered.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{presets, Table as Grid};
use vtd_qi::mutants::{equivalents, mutants, subjects, BASES};
use vtd_qi::scenario::Scenario;
use vtd_qi::verify::{Detail, Verdict};
use vtd_qi_terminal::{Exit, Failure, Output};

use crate::pool::{run_all, How};

/// Most states of a mutant: what is violated beyond is not looked for.
const MOST_STATES: u32 = 300_000;

/// A mutant in one cell.
struct Job {
    base: &'static str,
    mutant: String,
    cell: String,
    scenario: Scenario,
}

/// What became of a mutant.
#[derive(Default)]
struct Killed {
    /// The properties that are violated, each with the first cell.
    by: BTreeMap<&'static str, String>,
    /// Whether a search was cut.
    cut: bool,
}

pub fn run(out: &mut Output, json: bool, how: How, cancel: &'static AtomicBool) -> Result<Exit, Failure> {
    let mut jobs = Vec::new();
    for base in BASES {
        let cells = subjects(base);
        for mutant in mutants(base) {
            for cell in &cells {
                jobs.extend(mutant.apply(&cell.scenario).map(|scenario| Job {
                    base,
                    mutant: mutant.name(),
                    cell: cell.scenario.name.clone(),
                    // How far a mutant is searched is said here, not by the cell.
                    scenario: Scenario { max_states: None, ..scenario },
                }));
            }
        }
    }
    let scenarios: Vec<Scenario> = jobs.iter().map(|job| job.scenario.clone()).collect();
    let how = How { detail: Detail::Verdicts, max_states: how.max_states.or(Some(MOST_STATES)), ..how };
    let reports = run_all(&scenarios, how, cancel, |_, _| ());
    let mut killers: BTreeMap<(&str, String), Killed> = BTreeMap::new();
    for (job, report) in jobs.iter().zip(&reports) {
        let Killed { by, cut } = killers.entry((job.base, job.mutant.clone())).or_default();
        *cut |= !report.complete;
        for outcome in report.properties.iter().filter(|outcome| outcome.verdict == Verdict::Violated) {
            by.entry(outcome.check.name()).or_insert_with(|| job.cell.clone());
        }
    }
    let known = equivalents();
    let interrupted = cancel.load(Ordering::Relaxed);
    let (mut unexplained, mut unknown) = (0, 0);
    let mut rows = Vec::new();
    for base in BASES {
        for mutant in mutants(base) {
            let name = mutant.name();
            let Killed { by: killed, cut } = killers.remove(&(base, name.clone())).unwrap_or_default();
            let equivalent = known.iter().find(|e| e.mutant == name && e.bases.iter().any(|b| b == base));
            let verdict = match (killed.is_empty(), equivalent) {
                (false, None) => String::new(),
                (false, Some(_)) => "KILLED, but mutants.toml says that it is equivalent".to_string(),
                // What was not searched because of a signal may yet be killed there.
                (true, _) if cut && interrupted => "unknown: interrupted".to_string(),
                (true, Some(equivalent)) => format!("survives: {}", equivalent.why),
                (true, None) if cut => "SURVIVES as far as was searched".to_string(),
                (true, None) => "SURVIVES, unexplained".to_string(),
            };
            unknown += usize::from(verdict.starts_with("unknown"));
            unexplained += usize::from(verdict.starts_with("SURVIVES") || verdict.starts_with("KILLED"));
            rows.push((base, name, killed, verdict));
        }
    }
    if json {
        let row = |(base, name, killed, verdict): &(&str, String, BTreeMap<&str, String>, String)| serde_json::json!({ "base": base, "mutant": name, "killed_by": killed, "note": verdict });
        let all: Vec<_> = rows.iter().map(row).collect();
        writeln!(out, "{:#}", serde_json::json!({ "mutants": all }))?;
    } else {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING);
        grid.set_header(["base", "mutant", "killed by"]);
        for (base, name, killed, verdict) in &rows {
            let said = Some(verdict.as_str()).filter(|verdict| !verdict.is_empty());
            let killers: Vec<&str> = killed.keys().copied().chain(said).collect();
            grid.add_row([*base, name, &killers.join(", ")]);
        }
        let lines: Vec<String> = grid.lines().map(|line| line.trim_end().to_string()).collect();
        let survivors = rows.iter().filter(|(_, _, killed, _)| killed.is_empty()).count() - unknown;
        let undecided = if unknown > 0 { format!("{unknown} unknown, ") } else { String::new() };
        writeln!(
            out,
            "{}\n\n{} mutants: {} killed, {survivors} survive, {undecided}{unexplained} not as explained",
            lines.join("\n"),
            rows.len(),
            rows.len() - survivors - unknown
        )?;
    }
    if interrupted {
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::success_if(unexplained == 0))
}
