//! What is printed for a person.

use std::io::Write;

use indicatif::HumanCount;
use vtd_qi::impl_qi::Generation;
use vtd_qi_kernel::{Difference, Recognised, Sameness, SearchFinding, Tally};
use vtd_qi_terminal::Output;
use vtd_qi_terminal::style::{columns, next};

use crate::arguments::Args;
use crate::baseline::{self, Weighed};
use crate::report::{Confirmed, Exhaustive, Random, Report, Search};

fn count(n: u64) -> String {
    HumanCount(n).to_string()
}

/// Prints what is known, for a person.
///
/// # Errors
/// Those of the output.
pub fn print(out: &mut Output, report: &Report, args: &Args) -> std::io::Result<()> {
    writeln!(out, "{}", report.tree)?;
    // The verdict comes first; what it rests on follows.
    if let Some(weighed) = &report.weighed {
        writeln!(out, "  {}", baseline::in_words(weighed))?;
    }
    if let Some(recognised) = &report.recognised {
        print_recognised(out, recognised, report.compared())?;
    }
    report.notes.iter().try_for_each(|note| writeln!(out, "  {note}"))?;
    writeln!(out, "  {} definitions cut, {} names from the shim", report.cut.len(), report.shimmed.len())?;
    writeln!(out, "  compiled with {} {}", report.compiler, report.flags)?;
    if let Some(weighed) = &report.weighed {
        print_weighed(out, weighed)?;
    }
    if !report.random.is_empty() || !report.exhaustive.is_empty() {
        writeln!(out, "\nsame program: the C and the Rust driver, access by access")?;
    }
    report.random.iter().try_for_each(|random| print_random(out, random))?;
    report.exhaustive.iter().try_for_each(|exhaustive| print_exhaustive(out, exhaustive))?;
    for class in &report.left_out {
        writeln!(out, "  left out one fault: {class}: not compared exhaustively unless --faults {class} asks for it")?;
    }
    if !report.confirmations.is_empty() {
        writeln!(out, "\ncounterexamples of the model, replayed on the C")?;
    }
    report.confirmations.iter().try_for_each(|confirmed| print_confirmed(out, confirmed))?;
    if !report.searches.is_empty() {
        writeln!(out, "\ndirect search on the C")?;
    }
    report.searches.iter().try_for_each(|search| print_search(out, search))?;
    for (what, death) in &report.deaths {
        writeln!(out, "\n{what}: {death}")?;
    }
    for what in &report.not_done {
        writeln!(out, "\n{what}")?;
    }
    next(out, &next_step(report, args), columns())
}

/// What is new, gone and still there; of what is new or gone the shortest run is drawn.
fn print_weighed(out: &mut Output, weighed: &Weighed) -> std::io::Result<()> {
    writeln!(out, "\nwhat it replaces: {}", weighed.before)?;
    if let Some(recognised) = &weighed.recognised {
        print_recognised(out, recognised, None)?;
    }
    weighed.rows.iter().try_for_each(|row| writeln!(out, "  {}", baseline::row_in_words(row)))?;
    for (row, timeline) in weighed.rows.iter().filter_map(|row| Some((row, row.timeline.as_ref()?))) {
        let (change, found) = (row.change.name(), row.found.name());
        writeln!(out, "\n  {change}: {found}, {}\n\n{}", row.faults, timeline.fitted(columns()))?;
    }
    Ok(())
}

fn print_random(out: &mut Output, random: &Random) -> std::io::Result<()> {
    let (said, of_what) = random_in_words(random);
    writeln!(out, "  {said:<8} {of_what}")?;
    print_difference(out, random.difference.as_ref(), random.by_compiler)
}

/// What a comparison at random came to: a word, and of what.
pub fn random_in_words(random: &Random) -> (&'static str, String) {
    let said = if random.difference.is_some() { "DIFFERS" } else { "same" };
    (said, format!("{}: {} steps at random{}", random.what, count(random.tally.steps), notes(&random.tally)))
}

fn print_exhaustive(out: &mut Output, exhaustive: &Exhaustive) -> std::io::Result<()> {
    let (said, of_what) = exhaustive_in_words(exhaustive);
    writeln!(out, "  {said:<8} {of_what}")?;
    print_difference(out, exhaustive.covered.difference.as_ref(), exhaustive.by_compiler)
}

