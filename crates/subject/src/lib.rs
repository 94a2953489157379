//! What a program is asked about: a scenario of the table, a cell of the verdict matrix, or a configuration that options describe.
//!
//! A configuration starts from a generation or from a scenario, and options replace what that says.
//!
//! ```
//! use vtd_qi::scenario::Table;
//! use vtd_qi_subject::{Base, ConfigurationArgs, configured, named};
//!
//! let [g4] = named(&Table::embedded(), "g4-c01-2x4")?.try_into().unwrap();
//! let options = ConfigurationArgs { rules: vec!["reclaim=never".into()], ..Default::default() };
//! let (scenario, own) = configured(Base::scenario(&g4), &options, &[])?;
//! assert_eq!(scenario.name, "g4-c01-own-2x4");
//! assert_eq!(own.what, "g4-c01-2x4 with reclaim=never");
//! # Ok::<(), String>(())
//! ```

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use serde::Serialize;
use vtd_qi::campaign::matrix::{Matrix, Scope};
use vtd_qi::impl_qi::{Faults, GENERATIONS, Generation, Hardware, Length, RingCfg, SlotFairness};
use vtd_qi::scenario::{Check, Scenario, Table, changed};
use vtd_qi::spec::MAX_COUNT;
use vtd_qi::words::meant;

pub use options::{CONFIGURATION, ConfigurationArgs};

mod options;

/// The scenarios that a name means: one, all of a family, or a cell of the verdict matrix, with the limit of its search.
///
/// # Errors
/// A sentence with the name that may have been meant.
pub fn named(table: &Table, name: &str) -> Result<Vec<Scenario>, String> {
    let matrix = Matrix::embedded();
    let mut selected: Vec<Scenario> = table.select(name).into_iter().cloned().collect();
    selected.extend(
        matrix
            .find(name)
            .map(|cell| Scenario { max_states: Some(matrix.limit(cell, cell.scope)), ..cell.scenario.clone() }),
    );
    if !selected.is_empty() {
        return Ok(selected);
    }
    let cells = matrix.select(name);
    let with_full = cells.iter().filter(|cell| cell.scope == Scope::Full).count();
    Err(match (cells.len(), with_full) {
        (0, _) => {
            let names = table.scenarios.iter().flat_map(|known| [known.name.as_str(), known.family.as_str()]);
            let meant = meant(name, names.chain(matrix.cells(Scope::Full).map(|cell| cell.scenario.name.as_str())));
            let all = table.scenarios.len();
            format!("there is no scenario or family {name:?}{meant}; check --list shows the {all} there are")
        }
        (cells, 0) => format!(
            "there is no scenario or family {name:?}; check --faults {name} checks the cells of the matrix that begin so, \
             {cells} in all"
        ),
        (cells, full) => format!(
            "there is no scenario or family {name:?}; check --faults {name} checks the cells of the matrix that begin so, \
             {cells} in all, {full} of them only with --full"
        ),
    })
}

/// The properties of given names or codes, safety first.
///
/// # Errors
/// A sentence with the name that there is not, or that is given twice.
pub fn properties(names: &[String]) -> Result<Vec<Check>, String> {
    no_twice("--property", names)?;
    let known = || Check::all().map(Check::name).collect::<Vec<_>>().join(", ");
    let named = |name: &String| {
        let meant = || meant(name, Check::all().map(Check::name));
        let of_code = || Check::all().find(|check| check.code().eq_ignore_ascii_case(name));
        Check::named(name)
            .or_else(of_code)
            .ok_or_else(|| format!("there is no property {name:?}{}; there are {}", meant(), known()))
    };
    let named = names.iter().map(named).collect::<Result<Vec<_>, _>>()?;
    Ok(Check::all().filter(|check| named.contains(check)).collect())
}

/// Refuses a value that an option is given twice.
///
/// # Errors
/// A sentence with the value.
pub fn no_twice(option: &str, values: &[impl ToString]) -> Result<(), String> {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    match values.iter().enumerate().find(|(i, value)| values[..*i].contains(value)) {
        Some((_, value)) => Err(format!("{option} {value} is given twice")),
        None => Ok(()),
    }
}

/// What there is to say of a configuration made with options.
#[derive(Clone, Debug)]
pub struct Own {
    /// Where it starts from, and what was changed.
    pub what: String,
    /// Properties that were not asked, since no driver promises them there.
    pub not_asked: Vec<Check>,
}

