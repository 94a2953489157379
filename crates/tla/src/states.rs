//! The bijection: a state of the Rust model as the values of the twin's variables, and a label as the name of an action.
//!
//! Submitter `t` of the Rust is `t + 1` in TLA+. The table of variables is in spec/README.md.

use std::fmt::Debug;
use std::hash::Hash;

use stateright::Model;

use super::Value;
use vtd_qi::impl_qi::{
    Call, Desc, Fsts, Handout, IdKind, Label, Owner, Pc, Request, Ring, RingCfg, Rules, Slot, State,
};
use vtd_qi::spec::{self, Spec, Submitter};

/// The specification of spec/ that a ring is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingModule {
    /// QISubmitSync: nothing fails, no fault check is modelled, and the driver is this generation.
    SubmitSync(&'static str),
    /// QIRing: nothing fails and no fault check is modelled, but the driver follows other rules.
    Rules,
    /// QIRingFaults: the fault check is modelled.
    Faults,
}

impl RingModule {
    /// The specification that a ring is one of.
    pub fn of(cfg: &RingCfg) -> RingModule {
        if cfg.checks_faults() {
            return RingModule::Faults;
        }
        let as_driver = cfg.handout == Handout::AsDriver;
        match PLAIN_GENERATIONS.iter().find(|(_, rules)| as_driver && cfg.rules == *rules) {
            Some((generation, _)) => RingModule::SubmitSync(generation),
            None => RingModule::Rules,
        }
    }

    /// The files of spec/ that it is made of, the one that is checked first.
    pub fn files(self) -> &'static [&'static str] {
        match self {
            RingModule::SubmitSync(_) => &["MCQISubmitSync", "QISubmitSyncProperties", "QISubmitSync", "QI"],
            RingModule::Rules => &["MCQIRing", "QIRingProperties", "QIRing", "QIRingRules", "QI"],
            RingModule::Faults => &[
                "MCQIRingFaults",
                "QIRingFaultsProperties",
                "QIRingFaults",
                "QIRingFaultCheck",
                "QIRingProperties",
                "QIRing",
                "QIRingRules",
                "QI",
            ],
        }
    }

    /// The names of the rules that are constants of QIRing or QIRingFaults. Where nothing fails, the rules of the fault check mean
    /// nothing and are no constants.
    pub fn rules(self) -> impl Iterator<Item = &'static str> {
        let means_something = move |rule: &&str| self == RingModule::Faults || !FAULT_RULES.contains(rule);
        Rules::NAMES.into_iter().filter(means_something)
    }
}

/// The rules that only the fault check follows.
const FAULT_RULES: [&str; 8] =
    ["ite-walk", "time-out", "ite-clear", "straddler", "iqe-at", "iqe-patch", "iqe-return", "presence"];

/// The generations of spec/QISubmitSync.tla.
pub const PLAIN_GENERATIONS: [(&str, Rules); 2] = [("G3", Rules::G3), ("G4", Rules::G4)];

/// A model that has a twin in TLA+.
pub trait Twin: Model<State: Clone + Eq + Hash + Send + Sync, Action: Clone> + Sync {
    /// What fairness and the twin call an action.
    type Label: Copy + Eq + Hash + Debug + Send + Sync;

    /// The label of an action.
    fn label(action: &Self::Action) -> Self::Label;

    /// The twin's action, with its parameter, as TLC prints it.
    fn action_name(label: Self::Label) -> String;

    /// The variables of the twin's module in a state, as a record.
    fn variables(&self, state: &Self::State) -> Value;

    /// The variables of the module that has the most, so that models of different modules can be compared.
    fn every_variable(&self, state: &Self::State) -> Value {
        self.variables(state)
    }
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
    type Label = spec::SpecLabel;

    fn label(action: &spec::SpecAction) -> spec::SpecLabel {
        spec::label(action)
    }

    fn action_name(label: spec::SpecLabel) -> String {
        label.to_string().replace("(T", "(")
    }

