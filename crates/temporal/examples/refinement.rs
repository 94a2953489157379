//! Refinement between two small models: two places in a row are a queue of two messages.
//!
//! `cargo run --release --example refinement`

use std::io::Write;
use std::process::ExitCode;

use stateright_temporal::graph::Search;
use stateright_temporal::liveness::{Checker, Fairness, LivenessVerdict};
use stateright_temporal::refinement::{AbstractFairness, Mapping, StepVerdict, Strength, check_fairness, check_steps};
use stateright_temporal::stateright::Model;
use vtd_qi_terminal::{Exit, Failure, Output};

/// A message.
type Message = char;
const MESSAGES: [Message; 2] = ['x', 'y'];

/// The specification: a queue of at most two messages.
struct Queue;

#[derive(Clone, Copy)]
enum QueueAction {
    Send(Message),
    Receive,
}

impl Model for Queue {
    /// The oldest message is the first.
    type State = Vec<Message>;
    type Action = QueueAction;

    fn init_states(&self) -> Vec<Self::State> {
        vec![Vec::new()]
    }

    fn actions(&self, queue: &Self::State, actions: &mut Vec<QueueAction>) {
        if queue.len() < 2 {
            actions.extend(MESSAGES.map(QueueAction::Send));
        }
        actions.extend((!queue.is_empty()).then_some(QueueAction::Receive));
    }

    fn next_state(&self, queue: &Self::State, action: QueueAction) -> Option<Self::State> {
        let mut queue = queue.clone();
        match action {
            QueueAction::Send(message) => queue.push(message),
            QueueAction::Receive => drop(queue.remove(0)),
        }
        Some(queue)
    }
}

/// The implementation: messages are put into the first place, moved to the second and taken from there.
struct Places {
    /// Whether a message is put into the second place where that is free, which is meant to save a move.
    shortcut: bool,
}

#[derive(Clone, Copy)]
enum PlacesAction {
    Put(Message),
    PutAhead(Message),
    Move,
    Take,
}

/// What fairness calls the actions of the implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Label {
    Put,
    Move,
    Take,
}

fn label(action: &PlacesAction) -> Label {
    match action {
        PlacesAction::Put(_) | PlacesAction::PutAhead(_) => Label::Put,
        PlacesAction::Move => Label::Move,
        PlacesAction::Take => Label::Take,
    }
}

impl Model for Places {
    /// The first place and the second.
    type State = [Option<Message>; 2];
    type Action = PlacesAction;

    fn init_states(&self) -> Vec<Self::State> {
        vec![[None, None]]
    }

    fn actions(&self, [first, second]: &Self::State, actions: &mut Vec<PlacesAction>) {
        if first.is_none() {
            actions.extend(MESSAGES.map(PlacesAction::Put));
        }
        if self.shortcut && second.is_none() {
            actions.extend(MESSAGES.map(PlacesAction::PutAhead));
        }
        actions.extend((first.is_some() && second.is_none()).then_some(PlacesAction::Move));
        actions.extend(second.is_some().then_some(PlacesAction::Take));
    }

    fn next_state(&self, &[first, second]: &Self::State, action: PlacesAction) -> Option<Self::State> {
        Some(match action {
            PlacesAction::Put(message) => [Some(message), second],
            PlacesAction::PutAhead(message) => [first, Some(message)],
            PlacesAction::Move => [None, first],
            PlacesAction::Take => [first, None],
        })
    }
}

/// The queue that two places are: what is in the second is older. A move changes nothing of it.
struct AsQueue;

impl Mapping for AsQueue {
    type Concrete = [Option<Message>; 2];
    type Abstract = Queue;
    type View = Vec<Message>;
    type Label = &'static str;

    fn target(&self) -> &Queue {
        &Queue
    }

    fn label(&self, action: &QueueAction) -> &'static str {
        match action {
            QueueAction::Send(_) => "send",
            QueueAction::Receive => "receive",
        }
    }

    fn view(&self, [first, second]: &Self::Concrete) -> Vec<Message> {
        second.iter().chain(first).copied().collect()
    }

    fn state(&self, view: &Vec<Message>) -> Vec<Message> {
        view.clone()
    }
}

/// Whether each step of the implementation is a step of the queue or changes nothing of it.
fn steps(out: &mut Output, name: &str, places: &Places) -> Result<(), Failure> {
    let graph = Search::new(places, label).run();
    let steps = check_steps(&graph, &AsQueue, |_| false);
    match &steps.verdict {
        StepVerdict::Holds => {
            let hit: Vec<_> = steps.actions_hit.iter().map(|(label, steps)| format!("{steps} {label}")).collect();
            let (transitions, hit) = (graph.transitions(), hit.join(", "));
            writeln!(
                out,
                "{name}: each of {transitions} transitions is a step of the queue ({hit}) or changes nothing of it"
            )?;
        }
        StepVerdict::StepFails { step, .. } => {
            writeln!(out, "{name}: this step is no step of the queue:")?;
            let (before, after) = (graph.state(step.source), graph.state(step.target));
            let action = graph.labels()[step.label as usize];
            writeln!(out, "  {before:?} -{action:?}-> {after:?}")?;
            writeln!(out, "  {:?} => {:?}", steps.view(step.source), steps.view(step.target))?;
        }
        other => return Err(Failure::unusable(format!("{name}: {other:?}"))),
    }
    Ok(())
}

/// Whether every run that is fair to these labels of the implementation maps to a run of the queue that is fair to
/// receiving.
fn receiving_is_fair(out: &mut Output, labels: &[Label]) -> Result<(), Failure> {
    let graph = Search::new(&Places { shortcut: false }, label).run();
    let steps = check_steps(&graph, &AsQueue, |_| false);
    let fairness: Vec<_> = labels.iter().map(|label| Fairness::weak(format!("{label:?}"), [*label])).collect();
    let checker = Checker::new(&graph, &fairness).map_err(Failure::unusable)?;
    let receive = AbstractFairness { name: "receive".to_string(), strength: Strength::Weak, labels: vec!["receive"] };
    let verdict = check_fairness(&graph, &steps, checker.pairs(), &receive, None).map_err(Failure::unusable)?;
    let names: Vec<_> = labels.iter().map(|label| format!("{label:?}")).collect();
    write!(out, "Receiving is weakly fair in the queue if weak fairness is assumed of {}: ", names.join(" and "))?;
    match verdict {
        LivenessVerdict::Violated(lasso) => writeln!(out, "violated\n  {}", lasso.display(&graph))?,
        LivenessVerdict::Holds => writeln!(out, "holds")?,
        other => return Err(Failure::unusable(format!("{other:?}"))),
    }
    Ok(())
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    steps(out, "Two places in a row", &Places { shortcut: false })?;
    steps(out, "With a shortcut", &Places { shortcut: true })?;
    receiving_is_fair(out, &[Label::Move, Label::Take])?;
    receiving_is_fair(out, &[Label::Take])?;
    Ok(Exit::Success)
}

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}
