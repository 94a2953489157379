//! What a hung machine leaves behind, diagnosed: dumps of the ring, a kernel's log, a trace of calls.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use bytesize::ByteSize;
use clap::Parser;
use flate2::read::MultiGzDecoder;
use stateright_temporal::memory::Memory;
use vtd_qi_diagnose::diagnosis::Diagnosis;
use vtd_qi_diagnose::judge::Bounds;
use vtd_qi_diagnose::material::Material;
use vtd_qi_diagnose::report::{DiagnosisData, is_healthy};
use vtd_qi_diagnose::unit::MOST_WORKERS;
use vtd_qi_page::file::ReportFile;
use vtd_qi_terminal::{
    Exit, Failure, Output, ProgressLine, arguments, complain, interrupt, memory, printable, unless_interrupted,
};

mod page;
mod print;

/// Says what is wrong with a machine's invalidation queue, from what it leaves behind.
///
/// Give it any mixture of: dumps of debugfs (/sys/kernel/debug/iommu/intel/invalidation_queue), dmesg or a journal, a trace of ftrace or
/// trace-cmd with intel_iommu:qi_submit and probes on qi_submit_sync, a log of QEMU's with -trace 'vtd_*'. Kinds are told apart by content; several may be in one file.
///
/// Each ring is mapped into the model: which generations of the driver come to such a state, after which fault, whether calls hang
/// there, which published bug or finding that is, and the shortest run that leads there. What one file says of a lockup counts for the
/// rings of all; several dumps of one ring are taken for readings one after the other, files with the same text for one.
///
/// Exit code: 0 if nothing wrong was found, 1 if something was or is not decided, 2 if a file cannot be used, 130 if a signal came.
#[derive(Parser)]
#[command(after_help = "Examples:
  cat /sys/kernel/debug/iommu/intel/invalidation_queue > ring; dmesg > log
  cargo run --release --example diagnose -- ring log
  cargo run --release --example diagnose -- --json ring | jq .units[].verdict")]
struct Args {
    /// The files, plain or .gz; - is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON document instead of text
    ///
    /// It has healthy, files (each with same_as, what it holds, wrong_calls and open_calls), kernel (release and generations), units, faults,
    /// lockups, patterns and lives (of queues in QEMU logs). A unit has unit, state (idle, at-work; hangs, may-hang, after-fault, leaks, impossible,
    /// unreached; unknown), verdict, bugs, ring (iqh, iqt, what is inferred, batches) and generations (each with reached and ways: fault,
    /// hang, may_live, lock_held, bug and the run).
    #[arg(long)]
    json: bool,
    /// Write what is said as a page: it needs no network, and steps through the model's run to a known bug
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Search at most so many states for each generation and kind of fault
    #[arg(long, default_value_t = 400_000, value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    max_states: u32,
    /// How much memory all searches together may take, like 500M or 2G; three quarters of what is available if left out
    #[arg(long, value_name = "SIZE", value_parser = memory::size)]
    max_memory: Option<ByteSize>,
}

/// Threads that search, at most, beside the program's own and the one that hands out the work.
const WORKERS: usize = MOST_WORKERS + 2;

/// A file may be so long.
const MOST_BYTES: u64 = 256 << 20;

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    let Some(args) = arguments::<Args>(out)? else { return Ok(Exit::Success) };
    let page = args.html.as_deref().map(ReportFile::create).transpose().map_err(Failure::Unusable)?;
    let memory = memory::allowance(args.max_memory, WORKERS)?;
    let mut materials = Vec::new();
    let mut unusable = Vec::new();
    for file in &args.files {
        let owned = file.clone();
        match unless_interrupted(move |_| load(&owned)) {
            _ if interrupt().load(Ordering::Relaxed) => return Ok(Exit::Interrupted),
            None => return Ok(Exit::Interrupted),
            Some(Ok(material)) => materials.push(material),
            Some(Err(why)) => unusable.push(format!("{}: {why}", printable(&file.display().to_string()))),
        }
    }
    let states = args.max_states as usize;
    let given = materials.clone();
    let judged = unless_interrupted(move |cancel| {
        let line = Mutex::new(ProgressLine::new());
        let progress = |what: &str| line.lock().unwrap_or_else(PoisonError::into_inner).show(what);
        let memory = Memory::of(memory);
        let bounds = Bounds { states, memory: Some(&memory), cancel: Some(cancel), progress: Some(&progress) };
        let diagnosis = Diagnosis::of(&given, bounds);
        line.lock().unwrap_or_else(PoisonError::into_inner).clear();
        diagnosis
    });
    let Some(diagnosis) = judged else { return Ok(Exit::Interrupted) };
    if let Some(file) = page {
        let interrupted = interrupt().load(Ordering::Relaxed);
        file.write(&page::page(&materials, &diagnosis, interrupted, memory)?).map_err(Failure::Unusable)?;
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &DiagnosisData::of(&materials, &diagnosis)).map_err(io::Error::from)?;
        writeln!(out)?;
    } else if !materials.is_empty() {
        print::diagnosis(out, &materials, &diagnosis, args.html.as_deref())?;
    }
    if interrupt().load(Ordering::Relaxed) {
        return Ok(Exit::Interrupted);
    }
    let logs = diagnosis.qemu.iter().filter_map(|(file, judged)| Some((file, judged.as_ref().err()?)));
    unusable.extend(logs.map(|(file, why)| format!("{}: its QEMU log cannot be judged: {why}", printable(file))));
    // All that can be used has been; the rest is said at the end.
    if let Some((last, others)) = unusable.split_last() {
        others.iter().for_each(|why| complain(format_args!("error: {why}")));
        return Err(Failure::unusable(last));
    }
    Ok(Exit::success_if(is_healthy(&materials, &diagnosis)))
}

/// Reads a file and tells apart what is in it.
fn load(file: &Path) -> Result<Material, String> {
    let mut bytes = Vec::new();
    let mut reader: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(file).map_err(|error| format!("cannot be opened: {error}"))?),
    };
    reader.by_ref().take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        MultiGzDecoder::new(&bytes[..])
            .take(MOST_BYTES + 1)
            .read_to_end(&mut unpacked)
            .map_err(|error| format!("cannot be unpacked: {error}"))?;
        bytes = unpacked;
    }
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("it is longer than {} MiB; give the part that matters", MOST_BYTES >> 20));
    }
    let material = Material::read(&file.display().to_string(), &String::from_utf8_lossy(&bytes))
        .map_err(|error| error.to_string())?;
    match material.is_unknown() {
        false => Ok(material),
        true => Err(format!(
            "none of its {} lines is of a dump of debugfs, a kernel's log with faults or lockups, a trace of qi_submit_sync or a QEMU log",
            material.lines
        )),
    }
}
