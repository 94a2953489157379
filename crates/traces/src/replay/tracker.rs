//! The set of states that are possible after some lines, and how it follows from line to line.

use std::ops::ControlFlow;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use stateright::Model;

use super::abstraction::Abstraction;
use super::plan::Plan;
use super::{Cause, End, GivenUp, Grain, Left, Options, Reason, Rejection, ReplayVerdict, Replayed, SpecSteps};
use crate::qemu_log::{Event, Fetched, Trace, What};
use vtd_qi::impl_qi::{Action, HwStep, Ring, State};

/// A premise of [`Grain::Sections`] does not hold.
pub(super) struct Unsound;

/// Why an event is not taken.
pub(super) enum Stop {
    Rejected(Reason),
    Unsound,
    GivenUp(Cause),
}

impl From<Unsound> for Stop {
    fn from(Unsound: Unsound) -> Self {
        Stop::Unsound
    }
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Stop::Rejected(reason)
    }
}

/// A state, and the steps of the specification in a run that leads to it.
pub(super) type Run<const N: usize, const T: usize, const F: usize> = (State<N, T, F>, SpecSteps);

/// The set of possible states after some lines.
pub(super) struct Tracker<'a, const N: usize, const T: usize, const F: usize> {
    pub(super) ring: &'a Ring<N, T, F>,
    pub(super) trace: &'a Trace,
    pub(super) options: Options,
    pub(super) spec: Abstraction<'a, N, T, F>,
    /// Closed under hidden steps, never empty.
    pub(super) runs: HashMap<State<N, T, F>, SpecSteps, FxBuildHasher>,
    pub(super) most_states: usize,
    pub(super) plan: &'a Plan,
    /// Each submitter's IQT writes to come, the next one last.
    pub(super) posts: Vec<Vec<usize>>,
    /// The IQT write before, of the submitter of an IQT write that posts a batch again.
    pub(super) again: HashMap<usize, usize, FxBuildHasher>,
    /// Each submitter's last IQT write.
    pub(super) posted: Vec<Option<usize>>,
    /// Number of descriptors fetched.
    pub(super) fetched: usize,
    /// What was fetched last, and from which slot.
    pub(super) last: Option<(u64, Fetched)>,
    /// The fetched IDs that get no answer, oldest first: whose each is, and which of the batch.
    pub(super) unanswered: Vec<(u8, u8)>,
    /// The thread that is writing IQT, and the register's value.
    pub(super) register: Option<(u64, u64)>,
    /// The slot that hardware has read from IQH and not fetched yet.
    pub(super) head: Option<u64>,
    /// The thread that wrote IQT last.
    pub(super) writer: Option<u64>,
    /// How many submitters have written IQT.
    pub(super) writers: u8,
    /// The asynchronous unit's thread, once it has fetched.
    pub(super) unit: Option<u64>,
    pub(super) actions: Vec<Action>,
    /// Number of events replayed.
    pub(super) replayed: usize,
    pub(super) progress: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
}

