//! The file of scenarios: how it is read, and what is wrong with one that cannot be used.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use thiserror::Error;

use super::{Check, Cut, Expected, Scenario, Script, WRAPS};
use crate::impl_qi::{
    FaultCheck, Faults, GENERATIONS, Generation, Handout, Hardware, Label, Length, Lock, Order, RingCfg, Rules,
    SlotFairness, Witness,
};

/// All scenarios of one file.
#[derive(Clone, Debug)]
pub struct Table {
    /// The rows, in the file's order.
    pub scenarios: Vec<Scenario>,
}

/// Why a file of scenarios, cells or mutants cannot be used. It does not name the file: whoever has opened it does.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TableError {
    /// It is no TOML, or has unknown or missing fields.
    #[error("{0}")]
    Syntax(String),
    /// An entry means nothing.
    #[error("{entry}: {what}")]
    Entry {
        /// The entry, such as `scenario g3-c0` or `[[expect]]`.
        entry: String,
        /// What is wrong with it.
        what: String,
    },
    /// There is no entry.
    #[error("there is no scenario in it")]
    Empty,
}

impl TableError {
    /// An entry that means nothing.
    pub(crate) fn entry(entry: impl ToString, what: impl ToString) -> TableError {
        TableError::Entry { entry: printable(&entry.to_string()), what: printable(&what.to_string()) }
    }

    /// A scenario, or a family of them, that means nothing.
    fn scenario(name: &str, what: impl ToString) -> TableError {
        TableError::entry(format_args!("scenario {name}"), what)
    }

    /// One line: where, and what.
    pub(crate) fn syntax(text: &str, error: &toml::de::Error) -> TableError {
        let message: String = error.message().chars().take(200).collect();
        let message = printable(&message.replace('\n', ", "));
        match error.span() {
            Some(span) => {
                let line =
                    text.as_bytes()[..span.start.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1;
                TableError::Syntax(format!("line {line}: {message}"))
            }
            None => TableError::Syntax(message),
        }
    }
}

/// A text with its control characters escaped: what a file says may be quoted in a message.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
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
    hardware: Order,
    #[serde(default = "two")]
    depth: u8,
    #[serde(default = "as_driver")]
    handout: Handout,
    #[serde(default = "unfair")]
    slots: SlotFairness,
    /// Properties that are checked; all of [`Check::everything`] if left out.
    #[serde(default)]
    checks: Vec<String>,
    /// What is special about the family.
    why: Option<String>,
    /// Properties that must be violated.
    #[serde(default)]
    violated: BTreeMap<String, Reason>,
    /// The property that must kill the fault at every size, if the family is a seeded one.
    killed_by: Option<String>,
    /// Witnesses that cannot be reached.
    #[serde(default)]
    unreached: BTreeMap<String, Reason>,
    /// Stop the search here. Then only what is expected to be violated can be checked.
    max_states: Option<usize>,
    /// A run to be shown in place of the shortest.
    run: Option<Script>,
    #[serde(default)]
    fails_at: Vec<String>,
}

/// Why something is expected, and at which sizes.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a sentence, or { why = \"a sentence\", on = [\"2x4\"] }")]
enum Reason {
    /// At all of the family's sizes.
    Everywhere(String),
    /// At some of them: submitters, `x`, ring length.
    On { why: String, on: Vec<String> },
}

impl Reason {
    fn at(&self, size: &str) -> Option<&String> {
        match self {
            Reason::Everywhere(why) => Some(why),
            Reason::On { why, on } => on.iter().any(|s| s == size).then_some(why),
        }
    }

