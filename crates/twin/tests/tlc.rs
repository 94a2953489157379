//! The command line of `tlc`: what it refuses, and how, and what is left of a TLC that it has started. All but the last test do
//! without Java and TLC; a shell script takes their place where something has to run.

#![cfg(unix)]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::Duration;

use vtd_qi_twin::{Model, Selection};

/// A model of some ten thousand states.
const LARGE: &str = "g4-c01-fifo-2x4";

/// A model of QISubmitSync.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/models/g4-c01-2x4.cfg");

/// The example, which `cargo test` builds beside the tests, on a machine without TLC.
fn tlc() -> Command {
    let deps = std::env::current_exe().unwrap();
    let example: PathBuf = deps.parent().unwrap().parent().unwrap().join("examples").join("tlc");
    assert!(example.exists(), "{} is missing: `cargo test` or `cargo build --examples` builds it", example.display());
    let mut command = Command::new(example);
    command.env_remove("TLA2TOOLS_JAR").env("PATH", "/nonexistent");
    command
}

/// A file with the given text in a fresh place.
fn file(name: &str, content: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("vtd-qi-tlc-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// The `.cfg` file of a model, which the program reads in less time than it takes to make all models.
fn model(name: &str) -> String {
    static DIR: LazyLock<PathBuf> = LazyLock::new(|| {
        let dir = file("in-the-same-place", "").with_file_name("models");
        Selection::write(&Model::all().models, &dir).unwrap();
        dir
    });
    DIR.join(name).with_extension("cfg").into_os_string().into_string().unwrap()
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
    refused(altered("\"G4\"", "\"G9\""), &["G9", "\"G3\" or \"G4\""]);
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

#[test]
fn models_are_written_where_they_are_wanted() {
    let dir = file("a-file", "in the way").with_file_name("written");
    let (option, name) = (format!("--write-models={}", dir.display()), "spec-c01-2");
    let output = tlc().args([&option, name]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with(&format!("1 .cfg file is in {}\n\nnext: tlc FILE.cfg ", dir.display())), "{said}");
    let files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["spec-c01-2.cfg"]);
    Model::all().check_files(&dir).unwrap();
    refused(tlc().args([&option, "no-such-model"]).output().unwrap(), &["no-such-model"]);
    let option = format!("--write-models={}", dir.with_file_name("a-file").display());
    refused(tlc().args([&option, name]).output().unwrap(), &["a-file", "cannot be created"]);
}

#[test]
fn options_that_mean_nothing_together_are_refused() {
    let pairing =
        ["--graph", "--cover", "--jobs=2", "--workers=2", "--embedded-states=5", "--write-manifest=2026-01-01"];
    let modes =
        ["--list", "--write-models=target/models", "--update-manifest", "--bench", "--from-trace=x", "--to-trace=x"];
    for mode in modes {
        for option in pairing.into_iter().chain(modes).filter(|option| *option != mode) {
            // Both traces want a model.
            let model = if mode.contains("trace") || option.contains("trace") { &["spec-c01-2"][..] } else { &[] };
            refused(tlc().args([mode, option]).args(model).output().unwrap(), &["cannot be used with"]);
        }
    }
    for arguments in [["--list", "spec-c01-2"], ["--update-manifest", "spec-c01-2"], ["--cover", "spec-c01-2"]] {
        refused(tlc().args(arguments).output().unwrap(), &["cannot be used with"]);
    }
    for option in ["--timeout=5", "--jar=x", "--max-memory=2M"] {
        refused(tlc().args(["--list", option]).output().unwrap(), &["cannot be used with"]);
    }
}

/// The list of all models takes seconds to make, and is made after all that can be wrong with what was asked for: here the manifest
/// would be found not to be that of the list.
#[test]
fn slips_of_the_pen_are_answered_before_the_models_are_made() {
    let spec = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("tlc-spec");
    std::fs::create_dir_all(&spec).unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/manifest.json");
    let text = std::fs::read_to_string(manifest).unwrap();
    std::fs::write(spec.join("manifest.json"), text.replacen("\"spec-c01-3\"", "\"other\"", 1)).unwrap();
    let said = |arguments: &[&str], words: &[&str]| {
        refused(tlc().arg("--spec").arg(&spec).args(arguments).output().unwrap(), words);
    };
    said(&["spec-c01"], &["there is no model spec-c01;"]);
    said(&["spec-c01-2", "/nonexistent.cfg"], &["/nonexistent.cfg cannot be read"]);
    said(&["spec-c01-2", "--jar", "/nonexistent.jar"], &["there is no TLC in /nonexistent.jar"]);
    said(&["spec-c01-2", "--max-memory", "9PB"], &["9.0 PB of memory cannot be allowed"]);
    for (date, why) in
        [("2026-13-01", "there are 12"), ("2026-02-29", "1 to 28"), ("26-11-27", "no date like 2026-11-27")]
    {
        said(&["spec-c01-2", "--write-manifest", date], &[date, why]);
    }
    // What is asked for is possible; then the list is made.
    let endless = Endless::new("early");
    let mut command = endless.command();
    refused(command.arg("--spec").arg(&spec).output().unwrap(), &["manifest.json cannot be used: "]);
}

#[test]
fn a_model_that_does_not_fit_into_memory_is_undecided() {
    let undecided = |output: Output, words: &[&str]| {
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    };
    let asked = |arguments: &[&str]| tlc().args(["--max-memory", "1M"]).args(arguments).output().unwrap();
    let traced = asked(&[&model(LARGE), "--to-trace", "FreeCntConsistent"]);
    undecided(traced, &["FreeCntConsistent is unknown: no run violates it in ", "the 1.0 MB of memory"]);
    let endless = Endless::new("memory");
    let output = endless.command().args([LARGE, "--max-memory", "1M", "--timeout", "0"]).output().unwrap();
    undecided(
        output,
        &["undecided: ", " has more than ", "the 1.0 MB of memory", "2 models, 0 with differences, 2 undecided"],
    );
    // A trace of which not even the text fits.
    let long = file("long.json", &format!("{{\"counterexample\": \"{}\"}}", "x".repeat(20_000)));
    let output = asked(&[&model("spec-c01-2"), "--from-trace", long.to_str().unwrap()]);
    refused(output, &["is longer than 15625 bytes, all that the memory that is allowed suffices for"]);
}

/// The list of all models takes seconds: what is wrong is said before it is made, and a signal ends it.
#[test]
fn a_signal_ends_the_listing_of_the_models() {
    let mut child = tlc().arg("--list").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let catches_term = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a line of each process");
        u64::from_str_radix(mask.trim(), 16).unwrap() >> 14 & 1 == 1
    };
    while !catches_term() {
        sleep(Duration::from_millis(1));
    }
    signal(&child, "TERM");
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "interrupted before the models were listed\n");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let absent = tlc().args(["g3-c01-2x4", "--from-trace", "no-such-trace.json"]).output().unwrap();
    refused(absent, &["no-such-trace.json cannot be read"]);
}

