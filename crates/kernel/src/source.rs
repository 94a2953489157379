//! A kernel's source: the few files that hold the queued invalidation driver, from wherever they lie.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::archive::{self, FILE_BYTES};
use super::git::Revision;
use super::{far, kept};

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
pub(super) const LOOKED_FOR: [&str; 8] =
    [DMAR_C, OLD_DMAR_C, HEADER_FOLDER, HEADERS[0], HEADERS[1], MAKEFILE, far::FOLDERS[0], far::FOLDERS[1]];
/// What a driver's file is called where it lies by itself.
const FILE_NAME: &str = "dmar.c";
/// Declarations of our own, for a driver without headers, and what they are called.
const OWN: (&str, &str) = ("own/declarations.h", include_str!("shim/declarations.h"));
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
    /// Headers that these include, and those in turn: looked into for what is defined nowhere else.
    pub far: Vec<SourceFile>,
    /// Definitions that were given beside the shim's.
    pub shim: Option<SourceFile>,
    /// What was changed in it at run time: rules that were taken back, and patches.
    pub edits: Vec<String>,
    /// What a reader has to know of how it was read.
    pub notes: Vec<String>,
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
    #[error("{} is no kernel tree: it was searched for {DMAR_C} and {FILE_NAME}, which are not there", from.display())]
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
        "{} cannot be read as a kernel's source: {what}. What can be read is a kernel tree, a tar archive of one, plain \
         or packed by gzip, bzip2, xz or zstd, its dmar.c alone, or REPO@REVISION of a git repository",
        from.display()
    )]
    NoArchive {
        /// The file.
        from: PathBuf,
        /// What is the matter with it.
        what: String,
    },
    /// A revision that git does not find.
    #[error("{} cannot be read from git: {what}", from.display())]
    NoRevision {
        /// The repository and the revision.
        from: PathBuf,
        /// What git says.
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
    let is_header = |folder: &str| path.strip_prefix(folder).is_some_and(|name| name.ends_with(".h") && is_plain(name));
    let header = is_header(HEADER_FOLDER) || far::FOLDERS.iter().any(|folder| is_header(folder));
    header || path == DMAR_C || path == OLD_DMAR_C || path == MAKEFILE || HEADERS.contains(&path)
}

impl Source {
    /// Reads the source of a kernel: a tree; a tar archive of one, plain or packed by gzip, bzip2, xz or zstd; `REPO@REVISION`
    /// of a git repository; or a `dmar.c`, or the folder in which it lies. A `dmar.c` in a tree is read with that tree's headers,
    /// and one by itself with the headers that lie beside it and with declarations of this program's.
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
        let metadata = match fs::metadata(from) {
            Ok(metadata) => metadata,
            Err(error) => {
                let revision = Revision::of(from).ok_or_else(|| unreadable(error))?;
                return Source::of(from, reached_of(revision.read(from, stop)?)?);
            }
        };
        let is_alone = |folder: &Path| !folder.join(DMAR_C).is_file() && folder.join(FILE_NAME).is_file();
        match metadata {
            metadata if metadata.is_dir() && is_alone(from) => read_alone(from, &from.join(FILE_NAME)),
            metadata if metadata.is_dir() => Source::of(from, read_tree(from)?),
            metadata if metadata.is_file() && from.extension().is_some_and(|end| end == "c") => read_alone(from, from),
            metadata if metadata.is_file() => Source::of(from, read_tarball(from, stop)?),
            _ => {
                let what = "it is neither a folder nor a file, but a pipe, socket or device".to_string();
                Err(SourceError::NoArchive { from: from.to_path_buf(), what })
            }
        }
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
        let (mut files, far): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| is_near(&file.path));
        files.sort_by_key(|file| (file.path != DMAR_C, !file.path.ends_with("iommu.h"), file.path.clone()));
        Ok(Source { from: from.to_path_buf(), version, files, far, shim: None, edits: Vec::new(), notes: Vec::new() })
    }

    /// Adds the headers of a kernel tree, or of a folder of headers, for names that the source itself does not define.
    ///
    /// # Errors
    /// [`SourceError`] if there are none or they cannot be read.
    pub fn with_headers(mut self, from: &Path) -> Result<Source, SourceError> {
        fs::read_dir(from).map_err(|error| SourceError::Unreadable { path: from.to_path_buf(), error })?;
        let mut more = read_tree(from)?;
        more.retain(|file| ![DMAR_C, OLD_DMAR_C, MAKEFILE].contains(&file.path.as_str()));
        if more.is_empty() {
            more = read_headers(from)?;
        }
        if more.is_empty() {
            let what =
                format!("has no headers: it was searched for {HEADER_FOLDER}*.h, {} and *.h", HEADERS.join(", "));
            return Err(SourceError::Unfit { path: from.to_path_buf(), what });
        }
        let (near, far): (Vec<_>, Vec<_>) = more.into_iter().partition(|file| is_near(&file.path));
        let own = self.files.iter().position(|file| file.path == OWN.0).unwrap_or(self.files.len());
        self.files.splice(own..own, near);
        self.far.extend(far);
        self.notes.push(format!("names that it does not define are taken from the headers in {}", from.display()));
        Ok(self)
    }

    /// Adds a file of definitions that stand before all else, as those of the shim do: for names that nobody else defines.
    ///
    /// # Errors
    /// [`SourceError`] if it cannot be read.
    pub fn with_shim(mut self, from: &Path) -> Result<Source, SourceError> {
        let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let unreadable = || SourceError::Unreadable { path: from.to_path_buf(), error: missing() };
        self.shim = Some(read_file(Path::new(""), from.to_string_lossy().into_owned())?.ok_or_else(unreadable)?);
        Ok(self)
    }

    /// What it is called in reports.
    pub fn name(&self) -> String {
        let version = self.version.as_ref().map(|version| format!(" ({version})")).unwrap_or_default();
        let edits: String = self.edits.iter().map(|edit| format!(", {edit}")).collect();
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

/// Whether a file is parsed whether or not a name is looked for in it.
fn is_near(path: &str) -> bool {
    path == DMAR_C || path.starts_with(HEADER_FOLDER) || HEADERS.contains(&path) || path == OWN.0
}

fn read_tree(root: &Path) -> Result<Vec<SourceFile>, SourceError> {
    let mut paths: Vec<String> = [DMAR_C, OLD_DMAR_C, MAKEFILE].into_iter().chain(HEADERS).map(String::from).collect();
    paths.extend(headers_in(&root.join(HEADER_FOLDER))?.iter().map(|name| format!("{HEADER_FOLDER}{name}")));
    let files: Result<Vec<_>, _> = paths.into_iter().filter_map(|path| read_file(root, path).transpose()).collect();
    let mut files = files?;
    let far = far::reached(&files, |path| match wanted(path) {
        true => read_file(root, path.to_string()),
        false => Ok(None),
    })?;
    files.extend(far);
    Ok(files)
}

/// The names of the headers in a folder, in order; none if there is no such folder.
fn headers_in(folder: &Path) -> Result<Vec<String>, SourceError> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| wanted(&format!("{HEADER_FOLDER}{name}"))).collect();
    names.retain(|name| name.ends_with(".h"));
    names.sort();
    if names.len() > HEADER_FILES {
        let what = format!("has {} headers, and at most {HEADER_FILES} are read", names.len());
        return Err(SourceError::Unfit { path: folder.to_path_buf(), what });
    }
    Ok(names)
}

