//! `--html FILE`: what was said of logs as a page, with the model's shortest run to what was found in them.

use std::io;

use vtd_qi::scenario::Table;
use vtd_qi::temporal::graph::Limits;
use vtd_qi::temporal::memory::Memory;
use vtd_qi::verify::Verdict;
use vtd_qi_page::about::About;
use vtd_qi_page::report::{ReportData, ReportPart, ScenarioData};
use vtd_qi_page::run::{ShownRun, shown_runs};
use vtd_qi_subject::named;
use vtd_qi_terminal::interrupt;

use crate::report::{Report, Word};

/// The page of what was said; `memory` is what looking for runs may take.
pub fn page(reports: &[Report], interrupted: bool, memory: usize) -> io::Result<String> {
    let about = About { interrupted, ..About::of("replay", "logs", "replay LOG --html FILE") };
    let parts = reports.iter().map(|report| part(report, memory)).collect::<io::Result<Vec<_>>>()?;
    let sentence = match reports {
        [report] => report.sentence(),
        [] => "No log was judged.".to_string(),
        several => {
            let fine = several.iter().filter(|report| report.verdict == Word::Run).count();
            format!("Of {} lives of the queue {fine} are runs at whose end nobody is stuck.", several.len())
        }
    };
    Ok(ReportData::of_parts(about, sentence, parts).html())
}

fn part(report: &Report, memory: usize) -> io::Result<ReportPart> {
    let mut details = Vec::new();
    report.print_details(&mut details)?;
    let verdict = match report.verdict {
        Word::Run => Verdict::Holds,
        Word::Unknown => Verdict::Unknown,
        Word::Stuck | Word::BreaksAPromise | Word::NotARun => Verdict::Violated,
    };
    let data = ScenarioData {
        drawings: vec![String::from_utf8_lossy(&details).into_owned()],
        ..ScenarioData::told(&report.name(), &format!("{}: {}", report.name(), report.sentence()), verdict)
    };
    let runs = report.known_as().map_or(Vec::new(), |name| shortest(&name, memory));
    Ok(ReportPart { data, runs })
}

/// The runs of the model that show what a scenario or cell is about.
fn shortest(name: &str, memory: usize) -> Vec<ShownRun> {
    let memory = Memory::of(memory);
    let limits = Limits { memory: Some(&memory), cancel: Some(interrupt()), ..Limits::default() };
    shown_runs(&named(&Table::embedded(), name).expect("a known hang has a scenario, as a test says"), limits)
}
