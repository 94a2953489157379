//! The search for a fair loop and a path to it.
//!
//! The states where the loop may go are decomposed into strongly connected components (Tarjan 1972, without recursion).
//! A component that meets the premise of a pair but not its conclusion can only hold a fair loop that avoids the
//! premise: what is marked by the premise is taken out and the rest decomposed again (Emerson & Lei, *Modalities for
//! model checking*, 1987). Components are classified when the breadth-first search for the stem reaches them, so the
//! first fair one ends the search and its stem is a shortest one.

use std::collections::VecDeque;
use std::fmt::{self, Debug, Display};
use std::sync::atomic::{AtomicBool, Ordering};

use super::LivenessError;
use super::marks::{BitSet, Marks, Pair};
use super::run::write_run;
use crate::graph::{Edge, Graph, Shape, StateId};

/// What [`find`] looks for: a path, then a loop.
#[derive(Clone, Debug)]
pub struct Query {
    /// Where the part of the path that `stem` confines begins.
    pub from: Origin,
    /// The states that this part may visit, its first and last included.
    pub stem: BitSet,
    /// The states and transitions that the loop may use.
    pub cycle: Marks,
    /// What the loop has to meet: at least one of these states or transitions.
    pub must: Marks,
}

/// Where the confined part of the path begins.
#[derive(Clone, Debug)]
pub enum Origin {
    /// In an initial state.
    Initial,
    /// In one of these states, however the run came there.
    Reached(BitSet),
}

impl Query {
    /// Returns the query that any fair run of the graph answers. It is narrowed by replacing fields.
    pub fn any(graph: &Shape) -> Self {
        let states = BitSet::all(graph.len());
        let cycle = Marks { states: states.clone(), edges: BitSet::all(graph.transitions()) };
        Query { from: Origin::Initial, stem: states.clone(), cycle, must: Marks::states(states) }
    }
}

/// A run that ends in a loop. No run that answers the same query has a shorter stem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lasso {
    /// The initial state.
    pub start: StateId,
    /// From the initial state to the loop; empty if the loop begins there.
    pub stem: Vec<Edge>,
    /// From the end of the stem back to it; empty if the run stutters there for ever. States may repeat.
    pub cycle: Vec<Edge>,
    /// Whether no loop from the end of this stem would do with fewer transitions. If this is false, a shorter one is
    /// not ruled out.
    pub cycle_is_shortest: bool,
}

impl Lasso {
    /// Returns a path from an initial state as a lasso that stutters at its end.
    ///
    /// # Panics
    /// If the path has no transition and the graph no initial state.
    pub fn along(graph: &Shape, stem: Vec<Edge>) -> Lasso {
        let start = stem.first().map_or_else(|| graph.initial()[0], |edge| edge.source);
        Lasso { start, stem, cycle: Vec::new(), cycle_is_shortest: true }
    }

    /// Returns the state where the stem ends and the loop begins.
    pub fn entry(&self) -> StateId {
        self.stem.last().map_or(self.start, |edge| edge.target)
    }

    /// Returns the lasso with the states and labels of its graph, to be displayed as a [`Run`](super::Run) is.
    ///
    /// ```
    /// # use stateright_temporal::{graph::Search, liveness::{check, Fairness, Formula, Toy, LivenessVerdict}};
    /// let toy = Toy::new([0], [(0, "go", 1), (1, "back", 0)]);
    /// let graph = Search::new(&toy, Toy::label).run();
    /// let fairness = [Fairness::weak("moves", ["go", "back"])];
    /// let verdict = check(&graph, &fairness, &Formula::eventually_always(|state| *state == 0), None)?;
    /// let LivenessVerdict::Violated(lasso) = verdict else { panic!("it moves for ever") };
    /// assert_eq!(lasso.display(&graph).to_string(), r#"0, then for ever -"go"-> 1 -"back"-> 0"#);
    /// # Ok::<(), stateright_temporal::liveness::LivenessError>(())
    /// ```
    pub fn display<'a, S: Debug, L: Debug>(&'a self, graph: &'a Graph<S, L>) -> impl Display + 'a {
        Displayed { lasso: self, graph }
    }
}

/// What [`Lasso::display`] returns.
struct Displayed<'a, S, L> {
    lasso: &'a Lasso,
    graph: &'a Graph<S, L>,
}

