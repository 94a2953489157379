//! What a page says of itself: the command that makes it again, and the version that made it.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};
use vtd_qi::fingerprint::is_built_from;

/// What a page is about, beside the reports themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The command that makes the page again.
    pub command: String,
    /// What the page tells of, if it is more than one: `scenarios`.
    pub things: String,
    /// The command that makes a page of one of them, if there is no room for all.
    pub of_one: String,
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

impl About {
    /// What a page of the running program says: `things` is what it tells of, and `of_one` how the program makes a page of one.
    ///
    /// ```
    /// let about = vtd_qi_page::about::About::of("check", "scenarios", "check SCENARIO --html FILE");
    /// assert!(about.command.starts_with("check"));
    /// ```
    pub fn of(program: &str, things: &str, of_one: &str) -> About {
        About {
            command: command(program, std::env::args_os().skip(1)),
            things: things.to_string(),
            of_one: of_one.to_string(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            commit: commit(),
            own: None,
            not_asked: Vec::new(),
            interrupted: false,
        }
    }
}

/// The command line, as a shell would read it.
fn command(program: &str, words: impl Iterator<Item = OsString>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,=:+".contains(c);
    let quoted = |word: OsString| match word.to_string_lossy() {
        word if !word.is_empty() && word.chars().all(plain) => word.into_owned(),
        word => format!("'{}'", word.replace('\'', r"'\''")),
    };
    std::iter::once(program.to_string()).chain(words.map(quoted)).collect::<Vec<_>>().join(" ")
}

/// The commit that the program was built from, with `-dirty` where files were changed since; `None` if git does not know, or if the
/// checkout has moved on since the program was built.
fn commit() -> Option<String> {
    let checkout =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.parent().filter(|checkout| is_built_from(checkout))?;
    let git = Command::new("git")
        .arg("-C")
        .arg(checkout)
        .args(["describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"])
        .output()
        .ok()?;
    let said = String::from_utf8(git.stdout).ok().filter(|_| git.status.success())?;
    Some(said.trim().to_string()).filter(|commit| !commit.is_empty())
}
