//! Faults: the matrix, the published bugs, and what is claimed of g5plus; the reduction under faults by a second method.

use std::collections::{BTreeMap, HashMap, HashSet};

use stateright::{Checker as _, Model};
use stateright_temporal::graph::{Coverage, Graph, Limits, Search};
use stateright_temporal::liveness::{Checker, Formula, LivenessVerdict, Occurs};
use vtd_qi::campaign::matrix::{Cell, CellResult, Matrix, Scope, Tier};
use vtd_qi::campaign::mutants::Mutant;
use vtd_qi::impl_qi::{
    Action, AfterIte, FaultCheck, FaultClass, Faults, GENERATIONS, Generation, Hardware, HwStep, Label, Length, Pc,
    Ring, RingCfg, Rules, SlotFairness, State, Step,
};
use vtd_qi::scenario::{Check, Scenario};
use vtd_qi::verify::{Detail, SurpriseKind, Verdict, verify, verify_with};

type Small = Ring<8, 3, 1>;
type SmallState = State<8, 3, 1>;

fn cfg(rules: Rules, counts: &[u8], slots: u16, faults: Faults) -> RingCfg {
    let counts = if rules.one_id_only() { vec![1] } else { counts.to_vec() };
    let (length, fault_check) = (Length::new(slots).unwrap(), FaultCheck::Always);
    RingCfg { length, faults, fault_check, ..RingCfg::new(rules, 2, counts) }
}

fn ring(cfg: RingCfg) -> Small {
    Ring::new(cfg).unwrap()
}

fn every_class() -> impl Iterator<Item = Faults> {
    FaultClass::ALL.into_iter().flat_map(|class| {
        let readings = if class.times_out() { AfterIte::ALL.to_vec() } else { vec![AfterIte::Drop] };
        readings.into_iter().map(move |after_ite| Faults { after_ite, ..Faults::of([class], 1) })
    })
}

fn at_most(max_states: usize) -> Limits<'static> {
    Limits { max_states, ..Limits::default() }
}

/// The quotient has exactly the representatives of the ring's own states, and a representative has the same steps up to
/// rotation: every generation under every class of faults.
#[test]
fn the_quotient_is_the_image_of_the_ring_under_faults() {
    let mut compared = BTreeMap::new();
    for generation in GENERATIONS {
        for faults in every_class() {
            let ring = ring(cfg(generation.rules, &[0, 1], 4, faults));
            let graph = Search::new(&ring, Action::label).limits(at_most(150_000)).run();
            if graph.coverage() != Coverage::Complete {
                continue;
            }
            let canonical = |state: &SmallState| ring.canonical(state);
            let images: HashSet<_> = graph.states().iter().map(canonical).collect();
            let quotient = Search::new(&ring, Action::label).canonical(&canonical).run();
            let quotient: HashSet<_> = quotient.states().iter().copied().collect();
            let name = generation.name;
            assert!(images == quotient, "{name}: {} images, {} states", images.len(), quotient.len());
            for state in graph.states().iter().step_by(41) {
                let steps = |from: &SmallState| -> HashSet<(Label, bool, SmallState)> {
                    let next = ring.next_steps(from).into_iter();
                    next.map(|(a, next)| (a.label(), next != *from, ring.canonical(&next))).collect()
                };
                assert_eq!(steps(state), steps(&ring.canonical(state)), "{name}");
            }
            *compared.entry(name).or_insert(0) += 1;
        }
    }
    // The smallest graphs of each generation at least.
    assert!(
        GENERATIONS.iter().all(|generation| compared.get(generation.name).is_some_and(|n| *n >= 2)),
        "{compared:?}"
    );
}

/// Ghosts are read by properties only, under faults too.
#[test]
fn erasing_the_ghosts_leaves_the_same_transitions_under_faults() {
    for faults in every_class() {
        let ring = ring(cfg(Rules::G5, &[0, 1], 4, faults));
        let graph = Search::new(&ring, Action::label).limits(at_most(60_000)).run();
        let mut steps: HashMap<SmallState, HashSet<(Label, SmallState)>> = HashMap::new();
        for id in graph.ids().filter(|&id| graph.is_expanded(id)) {
            let here: HashSet<_> = graph
                .edges(id)
                .map(|edge| (graph.labels()[edge.label as usize], graph.state(edge.target).without_ghosts()))
                .collect();
            let known = steps.entry(graph.state(id).without_ghosts()).or_insert_with(|| here.clone());
            assert_eq!(*known, here);
        }
    }
}

