//! What the guest runs, packed on the spot: busybox, the modules and `init.sh`, as an archive that the kernel unpacks into memory.

use std::io::{self, Write};

use cpio::{NewcBuilder, newc};

use crate::modules::KernelModule;

/// The guest's first program.
const INIT: &str = include_str!("init.sh");

/// What the guest is told.
#[derive(Clone, Copy, Debug)]
pub struct GuestOrders {
    /// How many processors it has.
    pub cpus: u8,
    /// For how many seconds its disks are read and written.
    pub seconds: u32,
    /// How many disks it has.
    pub disks: usize,
}

/// Writes the archive.
///
/// # Errors
/// Those of the writer.
pub fn write(mut out: impl Write, busybox: &[u8], modules: &[KernelModule], orders: GuestOrders) -> io::Result<()> {
    let GuestOrders { cpus, seconds, disks } = orders;
    let told = format!("CPUS={cpus}\nSECONDS_OF_LOAD={seconds}\nDISKS={disks}\n");
    let mut entries: Vec<(NewcBuilder, &[u8])> = ["dev", "proc", "sys", "bin", "modules"]
        .map(|folder| (NewcBuilder::new(folder).mode(0o040_755), &[][..]))
        .to_vec();
    // The kernel opens its console for the first program before that can mount anything.
    entries.push((NewcBuilder::new("dev/console").mode(0o020_600).rdev_major(5).rdev_minor(1), &[]));
    entries.push((NewcBuilder::new("bin/busybox").mode(0o100_755), busybox));
    entries.push((NewcBuilder::new("bin/sh").mode(0o120_777), b"busybox"));
    entries.push((NewcBuilder::new("init").mode(0o100_755), INIT.as_bytes()));
    entries.push((NewcBuilder::new("orders").mode(0o100_644), told.as_bytes()));
    for (number, module) in modules.iter().enumerate() {
        // The order of the names is the order of loading.
        let name = format!("modules/{number:03}-{}", module.name);
        entries.push((NewcBuilder::new(&name).mode(0o100_644), &module.bytes));
    }
    for (number, (entry, bytes)) in entries.into_iter().enumerate() {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let mut entry = entry.ino(number as u32 + 1).nlink(1).write(&mut out, length);
        entry.write_all(bytes)?;
        entry.finish()?;
    }
    newc::trailer(&mut out)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Read;

    use cpio::NewcReader;

    #[test]
    fn the_archive_has_a_console_and_the_modules_in_order() {
        let module = |name: &str| KernelModule { name: name.to_string(), bytes: name.as_bytes().to_vec() };
        let orders = GuestOrders { cpus: 2, seconds: 7, disks: 3 };
        let mut archive = Vec::new();
        write(&mut archive, b"ELF", &[module("nvme_core"), module("nvme")], orders).unwrap();
        let (mut rest, mut entries) = (&archive[..], Vec::new());
        loop {
            let mut entry = NewcReader::new(rest).unwrap();
            if entry.entry().is_trailer() {
                break;
            }
            let (name, mode) = (entry.entry().name().to_string(), entry.entry().mode());
            let device = (entry.entry().rdev_major(), entry.entry().rdev_minor());
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            entries.push((name, mode, device, text));
            rest = entry.finish().unwrap();
        }
        let of = |name: &str| entries.iter().find(|entry| entry.0 == name).unwrap();
        assert_eq!((of("dev/console").1, of("dev/console").2), (0o020_600, (5, 1)));
        assert_eq!((of("bin/sh").1, &of("bin/sh").3[..]), (0o120_777, "busybox"));
        assert_eq!((of("init").1, of("bin/busybox").1), (0o100_755, 0o100_755));
        assert_eq!(of("orders").3, "CPUS=2\nSECONDS_OF_LOAD=7\nDISKS=3\n");
        let modules: Vec<&str> = entries.iter().filter_map(|entry| entry.0.strip_prefix("modules/")).collect();
        assert_eq!(modules, ["000-nvme_core", "001-nvme"]);
    }
}
