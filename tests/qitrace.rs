//! spec/QITrace.tla: what TLC is given of a trace, and that it decides as `replay` does.
//!
//! The tests that need TLC run it by the command line of spec/TRACES.md, with the jar that `TLA2TOOLS_JAR` names; without it
//! they say on standard error that they are not run. Most of the traces are the first 76 lines of the excerpt, corrupted. Those
//! are five batches of an ID and a WD; the lines that are edited are these, without their times.
//!
//! ```text
//! 57 27610 vtd_reg_write addr 0x88 .. value 0x80      67 27610 vtd_reg_write addr 0x88 .. value 0xa0
//! 58 27610 vtd_inv_qi_tail write tail 8               68 27610 vtd_inv_qi_tail write tail 10
//! 60       vtd_inv_qi_head read head 6                70       vtd_inv_qi_head read head 8
//! 61       vtd_inv_desc type iec                      71       vtd_inv_desc type iec
//! 64       vtd_inv_qi_head read head 7                74       vtd_inv_qi_head read head 9
//! 65       vtd_inv_desc type wait high 0x1042c1c      75       vtd_inv_desc type wait high 0x1042c24
//! 66       vtd_inv_desc_wait_sw addr 0x1042c1c        76       vtd_inv_desc_wait_sw addr 0x1042c24
//! ```

use std::ffi::OsString;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use flate2::read::GzDecoder;
use vtd_qi::impl_qi::Rules;
use vtd_qi_tla::Value;
use vtd_qi_traces::events::{VisibleEvent, events_module};
use vtd_qi_traces::qemu_log::Trace;
use vtd_qi_traces::replay::{Options, Qemu, ReplayVerdict, replay};

/// Number of lines of the excerpt that spec/QITraceData.tla holds: 40 batches.
const SAMPLE: usize = 462;

/// The beginning of the excerpt.
fn excerpt(lines: usize) -> Vec<String> {
    let mut text = String::new();
    GzDecoder::new(&include_bytes!("fixtures/k612mf.qemu.log.gz")[..]).read_to_string(&mut text).unwrap();
    text.lines().take(lines).map(str::to_owned).collect()
}

/// The same log by a unit that has a thread of its own.
fn own_thread(mut log: Vec<String>) -> Vec<String> {
    for line in &mut log {
        let (_, event) = line.split_once('@').unwrap();
        if event.contains(":vtd_inv_qi_head ") || event.contains(":vtd_inv_desc") {
            *line = format!("9@{event}");
        }
    }
    log
}

fn trace(log: &[String]) -> Trace {
    Trace::read(log.join("\n").as_bytes()).unwrap()
}

fn spec() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("spec")
}

/// What is between the brackets of `Trace == << >>`.
fn trace_in(module: &str) -> Value {
    let (_, events) = module.split_once("Trace == ").unwrap();
    events.split_once("\n\n").unwrap().0.parse().unwrap()
}

fn record(text: &str) -> Value {
    text.parse().unwrap()
}

#[test]
fn the_module_holds_the_events_of_the_lines() {
    let trace = trace(&excerpt(SAMPLE));
    let Value::Fun(events) = trace_in(&events_module(&trace)) else { panic!("a sequence is a function") };
    let events: Vec<Value> = events.into_values().collect();
    // By `grep -c`: 40 tails after the set-up, 40 status writes, and 92 descriptors.
    assert_eq!((VisibleEvent::all(&trace).count(), events.len()), (172, 172));
    let of_kind = |kind: &str| events.iter().filter(|event| event.field("event") == Some(&Value::str(kind))).count();
    assert_eq!((of_kind("WriteIqt"), of_kind("Fetch"), of_kind("Complete")), (40, 92, 40));
    // The lines are those that stand at the top of tests/replay.rs.
    for event in [
        r#"[event |-> "WriteIqt", line |-> 404, cpu |-> 4, slot |-> 77, count |-> 4]"#,
        r#"[event |-> "Fetch", line |-> 407, slot |-> 72, desc |-> "ID", target |-> -1]"#,
        r#"[event |-> "Fetch", line |-> 416, slot |-> 76, desc |-> "WD", target |-> 76]"#,
        r#"[event |-> "Complete", line |-> 417, target |-> 76, data |-> 2]"#,
    ] {
        assert!(events.contains(&record(event)), "{event}");
    }
}

