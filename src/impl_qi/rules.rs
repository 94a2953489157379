//! Generations of the driver as data: which rule each part of `qi_submit_sync` follows.
//!
//! A generation is a value of [`Rules`]; the step machine in [`super::driver`] asks the rules and never asks for a version.
//! The values marked *seeded* are no kernel's: they are faults put in on purpose, each of which a named property must kill.

use crate::words;
use crate::words::{UnknownWord, Word};

words! {
    /// How many free slots the driver asks for before it posts `count` IDs and a WD.
    pub enum Room as "room" {
        /// `count + 2`: one slot always stays free, so that a full ring does not look empty (IQT = IQH).
        CountPlus2 = "count-plus2",
        /// Seeded: `count + 1` taken as enough.
        CountPlus1 = "count-plus1",
    }
}

words! {
    /// What a submitter does with the lock while it waits for room.
    pub enum RoomWait as "room-wait" {
        /// Drops it, relaxes, takes it again.
        Unlock = "unlock",
        /// Seeded: keeps it and looks again, so that nobody can make room.
        KeepLock = "keep-lock",
    }
}

words! {
    /// Where a batch's WD lies.
    pub enum Layout as "layout" {
        /// Behind its IDs, at `index + count`.
        WdLast = "wd-last",
        /// Seeded: before its IDs, at `index`.
        WdFirst = "wd-first",
    }
}

words! {
    /// What becomes of an ID's status when the ID is written.
    pub enum IdStatus as "id-status" {
        /// IN_USE: the barrier that keeps others' reclaim away.
        InUse = "in-use",
        /// Seeded: left as it was.
        Untouched = "untouched",
    }
}

words! {
    /// When the WD, its status and IQT are written, once the IDs are in place.
    pub enum Publish as "publish" {
        /// Status IN_USE, the WD, IQT.
        StatusWdIqt = "status-wd-iqt",
        /// Seeded: status IN_USE, IQT, the WD.
        StatusIqtWd = "status-iqt-wd",
        /// Seeded: the WD, IQT, status IN_USE.
        WdIqtStatus = "wd-iqt-status",
        /// G1: all statuses IN_USE, the WD's first, before any descriptor; the IDs, the WD, IQT.
        StatusesFirst = "statuses-first",
    }
}

words! {
    /// ITE walk: which slots the fault check turns from IN_USE to ABORT.
    pub enum IteWalk as "ite-walk" {
        /// Up to G4: odd slots, from the days when every WD lay on one.
        Odd = "odd",
        /// G5: every slot.
        Every = "every",
    }
}

words! {
    /// How the thread that handles an ITE uses the ITESID field.
    pub enum TimeOut as "time-out" {
        /// `r`: it does not; the batch is posted again.
        Retry = "retry",
        /// `t`: if it names a device that is gone, return `-ETIMEDOUT`.
        Return = "return",
    }
}

words! {
    /// Whether ITE is cleared before or after the ITE walk.
    pub enum IteClear as "ite-clear" {
        /// Every kernel: hardware fetches on while statuses are marked.
        BeforeWalk = "before-walk",
        /// g5plus: hardware stands still until all is marked.
        AfterWalk = "after-walk",
    }
}

words! {
    /// What becomes of a batch that IQH stands in when ITE is handled: some of its IDs were fetched, its WD was not.
    pub enum Straddler as "straddler" {
        /// Every kernel: nothing; its WD will complete.
        Ignore = "ignore",
        /// g5plus: its WD is rewritten to write `QI_ABORT`.
        WriteAbort = "write-abort",
    }
}

words! {
    /// When IQE is set: which descriptors at IQH a submitter recognises as its own.
    pub enum IqeAt as "iqe-at" {
        /// Every kernel: its own if it is its batch's first.
        First = "first",
        /// g5plus: its own if it is any of its batch.
        Any = "any",
    }
}

words! {
    /// What is written over an invalid descriptor.
    pub enum IqePatch as "iqe-patch" {
        /// Every kernel: a copy of the batch's WD.
        CopyWd = "copy-wd",
        /// g5plus: a WD that writes `QI_IN_USE` to that slot's own status, which is `QI_IN_USE`.
        NullWd = "null-wd",
    }
}

words! {
    /// When a submitter whose descriptor was invalid leaves the poll loop with `-EINVAL`.
    pub enum IqeReturn as "iqe-return" {
        /// Every kernel: at once.
        AtOnce = "at-once",
        /// g5plus: when its WD has completed or was aborted.
        WhenDone = "when-done",
    }
}

words! {
    /// Whether a submitter asks if the devices that its IDs address are there before it posts.
    pub enum Presence as "presence" {
        /// Every kernel: not in `qi_submit_sync`.
        Unasked = "unasked",
        /// g5plus: with the lock held, each time before it posts; if one is gone it returns `-ETIMEDOUT`.
        BeforePost = "before-post",
    }
}

words! {
    /// Which statuses end the poll loop with success.
    pub enum PollUntil as "poll" {
        /// The own WD's slot reads DONE.
        Done = "done",
        /// Seeded: the slot of the batch's *first* descriptor reads DONE.
        FirstSlotDone = "first-slot-done",
    }
}

words! {
    /// MARK: what a submitter writes into its own slots once its WD is DONE.
    pub enum Mark as "mark" {
        /// G1, G3: slots of IDs only, `0..count`, := DONE.
        IdsDone = "ids-done",
        /// G4 on: all own slots, `0..=count`, := FREE.
        AllFree = "all-free",
        /// Seeded: slots of IDs only := FREE; the WD's stays DONE.
        IdsFree = "ids-free",
        /// Seeded: nothing is marked.
        Nothing = "nothing",
    }
}

