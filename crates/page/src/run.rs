//! Runs: the frames of a counterexample, and what becomes of the same schedule under other rules.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use vtd_qi::impl_qi::{Action, Generation, Pc, RingCfg, Rules, ValidRing, WideRing};
use vtd_qi::scenario::{Check, Scenario};
use vtd_qi::temporal::graph::Limits;
use vtd_qi::verify::{PropertyReport, Report, Violation, verify};
use vtd_qi::with_wide_ring;

use crate::frame::{Frame, FrameStep, Walk, patch, patched};
use crate::scene::name;

/// A run that violates a property, ready to be stepped through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownRun {
    /// The scenario.
    pub scenario: String,
    /// The property that it violates.
    pub property: String,
    /// What that means to a caller.
    pub means: String,
    /// What there is to say of the violation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What is proven about its lengths.
    pub length: String,
    /// Steps before the loop, or in all.
    pub stem: usize,
    /// Steps of the loop at the end, which repeats for ever; 0 if there is none.
    #[serde(rename = "loop")]
    pub repeating: usize,
    /// The step that does the harm, from 1, if it is of a kind that is recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harm: Option<usize>,
    /// The submitters that wait in every state of the loop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stuck: Vec<String>,
    /// The states.
    pub film: Film,
    /// The same schedule under other rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
}

/// The frames of a run, one after the other: the first, and of each other what it changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Film {
    /// `QI_LENGTH`.
    pub slots: u16,
    /// The frame before the first step.
    pub first: Frame,
    /// Each later frame, as the merge patch that makes it from the one before, or as that patch's place in the shared pool.
    pub changes: Vec<Value>,
}

impl Film {
    /// Packs frames, of which there is one at least.
    ///
    /// # Panics
    /// If there is none.
    pub fn of(slots: u16, frames: &[Frame]) -> Film {
        let json = |frame: &Frame| serde_json::to_value(frame).expect("a frame is plain data");
        let values: Vec<Value> = frames.iter().map(json).collect();
        let changes = values.windows(2).map(|pair| patch(&pair[0], &pair[1])).collect();
        Film { slots, first: frames[0].clone(), changes }
    }

    /// The frames, with the changes that films share.
    ///
    /// # Errors
    /// If what is packed is none.
    pub fn frames(&self, shared: &[Value]) -> serde_json::Result<Vec<Frame>> {
        let mut value = serde_json::to_value(&self.first)?;
        let mut frames = vec![self.first.clone()];
        for change in &self.changes {
            let place = change.as_u64().and_then(|place| usize::try_from(place).ok());
            let change = place.and_then(|place| shared.get(place)).unwrap_or(change);
            value = patched(&value, change);
            frames.push(serde_json::from_value(value.clone())?);
        }
        Ok(frames)
    }
}

/// Changes that films share: runs begin alike, and so does what a run is compared with.
#[derive(Default)]
pub(crate) struct Pool {
    pub(crate) changes: Vec<Value>,
    places: HashMap<String, usize>,
}

impl Pool {
    /// Replaces the changes of a run by their places. Returns how many bytes have come to the pool.
    pub(crate) fn share(&mut self, run: &mut ShownRun) -> usize {
        let mut bytes = 0;
        let films = [Some(&mut run.film), run.compared.as_mut().map(|compared| &mut compared.film)];
        for change in films.into_iter().flatten().flat_map(|film| &mut film.changes) {
            let text = change.to_string();
            let place = *self.places.entry(text).or_insert_with_key(|text| {
                bytes += text.len() + 1;
                self.changes.push(change.clone());
                self.changes.len() - 1
            });
            *change = place.into();
        }
        bytes
    }

    /// Takes away what was shared beyond the first so many changes.
    pub(crate) fn truncate(&mut self, changes: usize) {
        self.changes.truncate(changes);
        self.places.retain(|_, place| *place < changes);
    }
}

/// The schedule of a run, executed under other rules: whoever took a step takes their own next step, and who has returned is passed
/// over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// Whose rules: the name of a generation.
    pub generation: String,
    /// What that is.
    pub what: String,
    /// The states, with further laps of the loop where it has one.
    pub film: Film,
    /// The first step that is another one here, from 1, and how they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<(usize, String)>,
    /// What comes of it, in a sentence.
    pub outcome: String,
}

/// What there is to say of a run that is no counterexample of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What was looked at.
    pub scenario: String,
    /// What the run shows, in a word.
    pub shows: String,
    /// The same in a sentence without its full stop.
    pub means: String,
    /// What there is to say beside.
    pub detail: Option<String>,
    /// What is known about its length.
    pub length: String,
}

