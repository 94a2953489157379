//! Logs that are no honest logs: mutated at random, endless, cut off, or made to be misread.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use flate2::Compression;
use flate2::write::GzEncoder;
use vtd_qi_traces::events::{VisibleEvent, events_module};
use vtd_qi_traces::qemu_log::{MAX_EVENTS, MAX_KINDS, MAX_TEXT};
use vtd_qi_traces::replay::{Cause, GivenUp};

use super::*;

const SETUP: &str = "1@0.0:vtd_inv_qi_setup addr 0x0 size 256\n";

/// Numbers at which something could overflow or be taken for something else.
const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "0xffff",
    "65536",
    "0x7fffffff",
    "4294967296",
    "0x7fffffffffffffff",
    "9223372036854775808",
    "0xffffffffffffffff",
    "18446744073709551615",
    "18446744073709551616",
    "0x0fffffffffffffff",
    "-1",
    "340282366920938463463374607431768211456",
];

/// A generation and how to replay.
type Way = (&'static Generation, Options);

fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    for name in ["g1", "g4", "g5", "g5plus"] {
        for hardware in [Qemu::Auto, Qemu::Stock, Qemu::Async] {
            for grain in [Grain::Sections, Grain::Steps] {
                let options = Options { hardware, end: End::Anywhere, grain, ..Options::default() };
                let generation = Generation::named(name).unwrap();
                ways.push((generation, Options { most_states: MostStates(300), ..options }));
            }
        }
    }
    ways
}

/// What may become of any bytes at all: an error, or a verdict in each way; no panic.
fn survives(log: &[u8], ways: &[Way]) {
    let Ok(trace) = Trace::read(log) else { return };
    let summary = trace.summary();
    assert!(summary.laps.is_finite() && VisibleEvent::all(&trace).count() <= trace.events().len());
    assert!(events_module(&trace).ends_with("====\n"));
    for (generation, options) in ways {
        replay(&trace, generation.rules, *options, |_| ControlFlow::Continue(()));
    }
}

/// Says which bytes they were, and leaves them where they can be looked at.
#[track_caller]
fn survives_or_is_kept(log: &[u8], ways: &[Way]) {
    if catch_unwind(AssertUnwindSafe(|| survives(log, ways))).is_err() {
        let kept = file("replay-crash.log", log);
        panic!("{} is not survived; make it small and put it under tests/corpus/replay", kept.display());
    }
}

/// A log with something wrong in it: of its bytes, its numbers or its lines.
fn mutate(mut log: Vec<u8>, dice: &mut Rng) -> Vec<u8> {
    for _ in 0..=dice.usize(..3) {
        let mut lines: Vec<&[u8]> = log.split_inclusive(|&byte| byte == b'\n').collect();
        let (one, other) = (dice.usize(..lines.len()), dice.usize(..lines.len()));
        log = match dice.usize(..9) {
            0 => {
                lines.swap(one, other);
                lines.concat()
            }
            1 => {
                lines.remove(one);
                lines.concat()
            }
            2 | 3 => {
                lines.insert(one, lines[other]);
                lines.concat()
            }
            4 => {
                let at = dice.usize(..log.len());
                log[at] = dice.usize(..256) as u8;
                log
            }
            5 => {
                log.truncate(dice.usize(..log.len()));
                log
            }
            _ => {
                // Words of a line are changed, a number more often than not.
                let changed = String::from_utf8_lossy(lines[one]).into_owned();
                let words: Vec<&str> = changed.split_inclusive([' ', '@', '.', ':']).collect();
                let at = dice.usize(..words.len());
                let end = words[at].trim_start_matches(|c: char| c.is_ascii_alphanumeric());
                let new = [NUMBERS[dice.usize(..NUMBERS.len())], end].concat();
                let line = [&words[..at], &[new.as_str()], &words[at + 1..]].concat().concat();
                lines[one] = line.as_bytes();
                lines.concat()
            }
        };
        if log.is_empty() {
            return log;
        }
    }
    log
}

/// Small cuts of the real logs, each with its set-up.
fn cuts() -> Vec<Vec<u8>> {
    let head = |log: Log, from: usize, to: usize| {
        let setup = log.0.iter().position(|line| line.contains("vtd_inv_qi_setup")).unwrap();
        let lines = [&log.0[setup..=setup], &log.0[from..to]].concat();
        lines.join("\n").into_bytes()
    };
    let faulty = || Log::of(include_bytes!("../../../../tests/fixtures/ite612.qemu.log.gz"));
    vec![
        head(Log::excerpt(), 16, 60),
        head(Log::excerpt(), 16, 260),
        head(faulty(), 10, 60),
        faults::by_hand().0.join("\n").into_bytes(),
        faults::by_hand().0[..12].join("\n").into_bytes(),
    ]
}

