//! Hangs and leaks that the model itself makes, run again on 256 slots, printed as dumps, and diagnosed.

use stateright::Model;
use vtd_qi::campaign::findings::Findings;
use vtd_qi::campaign::matrix::Matrix;
use vtd_qi::impl_qi::{Action, GENERATIONS, HwStep, IdKind, IteWalk, Pc, Request, Safety, Step, WideRing, WideState};
use vtd_qi::scenario::{Check, Scenario, Table};
use vtd_qi::temporal::graph::Limits;
use vtd_qi::verify::{Detail, Violation, verify_with};
use vtd_qi_diagnose::diagnosis::Diagnosis;
use vtd_qi_diagnose::judge::Bounds;
use vtd_qi_diagnose::material::Material;
use vtd_qi_diagnose::naming::KnownBug;
use vtd_qi_diagnose::report::{bugs, verdict};
use vtd_qi_diagnose::unit::JudgedUnit;

use crate::rings;

/// The run that violates a property of a scenario.
fn run_of(scenario: &Scenario, check: Check) -> Violation {
    let scenario = Scenario { checks: vec![check], ..scenario.clone() };
    let report = verify_with(&scenario, Limits::default(), Detail::Readable);
    report.outcome(check).unwrap().counterexample.clone().unwrap_or_else(|| panic!("{}: no run", scenario.name))
}

/// The states of a run's loop, or its last state, on 256 slots behind so many other calls.
fn end_on_256<const F: usize>(scenario: &Scenario, run: &Violation, calls: usize) -> Vec<WideState<F>> {
    let ring = WideRing::<F>::of(rings::on_256(&scenario.cfg));
    let one = ring.requests().iter().position(|request| *request == Request::plain(1)).unwrap();
    let mut states = vec![rings::after_calls(&ring, calls, one as u8)];
    let mut stem = None;
    for (at, action) in run.actions.iter().enumerate() {
        stem = stem.or((at == run.stem).then(|| states.len() - 1));
        loop {
            let state = *states.last().unwrap();
            let mut can = Vec::new();
            ring.actions(&state, &mut can);
            // The ITE walk takes longer on a longer ring.
            let walks = |other: &&Action| match (action, other) {
                (Action::Driver { t, .. }, Action::Driver { t: by, step }) => {
                    t == by && matches!(step, Step::Walk | Step::WalkAbort)
                }
                _ => false,
            };
            let next = if can.contains(action) {
                action
            } else {
                can.iter()
                    .find(walks)
                    .unwrap_or_else(|| panic!("{}: {action:?} cannot be done on 256 slots", scenario.name))
            };
            states.push(ring.next_state(&state, *next).unwrap());
            if next == action {
                break;
            }
        }
    }
    let stem = stem.unwrap_or(states.len() - 1);
    states.split_off(stem)
}

/// What a kernel says after a while of a call that hangs.
fn lockup(hard: bool) -> &'static str {
    match hard {
        true => {
            "[  100.0] NMI watchdog: Watchdog detected hard LOCKUP on cpu 3\n[  100.1] RIP: 0010:qi_submit_sync+0x2d5/0x830\n"
        }
        false => {
            "[  100.0] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [dd:210]\n[  100.1] RIP: 0010:qi_submit_sync+0x2d5/0x830\n"
        }
    }
}

fn diagnosed(text: &str) -> JudgedUnit {
    let material = Material::read("a test", text).unwrap();
    Diagnosis::of(&[material], Bounds::default()).units.remove(0)
}

/// That a unit's state is this, in this generation among others, and that the bug is one of those that are named.
fn assert_named(judged: &JudgedUnit, state: &str, generation: &str, bug: &KnownBug, what: &str) {
    let told = verdict(judged);
    assert_eq!(judged.state.word(), state, "{what}: {told}");
    assert!(judged.fitting().iter().any(|fits| fits.generation.name == generation), "{what}: {told}");
    let own = judged.fitting().into_iter().filter(|fits| fits.generation.name == generation);
    let named: Vec<_> = own.flat_map(|fits| &fits.sightings).filter_map(|(_, bug)| bug.clone()).collect();
    assert!(named.contains(bug), "{what}: {named:?} in place of {bug:?}");
}

/// The generations of the kernel.
fn generations() -> impl Iterator<Item = &'static str> {
    GENERATIONS.iter().map(|generation| generation.name).filter(|name| *name != "g5plus")
}

fn finding(number: usize) -> KnownBug {
    KnownBug::Finding { number, title: Findings::embedded().findings[number - 1].title.clone() }
}

#[test]
fn the_odd_walk_is_named_in_each_generation_that_has_it() {
    let matrix = Matrix::embedded();
    for name in generations() {
        let cell = matrix.find(&format!("{name}-lost-answer-in-order-drop-2x4")).unwrap();
        let check = Check::LockEventuallyDropped;
        let violated = cell.scenario.expected(check.name()).is_some_and(|expected| expected.violated);
        let odd = cell.scenario.cfg.rules.ite_walk == IteWalk::Odd;
        // G1 has its WDs on odd slots, and IQT always even.
        assert_eq!(violated, odd && name != "g1", "{name}");
        if violated {
            let states = end_on_256::<1>(&cell.scenario, &run_of(&cell.scenario, check), 32);
            let dump = rings::dump("dmar0", &states[0]);
            let judged = diagnosed(&(dump.clone() + lockup(true)));
            assert_named(&judged, "hangs", name, &KnownBug::OddWalk2026, name);
            assert_eq!(bugs(&judged), [KnownBug::OddWalk2026], "{name}");
            // Two readings alike say as much as the watchdog does.
            assert_named(&diagnosed(&dump.repeat(2)), "hangs", name, &KnownBug::OddWalk2026, name);
        }
    }
}

