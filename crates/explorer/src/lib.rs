//! The model in stateright's Explorer.

pub mod drawing;
