//! The remapping unit: fetching descriptors and completing them, as a step machine of its own over a [`Unit`].
//!
//! Fetching and completing are separate steps: IQH is advanced when a valid descriptor has been *fetched* (VT-d 6.5.2), so the
//! ring slot may be handed out again while the copy in hardware is still to act. Without faults nothing is ever invalid but a
//! slot that was never written; at such a slot fetching stops (VT-d 6.5.2.10).

use serde::{Deserialize, Serialize};

use super::ring::{Desc, Length, RingError, Slot};

/// Most descriptors that the modelled hardware holds fetched and not completed.
pub const MAX_DEPTH: usize = 4;

/// In which order fetched descriptors act.
///
/// In both, a WD completes (writes its status) only after all descriptors ahead of it have completed (VT-d 6.5.2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hardware {
    /// Only the oldest fetched descriptor acts.
    InOrder {
        /// How many descriptors are fetched ahead, 1 to [`MAX_DEPTH`].
        depth: u8,
    },
    /// Any fetched ID may execute, also one behind a WD that is still pending: the driver sets no fence flag.
    Pipelined {
        /// How many descriptors are fetched ahead, 1 to [`MAX_DEPTH`].
        depth: u8,
    },
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
    /// Writes `QI_DONE` to `desc_status[slot]` for the oldest pending descriptor.
    fn write_done(&mut self, slot: Slot);
}

/// A step of the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
}

impl Hardware {
    /// How many descriptors are fetched ahead.
    pub fn depth(self) -> u8 {
        match self {
            Hardware::InOrder { depth } | Hardware::Pipelined { depth } => depth,
        }
    }

    /// Checks the depth.
    ///
    /// # Errors
    /// [`RingError::Depth`] unless it is 1 to [`MAX_DEPTH`].
    pub fn validate(self) -> Result<(), RingError> {
        match self.depth() {
            1..=4 => Ok(()),
            depth => Err(RingError::Depth(depth)),
        }
    }

    /// Calls `can` with each step that the unit can do now.
    pub fn steps(self, unit: &impl Unit, mut can: impl FnMut(HwStep)) {
        let pending = unit.pending();
        if unit.iqh() != unit.iqt() && pending < usize::from(self.depth()) && unit.desc(unit.iqh()) != Desc::Blank {
            can(HwStep::Fetch);
        }
        if pending == 0 {
            return;
        }
        let first_idle = match self {
            Hardware::InOrder { .. } => 1,
            Hardware::Pipelined { .. } => pending,
        };
        for position in 0..first_idle {
            if unit.pending_at(position) == Desc::Id {
                can(HwStep::Execute { position: position as u8 });
            }
        }
        if matches!(unit.pending_at(0), Desc::Wd { .. }) {
            can(HwStep::Complete);
        }
    }

    /// Does a step that [`Hardware::steps`] named.
    pub fn step(self, unit: &mut impl Unit, step: HwStep) {
        match step {
            HwStep::Fetch => {
                let iqh = unit.iqh();
                unit.fetch(iqh);
                unit.set_iqh(unit.length().add(iqh, 1));
            }
            HwStep::Execute { position } => unit.retire(position.into()),
            HwStep::Complete => {
                if let Desc::Wd { target } = unit.pending_at(0) {
                    unit.write_done(target);
                }
                unit.retire(0);
            }
        }
    }
}
