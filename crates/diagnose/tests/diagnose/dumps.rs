//! Dumps of rings whose state is known by hand.

use std::sync::Mutex;

use crate::rings;
use vtd_qi_diagnose::diagnosis::Diagnosis;
use vtd_qi_diagnose::dump::{DumpError, read};
use vtd_qi_diagnose::judge::Bounds;
use vtd_qi_diagnose::material::Material;
use vtd_qi_diagnose::naming::KnownBug;
use vtd_qi_diagnose::report::{bugs, is_healthy, verdict};
use vtd_qi_diagnose::unit::{JudgedUnit, UnitState};
use vtd_qi_diagnose::window::Impossible;

/// Batches written into a ring from slot 0 on: `i` an ID of the unit, `d` one of a device, `W` a WD, `c` a copy of the WD that follows.
pub fn rows(batches: &str) -> Vec<(u64, u64)> {
    let at = |slot: usize| rings::BASE + 4 * slot as u64;
    let word = |(slot, letter): (usize, char)| match letter {
        'i' => (0x6_00f2, 0xffff_2040),
        'd' => (0x100_0000_0003, 0xffff_2000),
        'c' => (0x2_0000_0025, at(slot + batches[slot..].find('W').unwrap())),
        _ => (0x2_0000_0025, at(slot)),
    };
    batches.chars().enumerate().map(word).collect()
}

/// A dump of batches with the statuses of some slots; IQT is behind the last.
pub fn dump(batches: &str, head: u64, statuses: &[(usize, u64)]) -> String {
    let rows = rows(batches);
    let status = |slot: usize| statuses.iter().find(|(at, _)| *at == slot).map_or(0, |(_, status)| *status);
    let all = (0..256).map(|slot| (rows.get(slot).copied().unwrap_or((0, 0)), status(slot)));
    rings::printed("dmar0", head, rows.len() as u64, all)
}

pub fn judged(text: &str) -> JudgedUnit {
    Diagnosis::of(&[Material::read("a test", text).unwrap()], Bounds::default()).units.remove(0)
}

/// 67 slots of batches as Linux 6.12.43 left them at its first ITE.
pub fn hang_of_6_12_43() -> String {
    let batches = "iW".to_string() + &"idW".repeat(7) + "dW" + &"idW".repeat(14);
    assert_eq!(batches.len(), 67);
    dump(&batches, 67, &[(23, 3), (24, 2), (64, 1), (65, 3), (66, 1)])
}

#[test]
fn the_hang_of_6_12_43_is_the_odd_walk() {
    let kernel = "CPU: 1 PID: 233 Comm: dd Not tainted 6.12.43+deb13-amd64 #1  Debian 6.12.43-1\n";
    let unit = judged(&(hang_of_6_12_43() + kernel));
    assert!(matches!(unit.state, UnitState::Hangs), "{}", verdict(&unit));
    assert_eq!(bugs(&unit), [KnownBug::OddWalk2026]);
    let fits: Vec<&str> = unit.fitting().iter().map(|verdict| verdict.generation.name).collect();
    assert_eq!(fits, ["g4"]);
    assert!(unit.fitting()[0].sightings.iter().all(|(sighting, _)| sighting.lock_held), "who walks has the lock");
    let window = unit.window.as_ref().unwrap();
    assert_eq!((window.free_tail, window.free_cnt, window.iqt), (23, 256 - 44, 67));
    // Without the kernel's version it is g4 or g4r, from one reading as from four that are alike: g3 marks DONE, not FREE.
    for readings in [1, 4] {
        let unit = judged(&hang_of_6_12_43().repeat(readings));
        let fits: Vec<&str> = unit.fitting().iter().map(|verdict| verdict.generation.name).collect();
        assert_eq!((unit.state.word(), fits, unit.stands_still), ("hangs", vec!["g4", "g4r"], readings > 1));
    }
}

pub const SOFT: &str =
    "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [dd:210]\nRIP: 0010:qi_submit_sync+0x2d5/0x830\n";

