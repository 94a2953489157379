//! A QEMU log of the emulated remapping unit, read as the events that concern the ring.
//!
//! A line is `THREAD@SECONDS.MICROS:event text`. These events concern the ring:
//!
//! | line | what it says |
//! | --- | --- |
//! | `vtd_inv_qi_setup addr A size S` | the ring exists and has S slots; IQT is written 0 before that |
//! | `vtd_reg_write addr 0x88 size S value V` | software is about to write IQT; the next line of this table follows at once |
//! | `vtd_inv_qi_tail write tail S` | IQT is written by the thread, a CPU; S is the slot |
//! | `vtd_inv_qi_head read head S` | slot S is about to be fetched |
//! | `vtd_inv_desc invalidate desc type T high H low L` | the descriptor; a WD has its status data in bits 63:32 of L, its status address in H |
//! | `vtd_inv_desc_wait_sw .. addr A data D` | the status write |
//!
//! A unit with device time-outs, which QEMU's own has not, says four things more:
//!
//! | line | what it says |
//! | --- | --- |
//! | `vtd_x_dev_noresp head S` | the device-TLB invalidation fetched from slot S gets no answer |
//! | `vtd_x_wait_pend head S status addr A` | the WD fetched from slot S has to wait behind it |
//! | `vtd_x_ite_set head S tail S aborted waits N` | ITE is set and N pending WDs are aborted; IQH and IQT |
//! | `vtd_x_fsts_write fsts now V` | the thread, a CPU, has written FSTS, which is V now |
//!
//! All other kinds are counted ([`Trace::ignored`]). Status addresses are `base + 4 * slot`; the base is learned from the first
//! WD, which is taken to write its own slot. The values are read, not judged: a tail outside of the ring is an event.
//!
//! A line of the table that contradicts itself is an error: a field that is said twice, even alike; a descriptor whose type is
//! not that of the low 4 bits of L (context-cache 1, iotlb 2, device 3, iec 4, wait 5, p-iotlb 6); a size of an IQT write other
//! than 4 or 8 bytes.
//!
//! A log is read line by line, and only the lines of these tables are kept. How much of it that may be is bounded
//! ([`MAX_EVENTS`], [`MAX_TEXT`], [`MAX_KINDS`], [`MAX_LINE`]), so that no log, however it is compressed, takes more than about
//! 600 MB.
//!
//! Source of the lines: QEMU's `hw/i386/trace-events` and `hw/i386/intel_iommu.c`.
//!
//! ```
//! use vtd_qi_traces::qemu_log::{Trace, What};
//!
//! let log = "\
//! 7@1.000001:vtd_inv_qi_setup addr 0x1000 size 256
//! 8@1.000002:vtd_reg_write addr 0x88 size 0x4 value 0x10
//! 8@1.000003:vtd_inv_qi_tail write tail 1
//! 8@1.000004:vtd_inv_qi_fetch \n";
//! let trace = Trace::read(log.as_bytes())?;
//! assert_eq!((trace.events().len(), trace.lines(), trace.cpus()), (2, 4, &[8][..]));
//! assert_eq!(trace.events()[1].what, What::IqtWrite { slot: 1 });
//! assert_eq!(trace.ignored()["vtd_inv_qi_fetch"], 1);
//! # Ok::<(), vtd_qi_traces::qemu_log::TraceError>(())
//! ```

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use thiserror::Error;

use vtd_qi::impl_qi::{Length, MAX_SUBMITTERS, Slot};

/// Longest line that is read, in bytes; those of QEMU have less than 200.
pub const MAX_LINE: usize = 4096;

/// Most lines of a log that may concern the ring.
pub const MAX_EVENTS: usize = 2_000_000;

/// Most bytes that the lines that concern the ring may have in all.
pub const MAX_TEXT: usize = 200_000_000;

/// Most kinds of lines that say nothing about the ring; QEMU's unit knows fewer than 100.
pub const MAX_KINDS: usize = 1_000;

