//! What is done under the lock, as one step: [`Grain::Sections`](super::Grain::Sections), and the premise that makes it the same.

use super::tracker::{Run, Stop, Tracker, Unsound};
use vtd_qi::impl_qi::{Action, CleanUp, Desc, Pc, Publish, Reclaim, Rules, Slot, State, Status};

/// Whether what is done under the lock comes to an end, and nothing is done without it.
pub(super) fn has_sections(rules: &Rules) -> bool {
    rules.clean_up == CleanUp::Locked
        && matches!(rules.publish, Publish::StatusWdIqt | Publish::StatusesFirst)
        && rules.reclaim != Reclaim::WhileFree
}

impl<const N: usize, const T: usize, const F: usize> Tracker<'_, N, T, F> {
    pub(super) fn polls(&self, state: &State<N, T, F>, t: u8) -> bool {
        state.lock_holder().is_none() && state.call(t.into()).pc == Pc::PollAcquire
    }

    /// Adds, for the one whose WD is about to write its status, that it has just looked, still holds the lock and is about to
    /// read FSTS.
    pub(super) fn look_before(&mut self, slot: Slot) {
        let rules = &self.ring.cfg().rules;
        let looks = |state: &State<N, T, F>| {
            (0..self.ring.cfg().submitters as u8)
                .find(|&t| self.polls(state, t) && state.call(t.into()).polled_slot(rules, self.ring.length()) == slot)
        };
        let looking: Vec<(Run<N, T, F>, u8)> =
            self.runs.iter().filter_map(|(state, steps)| Some(((*state, *steps), looks(state)?))).collect();
        for (mut run, t) in looking {
            while run.0.call(t.into()).pc != Pc::ReadFsts {
                match self.driver(run, t) {
                    Some(next) if next.0.lock_holder() == Some(t.into()) => run = next,
                    _ => break,
                }
            }
            if run.0.call(t.into()).pc == Pc::ReadFsts {
                self.runs.insert(run.0, run.1);
            }
        }
    }

    /// `t` looks, or has looked, for its WD, and clears ITE; then the walk, if it comes after that.
    pub(super) fn clear_ite(&mut self, run: Run<N, T, F>, t: u8) -> Result<Option<Run<N, T, F>>, Stop> {
        let me = usize::from(t);
        let call = run.0.call(me);
        let has_looked = run.0.lock_holder() == Some(me) && matches!(call.pc, Pc::ReadFsts | Pc::ClearIte);
        let looks = self.polls(&run.0, t) && !self.sees_done(&run.0, t) && !self.sees_abort(&run.0, t);
        if !has_looked && !looks {
            return Ok(None);
        }
        let at_clear = if call.pc == Pc::ClearIte { Some(run) } else { self.section(run, t) };
        let Some(run) = at_clear.filter(|(state, _)| state.call(me).pc == Pc::ClearIte) else { return Ok(None) };
        let Some(mut run) = self.driver(run, t) else { return Ok(None) };
        let (length, mut walked) = (self.ring.length(), 0);
        loop {
            let call = run.0.call(me);
            match call.pc {
                Pc::Walk if walked == length.slots() => break,
                Pc::Walk => {
                    walked += 1;
                    let slot = call.check.head.expect("a walk is somewhere");
                    if self.will_be_written(&run.0, slot) {
                        return Err(Stop::Unsound);
                    }
                }
                Pc::WalkAbort | Pc::StraddlerIqh | Pc::StraddlerLook | Pc::StraddlerSeek | Pc::StraddlerPatch => {}
                _ => break,
            }
            match self.driver(run, t) {
                Some(next) => run = next,
                None => return Ok(None),
            }
        }
        Ok(Some(run))
    }

    /// Whether a WD that is posted or pending writes a slot's status.
    fn will_be_written(&self, state: &State<N, T, F>, slot: Slot) -> bool {
        let length = self.ring.length();
        let writes = |desc| matches!(desc, Desc::Wd { target, .. } if target == slot);
        let posted = length.distance(state.iqh(), state.iqt());
        (0..posted).any(|k| writes(state.desc(length.add(state.iqh(), k))))
            || state.pending().any(|(desc, _)| writes(desc))
    }

    /// The whole post of a submitter that is idle or has to post again, and its first look.
    pub(super) fn post(&mut self, run: Run<N, T, F>, t: u8, number: usize) -> Result<Option<Run<N, T, F>>, Stop> {
        let (post, call) = (self.plan.posts[number], run.0.call(t.into()));
        let slots = u16::from(post.ids.unwrap_or(0)) + 1;
        let again = call.pc == Pc::Acquire && call.slots() == slots;
        if !(call.pc == Pc::Idle || again) || run.0.lock_holder().is_some() {
            return Ok(None);
        }
        let Some(request) = post.request else { return Ok(None) };
        self.undisturbed(&run.0, run.0.queue().free_head, slots)?;
        let called = if again { Some(run) } else { self.step(run, Action::Call { t, request }) };
        let posted = called.and_then(|mut run| {
            loop {
                let pc = run.0.call(t.into()).pc;
                if pc == Pc::NoRoom {
                    break None;
                }
                run = self.driver(run, t)?;
                if pc == Pc::WriteIqt {
                    break Some(run);
                }
            }
        });
        Ok(posted.and_then(|run| if self.sees_done(&run.0, t) { Some(run) } else { self.section(run, t) }))
    }

    /// Steps of `t` until it drops the lock, or is about to clear ITE, which a line shows, or has walked in vain.
    pub(super) fn section(&mut self, run: Run<N, T, F>, t: u8) -> Option<Run<N, T, F>> {
        let mut run = self.driver(run, t)?;
        let mut walked = 0;
        while run.0.lock_holder() == Some(t.into()) {
            match run.0.call(t.into()).pc {
                Pc::ClearIte => break,
                Pc::Walk if walked == self.ring.length().slots() => break,
                Pc::Walk => walked += 1,
                _ => {}
            }
            run = self.driver(run, t)?;
        }
        Some(run)
    }

    pub(super) fn sees_abort(&self, state: &State<N, T, F>, t: u8) -> bool {
        F > 0 && state.status(self.ring.wait_index(&state.call(t.into()))) == Status::Abort
    }

    pub(super) fn sees_done(&self, state: &State<N, T, F>, t: u8) -> bool {
        let call = state.call(t.into());
        state.status(call.polled_slot(&self.ring.cfg().rules, self.ring.length())) == Status::Done
    }

    /// The premise of [`Grain::Sections`], for a holder of the lock whose slots begin at `first`.
    fn undisturbed(&self, state: &State<N, T, F>, first: Slot, slots: u16) -> Result<(), Unsound> {
        let length = self.ring.length();
        let own = |slot| length.distance(first, slot) < slots;
        let harmless = |desc| match desc {
            Desc::Wd { target, .. } => !own(target) && state.status(target) == Status::InUse,
            Desc::Id { .. } | Desc::Blank | Desc::InvalidWd { .. } => true,
        };
        let posted = length.distance(state.iqh(), state.iqt());
        let mut unfetched = (0..posted).map(|k| length.add(state.iqh(), k));
        let sound = unfetched.all(|slot| !own(slot) && harmless(state.desc(slot)))
            && state.pending().all(|(desc, _)| harmless(desc));
        if sound { Ok(()) } else { Err(Unsound) }
    }

    /// Those who can see DONE or ABORT do, and clean up; who holds the lock goes on.
    pub(super) fn hidden_sections(&mut self, run: Run<N, T, F>, next: &mut Vec<Run<N, T, F>>) -> Result<(), Unsound> {
        let holder = run.0.lock_holder();
        for t in 0..self.ring.cfg().submitters as u8 {
            let holds = holder == Some(t.into());
            let call = run.0.call(t.into());
            let sees = |tracker: &Self| tracker.sees_done(&run.0, t) || tracker.sees_abort(&run.0, t);
            if holds && (call.pc == Pc::ReadFsts || call.pc == Pc::RecheckAbort && !self.sees_abort(&run.0, t)) {
                next.extend(self.section(run, t));
                continue;
            }
            let cleans_up = match call.pc {
                Pc::PollAcquire => holder.is_none() && sees(self),
                Pc::Poll => holds && self.sees_done(&run.0, t),
                Pc::RecheckAbort | Pc::Mark | Pc::Reclaim => holds,
                _ => false,
            };
            if cleans_up {
                self.undisturbed(&run.0, call.index, call.slots())?;
                next.extend(self.section(run, t));
            }
        }
        Ok(())
    }
}
