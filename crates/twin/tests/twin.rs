//! The TLA+ twin as far as it can be held against the Rust without TLC.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use stateright_temporal::graph::Limits;
use vtd_qi::impl_qi::{GENERATIONS, Quirk, RingCfg, SlotFairness};
use vtd_qi::scenario::Check;
use vtd_qi_twin::{
    Change, Confirmed, Manifest, Model, Property, Selection, Subject, Value, Verdict, check, graph_hash, trace_module,
};

fn spec() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec")
}

#[test]
fn the_files_are_what_the_scenario_table_says() {
    let (selection, models) = (Model::all(), spec().join("models"));
    selection.check_files(&models).unwrap();
    let committed = std::fs::read_dir(models).unwrap().count();
    assert!((1..=6).contains(&committed), "{committed} files: a few to begin with, the others are written on demand");

    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("models");
    let file = written.join("spec-c01-2.cfg");
    Selection::write([selection.find("spec-c01-2").unwrap()], &written).unwrap();
    selection.check_files(&written).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("{0, 1}", "{0, 2}")).unwrap();
    let refused = selection.check_files(&written).unwrap_err().to_string();
    assert!(refused.contains("spec-c01-2.cfg is not what the scenario table says"), "{refused}");
    std::fs::rename(&file, written.join("other.cfg")).unwrap();
    let refused = selection.check_files(&written).unwrap_err().to_string();
    assert!(refused.contains("other.cfg belongs to no model"), "{refused}");
    std::fs::remove_file(written.join("other.cfg")).unwrap();
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
    let entry_of = |manifest: &Manifest, other: &str| manifest.0[other].model.clone();
    assert_eq!(message(&|m| _ = m.0.remove(name)), "it has no entry for the model spec-c01-2");
    assert_eq!(message(&|m| _ = m.0.insert("other".into(), entry(m))), "there is no model other");
    assert_eq!(
        message(&|m| m.0.get_mut(name).unwrap().model = entry_of(m, "spec-lossy-c01-2")),
        "spec-c01-2 had other constants, properties or fairness when its entry was written"
    );
    let counted = message(&|m| m.0.get_mut(name).unwrap().states += 1);
    assert!(counted.starts_with("spec-c01-2 has 74 states, 150 transitions, depth 9,"), "{counted}");
    assert!(counted.contains("but 73 states, 150 transitions, depth 9,"), "{counted}");
}

/// The text of the modules of a model, without the one that TLC is started with and without QI.
fn modules_of_the_ring(model: &str) -> String {
    let selection = Model::all();
    let modules = selection.find(model).unwrap().subject.modules();
    let ring = modules.iter().filter(|name| !name.starts_with("MC") && **name != "QI");
    ring.map(|name| std::fs::read_to_string(spec().join(name).with_extension("tla")).unwrap()).collect()
}

/// A model of QISubmitSync, one of QIRing and one of QIRingFaults.
const RINGS: [&str; 3] = ["graph-g4-fifo", "small-unlocked", "graph-faults-fifo"];

#[test]
fn every_property_of_the_rust_is_defined_in_the_twin() {
    let all: Vec<String> = Check::all().map(|check| Property::Ring(check).name()).collect();
    let mut known = Vec::new();
    for name in RINGS {
        let (module, model) = (modules_of_the_ring(name), Model::all().find(name).unwrap().clone());
        known = Property::of(&model.subject).into_iter().map(Property::name).collect();
        for property in &known {
            assert!(module.contains(&format!("\n{property} ==")), "the modules of {name} do not define {property}");
        }
    }
    assert!(all.iter().all(|name| known.contains(name)), "QIRingFaults has every property");
}

#[test]
fn every_constant_of_a_model_is_one_of_its_module() {
    for name in RINGS {
        let (module, model) = (modules_of_the_ring(name), Model::all().find(name).unwrap().clone());
        for constant in model.subject.constants().into_keys() {
            let declared = |end: &str| module.contains(&format!("\n    {constant}{end}"));
            assert!(declared(",") || declared(" "), "{constant} of {name}");
        }
    }
}

#[test]
fn the_ring_where_nothing_fails_fits_in_one_reading() {
    let module = std::fs::read_to_string(spec().join("QISubmitSync.tla")).unwrap();
    assert!(module.lines().count() <= 350, "{} lines", module.lines().count());
    for word in ["Rule,", "seeded", "FaultClasses", "fsts"] {
        assert!(!module.contains(word), "{word} belongs to QIRing or QIRingFaultCheck");
    }
}

