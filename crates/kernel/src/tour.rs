//! A tour of a graph: paths from the initial state that together take every transition.

use std::collections::VecDeque;

use stateright_temporal::graph::{Graph, StateId};

/// How many states are looked at for a transition that is left before another path is begun.
const NEAR: usize = 200;

/// Which transitions of a graph have been taken, and where the next one is that has not.
pub(super) struct Tour<'g, S, L> {
    graph: &'g Graph<S, L>,
    done: Vec<bool>,
    /// The transitions that have been taken.
    pub(super) taken: usize,
    /// The transitions that were given up.
    pub(super) given_up: usize,
    /// The next transition of each state that may be left.
    next: Vec<usize>,
    /// Nothing is left at the states below this one.
    first: StateId,
    /// In which wave of [`Tour::nearby`] a state was last seen, and from where it was reached then.
    seen: Vec<u32>,
    came: Vec<(StateId, usize)>,
    wave: u32,
}

impl<'g, S, L> Tour<'g, S, L> {
    pub(super) fn new(graph: &'g Graph<S, L>) -> Self {
        Tour {
            graph,
            done: vec![false; graph.transitions()],
            taken: 0,
            given_up: 0,
            next: graph.ids().map(|id| graph.edge_range(id).start).collect(),
            first: 0,
            seen: vec![0; graph.len()],
            came: vec![(0, 0); graph.len()],
            wave: 0,
        }
    }

    /// The first state at which a transition is left; `None` if none is left anywhere.
    pub(super) fn destination(&mut self) -> Option<StateId> {
        while (self.first as usize) < self.graph.len() && self.open(self.first).is_none() {
            self.first += 1;
        }
        ((self.first as usize) < self.graph.len()).then_some(self.first)
    }

    /// The shortest way from a state to a transition that is left, with it; `None` if none is near.
    pub(super) fn onward(&mut self, at: StateId) -> Option<Vec<usize>> {
        match self.open(at) {
            Some(edge) => Some(vec![edge]),
            None => self.nearby(at),
        }
    }

    /// Notes that a transition has been taken.
    pub(super) fn take(&mut self, index: usize) {
        self.taken += usize::from(!std::mem::replace(&mut self.done[index], true));
    }

    /// Gives up what is left at a state.
    pub(super) fn give_up(&mut self, at: StateId) {
        for index in self.graph.edge_range(at) {
            self.given_up += usize::from(!std::mem::replace(&mut self.done[index], true));
        }
    }

    /// A transition of a state that is left.
    fn open(&mut self, id: StateId) -> Option<usize> {
        let end = self.graph.edge_range(id).end;
        let at = &mut self.next[id as usize];
        while *at < end && self.done[*at] {
            *at += 1;
        }
        (*at < end).then_some(*at)
    }

    fn nearby(&mut self, at: StateId) -> Option<Vec<usize>> {
        self.wave += 1;
        self.seen[at as usize] = self.wave;
        let (graph, mut looked) = (self.graph, 0);
        let mut queue = VecDeque::from([at]);
        while let Some(id) = queue.pop_front().filter(|_| looked < NEAR) {
            looked += 1;
            for edge in graph.edges(id) {
                if std::mem::replace(&mut self.seen[edge.target as usize], self.wave) == self.wave {
                    continue;
                }
                self.came[edge.target as usize] = (id, edge.index);
                if let Some(open) = self.open(edge.target) {
                    return Some(self.way(at, edge.target, open));
                }
                queue.push_back(edge.target);
            }
        }
        None
    }

    /// The way that the last wave has gone from one state to another, and a transition from there.
    fn way(&self, from: StateId, to: StateId, last: usize) -> Vec<usize> {
        let (mut way, mut id) = (vec![last], to);
        while id != from {
            let (before, edge) = self.came[id as usize];
            way.push(edge);
            id = before;
        }
        way.reverse();
        way
    }
}

#[cfg(test)]
mod tests {
    use stateright::{Model, Property};
    use stateright_temporal::graph::Search;

    use super::*;

    /// A grid of 30 by 30 crossings with one-way streets, each of which leads back to the start at the far ends.
    struct Streets;

    impl Model for Streets {
        type State = (u8, u8);
        type Action = bool;

        fn init_states(&self) -> Vec<(u8, u8)> {
            vec![(0, 0)]
        }

        fn actions(&self, _: &(u8, u8), actions: &mut Vec<bool>) {
            actions.extend([false, true]);
        }

        fn next_state(&self, &(x, y): &(u8, u8), right: bool) -> Option<(u8, u8)> {
            let next = if right { (x + 1, y) } else { (x, y + 1) };
            Some(if next.0 == 30 || next.1 == 30 { (0, 0) } else { next })
        }

        fn properties(&self) -> Vec<Property<Self>> {
            Vec::new()
        }
    }

    #[test]
    fn every_transition_is_taken_along_connected_paths() {
        let graph = Search::new(&Streets, |right| *right).run();
        assert_eq!((graph.len(), graph.transitions()), (900, 1_800));
        let mut tour = Tour::new(&graph);
        let mut walked = vec![false; graph.transitions()];
        while let Some(destination) = tour.destination() {
            let mut at = graph.initial()[0];
            let mut way: Vec<usize> = graph.path_to(destination).iter().map(|edge| edge.index).collect();
            loop {
                for index in way {
                    assert!(graph.edge_range(at).contains(&index), "{index} does not begin at {at}");
                    (walked[index], at) = (true, graph.edge_at(at, index).target);
                    tour.take(index);
                }
                match tour.onward(at) {
                    Some(onward) => way = onward,
                    None => break,
                }
            }
        }
        assert!(walked.iter().all(|&walked| walked));
        assert_eq!((tour.taken, tour.given_up), (1_800, 0));
    }

    #[test]
    fn what_is_given_up_is_not_a_destination() {
        let graph = Search::new(&Streets, |right| *right).run();
        let mut tour = Tour::new(&graph);
        tour.take(0);
        graph.ids().for_each(|id| tour.give_up(id));
        assert_eq!((tour.taken, tour.given_up, tour.destination()), (1, 1_799, None));
    }
}