/// Address of the low half of the tail register (VT-d 11.4.9.2).
const IQT_REG: u64 = 0x88;

/// The events of a log, in the order of its lines.
#[derive(Clone, Debug)]
pub struct Trace {
    length: Length,
    events: Vec<Event>,
    texts: Texts,
    cpus: Vec<u64>,
    status_base: Option<u64>,
    lines: u64,
    ignored: BTreeMap<String, u64>,
}

/// The texts of the events, one behind the other.
#[derive(Clone, Debug, Default)]
struct Texts {
    all: String,
    /// Where in `all` each ends.
    ends: Vec<usize>,
}

/// A line that concerns the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Number of the line, from 1.
    pub line: u64,
    /// The thread that QEMU was on. For an IQT write it stands for the CPU.
    pub thread: u64,
    /// Time in microseconds.
    pub time: u64,
    /// What happened.
    pub what: What,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Software writes the register IQT.
    Register {
        /// The value.
        value: u64,
    },
    /// The write takes effect: IQT is a slot.
    IqtWrite {
        /// The slot.
        slot: u64,
    },
    /// Hardware reads IQH in order to fetch a descriptor.
    Head {
        /// The slot.
        slot: u64,
    },
    /// Hardware has fetched a descriptor.
    Fetch {
        /// The slot that the thread had read from IQH just before, if it had.
        slot: Option<u64>,
        /// The descriptor.
        desc: Fetched,
    },
    /// Hardware writes a status.
    StatusWrite {
        /// The address written to.
        address: u64,
        /// What is written.
        data: u64,
    },
    /// The device does not answer the invalidation that was fetched last.
    NoAnswer {
        /// The slot it was fetched from.
        slot: u64,
    },
    /// The WD that was fetched last has to wait for an answer to an ID ahead of it.
    Pends {
        /// The slot it was fetched from.
        slot: u64,
        /// The status address.
        address: u64,
    },
    /// ITE is set.
    Ite {
        /// IQH.
        head: u64,
        /// IQT.
        tail: u64,
        /// How many pending WDs are aborted.
        aborted: u64,
    },
    /// Software has written FSTS.
    Fsts {
        /// What FSTS is now.
        now: u64,
    },
}

/// A descriptor as hardware has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// An ID.
    Id {
        /// Whether a device has to answer it: a device-TLB invalidation.
        device: bool,
        /// The high half of the descriptor.
        high: u64,
        /// The low half.
        low: u64,
    },
    /// A WD.
    Wd {
        /// The status data.
        data: u64,
        /// The status address.
        address: u64,
        /// Whether the WD asks for a status write.
        writes: bool,
    },
}

