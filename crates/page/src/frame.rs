//! Frames: all that the page shows of one state of the ring, and the step that led there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stateright::Model;
use vtd_qi::impl_qi::{Action, Call, Slot, WideRing, WideState};
use vtd_qi::timeline::{Names, is_busy};

use crate::scene::{FaultsShown, Scene, desc_name, name};
use crate::sentence::Told;

/// All that one state of the ring shows, in the words of the terminal's timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// The step that led here; none led to the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<FrameStep>,
    /// The slots with something to show, by number: the others are FREE, no submitter's, and blank or no longer of interest.
    pub slots: BTreeMap<Slot, FrameSlot>,
    /// The head register: what hardware fetches next.
    pub iqh: Slot,
    /// The tail register: where what is submitted ends.
    pub iqt: Slot,
    /// The slot that the driver hands out next.
    pub free_head: Slot,
    /// The oldest slot that the driver has not reclaimed.
    pub free_tail: Slot,
    /// How many slots are free.
    pub free_cnt: u16,
    /// Who holds `q_lock`, who is in line for it and who wants it.
    pub lock: String,
    /// What hardware has fetched and not completed, oldest first.
    pub fetched: Vec<String>,
    /// Where each submitter stands, by its name.
    pub submitters: BTreeMap<String, FrameSubmitter>,
    /// The fault registers and the devices in words, where faults are modelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults: Option<String>,
    /// The safety properties as they were evaluated in this very state, by name.
    pub properties: BTreeMap<String, bool>,
}

/// A slot of the ring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameSlot {
    /// The letter of its status: `.` FREE, `u` IN_USE, `D` DONE, `A` ABORT.
    pub status: String,
    /// Whether hardware wrote that `QI_DONE`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub star: bool,
    /// What its descriptor is called, as long as the slot is in use: `WD2`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What is in the descriptor, as long as the slot is in use: `WD→2` writes slot 2.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub desc: String,
    /// The submitters in whose batch it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
}

/// Where a submitter stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameSubmitter {
    /// The call, its slots, and its next step.
    pub place: String,
    /// The WD that it waits for, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// Whether it waits for what nobody will write any more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_vain: bool,
}

/// A step that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameStep {
    /// Who took it: `T1` on, or `hardware`.
    pub who: String,
    /// What was done, as in the terminal's timeline.
    pub text: String,
    /// The action as the model calls it: `T1 ReclaimFree`.
    pub action: String,
    /// The same in a whole sentence, for somebody who does not know the words.
    pub sentence: String,
    /// The slots that are other than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<Slot>,
    /// The registers and fields that are other than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// If this is the step that does the harm: what it does, as a predicate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harm: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The name of the hardware among those who take steps.
pub const HARDWARE: &str = "hardware";

/// What each submitter's WD and each slot are called at a time.
pub(crate) struct Named {
    pub(crate) slots: Vec<String>,
    pub(crate) wds: Vec<String>,
    pub(crate) fetched: Vec<String>,
    starred: Vec<bool>,
    busy: Vec<bool>,
}

impl Frame {
    fn of(scene: &Scene, named: &Named) -> Frame {
        let slots = scene.length.iter().map(|slot| (slot, FrameSlot::of(scene, named, slot)));
        let submitter = |t: usize| {
            let waits = scene.waits(t).then(|| named.wds[t].clone());
            (name(t), FrameSubmitter { place: scene.submitter(t), waits, in_vain: scene.waits_in_vain(t) })
        };
        Frame {
            step: None,
            slots: slots.filter(|(_, slot)| *slot != FrameSlot::nothing()).collect(),
            iqh: scene.iqh,
            iqt: scene.iqt,
            free_head: scene.queue.free_head,
            free_tail: scene.queue.free_tail,
            free_cnt: scene.queue.free_cnt,
            lock: scene.lock(),
            fetched: named.fetched.clone(),
            submitters: scene.submitters().map(submitter).collect(),
            faults: scene.faults.as_ref().map(faults_in_words),
            properties: scene.safety.iter().map(|(safety, holds)| (safety.name().to_string(), *holds)).collect(),
        }
    }

    /// The slots that are other than in another frame.
    fn slots_unlike(&self, other: &Frame) -> Vec<Slot> {
        let mut slots: Vec<Slot> = self.slots.keys().chain(other.slots.keys()).copied().collect();
        slots.sort_unstable();
        slots.dedup();
        slots.retain(|slot| self.slots.get(slot) != other.slots.get(slot));
        slots
    }

    /// The registers and fields, by the names that the timeline gives them.
    pub fn fields(&self) -> [(&'static str, u16); 5] {
        [
            ("tail", self.free_tail.into()),
            ("head", self.free_head.into()),
            ("cnt", self.free_cnt),
            ("IQH", self.iqh.into()),
            ("IQT", self.iqt.into()),
        ]
    }
}

impl FrameSlot {
    fn of(scene: &Scene, named: &Named, slot: Slot) -> FrameSlot {
        let (at, held) = (usize::from(slot), scene.at(slot));
        let (busy, blank) = (named.busy[at], named.slots[at].is_empty());
        FrameSlot {
            status: held.status.letter().to_string(),
            star: named.starred[at],
            name: if busy { named.slots[at].clone() } else { String::new() },
            desc: if busy && !blank { desc_name(held.desc) } else { String::new() },
            owners: scene.owners(slot).map(name).collect(),
        }
    }

