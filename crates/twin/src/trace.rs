//! Counterexamples cross over: a trace of TLC is executed on the Rust, and a run of the Rust becomes a module that TLC walks.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value as Json;

use super::model::{Model, Property, Subject};
use super::rust::counterexample;
use super::states::Twin;
use super::tlc::{RunOptions, Scratch, Tlc};
use super::{TwinError, Value, Verdict};
use stateright_temporal::graph::Limits;
use stateright_temporal::liveness::Run;
use vtd_qi::impl_qi::{Ring, ValidRing};
use vtd_qi::timeline::Timeline;
use vtd_qi::with_ring;

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
pub(super) struct Written {
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
    /// An action that leads back to the state at a position.
    BackTo { state: usize, action: String },
}

/// Executes a trace that TLC wrote on the Rust model of the same constants, step by step. The file is what `-dumpTrace json FILE`
/// writes, or TLC's output with the trace in it.
///
/// # Errors
/// [`TwinError::Trace`] with the first step that the Rust does not take, or the first state that is not the executed one;
/// [`TwinError::Io`].
pub fn replay(file: &Path, subject: &Subject) -> Result<ExecutedTrace, TwinError> {
    replay_within(file, subject, usize::MAX)
}

/// [`replay`] of a file that may take so many bytes of memory.
///
/// # Errors
/// See [`replay`]; [`TwinError::Trace`] too if the file is too long for them.
pub fn replay_within(file: &Path, subject: &Subject, memory: usize) -> Result<ExecutedTrace, TwinError> {
    replay_written(&read_at_most(file, LONGEST.min((memory / BYTES_PER_BYTE) as u64))?, subject)
}

/// See [`replay`].
pub(super) fn replay_written(trace: &Written, subject: &Subject) -> Result<ExecutedTrace, TwinError> {
    match subject {
        Subject::Spec(cfg) => {
            let spec = cfg.clone().into_model().map_err(|error| TwinError::Model(error.to_string()))?;
            execute(&spec, trace).map(|run| ExecutedTrace {
                stem: run.stem.len(),
                repeating: run.cycle.len(),
                timeline: None,
            })
        }
        Subject::Ring(cfg) => on_ring(cfg, trace),
    }
}

/// The timeline of a trace that TLC wrote of spec/QIRing.tla, executed on the ring step by step.
///
/// # Errors
/// See [`replay`].
pub fn timeline_of_trace(file: &Path, cfg: &ValidRing) -> Result<Timeline, TwinError> {
    let replayed = on_ring(cfg, &read(file)?)?;
    Ok(replayed.timeline.expect("a run of the ring is drawn"))
}

fn on_ring(cfg: &ValidRing, trace: &Written) -> Result<ExecutedTrace, TwinError> {
    fn draw<const N: usize, const T: usize, const F: usize>(
        ring: &Ring<N, T, F>,
        trace: &Written,
    ) -> Result<ExecutedTrace, TwinError> {
        let run = execute(ring, trace)?;
        let timeline = Some(Timeline::of(ring, &run));
        Ok(ExecutedTrace { stem: run.stem.len(), repeating: run.cycle.len(), timeline })
    }
    with_ring!(cfg.clone(), |ring| draw(&ring, trace))
}

/// The longest file that is read as a trace, in bytes: a hundred thousand states of the largest ring.
const LONGEST: u64 = 256 << 20;

/// What a byte of a trace takes in memory, at most: JSON that lists numbers of one digit, and the values that they stand for.
const BYTES_PER_BYTE: usize = 64;

/// A trace from a file, JSON or TLC's output.
pub(super) fn read(file: &Path) -> Result<Written, TwinError> {
    read_at_most(file, LONGEST)
}

fn read_at_most(file: &Path, longest: u64) -> Result<Written, TwinError> {
    let mut text = Vec::new();
    let read = File::open(file).and_then(|opened| opened.take(longest + 1).read_to_end(&mut text));
    read.map_err(TwinError::io(file, "read"))?;
    if text.len() as u64 > longest {
        let why = if longest < LONGEST { ", all that the memory that is allowed suffices for" } else { "" };
        return Err(TwinError::Trace(format!("{} is longer than {longest} bytes{why}", file.display())));
    }
    let text = String::from_utf8(text).map_err(|_| TwinError::Trace(format!("{} is no text", file.display())))?;
    if !text.trim_start().starts_with(['{', '[']) {
        return understand_text(&text);
    }
    let json: Json = serde_json::from_str(&text)
        .map_err(|error| TwinError::Trace(format!("{} is no JSON: {error}", file.display())))?;
    understand_json(&json)
}

