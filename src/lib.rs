//! Intel VT-d queued invalidation as Linux uses it: a specification, the ring that refines it, and the checks between them.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`spec`] | what callers rely on: an actor model of hardware and submitters |
//! | [`impl_qi`] | the descriptor ring: driver, hardware and lock, step by step, with each generation's rules as data |
//! | [`refine`] | each step of the ring maps to a step of the specification or to none, and the ring keeps the specification's fairness |
//! | [`scenario`], [`verify`], [`timeline`] | what is checked and expected, the verdicts, and counterexamples as the patch of 2024 draws them |
//! | [`campaign`] | every generation under every class of faults, mutants of them, and what is wrong with the newest driver |
//!
//! The smallest use: is the driver before the fix of 2024 live, with two submitters and lone wait descriptors?
//!
//! ```
//! use vtd_qi::temporal::graph::Limits;
//! use vtd_qi::scenario::{Check, Table};
//! use vtd_qi::verify::{verify, Verdict};
//!
//! let table = Table::embedded();
//! let report = verify(table.find("g3-c0-2x4").unwrap(), Limits::default());
//! let outcome = report.outcome(Check::WdEventuallyObservedDone).unwrap();
//! assert_eq!(outcome.verdict, Verdict::Violated);
//! println!("{}", outcome.counterexample.as_ref().unwrap().timeline);
//! ```
//!
//! # The programs
//!
//! The library is the middle of a workspace. What most readers run are its programs, from a checkout:
//!
//! | command | what it does |
//! | --- | --- |
//! | `cargo run --release --example check` | checks the scenario table and prints one screen; `--html FILE` writes a page to send |
//! | `cargo run --release --example explore` | serves a page that steps through the runs and takes any other step |
//! | `cargo run --release --example tlc -- --graph` | compares the models in TLA+ with these, state for state |
//! | `cargo run --release --example replay -- LOG` | judges a log of QEMU's trace events |
//! | `cargo run --release --example diagnose -- FILE..` | names the hang from what a machine has left behind: ring dumps, dmesg, ftrace |
//! | `cargo run --release --example prove` | proves the ring's safety for any number of submitters and slots |
//! | `cargo run --release --example liveness -- FILE` | checks liveness of a graph that a file describes |
//! | `cargo run --release -p vtd-qi-kernel -- --linux TREE` | runs the C of a kernel tree against the model |
//!
//! # From a patch to a scenario
//!
//! 1. A rule is what differs between two drivers: when a slot is reclaimed, what a poll waits for, what follows a time-out.
//!    [`impl_qi::Rules`] has them all, and [`impl_qi::GENERATIONS`] names the combinations that kernels have had.
//! 2. What a patch changes is often a rule that exists. `check --generation g4 --rule reclaim=while-done` then checks the patched
//!    driver: every property that is violated comes with its shortest run.
//! 3. A scenario that is to be kept is an entry of a table like `data/scenarios.toml`, which says what is expected and why.
//!    `check --scenarios FILE` reads it, and [`scenario::Table::parse`] in a program.
//! 4. A driver that does something new needs a value of a rule ([`words!`] declares it) and a step of the machine in [`impl_qi`]. The
//!    same value is added to the TLA+, and TLC compares the two.
//!
//! ```
//! use vtd_qi::impl_qi::{GENERATIONS, Reclaim, Rules, RingCfg, SlotFairness};
//! use vtd_qi::scenario::{Check, Scenario};
//! use vtd_qi::temporal::graph::Limits;
//! use vtd_qi::verify::{verify, Verdict};
//!
//! // The fix of 2024 without its change to RECLAIM, on a ring of four slots.
//! let rules = Rules { reclaim: Reclaim::WhileDone, ..Rules::G4 };
//! let ring = RingCfg::new(rules, 2, [0, 1]).validate().map_err(|error| error.to_string())?;
//! let (promised, _) = Check::promised(&ring.faults, SlotFairness::Unfair);
//! let report = verify(&Scenario::own("g4", ring, SlotFairness::Unfair, promised), Limits::default());
//! assert!(report.properties.iter().any(|outcome| outcome.verdict == Verdict::Violated));
//! # Ok::<(), String>(())
//! ```
//!
//! The words (ID, WD, IQH, lasso, seeded) are explained in the repository's `docs/glossary.md`. A generic model of yours needs
//! [`temporal`] alone, which is a package of its own.
//!
//! # What a verdict means
//!
//! A verdict is about its configuration: this number of submitters, these counts, this ring, all runs of any length. What is not
//! modelled at all (memory ordering beyond sequential consistency, real time) is listed in the README.

#![forbid(unsafe_code)]

pub mod campaign;
pub mod fingerprint;
pub mod impl_qi;
pub mod refine;
pub mod scenario;
pub mod spec;
pub mod timeline;
pub mod verify;
pub mod words;

/// The engine under the model: graphs, liveness and refinement of any stateright model.
pub use stateright_temporal as temporal;
