//! The file in which finished cells are kept, so that a search that takes hours can be taken up again.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;

use fs4::{FileExt, TryLockError};
use vtd_qi::campaign::matrix::CellResult;
use vtd_qi_terminal::complain;

/// The longest line that is read; a finished cell takes a few thousand bytes.
const LONGEST: u64 = 1 << 20;

/// How the line of a kept cell begins.
const BEGINNING: &str = "{\"sum\":\"";

/// An open file of kept cells, which no other program has open.
pub struct Kept {
    file: File,
    /// What to call it.
    name: String,
    /// Whether what was written last is not a whole line.
    broken: bool,
    /// Why something could not be kept.
    pub lost: Option<String>,
}

impl Kept {
    /// Opens or creates a file, and reads the cells that it holds. Of lines that are damaged only the number is told; their cells are
    /// checked again, and the lines stay.
    ///
    /// # Errors
    /// A sentence, if it cannot be read and written, is in use, or is something else than a file of kept cells. It is left as it is.
    pub fn open(path: &Path) -> Result<(Kept, BTreeMap<String, CellResult>), String> {
        let name = path.display().to_string();
        let unusable = |error: std::io::Error| format!("{name} cannot be used to keep finished cells: {error}");
        if path.metadata().is_ok_and(|it| !it.is_file()) {
            return Err(format!("{name} cannot be used to keep finished cells: it is no file"));
        }
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(unusable)?;
        match FileExt::try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(format!("{name} is in use by another program")),
            // Some file systems have no locks.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let lines = Lines::read(&file).map_err(unusable)?;
        if !lines.recognised && !lines.damaged.is_empty() {
            let number = lines.damaged.len();
            return Err(format!(
                "{name} is no file of kept cells: none of its {number} lines is one; it was not changed"
            ));
        }
        lines.tell(&name);
        Ok((Kept { file, name, broken: lines.cut_off, lost: None }, lines.whole))
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

/// What the lines of a file are.
#[derive(Default)]
struct Lines {
    whole: BTreeMap<String, CellResult>,
    /// The numbers of those that are not as they were written.
    damaged: Vec<usize>,
    /// How many were written before lines had sums.
    older: usize,
    /// Whether the last does not end.
    cut_off: bool,
    /// Whether some line begins as those of kept cells do.
    recognised: bool,
}

impl Lines {
    fn read(file: &File) -> std::io::Result<Lines> {
        let mut lines = Lines::default();
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if (&mut reader).take(LONGEST).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            lines.cut_off = line.last() != Some(&b'\n');
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches('\n');
            lines.recognised |=
                text.starts_with(BEGINNING) || number == 1 && lines.cut_off && BEGINNING.starts_with(text);
            match CellResult::of_line(text) {
                Some(judged) => drop(lines.whole.insert(judged.name.clone(), judged)),
                None if text.is_empty() => {}
                None if serde_json::from_str::<CellResult>(text).is_ok() => {
                    lines.recognised = true;
                    lines.older += 1;
                }
                None => lines.damaged.push(number),
            }
        }
        Ok(lines)
    }

    /// Tells what is not used.
    fn tell(&self, name: &str) {
        if self.older > 0 {
            complain(format_args!("{}: {} lines of an older version are not used", name, self.older));
        }
        if let [first, rest @ ..] = self.damaged.as_slice() {
            let what = match rest {
                [] => format!("line {first} is damaged"),
                rest => format!("line {first} and {} more are damaged", rest.len()),
            };
            complain(format_args!("{name}: {what}; what they told is checked again"));
        }
    }
}
