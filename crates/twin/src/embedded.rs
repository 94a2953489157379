//! The other side without TLC: the crate tla-checker, for what it supports of spec/.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use tla_checker::checker::{self, CheckResult, CheckStats};
use tla_checker::export::DotMode;
use tla_checker::load;

use super::Verdict;
use super::dump::{Agreement, split_string, unescape};
use super::model::{Model, Property, Subject};
use super::pairing::{Theirs, compared, constants};
use super::rust::{Side, check_within};
use super::tlc::Scratch;
use super::{TwinError, Value};
use stateright_temporal::graph::{Limits, Search};
use vtd_qi::scenario::Check;
use vtd_qi::with_ring;
use vtd_qi_tla::Twin;

/// The embedded checker, as far as it runs models.
pub struct Embedded {
    spec: PathBuf,
    most_states: usize,
    counted: HashMap<String, Counted>,
}

#[derive(Clone)]
struct Counted {
    states: usize,
    depth: usize,
    graph: Agreement,
}

/// A model, seen from both sides, the other one being the embedded checker.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddedPairing {
    /// The Rust side.
    pub ours: Side,
    /// What the embedded checker found, with the properties that it supports; `None` if the model is too large for it.
    pub theirs: Option<Theirs>,
    /// What only TLC checks of this model, and why.
    pub not_run: Vec<(String, String)>,
    /// What the sides differ in; empty if they agree.
    pub differences: Vec<String>,
}

/// What the embedded checker does of no model.
pub const ONLY_TLC: &str = "which states are initial, the submitters in labels, which disjunct of Step(t) a step is, \
    ALIAS Drawn, counterexamples carried over to the other side";

/// Why the embedded checker cannot judge a property.
fn unsupported(property: Property) -> Option<&'static str> {
    match property {
        Property::Ring(Check::RefinesSpec | Check::RefinesLossySpec | Check::RefinesFairSpec) => {
            Some("a property that is the specification of an INSTANCE is taken for a predicate")
        }
        Property::Ring(check) if !check.is_safety() => Some("with the fairness of QIRing its tableau is too large"),
        _ => None,
    }
}

/// The specification with a step that stands beside `Next`.
const EARLY_DONE: &str = "EarlyDoneSpec";

/// Why the labelled steps of that specification are not compared.
const UNNAMED_STEPS: &str =
    "it calls a step after the operator that stands in Next, and this specification adds one beside Next";

impl Embedded {
    /// The checker of models of at most so many states, over the modules in a directory.
    ///
    /// # Errors
    /// [`TwinError::Io`] if there is no such directory.
    pub fn new(spec: &Path, most_states: usize) -> Result<Embedded, TwinError> {
        let spec = spec.canonicalize().map_err(TwinError::io(spec, "found"))?;
        Ok(Embedded { spec, most_states, counted: HashMap::new() })
    }

    /// Runs both sides of a model and compares them: states, depth, transitions, and the verdict of each property that the
    /// embedded checker supports. The limits are those of the Rust side: the embedded checker takes what memory it needs, which
    /// only the number of states that it is given bounds.
    ///
    /// # Errors
    /// [`TwinError`] if one side comes to no verdict; what the sides differ in is no error.
    pub fn pair(&mut self, model: &Model, limits: Limits) -> Result<EmbeddedPairing, TwinError> {
        let ours = check_within(model, limits)?;
        let too_large = || format!("it has {} states, more than {}", ours.states, self.most_states);
        let beyond = (ours.states > self.most_states).then(too_large);
        if let Some(why) = beyond {
            let not_run = vec![(model.name.clone(), why)];
            return Ok(EmbeddedPairing { ours, theirs: None, not_run, differences: Vec::new() });
        }
        let started = Instant::now();
        let reason = |&property: &Property| unsupported(property).map(|why| (property.name(), why.to_string()));
        let mut not_run: Vec<_> = model.properties.iter().filter_map(reason).collect();
        let supported: Vec<Property> =
            model.properties.iter().copied().filter(|&property| unsupported(property).is_none()).collect();
        let mut verdicts = Vec::new();
        match self.run(&model.with(&supported))? {
            known @ (Verdict::Holds | Verdict::Unknown) => {
                verdicts.extend(supported.iter().map(|&property| (property, known)));
            }
            Verdict::Violated => {
                for &property in &supported {
                    verdicts.push((property, self.run(&model.with(&[property]))?));
                }
                // What is violated stops before all states are seen, so they are counted apart.
                self.run(&model.with(&[]))?;
            }
        }
        let Counted { states, depth, graph } = self.counted[&constants(model)].clone();
        let mut differences = Vec::new();
        let transitions = match graph {
            Agreement::Equal { transitions, .. } | Agreement::EqualWithoutParameters { transitions, .. } => {
                Some(transitions)
            }
            Agreement::Differs(_) if model.specification() == EARLY_DONE => {
                not_run.push(("the labels of its steps".to_string(), UNNAMED_STEPS.to_string()));
                None
            }
            Agreement::Differs(what) => {
                differences.push(what);
                None
            }
        };
        let theirs = Theirs {
            version: "tla-checker".into(),
            states,
            depth: Some(depth),
            transitions,
            unlabelled: None,
            generated: None,
            verdicts,
            seconds: started.elapsed().as_secs_f64(),
        };
        differences.extend(compared(&judged(&ours, &supported), &theirs, "the embedded checker"));
        Ok(EmbeddedPairing { ours, theirs: Some(theirs), not_run, differences })
    }

