//! The published bugs of the driver: what each is, what mends it, and where the model shows it.

use crate::impl_qi::{IteWalk, Reclaim, Rules};

/// A bug that was published with its fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PublishedBug {
    /// The bug of 2024: RECLAIM takes a DONE away before its owner has seen it.
    LostDone,
    /// The bug of 2026: the walk after an ITE visits odd slots only.
    OddWalk,
}

impl PublishedBug {
    /// Both, the older first.
    pub const ALL: [PublishedBug; 2] = [PublishedBug::LostDone, PublishedBug::OddWalk];

    /// The year of its fix.
    pub fn year(self) -> u16 {
        match self {
            PublishedBug::LostDone => 2024,
            PublishedBug::OddWalk => 2026,
        }
    }

    /// The bug in a few words.
    pub fn name(self) -> &'static str {
        match self {
            PublishedBug::LostDone => {
                "the bug of 2024 (a DONE is reclaimed before its owner has seen it; CVE-2024-49993)"
            }
            PublishedBug::OddWalk => "the bug of 2026 (the ITE walk visits odd slots only)",
        }
    }

    /// The commit of the kernel that mends it.
    pub fn commit(self) -> &'static str {
        match self {
            PublishedBug::LostDone => "3cf74230c139",
            PublishedBug::OddWalk => "fe89277c9ceb",
        }
    }

    /// Which kernels have it, and which are mended.
    pub fn fix(self) -> &'static str {
        match self {
            PublishedBug::LostDone => {
                "Linux 5.8 up to 6.11.2 has it; commit 3cf74230c139 mends it (6.11.3, 6.1.113, Debian 5.10.251-5)"
            }
            PublishedBug::OddWalk => {
                "Linux has it from 2.6.30 on, and visibly since batches exist; commit fe89277c9ceb mends it (7.0, 6.12.78, 6.1.167, Debian \
                 5.10.262-1)"
            }
        }
    }

    /// The scenario or cell that has a run to the hang.
    pub fn shown_by(self) -> &'static str {
        match self {
            PublishedBug::LostDone => "g3-patch-2x4",
            PublishedBug::OddWalk => "g4-lost-answer-in-order-drop-2x4",
        }
    }

    /// Whether a driver with these rules has it. A lone WD is needed for the first, which the oldest driver does not post.
    ///
    /// ```
    /// use vtd_qi::campaign::published::PublishedBug;
    /// use vtd_qi::impl_qi::GENERATIONS;
    /// let have = |bug: PublishedBug| -> Vec<&str> {
    ///     GENERATIONS.iter().filter(|generation| bug.is_in(&generation.rules)).map(|generation| generation.name).collect()
    /// };
    /// assert_eq!(have(PublishedBug::LostDone), ["g3", "g3t"]);
    /// assert_eq!(have(PublishedBug::OddWalk), ["g1", "g3", "g3t", "g4", "g4r"]);
    /// ```
    pub fn is_in(self, rules: &Rules) -> bool {
        match self {
            PublishedBug::LostDone => rules.reclaim == Reclaim::WhileDone && !rules.one_id_only(),
            PublishedBug::OddWalk => rules.ite_walk == IteWalk::Odd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::matrix::Matrix;
    use crate::scenario::{Check, Table};

    /// A hang shows in liveness.
    #[test]
    fn what_shows_a_bug_has_it_and_is_expected_to_hang() {
        let (table, matrix) = (Table::embedded(), Matrix::embedded());
        for bug in PublishedBug::ALL {
            let cell = || matrix.find(bug.shown_by()).map(|cell| &cell.scenario);
            let scenario = table.find(bug.shown_by()).or_else(cell).unwrap();
            assert!(bug.is_in(&scenario.cfg.rules), "{bug:?}");
            let liveness = |name: &str| Check::named(name).is_some_and(|check| !check.is_safety());
            let hangs = scenario.expected.iter().any(|(name, expected)| expected.violated && liveness(name));
            assert!(hangs, "{bug:?}: {:?}", scenario.expected.keys());
            assert!(bug.fix().contains(bug.commit()) && bug.name().contains(&bug.year().to_string()));
        }
    }
}
