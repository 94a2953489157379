//! Counterexamples cross over: a trace of TLC is executed on the Rust, and a run of the Rust becomes a module that TLC walks.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value as Json;

use super::model::{Model, Property, Subject};
use super::rust::{counterexample, Verdict};
use super::states::Twin;
use super::tlc::{RunOptions, Scratch, Tlc};
use super::{TwinError, Value};
use stateright_temporal::liveness::Run;
use vtd_qi::impl_qi::{Ring, RingCfg};
use vtd_qi::timeline::Timeline;
use vtd_qi::with_ring;

/// A trace of TLC that the Rust executed from end to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Number of steps before the loop, or in all.
    pub stem: usize,
    /// Number of steps of the loop; 0 if the trace just ends, or stutters.
    pub repeating: usize,
    /// The run, drawn; the specification has no timeline.
    pub timeline: Option<Timeline>,
}

/// Executes a trace that TLC wrote (`-dumpTrace json FILE`) on the Rust model of the same constants, step by step.
///
/// # Errors
/// [`TwinError::Trace`] with the first step that the Rust does not take, [`TwinError::Io`].
pub fn replay(file: &Path, subject: &Subject) -> Result<Replayed, TwinError> {
    let trace = read(file)?;
    match subject {
        Subject::Spec(cfg) => {
            let spec = cfg.clone().into_model().map_err(|error| TwinError::Model(error.to_string()))?;
            execute(&spec, &trace).map(|run| Replayed {
                stem: run.stem.len(),
                repeating: run.cycle.len(),
                timeline: None,
            })
        }
        Subject::Ring(cfg) => on_ring(cfg, &trace),
    }
}

/// The timeline of a trace that TLC wrote of spec/QIRing.tla, executed on the ring step by step.
///
/// # Errors
/// See [`replay`].
pub fn timeline_of_trace(file: &Path, cfg: &RingCfg) -> Result<Timeline, TwinError> {
    let replayed = on_ring(cfg, &read(file)?)?;
    Ok(replayed.timeline.expect("a run of the ring is drawn"))
}

fn on_ring(cfg: &RingCfg, trace: &Run<Value, String>) -> Result<Replayed, TwinError> {
    fn draw<const N: usize, const T: usize, const F: usize>(
        ring: &Ring<N, T, F>,
        trace: &Run<Value, String>,
    ) -> Result<Replayed, TwinError> {
        let run = execute(ring, trace)?;
        let timeline = Some(Timeline::of(ring, &run));
        Ok(Replayed { stem: run.stem.len(), repeating: run.cycle.len(), timeline })
    }
    with_ring!(cfg.clone(), |ring| draw(&ring, trace)).unwrap_or_else(|error| Err(TwinError::Model(error.to_string())))
}

/// A trace in the words of the twin. The last step of one that ends in a loop leads back to a state with a lower number.
fn read(file: &Path) -> Result<Run<Value, String>, TwinError> {
    let text = std::fs::read_to_string(file).map_err(TwinError::io(file, "read"))?;
    let json: Json = serde_json::from_str(&text)
        .map_err(|error| TwinError::Trace(format!("{} is no JSON: {error}", file.display())))?;
    understand(&json)
}

fn understand(json: &Json) -> Result<Run<Value, String>, TwinError> {
    let malformed = |what: &str| TwinError::Trace(format!("it has no {what}; it is not what -dumpTrace json writes"));
    let states = json["counterexample"]["state"].as_array().ok_or_else(|| malformed("states"))?;
    let steps = json["counterexample"]["action"].as_array().ok_or_else(|| malformed("actions"))?;
    let initial = Value::from_json(states.first().map_or(&Json::Null, |state| &state[1]))?;
    if initial.field("pc").or(initial.field("submitter")).is_none() {
        return Err(TwinError::Trace(
            "its states are not those of the variables; take ALIAS out of the .cfg file".into(),
        ));
    }
    let mut stem = Vec::new();
    let mut entry = None;
    for (position, step) in (1..).zip(steps) {
        let number = step[2][0].as_u64().ok_or_else(|| malformed("numbered states"))?;
        if step[0] == step[2] {
            // TLC writes a run that stutters for ever as a step from its last state to itself, under the name of whatever
            // action came before.
            break;
        }
        stem.push((action(&step[1]).ok_or_else(|| malformed("named actions"))?, Value::from_json(&step[2][1])?));
        if number <= position {
            entry = Some(number as usize - 1);
        }
    }
    let cycle = entry.map_or_else(Vec::new, |entry| stem.split_off(entry));
    Ok(Run { initial, stem, cycle })
}

