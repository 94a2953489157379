//! Imports go one way: the engine, the model, the bridges, what a person runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::Table;

/// What each package may import of this workspace, outside of its tests, benchmarks and programs.
const LAYERS: &[(&str, &[&str])] = &[
    ("stateright-temporal", &[]),
    ("vtd-qi-terminal", &[]),
    ("stateright-front", &[]),
    // It boots a kernel and keeps logs, and knows nothing of what they mean.
    ("vtd-qi-capture", &[]),
    ("vtd-qi", &["stateright-temporal"]),
    // How several programs are told what they are asked about.
    ("vtd-qi-subject", &["vtd-qi"]),
    // What several bridges need to speak of TLA+.
    ("vtd-qi-tla", &["vtd-qi", "stateright-temporal"]),
    ("vtd-qi-twin", &["vtd-qi", "vtd-qi-tla", "stateright-temporal"]),
    ("vtd-qi-traces", &["vtd-qi", "stateright-temporal"]),
    // What a hung machine leaves behind, a QEMU log among it.
    ("vtd-qi-diagnose", &["vtd-qi", "stateright-temporal", "vtd-qi-traces"]),
    // The ring for any number of submitters, by a solver.
    ("vtd-qi-proof", &["vtd-qi", "stateright-temporal"]),
    // What shows runs in a browser, for whoever has one.
    ("vtd-qi-page", &["vtd-qi", "stateright-temporal"]),
    // A run made by hand is written down for TLC too.
    ("vtd-qi-explorer", &["vtd-qi", "vtd-qi-tla", "stateright-temporal", "stateright-front", "vtd-qi-page"]),
    // It is a program, so it may speak to a terminal, and make a page.
    ("vtd-qi-kernel", &["vtd-qi", "stateright-temporal", "vtd-qi-page", "vtd-qi-subject", "vtd-qi-terminal"]),
    // So is this one; `check --from-tlc` draws what TLC has found.
    (
        "vtd-qi-examples",
        &["vtd-qi", "stateright-temporal", "vtd-qi-page", "vtd-qi-subject", "vtd-qi-terminal", "vtd-qi-tla"],
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The manifests of the workspace, by package.
fn manifests() -> BTreeMap<String, Table> {
    let members = std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let folders = members.chain([root().to_path_buf(), root().join("examples")]);
    let manifest = |folder: PathBuf| {
        let text = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let manifest: Table = text.parse().unwrap();
        (manifest["package"]["name"].as_str().unwrap().to_string(), manifest)
    };
    folders.map(manifest).collect()
}

#[test]
fn packages_import_only_what_is_below_them() {
    let manifests = manifests();
    let known: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    for (package, manifest) in &manifests {
        let may = known.get(package.as_str()).unwrap_or_else(|| panic!("{package} has no layer: give it one here"));
        let dependencies = manifest["dependencies"].as_table().unwrap().keys();
        for dependency in dependencies.filter(|name| manifests.contains_key(*name)) {
            assert!(may.contains(&dependency.as_str()), "{package} must not import {dependency}");
        }
    }
    for (package, _) in LAYERS {
        assert!(manifests.contains_key(*package), "{package} has a layer but is not there");
    }
}

#[test]
fn the_model_has_no_feature_and_no_optional_dependency() {
    let manifest = &manifests()["vtd-qi"];
    assert!(manifest.get("features").is_none());
    for (name, dependency) in manifest["dependencies"].as_table().unwrap() {
        assert!(dependency.get("optional").is_none(), "{name} is optional");
    }
}

/// One crate has unsafe code: the one that runs the kernel's C.
#[test]
fn unsafe_code_is_forbidden_outside_of_the_bridge_to_c() {
    let mut without: Vec<PathBuf> = vec![root().join("src/lib.rs")];
    let crates = std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    without.extend(crates.filter(|path| !path.ends_with("kernel")).map(|path| path.join("src/lib.rs")));
    assert!(without.len() > 5, "{without:?}");
    for file in without {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("\n#![forbid(unsafe_code)]\n"), "{}", file.display());
    }
}

/// The text of a module and of the files below it.
fn module(name: &str) -> String {
    let mut paths = vec![root().join(format!("src/{name}.rs")), root().join(format!("src/{name}"))];
    let mut text = String::new();
    while let Some(path) = paths.pop() {
        match std::fs::read_dir(&path) {
            Ok(entries) => paths.extend(entries.map(|entry| entry.unwrap().path())),
            Err(_) if path.exists() => text += &std::fs::read_to_string(path).unwrap(),
            Err(_) => {}
        }
    }
    text
}

/// Each does its own arithmetic, or a shared mistake would pass the refinement.
#[test]
fn specification_and_ring_never_import_each_other() {
    let imports = |text: &str, other: &str| text.contains(&format!("crate::{other}"));
    assert!(!imports(&module("spec"), "impl_qi"), "src/spec.rs imports the ring");
    assert!(!imports(&module("impl_qi"), "spec"), "src/impl_qi imports the specification");
    // The test can fail: the mapping imports both.
    assert!(imports(&module("refine"), "spec") && imports(&module("refine"), "impl_qi"));
}

/// The files below a folder whose names end in `.rs`.
fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            rust_files(&entry, files);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
}

/// The types that a text declares public, in a macro too.
fn public_types(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let declared = line.trim_start().strip_prefix("pub ")?;
        let name = ["struct ", "enum ", "trait ", "type "].iter().find_map(|kind| declared.strip_prefix(kind))?;
        name.split(|c: char| !c.is_alphanumeric()).next().filter(|name| !name.is_empty())
    })
}

/// A reader who meets a name need not ask which of two types it is.
#[test]
fn no_two_public_types_have_one_name() {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        rust_files(&entry.unwrap().path().join("src"), &mut files);
    }
    let mut declared: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
    for file in files {
        for name in public_types(&std::fs::read_to_string(&file).unwrap()) {
            declared.entry(name.to_string()).or_default().insert(file.clone());
        }
    }
    assert!(declared.contains_key("Ring") && declared.contains_key("SlotFairness"), "{declared:?}");
    let twice: Vec<_> = declared.iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
