//! What each kind of line does to the set of runs, and what it must not contradict.

use super::faults::unanswered;
use super::runs::{LogState, Run};
use super::seen::Open;
use super::tracker::{Stop, Tracker};
use super::{Cause, Grain, Left, Qemu, Reason};
use crate::qemu_log::{Fetched, What};
use vtd_qi::impl_qi::{
    Action, AfterIte, Desc, Fsts, HwStep, Length, MAX_DEPTH, MAX_IDS, MAX_SUBMITTERS, Pc, Slot, WdData,
};

/// Who does something.
#[derive(Clone, Copy)]
pub(super) enum Who {
    /// A submitter that is known by its thread.
    One(u8),
    /// One of all: the log names no threads.
    Any,
}

impl Who {
    pub fn all(self) -> impl Iterator<Item = u8> {
        match self {
            Who::One(t) => t..t + 1,
            Who::Any => 0..MAX_SUBMITTERS as u8,
        }
    }
}

fn wd_data(data: u64) -> Option<WdData> {
    [WdData::Done, WdData::InUse, WdData::Abort].into_iter().find(|known| known.status() as u64 == data)
}

fn in_ring(slot: u64, length: Length) -> Option<Slot> {
    (slot < length.slots().into()).then_some(slot as Slot)
}

/// Who posts where the log names no threads: who has to post as many again, else who is idle. All that somebody else could have done
/// later, these can, since all who are idle are alike.
fn anybody(run: &Run, ids: u8) -> Option<u8> {
    let again = |t: &u8| run.state.ghost().is_reposting((*t).into()) && run.call(*t).count == ids;
    let idle = |t: &u8| run.call(*t).pc == Pc::Idle;
    let mut all = 0..MAX_SUBMITTERS as u8;
    all.clone().find(again).or_else(|| all.find(idle))
}

/// The descriptor at IQH.
fn lies(state: &LogState) -> Desc {
    state.desc(state.iqh())
}

/// A descriptor without what no line shows of it.
fn shown(desc: Desc) -> Desc {
    match desc {
        Desc::Id { .. } => Desc::ID,
        desc => desc,
    }
}

impl Tracker {
    pub(super) fn iqt_write(
        &mut self,
        thread: Option<u64>,
        tail: u64,
        register: Option<u64>,
    ) -> Result<Vec<Run>, Stop> {
        let (length, left) = (self.ring.length(), self.left());
        // QEMU's own unit stops at an IQE, and goes on with the IQT write after it was cleared.
        let stalled = self.seen.stalled;
        let is_busy = |run: &Run| !stalled && !run.state.fsts().has(Fsts::IQE) && !Left::of(&run.state).is_nothing();
        let drained = if self.runs.iter().all(is_busy) { Err(left) } else { Ok(()) };
        if let Some(value) =
            register.filter(|value| ![tail.checked_shl(4), tail.checked_shl(5)].contains(&Some(*value)))
        {
            return Err(Reason::Register { value, tail }.into());
        }
        let to = in_ring(tail, length).ok_or(Reason::TailOutside { tail, slots: length.slots() })?;
        self.seen.writes_iqt(thread, drained)?;
        let (from, slots) = (left.iqt, length.distance(left.iqt, to));
        let most = u16::from(MAX_IDS).min(length.slots() - 2);
        let ids = match slots.checked_sub(1) {
            None => return Err(Reason::NothingPosted(to).into()),
            Some(ids) if ids > most => {
                return Err(Reason::TooFar { from, to, slots, length: length.slots() }.into());
            }
            Some(ids) => ids as u8,
        };
        let who = self.poster(thread)?;
        if let Who::One(t) = who
            && let Some(to_come) = self.to_come.get_mut(usize::from(t))
        {
            to_come.pop_front();
        }
        self.seen.written_by(thread);
        let mut first_time = false;
        let post = |tracker: &mut Self, run: &Run, next: &mut Vec<Run>| {
            if tracker.seen.wrote() == Qemu::Stock && is_busy(run) {
                return Err(Reason::NotDrained(Left::of(&run.state)));
            }
            let posters = match who {
                Who::One(t) => Some(t),
                Who::Any => anybody(run, ids),
            };
            if let Some(t) = posters {
                let again = run.state.ghost().is_reposting(t.into());
                let posted = match tracker.options.grain {
                    Grain::Sections => tracker.post(run, t, ids),
                    Grain::Steps if run.call(t).pc == Pc::WriteIqt => tracker.driver(run, t),
                    Grain::Steps => None,
                };
                let posted = posted.filter(|run| run.state.iqt() == to);
                first_time |= posted.is_some() && !again;
                next.extend(posted);
            }
            Ok(())
        };
        let next = self.continued(post, |tracker| match who {
            Who::One(t) => tracker.no_post(tracker.seen.cpu(t), t, ids, to),
            Who::Any => tracker.nobody_posts(ids, to),
        })?;
        if let Who::One(t) = who {
            self.seen.posted(length, t, from, ids, !first_time);
        }
        Ok(next)
    }

