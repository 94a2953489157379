//! A kernel booted in QEMU with an emulated VT-d unit: a kernel binary in, a verdict out.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use vtd_qi_capture::CaptureError;
use vtd_qi_capture::image::KernelImage;
use vtd_qi_capture::machine::LogFiles;
use vtd_qi_capture::modules::{DISK_DRIVERS, LoadOrder, ModuleFolder};
use vtd_qi_capture::recording::{HowEnded, Recorded, Recording, Stage};
use vtd_qi_capture::tools::HostTools;
use vtd_qi_terminal::style::{FAINT, columns, next, painted, wrapped};
use vtd_qi_terminal::{Exit, Failure, Output, ProgressLine, arguments, interrupt, printable};
use vtd_qi_traces::replay::Options;

#[path = "../replay/log.rs"]
mod log;
#[path = "../replay/report.rs"]
mod report;

use report::Word;

/// Boots a kernel in QEMU with an emulated VT-d unit, records what driver and unit do, and says whether that is a run of the model.
///
/// The guest loads the drivers of three disks (NVMe, virtio-blk, AHCI), traces qi_submit_sync, and reads and writes the disks with
/// iommu.strict=1, so that each request ends with an invalidation; interrupts are moved too. What is written to the disks goes
/// nowhere. Without --modules only disks whose drivers are built in are read; what could not be done is listed.
///
/// The host needs qemu-system-x86_64, busybox (linked statically) and setpriv; in Debian they are in qemu-system-x86, busybox-static and
/// util-linux. KVM is used where it works. QEMU ends with this program, however that ends.
///
/// The folder of the logs has qemu.log (the unit's side, which is replayed), console.log (what the kernel says) and calls.log (what
/// ftrace has seen). diagnose takes all three.
///
/// Exit code: that of replay: 0 if the log is a run of some generation at whose end nobody is stuck; 1 if it is not; 2 if nothing could
/// be recorded; 130 if a signal came.
#[derive(Parser)]
#[command(after_help = "Examples:
  cargo run --release --example capture -- --kernel /boot/vmlinuz-6.1.0-50-amd64 --modules /lib/modules/6.1.0-50-amd64
  apt-get download linux-image-6.1.0-50-amd64; dpkg -x linux-image-6.1.0-50-amd64_*.deb k
  cargo run --release --example capture -- --kernel k/boot/vmlinuz-* --modules k/lib/modules --cpus 2 --seconds 30")]
struct Args {
    /// The kernel, as it is in /boot (bzImage, x86-64)
    #[arg(long, value_name = "VMLINUZ")]
    kernel: PathBuf,
    /// Its modules: lib/modules, or the kernel's folder there
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// How many processors the machine has; as many as the model has submitters, at most
    #[arg(long, default_value_t = 4, value_parser = RangedU64ValueParser::<u8>::new().range(1..=8))]
    cpus: u8,
    /// For how many seconds invalidations are made; booting takes longer than that
    #[arg(long, default_value_t = 10, value_parser = RangedU64ValueParser::<u32>::new().range(1..=600))]
    seconds: u32,
    /// The folder for the logs; if not given, a fresh one, named after the kernel
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

/// The failure of a recording.
fn unusable(error: CaptureError) -> Failure {
    Failure::unusable(error)
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    let Some(args) = arguments::<Args>(out)? else { return Ok(Exit::Success) };
    let interrupted = interrupt();
    let kernel = KernelImage::read(&args.kernel).map_err(unusable)?;
    let order = match &args.modules {
        Some(folder) => ModuleFolder::read(folder, &kernel.release)
            .and_then(|modules| modules.in_order(&DISK_DRIVERS, &kernel.release))
            .map_err(unusable)?,
        None => LoadOrder::default(),
    };
    let tools = HostTools::find().map_err(unusable)?;
    let folder = log_folder(args.out.as_deref(), &kernel.release).map_err(unusable)?;
    let width = columns();
    writeln!(out, "Linux {}, {} CPUs; the logs are in {}", kernel.release, args.cpus, shown(&folder))?;
    out.flush()?;
    let logs = LogFiles::of(&folder);
    let LoadOrder { modules, absent } = order;
    let recording = Recording { kernel, modules, cpus: args.cpus, seconds: args.seconds, logs };
    let mut line = ProgressLine::new();
    let recorded = recording.run(&tools, interrupted, &mut |what| line.show(what));
    line.clear();
    let recorded = recorded.map_err(|error| {
        // Only where it is empty.
        let _ = fs::remove_dir(&folder);
        unusable(error)
    })?;
    tell(out, &recorded, &recording, &absent, args.modules.is_none(), width)?;
    if recorded.ended == HowEnded::Interrupted {
        let what = format!("interrupted; what was recorded is kept: replay --prefix {}", shown(&recording.logs.qemu));
        return Err(Failure::Interrupted(what));
    }
    judge(out, &recorded, &recording)
}

/// Where the logs go. A folder that has some is not written to.
fn log_folder(asked: Option<&Path>, release: &str) -> Result<PathBuf, CaptureError> {
    let error = |folder: &Path, why: String| CaptureError::Folder { folder: folder.into(), why };
    if let Some(folder) = asked {
        fs::create_dir_all(folder).map_err(|why| error(folder, format!("the folder cannot be made: {why}")))?;
        return match LogFiles::of(folder).all().into_iter().find(|log| log.exists()) {
            None => Ok(folder.into()),
            Some(log) => Err(error(folder, format!("{} is there already; give another folder", log.display()))),
        };
    }
    for number in 1.. {
        let folder = match number {
            1 => PathBuf::from(format!("capture-{release}")),
            _ => PathBuf::from(format!("capture-{release}-{number}")),
        };
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => {}
            Err(why) => return Err(error(&folder, format!("the folder cannot be made: {why}"))),
        }
    }
    unreachable!("some number is free")
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string()).into_owned()
}

