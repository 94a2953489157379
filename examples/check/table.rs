//! `--verbose`: one row per scenario, one narrow column per property.

use std::io::{Result, Write};

use comfy_table::{CellAlignment, Table as Grid, presets};
use indicatif::HumanCount;
use vtd_qi::scenario::Check;
use vtd_qi::verify::{Report, Verdict};
use vtd_qi_terminal::style::{BAD, STRONG, UNSURE, painted};

use crate::arguments::Expect;
use crate::is_fine;

/// A table of more rows than this is long.
const SCREEN: usize = 30;

/// The legend, and the table below it.
pub fn print(out: &mut impl Write, reports: &[Report], expect: Option<Expect>) -> Result<()> {
    let columns: Vec<Check> =
        Check::all().filter(|&check| reports.iter().any(|report| report.outcome(check).is_some())).collect();
    for check in &columns {
        writeln!(out, "{:<3}  {:<28} {}", check.code(), check.name(), check.meaning())?;
    }
    writeln!(out, "+ holds, X violated, ? unknown, blank: not checked")?;
    writeln!(out, "as expected: {}\n", what_is_expected(reports, expect))?;
    rows(out, &grid(&columns, reports, expect))
}

/// The rows of a table below their header, which stands below a long table once more.
pub fn rows(out: &mut impl Write, grid: &Grid) -> Result<()> {
    let lines: Vec<String> = grid.lines().map(|line| line.trim_end().to_string()).collect();
    for (i, line) in lines.iter().enumerate() {
        writeln!(out, "{}", if i == 0 { painted(STRONG, line) } else { marked(line) })?;
    }
    match lines.as_slice() {
        [header, rows @ ..] if rows.len() > SCREEN => writeln!(out, "{}\n", painted(STRONG, header)),
        _ => writeln!(out),
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

fn grid(columns: &[Check], reports: &[Report], expect: Option<Expect>) -> Grid {
    let mut grid = Grid::new();
    grid.load_style(presets::NOTHING);
    let header = ["scenario", "states", "transitions"].into_iter();
    grid.set_header(header.chain(columns.iter().map(|check| check.code())).chain(["as expected"]));
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
    grid
}

/// A row of a table with its marks in colour.
fn marked(line: &str) -> String {
    let mark =
        |line: String, mark: &str, style| line.replace(&format!(" {mark} "), &format!(" {} ", painted(style, mark)));
    let line = mark(line.to_string(), "X", BAD);
    let line = mark(line, "x", BAD);
    mark(line, "?", UNSURE)
}
