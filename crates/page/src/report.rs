//! The report: verdicts, reasons, assumptions and runs of what was checked, as one page that needs nothing else.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use vtd_qi::spec::escape;
use vtd_qi::verify::Verdict;

use crate::about::About;
use crate::run::{Pool, ShownRun};

/// A page has at most so many bytes: it is to be sent by mail.
pub const MOST_BYTES: usize = 1_000_000;

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
    /// Drawings, as a terminal shows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drawings: Vec<String>,
}

impl ScenarioData {
    /// Something of which no more is told than its name, a sentence and a verdict.
    pub fn told(name: &str, sentence: &str, verdict: Verdict) -> ScenarioData {
        ScenarioData {
            name: name.to_string(),
            sentence: sentence.to_string(),
            verdict,
            generation: String::new(),
            configuration: Vec::new(),
            why: None,
            fairness: Vec::new(),
            counts: Vec::new(),
            cut: None,
            surprises: Vec::new(),
            properties: Vec::new(),
            witnesses: Vec::new(),
            drawings: Vec::new(),
        }
    }
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

/// One of the things that a page tells of, with its runs, the most telling first.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportPart {
    /// What was found.
    pub data: ScenarioData,
    /// Runs that show it.
    pub runs: Vec<ShownRun>,
}

/// A run that has its turn, unless there is no room left.
pub(crate) struct Turn<'a> {
    /// Whose it is, and how many of that one come before.
    pub(crate) part: usize,
    pub(crate) number: usize,
    /// How many bytes it takes to say that it was left out.
    pub(crate) name: usize,
    pub(crate) run: Box<dyn FnOnce() -> ShownRun + 'a>,
}

impl ReportData {
    /// A page of parts, with as many of their runs as there is room for.
    pub fn of_parts(about: About, sentence: String, parts: Vec<ReportPart>) -> ReportData {
        let (mut scenarios, mut runs) = (Vec::new(), Vec::new());
        for ReportPart { data, runs: own } in parts {
            scenarios.push(data);
            runs.push(own);
        }
        let mut data = ReportData {
            about,
            sentence,
            not_shown: 0,
            scenarios,
            words: BTreeMap::new(),
            reasons: Vec::new(),
            assumptions: Vec::new(),
            runs: Vec::new(),
            changes: Vec::new(),
            left_out: Vec::new(),
        };
        let shown = data.keep_scenarios();
        let turns = runs.into_iter().take(shown).enumerate().flat_map(|(part, runs)| {
            runs.into_iter().enumerate().map(move |(number, run)| Turn {
                part,
                number,
                name: run.scenario.len() + run.property.len() + 64,
                run: Box::new(move || run),
            })
        });
        data.take_runs(turns.collect());
        data
    }

    /// Keeps as many scenarios as take two thirds of the page, and says how many these are.
    pub(crate) fn keep_scenarios(&mut self) -> usize {
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
    pub(crate) fn take_runs(&mut self, mut turns: Vec<Turn>) {
        turns.sort_by_key(|turn| (turn.number, turn.part));
        let names: usize = turns.iter().map(|turn| turn.name).sum();
        let mut room = MOST_BYTES.saturating_sub(self.html().len() + names);
        let (mut taken, mut pool): (Vec<(usize, ShownRun)>, Pool) = Default::default();
        for Turn { part, run, .. } in turns {
            let mut run = run();
            let shared = pool.changes.len();
            let bytes = pool.share(&mut run) + json(&run).len() + 16;
            if bytes > room {
                pool.truncate(shared);
                let steps = run.stem + run.repeating;
                self.left_out.push(LeftOut { scenario: run.scenario, property: run.property, steps });
                continue;
            }
            room -= bytes;
            taken.push((part, run));
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
            scenarios => format!("{} {}", scenarios.len(), self.about.things),
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

fn is_zero(count: &usize) -> bool {
    *count == 0
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
