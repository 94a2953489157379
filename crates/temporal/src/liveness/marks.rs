//! Sets of states and transitions of one graph, kept as bits.

use crate::graph::StateId;

/// A set of small numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BitSet {
    /// The last word is not zero, so equal sets are equal values.
    words: Vec<u64>,
}

impl BitSet {
    /// Returns the empty set, which takes no memory.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns the set of the numbers `0..len`.
    pub fn all(len: usize) -> Self {
        Self::from_fn(len, |_| true)
    }

    /// Returns the set of the numbers below `len` that satisfy `contains`, which is asked in ascending order.
    pub fn from_fn(len: usize, mut contains: impl FnMut(usize) -> bool) -> Self {
        let words = (0..len)
            .step_by(64)
            .map(|start| (start..len.min(start + 64)).fold(0, |word, i| word | u64::from(contains(i)) << (i - start)));
        let mut set = BitSet { words: words.collect() };
        set.trim();
        set
    }

    /// Returns whether `i` is in the set.
    pub fn contains(&self, i: usize) -> bool {
        self.words.get(i / 64).is_some_and(|word| word >> (i % 64) & 1 == 1)
    }

    /// Adds `i`.
    pub fn insert(&mut self, i: usize) {
        if i / 64 >= self.words.len() {
            self.words.resize(i / 64 + 1, 0);
        }
        self.words[i / 64] |= 1 << (i % 64);
    }

    /// Removes `i`.
    pub fn remove(&mut self, i: usize) {
        if let Some(word) = self.words.get_mut(i / 64) {
            *word &= !(1 << (i % 64));
            self.trim();
        }
    }

    /// Returns whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }
}

/// Marked states and marked transitions. They stand for something that happens at some points of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// States, by [`StateId`].
    pub states: BitSet,
    /// Transitions, by [`Edge::index`](crate::graph::Edge::index).
    pub edges: BitSet,
}

impl Marks {
    /// Marks these states and no transition.
    pub fn states(states: BitSet) -> Self {
        Marks { states, edges: BitSet::none() }
    }

    /// Marks these transitions and no state.
    pub fn edges(edges: BitSet) -> Self {
        Marks { states: BitSet::none(), edges }
    }

    /// Returns whether a state is marked.
    pub fn state(&self, id: StateId) -> bool {
        self.states.contains(id as usize)
    }

    /// Returns whether the transition of this index is marked.
    pub fn edge(&self, index: usize) -> bool {
        self.edges.contains(index)
    }
}

/// A Streett pair. A run satisfies it if it meets `q` infinitely often, or does not meet `p` infinitely often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The premise.
    pub p: Marks,
    /// The conclusion.
    pub q: Marks,
}