#[test]
fn nobody_who_reads_and_a_full_device() {
    let trace = file("loop.json", &closing());
    let trace = trace.to_str().unwrap();
    let (lossy, spec) = (model("spec-lossy-c01-2--wd-eventually-observed-done"), model("spec-c01-2"));
    let commands: [&[&str]; 3] =
        [&["--list"], &[&lossy, "--to-trace", "WdEventuallyObservedDone"], &[&spec, "--from-trace", trace]];
    for arguments in commands {
        let fine = tlc().args(arguments).output().unwrap();
        assert!(fine.status.success() && !fine.stdout.is_empty(), "{arguments:?}: {fine:?}");
        let full = File::options().write(true).open("/dev/full").unwrap();
        refused(
            tlc().args(arguments).stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap(),
            &["the output cannot be written"],
        );
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = tlc().args(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let closed = closed.wait_with_output().unwrap();
        assert_eq!((closed.status.code(), closed.stderr.as_slice()), (Some(141), &b""[..]), "{arguments:?}");
    }
}

/// One call from beginning to end, of the second submitter, as TLC writes it.
fn closing() -> String {
    std::fs::read_to_string(corpus().join("closing-step.json"))
        .unwrap()
        .replace("\"done\": [-1, 7]", "\"done\": [-1, -1]")
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// Each file of the corpus was once accepted, or ended in a panic; its first line or its name says what is wrong with it.
#[test]
fn every_file_of_the_corpus_is_refused_in_a_sentence() {
    let mut count = 0;
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let path = entry.unwrap().path();
        let output = match path.extension().and_then(|extension| extension.to_str()) {
            Some("cfg") => tlc().arg(&path).output().unwrap(),
            _ => tlc().args([&model("spec-c01-2"), "--from-trace"]).arg(&path).output().unwrap(),
        };
        let error = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(error.starts_with("error: ") && error.lines().count() == 1, "{}: {error}", path.display());
        refused(output, &[]);
        count += 1;
    }
    assert!(count >= 8, "{count}");
}

/// A `java` that answers as TLC's does when it is asked for its version and its options, and else tells its process's number and
/// never ends. It is started with a folder for temporary files of its own.
struct Endless {
    folder: PathBuf,
}

impl Endless {
    fn new(name: &str) -> Endless {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("tlc-{name}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("tmp")).unwrap();
        let java = folder.join("java");
        let script = "#!/bin/sh\ncase \"$*\" in\n\
            -version) echo 'openjdk version \"17\"' >&2 ;;\n\
            *-help) echo '-metadir -dumpTrace -noGenerateSpecTE' ;;\n\
            *) cd \"$(dirname \"$0\")\"; sleep 1000 & echo $$ $! >pids.new; mv pids.new pids; wait ;;\nesac\n";
        std::fs::write(&java, script).unwrap();
        std::fs::set_permissions(&java, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(folder.join("tla2tools.jar"), "").unwrap();
        Endless { folder }
    }

    fn command(&self) -> Command {
        let mut command = tlc();
        command.env("PATH", format!("{}:/usr/bin:/bin", self.folder.display())).env("TMPDIR", self.folder.join("tmp"));
        command.arg("spec-c01-2").arg("--jar").arg(self.folder.join("tla2tools.jar"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The numbers of the processes that take TLC's place, as soon as they run.
    fn pids(&self) -> Vec<String> {
        loop {
            if let Ok(pids) = std::fs::read_to_string(self.folder.join("pids")) {
                return pids.split_whitespace().map(str::to_string).collect();
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the processes are gone, and the folders with them. It never ends if they stay.
    fn wait_for_nothing(&self, pids: &[String]) {
        let alive = |pid: &String| {
            // A zombie that nobody has waited for does not run any more.
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
        };
        while pids.iter().any(alive) || std::fs::read_dir(self.folder.join("tmp")).unwrap().next().is_some() {
            sleep(Duration::from_millis(10));
        }
    }
}

fn signal(child: &Child, name: &str) {
    let kill = Command::new("/bin/sh").args(["-c", "kill -s $0 $1", name, &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
}

#[test]
fn tlc_ends_with_the_program_that_started_it() {
    for (name, code) in [("TERM", Some(130)), ("INT", Some(130)), ("HUP", Some(130)), ("KILL", None)] {
        let endless = Endless::new(name);
        let mut child = endless.command().spawn().unwrap();
        let pids = endless.pids();
        assert_eq!(pids.len(), 2);
        // The Rust side is there before TLC has said anything.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.starts_with("    Rust             73          150      9")), "{name}");
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), code, "{name}: {output:?}");
        assert_eq!(lines.any(|line| line.contains("undecided: a signal ended TLC")), code.is_some(), "{name}");
        endless.wait_for_nothing(&pids);
    }
}

#[test]
fn a_limit_that_is_reached_leaves_the_model_undecided() {
    let endless = Endless::new("limit");
    let output = endless.command().args(["--timeout", "0"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("    undecided: the time for TLC was over\n"), "{text}");
    assert!(text.contains("1 models, 0 with differences, 1 undecided\n"), "{text}");
    endless.wait_for_nothing(&[]);
    // A limit that no clock reaches is none, and no panic.
    let _ = std::fs::remove_file(endless.folder.join("pids"));
    let mut child = endless.command().args(["--limit", "18446744073709551615"]).spawn().unwrap();
    let pids = endless.pids();
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    endless.wait_for_nothing(&pids);
}

/// The real thing, old or new: one model that holds, one that is violated by a run that stutters, one by a loop.
#[test]
fn tlc_and_the_rust_agree_state_for_state() {
    let Some(jar) = std::env::var_os("TLA2TOOLS_JAR") else {
        let not_run = b"not run, for want of TLA2TOOLS_JAR: tlc_and_the_rust_agree_state_for_state\n";
        std::io::stderr().write_all(not_run).unwrap();
        return;
    };
    let models = ["spec-c01-2", "spec-lossy-c01-2--wd-eventually-observed-done", "faults-g1-invalid-id--no-slot-leak"];
    let mut pairing = tlc();
    pairing.env("PATH", std::env::var_os("PATH").unwrap()).arg("--jar").arg(jar).arg("--graph").args(models);
    let output = pairing.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("\n3 models, 0 with differences\n\nnext: "), "{text}");
    assert_eq!(text.matches("the counterexamples of each side are runs of the other").count(), 2, "{text}");
}
