//! Labels and views need not be `Copy`: here they are texts and lists.

use stateright::Model;
use stateright_temporal::graph::Search;
use stateright_temporal::liveness::{Fairness, Formula, LivenessVerdict, Toy, check, judge, realize};
use stateright_temporal::refinement::{AbstractFairness, Mapping, StepVerdict, Strength, check_fairness, check_steps};

#[test]
fn liveness_with_labels_that_are_texts() {
    let texts =
        [(0, "poll", 1), (1, "retry", 0), (1, "answer", 2)].map(|(from, label, to)| (from, label.to_string(), to));
    let toy = Toy::new([0], texts);
    let graph = Search::new(&toy, Toy::label).run();
    let done = Formula::eventually(|state| *state == 2);
    let weak = [Fairness::weak("poll", ["poll".to_string()]), Fairness::weak("answer", ["answer".to_string()])];
    let Ok(LivenessVerdict::Violated(lasso)) = check(&graph, &weak, &done, None) else {
        panic!("polling for ever is fair")
    };
    let run = realize(&toy, Toy::label, None, &graph, &lasso).unwrap();
    assert_eq!(judge(&toy, Toy::label, &weak, &done, &run), Ok(()));
    let shown = r#"0, then for ever -"poll"-> 1 -"retry"-> 0"#;
    assert_eq!((run.to_string(), lasso.display(&graph).to_string()), (shown.to_string(), shown.to_string()));
    let strong = [Fairness::weak("poll", ["poll".to_string()]), Fairness::strong("answer", ["answer".to_string()])];
    assert_eq!(check(&graph, &strong, &done, None), Ok(LivenessVerdict::Holds));
}

/// A queue of numbers below 2, at most two at a time. The fair one is emptied again and again.
struct Queue;
impl Model for Queue {
    type State = Vec<u8>;
    type Action = Option<u8>;
    fn init_states(&self) -> Vec<Vec<u8>> {
        vec![Vec::new()]
    }
    fn actions(&self, queue: &Vec<u8>, actions: &mut Vec<Option<u8>>) {
        if queue.len() < 2 {
            actions.extend([Some(0), Some(1)]);
        }
        if !queue.is_empty() {
            actions.push(None);
        }
    }
    fn next_state(&self, queue: &Vec<u8>, action: Option<u8>) -> Option<Vec<u8>> {
        Some(match action {
            Some(number) => [queue.as_slice(), &[number]].concat(),
            None => queue[1..].to_vec(),
        })
    }
}

fn label(action: &Option<u8>) -> String {
    action.map_or("take".to_string(), |number| format!("put {number}"))
}

/// A queue is itself.
struct Itself;
impl Mapping for Itself {
    type Concrete = Vec<u8>;
    type Abstract = Queue;
    type View = Vec<u8>;
    type Label = String;
    fn target(&self) -> &Queue {
        &Queue
    }
    fn label(&self, action: &Option<u8>) -> String {
        label(action)
    }
    fn view(&self, state: &Vec<u8>) -> Vec<u8> {
        state.clone()
    }
    fn state(&self, view: &Vec<u8>) -> Vec<u8> {
        view.clone()
    }
}

#[test]
fn refinement_with_views_that_are_lists() {
    // No element, 2 single ones, 4 pairs.
    let graph = Search::new(&Queue, label).run();
    assert_eq!(graph.len(), 7);
    let steps = check_steps(&graph, &Itself, |_| false);
    assert_eq!((&steps.verdict, steps.states_hit), (&StepVerdict::Holds, 7));
    assert!(graph.ids().all(|id| steps.view(id) == graph.state(id)));
    let take =
        AbstractFairness { name: "take".to_string(), strength: Strength::Weak, labels: vec!["take".to_string()] };
    let Ok(LivenessVerdict::Violated(lasso)) = check_fairness(&graph, &steps, &[], &take, None) else {
        panic!("it may rest")
    };
    assert_eq!(lasso.display(&graph).to_string(), r#"[] -"put 0"-> [0], then nothing for ever"#);
}