/// A WD on an even slot, aborted by the unit, was stepped over by the walk; others have gone on for nine batches.
#[test]
fn a_wd_that_was_stepped_over_is_the_odd_walk_too() {
    let unit = judged(&(dump(&"idW".repeat(32), 96, &[(66, 1), (67, 3), (68, 1)]) + SOFT));
    let fits: Vec<&str> = unit.fitting().iter().map(|verdict| verdict.generation.name).collect();
    assert_eq!((unit.state.word(), fits), ("hangs", vec!["g4", "g4r"]));
    assert_eq!(bugs(&unit), [KnownBug::OddWalk2026]);
}

/// Four CPUs with 16 IDs each: the walk goes round and round, over every odd slot.
#[test]
fn a_hard_lock_with_many_large_batches_is_named() {
    let large = "i".repeat(8) + &"d".repeat(8) + "W";
    let walked: Vec<(usize, u64)> = (153..221).map(|slot| (slot, if slot % 2 == 1 { 3 } else { 1 })).collect();
    let hard = "NMI watchdog: Watchdog detected hard LOCKUP on cpu 3\nRIP: 0010:qi_submit_sync+0x2d5/0x830\n";
    let unit = judged(&(dump(&large.repeat(13), 221, &walked) + hard));
    let fits: Vec<&str> = unit.fitting().iter().map(|verdict| verdict.generation.name).collect();
    assert_eq!((unit.state.word(), fits), ("hangs", vec!["g3", "g3t", "g4", "g4r"]), "{}", verdict(&unit));
    assert_eq!(bugs(&unit), [KnownBug::OddWalk2026]);
}

#[test]
fn a_ring_at_rest_and_one_at_work_are_healthy() {
    let mut small = "Invalidation queue on IOMMU: dmar1\n Base: 0x1672c9000      Head: 2        Tail: 2\n".to_string();
    small += "Index           qw0                     qw1                     status\n";
    small += "    0   0000000000000004        0000000000000000        0000000000000000\n";
    small += "    1   0000000200000025        00000001672be804        0000000000000000\n";
    let blank = |slot: usize| format!("  {slot:3}   {0:016x}        {0:016x}        {0:016x}\n", 0);
    small += &(2..256).map(blank).collect::<String>();
    for text in [small.clone(), small.replace('\n', "\r\n"), dump(&"idW".repeat(20), 60, &[])] {
        assert_eq!(judged(&text).state.word(), "idle");
        let material = Material::read("a test", &text).unwrap();
        let diagnosis = Diagnosis::of(std::slice::from_ref(&material), Bounds::default());
        assert!(is_healthy(&[material], &diagnosis));
    }
    // Two batches outstanding: the first DONE and not seen, of the second one ID fetched.
    let work = dump(&"idW".repeat(10), 28, &[(24, 1), (25, 1), (26, 2), (27, 1), (28, 1), (29, 1)]);
    let unit = judged(&work);
    assert_eq!(unit.state.word(), "at-work", "{}", verdict(&unit));
    assert!(unit.window.as_ref().unwrap().busy().len() == 2);
    // Sixteen IDs a batch, and eight CPUs that wait: what repeats is left out.
    let many = ("i".repeat(16) + "W").repeat(12);
    let busy: Vec<(usize, u64)> = (68..204).map(|slot| (slot, 1)).collect();
    let unit = judged(&dump(&many, 100, &busy));
    assert_eq!(unit.state.word(), "at-work", "{}", verdict(&unit));
    // One ID and a WD a batch is what g1 posts, and nothing else.
    let fits = |unit: &JudgedUnit| unit.fitting().iter().any(|verdict| verdict.generation.name == "g1");
    assert!(!fits(&unit) && fits(&judged(&dump(&"iW".repeat(10), 20, &[(18, 1), (19, 1)]))));
}

