//! Which reason is given where no state is left: what all the states before have in common.

use super::Reason;
use super::tracker::Tracker;
use vtd_qi::impl_qi::{Desc, Fsts, IteClear, Outcome, Pc, Slot, State, Status};

impl<const N: usize, const T: usize, const F: usize> Tracker<'_, N, T, F> {
    /// Why nobody can post.
    pub(super) fn no_post(&self, cpu: u64, t: u8, ids: u8, to: Slot) -> Reason {
        let rules = &self.ring.cfg().rules;
        if let Some(reason) = self.lock_kept(cpu) {
            return reason;
        }
        if let Some(state) =
            self.runs.keys().next().filter(|_| self.runs.keys().all(|s| self.ring.waiting(s, t.into())))
        {
            let wd = self.ring.wait_index(&state.call(t.into()));
            return match self.runs.keys().all(|state| self.passed_over(state, t, wd)) {
                true => Reason::PassedOver { cpu, wd },
                false => Reason::StillWaits { cpu, wd },
            };
        }
        let again =
            self.runs.keys().find(|state| state.ghost().is_reposting(t.into())).map(|state| state.call(t.into()).count);
        if let Some(again) = again.filter(|&again| again != ids) {
            return Reason::OtherBatch { cpu, ids, again };
        }
        let (needed, free) = (rules.slots_needed(ids), self.runs.keys().map(|state| state.queue().free_cnt).max());
        match free {
            Some(free) if free < needed => Reason::NoRoom { ids, needed, free },
            _ => Reason::NoPost(to),
        }
    }

    /// Whether in all states the same submitter holds the lock and will not drop it before ITE is cleared, or never.
    pub(super) fn lock_kept(&self, cpu: u64) -> Option<Reason> {
        let holder = self.any().lock_holder()?;
        let at = |state: &State<N, T, F>, pcs: &[Pc]| {
            state.lock_holder() == Some(holder) && pcs.contains(&state.call(holder).pc)
        };
        let by = self.cpu(holder);
        if self.runs.keys().all(|state| at(state, &[Pc::Walk, Pc::WalkAbort])) {
            let end = self.any().call(holder).check.tail?;
            return Some(Reason::EndlessWalk { cpu, by, end });
        }
        let (looks, clears) =
            ([Pc::Poll, Pc::CheckAbort, Pc::ReadFsts], [Pc::IteIqh, Pc::IteIqt, Pc::ReadIqer, Pc::ClearIte]);
        let t = holder as u8;
        let will_clear = |state: &State<N, T, F>| {
            at(state, &clears)
                || at(state, &looks)
                    && state.fsts().has(Fsts::ITE)
                    && !(self.sees_done(state, t) || self.sees_abort(state, t))
        };
        self.runs.keys().all(will_clear).then_some(Reason::ClearsFirst { cpu, by })
    }

    /// Whether a walk that comes before ITE is cleared has no end.
    pub(super) fn endless_before(&mut self, cpu: u64, t: u8) -> Option<Reason> {
        if self.ring.cfg().rules.ite_clear == IteClear::BeforeWalk {
            return None;
        }
        let run = self.runs.iter().map(|(state, steps)| (*state, *steps)).find(|run| self.polls(&run.0, t))?;
        let (state, _) = self.section(run, t)?;
        let call = state.call(t.into());
        let end = call.check.tail.filter(|_| matches!(call.pc, Pc::Walk | Pc::WalkAbort))?;
        Some(Reason::EndlessWalk { cpu, by: cpu, end })
    }

    /// Whether `t`'s WD is neither in the ring nor in hardware, and nobody has told its owner.
    fn passed_over(&self, state: &State<N, T, F>, t: u8, wd: Slot) -> bool {
        state.status(wd) == Status::InUse
            && !state.fsts().has(Fsts::ITE)
            && !state.ghost().posted_by(wd).is(t.into())
            && state.pending().all(|(desc, owner)| !(owner.is(t.into()) && desc == Desc::wd(wd)))
    }

    /// What is missing at the end.
    pub(super) fn not_idle(&self) -> Reason {
        let left = self.left();
        if self.any().fsts().has(Fsts::ITE) {
            return Reason::IteLeft;
        }
        let again = |state: &State<N, T, F>, t: u8| {
            state.ghost().is_reposting(t.into())
                || state.call(t.into()).outcome == Outcome::Again
                || self.ring.waiting(state, t.into()) && self.sees_abort(state, t)
        };
        let waits = (0..self.ring.cfg().submitters as u8).find(|&t| self.runs.keys().all(|state| again(state, t)));
        waits.map_or(Reason::NotIdle(left), |t| Reason::NotPostedAgain(self.cpu(t)))
    }
}
