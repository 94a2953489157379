//! Intel VT-d queued invalidation as Linux uses it: a specification, the ring that refines it, and the checks between them.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`spec`] | what callers rely on: an actor model of hardware and submitters |
//! | [`impl_qi`] | the descriptor ring: driver, hardware and lock, step by step, with each generation's rules as data |
//! | [`refine`] | every step of one model is a step of another, or none; and what the other promises, the one keeps |
//! | [`scenario`], [`verify`], [`timeline`] | what is checked and expected, the verdicts, and counterexamples as the patch draws them |
//! | [`campaign`] | every generation under every class of faults, mutants of them, and what is wrong with the newest driver |
//!
//! The smallest use: is the driver before the fix of 2024 live, with two submitters and lone wait descriptors?
//!
//! ```
//! use vtd_qi::temporal::graph::Limits;
//! use vtd_qi::scenario::{Check, Table};
//! use vtd_qi::verify::{verify, Verdict};
//!
//! let table = Table::embedded();
//! let report = verify(table.find("g3-c0-2x4").unwrap(), Limits::default());
//! let outcome = report.outcome(Check::WdEventuallyObservedDone).unwrap();
//! assert_eq!(outcome.verdict, Verdict::Violated);
//! println!("{}", outcome.counterexample.as_ref().unwrap().timeline);
//! ```
//!
//! A verdict is about its configuration: this number of submitters, these counts, this ring, all runs of any length. What is not
//! modelled at all (memory ordering beyond sequential consistency, real time) is listed in the README.

#![forbid(unsafe_code)]

pub mod campaign;
pub mod fingerprint;
pub mod impl_qi;
pub mod refine;
pub mod scenario;
pub mod spec;
pub mod timeline;
pub mod verify;
pub mod words;

/// The engine under the model: graphs, liveness and refinement of any stateright model.
pub use stateright_temporal as temporal;
