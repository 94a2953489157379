//! What is known when all is done.

use serde::Serialize;
use vtd_qi::impl_qi::ValidRing;
use vtd_qi::timeline::Timeline;
use vtd_qi_kernel::{Confirmation, Covered, Death, Difference, Recognised, Sameness, Searched, Tally};
use vtd_qi_page::run::ShownRun;

use crate::baseline::{Change, Weighed};

/// What is known when all is done.
#[derive(Default, Serialize)]
pub(crate) struct Report {
    pub tree: String,
    /// What a reader has to know of how it was read.
    pub notes: Vec<String>,
    pub compiler: String,
    pub flags: String,
    pub cut: Vec<String>,
    pub shimmed: Vec<String>,
    pub recognised: Option<Recognised>,
    pub random: Vec<Random>,
    pub exhaustive: Vec<Exhaustive>,
    /// Classes of faults with which nothing was compared exhaustively, because nobody asked for them.
    pub left_out: Vec<&'static str>,
    pub confirmations: Vec<Confirmed>,
    pub searches: Vec<Search>,
    /// The driver held against the one that it replaces.
    pub weighed: Option<Weighed>,
    /// Processes that died, and what they were at.
    pub deaths: Vec<(String, Death)>,
    /// What was asked for and was not done, and why.
    pub not_done: Vec<String>,
}

impl Report {
    /// What the comparison with the Rust driver comes to, if it was run. A difference of the compiler's making is none.
    pub fn compared(&self) -> Option<Sameness> {
        let random = self.random.iter().map(|random| match (&random.difference, random.by_compiler) {
            (None, _) | (Some(_), Some(true)) => Sameness::Same,
            (Some(_), _) => Sameness::Differs,
        });
        let exhaustive = self.exhaustive.iter().map(|exhaustive| match exhaustive.by_compiler {
            Some(true) => Sameness::Same,
            _ => exhaustive.covered.verdict,
        });
        let all: Vec<Sameness> = random.chain(exhaustive).collect();
        let worst = [Sameness::Differs, Sameness::Unknown].into_iter().find(|worst| all.contains(worst));
        let died = self.deaths.iter().any(|(what, _)| what.starts_with(COMPARE));
        match worst {
            Some(Sameness::Differs) => worst,
            _ if died => Some(Sameness::Unknown),
            _ => worst.or(all.first().copied()),
        }
    }

    /// What the exit code says.
    pub fn answer(&self) -> Answer {
        let differs = |compared: Option<Sameness>| compared == Some(Sameness::Differs);
        let is_other = self.recognised.as_ref().is_some_and(|recognised| recognised.generation.is_none());
        // Held against another driver, what counts is what is new.
        let negative = match &self.weighed {
            Some(weighed) => weighed.count(Change::New) > 0,
            None => is_other || differs(self.compared()),
        };
        let found = self.searches.iter().any(|search| !search.searched.findings.is_empty());
        let refuted = self.confirmations.iter().any(|confirmed| !confirmed.confirmation.confirmed);
        let by_the_code = self.deaths.iter().any(|(_, death)| death.by_the_code().is_some());
        let cut = !self.deaths.is_empty() || !self.not_done.is_empty() || self.compared() == Some(Sameness::Unknown);
        match (negative || found || refuted || by_the_code, cut) {
            (true, _) => Answer::Negative,
            (false, true) => Answer::Unknown,
            (false, false) => Answer::Fine,
        }
    }
}

/// What all that was asked for comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing was found, refuted or left undone, and nothing is unknown.
    Fine,
    /// Something was.
    Negative,
    /// Nothing is known against it, but not all is known.
    Unknown,
}

/// How what a comparison is called begins.
pub const COMPARE: &str = "compare ";

#[derive(Serialize)]
pub(crate) struct Random {
    pub what: String,
    #[serde(skip)]
    pub cfg: ValidRing,
    pub tally: Tally,
    pub difference: Option<Difference>,
    /// Whether the difference is gone when the compiler does not optimise.
    pub by_compiler: Option<bool>,
}

#[derive(Serialize)]
pub(crate) struct Exhaustive {
    pub what: String,
    #[serde(skip)]
    pub cfg: ValidRing,
    #[serde(flatten)]
    pub covered: Covered,
    pub by_compiler: Option<bool>,
}

#[derive(Serialize)]
pub(crate) struct Confirmed {
    pub scenario: String,
    pub property: &'static str,
    #[serde(flatten)]
    pub confirmation: Confirmation,
    /// The run, if a page is to show it.
    #[serde(skip)]
    pub run: Option<ShownRun>,
}

#[derive(Serialize)]
pub(crate) struct Search {
    pub what: String,
    #[serde(flatten)]
    pub searched: Searched,
    #[serde(skip)]
    pub timelines: Vec<Option<Timeline>>,
}
