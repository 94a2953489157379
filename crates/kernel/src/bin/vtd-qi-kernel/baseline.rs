//! Better or worse than what it replaces: the same seeds and schedules on two drivers, and what each of them shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Serialize;
use vtd_qi::impl_qi::ValidRing;
use vtd_qi::timeline::Timeline;
use vtd_qi_kernel::{
    Death, FoundKind, Machine, Optimise, ROOM, Recognised, SearchCfg, SearchFinding, Searched, StopGrain, Strategy,
    draw, search, shows,
};
use vtd_qi_terminal::unless_interrupted;

use crate::arguments::Args;
use crate::checks::{Programs, recognised, run};
use crate::plan::Plan;
use crate::report::Report;

/// Whether something is found in the driver as it was, as it is, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    New,
    Gone,
    Still,
}

impl Change {
    pub fn name(self) -> &'static str {
        match self {
            Change::New => "NEW",
            Change::Gone => "gone",
            Change::Still => "still",
        }
    }
}

/// A kind of finding under a kind of fault, in both drivers.
#[derive(Serialize)]
pub(crate) struct Row {
    pub found: FoundKind,
    pub faults: String,
    pub change: Change,
    /// In how many runs it was found, before and after.
    pub hits: (u64, u64),
    /// How many runs there were of each.
    pub runs: u64,
    /// The shortest run of the driver that shows it; where both do, of the newer one.
    pub shortest: Option<SearchFinding>,
    #[serde(skip)]
    pub timeline: Option<Timeline>,
}

/// A driver and the one that it replaces.
#[derive(Serialize)]
pub(crate) struct Weighed {
    /// What it replaces.
    pub before: String,
    pub recognised: Option<Recognised>,
    /// First what is new, then what is gone.
    pub rows: Vec<Row>,
    /// How many runs were made of each driver in all.
    pub runs: u64,
}

impl Weighed {
    pub fn count(&self, change: Change) -> usize {
        self.rows.iter().filter(|row| row.change == change).count()
    }
}

/// How often a driver was seen to do something, and the shortest run that shows it.
#[derive(Default)]
struct Seen {
    hits: u64,
    shortest: Option<(SearchFinding, Strategy)>,
}

const STRATEGIES: [Strategy; 2] = [Strategy::Random, Strategy::Pct { changes: 3 }];

/// Most steps of a run that is drawn; a longer one is named by its seed.
const DRAWN: usize = 400;

/// Runs more of what a thing was not found in, before it is said to be new.
const MORE: u64 = 10;

/// Holds a driver against what it replaces.
///
/// # Errors
/// What cannot be compiled.
pub fn weigh(
    args: &Args,
    plan: &Plan,
    before: &mut Programs,
    after: &mut Programs,
    report: &mut Report,
) -> Result<(), String> {
    let mut weighed = Weighed { before: before.name(), recognised: None, rows: Vec::new(), runs: 0 };
    weighed.recognised = recognised(before, report)?;
    for ring in &plan.searched {
        let names: Vec<&str> = ring.faults.classes.iter().map(|class| class.name()).collect();
        let faults =
            if names.is_empty() { "no faults".to_string() } else { format!("one fault: {}", names.join(" or ")) };
        let old = all_seen(args, ring, before, &format!("before, {faults}"), report)?;
        let new = all_seen(args, ring, after, &format!("after, {faults}"), report)?;
        let runs = u64::from(args.runs) * STRATEGIES.len() as u64;
        weighed.runs += runs;
        let kinds: BTreeSet<FoundKind> = old.keys().chain(new.keys()).copied().collect();
        for found in kinds {
            let hits = [&old, &new].map(|seen| seen.get(&found).map_or(0, |seen| seen.hits));
            let shortest = new.get(&found).or(old.get(&found)).and_then(|seen| seen.shortest.clone());
            let change = match hits {
                [0, _] if !also(args, ring, before, found, &shortest, report)? => Change::New,
                [_, 0] if !also(args, ring, after, found, &shortest, report)? => Change::Gone,
                _ => Change::Still,
            };
            let drawn = if change == Change::Gone { &mut *before } else { &mut *after };
            let timeline = match (&shortest, change) {
                (Some((finding, strategy)), Change::New | Change::Gone)
                    if (1..=DRAWN).contains(&finding.schedule.len()) =>
                {
                    timeline(ring, *strategy, drawn, finding, report)?
                }
                _ => None,
            };
            let shortest = shortest.map(|(finding, _)| finding);
            let faults = faults.clone();
            weighed.rows.push(Row { found, faults, change, hits: hits.into(), runs, shortest, timeline });
        }
    }
    weighed.rows.sort_by_key(|row| row.change);
    report.weighed = Some(weighed);
    Ok(())
}

/// All that the runs of a driver show, under every strategy.
fn all_seen(
    args: &Args,
    ring: &ValidRing,
    programs: &mut Programs,
    what: &str,
    report: &mut Report,
) -> Result<BTreeMap<FoundKind, Seen>, String> {
    let mut all: BTreeMap<FoundKind, Seen> = BTreeMap::new();
    for strategy in STRATEGIES {
        let runs = args.runs.into();
        let Some(searched) = searched(ring, strategy, programs, (args.seed, runs, None), what, report)? else {
            continue;
        };
        for (&found, &hits) in &searched.by_kind {
            all.entry(found).or_default().hits += hits;
        }
        for finding in searched.findings {
            let seen = all.entry(finding.found).or_default();
            let length = |known: &(SearchFinding, Strategy)| known.0.steps.1;
            if seen.shortest.as_ref().is_none_or(|known| finding.steps.1 < length(known)) {
                seen.shortest = Some((finding, strategy));
            }
        }
    }
    Ok(all)
}

