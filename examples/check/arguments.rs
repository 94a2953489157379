//! The command line: its options, and where each of them means something.
//!
//! What is typed decides on a [`Mode`]; [`modes`] says of every option in which modes it means something. Elsewhere it is refused:
//! no option is accepted and ignored.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, Error, FromArgMatches, Parser, ValueEnum};
use vtd_qi_subject::{CONFIGURATION, ConfigurationArgs};
use vtd_qi_terminal::Color;

/// Check the model of VT-d queued invalidation: safety, refinement, liveness under fairness.
#[derive(Parser)]
#[command(
    name = "check",
    after_help = "\
Examples:
  check                           what was found, in one screen
  check g3-c01                    one family: the 2024 lockup, its timeline
  check --verbose                 every scenario with every verdict: a table
  check g3-patch --html run.html  the same as a page to step through and send
  check --list                    what there is
  check g4-c01-2x4 --rule reclaim=never
                                  a scenario as a starting point: options
                                  replace what it says
  check --generation g3 --submitters 2 --counts 0,1 --ring 8 --lock fifo
  check --generation g5 --fault lost-answer --slots fair --depth 4
  check --faults                  every generation under every class of faults
  check --faults g5plus --full    a part of it, as far as 20 million states
  check g5-lost-answer-in-order-drop-2x4
                                  one cell of it, its timelines
  check --mutants                 what notices an altered rule, fairness or
                                  hardware
  check g3-c01-2x4 --from-tlc trace.json
                                  execute and draw what TLC wrote with
                                  -dumpTrace json

Exit code: 0 everything is decided and as expected; 1 something is not, or is unknown; 2 the arguments, a file or the \
machine cannot be used; 130 interrupted. A scenario or a cell is judged by what its row of the table expects, and a \
property that the row does not list is expected to hold. A cell that was searched as far as the matrix goes may leave \
something unknown. A configuration made with options has no row: every property that was asked is expected to hold, unless \
--expect says otherwise.

`git bisect run check --generation g4 ...` looks for the first commit at which something is violated; --expect violated \
for the first at which nothing is."
)]
pub struct Args {
    /// Scenarios, families or cells of the matrix; all scenarios if none is named. With --faults cells, or the beginnings of their
    /// names. With options of a configuration one scenario or cell, whose configuration they change
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// The verdict matrix: every generation under every class of faults
    #[arg(long)]
    pub faults: bool,
    /// With --faults: search further; the larger sizes too, two faults, two devices. Finished cells are kept and taken up again
    #[arg(long)]
    pub full: bool,
    /// With --faults: keep finished cells in this file and do not check them again; with --full vtd-qi-faults.jsonl if left out
    #[arg(long, value_name = "FILE")]
    pub keep: Option<PathBuf>,
    /// Mutants: rules, fairness and hardware altered one at a time, and which property notices
    #[arg(long)]
    pub mutants: bool,
    /// Print docs/findings.md, what the newest driver does under faults, or the list of its cells; all is found anew
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, default_missing_value = "summary")]
    pub findings: Option<Wanted>,
    /// List scenarios, generations, properties, rules with their values, and the cells of the matrix, instead of checking
    #[arg(long)]
    pub list: bool,
    /// Read the scenario table from a file instead of the embedded one
    #[arg(long, value_name = "FILE")]
    pub scenarios: Option<PathBuf>,
    /// The configuration that is changed or begun with a generation.
    #[command(flatten)]
    pub configuration: ConfigurationArgs,
    /// What every property that was asked of the configuration is to do: with `violated`, exit code 0 says that at least one is
    /// violated, and 1 that none is or that nobody knows; holds if left out
    #[arg(long, value_enum, value_name = "VERDICT", help_heading = CONFIGURATION)]
    pub expect: Option<Expect>,
    /// Properties to check, by name or by code; if none is named those of the scenario's row, and of a configuration all that are promised there:
    /// without --slots fair not that a call which waits for slots ever gets them
    #[arg(long = "property", value_name = "NAME")]
    pub properties: Vec<String>,
    /// Execute an error trace of TLC (`-dumpTrace json FILE`) on the ring of the one named scenario or configuration, and draw it
    #[arg(long, value_name = "FILE")]
    pub from_tlc: Option<PathBuf>,
    /// Which counterexamples to draw. If left out, of up to 4 scenarios liveness-and-refinement, of more a single one, and of a
    /// configuration made with options or of properties that were named each run once
    #[arg(long, value_enum)]
    pub timelines: Option<Timelines>,
    /// Print the table: a row for each scenario, a column for each property
    #[arg(long)]
    pub verbose: bool,
    /// How many columns the output may have, 40 to 500; as many as the terminal has if left out, and 100 in a file or a pipe.
    /// Timelines have lanes from 110 columns on, and below 90 two lines a step
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(40..=500))]
    pub width: Option<u16>,
    /// When to use colour; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Give a scenario up when it has more states than this; as many as fit into memory if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_states: Option<u32>,
    /// How much memory all searches together may take, like 500M or 2G; three quarters of what is available if left out. The program
    /// itself takes up to 64 MB beside that
    #[arg(long, value_name = "SIZE", value_parser = vtd_qi_terminal::memory::size)]
    pub max_memory: Option<ByteSize>,
    /// Worker threads; as many as there are cores if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Write the results to FILE as a page that needs no network, has less than 1 MB and steps through the runs
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print the results as JSON, and nothing else, on standard output
    #[arg(long)]
    pub json: bool,
}

