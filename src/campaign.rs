//! The campaign: the model's generations under every class of faults, and what came of it.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`matrix`] | every generation under every class of faults, and which property is violated where |
//! | [`mutants`] | rules, fairness and hardware altered one at a time, and which property notices |
//! | [`hangs`] | how a call hangs, and which published bug that is |
//! | [`published`] | the two published bugs: what mends each, which rules have it |
//! | [`findings`] | what the newest driver does wrong under faults, and on which kernels' C the same runs were repeated |

pub mod findings;
pub mod hangs;
pub mod matrix;
pub mod mutants;
pub mod published;
