//! Holds a kernel tree's own C against the model: is it that code, step for step, and does that code hang?

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, ValueEnum};
use indicatif::HumanCount;
use serde::Serialize;
use stateright_temporal::graph::Limits;
use stateright_temporal::memory::Memory;
use vtd_qi::campaign::findings::{Confirmations, NEWEST, can_be_replayed, cells, violated};
use vtd_qi::campaign::matrix::{Matrix, Scope};
use vtd_qi::impl_qi::{FaultCheck, FaultClass, Faults, Generation, Hardware, Length, RingCfg, ValidRing};
use vtd_qi::scenario::{Check, Scenario, Table};
use vtd_qi::verify::{Detail, PropertyReport, Verdict, Violation, verify_with};
use vtd_qi_kernel::{
    Confirmation, Covered, CutText, Death, Difference, Edit, FoundKind, Machine, Optimise, Program, Pulse, ROOM,
    Recognised, Sameness, SearchCfg, SearchFinding, Searched, Source, StopGrain, Strategy, Tally, compiler, confirm,
    cut, draw, edit, exhaustive, flags, isolated, random, recognise, replay, search,
};
use vtd_qi_subject::no_twice;
use vtd_qi_terminal::{Exit, Failure, Output, ProgressLine, arguments, complain, interrupt, memory};

/// Run the kernel's own qi_submit_sync, qi_check_fault and reclaim_free_desc: which generation they are, whether they are the
/// model step for step, whether its counterexamples are theirs, and whether they hang.
///
/// The functions are cut out of the tree at run time, compiled with the system's C compiler in memory, and run in a process of
/// their own with the rights of whoever runs this program. It can start no other process, and ends with this program, however that
/// ends. Nothing of a tree is kept. The few files of a tarball that were read are kept, so that it need not be unpacked again:
/// in the folder `tarballs` of $VTD_QI_CACHE if that is set, else of $XDG_CACHE_HOME/vtd-qi, else of ~/.cache/vtd-qi. They are
/// found by the tarball's SHA-256; the folder can be deleted at any time.
#[derive(Parser)]
#[command(after_help = "\
Examples:
  kernel --linux ~/linux                              all of it
  kernel --linux /usr/src/linux-source-6.1.tar.xz     the same from a source tarball
  kernel --linux ~/linux --only search --seconds 60   look for hangs only, a minute for each way of searching
  kernel --linux ~/linux --only search --ring 256     on the unmodified ring
  kernel --linux ~/linux --replay 17 --strategy pct   run a seed again, and draw what it finds
  kernel --linux ~/linux --edit odd-walk              the tree with one rule taken back

A tree of today is g5, which has known findings under faults (docs/findings.md): they are found again and make the exit code 1. Whether
a tree is g5 and finds nothing where hardware does not fail is asked with --no-faults, and is exit code 0.

Memory: --max-memory is about the graphs of exhaustive comparisons and of the model's counterexamples. Searching and comparing at
random keep no states, and take some megabytes.

Exit code: 0 recognised, no difference, nothing refuted and nothing found; 1 otherwise, also where a comparison was cut by a limit or
the process that runs the C was ended or stopped and the result is unknown; 2 unusable arguments or an unusable tree, 130 interrupted. An
option that nothing heeds of what is asked for is refused.")]
struct Args {
    /// A kernel source tree, or a tarball of one (.tar, .tar.gz, .tar.xz), Linux 5.8 or newer
    #[arg(long, value_name = "TREE")]
    linux: PathBuf,
    /// What to do; everything if left out
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Take a rule back at run time: odd-walk, mark-done or retry
    #[arg(long, value_name = "EDIT", value_delimiter = ',', value_parser = edit_named)]
    edit: Vec<Edit>,
    /// QI_LENGTH for the exhaustive comparison and for searching, even, 4 to 256; 256 leaves it as it is
    #[arg(long, default_value_t = 6)]
    ring: u16,
    /// Number of submitters, 1 to 8
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    submitters: u8,
    /// Numbers of IDs that a call may bring
    #[arg(long, value_delimiter = ',', default_value = "0,1")]
    counts: Vec<u8>,
    /// The first seed of random comparison and of the search
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds for each way of searching, up to a week
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(..=WEEK))]
    seconds: u64,
    /// Seconds for each exhaustive comparison, up to a week; one that is cut is unknown
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(..=WEEK))]
    exhaustive_seconds: u64,
    /// Give an exhaustive comparison's graph up at so many states: what is cut there is unknown
    #[arg(long, default_value_t = 3_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    max_states: u32,
    /// How much memory the graphs may take, like 500M or 2G; three quarters of what is available if left out. What is cut there
    /// is unknown
    #[arg(long, value_name = "SIZE", value_parser = memory::size)]
    max_memory: Option<ByteSize>,
    /// How the search picks the next step; both if left out
    #[arg(long, value_enum)]
    strategy: Option<Picks>,
    /// At which accesses the search may switch; every access and the coarse ones if left out
    #[arg(long, value_enum)]
    grain: Option<Grains>,
    /// Faults that may be injected, one at a time: invalid-id, lost-answer, ice, device-gone; if left out, the search takes each
    /// of them and the exhaustive comparison all but device-gone, which has more than 20 million states on a ring of 6 slots
    #[arg(long, value_delimiter = ',', value_parser = class_named)]
    faults: Option<Vec<FaultClass>>,
    /// Compare exhaustively and search without faults only
    #[arg(long, conflicts_with = "faults")]
    no_faults: bool,
    /// Run one seed of the search again, shrink what it finds and draw it
    #[arg(long, value_name = "SEED", conflicts_with = "only")]
    replay: Option<u64>,
    /// Confirm the runs of every cell of the newest generation, and note it under this name of the kernel in data/confirmed.json,
    /// for docs/findings.md
    #[arg(long, value_name = "KERNEL", conflicts_with = "replay", value_parser = NonEmptyStringValueParser::new())]
    record: Option<String>,
    /// Print the results as JSON, and nothing else, on standard output
    #[arg(long)]
    json: bool,
}

