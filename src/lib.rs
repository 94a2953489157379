pub mod graph;
pub mod impl_qi;
pub mod spec;
