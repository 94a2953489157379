//! What the kernel says of faults and lockups, in dmesg, a journal or a serial console.
//!
//! Lines are known by their words, wherever they stand in the line, so that log levels, times and a journal's host names do no harm.

use std::collections::HashMap;

use serde::Serialize;

use crate::backtrace::Report;
use crate::descriptor::{DescriptorKind, slot_of_address, type_name};
use crate::kernels::KernelGenerations;

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FaultKind {
    /// Invalidation queue error: an invalid descriptor at IQH.
    Iqe,
    /// Invalidation time-out error: a device has not answered.
    Ite,
    /// Invalidation completion error: a device has answered what was not asked.
    Ice,
}

impl FaultKind {
    const ALL: [(FaultKind, &'static str); 3] = [
        (FaultKind::Iqe, "Invalidation Queue Error"),
        (FaultKind::Ite, "Invalidation Time-out Error"),
        (FaultKind::Ice, "Invalidation Completion Error"),
    ];

    /// The abbreviation.
    pub fn name(self) -> &'static str {
        ["IQE", "ITE", "ICE"][self as usize]
    }
}

/// A descriptor that a line shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ShownDescriptor {
    /// Its first word.
    pub qw0: u64,
    /// Its second word.
    pub qw1: u64,
}

impl ShownDescriptor {
    /// The slot, which only a WD tells.
    pub fn slot(&self) -> Option<u8> {
        (DescriptorKind::of(self.qw0) == DescriptorKind::Wait).then(|| slot_of_address(self.qw1))
    }

    /// What it is, in words.
    pub fn text(&self) -> String {
        match self.slot() {
            Some(slot) => format!("the WD of slot {slot}"),
            None if self.qw0 & 15 == 0 => "a blank descriptor".to_string(),
            None => format!("{} ID (qw0 {:#x}, qw1 {:#x})", type_name(self.qw0), self.qw0, self.qw1),
        }
    }
}

/// A fault that was reported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportedFault {
    /// The number of its line, from 1.
    pub line: usize,
    /// Seconds since boot, if the line says so.
    pub seconds: Option<f64>,
    /// Its kind.
    pub kind: FaultKind,
    /// What follows `SID` or `Reason`: a source ID, or the reason of an IQE.
    pub number: u64,
    /// The descriptor at IQH.
    pub head: Option<ShownDescriptor>,
    /// The descriptor before it.
    pub prior: Option<ShownDescriptor>,
    /// Whether a line says that it was cleared.
    pub cleared: bool,
}

impl ReportedFault {
    /// The slot at which IQH stood, if a WD tells.
    pub fn iqh(&self) -> Option<u8> {
        let behind = self.prior.and_then(|prior| prior.slot()).map(|slot| slot.wrapping_add(1));
        self.head.and_then(|head| head.slot()).or(behind)
    }

    /// What it says, in one line.
    pub fn text(&self) -> String {
        let number = match (self.kind, self.number) {
            (FaultKind::Iqe, reason) => format!("reason {reason}"),
            (_, 0) => "no device named".to_string(),
            (_, sid) => format!("device {:02x}:{:02x}.{}", sid >> 8 & 0xff, sid >> 3 & 0x1f, sid & 7),
        };
        let stands = match (self.iqh(), self.head) {
            (Some(slot), Some(head)) => format!("; IQH at slot {slot}, {}", head.text()),
            (None, Some(head)) => format!("; IQH at {}", head.text()),
            (Some(slot), None) => format!("; IQH at slot {slot}"),
            (None, None) => String::new(),
        };
        let inside = match self.prior {
            Some(prior) if prior.slot().is_none() && prior.qw0 & 15 != 0 => {
                format!(", inside a batch: before it {}", prior.text())
            }
            Some(prior) if prior.slot().is_some() => format!(", behind {}", prior.text()),
            _ => String::new(),
        };
        let cleared = if self.cleared { "; cleared" } else { "" };
        format!("{} ({number}){stands}{inside}{cleared}", self.kind.name())
    }
}

/// A CPU or a task that is stuck.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportedLockup {
    /// The number of its line.
    pub line: usize,
    /// Seconds since boot, if the line says so.
    pub seconds: Option<f64>,
    /// Whether interrupts are off: a hard lockup.
    pub hard: bool,
    /// Whether its report shows `qi_submit_sync` or `qi_check_fault` where it is stuck: as RIP or as a sure frame of its stack.
    pub in_driver: bool,
}

/// All that a text says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KernelLog {
    /// How many lines said something.
    pub lines: usize,
    /// The kernel, from the last line that names it.
    pub kernel: Option<KernelGenerations>,
    /// Faults, in order.
    pub faults: Vec<ReportedFault>,
    /// Lockups, in order.
    pub lockups: Vec<ReportedLockup>,
}

/// So many lines behind a fault its descriptors may stand.
const NEAR: usize = 120;

impl KernelLog {
    /// Reads a text; `skip` says which of its lines belong to something else.
    pub fn read(text: &str, skip: impl Fn(usize) -> bool) -> KernelLog {
        let mut log = KernelLog::default();
        let mut report = None;
        for (number, line) in (1..).zip(text.lines()) {
            if !skip(number) && log.take(number, line, &mut report) {
                log.lines += 1;
            }
        }
        log.drop_copies();
        log
    }

