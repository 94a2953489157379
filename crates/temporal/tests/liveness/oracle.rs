//! Liveness under fairness by brute force: every set of transitions that a run could take infinitely often is looked
//! at.
//!
//! The transitions that a run takes infinitely often form a strongly connected set, and each such set is taken
//! infinitely often by some run: whatever a condition says of it can be read off the set. The only other runs stutter
//! for ever in one state. So a graph of eleven transitions has at most 2,048 loops, and no component, splitting or
//! shortest path is needed.

/// A small labelled graph; sets of its states and of its transitions are bits.
#[derive(Debug)]
pub struct Small {
    pub initial: Vec<u32>,
    /// Distinct.
    pub edges: Vec<(u32, u8, u32)>,
}

/// What a run does infinitely often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loop {
    pub states: u32,
    /// None: it stutters.
    pub edges: u32,
}

/// Something that may occur infinitely often.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    States(u32),
    Steps(u32),
}

#[derive(Clone, Copy, Debug)]
pub enum Fair {
    /// Labels as bits.
    Weak(u32),
    Strong(u32),
    Streett(Event, Event),
}

#[derive(Clone, Copy, Debug)]
pub enum Claim {
    Eventually(u32),
    LeadsTo(u32, u32),
    AlwaysEventually(Event),
    EventuallyAlways(u32),
    Infinitely(Event, Event),
}

const ANY: u32 = u32::MAX;

impl Small {
    /// The states that some run visits.
    fn reachable(&self) -> u32 {
        self.closure(self.initial.iter().fold(0, |set, s| set | 1 << s), ANY, |&(s, _, t)| (s, t))
    }

    /// Whether what the claim begins with occurs on no run.
    pub fn never_begins(&self, claim: Claim) -> bool {
        let reachable = self.reachable();
        let from = |s: u32| reachable >> s & 1 == 1;
        let steps = self.edges.iter().enumerate().filter(|(_, (s, ..))| from(*s)).fold(0, |set, (i, _)| set | 1 << i);
        match claim {
            Claim::LeadsTo(p, _) => p & reachable == 0,
            Claim::Infinitely(p, _) => !self.occurs(p, Loop { states: reachable, edges: steps }),
            _ => false,
        }
    }

    /// All loops, those with the most transitions first.
    pub fn loops(&self) -> Vec<Loop> {
        let reachable = self.reachable();
        let stutter = (0..32).filter(|s| reachable >> s & 1 == 1).map(|s| Loop { states: 1 << s, edges: 0 });
        let moving = (1..1u32 << self.edges.len()).filter_map(|edges| {
            let states = self.chosen(edges).fold(0u32, |set, (s, _, t)| set | 1 << s | 1 << t);
            let one = states & states.wrapping_neg();
            let connected = self.closure(one, edges, |&(s, _, t)| (s, t)) == states
                && self.closure(one, edges, |&(s, _, t)| (t, s)) == states;
            (connected && states & !reachable == 0).then_some(Loop { states, edges })
        });
        let mut loops: Vec<_> = stutter.chain(moving).collect();
        loops.sort_by_key(|l| std::cmp::Reverse(l.edges.count_ones()));
        loops
    }

    fn chosen(&self, edges: u32) -> impl Iterator<Item = (u32, u8, u32)> + '_ {
        self.edges.iter().enumerate().filter(move |(i, _)| edges >> i & 1 == 1).map(|(_, &edge)| edge)
    }

    /// What can be reached from a set by some of the transitions, seen in one direction or the other.
    fn closure(&self, mut set: u32, edges: u32, ends: impl Fn(&(u32, u8, u32)) -> (u32, u32)) -> u32 {
        loop {
            let next = self.chosen(edges).map(|edge| ends(&edge)).fold(set, |set, (s, t)| set | (set >> s & 1) << t);
            if next == set {
                return set;
            }
            set = next;
        }
    }

    /// Steps from one set of states to another without leaving `within`.
    fn distance(&self, from: u32, within: u32, to: u32) -> Option<usize> {
        let mut seen = from & within;
        for steps in 0..=32 {
            if seen & to != 0 {
                return Some(steps);
            }
            seen |= self.chosen(ANY).fold(0, |set, (s, _, t)| set | (seen >> s & 1) << t) & within;
        }
        None
    }

    /// The transitions that change the state.
    fn changing(&self) -> u32 {
        self.edges.iter().enumerate().fold(0, |set, (i, (s, _, t))| set | u32::from(s != t) << i)
    }

    /// The transitions that change the state and bear one of these labels.
    fn actions(&self, labels: u32) -> u32 {
        let bears = |label: u8| labels >> label & 1;
        self.edges.iter().enumerate().fold(0, |set, (i, (_, label, _))| set | bears(*label) << i) & self.changing()
    }

    fn occurs(&self, event: Event, l: Loop) -> bool {
        match event {
            Event::States(states) => states & l.states != 0,
            Event::Steps(steps) => steps & self.changing() & l.edges != 0,
        }
    }

    pub fn is_fair(&self, fair: Fair, l: Loop) -> bool {
        let enabled = |labels| self.chosen(self.actions(labels)).fold(0, |set, (s, ..)| set | 1 << s);
        let taken = |labels| self.actions(labels) & l.edges != 0;
        match fair {
            Fair::Weak(labels) => taken(labels) || l.states & !enabled(labels) != 0,
            Fair::Strong(labels) => taken(labels) || l.states & enabled(labels) == 0,
            Fair::Streett(p, q) => !self.occurs(p, l) || self.occurs(q, l),
        }
    }

    /// Whether a run with this loop keeps clear of what the claim promises; the loop may still lack what makes that a
    /// violation.
    pub fn keeps_clear(&self, claim: Claim, l: Loop) -> bool {
        match claim {
            Claim::Eventually(q) | Claim::LeadsTo(_, q) => l.states & q == 0,
            Claim::AlwaysEventually(q) | Claim::Infinitely(_, q) => !self.occurs(q, l),
            Claim::EventuallyAlways(_) => true,
        }
    }

    /// The length of the shortest stem with which a run with this loop violates the claim, if there is one.
    pub fn violating_stem(&self, claim: Claim, l: Loop) -> Option<usize> {
        let initial = self.initial.iter().fold(0, |set, s| set | 1 << s);
        let violated = self.keeps_clear(claim, l)
            && match claim {
                Claim::EventuallyAlways(p) => l.states & !p != 0,
                Claim::Infinitely(p, _) => self.occurs(p, l),
                _ => true,
            };
        if !violated {
            return None;
        }
        match claim {
            Claim::Eventually(p) => self.distance(initial, !p, l.states),
            Claim::LeadsTo(p, q) => (0..32)
                .filter(|s| (p & !q) >> s & 1 == 1)
                .filter_map(|s| Some(self.distance(initial, ANY, 1 << s)? + self.distance(1 << s, !q, l.states)?))
                .min(),
            _ => self.distance(initial, ANY, l.states),
        }
    }

    /// Whether the loop visits no state twice on its way round.
    pub fn is_simple(&self, l: Loop) -> bool {
        l.edges == 0 || l.edges.count_ones() == l.states.count_ones()
    }
}
