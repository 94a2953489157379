//! Liveness under fairness: against TLC, against brute force, and on one toy graph for each way to get it wrong.

#[path = "liveness/oracle.rs"]
mod oracle;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::atomic::AtomicBool;

use oracle::{Claim, Event, Fair, Loop, Small};
use stateright::{Checker as _, Model, Property};
use stateright_temporal::graph::{Coverage, Graph, Limits, Search};
use stateright_temporal::liveness::{
    BitSet, Checker, Fairness, Formula, Lasso, LivenessError, LivenessVerdict, Marks, Objection, Occurs, Pair, Query,
    RealizeError, Run, Toy, Vacuity, check, find, judge, realize,
};

type Condition<'a> = Fairness<'a, u32, &'static str>;
type Claimed<'a> = Formula<'a, u32, &'static str>;

fn wf(label: &'static str) -> Condition<'static> {
    Fairness::weak(label, [label])
}

fn sf(label: &'static str) -> Condition<'static> {
    Fairness::strong(label, [label])
}

fn reaches(state: u32) -> Claimed<'static> {
    Formula::eventually(move |s| *s == state)
}

/// The verdict; a violation is executed and judged before it is returned.
fn verdict<L: Clone + Eq + Hash + Debug + Send + Sync>(
    toy: &Toy<L>,
    fairness: &[Fairness<u32, L>],
    formula: &Formula<u32, L>,
) -> LivenessVerdict {
    let graph = Search::new(toy, Toy::label).run();
    let verdict = check(&graph, fairness, formula, None).expect("a verdict");
    if let LivenessVerdict::Violated(lasso) = &verdict {
        let run = realize(toy, Toy::label, None, &graph, lasso).expect("a run");
        assert_eq!((run.stem.len(), run.cycle.len()), (lasso.stem.len(), lasso.cycle.len()));
        assert_eq!(judge(toy, Toy::label, fairness, formula, &run), Ok(()));
    }
    verdict
}

/// The states of a violation: those on the stem from the initial state on, and those that the loop goes to.
fn violation(
    edges: &[(u32, &'static str, u32)],
    fairness: &[Condition],
    formula: &Claimed,
) -> Option<(Vec<u32>, Vec<u32>)> {
    let toy = Toy::new([0], edges);
    let graph = Search::new(&toy, Toy::label).run();
    match verdict(&toy, fairness, formula) {
        LivenessVerdict::Violated(lasso) => Some(states(&graph, &lasso)),
        LivenessVerdict::Holds | LivenessVerdict::Vacuous(_) => None,
        LivenessVerdict::Unknown(cut) => panic!("the graph is complete, not {cut:?}"),
    }
}

fn states<L>(graph: &Graph<u32, L>, lasso: &Lasso) -> (Vec<u32>, Vec<u32>) {
    let stem = std::iter::once(lasso.start).chain(lasso.stem.iter().map(|e| e.target));
    let cycle = lasso.cycle.iter().map(|e| e.target);
    (stem.map(|id| *graph.state(id)).collect(), cycle.map(|id| *graph.state(id)).collect())
}

mod tlc {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Case {
        id: u32,
        edges: Vec<(u32, String, u32)>,
        fair: BTreeMap<String, String>,
        kind: String,
        p: Vec<u32>,
        q: Vec<u32>,
        tlc: String,
    }

    #[test]
    fn agrees_on_all_cases() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../../tests/fixtures/liveness-cases.json")).unwrap();
        let mut seen = BTreeMap::new();
        for case in &cases {
            let edges: Vec<_> = case.edges.iter().map(|(s, label, t)| (*s, label.as_str(), *t)).collect();
            let toy = Toy::new([0], edges);
            let graph = Search::new(&toy, Toy::label).run();
            // TLC takes fairness of an action without transitions for true.
            let borne = case.fair.iter().filter(|(label, _)| graph.labels().contains(&label.as_str()));
            let fairness: Vec<_> = borne
                .filter_map(|(label, fairness)| match fairness.as_str() {
                    "WF" => Some(Fairness::weak(label, [label.as_str()])),
                    "SF" => Some(Fairness::strong(label, [label.as_str()])),
                    _ => None,
                })
                .collect();
            let p = |s: &u32| case.p.contains(s);
            let formula = match case.kind.as_str() {
                "eventually" => Formula::eventually(p),
                "leads_to" => Formula::leads_to(p, |s| case.q.contains(s)),
                "always_eventually" => Formula::AlwaysEventually(Occurs::state(p)),
                "eventually_always" => Formula::eventually_always(p),
                kind => panic!("unknown kind {kind}"),
            };
            let ours = match verdict(&toy, &fairness, &formula) {
                LivenessVerdict::Holds | LivenessVerdict::Vacuous(_) => "holds",
                LivenessVerdict::Violated(_) => "violated",
                LivenessVerdict::Unknown(cut) => panic!("the graph is complete, not {cut:?}"),
            };
            assert_eq!(ours, case.tlc, "case {}", case.id);
            *seen.entry((case.kind.as_str(), ours)).or_insert(0) += 1;
        }
        assert_eq!(seen.values().sum::<i32>(), 200);
        assert_eq!(seen.len(), 8, "each kind both holds and is violated: {seen:?}");
    }
}

mod pitfall {
    use super::*;

    #[test]
    fn p01_leads_to() {
        let p_leads_to_q = |p: u32, q: u32| Formula::leads_to(move |s| *s == p, move |s| *s == q);
        // The path from p to the loop has to avoid q too.
        let through_q = [(0, "a", 1), (1, "a", 2)];
        assert_eq!(violation(&through_q, &[wf("a")], &p_leads_to_q(0, 1)), None);
        let around_q = [(0, "a", 1), (1, "a", 2), (0, "a", 2)];
        assert_eq!(violation(&around_q, &[wf("a")], &p_leads_to_q(0, 1)), Some((vec![0, 2], vec![])));
        // But the path to p need not.
        assert_eq!(violation(&through_q, &[wf("a")], &p_leads_to_q(1, 0)), Some((vec![0, 1, 2], vec![])));
        // p and q in one state is satisfied.
        assert_eq!(violation(&through_q, &[], &p_leads_to_q(1, 1)), None);
        // p may occur on the loop only.
        let on_loop = [(0, "a", 1), (1, "b", 2), (2, "c", 1)];
        let fairness = [wf("a"), wf("b"), wf("c")];
        assert_eq!(violation(&on_loop, &fairness, &p_leads_to_q(2, 0)), Some((vec![0, 1, 2], vec![1, 2])));
    }

    #[test]
    fn p02_eventually_from_the_initial_state_on() {
        let fairness = [wf("a")];
        assert_eq!(violation(&[(0, "a", 1)], &fairness, &reaches(0)), None);
        assert_eq!(violation(&[(0, "a", 1), (1, "a", 2)], &fairness, &reaches(1)), None);
        let around = [(0, "a", 1), (1, "a", 2), (0, "a", 2)];
        assert_eq!(violation(&around, &fairness, &reaches(1)), Some((vec![0, 2], vec![])));
    }

    #[test]
    fn p03_eventually_always_after_splitting() {
        // Strong fairness forbids to come by 2 again and again without leaving.
        let edges = [(0, "b", 1), (1, "b", 0), (1, "b", 2), (2, "b", 1), (2, "leave", 3)];
        let fairness = [sf("leave"), wf("b")];
        let not = |state: u32| Formula::eventually_always(move |s| *s != state);
        assert_eq!(violation(&edges, &fairness, &not(2)), None);
        assert_eq!(violation(&edges, &fairness, &not(0)), Some((vec![0], vec![1, 0])));
        // One such state on a loop of two is enough.
        assert_eq!(violation(&edges, &fairness, &not(1)), Some((vec![0], vec![1, 0])));
    }

    #[test]
    fn p04_stuttering() {
        assert_eq!(violation(&[], &[], &reaches(1)), Some((vec![0], vec![])));
        let edges = [(0, "a", 1), (1, "b", 2)];
        assert_eq!(violation(&edges, &[], &reaches(2)), Some((vec![0], vec![])));
        assert_eq!(violation(&edges, &[wf("a")], &reaches(2)), Some((vec![0, 1], vec![])));
        assert_eq!(violation(&edges, &[wf("a"), wf("b")], &reaches(2)), None);
    }

    #[test]
    fn p05_steps_that_change_nothing() {
        // They do not enable: stuttering in 0 is fair to a.
        let idle = [(0, "a", 0), (0, "b", 1)];
        assert_eq!(violation(&idle, &[sf("a")], &reaches(1)), Some((vec![0], vec![])));
        // They do not take: the other a has to be taken.
        let leave = [(0, "a", 0), (0, "a", 1)];
        assert_eq!(violation(&leave, &[wf("a")], &reaches(1)), None);
        // Nor are they steps that could occur.
        let idles = Formula::AlwaysEventually(Occurs::step(|_, label, _| *label == "a"));
        assert_eq!(violation(&[(0, "a", 0)], &[], &idles), Some((vec![0], vec![])));
    }

    #[test]
    fn p06_enabled_by_edges_that_leave_taken_by_edges_inside() {
        let edges = [(0, "b", 1), (1, "b", 0), (1, "leave", 2)];
        assert_eq!(violation(&edges, &[wf("b"), wf("leave")], &reaches(2)), Some((vec![0], vec![1, 0])));
        assert_eq!(violation(&edges, &[wf("b"), sf("leave")], &reaches(2)), None);
        // An action taken on the stem has not been taken on the loop.
        let on_stem = [(0, "c", 1), (1, "b", 2), (2, "b", 1), (1, "c", 3)];
        assert_eq!(violation(&on_stem, &[wf("b"), sf("c")], &reaches(3)), None);
    }

    #[test]
    fn p07_weak_fairness_again_after_a_split() {
        let edges =
            [(0, "b", 1), (1, "b", 0), (1, "b", 2), (2, "b", 1), (0, "weak", 3), (1, "weak", 3), (2, "strong", 3)];
        // All of it is fair to `weak`, which is not enabled in 2; without 2 it is not.
        assert_eq!(violation(&edges, &[wf("weak"), sf("strong")], &reaches(3)), None);
        // With one of the two there are two different loops.
        assert_eq!(violation(&edges, &[wf("b"), wf("weak")], &reaches(3)), Some((vec![0], vec![1, 2, 1, 0])));
        assert_eq!(violation(&edges, &[wf("b"), sf("strong")], &reaches(3)), Some((vec![0], vec![1, 0])));
        // The whole component is unfair to `strong`, a part of it is not: verdicts on the whole say nothing.
        assert_eq!(violation(&edges, &[wf("b"), sf("strong"), sf("weak")], &reaches(3)), None);
    }

    #[test]
    fn p08_parallel_edges_and_one_label_with_several_successors() {
        let parallel = [(0, "a", 1), (0, "b", 1), (1, "c", 0)];
        let fairness = [sf("a"), sf("b"), wf("c")];
        assert_eq!(violation(&parallel, &fairness, &reaches(2)), Some((vec![0], vec![1, 0, 1, 0])));
        let takes_a = Formula::AlwaysEventually(Occurs::step(|_, label, _| *label == "a"));
        assert_eq!(violation(&parallel, &fairness, &takes_a), None);
        assert_eq!(violation(&parallel, &[sf("b"), wf("c")], &takes_a), Some((vec![0], vec![1, 0])));
        // Taken together, one of them is enough.
        let either = [Fairness::weak("a or b", ["a", "b"]), wf("c")];
        assert_eq!(violation(&parallel, &either, &takes_a), Some((vec![0], vec![1, 0])));
        // Fairness of a label is not fairness of each of its successors.
        let branching = [(0, "a", 1), (0, "a", 2), (1, "b", 0), (2, "b", 0)];
        assert_eq!(violation(&branching, &[sf("a"), sf("b")], &reaches(2)), Some((vec![0], vec![1, 0])));
    }

    #[test]
    fn p09_limits_give_unknown() {
        let toy = Toy::new([0], [(0, "a", 1), (1, "a", 2), (2, "a", 3)]);
        let cut = |max_states| Search::new(&toy, Toy::label).limits(Limits { max_states, ..Limits::default() }).run();
        let reaches_3 = |graph: &Graph<_, _>| check(graph, &[wf("a")], &reaches(3), None);
        assert_eq!(reaches_3(&cut(4)), Ok(LivenessVerdict::Holds));
        assert_eq!(reaches_3(&cut(2)), Ok(LivenessVerdict::Unknown(Coverage::CutByMaxStates)));
        // Where a step was cut off its label is enabled: stuttering there may be unfair.
        let bounded = Bounded { toy: toy.clone(), below: 2 };
        let graph = Search::new(&bounded, Toy::label).run();
        assert_eq!(reaches_3(&graph), Ok(LivenessVerdict::Unknown(Coverage::CutByBoundary)));
        // Where no step was, a violation is one.
        let Ok(LivenessVerdict::Violated(lasso)) = check(&graph, &[], &reaches(3), None) else {
            panic!("it may stutter")
        };
        assert_eq!(states(&graph, &lasso), (vec![0], vec![]));
    }

    #[test]
    fn p10_several_initial_states() {
        let toy = Toy::new([0, 5], [(0, "a", 1), (5, "a", 6), (6, "a", 7)]);
        let graph = Search::new(&toy, Toy::label).run();
        let LivenessVerdict::Violated(lasso) = verdict(&toy, &[wf("a")], &reaches(1)) else { panic!("not from 5") };
        assert_eq!(states(&graph, &lasso), (vec![5, 6, 7], vec![]));
        assert_eq!(*graph.state(lasso.start), 5);
        assert_eq!(verdict(&toy, &[wf("a")], &Formula::eventually(|s| [1, 7].contains(s))), LivenessVerdict::Holds);
    }

    /// A ring of ten million states.
    struct Deep;
    const DEEP: u32 = 10_000_000;

    impl Model for Deep {
        type State = u32;
        type Action = ();
        fn init_states(&self) -> Vec<u32> {
            vec![0]
        }
        fn actions(&self, _: &u32, actions: &mut Vec<()>) {
            actions.push(());
        }
        fn next_state(&self, state: &u32, (): ()) -> Option<u32> {
            Some((state + 1) % DEEP)
        }
    }

    #[test]
    fn p11_ten_million_states_deep() {
        let graph = Search::new(&Deep, |()| ()).run();
        let checker = Checker::new(&graph, &[Fairness::weak("step", [()])]).unwrap();
        // A chain of components, and one component.
        assert_eq!(checker.check(&Formula::eventually(|s| *s == DEEP - 1), None), Ok(LivenessVerdict::Holds));
        assert_eq!(checker.check(&Formula::eventually_always(|_| true), None), Ok(LivenessVerdict::Holds));
        let verdict = checker.check(&Formula::eventually_always(|s| *s != DEEP - 1), None);
        let Ok(LivenessVerdict::Violated(lasso)) = verdict else { panic!("it comes round") };
        assert_eq!((lasso.stem.len(), lasso.cycle.len()), (0, DEEP as usize));
        assert!(lasso.cycle_is_shortest);
    }

    /// A number that hashes to nothing, so that all of them collide.
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Colliding(u32);
    impl Hash for Colliding {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }

    #[derive(Clone)]
    struct Counter;
    impl Model for Counter {
        type State = Colliding;
        type Action = ();
        fn init_states(&self) -> Vec<Colliding> {
            vec![Colliding(0)]
        }
        fn actions(&self, state: &Colliding, actions: &mut Vec<()>) {
            actions.extend((state.0 < 50).then_some(()));
        }
        fn next_state(&self, state: &Colliding, (): ()) -> Option<Colliding> {
            Some(Colliding(state.0 + 1))
        }
        fn properties(&self) -> Vec<Property<Self>> {
            vec![Property::always("in range", |_, state: &Colliding| state.0 <= 50)]
        }
    }

    #[test]
    fn p12_states_are_kept_not_fingerprints() {
        assert_eq!(Counter.checker().spawn_bfs().join().unique_state_count(), 1, "the collision is real");
        let graph = Search::new(&Counter, |()| ()).run();
        let fairness = [Fairness::weak("count", [()])];
        assert_eq!(
            check(&graph, &fairness, &Formula::eventually(|s: &Colliding| s.0 == 50), None),
            Ok(LivenessVerdict::Holds)
        );
    }

    #[test]
    fn p13_a_fair_label_that_no_transition_bears() {
        let toy = Toy::new([0], [(0, "a", 1), (7, "unreachable", 8)]);
        let graph = Search::new(&toy, Toy::label).run();
        let refused = |fairness| check(&graph, &[fairness], &reaches(1), None).unwrap_err().to_string();
        assert_eq!(
            refused(Fairness::strong("progress", ["unreachable"])),
            "fairness progress: no transition bears the label \"unreachable\""
        );
        assert_eq!(
            refused(Fairness::weak("progress", ["unreachable", "b"])),
            "fairness progress: no transition bears any of the labels \"unreachable\", \"b\""
        );
        assert_eq!(
            refused(Fairness::weak("progress", [])),
            "fairness progress: at least 1 label is needed, 0 are given"
        );
        // One of several is enough, and those that are not there are named.
        for fairness in
            [Fairness::weak("progress", ["b", "a", "unreachable"]), Fairness::strong("progress", ["b", "a"])]
        {
            let fairness = [fairness];
            let checker = Checker::new(&graph, &fairness).unwrap();
            assert_eq!(checker.check(&reaches(1), None), Ok(LivenessVerdict::Holds));
            let [absent] = checker.absent() else { panic!("of one condition") };
            assert_eq!((absent.fairness.as_str(), absent.labels[0]), ("progress", "b"));
        }
        // The part of the graph that is missing may bear it.
        let cut = Search::new(&toy, Toy::label).limits(Limits { max_states: 1, ..Limits::default() }).run();
        let verdict = check(&cut, &[wf("a"), wf("unreachable")], &reaches(7), None);
        assert_eq!(verdict, Ok(LivenessVerdict::Unknown(Coverage::CutByMaxStates)));
    }

    #[test]
    fn p15_what_never_begins() {
        let toy = Toy::new([0], [(0, "a", 1), (7, "unreachable", 8)]);
        let nothing = LivenessVerdict::Vacuous(Vacuity::NoTrigger);
        assert_eq!(verdict(&toy, &[], &Formula::leads_to(|s| *s == 7, |s| *s == 0)), nothing);
        let steps = |label| Occurs::step(move |_, l: &&str, _| *l == label);
        let infinitely = |p, q| Formula::Infinitely { p: steps(p), q: steps(q) };
        assert_eq!(verdict(&toy, &[], &infinitely("unreachable", "a")), nothing);
        // It begins, and then it does not recur.
        assert_eq!(verdict(&toy, &[], &infinitely("a", "unreachable")), LivenessVerdict::Holds);
        assert_eq!(verdict(&toy, &[], &Formula::leads_to(|s| *s == 1, |s| *s == 1)), LivenessVerdict::Holds);
        // What is claimed of no run at all.
        let never = Fairness::streett("never", Occurs::state(|_| true), Occurs::state(|_| false));
        assert_eq!(verdict(&toy, &[never], &reaches(3)), LivenessVerdict::Vacuous(Vacuity::NoFairRun));
        assert!(nothing.is_true() && !LivenessVerdict::Unknown(Coverage::CutByBoundary).is_true());
    }

    /// A token is passed one or two places round a ring, or fails to be; a lamp can be lit. Rotating the token to 0
    /// gives the representative. Only the order of the actions depends on where the token is.
    struct Ring;
    impl Model for Ring {
        type State = (u8, bool);
        type Action = &'static str;
        fn init_states(&self) -> Vec<Self::State> {
            vec![(0, false)]
        }
        fn actions(&self, &(at, _): &Self::State, actions: &mut Vec<Self::Action>) {
            actions.push("fumble");
            actions.extend(if at == 4 { ["leap", "pass"] } else { ["pass", "leap"] });
            actions.push("light");
        }
        fn next_state(&self, &(at, lit): &Self::State, action: Self::Action) -> Option<Self::State> {
            match action {
                "pass" => Some(((at + 1) % 5, lit)),
                "leap" => Some(((at + 2) % 5, lit)),
                "fumble" => Some((at, lit)),
                _ => Some((at, true)),
            }
        }
    }

    #[test]
    fn p14_quotient_by_rotation() {
        let canonical = |&(_, lit): &(u8, bool)| (0, lit);
        // A pass that fails is labelled like those that succeed, and leads from the class to itself as well.
        let label = |action: &&'static str| if *action == "light" { "light" } else { "pass" };
        let graph = Search::new(&Ring, label).canonical(&canonical).run();
        assert_eq!((graph.len(), graph.edges(0).len()), (2, 3));
        let lit = Formula::eventually(|s: &(u8, bool)| s.1);
        // Passing leads from the class to itself and changes the state: it is a step that is enabled and can be taken.
        let fairness = [Fairness::weak("pass", ["pass"])];
        let Ok(LivenessVerdict::Violated(lasso)) = check(&graph, &fairness, &lit, None) else {
            panic!("never lit is fair")
        };
        assert_eq!((lasso.stem.len(), lasso.cycle.len()), (0, 1));
        // It is repeated until the concrete state recurs, which need not be the first one.
        let run = realize(&Ring, label, Some(&canonical), &graph, &lasso).unwrap();
        let passed = |places: &[u8]| places.iter().map(|&at| ("pass", (at, false))).collect::<Vec<_>>();
        assert_eq!(run, Run { initial: (0, false), stem: passed(&[1]), cycle: passed(&[2, 3, 4, 1]) });
        assert_eq!(judge(&Ring, label, &fairness, &lit, &run), Ok(()));
        // One lap of the class is not a loop.
        let lap = Run { cycle: passed(&[2]), ..run };
        assert_eq!(judge(&Ring, label, &fairness, &lit, &lap), Err(Objection::OpenLoop));
        let fairness = [Fairness::weak("light", ["light"])];
        assert_eq!(check(&graph, &fairness, &lit, None), Ok(LivenessVerdict::Holds));
    }
}

/// Canonical forms that relate what differs.
mod quotient {
    use super::*;
    use stateright_temporal::graph::{MAX_LABELS, QuotientFault};

    /// Two processes that go from 0 to 2, each by steps of its own label.
    struct Two;
    impl Model for Two {
        type State = (u32, u32);
        type Action = usize;
        fn init_states(&self) -> Vec<Self::State> {
            vec![(0, 0)]
        }
        fn actions(&self, state: &Self::State, actions: &mut Vec<usize>) {
            actions.extend((state.0 < 2).then_some(0));
            actions.extend((state.1 < 2).then_some(1));
        }
        fn next_state(&self, &(first, second): &Self::State, process: usize) -> Option<Self::State> {
            Some(if process == 0 { (first + 1, second) } else { (first, second + 1) })
        }
        fn properties(&self) -> Vec<Property<Self>> {
            vec![Property::always("first", |_, state: &(u32, u32)| state.0 <= 2)]
        }
    }

    fn sorted(state: &(u32, u32)) -> (u32, u32) {
        (state.0.min(state.1), state.0.max(state.1))
    }

    fn both_done() -> Formula<'static, (u32, u32), usize> {
        Formula::eventually(|state| *state == (2, 2))
    }

    /// The same with the canonical form built in, so that nobody can look at it.
    struct Sorted;
    impl Model for Sorted {
        type State = (u32, u32);
        type Action = usize;
        fn init_states(&self) -> Vec<Self::State> {
            Two.init_states()
        }
        fn actions(&self, state: &Self::State, actions: &mut Vec<usize>) {
            Two.actions(state, actions);
        }
        fn next_state(&self, state: &Self::State, process: usize) -> Option<Self::State> {
            Two.next_state(state, process).map(|next| sorted(&next))
        }
    }

    #[test]
    fn labels_that_a_canonical_form_does_not_exchange_are_an_error() {
        let fairness = || [Fairness::weak("first", [0])];
        // Nothing makes the second process move; where states are sorted the first one's steps become both.
        let whole = Search::new(&Two, |label| *label).run();
        assert!(matches!(check(&whole, &fairness(), &both_done(), None), Ok(LivenessVerdict::Violated(_))));
        let unseen = Search::new(&Sorted, |label| *label).run();
        let fair: [Fairness<(u32, u32), usize>; 1] = fairness();
        assert_eq!(check(&unseen, &fair, &both_done(), None), Ok(LivenessVerdict::Holds), "the wrong verdict");

        for threads in [1, 2] {
            let limits = Limits { threads, ..Limits::default() };
            let graph = Search::new(&Two, |label| *label).canonical(&sorted).limits(limits).run();
            assert_eq!(graph.coverage(), Coverage::Faulty);
            let error = check(&graph, &fairness(), &both_done(), None).unwrap_err();
            assert_eq!(
                error.to_string(),
                "(1, 0) and its canonical form (0, 1) should have the same steps, but only the state has a step 0 to (0, 2)"
            );
        }
        // Labelled alike they are the same.
        let graph = Search::new(&Two, |_| 0).canonical(&sorted).run();
        assert_eq!((graph.fault(), graph.len()), (None, 6));
        assert_eq!(check(&graph, &fairness(), &both_done(), None), Ok(LivenessVerdict::Holds));
    }

    #[test]
    fn a_canonical_form_has_no_other_one_and_the_same_properties() {
        let fault = |canonical: fn(&(u32, u32)) -> (u32, u32)| {
            let graph = Search::new(&Two, |_| 0).canonical(&canonical).run();
            graph.fault().cloned()
        };
        let swapped = fault(|&(first, second)| (second, first));
        assert!(matches!(swapped, Some(QuotientFault::NotIdempotent { again, .. }) if again == "(1, 0)"));
        // An initial state is looked at like any other.
        let higher = fault(|_| (3, 1));
        assert!(
            matches!(higher, Some(QuotientFault::OtherProperty { property: "first", state, .. }) if state == "(0, 0)")
        );
    }

    #[test]
    fn what_predicates_tell_apart_is_an_error() {
        let graph = Search::new(&Two, |_| 0).canonical(&sorted).run();
        assert_eq!(graph.sample()[0], ((1, 0), 1));
        let refused = |fairness: &[Fairness<(u32, u32), usize>], formula: &Formula<(u32, u32), usize>| {
            check(&graph, fairness, formula, None).unwrap_err().to_string()
        };
        let first = |state: &(u32, u32)| state.0 == 1;
        let either = "should be true of (1, 0) and of its canonical form (0, 1) or of neither";
        assert_eq!(refused(&[], &Formula::eventually(first)), format!("the formula {either}"));
        assert_eq!(refused(&[], &Formula::leads_to(|_| true, first)), format!("the formula {either}"));
        let pair = Fairness::streett("moves", Occurs::state(|_| true), Occurs::state(first));
        assert_eq!(refused(&[pair], &both_done()), format!("fairness moves {either}"));
    }

    /// Counts up to a hundred thousand. Beyond 400 the sign can change too, and of a negative number the canonical
    /// form, which is positive, has the same steps but for the one that ends at the limit.
    struct Mirror;
    impl Model for Mirror {
        type State = i32;
        type Action = i32;
        fn init_states(&self) -> Vec<i32> {
            vec![0]
        }
        fn actions(&self, state: &i32, actions: &mut Vec<i32>) {
            actions.extend((*state < 100_000).then(|| state.abs() + 1));
            actions.extend((*state > 400).then_some(-*state));
        }
        fn next_state(&self, _: &i32, to: i32) -> Option<i32> {
            Some(to)
        }
    }

    #[test]
    fn the_sample_goes_on_beyond_the_first_states() {
        let graph = Search::new(&Mirror, |_| ()).canonical(&|state: &i32| state.abs()).run();
        assert!(
            matches!(graph.fault(), Some(QuotientFault::OtherSteps { label, .. }) if label == "()"),
            "{:?}",
            graph.fault()
        );
        assert!(graph.len() > 400 && graph.len() < 100_000);
    }

    #[test]
    fn as_many_labels_as_can_be_numbered_and_one_more() {
        let hub = |labels: usize| Toy::new([0], (0..labels).map(|l| (0, l, l as u32 % 3)).collect::<Vec<_>>());
        let enough = Search::new(&hub(MAX_LABELS), Toy::label).run();
        assert_eq!((enough.labels().len(), enough.transitions(), enough.fault()), (MAX_LABELS, MAX_LABELS, None));
        let last = Fairness::strong("last", [MAX_LABELS - 1]);
        let claim = Formula::AlwaysEventually(Occurs::step(|_, label, _| *label == MAX_LABELS - 1));
        assert!(matches!(check(&enough, &[last], &claim, None), Ok(LivenessVerdict::Violated(_))));

        let graph = Search::new(&hub(MAX_LABELS + 1), Toy::label).run();
        assert_eq!((graph.coverage(), graph.is_expanded(0)), (Coverage::Faulty, false));
        let error = check(&graph, &[], &Formula::eventually(|_| true), None).unwrap_err();
        assert_eq!(error.to_string(), "32769 labels occur, at most 32768 can be numbered");
    }

    /// A state of many transitions is as quick as many states of few: as many as here would take hours in the square.
    #[test]
    fn a_state_may_have_many_transitions() {
        let many = 300_000;
        let edges: Vec<_> = (1..=many).flat_map(|t| [(0, (), t), (0, (), t)]).collect();
        let graph = Search::new(&Toy::new([0], edges), Toy::label).run();
        assert_eq!((graph.transitions(), graph.len()), (many as usize, many as usize + 1));
    }
}

/// A toy that has a boundary.
struct Bounded<L> {
    toy: Toy<L>,
    below: u32,
}

impl<L: Clone> Model for Bounded<L> {
    type State = u32;
    type Action = (L, u32);
    fn init_states(&self) -> Vec<u32> {
        self.toy.init_states()
    }
    fn actions(&self, state: &u32, actions: &mut Vec<Self::Action>) {
        self.toy.actions(state, actions);
    }
    fn next_state(&self, state: &u32, action: Self::Action) -> Option<u32> {
        self.toy.next_state(state, action)
    }
    fn within_boundary(&self, state: &u32) -> bool {
        *state < self.below
    }
}

mod stateright_eventually {
    use super::*;

    /// 0 -> 1 -> 2 -> 1: state 3 is never reached.
    #[derive(Clone)]
    struct Cycle(Toy<&'static str>);

    impl Model for Cycle {
        type State = u32;
        type Action = (&'static str, u32);
        fn init_states(&self) -> Vec<u32> {
            self.0.init_states()
        }
        fn actions(&self, state: &u32, actions: &mut Vec<Self::Action>) {
            self.0.actions(state, actions);
        }
        fn next_state(&self, state: &u32, action: Self::Action) -> Option<u32> {
            self.0.next_state(state, action)
        }
        fn properties(&self) -> Vec<Property<Self>> {
            vec![Property::eventually("reaches 3", |_, state| *state == 3)]
        }
    }

    #[test]
    fn misses_a_cycle_that_is_found_here() {
        let cycle = Cycle(Toy::new([0], [(0, "a", 1), (1, "a", 2), (2, "a", 1)]));
        assert!(cycle.clone().checker().spawn_bfs().join().discoveries().is_empty());
        assert!(cycle.clone().checker().spawn_dfs().join().discoveries().is_empty());
        let LivenessVerdict::Violated(lasso) = verdict(&cycle.0, &[wf("a")], &reaches(3)) else {
            panic!("it never does")
        };
        assert_eq!((lasso.stem.len(), lasso.cycle.len()), (1, 2));
    }
}

/// The core under the formulas: marks, pairs and queries.
mod core {
    use super::*;

    fn set(members: &[usize]) -> BitSet {
        let mut set = BitSet::none();
        members.iter().for_each(|&i| set.insert(i));
        set
    }

    /// 0 <-> 1 <-> 2: transitions 0: 0 to 1, 1: 1 to 0, 2: 1 to 2, 3: 2 to 1.
    fn path() -> Graph<u32, ()> {
        let toy = Toy::new([0], [(0, (), 1), (1, (), 0), (1, (), 2), (2, (), 1)]);
        Search::new(&toy, Toy::label).run()
    }

    fn walk(graph: &Graph<u32, ()>, pairs: &[Pair], query: &Query) -> Option<(Vec<u32>, Vec<u32>)> {
        find(graph, pairs, query, None).unwrap().map(|lasso| states(graph, &lasso))
    }

    #[test]
    fn a_premise_on_a_transition_takes_out_that_transition_only() {
        let graph = path();
        let must = |state| Query { must: Marks::states(set(&[state])), ..Query::any(&graph) };
        // Whoever goes from 1 to 0 again and again has to do the impossible.
        let pairs = [Pair { p: Marks::edges(set(&[1])), q: Marks::default() }];
        let moving = Pair { p: Marks::states(BitSet::all(3)), q: Marks::edges(BitSet::all(4)) };
        assert_eq!(walk(&graph, &pairs, &must(0)), Some((vec![0], vec![])));
        assert_eq!(walk(&graph, &[pairs[0].clone(), moving.clone()], &must(0)), None);
        assert_eq!(walk(&graph, &[pairs[0].clone(), moving], &must(2)), Some((vec![0, 1], vec![2, 1])));
    }

    #[test]
    fn what_must_be_met_can_be_lost_by_a_split() {
        let graph = path();
        let pairs = [Pair { p: Marks::states(set(&[2])), q: Marks::default() }];
        let must = |marks| Query { must: marks, ..Query::any(&graph) };
        assert_eq!(walk(&graph, &pairs, &must(Marks::states(set(&[2])))), None);
        assert_eq!(walk(&graph, &pairs, &must(Marks::edges(set(&[2, 3])))), None);
        assert_eq!(walk(&graph, &pairs, &must(Marks::edges(set(&[1, 2])))), Some((vec![0], vec![1, 0])));
    }

    #[test]
    fn the_loop_uses_only_what_it_may() {
        let graph = path();
        let cycle = Marks { states: BitSet::all(3), edges: set(&[1, 2, 3]) };
        let query = Query { must: Marks::edges(BitSet::all(4)), cycle, ..Query::any(&graph) };
        assert_eq!(walk(&graph, &[], &query), Some((vec![0, 1], vec![2, 1])));
        let cycle = Marks { states: set(&[0, 2]), edges: BitSet::all(4) };
        assert_eq!(walk(&graph, &[], &Query { cycle, ..query.clone() }), None);
        assert_eq!(walk(&graph, &[], &Query { stem: set(&[0]), ..query }), None);
    }

    #[test]
    fn splits_follow_on_splits() {
        // 0 <-> 1 <-> 2 <-> ... <-> 9: state i + 1 is forbidden once i + 2 is out of reach, for as long as it is met.
        let edges: Vec<_> = (0..9).flat_map(|s| [(s, (), s + 1), (s + 1, (), s)]).collect();
        let toy = Toy::new([0], edges);
        let graph = Search::new(&toy, Toy::label).run();
        let chain = |least: usize| -> Vec<_> {
            let needs_next = (least..9).map(|i| Pair { p: Marks::states(set(&[i])), q: Marks::states(set(&[i + 1])) });
            needs_next.chain([Pair { p: Marks::states(set(&[9])), q: Marks::default() }]).collect()
        };
        assert_eq!(walk(&graph, &chain(0), &Query::any(&graph)), None);
        assert_eq!(walk(&graph, &chain(1), &Query::any(&graph)), Some((vec![0], vec![])));
        let moves = Query { must: Marks::edges(BitSet::all(18)), ..Query::any(&graph) };
        assert_eq!(walk(&graph, &chain(1), &moves), None);
        assert_eq!(walk(&graph, &chain(2), &moves), Some((vec![0], vec![1, 0])));
    }

    #[test]
    fn more_demands_than_one_search_combines_are_met_in_turn() {
        // A hub with forty spokes, and whoever comes to the hub has to come to the end of each.
        let edges: Vec<_> = (1..=40).flat_map(|s| [(0, (), s), (s, (), 0)]).collect();
        let toy = Toy::new([0], edges);
        let graph = Search::new(&toy, Toy::label).run();
        let pair = |s| Pair { p: Marks::states(set(&[0])), q: Marks::states(set(&[s])) };
        let pairs: Vec<_> = (1..=40).map(pair).collect();
        let lasso = find(&graph, &pairs, &Query::any(&graph), None).unwrap().unwrap();
        assert_eq!((lasso.cycle.len(), lasso.cycle_is_shortest), (80, false));
        let lasso = find(&graph, &pairs[..6], &Query::any(&graph), None).unwrap().unwrap();
        assert_eq!((lasso.cycle.len(), lasso.cycle_is_shortest), (12, true));
    }

    #[test]
    fn cancellation_and_the_empty_graph_are_errors() {
        let cycle: Vec<_> = (0..20_000).map(|s| (s, (), (s + 1) % 20_000)).collect();
        let toy = Toy::new([0], cycle);
        let graph = Search::new(&toy, Toy::label).run();
        let claim = Formula::eventually(|_| false);
        let cancelled = check(&graph, &[], &claim, Some(&AtomicBool::new(true)));
        assert_eq!(cancelled, Err(LivenessError::Cancelled));
        assert!(matches!(check(&graph, &[], &claim, Some(&AtomicBool::new(false))), Ok(LivenessVerdict::Violated(_))));
        let nothing = Search::new(&Toy::<()>::new([], []), Toy::label).run();
        assert_eq!(check(&nothing, &[], &claim, None), Err(LivenessError::NoState));
    }

    #[test]
    fn sets_of_equal_members_are_equal() {
        let mut set = BitSet::from_fn(200, |i| i % 100 == 7);
        assert!(set.contains(107) && !set.contains(108) && !set.contains(1_000_000));
        set.remove(107);
        set.remove(1_000_000);
        assert_eq!(set, BitSet::from_fn(64, |i| i == 7));
        set.remove(7);
        assert!(set.is_empty() && set == BitSet::none());
    }
}

/// The second opinion objects to what is wrong.
mod judgement {
    use super::*;

    fn toy() -> Toy<&'static str> {
        Toy::new([0], [(0, "a", 1), (1, "b", 0), (1, "c", 2), (2, "c", 2)])
    }

    fn round() -> Run<u32, &'static str> {
        Run { initial: 0, stem: vec![], cycle: vec![("a", 1), ("b", 0)] }
    }

    fn objection(run: Run<u32, &'static str>, fairness: &[Condition], formula: &Claimed) -> String {
        judge(&toy(), Toy::label, fairness, formula, &run).unwrap_err().to_string()
    }

    #[test]
    fn to_what_is_no_run() {
        let formula = reaches(2);
        assert_eq!(judge(&toy(), Toy::label, &[], &formula, &round()), Ok(()));
        let elsewhere = Run { initial: 1, stem: vec![], cycle: vec![] };
        assert_eq!(objection(elsewhere, &[], &formula), "the run does not start in an initial state");
        let wrong_label = Run { cycle: vec![("a", 1), ("c", 0)], ..round() };
        assert_eq!(objection(wrong_label, &[], &formula), "step 2: the model has no \"c\" from this state to the next");
        let open = Run { cycle: vec![("a", 1)], ..round() };
        assert_eq!(objection(open, &[], &formula), "the last state of the loop is not the state where the loop begins");
    }

    #[test]
    fn to_what_is_not_fair() {
        let formula = reaches(2);
        assert_eq!(judge(&toy(), Toy::label, &[wf("c")], &formula, &round()), Ok(()));
        assert_eq!(
            objection(round(), &[wf("c"), sf("c")], &formula),
            "fairness c is not satisfied: enabled in a state of the loop and never taken on it"
        );
        let stays = Run { cycle: vec![], ..round() };
        assert_eq!(
            objection(stays, &[wf("b"), wf("a")], &formula),
            "fairness a is not satisfied: enabled in all states of the loop and never taken on it"
        );
        let pair = || Fairness::streett("pair", Occurs::step(|_, l, _| *l == "b"), Occurs::state(|s| *s == 2));
        assert_eq!(
            objection(round(), &[pair()], &formula),
            "fairness pair is not satisfied: the premise occurs on the loop and the conclusion does not"
        );
        // A step that changes nothing is none.
        let rests = Run { stem: vec![("a", 1), ("c", 2)], cycle: vec![("c", 2)], ..round() };
        let rest = Fairness::streett("rest", Occurs::state(|s| *s == 2), Occurs::step(|_, l, _| *l == "c"));
        assert!(judge(&toy(), Toy::label, &[rest], &reaches(3), &rests).is_err());
    }

    #[test]
    fn to_what_violates_nothing() {
        let ends = || Run { stem: vec![("a", 1), ("c", 2)], cycle: vec![], ..round() };
        let satisfied = |run: fn() -> Run<u32, &'static str>, formula: Claimed| {
            let objection = judge(&toy(), Toy::label, &[], &formula, &run());
            matches!(objection, Err(Objection::NotViolated { .. }))
        };
        let is = |state: u32| move |s: &u32| *s == state;
        assert!(satisfied(ends, reaches(1)) && satisfied(ends, reaches(2)) && !satisfied(ends, reaches(3)));
        assert!(satisfied(round, Formula::leads_to(is(0), is(1))) && satisfied(ends, Formula::leads_to(is(0), is(1))));
        assert!(satisfied(ends, Formula::leads_to(is(1), is(2))) && satisfied(ends, Formula::leads_to(is(1), is(1))));
        assert!(
            !satisfied(ends, Formula::leads_to(is(1), is(0))) && !satisfied(round, Formula::leads_to(is(1), is(2)))
        );
        assert!(satisfied(round, Formula::AlwaysEventually(Occurs::state(is(1)))));
        assert!(!satisfied(ends, Formula::AlwaysEventually(Occurs::state(is(1)))));
        assert!(
            satisfied(ends, Formula::eventually_always(is(2))) && !satisfied(round, Formula::eventually_always(is(0)))
        );
        let infinitely = |p, q| Formula::Infinitely { p: Occurs::state(is(p)), q: Occurs::state(is(q)) };
        assert!(
            satisfied(round, infinitely(0, 1))
                && satisfied(ends, infinitely(1, 0))
                && !satisfied(round, infinitely(0, 2))
        );
    }

    #[test]
    fn a_lasso_of_another_model_cannot_be_realized() {
        let graph = Search::new(&toy(), Toy::label).run();
        let Ok(LivenessVerdict::Violated(lasso)) = check(&graph, &[wf("a"), wf("c")], &reaches(2), None) else {
            panic!("0, 1, 0")
        };
        let realized = |other: Toy<&'static str>| realize(&other, Toy::label, None, &graph, &lasso);
        assert_eq!(realized(toy()), Ok(round()));
        assert_eq!(realized(Toy::new([1], [])), Err(RealizeError::NotInitial { state: 0 }));
        let no_way_back = realized(Toy::new([0], [(0, "a", 1), (1, "b", 2)])).unwrap_err().to_string();
        assert_eq!(no_way_back, "step 2: no \"b\" leads from the concrete state to state 0 of the graph");
    }
}

