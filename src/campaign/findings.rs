//! Findings: what the newest driver does wrong under faults, which cells of the [`crate::campaign::matrix`] show it, and on which kernels' own C
//! the same runs were repeated.
//!
//! `check --findings` prints docs/findings.md and the list of cells from this; `kernel --only confirm --record` adds what a kernel's C
//! confirms.
//!
//! ```
//! use vtd_qi::campaign::findings::{Findings, NEWEST};
//! use vtd_qi::campaign::matrix::Matrix;
//! let (findings, matrix) = (Findings::embedded(), Matrix::embedded());
//! let first = &findings.findings[0];
//! assert_eq!(first.scenario(&matrix).generation, NEWEST);
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::campaign::matrix::{Cell, Matrix, Scope};
use crate::campaign::mutants::Mutant;
use crate::impl_qi::{FaultClass, assumption};
use crate::scenario::{Check, Scenario, TableError};
use crate::verify::Violation;

/// The generation that findings are about.
pub const NEWEST: &str = "g5";

/// The findings about the newest generation, and the parts of the rule set that mends it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// The findings.
    #[serde(rename = "finding")]
    pub findings: Vec<Finding>,
    /// The parts of g5plus.
    #[serde(rename = "part")]
    pub parts: Vec<FindingPart>,
}

/// A promise that does not hold, and what a reader should know about it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// A title of a few words.
    pub title: String,
    /// The classes of faults of the matrix that it is about.
    pub classes: Vec<String>,
    /// The properties that are violated, the one first whose run is shown.
    pub properties: Vec<String>,
    /// The cell whose run is shown.
    pub cell: String,
    /// Which fault, how many CPUs, which order of steps.
    pub takes: String,
    /// How wide the window for it is.
    pub window: String,
    /// Whether it is a regression, and of which change.
    pub regression: String,
    /// The numbers of the assumptions it rests on.
    pub rests_on: Vec<String>,
    /// The rules of g5plus that mend it.
    pub mended_by: Vec<String>,
}

/// A rule of g5plus, and what fails without it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingPart {
    /// The rule.
    pub rule: String,
    /// Its value where it is left out.
    pub without: String,
    /// A cell in which something fails then.
    pub cell: String,
    /// The property that fails.
    pub property: String,
}

impl Findings {
    /// The findings of this crate.
    ///
    /// # Panics
    /// Never: a test reads them.
    pub fn embedded() -> Findings {
        Findings::parse(include_str!("../../data/findings.toml"), &Matrix::embedded())
            .unwrap_or_else(|error| panic!("findings.toml: {error}"))
    }

    /// Reads a file of findings.
    ///
    /// # Errors
    /// [`TableError`], naming the entry and the value: what it names is not there.
    pub fn parse(text: &str, matrix: &Matrix) -> Result<Findings, TableError> {
        let findings: Findings = toml::from_str(text).map_err(|error| TableError::syntax(text, &error))?;
        for finding in &findings.findings {
            let entry = |what| TableError::entry(format_args!("[[finding]] {:?}", finding.title), what);
            finding.validate(matrix).map_err(entry)?;
        }
        for part in &findings.parts {
            let entry = |what| TableError::entry(format_args!("[[part]] {:?}", part.rule), what);
            part.validate(matrix).map_err(entry)?;
        }
        Ok(findings)
    }

    /// The number, from 1, of the first finding that a violated property of a cell belongs to.
    pub fn number(&self, cell: &Cell, property: &str) -> Option<usize> {
        Some(self.about(&cell.class, property)?.0)
    }

    /// The first finding about a class of faults and a property, with its number, from 1.
    pub fn about(&self, class: &str, property: &str) -> Option<(usize, &Finding)> {
        let told = |finding: &Finding| {
            finding.classes.iter().any(|name| name == class) && finding.properties.iter().any(|name| name == property)
        };
        (1..).zip(&self.findings).find(|(_, finding)| told(finding))
    }
}

/// The cell of a name that is of this generation.
fn cell_of<'m>(matrix: &'m Matrix, generation: &str, name: &str) -> Result<&'m Cell, String> {
    matrix
        .find(name)
        .filter(|cell| cell.scenario.generation == generation)
        .ok_or_else(|| format!("there is no cell {name:?} of {generation}"))
}

