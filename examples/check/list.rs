//! `--list`: what there is to be checked, and what can be changed of it.

use std::collections::BTreeMap;
use std::io::{Result, Write};

use serde_json::{Value, json};
use vtd_qi::campaign::matrix::{Matrix, Scope};
use vtd_qi::impl_qi::{GENERATIONS, Generation, Rules};
use vtd_qi::scenario::{Check, Scenario};
use vtd_qi::verify::Verdict;
use vtd_qi_terminal::style::{FAINT, STRONG, next, painted, wrapped};

use crate::print::pretty;

/// For a person.
pub fn print(out: &mut impl Write, scenarios: &[Scenario], width: usize) -> Result<()> {
    families(out, scenarios, width)?;
    heading(out, "generations of the driver, for --generation NAME")?;
    for generation in GENERATIONS {
        writeln!(out, "  {:<8} {}", generation.name, generation.what)?;
    }
    heading(out, "properties, for --property NAME; the codes stand above the columns of tables")?;
    for check in Check::all() {
        let line = format!("{:<3}  {:<28} {}", check.code(), check.name(), check.meaning());
        writeln!(out, "{}", wrapped(&line, width, 2, 36))?;
    }
    rules(out, width)?;
    cells(out, width)?;
    next(out, "check NAME checks a scenario, a family or a cell, and says why each verdict is what it is", width)
}

fn heading(out: &mut impl Write, text: &str) -> Result<()> {
    writeln!(out, "\n{}", painted(STRONG, text))
}

/// The families: what is expected, why, and the scenarios.
fn families(out: &mut impl Write, scenarios: &[Scenario], width: usize) -> Result<()> {
    writeln!(out, "{}", painted(STRONG, "families and their scenarios, for check NAME"))?;
    let mut families: Vec<(&str, Vec<&Scenario>)> = Vec::new();
    for scenario in scenarios {
        match families.iter_mut().find(|(family, _)| *family == scenario.family) {
            Some((_, of_family)) => of_family.push(scenario),
            None => families.push((&scenario.family, vec![scenario])),
        }
    }
    for (family, of_family) in families {
        let mut violated: Vec<&str> = Vec::new();
        for (name, _) in of_family.iter().flat_map(|scenario| &scenario.expected).filter(|(_, e)| e.violated) {
            if !violated.contains(name) {
                violated.push(name);
            }
        }
        let checks = of_family[0].checks.len();
        let expected = match violated.as_slice() {
            _ if of_family.iter().all(|scenario| scenario.expected.is_empty()) => "no expectation".to_string(),
            [] if checks == 1 => format!("{} holds", of_family[0].checks[0].name()),
            [] => format!("{checks} properties hold"),
            names => format!("violates {}", names.join(", ")),
        };
        let line = format!("{}: {}, {expected}", painted(STRONG, family), of_family[0].generation);
        writeln!(out, "{}", wrapped(&line, width, 2, 6))?;
        if let Some(why) = &of_family[0].why {
            writeln!(out, "{}", wrapped(why, width, 6, 6))?;
        }
        let names: Vec<&str> = of_family.iter().map(|scenario| scenario.name.as_str()).collect();
        let names = wrapped(&names.join(" "), width, 6, 6);
        for line in names.lines() {
            writeln!(out, "{}", painted(FAINT, line))?;
        }
    }
    Ok(())
}

/// The rules: each value, which generations have it, and what it means.
fn rules(out: &mut impl Write, width: usize) -> Result<()> {
    heading(out, "rules, for --rule RULE=VALUE; the generations that have a value stand behind it")?;
    for rule in Rules::NAMES {
        writeln!(out, "  {}", painted(STRONG, rule))?;
        let meanings = Rules::meanings(rule).unwrap_or_default();
        for (value, meaning) in Rules::values(rule).unwrap_or_default().into_iter().zip(meanings) {
            let has = |generation: &&Generation| generation.rules.words().any(|word| word == (rule, value));
            let names: Vec<&str> = GENERATIONS.iter().filter(has).map(|generation| generation.name).collect();
            let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
            writeln!(out, "{}", wrapped(&format!("{value}{names}: {meaning}"), width, 4, 8))?;
        }
    }
    Ok(())
}

/// How many cells each generation has under each class of faults.
fn cells(out: &mut impl Write, width: usize) -> Result<()> {
    heading(
        out,
        "cells of the verdict matrix, for check --faults NAME, where a name may be cut short, or for check CELL",
    )?;
    let matrix = Matrix::embedded();
    for generation in GENERATIONS {
        let mut classes: Vec<(&str, usize)> = Vec::new();
        for cell in matrix.cells(Scope::Full).filter(|cell| cell.scenario.generation == generation.name) {
            match classes.iter_mut().find(|(class, _)| *class == cell.class) {
                Some((_, number)) => *number += 1,
                None => classes.push((&cell.class, 1)),
            }
        }
        let classes: Vec<String> =
            classes.iter().map(|(class, number)| format!("{}-{class} ({number})", generation.name)).collect();
        if !classes.is_empty() {
            writeln!(out, "{}", wrapped(&classes.join(", "), width, 2, 4))?;
        }
    }
    let example = matrix.cells(Scope::Quick).last().map(|cell| cell.scenario.name.as_str());
    writeln!(out, "{}", wrapped(&format!("such as {}", example.unwrap_or("none")), width, 2, 4))
}

/// As JSON.
pub fn json(out: &mut impl Write, scenarios: &[Scenario]) -> Result<()> {
    let scenario = |scenario: &Scenario| {
        let expected: BTreeMap<_, _> = scenario
            .expected
            .iter()
            .map(|(name, e)| (name, if e.violated { Verdict::Violated } else { Verdict::Holds }))
            .collect();
        json!({
            "name": scenario.name,
            "family": scenario.family,
            "generation": scenario.generation,
            "submitters": scenario.cfg.submitters,
            "counts": scenario.cfg.counts,
            "ring": scenario.cfg.length.slots(),
            "expected": expected,
        })
    };
    let scenarios: Vec<Value> = scenarios.iter().map(scenario).collect();
    let properties: Vec<Value> =
        Check::all().map(|check| json!({ "name": check.name(), "meaning": check.meaning() })).collect();
    pretty(out, &json!({ "scenarios": scenarios, "properties": properties }))
}
