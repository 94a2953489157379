//! The fault check of the poll loop: `qi_check_fault`, one access a step.

use super::super::fsts::Fsts;
use super::super::ring::{Desc, Slot, Status, WdData};
use super::super::rules::{IqeAt, IqePatch, IqeReturn, IteClear, IteWalk, Rules, Straddler, TimeOut};
use super::{Bus, Call, FaultPass, Outcome, Pc, Step};

impl Call {
    /// A step of the fault check. Source: `qi_check_fault` in drivers/iommu/intel/dmar.c.
    pub(super) fn fault_check<B: Bus>(&mut self, rules: &Rules, bus: &mut B) -> Step {
        match self.pc {
            Pc::CheckAbort | Pc::ReadFsts | Pc::RecheckAbort | Pc::ClearIce => self.abort_or_fsts(rules, bus),
            Pc::IqeIqh | Pc::PatchDesc | Pc::ClearIqe => self.iqe(rules, bus),
            Pc::IteIqh | Pc::IteIqt | Pc::ReadIqer | Pc::ClearIte | Pc::Walk | Pc::WalkAbort => self.ite(rules, bus),
            Pc::StraddlerIqh | Pc::StraddlerLook | Pc::StraddlerSeek | Pc::StraddlerPatch => self.straddler(rules, bus),
            pc => unreachable!("{pc:?} is no step of the fault check"),
        }
    }

    /// Looks at its own status and at FSTS; clears ICE.
    fn abort_or_fsts<B: Bus>(&mut self, rules: &Rules, bus: &mut B) -> Step {
        let ring = bus.length();
        match self.pc {
            Pc::CheckAbort => {
                if bus.status(self.wait_index(rules, ring)) == Status::Abort {
                    self.aborted(rules);
                } else {
                    self.pc = Pc::ReadFsts;
                }
                Step::CheckAbort
            }
            Pc::ReadFsts => {
                self.check.fault = bus.fsts();
                self.pc = if self.check.fault.has(Fsts::IQE) { Pc::IqeIqh } else { self.after_iqe() };
                self.leave_check();
                Step::ReadFsts
            }
            Pc::RecheckAbort => {
                if bus.status(self.wait_index(rules, ring)) == Status::Abort {
                    self.aborted(rules);
                } else {
                    self.pc = self.after_ite_check();
                    self.leave_check();
                }
                Step::CheckAbort
            }
            Pc::ClearIce => {
                bus.clear_fsts(Fsts::ICE);
                self.pc = Pc::PollUnlock;
                self.leave_check();
                Step::ClearIce
            }
            pc => unreachable!("{pc:?} is no step of this part"),
        }
    }

    /// IQE: looks whose descriptor IQH stands at, overwrites an own one and clears IQE.
    fn iqe<B: Bus>(&mut self, rules: &Rules, bus: &mut B) -> Step {
        let ring = bus.length();
        match self.pc {
            Pc::IqeIqh => {
                let iqh = bus.iqh();
                let own = match rules.iqe_at {
                    IqeAt::First => 1,
                    IqeAt::Any => self.slots(),
                };
                if ring.distance(self.index, iqh) < own {
                    self.check.head = Some(iqh);
                    self.pc = Pc::PatchDesc;
                } else {
                    self.pc = self.after_iqe();
                    self.leave_check();
                }
                Step::ReadIqh
            }
            Pc::PatchDesc => {
                let slot = self.check.head.take().unwrap_or(self.index);
                let desc = match rules.iqe_patch {
                    IqePatch::CopyWd => bus.desc(self.wait_index(rules, ring)),
                    IqePatch::NullWd if slot == self.wait_index(rules, ring) => Desc::wd(slot),
                    IqePatch::NullWd => Desc::Wd { target: slot, data: WdData::InUse },
                };
                bus.patch_desc(slot, desc);
                self.pc = Pc::ClearIqe;
                Step::PatchDesc
            }
            Pc::ClearIqe => {
                bus.clear_fsts(Fsts::IQE);
                self.outcome = Outcome::Invalid;
                match rules.iqe_return {
                    IqeReturn::AtOnce => self.leave_loop(rules),
                    IqeReturn::WhenDone => {
                        self.pc = self.after_iqe();
                        self.leave_check();
                    }
                }
                Step::ClearIqe
            }
            pc => unreachable!("{pc:?} is no step of this part"),
        }
    }

