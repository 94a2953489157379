//! Liveness under fairness of labelled graphs in a file, compared with what is expected and with what TLC said of them.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::{Parser, ValueEnum};
use serde::Serialize;
use stateright_temporal::memory::Memory;
use vtd_qi_terminal::style::{columns, next};
use vtd_qi_terminal::{Exit, Failure, Output, arguments, memory, printable, reading};

use examine::{Examined, Undecided, Unknown, examine};
use file::{Case, Word};

mod examine;
mod file;

/// Checks liveness under fairness on each graph of a file.
///
/// The file is a JSON array of cases: a graph with labelled edges, what is fair in it, and what is claimed of every
/// fair run. docs/liveness-files.md describes it.
///
/// A condition whose labels are never enabled (no reachable transition bears them, or none of those changes the state)
/// says nothing; as in TLC it is left out, and the output says so.
///
/// Exit code: 0 if all is as expected, 1 if something is not, or is not what TLC said of it (`tlc` in the file), or is
/// unknown for want of memory, 2 if the input cannot be used, 130 if interrupted: what is known by then is printed.
#[derive(Parser)]
#[command(
    after_help = "Example:\n  cargo run --release --example liveness -- --expect tlc tests/fixtures/liveness-cases.json"
)]
struct Args {
    /// The file of graphs
    file: PathBuf,
    /// What is expected of a case that does not say so itself (`expect` in the file)
    #[arg(long, default_value = "holds")]
    expect: Expect,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Expect {
    /// That it holds
    Holds,
    /// That it is violated
    Violated,
    /// What TLC said of it
    Tlc,
}

/// Longest file, in bytes.
const LONGEST: u64 = 1 << 28;

/// What a byte of a file takes in memory while the file is read, at most. This was measured as address space, on files of
/// 10 to 40 MB with vectors that had just grown: 27 for a list of labels of one letter, 26 for a list of states of one
/// digit, and less for edges, names of states, conditions and small cases. Ordinary edges with states of seven digits take
/// 8. Another tenth is for what was not thought of.
const BYTES_PER_BYTE: usize = 30;

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    let Some(args) = arguments::<Args>(out)? else { return Ok(Exit::Success) };
    let interrupted = vtd_qi_terminal::interrupt();
    let allowance = memory::allowance(None, 1)?;
    let cases = reading(&args.file, move |file| load(file, allowance))?;
    // Half of what is left now. The other half is for what is not counted: a case's transitions, once more.
    let memory = Memory::of(memory::allowance(None, 1)? / 2);
    let expected = cases.iter().map(|case| expected(case, args.expect)).collect::<Result<Vec<_>, _>>()?;
    let mut outcome = Outcome::new(cases.len());
    let mut ended = Ok(());
    for (case, expected) in cases.iter().zip(expected) {
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
        match examine(case, &memory, interrupted) {
            Ok(examined) => {
                let judged = Judged { expected, tlc: case.tlc, examined };
                if !args.json {
                    judged.print(out)?;
                    out.flush()?;
                }
                outcome.add(judged);
            }
            Err(Undecided::Interrupted) => break,
            Err(Undecided::Unknown(unknown)) => {
                if !args.json {
                    writeln!(out, "{}", printable(&unknown.to_string()))?;
                    out.flush()?;
                }
                outcome.unknown += 1;
                outcome.undecided.push(unknown);
            }
            Err(undecided) => {
                ended = Err(Failure::unusable(printable(&undecided.to_string()).into_owned()));
                break;
            }
        }
    }
    // What is known of the cases before one that cannot be used is not lost with it.
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &outcome).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        outcome.print(out)?;
    }
    ended?;
    Ok(outcome.exit())
}

fn load(path: &Path, memory: usize) -> Result<Vec<Case>, String> {
    let unusable = |why: String| printable(&format!("{}: {why}", path.display())).into_owned();
    let mut text = Vec::new();
    let longest = LONGEST.min((memory / BYTES_PER_BYTE) as u64);
    let read = File::open(path).and_then(|file| file.take(longest + 1).read_to_end(&mut text));
    read.map_err(|error| unusable(format!("cannot be read: {error}")))?;
    if text.len() as u64 > longest {
        let why = if longest < LONGEST { ", all that the memory that is available suffices for" } else { "" };
        return Err(unusable(format!("it is longer than {longest} bytes{why}")));
    }
    file::parse(&text).map_err(|error| unusable(error.to_string()))
}

