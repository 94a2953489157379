//! A kernel's modules: those that the disks need, in the order in which they can be loaded.
//!
//! The order follows from what each module says of itself (`depends=` in its section `.modinfo`), since a package that was only unpacked
//! has no `modules.dep`: depmod writes that when it is installed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use lzma_rust2::XzReader;
use object::{Object, ObjectSection};
use ruzstd::decoding::StreamingDecoder;

use crate::CaptureError;

/// The drivers of the machine's disks, and what they are found by.
pub const DISK_DRIVERS: [&str; 5] = ["virtio_pci", "virtio_blk", "nvme", "ahci", "sd_mod"];

/// A module, unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelModule {
    /// Its name, with underscores.
    pub name: String,
    /// The object file.
    pub bytes: Vec<u8>,
}

/// What can be loaded, and what cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOrder {
    /// The modules, each behind those that it depends on.
    pub modules: Vec<KernelModule>,
    /// The names of those that are wanted or depended on, and are neither there nor built in.
    pub absent: Vec<String>,
}

/// A folder of modules: `lib/modules/RELEASE`.
#[derive(Clone, Debug)]
pub struct ModuleFolder {
    files: BTreeMap<String, PathBuf>,
    built_in: BTreeSet<String>,
}

impl ModuleFolder {
    /// Finds the modules in a folder, or in its folder for a release.
    ///
    /// # Errors
    /// [`CaptureError`], if the folder cannot be read or has none.
    pub fn read(folder: &Path, release: &str) -> Result<ModuleFolder, CaptureError> {
        let of_release = folder.join(release);
        let folder = if of_release.is_dir() { &of_release } else { folder };
        let cannot = |error: io::Error| CaptureError::Module { path: folder.into(), why: error.to_string() };
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).map_err(cannot)? {
                let entry = entry.map_err(cannot)?;
                // A link leads elsewhere: `build` and `source` to the kernel's headers.
                match entry.file_type().map_err(cannot)? {
                    kind if kind.is_dir() => folders.push(entry.path()),
                    _ => _ = module_name(&entry.path()).map(|name| files.insert(name, entry.path())),
                }
            }
        }
        if files.is_empty() {
            let why = "there is no module (*.ko) in it; --modules takes a folder like lib/modules/RELEASE".to_string();
            return Err(CaptureError::Module { path: folder.into(), why });
        }
        let listed = fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
        let built_in = listed.lines().filter_map(|line| module_name(Path::new(line))).collect();
        Ok(ModuleFolder { files, built_in })
    }

    /// The modules that are wanted, each behind those that it depends on; those that are built in are left out.
    ///
    /// # Errors
    /// [`CaptureError`], if a module cannot be read or is another kernel's.
    pub fn in_order(&self, wanted: &[&str], release: &str) -> Result<LoadOrder, CaptureError> {
        let (mut order, mut seen) = (LoadOrder::default(), BTreeSet::new());
        for name in wanted {
            self.visit(name, release, &mut seen, &mut order)?;
        }
        Ok(order)
    }

    fn visit(
        &self,
        name: &str,
        release: &str,
        seen: &mut BTreeSet<String>,
        order: &mut LoadOrder,
    ) -> Result<(), CaptureError> {
        if !seen.insert(name.to_string()) || self.built_in.contains(name) {
            return Ok(());
        }
        let Some(path) = self.files.get(name) else {
            order.absent.push(name.to_string());
            return Ok(());
        };
        let cannot = |why: String| CaptureError::Module { path: path.clone(), why };
        let bytes = unpacked(path).map_err(|error| cannot(format!("the module cannot be read: {error}")))?;
        let says = says_of_itself(&bytes).ok_or_else(|| cannot("it is no module: it has no .modinfo".to_string()))?;
        let theirs = says.get("vermagic").and_then(|magic| magic.split(' ').next()).unwrap_or_default();
        if theirs != release {
            let (theirs, ours) = (theirs.to_string(), release.to_string());
            return Err(CaptureError::OtherKernel { path: path.clone(), theirs, ours });
        }
        let depends = says.get("depends").map_or("", String::as_str).split(',').filter(|name| !name.is_empty());
        for needed in depends {
            self.visit(&needed.replace('-', "_"), release, seen, order)?;
        }
        order.modules.push(KernelModule { name: name.to_string(), bytes });
        Ok(())
    }
}

/// The name of the module in a file: hyphens and underscores are the same to the kernel.
fn module_name(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let stem = ["", ".xz", ".gz", ".zst"].iter().find_map(|packed| file.strip_suffix(packed)?.strip_suffix(".ko"))?;
    Some(stem.replace('-', "_"))
}

/// Most bytes that are read of a module.
const MODULE_BYTES: u64 = 256 << 20;

