//! A run of the ring as a timeline in the layout of the 2024 patch: one column per submitter, one for the hardware, and beside
//! each row what the ring holds.
//!
//! Batches are numbered in the order in which they are posted: `ID1` and `WD1` are the descriptors of the first (`ID1.2` is
//! the second of several IDs). A star marks what hardware has written. The rows of a loop are bracketed: they repeat for ever.
//!
//! A timeline is displayed whole, however wide and long that is. [`Timeline::lines`] draws it for a terminal of a given width.
//!
//! ```
//! use vtd_qi::temporal::graph::Search;
//! use vtd_qi::impl_qi::{Ring, RingCfg, Rules};
//! use vtd_qi::temporal::liveness::Run;
//! use vtd_qi::timeline::Timeline;
//!
//! let ring = Ring::<8, 3>::new(RingCfg::new(Rules::G4, 1, [0]))?;
//! let graph = Search::new(&ring, |action| action.label()).run();
//! let seen = graph.findings().iter().find(|finding| finding.name == "own-done-observed").and_then(|f| f.state).unwrap();
//! let run = Run::along(&graph, &graph.path_to(seen));
//! let drawn = Timeline::of(&ring, &run).to_string();
//! assert!(drawn.contains("IQT=1"));
//! assert!(drawn.contains("WD1=QI_DONE*"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod layout;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use layout::{LEGEND, Line, Part};

use crate::impl_qi::{
    Call, Desc, Label, Outcome, Pc, PollUntil, Queue, Reclaim, Ring, Slot, State, Status, Step, WdData, WideRing,
    WideState,
};
use stateright_temporal::liveness::Run;

/// A run, ready to be printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// Number of submitters: `T1` on.
    pub submitters: usize,
    /// The ring before the first row.
    pub start: Held,
    /// The steps.
    pub rows: Vec<Row>,
    /// How many of the rows, at the end, repeat for ever, perhaps each time further round the ring; 0 if the run just ends,
    /// or stutters.
    pub repeating: usize,
    /// The step that does the harm, if the run has one of a kind that is recognised.
    pub harm: Option<Harm>,
}

/// The step that does the harm: the first that takes away a `QI_DONE` whose owner still waits for it.
///
/// A run goes on after it, and a loop may be all that is seen of it at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harm {
    /// Its row, from 0.
    pub row: usize,
    /// What it does, as a predicate: `takes away the QI_DONE of WD2, which T2 has not seen`.
    pub what: String,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Whose step it is: a submitter's, from 0, or the hardware's.
    pub submitter: Option<usize>,
    /// What it does, in the patch's words.
    pub text: String,
    /// What the ring holds afterwards.
    pub ring: Held,
}

/// What a ring holds at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The slots that are shown: all of a short ring, those in use of a long one.
    pub slots: Vec<(Slot, String)>,
    /// Whether the slots are displayed with their numbers, since they are not all there.
    pub numbered: bool,
    /// The driver's fields and the registers.
    pub fields: Vec<(Cow<'static, str>, String)>,
}

