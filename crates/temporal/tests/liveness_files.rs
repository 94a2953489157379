//! Files for the liveness program: what they can say, what is refused, and how the program ends.

#[path = "../examples/liveness/examine.rs"]
mod examine;
#[path = "../examples/liveness/file.rs"]
mod file;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};
use stateright_temporal::memory::Memory;

use examine::{Examined, examine};
use file::{Unusable, Word, parse};

const FIXTURE: &str = include_str!("../../../tests/fixtures/liveness-cases.json");
const DOCUMENT: &str = include_str!("../../../docs/liveness-files.md");
const SCHEMA: &str = include_str!("../../../docs/liveness-files.schema.json");

/// The example, which `cargo test` builds beside the tests.
fn program() -> Command {
    let test = std::env::current_exe().unwrap();
    let example =
        test.ancestors().nth(2).unwrap().join("examples/liveness").with_extension(std::env::consts::EXE_EXTENSION);
    assert!(example.exists(), "{} is missing; cargo build --examples builds it", example.display());
    Command::new(example)
}

fn write(name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, contents).unwrap();
    path
}

/// Runs the program on a file with these contents.
fn run(name: &str, contents: impl AsRef<[u8]>, arguments: &[&str]) -> Output {
    program().args(arguments).arg(write(name, contents)).output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A case of two states, with other or further fields.
fn case(fields: Value) -> Value {
    let mut case =
        json!({"id": 1, "n": 2, "edges": [[0, "a", 1]], "fair": {"a": "WF"}, "kind": "eventually", "p": [1]});
    case.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    case
}

fn examined(cases: &Value) -> Vec<Examined> {
    let cases = parse(cases.to_string().as_bytes()).unwrap();
    assert!(
        cases.iter().all(|case| case.expect.or(case.tlc).is_none()),
        "the program compares, not what is called here"
    );
    cases.iter().map(|case| examine(case, &Memory::unlimited(), &AtomicBool::new(false)).unwrap()).collect()
}

fn refusal(text: &[u8]) -> String {
    parse(text).map(|cases| cases.len()).unwrap_err().to_string()
}

/// The blocks of the document that are in one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    DOCUMENT.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_document_shows_what_the_program_prints() {
    let ([example], [printed]) = (&blocks("json")[..], &blocks("text")[..]) else { panic!("one block each") };
    assert_eq!(said(&run("liveness-document.json", example, &[])), (Some(0), printed.to_string(), String::new()));
}

/// serde lists the fields that it knows when it meets another one: the schema and the document know the same.
#[test]
fn schema_and_document_know_the_fields_of_a_case() {
    let unknown = refusal(json!([case(json!({"x": 1}))]).to_string().as_bytes());
    let known: Vec<&str> = unknown.split('`').skip(3).step_by(2).collect();
    assert!(known.len() > 10, "{unknown}");
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut described: Vec<_> = schema["$defs"]["case"]["properties"].as_object().unwrap().keys().collect();
    described.sort();
    let mut sorted = known.clone();
    sorted.sort();
    assert_eq!(described, sorted);
    // What the program refuses in a list, the schema does not admit.
    for list in ["/case/properties/initial", "/case/properties/p", "/case/properties/q", "/labels"] {
        assert_eq!(schema["$defs"].pointer(list).unwrap()["uniqueItems"], true, "{list}");
    }
    for list in ["states", "labels"] {
        assert_eq!(schema["$defs"]["occurs"]["properties"][list]["uniqueItems"], true, "{list}");
    }
    let rows: String = DOCUMENT.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(known.iter().all(|field| rows.contains(&format!("`{field}`"))), "{known:?}");
}

