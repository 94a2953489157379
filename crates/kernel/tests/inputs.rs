//! A driver is read from wherever it lies: a file, a folder, a tree, an archive, a revision, and with a patch.

use std::path::Path;
use std::process::{Command, Output};

use driver::{BEFORE_2024, DRIVER, ODD_WALK};

#[path = "kernel/driver.rs"]
mod driver;

/// The program, which is to keep nothing anywhere but below a folder.
fn run(folder: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vtd-qi-kernel"));
    command.current_dir(folder).env("VTD_QI_CACHE", folder.join("cache")).args(options).output().unwrap()
}

/// What a driver is recognised as, and all that is said of it.
fn recognised(folder: &Path, options: &[&str]) -> (Option<String>, serde_json::Value) {
    let output = run(folder, &[&["--json", "--only", "recognise"], options].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{options:?}: {said}"));
    (report["recognised"]["generation"].as_str().map(String::from), report)
}

fn refused(folder: &Path, options: &[&str]) -> String {
    let output = run(folder, options);
    let said = String::from_utf8_lossy(&output.stderr).trim().to_string();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{options:?}: {said}");
    said
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The driver without its declarations, in the words of those that are given to a file without headers.
fn bare() -> String {
    let (_, functions) = DRIVER.split_once("static int slot_shift").unwrap();
    let words = [
        ("FAULT_", "DMA_FSTS_"),
        ("WAIT_WITH_STATUS", "(QI_IWD_STATUS_WRITE | QI_IWD_TYPE)"),
        ("wait.word[0]", "wait.qw0"),
        ("wait.word[1]", "wait.qw1"),
        ("{ { 0 } }", "{ 0 }"),
        ("(u16)(readq(iommu->reg + DMAR_IQER_REG) >> 32)", "DMAR_IQER_REG_ITESID(readq(iommu->reg + DMAR_IQER_REG))"),
    ];
    words.iter().fold(format!("static int slot_shift{functions}"), |text, (a, b)| text.replace(a, b))
}

#[test]
fn a_driver_without_headers_is_given_declarations() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "mail/dmar.c", &bare());
    write(folder.path(), "renamed.c", &bare());
    for place in ["mail/dmar.c", "mail", "renamed.c"] {
        let (generation, report) = recognised(folder.path(), &["--linux", place]);
        assert_eq!(generation.as_deref(), Some("g5"), "{place}");
        assert_eq!(report["notes"][0], "it has no headers: what it takes from them is declared by this program");
    }
    // Headers beside it come first: here they make it another driver.
    write(folder.path(), "mail/iommu.h", "#define DMA_FSTS_ITE 0x80\n");
    let (generation, report) = recognised(folder.path(), &["--linux", "mail"]);
    assert!(generation.is_none(), "{report}");
    assert!(report["notes"][0].as_str().unwrap().contains("the 1 beside it"), "{report}");
}

#[test]
fn a_driver_in_a_tree_has_the_headers_of_the_tree() {
    let folder = tempfile::tempdir().unwrap();
    let (headers, functions) = DRIVER.split_once("static int slot_shift").unwrap();
    write(folder.path(), "linux/drivers/iommu/intel/iommu.h", headers);
    write(folder.path(), "linux/drivers/iommu/intel/dmar.c", &format!("static int slot_shift{functions}"));
    for place in ["linux", "linux/drivers/iommu/intel", "linux/drivers/iommu/intel/dmar.c"] {
        let (generation, report) = recognised(folder.path(), &["--linux", place]);
        assert_eq!(generation.as_deref(), Some("g5"), "{place}");
        assert_eq!(report["notes"].as_array().unwrap().len(), 0, "{place}");
    }
    // By itself it has words that nobody declares, and is given them by name.
    write(folder.path(), "dmar.c", &format!("static int slot_shift{functions}"));
    assert!(refused(folder.path(), &["--linux", "dmar.c"]).contains("WAIT_WITH_STATUS (in qi_submit_sync)"));
    for headers in ["linux", "linux/drivers/iommu/intel"] {
        let report = recognised(folder.path(), &["--linux", "dmar.c", "--headers", headers]).1;
        assert!(report["notes"][1].as_str().unwrap().contains(headers), "{report}");
    }
}

#[test]
fn headers_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "dmar.c", &bare());
    write(folder.path(), "empty/x.c", "");
    for (headers, says) in [("empty", "has no headers"), ("nowhere", "cannot be read"), ("dmar.c", "cannot be read")] {
        let said = refused(folder.path(), &["--linux", "dmar.c", "--headers", headers]);
        assert!(said.contains(says), "{said}");
    }
}

/// A tree of the tests' driver with some text replaced, and a patch that replaces more.
fn tree_and_patch(folder: &Path, is: &[(&str, &str)], will_be: &[(&str, &str)]) {
    let replaced = |text: &str, replacements: &[(&str, &str)]| {
        replacements.iter().fold(text.to_string(), |text, (what, with)| {
            assert!(text.contains(what), "no {what:?} in the driver");
            text.replace(what, with)
        })
    };
    let (before, after) = (replaced(DRIVER, is), replaced(DRIVER, will_be));
    let diff = flickzeug::create_patch(&before, &after).to_string();
    let (_, hunks) = diff.split_once("@@").unwrap();
    let path = "drivers/iommu/intel/dmar.c";
    write(folder, &format!("linux/{path}"), &before);
    write(folder, "x.patch", &format!("A change.\n\n--- a/{path}\n+++ b/{path}\n@@{hunks}"));
}

