//! The one judge: what of a search is not as its scenario expects.

use super::{FaultBit, Fired, Verdict};
use crate::impl_qi::{FaultClass, Faults};
use crate::scenario::{Cut, Scenario};

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

/// What is not as a scenario expects, a sentence each; nothing if all is as expected.
///
/// What is unknown is as expected only where the scenario excuses it ([`Cut::Excuses`]) and the search went as far as the
/// scenario's own limit.
pub fn surprises(scenario: &Scenario, found: &FoundVerdicts) -> Vec<String> {
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
        match (verdict, wanted) {
            (Verdict::Unknown, _) if excused => {}
            (Verdict::Unknown, None) => surprises.push(format!("{name} unknown")),
            (verdict, Some(wanted)) if verdict != wanted => {
                surprises.push(format!("{name} {verdict}, expected: {wanted}"));
            }
            _ => {}
        }
    }
    if scenario.expected.is_empty() {
        return surprises;
    }
    for bit in bits(&scenario.cfg.faults) {
        let fired = found.faults.iter().find(|fired| fired.bit == bit);
        // Nobody is obliged to handle a WD that no driver builds.
        let unhandled = scenario.cfg.faults.includes(FaultClass::InvalidWd);
        if !fired.is_some_and(|fired| fired.raised > 0 && (fired.handled > 0 || unhandled)) {
            surprises.push(format!("{bit:?} not raised, or not handled, in {} states", found.states));
        }
    }
    let reached = |name: &str| found.reached.contains(&name);
    let word = if found.complete { "never reached" } else { "unknown" };
    for name in scenario.reached.iter().filter(|name| !reached(name)) {
        surprises.push(format!("witness {name} {word}, expected: reached"));
    }
    for name in scenario.unreached.keys() {
        if reached(name) {
            surprises.push(format!("witness {name} reached, expected: never reached"));
        } else if !found.complete && !excused {
            surprises.push(format!("witness {name} unknown, expected: never reached"));
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
