//! Breadth-first exploration of any [`stateright::Model`] into an explicit labelled graph.
//!
//! Everything that judges whole runs (liveness, refinement, shortest counterexamples, pairing with TLC) works on a
//! [`Graph`]: all reachable states, kept by value and compared by equality (no fingerprints, so no collisions), and all
//! transitions with the label that fairness speaks of.
//!
//! * **Order.** Exploration goes level by level and numbers states in the order in which a single-threaded search would
//!   find them, whatever [`Limits::threads`] says. State 0 is the first initial state; [`Shape::path_to`] is a shortest
//!   path.
//! * **Labels.** A function given to [`Search::new`] labels actions. Several actions may share a label and one label
//!   may have several successors. Transitions are distinct `(state, label, state)` triples.
//! * **Quotients.** A canonical form ([`Search::canonical`]) maps each state to the representative of its class, and
//!   the graph has one state for each class. Whether a step *changes* the state is judged before that map is applied
//!   ([`Edge::changes`]): a step may lead from a class to the same class and still change the concrete state. A
//!   canonical form that relates states of different behaviour would give wrong verdicts; [`Search::canonical`] says
//!   what it has to be, and a sample is checked ([`Graph::fault`]).
//! * **Limits.** A search that was cut says so ([`Shape::coverage`]); nothing may be concluded from the absence of a
//!   state in a cut graph, nor from the absence of a transition unless [`Shape::is_expanded`] says that its source has
//!   them all. Where a search is cut by [`Limits::max_states`] does not depend on the number of threads either.
//! * **Memory.** Whatever grows with the graph is taken from [`Limits::memory`] before it is allocated, and so is what
//!   is needed to judge the graph afterwards. A search that cannot have it is cut; it never ends the program.
//!
//! ```
//! use stateright_temporal::graph::{Coverage, Search};
//! use stateright::Model;
//!
//! /// A counter modulo three that may also stand still.
//! struct Counter;
//! impl Model for Counter {
//!     type State = u8;
//!     type Action = &'static str;
//!     fn init_states(&self) -> Vec<u8> { vec![0] }
//!     fn actions(&self, _: &u8, out: &mut Vec<Self::Action>) { out.extend(["tick", "rest"]) }
//!     fn next_state(&self, s: &u8, a: Self::Action) -> Option<u8> {
//!         Some(if a == "tick" { (s + 1) % 3 } else { *s })
//!     }
//! }
//! let graph = Search::new(&Counter, |a| *a).run();
//! assert_eq!(graph.coverage(), Coverage::Complete);
//! assert_eq!((graph.len(), graph.transitions()), (3, 6));
//! assert_eq!(graph.path_to(2).iter().map(|e| e.target).collect::<Vec<_>>(), [1, 2]);
//! ```

use std::fmt::Debug;
use std::hash::{BuildHasher, Hash};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use stateright::{Expectation, Model, Property};

use crate::memory::{Exhausted, Memory, Share};

pub use quotient::QuotientFault;
use quotient::{KEPT, Quotient, is_sampled};

mod quotient;

/// The number of a state in a [`Graph`]. States are numbered from 0 in the order of discovery.
pub type StateId = u32;

/// The number of a label in [`Graph::labels`]. Labels are numbered from 0 in the order of first occurrence.
pub type LabelId = u16;

/// The greatest number of labels that a graph can have: a transition keeps one bit of its [`LabelId`] for
/// [`Edge::changes`].
pub const MAX_LABELS: usize = 1 << 15;

/// A function that maps each state to the representative of its class: [`Search::canonical`] says what it has to be.
pub type Canonical<'a, S> = &'a (dyn Fn(&S) -> S + Sync);

/// How far a search may go, and who is told about it.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// The graph holds at most this many states.
    pub max_states: usize,
    /// The graph and what is computed from it take their memory from here. If this is `None`, they take what the
    /// machine gives.
    pub memory: Option<&'a Memory>,
    /// The search has so many worker threads, at least 1.
    pub threads: usize,
    /// The search stops as soon as this is true, for example after Ctrl-C.
    pub cancel: Option<&'a AtomicBool>,
    /// This is called about four times a second with the numbers of states found and of states expanded.
    pub progress: Option<&'a (dyn Fn(usize, usize) + Sync)>,
}

impl Default for Limits<'_> {
    /// The default is one thread, as many states as a [`StateId`] can number, all memory, no cancellation and no
    /// progress.
    fn default() -> Self {
        Limits { max_states: MOST_STATES, memory: None, threads: 1, cancel: None, progress: None }
    }
}

impl Limits<'_> {
    /// Returns whether cancellation was asked for.
    pub fn cancelled(&self) -> bool {
        self.cancel.is_some_and(|c| c.load(Ordering::Relaxed))
    }
}

