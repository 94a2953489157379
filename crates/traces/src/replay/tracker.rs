//! The set of runs that look like the lines read so far, and how it follows from line to line.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use stateright::{Expectation, Model, Property};

use super::abstraction::Abstraction;
use super::runs::{LogRing, LogState, Run, Runs};
use super::seen::{Open, Seen};
use super::{Accepted, BrokenPromise, Cause, End, Ending, GivenUp, Grain, Left, Options, Reason, Rejection};
use super::{Breach, ReplayVerdict, Replayed, SpecSteps};
use crate::qemu_log::{Event, Fetched, What};
use vtd_qi::impl_qi::{
    Action, FaultClass, Faults, Fsts, GENERATIONS, Hardware, IdKind, Length, Lock, MAX_DEPTH, MAX_IDS, MAX_SUBMITTERS,
    Request, RingCfg, Rules,
};

/// Why an event is not taken.
#[derive(Debug)]
pub(super) enum Stop {
    Rejected(Reason),
    GivenUp(Cause),
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Stop::Rejected(reason)
    }
}

/// Asks whether to go on.
pub(super) type GoOn<'a> = &'a mut dyn FnMut() -> ControlFlow<()>;

/// The set of runs after some lines.
#[derive(Clone)]
pub(super) struct Tracker {
    pub(super) ring: LogRing,
    pub(super) options: Options,
    /// Whether what somebody can do under the lock may as well be done at once: see `sections.rs`.
    pub(super) commutes: bool,
    pub(super) spec: Abstraction,
    pub(super) promises: Arc<Vec<Property<LogRing>>>,
    /// Closed under hidden steps, never empty.
    pub(super) runs: Runs,
    pub(super) seen: Seen,
    /// The runs when the lock was last taken, and the events since.
    taken: (Runs, Option<Open>, Option<(u64, Fetched)>),
    since: Vec<(Event, Box<str>)>,
    /// Whether who looks for its status before it is written may keep the lock for the line after.
    pub(super) parking: bool,
    /// Whether the specification is asked after each step, and not after what is done at once.
    pub(super) each: bool,
    /// Whether an ID was lost or refused, and what that led to is not over.
    pub(super) faulty: bool,
    /// The first line at which something was done at once that may not have been.
    unsound: Option<u64>,
    /// Each submitter's IQT writes to come, if steps are taken one by one.
    pub(super) to_come: Vec<VecDeque<u8>>,
    pub(super) actions: Vec<Action>,
    pub(super) most_states: usize,
    pub(super) line: u64,
    pub(super) text: Box<str>,
}

/// Whether a generation's rules are these, so that what is said of hidden sections in `sections.rs` is true.
fn is_a_kernels(rules: &Rules) -> bool {
    GENERATIONS.iter().any(|generation| generation.rules == quiet(&generation.rules, rules))
}

/// `rules`, with the rules about faults of a generation.
fn quiet(generation: &Rules, rules: &Rules) -> Rules {
    Rules {
        ite_walk: generation.ite_walk,
        time_out: generation.time_out,
        ite_clear: generation.ite_clear,
        straddler: generation.straddler,
        iqe_at: generation.iqe_at,
        iqe_patch: generation.iqe_patch,
        iqe_return: generation.iqe_return,
        presence: generation.presence,
        ..*rules
    }
}

/// The rules as far as they say anything before the first fault.
pub(super) fn before_faults(rules: &Rules) -> Rules {
    quiet(&Rules::G5R, rules)
}

/// The rules as far as a log can show them: devices that are gone are not modelled. What would be explained by one is told apart in the
/// end ([`Rejection::may_have_returned`]).
pub(super) fn as_shown(rules: &Rules) -> Rules {
    Rules { time_out: Rules::G5R.time_out, ..*rules }
}

