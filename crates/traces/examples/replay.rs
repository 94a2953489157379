//! A QEMU log of the real driver, replayed against the ring and the specification.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{Parser, ValueEnum};
use flate2::bufread::MultiGzDecoder;
use serde::Serialize;
use thiserror::Error;
use vtd_qi::impl_qi::{AfterIte, GENERATIONS, Generation};
use vtd_qi_terminal::{
    Exit, Failure, Output, ProgressLine, arguments, complain, interrupt, memory, printable, unless_interrupted,
};
use vtd_qi_traces::events::{VisibleEvent, events_module};
use vtd_qi_traces::qemu_log::{Summary, Trace, TraceError};
use vtd_qi_traces::replay::{
    Cause, End, GivenUp, Grain, MostStates, Options, Qemu, Rejection, ReplayVerdict, Replayed, SpecSteps, replay,
};

/// Checks a QEMU trace of the real driver against the model of the ring and against the specification.
///
/// All states are tracked in which the ring can be after what has been read; polls, the lock and reclaim are not to be seen. A
/// trace is rejected at the first line after which no state is left, or at its last line if it does not end idle.
///
/// A unit with device time-outs says when ITE is set and when FSTS is written (vtd_x_ lines). Batches that are aborted then have
/// to be posted again, in the specification too.
///
/// A trace is what QEMU writes with `-trace 'vtd_*'`, plain or compressed with gzip; it has to begin before the queue is
/// enabled. Kinds of lines that say nothing about the ring are counted and listed; a known kind that cannot be read or
/// contradicts itself is an error.
///
/// A log that never uses the ring gives nothing to judge and is refused, as is one that is cut off inside its compressed form.
/// At most 2,000,000 lines of a log that concern the ring are read; a longer log is refused. At most 400,000 states are
/// tracked at once; with more, the verdict is unknown. Where there is little memory, both are fewer.
///
/// Exit code: 0 if some generation of the driver fits each trace (with --ndjson: if they could be read), 1 if none fits one of
/// them or that is unknown, 2 if a trace cannot be used or gives nothing to judge (the others are judged all the same), 130 if a
/// signal came.
#[derive(Parser)]
#[command(after_help = "Examples:
  cargo run --example replay -- tests/fixtures/k612mf.qemu.log.gz
  cargo run --example replay -- --hardware async --generation g4 a612.qemu.log.gz
  cargo run --example replay -- --hardware async tests/fixtures/ite612.qemu.log.gz
  cargo run --example replay -- --ndjson tests/fixtures/k612mf.qemu.log.gz > events.ndjson
  cargo run --example replay -- --tla target tests/fixtures/k612mf.qemu.log.gz")]
