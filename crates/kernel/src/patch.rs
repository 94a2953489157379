//! Patches: a unified diff, as git, a mail or `diff -u` has it, applied in memory to the files that are looked at.

use std::path::Path;

use flickzeug::{ApplyConfig, ApplyOutcome, Diff, FuzzyConfig, Patch, apply_reporting};
use thiserror::Error;

use super::source::{Source, SourceFile, wanted};

/// A patch that cannot be applied.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PatchError {
    /// No diff.
    #[error("{patch} is no unified diff: {what}")]
    NoDiff {
        /// The patch.
        patch: String,
        /// What is the matter with it.
        what: String,
    },
    /// A diff of other files.
    #[error("{patch} changes {}, and none of the files that are looked at in {tree}", named(files))]
    Elsewhere {
        /// The patch.
        patch: String,
        /// The tree.
        tree: String,
        /// What it changes.
        files: Vec<String>,
    },
    /// A hunk whose place is not found.
    #[error("{patch}: hunk {hunk}, for line {line} of {file}, does not fit {tree}, not even with fuzz {MOST_FUZZ}")]
    Hunk {
        /// The patch.
        patch: String,
        /// The tree.
        tree: String,
        /// The file.
        file: String,
        /// Which hunk, from 1.
        hunk: usize,
        /// Where it says that it belongs.
        line: usize,
    },
    /// All that it adds is there.
    #[error("{patch}: {tree} has it already, in {file}")]
    Already {
        /// The patch.
        patch: String,
        /// The tree.
        tree: String,
        /// The file.
        file: String,
    },
}

/// How many lines of context at each end of a hunk may differ, as for GNU patch.
const MOST_FUZZ: usize = 2;

/// Most files that are listed.
const LISTED: usize = 3;

fn named(files: &[String]) -> String {
    let more = files.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    files.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ") + &more
}

/// Applies a patch, which may be a series: each diff to what the ones before it have left. What was not applied, because no file
/// that is looked at is concerned, and what was applied with fuzz, is added to the notes of the source.
///
/// # Errors
/// [`PatchError`] if it is none, concerns nothing that is looked at, or does not fit.
pub fn patch(source: &Source, path: &Path, text: &str) -> Result<Source, PatchError> {
    let (name, tree) = (path.display().to_string(), source.name());
    let text = plain(text).map_err(|what| PatchError::NoDiff { patch: name.clone(), what })?;
    let parsed = Patch::from_str(&text);
    let parsed = parsed.map_err(|error| PatchError::NoDiff { patch: name.clone(), what: error.to_string() })?;
    let diffs: Vec<&Diff<str>> = parsed.diffs().iter().filter(|diff| !diff.hunks().is_empty()).collect();
    if diffs.is_empty() {
        let what = "nothing in it begins with --- and +++ and has hunks that begin with @@".to_string();
        return Err(PatchError::NoDiff { patch: name, what });
    }
    let mut patched = source.clone();
    let (mut elsewhere, mut applied): (Vec<String>, usize) = (Vec::new(), 0);
    for diff in diffs {
        let path = [diff.modified(), diff.original()].into_iter().flatten().find(|path| *path != "/dev/null");
        let path = path.unwrap_or_default().to_string();
        let Some(file) = target(&mut patched, &path) else {
            elsewhere.push(path);
            continue;
        };
        let Fitted { text, fuzz } = fitted(&file.text, diff).map_err(|hunk| match hunk {
            None => PatchError::Already { patch: name.clone(), tree: tree.clone(), file: file.path.clone() },
            Some(hunk) => {
                let line = diff.hunks().get(hunk - 1).map_or(0, |hunk| hunk.old_range().start());
                PatchError::Hunk { patch: name.clone(), tree: tree.clone(), file: file.path.clone(), hunk, line }
            }
        })?;
        file.text = text;
        applied += 1;
        if fuzz > 0 {
            let note = format!("{name} fits {} with fuzz {fuzz}: some lines of context differ", file.path);
            patched.notes.push(note);
        }
    }
    if applied == 0 {
        return Err(PatchError::Elsewhere { patch: name, tree, files: elsewhere });
    }
    if !elsewhere.is_empty() {
        patched.notes.push(format!("what {name} changes in {} is not looked at", named(&elsewhere)));
    }
    patched.edits.push(format!("patched: {name}"));
    Ok(patched)
}

/// The file that a diff means: one that is there, or a header that it brings along.
fn target<'a>(source: &'a mut Source, path: &str) -> Option<&'a mut SourceFile> {
    let is = |file: &SourceFile| {
        let of_driver = file.path.ends_with("/dmar.c") && (path == "dmar.c" || path.ends_with("intel/dmar.c"));
        file.path == path || path.ends_with(&format!("/{}", file.path)) || of_driver
    };
    if !source.files.iter().chain(&source.far).any(is) && wanted(path) && path.ends_with(".h") {
        source.files.push(SourceFile { path: path.to_string(), text: String::new() });
    }
    source.files.iter_mut().chain(&mut source.far).find(|file| is(file))
}

struct Fitted {
    text: String,
    fuzz: usize,
}

/// A text with a diff applied with as little fuzz as there is need of; else the hunk that does not fit, or `None` if the text has
/// it all already.
fn fitted(text: &str, diff: &Diff<str>) -> Result<Fitted, Option<usize>> {
    let mut failed = 1;
    for fuzz in 0..=MOST_FUZZ {
        let fuzzy_config = FuzzyConfig { max_fuzz: fuzz, similarity_threshold: 1.0, ..FuzzyConfig::default() };
        match apply_reporting(text, diff, &ApplyConfig { fuzzy_config, ..ApplyConfig::default() }) {
            ApplyOutcome::Applied(text, _) => return Ok(Fitted { text, fuzz }),
            ApplyOutcome::AlreadyApplied(_) => return Err(None),
            ApplyOutcome::Failed(error) => failed = error.hunk_index().max(1),
        }
    }
    Err(Some(failed))
}

