//! The bijection: a state of the Rust model as the values of the twin's variables, and a label as the name of an action.
//!
//! Submitter `t` of the Rust is `t + 1` in TLA+. The table of variables is in spec/README.md.

use std::fmt::Debug;
use std::hash::Hash;

use stateright::Model;

use super::Value;
use crate::impl_qi::{Desc, Label, Owner, Ring, Slot, State};
use crate::spec::{self, Spec, Submitter};

/// A model that has a twin in TLA+.
pub trait Twin: Model<State: Clone + Eq + Hash + Send + Sync, Action: Clone> + Sync {
    /// What fairness and the twin call an action.
    type Label: Copy + Eq + Hash + Debug + Send + Sync;

    /// The label of an action.
    fn label(action: &Self::Action) -> Self::Label;

    /// The twin's action, with its parameter, as TLC prints it.
    fn action_name(label: Self::Label) -> String;

    /// The twin's variables in a state, as a record.
    fn variables(&self, state: &Self::State) -> Value;
}

fn int(n: impl Into<i64>) -> Value {
    Value::Int(n.into())
}

/// Submitter `t` as the twin numbers it.
fn number(t: usize) -> Value {
    Value::Int(t as i64 + 1)
}

/// The twin's `Nothing` and `Idle`.
fn or_nothing(count: Option<u8>) -> Value {
    count.map_or(Value::Int(-1), int)
}

impl Twin for Spec {
    type Label = spec::Label;

    fn label(action: &spec::Action) -> spec::Label {
        spec::label(action)
    }

    fn action_name(label: spec::Label) -> String {
        label.to_string().replace("(T", "(")
    }

    fn variables(&self, state: &spec::State) -> Value {
        let view = spec::view(state);
        let calls = |value: fn(&spec::Call) -> Option<u8>| Value::seq(view.calls.iter().map(|c| or_nothing(value(c))));
        let batch = |batch: &spec::Batch| {
            Value::record([
                ("submitter", number(batch.submitter.into())),
                ("executed", int(batch.executed)),
                ("left", int(batch.left)),
            ])
        };
        let waits_for = |call: &spec::Call| match call.submitter {
            Submitter::Idle => None,
            Submitter::Waiting(count) => Some(count),
        };
        Value::record([
            ("submitter", calls(waits_for)),
            ("submit", calls(|call| call.submit)),
            ("done", calls(|call| call.done)),
            ("queue", Value::seq(view.queue.iter().map(batch))),
        ])
    }
}

fn owner(owner: Owner) -> Value {
    match owner {
        Owner::Nobody => Value::Int(0),
        Owner::Returned => Value::Int(-1),
        Owner::Submitter(t) => number(t.into()),
    }
}

fn desc(desc: Desc) -> Value {
    let (kind, target) = match desc {
        Desc::Blank => ("blank", 0),
        Desc::Id { .. } => ("id", 0),
        Desc::Wd { target, .. } | Desc::InvalidWd { target } => ("wd", target),
    };
    Value::record([("kind", Value::str(kind)), ("target", int(target))])
}

impl<const N: usize, const T: usize, const F: usize> Twin for Ring<N, T, F> {
    type Label = Label;

    fn label(action: &Self::Action) -> Label {
        action.label()
    }

    fn action_name(label: Label) -> String {
        match label {
            Label::Call(t) => format!("Call({})", t + 1),
            Label::Driver(step, t) => format!("{step:?}({})", t + 1),
            hardware => format!("{hardware:?}"),
        }
    }

    fn variables(&self, state: &State<N, T, F>) -> Value {
        let slots = |value: &dyn Fn(Slot) -> Value| Value::fun_from(0, self.length().iter().map(value));
        let calls = |value: &dyn Fn(usize) -> Value| Value::seq((0..self.cfg().submitters).map(value));
        let (queue, ghost) = (state.queue(), state.ghost());
        Value::record([
            ("free_head", int(queue.free_head)),
            ("free_tail", int(queue.free_tail)),
            ("free_cnt", int(queue.free_cnt)),
            ("desc_status", slots(&|s| Value::str(state.status(s).name()))),
            ("desc", slots(&|s| desc(state.desc(s)))),
            ("iqh", int(state.iqh())),
            ("iqt", int(state.iqt())),
            ("lock", state.lock_holder().map_or(Value::Int(0), number)),
            ("waiters", Value::seq(state.waiters().map(number))),
            ("pending", Value::seq(state.pending().map(|(pending, _)| desc(pending)))),
            ("pc", calls(&|t| Value::str(format!("{:?}", state.call(t).pc)))),
            ("count", calls(&|t| int(state.call(t).count))),
            ("index", calls(&|t| int(state.call(t).index))),
            ("at", calls(&|t| int(state.call(t).at))),
            ("posted_by", slots(&|s| owner(ghost.posted_by(s)))),
            ("done_by", slots(&|s| owner(ghost.done_by(s)))),
            ("pending_by", Value::seq(state.pending().map(|(_, by)| owner(by)))),
            ("executed", calls(&|t| int(ghost.executed(t)))),
        ])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::graph::Search;
    use crate::impl_qi::{Lock, RingCfg, Rules};
    use crate::spec::{Loss, SpecCfg};
    use crate::with_ring;

    /// No two states have the same variables, so nothing of the state is left out of the twin.
    fn assert_injective<M: Twin>(model: &M) {
        let graph = Search::new(model, M::label).run();
        let distinct: HashSet<Value> = graph.states().iter().map(|state| model.variables(state)).collect();
        assert_eq!(distinct.len(), graph.len());
    }

    #[test]
    fn variables_tell_states_apart() {
        assert_injective(&SpecCfg { submitters: 2, counts: vec![0, 1], loss: Loss::Done }.into_model().unwrap());
        for lock in [Lock::StrongFair, Lock::Fifo] {
            with_ring!(RingCfg { lock, ..RingCfg::new(Rules::G3, 2, [0, 1]) }, |ring| assert_injective(&ring)).unwrap();
        }
    }
}
