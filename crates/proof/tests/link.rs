//! Every step of the model is one of the relation, and the other way round.

use std::collections::BTreeSet;

use vtd_qi::impl_qi::{Action, Handout, Hardware, Pc, Ring, RingCfg, Rules, ValidRing};
use vtd_qi::scenario::Table;
use vtd_qi::temporal::graph::{Coverage, Limits, Search};
use vtd_qi::with_ring;
use vtd_qi_proof::link::{Direction, Link, Mismatch};
use vtd_qi_proof::liveness::{completed, helpful, next_owner, section, uncompleted};
use vtd_qi_proof::refinement::{ACCEPTED, DONE, IDLE, SENT, phase};
use vtd_qi_proof::relation::Relation;
use vtd_qi_proof::term::{Term, all, every_submitter, not};
use vtd_qi_proof::theorem::THEOREMS;
use vtd_qi_proof::vars::{StateVar, stands, var};

/// A state costs some fifty microseconds, and on the ring of 256 slots ten times as much.
const MOST_STATES: usize = 170_000;

/// What was compared of a scenario: states, steps, and whether that was all of them.
type Compared = Result<(usize, usize, Coverage), Mismatch>;

/// A ring of any capacity; none has faults.
trait Compare {
    fn compare(&self, relation: &Relation) -> Compared;
    fn breach(&self, relation: &Relation) -> (usize, BTreeSet<&'static str>, BTreeSet<&'static str>);
}

impl<const N: usize, const T: usize> Compare for Ring<N, T, 1> {
    fn compare(&self, _: &Relation) -> Compared {
        unreachable!("scenarios with faults are left out")
    }

    fn breach(&self, _: &Relation) -> (usize, BTreeSet<&'static str>, BTreeSet<&'static str>) {
        unreachable!("scenarios with faults are left out")
    }
}

impl<const N: usize, const T: usize> Compare for Ring<N, T, 0> {
    fn compare(&self, relation: &Relation) -> Compared {
        let canonical = |state: &_| self.canonical(state);
        let slots = usize::from(self.length().slots());
        let limits = Limits { max_states: MOST_STATES.min(MOST_STATES * 20 / slots), ..Limits::default() };
        let graph = Search::new(self, Action::label).canonical(&canonical).limits(limits).run();
        let link = Link::new(self, relation);
        link.beginning()?;
        let steps = graph.states().iter().map(|state| link.steps(state, Direction::Both)).sum::<Result<usize, _>>()?;
        Ok((graph.len(), steps, graph.coverage()))
    }

    fn breach(&self, relation: &Relation) -> (usize, BTreeSet<&'static str>, BTreeSet<&'static str>) {
        let breach = Link::new(self, relation).breach().unwrap().expect("the invariant breaks");
        (breach.run.len(), [breach.step].into(), breach.broken.into_iter().collect())
    }
}

/// The rings of the table without faults and with rules that are translated, each once.
fn rings() -> Vec<(String, ValidRing)> {
    let mut rings: Vec<(String, ValidRing)> = Vec::new();
    for scenario in &Table::embedded().scenarios {
        let cfg = &scenario.cfg;
        let is_meant = cfg.faults.is_none() && cfg.handout == Handout::AsDriver;
        if is_meant && Relation::of(&cfg.rules, 0).is_ok() && rings.iter().all(|(_, other)| other != cfg) {
            rings.push((scenario.name.clone(), cfg.clone()));
        }
    }
    rings
}

/// Whether the theorem about its generation and counts is one that breaks.
fn breaks(ring: &ValidRing) -> bool {
    let is_about = |rules| Relation::of(rules, 0).unwrap().clean_up == Relation::of(&ring.rules, 0).unwrap().clean_up;
    let least = i64::from(ring.counts[0]);
    let theorem =
        THEOREMS.iter().filter(|theorem| is_about(&theorem.rules) && theorem.least <= least).max_by_key(|of| of.least);
    theorem.unwrap().breaks_at.is_some()
}