/// Random graphs against brute force.
mod brute_force {
    use super::*;

    /// SplitMix64 (Steele, Lea & Flood, 2014).
    struct Random(u64);

    impl Random {
        fn bits(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ z >> 31
        }

        fn below(&mut self, n: u32) -> u32 {
            (self.bits() % u64::from(n)) as u32
        }

        fn subset(&mut self) -> u32 {
            let dense = self.bits() as u32;
            if self.below(2) == 0 { dense } else { dense & self.bits() as u32 }
        }

        fn sparse(&mut self) -> u32 {
            self.subset() & self.subset()
        }

        /// Half of the graphs are dense enough for loops that meet in a state.
        fn graph(&mut self) -> Small {
            let n = 2 + self.below(5);
            let edges = if self.below(2) == 0 { n + self.below(12 - n) } else { 11 };
            let mut edges: Vec<_> = (0..edges).map(|_| (self.below(n), self.below(3) as u8, self.below(n))).collect();
            edges.sort();
            edges.dedup();
            let initial = if self.below(4) == 0 { vec![0, 1] } else { vec![0] };
            Small { initial, edges }
        }

        fn event(&mut self) -> Event {
            if self.below(2) == 0 { Event::States(self.subset()) } else { Event::Steps(self.subset()) }
        }

