//! What every program does alike: with a reader that has gone, with full disks, and with signals.
//!
//! The programs are those that `cargo test` builds beside the tests; where only this test is built, `cargo build --workspace
//! --examples` has to come first.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write, pipe};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

const LOG: &str = "tests/fixtures/k612mf.qemu.log.gz";
const RING: &str = "crates/diagnose/tests/fixtures/at-work.txt";
const CASES: &str = "tests/fixtures/liveness-cases.json";

/// What each program is run with, so that it ends soon, has something to say, and has no reason to fail.
const SHORT: [&[&str]; 18] = [
    &["check", "--help"],
    &["check", "--list"],
    &["check", "g3-c01-2x4"],
    &["check", "g4-c01-2x4", "--json"],
    &["diagnose", "--help"],
    &["diagnose", RING],
    &["diagnose", "--json", RING],
    &["explore", "--help"],
    &["liveness", "--help"],
    &["liveness", CASES],
    &["liveness", "--json", CASES],
    &["prove", "--help"],
    &["replay", "--help"],
    &["replay", LOG],
    &["replay", "--generation", "g4", "--json", LOG],
    &["replay", "--ndjson", LOG],
    &["tlc", "--help"],
    &["tlc", "--list"],
];

/// A program with these arguments, told of signals even where whoever runs the tests is not (`nohup`).
fn command(line: &[&str]) -> Command {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples").join(line[0]);
    assert!(program.exists(), "{} is missing: cargo build --workspace --examples", program.display());
    let mut command = Command::new("env");
    command.arg("--default-signal=INT,TERM,HUP").arg(program).args(&line[1..]);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}

/// A file that may be 1,024 bytes long.
#[test]
fn a_file_at_its_size_limit_is_a_full_disk() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("programs-size-limit");
    let line = command(&["check", "--list"]);
    let words: Vec<_> = std::iter::once(line.get_program()).chain(line.get_args()).collect();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 2; exec \"$@\"", "sh"]).args(words).stdout(File::create(&path).unwrap());
    let output = limited.stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("error: the output cannot be written") && said.lines().count() == 1, "{said}");
    assert!(std::fs::metadata(&path).unwrap().len() <= 1_024);
}

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// Exit code and what was complained of on standard error, with standard output somewhere else. On a slow machine there is
/// progress between, which is no complaint.
fn with_stdout(line: &[&str], stdout: impl Into<Stdio>) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command(line).stdout(stdout).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    let progress = |line: &str| line.contains(" of ") && !line.contains("error") && !line.contains("panicked");
    (status.code(), said.split_inclusive('\n').filter(|line| !progress(line)).collect())
}

#[test]
fn a_reader_that_has_gone_ends_a_program_silently() {
    for line in SHORT {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let (code, said) = with_stdout(line, writer);
        assert_eq!((code, said.as_str()), (Some(141), ""), "{line:?}");
    }
}

#[test]
fn a_full_disk_is_one_sentence() {
    for line in SHORT {
        let (code, said) = with_stdout(line, full());
        let sentence = "error: the output cannot be written: No space left on device (os error 28)\n";
        assert_eq!((code, said.as_str()), (Some(2), sentence), "{line:?}");
    }
}

#[test]
fn what_is_said_on_standard_error_may_be_lost() {
    let unusable = [["check", "no-such-scenario"], ["replay", "no/such/file"], ["liveness", "no/such/file"]];
    for line in SHORT.into_iter().chain(unusable.iter().map(|line| &line[..])).chain([&["explore", "g9"][..]]) {
        let normal = command(line).output().unwrap();
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        for stderr in [Stdio::from(full()), Stdio::from(writer)] {
            let lost = command(line).stderr(stderr).output().unwrap();
            assert_eq!(lost.status.code(), normal.status.code(), "{line:?}");
            assert_eq!(lost.stdout.is_empty(), normal.stdout.is_empty(), "{line:?}");
        }
    }
}

/// A program that works for long, and how it is known that it does.
struct Long {
    line: Vec<String>,
    /// Whether it says so on standard output; on standard error otherwise.
    on_stdout: bool,
    /// The beginning of a line that says so; any line if empty.
    at_work: &'static str,
    /// What stands in its output when it is interrupted.
    knows: &'static str,
}

impl Long {
    fn new(line: &[&str], at_work: &'static str, knows: &'static str) -> Long {
        Long { line: line.iter().map(|word| word.to_string()).collect(), on_stdout: false, at_work, knows }
    }