    fn sizes(&self) -> &[String] {
        match self {
            Reason::Everywhere(_) => &[],
            Reason::On { on, .. } => on,
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

fn unfair() -> SlotFairness {
    SlotFairness::Unfair
}

const EMBEDDED: &str = include_str!("../../data/scenarios.toml");

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
        let file: File = toml::from_str(text).map_err(|error| TableError::syntax(text, &error))?;
        let mut scenarios: Vec<Scenario> = Vec::new();
        let mut names = BTreeSet::new();
        if let Some(name) = file.holds.keys().find(|name| Check::named(name).is_none()) {
            return Err(TableError::entry("[holds]", unknown_property(name)));
        }
        for family in file.scenario {
            for scenario in family.rows(&file.holds)? {
                if !names.insert(scenario.name.clone()) {
                    return Err(TableError::scenario(&scenario.name, "the name occurs twice"));
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

/// The rules of a generation with some of them replaced.
///
/// # Errors
/// A sentence that names the unknown generation, rule or value and the known ones.
pub fn rules(generation: &str, changes: &BTreeMap<String, String>) -> Result<(&'static str, Rules), String> {
    let known = || GENERATIONS.iter().map(|g| g.name).collect::<Vec<_>>().join(", ");
    let base = Generation::named(generation)
        .ok_or_else(|| format!("there is no generation {generation:?}; there are {}", known()))?;
    Ok((base.name, changed(base.rules, changes)?))
}

/// Rules with some of them replaced.
///
/// # Errors
/// A sentence that names the unknown rule or value and the known ones.
pub fn changed(mut rules: Rules, changes: &BTreeMap<String, String>) -> Result<Rules, String> {
    for (rule, value) in changes {
        rules.set(rule, value).map_err(|error| error.to_string())?;
    }
    Ok(rules)
}

impl Family {
    fn rows(&self, holds: &BTreeMap<String, String>) -> Result<Vec<Scenario>, TableError> {
        let fail = |what: String| TableError::scenario(&self.name, what);
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(legal) {
            return Err(fail(format!("the name {:?} is not of letters, digits and hyphens", self.name)));
        }
        let (generation, rules) = rules(&self.generation, &self.rules).map_err(fail)?;
        let checks = self.checks()?;
        self.validate(&checks)?;
        let mut rows = Vec::new();
        for &submitters in &self.submitters {
            for &ring in &self.rings {
                let size = format!("{submitters}x{ring}");
                let name = format!("{}-{size}", self.name);
                let error = |error: &dyn ToString| TableError::scenario(&name, error.to_string());
                let cfg = RingCfg {
                    rules,
                    lock: self.lock,
                    hardware: Hardware { order: self.hardware, depth: self.depth },
                    submitters,
                    counts: self.counts.clone(),
                    length: Length::new(ring).map_err(|e| error(&e))?,
                    handout: self.handout,
                    faults: Faults::none(),
                    fault_check: FaultCheck::WhereFaultsOccur,
                };
                let expected = self.expectations(&checks, &size, holds)?;
                if let Some(killer) = self.killed_by.as_deref().filter(|k| !expected.get(k).is_some_and(|e| e.violated))
                {
                    return Err(error(&format!("{killer} is to kill the fault but not expected to be violated")));
                }
                let unreached: BTreeMap<String, String> = self
                    .unreached
                    .iter()
                    .filter_map(|(n, reason)| Some((n.clone(), reason.at(&size)?.clone())))
                    .collect();
                let something_holds = expected.values().any(|expected| !expected.violated);
                let reached = witnesses().filter(|name| something_holds && !unreached.contains_key(*name)).collect();
                rows.push(Scenario {
                    cfg: cfg.validate().map_err(|e| error(&e))?,
                    family: self.name.clone(),
                    generation,
                    slots: self.slots,
                    checks: checks.clone(),
                    expected,
                    reached,
                    unreached,
                    fails_at: self.fails_at.clone(),
                    why: self.why.clone(),
                    killed_by: self.killed_by.clone(),
                    max_states: self.max_states,
                    cut: Cut::Fails,
                    run: self.run.clone(),
                    unfair: None,
                    name,
                });
            }
        }
        Ok(rows)
    }

    /// Checks what the family's names refer to.
    fn validate(&self, checks: &[Check]) -> Result<(), TableError> {
        let fail = |what: String| Err(TableError::scenario(&self.name, what));
        if self.submitters.is_empty() || self.rings.is_empty() {
            return fail("submitters and rings each need at least one number".to_string());
        }
        let twice = [
            ("submitters", twice(&self.submitters).map(usize::to_string)),
            ("counts", twice(&self.counts).map(u8::to_string)),
            ("rings", twice(&self.rings).map(u16::to_string)),
            ("checks", twice(checks).map(|check| check.name().to_string())),
            ("fails-at", twice(&self.fails_at).cloned()),
        ];
        if let Some((list, Some(value))) = twice.into_iter().find(|(_, value)| value.is_some()) {
            return fail(format!("{value} is listed twice under {list}"));
        }
        for name in self.violated.keys() {
            if !checks.contains(&self.check(name)?) {
                return fail(format!("{name} is expected to be violated but not checked"));
            }
        }
        if let Some(script) = &self.run {
            let check = Check::WdEventuallyObservedDone.name();
            if !self.violated.contains_key(check) {
                return fail(format!("a run is given but {check} is not expected to be violated"));
            }
            if script.repeat > script.steps.len() {
                return fail(format!("the last {} of {} steps are to repeat", script.repeat, script.steps.len()));
            }
        }
        let witnesses: Vec<_> = witnesses().collect();
        if let Some(name) = self.unreached.keys().find(|name| !witnesses.contains(&name.as_str())) {
            return fail(format!("there is no witness {name:?}; there are {}", witnesses.join(", ")));
        }
        let steps: Vec<_> = Label::step_names().collect();
        if let Some(name) = self.fails_at.iter().find(|name| !steps.contains(name)) {
            return fail(format!("there is no step {name:?}; there are {}", steps.join(", ")));
        }
        let sizes: Vec<_> =
            self.submitters.iter().flat_map(|s| self.rings.iter().map(move |r| format!("{s}x{r}"))).collect();
        let named = self.violated.values().chain(self.unreached.values()).flat_map(Reason::sizes);
        match named.into_iter().find(|size| !sizes.contains(size)) {
            Some(size) => fail(format!("there is no size {size:?} in this family; there are {}", sizes.join(", "))),
            None => Ok(()),
        }
    }

    fn checks(&self) -> Result<Vec<Check>, TableError> {
        if self.checks.is_empty() {
            return Ok(Check::everything().collect());
        }
        self.checks.iter().map(|name| self.check(name)).collect()
    }

    fn check(&self, name: &str) -> Result<Check, TableError> {
        Check::named(name).ok_or_else(|| TableError::scenario(&self.name, unknown_property(name)))
    }

    fn expectations(
        &self,
        checks: &[Check],
        size: &str,
        holds: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<&'static str, Expected>, TableError> {
        let expectation = |check: &Check| {
            let violated = self.violated.get(check.name()).and_then(|reason| reason.at(size));
            let (violated, why) = match (violated, holds.get(check.name())) {
                (Some(why), _) => (true, why),
                (None, Some(why)) => (false, why),
                (None, None) => {
                    let what = format!("{0} is expected to hold, so {0} under [holds] must say why", check.name());
                    return Err(TableError::scenario(&self.name, what));
                }
            };
            if why.trim().is_empty() {
                return Err(TableError::scenario(&self.name, format!("the reason for {} is empty", check.name())));
            }
            Ok((check.name(), Expected { violated, why: why.clone() }))
        };
        checks.iter().map(expectation).collect()
    }
}

/// A value that a list has twice. The lists are short, or of values of which few are legal.
pub(crate) fn twice<T: PartialEq>(list: &[T]) -> Option<&T> {
    list.iter().enumerate().find(|(i, value)| list[..*i].contains(value)).map(|(_, value)| value)
}

/// The names of all witnesses.
fn witnesses() -> impl Iterator<Item = &'static str> {
    Witness::ALL.into_iter().map(Witness::name).chain([WRAPS])
}

fn unknown_property(name: &str) -> String {
    let known = Check::all().map(Check::name).collect::<Vec<_>>().join(", ");
    format!("there is no property {name:?}; there are {known}")
}
