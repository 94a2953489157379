//! `--html FILE`: what was found as a page that can be sent, opened without a network, and stepped through.

use vtd_qi::scenario::Scenario;
use vtd_qi::verify::Report;
use vtd_qi_page::about::About;
use vtd_qi_page::report::ReportData;
use vtd_qi_subject::Own;

use crate::subjects::Subjects;

/// The page of what was checked.
pub fn page(subjects: &Subjects, reports: &[Report], interrupted: bool) -> String {
    let own = subjects.own.as_ref();
    let about = About {
        own: own.map(|Own { what, .. }| what.clone()),
        not_asked: own.map_or(Vec::new(), |own| own.not_asked.iter().map(|check| check.name().to_string()).collect()),
        interrupted,
        ..About::of("check", "scenarios", "check SCENARIO --html FILE")
    };
    let checked: Vec<(&Scenario, &Report)> = subjects.scenarios.iter().zip(reports).collect();
    ReportData::of(about, &checked).html()
}