/// What is expected is said in words of the document, with the limit, and not in those of the parser's types.
#[test]
fn a_value_of_the_wrong_kind_is_refused_in_the_readers_words() {
    let refused = |fields: Value| refusal(json!([case(fields)]).to_string().as_bytes());
    for (field, value, says) in [
        ("n", json!(5_000_000_000_u64), "`5000000000`, expected a number of states from 1 to 4294967295"),
        ("n", json!(-1), "`-1`, expected a number of states from 1 to 4294967295"),
        ("n", json!("many"), "\"many\", expected a number of states from 1 to 4294967295"),
        ("edges", json!([[0, "a"]]), "expected an edge, which is an array [from, label, to]"),
        ("edges", json!(["a"]), "expected an edge, which is an array [from, label, to]"),
        ("edges", json!(7), "`7`, expected an array"),
        ("conditions", json!([{"streett": 1}]), "`1`, expected a Streett pair, which is an object of p and q"),
        ("conditions", json!([{"streett": {"p": 1}}]), "`1`, expected an object of states, labels or both"),
    ] {
        let why = refused(json!({field: value}));
        assert!(why.contains(says), "{why}");
        let of_a_type = ["u32", "struct", "tuple", "sequence", "Raw"].into_iter().find(|word| why.contains(word));
        assert_eq!(of_a_type, None, "{why}");
    }
    let why = refusal(b"[7]");
    assert!(why.contains("`7`, expected a case, which is an object"), "{why}");
}

#[test]
fn each_case_needs_an_id_of_its_own() {
    let cases = |ids: &[Value]| Value::from(ids.iter().map(|id| case(json!({"id": id}))).collect::<Vec<_>>());
    let distinct = run("liveness-distinct.json", cases(&[json!(7), json!("3"), json!("x")]).to_string(), &[]);
    assert_eq!(said(&distinct).0, Some(0));
    for id in [json!(3), json!("3")] {
        let text = cases(&[json!(7), json!(3), json!(12), id]).to_string();
        let (code, out, error) = said(&run("liveness-repeated.json", text, &[]));
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(error.ends_with(": case 3 is there more than once, each case needs an id of its own\n"), "{error}");
    }
}

#[test]
fn several_initial_states_sets_of_labels_and_streett_pairs() {
    let edges = json!([[0, "a", 1], [1, "b", 0], [2, "a", 3], [3, "c", 2], [4, "d", 0]]);
    let cyclic = |fields: Value| {
        let mut case = case(json!({"n": 5, "edges": edges, "fair": null, "kind": "always_eventually", "p": [0]}));
        case.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let verdicts = examined(&json!([case]));
        (verdicts[0].verdict, verdicts[0].states)
    };
    let weak = json!([{"weak": ["a", "b"]}]);
    assert_eq!(cyclic(json!({})), (Word::Violated, 2));
    assert_eq!(cyclic(json!({"conditions": weak})), (Word::Holds, 2));
    // Fair from 2 as well, which is another loop.
    assert_eq!(cyclic(json!({"conditions": weak, "initial": [0, 2]})), (Word::Violated, 4));
    assert_eq!(
        cyclic(json!({"conditions": [{"weak": ["a", "b", "c"]}], "initial": [0, 2], "p": [0, 2]})).0,
        Word::Holds
    );
    // One action: where b is enabled, taking a is enough.
    let strong = |labels: Value| cyclic(json!({"conditions": [{"strong": labels}], "p": [1]})).0;
    assert_eq!((strong(json!(["a"])), strong(json!(["b"]))), (Word::Holds, Word::Violated));
    let pair = |p: Value, q: Value| cyclic(json!({"conditions": [{"streett": {"p": p, "q": q}}]})).0;
    assert_eq!(pair(json!({"states": [1]}), json!({"labels": ["b"]})), Word::Holds);
    assert_eq!(pair(json!({"states": [0]}), json!({"labels": ["b"]})), Word::Violated);
}

#[test]
fn what_says_nothing_is_said() {
    let edges = json!([[0, "a", 1], [1, "b", 1]]);
    let cases = json!([
        case(json!({"id": 1, "kind": "leads_to", "p": [], "q": [1]})),
        case(json!({"id": 2, "conditions": [{"streett": {"p": {"states": [0, 1]}, "q": {"states": []}}}]})),
        case(json!({"id": 3, "edges": edges, "fair": {"a": "WF", "b": "SF", "c": "WF"}})),
        case(
            json!({"id": 4, "n": 3, "edges": [[0, "a", 1], [2, "c", 1]], "fair": null, "conditions": [{"weak": ["a", "c"]}]})
        ),
        case(json!({"id": 5})),
    ]);
    let (code, out, _) = said(&run("liveness-nothing.json", cases.to_string(), &[]));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(code, Some(0), "{out}");
    assert_eq!(
        lines,
        [
            "case 1: leads_to holds, vacuously: its trigger never occurs (2 states, 1 transitions)",
            "case 2: eventually holds, vacuously: no run is fair (2 states, 1 transitions)",
            "case 3: eventually holds (2 states, 2 transitions); fairness left out, never enabled: SF(b), WF(c)",
            "case 4: eventually holds (2 states, 1 transitions); never occurs: c of WF(a, c)",
            "case 5: eventually holds (2 states, 1 transitions)",
            "5 cases: 5 hold, 2 of them vacuously, 0 violated, 0 not as expected; 0 compared with TLC, 0 differ",
            "",
            "next: the same with --json prints this for a program; docs/liveness-files.md describes what a case",
            "      can say",
        ]
    );
}

