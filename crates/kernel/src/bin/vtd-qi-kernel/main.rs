//! Holds a kernel tree's own C against the model: is it that code, step for step, and does that code hang?

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use vtd_qi_page::file::ReportFile;
use vtd_qi_terminal::{Exit, Failure, Output, arguments, complain, interrupt};

use crate::arguments::{Args, Asked};
use crate::checks::check;
use crate::plan::Plan;
use crate::print::print;
use crate::report::{Answer, Report};

mod arguments;
mod baseline;
mod checks;
mod page;
mod plan;
mod print;
mod report;

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    let Some(Asked(args)) = arguments::<Asked>(out)? else { return Ok(Exit::Success) };
    interrupt();
    let plan = Plan::of(&args)?;
    let page = args.html.as_deref().map(ReportFile::create).transpose().map_err(Failure::Unusable)?;
    let mut report = Report::default();
    let checked = check(&args, &plan, &mut report);
    if report.tree.is_empty() {
        // Nothing is known of a tree that was not read.
        return match checked {
            Err(why) if cancelled() => {
                complain(format_args!("interrupted: {why}"));
                Ok(Exit::Interrupted)
            }
            Err(why) => unusable(&args, why),
            Ok(()) => Ok(Exit::Success),
        };
    }
    // What is known by then is not lost if something cannot be done.
    let written = page.map_or(Ok(()), |page| page.write(&page::page(&report, cancelled())));
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        print(out, &report, &args)?;
    }
    written.map_err(Failure::Unusable)?;
    if cancelled() {
        return Ok(Exit::Interrupted);
    }
    match (checked, report.answer()) {
        (Err(why), _) => unusable(&args, why),
        (Ok(()), Answer::Unknown) if args.bisect => Ok(Exit::Untestable),
        (Ok(()), answer) => Ok(Exit::success_if(answer == Answer::Fine)),
    }
}

/// Nothing can be said of a source: for git bisect that is a commit to be skipped, and neither good nor bad.
fn unusable(args: &Args, why: String) -> Result<Exit, Failure> {
    if !args.bisect {
        return Err(Failure::Unusable(why));
    }
    complain(format_args!("error: {why}"));
    Ok(Exit::Untestable)
}

fn cancelled() -> bool {
    interrupt().load(Ordering::Relaxed)
}
