//! Runs the models of spec/ under TLC and in Rust, and prints both sides next to each other.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use thiserror::Error;
use vtd_qi_terminal::{arguments, Exit, Failure, Output};
use vtd_qi_twin::{
    race, replay, trace_module, Entry, Manifest, Model, Pairer, Pairing, Property, Race, Selection, Side, Theirs, Tlc,
    TwinError, Verdict,
};

/// Pair the TLA+ specifications of spec/ with the Rust: states, transitions, depth, verdicts, counterexamples.
#[derive(Parser)]
#[command(after_help = "\
Examples:
  tlc                                     every model, side by side
  tlc --graph spec-c01-3 graph-g4-fifo    two of them, state for state
  tlc my.cfg                              constants of one's own
  tlc my.cfg --from-trace trace.json      execute what TLC wrote with -dumpTrace json trace.json
  tlc --bench                             how long each side takes
  tlc g3-c01-2x4 --to-trace NoSlotLeak    a Rust counterexample as a module that TLC walks

TLC is the jar of --jar, else of TLA2TOOLS_JAR, else the command tlc on the PATH; Java 11 or newer. Where there is
no TLC, what was built with --features tla-checker runs the embedded checker, and says what only TLC checks.

Exit code: 0 the sides agree, 1 they differ, 2 unusable arguments, files or TLC.")]
struct Args {
    /// Names of models, or .cfg files; all models if none is named
    #[arg(value_name = "MODEL")]
    models: Vec<String>,
    /// The jar of TLC
    #[arg(long, value_name = "FILE")]
    jar: Option<PathBuf>,
    /// The directory of the specifications
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec"), hide_default_value = true)]
    spec: PathBuf,
    /// Compare the whole graphs: states, initial states, labelled transitions
    #[arg(long)]
    graph: bool,
    /// Worker threads of TLC; with more than one its depth means nothing and is not compared
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// Time both sides, two threads or workers each: the named models, or two made for it
    #[arg(long, conflicts_with_all = ["graph", "write_manifest"])]
    bench: bool,
    /// When --bench gives TLC up
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "bench")]
    limit: u64,
    /// Without TLC: how many states a model may have that the embedded checker is to run
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    embedded_states: usize,
    /// List the models, and the scenarios that have none
    #[arg(long)]
    list: bool,
    /// Write the .cfg files of the scenario table, and the manifest's Rust side where it has changed
    #[arg(long)]
    write_models: bool,
    /// Write to the manifest, with this date, that TLC has confirmed the models on which the sides agree
    #[arg(long, value_name = "DATE")]
    write_manifest: Option<String>,
    /// Execute a JSON trace of TLC on the Rust, step by step
    #[arg(long, value_name = "FILE", requires = "models")]
    from_trace: Option<PathBuf>,
    /// Print the Rust's counterexample to a property as a module for TLC
    #[arg(long, value_name = "PROPERTY", requires = "models", conflicts_with = "from_trace")]
    to_trace: Option<String>,
}

fn main() -> ExitCode {
    vtd_qi_terminal::run(program)
}

fn program(out: &mut Output) -> Result<Exit, Failure> {
    let Some(args) = arguments::<Args>(out)? else { return Ok(Exit::Success) };
    match pair(&args, out) {
        Ok(agree) => Ok(Exit::success_if(agree)),
        Err(Trouble::Twin(error)) => Err(Failure::unusable(error)),
        Err(Trouble::Output(error)) => Err(error.into()),
    }
}

