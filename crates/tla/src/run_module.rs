//! A run as a module that allows nothing else, for TLC to walk and to judge.

use std::fmt::Write;

use stateright_temporal::liveness::Run;

use super::{Twin, Value};

/// A TLA+ module `Trace` whose specification `TraceSpec` allows one run of another module and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunModule {
    /// Its text.
    pub tla: String,
    /// How many states the run has.
    pub states: usize,
}

impl RunModule {
    /// The module of a run of the module that it extends, under a conjunction of fairness conditions. If the run `goes_on`, the
    /// module's own steps are allowed after its last state.
    ///
    /// # Panics
    /// If a state is no record of variables.
    pub fn new(extends: &str, fairness: &str, run: &Run<Value, String>, goes_on: bool) -> RunModule {
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
        let mut tla = format!("---- MODULE Trace ----\nEXTENDS {extends}, TLC\nVARIABLE step\n\nStates == <<\n");
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
            if goes_on {
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
        RunModule { tla, states: states.len() }
    }

    /// The same for a run of a model that has a twin.
    pub fn of<M: Twin>(model: &M, extends: &str, fairness: &str, run: &Run<M::State, M::Label>) -> RunModule {
        let steps = |steps: &[(M::Label, M::State)]| {
            steps.iter().map(|(label, state)| (M::action_name(*label), model.variables(state))).collect()
        };
        let initial = model.variables(&run.initial);
        let run = Run { initial, stem: steps(&run.stem), cycle: steps(&run.cycle) };
        RunModule::new(extends, fairness, &run, false)
    }
}
