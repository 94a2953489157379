//! TLC's state graph against Rust's, state for state: `-dump dot,actionlabels`, read line by line.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::model::{Model, Subject};
use super::rust::whole;
use super::{TwinError, Value};
use stateright_temporal::graph::{Graph, Limits, Search, StateId};
use stateright_temporal::memory::{Exhausted, Memory, Share};
use vtd_qi::with_ring;
use vtd_qi_tla::Twin;
use vtd_qi_tla::is_called;

/// What became of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Both graphs have the same states, initial states and labelled transitions.
    Equal {
        /// Number of states.
        states: usize,
        /// Number of initial states.
        initial: usize,
        /// Number of distinct (state, label, state) triples.
        transitions: usize,
    },
    /// The same, but this TLC prints actions without their parameters: `Submit` for `Submit(1)` and `Submit(2)`.
    EqualWithoutParameters {
        /// Number of states.
        states: usize,
        /// Number of initial states.
        initial: usize,
        /// Number of distinct (state, action without parameter, state) triples.
        transitions: usize,
    },
    /// The first thing that one side lacks.
    Differs(String),
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Agreement::Equal { states, initial, transitions } => {
                write!(f, "equal: {states} states, {initial} initial, {transitions} transitions")
            }
            Agreement::EqualWithoutParameters { states, initial, transitions } => {
                write!(f, "equal but for parameters: {states} states, {initial} initial, {transitions} transitions")
            }
            Agreement::Differs(what) => write!(f, "{what}"),
        }
    }
}

/// Compares a state graph that TLC dumped with the unreduced graph of the same model, within limits.
///
/// # Errors
/// [`TwinError::Dump`] if the file is not a whole dump, with the line; [`TwinError::Undecided`] if a limit was reached.
pub fn compare(model: &Model, dump: &Path, limits: Limits) -> Result<Agreement, TwinError> {
    let file = File::open(dump).map_err(TwinError::io(dump, "read"))?;
    match &model.subject {
        Subject::Spec(cfg) => {
            let spec = cfg.clone().into_model().map_err(|error| TwinError::Model(error.to_string()))?;
            compare_with(&model.name, &spec, dump, BufReader::new(file), limits)
        }
        Subject::Ring(cfg) => {
            with_ring!(cfg.clone(), |ring| compare_with(&model.name, &ring, dump, BufReader::new(file), limits))
        }
    }
}

fn compare_with(
    name: &str,
    ours: &impl Twin,
    dump: &Path,
    lines: impl BufRead,
    limits: Limits,
) -> Result<Agreement, TwinError> {
    let mut matching = Matching::new(name, ours, limits)?;
    read(dump, lines, &mut matching)?;
    matching.agreement()
}

/// The number that TLC gives a state.
type Fingerprint = i64;

/// What a dump says, line by line.
trait Visit {
    fn state(&mut self, number: Fingerprint, state: String, initial: bool);
    /// Says what is wrong with the action's name.
    fn step(&mut self, from: Fingerprint, label: &str, to: Fingerprint) -> Result<(), String>;
    fn check_ends(&self) -> Result<(), String>;
}

fn read(file: &Path, lines: impl BufRead, visit: &mut impl Visit) -> Result<(), TwinError> {
    let error = |line, what: String| TwinError::Dump { file: file.into(), line, what };
    let mut open = 0;
    let mut last = 0;
    for (number, line) in (1..).zip(lines.lines()) {
        last = number;
        let line = line.map_err(|e| error(number, e.to_string()))?;
        let line = line.trim();
        match line {
            _ if line.starts_with("strict digraph") || line.starts_with("subgraph") => open += 1,
            "}" => open -= 1,
            _ => {}
        }
        let Some((head, attributes)) = line.split_once(" [label=\"") else { continue };
        let (label, rest) = split_string(attributes).ok_or_else(|| error(number, "a label has no end".into()))?;
        let ends: Vec<Fingerprint> = head.split(" -> ").map_while(|end| end.parse().ok()).collect();
        match ends[..] {
            [state] => {
                let value = Value::from_state(&unescape(label)).map_err(|e| error(number, e.to_string()))?;
                visit.state(state, value.to_string(), rest.contains("style = filled"));
            }
            [from, to] => visit.step(from, label, to).map_err(|what| error(number, what))?,
            _ => return Err(error(number, format!("{head:?} is no state and no transition"))),
        }
    }
    if open != 0 || last == 0 {
        return Err(error(last, "the dump ends before the graph does".into()));
    }
    visit.check_ends().map_err(|what| error(last, what))
}

/// What stands before and after the quotation mark that ends a string.
pub(super) fn split_string(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some((&text[..end], &text[end + 1..]))
}