#[test]
fn wide_descriptors_and_several_units() {
    let mut text = dump("iWidW", 5, &[]);
    let wide = text.replace("dmar0", "dmar7");
    let widen = |line: &str| match line.split('\t').collect::<Vec<_>>()[..] {
        [index, qw0, qw1, status] => format!("{index}\t{qw0}\t{qw1}\t{:016x}\t{:016x}\t{status}", 0, 0),
        _ => line.to_string(),
    };
    text += &(wide.lines().map(widen).collect::<Vec<_>>().join("\n") + "\n");
    let (dumps, _) = read(&text).unwrap();
    let words: Vec<(&str, usize)> = dumps.iter().map(|dump| (dump.unit.as_str(), dump.words)).collect();
    assert_eq!(words, [("dmar0", 2), ("dmar7", 4)]);
    let diagnosis = Diagnosis::of(&[Material::read("a test", &text).unwrap()], Bounds::default());
    let states: Vec<&str> = diagnosis.units.iter().map(|unit| unit.state.word()).collect();
    assert_eq!(states, ["idle", "idle"]);
}

#[test]
fn a_corrupted_dump_is_refused_at_its_line() {
    let text = dump("iWidW", 5, &[]);
    let line = |slot: usize| 4 + slot;
    let without = |slot: usize| {
        let lines =
            text.lines().enumerate().filter(|(at, _)| *at + 1 != line(slot)).map(|(_, line)| format!("{line}\n"));
        lines.collect::<String>()
    };
    assert_eq!(read(&without(7)), Err(DumpError::Gap { line: line(7), index: 8, before: 6 }));
    let row = |slot: usize| text.lines().nth(line(slot) - 1).unwrap().to_string();
    let error = |from: &str, to: &str| read(&text.replacen(from, to, 1)).unwrap_err();
    assert_eq!(error(&row(9), &row(8)), DumpError::Gap { line: line(9), index: 8, before: 8 });
    assert_eq!(error(&row(255), &row(255).replace("255", "256")), DumpError::Index { line: line(255), index: 256 });
    assert_eq!(
        error("Tail: 5", "Tail: -5"),
        DumpError::Register { line: 2, name: "Tail", base: "decimal", value: "-5".into() }
    );
    assert_eq!(
        error("Head: 5\t", ""),
        DumpError::Register { line: 2, name: "Head", base: "decimal", value: String::new() }
    );
    let short = row(3).rsplit_once('\t').unwrap().0.to_string();
    assert_eq!(error(&row(3), &short), DumpError::Columns { line: line(3), found: 3 });
    let word = "0000000x00000000";
    let bad = row(3).replacen(&"0".repeat(16), word, 1);
    assert_eq!(error(&row(3), &bad), DumpError::Word { line: line(3), word: word.into() });
    let head: String = text.lines().take(3).map(|line| format!("{line}\n")).collect();
    let unit = || "dmar0".to_string();
    assert_eq!(read(&head).unwrap_err(), DumpError::Cut { line: 1, unit: unit(), rows: 0 });
    let half: String = text.lines().take(3 + 128).map(|line| format!("{line}\n")).collect();
    assert_eq!(read(&half).unwrap_err(), DumpError::Cut { line: 1, unit: unit(), rows: 128 });
    let title = text.lines().next().unwrap().to_string() + "\n";
    let line = 1 + text.lines().count();
    assert_eq!(read(&(text.clone() + &title)).unwrap_err(), DumpError::NameOnly { line, unit: unit() });
    assert_eq!(read(&(title + &text)).unwrap_err(), DumpError::NameOnly { line: 1, unit: unit() });
    let registers = text.lines().nth(1).unwrap().to_string() + "\n";
    assert!(matches!(error(&registers, ""), DumpError::NoRegisters { line: 3, .. }));
}

/// A lone WD behind another batch, both over, and a CPU that is stuck, softly or hard.
#[test]
fn a_lost_done_is_found_in_a_ring_that_looks_idle() {
    for batches in ["iWW", "WW"] {
        for reported in ["BUG: soft lockup - CPU#1 stuck for 22s!", "Watchdog detected hard LOCKUP on cpu 1"] {
            let log = format!("{reported}\nRIP: 0010:qi_submit_sync+0x2d5/0x830\n");
            let unit = judged(&(dump(batches, batches.len() as u64, &[]) + &log));
            assert_eq!(bugs(&unit), [KnownBug::LostDone2024], "{batches}, {reported}: {}", verdict(&unit));
            let fits: Vec<&str> = unit.fitting().iter().map(|verdict| verdict.generation.name).collect();
            assert_eq!(fits, ["g3", "g3t"], "{batches}, {reported}");
        }
    }
    // The version of the kernel may speak against it.
    let log =
        "Linux version 6.12.95 (x) #1 SMP\nBUG: soft lockup - CPU#1 stuck\nRIP: 0010:qi_submit_sync+0x2d5/0x830\n";
    let told = verdict(&judged(&(dump("iWW", 3, &[]) + log)));
    assert!(told.contains("g5 by its version, is not among them"), "{told}");
}

