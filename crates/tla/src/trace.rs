//! Traces: runs that TLC has written, executed on the Rust step by step.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Value as Json, json};
use stateright_temporal::liveness::Run;
use vtd_qi::impl_qi::{ValidRing, WideRing};
use vtd_qi::spec::Spec;
use vtd_qi::timeline::Timeline;
use vtd_qi::with_wide_ring;

use super::{TlaError, Twin, Value};

/// A trace of TLC that the Rust executed from end to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedTrace {
    /// Number of steps before the loop, or in all.
    pub stem: usize,
    /// Number of steps of the loop; 0 if the trace just ends, or stutters.
    pub repeating: usize,
    /// The run, drawn; the specification has no timeline.
    pub timeline: Option<Timeline>,
}

/// A trace as TLC has written it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlcTrace {
    states: Vec<Value>,
    /// The action that leads from each state to the next.
    actions: Vec<String>,
    end: End,
    /// What else is written of a state, by its position: JSON has each state again at both ends of an action.
    again: Vec<(usize, Value)>,
}

/// What comes after the last state of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// Nothing: a violation of safety, or a run that stutters there for ever.
    Stops,
    /// A step from the last state to itself, and the name that it bears: that of the action which led to the last state if the run
    /// stutters, or else of an action that changes nothing.
    Stays { action: String },
    /// An action that leads back to the state at a position.
    BackTo { state: usize, action: String },
}

/// The longest file that is read as a trace, in bytes: a hundred thousand states of the largest ring.
const LONGEST: u64 = 256 << 20;

/// What a byte of a trace takes in memory, at most: JSON that lists numbers of one digit, and the values that they stand for.
const BYTES_PER_BYTE: usize = 64;

impl TlcTrace {
    /// Reads a file that may take so many bytes of memory: what `-dumpTrace json FILE` writes, or TLC's output with the trace in it.
    ///
    /// # Errors
    /// [`TlaError::Io`]; [`TlaError::Trace`] if it is no trace, or too long for the memory.
    pub fn read(file: &Path, memory: usize) -> Result<TlcTrace, TlaError> {
        let longest = LONGEST.min((memory / BYTES_PER_BYTE) as u64);
        let mut text = Vec::new();
        let read = File::open(file).and_then(|opened| opened.take(longest + 1).read_to_end(&mut text));
        read.map_err(|error| TlaError::Io { file: file.into(), error: error.to_string() })?;
        if text.len() as u64 > longest {
            let why = if longest < LONGEST { ", all that the memory that is allowed suffices for" } else { "" };
            return Err(TlaError::Trace(format!("{} is longer than {longest} bytes{why}", file.display())));
        }
        let text = String::from_utf8(text).map_err(|_| TlaError::Trace(format!("{} is no text", file.display())))?;
        TlcTrace::parse(&text, &file.display().to_string())
    }

    /// Understands a text that messages call by a name: JSON as `-dumpTrace json` writes it, or TLC's output.
    ///
    /// # Errors
    /// [`TlaError::Trace`].
    pub fn parse(text: &str, name: &str) -> Result<TlcTrace, TlaError> {
        if !text.trim_start().starts_with(['{', '[']) {
            return understand_text(text);
        }
        let json: Json =
            serde_json::from_str(text).map_err(|error| TlaError::Trace(format!("{name} is no JSON: {error}")))?;
        understand_json(&json)
    }

    /// Executes it on the ring, step by step, and draws it.
    ///
    /// # Errors
    /// [`TlaError::Trace`] with the first step that the Rust does not take, or the first state that is not the executed one.
    pub fn on_ring(&self, cfg: &ValidRing) -> Result<ExecutedTrace, TlaError> {
        fn draw<const F: usize>(ring: &WideRing<F>, trace: &TlcTrace) -> Result<ExecutedTrace, TlaError> {
            let run = execute(ring, trace)?;
            let timeline = Some(Timeline::of(ring, &run));
            Ok(ExecutedTrace { stem: run.stem.len(), repeating: run.cycle.len(), timeline })
        }
        with_wide_ring!(cfg.clone(), |ring| draw(&ring, self))
    }

