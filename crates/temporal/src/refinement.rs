//! Refinement: checks that every step of one model, seen through a mapping, is a step of another model or changes
//! nothing of it.
//!
//! The first model is called the implementation, the second the specification.
//!
//! * [`check_steps`] is step refinement (in TLA+ `Impl => Abs!Spec`, without fairness): initial states map to initial
//!   states, and every transition maps to a transition of the specification or to a stutter.
//! * [`check_fairness`] is fair refinement (in TLA+ `Impl => Abs!FairSpec`): no fair run of the implementation maps to
//!   a run that breaks a fairness condition of the specification, where *enabled* is judged by the specification on the
//!   mapped state.
//! * A mapping is refused as vacuous ([`StepVerdict::Vacuous`]) if the specification offers an action in some mapped
//!   state and no step of the implementation ever maps to it. A constant mapping is refused that way.
//!
//! Both work on an explored [`Graph`] of the implementation; the specification is expanded only where it is mapped to.
//! Source: Abadi & Lamport, *The existence of refinement mappings*, 1991.
//!
//! ```
//! use stateright::Model;
//! use stateright_temporal::graph::Search;
//! use stateright_temporal::refinement::{check_steps, Mapping, StepVerdict};
//!
//! /// A clock that counts to `modulus`; one of 4 ticks is to refine one of 2.
//! #[derive(Clone)]
//! struct Clock { modulus: u8 }
//! impl Model for Clock {
//!     type State = u8;
//!     type Action = &'static str;
//!     fn init_states(&self) -> Vec<u8> { vec![0] }
//!     fn actions(&self, _: &u8, out: &mut Vec<Self::Action>) { out.push("tick") }
//!     fn next_state(&self, s: &u8, _: Self::Action) -> Option<u8> { Some((s + 1) % self.modulus) }
//! }
//!
//! /// The coarse clock shows every second tick of the fine one.
//! struct Halved(Clock);
//! impl Mapping for Halved {
//!     type Concrete = u8;
//!     type Abstract = Clock;
//!     type View = u8;
//!     type Label = &'static str;
//!     fn target(&self) -> &Clock { &self.0 }
//!     fn label(&self, action: &&'static str) -> &'static str { action }
//!     fn view(&self, fine: &u8) -> u8 { fine / 2 }
//!     fn state(&self, view: &u8) -> u8 { *view }
//! }
//!
//! let graph = Search::new(&Clock { modulus: 4 }, |action| *action).run();
//! let steps = check_steps(&graph, &Halved(Clock { modulus: 2 }), |_| false);
//! assert!(matches!(steps.verdict, StepVerdict::Holds));
//! ```

use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::AtomicBool;

use hashbrown::hash_map::{Entry, HashMap};
use rustc_hash::FxBuildHasher;
use stateright::Model;
use thiserror::Error;

use crate::graph::{Coverage, Edge, Graph, QuotientFault, StateId};
use crate::liveness::{BitSet, Formula, LivenessError, LivenessVerdict, Marks, Occurs, Pair, Query, find};

/// An abstraction function from the states of an implementation to those of a specification.
pub trait Mapping {
    /// A state of the implementation.
    type Concrete;
    /// The specification.
    type Abstract: Model;
    /// A small value that stands for one state of the specification, which is built from it only when it is needed.
    type View: Clone + Eq + Hash;
    /// The name by which the specification's fairness calls an action.
    type Label: Clone + Eq + Hash + Debug;

    /// Returns the specification.
    fn target(&self) -> &Self::Abstract;
    /// Returns the label of an action of the specification.
    fn label(&self, action: &<Self::Abstract as Model>::Action) -> Self::Label;
    /// Returns what a state of the implementation stands for.
    fn view(&self, state: &Self::Concrete) -> Self::View;
    /// Returns the state of the specification that a view stands for.
    fn state(&self, view: &Self::View) -> <Self::Abstract as Model>::State;
}

