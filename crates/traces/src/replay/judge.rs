//! A life of the queue judged as it is read, under several generations at once.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::sections::has_sections;
use super::tracker::{GoOn, Stop, Tracker, as_shown, before_faults};
use super::{Cause, Ending, GivenUp, Grain, Options, Rejection, ReplayVerdict, Replayed};
use crate::qemu_log::{Event, Life, Trace, What};
use vtd_qi::impl_qi::{Generation, MAX_IDS, MAX_SUBMITTERS, Rules, TimeOut};

/// So many events of a life are kept, in case it has to be replayed by single steps.
const KEPT: usize = 100_000;

/// A life of the queue judged as it is read, under several generations at once.
///
/// Generations that do not differ in what the log has shown so far are one: before the first fault three sets of states stand for
/// all eight.
///
/// ```
/// use std::ops::ControlFlow;
///
/// use vtd_qi::impl_qi::GENERATIONS;
/// use vtd_qi_traces::qemu_log::{LogEntry, Reader};
/// use vtd_qi_traces::replay::{Accepted, Ending, Judge, Options, ReplayVerdict};
///
/// let log = "\
/// vtd_inv_qi_setup addr 0x1000 size 256
/// vtd_inv_qi_tail write tail 1
/// vtd_inv_qi_head read head 0
/// vtd_inv_desc invalidate desc type wait high 0x2000 low 0x200000025
/// vtd_inv_desc_wait_sw wait invalidate status write addr 0x2000 data 0x2\n";
/// let (mut go_on, mut judge) = (|| ControlFlow::Continue(()), None);
/// for entry in Reader::new(log.as_bytes()) {
///     match entry? {
///         LogEntry::Life(life) => judge = Some(Judge::new(life, GENERATIONS.iter(), Options::default())),
///         LogEntry::Event { event, text, .. } => judge.as_mut().unwrap().event(&event, &text, &mut go_on),
///     }
/// }
/// let judged = judge.unwrap().end(5, &mut go_on);
/// let idle = |verdict: &ReplayVerdict| matches!(verdict, ReplayVerdict::Accepted(Accepted { end: Ending::Idle, .. }));
/// // The driver before Linux 5.8 posts an ID before each WD.
/// let runs: Vec<&str> = judged.iter().filter(|judged| idle(&judged.1.verdict)).map(|judged| judged.0.name).collect();
/// assert_eq!(runs, ["g3", "g3t", "g4", "g4r", "g5", "g5r", "g5plus"]);
/// # Ok::<(), vtd_qi_traces::qemu_log::TraceError>(())
/// ```
pub struct Judge {
    options: Options,
    classes: Vec<Class>,
    /// The events, as long as there are few.
    kept: Option<Trace>,
    uses_the_ring: bool,
}

/// Generations that have not differed so far.
struct Class {
    generations: Vec<&'static Generation>,
    state: Progress,
    /// Whether they differ in nothing that a log can show.
    alike: bool,
}

enum Progress {
    Going(Box<Tracker>),
    Ended(Replayed),
}

impl Judge {
    /// Of a life that begins.
    pub fn new(life: Life, generations: impl IntoIterator<Item = &'static Generation>, options: Options) -> Judge {
        let mut classes: Vec<Class> = Vec::new();
        for generation in generations {
            let rules = before_faults(&generation.rules);
            match classes.iter_mut().find(|class| before_faults(&class.generations[0].rules) == rules) {
                Some(class) => class.generations.push(generation),
                None => {
                    let tracker = Tracker::new(life.length, generation.rules, options);
                    let state = Progress::Going(Box::new(tracker));
                    classes.push(Class { generations: vec![generation], state, alike: false });
                }
            }
        }
        Judge { options, classes, kept: Some(Trace::begin(life)), uses_the_ring: false }
    }

    /// Takes the next event. `go_on` is asked before, and now and then within; where it breaks, the replay is given up.
    pub fn event(&mut self, event: &Event, text: &str, go_on: GoOn) {
        self.uses_the_ring |= event.what.uses_the_ring();
        if let Some(kept) = &mut self.kept {
            kept.keep(*event, text);
            // Single steps have to know ahead who posts what.
            if self.options.grain == Grain::Sections && kept.events().len() == KEPT {
                self.kept = None;
            }
        }
        if self.options.grain == Grain::Steps {
            return;
        }
        self.part(&event.what);
        for class in &mut self.classes {
            let Progress::Going(tracker) = &mut class.state else { continue };
            let taken = match go_on() {
                ControlFlow::Continue(()) => tracker.event(event, text, go_on),
                ControlFlow::Break(()) => Err(Stop::GivenUp(Cause::Interrupted)),
            };
            if let Err(stop) = taken {
                class.state = Progress::Ended(tracker.stopped(event.line, text, stop));
            }
        }
    }

    /// Separates generations that differ from here on.
    fn part(&mut self, what: &What) {
        let parts = |class: &Class| match &class.state {
            Progress::Going(tracker) => !class.alike && tracker.parts(what),
            Progress::Ended(_) => false,
        };
        if !self.classes.iter().any(parts) {
            return;
        }
        for class in std::mem::take(&mut self.classes) {
            let Progress::Going(tracker) = &class.state else {
                self.classes.push(class);
                continue;
            };
            let mut rest = class.generations.clone();
            while let Some(first) = rest.first().copied() {
                let is_alike = |generation: &&Generation| as_shown(&generation.rules) == as_shown(&first.rules);
                let (generations, others) = rest.into_iter().partition(is_alike);
                let state = Progress::Going(Box::new(tracker.under(first.rules)));
                self.classes.push(Class { generations, state, alike: true });
                rest = others;
            }
        }
    }

