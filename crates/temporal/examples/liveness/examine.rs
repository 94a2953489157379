//! One case is checked; what is found is executed and judged again.

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::sync::atomic::AtomicBool;

use serde::Serialize;
use stateright_temporal::graph::{Coverage, Graph, Limits, Search};
use stateright_temporal::liveness::{
    self, Checker, Fairness, Formula, LivenessError, LivenessVerdict, Occurs, Run, Toy, judge, realize,
};
use stateright_temporal::memory::Memory;
use thiserror::Error;

use crate::file::{Case, Condition, Kind, Name, Word};

/// What became of one case.
#[derive(Debug, Serialize)]
pub struct Examined {
    pub id: Name,
    pub kind: Kind,
    pub verdict: Word,
    /// Why the claim is true of every fair run without saying anything of one.
    pub vacuous: Option<String>,
    pub states: usize,
    pub transitions: usize,
    /// Conditions that were left out because no reachable transition that changes the state bears a label of theirs.
    pub never_enabled: Vec<String>,
    /// Labels that no reachable transition bears, of conditions that have others.
    pub absent: Vec<String>,
    pub counterexample: Option<Counterexample>,
}

/// A run as (label, state after) steps from an initial state on. An empty loop is stuttering.
#[derive(Debug, Serialize)]
pub struct Counterexample {
    initial: Name,
    stem: Vec<(String, Name)>,
    cycle: Vec<(String, Name)>,
    cycle_is_shortest: bool,
}

impl Counterexample {
    fn new(case: &Case, run: Run<u32, &str>, cycle_is_shortest: bool) -> Self {
        let named = |steps: Vec<(&str, u32)>| {
            steps.into_iter().map(|(label, state)| (label.to_string(), case.state(state))).collect()
        };
        let initial = case.state(run.initial);
        Counterexample { initial, stem: named(run.stem), cycle: named(run.cycle), cycle_is_shortest }
    }
}

impl Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.initial)?;
        self.stem.iter().try_for_each(|(label, state)| write!(f, " -{label}-> {state}"))?;
        if self.cycle.is_empty() {
            return write!(f, ", then nothing for ever");
        }
        write!(f, ", then for ever")?;
        self.cycle.iter().try_for_each(|(label, state)| write!(f, " -{label}-> {state}"))?;
        write!(f, "{}", if self.cycle_is_shortest { "" } else { " (loop not proven shortest)" })
    }
}

/// Why a case has no verdict.
#[derive(Debug, Error)]
pub enum Undecided {
    #[error("interrupted")]
    Interrupted,
    #[error("case {id}: {why}")]
    Unusable { id: Name, why: String },
    #[error(transparent)]
    Unknown(Unknown),
}

/// A case that there is too little memory to decide.
#[derive(Debug, Error, Serialize)]
#[error("case {id}: unknown, since {why}")]
pub struct Unknown {
    pub id: Name,
    pub why: String,
}