    /// Sends a signal when the program is at work. Its exit code, and its standard output.
    fn interrupted_by(&self, signal: &str) -> (Option<i32>, String) {
        let line: Vec<&str> = self.line.iter().map(String::as_str).collect();
        let mut child = command(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let mut printed = String::new();
        if self.on_stdout {
            let mut lines = BufReader::new(stdout);
            wait_for(&mut lines, self.at_work);
            send(signal, &child);
            lines.read_to_string(&mut printed).unwrap();
        } else {
            let mut lines = BufReader::new(stderr);
            wait_for(&mut lines, self.at_work);
            send(signal, &child);
            let rest = std::thread::spawn(move || lines.read_to_string(&mut String::new()));
            stdout.read_to_string(&mut printed).unwrap();
            rest.join().unwrap().unwrap();
        }
        (ended(&mut child).code(), printed)
    }
}

fn wait_for(lines: &mut impl BufRead, beginning: &str) {
    let mut before = String::new();
    for line in lines.lines() {
        let line = line.unwrap();
        if line.starts_with(beginning) {
            return;
        }
        before += &(line + "\n");
    }
    panic!("ended without {beginning:?}: {before}");
}

fn send(signal: &str, child: &Child) {
    assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
}

/// How it ended. What hangs is not waited for: the tests would hang too.
fn ended(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[track_caller]
fn obeys(long: &Long) {
    for signal in ["INT", "TERM", "HUP"] {
        let (code, printed) = long.interrupted_by(signal);
        assert_eq!(code, Some(130), "{:?} after SIG{signal}: {printed}", long.line);
        assert!(printed.contains(long.knows), "{:?} after SIG{signal}: {printed}", long.line);
    }
}

#[test]
fn check_obeys_signals() {
    // What is far from its end when it first says how far it is, however fast the machine.
    let own = "check --generation g5 --submitters 4 --counts 0,1 --ring 16 --fault lost-answer --max-states 1000000000";
    let words: Vec<&str> = own.split(' ').collect();
    obeys(&Long::new(&words, "", "unknown"));
}

#[test]
fn check_of_mutants_says_unknown_of_what_it_has_not_searched() {
    let long = Long::new(&["check", "--mutants"], "", "unknown: interrupted");
    let (code, printed) = long.interrupted_by("TERM");
    assert_eq!(code, Some(130), "{printed}");
    assert!(printed.contains(long.knows) && !printed.contains("SURVIVES"), "{printed}");
    // Nor does an explanation stand for a search that was not made.
    let last = printed.lines().rfind(|line| line.contains(" mutants: ")).unwrap();
    assert!(last.contains(" unknown, 0 not as explained"), "{last}");
}

#[test]
fn check_of_findings_prints_what_it_has_found() {
    obeys(&Long::new(&["check", "--findings"], "", "no timeline: unknown"));
}

#[test]
fn explore_obeys_signals() {
    obeys(&Long { on_stdout: true, ..Long::new(&["explore", "--addr", "127.0.0.1:0"], "Ctrl-C", "") });
}

/// A log of very many batches, each of which is handled before the next one.
fn endless_log(path: &Path) {
    let mut file = std::io::BufWriter::new(File::create(path).unwrap());
    writeln!(file, "1@0.0:vtd_inv_qi_setup addr 0x0 size 256").unwrap();
    for i in 0..400_000_u64 {
        let (slot, next) = (i % 256, (i + 1) % 256);
        let lines = [
            format!("vtd_inv_qi_tail write tail {next}"),
            format!("vtd_inv_qi_head read head {slot}"),
            format!("vtd_inv_desc invalidate desc type wait high {:#x} low 0x200000025", 4096 + 4 * slot),
            format!("vtd_inv_desc_wait_sw wait invalidate status write addr {:#x} data 0x2", 4096 + 4 * slot),
        ];
        for line in lines {
            writeln!(file, "{}@0.0:{line}", i % 4).unwrap();
        }
    }
}

#[test]
fn replay_obeys_signals() {
    let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("programs-endless.log");
    endless_log(&log);
    let line = ["replay", "--generation", "g4", "--steps", log.to_str().unwrap()];
    obeys(&Long::new(&line, "g4: ", "g4: unknown (each hidden step by itself) from line "));
    std::fs::remove_file(log).unwrap();
}

#[test]
fn replay_obeys_a_signal_while_it_reads() {
    let mut child = command(&["replay", "/dev/stdin"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // More than a pipe holds: when all of it is written, the program has begun to read.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all("1@0.0:vtd_reg_read addr 0x8\n".repeat(10_000).as_bytes()).unwrap();
    send("TERM", &child);
    assert_eq!(ended(&mut child).code(), Some(130));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "/dev/stdin: not judged: interrupted\n");
}

/// A pipe with a name, which nobody writes to: opening it waits for ever.
fn silent_pipe(name: &str) -> PathBuf {
    let pipe = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_file(&pipe);
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    pipe
}

/// Whether a process waits in the opening of a pipe, as Linux calls it: one of its threads does.
fn opens_a_pipe(child: &Child) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", child.id())).into_iter().flatten().flatten();
    let mut calls = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("wchan")).ok());
    calls.any(|call| call == "wait_for_partner")
}

#[test]
fn a_signal_ends_the_wait_for_a_pipe_that_nobody_writes_to() {
    let cfg = silent_pipe("programs-silent.cfg");
    let cfg = cfg.to_str().unwrap();
    for line in [
        &["check", "--scenarios", cfg][..],
        &["check", "g4-c01-2x4", "--from-tlc", cfg],
        &["tlc", cfg],
        &["tlc", "g3-c01-2x4", "--from-trace", cfg],
        &["liveness", cfg],
        &["replay", cfg],
    ] {
        for signal in ["TERM", "HUP", "INT"] {
            let mut child = command(line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            while !opens_a_pipe(&child) {
                assert!(child.try_wait().unwrap().is_none(), "{line:?} did not wait");
                std::thread::sleep(Duration::from_millis(20));
            }
            send(signal, &child);
            assert_eq!(ended(&mut child).code(), Some(130), "{line:?} {signal}");
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            assert!(
                said.starts_with(cfg) && said.contains("interrupted") && said.lines().count() == 1,
                "{line:?}: {said}"
            );
        }
    }
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let mut ignoring = Command::new("env");
    let explore = command(&["explore", "--addr", "127.0.0.1:0"]);
    let args: Vec<_> = explore.get_args().skip(1).collect();
    ignoring.arg("--ignore-signal=HUP").args(args).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = ignoring.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    wait_for(&mut lines, "Ctrl-C");
    send("HUP", &child);
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "nohup wants it to go on");
    send("TERM", &child);
    assert_eq!(ended(&mut child).code(), Some(130));
}
