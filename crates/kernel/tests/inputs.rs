//! A driver is read from wherever it lies: a file, a folder, a tree, an archive, a revision, and with a patch.

use std::path::Path;
use std::process::{Command, Output};

const DRIVER: &str = include_str!("kernel/driver.c");

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
