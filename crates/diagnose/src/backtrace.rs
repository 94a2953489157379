//! The report of a lockup or a stall: which of the lines that follow are its own, and whether they show the driver.
//!
//! A report has a head (modules, CPU, RIP, registers) and a stack, from `Call Trace:` to `</TASK>` or to the first line that is no part
//! of it. Frames with a question mark are what happened to lie on the stack, not who called whom.

use crate::prefix::without_prefix;

/// How many lines a report may be long.
const LONGEST: usize = 120;

/// The functions that show the driver.
const DRIVER: [&str; 2] = ["qi_submit_sync", "qi_check_fault"];

/// What begins lines between the frames of a stack: marks, and the registers of what was interrupted.
const BETWEEN_FRAMES: [&str; 14] =
    ["<", "?", "RIP:", "Code:", "RSP:", "RAX:", "RDX:", "RBP:", "R10:", "R13:", "ORIG_RAX:", "EFLAGS:", "CS:", "FS:"];

/// What begins another report.
const ANOTHER: [&str; 6] = ["BUG:", "WARNING:", "Oops:", "INFO:", "------------[ cut here", "Kernel panic"];

/// Who is stuck, by the line that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// One CPU, by its number.
    Cpu(u32),
    /// One or several, which the lines that follow name.
    Any,
}

/// A report that is being read.
#[derive(Debug)]
pub(crate) struct Report {
    line: usize,
    stuck: Stuck,
    part: Part,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Head,
    Stack,
    /// The stack is over, or is another CPU's.
    Over,
}

impl Report {
    /// A report that begins with this line: `soft lockup - CPU#3 stuck`, `hard LOCKUP on cpu 3`, or a stall.
    pub(crate) fn of(line: usize, text: &str) -> Report {
        let behind = ["CPU#", "LOCKUP on cpu "].iter().find_map(|title| Some(text.split_once(title)?.1));
        Report { line, stuck: behind.and_then(number).map_or(Stuck::Any, Stuck::Cpu), part: Part::Head }
    }

    /// Takes the next line; says whether it shows the driver at the place where the CPU or the task is stuck.
    pub(crate) fn shows_driver(&mut self, line: usize, text: &str) -> bool {
        let text = without_prefix(text);
        let begins = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
        if line - self.line > LONGEST || text.contains("---[ end trace") || begins(&ANOTHER) {
            (self.part, self.stuck) = (Part::Over, Stuck::Cpu(u32::MAX));
            return false;
        }
        let header = ["NMI backtrace for cpu ", "CPU: "].iter().find_map(|title| text.strip_prefix(title));
        if let Some(cpu) = header.and_then(number) {
            let own = self.stuck == Stuck::Any || self.stuck == Stuck::Cpu(cpu);
            let goes_on = self.part == Part::Head || self.stuck == Stuck::Any || text.starts_with("NMI");
            self.part = if own && goes_on { Part::Head } else { Part::Over };
            return false;
        }
        let frame = match text.strip_prefix("RIP:") {
            Some(rip) => rip.split_whitespace().find_map(function),
            None => text.split_whitespace().next().and_then(function),
        };
        match self.part {
            Part::Over => return false,
            Part::Head if text.starts_with("Call Trace:") || frame.is_some() && !text.starts_with("RIP:") => {
                self.part = Part::Stack;
            }
            Part::Head => {}
            Part::Stack if text.starts_with("</TASK>") => self.part = Part::Over,
            Part::Stack if frame.is_none() && !begins(&BETWEEN_FRAMES) => self.part = Part::Over,
            Part::Stack => {}
        }
        frame.is_some_and(|name| DRIVER.contains(&name))
    }
}

fn number(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The function of `qi_submit_sync+0x2c0/0x490` or `0010:qi_submit_sync+0x2c0/0x490`.
fn function(word: &str) -> Option<&str> {
    let (name, offset) = word.rsplit(':').next()?.split_once("+0x")?;
    let is_offset = offset.split_once("/0x").is_some_and(|(at, size)| !at.is_empty() && !size.is_empty());
    // A part that the compiler has split off, such as `.isra.0`, is the function too.
    is_offset.then(|| name.split('.').next().unwrap_or(name))
}