impl<'a, const N: usize, const T: usize, const F: usize> Tracker<'a, N, T, F> {
    pub(super) fn new(
        ring: &'a Ring<N, T, F>,
        trace: &'a Trace,
        plan: &'a Plan,
        options: Options,
        progress: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Self {
        let mut to_come = vec![Vec::new(); ring.cfg().submitters];
        plan.posts.iter().enumerate().rev().for_each(|(number, post)| to_come[usize::from(post.t)].push(number));
        Tracker {
            ring,
            trace,
            options,
            spec: Abstraction::new(ring),
            runs: HashMap::default(),
            most_states: 0,
            plan,
            posted: vec![None; to_come.len()],
            posts: to_come,
            again: HashMap::default(),
            fetched: 0,
            last: None,
            unanswered: Vec::new(),
            register: None,
            head: None,
            writer: None,
            writers: 0,
            unit: None,
            actions: Vec::new(),
            replayed: 0,
            progress,
        }
    }

    pub(super) fn run(mut self) -> Result<Replayed, Unsound> {
        if let Err(stop) = self.events() {
            let unjudged = self.trace.events().get(self.replayed);
            let line = unjudged.map_or(self.trace.lines(), |event| event.line);
            return match stop {
                Stop::Unsound => Err(Unsound),
                Stop::Rejected(reason) => Ok(self.rejected(line, self.trace.text(self.replayed), reason)),
                Stop::GivenUp(cause) => Ok(self.verdict(ReplayVerdict::Unknown(GivenUp { line, cause }))),
            };
        }
        let between_lines = self.register.is_none() && self.head.is_none();
        let may_end = |state: &State<N, T, F>| match self.options.end {
            End::Idle => between_lines && self.ring.at_rest(state),
            End::Anywhere => true,
        };
        let accepted = self.runs.iter().filter(|(state, _)| may_end(state)).max_by_key(|(_, steps)| steps.observe);
        Ok(match accepted {
            Some((_, steps)) => self.verdict(ReplayVerdict::Accepted(*steps)),
            None => {
                let torn = self.register.map(|(thread, value)| Reason::Torn { value, thread });
                self.rejected(self.trace.lines(), "", torn.unwrap_or_else(|| self.not_idle()))
            }
        })
    }

    fn rejected(&self, line: u64, text: &str, reason: Reason) -> Replayed {
        self.verdict(ReplayVerdict::Rejected(Rejection { line, text: text.into(), reason }))
    }

    fn verdict(&self, verdict: ReplayVerdict) -> Replayed {
        Replayed { verdict, most_states: self.most_states, grain: self.options.grain }
    }

    /// Replays every event.
    fn events(&mut self) -> Result<(), Stop> {
        let initial = self.ring.init_states().into_iter().map(|state| (state, SpecSteps::default())).collect();
        self.close(initial)?;
        for event in self.trace.events() {
            self.event(event)?;
            self.replayed += 1;
            self.go_on()?;
        }
        Ok(())
    }

    /// Asks the caller whether to go on.
    fn go_on(&mut self) -> Result<(), Stop> {
        match (self.progress)(self.replayed) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Stop::GivenUp(Cause::Interrupted)),
        }
    }

    fn event(&mut self, event: &Event) -> Result<(), Stop> {
        self.spec.refused = None;
        let register = self.register.take();
        if let Some((thread, value)) = register
            && (thread != event.thread || !matches!(event.what, What::IqtWrite { .. }))
        {
            return Err(Reason::Torn { value, thread }.into());
        }
        let next = match event.what {
            What::Register { value } => {
                self.register = Some((event.thread, value));
                return Ok(());
            }
            What::IqtWrite { slot } => self.iqt_write(event.thread, slot, register.map(|(_, value)| value))?,
            What::Head { slot } => self.head(event.thread, slot)?,
            What::Fetch { slot, desc } => self.fetch(event.thread, slot, desc)?,
            What::StatusWrite { address, data } => self.status_write(event.thread, address, data)?,
            What::NoAnswer { slot } => return Ok(self.no_answer(event.thread, slot)?),
            What::Pends { slot, address } => return Ok(self.pends(event.thread, slot, address)?),
            What::Ite { head, tail, aborted } => self.ite(event.thread, head, tail, aborted)?,
            What::Fsts { now } => self.clear(event.thread, now)?,
        };
        let touches_statuses =
            matches!(event.what, What::IqtWrite { .. } | What::StatusWrite { .. } | What::Fsts { .. });
        if self.options.grain == Grain::Sections && !touches_statuses {
            // Sections commute with fetches, and with an ITE: the image of a closed set is closed.
            self.runs = next.into_iter().collect();
            return Ok(());
        }
        self.close(next)
    }

    /// What hardware has to do is the same in all possible states.
    pub(super) fn left(&self) -> Left {
        Left::of(self.any())
    }

    pub(super) fn any(&self) -> &State<N, T, F> {
        self.runs.keys().next().expect("the set is never empty")
    }

    /// The runs that some step continues, or why there is none.
    pub(super) fn continued(
        &mut self,
        mut step: impl FnMut(&mut Self, Run<N, T, F>) -> Result<Option<Run<N, T, F>>, Stop>,
        reason: impl FnOnce(&mut Self) -> Reason,
    ) -> Result<Vec<Run<N, T, F>>, Stop> {
        let before: Vec<Run<N, T, F>> = self.runs.iter().map(|(state, steps)| (*state, *steps)).collect();
        let mut next = Vec::new();
        for run in before {
            next.extend(step(self, run)?);
        }
        if next.is_empty() {
            return Err(self.spec.refused.take().unwrap_or_else(|| reason(self)).into());
        }
        Ok(next)
    }

    pub(super) fn cpu(&self, t: impl Into<usize>) -> u64 {
        self.trace.cpus()[t.into()]
    }

    pub(super) fn offers(&mut self, state: &State<N, T, F>, action: Action) -> bool {
        self.actions.clear();
        self.ring.actions(state, &mut self.actions);
        self.actions.contains(&action)
    }

    /// One step of the ring that the specification can follow.
    pub(super) fn step(&mut self, (state, steps): Run<N, T, F>, action: Action) -> Option<Run<N, T, F>> {
        let next = self.ring.next_state(&state, action)?;
        let steps = self.spec.follow(&state, &next, steps)?;
        Some((next, steps))
    }

    /// Submitter `t`'s next step, if it can be done.
    pub(super) fn driver(&mut self, run: Run<N, T, F>, t: u8) -> Option<Run<N, T, F>> {
        let step = run.0.call(t.into()).pc.step(&self.ring.cfg().rules)?;
        self.step(run, Action::Driver { t, step })
    }

    /// A step of hardware, if it can be done, and the IDs that can execute then.
    pub(super) fn hardware(&mut self, run: Run<N, T, F>, step: HwStep) -> Option<Run<N, T, F>> {
        if !self.offers(&run.0, Action::Hardware(step)) {
            return None;
        }
        let mut run = self.step(run, Action::Hardware(step))?;
        while self.options.grain == Grain::Sections {
            self.actions.clear();
            self.ring.actions(&run.0, &mut self.actions);
            let lost: Vec<u8> = if F > 0 { self.unanswered_at(&run.0).collect() } else { Vec::new() };
            let executes = |action: &&Action| matches!(action, Action::Hardware(HwStep::Execute { position }) if !lost.contains(position));
            match self.actions.iter().find(executes) {
                Some(&execute) => run = self.step(run, execute)?,
                None => break,
            }
        }
        Some(run)
    }

    /// Makes the set of some states and all that hidden steps lead to.
    fn close(&mut self, mut to_do: Vec<Run<N, T, F>>) -> Result<(), Stop> {
        self.runs.clear();
        while let Some((state, steps)) = to_do.pop() {
            if self.runs.insert(state, steps).is_none() {
                if self.runs.len() > self.options.most_states.0 {
                    return Err(Stop::GivenUp(Cause::TooManyStates(self.options.most_states)));
                }
                if self.runs.len().is_multiple_of(1_000) {
                    self.go_on()?;
                }
                match self.options.grain {
                    Grain::Sections => self.hidden_sections((state, steps), &mut to_do)?,
                    Grain::Steps => self.hidden_steps((state, steps), &mut to_do),
                }
            }
        }
        self.most_states = self.most_states.max(self.runs.len());
        Ok(())
    }
}