    /// Whether anything is to be judged: whether the ring was used at all after it was set up.
    pub fn uses_the_ring(&self) -> bool {
        self.uses_the_ring
    }

    /// What becomes of the life under each generation, in the order in which they were given, after so many lines.
    pub fn end(self, lines: u64, go_on: GoOn) -> Vec<(&'static Generation, Replayed)> {
        let Judge { options, classes, kept, .. } = self;
        let mut judged = Vec::new();
        for class in classes {
            let rules = class.generations[0].rules;
            let mut replayed = match class.state {
                Progress::Going(_) if options.grain == Grain::Steps => {
                    by_steps(kept.as_ref().expect("all is kept"), lines, rules, options, &mut |_| go_on())
                }
                Progress::Going(mut tracker) => tracker.end(lines, go_on),
                Progress::Ended(replayed) => replayed,
            };
            if let (Some(kept), true) = (&kept, needs_steps(&replayed)) {
                replayed = by_steps(kept, lines, rules, options, &mut |_| go_on());
            }
            judged.extend(
                class.generations.into_iter().map(|generation| (generation, replayed.clone().under(&generation.rules))),
            );
        }
        let place = |generation: &Generation| {
            vtd_qi::impl_qi::GENERATIONS.iter().position(|known| known.name == generation.name)
        };
        judged.sort_by_key(|(generation, _)| place(generation));
        judged
    }
}

fn needs_steps(replayed: &Replayed) -> bool {
    matches!(replayed.verdict, ReplayVerdict::Unknown(GivenUp { cause: Cause::Orders, .. }))
}

/// Replays a trace against the ring under some rules, and against the specification.
///
/// `progress` is told how many events have been replayed, after each and now and then within one; where it breaks, the replay is
/// given up.
pub fn replay(
    trace: &Trace,
    rules: Rules,
    options: Options,
    mut progress: impl FnMut(usize) -> ControlFlow<()>,
) -> Replayed {
    let lines = trace.lines();
    if options.grain == Grain::Steps || !has_sections(&rules) {
        return by_steps(trace, lines, rules, options, &mut progress).under(&rules);
    }
    let tracker = Tracker::new(trace.length(), rules, options);
    let replayed = follow(trace, lines, tracker, &mut progress);
    let replayed = match needs_steps(&replayed) {
        true => by_steps(trace, lines, rules, options, &mut progress),
        false => replayed,
    };
    replayed.under(&rules)
}

fn by_steps(
    trace: &Trace,
    lines: u64,
    rules: Rules,
    options: Options,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Replayed {
    let cpus = trace.cpus().len();
    let mut to_come = vec![VecDeque::new(); MAX_SUBMITTERS];
    let most = u64::from(MAX_IDS);
    let (mut tail, slots) = (0, u64::from(trace.length().slots()));
    let unnamed = |event: &Event| event.thread.is_none() && event.what.uses_the_ring();
    for event in trace.events() {
        let What::IqtWrite { slot } = event.what else { continue };
        let ids = ((slot % slots + slots - tail) % slots).checked_sub(1).filter(|ids| *ids <= most);
        tail = slot % slots;
        // What is no possible number is rejected where it is written.
        if let (Some(t), Some(ids)) = (trace.submitter(event.thread).filter(|t| usize::from(*t) < MAX_SUBMITTERS), ids)
        {
            to_come[usize::from(t)].push_back(ids as u8);
        }
    }
    let mut tracker = Tracker::by_steps(trace.length(), rules, options, to_come);
    let given_up = match trace.events().iter().find(|event| unnamed(event)) {
        Some(event) => Some((event.line, Cause::NoThreads)),
        None => (cpus > MAX_SUBMITTERS).then_some((lines, Cause::Submitters(MAX_SUBMITTERS))),
    };
    match given_up {
        Some((line, cause)) => tracker.stopped(line, "", Stop::GivenUp(cause)),
        None => {
            let begun = tracker.begin(&mut || progress(0));
            match begun {
                Ok(()) => follow(trace, lines, tracker, progress),
                Err(stop) => tracker.stopped(1, "", stop),
            }
        }
    }
}

fn follow(
    trace: &Trace,
    lines: u64,
    mut tracker: Tracker,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Replayed {
    for (done, event) in trace.events().iter().enumerate() {
        let taken = tracker.event(event, trace.text(done), &mut || progress(done));
        if let Err(stop) = taken {
            return tracker.stopped(event.line, trace.text(done), stop);
        }
        if progress(done + 1).is_break() {
            let line = trace.events().get(done + 1).map_or(lines, |next| next.line);
            return tracker.stopped(line, "", Stop::GivenUp(Cause::Interrupted));
        }
    }
    tracker.end(lines, &mut || progress(trace.events().len()))
}

impl Replayed {
    /// What is said under these rules, where others that a log does not tell from them were asked: a driver that returns `-ETIMEDOUT`
    /// where a device is gone is not followed from there on.
    fn under(self, rules: &Rules) -> Replayed {
        match self.verdict {
            ReplayVerdict::Rejected(Rejection { line, may_have_returned: true, .. })
                if rules.time_out == TimeOut::Return =>
            {
                let verdict = ReplayVerdict::Unknown(GivenUp { line, cause: Cause::DeviceGone });
                Replayed { verdict, ..self }
            }
            _ => self,
        }
    }

    /// Whether some run looks like the trace, keeps all promises, and nobody is stuck at its end.
    pub fn is_fine(&self) -> bool {
        match &self.verdict {
            ReplayVerdict::Accepted(accepted) => !matches!(accepted.end, Ending::Stuck(_) | Ending::NotFound { .. }),
            ReplayVerdict::Broken(_) | ReplayVerdict::Rejected(_) | ReplayVerdict::Unknown(_) => false,
        }
    }
}
