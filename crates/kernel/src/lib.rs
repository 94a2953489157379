//! The kernel's own C in the loop: is the model that code, step for step, and does that code hang?
//!
//! | part | file | what it is |
//! | --- | --- | --- |
//! | source | `source.rs`, `archive.rs`, `git.rs`, `far.rs`, `kept.rs` | a kernel's few files that are looked at, wherever they lie |
//! | cut | `cut.rs`, `index.rs`, `parsed.rs`, `words.rs` | `qi_submit_sync` and what it names, taken out with a C parser |
//! | edit | `edit.rs`, `patch.rs` | a rule taken back: generations that no package carries; a unified diff applied |
//! | program | `program.rs`, `shim/` | compiled with the system's compiler against a shim of our own, and loaded |
//! | accesses | `access.rs` | the words for what the C does |
//! | machine | `machine.rs`, `board.rs` | submitters as coroutines that stop before each access; memory, registers, hardware |
//! | isolate | `isolate.rs`, `seal.rs` | a process of its own for code that may crash or never come back, and that starts no other |
//! | reference | `reference.rs` | the Rust driver on plain memory, each access noted |
//! | probe | `probe.rs` | which generation a tree is of, told by what its functions do |
//! | compare | `compare.rs`, `tour.rs` | the C and the Rust driver through the same schedules; counterexamples replayed |
//! | search | `search.rs`, `picture.rs` | schedules of the C alone, at random or by priorities; shrinking, drawing |
//!
//! Only on Linux. No kernel's text is in this repository: it is read, compiled in memory and forgotten; only of a tarball the files
//! that were read are kept, in the user's cache directory (see [`Source::open`]). A tree is code that is run with the caller's
//! rights; it is compiled, loaded and run in a child process, which contains accidents and not malice. What is enforced against both:
//! the C starts no process, so that nothing of it is left when the program has ended, in whatever way.
//!
//! What a difference would mean: both sides do the same accesses in the same order or the model is wrong. What agreement means:
//! on the schedules that were played, for this compiler and these flags, under sequential consistency.

// The C is called, its memory read, and stacks are switched: each place says why it may.
#![allow(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "the kernel's C is run on Linux only: its compiled form lies in files in memory, and /proc tells how its process fares"
);

mod access;
mod archive;
mod board;
mod compare;
mod cut;
mod edit;
mod far;
mod git;
mod index;
mod isolate;
mod kept;
mod machine;
mod parsed;
mod patch;
mod picture;
mod probe;
mod program;
mod reference;
mod seal;
mod search;
mod source;
mod tour;
mod words;

pub use access::{Access, Field, RawStatus, Register};
pub use board::{Board, Wrong};
pub use compare::{Confirmation, Covered, Difference, LAPS, MOST_TOLD, Sameness, Tally, confirm, exhaustive, random};
pub use cut::{CutError, CutText, cut};
pub use edit::{Edit, EditError, edit};
pub use isolate::{Death, Pulse, ROOM, isolated};
pub use machine::{Machine, StopGrain};
pub use parsed::Broken;
pub use patch::{PatchError, patch};
pub use probe::{Nearest, Recognised, recognise};
pub use program::{BuildError, Optimise, Program, compiler, flags};
pub use search::{
    Choice, FoundKind, SearchCfg, SearchFinding, Searched, Strategy, draw, last_steps, replay, search, shows,
};
pub use source::{DMAR_C, Source, SourceError, SourceFile};
