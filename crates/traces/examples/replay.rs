//! A QEMU log of the real driver, replayed against the ring and the specification.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::{Parser, ValueEnum};
use serde::Serialize;
use thiserror::Error;
use vtd_qi::impl_qi::{AfterIte, GENERATIONS, Generation};
use vtd_qi_page::file::ReportFile;
use vtd_qi_terminal::style::{columns, next};
use vtd_qi_terminal::{Exit, Failure, Output, arguments, complain, interrupt, memory, unless_interrupted};
use vtd_qi_traces::events::{VisibleEvent, events_module};
use vtd_qi_traces::qemu_log::Trace;
use vtd_qi_traces::replay::{End, Grain, MostStates, Options, Qemu};

#[path = "replay/log.rs"]
mod log;
#[path = "replay/page.rs"]
mod page;
#[path = "replay/report.rs"]
mod report;

use log::{Judged, judge, of, open};
use report::{Report, Word};

/// Says of a QEMU log of the real driver whether it is a run of the model, which promise it breaks, and how it ends.
///
/// For each generation of the driver there are three answers: a run; a run that breaks a promise (the line, the property, the
/// finding, the states before and after); not a run (the line and the reason). A run ends idle, in the middle of calls that can
/// still return, or stuck: somebody can never return, with the name of the hang and the commit that mends it.
///
/// All states are tracked in which the ring can be after what has been read; polls, the lock and reclaim are not to be seen. A log
/// is what QEMU writes with `-trace 'vtd_*'`, in the form of any version, plain or compressed with gzip; it has to begin before the
/// queue is enabled. Where the queue is set up again (reboot, kexec, suspend), each life of it is judged; so is each unit where
/// several machines write into one file. A log without thread numbers is one of some CPUs. Events that say nothing about the ring
/// and lines that are no events are counted and listed; a known kind that cannot be read or contradicts itself is an error.
///
/// A unit with device time-outs says when ITE is set and when FSTS is written (vtd_x_ lines). Batches that are aborted then have
/// to be posted again, in the specification too.
///
/// A log that never uses the ring gives nothing to judge and is refused, as is one that is cut off inside its compressed form. A
/// log may be of any length; where its events are written out, or hidden steps are taken one by one, 2,000,000 lines of it may
/// concern the ring. At most 100,000 states are tracked at once; with more, the verdict is unknown. Where there is little memory,
/// they are fewer.
///
/// Exit code: 0 if each life of each log is a run of some generation at whose end nobody is stuck (where events are printed: if
/// they could be read); 1 if one is not: it breaks a promise, it ends stuck, it is no run, or that is unknown; 2 if a log cannot be
/// used or gives nothing to judge (the others are judged all the same); 130 if a signal came.
#[derive(Parser)]
#[command(after_help = "Examples:
  cargo run --example replay -- tests/fixtures/k612mf.qemu.log.gz
  cargo run --example replay -- --generation g4 a612.qemu.log.gz
  cargo run --example replay -- tests/fixtures/ite612.qemu.log.gz
  cargo run --example replay -- --ndjson tests/fixtures/k612mf.qemu.log.gz > events.ndjson
  cargo run --example replay -- --tla target tests/fixtures/k612mf.qemu.log.gz")]
