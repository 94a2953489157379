//! What is done under the lock, as one step: [`Grain::Sections`](super::Grain::Sections), and the premise that makes it the same.

use super::runs::{LogState, Run};
use super::tracker::Tracker;
use vtd_qi::impl_qi::MAX_SUBMITTERS;
use vtd_qi::impl_qi::{Action, AfterIte, CleanUp, Desc, Fsts, Pc, Publish, Reclaim, Request, Rules, Slot, Status};

/// Whether what is done under the lock comes to an end, and nothing is done without it.
pub(super) fn has_sections(rules: &Rules) -> bool {
    rules.clean_up == CleanUp::Locked
        && matches!(rules.publish, Publish::StatusWdIqt | Publish::StatusesFirst)
        && rules.reclaim != Reclaim::WhileFree
}

impl Tracker {
    /// Adds, for the one whose WD is about to write its status, that it has just looked, still holds the lock and is about to
    /// read FSTS.
    pub(super) fn look_before(&mut self, slot: Slot) {
        let before: Vec<Run> = self.runs.iter().cloned().collect();
        for run in before {
            let rules = &self.ring.cfg().rules;
            let polls = |t: &u8| run.polls(*t) && run.call(*t).polled_slot(rules, self.ring.length()) == slot;
            let Some(t) = (0..MAX_SUBMITTERS as u8).find(polls) else { continue };
            let mut run = run;
            while run.call(t).pc != Pc::ReadFsts {
                match self.driver(&run, t) {
                    Some(next) if next.state.lock_holder() == Some(t.into()) => run = next,
                    _ => break,
                }
            }
            if run.call(t).pc == Pc::ReadFsts {
                self.runs.insert(run);
            }
        }
    }

    /// `t` looks, or has looked, for its WD, and clears a fault; then the walk, if it comes after that.
    pub(super) fn clear_fault(&mut self, run: &Run, t: u8, cleared: Fsts) -> Option<Run> {
        let clears = match cleared {
            Fsts::ITE => Pc::ClearIte,
            Fsts::IQE => Pc::ClearIqe,
            _ => return None,
        };
        let is_mine = run.state.lock_holder() == Some(t.into());
        let has_looked = is_mine && [Pc::ReadFsts, Pc::ClearIte, Pc::ClearIqe].contains(&run.call(t).pc);
        let looks = run.polls(t) && !self.sees_done(&run.state, t) && !self.sees_abort(&run.state, t);
        if !has_looked && !looks {
            return None;
        }
        let run = if run.call(t).pc == clears { run.clone() } else { self.section(run, t)? };
        let mut run = Some(run).filter(|run| run.call(t).pc == clears).and_then(|run| self.driver(&run, t))?;
        let mut walked = 0;
        loop {
            match run.call(t).pc {
                Pc::Walk if walked == self.ring.length().slots() => break,
                Pc::Walk => {
                    walked += 1;
                    let slot = run.call(t).check.head.expect("a walk is somewhere");
                    if self.will_be_written(&run.state, slot) {
                        self.not_sound();
                    }
                }
                Pc::WalkAbort | Pc::StraddlerIqh | Pc::StraddlerLook | Pc::StraddlerSeek | Pc::StraddlerPatch => {}
                _ => break,
            }
            run = self.driver(&run, t)?;
        }
        Some(run)
    }

    /// Whether a WD that is posted or pending writes a slot's status.
    fn will_be_written(&self, state: &LogState, slot: Slot) -> bool {
        let length = self.ring.length();
        let writes = |desc| matches!(desc, Desc::Wd { target, .. } if target == slot);
        let posted = length.distance(state.iqh(), state.iqt());
        (0..posted).any(|k| writes(state.desc(length.add(state.iqh(), k))))
            || state.pending().any(|(desc, _)| writes(desc))
    }

    /// The whole post of a submitter that is idle or has to post again, and its first look.
    pub(super) fn post(&mut self, run: &Run, t: u8, ids: u8) -> Option<Run> {
        let call = run.call(t);
        let slots = u16::from(ids) + 1;
        let again = call.pc == Pc::Acquire && call.slots() == slots;
        if !(call.pc == Pc::Idle || again) || run.state.lock_holder().is_some() {
            return None;
        }
        let asks = |request: &Request| request.count() == ids && request.faults() == 0;
        let request = self.ring.requests().iter().position(asks)? as u8;
        if !self.is_undisturbed(&run.state, run.state.queue().free_head, slots) {
            self.not_sound();
        }
        let posted = self.at_once(run, |tracker, run| {
            let mut run = if again { run.clone() } else { tracker.step(run, Action::Call { t, request })? };
            loop {
                let pc = run.call(t).pc;
                if pc == Pc::NoRoom {
                    return None;
                }
                run = tracker.driver(&run, t)?;
                if pc == Pc::WriteIqt {
                    return Some(run);
                }
            }
        })?;
        if self.sees_done(&posted.state, t) { Some(posted) } else { self.section(&posted, t) }
    }

