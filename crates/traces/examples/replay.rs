//! A QEMU log of the real driver, replayed against the ring and the specification.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use flate2::bufread::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use thiserror::Error;
use vtd_qi::impl_qi::{AfterIte, Generation, GENERATIONS};
use vtd_qi_terminal::{arguments, Exit, Failure, Output};
use vtd_qi_traces::events::{events_module, VisibleEvent};
use vtd_qi_traces::qemu_log::{Summary, Trace, TraceError};
use vtd_qi_traces::replay::{replay, End, Grain, Options, Qemu, Replayed, SpecSteps, Verdict};

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
/// Exit code: 0 if some generation of the driver fits each trace, 1 if none fits one of them, 2 if a trace cannot be used.
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
    /// What the unit makes of work that it has fetched when a device times out: drop, ids-run or wds-run
    #[arg(long, value_parser = after_ite, default_value = "drop")]
    after_ite: AfterIte,
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
    #[arg(long, conflicts_with = "ndjson")]
    json: bool,
    /// Print the visible events, one JSON object a line, instead of a verdict in text
    ///
    /// Each has `event` and `line`. WriteIqt: `cpu` (submitters from 1), `slot`, `count` of IDs posted. Fetch: `slot`, `desc`
    /// (ID or WD), `target` of a WD. Complete: `target`, `data`. LoseAnswer (ITE is set): `aborted` WDs. ClearIte: `cpu`. What
    /// cannot be told is null.
    #[arg(long, verbatim_doc_comment)]
    ndjson: bool,
    /// Write the visible events to DIR/QITraceData.tla too, for TLC and spec/QITrace.tla; of one trace only
    #[arg(long, value_name = "DIR")]
    tla: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
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

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

#[derive(Debug, Error)]
enum Unusable {
    #[error("cannot open {}: {source}", file.display())]
    Open { file: PathBuf, source: io::Error },
    #[error("{}: {source}", file.display())]
    Trace { file: PathBuf, source: TraceError },
    #[error("--tla writes the events of one trace, but {0} are given")]
    Several(usize),
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
    let mut reports = Vec::new();
    for file in &args.files {
        let trace = load(file)?;
        if args.ndjson {
            write_events(&trace, out)?;
        }
        if let Some(dir) = &args.tla {
            let file = dir.join("QITraceData.tla");
            std::fs::write(&file, events_module(&trace)).map_err(|source| Unusable::Module { file, source })?;
        }
        let report = Report::new(file, &trace, &args);
        if !args.json && !args.ndjson {
            report.print(out)?;
        }
        reports.push(report);
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &reports).map_err(io::Error::from)?;
        writeln!(out)?;
    }
    Ok(Exit::success_if(reports.iter().all(|report| report.accepted)))
}

fn load(file: &Path) -> Result<Trace, Unusable> {
    let cannot_open = |source| Unusable::Open { file: file.into(), source };
    let mut plain = BufReader::new(File::open(file).map_err(cannot_open)?);
    let is_gzip = plain.fill_buf().map_err(cannot_open)?.starts_with(&[0x1f, 0x8b]);
    let trace = if is_gzip { Trace::read(BufReader::new(MultiGzDecoder::new(plain))) } else { Trace::read(plain) };
    trace.map_err(|source| Unusable::Trace { file: file.into(), source })
}

#[derive(Serialize)]
struct Report {
    file: PathBuf,
    lines: u64,
    cpus: usize,
    slots: u16,
    summary: Summary,
    ignored: BTreeMap<String, u64>,
    accepted: bool,
    generations: Vec<Fit>,
}

/// What became of a trace under one generation.
#[derive(Serialize)]
struct Fit {
    generation: &'static str,
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec_steps: Option<SpecSteps>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<Rejected>,
    most_states: usize,
    grain: Grain,
}

#[derive(Serialize)]
struct Rejected {
    line: u64,
    text: String,
    reason: String,
}

impl Report {
    fn new(file: &Path, trace: &Trace, args: &Args) -> Report {
        let fits: Vec<Fit> = match args.generation {
            Some(generation) => vec![Fit::new(trace, generation, args)],
            None => GENERATIONS.iter().map(|generation| Fit::new(trace, generation, args)).collect(),
        };
        Report {
            file: file.into(),
            lines: trace.lines(),
            cpus: trace.cpus().len(),
            slots: trace.length().slots(),
            summary: trace.summary(),
            ignored: trace.ignored().clone(),
            accepted: fits.iter().any(|fit| fit.accepted),
            generations: fits,
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let Summary { iqt_writes, wds, status_writes, ites, aborted, batches, laps, outstanding, .. } = &self.summary;
        let verdict = if self.accepted { "accepted" } else { "rejected" };
        writeln!(out, "{}: {verdict}", self.file.display())?;
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
    fn new(trace: &Trace, generation: &'static Generation, args: &Args) -> Fit {
        let options = Options {
            hardware: match args.hardware {
                HardwareArg::Stock => Qemu::Stock,
                HardwareArg::Async => Qemu::Async,
            },
            end: if args.prefix { End::Anywhere } else { End::Idle },
            grain: if args.steps { Grain::Steps } else { Grain::Sections },
            after_ite: args.after_ite,
        };
        let bar = progress_bar(trace.events().len(), generation.name);
        let Replayed { verdict, most_states, grain } =
            replay(trace, generation.rules, options, |done| bar.set_position(done as u64));
        bar.finish_and_clear();
        let (spec_steps, rejection) = match verdict {
            Verdict::Accepted(steps) => (Some(steps), None),
            Verdict::Rejected(rejection) => {
                let (text, reason) = (rejection.text.into(), rejection.reason.to_string());
                (None, Some(Rejected { line: rejection.line, text, reason }))
            }
        };
        Fit { generation: generation.name, accepted: rejection.is_none(), spec_steps, rejection, most_states, grain }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let Fit { generation, most_states, .. } = self;
        if let Some(steps) = self.spec_steps {
            let SpecSteps { submit, accept, execute, complete, observe, abort, repost } = steps;
            write!(
                out,
                "  {generation}: accepted, at most {most_states} states at once; steps of the specification: Submit \
                 {submit}, Accept {accept}, Execute {execute}, Complete {complete}, Observe {observe}"
            )?;
            if abort > 0 {
                write!(out, ", Abort {abort}, Repost {repost}")?;
            }
            writeln!(out)?;
        }
        if let Some(Rejected { line, text, reason }) = &self.rejection {
            writeln!(out, "  {generation}: rejected at line {line}: {reason}")?;
            if !text.is_empty() {
                writeln!(out, "    {text}")?;
            }
        }
        Ok(())
    }
}

/// Drawn only if standard error is a terminal.
fn progress_bar(events: usize, generation: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} events").expect("the template is valid");
    ProgressBar::new(events as u64).with_style(style).with_prefix(generation)
}

fn write_events(trace: &Trace, out: &mut impl Write) -> io::Result<()> {
    for event in VisibleEvent::all(trace) {
        serde_json::to_writer(&mut *out, &event)?;
        writeln!(out)?;
    }
    Ok(())
}
