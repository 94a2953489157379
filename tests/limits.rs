//! Limits hold: a graph never has more states, and a search never takes more memory, than it was allowed.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use stateright::{Model, Property};
use stateright_temporal::graph::{Coverage, Graph, Limits, Search};
use stateright_temporal::liveness::{Fairness, Formula, LivenessVerdict, check};
use stateright_temporal::memory::Memory;
use vtd_qi::impl_qi::{Action, Label, Ring, RingCfg, Rules};

/// A tree in which each node has 500 children, up to the largest number there is.
struct Tree;

const CHILDREN: u64 = 500;

impl Model for Tree {
    type State = u64;
    type Action = u64;

    fn init_states(&self) -> Vec<u64> {
        vec![0]
    }

    fn actions(&self, _: &u64, actions: &mut Vec<u64>) {
        actions.extend(1..=CHILDREN);
    }

    fn next_state(&self, node: &u64, child: u64) -> Option<u64> {
        node.checked_mul(CHILDREN)?.checked_add(child)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("small", |_, node| *node < 41_990),
            Property::sometimes("large", |_, node| *node > 50_000),
        ]
    }
}

fn tree(limits: Limits) -> Graph<u64, u64> {
    Search::new(&Tree, |child| child % 7).limits(limits).run()
}

/// All that a graph says.
fn content<S: Clone + PartialEq, L: Copy + PartialEq>(graph: &Graph<S, L>) -> impl PartialEq + use<S, L> {
    let edges: Vec<_> = graph.ids().flat_map(|id| graph.edges(id)).map(|e| (e.source, e.label, e.target)).collect();
    let expanded: Vec<bool> = graph.ids().map(|id| graph.is_expanded(id)).collect();
    let findings: Vec<_> = graph.findings().iter().map(|finding| finding.state).collect();
    (graph.states().to_vec(), graph.labels().to_vec(), edges, expanded, findings, graph.depth())
}

#[test]
fn a_graph_has_as_many_states_as_it_may_whatever_the_threads_and_the_branching() {
    for max_states in [1, 2, 499, 500, 501, 502, 42_000, 100_001] {
        let cut = |threads| tree(Limits { max_states, threads, ..Limits::default() });
        let graph = cut(1);
        assert_eq!((graph.len(), graph.coverage()), (max_states, Coverage::CutByMaxStates));
        // The states that were found are judged, expanded or not; the state where there was no more room lacks transitions.
        assert_eq!(graph.findings()[0].state, (max_states > 41_990).then_some(41_990));
        assert_eq!(graph.findings()[1].state.is_some(), max_states > 50_001);
        assert_eq!(graph.is_expanded(0), max_states > 500);
        assert!(graph.ids().step_by(97).all(|id| graph.path_to(id).last().is_none_or(|edge| edge.target == id)));
        for threads in [2, 16] {
            assert!(content(&cut(threads)) == content(&graph), "{max_states} states, {threads} threads");
        }
    }
}

#[test]
fn a_ring_that_was_cut_is_the_same_whatever_the_threads() {
    let ring = Ring::<8, 3>::new(RingCfg::new(Rules::G4, 2, [0, 1, 2])).unwrap();
    let run = |max_states, threads| -> Graph<_, Label> {
        Search::new(&ring, Action::label).limits(Limits { max_states, threads, ..Limits::default() }).run()
    };
    let whole = run(usize::MAX, 2);
    assert_eq!(whole.coverage(), Coverage::Complete);
    // As many as there are do not cut it; one less does.
    assert!(content(&run(whole.len(), 3)) == content(&whole));
    for max_states in [whole.len() - 1, whole.len() / 2, 3000] {
        let cut = run(max_states, 1);
        assert_eq!((cut.len(), cut.coverage()), (max_states, Coverage::CutByMaxStates));
        assert!([2, 5, 16].iter().all(|&threads| content(&run(max_states, threads)) == content(&cut)));
    }
}

#[test]
fn initial_states_count_too() {
    let toy = stateright_temporal::liveness::Toy::new([1, 2, 3, 2], [(1, "a", 4)]);
    let run = |max_states| {
        Search::new(&toy, stateright_temporal::liveness::Toy::label)
            .limits(Limits { max_states, ..Limits::default() })
            .run()
    };
    assert_eq!((run(2).len(), run(2).coverage()), (2, Coverage::CutByMaxStates));
    assert_eq!((run(3).len(), run(3).coverage()), (3, Coverage::CutByMaxStates));
    assert_eq!((run(4).len(), run(4).coverage()), (4, Coverage::Complete));
    assert!(run(0).is_empty());
}