/// A patch as it was before a mail packed it: lines end in a line feed, and nothing is quoted.
fn plain(text: &str) -> Result<String, String> {
    let text = text.replace("\r\n", "\n");
    let encoding = text.lines().take_while(|line| !line.starts_with("--- ")).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-transfer-encoding").then(|| value.trim().to_ascii_lowercase())
    });
    match encoding.as_deref() {
        Some("quoted-printable") => {
            let bytes = quoted_printable::decode(&text, quoted_printable::ParseMode::Robust);
            let bytes = bytes.map_err(|error| format!("its quoted-printable text is broken: {error}"))?;
            Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
        }
        Some("base64") => Err("it is a mail in base64; `b4 am` or `git mailinfo` makes a patch of it".to_string()),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::DMAR_C;

    const BEFORE: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";
    const DIFF: &str = "--- a/drivers/iommu/intel/dmar.c\n+++ b/drivers/iommu/intel/dmar.c\n@@ -3,3 +3,3 @@ text\n three\n-four\n+FOUR\n five\n";

    fn tree(text: &str) -> Source {
        let file = |path: &str, text: &str| SourceFile { path: path.to_string(), text: text.to_string() };
        Source::of(Path::new("/tree"), vec![file(DMAR_C, text), file("include/linux/far.h", "far\n")]).unwrap()
    }

    fn patched(text: &str, diff: &str) -> Result<Source, String> {
        patch(&tree(text), Path::new("x.patch"), diff).map_err(|error| error.to_string())
    }

    #[test]
    fn a_diff_is_applied_as_it_comes() {
        let mail = format!(
            "From: a\nSubject: [PATCH] b\n\nText.\n--- not a diff\n---\n dmar.c | 2 +-\n\n{DIFF}-- \n2.43.0\n\n"
        );
        let quoted = format!(
            "Content-Transfer-Encoding: quoted-printable\n\n{}",
            DIFF.replace("three", "thr=\nee").replace("FOUR", "=46OUR")
        );
        let bare = DIFF.replace("drivers/iommu/intel/", "");
        for diff in [DIFF.to_string(), mail, quoted, bare, DIFF.replace('\n', "\r\n"), DIFF.replace("a/", "x/old/")] {
            let source = patched(BEFORE, &diff).unwrap();
            assert_eq!(source.files[0].text, BEFORE.replace("four", "FOUR"), "{diff}");
            assert_eq!(source.name(), "/tree, patched: x.patch");
            assert!(source.notes.is_empty(), "{:?}", source.notes);
        }
        // Elsewhere in the file, and the second of a series.
        let again = DIFF.replace("FOUR", "4").replace("-four", "-FOUR");
        let source = patched(&format!("zero\n{BEFORE}"), &format!("{DIFF}{again}")).unwrap();
        assert_eq!(source.files[0].text, format!("zero\n{BEFORE}").replace("four", "4"));
    }

    #[test]
    fn fuzz_and_what_is_not_looked_at_are_said() {
        let other = DIFF.replace("dmar.c", "iommu.c");
        let source = patched(&BEFORE.replace("three", "THREE"), &format!("{DIFF}{other}")).unwrap();
        assert_eq!(source.files[0].text, BEFORE.replace("three", "THREE").replace("four", "FOUR"));
        assert_eq!(
            source.notes,
            [
                "x.patch fits drivers/iommu/intel/dmar.c with fuzz 1: some lines of context differ",
                "what x.patch changes in drivers/iommu/intel/iommu.c is not looked at"
            ]
        );
    }

    #[test]
    fn a_header_is_changed_or_brought_along() {
        let far = "--- a/include/linux/far.h\n+++ b/include/linux/far.h\n@@ -1 +1 @@\n-far\n+near\n";
        let new = "--- /dev/null\n+++ b/drivers/iommu/intel/new.h\n@@ -0,0 +1 @@\n+#define NEW 1\n";
        let source = patched(BEFORE, &format!("{far}{new}")).unwrap();
        assert_eq!(source.far[0].text, "near\n");
        let brought = source.files.last().unwrap();
        assert_eq!((brought.path.as_str(), brought.text.as_str()), ("drivers/iommu/intel/new.h", "#define NEW 1\n"));
    }

    #[test]
    fn what_does_not_fit_is_said_by_its_place() {
        for (text, diff, says) in [
            (
                "",
                DIFF,
                "x.patch: hunk 1, for line 3 of drivers/iommu/intel/dmar.c, does not fit /tree, not even with fuzz 2",
            ),
            (&BEFORE.replace("four", "FOUR"), DIFF, "x.patch: /tree has it already, in drivers/iommu/intel/dmar.c"),
            (
                BEFORE,
                &DIFF.replace("dmar.c", "svm.c"),
                "x.patch changes drivers/iommu/intel/svm.c, and none of the files",
            ),
            (BEFORE, "hello\n", "x.patch is no unified diff: nothing in it begins with --- and +++"),
            (BEFORE, &DIFF.replace("@@ -3,3", "@@ -3,9"), "x.patch is no unified diff: "),
            (BEFORE, "Content-Transfer-Encoding: base64\n\nLS0t", "it is a mail in base64"),
        ] {
            let said = patched(text, diff).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
    }
}