/// A log that cannot be used.
#[derive(Debug, Error)]
pub enum TraceError {
    /// Reading failed; also of a compressed file that ends too early.
    #[error("line {line} cannot be read: {source}")]
    Read {
        /// The line.
        line: u64,
        /// What went wrong.
        source: io::Error,
    },
    /// A line without an end.
    #[error("line {line} is longer than {MAX_LINE} bytes; a QEMU log is text with shorter lines")]
    TooLong {
        /// The line.
        line: u64,
    },
    /// More than is read of a log.
    #[error("line {line}: the log has more than {limit} {what}, and more are not read")]
    TooMuch {
        /// The line.
        line: u64,
        /// What there is too much of.
        what: &'static str,
        /// How much of it is read.
        limit: usize,
    },
    /// A line that does not have the form of a log's lines.
    #[error("line {line}, \"{text}\", is not of the form THREAD@SECONDS.MICROS:event text")]
    NotALine {
        /// The line's number.
        line: u64,
        /// Its beginning.
        text: String,
    },
    /// A known kind of line whose text is not what it has to be.
    #[error("line {line}: {kind} says {field} {value}, which has to be {limit}")]
    Field {
        /// The line.
        line: u64,
        /// The kind.
        kind: String,
        /// Which part of the text.
        field: &'static str,
        /// What it says, or that it is missing.
        value: String,
        /// What it may say.
        limit: &'static str,
    },
    /// A known kind of line that says something twice.
    #[error("line {line}: {kind} says {field} {first} and then {field} {second}; each field has to be said once")]
    Repeated {
        /// The line.
        line: u64,
        /// The kind.
        kind: String,
        /// Which part of the text.
        field: &'static str,
        /// What it says at first.
        first: String,
        /// What it says then.
        second: String,
    },
    /// A descriptor that is not of the type that the line names.
    #[error(
        "line {line}: vtd_inv_desc says type {name} and low {low:#x}, whose low 4 bits, the type, have to be {code}"
    )]
    Type {
        /// The line.
        line: u64,
        /// The type's name.
        name: &'static str,
        /// The low half of the descriptor.
        low: u64,
        /// The type's number.
        code: u64,
    },
    /// The ring is used before it exists.
    #[error("line {line}: {kind} before vtd_inv_qi_setup; a trace has to begin before the queue is enabled")]
    BeforeSetup {
        /// The line.
        line: u64,
        /// The kind.
        kind: String,
    },
    /// The queue is set up again or disabled.
    #[error("line {line}: {kind} after vtd_inv_qi_setup; a queue that is disabled or enabled again is not modelled")]
    Again {
        /// The line.
        line: u64,
        /// The kind.
        kind: String,
    },
    /// More CPUs than submitters can be modelled.
    #[error("line {line}: IQT is written by a 9th CPU; at most {MAX_SUBMITTERS} are modelled")]
    TooManyCpus {
        /// The line.
        line: u64,
    },
    /// No line at all.
    #[error("the trace is empty; it has to have a line vtd_inv_qi_setup at least")]
    Empty,
    /// No ring.
    #[error("the trace has {lines} lines and none is vtd_inv_qi_setup, with which the ring begins")]
    NoSetup {
        /// How many lines there are.
        lines: u64,
    },
}

/// Why an address is no status address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// No WD says where `desc_status` lies.
    #[error("no WD before it says where desc_status lies")]
    Unknown,
    /// Not a multiple of four.
    #[error("the status address {0:#x} is not 4-aligned")]
    Misaligned(u64),
    /// Not in the array.
    #[error("the status address {address:#x} is outside of desc_status, {base:#x} to {last:#x}")]
    Outside {
        /// The address.
        address: u64,
        /// The address of `desc_status[0]`.
        base: u64,
        /// The address of the last status.
        last: u64,
    },
}

impl Trace {
    /// Reads a log, line by line.
    ///
    /// # Errors
    /// Any [`TraceError`].
    pub fn read(log: impl BufRead) -> Result<Trace, TraceError> {
        Trace::read_within(log, usize::MAX)
    }

    /// Reads a log that may take so many bytes of memory.
    ///
    /// # Errors
    /// Any [`TraceError`]; [`TraceError::TooMuch`] too if it takes more.
    pub fn read_within(log: impl BufRead, memory: usize) -> Result<Trace, TraceError> {
        // Vectors have room for twice what is in them.
        Reader { most_bytes: memory / 2, ..Reader::default() }.read(log)
    }

    /// The length of the ring.
    pub fn length(&self) -> Length {
        self.length
    }

    /// The events after the ring was set up.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The line of an event, by the event's place among [`Trace::events`].
    ///
    /// # Panics
    /// If there is no such event.
    pub fn text(&self, event: usize) -> &str {
        let Texts { all, ends } = &self.texts;
        &all[event.checked_sub(1).map_or(0, |before| ends[before])..ends[event]]
    }

    /// Whether anything is to be judged: whether the ring was used at all after it was set up.
    pub fn uses_the_ring(&self) -> bool {
        self.events.iter().any(|event| !matches!(event.what, What::Register { .. }))
    }