impl Held {
    /// What is other than before: slots as `[2] WD2 u`, fields as `IQT=3`. A slot that is no longer shown is free.
    pub fn changes(&self, before: &Held) -> Vec<String> {
        let slot = |held: &Held, slot: Slot| {
            let shown = held.slots.iter().find(|(number, _)| *number == slot);
            shown.map_or(".", |(_, text)| text.trim()).to_string()
        };
        let mut numbers: Vec<Slot> = self.slots.iter().chain(&before.slots).map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let slots = numbers.into_iter().filter(|&number| slot(self, number) != slot(before, number));
        let slots = slots.map(|number| format!("[{number}] {}", slot(self, number)));
        let fields = self.fields.iter().filter(|field| !before.fields.contains(field));
        slots.chain(fields.map(|(name, value)| format!("{name}={value}"))).collect()
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, text) in &self.slots {
            match self.numbered {
                true => write!(f, "|{number}:{text}")?,
                false => write!(f, "|{text}")?,
            }
        }
        write!(f, "|")?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl Timeline {
    /// Draws a run.
    pub fn of<const N: usize, const T: usize, const F: usize>(
        ring: &Ring<N, T, F>,
        run: &Run<State<N, T, F>, Label>,
    ) -> Timeline {
        let steps = run.stem.iter().chain(&run.cycle).map(|(label, after)| (*label, after.widened()));
        Timeline::along(&ring.widened(), run.initial.widened(), &mut { steps }, run.cycle.len())
    }

    fn along<const F: usize>(
        ring: &WideRing<F>,
        initial: WideState<F>,
        steps: &mut dyn Iterator<Item = (Label, WideState<F>)>,
        repeating: usize,
    ) -> Timeline {
        let mut names = Names::new(ring);
        let start = names.ring(ring, &initial);
        let (mut before, mut rows, mut harm) = (initial, Vec::new(), None);
        for (label, after) in steps {
            rows.push(names.row(ring, &before, label, &after));
            let what = names.harm(ring, &before, &after);
            harm = harm.or(what.map(|what| Harm { row: rows.len() - 1, what }));
            before = after;
        }
        Timeline { submitters: ring.cfg().submitters, start, rows, repeating, harm }
    }

    /// The column titles: `T1` .. and `hardware`.
    pub fn titles(&self) -> Vec<String> {
        (1..=self.submitters).map(|t| format!("T{t}")).chain(["hardware".to_string()]).collect()
    }

    /// The column of a row.
    pub fn column(&self, row: &Row) -> usize {
        row.submitter.unwrap_or(self.submitters)
    }
}

/// The submitter whose WD was DONE and no longer is, although it still waits for it.
fn lost_done<const F: usize>(ring: &WideRing<F>, before: &WideState<F>, after: &WideState<F>) -> Option<usize> {
    (0..ring.cfg().submitters).find(|&t| {
        let slot = ring.wait_index(&before.call(t));
        ring.waiting(before, t)
            && ring.waiting(after, t)
            && before.status(slot) == Status::Done
            && after.status(slot) != Status::Done
    })
}

/// What becomes of a call that unlocks.
fn unlocked(call: &Call, next: &Call) -> String {
    match (next.pc, call.outcome) {
        (Pc::Idle, Outcome::Success) => "unlock, return".to_string(),
        (Pc::Idle, outcome) => format!("unlock, return {}", outcome.errno()),
        (_, Outcome::Again) => "unlock, -EAGAIN: again".to_string(),
        _ => "unlock".to_string(),
    }
}

/// What the descriptors of a run are called, as far as it has been followed: [`Names::row`] follows a step.
#[derive(Clone, Debug)]
pub struct Names {
    /// Batches posted so far.
    batches: usize,
    /// The number of each submitter's batch.
    batch: Vec<usize>,
    /// What was last written into each slot.
    slots: Vec<String>,
    /// Whether hardware wrote the slot's status last.
    starred: Vec<bool>,
    /// The descriptors that hardware has fetched and not completed, oldest first.
    pending: Vec<String>,
    /// Room for a name.
    width: usize,
}

impl Names {
    /// The names before the first step: none.
    pub fn new<const F: usize>(ring: &WideRing<F>) -> Names {
        let slots = usize::from(ring.length().slots());
        let several = ring.cfg().counts.iter().any(|&count| count > 1);
        Names {
            batches: 0,
            batch: vec![0; ring.cfg().submitters],
            slots: vec![String::new(); slots],
            starred: vec![false; slots],
            pending: Vec::new(),
            width: if several { 5 } else { 3 },
        }
    }

    fn id(&self, t: usize, call: &Call) -> String {
        self.id_number(t, call, call.at)
    }

    fn id_number(&self, t: usize, call: &Call, at: u8) -> String {
        match call.count {
            1 => format!("ID{}", self.batch[t]),
            _ => format!("ID{}.{}", self.batch[t], u16::from(at) + 1),
        }
    }

    /// The WD of a submitter's batch: the present one, or if it has none the last.
    pub fn wd(&self, t: usize) -> String {
        format!("WD{}", self.batch[t])
    }

