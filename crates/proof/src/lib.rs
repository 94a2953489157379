//! The ring proved for any number of submitters, any even `QI_LENGTH` from 4 on and any counts that fit, where no fault
//! occurs, by an inductive invariant.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`term`], [`vars`] | one small language of terms over the variables of the ring |
//! | [`relation`] | the steps of the ring as data, for the generations without faults |
//! | [`invariant`], [`claims`] | what holds in every state, by name, and what follows from it |
//! | [`refinement`] | every step is one of the specification, or none |
//! | [`liveness`] | every waiting owner observes its DONE, by a ranking |
//! | [`window`] | why positions may stand for slots |
//! | [`theorem`] | which generations are proved, for which counts |
//! | [`obligation`], [`smt`], [`solver`] | the questions, how they are written, and who answers them |
//! | [`link`] | the relation against the model, step for step |
//! | [`mutant`] | mistakes, to see that they are noticed |
//!
//! A term is printed for a solver and evaluated in states of the model: a proof about a relation that nobody has compared with the
//! ring would say nothing of the ring.

#![forbid(unsafe_code)]

pub mod claims;
pub mod invariant;
pub mod link;
pub mod liveness;
pub mod mutant;
pub mod obligation;
pub mod refinement;
pub mod relation;
pub mod smt;
pub mod solver;
pub mod term;
pub mod theorem;
pub mod vars;
pub mod window;
