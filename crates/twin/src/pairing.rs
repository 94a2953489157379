//! Both sides of a model, and what they differ in.

use std::collections::HashMap;
use std::time::Duration;

use super::dump::{compare, Agreement};
use super::model::{Model, Property};
use super::rust::{check, check_with, Side, Verdict};
use super::tlc::{Run, RunOptions, Scratch, Tlc};
use super::trace::{replay, trace_module};
use super::TwinError;

/// What TLC, or the checker in its place, found of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Theirs {
    /// TLC's version.
    pub version: String,
    /// Distinct states.
    pub states: usize,
    /// Breadth-first levels; `None` with several workers, which do not go level by level.
    pub depth: Option<usize>,
    /// Distinct (state, label, state) triples, if the graphs were compared and are equal.
    pub transitions: Option<usize>,
    /// States that TLC says it generated: compared with nothing.
    pub generated: Option<usize>,
    /// The model's properties, in its order.
    pub verdicts: Vec<(Property, Verdict)>,
    /// Seconds for all of it.
    pub seconds: f64,
}

/// A model, seen from both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairing {
    /// The Rust side.
    pub ours: Side,
    /// TLC's side.
    pub theirs: Theirs,
    /// Counterexamples that crossed over in both directions.
    pub crossed: usize,
    /// What the sides differ in; empty if they agree.
    pub differences: Vec<String>,
}

/// Runs models on both sides.
pub struct Pairer<'a> {
    tlc: &'a Tlc,
    workers: usize,
    graphs: bool,
    /// What is known of the states of models with the same constants: a model that fails stops before it has seen them all.
    counted: HashMap<String, Counted>,
}

#[derive(Clone)]
struct Counted {
    run: Run,
    graph: Option<Agreement>,
}

impl<'a> Pairer<'a> {
    /// A pairing with TLC, state for state if `graphs`.
    pub fn new(tlc: &'a Tlc, workers: usize, graphs: bool) -> Self {
        Pairer { tlc, workers, graphs, counted: HashMap::new() }
    }

    /// Runs both sides of a model and compares them: distinct states, depth, the verdict of each property, with `graphs` the
    /// whole graphs. Each counterexample of TLC is executed on the Rust, and each of the Rust is walked and judged by TLC.
    ///
    /// # Errors
    /// [`TwinError`] if one side comes to no verdict; what the sides differ in is no error.
    pub fn pair(&mut self, model: &Model) -> Result<Pairing, TwinError> {
        let ours = check(model)?;
        let mut found = Found::default();
        let counted = match model.properties[..] {
            // What is expected to fail stops before all states are seen, so they are counted apart.
            [property] if ours.verdicts[0].1 == Verdict::Violated => {
                self.alone(model, property, &mut found)?;
                self.counted(&model.with(&[]), &mut found)?
            }
            _ => {
                let all = self.counted(model, &mut found)?;
                if all.run.verdict == Verdict::Holds {
                    found.verdicts = model.properties.iter().map(|&property| (property, Verdict::Holds)).collect();
                    all
                } else {
                    for &property in &model.properties {
                        self.alone(&model.with(&[property]), property, &mut found)?;
                    }
                    self.counted(&model.with(&[]), &mut found)?
                }
            }
        };
        let Found { verdicts, mut differences, crossed, seconds } = found;
        let transitions = match counted.graph {
            Some(Agreement::Equal { transitions, .. }) => Some(transitions),
            Some(Agreement::Differs(what)) => {
                differences.push(what);
                None
            }
            None => None,
        };
        let theirs = Theirs {
            version: counted.run.version,
            states: counted.run.states,
            depth: (self.workers == 1).then_some(counted.run.depth),
            transitions,
            generated: Some(counted.run.generated),
            verdicts,
            seconds,
        };
        differences.extend(compared(&ours, &theirs, "TLC"));
        Ok(Pairing { ours, theirs, crossed, differences })
    }

    /// All properties of a model at once, and its graph; of a model without properties, what is known already.
    fn counted(&mut self, model: &Model, found: &mut Found) -> Result<Counted, TwinError> {
        let known = self.counted.get(&constants(model));
        if let (Some(known), true) = (known, model.properties.is_empty()) {
            return Ok(known.clone());
        }
        let scratch = Scratch::new()?;
        let file = scratch.file("graph.dot");
        let dump = (self.graphs && known.is_none()).then_some(file.as_path());
        let run = self.run(model, RunOptions { workers: self.workers, dump, ..RunOptions::default() }, found)?;
        let graph = match (run.verdict, dump) {
            (Verdict::Holds, Some(dump)) => Some(compare(model, dump)?),
            _ => known.and_then(|known| known.graph.clone()),
        };
        let counted = Counted { run, graph };
        if counted.run.verdict == Verdict::Holds {
            self.counted.insert(constants(model), counted.clone());
        }
        Ok(counted)
    }