#[test]
fn numbers_that_tlc_does_not_have_are_none_of_the_ring() {
    let log = "1@0.0:vtd_inv_qi_setup addr 0x0 size 4\n1@0.0:vtd_inv_qi_tail write tail 0xffffffffff\n\
               1@0.0:vtd_inv_desc invalidate desc type iotlb high 0x0 low 0x2\n\
               1@0.0:vtd_inv_desc_wait_sw wait addr 0x7 data 0xffffffff\n";
    let module = events_module(&Trace::read(log.as_bytes()).unwrap());
    assert!(module.contains("TraceLength == 4\n"));
    let wanted = r#"<<
        [event |-> "WriteIqt", line |-> 2, cpu |-> 1, slot |-> 2147483647, count |-> 2],
        [event |-> "Fetch", line |-> 3, slot |-> -1, desc |-> "ID", target |-> -1],
        [event |-> "Complete", line |-> 4, target |-> -1, data |-> 2147483647]
    >>"#;
    assert_eq!(trace_in(&module), record(wanted));
}

#[test]
fn the_sample_is_the_beginning_of_the_excerpt() {
    let sample = std::fs::read_to_string(spec().join("QITraceData.tla")).unwrap();
    assert!(
        sample == events_module(&trace(&excerpt(SAMPLE))),
        "spec/TRACES.md says how spec/QITraceData.tla is written"
    );
}

/// What TLC makes of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Accepted { events: usize },
    RejectedAt { line: u64 },
    RejectedAtEnd,
}

/// What `replay` makes of it. It sees lines that are no events, such as a read of IQH, so a rejection is one of the next event.
fn replayed(trace: &Trace, rules: Rules, hardware: Qemu) -> Said {
    let options = Options { hardware, ..Options::default() };
    let stopped = match replay(trace, rules, options, |_| ControlFlow::Continue(())).verdict {
        ReplayVerdict::Rejected(rejection) if rejection.text.is_empty() => return Said::RejectedAtEnd,
        ReplayVerdict::Rejected(rejection) => rejection.line,
        // To spec/QITrace.tla a run that the specification does not have is none.
        ReplayVerdict::Broken(broken) => broken.breach.line,
        _ => return Said::Accepted { events: VisibleEvent::all(trace).count() },
    };
    let line = |event: VisibleEvent| match event {
        VisibleEvent::WriteIqt { line, .. }
        | VisibleEvent::Fetch { line, .. }
        | VisibleEvent::Complete { line, .. }
        | VisibleEvent::LoseAnswer { line, .. }
        | VisibleEvent::ClearIte { line, .. } => line,
    };
    let line = VisibleEvent::all(trace).map(line).find(|line| *line >= stopped).unwrap();
    Said::RejectedAt { line }
}

/// A TLC that knows POSTCONDITION, or a word on standard error that a test is not run.
fn tlc(test: &str) -> Option<OsString> {
    static JAR: OnceLock<Result<OsString, &str>> = OnceLock::new();
    let jar = JAR.get_or_init(|| {
        let jar = std::env::var_os("TLA2TOOLS_JAR").ok_or("for want of TLA2TOOLS_JAR")?;
        let help = Command::new("java").arg("-cp").arg(&jar).args(["tlc2.TLC", "-help"]).output().unwrap();
        let knows = String::from_utf8_lossy(&help.stdout).contains("-postCondition");
        knows.then_some(jar).ok_or("since the TLC of TLA2TOOLS_JAR knows no POSTCONDITION")
    });
    if let Err(why) = jar {
        // Past the capture of `cargo test`: what is not run is to be seen.
        std::io::stderr().write_all(format!("not run, {why}: {test}\n").as_bytes()).unwrap();
    }
    jar.as_ref().ok().cloned()
}

/// Runs TLC on a trace, with constants of spec/QITrace.cfg changed, as spec/TRACES.md does.
fn validate(jar: &OsString, name: &str, module: &str, changes: &[(&str, &str)]) -> (Option<i32>, String) {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("qitrace-{name}"));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("QITraceData.tla"), module).unwrap();
    let mut cfg = std::fs::read_to_string(spec().join("QITrace.cfg")).unwrap();
    for (from, to) in changes {
        assert!(cfg.contains(from), "{from}");
        cfg = cfg.replace(from, to);
    }
    std::fs::write(dir.join("QITrace.cfg"), cfg).unwrap();
    let output = Command::new("java")
        .arg("-XX:+UseParallelGC")
        .arg(format!("-DTLA-Library={}", spec().display()))
        .arg("-cp")
        .arg(jar)
        .args(["tlc2.TLC", "-noGenerateSpecTE", "-metadir", "states", "-config", "QITrace.cfg", "QITrace"])
        .current_dir(&dir)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[track_caller]
