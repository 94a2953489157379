//! What came of the theorems, for a person and for a program.

use std::io::{self, Write};

use serde_json::{Value, json};
use vtd_qi_proof::obligation::INVARIANT;
use vtd_qi_proof::solver::SolverName;
use vtd_qi_proof::theorem::{ProofReport, Settled, Settlement};
use vtd_qi_terminal::style::{BAD, FAINT, GOOD, STRONG, UNSURE, painted};

use crate::Proved;

/// One document.
pub(crate) fn json(proved: &[Proved]) -> Value {
    let theorems = proved.iter().map(|(theorem, report)| {
        let mut value = serde_json::to_value(report).expect("a report is plain data");
        value["as_expected"] = theorem.is_as_expected(report).into();
        value
    });
    json!({ "theorems": theorems.collect::<Vec<_>>() })
}

/// A screen for each theorem.
pub(crate) fn text(out: &mut impl Write, proved: &[Proved], solvers: &[SolverName]) -> io::Result<()> {
    for (theorem, report) in proved {
        writeln!(out, "{}", painted(STRONG, theorem.title()))?;
        steps(out, report, solvers)?;
        for claim in report.claims() {
            let obligations: Vec<&Settled> = report.of_claim(claim).collect();
            let how_many = match obligations.len() {
                1 => "1 obligation".to_string(),
                many => format!("{many} obligations"),
            };
            writeln!(
                out,
                "  {} {claim:<30} {how_many:>16}  {}",
                verdict(report, claim),
                seconds(&obligations, solvers)
            )?;
        }
        for of in report.open() {
            writeln!(out, "  {}: {}, {}", painted(BAD, said(of.outcome)), of.step, of.conjunct)?;
        }
        let expected = match (theorem.breaks_at, theorem.is_as_expected(report)) {
            (None, true) => "everything is proved".to_string(),
            (Some(step), true) => format!("the proof breaks at {step} and nowhere else, as expected: the bug of 2024"),
            (_, false) => painted(BAD, "not as expected"),
        };
        let slowest: Vec<String> = solvers
            .iter()
            .map(|&name| {
                format!(
                    "{} {:.1} s, the slowest {:.2} s",
                    name.name(),
                    report.time(name).as_secs_f64(),
                    report.slowest(name).as_secs_f64()
                )
            })
            .collect();
        writeln!(out, "  {} obligations ({}): {expected}\n", report.obligations.len(), slowest.join("; "))?;
    }
    Ok(())
}

/// The steps, and how many conjuncts of the invariant each keeps.
fn steps(out: &mut impl Write, report: &ProofReport, solvers: &[SolverName]) -> io::Result<()> {
    let mut names: Vec<&str> = report.of_claim(INVARIANT).map(|of| of.step).collect();
    names.dedup();
    for name in names {
        let of: Vec<&Settled> = report.of_claim(INVARIANT).filter(|of| of.step == name).collect();
        let kept = of.iter().filter(|of| of.outcome == Settlement::Discharged).count();
        let line = format!("  {name:<20} {kept:>3} of {} conjuncts  {}", of.len(), seconds(&of, solvers));
        match kept == of.len() {
            true => writeln!(out, "{}", painted(FAINT, line))?,
            false => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}

fn verdict(report: &ProofReport, claim: &str) -> String {
    let undecided = report.open().any(|of| of.outcome == Settlement::Unknown);
    match report.is_proved(claim) {
        true => painted(GOOD, "proved    "),
        false if undecided => painted(UNSURE, "unknown   "),
        false => painted(BAD, "not proved"),
    }
}

fn said(outcome: Settlement) -> &'static str {
    match outcome {
        Settlement::Discharged => "discharged",
        Settlement::Refuted => "does not keep",
        Settlement::Unknown => "unknown",
        Settlement::Disputed => "the solvers disagree",
    }
}

fn seconds(of: &[&Settled], solvers: &[SolverName]) -> String {
    let each = solvers.iter().map(|&solver| {
        let taken =
            of.iter().flat_map(|of| &of.seconds).filter(|(name, _)| *name == solver).map(|(_, seconds)| seconds);
        format!("{} {:.2} s", solver.name(), taken.sum::<f64>())
    });
    each.collect::<Vec<_>>().join("  ")
}
