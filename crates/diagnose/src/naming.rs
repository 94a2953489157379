//! Which bug a hang is: one of the two that are published, or a finding of this project.
//!
//! A name is not read off the picture. Where the odd ITE walk is suspected, the same search is made with the one rule changed that the
//! fix changed: if the hang is gone then, it is that bug.

use serde::Serialize;
use vtd_qi::campaign::findings::Findings;
use vtd_qi::campaign::hangs::HangKind;
use vtd_qi::campaign::published::PublishedBug;
use vtd_qi::impl_qi::{FaultClass, IteWalk, Rules};

use crate::judge::{Bounds, Evidence, Reached, Sighting, search};
use crate::picture::Picture;

/// A bug that explains a state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "bug", rename_all = "kebab-case")]
pub enum KnownBug {
    /// The bug of 2024: reclaim takes a DONE away from its owner.
    #[serde(rename = "lost-done-2024")]
    LostDone2024,
    /// The bug of 2026: the ITE walk visits odd slots only.
    #[serde(rename = "odd-walk-2026")]
    OddWalk2026,
    /// A finding of docs/findings.md.
    Finding {
        /// Its number, from 1.
        number: usize,
        /// Its title.
        title: String,
    },
    /// None that is known.
    Unnamed,
}

impl KnownBug {
    /// The bug in a few words.
    pub fn name(&self) -> String {
        match self {
            KnownBug::LostDone2024 => PublishedBug::LostDone.name().to_string(),
            KnownBug::OddWalk2026 => PublishedBug::OddWalk.name().to_string(),
            KnownBug::Finding { number, title } => format!("finding {number} of docs/findings.md ({title})"),
            KnownBug::Unnamed => "a hang that no finding names".to_string(),
        }
    }

    /// Which kernels have it, and what mends it.
    pub fn fix(&self) -> &'static str {
        match self {
            KnownBug::LostDone2024 => PublishedBug::LostDone.fix(),
            KnownBug::OddWalk2026 => PublishedBug::OddWalk.fix(),
            KnownBug::Finding { .. } => "no kernel mends it up to now; docs/findings.md says which changes would",
            KnownBug::Unnamed => "nothing is known that mends it",
        }
    }

    /// The scenario or cell that has a run to it.
    pub fn shown_by(&self) -> Option<String> {
        match self {
            KnownBug::LostDone2024 => Some(PublishedBug::LostDone.shown_by().to_string()),
            KnownBug::OddWalk2026 => Some(PublishedBug::OddWalk.shown_by().to_string()),
            KnownBug::Finding { number, .. } => {
                Findings::embedded().findings.get(number - 1).map(|finding| finding.cell.clone())
            }
            KnownBug::Unnamed => None,
        }
    }
}

/// Names what a generation is seen to do; `None` if nothing is wrong with it.
pub fn name(
    rules: Rules,
    sighting: &Sighting,
    picture: &Picture,
    evidence: Evidence,
    bounds: Bounds,
) -> Option<KnownBug> {
    let Some(hang) = sighting.hang else {
        return sighting.leaks.then(|| finding(sighting.guess.class, "no-slot-leak"));
    };
    let from_odd_walk = || {
        let mended = Rules { ite_walk: IteWalk::Every, ..rules };
        let again = search(mended, sighting.guess, picture, Evidence { hangs: true, ..evidence }, bounds);
        matches!(again, Reached::No { .. })
    };
    let walks_odd = PublishedBug::OddWalk.is_in(&rules);
    Some(match (hang, hang.bug(&rules)) {
        (HangKind::LostDone, Some(_)) => KnownBug::LostDone2024,
        (HangKind::EndlessWalk, Some(_)) => KnownBug::OddWalk2026,
        (HangKind::MissedWd | HangKind::NoRoom | HangKind::LostDone, _) if walks_odd && from_odd_walk() => {
            KnownBug::OddWalk2026
        }
        _ => finding(sighting.guess.class, "call-eventually-returns"),
    })
}

/// The finding about a class of faults and a property.
fn finding(class: Option<FaultClass>, property: &str) -> KnownBug {
    let Some(class) = class else { return KnownBug::Unnamed };
    match Findings::embedded().about(class.name(), property) {
        Some((number, finding)) => KnownBug::Finding { number, title: finding.title.clone() },
        None => KnownBug::Unnamed,
    }
}
