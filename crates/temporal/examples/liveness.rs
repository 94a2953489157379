//! Liveness under fairness of labelled graphs in a file, compared with what TLC said of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde::{Deserialize, Serialize};
use stateright_temporal::graph::{Graph, Search};
use stateright_temporal::liveness::{
    check, judge, realize, Fairness, Formula, LivenessError, Objection, Occurs, RealizeError, Run, Toy, Verdict,
};
use thiserror::Error;
use vtd_qi_terminal::{arguments, Exit, Failure, Output};

/// Checks liveness under fairness on each graph of a file.
///
/// The file is a JSON array of objects: `id`, which no other has; `n` states 0..n-1, of which 0 is initial; `edges` as [from, label, to]; `fair`,
/// which gives each label "WF", "SF" or "" (not fair); `kind` (eventually, leads_to, always_eventually or eventually_always)
/// with the states `p` and, for leads_to, `q`; optionally `tlc` ("holds" or "violated"), which is compared with.
///
/// A fair label is never enabled if no reachable transition bears it or none of them changes the state. Its fairness then says
/// nothing; as in TLC it is left out, and the output says so. A label of an edge that is missing in `fair` is an error.
///
/// Exit code: 0 if nothing differs from TLC, 1 if something does, 2 if the input cannot be used.
#[derive(Parser)]
#[command(after_help = "Example:\n  cargo run --release --example liveness -- tests/fixtures/liveness-cases.json")]
struct Args {
    /// The file of graphs
    file: PathBuf,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    let Some(args) = arguments::<Args>(out)? else { return Ok(Exit::Success) };
    let cases = load(&args.file).map_err(Failure::unusable)?;
    let examined = cases.iter().map(examine).collect::<Result<Vec<_>, _>>().map_err(Failure::unusable)?;
    let outcome = Outcome::new(examined);
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &outcome).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        outcome.print(out)?;
    }
    Ok(Exit::success_if(outcome.differences == 0))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: u64,
    n: u32,
    edges: Vec<(u32, String, u32)>,
    fair: BTreeMap<String, String>,
    kind: String,
    p: BTreeSet<u32>,
    q: Option<BTreeSet<u32>>,
    tlc: Option<String>,
}

