//! Inputs with bytes changed, the same at every run, for the tests of what reads files.

use crate::Model;

/// So many inputs, each one of the samples after one to four changes: a byte or a stretch replaced, left out, doubled, moved or
/// repeated very often, or a number of an awkward size put in.
pub(super) fn mutations<'a>(samples: &'a [&'a [u8]], count: usize) -> impl Iterator<Item = Vec<u8>> + 'a {
    const NUMBERS: [&[u8]; 5] = [b"0", b"-1", b"18446744073709551615", b"9223372036854775808", b"1e99"];
    const PIECES: [&[u8]; 8] = [b"<<", b"{", b"[", b"(", b"\"", b"\\", b"\n\n", b"\xff"];
    (0..count as u64).map(move |seed| {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut below = move |n: usize| dice.usize(..n.max(1));
        let mut bytes = samples[below(samples.len())].to_vec();
        for _ in 0..=below(4) {
            let from = below(bytes.len());
            let to = (from + 1 + below(12)).min(bytes.len());
            let stretch = bytes[from..to].to_vec();
            match below(7) {
                0 => bytes[from] = below(256) as u8,
                1 => drop(bytes.drain(from..to)),
                2 => drop(bytes.splice(from..from, stretch)),
                3 => {
                    bytes.drain(from..to);
                    let at = below(bytes.len() + 1);
                    bytes.splice(at..at, stretch);
                }
                4 => drop(bytes.splice(from..to, NUMBERS[below(NUMBERS.len())].iter().copied())),
                5 => drop(bytes.splice(from..to, PIECES[below(PIECES.len())].repeat(1 + below(2_000)))),
                _ => bytes.truncate(from.max(1)),
            }
            if bytes.is_empty() {
                bytes.push(b' ');
            }
        }
        bytes
    })
}

/// Mutated `.cfg` files are refused in one sentence, or are configurations. `VTD_QI_FUZZ` says how many.
#[test]
fn mutated_configurations_do_no_harm() {
    let count = std::env::var("VTD_QI_FUZZ").map_or(400, |count| count.parse().unwrap());
    // One model of each module, and what a file that a person writes may have beside that.
    let models = Model::all();
    let mut samples: Vec<Vec<u8>> = ["spec-c01-2", "g4-c0-2x4", "g3-c01-2x4", "faults-g1-invalid-id--no-slot-leak"]
        .map(|name| models.find(name).unwrap().to_cfg().into_bytes())
        .into();
    samples.push([b"(* a comment *)\n".as_slice(), &samples[0]].concat());
    let samples: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
    let (mut accepted, mut refused) = (0, 0);
    for (seed, mutated) in mutations(&samples, count).enumerate() {
        match Model::parse("mutated", &String::from_utf8_lossy(&mutated)) {
            // What is accepted is what is written for it again.
            Ok(model) => {
                accepted += 1;
                let again = Model::parse("mutated", &model.to_cfg()).map(|again| again.subject);
                assert_eq!(again, Ok(model.subject), "{seed}");
            }
            Err(error) => {
                refused += 1;
                let error = error.to_string();
                let is_sentence = error.lines().count() == 1 && !error.contains(char::is_control);
                assert!(is_sentence && error.len() < 2_000, "{seed}: {error}");
            }
        }
    }
    assert!(accepted > count / 100 && refused > count / 4, "{accepted} accepted, {refused} refused");
}