#[test]
fn every_module_fits_in_one_reading_and_has_one_subject() {
    let text = |name: &str| std::fs::read_to_string(spec().join(name).with_extension("tla")).unwrap();
    let modules: BTreeSet<_> = Model::all().models.iter().flat_map(|model| model.subject.modules()).collect();
    for name in &modules {
        assert!(text(name).lines().count() <= 350, "{name} has {} lines", text(name).lines().count());
    }
    for name in ["QIRingRules", "QIRing", "QIRingProperties"] {
        for word in ["fsts", "FaultClasses", "executed_ids"] {
            assert!(!text(name).contains(word), "{word} of {name} belongs to QIRingFaultCheck");
        }
    }
    for name in modules.iter().filter(|name| name.starts_with("QIRing")) {
        assert!(!text(name).contains("Rule = \""), "{name}: QIRingRules and QIRingFaultCheck name the words of rules");
    }
}

/// The definitions of the modules that name rules: by name, the parameters, and what stands behind `==`.
fn definitions() -> BTreeMap<String, (Vec<String>, String)> {
    let mut found: BTreeMap<String, (Vec<String>, String)> = BTreeMap::new();
    for module in ["QIRingRules", "QIRingFaultCheck"] {
        let text = std::fs::read_to_string(spec().join(module).with_extension("tla")).unwrap();
        let mut current = String::new();
        for line in text.lines().map(|line| line.split("\\*").next().unwrap()) {
            match line.split_once(" ==") {
                Some((head, body)) if !line.starts_with(' ') => {
                    let (name, parameters) = head.split_once('(').unwrap_or((head, ""));
                    let parameters = parameters.trim_end_matches(')').split(", ").map(String::from).collect();
                    found.insert(name.into(), (parameters, format!("{body} ")));
                    current = name.into();
                }
                _ if line.starts_with(' ') => {
                    found.entry(current.clone()).and_modify(|(_, body)| *body += &format!("{line} "));
                }
                _ => current.clear(),
            }
        }
    }
    found
}

/// The rules that a conjunction says, and the word of each.
fn rules_of(definitions: &BTreeMap<String, (Vec<String>, String)>, conjunction: &str) -> BTreeMap<String, String> {
    let mut rules = BTreeMap::new();
    for conjunct in conjunction.split("/\\").map(str::trim).filter(|conjunct| !conjunct.is_empty()) {
        if let Some((rule, value)) = conjunct.split_once(" = ") {
            rules.insert(rule.to_string(), definitions[value].1.trim().trim_matches('"').to_string());
        } else {
            let (name, arguments) = conjunct.split_once('(').unwrap_or((conjunct, ""));
            let (parameters, mut body) = definitions[name].clone();
            for (parameter, argument) in parameters.iter().zip(arguments.trim_end_matches(')').split(", ")) {
                body = body.replace(&format!("= {parameter} "), &format!("= {argument} "));
            }
            rules.extend(rules_of(definitions, &body));
        }
    }
    rules
}

#[test]
fn the_generations_of_the_twin_are_those_of_the_rust() {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    let definitions = definitions();
    for generation in GENERATIONS {
        let constant = |rule: &str| rule.split('-').map(capital).collect::<String>() + "Rule";
        let rust =
            generation.rules.words().map(|(rule, word)| (constant(rule), word.to_string())).collect::<BTreeMap<_, _>>();
        let twin = rules_of(&definitions, &capital(generation.name));
        assert_eq!(twin, rust, "{}", generation.name);
    }
}

#[test]
fn a_property_of_steps_is_shown_by_one_step_more() {
    let models = Model::all();
    let walk = |name: &str| {
        let model = models.find(name).unwrap();
        (
            model.properties[0].is_about_steps(),
            trace_module(model, model.properties[0], Limits::default()).unwrap().unwrap(),
        )
    };
    let (about_steps, module) = walk("g3-c01-2x4--no-stranger-done");
    assert!(about_steps && module.cfg.contains("PROPERTIES\n    NoStrangerDone\n"), "{}", module.cfg);
    assert!(module.tla.contains(&format!("step = {0} /\\ Next /\\ step' = {1}\n", module.states, module.states + 1)));
    let (about_steps, module) = walk("seeded-wd-first-2x4--hw-fetched-unowned");
    assert!(!about_steps && module.cfg.contains("INVARIANTS\n    HwFetchedUnowned\n"), "{}", module.cfg);
    assert!(!module.tla.contains("/\\ Next /\\"));
}