impl<S: Debug, L: Debug> Display for Displayed<'_, S, L> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Displayed { lasso, graph } = self;
        let step = |edge: &Edge| (&graph.labels()[edge.label as usize], graph.state(edge.target));
        write_run(f, graph.state(lasso.start), lasso.stem.iter().map(step), lasso.cycle.iter().map(step))?;
        f.write_str(if lasso.cycle_is_shortest { "" } else { " (a shorter loop is not ruled out)" })
    }
}

/// Finds a lasso that answers the query and satisfies all pairs. Returns `None` if there is none.
///
/// In every state a run may also stutter for ever; stuttering meets the marks of that state and no transition's. The
/// same graph, pairs and query give the same lasso.
///
/// # Errors
/// [`LivenessError::Cancelled`] once `cancel` is true.
pub fn find(
    graph: &Shape,
    pairs: &[Pair],
    query: &Query,
    cancel: Option<&AtomicBool>,
) -> Result<Option<Lasso>, LivenessError> {
    let mut components = Components::new(graph, pairs, query, cancel);
    let Some((start, stem)) = shortest_stem(graph, query, |state| components.is_fair(state))? else {
        return Ok(None);
    };
    let entry = stem.last().map_or(start, |edge| edge.target);
    let (cycle, cycle_is_shortest) = FairLoop::new(components, entry).walk()?;
    Ok(Some(Lasso { start, stem, cycle, cycle_is_shortest }))
}

/// Whether there is such a lasso.
///
/// # Errors
/// [`LivenessError::Cancelled`] once `cancel` is true.
pub(super) fn exists(
    graph: &Shape,
    pairs: &[Pair],
    query: &Query,
    cancel: Option<&AtomicBool>,
) -> Result<bool, LivenessError> {
    let mut components = Components::new(graph, pairs, query, cancel);
    Ok(shortest_stem(graph, query, |state| components.is_fair(state))?.is_some())
}

/// The shortest path, confined as the query says, to a state that satisfies `goal`, with the initial state it starts
/// from.
fn shortest_stem(
    graph: &Shape,
    query: &Query,
    mut goal: impl FnMut(StateId) -> Result<bool, LivenessError>,
) -> Result<Option<(StateId, Vec<Edge>)>, LivenessError> {
    let mut tree = StemTree {
        free: BitSet::none(),
        confined: vec![StateId::MAX; graph.len()],
        queue: VecDeque::with_capacity(1024),
        query,
    };
    for &state in graph.initial() {
        match query.from {
            Origin::Initial => tree.reach(state, state),
            Origin::Reached(_) => tree.reach_freely(state),
        }
    }
    while let Some((state, confined)) = tree.queue.pop_front() {
        if !confined {
            graph.edges(state).for_each(|edge| tree.reach_freely(edge.target));
        } else if goal(state)? {
            return Ok(Some(tree.path(graph, state)));
        } else {
            graph.edges(state).for_each(|edge| tree.reach(edge.target, state));
        }
    }
    Ok(None)
}

/// Breadth-first search in two layers: before and after the beginning of the confined part.
struct StemTree<'q> {
    /// States reached in the first layer.
    free: BitSet,
    /// Predecessors in the second layer; a state where it begins is its own.
    confined: Vec<StateId>,
    queue: VecDeque<(StateId, bool)>,
    query: &'q Query,
}

impl StemTree<'_> {
    fn reach_freely(&mut self, state: StateId) {
        if self.free.contains(state as usize) {
            return;
        }
        self.free.insert(state as usize);
        self.queue.push_back((state, false));
        if matches!(&self.query.from, Origin::Reached(from) if from.contains(state as usize)) {
            self.reach(state, state);
        }
    }

    fn reach(&mut self, state: StateId, from: StateId) {
        let predecessor = &mut self.confined[state as usize];
        if *predecessor == StateId::MAX && self.query.stem.contains(state as usize) {
            *predecessor = from;
            self.queue.push_back((state, true));
        }
    }

    fn path(&self, graph: &Shape, end: StateId) -> (StateId, Vec<Edge>) {
        let mut path = Vec::new();
        let mut at = end;
        while self.confined[at as usize] != at {
            let from = self.confined[at as usize];
            path.push(graph.edges(from).find(|edge| edge.target == at).expect("a predecessor has a transition"));
            at = from;
        }
        path.extend(graph.path_to(at).into_iter().rev());
        path.reverse();
        (path.first().map_or(end, |edge| edge.source), path)
    }
}

