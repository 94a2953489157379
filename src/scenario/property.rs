//! The properties that can be checked of a scenario: safety, refinement and liveness, by one name each.

use crate::impl_qi::{Faults, Safety, SlotFairness};

/// A property that can be checked of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// A named safety property of the ring.
    Safety(Safety),
    /// No terminal state with an unfinished call.
    NoDeadlock,
    /// Step refinement of the reliable specification.
    RefinesSpec,
    /// Refinement of the reliable specification with its fairness: every fair run keeps what the specification promises.
    RefinesFairSpec,
    /// Step refinement of the specification that may lose a Done.
    RefinesLossySpec,
    /// A posted WD is eventually observed DONE by its owner.
    WdEventuallyObservedDone,
    /// A call eventually returns.
    CallEventuallyReturns,
    /// Nobody keeps the lock for ever.
    LockEventuallyDropped,
    /// A call that wants to post eventually does.
    CallEventuallyPosted,
}

impl Check {
    /// All properties, in the order of the table's columns.
    pub fn all() -> impl Iterator<Item = Check> {
        Safety::ALL.into_iter().map(Check::Safety).chain([
            Check::NoDeadlock,
            Check::RefinesSpec,
            Check::RefinesFairSpec,
            Check::RefinesLossySpec,
            Check::WdEventuallyObservedDone,
            Check::CallEventuallyReturns,
            Check::LockEventuallyDropped,
            Check::CallEventuallyPosted,
        ])
    }

    /// What `checks = "everything"` means where no fault occurs: all but those about faults and those that have scenarios of
    /// their own.
    pub fn everything() -> impl Iterator<Item = Check> {
        Check::without_faults().filter(|check| !matches!(check, Check::RefinesLossySpec | Check::CallEventuallyPosted))
    }

    /// The properties that say something where no fault occurs.
    pub fn without_faults() -> impl Iterator<Item = Check> {
        Check::all().filter(|check| match check {
            Check::Safety(safety) => !safety.needs_faults(),
            Check::CallEventuallyReturns | Check::LockEventuallyDropped => false,
            _ => true,
        })
    }

    /// The properties that are promised under faults.
    pub fn under_faults() -> impl Iterator<Item = Check> {
        let safety = Safety::ALL.into_iter().map(Check::Safety);
        safety.chain([
            Check::NoDeadlock,
            Check::RefinesSpec,
            Check::RefinesFairSpec,
            Check::CallEventuallyReturns,
            Check::LockEventuallyDropped,
        ])
    }

    /// The properties of a configuration made with options for which no property is named: first those that are promised there
    /// and are asked; then those that no driver promises there, since a call that waits for slots may wait for ever, and that
    /// are not asked.
    pub fn promised(faults: &Faults, slots: SlotFairness) -> (Vec<Check>, Vec<Check>) {
        let meaningful: Vec<Check> = match faults.is_none() {
            true => Check::without_faults().collect(),
            false => Check::under_faults().collect(),
        };
        meaningful.into_iter().partition(|check| slots == SlotFairness::Fair || !check.needs_fair_slots(faults))
    }

    /// Whether it needs [`SlotFairness::Fair`]: a call that is to return or post has to get slots, and a batch that an ITE has aborted
    /// has to get them once more.
    pub fn needs_fair_slots(self, faults: &Faults) -> bool {
        match self {
            Check::CallEventuallyPosted | Check::CallEventuallyReturns => true,
            Check::RefinesFairSpec => faults.time_out(),
            _ => false,
        }
    }

    /// The name of the property in tables, files and command lines.
    pub fn name(self) -> &'static str {
        match self {
            Check::Safety(safety) => safety.name(),
            Check::NoDeadlock => "no-deadlock",
            Check::RefinesSpec => "refines-spec",
            Check::RefinesFairSpec => "refines-fair-spec",
            Check::RefinesLossySpec => "refines-lossy-spec",
            Check::WdEventuallyObservedDone => "wd-eventually-observed-done",
            Check::CallEventuallyReturns => "call-eventually-returns",
            Check::LockEventuallyDropped => "lock-eventually-dropped",
            Check::CallEventuallyPosted => "call-eventually-posted",
        }
    }

    /// The code of the property, the same wherever there is no room for its name: `S` for safety, `R` for refinement, `L` for
    /// liveness.
    pub fn code(self) -> &'static str {
        match self {
            Check::Safety(safety) => match safety {
                Safety::FreeCntConsistent => "S1",
                Safety::NoOverwriteInFlight => "S2",
                Safety::IqtDiffersFromIqh => "S3",
                Safety::HwFetchedUnowned => "S4",
                Safety::SuccessAfterExecution => "S5",
                Safety::NoStrangerDone => "S6",
                Safety::LockHeldOnAccess => "S7",
                Safety::NoSlotLeak => "S8",
                Safety::NoStrayStatusWrite => "S9",
                Safety::EinvalOnlyIfInvalid => "S10",
                Safety::EtimedoutOnlyIfGone => "S11",
            },
            Check::NoDeadlock => "S12",
            Check::RefinesSpec => "R1",
            Check::RefinesFairSpec => "R2",
            Check::RefinesLossySpec => "R3",
            Check::WdEventuallyObservedDone => "L1",
            Check::CallEventuallyReturns => "L2",
            Check::LockEventuallyDropped => "L3",
            Check::CallEventuallyPosted => "L4",
        }
    }

    /// What it means to a caller of the driver that the property is violated.
    pub fn harm(self) -> &'static str {
        match self {
            Check::Safety(safety) => safety.harm(),
            Check::NoDeadlock => "the ring stands still with a call unfinished",
            Check::RefinesSpec | Check::RefinesFairSpec => "callers see what the specification rules out",
            Check::RefinesLossySpec => "a lost completion alone does not explain what callers see",
            Check::WdEventuallyObservedDone => "a thread waits for ever for its completion",
            Check::CallEventuallyReturns => "a call never returns",
            Check::LockEventuallyDropped => "a thread keeps the lock for ever",
            Check::CallEventuallyPosted => "a call may wait for ever for free slots",
        }
    }

    /// What the property says, in one line.
    pub fn meaning(self) -> &'static str {
        match self {
            Check::Safety(safety) => safety.meaning(),
            Check::NoDeadlock => "no terminal state with an unfinished call",
            Check::RefinesSpec => "every step of the ring is one step of the specification or none",
            Check::RefinesFairSpec => "no fair run of the ring breaks a fairness condition of the specification",
            Check::RefinesLossySpec => "as refines-spec, against the specification that may lose a Done",
            Check::WdEventuallyObservedDone => "every posted WD is eventually observed DONE by its owner",
            Check::CallEventuallyReturns => "every call eventually returns",
            Check::LockEventuallyDropped => "nobody keeps the lock for ever",
            Check::CallEventuallyPosted => "every call that waits for slots eventually posts its batch",
        }
    }

    /// Whether it is about single states or steps, so that a shortest run to a violation exists.
    pub fn is_safety(self) -> bool {
        matches!(self, Check::Safety(_) | Check::NoDeadlock | Check::RefinesSpec | Check::RefinesLossySpec)
    }

    /// The property of a given name.
    pub fn named(name: &str) -> Option<Check> {
        Check::all().find(|check| check.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeSet;

    #[test]
    fn no_two_properties_share_a_name_or_a_code() {
        let words: BTreeSet<&str> = Check::all().flat_map(|check| [check.name(), check.code()]).collect();
        assert_eq!(words.len(), 2 * Check::all().count());
    }
}