/// What a configuration starts from.
#[derive(Clone, Debug)]
pub struct Base {
    name: String,
    family: String,
    generation: &'static str,
    cfg: RingCfg,
    slots: SlotFairness,
    /// The ring's length, if it is not the smallest that serves.
    length: Option<Length>,
    max_states: Option<usize>,
}

impl Base {
    /// A generation of the driver: two submitters on the smallest ring.
    ///
    /// # Errors
    /// A sentence with the name that there is not.
    pub fn generation(name: &str) -> Result<Base, String> {
        let known = || GENERATIONS.iter().map(|g| g.name).collect::<Vec<_>>().join(", ");
        let meant = || meant(name, GENERATIONS.iter().map(|g| g.name));
        let generation = Generation::named(name)
            .ok_or_else(|| format!("there is no generation {name:?}{}; there are {}", meant(), known()))?;
        let counts = if generation.rules.one_id_only() { vec![1] } else { vec![0, 1] };
        Ok(Base {
            name: name.to_string(),
            family: name.to_string(),
            generation: generation.name,
            cfg: RingCfg::new(generation.rules, 2, counts),
            slots: SlotFairness::Unfair,
            length: None,
            max_states: None,
        })
    }

    /// A scenario or a cell.
    pub fn scenario(scenario: &Scenario) -> Base {
        Base {
            name: scenario.name.clone(),
            family: scenario.family.clone(),
            generation: scenario.generation,
            cfg: RingCfg::clone(&scenario.cfg),
            slots: scenario.slots,
            length: Some(scenario.cfg.length),
            max_states: scenario.max_states,
        }
    }
}

/// Makes a configuration from its base and the options. If no property is named, it is asked for those that are promised there.
///
/// # Errors
/// A sentence with the value that cannot be, and the limit.
pub fn configured(base: Base, args: &ConfigurationArgs, asked: &[Check]) -> Result<(Scenario, Own), String> {
    let changes = Changes::of(args)?;
    let rules = changed(base.cfg.rules, &changes.rules)?;
    let counts = match args.counts.as_slice() {
        [] => base.cfg.counts.clone(),
        counts => counts.iter().map(|&n| count(n)).collect::<Result<_, _>>()?,
    };
    let smallest = RingCfg::new(rules, args.submitters.unwrap_or(base.cfg.submitters), counts);
    let cfg = RingCfg {
        lock: args.lock.unwrap_or(base.cfg.lock),
        hardware: hardware(args, base.cfg.hardware),
        length: match args.ring {
            Some(slots) => length(slots)?,
            None => base.length.unwrap_or(smallest.length),
        },
        handout: args.handout.unwrap_or(base.cfg.handout),
        faults: faults(args, &changes, base.cfg.faults)?,
        fault_check: args.fault_check.unwrap_or(base.cfg.fault_check),
        ..smallest
    };
    let slots = args.slots.unwrap_or(base.slots);
    let (promised, not_promised) = Check::promised(&cfg.faults, slots);
    let (checks, not_asked) = match asked {
        [] => (promised, not_promised),
        asked => (asked.to_vec(), Vec::new()),
    };
    let mut scenario = Scenario::own(base.generation, cfg.validate().map_err(|e| e.to_string())?, slots, checks);
    scenario.family = format!("{}-own", base.family);
    scenario.name = format!("{}-{}x{}", scenario.family, scenario.cfg.submitters, scenario.cfg.length.slots());
    scenario.max_states = base.max_states;
    let what = match changes.said.as_slice() {
        [] => base.name,
        said => format!("{} with {}", base.name, said.join(", ")),
    };
    Ok((scenario, Own { what, not_asked }))
}

/// What the options of a configuration replace, each as one reads it.
struct Changes {
    rules: BTreeMap<String, String>,
    said: Vec<String>,
}