pub(super) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => {}
            },
            other => plain.push(other),
        }
    }
    plain
}

/// Rust's graph, and what of it TLC's has.
struct Matching<'a, M: Twin> {
    model: &'a M,
    graph: Graph<M::State, M::Label>,
    /// The twin's names of the labels, by number.
    labels: Vec<String>,
    /// Rust's states by what the twin calls them.
    known: HashMap<String, StateId>,
    /// TLC's numbers of them.
    numbers: HashMap<Fingerprint, StateId>,
    initial: HashSet<StateId>,
    /// Transitions whose ends may not have been read yet.
    steps: HashSet<(Fingerprint, u16, Fingerprint)>,
    /// Whether TLC prints the parameters of actions; known from the first action that has one.
    parameters: Option<bool>,
    /// The first thing of TLC's that Rust lacks.
    lacking: Option<String>,
    /// What all this takes beside the graph.
    share: Share,
    /// What is said if it cannot have that.
    too_large: TwinError,
    /// Whether it could not.
    used_up: bool,
}

/// What a state of either side takes beside its text, at most: an entry of a hash table that has just been doubled.
const PER_STATE: usize = 160;
/// What a transition takes, at most: in the end it is in a hash table of either side.
const PER_STEP: usize = 200;

impl<'a, M: Twin> Matching<'a, M> {
    fn new(name: &str, model: &'a M, limits: Limits) -> Result<Self, TwinError> {
        let graph = Search::new(model, M::label).limits(limits).run();
        whole(name, &graph, limits)?;
        let mut share = limits.memory.map_or_else(|| Memory::unlimited().share(), Memory::share);
        let allowed = limits.memory.map_or_else(String::new, |memory| format!("the {memory} of "));
        let too_large =
            TwinError::Undecided(format!("{name}: {allowed}memory that were allowed do not hold both graphs"));
        let mut known = HashMap::new();
        for id in graph.ids() {
            let text = model.variables(graph.state(id)).to_string();
            share.grow(text.capacity() + PER_STATE).map_err(|Exhausted| too_large.clone())?;
            known.insert(text, id);
        }
        let labels = graph.labels().iter().map(|&label| M::action_name(label)).collect();
        Ok(Matching {
            model,
            graph,
            labels,
            known,
            numbers: HashMap::new(),
            initial: HashSet::new(),
            steps: HashSet::new(),
            parameters: None,
            lacking: None,
            share,
            too_large,
            used_up: false,
        })
    }

    fn text(&self, id: StateId) -> String {
        self.model.variables(self.graph.state(id)).to_string()
    }

    fn agreement(self) -> Result<Agreement, TwinError> {
        if self.used_up {
            return Err(self.too_large);
        }
        let (states, initial, transitions) = (self.numbers.len(), self.initial.len(), self.steps.len());
        Ok(match self.difference() {
            Some(difference) => Agreement::Differs(difference),
            None if self.parameters == Some(false) => {
                Agreement::EqualWithoutParameters { states, initial, transitions }
            }
            None => Agreement::Equal { states, initial, transitions },
        })
    }

    /// Whether there is memory for so many bytes more.
    fn has_room(&mut self, bytes: usize) -> bool {
        self.used_up = self.used_up || self.share.grow(bytes).is_err();
        !self.used_up
    }

    /// The number that stands for a label: if TLC prints no parameters, that of the first label of the same action.
    fn representative(&self, label: u16) -> u16 {
        let action = |label: &String| label.split('(').next().map(str::to_string);
        match self.parameters {
            Some(false) => {
                let wanted = action(&self.labels[usize::from(label)]);
                self.labels.iter().position(|label| action(label) == wanted).map_or(label, |first| first as u16)
            }
            _ => label,
        }
    }

    fn difference(&self) -> Option<String> {
        if let Some(lacking) = &self.lacking {
            return Some(lacking.clone());
        }
        let seen: HashSet<StateId> = self.numbers.values().copied().collect();
        if let Some(id) = self.graph.ids().find(|id| !seen.contains(id)) {
            return Some(format!("TLC lacks the state {}", self.text(id)));
        }
        if let Some(id) = self.graph.ids().find(|id| self.graph.initial().contains(id) != self.initial.contains(id)) {
            let side = if self.initial.contains(&id) { "TLC" } else { "Rust" };
            return Some(format!("only {side} has the initial state {}", self.text(id)));
        }
        let steps = |from: StateId, label: u16, to: StateId| {
            format!("{} from {} to {}", self.labels[usize::from(label)], self.text(from), self.text(to))
        };
        let theirs: HashSet<(StateId, u16, StateId)> =
            self.steps.iter().map(|(from, label, to)| (self.numbers[from], *label, self.numbers[to])).collect();
        let ours = self
            .graph
            .ids()
            .flat_map(|id| self.graph.edges(id))
            .map(|e| (e.source, self.representative(e.label), e.target));
        let ours: Vec<_> = ours.collect();
        if let Some(&(from, label, to)) = ours.iter().find(|step| !theirs.contains(step)) {
            return Some(format!("TLC lacks the step {}", steps(from, label, to)));
        }
        let ours: HashSet<_> = ours.into_iter().collect();
        let extra = theirs.difference(&ours).min();
        extra.map(|&(from, label, to)| format!("Rust lacks the step {}", steps(from, label, to)))
    }
}