#[test]
fn what_changes_has_to_be_confirmed_again() {
    let model = Model::all().find("spec-c01-2").unwrap().clone();
    let selection = Selection { models: vec![model.clone()], left_out: Vec::new() };
    let mut manifest = Manifest::default();
    manifest.update(&selection, &spec()).unwrap();
    assert_eq!(manifest.unconfirmed().collect::<Vec<_>>(), ["spec-c01-2 (never was)"]);
    let modules = model.subject.fingerprint(&spec()).unwrap();
    let confirmed = Confirmed { checker: "TLC".into(), date: "2026-11-23".into(), state_for_state: true, modules };
    manifest.0.get_mut("spec-c01-2").unwrap().confirmed = Some(confirmed);
    manifest.update(&selection, &spec()).unwrap();
    manifest.check_models(&spec().join("manifest.json"), &selection).unwrap();
    assert_eq!(manifest.unconfirmed().count(), 0);

    // Another comment makes no other module; a definition more does.
    let edited = Path::new(env!("CARGO_TARGET_TMPDIR")).join("edited-spec");
    std::fs::create_dir_all(&edited).unwrap();
    std::fs::copy(spec().join("MCQI.tla"), edited.join("MCQI.tla")).unwrap();
    let text = std::fs::read_to_string(spec().join("QI.tla")).unwrap();
    std::fs::write(edited.join("QI.tla"), format!("{text}\\* edited\n")).unwrap();
    manifest.check_models(&edited.join("manifest.json"), &selection).unwrap();
    std::fs::write(edited.join("QI.tla"), text + "Edited == TRUE\n").unwrap();
    let refused = manifest.check_models(&edited.join("manifest.json"), &selection).unwrap_err().to_string();
    let what = "spec-c01-2 was confirmed of other text of MCQI, QI than there is now";
    assert!(refused.ends_with(what), "{refused}");

    let mut other = manifest.clone();
    let unfair = model.with(&[Property::TypeOk, Property::ObservedAfterExecution]);
    other.0.get_mut("spec-c01-2").unwrap().model = unfair.fingerprint();
    let refused = other.check_models(&spec().join("manifest.json"), &selection).unwrap_err().to_string();
    assert!(refused.contains("spec-c01-2 had other constants, properties or fairness"), "{refused}");
    let mut other = manifest.clone();
    other.update(&selection, &edited).unwrap();
    let lost = |manifest: &Manifest| manifest.unconfirmed().collect::<Vec<_>>();
    assert_eq!(lost(&other), ["spec-c01-2 (since then changed: the text of its modules)"]);
    // The reasons stay until the model is confirmed again, also where another one joins them.
    other.0.get_mut("spec-c01-2").unwrap().states += 1;
    other.update(&selection, &edited).unwrap();
    let both = "spec-c01-2 (since then changed: the text of its modules; what the Rust side finds)";
    assert_eq!(lost(&other), [both]);
    assert_eq!(other.0["spec-c01-2"].lost_by, BTreeSet::from([Change::Modules, Change::Rust]));
    other.update(&selection, &spec()).unwrap();
    assert_eq!(lost(&other), [both]);

    let fewer = Selection { models: vec![model.with(&[Property::TypeOk])], left_out: Vec::new() };
    manifest.update(&fewer, &spec()).unwrap();
    assert_eq!(lost(&manifest), ["spec-c01-2 (since then changed: its constants, specification or properties)"]);
    manifest.update(&Selection { models: Vec::new(), left_out: Vec::new() }, &spec()).unwrap();
    assert_eq!(manifest, Manifest::default());
}

/// The configurations of all models, each once, the smallest first, with what [`counts`] finds.
fn subjects() -> Vec<((usize, usize, usize), Subject)> {
    let mut subjects: Vec<((usize, usize, usize), Subject)> = Vec::new();
    for model in Model::all().models {
        if !subjects.iter().any(|(_, known)| *known == model.subject) {
            subjects.push((counts(&model.subject), model.subject));
        }
    }
    subjects.sort_by_key(|(counts, _)| *counts);
    subjects
}

/// States, transitions and depth.
fn counts(subject: &Subject) -> (usize, usize, usize) {
    let (name, about, properties) = (String::new(), String::new(), Vec::new());
    let side =
        check(&Model { name, about, subject: subject.clone(), slots: SlotFairness::Unfair, properties }).unwrap();
    (side.states, side.transitions, side.depth)
}

