//! `--html FILE`: what was found as a page that can be sent, opened without a network, and stepped through.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::{Builder, NamedTempFile};
use vtd_qi::fingerprint::is_built_from;
use vtd_qi::scenario::Scenario;
use vtd_qi::verify::Report;
use vtd_qi_page::report::{About, ReportData};
use vtd_qi_subject::Own;

use crate::subjects::Subjects;

/// A file that is to be a page: it is written beside the place, and takes the place once it is whole.
pub struct PageFile {
    path: PathBuf,
    place: PathBuf,
    beside: NamedTempFile,
}

impl PageFile {
    /// Makes sure that there can be a page, before anything is searched.
    ///
    /// # Errors
    /// One sentence: the folder is not there or cannot be written, or the place is taken by something that is no file.
    pub fn create(path: &Path) -> Result<PageFile, String> {
        let cannot = |why: &dyn std::fmt::Display| format!("{} cannot be written: {why}", path.display());
        // What a link points at is replaced, not the link.
        let place = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        if place.exists() && !place.is_file() {
            return Err(cannot(&"there is something that is no file"));
        }
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = Builder::new();
        let beside = everybodys(builder.prefix(".vtd-qi-page-")).tempfile_in(folder);
        let beside = beside.map_err(|error| cannot(&error))?;
        Ok(PageFile { path: path.to_path_buf(), place, beside })
    }

    /// Writes the page.
    ///
    /// # Errors
    /// One sentence. What was at the place is there still.
    pub fn write(mut self, html: &str) -> Result<(), String> {
        let written = self.beside.write_all(html.as_bytes()).and_then(|()| self.beside.as_file().sync_all());
        let written = written.and_then(|()| Ok(self.beside.persist(&self.place)?));
        written.map(drop).map_err(|error| format!("{} cannot be written: {error}", self.path.display()))
    }
}

/// A page is to be read by whom the umask lets read it, not by its writer only as a temporary file is.
#[cfg(unix)]
fn everybodys<'a, 'p, 's>(builder: &'a mut Builder<'p, 's>) -> &'a mut Builder<'p, 's> {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(std::fs::Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn everybodys<'a, 'p, 's>(builder: &'a mut Builder<'p, 's>) -> &'a mut Builder<'p, 's> {
    builder
}

/// The page of what was checked.
pub fn page(subjects: &Subjects, reports: &[Report], interrupted: bool) -> String {
    let own = subjects.own.as_ref();
    let about = About {
        command: command(std::env::args_os().skip(1)),
        version: env!("CARGO_PKG_VERSION").to_string(),
        commit: commit(),
        own: own.map(|Own { what, .. }| what.clone()),
        not_asked: own.map_or(Vec::new(), |own| own.not_asked.iter().map(|check| check.name().to_string()).collect()),
        interrupted,
    };
    let checked: Vec<(&Scenario, &Report)> = subjects.scenarios.iter().zip(reports).collect();
    ReportData::of(about, &checked).html()
}

/// The command line, as a shell would read it.
fn command(words: impl Iterator<Item = OsString>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,=:+".contains(c);
    let quoted = |word: OsString| match word.to_string_lossy() {
        word if !word.is_empty() && word.chars().all(plain) => word.into_owned(),
        word => format!("'{}'", word.replace('\'', r"'\''")),
    };
    std::iter::once("check".to_string()).chain(words.map(quoted)).collect::<Vec<_>>().join(" ")
}

/// The commit that the program was built from, with `-dirty` where files were changed since; `None` if git does not know, or if the
/// checkout has moved on since the program was built.
fn commit() -> Option<String> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().filter(|checkout| is_built_from(checkout))?;
    let git = Command::new("git")
        .arg("-C")
        .arg(checkout)
        .args(["describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"])
        .output()
        .ok()?;
    let said = String::from_utf8(git.stdout).ok().filter(|_| git.status.success())?;
    Some(said.trim().to_string()).filter(|commit| !commit.is_empty())
}
