//! What can go wrong with hardware: the fault registers, the classes of faults that are injected, the readings of what is
//! disputed, and the assumptions on which every verdict about faults rests.
//!
//! A fault is injected by a step of its own ([`HwStep`](super::HwStep)) or comes with a call (an invalid ID). The bound counts
//! injected events: an invalid ID, a lost answer, an ICE, a device that goes. What follows from a device that is gone, which
//! answers nothing ever after, is not counted.

use crate::words;

use super::ring::{id_kind_bits, id_kind_from_bits, IdKind, RingError};
use super::RingCfg;

/// Most IDs in one batch where faults are modelled: the kernel's `QI_MAX_BATCHED_DESC_COUNT`.
pub const MAX_IDS: u8 = 16;

/// Most devices that are modelled.
pub const MAX_DEVICES: u8 = 2;

/// FSTS, as far as the driver's fault check looks at it (VT-d 11.4.9.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fsts(u8);

impl Fsts {
    /// No fault.
    pub const NONE: Fsts = Fsts(0);
    /// Invalidation queue error: the descriptor at IQH is invalid.
    pub const IQE: Fsts = Fsts(1);
    /// Invalidation time-out error: a device did not answer.
    pub const ITE: Fsts = Fsts(2);
    /// Invalidation completion error: a device sent an unexpected completion.
    pub const ICE: Fsts = Fsts(4);

    /// Whether all faults of `other` are set.
    pub fn has(self, other: Fsts) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the faults of `other` set too.
    pub fn with(self, other: Fsts) -> Fsts {
        Fsts(self.0 | other.0)
    }

    /// With the faults of `other` cleared: writing 1 clears.
    pub fn without(self, other: Fsts) -> Fsts {
        Fsts(self.0 & !other.0)
    }

    /// The faults as bits: IQE 1, ITE 2, ICE 4.
    pub fn bits(self) -> u8 {
        self.0
    }

    pub(super) fn from_bits(bits: u8) -> Fsts {
        Fsts(bits & 7)
    }

    /// The names of the faults that are set, `-` if none is.
    pub fn names(self) -> String {
        let named = [(Fsts::IQE, "IQE"), (Fsts::ITE, "ITE"), (Fsts::ICE, "ICE")];
        let set: Vec<_> = named.iter().filter(|(fault, _)| self.has(*fault)).map(|(_, name)| *name).collect();
        if set.is_empty() {
            "-".to_string()
        } else {
            set.join("+")
        }
    }
}

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
        /// The WD of a call is invalid. Against assumption [`A8`](ASSUMPTIONS); a scenario of its own.
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
    /// What becomes of work that hardware has fetched and not completed when ITE is raised; disputed, see [`A11`](ASSUMPTIONS).
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

/// What a caller of `qi_submit_sync` brings: its IDs, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    count: u8,
    /// Two bits an ID, the first [`MAX_IDS`] of them; those behind are for the unit itself.
    kinds: u32,
    invalid_wd: bool,
}

impl Request {
    /// `count` IDs for the unit itself.
    pub fn plain(count: u8) -> Request {
        Request { count, kinds: 0, invalid_wd: false }
    }

    /// IDs of given kinds.
    ///
    /// # Panics
    /// If there are more than [`MAX_IDS`].
    pub fn of(ids: &[IdKind]) -> Request {
        assert!(ids.len() <= MAX_IDS.into(), "{} IDs", ids.len());
        let kinds = ids.iter().enumerate().map(|(i, kind)| u32::from(id_kind_bits(*kind)) << (2 * i)).sum();
        Request { count: ids.len() as u8, kinds, invalid_wd: false }
    }

    /// The same with a WD that the unit refuses.
    pub fn with_invalid_wd(self) -> Request {
        Request { invalid_wd: true, ..self }
    }

    /// Number of IDs.
    pub fn count(self) -> u8 {
        self.count
    }

    /// What an ID asks for.
    pub fn kind(self, number: u8) -> IdKind {
        match number {
            0..MAX_IDS => id_kind_from_bits((self.kinds >> (2 * number) & 3) as u8),
            _ => IdKind::Unit,
        }
    }

    /// The kinds of all IDs.
    pub fn kinds(self) -> impl Iterator<Item = IdKind> {
        (0..self.count).map(move |number| self.kind(number))
    }

    /// Whether the unit refuses its WD.
    pub fn has_invalid_wd(self) -> bool {
        self.invalid_wd
    }