/// Which of the files of findings.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wanted {
    /// docs/findings.md
    Summary,
    /// the list of its cells
    Cells,
}

/// What is expected of a configuration made with options.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Expect {
    /// That every property holds.
    Holds,
    /// That at least one is violated.
    Violated,
}

/// Which counterexamples are drawn.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Timelines {
    None,
    LivenessAndRefinement,
    All,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Check scenarios by their rows of the table.
    Scenarios,
    /// Check a configuration made with options.
    Own,
    /// The verdict matrix.
    Faults,
    /// The mutants.
    Mutants,
    /// The findings.
    Findings,
    /// List what there is.
    List,
    /// Execute and draw a trace of TLC.
    Trace,
}

/// The options that ask for a mode, by their fields of [`Args`]; at most one can be given.
const SWITCHES: [(&str, Mode); 5] = [
    ("faults", Mode::Faults),
    ("mutants", Mode::Mutants),
    ("findings", Mode::Findings),
    ("list", Mode::List),
    ("from_tlc", Mode::Trace),
];

impl Mode {
    /// What it is, in the words of a message.
    fn name(self) -> &'static str {
        match self {
            Mode::Scenarios => "scenarios of the table",
            Mode::Own => "a configuration made with options, which begins with --generation or the NAME of a scenario",
            Mode::Faults => "--faults, which checks the verdict matrix",
            Mode::Mutants => "--mutants, which shows what notices an altered rule",
            Mode::Findings => "--findings, which prints what the newest driver does under faults",
            Mode::List => "--list, which checks nothing and lists what there is",
            Mode::Trace => "--from-tlc, which draws the one run that a file holds",
        }
    }

    /// The option that asks for it, by its field of [`Args`], if a single one does.
    fn switch(self) -> Option<&'static str> {
        SWITCHES.iter().find(|(_, mode)| *mode == self).map(|(option, _)| *option)
    }

    /// The mode that the options mean which were given.
    fn of(given: &[&str]) -> Mode {
        match SWITCHES.iter().find(|(option, _)| given.contains(option)) {
            Some((_, mode)) => *mode,
            None if given.iter().any(|option| is_of_configuration(option)) => Mode::Own,
            None => Mode::Scenarios,
        }
    }
}

/// In which modes an option means something, by its field of [`Args`]. `None`: nobody has decided yet, and it is refused.
pub fn modes(option: &str) -> Option<&'static [Mode]> {
    use Mode::{Faults, Findings, List, Mutants, Own, Scenarios, Trace};
    Some(match option {
        "names" => &[Scenarios, Own, Faults, List, Trace],
        "faults" | "full" | "keep" => &[Faults],
        "mutants" => &[Mutants],
        "findings" => &[Findings],
        "list" => &[List],
        "from_tlc" => &[Trace],
        "scenarios" => &[Scenarios, Own, List, Trace],
        "generation" | "rules" | "submitters" | "counts" | "ring" | "lock" | "hardware" | "depth" | "handout"
        | "fault" | "bound" | "devices" | "itesid" | "after_ite" | "fault_check" => &[Own, Trace],
        // Fairness and what is expected are nothing to a run that is given.
        "slots" | "expect" => &[Own],
        "properties" | "timelines" | "verbose" | "html" => &[Scenarios, Own],
        "width" => &[Scenarios, Own, List, Trace],
        "color" => &[Scenarios, Own, Faults, Mutants, List, Trace],
        "max_states" => &[Scenarios, Own, Faults, Mutants],
        "max_memory" => &[Scenarios, Own, Faults, Mutants, Findings],
        "threads" => &[Scenarios, Own, Faults, Mutants, Findings],
        "json" => &[Scenarios, Own, Faults, Mutants, List],
        _ => return None,
    })
}