fn expected(case: &Case, otherwise: Expect) -> Result<Word, Failure> {
    let word = match otherwise {
        Expect::Holds => Some(Word::Holds),
        Expect::Violated => Some(Word::Violated),
        Expect::Tlc => case.tlc,
    };
    case.expect.or(word).ok_or_else(|| {
        let why = format!("case {}: --expect tlc compares with what TLC said, but tlc is missing", case.id);
        Failure::Unusable(printable(&why).into_owned())
    })
}

/// A case beside what should have become of it.
#[derive(Serialize)]
struct Judged {
    #[serde(flatten)]
    examined: Examined,
    expected: Word,
    tlc: Option<Word>,
}

impl Judged {
    fn as_expected(&self) -> bool {
        self.examined.verdict == self.expected
    }

    fn differs(&self) -> bool {
        self.tlc.is_some_and(|tlc| tlc != self.examined.verdict)
    }

    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Examined { id, kind, verdict, vacuous, states, transitions, never_enabled, absent, counterexample } =
            &self.examined;
        let mut line = format!("case {id}: {kind} {verdict}");
        if let Some(why) = vacuous {
            line += &format!(", vacuously: {why}");
        }
        line += &format!(" ({states} states, {transitions} transitions)");
        if !self.as_expected() {
            line += &format!(", expected: {}", self.expected);
        }
        if let Some(tlc) = self.tlc.filter(|_| self.differs()) {
            line += &format!(", BUT TLC SAYS {tlc}");
        }
        if !never_enabled.is_empty() {
            line += &format!("; fairness left out, never enabled: {}", never_enabled.join(", "));
        }
        if !absent.is_empty() {
            line += &format!("; never occurs: {}", absent.join(", "));
        }
        writeln!(out, "{}", printable(&line))?;
        match counterexample {
            Some(counterexample) => writeln!(out, "    {}", printable(&counterexample.to_string())),
            None => Ok(()),
        }
    }
}

#[derive(Serialize)]
struct Outcome {
    /// As many as the file has; those that were not examined before an interruption are missing below.
    asked: usize,
    cases: Vec<Judged>,
    holds: usize,
    vacuous: usize,
    violated: usize,
    unknown: usize,
    /// The cases that are unknown. They are missing above.
    undecided: Vec<Unknown>,
    unexpected: usize,
    compared: usize,
    differences: usize,
}

impl Outcome {
    fn new(asked: usize) -> Self {
        let cases = Vec::new();
        Outcome {
            asked,
            cases,
            holds: 0,
            vacuous: 0,
            violated: 0,
            unknown: 0,
            undecided: Vec::new(),
            unexpected: 0,
            compared: 0,
            differences: 0,
        }
    }

    fn add(&mut self, case: Judged) {
        match case.examined.verdict {
            Word::Holds => self.holds += 1,
            Word::Violated => self.violated += 1,
        }
        self.vacuous += usize::from(case.examined.vacuous.is_some());
        self.unexpected += usize::from(!case.as_expected());
        self.compared += usize::from(case.tlc.is_some());
        self.differences += usize::from(case.differs());
        self.cases.push(case);
    }

    fn exit(&self) -> Exit {
        if self.cases.len() + self.unknown < self.asked {
            Exit::Interrupted
        } else {
            Exit::success_if(self.unknown == 0 && self.unexpected == 0 && self.differences == 0)
        }
    }

    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Outcome { asked, cases, holds, vacuous, violated, unknown, unexpected, compared, differences, .. } = self;
        let left = if *unknown == 0 { String::new() } else { format!(" {unknown} unknown,") };
        let examined = match cases.len() + unknown {
            all if all == *asked => format!("{asked} cases"),
            some => format!("ended after {some} of {asked} cases"),
        };
        writeln!(
            out,
            "{examined}: {holds} hold, {vacuous} of them vacuously, {violated} violated,{left} {unexpected} not as expected; \
             {compared} compared with TLC, {differences} differ"
        )?;
        next(out, &self.next(), columns())
    }

    /// What there is to do once this has been read.
    fn next(&self) -> String {
        let described = "docs/liveness-files.md describes what a case can say";
        let not_as_expected = |case: &&Judged| !case.as_expected() || case.differs();
        match (self.exit(), self.cases.iter().find(not_as_expected)) {
            (Exit::Interrupted, _) => "the same again examines all cases".into(),
            (_, Some(case)) => {
                let id = case.examined.id.to_string();
                format!("look at case {} above, and at its graph in the file; {described}", printable(&id))
            }
            _ if self.unknown > 0 => "the same with more memory decides what is unknown".into(),
            _ => format!("the same with --json prints this for a program; {described}"),
        }
    }
}