/// What an exhaustive comparison came to: a word, and of what.
pub fn exhaustive_in_words(exhaustive: &Exhaustive) -> (&'static str, String) {
    let Exhaustive { what, covered, .. } = exhaustive;
    let said = match covered.verdict {
        Sameness::Same => "same",
        Sameness::Differs => "DIFFERS",
        Sameness::Unknown => "unknown",
    };
    let edges = count(covered.edges as u64);
    let of = match covered.whole {
        true => format!("{edges} transitions ({:.1} %)", covered.share()),
        false => format!("at least {edges} transitions"),
    };
    let of_what = format!(
        "{what}: {} of {of}, {} paths, {} steps, {:.1} s{}{}",
        count(covered.covered as u64),
        count(covered.paths as u64),
        count(covered.tally.steps),
        covered.seconds.0 + covered.seconds.1,
        notes(&covered.tally),
        covered.why.as_ref().map_or(String::new(), |why| format!("; {why}"))
    );
    (said, of_what)
}

fn print_confirmed(out: &mut Output, confirmed: &Confirmed) -> std::io::Result<()> {
    let (said, of_what) = confirmed_in_words(confirmed);
    writeln!(out, "  {said:<9} {of_what}")?;
    print_difference(out, confirmed.confirmation.difference.as_ref(), None)
}

/// What replaying a counterexample came to: a word, and of what.
pub fn confirmed_in_words(confirmed: &Confirmed) -> (&'static str, String) {
    let Confirmed { scenario, property, confirmation, .. } = confirmed;
    let said = if confirmation.confirmed { "confirmed" } else { "REFUTED" };
    let (stem, lap) = confirmation.steps;
    let waiting: Vec<String> = confirmation.waiting.iter().map(|t| format!("T{}", t + 1)).collect();
    let laps = match lap {
        0 => String::new(),
        _ => format!(
            ", then the loop of {lap} {} times; {} in the call",
            count(confirmation.laps.into()),
            waiting.join(" and ")
        ),
    };
    (said, format!("{scenario} {property}: {stem} steps{laps}"))
}

fn print_search(out: &mut Output, search: &Search) -> std::io::Result<()> {
    writeln!(out, "  {}", search_in_words(search))?;
    for (finding, timeline) in search.searched.findings.iter().zip(&search.timelines) {
        let drawn = timeline.as_ref().map_or(String::new(), |timeline| timeline.fitted(columns()));
        writeln!(out, "\n  {}\n\n{drawn}", finding_in_words(finding))?;
    }
    Ok(())
}

/// What a way of searching came to.
pub fn search_in_words(search: &Search) -> String {
    let Search { what, searched, .. } = search;
    format!(
        "{what}: {} runs, {} steps of the C ({:.1} million a second), {} of hardware; {}",
        count(searched.runs),
        count(searched.steps),
        searched.rate() / 1e6,
        count(searched.hardware_steps),
        match searched.hits {
            0 => "nothing found".to_string(),
            hits => format!("FOUND something in {} runs", count(hits)),
        }
    )
}

/// What a search has found.
pub fn finding_in_words(finding: &SearchFinding) -> String {
    let rounds = match finding.repeated {
        0 => String::new(),
        repeated => format!("; then {} rounds without a change", count(repeated.into())),
    };
    let (found, detail, (all, shrunk)) = (finding.found.name(), &finding.detail, finding.steps);
    format!("{found}: {detail}; seed {}, {all} steps shrunk to {shrunk}{rounds}", finding.seed)
}

fn print_recognised(out: &mut impl Write, recognised: &Recognised, compared: Option<Sameness>) -> std::io::Result<()> {
    let lines = recognised_in_words(recognised, compared);
    lines.iter().enumerate().try_for_each(|(i, line)| writeln!(out, "{}{line}", if i == 0 { "  " } else { "    " }))
}

