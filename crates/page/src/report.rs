//! The report: verdicts, reasons, assumptions and runs of what was checked, as one page that needs nothing else.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use vtd_qi::impl_qi::{ASSUMPTIONS, Generation, Witness};
use vtd_qi::scenario::{Check, Scenario, WRAPS};
use vtd_qi::spec::escape;
use vtd_qi::verify::{PropertyReport, Report, Verdict};

use crate::run::{Pool, ShownRun, shown_outcomes};

/// A page has at most so many bytes: it is to be sent by mail.
pub const MOST_BYTES: usize = 1_000_000;

/// What a page is about, beside the reports themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The command that makes the page again.
    pub command: String,
    /// The version of the program.
    pub version: String,
    /// The commit that the program's sources are at, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Where the configuration comes from, if it was made with options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<String>,
    /// Properties that were not asked, since no driver promises them there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_asked: Vec<String>,
    /// Whether the work was interrupted: what is unknown may be so for that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

/// All that a page shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportData {
    /// What it is about.
    pub about: About,
    /// The verdict in one sentence.
    pub sentence: String,
    /// The scenarios.
    pub scenarios: Vec<ScenarioData>,
    /// How many more were checked, for which there was no room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_shown: usize,
    /// What each property and witness says, by name.
    pub words: BTreeMap<String, Meaning>,
    /// The reasons that scenarios refer to.
    pub reasons: Vec<String>,
    /// What verdicts about faults rest on, if faults occur.
    pub assumptions: Vec<AssumptionData>,
    /// The runs.
    pub runs: Vec<ShownRun>,
    /// The changes from frame to frame that the runs refer to.
    pub changes: Vec<Value>,
    /// Runs for which there was no room.
    pub left_out: Vec<LeftOut>,
}

/// A scenario and what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioData {
    /// Its name.
    pub name: String,
    /// The verdict in one sentence.
    pub sentence: String,
    /// The worst verdict of its properties.
    pub verdict: Verdict,
    /// What the generation is.
    pub generation: String,
    /// What is modelled, a line each.
    pub configuration: Vec<String>,
    /// What is special about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The fairness that was assumed.
    pub fairness: Vec<String>,
    /// Counts, each with its name.
    pub counts: Vec<(String, String)>,
    /// Why the search was cut, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<String>,
    /// What is not as the table expects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub surprises: Vec<String>,
    /// The properties.
    pub properties: Vec<PropertyData>,
    /// The witnesses, and whether each was reached; `None`: nobody knows.
    pub witnesses: Vec<(String, Option<bool>)>,
}

/// A property and its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertyData {
    /// Its name.
    pub name: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// The verdict that is expected, if it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Verdict>,
    /// Why a verdict is expected, by its place among the reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<usize>,
    /// What there is to say beside the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The run that violates it, by its place among the runs, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<usize>,
}

/// What a property says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meaning {
    /// Its code in tables, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What it says, in one line.
    pub says: String,
}

/// Something that a verdict about faults rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssumptionData {
    /// Its number.
    pub number: String,
    /// What is assumed.
    pub text: String,
    /// Where it is stated.
    pub source: String,
}

