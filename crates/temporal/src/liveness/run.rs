//! A second opinion on a counterexample, which is executed on the model and judged from the definitions.
//!
//! Nothing here looks at marks, pairs or components; [`judge`] does not even look at the graph.

use std::fmt::{self, Debug, Display};

use stateright::Model;
use thiserror::Error;

use super::{Condition, Fairness, Formula, Lasso, Occurs};
use crate::graph::{Canonical, Edge, Graph, StateId};

/// A run of a model: concrete states, and a loop at the end that is repeated for ever.
///
/// It is displayed as one line, or with `{:#}` one line a step:
///
/// ```
/// use stateright_temporal::liveness::Run;
///
/// let run = Run { initial: 0, stem: vec![("start", 1)], cycle: vec![("poll", 2), ("retry", 1)] };
/// assert_eq!(run.to_string(), r#"0 -"start"-> 1, then for ever -"poll"-> 2 -"retry"-> 1"#);
/// let ended = Run { cycle: vec![], ..run };
/// assert_eq!(format!("{ended:#}"), "0\n  -\"start\"-> 1\nthen nothing for ever");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run<S, L> {
    /// Where it starts.
    pub initial: S,
    /// The steps up to the loop: label and state after.
    pub stem: Vec<(L, S)>,
    /// The steps of the loop, the last of which leads back to where the stem ends. If it is empty, the run stutters
    /// there for ever.
    pub cycle: Vec<(L, S)>,
}

impl<S, L> Run<S, L> {
    /// Returns a path of a graph as a run that stutters at its end. In a quotient its states are representatives.
    ///
    /// # Panics
    /// If the path has no transition and the graph no initial state.
    pub fn along(graph: &Graph<S, L>, path: &[Edge]) -> Self
    where
        S: Clone,
        L: Clone,
    {
        let start = path.first().map_or_else(|| graph.initial()[0], |edge| edge.source);
        let step = |edge: &Edge| (graph.labels()[edge.label as usize].clone(), graph.state(edge.target).clone());
        Run { initial: graph.state(start).clone(), stem: path.iter().map(step).collect(), cycle: Vec::new() }
    }

    /// Returns the state where the stem ends and the loop begins.
    pub fn entry(&self) -> &S {
        self.stem.last().map_or(&self.initial, |(_, state)| state)
    }
}

impl<S: Debug, L: Debug> Display for Run<S, L> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let steps = |steps| <[(L, S)]>::iter(steps).map(|(label, state)| (label, state));
        write_run(f, &self.initial, steps(&self.stem), steps(&self.cycle))
    }
}

/// Writes a run as one line, or in the alternate form as one line a step.
pub(super) fn write_run<'a, S: Debug + 'a, L: Debug + 'a>(
    f: &mut fmt::Formatter,
    initial: &S,
    stem: impl Iterator<Item = (&'a L, &'a S)>,
    cycle: impl ExactSizeIterator<Item = (&'a L, &'a S)>,
) -> fmt::Result {
    let (step, part) = if f.alternate() { ("\n  ", "\n") } else { (" ", ", ") };
    write!(f, "{initial:?}")?;
    for (label, state) in stem {
        write!(f, "{step}-{label:?}-> {state:?}")?;
    }
    if cycle.len() == 0 {
        return write!(f, "{part}then nothing for ever");
    }
    write!(f, "{part}then for ever")?;
    for (label, state) in cycle {
        write!(f, "{step}-{label:?}-> {state:?}")?;
    }
    Ok(())
}

/// Why a lasso is not a run of the model. The graph was made from another model, with other labels or another canonical
/// form.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RealizeError {
    /// No initial state of the model has this representative.
    #[error("no initial state belongs to state {state} of the graph")]
    NotInitial {
        /// The state of the graph.
        state: StateId,
    },
    /// No step of the model follows this transition.
    #[error("step {step}: no {label} leads from the concrete state to state {target} of the graph")]
    NoStep {
        /// The position of the step in the run, from 1.
        step: usize,
        /// The label.
        label: String,
        /// The state of the graph to which the step should lead.
        target: StateId,
    },
}

