//! A kernel's source: the few files that hold the queued invalidation driver, from a tree or from a tarball.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::archive::{self, FILE_BYTES};
use super::kept;

/// Where the driver lies since Linux 5.8.
pub const DMAR_C: &str = "drivers/iommu/intel/dmar.c";
/// Where it lay before.
pub(super) const OLD_DMAR_C: &str = "drivers/iommu/dmar.c";
/// Where its headers lie: a folder, and single files of older trees.
const HEADER_FOLDER: &str = "drivers/iommu/intel/";
const HEADERS: [&str; 2] = ["include/linux/intel-iommu.h", "include/linux/dmar.h"];
/// Whence a tree's version is read, for display only.
const MAKEFILE: &str = "Makefile";
/// All that is looked for: what was kept of a tarball when this was something else is read anew.
pub(super) const LOOKED_FOR: [&str; 6] = [DMAR_C, OLD_DMAR_C, HEADER_FOLDER, HEADERS[0], HEADERS[1], MAKEFILE];
/// Most headers that are looked at.
const HEADER_FILES: usize = 1_000;

/// A file of a kernel tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceFile {
    /// Its path from the root of the tree.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// The files of a kernel that are looked at.
#[derive(Clone, Debug)]
pub struct Source {
    /// The tree or tarball.
    pub from: PathBuf,
    /// `VERSION.PATCHLEVEL.SUBLEVEL` as the Makefile says; for display, never asked.
    pub version: Option<String>,
    /// `dmar.c` first, then the headers.
    pub files: Vec<SourceFile>,
    /// The rules that were taken back in it at run time.
    pub edits: Vec<&'static str>,
}

/// A source that cannot be used.
#[derive(Debug, Error)]
pub enum SourceError {
    /// Neither a directory nor a file can be read there.
    #[error("{} cannot be read: {error}", path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// Why it cannot.
        error: std::io::Error,
    },
    /// No kernel tree.
    #[error("{} is no kernel tree: it was searched for {DMAR_C}, which is not there", from.display())]
    NoTree {
        /// The tree or tarball.
        from: PathBuf,
    },
    /// A kernel before 5.8.
    #[error(
        "{} is a kernel older than 5.8: it has {OLD_DMAR_C} and no {DMAR_C}; its qi_submit_sync takes no count and is not run",
        from.display()
    )]
    TooOld {
        /// The tree or tarball.
        from: PathBuf,
    },
    /// A file of a tree that is too large, or no file.
    #[error("{} {what}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why it is not read.
        what: String,
    },
    /// A file that is no archive of a kernel tree, or one that cannot be unpacked.
    #[error(
        "{} cannot be read as a kernel's source: {what}. What can be read is a kernel tree, or a tar archive of one, plain or \
         packed by gzip or xz",
        from.display()
    )]
    NoArchive {
        /// The file.
        from: PathBuf,
        /// What is the matter with it.
        what: String,
    },
    /// An archive that has more than one kernel tree.
    #[error("{} has {count} kernel trees ({}); which of them is meant? Unpack it, and name that one", from.display(), names.join(", "))]
    Several {
        /// The archive.
        from: PathBuf,
        /// How many.
        count: usize,
        /// The first of their top folders.
        names: Vec<String>,
    },
    /// The flag that was given to [`Source::open`] was set while a tarball was read.
    #[error("{} was not read to its end", from.display())]
    Cancelled {
        /// The tarball.
        from: PathBuf,
    },
}

/// A reader that fails once a flag is set, so that whoever reads much from it ends soon.
pub(super) struct Stoppable<'a, R> {
    pub(super) reader: R,
    pub(super) stop: &'a AtomicBool,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            // Not `ErrorKind::Interrupted`, after which a read is made again.
            return Err(std::io::Error::other("it was asked to stop"));
        }
        self.reader.read(buffer)
    }
}

/// Whether a path from the root of a tree is one of the files looked at.
pub(super) fn wanted(path: &str) -> bool {
    // Plain names only: a name is quoted in what is compiled.
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.+".contains(&byte));
    let header = path.strip_prefix(HEADER_FOLDER).is_some_and(|name| name.ends_with(".h") && is_plain(name));
    header || path == DMAR_C || path == OLD_DMAR_C || path == MAKEFILE || HEADERS.contains(&path)
}