    /// Whether it has a line of a unit with device time-outs.
    pub fn has_faults(&self) -> bool {
        let of_a_fault = |event: &Event| {
            matches!(event.what, What::NoAnswer { .. } | What::Pends { .. } | What::Ite { .. } | What::Fsts { .. })
        };
        self.events.iter().any(of_a_fault)
    }

    /// The threads that write IQT, in the order in which they first do: thread `t` of the list is submitter `t`.
    pub fn cpus(&self) -> &[u64] {
        &self.cpus
    }

    /// Which submitter a thread is.
    pub fn submitter(&self, thread: u64) -> Option<u8> {
        self.cpus.iter().position(|&cpu| cpu == thread).map(|t| t as u8)
    }

    /// Number of lines.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// How many lines of which kinds say nothing about the ring, or nothing that is known.
    pub fn ignored(&self) -> &BTreeMap<String, u64> {
        &self.ignored
    }

    /// The slot whose status lies at an address.
    ///
    /// # Errors
    /// [`AddressError`] if there is none.
    pub fn status_slot(&self, address: u64) -> Result<Slot, AddressError> {
        let base = self.status_base.ok_or(AddressError::Unknown)?;
        let slots = u64::from(self.length.slots());
        if !address.is_multiple_of(4) {
            return Err(AddressError::Misaligned(address));
        }
        match address.checked_sub(base).map(|offset| offset / 4) {
            Some(slot) if slot < slots => Ok(slot as Slot),
            _ => Err(AddressError::Outside { address, base, last: base.saturating_add(4 * (slots - 1)) }),
        }
    }

    /// What the log contains, counted from its lines alone.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        let slots = u64::from(self.length.slots());
        let (mut tail, mut ids) = (0, 0);
        for event in &self.events {
            match event.what {
                What::IqtWrite { slot } => {
                    summary.slots += (slot % slots + slots - tail) % slots;
                    tail = slot % slots;
                    summary.iqt_writes += 1;
                    let ended = summary.status_writes.saturating_add(summary.aborted);
                    let outstanding = summary.iqt_writes.saturating_sub(ended);
                    *summary.outstanding.entry(outstanding).or_default() += 1;
                }
                What::Fetch { desc: Fetched::Id { .. }, .. } => ids += 1,
                What::Fetch { desc: Fetched::Wd { .. }, .. } => {
                    summary.wds += 1;
                    *summary.batches.entry(std::mem::take(&mut ids)).or_default() += 1;
                }
                What::StatusWrite { .. } => summary.status_writes += 1,
                What::Ite { aborted, .. } => {
                    summary.ites += 1;
                    summary.aborted = summary.aborted.saturating_add(aborted);
                }
                What::Register { .. }
                | What::Head { .. }
                | What::NoAnswer { .. }
                | What::Pends { .. }
                | What::Fsts { .. } => {}
            }
        }
        summary.laps = summary.slots as f64 / slots as f64;
        summary
    }
}

/// What a log contains: the columns of a table of traces.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Summary {
    /// Number of IQT writes.
    pub iqt_writes: u64,
    /// Number of WDs fetched.
    pub wds: u64,
    /// Number of status writes.
    pub status_writes: u64,
    /// How often ITE was set.
    pub ites: u64,
    /// Number of WDs aborted.
    pub aborted: u64,
    /// Number of WDs fetched, by the number of IDs fetched before each.
    pub batches: BTreeMap<u64, u64>,
    /// How many slots IQT has gone on.
    pub slots: u64,
    /// How often IQT has gone round.
    pub laps: f64,
    /// Number of IQT writes, by the number of batches then posted and neither written a status nor aborted, this one counted.
    pub outstanding: BTreeMap<u64, u64>,
}

/// Lengths that a ring can have.
const LENGTHS: &str = "even and from 4 to 256, the QI_LENGTH of a ring that can be modelled";

