//! From a scenario to verdicts: explore the ring, judge every property, and draw what is violated.
//!
//! The ring is explored, with states that differ only by a rotation explored once, and every property is judged on that graph. A
//! result of the search is not believed: a counterexample is executed again on the unreduced ring, and a lasso is judged again from
//! the definitions by code that shares nothing with the search, before it becomes a [`Violation`].
//!
//! ```
//! use vtd_qi::temporal::graph::Limits;
//! use vtd_qi::scenario::Table;
//! use vtd_qi::verify::{verify, Verdict};
//!
//! let table = Table::embedded();
//! let report = verify(table.find("g4-c01-2x4").unwrap(), Limits::default());
//! assert!(report.properties.iter().all(|property| property.verdict == Verdict::Holds));
//! assert!(report.as_expected());
//! ```

mod counterexample;
mod judge;
mod report;
mod surprises;

use judge::Judge;
use stateright_temporal::graph::Limits;

use crate::scenario::Scenario;
use crate::with_ring;

pub use counterexample::{Lap, Proven, Violation};
pub use report::{FaultBit, Fired, PropertyReport, Report, Verdict, WitnessReport, not_checked};
pub use surprises::{FoundVerdicts, Surprise, SurpriseKind, surprises};

/// Checks everything that a scenario asks for.
///
/// # Panics
/// If a counterexample is refuted when it is executed or judged again: that is a fault of this crate.
pub fn verify(scenario: &Scenario, limits: Limits) -> Report {
    verify_with(scenario, limits, Detail::Readable)
}

/// How much work goes into a counterexample after it has been executed and judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// It also looks for an easier lasso and for one under the FIFO lock.
    Readable,
    /// It does neither; only verdicts are wanted.
    Verdicts,
}

/// [`verify`] with the given detail.
///
/// # Panics
/// See [`verify`].
pub fn verify_with(scenario: &Scenario, limits: Limits, detail: Detail) -> Report {
    with_ring!(scenario.cfg.clone(), |ring| Judge::new(&ring, scenario, limits, detail).report())
}
