//! A solver: a process that reads SMT-LIB 2 and answers.
//!
//! It is given one obligation at a time and has a limit for each. It can be ended while it thinks, which the libraries that
//! drive solvers do not offer (easy-smt 0.3 waits for the next line), so this is ours.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;
use vtd_qi::words;

use crate::obligation::Obligation;
use crate::smt;

words! {
    /// A solver that is known to read what [`smt`] writes; its name is that of its program and of its Debian package.
    pub enum SolverName as "solver" {
        /// Z3, of Microsoft Research.
        Z3 = "z3",
        /// cvc5, of Stanford and Iowa.
        Cvc5 = "cvc5",
    }
}

/// What a solver says of an obligation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `unsat`: the hypotheses and the step imply the goal.
    Discharged,
    /// `sat`: there is a state, not necessarily a reachable one, in which they do not.
    Refuted,
    /// `unknown`: the solver does not know, or its time was up.
    Unknown,
}

/// Why there is no reply.
#[derive(Debug, Error)]
pub enum SolverError {
    /// There is no such program.
    #[error("{} cannot be found; Debian has it in the package {}", .0.name(), .0.name())]
    Missing(SolverName),
    /// It cannot be started, or nothing can be written to it.
    #[error("{name} cannot be used: {1}", name = .0.name())]
    Unusable(SolverName, std::io::Error),
    /// It has ended.
    #[error("{} ended before it answered", .0.name())]
    Died(SolverName),
    /// Its answer is none of `sat`, `unsat` and `unknown`.
    #[error("{name} answered {1:?}, which is none of sat, unsat and unknown", name = .0.name())]
    Nonsense(SolverName, String),
    /// It goes on long after its limit.
    #[error("{name} does not keep its limit of {1:?}", name = .0.name())]
    Late(SolverName, Duration),
    /// The work was cancelled.
    #[error("interrupted")]
    Cancelled,
}

/// How long a solver may go on after its limit before it is taken for dead.
const GRACE: Duration = Duration::from_secs(10);

/// A running solver; it is ended when it is dropped.
pub struct Solver<'a> {
    name: SolverName,
    limit: Duration,
    cancel: &'a AtomicBool,
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl SolverName {
    fn command(self, limit: Duration) -> Command {
        let mut command = Command::new(self.name());
        match self {
            SolverName::Z3 => command.args(["-in", "-smt2"]).arg(format!("-t:{}", limit.as_millis())),
            SolverName::Cvc5 => command.arg("--lang=smt2").arg(format!("--tlimit-per={}", limit.as_millis())),
        };
        command
    }

    /// Whether its program can be started.
    pub fn is_there(self) -> bool {
        let version = Command::new(self.name()).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    }
}