#[test]
fn every_step_of_the_ring_is_one_of_the_relation_and_the_other_way_round() {
    let (mut whole, mut cut, mut states, mut steps) = (0, Vec::new(), 0, 0);
    for (name, cfg) in rings().into_iter().filter(|(_, cfg)| !breaks(cfg)) {
        let relation = Relation::of(&cfg.rules, i64::from(cfg.counts[0]).min(1)).unwrap();
        let compared = with_ring!(cfg, |ring| ring.compare(&relation));
        let (of_states, of_steps, coverage) = compared.unwrap_or_else(|error| panic!("{name}: {error}"));
        (states, steps) = (states + of_states, steps + of_steps);
        match coverage {
            Coverage::Complete => whole += 1,
            Coverage::CutByMaxStates => cut.push(name),
            other => panic!("{name}: {other:?}"),
        }
    }
    eprintln!(
        "{whole} rings compared whole, {states} states and {steps} steps in all; the first states only of {cut:?}"
    );
    assert!(whole >= 40 && states > 800_000 && steps > 2_000_000, "{whole} {states} {steps}");
    // Each kind of ring is compared to its end in some size.
    for family in
        ["g3-c1", "g3-c12", "g4-c0", "g4-c01", "g4-c012", "g4-c01-fifo", "g4-c012-pipelined", "g4-c012-shallow"]
    {
        let sizes = ["2x4", "2x6"].map(|size| format!("{family}-{size}"));
        assert!(sizes.iter().all(|name| !cut.contains(name)), "{family} was cut");
    }
}

/// Before the fix and with lone WDs the invariant breaks on the ring itself, at the step at which the proof breaks.
#[test]
fn the_proof_that_breaks_breaks_on_the_ring_too() {
    let theorem = THEOREMS.iter().find(|theorem| theorem.breaks_at.is_some()).unwrap();
    let breach = theorem.breach().unwrap().unwrap();
    assert_eq!((Some(breach.step), &breach.broken[..]), (theorem.breaks_at, &["waiting", "waiting-slots"][..]));
    assert_eq!(breach.run.last().unwrap(), "T2 ReclaimFree");
    let refuted: Vec<_> = theorem.obligations().unwrap().into_iter().filter(|of| breach.refutes(of)).collect();
    let names: Vec<_> = refuted.iter().map(|of| (of.claim, of.conjunct)).collect();
    // The same step is none of the specification: the table says so too.
    assert_eq!(names, [("invariant", "waiting"), ("invariant", "waiting-slots"), ("refines-spec", "step")]);
    for (name, cfg) in rings().into_iter().filter(|(name, cfg)| breaks(cfg) && name.contains("-2x")) {
        let relation = Relation::of(&cfg.rules, 0).unwrap();
        let (_, at, broken) = with_ring!(cfg, |ring| ring.breach(&relation));
        assert_eq!((at, broken), (["ReclaimFree"].into(), ["waiting", "waiting-slots"].into()), "{name}");
    }
    // The others do not break.
    for theorem in THEOREMS.iter().filter(|theorem| theorem.breaks_at.is_none()) {
        assert!(theorem.breach().unwrap().is_none(), "{}", theorem.title());
    }
}

/// What the ranking assumes is met by states that are reached, so that no premise holds for want of a state.
#[test]
fn each_hypothesis_of_the_ranking_is_met() {
    let ring =
        Ring::<8, 3>::new(RingCfg { hardware: Hardware::pipelined(4), ..RingCfg::new(Rules::G4, 2, [0, 1]) }).unwrap();
    let graph = Search::new(&ring, Action::label).limits(Limits::default()).run();
    let relation = Relation::of(&Rules::G4, 0).unwrap();
    let link = Link::new(&ring, &relation);
    let states: Vec<_> = graph.states().iter().map(|state| link.state(state).unwrap()).collect();
    let is_met = |what: &str, term: Term| {
        // It holds for some submitter: not every one contradicts it.
        let none = every_submitter('m', |_| not(term));
        assert!(states.iter().any(|state| !none.holds(state)), "{what}");
    };
    let m = Term::Bound('m');
    for pc in [Pc::Poll, Pc::PollUnlock, Pc::PollAcquire] {
        is_met("uncompleted", all([uncompleted(&m), stands(&m, pc)]));
        is_met("completed", all([completed(&m), stands(&m, pc)]));
    }
    for (step, case) in helpful(&next_owner()) {
        is_met(step, all([uncompleted(&m), case]));
    }
    for rank in 1..=8 {
        is_met("rank", all([var(StateVar::Held), section(&var(StateVar::Holder)).is(rank)]));
    }
    for at in [IDLE, SENT, ACCEPTED, DONE] {
        is_met("phase", phase(&m).is(at));
    }
}
