//! Generations of the driver as data: which rule each part of `qi_submit_sync` follows.
//!
//! A generation is a value of [`Rules`]; the step machine in [`super::driver`] asks the rules and never asks for a version.
//! The values marked *seeded* are no kernel's: they are faults put in on purpose, each of which a named property must kill.

use serde::{Deserialize, Serialize};

/// How many free slots the driver asks for before it posts `count` IDs and a WD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Room {
    /// `count + 2`: one slot always stays free, so that a full ring does not look empty (IQT = IQH).
    CountPlus2,
    /// Seeded: `count + 1` taken as enough.
    CountPlus1,
}

/// What a submitter does with the lock while it waits for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoomWait {
    /// Drops it, relaxes, takes it again.
    Unlock,
    /// Seeded: keeps it and looks again, so that nobody can make room.
    KeepLock,
}

/// Where a batch's WD lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Behind its IDs, at `index + count`.
    WdLast,
    /// Seeded: before its IDs, at `index`.
    WdFirst,
}

/// What becomes of an ID's status when the ID is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdStatus {
    /// IN_USE: the barrier that keeps others' reclaim away.
    InUse,
    /// Seeded: left as it was.
    Untouched,
}

/// When the WD, its status and IQT are written, once the IDs are in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Publish {
    /// Status IN_USE, the WD, IQT.
    StatusWdIqt,
    /// Seeded: status IN_USE, IQT, the WD.
    StatusIqtWd,
    /// Seeded: the WD, IQT, status IN_USE.
    WdIqtStatus,
}

/// Which statuses end the poll loop with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PollUntil {
    /// The own WD's slot reads DONE.
    Done,
    /// Seeded: the slot of the batch's *first* descriptor reads DONE.
    FirstSlotDone,
}

/// MARK: what a submitter writes into its own slots once its WD is DONE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// G1, G3: slots of IDs only, `0..count`, := DONE.
    IdsDone,
    /// G4 on: all own slots, `0..=count`, := FREE.
    AllFree,
    /// Seeded: slots of IDs only := FREE; the WD's stays DONE.
    IdsFree,
    /// Seeded: nothing is marked.
    Nothing,
}

/// RECLAIM (`reclaim_free_desc`): how far `free_tail` advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reclaim {
    /// G1, G3: while the status of `free_tail` is DONE or ABORT; set it FREE and advance.
    WhileDone,
    /// G4 on: while the status of `free_tail` is FREE and `free_tail != free_head`; advance.
    WhileFreeToHead,
    /// Seeded: while the status is FREE, without the head guard (an early form of the 2024 fix).
    WhileFree,
    /// Seeded: up to `free_head`, whatever the statuses say.
    ToHead,
    /// Seeded: not at all.
    Never,
}

/// Whether MARK and RECLAIM run under `q_lock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CleanUp {
    /// Under the lock.
    Locked,
    /// Seeded: after the lock has been dropped.
    Unlocked,
}

/// The rules of one generation of `qi_submit_sync`.
///
/// ```
/// use vtd_qi::impl_qi::{Mark, Reclaim, Rules};
/// assert_eq!((Rules::G3.mark, Rules::G3.reclaim), (Mark::IdsDone, Reclaim::WhileDone));
/// assert_eq!((Rules::G4.mark, Rules::G4.reclaim), (Mark::AllFree, Reclaim::WhileFreeToHead));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rules {
    /// Free slots asked for.
    pub room: Room,
    /// The lock while waiting for room.
    pub room_wait: RoomWait,
    /// Where the WD lies.
    pub layout: Layout,
    /// The IDs' statuses.
    pub id_status: IdStatus,
    /// The order of WD, status and IQT.
    pub publish: Publish,
    /// What ends the poll loop.
    pub poll: PollUntil,
    /// MARK.
    pub mark: Mark,
    /// RECLAIM.
    pub reclaim: Reclaim,
    /// The lock during MARK and RECLAIM.
    pub clean_up: CleanUp,
}

impl Rules {
    /// Linux 5.8 to 6.8 (and 6.9 to 6.11.2, which differ under time-outs only): before the 2024 fix.
    pub const G3: Rules = Rules {
        room: Room::CountPlus2,
        room_wait: RoomWait::Unlock,
        layout: Layout::WdLast,
        id_status: IdStatus::InUse,
        publish: Publish::StatusWdIqt,
        poll: PollUntil::Done,
        mark: Mark::IdsDone,
        reclaim: Reclaim::WhileDone,
        clean_up: CleanUp::Locked,
    };

    /// Linux 6.11.3 on: the 2024 fix, commit 3cf74230c139.
    pub const G4: Rules = Rules { mark: Mark::AllFree, reclaim: Reclaim::WhileFreeToHead, ..Rules::G3 };

    /// Whether hardware reads no slot but those that were posted and not reclaimed since: IQT never passes a slot that has
    /// not just been written, and no slot is handed out that hardware has still to read.
    ///
    /// Then descriptors outside [IQH, IQT) are dead, and [`super::State::canonical`] may clear them. It is so for the kernel's
    /// own rules; of the seeded ones those that touch the post or let RECLAIM run ahead are left out.
    pub fn keeps_hardware_behind_posts(&self) -> bool {
        self.room == Room::CountPlus2
            && self.layout == Layout::WdLast
            && self.id_status == IdStatus::InUse
            && self.publish == Publish::StatusWdIqt
            && matches!(self.reclaim, Reclaim::WhileDone | Reclaim::WhileFreeToHead | Reclaim::Never)
            && self.clean_up == CleanUp::Locked
    }

    /// Free slots asked for before `count` IDs and a WD are posted.
    pub fn slots_needed(&self, count: u8) -> u16 {
        u16::from(count)
            + match self.room {
                Room::CountPlus2 => 2,
                Room::CountPlus1 => 1,
            }
    }
}

/// A generation of the kernel's driver: a rule set that goes by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// The name in tables and on command lines.
    pub name: &'static str,
    /// Its rules.
    pub rules: Rules,
    /// What it is, in a few words.
    pub what: &'static str,
}

/// The generations, oldest first.
pub const GENERATIONS: &[Generation] = &[
    Generation { name: "g3", rules: Rules::G3, what: "Linux 5.8 .. 6.11.2, before the 2024 fix" },
    Generation { name: "g4", rules: Rules::G4, what: "Linux 6.11.3 .., the 2024 fix" },
];

impl Generation {
    /// The rule set of a given name.
    pub fn named(name: &str) -> Option<&'static Generation> {
        GENERATIONS.iter().find(|g| g.name == name)
    }
}
