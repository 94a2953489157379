//! A log read line by line: its lives of the queue, and the events of each.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, Read};

use super::error::{TraceError, beginning};
use super::line::{Line, Parsed, Said};
use super::{Event, MAX_KINDS, MAX_LINE, MAX_UNITS, What};
use vtd_qi::impl_qi::{Length, MAX_IDS};

/// Lengths that a ring can have.
const LENGTHS: &str = "even and from 4 to 256, the QI_LENGTH of a ring that can be modelled";

/// How many lines of other programs are kept for a person to read.
const SHOWN: usize = 5;

/// A log that is read line by line. What it takes of memory does not depend on how long the log is.
///
/// ```
/// use vtd_qi_traces::qemu_log::{LogEntry, Reader, What};
///
/// // Written by QEMU 10.1 without times, with a message of QEMU in between; the queue is set up twice.
/// let log = "\
/// vtd_inv_qi_setup addr 0x1000 size 256
/// qemu-system-x86_64: warning: something else
/// vtd_inv_qi_tail write tail 1
/// vtd_inv_qi_enable enabled 0
/// vtd_inv_qi_setup addr 0x1000 size 256\n";
/// let mut reader = Reader::new(log.as_bytes());
/// let entries = reader.by_ref().collect::<Result<Vec<LogEntry>, _>>()?;
/// let lives = entries.iter().filter(|entry| matches!(entry, LogEntry::Life(_))).count();
/// assert_eq!((entries.len(), lives, reader.facts().lines), (3, 2, 5));
/// assert_eq!(reader.facts().others.shown[0], (2, "qemu-system-x86_64: warning: something else".into()));
/// # Ok::<(), vtd_qi_traces::qemu_log::TraceError>(())
/// ```
pub struct Reader<R> {
    log: R,
    bytes: Vec<u8>,
    facts: Facts,
    units: Vec<Unit>,
    /// A write of 0 to IQT, which belongs to the life before only if no set-up follows.
    held: Vec<LogEntry>,
    ready: VecDeque<LogEntry>,
    ended: bool,
}

/// What is said of a log as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Number of lines.
    pub lines: u64,
    /// How often a queue is set up.
    pub lives: usize,
    /// How many events of which kinds say nothing about the ring, or nothing that is known.
    pub ignored: BTreeMap<String, u64>,
    /// Lines that are no events of QEMU.
    pub others: Others,
}

/// Lines that are no events of QEMU: messages of QEMU itself or of other programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// How many.
    pub count: u64,
    /// The first of them, with their numbers.
    pub shown: Vec<(u64, String)>,
}

/// What a log consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEntry {
    /// The queue of a unit is set up: a life of it begins, and the one before, if there was one, is over.
    Life(Life),
    /// An event of a life.
    Event {
        /// The life, by its number.
        life: usize,
        /// The event.
        event: Event,
        /// Its line.
        text: Box<str>,
    },
}

/// A life of the queue: from one set-up to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Its number in the log, from 0.
    pub number: usize,
    /// The unit whose queue it is, from 0.
    pub unit: usize,
    /// The line of the set-up.
    pub line: u64,
    /// Address of the queue.
    pub address: u64,
    /// The length of the ring.
    pub length: Length,
}

/// A remapping unit, told from others by the threads that work with it.
#[derive(Default)]
struct Unit {
    threads: Vec<u64>,
    life: Option<Alive>,
}

/// A queue that is enabled.
struct Alive {
    number: usize,
    slots: u64,
    /// Where the next descriptor is fetched, and IQT: which unit a thread works with is told by them.
    head: u64,
    tail: u64,
    /// The last read of IQH with no descriptor yet.
    read: Option<(Option<u64>, u64)>,
}

impl Alive {
    /// Whether an event goes on from what was before.
    fn goes_on(&self, what: &What) -> bool {
        match *what {
            What::IqtWrite { slot } => {
                let slots = (slot % self.slots + self.slots - self.tail) % self.slots;
                slot < self.slots && (1..=u64::from(MAX_IDS) + 1).contains(&slots)
            }
            What::Register { value } => {
                let tail = |shift: u32| What::IqtWrite { slot: value >> shift };
                self.goes_on(&tail(4)) || self.goes_on(&tail(5))
            }
            What::Head { slot } => slot == self.head,
            _ => false,
        }
    }

