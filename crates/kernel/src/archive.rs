//! Tar archives of a kernel tree: what of one is read, and how much of it at most.
//!
//! An archive is read once, from its beginning to its end, as a stream: nothing is unpacked to disk, and only the files that are
//! looked at are held in memory. Whatever an archive claims about itself, the limits below are what is read of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::source::{DMAR_C, OLD_DMAR_C, SourceError, SourceFile, Stoppable, wanted};

/// Most bytes of one file that is looked at, in an archive or in a tree: the kernel's largest of them has 63,000.
pub(super) const FILE_BYTES: u64 = 4 << 20;
/// Most bytes of all files of an archive that are looked at: the kernel's headers have 11 million.
pub(super) const KEPT_BYTES: u64 = 64 << 20;
/// Most bytes that an archive may unpack to: a kernel has 1.5 thousand million.
const UNPACKED_BYTES: u64 = 16 << 30;
/// Most bytes of an extended name in an archive.
const NAME_BYTES: u64 = 64 << 10;
/// Memory that unpacking .xz may take, in KiB: `xz -9` needs 65 MiB.
const XZ_KIB: u32 = 256 << 10;
/// Memory that unpacking .zst may take for its window, in bytes: `zstd --ultra -22` needs 128 MiB.
const ZST_BYTES: u64 = 128 << 20;
/// The size of a tar header.
const BLOCK: usize = 512;

/// Formats that are told by how they begin, and are not read.
const OTHERS: [(&[u8], &str); 7] = [
    (&[0x5d, 0, 0], "is packed by lzma"),
    (&[0x04, 0x22, 0x4d, 0x18], "is packed by lz4"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive"),
    (b"PK\x03\x04", "is a zip archive"),
    (b"!<arch>\n", "is a Debian package or another ar archive; `dpkg -x` unpacks the source tarball in it"),
    (&[0xed, 0xab, 0xee, 0xdb], "is an RPM package"),
    (b"\x7fELF", "is a compiled program"),
];

/// Why a file cannot be read as an archive: a sentence about it, without its name.
fn unfit(what: impl Into<String>) -> io::Error {
    io::Error::other(what.into())
}

/// Text of an archive or of a library that quotes one, fit for a terminal: one short line, control characters escaped.
pub(super) fn printable(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(120).collect();
    short.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// The files of a kernel that are looked at, from an archive that has exactly one kernel. Fails once `stop` is set.
pub(super) fn read(from: &Path, mut file: &File, stop: &AtomicBool) -> Result<Vec<SourceFile>, SourceError> {
    let unreadable = |error| SourceError::Unreadable { path: from.to_path_buf(), error };
    file.rewind().map_err(unreadable)?;
    of_one_tree(from, BufReader::with_capacity(1 << 20, file), stop)
}

/// The same of an archive that comes as a stream.
pub(super) fn of_one_tree(from: &Path, packed: impl Read, stop: &AtomicBool) -> Result<Vec<SourceFile>, SourceError> {
    let trees = unpack(packed, stop)
        .map_err(|error| SourceError::NoArchive { from: from.to_path_buf(), what: printable(&error.to_string()) })?;
    let is_tree = |files: &Vec<SourceFile>| files.iter().any(|file| file.path == DMAR_C || file.path == OLD_DMAR_C);
    let mut trees: Vec<(String, Vec<SourceFile>)> = trees.into_iter().filter(|(_, files)| is_tree(files)).collect();
    if trees.len() > 1 {
        let name = |root: &String| if root.is_empty() { "one at its top".to_string() } else { printable(root) };
        let names = trees.iter().take(5).map(|(root, _)| name(root)).collect();
        return Err(SourceError::Several { from: from.to_path_buf(), count: trees.len(), names });
    }
    // No tree: the caller says what was looked for.
    Ok(trees.pop().map(|(_, files)| files).unwrap_or_default())
}

/// The files looked at below each top folder of an archive; the folder is empty for those that lie at the archive's own top.
type Trees = BTreeMap<String, Vec<SourceFile>>;

/// Unpacks a file that may be packed. Little that is packed may be much unpacked, and much packed be nothing: `stop` is looked at on
/// both sides.
fn unpack(packed: impl Read, stop: &AtomicBool) -> io::Result<Trees> {
    let mut packed = Stoppable { reader: packed, stop };
    let start = beginning(&mut packed, 6)?;
    let whole = Cursor::new(start.clone()).chain(packed);
    match start[..] {
        [0xfd, b'7', b'z', b'X', b'Z', 0] => untar(lzma_rust2::XzReader::new_mem_limit(whole, true, XZ_KIB), stop),
        [0x1f, 0x8b, ..] => untar(flate2::read::MultiGzDecoder::new(whole), stop),
        [b'B', b'Z', b'h', ..] => untar(bzip2::read::MultiBzDecoder::new(whole), stop),
        // A skippable frame may come first, as pzstd writes it.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            untar(Frames::new(BufReader::new(whole)), stop)
        }
        _ => untar(whole, stop),
    }
}

/// The frames of a .zst, one after the other.
struct Frames<R> {
    packed: R,
    decoder: FrameDecoder,
    /// Whether a frame has been begun and not been read to its end.
    within: bool,
}

impl<R: BufRead> Frames<R> {
    fn new(packed: R) -> Frames<R> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(ZST_BYTES);
        Frames { packed, decoder, within: false }
    }

    /// Begins the next frame that is not to be skipped; whether there is one.
    fn next(&mut self) -> io::Result<bool> {
        while !self.packed.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.packed) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut (&mut self.packed).take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(unfit(format!("a frame of it cannot be read: {error}"))),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            if !self.within && !self.next()? {
                break;
            }
            self.within = true;
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.packed, one).map_err(|error| unfit(error.to_string()))?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            self.within = false;
        }
        Ok(0)
    }
}

