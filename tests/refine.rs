//! Refinement: what it finds, what it refuses, and the assumptions that each verdict stands on.

use stateright::{Checker as _, Expectation, HasDiscoveries, Model, Property};
use stateright_temporal::graph::{Graph, Limits, Search};
use stateright_temporal::liveness::{Checker, Fairness, Formula, LivenessVerdict, judge, realize};
use vtd_qi::impl_qi::{
    Action, AfterIte, FaultClass, Faults, Handout, Hardware, Label, Length, Lock, Owner, Ring, RingCfg, Rules,
    SlotFairness, State, Status, Step,
};
use vtd_qi::refine::{
    AbstractFairness, FairnessError, Mapping, RingToSpec, StepVerdict, Steps, Strength, check_fairness, check_steps,
};
use vtd_qi::scenario::{Check, Table};
use vtd_qi::spec::{self, Loss, Spec, View};
use vtd_qi::verify::{Verdict, verify};

type Small = Ring<8, 3>;
type SmallState = State<8, 3>;

fn small(rules: Rules, submitters: usize, counts: &[u8], slots: u16) -> Small {
    Ring::new(RingCfg { length: Length::new(slots).unwrap(), ..RingCfg::new(rules, submitters, counts) }).unwrap()
}

fn explore(ring: &Small) -> Graph<SmallState, Label> {
    Search::new(ring, Action::label).canonical(&|state| ring.canonical(state)).run()
}

fn may_lose(label: &spec::SpecLabel) -> bool {
    matches!(label, spec::SpecLabel::Lose(_))
}

/// The 2024 bug, step by step: the first step that is no step of the specification turns another's DONE into FREE.
#[test]
fn before_the_fix_refinement_fails_where_reclaim_takes_a_foreign_done() {
    for counts in [&[0][..], &[0, 1]] {
        let ring = small(Rules::G3, 2, counts, 4);
        let graph = explore(&ring);
        let steps = check_steps(&graph, &RingToSpec::new(&ring, Loss::None).unwrap(), |_| false);
        assert!(matches!(steps.verdict, StepVerdict::StepFails { .. }));
        for step in &steps.failures {
            let (before, after) = (graph.state(step.source), graph.state(step.target));
            let Label::Driver(Step::ReclaimFree, t) = graph.labels()[step.label as usize] else {
                panic!("fails at {}", graph.labels()[step.label as usize])
            };
            let owner = 1 - usize::from(t);
            let slot = ring.wait_index(&before.call(owner));
            assert!(ring.waiting(before, owner) && before.queue().free_tail == slot);
            assert!(before.status(slot) == Status::Done && before.ghost().done_by(slot).is(owner));
            // Representatives are rotated: after the step the slot is the one before free_tail.
            assert!(ring.waiting(after, owner) && after.status(ring.wait_index(&after.call(owner))) == Status::Free);
        }
    }
}

/// Losing a Done explains everything but one thing: that the stuck owner takes a stranger's DONE.
#[test]
fn the_lossy_specification_is_left_only_where_a_strangers_done_is_taken() {
    for (submitters, slots) in [(2, 4), (2, 6), (3, 4)] {
        let ring = small(Rules::G3, submitters, &[0, 1], slots);
        let graph = explore(&ring);
        let steps = check_steps(&graph, &RingToSpec::new(&ring, Loss::Done).unwrap(), may_lose);
        assert!(matches!(steps.verdict, StepVerdict::StepFails { .. }));
        let stranger = ring.properties().into_iter().find(|p| p.name == "no-stranger-done").unwrap();
        for step in &steps.failures {
            assert!(matches!(graph.labels()[step.label as usize], Label::Driver(Step::Poll, _)));
            assert!(!(stranger.condition)(&ring, graph.state(step.source)));
        }
    }
}

