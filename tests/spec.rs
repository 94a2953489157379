//! The specification: its size against numbers derived by hand, its properties, its losses, its drawing.

use std::collections::HashSet;

use stateright::actor::LossyNetwork;
use stateright::{Checker, Expectation, Model, Path};
use stateright_temporal::graph::{Coverage, Graph, Search};
use stateright_temporal::liveness::{self, Fairness};
use vtd_qi::spec::{
    Batch, Loss, Message, Spec, SpecAction, SpecCfg, SpecError, SpecFaults, SpecLabel, SpecState, Submitter, View,
    label, view, waiting,
};

fn spec(submitters: usize, counts: &[u8], loss: Loss) -> Spec {
    SpecCfg { submitters, counts: counts.to_vec(), loss, faults: SpecFaults::None }.into_model().unwrap()
}

fn faulty(submitters: usize, counts: &[u8], loss: Loss) -> Spec {
    SpecCfg { submitters, counts: counts.to_vec(), loss, faults: SpecFaults::Possible }.into_model().unwrap()
}

fn explore(spec: &Spec) -> Graph<SpecState, SpecLabel> {
    let graph = Search::new(spec, label).run();
    assert_eq!(graph.coverage(), Coverage::Complete);
    graph
}

const CONFIGURATIONS: [(usize, &[u8]); 6] =
    [(1, &[0]), (2, &[0]), (2, &[0, 1]), (2, &[0, 1, 2]), (3, &[0]), (3, &[0, 1])];

/// The number of states, derived without exploring anything.
///
/// Outside the queue a submitter is idle, or waits while `Submit(n)` or `Done(n)` is in flight, or waits for good after
/// `Done(n)` was lost: `u = 1 + 2 |counts|`, or `1 + 3 |counts|`. In the queue its batch has 0 to `n` IDs left:
/// `q` = the sum of `n + 1`. With `k` batches in the queue, in any order and in any states as any of them may execute:
///
///     sum over k of  C(N, k) k! q^k u^(N - k)
///
/// Two submitters and counts {0, 1}: u = 5, q = 3, so 5 * 5 + 2 * 3 * 5 + 2 * 3 * 3 = 25 + 30 + 18 = 73; and with losses
/// u = 7, so 49 + 42 + 18 = 109.
///
/// With faults a submitter may also wait while `Aborted` or `Refused` is in flight, or have taken `Aborted` and not submitted
/// again: 3 |counts| more. Then u = 11 and 121 + 2 * 3 * 11 + 2 * 3 * 3 = 205.
fn states_by_hand(submitters: usize, counts: &[u8], loss: Loss, faults: SpecFaults) -> usize {
    let lost = usize::from(loss == Loss::Done);
    let failed = if faults == SpecFaults::Possible { 3 } else { 0 };
    let unqueued = 1 + counts.len() * (2 + lost + failed);
    let queued: usize = counts.iter().map(|&n| usize::from(n) + 1).sum();
    let mut queues = 1; // C(N, k) k! q^k
    let mut sum = 0;
    for k in 0..=submitters {
        sum += queues * unqueued.pow((submitters - k) as u32);
        queues *= (submitters - k) * queued;
    }
    sum
}

#[test]
fn two_submitters_have_the_states_derived_by_hand() {
    // Transitions in the same way. Out of an idle submitter lead 2 (the counts), out of any other outside the queue 1,
    // together 6 out of its 5 states. The head of the queue has 1 (execute or complete), another batch 1 if an ID is left.
    //   none queued   2 * 5 * 6                                                   = 60
    //   one           2 * (3 states * 5 + 3 * 6 of the other)                     = 66
    //   both          2 orders * (9 of the head + 3 where the second has one left) = 24
    let graph = explore(&spec(2, &[0, 1], Loss::None));
    assert_eq!((graph.len(), graph.transitions()), (73, 150));
    assert_eq!(states_by_hand(2, &[0, 1], Loss::None, SpecFaults::None), 73);
    assert_eq!(states_by_hand(2, &[0, 1], Loss::None, SpecFaults::Possible), 205);
    assert_eq!(explore(&spec(2, &[0, 1], Loss::Done)).len(), 109);
}

#[test]
fn stateright_the_own_search_and_the_formula_agree() {
    for (submitters, counts) in CONFIGURATIONS {
        for loss in [Loss::None, Loss::Done] {
            let spec = spec(submitters, counts, loss);
            let exact = explore(&spec).len();
            let what = format!("{:?}", spec.cfg());
            assert_eq!(exact, states_by_hand(submitters, counts, loss, SpecFaults::None), "{what}");
            assert_eq!(spec.checker().spawn_bfs().join().unique_state_count(), exact, "{what}");
        }
    }
}