    fn follow(&mut self, thread: Option<u64>, what: &What) {
        match *what {
            What::IqtWrite { slot } => self.tail = slot % self.slots,
            What::Head { slot } => {
                self.head = (slot % self.slots + 1) % self.slots;
                self.read = Some((thread, slot));
            }
            _ => {}
        }
    }
}

impl<R: BufRead> Reader<R> {
    /// Of a log.
    pub fn new(log: R) -> Self {
        Reader {
            log,
            bytes: Vec::new(),
            facts: Facts::default(),
            units: Vec::new(),
            held: Vec::new(),
            ready: VecDeque::new(),
            ended: false,
        }
    }

    /// What is known of the log as a whole, as far as it has been read.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Reads a line; `false` at the end.
    fn read_line(&mut self) -> Result<bool, TraceError> {
        let line = self.facts.lines + 1;
        self.bytes.clear();
        let limit = MAX_LINE as u64 + 1;
        let read = self.log.by_ref().take(limit).read_until(b'\n', &mut self.bytes);
        if read.map_err(|source| TraceError::Read { line, source })? == 0 {
            return Ok(false);
        }
        if self.bytes.len() > MAX_LINE {
            return Err(TraceError::TooLong { line });
        }
        self.facts.lines = line;
        let bytes = std::mem::take(&mut self.bytes);
        let text = String::from_utf8_lossy(bytes.trim_ascii_end());
        match Line::parse(line, &text) {
            Parsed::Event(event) => self.event(&text, &event)?,
            Parsed::Other => self.other(line, &text),
            Parsed::Damaged => return Err(TraceError::NotALine { line, text: beginning(&bytes) }),
        }
        self.bytes = bytes;
        Ok(true)
    }

    fn event(&mut self, text: &str, line: &Line) -> Result<(), TraceError> {
        let thread = line.thread;
        let read = self.units.iter().find_map(|unit| {
            let (by, slot) = unit.life.as_ref()?.read?;
            (by == thread).then_some(slot)
        });
        match line.said(|| read)? {
            Said::Nothing => self.ignore(line.number, line.kind),
            Said::Enable(true) => Ok(()),
            Said::Enable(false) => {
                self.ready.extend(self.held.drain(..));
                let unit = self.known(thread).unwrap_or(0);
                if let Some(unit) = self.units.get_mut(unit) {
                    unit.life = None;
                }
                Ok(())
            }
            Said::Setup { address, size } => self.set_up(line, address, size),
            Said::Ring(what) => self.ring(text, line, what),
        }
    }

    fn set_up(&mut self, line: &Line, address: u64, size: u64) -> Result<(), TraceError> {
        self.held.clear();
        let length = u16::try_from(size).ok().and_then(|size| Length::new(size).ok());
        let Some(length) = length else { return Err(line.bad("size", line.word("size", LENGTHS)?, LENGTHS)) };
        // A thread that has worked with a unit sets up the queue of that one again.
        let unit = self.known(line.thread).or(line.thread.is_none().then_some(0)).unwrap_or(self.units.len());
        if unit == MAX_UNITS {
            return Err(TraceError::TooManyUnits { line: line.number });
        }
        if unit == self.units.len() {
            self.units.push(Unit::default());
        }
        let number = self.facts.lives;
        self.facts.lives += 1;
        self.units[unit].life = Some(Alive { number, slots: length.slots().into(), head: 0, tail: 0, read: None });
        self.knows(unit, line.thread);
        self.ready.push_back(LogEntry::Life(Life { number, unit, line: line.number, address, length }));
        Ok(())
    }

    fn ring(&mut self, text: &str, line: &Line, what: What) -> Result<(), TraceError> {
        let before_setup = matches!(
            what,
            What::Register { value: 0 } | What::IqtWrite { slot: 0 } | What::Fsts { .. } | What::FstsRegister { .. }
        );
        let unit = self.unit_of(line.thread, &what);
        let Some(alive) = self.units.get_mut(unit).and_then(|unit| unit.life.as_mut()) else {
            return match before_setup {
                true => Ok(()),
                false => Err(TraceError::BeforeSetup { line: line.number, kind: line.kind.into() }),
            };
        };
        let event = Event { line: line.number, thread: line.thread, what };
        let entry = LogEntry::Event { life: alive.number, event, text: text.into() };
        match what {
            What::Register { value: 0 } if self.held.is_empty() => {
                self.held.push(entry);
                return Ok(());
            }
            What::IqtWrite { slot: 0 } if self.held.len() < 2 => {
                // Whether it goes on with this life is seen at the next event.
                self.held.push(entry);
                return Ok(());
            }
            _ => {}
        }
        self.release();
        let alive = self.units[unit].life.as_mut().expect("it was there");
        alive.follow(line.thread, &what);
        if matches!(what, What::Fetch { .. }) {
            alive.read = None;
        }
        self.knows(unit, line.thread);
        self.ready.push_back(entry);
        Ok(())
    }

