//! What a scenario models, in words.

use super::Scenario;
use crate::impl_qi::{Faults, Generation, Hardware, Lock, Order, RingCfg, SlotFairness};

impl Scenario {
    /// What is modelled: one line, then one for rules that are not the generation's own and one for faults, where there are any.
    ///
    /// ```
    /// use vtd_qi::scenario::Table;
    /// let words = Table::embedded().find("g3-c0-2x4").unwrap().in_words();
    /// assert_eq!(words, ["g3, 2 submitters, counts [0], 4 slots, strongly fair lock, hardware in order, 2 deep"]);
    /// ```
    pub fn in_words(&self) -> Vec<String> {
        let cfg = &self.cfg;
        let mut lines = vec![format!(
            "{}, {} submitters, counts {:?}, {} slots{}, {}, {}",
            self.generation,
            cfg.submitters,
            cfg.counts,
            cfg.length.slots(),
            match self.slots {
                SlotFairness::Unfair => "",
                SlotFairness::Fair => " handed out fairly",
            },
            match cfg.lock {
                Lock::StrongFair => "strongly fair lock",
                Lock::Fifo => "FIFO lock",
            },
            match cfg.hardware {
                Hardware { order: Order::InOrder, depth } => format!("hardware in order, {depth} deep"),
                Hardware { order: Order::Pipelined, depth } => format!("pipelined hardware, {depth} deep"),
            }
        )];
        let rules = changed_rules(self.generation, cfg);
        if !rules.is_empty() {
            lines.push(format!("rules that {} does not have: {}", self.generation, rules.join(", ")));
        }
        if !cfg.faults.is_none() {
            lines.push(format!("faults: {}", faults_in_words(&cfg.faults)));
        }
        lines
    }
}

/// The rules that are not the generation's own.
fn changed_rules(generation: &str, cfg: &RingCfg) -> Vec<String> {
    let Some(generation) = Generation::named(generation) else { return Vec::new() };
    let both = cfg.rules.words().zip(generation.rules.words());
    both.filter(|(of, own)| of != own).map(|((rule, value), _)| format!("{rule}={value}")).collect()
}

fn faults_in_words(faults: &Faults) -> String {
    let classes: Vec<_> = faults.classes.iter().map(|class| class.name()).collect();
    let devices = if faults.devices == 1 { "device" } else { "devices" };
    let mut words = vec![format!("{}, at most {}", classes.join(" or "), faults.bound)];
    words.push(format!("{} {devices}", faults.devices));
    if faults.time_out() {
        words.push(format!("ITESID {:?}", faults.itesid).to_lowercase().replace("itesid", "ITESID"));
        words.push(format!("fetched work after an ITE: {}", faults.after_ite.name()));
    }
    words.join("; ")
}
