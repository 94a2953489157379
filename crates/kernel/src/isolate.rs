//! A process of its own for code that may crash, write where it should not, block, or never come back.
//!
//! What a child does wrong and what the machine does to it are told apart. Patience counts the processor time that the child
//! uses, or the time that it sleeps of its own accord; time in which it is stopped, or is ready and does not get a processor, is
//! the machine's, as is a SIGKILL. A child ends with its parent, however the parent ends, and can start no process that would not:
//! see `seal.rs`. It may stop itself, as whoever runs the program may stop it: it is let go on, but not for ever. The memory that a
//! child may take has a bound.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use vtd_qi_terminal::memory;

use super::seal::seal;

/// What a child shows its parent while it works: shared memory.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Pulse {
    /// Goes up as long as the child comes along.
    pub beats: AtomicU64,
    /// What it is at: the seed of a run.
    pub seed: AtomicU64,
    /// How much it has done: steps.
    pub steps: AtomicU64,
    /// Set by the parent: stop, and say what is known.
    pub stop: AtomicBool,
    /// Set by the parent: for how many seconds it has been waiting for a beat.
    pub silence: AtomicU64,
    /// The parent's process id; 0 where there is no child.
    parent: AtomicI32,
    /// A compiler's process group, which must not outlive the child that has started it; 0 if there is none.
    group: AtomicI32,
}

impl Pulse {
    /// Whether the work is to end: the parent asks for it, or has ended itself.
    pub(super) fn is_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.is_orphaned()
    }

    /// Says which process group must not outlive the child; 0: none any more.
    pub(super) fn owns(&self, group: libc::pid_t) {
        self.group.store(group, Ordering::Relaxed);
    }

    /// Ends the group that a child has left behind.
    fn end_group(&self) {
        let group = self.group.load(Ordering::Relaxed);
        if group > 0 {
            // SAFETY: the child that led it has said so, and is gone.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
    }

    fn is_orphaned(&self) -> bool {
        let parent = self.parent.load(Ordering::Relaxed);
        // SAFETY: asks for a number.
        parent != 0 && parent != unsafe { libc::getppid() }
    }
}

/// How a child died.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize, Deserialize)]
pub enum Death {
    /// By a signal that a fault of the code raises.
    #[error("{}", signal_text(*signal))]
    Signal {
        /// Its number.
        signal: i32,
        /// What the child was at.
        seed: u64,
    },
    /// It used so much processor time without coming along that it was ended.
    #[error("the C code did not come back for {seconds} s of processor time: an endless loop without an access")]
    Silent {
        /// How much.
        seconds: u64,
        /// What the child was at.
        seed: u64,
    },
    /// It slept for so long that it was ended.
    #[error("the C code has waited for something outside of it for {seconds} s, and was ended")]
    Blocked {
        /// For how long.
        seconds: u64,
        /// What the child was at.
        seed: u64,
    },
    /// It ended by itself and said nothing.
    #[error("the C code ended its process (exit code {code}) instead of coming back")]
    Quit {
        /// The exit code.
        code: i32,
        /// What the child was at.
        seed: u64,
    },
    /// It said what cannot be understood, or too much.
    #[error("the C code wrote to the pipe by which its process reports: {bytes} bytes that cannot be read")]
    Garbled {
        /// How much.
        bytes: usize,
        /// What the child was at.
        seed: u64,
    },
    /// It died when it had taken all the memory that it may.
    #[error("the C code took all the memory that it may, {} MiB, and died of that", bytes >> 20)]
    Memory {
        /// How much it may take.
        bytes: u64,
        /// What the child was at.
        seed: u64,
    },
    /// It was ended from outside, each time that it was started.
    #[error(
        "the machine ended the process that runs the C, {times} times, by signal {signal}{}: what it was at is unknown",
        if *signal == libc::SIGKILL { " (SIGKILL), as where memory is short" } else { "" }
    )]
    Killed {
        /// By which signal.
        signal: i32,
        /// How often it was started.
        times: u32,
    },
    /// It was stopped, or did not get a processor, for so long that it was given up.
    #[error("the machine did not let the process that runs the C go on for {seconds} s: what it was at is unknown")]
    Starved {
        /// For how long.
        seconds: u64,
    },
    /// It was found stopped again and again, and let go on each time but the last.
    #[error(
        "the process that runs the C was stopped {times} times, by itself or from outside, while this program ran: what it was \
         at is unknown"
    )]
    Stopped {
        /// How often.
        times: u32,
    },
    /// It was stopped because the user asked for it.
    #[error("cancelled")]
    Cancelled,
    /// It cannot be started, or has found a fault of this program's.
    #[error("the process that runs the C code has failed: {0}")]
    Failed(String),
}