    /// What was held back belongs to the life in which it came.
    fn release(&mut self) {
        for entry in std::mem::take(&mut self.held) {
            if let LogEntry::Event { life, event, .. } = &entry {
                let of =
                    self.units.iter().position(|unit| unit.life.as_ref().is_some_and(|alive| alive.number == *life));
                if let Some(unit) = of {
                    if let Some(alive) = self.units[unit].life.as_mut() {
                        alive.follow(event.thread, &event.what);
                    }
                    self.knows(unit, event.thread);
                }
            }
            self.ready.push_back(entry);
        }
    }

    fn known(&self, thread: Option<u64>) -> Option<usize> {
        let thread = thread?;
        self.units.iter().position(|unit| unit.threads.contains(&thread))
    }

    /// From now on the thread works with this unit.
    fn knows(&mut self, unit: usize, thread: Option<u64>) {
        let Some(thread) = thread.filter(|_| self.known(thread) != Some(unit)) else { return };
        self.units.iter_mut().for_each(|unit| unit.threads.retain(|known| *known != thread));
        self.units[unit].threads.push(thread);
    }

    /// Which unit an event is of: the thread's; where that is not known, or works with another from now on, the one that the
    /// event goes on from.
    fn unit_of(&self, thread: Option<u64>, what: &What) -> usize {
        let known = self.known(thread);
        if self.units.len() < 2 || thread.is_none() {
            return 0;
        }
        let goes_on = |unit: &Unit| unit.life.as_ref().is_some_and(|alive| alive.goes_on(what));
        let moves = matches!(what, What::IqtWrite { .. } | What::Head { .. });
        if let Some(unit) = known.filter(|unit| !moves || goes_on(&self.units[*unit])) {
            return unit;
        }
        // The threads of one machine were started together, and so have numbers near each other.
        let near = |unit: &Unit| {
            let distances = unit.threads.iter().filter_map(|known| Some(known.abs_diff(thread?)));
            distances.min().unwrap_or(u64::MAX)
        };
        let candidates = (0..self.units.len()).filter(|unit| goes_on(&self.units[*unit]));
        let nearest =
            |candidates: &mut dyn Iterator<Item = usize>| candidates.min_by_key(|unit| near(&self.units[*unit]));
        nearest(&mut candidates.into_iter()).or(known).or_else(|| nearest(&mut (0..self.units.len()))).unwrap_or(0)
    }

    /// Counts an event of a kind that says nothing about the ring.
    fn ignore(&mut self, line: u64, kind: &str) -> Result<(), TraceError> {
        if let Some(times) = self.facts.ignored.get_mut(kind) {
            *times += 1;
            return Ok(());
        }
        if self.facts.ignored.len() == MAX_KINDS {
            let what = "kinds of lines that do not concern the ring";
            return Err(TraceError::TooMuch { line, what, limit: MAX_KINDS });
        }
        self.facts.ignored.insert(kind.into(), 1);
        Ok(())
    }

    fn other(&mut self, line: u64, text: &str) {
        if text.is_empty() {
            return;
        }
        let others = &mut self.facts.others;
        others.count += 1;
        if others.shown.len() < SHOWN {
            others.shown.push((line, text.chars().take(200).collect()));
        }
    }

    fn advance(&mut self) -> Result<Option<LogEntry>, TraceError> {
        while self.ready.is_empty() && !self.ended {
            if !self.read_line()? {
                self.ended = true;
                self.release();
                match self.facts.lines {
                    0 => return Err(TraceError::Empty),
                    lines if self.facts.lives == 0 => return Err(TraceError::NoSetup { lines }),
                    _ => {}
                }
            }
        }
        Ok(self.ready.pop_front())
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<LogEntry, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        self.ended |= next.is_err();
        next.transpose()
    }
}
