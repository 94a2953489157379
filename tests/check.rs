//! The command line of `check`: exit codes, JSON, bad input, Ctrl-C.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// The example, which `cargo test` builds beside the tests.
fn check() -> Command {
    let deps = std::env::current_exe().unwrap();
    let example: PathBuf = deps.parent().unwrap().parent().unwrap().join("examples").join("check");
    assert!(example.exists(), "{} is missing: `cargo test` or `cargo build --examples` builds it", example.display());
    Command::new(example)
}

fn run(args: &[&str]) -> Output {
    check().args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Unusable arguments: exit code 2, one sentence on standard error, nothing on standard output.
fn refused(args: &[&str], words: &[&str]) {
    let output = run(args);
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert!(words.iter().all(|word| error.contains(word)), "{args:?}: {error}");
    assert!(!error.contains("panicked"), "{args:?}: {error}");
}

/// A scenario file of its own in a fresh place.
fn file(name: &str, content: &[u8]) -> String {
    let path = std::env::temp_dir().join(format!("vtd-qi-{}-{name}", std::process::id()));
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_string()
}

#[test]
fn the_lockup_is_drawn_in_the_layout_of_the_patch() {
    let output = run(&["g3-c01-2x4"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let timeline = text.lines().skip_while(|line| !line.contains("violates wd-eventually"));
    let timeline: Vec<_> = timeline.take_while(|line| !line.starts_with(" scenario")).collect();
    insta::assert_snapshot!(timeline.join("\n"));
}

#[test]
fn json_is_alone_on_standard_output_and_has_the_promised_fields() {
    let output = run(&["--json", "g3-c01-2x4", "g4-c01"]);
    assert_eq!(output.status.code(), Some(0));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let scenarios = json["scenarios"].as_array().unwrap();
    assert_eq!(scenarios.len(), 5);
    let lockup = &scenarios[0];
    assert_eq!((lockup["name"].as_str(), lockup["generation"].as_str()), (Some("g3-c01-2x4"), Some("g3")));
    assert_eq!((lockup["submitters"].as_u64(), lockup["ring"].as_u64()), (Some(2), Some(4)));
    assert_eq!(lockup["counts"], serde_json::json!([0, 1]));
    assert_eq!((lockup["states"].as_u64(), lockup["transitions"].as_u64()), (Some(1_423), Some(2_786)));
    assert!(lockup["bytes_per_state"].as_u64().unwrap() <= 64 && lockup["seconds"].as_f64().unwrap() > 0.0);
    let property = |name: &str| {
        lockup["properties"].as_array().unwrap().iter().find(|p| p["name"] == name).unwrap_or(&Value::Null).clone()
    };
    assert_eq!(property("wd-eventually-observed-done")["verdict"], "violated");
    assert_eq!(property("wd-eventually-observed-done")["expected"], "violated");
    assert_eq!(property("free-cnt-consistent")["verdict"], "holds");
    assert!(property("free-cnt-consistent")["counterexample"].is_null());
}

#[test]
fn a_configuration_of_ones_own_is_fine_once_it_is_decided() {
    let own = ["--generation", "g3", "--submitters", "2", "--counts", "0,1", "--ring", "8", "--lock", "fifo"];
    let output = run(&[&own[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let properties = json["scenarios"][0]["properties"].as_array().unwrap().clone();
    assert!(
        properties.iter().any(|p| p["verdict"] == "violated") && properties.iter().all(|p| p["expected"].is_null())
    );
    let cut = run(&[&own[..], &["--max-states", "50"]].concat());
    assert_eq!(cut.status.code(), Some(1));
    assert!(stdout(&cut).contains("unknown") && !stdout(&cut).contains("  holds "));
}

#[test]
fn what_is_not_as_expected_is_named_and_exits_with_1() {
    let table = "[holds]\nrefines-spec = 'it is believed to'\n[[scenario]]\nname = 'wrong'\ngeneration = 'g3'\n\
                 submitters = [2]\ncounts = [0]\nrings = [4]\nchecks = ['refines-spec']\n\
                 unreached = { ring-full = 'steals' }\n";
    let output = run(&["--scenarios", &file("wrong.toml", table.as_bytes())]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("wrong-2x4: refines-spec violated, expected: holds"));
}

#[test]
fn every_scenario_is_listed() {
    let output = run(&["--list"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let table = vtd_qi::scenario::Table::embedded();
    assert!(table.scenarios.iter().all(|scenario| text.contains(&scenario.name)));
}

#[test]
fn bad_arguments_are_refused_with_value_and_limit() {
    refused(&["no-such-scenario"], &["no-such-scenario"]);
    refused(&["--generation", "g9"], &["g9", "g1, g3"]);
    refused(&["--generation", "g4", "--ring", "7"], &["7", "even"]);
    refused(&["--generation", "g4", "--ring", "2"], &["2", "4 to 256"]);
    refused(&["--generation", "g4", "--ring", "258"], &["258", "4 to 256"]);
    refused(&["--generation", "g4", "--ring", "70000"], &["70000", "4 to 256"]);
    refused(&["--generation", "g4", "--counts", "256"], &["256", "254"]);
    refused(&["--generation", "g4", "--counts", "3", "--ring", "4"], &["3", "wait for ever", "2"]);
    refused(&["--generation", "g4", "--counts", ""], &["counts"]);
    refused(&["--generation", "g4", "--counts", "-1"], &["-1"]);
    refused(&["--generation", "g4", "--submitters", "0"], &["0 submitters", "1 to 8"]);
    refused(&["--generation", "g4", "--submitters", "9"], &["9 submitters", "1 to 8"]);
    refused(&["--generation", "g4", "--depth", "0"], &["0", "1 to 4"]);
    refused(&["--generation", "g4", "--lock", "none"], &["none", "fifo"]);
    refused(&["--generation", "g4", "--rule", "mark"], &["mark", "RULE=VALUE"]);
    refused(&["--generation", "g4", "--rule", "mark=most"], &["most", "all-free"]);
    refused(&["--generation", "g4", "--rule", "marks=all-free"], &["marks", "mark"]);
    refused(&["--generation", "g4", "--property", "nice"], &["nice", "refines-spec"]);
    refused(&["--submitters", "2"], &["--generation"]);
    refused(&["--threads", "0"], &["0"]);
    refused(&["--max-states", "0"], &["0"]);
    refused(&["--scenarios", "/nonexistent/table.toml"], &["/nonexistent/table.toml"]);
}

#[test]
fn cells_that_are_not_there_are_refused() {
    refused(&["--faults", "g9"], &["\"g9\"", "there is no cell"]);
    refused(&["--faults", "g5-two-faults"], &["g5-two-faults", "--full"]);
}

#[test]
fn broken_scenario_files_are_refused() {
    refused(&["--scenarios", &file("binary.toml", &[0xff, 0xfe, 0x00, 0x9f])], &["binary.toml"]);
    refused(&["--scenarios", &file("empty.toml", b"")], &["no scenario"]);
    refused(&["--scenarios", &file("cut.toml", b"[[scenario]]\nname = \"x")], &["cut.toml"]);
    refused(&["--scenarios", std::env::temp_dir().to_str().unwrap()], &["cannot be read"]);
}

/// A search that would take long is interrupted: what is known is printed, the rest is unknown.
#[cfg(unix)]
#[test]
fn kept_cells_are_checked_again_only_where_a_search_can_go_further() {
    let kept = file("cells.jsonl", b"");
    let cell = "g5plus-ice-in-order-2x4";
    let checked = |more: &[&str]| {
        let output = run(&[&["--faults", cell, "--json", "--keep", &kept], more].concat());
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let known = String::from_utf8(output.stderr).unwrap().contains("1 of 1 cells are known from before");
        let cell = &json["cells"][0];
        (known, cell["complete"].as_bool().unwrap(), cell["states"].as_u64().unwrap())
    };
    let (known, complete, cut_at) = checked(&["--max-states", "500"]);
    assert!(!known && !complete && cut_at >= 500);
    assert_eq!(checked(&["--max-states", "400"]), (true, false, cut_at));
    let (known, complete, states) = checked(&[]);
    assert!(!known && complete && states > cut_at);
    // What was exhausted is known, whatever the limit.
    assert_eq!(checked(&["--max-states", "400"]), (true, true, states));
    assert_eq!(checked(&["--full"]), (true, true, states));
    std::fs::remove_file(kept).unwrap();
}

#[test]
fn ctrl_c_prints_what_is_known() {
    let args = ["--generation", "g4", "--submitters", "4", "--counts", "0,1,2", "--ring", "16", "--threads", "1"];
    let child = check().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let text = stdout(&output);
    assert!(text.contains("unknown") && text.contains("cancelled after") && !text.contains("  holds "), "{text}");
}

/// The run that the 2024 patch describes, in its own order and names.
#[test]
fn the_timeline_of_the_patch_is_executed() {
    let output = run(&["g3-patch"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let column = |t: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| !line.contains("===")).skip(1).take(36);
        let columns = lines.map(|line| line.split('|').next().unwrap().to_string());
        let width = text.lines().find(|line| line.contains("  T2  ")).unwrap().find("T2").unwrap();
        let cell = |line: String| {
            let line = line.trim_start_matches(['\u{250c}', '\u{2502}', '\u{2514}']).to_string();
            (line.chars().take(width - 2).collect::<String>(), line)
        };
        let own = columns.map(cell).filter(|(left, _)| (left.trim() != "") == (t == "T1"));
        own.map(|(_, line)| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let t1 = column("T1").join("; ");
    assert!(
        t1.contains("ID1; ID1=QI_IN_USE; WD1=QI_IN_USE; WD1; IQT=2; while(WD1!=QI_DONE); unlock; lock; WD1==QI_DONE"),
        "{t1}"
    );
    assert!(
        t1.contains("ID1=QI_DONE; reclaim(): ID1==QI_DONE; ID1=QI_FREE; reclaim(): WD1==QI_DONE; WD1=QI_FREE"),
        "{t1}"
    );
    assert!(t1.contains("reclaim(): WD2==QI_DONE; WD2=QI_FREE") && t1.ends_with("unlock, return"), "{t1}");
    let rest = column("T2").join("; ");
    assert!(rest.contains("WD2; IQT=3; while(WD2!=QI_DONE); unlock") && rest.contains("WD2=QI_DONE*"), "{rest}");
    assert!(rest.ends_with("lock; while(WD2!=QI_DONE); unlock"), "{rest}");
}

/// TLC's own shortest run to the first step of G3 that is no step of the specification, as `-dumpTrace json` wrote it.
#[test]
fn a_trace_of_tlc_is_executed_and_drawn() {
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tlc-g3-c01-2x4-refines-spec.json");
    let output = run(&["g3-c01-2x4", "--from-tlc", trace]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(text.contains("19 steps executed") && text.contains("reclaim(): WD1==QI_DONE"), "{text}");
    // The fixed ring does not have the last steps; another ring not even the first state.
    refused(&["g4-c01-2x4", "--from-tlc", trace], &["Poll"]);
    refused(&["g3-c01-2x6", "--from-tlc", trace], &["error: "]);
    refused(&["g3-c01", "--from-tlc", trace], &["exactly 1 scenario"]);
    let cut = std::fs::read(trace).unwrap();
    refused(&["g3-c01-2x4", "--from-tlc", &file("cut.json", &cut[..cut.len() / 2])], &["no JSON"]);
}

/// docs/results.md shows the whole table as `check` prints it, and the README the lockup's timeline.
#[test]
fn the_documents_show_what_check_prints() {
    let (results, readme) = (include_str!("../docs/results.md"), include_str!("../README.md"));
    let table = stdout(&run(&["--timelines", "none"]));
    assert!(results.contains(table.trim_end()), "paste the output of `check --timelines none` into docs/results.md");
    let lockup = stdout(&run(&["g3-patch"]));
    let timeline = lockup.lines().skip_while(|line| !line.contains("violates wd-eventually"));
    let timeline: Vec<_> = timeline.take_while(|line| !line.starts_with(" scenario")).collect();
    assert!(readme.contains(timeline.join("\n").trim_end()), "paste the timeline of `check g3-patch` into README.md");
}