/// The ring that a log is replayed on.
fn log_ring(length: Length, rules: Rules, options: &Options) -> LogRing {
    let most = u16::from(MAX_IDS).min(length.slots() - 2) as u8;
    let counts = if rules.one_id_only() { 1..=1 } else { 0..=most };
    // All devices are one, since which it is matters only where one is gone; and which IDs are for devices is checked beside.
    let posted = |count: u8| vec![IdKind::Device(1); count.into()];
    let mut requests: Vec<Request> = counts.clone().map(|count| Request::of(&posted(count))).collect();
    for count in counts {
        requests.extend((0..usize::from(count)).map(|refused| {
            let mut kinds = posted(count);
            kinds[refused] = IdKind::Invalid;
            Request::of(&kinds)
        }));
    }
    let classes = [FaultClass::LostAnswer, FaultClass::InvalidId];
    let faults = Faults { after_ite: options.after_ite, ..Faults::of(classes, Faults::UNBOUNDED) };
    let (lock, hardware) = (Lock::StrongFair, Hardware::pipelined(MAX_DEPTH as u8));
    let cfg = RingCfg { lock, hardware, length, faults, ..RingCfg::new(rules, MAX_SUBMITTERS, []) };
    LogRing::with_requests(cfg, requests).expect("batches of so many IDs fit into the ring")
}

impl Tracker {
    pub fn new(length: Length, rules: Rules, options: Options) -> Self {
        let ring = log_ring(length, rules, &options);
        let mut runs = Runs::default();
        for state in ring.init_states() {
            runs.insert(Run { state, steps: SpecSteps::default(), breach: None, beside: 0 });
        }
        let promises = ring.properties().into_iter().filter(|promise| promise.expectation == Expectation::Always);
        Tracker {
            commutes: is_a_kernels(&rules) && options.grain == Grain::Sections,
            spec: Abstraction::new(&ring),
            promises: Arc::new(promises.collect()),
            taken: (runs.clone(), None, None),
            seen: Seen::new(length, options.hardware),
            since: Vec::new(),
            parking: false,
            each: true,
            faulty: false,
            unsound: None,
            to_come: Vec::new(),
            actions: Vec::new(),
            most_states: 1,
            line: 0,
            text: "".into(),
            ring,
            options,
            runs,
        }
    }

    /// The same with single steps, of which it has to be said who posts how many IDs in which order.
    pub fn by_steps(length: Length, rules: Rules, options: Options, to_come: Vec<VecDeque<u8>>) -> Self {
        let options = Options { grain: Grain::Steps, ..options };
        Tracker { to_come, ..Tracker::new(length, rules, options) }
    }

    /// Takes the hidden steps that come before the first event.
    pub fn begin(&mut self, go_on: GoOn) -> Result<(), Stop> {
        let initial = self.runs.take();
        self.close(initial, go_on)
    }

    /// The same set under other rules, which do not differ from these in what has happened.
    pub fn under(&self, rules: Rules) -> Self {
        Tracker { ring: log_ring(self.ring.length(), rules, &self.options), ..self.clone() }
    }

    /// Whether an event is one after which generations differ that have not before.
    pub fn parts(&self, what: &What) -> bool {
        match what {
            What::NoAnswer { .. } | What::Pends { .. } | What::Ite { .. } => true,
            What::Fsts { .. } | What::FstsRegister { .. } => {
                self.runs.iter().any(|run| run.state.fsts() != Fsts::NONE) || self.seen.open.is_some()
            }
            _ => false,
        }
    }

    /// Takes an event.
    pub fn event(&mut self, event: &Event, text: &str, go_on: GoOn) -> Result<(), Stop> {
        if matches!(event.what, What::Ite { .. }) && self.commutes {
            self.look_back(go_on)?;
        }
        self.take(event, text, go_on)?;
        if self.commutes {
            match event.what {
                What::IqtWrite { .. } | What::Ite { .. } | What::Fsts { .. } | What::FstsRegister { .. } => {
                    self.taken = (self.runs.clone(), self.seen.open, self.seen.last);
                    self.since.clear();
                }
                What::Register { .. } => {}
                _ => self.since.push((*event, text.into())),
            }
        }
        if self.faulty && matches!(event.what, What::StatusWrite { .. }) {
            self.faulty = !self.runs.iter().all(|run| run.breach.is_none() && self.is_as_new(&run.state));
        }
        Ok(())
    }

    /// Whether nothing is left of what has been.
    fn is_as_new(&self, state: &LogState) -> bool {
        self.ring.at_rest(state) && state.queue().free_cnt == self.ring.length().slots() && state.fsts() == Fsts::NONE
    }

    /// ITE is about to be set. Somebody may have looked for its status before it was written and hold the lock since: the events
    /// since the lock was last taken are taken once more, with these runs too.
    fn look_back(&mut self, go_on: GoOn) -> Result<(), Stop> {
        let (line, text) = (self.line, std::mem::take(&mut self.text));
        (self.runs, self.seen.open, self.seen.last) = self.taken.clone();
        self.parking = true;
        let since = std::mem::take(&mut self.since);
        let taken = since.iter().try_for_each(|(event, text)| self.take(event, text, go_on));
        self.parking = false;
        (self.line, self.text) = (line, text);
        taken
    }

