//! What a life of the queue contains, counted from its lines alone.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Fetched, What};
use vtd_qi::impl_qi::Length;

/// What a life of the queue contains: the columns of a table of traces.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// Number of WDs fetched, by the number of IDs fetched before each. An ID whose kind QEMU does not name is one that has no line.
    pub batches: BTreeMap<u64, u64>,
    /// How many slots IQT has gone on.
    pub slots: u64,
    /// How often IQT has gone round.
    pub laps: f64,
    /// Number of IQT writes, by the number of batches then posted and neither written a status nor aborted, this one counted.
    pub outstanding: BTreeMap<u64, u64>,
    #[serde(skip)]
    length: u64,
    #[serde(skip)]
    tail: u64,
    /// IDs since the last WD.
    #[serde(skip)]
    ids: u64,
    /// Whether IQH was read and no descriptor has come.
    #[serde(skip)]
    head: bool,
}

impl Summary {
    /// Of a life that has just begun.
    pub fn new(length: Length) -> Summary {
        Summary {
            iqt_writes: 0,
            wds: 0,
            status_writes: 0,
            ites: 0,
            aborted: 0,
            batches: BTreeMap::new(),
            slots: 0,
            laps: 0.0,
            outstanding: BTreeMap::new(),
            length: length.slots().into(),
            tail: 0,
            ids: 0,
            head: false,
        }
    }

    /// Counts an event.
    pub fn count(&mut self, what: &What) {
        match *what {
            What::IqtWrite { slot } => {
                let slot = slot % self.length;
                self.slots += (slot + self.length - self.tail) % self.length;
                self.laps = self.slots as f64 / self.length as f64;
                self.tail = slot;
                self.iqt_writes += 1;
                let ended = self.status_writes.saturating_add(self.aborted);
                let outstanding = self.iqt_writes.saturating_sub(ended);
                *self.outstanding.entry(outstanding).or_default() += 1;
            }
            What::Head { .. } => {
                self.ids += u64::from(self.head);
                self.head = true;
            }
            What::Fetch { desc, .. } => {
                self.head = false;
                match desc {
                    Fetched::Id { .. } => self.ids += 1,
                    Fetched::Wd { .. } => {
                        self.wds += 1;
                        *self.batches.entry(std::mem::take(&mut self.ids)).or_default() += 1;
                    }
                }
            }
            What::StatusWrite { .. } => self.status_writes += 1,
            What::Ite { aborted, .. } => {
                self.ites += 1;
                self.aborted = self.aborted.saturating_add(aborted);
            }
            What::Register { .. }
            | What::FstsRegister { .. }
            | What::NoAnswer { .. }
            | What::Pends { .. }
            | What::Fsts { .. } => {}
        }
    }
}
