//! The options of `check`: in each mode each of them does something, or is refused.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output};

use clap::{CommandFactory, Parser};

use arguments::{Args, Mode, Request, modes, typed};
use subjects::Subjects;

#[allow(dead_code)]
#[path = "../check/arguments.rs"]
mod arguments;
#[allow(dead_code)]
#[path = "../check/subjects.rs"]
mod subjects;

const TRACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/tlc-g3-c01-2x4-refines-spec.json");
const TABLE: &str = "[holds]\nno-deadlock = 'because it is so'\n[[scenario]]\nname = 'own'\ngeneration = 'g4'\nsubmitters = [2]\n\
                     counts = [0]\nrings = [4]\nchecks = ['no-deadlock']\n";

/// A scenario file with a single row.
fn table() -> String {
    let path = std::env::temp_dir().join(format!("vtd-qi-options-{}.toml", std::process::id()));
    std::fs::write(&path, TABLE).unwrap();
    path.to_str().unwrap().to_string()
}

/// All options of `check`, as clap knows them.
fn options() -> Vec<String> {
    let command = Args::command();
    let options = command.get_arguments().map(|argument| argument.get_id().to_string());
    options.filter(|option| option != "help" && option != "version").collect()
}

fn all_modes() -> Vec<Mode> {
    let mut all: Vec<Mode> = Vec::new();
    for mode in options().iter().flat_map(|option| modes(option).unwrap_or_default()) {
        if !all.contains(mode) {
            all.push(*mode);
        }
    }
    all
}

/// An option with a value that makes a difference to the command lines of [`bases`].
fn sample(option: &str) -> Vec<String> {
    let (table, trace) = (table(), TRACE);
    let words: &[&str] = match option {
        "names" => &["g3-patch-2x4"],
        "faults" => &["--faults"],
        "full" => &["--full"],
        "keep" => &["--keep", concat!(env!("CARGO_TARGET_TMPDIR"), "/kept.jsonl")],
        "mutants" => &["--mutants"],
        "findings" => &["--findings=summary"],
        "list" => &["--list"],
        "scenarios" => &["--scenarios", &table],
        "generation" => &["--generation", "g4"],
        "rules" => &["--rule", "mark=nothing"],
        "submitters" => &["--submitters", "3"],
        "counts" => &["--counts", "1"],
        "ring" => &["--ring", "8"],
        "lock" => &["--lock", "fifo"],
        "hardware" => &["--hardware", "pipelined"],
        "depth" => &["--depth", "3"],
        "slots" => &["--slots", "fair"],
        "handout" => &["--handout", "not-while-owner-waits"],
        "fault" => &["--fault", "ice"],
        "bound" => &["--bound", "2"],
        "devices" => &["--devices", "2"],
        "itesid" => &["--itesid", "zero"],
        "after_ite" => &["--after-ite", "ids-run"],
        "fault_check" => &["--fault-check", "always"],
        "expect" => &["--expect", "violated"],
        "properties" => &["--property", "no-stranger-done"],
        "from_tlc" => &["--from-tlc", trace],
        "timelines" => &["--timelines", "none"],
        "verbose" => &["--verbose"],
        "width" => &["--width", "80"],
        "color" => &["--color", "always"],
        "max_states" => &["--max-states", "50"],
        "max_memory" => &["--max-memory", "400M"],
        "threads" => &["--threads", "1"],
        "html" => &["--html", concat!(env!("CARGO_TARGET_TMPDIR"), "/page.html")],
        "json" => &["--json"],
        new => panic!("{new} is new: give it a value here, and say in `modes` where it means something"),
    };
    words.iter().map(|word| word.to_string()).collect()
}

/// Command lines of a mode, so that each of its options fits to one of them at least.
fn bases(mode: Mode) -> Vec<Vec<&'static str>> {
    match mode {
        Mode::Scenarios => vec![vec!["g3-c01-2x4"], vec![]],
        Mode::Own => vec![
            vec!["--generation", "g3"],
            vec!["g3-c01-2x4", "--lock", "fifo"],
            vec!["--generation", "g5", "--fault", "device-gone", "--max-states", "2000"],
            vec!["--submitters", "2"],
        ],
        Mode::Faults => vec![vec!["--faults", "g5plus-ice-in-order-2x4"], vec!["--faults"]],
        Mode::Mutants => vec![vec!["--mutants"]],
        Mode::Findings => vec![vec!["--findings=summary"]],
        Mode::List => vec![vec!["--list", "g3-c01"], vec!["--list"]],
        Mode::Trace => vec![
            vec!["--from-tlc", TRACE, "g3-c01-2x4"],
            vec!["--from-tlc", TRACE, "g3-c01-2x4", "--fault", "device-gone"],
            vec!["--from-tlc", TRACE],
        ],
    }
}