#[test]
fn the_exit_code_says_whether_all_is_as_expected() {
    let violated = |fields: Value| {
        let mut case = case(json!({"fair": {"a": ""}}));
        case.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        case
    };
    let ends = |case: Value, arguments: &[&str]| {
        let (code, out, error) = said(&run("liveness-expect.json", json!([case]).to_string(), arguments));
        (code.unwrap(), out, error)
    };
    let code = |case: Value, arguments: &[&str]| ends(case, arguments).0;
    assert_eq!((code(case(json!({})), &[]), code(violated(json!({})), &[])), (0, 1));
    assert_eq!(code(violated(json!({})), &["--json"]), 1);
    let expected = ["--expect", "violated"];
    assert_eq!((code(case(json!({})), &expected), code(violated(json!({})), &expected)), (1, 0));
    // The file goes first.
    assert_eq!(code(violated(json!({"expect": "violated"})), &[]), 0);
    assert_eq!(code(violated(json!({"expect": "holds"})), &expected), 1);
    // What TLC said is compared with in any case, and is what is expected where that is asked for.
    let tlc = ["--expect", "tlc"];
    assert_eq!(
        (code(violated(json!({"tlc": "violated"})), &tlc), code(violated(json!({"tlc": "holds"})), &tlc)),
        (0, 1)
    );
    assert_eq!(code(violated(json!({"tlc": "holds"})), &expected), 1);
    let (code, out, error) = ends(case(json!({})), &tlc);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(error, "error: case 1: --expect tlc compares with what TLC said, but tlc is missing\n");
}

#[test]
fn the_cases_of_tlc_are_as_tlc_says() {
    let (code, out, _) = said(&run("liveness-tlc.json", FIXTURE, &["--expect", "tlc"]));
    let summary = out.lines().rfind(|line| line.contains(" cases: ")).unwrap();
    assert_eq!(code, Some(0), "{summary}");
    assert!(summary.starts_with("200 cases: ") && summary.ends_with("200 compared with TLC, 0 differ"), "{summary}");
    assert_eq!(said(&run("liveness-tlc.json", FIXTURE, &[])).0, Some(1));
}