#[test]
fn without_handing_out_a_waiting_owners_slot_the_lossy_specification_is_refined_and_the_loss_used() {
    let lost = |rules, handout| {
        let base = RingCfg::clone(small(rules, 2, &[0, 1], 4).cfg());
        let ring = Ring::<8, 3>::new(RingCfg { handout, ..base }).unwrap();
        let steps = check_steps(&explore(&ring), &RingToSpec::new(&ring, Loss::Done).unwrap(), may_lose);
        assert_eq!(steps.verdict, StepVerdict::Holds);
        steps.actions_hit.iter().filter(|(label, _)| may_lose(label)).map(|(_, hits)| hits).sum::<usize>()
    };
    assert!(lost(Rules::G3, Handout::NotWhileOwnerWaits) > 0);
    assert_eq!(lost(Rules::G4, Handout::AsDriver), 0);
}

/// Every state maps to the initial one: all steps stutter, and nothing would be wrong if nothing had to happen.
struct Constant(Spec);

impl Mapping for Constant {
    type Concrete = SmallState;
    type Abstract = Spec;
    type View = View;
    type Label = spec::SpecLabel;
    fn target(&self) -> &Spec {
        &self.0
    }
    fn label(&self, action: &spec::SpecAction) -> spec::SpecLabel {
        spec::label(action)
    }
    fn view(&self, _: &SmallState) -> View {
        View::new(2)
    }
    fn state(&self, view: &View) -> spec::SpecState {
        self.0.state_of(view)
    }
}

#[test]
fn a_constant_mapping_is_refused() {
    let ring = small(Rules::G4, 2, &[0, 1], 4);
    let spec = spec::SpecCfg { submitters: 2, counts: vec![0, 1], loss: Loss::None, faults: spec::SpecFaults::None }
        .into_model()
        .ok()
        .unwrap();
    let steps = check_steps(&explore(&ring), &Constant(spec), |_| false);
    assert_eq!(steps.verdict, StepVerdict::Vacuous(vec![spec::SpecLabel::Submit(0), spec::SpecLabel::Submit(1)]));
}

/// What would be kept by any run, or by none that means something.
#[test]
fn conditions_that_say_nothing_are_refused() {
    let refused = |rules, name: &str, labels: &[spec::SpecLabel]| {
        let ring = small(rules, 2, &[0], 4);
        let graph = explore(&ring);
        let steps = check_steps(&graph, &RingToSpec::new(&ring, Loss::None).unwrap(), |_| false);
        let condition = AbstractFairness { name: name.into(), strength: Strength::Weak, labels: labels.to_vec() };
        check_fairness(&graph, &steps, &[], &condition, None).map_err(|error| error.to_string())
    };
    let execute = spec::SpecLabel::Execute(0);
    assert_eq!(
        refused(Rules::G4, "Execute(T1)", &[execute]),
        Err("fairness Execute(T1): the specification offers Execute(0) nowhere in what is mapped to".into())
    );
    assert_eq!(refused(Rules::G4, "none", &[]), Err("fairness none: at least 1 action is needed, 0 are given".into()));
    assert_eq!(
        refused(Rules::G3, "Observe(T1)", &[spec::SpecLabel::Observe(0)]),
        Err("fairness Observe(T1) has no meaning where step refinement fails".into())
    );
    // Without any fairness of the ring; and one action that is offered is enough.
    let verdict = refused(Rules::G4, "T1", &[execute, spec::SpecLabel::Observe(0)]);
    assert!(matches!(verdict, Ok(LivenessVerdict::Violated(_))), "{verdict:?}");
}

/// Asks for the slot of `free_tail`, which rotating the ring changes.
struct BySlot(Spec);

impl Mapping for BySlot {
    type Concrete = SmallState;
    type Abstract = Spec;
    type View = View;
    type Label = spec::SpecLabel;
    fn target(&self) -> &Spec {
        &self.0
    }
    fn label(&self, action: &spec::SpecAction) -> spec::SpecLabel {
        spec::label(action)
    }
    fn view(&self, state: &SmallState) -> View {
        let mut view = View::new(2);
        if state.queue().free_tail != 0 {
            view.calls[0].submitter = spec::Submitter::Waiting(0);
        }
        view
    }
    fn state(&self, view: &View) -> spec::SpecState {
        self.0.state_of(view)
    }
}

