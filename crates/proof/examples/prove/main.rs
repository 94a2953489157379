//! The ring proved for any number of submitters, any length and any counts that fit, where no fault occurs.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use vtd_qi_proof::link::BreakingRun;
use vtd_qi_proof::obligation::Obligation;
use vtd_qi_proof::solver::{Solver, SolverError, SolverName};
use vtd_qi_proof::theorem::{ProofReport, THEOREMS, Theorem};
use vtd_qi_terminal::{Exit, Failure, Output, ProgressLine, arguments, unless_interrupted};

mod print;

/// Proves the ring for any number of submitters, any even QI_LENGTH from 4 on and any counts up to QI_LENGTH - 2,
/// where no fault occurs.
///
/// Each step of the ring keeps each conjunct of an invariant, and the claims follow from it: each of these is a question for a solver, z3
/// or cvc5, which are packages of Debian. For g3 with counts from 0 on the proof breaks, at one step: that is the bug of 2024.
///
/// Exit code: 0 if everything is proved that is to be, 1 if something is not or a solver does not know, 2 if no solver can be used, 130 if
/// a signal came.
#[derive(Parser)]
#[command(after_help = "Examples:
  cargo run --release --example prove
  cargo run --release --example prove -- g4 --solver both
  cargo run --release --example prove -- g3 --json | jq '.theorems[].obligations | length'")]
struct Args {
    /// The generations; all if left out
    #[arg(value_enum)]
    generations: Vec<Generation>,
    /// Who is asked; without it, the first of z3 and cvc5 that is installed
    #[arg(long, value_enum)]
    solver: Option<Asked>,
    /// How long a solver may think about one obligation; then it is unknown, and not proved
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=3600))]
    timeout: u16,
    /// Print one JSON document instead of text
    ///
    /// It has theorems, each with generation, least_count, as_expected, run (to a step that breaks it, or null) and obligations: claim, step, conjunct, outcome (discharged, refuted,
    /// unknown or disputed) and the seconds of each solver.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Generation {
    /// Before the fix of 2024
    G3,
    /// The fix of 2024
    G4,
    /// The fix of 2026, which without faults is the same
    G5,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Asked {
    Z3,
    Cvc5,
    /// They have to agree
    Both,
}

/// What there is to prove, and who is asked.
struct Work {
    theorems: Vec<&'static Theorem>,
    solvers: Vec<SolverName>,
    limit: Duration,
}

/// A theorem and what came of it.
pub(crate) struct Proved {
    theorem: &'static Theorem,
    report: ProofReport,
    /// Where the invariant breaks on a ring, if the theorem says that it does.
    breach: Option<BreakingRun>,
}

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    let Some(args) = arguments::<Args>(out)? else { return Ok(Exit::Success) };
    let is_asked = |theorem: &&Theorem| {
        let names = args.generations.iter().filter_map(|generation| generation.to_possible_value());
        args.generations.is_empty() || names.into_iter().any(|name| name.get_name() == theorem.generation)
    };
    let work = Work {
        theorems: THEOREMS.iter().filter(is_asked).collect(),
        solvers: solvers(args.solver)?,
        limit: Duration::from_secs(args.timeout.into()),
    };
    let asked = work.solvers.clone();
    let Some((proved, ended)) = unless_interrupted(move |cancel| prove(&work, cancel)) else {
        return Ok(Exit::Interrupted);
    };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &print::json(&proved)).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        print::text(out, &proved, &asked)?;
    }
    match ended {
        Ok(()) => Ok(Exit::success_if(proved.iter().all(|proved| proved.theorem.is_as_expected(&proved.report)))),
        Err(SolverError::Cancelled) => Ok(Exit::Interrupted),
        Err(error) => Err(Failure::unusable(error)),
    }
}

/// The solvers that are asked for, or one that is there.
fn solvers(asked: Option<Asked>) -> Result<Vec<SolverName>, Failure> {
    let wanted = match asked {
        Some(Asked::Z3) => vec![SolverName::Z3],
        Some(Asked::Cvc5) => vec![SolverName::Cvc5],
        Some(Asked::Both) => SolverName::ALL.to_vec(),
        None => {
            let there = SolverName::ALL.into_iter().find(|name| name.is_there());
            let none = || Failure::unusable("no solver can be found; Debian has two in the packages z3 and cvc5");
            return Ok(vec![there.ok_or_else(none)?]);
        }
    };
    match wanted.iter().find(|name| !name.is_there()) {
        Some(name) => Err(Failure::unusable(SolverError::Missing(*name))),
        None => Ok(wanted),
    }
}

/// Proves one theorem after the other. What was proved before an error is returned with it.
fn prove(work: &Work, cancel: &AtomicBool) -> (Vec<Proved>, Result<(), SolverError>) {
    let mut proved = Vec::new();
    let mut line = ProgressLine::new();
    let mut all = || -> Result<(), SolverError> {
        let started: Result<Vec<_>, _> =
            work.solvers.iter().map(|name| Solver::start(*name, work.limit, cancel)).collect();
        let mut solvers = started?;
        for theorem in work.theorems.iter().copied() {
            let obligations = theorem.obligations().expect("every theorem is about rules that are translated");
            let mut done = 0;
            let progress = |of: &Obligation| {
                let message = format!("{}: {}, {}", theorem.generation, of.step, of.conjunct);
                line.show_part(done, obligations.len(), "obligations", &message);
                done += 1;
            };
            let mut report = theorem.prove(&obligations, &mut solvers, progress)?;
            let breach = match theorem.breaks_at {
                Some(_) => theorem.breach().expect("the ring is compared with the relation by a test"),
                None => None,
            };
            breach.iter().for_each(|breach| report.refute(&obligations, breach));
            proved.push(Proved { theorem, report, breach });
        }
        Ok(())
    };
    let ended = all();
    line.clear();
    (proved, ended)
}
