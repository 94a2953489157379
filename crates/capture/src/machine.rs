//! The machine that QEMU is to emulate.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::HostTools;

/// What runs the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The host's processors, by KVM.
    Kvm,
    /// QEMU itself.
    Software,
}

impl Accelerator {
    /// Those to be tried, in this order.
    pub fn to_try() -> Vec<Accelerator> {
        let kvm = OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
        if kvm { vec![Accelerator::Kvm, Accelerator::Software] } else { vec![Accelerator::Software] }
    }

    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Accelerator::Kvm => "KVM",
            Accelerator::Software => "software emulation",
        }
    }

    /// KVM leaves interrupts from devices to QEMU, whose unit remaps them.
    fn option(self) -> &'static str {
        match self {
            Accelerator::Kvm => "kvm,kernel-irqchip=split",
            Accelerator::Software => "tcg,thread=multi",
        }
    }
}

/// The disks: one of each kind for which kernels have a driver. What is written to them goes nowhere. The second has a TLB of its own
/// (ATS), which only a device behind a port can show.
pub const DISKS: [&str; 3] = [
    "nvme,drive=disk0,serial=0",
    "virtio-blk-pci,bus=behind,drive=disk1,iommu_platform=on,disable-legacy=on,ats=on",
    "ide-hd,drive=disk2,bus=ide.0",
];

/// The logs of a recording, in one folder.
#[derive(Clone, Debug)]
pub struct LogFiles {
    /// What QEMU saw of its unit.
    pub qemu: PathBuf,
    /// The kernel's console.
    pub console: PathBuf,
    /// The guest's second serial port: what it tells the host, and the trace of calls.
    pub calls: PathBuf,
    /// What QEMU complains of.
    pub complaints: PathBuf,
}

impl LogFiles {
    /// Those in a folder.
    pub fn of(folder: &Path) -> LogFiles {
        let [qemu, console, calls, complaints] =
            ["qemu.log", "console.log", "calls.log", "qemu.stderr"].map(|name| folder.join(name));
        LogFiles { qemu, console, calls, complaints }
    }

    /// All of them.
    pub fn all(&self) -> [&PathBuf; 4] {
        [&self.qemu, &self.console, &self.calls, &self.complaints]
    }
}

/// The events that say something about the ring; page walks and remapped interrupts would be most of the log.
const TRACES: [&str; 3] = ["vtd_inv_*", "vtd_reg_*", "vtd_x_*"];

/// What the kernel is told. It traces submissions from its first one on, and prints its version on the console, which diagnose asks for.
const KERNEL_OPTIONS: &str = "console=ttyS0 loglevel=6 panic=-1 intel_iommu=on iommu.strict=1 iommu.passthrough=0 \
                              trace_event=intel_iommu:qi_submit trace_buf_size=256K trace_clock=mono";

/// The command that runs the machine. The process ends at the moment that this program does, however it ends.
pub fn command(
    tools: &HostTools,
    accelerator: Accelerator,
    kernel: &Path,
    initramfs: &Path,
    cpus: u8,
    logs: &LogFiles,
) -> Command {
    let file = |option: &str, path: &Path| {
        // In QEMU's options a comma is written twice.
        let path = path.to_string_lossy().replace(',', ",,");
        OsString::from(format!("{option}{path}"))
    };
    let mut command = Command::new(&tools.setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(&tools.qemu);
    command.args(["-nodefaults", "-display", "none", "-no-reboot", "-machine", "q35", "-cpu", "max", "-m", "768"]);
    command.args(["-accel", accelerator.option(), "-smp", &cpus.to_string()]);
    command.args(["-device", "intel-iommu,intremap=on,device-iotlb=on", "-device", "pcie-root-port,id=behind"]);
    for (number, disk) in DISKS.iter().enumerate() {
        let backend = format!("driver=null-co,node-name=disk{number},size=1073741824,read-zeroes=on");
        command.args(["-blockdev", &backend, "-device", disk]);
    }
    command.args(["-append", KERNEL_OPTIONS]).arg("-kernel").arg(kernel).arg("-initrd").arg(initramfs);
    command.arg("-serial").arg(file("file:", &logs.console)).arg("-serial").arg(file("file:", &logs.calls));
    // With the time QEMU writes the thread, and so the processor, up to version 10.0.
    command.args(["-msg", "timestamp=on"]);
    for trace in TRACES {
        command.args(["-trace", trace]);
    }
    command.arg("-D").arg(&logs.qemu);
    command
}
