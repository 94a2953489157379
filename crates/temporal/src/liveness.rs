//! Liveness under fairness: checks what must happen on every fair run.
//!
//! stateright's own `eventually` is documented as missing counterexamples on cycles and joins, and it knows no
//! fairness. This check works on a [`Graph`] of any [`stateright::Model`], with these meanings:
//!
//! * **A run** is an infinite sequence of states that begins with an initial one. From a state it goes on by a step of
//!   the model, or it stutters, which means that it stays where it is. It may stutter for ever in any state, unless
//!   fairness forbids it.
//! * **Fairness** is a set of conditions, and a run is fair if it satisfies all of them. Each is a Streett pair: if one
//!   thing occurs infinitely often, then so does another ([`Condition::Streett`]). Weak and strong fairness of labels
//!   are shorthands. A step that does not change the state neither takes nor enables anything (Lamport, *The temporal
//!   logic of actions*, 1994).
//! * **A violation** is a [`Lasso`]: a stem and a loop that is repeated for ever. [`realize`] executes it again on the
//!   model itself, and [`judge`] checks it again from the definitions; neither shares anything with the search.
//! * **Cut graphs** never give [`LivenessVerdict::Holds`] or [`LivenessVerdict::Vacuous`]. A violation in one is genuine: where not all
//!   transitions of a state are known, every label counts as possibly enabled.
//! * **In a quotient** predicates see representatives, so they have to give the same answer for all states of a class.
//!   This is checked on a sample; [`Search::canonical`](crate::graph::Search::canonical) says what else a canonical form
//!   has to be.
//!
//! ```
//! use stateright_temporal::graph::Search;
//! use stateright_temporal::liveness::{check, judge, realize, Fairness, Formula, Toy, LivenessVerdict};
//!
//! // A poll that finds nothing goes back to waiting; only the answer makes it done.
//! let toy = Toy::new([0], [(0, "poll", 1), (1, "retry", 0), (1, "answer", 2)]);
//! let graph = Search::new(&toy, Toy::label).run();
//! let done = Formula::eventually(|state| *state == 2);
//!
//! let weak = [Fairness::weak("poll", ["poll"]), Fairness::weak("answer", ["answer"])];
//! let LivenessVerdict::Violated(lasso) = check(&graph, &weak, &done, None)? else { panic!("polling for ever is fair") };
//! assert_eq!((lasso.stem.len(), lasso.cycle.len()), (0, 2));
//! let run = realize(&toy, Toy::label, None, &graph, &lasso)?;
//! judge(&toy, Toy::label, &weak, &done, &run)?;
//!
//! let strong = [Fairness::weak("poll", ["poll"]), Fairness::strong("answer", ["answer"])];
//! assert_eq!(check(&graph, &strong, &done, None)?, LivenessVerdict::Holds);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt::{self, Debug};
use std::hash::Hash;
use std::sync::atomic::AtomicBool;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use thiserror::Error;

use crate::graph::{Coverage, Edge, Graph, LabelId, QuotientFault, Shape, StateId};

mod marks;
mod run;
mod search;
mod toy;

pub use marks::{BitSet, Marks, Pair};
pub use run::{Objection, RealizeError, Run, judge, realize};
pub use search::{Lasso, Origin, Query, find};
pub use toy::Toy;

/// Checks one formula on all runs of a graph that satisfy the fairness conditions.
///
/// For several formulas over one graph, compile the conditions once with a [`Checker`].
///
/// # Errors
/// See [`LivenessError`].
pub fn check<S: Debug, L: Clone + Eq + Hash + Debug>(
    graph: &Graph<S, L>,
    fairness: &[Fairness<S, L>],
    formula: &Formula<S, L>,
    cancel: Option<&AtomicBool>,
) -> Result<LivenessVerdict, LivenessError> {
    Checker::new(graph, fairness)?.check(formula, cancel)
}

/// What became of a formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LivenessVerdict {
    /// It is true of every fair run.
    Holds,
    /// It is true of every fair run, but only because nothing could make it false. Mostly the formula or a condition is
    /// not what was meant.
    Vacuous(Vacuity),
    /// It is false of this fair run.
    Violated(Lasso),
    /// No violation was found, but the graph was cut.
    Unknown(Coverage),
}

