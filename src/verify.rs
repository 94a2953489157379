//! From a scenario to verdicts: explore the ring, judge every property, and draw what is violated.
//!
//! The ring is explored once, reduced by rotation; every property is judged on that graph. What comes out of a search is not
//! believed: a counterexample is executed again on the unreduced ring, and a lasso is judged again from the definitions by code
//! that shares nothing with the search, before it becomes a [`Violation`].
//!
//! ```
//! use vtd_qi::temporal::graph::Limits;
//! use vtd_qi::scenario::Table;
//! use vtd_qi::verify::{verify, Verdict};
//!
//! let table = Table::embedded();
//! let report = verify(table.find("g4-c01-2x4").unwrap(), Limits::default());
//! assert!(report.properties.iter().all(|property| property.verdict == Verdict::Holds));
//! assert!(report.as_expected());
//! ```

mod surprises;

use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize, Serializer};
use stateright::{Expectation, Model};

use crate::fingerprint::fingerprint;
use crate::impl_qi::{Action, Label, Lock, Ring, Safety, State, Step};
use crate::refine::{check_fairness, check_steps, RingToSpec, StepVerdict, Steps};
use crate::scenario::{Check, Scenario, Script, WRAPS};
use crate::spec::{self, Loss, View};
use crate::timeline::Timeline;
use crate::with_ring;
use stateright_temporal::graph::{Coverage, Edge, Graph, Limits, Search, StateId};
use stateright_temporal::liveness::{
    find, judge, realize, Checker, Condition, Fairness, Formula, Lasso, Objection, Query, Run,
};

pub use surprises::{surprises, Found};

/// What is known of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is true of every run of the configuration.
    Holds,
    /// It is false of a run that was executed again on the ring itself.
    Violated,
    /// The search was cut.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Holds => "holds",
            Verdict::Violated => "violated",
            Verdict::Unknown => "unknown",
        })
    }
}

/// A property and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The property.
    #[serde(serialize_with = "name_of", rename = "name")]
    pub check: Check,
    /// Its verdict.
    pub verdict: Verdict,
    /// The verdict that the table expects, if it does.
    pub expected: Option<Verdict>,
    /// Why the table expects it: a reason for [`Outcome::expected`], whatever was found.
    pub why: Option<String>,
    /// What is not as expected although the verdict is.
    pub surprise: Option<String>,
    /// What there is to say beside the verdict: how a run is broken, what was hit, why nothing is known.
    pub detail: Option<String>,
    /// The run that shows a violation.
    pub counterexample: Option<Violation>,
}

fn name_of<S: Serializer>(check: &Check, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(check.name())
}

impl Outcome {
    /// What was found of a property, beside what the table expects of it.
    fn new(scenario: &Scenario, check: Check, (verdict, detail, counterexample): Shown) -> Outcome {
        let expected = scenario.expected(check.name());
        Outcome {
            check,
            verdict,
            expected: expected.map(|e| if e.violated { Verdict::Violated } else { Verdict::Holds }),
            why: expected.map(|e| e.why.clone()),
            surprise: None,
            detail,
            counterexample,
        }
    }
}

/// A run that violates a property.
#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    /// Number of steps before the loop, or in all.
    pub stem: usize,
    /// Number of steps of the loop, up to rotation of the ring; 0 if the run ends or stutters.
    #[serde(rename = "loop")]
    pub repeating: usize,
    /// What is proven about the lengths.
    pub length: String,
    /// The labels of its steps.
    pub steps: Vec<String>,
    /// The actions to follow in the Explorer: the same steps as the model formats them.
    #[serde(skip)]
    pub actions: Vec<Action>,
    /// The run, drawn.
    #[serde(skip)]
    pub timeline: Timeline,
}

impl Violation {
    /// Names the run: the first 8 bytes of the SHA-256 of its steps and of where its loop begins, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        fingerprint([format!("{:?} {}", self.steps, self.stem)])
    }
}

/// A reachable situation that shows that a `holds` is not vacuous.
#[derive(Clone, Debug, Serialize)]
pub struct Witness {
    /// Its name.
    pub name: &'static str,
    /// Whether it was reached; `None` if it was not and the search was cut.
    pub reached: Option<bool>,
    /// Whether the table says that it has to be reached; `None` if it says nothing.
    pub expected: Option<bool>,
}