impl Death {
    /// What the child was at, if it died of the code that it ran and not of the machine.
    pub fn by_the_code(&self) -> Option<u64> {
        match *self {
            Death::Signal { seed, .. }
            | Death::Silent { seed, .. }
            | Death::Blocked { seed, .. }
            | Death::Quit { seed, .. }
            | Death::Memory { seed, .. }
            | Death::Garbled { seed, .. } => Some(seed),
            Death::Killed { .. } | Death::Starved { .. } | Death::Stopped { .. } => None,
            Death::Cancelled | Death::Failed(_) => None,
        }
    }
}

/// The signals that a fault of the code raises.
const FAULTS: [i32; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGTRAP, libc::SIGFPE, libc::SIGABRT, libc::SIGSYS];

fn signal_text(signal: i32) -> String {
    match signal {
        libc::SIGSEGV => "the C code crashed: it touched memory that is not there (SIGSEGV)".to_string(),
        libc::SIGBUS => "the C code crashed (SIGBUS)".to_string(),
        libc::SIGILL | libc::SIGTRAP => "the C code ran into a BUG (SIGILL)".to_string(),
        libc::SIGFPE => "the C code divided by zero (SIGFPE)".to_string(),
        libc::SIGABRT => "the C code aborted (SIGABRT)".to_string(),
        libc::SIGSYS => {
            "the C code tried to start a process, to become another program, or to signal one (SIGSYS)".to_string()
        }
        other => format!("the C code was ended by signal {other}"),
    }
}

/// How often a child that the machine has ended is started in all.
const STARTS: u32 = 3;
/// How often a child that is stopped is let go on: more often than a person stops it who thinks better of it.
const GOES_ON: u32 = 3;
/// How long the machine may keep a child from going on.
const MACHINE: Duration = Duration::from_secs(600);
/// How long a child may take to stop when it is asked to.
const STOPPING: Duration = Duration::from_secs(2);
/// Most bytes that a child may say.
const SAID_BYTES: usize = 64 << 20;

/// Memory that a child may take which keeps no graph, in bytes: a child was seen to have 140 MB, its parent's counted in.
pub const ROOM: u64 = 1 << 30;

/// What runs in a child.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    /// Code of the tree's. The child can start no process, and ends at the moment that its parent does.
    Code,
    /// A compiler, as a process of its own: the child ends it where the parent has ended, and then itself.
    Compiler,
}

/// Runs `f`, which runs code of a tree's, in a child process and returns what it returns.
///
/// `patience` is how much processor time the child may use, or how long it may sleep, without a beat of its pulse; `memory` is how
/// many bytes it may take beyond what this process has; `watch` is called now and then with the pulse and says whether to go on.
/// A child that the machine ends is started again, twice. It can start threads and no process: to try is its end.
///
/// # Errors
/// [`Death`] if the child does not come to an end by itself.
pub fn isolated<T: Serialize + DeserializeOwned>(
    patience: Duration,
    memory: u64,
    watch: &mut dyn FnMut(&Pulse) -> bool,
    f: impl Fn(&Pulse) -> T,
) -> Result<T, Death> {
    repeatedly(Runs::Code, patience, memory, watch, f)
}

/// Runs `f`, which runs a compiler and no code of a tree's, like [`isolated`]. It has to return once
/// [`is_to_stop`](Pulse::is_to_stop) says so, having ended the compiler, whose group it tells [`owns`](Pulse::owns).
pub(super) fn compiling<T: Serialize + DeserializeOwned>(
    patience: Duration,
    watch: &mut dyn FnMut(&Pulse) -> bool,
    f: impl Fn(&Pulse) -> T,
) -> Result<T, Death> {
    repeatedly(Runs::Compiler, patience, ROOM, watch, f)
}

fn repeatedly<T: Serialize + DeserializeOwned>(
    runs: Runs,
    patience: Duration,
    memory: u64,
    watch: &mut dyn FnMut(&Pulse) -> bool,
    f: impl Fn(&Pulse) -> T,
) -> Result<T, Death> {
    let mut started = 1;
    loop {
        match once(runs, patience, memory, watch, &f) {
            Err(Death::Killed { .. }) if started < STARTS => started += 1,
            Err(Death::Killed { signal, .. }) => return Err(Death::Killed { signal, times: started }),
            ended => return ended,
        }
    }
}

