//! The command line.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, ValueEnum};
use vtd_qi::impl_qi::FaultClass;
use vtd_qi_kernel::Edit;
use vtd_qi_subject::no_twice;
use vtd_qi_terminal::memory;

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
  vtd-qi-kernel --linux ~/linux                              all of it
  vtd-qi-kernel --linux /usr/src/linux-source-6.1.tar.xz     the same from a source tarball
  vtd-qi-kernel --linux ~/linux@v6.12                        the same of a revision, whatever is checked out
  vtd-qi-kernel --linux ~/mail/dmar.c --headers ~/linux      one file, and the headers of a tree
  vtd-qi-kernel --linux ~/linux --only search --seconds 60   look for hangs only, a minute for each way of searching
  vtd-qi-kernel --linux ~/linux --only search --ring 256     on the unmodified ring
  vtd-qi-kernel --linux ~/linux --replay 17 --strategy pct   run a seed again, and draw what it finds
  vtd-qi-kernel --linux ~/linux --patch fix.patch            is the patch better or worse than what it replaces?
  vtd-qi-kernel --linux ~/linux --baseline ~/linux@v6.12     the same of two versions
  git bisect run vtd-qi-kernel --bisect --linux . --only search --no-faults
  vtd-qi-kernel --linux ~/linux --edit odd-walk              the tree with one rule taken back
  vtd-qi-kernel --linux ~/linux --html report.html           what was found as a page to send

A tree of today is g5, which has known findings under faults (docs/findings.md): they are found again and make the exit code 1. Whether \
a tree is g5 and finds nothing where hardware does not fail is asked with --no-faults, and is exit code 0.

Memory: --max-memory is about the graphs of exhaustive comparisons and of the model's counterexamples. Searching and comparing at \
random keep no states, and take some megabytes.

Exit code: 0 recognised, no difference, nothing refuted and nothing found; 1 otherwise, also where a comparison was cut by a limit or \
the process that runs the C was ended or stopped and the result is unknown; 2 unusable arguments or an unusable tree, 130 interrupted. An \
option that nothing heeds of what is asked for is refused. With --patch or --baseline: 0 nothing new, 1 something new. With --bisect:
0 fine, 1 not, 125 where the source is unusable or the result unknown.")]
pub(crate) struct Args {
    /// A kernel's source, Linux 5.8 or newer: a tree, a tarball of one (.tar, .gz, .bz2, .xz or .zst), REPO@REVISION of a git
    /// repository, or a dmar.c or its folder; a dmar.c outside of a tree gets declarations of this program's
    #[arg(long, value_name = "SOURCE")]
    pub linux: PathBuf,
    /// A kernel tree or a folder of headers, for names that the source itself does not define
    #[arg(long, value_name = "DIR")]
    pub headers: Option<PathBuf>,
    /// A file of definitions, for names that neither the source nor this program defines: macros, types, inline functions
    #[arg(long, value_name = "FILE")]
    pub shim: Option<PathBuf>,
    /// A unified diff that is applied to the source in memory, and held against the source without it
    #[arg(long, value_name = "FILE")]
    pub patch: Option<PathBuf>,
    /// A source that this one is held against: what is new, gone, and still there. With --patch, the source without the patch
    #[arg(long, value_name = "SOURCE")]
    pub baseline: Option<PathBuf>,
    /// How many runs each driver makes with each kind of fault and each strategy when one is held against another
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub runs: u32,
    /// Exit with 125 where nothing can be said of a source, so that `git bisect run` skips that commit
    #[arg(long)]
    pub bisect: bool,
    /// What to do; if left out everything, or with --patch or --baseline recognise and baseline
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Take a rule back at run time: odd-walk, mark-done or retry
    #[arg(long, value_name = "EDIT", value_delimiter = ',', value_parser = edit_named)]
    pub edit: Vec<Edit>,
    /// QI_LENGTH for the exhaustive comparison and for searching, even, 4 to 256; 256 leaves it as it is
    #[arg(long, default_value_t = 6)]
    pub ring: u16,
    /// Number of submitters, 1 to 8
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub submitters: u8,
    /// Numbers of IDs that a call may bring
    #[arg(long, value_delimiter = ',', default_value = "0,1")]
    pub counts: Vec<u8>,
    /// The first seed of random comparison and of the search
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Seconds for each way of searching, up to a week
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(..=WEEK))]
    pub seconds: u64,
    /// Seconds for each exhaustive comparison, up to a week; one that is cut is unknown
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(..=WEEK))]
    pub exhaustive_seconds: u64,
    /// Give an exhaustive comparison's graph up at so many states: what is cut there is unknown
    #[arg(long, default_value_t = 3_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_states: u32,
    /// How much memory the graphs may take, like 500M or 2G; three quarters of what is available if left out. What is cut there
    /// is unknown
    #[arg(long, value_name = "SIZE", value_parser = memory::size)]
    pub max_memory: Option<ByteSize>,
    /// How the search picks the next step; both if left out
    #[arg(long, value_enum)]
    pub strategy: Option<Picks>,
    /// At which accesses the search may switch; every access and the coarse ones if left out
    #[arg(long, value_enum)]
    pub grain: Option<Grains>,
    /// Faults that may be injected, one at a time: invalid-id, lost-answer, ice, device-gone; if left out, the search takes each
    /// of them and the exhaustive comparison all but device-gone, which has more than 20 million states on a ring of 6 slots
    #[arg(long, value_delimiter = ',', value_parser = class_named)]
    pub faults: Option<Vec<FaultClass>>,
    /// Compare exhaustively and search without faults only
    #[arg(long, conflicts_with = "faults")]
    pub no_faults: bool,
    /// Run one seed of the search again, shrink what it finds and draw it
    #[arg(long, value_name = "SEED", conflicts_with = "only")]
    pub replay: Option<u64>,
    /// Confirm the runs of every cell of the newest generation, and note it under this name of the kernel in data/confirmed.json,
    /// for docs/findings.md
    #[arg(long, value_name = "KERNEL", conflicts_with = "replay", value_parser = NonEmptyStringValueParser::new())]
    pub record: Option<String>,
    /// Write what was found as a page: it needs no network, and steps through the runs
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print the results as JSON, and nothing else, on standard output
    #[arg(long)]
    pub json: bool,
}