#[test]
fn a_done_that_was_reclaimed_is_named_from_a_ring_that_looks_idle() {
    let table = Table::embedded();
    for name in ["g3", "g3t"] {
        let mut scenario = table.find("g3-c01-2x4").unwrap().clone();
        let rules = GENERATIONS.iter().find(|generation| generation.name == name).unwrap().rules;
        let cfg = vtd_qi::impl_qi::RingCfg { rules, ..vtd_qi::impl_qi::RingCfg::clone(&scenario.cfg) };
        scenario.cfg = cfg.validate().unwrap();
        scenario.run = None;
        let states = end_on_256::<0>(&scenario, &run_of(&scenario, Check::WdEventuallyObservedDone), 32);
        let idle = states
            .iter()
            .find(|state| (0..=255).all(|slot| state.status(slot) as u8 == 0))
            .expect("nothing to be seen");
        let dump = rings::dump("dmar0", idle);
        assert_named(&diagnosed(&(dump.clone() + lockup(false))), "hangs", name, &KnownBug::LostDone2024, name);
        assert_eq!(diagnosed(&dump).state.word(), "idle", "without the lockup there is nothing to be seen");
    }
}

#[test]
fn what_is_invalid_and_not_repaired_is_named_in_each_generation() {
    let (matrix, findings) = (Matrix::embedded(), Findings::embedded());
    for name in generations() {
        for class in ["invalid-id", "invalid-wd"] {
            let cell = matrix.find(&format!("{name}-{class}-in-order-2x4")).unwrap();
            let check = Check::CallEventuallyReturns;
            // G1 posts one ID a batch, which is its first: it hangs on small rings only, by what an -EINVAL leaves behind.
            if (name, class) == ("g1", "invalid-id") {
                continue;
            }
            // Behind so many calls the ring wraps.
            let states = end_on_256::<1>(&cell.scenario, &run_of(&cell.scenario, check), 127);
            let free = states.iter().find(|state| state.lock_holder().is_none()).expect("the lock is dropped");
            let bug = finding(findings.number(cell, check.name()).unwrap());
            let judged = diagnosed(&(rings::dump("dmar0", free) + lockup(false)));
            assert_named(&judged, "hangs", name, &bug, &cell.scenario.name);
            assert_eq!(bugs(&judged), [bug], "{}", cell.scenario.name);
        }
    }
}

#[test]
fn lost_slots_are_named() {
    let (matrix, findings) = (Matrix::embedded(), Findings::embedded());
    let check = Check::Safety(Safety::NoSlotLeak);
    for (cell, number) in [
        ("g5-device-gone-in-order-drop-named", 3),
        ("g5-invalid-id-in-order", 6),
        ("g5-lost-answer-in-order-wds-run", 7),
    ] {
        let cell = matrix.find(&format!("{cell}-2x4")).unwrap();
        assert_eq!(findings.number(cell, check.name()), Some(number));
        let states = end_on_256::<1>(&cell.scenario, &run_of(&cell.scenario, check), 32);
        let dump = rings::dump("dmar0", states.last().unwrap());
        let judged = diagnosed(&dump);
        assert_named(&judged, "after-fault", "g5", &finding(number), &cell.scenario.name);
        // What stands still is not on its way.
        let judged = diagnosed(&dump.repeat(2));
        assert_named(&judged, "leaks", "g5", &finding(number), &cell.scenario.name);
    }
}

/// One submitter asks a device that is gone, alone.
#[test]
fn an_endless_retry_is_named() {
    let (matrix, findings) = (Matrix::embedded(), Findings::embedded());
    for name in ["g3", "g4r", "g5"] {
        let cell = matrix.find(&format!("{name}-device-gone-in-order-drop-zero-2x4")).unwrap();
        let bug = finding(findings.number(cell, Check::CallEventuallyReturns.name()).unwrap_or(4));
        let ring = WideRing::<1>::of(rings::on_256(&cell.scenario.cfg));
        let call = |request: Request| ring.requests().iter().position(|known| *known == request).unwrap() as u8;
        let mut state = rings::after_calls(&ring, 32, call(Request::plain(1)));
        let asks = Request::of(&[IdKind::Device(1)]);
        state = ring.next_state(&state, Action::Call { t: 0, request: call(asks) }).unwrap();
        state = ring.next_state(&state, Action::Hardware(HwStep::Remove { device: 1 })).unwrap();
        for _ in 0..20_000 {
            let mut can = Vec::new();
            ring.actions(&state, &mut can);
            let polls = state.call(0).pc == Pc::PollAcquire;
            let hardware = can.iter().find(|action| polls && matches!(action, Action::Hardware(_)));
            if polls && hardware.is_none() && state.iqt() > 80 {
                break;
            }
            let own = || can.iter().find(|action| matches!(action, Action::Driver { t: 0, .. })).unwrap();
            state = ring.next_state(&state, *hardware.unwrap_or_else(own)).unwrap();
        }
        assert!(state.call(0).pc == Pc::PollAcquire && state.iqt() > 80, "{name} does not retry");
        let judged = diagnosed(&(rings::dump("dmar0", &state) + lockup(false)));
        assert_named(&judged, "hangs", name, &bug, name);
    }
}