/// What became of step refinement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepVerdict<L> {
    /// Every step is one step of the specification or changes nothing of it.
    Holds,
    /// This initial state does not map to an initial state.
    InitialFails(StateId),
    /// This step is no step of the specification. The path to it is as short as any.
    StepFails {
        /// The steps before it, which all refine.
        path: Vec<Edge>,
        /// The step that does not refine.
        step: Edge,
    },
    /// All steps refine, but the specification offers these actions and no step ever maps to them.
    Vacuous(Vec<L>),
    /// No step failed in the part of the graph that was explored.
    Unknown(Coverage),
    /// The graph does not represent the implementation.
    Faulty(QuotientFault),
    /// The mapping maps this state and its canonical form to different states of the specification.
    NotInvariant {
        /// The state, as `Debug` shows it.
        state: String,
        /// The number of its canonical form.
        representative: StateId,
    },
}

/// The result of step refinement: the verdict, what was hit, and the images of states and steps for [`check_fairness`].
pub struct Steps<V, L> {
    /// The verdict.
    pub verdict: StepVerdict<L>,
    /// The steps that do not refine and are reached by steps that do, in breadth-first order.
    pub failures: Vec<Edge>,
    /// The number of states of the specification that are mapped to.
    pub states_hit: usize,
    /// For each action of the specification, the number of transitions that map to it, in the order in which the
    /// actions were first offered. The number is 0 for an action that was only offered.
    pub actions_hit: Vec<(L, usize)>,
    images: Images<V, L>,
}

/// The image of each concrete state, and of each transition.
struct Images<V, L> {
    /// Number of the image, by concrete state.
    of_state: Vec<u32>,
    /// The views, by number.
    views: Vec<V>,
    labels: Vec<L>,
    /// By number of the image: bit `l` says that the action `labels[l]` is enabled there.
    enabled: Vec<u64>,
    /// By transition: the actions that it may be the image of; 0 for a stutter.
    taken: Vec<u64>,
}

impl<V, L: PartialEq> Steps<V, L> {
    /// Returns whether the specification offers one of the condition's actions in some state that is mapped to. If it
    /// does not, every run satisfies the condition, and [`check_fairness`] refuses it.
    pub fn offer(&self, condition: &AbstractFairness<L>) -> bool {
        self.images.labels.iter().any(|label| condition.labels.contains(label))
    }

    /// Returns what a state of the graph maps to.
    pub fn view(&self, state: StateId) -> &V {
        &self.images.views[self.images.of_state[state as usize] as usize]
    }
}

/// Checks step refinement of an explored graph.
///
/// `optional` says which actions of the specification may go unused without making the mapping vacuous.
///
/// # Panics
/// If the specification has more than 64 labels.
pub fn check_steps<S: Debug, L: Ord, M: Mapping<Concrete = S>>(
    graph: &Graph<S, L>,
    mapping: &M,
    optional: impl Fn(&M::Label) -> bool,
) -> Steps<M::View, M::Label>
where
    <M::Abstract as Model>::State: Eq + Hash + Clone,
{
    let mut spec = Expansion::new(mapping);
    let of_state: Vec<u32> = graph.states().iter().map(|state| spec.intern(mapping.view(state))).collect();
    let mut taken = vec![0u64; graph.transitions()];
    let mut failing = BitSet::none();
    for state in graph.ids() {
        let from = of_state[state as usize];
        for edge in graph.edges(state) {
            let to = of_state[edge.target as usize];
            if from != to {
                taken[edge.index] = spec.actions_between(from, to);
                if taken[edge.index] == 0 {
                    failing.insert(edge.index);
                }
            }
        }
        if graph.edge_range(state).is_empty() {
            spec.expand(from);
        }
    }
    let initial: Vec<_> = mapping.target().init_states();
    let bad_start = graph.initial().iter().copied().find(|&s| {
        let view = &spec.views[of_state[s as usize] as usize];
        !initial.contains(&mapping.state(view))
    });
    let (first, failures) = first_failures(graph, &failing);
    let enabled: Vec<u64> = (0..spec.views.len() as u32).map(|image| spec.expand(image)).collect();
    let mut actions_hit: Vec<_> = spec.labels.iter().map(|label| (label.clone(), 0)).collect();
    for &actions in taken.iter().filter(|&&actions| actions != 0) {
        for (bit, (_, hits)) in actions_hit.iter_mut().enumerate() {
            *hits += (actions >> bit & 1) as usize;
        }
    }
    let unused: Vec<_> =
        actions_hit.iter().filter(|(l, hits)| *hits == 0 && !optional(l)).map(|(l, _)| l.clone()).collect();
    let told_apart = || {
        graph.sample().iter().find(|(state, id)| {
            let (view, of_representative) = (mapping.view(state), mapping.view(graph.state(*id)));
            view != of_representative && mapping.state(&view) != mapping.state(&of_representative)
        })
    };
    let verdict = match (bad_start, first) {
        _ if graph.fault().is_some() => StepVerdict::Faulty(graph.fault().expect("asked above").clone()),
        (None, None) if told_apart().is_some() => {
            let (state, representative) = told_apart().expect("asked above");
            StepVerdict::NotInvariant { state: format!("{state:?}"), representative: *representative }
        }
        (Some(state), _) => StepVerdict::InitialFails(state),
        (None, Some((path, step))) => StepVerdict::StepFails { path, step },
        (None, None) if graph.coverage() != Coverage::Complete => StepVerdict::Unknown(graph.coverage()),
        (None, None) if !unused.is_empty() => StepVerdict::Vacuous(unused),
        (None, None) => StepVerdict::Holds,
    };
    let (views, labels) = (spec.views, spec.labels);
    let images = Images { of_state, views, labels, enabled, taken };
    Steps { verdict, failures, states_hit: images.views.len(), actions_hit, images }
}