impl Source {
    /// Reads a kernel tree or a tarball of one: a tar archive, plain or packed by gzip or xz.
    ///
    /// The files read of a tarball are kept in the folder `tarballs` of `VTD_QI_CACHE`, or of `vtd-qi` in the user's cache
    /// directory, under the SHA-256 of the tarball; that folder can be deleted at any time.
    ///
    /// Reading a tarball takes many seconds, and ends early once `stop` is set.
    ///
    /// # Errors
    /// [`SourceError`] if there is no kernel from 5.8 on, more than one, or more to be read than a kernel has, and if `stop` was
    /// set.
    pub fn open(from: &Path, stop: &AtomicBool) -> Result<Source, SourceError> {
        let unreadable = |error| SourceError::Unreadable { path: from.to_path_buf(), error };
        let metadata = fs::metadata(from).map_err(unreadable)?;
        let files = match metadata {
            metadata if metadata.is_dir() => read_tree(from)?,
            metadata if metadata.is_file() => read_tarball(from, stop)?,
            _ => {
                let what = "it is neither a folder nor a file, but a pipe, socket or device".to_string();
                return Err(SourceError::NoArchive { from: from.to_path_buf(), what });
            }
        };
        Source::of(from, files)
    }

    /// Makes a source of files that have been read or edited.
    ///
    /// # Errors
    /// [`SourceError::NoTree`], [`SourceError::TooOld`].
    pub fn of(from: &Path, mut files: Vec<SourceFile>) -> Result<Source, SourceError> {
        let has = |path: &str| files.iter().any(|file| file.path == path);
        match (has(DMAR_C), has(OLD_DMAR_C)) {
            (true, _) => {}
            (false, true) => return Err(SourceError::TooOld { from: from.to_path_buf() }),
            (false, false) => return Err(SourceError::NoTree { from: from.to_path_buf() }),
        }
        let version = files.iter().find(|file| file.path == MAKEFILE).and_then(|makefile| version(&makefile.text));
        files.retain(|file| file.path != MAKEFILE && file.path != OLD_DMAR_C);
        files.sort_by_key(|file| (file.path != DMAR_C, !file.path.ends_with("iommu.h"), file.path.clone()));
        Ok(Source { from: from.to_path_buf(), version, files, edits: Vec::new() })
    }

    /// What it is called in reports.
    pub fn name(&self) -> String {
        let version = self.version.as_ref().map(|version| format!(" ({version})")).unwrap_or_default();
        let edits: String = self.edits.iter().map(|edit| format!(", edited: {edit}")).collect();
        format!("{}{version}{edits}", self.from.display())
    }
}

/// `VERSION.PATCHLEVEL.SUBLEVEL` of a kernel's Makefile.
fn version(makefile: &str) -> Option<String> {
    let value = |name: &str| {
        let lines = makefile.lines().filter_map(|line| line.split_once('='));
        lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_string()).next()
    };
    Some(format!("{}.{}.{}", value("VERSION")?, value("PATCHLEVEL")?, value("SUBLEVEL")?))
}

fn read_tree(root: &Path) -> Result<Vec<SourceFile>, SourceError> {
    let mut paths: Vec<String> = [DMAR_C, OLD_DMAR_C, MAKEFILE].into_iter().chain(HEADERS).map(String::from).collect();
    if let Ok(entries) = fs::read_dir(root.join(HEADER_FOLDER)) {
        paths.extend(entries.flatten().map(|entry| format!("{HEADER_FOLDER}{}", entry.file_name().to_string_lossy())));
    }
    paths.retain(|path| wanted(path));
    paths.sort();
    paths.dedup();
    if paths.len() > HEADER_FILES {
        let what = format!("has {} headers, and at most {HEADER_FILES} are read", paths.len());
        return Err(SourceError::Unfit { path: root.join(HEADER_FOLDER), what });
    }
    let files = paths.into_iter().filter_map(|path| read_file(root, path).transpose());
    files.collect()
}