impl ShownRun {
    /// A run of the ring, executed once more as far as it can be.
    pub fn along(cfg: &ValidRing, actions: &[Action], told: Told) -> ShownRun {
        let frames = with_wide_ring!(cfg.clone(), |ring| frames(&ring, actions));
        ShownRun {
            scenario: told.scenario,
            property: told.shows,
            means: told.means,
            detail: told.detail,
            length: told.length,
            stem: frames.len() - 1,
            repeating: 0,
            harm: harm(&frames),
            stuck: Vec::new(),
            film: Film::of(cfg.length.slots(), &frames),
            compared: None,
        }
    }

    /// The run that violates a property, executed once more.
    ///
    /// `None` if the property has no counterexample.
    ///
    /// # Panics
    /// If it is no run of the scenario's ring.
    pub fn of(scenario: &Scenario, outcome: &PropertyReport) -> Option<ShownRun> {
        let violation = outcome.counterexample.as_ref()?;
        let frames = with_wide_ring!(scenario.cfg.clone(), |ring| frames(&ring, &violation.actions));
        assert_eq!(frames.len(), violation.actions.len() + 1, "{}: a run cannot be executed", scenario.name);
        let of_loop = &frames[frames.len() - violation.repeating..];
        let waits = |who: &&String| of_loop.iter().all(|frame| frame.submitters[*who].waits.is_some());
        let stuck = frames[0].submitters.keys().filter(|_| violation.repeating > 0).filter(waits);
        let stuck: Vec<String> = stuck.cloned().collect();
        Some(ShownRun {
            scenario: scenario.name.clone(),
            property: outcome.check.name().to_string(),
            means: outcome.check.harm().to_string(),
            detail: outcome.detail.clone(),
            length: violation.length.to_string(),
            stem: violation.stem,
            repeating: violation.repeating,
            harm: harm(&frames),
            compared: compared(scenario, violation, &frames, &stuck),
            film: Film::of(scenario.cfg.length.slots(), &frames),
            stuck,
        })
    }
}

/// The frame that a step led to that does harm.
fn harm(frames: &[Frame]) -> Option<usize> {
    frames.iter().position(|frame| frame.step.as_ref().is_some_and(|step| step.harm.is_some()))
}

/// The runs of a report, the most telling of each scenario first: liveness, refinement, safety. A run that violates step refinement
/// violates fair refinement too, and is shown once.
pub fn shown_outcomes(report: &Report) -> Vec<&PropertyReport> {
    let mut shown: Vec<_> = report.properties.iter().filter(|outcome| outcome.counterexample.is_some()).collect();
    if shown.iter().any(|outcome| outcome.check == Check::RefinesSpec) {
        shown.retain(|outcome| outcome.check != Check::RefinesFairSpec);
    }
    shown.sort_by_key(|outcome| match outcome.check {
        Check::Safety(_) | Check::NoDeadlock => 2,
        Check::RefinesSpec | Check::RefinesFairSpec | Check::RefinesLossySpec => 1,
        _ => 0,
    });
    shown
}

/// The runs that show what scenarios or cells are about: each is searched, within limits.
pub fn shown_runs(scenarios: &[Scenario], limits: Limits) -> Vec<ShownRun> {
    let shown = |scenario: &Scenario| {
        let report = verify(scenario, limits);
        shown_outcomes(&report).into_iter().filter_map(|outcome| ShownRun::of(scenario, outcome)).collect::<Vec<_>>()
    };
    scenarios.iter().flat_map(shown).collect()
}

/// The frames of a run, as far as it can be executed.
pub fn frames<const F: usize>(ring: &WideRing<F>, actions: &[Action]) -> Vec<Frame> {
    let mut walk = Walk::new(ring);
    let mut frames = vec![walk.frame().clone()];
    for action in actions {
        if !walk.step(*action) {
            break;
        }
        frames.push(walk.frame().clone());
    }
    frames
}

/// The rules to compare a scenario with: those of its generation if it has others, else those of the generation that mends it.
fn others(scenario: &Scenario) -> Option<&'static Generation> {
    let own = Generation::named(scenario.generation)?;
    if own.rules != scenario.cfg.rules {
        return Some(own);
    }
    Generation::named(match own.name {
        "g3" | "g3t" => "g4",
        "g4" => "g5",
        "g4r" => "g5r",
        "g5" | "g5r" => "g5plus",
        _ => return None,
    })
}

/// Further steps under other rules, once the run has ended or its loop has been gone through.
const FURTHER: usize = 60;