impl<'a> Solver<'a> {
    /// Starts a solver that has `limit` for each obligation, until `cancel` is set.
    ///
    /// # Errors
    /// [`SolverError::Missing`] and [`SolverError::Unusable`].
    pub fn start(name: SolverName, limit: Duration, cancel: &'a AtomicBool) -> Result<Solver<'a>, SolverError> {
        Solver::spawn(name, name.command(limit), limit, cancel)
    }

    fn spawn(
        name: SolverName,
        mut command: Command,
        limit: Duration,
        cancel: &'a AtomicBool,
    ) -> Result<Solver<'a>, SolverError> {
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = started.map_err(|error| match error.kind() {
            ErrorKind::NotFound => SolverError::Missing(name),
            _ => SolverError::Unusable(name, error),
        })?;
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (send, lines) = channel();
        thread::spawn(move || {
            // Nobody waits for the lines of a solver that was dropped.
            stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        Ok(Solver { name, limit, cancel, child, stdin, lines })
    }

    /// What it is.
    pub fn name(&self) -> SolverName {
        self.name
    }

    /// Asks it whether an obligation is discharged.
    ///
    /// # Errors
    /// Any [`SolverError`] but [`SolverError::Missing`]; then nothing more may be asked of it.
    pub fn ask(&mut self, obligation: &Obligation) -> Result<Reply, SolverError> {
        // Nothing is left of the last: with `push` and `pop` instead, cvc5 takes half as long again.
        self.write(&format!("(reset)\n{}(check-sat)\n", smt::script(obligation)))?;
        Ok(match self.line()?.as_str() {
            "unsat" => Reply::Discharged,
            "sat" => Reply::Refuted,
            "unknown" => Reply::Unknown,
            other => return Err(SolverError::Nonsense(self.name, other.to_string())),
        })
    }

    fn write(&mut self, text: &str) -> Result<(), SolverError> {
        let written = self.stdin.write_all(text.as_bytes()).and_then(|()| self.stdin.flush());
        written.map_err(|error| match error.kind() {
            _ if self.cancel.load(Ordering::Relaxed) => SolverError::Cancelled,
            ErrorKind::BrokenPipe => SolverError::Died(self.name),
            _ => SolverError::Unusable(self.name, error),
        })
    }

    /// The next line that it writes.
    fn line(&mut self) -> Result<String, SolverError> {
        let asked = Instant::now();
        loop {
            let line = self.lines.recv_timeout(Duration::from_millis(20));
            // Ctrl-C on a terminal ends the solver too: that is no death of its own.
            if self.cancel.load(Ordering::Relaxed) {
                return Err(SolverError::Cancelled);
            }
            match line {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Timeout) if asked.elapsed() > self.limit + GRACE => {
                    return Err(SolverError::Late(self.name, self.limit));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    // A signal that ends the solver may be ours as well, and come a moment later.
                    thread::sleep(Duration::from_millis(100));
                    return Err(match self.cancel.load(Ordering::Relaxed) {
                        true => SolverError::Cancelled,
                        false => SolverError::Died(self.name),
                    });
                }
            }
        }
    }
}

impl Drop for Solver<'_> {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relation::Relation;
    use crate::term::Term;
    use vtd_qi::impl_qi::Rules;

    static NEVER: AtomicBool = AtomicBool::new(false);
    static ASKED: AtomicBool = AtomicBool::new(true);

    fn question() -> Obligation {
        let relation = Relation::of(&Rules::G4, 0).unwrap();
        crate::obligation::inductive(&relation).remove(0)
    }

    fn pretender(script: &str, cancel: &'static AtomicBool) -> Result<Reply, SolverError> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut solver = Solver::spawn(SolverName::Z3, command, Duration::from_secs(5), cancel)?;
        solver.ask(&question())
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        assert!(
            matches!(pretender("echo perhaps; cat >/dev/null", &NEVER), Err(SolverError::Nonsense(_, what)) if what == "perhaps")
        );
        assert!(matches!(pretender("echo '(error \"x\")'; cat >/dev/null", &NEVER), Err(SolverError::Nonsense(..))));
    }

    #[test]
    fn a_solver_that_dies_is_an_error() {
        assert!(matches!(pretender("head -c 1 >/dev/null; exit 1", &NEVER), Err(SolverError::Died(_))));
    }

    #[test]
    fn a_solver_that_thinks_is_ended_when_asked() {
        assert!(matches!(pretender("exec sleep 1000", &ASKED), Err(SolverError::Cancelled)));
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_its_package() {
        let command = Command::new("/nowhere/z3");
        let error = Solver::spawn(SolverName::Cvc5, command, Duration::from_secs(1), &NEVER).err().unwrap();
        assert_eq!(error.to_string(), "cvc5 cannot be found; Debian has it in the package cvc5");
    }

    #[test]
    fn solvers_tell_what_follows_from_what_does_not() {
        for name in SolverName::ALL.into_iter().filter(|name| name.is_there()) {
            let mut solver = Solver::start(name, Duration::from_secs(20), &NEVER).unwrap();
            assert_eq!(solver.ask(&question()).unwrap(), Reply::Discharged, "{name:?}");
            let wrong = Obligation { hypotheses: Vec::new(), goal: Term::Bool(false), ..question() };
            assert_eq!(solver.ask(&wrong).unwrap(), Reply::Refuted, "{name:?}");
            // The first is not left behind for the second.
            assert_eq!(solver.ask(&question()).unwrap(), Reply::Discharged, "{name:?}");
        }
    }
}
