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

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::impl_qi::{
    Generation, Handout, Hardware, Length, Lock, RingCfg, Rules, Slots, GENERATIONS, SAFETY, WITNESSES,
};

/// A property that can be checked of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// One of [`SAFETY`], by position.
    Safety(u8),
    /// No terminal state with an unfinished call.
    NoDeadlock,
    /// Step refinement of the reliable specification.
    RefinesSpec,
    /// Its fair form.
    RefinesFairSpec,
    /// Step refinement of the specification that may lose a Done.
    RefinesLossySpec,
    /// A posted WD is eventually observed DONE by its owner.
    WdEventuallyObservedDone,
    /// A call that wants to post eventually does.
    CallEventuallyPosted,
}

impl Check {
    /// All of them, in the order of the table's columns.
    pub fn all() -> impl Iterator<Item = Check> {
        (0..SAFETY.len() as u8).map(Check::Safety).chain([
            Check::NoDeadlock,
            Check::RefinesSpec,
            Check::RefinesFairSpec,
            Check::RefinesLossySpec,
            Check::WdEventuallyObservedDone,
            Check::CallEventuallyPosted,
        ])
    }

    /// What `checks = "everything"` means: all but those that have scenarios of their own.
    pub fn everything() -> impl Iterator<Item = Check> {
        Check::all().filter(|check| !matches!(check, Check::RefinesLossySpec | Check::CallEventuallyPosted))
    }

    /// The name in tables, files and command lines.
    pub fn name(self) -> &'static str {
        match self {
            Check::Safety(i) => SAFETY[usize::from(i)].0,
            Check::NoDeadlock => "no-deadlock",
            Check::RefinesSpec => "refines-spec",
            Check::RefinesFairSpec => "refines-fair-spec",
            Check::RefinesLossySpec => "refines-lossy-spec",
            Check::WdEventuallyObservedDone => "wd-eventually-observed-done",
            Check::CallEventuallyPosted => "call-eventually-posted",
        }
    }

    /// What it says, in one line.
    pub fn meaning(self) -> &'static str {
        match self {
            Check::Safety(i) => SAFETY[usize::from(i)].1,
            Check::NoDeadlock => "no terminal state with an unfinished call",
            Check::RefinesSpec => "every step of the ring is one step of the specification or none",
            Check::RefinesFairSpec => "no fair run of the ring breaks a fairness condition of the specification",
            Check::RefinesLossySpec => "as refines-spec, against the specification that may lose a Done",
            Check::WdEventuallyObservedDone => "every posted WD is eventually observed DONE by its owner",
            Check::CallEventuallyPosted => "every call that waits for slots eventually posts its batch",
        }
    }

    /// Whether it is about single states or steps, so that a shortest run to a violation exists.
    pub fn is_safety(self) -> bool {
        matches!(self, Check::Safety(_) | Check::NoDeadlock | Check::RefinesSpec | Check::RefinesLossySpec)
    }

    /// The property of a given name.
    pub fn named(name: &str) -> Option<Check> {
        Check::all().find(|check| check.name() == name)
    }
}

/// The witness that the ring goes round and round; the others are [`WITNESSES`].
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
    pub cfg: RingCfg,
    /// What a waiting call is promised.
    pub slots: Slots,
    /// What is checked.
    pub checks: Vec<Check>,
    /// What is expected, by name of the property; empty for a configuration of one's own.
    pub expected: BTreeMap<&'static str, Expected>,
    /// Witnesses that are expected not to be reachable, and why.
    pub unreached: BTreeMap<String, String>,
    /// The steps at which step refinement fails, if that is said: these and no others.
    pub fails_at: Vec<String>,
    /// What is special about the family.
    pub why: Option<String>,
}

impl Scenario {
    /// What is expected of a property.
    pub fn expected(&self, property: &str) -> Option<&Expected> {
        self.expected.get(property)
    }
}

/// All scenarios of one file.
#[derive(Clone, Debug)]
pub struct Table {
    /// The rows, in the file's order.
    pub scenarios: Vec<Scenario>,
}

/// Why a scenario file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TableError {
    /// It is no TOML, or has unknown or missing fields.
    #[error("the scenario file cannot be read: {0}")]
    Syntax(String),
    /// An entry means nothing.
    #[error("scenario {name}: {what}")]
    Scenario {
        /// The entry.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// There is no entry.
    #[error("the scenario file has no scenario")]
    Empty,
}

