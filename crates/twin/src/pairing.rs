//! Both sides of a model, and what they differ in.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::TwinError;
use super::dump::{Agreement, compare};
use super::model::{Model, Property};
use super::rust::{Side, check_within};
use super::tlc::{Record, RunOptions, Tlc, TlcRun};
use super::trace::{replay_trace, trace_module};
use super::{TlaError, Verdict};
use stateright_temporal::graph::Limits;
use stateright_temporal::memory::Memory;

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
    /// Distinct (state, action, state) triples, if the graphs were compared and are equal, but this TLC prints actions without their
    /// parameters.
    pub unlabelled: Option<usize>,
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

/// What becomes known while a model is paired.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// What the Rust side finds, before TLC is started.
    Ours(Side),
    /// How far TLC is, about once a second.
    Progress(String),
}

/// Runs models on both sides. Several threads may share it.
pub struct Pairer<'a> {
    tlc: &'a Tlc,
    workers: usize,
    graphs: bool,
    limit: Option<Duration>,
    stop: Option<&'a AtomicBool>,
    memory: Option<&'a Memory>,
    /// What is known of the states of models with the same constants: a model that fails stops before it has seen them all.
    counted: Mutex<HashMap<String, Counted>>,
}

#[derive(Clone)]
struct Counted {
    run: TlcRun,
    graph: Option<Agreement>,
}

impl<'a> Pairer<'a> {
    /// A pairing with TLC, state for state if `graphs`.
    pub fn new(tlc: &'a Tlc, workers: usize, graphs: bool) -> Self {
        Pairer { tlc, workers, graphs, limit: None, stop: None, memory: None, counted: Mutex::default() }
    }

    /// The same, but TLC is ended when all of its runs of a model have taken so long, or as soon as the flag is set.
    pub fn until(self, limit: Option<Duration>, stop: &'a AtomicBool) -> Self {
        Pairer { limit, stop: Some(stop), ..self }
    }

    /// The same, but the Rust side takes its memory from here. TLC takes what Java gives it.
    pub fn within(self, memory: &'a Memory) -> Self {
        Pairer { memory: Some(memory), ..self }
    }

