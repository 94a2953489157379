//! The kernel's own C.
mod cut;
mod source;
pub use cut::{cut, Cut, CutError, FUNCTIONS};
pub use source::{Source, SourceError, SourceFile, DMAR_C};