/// Whether a change of the configuration changes the graph of a model. Most changes show in the counts, which are quick to
/// find.
fn matters(subjects: &[((usize, usize, usize), Subject)], change: impl Fn(&Subject) -> Option<Subject>) -> bool {
    let changed: Vec<_> =
        subjects.iter().filter_map(|(before, subject)| Some((before, subject, change(subject)?))).collect();
    changed.iter().any(|(before, _, changed)| counts(changed) != **before)
        || changed.iter().any(|(_, subject, changed)| graph_hash(subject).unwrap() != graph_hash(changed).unwrap())
}

/// The configuration with another word for a constant; of a set of words, without the word. `None` if the constant has
/// another word, or the configuration would not be valid.
fn replaced(subject: &Subject, constant: &str, word: &str, by: &str) -> Option<Subject> {
    let mut constants = subject.constants();
    let word = Value::str(word);
    match constants.get_mut(constant)? {
        Value::Set(words) => {
            if !words.remove(&word) {
                return None;
            }
            if words.is_empty() {
                constants.insert("FaultBound".into(), Value::Int(0));
            }
        }
        value if *value == word => *value = Value::str(by),
        _ => return None,
    }
    Subject::from_constants(&constants).ok()
}

#[test]
fn every_word_of_every_constant_matters_in_a_model() {
    let subjects = subjects();
    let mut words: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    subjects.iter().for_each(|(_, subject)| words.extend(subject.words()));
    let mut missing = Vec::new();
    for (constant, words) in &words {
        assert!(words.len() > 1, "{constant} takes only {words:?}");
        for word in words {
            for other in words.iter().filter(|other| *other != word) {
                if !matters(&subjects, |subject| replaced(subject, constant, word, other)) {
                    missing
                        .push(format!("{constant}: {word:?} in place of {other:?} makes no difference in any model"));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_clause_of_the_hardware_matters_in_a_model() {
    let subjects = subjects();
    let altered = |subject: &Subject, quirk| {
        let Subject::Ring(accepted) = subject else { return None };
        let mut cfg = RingCfg::clone(accepted);
        cfg.faults.quirk = Some(quirk);
        cfg.validate().ok().map(Subject::Ring)
    };
    let missing: Vec<Quirk> =
        Quirk::ALL.into_iter().filter(|&quirk| !matters(&subjects, |subject| altered(subject, quirk))).collect();
    assert_eq!(missing, []);
}

#[test]
fn every_promise_of_slots_matters_in_a_model() {
    let judged = |model: &Model, slots| {
        let other = Model { slots, ..model.clone() };
        check(&other).unwrap().verdicts
    };
    for (slots, other) in [(SlotFairness::Fair, SlotFairness::Unfair), (SlotFairness::Unfair, SlotFairness::Fair)] {
        let about = |model: &Model| {
            model.slots == slots && model.properties.contains(&Property::Ring(Check::CallEventuallyPosted))
        };
        let models = Model::all().models;
        let matters = models.iter().filter(|model| about(model)).any(|m| judged(m, slots) != judged(m, other));
        assert!(matters, "{slots:?} in place of {other:?} makes no difference in any model");
    }
}

#[test]
fn every_model_is_confirmed_state_for_state() {
    let manifest = Manifest::read(&spec().join("manifest.json")).unwrap();
    assert_eq!(manifest.unconfirmed().collect::<Vec<_>>(), Vec::<String>::new());
    let compared = |confirmed: &Confirmed| confirmed.state_for_state;
    let counted: Vec<_> =
        manifest.0.iter().filter(|(_, entry)| !entry.confirmed.as_ref().is_some_and(compared)).collect();
    assert!(counted.is_empty(), "confirmed, but not state for state: {counted:?}");
}

#[test]
fn every_property_holds_in_a_model_and_is_violated_in_another() {
    let mut seen: BTreeMap<Property, BTreeSet<String>> = BTreeMap::new();
    for model in Model::all().models {
        Property::of(&model.subject).into_iter().for_each(|property| _ = seen.entry(property).or_default());
        if model.properties.iter().any(|property| seen[property].len() < 2) {
            for (property, verdict) in check(&model).unwrap().verdicts {
                seen.entry(property).or_default().insert(verdict.to_string());
            }
        }
    }
    // That variables hold what they may hold is said by the types of the Rust: no model of it can violate that.
    seen.remove(&Property::TypeOk);
    let one_sided: Vec<_> = seen.iter().filter(|(_, verdicts)| verdicts.len() < 2).collect();
    assert!(one_sided.is_empty(), "{one_sided:?}");
}
