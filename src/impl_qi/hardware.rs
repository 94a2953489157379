//! The remapping unit: fetching descriptors and completing them, as a step machine of its own over a [`Unit`].
//!
//! Fetching and completing are separate steps: IQH is advanced when a valid descriptor has been *fetched* (VT-d 6.5.2), so the
//! ring slot may be handed out again while the copy in hardware is still to act.
//!
//! | fault | what the unit does | assumption |
//! | --- | --- | --- |
//! | the descriptor at IQH is invalid | sets IQE and fetches nothing until it is cleared; what it has fetched goes on | A4, A7 |
//! | a device does not answer | drops the ID, sets ITE, aborts pending WDs, fetches nothing until it is cleared | A5, A6, A11 |
//! | an unexpected completion | sets ICE, goes on | |
//!
//! Losing an answer and timing out are one step: until it times out, a request whose answer is lost behaves like one that has not
//! executed yet.

use serde::{Deserialize, Serialize};

use super::faults::{AfterIte, FaultClass, Faults, Itesid, Quirk};
use super::fsts::Fsts;
use super::ring::{Desc, IdKind, Length, RingError, Slot, Status};
use crate::words;

/// Most descriptors that the modelled hardware holds fetched and not completed.
pub const MAX_DEPTH: usize = 4;

words! {
    /// In which order fetched descriptors act.
    ///
    /// In both, a WD completes (writes its status) only after all descriptors ahead of it have completed (VT-d 6.5.2.8).
    #[derive(Default)]
    pub enum Order as "hardware" {
        /// Only the oldest fetched descriptor acts.
        #[default]
        InOrder = "in-order",
        /// Any fetched ID may execute, also one behind a WD that is still pending: the driver sets no fence flag.
        Pipelined = "pipelined",
    }
}

/// What is modelled of a remapping unit: how it works off the descriptors that it has fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hardware {
    /// In which order they act.
    pub order: Order,
    /// How many descriptors are fetched ahead, 1 to [`MAX_DEPTH`].
    pub depth: u8,
}

/// The registers and the memory of the unit, and what it has fetched.
pub trait Unit {
    /// `QI_LENGTH`.
    fn length(&self) -> Length;
    /// The head register.
    fn iqh(&self) -> Slot;
    /// Advances the head register.
    fn set_iqh(&mut self, slot: Slot);
    /// The tail register.
    fn iqt(&self) -> Slot;
    /// Reads the descriptor in `slot`.
    fn desc(&self, slot: Slot) -> Desc;
    /// Number of descriptors fetched and not completed.
    fn pending(&self) -> usize;
    /// The pending descriptor at a position, oldest first.
    fn pending_at(&self, position: usize) -> Desc;
    /// Appends the descriptor in `slot` to the pending ones.
    fn fetch(&mut self, slot: Slot);
    /// Drops a pending descriptor that has acted.
    fn retire(&mut self, position: usize);
    /// Writes `desc_status[slot]` for the pending descriptor at a position, a WD.
    fn write_status(&mut self, slot: Slot, status: Status, position: usize);

    /// FSTS. A unit without faults needs none of the methods from here on.
    fn fsts(&self) -> Fsts {
        Fsts::NONE
    }
    /// Sets FSTS.
    fn set_fsts(&mut self, fsts: Fsts) {
        let _ = fsts;
    }
    /// Sets ITESID of IQER.
    fn set_itesid(&mut self, device: u8) {
        let _ = device;
    }
    /// Drops a pending descriptor that will not act.
    fn discard(&mut self, position: usize) {
        let _ = position;
    }
    /// Whether a device is gone.
    fn is_gone(&self, device: u8) -> bool {
        let _ = device;
        false
    }
    /// Takes a device away.
    fn remove(&mut self, device: u8) {
        let _ = device;
    }
    /// How many faults have been injected.
    fn injected(&self) -> u8 {
        0
    }
    /// Counts an injected fault.
    fn inject(&mut self) {}
}