fn corpus(kind: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/liveness").join(kind);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// What cannot be used: one sentence that a terminal can show, exit code 2, and no output.
#[test]
fn what_cannot_be_used_is_refused_in_one_sentence() {
    for (path, _) in corpus("refused") {
        let (code, out, error) = said(&program().arg(&path).output().unwrap());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{path}");
        assert!(error.starts_with("error: ") && error.lines().count() == 1, "{path}: {error}");
        assert!(!error.trim_end().contains(char::is_control) && error.len() < 500, "{path}: {error}");
    }
    for (path, text) in corpus("accepted") {
        let cases = parse(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        cases.iter().for_each(|case| drop(examine(case, &Memory::unlimited(), &AtomicBool::new(false)).unwrap()));
        let (_, out, error) = said(&program().arg(&path).output().unwrap());
        assert!(error.is_empty() && !out.replace('\n', "").contains(char::is_control), "{path}: {out}");
    }
}

#[test]
fn a_refusal_names_the_value_and_the_limit() {
    let refused = |fields: Value| refusal(json!([case(fields)]).to_string().as_bytes());
    assert_eq!(refused(json!({"p": [2]})), "case 1: state 2 in p is not below n = 2");
    assert_eq!(refused(json!({"p": [u64::MAX]})), "case 1: state 18446744073709551615 in p is not below n = 2");
    assert_eq!(refused(json!({"p": ["x"]})), "case 1: state \"x\" in p is not one of the 0 states");
    let twice =
        r#"[{"id": 1, "n": 2, "edges": [[0, "a", 1]], "fair": {"a": "WF", "a": ""}, "kind": "eventually", "p": [1]}]"#;
    assert!(refusal(twice.as_bytes()).contains("label \"a\" is in fair more than once"));
    for (fields, says) in [
        (json!({"p": [1, 0, 1]}), "state 1 in p is given twice"),
        (json!({"kind": "leads_to", "q": [0, 0]}), "state 0 in q is given twice"),
        (json!({"edges": [[0, "a", 1], [0, "a", 1]]}), "edge [0, \"a\", 1] is given twice"),
        (json!({"initial": [1, 1]}), "state 1 in initial is given twice"),
        (json!({"n": null, "states": ["x", "y"], "edges": [], "p": ["y", "y"]}), "state \"y\" in p is given twice"),
        (json!({"conditions": [{"weak": ["a", "a"]}]}), "label \"a\" in weak is given twice"),
        (json!({"conditions": [{"strong": ["a", "a"]}]}), "label \"a\" in strong is given twice"),
        (
            json!({"conditions": [{"streett": {"p": {"states": [0, 0]}, "q": {"labels": ["a"]}}}]}),
            "state 0 in a Streett pair is given twice",
        ),
        (
            json!({"conditions": [{"streett": {"p": {"states": [0]}, "q": {"labels": ["a", "a"]}}}]}),
            "label \"a\" in a Streett pair is given twice",
        ),
    ] {
        assert_eq!(refused(fields), format!("case 1: {says}"));
    }
    let labels = |many: u32| {
        let edges: Vec<_> = (0..many).map(|label| json!([0, label.to_string(), 1])).collect();
        case(json!({"edges": edges, "fair": null}))
    };
    let text = json!([labels(40_000)]).to_string();
    assert_eq!(refusal(text.as_bytes()), "case 1: 40000 labels occur, at most 32768 can be numbered");
    assert_eq!(examined(&json!([labels(32_768)]))[0].transitions, 32_768);
    let many = json!({"conditions": (0..=65_536).map(|_| json!({"weak": ["a"]})).collect::<Value>(), "fair": null});
    assert_eq!(refused(many), "case 1: 65537 fairness conditions are there, at most 65536 are possible");
    let conditions: Vec<_> = (0..32_769).map(|_| json!({"weak": ["0"]})).collect();
    let mut many = labels(32_768);
    many["conditions"] = conditions.into();
    let why = refusal(json!([many]).to_string().as_bytes());
    assert!(
        why.starts_with("case 1: 32769 fairness conditions over 32768 edges are 1073774592 facts to keep, at most")
    );
}

/// In the square, what follows would take hours.
#[test]
fn leads_to_is_as_quick_as_the_graph_is_large() {
    let n = 300_000;
    let mut text = format!("[{{\"id\": 1, \"n\": {n}, \"kind\": \"leads_to\", \"edges\": [");
    let edges = (0..n).map(|s| format!("[{s}, \"a\", {}]", (s + 1) % n));
    text += &edges.collect::<Vec<_>>().join(",");
    let states = |from: u32| (from..n).rev().map(|s| s.to_string()).collect::<Vec<_>>().join(",");
    write!(text, "], \"fair\": {{\"a\": \"WF\"}}, \"p\": [{}], \"q\": [{}]}}]", states(0), states(1)).unwrap();
    let cases = parse(text.as_bytes()).unwrap();
    let examined = examine(&cases[0], &Memory::unlimited(), &AtomicBool::new(false)).unwrap();
    assert_eq!((examined.verdict, examined.states), (Word::Holds, n as usize));
}

/// A chain of states with a loop at its end.
fn chain(n: u32) -> Value {
    let edges: Vec<_> = (0..n).map(|s| json!([s, "a", (s + 1).min(n - 1)])).collect();
    case(json!({"id": "chain", "n": n, "edges": edges, "p": [n - 1]}))
}

#[test]
fn a_graph_that_does_not_fit_is_undecided() {
    let text = json!([chain(2_000)]).to_string();
    let cases = parse(text.as_bytes()).unwrap();
    let within = |bytes| examine(&cases[0], &Memory::of(bytes), &AtomicBool::new(false));
    assert_eq!(within(2_000_000).unwrap().verdict, Word::Holds);
    let why = within(100_000).unwrap_err().to_string();
    assert!(why.starts_with("case chain: unknown, since ") && why.ends_with("the 100.0 kB of memory that there are"));
}

/// Runs the program where there are 300 MB of address space.
#[cfg(target_os = "linux")]
fn little(name: &str, cases: &Value, arguments: &[&str]) -> (Option<i32>, String, String) {
    let script = "ulimit -v 300000; exec \"$0\" \"$@\"";
    let program = program().get_program().to_owned();
    let path = write(name, cases.to_string());
    said(&Command::new("sh").args(["-c", script]).arg(program).args(arguments).arg(path).output().unwrap())
}

/// Neither a file nor its graph takes more than there is: the program is not ended by an allocation that fails.
#[test]
#[cfg(target_os = "linux")]
fn little_memory_is_enough_for_a_sentence() {
    let small = case(json!({"id": 0}));
    let (code, _, error) = little("liveness-long.json", &json!([small, chain(1_000_000)]), &[]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains(" bytes, all that the memory that is available suffices for\n"), "{error}");
    let (code, out, error) = little("liveness-fits.json", &json!([small, chain(100_000)]), &[]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
}

/// What the conditions' marks take is counted too. A case that there is too little memory for is unknown, by its id, and
/// the others are decided.
#[test]
#[cfg(target_os = "linux")]
fn a_case_that_memory_does_not_suffice_for_is_unknown_and_the_others_are_decided() {
    let mut large = chain(20_000);
    large["conditions"] = (0..50_000).map(|_| json!({"weak": ["a"]})).collect();
    let cases = json!([case(json!({"id": "first"})), large, case(json!({"id": "last"}))]);
    let (code, out, error) = little("liveness-marks.json", &cases, &[]);
    assert_eq!((code, error.as_str()), (Some(1), ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    let [first, unknown, last, summary, "", next] = lines[..] else { panic!("{out}") };
    assert_eq!(next, "next: the same with more memory decides what is unknown");
    let decided = |id| format!("case {id}: eventually holds (2 states, 1 transitions)");
    assert_eq!((first, last), (&*decided("first"), &*decided("last")));
    let why = "20000 states with 50001 fairness conditions need more than the ";
    assert!(unknown.starts_with(&format!("case chain: unknown, since {why}")), "{unknown}");
    assert!(summary.starts_with("3 cases: 2 hold, 0 of them vacuously, 0 violated, 1 unknown, 0 not as"), "{summary}");
    let (code, out, error) = little("liveness-marks.json", &cases, &["--json"]);
    assert_eq!((code, error.as_str()), (Some(1), ""), "{out}");
    let outcome: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&outcome["holds"], &outcome["unknown"], &outcome["asked"]), (&json!(2), &json!(1), &json!(3)));
    assert_eq!(outcome["undecided"].as_array().unwrap().len(), 1);
    assert_eq!(outcome["undecided"][0]["id"], "chain");
    assert!(outcome["undecided"][0]["why"].as_str().unwrap().starts_with(why), "{outcome}");
}

/// Fifteen hundred rounds of taking a component apart, each of which gives up one state: nobody waits for that.
fn endless() -> Value {
    let n = 1_500;
    let edges: Vec<_> = (0..n - 1).flat_map(|s| [json!([s, "a", s + 1]), json!([s + 1, "a", s])]).collect();
    let pair = |p: u32, q: Vec<u32>| json!({"streett": {"p": {"states": [p]}, "q": {"states": q}}});
    let pairs: Vec<_> = (0..n - 1).map(|s| pair(s, vec![s + 1])).chain([pair(n - 1, vec![])]).collect();
    json!({"id": "endless", "n": n, "edges": edges, "conditions": pairs, "kind": "eventually", "p": []})
}

#[test]
#[cfg(unix)]
fn a_signal_ends_a_search_and_what_is_known_is_printed() {
    let path = write("liveness-endless.json", json!([case(json!({})), endless()]).to_string());
    let mut child = program().arg(path).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    out.read_line(&mut text).unwrap();
    assert!(Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap().success());
    out.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
    assert!(text.starts_with("case 1: eventually holds (2 states, 1 transitions)\nended after 1 of 2 cases: "));
}

/// Deterministic changes to valid files.
struct Mutator(TestRng);

impl Mutator {
    fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n.max(1) as u64) as usize
    }

    /// One to four changes; words are those at which formats and numbers end.
    fn mutated(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        const WORDS: [&str; 22] = [
            "\"",
            "\\u0000",
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            "null",
            "-1",
            "0",
            "1e400",
            "4294967295",
            "4294967296",
            "18446744073709551615",
            "18446744073709551616",
            "\"a\"",
            "\"states\"",
            "\"leads_to\"",
            "\"SF\"",
            "1.5",
            "\u{202e}",
        ];
        let mut text = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            let (from, other) = (self.below(text.len()), self.below(text.len()));
            let (from, to) = (from.min(other), from.max(other).min(from.min(other) + 40));
            match self.below(5) {
                0 if from < text.len() => text[from] ^= 1 << self.below(8),
                1 => drop(text.drain(from..to)),
                2 => {
                    let piece = text[from..to].to_vec();
                    let at = self.below(text.len() + 1);
                    drop(text.splice(at..at, piece));
                }
                3 => drop(text.splice(from..to, WORDS[self.below(WORDS.len())].bytes())),
                _ => {
                    let numbers: Vec<_> = (0..text.len()).filter(|&i| text[i].is_ascii_digit()).collect();
                    if let Some(&at) = numbers.get(self.below(numbers.len())) {
                        drop(text.splice(at..at + 1, WORDS[9 + self.below(7)].bytes()));
                    }
                }
            }
        }
        text
    }
}

