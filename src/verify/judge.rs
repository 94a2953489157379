//! One scenario's graph, and the verdict on each property that is asked of it.

use std::time::{Duration, Instant};

use stateright::Expectation;
use stateright_temporal::graph::{Coverage, Edge, Graph, Limits, Search, StateId};
use stateright_temporal::liveness::{self, Checker, Condition, Fairness, Formula, Lasso, Query, find};

use super::report::Shown;
use super::{Detail, FaultBit, Fired, PropertyReport, Report, Verdict, WitnessReport};
use crate::impl_qi::{Action, Label, Lock, Ring, Safety, State, Step};
use crate::refine::{RingToSpec, StepVerdict, Steps, check_fairness, check_steps};
use crate::scenario::{Check, Scenario, WRAPS};
use crate::spec::{self, Loss, View};

/// Everything that is the same for all properties of one scenario.
pub(super) struct Judge<'a, const N: usize, const T: usize, const F: usize> {
    pub(super) ring: &'a Ring<N, T, F>,
    pub(super) scenario: &'a Scenario,
    pub(super) limits: Limits<'a>,
    pub(super) graph: Graph<State<N, T, F>, Label>,
    pub(super) fairness: Vec<Fairness<'a, State<N, T, F>, Label>>,
    pub(super) started: Instant,
    pub(super) explored: Duration,
    pub(super) detail: Detail,
}

impl<'a, const N: usize, const T: usize, const F: usize> Judge<'a, N, T, F> {
    pub(super) fn new(ring: &'a Ring<N, T, F>, scenario: &'a Scenario, limits: Limits<'a>, detail: Detail) -> Self {
        let started = Instant::now();
        let max_states = limits.max_states.min(scenario.max_states.unwrap_or(usize::MAX));
        let limits = Limits { max_states, ..limits };
        let canonical = |state: &State<N, T, F>| ring.canonical(state);
        let graph = Search::new(ring, Action::label).canonical(&canonical).limits(limits).run();
        let mut fairness = ring.fairness(scenario.slots, graph.labels());
        fairness.retain(|condition| scenario.unfair.as_ref() != Some(&condition.name));
        Judge { ring, scenario, limits, graph, fairness, started, explored: started.elapsed(), detail }
    }