/// A file of a tree; `None` if it is not there.
fn read_file(root: &Path, path: String) -> Result<Option<SourceFile>, SourceError> {
    let place = root.join(&path);
    let unreadable = |error| SourceError::Unreadable { path: place.clone(), error };
    let unfit = |what| SourceError::Unfit { path: place.clone(), what };
    match fs::metadata(&place) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(unfit("is no file".to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    }
    let mut bytes = Vec::new();
    File::open(&place).and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(unfit(format!("has more than {FILE_BYTES} bytes, which is more than is read of a file")));
    }
    Ok(Some(SourceFile { path, text: String::from_utf8_lossy(&bytes).into_owned() }))
}

/// The files of a tarball, which are kept once it has been unpacked.
fn read_tarball(from: &Path, stop: &AtomicBool) -> Result<Vec<SourceFile>, SourceError> {
    let unreadable = |error| SourceError::Unreadable { path: from.to_path_buf(), error };
    // Whatever a reader's failure was made into on its way here, it is what was asked for.
    let or_cancelled = |error| match stop.load(Ordering::Relaxed) {
        true => SourceError::Cancelled { from: from.to_path_buf() },
        false => error,
    };
    let file = File::open(from).map_err(unreadable)?;
    let place = kept::place(&file, stop).map_err(unreadable).map_err(or_cancelled)?;
    if let Some(files) = place.as_deref().and_then(kept::load) {
        return Ok(files);
    }
    let files = archive::read(from, &file, stop).map_err(or_cancelled)?;
    if let Some(place) = place.filter(|_| files.iter().any(|file| file.path == DMAR_C)) {
        // What cannot be kept is unpacked again the next time: that costs time and nothing else.
        let _ = kept::store(&place, &files);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> SourceFile {
        SourceFile { path: path.to_string(), text: "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 2\n".to_string() }
    }

    fn opened(path: &Path) -> Result<Source, SourceError> {
        Source::open(path, &AtomicBool::new(false))
    }

    #[test]
    fn a_reader_that_is_asked_to_stop_fails_at_once() {
        let stop = AtomicBool::new(false);
        let mut reader = Stoppable { reader: std::io::repeat(7), stop: &stop };
        let mut buffer = [0; 3];
        reader.read_exact(&mut buffer).unwrap();
        stop.store(true, Ordering::Relaxed);
        // It would go on for ever otherwise.
        assert!(std::io::copy(&mut reader, &mut std::io::sink()).is_err());
        let tarball = tempfile::NamedTempFile::new().unwrap();
        let said = Source::open(tarball.path(), &stop).unwrap_err();
        assert!(matches!(said, SourceError::Cancelled { .. }), "{said}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let from = Path::new("/tree");
        let error = Source::of(from, vec![file(MAKEFILE)]).unwrap_err().to_string();
        assert_eq!(
            error,
            "/tree is no kernel tree: it was searched for drivers/iommu/intel/dmar.c, which is not there"
        );
        let error = Source::of(from, vec![file(OLD_DMAR_C)]).unwrap_err().to_string();
        assert!(error.contains("older than 5.8"), "{error}");
        let source = Source::of(from, vec![file(HEADERS[1]), file(MAKEFILE), file(DMAR_C)]).unwrap();
        assert_eq!(source.name(), "/tree (6.1.2)");
        assert_eq!(source.files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), [DMAR_C, HEADERS[1]]);
    }

    #[test]
    fn a_file_that_is_none_or_too_large_is_refused() {
        let tree = tempfile::tempdir().unwrap();
        let path = tree.path().join(DMAR_C);
        fs::create_dir_all(&path).unwrap();
        let said = opened(tree.path()).unwrap_err().to_string();
        assert!(said.ends_with("drivers/iommu/intel/dmar.c is no file"), "{said}");
        fs::remove_dir(&path).unwrap();
        File::create(&path).unwrap().set_len(FILE_BYTES + 1).unwrap();
        let said = opened(tree.path()).unwrap_err().to_string();
        assert!(said.contains("has more than 4194304 bytes"), "{said}");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        let said = opened(tree.path()).unwrap_err().to_string();
        assert!(said.ends_with("is no file"), "{said}");
        let said = opened(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(said.contains("a pipe, socket or device"), "{said}");
    }
}
