//! The verdict matrix: every generation under every class of faults, on every kind of hardware and reading of what is disputed.
//!
//! One data file, `faults.toml`, says which cells there are and which property is violated where, with a sentence of why.
//! A cell is a [`Scenario`] like those of [`crate::scenario`], so [`crate::verify`] judges it; what is not named holds.
//!
//! What callers are promised comes in tiers ([`Tier`]), each a handful of named properties; the matrix shows a tier a column.
//! A cell whose search was cut shows what was found, and `?` for the rest: never `holds`.
//!
//! ```
//! use vtd_qi::campaign::matrix::{Matrix, Scope};
//! let matrix = Matrix::embedded();
//! let cell = matrix.find("g4-lost-answer-pipelined-drop-2x4").unwrap();
//! assert!(cell.scenario.expected("lock-eventually-dropped").unwrap().violated);
//! assert!(matrix.cells(Scope::Quick).count() < matrix.cells(Scope::Full).count());
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::fingerprint::{fingerprint, of_sources};
use crate::impl_qi::{
    AfterIte, FaultCheck, FaultClass, Faults, GENERATIONS, Generation, Handout, Hardware, Itesid, Length, Lock, Order,
    RingCfg, Safety, SlotFairness,
};
use crate::scenario::{Check, Cut, Expected, Scenario, TableError, twice};
use crate::verify::{self, Fired, FoundVerdicts, Report, Surprise, Verdict};
use crate::words;

words! {
    /// A promise to callers; each is a few named properties.
    pub enum Tier as "promise" {
        /// Without faults every WD is eventually observed DONE.
        Observed = "seen",
        /// Every call eventually returns.
        Returns = "return",
        /// Success means that all of the caller's IDs were executed since the call began.
        Success = "success",
        /// An error is returned only for a fault of the caller's own.
        Errors = "error",
        /// No slot leaks.
        Slots = "slots",
        /// The ring stays sound, and hardware writes no status that is FREE or another's.
        Ring = "ring",
        /// Nobody keeps the lock for ever.
        Lock = "lock",
        /// The ring refines the specification with faults, step by step and in fairness.
        Refinement = "refines",
    }
}

impl Tier {
    /// What is promised, in one line.
    pub fn meaning(self) -> &'static str {
        match self {
            Tier::Observed => "without faults every posted WD is eventually observed DONE by its owner",
            Tier::Returns => "every call eventually returns",
            Tier::Success => "success means that all of the caller's IDs were executed since the call began",
            Tier::Errors => {
                "-EINVAL and -ETIMEDOUT are returned only for an invalid or unanswered ID of the caller's own"
            }
            Tier::Slots => "no slot leaks",
            Tier::Ring => "free_cnt, posts, fetches, DONEs and the lock stay sound; no stray status write",
            Tier::Lock => "nobody keeps the lock for ever",
            Tier::Refinement => "the ring refines the specification with faults, step by step and in fairness",
        }
    }

    /// The tier of a property.
    pub fn of(check: Check) -> Tier {
        match check {
            Check::WdEventuallyObservedDone => Tier::Observed,
            Check::CallEventuallyReturns | Check::CallEventuallyPosted | Check::NoDeadlock => Tier::Returns,
            Check::LockEventuallyDropped => Tier::Lock,
            Check::RefinesSpec | Check::RefinesFairSpec | Check::RefinesLossySpec => Tier::Refinement,
            Check::Safety(safety) => match safety {
                Safety::SuccessAfterExecution => Tier::Success,
                Safety::EinvalOnlyIfInvalid | Safety::EtimedoutOnlyIfGone => Tier::Errors,
                Safety::NoSlotLeak => Tier::Slots,
                Safety::FreeCntConsistent
                | Safety::NoOverwriteInFlight
                | Safety::IqtDiffersFromIqh
                | Safety::HwFetchedUnowned
                | Safety::NoStrangerDone
                | Safety::LockHeldOnAccess
                | Safety::NoStrayStatusWrite => Tier::Ring,
            },
        }
    }
}

/// How much of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// What `check --faults` does.
    Quick,
    /// What `check --faults --full` adds.
    Full,
}