fn failed(what: &str) -> Death {
    Death::Failed(format!("{what}: {}", io::Error::last_os_error()))
}

/// Runs `f` in one child.
fn once<T: Serialize + DeserializeOwned>(
    runs: Runs,
    patience: Duration,
    memory: u64,
    watch: &mut dyn FnMut(&Pulse) -> bool,
    f: &impl Fn(&Pulse) -> T,
) -> Result<T, Death> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let sharing = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh mapping, shared with the child; zeros are a valid pulse, and atomics may be shared.
    let pulse: &Pulse = unsafe {
        let page = libc::mmap(std::ptr::null_mut(), size_of::<Pulse>(), protection, sharing, -1, 0);
        if page == libc::MAP_FAILED {
            return Err(failed("mmap"));
        }
        &*page.cast::<Pulse>()
    };
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two; both are taken over at once.
    let (reader, writer) = unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(failed("pipe"));
        }
        (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1]))
    };
    pulse.parent.store(std::process::id() as i32, Ordering::Relaxed);
    let resident = memory::resident().unwrap_or(0);
    // SAFETY: the child uses only what the calling thread can reach, writes to its pipe and ends without unwinding into code
    // of the parent's.
    let result = match unsafe { libc::fork() } {
        -1 => Err(failed("fork")),
        0 => {
            drop(reader);
            work(runs, writer, pulse, memory, f)
        }
        child => {
            drop(writer);
            let taking = Taking { memory, resident };
            Attended::new(child, reader, pulse, taking).and_then(|mut attended| attended.attend(patience, watch))
        }
    };
    pulse.end_group();
    // SAFETY: mapped above, and the child is gone.
    unsafe { libc::munmap(std::ptr::from_ref(pulse).cast_mut().cast(), size_of::<Pulse>()) };
    result
}

/// What the child does: `f`, and say what it returned, or with which words it panicked.
fn work<T: Serialize>(runs: Runs, mut writer: File, pulse: &Pulse, memory: u64, f: &impl Fn(&Pulse) -> T) -> ! {
    limit_memory(memory);
    // SAFETY: these set attributes of this process: it ends with its parent, which alone heeds Ctrl-C, leaves no core file, and
    // what the code prints goes nowhere.
    unsafe {
        if runs == Runs::Code {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong);
        }
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 });
        let nowhere = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        for stream in 0..=2 {
            libc::dup2(nowhere, stream);
        }
    }
    if pulse.is_orphaned() {
        // SAFETY: the parent ended before it was noticed.
        unsafe { libc::_exit(0) }
    }
    let sealed = if runs == Runs::Code { seal() } else { Ok(()) };
    let result = || match &sealed {
        Ok(()) => serde_json::to_vec(&Ok::<T, String>(f(pulse))),
        Err(error) => {
            serde_json::to_vec(&Err::<(), String>(format!("it cannot be kept from starting others: {error}")))
        }
    };
    let said = std::panic::catch_unwind(std::panic::AssertUnwindSafe(result));
    let said = match said {
        Ok(Ok(said)) => said,
        Ok(Err(error)) => serde_json::to_vec(&Err::<(), String>(error.to_string())).unwrap_or_default(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or(panic.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or_default();
            serde_json::to_vec(&Err::<(), String>(text)).unwrap_or_default()
        }
    };
    let written = writer.write_all(&said).is_ok();
    // SAFETY: ends the child at once; its destructors are the parent's business.
    unsafe { libc::_exit(if written { 0 } else { 101 }) }
}

/// From now on this process may take so many bytes more.
fn limit_memory(bytes: u64) {
    let most = memory::data().unwrap_or(0).saturating_add(bytes);
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: an attribute of this process; a bound that is lower already stays.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_DATA, &mut limit) == 0 && most < limit.rlim_cur {
            limit.rlim_cur = most;
            libc::setrlimit(libc::RLIMIT_DATA, &limit);
        }
    }
}

/// How much memory a child may take, and how much it had of its parent's when it was started.
struct Taking {
    memory: u64,
    resident: u64,
}

impl Taking {
    /// Whether a child has come near the bound: memory that it has not touched counts there and not here.
    fn is_all(&self, peak: u64) -> bool {
        peak.saturating_sub(self.resident) >= self.memory / 8 * 7
    }
}

/// How a child has ended.
struct Ended {
    status: i32,
    /// The most memory that it had, in bytes.
    peak: u64,
}