fn unpacked(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let unpacking: Box<dyn Read> = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => Box::new(XzReader::new(file, true)),
        Some("gz") => Box::new(GzDecoder::new(file)),
        Some("zst") => Box::new(StreamingDecoder::new(file).map_err(io::Error::other)?),
        _ => Box::new(file),
    };
    let mut bytes = Vec::new();
    unpacking.take(MODULE_BYTES + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MODULE_BYTES {
        true => Err(io::Error::other(format!("it has more than {MODULE_BYTES} bytes unpacked"))),
        false => Ok(bytes),
    }
}

/// What a module says of itself in `.modinfo`: `name=value`, each ended by a zero.
fn says_of_itself(bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let object = object::File::parse(bytes).ok()?;
    let section = object.section_by_name(".modinfo")?;
    let entries = section.data().ok()?.split(|byte| *byte == 0);
    let pairs = entries.filter_map(|entry| std::str::from_utf8(entry).ok()?.split_once('='));
    Some(pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Write;

    use object::write::Object as Written;
    use object::{Architecture, BinaryFormat, Endianness, SectionKind};
    use tempfile::TempDir;

    /// A module that says this of itself.
    fn module(says: &[&str]) -> Vec<u8> {
        let mut object = Written::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let section = object.add_section(Vec::new(), b".modinfo".to_vec(), SectionKind::ReadOnlyData);
        let entries: Vec<u8> = says.iter().flat_map(|says| [says.as_bytes(), b"\0"].concat()).collect();
        object.append_section_data(section, &entries, 1);
        object.write().unwrap()
    }

    fn depending(on: &str) -> Vec<u8> {
        module(&["license=GPL", &format!("depends={on}"), "vermagic=6.9.0 SMP preempt mod_unload "])
    }

    fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn names(order: &LoadOrder) -> Vec<&str> {
        order.modules.iter().map(|module| module.name.as_str()).collect()
    }

    #[test]
    fn each_module_stands_behind_those_that_it_depends_on() {
        // nvme needs two; one of them needs a third, which has a hyphen in its file's name only; a cycle ends.
        let folder = folder(&[
            ("6.9.0/kernel/drivers/nvme/nvme.ko", depending("nvme-core,nvme_auth")),
            ("6.9.0/kernel/drivers/nvme/nvme-core.ko", depending("nvme-auth")),
            ("6.9.0/kernel/drivers/nvme/nvme-auth.ko", depending("dh_generic")),
            ("6.9.0/kernel/crypto/dh_generic.ko", depending("nvme_auth")),
            ("6.9.0/kernel/unused.ko", depending("")),
            ("6.9.0/modules.builtin", b"kernel/drivers/virtio/virtio-pci.ko\n".to_vec()),
        ]);
        for given in [folder.path().to_path_buf(), folder.path().join("6.9.0")] {
            let modules = ModuleFolder::read(&given, "6.9.0").unwrap();
            let order = modules.in_order(&["virtio_pci", "nvme", "sd_mod"], "6.9.0").unwrap();
            assert_eq!(names(&order), ["dh_generic", "nvme_auth", "nvme_core", "nvme"]);
            assert_eq!(order.absent, ["sd_mod"]);
        }
    }

    #[test]
    fn modules_are_unpacked() {
        let plain = depending("");
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(&plain).unwrap();
        let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
        xz.write_all(&plain).unwrap();
        let zst = ruzstd::encoding::compress_to_vec(&plain[..], ruzstd::encoding::CompressionLevel::Fastest);
        let packed = [
            ("a.ko.gz", gz.finish().unwrap()),
            ("b.ko.xz", xz.finish().unwrap()),
            ("c.ko.zst", zst),
            ("d.ko", plain.clone()),
        ];
        let folder = folder(&packed);
        let order =
            ModuleFolder::read(folder.path(), "6.9.0").unwrap().in_order(&["a", "b", "c", "d"], "6.9.0").unwrap();
        assert_eq!(names(&order), ["a", "b", "c", "d"]);
        assert!(order.modules.iter().all(|module| module.bytes == plain));
    }

    #[test]
    fn what_is_no_module_of_this_kernel_is_refused_by_name() {
        let cut = depending("")[..100].to_vec();
        let folder = folder(&[("a.ko", depending("")), ("b.ko", cut), ("c.ko.xz", b"no xz".to_vec())]);
        let modules = ModuleFolder::read(folder.path(), "6.9.0").unwrap();
        let refused = |name: &str, release: &str| modules.in_order(&[name], release).unwrap_err().to_string();
        assert!(refused("a", "6.1.0").ends_with("a.ko: the module is for Linux 6.9.0, but the kernel is 6.1.0"));
        assert!(refused("b", "6.9.0").ends_with("b.ko: it is no module: it has no .modinfo"));
        assert!(refused("c", "6.9.0").contains("c.ko.xz: the module cannot be read: "));
        let empty = TempDir::new().unwrap();
        let refused = ModuleFolder::read(empty.path(), "6.9.0").unwrap_err().to_string();
        assert!(refused.contains("there is no module (*.ko) in it"), "{refused}");
    }
}