/// With faults: the formula, our search and stateright's; safety, every witness, and views.
#[test]
fn with_faults_the_formula_and_both_searches_agree() {
    for (submitters, counts) in [(1, &[0u8, 2][..]), (2, &[0]), (2, &[0, 1]), (2, &[0, 1, 2]), (3, &[0, 1])] {
        for loss in [Loss::None, Loss::Done] {
            let spec = faulty(submitters, counts, loss);
            let graph = explore(&spec);
            let what = format!("{:?}", spec.cfg());
            assert_eq!(graph.len(), states_by_hand(submitters, counts, loss, SpecFaults::Possible), "{what}");
            assert_eq!(spec.clone().checker().spawn_bfs().join().unique_state_count(), graph.len(), "{what}");
            for finding in graph.findings() {
                assert!(finding.as_expected(), "{} in {what}", finding.name);
            }
            let views: HashSet<View> = graph.states().iter().map(view).collect();
            assert_eq!(views.len(), graph.len());
            let lines: HashSet<String> = views.iter().map(View::to_string).collect();
            assert_eq!(lines.len(), graph.len(), "two states are described alike");
            assert!(graph.states().iter().all(|state| spec.state_of(&view(state)) == *state));
        }
    }
}

/// Without a fault nothing is different: the states are those that are reached without a step that is a fault.
#[test]
fn without_its_steps_the_specification_with_faults_is_the_one_without() {
    let graph = explore(&faulty(2, &[0, 1], Loss::None));
    let mut seen = HashSet::from([graph.initial()[0]]);
    let mut todo = vec![graph.initial()[0]];
    let mut transitions = 0;
    while let Some(state) = todo.pop() {
        for edge in graph.edges(state).filter(|edge| !graph.labels()[edge.label as usize].is_fault()) {
            transitions += 1;
            if seen.insert(edge.target) {
                todo.push(edge.target);
            }
        }
    }
    assert_eq!((seen.len(), transitions), (73, 150));
}

#[test]
fn with_faults_a_call_is_over_some_day_if_aborts_end() {
    let spec = faulty(2, &[0, 1], Loss::None);
    let graph = explore(&spec);
    let verdict = |fairness: &[Fairness<SpecState, SpecLabel>]| {
        let checker = liveness::Checker::new(&graph, fairness).unwrap();
        checker.check(&spec.observed(1), None).unwrap() == liveness::LivenessVerdict::Holds
    };
    let with = |without: &str| {
        let mut fairness = spec.fairness();
        fairness.push(spec.aborts_end());
        fairness.retain(|condition| condition.name != without);
        fairness
    };
    assert!(verdict(&with("none")));
    // A batch can be aborted for ever; and what is aborted or refused has to be taken, and posted again or given up.
    // `Repost` and `Fail` are both possible then, so that either of them alone is enough.
    for needed in ["Aborts", "Again(T2)", "Fail(T2)", "Observe(T2)"] {
        assert!(!verdict(&with(needed)), "{needed}");
    }
    let neither: Vec<_> = with("Repost(T2)").into_iter().filter(|condition| condition.name != "Fail(T2)").collect();
    assert!(verdict(&with("Repost(T2)")) && !verdict(&neither));
}

/// An aborted batch is forgotten: when it is posted again, all its IDs have to be executed before `Done` is sent.
#[test]
fn what_was_executed_before_an_abort_does_not_count() {
    use SpecLabel::*;
    let spec = faulty(1, &[1], Loss::None);
    let aborted = path(&spec, &[Submit(0), Accept(0), Execute(0), Abort, Again(0)]);
    assert_eq!(view(aborted.last_state()).to_string(), "T1 aborted(1)");
    let again = path(&spec, &[Submit(0), Accept(0), Execute(0), Abort, Again(0), Repost(0), Accept(0)]);
    let state = again.last_state();
    assert_eq!(view(state).to_string(), "T1 waiting(1) | queue T1:0/1");
    let labels: HashSet<SpecLabel> = spec.next_steps(state).iter().map(|(action, _)| label(action)).collect();
    assert_eq!(labels, HashSet::from([Execute(0), Abort, Refuse(0)]));
    let failed = path(&spec, &[Submit(0), Accept(0), Refuse(0), Fail(0)]);
    assert_eq!(view(failed.last_state()), view(&spec.init_states()[0]));
    check_xml(&spec.as_svg(again).unwrap()).unwrap();
}