/// A child, as its parent sees it.
struct Attended<'a> {
    child: libc::pid_t,
    /// `None` once the child has closed its end.
    reader: Option<File>,
    said: Vec<u8>,
    pulse: &'a Pulse,
    taking: Taking,
    /// What it had done, and how much processor time it had used, when it last came along.
    beats: u64,
    used_then: Duration,
    /// How much it had used when it was last looked at, and when that was.
    used: Duration,
    looked: Instant,
    /// Since it last came along: how long it has slept, and how long it has been.
    slept: Duration,
    waited: Duration,
    /// How often it was found stopped.
    stops: u32,
}

impl<'a> Attended<'a> {
    fn new(child: libc::pid_t, reader: File, pulse: &'a Pulse, taking: Taking) -> Result<Attended<'a>, Death> {
        // SAFETY: our own descriptor.
        if unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) } != 0 {
            let death = failed("fcntl");
            end(child);
            return Err(death);
        }
        let (zero, looked) = (Duration::ZERO, Instant::now());
        let reader = Some(reader);
        let said = Vec::new();
        Ok(Attended {
            child,
            reader,
            said,
            pulse,
            taking,
            beats: 0,
            used_then: zero,
            used: zero,
            looked,
            slept: zero,
            waited: zero,
            stops: 0,
        })
    }

    /// Waits for the child, reads what it says, and ends it when it takes too long.
    fn attend<T: DeserializeOwned>(
        &mut self,
        patience: Duration,
        watch: &mut dyn FnMut(&Pulse) -> bool,
    ) -> Result<T, Death> {
        let mut asked: Option<Instant> = None;
        loop {
            self.hear();
            if let Some(ended) = ended(self.child) {
                self.hear();
                return self.conclude(ended);
            }
            if !watch(self.pulse) && asked.is_none() {
                self.pulse.stop.store(true, Ordering::Relaxed);
                asked = Some(Instant::now());
            }
            let death = match asked {
                Some(asked) if asked.elapsed() > STOPPING => Some(Death::Cancelled),
                _ => self.out_of_patience(patience),
            };
            if let Some(death) = death {
                end(self.child);
                return Err(death);
            }
        }
    }

    /// Reads what the child has said; waits a little for it.
    fn hear(&mut self) {
        let Some(reader) = &mut self.reader else {
            std::thread::sleep(Duration::from_millis(2));
            return;
        };
        let mut poll = libc::pollfd { fd: reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid entry.
        unsafe { libc::poll(&mut poll, 1, 50) };
        let mut buffer = [0; 1 << 16];
        let before = self.said.len();
        while self.said.len() <= SAID_BYTES {
            match reader.read(&mut buffer) {
                Ok(0) => {
                    self.reader = None;
                    break;
                }
                Ok(read) => self.said.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // As good as the end: how the child ended says the rest.
                Err(_) => {
                    self.reader = None;
                    break;
                }
            }
        }
        if self.said.len() > before {
            self.came_along();
        }
    }

    fn came_along(&mut self) {
        (self.used_then, self.slept, self.waited) = (self.used, Duration::ZERO, Duration::ZERO);
    }

    /// Why the child is to be ended, if it is.
    fn out_of_patience(&mut self, patience: Duration) -> Option<Death> {
        let seed = self.pulse.seed.load(Ordering::Relaxed);
        if self.said.len() > SAID_BYTES {
            return Some(Death::Garbled { bytes: self.said.len(), seed });
        }
        if is_stopped(self.child) {
            self.stops += 1;
            if self.stops > GOES_ON {
                return Some(Death::Stopped { times: self.stops });
            }
            // SAFETY: our own child. Whoever stopped this whole program has not stopped the child alone.
            unsafe { libc::kill(self.child, libc::SIGCONT) };
        }
        let used = processor_time(self.child).unwrap_or(self.used);
        // Where this process was stopped itself, the time has passed for nobody.
        let passed = self.looked.elapsed().min(Duration::from_secs(1));
        let idle = used.saturating_sub(self.used) < passed / 100;
        (self.used, self.looked) = (used, Instant::now());
        let beats = self.pulse.beats.load(Ordering::Relaxed);
        if beats != self.beats {
            self.beats = beats;
            self.came_along();
            self.pulse.silence.store(0, Ordering::Relaxed);
            return None;
        }
        self.waited += passed;
        self.pulse.silence.store(self.waited.as_secs(), Ordering::Relaxed);
        if idle && sleeps(self.child) {
            self.slept += passed;
        }
        let seconds = patience.as_secs();
        if used.saturating_sub(self.used_then) > patience {
            Some(Death::Silent { seconds, seed })
        } else if self.slept > patience {
            Some(Death::Blocked { seconds, seed })
        } else if self.waited > MACHINE.max(patience) {
            Some(Death::Starved { seconds: MACHINE.max(patience).as_secs() })
        } else {
            None
        }
    }

    /// What a child that has ended comes to.
    fn conclude<T: DeserializeOwned>(&self, Ended { status, peak }: Ended) -> Result<T, Death> {
        let seed = self.pulse.seed.load(Ordering::Relaxed);
        if libc::WIFSIGNALED(status) {
            let signal = libc::WTERMSIG(status);
            return Err(match FAULTS.contains(&signal) {
                true if self.taking.is_all(peak) => Death::Memory { bytes: self.taking.memory, seed },
                true => Death::Signal { signal, seed },
                false => Death::Killed { signal, times: 1 },
            });
        }
        let code = libc::WEXITSTATUS(status);
        if code != 0 || self.said.is_empty() {
            return Err(Death::Quit { code, seed });
        }
        match serde_json::from_slice::<Result<T, String>>(&self.said) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => Err(Death::Failed(panic)),
            Err(_) => Err(Death::Garbled { bytes: self.said.len(), seed }),
        }
    }
}

