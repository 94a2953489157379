//! What is known of a scenario once it has been checked: verdicts, witnesses, counts, and what is not as expected.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::{FoundVerdicts, Surprise, Violation, surprises};
use crate::scenario::{Check, Scenario};

/// What is known of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is true of every run of the configuration.
    Holds,
    /// It is false of a run that was executed again on the ring itself.
    Violated,
    /// The search was cut.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Holds => "holds",
            Verdict::Violated => "violated",
            Verdict::Unknown => "unknown",
        })
    }
}

/// A property and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct PropertyReport {
    /// The property.
    #[serde(serialize_with = "name_of", rename = "name")]
    pub check: Check,
    /// Its verdict.
    pub verdict: Verdict,
    /// The verdict that the table expects, if it does.
    pub expected: Option<Verdict>,
    /// Why the table expects it: a reason for [`PropertyReport::expected`], whatever was found.
    pub why: Option<String>,
    /// What is unexpected about the run, although the verdict is the expected one.
    pub surprise: Option<String>,
    /// What there is to say beside the verdict: how a run is broken, what was hit, why nothing is known.
    pub detail: Option<String>,
    /// The run that shows a violation.
    pub counterexample: Option<Violation>,
}

fn name_of<S: Serializer>(check: &Check, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(check.name())
}

impl PropertyReport {
    /// What was found of a property, beside what the table expects of it.
    pub(super) fn new(scenario: &Scenario, check: Check, shown: Shown) -> PropertyReport {
        let Shown { verdict, detail, counterexample } = shown;
        let expected = scenario.expected(check.name());
        PropertyReport {
            check,
            verdict,
            expected: expected.map(|e| if e.violated { Verdict::Violated } else { Verdict::Holds }),
            why: expected.map(|e| e.why.clone()),
            surprise: None,
            detail,
            counterexample,
        }
    }
}

/// What was found of a property.
pub(super) struct Shown {
    pub(super) verdict: Verdict,
    /// What there is to say beside the verdict.
    pub(super) detail: Option<String>,
    pub(super) counterexample: Option<Violation>,
}

impl Shown {
    pub(super) fn holds(detail: Option<String>) -> Shown {
        Shown { verdict: Verdict::Holds, detail, counterexample: None }
    }

    pub(super) fn violated(detail: Option<String>, counterexample: Violation) -> Shown {
        Shown { verdict: Verdict::Violated, detail, counterexample: Some(counterexample) }
    }

    pub(super) fn unknown(why: impl ToString) -> Shown {
        Shown { verdict: Verdict::Unknown, detail: Some(why.to_string()), counterexample: None }
    }
}

/// A reachable situation that shows that a `holds` is not vacuous.
#[derive(Clone, Debug, Serialize)]
pub struct WitnessReport {
    /// Its name.
    pub name: &'static str,
    /// Whether it was reached; `None` if it was not and the search was cut.
    pub reached: Option<bool>,
    /// Whether the table says that it has to be reached; `None` if it says nothing.
    pub expected: Option<bool>,
}

/// All that is known of one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub name: String,
    /// The generation.
    pub generation: &'static str,
    /// Number of submitters.
    pub submitters: usize,
    /// The counts.
    pub counts: Vec<u8>,
    /// `QI_LENGTH`.
    pub ring: u16,
    /// What fairness was assumed: `WF` weak, `SF` strong, `GF p => GF q` a Streett pair.
    pub fairness: Vec<String>,
    /// Distinct states, up to rotation of the ring.
    pub states: usize,
    /// Distinct transitions.
    pub transitions: usize,
    /// Breadth-first levels.
    pub depth: usize,
    /// Bytes of one stored state; none of it on the heap.
    pub bytes_per_state: usize,
    /// Bytes that index, transitions and paths take beside that, per state.
    pub graph_bytes_per_state: usize,
    /// Whether all of it was seen.
    pub complete: bool,
    /// Why not, if not.
    pub cut: Option<String>,
    /// Seconds for all of it.
    pub seconds: f64,
    /// Seconds of these for exploring, the safety properties included.
    pub seconds_exploring: f64,
    /// The properties.
    pub properties: Vec<PropertyReport>,
    /// The witnesses.
    pub witnesses: Vec<WitnessReport>,
    /// Under faults: how many transitions raise each fault, and how many handle it (clear the bit that it has set).
    pub faults: Vec<Fired>,
    /// What differs from the table, or is unknown where the table does not allow it.
    pub surprises: Vec<Surprise>,
}

/// How often a fault occurs in the explored graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// The bit of FSTS that it sets.
    pub bit: FaultBit,
    /// Transitions that set the bit.
    pub raised: usize,
    /// Transitions that clear it.
    pub handled: usize,
}

/// A bit of FSTS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FaultBit {
    /// Invalidation queue error.
    Iqe,
    /// Invalidation time-out error.
    Ite,
    /// Invalidation completion error.
    Ice,
}

impl Report {
    /// Returns whether nothing was unexpected.
    pub fn as_expected(&self) -> bool {
        self.surprises.is_empty()
    }

    /// As [`surprises`] judges it.
    pub(super) fn judged(self, scenario: &Scenario) -> Report {
        let found = FoundVerdicts {
            states: self.states,
            complete: self.complete,
            verdicts: self.properties.iter().map(|outcome| (outcome.check.name(), outcome.verdict)).collect(),
            faults: &self.faults,
            reached: self.witnesses.iter().filter(|w| w.reached == Some(true)).map(|w| w.name).collect(),
        };
        let mut surprises = surprises(scenario, &found);
        let elsewhere = self.properties.iter().filter_map(|outcome| Some((outcome, outcome.surprise.as_ref()?)));
        surprises
            .extend(elsewhere.map(|(outcome, what)| Surprise::contrary(format!("{} {what}", outcome.check.name()))));
        Report { surprises, ..self }
    }

    /// Whether everything was decided.
    pub fn is_decided(&self) -> bool {
        self.properties.iter().all(|outcome| outcome.verdict != Verdict::Unknown)
    }

    /// What became of a property, if it was checked.
    pub fn outcome(&self, check: Check) -> Option<&PropertyReport> {
        self.properties.iter().find(|outcome| outcome.check == check)
    }
}

/// The report of a scenario that was not checked.
pub fn not_checked(scenario: &Scenario, why: &str) -> Report {
    let outcome = |&check: &Check| PropertyReport::new(scenario, check, Shown::unknown(why));
    let report = Report {
        name: scenario.name.clone(),
        generation: scenario.generation,
        submitters: scenario.cfg.submitters,
        counts: scenario.cfg.counts.clone(),
        ring: scenario.cfg.length.slots(),
        fairness: Vec::new(),
        states: 0,
        transitions: 0,
        depth: 0,
        bytes_per_state: 0,
        graph_bytes_per_state: 0,
        complete: false,
        cut: Some(why.to_string()),
        seconds: 0.0,
        seconds_exploring: 0.0,
        properties: scenario.checks.iter().map(outcome).collect(),
        witnesses: Vec::new(),
        faults: Vec::new(),
        surprises: Vec::new(),
    };
    report.judged(scenario)
}