/// What is known in the middle of a log.
#[derive(Default)]
struct Reader {
    lines: u64,
    length: Option<Length>,
    events: Vec<Event>,
    texts: Texts,
    cpus: Vec<u64>,
    status_base: Option<u64>,
    ignored: BTreeMap<String, u64>,
    /// The last read of IQH with no descriptor yet: thread and slot.
    head: Option<(u64, u64)>,
    /// What is kept may take so many bytes.
    most_bytes: usize,
}

/// A line, taken apart.
struct Line<'a> {
    number: u64,
    thread: u64,
    time: u64,
    kind: &'a str,
    /// The fields that the kind may have and what each says, in the order of the text.
    fields: Vec<(&'static str, String)>,
}

impl Reader {
    fn read(mut self, mut log: impl BufRead) -> Result<Trace, TraceError> {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let line = self.lines + 1;
            let limit = MAX_LINE as u64 + 1;
            let read = log.by_ref().take(limit).read_until(b'\n', &mut bytes);
            if read.map_err(|source| TraceError::Read { line, source })? == 0 {
                break;
            }
            if bytes.len() > MAX_LINE {
                return Err(TraceError::TooLong { line });
            }
            self.lines = line;
            let not_a_line = || TraceError::NotALine { line, text: beginning(&bytes) };
            let text = std::str::from_utf8(&bytes).map_err(|_| not_a_line())?.trim_end_matches(['\n', '\r']);
            self.line(text, Line::parse(line, text).ok_or_else(not_a_line)?)?;
        }
        let length = self.length.ok_or(match self.lines {
            0 => TraceError::Empty,
            lines => TraceError::NoSetup { lines },
        })?;
        let Reader { events, texts, cpus, status_base, lines, ignored, .. } = self;
        Ok(Trace { length, events, texts, cpus, status_base, lines, ignored })
    }

    fn line(&mut self, text: &str, line: Line) -> Result<(), TraceError> {
        line.says_nothing_twice()?;
        let again = || TraceError::Again { line: line.number, kind: line.kind.into() };
        let what = match line.kind {
            "vtd_inv_qi_enable" => {
                line.number("enabled")?;
                return if self.length.is_none() { Ok(()) } else { Err(again()) };
            }
            "vtd_inv_qi_setup" => {
                let size = line.number("size")?;
                if self.length.is_some() {
                    return Err(again());
                }
                self.length = u16::try_from(size).ok().and_then(|size| Length::new(size).ok());
                return match self.length {
                    Some(_) => Ok(()),
                    None => Err(line.bad("size", line.word("size", LENGTHS)?, LENGTHS)),
                };
            }
            "vtd_reg_write" if line.number("addr")? == IQT_REG => What::Register { value: line.register()? },
            "vtd_inv_qi_tail" => What::IqtWrite { slot: line.number("tail")? },
            "vtd_inv_qi_head" => What::Head { slot: line.number("head")? },
            "vtd_inv_desc" => {
                let slot = self.head.take().filter(|(thread, _)| *thread == line.thread).map(|(_, slot)| slot);
                What::Fetch { slot, desc: line.descriptor()? }
            }
            "vtd_inv_desc_wait_sw" => What::StatusWrite { address: line.number("addr")?, data: line.number("data")? },
            "vtd_x_dev_noresp" => What::NoAnswer { slot: line.number("head")? },
            "vtd_x_wait_pend" => What::Pends { slot: line.number("head")?, address: line.number("addr")? },
            "vtd_x_ite_set" => {
                What::Ite { head: line.number("head")?, tail: line.number("tail")?, aborted: line.number("waits")? }
            }
            "vtd_x_fsts_write" => What::Fsts { now: line.number("now")? },
            kind => return self.ignore(line.number, kind),
        };
        if self.length.is_none() {
            return match what {
                What::Register { value: 0 } | What::IqtWrite { slot: 0 } => Ok(()),
                _ => Err(TraceError::BeforeSetup { line: line.number, kind: line.kind.into() }),
            };
        }
        match what {
            What::Head { slot } => self.head = Some((line.thread, slot)),
            What::IqtWrite { .. } if !self.cpus.contains(&line.thread) => {
                if self.cpus.len() == MAX_SUBMITTERS {
                    return Err(TraceError::TooManyCpus { line: line.number });
                }
                self.cpus.push(line.thread);
            }
            What::Fetch { slot: Some(slot), desc: Fetched::Wd { address, .. } } if self.status_base.is_none() => {
                self.status_base = slot.checked_mul(4).and_then(|offset| address.checked_sub(offset));
            }
            _ => {}
        }
        let (number, thread, time) = (line.number, line.thread, line.time);
        self.keep(Event { line: number, thread, time, what }, text)
    }

    /// Counts a line of a kind that says nothing about the ring.
    fn ignore(&mut self, line: u64, kind: &str) -> Result<(), TraceError> {
        if let Some(times) = self.ignored.get_mut(kind) {
            *times += 1;
            return Ok(());
        }
        if self.ignored.len() == MAX_KINDS {
            let what = "kinds of lines that do not concern the ring";
            return Err(TraceError::TooMuch { line, what, limit: MAX_KINDS });
        }
        self.ignored.insert(kind.into(), 1);
        Ok(())
    }

    fn keep(&mut self, event: Event, text: &str) -> Result<(), TraceError> {
        let too_much = |what, limit| Err(TraceError::TooMuch { line: event.line, what, limit });
        if self.events.len() == MAX_EVENTS {
            return too_much("lines that concern the ring", MAX_EVENTS);
        }
        if self.texts.all.len() + text.len() > MAX_TEXT {
            return too_much("bytes of lines that concern the ring", MAX_TEXT);
        }
        let kept =
            (self.events.len() + 1) * (size_of::<Event>() + size_of::<usize>()) + self.texts.all.len() + text.len();
        if kept > self.most_bytes {
            let what =
                "bytes to be kept of lines that concern the ring, for which the memory that is available suffices";
            return too_much(what, self.most_bytes);
        }
        self.texts.all.push_str(text);
        self.texts.ends.push(self.texts.all.len());
        self.events.push(event);
        Ok(())
    }
}