/// stateright's own search finds as many states.
#[test]
fn counts_agree_with_stateright() {
    for (rules, class) in
        [(Rules::G5, FaultClass::LostAnswer), (Rules::G5_PLUS, FaultClass::DeviceGone), (Rules::G4, FaultClass::Ice)]
    {
        let ring = ring(cfg(rules, &[0, 1], 4, Faults::of([class], 1)));
        let ours = Search::new(&ring, Action::label).run().len();
        struct Plain(Small);
        impl Model for Plain {
            type State = SmallState;
            type Action = Action;
            fn init_states(&self) -> Vec<SmallState> {
                self.0.init_states()
            }
            fn actions(&self, state: &SmallState, actions: &mut Vec<Action>) {
                self.0.actions(state, actions);
            }
            fn next_state(&self, state: &SmallState, action: Action) -> Option<SmallState> {
                self.0.next_state(state, action)
            }
            fn properties(&self) -> Vec<stateright::Property<Self>> {
                vec![stateright::Property::always("nothing", |_, _| true)]
            }
        }
        let theirs = Plain(ring).checker().spawn_bfs().join().unique_state_count();
        assert_eq!(ours, theirs);
    }
}

/// Where no fault can occur the fault check's reads change no verdict, and what it may not do does not occur.
#[test]
fn leaving_the_fault_check_out_changes_no_verdict() {
    for rules in [Rules::G3, Rules::G4, Rules::G5] {
        let verdicts = |fault_check| {
            let cfg = RingCfg { fault_check, ..RingCfg::new(rules, 2, [0, 1]) }.validate().unwrap();
            let scenario = Scenario::own("own", cfg, SlotFairness::Unfair, Check::without_faults().collect());
            let report = verify(&scenario, Limits::default());
            report.properties.iter().map(|outcome| (outcome.check, outcome.verdict)).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(FaultCheck::Always), verdicts(FaultCheck::WhereFaultsOccur));
    }
}

#[test]
fn cells_are_as_expected() {
    let matrix = Matrix::embedded();
    let mut judged = 0;
    for cell in matrix.cells(Scope::Quick) {
        let name = &cell.scenario.name;
        let newest = name.starts_with("g5-") || name.starts_with("g5plus-") || name.starts_with("g4-");
        if !newest || !name.ends_with("-2x4") || cell.after_ite == Some(AfterIte::WdsRun) {
            continue;
        }
        // As far as this test goes is far enough; the limit that the data has is for `check --faults`.
        let scenario = Scenario { max_states: Some(100_000), ..cell.scenario.clone() };
        let cell = Cell { scenario, ..cell.clone() };
        let report = verify_with(&cell.scenario, Limits::default(), Detail::Verdicts);
        assert_eq!(report.surprises, []);
        // What is kept of a cell is judged alike.
        assert_eq!(CellResult::of(&cell, &report).surprises(&cell), report.surprises);
        judged += 1;
    }
    assert!(judged > 40, "{judged}");
}

/// A cell has one verdict, whoever asks: where it holds, where what is expected is not so, and where the search was cut.
#[test]
fn a_cell_has_one_judge() {
    let matrix = Matrix::embedded();
    let surprises = |cell: &Cell, limits: Limits| {
        let report = verify_with(&cell.scenario, limits, Detail::Verdicts);
        assert_eq!(report.as_expected(), report.surprises.is_empty());
        assert_eq!(CellResult::of(cell, &report).surprises(cell), report.surprises);
        report.surprises.into_iter().map(|surprise| (surprise.kind, surprise.text)).collect::<Vec<_>>()
    };
    // Too small a ring for two batches of an ID and a WD: no witness of two is asked for.
    let g1 = matrix.find("g1-none-in-order-2x4").unwrap();
    assert_eq!(surprises(g1, Limits::default()), []);
    let mut wrong = matrix.find("g5-ice-in-order-2x4").unwrap().clone();
    wrong.scenario.expected.get_mut("no-slot-leak").unwrap().violated = true;
    assert_eq!(
        surprises(&wrong, Limits::default()),
        [(SurpriseKind::Contrary, "no-slot-leak holds, expected: violated".into())]
    );
    // Cut where the data says: unknown surprises nobody. Cut before: it does.
    let mut cut = matrix.find("g5plus-lost-answer-in-order-drop-2x6").unwrap().clone();
    cut.scenario.max_states = Some(16_000);
    assert_eq!(surprises(&cut, Limits::default()), []);
    assert!(
        surprises(&cut, at_most(1_000))
            .contains(&(SurpriseKind::Undecided, "no-slot-leak unknown, expected: holds".to_string()))
    );
    // A row of the table that is cut has not been decided.
    let mut row = vtd_qi::scenario::Table::embedded().find("g4-c012-3x6").unwrap().clone();
    row.max_states = Some(1_000);
    assert!(!verify(&row, Limits::default()).as_expected());
}

