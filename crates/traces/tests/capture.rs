//! `capture`: what it keeps, what it says, and that QEMU ends with it. QEMU is a script here, but for the one test that boots a kernel:
//! that runs where `VTD_QI_CAPTURE_KERNEL` names one, and `VTD_QI_CAPTURE_MODULES` its modules, and is listed as not run elsewhere.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

/// A run: an ID, then its WD.
const RUN: &str = "\
vtd_inv_qi_setup addr 0x1000 size 256
vtd_inv_qi_tail write tail 2
vtd_inv_qi_head read head 0
vtd_inv_desc invalidate desc type iec high 0x0 low 0x4
vtd_inv_qi_head read head 1
vtd_inv_desc invalidate desc type wait high 0x2004 low 0x200000025
vtd_inv_desc_wait_sw wait invalidate status write addr 0x2004 data 0x2
";

/// What stands before each script: it finds the files that QEMU is to write, and does not run with KVM.
const QEMU: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
        -serial) if [ -z "$console" ]; then console=${2#file:}; else calls=${2#file:}; fi ;;
        -D) log=$2 ;;
        -accel) case $2 in kvm*) echo "no KVM here" >&2; exit 1 ;; esac ;;
    esac
    shift
done
"#;

/// A guest that does all that it is told.
const FINE: &str = "cat \"$FAKE/log\" >$log; echo booted >$console
for said in 'begins 6.9.0' 'disks /dev/nvme0n1 /dev/vda' 'note it has no tracefs' 'load begins' 'load ends' ends; do
    echo \"capture: $said\" >>$calls
done";

/// A host with what a recording needs.
struct Host {
    folder: TempDir,
}

