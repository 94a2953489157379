//! Logs of real machines, held against the model.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`qemu_log`] | what QEMU's emulated VT-d unit writes with `-trace 'vtd_*'`, read into events |
//! | [`replay`] | whether those events are a run of the ring, and with it of the specification |
//! | [`events`] | the same events as a TLA+ module, for TLC to validate |

#![forbid(unsafe_code)]

pub mod events;
pub mod qemu_log;
pub mod replay;
