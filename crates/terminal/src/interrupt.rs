//! Ctrl-C, SIGTERM and SIGHUP, which mean the same: stop, and write down what is known.

use std::fmt::Display;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

use crate::{Exit, Failure, complain};

/// How long work that does not look at the flag is waited for after a signal.
const GRACE: Duration = Duration::from_millis(1000);

/// From now on Ctrl-C, SIGTERM and SIGHUP set the flag that is returned instead of ending the program. A second signal ends it at
/// once, with exit code 130.
///
/// Every call returns the same flag. A signal that is ignored when the program starts stays ignored, as `nohup` wants it of SIGHUP
/// (this is known on Linux only). A signal that cannot be caught is complained of: it will lose what is known by then.
pub fn interrupt() -> &'static AtomicBool {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    FLAG.get_or_init(|| {
        let asked = Arc::new(AtomicBool::new(false));
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_ignored(&status, signal)) {
            // In this order, or else the first signal would already find the flag set and end the program.
            let both = flag::register_conditional_shutdown(signal, i32::from(Exit::Interrupted.code()), asked.clone())
                .and_then(|_| flag::register(signal, asked.clone()));
            if let Err(error) = both {
                complain(format_args!("warning: signal {signal} will lose what is known so far: {error}"));
            }
        }
        asked
    })
}

/// From now on a file at its size limit (`ulimit -f`) cannot be written, as on a full disk, instead of ending the program.
pub(crate) fn fail_at_the_size_limit() {
    if let Err(error) = flag::register(SIGXFSZ, Arc::default()) {
        complain(format_args!("warning: a file at its size limit will end the program: {error}"));
    }
}

/// Whether a process ignores a signal, by its `/proc/PID/status`: in `SigIgn`, a hexadecimal mask, bit 0 is signal 1.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// Does long work on a thread of its own, and returns what comes of it.
///
/// The work is handed the flag of [`interrupt`] and should look at it often. Where it has not ended a second after a
/// signal, it is left behind, and `None` is returned.
///
/// # Panics
/// If the work does.
pub fn unless_interrupted<T: Send + 'static>(
    work: impl FnOnce(&'static AtomicBool) -> T + Send + 'static,
) -> Option<T> {
    let flag = interrupt();
    let (send, receive) = mpsc::channel();
    let worker = thread::spawn(move || {
        // It cannot be sent where nobody waits for it any more.
        let _ = send.send(work(flag));
    });
    let mut asked: Option<Instant> = None;
    loop {
        match receive.recv_timeout(Duration::from_millis(50)) {
            Ok(done) => return Some(done),
            Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
                Err(panic) => resume_unwind(panic),
                Ok(()) => unreachable!("a worker that does not panic sends what it has done"),
            },
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if flag.load(Ordering::Relaxed) && asked.get_or_insert_with(Instant::now).elapsed() > GRACE {
            return None;
        }
    }
}

/// Reads a file that a person has named. It may be a pipe that nobody writes to: opening it waits for ever, unless a signal comes.
///
/// # Errors
/// [`Failure::Interrupted`], and [`Failure::Unusable`] with what the reading fails of.
///
/// # Panics
/// If the reading does.
pub fn reading<T: Send + 'static, E: Display + Send + 'static>(
    file: &Path,
    read: impl FnOnce(&Path) -> Result<T, E> + Send + 'static,
) -> Result<T, Failure> {
    let owned: PathBuf = file.to_path_buf();
    match unless_interrupted(move |_| read(&owned)) {
        Some(read) => read.map_err(Failure::unusable),
        None => Err(Failure::Interrupted(format!("{}: interrupted before all of it was read", file.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_signal_is_told_from_the_mask_of_proc() {
        // nohup ignores signal 1; a background job of a script ignores 2 and 3.
        let status = |mask: &str| format!("SigBlk:\tffffffffffffffff\nSigIgn:\t{mask}\nSigCgt:\t0000000000000440\n");
        let ignored = |status: &str| [SIGHUP, SIGINT, SIGTERM].map(|signal| is_ignored(status, signal));
        assert_eq!(ignored(&status("0000000000000001")), [true, false, false]);
        assert_eq!(ignored(&status("0000000000000006")), [false, true, false]);
        assert_eq!(ignored(&status("0000000000004000")), [false, false, true]);
        assert_eq!(ignored(""), [false; 3]);
    }

    #[test]
    fn work_that_ends_is_returned() {
        assert_eq!(unless_interrupted(|flag| flag.load(Ordering::Relaxed)), Some(false));
    }

    #[test]
    #[should_panic(expected = "a defect")]
    fn work_that_panics_panics() {
        unless_interrupted(|_| panic!("a defect"));
    }
}
