//! Runs made by hand: who explores takes one action after the other, and wants to know what the run that comes of it shows.

use std::fmt::Write;

use serde::Serialize;
use stateright::Model;

use stateright_temporal::liveness::{Fairness, Formula, Objection, Run, judge};
use vtd_qi::impl_qi::{Action, Label, Ring, SlotFairness, WideRing, WideState};
use vtd_qi::refine::{Mapping, RingToSpec};
use vtd_qi::scenario::{Check, Scenario};
use vtd_qi::spec::{Loss, SpecState};
use vtd_qi::timeline::{LEGEND, Timeline};
use vtd_qi_page::frame::Frame;
use vtd_qi_page::run::frames;
use vtd_qi_tla::{RingModule, RunModule, trace_json};

/// A run of a ring, given by the indices of its actions as stateright's Explorer numbers them: that of the initial state, and of
/// each step its place among the actions that are possible then.
///
/// ```
/// use vtd_qi::impl_qi::{Ring, RingCfg, Rules};
/// use vtd_qi_explorer::by_hand::ByHand;
///
/// let ring = Ring::<8, 3>::new(RingCfg::new(Rules::G4, 2, [1]))?.widened();
/// let run = ByHand::of(&ring, &[0, 0]).unwrap();
/// assert_eq!(run.frames()[1].step.as_ref().unwrap().text, "qi_submit_sync(1)");
/// let refused = ByHand::of(&ring, &[0, 0, 99]).err().unwrap();
/// assert_eq!(refused, "after 1 steps there is no action 99; there are 2, numbered from 0");
/// # Ok::<(), vtd_qi::impl_qi::RingError>(())
/// ```
pub struct ByHand<'a, const F: usize> {
    ring: &'a WideRing<F>,
    actions: Vec<Action>,
    run: Run<WideState<F>, Label>,
}

/// What a run shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// How many steps it has.
    pub steps: usize,
    /// How many of them, at the end, lead back to a state that was there before, up to rotation of the ring, so that they can be
    /// repeated for ever; 0 if none.
    #[serde(rename = "loop")]
    pub repeating: usize,
    /// How often they have to be repeated until the whole state recurs: once, or further round the ring each time. 0 where it was
    /// not found out, and where nothing repeats.
    pub laps: usize,
    /// The properties that were asked of the scenario.
    pub properties: Vec<JudgedProperty>,
}

/// What a run shows of a property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JudgedProperty {
    /// Its name.
    pub name: &'static str,
    /// What the run does to it.
    pub found: Found,
    /// The same in a sentence without its subject.
    pub says: String,
}

/// What a single run does to a property. That one run keeps it says nothing of others: no run makes a property hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// The run is a counterexample.
    Violated,
    /// The run is none.
    NotViolated,
    /// The run does not decide it.
    NotEvaluated,
}

impl<'a, const F: usize> ByHand<'a, F> {
    /// Takes the actions that indices name.
    ///
    /// # Errors
    /// A sentence with the first index that names none.
    pub fn of(ring: &'a WideRing<F>, indices: &[usize]) -> Result<Self, String> {
        let initial = match indices.first() {
            None | Some(0) => ring.init_states()[0],
            Some(other) => return Err(format!("there is no initial state {other}; there is one, numbered 0")),
        };
        let (mut actions, mut stem, mut state) = (Vec::new(), Vec::new(), initial);
        for &index in indices.iter().skip(1) {
            let mut possible = Vec::new();
            ring.actions(&state, &mut possible);
            let taken = possible.get(index).and_then(|action| Some((*action, ring.next_state(&state, *action)?)));
            let Some((action, next)) = taken else {
                let (steps, possible) = (stem.len(), possible.len());
                let there_are = format!("there are {possible}, numbered from 0");
                return Err(format!("after {steps} steps there is no action {index}; {there_are}"));
            };
            actions.push(action);
            stem.push((action.label(), next));
            state = next;
        }
        let seen = std::iter::once(&initial).chain(stem.iter().map(|(_, state)| state));
        let back = seen.take(stem.len()).collect::<Vec<_>>().into_iter().rposition(|seen| *seen == state);
        let cycle = back.map_or(Vec::new(), |back| stem.split_off(back));
        Ok(ByHand { ring, actions, run: Run { initial, stem, cycle } })
    }