/// What a state says when the counts are forgotten as soon as the hardware knows them: waiting, not waiting(n); batches
/// with what is left of them; `Submit(n)` as it is; `Done` without a number.
fn without_counts(view: &View) -> View {
    let mut view = *view;
    for call in view.calls.iter_mut() {
        if let Submitter::Waiting(count) = &mut call.submitter {
            *count = 0;
        }
        call.done = call.done.map(|_| 0);
    }
    for batch in view.queue.iter_mut() {
        batch.executed = 0;
    }
    view
}

/// States and transitions without counts; `follow` says which steps are to be taken.
fn size_without_counts(spec: &Spec, follow: impl Fn(&View, SpecLabel) -> bool) -> (usize, usize) {
    let start = view(&spec.init_states()[0]);
    let (mut seen, mut edges, mut todo) = (HashSet::from([start]), HashSet::new(), vec![start]);
    while let Some(from) = todo.pop() {
        for (action, to) in spec.next_steps(&spec.state_of(&from)) {
            if follow(&from, label(&action)) {
                let to = view(&to);
                edges.insert((without_counts(&from), label(&action), without_counts(&to)));
                if seen.insert(to) {
                    todo.push(to);
                }
            }
        }
    }
    let states: HashSet<View> = seen.iter().map(without_counts).collect();
    (states.len(), edges.len())
}

#[test]
fn without_counts_any_batch_may_execute() {
    // u = 4 (idle, Submit(0), Submit(1), Done; 5 with a loss), q = 2 (an ID left or not):
    // 16 + 2 * 2 * 4 + 2 * 4 = 40; 64 + 3 * 2 * 16 + 6 * 4 * 4 + 6 * 8 = 304; 25 + 2 * 2 * 5 + 2 * 4 = 53.
    let any = |_: &View, _| true;
    assert_eq!(size_without_counts(&spec(2, &[0, 1], Loss::None), any), (40, 88));
    assert_eq!(size_without_counts(&spec(3, &[0, 1], Loss::None), any), (304, 936));
    assert_eq!(size_without_counts(&spec(2, &[0, 1], Loss::Done), any), (53, 116));
}

#[test]
fn without_counts_and_in_order_the_graph_is_that_of_the_prototype() {
    // Hardware that executes the first batch only (VT-d 6.5.2.8 allows more): the same states, as a lone WD has nothing
    // left wherever it is, and fewer steps.
    let in_order = |from: &View, label| match label {
        SpecLabel::Execute(t) => from.queue[0].submitter == t,
        _ => true,
    };
    assert_eq!(size_without_counts(&spec(2, &[0, 1], Loss::None), in_order), (40, 84));
    assert_eq!(size_without_counts(&spec(3, &[0, 1], Loss::None), in_order), (304, 840));
    assert_eq!(size_without_counts(&spec(2, &[0, 1], Loss::Done), in_order), (53, 112));
}

#[test]
fn safety_holds_and_every_witness_is_reached() {
    for (submitters, counts) in CONFIGURATIONS {
        for loss in [Loss::None, Loss::Done] {
            let spec = spec(submitters, counts, loss);
            for finding in explore(&spec).findings() {
                assert!(finding.as_expected(), "{} in {:?}", finding.name, spec.cfg());
            }
            spec.checker().spawn_bfs().join().assert_properties();
        }
    }
}

#[test]
fn completing_before_execution_violates_safety() {
    let spec = spec(2, &[0, 1], Loss::None);
    let safety = spec.property("observed-after-execution");
    assert_eq!(safety.expectation, Expectation::Always);
    // As if the hardware had taken the WD for complete while an ID was left.
    let mut early = View::new(2);
    early.calls[0].submitter = Submitter::Waiting(1);
    early.queue.push(Batch { submitter: 0, executed: 0, left: 0 });
    let early = spec.state_of(&early);
    assert!((safety.condition)(&spec, &early));
    let (_, done) = spec.next_steps(&early).into_iter().find(|(a, _)| label(a) == SpecLabel::Complete(0)).unwrap();
    assert!(!(safety.condition)(&spec, &done), "{}", view(&done));
    // Or a submitter that had returned, and for which a stale Done is under way.
    let mut stale = View::new(2);
    stale.calls[1].done = Some(1);
    assert!(!(safety.condition)(&spec, &spec.state_of(&stale)));
}

