//! Where the page comes from.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::page_files;

/// Where the files of the page come from. By default all of them are the Explorer's own.
#[derive(Clone, Debug, Default)]
pub struct Page(Option<PathBuf>);

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
            true => Ok(Page(Some(folder))),
            false => Err(PageError::Empty(folder)),
        }
    }

    /// A file of it; `None` if it is the Explorer's own.
    pub(crate) fn read(&self, name: &'static str) -> io::Result<Option<Vec<u8>>> {
        let Some(folder) = &self.0 else { return Ok(None) };
        match std::fs::read(folder.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