/// What part of the reachable states a [`Graph`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// The graph holds all of them, with all their transitions.
    Complete,
    /// The search stopped at [`Limits::max_states`]: the graph holds exactly so many.
    CutByMaxStates,
    /// The search stopped because [`Limits::memory`] was used up.
    CutByMemory,
    /// The search was cancelled.
    Cancelled,
    /// Some steps led out of [`stateright::Model::within_boundary`] and were not followed.
    CutByBoundary,
    /// The search stopped because the graph does not represent its model; [`Graph::fault`] says why.
    Faulty,
}

/// One transition, seen from its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Index of the transition in the whole graph, `0..graph.transitions()`.
    pub index: usize,
    /// The state it starts from.
    pub source: StateId,
    /// The state it leads to.
    pub target: StateId,
    /// Its label.
    pub label: LabelId,
    /// Whether the *concrete* state changes. A step that changes nothing neither takes nor enables a fair action.
    pub changes: bool,
}

/// The reachable states of a model and the labelled transitions between them, as far as a [`Search`] went.
///
/// It consists of its [`Shape`], and of the states and labels that the shape's numbers stand for.
pub struct Graph<S, L> {
    states: Vec<S>,
    labels: Vec<L>,
    shape: Shape,
    findings: Vec<PropertyFinding>,
    fault: Option<QuotientFault>,
    /// States that are not their own representatives, with these: see [`Graph::sample`].
    sample: Vec<(S, StateId)>,
}

/// The transitions between the states of a [`Graph`], all of them by their numbers.
///
/// The search for fair loops sees no more of a graph than this, and so is compiled once, not for each type of state.
pub struct Shape {
    initial: Vec<StateId>,
    /// Transitions of state `s` are `first[s]..first[s + 1]`; states never expanded have none.
    first: Vec<usize>,
    target: Vec<StateId>,
    /// Label shifted left by one, lowest bit: changes the state.
    label: Vec<u16>,
    /// Breadth-first predecessor; an initial state is its own.
    parent: Vec<StateId>,
    /// First state of each breadth-first level.
    levels: Vec<StateId>,
    /// States below this number were expanded.
    expanded: usize,
    /// Those of them that lack transitions, ascending: steps led out of the boundary or to states that found no place.
    truncated: Vec<StateId>,
    coverage: Coverage,
    /// What the graph takes, its states and labels too, and [`WORKING_BYTES_PER_STATE`] and [`WORKING_BYTES_PER_TRANSITION`].
    share: Share,
}

impl<S, L> Deref for Graph<S, L> {
    type Target = Shape;

    fn deref(&self) -> &Shape {
        &self.shape
    }
}

/// What is needed beside a graph, for each of its states, to judge it. At most at a time: the images of two refinement
/// mappings (8), what is enabled in the states (8) and sets of states for the fairness conditions (20), the search for
/// a fair loop (20 for components, 16 for the stem) and the walk along it (16), with some to spare.
const WORKING_BYTES_PER_STATE: usize = 96;
/// The same for each transition: the images of two refinement mappings (16), sets of transitions for the fairness
/// conditions (6).
const WORKING_BYTES_PER_TRANSITION: usize = 24;

/// The greatest number of states: the greatest [`StateId`] stands for no state.
const MOST_STATES: usize = StateId::MAX as usize - 1;

/// What became of one of the model's own [`stateright::Property`]s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyFinding {
    /// The property's name.
    pub name: &'static str,
    /// What the model expects: [`Expectation::Always`] or [`Expectation::Sometimes`]. It is never
    /// [`Expectation::Eventually`], which no single state can decide: [`crate::liveness`] checks that.
    pub expectation: Expectation,
    /// The first state in breadth-first order that violates an `always` or satisfies a `sometimes`.
    pub state: Option<StateId>,
}

impl PropertyFinding {
    /// Whether the graph shows what the model expects: no state that violates an `always`, some state that satisfies a
    /// `sometimes`. If the graph was cut, a state that violates an `always` may be missing from it.
    pub fn as_expected(&self) -> bool {
        self.state.is_some() == (self.expectation == Expectation::Sometimes)
    }
}

impl Shape {
    /// Returns the number of states.
    #[inline]
    pub fn len(&self) -> usize {
        self.parent.len()
    }

    /// Returns whether there is no state at all.
    pub fn is_empty(&self) -> bool {
        self.parent.is_empty()
    }

    /// Returns the number of distinct (state, label, state) transitions.
    pub fn transitions(&self) -> usize {
        self.target.len()
    }

