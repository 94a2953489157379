//! spec/MCLarge.cfg, the model that spec/DISTRIBUTED.md runs on two workers, checked in Rust, and a smaller one run as it says there:
//! by TLC's server and two workers, with the jar that `TLA2TOOLS_JAR` names.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use vtd_qi_twin::{Model, Verdict, check};

#[test]
fn the_large_model_is_the_same_in_rust() {
    let cfg = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/MCLarge.cfg");
    let side = check(&Model::read(&cfg).unwrap()).unwrap();
    // As TLC's server and its workers counted; see spec/DISTRIBUTED.md.
    assert_eq!(side.states, 625_527);
    // TypeOK, four invariants, four properties of steps and the refinement.
    assert_eq!(side.verdicts.len(), 10);
    assert!(side.verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Holds), "{:?}", side.verdicts);
}

/// The changes that make a model of spec/MCLarge.cfg which one process explores in seconds: two submitters and four slots. TLC of
/// 2020 does not know CHECK_DEADLOCK; the command line says it.
const SMALL: [(&str, &str); 3] =
    [("{1, 2, 3}", "{1, 2}"), ("Length = 6", "Length = 4"), ("CHECK_DEADLOCK FALSE\n", "")];

/// The driver before the fix of 2024, which does not refine the specification.
const G3: [(&str, &str); 1] = [("\"G4\"", "\"G3\"")];

fn small(changes: &[(&str, &str)]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/MCLarge.cfg");
    SMALL.iter().chain(changes).fold(std::fs::read_to_string(file).unwrap(), |cfg, (from, to)| {
        assert!(cfg.contains(from), "{from}");
        cfg.replace(from, to)
    })
}

/// A child of which nothing is left when the test ends, however it ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts TLC's server with a configuration, and two workers of one thread each, all of which talk on 127.0.0.1 only. What the server
/// and the first worker print, and the server's exit code; `None` if it still waits for workers when both have ended.
fn distributed(jar: &OsString, name: &str, cfg: &str) -> (Option<i32>, String, String) {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("distributed-{name}"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec");
    for module in ["MCQISubmitSync.tla", "QISubmitSyncProperties.tla", "QISubmitSync.tla", "QI.tla"] {
        std::fs::copy(spec.join(module), dir.join(module)).unwrap();
    }
    std::fs::write(dir.join("MCLarge.cfg"), cfg).unwrap();
    // A port that was free a moment ago; other tests may run TLC at the same time.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let java = |file: &str, class: &str, arguments: &[&str]| {
        let output = File::create(dir.join(file)).unwrap();
        let mut java = Command::new("java");
        java.args(["-Djava.rmi.server.hostname=127.0.0.1", "-Dtlc2.tool.distributed.TLCWorker.threadCount=1"]);
        java.arg(format!("-Dtlc2.tool.distributed.TLCServer.port={port}"))
            .arg("-Djava.io.tmpdir=.")
            .arg("-cp")
            .arg(jar);
        java.arg(format!("tlc2.tool.distributed.{class}")).args(arguments).current_dir(&dir).stdin(Stdio::null());
        Ended(java.stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap())
    };
    let said = |file: &str| String::from_utf8_lossy(&std::fs::read(dir.join(file)).unwrap()).into_owned();
    let mut server = java("server", "TLCServer", &["-deadlock", "-config", "MCLarge.cfg", "MCQISubmitSync"]);
    while !said("server").contains(" is ready (") {
        assert_eq!(server.0.try_wait().unwrap(), None, "{}", said("server"));
        sleep(Duration::from_millis(50));
    }
    let mut workers = ["worker-1", "worker-2"].map(|file| java(file, "TLCWorker", &["127.0.0.1"]));
    loop {
        let ended = server.0.try_wait().unwrap();
        let left = workers.iter_mut().all(|worker| worker.0.try_wait().unwrap().is_some());
        if ended.is_some() || (left && !said("server").contains("Finished in")) {
            return (ended.and_then(|status| status.code()), said("server"), said("worker-1"));
        }
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_server_and_two_workers_find_what_the_rust_finds() {
    let Some(jar) = std::env::var_os("TLA2TOOLS_JAR") else {
        // Past the capture of `cargo test`: what is not run is to be seen.
        let not_run = b"not run, for want of TLA2TOOLS_JAR: a_server_and_two_workers_find_what_the_rust_finds\n";
        std::io::stderr().write_all(not_run).unwrap();
        return;
    };
    let side = check(&Model::parse("small", &small(&[])).unwrap()).unwrap();
    assert_eq!(side.states, 8_929);
    assert!(side.verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Holds), "{:?}", side.verdicts);
    let (code, server, worker) = distributed(&jar, "holds", &small(&[]));
    // Since 2026 its set of states cannot be sent to a worker, as spec/DISTRIBUTED.md says: then both workers are gone at once.
    if worker.contains("java.io.NotSerializableException: tlc2.tool.fp.MultiFPSet") {
        assert!(code.is_none() && !server.contains("Model checking completed"), "{server}");
        std::io::stderr().write_all(b"not run: the distributed mode, which this TLC does not have any more\n").unwrap();
        return;
    }
    assert!(code == Some(0) && server.contains("Model checking completed. No error has been found."), "{server}");
    assert!(server.contains(" 8929 distinct states found, 0 states left on queue."), "{server}");
    // A violation is not named, and the exit code is 0 all the same.
    let broken = small(&G3);
    let (before, _) = broken.split_once("    FreeCntConsistent").unwrap();
    let (code, server, _) = distributed(&jar, "violated", &format!("{before}PROPERTY RefinesSpec\n"));
    assert_eq!(code, Some(0), "{server}");
    assert!(server.contains("Error: The behavior up to this point is:"), "{server}");
    assert!(!server.contains("No error has been found") && !server.contains("RefinesSpec"), "{server}");
}