/// Why the input cannot be used.
#[derive(Debug, Error)]
enum Unusable {
    #[error("cannot read {}: {source}", file.display())]
    File { file: PathBuf, source: std::io::Error },
    #[error("{} is not an array of cases: {source}", file.display())]
    Json { file: PathBuf, source: serde_json::Error },
    #[error("{} has 0 cases, at least 1 is needed", file.display())]
    Empty { file: PathBuf },
    #[error("case {id} is there more than once, each case needs an id of its own")]
    Duplicate { id: u64 },
    #[error("case {id}: n is 0, at least 1 state is needed")]
    NoState { id: u64 },
    #[error("case {id}: state {state} in {place} is not below n = {n}")]
    State { id: u64, state: u32, place: &'static str, n: u32 },
    #[error("case {id}: label {label:?} of an edge is missing in fair (give it \"WF\", \"SF\" or \"\")")]
    Label { id: u64, label: String },
    #[error("case {id}: {field} is {word:?}, expected one of {expected}")]
    Word { id: u64, field: String, word: String, expected: &'static str },
    #[error("case {id}: kind is leads_to, which needs 2 sets of states, but q is missing")]
    Response { id: u64 },
    #[error("case {id}: {source}")]
    Liveness { id: u64, source: LivenessError },
    #[error("case {id}: the lasso is no run of the graph, which is a defect of the checker: {source}")]
    Realize { id: u64, source: RealizeError },
    #[error("case {id}: the lasso does not stand up, which is a defect of the checker: {source}")]
    Judge { id: u64, source: Objection },
}

fn load(file: &PathBuf) -> Result<Vec<Case>, Unusable> {
    let text = std::fs::read_to_string(file).map_err(|source| Unusable::File { file: file.clone(), source })?;
    let cases: Vec<Case> =
        serde_json::from_str(&text).map_err(|source| Unusable::Json { file: file.clone(), source })?;
    if cases.is_empty() {
        return Err(Unusable::Empty { file: file.clone() });
    }
    let mut ids = BTreeSet::new();
    if let Some(&Case { id, .. }) = cases.iter().find(|case| !ids.insert(case.id)) {
        return Err(Unusable::Duplicate { id });
    }
    cases.iter().try_for_each(validate)?;
    Ok(cases)
}

fn validate(case: &Case) -> Result<(), Unusable> {
    let &Case { id, n, .. } = case;
    if n == 0 {
        return Err(Unusable::NoState { id });
    }
    let ends = case.edges.iter().flat_map(|(from, _, to)| [("edges", from), ("edges", to)]);
    let sets = case.p.iter().map(|s| ("p", s)).chain(case.q.iter().flatten().map(|s| ("q", s)));
    if let Some((place, &state)) = ends.chain(sets).find(|(_, state)| **state >= n) {
        return Err(Unusable::State { id, state, place, n });
    }
    if let Some((_, label, _)) = case.edges.iter().find(|(_, label, _)| !case.fair.contains_key(label)) {
        return Err(Unusable::Label { id, label: label.clone() });
    }
    let word = |field: String, word: &str, known: &[&str], expected| match known.contains(&word) {
        true => Ok(()),
        false => Err(Unusable::Word { id, field, word: word.into(), expected }),
    };
    for (label, fairness) in &case.fair {
        word(format!("fair[{label:?}]"), fairness, &["WF", "SF", ""], "\"WF\", \"SF\", \"\"")?;
    }
    let kinds = ["eventually", "leads_to", "always_eventually", "eventually_always"];
    word("kind".into(), &case.kind, &kinds, "eventually, leads_to, always_eventually, eventually_always")?;
    if case.kind == "leads_to" && case.q.is_none() {
        return Err(Unusable::Response { id });
    }
    case.tlc.iter().try_for_each(|tlc| word("tlc".into(), tlc, &["holds", "violated"], "holds, violated"))
}

/// What became of one case.
#[derive(Serialize)]
struct Examined {
    id: u64,
    kind: String,
    verdict: &'static str,
    tlc: Option<String>,
    states: usize,
    transitions: usize,
    /// Labels whose fairness was left out because no reachable transition that changes the state bears them.
    never_enabled: Vec<String>,
    counterexample: Option<Counterexample>,
}

/// A run as (label, state after) steps from state 0 on. An empty loop is stuttering.
#[derive(Serialize)]
struct Counterexample {
    stem: Vec<(String, u32)>,
    cycle: Vec<(String, u32)>,
    cycle_is_shortest: bool,
}

impl Counterexample {
    fn new(run: Run<u32, &str>, cycle_is_shortest: bool) -> Self {
        let named = |steps: Vec<(&str, u32)>| steps.into_iter().map(|(label, state)| (label.into(), state)).collect();
        Counterexample { stem: named(run.stem), cycle: named(run.cycle), cycle_is_shortest }
    }
}

impl std::fmt::Display for Counterexample {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "0")?;
        self.stem.iter().try_for_each(|(label, state)| write!(f, " -{label}-> {state}"))?;
        if self.cycle.is_empty() {
            return write!(f, ", then nothing for ever");
        }
        write!(f, ", then for ever")?;
        self.cycle.iter().try_for_each(|(label, state)| write!(f, " -{label}-> {state}"))?;
        write!(f, "{}", if self.cycle_is_shortest { "" } else { " (loop not proven shortest)" })
    }
}

