//! The manifest: what each model was found to be, by which checker and when.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::TwinError;
use super::Verdict;
use super::model::{Model, Selection};
use super::pairing::Pairing;
use super::rust::{Side, check};

/// What is known of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Entry {
    /// The [fingerprint](Model::fingerprint) of the model: its constants, specification and properties.
    pub model: String,
    /// Distinct states.
    pub states: usize,
    /// Distinct (state, label, state) triples.
    pub transitions: usize,
    /// Breadth-first levels, with one worker.
    pub depth: usize,
    /// The properties that are violated; all others of the model hold.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub violated: BTreeSet<String>,
    /// Who else says so; `null` if nobody has been asked since the Rust side or the modules last changed.
    pub confirmed: Option<Confirmed>,
    /// By what an earlier confirmation was lost; empty if the model is confirmed, or never was.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lost_by: BTreeSet<Change>,
}

/// What makes another checker's word about a model void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Other text of the modules.
    Modules,
    /// Other constants, another specification or other properties of the model.
    Model,
    /// Another number of states or transitions, another depth or another verdict of the Rust side.
    Rust,
}

impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Change::Modules => "the text of its modules",
            Change::Model => "its constants, specification or properties",
            Change::Rust => "what the Rust side finds",
        })
    }
}

/// A checker that found the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Confirmed {
    /// Which checker, with its version and commit.
    pub checker: String,
    /// The day.
    pub date: String,
    /// Whether the whole graphs were compared, transitions included.
    pub state_for_state: bool,
    /// The [fingerprint](super::Subject::fingerprint) of the modules that it was shown.
    pub modules: String,
}

impl Entry {
    /// What both sides agree on, of the modules in a directory.
    ///
    /// # Errors
    /// [`TwinError::Io`] if a module cannot be read.
    pub fn paired(model: &Model, pairing: &Pairing, date: &str, spec: &Path) -> Result<Entry, TwinError> {
        let theirs = &pairing.theirs;
        let confirmed = Confirmed {
            checker: theirs.version.clone(),
            date: date.into(),
            state_for_state: theirs.transitions.is_some(),
            modules: model.subject.fingerprint(spec)?,
        };
        Ok(Entry { confirmed: Some(confirmed), ..Entry::unconfirmed(model, &pairing.ours) })
    }

    /// What the Rust side says alone.
    fn unconfirmed(model: &Model, side: &Side) -> Entry {
        let violated = side.verdicts.iter().filter(|(_, verdict)| *verdict == Verdict::Violated);
        Entry {
            model: model.fingerprint(),
            states: side.states,
            transitions: side.transitions,
            depth: side.depth,
            violated: violated.map(|(property, _)| property.name()).collect(),
            confirmed: None,
            lost_by: BTreeSet::new(),
        }
    }

    /// What differs from what the Rust side says now, and from the modules that were confirmed.
    fn changes(&self, now: &Entry, modules: &str) -> BTreeSet<Change> {
        let found = |entry: &Entry| (entry.states, entry.transitions, entry.depth, entry.violated.clone());
        let differs = [
            (Change::Modules, self.confirmed.as_ref().is_some_and(|confirmed| confirmed.modules != modules)),
            (Change::Model, self.model != now.model),
            (Change::Rust, found(self) != found(now)),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(change, _)| change).collect()
    }

    /// What of this the Rust side does not bear out.
    fn objection(&self, model: &Model, side: &Side) -> Option<String> {
        let (confirmed, lost_by) = (self.confirmed.clone(), self.lost_by.clone());
        let found = Entry { confirmed, lost_by, ..Entry::unconfirmed(model, side) };
        let shown = |entry: &Entry| {
            let Entry { model, states, transitions, depth, violated, .. } = entry;
            format!("{states} states, {transitions} transitions, depth {depth}, violated {violated:?}, of {model}")
        };
        let name = &model.name;
        (found != *self).then(|| format!("{name} has {} there, but {} here", shown(self), shown(&found)))
    }
}