/// What lies elsewhere is another ring; what hangs is not outdone by a later reading; one text is one reading.
#[test]
fn readings_are_of_one_ring_and_of_different_texts() {
    let diagnosed = |texts: &[&str]| {
        let materials: Vec<_> = texts.iter().map(|text| Material::read("a test", text).unwrap()).collect();
        let diagnosis = Diagnosis::of(&materials, Bounds::default());
        assert_eq!(is_healthy(&materials, &diagnosis), diagnosis.units.iter().all(|unit| unit.state.is_healthy()));
        diagnosis.units
    };
    let words = |texts: &[&str]| diagnosed(texts).iter().map(|unit| unit.state.word()).collect::<Vec<_>>();
    let (hung, idle) = (hang_of_6_12_43(), dump(&"idW".repeat(20), 60, &[]));
    let elsewhere = idle.replace("0x1672c9000", "0x1672ca000");
    assert_eq!(words(&[&hung, &elsewhere]), ["hangs", "idle"]);
    let status = |word: u64| format!("{word:016x}");
    let moved = (0..256).fold(idle.clone(), |text, slot| {
        text.replace(&status(rings::BASE + 4 * slot), &status(rings::BASE + 0x10_0000 + 4 * slot))
    });
    assert_eq!(words(&[&hung, &moved]), ["hangs", "idle"]);
    assert_eq!(words(&[&idle, &hung]), ["hangs"]);
    let later = dump(&"idW".repeat(24), 72, &[]);
    let units = diagnosed(&[&hung, &later]);
    assert!(
        units[0].state.word() == "hangs" && verdict(&units[0]).contains("reading 1 of 2"),
        "{}",
        verdict(&units[0])
    );
    // What was written is not blank again: the ring of 60 slots is no later reading of the one of 67, but that of another boot.
    assert_eq!(words(&[&hung, &idle]), ["hangs", "idle"]);
    // Nor is it a ring under another kernel.
    let under = |text: &str, release: &str| format!("Linux version {release} (x) #1 SMP\n{text}");
    assert_eq!(words(&[&hung, &under(&later, "6.12.95")]), ["hangs"]);
    assert_eq!(words(&[&under(&hung, "6.12.43"), &under(&later, "6.12.95")]), ["hangs", "idle"]);
    // A WD that is still to be fetched: it may be at work, unless it is seen to stand still.
    let work = dump(&"idW".repeat(10), 28, &[(27, 1), (28, 1), (29, 1)]);
    let once = diagnosed(&[&work, &work]);
    assert_eq!((once[0].reading, once[0].stands_still), ((1, 1), false));
    let twice = diagnosed(&[&work, &format!("ten seconds later\n{work}")]);
    assert_eq!((twice[0].reading, twice[0].stands_still), ((2, 2), true));
}

#[test]
fn a_dump_is_read_behind_any_prefix() {
    let text = hang_of_6_12_43();
    let (plain, _) = read(&text).unwrap();
    let prefixed = |prefix: &str| text.lines().map(|line| format!("{prefix}{line}\n")).collect::<String>();
    for prefix in [
        "> ",
        "[   12.000001] ",
        "[Fri Nov 27 10:00:00 2026] ",
        "<6>[   12.000001][ T177] ",
        "Nov 27 10:00:00 host root: ",
        "2026-11-27T10:00:00.123456+00:00 host root[12]: ",
    ] {
        assert_eq!(read(&prefixed(prefix)).unwrap().0, plain, "{prefix}");
    }
    // What stands before it is not known, and nothing is guessed.
    assert!(matches!(read(&prefixed("ring.txt ")), Err(DumpError::NameOnly { line: 1.., .. })));
}