#[test]
fn a_mapping_that_tells_a_state_from_its_canonical_form_is_refused() {
    let ring = small(Rules::G4, 2, &[0], 4);
    let spec = spec::SpecCfg { submitters: 2, counts: vec![0], loss: Loss::None, faults: spec::SpecFaults::None };
    let graph = explore(&ring);
    let steps = check_steps(&graph, &BySlot(spec.into_model().ok().unwrap()), |_| true);
    assert!(matches!(steps.verdict, StepVerdict::NotInvariant { .. }), "{:?}", steps.verdict);
}

#[test]
fn every_action_of_the_specification_is_the_image_of_a_step() {
    for rules in [Rules::G3, Rules::G4] {
        let ring = small(rules, 2, &[1, 2], 6);
        let steps = check_steps(&explore(&ring), &RingToSpec::new(&ring, Loss::None).unwrap(), |_| false);
        assert_eq!(steps.verdict, StepVerdict::Holds);
        assert_eq!(steps.actions_hit.len(), 10);
        assert!(steps.actions_hit.iter().all(|(_, hits)| *hits > 0), "{:?}", steps.actions_hit);
    }
}

/// A name for each of the ring's fairness conditions, and what is violated once it is taken away.
#[test]
fn each_fairness_condition_carries_a_verdict() {
    let ring = small(Rules::G4, 2, &[0, 1], 4);
    let graph = explore(&ring);
    let mapping = RingToSpec::new(&ring, Loss::None).unwrap();
    let steps = check_steps(&graph, &mapping, |_| false);
    // Without which condition of the ring which conditions of the specification are broken: g4-c01-2x4 changes its verdict.
    let expected: &[(&str, &[&str])] = &[
        // A submitter that stops in the middle may hold the lock, so nobody polls.
        ("Step(T1)", &["Observe(T1)", "Observe(T2)"]),
        ("Acquire(T1)", &["Observe(T1)"]),
        ("Step(T2)", &["Observe(T1)", "Observe(T2)"]),
        ("Acquire(T2)", &["Observe(T2)"]),
        // What is not fetched is not accepted, and a batch of which only the ID is fetched does not complete.
        ("Fetch", &["Accept(T1)", "Complete(T1)", "Accept(T2)", "Complete(T2)"]),
        // Hardware works in order and two descriptors deep: what is not done holds up what is behind it.
        ("Execute", &["Accept(T1)", "Execute(T1)", "Accept(T2)", "Execute(T2)"]),
        ("Complete", &["Execute(T1)", "Complete(T1)", "Execute(T2)", "Complete(T2)"]),
    ];
    let names: Vec<String> = ring.fairness(SlotFairness::Unfair, graph.labels()).into_iter().map(|f| f.name).collect();
    assert_eq!(names, expected.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, consequences) in expected {
        let fairness: Vec<Fairness<_, _>> =
            ring.fairness(SlotFairness::Unfair, graph.labels()).into_iter().filter(|f| f.name != *name).collect();
        let checker = Checker::new(&graph, &fairness).unwrap();
        let mut broken = Vec::new();
        for (abstract_name, label) in mapping.spec().weakly_fair() {
            let condition = AbstractFairness { name: abstract_name, strength: Strength::Weak, labels: vec![label] };
            if let LivenessVerdict::Violated(lasso) =
                check_fairness(&graph, &steps, checker.pairs(), &condition, None).unwrap()
            {
                let canonical = |state: &SmallState| ring.canonical(state);
                let run = realize(&ring, Action::label, Some(&canonical), &graph, &lasso).unwrap();
                assert_eq!(judge(&ring, Action::label, &fairness, &condition.formula(&mapping), &run), Ok(()));
                broken.push(condition.name);
            }
        }
        assert_eq!(broken, *consequences, "without {name}");
        let observed = |t| Formula::leads_to(move |s: &SmallState| waits(s, t), move |s| !waits(s, t));
        let direct = (0..2).any(|t| checker.check(&observed(t), None).unwrap() != LivenessVerdict::Holds);
        assert!(direct, "{name} is not needed for wd-eventually-observed-done");
    }
}