impl Finding {
    fn validate(&self, matrix: &Matrix) -> Result<(), String> {
        cell_of(matrix, NEWEST, &self.cell)?;
        if self.properties.is_empty() {
            return Err("it names no property".to_string());
        }
        if let Some(name) = self.properties.iter().find(|name| Check::named(name).is_none()) {
            return Err(format!("there is no property {name:?}"));
        }
        if let Some(number) = self.rests_on.iter().find(|number| assumption(number).is_none()) {
            return Err(format!("there is no assumption {number:?}"));
        }
        let of_class = |name: &&String| matrix.cells(Scope::Full).any(|cell| cell.class == **name);
        match self.classes.iter().find(|name| !of_class(name)) {
            Some(name) => Err(format!("there is no class {name:?}")),
            None => Ok(()),
        }
    }

    /// The property whose run is shown.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn shown(&self) -> Check {
        property(&self.properties[0])
    }

    /// The cell, asked for what is shown only.
    ///
    /// # Panics
    /// If there is no such cell or property.
    pub fn scenario(&self, matrix: &Matrix) -> Scenario {
        Scenario { checks: vec![self.shown()], ..cell(matrix, &self.cell).scenario.clone() }
    }
}

/// The generation that the parts are of.
const MENDED: &str = "g5plus";

impl FindingPart {
    fn validate(&self, matrix: &Matrix) -> Result<(), String> {
        if Check::named(&self.property).is_none() {
            return Err(format!("there is no property {:?}", self.property));
        }
        let without = Mutant::Rule { rule: self.rule.clone(), value: self.without.clone() };
        match without.apply(&cell_of(matrix, MENDED, &self.cell)?.scenario) {
            Some(_) => Ok(()),
            None => Err(format!("the rule cannot be {:?} in {}", self.without, self.cell)),
        }
    }

    /// The property that fails.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn fails(&self) -> Check {
        property(&self.property)
    }

    /// The cell of g5plus without this part, asked for what fails.
    ///
    /// # Panics
    /// If there is no such cell, rule or property.
    pub fn scenario(&self, matrix: &Matrix) -> Scenario {
        let mutant = Mutant::Rule { rule: self.rule.clone(), value: self.without.clone() };
        let scenario = mutant.apply(&cell(matrix, &self.cell).scenario).expect("a rule set that fits");
        Scenario { checks: vec![self.fails()], ..scenario }
    }
}

fn cell<'a>(matrix: &'a Matrix, name: &str) -> &'a Cell {
    matrix.find(name).unwrap_or_else(|| panic!("findings.toml: there is no cell {name}"))
}

fn property(name: &str) -> Check {
    Check::named(name).unwrap_or_else(|| panic!("findings.toml: there is no property {name}"))
}

/// The quick cells of the newest generation in which something does not hold.
pub fn cells(matrix: &Matrix) -> impl Iterator<Item = &Cell> {
    matrix.cells(Scope::Quick).filter(|cell| {
        cell.scenario.generation == NEWEST && cell.scenario.expected.values().any(|expected| expected.violated)
    })
}

/// A cell, asked for what is violated in it only. Where there is no refinement, there is no fair one either: the same run again.
pub fn violated(cell: &Cell) -> Scenario {
    let violated = |check: Check| cell.scenario.expected(check.name()).is_some_and(|expected| expected.violated);
    let says_more = |check: Check| check != Check::RefinesFairSpec || !violated(Check::RefinesSpec);
    let checks = cell.scenario.checks.iter().copied().filter(|&check| violated(check) && says_more(check)).collect();
    Scenario { checks, ..cell.scenario.clone() }
}

/// Whether a driver's C can come to the runs of a scenario: a real driver builds no invalid WD.
pub fn can_be_replayed(scenario: &Scenario) -> bool {
    !scenario.cfg.faults.includes(FaultClass::InvalidWd)
}

/// Which kernels' C has repeated which runs of the newest generation: by cell and property.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmations(BTreeMap<String, BTreeMap<String, Confirmed>>);

/// A run, and who repeated it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmed {
    /// The run's [`Violation::fingerprint`].
    run: String,
    /// The kernels.
    kernels: BTreeSet<String>,
}

impl Confirmations {
    /// The confirmations that are committed with this crate.
    ///
    /// # Panics
    /// Never: a test reads them.
    pub fn embedded() -> Confirmations {
        serde_json::from_str(include_str!("../../data/confirmed.json"))
            .unwrap_or_else(|error| panic!("confirmed.json: {error}"))
    }

    /// Reads what [`Confirmations::write`] has written.
    ///
    /// # Errors
    /// If the file cannot be read or holds something else.
    pub fn read(file: &Path) -> std::io::Result<Confirmations> {
        Ok(serde_json::from_str(&std::fs::read_to_string(file)?)?)
    }