/// What can go wrong beside a difference.
#[derive(Debug, Error)]
enum Trouble {
    #[error(transparent)]
    Twin(#[from] TwinError),
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// Whether the sides agree.
fn pair(args: &Args, out: &mut Output) -> Result<bool, Trouble> {
    let selection = Model::all();
    let manifest_file = args.spec.join("manifest.json");
    if args.write_models {
        selection.write(&args.spec.join("models"))?;
        let mut manifest = Manifest::read(&manifest_file)?;
        manifest.update(&selection, &args.spec)?;
        manifest.write(&manifest_file)?;
        print_unconfirmed(out, &manifest)?;
        return Ok(true);
    }
    if args.list {
        list(out, &selection)?;
        return Ok(true);
    }
    let models = chosen(args, &selection)?;
    if let Some(trace) = &args.from_trace {
        return show_trace(out, trace, &models);
    }
    if let Some(property) = &args.to_trace {
        return print_module(out, property, &models);
    }
    selection.check_files(&args.spec.join("models"))?;
    let Some(tlc) = Tlc::find(args.jar.as_deref(), &args.spec)? else {
        return without_tlc(out, args, &selection, &models);
    };
    if args.bench {
        let models = if args.models.is_empty() { Model::benches() } else { models };
        return bench(out, &tlc, &models, Duration::from_secs(args.limit)).map(|()| true);
    }
    let mut manifest = Manifest::read(&manifest_file)?;
    manifest.check_models(&manifest_file, &selection)?;
    let mut pairer = Pairer::new(&tlc, args.workers.into(), args.graph);
    let mut different = 0;
    for model in &models {
        let pairing = pairer.pair(model)?;
        print(out, model, &pairing)?;
        different += usize::from(!pairing.differences.is_empty());
        if selection.find(&model.name).is_none() {
            continue;
        }
        manifest.check_side(&manifest_file, model, &pairing.ours)?;
        if let (Some(date), true) = (&args.write_manifest, pairing.differences.is_empty()) {
            manifest.0.insert(model.name.clone(), Entry::paired(model, &pairing, date, &args.spec)?);
            manifest.write(&manifest_file)?;
        }
    }
    writeln!(out, "{} models, {different} with differences", models.len())?;
    if args.models.is_empty() {
        print_left_out(out, &selection)?;
        print_unconfirmed(out, &manifest)?;
    }
    Ok(different == 0)
}

/// Pairs with the embedded checker, as far as that goes.
#[cfg(feature = "tla-checker")]
fn without_tlc(out: &mut Output, args: &Args, selection: &Selection, models: &[Model]) -> Result<bool, Trouble> {
    use vtd_qi_twin::{Embedded, EmbeddedPairing, ONLY_TLC};

    if args.bench || args.write_manifest.is_some() {
        let what =
            "--bench and --write-manifest need TLC, and there is none: name its jar with --jar or TLA2TOOLS_JAR, \
                    or put the command tlc on the PATH";
        return Err(TwinError::NoTlc(what.into()).into());
    }
    let manifest_file = args.spec.join("manifest.json");
    let manifest = Manifest::read(&manifest_file)?;
    manifest.check_models(&manifest_file, selection)?;
    writeln!(out, "there is no TLC; the embedded checker is the crate tla-checker")?;
    let mut embedded = Embedded::new(&args.spec, args.embedded_states)?;
    let (mut different, mut run) = (0, 0);
    for model in models {
        let EmbeddedPairing { ours, theirs, not_run, differences } = embedded.pair(model)?;
        if selection.find(&model.name).is_some() {
            manifest.check_side(&manifest_file, model, &ours)?;
        }
        if let Some(theirs) = &theirs {
            print_sides(out, model, &ours, theirs, "embedded")?;
            run += 1;
        }
        for (what, why) in &not_run {
            writeln!(out, "{}not run  {what}: {why}", if theirs.is_some() { "    " } else { "" })?;
        }
        print_differences(out, &differences)?;
        different += usize::from(!differences.is_empty());
    }
    writeln!(out, "{} models, {run} of them run by the embedded checker, {different} with differences", models.len())?;
    writeln!(out, "not run, since only TLC checks it: {ONLY_TLC}")?;
    Ok(different == 0)
}

#[cfg(not(feature = "tla-checker"))]
fn without_tlc(_: &mut Output, _: &Args, _: &Selection, _: &[Model]) -> Result<bool, Trouble> {
    let what =
        "there is no TLC: name its jar with --jar or TLA2TOOLS_JAR, put the command tlc on the PATH, or build with \
                --features tla-checker for the embedded checker";
    Err(TwinError::NoTlc(what.into()).into())
}

fn chosen(args: &Args, selection: &Selection) -> Result<Vec<Model>, TwinError> {
    if args.models.is_empty() {
        return Ok(selection.models.clone());
    }
    let find = |name: &String| match selection.find(name) {
        Some(model) => Ok(model.clone()),
        None if name.ends_with(".cfg") => Model::read(Path::new(name)),
        None => Err(TwinError::Model(format!(
            "there is no model {name}; --list shows them, and a file's name ends in .cfg"
        ))),
    };
    args.models.iter().map(find).collect()
}

fn list(out: &mut Output, selection: &Selection) -> io::Result<()> {
    for model in &selection.models {
        writeln!(out, "{:<60} {} {}", model.name, model.subject.module(), model.specification())?;
    }
    print_left_out(out, selection)
}

fn print_unconfirmed(out: &mut Output, manifest: &Manifest) -> io::Result<()> {
    let names: Vec<_> = manifest.unconfirmed().collect();
    let (all, confirmed) = (manifest.0.len(), manifest.0.len() - names.len());
    writeln!(out, "the manifest has {all} models, and TLC has confirmed {confirmed} of them")?;
    if !names.is_empty() {
        writeln!(out, "not confirmed: {}", names.join(", "))?;
    }
    Ok(())
}

fn print_left_out(out: &mut Output, selection: &Selection) -> io::Result<()> {
    for (name, why) in &selection.left_out {
        writeln!(out, "{name}: no twin, since it has {why}")?;
    }
    Ok(())
}

fn print(out: &mut Output, model: &Model, pairing: &Pairing) -> io::Result<()> {
    print_sides(out, model, &pairing.ours, &pairing.theirs, "TLC")?;
    if pairing.crossed > 0 {
        writeln!(out, "    the counterexamples of each side are runs of the other")?;
    }
    print_differences(out, &pairing.differences)
}

fn print_sides(out: &mut Output, model: &Model, ours: &Side, theirs: &Theirs, checker: &str) -> io::Result<()> {
    let number = |n: Option<usize>| n.map_or("-".to_string(), |n| n.to_string());
    writeln!(out, "{} ({} of {})", model.name, model.specification(), model.subject.module())?;
    writeln!(out, "             {:>10} {:>12} {:>6} {:>9}", "states", "transitions", "depth", "seconds")?;
    writeln!(out, "    Rust     {:>10} {:>12} {:>6} {:>9.2}", ours.states, ours.transitions, ours.depth, ours.seconds)?;
    let (transitions, depth) = (number(theirs.transitions), number(theirs.depth));
    let generated = theirs.generated.map_or(String::new(), |n| format!("   {n} generated"));
    writeln!(
        out,
        "    {checker:<8} {:>10} {transitions:>12} {depth:>6} {:>9.2}{generated}",
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

fn bench(out: &mut Output, tlc: &Tlc, models: &[Model], limit: Duration) -> Result<(), Trouble> {
    for model in models {
        let Race { ours, theirs, limit } = race(tlc, model, limit)?;
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
    }
    Ok(())
}

fn show_trace(out: &mut Output, file: &Path, models: &[Model]) -> Result<bool, Trouble> {
    let [model] = models else {
        return Err(TwinError::Model(format!("a trace is of 1 model, and {} are named", models.len())).into());
    };
    let replayed = replay(file, &model.subject)?;
    if let Some(timeline) = &replayed.timeline {
        write!(out, "{timeline}")?;
    }
    writeln!(out, "executed: {} steps, then a loop of {}", replayed.stem, replayed.repeating)?;
    Ok(true)
}

fn print_module(out: &mut Output, property: &str, models: &[Model]) -> Result<bool, Trouble> {
    let [model] = models else {
        return Err(TwinError::Model(format!("a counterexample is of 1 model, and {} are named", models.len())).into());
    };
    let wanted = Property::of(&model.subject).into_iter().find(|known| known.name() == property);
    let wanted = wanted.ok_or_else(|| TwinError::Model(format!("{} has no property {property}", model.name)))?;
    match trace_module(model, wanted)? {
        Some(module) => write!(out, "{}", module.tla)?,
        None => writeln!(out, "{property} {} in {}", Verdict::Holds, model.name)?,
    }
    Ok(true)
}