/// G4 as above: between the IQT write and the poll that sees DONE.
fn waits(state: &SmallState, t: usize) -> bool {
    state.call(t).waiting(&Rules::G4)
}

/// The control of the fair form: without fairness of the status write, exactly its counterpart is broken, on hardware that
/// executes IDs behind a pending WD.
#[test]
fn without_fairness_of_the_status_write_exactly_complete_is_broken() {
    let base = RingCfg::clone(small(Rules::G4, 2, &[0, 1], 4).cfg());
    let ring = Ring::<8, 3>::new(RingCfg { hardware: Hardware::pipelined(4), ..base }).unwrap();
    let graph = explore(&ring);
    let mapping = RingToSpec::new(&ring, Loss::None).unwrap();
    let steps = check_steps(&graph, &mapping, |_| false);
    let broken = |without: &str| -> Vec<String> {
        let fairness: Vec<_> =
            ring.fairness(SlotFairness::Unfair, graph.labels()).into_iter().filter(|f| f.name != without).collect();
        let checker = Checker::new(&graph, &fairness).unwrap();
        let conditions = mapping.spec().weakly_fair().into_iter();
        conditions
            .filter(|(name, label)| {
                let labels = vec![*label];
                let condition = AbstractFairness { name: name.clone(), strength: Strength::Weak, labels };
                !check_fairness(&graph, &steps, checker.pairs(), &condition, None).unwrap().is_true()
            })
            .map(|(name, _)| name)
            .collect()
    };
    assert_eq!(broken("none"), Vec::<String>::new());
    assert_eq!(broken("Complete"), ["Complete(T1)", "Complete(T2)"]);
}

/// Under the FIFO lock, and for SlotFairness::Fair, the conditions are others; each is needed there too.
#[test]
fn the_fifo_lock_and_slots_fair_are_needed_where_they_are_assumed() {
    let base = RingCfg::clone(small(Rules::G4, 2, &[0, 1], 4).cfg());
    let fifo = Ring::<8, 3>::new(RingCfg { lock: Lock::Fifo, ..base }).unwrap();
    let graph = explore(&fifo);
    let observed = |t| Formula::leads_to(move |s: &SmallState| waits(s, t), move |s| !waits(s, t));
    for without in ["Acquire(T1)", "Acquire(T2)"] {
        let fairness: Vec<_> =
            fifo.fairness(SlotFairness::Unfair, graph.labels()).into_iter().filter(|f| f.name != without).collect();
        let checker = Checker::new(&graph, &fairness).unwrap();
        assert!((0..2).any(|t| checker.check(&observed(t), None).unwrap() != LivenessVerdict::Holds), "{without}");
    }
    let table = Table::embedded();
    let posted = |name: &str| {
        let report = verify(table.find(name).unwrap(), Limits::default());
        report.outcome(Check::CallEventuallyPosted).unwrap().verdict
    };
    assert_eq!(posted("g4-c01-post-strong-2x4"), Verdict::Violated);
    assert_eq!(posted("g4-c01-post-slots-fair-2x4"), Verdict::Holds);
}

/// The reduced ring from the moment when T2 has posted its first batch, T1 not having called: will T2 observe its DONE?
#[derive(Clone)]
struct AfterPost(Small);

impl Model for AfterPost {
    type State = SmallState;
    type Action = Action;
    fn init_states(&self) -> Vec<SmallState> {
        let start = self.0.init_states()[0];
        let mut state = self.0.next_state(&start, Action::Call { t: 1, request: 0 }).unwrap();
        while !self.0.waiting(&state, 1) {
            let steps = self.0.next_steps(&state).into_iter();
            state = steps
                .filter(|(action, _)| matches!(action, Action::Driver { t: 1, .. }))
                .map(|(_, s)| s)
                .next()
                .unwrap();
        }
        vec![self.0.canonical(&state)]
    }
    fn actions(&self, state: &SmallState, actions: &mut Vec<Action>) {
        self.0.actions(state, actions)
    }
    fn next_state(&self, state: &SmallState, action: Action) -> Option<SmallState> {
        self.0.next_state(state, action).map(|next| self.0.canonical(&next))
    }
    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::eventually("T2 observes DONE", |model, state| !model.0.waiting(state, 1))]
    }
}

