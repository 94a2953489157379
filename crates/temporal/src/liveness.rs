//! Liveness under fairness: what must happen, on every run that is not unfair.
//!
//! stateright's own `eventually` is documented as missing counterexamples on cycles and joins, and it knows no fairness. This
//! check works on a [`Graph`] of any [`stateright::Model`]:
//!
//! * **Runs** are infinite; in every state a run may also stutter for ever, unless fairness forbids it.
//! * **Fairness** is a set of Streett pairs ([`Condition::Streett`]); weak and strong fairness of labels are shorthands.
//!   A step that does not change the state neither takes nor enables anything (Lamport, *The temporal logic of actions*, 1994).
//! * **A violation** is a [`Lasso`]: a stem and a loop that is repeated for ever. [`realize`] executes it again on the model
//!   itself, and [`judge`] checks it again from the definitions; neither shares anything with the search.
//! * **Cut graphs** never give [`Verdict::Holds`]. A violation in one is genuine: where not all transitions of a state are
//!   known, every label counts as possibly enabled.
//! * **Quotients** ([`Search::canonical`](crate::graph::Search::canonical)): predicates see representatives, so they have to
//!   give the same answer for all states of a class.
//!
//! ```
//! use stateright_temporal::graph::Search;
//! use stateright_temporal::liveness::{check, judge, realize, Fairness, Formula, Toy, Verdict};
//!
//! // A poll that finds nothing goes back to waiting; only the answer makes it done.
//! let toy = Toy::new([0], [(0, "poll", 1), (1, "retry", 0), (1, "answer", 2)]);
//! let graph = Search::new(&toy, Toy::label).run();
//! let done = Formula::eventually(|state| *state == 2);
//!
//! let weak = [Fairness::weak("poll", ["poll"]), Fairness::weak("answer", ["answer"])];
//! let Verdict::Violated(lasso) = check(&graph, &weak, &done, None)? else { panic!("polling for ever is fair") };
//! assert_eq!((lasso.stem.len(), lasso.cycle.len()), (0, 2));
//! let run = realize(&toy, Toy::label, None, &graph, &lasso)?;
//! judge(&toy, Toy::label, &weak, &done, &run)?;
//!
//! let strong = [Fairness::weak("poll", ["poll"]), Fairness::strong("answer", ["answer"])];
//! assert_eq!(check(&graph, &strong, &done, None)?, Verdict::Holds);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt::Debug;
use std::sync::atomic::AtomicBool;

use thiserror::Error;

use crate::graph::{Coverage, Edge, Graph, StateId};

mod marks;
mod run;
mod search;
mod toy;

pub use marks::{BitSet, Marks, Pair};
pub use run::{judge, realize, Canonical, Objection, RealizeError, Run};
pub use search::{find, Lasso, Origin, Query};
pub use toy::Toy;

/// Checks one formula on all runs of a graph that satisfy the fairness conditions.
///
/// For several formulas over one graph, compile the conditions once with a [`Checker`].
///
/// # Errors
/// See [`LivenessError`].
pub fn check<S, L: Copy + Eq + Debug>(
    graph: &Graph<S, L>,
    fairness: &[Fairness<S, L>],
    formula: &Formula<S, L>,
    cancel: Option<&AtomicBool>,
) -> Result<Verdict, LivenessError> {
    Checker::new(graph, fairness)?.check(formula, cancel)
}

/// What became of a formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is true of every fair run. If no run is fair this is empty: `Formula::eventually(|_| false)` tells.
    Holds,
    /// It is false of this fair run.
    Violated(Lasso),
    /// No violation was found, but the graph was cut.
    Unknown(Coverage),
}

/// Why there is no verdict.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LivenessError {
    /// A fair label is borne by no transition: the condition would promise nothing.
    #[error("fairness {fairness}: no transition bears the label {label}")]
    UnknownLabel {
        /// The name of the condition.
        fairness: String,
        /// The label.
        label: String,
    },
    /// A condition is weak or strong fairness of no label at all.
    #[error("fairness {fairness}: at least 1 label is needed, 0 are given")]
    NoLabel {
        /// The name of the condition.
        fairness: String,
    },
    /// Every formula would be true of a graph without states.
    #[error("at least 1 initial state is needed, the graph has 0")]
    NoState,
    /// Cancellation was asked for.
    #[error("cancelled")]
    Cancelled,
}

