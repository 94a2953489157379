//! Counterexamples: each is executed again on the unreduced ring and judged again from the definitions before it is shown.

use std::fmt;

use serde::{Serialize, Serializer};
use stateright::Model;
use stateright_temporal::graph::Edge;
use stateright_temporal::liveness::{Checker, Formula, Lasso, Objection, Query, Run, find, judge, realize};

use super::judge::Judge;
use crate::fingerprint::fingerprint;
use crate::impl_qi::{Action, Label, Ring, State};
use crate::scenario::Script;
use crate::timeline::Timeline;

/// A run that violates a property.
#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    /// Number of steps before the loop, or in all.
    pub stem: usize,
    /// Number of steps of the loop, up to rotation of the ring; 0 if the run ends or stutters.
    #[serde(rename = "loop")]
    pub repeating: usize,
    /// What is proven about the lengths.
    pub length: Proven,
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

/// What is proven about the lengths of a run and its loop. It is displayed, and written to files, as a sentence without a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proven {
    /// No run with fewer steps violates the property.
    Shortest,
    /// Nothing: the table gives the run by hand.
    ByHand,
    /// The run is a lasso.
    Lasso {
        /// Whether no loop from where the stem ends is shorter.
        cycle_is_shortest: bool,
        /// How the loop comes back to where it began.
        lap: Lap,
        /// The stem and the loop that the search found first, where another lasso is shown because it is easier to read. If there
        /// is no other, no stem is shorter than the one shown.
        found_first: Option<(usize, usize)>,
    },
}

/// How the loop of a lasso comes back to where it began, on the ring itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lap {
    /// One lap brings the whole state back.
    Closes,
    /// Each lap ends further round the ring. With several laps the whole state recurs, and that run was judged.
    Recurs {
        /// Steps before the loop of that run.
        stem: usize,
        /// Steps of the loop of that run.
        cycle: usize,
    },
    /// Each lap ends further round the ring, and too many laps are needed to execute them all.
    UpToRotation,
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cycle_is_shortest, lap, found_first) = match *self {
            Proven::Shortest => return f.write_str("shortest"),
            Proven::ByHand => return f.write_str("a run written by hand and executed here, not the shortest"),
            Proven::Lasso { cycle_is_shortest, lap, found_first } => (cycle_is_shortest, lap, found_first),
        };
        let of_loop = match cycle_is_shortest {
            true => "and the shortest loop from there",
            false => "and a loop that is not proven shortest",
        };
        match lap {
            Lap::Closes => write!(f, "shortest stem, {of_loop}")?,
            Lap::Recurs { .. } | Lap::UpToRotation => write!(
                f,
                "up to rotation of the ring the shortest stem, {of_loop}; each lap ends further round the ring, and "
            )?,
        }
        match lap {
            Lap::Closes => {}
            Lap::Recurs { stem, cycle } => {
                write!(f, "the whole state recurs with {stem} steps and a loop of {cycle}")?;
            }
            Lap::UpToRotation => f.write_str(
                "it was judged up to rotation, since the laps that bring the whole state back are too many to execute",
            )?,
        }
        let Some((stem, cycle)) = found_first else { return Ok(()) };
        write!(
            f,
            " among those on whose loop nobody begins a call (the shortest stem of all has {stem} steps, and the loop found \
             for it {cycle})"
        )
    }
}

impl Serialize for Proven {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Longest loop, in steps of the ring itself, that is unrolled until the whole state recurs.
const MOST_UNROLLED: usize = 20_000;

impl<const N: usize, const T: usize, const F: usize> Judge<'_, N, T, F> {
    /// The run that the table gives by hand, executed and judged like any other; or what is wrong with it.
    pub(super) fn scripted(
        &self,
        script: &Script,
        formula: &Formula<State<N, T, F>, Label>,
    ) -> Result<Violation, String> {
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
        Ok(self.draw(run, Proven::ByHand))
    }