/// All that is known of one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub name: String,
    /// The generation.
    pub generation: &'static str,
    /// Number of submitters.
    pub submitters: usize,
    /// The counts.
    pub counts: Vec<u8>,
    /// `QI_LENGTH`.
    pub ring: u16,
    /// What fairness was assumed: `WF` weak, `SF` strong, `GF p => GF q` a Streett pair.
    pub fairness: Vec<String>,
    /// Distinct states, up to rotation of the ring.
    pub states: usize,
    /// Distinct transitions.
    pub transitions: usize,
    /// Breadth-first levels.
    pub depth: usize,
    /// Bytes of one stored state; none of it on the heap.
    pub bytes_per_state: usize,
    /// Bytes that index, transitions and paths take beside that, per state.
    pub graph_bytes_per_state: usize,
    /// Whether all of it was seen.
    pub complete: bool,
    /// Why not, if not.
    pub cut: Option<String>,
    /// Seconds for all of it.
    pub seconds: f64,
    /// Seconds of these for exploring, the safety properties included.
    pub seconds_exploring: f64,
    /// The properties.
    pub properties: Vec<Outcome>,
    /// The witnesses.
    pub witnesses: Vec<Witness>,
    /// Under faults: how many transitions raise each fault, and how many handle it (clear the bit that it has set).
    pub faults: Vec<Fired>,
    /// What is not as the table expects, or unknown without its having said so, a sentence each.
    pub surprises: Vec<String>,
}

/// How often a fault occurs in the explored graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// The bit of FSTS that it sets.
    pub bit: FaultBit,
    /// Transitions that set the bit.
    pub raised: usize,
    /// Transitions that clear it.
    pub handled: usize,
}

/// A bit of FSTS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FaultBit {
    /// Invalidation queue error.
    Iqe,
    /// Invalidation time-out error.
    Ite,
    /// Invalidation completion error.
    Ice,
}

impl Report {
    /// Whether nothing surprises.
    pub fn as_expected(&self) -> bool {
        self.surprises.is_empty()
    }

    /// As [`surprises`] judges it.
    fn judged(self, scenario: &Scenario) -> Report {
        let found = Found {
            states: self.states,
            complete: self.complete,
            verdicts: self.properties.iter().map(|outcome| (outcome.check.name(), outcome.verdict)).collect(),
            faults: &self.faults,
            reached: self.witnesses.iter().filter(|w| w.reached == Some(true)).map(|w| w.name).collect(),
        };
        let mut surprises = surprises(scenario, &found);
        let elsewhere = self.properties.iter().filter_map(|outcome| Some((outcome, outcome.surprise.as_ref()?)));
        surprises.extend(elsewhere.map(|(outcome, what)| format!("{} {what}", outcome.check.name())));
        Report { surprises, ..self }
    }

    /// Whether everything was decided.
    pub fn is_decided(&self) -> bool {
        self.properties.iter().all(|outcome| outcome.verdict != Verdict::Unknown)
    }

    /// What became of a property, if it was checked.
    pub fn outcome(&self, check: Check) -> Option<&Outcome> {
        self.properties.iter().find(|outcome| outcome.check == check)
    }
}

/// Checks everything that a scenario asks for.
///
/// # Panics
/// If a counterexample is refuted when it is executed or judged again: that is a fault of this crate.
pub fn verify(scenario: &Scenario, limits: Limits) -> Report {
    verify_with(scenario, limits, Detail::Readable)
}

/// How much is made of a counterexample, once it has been executed and judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// A lasso that is easier to read than the one with the shortest stem is looked for, and whether the FIFO lock has one too.
    Readable,
    /// Neither: verdicts are all that is wanted.
    Verdicts,
}

/// [`verify`] with so much detail.
///
/// # Panics
/// See [`verify`].
pub fn verify_with(scenario: &Scenario, limits: Limits, detail: Detail) -> Report {
    with_ring!(scenario.cfg.clone(), |ring| Judge::new(&ring, scenario, limits, detail).report())
}

/// The report of a scenario of which nothing is known.
pub fn not_checked(scenario: &Scenario, why: &str) -> Report {
    let outcome = |&check: &Check| Outcome::new(scenario, check, (Verdict::Unknown, Some(why.to_string()), None));
    let report = Report {
        name: scenario.name.clone(),
        generation: scenario.generation,
        submitters: scenario.cfg.submitters,
        counts: scenario.cfg.counts.clone(),
        ring: scenario.cfg.length.slots(),
        fairness: Vec::new(),
        states: 0,
        transitions: 0,
        depth: 0,
        bytes_per_state: 0,
        graph_bytes_per_state: 0,
        complete: false,
        cut: Some(why.to_string()),
        seconds: 0.0,
        seconds_exploring: 0.0,
        properties: scenario.checks.iter().map(outcome).collect(),
        witnesses: Vec::new(),
        faults: Vec::new(),
        surprises: Vec::new(),
    };
    report.judged(scenario)
}

