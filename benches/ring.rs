//! How fast the ring is explored and judged, beside stateright's own search of the same model.
//!
//! `cargo bench` prints three times for each number of threads: stateright's `spawn_bfs` with the ring's properties, our
//! search with the same properties into a graph with all transitions, and everything that `check` does: that search, then
//! step refinement, its fair form and liveness.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use stateright::{Checker as _, Model};
use stateright_temporal::graph::{Graph, Limits, Search};
use stateright_temporal::liveness::{Checker, LivenessVerdict};
use vtd_qi::impl_qi::{Action, Label, Length, Ring, RingCfg, Rules, SlotFairness, State};
use vtd_qi::refine::{RingToSpec, check_fairness, check_steps};
use vtd_qi::spec::Loss;

type Small = Ring<8, 3>;

fn explore(ring: &Small, threads: usize) -> Graph<State<8, 3>, Label> {
    Search::new(ring, Action::label).limits(Limits { threads, ..Limits::default() }).run()
}

fn judge(ring: &Small, graph: &Graph<State<8, 3>, Label>) {
    let mapping = RingToSpec::new(ring, Loss::None).expect("a legal specification");
    let steps = check_steps(graph, &mapping, |_| false);
    let checker = Checker::new(graph, &ring.fairness(SlotFairness::Unfair, graph.labels())).expect("all labels occur");
    let last = ring.cfg().submitters - 1;
    for condition in mapping.fairness_of(last) {
        let kept = check_fairness(graph, &steps, checker.pairs(), &condition, None).expect("not cancelled");
        assert_eq!(kept, LivenessVerdict::Holds);
    }
    assert_eq!(checker.check(&ring.observed(last), None).expect("not cancelled"), LivenessVerdict::Holds);
}

fn ring(c: &mut Criterion) {
    // G4, so that no property is violated and stateright explores everything; unreduced, so that it is the same model.
    let length = Length::new(4).expect("a legal length");
    let ring = Small::new(RingCfg { length, ..RingCfg::new(Rules::G4, 3, [0, 1]) }).expect("a legal configuration");
    let states = explore(&ring, 1).len();
    assert_eq!(ring.clone().checker().spawn_bfs().join().unique_state_count(), states);
    let mut group = c.benchmark_group(format!("g4, 3 submitters, 4 slots, {states} states"));
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new("stateright spawn_bfs", threads), |b| {
            b.iter(|| ring.clone().checker().threads(threads).spawn_bfs().join().unique_state_count())
        });
        group.bench_function(BenchmarkId::new("explore", threads), |b| b.iter(|| explore(&ring, threads).len()));
        group.bench_function(BenchmarkId::new("explore, refinement, liveness", threads), |b| {
            b.iter(|| judge(&ring, &explore(&ring, threads)))
        });
    }
    group.finish();
}

criterion_group!(benches, ring);
criterion_main!(benches);
