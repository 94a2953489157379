//! Files that are no honest files: of scenarios, cells, mutants, findings and kept cells, altered at random.
//!
//! `VTD_QI_FUZZ=20000 cargo test -p vtd-qi-examples --test hostile` tries more of each.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fastrand::Rng;
use kept::Kept;
use stateright_temporal::graph::Limits;
use vtd_qi::campaign::findings::{Confirmations, Findings};
use vtd_qi::campaign::matrix::{CellResult, Matrix, Scope, Tier};
use vtd_qi::campaign::mutants::Equivalent;
use vtd_qi::fingerprint::fingerprint;
use vtd_qi::scenario::Table;
use vtd_qi::verify::verify;
use vtd_qi_terminal::printable;

#[allow(dead_code)]
#[path = "../check/kept.rs"]
mod kept;

/// What stands in files, and numbers at which something could overflow or be taken for something else.
const WORDS: [&str; 24] = [
    "0",
    "1",
    "3",
    "8",
    "9",
    "254",
    "255",
    "256",
    "65535",
    "65536",
    "4294967296",
    "9223372036854775807",
    "-1",
    "1e999",
    "nan",
    "''",
    "\"\"\"",
    "[]",
    "{}",
    "true",
    "'g5'",
    "'2x4'",
    "'no-deadlock'",
    "null",
];

/// Some bytes with something wrong in them: in their lines, their words or themselves.
fn alter(dice: &mut Rng, text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    for _ in 0..=dice.usize(..3) {
        if text.is_empty() {
            break;
        }
        text = match dice.usize(..8) {
            0 => alter_lines(dice, &text),
            1 => {
                let at = dice.usize(..text.len());
                text[at] = dice.usize(..256) as u8;
                text
            }
            2 if dice.usize(..4) == 0 => {
                text.truncate(dice.usize(..text.len()));
                text
            }
            _ => alter_words(dice, &text),
        };
    }
    text
}

fn alter_lines(dice: &mut Rng, text: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let (one, other) = (dice.usize(..lines.len()), dice.usize(..lines.len()));
    match dice.usize(..3) {
        0 => lines.swap(one, other),
        1 => drop(lines.remove(one)),
        _ => lines.insert(one, lines[other]),
    }
    lines.concat()
}

/// Puts another word, of the same text or not, in the place of one.
fn alter_words(dice: &mut Rng, text: &[u8]) -> Vec<u8> {
    let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let mut words: Vec<&[u8]> = text.chunk_by(|&one, &next| is_of_word(one) == is_of_word(next)).collect();
    let (one, other) = (dice.usize(..words.len()), dice.usize(..words.len()));
    words[one] = match dice.usize(..3) {
        0 => words[other],
        1 => b"",
        _ => WORDS[dice.usize(..WORDS.len())].as_bytes(),
    };
    words.concat()
}