    /// The submitter that a thread stands for. A thread that is in no call in any run makes room for another.
    fn poster(&mut self, thread: Option<u64>) -> Result<Who, Stop> {
        let Some(thread) = thread else { return Ok(Who::Any) };
        let cpus = &self.seen.cpus;
        let idle = |t: usize| self.runs.iter().all(|run| run.state.call(t).pc == Pc::Idle);
        let known = cpus.iter().position(|cpu| *cpu == Some(thread));
        let free = || cpus.iter().position(Option::is_none);
        let t = known.or_else(free).or_else(|| (0..MAX_SUBMITTERS).find(|&t| idle(t)));
        let t = t.ok_or(Stop::GivenUp(Cause::Submitters(MAX_SUBMITTERS)))?;
        self.seen.cpus[t] = Some(thread);
        Ok(Who::One(t as u8))
    }

    pub(super) fn head(&mut self, thread: Option<u64>, slot: u64) -> Result<(), Stop> {
        let mut is_full = false;
        let can_be_read = |tracker: &mut Self, run: &Run, next: &mut Vec<Run>| {
            let Left { iqh, iqt, .. } = Left::of(&run.state);
            if iqh == iqt {
                return Err(Reason::NothingToFetch { slot, iqt });
            }
            if slot != u64::from(iqh) {
                return Err(Reason::NotAtHead { slot, iqh, iqt });
            }
            if run.state.fsts() != Fsts::NONE {
                tracker.seen.works(thread)?;
                return Err(Reason::Stopped(slot));
            }
            match tracker.with_room(run) {
                Some(run) => next.push(run),
                None => is_full = true,
            }
            Ok(())
        };
        let next = self.continued(can_be_read, |_| Reason::NoDescriptor(slot));
        if is_full && next.is_err() {
            return Err(Stop::GivenUp(Cause::Depth(MAX_DEPTH)));
        }
        let next = next?;
        self.seen.works(thread)?;
        let left = Left::of(&next[0].state);
        // The stock unit has written the status of a WD before it fetches on.
        if left.due.is_some() {
            self.seen.not_stock(Reason::NoFetch { slot, left })?;
        }
        self.replace(next);
        self.seen.open = Some(Open { slot: slot as Slot, fetched: None });
        self.seen.stalled = false;
        Ok(())
    }

    /// The run with room for one more descriptor in hardware. What lies behind an ID that gets no answer will be dropped when that
    /// times out, if all is, and may as well be dropped before.
    fn with_room(&mut self, run: &Run) -> Option<Run> {
        let Some(last) = run.state.pending().count().checked_sub(1) else { return Some(run.clone()) };
        if last + 1 < MAX_DEPTH {
            return Some(run.clone());
        }
        let lost = unanswered(&run.state).next().map(usize::from);
        if self.options.after_ite != AfterIte::Drop || lost.is_none_or(|lost| lost >= last) {
            return None;
        }
        let is_wd = matches!(run.state.pending().last(), Some((Desc::Wd { .. }, _)));
        let state = self.ring.without_pending(&run.state, last);
        let mut next = Run { state, beside: run.beside + u64::from(is_wd), ..run.clone() };
        self.judge(run, &mut next);
        Some(next)
    }

    /// A descriptor; `None` if it is open yet what becomes of it: an ID may turn out to be refused, or to get no answer.
    pub(super) fn fetch(
        &mut self,
        thread: Option<u64>,
        slot: Option<u64>,
        fetched: Fetched,
    ) -> Result<Option<Vec<Run>>, Stop> {
        self.seen.works(thread)?;
        let open = self.seen.open.take().filter(|open| slot == Some(open.slot.into()) && open.fetched.is_none());
        let slot = open.ok_or(Reason::NoHead)?.slot;
        let read = match fetched {
            Fetched::Id { .. } => Desc::ID,
            Fetched::Wd { writes: false, .. } => return Err(Reason::NoStatusWrite(slot.into()).into()),
            Fetched::Wd { data, address, .. } => {
                if let Desc::Wd { target, .. } = lies(&self.any().state) {
                    // A WD that was copied over an invalid ID lies in another slot than the one that it writes.
                    self.seen.statuses.learn_from(target, address);
                }
                let data = wd_data(data)
                    .filter(|&data| data == WdData::Done || self.posts_data(data))
                    .ok_or(Reason::Data { data })?;
                Desc::Wd { target: self.seen.statuses.slot(address).map_err(Reason::Address)?, data }
            }
        };
        self.seen.last = Some((slot.into(), fetched));
        let is_id = matches!(fetched, Fetched::Id { .. });
        let fetch = |tracker: &mut Self, run: &Run, next: &mut Vec<Run>| {
            if shown(lies(&run.state)) != read {
                return Err(Reason::OtherDescriptor { slot: slot.into(), read, posted: shown(lies(&run.state)) });
            }
            match is_id {
                true => next.push(run.clone()),
                false => next.extend(tracker.step(run, Action::Hardware(HwStep::Fetch))),
            }
            Ok(())
        };
        let other = |tracker: &mut Self| {
            let posted = shown(lies(&tracker.any().state));
            Reason::OtherDescriptor { slot: slot.into(), read, posted }
        };
        let next = self.continued(fetch, other)?;
        if !is_id {
            return Ok(Some(next));
        }
        if let Some(t) = self.seen.differs(slot, fetched) {
            return Err(Reason::OtherIds { cpu: self.seen.cpu(t), slot: slot.into() }.into());
        }
        self.replace(next);
        self.seen.open = Some(Open { slot, fetched: Some(fetched) });
        Ok(None)
    }

