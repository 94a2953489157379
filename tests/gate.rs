//! `.ci/run` on a machine that lacks what it needs.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

#[test]
fn what_is_missing_is_said_and_not_installed() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gate");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    for program in ["bash", "dirname"] {
        symlink(Path::new("/usr/bin").join(program), folder.join(program)).unwrap();
    }
    // An apt-get that leaves a trace.
    let (trace, apt) = (folder.join("trace"), folder.join("apt-get"));
    std::fs::write(&apt, format!("#!/bin/bash\necho >{}\n", trace.display())).unwrap();
    std::fs::set_permissions(&apt, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut gate = Command::new("/usr/bin/bash");
    gate.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/run"))
        .env_clear()
        .env("PATH", &folder)
        .env("VTD_QI_LINUX", "a tree");
    let output = gate.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]), "{said}");
    let packages: Vec<&str> = said
        .lines()
        .map(|line| line.split_once(" is missing: Debian has it in ").unwrap_or_else(|| panic!("{said}")).1)
        .collect();
    let rust = ["rustup.", "rustup.", "rustup.", "gcc."];
    let tlc = ["python3.", "python3-pip.", "default-jre-headless."];
    let all = [&rust[..], &tlc, &["chromium.", "chromium-driver.", "z3.", "cvc5."]].concat();
    assert_eq!(packages, all, "{said}");
    assert!(!trace.exists());
    // Who has a jar of TLC needs nothing to fetch it.
    let said = String::from_utf8(gate.env("TLA2TOOLS_JAR", "a jar").output().unwrap().stderr).unwrap();
    assert!(said.contains("cc, the C compiler") && !said.contains("python3"), "{said}");
    assert!(!trace.exists());
    // In CI it installs.
    assert_ne!(gate.env("CI", "true").output().unwrap().status.code(), Some(0));
    assert!(trace.exists());
}
