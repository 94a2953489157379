//! What the lines about faults do to the set of runs: no answer, a WD that waits, ITE, and writes of FSTS.

use super::lines::Who;
use super::runs::{LogState, Run};
use super::tracker::{Stop, Tracker};
use super::{Grain, Left, Reason};
use crate::qemu_log::{Fetched, What};
use vtd_qi::impl_qi::{Action, Desc, Fsts, HwStep, Pc};

impl Tracker {
    pub(super) fn no_answer(&mut self, thread: Option<u64>, slot: u64) -> Result<(), Reason> {
        self.seen.not_stock(Reason::StockFault("a device does not answer"))?;
        self.seen.works(thread)?;
        match self.seen.last {
            Some((fetched, Fetched::Id { device: true, .. })) if fetched == slot => Ok(()),
            _ => Err(Reason::NoRequest(slot)),
        }
    }

    pub(super) fn pends(&mut self, thread: Option<u64>, slot: u64, said: u64) -> Result<(), Reason> {
        self.seen.not_stock(Reason::StockFault("a WD waits for an answer"))?;
        self.seen.works(thread)?;
        match self.seen.last {
            Some((fetched, Fetched::Wd { address, .. })) if (fetched, address) == (slot, said) => {}
            _ => return Err(Reason::NoWait(slot)),
        }
        match self.runs.iter().any(|run| unanswered(&run.state).next().is_some()) {
            true => Ok(()),
            false => Err(Reason::WaitsForNothing(slot)),
        }
    }

    /// The oldest ID that gets no answer has timed out.
    pub(super) fn ite(&mut self, thread: Option<u64>, head: u64, tail: u64, aborted: u64) -> Result<Vec<Run>, Stop> {
        self.seen.not_stock(Reason::StockFault("ITE is set"))?;
        self.seen.works(thread)?;
        let wds = |state: &LogState| state.pending().filter(|(desc, _)| matches!(desc, Desc::Wd { .. })).count();
        let time_out = |tracker: &mut Self, run: &Run, next: &mut Vec<Run>| {
            let Left { iqh, iqt, .. } = Left::of(&run.state);
            if (head, tail) != (iqh.into(), iqt.into()) {
                return Err(Reason::IteElsewhere { head, tail, iqh, iqt });
            }
            let oldest = unanswered(&run.state).next().ok_or(Reason::IteForNothing)?;
            let mut actions = std::mem::take(&mut tracker.actions);
            actions.clear();
            tracker.ring.hardware_actions(&run.state, &mut actions);
            let lost = |action: &Action| matches!(action, Action::Hardware(HwStep::LoseAnswer { position, .. }) if *position == oldest);
            let before = next.len();
            for action in actions.iter().copied().filter(lost) {
                let dropped = |after: &Run| (wds(&run.state) - wds(&after.state)) as u64 + run.beside == aborted;
                let after = tracker.step(run, action).filter(dropped);
                next.extend(after.map(|after| Run { beside: 0, ..after }));
            }
            tracker.actions = actions;
            match next.len() == before {
                true => Err(Reason::Aborted { aborted, pending: wds(&run.state) + run.beside as usize }),
                false => Ok(()),
            }
        };
        self.continued(time_out, |_| Reason::IteForNothing)
    }

    /// Somebody writes, or has written, FSTS.
    pub(super) fn fsts_write(&mut self, thread: Option<u64>, what: &What) -> Result<Vec<Run>, Stop> {
        if let What::Fsts { .. } = what {
            self.seen.not_stock(Reason::StockFault("FSTS is written"))?;
        }
        let who = match thread {
            None => Some(Who::Any),
            Some(_) => self.seen.cpus.iter().position(|cpu| *cpu == thread).map(|t| Who::One(t as u8)),
        };
        let mut cleared_iqe = false;
        let write = |tracker: &mut Self, run: &Run, next: &mut Vec<Run>| {
            let set = run.state.fsts();
            let cleared = match *what {
                What::Fsts { now } => {
                    // ICE has no line of its own, and changes nothing in the ring: the driver clears it and polls on.
                    let fsts = Fsts::of_register(now).without(Fsts::ICE);
                    if fsts.without(set) != Fsts::NONE {
                        return Err(Reason::OtherFault(now));
                    }
                    set.without(fsts)
                }
                What::FstsRegister { value } if set.has(Fsts::IQE) && Fsts::of_register(value).has(Fsts::IQE) => {
                    Fsts::IQE
                }
                _ => Fsts::NONE,
            };
            if cleared == Fsts::NONE {
                // The driver writes FSTS for other reasons too: at start-up, and where a DMA fault was reported.
                next.push(run.clone());
                return Ok(());
            }
            cleared_iqe |= cleared.has(Fsts::IQE);
            let who = who.ok_or(Reason::NoCpuClears(thread.unwrap_or(0)))?;
            for t in who.all() {
                let run = match tracker.options.grain {
                    Grain::Sections => tracker.clear_fault(run, t, cleared),
                    Grain::Steps => match run.call(t).pc {
                        Pc::ClearIte if cleared == Fsts::ITE => tracker.driver(run, t),
                        Pc::ClearIqe if cleared == Fsts::IQE => tracker.driver(run, t),
                        _ => None,
                    },
                };
                tracker.seen.cleared[usize::from(t)] |= run.is_some() && cleared.has(Fsts::ITE);
                next.extend(run);
            }
            Ok(())
        };
        let next = self.continued(write, |tracker| match who {
            Some(Who::One(t)) => tracker.no_clear(t),
            _ => Reason::NobodyClears,
        })?;
        self.seen.stalled |= cleared_iqe;
        Ok(next)
    }
}

/// Positions of the pending IDs that get no answer, oldest first: those that are answered are no longer pending.
pub(super) fn unanswered(state: &LogState) -> impl Iterator<Item = u8> + '_ {
    state.pending().zip(0..).filter_map(|((desc, _), position)| matches!(desc, Desc::Id { .. }).then_some(position))
}