/// All tiers hold under Drop and IdsRun, says the data; `check --faults` says that all of those cells are exhausted.
#[test]
fn g5plus_is_expected_to_hold_under_drop_and_ids_run() {
    let matrix = Matrix::embedded();
    let cells = matrix.cells(Scope::Full).filter(|cell| cell.scenario.generation == "g5plus");
    for cell in cells.filter(|cell| cell.after_ite != Some(AfterIte::WdsRun)) {
        assert!(cell.scenario.expected.values().all(|expected| !expected.violated), "{}", cell.scenario.name);
        let tiers: HashSet<Tier> = cell.scenario.checks.iter().map(|check| Tier::of(*check)).collect();
        assert!(tiers.len() >= 6);
    }
}

fn violation(name: &str, property: &str) -> vtd_qi::verify::Violation {
    let matrix = Matrix::embedded();
    let checks = vec![Check::named(property).unwrap()];
    let scenario = Scenario { checks, ..matrix.find(name).unwrap().scenario.clone() };
    let report = verify(&scenario, Limits::default());
    report.properties[0].counterexample.clone().expect("violated")
}

/// The hang fixed in 2026: with IQT odd the walk goes round for ever with the lock held; with IQT even it steps over the aborted
/// WD. Neither is there since.
#[test]
fn both_forms_of_the_2026_bug_come_out() {
    let endless = violation("g4-lost-answer-in-order-drop-2x4", "lock-eventually-dropped");
    let walks = |step: &String| step.ends_with("Walk") || step.ends_with("WalkAbort");
    assert!(endless.repeating > 0);
    assert!(endless.steps[endless.stem..].iter().all(walks), "{:?}", endless.steps);
    // Two odd slots on a ring of four: the walk reads each, and once all is marked nothing else changes.
    assert_eq!(endless.repeating, 2);

    // The other: the lock is dropped again and again, and still T2 waits for ever.
    for (rules, missed) in [(Rules::G4, true), (Rules::G5, false)] {
        let ring = ring(cfg(rules, &[0, 1], 4, Faults::of([FaultClass::LostAnswer], 1)));
        let graph = labelled(&ring);
        let checker = Checker::new(&graph, &ring.fairness(SlotFairness::Fair, graph.labels())).unwrap();
        let polls_in_vain = Formula::Infinitely {
            p: Occurs::step(|_, label, _| *label == Label::Driver(Step::Unlock, 1)),
            q: Occurs::state(|state: &SmallState| state.call(1).pc == Pc::Idle),
        };
        let verdict = checker.check(&polls_in_vain, None).unwrap();
        assert_eq!(matches!(verdict, LivenessVerdict::Violated(_)), missed, "{rules:?}");
    }

    let matrix = Matrix::embedded();
    for property in ["lock-eventually-dropped", "call-eventually-returns"] {
        let cell = matrix.find("g5-lost-answer-in-order-drop-2x4").unwrap();
        assert!(!cell.scenario.expected(property).unwrap().violated);
    }
}

fn labelled(ring: &Small) -> Graph<SmallState, Label> {
    Search::new(ring, Action::label).run()
}

/// Without faults g5plus does what g5 does, access for access.
#[test]
fn without_faults_g5plus_is_g5() {
    for (counts, slots) in [(&[0, 1][..], 6), (&[0, 1, 2], 4)] {
        let [one, two] =
            [Rules::G5, Rules::G5_PLUS].map(|rules| labelled(&ring(cfg(rules, counts, slots, Faults::none()))));
        assert!(one.states() == two.states() && one.labels() == two.labels());
        assert!(one.ids().all(|id| one.edges(id).eq(two.edges(id))));
    }
}

