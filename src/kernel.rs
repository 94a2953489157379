//! The kernel's own C.

#![allow(unsafe_code)]

mod access;
mod compare;
mod cut;
mod edit;
mod isolate;
mod machine;
mod picture;
mod probe;
mod program;
mod reference;
mod search;
mod source;

pub use access::{Access, Field, RawStatus, Register};
pub use compare::{confirm, exhaustive, random, CompareError, Confirmation, Covered, Difference, Tally, LAPS};
pub use cut::{cut, Cut, CutError, FUNCTIONS};
pub use edit::{edit, Edit, EditError};
pub use isolate::{isolated, Death, Pulse};
pub use machine::{Board, Grain, Machine, Wrong};
pub use probe::{recognise, Nearest, Recognised};
pub use program::{compiler, flags, BuildError, Optimise, Program};
pub use search::{draw, last_steps, replay, search, Choice, Finding, Found, SearchCfg, Searched, Strategy};
pub use source::{Source, SourceError, SourceFile, DMAR_C};