#[test]
fn views_are_states() {
    for (submitters, counts) in CONFIGURATIONS {
        for loss in [Loss::None, Loss::Done] {
            let spec = spec(submitters, counts, loss);
            let graph = explore(&spec);
            for state in graph.states() {
                assert_eq!(spec.state_of(&view(state)), *state, "{}", view(state));
            }
            let views: HashSet<View> = graph.states().iter().map(view).collect();
            assert_eq!(views.len(), graph.len());
            let lines: HashSet<String> = views.iter().map(View::to_string).collect();
            assert_eq!(lines.len(), graph.len(), "two states are described alike");
        }
    }
}

#[test]
fn largest_configuration_is_accepted() {
    let spec = spec(8, &[0, 254], Loss::Done);
    assert_eq!(spec.next_states(&spec.init_states()[0]).len(), 16);
    assert!(size_of::<View>() <= 128);
    let mut full = View::new(8);
    for t in 0..8 {
        full.calls[usize::from(t)].submitter = Submitter::Waiting(254);
        full.queue.push(Batch { submitter: t, executed: t, left: 254 - t });
    }
    let labels: Vec<SpecLabel> =
        spec.next_steps(&spec.state_of(&full)).iter().map(|(action, _)| label(action)).collect();
    assert_eq!(labels, Vec::from_iter((0..8).map(SpecLabel::Execute)));
}

#[test]
fn fair_labels_are_the_labels_that_must_not_wait_for_ever() {
    for (submitters, counts) in CONFIGURATIONS {
        for loss in [Loss::None, Loss::Done] {
            let spec = spec(submitters, counts, loss);
            let borne: HashSet<SpecLabel> = explore(&spec).labels().iter().copied().collect();
            let fair: HashSet<SpecLabel> = spec.weakly_fair().into_iter().map(|(_, label)| label).collect();
            let free = |t| [SpecLabel::Submit(t), SpecLabel::Lose(t)];
            let unfair: HashSet<SpecLabel> =
                (0..submitters as u8).flat_map(free).filter(|l| borne.contains(l)).collect();
            assert_eq!(fair, &borne - &unfair, "{:?}", spec.cfg());
            assert_eq!(unfair.len(), submitters * if loss == Loss::Done { 2 } else { 1 });
        }
    }
}

/// Whether a message of T1 is lost in some reachable state although only the network could lose it.
fn loses(model: &(impl Model<State = SpecState, Action = SpecAction> + Sync), lost: fn(&Message) -> bool) -> bool {
    Search::new(model, label).run().states().iter().any(|state| {
        model.next_steps(state).iter().any(|(action, next)| {
            matches!(action, SpecAction::Drop(message) if lost(&message.msg))
                && waiting(next, 0)
                && next.network.len() < state.network.len()
        })
    })
}

#[test]
fn only_a_done_can_be_lost() {
    let submit = |message: &Message| matches!(message, Message::Submit(_));
    let done = |message: &Message| matches!(message, Message::Done { .. });
    let lossy = spec(2, &[0, 1], Loss::Done);
    assert!(loses(&lossy, done) && !loses(&lossy, submit));
    let plain = lossy.actor_model();
    assert!(plain.lossy_network == LossyNetwork::Yes);
    assert!(loses(plain, done) && loses(plain, submit));
    let reliable = spec(2, &[0, 1], Loss::None);
    assert!(!loses(&reliable, done) && !loses(&reliable, submit));
}

#[test]
fn configurations_out_of_range_are_refused() {
    let refused = |submitters, counts: &[u8]| {
        let cfg = SpecCfg { submitters, counts: counts.to_vec(), loss: Loss::None, faults: SpecFaults::None };
        cfg.into_model().err().map(|error| (error, error.to_string()))
    };
    let because = |error, message: &str| Some((error, message.to_string()));
    assert_eq!(refused(0, &[0]), because(SpecError::Submitters(0), "0 submitters asked for, but 1 to 8 are supported"));
    assert_eq!(refused(9, &[0]), because(SpecError::Submitters(9), "9 submitters asked for, but 1 to 8 are supported"));
    assert_eq!(
        refused(1, &[]),
        because(SpecError::NoCounts, "no counts given, but a call needs at least one to choose from")
    );
    assert_eq!(
        refused(1, &[0, 255]),
        because(SpecError::Count(255), "a count of 255 IDs asked for, but at most 254 fit into the ring")
    );
    assert_eq!(
        refused(1, &[1, 0, 1]),
        because(SpecError::RepeatedCount(1), "a count of 1 IDs is listed more than once, but the counts are a set")
    );
    assert_eq!(refused(8, &[0, 254]), None);
}