/// More with `VTD_QI_FUZZ=20000 cargo test --test replay mutated`.
#[test]
fn mutated_logs_are_survived() {
    let inputs = std::env::var("VTD_QI_FUZZ").map_or(1_000, |inputs| inputs.parse().unwrap());
    let mut dice = Rng::with_seed(2_024);
    let (cuts, ways, mut usable) = (cuts(), ways(), 0);
    for i in 0..inputs {
        let log = mutate(cuts[i % cuts.len()].clone(), &mut dice);
        usable += usize::from(Trace::read(&log[..]).is_ok());
        // Two of the ways by turns; what fails stays in the corpus, which is tried in all.
        let way = dice.usize(..ways.len() - 1);
        survives_or_is_kept(&log, &ways[way..way + 2]);
    }
    // Mutants that are all refused at once would test little of the replay.
    assert!(usable > inputs / 5, "{usable} of {inputs} can be read");
}

#[test]
fn what_once_was_not_survived_is() {
    let corpus = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/replay")).unwrap();
    let mut files = 0;
    for entry in corpus {
        survives_or_is_kept(&std::fs::read(entry.unwrap().path()).unwrap(), &ways());
        files += 1;
    }
    assert!(files > 3, "{files}");
}

#[test]
fn a_replay_that_is_given_up_says_from_where() {
    let trace = Log::excerpt().trace();
    let line = trace.events()[100].line;
    for grain in [Grain::Sections, Grain::Steps] {
        let stop = |done| if done == 100 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let replayed = replay(&trace, Rules::G4, Options { grain, ..STOCK }, stop);
        assert_eq!(replayed.verdict, ReplayVerdict::Unknown(GivenUp { line, cause: Cause::Interrupted }));
    }
    // By single steps as many states are possible as it says: the limit is met exactly there.
    let steps = |most| Options { grain: Grain::Steps, most_states: MostStates(most), ..STOCK };
    let log = Log::excerpt().cut_after(242);
    let most = log.replay(Rules::G4, steps(400_000)).most_states;
    assert!(most > 15, "{most}");
    assert!(matches!(log.replay(Rules::G4, steps(most)).verdict, ReplayVerdict::Accepted(_)));
    let ReplayVerdict::Unknown(GivenUp { line, cause }) = log.replay(Rules::G4, steps(most - 1)).verdict else {
        panic!("{most} states are more than one less")
    };
    assert!(line > 15 && line <= 242, "{line}");
    let said = format!("more than {} states of the ring are possible, and more are not followed", most - 1);
    assert_eq!(cause.to_string(), said);
}

/// An endless repetition of the same lines, with as much of it as is read.
fn endless(lines: impl Fn(u64) -> String) -> impl std::io::BufRead {
    struct Endless<F>(F, u64, Vec<u8>);
    impl<F: Fn(u64) -> String> Read for Endless<F> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            while self.2.len() < buffer.len() {
                self.2.extend_from_slice((self.0)(self.1).as_bytes());
                self.1 += 1;
            }
            buffer.copy_from_slice(&self.2[..buffer.len()]);
            self.2.drain(..buffer.len());
            Ok(buffer.len())
        }
    }
    BufReader::new(Endless(move |i| if i == 0 { SETUP.into() } else { lines(i) }, 0, Vec::new()))
}

#[test]
fn an_endless_log_is_read_up_to_its_bounds() {
    let error = |lines: &dyn Fn(u64) -> String| Trace::read(endless(lines)).unwrap_err().to_string();
    // Behind the first line, which is no event: one too many.
    assert_eq!(
        error(&|_| "1@0.0:vtd_inv_qi_head read head 1\n".into()),
        format!(
            "line {}: the log has more than 2000000 lines that concern the ring, and more are not read",
            MAX_EVENTS + 2
        )
    );
    let long = format!("1@0.0:vtd_inv_qi_head {} head 1\n", "x".repeat(4_000));
    let fit = MAX_TEXT / (long.len() - 1);
    assert_eq!(
        error(&|_| long.clone()),
        format!(
            "line {}: the log has more than 200000000 bytes of lines that concern the ring, and more are not read",
            fit + 2
        )
    );
    assert_eq!(
        error(&|i| format!("1@0.0:kind_{i}\n")),
        format!(
            "line {}: the log has more than 1000 kinds of lines that do not concern the ring, and more are not read",
            MAX_KINDS + 2
        )
    );
}

