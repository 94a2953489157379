//! Whether a generation of the driver can come to a picture, and whether it hangs there.
//!
//! For each [`FaultGuess`] the model is run on a ring of up to 32 slots through every order of steps that posts the batches of the
//! picture, and no others. The states that look like the picture are collected; from them the ring is left to itself, and a call
//! that no run brings to its end hangs. A search that reaches its bound says so: then nothing follows from what was not found.

use std::sync::atomic::AtomicBool;

use stateright_temporal::graph::Limits;
use stateright_temporal::memory::Memory;
use vtd_qi::campaign::hangs::HangKind;
use vtd_qi::impl_qi::{AfterIte, FaultClass, Itesid, Rules};
use vtd_qi::timeline::Timeline;

use crate::hunt::Hunt;
use crate::model::SLOTS;
use crate::picture::Picture;

/// What may have gone wrong with hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultGuess {
    /// The kind of fault, of which one occurs; `None`: no fault.
    pub class: Option<FaultClass>,
    /// What becomes of fetched work at a time-out.
    pub after_ite: AfterIte,
    /// Whether the unit names the device that timed out.
    pub itesid: Itesid,
}

impl FaultGuess {
    /// No fault.
    pub const NONE: FaultGuess = FaultGuess { class: None, after_ite: AfterIte::Drop, itesid: Itesid::Named };

    const fn of(class: FaultClass) -> FaultGuess {
        FaultGuess { class: Some(class), ..FaultGuess::NONE }
    }

    /// Every guess, the simplest first.
    pub const ALL: [FaultGuess; 7] = [
        FaultGuess::NONE,
        FaultGuess::of(FaultClass::LostAnswer),
        FaultGuess::of(FaultClass::DeviceGone),
        FaultGuess { itesid: Itesid::Zero, ..FaultGuess::of(FaultClass::DeviceGone) },
        FaultGuess::of(FaultClass::InvalidId),
        FaultGuess { after_ite: AfterIte::WdsRun, ..FaultGuess::of(FaultClass::LostAnswer) },
        FaultGuess::of(FaultClass::InvalidWd),
    ];

    /// The guess in words.
    pub fn text(self) -> String {
        let class = match self.class {
            None => return "without any fault".to_string(),
            Some(FaultClass::LostAnswer) => "after a device did not answer (ITE)",
            Some(FaultClass::DeviceGone) => "after a device went away (ITE)",
            Some(FaultClass::InvalidId) => "after an invalid ID (IQE)",
            Some(FaultClass::InvalidWd) => "after an invalid WD (IQE)",
            Some(FaultClass::Ice) => "after a completion error (ICE)",
        };
        let itesid = if self.itesid == Itesid::Zero { ", ITESID 0" } else { "" };
        let reading = if self.after_ite == AfterIte::WdsRun {
            ", on hardware that completes WDs fetched before the ITE"
        } else {
            ""
        };
        format!("{class}{itesid}{reading}")
    }
}

/// What is known beside the ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// A CPU or a task is known to be stuck in the function: some call has not returned and will not.
    pub hangs: bool,
    /// The ring is known to have stood still: whoever has a call hangs, or nobody has one.
    pub still: bool,
    /// A CPU is known to be stuck with interrupts off: it polls for its WD or holds the lock, and is not in between two attempts.
    pub hard: bool,
}

/// States of the model that look like the picture.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// What has gone wrong with hardware.
    pub guess: FaultGuess,
    /// How calls hang in the states that look like this; `None` if none hangs.
    pub hang: Option<HangKind>,
    /// Whether in some of these states no call hangs and no slot is lost.
    pub may_live: bool,
    /// Whether some of those that hang or have lost slots can last: whatever follows leads back to them.
    pub lasts: bool,
    /// Whether in some of them slots are lost: nothing is going on, yet some are not free.
    pub leaks: bool,
    /// Whether they last for microseconds only, with the lock held, and another explanation lasts.
    pub fleeting: bool,
    /// Whether in all of them somebody holds the lock; those with the lock free are preferred.
    pub lock_held: bool,
    /// A shortest run to such a state, to one that hangs if there is one.
    pub run: Timeline,
}

/// What came of a search.
#[derive(Clone, Debug)]
pub enum Reached {
    /// Some state looks like the picture.
    Yes(Box<Sighting>),
    /// None does.
    No {
        /// How many states were explored.
        states: usize,
        /// How many slots of the picture, from its first, some state shares.
        alike: usize,
    },
    /// The search could not be made, or reached its bound.
    Unknown(String),
}

/// How far searches go.
#[derive(Clone, Copy)]
pub struct Bounds<'a> {
    /// Most states of one search.
    pub states: usize,
    /// What the graphs of all searches may take; no limit if it is left out.
    pub memory: Option<&'a Memory>,
    /// Stops the work when it becomes true.
    pub cancel: Option<&'a AtomicBool>,
    /// Is told before each search what is searched for.
    pub progress: Option<&'a (dyn Fn(&str) + Sync)>,
}

impl Default for Bounds<'_> {
    fn default() -> Self {
        Bounds { states: 400_000, memory: None, cancel: None, progress: None }
    }
}

impl Bounds<'_> {
    pub(crate) fn limits(&self) -> Limits<'_> {
        Limits { max_states: self.states, memory: self.memory, cancel: self.cancel, ..Limits::default() }
    }
}

/// Slots that a short ring has beside those of the picture.
const ROOM: usize = 6;

/// Searches for a picture, which should be reduced, in one generation under one guess.
pub fn search(rules: Rules, guess: FaultGuess, picture: &Picture, evidence: Evidence, bounds: Bounds) -> Reached {
    let hunt = |room| match guess.class {
        None => Hunt::<0>::new(rules, guess, picture, evidence, bounds, room).map_or_else(|no| no, |hunt| hunt.run()),
        Some(_) => {
            Hunt::<1>::new(rules, guess, picture, evidence, bounds, room).map_or_else(|no| no, |hunt| hunt.run())
        }
    };
    // What comes again and again leaves traces in more orders than can be searched on a ring with much room.
    match hunt(SLOTS) {
        Reached::Unknown(_) if picture.slots() + ROOM < SLOTS => hunt(picture.slots() + ROOM),
        reached => reached,
    }
}
