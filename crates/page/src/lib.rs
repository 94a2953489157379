//! The page that steps through runs of the ring: their data, and the renderer that shows them in a browser.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`scene`] | a state of the ring as plain data, whatever its capacity, and in words |
//! | [`frame`] | all that the page shows of one state, and the step that led there; [`frame::Walk`] makes them |
//! | [`run`] | a counterexample as frames, and the same schedule under other rules |
//! | [`picture`] | one step of a run as a picture for a document |
//! | [`report`] | the page of `--html`: verdicts, reasons and runs in one file that needs nothing else |
//! | `checked` | such a page of what `check` has found |
//! | [`about`], [`mod@file`] | what a page says of itself, and the file that it goes to |
//!
//! The renderer is `assets/page.js`, in plain JavaScript on Preact and htm (`assets/vendor`). It shows what is serialised here; a
//! page of another kind mounts its components on frames that come one by one.
//!
//! ```
//! use vtd_qi::scenario::Table;
//! use vtd_qi::temporal::graph::Limits;
//! use vtd_qi::verify::verify;
//! use vtd_qi_page::about::About;
//! use vtd_qi_page::report::ReportData;
//!
//! let table = Table::embedded();
//! let scenario = table.find("g3-c0-2x4").unwrap();
//! let report = verify(scenario, Limits::default());
//! let about = About::of("check", "scenarios", "check SCENARIO --html FILE");
//! let data = ReportData::of(about, &[(scenario, &report)]);
//! assert!(data.html().starts_with("<!doctype html>"));
//! ```

#![forbid(unsafe_code)]

pub mod about;
mod checked;
pub mod file;
pub mod frame;
pub mod picture;
pub mod report;
pub mod run;
pub mod scene;
mod sentence;