    /// Returns the number of breadth-first levels. As in TLC with one worker, the initial states are level 1.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// Returns what part of the reachable states this is.
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// Returns whether all transitions that leave a state are in this graph: the state was expanded, and none of its
    /// steps led out of the boundary or to a state that was one too many.
    pub fn is_expanded(&self, id: StateId) -> bool {
        (id as usize) < self.expanded && self.truncated.binary_search(&id).is_err()
    }

    /// Returns whether a state is known to have no step that changes it.
    pub fn is_terminal(&self, id: StateId) -> bool {
        self.is_expanded(id) && !self.edges(id).any(|edge| edge.changes)
    }

    /// Returns the numbers of all states.
    #[inline]
    pub fn ids(&self) -> std::ops::Range<StateId> {
        0..self.parent.len() as StateId
    }

    /// Returns the initial states, each once.
    pub fn initial(&self) -> &[StateId] {
        &self.initial
    }

    /// Returns the transitions that leave a state, in the order of the model's actions.
    #[inline]
    pub fn edges(&self, id: StateId) -> impl DoubleEndedIterator<Item = Edge> + ExactSizeIterator + '_ {
        let range = self.edge_range(id);
        range.map(move |index| self.edge_at(id, index))
    }

    /// Returns the indices of the transitions that leave a state.
    #[inline]
    pub fn edge_range(&self, id: StateId) -> std::ops::Range<usize> {
        self.first[id as usize]..self.first[id as usize + 1]
    }

    /// Returns the transition of a given index, which must leave `source`.
    #[inline]
    pub fn edge_at(&self, source: StateId, index: usize) -> Edge {
        debug_assert!(self.edge_range(source).contains(&index));
        let label = self.label[index];
        Edge { index, source, target: self.target[index], label: label >> 1, changes: label & 1 == 1 }
    }

    /// Returns a shortest path from an initial state to `id`: its transitions in order, none if `id` is initial.
    pub fn path_to(&self, id: StateId) -> Vec<Edge> {
        let mut path = Vec::new();
        let mut at = id;
        while self.parent[at as usize] != at {
            let from = self.parent[at as usize];
            let edge = self.edges(from).find(|e| e.target == at);
            path.push(edge.expect("a state was discovered by one of its parent's transitions"));
            at = from;
        }
        path.reverse();
        path
    }

    /// Returns, for each state, whether some run from it reaches a goal. A goal reaches itself.
    pub fn leading_to(&self, goal: impl Fn(StateId) -> bool) -> Vec<bool> {
        // Sources by target: those of the transitions into `t` are source[before[t]..before[t + 1]].
        let mut before = vec![0usize; self.len() + 1];
        for &target in &self.target {
            before[target as usize] += 1;
        }
        let mut sum = 0;
        for entry in &mut before {
            sum += *entry;
            *entry = sum;
        }
        let mut source = vec![0; self.target.len()];
        for edge in self.ids().flat_map(|id| self.edges(id)) {
            let place = &mut before[edge.target as usize];
            *place -= 1;
            source[*place] = edge.source;
        }
        let mut leads: Vec<bool> = self.ids().map(goal).collect();
        let mut queue: Vec<StateId> = self.ids().filter(|&id| leads[id as usize]).collect();
        while let Some(id) = queue.pop() {
            for &source in &source[before[id as usize]..before[id as usize + 1]] {
                if !std::mem::replace(&mut leads[source as usize], true) {
                    queue.push(source);
                }
            }
        }
        leads
    }

    /// An empty share of the memory that the graph was made in.
    pub(crate) fn more_memory(&self) -> Share {
        self.share.another()
    }
}

impl<S, L> Graph<S, L> {
    /// Returns why this graph does not represent its model, if that was noticed. The coverage is then
    /// [`Coverage::Faulty`].
    pub fn fault(&self) -> Option<&QuotientFault> {
        self.fault.as_ref()
    }

    /// Returns, in a quotient, some states that are not their own representatives, each with its representative's
    /// number. What is true of a representative has to be true of these states too.
    pub fn sample(&self) -> &[(S, StateId)] {
        &self.sample
    }

    /// Returns the states, by [`StateId`].
    pub fn states(&self) -> &[S] {
        &self.states
    }

    /// Returns one state.
    ///
    /// # Panics
    /// If `id` is not a state of this graph.
    pub fn state(&self, id: StateId) -> &S {
        &self.states[id as usize]
    }

    /// Returns the labels that occur on transitions, by [`LabelId`].
    pub fn labels(&self) -> &[L] {
        &self.labels
    }

    /// Returns what became of the model's `always` and `sometimes` properties, in the model's order.
    pub fn findings(&self) -> &[PropertyFinding] {
        &self.findings
    }