    /// How many faults it brings.
    pub fn faults(self) -> u8 {
        self.kinds().filter(|kind| *kind == IdKind::Invalid).count() as u8 + u8::from(self.invalid_wd)
    }

    /// How it is written: the count, or the IDs one by one (`u` unit, `d1` a device, `!` invalid), `w!` for an invalid WD.
    pub fn text(self) -> String {
        if self.kinds == 0 && !self.invalid_wd {
            return self.count.to_string();
        }
        let mut words: Vec<String> = self
            .kinds()
            .map(|kind| match kind {
                IdKind::Unit => "u".to_string(),
                IdKind::Device(device) => format!("d{device}"),
                IdKind::Invalid => "!".to_string(),
            })
            .collect();
        words.extend(self.invalid_wd.then(|| "w!".to_string()));
        words.join(" ")
    }
}

/// Every call that can be made: for each count all choices of kinds, with at most as many invalid descriptors as the bound.
pub(super) fn requests(counts: &[u8], faults: &Faults) -> Result<Vec<Request>, RingError> {
    let mut all = Vec::new();
    let mut kinds = vec![IdKind::Unit];
    kinds.extend((1..=faults.devices).map(IdKind::Device));
    kinds.extend(faults.includes(FaultClass::InvalidId).then_some(IdKind::Invalid));
    for &count in counts {
        if kinds.len() == 1 {
            all.push(Request::plain(count));
        } else {
            if kinds.len().saturating_pow(count.into()) > 4096 {
                return Err(RingError::Requests(kinds.len().saturating_pow(count.into())));
            }
            let mut lists: Vec<Vec<IdKind>> = vec![Vec::new()];
            for _ in 0..count {
                let longer = |list: &Vec<IdKind>| kinds.iter().map(|kind| [&list[..], &[*kind]].concat()).collect();
                lists = lists.iter().flat_map(|list| -> Vec<_> { longer(list) }).collect();
            }
            all.extend(lists.iter().map(|list| Request::of(list)));
        }
    }
    if faults.includes(FaultClass::InvalidWd) {
        all.extend(all.clone().into_iter().map(Request::with_invalid_wd));
    }
    all.retain(|request| request.faults() <= faults.bound);
    if all.len() > 255 {
        return Err(RingError::Requests(all.len()));
    }
    Ok(all)
}

/// Checks calls that are given one by one.
///
/// # Errors
/// [`RingError::Requests`], [`RingError::UnknownKind`], [`RingError::UnknownInvalidWd`].
pub(super) fn validate_requests(requests: &[Request], cfg: &RingCfg) -> Result<(), RingError> {
    if requests.len() > 255 {
        return Err(RingError::Requests(requests.len()));
    }
    let faults = &cfg.faults;
    let is_known = |kind: &IdKind| match *kind {
        IdKind::Unit => true,
        IdKind::Device(device) => cfg.checks_faults() && (1..=faults.devices).contains(&device),
        IdKind::Invalid => faults.includes(FaultClass::InvalidId),
    };
    for request in requests {
        if let Some(kind) = request.kinds().find(|kind| !is_known(kind)) {
            return Err(RingError::UnknownKind(kind));
        }
        if request.has_invalid_wd() && !faults.includes(FaultClass::InvalidWd) {
            return Err(RingError::UnknownInvalidWd);
        }
    }
    Ok(())
}

/// Something that a verdict about faults rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// Its number, as findings refer to it.
    pub number: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What is assumed.
    pub text: &'static str,
    /// Where it is stated, or that it is not.
    pub source: &'static str,
}