/// One cell: a scenario and where it stands in the matrix.
#[derive(Clone, Debug)]
pub struct Cell {
    /// What is checked and expected. Its name is its place: generation, class, hardware, reading, ITESID, size.
    pub scenario: Scenario,
    /// The class of faults: an entry of the data file.
    pub class: String,
    /// What becomes of fetched work, where an ITE can be raised.
    pub after_ite: Option<AfterIte>,
    /// What IQER says, where it matters.
    pub itesid: Option<Itesid>,
    /// Since when it is checked.
    pub scope: Scope,
}

impl Cell {
    /// What is checked, in full, and the fingerprint of the sources that decide what is found; not how far.
    pub fn subject(&self) -> String {
        let Scenario { cfg, slots, checks, .. } = &self.scenario;
        let cfg: &RingCfg = cfg;
        let checks: Vec<_> = checks.iter().map(|check| check.name()).collect();
        format!("{} {cfg:?} {slots:?} {checks:?}", of_sources())
    }

    /// Whether its ring is as small as can be: what is shown in full is shown of these.
    pub fn is_smallest(&self) -> bool {
        self.scenario.cfg.length.slots() == 4
    }

    /// The row of the condensed matrix that it belongs to: all of its place but hardware and size.
    pub fn row(&self) -> String {
        let mut words = vec![self.scenario.generation.to_string(), self.class.clone()];
        words.extend(self.after_ite.map(|reading| reading.name().to_string()));
        words.extend(self.itesid.filter(|itesid| *itesid == Itesid::Zero).map(|_| "ITESID 0".to_string()));
        words.join(" ")
    }
}

/// What became of a cell, without its counterexamples: what is kept in files and shown in the matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellResult {
    /// The cell's name.
    pub name: String,
    /// What was checked, in full.
    pub subject: String,
    /// Distinct states, up to rotation.
    pub states: usize,
    /// Distinct transitions.
    pub transitions: usize,
    /// Breadth-first levels.
    pub depth: usize,
    /// Whether all of it was seen.
    pub complete: bool,
    /// Why not, if not.
    pub cut: Option<String>,
    /// The verdicts, by property.
    pub verdicts: BTreeMap<String, Verdict>,
    /// Of violated properties: steps before the loop, and of the loop.
    pub lengths: BTreeMap<String, (usize, usize)>,
    /// How often each fault was raised and handled.
    pub faults: Vec<Fired>,
    /// The witnesses that were reached.
    pub reached: Vec<String>,
}

impl CellResult {
    /// What a report says of a cell.
    pub fn of(cell: &Cell, report: &Report) -> CellResult {
        let by_name = |outcome: &verify::PropertyReport| (outcome.check.name().to_string(), outcome.verdict);
        let length = |outcome: &verify::PropertyReport| {
            let violation = outcome.counterexample.as_ref()?;
            Some((outcome.check.name().to_string(), (violation.stem, violation.repeating)))
        };
        CellResult {
            name: report.name.clone(),
            subject: cell.subject(),
            states: report.states,
            transitions: report.transitions,
            depth: report.depth,
            complete: report.complete,
            cut: report.cut.clone(),
            verdicts: report.properties.iter().map(by_name).collect(),
            lengths: report.properties.iter().filter_map(length).collect(),
            faults: report.faults.clone(),
            reached: report.witnesses.iter().filter(|w| w.reached == Some(true)).map(|w| w.name.to_string()).collect(),
        }
    }

    /// A line of a file of kept cells: it stands alone, and says what it should be.
    pub fn to_line(&self) -> String {
        let cell = serde_json::to_string(self).expect("numbers and texts, and maps by text");
        format!("{{\"sum\":\"{}\",\"cell\":{cell}}}", fingerprint([&cell]))
    }

    /// Reads what [`CellResult::to_line`] wrote; `None` if the line is not as it was written.
    pub fn of_line(line: &str) -> Option<CellResult> {
        let (sum, cell) = line.strip_prefix("{\"sum\":\"")?.strip_suffix('}')?.split_once("\",\"cell\":")?;
        (sum == fingerprint([cell])).then(|| serde_json::from_str(cell).ok())?
    }

    /// Whether there is no need to check a cell again up to `limit` states: the same was checked, to the end or as far.
    pub fn serves(&self, cell: &Cell, limit: usize) -> bool {
        (self.complete || self.states >= limit) && self.subject == cell.subject()
    }

