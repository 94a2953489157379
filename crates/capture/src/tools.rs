//! The programs of the host that a recording needs.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use object::LittleEndian;
use object::elf::{FileHeader64, PT_INTERP};
use object::read::elf::{FileHeader, ProgramHeader};

use crate::CaptureError;

/// What [`HostTools::find`] looks for.
#[derive(Clone, Debug)]
pub struct HostTools {
    /// QEMU.
    pub qemu: PathBuf,
    /// What ends QEMU with this program, however that ends.
    pub setpriv: PathBuf,
    /// The guest's programs, in one.
    pub busybox: Vec<u8>,
}

/// Each program, and the Debian package that has it.
const PACKAGES: [(&str, &str); 3] =
    [("qemu-system-x86_64", "qemu-system-x86"), ("busybox", "busybox-static"), ("setpriv", "util-linux")];

impl HostTools {
    /// Finds them in `$PATH`.
    ///
    /// # Errors
    /// [`CaptureError::Missing`], with all that are not there, or a busybox that does not run by itself.
    pub fn find() -> Result<HostTools, CaptureError> {
        let path = env::var_os("PATH").unwrap_or_default();
        let found = PACKAGES.map(|(program, _)| in_path(&path, program));
        let missing: Vec<String> = PACKAGES
            .iter()
            .zip(&found)
            .filter(|(_, found)| found.is_none())
            .map(|((program, package), _)| format!("{program} is missing: Debian has it in {package}."))
            .collect();
        let [Some(qemu), Some(busybox), Some(setpriv)] = found else {
            return Err(CaptureError::Missing(missing.join("\n")));
        };
        let cannot = |why: &str| {
            let busybox = busybox.display();
            CaptureError::Missing(format!("{busybox} {why}: Debian has one for the guest in busybox-static."))
        };
        let bytes = fs::read(&busybox).map_err(|error| cannot(&format!("cannot be read ({error})")))?;
        match stands_alone(&bytes) {
            Some(true) => Ok(HostTools { qemu, setpriv, busybox: bytes }),
            Some(false) => Err(cannot("needs shared libraries")),
            None => Err(cannot("is no program for x86-64")),
        }
    }
}

fn in_path(path: &OsStr, program: &str) -> Option<PathBuf> {
    env::split_paths(path).map(|folder| folder.join(program)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Whether an ELF program needs no interpreter, and so no libraries.
fn stands_alone(bytes: &[u8]) -> Option<bool> {
    let header = FileHeader64::<LittleEndian>::parse(bytes).ok()?;
    let segments = header.program_headers(LittleEndian, bytes).ok()?;
    Some(segments.iter().all(|segment| segment.p_type(LittleEndian) != PT_INTERP))
}
