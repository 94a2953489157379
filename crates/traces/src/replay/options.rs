//! How to replay: which unit wrote the log, where it may end, how fine the hidden steps are.

use serde::Serialize;

use vtd_qi::impl_qi::{AfterIte, Hardware, MAX_DEPTH};

/// Which of QEMU's units wrote the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Qemu {
    /// QEMU's own: drains the queue inside the IQT write, on the thread that writes, one descriptor after the other.
    #[default]
    Stock,
    /// A unit with a thread of its own, which IQT writes do not wait for; up to [`MAX_DEPTH`] descriptors are fetched ahead.
    ///
    /// The thread that first reads IQH is the unit's. It does all fetches and status writes and, once the queue is set up, never
    /// writes IQT, neither before nor after. No CPU stands in for it, not even for the first fetches.
    Async,
}

impl Qemu {
    pub(super) fn hardware(self) -> Hardware {
        match self {
            Qemu::Stock => Hardware::in_order(1),
            Qemu::Async => Hardware::pipelined(MAX_DEPTH as u8),
        }
    }
}

/// In which states a trace may end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// No call pending, the ring empty, the hardware done: the trace is complete.
    #[default]
    Idle,
    /// In any: the trace is the beginning of a longer one.
    Anywhere,
}

/// How fine the hidden steps are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grain {
    /// What is done under the lock is one step, where that decides the same.
    #[default]
    Sections,
    /// Each step of the ring is one.
    Steps,
}

/// How to replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What wrote the log.
    pub hardware: Qemu,
    /// Where it may end.
    pub end: End,
    /// How fine the hidden steps are.
    pub grain: Grain,
    /// What the unit makes of work fetched when ITE is raised.
    pub after_ite: AfterIte,
    /// How many states may be possible at once, at most.
    pub most_states: MostStates,
}

/// How many states of the ring may be possible at once; with more, the verdict is unknown.
///
/// The default is many times what a log of a real driver needs, and takes about 1 GB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MostStates(pub usize);

/// What a state takes, at most, in bytes: twice in a hash table that is being doubled, and in the lists of those before
/// and after a line.
const BYTES_PER_STATE: usize = 3 * 1024;

impl MostStates {
    /// The default, or as many as so many bytes of memory hold.
    pub fn within(memory: usize) -> MostStates {
        MostStates(MostStates::default().0.min(memory / BYTES_PER_STATE))
    }
}

impl Default for MostStates {
    fn default() -> Self {
        MostStates(400_000)
    }
}
