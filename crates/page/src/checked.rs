//! The page of `check`: scenarios, what was found of them, and the runs that show it.

use std::collections::BTreeMap;

use vtd_qi::impl_qi::{ASSUMPTIONS, Generation, Witness};
use vtd_qi::scenario::{Check, Scenario, WRAPS};
use vtd_qi::verify::{PropertyReport, Report, Verdict};

use crate::about::About;
use crate::report::{AssumptionData, Meaning, PropertyData, ReportData, ScenarioData, Turn};
use crate::run::{ShownRun, shown_outcomes};

impl ReportData {
    /// Gathers what there is to show, with as many runs as there is room for: of each scenario the most telling one first.
    pub fn of(about: About, checked: &[(&Scenario, &Report)]) -> ReportData {
        let mut reasons = Reasons::default();
        let scenarios =
            checked.iter().map(|(scenario, report)| scenario_data(scenario, report, &mut reasons)).collect();
        let faults = checked.iter().any(|(scenario, _)| !scenario.cfg.faults.is_none());
        let assumptions = ASSUMPTIONS.iter().filter(|_| faults).map(|assumption| AssumptionData {
            number: assumption.number.to_string(),
            text: assumption.text.to_string(),
            source: assumption.source.to_string(),
        });
        let reports: Vec<&Report> = checked.iter().map(|(_, report)| *report).collect();
        let mut data = ReportData {
            about,
            sentence: sentence_of_all(&reports),
            not_shown: 0,
            scenarios,
            words: words(&reports),
            reasons: reasons.list,
            assumptions: assumptions.collect(),
            runs: Vec::new(),
            changes: Vec::new(),
            left_out: Vec::new(),
        };
        let shown = data.keep_scenarios();
        data.take_runs(turns(&checked[..shown]));
        data
    }
}

/// The runs of what was checked, each made when its turn comes.
fn turns<'a>(checked: &[(&'a Scenario, &'a Report)]) -> Vec<Turn<'a>> {
    let of = |(part, &(scenario, report)): (usize, &(&'a Scenario, &'a Report))| {
        let outcomes = shown_outcomes(report).into_iter().enumerate();
        outcomes.map(move |(number, outcome)| Turn {
            part,
            number,
            name: scenario.name.len() + outcome.check.name().len() + 64,
            run: Box::new(move || ShownRun::of(scenario, outcome).expect("only what has a counterexample is shown")),
        })
    };
    checked.iter().enumerate().flat_map(of).collect()
}

/// The reasons so far, each once.
#[derive(Default)]
struct Reasons {
    list: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl Reasons {
    fn place(&mut self, reason: &str) -> usize {
        *self.places.entry(reason.to_string()).or_insert_with(|| {
            self.list.push(reason.to_string());
            self.list.len() - 1
        })
    }
}

fn scenario_data(scenario: &Scenario, report: &Report, reasons: &mut Reasons) -> ScenarioData {
    let count = |name: &str, value: usize| (name.to_string(), value.to_string());
    let mut counts = vec![
        count("states, up to rotation of the ring", report.states),
        count("transitions between them", report.transitions),
        count("breadth-first levels", report.depth),
        count("bytes of a state", report.bytes_per_state),
    ];
    counts.push(("seconds".to_string(), format!("{:.2}", report.seconds)));
    let property = |outcome: &PropertyReport| PropertyData {
        name: outcome.check.name().to_string(),
        verdict: outcome.verdict,
        expected: outcome.expected.filter(|expected| *expected != outcome.verdict),
        why: outcome.why.as_ref().map(|why| reasons.place(why)),
        detail: outcome.detail.clone(),
        run: None,
    };
    let verdict = worst(report);
    let seeded = scenario.killed_by.as_ref().map(|killer| format!("a seeded fault, to be killed by {killer}"));
    ScenarioData {
        name: report.name.clone(),
        sentence: sentence(report),
        verdict,
        generation: Generation::named(scenario.generation).map_or(String::new(), |g| g.what.to_string()),
        configuration: scenario.in_words().into_iter().chain(seeded).collect(),
        why: scenario.why.clone(),
        fairness: report.fairness.clone(),
        counts,
        cut: report.cut.clone(),
        surprises: report.surprises.iter().map(ToString::to_string).collect(),
        properties: report.properties.iter().map(property).collect(),
        witnesses: report.witnesses.iter().map(|witness| (witness.name.to_string(), witness.reached)).collect(),
        drawings: Vec::new(),
    }
}

/// The worst verdict: violated, or else unknown, or else holds.
fn worst(report: &Report) -> Verdict {
    let any = |verdict| report.properties.iter().any(|outcome| outcome.verdict == verdict);
    [Verdict::Violated, Verdict::Unknown].into_iter().find(|verdict| any(*verdict)).unwrap_or(Verdict::Holds)
}

/// What was found of a scenario, in one sentence.
fn sentence(report: &Report) -> String {
    let of = |verdict: Verdict| report.properties.iter().filter(move |outcome| outcome.verdict == verdict);
    let (all, held) = (report.properties.len(), of(Verdict::Holds).count());
    let unknown = of(Verdict::Unknown).count();
    match worst(report) {
        Verdict::Holds => {
            format!("{} keeps every promise that was asked for: {held} of {all} properties hold.", report.name)
        }
        Verdict::Unknown => {
            let why = report.cut.as_ref().map_or(String::new(), |cut| format!(" ({cut})"));
            format!("{} is undecided: of {all} properties {unknown} are unknown{why}, {held} hold.", report.name)
        }
        Verdict::Violated => {
            let first = shown_outcomes(report)[0];
            let detail = first.detail.as_ref().map_or(String::new(), |detail| format!(" ({detail})"));
            let more = match of(Verdict::Violated).count() {
                1 => String::new(),
                2 => " One more property is violated.".to_string(),
                n => format!(" {} more properties are violated.", n - 1),
            };
            format!("In {} {}{detail}.{more}", report.name, first.check.harm())
        }
    }
}

fn sentence_of_all(reports: &[&Report]) -> String {
    if let [report] = reports {
        return sentence(report);
    }
    let of = |verdict: Verdict| reports.iter().filter(|report| worst(report) == verdict).count();
    let expected = match reports.iter().filter(|report| !report.as_expected()).count() {
        0 => "All is as expected.".to_string(),
        1 => "One is not as expected.".to_string(),
        others => format!("{others} are not as expected."),
    };
    format!(
        "Of {} scenarios {} keep every promise, {} break one, and {} are undecided. {expected}",
        reports.len(),
        of(Verdict::Holds),
        of(Verdict::Violated),
        of(Verdict::Unknown)
    )
}

/// What the properties and witnesses of the reports say.
fn words(reports: &[&Report]) -> BTreeMap<String, Meaning> {
    let checks = reports.iter().flat_map(|report| &report.properties).map(|outcome| outcome.check);
    let safety = Check::all().filter(|check| matches!(check, Check::Safety(_)));
    let properties = checks.chain(safety).map(|check| {
        (check.name().to_string(), Meaning { code: Some(check.code().to_string()), says: check.meaning().to_string() })
    });
    let witnesses = Witness::ALL.map(|witness| (witness.name(), witness.meaning()));
    let wraps = (WRAPS, "some run goes round the ring again and again");
    let witnesses = witnesses.into_iter().chain([wraps]);
    let witnesses = witnesses.map(|(name, says)| (name.to_string(), Meaning { code: None, says: says.to_string() }));
    properties.chain(witnesses).collect()
}
