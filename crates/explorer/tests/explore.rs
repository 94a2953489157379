//! Starts the example `explore` and asks it over HTTP, as a browser does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use roxmltree::Document;
use serde_json::Value;
use vtd_qi::scenario::Table;
use vtd_qi_page::frame::Frame;
use vtd_qi_page::report::ReportData;
use vtd_qi_page::run::Film;
use vtd_qi_tla::TlcTrace;

use served::{Explorer, explore};

mod served;

/// The texts of a step's drawing, which is well-formed.
fn drawn(step: &Value) -> Vec<String> {
    let svg = step["svg"].as_str().unwrap_or_else(|| panic!("no drawing in {step}"));
    let document = Document::parse(svg).unwrap_or_else(|error| panic!("{error} in {svg}"));
    assert_eq!(document.root_element().tag_name().name(), "svg");
    document
        .descendants()
        .filter(|node| node.is_text())
        .map(|node| node.text().unwrap().replace('\u{a0}', " "))
        .collect()
}

fn contains(texts: &[String], wanted: &str) -> bool {
    texts.iter().any(|text| text == wanted)
}

#[test]
fn the_ring_is_served_and_the_link_opens_the_lockup() {
    let explorer = Explorer::start(&[]);
    assert!(
        explorer.printed.contains("violates wd-eventually-observed-done (T2 waits for ever"),
        "{}",
        explorer.printed
    );

    let (code, page) = explorer.get("/");
    assert!(code == 200 && page.contains("<title>Explorer: queued invalidation</title>"), "{code} {page}");
    let properties = explorer.json("/.status")["properties"].to_string();
    assert!(properties.contains("free-cnt-consistent") && properties.contains("own-done-observed"), "{properties}");

    let initial = drawn(&explorer.step("0"));
    assert!(["IQH", "IQT", "free_head", "free_tail"].iter().all(|pointer| contains(&initial, pointer)), "{initial:?}");

    let link = explorer.link().unwrap();
    let step = explorer.step(link);
    let texts = drawn(&step);
    let steps = link.split('/').count() - 1;
    assert!(contains(&texts, &steps.to_string()), "the timeline has {steps} rows: {texts:?}");
    assert!(texts.iter().any(|text| text.starts_with("back in the state after step ")), "{texts:?}");
    assert!(texts.iter().any(|text| text.starts_with("while(WD") && text.ends_with("!=QI_DONE)")), "{texts:?}");
    // T2 waits for a WD that nobody will write again: the slot is free and the hardware has nothing to do.
    let told = step["outcome"].as_str().unwrap();
    assert!(told.contains("waits for its WD") && told.contains("free_cnt  4 of 4"), "{told}");

    let next = explorer.json(&format!("/.states/{link}"));
    assert!(next.as_array().unwrap().iter().all(|step| !drawn(step).is_empty()), "{next}");
    assert_eq!(explorer.get("/.states/0/99").0, 404);
}

#[test]
fn the_specification_that_may_lose_a_done_is_drawn_with_the_loss() {
    let explorer = Explorer::start(&["g3-c01-2x4", "--model", "lossy-spec"]);
    let texts = drawn(&explorer.step(explorer.link().unwrap()));
    assert!(contains(&texts, "lost"), "{texts:?}");
}

#[test]
fn without_a_counterexample_there_is_no_link() {
    for args in [["g4-c01", "--model=ring"], ["g3-c01-2x4", "--model=spec"]] {
        let explorer = Explorer::start(&args);
        assert!(explorer.printed.contains("no counterexample was found"), "{}", explorer.printed);
        assert_eq!(explorer.link(), None);
        assert!(!drawn(&explorer.step("0/0")).is_empty());
    }
}

#[test]
fn a_property_chooses_the_counterexample() {
    for name in ["refines-spec", "R1", "r1"] {
        let explorer = Explorer::start(&["g3-c01-2x4", "--property", name]);
        assert!(explorer.printed.contains("violates refines-spec"), "{}", explorer.printed);
        drawn(&explorer.step(explorer.link().unwrap()));
    }
}