    fn variables(&self, state: &spec::SpecState) -> Value {
        let view = spec::view(state);
        let calls =
            |value: fn(&spec::SpecCall) -> Option<u8>| Value::seq(view.calls.iter().map(|c| or_nothing(value(c))));
        let batch = |batch: &spec::Batch| {
            Value::record([
                ("submitter", number(batch.submitter.into())),
                ("executed", int(batch.executed)),
                ("left", int(batch.left)),
            ])
        };
        let waits_for = |call: &spec::SpecCall| match call.submitter {
            Submitter::Idle => None,
            Submitter::Waiting(count) | Submitter::Aborted(count) => Some(count),
        };
        let fault = |call: &spec::SpecCall| {
            Value::str(match call.fault {
                None => "none",
                Some(spec::CallFault::Aborted) => "aborted",
                Some(spec::CallFault::Refused) => "refused",
            })
        };
        let again = |call: &spec::SpecCall| Value::Bool(matches!(call.submitter, Submitter::Aborted(_)));
        Value::record([
            ("submitter", calls(waits_for)),
            ("submit", calls(|call| call.submit)),
            ("done", calls(|call| call.done)),
            ("queue", Value::seq(view.queue.iter().map(batch))),
            ("fault", Value::seq(view.calls.iter().map(fault))),
            ("again", Value::seq(view.calls.iter().map(again))),
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

/// Whom an ID asks.
fn asks(kind: IdKind) -> Value {
    match kind {
        IdKind::Unit => Value::Int(0),
        IdKind::Device(device) => int(device),
        IdKind::Invalid => Value::Int(-1),
    }
}

/// A descriptor of QISubmitSync and of QIRing, where nothing tells IDs apart and every WD is valid.
fn plain_desc(desc: Desc) -> Value {
    Value::record(plain_desc_fields(desc))
}

fn plain_desc_fields(desc: Desc) -> [(&'static str, Value); 2] {
    let (kind, target) = match desc {
        Desc::Blank => ("blank", None),
        Desc::Id { .. } => ("id", None),
        Desc::Wd { target, .. } => ("wd", Some(target)),
        Desc::InvalidWd { target } => ("invalid-wd", Some(target)),
    };
    [("kind", Value::str(kind)), ("target", or_nothing(target))]
}

/// A descriptor of QIRingFaults: more is known of IDs, and of what a WD writes.
fn desc(desc: Desc) -> Value {
    let more = match desc {
        Desc::Blank | Desc::InvalidWd { .. } => vec![],
        Desc::Id { number, kind } => vec![("number", int(number)), ("asks", asks(kind))],
        Desc::Wd { data, .. } => vec![("data", Value::str(data.status().name()))],
    };
    Value::record(plain_desc_fields(desc).into_iter().chain(more))
}

/// What a call asks for; `None` outside calls and where the fault check is not modelled.
fn request(request: Option<Request>) -> Value {
    let ids = request.into_iter().flat_map(Request::kinds).map(asks);
    let invalid_wd = request.is_some_and(Request::has_invalid_wd);
    Value::record([("ids", Value::seq(ids)), ("wd", Value::str(if invalid_wd { "invalid" } else { "valid" }))])
}

fn set(items: impl IntoIterator<Item = Value>) -> Value {
    Value::Set(items.into_iter().collect())
}

fn fsts(fsts: Fsts) -> Value {
    let named = [(Fsts::IQE, "IQE"), (Fsts::ITE, "ITE"), (Fsts::ICE, "ICE")];
    set(named.into_iter().filter(|(fault, _)| fsts.has(*fault)).map(|(_, name)| Value::str(name)))
}

/// Numbers of bits that are set.
fn bits(bits: u16) -> Value {
    set((0..16u8).filter(|bit| bits >> bit & 1 == 1).map(int))
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
        variables(self, state, RingModule::of(self.cfg()) != RingModule::Faults)
    }

    fn every_variable(&self, state: &State<N, T, F>) -> Value {
        variables(self, state, false)
    }
}

/// The variables of QIRingFaults, or if `plain` those of QISubmitSync and of QIRing.
fn variables<const N: usize, const T: usize, const F: usize>(
    ring: &Ring<N, T, F>,
    state: &State<N, T, F>,
    plain: bool,
) -> Value {
    let slots = |value: &dyn Fn(Slot) -> Value| Value::fun_from(0, ring.length().iter().map(value));
    let calls = |value: &dyn Fn(usize) -> Value| Value::seq((0..ring.cfg().submitters).map(value));
    let (queue, ghost) = (state.queue(), state.ghost());
    let desc = if plain { plain_desc } else { desc };
    let asked = |t: usize| {
        let call = state.call(t);
        (F > 0 && call.pc != Pc::Idle).then(|| ring.request(&call))
    };
    let check = (0..ring.cfg().submitters).map(|t| state.call(t)).find(|call| call.pc.is_fault_check());
    let check = check.unwrap_or(Call::IDLE).check;
    let variables = vec![
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
    ];
    // What only faults change.
    let more = vec![
        ("fsts", fsts(state.fsts())),
        ("itesid", int(state.itesid())),
        ("gone", set((1..=ring.cfg().faults.devices).filter(|&device| state.is_gone(device)).map(int))),
        ("injected", int(state.injected())),
        ("request", calls(&|t| request(asked(t)))),
        ("outcome", calls(&|t| Value::str(format!("{:?}", state.call(t).outcome)))),
        (
            "check",
            Value::record([
                ("fault", fsts(check.fault)),
                ("head", or_nothing(check.head)),
                ("tail", or_nothing(check.tail)),
                ("itesid", int(check.itesid)),
            ]),
        ),
        ("executed_ids", calls(&|t| bits(ghost.executed_ids(t)))),
        ("executed_since_post", calls(&|t| bits(ghost.executed_ids_since_post(t)))),
        ("reposting", calls(&|t| Value::Bool(ghost.is_reposting(t)))),
    ];
    Value::record(variables.into_iter().chain(if plain { Vec::new() } else { more }))
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hasher};

    use super::*;
    use stateright_temporal::graph::Search;
    use vtd_qi::impl_qi::{AfterIte, FaultCheck, FaultClass, Faults, Hardware, Lock, RingCfg, Rules};
    use vtd_qi::spec::{Loss, SpecCfg};
    use vtd_qi::with_ring;

    /// No two states have the same variables, so nothing of the state is left out of the twin.
    ///
    /// The variables of a state take kilobytes, so their hashes are compared: equal variables have equal hashes.
    fn assert_injective<M: Twin>(model: &M) {
        let graph = Search::new(model, M::label).run();
        let hash = |state| {
            let mut hasher = DefaultHasher::new();
            model.variables(state).hash(&mut hasher);
            hasher.finish()
        };
        let mut distinct: Vec<u64> = graph.states().iter().map(hash).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), graph.len());
    }

    #[test]
    fn variables_tell_states_apart() {
        for faults in [spec::SpecFaults::None, spec::SpecFaults::Possible] {
            let cfg = SpecCfg { submitters: 2, counts: vec![0, 1], loss: Loss::Done, faults };
            assert_injective(&cfg.into_model().unwrap());
        }
        for lock in [Lock::StrongFair, Lock::Fifo] {
            let cfg = RingCfg { lock, ..RingCfg::new(Rules::G3, 2, [0, 1]) };
            with_ring!(cfg.validate().unwrap(), |ring| assert_injective(&ring));
        }
        for (rules, class) in [Rules::G1, Rules::G3T, Rules::G5, Rules::G5_PLUS].into_iter().zip([
            FaultClass::LostAnswer,
            FaultClass::InvalidId,
            FaultClass::DeviceGone,
            FaultClass::InvalidWd,
        ]) {
            let faults = Faults { after_ite: AfterIte::WdsRun, devices: 1, ..Faults::of([class, FaultClass::Ice], 1) };
            let hardware = Hardware::pipelined(2);
            let cfg = RingCfg { faults, hardware, ..RingCfg::new(rules, 2, [1]) };
            with_ring!(cfg.validate().unwrap(), |ring| assert_injective(&ring));
        }
        let always = RingCfg { fault_check: FaultCheck::Always, ..RingCfg::new(Rules::G5, 2, [0, 1]) };
        with_ring!(always.validate().unwrap(), |ring| assert_injective(&ring));
    }
}