/// The steps that fail and are reached without one, breadth first, with a shortest path to the first of them.
///
/// If several are equally near, the one with the smallest label counts as the first.
fn first_failures<S, L: Ord>(graph: &Graph<S, L>, failing: &BitSet) -> (Option<(Vec<Edge>, Edge)>, Vec<Edge>) {
    let mut failures: Vec<(usize, Edge)> = Vec::new();
    if failing.is_empty() {
        return (None, Vec::new());
    }
    let mut arrived_by: Vec<Option<Edge>> = vec![None; graph.len()];
    let mut seen = BitSet::none();
    let mut queue: VecDeque<(usize, StateId)> = graph.initial().iter().map(|&state| (0, state)).collect();
    queue.iter().for_each(|&(_, state)| seen.insert(state as usize));
    while let Some((depth, state)) = queue.pop_front() {
        for edge in graph.edges(state) {
            if failing.contains(edge.index) {
                failures.push((depth, edge));
            } else if !seen.contains(edge.target as usize) {
                seen.insert(edge.target as usize);
                arrived_by[edge.target as usize] = Some(edge);
                queue.push_back((depth + 1, edge.target));
            }
        }
    }
    let label = |edge: &Edge| &graph.labels()[edge.label as usize];
    let first = failures.iter().min_by_key(|(depth, edge)| (*depth, label(edge))).map(|&(_, step)| {
        let mut path: Vec<Edge> =
            std::iter::successors(arrived_by[step.source as usize], |e| arrived_by[e.source as usize]).collect();
        path.reverse();
        (path, step)
    });
    (first, failures.into_iter().map(|(_, edge)| edge).collect())
}

/// The specification, as far as it is mapped to: images by number, and the steps between them.
struct Expansion<'m, M: Mapping> {
    mapping: &'m M,
    numbers: HashMap<M::View, u32, FxBuildHasher>,
    views: Vec<M::View>,
    labels: Vec<M::Label>,
    /// By image, once it has been expanded.
    successors: Vec<Option<Successors>>,
    /// The number of an abstract state that is an image.
    states: HashMap<<M::Abstract as Model>::State, u32, FxBuildHasher>,
}

struct Successors {
    /// Actions enabled, those included that lead to states never mapped to.
    enabled: u64,
    /// The steps to images, and the actions that do them.
    steps: Vec<(u32, u64)>,
}

