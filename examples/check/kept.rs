//! The file in which finished cells are kept, so that a search that takes hours can be taken up again.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Seek, Write};
use std::path::Path;

use fs4::{FileExt, TryLockError};
use tempfile::NamedTempFile;
use vtd_qi::campaign::matrix::CellResult;
use vtd_qi_terminal::complain;

/// The longest line that is read; a finished cell takes a few thousand bytes.
const LONGEST: u64 = 1 << 20;

/// How the line of a kept cell begins; `0` stands for a hexadecimal digit.
const BEGINNING: &str = "{\"sum\":\"0000000000000000\",\"cell\":";

/// An open file of kept cells, which no other program has open.
pub struct Kept {
    file: File,
    /// The file of that name before it was [mended](mend). Whoever has opened it meanwhile finds it locked.
    _before: Option<File>,
    /// What to call it.
    pub name: String,
    /// Whether what was written last is not a whole line.
    broken: bool,
    /// What was damaged when it was opened, and what became of that; a sentence without the file's name.
    pub damage: Option<String>,
    /// Why something could not be kept.
    pub lost: Option<String>,
}

impl Kept {
    /// Opens or creates a file, and reads the cells that it holds. Lines that are damaged are taken out of the file, so that
    /// [`Kept::damage`] tells them once; their cells are checked again. If all lines are, that leaves an empty file.
    ///
    /// # Errors
    /// A sentence, if it cannot be read and written, is in use, or is something else than a file of kept cells: one that has lines of
    /// which none begins as those of kept cells do. It is left as it is.
    pub fn open(path: &Path) -> Result<(Kept, BTreeMap<String, CellResult>), String> {
        let name = path.display().to_string();
        let unusable = |error: std::io::Error| format!("{name} cannot be used to keep finished cells: {error}");
        if path.metadata().is_ok_and(|it| !it.is_file()) {
            return Err(format!("{name} cannot be used to keep finished cells: it is no file"));
        }
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(unusable)?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(format!("{name} is in use by another program")),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let lines = Lines::read(&file).map_err(unusable)?;
        if !lines.recognised && !lines.damaged.is_empty() {
            let number = lines.damaged.len();
            return Err(format!(
                "{name} is no file of kept cells: none of its {number} lines is one; it was not changed"
            ));
        }
        let mut kept = Kept { file, _before: None, name, broken: lines.cut_off, damage: None, lost: None };
        if let Some(damaged) = lines.damage() {
            let became = match mend(&kept.file, path) {
                Ok(mended) => {
                    kept._before = Some(std::mem::replace(&mut kept.file, mended));
                    kept.broken = false;
                    "taken out of the file".to_string()
                }
                Err(error) => format!("left in the file, which cannot be written anew: {error}"),
            };
            kept.damage = Some(format!("{damaged} and {became}; what they told is checked again"));
        }
        Ok((kept, lines.whole))
    }

    /// Writes a finished cell. If that fails it is told at once, and [`Kept::lost`] says so.
    pub fn append(&mut self, judged: &CellResult) {
        // Behind half a line the next would be lost too.
        let before = if self.broken { "\n" } else { "" };
        let line = format!("{before}{}\n", judged.to_line());
        let written = self.file.write_all(line.as_bytes());
        self.broken = written.is_err();
        if let Err(error) = written {
            let why = format!("finished cells cannot be kept in {}: {error}", self.name);
            if self.lost.is_none() {
                complain(format_args!("warning: {why}"));
            }
            self.lost = Some(why);
        }
    }
}

/// Keeps other programs away from a file, where the file system has locks.
fn lock(file: &File) -> Result<(), TryLockError> {
    match FileExt::try_lock(file) {
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(()),
        locked => locked,
    }
}

/// Puts a file in the place of another that has its whole lines and no others. The other is as it was until all of the new one is on
/// the disk, and stays if that fails.
fn mend(mut damaged: &File, path: &Path) -> std::io::Result<File> {
    // A link goes on to lead to the file.
    let path = path.canonicalize()?;
    let mut mended = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    lock(mended.as_file()).map_err(std::io::Error::from)?;
    mended.as_file().set_permissions(damaged.metadata()?.permissions())?;
    damaged.rewind()?;
    let mut writer = BufWriter::new(&mut mended);
    each_line(damaged, |line| match CellResult::of_line(line.trim_end_matches('\n')) {
        Some(_) => writeln!(writer, "{}", line.trim_end_matches('\n')),
        None => Ok(()),
    })?;
    writer.flush()?;
    drop(writer);
    mended.as_file().sync_all()?;
    Ok(mended.persist(&path)?)
}

/// Hands on the lines of a file one after the other, each with its end if it has one. None is longer than [`LONGEST`].
fn each_line(file: &File, mut hand_on: impl FnMut(&str) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while (&mut reader).take(LONGEST).read_until(b'\n', &mut line)? > 0 {
        hand_on(&String::from_utf8_lossy(&line))?;
        line.clear();
    }
    Ok(())
}

/// Whether a line begins as that of a kept cell does; of one that is shorter, whether it is a part of such a beginning.
fn begins_as_kept(line: &str) -> bool {
    let fits = |(byte, wanted)| match wanted {
        b'0' => u8::is_ascii_hexdigit(&byte),
        wanted => byte == wanted,
    };
    line.bytes().zip(BEGINNING.bytes()).all(fits)
}

/// What the lines of a file are.
#[derive(Default)]
struct Lines {
    whole: BTreeMap<String, CellResult>,
    /// The numbers of those that are not as they were written.
    damaged: Vec<usize>,
    /// Whether the last does not end.
    cut_off: bool,
    /// Whether some line begins as those of kept cells do.
    recognised: bool,
}

impl Lines {
    fn read(file: &File) -> std::io::Result<Lines> {
        let mut lines = Lines::default();
        let mut number = 0;
        each_line(file, |line| {
            number += 1;
            let text = line.trim_end_matches('\n');
            lines.cut_off = text.len() == line.len();
            // There may be no more than a few bytes of the first line.
            let long_enough = text.len() >= BEGINNING.len() || number == 1 && lines.cut_off;
            lines.recognised |= long_enough && begins_as_kept(text);
            match CellResult::of_line(text) {
                Some(judged) => drop(lines.whole.insert(judged.name.clone(), judged)),
                None if text.is_empty() => {}
                None => lines.damaged.push(number),
            }
            Ok(())
        })?;
        Ok(lines)
    }

    /// Which lines are damaged, if any.
    fn damage(&self) -> Option<String> {
        match self.damaged.as_slice() {
            [] => None,
            [only] => Some(format!("line {only} is damaged")),
            [first, rest @ ..] => Some(format!("line {first} and {} more are damaged", rest.len())),
        }
    }
}
