//! `--mutants`: which property notices what is altered.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{Table as Grid, presets};
use vtd_qi::campaign::mutants::{BASES, Equivalent, equivalents, mutants, subjects};
use vtd_qi::scenario::Scenario;
use vtd_qi::verify::{Detail, Report, Verdict};
use vtd_qi_terminal::style::{columns, next};
use vtd_qi_terminal::{Exit, Failure, Output};

use crate::pool::{How, run_all};

/// Most states of a mutant: what is violated beyond is not looked for.
const MOST_STATES: u32 = 300_000;

/// A mutant in one cell.
struct Job {
    base: &'static str,
    mutant: String,
    cell: String,
    scenario: Scenario,
}

/// The properties that are violated under a mutant, each with the first cell in which it is.
type Killers = BTreeMap<&'static str, String>;

/// What the searches of all of a mutant's cells found.
#[derive(Default)]
struct Searched {
    killers: Killers,
    /// Whether a search was cut.
    cut: bool,
}

/// What became of a mutant.
enum Fate {
    /// A property is violated under it.
    Killed,
    /// A property is violated under it although `mutants.toml` says that none can be.
    KilledThoughEquivalent,
    /// Nothing is violated under it, and `mutants.toml` says why.
    Equivalent {
        /// The reason, written by hand.
        why: String,
    },
    /// Nothing is violated under it, and nobody has said why.
    Survives {
        /// Whether a search was cut, so that there is more to search.
        cut: bool,
    },
    /// A signal has cut a search, so that it may yet be killed.
    Unknown,
}

impl Fate {
    fn of(searched: &Searched, equivalent: Option<&Equivalent>, interrupted: bool) -> Fate {
        let Searched { killers, cut } = searched;
        match (killers.is_empty(), equivalent) {
            (false, None) => Fate::Killed,
            (false, Some(_)) => Fate::KilledThoughEquivalent,
            (true, _) if *cut && interrupted => Fate::Unknown,
            (true, Some(equivalent)) => Fate::Equivalent { why: equivalent.why.clone() },
            (true, None) => Fate::Survives { cut: *cut },
        }
    }

    /// Whether it is as `mutants.toml` says, as far as is known.
    fn is_explained(&self) -> bool {
        !matches!(self, Fate::KilledThoughEquivalent | Fate::Survives { .. })
    }

    /// What there is to say beside the properties that have killed it, if anything.
    fn note(&self) -> String {
        match self {
            Fate::Killed => String::new(),
            Fate::KilledThoughEquivalent => "KILLED, but mutants.toml says that it is equivalent".to_string(),
            Fate::Equivalent { why } => format!("survives: {why}"),
            Fate::Survives { cut: true } => "SURVIVES as far as was searched".to_string(),
            Fate::Survives { cut: false } => "SURVIVES, unexplained".to_string(),
            Fate::Unknown => "unknown: interrupted".to_string(),
        }
    }
}

/// One row of the table: a mutant of a generation.
struct Row {
    base: &'static str,
    mutant: String,
    killers: Killers,
    fate: Fate,
}

pub fn run(out: &mut Output, json: bool, how: How, cancel: &'static AtomicBool) -> Result<Exit, Failure> {
    let jobs = jobs();
    let scenarios: Vec<Scenario> = jobs.iter().map(|job| job.scenario.clone()).collect();
    let how = How { detail: Detail::Verdicts, max_states: how.max_states.or(Some(MOST_STATES)), ..how };
    let reports = run_all(&scenarios, how, cancel, |_, _| ());
    let interrupted = cancel.load(Ordering::Relaxed);
    let rows = rows(&jobs, &reports, interrupted);
    match json {
        true => print_json(out, &rows)?,
        false => print(out, &rows)?,
    }
    if interrupted {
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::success_if(rows.iter().all(|row| row.fate.is_explained())))
}

/// Each mutant in each cell in which it changes something.
fn jobs() -> Vec<Job> {
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
    jobs
}

fn rows(jobs: &[Job], reports: &[Report], interrupted: bool) -> Vec<Row> {
    let mut searched: BTreeMap<(&str, String), Searched> = BTreeMap::new();
    for (job, report) in jobs.iter().zip(reports) {
        let Searched { killers, cut } = searched.entry((job.base, job.mutant.clone())).or_default();
        *cut |= !report.complete;
        for outcome in report.properties.iter().filter(|outcome| outcome.verdict == Verdict::Violated) {
            killers.entry(outcome.check.name()).or_insert_with(|| job.cell.clone());
        }
    }
    let known = equivalents();
    let mut rows = Vec::new();
    for base in BASES {
        for mutant in mutants(base) {
            let mutant = mutant.name();
            let searched = searched.remove(&(base, mutant.clone())).unwrap_or_default();
            let equivalent = known.iter().find(|e| e.mutant == mutant && e.bases.iter().any(|b| b == base));
            let fate = Fate::of(&searched, equivalent, interrupted);
            rows.push(Row { base, mutant, killers: searched.killers, fate });
        }
    }
    rows
}

fn print_json(out: &mut Output, rows: &[Row]) -> std::io::Result<()> {
    let row = |Row { base, mutant, killers, fate }: &Row| serde_json::json!({ "base": base, "mutant": mutant, "killed_by": killers, "note": fate.note() });
    let all: Vec<_> = rows.iter().map(row).collect();
    writeln!(out, "{:#}", serde_json::json!({ "mutants": all }))
}

fn print(out: &mut Output, rows: &[Row]) -> std::io::Result<()> {
    let mut grid = Grid::new();
    grid.load_style(presets::NOTHING);
    grid.set_header(["base", "mutant", "killed by"]);
    for Row { base, mutant, killers, fate } in rows {
        let note = fate.note();
        let said = Some(note.as_str()).filter(|note| !note.is_empty());
        let killers: Vec<&str> = killers.keys().copied().chain(said).collect();
        grid.add_row([*base, mutant, &killers.join(", ")]);
    }
    let lines: Vec<String> = grid.lines().map(|line| line.trim_end().to_string()).collect();
    let count = |wanted: fn(&Fate) -> bool| rows.iter().filter(|row| wanted(&row.fate)).count();
    let killed = count(|fate| matches!(fate, Fate::Killed | Fate::KilledThoughEquivalent));
    let survive = count(|fate| matches!(fate, Fate::Equivalent { .. } | Fate::Survives { .. }));
    let unknown = count(|fate| matches!(fate, Fate::Unknown));
    let unexplained = count(|fate| !fate.is_explained());
    let undecided = if unknown > 0 { format!("{unknown} unknown, ") } else { String::new() };
    writeln!(
        out,
        "{}\n\n{} mutants: {killed} killed, {survive} survive, {undecided}{unexplained} not as explained",
        lines.join("\n"),
        rows.len(),
    )?;
    // A mutant that is a rule can be checked by itself.
    let by_itself = rows.iter().filter(|row| row.mutant.contains('='));
    match by_itself.flat_map(|row| row.killers.values().map(|cell| (cell, &row.mutant))).next() {
        Some((cell, mutant)) => next(out, &format!("check {cell} --rule {mutant} shows one with its runs"), columns()),
        None => Ok(()),
    }
}