fn examine(case: &Case) -> Result<Examined, Unusable> {
    let id = case.id;
    let edges: Vec<_> = case.edges.iter().map(|(from, label, to)| (*from, label.as_str(), *to)).collect();
    let toy = Toy::new([0], edges);
    let graph = Search::new(&toy, Toy::label).run();
    let (fairness, never_enabled) = fairness(case, &graph);
    let formula = formula(case);
    let verdict = check(&graph, &fairness, &formula, None).map_err(|source| Unusable::Liveness { id, source })?;
    let (verdict, counterexample) = match verdict {
        Verdict::Holds => ("holds", None),
        Verdict::Unknown(_) => ("unknown", None),
        Verdict::Violated(lasso) => {
            let run =
                realize(&toy, Toy::label, None, &graph, &lasso).map_err(|source| Unusable::Realize { id, source })?;
            judge(&toy, Toy::label, &fairness, &formula, &run).map_err(|source| Unusable::Judge { id, source })?;
            ("violated", Some(Counterexample::new(run, lasso.cycle_is_shortest)))
        }
    };
    Ok(Examined {
        id,
        kind: case.kind.clone(),
        verdict,
        tlc: case.tlc.clone(),
        states: graph.len(),
        transitions: graph.transitions(),
        never_enabled,
        counterexample,
    })
}

/// The conditions of a case, and the fair labels that are left out.
fn fairness<'c>(case: &'c Case, graph: &Graph<u32, &str>) -> (Vec<Fairness<'c, u32, &'c str>>, Vec<String>) {
    let fair = case.fair.iter().filter(|(_, fairness)| !fairness.is_empty());
    let enabled = |label: &str| {
        let mut edges = graph.ids().flat_map(|id| graph.edges(id));
        edges.any(|edge| edge.changes && graph.labels()[edge.label as usize] == label)
    };
    let (enabled, never): (Vec<_>, Vec<_>) = fair.partition(|(label, _)| enabled(label));
    let conditions = enabled.into_iter().map(|(label, fairness)| match fairness.as_str() {
        "WF" => Fairness::weak(format!("WF({label})"), [label.as_str()]),
        _ => Fairness::strong(format!("SF({label})"), [label.as_str()]),
    });
    (conditions.collect(), never.into_iter().map(|(label, _)| label.clone()).collect())
}

fn formula(case: &Case) -> Formula<'_, u32, &str> {
    let p = |state: &u32| case.p.contains(state);
    match case.kind.as_str() {
        "eventually" => Formula::eventually(p),
        "leads_to" => Formula::leads_to(p, |state| case.q.iter().flatten().any(|q| q == state)),
        "always_eventually" => Formula::AlwaysEventually(Occurs::state(p)),
        _ => Formula::eventually_always(p),
    }
}

#[derive(Serialize)]
struct Outcome {
    cases: Vec<Examined>,
    holds: usize,
    violated: usize,
    compared: usize,
    differences: usize,
}

impl Outcome {
    fn new(cases: Vec<Examined>) -> Self {
        let count = |wanted: &dyn Fn(&Examined) -> bool| cases.iter().filter(|case| wanted(case)).count();
        Outcome {
            holds: count(&|case| case.verdict == "holds"),
            violated: count(&|case| case.verdict == "violated"),
            compared: count(&|case| case.tlc.is_some()),
            differences: count(&Examined::differs),
            cases,
        }
    }

    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        for case in &self.cases {
            let Examined { id, kind, verdict, states, transitions, .. } = case;
            write!(out, "case {id}: {kind} {verdict} ({states} states, {transitions} transitions)")?;
            if case.differs() {
                write!(out, ", BUT TLC SAYS {}", case.tlc.as_deref().unwrap_or_default())?;
            }
            if !case.never_enabled.is_empty() {
                write!(out, "; fairness left out, never enabled: {}", case.never_enabled.join(", "))?;
            }
            writeln!(out)?;
            if let Some(counterexample) = &case.counterexample {
                writeln!(out, "    {counterexample}")?;
            }
        }
        let Outcome { cases, holds, violated, compared, differences } = self;
        writeln!(
            out,
            "{} cases: {holds} hold, {violated} violated; {compared} compared with TLC, {differences} differ",
            cases.len()
        )
    }
}

impl Examined {
    fn differs(&self) -> bool {
        self.tlc.as_ref().is_some_and(|tlc| tlc != self.verdict)
    }
}