    /// What was last written into a slot; empty if nothing ever was.
    pub fn slot(&self, slot: Slot) -> &str {
        &self.slots[usize::from(slot)]
    }

    /// What hardware has fetched and not completed, oldest first.
    pub fn fetched(&self) -> &[String] {
        &self.pending
    }

    /// Whether hardware wrote the `QI_DONE` that a slot holds.
    pub fn is_starred<const F: usize>(&self, state: &WideState<F>, slot: Slot) -> bool {
        self.starred[usize::from(slot)] && state.status(slot) == Status::Done
    }

    /// What was last written into a slot.
    fn written(&self, slot: Slot) -> String {
        match self.slots[usize::from(slot)].as_str() {
            "" => format!("slot {slot}"),
            name => name.to_string(),
        }
    }

    /// What the step that was followed last did, if that is harm of a kind that is recognised, as a predicate: see [`Harm`].
    pub fn harm<const F: usize>(
        &self,
        ring: &WideRing<F>,
        before: &WideState<F>,
        after: &WideState<F>,
    ) -> Option<String> {
        let t = lost_done(ring, before, after)?;
        Some(format!("takes away the QI_DONE of {}, which T{} has not seen", self.wd(t), t + 1))
    }

    /// Follows a step from one state to the next, and tells it.
    pub fn row<const F: usize>(
        &mut self,
        ring: &WideRing<F>,
        before: &WideState<F>,
        label: Label,
        after: &WideState<F>,
    ) -> Row {
        let (submitter, text) = match label {
            Label::Call(t) => (Some(t), format!("qi_submit_sync({})", ring.request(&after.call(t.into())).text())),
            Label::Driver(step, t) => (Some(t), self.driver(ring, before, step, t.into(), after)),
            Label::Fetch => {
                let name = self.slots[usize::from(before.iqh())].clone();
                self.pending.push(name.clone());
                (None, format!("fetch {name}"))
            }
            Label::Execute => {
                let gone = self.removed(before, after)[0];
                (None, format!("execute {}", self.pending.remove(gone)))
            }
            Label::Complete => {
                let name = self.pending.remove(0);
                match before.pending().next() {
                    Some((Desc::Wd { target, .. }, _)) => {
                        self.starred[usize::from(target)] = true;
                        (None, format!("{name}={}*", after.status(target).name()))
                    }
                    _ => (None, name),
                }
            }
            Label::Iqe => (None, format!("{} invalid: IQE", self.slots[usize::from(before.iqh())])),
            Label::TimeOut | Label::LoseAnswer => {
                let gone = self.removed(before, after);
                let mut names: Vec<String> = gone.iter().rev().map(|&i| self.pending.remove(i)).collect();
                names.reverse();
                let (timed_out, wds) = names.into_iter().partition::<Vec<_>, _>(|name| !name.starts_with("WD"));
                let aborts = if wds.is_empty() { String::new() } else { format!(", drops {}", wds.join(", ")) };
                (None, format!("{} times out: ITE{aborts}", timed_out.join(", ")))
            }
            Label::Ice => (None, "ICE".to_string()),
            Label::Remove => {
                let gone = (1..=crate::impl_qi::MAX_DEVICES).find(|&d| after.is_gone(d) && !before.is_gone(d));
                (None, format!("device {} goes", gone.unwrap_or(0)))
            }
        };
        Row { submitter: submitter.map(usize::from), text, ring: self.ring(ring, after) }
    }

