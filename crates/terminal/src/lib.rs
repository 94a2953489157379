//! What every program of this project does alike when it meets a person: arguments, output, exit codes, signals, progress.
//!
//! A program is a function that is handed its arguments and an [`Output`], and returns an [`Exit`] or a [`Failure`]:
//!
//! ```
//! use std::io::Write;
//! use vtd_qi_terminal::{Exit, Failure, Output};
//!
//! fn program(out: &mut Output) -> Result<Exit, Failure> {
//!     writeln!(out, "2 scenarios, all as expected")?;
//!     Ok(Exit::Success)
//! }
//! # program(&mut Output::to(Vec::new())).unwrap();
//! ```
//!
//! `main` is then `vtd_qi_terminal::run(program)`. No program calls `println!` or `eprintln!`: both panic when nobody reads them.
//! Clippy's `print_stdout` and `print_stderr` are denied in the whole workspace, so that none can.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

pub use interrupt::interrupt;
pub use progress::ProgressLine;

mod interrupt;
mod progress;

/// How a program ends when it could do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Exit code 0: what was asked for is so.
    Success,
    /// Exit code 1: something is violated, unknown, different or not as expected.
    Negative,
    /// Exit code 130: a signal ended the work; what was known by then has been written.
    Interrupted,
}

impl Exit {
    /// [`Exit::Success`] if so, else [`Exit::Negative`].
    pub fn success_if(fine: bool) -> Exit {
        if fine {
            Exit::Success
        } else {
            Exit::Negative
        }
    }

    /// The exit code: 0, 1 or 130.
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Negative => 1,
            Exit::Interrupted => 130,
        }
    }
}

/// Why a program could not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// Arguments, files or the machine are unusable: exit code 2 and this sentence.
    Unusable(String),
    /// The output cannot be written. A reader that has gone away is silent, with exit code 141 as for SIGPIPE; a full disk is exit
    /// code 2 and one sentence.
    Output(io::Error),
}

impl Failure {
    /// Arguments, files or the machine are unusable, for the reason given.
    pub fn unusable(reason: impl Display) -> Failure {
        Failure::Unusable(reason.to_string())
    }
}

/// An error of writing to [`Output`]. Errors of reading files are no [`io::Error`] by the time they come here: they name the file.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

/// Standard output, buffered. It is written out when the program ends, and by [`Write::flush`] before something long.
pub struct Output(BufWriter<Box<dyn Write>>);

impl Output {
    /// An output that goes somewhere else, for tests.
    pub fn to(writer: impl Write + 'static) -> Output {
        Output(BufWriter::new(Box::new(writer)))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Runs a program on standard output, and turns how it ends into an exit code.
pub fn run(program: impl FnOnce(&mut Output) -> Result<Exit, Failure>) -> ExitCode {
    let mut out = Output::to(io::stdout());
    let ended = program(&mut out);
    // What was written before a failure is not lost; the failure is the news, unless the output is.
    let flushed = out.flush().map_err(Failure::Output);
    match ended.and_then(|exit| flushed.map(|()| exit)) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(141),
        Err(Failure::Output(error)) => {
            complain(format_args!("error: the output cannot be written: {error}"));
            ExitCode::from(2)
        }
        Err(Failure::Unusable(reason)) => {
            complain(format_args!("error: {reason}"));
            ExitCode::from(2)
        }
    }
}

/// The program's arguments.
///
/// # Errors
/// Of arguments that cannot be used, what clap says of them. `--help` and `--version` are written to `out`, and `None` is returned:
/// there is nothing more to do.
pub fn arguments<A: Parser>(out: &mut Output) -> Result<Option<A>, Failure> {
    match A::try_parse() {
        Ok(arguments) => Ok(Some(arguments)),
        Err(error) if error.use_stderr() => {
            let text = error.render().to_string();
            Err(Failure::Unusable(text.trim_end().trim_start_matches("error: ").to_string()))
        }
        Err(error) => {
            write!(out, "{}", error.render())?;
            Ok(None)
        }
    }
}

/// Writes a line to standard error, if anybody still reads it.
pub fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
