//! What is checked: scenarios of the table, cells of the matrix, a configuration of one's own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Serialize;
use vtd_qi::campaign::matrix::{Matrix, Scope};
use vtd_qi::impl_qi::{Faults, GENERATIONS, Generation, Hardware, Length, RingCfg, SlotFairness};
use vtd_qi::scenario::{Check, Scenario, Table, changed};
use vtd_qi::spec::MAX_COUNT;
use vtd_qi::words::meant;

use crate::arguments::{Args, Mode, Request};

/// What is to be checked.
pub struct Subjects {
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
    /// Of a configuration of one's own: what it is, and what was not asked of it.
    pub own: Option<Own>,
}

/// What there is to say of a configuration of one's own.
pub struct Own {
    /// Where it starts from, and what was changed.
    pub what: String,
    /// Properties that were not asked, since no driver promises them there.
    pub not_asked: Vec<Check>,
}

impl Subjects {
    /// What the arguments mean.
    ///
    /// # Errors
    /// One sentence: a file, a name or a value cannot be used.
    pub fn of(Request { mode, args }: &Request) -> Result<Subjects, String> {
        let changes = Changes::of(args)?;
        let base = match &args.generation {
            Some(generation) => return own(args, Base::generation(generation)?, changes),
            None => named(args)?,
        };
        match (mode, base.as_slice()) {
            (Mode::Own | Mode::Trace, [base]) if !changes.is_empty() || *mode == Mode::Own => {
                own(args, Base::scenario(base), changes)
            }
            (Mode::Own, several) => Err(format!(
                "a configuration starts from exactly 1 scenario; {} means {}",
                args.names.join(" "),
                several.len()
            )),
            _ => Ok(Subjects { scenarios: asked(args, base)?, own: None }),
        }
    }
}

/// The scenarios and cells of the names that are given, all scenarios if none is.
fn named(args: &Args) -> Result<Vec<Scenario>, String> {
    let table = match &args.scenarios {
        None => Table::embedded(),
        Some(path) => Table::parse(&text_of(path)?).map_err(|e| format!("{}: {e}", path.display()))?,
    };
    if args.names.is_empty() {
        return Ok(table.scenarios);
    }
    let mut scenarios: Vec<Scenario> = Vec::new();
    let matrix = Matrix::embedded();
    for name in &args.names {
        let mut selected: Vec<Scenario> = table.select(name).into_iter().cloned().collect();
        selected.extend(
            matrix
                .find(name)
                .map(|cell| Scenario { max_states: Some(matrix.limit(cell, cell.scope)), ..cell.scenario.clone() }),
        );
        if selected.is_empty() {
            let cells = matrix.select(name).len();
            return Err(match cells {
                0 => {
                    let names = table.scenarios.iter().flat_map(|known| [known.name.as_str(), known.family.as_str()]);
                    let meant =
                        meant(name, names.chain(matrix.cells(Scope::Full).map(|cell| cell.scenario.name.as_str())));
                    let all = table.scenarios.len();
                    format!("there is no scenario or family {name:?}{meant}; --list shows the {all} there are")
                }
                _ => format!(
                    "there is no scenario or family {name:?}; --faults {name} checks the cells of the matrix that begin so, \
                     {cells} in all"
                ),
            });
        }
        for scenario in selected {
            if scenarios.iter().all(|known| known.name != scenario.name) {
                scenarios.push(scenario);
            }
        }
    }
    Ok(scenarios)
}

/// The largest scenario file that is read; the one of this crate has 20 KB.
const MOST_TEXT: u64 = 1 << 20;

/// The text of a scenario file.
fn text_of(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let mut text = String::new();
    let read = File::open(path).map_err(unreadable)?.take(MOST_TEXT + 1).read_to_string(&mut text);
    match read {
        Ok(bytes) if bytes as u64 > MOST_TEXT => {
            Err(format!("{} has more than {MOST_TEXT} bytes, which no scenario table needs", path.display()))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(unreadable(error)),
    }
}

/// Scenarios of the table, asked for the properties that are named and searched as far as is said.
fn asked(args: &Args, mut scenarios: Vec<Scenario>) -> Result<Vec<Scenario>, String> {
    let wanted = properties(&args.properties)?;
    for scenario in &mut scenarios {
        if !wanted.is_empty() {
            scenario.checks.clone_from(&wanted);
            scenario.expected.retain(|name, _| wanted.iter().any(|check| check.name() == *name));
        }
        // A search that is to go further than the data says may; one that stops short of it is a search that was cut.
        let further = |limit: usize| args.max_states.map_or(limit, |n| limit.max(n as usize));
        scenario.max_states = scenario.max_states.map(further);
    }
    Ok(scenarios)
}

/// The properties of given names, safety first.
fn properties(names: &[String]) -> Result<Vec<Check>, String> {
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

fn no_twice(option: &str, values: &[impl ToString]) -> Result<(), String> {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    match values.iter().enumerate().find(|(i, value)| values[..*i].contains(value)) {
        Some((_, value)) => Err(format!("{option} {value} is given twice")),
        None => Ok(()),
    }
}

/// What a configuration starts from.
struct Base {
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
    /// Two submitters on the smallest ring.
    fn generation(name: &str) -> Result<Base, String> {
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

    fn scenario(scenario: &Scenario) -> Base {
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

/// What the options of a configuration replace, each as one reads it.
struct Changes {
    rules: BTreeMap<String, String>,
    said: Vec<String>,
}

impl Changes {
    fn of(args: &Args) -> Result<Changes, String> {
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

    fn is_empty(&self) -> bool {
        self.said.is_empty()
    }
}

/// A word as the scenario table spells it.
fn spelled(word: impl Serialize) -> String {
    serde_json::to_value(word).ok().and_then(|word| word.as_str().map(String::from)).unwrap_or_default()
}

/// A configuration: where it starts from, with the changes.
fn own(args: &Args, base: Base, changes: Changes) -> Result<Subjects, String> {
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
        faults: faults(args, base.cfg.faults)?,
        fault_check: args.fault_check.unwrap_or(base.cfg.fault_check),
        ..smallest
    };
    let slots = args.slots.unwrap_or(base.slots);
    let (promised, not_promised) = Check::promised(&cfg.faults, slots);
    let (checks, not_asked) = match properties(&args.properties)? {
        named if named.is_empty() => (promised, not_promised),
        named => (named, Vec::new()),
    };
    let mut scenario = Scenario::own(base.generation, cfg.validate().map_err(|e| e.to_string())?, slots, checks);
    scenario.family = format!("{}-own", base.family);
    scenario.name = format!("{}-{}x{}", scenario.family, scenario.cfg.submitters, scenario.cfg.length.slots());
    scenario.max_states = if args.max_states.is_some() { None } else { base.max_states };
    let what = match changes.said.as_slice() {
        [] => base.name,
        said => format!("{} with {}", base.name, said.join(", ")),
    };
    Ok(Subjects { scenarios: vec![scenario], own: Some(Own { what, not_asked }) })
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

fn hardware(args: &Args, base: Hardware) -> Hardware {
    Hardware { order: args.hardware.unwrap_or(base.order), depth: args.depth.unwrap_or(base.depth) }
}

/// The faults that may occur; refuses what is said about faults that cannot.
fn faults(args: &Args, base: Faults) -> Result<Faults, String> {
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
    Ok(Faults {
        bound: args.bound.unwrap_or(faults.bound),
        devices: args.devices.unwrap_or(faults.devices),
        itesid: args.itesid.unwrap_or(faults.itesid),
        after_ite: args.after_ite.unwrap_or(faults.after_ite),
        ..faults
    })
}