    /// The verdict on a tier: violated if any of its properties is, else unknown if any is; `None` if it was not asked.
    pub fn tier(&self, tier: Tier) -> Option<Verdict> {
        let of_tier = |name: &String| Check::named(name).is_some_and(|check| Tier::of(check) == tier);
        let verdicts = || self.verdicts.iter().filter(|(name, _)| of_tier(name)).map(|(_, verdict)| *verdict);
        [Verdict::Violated, Verdict::Unknown, Verdict::Holds]
            .into_iter()
            .find(|wanted| verdicts().any(|v| v == *wanted))
    }

    /// What is not as the data file says: what [`verify::surprises`] says of it.
    pub fn surprises(&self, cell: &Cell) -> Vec<Surprise> {
        let found = FoundVerdicts {
            states: self.states,
            complete: self.complete,
            verdicts: self.verdicts.iter().map(|(name, verdict)| (name.as_str(), *verdict)).collect(),
            faults: &self.faults,
            reached: self.reached.iter().map(String::as_str).collect(),
        };
        verify::surprises(&cell.scenario, &found)
    }
}

/// All cells.
#[derive(Clone, Debug)]
pub struct Matrix {
    cells: Vec<Cell>,
    /// Where a search of the full matrix stops; the quick one stops where the cell's scenario says.
    max_states: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Stop a search of the full matrix here.
    #[serde(rename = "max-states")]
    max_states: usize,
    holds: BTreeMap<String, String>,
    size: Vec<Size>,
    class: Vec<Class>,
    #[serde(default)]
    further: Vec<Further>,
    #[serde(default)]
    expect: Vec<Expect>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    scope: Scope,
    submitters: usize,
    ring: u16,
    counts: Vec<u8>,
    /// Classes at this size; all if left out.
    #[serde(default)]
    classes: Vec<String>,
    /// Stop a search of the quick matrix here; the file's limit if left out.
    #[serde(rename = "max-states")]
    max_states: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Class {
    name: String,
    #[serde(default)]
    faults: Vec<FaultClass>,
    #[serde(default)]
    bound: u8,
    devices: Option<u8>,
    hardware: Vec<Order>,
    #[serde(default)]
    after_ite: Vec<AfterIte>,
    #[serde(default)]
    itesid: Vec<Itesid>,
    /// Sizes by name where only these are checked.
    #[serde(default)]
    scope: Option<Scope>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// What is violated.
    properties: Vec<String>,
    /// In which generations.
    generations: Vec<String>,
    classes: Vec<String>,
    /// The cells: each entry is words of a cell's name that all must occur in it, `!word` one that must not; all cells if left
    /// out.
    #[serde(default)]
    on: Vec<String>,
    why: String,
}

/// Cells that the quick matrix searches further than others of their size.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Further {
    max_states: usize,
    /// The cells, as in [`Expect::on`].
    on: Vec<String>,
}

impl Expect {
    fn is_about(&self, generation: &str, class: &str) -> bool {
        self.generations.iter().any(|name| name == generation) && self.classes.iter().any(|name| name == class)
    }

    fn says(&self, check: Check, cell: &str) -> bool {
        self.properties.iter().any(|name| name == check.name())
            && (self.on.is_empty() || self.on.iter().any(|entry| is_on(entry, cell)))
    }
}

/// Whether a cell's name has all the words of an entry, and none that follows a `!` there.
fn is_on(entry: &str, cell: &str) -> bool {
    let cell = format!("-{cell}-");
    let has = |word: &str| cell.contains(&format!("-{word}-"));
    entry.split_whitespace().all(|word| match word.strip_prefix('!') {
        Some(word) => !has(word),
        None => has(word),
    })
}

const EMBEDDED: &str = include_str!("../../data/faults.toml");