    /// ITE: reads the registers, clears ITE, and walks back over the slots behind IQH.
    fn ite<B: Bus>(&mut self, rules: &Rules, bus: &mut B) -> Step {
        let ring = bus.length();
        match self.pc {
            Pc::IteIqh => {
                let before = ring.before(bus.iqh(), 1);
                self.check.head = Some(match rules.ite_walk {
                    IteWalk::Odd => before | 1,
                    IteWalk::Every => before,
                });
                self.pc = Pc::IteIqt;
                Step::ReadIqh
            }
            Pc::IteIqt => {
                self.check.tail = Some(ring.before(bus.iqt(), 1));
                self.pc = match rules.time_out {
                    TimeOut::Return => Pc::ReadIqer,
                    TimeOut::Retry => after_reading(rules),
                };
                Step::ReadIqt
            }
            Pc::ReadIqer => {
                self.check.itesid = bus.itesid();
                self.pc = after_reading(rules);
                Step::ReadIqer
            }
            Pc::ClearIte => {
                bus.clear_fsts(Fsts::ITE);
                match rules.ite_clear {
                    IteClear::BeforeWalk => self.pc = Pc::Walk,
                    IteClear::AfterWalk => self.after_ite(rules, bus),
                }
                Step::ClearIte
            }
            Pc::Walk => {
                if bus.status(self.walks_at()) == Status::InUse {
                    self.pc = Pc::WalkAbort;
                } else {
                    self.walk_on(rules, bus);
                }
                Step::Walk
            }
            Pc::WalkAbort => {
                bus.set_status(self.walks_at(), Status::Abort);
                self.walk_on(rules, bus);
                Step::WalkAbort
            }
            pc => unreachable!("{pc:?} is no step of this part"),
        }
    }

    /// ITE (g5plus): looks for the WD of the batch that IQH stands in, and rewrites it.
    fn straddler<B: Bus>(&mut self, rules: &Rules, bus: &mut B) -> Step {
        let ring = bus.length();
        match self.pc {
            Pc::StraddlerIqh => {
                self.check.head = Some(ring.before(bus.iqh(), 1));
                if self.check.head == self.check.tail {
                    self.walked(rules, bus);
                } else {
                    self.pc = Pc::StraddlerLook;
                }
                Step::ReadIqh
            }
            Pc::StraddlerLook => {
                if bus.desc(self.walks_at()).ends_batch() {
                    self.walked(rules, bus);
                } else {
                    self.check.head = Some(ring.add(self.walks_at(), 1));
                    self.pc = Pc::StraddlerSeek;
                }
                Step::ReadDesc
            }
            Pc::StraddlerSeek => {
                if bus.desc(self.walks_at()).ends_batch() {
                    self.pc = Pc::StraddlerPatch;
                } else if self.check.head == self.check.tail {
                    self.walked(rules, bus);
                } else {
                    self.check.head = Some(ring.add(self.walks_at(), 1));
                }
                Step::ReadDesc
            }
            Pc::StraddlerPatch => {
                let slot = self.walks_at();
                bus.patch_desc(slot, Desc::Wd { target: slot, data: WdData::Abort });
                self.walked(rules, bus);
                Step::PatchDesc
            }
            pc => unreachable!("{pc:?} is no step of this part"),
        }
    }

    fn aborted(&mut self, rules: &Rules) {
        if self.outcome == Outcome::Success {
            self.outcome = Outcome::Again;
        }
        self.leave_loop(rules);
    }

    /// Where the fault check goes on when IQE has been seen to.
    fn after_iqe(&self) -> Pc {
        if self.check.fault.has(Fsts::ITE) { Pc::IteIqh } else { self.after_ite_check() }
    }

    /// Where it goes on when ITE has been seen to.
    fn after_ite_check(&self) -> Pc {
        if self.check.fault.has(Fsts::ICE) { Pc::ClearIce } else { Pc::PollUnlock }
    }

    /// Forgets the local variables of a pass that is over.
    fn leave_check(&mut self) {
        if self.pc == Pc::PollUnlock {
            self.check = FaultPass::default();
        }
    }

    fn walks_at(&self) -> Slot {
        self.check.head.expect("the walk has begun")
    }

    fn walk_on(&mut self, rules: &Rules, bus: &impl Bus) {
        let by = match rules.ite_walk {
            IteWalk::Odd => 2,
            IteWalk::Every => 1,
        };
        self.check.head = Some(bus.length().before(self.walks_at(), by));
        if self.check.head != self.check.tail {
            self.pc = Pc::Walk;
        } else {
            match rules.straddler {
                Straddler::Ignore => self.walked(rules, bus),
                Straddler::WriteAbort => self.pc = Pc::StraddlerIqh,
            }
        }
    }

    /// All that is to be marked has been.
    fn walked(&mut self, rules: &Rules, bus: &impl Bus) {
        (self.check.head, self.check.tail) = (None, None);
        match rules.ite_clear {
            IteClear::BeforeWalk => self.after_ite(rules, bus),
            IteClear::AfterWalk => self.pc = Pc::ClearIte,
        }
    }

    /// Asks the device that ITESID names, then looks at its own status again.
    fn after_ite(&mut self, rules: &Rules, bus: &impl Bus) {
        let itesid = std::mem::take(&mut self.check.itesid);
        if rules.time_out == TimeOut::Return && itesid != 0 && bus.is_gone(itesid) {
            if self.outcome == Outcome::Success {
                self.outcome = Outcome::TimedOut;
            }
            self.leave_loop(rules);
        } else {
            self.pc = Pc::RecheckAbort;
        }
    }
}

/// Where the handling of an ITE goes on when the registers have been read.
fn after_reading(rules: &Rules) -> Pc {
    match rules.ite_clear {
        IteClear::BeforeWalk => Pc::ClearIte,
        IteClear::AfterWalk => Pc::Walk,
    }
}