    /// Executes it on the specification, step by step.
    ///
    /// # Errors
    /// See [`TlcTrace::on_ring`].
    pub fn on_spec(&self, spec: &Spec) -> Result<ExecutedTrace, TlaError> {
        let run = execute(spec, self)?;
        Ok(ExecutedTrace { stem: run.stem.len(), repeating: run.cycle.len(), timeline: None })
    }
}

/// A run of a model that has a twin, as `-dumpTrace json` writes it and [`TlcTrace::parse`] understands it. TLC's own `-loadTrace` does
/// not: it reads a function from 0 on back as a record.
///
/// ```
/// use stateright::Model;
/// use stateright_temporal::liveness::Run;
/// use vtd_qi::impl_qi::{Action, Ring, RingCfg, Rules};
/// use vtd_qi_tla::{TlcTrace, trace_json};
///
/// let cfg = RingCfg::new(Rules::G4, 2, [1]).validate()?;
/// let ring = Ring::<8, 3>::of(cfg.clone());
/// let initial = ring.init_states()[0];
/// let (action, next) = ring.next_steps(&initial).swap_remove(0);
/// let run = Run { initial, stem: vec![(action.label(), next)], cycle: Vec::new() };
/// let trace = TlcTrace::parse(&trace_json(&ring, &run).to_string(), "the run")?;
/// assert_eq!(trace.on_ring(&cfg)?.stem, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn trace_json<M: Twin>(model: &M, run: &Run<M::State, M::Label>) -> Json {
    let mut states = vec![&run.initial];
    states.extend(run.stem.iter().chain(&run.cycle).map(|(_, state)| state));
    if !run.cycle.is_empty() {
        // The last state is the one with which the loop begins.
        states.pop();
    }
    let numbered = |i: usize| json!([i + 1, model.variables(states[i]).to_json()]);
    let steps = run.stem.iter().chain(&run.cycle).enumerate().map(|(i, (label, _))| {
        let after = if i + 1 < states.len() { i + 1 } else { run.stem.len() };
        json!([numbered(i), { "name": M::action_name(*label) }, numbered(after)])
    });
    let steps: Vec<Json> = steps.collect();
    let states: Vec<Json> = (0..states.len()).map(numbered).collect();
    json!({ "counterexample": { "action": steps, "state": states } })
}

/// What `-dumpTrace json` writes. The last step of a trace that ends in a loop leads back to a state with a lower number; that of
/// one that stutters for ever, to the last state itself, under the name of the action that led there.
fn understand_json(json: &Json) -> Result<TlcTrace, TlaError> {
    let malformed = |what: &str| TlaError::Trace(format!("it has no {what}; it is not what -dumpTrace json writes"));
    let listed = json["counterexample"]["state"].as_array().ok_or_else(|| malformed("states"))?;
    let steps = json["counterexample"]["action"].as_array().ok_or_else(|| malformed("actions"))?;
    let numbered = |state: &Json| {
        let number = state[0].as_u64().ok_or_else(|| malformed("numbered states"))?;
        Ok((number, Value::from_json(&state[1]).map_err(|error| TlaError::Trace(error.to_string()))?))
    };
    let mut states = Vec::new();
    for (position, state) in (1..).zip(listed) {
        let (number, value) = numbered(state)?;
        if number != position {
            return Err(TlaError::Trace(format!("state {position} bears the number {number}")));
        }
        states.push(value);
    }
    let last = states.len() as u64;
    if (steps.len() as u64) + 1 < last || steps.len() as u64 > last {
        let steps = steps.len();
        return Err(TlaError::Trace(format!("{steps} steps are not what is between {last} states")));
    }
    let (mut actions, mut again, mut end) = (Vec::new(), Vec::new(), End::Stops);
    for (position, step) in (1..).zip(steps) {
        let ((from, source), (to, target)) = (numbered(&step[0])?, numbered(&step[2])?);
        let name = action(&step[1]).ok_or_else(|| malformed("named actions"))?;
        let leads = if position < last { to == position + 1 } else { (1..=last).contains(&to) };
        if from != position || !leads {
            return Err(TlaError::Trace(format!("step {position} leads from state {from} to state {to}")));
        }
        again.push((from as usize - 1, source));
        again.push((to as usize - 1, target));
        if position < last {
            actions.push(name);
        } else if to < last {
            end = End::BackTo { state: to as usize - 1, action: name };
        } else {
            end = End::Stays { action: name };
        }
    }
    written(states, actions, end, again)
}