/// The same model, the same claim: stateright looks for `eventually` at the ends of paths only, and the lockup is a loop, so it
/// finds nothing. Ours finds the lockup; and after the fix it finds that the claim holds.
#[test]
fn stateright_misses_the_lockup_and_the_liveness_check_finds_it() {
    let ours = |rules| {
        let model = AfterPost(small(rules, 2, &[0, 1], 4));
        let graph = Search::new(&model, Action::label).run();
        let fairness = model.0.fairness(SlotFairness::Unfair, graph.labels());
        let observed = Formula::eventually(|state: &SmallState| !model.0.waiting(state, 1));
        match Checker::new(&graph, &fairness).unwrap().check(&observed, None).unwrap() {
            LivenessVerdict::Violated(lasso) => {
                let run = realize(&model, Action::label, None, &graph, &lasso).unwrap();
                assert_eq!(judge(&model, Action::label, &fairness, &observed, &run), Ok(()));
                false
            }
            verdict => verdict == LivenessVerdict::Holds,
        }
    };
    assert!(!ours(Rules::G3) && ours(Rules::G4));

    let model = AfterPost(small(Rules::G3, 2, &[0, 1], 4));
    let checker = model.checker().finish_when(HasDiscoveries::All).spawn_bfs().join();
    assert!(checker.model().properties().iter().all(|p| p.expectation == Expectation::Eventually));
    assert!(checker.unique_state_count() > 1_000 && checker.discoveries().is_empty());
}
/// `verify` lets the last submitter stand for all: here every one of them is asked.
#[test]
fn one_submitter_stands_for_all() {
    for (rules, lock, submitters) in [
        (Rules::G3, Lock::StrongFair, 3),
        (Rules::G4, Lock::StrongFair, 3),
        (Rules::G3, Lock::Fifo, 2),
        (Rules::G4, Lock::Fifo, 3),
    ] {
        let ring = Ring::<8, 3>::new(RingCfg { lock, ..RingCfg::new(rules, submitters, [0, 1]) }).unwrap();
        let graph = explore(&ring);
        let mapping = RingToSpec::new(&ring, Loss::None).unwrap();
        let steps = check_steps(&graph, &mapping, |_| false);
        let without = |name: &str| -> Vec<_> {
            ring.fairness(SlotFairness::Unfair, graph.labels()).into_iter().filter(|f| f.name != name).collect()
        };
        // With all conditions, and without one that concerns nobody in particular.
        for fairness in [without("none"), without("Complete")] {
            let checker = Checker::new(&graph, &fairness).unwrap();
            let verdicts = |t: usize| {
                let observed = Formula::leads_to(|s: &SmallState| ring.waiting(s, t), |s| !ring.waiting(s, t));
                let label = |l: fn(u8) -> spec::SpecLabel| vec![l(t as u8)];
                let fair = [
                    spec::SpecLabel::Accept,
                    spec::SpecLabel::Execute,
                    spec::SpecLabel::Complete,
                    spec::SpecLabel::Observe,
                ];
                let broken = fair.map(|l| {
                    let condition =
                        AbstractFairness { name: String::new(), strength: Strength::Weak, labels: label(l) };
                    match check_fairness(&graph, &steps, checker.pairs(), &condition, None) {
                        Ok(LivenessVerdict::Violated(lasso)) => Some(lasso.stem.len()),
                        Ok(LivenessVerdict::Holds) => None,
                        // Before the fix the steps do not refine, and runs map to no runs.
                        Err(FairnessError::StepsFail { .. }) if rules == Rules::G3 => None,
                        other => panic!("{other:?}"),
                    }
                });
                (matches!(checker.check(&observed, None).unwrap(), LivenessVerdict::Holds), broken)
            };
            assert!((1..submitters).all(|t| verdicts(t) == verdicts(0)), "{rules:?} {lock:?}");
        }
    }
}