    fn limits(&self) -> Limits<'a> {
        Limits { memory: self.memory, cancel: self.stop, ..Limits::default() }
    }

    /// Runs both sides of a model and compares them: distinct states, depth, the verdict of each property, with `graphs` the
    /// whole graphs. Each counterexample of TLC is executed on the Rust, and each of the Rust is walked and judged by TLC.
    ///
    /// # Errors
    /// [`TwinError`] if one side comes to no verdict, [`TwinError::Undecided`] if TLC was ended before or memory was used up; what
    /// the sides differ in is no error.
    pub fn pair(&self, model: &Model, news: &dyn Fn(News)) -> Result<Pairing, TwinError> {
        let ours = check_within(model, self.limits())?;
        news(News::Ours(ours.clone()));
        let progress = |text: &str| news(News::Progress(text.into()));
        let options = RunOptions {
            // A limit that no clock reaches is none.
            deadline: self.limit.and_then(|limit| Instant::now().checked_add(limit)),
            stop: self.stop,
            progress: Some(&progress),
            ..RunOptions::default()
        };
        let mut found = Found::default();
        let counted = match model.properties[..] {
            // What is expected to fail stops before all states are seen, so they are counted apart.
            [property] if ours.verdicts[0].1 == Verdict::Violated => {
                self.alone(model, property, options, &mut found)?;
                self.counted(&model.with(&[]), options, &mut found)?
            }
            _ => {
                let all = self.counted(model, options, &mut found)?;
                if all.run.verdict == Verdict::Holds {
                    found.verdicts = model.properties.iter().map(|&property| (property, Verdict::Holds)).collect();
                    all
                } else {
                    for &property in &model.properties {
                        self.alone(&model.with(&[property]), property, options, &mut found)?;
                    }
                    self.counted(&model.with(&[]), options, &mut found)?
                }
            }
        };
        let Found { verdicts, mut differences, crossed, seconds } = found;
        let (transitions, unlabelled) = match counted.graph {
            Some(Agreement::Equal { transitions, .. }) => (Some(transitions), None),
            Some(Agreement::EqualWithoutParameters { transitions, .. }) => (None, Some(transitions)),
            Some(Agreement::Differs(what)) => {
                differences.push(what);
                (None, None)
            }
            None => (None, None),
        };
        let theirs = Theirs {
            version: counted.run.version,
            states: counted.run.states,
            depth: counted.run.depth.filter(|_| self.workers == 1),
            transitions,
            unlabelled,
            generated: Some(counted.run.generated),
            verdicts,
            seconds,
        };
        differences.extend(compared(&ours, &theirs, "TLC"));
        Ok(Pairing { ours, theirs, crossed, differences })
    }

    /// All properties of a model at once, and its graph; of a model without properties, what is known already.
    fn counted(&self, model: &Model, options: RunOptions, found: &mut Found) -> Result<Counted, TwinError> {
        let all_counted = || self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all_counted().get(&constants(model)).cloned();
        if let (Some(known), true) = (&known, model.properties.is_empty()) {
            return Ok(known.clone());
        }
        let record = if self.graphs && known.is_none() { Record::Graph } else { Record::Nothing };
        let finished = self.tlc.run(model, RunOptions { workers: self.workers, record, ..options })?;
        let run = finished.run.clone();
        found.seconds += run.seconds;
        let graph = match (run.verdict, record) {
            (Verdict::Holds, Record::Graph) => Some(compare(model, &finished.graph(), self.limits())?),
            _ => known.and_then(|known| known.graph),
        };
        let counted = Counted { run, graph };
        if counted.run.verdict == Verdict::Holds {
            all_counted().insert(constants(model), counted.clone());
        }
        Ok(counted)
    }

    /// A property on its own, and if it is violated, what is wrong with the counterexamples of either side.
    fn alone(
        &self,
        model: &Model,
        property: Property,
        options: RunOptions,
        found: &mut Found,
    ) -> Result<(), TwinError> {
        let finished = self.tlc.run(model, RunOptions { record: Record::Trace, ..options })?;
        found.seconds += finished.run.seconds;
        found.verdicts.push((property, finished.run.verdict));
        if finished.run.verdict == Verdict::Holds {
            return Ok(());
        }
        let replayed = finished.trace().map_err(TwinError::from).and_then(|trace| replay_trace(&trace, &model.subject));
        let objection = match replayed {
            Err(TwinError::Tla(TlaError::Trace(why))) => {
                Some(format!("TLC's counterexample to {} cannot be used: {why}", property.name()))
            }
            Err(error) => return Err(error),
            Ok(_) => match trace_module(model, property, self.limits())? {
                None => None,
                Some(module) => module.objection(self.tlc, options)?,
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
    pub theirs: Option<TlcRun>,
    /// The limit.
    pub limit: Duration,
}

/// Threads of Rust and workers of TLC in a [`race`].
const RUNNERS: usize = 2;

/// Runs a model on both sides, one after the other, two threads or workers each.
///
/// # Errors
/// See [`Pairer::pair`]; [`TwinError::Undecided`] if `stop` was set before TLC came to an end or
/// memory was used up; [`TwinError::Model`] if the sides do
/// not agree, since then their times are not those of the same work.
pub fn race(tlc: &Tlc, model: &Model, limit: Duration, memory: &Memory, stop: &AtomicBool) -> Result<Race, TwinError> {
    let limits = Limits { threads: RUNNERS, memory: Some(memory), cancel: Some(stop), ..Limits::default() };
    let ours = check_within(model, limits)?;
    let deadline = Instant::now().checked_add(limit);
    let options = RunOptions { workers: RUNNERS, deadline, stop: Some(stop), ..RunOptions::default() };
    let theirs = match tlc.run(model, options) {
        Ok(finished) => Some(finished.run),
        Err(TwinError::Undecided(_)) if !stop.load(Ordering::Relaxed) => None,
        Err(error) => return Err(error),
    };
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
            unlabelled: None,
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
