//! The command line of `tlc`: what it refuses, and how. None of this needs Java or TLC.

#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/models/g4-c0-2x4.cfg");

/// The example, which `cargo test` builds beside the tests, on a machine without TLC.
fn tlc() -> Command {
    let deps = std::env::current_exe().unwrap();
    let example: PathBuf = deps.parent().unwrap().parent().unwrap().join("examples").join("tlc");
    assert!(example.exists(), "{} is missing: `cargo test` or `cargo build --examples` builds it", example.display());
    let mut command = Command::new(example);
    command.env_remove("TLA2TOOLS_JAR").env("PATH", "/nonexistent");
    command
}

/// A file of one's own in a fresh place.
fn file(name: &str, content: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("vtd-qi-tlc-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Exit code 2 and one sentence that has these words.
fn refused(output: Output, words: &[&str]) {
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(words.iter().all(|word| error.contains(word)) && !error.contains("panicked"), "{error}");
}

#[test]
fn a_missing_jar_and_an_old_java_are_refused() {
    refused(tlc().args(["spec-c01-2", "--jar", "/nonexistent.jar"]).output().unwrap(), &["/nonexistent.jar"]);
    let jar = file("tla2tools.jar", "no archive");
    let java = |version: &str| {
        let java = file("java", &format!("#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n"));
        std::fs::set_permissions(&java, std::fs::Permissions::from_mode(0o755)).unwrap();
        java.parent().unwrap().to_path_buf()
    };
    let path = format!("{}:/usr/bin:/bin", java("1.8.0_292").display());
    let output = tlc().env("PATH", path).arg("spec-c01-2").arg("--jar").arg(&jar).output().unwrap();
    refused(output, &["version 8", "11 or newer"]);
}

#[test]
fn unknown_models_and_constants_are_refused() {
    refused(tlc().arg("no-such-model").output().unwrap(), &["no-such-model"]);
    refused(tlc().arg("/nonexistent.cfg").output().unwrap(), &["/nonexistent.cfg"]);
    let text = std::fs::read_to_string(MODEL).unwrap();
    let altered = |from: &str, to: &str| {
        assert!(text.contains(from));
        let path = file("altered.cfg", &text.replace(from, to));
        tlc().arg(path).args(["--jar", MODEL]).output().unwrap()
    };
    refused(altered("    Depth = 2", "    Depth = 2\n    Width = 3"), &["Width", "Depth"]);
    refused(altered("    Depth = 2\n", ""), &["Depth"]);
    refused(altered("Depth = 2", "Depth = 9"), &["9", "1 to 4"]);
    refused(altered("Length = 4", "Length = 5"), &["5", "even"]);
    refused(altered("\"all-free\"", "\"some-free\""), &["some-free"]);
}

#[test]
fn every_model_is_listed_and_every_scenario_without_one() {
    let output = tlc().arg("--list").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let list = String::from_utf8(output.stdout).unwrap();
    let table = vtd_qi::scenario::Table::embedded();
    assert!(table.scenarios.iter().all(|scenario| list.contains(&scenario.name)));
    assert!(list.contains("no twin, since"));
}
