//! What a replay says in the end.

use serde::Serialize;
use thiserror::Error;

use super::{Ending, Grain, MostStates, Qemu, Reason};
use vtd_qi::spec::SpecLabel;

/// What became of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// The verdict.
    pub verdict: ReplayVerdict,
    /// Most states that were possible at once.
    pub most_states: usize,
    /// The grain that was used in the end.
    pub grain: Grain,
    /// Which unit may have written what was replayed.
    pub unit: Qemu,
}

/// The three answers, or none.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplayVerdict {
    /// Some run of ring and specification looks like this.
    Accepted(Accepted),
    /// Runs of the ring look like this, and each breaks a promise.
    Broken(BrokenPromise),
    /// No run does.
    Rejected(Rejection),
    /// The replay was given up: up to here some run looks like this.
    Unknown(GivenUp),
}

/// A run that keeps all promises.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The specification's steps in it.
    pub steps: SpecSteps,
    /// How it ends.
    pub end: Ending,
}

/// Runs that break a promise.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokenPromise {
    /// The promise that is broken, by the run that breaks one last.
    pub breach: Breach,
    /// How that run ends.
    pub end: Ending,
}

/// A promise that is broken at a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Breach {
    /// The line's number, from 1.
    pub line: u64,
    /// The line.
    pub text: Box<str>,
    /// The name of the property that is violated.
    pub property: &'static str,
    /// What it means to a caller of the driver.
    pub harm: &'static str,
    /// The number and the title of the finding, if it is a known one (docs/findings.md).
    pub finding: Option<(usize, String)>,
    /// The state before.
    pub before: String,
    /// The state after.
    pub after: String,
}

/// Where and why a replay was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The number of the first line that was not judged, from 1.
    pub line: u64,
    /// The reason.
    pub cause: Cause,
}

/// Why a replay was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Cause {
    /// The caller wanted it to stop.
    #[error("interrupted")]
    Interrupted,
    /// The set of possible states became too large.
    #[error("more than {} states of the ring are possible, and more are not followed", .0.0)]
    TooManyStates(MostStates),
    /// A unit that fetches further ahead than the modelled one.
    #[error(
        "the unit holds more than {0} descriptors that it has fetched and not completed, and more are not modelled"
    )]
    Depth(usize),
    /// More calls at once than submitters are modelled.
    #[error("more than {0} CPUs are in calls at once, and more are not modelled")]
    Submitters(usize),
    /// What is done under the lock cannot be taken at once, and the log is too long to be replayed otherwise.
    #[error(
        "a status write may come in the middle of what a CPU does under the lock, and the runs in which it does are not followed in \
         a log of this length"
    )]
    Orders,
    /// A device may be gone, which is not modelled here.
    #[error(
        "a CPU that has cleared an ITE goes on as if its call had returned -ETIMEDOUT, as that of this generation does where a device \
         is gone, and what follows is not modelled"
    )]
    DeviceGone,
    /// Single steps need to be told who posts what.
    #[error("the log names no threads, without which single steps cannot be replayed")]
    NoThreads,
}

/// How many steps of the specification a run contains, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpecSteps {
    /// IQT writes that begin a call.
    pub submit: u64,
    /// Batches of which the first descriptor was fetched.
    pub accept: u64,
    /// IDs executed.
    pub execute: u64,
    /// Status writes.
    pub complete: u64,
    /// Polls that saw DONE.
    pub observe: u64,
    /// Batches that hardware dropped.
    pub abort: u64,
    /// IQT writes that post a dropped batch once more, each after an `Again`; `submit` does not count them.
    pub repost: u64,
    /// Batches that hardware refused for an invalid descriptor.
    pub refuse: u64,
}

impl SpecSteps {
    pub(super) fn with(mut self, label: SpecLabel) -> Self {
        let kind = match label {
            SpecLabel::Submit(_) => &mut self.submit,
            SpecLabel::Accept(_) => &mut self.accept,
            SpecLabel::Execute(_) => &mut self.execute,
            SpecLabel::Complete(_) => &mut self.complete,
            SpecLabel::Observe(_) => &mut self.observe,
            SpecLabel::Abort => &mut self.abort,
            SpecLabel::Repost(_) => &mut self.repost,
            SpecLabel::Refuse(_) => &mut self.refuse,
            // Whether the owner of the last one has looked is not to be seen, nor when a call ends with an error.
            SpecLabel::Again(_) | SpecLabel::Fail(_) => return self,
            label => unreachable!("nothing is lost here, so there is no {label}"),
        };
        *kind += 1;
        self
    }
}

/// Where and why a trace was rejected.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// The line's number, from 1.
    pub line: u64,
    /// The line; empty where it is the end that does not fit.
    pub text: Box<str>,
    /// The reason.
    pub reason: Reason,
    /// Whether a call that returned `-ETIMEDOUT` explains the line: who has cleared an ITE does so where the device is gone.
    pub may_have_returned: bool,
}