/// A predicate of a state.
pub type StatePredicate<'a, S> = Box<dyn Fn(&S) -> bool + Sync + 'a>;
/// A predicate of a step: the state before, the label, the state after.
pub type StepPredicate<'a, S, L> = Box<dyn Fn(&S, &L, &S) -> bool + Sync + 'a>;

/// Something that may occur again and again in a run.
pub enum Occurs<'a, S, L> {
    /// A state that satisfies the predicate.
    State(StatePredicate<'a, S>),
    /// A step that changes the state and satisfies the predicate. In a quotient the state after is the representative.
    Step(StepPredicate<'a, S, L>),
    /// One of the two.
    Either(StatePredicate<'a, S>, StepPredicate<'a, S, L>),
}

impl<'a, S, L> Occurs<'a, S, L> {
    /// A state that satisfies `predicate` occurs.
    pub fn state(predicate: impl Fn(&S) -> bool + Sync + 'a) -> Self {
        Occurs::State(Box::new(predicate))
    }

    /// A step that changes the state and satisfies `predicate` occurs.
    pub fn step(predicate: impl Fn(&S, &L, &S) -> bool + Sync + 'a) -> Self {
        Occurs::Step(Box::new(predicate))
    }
}

/// A named condition that tells fair runs from unfair ones.
pub struct Fairness<'a, S, L> {
    /// Errors and objections call the condition by this name.
    pub name: String,
    /// The condition.
    pub condition: Condition<'a, S, L>,
}

/// What a fair run satisfies.
///
/// A label is enabled in a state if some step with this label changes the state.
pub enum Condition<'a, S, L> {
    /// Weak fairness: if some of these labels is enabled in all states from some point on, then such steps are taken infinitely often.
    /// The labels together are one action: taking any of them will do.
    Weak(Vec<L>),
    /// Strong fairness: if some of these labels is enabled infinitely often, then such steps are taken infinitely often.
    Strong(Vec<L>),
    /// If `p` occurs infinitely often, then so does `q`. Such pairs may leave no fair run at all.
    Streett {
        /// The premise.
        p: Occurs<'a, S, L>,
        /// The conclusion.
        q: Occurs<'a, S, L>,
    },
}

impl<'a, S, L> Fairness<'a, S, L> {
    /// Weak fairness of a set of labels, taken as one action.
    pub fn weak(name: impl Into<String>, labels: impl Into<Vec<L>>) -> Self {
        Fairness { name: name.into(), condition: Condition::Weak(labels.into()) }
    }

    /// Strong fairness of a set of labels, taken as one action.
    pub fn strong(name: impl Into<String>, labels: impl Into<Vec<L>>) -> Self {
        Fairness { name: name.into(), condition: Condition::Strong(labels.into()) }
    }

    /// If `p` occurs infinitely often, then so does `q`.
    pub fn streett(name: impl Into<String>, p: Occurs<'a, S, L>, q: Occurs<'a, S, L>) -> Self {
        Fairness { name: name.into(), condition: Condition::Streett { p, q } }
    }
}