impl LivenessVerdict {
    /// Returns whether the formula is true of every fair run: it is [`LivenessVerdict::Holds`] or [`LivenessVerdict::Vacuous`].
    pub fn is_true(&self) -> bool {
        matches!(self, LivenessVerdict::Holds | LivenessVerdict::Vacuous(_))
    }
}

/// Why a formula is true without saying anything about the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vacuity {
    /// The trigger of [`Formula::LeadsTo`], or the premise of [`Formula::Infinitely`], never occurs in the graph.
    NoTrigger,
    /// No run satisfies the fairness conditions. Only [`Condition::Streett`] can have that effect.
    NoFairRun,
}

impl fmt::Display for Vacuity {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Vacuity::NoTrigger => "its trigger never occurs",
            Vacuity::NoFairRun => "no run is fair",
        })
    }
}

/// Why there is no verdict.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LivenessError {
    /// No label of a condition occurs on any transition, so that the condition would promise nothing.
    #[error("fairness {fairness}: no transition bears {}", listed(labels))]
    UnknownLabels {
        /// The name of the condition.
        fairness: String,
        /// Its labels.
        labels: Vec<String>,
    },
    /// A condition is weak or strong fairness of no label at all.
    #[error("fairness {fairness}: at least 1 label is needed, 0 are given")]
    NoLabel {
        /// The name of the condition.
        fairness: String,
    },
    /// The graph has no state, so that every formula would be true.
    #[error("at least 1 initial state is needed, the graph has 0")]
    NoState,
    /// The graph does not represent its model.
    #[error("{0}")]
    Faulty(QuotientFault),
    /// The graph is a quotient, and a predicate is true of only one of a state and its canonical form.
    #[error("{place} should be true of {state} and of its canonical form {representative} or of neither")]
    NotInvariant {
        /// The place of the predicate: the formula, or the condition of this name.
        place: String,
        /// The state.
        state: String,
        /// Its canonical form.
        representative: String,
    },
    /// Cancellation was asked for.
    #[error("cancelled")]
    Cancelled,
}

/// Labels as a message names them, of many the first.
fn listed(labels: &[String]) -> String {
    const SHOWN: usize = 4;
    match labels {
        [label] => format!("the label {label}"),
        _ if labels.len() <= SHOWN => format!("any of the labels {}", labels.join(", ")),
        _ => format!("any of the {} labels {}, ...", labels.len(), labels[..SHOWN].join(", ")),
    }
}

/// A predicate of a state.
pub type StatePredicate<'a, S> = Box<dyn Fn(&S) -> bool + Sync + 'a>;
/// A predicate of a step. It is given the state before, the label and the state after.
pub type StepPredicate<'a, S, L> = Box<dyn Fn(&S, &L, &S) -> bool + Sync + 'a>;

/// Something that may occur again and again in a run.
pub enum Occurs<'a, S, L> {
    /// A state that satisfies the predicate.
    State(StatePredicate<'a, S>),
    /// A step that changes the state and satisfies the predicate. In a quotient the state after is the representative.
    Step(StepPredicate<'a, S, L>),
    /// A state that satisfies the first predicate, or a step that changes the state and satisfies the second.
    Either(StatePredicate<'a, S>, StepPredicate<'a, S, L>),
}

impl<'a, S, L> Occurs<'a, S, L> {
    /// Means that a state that satisfies `predicate` occurs.
    pub fn state(predicate: impl Fn(&S) -> bool + Sync + 'a) -> Self {
        Occurs::State(Box::new(predicate))
    }

    /// Means that a step that changes the state and satisfies `predicate` occurs.
    pub fn step(predicate: impl Fn(&S, &L, &S) -> bool + Sync + 'a) -> Self {
        Occurs::Step(Box::new(predicate))
    }

    /// The predicate of states, if there is one.
    fn of_states(&self) -> Option<&StatePredicate<'a, S>> {
        match self {
            Occurs::State(p) | Occurs::Either(p, _) => Some(p),
            Occurs::Step(_) => None,
        }
    }
}

/// A named condition that fair runs satisfy.
pub struct Fairness<'a, S, L> {
    /// The name by which errors and objections call the condition.
    pub name: String,
    /// The condition.
    pub condition: Condition<'a, S, L>,
}

