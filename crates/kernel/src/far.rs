//! Headers that a driver reaches by `#include`: they are kept as text, and looked into only where a name is defined nowhere nearer.
//!
//! A kernel has some 1,400 of them beside the driver's own, and a driver names what is in a handful. Which handful that is depends
//! on the patch: one that calls a helper of `include/linux/` brings it along here.

use std::collections::HashSet;

use super::source::{SourceError, SourceFile};

/// Folders whose headers are reached by name only.
pub(super) const FOLDERS: [&str; 2] = ["include/linux/", "drivers/iommu/"];

/// Most headers that are followed.
const MOST: usize = 4_000;

/// What follows `#include` in a text, with whether it stands in quotes.
fn included(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let named = |line: &'_ str| {
        let rest = line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("include")?.trim_start();
        let (open, rest) = (rest.chars().next()?, rest.get(1..)?);
        let close = match open {
            '<' => '>',
            '"' => '"',
            _ => return None,
        };
        Some((rest.split(close).next()?.len(), open == '"'))
    };
    text.lines().filter_map(move |line| {
        let (length, quoted) = named(line)?;
        let start = line.find(if quoted { '"' } else { '<' })? + 1;
        Some((&line[start..start + length], quoted))
    })
}

/// The path from the root of a tree that an `#include` in a file means.
fn resolved(includer: &str, name: &str, quoted: bool) -> String {
    if !quoted {
        return format!("include/{name}");
    }
    let mut parts: Vec<&str> = includer.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The headers that files reach, nearest first, without those files themselves; `get` finds one by its path.
///
/// # Errors
/// Those of `get`.
pub(super) fn reached(
    near: &[SourceFile],
    mut get: impl FnMut(&str) -> Result<Option<SourceFile>, SourceError>,
) -> Result<Vec<SourceFile>, SourceError> {
    let mut seen: HashSet<String> = near.iter().map(|file| file.path.clone()).collect();
    let mut found: Vec<SourceFile> = Vec::new();
    let mut next: Vec<String> = near.iter().flat_map(names).collect();
    while !next.is_empty() && found.len() < MOST {
        let before = found.len();
        for path in next.drain(..) {
            let is_far = FOLDERS.iter().any(|folder| path.starts_with(folder));
            if is_far && seen.insert(path.clone()) {
                found.extend(get(&path)?);
            }
        }
        next = found[before..].iter().flat_map(names).collect();
    }
    Ok(found)
}

fn names(file: &SourceFile) -> Vec<String> {
    included(&file.text).map(|(name, quoted)| resolved(&file.path, name, quoted)).collect()
}

/// Whether a text has a word that is more than part of another.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let bytes = text.as_bytes();
    let whole = |(at, _): (usize, &str)| {
        !is_part(at.checked_sub(1).and_then(|at| bytes.get(at))) && !is_part(bytes.get(at + word.len()))
    };
    text.match_indices(word).any(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_string(), text: text.to_string() }
    }

    #[test]
    fn includes_are_followed_to_the_headers_of_the_tree() {
        let near = [file(
            "drivers/iommu/intel/dmar.c",
            "#include <linux/a.h>\n# include \"../p.h\"\n#include \"./own.h\" // here\n#include <asm/x.h>\n#include MACRO\n#include",
        )];
        let all = [
            file("include/linux/a.h", "#include <linux/b.h>\n#include <linux/a.h>"),
            file("include/linux/b.h", "#include \"a.h\"\n#include \"b/c.h\""),
            file("include/linux/unused.h", ""),
            file("drivers/iommu/p.h", ""),
            file("drivers/iommu/intel/own.h", ""),
        ];
        let found = reached(&near, |path| Ok(all.iter().find(|file| file.path == path).cloned())).unwrap();
        let paths: Vec<&str> = found.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["include/linux/a.h", "drivers/iommu/p.h", "drivers/iommu/intel/own.h", "include/linux/b.h"]);
    }

    #[test]
    fn a_word_is_a_whole_word() {
        for (text, has) in [("add(x)", true), ("xadd(x)", false), ("add_(x)", false), ("xadd add", true), ("", false)] {
            assert_eq!(has_word(text, "add"), has, "{text}");
        }
    }
}