/// Whoever holds the lock drops it by its own steps: it never waits for hardware or another submitter.
#[test]
fn g5plus_never_waits_with_the_lock_held() {
    for faults in every_class() {
        let hardware = Hardware::pipelined(4);
        let ring = ring(RingCfg { hardware, ..cfg(Rules::G5_PLUS, &[0, 1], 6, faults) });
        let canonical = |state: &SmallState| ring.canonical(state);
        let graph = Search::new(&ring, Action::label).canonical(&canonical).limits(at_most(100_000)).run();
        for state in graph.states() {
            let Some(t) = state.lock_holder() else { continue };
            let mut state = *state;
            let mut steps = 0;
            while state.lock_holder() == Some(t) {
                let step = state.call(t).pc.step(&Rules::G5_PLUS).expect("it is in a call");
                state = ring.next_state(&state, Action::Driver { t: t as u8, step }).expect("its step can be done");
                steps += 1;
                assert!(steps < 200, "{state:?}");
            }
        }
    }
}

/// Leaving out any part of g5plus breaks a promise that it keeps.
#[test]
fn g5plus_is_minimal() {
    let matrix = Matrix::embedded();
    let parts = [
        ("time-out", "return", "device-gone-in-order-drop-named-2x4", "etimedout-only-if-gone"),
        ("ite-clear", "before-walk", "lost-answer-in-order-drop-2x4", "success-after-execution"),
        ("straddler", "ignore", "lost-answer-in-order-drop-2x4", "success-after-execution"),
        ("iqe-at", "first", "invalid-id-in-order-2x4", "call-eventually-returns"),
        ("iqe-patch", "copy-wd", "invalid-id-in-order-2x4", "hw-fetched-unowned"),
        ("iqe-return", "at-once", "invalid-id-in-order-2x4", "hw-fetched-unowned"),
        ("presence", "unasked", "device-gone-in-order-drop-named-2x4", "call-eventually-returns"),
    ];
    for (rule, value, cell, property) in parts {
        let scenario = &matrix.find(&format!("g5plus-{cell}")).unwrap().scenario;
        assert!(!scenario.expected(property).unwrap().violated);
        let mutant = Mutant::Rule { rule: rule.into(), value: value.into() };
        let check = Check::named(property).unwrap();
        let scenario = Scenario { checks: vec![check], ..mutant.apply(scenario).unwrap() };
        let report = verify_with(&scenario, Limits::default(), Detail::Verdicts);
        assert_eq!(report.outcome(check).unwrap().verdict, Verdict::Violated, "{rule}");
    }
    // And there are no other parts.
    let both = Rules::G5.words().zip(Rules::G5_PLUS.words());
    let changed: Vec<_> = both.filter(|(g5, plus)| g5 != plus).map(|((rule, _), _)| rule).collect();
    assert_eq!(changed.len(), parts.len(), "{changed:?}");
}

/// A second device that goes, pending while ITE is set: the ID is lost, ITESID stays.
#[test]
fn a_time_out_while_ite_is_set_only_loses_the_id() {
    let faults = Faults { devices: 2, after_ite: AfterIte::IdsRun, ..Faults::of([FaultClass::DeviceGone], 2) };
    let hardware = Hardware::pipelined(4);
    let ring = ring(RingCfg { hardware, ..cfg(Rules::G5, &[1], 6, faults) });
    let find = |wanted: &str, state: &SmallState| {
        let steps = ring.next_steps(state).into_iter();
        steps.map(|(action, next)| (ring.format_action(&action), next)).find(|(name, _)| name == wanted)
    };
    let mut state = ring.init_states()[0];
    let post = |t| {
        let steps = [
            "Acquire",
            "WriteId",
            "IdInUse",
            "WdInUse",
            "WriteWd",
            "WriteIqt",
            "Poll",
            "CheckAbort",
            "ReadFsts",
            "Unlock",
        ];
        steps.map(|step| format!("T{t} {step}"))
    };
    let run =
        [vec!["T1 Call(d1)".to_string()], post(1).to_vec(), vec!["T2 Call(d2)".to_string()], post(2).to_vec()].concat();
    let hardware = ["Fetch", "Fetch", "Fetch", "Remove(1)", "Remove(2)", "TimeOut(0)"].map(String::from);
    for wanted in run.iter().chain(&hardware) {
        state = find(wanted, &state).unwrap_or_else(|| panic!("{wanted} cannot be done in {state:?}")).1;
    }
    assert_eq!((state.fsts().names().as_str(), state.itesid(), state.pending().count()), ("ITE", 1, 1));
    let (_, state) = find("TimeOut(0)", &state).unwrap();
    assert_eq!((state.fsts().names().as_str(), state.itesid(), state.pending().count()), ("ITE", 1, 0));
    assert!(find("Fetch", &state).is_none(), "nothing is fetched while ITE is set");
}

