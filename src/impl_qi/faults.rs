//! What can go wrong with hardware: the classes of faults that are injected, and the readings of what is disputed.
//!
//! A fault is injected by a step of its own ([`HwStep`](super::HwStep)) or comes with a call (an invalid ID). The bound counts
//! injected events: an invalid ID, a lost answer, an ICE, a device that goes. What follows from a device that is gone, which
//! answers nothing ever after, is not counted.

use crate::words;

use super::ring::RingError;

/// Most devices that are modelled.
pub const MAX_DEVICES: u8 = 2;

words! {
    /// A kind of fault that may be injected.
    pub enum FaultClass as "fault" {
        /// A call brings an ID that the unit refuses, anywhere in its batch.
        InvalidId = "invalid-id",
        /// A device that is present does not answer one device-TLB invalidation.
        LostAnswer = "lost-answer",
        /// A completion error, at any time.
        Ice = "ice",
        /// A device goes, at any time, and answers nothing ever after.
        DeviceGone = "device-gone",
        /// The WD of a call is invalid. Against assumption [`A8`](super::ASSUMPTIONS); a scenario of its own.
        InvalidWd = "invalid-wd",
    }
}

impl FaultClass {
    /// Whether it can lead to an ITE.
    pub fn times_out(self) -> bool {
        matches!(self, FaultClass::LostAnswer | FaultClass::DeviceGone)
    }
}

words! {
    /// What becomes of work that hardware has fetched and not completed when ITE is raised; disputed, see [`A11`](super::ASSUMPTIONS).
    #[derive(Default)]
    pub enum AfterIte as "after-ite" {
        /// All of it is discarded.
        #[default]
        Drop = "drop",
        /// The ID that timed out is discarded, pending WDs are aborted, other fetched IDs still execute.
        IdsRun = "ids-run",
        /// As [`AfterIte::IdsRun`], but a fetched WD may still write its status after ITE has been cleared.
        WdsRun = "wds-run",
    }
}

words! {
    /// What IQER says of an ITE.
    pub enum Itesid as "itesid" {
        /// ITESID names a device that timed out.
        Named = "named",
        /// ITESID is 0: old hardware.
        Zero = "zero",
    }
}

words! {
    /// A clause of the hardware's rules that is altered on purpose: what the rest rests on.
    pub enum Quirk as "quirk" {
        /// Against A1: fetches on when IQH = IQT.
        FetchBeyondIqt = "fetch-beyond-iqt",
        /// Against A2: the oldest pending WD completes whatever is ahead of it.
        WdOvertakes = "wd-overtakes",
        /// A WD completes without writing its status.
        StatusWriteLost = "status-write-lost",
        /// An ID is dropped in place of being executed.
        ExecutionLost = "execution-lost",
        /// Against A4: the invalid descriptor is passed over when IQE is set.
        IqePassesOver = "iqe-passes-over",
        /// Against A4: fetching stops at an invalid descriptor, but IQE is not set.
        IqeSilent = "iqe-silent",
        /// Against A5: ITE does not stop fetching and completing.
        IteDoesNotStop = "ite-does-not-stop",
        /// Against A5: ITE is not set.
        IteSilent = "ite-silent",
        /// Against A6: the ID that timed out stays, holds back WDs behind it and times out again.
        TimedOutIdStays = "timed-out-id-stays",
        /// Against A9: ITESID names another device.
        ItesidWrong = "itesid-wrong",
        /// Against A10: the driver is told that a device that is gone is there.
        GoneUnknown = "gone-unknown",
        /// ICE stops fetching until it is cleared.
        IceStops = "ice-stops",
    }
}

/// Which faults may occur, and what the unit makes of them.
///
/// ```
/// use vtd_qi::impl_qi::{AfterIte, FaultClass, Faults, Itesid};
/// assert!(Faults::none().is_none());
/// let faults = Faults { itesid: Itesid::Zero, ..Faults::of([FaultClass::DeviceGone], 1) };
/// assert_eq!((faults.devices, faults.after_ite), (1, AfterIte::Drop));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Faults {
    /// The classes; none: no fault occurs.
    pub classes: Vec<FaultClass>,
    /// How many events may be injected, of all classes together: 1 to 15, or [`Faults::UNBOUNDED`].
    pub bound: u8,
    /// How many devices IDs may address, 0 to [`MAX_DEVICES`].
    pub devices: u8,
    /// What IQER says.
    pub itesid: Itesid,
    /// What becomes of fetched work.
    pub after_ite: AfterIte,
    /// An altered clause of the hardware's rules.
    pub quirk: Option<Quirk>,
}

impl Faults {
    /// No bound: faults are unlimited and not counted in the state.
    pub const UNBOUNDED: u8 = u8::MAX;

    /// No fault occurs.
    pub fn none() -> Faults {
        Faults {
            classes: Vec::new(),
            bound: 0,
            devices: 0,
            itesid: Itesid::Named,
            after_ite: AfterIte::Drop,
            quirk: None,
        }
    }

    /// Faults of some classes, with one device where one can fail to answer.
    pub fn of(classes: impl Into<Vec<FaultClass>>, bound: u8) -> Faults {
        let classes = classes.into();
        let devices = u8::from(classes.iter().any(|class| class.times_out()));
        Faults { classes, bound, devices, ..Faults::none() }
    }

    /// Whether no fault occurs.
    pub fn is_none(&self) -> bool {
        self.classes.is_empty()
    }

    /// Whether a class may be injected.
    pub fn includes(&self, class: FaultClass) -> bool {
        self.classes.contains(&class)
    }

    /// Whether a state counts what has been injected.
    pub(super) fn is_counted(&self) -> bool {
        self.bound != Faults::UNBOUNDED
    }

    /// Whether ITE can be raised.
    pub fn time_out(&self) -> bool {
        self.classes.iter().any(|class| class.times_out())
    }

    /// The classes of faults of which one has to be possible for a rule to make a difference; none for a rule that makes one
    /// without faults as well.
    ///
    /// ```
    /// use vtd_qi::impl_qi::{FaultClass, Faults};
    /// assert_eq!(Faults::needed_by("ite-walk"), [FaultClass::LostAnswer, FaultClass::DeviceGone]);
    /// assert!(Faults::needed_by("reclaim").is_empty());
    /// ```
    pub fn needed_by(rule: &str) -> &'static [FaultClass] {
        match rule {
            "ite-walk" | "time-out" | "ite-clear" | "straddler" => &[FaultClass::LostAnswer, FaultClass::DeviceGone],
            "iqe-at" | "iqe-patch" | "iqe-return" => &[FaultClass::InvalidId, FaultClass::InvalidWd],
            "presence" => &[FaultClass::DeviceGone],
            _ => &[],
        }
    }

    /// Checks the configuration.
    ///
    /// # Errors
    /// [`RingError::Devices`], [`RingError::FaultBound`], [`RingError::BoundWithoutClass`].
    pub(super) fn validate(&mut self) -> Result<(), RingError> {
        self.classes.sort_unstable();
        self.classes.dedup();
        if self.devices > MAX_DEVICES || (self.time_out() && self.devices == 0) {
            return Err(RingError::Devices(self.devices));
        }
        if (self.bound == 0) != self.classes.is_empty() {
            return Err(RingError::BoundWithoutClass { bound: self.bound, classes: self.classes.len() });
        }
        if self.bound > 15 && self.is_counted() {
            return Err(RingError::FaultBound(self.bound));
        }
        Ok(())
    }
}