/// Executes a lasso of a graph on the model.
///
/// In a quotient, `canonical` has to be the map that the graph was made with. A loop of a quotient may come back to the
/// same class but to another state of it, so it is repeated until the concrete state recurs.
///
/// # Errors
/// [`RealizeError`] if the lasso cannot be followed.
pub fn realize<M: Model, L: PartialEq + Debug>(
    model: &M,
    label: impl Fn(&M::Action) -> L,
    canonical: Option<Canonical<M::State>>,
    graph: &Graph<M::State, L>,
    lasso: &Lasso,
) -> Result<Run<M::State, L>, RealizeError>
where
    M::State: Clone + PartialEq,
{
    let belongs = |state: &M::State, id: StateId| match canonical {
        Some(canonical) => canonical(state) == *graph.state(id),
        None => state == graph.state(id),
    };
    let follow = |states: &mut Vec<(L, M::State)>, from: &M::State, edges: &[Edge], taken: usize| {
        let mut state = from.clone();
        for edge in edges {
            let wanted = &graph.labels()[edge.label as usize];
            let next = steps(model, &label, &state).find(|(label, next)| {
                label == wanted && (*next != state) == edge.changes && belongs(next, edge.target)
            });
            let step = taken + states.len() + 1;
            let no_step = || RealizeError::NoStep { step, label: format!("{wanted:?}"), target: edge.target };
            let (label, next) = next.ok_or_else(no_step)?;
            state = next.clone();
            states.push((label, next));
        }
        Ok(state)
    };

    let initial = model.init_states().into_iter().find(|state| belongs(state, lasso.start));
    let initial = initial.ok_or(RealizeError::NotInitial { state: lasso.start })?;
    let mut stem = Vec::new();
    let mut laps = vec![follow(&mut stem, &initial, &lasso.stem, 0)?];
    let mut cycle = Vec::new();
    loop {
        let end = follow(&mut cycle, &laps[laps.len() - 1], &lasso.cycle, stem.len())?;
        if let Some(first) = laps.iter().position(|begin| *begin == end) {
            let repeated = cycle.split_off(first * lasso.cycle.len());
            stem.append(&mut cycle);
            return Ok(Run { initial, stem, cycle: repeated });
        }
        laps.push(end);
    }
}

/// Why a run does not refute a formula: it is not a run, it is not fair, or the formula is true of it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Objection {
    /// The model does not start there.
    #[error("the run does not start in an initial state")]
    NotInitial,
    /// The model has no such step.
    #[error("step {step}: the model has no {label} from this state to the next")]
    NotAStep {
        /// The position of the step in the run, from 1; the loop follows the stem.
        step: usize,
        /// The label.
        label: String,
    },
    /// The loop does not come back.
    #[error("the last state of the loop is not the state where the loop begins")]
    OpenLoop,
    /// A fairness condition is not satisfied.
    #[error("fairness {fairness} is not satisfied: {why}")]
    Unfair {
        /// The name of the condition.
        fairness: String,
        /// How it is broken.
        why: &'static str,
    },
    /// The run satisfies the formula.
    #[error("the formula is not violated: {why}")]
    NotViolated {
        /// How it is satisfied.
        why: &'static str,
    },
}

/// Checks from the definitions, on the model itself, that a run is one, that it is fair, and that it violates a
/// formula.
///
/// The model itself is asked whether a label is enabled; steps out of its boundary count.
///
/// # Errors
/// The first [`Objection`].
pub fn judge<M: Model, L: PartialEq + Debug>(
    model: &M,
    label: impl Fn(&M::Action) -> L,
    fairness: &[Fairness<M::State, L>],
    formula: &Formula<M::State, L>,
    run: &Run<M::State, L>,
) -> Result<(), Objection>
where
    M::State: PartialEq,
{
    if !model.init_states().contains(&run.initial) {
        return Err(Objection::NotInitial);
    }
    let mut state = &run.initial;
    for (position, (wanted, next)) in run.stem.iter().chain(&run.cycle).enumerate() {
        if !steps(model, &label, state).any(|(label, target)| label == *wanted && target == *next) {
            return Err(Objection::NotAStep { step: position + 1, label: format!("{wanted:?}") });
        }
        state = next;
    }
    if state != run.entry() {
        return Err(Objection::OpenLoop);
    }
    for Fairness { name, condition } in fairness {
        if let Some(why) = unfair(model, &label, condition, run) {
            return Err(Objection::Unfair { fairness: name.clone(), why });
        }
    }
    match satisfied(formula, run) {
        Some(why) => Err(Objection::NotViolated { why }),
        None => Ok(()),
    }
}

