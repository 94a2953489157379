//! What the examples print.

use std::process::Command;

/// What an example prints; `cargo test` builds it beside the tests.
fn printed(name: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap().join("examples");
    let example = folder.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(example.exists(), "{} is missing; cargo build --examples builds it", example.display());
    let output = Command::new(example).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tour() {
    let expected = r#"
Peterson's algorithm: 20 states, 34 transitions
  always, at most one process is critical: holds
  sometimes, both processes wait: holds
  A enters once it wants to, without fairness: violated
    ([Rest, Rest], A)
      -Wants(A)-> ([Halfway, Rest], A)
    then nothing for ever
  A enters once it wants to, if each process goes on where it can: holds
The same with the writes of flag and turn exchanged: 32 states, 60 transitions
  always, at most one process is critical: violated
    -Wants(A)-> ([Halfway, Rest], B)
    -Wants(B)-> ([Halfway, Halfway], A)
    -GoesOn(B)-> ([Halfway, Waiting], A)
    -GoesOn(B)-> ([Halfway, Critical], A)
    -GoesOn(A)-> ([Waiting, Critical], A)
    -GoesOn(A)-> ([Critical, Critical], A)
  sometimes, both processes wait: holds
A ring that passes a token round: 24 states, 72 transitions
  node 1 is served, if use is weakly fair: violated
    (0, [false, false, false])
      -Want(1)-> (0, [false, true, false])
    then for ever
      -Pass-> (1, [false, true, false])
      -Pass-> (2, [false, true, false])
      -Pass-> (0, [false, true, false])
  node 1 is served, if use is strongly fair: holds
"#;
    assert_eq!(printed("tour"), expected.trim_start());
}

#[test]
fn refinement() {
    let expected = r#"
Two places in a row: each of 14 transitions is a step of the queue (6 send, 6 receive) or changes nothing of it
With a shortcut: this step is no step of the queue:
  [Some('x'), None] -Put-> [Some('x'), Some('y')]
  ['x'] => ['y', 'x']
Receiving is weakly fair in the queue if weak fairness is assumed of Move and Take: holds
Receiving is weakly fair in the queue if weak fairness is assumed of Take: violated
  [None, None] -Put-> [Some('x'), None], then nothing for ever
"#;
    assert_eq!(printed("refinement"), expected.trim_start());
}
