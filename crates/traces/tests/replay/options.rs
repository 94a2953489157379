//! Every two options of `replay` together: they are refused, or each changes what comes out.

use std::collections::BTreeSet;

use super::*;

/// What an option is given, none of it the default.
const VALUES: [(&str, &[&str]); 9] = [
    ("--hardware", &["stock"]),
    ("--after-ite", &["ids-run"]),
    ("--generation", &["g5"]),
    ("--prefix", &[]),
    ("--steps", &[]),
    ("--html", &["page.html"]),
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

/// What comes of a run: the exit code, the output, and the files that were written.
#[derive(PartialEq)]
struct Outcome {
    code: Option<i32>,
    stdout: Vec<u8>,
    module: Option<Vec<u8>>,
    page: Option<Vec<u8>>,
}

/// `None` if refused.
fn outcome(options: &[&str], log: &PathBuf) -> Option<Outcome> {
    let folder = tempfile(log);
    let values = |option: &&str| VALUES.iter().find(|(name, _)| name == option).unwrap().1;
    let args = options.iter().flat_map(|option| [&[*option][..], values(option)].concat());
    let Output { status, stdout, .. } =
        Command::new(example()).args(args).arg(log).current_dir(&folder).output().unwrap();
    let module = std::fs::read(folder.join("QITraceData.tla")).ok();
    let page = std::fs::read(folder.join("page.html")).ok();
    std::fs::remove_dir_all(folder).unwrap();
    (status.code() != Some(2)).then_some(Outcome { code: status.code(), stdout, module, page })
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
    let cut = faults::short(8, &complete[..3]);
    // Without threads it is not to be seen which unit wrote it.
    let unnamed = Log(cut.0.iter().map(|line| line.split_once(':').unwrap().1.to_owned()).collect());
    let logs = [faults::short(8, &complete), cut, faults::two_lost(&["ite 6 6 1"]), unnamed];
    let logs: Vec<PathBuf> = logs
        .iter()
        .zip(["complete", "cut", "lost", "unnamed"])
        .map(|(log, name)| file(&format!("options-{name}.log"), log.0.join("\n").as_bytes()))
        .collect();
    for (i, (one, _)) in VALUES.iter().enumerate() {
        for (other, _) in &VALUES[..i] {
            let matters = |log: &PathBuf| {
                let both = outcome(&[*one, *other], log)?;
                let alone = |option: &str| outcome(&[option], log);
                Some([one, other].iter().all(|option| alone(option).is_none_or(|alone| alone != both)))
            };
            let logs: Vec<Option<bool>> = logs.iter().map(matters).collect();
            let refused = logs.iter().all(Option::is_none);
            assert!(refused || logs.contains(&Some(true)), "{one} and {other}: {logs:?}");
        }
    }
}