/// Where `--record` notes what was confirmed.
const CONFIRMED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/confirmed.json");

/// A week, in seconds.
const WEEK: u64 = 7 * 24 * 3600;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Recognise,
    Compare,
    Confirm,
    Search,
    /// What `--replay` asks for.
    #[value(skip)]
    Replay,
}

impl Args {
    /// Refuses a value that a list has twice.
    fn no_twice(&self) -> Result<(), String> {
        let values = self.only.iter().filter_map(ValueEnum::to_possible_value);
        no_twice("--only", &values.map(|value| value.get_name().to_string()).collect::<Vec<_>>())?;
        let edits =
            Edit::ALL.iter().flat_map(|(name, edit)| self.edit.iter().filter(move |e| *e == edit).map(move |_| *name));
        no_twice("--edit", &edits.collect::<Vec<_>>())?;
        no_twice("--counts", &self.counts)?;
        no_twice("--faults", &self.faults.iter().flatten().map(|class| class.name()).collect::<Vec<_>>())
    }

    fn wants(&self, part: Part) -> bool {
        match self.replay {
            Some(_) => part == Part::Replay,
            None => part != Part::Replay && (self.only.is_empty() || self.only.contains(&part)),
        }
    }
}

/// The options that not everything heeds, and what does.
const HEEDED: [(&str, &[Part]); 12] = [
    ("ring", &[Part::Compare, Part::Search, Part::Replay]),
    ("submitters", &[Part::Compare, Part::Search, Part::Replay]),
    ("counts", &[Part::Compare, Part::Search, Part::Replay]),
    ("seed", &[Part::Compare, Part::Search]),
    ("seconds", &[Part::Search]),
    ("exhaustive_seconds", &[Part::Compare]),
    ("max_states", &[Part::Compare]),
    ("max_memory", &[Part::Compare, Part::Confirm]),
    ("strategy", &[Part::Search, Part::Replay]),
    ("grain", &[Part::Search, Part::Replay]),
    ("faults", &[Part::Compare, Part::Search, Part::Replay]),
    ("no_faults", &[Part::Compare, Part::Search, Part::Replay]),
];

/// Arguments each of which means something for what is asked for.
struct Asked(Args);

impl CommandFactory for Asked {
    fn command() -> clap::Command {
        Args::command()
    }

    fn command_for_update() -> clap::Command {
        Args::command_for_update()
    }
}