/// An action with its parameters, as TLC prints it elsewhere; one without any may lack the list.
fn action(json: &Json) -> Option<String> {
    let name = json["name"].as_str()?;
    let parameters = json["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    let values = parameters.iter().map(|name| json["context"].get(name.as_str()?).map(Json::to_string));
    let values = values.collect::<Option<Vec<_>>>()?.join(",");
    Some(if values.is_empty() { name.to_string() } else { format!("{name}({values})") })
}

/// Takes each step of a trace on a model.
fn execute<M: Twin>(model: &M, trace: &Run<Value, String>) -> Result<Run<M::State, M::Label>, TwinError> {
    let initial = model.init_states().into_iter().find(|state| model.variables(state).is_written_as(&trace.initial));
    let initial =
        initial.ok_or_else(|| TwinError::Trace(format!("the Rust has no initial state {}", trace.initial)))?;
    let mut state = initial.clone();
    let mut number = 0;
    let mut take = |steps: &[(String, Value)]| {
        let mut taken = Vec::new();
        for (name, target) in steps {
            number += 1;
            let mut actions = Vec::new();
            model.actions(&state, &mut actions);
            let next = actions.into_iter().find_map(|action| {
                let label = M::label(&action);
                let next = model.next_state(&state, action).filter(|_| M::action_name(label) == *name)?;
                model.variables(&next).is_written_as(target).then_some((label, next))
            });
            let refused = || {
                let from = model.variables(&state);
                TwinError::Trace(format!("step {number}: the Rust has no {name} from {from} to {target}"))
            };
            let (label, next) = next.ok_or_else(refused)?;
            state = next.clone();
            taken.push((label, next));
        }
        Ok(taken)
    };
    Ok(Run { stem: take(&trace.stem)?, cycle: take(&trace.cycle)?, initial })
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

/// The counterexample that the Rust side finds for a property of a model, `None` if the property holds.
///
/// # Errors
/// See [`check`](super::check).
pub fn trace_module(model: &Model, property: Property) -> Result<Option<TraceModule>, TwinError> {
    Ok(counterexample(model, property)?.map(|run| TraceModule::new(model, property, &run)))
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
            let _ = writeln!(tla, "    \\/ step = {} /\\ UNCHANGED <<vars, step>>", states.len());
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
    /// [`TwinError::Tlc`], [`TwinError::Io`].
    pub fn objection(&self, tlc: &Tlc) -> Result<Option<String>, TwinError> {
        let scratch = Scratch::new()?;
        tlc.copy_modules(&scratch)?;
        let write = |name: &str, text: &str| {
            let file = scratch.file(name);
            std::fs::write(&file, text).map_err(TwinError::io(&file, "written")).map(|()| file)
        };
        let (module, cfg) = (write("Trace.tla", &self.tla)?, write("Trace.cfg", &self.cfg)?);
        let run = tlc.run_module(&module, &cfg, RunOptions::default())?.expect("there is no limit");
        let name = self.property.name();
        // A step that is no step of the specification is reported before the state after it is counted.
        Ok(match run.verdict {
            _ if run.states + 1 < self.states => {
                Some(format!("TLC takes only {} of {} states of the counterexample to {name}", run.states, self.states))
            }
            Verdict::Holds => Some(format!("TLC finds that the counterexample does not violate {name}")),
            Verdict::Violated => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtd_qi::spec::{Faults, Loss, SpecCfg};

    fn subject() -> Subject {
        Subject::Spec(SpecCfg { submitters: 1, counts: vec![0], loss: Loss::Done, faults: Faults::None })
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
        let Subject::Spec(cfg) = subject() else { unreachable!() };
        let trace = understand(json).map_err(|error| error.to_string())?;
        let run = execute(&cfg.into_model().unwrap(), &trace).map_err(|error| error.to_string())?;
        Ok((run.stem.len(), run.cycle.len()))
    }

    #[test]
    fn a_trace_is_executed_and_stutters_at_its_end() {
        assert_eq!(replayed(&json()), Ok((4, 0)));
    }

    #[test]
    fn a_step_back_closes_a_loop() {
        let mut json = json();
        let steps = &mut json["counterexample"]["action"];
        steps[3] = serde_json::json!([steps[3][0], {"name": "Observe", "context": {"t": 1}, "parameters": ["t"]}, steps[0][0]]);
        steps.as_array_mut().unwrap().pop();
        assert_eq!(replayed(&json), Ok((0, 4)));
    }

    #[test]
    fn what_the_rust_does_not_do_is_refused() {
        let mut wrong = json();
        wrong["counterexample"]["action"][2][1]["name"] = "Execute".into();
        assert!(replayed(&wrong)
            .unwrap_err()
            .starts_with("the trace cannot be used: step 3: the Rust has no Execute(1) from"));
        let mut wrong = json();
        wrong["counterexample"]["action"][1][2][1]["submit"] = serde_json::json!([0]);
        assert!(replayed(&wrong)
            .unwrap_err()
            .starts_with("the trace cannot be used: step 2: the Rust has no Accept(1) from"));
        let mut wrong = json();
        wrong["counterexample"]["state"][0][1]["submit"] = serde_json::json!([0]);
        assert!(replayed(&wrong).unwrap_err().starts_with("the trace cannot be used: the Rust has no initial state"));
        let mut wrong = json();
        wrong["counterexample"]["state"][0][1] = serde_json::json!({"T": ["idle"]});
        let message =
            "the trace cannot be used: its states are not those of the variables; take ALIAS out of the .cfg file";
        assert_eq!(replayed(&wrong), Err(message.into()));
        let message = "the trace cannot be used: it has no states; it is not what -dumpTrace json writes";
        assert_eq!(replayed(&serde_json::json!({})), Err(message.into()));
    }

    #[test]
    fn a_counterexample_becomes_a_walk_that_closes() {
        let model = Model::all();
        let model = model.find("spec-lossy-c01-2--wd-eventually-observed-done").unwrap();
        let module = trace_module(model, Property::SpecLiveness).unwrap().unwrap();
        assert!(module.tla.contains("    \\/ step = 1 /\\ Submit("), "{}", module.tla);
        assert!(
            module.cfg.contains("SPECIFICATION TraceSpec\nPROPERTIES\n    WdEventuallyObservedDone\n"),
            "{}",
            module.cfg
        );
        assert_eq!(trace_module(model, Property::TypeOk), Ok(None));
    }
}