/// Which generation a tree is, in a line, and what differs, in others.
pub fn recognised_in_words(recognised: &Recognised, compared: Option<Sameness>) -> Vec<String> {
    match (&recognised.generation, &recognised.nearest) {
        (Some(name), _) => {
            let what = Generation::named(name).map_or("", |generation| generation.what);
            let probes = recognised.probes;
            let but = match compared {
                Some(Sameness::Same) => {
                    return vec![format!("this is {name} ({what}): {probes} probes and the comparison agree")];
                }
                Some(Sameness::Differs) => {
                    return vec![format!(
                        "this is NOT {name} ({what}), though {probes} probes agree: the comparison does not"
                    )];
                }
                Some(Sameness::Unknown) => "the comparison was not finished",
                None => "the comparison was not run",
            };
            vec![format!("{probes} probes agree with {name} ({what}); {but}")]
        }
        (None, Some(nearest)) => vec![
            format!(
                "UNKNOWN: nearest is {}, and differs in {} ({} of {} probes; the first: {:?})",
                nearest.generation,
                listed(&nearest.parts),
                nearest.differs,
                recognised.probes,
                nearest.probe
            ),
            format!("{}: {}", nearest.generation, nearest.expected.join(", ")),
            format!("the tree: {}", nearest.found.join(", ")),
        ],
        (None, None) => vec!["UNKNOWN".to_string()],
    }
}

/// Things in a row: a, b and c.
fn listed(things: &[String]) -> String {
    match things {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

/// What is to be said beside a number of steps.
fn notes(tally: &Tally) -> String {
    let mut notes = String::new();
    if tally.merged > 0 {
        notes += &format!("; {} repeated reads merged by the compiler", count(tally.merged));
    }
    if tally.repeated > 0 {
        notes += &format!("; {} repeated reads that the model makes once", count(tally.repeated));
    }
    if tally.iqer > 0 {
        notes += &format!("; {} reads of IQER in the model only, where nothing depends on it", count(tally.iqer));
    }
    if tally.saturated > 0 {
        notes += &format!("; {} runs ended where free_cnt exceeds QI_LENGTH", count(tally.saturated));
    }
    notes
}

fn print_difference(
    out: &mut impl Write,
    difference: Option<&Difference>,
    by_compiler: Option<bool>,
) -> std::io::Result<()> {
    let Some(difference) = difference else { return Ok(()) };
    writeln!(
        out,
        "\n  first difference: {}\n\n{}",
        difference_in_words(difference, by_compiler),
        difference.timeline.fitted(columns())
    )
}

/// What differs, and whether the compiler is to blame.
pub fn difference_in_words(difference: &Difference, by_compiler: Option<bool>) -> String {
    let compiler = match by_compiler {
        Some(true) => " (caused by the compiler's optimisation: gone at -O0)",
        Some(false) => " (there at -O0 too: not the compiler's doing)",
        None => "",
    };
    format!("{difference}{compiler}")
}

/// What there is to do once a report has been read.
pub fn next_step(report: &Report, args: &Args) -> String {
    let refuted = report.confirmations.iter().any(|confirmed| !confirmed.confirmation.confirmed);
    let found = report.searches.iter().find_map(|search| search.searched.findings.first());
    if let Some(page) = &args.html {
        return format!("{} is a page that steps through the runs: open it in a browser", page.display());
    }
    match (&report.recognised, report.compared()) {
        (_, Some(Sameness::Differs)) | (Some(Recognised { generation: None, .. }), _) => {
            "the same with --html FILE makes a page of it to send; check --list has the rules in which generations differ"
                .to_string()
        }
        (_, Some(Sameness::Unknown)) => {
            "the same with a larger --exhaustive-seconds, --max-states or --max-memory compares more".to_string()
        }
        (Some(_), None) => "the same with --only compare holds the C against the model step for step".to_string(),
        _ if refuted => "the same with --html FILE makes a page of what is refuted, to send".to_string(),
        _ => match (found, report.confirmations.iter().find(|confirmed| confirmed.confirmation.confirmed)) {
            (Some(finding), _) if args.replay.is_none() => {
                format!("--replay {} runs that seed again; docs/findings.md has what is known", finding.seed)
            }
            (_, Some(confirmed)) => format!("explore {} walks through a confirmed run", confirmed.scenario),
            _ => "the same with --html FILE makes a page of it to send".to_string(),
        },
    }
}
