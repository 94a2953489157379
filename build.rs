//! Lists the sources that decide what a search finds, for `src/fingerprint.rs`: all Rust files of [`FOLDERS`], whatever they are called,
//! so that a file that is added is listed without anybody's doing, and [`LOCK`], which names the version of every dependency.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folders of this repository whose Rust files can decide what is found: this crate's, and those of crates that it depends on by path.
const FOLDERS: [&str; 2] = ["crates/temporal/src", "src"];

/// The versions of the dependencies. A published package has none here: whoever builds with it chooses them.
const LOCK: &str = "Cargo.lock";

#[allow(clippy::print_stdout)] // That is how a build script speaks to cargo.
fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut files = Vec::new();
    for folder in FOLDERS {
        // A published package holds only its own: the others are named by their versions then.
        if !root.join(folder).is_dir() {
            continue;
        }
        // Cargo looks at the files of the folder, and of those in it.
        println!("cargo::rerun-if-changed={folder}");
        sources(&root.join(folder), &mut files)?;
    }
    let lock = root.join(LOCK);
    if lock.is_file() {
        println!("cargo::rerun-if-changed={LOCK}");
        files.push(lock);
    }
    files.sort();
    let mut list = String::from("[\n");
    for file in &files {
        let name = file.strip_prefix(&root).expect("it is in a folder below").display().to_string();
        writeln!(list, "    ({name:?}, include_bytes!({file:?}).as_slice()),").expect("a string can be written");
    }
    list.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("sources.rs"), list)
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => sources(&path, files)?,
            false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            false => {}
        }
    }
    Ok(())
}
