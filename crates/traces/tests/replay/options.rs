//! Every two options of `replay` together: they are refused, or each changes what comes out.

use std::collections::BTreeSet;

use super::*;

/// What an option is given, none of it the default.
const VALUES: [(&str, &[&str]); 8] = [
    ("--hardware", &["async"]),
    ("--after-ite", &["ids-run"]),
    ("--generation", &["g5"]),
    ("--prefix", &[]),
    ("--steps", &[]),
    ("--json", &[]),
    ("--ndjson", &[]),
    ("--tla", &["."]),
];

/// Names of the options, as `--help` lists them.
fn listed() -> BTreeSet<String> {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let options = help.lines().filter_map(|line| {
        let (_, option) = line.split_once("--").filter(|(before, _)| matches!(before.trim(), "" | "-h," | "-V,"))?;
        Some(format!("--{}", option.split(' ').next()?))
    });
    options.filter(|option| !["--help", "--version"].contains(&option.as_str())).collect()
}

/// What comes of a run: the exit code, the output, and the module if one was written.
#[derive(PartialEq)]
struct Outcome {
    code: Option<i32>,
    stdout: Vec<u8>,
    module: Option<Vec<u8>>,
}

/// `None` if refused.
fn outcome(options: &[&str], log: &PathBuf) -> Option<Outcome> {
    let folder = tempfile(log);
    let values = |option: &&str| VALUES.iter().find(|(name, _)| name == option).unwrap().1;
    let args = options.iter().flat_map(|option| [&[*option][..], values(option)].concat());
    let Output { status, stdout, .. } =
        Command::new(example()).args(args).arg(log).current_dir(&folder).output().unwrap();
    let module = std::fs::read(folder.join("QITraceData.tla")).ok();
    std::fs::remove_dir_all(folder).unwrap();
    (status.code() != Some(2)).then_some(Outcome { code: status.code(), stdout, module })
}

/// An empty folder beside a log.
fn tempfile(log: &std::path::Path) -> PathBuf {
    let folder = log.with_extension("folder");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn no_option_beside_another_is_ignored() {
    let named = VALUES.map(|(name, _)| name.to_string());
    assert_eq!(listed(), named.into_iter().collect(), "a new option needs a value here");
    // A log to its end, one that is cut off, and one that is told apart by what becomes of fetched work.
    let complete = ["1 post 2", "fetch 0 dev", "fetch 1 wd", "done 1"];
    let logs = [faults::short(8, &complete), faults::short(8, &complete[..3]), faults::two_lost(&["ite 6 6 1"])];
    let logs: Vec<PathBuf> = logs
        .iter()
        .zip(["complete", "cut", "lost"])
        .map(|(log, name)| file(&format!("options-{name}.log"), log.0.join("\n").as_bytes()))
        .collect();
    for (i, (one, _)) in VALUES.iter().enumerate() {
        for (other, _) in &VALUES[..i] {
            // The logs are of a unit with a thread of its own.
            let needs_hardware = ![*one, *other].iter().any(|option| ["--hardware", "--ndjson"].contains(option));
            let base: &[&str] = if needs_hardware { &["--hardware"] } else { &[] };
            let matters = |log: &PathBuf| {
                let both = outcome(&[base, &[*one, *other]].concat(), log)?;
                let alone = |option: &str| outcome(&[base, &[option]].concat(), log);
                Some([one, other].iter().all(|option| alone(option).is_none_or(|alone| alone != both)))
            };
            let logs: Vec<Option<bool>> = logs.iter().map(matters).collect();
            let refused = logs.iter().all(Option::is_none);
            assert!(refused || logs.contains(&Some(true)), "{one} and {other}: {logs:?}");
        }
    }
}