    /// Steps of `t` until it drops the lock, or is about to clear a fault, which a line shows, or has walked in vain.
    pub(super) fn section(&mut self, run: &Run, t: u8) -> Option<Run> {
        self.at_once(run, |tracker, run| {
            let mut run = tracker.driver(run, t)?;
            let mut walked = 0;
            while run.state.lock_holder() == Some(t.into()) {
                match run.call(t).pc {
                    Pc::ClearIte | Pc::ClearIqe => break,
                    Pc::Walk if walked == tracker.ring.length().slots() => break,
                    Pc::Walk => walked += 1,
                    _ => {}
                }
                run = tracker.driver(&run, t)?;
            }
            Some(run)
        })
    }

    pub(super) fn sees_abort(&self, state: &LogState, t: u8) -> bool {
        state.status(self.ring.wait_index(&state.call(t.into()))) == Status::Abort
    }

    pub(super) fn sees_done(&self, state: &LogState, t: u8) -> bool {
        let call = state.call(t.into());
        state.status(call.polled_slot(&self.ring.cfg().rules, self.ring.length())) == Status::Done
    }

    /// Whether what `t` does next, under the lock, commutes with what hardware may do.
    fn commutes_with_hardware(&self, run: &Run, t: u8) -> bool {
        let call = run.call(t);
        // Who finds nothing drops the lock, and has written nothing.
        call.pc == Pc::PollUnlock
            || call.pc == Pc::RecheckAbort && !self.sees_abort(&run.state, t)
            || self.is_undisturbed(&run.state, call.index, call.slots())
    }

    /// The premise of [`Grain::Sections`](super::Grain::Sections), for a holder of the lock whose slots begin at `first`.
    fn is_undisturbed(&self, state: &LogState, first: Slot, slots: u16) -> bool {
        let length = self.ring.length();
        let own = |slot| length.distance(first, slot) < slots;
        let harmless = |desc| match desc {
            Desc::Wd { target, .. } => !own(target) && state.status(target) == Status::InUse,
            Desc::Id { .. } | Desc::Blank | Desc::InvalidWd { .. } => true,
        };
        let posted = length.distance(state.iqh(), state.iqt());
        let mut unfetched = (0..posted).map(|k| length.add(state.iqh(), k));
        unfetched.all(|slot| !own(slot) && harmless(state.desc(slot)))
            && state.pending().all(|(desc, _)| harmless(desc))
    }

    /// Whether `t` can go on, and what it does then comes to an end: it has looked and found something.
    fn goes_on(&self, run: &Run, t: u8) -> bool {
        let holder = run.state.lock_holder();
        let holds = holder == Some(t.into());
        match run.call(t).pc {
            Pc::PollAcquire => holder.is_none() && (self.sees_done(&run.state, t) || self.sees_abort(&run.state, t)),
            Pc::Poll => holds && self.sees_done(&run.state, t),
            Pc::PollUnlock | Pc::RecheckAbort | Pc::Mark | Pc::Reclaim | Pc::ReclaimFree | Pc::Return => holds,
            _ => false,
        }
    }

    /// The run in which everybody who has found DONE or ABORT has cleaned up, which is as good as each in which somebody has
    /// not yet. Where it may not be, those are added to what is left to do.
    pub(super) fn settled(&mut self, mut run: Run, others: &mut Vec<Run>) -> Run {
        while let Some(t) = (0..MAX_SUBMITTERS as u8).find(|&t| self.goes_on(&run, t)) {
            let undisturbed = self.commutes_with_hardware(&run, t);
            let Some(next) = self.section(&run, t) else { break };
            if !undisturbed {
                self.not_sound();
            }
            // A WD that has outlived an ITE may overwrite what is seen here.
            let late = self.options.after_ite == AfterIte::WdsRun && self.faulty;
            if (late || !undisturbed) && self.runs.insert(run.clone()) {
                let more: Vec<u8> = (t + 1..MAX_SUBMITTERS as u8).filter(|&t| self.goes_on(&run, t)).collect();
                others.extend(more.into_iter().filter_map(|t| self.section(&run, t)));
            }
            run = next;
        }
        run
    }

    /// Those who can see DONE or ABORT do, and clean up; who holds the lock goes on.
    pub(super) fn hidden_sections(&mut self, run: &Run, next: &mut Vec<Run>) {
        for t in 0..MAX_SUBMITTERS as u8 {
            let holds = run.state.lock_holder() == Some(t.into());
            if holds && run.call(t).pc == Pc::ReadFsts {
                next.extend(self.section(run, t));
            } else if self.goes_on(run, t) {
                if !self.commutes_with_hardware(run, t) {
                    self.not_sound();
                }
                next.extend(self.section(run, t));
            }
        }
    }
}
