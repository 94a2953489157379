//! Rings of 256 slots as debugfs would print them.

use stateright::Model;
use vtd_qi::impl_qi::{Action, Desc, HwStep, IdKind, Length, RingCfg, ValidRing, WideRing, WideState};

/// Where `desc_status` lies in these dumps.
pub const BASE: u64 = 0x1_672b_e800;

/// A row: status and descriptor.
pub fn words(desc: Desc) -> (u64, u64) {
    let wd = |target: u8| (0x2_0000_0025, BASE + 4 * u64::from(target));
    match desc {
        Desc::Blank => (0, 0),
        Desc::Id { kind: IdKind::Unit, .. } => (0x6_00f2, 0xffff_2040),
        Desc::Id { kind: IdKind::Device(_), .. } => (0x100_0000_0003, 0xffff_2000),
        Desc::Id { kind: IdKind::Invalid, .. } => (0x6_00d2, 0x7),
        Desc::Wd { target, .. } | Desc::InvalidWd { target } => wd(target),
    }
}

/// A dump in the form of debugfs.
pub fn printed(unit: &str, head: u64, tail: u64, rows: impl Iterator<Item = ((u64, u64), u64)>) -> String {
    let mut text = format!("Invalidation queue on IOMMU: {unit}\n Base: 0x1672c9000\tHead: {head}\tTail: {tail}\n");
    text += "Index\t\tqw0\t\t\tqw1\t\t\tstatus\n";
    for (slot, ((qw0, qw1), status)) in rows.enumerate() {
        text += &format!("{slot:5}\t{qw0:016x}\t{qw1:016x}\t{status:016x}\n");
    }
    text + "\n"
}

/// A state of the model as a dump.
pub fn dump<const F: usize>(unit: &str, state: &WideState<F>) -> String {
    let rows = (0..=255).map(|slot| (words(state.desc(slot)), state.status(slot) as u64));
    printed(unit, state.iqh().into(), state.iqt().into(), rows)
}

/// A configuration on the kernel's ring.
pub fn on_256(cfg: &ValidRing) -> ValidRing {
    let wide = RingCfg { length: Length::KERNEL, ..RingCfg::clone(cfg) };
    wide.with_requests(cfg.requests()).unwrap()
}

/// The ring at rest after so many calls of the first submitter, one after the other, of the smallest request.
pub fn after_calls<const F: usize>(ring: &WideRing<F>, calls: usize, request: u8) -> WideState<F> {
    let mut state = ring.init_states()[0];
    for _ in 0..calls {
        state = ring.next_state(&state, Action::Call { t: 0, request }).unwrap();
        while !ring.at_rest(&state) {
            let mut actions = Vec::new();
            ring.actions(&state, &mut actions);
            let hardware = |action: &&Action| {
                matches!(action, Action::Hardware(HwStep::Fetch | HwStep::Execute { .. } | HwStep::Complete))
            };
            let driver = |action: &&Action| matches!(action, Action::Driver { .. });
            let next = actions.iter().find(hardware).or(actions.iter().find(driver)).unwrap();
            state = ring.next_state(&state, *next).unwrap();
        }
    }
    state
}