/// No file makes the parser or the checker panic or hang. `VTD_QI_MUTATIONS` asks for more than the tests have time
/// for.
#[test]
fn no_file_is_too_bad() {
    let many = std::env::var("VTD_QI_MUTATIONS").map_or(2_000, |text| text.parse().expect("a number"));
    let cases: Vec<Value> = serde_json::from_str(FIXTURE).unwrap();
    let mut files: Vec<Vec<u8>> = cases.iter().map(|case| json!([case]).to_string().into_bytes()).collect();
    let document: Vec<Value> = serde_json::from_str(blocks("json")[0]).unwrap();
    // As many of the document's as of TLC's: they have all the fields.
    files.extend((0..100).flat_map(|_| document.iter().map(|case| json!([case]).to_string().into_bytes())));
    files.extend(["accepted", "refused"].into_iter().flat_map(corpus).map(|(_, text)| text));
    let mut mutator = Mutator(TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..many {
        let text = mutator.mutated(&files);
        match parse(&text) {
            Ok(cases) => {
                cases.iter().for_each(|case| {
                    drop(examine(case, &Memory::unlimited(), &AtomicBool::new(false)).map(|e| e.verdict))
                });
                accepted += 1;
            }
            Err(Unusable::Json(_)) => refused += 1,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    assert!(accepted > many / 40 && refused > many / 20, "{accepted} accepted, {refused} refused");
}

/// A signal ends the program also while it waits for the rest of its file.
#[cfg(unix)]
#[test]
fn reading_can_be_interrupted() {
    for signal in ["INT", "TERM", "HUP"] {
        let mut child = program().arg("/dev/stdin").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // More than a pipe holds: once all of it is written the program is reading.
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), &[b' '; 1 << 18]).unwrap();
        let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let still_open = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        drop(still_open);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal}: {told}");
        assert_eq!(told, "/dev/stdin: interrupted before all of it was read\n");
    }
}

/// An id is a text of whoever wrote the file: what a terminal would act upon is written out, wherever the id stands.
#[test]
fn an_id_cannot_command_a_terminal() {
    let (code, out, error) = said(&run(
        "liveness-id.json",
        json!([case(json!({"id": "\u{1b}[31mx\n\u{7}", "fair": {"a": ""}}))]).to_string(),
        &[],
    ));
    assert_eq!(code, Some(1), "{error}");
    assert!(!out.chars().any(|c| c.is_control() && c != '\n'), "{out:?}");
    assert_eq!(out.matches("\\u{1b}[31mx\\n\\u{7}").count(), 2, "{out}");
}