#[test]
fn a_patch_is_better_or_worse_than_what_it_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let crash = [("qi->free_cnt += 1;", "qi->free_cnt += 1;\n\t\t*(volatile int *)8 = 1;")];
    let same = [("int state = qi", "int was = qi"), ("state != QI_FREE", "was != QI_FREE")];
    let (fix, none): (&[_], &[_]) = (&BEFORE_2024, &[]);
    for (is, will_be, faults, code, verdict, row) in [
        (fix, none, "--no-faults", 0, "\n  better than what it replaces: 0 new, ", "\n  gone  hang, no faults: in "),
        (
            none,
            fix,
            "--no-faults",
            1,
            "\n  WORSE than what it replaces: ",
            "\n  NEW   hang, no faults: in 0 of 800 runs before",
        ),
        (
            &ODD_WALK,
            none,
            "--faults=lost-answer",
            0,
            "\n  better than",
            "\n  gone  hard lock, one fault: lost-answer: in ",
        ),
        (
            none,
            &ODD_WALK,
            "--faults=lost-answer",
            1,
            "\n  WORSE than",
            "\n  NEW   hard lock, one fault: lost-answer: in 0",
        ),
        (
            none,
            &crash,
            "--no-faults",
            1,
            "\n  WORSE than",
            "\n  NEW   crash, no faults: in 0 of 800 runs before, 2 after",
        ),
        (
            none,
            &same,
            "--no-faults",
            0,
            "\n  neither better nor worse than what it replaces: 0 new, 0 gone, 0 still",
            "",
        ),
        (
            &[("!= QI_DONE) {", "!= QI_DONE ) {")],
            none,
            "--faults=invalid-id",
            0,
            "\n  neither",
            "\n  still hang, one fault: ",
        ),
    ] {
        tree_and_patch(folder.path(), is, will_be);
        let output = run(folder.path(), &["--linux", "linux", "--patch", "x.patch", "--runs", "400", faults]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{verdict} {row}: {said}");
        assert!(said.contains(verdict) && said.contains(row), "{verdict} {row}: {said}");
        // The verdict is the first line below the name, and a first one comes early.
        assert!(said.starts_with(&format!("linux, patched: x.patch{verdict}")), "{said}");
        let early = String::from_utf8_lossy(&output.stderr);
        assert!(early.contains("so far: ") || code == 1, "{early}");
    }
    // The same of two trees.
    let options = ["--linux", "linux", "--baseline", "linux", "--runs", "9", "--no-faults"];
    assert_eq!(run(folder.path(), &options).status.code(), Some(0));
}

#[test]
fn a_patch_that_cannot_be_applied_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    tree_and_patch(folder.path(), &[], &ODD_WALK);
    write(folder.path(), "none.patch", "hello\n");
    for (patch, says) in
        [("none.patch", "is no unified diff"), ("nowhere", "cannot be read"), ("linux", "cannot be read")]
    {
        let said = refused(folder.path(), &["--linux", "linux", "--patch", patch]);
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn git_bisect_skips_what_cannot_be_judged() {
    let folder = tempfile::tempdir().unwrap();
    let code = |replacements: &[(&str, &str)], options: &[&str]| {
        let text = replacements.iter().fold(DRIVER.to_string(), |text, (what, with)| text.replace(what, with));
        write(folder.path(), "linux/drivers/iommu/intel/dmar.c", &text);
        let options = [&["--linux", "linux", "--bisect", "--no-faults", "--only"], options].concat();
        run(folder.path(), &options).status.code()
    };
    let search = ["search", "--seconds", "1", "--strategy", "random", "--grain", "every"];
    assert_eq!(code(&[], &search), Some(0));
    assert_eq!(code(&BEFORE_2024, &search), Some(1));
    assert_eq!(code(&[("qi_submit_sync", "qi_submit")], &search), Some(125));
    assert_eq!(code(&[("rc = 0;", "rc = {};")], &search), Some(125));
    let compare = ["compare", "--ring", "4", "--max-states", "50"];
    assert_eq!(code(&[], &compare), Some(125));
}

/// A patch may be a pipe that nobody writes to: a signal ends the wait, and nothing is left.
#[test]
fn a_signal_ends_the_wait_for_a_patch() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "dmar.c", DRIVER);
    let pipe = folder.path().join("x.patch");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut command = Command::new(env!("CARGO_BIN_EXE_vtd-qi-kernel"));
    command.current_dir(folder.path()).args(["--linux", "dmar.c", "--patch", "x.patch"]);
    let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let waits = || {
        let threads = std::fs::read_dir(format!("/proc/{}/task", child.id())).into_iter().flatten().flatten();
        let mut calls = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("wchan")).ok());
        calls.any(|call| call == "wait_for_partner")
    };
    while !waits() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