    fn take(&mut self, event: &Event, text: &str, go_on: GoOn) -> Result<(), Stop> {
        (self.line, self.text) = (event.line, text.into());
        let Event { thread, what, .. } = *event;
        let register = self.seen.register.take();
        if let Some((by, value)) = register
            && (by != thread || !matches!(what, What::IqtWrite { .. }))
        {
            return Err(Reason::Torn { value }.into());
        }
        if self.settle(Some(&what))? && self.options.grain == Grain::Steps {
            let refused = self.runs.take();
            self.close(refused, go_on)?;
        }
        let next = match what {
            What::Register { value } => {
                self.seen.register = Some((thread, value));
                return Ok(());
            }
            What::IqtWrite { slot } => self.iqt_write(thread, slot, register.map(|(_, value)| value))?,
            What::Head { slot } => return self.head(thread, slot),
            What::Fetch { slot, desc } => match self.fetch(thread, slot, desc)? {
                Some(next) => next,
                None => return Ok(()),
            },
            What::StatusWrite { address, data } => self.status_write(thread, address, data)?,
            What::NoAnswer { slot } => return Ok(self.no_answer(thread, slot)?),
            What::Pends { slot, address } => return Ok(self.pends(thread, slot, address)?),
            What::Ite { head, tail, aborted } => self.ite(thread, head, tail, aborted)?,
            What::Fsts { .. } | What::FstsRegister { .. } => self.fsts_write(thread, &what)?,
        };
        let touches_statuses = matches!(
            what,
            What::IqtWrite { .. } | What::StatusWrite { .. } | What::Fsts { .. } | What::FstsRegister { .. }
        );
        if self.options.grain == Grain::Sections && !touches_statuses {
            // Sections commute with fetches, and with an ITE: the image of a closed set is closed.
            self.replace(next);
            return Ok(());
        }
        self.close(next, go_on)
    }

    pub(super) fn replace(&mut self, next: Vec<Run>) {
        self.runs.clear();
        for run in next {
            self.runs.insert(run);
        }
    }

    pub(super) fn any(&self) -> &Run {
        self.runs.iter().next().expect("the set is never empty")
    }

    /// What hardware has to do, in one of the runs.
    pub(super) fn left(&self) -> Left {
        Left::of(&self.any().state)
    }

    /// The runs that some step continues, or why there is none: what stops the first run, or else a reason for all.
    pub(super) fn continued(
        &mut self,
        mut step: impl FnMut(&mut Self, &Run, &mut Vec<Run>) -> Result<(), Reason>,
        reason: impl FnOnce(&mut Self) -> Reason,
    ) -> Result<Vec<Run>, Stop> {
        let before = std::mem::take(&mut self.runs);
        let (mut next, mut stops) = (Vec::with_capacity(before.len()), None);
        for run in before.iter() {
            if let Err(stop) = step(self, run, &mut next) {
                stops.get_or_insert(stop);
            }
        }
        self.runs = before;
        match next.is_empty() {
            true => Err(stops.unwrap_or_else(|| reason(self)).into()),
            false => Ok(next),
        }
    }

    /// Something is done at once though hardware might come between.
    pub(super) fn not_sound(&mut self) {
        self.unsound.get_or_insert(self.line);
    }

    /// One step of the ring.
    pub(super) fn step(&mut self, run: &Run, action: Action) -> Option<Run> {
        let state = self.ring.next_state(&run.state, action)?;
        let mut next = Run { state, ..run.clone() };
        if self.each {
            self.judge(run, &mut next);
        }
        Some(next)
    }

    /// Submitter `t`'s next step, if it can be done.
    pub(super) fn driver(&mut self, run: &Run, t: u8) -> Option<Run> {
        let step = run.call(t).pc.step(&self.ring.cfg().rules)?;
        self.step(run, Action::Driver { t, step })
    }

    /// What somebody does under the lock, with one look at the specification: it has a step of it or none.
    pub(super) fn at_once(&mut self, run: &Run, mut all: impl FnMut(&mut Self, &Run) -> Option<Run>) -> Option<Run> {
        if self.faulty || !self.each || run.breach.is_some() {
            return all(self, run);
        }
        self.each = false;
        let next = all(self, run);
        self.each = true;
        let mut next = next?;
        match self.follows(run, &mut next) {
            true => Some(next),
            false => all(self, run),
        }
    }