/// A step of the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HwStep {
    /// Fetches the descriptor at IQH and advances IQH.
    Fetch,
    /// Executes the pending ID at a position.
    Execute {
        /// Position among the pending descriptors, oldest first.
        position: u8,
    },
    /// Completes the oldest pending descriptor, a WD: writes its status.
    Complete,
    /// Finds the descriptor at IQH invalid: sets IQE.
    Iqe,
    /// The pending ID at a position addresses a device that is gone, and times out: sets ITE.
    TimeOut {
        /// Position among the pending descriptors, oldest first.
        position: u8,
        /// Which pending WDs are not aborted, a bit for each position ([`AfterIte::WdsRun`] only).
        kept: u8,
    },
    /// Injected: as `TimeOut`, though the device is present.
    LoseAnswer {
        /// Position among the pending descriptors, oldest first.
        position: u8,
        /// Which pending WDs are not aborted, a bit for each position ([`AfterIte::WdsRun`] only).
        kept: u8,
    },
    /// Injected: an unexpected completion: sets ICE.
    Ice,
    /// Injected: a device goes.
    Remove {
        /// The device, from 1.
        device: u8,
    },
}

impl Hardware {
    /// A unit in which only the oldest of `depth` fetched descriptors acts.
    pub const fn in_order(depth: u8) -> Hardware {
        Hardware { order: Order::InOrder, depth }
    }

    /// A unit in which any ID among `depth` fetched descriptors may execute.
    pub const fn pipelined(depth: u8) -> Hardware {
        Hardware { order: Order::Pipelined, depth }
    }

    /// Checks the depth.
    ///
    /// # Errors
    /// [`RingError::Depth`] unless it is 1 to [`MAX_DEPTH`].
    pub fn validate(self) -> Result<(), RingError> {
        match self.depth {
            1..=4 => Ok(()),
            depth => Err(RingError::Depth(depth)),
        }
    }

    /// Calls `can` with each step that the unit can do now.
    pub fn steps(self, faults: &Faults, unit: &impl Unit, mut can: impl FnMut(HwStep)) {
        let (pending, fsts) = (unit.pending(), unit.fsts());
        let quirk = faults.quirk;
        let stopped = fsts.has(Fsts::ITE) && quirk != Some(Quirk::IteDoesNotStop);
        let waits = stopped || fsts.has(Fsts::IQE) || quirk == Some(Quirk::IceStops) && fsts.has(Fsts::ICE);
        if (unit.iqh() != unit.iqt() || quirk == Some(Quirk::FetchBeyondIqt)) && !waits {
            if unit.desc(unit.iqh()).is_invalid() {
                // Where the fault check is not modelled, fetching just stops here.
                if !faults.is_none() && quirk != Some(Quirk::IqeSilent) {
                    can(HwStep::Iqe);
                }
            } else if pending < usize::from(self.depth) {
                can(HwStep::Fetch);
            }
        }
        let may_inject = !faults.is_counted() || unit.injected() < faults.bound;
        if may_inject && faults.includes(FaultClass::Ice) && !fsts.has(Fsts::ICE) {
            can(HwStep::Ice);
        }
        if may_inject && faults.includes(FaultClass::DeviceGone) {
            (1..=faults.devices)
                .filter(|&device| !unit.is_gone(device))
                .for_each(|device| can(HwStep::Remove { device }));
        }
        if pending == 0 {
            return;
        }
        let first_idle = match self.order {
            Order::InOrder => 1,
            Order::Pipelined => pending,
        };
        for position in 0..first_idle {
            let Desc::Id { kind, .. } = unit.pending_at(position) else { continue };
            let at = position as u8;
            match kind {
                IdKind::Device(device) if unit.is_gone(device) => {
                    kept_wds(faults.after_ite, unit, |kept| can(HwStep::TimeOut { position: at, kept }));
                }
                IdKind::Device(_) if may_inject && faults.includes(FaultClass::LostAnswer) => {
                    can(HwStep::Execute { position: at });
                    kept_wds(faults.after_ite, unit, |kept| can(HwStep::LoseAnswer { position: at, kept }));
                }
                _ => can(HwStep::Execute { position: at }),
            }
        }
        if !stopped && due(faults, unit).is_some() {
            can(HwStep::Complete);
        }
    }