pub fn examine(case: &Case, memory: &Memory, cancel: &AtomicBool) -> Result<Examined, Undecided> {
    let unusable = |why: String| Undecided::Unusable { id: case.id.clone(), why };
    let refused = |error: LivenessError| match error {
        LivenessError::Cancelled => Undecided::Interrupted,
        error => unusable(error.to_string()),
    };
    let too_large = |what: String| {
        let why = format!("{what} need more than the {memory} of memory that there are");
        Undecided::Unknown(Unknown { id: case.id.clone(), why })
    };
    let defect = |why: &dyn Display| unusable(format!("the lasso does not stand up, a defect of the checker: {why}"));
    let edges: Vec<_> = case.edges.iter().map(|(from, label, to)| (*from, label.as_str(), *to)).collect();
    let toy = Toy::new(&case.initial[..], edges);
    let limits = Limits { memory: Some(memory), cancel: Some(cancel), ..Limits::default() };
    let graph = Search::new(&toy, Toy::label).limits(limits).run();
    if graph.coverage() == Coverage::Cancelled {
        return Err(Undecided::Interrupted);
    }
    if graph.coverage() == Coverage::CutByMemory {
        return Err(too_large(format!("more than {} states", graph.len())));
    }
    let (fairness, never_enabled) = fairness(case, &graph);
    let mut marks = memory.share();
    if marks.grow(fairness.len() * bytes_of_marks(&graph)).is_err() {
        let (states, conditions) = (graph.len(), fairness.len());
        return Err(too_large(format!("{states} states with {conditions} fairness conditions")));
    }
    let formula = formula(case);
    let checker = Checker::new(&graph, &fairness).map_err(refused)?;
    let absent = checker
        .absent()
        .iter()
        .flat_map(|absent| absent.labels.iter().map(|label| format!("{label} of {}", absent.fairness)));
    let (verdict, vacuous, counterexample) = match checker.check(&formula, Some(cancel)).map_err(refused)? {
        LivenessVerdict::Holds => (Word::Holds, None, None),
        LivenessVerdict::Vacuous(why) => (Word::Holds, Some(why.to_string()), None),
        LivenessVerdict::Unknown(coverage) => {
            return Err(unusable(format!("not all states were reached: {coverage:?}")));
        }
        LivenessVerdict::Violated(lasso) => {
            let run = realize(&toy, Toy::label, None, &graph, &lasso).map_err(|error| defect(&error))?;
            judge(&toy, Toy::label, &fairness, &formula, &run).map_err(|objection| defect(&objection))?;
            (Word::Violated, None, Some(Counterexample::new(case, run, lasso.cycle_is_shortest)))
        }
    };
    Ok(Examined {
        id: case.id.clone(),
        kind: case.kind,
        verdict,
        vacuous,
        states: graph.len(),
        transitions: graph.transitions(),
        never_enabled,
        absent: absent.collect(),
        counterexample,
    })
}

/// What the checker keeps of a fairness condition: two marks of each state and of each transition, which are bits.
fn bytes_of_marks(graph: &Graph<u32, &str>) -> usize {
    size_of::<liveness::Pair>() + (graph.len() + graph.transitions()) / 4
}

/// The conditions of a case, and the names of those that are left out.
fn fairness<'c>(case: &'c Case, graph: &Graph<u32, &str>) -> (Vec<Fairness<'c, u32, &'c str>>, Vec<String>) {
    let changing = graph.ids().flat_map(|id| graph.edges(id)).filter(|edge| edge.changes);
    let enabled: HashSet<&str> = changing.map(|edge| graph.labels()[edge.label as usize]).collect();
    let (mut conditions, mut never) = (Vec::new(), Vec::new());
    for condition in &case.conditions {
        let name = condition.to_string();
        let borrowed = |labels: &'c [String]| labels.iter().map(String::as_str).collect::<Vec<_>>();
        let condition = match condition {
            Condition::Weak(labels) => liveness::Condition::Weak(borrowed(labels)),
            Condition::Strong(labels) => liveness::Condition::Strong(borrowed(labels)),
            Condition::Streett(p, q) => liveness::Condition::Streett { p: occurs(p), q: occurs(q) },
        };
        match &condition {
            liveness::Condition::Weak(labels) | liveness::Condition::Strong(labels)
                if !labels.iter().any(|label| enabled.contains(label)) =>
            {
                never.push(name)
            }
            _ => conditions.push(Fairness { name, condition }),
        }
    }
    (conditions, never)
}

fn occurs(occurs: &crate::file::Occurs) -> Occurs<'_, u32, &str> {
    let labels: HashSet<&str> = occurs.labels.iter().map(String::as_str).collect();
    let state = |state: &u32| occurs.states.contains(state);
    Occurs::Either(Box::new(state), Box::new(move |_, label, _| labels.contains(label)))
}

fn formula(case: &Case) -> Formula<'_, u32, &str> {
    let p = |state: &u32| case.p.contains(state);
    match case.kind {
        Kind::Eventually => Formula::eventually(p),
        Kind::LeadsTo => Formula::leads_to(p, |state| case.q.contains(state)),
        Kind::AlwaysEventually => Formula::AlwaysEventually(Occurs::state(p)),
        Kind::EventuallyAlways => Formula::eventually_always(p),
    }
}
