//! `--faults`: the verdict matrix.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{CellAlignment, Table as Grid, presets};
use vtd_qi::campaign::matrix::{Cell, CellResult, Matrix, Scope, Tier};
use vtd_qi::impl_qi::Length;
use vtd_qi::scenario::Scenario;
use vtd_qi::verify::{Detail, FaultBit, SurpriseKind, Verdict};
use vtd_qi::words::meant;
use vtd_qi_terminal::style::{columns, next};
use vtd_qi_terminal::{Exit, Failure, Output, complain};

use crate::arguments::Args;
use crate::kept::Kept;
use crate::pool::{How, run_all};
use crate::table;

/// Where `--full` keeps finished cells.
const KEPT: &str = "vtd-qi-faults.jsonl";

pub fn run(out: &mut Output, args: &Args, how: How, cancel: &'static AtomicBool) -> Result<Exit, Failure> {
    let scope = if args.full { Scope::Full } else { Scope::Quick };
    let matrix = Matrix::embedded();
    let further = |limit: usize| how.max_states.map_or(limit, |n| limit.max(n as usize));
    let limited = |cell: &Cell| {
        let scenario = Scenario { max_states: Some(further(matrix.limit(cell, scope))), ..cell.scenario.clone() };
        Cell { scenario, ..cell.clone() }
    };
    let Chosen { cells, left_out } = chosen(&matrix, scope, &args.names).map_err(Failure::Unusable)?;
    left_out.iter().for_each(complain);
    let cells: Vec<Cell> = cells.into_iter().map(limited).collect();
    let cells: Vec<&Cell> = cells.iter().collect();
    let file = args.keep.as_deref().or_else(|| args.full.then(|| Path::new(KEPT)));
    let (mut kept, mut results) = match file.map(Kept::open).transpose().map_err(Failure::Unusable)? {
        Some((kept, results)) => {
            if let Some(damage) = &kept.damage {
                complain(format_args!("{}: {damage}", kept.name));
            }
            (Some(kept), results)
        }
        None => (None, BTreeMap::new()),
    };
    let by_name: BTreeMap<&str, &Cell> = cells.iter().map(|cell| (cell.scenario.name.as_str(), *cell)).collect();
    let limit = |cell: &Cell| how.max_states.map_or_else(|| matrix.limit(cell, scope), |n| n as usize);
    results.retain(|name, kept| by_name.get(name.as_str()).is_some_and(|cell| kept.serves(cell, limit(cell))));
    let mut to_do: Vec<&Cell> =
        cells.iter().copied().filter(|cell| !results.contains_key(&cell.scenario.name)).collect();
    // The larger ones first, so that no worker is left alone with one at the end.
    to_do.sort_by_key(|cell| std::cmp::Reverse(weight(&cell.scenario)));
    if to_do.len() < cells.len() {
        complain(format_args!("{} of {} cells are known from before", cells.len() - to_do.len(), cells.len()));
    }
    let scenarios: Vec<Scenario> = to_do.iter().map(|cell| cell.scenario.clone()).collect();
    run_all(&scenarios, How { detail: Detail::Verdicts, ..how }, cancel, |i, report| {
        if cancel.load(Ordering::Relaxed) && !report.is_decided() {
            return;
        }
        let judged = CellResult::of(to_do[i], report);
        if let Some(kept) = &mut kept {
            kept.append(&judged);
        }
        results.insert(judged.name.clone(), judged);
    });
    match args.json {
        true => print_json(out, &cells, &results)?,
        false => print(out, &cells, &results)?,
    }
    if let Some(lost) = kept.and_then(|kept| kept.lost) {
        return Err(Failure::Unusable(lost));
    }
    if cancel.load(Ordering::Relaxed) {
        return Ok(Exit::Interrupted);
    }
    let fine = |cell: &&Cell| results.get(&cell.scenario.name).is_some_and(|judged| judged.surprises(cell).is_empty());
    Ok(Exit::success_if(cells.iter().all(fine)))
}

/// What is checked of the cells that are named, all if none is.
struct Chosen<'m> {
    cells: Vec<&'m Cell>,
    /// A sentence for each name that means cells of a further scope too.
    left_out: Vec<String>,
}