    /// Returns the bytes that the graph takes per state: those of the state itself, without what it owns on the heap,
    /// and those of everything else (transitions, predecessor, offsets).
    pub fn bytes_per_state(&self) -> (usize, usize) {
        let rest = self.first.len() * size_of::<usize>() + self.target.len() * 6 + self.parent.len() * 4;
        (size_of::<S>(), rest.div_ceil(self.len().max(1)))
    }
}

/// A search over a model. It is configured first and then [`run`](Search::run).
pub struct Search<'a, M: Model, L> {
    model: &'a M,
    label: LabelOf<'a, M, L>,
    quotient: Option<Quotient<'a, M, L>>,
    limits: Limits<'a>,
}

type LabelOf<'a, M, L> = Box<dyn Fn(&<M as Model>::Action) -> L + Sync + 'a>;

impl<'a, M, L> Search<'a, M, L>
where
    M: Model + Sync,
    M::State: Clone + Eq + Hash + Send + Sync,
    M::Action: Clone,
    L: Clone + Eq + Hash + Send + Sync,
{
    /// Creates a search over `model` whose actions are labelled by `label`.
    pub fn new(model: &'a M, label: impl Fn(&M::Action) -> L + Sync + 'a) -> Self {
        Search { model, label: Box::new(label), quotient: None, limits: Limits::default() }
    }

    /// Explores the quotient under `canonical`, which maps each state to the representative of its class.
    ///
    /// What is found about representatives is true of all states only if these conditions are satisfied:
    ///
    /// 1. The canonical form of a canonical form is itself.
    /// 2. A state and its canonical form have the same steps: by label, by whether the state changes, by the canonical
    ///    form of the state after, and by whether that is in the boundary. A label that names one of several processes
    ///    has to be exchanged by a canonical form that exchanges the processes, which no canonical form of states can
    ///    do: label such steps alike, or leave those processes in their places.
    /// 3. Each of the model's own `always` and `sometimes` properties is true of both or of neither.
    /// 4. So is each predicate of states in formulas and fairness conditions, and a
    ///    [refinement mapping](crate::refinement::Mapping) maps both to one state.
    /// 5. Predicates of *steps* ([`Occurs::Step`](crate::liveness::Occurs::Step)) give the same answer for all steps
    ///    that 2 calls the same.
    ///
    /// The first three are checked here, on the initial states, on all states that the first 256 states lead to, and on
    /// those that one in 256 of the others leads to. If one is broken the search stops and [`Graph::fault`] names the
    /// state and the label. [`liveness`](crate::liveness) and [`refinement`](crate::refinement) refuse such a graph,
    /// and check 4 on up to 4,096 of these states ([`Graph::sample`]). The fifth is not checked, nor is what lies
    /// outside the sample.
    ///
    /// The sample costs little: of 3,956 stacks that a profiler took from vtd-qi's `check`, 0.2 % were in its checks.
    pub fn canonical(mut self, canonical: Canonical<'a, M::State>) -> Self
    where
        M::State: Debug,
        L: Debug,
    {
        self.quotient = Some(Quotient::new(canonical));
        self
    }

    /// Sets the limits.
    pub fn limits(mut self, limits: Limits<'a>) -> Self {
        self.limits = limits;
        self
    }

    /// Explores until everything reachable is known or a limit is reached.
    ///
    /// If there are more than [`MAX_LABELS`] labels, or if the canonical form breaks a condition, the graph has a
    /// [`Graph::fault`].
    ///
    /// # Panics
    /// If [`Limits::threads`] is 0.
    pub fn run(self) -> Graph<M::State, L> {
        assert!(self.limits.threads > 0, "a search needs at least one thread");
        let mut found = Found::new(self.model, &self.limits);
        let mut cut = None;
        for state in self.model.init_states() {
            if !self.model.within_boundary(&state) {
                found.graph.shape.coverage = Coverage::CutByBoundary;
                continue;
            }
            let representative = self.representative(&state);
            let fault = self.fault(&state, &representative);
            let hash = FxBuildHasher.hash_one(&representative);
            let Some((id, new)) = found.insert(hash, representative, None) else {
                cut = Some(Coverage::CutByMaxStates);
                continue;
            };
            if new {
                found.graph.shape.initial.push(id);
            }
            if found.graph.state(id) != &state && found.graph.sample.len() < KEPT {
                found.graph.sample.push((state, id));
            }
            if fault.is_some() {
                found.graph.fault = fault;
                cut = Some(Coverage::Faulty);
                break;
            }
        }
        let mut clock = Instant::now();
        let mut pace = Pace { chunk: CHUNK, block: usize::MAX };
        let mut level = 0..found.graph.states.len();
        while cut.is_none() && !level.is_empty() {
            found.graph.shape.levels.push(level.start as StateId);
            let mut rest = level.clone();
            while cut.is_none() && !rest.is_empty() {
                let block = rest.start..rest.end.min(rest.start + self.block(&found, pace));
                cut = self.advance(&mut found, block, &mut pace).err();
                rest.start = found.expanded();
                if self.limits.cancelled() {
                    cut = Some(Coverage::Cancelled);
                }
                if let Some(progress) = self.limits.progress.filter(|_| clock.elapsed() > Duration::from_millis(250)) {
                    clock = Instant::now();
                    progress(found.graph.states.len(), rest.start);
                }
            }
            level = level.end..found.graph.states.len();
        }
        let mut graph = found.stop(cut);
        if cut.is_some_and(|cut| !matches!(cut, Coverage::Cancelled | Coverage::Faulty)) {
            self.judge_rest(&mut graph);
        }
        graph
    }

    /// How many states are expanded before their successors are merged. Blocks keep the memory for unmerged successors
    /// small and the search responsive; where there is not much room left most of the successors would be thrown away.
    fn block(&self, found: &Found<M::State, L>, pace: Pace) -> usize {
        let room = found.max_states - found.graph.states.len();
        let one_each = self.limits.threads * pace.chunk;
        pace.block.min(room.max(one_each)).min(CHUNKS * one_each)
    }

    /// Expands a block of known states and merges their successors. Where there is no memory for so many, it is tried
    /// with fewer.
    ///
    /// # Errors
    /// The reason why the search is cut.
    fn advance(
        &self,
        found: &mut Found<M::State, L>,
        block: std::ops::Range<usize>,
        pace: &mut Pace,
    ) -> Result<(), Coverage> {
        let chunks = self.expand(found, block.clone(), pace.chunk);
        let (bytes, expanded) = chunks
            .iter()
            .fold((0, 0), |(bytes, expanded), chunk| (bytes + chunk.share.bytes(), expanded + chunk.degrees.len()));
        pace.chunk = (CHUNK_BYTES * expanded / bytes.max(1)).clamp(1, CHUNK);
        match chunks.into_iter().try_for_each(|chunk| found.merge(chunk)) {
            Err(Coverage::CutByMemory) if block.len() > 1 => pace.block = block.len() / 2,
            Err(cut) => return Err(cut),
            Ok(()) => pace.block = pace.block.saturating_mul(2),
        }
        Ok(())
    }

    /// Judges the states of a cut graph that were not expanded: what is known of a graph depends on its states alone.
    fn judge_rest(&self, graph: &mut Graph<M::State, L>) {
        for (number, property) in judged(self.model).enumerate() {
            let (condition, always) = (property.condition, property.expectation == Expectation::Always);
            if graph.findings[number].state.is_none() {
                let mut rest = graph.shape.expanded as StateId..graph.states.len() as StateId;
                let seen = rest.find(|&id| condition(self.model, graph.state(id)) != always);
                graph.findings[number].state = seen;
            }
        }
    }

    fn representative(&self, state: &M::State) -> M::State {
        match &self.quotient {
            Some(quotient) => (quotient.canonical)(state),
            None => state.clone(),
        }
    }

    /// What tells a state from its representative.
    fn fault(&self, state: &M::State, representative: &M::State) -> Option<QuotientFault> {
        let quotient = self.quotient.as_ref().filter(|_| state != representative)?;
        quotient.fault(self.model, &self.label, state, representative)
    }

    /// Expands a block of known states, in parallel where that pays, without touching what has been found.
    fn expand(
        &self,
        found: &Found<M::State, L>,
        block: std::ops::Range<usize>,
        length: usize,
    ) -> Vec<Chunk<M::State, L>> {
        let conditions: Vec<_> = judged(self.model)
            .map(|p| (p.condition, p.expectation == Expectation::Always))
            .zip(&found.graph.findings)
            .map(|((condition, always), finding)| (finding.state.is_none()).then_some((condition, always)))
            .collect();
        let work = |range: std::ops::Range<usize>| self.expand_chunk(found, range, &conditions);
        let chunks: Vec<_> = block.clone().step_by(length).map(|s| s..block.end.min(s + length)).collect();
        if self.limits.threads == 1 || chunks.len() < 2 {
            return chunks.into_iter().map(work).collect();
        }
        let next = AtomicUsize::new(0);
        let worker = || {
            let mut mine = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(range) = chunks.get(i) else { return mine };
                mine.push((i, work(range.clone())));
            }
        };
        let mut done: Vec<(usize, Chunk<M::State, L>)> = thread::scope(|scope| {
            // If the machine gives no further thread, the others do the work.
            let start = |_| thread::Builder::new().spawn_scoped(scope, worker).ok();
            let others: Vec<_> = (1..self.limits.threads.min(chunks.len())).filter_map(start).collect();
            let mut done = worker();
            done.extend(others.into_iter().flat_map(|w| w.join().unwrap_or_else(|e| std::panic::resume_unwind(e))));
            done
        });
        done.sort_unstable_by_key(|(i, _)| *i);
        done.into_iter().map(|(_, chunk)| chunk).collect()
    }

    fn expand_chunk(
        &self,
        found: &Found<M::State, L>,
        range: std::ops::Range<usize>,
        conditions: &[Option<(Holds<M>, bool)>],
    ) -> Chunk<M::State, L> {
        let mut chunk = Chunk {
            degrees: Vec::with_capacity(range.len()),
            edges: Vec::new(),
            new: Vec::new(),
            share: found.graph.shape.share.another(),
            cut: false,
            findings: vec![None; conditions.len()],
            truncated: Vec::new(),
            sample: Vec::new(),
            fault: None,
            first: range.start as StateId,
        };
        let mut actions = Vec::new();
        for id in range {
            let state = &found.graph.states[id];
            for (finding, condition) in chunk.findings.iter_mut().zip(conditions) {
                if let (None, Some((condition, always))) = (&finding, condition)
                    && condition(self.model, state) != *always
                {
                    *finding = Some(id as StateId);
                }
            }
            let before = chunk.edges.len();
            let mut left_boundary = false;
            self.model.actions(state, &mut actions);
            if chunk.make_room(actions.len()).is_err() {
                chunk.cut = true;
                break;
            }
            for action in actions.drain(..) {
                let label = (self.label)(&action);
                let Some(next) = self.model.next_state(state, action) else { continue };
                if !self.model.within_boundary(&next) {
                    left_boundary = true;
                    continue;
                }
                let changes = next != *state;
                let next = match &self.quotient {
                    None => next,
                    Some(quotient) => {
                        let representative = (quotient.canonical)(&next);
                        if is_sampled(id as StateId) && representative != next {
                            chunk.fault = chunk.fault.or_else(|| self.fault(&next, &representative));
                            chunk.sample.push((chunk.edges.len(), next));
                        }
                        representative
                    }
                };
                let hash = FxBuildHasher.hash_one(&next);
                let target = match found.get(hash, &next) {
                    Some(known) => Target::Known(known),
                    None => {
                        chunk.new.push((hash, next));
                        Target::New
                    }
                };
                chunk.edges.push((label, changes, target));
            }
            chunk.degrees.push((chunk.edges.len() - before) as u32);
            chunk.truncated.extend(left_boundary.then_some(id as StateId));
        }
        chunk
    }
}