/// spec/manifest.json: an entry for each model, on a line of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest(pub BTreeMap<String, Entry>);

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`TwinError::Io`], [`TwinError::Manifest`].
    pub fn read(file: &Path) -> Result<Manifest, TwinError> {
        let text = std::fs::read_to_string(file).map_err(TwinError::io(file, "read"))?;
        serde_json::from_str(&text).map_err(|error| TwinError::Manifest { file: file.into(), what: error.to_string() })
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`TwinError::Io`].
    pub fn write(&self, file: &Path) -> Result<(), TwinError> {
        let line = |(name, entry): (&String, &Entry)| {
            let entry = serde_json::to_string(entry).expect("an entry is plain data");
            format!("  {}: {entry}", serde_json::Value::from(name.as_str()))
        };
        let lines: Vec<String> = self.0.iter().map(line).collect();
        let text = format!("{{\n{}\n}}\n", lines.join(",\n"));
        std::fs::write(file, text).map_err(TwinError::io(file, "written"))
    }

    /// Brings the entries in line with the models, the Rust side and the modules in a directory. What changes has to be
    /// confirmed again, and its entry says what has changed since it was.
    ///
    /// # Errors
    /// See [`check`]; [`TwinError::Io`] if a module cannot be read.
    pub fn update(&mut self, selection: &Selection, spec: &Path) -> Result<(), TwinError> {
        self.0.retain(|name, _| selection.find(name).is_some());
        for model in &selection.models {
            let side = check(model)?;
            let modules = model.subject.fingerprint(spec)?;
            let mut now = Entry::unconfirmed(model, &side);
            if let Some(known) = self.0.get(&model.name) {
                let changes = known.changes(&now, &modules);
                if changes.is_empty() {
                    continue;
                }
                // What was never confirmed has nothing to lose.
                if known.confirmed.is_some() || !known.lost_by.is_empty() {
                    now.lost_by = &known.lost_by | &changes;
                }
            }
            self.0.insert(model.name.clone(), now);
        }
        Ok(())
    }

    /// The models that no other checker has confirmed, each with the reason.
    pub fn unconfirmed(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().filter(|(_, entry)| entry.confirmed.is_none()).map(|(name, Entry { lost_by, .. })| {
            let changes: Vec<String> = lost_by.iter().map(Change::to_string).collect();
            match changes.is_empty() {
                true => format!("{name} (never was)"),
                false => format!("{name} (since then changed: {})", changes.join("; ")),
            }
        })
    }

    /// Checks that there is an entry for each model and for nothing else, of the model as it is, and that what is confirmed was
    /// confirmed of the modules beside the manifest as they are.
    ///
    /// # Errors
    /// [`TwinError::Manifest`] with the first model of which that is not so; [`TwinError::Io`] if a module cannot be read.
    pub fn check_models(&self, file: &Path, selection: &Selection) -> Result<(), TwinError> {
        let refuse = |what: String| Err(TwinError::Manifest { file: file.into(), what });
        if let Some(unknown) = self.0.keys().find(|name| selection.find(name).is_none()) {
            return refuse(format!("there is no model {unknown}"));
        }
        let spec = file.parent().unwrap_or(Path::new("."));
        for model in &selection.models {
            let modules = model.subject.fingerprint(spec)?;
            match self.0.get(&model.name) {
                None => return refuse(format!("it has no entry for the model {}", model.name)),
                Some(entry) if entry.model != model.fingerprint() => {
                    let what = "had other constants, properties or fairness when its entry was written";
                    return refuse(format!("{} {what}", model.name));
                }
                Some(Entry { confirmed: Some(confirmed), .. }) if confirmed.modules != modules => {
                    let of = model.subject.modules().join(", ");
                    return refuse(format!("{} was confirmed of other text of {of} than there is now", model.name));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Checks what is written of a model against the Rust side.
    ///
    /// # Errors
    /// [`TwinError::Manifest`] with both sides.
    pub fn check_side(&self, file: &Path, model: &Model, side: &Side) -> Result<(), TwinError> {
        match self.0.get(&model.name).and_then(|entry| entry.objection(model, side)) {
            Some(what) => Err(TwinError::Manifest { file: file.into(), what }),
            None => Ok(()),
        }
    }
}