struct Args {
    /// The traces, plain or .gz
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Which unit wrote the trace: QEMU's own, one with a queue of its own that IQT writes do not wait for, or whichever fits
    ///
    /// QEMU's own fetches and writes statuses on the thread of the CPU that wrote IQT; the other does all that on one thread,
    /// which never writes IQT.
    #[arg(long, value_enum, default_value_t = HardwareArg::Auto)]
    hardware: HardwareArg,
    /// What the unit makes of work that it has fetched when a device times out: drop (if not given), ids-run or wds-run
    ///
    /// Of traces with such a time-out only, and so not with --hardware stock.
    #[arg(long, value_parser = after_ite)]
    after_ite: Option<AfterIte>,
    /// The generation of the driver; all that fit, if not given
    #[arg(long, value_parser = generation)]
    generation: Option<&'static Generation>,
    /// The log is cut off: do not judge how it ends
    #[arg(long)]
    prefix: bool,
    /// Take each hidden step by itself: slow, and decides the same; of logs that name threads
    #[arg(long)]
    steps: bool,
    /// Write what is said as a page: it needs no network, and steps through the model's run to a known hang
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
    /// Print the visible events, one JSON object a line, and judge nothing
    ///
    /// Each has `event`. The first of each trace is Trace, with its `file`, the number of `slots` of its ring and, where the log
    /// has several, the number of the `life` of the queue and of its `unit`; the events after it, up to the next Trace, are of that
    /// file, and have `line`. WriteIqt: `cpu` (submitters from 1), `slot`, `count` of IDs posted. Fetch: `slot`, `desc` (ID or WD),
    /// `target` of a WD. Complete: `target`, `data`. LoseAnswer (ITE is set): `aborted` WDs. ClearIte: `cpu`. What cannot be told is
    /// null.
    #[arg(long, conflicts_with_all = ["hardware", "after_ite", "generation", "prefix", "steps", "json", "html"])]
    ndjson: bool,
    /// Write the visible events to DIR/QITraceData.tla too, for TLC and spec/QITrace.tla; of one trace only
    #[arg(long, value_name = "DIR")]
    tla: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HardwareArg {
    Auto,
    Stock,
    Async,
}

fn generation(name: &str) -> Result<&'static Generation, String> {
    Generation::named(name).ok_or_else(|| {
        let names: Vec<&str> = GENERATIONS.iter().map(|g| g.name).collect();
        format!("no generation of this name; there are {}", names.join(", "))
    })
}

fn after_ite(name: &str) -> Result<AfterIte, String> {
    AfterIte::ALL.into_iter().find(|after_ite| after_ite.name() == name).ok_or_else(|| {
        let names: Vec<&str> = AfterIte::ALL.iter().map(|after_ite| after_ite.name()).collect();
        format!("no reading of this name; there are {}", names.join(", "))
    })
}

/// The program's own thread, and the one that reads and judges.
const THREADS: usize = 2;

/// So many sets of states are tracked beside each other, at most.
const SETS: usize = 5;

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

#[derive(Debug, Error)]
enum Unusable {
    #[error("{}: none of its {lines} lines uses the ring after vtd_inv_qi_setup, so there is nothing to judge", file.display())]
    NothingToJudge { file: PathBuf, lines: u64 },
    #[error("--tla writes the events of one trace, but {0} are given")]
    Several(usize),
    #[error("{}: --tla writes the events of one life of the queue, but the log has {lives}", file.display())]
    SeveralLives { file: PathBuf, lives: usize },
    #[error(
        "--after-ite is about device time-outs, which QEMU's own unit has not; it does not go with --hardware stock"
    )]
    NoTimeOuts,
    #[error("--after-ite is about device time-outs, but {} has none (no line vtd_x_ite_set)", .0.display())]
    NoTimeOut(PathBuf),
    #[error("cannot write {}: {source}", file.display())]
    Module { file: PathBuf, source: io::Error },
}

impl From<Unusable> for Failure {
    fn from(error: Unusable) -> Failure {
        Failure::unusable(error)
    }
}

/// Fine if some generation fits each trace.
fn program(out: &mut Output) -> Result<Exit, Failure> {
    let Some(args) = arguments::<Args>(out)? else { return Ok(Exit::Success) };
    if args.tla.is_some() && args.files.len() > 1 {
        return Err(Unusable::Several(args.files.len()).into());
    }
    if args.after_ite.is_some() && args.hardware == HardwareArg::Stock {
        return Err(Unusable::NoTimeOuts.into());
    }
    let page = args.html.as_deref().map(ReportFile::create).transpose().map_err(Failure::Unusable)?;
    let memory = memory::allowance(None, THREADS)?;
    let (mut reports, mut unusable) = (Vec::new(), Vec::new());
    for file in &args.files {
        match each(out, &args, file, memory, &mut reports) {
            // The traces behind one that cannot be used are judged all the same.
            Err(Failure::Unusable(why)) => unusable.push(why),
            ended => ended?,
        }
    }
    if let Some(file) = page {
        let interrupted = interrupt().load(Ordering::Relaxed);
        file.write(&page::page(&reports, interrupted, memory)?).map_err(Failure::Unusable)?;
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &reports).map_err(io::Error::from)?;
        writeln!(out)?;
    }
    let why = match &unusable[..] {
        [] => None,
        [why] => Some(why.clone()),
        several => {
            let (few, all) = (several.len(), args.files.len());
            Some(format!("{few} of {all} traces cannot be used:\n  {}", several.join("\n  ")))
        }
    };
    if interrupt().load(Ordering::Relaxed) {
        why.iter().for_each(|why| complain(format_args!("error: {why}")));
        return Ok(Exit::Interrupted);
    }
    if let Some(why) = why {
        return Err(Failure::Unusable(why));
    }
    if let Some(report) = reports.iter().max_by_key(|report| report.verdict).filter(|_| !args.json) {
        let text = match &args.html {
            Some(page) => format!("{} is a page of it to send: open it in a browser", page.display()),
            None => report.next(),
        };
        next(out, &text, columns())?;
    }
    Ok(Exit::success_if(reports.iter().all(|report| report.verdict == Word::Run)))
}