/// Everything that is the same for all properties of one scenario.
struct Judge<'a, const N: usize, const T: usize, const F: usize> {
    ring: &'a Ring<N, T, F>,
    scenario: &'a Scenario,
    limits: Limits<'a>,
    graph: Graph<State<N, T, F>, Label>,
    fairness: Vec<Fairness<'a, State<N, T, F>, Label>>,
    started: Instant,
    explored: Duration,
    detail: Detail,
}

type Shown = (Verdict, Option<String>, Option<Violation>);

impl<'a, const N: usize, const T: usize, const F: usize> Judge<'a, N, T, F> {
    fn new(ring: &'a Ring<N, T, F>, scenario: &'a Scenario, limits: Limits<'a>, detail: Detail) -> Self {
        let started = Instant::now();
        let max_states = limits.max_states.min(scenario.max_states.unwrap_or(usize::MAX));
        let limits = Limits { max_states, ..limits };
        let canonical = |state: &State<N, T, F>| ring.canonical(state);
        let graph = Search::new(ring, Action::label).canonical(&canonical).limits(limits).run();
        let mut fairness = ring.fairness(scenario.slots, graph.labels());
        fairness.retain(|condition| scenario.unfair.as_ref() != Some(&condition.name));
        Judge { ring, scenario, limits, graph, fairness, started, explored: started.elapsed(), detail }
    }

    fn report(self) -> Report {
        let cfg = self.ring.cfg();
        let checker = Checker::new(&self.graph, &self.fairness);
        let wanted = |check: Check| self.scenario.checks.contains(&check);
        let (reliable, lossy) = (self.mapping(Loss::None), self.mapping(Loss::Done));
        let steps = (wanted(Check::RefinesSpec) || wanted(Check::RefinesFairSpec))
            .then(|| check_steps(&self.graph, &reliable, |label| label.is_fault()));
        let may_lose = |label: &spec::Label| matches!(label, spec::Label::Lose(_)) || label.is_fault();
        let lossy_steps = wanted(Check::RefinesLossySpec).then(|| check_steps(&self.graph, &lossy, may_lose));
        let mut properties = Vec::new();
        for &check in &self.scenario.checks {
            let shown = match (check, &checker) {
                (Check::Safety(safety), _) => self.safety(safety),
                (Check::NoDeadlock, _) => self.no_deadlock(),
                (Check::RefinesSpec, _) => self.steps(steps.as_ref().expect("wanted")),
                (Check::RefinesLossySpec, _) => self.steps(lossy_steps.as_ref().expect("wanted")),
                (_, Err(error)) => (Verdict::Unknown, Some(error.to_string()), None),
                (Check::RefinesFairSpec, Ok(checker)) => {
                    self.fair_refinement(checker, &reliable, steps.as_ref().expect("wanted"))
                }
                (Check::WdEventuallyObservedDone, Ok(checker)) => self.liveness(checker, Ring::observed),
                (Check::CallEventuallyPosted, Ok(checker)) => self.liveness(checker, Ring::posted),
                (Check::CallEventuallyReturns, Ok(checker)) => self.liveness(checker, Ring::returned),
                (Check::LockEventuallyDropped, Ok(checker)) => self.liveness(checker, Ring::lock_dropped),
            };
            let surprise = match check {
                Check::RefinesSpec => steps.as_ref().and_then(|steps| self.surprise(steps)),
                Check::RefinesLossySpec => lossy_steps.as_ref().and_then(|steps| self.surprise(steps)),
                _ => None,
            };
            properties.push(Outcome { surprise, ..Outcome::new(self.scenario, check, shown) });
        }
        self.compare_derived(&mut properties, &reliable);
        let report = Report {
            name: self.scenario.name.clone(),
            generation: self.scenario.generation,
            submitters: cfg.submitters,
            counts: cfg.counts.clone(),
            ring: cfg.length.slots(),
            fairness: self.fairness.iter().map(strength_and_name).collect(),
            states: self.graph.len(),
            transitions: self.graph.transitions(),
            depth: self.graph.depth(),
            bytes_per_state: self.graph.bytes_per_state().0,
            graph_bytes_per_state: self.graph.bytes_per_state().1,
            complete: self.complete(),
            cut: (!self.complete()).then(|| self.cut()),
            witnesses: self.witnesses(),
            faults: self.faults(),
            properties,
            seconds: self.started.elapsed().as_secs_f64(),
            seconds_exploring: self.explored.as_secs_f64(),
            surprises: Vec::new(),
        };
        report.judged(self.scenario)
    }

    fn complete(&self) -> bool {
        self.graph.coverage() == Coverage::Complete
    }

