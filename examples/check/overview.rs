//! What `check` prints of many scenarios: which of them share a verdict, the seeded faults, and one run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Result, Write};

use vtd_qi::impl_qi::{GENERATIONS, Generation};
use vtd_qi::scenario::{Check, Scenario};
use vtd_qi::verify::{PropertyReport, Report, Verdict};
use vtd_qi_terminal::style::{BAD, GOOD, STRONG, painted, wrapped};

use crate::is_fine;
use crate::print::{Look, drawn_line, steps, style};

/// How many lines all of it takes at most where all is as expected: a screen.
const SCREEN: usize = 40;

/// Lines that are printed after it: a blank one, the counts, a blank one and two for what to do next.
const AFTER: usize = 5;

/// The verdict of a scenario, as short as it can be told.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Told {
    verdict: Verdict,
    /// The property that tells most of a violation, if there is one.
    check: Option<Check>,
    fine: bool,
}

impl Told {
    fn of(report: &Report) -> Told {
        let violated = report.properties.iter().filter(|outcome| outcome.verdict == Verdict::Violated);
        let check = violated.map(|outcome| outcome.check).min_by_key(|check| telling(*check));
        let verdict = match check {
            Some(_) => Verdict::Violated,
            None if report.is_decided() => Verdict::Holds,
            None => Verdict::Unknown,
        };
        Told { verdict, check, fine: is_fine(report, None) }
    }

    fn sign(self) -> &'static str {
        match self.verdict {
            Verdict::Holds => "+",
            Verdict::Violated => "X",
            Verdict::Unknown => "?",
        }
    }

    fn words(self) -> String {
        let words = match (self.verdict, self.check) {
            (_, Some(check)) => format!("{} ({})", check.harm(), check.name()),
            (Verdict::Holds, None) => "every property that was asked holds".to_string(),
            _ => "something is unknown".to_string(),
        };
        if self.fine { words } else { format!("NOT AS EXPECTED: {words}") }
    }
}

/// The order in which properties tell what is wrong: what a caller notices first.
fn telling(check: Check) -> usize {
    match check {
        Check::WdEventuallyObservedDone => 0,
        Check::CallEventuallyReturns => 1,
        Check::LockEventuallyDropped => 2,
        Check::NoDeadlock => 3,
        Check::Safety(_) => 4,
        Check::RefinesSpec | Check::RefinesFairSpec | Check::RefinesLossySpec => 5,
        Check::CallEventuallyPosted => 6,
    }
}

/// Scenarios of a generation that are told alike.
struct Group<'a> {
    generation: &'a str,
    told: Told,
    scenarios: Vec<&'a Scenario>,
}

/// The overview: in 40 lines if all is as expected.
pub fn print(out: &mut impl Write, scenarios: &[Scenario], reports: &[Report], look: &Look) -> Result<()> {
    let of_table = |(scenario, _): &(&Scenario, &Report)| scenario.killed_by.is_none();
    let (of_table, seeded): (Vec<_>, Vec<_>) = scenarios.iter().zip(reports).partition(of_table);
    let mut lines: Vec<String> = Vec::new();
    for group in groups(&of_table) {
        lines.extend(group.lines(look.width));
    }
    if !seeded.is_empty() {
        lines.extend(of_seeded(&seeded, look.width).lines().map(String::from));
    }
    for line in &lines {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    match of_table.iter().find_map(|(_, report)| Some((*report, lockup(report)?))) {
        Some((report, outcome)) if look.timelines.is_none() => {
            one_run(out, report, outcome, look.width, SCREEN.saturating_sub(AFTER + lines.len()))
        }
        _ => Ok(()),
    }
}

fn groups<'a>(told: &[(&'a Scenario, &'a Report)]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group> = Vec::new();
    for (scenario, report) in told {
        let told = Told::of(report);
        match groups.iter_mut().find(|group| group.generation == scenario.generation && group.told == told) {
            Some(group) => group.scenarios.push(scenario),
            None => groups.push(Group { generation: scenario.generation, told, scenarios: vec![scenario] }),
        }
    }
    groups.sort_by_key(|group| GENERATIONS.iter().position(|generation| generation.name == group.generation));
    groups
}