/// Says how the recording went, and what it lacks.
fn tell(
    out: &mut Output,
    recorded: &Recorded,
    recording: &Recording,
    absent: &[String],
    no_modules: bool,
    width: usize,
) -> io::Result<()> {
    let Recorded { stage, ended, accelerator, disks, notes, took } = recorded;
    let mut sentence = format!("recorded in {:.1} s with {}", took.as_secs_f64(), accelerator.text());
    if *stage > Stage::Boots {
        let disks = match &disks[..] {
            [] => "no disk".to_string(),
            disks => printable(&disks.join(", ")).into_owned(),
        };
        let _ = write!(sentence, "; {} s of work on {disks}", recording.seconds);
    }
    writeln!(out, "  {sentence}")?;
    let mut lacks: Vec<String> = notes.iter().map(|note| printable(note).into_owned()).collect();
    lacks.extend(absent.iter().map(|name| {
        format!("the modules have no {}, so that it is not loaded; the kernel may have it built in", printable(name))
    }));
    if *stage > Stage::Boots && disks.is_empty() {
        let why = if no_modules { "; --modules names its drivers" } else { "" };
        lacks.push(format!(
            "the kernel found no disk, so that only the boot and moved interrupts have made invalidations{why}"
        ));
    }
    for lack in lacks {
        writeln!(out, "{}", painted(FAINT, wrapped(&format!("note: {lack}"), width, 2, 4)))?;
    }
    let came_to_no_end = match ended {
        HowEnded::Interrupted => None,
        HowEnded::ByItself if *stage == Stage::Done => None,
        HowEnded::ByItself => Some(format!("the machine ended by itself while {}", stage.text())),
        HowEnded::Stalled(patience) => {
            Some(format!("while {} nothing has come for {} s, and QEMU was ended", stage.text(), patience.as_secs()))
        }
    };
    if let Some(why) = came_to_no_end {
        writeln!(out, "  {why}; the last lines of its console:")?;
        for line in recording.last_words() {
            writeln!(out, "    {}", printable(&line))?;
        }
    }
    out.flush()
}

/// Replays what QEMU saw.
fn judge(out: &mut Output, recorded: &Recorded, recording: &Recording) -> Result<Exit, Failure> {
    let log = &recording.logs.qemu;
    let judged = log::judge(log, None, Options::default(), interrupt(), &AtomicU64::new(0));
    let booted = recorded.stage > Stage::Boots;
    let reports = match judged {
        Ok(judged) if judged.interrupted || interrupt().load(Ordering::Relaxed) => {
            return Err(Failure::Interrupted(format!("interrupted; replay {} judges the recording", shown(log))));
        }
        Ok(judged) if !judged.reports.is_empty() => judged.reports,
        Ok(judged) => {
            let lines = judged.facts.lines;
            return Err(Failure::unusable(format!("none of the {lines} lines of {} uses the ring", shown(log))));
        }
        Err(why) if booted => return Err(Failure::unusable(why)),
        Err(_) => return Err(Failure::unusable("the guest did not come to its work, and used no invalidation queue")),
    };
    for report in &reports {
        report.print(out)?;
    }
    let fine = reports.iter().all(|report| report.verdict == Word::Run);
    if fine && !booted {
        return Err(Failure::unusable("the guest did not come to its work; what was recorded until then is no fault"));
    }
    let [console, calls] = [&recording.logs.console, &recording.logs.calls].map(|log| shown(log));
    let text = match reports.iter().find(|report| report.verdict != Word::Run) {
        Some(report) => report.next(),
        None => format!("diagnose {} {console} {calls} takes what the kernel said too", shown(log)),
    };
    next(out, &text, columns())?;
    Ok(Exit::success_if(fine))
}
