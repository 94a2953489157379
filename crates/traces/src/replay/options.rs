//! How to replay: which unit wrote the log, where it may end, how fine the hidden steps are.

use serde::Serialize;

use vtd_qi::impl_qi::AfterIte;
#[cfg(doc)]
use vtd_qi::impl_qi::MAX_DEPTH;

/// Which of QEMU's units wrote the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Qemu {
    /// Either: the lines show which.
    #[default]
    Auto,
    /// QEMU's own: drains the queue inside the IQT write, on the thread that writes, one descriptor after the other.
    Stock,
    /// A unit with a thread of its own, which IQT writes do not wait for; up to [`MAX_DEPTH`] descriptors are fetched ahead.
    ///
    /// The thread that first reads IQH is the unit's. It does all fetches and status writes and, once the queue is set up, never
    /// writes IQT, neither before nor after. No CPU stands in for it, not even for the first fetches.
    Async,
}

/// In which states a trace may end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// No call pending, the ring empty, the hardware done: the trace is complete, or else it is rejected.
    #[default]
    Idle,
    /// In any: [`Accepted::end`](super::Accepted::end) says in which.
    Anywhere,
    /// In any, and it is not asked how: the trace is the beginning of a longer one.
    Cut,
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
/// The default is many times what a log of a real driver needs, and takes about 400 MB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MostStates(pub usize);

/// What a state takes, at most, in bytes: twice in a hash table that is being doubled, and in the lists of those before
/// and after a line.
const BYTES_PER_STATE: usize = 4 * 1024;

impl MostStates {
    /// The default, or as many as so many bytes of memory hold.
    pub fn within(memory: usize) -> MostStates {
        MostStates(MostStates::default().0.min(memory / BYTES_PER_STATE))
    }
}

impl Default for MostStates {
    fn default() -> Self {
        MostStates(100_000)
    }
}
