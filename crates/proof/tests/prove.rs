//! What is proved is what is expected, and the program says so.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use vtd_qi::impl_qi::{Reclaim, Rules, Safety};
use vtd_qi_proof::claims::safety;
use vtd_qi_proof::obligation::obligations;
use vtd_qi_proof::relation::{NotTranslated, Relation};
use vtd_qi_proof::solver::{Solver, SolverName};
use vtd_qi_proof::theorem::{Settlement, THEOREMS};

static NEVER: AtomicBool = AtomicBool::new(false);

fn prove(arguments: &[&str], path: Option<&Path>) -> Output {
    let test = std::env::current_exe().unwrap();
    let mut command = Command::new(test.ancestors().nth(2).unwrap().join("examples/prove"));
    path.map(|path| command.env("PATH", path));
    command.args(arguments).output().unwrap()
}

#[test]
fn every_safety_property_without_faults_is_claimed() {
    for theorem in &THEOREMS {
        let claims = safety(&theorem.relation().unwrap());
        let wanted = Safety::ALL.into_iter().filter(|property| !property.needs_faults()).map(Safety::name);
        let wanted: Vec<&str> = wanted.chain(["no-deadlock"]).collect();
        assert_eq!(claims.iter().map(|claim| claim.name).collect::<Vec<_>>(), wanted);
    }
}

#[test]
fn without_faults_g5_is_g4() {
    let [g4, g5] = [Rules::G4, Rules::G5].map(|rules| Relation::of(&rules, 0).unwrap());
    assert_eq!(g4.transitions, g5.transitions);
    let altered = Rules { reclaim: Reclaim::WhileFree, ..Rules::G4 };
    assert_eq!(Relation::of(&altered, 0).unwrap_err(), NotTranslated);
}

/// The fastest solver is asked about everything; the other one by the gate.
#[test]
fn every_theorem_is_as_expected() {
    if !SolverName::Z3.is_there() {
        return;
    }
    let mut solvers = [Solver::start(SolverName::Z3, Duration::from_secs(20), &NEVER).unwrap()];
    for theorem in THEOREMS.iter().filter(|theorem| theorem.generation != "g5") {
        let obligations = obligations(&theorem.relation().unwrap());
        let report = theorem.prove(&obligations, &mut solvers, |_| {}).unwrap();
        assert!(theorem.is_as_expected(&report), "{}: {:?}", theorem.title(), report.open().collect::<Vec<_>>());
        for claim in report.claims() {
            assert_eq!(report.is_proved(claim), theorem.breaks_at.is_none(), "{}: {claim}", theorem.title());
        }
        // What the solver does not know is no proof.
        let mut unsure = report.clone();
        unsure.obligations[7].outcome = Settlement::Unknown;
        assert!(!theorem.is_as_expected(&unsure));
        assert!(report.claims().into_iter().all(|claim| !unsure.is_proved(claim)));
        // Nor is what rests on it.
        for (claim, others) in [("one-slot-one-position", None), ("refines-spec", Some("refines-fair-spec"))] {
            let mut unsure = report.clone();
            unsure
                .obligations
                .iter_mut()
                .filter(|of| of.claim == claim)
                .for_each(|of| of.outcome = Settlement::Unknown);
            for rests in report.claims().into_iter().filter(|name| *name != "invariant") {
                if others.is_none_or(|other| rests == other) {
                    assert!(!unsure.is_proved(rests), "{rests} without {claim}");
                }
            }
        }
    }
}

#[test]
fn without_a_solver_the_program_names_the_packages() {
    let nothing = Path::new("/nowhere");
    let cases: [(&[&str], &str); 3] = [
        (&[], "error: no solver can be found; Debian has two in the packages z3 and cvc5\n"),
        (&["--solver", "cvc5"], "error: cvc5 cannot be found; Debian has it in the package cvc5\n"),
        (&["--solver", "both"], "error: z3 cannot be found; Debian has it in the package z3\n"),
    ];
    for (arguments, expected) in cases {
        let output = prove(arguments, Some(nothing));
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(2), expected));
    }
}

#[test]
fn a_solver_that_answers_nonsense_is_an_error_and_nothing_is_proved() {
    let folder = std::env::temp_dir().join(format!("vtd-qi-proof-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let pretend = |text: &str| {
        let program = folder.join("z3");
        std::fs::write(&program, format!("#!/bin/sh\n[ \"$1\" = --version ] || {{ {text}; }}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        prove(&["g4", "--solver", "z3"], Some(&folder))
    };
    let nonsense = pretend("echo yes; while read line; do :; done");
    let unknown = pretend("while read line; do [ \"$line\" != '(check-sat)' ] || echo unknown; done");
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(nonsense.status.code(), Some(2));
    let said = String::from_utf8_lossy(&nonsense.stderr);
    assert_eq!(said, "error: z3 answered \"yes\", which is none of sat, unsat and unknown\n");
    assert_eq!(unknown.status.code(), Some(1));
    let text = String::from_utf8_lossy(&unknown.stdout);
    assert!(text.contains("unknown    invariant") && !text.contains("proved "), "{text}");
}
