//! Makes the documents that are drawn from a run: the picture of the README and the sample report.
//!
//! `cargo run -p vtd-qi-page --example documents -- docs` writes them; a test holds them against what is made now.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use vtd_qi::scenario::Table;
use vtd_qi::temporal::graph::Limits;
use vtd_qi::verify::verify;
use vtd_qi_page::about::About;
use vtd_qi_page::picture::picture;
use vtd_qi_page::report::ReportData;
use vtd_qi_terminal::{Exit, Failure, Output, arguments};

/// Make the picture of the README and the sample report anew.
#[derive(Parser)]
struct Args {
    /// The folder to write them to
    folder: PathBuf,
}

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    let Some(args) = arguments::<Args>(out)? else { return Ok(Exit::Success) };
    for (name, text) in documents() {
        let path = args.folder.join(name);
        let unwritable = |error| Failure::unusable(format_args!("{} cannot be written: {error}", path.display()));
        std::fs::write(&path, text).map_err(unwritable)?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(Exit::Success)
}

/// The documents by name: those of the run that the 2024 patch describes, without the time that it takes and without a commit.
pub fn documents() -> [(&'static str, String); 2] {
    let table = Table::embedded();
    let scenario = table.find("g3-patch-2x4").expect("it is in the table");
    let mut report = verify(scenario, Limits::default());
    (report.seconds, report.seconds_exploring) = (0.0, 0.0);
    let about = About {
        command: "check g3-patch --html sample-report.html".to_string(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        ..About::default()
    };
    let data = ReportData::of(about, &[(scenario, &report)]);
    let run = &data.runs[0];
    let harm = run.harm.expect("T1 frees what T2 waits for");
    [
        ("lockup.svg", picture(run, &data.changes, harm).expect("a ring of 4 slots can be drawn")),
        ("sample-report.html", data.html()),
    ]
}
