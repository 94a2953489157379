//! How a call of `qi_submit_sync` hangs, as a log or a dump shows it, and which published bug that is.

use serde::Serialize;

use super::published::PublishedBug;
use crate::impl_qi::Rules;

/// How a call hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HangKind {
    /// Who handles an ITE walks for ever, with the lock held and interrupts off.
    EndlessWalk,
    /// The lock is kept for ever for another reason.
    LockKept,
    /// The descriptor at IQH is invalid, and no call takes it for its own: IQE stays set, and all poll for ever.
    UnclaimedIqe,
    /// A request times out and is posted again for ever.
    EndlessRetry,
    /// A DONE was reclaimed before its owner had looked: it polls for ever.
    LostDone,
    /// Hardware has dropped a WD, and nobody has marked it ABORT: its owner polls for ever.
    MissedWd,
    /// There are never enough free slots.
    NoRoom,
    /// None of these.
    Other,
}

impl HangKind {
    /// What it is, in a few words.
    pub fn name(self) -> &'static str {
        match self {
            HangKind::EndlessWalk => "the ITE walk never meets its end",
            HangKind::LockKept => "the lock is kept for ever",
            HangKind::UnclaimedIqe => "no call takes the invalid descriptor at IQH for its own",
            HangKind::EndlessRetry => "the request times out and is posted again for ever",
            HangKind::LostDone => "an owner waits for a DONE that was taken away",
            HangKind::MissedWd => "an owner waits for a WD that hardware has dropped",
            HangKind::NoRoom => "there are never enough free slots",
            HangKind::Other => "those who are in calls wait for what never comes",
        }
    }

    /// The published bug that it is under some rules. A missed WD may have another reason beside the walk over odd slots: whether it
    /// has is found out by the same search under the rules that mend the walk.
    ///
    /// ```
    /// use vtd_qi::campaign::hangs::HangKind;
    /// use vtd_qi::campaign::published::PublishedBug;
    /// use vtd_qi::impl_qi::Rules;
    /// assert_eq!(HangKind::MissedWd.bug(&Rules::G4), Some(PublishedBug::OddWalk));
    /// assert_eq!(HangKind::MissedWd.bug(&Rules::G5), None);
    /// ```
    pub fn bug(self, rules: &Rules) -> Option<PublishedBug> {
        let bug = match self {
            HangKind::EndlessWalk | HangKind::MissedWd => PublishedBug::OddWalk,
            HangKind::LostDone => PublishedBug::LostDone,
            _ => return None,
        };
        bug.is_in(rules).then_some(bug)
    }
}