impl Matrix {
    /// The matrix of this crate.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn embedded() -> Matrix {
        Matrix::parse(EMBEDDED).unwrap_or_else(|error| panic!("faults.toml: {error}"))
    }

    /// Reads a matrix.
    ///
    /// # Errors
    /// [`TableError`], naming the entry, the value and the limit.
    pub fn parse(text: &str) -> Result<Matrix, TableError> {
        let file: File = toml::from_str(text).map_err(|error| TableError::syntax(text, &error))?;
        file.validate()?;
        let mut cells = Vec::new();
        for generation in GENERATIONS {
            for class in &file.class {
                for size in &file.size {
                    if size.classes.is_empty() || size.classes.contains(&class.name) {
                        file.cells(generation, class, size, &mut cells)?;
                    }
                }
            }
        }
        let mut names = BTreeSet::new();
        if let Some(cell) = cells.iter().find(|cell| !names.insert(&cell.scenario.name)) {
            return Err(TableError::entry(format_args!("cell {}", cell.scenario.name), "it occurs twice"));
        }
        file.validate_entries(&cells)?;
        Ok(Matrix { cells, max_states: file.max_states })
    }

    /// The cells of a scope: those of the smaller one too.
    pub fn cells(&self, scope: Scope) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(move |cell| cell.scope <= scope)
    }

    /// Where the search of a cell stops in a scope, in states.
    pub fn limit(&self, cell: &Cell, scope: Scope) -> usize {
        match (scope, cell.scenario.max_states) {
            (Scope::Quick, Some(limit)) => limit,
            _ => self.max_states,
        }
    }

    /// The cell of a given name.
    pub fn find(&self, name: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.scenario.name == name)
    }

    /// The cells that a name stands for: one of that name, or all whose names begin with it and a hyphen.
    pub fn select(&self, name: &str) -> Vec<&Cell> {
        let family = format!("{name}-");
        self.cells.iter().filter(|cell| cell.scenario.name == name || cell.scenario.name.starts_with(&family)).collect()
    }
}

/// `None` where the axis says nothing, else each of its values.
fn axis<T: Copy>(values: &[T]) -> Vec<Option<T>> {
    match values {
        [] => vec![None],
        values => values.iter().map(|value| Some(*value)).collect(),
    }
}

impl File {
    fn validate(&self) -> Result<(), TableError> {
        let fail = |name: &str, what: String| Err(TableError::entry(name, what));
        let classes: Vec<_> = self.class.iter().map(|class| class.name.as_str()).collect();
        for name in self.holds.keys().chain(self.expect.iter().flat_map(|expect| &expect.properties)) {
            if Check::named(name).is_none() {
                return fail("[[expect]]", format!("there is no property {name:?}"));
            }
        }
        for expect in &self.expect {
            if let Some(name) = expect.generations.iter().find(|name| Generation::named(name).is_none()) {
                return fail("[[expect]]", format!("there is no generation {name:?}"));
            }
            if let Some(name) = expect.classes.iter().find(|name| !classes.contains(&name.as_str())) {
                return fail("[[expect]]", format!("there is no class {name:?}; there are {}", classes.join(", ")));
            }
            if expect.why.trim().is_empty() {
                return fail("[[expect]]", format!("the reason for {} is empty", expect.properties.join(", ")));
            }
        }
        for class in &self.class {
            let lists =
                [twice(&class.hardware).is_some(), twice(&class.after_ite).is_some(), twice(&class.itesid).is_some()];
            if lists.contains(&true) {
                return fail("[[class]]", format!("{:?} lists a value twice", class.name));
            }
        }
        match self.size.iter().flat_map(|size| &size.classes).find(|name| !classes.contains(&name.as_str())) {
            Some(name) => fail("[[size]]", format!("there is no class {name:?}; there are {}", classes.join(", "))),
            None => Ok(()),
        }
    }

    /// Refuses an entry that is on no cell: it says nothing.
    fn validate_entries(&self, cells: &[Cell]) -> Result<(), TableError> {
        let names = |expect: Option<&Expect>| -> Vec<&str> {
            let about = |cell: &&Cell| expect.is_none_or(|e| e.is_about(cell.scenario.generation, &cell.class));
            cells.iter().filter(about).map(|cell| cell.scenario.name.as_str()).collect()
        };
        let further = self.further.iter().map(|further| ("[[further]]", &further.on, names(None)));
        let expect = self.expect.iter().map(|expect| ("[[expect]]", &expect.on, names(Some(expect))));
        for (table, on, names) in further.chain(expect) {
            if let Some(entry) = on.iter().find(|entry| !names.iter().any(|name| is_on(entry, name))) {
                return Err(TableError::entry(table, format!("no cell is {entry:?}")));
            }
        }
        Ok(())
    }

