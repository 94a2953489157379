//! A mistake in the relation or in the invariant is noticed: by the link, or by a solver.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use vtd_qi::impl_qi::{Action, Hardware, Length, Pc, Ring, RingCfg, Rules, State};
use vtd_qi::temporal::graph::{Limits, Search};
use vtd_qi_proof::invariant::Named;
use vtd_qi_proof::link::{Direction, Link};
use vtd_qi_proof::liveness::{LEADS_BACK, liveness};
use vtd_qi_proof::mutant::{of_invariant, of_relation};
use vtd_qi_proof::obligation::{Obligation, inductive, keeps};
use vtd_qi_proof::relation::Relation;
use vtd_qi_proof::solver::{Reply, Solver, SolverName};
use vtd_qi_proof::term::Term;
use vtd_qi_proof::vars::StateVar;
use vtd_qi_proof::window::modulo;

static NEVER: AtomicBool = AtomicBool::new(false);

/// A ring with all its states.
struct Explored {
    ring: Ring<8, 3>,
    states: Vec<State<8, 3>>,
}

impl Explored {
    fn new(rules: Rules, counts: &[u8], slots: u16, hardware: Hardware) -> Explored {
        let length = Length::new(slots).unwrap();
        let ring = Ring::new(RingCfg { length, hardware, ..RingCfg::new(rules, 2, counts) }).unwrap();
        let canonical = |state: &_| ring.canonical(state);
        let states =
            Search::new(&ring, Action::label).canonical(&canonical).limits(Limits::default()).run().states().to_vec();
        Explored { ring, states }
    }

    fn notices(&self, relation: &Relation, invariant: Option<&Vec<Named>>) -> bool {
        let link = Link::new(&self.ring, relation);
        match invariant {
            Some(invariant) => {
                let link = link.with_invariant(invariant.clone());
                self.states.iter().any(|state| link.state(state).is_err())
            }
            None => self.states.iter().any(|state| link.steps(state, Direction::Both).is_err()),
        }
    }
}

/// In order and pipelined, with room for two batches and without.
fn rings(rules: Rules, counts: &[u8]) -> Vec<Explored> {
    let deep = Hardware::pipelined(4);
    let both = [(4, Hardware::in_order(2)), (6, Hardware::in_order(2)), (6, deep)];
    both.into_iter().map(|(slots, hardware)| Explored::new(rules, counts, slots, hardware)).collect()
}

/// A solver, if there is one; without it, what the link alone notices is counted.
fn solver() -> Option<Solver<'static>> {
    SolverName::Z3.is_there().then(|| Solver::start(SolverName::Z3, Duration::from_secs(5), &NEVER).unwrap())
}

const DRIVERS: [(Rules, i64, &[u8]); 2] = [(Rules::G4, 0, &[0, 1, 2]), (Rules::G3, 1, &[1, 2])];

#[test]
fn a_mistake_in_the_relation_is_noticed() {
    let mut solver = solver();
    let (mut linked, mut solved, mut harmless) = (0, 0, Vec::new());
    for (rules, least, counts) in DRIVERS {
        let relation = Relation::of(&rules, least).unwrap();
        let rings = rings(rules, counts);
        assert!(rings.iter().all(|ring| !ring.notices(&relation, None)));
        for mutant in of_relation(&relation) {
            if rings.iter().any(|ring| ring.notices(&mutant.relation, None)) {
                linked += 1;
                continue;
            }
            let Some(solver) = &mut solver else { continue };
            let mut obligations = inductive(&mutant.relation)
                .into_iter()
                .chain(modulo(&mutant.relation))
                .chain(liveness(&mutant.relation))
                .filter(|of| mutant.what.starts_with(of.step));
            if mutant.harmless.as_ref().is_some_and(|of| solver.ask(of).unwrap() == Reply::Discharged) {
                harmless.push(mutant.what);
            } else if obligations.any(|of| solver.ask(&of).unwrap() != Reply::Discharged) {
                solved += 1;
            } else {
                panic!("nobody notices {}", mutant.what);
            }
        }
    }
    eprintln!("the link notices {linked}, the solver {solved} more; {} are no mistakes: {harmless:?}", harmless.len());
    assert!(linked >= 200, "{linked}");
    assert!(solver.is_none() || solved >= 1 && harmless.len() <= 10, "{solved} {harmless:?}");
}

/// A driver whose owner never looks a second time keeps the invariant, and is not live.
#[test]
fn an_owner_that_does_not_come_back_to_its_look_is_noticed() {
    let Some(mut solver) = solver() else { return eprintln!("not run: z3 is not installed") };
    for (step, elsewhere) in [("Acquire, polling", Pc::PollUnlock), ("Unlock, polling", Pc::PollUnlock)] {
        let mut relation = Relation::of(&Rules::G4, 0).unwrap();
        let altered = relation.transitions.iter_mut().find(|of| of.name == step).unwrap();
        let place = altered.updates.iter_mut().find(|update| update.var == StateVar::Pc).unwrap();
        place.to = Term::Int(elsewhere as i64);
        let refuted = liveness(&relation).into_iter().filter(|of| of.step == step && of.conjunct == LEADS_BACK);
        let replies: Vec<Reply> = refuted.map(|of| solver.ask(&of).unwrap()).collect();
        assert_eq!(replies, [Reply::Refuted], "{step}");
    }
}

/// A conjunct that says too much does not hold on the ring. One that says too little is no longer kept by some step; where it is
/// kept, another conjunct may fail for want of it, or it is weaker and still enough: those are listed and not counted.
#[test]
fn a_mistake_in_the_invariant_is_noticed() {
    let mut solver = solver();
    let (mut linked, mut solved, mut undecided) = (0, 0, Vec::new());
    for (rules, least, counts) in DRIVERS {
        let relation = Relation::of(&rules, least).unwrap();
        let rings = rings(rules, counts);
        for mutant in of_invariant(&relation) {
            if rings.iter().any(|ring| ring.notices(&relation, Some(&mutant.invariant))) {
                linked += 1;
                continue;
            }
            let Some(solver) = solver.as_mut().filter(|_| rules == Rules::G4) else { continue };
            let mut is_kept = |of: &Obligation| solver.ask(of).unwrap() == Reply::Discharged;
            let mut own = keeps(&relation, &mutant.invariant).into_iter().filter(|of| of.conjunct == mutant.conjunct);
            match own.all(|of| is_kept(&of)) {
                false => solved += 1,
                true => undecided.push(mutant.what),
            }
        }
    }
    eprintln!("the link notices {linked}, the solver {solved} more; not decided here: {undecided:?}");
    assert!(linked >= 80, "{linked}");
    assert!(solver.is_none() || solved >= 15, "{solved}");
}
