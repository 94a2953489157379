//! The search for a fair loop and a path to it.
//!
//! The states where the loop may go are decomposed into strongly connected components (Tarjan 1972, without recursion). A
//! component that meets the premise of a pair but not its conclusion can only hold a fair loop that avoids the premise: what
//! is marked by the premise is taken out and the rest decomposed again (Emerson & Lei, *Modalities for model checking*, 1987).
//! Components are classified when the breadth-first search for the stem reaches them, so the first fair one ends the search
//! and its stem is a shortest one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use super::marks::{BitSet, Marks, Pair};
use super::LivenessError;
use crate::graph::{Edge, Graph, StateId};

/// What to look for: a path, then a loop.
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
    /// Any fair run of the graph; narrow it by replacing fields.
    pub fn any<S, L>(graph: &Graph<S, L>) -> Self {
        let states = BitSet::all(graph.len());
        let cycle = Marks { states: states.clone(), edges: BitSet::all(graph.transitions()) };
        Query { from: Origin::Initial, stem: states.clone(), cycle, must: Marks::states(states) }
    }
}

/// A run that ends in a loop: no run with the asked-for loop has a shorter stem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lasso {
    /// The initial state.
    pub start: StateId,
    /// From the initial state to the loop; empty if the loop begins there.
    pub stem: Vec<Edge>,
    /// From the end of the stem back to it; empty if the run stutters there for ever. States may repeat.
    pub cycle: Vec<Edge>,
    /// Whether no loop from the end of this stem would do with fewer transitions. Otherwise it is not proven shortest.
    pub cycle_is_shortest: bool,
}

impl Lasso {
    /// The state where the stem ends and the loop begins.
    pub fn entry(&self) -> StateId {
        self.stem.last().map_or(self.start, |edge| edge.target)
    }
}

