//! What a replay says in the end.

use serde::Serialize;
use thiserror::Error;

use super::{Grain, MostStates, Reason};
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
}

/// Accepted or not.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplayVerdict {
    /// Some run of ring and specification looks like this; the specification's steps of one are counted.
    Accepted(SpecSteps),
    /// No run does.
    Rejected(Rejection),
    /// The replay was given up: up to here some run looks like this.
    Unknown(GivenUp),
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
            // Whether the owner of the last one has looked is not to be seen.
            SpecLabel::Again(_) => return self,
            SpecLabel::Repost(_) => &mut self.repost,
            label => unreachable!("nothing is lost or invalid here, so there is no {label}"),
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
}