    fn cells(
        &self,
        generation: &'static Generation,
        class: &Class,
        size: &Size,
        cells: &mut Vec<Cell>,
    ) -> Result<(), TableError> {
        for &order in &class.hardware {
            for after_ite in axis(&class.after_ite) {
                for itesid in axis(&class.itesid) {
                    let hardware = match order {
                        Order::InOrder => Hardware::in_order(2),
                        Order::Pipelined => Hardware::pipelined(4),
                    };
                    let faults = Faults::of(class.faults.clone(), class.bound);
                    let cfg = RingCfg {
                        rules: generation.rules,
                        lock: Lock::StrongFair,
                        hardware,
                        submitters: size.submitters,
                        counts: if generation.rules.one_id_only() { vec![1] } else { size.counts.clone() },
                        length: Length::new(size.ring)
                            .map_err(|e| TableError::entry(format_args!("class {}", class.name), e))?,
                        handout: Handout::AsDriver,
                        fault_check: FaultCheck::Always,
                        faults: Faults {
                            devices: class.devices.unwrap_or(faults.devices),
                            itesid: itesid.unwrap_or(Itesid::Named),
                            after_ite: after_ite.unwrap_or(AfterIte::Drop),
                            ..faults
                        },
                    };
                    let mut words = vec![generation.name, class.name.as_str(), order.name()];
                    words.extend(after_ite.map(AfterIte::name));
                    words.extend(itesid.map(Itesid::name));
                    let place = format!("{}x{}", size.submitters, size.ring);
                    words.push(&place);
                    let name = words.join("-");
                    let cfg = cfg.validate().map_err(|error| TableError::entry(format_args!("cell {name}"), error))?;
                    let checks: Vec<Check> = match class.faults.is_empty() {
                        true => Check::under_faults().chain([Check::WdEventuallyObservedDone]).collect(),
                        false => Check::under_faults().collect(),
                    };
                    let scope = class.scope.unwrap_or(size.scope).max(size.scope);
                    let mut scenario = Scenario::own(generation.name, cfg, SlotFairness::Fair, checks);
                    scenario.expected = self.expected(&scenario.checks, generation.name, &class.name, &name)?;
                    scenario.cut = Cut::Excuses;
                    scenario.reached = must_be_reached(&scenario.cfg);
                    scenario.family = format!("{}-{}", generation.name, class.name);
                    let further =
                        self.further.iter().find(|further| further.on.iter().any(|entry| is_on(entry, &name)));
                    scenario.max_states = further.map(|further| further.max_states).or(size.max_states);
                    scenario.name = name;
                    cells.push(Cell { scenario, class: class.name.clone(), after_ite, itesid, scope });
                }
            }
        }
        Ok(())
    }

    fn expected(
        &self,
        checks: &[Check],
        generation: &str,
        class: &str,
        cell: &str,
    ) -> Result<BTreeMap<&'static str, Expected>, TableError> {
        let about: Vec<&Expect> = self.expect.iter().filter(|expect| expect.is_about(generation, class)).collect();
        let expected = |check: &Check| {
            let violated = about.iter().find(|expect| expect.says(*check, cell));
            let why = match (violated, self.holds.get(check.name())) {
                (Some(expect), _) => &expect.why,
                (None, Some(why)) => why,
                (None, None) => {
                    let what = format!("{0} is expected to hold, so {0} under [holds] must say why", check.name());
                    return Err(TableError::entry(format_args!("cell {cell}"), what));
                }
            };
            Ok((check.name(), Expected { violated: violated.is_some(), why: why.clone() }))
        };
        checks.iter().map(expected).collect()
    }
}

/// The witnesses without which a cell shows nothing. Two WDs are outstanding only where a second batch fits beside one.
fn must_be_reached(cfg: &RingCfg) -> Vec<&'static str> {
    let smallest = u16::from(cfg.counts.iter().copied().min().unwrap_or(0));
    let two_fit = 2 * (smallest + 1) < cfg.length.slots();
    [("own-done-observed", true), ("two-wds-outstanding", two_fit)]
        .into_iter()
        .filter(|(_, possible)| *possible)
        .map(|(name, _)| name)
        .collect()
}