    /// A console and the log itself often stand one behind the other: what comes again with the same time is no second fault.
    fn drop_copies(&mut self) {
        let mut kept: Vec<ReportedFault> = Vec::new();
        let mut places: HashMap<(u64, FaultKind, u64), Vec<usize>> = HashMap::new();
        for fault in std::mem::take(&mut self.faults) {
            let Some(seconds) = fault.seconds else {
                kept.push(fault);
                continue;
            };
            let places = places.entry((seconds.to_bits(), fault.kind, fault.number)).or_default();
            let alike = |a: Option<ShownDescriptor>, b: Option<ShownDescriptor>| a.is_none() || b.is_none() || a == b;
            let same = |at: &&usize| alike(kept[**at].head, fault.head) && alike(kept[**at].prior, fault.prior);
            match places.iter().find(same).copied() {
                Some(at) => {
                    let first = &mut kept[at];
                    first.cleared |= fault.cleared;
                    (first.head, first.prior) = (first.head.or(fault.head), first.prior.or(fault.prior));
                }
                None => {
                    places.push(kept.len());
                    kept.push(fault);
                }
            }
        }
        self.faults = kept;
    }

    fn take(&mut self, line: usize, text: &str, report: &mut Option<Report>) -> bool {
        let seconds = seconds(text);
        if let Some((kind, number)) = detected(text) {
            let fault = ReportedFault { line, seconds, kind, number, head: None, prior: None, cleared: false };
            self.faults.push(fault);
            return true;
        }
        for (title, is_head) in [("QI HEAD:", true), ("QI PRIOR:", false)] {
            if let Some((_, rest)) = text.split_once(title) {
                let shown = descriptor(rest);
                // Several bits of one report share the descriptors.
                let near = self.faults.iter_mut().rev().take_while(|fault| line - fault.line <= NEAR);
                for fault in near {
                    let place = if is_head { &mut fault.head } else { &mut fault.prior };
                    if place.is_some() {
                        break;
                    }
                    *place = shown;
                }
                return shown.is_some();
            }
        }
        for (kind, title) in FaultKind::ALL {
            if text.contains(title) && text.trim_end().ends_with("cleared") {
                if let Some(fault) = self.faults.iter_mut().rev().find(|fault| fault.kind == kind) {
                    fault.cleared = true;
                }
                return true;
            }
        }
        self.lockup(line, seconds, text, report) || self.kernel(text)
    }

    fn lockup(&mut self, line: usize, seconds: Option<f64>, text: &str, report: &mut Option<Report>) -> bool {
        let soft = ["BUG: soft lockup", "stall on CPU", "stalls on CPUs/tasks", "blocked for more than"];
        let hard = ["hard LOCKUP on cpu", "Hard LOCKUP on cpu"];
        let any = |words: &[&str]| words.iter().any(|words| text.contains(words));
        if any(&soft) || any(&hard) {
            self.lockups.push(ReportedLockup { line, seconds, hard: any(&hard), in_driver: false });
            *report = Some(Report::of(line, text));
            return true;
        }
        let in_driver = report.as_mut().is_some_and(|report| report.shows_driver(line, text));
        if let Some(lockup) = self.lockups.last_mut().filter(|_| in_driver) {
            lockup.in_driver = true;
        }
        in_driver
    }

    /// `Linux version 6.1.0-28-amd64 (...) #1 SMP Debian 6.1.119-1 (...)`, or `Not tainted 6.12.43+deb13-amd64 #1` in a report.
    fn kernel(&mut self, text: &str) -> bool {
        let after = |title: &str| text.split_once(title).map(|(_, rest)| rest.trim_start());
        let tainted = || {
            let (_, rest) = text.split_once("ainted")?;
            rest.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
        };
        let word = after("Linux version ").and_then(|rest| rest.split_whitespace().next()).or_else(tainted);
        let debian = after(" Debian ").and_then(|rest| rest.split_whitespace().next()).and_then(KernelGenerations::of);
        let known = debian.filter(|_| word.is_some()).or_else(|| word.and_then(KernelGenerations::of));
        match known {
            Some(known) => self.kernel = Some(known),
            None => return false,
        }
        true
    }

    /// Faults of a kind.
    pub fn of_kind(&self, kind: FaultKind) -> impl Iterator<Item = &ReportedFault> {
        self.faults.iter().filter(move |fault| fault.kind == kind)
    }

    /// The lockups that are the driver's.
    pub fn in_driver(&self) -> impl Iterator<Item = &ReportedLockup> {
        self.lockups.iter().filter(|lockup| lockup.in_driver)
    }

    /// Whether the text says anything that concerns the queue.
    pub fn says_something(&self) -> bool {
        self.kernel.is_some() || !self.faults.is_empty() || !self.lockups.is_empty()
    }
}

/// A line that reports a fault: its kind, and the hexadecimal number behind it.
fn detected(text: &str) -> Option<(FaultKind, u64)> {
    let (_, rest) = text.split_once("VT-d detected ")?;
    let (kind, title) = FaultKind::ALL.into_iter().find(|(_, title)| rest.starts_with(title))?;
    let number = rest[title.len()..].split_whitespace().last().unwrap_or("0");
    Some((kind, hexadecimal(number).unwrap_or(0)))
}

fn hexadecimal(word: &str) -> Option<u64> {
    let digits = word.trim_end_matches(',').trim_start_matches("0x");
    u64::from_str_radix(digits, 16).ok()
}

fn descriptor(rest: &str) -> Option<ShownDescriptor> {
    let word = |name: &str| {
        let (_, rest) = rest.split_once(name)?;
        hexadecimal(rest.trim_start_matches([' ', '=']).split_whitespace().next()?)
    };
    Some(ShownDescriptor { qw0: word("qw0")?, qw1: word("qw1")? })
}

/// The time in brackets, seconds since boot.
fn seconds(text: &str) -> Option<f64> {
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once('[') {
        let (inside, after) = behind.split_once(']')?;
        match inside.trim().parse::<f64>() {
            Ok(seconds) if inside.contains('.') && seconds.is_finite() => return Some(seconds),
            _ => rest = after,
        }
    }
    None
}