    fn mapping(&self, loss: Loss) -> RingToSpec<'a, N, T, F> {
        RingToSpec::new(self.ring, loss).expect("the specification takes every submitter and count that the ring takes")
    }

    /// Holds, or unknown if the search was cut.
    fn nothing_found(&self) -> Shown {
        if self.complete() {
            (Verdict::Holds, None, None)
        } else {
            (Verdict::Unknown, Some(self.cut()), None)
        }
    }

    /// Why not all of it was seen.
    fn cut(&self) -> String {
        let (states, levels) = (self.graph.len(), self.graph.depth());
        match (self.graph.coverage(), self.limits.memory) {
            (Coverage::Faulty, _) => self.graph.fault().map_or_else(String::new, ToString::to_string),
            (Coverage::Cancelled, _) => format!("cancelled after {states} states, {levels} levels"),
            (Coverage::CutByMemory, Some(memory)) => {
                format!(
                    "stopped at {states} states, {levels} levels: the {memory} of memory that were allowed are used"
                )
            }
            (Coverage::CutByMemory, None) => {
                format!("stopped at {states} states, {levels} levels: the machine gives no more memory")
            }
            _ => format!("cut by the limit on states after {states} states, {levels} levels"),
        }
    }

    fn safety(&self, safety: Safety) -> Shown {
        let finding =
            self.graph.findings().iter().find(|f| f.name == safety.name()).expect("a safety property of the ring");
        let Some(state) = finding.state else { return self.nothing_found() };
        let detail = (safety == Safety::NoSlotLeak).then(|| self.leak());
        (Verdict::Violated, detail, Some(self.path_violation(self.graph.path_to(state))))
    }

    /// Whether leaked slots come back.
    fn leak(&self) -> String {
        let full = |id: StateId| {
            let state = self.graph.state(id);
            self.ring.at_rest(state) && state.queue().free_cnt == self.ring.length().slots()
        };
        let recovers = self.graph.leading_to(full);
        let leaks = self.graph.ids().filter(|&id| self.ring.at_rest(self.graph.state(id)) && !full(id));
        match (leaks.into_iter().all(|id| recovers[id as usize]), self.complete()) {
            (true, _) => "delayed: a later call's reclaim can bring the slots back".to_string(),
            (false, true) => "lost: at rest with slots missing, and no run brings them back".to_string(),
            (false, false) => "lost or delayed: the search was cut".to_string(),
        }
    }

    fn no_deadlock(&self) -> Shown {
        let stuck = |&id: &StateId| self.graph.is_terminal(id) && self.ring.has_calls(self.graph.state(id));
        match self.graph.ids().find(stuck) {
            Some(state) => (Verdict::Violated, None, Some(self.path_violation(self.graph.path_to(state)))),
            None => self.nothing_found(),
        }
    }

    fn steps(&self, steps: &Steps<View, spec::Label>) -> Shown {
        let path = |mut path: Vec<Edge>, step: Edge| {
            path.push(step);
            self.path_violation(path)
        };
        match &steps.verdict {
            StepVerdict::Holds => {
                let uses = steps.actions_hit.iter().filter(|(_, hits)| *hits > 0).count();
                let detail = format!("hits {} states and {uses} actions of the specification", steps.states_hit);
                let lost: usize =
                    steps.actions_hit.iter().filter(|(l, _)| matches!(l, spec::Label::Lose(_))).map(|(_, n)| n).sum();
                let offered = steps.actions_hit.iter().any(|(l, _)| matches!(l, spec::Label::Lose(_)));
                let lost = if offered { format!("; a Done is lost by {lost} transitions") } else { String::new() };
                (Verdict::Holds, Some(detail + &lost), None)
            }
            StepVerdict::InitialFails(state) => {
                (Verdict::Violated, Some("the initial state maps to no initial state".into()), {
                    Some(self.path_violation(self.graph.path_to(*state)))
                })
            }
            StepVerdict::StepFails { path: before, step } => {
                let detail = format!(
                    "fails at {}: {} => {}; all {} such steps are {}",
                    self.graph.labels()[step.label as usize],
                    steps.view(step.source),
                    steps.view(step.target),
                    steps.failures.len(),
                    self.failing_steps(steps).join(", ")
                );
                (Verdict::Violated, Some(detail), Some(path(before.clone(), *step)))
            }
            StepVerdict::Vacuous(labels) => {
                let unused: Vec<_> = labels.iter().map(|l| l.to_string()).collect();
                let why = format!("vacuous: no step of the ring ever is {}", unused.join(", "));
                (Verdict::Unknown, Some(why), None)
            }
            StepVerdict::Unknown(_) => (Verdict::Unknown, Some(self.cut()), None),
            StepVerdict::Faulty(fault) => (Verdict::Unknown, Some(fault.to_string()), None),
            StepVerdict::NotInvariant { state, representative } => {
                let representative = self.graph.state(*representative);
                let why = format!("the mapping tells {state} from its canonical form {representative:?}");
                (Verdict::Unknown, Some(why), None)
            }
        }
    }

    /// The names of the steps that do not refine, each once.
    fn failing_steps(&self, steps: &Steps<View, spec::Label>) -> Vec<String> {
        let mut names: Vec<String> =
            steps.failures.iter().map(|edge| self.graph.labels()[edge.label as usize].step_name()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether refinement fails elsewhere than the table says.
    fn surprise(&self, steps: &Steps<View, spec::Label>) -> Option<String> {
        let names = self.failing_steps(steps);
        let expected = &self.scenario.fails_at;
        (!expected.is_empty() && names != *expected)
            .then(|| format!("fails at {}, expected: at {}", names.join(", "), expected.join(", ")))
    }

    fn fair_refinement(
        &self,
        checker: &Checker<State<N, T, F>, Label>,
        mapping: &RingToSpec<'a, N, T, F>,
        steps: &Steps<View, spec::Label>,
    ) -> Shown {
        match &steps.verdict {
            StepVerdict::Holds => {}
            StepVerdict::Unknown(_)
            | StepVerdict::Vacuous(_)
            | StepVerdict::Faulty(_)
            | StepVerdict::NotInvariant { .. } => return self.steps(steps),
            StepVerdict::InitialFails(_) | StepVerdict::StepFails { .. } => {
                let (verdict, _, counterexample) = self.steps(steps);
                return (verdict, Some("refines-spec fails already".to_string()), counterexample);
            }
        }
        // What the specification never offers, such as a step of a fault that does not occur, is fair to any run.
        let conditions = mapping.fairness_of(self.ring.cfg().submitters - 1);
        for condition in conditions.filter(|condition| steps.offer(condition)) {
            match check_fairness(&self.graph, steps, checker.pairs(), &condition, self.limits.cancel) {
                Ok(stateright_temporal::liveness::Verdict::Violated(lasso)) => {
                    let formula = condition.formula(mapping);
                    let why = format!("breaks weak fairness of {}", condition.name);
                    return (Verdict::Violated, Some(why), Some(self.lasso_violation(&lasso, &formula)));
                }
                Ok(_) => {}
                Err(error) => return (Verdict::Unknown, Some(error.to_string()), None),
            }
        }
        self.nothing_found()
    }

    /// A formula about one submitter, which stands for all.
    ///
    /// Nothing tells submitters apart, so exchanging two of them maps runs to runs. The last one is taken: in a
    /// counterexample the first then plays the patch's T1.
    fn liveness(&self, checker: &Checker<State<N, T, F>, Label>, claim: Claim<N, T, F>) -> Shown {
        let t = self.ring.cfg().submitters - 1;
        let formula = claim(self.ring, t);
        match checker.check(&formula, self.limits.cancel) {
            Ok(stateright_temporal::liveness::Verdict::Violated(lasso)) => {
                if self.detail == Detail::Verdicts {
                    let violation = self.lasso_violation(&lasso, &formula);
                    return (Verdict::Violated, None, Some(violation));
                }
                let why = format!("T{} {}{}", t + 1, self.how(&lasso, t), self.under_fifo(claim));
                if let Some(script) = &self.scenario.run {
                    return match self.scripted(script, &formula) {
                        Ok(violation) => (Verdict::Violated, Some(why), Some(violation)),
                        Err(fault) => (Verdict::Unknown, Some(format!("the run of the table {fault}")), None),
                    };
                }
                let (lasso, note) = self.quieter(checker, &formula, lasso);
                let mut violation = self.lasso_violation(&lasso, &formula);
                violation.length += &note;
                (Verdict::Violated, Some(why), Some(violation))
            }
            Ok(stateright_temporal::liveness::Verdict::Vacuous(why)) => {
                (Verdict::Holds, Some(format!("vacuous: {why}")), None)
            }
            Ok(stateright_temporal::liveness::Verdict::Holds | stateright_temporal::liveness::Verdict::Unknown(_)) => {
                self.nothing_found()
            }
            Err(error) => (Verdict::Unknown, Some(error.to_string()), None),
        }
    }

    /// What submitter `t` does for ever on the loop of a lasso.
    fn how(&self, lasso: &Lasso, t: usize) -> &'static str {
        let on_loop = |wanted: &dyn Fn(StateId) -> bool| lasso.cycle.iter().any(|edge| wanted(edge.target));
        let entry = self.graph.state(lasso.entry());
        if entry.lock_holder() == Some(t) && !on_loop(&|id| self.graph.state(id).lock_holder() != Some(t)) {
            "keeps the lock for ever"
        } else if on_loop(&|id| self.graph.state(id).call(t).outcome == crate::impl_qi::Outcome::Again) {
            "is sent back with -EAGAIN for ever"
        } else {
            "waits for ever"
        }
    }

    /// What a violation under the strongly fair lock says of the kernel's FIFO lock, which has fewer runs.
    fn under_fifo(&self, claim: Claim<N, T, F>) -> &'static str {
        if self.ring.cfg().lock == Lock::Fifo {
            return "";
        }
        let ring = self.ring.with_lock(Lock::Fifo);
        let canonical = |state: &State<N, T, F>| ring.canonical(state);
        let max_states = self.limits.max_states.min(20 * self.graph.len()).min(MOST_UNDER_FIFO);
        let limits = Limits { max_states, progress: None, ..self.limits };
        let graph = Search::new(&ring, Action::label).canonical(&canonical).limits(limits).run();
        let fairness = ring.fairness(self.scenario.slots, graph.labels());
        let formula = claim(&ring, ring.cfg().submitters - 1);
        let verdict = Checker::new(&graph, &fairness).and_then(|checker| checker.check(&formula, self.limits.cancel));
        match verdict {
            Ok(stateright_temporal::liveness::Verdict::Violated(_)) => ", under the FIFO lock too",
            Ok(verdict) if verdict.is_true() => ", under the strongly fair lock only: not under the FIFO lock",
            _ => "; whether under the FIFO lock too is unknown",
        }
    }

    /// The run that the table gives by hand, executed and judged like any other; or what is wrong with it.
    fn scripted(&self, script: &Script, formula: &Formula<State<N, T, F>, Label>) -> Result<Violation, String> {
        let initial = self.ring.init_states()[0];
        let mut states: Vec<(Label, State<N, T, F>)> = Vec::new();
        for name in &script.steps {
            let state = states.last().map_or(initial, |(_, state)| *state);
            let mut steps = self.ring.next_steps(&state).into_iter();
            let step = steps.find(|(action, _)| self.ring.format_action(action) == *name);
            let (action, next) =
                step.ok_or_else(|| format!("has a step {name:?} that cannot be done after {} steps", states.len()))?;
            states.push((action.label(), next));
        }
        let cycle = states.split_off(states.len() - script.repeat);
        let run = Run { initial, stem: states, cycle };
        judge(self.ring, Action::label, &self.fairness, formula, &run)
            .map_err(|objection| format!("is none: {objection}"))?;
        Ok(self.draw(run, "a run written by hand and executed here, not the shortest"))
    }

    /// A lasso that is easier to read, if there is one: on its loop nobody begins a call.
    ///
    /// The shortest stem often ends in the middle of another's call, and then the loop has to bring that state back.
    fn quieter(
        &self,
        checker: &Checker<State<N, T, F>, Label>,
        formula: &Formula<State<N, T, F>, Label>,
        lasso: Lasso,
    ) -> (Lasso, String) {
        let mut query: Query = checker.violation(formula);
        for edge in self.graph.ids().flat_map(|id| self.graph.edges(id)) {
            if matches!(self.graph.labels()[edge.label as usize], Label::Call(_)) {
                query.cycle.edges.remove(edge.index);
            }
        }
        match find(&self.graph, checker.pairs(), &query, self.limits.cancel) {
            Ok(Some(quiet)) if quiet.stem.len() + quiet.cycle.len() < lasso.stem.len() + lasso.cycle.len() => {
                let shortest = format!(
                    " among those on whose loop nobody begins a call (the shortest stem of all has {} steps, and the loop \
                     found for it {})",
                    lasso.stem.len(),
                    lasso.cycle.len()
                );
                (quiet, shortest)
            }
            _ => (lasso, String::new()),
        }
    }

    /// The specification's own liveness and the fair refinement imply the ring's; the direct check must not disagree.
    fn compare_derived(&self, properties: &mut [Outcome], mapping: &RingToSpec<'a, N, T, F>) {
        let verdict = |properties: &[Outcome], check| properties.iter().find(|o| o.check == check).map(|o| o.verdict);
        let direct = verdict(properties, Check::WdEventuallyObservedDone);
        if direct.is_none() || verdict(properties, Check::RefinesFairSpec) != Some(Verdict::Holds) {
            return;
        }
        let derived = spec_liveness(mapping.spec(), self.limits);
        let fair = properties.iter_mut().find(|o| o.check == Check::RefinesFairSpec).expect("it has a verdict");
        match (derived, direct) {
            (Some(true), Some(Verdict::Violated)) => {
                fair.verdict = Verdict::Unknown;
                fair.detail = Some("contradicts the direct check of wd-eventually-observed-done".to_string());
            }
            (Some(true), Some(Verdict::Holds)) => {
                fair.detail = Some("wd-eventually-observed-done follows, as checked directly".to_string())
            }
            (Some(true), _) => fair.detail = Some("wd-eventually-observed-done follows".to_string()),
            (Some(false), _) => {
                fair.detail = Some(
                    "the specification itself is not live, as where batches can be aborted again and again".to_string(),
                )
            }
            (None, _) => fair.detail = Some("the specification is too large for a check of its own".to_string()),
        }
    }

    fn faults(&self) -> Vec<Fired> {
        if self.ring.cfg().faults.is_none() {
            return Vec::new();
        }
        let mut by_label = vec![0usize; self.graph.labels().len()];
        for edge in self.graph.ids().flat_map(|id| self.graph.edges(id)) {
            by_label[usize::from(edge.label)] += 1;
        }
        let count = |wanted: &dyn Fn(&Label) -> bool| {
            let labels = self.graph.labels().iter().zip(&by_label);
            labels.filter(|(label, _)| wanted(label)).map(|(_, times)| times).sum()
        };
        let step = |wanted: Step| move |label: &Label| matches!(label, Label::Driver(step, _) if *step == wanted);
        let times_out = |label: &Label| matches!(label, Label::TimeOut | Label::LoseAnswer);
        let fired = [
            (FaultBit::Iqe, count(&|label| *label == Label::Iqe), count(&step(Step::ClearIqe))),
            (FaultBit::Ite, count(&times_out), count(&step(Step::ClearIte))),
            (FaultBit::Ice, count(&|label| *label == Label::Ice), count(&step(Step::ClearIce))),
        ];
        fired
            .into_iter()
            .filter(|(_, raised, handled)| raised + handled > 0)
            .map(|(bit, raised, handled)| Fired { bit, raised, handled })
            .collect()
    }

    fn witnesses(&self) -> Vec<Witness> {
        let wraps = Query { must: self.reclaims(), ..Query::any(&self.graph) };
        let wraps = find(&self.graph, &[], &wraps, self.limits.cancel).ok().flatten().is_some();
        let sometimes = self.graph.findings().iter().filter(|finding| finding.expectation == Expectation::Sometimes);
        let expected = |name: &str| match self.scenario.reached.contains(&name) {
            true => Some(true),
            false => self.scenario.unreached.contains_key(name).then_some(false),
        };
        let reached = sometimes.map(|finding| (finding.name, finding.state.is_some())).chain([(WRAPS, wraps)]);
        reached
            .map(|(name, reached)| Witness {
                name,
                reached: (reached || self.complete()).then_some(reached),
                expected: expected(name),
            })
            .collect()
    }

    /// The steps that advance `free_tail`.
    fn reclaims(&self) -> stateright_temporal::liveness::Marks {
        let mut edges = stateright_temporal::liveness::BitSet::none();
        for edge in self.graph.ids().flat_map(|id| self.graph.edges(id)) {
            let (before, after) = (self.graph.state(edge.source).queue(), self.graph.state(edge.target).queue());
            let step =
                matches!(self.graph.labels()[edge.label as usize], Label::Driver(Step::Reclaim | Step::ReclaimFree, _));
            if step && before.free_cnt != after.free_cnt {
                edges.insert(edge.index);
            }
        }
        stateright_temporal::liveness::Marks::edges(edges)
    }

    fn path_violation(&self, path: Vec<Edge>) -> Violation {
        let run = self.realize(&Lasso::along(&self.graph, path));
        self.draw(run, "shortest")
    }

    fn lasso_violation(&self, lasso: &Lasso, formula: &Formula<State<N, T, F>, Label>) -> Violation {
        let refuted =
            |objection: Objection| -> ! { panic!("{}: a counterexample was refuted: {objection}", self.scenario.name) };
        let loop_note = if lasso.cycle_is_shortest {
            "and the shortest loop from there"
        } else {
            "and a loop that is not proven shortest"
        };
        // One lap on the ring itself; it may end further round.
        let all_of_it = Lasso { stem: [&lasso.stem[..], &lasso.cycle].concat(), cycle: Vec::new(), ..*lasso };
        let mut one_lap = self.realize(&all_of_it);
        one_lap.cycle = one_lap.stem.split_off(lasso.stem.len());
        if one_lap.cycle.last().is_none_or(|(_, last)| last == one_lap.entry()) {
            if let Err(objection) = judge(self.ring, Action::label, &self.fairness, formula, &one_lap) {
                refuted(objection);
            }
            return self.draw(one_lap, &format!("shortest stem, {loop_note}"));
        }
        // The ring has to come full circle, and at first there may be blanks where later laps find old descriptors.
        let laps = usize::from(self.ring.length().slots()) + 1;
        let closes = if laps * lasso.cycle.len() <= MOST_UNROLLED {
            let run = self.realize(lasso);
            if let Err(objection) = judge(self.ring, Action::label, &self.fairness, formula, &run) {
                refuted(objection);
            }
            format!("the whole state recurs with {} steps and a loop of {}", run.stem.len(), run.cycle.len())
        } else {
            let mut run = Run::along(&self.graph, &all_of_it.stem);
            run.cycle = run.stem.split_off(lasso.stem.len());
            if let Err(objection) = judge(&Quotient(self.ring), Action::label, &self.fairness, formula, &run) {
                refuted(objection);
            }
            "it was judged up to rotation, since the laps that bring the whole state back are too many to execute"
                .to_string()
        };
        let length = format!(
            "up to rotation of the ring the shortest stem, {loop_note}; each lap ends further round the ring, and {closes}"
        );
        self.draw(one_lap, &length)
    }

    fn realize(&self, lasso: &Lasso) -> Run<State<N, T, F>, Label> {
        let canonical = |state: &State<N, T, F>| self.ring.canonical(state);
        match realize(self.ring, Action::label, Some(&canonical), &self.graph, lasso) {
            Ok(run) => run,
            Err(error) => panic!("{}: a counterexample cannot be executed: {error}", self.scenario.name),
        }
    }

    fn draw(&self, run: Run<State<N, T, F>, Label>, length: &str) -> Violation {
        let mut state = run.initial;
        let mut actions = Vec::new();
        for (label, next) in run.stem.iter().chain(&run.cycle) {
            let mut enabled = Vec::new();
            self.ring.actions(&state, &mut enabled);
            let taken =
                enabled.into_iter().find(|a| a.label() == *label && self.ring.next_state(&state, *a) == Some(*next));
            actions.push(taken.expect("a run consists of the model's steps"));
            state = *next;
        }
        Violation {
            stem: run.stem.len(),
            repeating: run.cycle.len(),
            length: length.to_string(),
            steps: actions.iter().map(|action| self.ring.format_action(action)).collect(),
            actions,
            timeline: Timeline::of(self.ring, &run),
        }
    }
}