    /// Whether all properties of a model hold; if they do, its states are counted and compared.
    fn run(&mut self, model: &Model) -> Result<Verdict, TwinError> {
        if model.properties.is_empty() && self.counted.contains_key(&constants(model)) {
            return Ok(Verdict::Holds);
        }
        let refused = |what: String| TwinError::Embedded(format!("{}: {what}", model.name));
        let scratch = Scratch::new()?;
        let cfg = scratch.file("model.cfg");
        std::fs::write(&cfg, model.to_cfg().replace("ALIAS Drawn\n", "")).map_err(TwinError::io(&cfg, "written"))?;
        let module = self.spec.join(model.subject.module()).with_extension("tla");
        let mut prepared =
            load::prepare_from_path(&module, Some(&cfg), &[]).map_err(|error| refused(error.to_string()))?;
        // It warns of what it passes over.
        if let Some(warning) = prepared.warnings.first() {
            return Err(refused(warning.value.clone()));
        }
        let config = &mut prepared.checker_config;
        config.max_depth = usize::MAX;
        config.dot_mode = DotMode::Full;
        config.export_dot_string = true;
        match checker::check(&prepared.spec, &prepared.domains, config) {
            CheckResult::Ok(stats) => {
                let counted = counted(model, &stats)?;
                self.counted.insert(constants(model), counted);
                Ok(Verdict::Holds)
            }
            CheckResult::InvariantViolation(..)
            | CheckResult::PropertyViolation(..)
            | CheckResult::LivenessViolation(..) => Ok(Verdict::Violated),
            other => Err(refused(sentence(&checker::check_result_to_json(&other, &prepared.spec)))),
        }
    }
}

/// What the checker says when it gives no verdict, without the trace that it shows beside.
fn sentence(result: &str) -> String {
    let result: serde_json::Value = serde_json::from_str(result).unwrap_or_default();
    let text = |field| result.get(field).and_then(serde_json::Value::as_str);
    text("error").or(text("status")).unwrap_or("it does not say why").to_string()
}

/// The Rust side with nothing but some of its verdicts.
fn judged(ours: &Side, supported: &[Property]) -> Side {
    let verdicts = ours.verdicts.iter().copied().filter(|(property, _)| supported.contains(property)).collect();
    Side { verdicts, ..ours.clone() }
}

fn counted(model: &Model, stats: &CheckStats) -> Result<Counted, TwinError> {
    let refused = |what: String| TwinError::Embedded(format!("{}: {what}", model.name));
    let dot = stats.dot_graph.as_deref().ok_or_else(|| refused("it exports no graph".into()))?;
    let graph = match &model.subject {
        Subject::Spec(cfg) => {
            let spec = cfg.clone().into_model().map_err(|error| TwinError::Model(error.to_string()))?;
            compare(&spec, dot, str::to_string)
        }
        Subject::Ring(cfg) => with_ring!(cfg.clone(), |ring| compare(&ring, dot, step_of_ring)),
    };
    Ok(Counted { states: stats.states_explored, depth: stats.max_depth_reached, graph: graph.map_err(refused)? })
}

/// The action as the embedded checker names it: the operator that stands in Next.
fn step_of_ring(action: &str) -> String {
    match action {
        "Call" | "Acquire" | "Fetch" | "Execute" | "Complete" | "Iqe" | "TimeOut" | "LoseAnswer" | "Ice" | "Remove" => {
            action
        }
        _ => "Step",
    }
    .into()
}