    /// The run. If its last state was there before, the steps since then are its loop.
    pub fn run(&self) -> &Run<WideState<F>, Label> {
        &self.run
    }

    /// Its states, to be shown.
    pub fn frames(&self) -> Vec<Frame> {
        frames(self.ring, &self.actions)
    }

    /// The timeline as a terminal shows it, with all steps.
    pub fn timeline(&self, scenario: &Scenario) -> String {
        let timeline = Timeline::of(self.ring, &self.run);
        let mut text = format!("{}: a run made by hand, {} steps\n{LEGEND}\n\n", scenario.name, timeline.rows.len());
        for line in timeline.lines(COLUMNS, Some(usize::MAX)) {
            let _ = writeln!(text, "{}", line.text);
        }
        text
    }

    /// The run as TLC writes traces: `check SCENARIO --from-tlc FILE` executes it.
    pub fn trace(&self) -> String {
        trace_json(self.ring, &self.run).to_string()
    }

    /// The run as a TLA+ module that allows nothing else, for TLC.
    pub fn module(&self, scenario: &Scenario) -> String {
        let extends = RingModule::of(self.ring.cfg()).files()[0];
        let fairness = match scenario.slots {
            SlotFairness::Fair => "Fairness /\\ SlotsFairness",
            SlotFairness::Unfair => "Fairness",
        };
        let RunModule { tla, .. } = RunModule::of(self.ring, extends, fairness, &self.run);
        format!(
            "\\* Trace.tla: a run of {} made by hand. TLC walks it beside the modules of spec/ under a .cfg file with the constants of\n\
             \\* the scenario (tlc --write-models=DIR NAME writes one) and SPECIFICATION TraceSpec.\n{tla}",
            scenario.name
        )
    }

    /// What the run shows of each property that is asked of the scenario.
    pub fn judged(&self, scenario: &Scenario) -> Judged {
        let frames = self.frames();
        let lap = self.lap();
        let recurring = self.recurring(lap);
        let properties = scenario.checks.iter().map(|&check| {
            let (found, says) = self.found(check, scenario, &frames, recurring.as_ref());
            JudgedProperty { name: check.name(), found, says }
        });
        let properties = properties.collect();
        let laps = recurring.map_or(0, |run| run.cycle.len() / lap);
        Judged { steps: self.actions.len(), repeating: lap, laps, properties }
    }

    /// How many steps at the end lead back to a state that was there before, up to rotation of the ring.
    fn lap(&self) -> usize {
        let canonical: Vec<WideState<F>> = self.states().map(|state| self.ring.canonical(state)).collect();
        let last = canonical.len() - 1;
        canonical[..last].iter().rposition(|state| *state == canonical[last]).map_or(0, |back| last - back)
    }

    /// The run with so many steps at its end repeated until the whole state recurs: a run that goes on for ever.
    fn recurring(&self, lap: usize) -> Option<Run<WideState<F>, Label>> {
        if lap == 0 {
            return None;
        }
        let mut stem: Vec<_> = self.run.stem.iter().chain(&self.run.cycle).copied().collect();
        let mut cycle = stem.split_off(stem.len() - lap);
        let template: Vec<_> = cycle.iter().map(|(label, state)| (*label, self.ring.canonical(state))).collect();
        let mut begins = vec![stem.last().map_or(self.run.initial, |(_, state)| *state)];
        loop {
            let end = cycle[cycle.len() - 1].1;
            if let Some(first) = begins.iter().position(|begin| *begin == end) {
                stem.extend(cycle.drain(..first * lap));
                return Some(Run { initial: self.run.initial, stem, cycle });
            }
            if cycle.len() + lap > MOST_UNROLLED {
                return None;
            }
            begins.push(end);
            let mut state = end;
            for (label, target) in &template {
                let mut steps = self.ring.next_steps(&state).into_iter();
                let is_it = |(action, next): &(Action, WideState<F>)| {
                    action.label() == *label && self.ring.canonical(next) == *target
                };
                state = steps.find(is_it)?.1;
                cycle.push((*label, state));
            }
        }
    }

