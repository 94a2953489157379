//! The TLA+ twin in spec/, and the proof that it is one.
//!
//! | part | file | what it is |
//! | --- | --- | --- |
//! | models | `model.rs` | a specification with constants and properties: generated from the scenario table, read from anywhere |
//! | configurations | `cfg.rs` | what a `.cfg` file says, each statement honoured or refused |
//! | cover | `cover.rs` | a few models in which every rule value and property occurs |
//! | rust | `rust.rs` | the Rust side of a pairing: the unreduced graph and the verdicts on it |
//! | tlc | `tlc.rs` | the other side: TLC, found, run and understood |
//! | dump | `dump.rs` | TLC's state graph against Rust's, state for state |
//! | embedded | `embedded.rs` | the other side without TLC: the crate tla-checker, if the feature of that name is on |
//! | trace | `trace.rs` | counterexamples, from TLC to Rust and from Rust to TLC |
//! | pairing | `pairing.rs` | both sides of a model, and what they differ in |
//! | manifest | `manifest.rs` | what was last found, so that the Rust side can be held against it without Java |
//!
//! `cargo run --release --example tlc` runs all of it.
//!
//! ```
//! use vtd_qi_twin::{check, Model, Verdict};
//!
//! let models = Model::all();
//! let side = check(models.find("spec-c01-2").unwrap())?;
//! assert_eq!((side.states, side.transitions, side.depth), (73, 150, 9));
//! assert!(side.verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Holds));
//! # Ok::<(), vtd_qi_twin::TwinError>(())
//! ```

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use thiserror::Error;

mod cfg;
mod code;
mod cover;
mod dump;
#[cfg(feature = "tla-checker")]
mod embedded;
#[cfg(test)]
mod fuzz;
mod manifest;
mod model;
mod pairing;
mod rust;
mod tlc;
mod trace;

pub use cover::{Cover, cover};
pub use dump::{Agreement, compare};
#[cfg(feature = "tla-checker")]
pub use embedded::{Embedded, EmbeddedPairing, ONLY_TLC};
pub use manifest::{Change, Confirmed, Entry, Manifest};
pub use model::{MOST_STATES, Model, Property, Selection, Subject};
pub use pairing::{News, Pairer, Pairing, Race, Theirs, race};
pub use rust::{Side, check, check_within, graph_hash};
pub use tlc::{Tlc, TlcRun};
pub use trace::{TraceModule, replay, replay_within, trace_module};
pub use vtd_qi::verify::Verdict;
pub use vtd_qi_tla::{ExecutedTrace, TlaError, Twin, Value};

/// Why a pairing cannot be made. Each is one sentence about input that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TwinError {
    /// A value that TLC does not print, or a trace that is not a run of the Rust model.
    #[error(transparent)]
    Tla(#[from] TlaError),
    /// A `.cfg` file that does not stand for a configuration.
    #[error("{0}")]
    Model(String),
    /// There is no TLC or no Java, or it is too old.
    #[error("{0}")]
    NoTlc(String),
    /// TLC did not get as far as a verdict.
    #[error("TLC gave no verdict: {0}")]
    Tlc(String),
    /// A side came to no verdict: TLC's time was over, memory was used up, or nobody wants the verdict any more.
    #[error("undecided: {0}")]
    Undecided(String),
    /// The embedded checker did not get as far as a verdict.
    #[error("the embedded checker gave no verdict: {0}")]
    Embedded(String),
    /// A dump of the state graph that is not whole.
    #[error("the state graph in {file} cannot be used: line {line}: {what}", file = .file.display())]
    Dump {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A manifest that does not describe the models.
    #[error("the manifest {file} cannot be used: {what}", file = .file.display())]
    Manifest {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file that cannot be read or written.
    #[error("{file} cannot be {done}: {error}", file = .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What was to be done with it.
        done: &'static str,
        /// Why not.
        error: String,
    },
}

impl TwinError {
    fn io<'a>(file: &'a Path, done: &'static str) -> impl FnOnce(std::io::Error) -> TwinError + 'a {
        move |error| TwinError::Io { file: file.into(), done, error: error.to_string() }
    }
}