/// The corpus of a kind of file: inputs that were not survived once.
fn corpus(kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus").join(kind);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

/// Tries altered texts and the corpus of a kind. `accepts` uses a text or says why it cannot, and panics at what must not be.
fn fuzz(kind: &str, texts: &[Vec<u8>], accepts: impl Fn(&[u8]) -> Result<(), String>) {
    let inputs = std::env::var("VTD_QI_FUZZ").map_or(300, |inputs| inputs.parse().unwrap());
    let survives = |input: &[u8]| {
        let tried = catch_unwind(AssertUnwindSafe(|| accepts(input).inspect_err(|error| assert_is_one_line(error))));
        tried.unwrap_or_else(|_| {
            let kept = std::env::temp_dir().join(format!("vtd-qi-hostile-{kind}"));
            std::fs::write(&kept, input).unwrap();
            panic!("{} is not survived; make it small and put it under tests/corpus/{kind}", kept.display());
        })
    };
    let known = corpus(kind);
    assert!(!known.is_empty());
    known.iter().for_each(|input| _ = survives(input));
    texts.iter().for_each(|text| assert_eq!(survives(text), Ok(()), "{kind}: an unaltered text is refused"));
    let (mut dice, mut accepted) = (Rng::with_seed(2_026), 0);
    for i in 0..inputs {
        accepted += usize::from(survives(&alter(&mut dice, &texts[i % texts.len()])).is_ok());
    }
    // Texts that are all refused, or all accepted, would test little.
    assert!(accepted > inputs / 50 && accepted < inputs, "{kind}: {accepted} of {inputs} are accepted");
}

/// An error that a person can read: one line, with what is wrong.
fn assert_is_one_line(error: &str) {
    assert!(!error.is_empty() && error.len() < 4_000 && !error.contains(char::is_control), "{error:?}");
}

/// Bytes as a text, which is all that a file of this kind is read from.
fn text_of(input: &[u8]) -> Result<&str, String> {
    str::from_utf8(input).map_err(|error| error.to_string())
}

/// The parts of a TOML file, each a table with what stands before the next.
fn parts(text: &str) -> Vec<&str> {
    text.split_inclusive("\n\n").collect()
}

/// Whether a part has this line.
fn has(part: &str, line: &str) -> bool {
    part.lines().any(|known| known.starts_with(line))
}

fn data(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../data").join(name)).unwrap()
}

#[test]
fn altered_scenarios_are_refused_or_checked() {
    let text = data("scenarios.toml");
    let of = |wanted: &str| {
        let part = parts(&text).into_iter().find(|part| has(part, wanted));
        part.unwrap_or_else(|| panic!("no part has {wanted}")).to_string()
    };
    let families =
        ["name = \"g3-patch\"", "name = \"g3-c01\"", "name = \"g4-c012-pipelined\"", "killed-by", "fails-at"];
    let texts: Vec<Vec<u8>> = families.map(|family| (of("[holds]") + &of(family)).into_bytes()).to_vec();
    fuzz("scenarios", &texts, |input| {
        let table = Table::parse(text_of(input)?).map_err(|error| error.to_string())?;
        let report = verify(&table.scenarios[0], Limits { max_states: 100, ..Limits::default() });
        assert!(report.states <= 100 && report.properties.len() == table.scenarios[0].checks.len());
        Ok(())
    });
}

#[test]
fn altered_matrices_are_refused_or_their_cells_can_be_named() {
    let text = data("faults.toml");
    let of_kind = |kind: &str| parts(&text).into_iter().filter(|part| has(part, kind)).collect::<Vec<_>>();
    let head = parts(&text).into_iter().take_while(|part| !has(part, "[[size]]")).collect::<String>();
    // One size and three classes, and what is expected of all their cells.
    let (sizes, classes) = (of_kind("[[size]]"), of_kind("[[class]]"));
    let of_one = |part: &&str, class: &str| has(part, &format!("classes = [\"{class}\"]")) && !has(part, "on = ");
    let is_about = |part: &&str| ["none", "invalid-id", "ice"].iter().any(|class| of_one(part, class));
    let expected: String = of_kind("[[expect]]").into_iter().filter(is_about).collect();
    let small = head + sizes[0] + &classes[..3].concat() + &expected;
    fuzz("faults", &[small.into_bytes()], |input| {
        let matrix = Matrix::parse(text_of(input)?).map_err(|error| error.to_string())?;
        matrix.cells(Scope::Full).for_each(|cell| {
            assert_eq!(matrix.find(&cell.scenario.name).unwrap().subject(), cell.subject());
        });
        Ok(())
    });
}

#[test]
fn altered_explanations_of_mutants_are_refused_or_understood() {
    fuzz("mutants", &[data("mutants.toml").into_bytes()], |input| {
        Equivalent::parse(text_of(input)?).map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn altered_findings_are_refused_or_can_be_looked_for() {
    let matrix = Matrix::embedded();
    fuzz("findings", &[data("findings.toml").into_bytes()], |input| {
        let Findings { findings, parts } =
            Findings::parse(text_of(input)?, &matrix).map_err(|error| error.to_string())?;
        findings.iter().for_each(|finding| assert!(finding.scenario(&matrix).checks == [finding.shown()]));
        parts.iter().for_each(|part| assert!(part.scenario(&matrix).checks == [part.fails()]));
        Ok(())
    });
}

#[test]
fn altered_confirmations_are_refused_or_read() {
    let path = file("confirmed.json");
    let text: String = data("confirmed.json").split_inclusive('\n').take(60).collect();
    let whole = text.rsplit_once("    },").unwrap().0.to_string() + "    }\n  }\n}\n";
    fuzz("confirmed", &[whole.into_bytes()], |input| {
        std::fs::write(&path, input).unwrap();
        // The words are serde's, and what is printed of them is escaped.
        Confirmations::read(&path).map(drop).map_err(|error| printable(&error.to_string()).into_owned())
    });
    std::fs::remove_file(path).unwrap();
}

/// What is read of an altered file is what its whole lines say; afterwards it has these lines and no others.
#[test]
fn of_an_altered_file_of_kept_cells_the_whole_lines_are_used() {
    let path = file("kept.jsonl");
    let lines = [
        kept_cell("g4-none-in-order-2x4", 7),
        kept_cell("g5-ice-in-order-2x4", 9),
        kept_cell("g4-none-in-order-2x4", 8),
    ];
    let text = lines.map(|cell| cell.to_line() + "\n").concat().into_bytes();
    fuzz("kept", &[text], |input| {
        std::fs::write(&path, input).unwrap();
        let read = String::from_utf8_lossy(input).into_owned();
        let whole = || read.split('\n').filter(|line| CellResult::of_line(line).is_some());
        let wanted: BTreeMap<String, CellResult> =
            whole().filter_map(CellResult::of_line).map(|cell| (cell.name.clone(), cell)).collect();
        let (_, cells) = Kept::open(&path).inspect_err(|_| {
            assert!(wanted.is_empty() && std::fs::read(&path).unwrap() == input, "a file that is refused is as it was");
        })?;
        assert_eq!(cells, wanted);
        let now = std::fs::read_to_string(&path).unwrap();
        assert!(now.lines().filter(|line| !line.is_empty()).eq(whole()), "{now}");
        let (again, cells) = Kept::open(&path)?;
        assert!(again.damage.is_none() && cells == wanted);
        Ok(())
    });
    std::fs::remove_file(path).unwrap();
}

/// A line can be right about its own sum and be of no cell, or of one that was never searched so.
#[test]
fn a_kept_cell_of_another_content_is_survived() {
    let matrix = Matrix::embedded();
    let cell = matrix.find("g4-none-in-order-2x4").unwrap();
    let json = serde_json::to_vec(&kept_cell(&cell.scenario.name, 7)).unwrap();
    fuzz("kept-cell", &[json], |input| {
        let input = text_of(input)?;
        let line = format!("{{\"sum\":\"{}\",\"cell\":{input}}}", fingerprint([input]));
        let judged = CellResult::of_line(&line).ok_or("it is no cell")?;
        Tier::ALL.iter().for_each(|tier| _ = judged.tier(*tier));
        judged.surprises(cell).iter().for_each(|surprise| assert_is_one_line(&surprise.text));
        assert!(!judged.serves(cell, usize::MAX), "nothing of this content was searched");
        Ok(())
    });
}

fn kept_cell(name: &str, states: usize) -> CellResult {
    serde_json::from_value(serde_json::json!({
        "name": name, "subject": "of the rules", "states": states, "transitions": 12, "depth": 3, "complete": true, "cut": null,
        "verdicts": { "no-deadlock": "holds", "refines-spec": "violated", "no-slot-leak": "unknown" },
        "lengths": { "refines-spec": [3, 1] },
        "faults": [{ "bit": "IQE", "raised": 3, "handled": 2 }],
        "reached": ["own-done-observed"],
    }))
    .unwrap()
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("vtd-qi-hostile-{}-{name}", std::process::id()))
}
