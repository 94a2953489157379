//! A process of its own for code that may crash, write where it should not, or never come back.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

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
}

/// How a child died.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize, Deserialize)]
pub enum Death {
    /// By a signal.
    #[error("{}", signal_text(*signal))]
    Signal {
        /// Its number.
        signal: i32,
        /// What the child was at.
        seed: u64,
    },
    /// It did not come along for so long that it was killed.
    #[error("the C code did not come back for {seconds} s: an endless loop without an access")]
    Silent {
        /// For how long.
        seconds: u64,
        /// What the child was at.
        seed: u64,
    },
    /// It was stopped because the user asked for it.
    #[error("cancelled")]
    Cancelled,
    /// It cannot be started, or what it says cannot be read.
    #[error("the process that runs the C code has failed: {0}")]
    Failed(String),
}

fn signal_text(signal: i32) -> String {
    match signal {
        libc::SIGSEGV => "the C code crashed: it touched memory that is not there (SIGSEGV)".to_string(),
        libc::SIGBUS => "the C code crashed (SIGBUS)".to_string(),
        libc::SIGILL | libc::SIGTRAP => "the C code ran into a BUG (SIGILL)".to_string(),
        libc::SIGFPE => "the C code divided by zero (SIGFPE)".to_string(),
        other => format!("the C code was ended by signal {other}"),
    }
}

/// Runs `f` in a child process and returns what it returns.
///
/// `patience` is how long the child may go without a beat of its pulse; `watch` is called now and then with the pulse and
/// says whether to go on.
///
/// # Errors
/// [`Death`] if the child does not come to an end by itself.
pub fn isolated<T: Serialize + DeserializeOwned>(
    patience: Duration,
    watch: &mut dyn FnMut(&Pulse) -> bool,
    f: impl FnOnce(&Pulse) -> T,
) -> Result<T, Death> {
    let failed = |what: &str| Death::Failed(format!("{what}: {}", std::io::Error::last_os_error()));
    // SAFETY: a fresh shared mapping, zeroed by the system, which is a valid Pulse.
    let pulse = unsafe {
        let at = libc::mmap(
            std::ptr::null_mut(),
            size_of::<Pulse>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if at == libc::MAP_FAILED {
            return Err(failed("mmap"));
        }
        &*at.cast::<Pulse>()
    };
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two descriptors, which nobody else owns afterwards.
    let (mut reader, writer) = unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(failed("pipe"));
        }
        (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1]))
    };
    // SAFETY: the child uses only what the calling thread can reach, writes to its pipe and ends without unwinding into code
    // of the parent's.
    match unsafe { libc::fork() } {
        -1 => Err(failed("fork")),
        0 => {
            drop(reader);
            let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let said = serde_json::to_vec(&f(pulse)).unwrap_or_default();
                (&writer).write_all(&said).is_ok()
            }));
            // SAFETY: ends the child at once; its destructors are the parent's business.
            unsafe { libc::_exit(if written.is_ok_and(|fine| fine) { 0 } else { 101 }) }
        }
        child => {
            drop(writer);
            let result = attend(child, &mut reader, pulse, patience, watch);
            // SAFETY: mapped above, and the child is gone.
            unsafe { libc::munmap(std::ptr::from_ref(pulse).cast_mut().cast(), size_of::<Pulse>()) };
            result
        }
    }
}

/// Waits for a child, reads what it says, and ends it when it takes too long.
fn attend<T: DeserializeOwned>(
    child: libc::pid_t,
    reader: &mut File,
    pulse: &Pulse,
    patience: Duration,
    watch: &mut dyn FnMut(&Pulse) -> bool,
) -> Result<T, Death> {
    let mut said = Vec::new();
    let (mut beats, mut heard) = (0, Instant::now());
    let mut asked: Option<Instant> = None;
    let mut death = None;
    let mut buffer = [0; 1 << 16];
    loop {
        let mut poll = libc::pollfd { fd: reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid entry.
        if unsafe { libc::poll(&mut poll, 1, 100) } > 0 {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    said.extend_from_slice(&buffer[..n]);
                    heard = Instant::now();
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let now = pulse.beats.load(Ordering::Relaxed);
        if now != beats {
            (beats, heard) = (now, Instant::now());
        }
        if !watch(pulse) && asked.is_none() {
            pulse.stop.store(true, Ordering::Relaxed);
            asked = Some(Instant::now());
        }
        let seed = pulse.seed.load(Ordering::Relaxed);
        if heard.elapsed() > patience {
            death = Some(Death::Silent { seconds: patience.as_secs(), seed });
        } else if asked.is_some_and(|asked| asked.elapsed() > Duration::from_secs(2)) {
            death = Some(Death::Cancelled);
        }
        if death.is_some() {
            // SAFETY: our own child, which has not been waited for.
            unsafe { libc::kill(child, libc::SIGKILL) };
            break;
        }
    }
    let mut status = 0;
    // SAFETY: our own child; the status is ours. Interrupted calls are repeated.
    while unsafe { libc::waitpid(child, &mut status, 0) } == -1
        && std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
    {}
    if let Some(death) = death {
        return Err(death);
    }
    let seed = pulse.seed.load(Ordering::Relaxed);
    if libc::WIFSIGNALED(status) {
        return Err(Death::Signal { signal: libc::WTERMSIG(status), seed });
    }
    serde_json::from_slice(&said)
        .map_err(|error| Death::Failed(format!("exit code {}, {error}", libc::WEXITSTATUS(status))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_crashes_and_silence_are_told_apart() {
        let patience = Duration::from_millis(300);
        assert_eq!(isolated(patience, &mut |_| true, |_| vec![1, 2]), Ok(vec![1, 2]));
        let crash: Result<(), Death> = isolated(patience, &mut |_| true, |pulse| {
            pulse.seed.store(7, Ordering::Relaxed);
            // SAFETY: a null pointer is what the parent is to be told of.
            unsafe { std::ptr::write_volatile(std::ptr::null_mut::<u8>(), 1) }
        });
        assert_eq!(crash, Err(Death::Signal { signal: libc::SIGSEGV, seed: 7 }));
        let silence: Result<(), Death> = isolated(patience, &mut |_| true, |_| loop {
            std::hint::spin_loop();
        });
        assert_eq!(silence, Err(Death::Silent { seconds: 0, seed: 0 }));
        let cancelled: Result<u64, Death> =
            isolated(patience, &mut |pulse| pulse.beats.load(Ordering::Relaxed) == 0, |pulse| {
                while !pulse.stop.load(Ordering::Relaxed) {
                    pulse.beats.fetch_add(1, Ordering::Relaxed);
                }
                5
            });
        assert_eq!(cancelled, Ok(5));
    }
}