fn compared(scenario: &Scenario, run: &Violation, frames: &[Frame], stuck: &[String]) -> Option<Compared> {
    let generation = others(scenario)?;
    let cfg = with_rules(&scenario.cfg, generation.rules)?;
    let slots = cfg.length.slots();
    let (others, why_over) = with_wide_ring!(cfg, |ring| rescheduled(&ring, run));
    let differs = first_difference(frames, &others, generation.name);
    let seen = |who: &String| {
        let waits = |frame: &Frame| frame.submitters[who].waits.is_some();
        let from = others.windows(2).rposition(|pair| waits(&pair[0]) && !waits(&pair[1]))?;
        Some(format!("{who} sees its QI_DONE in step {}", from + 1))
    };
    let mut outcome: Vec<String> = stuck.iter().filter_map(seen).collect();
    outcome.push(why_over);
    let outcome = format!("{}.", outcome.join("; "));
    let (generation, what) = (generation.name.to_string(), generation.what.to_string());
    Some(Compared { generation, what, film: Film::of(slots, &others), differs, outcome })
}

/// The same ring with other rules, if there is one.
fn with_rules(cfg: &ValidRing, rules: Rules) -> Option<ValidRing> {
    let requests = cfg.requests().to_vec();
    RingCfg { rules, ..RingCfg::clone(cfg) }.with_requests(requests).ok()
}

/// Executes a schedule, and says why it ends where it does.
fn rescheduled<const F: usize>(ring: &WideRing<F>, run: &Violation) -> (Vec<Frame>, String) {
    let mut walk = Walk::new(ring);
    let mut frames = vec![walk.frame().clone()];
    let of_loop = &run.actions[run.actions.len() - run.repeating..];
    let further = of_loop.iter().cycle().take(if run.repeating > 0 { FURTHER } else { 0 });
    for (i, scheduled) in run.actions.iter().chain(further).enumerate() {
        let possible = walk.possible();
        let same = |action: &&Action| match (action, scheduled) {
            (Action::Driver { t, .. }, Action::Driver { t: of, .. }) => t == of,
            (action, scheduled) => *action == scheduled,
        };
        match (possible.iter().find(same), scheduled) {
            (Some(action), _) => drop(walk.step(*action)),
            (None, Action::Driver { t, .. }) if i < run.actions.len() && walk.call((*t).into()).pc == Pc::Idle => {
                walk.pass_over((*t).into());
            }
            (None, _) => {
                return (frames, format!("the schedule ends after step {i}: {}", not_possible(&walk, *scheduled)));
            }
        }
        frames.push(walk.frame().clone());
        // The loop goes on for ever here too.
        let lap = i + 1 - run.stem.min(i + 1);
        if run.repeating > 0 && lap > 0 && lap.is_multiple_of(run.repeating) && i >= run.actions.len() {
            let back = &frames[frames.len() - 1 - run.repeating];
            if without_step(back) == without_step(walk.frame()) {
                return (frames, "from there on it repeats itself here too".to_string());
            }
        }
    }
    (frames, "the whole schedule can be followed".to_string())
}

fn without_step(frame: &Frame) -> Frame {
    Frame { step: None, ..frame.clone() }
}

/// Why a scheduled step is not possible.
fn not_possible<const F: usize>(walk: &Walk<'_, F>, scheduled: Action) -> String {
    match scheduled {
        Action::Driver { t, .. } if walk.call(t.into()).pc == Pc::Idle => {
            format!("the call of {} has returned", name(t.into()))
        }
        Action::Driver { t, .. } => format!("{} waits for the lock", name(t.into())),
        Action::Call { t, .. } => format!("{} is still in its call", name(t.into())),
        Action::Hardware(_) => "the hardware has nothing of the kind to do".to_string(),
    }
}

/// The first step that is not the same in both, from 1, and how they differ.
fn first_difference(one: &[Frame], other: &[Frame], generation: &str) -> Option<(usize, String)> {
    let mut pairs = one.iter().zip(other).enumerate().skip(1);
    pairs.find_map(|(i, (one, other))| {
        let (FrameStep { who, text, .. }, theirs) = (one.step.as_ref()?, other.step.as_ref()?);
        if text != &theirs.text {
            return Some((
                i,
                format!("where {who} has {text:?} in this run, it is {:?} under {generation}", theirs.text),
            ));
        }
        let same: fn(&Frame) -> (BTreeMap<_, _>, _) = |frame| (frame.slots.clone(), frame.fields());
        (same(one) != same(other)).then(|| (i, format!("{text:?} of {who} has another effect under {generation}")))
    })
}
