//! A kernel's image, and the release that stands in it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::CaptureError;

/// A kernel's image (`bzImage`) for x86-64.
#[derive(Clone, Debug)]
pub struct KernelImage {
    /// Where it is.
    pub file: PathBuf,
    /// Its release, as `uname -r` says it.
    pub release: String,
}

/// So much of the image is looked at: more than its set-up code, whose size is one byte of sectors.
const SETUP: u64 = 256 * 512;

impl KernelImage {
    /// Reads the set-up header of an image (the kernel's Documentation/arch/x86/boot.rst).
    ///
    /// # Errors
    /// [`CaptureError`], if it cannot be read or is no kernel for x86-64.
    pub fn read(file: &Path) -> Result<KernelImage, CaptureError> {
        let mut setup = Vec::new();
        File::open(file)
            .and_then(|image| image.take(SETUP).read_to_end(&mut setup))
            .map_err(|source| CaptureError::Kernel { file: file.into(), source })?;
        let release = release(&setup).map_err(|why| CaptureError::NoKernel { file: file.into(), why })?;
        Ok(KernelImage { file: file.into(), release })
    }
}

/// The release in a set-up header: `kernel_version` at 0x20e points to it, less 0x200.
fn release(setup: &[u8]) -> Result<String, &'static str> {
    let word = |at: usize| setup.get(at..at + 2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    if setup.get(0x202..0x206) != Some(b"HdrS") {
        return Err("the magic number HdrS does not stand at 0x202");
    }
    // XLF_KERNEL_64, from version 2.12 of the boot protocol on.
    if word(0x206) < Some(0x20c) || word(0x236).is_none_or(|flags| flags & 1 == 0) {
        return Err("its header says that it is not of 64 bits");
    }
    let at = usize::from(word(0x20e).unwrap_or(0)) + 0x200;
    let text = setup.get(at..).unwrap_or_default().split(|byte| byte.is_ascii_whitespace() || *byte == 0).next();
    match text.and_then(|text| std::str::from_utf8(text).ok()).filter(|text| at > 0x200 && !text.is_empty()) {
        Some(release) if release.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/') => Ok(release.to_string()),
        _ => Err("its header names no release"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(release: &str) -> Vec<u8> {
        let mut setup = vec![0; 0x400];
        setup[0x202..0x206].copy_from_slice(b"HdrS");
        setup[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        setup[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        setup[0x236] = 1;
        setup[0x300..0x300 + release.len()].copy_from_slice(release.as_bytes());
        setup
    }

    #[test]
    fn the_release_is_the_first_word() {
        assert_eq!(
            release(&header("6.1.0-50-amd64 (debian-kernel@lists.debian.org) #1 SMP")).unwrap(),
            "6.1.0-50-amd64"
        );
    }

    #[test]
    fn what_is_no_kernel_is_told_from_its_header() {
        assert!(release(b"\x7fELF").unwrap_err().contains("HdrS"));
        let mut of_32_bits = header("6.1.0");
        of_32_bits[0x236] = 0;
        assert!(release(&of_32_bits).unwrap_err().contains("64 bits"));
        assert!(release(&header("../up")).unwrap_err().contains("no release"));
        assert!(release(&header("")).unwrap_err().contains("no release"));
        assert!(release(&header("6.1.0")[..0x220]).is_err());
    }
}
