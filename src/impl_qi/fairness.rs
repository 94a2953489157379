//! The fairness that is assumed of the ring, and what it is to bring about.
//!
//! Calling is not fair; every step after the call is. The lock is strongly fair or first come, first served; the hardware's
//! fetching, executing, completing and timing out are weakly fair; steps that inject a fault are not fair.

use crate::words;

use super::driver::{Pc, Step};
use super::{Label, Lock, Ring, State};
use stateright_temporal::liveness::{Fairness, Formula, Occurs};

words! {
    /// Whether a call that waits for free slots is promised any.
    pub enum SlotFairness as "slots" {
        /// It is promised nothing: others may take each slot that comes free.
        Unfair = "unfair",
        /// If it waits and there is room infinitely often, then it posts infinitely often. A Streett pair over states, which
        /// neither the lock's nor any weak or strong fairness implies: the waiter is at the lock only when there is no room.
        Fair = "fair",
    }
}

impl<const N: usize, const T: usize, const F: usize> Ring<N, T, F> {
    /// The fairness conditions, by name, over the labels that some transition bears.
    ///
    /// | name | condition |
    /// | --- | --- |
    /// | `Step(t)` | weak fairness of the driver's steps of t, but for taking the lock |
    /// | `Acquire(t)` | taking the lock: strongly fair under [`Lock::StrongFair`], weakly under [`Lock::Fifo`] |
    /// | `Slots(t)` | under [`SlotFairness::Fair`]: t waits and there is room infinitely often ⇒ t posts infinitely often |
    /// | `Fetch` | weak fairness of fetching, finding a descriptor invalid included |
    /// | `Execute`, `Complete`, `TimeOut` | weak fairness of the hardware's other steps; what injects a fault is not fair |
    ///
    /// `borne` are the labels that the graph's transitions bear ([`stateright_temporal::graph::Graph::labels`]); a driver's step that never
    /// occurs is left out, a condition of which nothing is left is an error of [`stateright_temporal::liveness`].
    pub fn fairness(&self, slots: SlotFairness, borne: &[Label]) -> Vec<Fairness<'_, State<N, T, F>, Label>> {
        let mut conditions = Vec::new();
        for t in 0..self.cfg().submitters as u8 {
            let is_step =
                |label: &Label| matches!(label, Label::Driver(step, by) if *by == t && *step != Step::Acquire);
            let steps: Vec<Label> = borne.iter().copied().filter(is_step).collect();
            conditions.push(Fairness::weak(format!("Step(T{})", t + 1), steps));
            let acquire = [Label::Driver(Step::Acquire, t)];
            let name = format!("Acquire(T{})", t + 1);
            conditions.push(match self.cfg().lock {
                Lock::StrongFair => Fairness::strong(name, acquire),
                Lock::Fifo => Fairness::weak(name, acquire),
            });
            if slots == SlotFairness::Fair {
                conditions.push(Fairness::streett(
                    format!("Slots(T{})", t + 1),
                    Occurs::state(move |state| self.waits_with_room(state, t.into())),
                    Occurs::step(move |_, label, _| *label == Label::Driver(Step::WriteIqt, t)),
                ));
            }
        }
        let hardware = [
            ("Fetch", vec![Label::Fetch, Label::Iqe]),
            ("Execute", vec![Label::Execute]),
            ("Complete", vec![Label::Complete]),
            ("TimeOut", vec![Label::TimeOut]),
        ];
        for (name, mut labels) in hardware {
            labels.retain(|label| borne.contains(label));
            // A condition that says nothing is left out, unless it is expected to say something: then that is an error.
            if !labels.is_empty() || name == "Fetch" || name == "Complete" {
                conditions.push(Fairness::weak(name, labels));
            }
        }
        conditions
    }

    /// `wd-eventually-observed-done` for submitter `t`: once it has posted, it observes its DONE.
    pub fn observed(&self, t: usize) -> Formula<'_, State<N, T, F>, Label> {
        Formula::leads_to(move |state| self.waiting(state, t), move |state| !self.waiting(state, t))
    }

    /// `call-eventually-posted` for submitter `t`: once it wants to post, it does.
    pub fn posted(&self, t: usize) -> Formula<'_, State<N, T, F>, Label> {
        Formula::leads_to(move |state: &State<N, T, F>| state.call(t).wants_room(), move |state| self.waiting(state, t))
    }

    /// `call-eventually-returns` for submitter `t`: a call that has begun eventually returns.
    pub fn returned(&self, t: usize) -> Formula<'_, State<N, T, F>, Label> {
        let in_call = move |state: &State<N, T, F>| state.call(t).pc != Pc::Idle;
        Formula::leads_to(in_call, move |state| !in_call(state))
    }

    /// `lock-eventually-dropped` for submitter `t`: it does not keep the lock for ever.
    pub fn lock_dropped(&self, t: usize) -> Formula<'_, State<N, T, F>, Label> {
        Formula::leads_to(
            move |state: &State<N, T, F>| state.lock_holder() == Some(t),
            move |state| state.lock_holder() != Some(t),
        )
    }
}
