//! This crate checks liveness under fairness, and refinement, of any [`stateright::Model`].
//!
//! [`stateright`] explores the states of a model and checks properties of single states. This crate explores the same
//! models and checks what happens along whole runs: that something good happens in the end on every fair run
//! (liveness), and that every run of one model is a run of another (refinement). A violation is a path and a loop that
//! is repeated for ever (a *lasso*).
//!
//! # What a pass proves, and what it does not
//!
//! * **It is about the model.** `Holds` is true of every fair run of the model as it was explored, with its number of
//!   processes and its sizes. It says nothing of larger sizes, nor of a program that the model does not describe
//!   correctly.
//! * **Fairness is assumed, not checked.** Liveness is claimed of the runs that satisfy the fairness conditions that
//!   you give. If the real system does not keep them, `Holds` is worth nothing for it. Without a condition a run may
//!   stop for ever in any state, so that hardly anything is live. If no run satisfies the conditions, every formula is
//!   true, and the verdict is [`Vacuous`](liveness::LivenessVerdict::Vacuous).
//! * **A search that was cut proves nothing.** After a limit, a cancellation or a boundary the verdict is `Unknown` if
//!   no violation was found. A violation that was found is genuine all the same.
//! * **A quotient is as good as its canonical form.** If states are mapped to representatives, a state and its
//!   representative have to behave alike; [`Search::canonical`](graph::Search::canonical) lists five conditions. Four
//!   of them are checked, on a sample of the states. The labels that fairness speaks of have to mean the same in both
//!   states.
//! * **A refinement mapping is believed.** [`refinement::check_steps`] checks the steps; whether the mapping shows what
//!   the reader thinks that it shows, only the reader can tell. A mapping that never uses an action of the
//!   specification is refused as vacuous. Step refinement is safety; [`refinement::check_fairness`] is needed for what
//!   the specification promises to do in the end.
//! * **All states are in memory**, by value and compared by equality, so that no two states can be taken for one.
//!   [`Graph::bytes_per_state`](graph::Graph::bytes_per_state) tells what one takes, and [`memory`] bounds all of it.
//!
//! The verdict `Violated` does not have to be believed: [`liveness::realize`] executes the lasso on the model, and
//! [`liveness::judge`] checks it from the definitions with code that shares nothing with the search.
//!
//! # Modules
//!
//! | module | what it does |
//! | --- | --- |
//! | [`graph`] | It explores a model into an explicit graph: every reachable state and every labelled transition. |
//! | [`liveness`] | It checks formulas on all runs that are fair: weakly, strongly, or by Streett pairs. |
//! | [`refinement`] | It checks that every step of one model is a step of another, or changes nothing of it. |
//! | [`memory`] | It bounds the memory that searches take together. |
//!
//! # The smallest example
//!
//! ```
//! use stateright_temporal::graph::Search;
//! use stateright_temporal::liveness::{check, Fairness, Formula, LivenessVerdict};
//! use stateright_temporal::stateright::Model;
//!
//! /// A counter that goes to 2 and stays there.
//! struct Counter;
//! impl Model for Counter {
//!     type State = u8;
//!     type Action = &'static str;
//!     fn init_states(&self) -> Vec<u8> { vec![0] }
//!     fn actions(&self, state: &u8, out: &mut Vec<Self::Action>) { out.extend((*state < 2).then_some("count")) }
//!     fn next_state(&self, state: &u8, _: Self::Action) -> Option<u8> { Some(state + 1) }
//! }
//!
//! // Every action is its own label; fairness speaks of labels.
//! let graph = Search::new(&Counter, |action| *action).run();
//! let reaches_2 = Formula::eventually(|state| *state == 2);
//!
//! // It may stop before it is there, unless counting is fair.
//! let LivenessVerdict::Violated(lasso) = check(&graph, &[], &reaches_2, None)? else { panic!("it may stop") };
//! assert_eq!(lasso.display(&graph).to_string(), "0, then nothing for ever");
//! assert_eq!(check(&graph, &[Fairness::weak("counts", ["count"])], &reaches_2, None)?, LivenessVerdict::Holds);
//! # Ok::<(), stateright_temporal::liveness::LivenessError>(())
//! ```
//!
//! Two examples are longer: `tour` checks Peterson's mutual exclusion and a token ring, and `refinement` checks that
//! two places in a row are a queue of two messages. stateright is re-exported as [`stateright`], so that a model needs
//! one dependency.

#![forbid(unsafe_code)]

pub mod graph;
pub mod liveness;
pub mod memory;
pub mod refinement;

pub use stateright;

/// The example of the README is tested too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