    /// A slot with nothing to show.
    fn nothing() -> FrameSlot {
        FrameSlot { status: ".".to_string(), ..FrameSlot::default() }
    }
}

fn faults_in_words(FaultsShown { fsts, itesid, gone, injected }: &FaultsShown) -> String {
    let gone: Vec<_> = gone.iter().map(|device| format!("device {device} is gone")).collect();
    let mut words = vec![format!("FSTS {}", fsts.names()), format!("ITESID {itesid}")];
    words.extend(gone);
    words.push(format!("{injected} injected"));
    words.join(", ")
}

/// Walks along a run, and shows each state as a [`Frame`].
///
/// ```
/// use vtd_qi::impl_qi::{Action, Ring, RingCfg, Rules};
/// use vtd_qi_page::frame::Walk;
///
/// let ring = Ring::<8, 3>::new(RingCfg::new(Rules::G4, 2, [1]))?.widened();
/// let mut walk = Walk::new(&ring);
/// assert!(walk.step(Action::Call { t: 0, request: 0 }));
/// assert_eq!(walk.frame().step.as_ref().unwrap().text, "qi_submit_sync(1)");
/// # Ok::<(), vtd_qi::impl_qi::RingError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Walk<'a, const F: usize> {
    ring: &'a WideRing<F>,
    state: WideState<F>,
    names: Names,
    scene: Scene,
    frame: Frame,
    /// Whether a step that was taken did harm: the first that does is the one that counts.
    harmed: bool,
}

impl<'a, const F: usize> Walk<'a, F> {
    /// At the initial state.
    pub fn new(ring: &'a WideRing<F>) -> Self {
        let (state, names) = (ring.init_states()[0], Names::new(ring));
        let scene = Scene::of(ring, &state);
        let frame = Frame::of(&scene, &named(ring, &state, &names));
        Walk { ring, state, names, scene, frame, harmed: false }
    }

    /// The state that was come to.
    pub fn state(&self) -> &WideState<F> {
        &self.state
    }

    /// The same in plain data.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// What is to be seen of it.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The actions that are possible now.
    pub fn possible(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        self.ring.actions(&self.state, &mut actions);
        actions
    }

    /// Takes a step. `false`: it is not possible, and nothing has changed.
    pub fn step(&mut self, action: Action) -> bool {
        if !self.possible().contains(&action) {
            return false;
        }
        let Some(next) = self.ring.next_state(&self.state, action) else { return false };
        let fetched = self.names.fetched().to_vec();
        let row = self.names.row(self.ring, &self.state, action.label(), &next);
        let harm = self.names.harm(self.ring, &self.state, &next).filter(|_| !self.harmed);
        self.harmed |= harm.is_some();
        let (named, scene) = (named(self.ring, &next, &self.names), Scene::of(self.ring, &next));
        let told = Told { before: &self.scene, after: &scene, named: &named, fetched: &fetched, text: &row.text };
        let mut frame = Frame::of(&scene, &named);
        let fields = frame.fields().into_iter().zip(self.frame.fields());
        frame.step = Some(FrameStep {
            who: row.submitter.map_or(HARDWARE.to_string(), name),
            sentence: told.sentence(action.label()),
            text: row.text,
            action: self.ring.format_action(&action),
            slots: frame.slots_unlike(&self.frame),
            fields: fields.filter(|(after, before)| after != before).map(|((name, _), _)| name.to_string()).collect(),
            harm,
        });
        (self.state, self.scene, self.frame) = (next, scene, frame);
        true
    }

    /// Passes a submitter over whose call has returned: nothing happens but that.
    pub(crate) fn pass_over(&mut self, t: usize) {
        let who = name(t);
        self.frame.step = Some(FrameStep {
            sentence: format!("{who} has nothing to do here: its call has returned."),
            text: "has returned".to_string(),
            action: String::new(),
            slots: Vec::new(),
            fields: Vec::new(),
            harm: None,
            who,
        });
    }

    /// The call of a submitter.
    pub fn call(&self, t: usize) -> Call {
        self.state.call(t)
    }
}

fn named<const F: usize>(ring: &WideRing<F>, state: &WideState<F>, names: &Names) -> Named {
    let slots = || ring.length().iter();
    Named {
        slots: slots().map(|slot| names.slot(slot).to_string()).collect(),
        wds: (0..ring.cfg().submitters).map(|t| names.wd(t)).collect(),
        fetched: names.fetched().to_vec(),
        starred: slots().map(|slot| names.is_starred(state, slot)).collect(),
        busy: slots().map(|slot| is_busy(ring, state, slot)).collect(),
    }
}

/// What makes one JSON value of another: a merge patch (RFC 7396). A field of `null` is taken away.
///
/// ```
/// use serde_json::json;
/// use vtd_qi_page::frame::{patch, patched};
/// let (before, after) = (json!({ "IQH": 0, "slots": { "0": "u" } }), json!({ "IQH": 0, "slots": { "1": "D" } }));
/// let difference = patch(&before, &after);
/// assert_eq!(difference, json!({ "slots": { "0": null, "1": "D" } }));
/// assert_eq!(patched(&before, &difference), after);
/// ```
pub fn patch(before: &Value, after: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return after.clone() };
    let gone = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let changed = new.iter().filter(|(key, value)| old.get(*key) != Some(*value));
    let changed = changed.map(|(key, value)| (key.clone(), patch(old.get(key).unwrap_or(&Value::Null), value)));
    Value::Object(gone.chain(changed).collect())
}

/// What a merge patch makes of a JSON value.
pub fn patched(before: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut after = before.as_object().cloned().unwrap_or_else(Map::new);
    for (key, change) in changes {
        match change {
            Value::Null => drop(after.remove(key)),
            change => {
                let value = patched(after.get(key).unwrap_or(&Value::Null), change);
                after.insert(key.clone(), value);
            }
        }
    }
    Value::Object(after)
}