fn said(jar: &OsString, name: &str, trace: &Trace, changes: &[(&str, &str)]) -> Said {
    let (code, output) = validate(jar, name, &events_module(trace), changes);
    let number = |words: &str| {
        let (_, rest) = output.split_once(words)?;
        rest.trim_start_matches([',', ' ']).split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
    };
    match (code, number("\"accepted, events\""), number("\"rejected at line\"")) {
        (Some(0), Some(events), None) => Said::Accepted { events: events as usize },
        (Some(10), None, Some(line)) => Said::RejectedAt { line },
        (Some(10), None, None) if output.contains("\"rejected at the end") => Said::RejectedAtEnd,
        _ => panic!("{name}: exit code {code:?}\n{output}"),
    }
}

/// Changes of spec/QITrace.cfg: the driver before the fix of 2024, a unit with its own thread, each hidden step by itself.
const G3: [(&str, &str); 2] = [("\"all-free\"", "\"ids-done\""), ("\"while-free-to-head\"", "\"while-done\"")];
const ASYNC: [(&str, &str); 3] =
    [("\"stock\"", "\"async\""), ("\"in-order\"", "\"pipelined\""), ("Depth = 1", "Depth = 4")];
const STEPS: [(&str, &str); 1] = [("\"sections\"", "\"steps\"")];

#[test]
fn tlc_accepts_the_sample() {
    let Some(jar) = tlc("tlc_accepts_the_sample") else { return };
    let sample = trace(&excerpt(SAMPLE));
    assert_eq!(said(&jar, "g4", &sample, &[]), Said::Accepted { events: 172 });
    assert_eq!(replayed(&sample, Rules::G4, Qemu::Stock), Said::Accepted { events: 172 });
}

#[test]
fn tlc_accepts_five_batches_of_each_generation_and_unit() {
    let Some(jar) = tlc("tlc_accepts_five_batches_of_each_generation_and_unit") else { return };
    let five = trace(&excerpt(76));
    let accepted = Said::Accepted { events: 20 };
    assert_eq!(said(&jar, "five-g3", &five, &G3), accepted);
    assert_eq!(said(&jar, "five-async", &five, &ASYNC), accepted);
    assert_eq!(said(&jar, "five-steps", &five, &STEPS), accepted);
}

type Edit = fn(&mut Vec<String>);

fn replace(log: &mut [String], line: usize, from: &str, to: &str) {
    assert!(log[line - 1].contains(from), "line {line} is {}", log[line - 1]);
    log[line - 1] = log[line - 1].replacen(from, to, 1);
}

/// What is done to the lines, and at which line of the result TLC has to stop.
const CORRUPTIONS: [(&str, Edit, Said); 17] = [
    ("status-write-dropped", |log| drop(log.remove(65)), Said::RejectedAt { line: 67 }),
    ("status-write-doubled", |log| log.insert(66, log[65].clone()), Said::RejectedAt { line: 67 }),
    ("status-write-early", |log| log.swap(64, 65), Said::RejectedAt { line: 65 }),
    ("status-write-elsewhere", |log| replace(log, 66, "c1c", "c20"), Said::RejectedAt { line: 66 }),
    ("status-write-outside", |log| replace(log, 66, "0x1042c1c", "0x1043000"), Said::RejectedAt { line: 66 }),
    ("status-data-other", |log| replace(log, 66, "data 0x2", "data 0x1"), Said::RejectedAt { line: 66 }),
    ("descriptors-swapped", |log| log.swap(60, 64), Said::RejectedAt { line: 61 }),
    ("slots-swapped", |log| log.swap(59, 63), Said::RejectedAt { line: 61 }),
    ("wd-for-another-slot", |log| replace(log, 65, "c1c", "c18"), Said::RejectedAt { line: 65 }),
    ("descriptor-lost", |log| drop(log.drain(63..65)), Said::RejectedAt { line: 64 }),
    ("iqt-backwards", |log| iqt(log, 4), Said::RejectedAt { line: 68 }),
    ("iqt-by-much", |log| iqt(log, 110), Said::RejectedAt { line: 68 }),
    // A batch of two IDs and a WD is possible, but then slot 9 holds an ID.
    ("iqt-by-one", |log| iqt(log, 11), Said::RejectedAt { line: 75 }),
    ("iqt-outside", |log| iqt(log, 300), Said::RejectedAt { line: 68 }),
    ("iqt-doubled", |log| log.insert(68, log[67].clone()), Said::RejectedAt { line: 69 }),
    ("iqt-lost", |log| drop(log.drain(66..68)), Said::RejectedAt { line: 69 }),
    ("end-in-the-middle", |log| log.truncate(75), Said::RejectedAtEnd),
];

