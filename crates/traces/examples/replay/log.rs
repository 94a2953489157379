//! A log opened, read and judged.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use thiserror::Error;
use vtd_qi::impl_qi::{GENERATIONS, Generation};
use vtd_qi_terminal::{Failure, ProgressLine};
use vtd_qi_traces::qemu_log::{Facts, Reader, TraceError};
use vtd_qi_traces::replay::{Options, judge_log};

use crate::report::Report;

/// Why a log cannot be used.
#[derive(Debug, Error)]
pub enum LogError {
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
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Failure {
        Failure::unusable(error)
    }
}

/// A log, unpacked.
pub fn open(file: &Path) -> Result<Box<dyn BufRead>, LogError> {
    let cannot_open = |source| LogError::Open { file: file.into(), source };
    let mut plain = BufReader::new(File::open(file).map_err(cannot_open)?);
    let is_gzip = plain.fill_buf().map_err(cannot_open)?.starts_with(&[0x1f, 0x8b]);
    Ok(match is_gzip {
        true => Box::new(BufReader::new(MultiGzDecoder::new(plain))),
        false => Box::new(plain),
    })
}

/// Why a file cannot be used.
pub fn of(file: &Path) -> impl Fn(TraceError) -> LogError + '_ {
    move |source| match source {
        TraceError::Read { line, source } if source.kind() == io::ErrorKind::UnexpectedEof => {
            LogError::CutOff { file: file.into(), line }
        }
        source => LogError::Trace { file: file.into(), source },
    }
}

/// What is known of a log in the end.
pub struct Judged {
    pub reports: Vec<Report>,
    pub facts: Facts,
    /// Whether a signal came before the end.
    pub interrupted: bool,
}

/// Reads and judges a log.
pub fn judge(
    file: &Path,
    generation: Option<&'static Generation>,
    options: Options,
    interrupted: &AtomicBool,
    at: &AtomicU64,
) -> Result<Judged, LogError> {
    let generations: Vec<&Generation> = generation.map_or(GENERATIONS.iter().collect(), |generation| vec![generation]);
    let mut reader = Reader::new(open(file)?);
    let (mut line, mut asked) = (ProgressLine::new(), 0_u64);
    let name = generation.map_or(String::new(), |generation| format!("{}: ", generation.name));
    let mut go_on = || {
        asked += 1;
        if asked.is_multiple_of(1_024) {
            line.show(&format!("{name}{} lines are read", at.load(Ordering::Relaxed)));
        }
        match interrupted.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let mut is_at = |event| at.store(event, Ordering::Relaxed);
    let lives = judge_log(&mut reader, &generations, options, &mut is_at, &mut go_on).map_err(of(file))?;
    let interrupted = go_on().is_break();
    line.clear();
    let facts = reader.facts().clone();
    let reports = lives.into_iter().map(|life| Report::new(file, life, &facts)).collect();
    Ok(Judged { reports, facts, interrupted })
}
