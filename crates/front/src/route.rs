//! What can be asked for.

use hyper::Method;

use crate::admission::Refusal;
use crate::page::{Page, PageFile, Question, Source};

pub const JSON: &str = "application/json";
pub const TEXT: &str = "text/plain; charset=utf-8";
/// Where the Explorer is told to search the whole model.
pub const RUN: &str = "/.runtocompletion";

/// A file of the Explorer's page.
#[derive(Debug)]
pub struct File {
    /// Where it is asked for.
    pub path: &'static str,
    /// What it is called in a folder.
    pub name: &'static str,
    /// Its media type, which the Explorer does not say.
    pub kind: &'static str,
}

/// All that the page consists of.
pub const FILES: [File; 4] = [
    File { path: "/", name: "index.htm", kind: "text/html; charset=utf-8" },
    File { path: "/app.css", name: "app.css", kind: "text/css; charset=utf-8" },
    File { path: "/app.js", name: "app.js", kind: "text/javascript; charset=utf-8" },
    File { path: "/knockout-3.5.0.js", name: "knockout-3.5.0.js", kind: "text/javascript; charset=utf-8" },
];

/// Something that can be asked for.
#[derive(Debug)]
pub enum Route<'p> {
    /// A file of the Explorer's page.
    File(&'static File),
    /// A file of a page that is part of the program.
    Own(&'p PageFile),
    /// What such a page asks beside the Explorer.
    Asked(&'p Question, Vec<usize>),
    /// A question about the model: the search's state, or the steps at the end of a path.
    Question(String),
    /// The command to search the whole model.
    RunToCompletion,
}

impl Route<'_> {
    /// What a method and a path ask a page for. HEAD is as good as GET: the server leaves the body away.
    pub fn of<'p>(page: &'p Page, method: &Method, path: &str) -> Result<Route<'p>, Refusal> {
        let read = |route| match *method {
            Method::GET | Method::HEAD => Ok(route),
            _ => Err(Refusal::Method("GET, HEAD")),
        };
        if path == RUN {
            return match *method {
                Method::POST => Ok(Route::RunToCompletion),
                _ => Err(Refusal::Method("POST")),
            };
        }
        // `/.states`, and the indices of the actions that lead to a state, each behind a slash.
        let is_path = |indices: &str| indices.bytes().all(|byte| byte == b'/' || byte.is_ascii_digit());
        if path == "/.status" || path.strip_prefix("/.states").is_some_and(is_path) {
            return read(Route::Question(path.to_string()));
        }
        if let Some((question, indices)) = page.questions.iter().find_map(|question| asked(question, path)) {
            return read(Route::Asked(question, indices));
        }
        let found = match &page.source {
            Source::Program(files) => files.iter().find(|file| file.path == path).map(Route::Own),
            Source::Explorer | Source::Folder(_) => FILES.iter().find(|file| file.path == path).map(Route::File),
        };
        found.map_or(Err(Refusal::Unknown), read)
    }
}

/// The question that a path asks, with its indices, if it is this one.
fn asked<'p>(question: &'p Question, path: &str) -> Option<(&'p Question, Vec<usize>)> {
    let rest = path.strip_prefix(question.path)?;
    if rest.is_empty() {
        return Some((question, Vec::new()));
    }
    let indices = rest.strip_prefix('/').filter(|_| question.takes_indices)?;
    let decimal = |index: &str| index.bytes().all(|byte| byte.is_ascii_digit()).then(|| index.parse().ok()).flatten();
    Some((question, indices.split('/').map(decimal).collect::<Option<Vec<usize>>>()?))
}
