//! The machine run, watched and ended.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::CaptureError;
use crate::image::KernelImage;
use crate::initramfs::{self, GuestOrders};
use crate::machine::{Accelerator, DISKS, LogFiles, command};
use crate::modules::KernelModule;
use crate::tools::HostTools;

/// What is to be recorded.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The kernel.
    pub kernel: KernelImage,
    /// Its modules that are loaded, in this order.
    pub modules: Vec<KernelModule>,
    /// How many processors the machine has.
    pub cpus: u8,
    /// For how many seconds invalidations are made.
    pub seconds: u32,
    /// The logs.
    pub logs: LogFiles,
}

/// How far the guest has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It starts.
    Boots,
    /// It makes invalidations.
    Works,
    /// It writes what was traced.
    Writes,
    /// It has said all.
    Done,
}

impl Stage {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Stage::Boots => "the guest boots",
            Stage::Works => "the guest makes invalidations",
            Stage::Writes => "the guest writes what it has traced",
            Stage::Done => "the guest is done",
        }
    }

    /// How long it may take: at most so long in all, or without a word.
    fn patience(self, seconds: u32) -> Duration {
        match self {
            Stage::Boots => Duration::from_secs(300),
            Stage::Works => Duration::from_secs(u64::from(seconds) + 60),
            Stage::Writes => Duration::from_secs(60),
            Stage::Done => Duration::from_secs(20),
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HowEnded {
    /// QEMU ended: the guest has switched its machine off, or its kernel has panicked.
    ByItself,
    /// It came no further for so long that it was ended.
    Stalled(Duration),
    /// A signal came, and ended it.
    Interrupted,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// How far the guest came.
    pub stage: Stage,
    /// How it ended.
    pub ended: HowEnded,
    /// What ran it.
    pub accelerator: Accelerator,
    /// The disks that the guest found.
    pub disks: Vec<String>,
    /// What could not be done, in sentences.
    pub notes: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// How often is looked.
const TICK: Duration = Duration::from_millis(50);
/// A kernel says its first word within so long where KVM works.
const FIRST_WORD: Duration = Duration::from_secs(15);

impl Recording {
    /// Runs the machine. `progress` is told what it is at; once `interrupted` is set, QEMU is ended.
    ///
    /// # Errors
    /// [`CaptureError`], if QEMU does not run the machine.
    pub fn run(
        &self,
        tools: &HostTools,
        interrupted: &AtomicBool,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Recorded, CaptureError> {
        let orders = GuestOrders { cpus: self.cpus, seconds: self.seconds, disks: DISKS.len() };
        let mut archive = NamedTempFile::new().map_err(CaptureError::Initramfs)?;
        initramfs::write(io::BufWriter::new(&mut archive), &tools.busybox, &self.modules, orders)
            .map_err(CaptureError::Initramfs)?;
        let mut notes = Vec::new();
        for accelerator in Accelerator::to_try() {
            match self.run_with(accelerator, tools, archive.path(), interrupted, progress)? {
                Attempt::Recorded(recorded) => {
                    return Ok(Recorded { notes: [notes, recorded.notes.clone()].concat(), ..recorded });
                }
                Attempt::NoWord(why) if accelerator == Accelerator::Kvm => {
                    notes.push(format!("KVM is there but does not run it, so QEMU emulates the processors: {why}"));
                }
                Attempt::NoWord(why) => {
                    // There is nothing in them that has not been said.
                    self.logs.all().into_iter().for_each(|log| _ = fs::remove_file(log));
                    return Err(CaptureError::Qemu(why));
                }
            }
        }
        unreachable!("software emulation is the last, and is decided")
    }

    fn run_with(
        &self,
        accelerator: Accelerator,
        tools: &HostTools,
        archive: &Path,
        interrupted: &AtomicBool,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Attempt, CaptureError> {
        for log in self.logs.all() {
            File::create(log).map_err(log_error(log))?;
        }
        let complaints = File::create(&self.logs.complaints).map_err(log_error(&self.logs.complaints))?;
        let mut command = command(tools, accelerator, &self.kernel.file, archive, self.cpus, &self.logs);
        // In a group of its own QEMU does not get a terminal's Ctrl-C: this program ends it, once the logs are complete.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(complaints).process_group(0);
        let child = command.spawn().map_err(|error| CaptureError::Qemu(error.to_string()))?;
        let mut qemu = Running(child);
        let mut guest = Guest::new(self.logs.calls.clone());
        let begun = Instant::now();
        let mut speaks = false;
        let ended = loop {
            let status = qemu.0.try_wait().map_err(|error| CaptureError::Qemu(error.to_string()))?;
            guest.listen()?;
            speaks |= fs::metadata(&self.logs.console).is_ok_and(|meta| meta.len() > 0);
            if let Some(status) = status {
                if !speaks {
                    return Ok(Attempt::NoWord(self.why(status)));
                }
                break HowEnded::ByItself;
            }
            if interrupted.load(Ordering::Relaxed) {
                break HowEnded::Interrupted;
            }
            if accelerator == Accelerator::Kvm && !speaks && begun.elapsed() > FIRST_WORD {
                let seconds = FIRST_WORD.as_secs();
                return Ok(Attempt::NoWord(format!("the guest has not said a word within {seconds} s")));
            }
            let patience = guest.stage.patience(self.seconds);
            if guest.last_word.elapsed() > patience {
                break HowEnded::Stalled(patience);
            }
            progress(&format!("{}, {} s", guest.stage.text(), begun.elapsed().as_secs()));
            thread::sleep(TICK);
        };
        drop(qemu);
        guest.listen()?;
        let Guest { stage, disks, notes, .. } = guest;
        if fs::metadata(&self.logs.complaints).is_ok_and(|meta| meta.len() == 0) {
            fs::remove_file(&self.logs.complaints).map_err(log_error(&self.logs.complaints))?;
        }
        Ok(Attempt::Recorded(Recorded { stage, ended, accelerator, disks, notes, took: begun.elapsed() }))
    }

    /// Why QEMU has ended before the guest said a word: the last thing that it complained of.
    fn why(&self, status: ExitStatus) -> String {
        let complaints = fs::read(&self.logs.complaints).unwrap_or_default();
        let last = String::from_utf8_lossy(&complaints).trim_end().lines().last().map(str::to_string);
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("it ended with exit code {code}"),
            (None, signal) => format!("it was ended by signal {}", signal.unwrap_or(0)),
        };
        last.map_or(how.clone(), |last| format!("{how} ({last})"))
    }

    /// The last lines of the console, to be told where the guest came to no good end.
    pub fn last_words(&self) -> Vec<String> {
        let console = fs::read(&self.logs.console).unwrap_or_default();
        let text = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        // What stands behind the first line of a panic is its explanation; else the end says most.
        let panic = lines.iter().position(|line| line.contains("Kernel panic"));
        let from = panic.unwrap_or(lines.len()).min(lines.len().saturating_sub(LAST_WORDS));
        lines[from..].iter().take(LAST_WORDS).map(ToString::to_string).collect()
    }
}

/// So many lines of the console are told.
const LAST_WORDS: usize = 12;

enum Attempt {
    Recorded(Recorded),
    /// Nothing came of it, for this reason: the guest has not said a word.
    NoWord(String),
}

fn log_error(file: &Path) -> impl Fn(io::Error) -> CaptureError + '_ {
    move |source| CaptureError::Log { file: file.into(), source }
}

/// A process that is ended when it is dropped. QEMU writes its log line by line, so that all it has seen is there then.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the guest has said on its second serial port so far.
struct Guest {
    file: PathBuf,
    open: Option<File>,
    rest: Vec<u8>,
    stage: Stage,
    disks: Vec<String>,
    notes: Vec<String>,
    /// When it began, came to another stage, or in the end said anything.
    last_word: Instant,
}

impl Guest {
    fn new(file: PathBuf) -> Guest {
        let (open, rest, disks, notes) = (None, Vec::new(), Vec::new(), Vec::new());
        Guest { file, open, rest, stage: Stage::Boots, disks, notes, last_word: Instant::now() }
    }

    /// Reads what has come since.
    fn listen(&mut self) -> Result<(), CaptureError> {
        let file = match &mut self.open {
            Some(file) => file,
            None => self.open.insert(File::open(&self.file).map_err(log_error(&self.file))?),
        };
        let read = file.read_to_end(&mut self.rest).map_err(log_error(&self.file))?;
        if read > 0 && self.stage >= Stage::Writes {
            self.last_word = Instant::now();
        }
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        for line in String::from_utf8_lossy(&lines).lines() {
            if let Some(said) = line.trim_end().strip_prefix("capture: ") {
                self.hear(said);
            }
        }
        Ok(())
    }

    fn hear(&mut self, said: &str) {
        let stage = match said.split_once(' ') {
            Some(("note", note)) => return self.notes.push(format!("the guest: {note}")),
            Some(("disks", disks)) => return self.disks = disks.split(' ').map(str::to_string).collect(),
            _ if said == "load begins" => Stage::Works,
            _ if said == "load ends" => Stage::Writes,
            _ if said == "ends" => Stage::Done,
            _ => return,
        };
        self.stage = stage;
        self.last_word = Instant::now();
    }
}