    /// Makes the set of some runs and all that hidden steps lead to.
    pub(super) fn close(&mut self, mut to_do: Vec<Run>, go_on: GoOn) -> Result<(), Stop> {
        self.runs.clear();
        let mut steps = 0_u64;
        while let Some(run) = to_do.pop() {
            steps += 1;
            if steps.is_multiple_of(1_000) && go_on().is_break() {
                return Err(Stop::GivenUp(Cause::Interrupted));
            }
            if self.commutes {
                let run = self.settled(run, &mut to_do);
                self.runs.insert(run);
            } else if self.runs.insert(run.clone()) {
                match self.options.grain {
                    Grain::Sections => self.hidden_sections(&run, &mut to_do),
                    Grain::Steps => self.hidden_steps(&run, &mut to_do),
                }
            }
            if self.runs.len() > self.options.most_states.0 {
                return Err(Stop::GivenUp(Cause::TooManyStates(self.options.most_states)));
            }
        }
        self.most_states = self.most_states.max(self.runs.len());
        Ok(())
    }

    /// What becomes of a trace that stops at a line.
    pub fn stopped(&self, line: u64, text: &str, stop: Stop) -> Replayed {
        match stop {
            Stop::Rejected(_) if self.unsound.is_some() => {
                self.verdict(ReplayVerdict::Unknown(GivenUp { line, cause: Cause::Orders }))
            }
            Stop::Rejected(reason) => {
                let may_have_returned = self.may_have_returned(&reason);
                self.verdict(ReplayVerdict::Rejected(Rejection { line, text: text.into(), reason, may_have_returned }))
            }
            Stop::GivenUp(cause) => self.verdict(ReplayVerdict::Unknown(GivenUp { line, cause })),
        }
    }

    /// What becomes of a trace that has been read to its end, after so many lines.
    pub fn end(&mut self, lines: u64, go_on: GoOn) -> Replayed {
        self.line = lines;
        if let Some((_, value)) = self.seen.register
            && self.options.end == End::Idle
        {
            return self.stopped(lines, "", Reason::Torn { value }.into());
        }
        if let Err(stop) = self.settle(None) {
            return self.stopped(lines, "", stop);
        }
        let between_lines = self.seen.register.is_none() && self.seen.settled;
        let rests = |run: &&Run| between_lines && self.ring.at_rest(&run.state);
        let keeps = |run: &&Run| run.breach.is_none();
        let best = |runs: &mut dyn Iterator<Item = &Run>| runs.max_by_key(|run| run.steps.observe).cloned();
        let idle = best(&mut self.runs.iter().filter(rests).filter(keeps)).or_else(|| {
            // Only if nothing else is possible is a promise broken.
            let may_break = self.options.end == End::Idle || !self.runs.iter().any(|run| run.breach.is_none());
            best(&mut self.runs.iter().filter(rests)).filter(|_| may_break)
        });
        if let Some(run) = idle {
            return self.ends(run, Ending::Idle);
        }
        if self.options.end == End::Idle {
            let reason = self.not_idle();
            return self.stopped(lines, "", reason.into());
        }
        let kept: Vec<Run> = self.runs.iter().filter(keeps).cloned().collect();
        let runs = if kept.is_empty() { self.runs.take() } else { kept };
        let end = match self.options.end {
            End::Cut => Ending::NotJudged,
            End::Idle | End::Anywhere => self.how_it_ends(&runs, go_on),
        };
        let last = |run: &&Run| (run.breach.as_ref().map(|breach| breach.line), run.steps.observe);
        let run = runs.iter().max_by_key(last).expect("the set is never empty").clone();
        self.ends(run, end)
    }

    fn ends(&self, run: Run, end: Ending) -> Replayed {
        self.verdict(match run.breach {
            None => ReplayVerdict::Accepted(Accepted { steps: run.steps, end }),
            Some(breach) => ReplayVerdict::Broken(BrokenPromise { breach: Breach::clone(&breach), end }),
        })
    }

    fn verdict(&self, verdict: ReplayVerdict) -> Replayed {
        Replayed { verdict, most_states: self.most_states, grain: self.options.grain, unit: self.seen.wrote() }
    }
}