fn chosen<'m>(matrix: &'m Matrix, scope: Scope, names: &[String]) -> Result<Chosen<'m>, String> {
    let (mut named, mut left_out): (Vec<&str>, Vec<String>) = Default::default();
    for name in names {
        let (within, beyond): (Vec<&Cell>, Vec<&Cell>) =
            matrix.select(name).into_iter().partition(|cell| cell.scope <= scope);
        match (within.is_empty(), beyond.is_empty()) {
            (true, true) => {
                let rows: Vec<String> = matrix
                    .cells(Scope::Full)
                    .map(|cell| format!("{}-{}", cell.scenario.generation, cell.class))
                    .collect();
                let cells = matrix.cells(Scope::Full).map(|cell| cell.scenario.name.as_str());
                let meant = meant(name, cells.chain(rows.iter().map(String::as_str)));
                return Err(format!("there is no cell {name:?}{meant}, and no cell's name begins so"));
            }
            (true, false) => {
                let (subject, verb) = if beyond.len() == 1 { ("cell", "is") } else { ("cells", "are") };
                return Err(format!(
                    "the {} {subject} that {name} names {verb} checked only with --full",
                    beyond.len()
                ));
            }
            (false, false) => {
                let all = within.len() + beyond.len();
                left_out
                    .push(format!("{name} names {all} cells, {} of which are checked only with --full", beyond.len()));
            }
            (false, true) => {}
        }
        named.extend(within.iter().map(|cell| cell.scenario.name.as_str()));
    }
    let is_named = |cell: &&Cell| names.is_empty() || named.contains(&cell.scenario.name.as_str());
    Ok(Chosen { cells: matrix.cells(scope).filter(is_named).collect(), left_out })
}

/// Roughly how long a cell takes, compared with others.
fn weight(scenario: &Scenario) -> (usize, usize, u16) {
    let cfg = &scenario.cfg;
    (cfg.submitters, cfg.faults.classes.len(), Length::slots(cfg.length) * cfg.counts.len() as u16)
}

fn print_json(out: &mut Output, cells: &[&Cell], results: &BTreeMap<String, CellResult>) -> std::io::Result<()> {
    let known: Vec<&CellResult> = cells.iter().filter_map(|cell| results.get(&cell.scenario.name)).collect();
    serde_json::to_writer_pretty(&mut *out, &serde_json::json!({ "cells": known }))?;
    writeln!(out)
}

/// `+` holds in all cells, `X` violated in all, `x` in some, `?` unknown in some and violated in none.
fn mark(verdicts: &[Verdict]) -> &'static str {
    let has = |wanted| verdicts.contains(&wanted);
    match () {
        () if verdicts.is_empty() => "",
        () if !has(Verdict::Violated) && has(Verdict::Unknown) => "?",
        () if !has(Verdict::Violated) => "+",
        () if has(Verdict::Holds) || has(Verdict::Unknown) => "x",
        () => "X",
    }
}