/// In [`Components::part`]: no fair loop goes through the state.
const OUTSIDE: u32 = 0;
/// In [`Components::part`]: not yet classified. Greater numbers are components.
const CANDIDATE: u32 = 1;

/// Which states lie on a loop that the query allows and that satisfies all pairs.
struct Components<'a> {
    graph: &'a Shape,
    pairs: &'a [Pair],
    query: &'a Query,
    cancel: Option<&'a AtomicBool>,
    part: Vec<u32>,
    /// Transitions that a fair loop may use.
    edges: BitSet,
    /// The greatest number that is in use.
    parts: u32,
    /// While a state is on the stack: the smallest order known to be on the stack and reachable from it. Otherwise 0,
    /// until [`FairLoop::new`] uses the same memory for the positions of the states of one component.
    low: Vec<u32>,
    stack: Vec<StateId>,
    calls: Vec<Call>,
    /// Pairs that the component at hand does not satisfy; kept so that no component needs an allocation of its own.
    unfair: Vec<&'a Pair>,
    /// What is left of components that have to be decomposed again, by number.
    again: Vec<(u32, Vec<StateId>)>,
    /// How often a state was visited, in all decompositions together.
    visited: usize,
}

/// What a recursive formulation would keep on its stack.
struct Call {
    state: StateId,
    /// The state's position in the order of visits, from 1.
    order: u32,
    /// How many of its transitions have been followed.
    followed: u32,
}

