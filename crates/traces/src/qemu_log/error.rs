//! Why a log cannot be used.

use std::io;

use thiserror::Error;

use super::{MAX_LINE, MAX_UNITS};

/// A log that cannot be used.
#[derive(Debug, Error)]
pub enum TraceError {
    /// Reading failed; also of a compressed file that ends too early.
    #[error("line {line} cannot be read: {source}")]
    Read {
        /// The line.
        line: u64,
        /// What went wrong.
        source: io::Error,
    },
    /// A line without an end.
    #[error("line {line} is longer than {MAX_LINE} bytes; a QEMU log is text with shorter lines")]
    TooLong {
        /// The line.
        line: u64,
    },
    /// More than is read of a log.
    #[error("line {line}: the log has more than {limit} {what}, and more are not read")]
    TooMuch {
        /// The line.
        line: u64,
        /// What there is too much of.
        what: &'static str,
        /// How much of it is read.
        limit: usize,
    },
    /// A line that names an event and cannot be read as one.
    #[error(
        "line {line}, \"{text}\", is neither an event (THREAD@SECONDS.MICROS:event text, or event text) nor free of one"
    )]
    NotALine {
        /// The line's number.
        line: u64,
        /// Its beginning.
        text: String,
    },
    /// A known kind of line whose text is not what it has to be.
    #[error("line {line}: {kind} says {field} {value}, which has to be {limit}")]
    Field {
        /// The line.
        line: u64,
        /// The kind.
        kind: String,
        /// Which part of the text.
        field: &'static str,
        /// What it says, or that it is missing.
        value: String,
        /// What it may say.
        limit: &'static str,
    },
    /// A known kind of line that says something twice.
    #[error("line {line}: {kind} says {field} {first} and then {field} {second}; each field has to be said once")]
    Repeated {
        /// The line.
        line: u64,
        /// The kind.
        kind: String,
        /// Which part of the text.
        field: &'static str,
        /// What it says at first.
        first: String,
        /// What it says then.
        second: String,
    },
    /// A descriptor that is not of the type that the line names.
    #[error(
        "line {line}: vtd_inv_desc says type {name} and low {low:#x}, whose low 4 bits, the type, have to be {code}"
    )]
    Type {
        /// The line.
        line: u64,
        /// The type's name.
        name: &'static str,
        /// The low half of the descriptor.
        low: u64,
        /// The type's number.
        code: u64,
    },
    /// The ring is used before it exists, or after it has been disabled.
    #[error("line {line}: {kind} before vtd_inv_qi_setup; a trace has to begin before the queue is enabled")]
    BeforeSetup {
        /// The line.
        line: u64,
        /// The kind.
        kind: String,
    },
    /// More units than are told apart.
    #[error("line {line}: the queue of another unit is set up; at most {MAX_UNITS} units of one log are told apart")]
    TooManyUnits {
        /// The line.
        line: u64,
    },
    /// Several lives of the queue where one is asked for.
    #[error("line {line}: the queue is set up again; the log has several lives of it")]
    SeveralLives {
        /// The line of the second set-up.
        line: u64,
    },
    /// No line at all.
    #[error("the trace is empty; it has to have a line vtd_inv_qi_setup at least")]
    Empty,
    /// No ring.
    #[error("the trace has {lines} lines and none is vtd_inv_qi_setup, with which the ring begins")]
    NoSetup {
        /// How many lines there are.
        lines: u64,
    },
}

/// As much of a line as fits into a message, with a dot for each byte that does not print.
pub(super) fn beginning(bytes: &[u8]) -> String {
    let printable = |&byte: &u8| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' };
    bytes.trim_ascii_end().iter().take(60).map(printable).collect()
}