fn with_fault(rules: Rules, class: FaultClass, after_ite: AfterIte) -> Ring<8, 3, 1> {
    let faults = Faults { after_ite, ..Faults::of([class], 1) };
    let hardware = Hardware::pipelined(3);
    Ring::new(RingCfg { faults, hardware, ..RingCfg::new(rules, 2, [0, 1]) }).unwrap()
}

fn refined(ring: &Ring<8, 3, 1>) -> (Graph<State<8, 3, 1>, Label>, Steps<View, spec::SpecLabel>) {
    let graph = Search::new(ring, Action::label).canonical(&|state| ring.canonical(state)).run();
    let steps = check_steps(&graph, &RingToSpec::new(ring, Loss::None).unwrap(), |label| label.is_fault());
    (graph, steps)
}

/// A step of the specification that concerns one submitter.
type StepOf = fn(u8) -> spec::SpecLabel;

/// Each fault, with a reading of what becomes of fetched work under which g5plus is right, and the steps of the specification
/// that only this fault brings about.
const CELLS: [(FaultClass, AfterIte, &[StepOf]); 7] = {
    use spec::SpecLabel::{Again, Fail, Refuse, Repost};
    [
        (FaultClass::InvalidId, AfterIte::Drop, &[Refuse, Fail]),
        (FaultClass::InvalidWd, AfterIte::Drop, &[Refuse, Fail]),
        (FaultClass::Ice, AfterIte::Drop, &[]),
        (FaultClass::LostAnswer, AfterIte::Drop, &[Again, Repost]),
        (FaultClass::LostAnswer, AfterIte::IdsRun, &[Again, Repost]),
        (FaultClass::DeviceGone, AfterIte::Drop, &[Again, Repost, Fail]),
        (FaultClass::DeviceGone, AfterIte::IdsRun, &[Again, Repost, Fail]),
    ]
};

/// g5plus refines the specification with faults, fairly where a call is promised slots, and each step of a fault is hit.
#[test]
fn g5plus_refines_the_specification_under_every_fault() {
    for (class, after_ite, hit) in CELLS {
        let ring = with_fault(Rules::G5_PLUS, class, after_ite);
        let (graph, steps) = refined(&ring);
        assert_eq!(steps.verdict, StepVerdict::Holds, "{class:?} {after_ite:?}");
        let hits = |label| steps.actions_hit.iter().any(|(l, n)| *l == label && *n > 0);
        for t in 0..2 {
            for label in
                [spec::SpecLabel::Again, spec::SpecLabel::Repost, spec::SpecLabel::Refuse, spec::SpecLabel::Fail]
            {
                let expected = hit.iter().any(|fault| fault(t) == label(t));
                assert_eq!(hits(label(t)), expected, "{class:?} {after_ite:?}: {}", label(t));
            }
        }
        assert_eq!(hits(spec::SpecLabel::Abort), class.times_out(), "{class:?} {after_ite:?}");
        let mapping = RingToSpec::new(&ring, Loss::None).unwrap();
        let fairness = ring.fairness(SlotFairness::Fair, graph.labels());
        let checker = Checker::new(&graph, &fairness).unwrap();
        for condition in mapping.fairness() {
            let kept = check_fairness(&graph, &steps, checker.pairs(), &condition, None);
            // A step of another fault is never offered, and fairness of it no question.
            let offered = steps.offer(&condition);
            assert_eq!(kept.is_ok(), offered, "{class:?} {after_ite:?}: {}", condition.name);
            assert!(matches!(kept, Ok(LivenessVerdict::Holds) | Err(FairnessError::NeverOffered { .. })), "{kept:?}");
        }
    }
}

