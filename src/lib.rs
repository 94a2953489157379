//! Intel VT-d queued invalidation as Linux uses it: a specification, the ring that refines it, and the checks between them.

pub mod drawing;
pub mod graph;
pub mod impl_qi;
pub mod liveness;
pub mod refine;
pub mod replay;
pub mod scenario;
pub mod spec;
pub mod timeline;
pub mod trace;
pub mod twin;
pub mod verify;
