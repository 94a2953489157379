//! The one judge: what of a search is not as its scenario expects.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{FaultBit, Fired, Verdict};
use crate::impl_qi::{FaultClass, Faults};
use crate::scenario::{Check, Cut, Scenario};

/// What a search found, as far as that is judged.
#[derive(Clone, Debug)]
pub struct FoundVerdicts<'a> {
    /// Distinct states.
    pub states: usize,
    /// Whether all of it was seen.
    pub complete: bool,
    /// The verdicts, by property.
    pub verdicts: Vec<(&'a str, Verdict)>,
    /// How often each fault was raised and handled.
    pub faults: &'a [Fired],
    /// The witnesses that were reached.
    pub reached: Vec<&'a str>,
}

/// Something that is not as a scenario expects. Displayed, and written in JSON, as its sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surprise {
    /// Whether it contradicts what is expected.
    pub kind: SurpriseKind,
    /// The property, if it is the verdict of one.
    pub verdict_of: Option<Check>,
    /// The sentence.
    pub text: String,
}

/// What a surprise says of the expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SurpriseKind {
    /// What was found contradicts it.
    Contrary,
    /// The search was cut before it was confirmed or contradicted.
    Undecided,
}

impl Surprise {
    pub(super) fn contrary(text: String) -> Surprise {
        Surprise { kind: SurpriseKind::Contrary, verdict_of: None, text }
    }

    fn undecided(text: String) -> Surprise {
        Surprise { kind: SurpriseKind::Undecided, verdict_of: None, text }
    }

    /// A verdict that is not the one wanted, or unknown where none is.
    fn verdict(check: Check, verdict: Verdict, wanted: Option<Verdict>) -> Surprise {
        let expected = wanted.map_or(String::new(), |wanted| format!(", expected: {wanted}"));
        let kind = match verdict {
            Verdict::Unknown => SurpriseKind::Undecided,
            Verdict::Holds | Verdict::Violated => SurpriseKind::Contrary,
        };
        Surprise { kind, verdict_of: Some(check), text: format!("{} {verdict}{expected}", check.name()) }
    }
}

impl fmt::Display for Surprise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Surprise {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// What is not as a scenario expects; nothing if all is as expected.
///
/// What is unknown is as expected only where the scenario excuses it ([`Cut::Excuses`]) and the search went as far as the
/// scenario's own limit.
pub fn surprises(scenario: &Scenario, found: &FoundVerdicts) -> Vec<Surprise> {
    let far_enough = scenario.max_states.is_some_and(|limit| found.states >= limit);
    let excused = !found.complete && far_enough && scenario.cut == Cut::Excuses;
    let mut surprises = Vec::new();
    for check in &scenario.checks {
        let name = check.name();
        let verdict = found.verdicts.iter().find(|(known, _)| *known == name).map_or(Verdict::Unknown, |(_, v)| *v);
        let wanted = match scenario.expected(name) {
            Some(expected) if expected.violated => Some(Verdict::Violated),
            Some(_) => Some(Verdict::Holds),
            None => None,
        };
        let expected = match verdict {
            Verdict::Unknown => excused,
            Verdict::Holds | Verdict::Violated => wanted.is_none_or(|wanted| verdict == wanted),
        };
        if !expected {
            surprises.push(Surprise::verdict(*check, verdict, wanted));
        }
    }
    if scenario.expected.is_empty() {
        return surprises;
    }
    // What is not there can still come in the states that a cut search has not seen.
    let missing = if found.complete { Surprise::contrary } else { Surprise::undecided };
    for bit in bits(&scenario.cfg.faults) {
        let fired = found.faults.iter().find(|fired| fired.bit == bit);
        // Nobody is obliged to handle a WD that no driver builds.
        let unhandled = scenario.cfg.faults.includes(FaultClass::InvalidWd);
        if !fired.is_some_and(|fired| fired.raised > 0 && (fired.handled > 0 || unhandled)) {
            surprises.push(missing(format!("{bit:?} not raised, or not handled, in {} states", found.states)));
        }
    }
    let reached = |name: &str| found.reached.contains(&name);
    let word = if found.complete { "never reached" } else { "unknown" };
    for name in scenario.reached.iter().filter(|name| !reached(name)) {
        surprises.push(missing(format!("witness {name} {word}, expected: reached")));
    }
    for name in scenario.unreached.keys() {
        if reached(name) {
            surprises.push(Surprise::contrary(format!("witness {name} reached, expected: never reached")));
        } else if !found.complete && !excused {
            surprises.push(Surprise::undecided(format!("witness {name} unknown, expected: never reached")));
        }
    }
    surprises
}

/// The bits of FSTS that faults set.
fn bits(faults: &Faults) -> Vec<FaultBit> {
    let invalid = faults.includes(FaultClass::InvalidId) || faults.includes(FaultClass::InvalidWd);
    let bits = [
        (invalid, FaultBit::Iqe),
        (faults.time_out(), FaultBit::Ite),
        (faults.includes(FaultClass::Ice), FaultBit::Ice),
    ];
    bits.into_iter().filter(|(occurs, _)| *occurs).map(|(_, bit)| bit).collect()
}
