//! Short hashes of files, used to notice that a stored result belongs to an older version.

use std::path::Path;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// The first 8 bytes of the SHA-256 of some parts, one after the other, in hexadecimal.
pub fn fingerprint<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> String {
    let mut text = Sha256::new();
    parts.into_iter().for_each(|part| text.update(part));
    text.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The sources of this crate and of those of this repository that it depends on, and `Cargo.lock`, which names the versions of all other
/// dependencies; by path and in its order. `build.rs` lists them.
static SOURCES: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// The fingerprint of all that decides what a search finds. Data files are no part of it: what they say of a configuration is part of
/// the configuration, and what they say of a verdict is compared with it afterwards.
pub(crate) fn of_sources() -> &'static str {
    static OF_SOURCES: LazyLock<String> = LazyLock::new(|| of_files(SOURCES));
    &OF_SOURCES
}

/// Whether a checkout still has the sources that this program was built from, as far as they decide what a search finds: then the
/// checkout's commit is the program's.
pub fn is_built_from(checkout: &Path) -> bool {
    SOURCES.iter().all(|(name, text)| std::fs::read(checkout.join(name)).is_ok_and(|now| now == *text))
}

/// Names and lengths count too: two files are not the same as one that holds both.
fn of_files(files: &[(&str, &[u8])]) -> String {
    let part = |(name, text): &(&str, &[u8])| [format!("{name} {}\n", text.len()).as_bytes(), text].concat();
    fingerprint(files.iter().map(part))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    fn rust_files(folder: &Path, files: &mut BTreeSet<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                rust_files(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.insert(path);
            }
        }
    }

    fn manifest(folder: &Path) -> toml::Table {
        std::fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap()
    }

    /// The folders of the sources of a crate and of those that it depends on by path, be it the workspace's.
    fn folders(root: &Path, folder: &Path, found: &mut BTreeSet<PathBuf>) {
        if !found.insert(folder.join("src").canonicalize().unwrap()) {
            return;
        }
        let path = |dependency: &toml::Value| dependency.get("path").and_then(toml::Value::as_str).map(PathBuf::from);
        let workspace = manifest(root)["workspace"]["dependencies"].clone();
        let crate_itself = manifest(folder);
        for (name, dependency) in crate_itself["dependencies"].as_table().unwrap() {
            let by_workspace = || workspace.get(name).filter(|_| dependency.get("workspace").is_some()).and_then(path);
            let at =
                path(dependency).map(|path| folder.join(path)).or_else(|| by_workspace().map(|path| root.join(path)));
            at.into_iter().for_each(|folder| folders(root, &folder, found));
        }
    }

    /// Fails if a file or a crate of this repository can decide what is found and is not listed.
    #[test]
    fn every_source_is_listed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut crates = BTreeSet::new();
        folders(root, root, &mut crates);
        assert!(crates.len() > 1, "{crates:?}");
        let mut files = BTreeSet::new();
        crates.iter().for_each(|folder| rust_files(folder, &mut files));
        files.insert(root.join("Cargo.lock").canonicalize().unwrap());
        let listed: BTreeSet<PathBuf> =
            SOURCES.iter().map(|(name, _)| root.join(name).canonicalize().unwrap()).collect();
        assert_eq!(listed, files);
        assert!(
            ["src/scenario.rs", "crates/temporal/src/liveness/marks.rs"]
                .iter()
                .all(|&name| SOURCES.iter().any(|(n, _)| *n == name))
        );
        assert!(is_built_from(root) && !is_built_from(&root.join("src")));
    }

    #[test]
    fn every_byte_and_every_name_counts() {
        let fingerprints = [
            of_files(&[("a", b"xy"), ("b", b"z")]),
            of_files(&[("a", b"xy"), ("c", b"z")]),
            of_files(&[("a", b"x"), ("b", b"yz")]),
            of_files(&[("a", b"xy"), ("b", b"Z")]),
            of_files(&[("a", b"xy")]),
        ];
        assert_eq!(fingerprints.iter().collect::<BTreeSet<_>>().len(), fingerprints.len());
    }
}