/// A condition that fair runs satisfy.
///
/// A label is enabled in a state if some step with this label changes the state.
pub enum Condition<'a, S, L> {
    /// Weak fairness: if some of these labels is enabled in all states from some point on, then such steps are taken
    /// infinitely often. The labels together are one action: a step with any of them counts.
    Weak(Vec<L>),
    /// Strong fairness: if some of these labels is enabled infinitely often, then such steps are taken infinitely
    /// often.
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
    /// Creates weak fairness of a set of labels, taken as one action.
    pub fn weak(name: impl Into<String>, labels: impl Into<Vec<L>>) -> Self {
        Fairness { name: name.into(), condition: Condition::Weak(labels.into()) }
    }

    /// Creates strong fairness of a set of labels, taken as one action.
    pub fn strong(name: impl Into<String>, labels: impl Into<Vec<L>>) -> Self {
        Fairness { name: name.into(), condition: Condition::Strong(labels.into()) }
    }

    /// Creates the condition that `q` occurs infinitely often if `p` does.
    pub fn streett(name: impl Into<String>, p: Occurs<'a, S, L>, q: Occurs<'a, S, L>) -> Self {
        Fairness { name: name.into(), condition: Condition::Streett { p, q } }
    }
}

/// A claim about every fair run.
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
    /// Creates `◇p`, see [`Formula::Eventually`].
    pub fn eventually(p: impl Fn(&S) -> bool + Sync + 'a) -> Self {
        Formula::Eventually(Box::new(p))
    }

    /// Creates `□(p ⇒ ◇q)`, see [`Formula::LeadsTo`].
    pub fn leads_to(p: impl Fn(&S) -> bool + Sync + 'a, q: impl Fn(&S) -> bool + Sync + 'a) -> Self {
        Formula::LeadsTo { p: Box::new(p), q: Box::new(q) }
    }

    /// Creates `◇□p`, see [`Formula::EventuallyAlways`].
    pub fn eventually_always(p: impl Fn(&S) -> bool + Sync + 'a) -> Self {
        Formula::EventuallyAlways(Box::new(p))
    }

    /// Its predicates of states.
    fn of_states(&self) -> impl Iterator<Item = &StatePredicate<'a, S>> {
        let (first, second) = match self {
            Formula::Eventually(p) | Formula::EventuallyAlways(p) => (Some(p), None),
            Formula::LeadsTo { p, q } => (Some(p), Some(q)),
            Formula::AlwaysEventually(p) => (p.of_states(), None),
            Formula::Infinitely { p, q } => (p.of_states(), q.of_states()),
        };
        first.into_iter().chain(second)
    }
}

/// Fairness conditions that were compiled for one graph. They can be used with any number of formulas.
pub struct Checker<'g, S, L> {
    graph: &'g Graph<S, L>,
    pairs: Vec<Pair>,
    absent: Vec<Absent<L>>,
    /// Whether fairness may leave no run at all.
    may_be_empty: bool,
}

/// Labels of a fairness condition that occur on no transition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent<L> {
    /// The name of the condition.
    pub fairness: String,
    /// The labels that do not occur. Some other label of the condition does.
    pub labels: Vec<L>,
}

impl<'g, S: Debug, L: Clone + Eq + Hash + Debug> Checker<'g, S, L> {
    /// Compiles the conditions.
    ///
    /// # Errors
    /// [`LivenessError::NoState`]; [`LivenessError::Faulty`]; [`LivenessError::NotInvariant`];
    /// [`LivenessError::NoLabel`]; [`LivenessError::UnknownLabels`], though not if the graph is cut: the labels may
    /// occur in the missing part.
    pub fn new(graph: &'g Graph<S, L>, fairness: &[Fairness<S, L>]) -> Result<Self, LivenessError> {
        if let Some(fault) = graph.fault() {
            return Err(LivenessError::Faulty(fault.clone()));
        }
        if graph.is_empty() {
            return Err(LivenessError::NoState);
        }
        let is_pair = |fairness: &&Fairness<S, L>| matches!(fairness.condition, Condition::Streett { .. });
        for Fairness { name, condition } in fairness.iter().filter(is_pair) {
            if let Condition::Streett { p, q } = condition {
                invariant(graph, &format!("fairness {name}"), [p, q].into_iter().filter_map(Occurs::of_states))?;
            }
        }
        let (pairs, absent) = compile(graph, fairness)?;
        Ok(Checker { graph, pairs, absent, may_be_empty: fairness.iter().any(|fairness| is_pair(&fairness)) })
    }

