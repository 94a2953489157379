//! What is to be done, known to be possible before a tree is looked at.

use std::path::Path;

use stateright_temporal::memory::Memory;
use vtd_qi::campaign::findings::Confirmations;
use vtd_qi::impl_qi::{FaultCheck, FaultClass, Faults, Length, RingCfg, ValidRing};
use vtd_qi_kernel::ROOM;
use vtd_qi_terminal::{Failure, memory};

use crate::arguments::{Args, CLASSES, EXHAUSTIBLE};

/// Where `--record` notes what was confirmed.
pub const CONFIRMED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/confirmed.json");

/// What the arguments come to, known to be possible before the tree is looked at: reading one may take minutes.
pub(crate) struct Plan {
    pub base: ValidRing,
    /// With which faults every transition is compared, under the rules of the tree.
    pub compared: Vec<Faults>,
    /// Classes of faults with which nothing is compared exhaustively, because nobody has asked for them.
    pub left_out: Vec<&'static str>,
    /// With which faults the C is searched.
    pub searched: Vec<ValidRing>,
    /// What all graphs may take.
    pub memory: Memory,
    /// Whether runs that are confirmed are to be shown.
    pub shows_runs: bool,
    /// What a child may take that keeps a graph: more than the graphs, whose count of bytes is not exact.
    pub room: u64,
}

impl Plan {
    /// What they come to.
    ///
    /// # Errors
    /// What cannot be.
    pub fn of(args: &Args) -> Result<Plan, Failure> {
        let length = Length::new(args.ring).map_err(Failure::unusable)?;
        let defaults = RingCfg::new(vtd_qi::impl_qi::Rules::G5, args.submitters.into(), args.counts.clone());
        let base = RingCfg { length, fault_check: FaultCheck::Always, ..defaults };
        let valid = |faults| RingCfg { faults, ..base.clone() }.validate().map_err(Failure::unusable);
        let with = |classes: &[FaultClass]| classes.iter().map(|&class| Faults::of([class], 1)).collect::<Vec<_>>();
        let (compared, searched) = match &args.faults {
            Some(classes) => (with(classes), vec![Faults::of(classes.clone(), 1)]),
            None if args.no_faults => (vec![Faults::none()], vec![Faults::none()]),
            None => {
                ([vec![Faults::none()], with(&EXHAUSTIBLE)].concat(), [vec![Faults::none()], with(&CLASSES)].concat())
            }
        };
        for faults in &compared {
            valid(faults.clone())?;
        }
        let is_default = args.faults.is_none() && !args.no_faults;
        let left_out = CLASSES.iter().filter(|class| is_default && !EXHAUSTIBLE.contains(class));
        if args.record.is_some() {
            Confirmations::read(Path::new(CONFIRMED)).map_err(|error| Failure::unusable(unreadable(error)))?;
        }
        let allowed = memory::allowance(args.max_memory, cores())?;
        Ok(Plan {
            base: valid(Faults::none())?,
            compared,
            left_out: left_out.map(|class| class.name()).collect(),
            searched: searched.into_iter().map(valid).collect::<Result<_, _>>()?,
            memory: Memory::of(allowed),
            shows_runs: args.html.is_some(),
            room: (allowed as u64 / 4 * 5).saturating_add(ROOM),
        })
    }
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub fn unreadable(error: std::io::Error) -> String {
    format!("{CONFIRMED} cannot be used: {error}")
}
