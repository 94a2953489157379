//! What a hung machine leaves behind, held against the model: dumps of the ring, a kernel's log, a trace of calls.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`material`] | a text told apart by its content |
//! | [`dump`] | the ring as debugfs prints it |
//! | [`prefix`] | what a console or a journal writes before a line |
//! | [`dmesg`], [`kernels`], [`patterns`] | what a kernel says: faults, lockups, its version, and what is known of such a log |
//! | [`ftrace`] | calls of `qi_submit_sync`, what they have posted and how they return |
//! | [`descriptor`] | a descriptor as two words |
//! | [`window`] | what follows from a dump without a model: batches, private fields, what no driver leaves behind |
//! | [`picture`], [`reduction`] | the busy part of a ring, and the same with what repeats left out |
//! | [`model`], [`judge`] | the model's runs to such a picture, for each generation and kind of fault, and whether calls hang there |
//! | [`naming`] | which published bug or finding a hang is |
//! | [`qemu`] | a QEMU log, judged by the bridge that replays logs |
//! | [`mod@unit`], [`diagnosis`] | all of it together |
//! | [`report`] | the answer as data, and its verdict as a sentence |
//!
//! ```
//! use vtd_qi_diagnose::diagnosis::Diagnosis;
//! use vtd_qi_diagnose::judge::Bounds;
//! use vtd_qi_diagnose::material::Material;
//! use vtd_qi_diagnose::report::verdict;
//!
//! let mut text = "Invalidation queue on IOMMU: dmar1\n Base: 0x1672c9000\tHead: 2\tTail: 2\nIndex\tqw0\tqw1\tstatus\n".to_string();
//! text += "0\t0000000000000004\t0000000000000000\t0000000000000000\n1\t0000000200000025\t00000001672be804\t0000000000000000\n";
//! for slot in 2..256 {
//!     text += &format!("{slot}\t{:016x}\t{:016x}\t{:016x}\n", 0, 0, 0);
//! }
//! let diagnosis = Diagnosis::of(&[Material::read("a dump", &text)?], Bounds::default());
//! assert_eq!(verdict(&diagnosis.units[0]), "healthy: nothing is outstanding, every slot is free");
//! # Ok::<(), vtd_qi_diagnose::dump::DumpError>(())
//! ```

#![forbid(unsafe_code)]

mod backtrace;
pub mod descriptor;
pub mod diagnosis;
pub mod dmesg;
pub mod dump;
mod fates;
pub mod ftrace;
mod hunt;
pub mod judge;
pub mod kernels;
pub mod material;
pub mod model;
pub mod naming;
pub mod patterns;
pub mod picture;
pub mod prefix;
pub mod qemu;
pub mod reduction;
pub mod report;
pub mod unit;
pub mod window;