#[test]
fn numbers_and_bytes_that_do_not_fit() {
    let read = |lines: &str| Trace::read(format!("{SETUP}{lines}").as_bytes());
    let error = |lines: &str| read(lines).unwrap_err().to_string();
    let ring = Trace::read("1@0.0:vtd_inv_qi_setup addr 0x0 size 1099511627776\n".as_bytes()).unwrap_err().to_string();
    assert!(ring.contains("says size 1099511627776, which has to be even and from 4 to 256"), "{ring}");
    assert!(error("18446744073709551616@0.0:x").contains("is neither an event"));
    assert!(error("1@18446744073709.551616:x").contains("is neither an event"));
    assert_eq!(
        read("18446744073709551615@18446744073709.551615:vtd_x_fsts_write fsts now 0").unwrap().events().len(),
        1
    );
    assert!(error("1@0.0:vtd\0inv").contains("vtd.inv"));
    assert!(error("1@0.0:vtd_inv_qi_tail write tail \u{1b}[31m2").contains("says tail .[31m2"));
    // Counts that do not add up in 64 bits.
    let ites = "1@0.0:vtd_x_ite_set head 0 tail 0 aborted waits 18446744073709551615\n".repeat(2);
    assert_eq!(read(&ites).unwrap().summary().aborted, u64::MAX);
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Runs `replay` with at most so many KB of address space.
fn run_within(kilobytes: u32, path: &std::path::Path) -> Output {
    let command = format!("ulimit -v {kilobytes}; exec \"$@\"");
    let replay = example();
    Command::new("sh").args(["-c", &command, "sh"]).arg(replay).arg(path).output().unwrap()
}

#[test]
fn a_log_of_any_length_takes_no_more_memory_than_a_short_one() {
    // Members of a gzip file stand one behind the other: 40 of 2.1 MB and one line more each make 84 MB out of 300 KB. Of the
    // lines the first fits, and the second is no run.
    let lines = "1@0.0:vtd_inv_qi_tail write tail 1\n".repeat(60_000);
    let bomb = [gzip(SETUP.as_bytes()), gzip(lines.as_bytes()).repeat(40)].concat();
    let bomb = file("replay-bomb.gz", &bomb);
    let output = run_within(700_000, &bomb);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not a run of any generation: at line 3 IQT is written 1 again"), "{said}");
    assert!(said.contains("2400001 lines"), "{said}");
    // A line without an end.
    for (name, text) in
        [("replay-line.gz", "1@0.0:x".repeat(10_000_000)), ("replay-zeros.gz", "\0".repeat(100_000_000))]
    {
        let output = run_within(700_000, &file(name, &gzip(text.as_bytes())));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("line 1 is longer than 4096 bytes"), "{said}");
    }
}

#[test]
fn a_rejected_line_cannot_steer_the_terminal() {
    let log = format!("{SETUP}2@0.0:vtd_inv_qi_tail \u{1b}]0;owned\u{7}\u{1b}[2J\u{202e} write tail 200\n");
    let path = file("replay-\u{1b}[31mescape.log", log.as_bytes());
    let output = run(&[path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(r"vtd_inv_qi_tail \u{1b}]0;owned\u{7}\u{1b}[2J\u{202e} write tail 200"), "{text}");
    let acts = |text: &str| text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}'));
    assert!(!acts(&text), "{text:?}");
    // Nor can a file's name in an error.
    let output = run(&["no-\u{1b}[31msuch-file"]);
    assert!(!acts(std::str::from_utf8(&output.stderr).unwrap()));
}

#[test]
fn a_log_without_ring_activity_gives_nothing_to_judge() {
    for rest in ["", "1@0.1:vtd_reg_read addr 0x8\n"] {
        let path = file("replay-idle.log", format!("{SETUP}{rest}").as_bytes());
        for args in [&["--prefix"][..], &[], &["--json"]] {
            let output = run(&[args, &[path.to_str().unwrap()]].concat());
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains("there is nothing to judge"), "{said}");
        }
    }
}

#[test]
fn what_is_known_of_other_traces_is_not_lost_with_one_that_is_unusable() {
    let output = run(&["--json", "--generation", "g4", FIXTURE, "no/such/file"]);
    assert_eq!(output.status.code(), Some(2));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report.as_array().unwrap().len(), &report[0]["verdict"]), (1, &"run".into()));
}

#[test]
fn a_file_that_is_cut_off_says_what_can_still_be_done_with_it() {
    let half = file("replay-cut.gz", &include_bytes!("../../../../tests/fixtures/k612mf.qemu.log.gz")[..3000]);
    let said = String::from_utf8(run(&[half.to_str().unwrap()]).stderr).unwrap();
    assert!(
        said.contains(" cannot be read: the compressed file is cut off; `zcat` writes what is left of it"),
        "{said}"
    );
}