impl<'a> Components<'a> {
    fn new(graph: &'a Shape, pairs: &'a [Pair], query: &'a Query, cancel: Option<&'a AtomicBool>) -> Components<'a> {
        let part = |state| if query.cycle.state(state) { CANDIDATE } else { OUTSIDE };
        Components {
            graph,
            pairs,
            query,
            cancel,
            part: graph.ids().map(part).collect(),
            edges: query.cycle.edges.clone(),
            parts: CANDIDATE,
            low: vec![0; graph.len()],
            stack: Vec::new(),
            calls: Vec::new(),
            unfair: Vec::new(),
            again: Vec::new(),
            visited: 0,
        }
    }

    fn is_fair(&mut self, state: StateId) -> Result<bool, LivenessError> {
        if self.part[state as usize] == CANDIDATE {
            self.decompose(state, CANDIDATE)?;
            while let Some((region, states)) = self.again.pop() {
                for state in states {
                    if self.part[state as usize] == region {
                        self.decompose(state, region)?;
                    }
                }
            }
        }
        Ok(self.part[state as usize] != OUTSIDE)
    }

    /// Classifies everything that `root` reaches within a region: the states whose part has this number.
    ///
    /// A finished state has left the region, so whatever is still in it and has an order is on the stack.
    fn decompose(&mut self, root: StateId, region: u32) -> Result<(), LivenessError> {
        let mut visits = 0;
        cancelled(self.cancel, self.visited)?;
        self.enter(root, &mut visits);
        while let Some(call) = self.calls.last_mut() {
            let state = call.state;
            let out = self.graph.edge_range(state);
            let index = out.start + call.followed as usize;
            if index < out.end {
                call.followed += 1;
                let target = self.graph.edge_at(state, index).target;
                if self.part[target as usize] != region || !self.edges.contains(index) {
                    continue;
                }
                if self.low[target as usize] == 0 {
                    cancelled(self.cancel, self.visited)?;
                    self.enter(target, &mut visits);
                } else {
                    self.lower(state, self.low[target as usize]);
                }
            } else {
                let is_root = self.low[state as usize] == call.order;
                self.calls.pop();
                if is_root {
                    self.close(state);
                } else {
                    let caller = self.calls.last().expect("the first state visited is a root").state;
                    self.lower(caller, self.low[state as usize]);
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, state: StateId, visits: &mut u32) {
        *visits += 1;
        self.visited += 1;
        self.low[state as usize] = *visits;
        self.stack.push(state);
        self.calls.push(Call { state, order: *visits, followed: 0 });
    }

    fn lower(&mut self, state: StateId, low: u32) {
        let known = &mut self.low[state as usize];
        *known = low.min(*known);
    }

    /// Takes a complete component off the stack and judges it.
    fn close(&mut self, root: StateId) {
        let at = self.stack.iter().rposition(|&state| state == root).expect("a root is on the stack");
        // The number can be given again if nothing keeps it.
        let part = self.parts + 1;
        for &state in &self.stack[at..] {
            self.part[state as usize] = part;
            self.low[state as usize] = 0;
        }
        let mut unfair = std::mem::take(&mut self.unfair);
        unfair.clear();
        let states = &self.stack[at..];
        if !self.meets(&self.query.must, part, states) {
            states.iter().for_each(|&state| self.part[state as usize] = OUTSIDE);
        } else {
            // For a single state the first unfair pair mostly settles it; if not, the others get their turn.
            let enough = if states.len() == 1 { 1 } else { self.pairs.len() };
            let is_unfair = |pair: &&Pair| !self.meets(&pair.q, part, states) && self.meets(&pair.p, part, states);
            unfair.extend(self.pairs.iter().filter(is_unfair).take(enough));
            if unfair.is_empty() {
                self.parts = part;
            } else {
                self.avoid_premises(&unfair, part, at);
            }
        }
        self.unfair = unfair;
        self.stack.truncate(at);
    }

    /// Takes the premises of unfair pairs out of a component; what is left has to be decomposed again.
    fn avoid_premises(&mut self, unfair: &[&Pair], part: u32, at: usize) {
        let states = &self.stack[at..];
        for &state in states {
            if unfair.iter().any(|pair| pair.p.state(state)) {
                self.part[state as usize] = OUTSIDE;
            }
            for index in self.graph.edge_range(state) {
                if unfair.iter().any(|pair| pair.p.edge(index)) {
                    self.edges.remove(index);
                }
            }
        }
        let rest: Vec<_> = states.iter().copied().filter(|&state| self.part[state as usize] == part).collect();
        if !rest.is_empty() {
            self.parts = part;
            self.again.push((part, rest));
        }
    }

    /// Whether a loop through all of this component would meet the marks.
    fn meets(&self, marks: &Marks, part: u32, states: &[StateId]) -> bool {
        states.iter().any(|&state| marks.state(state))
            || !marks.edges.is_empty()
                && states.iter().any(|&state| self.loop_edges(state, part).any(|edge| marks.edge(edge.index)))
    }

    /// The transitions by which a fair loop may leave a state of this component.
    fn loop_edges(&self, state: StateId, part: u32) -> impl Iterator<Item = Edge> + '_ {
        self.graph
            .edges(state)
            .filter(move |edge| self.part[edge.target as usize] == part && self.edges.contains(edge.index))
    }
}

/// A closed walk in one fair component.
struct FairLoop<'a> {
    components: Components<'a>,
    part: u32,
    entry: StateId,
    states: Vec<StateId>,
}

/// Something that a walk has to meet: the conclusion if it meets the premise, or in any case.
struct Demand<'a> {
    premise: Option<&'a Marks>,
    conclusion: &'a Marks,
}

impl<'a> Demand<'a> {
    fn marks(&self) -> impl Iterator<Item = &'a Marks> {
        std::iter::once(self.conclusion).chain(self.premise)
    }
}

/// How many (state, marks met) combinations one breadth-first search for a walk may number.
const COMBINATIONS: usize = 1 << 24;
/// What such a search takes for each of them: a predecessor and a place in the queue.
const BYTES_PER_COMBINATION: usize = 2 * size_of::<u32>();

impl<'a> FairLoop<'a> {
    fn new(mut components: Components<'a>, entry: StateId) -> Self {
        let part = components.part[entry as usize];
        let states: Vec<_> = components.graph.ids().filter(|&id| components.part[id as usize] == part).collect();
        // From here on `low` is the position of a state in this list.
        for (position, &state) in (0..).zip(&states) {
            components.low[state as usize] = position;
        }
        FairLoop { components, part, entry, states }
    }