/// What `-dumpTrace json` writes. The last step of a trace that ends in a loop leads back to a state with a lower number; that of
/// one that stutters for ever, to the last state itself, under the name of whatever action came before.
fn understand_json(json: &Json) -> Result<Written, TwinError> {
    let malformed = |what: &str| TwinError::Trace(format!("it has no {what}; it is not what -dumpTrace json writes"));
    let listed = json["counterexample"]["state"].as_array().ok_or_else(|| malformed("states"))?;
    let steps = json["counterexample"]["action"].as_array().ok_or_else(|| malformed("actions"))?;
    let numbered = |state: &Json| {
        let number = state[0].as_u64().ok_or_else(|| malformed("numbered states"))?;
        Ok((number, Value::from_json(&state[1]).map_err(|error| TwinError::Trace(error.to_string()))?))
    };
    let mut states = Vec::new();
    for (position, state) in (1..).zip(listed) {
        let (number, value) = numbered(state)?;
        if number != position {
            return Err(TwinError::Trace(format!("state {position} bears the number {number}")));
        }
        states.push(value);
    }
    let last = states.len() as u64;
    if (steps.len() as u64) + 1 < last || steps.len() as u64 > last {
        let steps = steps.len();
        return Err(TwinError::Trace(format!("{steps} steps are not what is between {last} states")));
    }
    let (mut actions, mut again, mut end) = (Vec::new(), Vec::new(), End::Stops);
    for (position, step) in (1..).zip(steps) {
        let ((from, source), (to, target)) = (numbered(&step[0])?, numbered(&step[2])?);
        let name = action(&step[1]).ok_or_else(|| malformed("named actions"))?;
        let leads = if position < last { to == position + 1 } else { (1..=last).contains(&to) };
        if from != position || !leads {
            return Err(TwinError::Trace(format!("step {position} leads from state {from} to state {to}")));
        }
        again.push((from as usize - 1, source));
        again.push((to as usize - 1, target));
        if position < last {
            actions.push(name);
        } else if to < last {
            end = End::BackTo { state: to as usize - 1, action: name };
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
pub(super) fn understand_text(text: &str) -> Result<Written, TwinError> {
    let wrong = |what: String| Err(TwinError::Trace(what));
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
            // To the last state itself: it stutters there.
            end = Some(if state + 1 == last { End::Stops } else { End::BackTo { state, action } });
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
        states.push(Value::from_state(&body.join("\n")).map_err(|error| TwinError::Trace(error.to_string()))?);
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
) -> Result<Written, TwinError> {
    let Some(initial) = states.first() else { return Err(TwinError::Trace("it has no states".into())) };
    if initial.field("pc").or(initial.field("submitter")).is_none() {
        return Err(TwinError::Trace(
            "its states are not those of the variables; take ALIAS out of the .cfg file".into(),
        ));
    }
    let closing = match &end {
        End::BackTo { action, .. } => Some(action),
        End::Stops => None,
    };
    if let Some(strange) = actions.iter().chain(closing).find(|name| !name.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        return Err(TwinError::Trace(format!("{strange:?} is no name of an action")));
    }
    Ok(Written { states, actions, end, again })
}

/// Whether an action of the Rust is the one that TLC means; an old TLC prints it without its parameter.
pub(super) fn is_called(ours: &str, theirs: &str) -> bool {
    ours == theirs || ours.split('(').next() == Some(theirs)
}

/// Takes each step of a trace on a model, the one that closes the loop too, and holds all that is written of a state against it.
fn execute<M: Twin>(model: &M, trace: &Written) -> Result<Run<M::State, M::Label>, TwinError> {
    let is_written = |state: &M::State, value: &Value| model.variables(state).is_written_as(value);
    let initial = model.init_states().into_iter().find(|state| is_written(state, &trace.states[0]));
    let initial =
        initial.ok_or_else(|| TwinError::Trace(format!("the Rust has no initial state {}", trace.states[0])))?;
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
            TwinError::Trace(format!("step {number}: the Rust has no {name} from {from} to {target}"))
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
        return Err(TwinError::Trace(format!("state {number} is {executed}, but beside an action {value}")));
    }
    let End::BackTo { state: entry, action } = &trace.end else {
        return Ok(Run { initial, stem: taken, cycle: Vec::new() });
    };
    let closing = take(trace.states.len(), state(trace.states.len() - 1), action, &trace.states[*entry])?;
    let mut cycle = taken.split_off(*entry);
    cycle.push(closing);
    Ok(Run { stem: taken, cycle, initial })
}

/// A counterexample of the Rust as a module that allows nothing else, for TLC to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceModule {
    /// The property that it violates.
    pub property: Property,
    /// Its `.tla` file: module `Trace`.
    pub tla: String,
    /// Its `.cfg` file, with the property, which TLC has to find violated.
    pub cfg: String,
    /// Number of its states.
    pub states: usize,
}

/// The counterexample that the Rust side finds for a property of a model within limits, `None` if the property holds. No more than
/// a million states are searched: such models are small, and their states have no room for more.
///
/// # Errors
/// See [`check_within`](super::check_within).
pub fn trace_module(model: &Model, property: Property, limits: Limits) -> Result<Option<TraceModule>, TwinError> {
    Ok(counterexample(model, property, limits)?.map(|run| TraceModule::new(model, property, &run)))
}

impl TraceModule {
    fn new(model: &Model, property: Property, run: &Run<Value, String>) -> TraceModule {
        let mut states = vec![&run.initial];
        states.extend(run.stem.iter().chain(&run.cycle).map(|(_, state)| state));
        let mut steps: Vec<(usize, usize, &String)> =
            run.stem.iter().chain(&run.cycle).zip(1..).map(|((name, _), i)| (i, i + 1, name)).collect();
        if let (false, Some(closing)) = (run.cycle.is_empty(), steps.last_mut()) {
            // The last state is the one with which the loop begins: the step leads back there.
            states.pop();
            closing.1 = run.stem.len() + 1;
        }
        let Value::Fun(variables) = &run.initial else { unreachable!("a state is a record") };
        let variables: Vec<String> =
            variables.keys().map(|name| name.to_string().trim_matches('"').to_string()).collect();
        let model = model.with(&[property]);
        let fairness = match model.specification() {
            "SlotsFairSpec" => "Fairness /\\ SlotsFairness",
            "FaultFairSpec" => "Fairness /\\ FaultFairness",
            _ => "Fairness",
        };
        let mut tla =
            format!("---- MODULE Trace ----\nEXTENDS {}, TLC\nVARIABLE step\n\nStates == <<\n", model.subject.module());
        let listed: Vec<String> = states.iter().map(|state| format!("    {state}")).collect();
        let _ = writeln!(tla, "{}\n>>\n", listed.join(",\n"));
        let conjuncts = |prime: &str| {
            let equal = |name: &String| format!("    /\\ {name}{prime} = States[n].{name}\n");
            variables.iter().map(equal).collect::<String>()
        };
        let _ = writeln!(
            tla,
            "At(n) ==\n    /\\ step = n\n{}\nTo(n) ==\n    /\\ step' = n\n{}",
            conjuncts(""),
            conjuncts("'")
        );
        let _ = writeln!(tla, "TraceInit == Init /\\ At(1)\n\nTraceNext ==");
        for (from, to, name) in &steps {
            let _ = writeln!(tla, "    \\/ step = {from} /\\ {name} /\\ To({to})");
        }
        if run.cycle.is_empty() {
            let mut last = states.len();
            if property.is_about_steps(&model.subject) {
                // The Rust's counterexample ends in the state from which the offending step leads.
                let _ = writeln!(tla, "    \\/ step = {last} /\\ Next /\\ step' = {}", last + 1);
                last += 1;
            }
            let _ = writeln!(tla, "    \\/ step = {last} /\\ UNCHANGED <<vars, step>>");
        }
        let _ = writeln!(
            tla,
            "\nTraceSpec ==\n    /\\ TraceInit\n    /\\ [][TraceNext]_<<vars, step>>\n    \
             /\\ WF_<<vars, step>>(TraceNext)\n    /\\ {fairness}\n===="
        );
        let specification = format!("SPECIFICATION {}\n", model.specification());
        let cfg = model.to_cfg().replace(&specification, "SPECIFICATION TraceSpec\n");
        TraceModule { property, tla, cfg, states: states.len() }
    }

    /// What TLC has against it: `None` if it takes every step and finds the property violated, by a run that is fair.
    ///
    /// # Errors
    /// [`TwinError::Tlc`], [`TwinError::Undecided`], [`TwinError::Io`].
    pub(super) fn objection(&self, tlc: &Tlc, options: RunOptions) -> Result<Option<String>, TwinError> {
        let scratch = Scratch::new()?;
        tlc.copy_modules(&scratch)?;
        let module = scratch.file("Trace.tla");
        std::fs::write(&module, &self.tla).map_err(TwinError::io(&module, "written"))?;
        let run = tlc.run_module(&module, &self.cfg, options, scratch)?.run;
        let name = self.property.name();
        // A step that is no step of the specification is reported before the state after it is counted.
        Ok(match run.verdict {
            _ if run.states + 1 < self.states => {
                Some(format!("TLC takes only {} of {} states of the counterexample to {name}", run.states, self.states))
            }
            Verdict::Holds => Some(format!("TLC finds that the counterexample does not violate {name}")),
            Verdict::Unknown => Some(format!("TLC does not decide whether the counterexample violates {name}")),
            Verdict::Violated => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::mutations;
    use vtd_qi::spec::{Loss, SpecCfg, SpecFaults};

    fn subject() -> Subject {
        Subject::Spec(SpecCfg { submitters: 1, counts: vec![0], loss: Loss::Done, faults: SpecFaults::None })
    }

    /// One submitter, its call and the loss of its Done, as TLC writes it.
    fn json() -> Json {
        let state = |number: u32, submitter: i32, submit: i32, queued: bool, done: i32| {
            let batch = serde_json::json!({"submitter": 1, "executed": 0, "left": 0});
            let queue = if queued { vec![batch] } else { vec![] };
            serde_json::json!([number, {
                "submitter": [submitter], "submit": [submit], "queue": queue, "done": [done],
                "fault": ["none"], "again": [false]
            }])
        };
        let states = [
            state(1, -1, -1, false, -1),
            state(2, 0, 0, false, -1),
            state(3, 0, -1, true, -1),
            state(4, 0, -1, false, 0),
            state(5, 0, -1, false, -1),
        ];
        let step = |i: usize, name: &str, j: usize| {
            let action = serde_json::json!({"name": name, "context": {"t": 1}, "parameters": ["t"]});
            serde_json::json!([states[i - 1], action, states[j - 1]])
        };
        let steps = [
            step(1, "Submit", 2),
            step(2, "Accept", 3),
            step(3, "Complete", 4),
            step(4, "Lose", 5),
            step(5, "Lose", 5),
        ];
        serde_json::json!({"counterexample": {"state": states, "action": steps}})
    }

    fn replayed(json: &Json) -> Result<(usize, usize), String> {
        executed(understand_json(json))
    }

    /// The same with a step back to its first state instead of the loss.
    fn looping() -> Json {
        let mut json = json();
        let steps = &mut json["counterexample"]["action"];
        let observe = serde_json::json!({"name": "Observe", "context": {"t": 1}, "parameters": ["t"]});
        steps[3] = serde_json::json!([steps[3][0], observe, steps[0][0]]);
        steps.as_array_mut().unwrap().pop();
        json["counterexample"]["state"].as_array_mut().unwrap().pop();
        json
    }

    /// What TLC prints of these runs, with `-tool`, and of TLC 2.15.
    const TEXT: &str = "1: <Initial predicate>\n/\\ again = <<FALSE>>\n/\\ fault = <<\"none\">>\n/\\ done = <<-1>>\n\
        /\\ submitter = <<-1>>\n/\\ submit = <<-1>>\n/\\ queue = <<>>\n\n@!@!@ENDMSG 2217 @!@!@\n\
        2: <Submit line 72, col 5 to line 76, col 46 of module QI>\n/\\ again = <<FALSE>>\n/\\ fault = <<\"none\">>\n\
        /\\ done = <<-1>>\n/\\ submitter = <<0>>\n/\\ submit = <<0>>\n/\\ queue = <<>>\n\n\
        3: <Accept line 115, col 5 to line 118, col 50 of module QI>\n/\\ again = <<FALSE>>\n/\\ fault = <<\"none\">>\n\
        /\\ done = <<-1>>\n/\\ submitter = <<0>>\n/\\ submit = <<-1>>\n\
        /\\ queue = << [ submitter |-> 1,\n     executed |-> 0, left |-> 0] >>\n\n\
        4: <Complete line 132, col 5 to line 137, col 52 of module QI>\n/\\ again = <<FALSE>>\n/\\ fault = <<\"none\">>\n\
        /\\ done = <<0>>\n/\\ submitter = <<0>>\n/\\ submit = <<-1>>\n/\\ queue = <<>>\n\n@!@!@STARTMSG 2122:4 @!@!@\n\
        1: Back to state: <Observe line 142, col 5 to line 146, col 52 of module QI>\n";

    fn executed(trace: Result<Written, TwinError>) -> Result<(usize, usize), String> {
        let run = trace.and_then(|trace| replay_written(&trace, &subject())).map_err(|error| error.to_string())?;
        Ok((run.stem, run.repeating))
    }

    #[test]
    fn a_trace_is_executed_and_stutters_at_its_end() {
        assert_eq!(replayed(&json()), Ok((4, 0)));
    }

    #[test]
    fn a_step_back_closes_a_loop() {
        assert_eq!(replayed(&looping()), Ok((0, 4)));
    }

    #[test]
    fn the_output_of_an_old_tlc_is_executed() {
        assert_eq!(executed(understand_text(TEXT)), Ok((0, 4)));
        // Without -tool, and of a TLC that prints parameters.
        let plain = TEXT.replace("\n1: Back to state:", "\nBack to state 1:").replace(" line ", "(1) line ");
        let plain: String = plain
            .lines()
            .map(|line| match line.split_once(": <") {
                Some((number, _)) if number.len() == 1 => format!("State {line}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        assert_eq!(executed(understand_text(&plain)), Ok((0, 4)));
        let (stopped, _) = TEXT.split_once("1: Back").unwrap();
        assert_eq!(executed(understand_text(&format!("{stopped}5: Stuttering\n"))), Ok((3, 0)));
        let wrong = |from: &str, to: &str, message: &str| {
            assert!(TEXT.contains(from));
            let found = executed(understand_text(&TEXT.replace(from, to))).unwrap_err();
            assert!(found.starts_with(&format!("the trace cannot be used: {message}")), "{found}");
        };
        wrong("1: Back", "0: Back", "it has 4 states and leads back to state 0");
        wrong("1: Back", "9: Back", "it has 4 states and leads back to state 9");
        wrong("1: Back", "2: Back", "step 4: the Rust has no Observe from");
        wrong("<Observe", "<Lose", "step 4: the Rust has no Lose from");
        wrong("<Accept", "<Execute", "step 2: the Rust has no Execute from");
        wrong("\n3: <", "\n4: <", "state 3 bears the number 4");
        wrong("<Accept", "Accept", "state 3 bears the number 4");
        assert_eq!(executed(understand_text("")), Err("the trace cannot be used: it has no states".into()));
    }

    /// Each field of a small trace, changed: none is passed over.
    #[test]
    fn every_field_of_a_trace_is_looked_at() {
        fn leaves(json: &Json, at: String, found: &mut Vec<String>) {
            match json {
                Json::Array(items) => {
                    items.iter().enumerate().for_each(|(i, item)| leaves(item, format!("{at}/{i}"), found));
                }
                Json::Object(fields) => fields.iter().for_each(|(k, v)| leaves(v, format!("{at}/{k}"), found)),
                _ => found.push(at),
            }
        }
        let right = looping();
        let mut all = Vec::new();
        leaves(&right, String::new(), &mut all);
        assert!(all.len() > 80, "{all:?}");
        for at in all {
            for value in
                [Json::from(0), Json::from(7), Json::from(u64::MAX), Json::from("x"), Json::Null, Json::from(true)]
            {
                let mut wrong = right.clone();
                let field = wrong.pointer_mut(&at).unwrap();
                if *field == value {
                    continue;
                }
                *field = value;
                let error = replayed(&wrong).expect_err(&format!("{at} of {wrong}"));
                assert!(error.starts_with("the trace cannot be used: "), "{at}: {error}");
            }
        }
    }

    #[test]
    fn what_the_rust_does_not_do_is_refused() {
        let refused = |json: &Json, message: &str| {
            let found = replayed(json).unwrap_err();
            assert!(found.starts_with(&format!("the trace cannot be used: {message}")), "{found}");
        };
        let mut wrong = json();
        wrong["counterexample"]["action"][2][1]["name"] = "Execute".into();
        refused(&wrong, "step 3: the Rust has no Execute(1) from");
        let mut wrong = json();
        wrong["counterexample"]["state"][2][1]["submit"] = serde_json::json!([0]);
        refused(&wrong, "step 2: the Rust has no Accept(1) from");
        let mut wrong = json();
        wrong["counterexample"]["action"][1][2][1]["submit"] = serde_json::json!([0]);
        refused(&wrong, "state 3 is ");
        let mut wrong = json();
        wrong["counterexample"]["state"][0][1]["submit"] = serde_json::json!([0]);
        refused(&wrong, "the Rust has no initial state");
        // A false lasso: the last step is said to lead back to a state that it does not lead to.
        let mut wrong = looping();
        wrong["counterexample"]["action"][3][2] = wrong["counterexample"]["state"][1].clone();
        refused(&wrong, "step 4: the Rust has no Observe(1) from");
        for number in [0, 5, u64::MAX] {
            let mut wrong = looping();
            wrong["counterexample"]["action"][3][2][0] = number.into();
            refused(&wrong, &format!("step 4 leads from state 4 to state {number}"));
        }
        let mut wrong = json();
        wrong["counterexample"]["action"].as_array_mut().unwrap().truncate(3);
        refused(&wrong, "3 steps are not what is between 5 states");
        let mut wrong = json();
        wrong["counterexample"]["state"][0][1] = serde_json::json!({"T": ["idle"]});
        refused(&wrong, "its states are not those of the variables; take ALIAS out of the .cfg file");
        refused(&serde_json::json!({}), "it has no states; it is not what -dumpTrace json writes");
    }

    /// Mutated traces, JSON and text, are refused in one line or executed; nothing else. `VTD_QI_FUZZ` says how many.
    #[test]
    fn mutated_traces_do_no_harm() {
        let count = std::env::var("VTD_QI_FUZZ").map_or(400, |count| count.parse().unwrap());
        let (json, text) = (looping().to_string(), TEXT.to_string());
        let mut accepted = 0;
        for (seed, mutated) in mutations([json.as_bytes(), text.as_bytes()].as_slice(), count).enumerate() {
            let mutated = String::from_utf8_lossy(&mutated);
            let found = match serde_json::from_str(&mutated) {
                Ok(json) => executed(understand_json(&json)),
                Err(_) => executed(understand_text(&mutated)),
            };
            match found {
                // A mutation outside of what is said, such as the place of an action, may leave a trace that is one.
                Ok(run) => {
                    accepted += 1;
                    assert!(run.0 + run.1 <= 4, "{seed}: {mutated}");
                }
                Err(error) => {
                    assert!(error.lines().count() == 1 && !error.contains(char::is_control), "{seed}: {error}")
                }
            }
        }
        assert!(accepted < count / 2, "{accepted} of {count}");
    }

    #[test]
    fn a_counterexample_becomes_a_walk_that_closes() {
        let model = Model::all();
        let model = model.find("spec-lossy-c01-2--wd-eventually-observed-done").unwrap();
        let module = trace_module(model, Property::SpecLiveness, Limits::default()).unwrap().unwrap();
        assert!(module.tla.contains("    \\/ step = 1 /\\ Submit("), "{}", module.tla);
        assert!(
            module.cfg.contains("SPECIFICATION TraceSpec\nPROPERTIES\n    WdEventuallyObservedDone\n"),
            "{}",
            module.cfg
        );
        assert_eq!(trace_module(model, Property::TypeOk, Limits::default()), Ok(None));
    }
}
