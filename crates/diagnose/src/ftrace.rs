//! What ftrace shows of the driver: submissions, and calls with how they return.
//!
//! Lines are those of `trace`, `trace_pipe` and `trace-cmd report`: `TASK-PID [CPU] flags SECONDS: event: fields`, the flags at will. The
//! tracepoint `qi_submit` shows each ID; probes on `qi_submit_sync` show calls: an event whose text names the function and `<-` is a
//! return (a kretprobe), one that names it alone is an entry.

use std::collections::BTreeMap;

use serde::Serialize;

/// A call of `qi_submit_sync`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TracedCall {
    /// The task and its number, such as `dd-210`.
    pub task: String,
    /// The line of its entry.
    pub line: usize,
    /// When it began.
    pub seconds: f64,
    /// How many IDs it brought, if the probe says so.
    pub count: Option<u64>,
    /// The IDs that it has posted, each with what it is and its words.
    pub posted: Vec<String>,
    /// How it returned, and after how long; `None` if that is not to be seen.
    pub returned: Option<TracedReturn>,
    /// Whether its return was not recorded: its task has called again where it had called before.
    pub unrecorded: bool,
    /// How deep the task was interrupted: 0 not at all, 1 in a softirq, 2 in a hardirq, 3 in an NMI.
    #[serde(skip)]
    depth: u8,
}

/// A return.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TracedReturn {
    /// The line.
    pub line: usize,
    /// How long the call took.
    pub took: f64,
    /// What it returned, if the probe says so.
    pub code: Option<i64>,
}

/// All that a trace shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CallTrace {
    /// Lines that were read.
    pub lines: usize,
    /// IDs that were submitted, all of them.
    pub submissions: usize,
    /// IDs by unit.
    pub units: BTreeMap<String, usize>,
    /// Calls, in the order of their entries.
    pub calls: Vec<TracedCall>,
    /// When the last line was written.
    pub ends: f64,
    /// The last line that says that events were lost, or that those before were written over; 0 if there is none.
    pub lost: usize,
    /// The first and the last line of a submission.
    #[serde(skip)]
    submitted: Option<(usize, usize)>,
}

/// A call that has not returned after so many seconds of trace hangs: the kernel's poll loop takes microseconds.
pub const PATIENCE: f64 = 1.0;

/// A line of a trace.
struct TraceLine<'a> {
    task: &'a str,
    cpu: u32,
    depth: u8,
    seconds: f64,
    event: &'a str,
    fields: &'a str,
}