/// An action with its parameters, as TLC prints it elsewhere; one without any may lack the list.
fn action(json: &Json) -> Option<String> {
    let name = json["name"].as_str()?;
    let parameters = json["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    let values = parameters.iter().map(|name| json["context"].get(name.as_str()?).map(Json::to_string));
    let values = values.collect::<Option<Vec<_>>>()?.join(",");
    Some(if values.is_empty() { name.to_string() } else { format!("{name}({values})") })
}

/// The trace in TLC's output, with `-tool` or without. Each state has a line with its number and the action that led to it,
/// followed by its variables up to an empty line:
///
/// ```text
/// State 2: <Submit(1) line 72, col 5 to line 76, col 46 of module QI>      2: <Submit line 72, ...>     with -tool
/// /\ done = <<-1, -1>>
///
/// State 12: Stuttering                                                    12: Stuttering
/// Back to state 24: <Unlock(1) line 477, ...>                             24: Back to state: <Unlock line 477, ...>
/// ```
fn understand_text(text: &str) -> Result<TlcTrace, TlaError> {
    let wrong = |what: String| Err(TlaError::Trace(what));
    let (mut states, mut actions, mut end) = (Vec::new(), Vec::new(), None);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((number, back, rest)) = heading(line) else { continue };
        let last = states.len();
        if end.is_some() {
            return wrong(format!("{line:?} comes after its end"));
        }
        if back {
            let Some(state) = number.checked_sub(1).filter(|state| *state < last) else {
                return wrong(format!("it has {last} states and leads back to state {number}"));
            };
            let Some(action) = named_action(rest) else { return wrong(format!("{line:?} names no action")) };
            end = Some(if state + 1 == last { End::Stays { action } } else { End::BackTo { state, action } });
            continue;
        }
        if number != last + 1 {
            return wrong(format!("state {} bears the number {number}", last + 1));
        }
        if rest == "Stuttering" {
            end = Some(End::Stops);
            continue;
        }
        match (last, named_action(rest)) {
            (0, _) if rest.starts_with("<Initial predicate>") => {}
            (1.., Some(action)) => actions.push(action),
            _ => return wrong(format!("{line:?} names no action")),
        }
        let is_body = |line: &&str| !line.trim().is_empty() && !line.starts_with("@!@!@");
        let body: Vec<&str> = lines.by_ref().take_while(is_body).collect();
        states.push(Value::from_state(&body.join("\n")).map_err(|error| TlaError::Trace(error.to_string()))?);
    }
    let is_temporal = |line: &str| line.contains("Temporal propert") && line.contains(" violated");
    if end.is_none() && !states.is_empty() && text.lines().any(is_temporal) {
        let seen = states.len();
        return wrong(format!(
            "it is cut off after {seen} states: a temporal property was violated, and neither a step back nor stuttering follows"
        ));
    }
    written(states, actions, end.unwrap_or(End::Stops), Vec::new())
}

/// The number of a state, whether the run leads back to it, and what else the line says: `<` and an action, or `Stuttering`.
fn heading(line: &str) -> Option<(usize, bool, &str)> {
    let (back, numbered) = match line.strip_prefix("Back to state ") {
        Some(numbered) => (true, numbered),
        None => (false, line.strip_prefix("State ").unwrap_or(line)),
    };
    let (number, rest) = numbered.split_once(": ")?;
    let number = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok()).flatten()?;
    let (back, rest) = rest.strip_prefix("Back to state: ").map_or((back, rest), |rest| (true, rest));
    (rest.starts_with('<') || rest.trim_end() == "Stuttering").then_some((number, back, rest.trim_end()))
}

