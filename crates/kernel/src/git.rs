//! `REPO@REVISION`: the files of a kernel as a revision of a git repository has them, whatever is checked out there.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use super::archive;
use super::source::{SourceError, SourceFile, wanted};

/// A revision of a repository.
#[derive(Debug)]
pub(super) struct Revision {
    repository: PathBuf,
    revision: String,
}

impl Revision {
    /// What `REPO@REVISION` names, if `REPO` is a folder; a revision may have an `@` itself, as in `main@{1}`.
    pub(super) fn of(from: &Path) -> Option<Revision> {
        let text = from.to_str()?;
        let parts = text.match_indices('@').map(|(at, _)| (&text[..at], &text[at + 1..]));
        let (repository, revision) = parts.into_iter().find(|(repository, _)| Path::new(repository).is_dir())?;
        Some(Revision { repository: repository.into(), revision: revision.to_string() })
    }

    /// The files looked at.
    ///
    /// # Errors
    /// [`SourceError`] if git cannot be run or knows no such revision.
    pub(super) fn read(&self, from: &Path, stop: &AtomicBool) -> Result<Vec<SourceFile>, SourceError> {
        let failed = |what: String| SourceError::NoRevision { from: from.to_path_buf(), what };
        let commit = format!("{}^{{commit}}", self.revision);
        let commit = self.line(["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]).map_err(|said| {
            failed(match said.is_empty() {
                true => format!("{:?} is no revision there", self.revision),
                false => said,
            })
        })?;
        let list = ["ls-tree", "-r", "--full-tree", "--name-only", "-z", &commit, "--", "Makefile"];
        let list = self.output(&[&list[..], &["drivers/iommu", "include/linux"]].concat()).map_err(failed)?;
        let paths: Vec<&str> = list.split('\0').filter(|path| wanted(path)).collect();
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let top = self.line(["rev-parse", "--show-cdup"]).map_err(failed)?;
        let top = Revision { repository: self.repository.join(top), revision: String::new() };
        let mut command = top.git(&[&["archive", "--format=tar", &commit, "--"], &paths[..]].concat());
        let mut git = command.stdout(Stdio::piped()).spawn().map_err(|error| failed(error.to_string()))?;
        let files = match git.stdout.take() {
            Some(tar) => archive::of_one_tree(from, tar, stop),
            None => Ok(Vec::new()),
        };
        if files.is_err() {
            // What it still has to say is read by nobody.
            let _ = git.kill();
        }
        let ended = git.wait_with_output().map_err(|error| failed(error.to_string()))?;
        match files {
            Ok(files) if ended.status.success() => Ok(files),
            Ok(_) => Err(failed(first_line(&ended.stderr))),
            Err(error) => Err(error),
        }
    }

    fn git(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.repository).args(arguments);
        // Whoever runs this from a hook has these set for another repository.
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// What git prints, or what it complains of.
    fn output(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.git(arguments).output().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "there is no program git".to_string(),
            _ => error.to_string(),
        })?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(first_line(&output.stderr)),
        }
    }

    fn line<const N: usize>(&self, arguments: [&str; N]) -> Result<String, String> {
        self.output(&arguments).map(|text| text.trim_end().to_string())
    }
}

fn first_line(text: &[u8]) -> String {
    archive::printable(&String::from_utf8_lossy(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{DMAR_C, Source};

    fn git(folder: &Path, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.arg("-C").arg(folder).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn a_revision_is_read_and_not_what_is_checked_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DMAR_C);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        git(folder.path(), &["init", "-q"]);
        for (text, tag) in [("old", "v1"), ("new", "v2")] {
            std::fs::write(&path, text).unwrap();
            git(folder.path(), &["add", "."]);
            git(folder.path(), &["commit", "-q", "-m", text]);
            git(folder.path(), &["tag", tag]);
        }
        let opened = |from: &Path| Source::open(from, &AtomicBool::new(false));
        let named = |place: &Path, revision: &str| PathBuf::from(format!("{}@{revision}", place.display()));
        for (revision, text) in [("v1", "old"), ("v2", "new"), ("HEAD~", "old"), ("@{0}", "new")] {
            for place in [folder.path(), path.parent().unwrap(), &folder.path().join(".git")] {
                let source = opened(&named(place, revision)).unwrap();
                assert_eq!(source.files[0].text, text, "{}@{revision}", place.display());
            }
        }
        for (revision, says) in [("v3", "\"v3\" is no revision there"), ("--all", "is no revision there")] {
            let said = opened(&named(folder.path(), revision)).unwrap_err().to_string();
            assert!(said.contains(says), "{said}");
        }
        let other = tempfile::tempdir().unwrap();
        let said = opened(&named(other.path(), "v1")).unwrap_err().to_string();
        assert!(said.contains("not a git repository"), "{said}");
        let said = opened(Path::new("/nonexistent@v1")).unwrap_err().to_string();
        assert!(said.contains("/nonexistent@v1 cannot be read"), "{said}");
    }
}