impl CallTrace {
    /// Reads a text; `skip` says which of its lines belong to something else.
    pub fn read(text: &str, skip: impl Fn(usize) -> bool) -> CallTrace {
        let mut trace = CallTrace::default();
        let mut open: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            if skip(number) {
                continue;
            }
            // What was written over is that of one CPU, and another's may be there still: its events begin with such a line.
            let begins = line.starts_with("##### CPU ") && line.contains(" buffer started");
            if begins || line.contains("[LOST ") && line.contains(" EVENTS]") {
                trace.lost = number;
            } else if let Some(parsed) = trace_line(line).filter(|_| !line.starts_with('#')) {
                trace.take(number, &parsed, &mut open);
            }
        }
        trace
    }

    fn take(&mut self, line: usize, parsed: &TraceLine, open: &mut BTreeMap<String, Vec<usize>>) {
        // A call may be interrupted by one on the same task. Each CPU has an idle task of its own, all with the number 0.
        let who = match parsed.task.ends_with("-0") {
            true => format!("{} on CPU {}", parsed.task, parsed.cpu),
            false => parsed.task.to_string(),
        };
        let stack = open.entry(who).or_default();
        self.ends = self.ends.max(parsed.seconds);
        if parsed.event == "qi_submit" {
            let unit = parsed.fields.split_whitespace().nth(1).unwrap_or("").trim_end_matches(':');
            self.submissions += 1;
            self.submitted = Some((self.submitted.map_or(line, |(first, _)| first), line));
            *self.units.entry(unit.to_string()).or_default() += 1;
            if let Some(&call) = stack.last() {
                self.calls[call].posted.push(parsed.fields.trim().to_string());
            }
        } else if parsed.fields.contains("<- qi_submit_sync") {
            if let Some(call) = stack.pop() {
                let took = parsed.seconds - self.calls[call].seconds;
                let code = field(parsed.fields, "rc").or_else(|| field(parsed.fields, "ret")).and_then(code);
                self.calls[call].returned = Some(TracedReturn { line, took, code });
            }
        } else if parsed.fields.contains("qi_submit_sync+0x") {
            // Where a task has called and calls again, no deeper in interrupts than before, the call before has returned.
            while let Some(call) = stack.pop_if(|call| self.calls[*call].depth >= parsed.depth) {
                self.calls[call].unrecorded = true;
            }
            stack.push(self.calls.len());
            self.calls.push(TracedCall {
                task: parsed.task.to_string(),
                line,
                seconds: parsed.seconds,
                count: field(parsed.fields, "count").and_then(|count| number(count)?.try_into().ok()),
                posted: Vec::new(),
                returned: None,
                unrecorded: false,
                depth: parsed.depth,
            });
        } else {
            return;
        }
        self.lines += 1;
    }

    /// Whether the trace shows anything of the driver.
    pub fn says_something(&self) -> bool {
        self.lines > 0
    }

    /// The calls that had not returned when the trace ended, as far as it shows, the oldest first.
    pub fn open(&self) -> impl Iterator<Item = &TracedCall> {
        self.calls.iter().filter(|call| call.returned.is_none() && !call.unrecorded)
    }

    /// How long an open call has been waiting when the trace ends.
    pub fn waited(&self, call: &TracedCall) -> f64 {
        self.ends - call.seconds
    }

    /// The calls that returned.
    pub fn returned(&self) -> usize {
        self.calls.iter().filter(|call| call.returned.is_some()).count()
    }

    /// The calls that hang.
    pub fn hung(&self) -> impl Iterator<Item = &TracedCall> {
        self.open().filter(|call| self.unsure(call).is_none() && self.waited(call) >= PATIENCE)
    }

    /// The open calls of which it is not decided whether they hang, each with the reason.
    pub fn undecided(&self) -> impl Iterator<Item = (&TracedCall, &'static str)> {
        let long = |call: &&TracedCall| self.returned() == 0 || self.waited(call) >= PATIENCE;
        self.open().filter(long).filter_map(|call| Some((call, self.unsure(call)?)))
    }

    /// Why the return of an open call may be missing.
    fn unsure(&self, call: &TracedCall) -> Option<&'static str> {
        let none = || self.calls.len() > 1 && self.returned() == 0;
        match () {
            () if none() => Some("the trace records no return at all"),
            () if self.lost > call.line => Some("events were lost behind its entry"),
            () => None,
        }
    }

    /// The calls that returned and have posted other than what they brought: each attempt posts every ID once. A call of which events may
    /// be missing is left out: before or behind all submissions they may not have been recorded at all.
    pub fn miscounted(&self) -> impl Iterator<Item = &TracedCall> {
        let (first, last) = self.submitted.unwrap_or((usize::MAX, 0));
        let fits = |call: &TracedCall, count: u64| match (call.posted.len() as u64, count) {
            (posted, 0) => posted == 0,
            (posted, count) => posted > 0 && posted % count == 0,
        };
        self.calls.iter().filter(move |call| {
            let recorded = |end: TracedReturn| !call.posted.is_empty() || end.line < last;
            let whole = first < call.line && self.lost < call.line && call.returned.is_some_and(recorded);
            whole && call.count.is_some_and(|count| !fits(call, count))
        })
    }

    /// The return codes, and how often each occurs.
    pub fn codes(&self) -> BTreeMap<i64, usize> {
        let mut codes = BTreeMap::new();
        for code in self.calls.iter().filter_map(|call| call.returned?.code) {
            *codes.entry(code).or_default() += 1;
        }
        codes
    }

    /// The longest that a call took which returned.
    pub fn longest(&self) -> Option<&TracedCall> {
        let took = |call: &&TracedCall| call.returned.map_or(0.0, |returned| returned.took);
        self.calls.iter().filter(|call| call.returned.is_some()).max_by(|a, b| took(a).total_cmp(&took(b)))
    }
}

/// What the specification says of a return code.
pub fn meaning(code: i64) -> Result<&'static str, &'static str> {
    match code {
        0 => Ok("success"),
        -22 => Err("-EINVAL: hardware has refused an invalid descriptor of theirs"),
        -110 => Err("-ETIMEDOUT: a device that they asked is gone; only g3t, g4 and g5 return it"),
        -11 => Err("-EAGAIN, which the function keeps to itself: it posts the batch again"),
        _ => Err("a code that the function does not have"),
    }
}

/// `    dd-210     [001] d.h2.    11.415971: ret: (...) rc=0`
fn trace_line(line: &str) -> Option<TraceLine<'_>> {
    let (before, behind) = line.split_once('[')?;
    let (cpu, rest) = behind.split_once(']')?;
    let task = before.trim();
    let cpu = cpu.parse().ok().filter(|_| task.contains('-'))?;
    let (time, fields) = rest.split_once(": ")?;
    let mut words = time.split_whitespace().rev();
    let seconds: f64 = words.next()?.parse().ok()?;
    let depth = match words.next().and_then(|flags| flags.chars().nth(2)) {
        Some('s') => 1,
        Some('h' | 'H') => 2,
        Some('z' | 'Z') => 3,
        _ => 0,
    };
    let (event, fields) = fields.trim_start().split_once(':')?;
    (seconds.is_finite() && seconds >= 0.0).then_some(TraceLine { task, cpu, depth, seconds, event, fields })
}

fn field<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    fields.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn number(word: &str) -> Option<i128> {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(i128::from),
        None => word.parse::<i64>().ok().map(i128::from),
    }
}

/// A return code: an `int`, printed as a signed number or as the unsigned one of its 32 or 64 bits.
fn code(word: &str) -> Option<i64> {
    let number = number(word)?;
    Some(match number {
        0x8000_0000..=0xffff_ffff => (number - (1 << 32)) as i64,
        0x8000_0000_0000_0000.. => (number - (1 << 64)) as i64,
        _ => number as i64,
    })
}
