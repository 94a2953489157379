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
    /// G1: all statuses IN_USE, the WD's first, before any descriptor; the IDs, the WD, IQT.
    StatusesFirst,
}

/// ITE walk: which slots the fault check turns from IN_USE to ABORT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IteWalk {
    /// Up to G4: odd slots, from the days when every WD lay on one.
    Odd,
    /// G5: every slot.
    Every,
}

/// What the one who handles an ITE makes of ITESID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeOut {
    /// `r`: nothing.
    Retry,
    /// `t`: if it names a device that is gone, return `-ETIMEDOUT`.
    Return,
}

/// Whether ITE is cleared before or after the ITE walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IteClear {
    /// Every kernel: hardware fetches on while statuses are marked.
    BeforeWalk,
    /// g5plus: hardware stands still until all is marked.
    AfterWalk,
}

/// What becomes of a batch that IQH stands in when ITE is handled: some of its IDs were fetched, its WD was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Straddler {
    /// Every kernel: nothing; its WD will complete.
    Ignore,
    /// g5plus: its WD is rewritten to write `QI_ABORT`.
    WriteAbort,
}

/// Whose descriptor a submitter takes the one at IQH for when IQE is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IqeAt {
    /// Every kernel: its own if it is its batch's first.
    First,
    /// g5plus: its own if it is any of its batch.
    Any,
}

/// What is written over an invalid descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IqePatch {
    /// Every kernel: a copy of the batch's WD.
    CopyWd,
    /// g5plus: a WD that writes `QI_IN_USE` to that slot's own status, which is `QI_IN_USE`.
    NullWd,
}

/// When a submitter whose descriptor was invalid leaves the poll loop with `-EINVAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IqeReturn {
    /// Every kernel: at once.
    AtOnce,
    /// g5plus: when its WD has completed or was aborted.
    WhenDone,
}

/// Whether a submitter asks if the devices that its IDs address are there before it posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// Every kernel: not in `qi_submit_sync`.
    Unasked,
    /// g5plus: with the lock held, each time before it posts; if one is gone it returns `-ETIMEDOUT`.
    BeforePost,
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
    /// The slots of the ITE walk.
    pub ite_walk: IteWalk,
    /// What ITESID is good for.
    pub time_out: TimeOut,
    /// The order of clearing ITE and walking.
    pub ite_clear: IteClear,
    /// The batch that IQH stands in.
    pub straddler: Straddler,
    /// Whose the descriptor at IQH is.
    pub iqe_at: IqeAt,
    /// What is written over an invalid descriptor.
    pub iqe_patch: IqePatch,
    /// When `-EINVAL` is returned.
    pub iqe_return: IqeReturn,
    /// Whether devices are asked for before posting.
    pub presence: Presence,
}

impl Rules {
    /// The rules that say something only where faults occur, as they are written in files.
    pub const ABOUT_FAULTS: [&str; 8] =
        ["ite-walk", "time-out", "ite-clear", "straddler", "iqe-at", "iqe-patch", "iqe-return", "presence"];

    /// Linux 2.6.30 to 5.7: always 1 ID and a WD.
    pub const G1: Rules = Rules { publish: Publish::StatusesFirst, ..Rules::G3 };

