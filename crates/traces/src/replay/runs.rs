//! Runs of the ring that look like the lines read so far, of which only the last state is kept.

use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::{Breach, SpecSteps};
use vtd_qi::impl_qi::{Call, Pc, WideRing, WideState};

/// A ring with room for all that a log can show.
pub(super) type LogRing = WideRing<1>;

/// A state of it.
pub(super) type LogState = WideState<1>;

/// A run, by the state that it leads to.
#[derive(Clone)]
pub(super) struct Run {
    pub state: LogState,
    /// The steps of the specification in it; of a run that breaks a promise, those up to there.
    pub steps: SpecSteps,
    /// The first promise that it breaks.
    pub breach: Option<Arc<Breach>>,
    /// How many WDs hardware holds beside those of the state, all behind an ID that gets no answer.
    pub beside: u64,
}

impl Run {
    pub fn call(&self, t: u8) -> Call {
        self.state.call(t.into())
    }

    /// Whether submitter `t` has posted, dropped the lock and not taken it since, and the lock is free.
    pub fn polls(&self, t: u8) -> bool {
        self.state.lock_holder().is_none() && self.call(t).pc == Pc::PollAcquire
    }
}

/// A set of runs, each state once. A run that keeps all promises is preferred to one that does not.
#[derive(Clone, Default)]
pub(super) struct Runs {
    list: Vec<Run>,
    /// Where a state is in the list; only of long lists.
    index: HashMap<LogState, usize, FxBuildHasher>,
}

/// So many states are compared one by one.
const FEW: usize = 6;

impl Runs {
    /// Adds a run; whether that says anything new.
    pub fn insert(&mut self, run: Run) -> bool {
        let known = match self.list.len() {
            ..=FEW => self.list.iter().position(|other| other.state == run.state),
            _ => self.index.get(&run.state).copied(),
        };
        match known {
            Some(at) if self.list[at].breach.is_some() && run.breach.is_none() => self.list[at] = run,
            Some(_) => return false,
            None => {
                if self.list.len() == FEW {
                    self.index.extend(self.list.iter().enumerate().map(|(at, run)| (run.state, at)));
                }
                if self.list.len() >= FEW {
                    self.index.insert(run.state, self.list.len());
                }
                self.list.push(run);
            }
        }
        true
    }

    pub fn clear(&mut self) {
        self.list.clear();
        self.index.clear();
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Run> {
        self.list.iter()
    }

    /// Takes the runs out.
    pub fn take(&mut self) -> Vec<Run> {
        self.index.clear();
        std::mem::take(&mut self.list)
    }
}