/// Reads a log and does with it what is asked for; nothing once a signal has come.
fn each(out: &mut Output, args: &Args, file: &Path, memory: usize, reports: &mut Vec<Report>) -> Result<(), Failure> {
    if args.ndjson || args.tla.is_some() {
        let owned = file.to_path_buf();
        let lives = unless_interrupted(move |_| open(&owned).and_then(|log| Trace::read_all(log).map_err(of(&owned))));
        let Some(lives) = unless_signalled(file, lives) else { return Ok(()) };
        let lives = lives?;
        if let Some(dir) = &args.tla {
            let [life] = &lives[..] else {
                return Err(Unusable::SeveralLives { file: file.into(), lives: lives.len() }.into());
            };
            let file = dir.join("QITraceData.tla");
            std::fs::write(&file, events_module(life)).map_err(|source| Unusable::Module { file, source })?;
        }
        if args.ndjson {
            lives.iter().try_for_each(|life| write_events(file, life, lives.len(), out))?;
            return Ok(());
        }
    }
    let options = Options {
        hardware: match args.hardware {
            HardwareArg::Auto => Qemu::Auto,
            HardwareArg::Stock => Qemu::Stock,
            HardwareArg::Async => Qemu::Async,
        },
        end: if args.prefix { End::Cut } else { End::Anywhere },
        grain: if args.steps { Grain::Steps } else { Grain::Sections },
        after_ite: args.after_ite.unwrap_or_default(),
        most_states: MostStates::within(memory / 3 / SETS),
    };
    let (owned, generation) = (file.to_path_buf(), args.generation);
    let at = Arc::new(AtomicU64::new(0));
    let line = at.clone();
    let judged = unless_interrupted(move |interrupted| judge(&owned, generation, options, interrupted, &line));
    let Some(judged) = judged else {
        let at = match at.load(Ordering::Relaxed) {
            0 => String::new(),
            line => format!(" at line {line}"),
        };
        complain(format_args!("{}: not judged: interrupted{at}", file.display()));
        return Ok(());
    };
    let Judged { reports: lives, facts, interrupted } = judged?;
    if interrupted && lives.is_empty() {
        complain(format_args!("{}: not judged: interrupted", file.display()));
        return Ok(());
    }
    if lives.is_empty() {
        return Err(Unusable::NothingToJudge { file: file.into(), lines: facts.lines }.into());
    }
    if args.after_ite.is_some() && !lives.iter().any(|report| report.summary.ites > 0) {
        return Err(Unusable::NoTimeOut(file.into()).into());
    }
    for report in lives {
        if !args.json {
            report.print(out)?;
            out.flush()?;
        }
        reports.push(report);
    }
    Ok(())
}

/// What came of the work, unless a signal came first; then that is said.
fn unless_signalled<T>(file: &Path, work: Option<T>) -> Option<T> {
    if work.is_none() || interrupt().load(Ordering::Relaxed) {
        complain(format_args!("{}: not judged: interrupted", file.display()));
        return None;
    }
    work
}

/// What stands before the events of a trace, so that several of them can stand in one file.
#[derive(Serialize)]
#[serde(tag = "event", rename = "Trace")]
struct Header<'a> {
    file: Cow<'a, str>,
    slots: u16,
    /// Which life of the queue, from 1, if the log has several, and of which unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    life: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<usize>,
}

fn write_events(file: &Path, trace: &Trace, lives: usize, out: &mut impl Write) -> io::Result<()> {
    let of_several = |number: usize| (lives > 1).then_some(number + 1);
    let (life, unit) = (of_several(trace.life().number), of_several(trace.life().unit));
    let header = Header { file: file.to_string_lossy(), slots: trace.length().slots(), life, unit };
    serde_json::to_writer(&mut *out, &header)?;
    writeln!(out)?;
    for event in VisibleEvent::all(trace) {
        serde_json::to_writer(&mut *out, &event)?;
        writeln!(out)?;
    }
    Ok(())
}