    /// A lasso that is easier to read, if there is one: on its loop nobody begins a call.
    ///
    /// The shortest stem often ends in the middle of another's call, and then the loop has to bring that state back.
    pub(super) fn readable_violation(
        &self,
        checker: &Checker<State<N, T, F>, Label>,
        formula: &Formula<State<N, T, F>, Label>,
        first: Lasso,
    ) -> Violation {
        let mut query: Query = checker.violation(formula);
        for edge in self.graph.ids().flat_map(|id| self.graph.edges(id)) {
            if matches!(self.graph.labels()[edge.label as usize], Label::Call(_)) {
                query.cycle.edges.remove(edge.index);
            }
        }
        let steps = |lasso: &Lasso| lasso.stem.len() + lasso.cycle.len();
        match find(&self.graph, checker.pairs(), &query, self.limits.cancel) {
            Ok(Some(quiet)) if steps(&quiet) < steps(&first) => {
                let mut violation = self.lasso_violation(&quiet, formula);
                if let Proven::Lasso { found_first, .. } = &mut violation.length {
                    *found_first = Some((first.stem.len(), first.cycle.len()));
                }
                violation
            }
            _ => self.lasso_violation(&first, formula),
        }
    }

    pub(super) fn path_violation(&self, path: Vec<Edge>) -> Violation {
        let run = self.realize(&Lasso::along(&self.graph, path));
        self.draw(run, Proven::Shortest)
    }

    pub(super) fn lasso_violation(&self, lasso: &Lasso, formula: &Formula<State<N, T, F>, Label>) -> Violation {
        let refuted =
            |objection: Objection| -> ! { panic!("{}: a counterexample was refuted: {objection}", self.scenario.name) };
        let proven = |lap| Proven::Lasso { cycle_is_shortest: lasso.cycle_is_shortest, lap, found_first: None };
        // One lap on the ring itself; it may end further round.
        let all_of_it = Lasso { stem: [&lasso.stem[..], &lasso.cycle].concat(), cycle: Vec::new(), ..*lasso };
        let mut one_lap = self.realize(&all_of_it);
        one_lap.cycle = one_lap.stem.split_off(lasso.stem.len());
        if one_lap.cycle.last().is_none_or(|(_, last)| last == one_lap.entry()) {
            if let Err(objection) = judge(self.ring, Action::label, &self.fairness, formula, &one_lap) {
                refuted(objection);
            }
            return self.draw(one_lap, proven(Lap::Closes));
        }
        // The ring has to come full circle, and at first there may be blanks where later laps find old descriptors.
        let laps = usize::from(self.ring.length().slots()) + 1;
        let lap = if laps * lasso.cycle.len() <= MOST_UNROLLED {
            let run = self.realize(lasso);
            if let Err(objection) = judge(self.ring, Action::label, &self.fairness, formula, &run) {
                refuted(objection);
            }
            Lap::Recurs { stem: run.stem.len(), cycle: run.cycle.len() }
        } else {
            let mut run = Run::along(&self.graph, &all_of_it.stem);
            run.cycle = run.stem.split_off(lasso.stem.len());
            if let Err(objection) = judge(&Quotient(self.ring), Action::label, &self.fairness, formula, &run) {
                refuted(objection);
            }
            Lap::UpToRotation
        };
        self.draw(one_lap, proven(lap))
    }

    fn realize(&self, lasso: &Lasso) -> Run<State<N, T, F>, Label> {
        let canonical = |state: &State<N, T, F>| self.ring.canonical(state);
        match realize(self.ring, Action::label, Some(&canonical), &self.graph, lasso) {
            Ok(run) => run,
            Err(error) => panic!("{}: a counterexample cannot be executed: {error}", self.scenario.name),
        }
    }

    fn draw(&self, run: Run<State<N, T, F>, Label>, length: Proven) -> Violation {
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
            length,
            steps: actions.iter().map(|action| self.ring.format_action(action)).collect(),
            actions,
            timeline: Timeline::of(self.ring, &run),
        }
    }
}

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
