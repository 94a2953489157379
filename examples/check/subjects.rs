//! What is checked: scenarios of the table, cells of the matrix, a configuration made with options.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use vtd_qi::scenario::{Scenario, Table};
use vtd_qi_subject::{Base, Own, configured, named, properties};
use vtd_qi_terminal::{Failure, reading};

use crate::arguments::{Args, Mode, Request};

/// What is to be checked.
pub struct Subjects {
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
    /// What the configuration is and what was not asked of it, if it was made with options.
    pub own: Option<Own>,
}

impl Subjects {
    /// What the arguments mean.
    ///
    /// # Errors
    /// One sentence: a file, a name or a value cannot be used, or a signal came while the file was read.
    pub fn of(Request { mode, args }: &Request) -> Result<Subjects, Failure> {
        if let Some(generation) = &args.configuration.generation {
            return Base::generation(generation).and_then(|base| own(args, base)).map_err(Failure::Unusable);
        }
        let text = args.scenarios.as_deref().map(|file| reading(file, text_of)).transpose()?;
        let scenarios = selected(args, text.as_deref()).map_err(Failure::Unusable)?;
        let subjects = match (mode, scenarios.as_slice()) {
            (Mode::Trace, [base]) if args.configuration.changes_something() => own(args, Base::scenario(base)),
            (Mode::Own, [base]) => own(args, Base::scenario(base)),
            (Mode::Own, several) => Err(format!(
                "a configuration starts from exactly 1 scenario; {} means {}",
                args.names.join(" "),
                several.len()
            )),
            _ => asked(args, scenarios).map(|scenarios| Subjects { scenarios, own: None }),
        };
        subjects.map_err(Failure::Unusable)
    }
}

/// A configuration made with options.
fn own(args: &Args, base: Base) -> Result<Subjects, String> {
    let (mut scenario, own) = configured(base, &args.configuration, &properties(&args.properties)?)?;
    if args.max_states.is_some() {
        scenario.max_states = None;
    }
    Ok(Subjects { scenarios: vec![scenario], own: Some(own) })
}

/// The scenarios and cells of the names that are given, all scenarios if none is; of a table whose text is given, if it is.
fn selected(args: &Args, text: Option<&str>) -> Result<Vec<Scenario>, String> {
    let table = match (&args.scenarios, text) {
        (Some(path), Some(text)) => Table::parse(text).map_err(|e| format!("{}: {e}", path.display()))?,
        _ => Table::embedded(),
    };
    if args.names.is_empty() {
        return Ok(table.scenarios);
    }
    let mut scenarios: Vec<Scenario> = Vec::new();
    for name in &args.names {
        let found = named(&table, name)?;
        if args.scenarios.is_some() && table.select(name).is_empty() {
            return Err(format!(
                "{name} is a cell of the matrix and not in the file of --scenarios; leave one of the two out"
            ));
        }
        for scenario in found {
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