    fn found(
        &self,
        check: Check,
        scenario: &Scenario,
        frames: &[Frame],
        recurring: Option<&Run<WideState<F>, Label>>,
    ) -> (Found, String) {
        let judge = |claim: Claim<F>, harm| self.liveness(scenario, recurring, claim, harm);
        match check {
            Check::Safety(safety) => self.safety(safety.name(), frames),
            Check::NoDeadlock => {
                let stuck = |state: &WideState<F>| self.ring.next_steps(state).is_empty() && self.ring.has_calls(state);
                match self.states().any(stuck) {
                    true => (Found::Violated, "the ring stands still at the end, with a call unfinished".to_string()),
                    false => (Found::NotViolated, "something can happen after each of its steps".to_string()),
                }
            }
            Check::RefinesSpec => self.refinement(Loss::None),
            Check::RefinesLossySpec => self.refinement(Loss::Done),
            Check::RefinesFairSpec => self.fair_refinement(scenario, recurring),
            Check::WdEventuallyObservedDone => judge(Ring::observed, "waits for ever"),
            Check::CallEventuallyPosted => judge(Ring::posted, "never gets to post"),
            Check::CallEventuallyReturns => judge(Ring::returned, "never returns from its call"),
            Check::LockEventuallyDropped => judge(Ring::lock_dropped, "keeps the lock for ever"),
        }
    }

    fn states(&self) -> impl Iterator<Item = &WideState<F>> {
        std::iter::once(&self.run.initial).chain(self.run.stem.iter().chain(&self.run.cycle).map(|(_, state)| state))
    }

    /// A property of states, as it was evaluated in each.
    fn safety(&self, name: &str, frames: &[Frame]) -> (Found, String) {
        if frames.iter().any(|frame| !frame.properties.contains_key(name)) {
            return (Found::NotEvaluated, "says nothing of this ring".to_string());
        }
        match frames.iter().position(|frame| !frame.properties[name]) {
            Some(0) => (Found::Violated, "false in the initial state".to_string()),
            Some(step) => (Found::Violated, format!("false after step {step}")),
            None => (Found::NotViolated, format!("true in each of its {} states", frames.len())),
        }
    }

    fn mapping(&self, loss: Loss) -> RingToSpec<'a, 256, 8, F> {
        RingToSpec::new(self.ring, loss).expect("the specification takes every submitter and count that the ring takes")
    }

    fn refinement(&self, loss: Loss) -> (Found, String) {
        match self.first_strange(&self.mapping(loss)) {
            Some(0) => (Found::Violated, "the initial state is no state of the specification".to_string()),
            Some(step) => (Found::Violated, format!("step {step} is no step of the specification")),
            None => (
                Found::NotViolated,
                "each of its steps is one of the specification or changes nothing of it".to_string(),
            ),
        }
    }

    /// The first step, from 1, that is no step of the specification and changes something of it; 0 for the initial state.
    fn first_strange(&self, mapping: &RingToSpec<'a, 256, 8, F>) -> Option<usize> {
        let spec = mapping.target();
        let images: Vec<_> = self.states().map(|state| mapping.state(&mapping.view(state))).collect();
        if !spec.init_states().contains(&images[0]) {
            return Some(0);
        }
        let is_step =
            |from: &SpecState, to: &SpecState| from == to || spec.next_steps(from).iter().any(|(_, next)| next == to);
        images.windows(2).position(|pair| !is_step(&pair[0], &pair[1])).map(|before| before + 1)
    }

    fn fair_refinement(&self, scenario: &Scenario, recurring: Option<&Run<WideState<F>, Label>>) -> (Found, String) {
        let mapping = self.mapping(Loss::None);
        if let (Found::Violated, why) = self.refinement(Loss::None) {
            return (Found::Violated, why);
        }
        let conditions: Vec<_> = mapping.fairness().collect();
        let formulas = conditions.iter().map(|condition| {
            (format!("is not fair to the specification's {}", condition.name), condition.formula(&mapping))
        });
        self.on_loop(scenario, recurring, formulas)
    }

    fn liveness(
        &self,
        scenario: &Scenario,
        recurring: Option<&Run<WideState<F>, Label>>,
        claim: Claim<F>,
        harm: &str,
    ) -> (Found, String) {
        let of = |t: usize| (format!("T{} {harm}", t + 1), claim(self.ring, t));
        self.on_loop(scenario, recurring, (0..self.ring.cfg().submitters).map(of))
    }

    /// What the loop, repeated for ever, does to formulas, each with what is said if it is violated.
    fn on_loop<'f>(
        &self,
        scenario: &Scenario,
        recurring: Option<&Run<WideState<F>, Label>>,
        formulas: impl Iterator<Item = (String, Formula<'f, WideState<F>, Label>)>,
    ) -> (Found, String)
    where
        WideState<F>: 'f,
    {
        let Some(run) = recurring else {
            let why = "the last state was not there before, so no loop closes that could go on for ever".to_string();
            return (Found::NotEvaluated, why);
        };
        let fairness = self.fairness(scenario);
        for (says, formula) in formulas {
            match judge(self.ring, Action::label, &fairness, &formula, run) {
                Ok(()) => return (Found::Violated, format!("{says}, on a fair run")),
                Err(Objection::NotViolated { .. }) => {}
                Err(Objection::Unfair { fairness, why }) => {
                    return (Found::NotEvaluated, format!("the loop is not fair to {fairness}, which is {why}"));
                }
                Err(other) => return (Found::NotEvaluated, other.to_string()),
            }
        }
        (Found::NotViolated, "the loop, repeated for ever, is fair and keeps it".to_string())
    }

    /// The fairness that is assumed, over the labels that matter to this run: those of what is possible along it.
    fn fairness(&self, scenario: &Scenario) -> Vec<Fairness<'a, WideState<F>, Label>> {
        let possible = self.states().flat_map(|state| self.ring.next_steps(state));
        let mut labels: Vec<Label> = Vec::new();
        for (action, _) in possible {
            if !labels.contains(&action.label()) {
                labels.push(action.label());
            }
        }
        let mut fairness = self.ring.fairness(scenario.slots, &labels);
        fairness.retain(|condition| scenario.unfair.as_ref() != Some(&condition.name));
        fairness
    }
}

