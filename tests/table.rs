//! The scenario table: every verdict is as written down, and a broken file is refused in one sentence.

use stateright_temporal::graph::Limits;
use vtd_qi::impl_qi::Rules;
use vtd_qi::scenario::{Check, Table, TableError};
use vtd_qi::verify::{Verdict, verify};

/// Scenarios that are too slow for a test; `check` runs them.
fn slow(name: &str) -> bool {
    name.contains("-real-")
}

#[test]
fn every_scenario_is_as_expected() {
    let table = Table::embedded();
    let mut wrong = Vec::new();
    for scenario in table.scenarios.iter().filter(|scenario| !slow(&scenario.name)) {
        let report = verify(scenario, Limits::default());
        assert!(report.complete || scenario.max_states.is_some());
        wrong.extend((!report.as_expected()).then_some(report.name));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_verdict_has_a_reason() {
    for scenario in &Table::embedded().scenarios {
        assert_eq!(scenario.expected.len(), scenario.checks.len());
        assert!(scenario.expected.values().all(|expected| expected.why.len() > 15), "{}", scenario.name);
    }
}

/// Which submitters meet in a run depends on the search, so a reason names none, unless it is about a run that is written down.
#[test]
fn a_reason_names_no_submitter() {
    let names_one = |why: &str| {
        why.split(|c: char| !c.is_alphanumeric())
            .any(|word| word.len() == 2 && word.starts_with('T') && word.ends_with(|c: char| c.is_ascii_digit()))
    };
    let matrix = vtd_qi::campaign::matrix::Matrix::embedded();
    let cells = matrix.cells(vtd_qi::campaign::matrix::Scope::Full).map(|cell| &cell.scenario);
    let table = Table::embedded();
    for scenario in table.scenarios.iter().chain(cells).filter(|scenario| scenario.run.is_none()) {
        let reasons = scenario.expected.values().map(|expected| &expected.why);
        for why in reasons.chain(scenario.unreached.values()).chain(&scenario.why) {
            assert!(!names_one(why), "{}: {why}", scenario.name);
        }
    }
    let patch = table.find("g3-patch-2x4").unwrap();
    assert!(names_one(&patch.expected["wd-eventually-observed-done"].why));
}

/// The families that the project promises, each at the smallest legal ring and one larger, with 2 and 3 submitters.
#[test]
fn the_promised_scenarios_are_there() {
    let table = Table::embedded();
    let families = [
        ("g3-c0", &[0][..], Rules::G3),
        ("g3-c01", &[0, 1], Rules::G3),
        ("g3-c1", &[1], Rules::G3),
        ("g3-c12", &[1, 2], Rules::G3),
        ("g3-c123", &[1, 2, 3], Rules::G3),
        ("g4-c0", &[0], Rules::G4),
        ("g4-c01", &[0, 1], Rules::G4),
        ("g4-c012", &[0, 1, 2], Rules::G4),
    ];
    for (family, counts, rules) in families {
        let smallest = u16::from(*counts.iter().max().unwrap() + 2).next_multiple_of(2).max(4);
        for submitters in [2, 3] {
            for ring in [smallest, smallest + 2] {
                let scenario = table.find(&format!("{family}-{submitters}x{ring}")).expect(family);
                assert_eq!((scenario.cfg.rules, scenario.cfg.counts.as_slice()), (rules, counts));
                assert!(Check::everything().all(|check| scenario.checks.contains(&check)));
            }
        }
    }
    let seeded: Vec<_> = table.scenarios.iter().filter(|s| s.family.starts_with("seeded-")).collect();
    assert!(seeded.len() >= 8);
    assert!(seeded.iter().all(|s| ![Rules::G3, Rules::G4].contains(&s.cfg.rules)));
    for scenario in &seeded {
        let killer = scenario.killed_by.as_deref().expect("a seeded fault says what kills it");
        assert!(scenario.expected[killer].violated, "{}", scenario.name);
        // At the smallest ring and one larger, with 2 and 3 submitters, if need be as a family of its own.
        let fault = scenario.family.trim_end_matches("-3");
        for size in ["2x4", "2x6", "3x4", "3x6"] {
            let own = [fault.to_string(), format!("{fault}-3")];
            assert!(own.iter().any(|family| table.find(&format!("{family}-{size}")).is_some()), "{fault} at {size}");
        }
    }
}

/// Which shortest runs there are, and how long.
#[test]
fn counterexamples_have_their_lengths() {
    let table = Table::embedded();
    let length = |name: &str, check: Check| {
        let report = verify(table.find(name).unwrap(), Limits::default());
        let violation = report.outcome(check).unwrap().counterexample.clone().expect("violated");
        (violation.stem, violation.repeating)
    };
    assert_eq!(length("g3-c01-2x4", Check::RefinesSpec), (19, 0));
    assert_eq!(length("g3-c01-2x4", Check::WdEventuallyObservedDone), (23, 3));
    assert_eq!(length("g3-c01-3x6", Check::RefinesSpec), (19, 0));
    // Longer than the way to the overwritten DONE: the slot is handed out again, completed, and taken by the wrong owner.
    assert_eq!(length("g3-c01-lossy-2x4", Check::RefinesLossySpec), (45, 0));
}

/// No run brings the slots back, and that is said.
#[test]
fn slots_that_never_come_back_are_called_lost() {
    let table = Table::embedded();
    let leak = |name: &str| {
        let report = verify(table.find(name).unwrap(), Limits::default());
        let outcome = report.outcome(Check::Safety(vtd_qi::impl_qi::Safety::NoSlotLeak)).unwrap();
        assert_eq!((outcome.check.name(), outcome.verdict), ("no-slot-leak", Verdict::Violated));
        outcome.detail.clone().unwrap()
    };
    assert!(leak("seeded-reclaim-never-2x4").starts_with("lost"));
    assert!(leak("seeded-mark-keeps-wd-2x4").starts_with("lost"));
}

#[test]
fn what_is_cut_is_unknown() {
    let table = Table::embedded();
    let report = verify(table.find("g4-c012-3x6").unwrap(), Limits { max_states: 1000, ..Limits::default() });
    assert!(!report.complete && !report.is_decided());
    assert!(report.properties.iter().all(|outcome| outcome.verdict == Verdict::Unknown));
    assert!(report.witnesses.iter().all(|witness| witness.reached != Some(false)));
}

#[test]
fn broken_files_are_refused_in_one_sentence() {
    let entry = "[holds]\nno-deadlock = 'because'\n[[scenario]]\nname = 'x'\ngeneration = 'g4'\nsubmitters = [2]\n\
                 counts = [0]\nrings = [4]\nchecks = ['no-deadlock']\n";
    assert_eq!(Table::parse(entry).unwrap().scenarios.len(), 1);
    let refused = |from: &str, to: &str| match Table::parse(&entry.replace(from, to)) {
        Ok(_) => panic!("{to} is accepted"),
        Err(error) => error.to_string(),
    };
    assert!(refused("'g4'", "'g9'").contains("\"g9\""));
    assert!(refused("rings = [4]", "rings = [5]").contains("5 slots is odd"));
    assert!(refused("rings = [4]", "rings = [2]").contains("from 4 to 256"));
    assert!(refused("rings = [4]", "rings = []").contains("at least one"));
    assert!(refused("submitters = [2]", "submitters = [0]").contains("1 to 8"));
    assert!(refused("counts = [0]", "counts = [3]").contains("largest count is 2"));
    let wide = refused("counts = [0]", "counts = [300]");
    assert!(wide.contains("300") && wide.contains("line 7"), "{wide}");
    assert!(refused("counts = [0]", "counts = [0]\ndepth = 9").contains("1 to 4"));
    assert!(refused("['no-deadlock']", "['no-dead']").contains("\"no-dead\""));
    assert!(refused("['no-deadlock']", "['refines-spec']").contains("must say why"));
    assert!(refused("counts = [0]", "counts = [0]\nrules = { mark = 'maybe' }").contains("maybe"));
    assert!(refused("counts = [0]", "counts = [0]\nrules = { marks = 'all-free' }").contains("\"marks\""));
    assert!(refused("counts = [0]", "counts = [0]\nsubmiters = 3").contains("submiters"));
    assert!(refused("no-deadlock = 'because'", "no-dead = 'because'").contains("\"no-dead\""));
    assert!(refused("name = 'x'", "name = ''").contains("letters"));
    assert!(refused("name = 'x'", "name = 'x'\nfails-at = ['Nonsense']").contains("\"Nonsense\""));
    assert!(refused("['no-deadlock']", "['no-deadlock', 'no-deadlock']").contains("twice"));
    assert!(refused("'because'", "''").contains("empty"));
    assert!(refused("name = 'x'", "name = 'x'\nkilled-by = 'no-deadlock'").contains("kill"));
    let run = "name = 'x'\nrun = { repeat = 0, steps = [] }";
    assert!(refused("name = 'x'", run).contains("a run is given"));
    let elsewhere = "name = 'x'\nunreached = { ring-full = { why = 'small', on = ['3x9'] } }";
    assert!(refused("name = 'x'", elsewhere).contains("\"3x9\""));
    let twice = format!("{entry}[[scenario]]{}", entry.split("[[scenario]]").nth(1).unwrap());
    assert!(Table::parse(&twice).unwrap_err().to_string().contains("twice"));
    assert_eq!(Table::parse("").unwrap_err(), TableError::Empty);
    let binary = "\0".repeat(100_000);
    let Err(TableError::Syntax(message)) = Table::parse(&binary) else { panic!("no error") };
    assert!(message.len() < 300 && !message.contains('\n'), "{message}");
}

/// A run by hand that the ring does not have is no counterexample.
#[test]
fn a_wrong_run_by_hand_proves_nothing() {
    let table = Table::embedded();
    let patch = table.find("g3-patch-2x4").unwrap();
    let detail = |change: &dyn Fn(&mut vtd_qi::scenario::Script)| {
        let mut scenario = patch.clone();
        change(scenario.run.as_mut().unwrap());
        let report = verify(&scenario, Limits::default());
        let outcome = report.outcome(Check::WdEventuallyObservedDone).unwrap();
        assert!(outcome.verdict == Verdict::Unknown && outcome.counterexample.is_none() && !report.as_expected());
        outcome.detail.clone().unwrap()
    };
    assert!(
        detail(&|run| run.steps[1] = "T2 Acquire".into()).contains("\"T2 Acquire\" that cannot be done after 1 steps")
    );
    assert!(detail(&|run| run.repeat = 2).contains("not the state where the loop begins"));
    // T2 is left in the middle, which is not fair.
    assert!(detail(&|run| run.repeat = 0).contains("is not satisfied"));
}