/// The headers that lie in a folder, as if it were that of a tree's driver.
fn read_headers(folder: &Path) -> Result<Vec<SourceFile>, SourceError> {
    let read = |name: String| -> Result<Option<SourceFile>, SourceError> {
        let file = read_file(folder, name)?;
        Ok(file.map(|file| SourceFile { path: format!("{HEADER_FOLDER}{}", file.path), ..file }))
    };
    headers_in(folder)?.into_iter().filter_map(|name| read(name).transpose()).collect()
}

/// A driver's file that was named, or lies in the folder that was named.
fn read_alone(from: &Path, driver: &Path) -> Result<Source, SourceError> {
    let unreadable = |error| SourceError::Unreadable { path: driver.to_path_buf(), error };
    let place = driver.canonicalize().map_err(unreadable)?;
    if let Some(root) = place.to_str().and_then(|place| place.strip_suffix(DMAR_C)).filter(|root| root.ends_with('/')) {
        return Source::of(from, read_tree(Path::new(root))?);
    }
    let folder = driver.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = driver.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut files: Vec<SourceFile> = read_file(folder, name)?.into_iter().collect();
    files.iter_mut().for_each(|file| file.path = DMAR_C.to_string());
    let beside = read_headers(folder)?;
    let note = match beside.len() {
        0 => "it has no headers: what it takes from them is declared by this program".to_string(),
        headers => format!("its headers are the {headers} beside it; what they lack is declared by this program"),
    };
    files.extend(beside);
    let mut source = Source::of(from, files)?;
    source.files.push(SourceFile { path: OWN.0.to_string(), text: OWN.1.to_string() });
    source.notes.push(note);
    Ok(source)
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

/// Of files read in one go those that the driver reaches.
fn reached_of(files: Vec<SourceFile>) -> Result<Vec<SourceFile>, SourceError> {
    let is_root = |path: &str| is_near(path) || [OLD_DMAR_C, MAKEFILE].contains(&path);
    let (mut files, far): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| is_root(&file.path));
    let mut far: HashMap<String, SourceFile> = far.into_iter().map(|file| (file.path.clone(), file)).collect();
    let reached = far::reached(&files, |path| Ok(far.remove(path)))?;
    files.extend(reached);
    Ok(files)
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
    let files = reached_of(archive::read(from, &file, stop).map_err(or_cancelled)?)?;
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
            "/tree is no kernel tree: it was searched for drivers/iommu/intel/dmar.c and dmar.c, which are not there"
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