/// How the loop breaks a fairness condition, if it does.
fn unfair<M: Model, L: PartialEq>(
    model: &M,
    label: &impl Fn(&M::Action) -> L,
    condition: &Condition<M::State, L>,
    run: &Run<M::State, L>,
) -> Option<&'static str>
where
    M::State: PartialEq,
{
    let enabled = |labels: &[L], state: &M::State| {
        steps(model, label, state).any(|(label, next)| labels.contains(&label) && next != *state)
    };
    let taken = |labels: &[L]| loop_steps(run).any(|(_, label, _)| labels.contains(label));
    match condition {
        Condition::Weak(labels) => (loop_states(run).all(|state| enabled(labels, state)) && !taken(labels))
            .then_some("enabled in all states of the loop and never taken on it"),
        Condition::Strong(labels) => (loop_states(run).any(|state| enabled(labels, state)) && !taken(labels))
            .then_some("enabled in a state of the loop and never taken on it"),
        Condition::Streett { p, q } => {
            (recurs(p, run) && !recurs(q, run)).then_some("the premise occurs on the loop and the conclusion does not")
        }
    }
}

/// How the run satisfies the formula, if it does.
fn satisfied<S: PartialEq, L>(formula: &Formula<S, L>, run: &Run<S, L>) -> Option<&'static str> {
    let before_loop = || std::iter::once(&run.initial).chain(run.stem.iter().map(|(_, state)| state));
    match formula {
        Formula::Eventually(p) => {
            before_loop().chain(loop_states(run)).any(p).then_some("a state satisfies what should never come")
        }
        Formula::LeadsTo { p, q } => {
            if loop_states(run).any(q) {
                return Some("the response comes on the loop, again and again");
            }
            let pending = before_loop().fold(false, |pending, state| (pending || p(state)) && !q(state));
            (!pending && !loop_states(run).any(p)).then_some("nothing waits for the response when the loop begins")
        }
        Formula::AlwaysEventually(p) => recurs(p, run).then_some("it occurs on the loop"),
        Formula::EventuallyAlways(p) => loop_states(run).all(p).then_some("all states of the loop satisfy it"),
        Formula::Infinitely { p, q } => {
            if recurs(q, run) {
                Some("the conclusion occurs on the loop")
            } else {
                (!recurs(p, run)).then_some("the premise does not occur on the loop")
            }
        }
    }
}

/// Whether something occurs on the loop, hence infinitely often.
fn recurs<S: PartialEq, L>(occurs: &Occurs<S, L>, run: &Run<S, L>) -> bool {
    match occurs {
        Occurs::State(p) => loop_states(run).any(p),
        Occurs::Step(p) => loop_steps(run).any(|(state, label, next)| p(state, label, next)),
        Occurs::Either(p, q) => {
            loop_states(run).any(p) || loop_steps(run).any(|(state, label, next)| q(state, label, next))
        }
    }
}

/// The states that recur.
fn loop_states<S, L>(run: &Run<S, L>) -> impl Iterator<Item = &S> {
    std::iter::once(run.entry()).chain(run.cycle.iter().map(|(_, state)| state))
}

/// The steps that recur and change the state.
fn loop_steps<S: PartialEq, L>(run: &Run<S, L>) -> impl Iterator<Item = (&S, &L, &S)> {
    let steps = loop_states(run).zip(&run.cycle).map(|(state, (label, next))| (state, label, next));
    steps.filter(|(state, _, next)| state != next)
}

/// The steps that the model can take.
fn steps<'m, M: Model, L>(
    model: &'m M,
    label: &'m impl Fn(&M::Action) -> L,
    state: &'m M::State,
) -> impl Iterator<Item = (L, M::State)> + 'm {
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    actions.into_iter().filter_map(move |action| {
        let label = label(&action);
        Some((label, model.next_state(state, action)?))
    })
}
