//! Which bug a hang is: one of the two that are published, or a finding of this project.
//!
//! A name is not read off the picture. Where the odd ITE walk is suspected, the same search is made with the one rule changed that the
//! fix changed: if the hang is gone then, it is that bug.

use serde::Serialize;
use vtd_qi::campaign::findings::Findings;
use vtd_qi::impl_qi::{FaultClass, IteWalk, Reclaim, Rules};

use crate::judge::{Bounds, Evidence, HangKind, Reached, Sighting, search};
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
            KnownBug::LostDone2024 => {
                "the bug of 2024 (a DONE is reclaimed before its owner has seen it; CVE-2024-49993)".to_string()
            }
            KnownBug::OddWalk2026 => "the bug of 2026 (the ITE walk visits odd slots only)".to_string(),
            KnownBug::Finding { number, title } => format!("finding {number} of docs/findings.md ({title})"),
            KnownBug::Unnamed => "a hang that no finding names".to_string(),
        }
    }

    /// Which kernels have it, and what mends it.
    pub fn fix(&self) -> &'static str {
        match self {
            KnownBug::LostDone2024 => {
                "Linux 5.8 up to 6.11.2 has it; commit 3cf74230c139 mends it (6.11.3, 6.1.113, Debian 5.10.251-5)"
            }
            KnownBug::OddWalk2026 => {
                "Linux has it from 2.6.30 on, and visibly since batches exist; commit fe89277c9ceb mends it (7.0, 6.12.78, 6.1.167, Debian \
                 5.10.262-1)"
            }
            KnownBug::Finding { .. } => "no kernel mends it up to now; docs/findings.md says which changes would",
            KnownBug::Unnamed => "nothing is known that mends it",
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
    Some(match hang {
        HangKind::LostDone if rules.reclaim == Reclaim::WhileDone => KnownBug::LostDone2024,
        HangKind::EndlessWalk if rules.ite_walk == IteWalk::Odd => KnownBug::OddWalk2026,
        HangKind::MissedAbort | HangKind::NoRoom | HangKind::LostDone
            if rules.ite_walk == IteWalk::Odd && from_odd_walk() =>
        {
            KnownBug::OddWalk2026
        }
        _ => finding(sighting.guess.class, "call-eventually-returns"),
    })
}

/// The finding about a class of faults and a property.
fn finding(class: Option<FaultClass>, property: &str) -> KnownBug {
    let Some(class) = class else { return KnownBug::Unnamed };
    let findings = Findings::embedded().findings;
    let about = |class: &str, property: &str| {
        let told = |finding: &vtd_qi::campaign::findings::Finding| {
            finding.classes.iter().any(|name| name == class) && finding.properties.iter().any(|name| name == property)
        };
        findings.iter().position(told)
    };
    match about(class.name(), property) {
        Some(at) => KnownBug::Finding { number: at + 1, title: findings[at].title.clone() },
        None => KnownBug::Unnamed,
    }
}