    fn run(&self, model: &Model, options: RunOptions, found: &mut Found) -> Result<Run, TwinError> {
        let run = self.tlc.run(model, options)?.expect("there is no limit");
        found.seconds += run.seconds;
        Ok(run)
    }

    /// A property on its own, and if it is violated, what is wrong with the counterexamples of either side.
    fn alone(&self, model: &Model, property: Property, found: &mut Found) -> Result<(), TwinError> {
        let scratch = Scratch::new()?;
        let trace = scratch.file("trace.json");
        let run = self.run(model, RunOptions { trace: Some(&trace), ..RunOptions::default() }, found)?;
        found.verdicts.push((property, run.verdict));
        if run.verdict == Verdict::Holds {
            return Ok(());
        }
        let objection = match replay(&trace, &model.subject) {
            Err(TwinError::Trace(why)) => {
                Some(format!("TLC's counterexample to {} cannot be used: {why}", property.name()))
            }
            Err(error) => return Err(error),
            Ok(_) => match trace_module(model, property)? {
                None => None,
                Some(module) => module.objection(self.tlc)?,
            },
        };
        match objection {
            None => found.crossed += 1,
            Some(objection) => found.differences.push(objection),
        }
        Ok(())
    }
}

/// What TLC has been found to say of one model so far.
#[derive(Default)]
struct Found {
    verdicts: Vec<(Property, Verdict)>,
    differences: Vec<String>,
    crossed: usize,
    seconds: f64,
}

/// The time that each side takes for the same states and properties.
#[derive(Clone, Debug, PartialEq)]
pub struct Race {
    /// The Rust side.
    pub ours: Side,
    /// TLC's, `None` if it reached the limit.
    pub theirs: Option<Run>,
    /// The limit.
    pub limit: Duration,
}

/// Threads of Rust and workers of TLC in a [`race`].
const RUNNERS: usize = 2;

/// Runs a model on both sides, one after the other, two threads or workers each.
///
/// # Errors
/// See [`Pairer::pair`]; [`TwinError::Model`] if the sides do not agree, since then their times are not those of the same work.
pub fn race(tlc: &Tlc, model: &Model, limit: Duration) -> Result<Race, TwinError> {
    let ours = check_with(model, RUNNERS)?;
    let theirs = tlc.run(model, RunOptions { workers: RUNNERS, limit: Some(limit), ..RunOptions::default() })?;
    if let Some(theirs) = &theirs {
        let holds = ours.verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Holds);
        if (holds, ours.states) != (theirs.verdict == Verdict::Holds, theirs.states) {
            let (name, ours, theirs) = (&model.name, ours.states, theirs.states);
            return Err(TwinError::Model(format!("{name}: the sides differ, Rust has {ours} states, TLC {theirs}")));
        }
    }
    Ok(Race { ours, theirs, limit })
}

pub(super) fn constants(model: &Model) -> String {
    format!("{:?}", model.subject.constants())
}

/// What the numbers and verdicts differ in; `checker` is who the other side is.
pub(super) fn compared(ours: &Side, theirs: &Theirs, checker: &str) -> Vec<String> {
    let mut differences = Vec::new();
    let mut count = |what: &str, ours: usize, theirs: Option<usize>| {
        if let Some(theirs) = theirs.filter(|theirs| *theirs != ours) {
            differences.push(format!("{what}: Rust has {ours}, {checker} {theirs}"));
        }
    };
    count("states", ours.states, Some(theirs.states));
    count("transitions", ours.transitions, theirs.transitions);
    count("depth", ours.depth, theirs.depth);
    for ((property, ours), (_, theirs)) in ours.verdicts.iter().zip(&theirs.verdicts) {
        if ours != theirs {
            differences.push(format!("{}: {ours} in Rust, {theirs} in {checker}", property.name()));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_named() {
        let property = Property::SpecLiveness;
        let ours =
            Side { states: 73, transitions: 150, depth: 9, verdicts: vec![(property, Verdict::Holds)], seconds: 0.1 };
        let mut theirs = Theirs {
            version: "TLC".into(),
            states: 73,
            depth: Some(9),
            transitions: Some(150),
            generated: Some(151),
            verdicts: vec![(property, Verdict::Holds)],
            seconds: 1.0,
        };
        assert_eq!(compared(&ours, &theirs, "TLC"), Vec::<String>::new());
        theirs.depth = None;
        theirs.transitions = None;
        assert_eq!(compared(&ours, &theirs, "TLC"), Vec::<String>::new());
        theirs = Theirs { states: 72, depth: Some(8), transitions: Some(149), ..theirs };
        theirs.verdicts = vec![(property, Verdict::Violated)];
        let expected = [
            "states: Rust has 73, TLC 72",
            "transitions: Rust has 150, TLC 149",
            "depth: Rust has 9, TLC 8",
            "WdEventuallyObservedDone: holds in Rust, violated in TLC",
        ];
        assert_eq!(compared(&ours, &theirs, "TLC"), expected);
    }
}
