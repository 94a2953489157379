//! The scenario table: what is checked, what is expected, and why.
//!
//! One data file, `scenarios.toml`, embedded in the crate and replaceable; tests, `check`, the TLA+ models, the README's table
//! and the benchmarks read it. An entry names a family; each combination of its `submitters` and `rings` is one scenario, one
//! row of the table.
//!
//! ```
//! use vtd_qi::scenario::Table;
//! let table = Table::embedded();
//! let lockup = table.find("g3-c01-2x4").unwrap();
//! assert_eq!((lockup.cfg.submitters, lockup.cfg.length.slots()), (2, 4));
//! assert!(lockup.expected("wd-eventually-observed-done").unwrap().violated);
//! ```

mod property;
mod table;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::impl_qi::{SlotFairness, ValidRing};

pub use property::Check;
pub(crate) use table::twice;
pub use table::{Table, TableError, changed, rules};

/// The witness that the ring goes round and round; the others are [`Witness`](crate::impl_qi::Witness).
pub const WRAPS: &str = "ring-wraps-for-ever";

/// What is expected of a property, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// Whether a violation is expected.
    pub violated: bool,
    /// The reason, written by hand.
    pub why: String,
}

/// One row of the table.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name: the family's, submitters, ring length.
    pub name: String,
    /// The family's name.
    pub family: String,
    /// The name of the generation its rules start from.
    pub generation: &'static str,
    /// What is modelled.
    pub cfg: ValidRing,
    /// What a waiting call is promised.
    pub slots: SlotFairness,
    /// What is checked.
    pub checks: Vec<Check>,
    /// What is expected, by name of the property; empty for a configuration made with options.
    pub expected: BTreeMap<&'static str, Expected>,
    /// Witnesses that have to be reached, or else what holds may hold for want of anything to happen.
    pub reached: Vec<&'static str>,
    /// Witnesses that are expected not to be reachable, and why.
    pub unreached: BTreeMap<String, String>,
    /// The steps at which step refinement fails, if that is said: these and no others.
    pub fails_at: Vec<String>,
    /// What is special about the family.
    pub why: Option<String>,
    /// The property that must kill the fault, if the family is a seeded one.
    pub killed_by: Option<String>,
    /// Where the search is to stop, if before its end.
    pub max_states: Option<usize>,
    /// What it means that nothing was found before the search stopped there.
    pub cut: Cut,
    /// A run to show where `wd-eventually-observed-done` is violated, in place of the shortest.
    pub run: Option<Script>,
    /// A fairness condition that is not assumed, by name.
    pub unfair: Option<String>,
}

/// What it means that a search has reached the limit of its scenario, [`Scenario::max_states`], and found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The scenario was to be decided: unknown is not as expected.
    Fails,
    /// The limit is as far as one looks: unknown surprises nobody.
    Excuses,
}

/// A run by hand: the names of its steps as the ring formats them, and how many of the last ones repeat for ever.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The steps, such as `T1 Call(1)`, `T1 Acquire` or `Fetch`.
    pub steps: Vec<String>,
    /// How many of the last steps repeat for ever.
    pub repeat: usize,
}

impl Scenario {
    /// A configuration made with options, of which nothing is expected; its name is made from the generation's.
    pub fn own(generation: &'static str, cfg: ValidRing, slots: SlotFairness, checks: Vec<Check>) -> Scenario {
        let family = format!("{generation}-own");
        Scenario {
            name: format!("{family}-{}x{}", cfg.submitters, cfg.length.slots()),
            family,
            generation,
            cfg,
            slots,
            checks,
            expected: BTreeMap::new(),
            reached: Vec::new(),
            unreached: BTreeMap::new(),
            fails_at: Vec::new(),
            why: None,
            killed_by: None,
            max_states: None,
            cut: Cut::Fails,
            run: None,
            unfair: None,
        }
    }

    /// What is expected of a property.
    pub fn expected(&self, property: &str) -> Option<&Expected> {
        self.expected.get(property)
    }
}