struct Args {
    /// The traces, plain or .gz
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Which unit wrote the trace: QEMU's own, or one with a queue of its own that IQT writes do not wait for
    ///
    /// QEMU's own fetches and writes statuses on the thread of the CPU that wrote IQT; the other does all that on one thread,
    /// which never writes IQT.
    #[arg(long, value_enum, default_value_t = HardwareArg::Stock)]
    hardware: HardwareArg,
    /// What the unit makes of work that it has fetched when a device times out: drop (if not given), ids-run or wds-run
    ///
    /// Of traces with such a time-out only, and so with --hardware async.
    #[arg(long, value_parser = after_ite)]
    after_ite: Option<AfterIte>,
    /// The generation of the driver; all that fit, if not given
    #[arg(long, value_parser = generation)]
    generation: Option<&'static Generation>,
    /// Accept a trace that is cut off, and so does not end idle
    #[arg(long)]
    prefix: bool,
    /// Take each hidden step by itself: slow, and decides the same
    #[arg(long)]
    steps: bool,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
    /// Print the visible events, one JSON object a line, and judge nothing
    ///
    /// Each has `event`. The first of each trace is Trace, with its `file` and the number of `slots` of its ring; the events
    /// after it, up to the next Trace, are of that file, and have `line`. WriteIqt: `cpu` (submitters from 1), `slot`, `count` of IDs posted. Fetch: `slot`, `desc`
    /// (ID or WD), `target` of a WD. Complete: `target`, `data`. LoseAnswer (ITE is set): `aborted` WDs. ClearIte: `cpu`. What
    /// cannot be told is null.
    #[arg(long, verbatim_doc_comment, conflicts_with_all = ["hardware", "after_ite", "generation", "prefix", "steps", "json"])]
    ndjson: bool,
    /// Write the visible events to DIR/QITraceData.tla too, for TLC and spec/QITrace.tla; of one trace only
    #[arg(long, value_name = "DIR")]
    tla: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HardwareArg {
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

/// The program's own thread, and the one that reads or judges.
const THREADS: usize = 2;

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

#[derive(Debug, Error)]
enum Unusable {
    #[error("cannot open {}: {source}", file.display())]
    Open { file: PathBuf, source: io::Error },
    #[error("{}: {source}", file.display())]
    Trace { file: PathBuf, source: TraceError },
    #[error(
        "{}: line {line} cannot be read: the compressed file is cut off; `zcat` writes what is left of it, whose whole lines --prefix \
         judges",
        file.display()
    )]
    CutOff { file: PathBuf, line: u64 },
    #[error("{}: none of its {lines} lines uses the ring after vtd_inv_qi_setup, so there is nothing to judge", file.display())]
    NothingToJudge { file: PathBuf, lines: u64 },
    #[error("--tla writes the events of one trace, but {0} are given")]
    Several(usize),
    #[error("--after-ite is about device time-outs, which QEMU's own unit has not; it needs --hardware async")]
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
    let memory = memory::allowance(None, THREADS)?;
    let (mut reports, mut unusable) = (Vec::new(), Vec::new());
    for file in &args.files {
        match each(out, &args, file, memory, &mut reports) {
            // The traces behind one that cannot be used are judged all the same.
            Err(Failure::Unusable(why)) => unusable.push(why),
            ended => ended?,
        }
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
    Ok(Exit::success_if(reports.iter().all(|report| report.verdict == Word::Accepted)))
}

/// Reads a trace and does with it what is asked for; nothing once a signal has come.
fn each(out: &mut Output, args: &Args, file: &Path, memory: usize, reports: &mut Vec<Report>) -> Result<(), Failure> {
    let owned = file.to_path_buf();
    let trace = match unless_interrupted(move |_| load(&owned, memory / 2)) {
        _ if interrupt().load(Ordering::Relaxed) => {
            complain(format_args!("{}: not judged: interrupted", file.display()));
            return Ok(());
        }
        None => return Ok(()),
        Some(trace) => Arc::new(trace?),
    };
    if args.ndjson {
        write_events(file, &trace, out)?;
    }
    if let Some(dir) = &args.tla {
        let file = dir.join("QITraceData.tla");
        std::fs::write(&file, events_module(&trace)).map_err(|source| Unusable::Module { file, source })?;
    }
    if args.ndjson {
        return Ok(());
    }
    if !trace.uses_the_ring() {
        return Err(Unusable::NothingToJudge { file: file.into(), lines: trace.lines() }.into());
    }
    if args.after_ite.is_some() && trace.summary().ites == 0 {
        return Err(Unusable::NoTimeOut(file.into()).into());
    }
    let report = Report::new(file, &trace, args, MostStates::within(memory / 3));
    if !args.json {
        report.print(out)?;
        out.flush()?;
    }
    reports.push(report);
    Ok(())
}

fn load(file: &Path, memory: usize) -> Result<Trace, Unusable> {
    let cannot_open = |source| Unusable::Open { file: file.into(), source };
    let mut plain = BufReader::new(File::open(file).map_err(cannot_open)?);
    let is_gzip = plain.fill_buf().map_err(cannot_open)?.starts_with(&[0x1f, 0x8b]);
    let trace = match is_gzip {
        true => Trace::read_within(BufReader::new(MultiGzDecoder::new(plain)), memory),
        false => Trace::read_within(plain, memory),
    };
    trace.map_err(|source| match source {
        TraceError::Read { line, source } if is_gzip && source.kind() == io::ErrorKind::UnexpectedEof => {
            Unusable::CutOff { file: file.into(), line }
        }
        source => Unusable::Trace { file: file.into(), source },
    })
}

#[derive(Serialize)]
struct Report {
    file: PathBuf,
    lines: u64,
    cpus: usize,
    slots: u16,
    summary: Summary,
    ignored: BTreeMap<String, u64>,
    verdict: Word,
    generations: Vec<Fit>,
}

/// What became of a trace, in a word.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Accepted,
    Rejected,
    Unknown,
}