#[test]
fn a_cell_and_a_configuration_of_ones_own_are_explored() {
    let cell = Explorer::start(&["g5-lost-answer-in-order-drop-2x4", "--property", "einval-only-if-invalid"]);
    assert!(cell.printed.starts_with("g5-lost-answer-in-order-drop-2x4: the ring, 2 submitters"), "{}", cell.printed);
    let report = cell.json("/.report");
    assert_eq!(report["report"]["scenarios"][0]["name"], "g5-lost-answer-in-order-drop-2x4");
    let film: Film = serde_json::from_value(cell.json("/.run/0/0")).unwrap();
    assert!(film.first.faults.unwrap().starts_with("FSTS"), "faults are told");
    let own = Explorer::start(&["g4-c01-2x4", "--rule", "reclaim=to-head", "--submitters", "1"]);
    assert!(own.printed.starts_with("g4-c01-own-1x4: the ring, 1 submitters"), "{}", own.printed);
    let about = &own.json("/.report")["report"]["about"];
    assert_eq!(about["own"], "g4-c01-2x4 with reclaim=to-head, submitters=1");
    let begun = Explorer::start(&["--generation", "g3t", "--counts", "1"]);
    assert!(begun.printed.starts_with("g3t-own-2x"), "{}", begun.printed);
    let spec = Explorer::start(&["g3-c01-2x4", "--model", "spec", "--submitters", "1"]);
    assert!(spec.printed.contains("the specification, 1 submitters"), "{}", spec.printed);
}

/// The page of ours asks these beside stateright's own questions.
#[test]
fn the_page_is_told_verdicts_runs_and_what_a_run_by_hand_shows() {
    let explorer = Explorer::start(&["g3-patch"]);
    let report = explorer.json("/.report");
    let link = explorer.link().unwrap();
    let path: Vec<u64> = link.split('/').map(|index| index.parse().unwrap()).collect();
    assert_eq!(report["paths"], serde_json::json!([path]));
    // The frame in the drawing's metadata is the one of the report's run.
    let step = explorer.step(link);
    let svg = Document::parse(step["svg"].as_str().unwrap()).unwrap();
    let metadata =
        svg.descendants().find(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "metadata"))).unwrap();
    let drawn: Frame = serde_json::from_str(metadata.text().unwrap()).unwrap();
    let film: Film = serde_json::from_value(explorer.json(&format!("/.run/{link}"))).unwrap();
    let frames = film.frames(&[]).unwrap();
    assert_eq!((frames.len(), frames.last().unwrap()), (path.len(), &drawn));
    let shown: ReportData = serde_json::from_value(report["report"].clone()).unwrap();
    assert_eq!(shown.runs[0].film.frames(&shown.changes).unwrap(), frames);

    let judged = explorer.json(&format!("/.judge/{link}"));
    assert_eq!((&judged["steps"], &judged["loop"]), (&36.into(), &3.into()));
    let lockup = &judged["properties"][0];
    assert_eq!(
        (lockup["name"].as_str(), lockup["found"].as_str()),
        (Some("wd-eventually-observed-done"), Some("violated"))
    );
    let (code, timeline) = explorer.get(&format!("/.timeline/{link}"));
    assert!(code == 200 && timeline.contains("takes away the QI_DONE of WD2, which T2 has not seen"), "{timeline}");
    let (code, trace) = explorer.get(&format!("/.trace/{link}"));
    let table = Table::embedded();
    let cfg = &table.find("g3-patch-2x4").unwrap().cfg;
    let executed = TlcTrace::parse(&trace, "the run").unwrap().on_ring(cfg).unwrap();
    assert_eq!((code, executed.stem, executed.repeating), (200, 33, 3));
    let (code, module) = explorer.get(&format!("/.module/{link}"));
    assert!(
        code == 200
            && module.contains("EXTENDS MCQISubmitSync, TLC")
            && module.contains("step = 36 /\\ Unlock(2) /\\ To(34)"),
        "{module}"
    );
    for path in ["/.run/0/99", "/.judge/7", "/.timeline/0/0/0/0/77", "/.trace/0/x", "/.report/0"] {
        assert_eq!(explorer.get(path).0, 404, "{path}");
    }
    assert_eq!(explorer.get("/.run/0/99").1, "after 0 steps there is no action 99; there are 4, numbered from 0\n");
}

/// What is said on standard error when the example refuses to start.
fn refused(args: &[&str]) -> String {
    let Output { status, stdout, stderr } = explore(args).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{args:?}: {stderr}");
    assert!(stdout.is_empty());
    stderr
}