impl FromArgMatches for Asked {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Asked, clap::Error> {
        let args = Args::from_arg_matches(matches)?;
        let record = ("record", &[Part::Confirm][..]);
        for (option, parts) in HEEDED.into_iter().chain([record]) {
            let is_given = matches.value_source(option) == Some(ValueSource::CommandLine);
            if is_given && !parts.iter().any(|&part| args.wants(part)) {
                let asked = if args.replay.is_some() { "--replay" } else { "what --only names" };
                let what = format!("--{} means nothing for {asked}", option.replace('_', "-"));
                return Err(Args::command().error(ErrorKind::ArgumentConflict, what));
            }
        }
        args.no_twice().map_err(|why| Args::command().error(ErrorKind::ArgumentConflict, why))?;
        Ok(Asked(args))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Asked::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Parser for Asked {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Picks {
    Random,
    Pct,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Grains {
    Every,
    Visible,
    Coarse,
}

fn edit_named(name: &str) -> Result<Edit, String> {
    Edit::named(name).ok_or_else(|| {
        let known: Vec<&str> = Edit::ALL.iter().map(|(name, _)| *name).collect();
        format!("there is no edit {name:?}; there are {}", known.join(", "))
    })
}

/// The classes of faults that hardware can bring about under a real driver.
const CLASSES: [FaultClass; 4] =
    [FaultClass::InvalidId, FaultClass::LostAnswer, FaultClass::Ice, FaultClass::DeviceGone];

fn class_named(name: &str) -> Result<FaultClass, String> {
    CLASSES.into_iter().find(|class| class.name() == name).ok_or_else(|| {
        let known: Vec<&str> = CLASSES.iter().map(|class| class.name()).collect();
        format!("there is no fault {name:?} that a driver can meet; there are {}", known.join(", "))
    })
}

/// The classes with which a comparison is exhaustive unless others are asked for: within its default limits it comes to its end.
const EXHAUSTIBLE: [FaultClass; 3] = [FaultClass::InvalidId, FaultClass::LostAnswer, FaultClass::Ice];

/// What is known when all is done.
#[derive(Default, Serialize)]
struct Report {
    tree: String,
    compiler: String,
    flags: String,
    cut: Vec<String>,
    shimmed: Vec<String>,
    recognised: Option<Recognised>,
    random: Vec<Random>,
    exhaustive: Vec<Exhaustive>,
    /// Classes of faults with which nothing was compared exhaustively, because nobody asked for them.
    left_out: Vec<&'static str>,
    confirmations: Vec<Confirmed>,
    searches: Vec<Search>,
    /// Processes that died, and what they were at.
    deaths: Vec<(String, Death)>,
    /// What was asked for and was not done, and why.
    not_done: Vec<String>,
}

impl Report {
    /// What the comparison with the Rust driver comes to, if it was run. A difference of the compiler's making is none.
    fn compared(&self) -> Option<Sameness> {
        let random = self.random.iter().map(|random| match (&random.difference, random.by_compiler) {
            (None, _) | (Some(_), Some(true)) => Sameness::Same,
            (Some(_), _) => Sameness::Differs,
        });
        let exhaustive = self.exhaustive.iter().map(|exhaustive| match exhaustive.by_compiler {
            Some(true) => Sameness::Same,
            _ => exhaustive.covered.verdict,
        });
        let all: Vec<Sameness> = random.chain(exhaustive).collect();
        let worst = [Sameness::Differs, Sameness::Unknown].into_iter().find(|worst| all.contains(worst));
        let died = self.deaths.iter().any(|(what, _)| what.starts_with(COMPARE));
        match worst {
            Some(Sameness::Differs) => worst,
            _ if died => Some(Sameness::Unknown),
            _ => worst.or(all.first().copied()),
        }
    }
}

/// How what a comparison is called begins.
const COMPARE: &str = "compare ";

#[derive(Serialize)]
struct Random {
    what: String,
    tally: Tally,
    difference: Option<Difference>,
    /// Whether the difference is gone when the compiler does not optimise.
    by_compiler: Option<bool>,
}

#[derive(Serialize)]
struct Exhaustive {
    what: String,
    #[serde(flatten)]
    covered: Covered,
    by_compiler: Option<bool>,
}

#[derive(Serialize)]
struct Confirmed {
    scenario: String,
    property: &'static str,
    #[serde(flatten)]
    confirmation: Confirmation,
}

#[derive(Serialize)]
struct Search {
    what: String,
    #[serde(flatten)]
    searched: Searched,
    #[serde(skip)]
    timelines: Vec<String>,
}

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    let Some(Asked(args)) = arguments::<Asked>(out)? else { return Ok(Exit::Success) };
    interrupt();
    let plan = Plan::of(&args)?;
    let mut report = Report::default();
    let checked = check(&args, &plan, &mut report);
    if report.tree.is_empty() {
        // Nothing is known of a tree that was not read.
        return match checked {
            Err(why) if cancelled() => {
                complain(format_args!("interrupted: {why}"));
                Ok(Exit::Interrupted)
            }
            Err(why) => Err(Failure::Unusable(why)),
            Ok(()) => Ok(Exit::Success),
        };
    }
    // What is known by then is not lost if something cannot be done.
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        print(out, &report)?;
    }
    if cancelled() {
        return Ok(Exit::Interrupted);
    }
    checked.map_err(Failure::Unusable)?;
    Ok(Exit::success_if(fine(&report)))
}

fn cancelled() -> bool {
    interrupt().load(Ordering::Relaxed)
}

fn fine(report: &Report) -> bool {
    report.deaths.is_empty()
        && report.not_done.is_empty()
        && report.recognised.as_ref().is_none_or(|recognised| recognised.generation.is_some())
        && report.random.iter().all(|random| random.difference.is_none() || random.by_compiler == Some(true))
        && report.exhaustive.iter().all(|e| e.covered.verdict == Sameness::Same || e.by_compiler == Some(true))
        && report.confirmations.iter().all(|confirmed| confirmed.confirmation.confirmed)
        && report.searches.iter().all(|search| search.searched.findings.is_empty())
}

/// The programs that have been compiled, by length; `None`: the tree's own.
struct Programs {
    cut: CutText,
    compiled: BTreeMap<(Option<u16>, bool), Program>,
}

impl Programs {
    fn get(&mut self, length: Length, optimise: Optimise) -> Result<&Program, String> {
        let own = (length != Length::KERNEL).then_some(length);
        self.of(own, optimise)
    }