/// Up to so many bytes.
fn beginning(reader: &mut impl Read, bytes: usize) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(bytes);
    reader.take(bytes as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// Says what a file is that does not begin as a tar archive does.
fn refuse(start: &[u8]) -> io::Result<()> {
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Err(unfit(format!("it {what}")));
    }
    let header: Option<&[u8; BLOCK]> = start.try_into().ok();
    let is_tar = header.is_some_and(|header| {
        let zeros = header.iter().all(|&byte| byte == 0);
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        // The checksum counts its own field as blanks.
        let own: u32 = header[148..156].iter().map(|&byte| u32::from(byte)).sum();
        zeros || tar::Header::from_byte_slice(header).cksum().is_ok_and(|cksum| cksum == sum - own + 8 * 32)
    });
    match is_tar {
        true => Ok(()),
        false if start.is_empty() => Err(unfit("it is empty")),
        false if std::str::from_utf8(&start[..start.len() - start.len().min(4)]).is_ok() && !start.contains(&0) => {
            Err(unfit("it is a single file of text, and the name of a dmar.c ends in .c"))
        }
        false => Err(unfit("it begins like no tar archive")),
    }
}

/// A reader that fails where a limit is exceeded.
struct Limited<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            unfit(format!("it unpacks to more than {UNPACKED_BYTES} bytes; a kernel has about 1500000000"))
        })?;
        Ok(read)
    }
}

/// The files looked at of a tar archive.
fn untar(reader: impl Read, stop: &AtomicBool) -> io::Result<Trees> {
    let mut reader = Stoppable { reader, stop };
    let start = beginning(&mut reader, BLOCK)?;
    refuse(&start)?;
    let limited = Limited { reader: Cursor::new(start).chain(reader), left: UNPACKED_BYTES };
    let mut trees = Trees::new();
    let mut kept = 0;
    // The name of the next entry, where it does not fit into a header.
    let mut long: Option<Vec<u8>> = None;
    // Raw: else the library reads extended names and the holes of sparse files into memory, however many bytes they claim.
    for entry in tar::Archive::new(limited).entries()?.raw(true) {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            long = extended_name(&mut entry)?.or(long);
            continue;
        }
        if kind.is_pax_global_extensions() || kind.is_gnu_longlink() {
            continue;
        }
        let name = long.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        let name = String::from_utf8_lossy(&name).into_owned();
        let Some((root, path)) = placed(&name) else { continue };
        let size = entry.size();
        let shown = printable(&name);
        match kind {
            tar::EntryType::Directory => continue,
            tar::EntryType::Regular | tar::EntryType::Continuous => {}
            tar::EntryType::GNUSparse => return Err(unfit(format!("{shown} in it is stored as a sparse file"))),
            _ => return Err(unfit(format!("{shown} in it is a link or a device, not a file"))),
        }
        if size > FILE_BYTES {
            return Err(unfit(format!("{shown} in it has {size} bytes, and at most {FILE_BYTES} are read")));
        }
        kept += size;
        if kept > KEPT_BYTES {
            return Err(unfit(format!("the files looked at have more than {KEPT_BYTES} bytes in all")));
        }
        let bytes = beginning(&mut entry, size as usize)?;
        if bytes.len() as u64 != size {
            return Err(unfit(format!("it is cut off within {shown}")));
        }
        let file = SourceFile { path: path.to_string(), text: String::from_utf8_lossy(&bytes).into_owned() };
        let files: &mut Vec<SourceFile> = trees.entry(root.to_string()).or_default();
        // As in unpacking, a later entry replaces an earlier one of the same name.
        files.retain(|other| other.path != file.path);
        files.push(file);
    }
    Ok(trees)
}

