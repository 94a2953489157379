//! Boots a kernel in QEMU with an emulated VT-d unit, gives its disks work that makes invalidations, and keeps what QEMU and the guest
//! say of them.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`image`] | the kernel's image, and the release that stands in it |
//! | [`modules`] | its modules: those that the disks need, in the order in which they can be loaded |
//! | [`tools`] | the programs of the host that a recording needs |
//! | [`initramfs`] | what the guest runs: busybox, the modules and `init.sh`, packed on the spot |
//! | [`machine`] | the machine that QEMU is to emulate |
//! | [`recording`] | the machine run, watched and ended |
//!
//! The guest speaks to the host on its second serial port: lines that begin with `capture: ` are for the host, and between them stands
//! what the kernel has traced.

#![forbid(unsafe_code)]

mod error;
pub mod image;
pub mod initramfs;
pub mod machine;
pub mod modules;
pub mod recording;
pub mod tools;

pub use error::CaptureError;
