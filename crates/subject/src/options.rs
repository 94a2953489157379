//! The options that describe a configuration.

use clap::Args;
use serde::de::DeserializeOwned;
use vtd_qi::impl_qi::{AfterIte, FaultCheck, FaultClass, Handout, Itesid, Lock, Order, SlotFairness};

/// The heading of these options in `--help`.
pub const CONFIGURATION: &str = "A configuration, by --generation or by changing the NAME of a scenario";

/// The options that describe a configuration: with `--generation` all of it, beside the name of a scenario what is changed.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationArgs {
    /// Check a configuration that the options describe: its generation
    #[arg(long, value_name = "NAME", help_heading = CONFIGURATION)]
    pub generation: Option<String>,
    /// Replace a rule of the generation: room, room-wait, layout, id-status, publish, poll, mark, reclaim, clean-up, ite-walk,
    /// time-out, ite-clear, straddler, iqe-at, iqe-patch, iqe-return or presence; a wrong value is answered with the right ones
    #[arg(long = "rule", value_name = "RULE=VALUE", help_heading = CONFIGURATION)]
    pub rules: Vec<String>,
    /// Number of submitters, 1 to 8; 2 if left out
    #[arg(long, help_heading = CONFIGURATION)]
    pub submitters: Option<usize>,
    /// Numbers of IDs that a call may bring; 0,1 if left out, and 1 where the driver posts no other
    #[arg(long, value_delimiter = ',', help_heading = CONFIGURATION)]
    pub counts: Vec<u64>,
    /// QI_LENGTH, even, 4 to 256; the smallest that serves the counts if left out
    #[arg(long, help_heading = CONFIGURATION)]
    pub ring: Option<u64>,
    /// The lock: strong-fair or fifo; strong-fair if left out
    #[arg(long, value_parser = word::<Lock>, help_heading = CONFIGURATION)]
    pub lock: Option<Lock>,
    /// How fetched descriptors act: in-order or pipelined; in-order if left out
    #[arg(long, value_parser = word::<Order>, help_heading = CONFIGURATION)]
    pub hardware: Option<Order>,
    /// How many descriptors the hardware fetches ahead, 1 to 4; 2 if left out
    #[arg(long, help_heading = CONFIGURATION)]
    pub depth: Option<u8>,
    /// Whether a call that waits for slots is promised any: unfair or fair; unfair if left out
    #[arg(long, value_parser = word::<SlotFairness>, help_heading = CONFIGURATION)]
    pub slots: Option<SlotFairness>,
    /// Which slots a post may hand out: as-driver or not-while-owner-waits; as-driver if left out
    #[arg(long, value_parser = word::<Handout>, help_heading = CONFIGURATION)]
    pub handout: Option<Handout>,
    /// Faults that may occur: invalid-id, lost-answer, ice, device-gone, invalid-wd
    #[arg(long, value_name = "CLASS", value_delimiter = ',', value_parser = word::<FaultClass>, help_heading = CONFIGURATION)]
    pub fault: Vec<FaultClass>,
    /// How many faults may be injected, 1 to 15; 1 if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=15), help_heading = CONFIGURATION)]
    pub bound: Option<u8>,
    /// How many devices IDs may address, up to 2; 1 where one is to fail if left out
    #[arg(long, value_name = "N", help_heading = CONFIGURATION)]
    pub devices: Option<u8>,
    /// What IQER says of a time-out: named or zero; named if left out
    #[arg(long, value_parser = word::<Itesid>, help_heading = CONFIGURATION)]
    pub itesid: Option<Itesid>,
    /// What becomes of fetched work after an ITE: drop, ids-run or wds-run; drop if left out
    #[arg(long, value_parser = word::<AfterIte>, help_heading = CONFIGURATION)]
    pub after_ite: Option<AfterIte>,
    /// Where the fault check is modelled: where-faults-occur or always; where-faults-occur if left out
    #[arg(long, value_parser = word::<FaultCheck>, help_heading = CONFIGURATION)]
    pub fault_check: Option<FaultCheck>,
}

impl ConfigurationArgs {
    /// Whether any option is given that changes what the configuration starts from.
    pub fn changes_something(&self) -> bool {
        let start = ConfigurationArgs { generation: self.generation.clone(), ..ConfigurationArgs::default() };
        *self != start
    }
}

/// A word as the scenario table spells it.
fn word<T: DeserializeOwned>(word: &str) -> Result<T, String> {
    serde_json::from_value(word.into()).map_err(|error| error.to_string())
}