impl Group<'_> {
    /// The verdict, what it is of, and where to see more.
    fn lines(&self, width: usize) -> Vec<String> {
        let kernels = Generation::named(self.generation).map_or("", |generation| generation.what);
        let counts = self.scenarios.iter().flat_map(|scenario| &scenario.cfg.counts);
        let counts = either(counts.map(|&count| count.into()).collect());
        let mut families: Vec<&str> = self.scenarios.iter().map(|scenario| scenario.family.as_str()).collect();
        families.dedup();
        let sign = painted(style(self.told.verdict), self.told.sign());
        let said = wrapped(&format!("{}: {}", self.generation, self.told.words()), width - 2, 0, 3);
        let mut lines: Vec<String> = painted_lines(&format!("{sign} "), &said);
        lines.extend(wrapped(&format!("{kernels}; {counts} IDs a call"), width, 5, 5).lines().map(String::from));
        lines.extend(where_to_see_more(&families, width).lines().map(String::from));
        lines
    }
}

/// The names of families, in two lines: what does not fit is counted.
fn where_to_see_more(families: &[&str], width: usize) -> String {
    let named = |shown: usize| {
        let others = families[1..shown].iter().map(|family| format!(", {family}")).collect::<String>();
        let others = others.replacen(',', "; also", 1);
        let more = families.len() - shown;
        let more = if more > 0 { format!(" and {more} more: check --list") } else { String::new() };
        wrapped(&format!("check {}{others}{more}", families[0]), width, 5, 5)
    };
    let all = (1..=families.len()).rev().map(named);
    all.into_iter().find(|text| text.lines().count() <= 2).unwrap_or_else(|| named(1))
}

/// The first line behind a sign; all of them strong.
fn painted_lines(sign: &str, said: &str) -> Vec<String> {
    let paint = |(i, line): (usize, &str)| match i {
        0 => format!("{sign}{}", painted(STRONG, line)),
        _ => format!("  {}", painted(STRONG, line)),
    };
    said.lines().enumerate().map(paint).collect()
}

/// Numbers in words: `2`, `0 or 1`, `0 to 3`, `4, 6 or 256`.
fn either(numbers: BTreeSet<usize>) -> String {
    let numbers: Vec<usize> = numbers.into_iter().collect();
    let consecutive = numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, _, .., last] if consecutive && words.len() > 2 => format!("{first} to {last}"),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

/// How many of the seeded faults are caught: each is a rule set, and has to be caught at every size.
fn of_seeded(seeded: &[(&Scenario, &Report)], width: usize) -> String {
    let mut faults: BTreeMap<Vec<(&str, &str)>, bool> = BTreeMap::new();
    for (scenario, report) in seeded {
        let killer = scenario.killed_by.as_deref().and_then(Check::named);
        let outcome = killer.and_then(|killer| report.outcome(killer));
        let caught = outcome.is_some_and(|outcome| outcome.verdict == Verdict::Violated);
        *faults.entry(scenario.cfg.rules.words().collect()).or_insert(true) &= caught;
    }
    let caught = faults.values().filter(|caught| **caught).count();
    let (sign, style) = if caught == faults.len() { ("+", GOOD) } else { ("X", BAD) };
    let said =
        format!("seeded: {caught} of {} caught by the property expected; check {}", faults.len(), seeded[0].0.family);
    format!("{} {}", painted(style, sign), wrapped(&said, width - 2, 0, 3))
}

/// The run to show: the one that the table gives or the search found for a WD that is never seen DONE.
fn lockup(report: &Report) -> Option<&PropertyReport> {
    report.outcome(Check::WdEventuallyObservedDone).filter(|outcome| outcome.counterexample.is_some())
}

/// One run in as many lines as there are.
fn one_run(out: &mut impl Write, report: &Report, outcome: &PropertyReport, width: usize, lines: usize) -> Result<()> {
    let Some(run) = &outcome.counterexample else { return Ok(()) };
    let title = format!("The run of {}: {}", report.name, steps(run));
    let room = lines.saturating_sub(2);
    let drawings = (3..=run.timeline.rows.len()).rev().map(|most| run.timeline.lines(width, Some(most)));
    let drawn = drawings.into_iter().find(|drawn| drawn.len() <= room);
    let Some(drawn) = drawn else { return Ok(()) };
    writeln!(out, "{}", painted(STRONG, title))?;
    drawn.iter().try_for_each(|line| drawn_line(out, line))?;
    writeln!(out)
}

/// The scenario whose run the overview shows.
pub fn shown(reports: &[Report]) -> Option<&Report> {
    reports.iter().find(|report| lockup(report).is_some())
}