/// How a child has ended, if it has.
fn ended(child: libc::pid_t) -> Option<Ended> {
    // SAFETY: our own child, which stays to be waited for; zeros are valid, and are what is left where it has not ended.
    let has_ended = unsafe {
        let mut about: libc::siginfo_t = std::mem::zeroed();
        let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        libc::waitid(libc::P_PID, child as libc::id_t, &mut about, how) == 0 && about.si_pid() == child
    };
    has_ended.then(|| end(child))
}

/// Whether a child has been stopped since this was last asked.
fn is_stopped(child: libc::pid_t) -> bool {
    // SAFETY: as above.
    unsafe {
        let mut about: libc::siginfo_t = std::mem::zeroed();
        let how = libc::WSTOPPED | libc::WNOHANG;
        libc::waitid(libc::P_PID, child as libc::id_t, &mut about, how) == 0 && about.si_pid() == child
    }
}

/// Ends a child and waits for its end.
fn end(child: libc::pid_t) -> Ended {
    let mut status = 0;
    // SAFETY: our own child, which has not been waited for; zeros are a valid usage. Interrupted calls are repeated.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::kill(child, libc::SIGKILL);
        while libc::wait4(child, &mut status, 0, &mut usage) == -1
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
        usage
    };
    // In KiB.
    Ended { status, peak: u64::try_from(usage.ru_maxrss).unwrap_or(0) << 10 }
}