words! {
    /// RECLAIM (`reclaim_free_desc`): how far `free_tail` advances.
    pub enum Reclaim as "reclaim" {
        /// G1, G3: while the status of `free_tail` is DONE or ABORT; set it FREE and advance.
        WhileDone = "while-done",
        /// G4 on: while the status of `free_tail` is FREE and `free_tail != free_head`; advance.
        WhileFreeToHead = "while-free-to-head",
        /// Seeded: while the status is FREE, without the head guard (an early form of the 2024 fix).
        WhileFree = "while-free",
        /// Seeded: up to `free_head`, whatever the statuses say.
        ToHead = "to-head",
        /// Seeded: not at all.
        Never = "never",
    }
}

words! {
    /// Whether MARK and RECLAIM run under `q_lock`.
    pub enum CleanUp as "clean-up" {
        /// Under the lock.
        Locked = "locked",
        /// Seeded: after the lock has been dropped.
        Unlocked = "unlocked",
    }
}

/// Declares [`Rules`]: each field is a rule that goes by its enum's [`Word::KIND`].
macro_rules! rules {
    ($(#[$attribute:meta])* pub struct Rules { $($(#[$of_rule:meta])* pub $rule:ident: $values:ident,)+ }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct Rules {
            $($(#[$of_rule])* pub $rule: $values,)+
        }

        impl Rules {
            /// The names of the rules, in the order of the fields.
            pub const NAMES: [&'static str; [$($values::KIND),+].len()] = [$($values::KIND),+];

            /// The rules with their values, by name.
            pub fn words(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
                [$(($values::KIND, self.$rule.name())),+].into_iter()
            }

            /// What a rule may be, in the order of its enum; `None` if there is no rule of that name.
            pub fn values(rule: &str) -> Option<Vec<&'static str>> {
                match rule {
                    $(_ if rule == $values::KIND => Some($values::ALL.map($values::name).to_vec()),)+
                    _ => None,
                }
            }

            /// What each of these values means, in the same order.
            pub fn meanings(rule: &str) -> Option<Vec<&'static str>> {
                match rule {
                    $(_ if rule == $values::KIND => Some($values::MEANINGS.iter().map(|it| it.trim()).collect()),)+
                    _ => None,
                }
            }

            /// Sets a rule by name.
            ///
            /// # Errors
            /// [`UnknownWord`] for a rule or a value that there is not, with those that there are.
            pub fn set(&mut self, rule: &str, value: &str) -> Result<(), UnknownWord> {
                match rule {
                    $(_ if rule == $values::KIND => self.$rule = value.parse()?,)+
                    _ => {
                        let (word, known) = (rule.to_string(), Rules::NAMES.to_vec());
                        return Err(UnknownWord { what: "rule".into(), word, known });
                    }
                }
                Ok(())
            }
        }
    };
}

rules! {
    /// The rules of one generation of `qi_submit_sync`.
    ///
    /// ```
    /// use vtd_qi::impl_qi::{Mark, Reclaim, Rules};
    /// assert_eq!((Rules::G3.mark, Rules::G3.reclaim), (Mark::IdsDone, Reclaim::WhileDone));
    /// assert_eq!((Rules::G4.mark, Rules::G4.reclaim), (Mark::AllFree, Reclaim::WhileFreeToHead));
    /// ```
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
        /// Whether a time-out of a device that is gone is returned as `-ETIMEDOUT`.
        pub time_out: TimeOut,
        /// The order of clearing ITE and walking.
        pub ite_clear: IteClear,
        /// The batch that IQH stands in.
        pub straddler: Straddler,
        /// Which submitter takes the descriptor at IQH for its own.
        pub iqe_at: IqeAt,
        /// What is written over an invalid descriptor.
        pub iqe_patch: IqePatch,
        /// When `-EINVAL` is returned.
        pub iqe_return: IqeReturn,
        /// Whether a submitter asks before posting if its devices are present.
        pub presence: Presence,
    }
}

impl Rules {
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

    /// No kernel's: G5 mended, see docs/findings.md.
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
    Generation { name: "g3", rules: Rules::G3, what: "Linux 5.8 .. 6.8 (6.9 .. 6.11.2: g3t), no fix yet" },
    Generation { name: "g3t", rules: Rules::G3T, what: "Linux 6.9 .. 6.11.2, before the 2024 fix" },
    Generation { name: "g4", rules: Rules::G4, what: "Linux 6.11.3 .., the 2024 fix" },
    Generation { name: "g4r", rules: Rules::G4R, what: "backports such as 6.1.113 .., the 2024 fix" },
    Generation { name: "g5", rules: Rules::G5, what: "Linux 7.0 .., 6.12.78 .., the 2026 fix" },
    Generation { name: "g5r", rules: Rules::G5R, what: "backports such as 6.1.167 .., the 2026 fix" },
    Generation { name: "g5plus", rules: Rules::G5_PLUS, what: "no kernel's: g5 mended, see docs/findings.md" },
];

impl Generation {
    /// The rule set of a given name.
    pub fn named(name: &str) -> Option<&'static Generation> {
        GENERATIONS.iter().find(|g| g.name == name)
    }

    /// Whether some kernel has it: g5plus is this project's.
    pub fn is_in_linux(&self) -> bool {
        self.rules != Rules::G5_PLUS
    }
}
