//! What [`stateright`] leaves out: liveness under fairness, and refinement, for any [`stateright::Model`].
//!
//! | module | what it is |
//! | --- | --- |
//! | [`graph`] | explores a model into an explicit graph: every reachable state, by value, and every labelled transition |
//! | [`liveness`] | what must happen on every fair run: weak and strong fairness, general Streett pairs; a violation is a lasso |
//! | [`memory`] | how much of it searches may take together |
//! | [`refinement`] | every step of one model is a step of another, or none; and what the other promises, the one keeps |
//!
//! A verdict is never believed by itself. [`liveness::realize`] executes a lasso again on the model, and [`liveness::judge`] checks
//! it from the definitions with code that shares nothing with the search. A search that was cut never gives `Holds`.
//!
//! stateright is re-exported as [`stateright`], so that a model needs one dependency.

pub mod graph;
pub mod liveness;
pub mod memory;
pub mod refinement;

pub use stateright;
