//! The page on which a ring is explored: its files, and what it asks beside stateright's Explorer.

use std::sync::Arc;

use serde::Serialize;
use stateright::{Model, Path};
use stateright_front::{Page, PageFile, Question};
use vtd_qi::impl_qi::{Action, WideRing};
use vtd_qi::scenario::Scenario;
use vtd_qi::verify::{Report, Violation};
use vtd_qi_page::about::About;
use vtd_qi_page::report::{ReportData, SCRIPT, STYLE};
use vtd_qi_page::run::Film;

use crate::by_hand::ByHand;

/// What the page shows before anything is asked.
#[derive(Serialize)]
struct Shown {
    report: ReportData,
    /// The runs of the report as indices of actions, which is how addresses name states.
    paths: Vec<Vec<usize>>,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const SCRIPT_KIND: &str = "text/javascript; charset=utf-8";
const STYLE_KIND: &str = "text/css; charset=utf-8";

/// The page on which a ring is explored that was checked with this report.
///
/// | it asks | and is answered |
/// | --- | --- |
/// | `/.report` | verdicts and runs, as `check --html` has them, each run with the indices of its actions |
/// | `/.run/INDICES` | the states along a run as a [`Film`] |
/// | `/.judge/INDICES` | what the run shows: [`crate::by_hand::Judged`] |
/// | `/.timeline/INDICES` | the run as a terminal shows it |
/// | `/.trace/INDICES` | the run as TLC writes traces |
/// | `/.module/INDICES` | the run as a TLA+ module that allows nothing else |
///
/// All else it asks stateright's Explorer: `/.states/INDICES` for what can happen next, `/.status` for what its search has seen.
pub fn page<const F: usize>(ring: &WideRing<F>, scenario: &Scenario, report: &Report, about: About) -> Page {
    let data = ReportData::of(about, &[(scenario, report)]);
    let violation = |name: &str| {
        let of_name = report.properties.iter().find(|outcome| outcome.check.name() == name);
        of_name.and_then(|outcome| outcome.counterexample.as_ref()).expect("a run that is shown violates its property")
    };
    let paths = data.runs.iter().map(|run| indices(ring, violation(&run.property))).collect();
    let shown = serde_json::to_vec(&Shown { report: data, paths }).expect("plain data");
    let by_hand = |path, kind, answer: OfRun<F>| {
        let (ring, scenario) = (ring.clone(), scenario.clone());
        let answer = Arc::new(move |indices: &[usize]| Ok(answer(&ByHand::of(&ring, indices)?, &scenario)));
        Question { path, takes_indices: true, kind, answer }
    };
    let report = Arc::new(move |_: &[usize]| Ok(shown.clone()));
    let questions = vec![
        Question { path: "/.report", takes_indices: false, kind: JSON, answer: report },
        by_hand("/.run", JSON, |run, scenario| json(&Film::of(scenario.cfg.length.slots(), &run.frames()))),
        by_hand("/.judge", JSON, |run, scenario| json(&run.judged(scenario))),
        by_hand("/.timeline", TEXT, |run, scenario| run.timeline(scenario).into_bytes()),
        by_hand("/.trace", JSON, |run, _| run.trace().into_bytes()),
        by_hand("/.module", TEXT, |run, scenario| run.module(scenario).into_bytes()),
    ];
    Page::of_program(files(), questions)
}

/// What is answered about a run.
type OfRun<const F: usize> = fn(&ByHand<F>, &Scenario) -> Vec<u8>;

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data")
}

/// The indices of a counterexample's actions.
fn indices<const F: usize>(ring: &WideRing<F>, violation: &Violation) -> Vec<usize> {
    let initial = ring.init_states().swap_remove(0);
    let path: Path<_, Action> =
        Path::from_actions(ring, initial, &violation.actions).expect("a counterexample is a run of the ring");
    path.encode(ring).split('/').map(|index| index.parse().expect("an index")).collect()
}

fn files() -> Vec<PageFile> {
    let file = |path, kind, text: &'static str| PageFile { path, kind, bytes: text.as_bytes().into() };
    vec![
        file("/", "text/html; charset=utf-8", include_str!("../assets/explorer.html")),
        file("/icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
        file("/page.css", STYLE_KIND, STYLE),
        file("/page.js", SCRIPT_KIND, SCRIPT),
        file("/explorer.css", STYLE_KIND, include_str!("../assets/explorer.css")),
        file("/explorer.js", SCRIPT_KIND, include_str!("../assets/explorer.js")),
    ]
}