/// Longest loop, in steps, that is unrolled until the whole state recurs.
const MOST_UNROLLED: usize = 20_000;

/// Columns of a timeline that is copied.
const COLUMNS: usize = 120;

/// A formula about one submitter of a ring.
type Claim<const F: usize> = for<'r> fn(&'r WideRing<F>, usize) -> Formula<'r, WideState<F>, Label>;

#[cfg(test)]
mod tests {
    use super::*;
    use stateright::Path;
    use vtd_qi::campaign::matrix::Matrix;
    use vtd_qi::scenario::Table;
    use vtd_qi::temporal::graph::Limits;
    use vtd_qi::verify::verify;
    use vtd_qi::with_wide_ring;

    /// The indices of actions.
    fn indices<const F: usize>(ring: &WideRing<F>, actions: &[Action]) -> Vec<usize> {
        let path = Path::from_actions(ring, ring.init_states()[0], actions).unwrap();
        path.encode(ring).split('/').map(|index| index.parse().unwrap()).collect()
    }

    fn found(judged: &Judged, name: &str) -> (Found, String) {
        let property = judged.properties.iter().find(|property| property.name == name).unwrap();
        (property.found, property.says.clone())
    }

    #[test]
    fn a_counterexample_of_check_is_one_by_hand_too() {
        let (table, matrix) = (Table::embedded(), Matrix::embedded());
        let rows = ["g3-c01-2x4", "g3-patch-2x4", "g4-c01-2x4", "seeded-reclaim-to-head-2x4"]
            .map(|name| table.find(name).unwrap());
        let cells = ["g5-lost-answer-in-order-drop-2x4"].map(|name| &matrix.find(name).unwrap().scenario);
        let mut seen = std::collections::BTreeSet::new();
        for scenario in rows.into_iter().chain(cells) {
            let report = verify(scenario, Limits::default());
            for outcome in &report.properties {
                let Some(violation) = &outcome.counterexample else { continue };
                let judged = with_wide_ring!(scenario.cfg.clone(), |ring| {
                    ByHand::of(&ring, &indices(&ring, &violation.actions)).unwrap().judged(scenario)
                });
                let (found, says) = found(&judged, outcome.check.name());
                assert_eq!(found, Found::Violated, "{}: {}: {says}", scenario.name, outcome.check.name());
                assert_eq!(judged.repeating >= violation.repeating, judged.repeating > 0 || violation.repeating == 0);
                seen.insert(outcome.check.name());
                // No single run violates what holds.
                for other in &report.properties {
                    let violated = found_is_violated(&judged, other.check.name());
                    assert!(!violated || other.counterexample.is_some(), "{}: {}", scenario.name, other.check.name());
                }
            }
        }
        for name in ["refines-spec", "wd-eventually-observed-done", "success-after-execution"] {
            assert!(seen.contains(name), "{name} has no counterexample among {seen:?}");
        }
    }