/// The path of these labels; where several steps bear one, the last of them, which is the largest count.
fn path(spec: &Spec, labels: &[SpecLabel]) -> Path<SpecState, SpecAction> {
    let init = spec.init_states().remove(0);
    let (mut state, mut actions) = (init.clone(), Vec::new());
    for &wanted in labels {
        let step = spec.next_steps(&state).into_iter().rfind(|(action, _)| label(action) == wanted);
        let (action, next) = step.unwrap_or_else(|| panic!("no {wanted} in {}", view(&state)));
        actions.push(action);
        state = next;
    }
    Path::from_actions(spec, init, &actions).unwrap()
}

/// T2's `Done` is lost, T1's is delivered, and T1's next `Submit` is in flight.
fn lost_done() -> String {
    use SpecLabel::*;
    let spec = spec(2, &[0, 1], Loss::Done);
    let labels = [
        Submit(0),
        Submit(1),
        Accept(1),
        Accept(0),
        Execute(0),
        Execute(1),
        Complete(1),
        Complete(0),
        Lose(1),
        Observe(0),
        Submit(0),
    ];
    let path = path(&spec, &labels);
    assert_eq!(view(path.last_state()).to_string(), "T1 waiting(1) T2 waiting(1) | T1->submit(1)");
    spec.as_svg(path).unwrap()
}

#[test]
fn drawing_shows_what_was_lost() {
    let svg = lost_done();
    assert!(svg.contains("9. Lose(T2) drops Done(1)"), "{svg}");
    assert_eq!(svg.matches(">lost</text>").count(), 1);
    // Two Submits and a Done arrive; one Done is lost, one Submit is still in flight.
    assert_eq!(svg.matches("marker-end=").count(), 3);
    assert_eq!(svg.matches("stroke-dasharray=").count(), 2);
    assert!(svg.contains(">ID of T1</text>") && svg.contains(">ID of T2</text>"));
    assert!(["Hardware", "T1", "T2"].iter().all(|name| svg.contains(&format!(">{name}</text>"))));
}

#[test]
fn drawing_is_well_formed() {
    check_xml(&lost_done()).unwrap();
    let reliable = spec(1, &[0], Loss::None);
    check_xml(&reliable.as_svg(path(&reliable, &[])).unwrap()).unwrap();
    assert!(check_xml("<a b='1'><c/></a>").is_ok());
    for bad in ["<a>", "<a></b>", "<a b=1/>", "<a b='1' b='2'/>", "<a>x & y</a>", "<a>-></a>", "<a/><a/>", "<a b='<'/>"]
    {
        assert!(check_xml(bad).is_err(), "{bad}");
    }
}

/// Whether the text is one XML element, of the subset that a drawing needs: no comments, and `>` always escaped.
fn check_xml(xml: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml.trim_end();
    loop {
        let Some((text, tail)) = rest.split_once('<') else { return Err(format!("text at the end: {rest}")) };
        check_text(text)?;
        let (tag, tail) = tail.split_once('>').ok_or("a tag that does not end")?;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes another element"));
            }
        } else {
            let (name, attributes) =
                tag.trim_end_matches('/').split_once(' ').unwrap_or((tag.trim_end_matches('/'), ""));
            check_attributes(attributes)?;
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        rest = tail;
        if open.is_empty() {
            return if rest.is_empty() { Ok(()) } else { Err(format!("more than one element: {rest}")) };
        }
    }
}

fn check_attributes(mut attributes: &str) -> Result<(), String> {
    let mut names = HashSet::new();
    while !attributes.trim().is_empty() {
        let (name, tail) = attributes.split_once("='").ok_or_else(|| format!("no value: {attributes}"))?;
        let (value, tail) = tail.split_once('\'').ok_or_else(|| format!("no end of value: {tail}"))?;
        check_text(value)?;
        if value.contains('<') || !names.insert(name.trim()) {
            return Err(format!("attribute {name}='{value}'"));
        }
        attributes = tail;
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), String> {
    let entity = |tail: &str| ["amp;", "lt;", "gt;", "apos;", "quot;"].iter().any(|name| tail.starts_with(name));
    let plain = !text.contains('>') && text.split('&').skip(1).all(entity);
    plain.then_some(()).ok_or_else(|| format!("not escaped: {text}"))
}
