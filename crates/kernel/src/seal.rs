//! What code that runs in a child may not ask of the system.
//!
//! The C of a tree has no business with other processes. A filter of system calls, which nothing can lift again, keeps it from
//! starting one, from becoming another program, from sending a signal to anybody but itself, and from outliving its parent.

use std::collections::BTreeMap;
use std::io;

use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

/// Calls by number, and of what arguments a call is refused: none, of any.
type Refused = BTreeMap<i64, Vec<SeccompRule>>;

/// From now on this process starts no other: a call that would is its end, by SIGSYS. Threads can still be started.
///
/// # Errors
/// Where the kernel has no such filters, or none for this processor.
pub(super) fn seal() -> Result<(), String> {
    let own = std::process::id().into();
    let filters = refused(own).and_then(|refused| {
        // Its arguments lie in memory, where no filter looks. The C library starts threads with `clone` where it is not there.
        let without_clone3 =
            compiled(SeccompAction::Errno(libc::ENOSYS as u32), [(libc::SYS_clone3, Vec::new())].into())?;
        Ok([without_clone3, compiled(SeccompAction::KillProcess, refused)?])
    });
    let applied = filters.map_err(|error| error.to_string())?.iter().try_for_each(|filter| apply_filter(filter));
    applied.map_err(|error| format!("{error} ({})", io::Error::last_os_error()))
}

/// The calls that are a process's end, its own number being `own`.
fn refused(own: u64) -> Result<Refused, BackendError> {
    let always = [
        #[cfg(target_arch = "x86_64")]
        libc::SYS_fork,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_vfork,
        libc::SYS_execve,
        libc::SYS_execveat,
    ];
    let mut refused: Refused = always.map(|call| (call, Vec::new())).into();
    refused.insert(libc::SYS_clone, of(Qword, MaskedEq(libc::CLONE_THREAD as u64), 0)?);
    refused.insert(libc::SYS_kill, of(Dword, Ne, own)?);
    refused.insert(libc::SYS_tgkill, of(Dword, Ne, own)?);
    refused.insert(libc::SYS_prctl, of(Dword, Eq, libc::PR_SET_PDEATHSIG as u64)?);
    Ok(refused)
}

/// Calls whose first argument is such.
fn of(length: SeccompCmpArgLen, how: SeccompCmpOp, value: u64) -> Result<Vec<SeccompRule>, BackendError> {
    Ok(vec![SeccompRule::new(vec![SeccompCondition::new(0, length, how, value)?])?])
}

fn compiled(action: SeccompAction, calls: Refused) -> Result<BpfProgram, BackendError> {
    let processor = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(calls, SeccompAction::Allow, action, processor)?.try_into()
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::super::isolate::{Death, Pulse, ROOM, isolated};

    fn child<T: serde::Serialize + serde::de::DeserializeOwned>(f: impl Fn(&Pulse) -> T) -> Result<T, Death> {
        isolated(Duration::from_secs(20), ROOM, &mut |_| true, |pulse| {
            pulse.seed.store(7, Ordering::Relaxed);
            f(pulse)
        })
    }

    #[test]
    fn no_process_is_started_and_no_other_is_signalled() {
        let parent = std::process::id() as libc::pid_t;
        // SAFETY: what code that runs in a child may do to it, and must not do to others.
        let tries: [(&str, &dyn Fn()); 7] = unsafe {
            [
                ("fork", &|| _ = libc::fork()),
                ("fork as a call of clone", &|| _ = libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0)),
                ("a program", &|| _ = Command::new("true").spawn()),
                ("another program", &|| {
                    _ = libc::execl(c"/bin/true".as_ptr(), c"true".as_ptr(), std::ptr::null::<u8>())
                }),
                ("a signal to the parent", &|| _ = libc::kill(parent, 0)),
                ("a signal to the group", &|| _ = libc::kill(0, 0)),
                ("no end with the parent", &|| _ = libc::prctl(libc::PR_SET_PDEATHSIG, 0)),
            ]
        };
        for (what, it) in tries {
            let ended = child(|_| it());
            assert_eq!(ended, Err(Death::Signal { signal: libc::SIGSYS, seed: 7 }), "{what}");
        }
    }

    #[test]
    fn what_a_child_needs_itself_it_may() {
        // SAFETY: starts nothing, since it is refused.
        let clone3 = child(|_| unsafe { libc::syscall(libc::SYS_clone3, 0, 0) });
        assert_eq!(clone3, Ok(-1));
        assert_eq!(child(|_| std::thread::spawn(|| 5).join().unwrap()), Ok(5));
        // SAFETY: it asks whether the process is there.
        assert_eq!(child(|_| unsafe { libc::kill(libc::getpid(), 0) }), Ok(0));
        // SAFETY: the fault that a C library raises.
        let aborted: Result<(), Death> = child(|_| unsafe { libc::abort() });
        assert_eq!(aborted, Err(Death::Signal { signal: libc::SIGABRT, seed: 7 }));
    }
}
