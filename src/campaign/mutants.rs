//! Mutants: rules, fairness and hardware altered one at a time, to see which property notices.
//!
//! A mutant is killed by a property that is violated under it in some cell of the [`crate::campaign::matrix`] where the property holds
//! without it. One that survives is either equivalent, and `mutants.toml` says why, or shows that a property is missing.
//!
//! ```
//! use vtd_qi::campaign::mutants::{mutants, subjects, BASES};
//! let (base, cells) = (BASES[1], subjects(BASES[1]));
//! let mutant = mutants(base).into_iter().find(|mutant| mutant.name() == "ite-clear=before-walk").unwrap();
//! assert!(cells.iter().filter_map(|cell| mutant.apply(&cell.scenario)).count() > 5);
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::campaign::matrix::{Cell, Matrix, Scope};
use crate::impl_qi::{AfterIte, FaultClass, Generation, Itesid, Label, Quirk, RingCfg, Rules};
use crate::scenario::{Scenario, TableError, rules};

/// The generations that are mutated: the newest driver, and the one that holds under faults too.
pub const BASES: [&str; 2] = ["g5", "g5plus"];

/// What is altered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A rule of the driver has another value.
    Rule {
        /// The rule.
        rule: String,
        /// The value.
        value: String,
    },
    /// A fairness condition is not assumed.
    Unfair(String),
    /// A clause of the hardware's rules is altered.
    Hardware(Quirk),
}

impl Mutant {
    /// Its name: `RULE=VALUE`, `without CONDITION`, or the altered clause.
    pub fn name(&self) -> String {
        match self {
            Mutant::Rule { rule, value } => format!("{rule}={value}"),
            Mutant::Unfair(condition) => format!("without {condition}"),
            Mutant::Hardware(quirk) => format!("hardware: {}", quirk.name()),
        }
    }

    /// The mutated scenario; `None` where the mutant changes nothing in this scenario.
    pub fn apply(&self, scenario: &Scenario) -> Option<Scenario> {
        let mut cfg = RingCfg::clone(&scenario.cfg);
        let mut unfair = scenario.unfair.clone();
        match self {
            Mutant::Rule { rule, value } => {
                let change = BTreeMap::from([(rule.clone(), value.clone())]);
                cfg.rules = rules(scenario.generation, &change).ok()?.1;
                if cfg.rules.one_id_only() {
                    cfg.counts = vec![1];
                }
            }
            Mutant::Unfair(condition) => unfair = Some(condition.clone()),
            Mutant::Hardware(quirk) => {
                cfg.faults.quirk = Some(*quirk);
                if *quirk == Quirk::ItesidWrong {
                    cfg.faults.devices = cfg.faults.devices.max(1);
                }
            }
        }
        let cfg = cfg.validate().ok()?;
        Some(Scenario { cfg, unfair, expected: BTreeMap::new(), ..scenario.clone() })
    }
}

/// The cells in which mutants of a generation are looked at, each with the properties that hold there without them: those on
/// the smallest ring under Drop and IdsRun, but for those in which little holds anyhow.
///
/// # Panics
/// Never: a test asks for the bases.
pub fn subjects(base: &str) -> Vec<Cell> {
    let matrix = Matrix::embedded();
    let wanted = |cell: &Cell| {
        cell.scenario.generation == base
            && cell.scenario.name.ends_with("-2x4")
            && !cell.scenario.cfg.faults.includes(FaultClass::InvalidWd)
            && cell.after_ite != Some(AfterIte::WdsRun)
            && cell.itesid != Some(Itesid::Zero)
    };
    let mut cells: Vec<Cell> = matrix.cells(Scope::Quick).filter(|cell| wanted(cell)).cloned().collect();
    for Cell { scenario, .. } in &mut cells {
        let Scenario { checks, expected, .. } = scenario;
        checks.retain(|check| expected.get(check.name()).is_some_and(|expected| !expected.violated));
    }
    cells.retain(|cell| cell.scenario.checks.len() >= MOST_HOLD);
    cells
}

/// Skip cells where fewer than 9 properties hold; mutants show little there.
const MOST_HOLD: usize = 9;