/// Compares an exported graph with Rust's, state for state; `named` says what the name of an action of Rust is in it.
fn compare<M: Twin>(ours: &M, dot: &str, named: impl Fn(&str) -> String) -> Result<Agreement, String> {
    let (states, theirs) = read(dot)?;
    let graph = Search::new(ours, M::label).run();
    let name = |label: u16| {
        let action = M::action_name(graph.labels()[usize::from(label)]);
        named(action.split('(').next().unwrap_or_default())
    };
    let text: Vec<String> = graph.ids().map(|id| ours.variables(graph.state(id)).to_string()).collect();
    let known: HashSet<&str> = text.iter().map(String::as_str).collect();
    let found: HashSet<&str> = states.values().map(String::as_str).collect();
    if let Some(state) = found.difference(&known).min() {
        return Ok(Agreement::Differs(format!("Rust lacks the state {state}")));
    }
    if let Some(state) = text.iter().find(|state| !found.contains(state.as_str())) {
        return Ok(Agreement::Differs(format!("the embedded checker lacks the state {state}")));
    }
    let mut steps = HashSet::new();
    for (from, label, to) in &theirs {
        let end = |id| states.get(id).ok_or_else(|| format!("the state {id} of a transition is not in the graph"));
        steps.insert((end(from)?.as_str(), label.clone(), end(to)?.as_str()));
    }
    let edges = graph.ids().flat_map(|id| graph.edges(id));
    let shown = |(from, label, to): &(&str, String, &str)| format!("{label} from {from} to {to}");
    let mut known = HashSet::new();
    for edge in edges {
        known.insert((text[edge.source as usize].as_str(), name(edge.label), text[edge.target as usize].as_str()));
    }
    if let Some(step) = known.difference(&steps).min() {
        return Ok(Agreement::Differs(format!("the embedded checker lacks the step {}", shown(step))));
    }
    if let Some(step) = steps.difference(&known).min() {
        return Ok(Agreement::Differs(format!("Rust lacks the step {}", shown(step))));
    }
    Ok(Agreement::Equal { states: found.len(), initial: graph.initial().len(), transitions: theirs.len() })
}

/// The states of an exported graph by their names, and its steps.
type Exported<'a> = (HashMap<&'a str, String>, Vec<(&'a str, String, &'a str)>);

fn read(dot: &str) -> Result<Exported<'_>, String> {
    let (mut states, mut steps) = (HashMap::new(), Vec::new());
    for line in dot.lines().map(str::trim) {
        let Some((head, attributes)) = line.split_once(" [label=\"") else { continue };
        let (label, _) = split_string(attributes).ok_or("a label has no end")?;
        match head.split_once(" -> ") {
            Some((from, to)) => steps.push((from, label.to_string(), to)),
            None => _ = states.insert(head, state(&unescape(label))?.to_string()),
        }
    }
    if states.is_empty() || !dot.trim_end().ends_with('}') {
        return Err("the graph is not whole".into());
    }
    Ok((states, steps))
}

