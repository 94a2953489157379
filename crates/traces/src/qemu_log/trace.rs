//! A life of the queue, kept in memory.

use std::collections::BTreeMap;
use std::io::BufRead;

use super::{
    AddressError, Event, Facts, Fetched, Life, LogEntry, MAX_EVENTS, MAX_TEXT, Reader, Summary, TraceError, What,
};
use vtd_qi::impl_qi::{Length, Slot};

/// The events of a life of the queue, in the order of the log's lines.
#[derive(Clone, Debug)]
pub struct Trace {
    life: Life,
    events: Vec<Event>,
    texts: Texts,
    cpus: Vec<u64>,
    statuses: Statuses,
    facts: Facts,
}

/// The texts of the events, one behind the other.
#[derive(Clone, Debug, Default)]
struct Texts {
    all: String,
    /// Where in `all` each ends.
    ends: Vec<usize>,
}

/// Where `desc_status` lies: learned from the first WD, which is taken to write its own slot's status.
#[derive(Clone, Copy, Debug)]
pub struct Statuses {
    slots: u64,
    base: Option<u64>,
}

impl Statuses {
    /// Of a ring of which no WD has been seen.
    pub fn new(length: Length) -> Statuses {
        Statuses { slots: length.slots().into(), base: None }
    }

    /// Learns from an event.
    pub fn learn(&mut self, what: &What) {
        if let What::Fetch { slot: Some(slot), desc: Fetched::Wd { address, .. } } = *what
            && let Ok(slot) = slot.try_into()
        {
            self.learn_from(slot, address);
        }
    }

    /// Learns from a WD that is known to write the status of a slot.
    pub fn learn_from(&mut self, slot: Slot, address: u64) {
        if self.base.is_none() {
            self.base = address.checked_sub(4 * u64::from(slot));
        }
    }

    /// The slot whose status lies at an address.
    ///
    /// # Errors
    /// [`AddressError`] if there is none.
    pub fn slot(&self, address: u64) -> Result<Slot, AddressError> {
        let base = self.base.ok_or(AddressError::Unknown)?;
        if !address.is_multiple_of(4) {
            return Err(AddressError::Misaligned(address));
        }
        match address.checked_sub(base).map(|offset| offset / 4) {
            Some(slot) if slot < self.slots => Ok(slot as Slot),
            _ => Err(AddressError::Outside { address, base, last: base.saturating_add(4 * (self.slots - 1)) }),
        }
    }
}

impl Trace {
    /// Reads a log with one life of the queue.
    ///
    /// # Errors
    /// Any [`TraceError`]; [`TraceError::SeveralLives`] if the queue is set up again.
    pub fn read(log: impl BufRead) -> Result<Trace, TraceError> {
        let mut lives = Trace::read_all(log)?;
        match lives.get(1) {
            Some(second) => Err(TraceError::SeveralLives { line: second.life.line }),
            None => Ok(lives.swap_remove(0)),
        }
    }

    /// Reads all lives of the queue in a log, in the order of their set-ups.
    ///
    /// # Errors
    /// Any [`TraceError`]; [`TraceError::TooMuch`] too if it takes more memory than [`MAX_EVENTS`] and [`MAX_TEXT`] say.
    pub fn read_all(log: impl BufRead) -> Result<Vec<Trace>, TraceError> {
        let mut reader = Reader::new(log);
        let mut lives: Vec<Trace> = Vec::new();
        let (mut events, mut bytes) = (0, 0);
        for entry in reader.by_ref() {
            match entry? {
                LogEntry::Life(life) => lives.push(Trace::begin(life)),
                LogEntry::Event { life, event, text } => {
                    (events, bytes) = (events + 1, bytes + text.len());
                    let too_much = |what, limit| Err(TraceError::TooMuch { line: event.line, what, limit });
                    if events > MAX_EVENTS {
                        return too_much("lines that concern the ring", MAX_EVENTS);
                    }
                    if bytes > MAX_TEXT {
                        return too_much("bytes of lines that concern the ring", MAX_TEXT);
                    }
                    lives[life].keep(event, &text);
                }
            }
        }
        lives.iter_mut().for_each(|life| life.facts = reader.facts().clone());
        Ok(lives)
    }

    /// A life of which nothing is known but its beginning.
    pub fn begin(life: Life) -> Trace {
        let (events, texts, cpus) = (Vec::new(), Texts::default(), Vec::new());
        Trace { life, events, texts, cpus, statuses: Statuses::new(life.length), facts: Facts::default() }
    }

    /// Appends an event.
    pub fn keep(&mut self, event: Event, text: &str) {
        if let (What::IqtWrite { .. }, Some(thread)) = (event.what, event.thread)
            && !self.cpus.contains(&thread)
        {
            self.cpus.push(thread);
        }
        self.statuses.learn(&event.what);
        self.texts.all.push_str(text);
        self.texts.ends.push(self.texts.all.len());
        self.events.push(event);
    }

    /// Which life of which unit it is.
    pub fn life(&self) -> Life {
        self.life
    }

    /// The length of the ring.
    pub fn length(&self) -> Length {
        self.life.length
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
        self.events.iter().any(|event| event.what.uses_the_ring())
    }

    /// The threads that write IQT, in the order in which they first do: thread `t` of the list is submitter `t`.
    pub fn cpus(&self) -> &[u64] {
        &self.cpus
    }

    /// Which submitter a thread is.
    pub fn submitter(&self, thread: Option<u64>) -> Option<u8> {
        let thread = thread?;
        self.cpus.iter().position(|&cpu| cpu == thread).and_then(|t| t.try_into().ok())
    }

    /// Number of lines of the log.
    pub fn lines(&self) -> u64 {
        self.facts.lines
    }

    /// How many events of the log, of which kinds, say nothing about the ring, or nothing that is known.
    pub fn ignored(&self) -> &BTreeMap<String, u64> {
        &self.facts.ignored
    }

    /// What is said of the log as a whole.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The slot whose status lies at an address.
    ///
    /// # Errors
    /// [`AddressError`] if there is none.
    pub fn status_slot(&self, address: u64) -> Result<Slot, AddressError> {
        self.statuses.slot(address)
    }

    /// What the life contains, counted from its lines alone.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::new(self.life.length);
        self.events.iter().for_each(|event| summary.count(&event.what));
        summary
    }
}