fn strength_and_name<S, L>(fairness: &Fairness<S, L>) -> String {
    let strength = match fairness.condition {
        Condition::Weak(_) => "WF",
        Condition::Strong(_) => "SF",
        Condition::Streett { .. } => "GF p => GF q",
    };
    format!("{strength} {}", fairness.name)
}

/// A formula about one submitter of a ring.
type Claim<const N: usize, const T: usize, const F: usize> =
    for<'r> fn(&'r Ring<N, T, F>, usize) -> Formula<'r, State<N, T, F>, Label>;

/// The ring up to rotation, as a model of its own.
struct Quotient<'a, const N: usize, const T: usize, const F: usize>(&'a Ring<N, T, F>);

impl<const N: usize, const T: usize, const F: usize> Model for Quotient<'_, N, T, F> {
    type State = State<N, T, F>;
    type Action = Action;

    fn init_states(&self) -> Vec<Self::State> {
        self.0.init_states().iter().map(|state| self.0.canonical(state)).collect()
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Action>) {
        self.0.actions(state, actions);
    }

    fn next_state(&self, state: &Self::State, action: Action) -> Option<Self::State> {
        self.0.next_state(state, action).map(|next| self.0.canonical(&next))
    }
}

/// Most states of a search for a violation under the FIFO lock.
const MOST_UNDER_FIFO: usize = 2_000_000;

/// Longest loop, in steps of the ring itself, that is unrolled until the whole state recurs.
const MOST_UNROLLED: usize = 20_000;

/// Whether every WD of the specification is eventually observed done; `None` if it was not decided within the limits.
///
/// The specification is checked on its own only up to a size at which that costs less than the ring does.
fn spec_liveness(spec: &spec::Spec, limits: Limits) -> Option<bool> {
    let graph = Search::new(spec, spec::label).limits(Limits { max_states: 50_000, ..limits }).run();
    let checker = Checker::new(&graph, &spec.fairness()).ok()?;
    for t in 0..spec.cfg().submitters as u8 {
        match checker.check(&spec.observed(t), limits.cancel).ok()? {
            stateright_temporal::liveness::Verdict::Holds | stateright_temporal::liveness::Verdict::Vacuous(_) => {}
            stateright_temporal::liveness::Verdict::Violated(_) => return Some(false),
            stateright_temporal::liveness::Verdict::Unknown(_) => return None,
        }
    }
    Some(true)
}