    fn driver<const F: usize>(
        &mut self,
        ring: &WideRing<F>,
        before: &WideState<F>,
        step: Step,
        t: usize,
        after: &WideState<F>,
    ) -> String {
        let (call, next) = (before.call(t), after.call(t));
        let rules = &ring.cfg().rules;
        match step {
            Step::Enqueue => "queue for the lock".to_string(),
            Step::Acquire if next.pc == Pc::NoRoom => "lock, no room".to_string(),
            Step::Acquire => {
                if call.pc == Pc::Acquire {
                    self.batches += 1;
                    self.batch[t] = self.batches;
                }
                "lock".to_string()
            }
            Step::Look if next.pc == Pc::NoRoom => "no room".to_string(),
            Step::Look => {
                self.batches += 1;
                self.batch[t] = self.batches;
                "room".to_string()
            }
            Step::Unlock => unlocked(&call, &next),
            Step::WriteId => {
                let name = self.id(t, &call);
                self.slots[usize::from(call.id_slot(rules, ring.length(), call.at))].clone_from(&name);
                name
            }
            Step::IdInUse => {
                self.starred[usize::from(call.id_slot(rules, ring.length(), call.at))] = false;
                format!("{}=QI_IN_USE", self.id(t, &call))
            }
            Step::WdInUse => {
                self.starred[usize::from(ring.wait_index(&call))] = false;
                format!("{}=QI_IN_USE", self.wd(t))
            }
            Step::WriteWd => {
                let name = self.wd(t);
                self.slots[usize::from(ring.wait_index(&call))].clone_from(&name);
                name
            }
            Step::WriteIqt => format!("IQT={}", after.iqt()),
            Step::Poll => {
                let polled = match rules.poll {
                    PollUntil::FirstSlotDone if call.count > 0 => self.id_number(t, &call, 0),
                    PollUntil::FirstSlotDone | PollUntil::Done => self.wd(t),
                };
                match next.pc {
                    Pc::PollUnlock | Pc::CheckAbort => format!("while({polled}!=QI_DONE)"),
                    _ => format!("{polled}==QI_DONE"),
                }
            }
            Step::Mark => {
                let (name, slot) = if call.at == call.count {
                    (self.wd(t), ring.wait_index(&call))
                } else {
                    (self.id(t, &call), call.id_slot(rules, ring.length(), call.at))
                };
                self.starred[usize::from(slot)] = false;
                format!("{name}={}", after.status(slot).name())
            }
            Step::Reclaim => self.reclaim(rules.reclaim, before, next.pc),
            Step::ReclaimFree => {
                let tail = before.queue().free_tail;
                self.starred[usize::from(tail)] = false;
                format!("{}={}", self.slots[usize::from(tail)], after.status(tail).name())
            }
            fault_check => self.fault_check(ring, before, fault_check, t, after),
        }
    }

    /// What RECLAIM sees in the slot at `free_tail`, and whether it goes on.
    fn reclaim<const F: usize>(&self, rule: Reclaim, before: &WideState<F>, next: Pc) -> String {
        let Queue { free_tail, free_head, .. } = before.queue();
        let status = before.status(free_tail).name();
        let name = self.written(free_tail);
        let to_head = matches!(rule, Reclaim::WhileFreeToHead | Reclaim::ToHead);
        match next {
            Pc::ReclaimFree | Pc::Reclaim => format!("reclaim(): {name}=={status}"),
            _ if rule == Reclaim::Never => "reclaim() does nothing".into(),
            _ if to_head && free_tail == free_head => "reclaim(): ring empty".into(),
            _ => format!("reclaim() stops: {name}=={status}"),
        }
    }