impl<'m, M: Mapping> Expansion<'m, M>
where
    <M::Abstract as Model>::State: Eq + Hash + Clone,
{
    fn new(mapping: &'m M) -> Self {
        Expansion {
            mapping,
            numbers: HashMap::default(),
            views: Vec::new(),
            labels: Vec::new(),
            successors: Vec::new(),
            states: HashMap::default(),
        }
    }

    fn intern(&mut self, view: M::View) -> u32 {
        let new = match self.numbers.entry(view) {
            Entry::Occupied(known) => return *known.get(),
            Entry::Vacant(new) => new,
        };
        // Two views of one abstract state are one image.
        let image = *self.states.entry(self.mapping.state(new.key())).or_insert_with(|| {
            self.views.push(new.key().clone());
            self.successors.push(None);
            self.views.len() as u32 - 1
        });
        *new.insert(image)
    }

    /// The actions enabled in an image.
    fn expand(&mut self, image: u32) -> u64 {
        if let Some(successors) = &self.successors[image as usize] {
            return successors.enabled;
        }
        let state = self.mapping.state(&self.views[image as usize]);
        let target = self.mapping.target();
        let mut steps: Vec<(u32, u64)> = Vec::new();
        let mut enabled = 0;
        let mut actions = Vec::new();
        target.actions(&state, &mut actions);
        for action in actions {
            let label = self.mapping.label(&action);
            let Some(next) = target.next_state(&state, action) else { continue };
            if next == state {
                continue;
            }
            let bit = 1 << self.label(label);
            enabled |= bit;
            let Some(&next) = self.states.get(&next) else { continue };
            match steps.iter_mut().find(|(known, _)| *known == next) {
                Some((_, actions)) => *actions |= bit,
                None => steps.push((next, bit)),
            }
        }
        self.successors[image as usize] = Some(Successors { enabled, steps });
        enabled
    }

    /// The actions that lead from one image to another in one step; 0 if none does.
    fn actions_between(&mut self, from: u32, to: u32) -> u64 {
        self.expand(from);
        let successors = self.successors[from as usize].as_ref().expect("expanded above");
        successors.steps.iter().find(|(target, _)| *target == to).map_or(0, |(_, actions)| *actions)
    }

    fn label(&mut self, label: M::Label) -> usize {
        let known = self.labels.iter().position(|l| *l == label);
        known.unwrap_or_else(|| {
            assert!(self.labels.len() < 64, "a specification of more than 64 labels");
            self.labels.push(label);
            self.labels.len() - 1
        })
    }
}

/// A fairness condition of the specification: weak or strong fairness of a set of its actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbstractFairness<L> {
    /// Its name.
    pub name: String,
    /// How strong it is.
    pub strength: Strength,
    /// The actions, taken as one.
    pub labels: Vec<L>,
}

/// How strong a fairness condition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// If an action is enabled in all states from some point on, then it is taken infinitely often.
    Weak,
    /// If an action is enabled infinitely often, then it is taken infinitely often.
    Strong,
}

impl<L: Eq + Sync> AbstractFairness<L> {
    /// Returns the condition as a formula over the implementation, which is judged state by state through the mapping.
    /// It is meant for [`crate::liveness::judge`], which shares nothing with [`check_fairness`].
    pub fn formula<'a, S, K, M>(&'a self, mapping: &'a M) -> Formula<'a, S, K>
    where
        M: Mapping<Concrete = S, Label = L> + Sync,
        <M::Abstract as Model>::State: PartialEq,
    {
        let step = move |from: &S, to: Option<&S>| {
            let (target, before) = (mapping.target(), mapping.state(&mapping.view(from)));
            let after = to.map(|to| mapping.state(&mapping.view(to)));
            let mut actions = Vec::new();
            target.actions(&before, &mut actions);
            actions.into_iter().any(|action| {
                self.labels.contains(&mapping.label(&action))
                    && target.next_state(&before, action).is_some_and(|next| match &after {
                        Some(after) => next == *after && next != before,
                        None => next != before,
                    })
            })
        };
        match self.strength {
            Strength::Weak => Formula::AlwaysEventually(Occurs::Either(
                Box::new(move |s| !step(s, None)),
                Box::new(move |s, _, t| step(s, Some(t))),
            )),
            Strength::Strong => Formula::Infinitely {
                p: Occurs::state(move |s| step(s, None)),
                q: Occurs::step(move |s, _, t| step(s, Some(t))),
            },
        }
    }
}

