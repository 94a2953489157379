//! A labelled directed graph as a model, for tests and for graphs that come from elsewhere.

use stateright::Model;

use crate::graph::StateId;

/// A model that is given by its transitions. Its states are numbers.
///
/// ```
/// use stateright_temporal::graph::Search;
/// use stateright_temporal::liveness::Toy;
///
/// let toy = Toy::new([0], [(0, "go", 1), (1, "back", 0), (7, "unreachable", 0)]);
/// let graph = Search::new(&toy, Toy::label).run();
/// assert_eq!((graph.len(), graph.transitions()), (2, 2));
/// ```
#[derive(Clone, Debug)]
pub struct Toy<L> {
    initial: Vec<StateId>,
    /// Ascending by source; otherwise in the order given.
    edges: Vec<(StateId, L, StateId)>,
}

impl<L: Clone> Toy<L> {
    /// Creates a model with these initial states and these transitions (from, label, to).
    pub fn new(initial: impl Into<Vec<StateId>>, edges: impl Into<Vec<(StateId, L, StateId)>>) -> Self {
        let mut edges = edges.into();
        edges.sort_by_key(|&(source, ..)| source);
        Toy { initial: initial.into(), edges }
    }

    /// Returns the label of an action.
    pub fn label(action: &(L, StateId)) -> L {
        action.0.clone()
    }
}

impl<L: Clone> Model for Toy<L> {
    type State = StateId;
    /// The label and the state that it leads to.
    type Action = (L, StateId);

    fn init_states(&self) -> Vec<StateId> {
        self.initial.clone()
    }

    fn actions(&self, state: &StateId, actions: &mut Vec<Self::Action>) {
        let begin = self.edges.partition_point(|(source, ..)| source < state);
        let edges = self.edges[begin..].iter().take_while(|(source, ..)| source == state);
        actions.extend(edges.map(|(_, label, target)| (label.clone(), *target)));
    }

    fn next_state(&self, _: &StateId, (_, target): Self::Action) -> Option<StateId> {
        Some(target)
    }
}