    pub(super) fn report(self) -> Report {
        let cfg = self.ring.cfg();
        let checker = Checker::new(&self.graph, &self.fairness);
        let wanted = |check: Check| self.scenario.checks.contains(&check);
        let (reliable, lossy) = (self.mapping(Loss::None), self.mapping(Loss::Done));
        let steps = (wanted(Check::RefinesSpec) || wanted(Check::RefinesFairSpec))
            .then(|| check_steps(&self.graph, &reliable, |label| label.is_fault()));
        let may_lose = |label: &spec::SpecLabel| matches!(label, spec::SpecLabel::Lose(_)) || label.is_fault();
        let lossy_steps = wanted(Check::RefinesLossySpec).then(|| check_steps(&self.graph, &lossy, may_lose));
        let mut properties = Vec::new();
        for &check in &self.scenario.checks {
            let shown = match (check, &checker) {
                (Check::Safety(safety), _) => self.safety(safety),
                (Check::NoDeadlock, _) => self.no_deadlock(),
                (Check::RefinesSpec, _) => self.steps(steps.as_ref().expect("wanted")),
                (Check::RefinesLossySpec, _) => self.steps(lossy_steps.as_ref().expect("wanted")),
                (_, Err(error)) => Shown::unknown(error),
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
            properties.push(PropertyReport { surprise, ..PropertyReport::new(self.scenario, check, shown) });
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
        if self.complete() { Shown::holds(None) } else { Shown::unknown(self.cut()) }
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
        Shown::violated(detail, self.path_violation(self.graph.path_to(state)))
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
            Some(state) => Shown::violated(None, self.path_violation(self.graph.path_to(state))),
            None => self.nothing_found(),
        }
    }

    fn steps(&self, steps: &Steps<View, spec::SpecLabel>) -> Shown {
        let path = |mut path: Vec<Edge>, step: Edge| {
            path.push(step);
            self.path_violation(path)
        };
        match &steps.verdict {
            StepVerdict::Holds => {
                let uses = steps.actions_hit.iter().filter(|(_, hits)| *hits > 0).count();
                let detail = format!("hits {} states and {uses} actions of the specification", steps.states_hit);
                let lost: usize = steps
                    .actions_hit
                    .iter()
                    .filter(|(l, _)| matches!(l, spec::SpecLabel::Lose(_)))
                    .map(|(_, n)| n)
                    .sum();
                let offered = steps.actions_hit.iter().any(|(l, _)| matches!(l, spec::SpecLabel::Lose(_)));
                let lost = if offered { format!("; a Done is lost by {lost} transitions") } else { String::new() };
                Shown::holds(Some(detail + &lost))
            }
            StepVerdict::InitialFails(state) => {
                let run = self.path_violation(self.graph.path_to(*state));
                Shown::violated(Some("the initial state maps to no initial state".into()), run)
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
                Shown::violated(Some(detail), path(before.clone(), *step))
            }
            StepVerdict::Vacuous(labels) => {
                let unused: Vec<_> = labels.iter().map(|l| l.to_string()).collect();
                let why = format!("vacuous: no step of the ring ever is {}", unused.join(", "));
                Shown::unknown(why)
            }
            StepVerdict::Unknown(_) => Shown::unknown(self.cut()),
            StepVerdict::Faulty(fault) => Shown::unknown(fault),
            StepVerdict::NotInvariant { state, representative } => {
                let representative = self.graph.state(*representative);
                let why = format!("the mapping tells {state} from its canonical form {representative:?}");
                Shown::unknown(why)
            }
        }
    }

    /// The names of the steps that do not refine, each once.
    fn failing_steps(&self, steps: &Steps<View, spec::SpecLabel>) -> Vec<String> {
        let mut names: Vec<String> =
            steps.failures.iter().map(|edge| self.graph.labels()[edge.label as usize].step_name()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether refinement fails elsewhere than the table says.
    fn surprise(&self, steps: &Steps<View, spec::SpecLabel>) -> Option<String> {
        let names = self.failing_steps(steps);
        let expected = &self.scenario.fails_at;
        (!expected.is_empty() && names != *expected)
            .then(|| format!("fails at {}, expected: at {}", names.join(", "), expected.join(", ")))
    }

    fn fair_refinement(
        &self,
        checker: &Checker<State<N, T, F>, Label>,
        mapping: &RingToSpec<'a, N, T, F>,
        steps: &Steps<View, spec::SpecLabel>,
    ) -> Shown {
        match &steps.verdict {
            StepVerdict::Holds => {}
            StepVerdict::Unknown(_)
            | StepVerdict::Vacuous(_)
            | StepVerdict::Faulty(_)
            | StepVerdict::NotInvariant { .. } => return self.steps(steps),
            StepVerdict::InitialFails(_) | StepVerdict::StepFails { .. } => {
                return Shown { detail: Some("refines-spec fails already".to_string()), ..self.steps(steps) };
            }
        }
        // What the specification never offers, such as a step of a fault that does not occur, is fair to any run.
        let conditions = mapping.fairness_of(self.ring.cfg().submitters - 1);
        for condition in conditions.filter(|condition| steps.offer(condition)) {
            match check_fairness(&self.graph, steps, checker.pairs(), &condition, self.limits.cancel) {
                Ok(liveness::LivenessVerdict::Violated(lasso)) => {
                    let formula = condition.formula(mapping);
                    let why = format!("breaks weak fairness of {}", condition.name);
                    return Shown::violated(Some(why), self.lasso_violation(&lasso, &formula));
                }
                Ok(_) => {}
                Err(error) => return Shown::unknown(error),
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
            Ok(liveness::LivenessVerdict::Violated(lasso)) => {
                if self.detail == Detail::Verdicts {
                    let violation = self.lasso_violation(&lasso, &formula);
                    return Shown::violated(None, violation);
                }
                let why = format!("T{} {}{}", t + 1, self.how(&lasso, t), self.under_fifo(claim));
                if let Some(script) = &self.scenario.run {
                    return match self.scripted(script, &formula) {
                        Ok(violation) => Shown::violated(Some(why), violation),
                        Err(fault) => Shown::unknown(format!("the run of the table {fault}")),
                    };
                }
                Shown::violated(Some(why), self.readable_violation(checker, &formula, lasso))
            }
            Ok(liveness::LivenessVerdict::Vacuous(why)) => Shown::holds(Some(format!("vacuous: {why}"))),
            Ok(liveness::LivenessVerdict::Holds | liveness::LivenessVerdict::Unknown(_)) => self.nothing_found(),
            Err(error) => Shown::unknown(error),
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
            Ok(liveness::LivenessVerdict::Violated(_)) => ", under the FIFO lock too",
            Ok(verdict) if verdict.is_true() => ", under the strongly fair lock only: not under the FIFO lock",
            _ => "; whether under the FIFO lock too is unknown",
        }
    }

    /// The specification's own liveness and the fair refinement imply the ring's; the direct check must not disagree.
    fn compare_derived(&self, properties: &mut [PropertyReport], mapping: &RingToSpec<'a, N, T, F>) {
        let verdict =
            |properties: &[PropertyReport], check| properties.iter().find(|o| o.check == check).map(|o| o.verdict);
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

    fn witnesses(&self) -> Vec<WitnessReport> {
        let wraps = Query { must: self.reclaims(), ..Query::any(&self.graph) };
        let wraps = find(&self.graph, &[], &wraps, self.limits.cancel).ok().flatten().is_some();
        let sometimes = self.graph.findings().iter().filter(|finding| finding.expectation == Expectation::Sometimes);
        let expected = |name: &str| match self.scenario.reached.contains(&name) {
            true => Some(true),
            false => self.scenario.unreached.contains_key(name).then_some(false),
        };
        let reached = sometimes.map(|finding| (finding.name, finding.state.is_some())).chain([(WRAPS, wraps)]);
        reached
            .map(|(name, reached)| WitnessReport {
                name,
                reached: (reached || self.complete()).then_some(reached),
                expected: expected(name),
            })
            .collect()
    }

    /// The steps that advance `free_tail`.
    fn reclaims(&self) -> liveness::Marks {
        let mut edges = liveness::BitSet::none();
        for edge in self.graph.ids().flat_map(|id| self.graph.edges(id)) {
            let (before, after) = (self.graph.state(edge.source).queue(), self.graph.state(edge.target).queue());
            let step =
                matches!(self.graph.labels()[edge.label as usize], Label::Driver(Step::Reclaim | Step::ReclaimFree, _));
            if step && before.free_cnt != after.free_cnt {
                edges.insert(edge.index);
            }
        }
        liveness::Marks::edges(edges)
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

/// Most states of a search for a violation under the FIFO lock.
const MOST_UNDER_FIFO: usize = 2_000_000;

/// Whether every WD of the specification is eventually observed done; `None` if it was not decided within the limits.
///
/// The specification is checked on its own only up to a size at which that costs less than the ring does.
fn spec_liveness(spec: &spec::Spec, limits: Limits) -> Option<bool> {
    let graph = Search::new(spec, spec::label).limits(Limits { max_states: 50_000, ..limits }).run();
    let checker = Checker::new(&graph, &spec.fairness()).ok()?;
    for t in 0..spec.cfg().submitters as u8 {
        match checker.check(&spec.observed(t), limits.cancel).ok()? {
            liveness::LivenessVerdict::Holds | liveness::LivenessVerdict::Vacuous(_) => {}
            liveness::LivenessVerdict::Violated(_) => return Some(false),
            liveness::LivenessVerdict::Unknown(_) => return None,
        }
    }
    Some(true)
}
