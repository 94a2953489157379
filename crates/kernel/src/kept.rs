//! What was read of a tarball is kept, since unpacking a kernel takes many seconds: one file for each tarball.
//!
//! A file is named after the SHA-256 of the tarball, so that neither its path nor its date counts. It is written under another
//! name and renamed when it is complete. Its first line is the SHA-256 of the rest, and in the rest the tarball's SHA-256 stands
//! again: a file that is damaged, or that was written for another tarball, is as good as none. So is whatever else lies in its
//! place: a link, a pipe, a device, or a file larger than any that is written.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::archive::KEPT_BYTES;
use super::source::{LOOKED_FOR, SourceFile, Stoppable};

/// Most bytes of a file that is written or read here: as text in JSON, what is read of an archive takes a little more room.
const FILE_BYTES: u64 = 2 * KEPT_BYTES;

/// What stands in a file behind the checksum.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The SHA-256 of the tarball.
    tarball: String,
    /// What was looked for when it was written; if that was something else, it is read anew.
    looked_for: Vec<String>,
    files: Vec<SourceFile>,
}

/// Where files are kept: `VTD_QI_CACHE`, or `vtd-qi` in the user's cache directory, and there `tarballs`. `None` if there is no
/// such directory.
fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = set("VTD_QI_CACHE").or_else(|| {
        set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache"))).map(|cache| cache.join("vtd-qi"))
    });
    root.map(|root| root.join("tarballs"))
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the files of a tarball are kept, if anywhere. Fails once `stop` is set.
pub(super) fn place(mut tarball: &File, stop: &AtomicBool) -> io::Result<Option<PathBuf>> {
    let Some(folder) = folder() else { return Ok(None) };
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    tarball.rewind()?;
    let mut reader = Stoppable { reader: tarball, stop };
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(Some(folder.join(hex(hasher)))),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The name of a place, which is the SHA-256 of its tarball.
fn name(place: &Path) -> String {
    place.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The text of a place, if a file lies there that may have been written here.
fn text(place: &Path) -> Option<String> {
    // Neither is a link followed nor the other end of a pipe waited for.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags).open(place).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES {
        return None;
    }
    let mut text = String::new();
    file.take(FILE_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// What is kept in a place, if it is whole and was read of this tarball.
pub(super) fn load(place: &Path) -> Option<Vec<SourceFile>> {
    let text = text(place)?;
    let (checksum, rest) = text.split_once('\n')?;
    if checksum != hex(Sha256::new_with_prefix(rest)) {
        return None;
    }
    let kept: Kept = serde_json::from_str(rest).ok()?;
    (kept.tarball == name(place) && kept.looked_for == LOOKED_FOR).then_some(kept.files)
}

/// Keeps files in a place.
///
/// # Errors
/// If that cannot be written, or is too much: then nothing is kept, and what was kept before stays.
pub(super) fn store(place: &Path, files: &[SourceFile]) -> io::Result<()> {
    let folder = place.parent().unwrap_or(place);
    fs::create_dir_all(folder)?;
    let looked_for = LOOKED_FOR.map(String::from).to_vec();
    let rest = serde_json::to_string(&Kept { tarball: name(place), looked_for, files: files.to_vec() })?;
    // The checksum and the end of its line.
    if rest.len() as u64 + 65 > FILE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{}", hex(Sha256::new_with_prefix(&rest)))?;
    file.write_all(rest.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(place)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_or_was_looked_for_otherwise_counts_as_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("new").join("name");
        assert!(load(&place).is_none());
        let files = [SourceFile { path: "Makefile".to_string(), text: "VERSION = 6\nline\n".to_string() }];
        store(&place, &files).unwrap();
        let loaded = |place: &Path| load(place).map(|files| files[0].text.clone());
        assert_eq!(loaded(&place).as_deref(), Some("VERSION = 6\nline\n"));
        let whole = fs::read(&place).unwrap();
        for cut in 0..whole.len() {
            fs::write(&place, &whole[..cut]).unwrap();
            assert_eq!(loaded(&place), None, "cut at {cut}");
            let mut flipped = whole.clone();
            flipped[cut] ^= 1;
            fs::write(&place, flipped).unwrap();
            assert_eq!(loaded(&place), None, "flipped at {cut}");
        }
        let rest = r#"{"tarball":"name","looked_for":["fs/x.c"],"files":[]}"#;
        fs::write(&place, format!("{}\n{rest}", hex(Sha256::new_with_prefix(rest)))).unwrap();
        assert_eq!(loaded(&place), None);
        // That of another tarball.
        store(&place, &files).unwrap();
        let other = place.with_file_name("other");
        fs::rename(&place, &other).unwrap();
        assert_eq!(loaded(&other), None);
        fs::remove_file(&other).unwrap();
        // Written again, and nothing else lies beside it.
        store(&place, &files).unwrap();
        assert!(loaded(&place).is_some());
        assert_eq!(fs::read_dir(place.parent().unwrap()).unwrap().count(), 1);
    }
    #[test]
    fn what_is_no_file_or_too_large_counts_as_not_there_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [place, other] = ["name", "elsewhere"].map(|name| folder.path().join(name));
        let files = [SourceFile { path: "Makefile".to_string(), text: "VERSION = 6\n".to_string() }];
        store(&place, &files).unwrap();
        let whole = fs::read(&place).unwrap();
        let link = |to: &Path| std::os::unix::fs::symlink(to, &place).unwrap();
        let make: [&dyn Fn(); 4] = [
            &|| link(Path::new("/dev/zero")),
            &|| {
                fs::write(&other, &whole).unwrap();
                link(&other);
            },
            &|| {
                // A pipe: reading it would wait for ever.
                let path = std::ffi::CString::new(place.to_str().unwrap()).unwrap();
                // SAFETY: a C string.
                assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
            },
            &|| {
                fs::write(&place, &whole).unwrap();
                File::options().write(true).open(&place).unwrap().set_len(FILE_BYTES + 1).unwrap();
            },
        ];
        for make in make {
            fs::remove_file(&place).unwrap();
            make();
            assert!(text(&place).is_none());
            assert!(load(&place).is_none());
            store(&place, &files).unwrap();
            assert!(load(&place).is_some());
        }
        // What would not be read again is not written.
        let large = [SourceFile { path: "Makefile".to_string(), text: "x".repeat(FILE_BYTES as usize) }];
        assert!(store(&place, &large).is_err());
        assert!(load(&place).is_some());
    }
}
