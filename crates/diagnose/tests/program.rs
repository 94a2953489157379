//! The program: exit codes, what it prints where, and its JSON.

#![cfg(target_os = "linux")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

const HANG: &str = "tests/fixtures/hang-6.12.43.txt";
const WORK: &str = "tests/fixtures/at-work.txt";

/// Runs the program, which is built beside the tests.
fn diagnose(arguments: &[&str], input: &[u8]) -> (i32, String, String) {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples/diagnose");
    assert!(program.exists(), "{} is missing: cargo build -p vtd-qi-diagnose --examples", program.display());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn the_verdict_stands_first_and_what_to_do_last() {
    let (code, out, errors) = diagnose(&[HANG], b"");
    // On a slow machine there is progress.
    assert!(code == 1 && errors.lines().all(|line| line.contains("asking whether")), "{errors}");
    assert!(out.starts_with("dmar0: hangs: the bug of 2026"), "{out}");
    assert!(out.contains("commit fe89277c9ceb mends it") && out.contains("walk: ID3.2=QI_ABORT"), "{out}");
    assert!(out.trim_end().lines().rev().take(3).any(|line| line.starts_with("next: ")), "{out}");
    let (code, out, _) = diagnose(&[WORK], b"");
    assert_eq!(code, 0);
    assert!(out.starts_with("dmar0: healthy: at work, 2 batch(es)"), "{out}");
}

#[test]
fn input_may_come_from_a_pipe_and_be_compressed() {
    let plain = std::fs::read(WORK).unwrap();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&plain).unwrap();
    let packed = packed.finish().unwrap();
    for input in [&plain, &packed] {
        let (code, out, _) = diagnose(&["-"], input);
        assert!(code == 0 && out.contains("healthy"), "{out}");
    }
    let (code, _, errors) = diagnose(&["-"], &packed[..packed.len() / 2]);
    assert!(code == 2 && errors.contains("cannot be unpacked"), "{errors}");
}

#[test]
fn what_cannot_be_used_is_said_and_the_rest_is_judged() {
    let (code, out, errors) = diagnose(&["/nowhere", WORK, "Cargo.toml"], b"");
    assert_eq!(code, 2);
    assert!(out.contains("healthy"), "{out}");
    assert!(errors.contains("/nowhere: cannot be opened") && errors.contains("Cargo.toml: none of its"), "{errors}");
    let gap: String = std::fs::read_to_string(WORK)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("    7\t"))
        .map(|line| format!("{line}\n"))
        .collect();
    let (code, _, errors) = diagnose(&["-"], gap.as_bytes());
    assert!(code == 2 && errors.contains("line 11: index 8 follows 6"), "{errors}");
}

#[test]
fn the_document_says_the_same() {
    let (code, out, _) = diagnose(&["--json", HANG], b"");
    let document: Value = serde_json::from_str(&out).unwrap();
    let unit = &document["units"][0];
    assert_eq!((code, &document["healthy"], &unit["state"]), (1, &Value::Bool(false), &"hangs".into()));
    assert_eq!(unit["bugs"][0]["bug"], "odd-walk-2026");
    assert_eq!(document["kernel"][1][0], "g4");
    let reached = |name: &str| {
        let generations = unit["generations"].as_array().unwrap();
        generations.iter().find(|generation| generation["generation"] == name).unwrap()["reached"]
            .as_str()
            .unwrap()
            .to_string()
    };
    assert_eq!(["g3", "g4", "g5"].map(reached), ["no", "yes", "for moments"]);
    assert!(unit["generations"][3]["ways"][0]["run"].as_array().unwrap().len() > 40);
}

#[test]
fn the_page_says_the_same_and_has_a_run() {
    let page = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("diagnosis.html");
    let name = page.to_str().unwrap();
    let (code, out, _) = diagnose(&["--html", name, HANG], b"");
    assert!(code == 1 && out.contains(&format!("next: {name} is a page of it to send")), "{out}");
    let html = std::fs::read_to_string(&page).unwrap();
    let (_, data) = html.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    let verdicts: Vec<(&str, &str)> = data["scenarios"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| (part["name"].as_str().unwrap(), part["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(verdicts, [("dmar0", "violated"), ("the kernel's log", "holds")]);
    let hung = &data["scenarios"][0];
    assert!(hung["sentence"].as_str().unwrap().starts_with("dmar0: hangs: the bug of 2026"), "{hung}");
    let drawn = hung["drawings"][0].as_str().unwrap();
    assert!(drawn.contains("64..66   uAu  ID, device-TLB ID, WD") && !drawn.contains('\u{1b}'), "{drawn}");
    assert_eq!(data["runs"][0]["scenario"], "g4-lost-answer-in-order-drop-2x4");
    let (code, _, errors) = diagnose(&["--html", "/nowhere/page.html", WORK], b"");
    assert!(code == 2 && errors.contains("/nowhere/page.html cannot be written"), "{errors}");
}

#[test]
fn memory_that_does_not_suffice_is_said() {
    let (code, out, errors) = diagnose(&["--max-memory", "2M", HANG], b"");
    assert!(code == 1 && out.starts_with("dmar0: not decided: memory suffices for "), "{out}");
    assert!(!errors.contains("panicked"), "{errors}");
    let (code, _, errors) = diagnose(&["--max-memory", "9PB", HANG], b"");
    assert!(code == 2 && errors.contains("9.0 PB of memory cannot be allowed"), "{errors}");
}