fn parse(words: &[String]) -> Result<Request, clap::Error> {
    Request::try_parse_from(["check".to_string()].iter().chain(words))
}

fn line(base: &[&str], more: &[String]) -> Vec<String> {
    base.iter().map(|word| word.to_string()).chain(more.iter().cloned()).collect()
}

fn run(words: &[String]) -> Output {
    let test = std::env::current_exe().unwrap();
    let program: PathBuf = test.parent().unwrap().parent().unwrap().join("examples").join("check");
    assert!(program.exists(), "{} is missing: `cargo test` builds it", program.display());
    Command::new(program).args(words).output().unwrap()
}

/// Every pair of a mode and an option. Whoever adds an option has to decide where it means something.
#[test]
fn an_option_that_means_nothing_is_refused() {
    let mut refused = 0;
    for option in options() {
        let of =
            modes(&option).unwrap_or_else(|| panic!("{option}: nobody has decided in which modes it means something"));
        let sample = sample(&option);
        for mode in all_modes() {
            if of.contains(&mode) {
                let accepts = |base: &Vec<&str>| {
                    let there_already = base.contains(&sample[0].as_str());
                    let words = if there_already { line(base, &[]) } else { line(base, &sample) };
                    parse(&words).is_ok_and(|request| request.mode == mode)
                };
                assert!(bases(mode).iter().any(accepts), "{option} is for {mode:?}, and is accepted nowhere there");
                continue;
            }
            for base in bases(mode) {
                let words = line(&base, &sample);
                match parse(&words) {
                    // It has made another mode of it, to which all of it belongs.
                    Ok(request) => assert!(request.mode != mode && of.contains(&request.mode), "{words:?}"),
                    Err(_) => {
                        let output = run(&words);
                        let error = String::from_utf8(output.stderr).unwrap();
                        assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
                        let why = ["means nothing", "needs --generation, or the NAME"];
                        let says_why = why.iter().any(|words| error.contains(words));
                        assert!(output.stdout.is_empty() && says_why, "{words:?}: {error}");
                        // That it is for itself helps nobody.
                        assert!(!error.contains(&format!("for {}", typed(&option))), "{words:?}: {error}");
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

/// What is modelled is another thing with every option of a configuration than without it.
#[test]
fn every_option_of_a_configuration_changes_it() {
    let subject = |words: &[String]| {
        let subjects = Subjects::of(&parse(words).ok()?).ok()?;
        let scenario = &subjects.scenarios[0];
        Some(format!("{:?} {:?} {:?} {:?}", scenario.generation, scenario.cfg, scenario.slots, scenario.checks))
    };
    for mode in [Mode::Own, Mode::Trace] {
        let of_it = |option: &String| modes(option).is_some_and(|modes| modes.contains(&mode));
        // These say how it is judged and shown, not what it is.
        let judged = ["expect", "max_states", "max_memory", "threads", "from_tlc", "names", "scenarios"];
        let shown = [&judged[..], &["timelines", "verbose", "width", "color", "html", "json"]].concat();
        for option in options().iter().filter(|option| of_it(option) && !shown.contains(&option.as_str())) {
            let changes = |base: &Vec<&str>| {
                let (without, with) = (subject(&line(base, &[])), subject(&line(base, &sample(option))));
                with.is_some() && without != with
            };
            let from_nothing = vec![if mode == Mode::Trace { "--from-tlc" } else { "--submitters" }, "2"];
            let mut bases = bases(mode);
            bases.push(from_nothing);
            assert!(bases.iter().any(changes), "{option} changes nothing");
        }
    }
}

/// What is printed is another thing with every option that says how something is shown or judged.
#[test]
fn every_option_of_the_output_changes_it() {
    let seen = |words: &[String]| {
        let output = run(words);
        let text = String::from_utf8(output.stdout).unwrap();
        let timeless: Vec<_> =
            text.lines().filter(|line| !line.contains("seconds") && !line.contains(" s\n")).collect();
        let timeless: Vec<_> = timeless.into_iter().filter(|line| !line.contains(" levels, ")).collect();
        (output.status.code(), timeless.join("\n"))
    };
    for mode in [Mode::Scenarios, Mode::Own, Mode::Faults, Mode::List] {
        for option in [
            "properties",
            "timelines",
            "verbose",
            "width",
            "color",
            "max_states",
            "html",
            "json",
            "expect",
            "scenarios",
        ] {
            if modes(option).unwrap().contains(&mode) {
                // A generation needs no table, so what starts from a scenario is taken there.
                let base = &bases(mode)[usize::from(option == "scenarios" && mode == Mode::Own)];
                let with = line(base, &sample(option));
                let (before, after) = (seen(&line(base, &[])), seen(&with));
                assert!(before != after, "{with:?} is accepted and ignored");
            }
        }
    }
}

/// A cell is searched as far as the matrix searches it, wherever it is named, and further only if that is asked.
#[test]
fn the_limits_of_the_matrix_hold_for_a_named_cell() {
    let limit = |words: &[&str]| {
        let request = parse(&line(words, &[])).unwrap();
        Subjects::of(&request).unwrap().scenarios[0].max_states
    };
    let matrix = vtd_qi::campaign::matrix::Matrix::embedded();
    // One of the quick matrix, and one that only the full one has.
    for name in ["g5-lost-answer-in-order-drop-2x6", "g5-two-faults-in-order-drop-named-2x4"] {
        let cell = matrix.find(name).unwrap();
        assert_eq!(limit(&[name]), Some(matrix.limit(cell, cell.scope)), "{name}");
        assert_eq!(limit(&[name, "--max-states", "4000000000"]), Some(4_000_000_000), "{name}");
        assert_eq!(limit(&[name, "--max-states", "5"]), limit(&[name]), "{name}: it is to be seen that it was cut");
    }
    let cell = "g5-lost-answer-in-order-drop-2x4";
    assert_eq!(limit(&[cell, "--depth", "3"]), limit(&[cell]));
}

/// A value that would be overwritten or means nothing is refused, with the value.
#[test]
fn values_that_mean_nothing_are_refused() {
    let own = ["--generation", "g4"];
    let cases: [(&[&str], &[&str]); 18] = [
        (
            &["--rule", "mark=nothing", "--rule", "mark=all-free"],
            &["--rule mark is given two values, nothing and all-free"],
        ),
        (&["--rule", "mark=nothing", "--rule", "mark=nothing"], &["--rule mark=nothing is given twice\n"]),
        (&["--faults"], &["--generation means nothing with --faults, which checks the verdict matrix"]),
        (&["--max-memory", "99999999999999999999"], &["99999999999999999999 is more than", "18.4 EB"]),
        (&["--counts", "0,1,0"], &["--counts 0", "twice"]),
        (&["--fault", "ice,ice"], &["--fault ice", "twice"]),
        (&["--property", "no-deadlock", "--property", "no-deadlock"], &["--property no-deadlock", "twice"]),
        (&["--bound", "2"], &["--bound", "no fault"]),
        (&["--devices", "1"], &["--devices", "no fault"]),
        (&["--itesid", "zero"], &["--itesid", "times out"]),
        (&["--after-ite", "drop"], &["--after-ite", "times out"]),
        (&["--fault", "ice", "--itesid", "zero"], &["--itesid", "times out"]),
        (&["--fault", "invalid-id", "--after-ite", "drop"], &["--after-ite", "times out"]),
        (&["g3-c01-2x4"], &["NAME", "--generation"]),
        (&["--json", "--timelines", "all"], &["--timelines", "--json"]),
        (&["--json", "--verbose"], &["--verbose", "--json"]),
        (&["--json", "--width", "80"], &["--width", "--json"]),
        (&["--width", "39"], &["39", "40..=500"]),
    ];
    for (more, words) in cases {
        let output = run(&line(&[&own[..], more].concat(), &[]));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{more:?}: {error}");
        assert!(output.stdout.is_empty() && words.iter().all(|word| error.contains(word)), "{more:?}: {error}");
    }
}

/// If two options ask for two different things, the message says what each of them does.
#[test]
fn two_tasks_at_once_are_refused_with_what_each_is() {
    let output = run(&line(&["--faults", "--list"], &[]));
    let error = String::from_utf8(output.stderr).unwrap();
    let why = "--list means nothing beside --faults; give one of the two: --faults, which checks the verdict matrix, or --list, \
               which checks nothing and lists what there is\n";
    assert!(output.status.code() == Some(2) && error.contains(why), "{error}");
}

/// The help names each option once; what belongs to a configuration stands under its heading.
#[test]
fn the_help_has_every_option() {
    let help = String::from_utf8(run(&line(&["--help"], &[])).stdout).unwrap();
    let missing: BTreeSet<String> =
        options().iter().map(|option| typed(option)).filter(|typed| !help.contains(typed)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(help.contains("git bisect run") && help.contains("Exit code: 0"));
}
