//! Which reason is given where no run is left: what all the runs before have in common.

use super::Reason;
use super::runs::{LogState, Run};
use super::tracker::Tracker;
use vtd_qi::impl_qi::{Desc, Fsts, IteClear, MAX_SUBMITTERS, Outcome, Pc, Slot, Status};

impl Tracker {
    fn all(&self, holds: impl FnMut(&Run) -> bool) -> bool {
        self.runs.iter().all(holds)
    }

    /// Why nobody can post.
    pub(super) fn no_post(&self, cpu: u64, t: u8, ids: u8, to: Slot) -> Reason {
        if let Some(reason) = self.lock_kept(cpu) {
            return reason;
        }
        if self.all(|run| self.ring.waiting(&run.state, t.into())) {
            let wd = self.ring.wait_index(&self.any().call(t));
            return match self.all(|run| self.passed_over(&run.state, t, wd)) {
                true => Reason::PassedOver { cpu, wd },
                false => Reason::StillWaits { cpu, wd },
            };
        }
        let again = |run: &&Run| run.state.ghost().is_reposting(t.into());
        let again = self.runs.iter().find(again).map(|run| run.call(t).count);
        if let Some(again) = again.filter(|&again| again != ids) {
            return Reason::OtherBatch { cpu, ids, again };
        }
        self.nobody_posts_for_room(ids).unwrap_or(Reason::NoPost(to))
    }

    /// Why nobody can post, where it is not known who does.
    pub(super) fn nobody_posts(&self, ids: u8, to: Slot) -> Reason {
        let holder = self.any().state.lock_holder();
        let kept = holder.and_then(|t| self.lock_kept(self.seen.cpu(t)));
        kept.or_else(|| self.nobody_posts_for_room(ids)).unwrap_or(Reason::NobodyPosts { ids, to })
    }

    fn nobody_posts_for_room(&self, ids: u8) -> Option<Reason> {
        let needed = self.ring.cfg().rules.slots_needed(ids);
        let free = self.runs.iter().map(|run| run.state.queue().free_cnt).max()?;
        (free < needed).then_some(Reason::NoRoom { ids, needed, free })
    }

    /// Whether in all runs the same submitter holds the lock and will not drop it before a fault is cleared, or never.
    pub(super) fn lock_kept(&self, cpu: u64) -> Option<Reason> {
        let holder = self.any().state.lock_holder()?;
        let t = holder as u8;
        let at = |run: &Run, pcs: &[Pc]| run.state.lock_holder() == Some(holder) && pcs.contains(&run.call(t).pc);
        let by = self.seen.cpu(holder);
        if self.all(|run| at(run, &[Pc::Walk, Pc::WalkAbort])) {
            let end = self.any().call(t).check.tail?;
            return Some(Reason::EndlessWalk { cpu, by, end });
        }
        let looks = [Pc::Poll, Pc::CheckAbort, Pc::ReadFsts];
        let clears = [Pc::IteIqh, Pc::IteIqt, Pc::ReadIqer, Pc::ClearIte, Pc::ClearIqe];
        let will_clear = |run: &Run| {
            at(run, &clears)
                || at(run, &looks)
                    && run.state.fsts().has(Fsts::ITE)
                    && !(self.sees_done(&run.state, t) || self.sees_abort(&run.state, t))
        };
        self.all(will_clear).then_some(Reason::ClearsFirst { cpu, by })
    }

    /// Why `t` clears no fault.
    pub(super) fn no_clear(&mut self, t: u8) -> Reason {
        let cpu = self.seen.cpu(t);
        match self.lock_kept(cpu) {
            Some(Reason::ClearsFirst { by, .. }) if by != cpu => Reason::NotItsIte { cpu, by },
            Some(reason @ Reason::EndlessWalk { .. }) => reason,
            _ => self.endless_before(cpu, t).unwrap_or(Reason::NoCheck(cpu)),
        }
    }

    /// Whether a walk that comes before ITE is cleared has no end.
    fn endless_before(&mut self, cpu: u64, t: u8) -> Option<Reason> {
        if self.ring.cfg().rules.ite_clear == IteClear::BeforeWalk {
            return None;
        }
        let run = self.runs.iter().find(|run| run.polls(t))?.clone();
        let call = self.section(&run, t)?.call(t);
        let end = call.check.tail.filter(|_| matches!(call.pc, Pc::Walk | Pc::WalkAbort))?;
        Some(Reason::EndlessWalk { cpu, by: cpu, end })
    }

    /// Whether `t`'s WD is neither in the ring nor in hardware, and nobody has told its owner.
    pub(super) fn passed_over(&self, state: &LogState, t: u8, wd: Slot) -> bool {
        state.status(wd) == Status::InUse
            && !state.fsts().has(Fsts::ITE)
            && !state.ghost().posted_by(wd).is(t.into())
            && state.pending().all(|(desc, owner)| !(owner.is(t.into()) && desc == Desc::wd(wd)))
    }

    /// Whether a call that has returned `-ETIMEDOUT` explains what contradicts the runs: its CPU has cleared an ITE in it.
    pub(super) fn may_have_returned(&self, reason: &Reason) -> bool {
        let cleared = |cpu: u64| (0..MAX_SUBMITTERS).any(|t| self.seen.cleared[t] && self.seen.cpu(t) == cpu);
        match *reason {
            Reason::StillWaits { cpu, .. } | Reason::PassedOver { cpu, .. } => cleared(cpu),
            Reason::OtherBatch { cpu, .. } | Reason::OtherIds { cpu, .. } | Reason::NotPostedAgain(cpu) => cleared(cpu),
            Reason::NobodyPosts { .. } | Reason::NoRoom { .. } => self.seen.cleared.contains(&true),
            _ => false,
        }
    }

    /// What is missing at the end.
    pub(super) fn not_idle(&self) -> Reason {
        if self.any().state.fsts().has(Fsts::ITE) {
            return Reason::IteLeft;
        }
        let again = |run: &Run, t: u8| {
            run.state.ghost().is_reposting(t.into())
                || run.call(t).outcome == Outcome::Again
                || self.ring.waiting(&run.state, t.into()) && self.sees_abort(&run.state, t)
        };
        let waits = (0..MAX_SUBMITTERS as u8).find(|&t| self.all(|run| again(run, t)));
        waits.map_or(Reason::NotIdle(self.left()), |t| Reason::NotPostedAgain(self.seen.cpu(t)))
    }
}