    /// Returns the conditions as pairs of marks, in the order in which they were given.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Returns the labels of conditions that occur on no transition, where another label of the same condition occurs.
    /// This is empty if the graph is cut.
    ///
    /// ```
    /// # use stateright_temporal::{graph::Search, liveness::{Absent, Checker, Fairness, Toy}};
    /// let toy = Toy::new([0], [(0, "go", 1)]);
    /// let graph = Search::new(&toy, Toy::label).run();
    /// let checker = Checker::new(&graph, &[Fairness::weak("moves", ["go", "run"])])?;
    /// assert_eq!(checker.absent(), [Absent { fairness: "moves".to_string(), labels: vec!["run"] }]);
    /// # Ok::<(), stateright_temporal::liveness::LivenessError>(())
    /// ```
    pub fn absent(&self) -> &[Absent<L>] {
        &self.absent
    }

    /// Returns the runs of which a formula is false, as a query for [`find`]. The query can be narrowed, to find a run
    /// of a certain kind.
    pub fn violation(&self, formula: &Formula<S, L>) -> Query {
        violation(self.graph, formula)
    }

    /// Checks one formula.
    ///
    /// # Errors
    /// [`LivenessError::Cancelled`] once `cancel` is true; [`LivenessError::NotInvariant`].
    pub fn check(
        &self,
        formula: &Formula<S, L>,
        cancel: Option<&AtomicBool>,
    ) -> Result<LivenessVerdict, LivenessError> {
        invariant(self.graph, "the formula", formula.of_states())?;
        let query = violation(self.graph, formula);
        if let Some(lasso) = find(self.graph, &self.pairs, &query, cancel)? {
            return Ok(LivenessVerdict::Violated(lasso));
        }
        Ok(match self.graph.coverage() {
            Coverage::Complete if never_begins(formula, &query) => LivenessVerdict::Vacuous(Vacuity::NoTrigger),
            Coverage::Complete if self.may_be_empty && !self.has_fair_run(cancel)? => {
                LivenessVerdict::Vacuous(Vacuity::NoFairRun)
            }
            Coverage::Complete => LivenessVerdict::Holds,
            cut => LivenessVerdict::Unknown(cut),
        })
    }

    fn has_fair_run(&self, cancel: Option<&AtomicBool>) -> Result<bool, LivenessError> {
        search::exists(self.graph, &self.pairs, &Query::any(self.graph), cancel)
    }
}

/// Whether a predicate of states tells no state of a quotient's sample from its canonical form.
fn invariant<'f, S: Debug + 'f, L>(
    graph: &Graph<S, L>,
    place: &str,
    predicates: impl IntoIterator<Item = &'f StatePredicate<'f, S>>,
) -> Result<(), LivenessError> {
    for predicate in predicates {
        let tells_apart = |(state, id): &&(S, StateId)| predicate(state) != predicate(graph.state(*id));
        if let Some((state, id)) = graph.sample().iter().find(tells_apart) {
            return Err(LivenessError::NotInvariant {
                place: place.to_string(),
                state: format!("{state:?}"),
                representative: format!("{:?}", graph.state(*id)),
            });
        }
    }
    Ok(())
}

/// Whether what the formula begins with occurs nowhere.
fn never_begins<S, L>(formula: &Formula<S, L>, violation: &Query) -> bool {
    match (formula, &violation.from) {
        (Formula::LeadsTo { .. }, Origin::Reached(triggered)) => triggered.is_empty(),
        (Formula::Infinitely { .. }, _) => violation.must.states.is_empty() && violation.must.edges.is_empty(),
        _ => false,
    }
}