/// How much processor time a process has used, all its threads together.
fn processor_time(process: libc::pid_t) -> Option<Duration> {
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both are ours to be written.
    let known =
        unsafe { libc::clock_getcpuclockid(process, &mut clock) == 0 && libc::clock_gettime(clock, &mut time) == 0 };
    known.then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Whether a process sleeps of its own accord: it is neither ready nor stopped, and does not wait for a disk.
fn sleeps(process: libc::pid_t) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name, which is in brackets and may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(300);

    fn child<T: Serialize + DeserializeOwned>(f: impl Fn(&Pulse) -> T) -> Result<T, Death> {
        isolated(PATIENCE, ROOM, &mut |_| true, f)
    }

    fn own_id() -> libc::pid_t {
        std::process::id() as libc::pid_t
    }

    fn sleep() {
        // SAFETY: waits for a signal.
        unsafe { libc::pause() };
    }

    fn send(process: libc::pid_t, signal: i32) {
        // SAFETY: to the child of a test.
        unsafe { libc::kill(process, signal) };
    }

    #[test]
    fn results_crashes_and_silence_are_told_apart() {
        assert_eq!(child(|_| vec![1, 2]), Ok(vec![1, 2]));
        let crash: Result<(), Death> = child(|pulse| {
            pulse.seed.store(7, Ordering::Relaxed);
            // SAFETY: a null pointer is what the parent is to be told of.
            unsafe { std::ptr::write_volatile(std::ptr::null_mut::<u8>(), 1) }
        });
        assert_eq!(crash, Err(Death::Signal { signal: libc::SIGSEGV, seed: 7 }));
        let silence: Result<(), Death> = child(|_| {
            loop {
                std::hint::spin_loop();
            }
        });
        assert_eq!(silence, Err(Death::Silent { seconds: 0, seed: 0 }));
        let cancelled: Result<u64, Death> =
            isolated(PATIENCE, ROOM, &mut |pulse| pulse.beats.load(Ordering::Relaxed) == 0, |pulse| {
                while !pulse.stop.load(Ordering::Relaxed) {
                    pulse.beats.fetch_add(1, Ordering::Relaxed);
                }
                5
            });
        assert_eq!(cancelled, Ok(5));
        assert_eq!(child(|_| assert_eq!(1, 2, "words")).unwrap_err().by_the_code(), None);
    }

    #[test]
    fn a_child_that_stops_speaking_is_ended() {
        let sleeps: Result<(), Death> = child(|_| sleep());
        assert_eq!(sleeps, Err(Death::Blocked { seconds: 0, seed: 0 }));
        for code in [0, 3] {
            let quits: Result<(), Death> = child(|_| std::process::exit(code));
            assert_eq!(quits, Err(Death::Quit { code, seed: 0 }));
        }
        let closes: Result<(), Death> = child(|_| {
            // SAFETY: what code that runs in a child may do to it.
            (3..1024).for_each(|file| _ = unsafe { libc::close(file) });
            sleep()
        });
        assert_eq!(closes, Err(Death::Blocked { seconds: 0, seed: 0 }));
        // SAFETY: as above.
        let write = |file, bytes: &[u8]| _ = unsafe { libc::write(file, bytes.as_ptr().cast(), bytes.len()) };
        let writes: Result<(), Death> = child(|_| (3..1024).for_each(|file| write(file, b"x")));
        assert!(matches!(writes, Err(Death::Garbled { .. })), "{writes:?}");
        let floods: Result<(), Death> = child(|_| {
            loop {
                (3..64).for_each(|file| write(file, &[0; 4096]));
            }
        });
        assert!(matches!(floods, Err(Death::Garbled { bytes, .. }) if bytes <= SAID_BYTES + (1 << 16)), "{floods:?}");
    }

    #[test]
    fn what_the_machine_does_is_not_the_codes_doing() {
        let killed: Result<(), Death> = child(|_| send(own_id(), libc::SIGKILL));
        assert_eq!(killed, Err(Death::Killed { signal: libc::SIGKILL, times: STARTS }));
        // Once killed, started again: it counts in a file.
        let file = tempfile::tempfile().unwrap();
        let again = child(|_| {
            let before = file.metadata().unwrap().len();
            (&file).write_all(b"x").unwrap();
            if before == 0 {
                send(own_id(), libc::SIGKILL);
            }
            before
        });
        assert_eq!(again, Ok(1));
    }

    #[test]
    fn a_child_that_is_stopped_is_let_go_on_but_not_for_ever() {
        let stops = |times: u32| child(move |_| (0..times).for_each(|_| send(own_id(), libc::SIGSTOP)));
        assert_eq!(stops(GOES_ON), Ok(()));
        let ended = stops(u32::MAX);
        assert_eq!(ended, Err(Death::Stopped { times: GOES_ON + 1 }));
        assert_eq!(ended.unwrap_err().by_the_code(), None);
    }

    #[test]
    fn a_parent_that_waits_knows_for_how_long() {
        let mut longest = 0;
        let mut watch = |pulse: &Pulse| {
            longest = longest.max(pulse.silence.load(Ordering::Relaxed));
            longest < 1
        };
        let waited: Result<(), Death> = isolated(Duration::from_secs(600), ROOM, &mut watch, |_| sleep());
        assert_eq!(waited, Err(Death::Cancelled));
        assert!(longest >= 1);
    }

    #[test]
    fn a_child_has_no_more_memory_than_it_may() {
        let bytes = 256 << 20;
        let takes = |much: u64| {
            isolated(Duration::from_secs(20), bytes, &mut |_| true, move |pulse| {
                pulse.seed.store(7, Ordering::Relaxed);
                for _ in 0..much >> 20 {
                    // SAFETY: as code in C does that does not look at what it is given, and without giving it back.
                    unsafe {
                        std::hint::black_box(libc::memset(libc::malloc(1 << 20), 1, 1 << 20));
                    }
                }
                much
            })
        };
        assert_eq!(takes(bytes / 2), Ok(bytes / 2));
        let all: Result<u64, Death> = takes(2 * bytes);
        assert_eq!(all, Err(Death::Memory { bytes, seed: 7 }));
        assert_eq!(all.unwrap_err().by_the_code(), Some(7));
    }
}