impl Display for Word {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Word::Accepted => "accepted",
            Word::Rejected => "rejected",
            Word::Unknown => "unknown",
        })
    }
}

/// What became of a trace under one generation.
#[derive(Serialize)]
struct Fit {
    generation: &'static str,
    verdict: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec_steps: Option<SpecSteps>,
    /// Where and why a replay was rejected or given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<Stopped>,
    #[serde(skip_serializing_if = "Option::is_none")]
    most_states: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grain: Option<Grain>,
}

#[derive(Serialize)]
struct Stopped {
    line: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    reason: String,
}

impl Report {
    fn new(file: &Path, trace: &Arc<Trace>, args: &Args, most_states: MostStates) -> Report {
        let generations = match args.generation {
            Some(generation) => std::slice::from_ref(generation),
            None => GENERATIONS,
        };
        let fits: Vec<Fit> =
            generations.iter().map(|generation| Fit::new(trace, generation, args, most_states)).collect();
        let some = |verdict| fits.iter().any(|fit| fit.verdict == verdict);
        Report {
            file: file.into(),
            lines: trace.lines(),
            cpus: trace.cpus().len(),
            slots: trace.length().slots(),
            summary: trace.summary(),
            ignored: trace.ignored().clone(),
            verdict: [Word::Accepted, Word::Unknown].into_iter().find(|word| some(*word)).unwrap_or(Word::Rejected),
            generations: fits,
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let Summary { iqt_writes, wds, status_writes, ites, aborted, batches, laps, outstanding, .. } = &self.summary;
        writeln!(out, "{}: {}", printable(&self.file.to_string_lossy()), self.verdict)?;
        writeln!(
            out,
            "  {} lines, ring of {} slots, CPUs {}, IQT writes {iqt_writes}, WDs fetched {wds}, status writes \
             {status_writes}, laps {laps:.1}",
            self.lines, self.slots, self.cpus
        )?;
        writeln!(out, "  batches (IDs per WD): {}", list(batches, |ids, times| format!("{times} of {ids}")))?;
        let outstanding = list(outstanding, |batches, times| format!("{batches}, {times} times"));
        writeln!(out, "  outstanding at an IQT write: {outstanding}")?;
        if *ites > 0 {
            writeln!(out, "  device time-outs: ITE set {ites} times, WDs aborted {aborted}")?;
        }
        for fit in &self.generations {
            fit.print(out)?;
        }
        writeln!(out, "  other lines: {}", list(&self.ignored, |kind, times| format!("{kind} {times}")))
    }
}

fn list<K, V>(entries: &BTreeMap<K, V>, show: impl Fn(&K, &V) -> String) -> String {
    match entries.is_empty() {
        true => "none".into(),
        false => entries.iter().map(|(key, value)| show(key, value)).collect::<Vec<_>>().join(", "),
    }
}

impl Fit {
    fn new(trace: &Arc<Trace>, generation: &'static Generation, args: &Args, most_states: MostStates) -> Fit {
        let options = Options {
            hardware: match args.hardware {
                HardwareArg::Stock => Qemu::Stock,
                HardwareArg::Async => Qemu::Async,
            },
            end: if args.prefix { End::Anywhere } else { End::Idle },
            grain: if args.steps { Grain::Steps } else { Grain::Sections },
            after_ite: args.after_ite.unwrap_or_default(),
            most_states,
        };
        let done = Arc::new(AtomicUsize::new(0));
        let (shared, counter) = (trace.clone(), done.clone());
        let replayed = unless_interrupted(move |interrupted| {
            let mut line = ProgressLine::new();
            let all = shared.events().len();
            let replayed = replay(&shared, generation.rules, options, |done| {
                counter.store(done, Ordering::Relaxed);
                if done % 256 == 0 {
                    line.show(&format!("{}: {done} of {all} lines that concern the ring", generation.name));
                }
                match interrupted.load(Ordering::Relaxed) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
            line.clear();
            replayed
        });
        match replayed {
            Some(replayed) => Fit::of(generation, replayed),
            None => {
                let next = trace.events().get(done.load(Ordering::Relaxed));
                let line = next.map_or(trace.lines(), |event| event.line);
                let verdict = ReplayVerdict::Unknown(GivenUp { line, cause: Cause::Interrupted });
                Fit {
                    most_states: None,
                    grain: None,
                    ..Fit::of(generation, Replayed { verdict, most_states: 0, grain: options.grain })
                }
            }
        }
    }

    fn of(generation: &Generation, replayed: Replayed) -> Fit {
        let (verdict, spec_steps, stopped) = match replayed.verdict {
            ReplayVerdict::Accepted(steps) => (Word::Accepted, Some(steps), None),
            ReplayVerdict::Rejected(Rejection { line, text, reason }) => {
                (Word::Rejected, None, Some(Stopped { line, text: text.into(), reason: reason.to_string() }))
            }
            ReplayVerdict::Unknown(GivenUp { line, cause }) => {
                (Word::Unknown, None, Some(Stopped { line, text: String::new(), reason: cause.to_string() }))
            }
        };
        let (most_states, grain) = (Some(replayed.most_states), Some(replayed.grain));
        Fit { generation: generation.name, verdict, spec_steps, stopped, most_states, grain }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let Fit { generation, verdict, .. } = self;
        let grain = if self.grain == Some(Grain::Steps) { " (each hidden step by itself)" } else { "" };
        write!(out, "  {generation}: {verdict}{grain}")?;
        if let Some(steps) = self.spec_steps {
            let SpecSteps { submit, accept, execute, complete, observe, abort, repost } = steps;
            let most_states = self.most_states.unwrap_or_default();
            write!(
                out,
                ", at most {most_states} states at once; steps of the specification: Submit {submit}, Accept {accept}, \
                 Execute {execute}, Complete {complete}, Observe {observe}"
            )?;
            if abort > 0 {
                write!(out, ", Abort {abort}, Repost {repost}")?;
            }
        }
        match (verdict, &self.stopped) {
            (Word::Unknown, Some(Stopped { line, reason, .. })) => writeln!(out, " from line {line}: {reason}"),
            (_, Some(Stopped { line, text, reason })) if text.is_empty() => writeln!(out, " at line {line}: {reason}"),
            (_, Some(Stopped { line, text, reason })) => {
                writeln!(out, " at line {line}: {reason}\n    {}", printable(text))
            }
            (_, None) => writeln!(out),
        }
    }
}

/// What stands before the events of a trace, so that several of them can stand in one file.
#[derive(Serialize)]
#[serde(tag = "event", rename = "Trace")]
struct Header<'a> {
    file: Cow<'a, str>,
    slots: u16,
}

fn write_events(file: &Path, trace: &Trace, out: &mut impl Write) -> io::Result<()> {
    let header = Header { file: file.to_string_lossy(), slots: trace.length().slots() };
    serde_json::to_writer(&mut *out, &header)?;
    writeln!(out)?;
    for event in VisibleEvent::all(trace) {
        serde_json::to_writer(&mut *out, &event)?;
        writeln!(out)?;
    }
    Ok(())
}