/// A TOML file: the reasons why properties hold, and the families.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Why a property holds where it does.
    #[serde(default)]
    holds: BTreeMap<String, String>,
    #[serde(default)]
    scenario: Vec<Family>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Family {
    name: String,
    generation: String,
    #[serde(default)]
    rules: BTreeMap<String, String>,
    submitters: Vec<usize>,
    counts: Vec<u8>,
    rings: Vec<u16>,
    #[serde(default = "strong_fair")]
    lock: Lock,
    #[serde(default)]
    hardware: HardwareKind,
    #[serde(default = "two")]
    depth: u8,
    #[serde(default = "as_driver")]
    handout: Handout,
    #[serde(default = "unfair")]
    slots: Slots,
    /// Properties that are checked; all of [`Check::everything`] if left out.
    #[serde(default)]
    checks: Vec<String>,
    /// What is special about the family.
    why: Option<String>,
    /// Properties that must be violated, and why.
    #[serde(default)]
    violated: BTreeMap<String, String>,
    /// Witnesses that cannot be reached.
    #[serde(default)]
    unreached: BTreeMap<String, Unreached>,
    #[serde(default)]
    fails_at: Vec<String>,
}

/// Why a witness cannot be reached, and on which of the family's rings; all of them if none is named.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unreached {
    why: String,
    #[serde(default)]
    rings: Vec<u16>,
}

/// In which order fetched descriptors act, without the depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HardwareKind {
    /// [`Hardware::InOrder`].
    #[default]
    InOrder,
    /// [`Hardware::Pipelined`].
    Pipelined,
}

impl HardwareKind {
    /// The hardware of this kind with a fetch depth.
    pub fn with_depth(self, depth: u8) -> Hardware {
        match self {
            HardwareKind::InOrder => Hardware::InOrder { depth },
            HardwareKind::Pipelined => Hardware::Pipelined { depth },
        }
    }
}

fn strong_fair() -> Lock {
    Lock::StrongFair
}

fn two() -> u8 {
    2
}

fn as_driver() -> Handout {
    Handout::AsDriver
}

fn unfair() -> Slots {
    Slots::Unfair
}

const EMBEDDED: &str = include_str!("scenarios.toml");

impl Table {
    /// The table of this crate.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn embedded() -> Table {
        Table::parse(EMBEDDED).unwrap_or_else(|error| panic!("scenarios.toml: {error}"))
    }

    /// Reads a table.
    ///
    /// # Errors
    /// [`TableError`], naming the entry, the value and the limit.
    pub fn parse(text: &str) -> Result<Table, TableError> {
        let file: File = toml::from_str(text).map_err(|error| TableError::Syntax(error.to_string()))?;
        let mut scenarios: Vec<Scenario> = Vec::new();
        if let Some(name) = file.holds.keys().find(|name| Check::named(name).is_none()) {
            return Err(scenario_error("[holds]", unknown_property(name)));
        }
        for family in file.scenario {
            for scenario in family.rows(&file.holds)? {
                if scenarios.iter().any(|known| known.name == scenario.name) {
                    return Err(scenario_error(&scenario.name, "the name occurs twice"));
                }
                scenarios.push(scenario);
            }
        }
        if scenarios.is_empty() {
            return Err(TableError::Empty);
        }
        Ok(Table { scenarios })
    }

    /// The scenario of a given name.
    pub fn find(&self, name: &str) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| scenario.name == name)
    }

    /// The scenarios that a name stands for: one of that name, or all of a family.
    pub fn select(&self, name: &str) -> Vec<&Scenario> {
        self.scenarios.iter().filter(|scenario| scenario.name == name || scenario.family == name).collect()
    }
}

fn scenario_error(name: &str, what: impl ToString) -> TableError {
    TableError::Scenario { name: name.to_string(), what: what.to_string() }
}