/// A week, in seconds.
pub const WEEK: u64 = 7 * 24 * 3600;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Recognise,
    Compare,
    Confirm,
    Search,
    /// Hold one driver against another: what is new, gone, and still there
    Baseline,
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

    /// Whether there is something to hold the source against.
    fn is_weighed(&self) -> bool {
        self.patch.is_some() || self.baseline.is_some()
    }

    pub fn wants(&self, part: Part) -> bool {
        match self.replay {
            Some(_) => part == Part::Replay,
            None if self.only.is_empty() && self.is_weighed() => matches!(part, Part::Recognise | Part::Baseline),
            None if self.only.is_empty() => !matches!(part, Part::Replay | Part::Baseline),
            None => self.only.contains(&part),
        }
    }
}

/// The options that not everything heeds, and what does.
pub const HEEDED: [(&str, &[Part]); 14] = [
    ("baseline", &[Part::Baseline]),
    ("runs", &[Part::Baseline]),
    ("ring", &[Part::Compare, Part::Search, Part::Replay, Part::Baseline]),
    ("submitters", &[Part::Compare, Part::Search, Part::Replay, Part::Baseline]),
    ("counts", &[Part::Compare, Part::Search, Part::Replay, Part::Baseline]),
    ("seed", &[Part::Compare, Part::Search, Part::Baseline]),
    ("seconds", &[Part::Search]),
    ("exhaustive_seconds", &[Part::Compare]),
    ("max_states", &[Part::Compare]),
    ("max_memory", &[Part::Compare, Part::Confirm]),
    ("strategy", &[Part::Search, Part::Replay]),
    ("grain", &[Part::Search, Part::Replay]),
    ("faults", &[Part::Compare, Part::Search, Part::Replay, Part::Baseline]),
    ("no_faults", &[Part::Compare, Part::Search, Part::Replay, Part::Baseline]),
];

/// Arguments each of which means something for what is asked for.
pub(crate) struct Asked(pub Args);

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
        if args.only.contains(&Part::Baseline) && !args.is_weighed() {
            let what = "--only baseline needs --patch or --baseline: there is nothing to hold the source against";
            return Err(Args::command().error(ErrorKind::MissingRequiredArgument, what));
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
pub(crate) enum Picks {
    Random,
    Pct,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Grains {
    Every,
    Visible,
    Coarse,
}

pub fn edit_named(name: &str) -> Result<Edit, String> {
    Edit::named(name).ok_or_else(|| {
        let known: Vec<&str> = Edit::ALL.iter().map(|(name, _)| *name).collect();
        format!("there is no edit {name:?}; there are {}", known.join(", "))
    })
}

/// The classes of faults that hardware can bring about under a real driver.
pub const CLASSES: [FaultClass; 4] =
    [FaultClass::InvalidId, FaultClass::LostAnswer, FaultClass::Ice, FaultClass::DeviceGone];

pub fn class_named(name: &str) -> Result<FaultClass, String> {
    CLASSES.into_iter().find(|class| class.name() == name).ok_or_else(|| {
        let known: Vec<&str> = CLASSES.iter().map(|class| class.name()).collect();
        format!("there is no fault {name:?} that a driver can meet; there are {}", known.join(", "))
    })
}

/// The classes with which a comparison is exhaustive unless others are asked for: within its default limits it comes to its end.
pub const EXHAUSTIBLE: [FaultClass; 3] = [FaultClass::InvalidId, FaultClass::LostAnswer, FaultClass::Ice];

#[cfg(test)]
mod tests {
    use super::*;

    /// What each option is tried with, and which parts (r, c, f, s: the four of `--only`; p: `--replay`) it means something for.
    const TRIED: [(&str, &str, &str); 25] = [
        ("shim", "x", "rcfsp"),
        ("patch", "x", "rcfsp"),
        ("baseline", "x", ""),
        ("runs", "9", ""),
        ("bisect", "", "rcfsp"),
        ("linux", "x", ""),
        ("headers", "x", "rcfsp"),
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
        ("html", "page.html", "rcfsp"),
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
    fn what_is_held_against_what_is_asked_for() {
        for (options, fine) in [
            (&["--patch", "x", "--runs", "9", "--ring", "8", "--no-faults"][..], true),
            (&["--baseline", "x", "--runs", "9", "--faults", "ice"], true),
            (&["--only", "baseline", "--patch", "x", "--runs", "9"], true),
            (&["--only", "baseline,search", "--baseline", "x", "--seconds", "9"], true),
            (&["--runs", "9"], false),
            (&["--only", "baseline"], false),
            (&["--only", "search", "--baseline", "x"], false),
            (&["--patch", "x", "--seconds", "9"], false),
            (&["--patch", "x", "--replay", "9", "--runs", "9"], false),
        ] {
            let words: Vec<String> = options.iter().map(|word| word.to_string()).collect();
            assert_eq!(accepted(&words).is_ok(), fine, "{options:?}: {:?}", accepted(&words));
        }
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