/// The properties that a state alone decides, in the model's order.
fn judged<M: Model>(model: &M) -> impl Iterator<Item = Property<M>> {
    model.properties().into_iter().filter(|p| p.expectation != Expectation::Eventually)
}

/// Whether a property is true of a state.
type Holds<M> = fn(&M, &<M as Model>::State) -> bool;

/// States that one worker expands at a time, at most.
const CHUNK: usize = 1024;
/// What the successors of these states may take, about: where they take more, fewer states are expanded at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Chunks per thread that are expanded before they are merged.
const CHUNKS: usize = 16;

/// How many states are expanded at a time.
#[derive(Clone, Copy)]
struct Pace {
    /// By one worker.
    chunk: usize,
    /// By all, where memory bounds it.
    block: usize,
}

/// The successors of a run of consecutive states, not yet numbered.
struct Chunk<S, L> {
    first: StateId,
    degrees: Vec<u32>,
    edges: Vec<(L, bool, Target)>,
    /// The targets of the `Target::New` edges, in their order, with their hashes.
    new: Vec<(u64, S)>,
    findings: Vec<Option<StateId>>,
    /// The states that have steps out of the boundary.
    truncated: Vec<StateId>,
    /// States that were looked at, each with the position of the edge that leads to its representative.
    sample: Vec<(usize, S)>,
    fault: Option<QuotientFault>,
    /// What `edges` and `new` take.
    share: Share,
    /// Whether memory ran out before all states of the run were expanded.
    cut: bool,
}