/// The rules of a generation with some of them replaced.
///
/// # Errors
/// A sentence that names the unknown generation, rule or value and the known ones.
pub fn rules(generation: &str, changes: &BTreeMap<String, String>) -> Result<(&'static str, Rules), String> {
    let known = || GENERATIONS.iter().map(|g| g.name).collect::<Vec<_>>().join(", ");
    let base = Generation::named(generation)
        .ok_or_else(|| format!("there is no generation {generation:?}; there are {}", known()))?;
    let mut fields = serde_json::to_value(base.rules).expect("rules are plain data");
    for (rule, value) in changes {
        let Some(field) = fields.get_mut(rule) else {
            let names: Vec<_> = fields.as_object().into_iter().flat_map(|o| o.keys().cloned()).collect();
            return Err(format!("there is no rule {rule:?}; there are {}", names.join(", ")));
        };
        *field = value.as_str().into();
        serde_json::from_value::<Rules>(fields.clone()).map_err(|error| format!("rule {rule}: {error}"))?;
    }
    let rules = serde_json::from_value(fields).expect("each change was tried");
    Ok((base.name, rules))
}

impl Family {
    fn rows(&self, holds: &BTreeMap<String, String>) -> Result<Vec<Scenario>, TableError> {
        let fail = |what: String| scenario_error(&self.name, what);
        let (generation, rules) = rules(&self.generation, &self.rules).map_err(fail)?;
        let checks = self.checks()?;
        let expected = self.expectations(&checks, holds)?;
        for witness in self.unreached.keys() {
            if witness != WRAPS && WITNESSES.iter().all(|(name, _)| name != witness) {
                let known: Vec<_> = WITNESSES.iter().map(|(name, _)| *name).chain([WRAPS]).collect();
                return Err(fail(format!("there is no witness {witness:?}; there are {}", known.join(", "))));
            }
        }
        if self.submitters.is_empty() || self.rings.is_empty() {
            return Err(fail("submitters and rings each need at least one number".to_string()));
        }
        let mut rows = Vec::new();
        for &submitters in &self.submitters {
            for &ring in &self.rings {
                let name = format!("{}-{submitters}x{ring}", self.name);
                let error = |error: &dyn ToString| scenario_error(&name, error.to_string());
                let cfg = RingCfg {
                    rules,
                    lock: self.lock,
                    hardware: self.hardware.with_depth(self.depth),
                    submitters,
                    counts: self.counts.clone(),
                    length: Length::new(ring).map_err(|e| error(&e))?,
                    handout: self.handout,
                };
                rows.push(Scenario {
                    cfg: cfg.validate().map_err(|e| error(&e))?,
                    family: self.name.clone(),
                    generation,
                    slots: self.slots,
                    checks: checks.clone(),
                    expected: expected.clone(),
                    unreached: self
                        .unreached
                        .iter()
                        .filter(|(_, unreached)| unreached.rings.is_empty() || unreached.rings.contains(&ring))
                        .map(|(name, unreached)| (name.clone(), unreached.why.clone()))
                        .collect(),
                    fails_at: self.fails_at.clone(),
                    why: self.why.clone(),
                    name,
                });
            }
        }
        Ok(rows)
    }

    fn checks(&self) -> Result<Vec<Check>, TableError> {
        if self.checks.is_empty() {
            return Ok(Check::everything().collect());
        }
        self.checks.iter().map(|name| self.check(name)).collect()
    }

    fn check(&self, name: &str) -> Result<Check, TableError> {
        Check::named(name).ok_or_else(|| scenario_error(&self.name, unknown_property(name)))
    }

    fn expectations(
        &self,
        checks: &[Check],
        holds: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<&'static str, Expected>, TableError> {
        let mut expected = BTreeMap::new();
        for (name, why) in &self.violated {
            let check = self.check(name)?;
            if !checks.contains(&check) {
                return Err(scenario_error(&self.name, format!("{name} is expected to be violated but not checked")));
            }
            expected.insert(check.name(), Expected { violated: true, why: why.clone() });
        }
        for check in checks.iter().filter(|check| !self.violated.contains_key(check.name())) {
            let why = holds.get(check.name()).ok_or_else(|| {
                let what = format!("{0} is expected to hold, so {0} under [holds] must say why", check.name());
                scenario_error(&self.name, what)
            })?;
            expected.insert(check.name(), Expected { violated: false, why: why.clone() });
        }
        Ok(expected)
    }
}

fn unknown_property(name: &str) -> String {
    let known = Check::all().map(Check::name).collect::<Vec<_>>().join(", ");
    format!("there is no property {name:?}; there are {known}")
}