/// Every mutant of a generation: each rule with each other value, each fairness condition taken away, each clause of the
/// hardware altered.
///
/// # Panics
/// If there is no such generation.
pub fn mutants(base: &str) -> Vec<Mutant> {
    let generation = Generation::named(base).expect("a generation");
    let mut all = Vec::new();
    for (rule, present) in generation.rules.words() {
        let others = Rules::values(rule).into_iter().flatten().filter(|value| *value != present);
        all.extend(others.map(|value| Mutant::Rule { rule: rule.to_string(), value: value.to_string() }));
    }
    let of_submitters = ["Step", "Acquire", "Slots"];
    all.extend(of_submitters.map(|name| Mutant::Unfair(format!("{name}(T2)"))));
    let of_hardware = [Label::Fetch, Label::Execute, Label::Complete, Label::TimeOut];
    all.extend(of_hardware.map(|label| Mutant::Unfair(format!("{label:?}"))));
    all.extend(Quirk::ALL.map(Mutant::Hardware));
    all
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    equivalent: Vec<Equivalent>,
}

/// A mutant that no property can kill, and why.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equivalent {
    /// The generations.
    pub bases: Vec<String>,
    /// The mutant's name.
    pub mutant: String,
    /// The reason, written by hand.
    pub why: String,
}

/// The explanations of this crate.
///
/// # Panics
/// Never: a test reads them.
pub fn equivalents() -> Vec<Equivalent> {
    let text = include_str!("../../data/mutants.toml");
    Equivalent::parse(text).unwrap_or_else(|error| panic!("mutants.toml: {error}"))
}

impl Equivalent {
    /// Reads a file of explanations.
    ///
    /// # Errors
    /// [`TableError`], naming the entry and the value: there is no such base or mutant, or no reason.
    pub fn parse(text: &str) -> Result<Vec<Equivalent>, TableError> {
        let file: File = toml::from_str(text).map_err(|error| TableError::syntax(text, &error))?;
        let known = BASES.map(|base| (base, mutants(base).iter().map(Mutant::name).collect::<BTreeSet<_>>()));
        for Equivalent { bases, mutant, why } in &file.equivalent {
            let fail = |what: String| Err(TableError::entry(format_args!("[[equivalent]] {mutant:?}"), what));
            for base in bases {
                match known.iter().find(|(known, _)| known == base) {
                    None => return fail(format!("{base:?} is not mutated; {} are", BASES.join(", "))),
                    Some((_, mutants)) if !mutants.contains(mutant) => {
                        return fail(format!("{base} has no such mutant"));
                    }
                    Some(_) => {}
                }
            }
            if why.trim().is_empty() {
                return fail("the reason is empty".to_string());
            }
        }
        Ok(file.equivalent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_mutated_to_every_other_value() {
        let count = |name: &str| Rules::values(name).unwrap().len();
        assert_eq!((count("mark"), count("reclaim"), count("publish"), count("room")), (4, 5, 4, 2));
        assert_eq!(Rules::NAMES.len(), 17);
        let all: usize = Rules::NAMES.iter().map(|name| count(name) - 1).sum();
        let is_rule = |mutant: &&Mutant| matches!(mutant, Mutant::Rule { .. });
        assert_eq!(mutants("g5").iter().filter(is_rule).count(), all);
    }

    #[test]
    fn what_is_explained_exists() {
        assert!(equivalents().iter().all(|equivalent| equivalent.why.len() > 20));
        let entry = |base: &str, mutant: &str, why: &str| {
            let text = format!("[[equivalent]]\nbases = ['{base}']\nmutant = '{mutant}'\nwhy = '{why}'\n");
            Equivalent::parse(&text).map(|entries| entries.len()).map_err(|error| error.to_string())
        };
        assert_eq!(entry("g5", "iqe-at=any", "so"), Ok(1));
        assert_eq!(
            entry("g4", "iqe-at=any", "so"),
            Err("[[equivalent]] \"iqe-at=any\": \"g4\" is not mutated; g5, g5plus are".into())
        );
        assert_eq!(entry("g5", "iqe-at=all", "so"), Err("[[equivalent]] \"iqe-at=all\": g5 has no such mutant".into()));
        assert_eq!(entry("g5", "iqe-at=any", " "), Err("[[equivalent]] \"iqe-at=any\": the reason is empty".into()));
    }
}