impl<M: Twin> Visit for Matching<'_, M> {
    fn state(&mut self, number: Fingerprint, state: String, initial: bool) {
        if !self.has_room(PER_STATE) {
            return;
        }
        match self.known.get(&state) {
            Some(&id) => {
                self.numbers.insert(number, id);
                if initial {
                    self.initial.insert(id);
                }
            }
            None => _ = self.lacking.get_or_insert_with(|| format!("Rust lacks the state {state}")),
        }
    }

    fn step(&mut self, from: Fingerprint, label: &str, to: Fingerprint) -> Result<(), String> {
        let Some(number) = self.labels.iter().position(|known| is_called(known, label)) else {
            self.lacking.get_or_insert_with(|| format!("no step of the Rust is called {}", label.escape_debug()));
            return Ok(());
        };
        if self.labels[number].contains('(') {
            let printed = label.contains('(');
            if *self.parameters.get_or_insert(printed) != printed {
                return Err(format!("{label} is printed as if by another TLC than the actions before it"));
            }
        }
        if self.has_room(PER_STEP) {
            self.steps.insert((from, number as u16, to));
        }
        Ok(())
    }

    fn check_ends(&self) -> Result<(), String> {
        let missing = |number: &&Fingerprint| !self.numbers.contains_key(number);
        let ends = self.steps.iter().flat_map(|(from, _, to)| [from, to]);
        match ends.filter(|_| self.lacking.is_none() && !self.used_up).find(missing) {
            Some(number) => Err(format!("the state {number} of a transition is not in the dump")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::mutations;
    use vtd_qi::spec::{Loss, Spec, SpecCfg, SpecFaults};
    use vtd_qi_tla::MOST_NESTED;

    /// The smallest graph there is: four states in a ring.
    fn spec() -> Spec {
        SpecCfg { submitters: 1, counts: vec![0], loss: Loss::None, faults: SpecFaults::None }.into_model().unwrap()
    }

    const DUMP: &str = r#"strict digraph DiskGraph {
subgraph cluster_graph {
1 [label="/\\ again = <<FALSE>>\n/\\ fault = <<\"none\">>\n/\\ done = <<-1>>\n/\\ submitter = <<-1>>\n/\\ submit = <<-1>>\n/\\ queue = <<>>",style = filled]
1 -> -2 [label="Submit(1)",color="black",fontcolor="black"];
-2 [label="/\\ again = <<FALSE>>\n/\\ fault = <<\"none\">>\n/\\ done = <<-1>>\n/\\ submitter = <<0>>\n/\\ submit = <<0>>\n/\\ queue = <<>>",tooltip="\"x\""];
-2 -> 3 [label="Accept(1)"];
3 [label="/\\ again = <<FALSE>>\n/\\ fault = <<\"none\">>\n/\\ done = <<-1>>\n/\\ submitter = <<0>>\n/\\ submit = <<-1>>\n/\\ queue = <<[submitter |-> 1, executed |-> 0, left |-> 0]>>"];
3 -> 4 [label="Complete(1)"];
4 [label="/\\ again = <<FALSE>>\n/\\ fault = <<\"none\">>\n/\\ done = <<0>>\n/\\ submitter = <<0>>\n/\\ submit = <<-1>>\n/\\ queue = <<>>"];
4 -> 1 [label="Observe(1)"];
}
}
"#;

    fn compared(dump: &str) -> Result<String, String> {
        let agreement = within(dump, Limits::default());
        agreement.map(|agreement| agreement.to_string()).map_err(|error| error.to_string())
    }

    fn within(dump: &str, limits: Limits) -> Result<Agreement, TwinError> {
        compare_with("small", &spec(), Path::new("g.dot"), dump.as_bytes(), limits)
    }

    #[test]
    fn a_comparison_that_does_not_fit_is_undecided() {
        // The least with which it comes to an end, and less of it: the graph, its states as text, what TLC has.
        let ends =
            |bytes: &usize| within(DUMP, Limits { memory: Some(&Memory::of(*bytes)), ..Limits::default() }).is_ok();
        let enough = (0..100_000).step_by(100).find(ends).expect("four states are few");
        let mut causes = Vec::new();
        for bytes in (0..enough).step_by(100) {
            match within(DUMP, Limits { memory: Some(&Memory::of(bytes)), ..Limits::default() }) {
                Err(TwinError::Undecided(why)) => causes.push(why),
                other => panic!("{bytes} bytes: {other:?}"),
            }
        }
        assert!(causes[0].contains("small has more than 1 states"), "{causes:?}");
        assert!(causes.last().unwrap().contains("of memory that were allowed do not hold both graphs"), "{causes:?}");
    }

    #[test]
    fn equal_graphs_are_equal() {
        assert_eq!(compared(DUMP).as_deref(), Ok("equal: 4 states, 1 initial, 4 transitions"));
    }

    #[test]
    fn each_kind_of_difference_is_found() {
        let without =
            |line: &str| DUMP.lines().filter(|l| !l.starts_with(line)).map(|l| format!("{l}\n")).collect::<String>();
        let starts = |dump: &str, message: &str| {
            let found = compared(dump).unwrap();
            assert!(found.starts_with(message), "{found}");
        };
        starts(&without("4 -> 1"), "TLC lacks the step Observe(1) from [again |-> <<FALSE>>, done |-> <<0>>,");
        starts(
            &(without("4 ").replace("3 -> 4", "3 -> 1")),
            "TLC lacks the state [again |-> <<FALSE>>, done |-> <<0>>,",
        );
        starts(
            &DUMP.replace("4 -> 1 [", "3 -> 1 [label=\"Observe(1)\"];\n4 -> 1 ["),
            "Rust lacks the step Observe(1) from",
        );
        starts(
            &DUMP.replace("done = <<0>>", "done = <<7>>"),
            "Rust lacks the state [again |-> <<FALSE>>, done |-> <<7>>,",
        );
        starts(&DUMP.replace("Complete(1)", "Finish(1)"), "no step of the Rust is called Finish(1)");
        starts(
            &DUMP.replace(",style = filled", ""),
            "only Rust has the initial state [again |-> <<FALSE>>, done |-> <<-1>>,",
        );
    }

    #[test]
    fn a_dump_that_is_not_whole_is_refused() {
        let refused = |dump: &str, message: &str| assert_eq!(compared(dump).unwrap_err(), message);
        let file = "the state graph in g.dot cannot be used:";
        refused("", &format!("{file} line 0: the dump ends before the graph does"));
        refused(&DUMP[..DUMP.len() - 2], &format!("{file} line 11: the dump ends before the graph does"));
        refused(&DUMP[..DUMP.find("Observe").unwrap() + 3], &format!("{file} line 10: a label has no end"));
        let lost: String =
            DUMP.lines().filter(|line| !line.starts_with("4 [")).map(|line| format!("{line}\n")).collect();
        refused(&lost, &format!("{file} line 11: the state 4 of a transition is not in the dump"));
        let mixed = "line 6: Accept(1) is printed as if by another TLC than the actions before it";
        refused(&DUMP.replace("Submit(1)", "Submit"), &format!("{file} {mixed}"));
        // A parenthesis that would overflow the stack of a reader that goes as deep as it is asked to.
        let deep = DUMP.replace("done = <<7>>", "").replacen("<<-1>>", &"<<".repeat(200_000), 1);
        refused(&deep, &format!("{file} line 3: a value is nested more than {MOST_NESTED} deep"));
    }

    #[test]
    fn an_old_tlc_prints_no_parameters() {
        let old = DUMP.replace("(1)", "");
        assert_eq!(compared(&old).as_deref(), Ok("equal but for parameters: 4 states, 1 initial, 4 transitions"));
        let found = compared(&old.replace("4 -> 1 [label=\"Observe", "4 -> 1 [label=\"Complete")).unwrap();
        assert!(found.starts_with("TLC lacks the step Observe(1) from"), "{found}");
    }

    /// Mutated dumps are refused in one line, or compared. `VTD_QI_FUZZ` says how many.
    #[test]
    fn mutated_dumps_do_no_harm() {
        let count = std::env::var("VTD_QI_FUZZ").map_or(400, |count| count.parse().unwrap());
        let spec = spec();
        for (seed, mutated) in mutations(&[DUMP.as_bytes()], count).enumerate() {
            let found = compare_with("small", &spec, Path::new("g.dot"), mutated.as_slice(), Limits::default());
            let found = found.map_or_else(|error| error.to_string(), |agreement| agreement.to_string());
            assert!(found.lines().count() == 1 && !found.contains(char::is_control), "{seed}: {found}");
        }
    }
}
