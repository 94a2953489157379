//! The TLA+ twin as far as it can be held against the Rust without TLC.

use std::path::{Path, PathBuf};

use vtd_qi::scenario::Check;
use vtd_qi_twin::{check, Confirmed, Manifest, Model, Property, Selection, Verdict};

fn spec() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec")
}

#[test]
fn the_files_are_what_the_scenario_table_says() {
    Model::all().check_files(&spec().join("models")).unwrap();
}

#[test]
fn the_rust_is_what_the_manifest_says() {
    let file = spec().join("manifest.json");
    let (manifest, selection) = (Manifest::read(&file).unwrap(), Model::all());
    manifest.check_models(&file, &selection).unwrap();
    for model in &selection.models {
        let side = check(model).unwrap();
        manifest.check_side(&file, model, &side).unwrap();
        // The name says which property is to fail; all others are to hold.
        let fails = model.name.split_once("--").map(|(_, property)| property);
        for (property, verdict) in side.verdicts {
            let expected = if fails.is_some() { Verdict::Violated } else { Verdict::Holds };
            assert_eq!(verdict, expected, "{} of {}", property.name(), model.name);
        }
    }
}

#[test]
fn a_manifest_that_says_otherwise_is_refused() {
    let file = spec().join("manifest.json");
    let (manifest, selection) = (Manifest::read(&file).unwrap(), Model::all());
    let name = "spec-c01-2";
    let model = selection.find(name).unwrap();
    let side = check(model).unwrap();
    let message = |change: &dyn Fn(&mut Manifest)| {
        let mut wrong = manifest.clone();
        change(&mut wrong);
        let refused = wrong.check_models(&file, &selection).and_then(|()| wrong.check_side(&file, model, &side));
        let message = refused.unwrap_err().to_string();
        message.split_once(" cannot be used: ").unwrap().1.to_string()
    };
    let entry = |manifest: &Manifest| manifest.0[name].clone();
    assert_eq!(message(&|m| _ = m.0.remove(name)), "it has no entry for the model spec-c01-2");
    assert_eq!(message(&|m| _ = m.0.insert("other".into(), entry(m))), "there is no model other");
    assert_eq!(
        message(&|m| _ = m.0.get_mut(name).unwrap().constants.insert("Loss".into(), "\"done\"".into())),
        "the constants of spec-c01-2 are not those of its .cfg file"
    );
    let counted = message(&|m| m.0.get_mut(name).unwrap().states += 1);
    assert!(counted.starts_with("spec-c01-2 has 74 states, 150 transitions, depth 9,"), "{counted}");
    assert!(counted.contains("but 73 states, 150 transitions, depth 9,"), "{counted}");
}

#[test]
fn every_property_of_the_rust_is_defined_in_the_twin() {
    let module = std::fs::read_to_string(spec().join("QIRing.tla")).unwrap();
    for name in Check::all().map(|check| Property::Ring(check).name()) {
        assert!(module.contains(&format!("\n{name} ==")), "QIRing.tla does not define {name}");
    }
}

#[test]
fn every_rule_of_the_rust_is_a_constant_of_the_twin() {
    let module = std::fs::read_to_string(spec().join("QIRing.tla")).unwrap();
    let selection = Model::all();
    let ring = selection.find("graph-g4-fifo").unwrap();
    for name in ring.subject.constants().into_keys() {
        assert!(module.contains(&format!("\n    {name},")) || module.contains(&format!("\n    {name} ")), "{name}");
    }
}

#[test]
fn what_changes_has_to_be_confirmed_again() {
    let model = Model::all().find("spec-c01-2").unwrap().clone();
    let selection = Selection { models: vec![model.clone()], left_out: Vec::new() };
    let mut manifest = Manifest::default();
    manifest.update(&selection, &spec()).unwrap();
    assert_eq!(manifest.unconfirmed().collect::<Vec<_>>(), ["spec-c01-2"]);
    let modules = model.subject.fingerprint(&spec()).unwrap();
    let confirmed = Confirmed { checker: "TLC".into(), date: "2026-11-23".into(), state_for_state: true, modules };
    manifest.0.get_mut("spec-c01-2").unwrap().confirmed = Some(confirmed);
    manifest.update(&selection, &spec()).unwrap();
    manifest.check_models(&spec().join("manifest.json"), &selection).unwrap();
    assert_eq!(manifest.unconfirmed().count(), 0);

    // A comment more, and TLC has seen another text.
    let edited = Path::new(env!("CARGO_TARGET_TMPDIR")).join("edited-spec");
    std::fs::create_dir_all(&edited).unwrap();
    std::fs::copy(spec().join("MCQI.tla"), edited.join("MCQI.tla")).unwrap();
    let text = std::fs::read_to_string(spec().join("QI.tla")).unwrap();
    std::fs::write(edited.join("QI.tla"), text + "\\* edited\n").unwrap();
    let refused = manifest.check_models(&edited.join("manifest.json"), &selection).unwrap_err().to_string();
    let what = "spec-c01-2 was confirmed of other text of MCQI, QI than there is now";
    assert!(refused.ends_with(what), "{refused}");

    let mut other = manifest.clone();
    other.0.get_mut("spec-c01-2").unwrap().specification = "Spec".into();
    let refused = other.check_models(&spec().join("manifest.json"), &selection).unwrap_err().to_string();
    assert!(refused.ends_with("spec-c01-2 is of Spec, but its .cfg file of FairSpec"), "{refused}");
    let mut other = manifest.clone();
    other.update(&selection, &edited).unwrap();
    assert_eq!(other.unconfirmed().collect::<Vec<_>>(), ["spec-c01-2"]);

    let fewer = Selection { models: vec![model.with(&[Property::TypeOk])], left_out: Vec::new() };
    manifest.update(&fewer, &spec()).unwrap();
    assert_eq!(manifest.unconfirmed().collect::<Vec<_>>(), ["spec-c01-2"]);
    manifest.update(&Selection { models: Vec::new(), left_out: Vec::new() }, &spec()).unwrap();
    assert_eq!(manifest, Manifest::default());
}
