//! The file that a page goes to.

use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// A file that is to be a page: it is written beside the place, and takes the place once it is whole.
pub struct ReportFile {
    path: PathBuf,
    place: PathBuf,
    beside: NamedTempFile,
}

impl ReportFile {
    /// Makes sure that there can be a page, before anything is searched.
    ///
    /// # Errors
    /// One sentence: the folder is not there or cannot be written, or the place is taken by something that is no file.
    pub fn create(path: &Path) -> Result<ReportFile, String> {
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
        Ok(ReportFile { path: path.to_path_buf(), place, beside })
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