/// `Submit(1)` of `<Submit(1) line 72, col 5 to line 76, col 46 of module QI>`.
fn named_action(text: &str) -> Option<String> {
    let (name, _) = text.strip_prefix('<')?.split_once(" line ")?;
    Some(name.to_string())
}

fn written(
    states: Vec<Value>,
    actions: Vec<String>,
    end: End,
    again: Vec<(usize, Value)>,
) -> Result<TlcTrace, TlaError> {
    let Some(initial) = states.first() else { return Err(TlaError::Trace("it has no states".into())) };
    if initial.field("pc").or(initial.field("submitter")).is_none() {
        return Err(TlaError::Trace(
            "its states are not those of the variables; take ALIAS out of the .cfg file".into(),
        ));
    }
    let closing = match &end {
        End::BackTo { action, .. } | End::Stays { action } => Some(action),
        End::Stops => None,
    };
    if let Some(strange) = actions.iter().chain(closing).find(|name| !name.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        return Err(TlaError::Trace(format!("{strange:?} is no name of an action")));
    }
    Ok(TlcTrace { states, actions, end, again })
}

/// Whether an action of the Rust is the one that TLC means; an old TLC prints it without its parameter.
pub fn is_called(ours: &str, theirs: &str) -> bool {
    ours == theirs || ours.split('(').next() == Some(theirs)
}

/// Takes each step of a trace on a model, the one that closes the loop too, and holds all that is written of a state against it.
fn execute<M: Twin>(model: &M, trace: &TlcTrace) -> Result<Run<M::State, M::Label>, TlaError> {
    let is_written = |state: &M::State, value: &Value| model.variables(state).is_written_as(value);
    let initial = model.init_states().into_iter().find(|state| is_written(state, &trace.states[0]));
    let initial =
        initial.ok_or_else(|| TlaError::Trace(format!("the Rust has no initial state {}", trace.states[0])))?;
    let take = |number: usize, from: &M::State, name: &str, target: &Value| {
        let mut actions = Vec::new();
        model.actions(from, &mut actions);
        let next = actions.into_iter().find_map(|action| {
            let label = M::label(&action);
            let next = model.next_state(from, action).filter(|_| is_called(&M::action_name(label), name))?;
            is_written(&next, target).then_some((label, next))
        });
        next.ok_or_else(|| {
            let from = model.variables(from);
            TlaError::Trace(format!("step {number}: the Rust has no {name} from {from} to {target}"))
        })
    };
    let mut taken: Vec<(M::Label, M::State)> = Vec::new();
    for (number, (name, target)) in (1..).zip(trace.actions.iter().zip(&trace.states[1..])) {
        let from = taken.last().map_or(&initial, |(_, state)| state);
        taken.push(take(number, from, name, target)?);
    }
    let state = |position: usize| position.checked_sub(1).map_or(&initial, |before| &taken[before].1);
    if let Some((position, value)) = trace.again.iter().find(|(position, value)| !is_written(state(*position), value)) {
        let (number, executed) = (position + 1, model.variables(state(*position)));
        return Err(TlaError::Trace(format!("state {number} is {executed}, but beside an action {value}")));
    }
    let last = trace.states.len() - 1;
    let (entry, action) = match &trace.end {
        End::BackTo { state, action } => (state, action),
        End::Stays { action } => {
            // Before the first action TLC has no name for a step that stutters but that of the initial predicate.
            let stutters = trace.actions.last().is_none_or(|before| before == action);
            if !stutters {
                take(last + 1, state(last), action, &trace.states[last])?;
            }
            return Ok(Run { initial, stem: taken, cycle: Vec::new() });
        }
        End::Stops => return Ok(Run { initial, stem: taken, cycle: Vec::new() }),
    };
    let closing = take(last + 1, state(last), action, &trace.states[*entry])?;
    let mut cycle = taken.split_off(*entry);
    cycle.push(closing);
    Ok(Run { stem: taken, cycle, initial })
}
