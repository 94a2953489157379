//! Starts the example `explore` and asks it over HTTP, as a browser does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use roxmltree::Document;
use serde_json::Value;

/// Cargo puts examples beside the directory of the tests, and builds them first unless single targets are asked for.
fn explore(args: &[&str]) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let example: PathBuf = profile.join("examples").join(format!("explore{}", std::env::consts::EXE_SUFFIX));
    assert!(example.exists(), "{} is missing: cargo build --example explore", example.display());
    let mut command = Command::new(example);
    command.args(args);
    command
}

/// An Explorer on a free port, for as long as this lives.
struct Explorer {
    child: Child,
    /// What it printed before it began to serve.
    printed: String,
    addr: String,
}

impl Explorer {
    fn start(args: &[&str]) -> Explorer {
        Explorer::of(&mut explore(args))
    }

    fn of(command: &mut Command) -> Explorer {
        let mut child = command.args(["--addr", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let printed = lines.by_ref().take_while(|line| !line.starts_with("Ctrl-C")).collect::<Vec<_>>().join("\n");
        let url = printed.lines().find_map(|line| line.strip_prefix("http://")?.strip_suffix('/'));
        let addr = url.unwrap_or_else(|| panic!("no address in {printed:?}")).to_string();
        Explorer { child, printed, addr }
    }

    /// The link to a counterexample: the indices behind `#/steps/`.
    fn link(&self) -> Option<&str> {
        self.printed.lines().find_map(|line| line.split_once("/#/steps/")).map(|(_, path)| path)
    }

    /// Status code and body. Waits until the Explorer accepts connections: it prints its address before it does.
    fn get(&self, path: &str) -> (u16, String) {
        self.get_as(&self.addr, path)
    }

    /// The same by another name of this machine.
    fn get_as(&self, host: &str, path: &str) -> (u16, String) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut stream = loop {
            match TcpStream::connect(&self.addr) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => panic!("{}: {error}", self.addr),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // HTTP/1.0: the body is not sent in chunks, and the connection is closed behind it.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_string())
    }

    fn json(&self, path: &str) -> Value {
        let (code, body) = self.get(path);
        assert_eq!(code, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The step at the end of a path, as the Explorer's page asks for it: among the steps after the rest of the path.
    fn step(&self, path: &str) -> Value {
        let (before, index) = path.rsplit_once('/').unwrap_or(("", path));
        let index: u64 = index.parse().unwrap();
        let steps = self.json(&format!("/.states/{before}"));
        let step = steps.as_array().unwrap().iter().find(|step| step["actionIndex"] == index);
        step.unwrap_or_else(|| panic!("no step {index} in {steps}")).clone()
    }
}

impl Drop for Explorer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

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
    assert!(code == 200 && page.contains("<title>Stateright Explorer</title>"), "{code} {page}");
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
    let explorer = Explorer::start(&["g3-c01-2x4", "--property", "refines-spec"]);
    assert!(explorer.printed.contains("violates refines-spec"), "{}", explorer.printed);
    drawn(&explorer.step(explorer.link().unwrap()));
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
    let scenario = refused(&["g9"]);
    assert!(scenario.contains("\"g9\"") && scenario.contains("g3-c01, "), "{scenario}");
    let property = refused(&["--property", "liveness"]);
    assert!(property.contains("'liveness'") && property.contains("wd-eventually-observed-done"), "{property}");
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
    assert!(started(&[]).get("/").1.contains("<title>Stateright Explorer</title>"));
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
