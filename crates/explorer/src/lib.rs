//! The model in stateright's Explorer.

#![forbid(unsafe_code)]

pub mod drawing;