/// Options that mean nothing beside each other, and why.
pub const EXCLUDE: [(&str, &str, &str); 6] = [
    ("names", "generation", "a named scenario brings its own generation; --rule changes the rules of that"),
    ("scenarios", "generation", "a configuration that begins with a generation needs no table"),
    ("timelines", "json", "JSON holds the steps of every counterexample, and drawings of none"),
    ("verbose", "json", "JSON holds every verdict already"),
    ("width", "json", "JSON has no columns"),
    ("color", "json", "JSON has no colours"),
];

/// Whether an option describes a configuration: it turns a named scenario into a starting point.
fn is_of_configuration(option: &str) -> bool {
    modes(option).is_some_and(|modes| modes.contains(&Mode::Own) && !modes.contains(&Mode::Scenarios))
}

/// The arguments, once it is certain that none of them is ignored.
pub struct Request {
    /// What is to be done.
    pub mode: Mode,
    /// The arguments.
    pub args: Args,
}

impl Request {
    /// Refuses what means nothing in the mode or beside another option.
    fn check(given: &[&str]) -> Result<Mode, String> {
        let mode = Mode::of(given);
        for option in given {
            let modes = modes(option).unwrap_or_default();
            if !modes.contains(&mode) {
                return Err(means_nothing(option, modes, mode));
            }
        }
        if let Some((one, other, why)) = EXCLUDE.iter().find(|(a, b, _)| given.contains(a) && given.contains(b)) {
            return Err(format!("{} means nothing beside {}: {why}", typed(one), typed(other)));
        }
        let started = given.contains(&"names") || given.contains(&"generation");
        match given.iter().find(|option| is_of_configuration(option)) {
            Some(option) if !started => {
                Err(format!("{} needs --generation, or the NAME of the scenario that it changes", typed(option)))
            }
            _ => Ok(mode),
        }
    }
}

/// Why an option is refused that means something in other modes than the present one.
fn means_nothing(option: &str, modes: &[Mode], mode: Mode) -> String {
    let (asked, present) = (typed(option), mode.name());
    if let ([other], Some(switch)) = (modes, mode.switch())
        && other.switch() == Some(option)
    {
        let (switch, other) = (typed(switch), other.name());
        return format!("{asked} means nothing beside {switch}; give one of the two: {present}, or {other}");
    }
    let known: Vec<_> = modes.iter().map(|mode| mode.name()).collect();
    format!("{asked} means nothing with {present}; it is for {}", known.join("; for "))
}

/// An option as one types it.
pub fn typed(option: &str) -> String {
    let command = Args::command();
    let known = command.get_arguments().find(|argument| argument.get_id() == option);
    known.and_then(|argument| argument.get_long()).map_or("NAME".to_string(), |long| format!("--{long}"))
}

impl FromArgMatches for Request {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Request, Error> {
        let command = Args::command();
        let options = command.get_arguments().map(|argument| argument.get_id().as_str());
        let known = |option: &&str| matches!(matches.try_contains_id(option), Ok(true));
        let typed = |option: &&str| matches.value_source(option) == Some(ValueSource::CommandLine);
        let given: Vec<&str> = options.filter(known).filter(typed).collect();
        let mode = Request::check(&given).map_err(|why| Error::raw(ErrorKind::ArgumentConflict, why))?;
        Ok(Request { mode, args: Args::from_arg_matches(matches)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Request::from_arg_matches(matches)?;
        Ok(())
    }
}

impl CommandFactory for Request {
    fn command() -> Command {
        Args::command()
    }

    fn command_for_update() -> Command {
        Args::command_for_update()
    }
}

impl Parser for Request {}
