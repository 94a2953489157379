//! The models of VT-d queued invalidation in the words of TLA+: what a bridge to a checker of TLA+ needs, and no checker.
//!
//! | part | file | what it is |
//! | --- | --- | --- |
//! | values | `value.rs` | values of TLA+, as TLC prints them |
//! | states | `states.rs` | the bijection between states of the Rust and of the modules in spec/, and the names of actions |
//! | traces | `trace.rs` | runs that TLC has written, executed on the Rust step by step |

#![forbid(unsafe_code)]

use std::path::PathBuf;

use thiserror::Error;

mod run_module;
mod states;
mod trace;
mod value;

pub use run_module::RunModule;
pub use states::{PLAIN_GENERATIONS, RingModule, Twin};
pub use trace::{ExecutedTrace, TlcTrace, is_called, trace_json};
pub use value::{MOST_NESTED, Value};

/// What cannot be understood. Each is one sentence about input that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TlaError {
    /// A value that TLC does not print.
    #[error("{0}")]
    Value(String),
    /// A trace that is not a run of the Rust model.
    #[error("the trace cannot be used: {0}")]
    Trace(String),
    /// A file that cannot be read.
    #[error("{file} cannot be read: {error}", file = .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: String,
    },
}