/// A state: a line `variable=value` for each variable.
fn state(text: &str) -> Result<Value, String> {
    let field = |line: &str| {
        let (name, value) = line.split_once('=').ok_or_else(|| format!("{line:?} is no variable"))?;
        Ok((Value::str(name), value.parse::<Value>().map_err(|error| error.to_string())?))
    };
    text.lines().map(field).collect::<Result<_, String>>().map(Value::Fun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use vtd_qi::impl_qi::Safety;

    fn pairing(name: &str, most_states: usize) -> (Embedded, Model) {
        let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec");
        let model = Model::all().find(name).unwrap().clone();
        (Embedded::new(&spec, most_states).unwrap(), model)
    }

    #[test]
    fn the_specification_is_paired_with_its_liveness() {
        let (mut embedded, model) = pairing("spec-c01-2", 73);
        let EmbeddedPairing { ours, theirs, not_run, differences } = embedded.pair(&model, Limits::default()).unwrap();
        let theirs = theirs.unwrap();
        assert_eq!(differences, Vec::<String>::new());
        assert_eq!((theirs.states, theirs.transitions, theirs.depth), (73, Some(150), Some(9)));
        assert_eq!((theirs.verdicts, not_run), (ours.verdicts, vec![]));
    }

    #[test]
    fn a_violated_property_is_violated_on_both_sides() {
        let (mut embedded, model) = pairing("spec-lossy-c01-2--wd-eventually-observed-done", 200);
        let pairing = embedded.pair(&model, Limits::default()).unwrap();
        assert_eq!(pairing.differences, Vec::<String>::new());
        assert_eq!(pairing.theirs.unwrap().verdicts, [(Property::SpecLiveness, Verdict::Violated)]);
    }

    #[test]
    fn what_is_too_large_or_not_supported_is_named() {
        let (mut embedded, model) = pairing("spec-c01-2", 72);
        let pairing = embedded.pair(&model, Limits::default()).unwrap();
        assert_eq!(pairing.theirs, None);
        assert_eq!(pairing.not_run, [("spec-c01-2".into(), "it has 73 states, more than 72".into())]);
    }

    #[test]
    fn a_ring_with_faults_is_paired() {
        let (mut embedded, model) = pairing("faults-g1-ice", 2_000);
        let pairing = embedded.pair(&model, Limits::default()).unwrap();
        assert_eq!(pairing.differences, Vec::<String>::new());
        let verdicts = pairing.theirs.unwrap().verdicts;
        assert!(verdicts.contains(&(Property::Ring(Check::Safety(Safety::NoStrayStatusWrite)), Verdict::Holds)));
        let (not_run, why) = &pairing.not_run[0];
        assert_eq!(not_run, "RefinesSpec");
        assert!(why.contains("INSTANCE"), "{why}");
    }

    #[test]
    fn no_verdict_is_a_sentence() {
        assert_eq!(
            sentence(r#"{"status": "invariant_error", "error": "it did not parse", "trace": []}"#),
            "it did not parse"
        );
        assert_eq!(sentence(r#"{"status": "deadlock", "trace": []}"#), "deadlock");
        assert_eq!(sentence("no JSON"), "it does not say why");
    }

    #[test]
    fn a_wrong_side_is_noticed() {
        let (mut embedded, model) = pairing("spec-c01-2", 100);
        embedded.pair(&model, Limits::default()).unwrap();
        let right = embedded.counted[&constants(&model)].clone();
        // A side with other counts and the same configuration: what the comparison is for.
        let mut ours = check(&model).unwrap();
        ours.states += 1;
        ours.verdicts[1].1 = Verdict::Violated;
        let theirs = Theirs {
            version: String::new(),
            states: right.states,
            depth: Some(right.depth),
            transitions: Some(150),
            unlabelled: None,
            generated: None,
            verdicts: check(&model).unwrap().verdicts,
            seconds: 0.0,
        };
        let expected = [
            "states: Rust has 74, the embedded checker 73",
            "ObservedAfterExecution: violated in Rust, holds in the embedded checker",
        ];
        assert_eq!(compared(&ours, &theirs, "the embedded checker"), expected);
    }

    /// The smallest graph there is: four states in a ring.
    const DOT: &str = r#"digraph StateGraph {
  s0 [label="submitter=<<-1>>\nsubmit=<<-1>>\ndone=<<-1>>\nqueue=<<>>\nfault=<<\"none\">>\nagain=<<false>>"];
  s1 [label="submitter=<<0>>\nsubmit=<<0>>\ndone=<<-1>>\nqueue=<<>>\nfault=<<\"none\">>\nagain=<<false>>"];
  s2 [label="submitter=<<0>>\nsubmit=<<-1>>\ndone=<<-1>>\nqueue=<<[executed |-> 0, left |-> 0, submitter |-> 1]>>\nfault=<<\"none\">>\nagain=<<false>>"];
  s3 [label="submitter=<<0>>\nsubmit=<<-1>>\ndone=<<0>>\nqueue=<<>>\nfault=<<\"none\">>\nagain=<<false>>"];
  s0 -> s1 [label="Submit"];
  s1 -> s2 [label="Accept"];
  s2 -> s3 [label="Complete"];
  s3 -> s0 [label="Observe"];
}
"#;

    #[test]
    fn each_kind_of_difference_of_the_graphs_is_found() {
        use vtd_qi::spec::{Loss, SpecCfg, SpecFaults};
        let spec = SpecCfg { submitters: 1, counts: vec![0], loss: Loss::None, faults: SpecFaults::None }
            .into_model()
            .unwrap();
        let compared = |dot: &str| compare(&spec, dot, str::to_string).map(|agreement| agreement.to_string());
        assert_eq!(compared(DOT).as_deref(), Ok("equal: 4 states, 1 initial, 4 transitions"));
        let starts = |dot: &str, message: &str| {
            let found = compared(dot).unwrap();
            assert!(found.starts_with(message), "{found}");
        };
        starts(&DOT.replace("  s3 -> s0 [label=\"Observe\"];\n", ""), "the embedded checker lacks the step Observe");
        starts(&DOT.replace("Observe", "Lose"), "the embedded checker lacks the step Observe");
        starts(&DOT.replace("  s3 -> s0", "  s3 -> s1 [label=\"Submit\"];\n  s3 -> s0"), "Rust lacks the step Submit");
        starts(&DOT.replace("done=<<0>>", "done=<<7>>"), "Rust lacks the state [again |-> <<FALSE>>, done |-> <<7>>,");
        assert_eq!(compared(&DOT[..60]), Err("a label has no end".into()));
        assert_eq!(compared(""), Err("the graph is not whole".into()));
    }
}
