//! Why nothing can be recorded.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why nothing can be recorded.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The kernel's image cannot be read.
    #[error("{}: the kernel cannot be read: {source} (Debian's kernels are in linux-image-amd64, as /boot/vmlinuz-*)", file.display())]
    Kernel {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is none.
    #[error("{}: it is no kernel image for x86-64: {why} (Debian's are in linux-image-amd64, as /boot/vmlinuz-*)", file.display())]
    NoKernel {
        /// The file.
        file: PathBuf,
        /// What shows that.
        why: &'static str,
    },
    /// A module, or a folder of them, cannot be read.
    #[error("{}: {why}", path.display())]
    Module {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The modules are another kernel's.
    #[error("{}: the module is for Linux {theirs}, but the kernel is {ours}", path.display())]
    OtherKernel {
        /// The module.
        path: PathBuf,
        /// The release in it.
        theirs: String,
        /// The kernel's.
        ours: String,
    },
    /// Programs of the host are missing: a sentence for each.
    #[error("{0}")]
    Missing(String),
    /// The folder for the logs cannot be used.
    #[error("{}: {why}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        why: String,
    },
    /// What is packed for the guest cannot be written.
    #[error("what the guest is to run cannot be written: {0}")]
    Initramfs(io::Error),
    /// QEMU does not start, or gives up before the guest has said a word.
    #[error("QEMU does not run the machine: {0}")]
    Qemu(String),
    /// A log cannot be read while it is written.
    #[error("{}: {source}", file.display())]
    Log {
        /// The log.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
}
