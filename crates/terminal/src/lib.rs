//! What every program of this project does alike when it meets a person: arguments, output, colour, exit codes, signals, progress.
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

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use anstream::adapter::StripBytes;
use clap::Parser;

pub use interrupt::{interrupt, reading, unless_interrupted};
pub use progress::ProgressLine;
pub use style::Color;

mod interrupt;
pub mod memory;
mod progress;
pub mod style;

/// How a program ends when it could do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Exit code 0: what was asked for is so.
    Success,
    /// Exit code 1: something is violated, unknown, different or not as expected.
    Negative,
    /// Exit code 125: nothing can be said; `git bisect run` skips the commit.
    Untestable,
    /// Exit code 130: a signal ended the work; what was known by then has been written.
    Interrupted,
}

impl Exit {
    /// [`Exit::Success`] if so, else [`Exit::Negative`].
    pub fn success_if(fine: bool) -> Exit {
        if fine { Exit::Success } else { Exit::Negative }
    }

    /// The exit code: 0, 1, 125 or 130.
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Negative => 1,
            Exit::Untestable => 125,
            Exit::Interrupted => 130,
        }
    }
}

/// Why a program could not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// Arguments, files or the machine are unusable: exit code 2 and this sentence.
    Unusable(String),
    /// A signal came before what was asked for could be read: exit code 130 and this sentence.
    Interrupted(String),
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
///
/// A program writes what it means, with the styles of [`style`]; they are taken away where colour is not wanted.
pub struct Output {
    writer: BufWriter<Box<dyn Write>>,
    /// Takes styles away, if they are.
    strip: Option<StripBytes>,
}

impl Output {
    /// An output that goes somewhere else and has no colours, for tests.
    pub fn to(writer: impl Write + 'static) -> Output {
        Output { writer: BufWriter::new(Box::new(writer)), strip: Some(StripBytes::new()) }
    }

    /// Says when it is coloured. If nothing is said, it is where standard output is a terminal.
    pub fn color(&mut self, color: Color) {
        self.strip = (!color.is_wanted()).then(StripBytes::new);
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.strip {
            None => self.writer.write(bytes),
            Some(strip) => {
                strip.strip_next(bytes).try_for_each(|plain| self.writer.write_all(plain))?;
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Runs a program on standard output, and turns how it ends into an exit code.
pub fn run(program: impl FnOnce(&mut Output) -> Result<Exit, Failure>) -> ExitCode {
    interrupt::fail_at_the_size_limit();
    let mut out = Output::to(io::stdout());
    out.color(Color::Auto);
    ExitCode::from(code(&mut out, program))
}

/// Runs a program, writes out what it has written, and says on standard error why it failed, if it did.
fn code(out: &mut Output, program: impl FnOnce(&mut Output) -> Result<Exit, Failure>) -> u8 {
    let ended = program(out);
    // What was written before a failure is not lost; the failure is the news, unless the output is.
    let flushed = out.flush().map_err(Failure::Output);
    match ended.and_then(|exit| flushed.map(|()| exit)) {
        Ok(exit) => exit.code(),
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => 141,
        Err(Failure::Output(error)) => {
            complain(format_args!("error: the output cannot be written: {error}"));
            2
        }
        Err(Failure::Interrupted(what)) => {
            complain(what);
            Exit::Interrupted.code()
        }
        Err(Failure::Unusable(reason)) => {
            complain(format_args!("error: {reason}"));
            2
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

/// Writes a line to standard error, if anybody still reads it. What would not print is written as [`printable`] does.
pub fn complain(line: impl Display) {
    let line = line.to_string();
    let lines: Vec<_> = line.split('\n').map(printable).collect();
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}

/// A text from elsewhere as a terminal can be trusted with it: control characters, and those that change the direction of writing,
/// are escaped as in a Rust string.
///
/// ```
/// assert_eq!(vtd_qi_terminal::printable("\u{1b}[2Jgone"), r"\u{1b}[2Jgone");
/// assert_eq!(vtd_qi_terminal::printable("prêt, \"C:\\dir\""), "prêt, \"C:\\dir\"");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let acts = |c: char| c.is_control() || turns(c);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if acts(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::cell::RefCell;
    use std::rc::Rc;

    /// What has been written to it, or the error that each write ends with.
    #[derive(Clone)]
    struct Device(Rc<RefCell<Result<Vec<u8>, ErrorKind>>>);

    impl Device {
        fn new(state: Result<Vec<u8>, ErrorKind>) -> Device {
            Device(Rc::new(RefCell::new(state)))
        }

        fn code(&self, program: impl FnOnce(&mut Output) -> Result<Exit, Failure>) -> u8 {
            code(&mut Output::to(self.clone()), program)
        }
    }

    impl Write for Device {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match &mut *self.0.borrow_mut() {
                Ok(written) => written.write(bytes),
                Err(kind) => Err((*kind).into()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn how_a_program_ends_is_its_exit_code() {
        for (exit, expected) in [(Exit::Success, 0), (Exit::Negative, 1), (Exit::Interrupted, 130)] {
            assert_eq!(Device::new(Ok(Vec::new())).code(|_| Ok(exit)), expected);
        }
        assert_eq!(Device::new(Ok(Vec::new())).code(|_| Err(Failure::unusable("no such file"))), 2);
        assert_eq!(Device::new(Ok(Vec::new())).code(|_| Err(Failure::Interrupted("half a file".into()))), 130);
        assert_eq!((Exit::success_if(true), Exit::success_if(false)), (Exit::Success, Exit::Negative));
    }

    #[test]
    fn colours_are_written_only_where_they_are_wanted() {
        let red = style::painted(style::BAD, "violated");
        for (color, expected) in [(Color::Never, "violated"), (Color::Always, "\u{1b}[1m\u{1b}[31mviolated\u{1b}[0m")] {
            let device = Device::new(Ok(Vec::new()));
            let paints = |out: &mut Output| {
                out.color(color);
                write!(out, "{red}")?;
                Ok(Exit::Success)
            };
            assert_eq!(device.code(paints), 0);
            assert_eq!(device.0.borrow().as_deref(), Ok(expected.as_bytes()), "{color:?}");
        }
    }

    #[test]
    fn what_was_written_before_a_failure_is_not_lost() {
        let device = Device::new(Ok(Vec::new()));
        let fails = |out: &mut Output| {
            writeln!(out, "1 of 2 files")?;
            Err(Failure::unusable("the second file is missing"))
        };
        assert_eq!(device.code(fails), 2);
        assert_eq!(device.0.borrow().as_deref(), Ok(&b"1 of 2 files\n"[..]));
    }

    #[test]
    fn a_reader_that_has_gone_and_a_full_disk_have_codes_of_their_own() {
        for (kind, expected) in [(ErrorKind::BrokenPipe, 141), (ErrorKind::StorageFull, 2)] {
            let device = Device::new(Err(kind));
            // Found out only by the last flush; by the program itself, since it is more than the buffer takes.
            let short = |out: &mut Output| Ok(writeln!(out, "x").map(|()| Exit::Success)?);
            let long = |out: &mut Output| Ok(out.write_all(&[b'x'; 100_000]).map(|()| Exit::Success)?);
            assert_eq!((device.code(short), device.code(long)), (expected, expected));
        }
        // Why a program failed is said even where its output cannot be written.
        let fails = |out: &mut Output| Ok(write!(out, "x")?).and(Err(Failure::unusable("no such file")));
        assert_eq!(Device::new(Err(ErrorKind::BrokenPipe)).code(fails), 2);
    }
}
