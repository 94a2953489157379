//! The ring: state counts, the ghosts, the reduction, the configurations that are refused.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use proptest::prelude::*;
use stateright::{Checker as _, Model, Property};
use stateright_temporal::graph::{Coverage, Graph, Limits, Search};
use stateright_temporal::liveness::{Checker, LivenessVerdict};
use vtd_qi::impl_qi::{
    Action, CleanUp, Hardware, IdStatus, Label, Layout, Length, Lock, Mark, PollUntil, Publish, Reclaim, Ring, RingCfg,
    RingError, Room, RoomWait, Rules, SlotFairness, State, Status,
};
use vtd_qi::refine::{RingToSpec, StepVerdict, check_steps};
use vtd_qi::scenario::Table;
use vtd_qi::spec::Loss;

type Small = Ring<8, 3>;

fn small(rules: Rules, submitters: usize, counts: &[u8], slots: u16) -> Small {
    cfg(RingCfg { length: Length::new(slots).unwrap(), ..RingCfg::new(rules, submitters, counts) })
}

fn cfg(cfg: RingCfg) -> Small {
    Ring::new(cfg).unwrap()
}

fn explore(ring: &Small) -> Graph<State<8, 3>, Label> {
    Search::new(ring, Action::label).run()
}

fn reduced(ring: &Small) -> Graph<State<8, 3>, Label> {
    Search::new(ring, Action::label).canonical(&|state| ring.canonical(state)).run()
}

/// One submitter, lone WDs, four slots, derived by hand.
///
/// Up to rotation: idle; wants the lock; sets the status; writes the WD; writes IQT: 5. Then the WD is unfetched, fetched or
/// DONE while the submitter polls, drops the lock or wants it: 9. Then G4 marks, reclaims one slot, finds the ring empty,
/// returns: 4; and G3 finds DONE, frees the slot, finds FREE, returns: 4. That is 18.
///
/// Unreduced the batch starts at any of four slots, and in the end every slot holds the WD of the last lap: 72. On the first
/// lap the slots ahead are still blank. That makes other states of all 18 for the first three slots, and for the fourth of
/// the 4 up to and including the one in which its WD is about to be written: 58 more, 130.
#[test]
fn the_smallest_count_is_the_one_derived_by_hand() {
    for rules in [Rules::G3, Rules::G4] {
        let ring = small(rules, 1, &[0], 4);
        assert_eq!(reduced(&ring).len(), 18);
        assert_eq!(explore(&ring).len(), 130);
    }
}

/// The ring for stateright's search, with a property that never ends it; some of the ring's own are violated and would.
#[derive(Clone)]
struct Everything {
    ring: Small,
    /// What takes the place of each successor: itself, or its representative.
    image: fn(&Small, &State<8, 3>) -> State<8, 3>,
}

impl Model for Everything {
    type State = State<8, 3>;
    type Action = Action;
    fn init_states(&self) -> Vec<Self::State> {
        self.ring.init_states()
    }
    fn actions(&self, state: &Self::State, actions: &mut Vec<Action>) {
        self.ring.actions(state, actions)
    }
    fn next_state(&self, state: &Self::State, action: Action) -> Option<Self::State> {
        self.ring.next_state(state, action).map(|next| (self.image)(&self.ring, &next))
    }
    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("explore everything", |_, _| true)]
    }
}

/// All states by equality, without numbering, hashing tricks or levels.
fn by_equality<M: Model>(model: &M) -> usize
where
    M::State: Clone + Eq + Hash,
{
    let mut seen: HashSet<M::State> = model.init_states().into_iter().collect();
    let mut todo: Vec<M::State> = seen.iter().cloned().collect();
    while let Some(state) = todo.pop() {
        todo.extend(model.next_states(&state).into_iter().filter(|next| seen.insert(next.clone())));
    }
    seen.len()
}

