//! spec/MCLarge.cfg, the model that spec/DISTRIBUTED.md runs on two workers, checked in Rust.

use std::path::Path;

use vtd_qi_twin::{check, Model, Verdict};

#[test]
fn the_large_model_is_the_same_in_rust() {
    let cfg = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/MCLarge.cfg");
    let side = check(&Model::read(&cfg).unwrap()).unwrap();
    // As TLC's server and its workers counted; see spec/DISTRIBUTED.md.
    assert_eq!(side.states, 625_527);
    // TypeOK, eight invariants and the refinement.
    assert_eq!(side.verdicts.len(), 10);
    assert!(side.verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Holds), "{:?}", side.verdicts);
}