    /// Linux 5.8 to 6.8: before the 2024 fix.
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
        ite_walk: IteWalk::Odd,
        time_out: TimeOut::Retry,
        ite_clear: IteClear::BeforeWalk,
        straddler: Straddler::Ignore,
        iqe_at: IqeAt::First,
        iqe_patch: IqePatch::CopyWd,
        iqe_return: IqeReturn::AtOnce,
        presence: Presence::Unasked,
    };

    /// Linux 6.9 to 6.11.2: as G3, and a device that is gone is not waited for.
    pub const G3T: Rules = Rules { time_out: TimeOut::Return, ..Rules::G3 };

    /// Backports from 6.1.113 on: the 2024 fix without [`TimeOut::Return`].
    pub const G4R: Rules = Rules { mark: Mark::AllFree, reclaim: Reclaim::WhileFreeToHead, ..Rules::G3 };

    /// Linux 6.11.3 on: the 2024 fix, commit 3cf74230c139.
    pub const G4: Rules = Rules { time_out: TimeOut::Return, ..Rules::G4R };

    /// Linux 6.1.167 on: the 2026 fix without [`TimeOut::Return`].
    pub const G5R: Rules = Rules { ite_walk: IteWalk::Every, ..Rules::G4R };

    /// Linux 7.0 and 6.12.78 on: the 2026 fix, commit fe89277c9ceb.
    pub const G5: Rules = Rules { ite_walk: IteWalk::Every, ..Rules::G4 };

    /// No kernel's: G5 mended, see FINDINGS.md.
    pub const G5_PLUS: Rules = Rules {
        time_out: TimeOut::Retry,
        ite_clear: IteClear::AfterWalk,
        straddler: Straddler::WriteAbort,
        iqe_at: IqeAt::Any,
        iqe_patch: IqePatch::NullWd,
        iqe_return: IqeReturn::WhenDone,
        presence: Presence::BeforePost,
        ..Rules::G5
    };

    /// Whether hardware reads no slot but those that were posted and not reclaimed since: IQT never passes a slot that has
    /// not just been written, and no slot is handed out that hardware has still to read.
    ///
    /// Then descriptors outside [IQH, IQT) are dead, and [`super::Ring::canonical`] may clear them. It is so for the kernel's
    /// own rules; of the seeded ones those that touch the post or let RECLAIM run ahead are left out.
    pub fn keeps_hardware_behind_posts(&self) -> bool {
        self.room == Room::CountPlus2
            && self.layout == Layout::WdLast
            && self.id_status == IdStatus::InUse
            && matches!(self.publish, Publish::StatusWdIqt | Publish::StatusesFirst)
            && matches!(self.reclaim, Reclaim::WhileDone | Reclaim::WhileFreeToHead | Reclaim::Never)
            && self.clean_up == CleanUp::Locked
    }

    /// The same with G3's rules about faults: where none occurs they say nothing.
    pub fn without_faults(self) -> Rules {
        Rules {
            ite_walk: Rules::G3.ite_walk,
            time_out: Rules::G3.time_out,
            ite_clear: Rules::G3.ite_clear,
            straddler: Rules::G3.straddler,
            iqe_at: Rules::G3.iqe_at,
            iqe_patch: Rules::G3.iqe_patch,
            iqe_return: Rules::G3.iqe_return,
            presence: Rules::G3.presence,
            ..self
        }
    }

    /// Whether it posts exactly one ID and a WD.
    pub fn one_id_only(&self) -> bool {
        self.publish == Publish::StatusesFirst
    }

    /// By how many slots the ring may be rotated: the odd walk tells odd slots from even ones.
    pub fn rotation(&self, time_out: bool) -> u16 {
        match self.ite_walk {
            IteWalk::Odd if time_out => 2,
            IteWalk::Odd | IteWalk::Every => 1,
        }
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

/// The generations, oldest first. (There is no G2: it differed in descriptor size only.)
pub const GENERATIONS: &[Generation] = &[
    Generation { name: "g1", rules: Rules::G1, what: "Linux 2.6.30 .. 5.7: 1 ID and a WD, two slots" },
    Generation { name: "g3", rules: Rules::G3, what: "Linux 5.8 .. 6.8, before the 2024 fix" },
    Generation { name: "g3t", rules: Rules::G3T, what: "Linux 6.9 .. 6.11.2, before the 2024 fix" },
    Generation { name: "g4", rules: Rules::G4, what: "Linux 6.11.3 .., the 2024 fix" },
    Generation { name: "g4r", rules: Rules::G4R, what: "backports such as 6.1.113 .., the 2024 fix" },
    Generation { name: "g5", rules: Rules::G5, what: "Linux 7.0 .., 6.12.78 .., the 2026 fix" },
    Generation { name: "g5r", rules: Rules::G5R, what: "backports such as 6.1.167 .., the 2026 fix" },
    Generation { name: "g5plus", rules: Rules::G5_PLUS, what: "no kernel's: g5 mended, see FINDINGS.md" },
];

impl Generation {
    /// The rule set of a given name.
    pub fn named(name: &str) -> Option<&'static Generation> {
        GENERATIONS.iter().find(|g| g.name == name)
    }
}
