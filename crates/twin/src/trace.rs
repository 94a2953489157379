//! Counterexamples cross over: a trace of TLC is executed on the Rust, and a run of the Rust becomes a module that TLC walks.

use std::path::Path;

use super::model::{Model, Property, Subject};
use super::rust::counterexample;
use super::tlc::{RunOptions, Scratch, Tlc};
use super::{TwinError, Value, Verdict};
use stateright_temporal::graph::Limits;
use stateright_temporal::liveness::Run;
use vtd_qi_tla::{ExecutedTrace, RunModule, TlcTrace};

/// Executes a trace that TLC wrote on the Rust model of the same constants, step by step. The file is what `-dumpTrace json FILE`
/// writes, or TLC's output with the trace in it.
///
/// # Errors
/// [`TwinError::Tla`] with the first step that the Rust does not take, or the first state that is not the executed one, or if the
/// file cannot be read.
pub fn replay(file: &Path, subject: &Subject) -> Result<ExecutedTrace, TwinError> {
    replay_within(file, subject, usize::MAX)
}

/// [`replay`] of a file that may take so many bytes of memory.
///
/// # Errors
/// See [`replay`]; [`TwinError::Tla`] too if the file is too long for them.
pub fn replay_within(file: &Path, subject: &Subject, memory: usize) -> Result<ExecutedTrace, TwinError> {
    replay_trace(&TlcTrace::read(file, memory)?, subject)
}

/// See [`replay`].
pub(super) fn replay_trace(trace: &TlcTrace, subject: &Subject) -> Result<ExecutedTrace, TwinError> {
    Ok(match subject {
        Subject::Spec(cfg) => {
            let spec = cfg.clone().into_model().map_err(|error| TwinError::Model(error.to_string()))?;
            trace.on_spec(&spec)?
        }
        Subject::Ring(cfg) => trace.on_ring(cfg)?,
    })
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
        let model = model.with(&[property]);
        let fairness = match model.specification() {
            "SlotsFairSpec" => "Fairness /\\ SlotsFairness",
            "FaultFairSpec" => "Fairness /\\ FaultFairness",
            _ => "Fairness",
        };
        let RunModule { tla, states } =
            RunModule::new(model.subject.module(), fairness, run, property.is_about_steps());
        let specification = format!("SPECIFICATION {}\n", model.specification());
        let cfg = model.to_cfg().replace(&specification, "SPECIFICATION TraceSpec\n");
        TraceModule { property, tla, cfg, states }
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
    use serde_json::Value as Json;
    use vtd_qi::spec::{Loss, SpecCfg, SpecFaults};
    use vtd_qi_tla::TlaError;

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
        executed(TlcTrace::parse(&json.to_string(), "a trace"))
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

    fn parsed(text: &str) -> Result<TlcTrace, TlaError> {
        TlcTrace::parse(text, "a trace")
    }

    fn executed(trace: Result<TlcTrace, TlaError>) -> Result<(usize, usize), String> {
        let run = trace.map_err(TwinError::from).and_then(|trace| replay_trace(&trace, &subject()));
        let run = run.map_err(|error| error.to_string())?;
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
        assert_eq!(executed(parsed(TEXT)), Ok((0, 4)));
        // Without -tool, and of a TLC that prints parameters.
        let plain = TEXT.replace("\n1: Back to state:", "\nBack to state 1:").replace(" line ", "(1) line ");
        let plain: String = plain
            .lines()
            .map(|line| match line.split_once(": <") {
                Some((number, _)) if number.len() == 1 => format!("State {line}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        assert_eq!(executed(parsed(&plain)), Ok((0, 4)));
        let (stopped, _) = TEXT.split_once("1: Back").unwrap();
        assert_eq!(executed(parsed(&format!("{stopped}5: Stuttering\n"))), Ok((3, 0)));
        let cut = executed(parsed(&format!("Error: Temporal property P was violated.\n{stopped}"))).unwrap_err();
        assert!(cut.starts_with("the trace cannot be used: it is cut off after 4 states"), "{cut}");
        let whole = format!("Error: Temporal properties were violated.\n{TEXT}");
        assert_eq!(executed(parsed(&whole)), Ok((0, 4)));
        let wrong = |from: &str, to: &str, message: &str| {
            assert!(TEXT.contains(from));
            let found = executed(parsed(&TEXT.replace(from, to))).unwrap_err();
            assert!(found.starts_with(&format!("the trace cannot be used: {message}")), "{found}");
        };
        wrong("1: Back", "0: Back", "it has 4 states and leads back to state 0");
        wrong("1: Back", "9: Back", "it has 4 states and leads back to state 9");
        wrong("1: Back", "2: Back", "step 4: the Rust has no Observe from");
        wrong("<Observe", "<Lose", "step 4: the Rust has no Lose from");
        wrong("<Accept", "<Execute", "step 2: the Rust has no Execute from");
        wrong("\n3: <", "\n4: <", "state 3 bears the number 4");
        wrong("<Accept", "Accept", "state 3 bears the number 4");
        assert_eq!(executed(parsed("")), Err("the trace cannot be used: it has no states".into()));
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
        // One that closes a loop, and one that stutters.
        for right in [looping(), json()] {
            let mut all = Vec::new();
            leaves(&right, String::new(), &mut all);
            assert!(all.len() > 80, "{all:?}");
            let values =
                [Json::from(0), Json::from(7), Json::from(u64::MAX), Json::from("x"), Json::Null, Json::from(true)];
            for (at, value) in all.iter().flat_map(|at| values.iter().map(move |value| (at, value))) {
                let mut wrong = right.clone();
                let field = wrong.pointer_mut(at).unwrap();
                if field == value {
                    continue;
                }
                field.clone_from(value);
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
        // A step that changes nothing bears the name of the one before, or of an action that does so.
        let mut wrong = json();
        wrong["counterexample"]["action"][4][1]["name"] = "Complete".into();
        refused(&wrong, "step 5: the Rust has no Complete(1) from");
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
            let found = executed(parsed(&mutated));
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
