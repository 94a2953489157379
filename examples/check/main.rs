//! Checks the scenario table, or a configuration made with options, and prints verdicts and counterexamples.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Instant;

use vtd_qi::scenario::Scenario;
use vtd_qi::timeline::LEGEND;
use vtd_qi::verify::{Detail, Report, Verdict};
use vtd_qi_terminal::style::{columns, next, wrapped};
use vtd_qi_terminal::{Exit, Failure, Output, arguments, interrupt, memory, reading};
use vtd_qi_tla::TlcTrace;

use arguments::{Expect, Mode, Request};
use pool::{How, cores, run_all};
use print::Look;
use subjects::Subjects;
use vtd_qi_page::file::ReportFile;

mod arguments;
mod findings;
mod html;
mod kept;
mod list;
mod matrix;
mod mutants;
mod next;
mod overview;
mod pool;
mod print;
mod subjects;
mod table;

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    let Some(request) = arguments::<Request>(out)? else { return Ok(Exit::Success) };
    let args = &request.args;
    out.color(args.color);
    let width = args.width.map_or_else(columns, usize::from);
    let threads = args.threads.map_or_else(cores, usize::from);
    let memory = memory::allowance(args.max_memory, threads)?;
    let how = How { threads, max_states: args.max_states, memory, detail: Detail::Readable };
    let subjects = || Subjects::of(&request);
    match request.mode {
        Mode::Faults => matrix::run(out, args, how, interrupt()),
        Mode::Mutants => mutants::run(out, args.json, how, interrupt()),
        Mode::Findings => findings::run(out, args.findings.expect("it decided on the mode"), how, interrupt()),
        Mode::List => {
            let scenarios = subjects()?.scenarios;
            match args.json {
                true => list::json(out, &scenarios)?,
                false => list::print(out, &scenarios, width)?,
            }
            Ok(Exit::Success)
        }
        Mode::Trace => {
            let file = args.from_tlc.as_ref().expect("it decided on the mode");
            from_tlc(out, file, &subjects()?.scenarios, memory, width)
        }
        Mode::Scenarios | Mode::Own => check(out, &request, subjects()?, how, width),
    }
}

fn check(out: &mut Output, request: &Request, subjects: Subjects, how: How, width: usize) -> Result<Exit, Failure> {
    let (cancel, args, started) = (interrupt(), &request.args, Instant::now());
    let page = args.html.as_deref().map(ReportFile::create).transpose().map_err(Failure::Unusable)?;
    let reports = run_all(&subjects.scenarios, how, cancel, |_, _| ());
    let interrupted = cancel.load(Ordering::Relaxed);
    // First the page: whoever reads the output may go away.
    let written = page.map_or(Ok(()), |page| page.write(&html::page(&subjects, &reports, interrupted)));
    match args.json {
        true => print::json(out, &subjects, &reports)?,
        false => {
            let look = Look {
                timelines: args.timelines,
                expect: args.expect,
                table: args.scenarios.clone(),
                properties: args.properties.clone(),
                html: args.html.clone(),
                verbose: args.verbose,
                width,
                took: started.elapsed(),
            };
            print::all(out, &subjects, &reports, &look)?;
        }
    }
    written.map_err(Failure::Unusable)?;
    if interrupted {
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::success_if(reports.iter().all(|report| is_fine(report, args.expect))))
}

/// Whether what was found is as expected: the judge of the exit code, of the table and of the last line. A scenario is to be as its
/// row says, and what no row speaks of is to hold, unless somebody expects a violation.
fn is_fine(report: &Report, expect: Option<Expect>) -> bool {
    match expect {
        Some(Expect::Violated) => report.properties.iter().any(|outcome| outcome.verdict == Verdict::Violated),
        Some(Expect::Holds) | None => {
            let mut without_row = report.properties.iter().filter(|outcome| outcome.expected.is_none());
            report.as_expected() && without_row.all(|outcome| outcome.verdict == Verdict::Holds)
        }
    }
}

/// Draws a trace of TLC, after having executed each of its steps on the ring.
fn from_tlc(
    out: &mut Output,
    file: &Path,
    scenarios: &[Scenario],
    memory: usize,
    width: usize,
) -> Result<Exit, Failure> {
    let [scenario] = scenarios else {
        let why = "--from-tlc needs exactly 1 scenario, or --generation and the rest of a configuration";
        return Err(Failure::unusable(format_args!("{why}; {} are named", scenarios.len())));
    };
    let trace = reading(file, move |file| TlcTrace::read(file, memory))?;
    let executed = trace.on_ring(&scenario.cfg).map_err(Failure::unusable)?;
    let timeline = executed.timeline.expect("a run of the ring is drawn");
    let (stem, repeating) = (timeline.rows.len() - timeline.repeating, timeline.repeating);
    let lap = if repeating > 0 { format!(", then {repeating} for ever") } else { String::new() };
    writeln!(out, "{}: {stem} steps executed{lap}", file.display())?;
    writeln!(out, "{}\n", wrapped(LEGEND, width, 0, 2))?;
    print::timeline(out, &timeline, width)?;
    next(out, "check NAME says what holds of the scenario, and check --list which there are", width)?;
    Ok(Exit::Success)
}