impl<S, L> Chunk<S, L> {
    /// Room for the successors of one more state.
    fn make_room(&mut self, successors: usize) -> Result<(), Exhausted> {
        self.share.make_room(&mut self.edges, successors, 0)?;
        self.share.make_room(&mut self.new, successors, 0)
    }
}

enum Target {
    Known(StateId),
    New,
}

/// A graph under construction and the index that finds a state in it.
struct Found<S, L> {
    graph: Graph<S, L>,
    index: HashTable<(u32, StateId)>,
    label_ids: hashbrown::HashMap<L, LabelId, FxBuildHasher>,
    /// The transitions of a state that has many, while they are taken in.
    seen: hashbrown::HashSet<(StateId, u16), FxBuildHasher>,
    /// [`Limits::max_states`]
    max_states: usize,
}

impl<S: Eq, L: Clone + Eq + Hash> Found<S, L> {
    fn new<M: Model<State = S>>(model: &M, limits: &Limits) -> Self {
        let findings = judged(model).map(|p| PropertyFinding { name: p.name, expectation: p.expectation, state: None });
        Found {
            graph: Graph {
                states: Vec::new(),
                labels: Vec::new(),
                shape: Shape {
                    initial: Vec::new(),
                    first: vec![0],
                    target: Vec::new(),
                    label: Vec::new(),
                    parent: Vec::new(),
                    levels: Vec::new(),
                    expanded: 0,
                    truncated: Vec::new(),
                    coverage: Coverage::Complete,
                    share: limits.memory.map_or_else(|| Memory::unlimited().share(), Memory::share),
                },
                findings: findings.collect(),
                fault: None,
                sample: Vec::new(),
            },
            max_states: limits.max_states.min(MOST_STATES),
            index: HashTable::new(),
            label_ids: Default::default(),
            seen: Default::default(),
        }
    }