    fn found_is_violated(judged: &Judged, name: &str) -> bool {
        found(judged, name).0 == Found::Violated
    }

    /// The actions of the given names.
    fn named<const F: usize>(ring: &WideRing<F>, names: &[&str]) -> Vec<usize> {
        let mut state = ring.init_states()[0];
        let mut indices = vec![0];
        for name in names {
            let mut actions = Vec::new();
            ring.actions(&state, &mut actions);
            let index = actions.iter().position(|action| ring.format_action(action) == *name).expect(name);
            state = ring.next_state(&state, actions[index]).unwrap();
            indices.push(index);
        }
        indices
    }

    const POST: [&str; 9] = [
        "T1 Call(1)",
        "T1 Acquire",
        "T1 WriteId",
        "T1 IdInUse",
        "T1 WdInUse",
        "T1 WriteWd",
        "T1 WriteIqt",
        "T1 Poll",
        "T1 Unlock",
    ];

    #[test]
    fn what_a_run_does_not_decide_is_not_evaluated() {
        let table = Table::embedded();
        let scenario = table.find("g4-c01-2x4").unwrap();
        with_wide_ring!(scenario.cfg.clone(), |ring| {
            let judged = ByHand::of(&ring, &named(&ring, &POST)).unwrap().judged(scenario);
            assert_eq!((judged.steps, judged.repeating, judged.laps), (9, 0, 0));
            let liveness = found(&judged, "wd-eventually-observed-done");
            assert_eq!(liveness.0, Found::NotEvaluated);
            assert!(liveness.1.contains("no loop closes"), "{}", liveness.1);
            assert_eq!(
                found(&judged, "free-cnt-consistent"),
                (Found::NotViolated, "true in each of its 10 states".to_string())
            );
            assert_eq!(found(&judged, "refines-spec").0, Found::NotViolated);

            // It waits, and the hardware never fetches, which is not fair.
            let waits = [&POST[..], &["T1 Acquire", "T1 Poll", "T1 Unlock"]].concat();
            let judged = ByHand::of(&ring, &named(&ring, &waits)).unwrap().judged(scenario);
            assert_eq!((judged.steps, judged.repeating, judged.laps), (12, 3, 1));
            let liveness = found(&judged, "wd-eventually-observed-done");
            assert_eq!(liveness.0, Found::NotEvaluated);
            assert!(liveness.1.starts_with("the loop is not fair to Fetch"), "{}", liveness.1);
        });
    }

    #[test]
    fn a_loop_that_ends_further_round_the_ring_is_followed_round_it() {
        // A lone WD for ever and ever: each call takes the next slot.
        let table = Table::embedded();
        let scenario = table.find("g4-c0-2x4").unwrap();
        with_wide_ring!(scenario.cfg.clone(), |ring| {
            let mut names = vec![
                "T1 Call(0)",
                "T1 Acquire",
                "T1 WdInUse",
                "T1 WriteWd",
                "T1 WriteIqt",
                "Fetch",
                "Complete",
                "T1 Poll",
            ];
            let mut made = None;
            // What follows until it has returned is its own.
            for _ in 0..20 {
                let run = ByHand::of(&ring, &named(&ring, &names)).unwrap();
                let state = run.states().last().unwrap();
                if state.call(0).pc == vtd_qi::impl_qi::Pc::Idle {
                    made = Some(run.judged(scenario));
                    break;
                }
                let step = ring.next_steps(state).into_iter().map(|(action, _)| ring.format_action(&action));
                let step = step.into_iter().find(|name| name.starts_with("T1 ")).unwrap();
                names.push(Box::leak(step.into_boxed_str()));
            }
            let judged = made.expect("the call returns");
            assert_eq!((judged.repeating, judged.laps), (judged.steps, 4));
            let returned = found(&judged, "wd-eventually-observed-done");
            assert_eq!(returned, (Found::NotViolated, "the loop, repeated for ever, is fair and keeps it".to_string()));
        });
    }
}
