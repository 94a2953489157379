//! What came of the theorems, for a person and for a program.

use std::io::{self, Write};

use serde_json::{Value, json};
use vtd_qi_proof::link::{BreakingRun, drawn};
use vtd_qi_proof::obligation::INVARIANT;
use vtd_qi_proof::solver::SolverName;
use vtd_qi_proof::theorem::{ProofReport, Settled, Settlement};
use vtd_qi_terminal::style::{BAD, FAINT, GOOD, STRONG, UNSURE, columns, painted, wrapped};

use crate::Proved;

/// One document.
pub(crate) fn json(proved: &[Proved]) -> Value {
    let theorems = proved.iter().map(|Proved { theorem, report, breach }| {
        let mut value = serde_json::to_value(report).expect("a report is plain data");
        value["as_expected"] = theorem.is_as_expected(report).into();
        value["run"] = breach.as_ref().map(|breach| breach.run.clone()).into();
        value
    });
    json!({ "theorems": theorems.collect::<Vec<_>>() })
}

/// A screen for each theorem.
pub(crate) fn text(out: &mut impl Write, proved: &[Proved], solvers: &[SolverName]) -> io::Result<()> {
    for Proved { theorem, report, breach } in proved {
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
                let [all, slowest] = [report.time(name), report.slowest(name)].map(|time| time.as_secs_f64());
                format!("{} {all:.1} s, the slowest {slowest:.2} s", name.name())
            })
            .collect();
        writeln!(out, "  {} obligations ({}): {expected}", report.obligations.len(), slowest.join("; "))?;
        if let Some(breach) = breach {
            run(out, breach)?;
        }
        writeln!(out)?;
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

/// The run that breaks the invariant, and the ring before and behind its last step.
fn run(out: &mut impl Write, breach: &BreakingRun) -> io::Result<()> {
    let width = columns();
    writeln!(out, "\n  The ring itself breaks it, in {} steps:", breach.run.len())?;
    writeln!(out, "{}", wrapped(&breach.run.join(", "), width, 4, 4))?;
    for (when, state) in [("before", &breach.before), ("behind", &breach.after)] {
        writeln!(out, "\n  {when} the last step, {}:", breach.step)?;
        drawn(state).lines().try_for_each(|line| writeln!(out, "    {line}"))?;
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