#[test]
fn a_busy_port_is_an_error_that_names_it() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = busy.local_addr().unwrap().to_string();
    assert_eq!(
        refused(&["--addr", &addr]),
        format!("error: {addr} is in use by another program; choose another address with --addr\n")
    );
}

#[test]
fn unusable_arguments_are_told_from_usable_ones() {
    let scenario = refused(&["g3-c02"]);
    assert!(scenario.contains("\"g3-c02\"") && scenario.contains("did you mean \"g3-c0"), "{scenario}");
    let property = refused(&["--property", "liveness"]);
    assert!(property.contains("\"liveness\"") && property.contains("wd-eventually-observed-done"), "{property}");
    assert!(refused(&["--ring", "5"]).contains("a ring of 5 slots is odd"));
    assert!(refused(&["--bound", "2"]).contains("--bound means nothing where no fault may occur"));
    assert!(refused(&["g3-c01", "--generation", "g4"]).contains("NAME means nothing beside --generation"));
    for option in [["--ring", "6"], ["--rule", "reclaim=never"], ["--lock", "fifo"]] {
        let refusal = refused(&[&["--model", "spec"][..], &option].concat());
        assert!(refusal.contains("the other options are about the ring"), "{refusal}");
    }
    assert!(refused(&["--addr", "here"]).contains("'here'"));
    assert!(refused(&["--model", "spec", "--property", "refines-spec"]).contains("wd-eventually-observed-done"));
}

#[test]
fn it_is_answered_by_no_other_name() {
    let explorer = Explorer::start(&[]);
    assert_eq!(explorer.get_as("rebound.example", "/.status").0, 403);
    let (_, port) = explorer.addr.rsplit_once(':').unwrap();
    assert_eq!(explorer.get_as(&format!("localhost:{port}"), "/.status").0, 200);
    assert_eq!(explorer.get_as("localhost:99999999", "/.status").0, 403);
}

#[test]
fn the_page_is_not_the_working_directorys_unless_asked_for() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("planted");
    std::fs::create_dir_all(folder.join("ui")).unwrap();
    std::fs::write(folder.join("ui/index.htm"), "planted").unwrap();
    let started = |args: &[&str]| Explorer::of(explore(args).current_dir(&folder));
    assert!(started(&[]).get("/").1.contains("<title>Explorer: queued invalidation</title>"));
    let stock = started(&["--stock"]);
    assert!(stock.get("/").1.contains("<title>Stateright Explorer</title>") && stock.get("/.report").0 == 404);
    assert!(refused(&["--stock", "--ui", "ui"]).contains("--stock"));
    let asked = started(&["--ui", "ui"]);
    assert_eq!(asked.get("/").1, "planted");
    assert!(asked.get("/app.js").1.contains("runToCompletion"));
    assert!(refused(&["--ui", env!("CARGO_MANIFEST_DIR")]).contains("index.htm"));
    assert!(refused(&["--ui", "no/such/folder"]).contains("no/such/folder"));
}

/// Stateright's own search counts no memory: the program is ended by itself and not by the machine.
#[cfg(target_os = "linux")]
#[test]
fn a_search_that_has_used_its_memory_ends_the_program() {
    let mut command = explore(&["g4-c012-pipelined-3x6", "--max-memory", "1M", "--addr", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let before: Vec<String> = lines.by_ref().take_while(|line| !line.starts_with("Ctrl-C")).collect();
    let undecided = "no counterexample was found, but free-cnt-consistent is undecided: stopped at ";
    let says = |line: &&String| line.starts_with(undecided) && line.contains("the 1.0 MB of memory");
    assert!(before.iter().any(|line| says(&line)), "{before:?}");
    let addr = before.iter().find_map(|line| line.strip_prefix("http://")?.strip_suffix('/')).unwrap();
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(stream, "POST /.runtocompletion HTTP/1.0\r\nHost: {addr}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
    let patience = Instant::now() + Duration::from_secs(300);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > patience {
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(20));
    }
    let after: Vec<String> = lines.collect();
    let ended = "ended: stateright's search has taken half of the 1.0 MB of memory";
    assert!(after.iter().any(|line| line.starts_with(ended)), "{after:?}");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
