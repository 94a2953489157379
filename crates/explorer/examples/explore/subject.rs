//! What is explored: a scenario, a cell, or a configuration made with options.

use vtd_qi::scenario::{Check, Scenario, Table};
use vtd_qi_subject::{Base, ConfigurationArgs, Own, configured, named, properties};

/// What is explored if nothing is named.
const DEFAULT: &str = "g3-c01-2x4";

/// What is to be explored.
pub struct Subject {
    /// The scenario, which asks for the properties whose counterexamples are looked for.
    pub scenario: Scenario,
    /// The property whose counterexample is asked for.
    pub property: Option<Check>,
    /// What the configuration is and what is not asked of it, if it was made with options.
    pub own: Option<Own>,
}

impl Subject {
    /// What a name, a property and the options of a configuration mean.
    ///
    /// # Errors
    /// One sentence: a name or a value cannot be used.
    pub fn of(name: Option<&str>, property: Option<&str>, options: &ConfigurationArgs) -> Result<Subject, String> {
        let property = property.map(property_of).transpose()?;
        let asked: Vec<Check> = property.into_iter().collect();
        if let Some(generation) = &options.generation {
            if name.is_some() {
                return Err("NAME means nothing beside --generation: a named scenario brings its own generation; --rule changes the \
                            rules of that"
                    .to_string());
            }
            let (scenario, own) = configured(Base::generation(generation)?, options, &asked)?;
            return Ok(Subject { scenario, property, own: Some(own) });
        }
        let scenario = select(name.unwrap_or(DEFAULT), property)?;
        if options.changes_something() {
            let (scenario, own) = configured(Base::scenario(&scenario), options, &asked)?;
            return Ok(Subject { scenario, property, own: Some(own) });
        }
        let scenario = if asked.is_empty() { scenario } else { Scenario { checks: asked, ..scenario } };
        Ok(Subject { scenario, property, own: None })
    }

    /// Refuses what says nothing of the specification, which has neither ring nor rules.
    ///
    /// # Errors
    /// One sentence.
    pub fn of_specification(self, options: &ConfigurationArgs) -> Result<Subject, String> {
        let liveness = Check::WdEventuallyObservedDone;
        if self.property.is_some_and(|check| check != liveness) {
            return Err(format!("of the specification, {} is the only property with a link", liveness.name()));
        }
        let ConfigurationArgs { generation, submitters, counts, fault, .. } = options.clone();
        match *options == (ConfigurationArgs { generation, submitters, counts, fault, ..Default::default() }) {
            true => Ok(self),
            false => Err(
                "of a configuration the specification has its submitters, its counts and whether faults may occur: \
                          --generation, --submitters, --counts and --fault; the other options are about the ring"
                    .to_string(),
            ),
        }
    }
}

fn property_of(name: &str) -> Result<Check, String> {
    Ok(properties(&[name.to_string()])?[0])
}

/// The scenario of this name, or of the family's the one that shows most: the first that is expected to violate something.
fn select(name: &str, property: Option<Check>) -> Result<Scenario, String> {
    let mut rows = named(&Table::embedded(), name)?;
    let violates = |scenario: &Scenario| match property {
        Some(check) => scenario.expected(check.name()).is_some_and(|expected| expected.violated),
        None => scenario.expected.values().any(|expected| expected.violated),
    };
    let shows = rows.iter().position(violates).unwrap_or(0);
    Ok(rows.swap_remove(shows))
}