/// What is claimed of every fair run.
pub enum Formula<'a, S, L> {
    /// `◇p`: some state satisfies it.
    Eventually(StatePredicate<'a, S>),
    /// `□(p ⇒ ◇q)`: every state that satisfies `p` is followed by, or is itself, one that satisfies `q`.
    /// The stem of a violation contains the trigger.
    LeadsTo {
        /// The trigger.
        p: StatePredicate<'a, S>,
        /// The response.
        q: StatePredicate<'a, S>,
    },
    /// `□◇p`: it occurs infinitely often.
    AlwaysEventually(Occurs<'a, S, L>),
    /// `◇□p`: from some point on all states satisfy it.
    EventuallyAlways(StatePredicate<'a, S>),
    /// `□◇p ⇒ □◇q`: if `p` occurs infinitely often, then so does `q`.
    Infinitely {
        /// The premise.
        p: Occurs<'a, S, L>,
        /// The conclusion.
        q: Occurs<'a, S, L>,
    },
}

impl<'a, S, L> Formula<'a, S, L> {
    /// `◇p`
    pub fn eventually(p: impl Fn(&S) -> bool + Sync + 'a) -> Self {
        Formula::Eventually(Box::new(p))
    }

    /// `□(p ⇒ ◇q)`
    pub fn leads_to(p: impl Fn(&S) -> bool + Sync + 'a, q: impl Fn(&S) -> bool + Sync + 'a) -> Self {
        Formula::LeadsTo { p: Box::new(p), q: Box::new(q) }
    }

    /// `◇□p`
    pub fn eventually_always(p: impl Fn(&S) -> bool + Sync + 'a) -> Self {
        Formula::EventuallyAlways(Box::new(p))
    }
}

/// Fairness conditions compiled for one graph, to be used with any number of formulas.
pub struct Checker<'g, S, L> {
    graph: &'g Graph<S, L>,
    pairs: Vec<Pair>,
}

impl<'g, S, L: Copy + Eq + Debug> Checker<'g, S, L> {
    /// Compiles the conditions.
    ///
    /// # Errors
    /// [`LivenessError::NoState`]; [`LivenessError::NoLabel`]; [`LivenessError::UnknownLabel`], though not if the graph is cut:
    /// the missing part may bear the label.
    pub fn new(graph: &'g Graph<S, L>, fairness: &[Fairness<S, L>]) -> Result<Self, LivenessError> {
        if graph.is_empty() {
            return Err(LivenessError::NoState);
        }
        Ok(Checker { graph, pairs: compile(graph, fairness)? })
    }

    /// The conditions as pairs of marks, in the order in which they were given.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// The runs of which a formula is false, as a query for [`find`]: to look among them for one of a certain kind.
    pub fn violation(&self, formula: &Formula<S, L>) -> Query {
        violation(self.graph, formula)
    }

    /// Checks one formula.
    ///
    /// # Errors
    /// [`LivenessError::Cancelled`] once `cancel` is true.
    pub fn check(&self, formula: &Formula<S, L>, cancel: Option<&AtomicBool>) -> Result<Verdict, LivenessError> {
        let lasso = find(self.graph, &self.pairs, &violation(self.graph, formula), cancel)?;
        Ok(match (lasso, self.graph.coverage()) {
            (Some(lasso), _) => Verdict::Violated(lasso),
            (None, Coverage::Complete) => Verdict::Holds,
            (None, cut) => Verdict::Unknown(cut),
        })
    }
}

/// The fairness conditions as pairs of marks.
fn compile<S, L: Copy + Eq + Debug>(
    graph: &Graph<S, L>,
    fairness: &[Fairness<S, L>],
) -> Result<Vec<Pair>, LivenessError> {
    let mut pairs = Vec::with_capacity(fairness.len());
    let mut actions = Vec::new();
    for Fairness { name, condition } in fairness {
        match condition {
            Condition::Streett { p, q } => pairs.push(Pair { p: occurrences(graph, p), q: occurrences(graph, q) }),
            Condition::Weak(labels) | Condition::Strong(labels) => {
                actions.push(Action::new(graph, name, labels, pairs.len())?);
                // Filled in below, when all actions have been looked for in one pass over the graph.
                pairs.push(Pair { p: Marks::default(), q: Marks::default() });
            }
        }
    }
    for actions in actions.chunks(64) {
        for (action, (enabled, taken)) in actions.iter().zip(enabled_and_taken(graph, actions)) {
            pairs[action.condition] = match fairness[action.condition].condition {
                Condition::Weak(_) => {
                    let disabled = BitSet::from_fn(graph.len(), |id| !enabled.contains(id));
                    Pair { p: Marks::states(BitSet::all(graph.len())), q: Marks { states: disabled, edges: taken } }
                }
                _ => Pair { p: Marks::states(enabled), q: Marks::edges(taken) },
            };
        }
    }
    Ok(pairs)
}

/// A set of labels that fairness takes for one action.
struct Action {
    /// Whether a label belongs to it, by [`LabelId`](crate::graph::LabelId).
    labels: Vec<bool>,
    /// The condition that speaks of it, by position.
    condition: usize,
}

impl Action {
    fn new<S, L: Copy + Eq + Debug>(
        graph: &Graph<S, L>,
        name: &str,
        labels: &[L],
        condition: usize,
    ) -> Result<Action, LivenessError> {
        if labels.is_empty() {
            return Err(LivenessError::NoLabel { fairness: name.to_string() });
        }
        let unknown = labels.iter().find(|label| !graph.labels().contains(label));
        if let (Some(label), Coverage::Complete) = (unknown, graph.coverage()) {
            return Err(LivenessError::UnknownLabel { fairness: name.to_string(), label: format!("{label:?}") });
        }
        Ok(Action { labels: graph.labels().iter().map(|label| labels.contains(label)).collect(), condition })
    }
}

/// For each of at most 64 actions: the states where it is enabled, and the transitions that take it.
fn enabled_and_taken<S, L>(graph: &Graph<S, L>, actions: &[Action]) -> Vec<(BitSet, BitSet)> {
    // Bit i of a label: it belongs to action i.
    let members = |label| actions.iter().enumerate().fold(0u64, |bits, (i, a)| bits | u64::from(a.labels[label]) << i);
    let members: Vec<u64> = (0..graph.labels().len()).map(members).collect();
    let mut enabled = vec![0u64; graph.len()];
    let mut taken = vec![BitSet::none(); actions.len()];
    for id in graph.ids() {
        // Where transitions are missing, an action may be enabled by one of them.
        let mut here = if graph.is_expanded(id) { 0 } else { u64::MAX };
        for edge in graph.edges(id).filter(|edge| edge.changes) {
            let takes = members[edge.label as usize];
            here |= takes;
            ones(takes).for_each(|action| taken[action].insert(edge.index));
        }
        enabled[id as usize] = here;
    }
    let states = |action: usize| BitSet::from_fn(graph.len(), |id| enabled[id] >> action & 1 == 1);
    taken.into_iter().enumerate().map(|(action, taken)| (states(action), taken)).collect()
}

/// The positions of the ones in a word.
fn ones(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let position = word.trailing_zeros() as usize;
        (word != 0).then(|| {
            word &= word - 1;
            position
        })
    })
}