    /// The number of states that have been expanded: they are the first.
    fn expanded(&self) -> usize {
        self.graph.shape.first.len() - 1
    }

    /// The upper half of the hash is kept beside the number, so that growing the index and most mismatches touch no
    /// state.
    fn get(&self, hash: u64, state: &S) -> Option<StateId> {
        let tag = (hash >> 32) as u32;
        let states = &self.graph.states;
        self.index.find(spread(tag), |&(t, id)| t == tag && states[id as usize] == *state).map(|&(_, id)| id)
    }

    /// The number of a state and whether it is new, or `None` if it is one too many.
    fn insert(&mut self, hash: u64, state: S, parent: Option<StateId>) -> Option<(StateId, bool)> {
        if let Some(id) = self.get(hash, &state) {
            return Some((id, false));
        }
        if self.graph.states.len() == self.max_states {
            return None;
        }
        let id = self.graph.states.len() as StateId;
        let tag = (hash >> 32) as u32;
        self.index.insert_unique(spread(tag), (tag, id), |&(t, _)| spread(t));
        self.graph.states.push(state);
        self.graph.shape.parent.push(parent.unwrap_or(id));
        Some((id, true))
    }

    /// Room for all that a chunk may bring.
    fn make_room(&mut self, chunk: &Chunk<S, L>) -> Result<(), Exhausted> {
        let graph = &mut self.graph;
        let new = chunk.new.len().min(self.max_states - graph.states.len());
        graph.shape.share.make_room(&mut graph.states, new, WORKING_BYTES_PER_STATE)?;
        graph.shape.share.make_room(&mut graph.shape.parent, new, 0)?;
        // In the end there is an entry for each state, and one more.
        let offsets = graph.states.len() + new + 1 - graph.shape.first.len();
        graph.shape.share.make_room(&mut graph.shape.first, offsets, 0)?;
        graph.shape.share.make_room(&mut graph.shape.target, chunk.edges.len(), WORKING_BYTES_PER_TRANSITION)?;
        graph.shape.share.make_room(&mut graph.shape.label, chunk.edges.len(), 0)?;
        let (entries, room) = (self.index.len() + new, self.index.capacity());
        if entries > room {
            // The old table is there until all entries are in the new one.
            let (before, expected) = (self.index.allocation_size(), table_bytes(entries.max(room + 1)));
            graph.shape.share.grow(expected)?;
            if self.index.try_reserve(new, |&(t, _)| spread(t)).is_err() {
                graph.shape.share.shrink(expected);
                return Err(Exhausted);
            }
            graph.shape.share.shrink((expected + before).saturating_sub(self.index.allocation_size()));
        }
        Ok(())
    }