/// A run for which there was no room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The scenario.
    pub scenario: String,
    /// The property that it violates.
    pub property: String,
    /// How many steps it has.
    pub steps: usize,
}

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
        data.take_runs(&checked[..shown]);
        data
    }

    /// Keeps as many scenarios as take two thirds of the page, and says how many these are.
    fn keep_scenarios(&mut self) -> usize {
        let without_them = ReportData { scenarios: Vec::new(), ..self.clone() };
        let mut room = (MOST_BYTES - MOST_BYTES / 3).saturating_sub(without_them.html().len());
        // Each is there in full, and as a sentence for those who have no script.
        let bytes = |scenario: &ScenarioData| json(scenario).len() + 2 * escape(&scenario.sentence).len() + 16;
        let fits = |scenario: &&ScenarioData| {
            let bytes = bytes(scenario);
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        };
        let shown = self.scenarios.iter().take_while(fits).count();
        self.not_shown = self.scenarios.len() - shown;
        self.scenarios.truncate(shown);
        shown
    }

    /// Takes the runs in turns, one of each scenario, as long as there is room.
    fn take_runs(&mut self, checked: &[(&Scenario, &Report)]) {
        let mut turns: Vec<_> = checked
            .iter()
            .enumerate()
            .flat_map(|(i, (scenario, report))| {
                let outcomes = shown_outcomes(report).into_iter().enumerate();
                outcomes.map(move |(turn, outcome)| (turn, i, *scenario, outcome))
            })
            .collect();
        turns.sort_by_key(|(turn, i, ..)| (*turn, *i));
        let named =
            |scenario: &Scenario, outcome: &PropertyReport| scenario.name.len() + outcome.check.name().len() + 64;
        let names: usize = turns.iter().map(|(.., scenario, outcome)| named(scenario, outcome)).sum();
        let mut room = MOST_BYTES.saturating_sub(self.html().len() + names);
        let (mut taken, mut pool): (Vec<(usize, ShownRun)>, Pool) = Default::default();
        for (_, i, scenario, outcome) in turns {
            let mut run = ShownRun::of(scenario, outcome).expect("only what has a counterexample is shown");
            let shared = pool.changes.len();
            let bytes = pool.share(&mut run) + json(&run).len() + 16;
            if bytes > room {
                pool.truncate(shared);
                let steps = run.stem + run.repeating;
                self.left_out.push(LeftOut { scenario: run.scenario, property: run.property, steps });
                continue;
            }
            room -= bytes;
            taken.push((i, run));
        }
        taken.sort_by_key(|(i, _)| *i);
        for (number, (i, run)) in (1..).zip(taken) {
            let mut properties = self.scenarios[i].properties.iter_mut();
            if let Some(property) = properties.find(|property| property.name == run.property) {
                property.run = Some(number);
            }
            self.runs.push(run);
        }
        self.changes = pool.changes;
    }

    /// The page.
    pub fn html(&self) -> String {
        let title = match self.scenarios.as_slice() {
            [scenario] => format!("{}: {}", scenario.name, scenario.verdict),
            scenarios => format!("{} scenarios", scenarios.len()),
        };
        let lines = self.scenarios.iter().map(|scenario| format!("<li>{}", escape(&scenario.sentence)));
        let without_script = format!(
            "<noscript><p>{}</p><ul>{}</ul><p>This page shows more with JavaScript; it loads nothing from elsewhere. In a terminal \
             <code>{}</code> says the same.</p></noscript>",
            escape(&self.sentence),
            lines.collect::<String>(),
            escape(&self.about.command),
        );
        page(&title, &without_script, &json(self))
    }
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

fn is_zero(count: &usize) -> bool {
    *count == 0
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

/// JSON that can stand in a `<script>`: a string in it that reads `</script>` or `<!--` is written otherwise.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data").replace('<', "\\u003c")
}

/// The renderer: Preact and htm, and the page on top of them. `vtdQiPage.mount(element, data)` shows a [`ReportData`]; its components
/// show frames that come one by one.
pub const SCRIPT: &str = concat!(include_str!("../assets/vendor/htm-preact.js"), include_str!("../assets/page.js"));

/// The look of the page.
pub const STYLE: &str = include_str!("../assets/page.css");

/// What a report does when it is opened.
const START: &str =
    "vtdQiPage.mount(document.getElementById('page'),JSON.parse(document.getElementById('data').textContent))";

/// The source of a script or style, as a Content-Security-Policy names it.
pub fn source(text: &str) -> String {
    format!("'sha256-{}'", Base64::encode_string(&Sha256::digest(text)))
}

/// A page that may use its own script and style and nothing else.
fn page(title: &str, without_script: &str, data: &str) -> String {
    let scripts = [SCRIPT, START].map(source).join(" ");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src {scripts}; style-src {}; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n<div id=\"page\">{without_script}</div>\n\
         <script type=\"application/json\" id=\"data\">{data}</script>\n<script>{SCRIPT}</script>\n<script>{START}</script>\n</html>\n",
        source(STYLE),
        escape(title),
    )
}