#[test]
fn the_bound_counts_injected_events() {
    let ring = ring(cfg(Rules::G5, &[0, 1], 4, Faults::of([FaultClass::InvalidId, FaultClass::Ice], 2)));
    let graph = Search::new(&ring, Action::label).limits(at_most(100_000)).run();
    assert_eq!(graph.states().iter().map(State::injected).max(), Some(2));
    let mut offered = Vec::new();
    for state in graph.states().iter().filter(|state| state.injected() == 2) {
        offered.clear();
        ring.actions(state, &mut offered);
        assert!(!offered.contains(&Action::Hardware(HwStep::Ice)));
    }
}

#[test]
fn a_broken_matrix_is_refused_in_one_sentence() {
    let text = include_str!("../data/faults.toml");
    let message = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        Matrix::parse(&changed).unwrap_err().to_string()
    };
    assert!(message("properties = [\"", "properties = [\"no-").contains("there is no property"));
    assert!(message("generations = [\"g", "generations = [\"h").contains("there is no generation"));
    assert!(message("ring = 4", "ring = 5").contains("5"));
    assert!(message("bound = 1", "bound = 16").contains("16"));
    assert!(message("in-order 2x8", "in-order 2x9").contains("no cell is \"g3 device-gone in-order 2x9\""));
    assert!(message("on = [\"2x4\"", "on = [\"2x5\"").contains("no cell is \"2x5\""));
    // It is no scenario file, and an entry of it no scenario.
    for (from, to) in
        [("\n[[size]]", "\n[[seize]]"), ("ring = 4", "ring = 5"), ("properties = [\"", "properties = [\"no-")]
    {
        assert!(!message(from, to).contains("scenario"), "{}", message(from, to));
    }
}

#[test]
fn generations_have_their_rules() {
    let rules = |name: &str| Generation::named(name).unwrap().rules;
    assert_eq!(rules("g5"), Rules { ite_walk: rules("g5").ite_walk, ..rules("g4") });
    assert_eq!(rules("g4r"), Rules { time_out: rules("g3").time_out, ..rules("g4") });
    assert_eq!(rules("g3t"), Rules { time_out: rules("g4").time_out, ..rules("g3") });
    // G1: statuses before descriptors, the WD's first.
    let ring = ring(cfg(rules("g1"), &[1], 4, Faults::none()));
    let mut state = ring.init_states()[0];
    state = ring.next_state(&state, Action::Call { t: 0, request: 0 }).unwrap();
    let mut order = Vec::new();
    while state.call(0).pc != Pc::Poll {
        let step = state.call(0).pc.step(&rules("g1")).unwrap();
        order.push(step);
        state = ring.next_state(&state, Action::Driver { t: 0, step }).unwrap();
    }
    assert_eq!(order, [Step::Acquire, Step::WdInUse, Step::IdInUse, Step::WriteId, Step::WriteWd, Step::WriteIqt]);
}

/// What [`Faults::needed_by`] says of each rule: without those classes its values make no difference, with each of them one does.
#[test]
fn a_rule_about_a_fault_matters_where_the_fault_may_occur() {
    let counted = |rule: &str, value: &str, faults: Faults| {
        let mut rules = Rules::G5;
        rules.set(rule, value).unwrap();
        let graph =
            Search::new(&ring(cfg(rules, &[1], 4, faults)), |action| action.label()).limits(at_most(60_000)).run();
        (graph.len(), graph.transitions())
    };
    let all: Vec<Faults> = every_class().chain([Faults::none()]).collect();
    for rule in Rules::NAMES {
        let needed = Faults::needed_by(rule);
        let values = Rules::values(rule).unwrap();
        let [one, other] = values[..2] else { unreachable!("a rule has two values at least") };
        if needed.is_empty() {
            continue;
        }
        for faults in all.iter().filter(|faults| !needed.iter().any(|class| faults.includes(*class))) {
            assert_eq!(
                counted(rule, one, faults.clone()),
                counted(rule, other, faults.clone()),
                "{rule} under {faults:?}"
            );
        }
        let matters = needed.iter().any(|class| {
            let faults = Faults::of([*class], 1);
            counted(rule, one, faults.clone()) != counted(rule, other, faults)
        });
        assert!(matters, "{rule} makes no difference under {needed:?}");
    }
}