/// With two faults an ITE can drop the copy of an ID whose first one, left by an earlier post, has been executed.
#[test]
fn what_an_earlier_post_has_left_executes_for_nobody() {
    let faults = Faults { after_ite: AfterIte::IdsRun, ..Faults::of([FaultClass::LostAnswer], 2) };
    let hardware = Hardware::pipelined(4);
    let length = Length::new(6).unwrap();
    let ring = Ring::new(RingCfg { faults, hardware, length, ..RingCfg::new(Rules::G5_PLUS, 2, [1]) }).unwrap();
    let (graph, steps) = refined(&ring);
    assert_eq!(steps.verdict, StepVerdict::Holds);
    // That it happens at all: an ID executes, and no ID of a batch does.
    let left_over = |id| {
        graph.edges(id).any(|edge| {
            graph.labels()[edge.label as usize] == Label::Execute
                && edge.source != edge.target
                && steps.view(edge.source) == steps.view(edge.target)
                && graph.state(id).pending().any(|(_, owner)| matches!(owner, Owner::Submitter(_)))
        })
    };
    assert!(graph.ids().any(left_over));
}

/// If a fetched WD may still write its status after an ITE, its owner, sent back, posts again while it is under way.
#[test]
fn a_wd_that_outlives_an_ite_is_no_step_of_the_specification_even_of_g5plus() {
    let ring = with_fault(Rules::G5_PLUS, FaultClass::LostAnswer, AfterIte::WdsRun);
    let (graph, steps) = refined(&ring);
    let StepVerdict::StepFails { step, .. } = &steps.verdict else { panic!("{:?}", steps.verdict) };
    let Label::Driver(Step::CheckAbort, t) = graph.labels()[step.label as usize] else { panic!("{step:?}") };
    assert!(steps.view(step.source).queue.iter().any(|batch| batch.submitter == t));
}

/// The kernel's newest driver takes a batch for complete whose ID was lost, and returns an error while its work is in the ring.
#[test]
fn g5_fails_where_it_takes_lost_ids_for_executed_or_leaves_work_behind() {
    let ring = with_fault(Rules::G5, FaultClass::LostAnswer, AfterIte::Drop);
    let (graph, steps) = refined(&ring);
    assert!(matches!(steps.verdict, StepVerdict::StepFails { .. }));
    // A WD writes DONE though an ID of its batch was not executed.
    assert!(steps.failures.iter().any(|step| {
        let before = steps.view(step.source);
        graph.labels()[step.label as usize] == Label::Complete && before.queue.first().is_some_and(|head| head.left > 0)
    }));
    // A submitter knows that its batch is lost while it is in hardware's queue, or on its way there.
    let ring = with_fault(Rules::G5, FaultClass::DeviceGone, AfterIte::Drop);
    let (_, steps) = refined(&ring);
    assert!(steps.failures.iter().any(|step| {
        let (before, after) = (steps.view(step.source), steps.view(step.target));
        (0..2).any(|t| {
            let queued = before.queue.iter().any(|batch| usize::from(batch.submitter) == t);
            let aborted = matches!(after.calls[t].submitter, spec::Submitter::Aborted(_));
            aborted && (queued || before.calls[t].submit.is_some())
        })
    }));
    // After an early -EINVAL hardware goes on to fetch slots that were handed out again, and a WD in them before it is posted.
    let cfg = RingCfg {
        counts: vec![1, 2],
        ..RingCfg::clone(with_fault(Rules::G5, FaultClass::InvalidId, AfterIte::Drop).cfg())
    };
    let ring: Ring<8, 3, 1> = Ring::new(cfg).unwrap();
    let (graph, steps) = refined(&ring);
    assert!(steps.failures.iter().any(|step| {
        let after = steps.view(step.target);
        let idle = |batch: &spec::Batch| after.calls[usize::from(batch.submitter)].submitter == spec::Submitter::Idle;
        graph.labels()[step.label as usize] == Label::Fetch && after.queue.iter().any(idle)
    }));
}