        /// Up to seven conditions, on labels that occur.
        fn fairness(&mut self, borne: u32) -> Vec<Fair> {
            let conditions = self.below(8);
            let condition = |_| match self.below(6) {
                0 => Fair::Weak(self.subset() & borne),
                1 => Fair::Strong(self.subset() & borne),
                2 => Fair::Strong(1 << self.below(3) & borne),
                3 => Fair::Streett(Event::States(u32::MAX), Event::Steps(self.sparse())),
                4 => Fair::Streett(self.event(), Event::States(self.sparse())),
                _ => Fair::Streett(self.event(), Event::Steps(self.sparse())),
            };
            (0..conditions).map(condition).filter(|fair| !matches!(fair, Fair::Weak(0) | Fair::Strong(0))).collect()
        }

        fn claims(&mut self) -> [Claim; 5] {
            [
                Claim::Eventually(self.sparse()),
                Claim::LeadsTo(self.subset(), self.sparse()),
                Claim::AlwaysEventually(self.event()),
                Claim::EventuallyAlways(self.subset()),
                Claim::Infinitely(self.event(), self.event()),
            ]
        }
    }

    fn is_in(states: u32) -> impl Fn(&u32) -> bool + Sync {
        move |s| states >> s & 1 == 1
    }

    fn occurs(small: &Small, event: Event) -> Occurs<'_, u32, u8> {
        match event {
            Event::States(states) => Occurs::state(is_in(states)),
            Event::Steps(steps) => Occurs::step(move |&s, &label, &t| {
                steps >> small.edges.iter().position(|edge| *edge == (s, label, t)).unwrap() & 1 == 1
            }),
        }
    }

    fn fairness(small: &Small, fair: Fair) -> Fairness<'_, u32, u8> {
        let labels = |set: u32| (0..3).filter(|label| set >> label & 1 == 1).collect::<Vec<_>>();
        match fair {
            Fair::Weak(set) => Fairness::weak("weak", labels(set)),
            Fair::Strong(set) => Fairness::strong("strong", labels(set)),
            Fair::Streett(p, q) => Fairness::streett("pair", occurs(small, p), occurs(small, q)),
        }
    }

    fn formula(small: &Small, claim: Claim) -> Formula<'_, u32, u8> {
        match claim {
            Claim::Eventually(p) => Formula::eventually(is_in(p)),
            Claim::LeadsTo(p, q) => Formula::leads_to(is_in(p), is_in(q)),
            Claim::AlwaysEventually(p) => Formula::AlwaysEventually(occurs(small, p)),
            Claim::EventuallyAlways(p) => Formula::eventually_always(is_in(p)),
            Claim::Infinitely(p, q) => Formula::Infinitely { p: occurs(small, p), q: occurs(small, q) },
        }
    }

    fn borne(graph: &Graph<u32, u8>) -> u32 {
        graph.labels().iter().fold(0, |set, label| set | 1 << label)
    }

    /// The loop that a sequence of transitions goes round.
    fn as_loop(small: &Small, entry: u32, steps: impl IntoIterator<Item = (u32, u8, u32)>) -> Loop {
        let begin = Loop { states: 1 << entry, edges: 0 };
        steps.into_iter().fold(begin, |l, step| {
            let edge = small.edges.iter().position(|edge| *edge == step).unwrap();
            Loop { states: l.states | 1 << step.2, edges: l.edges | 1 << edge }
        })
    }

    /// Whether a walk of at most `steps` transitions leads back to `entry` and makes one of these loops.
    fn shorter(small: &Small, witnesses: &[Loop], entry: u32, at: u32, so_far: Loop, steps: usize) -> bool {
        at == entry && witnesses.contains(&so_far)
            || steps > 0
                && small.edges.iter().enumerate().filter(|(_, edge)| edge.0 == at).any(|(i, &(_, _, t))| {
                    let further = Loop { states: so_far.states | 1 << t, edges: so_far.edges | 1 << i };
                    shorter(small, witnesses, entry, t, further, steps - 1)
                })
    }

    #[test]
    fn agrees_on_random_graphs() {
        let mut random = Random(0x7d1);
        let (mut holds, mut violated, mut not_simple, mut split, mut hard) = (0, 0, 0, 0, 0);
        let (mut vacuous, mut unfair) = (0, 0);
        for round in 0..12_000 {
            let small = random.graph();
            let toy = Toy::new(&small.initial[..], &small.edges[..]);
            let graph = Search::new(&toy, Toy::label).run();
            let conditions = random.fairness(borne(&graph));
            let fairness: Vec<_> = conditions.iter().map(|&fair| fairness(&small, fair)).collect();
            let checker = Checker::new(&graph, &fairness).unwrap();
            let loops = small.loops();
            let fair_loops: Vec<_> =
                loops.iter().copied().filter(|&l| conditions.iter().all(|&fair| small.is_fair(fair, l))).collect();
            for claim in random.claims() {
                let context = format!("round {round}: {small:?} {conditions:?} {claim:?}");
                let formula = formula(&small, claim);
                let stem_to = |l: &Loop| small.violating_stem(claim, *l);
                let witnesses: Vec<_> = fair_loops.iter().copied().filter(|l| stem_to(l).is_some()).collect();
                let lasso = match checker.check(&formula, None).unwrap() {
                    LivenessVerdict::Violated(lasso) => lasso,
                    other => {
                        let truth = match (small.never_begins(claim), fair_loops.is_empty()) {
                            (true, _) => LivenessVerdict::Vacuous(Vacuity::NoTrigger),
                            (false, true) => LivenessVerdict::Vacuous(Vacuity::NoFairRun),
                            (false, false) => LivenessVerdict::Holds,
                        };
                        vacuous += usize::from(truth != LivenessVerdict::Holds);
                        unfair += usize::from(truth == LivenessVerdict::Vacuous(Vacuity::NoFairRun));
                        assert_eq!((other, witnesses.first()), (truth, None), "{context}");
                        holds += 1;
                        continue;
                    }
                };
                let run = realize(&toy, Toy::label, None, &graph, &lasso).expect(&context);
                assert_eq!(judge(&toy, Toy::label, &fairness, &formula, &run), Ok(()), "{context}");
                let before = std::iter::once(run.entry()).chain(run.cycle.iter().map(|(_, s)| s));
                let steps = before.zip(&run.cycle).map(|(s, (label, t))| (*s, *label, *t));
                let found = as_loop(&small, *run.entry(), steps);
                assert!(witnesses.contains(&found), "{context}: {lasso:?}");
                assert_eq!(Some(lasso.stem.len()), witnesses.iter().filter_map(stem_to).min(), "{context}");
                assert!(lasso.cycle_is_shortest, "{context}");
                if (1..=8).contains(&lasso.cycle.len()) {
                    let at = Loop { states: 1 << run.entry(), edges: 0 };
                    let less = lasso.cycle.len() - 1;
                    assert!(!shorter(&small, &witnesses, *run.entry(), *run.entry(), at, less), "{context}: {lasso:?}");
                }

                violated += 1;
                // No witness is a simple cycle.
                let no_simple = !witnesses.iter().any(|&l| small.is_simple(l));
                // No witness is as large as the claim alone would let a loop be: looking at whole components finds
                // none.
                let within = |l: &Loop, m: &Loop| l != m && l.states & !m.states == 0 && l.edges & !m.edges == 0;
                let whole = |l: &Loop| !loops.iter().any(|m| within(l, m) && small.keeps_clear(claim, *m));
                let no_whole = !witnesses.iter().any(whole);
                not_simple += usize::from(no_simple);
                split += usize::from(no_whole);
                hard += usize::from(no_simple || no_whole);
            }
        }
        println!("{holds} hold, {violated} violated: {not_simple} by no simple loop, {split} by no whole component");
        let plainly = holds - vacuous;
        assert!(plainly > 1_000 && violated > 10_000, "{plainly} hold and say something, {violated} violated");
        assert!(unfair > 200 && vacuous - unfair > 200, "{vacuous} vacuous, of {unfair} no run is fair");
        assert!(not_simple >= 500 && split >= 500 && 10 * hard >= violated, "{hard} of {violated} are hard");
    }

    #[test]
    fn who_leads_to_a_goal_is_who_reaches_it() {
        let mut random = Random(0x1ead);
        let mut none = 0;
        for _ in 0..4_000 {
            let small = random.graph();
            let graph = Search::new(&Toy::new(&small.initial[..], &small.edges[..]), Toy::label).run();
            let goal = random.below(graph.len() as u32);
            // Forwards from each state, until nothing new is met.
            let reaches = |from: u32| {
                let mut met = vec![from];
                let mut next = 0;
                while let Some(&id) = met.get(next) {
                    next += 1;
                    let targets = graph.edges(id).map(|edge| edge.target);
                    let new: Vec<_> = targets.filter(|target| !met.contains(target)).collect();
                    met.extend(new);
                }
                met.contains(&goal)
            };
            let expected: Vec<bool> = graph.ids().map(reaches).collect();
            assert_eq!(graph.leading_to(|id| id == goal), expected);
            none += expected.iter().filter(|reaches| !**reaches).count();
        }
        assert!(none > 1_000, "{none}");
    }

    #[test]
    fn cut_graphs_never_hold() {
        let mut random = Random(0xc07);
        let (mut unknown, mut violated) = (0, 0);
        for round in 0..4_000 {
            let small = random.graph();
            let toy = Toy::new(&small.initial[..], &small.edges[..]);
            let whole = Search::new(&toy, Toy::label).run();
            let conditions = random.fairness(borne(&whole));
            let fairness: Vec<_> = conditions.iter().map(|&fair| fairness(&small, fair)).collect();
            let limits = Limits { max_states: 1 + random.below(4) as usize, ..Limits::default() };
            let bounded = Bounded { toy: toy.clone(), below: 1 + random.below(5) };
            let cuts = [
                Search::new(&toy, Toy::label).limits(limits).run(),
                Search::new(&bounded, Toy::label).run(),
                Search::new(&bounded, Toy::label).limits(limits).run(),
            ];
            for claim in random.claims() {
                let formula = formula(&small, claim);
                let truth = check(&whole, &fairness, &formula, None).unwrap();
                for graph in cuts.iter().filter(|graph| graph.coverage() != Coverage::Complete) {
                    match check(graph, &fairness, &formula, None).unwrap() {
                        LivenessVerdict::Unknown(cut) => {
                            assert_eq!(cut, graph.coverage());
                            unknown += 1;
                        }
                        verdict @ (LivenessVerdict::Holds | LivenessVerdict::Vacuous(_)) => {
                            panic!("round {round}: {verdict:?} of a cut graph")
                        }
                        LivenessVerdict::Violated(lasso) => {
                            assert!(
                                matches!(truth, LivenessVerdict::Violated(_)),
                                "round {round}: {claim:?} {lasso:?}"
                            );
                            let run = realize(&toy, Toy::label, None, graph, &lasso).unwrap();
                            assert_eq!(judge(&toy, Toy::label, &fairness, &formula, &run), Ok(()), "round {round}");
                            violated += 1;
                        }
                    }
                }
            }
        }
        assert!(unknown > 1_000 && violated > 1_000, "{unknown} unknown, {violated} violated");
    }
}
