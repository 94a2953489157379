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
    let output = run(&["g3-c01-2x4", "--width", "140"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let timeline = text.lines().skip_while(|line| !line.contains("violates wd-eventually"));
    let timeline: Vec<_> = timeline.take_while(|line| !line.starts_with("1 scenario")).collect();
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

/// For CI and `git bisect run`: what is violated or unknown is no success, unless that is what was asked for.
#[test]
fn a_configuration_of_ones_own_is_fine_if_all_of_it_holds() {
    let code = |args: &[&str]| run(args).status.code();
    let g3 = ["--generation", "g3", "--submitters", "2", "--counts", "0,1", "--ring", "8", "--lock", "fifo"];
    let output = run(&[&g3[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let properties = json["scenarios"][0]["properties"].as_array().unwrap().clone();
    assert!(
        properties.iter().any(|p| p["verdict"] == "violated") && properties.iter().all(|p| p["expected"].is_null())
    );
    assert_eq!(code(&[&g3[..], &["--expect", "violated"]].concat()), Some(0));
    assert_eq!(code(&[&g3[..], &["--property", "no-deadlock"]].concat()), Some(0));
    assert_eq!(code(&[&g3[..], &["--property", "no-deadlock", "--expect", "violated"]].concat()), Some(1));
    let one_of_two = ["--property", "no-deadlock", "--property", "refines-spec"];
    assert_eq!(code(&[&g3[..], &one_of_two].concat()), Some(1));
    assert_eq!(code(&[&g3[..], &one_of_two, &["--expect", "violated"]].concat()), Some(0));
    // The table says by what it judges, and judges as the exit code does.
    let judged = |more: &[&str], by: &str| -> bool {
        let output = run(&[&g3[..], more, &["--verbose"]].concat());
        let text = stdout(&output);
        let row = text.lines().find(|line| line.starts_with(" g3-own-2x8")).unwrap();
        assert!(text.contains(&format!("\nas expected: {by}")), "{text}");
        assert_eq!(row.ends_with(" yes"), output.status.success(), "{row}");
        assert!(row.ends_with(" yes") || row.ends_with(" NO"), "{row}");
        output.status.success()
    };
    assert!(judged(&["--property", "no-deadlock"], "every property has to hold, since no row"));
    assert!(!judged(&[], "every property has to hold, since no row"));
    assert!(judged(&["--expect", "violated"], "at least one property has to be violated (--expect violated)"));
    let cut = run(&[&g3[..], &["--max-states", "50"]].concat());
    assert_eq!(cut.status.code(), Some(1));
    assert!(stdout(&cut).contains("unknown") && !stdout(&cut).contains("  holds "));
    assert_eq!(code(&[&g3[..], &["--max-states", "50", "--expect", "violated"]].concat()), Some(1));
    for generation in ["g1", "g4", "g5", "g5plus"] {
        for slots in ["unfair", "fair"] {
            assert_eq!(code(&["--generation", generation, "--slots", slots]), Some(0), "{generation} {slots}");
        }
    }
}

/// No driver promises slots to a call that waits for them: without `--slots fair` it is not asked, and that is said.
#[test]
fn what_no_driver_promises_is_asked_on_demand_only() {
    let text = stdout(&run(&["--generation", "g4"]));
    assert!(
        text.lines().any(|line| line.starts_with("not asked") && line.ends_with(" call-eventually-posted")),
        "{text}"
    );
    let named = run(&["--generation", "g4", "--property", "call-eventually-posted"]);
    assert!(named.status.code() == Some(1) && !stdout(&named).contains("not asked"));
    let fair = run(&["--generation", "g4", "--slots", "fair"]);
    assert!(stdout(&fair).contains("holds     call-eventually-posted") && !stdout(&fair).contains("not asked"));
    let under_faults = run(&["--generation", "g5plus", "--fault", "lost-answer", "--json"]);
    let json: Value = serde_json::from_slice(&under_faults.stdout).unwrap();
    assert_eq!(json["not_asked"], serde_json::json!(["refines-fair-spec", "call-eventually-returns"]));
    assert_eq!(under_faults.status.code(), Some(0));
}

/// A scenario that is named is a starting point: options replace what it says, and its row no longer speaks of it.
#[test]
fn a_named_scenario_is_a_starting_point() {
    let output = run(&["g4-c01-2x4", "--rule", "reclaim=never", "--ring", "6"]);
    let text = stdout(&output);
    assert_eq!(text.lines().next(), Some("g4-c01-2x4 with reclaim=never, ring=6"));
    assert!(output.status.code() == Some(1) && text.contains("violated  no-slot-leak"), "{text}");
    let json = |args: &[&str]| -> Value { serde_json::from_slice(&run(&[args, &["--json"]].concat()).stdout).unwrap() };
    let changed = json(&["g4-c01-2x4", "--submitters", "3", "--counts", "0,1,2"]);
    assert_eq!(changed["configuration"], "g4-c01-2x4 with submitters=3, counts=0,1,2");
    let scenario = &changed["scenarios"][0];
    assert_eq!((&scenario["submitters"], &scenario["counts"]), (&3.into(), &serde_json::json!([0, 1, 2])));
    assert!(scenario["properties"].as_array().unwrap().iter().all(|p| p["expected"].is_null()));
    // For a seeded fault the row's rules are changed, not the generation's.
    let seeded = stdout(&run(&["seeded-reclaim-never-2x4", "--rule", "mark=nothing", "--timelines", "none"]));
    assert!(seeded.contains("rules that g4 does not have: mark=nothing, reclaim=never"), "{seeded}");
    refused(&["g4-c01", "--ring", "8"], &["exactly 1 scenario", "g4-c01 means 4"]);
    refused(&["g4-c01-2x4", "--ring", "7"], &["7", "even"]);
    refused(&["g4-c01-2x4", "--property", "x"], &["\"x\"", "no-deadlock"]);
}

/// Of named scenarios too, also such as their rows do not list.
#[test]
fn properties_of_named_scenarios_are_chosen() {
    let json = |args: &[&str]| -> (Option<i32>, Vec<(String, String, Value)>) {
        let output = run(&[args, &["--json"]].concat());
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let word = |value: &Value| value.as_str().unwrap().to_string();
        let properties = json["scenarios"][0]["properties"].as_array().unwrap().clone();
        let of = |p: &Value| (word(&p["name"]), word(&p["verdict"]), p["expected"].clone());
        (output.status.code(), properties.iter().map(of).collect())
    };
    let listed = json(&["g3-c01-2x4", "--property", "refines-spec"]);
    assert_eq!(listed, (Some(0), vec![("refines-spec".into(), "violated".into(), "violated".into())]));
    let unlisted = json(&["g3-patch-2x4", "--property", "no-deadlock"]);
    assert_eq!(unlisted, (Some(0), vec![("no-deadlock".into(), "holds".into(), Value::Null)]));
    let violated = run(&["g3-patch-2x4", "--property", "no-stranger-done"]);
    assert_eq!(violated.status.code(), Some(1));
    let text = stdout(&violated);
    assert!(text.contains("no-stranger-done violated, of which its row says nothing"), "{text}");
    assert!(text.contains("1 scenario: 0 as expected, 1 not"), "{text}");
    // What the table says of it is what the exit code says, be it listed, unlisted or both.
    for (properties, code, by) in [
        (&["refines-spec"][..], 0, "has to be the one of the scenario's row\n"),
        (&["no-deadlock"], 0, "every property has to hold, since no row"),
        (&["no-stranger-done"], 1, "every property has to hold, since no row"),
        (&["wd-eventually-observed-done", "no-deadlock"], 0, "what that does not speak of has to hold"),
    ] {
        let scenario = if properties == ["refines-spec"] { "g3-c01-2x4" } else { "g3-patch-2x4" };
        let asked = properties.iter().flat_map(|name| ["--property", name]);
        let output = run(&[scenario, "--verbose"].into_iter().chain(asked).collect::<Vec<_>>());
        let text = stdout(&output);
        let row = text.lines().find(|line| line.starts_with(&format!(" {scenario}"))).unwrap();
        assert_eq!(output.status.code(), Some(code), "{properties:?}");
        assert!(row.ends_with(if code == 0 { " yes" } else { " NO" }) && text.contains(by), "{text}");
    }
}

/// A name alone is of scenarios: the matrix is large.
#[test]
fn the_beginning_of_a_cells_name_is_no_name_of_scenarios() {
    refused(&["g3"], &["\"g3\"", "--faults g3", "174"]);
    refused(&["g5-lost-answer"], &["--faults g5-lost-answer"]);
}

/// Whatever is violated has its run, or one line that says how to see it; safety first.
#[test]
fn every_violation_has_its_run_or_says_how_to_see_it() {
    let own = ["--generation", "g4", "--rule", "reclaim=while-free", "--counts", "0,1", "--ring", "4"];
    let violated = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| Some(line.strip_prefix("  violated  ")?.to_string())).collect()
    };
    let text = stdout(&run(&own));
    assert!(!violated(&text).is_empty());
    let drawn: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("g4-own-2x4 violates ")?.split(':').next()).collect();
    let to_be_drawn = violated(&text);
    let undrawn = to_be_drawn.iter().filter(|name| !drawn.contains(&name.as_str())).count();
    assert_eq!(text.matches(": --timelines all draws it").count(), undrawn);
    assert!(undrawn < to_be_drawn.len() && drawn[0] == to_be_drawn[0], "{drawn:?} {to_be_drawn:?}");
    let position = |name: &str| vtd_qi::scenario::Check::all().position(|check| check.name() == name);
    assert!(drawn.is_sorted_by_key(|name| position(name)), "{drawn:?}");
    // What plain g4 violates too, and is asked for, hides nothing.
    let both = [&own[..], &["--property", "call-eventually-posted", "--property", &to_be_drawn[0]]].concat();
    let text = stdout(&run(&both));
    assert!(
        text.find(&format!("violates {}", to_be_drawn[0])) < text.find("violates call-eventually-posted"),
        "{text}"
    );
    // Who names a property wants to see how it fails.
    let text = stdout(&run(&["g5-lost-answer-in-order-drop-2x4", "--property", "success-after-execution"]));
    assert!(text.contains("\ng5-lost-answer-in-order-drop-2x4 violates success-after-execution"), "{text}");
    for timelines in ["none", "liveness-and-refinement"] {
        let text = stdout(&run(&["g5-lost-answer-in-order-drop-2x4", "--timelines", timelines]));
        let mut lines = text.lines().skip_while(|line| *line != "  violated  success-after-execution");
        let line = lines.find(|line| line.contains("--timelines")).unwrap();
        assert!(line.ends_with("25 steps: --timelines all draws it"), "{line}");
    }
}

/// `check CELL` and `check --faults CELL` say the same of a cell.
#[test]
fn a_cell_is_judged_alike_with_faults_and_without() {
    for (cell, limit) in [("g1-none-in-order-2x4", "800000"), ("g5plus-ice-in-order-2x4", "500")] {
        let named = run(&[cell, "--max-states", limit, "--timelines", "none"]);
        let of_matrix = run(&["--faults", cell, "--max-states", limit]);
        // What is merely unknown contradicts nothing.
        let (row, last) = match of_matrix.status.code() {
            Some(0) => ("yes", "; 0 not as expected"),
            _ => ("unknown", "; 0 not as expected, 1 undecided"),
        };
        let (of_row, generation) = (stdout(&of_matrix), cell.split('-').next().unwrap());
        assert!(
            of_row.lines().any(|line| line.trim_start().starts_with(generation) && line.trim_end().ends_with(row)),
            "{of_row}"
        );
        assert!(of_row.lines().any(|line| line.starts_with("1 cells: ") && line.ends_with(last)), "{of_row}");
        assert_eq!(named.status.code(), of_matrix.status.code(), "{cell}");
        let surprises = |text: &str| -> Vec<String> {
            let prefix = format!("{cell}: ");
            let said = text.lines().filter_map(|line| line.strip_prefix(&prefix));
            said.filter(|line| line.contains("expected: "))
                .map(|line| line.split(" (").next().unwrap().into())
                .collect()
        };
        assert_eq!(surprises(&stdout(&named)), surprises(&stdout(&of_matrix)), "{cell}");
        assert_eq!(surprises(&stdout(&named)).is_empty(), named.status.code() == Some(0), "{cell}");
    }
}

/// A reason for a verdict does not stand bare beside another.
#[test]
fn a_reason_stands_beside_the_verdict_that_it_is_for() {
    let table = "[holds]\nrefines-spec = 'it is believed to'\n[[scenario]]\nname = 'wrong'\ngeneration = 'g3'\n\
                 submitters = [2]\ncounts = [0]\nrings = [4]\nchecks = ['refines-spec']\n";
    let text = stdout(&run(&["--scenarios", &file("reason.toml", table.as_bytes())]));
    assert!(text.contains("  violated  (EXPECTED: holds) refines-spec"), "{text}");
    let reasons: Vec<&str> = text.lines().map(str::trim).filter(|line| line.ends_with("it is believed to")).collect();
    assert_eq!(reasons, ["expected to hold: it is believed to"]);
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
    let json: Value = serde_json::from_slice(&run(&["--list", "--json"]).stdout).unwrap();
    assert_eq!(json["scenarios"].as_array().unwrap().len(), table.scenarios.len());
    assert_eq!(json["scenarios"][0]["expected"]["wd-eventually-observed-done"], "violated");
    assert_eq!(json["properties"].as_array().unwrap().len(), vtd_qi::scenario::Check::all().count());
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
    let idle = "--rule ite-walk means nothing without --fault lost-answer or device-gone";
    refused(&["--generation", "g4", "--rule", "ite-walk=every"], &[idle]);
    refused(&["--generation", "g4", "--rule", "ite-walk=every", "--fault", "ice"], &[idle]);
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
    // Cells that are there, but are checked only with another option.
    refused(
        &["--faults", "g1-none-in-order-3x8"],
        &["the 1 cell that g1-none-in-order-3x8 names is checked only with --full"],
    );
    refused(&["g1-none"], &["--faults g1-none", "10 in all, 2 of them only with --full"]);
    let some = run(&["--faults", "g1-none"]);
    let said = String::from_utf8(some.stderr).unwrap();
    assert_eq!(some.status.code(), Some(0), "{said}");
    assert!(said.contains("g1-none names 10 cells, 2 of which are checked only with --full\n"), "{said}");
    refused(&["--faults", "g5-two-faults"], &["g5-two-faults", "--full"]);
}

#[test]
fn broken_scenario_files_are_refused() {
    refused(&["--scenarios", &file("binary.toml", &[0xff, 0xfe, 0x00, 0x9f])], &["binary.toml"]);
    refused(&["--scenarios", &file("empty.toml", b"")], &["no scenario"]);
    refused(&["--scenarios", &file("cut.toml", b"[[scenario]]\nname = \"x")], &["cut.toml"]);
    refused(&["--scenarios", std::env::temp_dir().to_str().unwrap()], &["cannot be read"]);
    refused(&["--scenarios", "/dev/zero"], &["/dev/zero has more than 1048576 bytes"]);
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
    let output = run(&["g3-patch", "--width", "140"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let column = |t: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| !line.contains("===")).skip(1);
        let lines = lines.filter(|line| !line.contains("this step takes away")).take(36);
        let columns = lines.map(|line| line.split('|').next().unwrap().to_string());
        let width = text.lines().find(|line| line.contains("  T2  ")).unwrap().find("T2").unwrap();
        let cell = |line: String| {
            let line = line.trim_start_matches(['\u{250c}', '\u{2502}', '\u{2514}', '!']).to_string();
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
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
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
    let table = stdout(&run(&["--verbose"]));
    assert!(results.contains(table.trim_end()), "paste the output of `check --verbose` into docs/results.md");
    let lockup = stdout(&run(&["g3-patch", "--width", "140"]));
    let timeline = lockup.lines().skip_while(|line| !line.contains("violates wd-eventually"));
    let timeline: Vec<_> = timeline.take_while(|line| !line.starts_with("1 scenario")).collect();
    let timeline = timeline.join("\n");
    assert!(readme.contains(timeline.trim_end()), "paste the timeline of `check g3-patch --width 140` into README.md");
}

/// What is printed with times taken out of it, which differ from run to run.
fn timeless(output: &Output) -> String {
    let seconds = |word: &str| word.strip_suffix(',').unwrap_or(word).parse::<f64>().is_ok() && word.contains('.');
    let text = stdout(output);
    let line = |line: &str| -> String {
        let mut words: Vec<&str> = line.split(' ').collect();
        for i in 1..words.len() {
            if words[i] == "s" && seconds(words[i - 1]) {
                words[i - 1] = "TIME";
            }
        }
        words.join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

const WIDTHS: [&str; 3] = ["80", "100", "140"];

#[test]
fn terminal_outputs_are_pinned_at_three_widths() {
    let cases: [(&str, &[&str], i32); 3] = [
        ("patch", &["g3-patch"], 0),
        ("cell", &["g5-lost-answer-in-order-drop-2x4"], 0),
        ("own", &["--generation", "g4", "--rule", "reclaim=while-free", "--counts", "0,1", "--ring", "4"], 1),
    ];
    for (name, args, code) in cases {
        for width in WIDTHS {
            let output = run(&[args, &["--width", width]].concat());
            assert_eq!(output.status.code(), Some(code), "{args:?}");
            let text = timeless(&output);
            // Names of several hyphens are not broken, and a value of a refinement's states may be long.
            let too_wide =
                text.lines().find(|line| line.chars().count() > width.parse().unwrap() && line.contains(' '));
            assert_eq!(too_wide, None, "{args:?} at {width}");
            insta::assert_snapshot!(format!("{name}_{width}"), text);
        }
    }
}

/// All of the table in one screen, with the step that does the harm.
#[test]
fn the_overview_fits_a_screen() {
    for width in WIDTHS {
        let output = run(&["--width", width]);
        assert_eq!(output.status.code(), Some(0));
        let text = timeless(&output);
        assert!(text.lines().count() <= 40, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= width.parse().unwrap()), "{text}");
        assert!(text.contains("this step takes away the QI_DONE of WD2"), "{text}");
        insta::assert_snapshot!(format!("overview_{width}"), text);
    }
}

/// Where the verdicts alone fill the screen, no run is drawn below them.
#[test]
fn an_overview_of_many_generations_has_no_room_for_a_run() {
    let family = |name: &str, generation: &str, count: u8| {
        format!(
            "[[scenario]]\nname = \"{name}\"\ngeneration = \"{generation}\"\nsubmitters = [2]\ncounts = [{count}]\n\
             rings = [4]\nchecks = [\"wd-eventually-observed-done\"]\nwhy = \"a test\"\n"
        )
    };
    let generations = ["g1", "g3", "g3t", "g4", "g4r", "g5", "g5r", "g5plus"];
    let table: String =
        generations.iter().map(|generation| family(&format!("one-{generation}"), generation, 1)).collect();
    let holds = "[holds]\nwd-eventually-observed-done = \"a test\"\n";
    let table = file("generations.toml", format!("{holds}{}{table}", family("hangs", "g3", 0)).as_bytes());
    let output = run(&["--scenarios", &table, "--width", "40"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(generations.iter().all(|generation| text.contains(&format!(" {generation}: "))), "{text}");
    assert!(text.contains("9 scenarios: ") && !text.contains("The run of "), "{text}");
}

/// Colour is never the only sign: without it the text is the same, and in a pipe there is none.
#[test]
fn colour_is_put_around_the_same_text() {
    let args = ["g3-c01-2x4", "g4-c0-2x4", "--verbose"];
    let plain = timeless(&run(&args));
    let coloured = run(&[&args[..], &["--color", "always"]].concat());
    let stripped = timeless(&Output { stdout: without_escapes(&coloured.stdout), ..coloured.clone() });
    assert!(coloured.stdout.contains(&0x1b) && !plain.contains('\u{1b}'));
    assert_eq!(stripped, plain);
    let no_color = check().args(args).env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(!no_color.stdout.contains(&0x1b));
}

fn without_escapes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = bytes.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            0x1b => drop(bytes.find(|byte| *byte == b'm')),
            byte => out.push(byte),
        }
    }
    out
}

/// A name that is nearly one is answered with the one that may have been meant.
#[test]
fn names_that_are_nearly_right_are_answered() {
    refused(&["g3-pach"], &["\"g3-pach\" (did you mean \"g3-patch\"?)"]);
    refused(&["--property", "no-stranger-dome"], &["did you mean \"no-stranger-done\"?"]);
    refused(&["--generation", "g4", "--rule", "reclam=never"], &["did you mean \"reclaim\"?"]);
    refused(&["--generation", "g4", "--rule", "reclaim=nevr"], &["did you mean \"never\"?"]);
    refused(&["--faults", "g5-lost-anser"], &["did you mean \"g5-lost-answer\"?"]);
    let table = "[holds]\nrefines-spec = 'it is believed to'\n[[scenario]]\nname = 'mine'\ngeneration = 'g4'\n\
                 submitters = [2]\ncounts = [0]\nrings = [4]\nchecks = ['refines-spec']\n";
    let table = file("without-cells.toml", table.as_bytes());
    refused(
        &["g1-none-in-order-2x4", "--scenarios", &table],
        &["is a cell of the matrix and not in the file of --scenarios"],
    );
    refused(&["xyzzy"], &["there is no scenario or family \"xyzzy\"; check --list"]);
}

/// The last line is the next thing to do, and is a command that exists.
#[test]
fn every_output_says_what_to_do_next() {
    let next = |args: &[&str]| -> String {
        let text = stdout(&run(args));
        let at = text.rfind("\nnext: ").unwrap_or_else(|| panic!("{args:?}: {text}"));
        text[at + "\nnext: ".len()..].split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(next(&["g3-patch"]).starts_with("explore g3-patch-2x4 "));
    let cell = next(&["g5-lost-answer-in-order-drop-2x4", "--timelines", "all"]);
    assert!(cell.starts_with("explore g5-lost-answer-in-order-drop-2x4 "), "{cell}");
    assert!(next(&["g3-c01-2x4", "--timelines", "none"]).starts_with("check g3-c01-2x4 --timelines all "));
    let asked = next(&["g3-patch-2x4", "--property", "S6", "--timelines", "none"]);
    assert!(asked.starts_with("check g3-patch-2x4 --property S6 --timelines all "), "{asked}");
    let changed = next(&["g4-c0-2x4"]);
    let command: Vec<&str> = changed.split(' ').skip(1).take(3).collect();
    assert_eq!(command[..2], ["g4-c0-2x4", "--rule"]);
    assert!(run(&command).status.code().is_some_and(|code| code < 2), "{changed}");
    assert!(next(&["--list"]).starts_with("check NAME "));
    assert!(next(&["--generation", "g4"]).starts_with("check --list "));
}
