//! A tour of stateright-temporal: Peterson's mutual exclusion, and a small ring that passes a token round.
//!
//! `cargo run --release --example tour`

use std::fmt::Debug;
use std::hash::Hash;
use std::io::Write;
use std::process::ExitCode;

use stateright_temporal::graph::{Coverage, Graph, Search};
use stateright_temporal::liveness::{Fairness, Formula, LivenessVerdict, Run, check, judge, realize};
use stateright_temporal::stateright::{Expectation, Model, Property};
use vtd_qi_terminal::{Exit, Failure, Output};

/// Peterson's algorithm (*Myths about the mutual exclusion problem*, 1981): two processes, two flags and whose turn it
/// is.
struct Peterson {
    order: Order,
}

/// What a process that wants to enter writes first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Its own flag, then that it is the other's turn, as Peterson says.
    FlagThenTurn,
    /// That it is the other's turn, then its own flag. This is wrong.
    TurnThenFlag,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Process {
    A,
    B,
}
use Process::{A, B};

impl Process {
    fn other(self) -> Process {
        match self {
            A => B,
            B => A,
        }
    }
}

/// Where a process is in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Rest,
    /// One of the two writes is done.
    Halfway,
    Waiting,
    Critical,
}
use At::{Critical, Halfway, Rest, Waiting};

/// Fairness tells a process that begins to want something, which it need not, from one that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Label {
    Wants(Process),
    GoesOn(Process),
}

impl Peterson {
    fn flag(&self, at: At) -> bool {
        match at {
            Rest => false,
            Halfway => self.order == Order::FlagThenTurn,
            Waiting | Critical => true,
        }
    }
}

impl Model for Peterson {
    /// Where each process is, and whose turn it is.
    type State = ([At; 2], Process);
    type Action = Label;

    fn init_states(&self) -> Vec<Self::State> {
        vec![([Rest, Rest], A)]
    }

    fn actions(&self, (at, turn): &Self::State, actions: &mut Vec<Label>) {
        for process in [A, B] {
            match at[process as usize] {
                Rest => actions.push(Label::Wants(process)),
                Waiting if self.flag(at[process.other() as usize]) && *turn != process => {}
                Halfway | Waiting | Critical => actions.push(Label::GoesOn(process)),
            }
        }
    }

    fn next_state(&self, &(mut at, mut turn): &Self::State, label: Label) -> Option<Self::State> {
        let (Label::Wants(process) | Label::GoesOn(process)) = label;
        let here = &mut at[process as usize];
        let gives_turn = match self.order {
            Order::FlagThenTurn => Halfway,
            Order::TurnThenFlag => Rest,
        };
        if *here == gives_turn {
            turn = process.other();
        }
        *here = match *here {
            Rest => Halfway,
            Halfway => Waiting,
            Waiting => Critical,
            Critical => Rest,
        };
        Some((at, turn))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("at most one process is critical", |_, (at, _)| *at != [Critical, Critical]),
            Property::sometimes("both processes wait", |_, (at, _)| *at == [Waiting, Waiting]),
        ]
    }
}

/// A ring of three nodes. A node that wants something may use the token when it has it, or pass it on all the same.
struct Ring;

const NODES: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Act {
    Want(usize),
    Use(usize),
    Pass,
}

impl Model for Ring {
    /// Where the token is, and which nodes want it.
    type State = (usize, [bool; NODES]);
    type Action = Act;

    fn init_states(&self) -> Vec<Self::State> {
        vec![(0, [false; NODES])]
    }

    fn actions(&self, &(token, wants): &Self::State, actions: &mut Vec<Act>) {
        actions.extend((0..NODES).filter(|node| !wants[*node]).map(Act::Want));
        actions.extend(wants[token].then_some(Act::Use(token)));
        actions.push(Act::Pass);
    }

    fn next_state(&self, &(mut token, mut wants): &Self::State, act: Act) -> Option<Self::State> {
        match act {
            Act::Want(node) => wants[node] = true,
            Act::Use(node) => wants[node] = false,
            Act::Pass => token = (token + 1) % NODES,
        }
        Some((token, wants))
    }
}

/// A model whose actions are their own labels, and all that can be reached in it.
struct Explored<'m, M: Model> {
    model: &'m M,
    graph: Graph<M::State, M::Action>,
}

