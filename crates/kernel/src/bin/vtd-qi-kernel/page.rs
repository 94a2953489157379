//! `--html FILE`: what was found as a page that can be sent, opened without a network, and stepped through.

use vtd_qi::impl_qi::{Generation, ValidRing};
use vtd_qi::timeline::Timeline;
use vtd_qi::verify::Verdict;
use vtd_qi_kernel::{Difference, Sameness};
use vtd_qi_page::about::About;
use vtd_qi_page::report::{ReportData, ReportPart, ScenarioData};
use vtd_qi_page::run::{ShownRun, Told};

use crate::baseline::{self, Change, Row, row_in_words};
use crate::print::{
    confirmed_in_words, difference_in_words, exhaustive_in_words, finding_in_words, random_in_words,
    recognised_in_words, search_in_words,
};
use crate::report::{Confirmed, Exhaustive, Random, Report, Search};

/// The page of what was found.
pub fn page(report: &Report, interrupted: bool) -> String {
    let about = About { interrupted, ..About::of("vtd-qi-kernel", "results", "vtd-qi-kernel --only PART --html FILE") };
    let parts = recognised(report)
        .into_iter()
        .chain(report.random.iter().map(random))
        .chain(report.exhaustive.iter().map(exhaustive))
        .chain(report.confirmations.iter().map(confirmed))
        .chain(report.searches.iter().map(search))
        .chain(report.weighed.iter().flat_map(|weighed| &weighed.rows).map(row))
        .chain(report.deaths.iter().map(|(what, death)| undone(what, &death.to_string())))
        .chain(report.not_done.iter().map(|what| undone("not done", what)));
    let mut parts: Vec<ReportPart> = parts.collect();
    if parts.is_empty() {
        parts.push(undone("nothing is known", "the work was interrupted before anything was found"));
    }
    ReportData::of_parts(about, sentence(report), parts).html()
}

/// What the page says first.
fn sentence(report: &Report) -> String {
    let recognised = report.recognised.as_ref().map(|known| recognised_in_words(known, report.compared()).remove(0));
    let found: u64 = report.searches.iter().map(|search| search.searched.hits).sum();
    let found = match (report.searches.is_empty(), found) {
        (true, _) => String::new(),
        (_, 0) => "; searching has found nothing".to_string(),
        (_, runs) => format!("; searching has found something in {runs} runs"),
    };
    let weighed =
        report.weighed.as_ref().map(|weighed| format!("; {}", baseline::in_words(weighed))).unwrap_or_default();
    let found = weighed + &found;
    let what = recognised.unwrap_or_else(|| "which generation it is was not asked".to_string());
    format!("{}: {what}{found}.", report.tree)
}

/// A result with a verdict, and nothing else yet.
fn part(name: &str, sentence: &str, verdict: Verdict) -> ReportPart {
    ReportPart { data: ScenarioData::told(name, sentence, verdict), runs: Vec::new() }
}

fn joined((said, of_what): (&str, String)) -> String {
    format!("{said} {of_what}")
}

fn recognised(report: &Report) -> Option<ReportPart> {
    let known = report.recognised.as_ref()?;
    let lines = recognised_in_words(known, report.compared());
    let verdict = match (&known.generation, report.compared()) {
        (None, _) | (_, Some(Sameness::Differs)) => Verdict::Violated,
        (_, Some(Sameness::Unknown) | None) => Verdict::Unknown,
        (_, Some(Sameness::Same)) => Verdict::Holds,
    };
    let mut part = part("which generation it is", &lines[0], verdict);
    let name = known.generation.as_deref().unwrap_or_default();
    part.data.generation = Generation::named(name).map_or(String::new(), |generation| generation.what.to_string());
    let compiler = format!("compiled with {} {}", report.compiler, report.flags);
    part.data.configuration = [report.tree.clone(), compiler]
        .into_iter()
        .chain(report.notes.clone())
        .chain(lines.into_iter().skip(1))
        .collect();
    part.data.counts = vec![
        ("definitions cut".to_string(), report.cut.len().to_string()),
        ("names from the shim".to_string(), report.shimmed.len().to_string()),
        ("probes".to_string(), known.probes.to_string()),
    ];
    Some(part)
}

fn random(random: &Random) -> ReportPart {
    let verdict = if random.difference.is_some() { Verdict::Violated } else { Verdict::Holds };
    let part = part(&random.what, &joined(random_in_words(random)), verdict);
    with_difference(part, &random.cfg, random.difference.as_ref(), random.by_compiler)
}

fn exhaustive(exhaustive: &Exhaustive) -> ReportPart {
    let verdict = match exhaustive.covered.verdict {
        Sameness::Same => Verdict::Holds,
        Sameness::Differs => Verdict::Violated,
        Sameness::Unknown => Verdict::Unknown,
    };
    let part = part(&exhaustive.what, &joined(exhaustive_in_words(exhaustive)), verdict);
    with_difference(part, &exhaustive.cfg, exhaustive.covered.difference.as_ref(), exhaustive.by_compiler)
}

/// A difference: what differs, how the C came there, and the model's steps to there.
fn with_difference(
    mut part: ReportPart,
    cfg: &ValidRing,
    difference: Option<&Difference>,
    by_compiler: Option<bool>,
) -> ReportPart {
    let Some(difference) = difference else { return part };
    let what = difference_in_words(difference, by_compiler);
    part.data.surprises.push(what.clone());
    part.data.drawings.push(difference.timeline.to_string());
    if !difference.run.is_empty() {
        let told = Told {
            scenario: part.data.name.clone(),
            shows: "difference".to_string(),
            means: "after the last step the C does something else than the model".to_string(),
            detail: Some(what),
            length: "the way on which the difference was met".to_string(),
        };
        part.runs.push(ShownRun::along(cfg, &difference.run, told));
    }
    part
}

/// A run of the model that the C goes too, which is bad news of the C; one that it does not go is bad news of the model.
fn confirmed(confirmed: &Confirmed) -> ReportPart {
    let name = format!("{} {}", confirmed.scenario, confirmed.property);
    let mut part = part(&name, &joined(confirmed_in_words(confirmed)), Verdict::Violated);
    if let Some(difference) = &confirmed.confirmation.difference {
        part.data.surprises.push(difference.to_string());
        part.data.drawings.push(difference.timeline.to_string());
    }
    part.runs.extend(confirmed.run.clone());
    part
}

fn search(search: &Search) -> ReportPart {
    let verdict = if search.searched.findings.is_empty() { Verdict::Unknown } else { Verdict::Violated };
    let mut part = part(&search.what, &search_in_words(search), verdict);
    for (finding, timeline) in search.searched.findings.iter().zip(&search.timelines) {
        part.data.surprises.push(finding_in_words(finding));
        part.data.drawings.extend(timeline.as_ref().map(Timeline::to_string));
    }
    part
}

/// Something that is new, gone, or still there.
fn row(row: &Row) -> ReportPart {
    let verdict = match row.change {
        Change::Gone => Verdict::Holds,
        Change::New | Change::Still => Verdict::Violated,
    };
    let name = format!("{}, {}", row.found.name(), row.faults);
    let mut part = part(&name, &row_in_words(row), verdict);
    part.data.drawings.extend(row.timeline.as_ref().map(Timeline::to_string));
    part
}

fn undone(what: &str, why: &str) -> ReportPart {
    part(what, &format!("{what}: {why}"), Verdict::Unknown)
}