impl Changes {
    fn of(args: &ConfigurationArgs) -> Result<Changes, String> {
        let mut rules = BTreeMap::new();
        for change in &args.rules {
            let (rule, value) =
                change.split_once('=').ok_or_else(|| format!("--rule {change:?} is not of the form RULE=VALUE"))?;
            match rules.insert(rule.to_string(), value.to_string()) {
                Some(first) if first == value => return Err(format!("--rule {change} is given twice")),
                Some(first) => return Err(format!("--rule {rule} is given two values, {first} and {value}")),
                None => {}
            }
        }
        no_twice("--counts", &args.counts)?;
        no_twice("--fault", &args.fault.iter().map(|class| class.name()).collect::<Vec<_>>())?;
        let mut said: Vec<String> = rules.iter().map(|(rule, value)| format!("{rule}={value}")).collect();
        let mut say = |option: &str, value: Option<String>| said.extend(value.map(|value| format!("{option}={value}")));
        let list = |values: Vec<String>| (!values.is_empty()).then(|| values.join(","));
        say("submitters", args.submitters.map(|n| n.to_string()));
        say("counts", list(args.counts.iter().map(u64::to_string).collect()));
        say("ring", args.ring.map(|n| n.to_string()));
        say("lock", args.lock.map(spelled));
        say("hardware", args.hardware.map(spelled));
        say("depth", args.depth.map(|n| n.to_string()));
        say("slots", args.slots.map(spelled));
        say("handout", args.handout.map(spelled));
        say("fault", list(args.fault.iter().copied().map(spelled).collect()));
        say("bound", args.bound.map(|n| n.to_string()));
        say("devices", args.devices.map(|n| n.to_string()));
        say("itesid", args.itesid.map(spelled));
        say("after-ite", args.after_ite.map(spelled));
        say("fault-check", args.fault_check.map(spelled));
        Ok(Changes { rules, said })
    }
}

/// A word as the scenario table spells it.
fn spelled(word: impl Serialize) -> String {
    serde_json::to_value(word).ok().and_then(|word| word.as_str().map(String::from)).unwrap_or_default()
}

fn count(count: u64) -> Result<u8, String> {
    match u8::try_from(count) {
        Ok(count) if count <= MAX_COUNT => Ok(count),
        _ => Err(format!("a batch of {count} IDs cannot be submitted; the largest ring takes {MAX_COUNT}")),
    }
}

fn length(slots: u64) -> Result<Length, String> {
    match u16::try_from(slots) {
        Ok(slots) => Length::new(slots).map_err(|e| e.to_string()),
        Err(_) => Err(format!("a ring of {slots} slots cannot be built; QI_LENGTH must be even, from 4 to 256")),
    }
}

fn hardware(args: &ConfigurationArgs, base: Hardware) -> Hardware {
    Hardware { order: args.hardware.unwrap_or(base.order), depth: args.depth.unwrap_or(base.depth) }
}

/// The faults that may occur; refuses what is said about faults that cannot.
fn faults(args: &ConfigurationArgs, changes: &Changes, base: Faults) -> Result<Faults, String> {
    let faults = match args.fault.as_slice() {
        [] => base,
        classes => {
            let faults = Faults::of(classes, base.bound.max(1));
            Faults { devices: faults.devices.max(base.devices), classes: faults.classes, bound: faults.bound, ..base }
        }
    };
    let about_faults = [("--bound", args.bound.is_some()), ("--devices", args.devices.is_some())];
    if let Some((option, _)) = about_faults.into_iter().find(|(_, given)| *given && faults.is_none()) {
        return Err(format!("{option} means nothing where no fault may occur; --fault CLASS says which may"));
    }
    let about_ite = [("--itesid", args.itesid.is_some()), ("--after-ite", args.after_ite.is_some())];
    if let Some((option, _)) = about_ite.into_iter().find(|(_, given)| *given && !faults.time_out()) {
        return Err(format!(
            "{option} means nothing where nothing times out; --fault lost-answer or device-gone would"
        ));
    }
    for rule in changes.rules.keys() {
        let needed = Faults::needed_by(rule);
        if !needed.is_empty() && !needed.iter().any(|class| faults.includes(*class)) {
            let needed: Vec<&str> = needed.iter().map(|class| class.name()).collect();
            return Err(format!("--rule {rule} means nothing without --fault {}", needed.join(" or ")));
        }
    }
    Ok(Faults {
        bound: args.bound.unwrap_or(faults.bound),
        devices: args.devices.unwrap_or(faults.devices),
        itesid: args.itesid.unwrap_or(faults.itesid),
        after_ite: args.after_ite.unwrap_or(faults.after_ite),
        ..faults
    })
}