impl Host {
    fn new(script: &str, log: &str) -> Host {
        let host = Host { folder: TempDir::new().unwrap() };
        fs::create_dir_all(host.path("bin")).unwrap();
        fs::create_dir_all(host.path("work")).unwrap();
        fs::write(host.path("log"), log).unwrap();
        host.program("qemu-system-x86_64", &format!("{QEMU}{script}\n"));
        host.program("busybox", std::str::from_utf8(&elf(false)).unwrap());
        symlink("/usr/bin/setpriv", host.path("bin/setpriv")).unwrap();
        let mut setup = vec![0; 0x400];
        setup[0x202..0x206].copy_from_slice(b"HdrS");
        setup[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        setup[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        setup[0x236] = 1;
        setup[0x300..0x306].copy_from_slice(b"6.9.0 ");
        fs::write(host.path("vmlinuz"), setup).unwrap();
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        let file = self.path("bin").join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The program, which is built beside the tests.
    fn capture(&self, path: &str, arguments: &[&str]) -> Command {
        let test = std::env::current_exe().unwrap();
        let program = test.ancestors().nth(2).unwrap().join("examples/capture");
        assert!(program.exists(), "{} is missing: cargo build -p vtd-qi-traces --examples", program.display());
        let mut command = Command::new(program);
        command.args(["--kernel".as_ref(), self.path("vmlinuz").as_os_str()]).args(arguments);
        command.env("PATH", path).env("FAKE", self.folder.path()).current_dir(self.path("work"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn whole_path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.path("bin").display())
    }

    fn ran(&self, arguments: &[&str]) -> (i32, String, String) {
        told(self.capture(&self.whole_path(), arguments).output().unwrap())
    }

    /// Starts a recording whose QEMU never ends, and returns it with the process of that.
    fn endless(&self) -> (Child, u32) {
        let mut child = self.capture(&self.whole_path(), &["--out", "logs"]).spawn().unwrap();
        let said = || fs::read_to_string(self.path("pid")).ok().filter(|pid| pid.ends_with('\n'));
        while said().is_none() {
            assert_eq!(child.try_wait().unwrap(), None, "it ended before QEMU ran");
            sleep(Duration::from_millis(10));
        }
        (child, said().unwrap().trim().parse().unwrap())
    }
}

/// Keeps what is written whole, and goes on as a program that would sleep for an hour.
const ENDLESS: &str = "cat \"$FAKE/log\" >$log; echo booted >$console; echo $$ >\"$FAKE/pid\"; exec sleep 3600";

fn told(output: Output) -> (i32, String, String) {
    let Output { status, stdout, stderr } = output;
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Whether a process runs; one that nobody has waited for does not run any more.
fn runs(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// The header of a program of 64 bits, with or without an interpreter. All its bytes are ASCII.
fn elf(interpreted: bool) -> Vec<u8> {
    let mut header = vec![0; 64 + 56];
    header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    header[16] = 2;
    header[18] = 62;
    header[20] = 1;
    // One program header, at 64.
    (header[32], header[52], header[54], header[56]) = (64, 64, 56, 1);
    header[64] = if interpreted { 3 } else { 1 };
    header
}

#[test]
fn a_kernel_goes_in_and_a_verdict_comes_out() {
    let host = Host::new(FINE, RUN);
    let (code, out, errors) = host.ran(&["--seconds", "3", "--cpus", "2"]);
    assert_eq!(code, 0, "{out}{errors}");
    assert!(out.starts_with("Linux 6.9.0, 2 CPUs; the logs are in capture-6.9.0\n"), "{out}");
    assert!(out.contains("3 s of work on /dev/nvme0n1, /dev/vda\n"), "{out}");
    assert!(out.contains("note: the guest: it has no tracefs"), "{out}");
    assert!(out.contains("capture-6.9.0/qemu.log: a run of g1, g3"), "{out}");
    for (log, holds) in [("qemu.log", RUN), ("console.log", "booted\n")] {
        assert_eq!(fs::read_to_string(host.path("work/capture-6.9.0").join(log)).unwrap(), holds);
    }
    assert!(!host.path("work/capture-6.9.0/qemu.stderr").exists());
    // The next one does not write over it.
    let (code, out, _) = host.ran(&[]);
    assert!(code == 0 && out.contains("the logs are in capture-6.9.0-2\n"), "{out}");
}

#[test]
fn a_log_that_is_no_run_is_exit_code_1() {
    // The status write is of slot 0, but the WD's is slot 1.
    let host = Host::new(FINE, &RUN.replace("addr 0x2004 data", "addr 0x2000 data"));
    let (code, out, errors) = host.ran(&["--out", "logs"]);
    assert!(code == 1 && out.contains("not a run of any generation: at line 7 "), "{out}{errors}");
}

#[test]
fn logs_are_never_written_over() {
    let host = Host::new(FINE, RUN);
    fs::create_dir(host.path("work/logs")).unwrap();
    fs::write(host.path("work/logs/calls.log"), "kept").unwrap();
    let (code, _, errors) = host.ran(&["--out", "logs"]);
    assert!(code == 2 && errors.contains("logs/calls.log is there already; give another folder"), "{errors}");
    assert_eq!(fs::read_to_string(host.path("work/logs/calls.log")).unwrap(), "kept");
}

#[test]
fn a_guest_that_panics_is_told_with_its_last_lines() {
    let lines = "echo early >$console; echo '[ 1.0] Kernel panic - not syncing: no init' >>$console; echo '[ 1.1] CPU: 0' >>$console";
    let host = Host::new(lines, "");
    let (code, out, errors) = host.ran(&["--out", "logs"]);
    assert_eq!(code, 2, "{out}{errors}");
    assert!(
        out.contains("the machine ended by itself while the guest boots; the last lines of its console:\n    "),
        "{out}"
    );
    assert!(out.contains("    [ 1.0] Kernel panic - not syncing: no init\n    [ 1.1] CPU: 0\n"), "{out}");
    assert!(errors.contains("the guest did not come to its work"), "{errors}");
    // A boot that is no run is news all the same.
    let host = Host::new(&format!("{lines}; cat \"$FAKE/log\" >$log"), &RUN.replace("tail 2", "tail 3"));
    let (code, out, errors) = host.ran(&["--out", "logs"]);
    assert!(code == 1 && out.contains("not a run of any generation"), "{out}{errors}");
}

#[test]
fn a_qemu_that_does_not_run_the_machine_is_told_in_its_own_words() {
    let host = Host::new("echo 'qemu: no such device: intel-iommu' >&2; exit 1", "");
    let (code, _, errors) = host.ran(&[]);
    assert_eq!(code, 2);
    let told = "QEMU does not run the machine: it ended with exit code 1 (qemu: no such device: intel-iommu)";
    assert!(errors.contains(told), "{errors}");
    assert!(fs::read_dir(host.path("work")).unwrap().next().is_none(), "an empty folder is left behind");
}

#[test]
fn what_is_missing_is_said_with_its_package() {
    let host = Host::new(FINE, RUN);
    let nowhere = host.path("work");
    let (code, _, errors) = told(host.capture(nowhere.to_str().unwrap(), &[]).output().unwrap());
    assert_eq!(code, 2);
    for (program, package) in
        [("qemu-system-x86_64", "qemu-system-x86"), ("busybox", "busybox-static"), ("setpriv", "util-linux")]
    {
        assert!(errors.contains(&format!("{program} is missing: Debian has it in {package}.")), "{errors}");
    }
    let bin = host.path("bin");
    fs::remove_file(bin.join("qemu-system-x86_64")).unwrap();
    let (code, _, errors) = told(host.capture(bin.to_str().unwrap(), &[]).output().unwrap());
    assert_eq!((code, errors.trim()), (2, "error: qemu-system-x86_64 is missing: Debian has it in qemu-system-x86."));
    // A busybox that needs libraries does not run in the guest.
    for (busybox, why) in [(elf(true), "needs shared libraries"), (b"#!/bin/sh".to_vec(), "is no program for x86-64")] {
        let host = Host::new(FINE, RUN);
        host.program("busybox", std::str::from_utf8(&busybox).unwrap());
        let (code, _, errors) = host.ran(&[]);
        assert!(code == 2 && errors.contains(why) && errors.contains("busybox-static"), "{errors}");
    }
    let (code, _, errors) = host.ran(&["--modules", "/nowhere"]);
    assert!(code == 2 && errors.contains("/nowhere: "), "{errors}");
    fs::write(host.path("vmlinuz"), "no kernel").unwrap();
    let (code, _, errors) = host.ran(&[]);
    assert!(code == 2 && errors.contains("it is no kernel image") && errors.contains("linux-image-amd64"), "{errors}");
    fs::remove_file(host.path("vmlinuz")).unwrap();
    let (code, _, errors) = host.ran(&[]);
    assert!(
        code == 2 && errors.contains("the kernel cannot be read") && errors.contains("linux-image-amd64"),
        "{errors}"
    );
}

#[test]
fn numbers_out_of_range_are_refused() {
    let host = Host::new(FINE, RUN);
    for arguments in [["--seconds", "0"], ["--seconds", "601"], ["--seconds", "-1"], ["--cpus", "0"], ["--cpus", "9"]] {
        let (code, out, errors) = host.ran(&arguments);
        assert!(code == 2 && out.is_empty() && errors.contains(arguments[1]), "{errors}");
    }
}

#[test]
fn qemu_ends_with_the_program_however_that_ends() {
    // Killed, it can end nobody itself.
    let host = Host::new(ENDLESS, RUN);
    let (mut capture, qemu) = host.endless();
    assert!(runs(qemu));
    capture.kill().unwrap();
    capture.wait().unwrap();
    for _ in 0..3_000 {
        if runs(qemu) {
            sleep(Duration::from_millis(10));
        }
    }
    assert!(!runs(qemu));
    // A signal ends both, and keeps the logs.
    let host = Host::new(ENDLESS, RUN);
    let (capture, qemu) = host.endless();
    assert!(Command::new("kill").arg(capture.id().to_string()).status().unwrap().success());
    let (code, _, errors) = told(capture.wait_with_output().unwrap());
    assert!(code == 130 && errors.contains("replay --prefix logs/qemu.log"), "{code} {errors}");
    assert!(!runs(qemu));
    assert_eq!(fs::read_to_string(host.path("work/logs/qemu.log")).unwrap(), RUN);
}

#[test]
fn a_real_kernel_is_a_run() {
    let Some(kernel) = std::env::var_os("VTD_QI_CAPTURE_KERNEL") else {
        // Past the capture of `cargo test`: what is not run is to be seen.
        std::io::stderr().write_all(b"not run, for want of VTD_QI_CAPTURE_KERNEL: a_real_kernel_is_a_run\n").unwrap();
        return;
    };
    let host = Host::new(FINE, RUN);
    fs::remove_file(host.path("vmlinuz")).unwrap();
    symlink(fs::canonicalize(kernel).unwrap(), host.path("vmlinuz")).unwrap();
    let modules = std::env::var_os("VTD_QI_CAPTURE_MODULES").map(|modules| fs::canonicalize(modules).unwrap());
    let mut capture = host.capture(&std::env::var("PATH").unwrap(), &["--seconds", "2", "--out", "logs"]);
    if let Some(modules) = &modules {
        capture.arg("--modules").arg(modules);
    }
    let (code, out, errors) = told(capture.output().unwrap());
    assert!(code == 0 && out.contains("logs/qemu.log: a run of "), "{out}{errors}");
    let log = fs::read_to_string(host.path("work/logs/qemu.log")).unwrap();
    // Interrupts that are moved make some where there is no disk.
    assert!(log.matches("desc type iec").count() > 10, "{out}");
    let calls = fs::read_to_string(host.path("work/logs/calls.log")).unwrap();
    assert!(calls.contains("ret: (") && calls.contains(" rc=0"), "{out}");
    if modules.is_some() {
        let batches = log.matches("desc type iotlb").count();
        assert!(out.contains("/dev/nvme0n1") && batches > 100, "{batches}: {out}");
    }
}