    /// A fair walk from the entry back to it, and whether none is shorter.
    ///
    /// The shortest walk that meets some of the demands bounds all fair ones from below. If it breaks a pair, the pair
    /// becomes a demand too, until none is broken. Where there are too many demands to be searched for at once, or too
    /// little memory, they are met in turn.
    fn walk(&self) -> Result<(Vec<Edge>, bool), LivenessError> {
        let mut demands = vec![Demand { premise: None, conclusion: &self.components.query.must }];
        loop {
            let marks: usize = demands.iter().map(|demand| demand.marks().count()).sum();
            let mut share = self.components.graph.more_memory();
            let at_once = demands.len() == 1
                || marks <= (COMBINATIONS / self.states.len()).max(1).ilog2() as usize
                    && share.grow((self.states.len() << marks) * BYTES_PER_COMBINATION).is_ok();
            let walk = if at_once { self.shortest_walk(&demands)? } else { self.meet_in_turn(&demands)? };
            let broken = |pair: &&Pair| self.met(&pair.p, &walk) && !self.met(&pair.q, &walk);
            let known = demands.len();
            demands.extend(self.components.pairs.iter().filter(broken).map(|pair| Demand {
                premise: Some(&pair.p).filter(|premise| !premise.state(self.entry)),
                conclusion: &pair.q,
            }));
            if demands.len() == known {
                return Ok((walk, at_once));
            }
        }
    }

    fn met(&self, marks: &Marks, walk: &[Edge]) -> bool {
        marks.state(self.entry) || walk.iter().any(|edge| marks.edge(edge.index) || marks.state(edge.target))
    }

    /// A closed walk that meets all conclusions: one round trip after the other.
    fn meet_in_turn(&self, demands: &[Demand]) -> Result<Vec<Edge>, LivenessError> {
        let mut walk = Vec::new();
        for &Demand { conclusion, .. } in demands {
            if !self.met(conclusion, &walk) {
                walk.extend(self.shortest_walk(&[Demand { premise: None, conclusion }])?);
            }
        }
        Ok(walk)
    }

    /// Breadth-first search over the states of the component, each combined with the set of marks met so far.
    fn shortest_walk(&self, demands: &[Demand]) -> Result<Vec<Edge>, LivenessError> {
        let marks: Vec<&Marks> = demands.iter().flat_map(Demand::marks).collect();
        let met = |by: &dyn Fn(&Marks) -> bool| {
            marks.iter().enumerate().fold(0, |met, (bit, marks)| met | usize::from(by(marks)) << bit)
        };
        let done = |met: usize| {
            let mut bits = (0..marks.len()).map(|bit| met >> bit & 1 == 1);
            let mut next = || bits.next().expect("one bit per mark");
            demands.iter().all(|demand| {
                let concluded = next();
                let open = demand.premise.is_none_or(|_| next());
                concluded || !open
            })
        };
        let node = |state: StateId, met: usize| (self.components.low[state as usize] as usize) << marks.len() | met;
        let split = |node: usize| (self.states[node >> marks.len()], node & ((1 << marks.len()) - 1));
        let steps = |from: usize| {
            let (state, before) = split(from);
            self.components.loop_edges(state, self.part).map(move |edge| {
                let here = met(&|marks| marks.edge(edge.index) || marks.state(edge.target));
                (node(edge.target, before | here), edge)
            })
        };

        let start = node(self.entry, met(&|marks| marks.state(self.entry)));
        let mut predecessor = vec![u32::MAX; self.states.len() << marks.len()];
        predecessor[start] = start as u32;
        let mut queue = VecDeque::from([start as u32]);
        let mut visits = 0;
        let mut at = loop {
            let from = queue.pop_front().expect("a fair component meets every demand and is strongly connected");
            if matches!(split(from as usize), (state, met) if state == self.entry && done(met)) {
                break from as usize;
            }
            visits += 1;
            cancelled(self.components.cancel, visits)?;
            for (to, _) in steps(from as usize) {
                if predecessor[to] == u32::MAX {
                    predecessor[to] = from;
                    queue.push_back(to as u32);
                }
            }
        };
        let mut walk = Vec::new();
        while at != start {
            let from = predecessor[at] as usize;
            walk.push(steps(from).find(|(to, _)| *to == at).expect("a predecessor has a transition").1);
            at = from;
        }
        walk.reverse();
        Ok(walk)
    }
}

/// Now and then asks whether the search was cancelled.
fn cancelled(cancel: Option<&AtomicBool>, step: usize) -> Result<(), LivenessError> {
    let asked = step.is_multiple_of(8192) && cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed));
    if asked { Err(LivenessError::Cancelled) } else { Ok(()) }
}