impl<'a> Line<'a> {
    fn parse(number: u64, line: &'a str) -> Option<Line<'a>> {
        let (thread, rest) = line.split_once('@')?;
        let (time, event) = rest.split_once(':')?;
        let (seconds, micros) = time.split_once('.')?;
        let (kind, text) = event.split_once(' ').unwrap_or((event, ""));
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if kind.is_empty() || !kind.chars().all(is_name) {
            return None;
        }
        let time = digits(seconds)?.checked_mul(1_000_000)?.checked_add(digits(micros)?)?;
        Some(Line { number, thread: digits(thread)?, time, kind, fields: fields(kind, text) })
    }

    fn says_nothing_twice(&self) -> Result<(), TraceError> {
        for (i, (field, second)) in self.fields.iter().enumerate() {
            if let Some((_, first)) = self.fields[..i].iter().find(|(name, _)| name == field) {
                let (first, second) = (beginning(first.as_bytes()), beginning(second.as_bytes()));
                return Err(TraceError::Repeated { line: self.number, kind: self.kind.into(), field, first, second });
            }
        }
        Ok(())
    }

    /// What stands after a name in the text, up to the next one.
    fn word(&self, field: &'static str, limit: &'static str) -> Result<&str, TraceError> {
        let said = self.fields.iter().find(|(name, said)| *name == field && !said.is_empty());
        said.map(|(_, said)| said.as_str()).ok_or_else(|| self.bad(field, "nothing", limit))
    }

    /// The number after a name in the text, hexadecimal after `0x`.
    fn number(&self, field: &'static str) -> Result<u64, TraceError> {
        const LIMIT: &str = "a number below 2^64, decimal or 0x and hexadecimal";
        let word = self.word(field, LIMIT)?;
        let value = match word.strip_prefix("0x") {
            Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u64::from_str_radix(hex, 16).ok(),
            Some(_) => None,
            None => digits(word),
        };
        value.ok_or_else(|| self.bad(field, word, LIMIT))
    }

    fn descriptor(&self) -> Result<Fetched, TraceError> {
        const LIMIT: &str = "iotlb, device, iec, context-cache, p-iotlb or wait";
        /// Names and numbers of the types (VT-d 6.5.2).
        const TYPES: [(&str, u64); 6] =
            [("context-cache", 1), ("iotlb", 2), (DEVICE, 3), ("iec", 4), (WAIT, 5), ("p-iotlb", 6)];
        const WAIT: &str = "wait";
        const DEVICE: &str = "device";
        /// Bit 5 of a WD: write the status (VT-d 6.5.2.8).
        const SW: u64 = 1 << 5;
        let (address, low) = (self.number("high")?, self.number("low")?);
        let said = self.word("type", LIMIT)?;
        let Some(&(name, code)) = TYPES.iter().find(|(name, _)| *name == said) else {
            return Err(self.bad("type", said, LIMIT));
        };
        if low & 0xf != code {
            return Err(TraceError::Type { line: self.number, name, low, code });
        }
        Ok(match name {
            WAIT => Fetched::Wd { data: low >> 32, address, writes: low & SW != 0 },
            _ => Fetched::Id { device: name == DEVICE, high: address, low },
        })
    }

    /// The value that IQT is written.
    fn register(&self) -> Result<u64, TraceError> {
        const LIMIT: &str = "0x4 or 0x8, the bytes that a write of IQT can have";
        match self.number("size")? {
            4 | 8 => self.number("value"),
            _ => Err(self.bad("size", self.word("size", LIMIT)?, LIMIT)),
        }
    }

    fn bad(&self, field: &'static str, value: &str, limit: &'static str) -> TraceError {
        let value = beginning(value.as_bytes());
        TraceError::Field { line: self.number, kind: self.kind.into(), field, value, limit }
    }
}

/// The fields in the text of a kind that is known, each with what stands before the next one. The words before the first are
/// for people.
fn fields(kind: &str, text: &str) -> Vec<(&'static str, String)> {
    let names: &[&'static str] = match kind {
        "vtd_inv_qi_enable" => &["enabled"],
        "vtd_inv_qi_setup" => &["addr", "size"],
        "vtd_reg_write" => &["addr", "size", "value"],
        "vtd_inv_qi_tail" => &["tail"],
        "vtd_inv_qi_head" => &["head"],
        "vtd_inv_desc" => &["type", "high", "low"],
        "vtd_inv_desc_wait_sw" => &["addr", "data"],
        "vtd_x_dev_noresp" => &["head"],
        "vtd_x_wait_pend" => &["head", "status", "addr"],
        "vtd_x_ite_set" => &["head", "tail", "aborted", "waits"],
        "vtd_x_fsts_write" => &["fsts", "now"],
        _ => &[],
    };
    let mut fields: Vec<(&'static str, Vec<&str>)> = Vec::new();
    for word in text.trim_end().split(' ') {
        match (names.iter().find(|name| **name == word), fields.last_mut()) {
            (Some(name), _) => fields.push((name, Vec::new())),
            (None, Some((_, said))) => said.push(word),
            (None, None) => {}
        }
    }
    fields.into_iter().map(|(name, said)| (name, said.join(" "))).collect()
}

/// A number in decimal digits, nothing else.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// As much of a line as fits into a message, with a dot for each byte that does not print.
fn beginning(bytes: &[u8]) -> String {
    let printable = |&byte: &u8| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' };
    bytes.trim_ascii_end().iter().take(60).map(printable).collect()
}