    /// Writes them.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, file: &Path) -> std::io::Result<()> {
        std::fs::write(file, serde_json::to_string_pretty(self)? + "\n")
    }

    /// Adds that a kernel's C has repeated a run. What was said of another run of that cell and property is forgotten.
    ///
    /// # Examples
    /// See the tests of this module.
    pub fn add(&mut self, cell: &str, property: &str, run: &Violation, kernel: &str) {
        let run = run.fingerprint();
        let known = self.0.entry(cell.into()).or_default();
        match known.get_mut(property) {
            Some(confirmed) if confirmed.run == run => _ = confirmed.kernels.insert(kernel.into()),
            _ => _ = known.insert(property.into(), Confirmed { run, kernels: BTreeSet::from([kernel.into()]) }),
        }
    }

    /// Takes back what was said of a kernel's C.
    pub fn remove(&mut self, cell: &str, property: &str, kernel: &str) {
        if let Some(confirmed) = self.0.get_mut(cell).and_then(|known| known.get_mut(property)) {
            confirmed.kernels.remove(kernel);
        }
    }

    /// The kernels whose C has repeated a run; none if it was another run.
    pub fn kernels(&self, cell: &str, property: &str, run: &Violation) -> Vec<&str> {
        let confirmed = self.0.get(cell).and_then(|known| known.get(property));
        let confirmed = confirmed.filter(|confirmed| confirmed.run == run.fingerprint());
        confirmed.map_or(Vec::new(), |confirmed| confirmed.kernels.iter().map(String::as_str).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::verify;
    use stateright_temporal::graph::Limits;

    #[test]
    fn what_the_files_name_exists() {
        let (findings, matrix) = (Findings::embedded(), Matrix::embedded());
        for finding in &findings.findings {
            assert_eq!(finding.scenario(&matrix).generation, NEWEST);
        }
        for part in &findings.parts {
            assert_eq!(part.scenario(&matrix).generation, MENDED);
        }
        // Whatever name is altered, the file is refused for it.
        let text = include_str!("../../data/findings.toml");
        for (name, refusal) in [
            ("\"g5-lost-answer-in-order-drop-2x4\"", "there is no cell"),
            ("\"success-after-execution\"", "there is no property"),
            ("\"lost-answer\"", "there is no class"),
            ("\"A5\"", "there is no assumption"),
            ("\"g5plus-invalid-id-in-order-2x4\"", "there is no cell"),
            ("\"first\"", "the rule cannot be"),
        ] {
            assert!(text.contains(name), "{name}");
            let error = Findings::parse(&text.replacen(name, "\"another\"", 1), &matrix).unwrap_err().to_string();
            assert!(error.contains(refusal), "{error}");
        }
        for (cell, known) in &Confirmations::embedded().0 {
            assert!(cells(&matrix).any(|known| known.scenario.name == *cell), "{cell}");
            assert!(known.keys().all(|property| Check::named(property).is_some()), "{cell}");
        }
    }

    /// Every property that the matrix expects to be violated of the newest generation belongs to a finding.
    #[test]
    fn no_violation_is_without_a_finding() {
        let (findings, matrix) = (Findings::embedded(), Matrix::embedded());
        for cell in cells(&matrix) {
            for check in violated(cell).checks {
                assert!(findings.number(cell, check.name()).is_some(), "{check:?} in {}", cell.scenario.name);
            }
        }
    }

    #[test]
    fn a_confirmation_is_of_one_run() {
        let (findings, matrix) = (Findings::embedded(), Matrix::embedded());
        let run = |finding: &Finding| {
            let report = verify(&finding.scenario(&matrix), Limits::default());
            report.outcome(finding.shown()).unwrap().counterexample.clone().unwrap()
        };
        let (run, other) = (run(&findings.findings[0]), run(&findings.findings[1]));
        let mut known = Confirmations::default();
        known.add("cell", "property", &run, "6.12");
        known.add("cell", "property", &run, "7.3");
        assert_eq!(known.kernels("cell", "property", &run), ["6.12", "7.3"]);
        assert!(known.kernels("cell", "property", &other).is_empty());
        assert!(known.kernels("cell", "another", &run).is_empty());
        known.remove("cell", "property", "6.12");
        assert_eq!(known.kernels("cell", "property", &run), ["7.3"]);
        known.add("cell", "property", &other, "7.3");
        assert!(known.kernels("cell", "property", &run).is_empty());
        assert_eq!(known.kernels("cell", "property", &other), ["7.3"]);
    }
}