/// One line for each row of cells, one column for each promise.
fn grid(cells: &[&Cell], results: &BTreeMap<String, CellResult>) -> Grid {
    let mut grid = Grid::new();
    grid.load_style(presets::NOTHING);
    let tiers = Tier::ALL.map(|tier| tier.name().to_string());
    let header = ["row", "cells", "states"].map(String::from).into_iter().chain(tiers);
    let bits = ["IQE", "ITE", "ICE", "as expected"].map(String::from);
    grid.set_header(header.chain(bits));
    let mut rows: Vec<(String, Vec<&Cell>)> = Vec::new();
    for cell in cells {
        match rows.iter_mut().find(|(row, _)| *row == cell.row()) {
            Some((_, of_row)) => of_row.push(cell),
            None => rows.push((cell.row(), vec![cell])),
        }
    }
    for (row, of_row) in &rows {
        let judged: Vec<&CellResult> = of_row.iter().filter_map(|cell| results.get(&cell.scenario.name)).collect();
        let states: usize = judged.iter().map(|judged| judged.states).sum();
        let mut line = vec![row.clone(), of_row.len().to_string(), thousands(states)];
        for tier in Tier::ALL {
            let verdicts: Vec<Verdict> = judged.iter().filter_map(|judged| judged.tier(tier)).collect();
            line.push(mark(&verdicts).to_string());
        }
        for bit in [FaultBit::Iqe, FaultBit::Ite, FaultBit::Ice] {
            let fired = || judged.iter().flat_map(|judged| &judged.faults).filter(|fired| fired.bit == bit);
            let (raised, handled) = (fired().map(|f| f.raised).sum(), fired().map(|f| f.handled).sum::<usize>());
            line.push(match (raised, handled) {
                (0usize, 0) => String::new(),
                _ => format!("{}/{}", thousands(raised), thousands(handled)),
            });
        }
        line.push(expected(of_row, results).to_string());
        grid.add_row(line);
    }
    for number in [1, 2] {
        if let Some(column) = grid.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    grid
}

/// Whether the cells of a row are as expected: `NO` if one contradicts what is expected of it, `unknown` if one leaves it open.
fn expected(cells: &[&Cell], results: &BTreeMap<String, CellResult>) -> &'static str {
    let mut answer = "yes";
    for cell in cells {
        let Some(judged) = results.get(&cell.scenario.name) else {
            answer = "unknown";
            continue;
        };
        for surprise in judged.surprises(cell) {
            match surprise.kind {
                SurpriseKind::Contrary => return "NO",
                SurpriseKind::Undecided => answer = "unknown",
            }
        }
    }
    answer
}

fn print(out: &mut Output, cells: &[&Cell], results: &BTreeMap<String, CellResult>) -> std::io::Result<()> {
    for tier in Tier::ALL {
        writeln!(out, "{:<8} {}", tier.name(), tier.meaning())?;
    }
    writeln!(
        out,
        "+ holds in all cells of the row, X violated in all, x violated in some, ? unknown in some and violated in none,"
    )?;
    writeln!(out, "blank: not asked. IQE, ITE, ICE: transitions that raise it / that handle it.\n")?;
    table::rows(out, &grid(cells, results))?;
    let (mut contrary, mut undecided) = (0, 0);
    for cell in cells {
        let Some(judged) = results.get(&cell.scenario.name) else { continue };
        let surprises = judged.surprises(cell);
        match surprises.iter().any(|surprise| surprise.kind == SurpriseKind::Contrary) {
            true => contrary += 1,
            false => undecided += usize::from(!surprises.is_empty()),
        }
        for surprise in surprises {
            writeln!(out, "{}: {surprise}", judged.name)?;
        }
    }
    let known: Vec<&CellResult> = cells.iter().filter_map(|cell| results.get(&cell.scenario.name)).collect();
    let cut: Vec<&&CellResult> = known.iter().filter(|judged| !judged.complete).collect();
    for judged in &cut {
        let unknown: Vec<&str> = judged
            .verdicts
            .iter()
            .filter(|(_, verdict)| **verdict == Verdict::Unknown)
            .map(|(name, _)| name.as_str())
            .collect();
        writeln!(out, "{}: {}; unknown: {}", judged.name, judged.cut.as_deref().unwrap_or("cut"), unknown.join(", "))?;
    }
    let undecided = if undecided > 0 { format!(", {undecided} undecided") } else { String::new() };
    writeln!(
        out,
        "{} cells: {} exhausted, {} cut, {} not checked; {contrary} not as expected{undecided}",
        cells.len(),
        known.len() - cut.len(),
        cut.len(),
        cells.len() - known.len(),
    )?;
    let violated = known.iter().find(|judged| judged.verdicts.values().any(|verdict| *verdict == Verdict::Violated));
    let next_cell = violated.or(known.first()).map(|judged| judged.name.as_str());
    match next_cell {
        Some(name) => next(
            out,
            &format!("check {name} has the reasons and the runs of one cell, explore {name} walks through them"),
            columns(),
        ),
        None => Ok(()),
    }
}

fn thousands(number: usize) -> String {
    indicatif::HumanCount(number as u64).to_string()
}