    /// Does a step that [`Hardware::steps`] named.
    pub fn step(self, faults: &Faults, unit: &mut impl Unit, step: HwStep) {
        match step {
            HwStep::Fetch => {
                let iqh = unit.iqh();
                unit.fetch(iqh);
                unit.set_iqh(unit.length().add(iqh, 1));
            }
            HwStep::Execute { position } if faults.quirk == Some(Quirk::ExecutionLost) => unit.discard(position.into()),
            HwStep::Execute { position } => unit.retire(position.into()),
            HwStep::Complete => {
                let position = due(faults, unit).unwrap_or(0);
                match unit.pending_at(position) {
                    Desc::Wd { target, data } if faults.quirk != Some(Quirk::StatusWriteLost) => {
                        unit.write_status(target, data.status(), position);
                    }
                    _ => {}
                }
                unit.retire(position);
            }
            HwStep::Iqe => {
                unit.set_fsts(unit.fsts().with(Fsts::IQE));
                if faults.quirk == Some(Quirk::IqePassesOver) {
                    unit.set_iqh(unit.length().add(unit.iqh(), 1));
                }
            }
            HwStep::TimeOut { position, kept } => time_out(faults, unit, position.into(), kept),
            HwStep::LoseAnswer { position, kept } => {
                inject(faults, unit);
                time_out(faults, unit, position.into(), kept);
            }
            HwStep::Ice => {
                inject(faults, unit);
                unit.set_fsts(unit.fsts().with(Fsts::ICE));
            }
            HwStep::Remove { device } => {
                inject(faults, unit);
                unit.remove(device);
            }
        }
    }
}

/// Counts an injected fault, where there is a bound.
fn inject(faults: &Faults, unit: &mut impl Unit) {
    if faults.is_counted() {
        unit.inject();
    }
}

/// The position of the WD that completes next: the oldest pending descriptor, if it is one.
fn due(faults: &Faults, unit: &impl Unit) -> Option<usize> {
    let is_wd = |&position: &usize| matches!(unit.pending_at(position), Desc::Wd { .. });
    match faults.quirk {
        Some(Quirk::WdOvertakes) => (0..unit.pending()).find(is_wd),
        _ => (0..unit.pending().min(1)).find(is_wd),
    }
}

/// Calls `can` with each set of pending WDs that may outlive an ITE.
fn kept_wds(after_ite: AfterIte, unit: &impl Unit, mut can: impl FnMut(u8)) {
    let wds = (0..unit.pending()).filter(|&i| matches!(unit.pending_at(i), Desc::Wd { .. }));
    let wds = match after_ite {
        AfterIte::WdsRun => wds.fold(0u8, |bits, i| bits | 1 << i),
        AfterIte::Drop | AfterIte::IdsRun => 0,
    };
    (0..=wds).filter(|kept| kept & !wds == 0).for_each(&mut can);
}

/// ITE: the first to be raised names its device; one that is set already only loses another ID.
fn time_out(faults: &Faults, unit: &mut impl Unit, position: usize, kept: u8) {
    if !unit.fsts().has(Fsts::ITE) && faults.quirk != Some(Quirk::IteSilent) {
        if let (Desc::Id { kind: IdKind::Device(device), .. }, Itesid::Named) =
            (unit.pending_at(position), faults.itesid)
        {
            unit.set_itesid(if faults.quirk == Some(Quirk::ItesidWrong) { 3 - device } else { device });
        }
        unit.set_fsts(unit.fsts().with(Fsts::ITE));
    }
    for i in (0..unit.pending()).rev() {
        let stays = match unit.pending_at(i) {
            _ if i == position => faults.quirk == Some(Quirk::TimedOutIdStays),
            Desc::Wd { .. } => kept >> i & 1 == 1,
            _ => faults.after_ite != AfterIte::Drop,
        };
        if !stays {
            unit.discard(i);
        }
    }
}