#[test]
fn a_search_stops_where_its_memory_ends_and_gives_it_back() {
    for threads in [1, 4] {
        let memory = Memory::of(30_000_000);
        let graph = tree(Limits { memory: Some(&memory), threads, ..Limits::default() });
        assert_eq!(graph.coverage(), Coverage::CutByMemory);
        assert!(graph.len() > 50_000 && graph.len() < 300_000, "{} states", graph.len());
        // What holds so far is unknown, what is violated is violated, and a second search finds what the first has left.
        let fair = [Fairness::weak("any", (0..7).collect::<Vec<u64>>())];
        let never = check(&graph, &fair, &Formula::eventually(|node| *node > 0), None).unwrap();
        assert_eq!(never, LivenessVerdict::Unknown(Coverage::CutByMemory));
        assert!(matches!(
            check(&graph, &[], &Formula::eventually(|node| *node > 0), None),
            Ok(LivenessVerdict::Violated(_))
        ));
        assert!(tree(Limits { memory: Some(&memory), ..Limits::default() }).len() < graph.len());
        let len = graph.len();
        drop(graph);
        let again = tree(Limits { memory: Some(&memory), threads, ..Limits::default() });
        assert!(again.len() > len / 2, "{} states after {len}", again.len());
    }
}

/// The example, which `cargo test` builds beside the tests.
fn example(name: &str) -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let example: PathBuf = deps.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(example.exists(), "{} is missing: `cargo test` or `cargo build --examples` builds it", example.display());
    example
}

/// A configuration of about a hundred million states.
const LARGE: [&str; 10] =
    ["--generation", "g5", "--fault", "device-gone", "--submitters", "4", "--ring", "16", "--counts", "0,1,2,3"];

/// The verdicts of the only scenario of a run that was cut, and its number of states.
fn unknown(output: &Output) -> u64 {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let scenario = &json["scenarios"][0];
    let verdicts: Vec<&str> =
        scenario["properties"].as_array().unwrap().iter().map(|p| p["verdict"].as_str().unwrap()).collect();
    assert!(verdicts.contains(&"unknown") && !verdicts.contains(&"holds"), "{verdicts:?}");
    scenario["states"].as_u64().unwrap()
}

#[test]
fn check_keeps_to_max_states_with_many_threads() {
    let limit = ["--max-states", "100000", "--threads", "16", "--json"];
    let output = Command::new(example("check")).args(LARGE).args(limit).output().unwrap();
    assert_eq!(unknown(&output), 100_000);
}

/// Memory that `check` takes beside what it counts: the program, its output, what the allocator keeps.
#[cfg(target_os = "linux")]
const BESIDE: u64 = 64_000_000;

/// Runs `check` on the large configuration and returns what it says and the greatest size it has had, in bytes.
#[cfg(target_os = "linux")]
fn measured(shell: &str, args: &[&str]) -> (Output, u64) {
    let peak = std::env::temp_dir().join(format!("vtd-qi-{}-peak", std::process::id()));
    let script = format!(
        "{shell}\n\"$0\" \"$@\" & child=$!; while kill -0 $child 2>/dev/null; do grep VmHWM /proc/$child/status >>{0} 2>/dev/null; sleep 0.02; done; wait $child",
        peak.display()
    );
    let output =
        Command::new("sh").arg("-c").arg(script).arg(example("check")).args(LARGE).args(args).output().unwrap();
    let seen = std::fs::read_to_string(&peak).unwrap();
    std::fs::remove_file(peak).unwrap();
    let kilobytes = seen.lines().filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).max();
    (output, kilobytes.unwrap() * 1024)
}

#[cfg(target_os = "linux")]
#[test]
fn check_stops_at_the_memory_that_it_is_allowed() {
    for threads in ["1", "3"] {
        let args = ["--max-memory", "150M", "--threads", threads, "--json"];
        let (output, peak) = measured("", &args);
        let states = unknown(&output);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.contains(&format!("stopped at {states} states")) && text.contains("the 150.0 MB of memory"),
            "{text}"
        );
        assert!(peak < 150_000_000 + BESIDE, "{peak} bytes");
        assert!(states > 40_000, "{states} states");
    }
}

/// Without being told, it finds out how much there is: it is not ended by an allocation that fails.
#[cfg(target_os = "linux")]
#[test]
fn check_finds_out_how_much_memory_there_is() {
    let limited = "ulimit -v 500000";
    let (output, _) = measured(limited, &["--threads", "3", "--json"]);
    assert!(unknown(&output) > 40_000);
    let (output, _) = measured(limited, &["--max-memory", "450M"]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("450.0 MB of memory cannot be allowed") && error.contains("ulimit -v"), "{error}");
}
