//! A few models in which everything occurs that occurs in any: for a TLC that has minutes, not hours.

use std::collections::BTreeSet;

use super::manifest::{Entry, Manifest};
use super::model::Selection;
use super::{Model, Value, Verdict};

/// Some models of a selection, and what they cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    /// The models, in the order of the selection.
    pub models: Vec<Model>,
    /// Values of rules and other guards that occur in them: all that occur in any model.
    pub values: usize,
    /// Verdicts of properties that occur in them, `holds` and `violated` each: all that occur in any model.
    pub verdicts: usize,
}

/// What one start of Java costs, in states that TLC explores in the same time.
const START: usize = 1_000;

/// A small set of models, at least so many, in which every value of every rule occurs and every property with each of its
/// verdicts, as far as any model has it.
///
/// The set is grown greedily: the next model is the one that costs fewest states for each value or verdict that it adds. When nothing
/// is left to add, the models with the fewest states follow. How many states a model has, and its verdicts, stand in the manifest;
/// one that the manifest lacks is left out.
pub fn cover(selection: &Selection, manifest: &Manifest, least: usize) -> Cover {
    let listed = |model: &'_ Model| manifest.0.get(&model.name).map(|entry| (occurring(model, entry), entry.states));
    let mut left: Vec<(usize, BTreeSet<Item>, usize)> = Vec::new();
    for (number, model) in selection.models.iter().enumerate() {
        left.extend(listed(model).map(|(items, states)| (number, items, states)));
    }
    let mut covered = BTreeSet::new();
    let mut taken = BTreeSet::new();
    loop {
        // Per state, so that no division rounds: of two models the one whose cost times the other's gain is less.
        let gain = |items: &BTreeSet<Item>| items.difference(&covered).count();
        let best = (0..left.len()).filter(|&i| gain(&left[i].1) > 0).min_by(|&a, &b| {
            let ((_, ours, states), (_, theirs, others)) = (&left[a], &left[b]);
            ((states + START) * gain(theirs)).cmp(&((others + START) * gain(ours)))
        });
        let best = match best {
            Some(best) => Some(best),
            None if taken.len() < least => (0..left.len()).min_by_key(|&i| left[i].2),
            None => None,
        };
        let Some(best) = best else { break };
        let (number, items, _) = left.swap_remove(best);
        covered.extend(items);
        taken.insert(number);
        left.sort_unstable_by_key(|(number, ..)| *number);
    }
    // What was taken early may have become needless since.
    let items: Vec<BTreeSet<Item>> = selection.models.iter().map(|m| listed(m).unwrap_or_default().0).collect();
    for number in taken.clone() {
        let others = taken.iter().filter(|other| **other != number).flat_map(|other| &items[*other]);
        if taken.len() > least && others.collect::<BTreeSet<_>>().len() == covered.len() {
            taken.remove(&number);
        }
    }
    let verdicts = covered.iter().filter(|item| matches!(item, Item::Verdict(..))).count();
    let models = taken.into_iter().map(|number| selection.models[number].clone()).collect();
    Cover { models, values: covered.len() - verdicts, verdicts }
}

/// What is to be covered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    /// A constant that is a word, or a set of words, and a word.
    Value(String, String),
    /// A property and what became of it.
    Verdict(String, String),
}

fn occurring(model: &Model, entry: &Entry) -> BTreeSet<Item> {
    let words = |name: String, value: Value| -> Vec<Item> {
        match value {
            Value::Str(word) => vec![Item::Value(name, word)],
            Value::Set(items) => {
                let word = |item| match item {
                    Value::Str(word) => Some(Item::Value(name.clone(), word)),
                    _ => None,
                };
                items.into_iter().filter_map(word).collect()
            }
            Value::Bool(_) | Value::Int(_) | Value::Fun(_) => Vec::new(),
        }
    };
    let values = model.subject.constants().into_iter().flat_map(|(name, value)| words(name, value));
    let verdict = |name: &String| if entry.violated.contains(name) { Verdict::Violated } else { Verdict::Holds };
    let names = model.properties.iter().map(|property| property.name());
    let verdicts = names.map(|name| Item::Verdict(name.clone(), verdict(&name).to_string()));
    values.chain(verdicts).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn everything() -> (Selection, Manifest) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/manifest.json");
        (Model::all(), Manifest::read(&file).unwrap())
    }

    #[test]
    fn a_cover_has_everything_that_any_model_has() {
        let (selection, manifest) = everything();
        let of = |models: &[Model]| -> BTreeSet<Item> {
            models.iter().flat_map(|model| occurring(model, &manifest.0[&model.name])).collect()
        };
        let all = of(&selection.models);
        let smallest = cover(&selection, &manifest, 0);
        assert_eq!(of(&smallest.models), all);
        assert_eq!(smallest.values + smallest.verdicts, all.len());
        for (name, value) in [("MarkRule", "all-free"), ("Lock", "fifo"), ("FaultClasses", "invalid-id")] {
            assert!(all.contains(&Item::Value(name.into(), value.into())), "{name} {value}");
        }
        assert!(all.contains(&Item::Verdict("RefinesSpec".into(), "violated".into())));
        // Each is there for something.
        let needless = |left_out: &&Model| {
            let others: Vec<Model> = smallest.models.iter().filter(|model| model != left_out).cloned().collect();
            of(&others) == all
        };
        assert_eq!(smallest.models.iter().filter(needless).count(), 0);
    }

    #[test]
    fn a_cover_is_filled_up_with_small_models() {
        let (selection, manifest) = everything();
        let (few, many) = (cover(&selection, &manifest, 0), cover(&selection, &manifest, 60));
        assert!(few.models.len() < 60 && many.models.len() == 60);
        assert!(few.models.iter().all(|model| many.models.contains(model)));
        let states = |model: &&Model| manifest.0[&model.name].states;
        let added = many.models.iter().filter(|model| !few.models.contains(model)).map(|model| states(&model)).max();
        let left =
            selection.models.iter().filter(|model| !many.models.contains(model)).map(|model| states(&model)).min();
        assert!(added.unwrap() <= left.unwrap());
    }
}