    /// A step of the fault check.
    fn fault_check<const F: usize>(
        &mut self,
        ring: &WideRing<F>,
        before: &WideState<F>,
        step: Step,
        t: usize,
        after: &WideState<F>,
    ) -> String {
        let (call, next) = (before.call(t), after.call(t));
        let name = |slot: Slot| self.written(slot);
        let at = call.check.head.unwrap_or(0);
        match step {
            Step::CheckAbort => {
                let aborted = before.status(ring.wait_index(&call)) == Status::Abort;
                format!("{}{}QI_ABORT", self.wd(t), if aborted { "==" } else { "!=" })
            }
            Step::ReadFsts => format!("FSTS: {}", before.fsts().names()),
            Step::ReadIqh => format!("read IQH={}", before.iqh()),
            Step::ReadIqt => format!("read IQT={}", before.iqt()),
            Step::ReadIqer => format!("ITESID: {}", before.itesid()),
            Step::ClearIqe if next.pc.is_fault_check() || next.pc == Pc::PollUnlock => "clear IQE".to_string(),
            Step::ClearIqe => "clear IQE: -EINVAL".to_string(),
            Step::ClearIte if next.outcome == Outcome::TimedOut => "clear ITE: -ETIMEDOUT".to_string(),
            Step::ClearIte => "clear ITE".to_string(),
            Step::ClearIce => "clear ICE".to_string(),
            Step::Walk | Step::ReadDesc => {
                let timed_out = if next.outcome == Outcome::TimedOut { ": -ETIMEDOUT" } else { "" };
                match step {
                    Step::Walk => format!("walk: {}=={}{timed_out}", name(at), before.status(at).name()),
                    _ => format!("look at {}{timed_out}", name(at)),
                }
            }
            Step::WalkAbort => {
                let name = name(at);
                self.starred[usize::from(at)] = false;
                let timed_out = if next.outcome == Outcome::TimedOut { ": -ETIMEDOUT" } else { "" };
                format!("walk: {name}=QI_ABORT{timed_out}")
            }
            Step::PatchDesc => {
                let slot = if call.pc == Pc::PatchDesc { call.check.head.unwrap_or(call.index) } else { at };
                let old = name(slot);
                let new = match after.desc(slot) {
                    Desc::Wd { data: WdData::Done, target } => format!("WD of slot {target}"),
                    Desc::Wd { data, target } => format!("WD {} of slot {target}", data.status().name()),
                    other => format!("{other:?}"),
                };
                self.slots[usize::from(slot)] = match after.desc(slot) {
                    Desc::Wd { data: WdData::Done, .. } => self.wd(t) + "'",
                    _ => old.clone() + "'",
                };
                format!("over {old}: {new}")
            }
            other => unreachable!("{other:?} is no step of the fault check"),
        }
    }

    /// The positions of pending descriptors that a step removes, ascending; none is added. Of equal neighbours the last.
    fn removed<const F: usize>(&self, before: &WideState<F>, after: &WideState<F>) -> Vec<usize> {
        let mut left = after.pending().peekable();
        let mut removed = Vec::new();
        for (i, pending) in before.pending().enumerate() {
            if left.peek() == Some(&pending) {
                left.next();
            } else {
                removed.push(i);
            }
        }
        removed
    }

    /// The slots that are in use or being written, then the fields and registers.
    fn ring<const F: usize>(&self, ring: &WideRing<F>, state: &WideState<F>) -> Held {
        let Queue { free_cnt, free_head, free_tail } = state.queue();
        let length = ring.length();
        let numbered = length.slots() > 8;
        let text = |slot: Slot| {
            let busy = is_busy(ring, state, slot);
            let name = if busy { self.slot(slot) } else { "" };
            let star = if self.is_starred(state, slot) { '*' } else { ' ' };
            let text = format!("{name:>width$} {}{star}", state.status(slot).letter(), width = self.width);
            (busy || !numbered).then_some((slot, text))
        };
        let fields = [
            ("tail", free_tail.to_string()),
            ("head", free_head.to_string()),
            ("cnt", free_cnt.to_string()),
            ("IQH", state.iqh().to_string()),
            ("IQT", state.iqt().to_string()),
        ];
        Held {
            slots: length.iter().filter_map(text).collect(),
            numbered,
            fields: fields.map(|(name, value)| (name.into(), value)).to_vec(),
        }
    }
}

/// Whether a slot is handed out, visible to hardware, or holds a status other than FREE: then its descriptor is shown.
pub fn is_busy<const F: usize>(ring: &WideRing<F>, state: &WideState<F>, slot: Slot) -> bool {
    let Queue { free_cnt, free_head, free_tail } = state.queue();
    let length = ring.length();
    let used = length.within(slot, free_tail, free_head) || free_cnt == 0;
    let written = (0..ring.cfg().submitters).any(|t| {
        let call = state.call(t);
        call.has_index() && length.distance(call.index, slot) < call.slots()
    });
    used || written || length.within(slot, state.iqh(), state.iqt()) || state.status(slot) != Status::Free
}
