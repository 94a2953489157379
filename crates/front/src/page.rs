//! Where the page comes from, and what it may ask beside the Explorer.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::page_files;

/// Where the files of the page come from, and what it may ask beside the Explorer. By default all files are the Explorer's own.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub(crate) source: Source,
    pub(crate) questions: Vec<Question>,
}

/// Where the files come from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Source {
    /// From the Explorer.
    #[default]
    Explorer,
    /// From a folder; what it lacks, from the Explorer.
    Folder(PathBuf),
    /// From the program: there are no others.
    Program(Vec<PageFile>),
}

/// A file that is part of the program.
#[derive(Clone, Debug)]
pub struct PageFile {
    /// Where it is asked for: `/` on.
    pub path: &'static str,
    /// Its media type.
    pub kind: &'static str,
    /// What is in it.
    pub bytes: Cow<'static, [u8]>,
}

/// Something that a page can ask for beside what the Explorer answers. It is asked with GET, and what comes of it is not kept by
/// the browser.
#[derive(Clone)]
pub struct Question {
    /// Where it is asked: `/.report`. Nothing below it is known if it takes no indices.
    pub path: &'static str,
    /// Whether the indices of actions follow, each behind a slash, as they do for `/.states`.
    pub takes_indices: bool,
    /// The media type of the answer.
    pub kind: &'static str,
    /// The answer, or why there is none, as one sentence. It is asked for one at a time, and away from whatever else is served.
    pub answer: Arc<Answer>,
}

/// What answers a [`Question`].
pub type Answer = dyn Fn(&[usize]) -> Result<Vec<u8>, String> + Send + Sync;

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("path", &self.path).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A folder that has no page.
#[derive(Debug, Error)]
pub enum PageError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", folder.display())]
    Read {
        /// The folder.
        folder: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It has no file of a page.
    #[error("{} has none of the files that the Explorer's page consists of: {}", .0.display(), page_files().collect::<Vec<_>>().join(", "))]
    Empty(PathBuf),
}

impl Page {
    /// The page whose files lie in a folder; those that are not there are the Explorer's own. They are read again for each request,
    /// so that a page can be worked on.
    ///
    /// # Errors
    /// [`PageError`] if the folder cannot be read, or has nothing of a page in it.
    pub fn in_folder(folder: &Path) -> Result<Page, PageError> {
        let read = |source| PageError::Read { folder: folder.into(), source };
        let folder = folder.canonicalize().map_err(read)?;
        folder.read_dir().map_err(read)?;
        match page_files().any(|name| folder.join(name).is_file()) {
            true => Ok(Page { source: Source::Folder(folder), questions: Vec::new() }),
            false => Err(PageError::Empty(folder)),
        }
    }

    /// A page that is part of the program, with the questions that it asks beside the Explorer's. It is served under a policy that
    /// lets it run the scripts and styles that are files of it, and nothing inline.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use stateright_front::{Page, PageFile, Question};
    ///
    /// let index = PageFile { path: "/", kind: "text/html; charset=utf-8", bytes: b"<!doctype html>"[..].into() };
    /// let steps = Question {
    ///     path: "/.steps",
    ///     takes_indices: true,
    ///     kind: "text/plain; charset=utf-8",
    ///     answer: Arc::new(|indices| Ok(format!("{} steps", indices.len()).into_bytes())),
    /// };
    /// let page = Page::of_program(vec![index], vec![steps]);
    /// ```
    pub fn of_program(files: Vec<PageFile>, questions: Vec<Question>) -> Page {
        Page { source: Source::Program(files), questions }
    }

    /// A file of the Explorer's page that lies in the folder; `None` if it is the Explorer's own.
    pub(crate) fn read(&self, name: &'static str) -> io::Result<Option<Vec<u8>>> {
        let Source::Folder(folder) = &self.source else { return Ok(None) };
        match std::fs::read(folder.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