/// Finds a lasso that answers the query and satisfies all pairs, or none if there is none.
///
/// In every state a run may also stutter for ever; stuttering meets the marks of that state and no transition's. The same
/// graph, pairs and query give the same lasso.
///
/// # Errors
/// [`LivenessError::Cancelled`] once `cancel` is true.
pub fn find<S, L>(
    graph: &Graph<S, L>,
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

/// The shortest path, confined as the query says, to a state that satisfies `goal`, with the initial state it starts from.
fn shortest_stem<S, L>(
    graph: &Graph<S, L>,
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

    fn path<S, L>(&self, graph: &Graph<S, L>, end: StateId) -> (StateId, Vec<Edge>) {
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
struct Components<'a, S, L> {
    graph: &'a Graph<S, L>,
    pairs: &'a [Pair],
    query: &'a Query,
    cancel: Option<&'a AtomicBool>,
    part: Vec<u32>,
    /// Transitions that a fair loop may use.
    edges: BitSet,
    /// Components that are numbered so far.
    parts: u32,
    /// While a state is on the stack: the smallest order known to be on the stack and reachable from it. Otherwise 0.
    low: Vec<u32>,
    stack: Vec<StateId>,
    calls: Vec<Call>,
    /// Pairs that the component at hand does not satisfy.
    unfair: Vec<&'a Pair>,
    /// What is left of components that have to be decomposed again, by number.
    again: Vec<(u32, Vec<StateId>)>,
}

/// What a recursive formulation would keep on its stack.
struct Call {
    state: StateId,
    /// The state's position in the order of visits, from 1.
    order: u32,
    /// How many of its transitions have been followed.
    followed: u32,
}

impl<'a, S, L> Components<'a, S, L> {
    fn new(
        graph: &'a Graph<S, L>,
        pairs: &'a [Pair],
        query: &'a Query,
        cancel: Option<&'a AtomicBool>,
    ) -> Components<'a, S, L> {
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
                    cancelled(self.cancel, visits as usize)?;
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
        self.parts += 1;
        let part = self.parts;
        for &state in &self.stack[at..] {
            self.part[state as usize] = part;
            self.low[state as usize] = 0;
        }
        let states = &self.stack[at..];
        if self.meets(&self.query.must, part, states) {
            self.unfair.clear();
            for pair in self.pairs {
                if !self.meets(&pair.q, part, states) && self.meets(&pair.p, part, states) {
                    self.unfair.push(pair);
                }
            }
            if !self.unfair.is_empty() {
                self.avoid_premises(part, at);
            }
        } else {
            states.iter().for_each(|&state| self.part[state as usize] = OUTSIDE);
        }
        self.stack.truncate(at);
    }

    /// Takes the premises of the unfair pairs out of a component; what is left has to be decomposed again.
    fn avoid_premises(&mut self, part: u32, at: usize) {
        let states = &self.stack[at..];
        for &state in states {
            if self.unfair.iter().any(|pair| pair.p.state(state)) {
                self.part[state as usize] = OUTSIDE;
            }
            for index in self.graph.edge_range(state) {
                if self.unfair.iter().any(|pair| pair.p.edge(index)) {
                    self.edges.remove(index);
                }
            }
        }
        let rest: Vec<_> = states.iter().copied().filter(|&state| self.part[state as usize] == part).collect();
        if !rest.is_empty() {
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
struct FairLoop<'a, S, L> {
    components: Components<'a, S, L>,
    part: u32,
    entry: StateId,
    states: Vec<StateId>,
}

/// About how many (state, marks met) combinations one breadth-first search for a walk may number.
const COMBINATIONS: usize = 1 << 22;

impl<'a, S, L> FairLoop<'a, S, L> {
    fn new(mut components: Components<'a, S, L>, entry: StateId) -> Self {
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
    /// The shortest walk that meets what the query demands bounds all others from below. If it is not fair, the conclusions
    /// that it lacks become demands too, until nothing is lacking; then demands that turn out superfluous are dropped.
    fn walk(&self) -> Result<(Vec<Edge>, bool), LivenessError> {
        let mut demands = vec![&self.components.query.must];
        let mut walk = self.meet_all(&demands)?;
        let mut lacking = self.lacking(&walk);
        if lacking.is_empty() {
            return Ok((walk, true));
        }
        while !lacking.is_empty() {
            demands.append(&mut lacking);
            walk = self.meet_all(&demands)?;
            lacking = self.lacking(&walk);
        }
        let droppable = if demands.len() <= self.at_once() { 1..demands.len() } else { 0..0 };
        for i in droppable.rev() {
            let mut fewer = demands.clone();
            fewer.remove(i);
            let candidate = self.meet_all(&fewer)?;
            if candidate.len() < walk.len() && self.lacking(&candidate).is_empty() {
                (walk, demands) = (candidate, fewer);
            }
        }
        Ok((walk, false))
    }

    /// The conclusions that a walk does not meet though it meets their premises.
    fn lacking(&self, walk: &[Edge]) -> Vec<&'a Marks> {
        let met = |marks: &Marks| {
            marks.state(self.entry) || walk.iter().any(|edge| marks.edge(edge.index) || marks.state(edge.target))
        };
        self.components.pairs.iter().filter(|pair| met(&pair.p) && !met(&pair.q)).map(|pair| &pair.q).collect()
    }

    /// A closed walk that meets all demands: the shortest one if they are few enough to be searched for at once.
    fn meet_all(&self, demands: &[&Marks]) -> Result<Vec<Edge>, LivenessError> {
        let mut walk = Vec::new();
        for demands in demands.chunks(self.at_once()) {
            walk.extend(self.shortest_walk(demands)?);
        }
        Ok(walk)
    }

    /// How many demands one search may combine.
    fn at_once(&self) -> usize {
        (COMBINATIONS / self.states.len()).max(2).ilog2() as usize
    }

    /// Breadth-first search over the states of the component, each combined with the set of demands met so far.
    fn shortest_walk(&self, demands: &[&Marks]) -> Result<Vec<Edge>, LivenessError> {
        let all = (1 << demands.len()) - 1;
        let at_state = |state| met(demands, |marks| marks.state(state));
        let at_edge = |edge: &Edge| met(demands, |marks| marks.edge(edge.index) || marks.state(edge.target));
        let node = |state: StateId, met: usize| (self.components.low[state as usize] as usize) << demands.len() | met;
        let state_of = |node: usize| self.states[node >> demands.len()];
        let steps = |from: usize| {
            let edges = self.components.loop_edges(state_of(from), self.part);
            edges.map(move |edge| (node(edge.target, from & all | at_edge(&edge)), edge))
        };

        let start = node(self.entry, at_state(self.entry));
        let goal = node(self.entry, all);
        let mut predecessor = vec![u32::MAX; self.states.len() << demands.len()];
        predecessor[start] = start as u32;
        let mut queue = VecDeque::from([start as u32]);
        let mut visits = 0;
        while predecessor[goal] == u32::MAX {
            let from = queue.pop_front().expect("a fair component meets every demand and is strongly connected");
            visits += 1;
            cancelled(self.components.cancel, visits)?;
            for (to, _) in steps(from as usize) {
                if predecessor[to] == u32::MAX {
                    predecessor[to] = from;
                    queue.push_back(to as u32);
                }
            }
        }
        let mut walk = Vec::new();
        let mut at = goal;
        while at != start {
            let from = predecessor[at] as usize;
            walk.push(steps(from).find(|(to, _)| *to == at).expect("a predecessor has a transition").1);
            at = from;
        }
        walk.reverse();
        Ok(walk)
    }
}

/// The demands that are met, as bits.
fn met(demands: &[&Marks], by: impl Fn(&Marks) -> bool) -> usize {
    demands.iter().enumerate().fold(0, |met, (i, marks)| met | usize::from(by(marks)) << i)
}

/// Now and then asks whether the search was cancelled.
fn cancelled(cancel: Option<&AtomicBool>, step: usize) -> Result<(), LivenessError> {
    let asked = step % 8192 == 0 && cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed));
    if asked {
        Err(LivenessError::Cancelled)
    } else {
        Ok(())
    }
}