/// The runs of which a formula is false.
fn violation<S, L>(graph: &Graph<S, L>, formula: &Formula<S, L>) -> Query {
    let any = Query::any(graph);
    let without = |p: &StatePredicate<S>| states_where(graph, |id| !p(graph.state(id)));
    let avoiding = |occurs: &Occurs<S, L>| {
        let met = occurrences(graph, occurs);
        Marks {
            states: states_where(graph, |id| !met.state(id)),
            edges: edges_where(graph, |edge| !met.edge(edge.index)),
        }
    };
    match formula {
        Formula::Eventually(p) => {
            let never = without(p);
            let cycle = Marks { states: never.clone(), edges: any.cycle.edges.clone() };
            Query { stem: never, cycle, ..any }
        }
        Formula::LeadsTo { p, q } => {
            let never = without(q);
            let triggered = states_where(graph, |id| p(graph.state(id)));
            let cycle = Marks { states: never.clone(), edges: any.cycle.edges.clone() };
            Query { from: Origin::Reached(triggered), stem: never, cycle, ..any }
        }
        Formula::AlwaysEventually(p) => Query { cycle: avoiding(p), ..any },
        Formula::EventuallyAlways(p) => Query { must: Marks::states(without(p)), ..any },
        Formula::Infinitely { p, q } => Query { cycle: avoiding(q), must: occurrences(graph, p), ..any },
    }
}

/// Where in the graph something occurs.
fn occurrences<S, L>(graph: &Graph<S, L>, occurs: &Occurs<S, L>) -> Marks {
    let states = |p: &StatePredicate<S>| states_where(graph, |id| p(graph.state(id)));
    let edges = |p: &StepPredicate<S, L>| {
        edges_where(graph, |edge| {
            let label = &graph.labels()[edge.label as usize];
            edge.changes && p(graph.state(edge.source), label, graph.state(edge.target))
        })
    };
    match occurs {
        Occurs::State(p) => Marks::states(states(p)),
        Occurs::Step(p) => Marks::edges(edges(p)),
        Occurs::Either(p, q) => Marks { states: states(p), edges: edges(q) },
    }
}

fn states_where<S, L>(graph: &Graph<S, L>, contains: impl Fn(StateId) -> bool) -> BitSet {
    BitSet::from_fn(graph.len(), |id| contains(id as StateId))
}

fn edges_where<S, L>(graph: &Graph<S, L>, contains: impl Fn(&Edge) -> bool) -> BitSet {
    let mut edges = graph.ids().flat_map(|id| graph.edges(id));
    BitSet::from_fn(graph.transitions(), |_| contains(&edges.next().expect("transitions are numbered by source")))
}
