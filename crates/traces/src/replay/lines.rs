//! What each kind of line does to the set of possible states, and what it must not contradict.

use stateright::Model;

use super::plan::in_ring;
use super::tracker::{Run, Stop, Tracker};
use super::{Grain, Left, Qemu, Reason};
use crate::qemu_log::Fetched;
use vtd_qi::impl_qi::{Action, AfterIte, Desc, Fsts, HwStep, IdKind, Owner, Pc, State, WdData};

fn wd_data(data: u64) -> Option<WdData> {
    [WdData::Done, WdData::InUse, WdData::Abort].into_iter().find(|known| known.status() as u64 == data)
}

fn said_data(fetched: Fetched) -> Reason {
    match fetched {
        Fetched::Wd { data, .. } => Reason::Data { data },
        Fetched::Id { .. } => unreachable!("an ID carries no status data"),
    }
}

impl<const N: usize, const T: usize, const F: usize> Tracker<'_, N, T, F> {
    pub(super) fn iqt_write(&mut self, cpu: u64, tail: u64, register: Option<u64>) -> Result<Vec<Run<N, T, F>>, Stop> {
        let (length, left) = (self.ring.length(), self.left());
        if self.unit == Some(cpu) {
            return Err(Reason::UnitWrites(cpu).into());
        }
        if let Some(value) =
            register.filter(|value| ![tail.checked_shl(4), tail.checked_shl(5)].contains(&Some(*value)))
        {
            return Err(Reason::Register { value, tail }.into());
        }
        let to = in_ring(tail, length).ok_or(Reason::TailOutside { tail, slots: length.slots() })?;
        if self.options.hardware == Qemu::Stock && !left.is_nothing() {
            return Err(Reason::NotDrained(left).into());
        }
        let t = self.trace.submitter(cpu).expect("the trace knows all who write IQT");
        let (from, slots) = (left.iqt, length.distance(left.iqt, to));
        let number = self.posts[usize::from(t)].pop().expect("the plan knows every IQT write");
        let ids = self.plan.posts[number].ids.ok_or(match slots {
            0 => Reason::NothingPosted(to),
            _ => Reason::TooFar { from, to, slots, length: length.slots() },
        })?;
        self.writer = Some(cpu);
        self.writers = self.writers.max(t + 1);
        let mut first_time = false;
        let post = |tracker: &mut Self, run: Run<N, T, F>| {
            let again = run.0.ghost().is_reposting(t.into());
            let posted = match tracker.options.grain {
                Grain::Sections => tracker.post(run, t, number)?,
                Grain::Steps if run.0.call(t.into()).pc == Pc::WriteIqt => tracker.driver(run, t),
                Grain::Steps => None,
            };
            let posted = posted.filter(|(state, _)| state.iqt() == to);
            first_time |= posted.is_some() && !again;
            Ok(posted)
        };
        let next = self.continued(post, |tracker| tracker.no_post(cpu, t, ids, to))?;
        let before = self.posted[usize::from(t)].replace(number);
        if let Some(before) = before.filter(|_| !first_time) {
            self.again.insert(number, before);
        }
        Ok(next)
    }

    pub(super) fn head(&mut self, thread: u64, slot: u64) -> Result<Vec<Run<N, T, F>>, Stop> {
        let left = self.left();
        let Left { iqh, iqt, .. } = left;
        if let Some(before) = self.head {
            return Err(Reason::HeadTwice { slot, before }.into());
        }
        if iqh == iqt {
            return Err(Reason::NothingToFetch { slot, iqt }.into());
        }
        if slot != u64::from(iqh) {
            return Err(Reason::NotAtHead { slot, iqh, iqt }.into());
        }
        self.unit_thread(thread)?;
        self.head = Some(slot);
        if self.any().fsts().has(Fsts::ITE) {
            return Err(Reason::Stopped(slot).into());
        }
        let can_fetch = |tracker: &mut Self, run: Run<N, T, F>| {
            Ok(tracker.offers(&run.0, Action::Hardware(HwStep::Fetch)).then_some(run))
        };
        self.continued(can_fetch, |_| Reason::NoFetch { slot, left })
    }

    pub(super) fn fetch(
        &mut self,
        thread: u64,
        slot: Option<u64>,
        fetched: Fetched,
    ) -> Result<Vec<Run<N, T, F>>, Stop> {
        self.unit_thread(thread)?;
        let slot = slot.filter(|slot| self.head == Some(*slot)).ok_or(Reason::NoHead)?;
        self.head = None;
        if self.any().fsts().has(Fsts::ITE) {
            return Err(Reason::Stopped(slot).into());
        }
        let posted = self.plan.fetches[self.fetched].posted;
        let read = match fetched {
            Fetched::Id { device, .. } if F > 0 => Desc::Id {
                number: posted.map_or(0, |(_, place)| place),
                kind: if device { IdKind::Device(1) } else { IdKind::Unit },
            },
            Fetched::Id { .. } => Desc::ID,
            Fetched::Wd { writes: false, .. } => return Err(Reason::NoStatusWrite(slot).into()),
            Fetched::Wd { data, address, .. } => {
                let data = wd_data(data).filter(|&data| data == WdData::Done || self.posts_data(data));
                let data = data.ok_or_else(|| said_data(fetched))?;
                Desc::Wd { target: self.trace.status_slot(address).map_err(Reason::Address)?, data }
            }
        };
        if let Some((post, place)) = posted.filter(|_| self.plan.fetches[self.fetched].unanswered) {
            self.unanswered.push((self.plan.posts[post].t, place));
        }
        self.fetched += 1;
        self.last = Some((slot, fetched));
        let lies = |state: &State<N, T, F>| state.desc(state.iqh());
        let fetch = |tracker: &mut Self, run: Run<N, T, F>| {
            Ok(if lies(&run.0) == read { tracker.hardware(run, HwStep::Fetch) } else { None })
        };
        let next =
            self.continued(fetch, |tracker| Reason::OtherDescriptor { slot, read, posted: lies(tracker.any()) })?;
        let again = posted.and_then(|(post, place)| Some((post, *self.again.get(&post)?, place)));
        match again.filter(|&(post, before, place)| !self.plan.alike(before, post, place)) {
            Some((post, ..)) => Err(Reason::OtherIds { cpu: self.cpu(self.plan.posts[post].t), slot }.into()),
            None => Ok(next),
        }
    }

    /// Whether the driver has rewritten the WD at IQH, in some state, so that it carries other data than `QI_DONE` (g5plus).
    fn posts_data(&self, data: WdData) -> bool {
        let carries = |desc| matches!(desc, Desc::Wd { data: carried, .. } if carried == data);
        self.runs.keys().any(|state| carries(state.desc(state.iqh())))
    }

    pub(super) fn status_write(&mut self, thread: u64, address: u64, data: u64) -> Result<Vec<Run<N, T, F>>, Stop> {
        let slot = self.trace.status_slot(address).map_err(Reason::Address)?;
        let due = self.left().due;
        if due != Some(slot) {
            return Err(Reason::NotDue { slot, due }.into());
        }
        let oldest = |state: &State<N, T, F>| state.pending().find(|(desc, _)| matches!(desc, Desc::Wd { .. }));
        let due_data = match oldest(self.any()) {
            Some((Desc::Wd { data, .. }, _)) => data,
            _ => WdData::Done,
        };
        if data != due_data.status() as u64 {
            return Err(Reason::Data { data }.into());
        }
        self.unit_thread(thread)?;
        if self.options.grain == Grain::Sections && F > 0 {
            self.look_before(slot);
        }
        let complete = |tracker: &mut Self, run| Ok(tracker.hardware(run, HwStep::Complete));
        self.continued(complete, |tracker| match tracker.unanswered.is_empty() {
            true => Reason::NotDue { slot, due: None },
            false => Reason::Unanswered(slot),
        })
    }

    pub(super) fn no_answer(&mut self, thread: u64, slot: u64) -> Result<(), Reason> {
        if self.options.hardware == Qemu::Stock {
            return Err(Reason::StockFault("a device does not answer"));
        }
        self.unit_thread(thread)?;
        match self.last {
            Some((fetched, Fetched::Id { device: true, .. })) if fetched == slot && self.head.is_none() => Ok(()),
            _ => Err(Reason::NoRequest(slot)),
        }
    }

    pub(super) fn pends(&mut self, thread: u64, slot: u64, said: u64) -> Result<(), Reason> {
        if self.options.hardware == Qemu::Stock {
            return Err(Reason::StockFault("a WD waits for an answer"));
        }
        self.unit_thread(thread)?;
        match self.last {
            Some((fetched, Fetched::Wd { address, .. }))
                if (fetched, address) == (slot, said) && self.head.is_none() => {}
            _ => return Err(Reason::NoWait(slot)),
        }
        if self.unanswered.is_empty() {
            return Err(Reason::WaitsForNothing(slot));
        }
        Ok(())
    }

    /// The oldest ID that gets no answer has timed out.
    pub(super) fn ite(&mut self, thread: u64, head: u64, tail: u64, aborted: u64) -> Result<Vec<Run<N, T, F>>, Stop> {
        if self.options.hardware == Qemu::Stock {
            return Err(Reason::StockFault("ITE is set").into());
        }
        self.unit_thread(thread)?;
        if let Some(before) = self.head {
            return Err(Reason::HeadTwice { slot: head, before }.into());
        }
        let Left { iqh, iqt, .. } = self.left();
        if (head, tail) != (iqh.into(), iqt.into()) {
            return Err(Reason::IteElsewhere { head, tail, iqh, iqt }.into());
        }
        if self.unanswered.is_empty() {
            return Err(Reason::IteForNothing.into());
        }
        let wds = |state: &State<N, T, F>| state.pending().filter(|(desc, _)| matches!(desc, Desc::Wd { .. })).count();
        let before: Vec<Run<N, T, F>> = self.runs.iter().map(|(state, steps)| (*state, *steps)).collect();
        let mut next = Vec::new();
        for run in before {
            let oldest = self.unanswered_at(&run.0).next();
            self.actions.clear();
            self.ring.actions(&run.0, &mut self.actions);
            let lost = |action: &Action| matches!(action, Action::Hardware(HwStep::LoseAnswer { position, .. }) if Some(*position) == oldest);
            let actions: Vec<Action> = self.actions.iter().copied().filter(lost).collect();
            let runs = actions.into_iter().filter_map(|action| self.step(run, action));
            next.extend(runs.filter(|(state, _)| wds(&run.0) - wds(state) == aborted as usize));
        }
        if next.is_empty() {
            let refused = self.spec.refused.take();
            return Err(refused.unwrap_or(Reason::Aborted { aborted, pending: wds(self.any()) }).into());
        }
        match self.options.after_ite {
            AfterIte::Drop => self.unanswered.clear(),
            AfterIte::IdsRun | AfterIte::WdsRun => drop(self.unanswered.remove(0)),
        }
        Ok(next)
    }

    /// Somebody has written FSTS.
    pub(super) fn clear(&mut self, cpu: u64, now: u64) -> Result<Vec<Run<N, T, F>>, Stop> {
        if self.options.hardware == Qemu::Stock {
            return Err(Reason::StockFault("FSTS is written").into());
        }
        let fsts = Fsts::of_register(now);
        if fsts.without(Fsts::ITE) != Fsts::NONE {
            return Err(Reason::OtherFault(now).into());
        }
        let t = self.trace.submitter(cpu).ok_or(Reason::NoCpuClears(cpu))?;
        if !self.any().fsts().has(Fsts::ITE) {
            return Err(Reason::NoIte(cpu).into());
        }
        if fsts.has(Fsts::ITE) {
            return Err(Reason::IteStays(now).into());
        }
        let clear = |tracker: &mut Self, run: Run<N, T, F>| match tracker.options.grain {
            Grain::Sections => tracker.clear_ite(run, t),
            Grain::Steps if run.0.call(t.into()).pc == Pc::ClearIte => Ok(tracker.driver(run, t)),
            Grain::Steps => Ok(None),
        };
        self.continued(clear, |tracker| match tracker.lock_kept(cpu) {
            Some(Reason::ClearsFirst { by, .. }) if by != cpu => Reason::NotItsIte { cpu, by },
            Some(reason @ Reason::EndlessWalk { .. }) => reason,
            _ => tracker.endless_before(cpu, t).unwrap_or(Reason::NoCheck(cpu)),
        })
    }

    /// The stock unit works on the thread that wrote IQT, the other on one of its own, whose first read of IQH names it.
    fn unit_thread(&mut self, thread: u64) -> Result<(), Reason> {
        match (self.options.hardware, self.writer) {
            (Qemu::Stock, Some(writer)) if writer != thread => return Err(Reason::Thread { thread, writer }),
            (Qemu::Stock, _) => return Ok(()),
            (Qemu::Async, _) => {}
        }
        if self.trace.submitter(thread).is_some_and(|t| t < self.writers) {
            return Err(Reason::CpuFetches { thread });
        }
        match *self.unit.get_or_insert(thread) {
            unit if unit != thread => Err(Reason::SecondThread { thread, unit }),
            _ => Ok(()),
        }
    }

    /// Positions of the pending IDs that get no answer, oldest first.
    pub(super) fn unanswered_at(&self, state: &State<N, T, F>) -> impl Iterator<Item = u8> {
        let mut left = self.unanswered.clone();
        let positions: Vec<u8> = state
            .pending()
            .zip(0..)
            .filter_map(|((desc, owner), position)| {
                let Desc::Id { number, .. } = desc else { return None };
                let is_this =
                    |&(t, place): &(u8, u8)| place == number && (owner.is(t.into()) || owner == Owner::Returned);
                left.iter().position(is_this).map(|i| {
                    left.remove(i);
                    position
                })
            })
            .collect();
        positions.into_iter()
    }
}
