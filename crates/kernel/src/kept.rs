//! What was read of a tarball is kept, since unpacking a kernel takes many seconds: one file for each tarball.
//!
//! A file is named after the SHA-256 of the tarball, so that neither its path nor its date counts. It is written under another
//! name and renamed when it is complete. Its first line is the SHA-256 of the rest: a file that is damaged is as good as none.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::source::{LOOKED_FOR, SourceFile};

/// What stands in a file behind the checksum.
#[derive(Serialize, Deserialize)]
struct Kept {
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

/// Where the files of a tarball are kept, if anywhere.
pub(super) fn place(mut tarball: &File) -> io::Result<Option<PathBuf>> {
    let Some(folder) = folder() else { return Ok(None) };
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    tarball.rewind()?;
    loop {
        match tarball.read(&mut buffer) {
            Ok(0) => return Ok(Some(folder.join(hex(hasher)))),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What is kept in a place, if it is whole.
pub(super) fn load(place: &Path) -> Option<Vec<SourceFile>> {
    let text = fs::read_to_string(place).ok()?;
    let (checksum, rest) = text.split_once('\n')?;
    if checksum != hex(Sha256::new_with_prefix(rest)) {
        return None;
    }
    let kept: Kept = serde_json::from_str(rest).ok()?;
    (kept.looked_for == LOOKED_FOR).then_some(kept.files)
}

/// Keeps files in a place.
///
/// # Errors
/// If that cannot be written: then nothing is kept, and what was kept before stays.
pub(super) fn store(place: &Path, files: &[SourceFile]) -> io::Result<()> {
    let folder = place.parent().unwrap_or(place);
    fs::create_dir_all(folder)?;
    let rest =
        serde_json::to_string(&Kept { looked_for: LOOKED_FOR.map(String::from).to_vec(), files: files.to_vec() })?;
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
        let rest = r#"{"looked_for":["fs/x.c"],"files":[]}"#;
        fs::write(&place, format!("{}\n{rest}", hex(Sha256::new_with_prefix(rest)))).unwrap();
        assert_eq!(loaded(&place), None);
        // Written again, and nothing else lies beside it.
        store(&place, &files).unwrap();
        assert!(loaded(&place).is_some());
        assert_eq!(fs::read_dir(place.parent().unwrap()).unwrap().count(), 1);
    }
}