/// Why there is no verdict on a fairness condition.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FairnessError {
    /// The condition has no action.
    #[error("fairness {condition}: at least 1 action is needed, 0 are given")]
    NoAction {
        /// The name of the condition.
        condition: String,
    },
    /// The specification offers none of the actions in any state that is mapped to, so that nothing could break the
    /// condition.
    #[error("fairness {condition}: the specification offers {} nowhere in what is mapped to", actions.join(" or "))]
    NeverOffered {
        /// The name of the condition.
        condition: String,
        /// The actions.
        actions: Vec<String>,
    },
    /// Some step is no step of the specification, so that some runs do not map to runs of it.
    #[error("fairness {condition} has no meaning where step refinement fails")]
    StepsFail {
        /// The name of the condition.
        condition: String,
    },
    /// The liveness search has no verdict.
    #[error(transparent)]
    Liveness(#[from] LivenessError),
}

/// Looks for a fair run of the implementation that maps to a run which breaks a fairness condition of the
/// specification.
///
/// `pairs` are the implementation's fairness conditions, compiled for the same graph. The verdict is never
/// [`LivenessVerdict::Vacuous`].
///
/// # Errors
/// [`FairnessError::NoAction`]; [`FairnessError::NeverOffered`], though not if the graph is cut;
/// [`FairnessError::StepsFail`] unless every step known refines; [`LivenessError::Faulty`];
/// [`LivenessError::Cancelled`].
pub fn check_fairness<S, L, V, A: Eq + Debug>(
    graph: &Graph<S, L>,
    steps: &Steps<V, A>,
    pairs: &[Pair],
    condition: &AbstractFairness<A>,
    cancel: Option<&AtomicBool>,
) -> Result<LivenessVerdict, FairnessError> {
    let name = || condition.name.clone();
    if let StepVerdict::Faulty(fault) = &steps.verdict {
        return Err(LivenessError::Faulty(fault.clone()).into());
    }
    if !matches!(steps.verdict, StepVerdict::Holds | StepVerdict::Vacuous(_) | StepVerdict::Unknown(_)) {
        return Err(FairnessError::StepsFail { condition: name() });
    }
    if condition.labels.is_empty() {
        return Err(FairnessError::NoAction { condition: name() });
    }
    if graph.coverage() == Coverage::Complete && !steps.offer(condition) {
        let actions = condition.labels.iter().map(|label| format!("{label:?}")).collect();
        return Err(FairnessError::NeverOffered { condition: name(), actions });
    }
    Ok(match (find(graph, pairs, &breaking(graph, steps, condition), cancel)?, graph.coverage()) {
        (Some(lasso), _) => LivenessVerdict::Violated(lasso),
        (None, Coverage::Complete) => LivenessVerdict::Holds,
        (None, cut) => LivenessVerdict::Unknown(cut),
    })
}

/// The runs that map to runs which break the condition.
fn breaking<S, L, V, A: PartialEq>(graph: &Graph<S, L>, steps: &Steps<V, A>, condition: &AbstractFairness<A>) -> Query {
    let images = &steps.images;
    let bits = images.labels.iter().enumerate().filter(|(_, l)| condition.labels.contains(l));
    let fair = bits.fold(0u64, |bits, (i, _)| bits | 1 << i);
    let enabled = |s: usize| images.enabled[images.of_state[s] as usize] & fair != 0;
    let enabled = BitSet::from_fn(graph.len(), enabled);
    let not_taken = BitSet::from_fn(graph.transitions(), |e| images.taken[e] & fair == 0);
    let any = Query::any(graph);
    match condition.strength {
        Strength::Weak => {
            let cycle = Marks { states: enabled.clone(), edges: not_taken };
            Query { cycle, must: Marks::states(enabled), ..any }
        }
        Strength::Strong => {
            let cycle = Marks { states: any.cycle.states.clone(), edges: not_taken };
            Query { cycle, must: Marks::states(enabled), ..any }
        }
    }
}