#[test]
fn what_no_driver_leaves_behind_is_named_with_its_first_slot() {
    let batches = "iWidWidW";
    let state = |text: String| match judged(&text).state {
        UnitState::Impossible(why) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(state(dump(batches, 256, &[])), Impossible::Register { register: "Head", value: 256 });
    assert_eq!(state(dump(batches, 8, &[(3, 4)])), Impossible::Status { slot: 3, status: 4 });
    assert_eq!(state(dump("iWidWid", 7, &[])), Impossible::NoWd { slot: 6 });
    assert_eq!(state(dump(batches, 8, &[(100, 1)])), Impossible::Blank { slot: 100, what: "QI_IN_USE" });
    assert!(matches!(
        state(dump(batches, 20, &[])),
        Impossible::Blank { slot: 20, .. } | Impossible::Blank { slot: 8, .. }
    ));
    let elsewhere =
        dump(batches, 8, &[]).replacen(&format!("{:016x}", rings::BASE + 16), &format!("{:016x}", rings::BASE + 24), 1);
    let (address, expected) = (rings::BASE + 24, rings::BASE + 16);
    assert_eq!(state(elsewhere), Impossible::WdAddress { slot: 4, address, expected });
    let other_data = dump(batches, 8, &[]).replacen("0000000200000025", "0000000300000025", 1);
    assert_eq!(state(other_data), Impossible::WdData { slot: 1, data: 3 });
    // A copy of the WD over an invalid ID is the driver's own doing.
    assert_eq!(judged(&dump("iWicWidW", 8, &[])).state.word(), "idle");
}

/// A batch of which the second ID alone is ABORT, with both ends free, is none that any walk makes.
#[test]
fn a_state_that_no_generation_comes_to_is_named_with_its_first_slot() {
    let unit = judged(&dump(&"idW".repeat(6), 18, &[(12, 2), (13, 3), (14, 0), (15, 1), (16, 1), (17, 1)]));
    assert!(matches!(unit.state, UnitState::Unreached(Some(12..=14))), "{}", verdict(&unit));
    // MARK begins with the first ID, so that the second is never DONE alone.
    let unit = judged(&dump(&("iW".repeat(5) + "iiW"), 13, &[(10, 1), (11, 2), (12, 1)]));
    assert!(matches!(unit.state, UnitState::Unreached(Some(11))), "{}", verdict(&unit));
    // All of it is fetched, so its WD writes DONE soon. Without a device that may not answer, it does not stand still.
    let work = dump(&"iW".repeat(10), 20, &[(18, 1), (19, 1)]);
    let unit = judged(&format!("{work}ten seconds later\n{work}"));
    assert!(matches!(unit.state, UnitState::Unreached(None)), "{}", verdict(&unit));
}

/// Rings that look alike are asked about once, wherever they lie.
#[test]
fn rings_that_are_alike_have_one_answer() {
    let unit = |number: usize| {
        // Each lies four batches further on than the one before.
        let batches = "iW".repeat(4 * number + 2) + &"idW".repeat(2);
        let last = batches.len();
        let statuses = [(last - 3, 1), (last - 2, 1), (last - 1, 1)];
        dump(&batches, last as u64 - 1, &statuses).replace("dmar0", &format!("dmar{number}"))
    };
    let asked = Mutex::new(0);
    let progress = |_: &str| *asked.lock().unwrap() += 1;
    let questions = |units: usize| {
        let text: String = (0..units).map(unit).collect();
        let material = Material::read("a test", &text).unwrap();
        let bounds = Bounds { progress: Some(&progress), ..Bounds::default() };
        let words: Vec<&str> = Diagnosis::of(&[material], bounds).units.iter().map(|unit| unit.state.word()).collect();
        assert_eq!(words, vec!["at-work"; units]);
        std::mem::take(&mut *asked.lock().unwrap())
    };
    assert_eq!(questions(20), questions(1));
}