#[test]
fn counts_are_pinned_and_agree_with_stateright_and_with_equality() {
    let fifo = |rules| RingCfg { lock: Lock::Fifo, length: Length::new(6).unwrap(), ..RingCfg::new(rules, 2, [0, 1]) };
    let pipelined = RingCfg { hardware: Hardware::pipelined(4), ..RingCfg::new(Rules::G4, 2, [0, 1, 2]) };
    // (ring, reduced states, unreduced states, unreduced transitions)
    let pinned = [
        (small(Rules::G3, 2, &[0, 1], 4), 1_423, 14_539, 27_952),
        (small(Rules::G4, 2, &[0, 1], 4), 963, 8_729, 17_936),
        (small(Rules::G3, 2, &[0, 1], 6), 2_775, 82_428, 154_668),
        (small(Rules::G4, 2, &[0, 1], 6), 2_179, 56_596, 110_440),
        (cfg(fifo(Rules::G3)), 6_221, 187_896, 408_524),
        (cfg(fifo(Rules::G4)), 4_789, 122_288, 272_922),
        (cfg(pipelined), 1_592, 14_688, 32_534),
    ];
    for (ring, states, unreduced, transitions) in pinned {
        let name = format!("{:?}", ring.cfg());
        let graph = explore(&ring);
        assert_eq!(
            (reduced(&ring).len(), graph.len(), graph.transitions()),
            (states, unreduced, transitions),
            "{name}"
        );
        let quotient = Everything { ring: ring.clone(), image: |ring, state| ring.canonical(state) };
        let itself = Everything { ring, image: |_, state| *state };
        assert_eq!(quotient.checker().spawn_bfs().join().unique_state_count(), states, "{name}");
        assert_eq!(by_equality(&itself), unreduced, "{name}");
        assert_eq!(itself.checker().spawn_bfs().join().unique_state_count(), unreduced, "{name}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_graph() {
    let ring = small(Rules::G3, 3, &[0, 1], 4);
    let explore = |threads| {
        let limits = Limits { threads, ..Limits::default() };
        Search::new(&ring, Action::label).limits(limits).run()
    };
    let (one, two) = (explore(1), explore(2));
    assert!(one.states() == two.states() && one.labels() == two.labels());
    assert!(one.ids().all(|id| one.edges(id).eq(two.edges(id))));
}

#[test]
fn a_state_of_three_submitters_and_eight_slots_fits_in_64_bytes() {
    assert!(size_of::<State<8, 3>>() <= 64, "{} bytes", size_of::<State<8, 3>>());
}

/// Ghosts are read by properties and mappings only: states that differ in nothing else have the same steps.
/// A state and its [`State::widened`] have the same steps, to states that correspond, and different states stay different.
fn widening_loses_nothing<const N: usize, const T: usize, const F: usize>(ring: &Ring<N, T, F>) {
    let (graph, wide) = (Search::new(ring, Action::label).run(), ring.widened());
    assert_eq!(ring.init_states()[0].widened(), wide.init_states()[0]);
    for id in graph.ids() {
        let state = graph.state(id);
        let steps = |(action, next): (Action, State<N, T, F>)| (action, next.widened());
        let steps: Vec<_> = ring.next_steps(state).into_iter().map(steps).collect();
        assert_eq!(wide.next_steps(&state.widened()), steps, "{state:?}");
    }
    let widened: HashSet<_> = graph.states().iter().map(State::widened).collect();
    assert_eq!(widened.len(), graph.len());
}

#[test]
fn a_widened_state_is_the_same_state() {
    widening_loses_nothing(&small(Rules::G3, 2, &[0, 1], 4));
    let table = vtd_qi::campaign::matrix::Matrix::embedded();
    let cell = table.find("g5-lost-answer-in-order-drop-2x4").unwrap();
    widening_loses_nothing(&Ring::<8, 3, 1>::of(cell.scenario.cfg.clone()));
}

#[test]
fn erasing_the_ghosts_leaves_the_same_transitions() {
    for rules in [Rules::G3, Rules::G4] {
        let graph = explore(&small(rules, 2, &[0, 1], 4));
        let mut steps: HashMap<State<8, 3>, HashSet<(Label, State<8, 3>)>> = HashMap::new();
        let mut merged = 0;
        for id in graph.ids() {
            let edges = graph.edges(id);
            let here: HashSet<_> = edges
                .map(|edge| (graph.labels()[edge.label as usize], graph.state(edge.target).without_ghosts()))
                .collect();
            match steps.get(&graph.state(id).without_ghosts()) {
                Some(known) => {
                    assert_eq!(*known, here);
                    merged += 1;
                }
                None => drop(steps.insert(graph.state(id).without_ghosts(), here)),
            }
        }
        // Before the fix a stuck owner makes states that only the ghosts tell apart; after it there are none.
        assert_eq!(merged > 0, rules == Rules::G3, "{merged} states differ in ghosts only");
    }
}

/// The quotient and the ring itself give the same verdict on every property, and equally long shortest runs to a violation.
#[test]
fn the_reduction_changes_no_verdict() {
    let seeded = |family: &str| Table::embedded().select(family)[0].cfg.rules;
    let rules = [
        Rules::G3,
        Rules::G4,
        seeded("seeded-count-plus-1"),
        seeded("seeded-iqt-before-wd"),
        seeded("seeded-reclaim-to-head"),
        seeded("seeded-wd-first"),
        seeded("seeded-clean-up-unlocked"),
    ];
    for rules in rules {
        let ring = small(rules, 2, &[0, 1], 4);
        let verdicts = |graph: &Graph<State<8, 3>, Label>| {
            let findings: Vec<_> = graph.findings().iter().map(|f| (f.name, f.state.is_some())).collect();
            let depths: Vec<_> =
                graph.findings().iter().map(|f| f.state.map(|state| graph.path_to(state).len())).collect();
            let mapping = RingToSpec::new(&ring, Loss::None).unwrap();
            let steps = check_steps(graph, &mapping, |_| false);
            let failing = match &steps.verdict {
                StepVerdict::StepFails { path, .. } => Some(path.len()),
                StepVerdict::Holds => None,
                other => panic!("{other:?}"),
            };
            let mut live = Vec::new();
            for slots in [SlotFairness::Unfair, SlotFairness::Fair] {
                let checker = Checker::new(graph, &ring.fairness(slots, graph.labels())).unwrap();
                for t in 0..2 {
                    for formula in [ring.observed(t), ring.posted(t)] {
                        live.push(match checker.check(&formula, None).unwrap() {
                            LivenessVerdict::Holds | LivenessVerdict::Vacuous(_) => false,
                            LivenessVerdict::Violated(_) => true,
                            LivenessVerdict::Unknown(coverage) => panic!("{coverage:?}"),
                        });
                    }
                }
            }
            (findings, depths, failing, steps.states_hit, live)
        };
        assert_eq!(verdicts(&reduced(&ring)), verdicts(&explore(&ring)), "{rules:?}");
    }
}

/// Every rule set that differs from G3 or G4 in at most one rule.
fn neighbours() -> Vec<Rules> {
    let mut all = Vec::new();
    for base in [Rules::G3, Rules::G4] {
        all.push(base);
        all.extend([Room::CountPlus1].map(|room| Rules { room, ..base }));
        all.extend([RoomWait::KeepLock].map(|room_wait| Rules { room_wait, ..base }));
        all.extend([Layout::WdFirst].map(|layout| Rules { layout, ..base }));
        all.extend([IdStatus::Untouched].map(|id_status| Rules { id_status, ..base }));
        all.extend([Publish::StatusIqtWd, Publish::WdIqtStatus].map(|publish| Rules { publish, ..base }));
        all.extend([PollUntil::FirstSlotDone].map(|poll| Rules { poll, ..base }));
        let marks = [Mark::IdsDone, Mark::AllFree, Mark::IdsFree, Mark::Nothing];
        all.extend(marks.map(|mark| Rules { mark, ..base }));
        let reclaims =
            [Reclaim::WhileDone, Reclaim::WhileFreeToHead, Reclaim::WhileFree, Reclaim::ToHead, Reclaim::Never];
        all.extend(reclaims.map(|reclaim| Rules { reclaim, ..base }));
        all.extend([CleanUp::Unlocked].map(|clean_up| Rules { clean_up, ..base }));
    }
    all
}

/// The quotient has exactly the representatives of the ring's own states, and a representative has the same steps up to
/// rotation: under every rule set that differs from a generation in one rule.
#[test]
fn the_quotient_is_the_image_of_the_ring() {
    let mut compared = 0;
    for rules in neighbours() {
        for counts in [&[0][..], &[0, 1], &[0, 1, 2]] {
            let ring = small(rules, 2, counts, 4);
            let limits = Limits { max_states: 60_000, ..Limits::default() };
            let graph = Search::new(&ring, Action::label).limits(limits).run();
            if graph.coverage() != Coverage::Complete {
                continue;
            }
            let images: HashSet<_> = graph.states().iter().map(|state| ring.canonical(state)).collect();
            let quotient: HashSet<_> = reduced(&ring).states().iter().copied().collect();
            assert!(images == quotient, "{rules:?} {counts:?}: {} images, {} states", images.len(), quotient.len());
            for state in graph.states().iter().step_by(17) {
                let steps = |from: &State<8, 3>| -> HashSet<(Label, bool, State<8, 3>)> {
                    let next = ring.next_steps(from).into_iter();
                    next.map(|(a, next)| (a.label(), next != *from, ring.canonical(&next))).collect()
                };
                let representative = ring.canonical(state);
                assert_eq!(steps(state), steps(&representative), "{rules:?} {counts:?}");
                assert_eq!(ring.canonical(&representative), representative);
            }
            compared += 1;
        }
    }
    assert!(compared > 60, "{compared} of {} were small enough", 3 * neighbours().len());
}

#[test]
fn a_cut_search_proves_nothing() {
    let ring = small(Rules::G4, 2, &[0, 1], 4);
    let graph = Search::new(&ring, Action::label).limits(Limits { max_states: 100, ..Limits::default() }).run();
    assert_eq!(graph.coverage(), Coverage::CutByMaxStates);
    let mapping = RingToSpec::new(&ring, Loss::None).unwrap();
    assert!(matches!(check_steps(&graph, &mapping, |_| false).verdict, StepVerdict::Unknown(_)));
}

#[test]
fn unusable_configurations_are_refused_with_value_and_limit() {
    let base = || RingCfg::new(Rules::G4, 2, [0, 1]);
    let error = |cfg: RingCfg| cfg.validate().unwrap_err().to_string();
    assert_eq!(Length::new(5), Err(RingError::OddLength(5)));
    assert_eq!(Length::new(2), Err(RingError::LengthOutOfRange(2)));
    assert_eq!(Length::new(258), Err(RingError::LengthOutOfRange(258)));
    assert!(error(RingCfg { submitters: 0, ..base() }).starts_with("0 submitters"));
    assert!(error(RingCfg { submitters: 9, ..base() }).contains("1 to 8"));
    assert!(error(RingCfg { counts: vec![], ..base() }).contains("empty"));
    assert!(error(RingCfg { hardware: Hardware::in_order(5), ..base() }).contains("1 to 4"));
    let too_large = error(RingCfg { counts: vec![3], ..base() });
    assert!(
        too_large.contains("3 IDs") && too_large.contains("4") && too_large.contains("largest count is 2"),
        "{too_large}"
    );
}

proptest! {
    /// No run of any configuration panics, leaves the slots of the ring, or puts a status where none belongs.
    #[test]
    fn random_runs_stay_within_the_ring(
        submitters in 1usize..=8,
        slots in 2u16..=128,
        counts in proptest::collection::vec(0u8..=6, 1..4),
        generation in 0usize..2,
        fifo: bool,
        choices in proptest::collection::vec(any::<u16>(), 400),
    ) {
        let length = Length::new(slots * 2).unwrap();
        let counts: Vec<u8> = counts.into_iter().map(|c| c.min((slots * 2 - 2) as u8)).collect();
        let lock = if fifo { Lock::Fifo } else { Lock::StrongFair };
        let rules = [Rules::G3, Rules::G4][generation];
        let ring = Ring::<256, 8>::new(RingCfg { length, lock, ..RingCfg::new(rules, submitters, counts) }).unwrap();
        let mut state = ring.init_states()[0];
        for choice in choices {
            let steps = ring.next_steps(&state);
            prop_assert!(!steps.is_empty());
            let (_, next) = steps[usize::from(choice) % steps.len()];
            state = next;
            let queue = state.queue();
            let in_ring = |slot: u8| u16::from(slot) < length.slots();
            prop_assert!([queue.free_head, queue.free_tail, state.iqh(), state.iqt()].into_iter().all(in_ring));
            prop_assert!(length.iter().all(|slot| state.status(slot) != Status::Abort));
        }
    }
}