/// Whether a driver in which something was not found shows it too: on the other's shortest run, or in many more runs.
fn also(
    args: &Args,
    ring: &ValidRing,
    programs: &mut Programs,
    found: FoundKind,
    shortest: &Option<(SearchFinding, Strategy)>,
    report: &mut Report,
) -> Result<bool, String> {
    let Some((finding, strategy)) = shortest else { return Ok(false) };
    let cfg = SearchCfg::of(ring, *strategy);
    let program = programs.get(ring.length, Optimise::O2)?;
    let follows = run(report, "the other's run", "", ROOM, |_| {
        let mut machine = Machine::new(program, cfg.submitters, StopGrain::Every, false).map_err(|e| e.to_string())?;
        Ok(shows(&mut machine, &cfg, &finding.schedule, found))
    })?;
    if follows == Some(true) {
        return Ok(true);
    }
    for strategy in STRATEGIES {
        let first = args.seed.wrapping_add(args.runs.into());
        let runs = (first, u64::from(args.runs) * MORE, Some(found));
        let more = searched(ring, strategy, programs, runs, &format!("more of {}", found.name()), report)?;
        if more.is_some_and(|more| more.by_kind.contains_key(&found)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Runs of the seeds from the first on, so many or until something is found. A driver that dies of itself is found to crash.
fn searched(
    ring: &ValidRing,
    strategy: Strategy,
    programs: &mut Programs,
    (first, runs, until): (u64, u64, Option<FoundKind>),
    what: &str,
    report: &mut Report,
) -> Result<Option<Searched>, String> {
    let cfg = SearchCfg::of(ring, strategy);
    let program = programs.get(ring.length, Optimise::O2)?;
    let known = report.deaths.len();
    let searched = run(report, what, "steps", ROOM, |pulse| {
        let mut machine = Machine::new(program, cfg.submitters, StopGrain::Every, false).map_err(|e| e.to_string())?;
        let enough = |so_far: &Searched| until.is_some_and(|until| so_far.by_kind.contains_key(&until));
        Ok(search(&mut machine, &cfg, first, pulse, |so_far| so_far.runs >= runs || enough(so_far)))
    })?;
    let by_the_code = |(_, death): &(String, Death)| death.by_the_code().map(|seed| (seed, death.to_string()));
    match report.deaths.get(known).and_then(by_the_code) {
        Some((seed, detail)) => {
            report.deaths.truncate(known);
            let crash = SearchFinding { found: FoundKind::Crash, detail, seed, ..SearchFinding::blank() };
            let by_kind = [(FoundKind::Crash, 1)].into();
            Ok(Some(Searched { runs: 1, hits: 1, by_kind, findings: vec![crash], ..Searched::default() }))
        }
        None => Ok(searched),
    }
}

fn timeline(
    ring: &ValidRing,
    strategy: Strategy,
    programs: &mut Programs,
    finding: &SearchFinding,
    report: &mut Report,
) -> Result<Option<Timeline>, String> {
    let cfg = SearchCfg::of(ring, strategy);
    let program = programs.get(ring.length, Optimise::O2)?;
    run(report, "draw", "", ROOM, |_| {
        let mut machine = Machine::new(program, cfg.submitters, StopGrain::Every, false).map_err(|e| e.to_string())?;
        Ok(draw(&mut machine, &cfg, &finding.schedule))
    })
}

/// What it comes to, in a line.
pub fn in_words(weighed: &Weighed) -> String {
    let [new, gone, still] = [Change::New, Change::Gone, Change::Still].map(|change| weighed.count(change));
    let verdict = match (new, gone) {
        (0, 0) => "neither better nor worse than what it replaces",
        (0, _) => "better than what it replaces",
        (_, 0) => "WORSE than what it replaces",
        (_, _) => "better and WORSE than what it replaces",
    };
    format!("{verdict}: {new} new, {gone} gone, {still} still there, in {} runs of each", weighed.runs)
}

/// A row of it, in a line.
pub(crate) fn row_in_words(row: &Row) -> String {
    let (before, after) = row.hits;
    let shortest = row.shortest.as_ref().map_or(String::new(), |finding| {
        format!("; shortest: {} steps, seed {} ({})", finding.steps.1, finding.seed, finding.detail)
    });
    let (change, found) = (row.change.name(), row.found.name());
    format!("{change:<5} {found}, {}: in {before} of {} runs before, {after} after{shortest}", row.faults, row.runs)
}

/// Reads a patch.
///
/// # Errors
/// If it cannot be read, or not before a signal came, in a sentence.
pub fn patch_text(path: &Path) -> Result<String, String> {
    const MOST: u64 = 16 << 20;
    let place = path.to_path_buf();
    let bytes = unless_interrupted(move |_| -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(place)?.take(MOST + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    let bytes = bytes.ok_or_else(|| format!("{} was not read to its end", path.display()))?;
    let bytes = bytes.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    match bytes.len() as u64 > MOST {
        true => Err(format!("{} has more than {MOST} bytes, the most that are read of a patch", path.display())),
        false => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}