/// The fairness conditions as pairs of marks, and the labels that none of them can speak of.
fn compile<S, L: Clone + Eq + Hash + Debug>(
    graph: &Graph<S, L>,
    fairness: &[Fairness<S, L>],
) -> Result<(Vec<Pair>, Vec<Absent<L>>), LivenessError> {
    let mut pairs = Vec::with_capacity(fairness.len());
    let (mut actions, mut absent) = (Vec::new(), Vec::new());
    let numbers: Numbers<L> = graph.labels().iter().cloned().zip(0..).collect();
    for Fairness { name, condition } in fairness {
        match condition {
            Condition::Streett { p, q } => pairs.push(Pair { p: occurrences(graph, p), q: occurrences(graph, q) }),
            Condition::Weak(labels) | Condition::Strong(labels) => {
                let (action, missing) = Action::new(&numbers, graph.coverage(), name, labels, pairs.len())?;
                actions.push(action);
                absent.extend(missing);
                // Filled in below, when all actions have been looked for in one pass over the graph.
                pairs.push(Pair { p: Marks::default(), q: Marks::default() });
            }
        }
    }
    for actions in actions.chunks(64) {
        for (action, (enabled, taken)) in actions.iter().zip(enabled_and_taken(graph, graph.labels().len(), actions)) {
            pairs[action.condition] = match fairness[action.condition].condition {
                Condition::Weak(_) => {
                    let disabled = BitSet::from_fn(graph.len(), |id| !enabled.contains(id));
                    Pair { p: Marks::states(BitSet::all(graph.len())), q: Marks { states: disabled, edges: taken } }
                }
                _ => Pair { p: Marks::states(enabled), q: Marks::edges(taken) },
            };
        }
    }
    Ok((pairs, absent))
}

/// The labels that occur on transitions, with their numbers.
type Numbers<L> = HashMap<L, LabelId, FxBuildHasher>;

/// A set of labels that fairness takes for one action.
struct Action {
    /// Those of its labels that occur on transitions.
    labels: Vec<LabelId>,
    /// The condition that speaks of it, by position.
    condition: usize,
}

impl Action {
    /// Returns the action, and those of its labels that occur on no transition.
    fn new<L: Clone + Eq + Hash + Debug>(
        numbers: &Numbers<L>,
        coverage: Coverage,
        name: &str,
        labels: &[L],
        condition: usize,
    ) -> Result<(Action, Option<Absent<L>>), LivenessError> {
        let fairness = || name.to_string();
        if labels.is_empty() {
            return Err(LivenessError::NoLabel { fairness: fairness() });
        }
        let borne: Vec<LabelId> = labels.iter().filter_map(|label| numbers.get(label).copied()).collect();
        let missing = labels.iter().filter(|label| !numbers.contains_key(*label));
        let missing = match coverage {
            Coverage::Complete if borne.is_empty() => {
                let labels = labels.iter().map(|label| format!("{label:?}")).collect();
                return Err(LivenessError::UnknownLabels { fairness: fairness(), labels });
            }
            Coverage::Complete => missing.cloned().collect(),
            _ => Vec::new(),
        };
        let absent = (!missing.is_empty()).then(|| Absent { fairness: fairness(), labels: missing });
        Ok((Action { labels: borne, condition }, absent))
    }
}

/// For each of at most 64 actions of a graph with so many labels: the states where it is enabled, and the transitions that take it.
fn enabled_and_taken(graph: &Shape, labels: usize, actions: &[Action]) -> Vec<(BitSet, BitSet)> {
    // Bit i of a label: it belongs to action i.
    let mut members = vec![0u64; labels];
    for (i, action) in actions.iter().enumerate() {
        action.labels.iter().for_each(|&label| members[usize::from(label)] |= 1 << i);
    }
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
    let without = |p: &StatePredicate<S>| states_where(graph, &|id| !p(graph.state(id)));
    let avoiding = |occurs: &Occurs<S, L>| {
        let met = occurrences(graph, occurs);
        Marks {
            states: states_where(graph, &|id| !met.state(id)),
            edges: edges_where(graph, &|edge| !met.edge(edge.index)),
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
            let triggered = states_where(graph, &|id| p(graph.state(id)));
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
    let states = |p: &StatePredicate<S>| states_where(graph, &|id| p(graph.state(id)));
    let edges = |p: &StepPredicate<S, L>| {
        edges_where(graph, &|edge| {
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

fn states_where(graph: &Shape, contains: &dyn Fn(StateId) -> bool) -> BitSet {
    BitSet::from_fn(graph.len(), |id| contains(id as StateId))
}

fn edges_where(graph: &Shape, contains: &dyn Fn(&Edge) -> bool) -> BitSet {
    let mut edges = graph.ids().flat_map(|id| graph.edges(id));
    BitSet::from_fn(graph.transitions(), |_| contains(&edges.next().expect("transitions are numbered by source")))
}