    /// Adds what a chunk brings, as far as there is room. It takes the fault of a faulty chunk, whose states
    /// remain unexpanded.
    ///
    /// # Errors
    /// The reason why not all of it was added, which cuts the search.
    fn merge(&mut self, chunk: Chunk<S, L>) -> Result<(), Coverage> {
        if chunk.fault.is_some() {
            self.graph.fault = chunk.fault;
            return Err(Coverage::Faulty);
        }
        self.make_room(&chunk).map_err(|Exhausted| Coverage::CutByMemory)?;
        for (finding, seen) in self.graph.findings.iter_mut().zip(chunk.findings) {
            finding.state = finding.state.or(seen);
        }
        let mut cut = chunk.cut.then_some(Coverage::CutByMemory);
        let mut truncated = chunk.truncated.into_iter().peekable();
        let mut edges = chunk.edges.into_iter().enumerate();
        let mut new = chunk.new.into_iter();
        let mut sample = chunk.sample.into_iter().peekable();
        for (source, degree) in (chunk.first..).zip(chunk.degrees) {
            let begin = self.graph.shape.target.len();
            self.seen.clear();
            for (position, (label, changes, target)) in edges.by_ref().take(degree as usize) {
                let Some(label) = self.label_id(label) else {
                    self.stop_within(source);
                    return Err(Coverage::Faulty);
                };
                let label = label << 1 | changes as u16;
                let target = match target {
                    Target::Known(id) => id,
                    Target::New => {
                        let (hash, state) = new.next().expect("one state per new target");
                        let Some((id, _)) = self.insert(hash, state, Some(source)) else {
                            cut = Some(Coverage::CutByMaxStates);
                            continue;
                        };
                        id
                    }
                };
                if let Some((_, state)) = sample.next_if(|(edge, _)| *edge == position)
                    && self.graph.sample.len() < KEPT
                {
                    self.graph.sample.push((state, target));
                }
                if !self.is_repeated(begin, target, label) {
                    self.graph.shape.target.push(target);
                    self.graph.shape.label.push(label);
                }
            }
            self.graph.shape.first.push(self.graph.shape.target.len());
            let left_boundary = truncated.next_if_eq(&source).is_some();
            if left_boundary {
                self.graph.shape.coverage = Coverage::CutByBoundary;
            }
            let full = cut == Some(Coverage::CutByMaxStates);
            self.graph.shape.truncated.extend((left_boundary || full).then_some(source));
            if full {
                break;
            }
        }
        cut.map_or(Ok(()), Err)
    }

    /// A label of a transition that leaves this state has no number, so only the transitions before it are known.
    fn stop_within(&mut self, source: StateId) {
        self.graph.fault = Some(QuotientFault::TooManyLabels { limit: MAX_LABELS });
        self.graph.shape.first.push(self.graph.shape.target.len());
        if let Err(place) = self.graph.shape.truncated.binary_search(&source) {
            self.graph.shape.truncated.insert(place, source);
        }
    }

    /// Whether the state whose transitions start at `begin` has this one already.
    fn is_repeated(&mut self, begin: usize, target: StateId, label: u16) -> bool {
        const FEW: usize = 32;
        let (targets, labels) = (&self.graph.shape.target[begin..], &self.graph.shape.label[begin..]);
        if targets.len() < FEW {
            return targets.iter().zip(labels).any(|known| known == (&target, &label));
        }
        if self.seen.is_empty() {
            self.seen.extend(targets.iter().copied().zip(labels.iter().copied()));
        }
        !self.seen.insert((target, label))
    }

    /// The number of a label; none if there are too many.
    fn label_id(&mut self, label: L) -> Option<LabelId> {
        match self.label_ids.entry(label) {
            hashbrown::hash_map::Entry::Occupied(known) => Some(*known.get()),
            hashbrown::hash_map::Entry::Vacant(_) if self.graph.labels.len() == MAX_LABELS => None,
            hashbrown::hash_map::Entry::Vacant(new) => {
                self.graph.labels.push(new.key().clone());
                Some(*new.insert(self.graph.labels.len() as LabelId - 1))
            }
        }
    }

    /// The graph as it stands: states that were not expanded have no transitions. What it does not need is given back.
    fn stop(self, cut: Option<Coverage>) -> Graph<S, L> {
        let expanded = self.expanded();
        let mut graph = self.graph;
        drop(self.index);
        graph.shape.coverage = cut.unwrap_or(graph.shape.coverage);
        graph.shape.expanded = expanded;
        graph.shape.first.resize(graph.states.len() + 1, graph.shape.target.len());
        graph.states.shrink_to_fit();
        graph.shape.parent.shrink_to_fit();
        graph.shape.first.shrink_to_fit();
        graph.shape.target.shrink_to_fit();
        graph.shape.label.shrink_to_fit();
        let per_state = size_of::<S>() + size_of::<StateId>() + size_of::<usize>() + WORKING_BYTES_PER_STATE;
        let per_transition = size_of::<StateId>() + size_of::<u16>() + WORKING_BYTES_PER_TRANSITION;
        let needed = graph.states.len() * per_state + graph.shape.target.len() * per_transition;
        graph.shape.share.shrink(graph.shape.share.bytes().saturating_sub(needed));
        graph
    }
}

/// What a hash table takes that has room for so many entries: hashbrown's is a power of two, of which an eighth stays
/// empty, with a byte for each entry beside it.
fn table_bytes(entries: usize) -> usize {
    let places = (entries * 8 / 7 + 1).next_power_of_two();
    places * (size_of::<(u32, StateId)>() + 1) + 64
}

/// A 64-bit hash out of the 32 bits that are kept: the table takes its position from the low and its tag from the high
/// bits.
fn spread(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