/// The name that an entry gives to the entry behind it.
fn extended_name<R: Read>(entry: &mut tar::Entry<R>) -> io::Result<Option<Vec<u8>>> {
    if entry.size() > NAME_BYTES {
        return Err(unfit(format!("a name in it has {} bytes, and at most {NAME_BYTES} are read", entry.size())));
    }
    if entry.header().entry_type().is_gnu_longname() {
        let mut name = beginning(entry, NAME_BYTES as usize)?;
        while name.last() == Some(&0) {
            name.pop();
        }
        return Ok(Some(name));
    }
    let Some(extensions) = entry.pax_extensions()? else { return Ok(None) };
    let path = extensions.flatten().find(|extension| extension.key_bytes() == b"path");
    Ok(path.map(|extension| extension.value_bytes().to_vec()))
}

/// The top folder, which may be none, and the path from there, if that is a file looked at.
fn placed(name: &str) -> Option<(&str, &str)> {
    let name = name.trim_start_matches("./");
    if wanted(name) {
        return Some(("", name));
    }
    name.split_once('/').filter(|(_, path)| wanted(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::atomic::Ordering;

    /// An entry: what kind, its name, the size that is claimed, and what is there.
    type Entry<'a> = (tar::EntryType, &'a str, u64, &'a [u8]);

    fn tarball(entries: &[Entry]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &(kind, name, size, data) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(kind);
            header.set_size(size);
            header.set_mode(0o644);
            header.set_cksum();
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(data);
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        }
        bytes.resize(bytes.len() + 2 * BLOCK, 0);
        bytes
    }

    const FILE: tar::EntryType = tar::EntryType::Regular;

    fn opened(bytes: &[u8]) -> Result<Vec<SourceFile>, SourceError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        read(Path::new("a.tar"), &file, &AtomicBool::new(false))
    }

    fn paths(files: &[SourceFile]) -> Vec<&str> {
        files.iter().map(|file| file.path.as_str()).collect()
    }

    #[test]
    fn a_tree_is_found_with_and_without_a_top_folder() {
        for root in ["", "./", "linux/", "./linux/"] {
            let [dmar, deeper, other] = ["drivers/iommu/intel/dmar.c", "drivers/iommu/intel/sub/x.h", "fs/x.c"]
                .map(|path| format!("{root}{path}"));
            let entries = [&dmar, &deeper, &other].map(|path| (FILE, path.as_str(), 2, &b"x\n"[..]));
            assert_eq!(paths(&opened(&tarball(&entries)).unwrap()), [DMAR_C], "{root}");
        }
        let twice =
            [(FILE, "l/drivers/iommu/intel/dmar.c", 2, &b"1\n"[..]), (FILE, "l/drivers/iommu/intel/dmar.c", 2, b"2\n")];
        assert_eq!(opened(&tarball(&twice)).unwrap()[0].text, "2\n");
    }

    /// A text packed in each way that is read.
    fn packed(plain: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        gz.write_all(plain).unwrap();
        bz.write_all(plain).unwrap();
        let frame = |part| ruzstd::encoding::compress_to_vec(part, ruzstd::encoding::CompressionLevel::Fastest);
        // As pzstd writes it: several frames, each behind one that is skipped.
        let (a, b) = plain.split_at(plain.len() / 2);
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7];
        let frames = [&skipped[..], &frame(a), &skipped, &frame(b)].concat();
        vec![
            ("plain", plain.to_vec()),
            ("gz", gz.finish().unwrap()),
            ("bz2", bz.finish().unwrap()),
            ("zst", frame(plain)),
            ("frames", frames),
        ]
    }

    #[test]
    fn what_is_packed_is_read_and_what_is_cut_off_is_refused() {
        let noise: Vec<u8> = (0..300_000u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        let plain = tarball(&[
            (FILE, "l/fs/noise", noise.len() as u64, &noise),
            (FILE, "l/drivers/iommu/intel/dmar.c", 2, b"x\n"),
        ]);
        for (how, bytes) in packed(&plain) {
            assert_eq!(paths(&opened(&bytes).unwrap()), [DMAR_C], "{how}");
            assert!(opened(&bytes[..bytes.len() / 2]).is_err(), "{how}");
        }
    }

    #[test]
    fn long_names_are_read() {
        let top = "t".repeat(120);
        let name = format!("{top}/drivers/iommu/intel/dmar.c");
        let gnu = format!("{name}\0");
        let record = format!(" path={name}\n");
        let length = (record.len()..).find(|n| n.to_string().len() + record.len() == *n).unwrap();
        let pax = format!("{length}{record}");
        for (kind, said) in [(tar::EntryType::GNULongName, &gnu), (tar::EntryType::XHeader, &pax)] {
            let bytes = tarball(&[
                (kind, "././@LongLink", said.len() as u64, said.as_bytes()),
                (FILE, "cut short", 2, b"x\n"),
                (FILE, "l/fs/x.c", 2, b"x\n"),
            ]);
            assert_eq!(paths(&opened(&bytes).unwrap()), [DMAR_C], "{kind:?}");
        }
    }

    #[test]
    fn what_is_no_archive_is_called_by_its_name() {
        for (start, says) in [
            (&b"!<arch>\ndebian-binary   "[..], "it is a Debian package"),
            (b"PK\x03\x04\x14", "it is a zip archive"),
            (b"/* dmar.c */\nint qi_submit_sync(void);\n", "it is a single file of text"),
            (b"", "it is empty"),
            (&[0xff; 600], "it begins like no tar archive"),
            (b"\x1f\x8b\x08\x00\x1b[31m", "unexpected end of file"),
            (b"BZh91AY&SY\x1b[31m", "EOF reached"),
            (&[0x28, 0xb5, 0x2f, 0xfd, 4], "a frame of it cannot be read"),
            // A frame whose window has more than 3 TiB.
            (&[0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 1, 0, 0], "WindowTooBig"),
        ] {
            let said = opened(start).unwrap_err().to_string();
            assert!(said.contains(says) && said.contains("a tar archive of one"), "{said}");
            assert!(!said.chars().any(char::is_control), "{said:?}");
        }
        // The same of what is packed.
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"int qi_submit_sync(void);\n").unwrap();
        assert!(opened(&gz.finish().unwrap()).unwrap_err().to_string().contains("it is a single file of text"));
    }

    #[test]
    fn several_trees_are_listed() {
        let entries = ["a", "b"].map(|root| format!("{root}/drivers/iommu/intel/dmar.c"));
        let entries = entries.each_ref().map(|path| (FILE, path.as_str(), 2, &b"x\n"[..]));
        let said = opened(&tarball(&entries)).unwrap_err().to_string();
        assert!(said.contains("2 kernel trees (a, b)"), "{said}");
    }

    #[test]
    fn what_an_archive_claims_is_not_believed() {
        let dmar = "l/drivers/iommu/intel/dmar.c";
        let refused = |entries: &[Entry]| opened(&tarball(entries)).unwrap_err().to_string();
        for kind in [tar::EntryType::GNUSparse, tar::EntryType::Symlink, tar::EntryType::Char] {
            let said = refused(&[(kind, dmar, 0, b"")]);
            assert!(said.contains("l/drivers/iommu/intel/dmar.c in it is"), "{said}");
        }
        let said = refused(&[(FILE, dmar, FILE_BYTES + 1, b"")]);
        assert!(said.contains("has 4194305 bytes, and at most 4194304 are read"), "{said}");
        let said = refused(&[(FILE, dmar, 5_000, b"x")]);
        assert!(said.contains("cut off within l/drivers"), "{said}");
        for kind in [tar::EntryType::GNULongName, tar::EntryType::XHeader] {
            let said = refused(&[(kind, "x", 8 << 30, b"")]);
            assert!(said.contains("a name in it has 8589934592 bytes"), "{said}");
        }
        let large = vec![b'x'; FILE_BYTES as usize];
        let names: Vec<String> = (0..17).map(|n| format!("l/drivers/iommu/intel/{n}.h")).collect();
        let entries: Vec<Entry> = names.iter().map(|name| (FILE, name.as_str(), FILE_BYTES, &large[..])).collect();
        assert!(refused(&entries).contains("more than 67108864 bytes in all"));
    }

    #[test]
    fn a_reader_ends_at_its_limit() {
        let mut limited = Limited { reader: io::repeat(0), left: 5_000 };
        let said = io::copy(&mut limited, &mut io::sink()).unwrap_err().to_string();
        assert!(said.contains("it unpacks to more than 17179869184 bytes"), "{said}");
    }

    /// Gives its bytes, sets a flag, and goes on for ever with zeros.
    struct Endless<'a> {
        start: &'a [u8],
        stop: &'a AtomicBool,
    }

    impl Read for Endless<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.start.is_empty() {
                self.stop.store(true, Ordering::Relaxed);
                buffer.fill(0);
                return Ok(buffer.len());
            }
            self.start.read(buffer)
        }
    }

    #[test]
    fn unpacking_ends_when_it_is_asked_to_stop() {
        // An entry that is skipped, of as many bytes as are unpacked at most.
        let plain = &tarball(&[(FILE, "l/fs/x.c", UNPACKED_BYTES, b"")])[..BLOCK];
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        gz.write_all(plain).unwrap();
        let packed = gz.finish().unwrap();
        // Without the end of the stream.
        for start in [plain, &packed[..packed.len() - 13]] {
            let stop = AtomicBool::new(false);
            let said = unpack(Endless { start, stop: &stop }, &stop).unwrap_err().to_string();
            assert!(said.contains("it was asked to stop"), "{said}");
        }
    }

    #[test]
    fn xz_that_asks_for_much_memory_is_refused() {
        // The header of a block whose dictionary has 3 GiB, made of a good one.
        let said = opened(include_bytes!("../tests/corpus/dictionary-3-GiB.tar.xz")).unwrap_err().to_string();
        assert!(said.contains("needed memory too big"), "{said}");
    }

    /// Inputs that are mutated in each run of the tests; 20,000 were tried once, by setting this.
    fn rounds() -> u64 {
        std::env::var("VTD_QI_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(500)
    }

    #[test]
    fn no_mutated_archive_panics() {
        let driver = include_bytes!("../tests/kernel/driver.c");
        let plain = tarball(&[
            (tar::EntryType::XGlobalHeader, "pax_global_header", 14, b"14 comment=ab\n"),
            (tar::EntryType::GNULongName, "././@LongLink", 29, b"l/drivers/iommu/intel/dmar.c\0"),
            (FILE, "l/drivers", driver.len() as u64, driver),
            (FILE, "l/Makefile", 12, b"VERSION = 6\n"),
        ]);
        let mut seeds: Vec<Vec<u8>> = packed(&plain).into_iter().map(|(_, bytes)| bytes).collect();
        seeds.push(include_bytes!("../tests/corpus/dictionary-3-GiB.tar.xz").to_vec());
        let mut read = 0;
        for round in 0..rounds() {
            let mut rng = crate::search::Rng::new(round);
            let mut bytes = seeds[rng.below(seeds.len())].clone();
            for _ in 0..=rng.below(4) {
                let at = rng.below(bytes.len().max(1));
                match rng.below(5) {
                    0 => bytes.truncate(at),
                    1 => bytes.extend_from_within(at..),
                    2 if at < bytes.len() => bytes[at] = rng.next() as u8,
                    // Headers lie at multiples of 512: their types, sizes and checksums.
                    3 if bytes.len() > BLOCK => {
                        let header = rng.below(bytes.len() / BLOCK) * BLOCK;
                        bytes[header + 124 + rng.below(33)] = b"01234567SLxgK\xff"[rng.below(14)];
                        let block: &mut [u8; BLOCK] = (&mut bytes[header..header + BLOCK]).try_into().unwrap();
                        block[148..156].fill(b' ');
                        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
                        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
                    }
                    _ if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
                    _ => {}
                }
            }
            match opened(&bytes) {
                Ok(files) => read += usize::from(!files.is_empty()),
                Err(error) => {
                    let said = error.to_string();
                    assert!(said.len() < 600 && !said.chars().any(char::is_control), "round {round}: {said:?}");
                }
            }
        }
        assert!(read > 0, "no mutated archive was read: the fuzzer is too rough");
    }
}
