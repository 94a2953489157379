//! A kernel's source: the few files that hold the queued invalidation driver, from a tree or from a tarball.
//!
//! A tarball of a kernel is read once; the files are kept in the user's cache directory, never in a repository.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Where the driver lies since Linux 5.8.
pub const DMAR_C: &str = "drivers/iommu/intel/dmar.c";
/// Where it lay before.
const OLD_DMAR_C: &str = "drivers/iommu/dmar.c";
/// Where its headers lie: a folder, and single files of older trees.
const HEADER_FOLDER: &str = "drivers/iommu/intel/";
const HEADERS: [&str; 2] = ["include/linux/intel-iommu.h", "include/linux/dmar.h"];
/// Whence a tree's version is read, for display only.
const MAKEFILE: &str = "Makefile";

/// A file of a kernel tree.
#[derive(Clone, Debug)]
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
    /// A file that is no archive.
    #[error("{} is neither a directory nor a tar archive (plain, .gz or .xz) that can be unpacked: {}", from.display(), first_line(error))]
    NoArchive {
        /// The file.
        from: PathBuf,
        /// What the unpacking said.
        error: std::io::Error,
    },
}

/// What an error says, as far as it fits into a sentence: a reader of archives quotes what it read.
fn first_line(error: &std::io::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_string()
}

/// Whether a path from the root of a tree is one of the files looked at.
fn wanted(path: &str) -> bool {
    let header = path.strip_prefix(HEADER_FOLDER).is_some_and(|name| name.ends_with(".h") && !name.contains('/'));
    header || path == DMAR_C || path == OLD_DMAR_C || path == MAKEFILE || HEADERS.contains(&path)
}

impl Source {
    /// Reads a kernel tree or a tarball of one.
    ///
    /// # Errors
    /// [`SourceError`] if there is no kernel from 5.8 on.
    pub fn open(from: &Path) -> Result<Source, SourceError> {
        let unreadable = |error| SourceError::Unreadable { path: from.to_path_buf(), error };
        let metadata = fs::metadata(from).map_err(unreadable)?;
        let files = if metadata.is_dir() { read_tree(from)? } else { read_archive_cached(from, &metadata)? };
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
    paths.sort();
    paths.dedup();
    let mut files = Vec::new();
    for path in paths.into_iter().filter(|path| wanted(path)) {
        match fs::read(root.join(&path)) {
            Ok(bytes) => files.push(SourceFile { path, text: String::from_utf8_lossy(&bytes).into_owned() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(SourceError::Unreadable { path: root.join(path), error }),
        }
    }
    Ok(files)
}

/// Where files of tarballs are kept: `VTD_QI_CACHE`, or `vtd-qi` in the user's cache directory.
fn cache_root() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("VTD_QI_CACHE").or_else(|| {
        set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache"))).map(|cache| cache.join("vtd-qi"))
    })
}

fn read_archive_cached(from: &Path, metadata: &fs::Metadata) -> Result<Vec<SourceFile>, SourceError> {
    let mut hasher = DefaultHasher::new();
    (fs::canonicalize(from).ok(), metadata.len(), metadata.modified().ok()).hash(&mut hasher);
    let folder = cache_root().map(|root| root.join(format!("{:016x}", hasher.finish())));
    if let Some(folder) = folder.as_deref().filter(|folder| folder.join(DMAR_C).is_file()) {
        return read_tree(folder);
    }
    let files = read_archive(from)?;
    if let Some(folder) = folder.filter(|_| files.iter().any(|file| file.path == DMAR_C)) {
        // A cache that cannot be written costs time and nothing else. dmar.c comes last: it says that the rest is there.
        let write = |file: &SourceFile| -> std::io::Result<()> {
            let path = folder.join(&file.path);
            fs::create_dir_all(path.parent().unwrap_or(&folder))?;
            fs::write(path, &file.text)
        };
        let _ = files.iter().filter(|file| file.path != DMAR_C).try_for_each(write);
        let _ = files.iter().filter(|file| file.path == DMAR_C).try_for_each(write);
    }
    Ok(files)
}

fn read_archive(from: &Path) -> Result<Vec<SourceFile>, SourceError> {
    let unreadable = |error| SourceError::Unreadable { path: from.to_path_buf(), error };
    let mut magic = [0; 6];
    let mut file = File::open(from).map_err(unreadable)?;
    let read = file.read(&mut magic).map_err(unreadable)?;
    let file = BufReader::with_capacity(1 << 20, File::open(from).map_err(unreadable)?);
    let files = match &magic[..read] {
        [0xfd, b'7', b'z', b'X', b'Z', 0] => unpack(lzma_rust2::XzReader::new(file, true)),
        [0x1f, 0x8b, ..] => unpack(flate2::read::MultiGzDecoder::new(file)),
        _ => unpack(file),
    };
    files.map_err(|error| SourceError::NoArchive { from: from.to_path_buf(), error })
}

/// The wanted files of an archive, whose own top folder does not count.
fn unpack(reader: impl Read) -> std::io::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(reader).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_string();
        let Some((_, path)) = path.split_once('/').filter(|(_, path)| wanted(path)) else { continue };
        let path = path.to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.push(SourceFile { path, text: String::from_utf8_lossy(&bytes).into_owned() });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> SourceFile {
        SourceFile { path: path.to_string(), text: "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 2\n".to_string() }
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
    fn a_tarball_is_read_without_its_top_folder() {
        let mut builder = tar::Builder::new(Vec::new());
        for path in ["linux/drivers/iommu/intel/dmar.c", "linux/drivers/iommu/intel/sub/x.h", "linux/fs/x.c"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(2);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, &b"x\n"[..]).unwrap();
        }
        let files = unpack(&builder.into_inner().unwrap()[..]).unwrap();
        assert_eq!(files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), [DMAR_C]);
    }
}