/// The assumptions about hardware and environment.
pub const ASSUMPTIONS: &[Assumption] = &[
    Assumption {
        number: "A1",
        name: "fetch-advances-iqh",
        text: "IQH is advanced when a valid descriptor has been fetched, not when it has completed; several may be fetched together",
        source: "VT-d 6.5.2; K. Tian, LKML 2026-02-09",
    },
    Assumption {
        number: "A2",
        name: "wd-completes-in-order",
        text: "a WD writes its status only after all descriptors ahead of it have completed",
        source: "VT-d 6.5.2.8",
    },
    Assumption {
        number: "A3",
        name: "no-fence",
        text: "descriptors behind a WD may execute before that WD has completed (pipelined hardware only)",
        source: "VT-d 6.5.2.8",
    },
    Assumption {
        number: "A4",
        name: "iqe-stops-fetching",
        text: "at an invalid descriptor IQE is set, IQH stands at it, and nothing is fetched until IQE is cleared; then fetching \
               goes on at IQH; what was fetched before goes on",
        source: "VT-d 6.5.2.10",
    },
    Assumption {
        number: "A5",
        name: "ite-aborts-wds",
        text: "when a device-TLB invalidation times out, ITE is set, WDs pending in hardware are aborted (no status write), and \
               nothing is fetched until ITE is cleared; then the descriptor at IQH is",
        source: "VT-d 6.5.2.11, quoted by B. Lu, LKML 2026-03-10",
    },
    Assumption {
        number: "A6",
        name: "time-out-before-wd",
        text: "a time-out may come before the batch's own WD has been fetched; it no longer holds back WDs fetched later",
        source: "assumed: nothing found that excludes it",
    },
    Assumption {
        number: "A7",
        name: "invalid-anywhere",
        text: "invalidity belongs to the descriptor as submitted: any ID of a batch, and again when it is posted again; a slot \
               never written is invalid",
        source: "kernel, IQE handling",
    },
    Assumption {
        number: "A8",
        name: "wd-valid",
        text: "a WD that the driver built is valid, also as a copy",
        source: "kernel, IQE handling",
    },
    Assumption {
        number: "A9",
        name: "itesid-names-one",
        text: "ITESID names one of the devices that timed out; 0 on old hardware",
        source: "VT-d 11.4.9.9",
    },
    Assumption {
        number: "A10",
        name: "gone-is-for-ever",
        text: "a device that is gone answers nothing ever after, and is known to be gone when the driver asks",
        source: "kernel, pci_device_is_present",
    },
    Assumption {
        number: "A11",
        name: "after-ite",
        text: "of work fetched and not completed when ITE is raised: Drop, all is discarded; IdsRun, other fetched IDs still \
               execute; WdsRun, a fetched WD may still write its status after ITE is cleared",
        source: "disputed, LKML March 2026",
    },
    Assumption {
        number: "A12",
        name: "injection-is-unfair",
        text: "nothing has to go wrong; but a request to a device that is gone does time out",
        source: "ours",
    },
];

/// The assumption of a number.
pub fn assumption(number: &str) -> Option<&'static Assumption> {
    ASSUMPTIONS.iter().find(|assumption| assumption.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_all_choices_within_the_bound() {
        let faults = Faults::of([FaultClass::InvalidId, FaultClass::LostAnswer], 1);
        let texts: Vec<String> = requests(&[0, 2], &faults).unwrap().into_iter().map(Request::text).collect();
        assert_eq!(texts, ["0", "2", "u d1", "u !", "d1 u", "d1 d1", "d1 !", "! u", "! d1"]);
        assert_eq!(requests(&[0, 254], &Faults::none()).unwrap(), [Request::plain(0), Request::plain(254)]);
    }

    #[test]
    fn given_calls_ask_for_what_is_modelled() {
        use super::super::{RingCfg, Rules};
        let cfg = |classes: &[FaultClass]| RingCfg {
            faults: Faults::of(classes, u8::from(!classes.is_empty())),
            ..RingCfg::new(Rules::G5, 1, [1])
        };
        let error = |classes: &[FaultClass], request| validate_requests(&[request], &cfg(classes)).err();
        let (device, invalid) = (Request::of(&[IdKind::Device(1)]), Request::of(&[IdKind::Unit, IdKind::Invalid]));
        assert_eq!(error(&[FaultClass::LostAnswer], device), None);
        assert_eq!(error(&[], device), Some(RingError::UnknownKind(IdKind::Device(1))));
        assert_eq!(error(&[FaultClass::InvalidId], invalid), None);
        assert_eq!(error(&[FaultClass::LostAnswer], invalid), Some(RingError::UnknownKind(IdKind::Invalid)));
        let invalid_wd = Request::plain(0).with_invalid_wd();
        assert_eq!(error(&[FaultClass::InvalidWd], invalid_wd), None);
        assert_eq!(error(&[FaultClass::InvalidId], invalid_wd), Some(RingError::UnknownInvalidWd));
        let many = vec![Request::plain(1); 256];
        assert_eq!(validate_requests(&many, &cfg(&[])), Err(RingError::Requests(256)));
        assert_eq!(validate_requests(&many[1..], &cfg(&[])), Ok(()));
    }

    #[test]
    fn an_invalid_wd_is_a_fault_of_its_own() {
        let texts: Vec<String> =
            requests(&[1], &Faults::of([FaultClass::InvalidWd], 1)).unwrap().into_iter().map(Request::text).collect();
        assert_eq!(texts, ["1", "u w!"]);
    }
}