    fn of(&mut self, length: Option<Length>, optimise: Optimise) -> Result<&Program, String> {
        match self.compiled.entry((length.map(Length::slots), optimise == Optimise::O2)) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(new) => Ok(new.insert(
                Program::compile(&self.cut, length, optimise, &mut |_| !cancelled()).map_err(|e| e.to_string())?,
            )),
        }
    }
}

/// How long C code may go without coming back.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs something in a child that may take so many bytes of memory, with a line of progress.
fn run<T: Serialize + serde::de::DeserializeOwned>(
    report: &mut Report,
    what: &str,
    unit: &str,
    memory: u64,
    f: impl Fn(&Pulse) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if cancelled() {
        return Ok(None);
    }
    let mut line = ProgressLine::new();
    let mut watch = |pulse: &Pulse| {
        let steps = HumanCount(pulse.steps.load(Ordering::Relaxed));
        line.show(&match pulse.silence.load(Ordering::Relaxed) {
            0 | 1 => format!("{what}: {steps} {unit}"),
            seconds => {
                format!("{what}: {steps} {unit}; the process that runs the C has not come along for {seconds} s")
            }
        });
        !cancelled()
    };
    let result = isolated(PATIENCE, memory, &mut watch, f);
    line.clear();
    match result {
        Ok(Ok(value)) => Ok(Some(value)),
        Ok(Err(error)) => Err(error),
        Err(Death::Failed(error)) => Err(error),
        Err(Death::Cancelled) => Ok(None),
        Err(death) => {
            report.deaths.push((what.to_string(), death));
            Ok(None)
        }
    }
}

/// What the arguments come to, known to be possible before the tree is looked at: reading one may take minutes.
struct Plan {
    base: ValidRing,
    /// With which faults every transition is compared, under the rules of the tree.
    compared: Vec<Faults>,
    /// Classes of faults with which nothing is compared exhaustively, because nobody has asked for them.
    left_out: Vec<&'static str>,
    /// With which faults the C is searched.
    searched: Vec<ValidRing>,
    /// What all graphs may take.
    memory: Memory,
    /// What a child may take that keeps a graph: more than the graphs, whose count of bytes is not exact.
    room: u64,
}

impl Plan {
    fn of(args: &Args) -> Result<Plan, Failure> {
        let length = Length::new(args.ring).map_err(Failure::unusable)?;
        let defaults = RingCfg::new(vtd_qi::impl_qi::Rules::G5, args.submitters.into(), args.counts.clone());
        let base = RingCfg { length, fault_check: FaultCheck::Always, ..defaults };
        let valid = |faults| RingCfg { faults, ..base.clone() }.validate().map_err(Failure::unusable);
        let with = |classes: &[FaultClass]| classes.iter().map(|&class| Faults::of([class], 1)).collect::<Vec<_>>();
        let (compared, searched) = match &args.faults {
            Some(classes) => (with(classes), vec![Faults::of(classes.clone(), 1)]),
            None if args.no_faults => (vec![Faults::none()], vec![Faults::none()]),
            None => {
                ([vec![Faults::none()], with(&EXHAUSTIBLE)].concat(), [vec![Faults::none()], with(&CLASSES)].concat())
            }
        };
        for faults in &compared {
            valid(faults.clone())?;
        }
        let is_default = args.faults.is_none() && !args.no_faults;
        let left_out = CLASSES.iter().filter(|class| is_default && !EXHAUSTIBLE.contains(class));
        if args.record.is_some() {
            Confirmations::read(Path::new(CONFIRMED)).map_err(|error| Failure::unusable(unreadable(error)))?;
        }
        let allowed = memory::allowance(args.max_memory, cores())?;
        Ok(Plan {
            base: valid(Faults::none())?,
            compared,
            left_out: left_out.map(|class| class.name()).collect(),
            searched: searched.into_iter().map(valid).collect::<Result<_, _>>()?,
            memory: Memory::of(allowed),
            room: (allowed as u64 / 4 * 5).saturating_add(ROOM),
        })
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn unreadable(error: std::io::Error) -> String {
    format!("{CONFIRMED} cannot be used: {error}")
}

fn check(args: &Args, plan: &Plan, report: &mut Report) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut source = Source::open(&args.linux, interrupt()).map_err(|e| text(&e))?;
    for &rule in &args.edit {
        source = edit(&source, rule).map_err(|e| text(&e))?;
    }
    let cut = cut(&source).map_err(|e| text(&e))?;
    report.tree = source.name();
    report.compiler = compiler().to_string_lossy().into_owned();
    report.flags = flags(Optimise::O2);
    report.cut = cut.names.clone();
    report.shimmed = cut.shimmed.clone();
    let mut programs = Programs { cut, compiled: BTreeMap::new() };

    if let Some(seed) = args.replay {
        return search_all(args, plan, &mut programs, report, Some(seed));
    }
    let wants = |part: Part| args.wants(part);
    let mut generation = None;
    if wants(Part::Recognise) || wants(Part::Compare) || wants(Part::Confirm) {
        programs.of(Length::new(8).ok(), Optimise::O2)?;
        programs.of(None, Optimise::O2)?;
        let (short, real) = (&programs.compiled[&(Some(8), true)], &programs.compiled[&(None, true)]);
        report.recognised =
            run(report, "recognise", "", ROOM, |pulse| recognise(short, Some(real), pulse).map_err(|e| e.to_string()))?;
        generation = report.recognised.as_ref().and_then(|recognised| {
            let name = recognised.generation.as_ref().or(recognised.nearest.as_ref().map(|n| &n.generation))?;
            Generation::named(name)
        });
        if generation.is_none() && !cancelled() {
            let what = "nothing was compared and nothing confirmed: what the tree does was not found out";
            report.not_done.push(what.to_string());
        }
    }
    if let Some(generation) = generation {
        let base = RingCfg { rules: generation.rules, ..RingCfg::clone(&plan.base) };
        if wants(Part::Compare) {
            compare_at_random(args, &base, &mut programs, report)?;
            compare_exhaustively(args, plan, &base, &mut programs, report)?;
        }
        if wants(Part::Confirm) {
            match &args.record {
                None => confirm_smallest(generation, plan, &mut programs, report)?,
                Some(kernel) => record(kernel, generation, plan, &mut programs, report)?,
            }
        }
    }
    if wants(Part::Search) {
        search_all(args, plan, &mut programs, report, None)?;
    }
    Ok(())
}

/// Compares along random schedules, on rings of several lengths.
fn compare_at_random(args: &Args, base: &RingCfg, programs: &mut Programs, report: &mut Report) -> Result<(), String> {
    let hardware = [Hardware::in_order(2), Hardware::pipelined(4)];
    let all_faults = Faults { devices: 2, ..Faults::of(CLASSES, 3) };
    let cases = [
        (6, 2, vec![0, 1], Faults::none(), hardware[0], false),
        (8, 3, vec![0, 1, 2, 3], Faults::none(), hardware[1], true),
        (8, 3, vec![0, 1, 2], all_faults.clone(), hardware[1], false),
        (256, 3, vec![0, 1, 2], all_faults, hardware[1], true),
    ];
    const STEPS: u64 = 2_000_000;
    for (slots, submitters, counts, faults, hardware, scalable) in cases {
        let length = Length::new(slots).map_err(|e| e.to_string())?;
        let what = format!(
            "{submitters} submitters, counts {counts:?}, {slots} slots, {}{}",
            if faults.is_none() { "no faults" } else { "faults of every class" },
            if scalable { ", descriptors of 32 bytes" } else { "" }
        );
        let cfg = RingCfg { length, submitters, counts, faults, hardware, ..base.clone() };
        let cfg = cfg.validate().map_err(|e| e.to_string())?;
        let compare = |optimise, report: &mut Report, programs: &mut Programs| {
            let program = programs.get(length, optimise)?;
            run(report, &format!("{COMPARE}at random: {what}"), "steps", ROOM, |pulse| {
                random(program, &cfg, scalable, args.seed, STEPS, pulse).map_err(|e| e.to_string())
            })
        };
        let Some((tally, difference)) = compare(Optimise::O2, report, programs)? else { continue };
        let by_compiler = match &difference {
            None => None,
            Some(_) => compare(Optimise::O0, report, programs)?.map(|(_, difference)| difference.is_none()),
        };
        report.random.push(Random { what, tally, difference, by_compiler });
    }
    Ok(())
}

/// Compares on every transition: without faults, and with one of each class.
fn compare_exhaustively(
    args: &Args,
    plan: &Plan,
    base: &RingCfg,
    programs: &mut Programs,
    report: &mut Report,
) -> Result<(), String> {
    report.left_out = plan.left_out.clone();
    for faults in plan.compared.iter().cloned() {
        let fault =
            faults.classes.first().map_or("no faults".to_string(), |class| format!("one fault: {}", class.name()));
        let what = format!("{} submitters, counts {:?}, {} slots, {fault}", base.submitters, base.counts, args.ring);
        let cfg = RingCfg { faults, ..base.clone() }.validate().map_err(|e| e.to_string())?;
        let compare = |optimise, report: &mut Report, programs: &mut Programs| {
            let program = programs.get(cfg.length, optimise)?;
            run(report, &format!("{COMPARE}every transition: {what}"), "transitions", plan.room, |pulse| {
                let beat = |states: usize, _: usize| {
                    pulse.beats.fetch_add(1, Ordering::Relaxed);
                    pulse.steps.store(states as u64, Ordering::Relaxed);
                };
                let limits = Limits {
                    max_states: args.max_states as usize,
                    memory: Some(&plan.memory),
                    cancel: Some(&pulse.stop),
                    progress: Some(&beat),
                    ..Limits::default()
                };
                let until = Instant::now() + Duration::from_secs(args.exhaustive_seconds);
                exhaustive(program, &cfg, limits, until, pulse).map_err(|e| e.to_string())
            })
        };
        let Some(covered) = compare(Optimise::O2, report, programs)? else { continue };
        let mut by_compiler = None;
        if covered.verdict == Sameness::Differs {
            // A comparison that was cut does not tell.
            let again = compare(Optimise::O0, report, programs)?.filter(|again| again.verdict != Sameness::Unknown);
            by_compiler = again.map(|again| again.verdict == Sameness::Same);
        }
        report.exhaustive.push(Exhaustive { what, covered, by_compiler });
    }
    Ok(())
}

/// Replays every counterexample that the table's scenarios and the matrix's smallest cells of a generation have.
fn confirm_smallest(
    generation: &Generation,
    plan: &Plan,
    programs: &mut Programs,
    report: &mut Report,
) -> Result<(), String> {
    let (table, matrix) = (Table::embedded(), Matrix::embedded());
    let cells = matrix.cells(Scope::Quick).filter(|cell| cell.is_smallest()).map(|cell| &cell.scenario);
    let scenarios: Vec<Scenario> = table
        .scenarios
        .iter()
        .chain(cells)
        .filter(|s| s.generation == generation.name && s.cfg.rules == generation.rules)
        .filter(|s| s.expected.values().any(|expected| expected.violated))
        .cloned()
        .collect();
    confirm_all(&scenarios, Detail::Verdicts, plan, programs, report, |_, _, _, _| Ok(()))
}

/// Replays the shortest run of every property that some cell of the newest generation violates, and notes what is confirmed.
///
/// What a kernel of that name was said to confirm before and does not now is taken back.
fn record(
    kernel: &str,
    generation: &Generation,
    plan: &Plan,
    programs: &mut Programs,
    report: &mut Report,
) -> Result<(), String> {
    let recognised = report.recognised.as_ref().and_then(|recognised| recognised.generation.as_deref());
    if recognised != Some(NEWEST) {
        let what = recognised.map_or(format!("not recognised, though nearest to {}", generation.name), str::to_string);
        return Err(format!("this tree is {what}, but what --record notes is about {NEWEST}"));
    }
    let file = Path::new(CONFIRMED);
    let mut confirmed = Confirmations::read(file).map_err(unreadable)?;
    let matrix = Matrix::embedded();
    let scenarios: Vec<Scenario> = cells(&matrix).map(violated).collect();
    confirm_all(&scenarios, Detail::Readable, plan, programs, report, |scenario, check, run, is_confirmed| {
        match is_confirmed {
            true => confirmed.add(&scenario.name, check.name(), run, kernel),
            false => confirmed.remove(&scenario.name, check.name(), kernel),
        }
        confirmed.write(file).map_err(unreadable)
    })
}

/// Replays every counterexample of some scenarios, and calls `done` with each and whether it is confirmed.
fn confirm_all(
    scenarios: &[Scenario],
    detail: Detail,
    plan: &Plan,
    programs: &mut Programs,
    report: &mut Report,
    mut done: impl FnMut(&Scenario, Check, &Violation, bool) -> Result<(), String>,
) -> Result<(), String> {
    let mut line = ProgressLine::new();
    let possible: Vec<&Scenario> = scenarios.iter().filter(|scenario| can_be_replayed(scenario)).collect();
    for (i, scenario) in possible.iter().enumerate() {
        if cancelled() {
            return Ok(());
        }
        line.show(&format!("confirm: {} of {} scenarios done; {}", i, possible.len(), scenario.name));
        let limits =
            Limits { threads: cores(), memory: Some(&plan.memory), cancel: Some(interrupt()), ..Limits::default() };
        let checked = verify_with(scenario, limits, detail);
        let unknown = |outcome: &&PropertyReport| {
            outcome.verdict == Verdict::Unknown && outcome.expected == Some(Verdict::Violated) && !cancelled()
        };
        for outcome in checked.properties.iter().filter(unknown) {
            let detail = outcome.detail.as_deref().unwrap_or("the search was cut");
            let (scenario, property) = (&scenario.name, outcome.check.name());
            report.not_done.push(format!("{scenario} {property}: whether it is violated is unknown: {detail}"));
        }
        for outcome in checked.properties.iter().filter(|outcome| outcome.verdict == Verdict::Violated) {
            let Some(violation) = &outcome.counterexample else { continue };
            let program = programs.get(scenario.cfg.length, Optimise::O2)?;
            let what = format!("confirm {} {}", scenario.name, outcome.check.name());
            let confirmation = run(report, &what, "steps", ROOM, |pulse| {
                confirm(program, &scenario.cfg, &violation.actions, violation.repeating, pulse)
                    .map_err(|e| e.to_string())
            })?;
            let Some(confirmation) = confirmation else { continue };
            done(scenario, outcome.check, violation, confirmation.confirmed)?;
            let (scenario, property) = (scenario.name.clone(), outcome.check.name());
            report.confirmations.push(Confirmed { scenario, property, confirmation });
        }
    }
    line.clear();
    Ok(())
}

fn search_all(
    args: &Args,
    plan: &Plan,
    programs: &mut Programs,
    report: &mut Report,
    seed: Option<u64>,
) -> Result<(), String> {
    let strategies = match args.strategy {
        Some(Picks::Random) => vec![Strategy::Random],
        Some(Picks::Pct) => vec![Strategy::Pct { changes: 3 }],
        None => vec![Strategy::Random, Strategy::Pct { changes: 3 }],
    };
    let grains = match args.grain {
        Some(Grains::Every) => vec![StopGrain::Every],
        Some(Grains::Visible) => vec![StopGrain::Visible],
        Some(Grains::Coarse) => vec![StopGrain::Coarse],
        None => vec![StopGrain::Every, StopGrain::Coarse],
    };
    let program = programs.get(plan.base.length, Optimise::O2)?;
    for cfg in &plan.searched {
        let faults = &cfg.faults;
        for &strategy in &strategies {
            for &grain in &grains {
                if cancelled() {
                    return Ok(());
                }
                let names: Vec<&str> = faults.classes.iter().map(|class| class.name()).collect();
                let what = format!(
                    "{}, {}, {}",
                    match strategy {
                        Strategy::Random => "random",
                        Strategy::Pct { .. } => "PCT",
                    },
                    match grain {
                        StopGrain::Every => "every access",
                        StopGrain::Visible => "visible accesses",
                        StopGrain::Coarse => "lock, registers, relaxing",
                    },
                    if names.is_empty() {
                        "no faults".to_string()
                    } else {
                        format!("one fault: {}", names.join(" or "))
                    }
                );
                let search_cfg = SearchCfg {
                    submitters: cfg.submitters,
                    requests: cfg.requests().to_vec(),
                    calls: 4,
                    hardware: cfg.hardware,
                    faults: faults.clone(),
                    strategy,
                    limit: 5_000,
                };
                one_search(args, program, &search_cfg, grain, what, report, seed)?;
            }
        }
    }
    Ok(())
}

/// One way of searching, or one seed of it again.
fn one_search(
    args: &Args,
    program: &Program,
    cfg: &SearchCfg,
    grain: StopGrain,
    what: String,
    report: &mut Report,
    seed: Option<u64>,
) -> Result<(), String> {
    let before = report.deaths.len();
    let length = Duration::from_secs(args.seconds);
    let searched = run(report, &format!("search: {what}"), "steps", ROOM, |pulse| {
        let mut machine = Machine::new(program, cfg.submitters, grain, false).map_err(|e| e.to_string())?;
        let started = Instant::now();
        Ok(match seed {
            None => search(&mut machine, cfg, args.seed, pulse, |so_far| {
                so_far.runs % 16 == 0 && started.elapsed() >= length && so_far.runs > 0
            }),
            Some(seed) => {
                pulse.seed.store(seed, Ordering::Relaxed);
                let findings: Vec<SearchFinding> = replay(&mut machine, cfg, seed).into_iter().collect();
                Searched { runs: 1, hits: findings.len() as u64, findings, ..Searched::default() }
            }
        })
    })?;
    let Some(mut searched) = searched else {
        // It died: the seed that it was at is run again, and each step written down before it is made.
        if let Some((_, death)) = report.deaths.get(before).cloned() {
            let Some(seed) = death.by_the_code() else { return Ok(()) };
            let timeline = last_steps(program, cfg, grain, seed)?;
            let death = death.to_string();
            let finding = SearchFinding {
                found: FoundKind::Crash,
                detail: death,
                seed,
                steps: (0, 0),
                repeated: 0,
                schedule: Vec::new(),
            };
            let searched = Searched { runs: 1, hits: 1, findings: vec![finding], ..Searched::default() };
            report.searches.push(Search { what, searched, timelines: vec![timeline] });
        }
        return Ok(());
    };
    let mut timelines = Vec::new();
    for finding in &mut searched.findings {
        let drawn = run(report, "draw", "", ROOM, |_| {
            let mut machine = Machine::new(program, cfg.submitters, grain, false).map_err(|e| e.to_string())?;
            Ok(draw(&mut machine, cfg, &finding.schedule).to_string())
        })?;
        timelines.push(drawn.unwrap_or_default());
    }
    report.searches.push(Search { what, searched, timelines });
    Ok(())
}

/// The last steps of a run that kills its process.
fn last_steps(program: &Program, cfg: &SearchCfg, grain: StopGrain, seed: u64) -> Result<String, String> {
    vtd_qi_kernel::last_steps(program, cfg, grain, seed, 40).map_err(|e| e.to_string())
}

fn count(n: u64) -> String {
    HumanCount(n).to_string()
}

fn print(out: &mut Output, report: &Report) -> std::io::Result<()> {
    writeln!(out, "{}", report.tree)?;
    writeln!(out, "  {} definitions cut, {} names from the shim", report.cut.len(), report.shimmed.len())?;
    writeln!(out, "  compiled with {} {}", report.compiler, report.flags)?;
    if let Some(recognised) = &report.recognised {
        print_recognised(out, recognised, report.compared())?;
    }
    if !report.random.is_empty() || !report.exhaustive.is_empty() {
        writeln!(out, "\nsame program: the C and the Rust driver, access by access")?;
    }
    report.random.iter().try_for_each(|random| print_random(out, random))?;
    report.exhaustive.iter().try_for_each(|exhaustive| print_exhaustive(out, exhaustive))?;
    for class in &report.left_out {
        writeln!(out, "  left out one fault: {class}: not compared exhaustively unless --faults {class} asks for it")?;
    }
    if !report.confirmations.is_empty() {
        writeln!(out, "\ncounterexamples of the model, replayed on the C")?;
    }
    report.confirmations.iter().try_for_each(|confirmed| print_confirmed(out, confirmed))?;
    if !report.searches.is_empty() {
        writeln!(out, "\ndirect search on the C")?;
    }
    report.searches.iter().try_for_each(|search| print_search(out, search))?;
    for (what, death) in &report.deaths {
        writeln!(out, "\n{what}: {death}")?;
    }
    for what in &report.not_done {
        writeln!(out, "\n{what}")?;
    }
    Ok(())
}

fn print_random(out: &mut Output, random: &Random) -> std::io::Result<()> {
    let said = if random.difference.is_some() { "DIFFERS" } else { "same" };
    writeln!(
        out,
        "  {said:<8} {}: {} steps at random{}",
        random.what,
        count(random.tally.steps),
        notes(&random.tally)
    )?;
    print_difference(out, random.difference.as_ref(), random.by_compiler)
}

fn print_exhaustive(out: &mut Output, exhaustive: &Exhaustive) -> std::io::Result<()> {
    let Exhaustive { what, covered, by_compiler } = exhaustive;
    let said = match covered.verdict {
        Sameness::Same => "same",
        Sameness::Differs => "DIFFERS",
        Sameness::Unknown => "unknown",
    };
    let edges = count(covered.edges as u64);
    let of = match covered.whole {
        true => format!("{edges} transitions ({:.1} %)", covered.share()),
        false => format!("at least {edges} transitions"),
    };
    writeln!(
        out,
        "  {said:<8} {what}: {} of {of}, {} paths, {} steps, {:.1} s{}{}",
        count(covered.covered as u64),
        count(covered.paths as u64),
        count(covered.tally.steps),
        covered.seconds.0 + covered.seconds.1,
        notes(&covered.tally),
        covered.why.as_ref().map_or(String::new(), |why| format!("; {why}"))
    )?;
    print_difference(out, covered.difference.as_ref(), *by_compiler)
}

fn print_confirmed(out: &mut Output, confirmed: &Confirmed) -> std::io::Result<()> {
    let Confirmed { scenario, property, confirmation } = confirmed;
    let said = if confirmation.confirmed { "confirmed" } else { "REFUTED" };
    let (stem, lap) = confirmation.steps;
    let waiting: Vec<String> = confirmation.waiting.iter().map(|t| format!("T{}", t + 1)).collect();
    let laps = match lap {
        0 => String::new(),
        _ => format!(
            ", then the loop of {lap} {} times; {} in the call",
            count(confirmation.laps.into()),
            waiting.join(" and ")
        ),
    };
    writeln!(out, "  {said:<9} {scenario} {property}: {stem} steps{laps}")?;
    print_difference(out, confirmation.difference.as_ref(), None)
}

fn print_search(out: &mut Output, search: &Search) -> std::io::Result<()> {
    let Search { what, searched, timelines } = search;
    writeln!(
        out,
        "  {what}: {} runs, {} steps of the C ({:.1} million a second), {} of hardware; {}",
        count(searched.runs),
        count(searched.steps),
        searched.rate() / 1e6,
        count(searched.hardware_steps),
        match searched.hits {
            0 => "nothing found".to_string(),
            hits => format!("FOUND something in {} runs", count(hits)),
        }
    )?;
    for (finding, timeline) in searched.findings.iter().zip(timelines) {
        writeln!(
            out,
            "\n  {}: {}; seed {}, {} steps shrunk to {}{}\n",
            finding.found.name(),
            finding.detail,
            finding.seed,
            finding.steps.0,
            finding.steps.1,
            if finding.repeated > 0 {
                format!("; then {} rounds without a change", count(finding.repeated.into()))
            } else {
                String::new()
            }
        )?;
        writeln!(out, "{timeline}")?;
    }
    Ok(())
}

fn print_recognised(out: &mut impl Write, recognised: &Recognised, compared: Option<Sameness>) -> std::io::Result<()> {
    match (&recognised.generation, &recognised.nearest) {
        (Some(name), _) => {
            let what = Generation::named(name).map_or("", |generation| generation.what);
            let probes = recognised.probes;
            let but = match compared {
                Some(Sameness::Same) => {
                    return writeln!(out, "  recognised as {name} ({what}): {probes} probes and the comparison agree");
                }
                Some(Sameness::Differs) => "the comparison does not",
                Some(Sameness::Unknown) => "the comparison was not finished",
                None => "the comparison was not run",
            };
            writeln!(out, "  the {probes} probes agree with {name} ({what}); {but}")
        }
        (None, Some(nearest)) => {
            writeln!(
                out,
                "  UNKNOWN, differs from {} at {:?} ({} of {} probes differ)",
                nearest.generation, nearest.probe, nearest.differs, recognised.probes
            )?;
            writeln!(out, "    {}: {}", nearest.generation, nearest.expected.join(", "))?;
            writeln!(out, "    the tree: {}", nearest.found.join(", "))
        }
        (None, None) => writeln!(out, "  UNKNOWN"),
    }
}

/// What is to be said beside a number of steps.
fn notes(tally: &Tally) -> String {
    let mut notes = String::new();
    if tally.merged > 0 {
        notes += &format!("; {} repeated reads merged by the compiler", count(tally.merged));
    }
    if tally.repeated > 0 {
        notes += &format!("; {} repeated reads that the model makes once", count(tally.repeated));
    }
    if tally.iqer > 0 {
        notes += &format!("; {} reads of IQER in the model only, where nothing depends on it", count(tally.iqer));
    }
    if tally.saturated > 0 {
        notes += &format!("; {} runs ended where free_cnt exceeds QI_LENGTH", count(tally.saturated));
    }
    notes
}

fn print_difference(
    out: &mut impl Write,
    difference: Option<&Difference>,
    by_compiler: Option<bool>,
) -> std::io::Result<()> {
    let Some(difference) = difference else { return Ok(()) };
    let compiler = match by_compiler {
        Some(true) => " (caused by the compiler's optimisation: gone at -O0)",
        Some(false) => " (there at -O0 too: not the compiler's doing)",
        None => "",
    };
    writeln!(out, "\n  first difference: {difference}{compiler}\n\n{}", difference.timeline)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each option is tried with, and which parts (r, c, f, s: the four of `--only`; p: `--replay`) it means something for.
    const TRIED: [(&str, &str, &str); 18] = [
        ("linux", "x", ""),
        ("only", "search", ""),
        ("edit", "retry", "rcfsp"),
        ("ring", "8", "csp"),
        ("submitters", "2", "csp"),
        ("counts", "0,1", "csp"),
        ("seed", "5", "cs"),
        ("seconds", "2", "s"),
        ("exhaustive-seconds", "2", "c"),
        ("max-states", "9", "c"),
        ("max-memory", "2M", "cf"),
        ("strategy", "pct", "sp"),
        ("grain", "coarse", "sp"),
        ("faults", "ice", "csp"),
        ("no-faults", "", "csp"),
        ("replay", "1", ""),
        ("record", "6.1", "f"),
        ("json", "", "rcfsp"),
    ];

    fn words(option: &str, value: &str) -> Vec<String> {
        let value = Some(value.to_string()).filter(|value| !value.is_empty());
        std::iter::once(format!("--{option}")).chain(value).collect()
    }

    fn accepted(words: &[String]) -> Result<(), String> {
        let start = ["kernel", "--linux", "x"].map(String::from);
        Asked::try_parse_from(start.iter().chain(words)).map(|_| ()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_pair_of_options_is_applied_or_refused() {
        let mut known: Vec<String> =
            Args::command().get_arguments().filter_map(|arg| arg.get_long().map(String::from)).collect();
        known.retain(|name| !matches!(name.as_str(), "help" | "version"));
        let mut tried: Vec<&str> = TRIED.iter().map(|(option, ..)| *option).collect();
        known.sort();
        tried.sort();
        assert_eq!(known, tried);
        let tried = || TRIED.iter().filter(|(.., parts)| !parts.is_empty());
        let parts = [("r", "recognise"), ("c", "compare"), ("f", "confirm"), ("s", "search")];
        let parts = parts.map(|(letter, name)| (letter, words("only", name)));
        for (letter, asked) in parts.into_iter().chain([("p", words("replay", "1"))]) {
            for (a, value_a, parts_a) in tried() {
                let one = [asked.clone(), words(a, value_a)].concat();
                let result = accepted(&one);
                assert_eq!(result.is_ok(), parts_a.contains(letter), "{one:?}: {result:?}");
                for (b, value_b, parts_b) in tried().filter(|(b, ..)| a != b) {
                    let two = [one.clone(), words(b, value_b)].concat();
                    let clash = ["faults", "no-faults"].contains(a) && ["faults", "no-faults"].contains(b);
                    let meant = parts_a.contains(letter) && parts_b.contains(letter) && !clash;
                    let result = accepted(&two);
                    assert_eq!(result.is_ok(), meant, "{two:?}: {result:?}");
                }
            }
        }
        assert!(accepted(&[words("replay", "1"), words("only", "search")].concat()).is_err());
        let said = accepted(&[words("ring", "8"), words("only", "recognise")].concat()).unwrap_err();
        assert!(said.contains("--ring means nothing for what --only names"), "{said}");
    }

    #[test]
    fn no_list_has_a_value_twice() {
        for (option, value) in [("only", "search"), ("edit", "retry"), ("counts", "0"), ("faults", "ice")] {
            assert_eq!(accepted(&words(option, value)), Ok(()));
            let comma = words(option, &format!("{value},{value}"));
            for twice in [comma, [words(option, value), words(option, value)].concat()] {
                let said = accepted(&twice).unwrap_err();
                assert!(said.contains(&format!("--{option} {value} is given twice\n")), "{twice:?}: {said}");
            }
        }
    }

    #[test]
    fn numbers_that_no_clock_can_hold_are_refused() {
        for option in ["seconds", "exhaustive-seconds"] {
            for (value, fine) in [("0", true), ("604800", true), ("604801", false), ("18446744073709551615", false)] {
                let result = accepted(&words(option, value));
                assert_eq!(result.is_ok(), fine, "{option} {value}: {result:?}");
            }
        }
        assert!(accepted(&words("max-memory", "much")).unwrap_err().contains("no size like 500M"));
        for option in ["seed", "replay"] {
            assert_eq!(accepted(&words(option, "18446744073709551615")), Ok(()));
        }
    }
}