fn iqt(log: &mut [String], slot: u32) {
    replace(log, 67, "0xa0", &format!("{:#x}", slot << 4));
    replace(log, 68, "tail 10", &format!("tail {slot}"));
}

#[test]
fn corrupted_traces_are_rejected_at_the_same_event() {
    let jar = tlc("corrupted_traces_are_rejected_at_the_same_event, the half of TLC");
    for (name, edit, wanted) in CORRUPTIONS {
        let mut log = excerpt(76);
        edit(&mut log);
        let trace = trace(&log);
        assert_eq!(replayed(&trace, Rules::G4, Qemu::Stock), wanted, "{name}");
        if let Some(jar) = &jar {
            assert_eq!(said(jar, name, &trace, &[]), wanted, "{name}");
        }
    }
}

/// What no line contradicts by itself: it is the driver that would not have posted.
#[test]
fn what_the_driver_would_not_do_is_rejected() {
    let jar = tlc("what_the_driver_would_not_do_is_rejected, the half of TLC");
    // The CPU that writes IQT at 67 waits for a WD whose status write is missing.
    let mut waits = excerpt(76);
    waits.remove(65);
    // Two batches of an ID and a WD, and a ring of four: the second needs three free slots.
    let full = "0@0.0:vtd_inv_qi_setup addr 0x0 size 4\n1@0.0:vtd_inv_qi_tail write tail 2\n2@0.0:vtd_inv_qi_tail write tail 0";
    let full: Vec<String> = full.lines().map(str::to_owned).collect();
    for (name, log, line) in [("waits", waits, 67), ("full", full, 3)] {
        let (trace, wanted) = (trace(&own_thread(log)), Said::RejectedAt { line });
        assert_eq!(replayed(&trace, Rules::G4, Qemu::Async), wanted, "{name}");
        if let Some(jar) = &jar {
            assert_eq!(said(jar, name, &trace, &ASYNC), wanted, "{name}");
            let steps = [&ASYNC[..], &STEPS].concat();
            assert_eq!(said(jar, &format!("{name}-steps"), &trace, &steps), wanted, "{name}");
        }
    }
}

/// As in tests/replay.rs: the ring could, but the specification does not complete a batch of which an ID is not executed.
#[test]
fn what_the_specification_would_not_do_is_rejected() {
    let Some(jar) = tlc("what_the_specification_would_not_do_is_rejected") else { return };
    let log = "0@0.0:vtd_inv_qi_setup addr 0x0 size 4\n1@0.0:vtd_inv_qi_tail write tail 2\n\
               9@0.0:vtd_inv_qi_head read head 0\n\
               9@0.0:vtd_inv_desc invalidate desc type wait high 0x100 low 0x200000025\n\
               9@0.0:vtd_inv_desc_wait_sw wait invalidate status write addr 0x100 data 0x2";
    let trace = Trace::read(log.as_bytes()).unwrap();
    let wd_first = [&ASYNC[..], &[("\"wd-last\"", "\"wd-first\""), ("\"idle\"", "\"anywhere\"")]].concat();
    assert_eq!(said(&jar, "wd-first", &trace, &wd_first), Said::RejectedAt { line: 5 });
}

#[test]
fn a_trace_without_events_or_of_unknown_ones_is_not_accepted() {
    let Some(jar) = tlc("a_trace_without_events_or_of_unknown_ones_is_not_accepted") else { return };
    let module = events_module(&trace(&excerpt(33)));
    let empty = events_module(&trace(&excerpt(24)[..20]));
    for (name, module) in [("empty", empty), ("unknown", module.replace("\"Complete\"", "\"Wait\""))] {
        let (code, output) = validate(&jar, name, &module, &[]);
        assert_eq!(code, Some(10), "{name}: {output}");
        assert!(
            output.contains("Assumption") && output.contains("is false") && !output.contains("accepted"),
            "{output}"
        );
    }
}