    /// Decides what has become of the descriptor that was to be fetched last, as far as the next event says it; whether it may
    /// have been refused.
    pub(super) fn settle(&mut self, next: Option<&What>) -> Result<bool, Stop> {
        let Some(open) = self.seen.open else { return Ok(false) };
        let device = matches!(open.fetched, Some(Fetched::Id { device: true, .. }));
        let (mut fetched, mut refused, mut lost) = (true, true, false);
        match next {
            Some(What::Fetch { .. }) if open.fetched.is_none() => return Ok(false),
            Some(What::NoAnswer { slot }) if device && *slot == u64::from(open.slot) => (refused, lost) = (false, true),
            // Between an IQE and the next fetch somebody has to clear it.
            Some(What::Head { .. } | What::Fetch { .. }) => refused = false,
            _ => {}
        }
        let is_wd = matches!(lies(&self.any().state), Desc::Wd { .. });
        if next.is_none() && open.fetched.is_none() && !is_wd {
            // The log ends where the descriptor would come.
            self.seen.settled = false;
            return Ok(false);
        }
        if open.fetched.is_none() && is_wd {
            // QEMU writes a line for each WD.
            (fetched, refused) = (false, false);
            if next.is_none() && self.options.end == super::End::Cut {
                self.seen.settled = false;
                return Ok(false);
            }
        }
        self.seen.open = None;
        self.faulty |= lost;
        let settled = |tracker: &mut Self, run: &Run, next: &mut Vec<Run>| {
            if fetched && let Some(run) = tracker.step(run, Action::Hardware(HwStep::Fetch)) {
                match lost {
                    true => next.push(run),
                    false => next.extend(tracker.answered(&run)),
                }
            }
            if refused && let Some(state) = tracker.ring.had_invalid(&run.state, open.slot) {
                tracker.faulty = true;
                next.extend(tracker.step(&Run { state, ..run.clone() }, Action::Hardware(HwStep::Iqe)));
            }
            Ok(())
        };
        let before = u64::from(open.slot);
        let runs = self.continued(settled, |_| match next {
            Some(What::Head { slot } | What::Ite { head: slot, .. }) => Reason::HeadTwice { slot: *slot, before },
            _ => Reason::NoDescriptor(before),
        })?;
        self.replace(runs);
        Ok(refused)
    }

    /// The ID that was fetched last executes.
    fn answered(&mut self, run: &Run) -> Option<Run> {
        let position = run.state.pending().count().checked_sub(1)?;
        self.step(run, Action::Hardware(HwStep::Execute { position: position as u8 }))
    }

    /// Whether the driver has rewritten the WD at IQH, in some run, so that it carries other data than `QI_DONE` (g5plus).
    fn posts_data(&self, data: WdData) -> bool {
        self.runs.iter().any(|run| matches!(lies(&run.state), Desc::Wd { data: carried, .. } if carried == data))
    }

    pub(super) fn status_write(&mut self, thread: Option<u64>, address: u64, data: u64) -> Result<Vec<Run>, Stop> {
        let slot = self.seen.statuses.slot(address).map_err(Reason::Address)?;
        self.seen.last = None;
        let oldest = |state: &LogState| state.pending().find(|(desc, _)| matches!(desc, Desc::Wd { .. }));
        let due = self.left().due;
        if due != Some(slot) {
            return Err(Reason::NotDue { slot, due }.into());
        }
        let due_data = match oldest(&self.any().state) {
            Some((Desc::Wd { data, .. }, _)) => data,
            _ => WdData::Done,
        };
        if data != due_data.status() as u64 {
            return Err(Reason::Data { data }.into());
        }
        self.seen.works(thread)?;
        if self.options.grain == Grain::Sections && (self.parking || !self.commutes) {
            self.look_before(slot);
        }
        let complete = |tracker: &mut Self, run: &Run, next: &mut Vec<Run>| {
            match run.state.pending().next() {
                _ if run.state.fsts().has(Fsts::ITE) => return Err(Reason::NotDue { slot, due: None }),
                Some((Desc::Wd { .. }, _)) => next.extend(tracker.step(run, Action::Hardware(HwStep::Complete))),
                _ => return Err(Reason::Unanswered(slot)),
            }
            Ok(())
        };
        self.continued(complete, |_| Reason::NotDue { slot, due: None })
    }
}