impl<'m, M> Explored<'m, M>
where
    M: Model<State: Clone + Debug + Eq + Hash + Send + Sync, Action: Copy + Debug + Eq + Hash + Send + Sync> + Sync,
{
    fn new(out: &mut Output, name: &str, model: &'m M) -> Result<Self, Failure> {
        let graph = Search::new(model, |action| *action).run();
        writeln!(out, "{name}: {} states, {} transitions", graph.len(), graph.transitions())?;
        Ok(Explored { model, graph })
    }

    /// What became of the model's own properties, which are about single states.
    fn properties(&self, out: &mut Output) -> Result<(), Failure> {
        for finding in self.graph.findings() {
            let expectation = if finding.expectation == Expectation::Always { "always" } else { "sometimes" };
            let verdict = match finding.state {
                _ if finding.as_expected() && self.graph.coverage() == Coverage::Complete => "holds",
                Some(_) => "violated",
                None => "unknown",
            };
            writeln!(out, "  {expectation}, {}: {verdict}", finding.name)?;
            if let Some(state) = finding.state.filter(|_| !finding.as_expected()) {
                let run = Run::along(&self.graph, &self.graph.path_to(state));
                run.stem.iter().try_for_each(|(label, state)| writeln!(out, "    -{label:?}-> {state:?}"))?;
            }
        }
        Ok(())
    }

    /// Whether a formula is true of every fair run. A run of which it is false is executed and judged again before it
    /// is printed.
    fn claim(
        &self,
        out: &mut Output,
        claim: &str,
        fairness: &[Fairness<M::State, M::Action>],
        formula: &Formula<M::State, M::Action>,
    ) -> Result<(), Failure> {
        let label = |action: &M::Action| *action;
        match check(&self.graph, fairness, formula, None).map_err(Failure::unusable)? {
            LivenessVerdict::Holds => writeln!(out, "  {claim}: holds")?,
            LivenessVerdict::Vacuous(why) => writeln!(out, "  {claim}: holds, but {why}")?,
            LivenessVerdict::Unknown(cut) => writeln!(out, "  {claim}: unknown ({cut:?})")?,
            LivenessVerdict::Violated(lasso) => {
                let run = realize(self.model, label, None, &self.graph, &lasso).map_err(Failure::unusable)?;
                judge(self.model, label, fairness, formula, &run).map_err(Failure::unusable)?;
                writeln!(out, "  {claim}: violated")?;
                format!("{run:#}").lines().try_for_each(|line| writeln!(out, "    {line}"))?;
            }
        }
        Ok(())
    }
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    let peterson = Peterson { order: Order::FlagThenTurn };
    let explored = Explored::new(out, "Peterson's algorithm", &peterson)?;
    explored.properties(out)?;
    // Under no fairness condition a process may stop anywhere. That it goes on where it can is weak fairness.
    let enters = Formula::leads_to(|(at, _): &([At; 2], Process)| at[0] == Halfway, |(at, _)| at[0] == Critical);
    let goes_on = [A, B].map(|process| Fairness::weak(format!("{process:?} goes on"), [Label::GoesOn(process)]));
    explored.claim(out, "A enters once it wants to, without fairness", &[], &enters)?;
    explored.claim(out, "A enters once it wants to, if each process goes on where it can", &goes_on, &enters)?;

    let wrong = Peterson { order: Order::TurnThenFlag };
    Explored::new(out, "The same with the writes of flag and turn exchanged", &wrong)?.properties(out)?;

    let explored = Explored::new(out, "A ring that passes a token round", &Ring)?;
    let served = Formula::leads_to(|(_, wants): &(usize, [bool; NODES])| wants[1], |(_, wants)| !wants[1]);
    // Node 1 can use the token again and again, but not all the time: that is not enough for weak fairness.
    let weak = [Fairness::weak("pass", [Act::Pass]), Fairness::weak("use", [Act::Use(1)])];
    let strong = [Fairness::weak("pass", [Act::Pass]), Fairness::strong("use", [Act::Use(1)])];
    explored.claim(out, "node 1 is served, if use is weakly fair", &weak, &served)?;
    explored.claim(out, "node 1 is served, if use is strongly fair", &strong, &served)?;
    Ok(Exit::Success)
}

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}
