//! The ring as debugfs prints it: `/sys/kernel/debug/iommu/intel/invalidation_queue`.
//!
//! For each unit there are a line with its name, a line with Base, Head and Tail, a line of titles, and a row for each slot: index,
//! two words of a descriptor of 16 bytes or four of one of 32, and the slot's status. A unit that uses no queue is not named at all.
//! [`read`] takes the dumps out of any text, tabs or spaces between, whatever a console or a journal has written before each line, and
//! refuses what it would have to guess.

use thiserror::Error;

use crate::prefix::without_prefix;

/// One unit's part of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingDump {
    /// The unit's name, such as `dmar1`.
    pub unit: String,
    /// The number of the line that names the unit, from 1.
    pub line: usize,
    /// Where the ring lies in memory.
    pub base: u64,
    /// Head and Tail, in slots.
    pub registers: (u64, u64),
    /// Words in a descriptor: 2 or 4.
    pub words: usize,
    /// The rows, one for each slot, in order.
    pub rows: Vec<DumpRow>,
}

/// A row of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpRow {
    /// The number of its line.
    pub line: usize,
    /// The slot.
    pub slot: u8,
    /// The descriptor's first word.
    pub qw0: u64,
    /// Its second word.
    pub qw1: u64,
    /// The slot's status as it was printed.
    pub status: u64,
}

/// Why a dump cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DumpError {
    /// There is no Head or Tail.
    #[error("line {line}: the rows of {unit} stand before any line with Head and Tail")]
    NoRegisters {
        /// The line.
        line: usize,
        /// The unit.
        unit: String,
    },
    /// Base is no hexadecimal number, or Head or Tail no decimal one.
    #[error("line {line}: {name} is {value:?}, which is not a {base} number")]
    Register {
        /// The line.
        line: usize,
        /// `Base`, `Head` or `Tail`.
        name: &'static str,
        /// What it should be: `decimal` or `hexadecimal`.
        base: &'static str,
        /// What stands there.
        value: String,
    },
    /// An index is missing or comes twice.
    #[error("line {line}: index {index} follows {before}; a dump has its rows in order, without a gap")]
    Gap {
        /// The line.
        line: usize,
        /// The index.
        index: u64,
        /// The one before.
        before: u8,
    },
    /// An index is beyond the ring.
    #[error("line {line}: there is no slot {index}; the ring has 256, numbered from 0")]
    Index {
        /// The line.
        line: usize,
        /// The index.
        index: u64,
    },
    /// A row has another number of columns than those before it.
    #[error(
        "line {line}: a row of {found} columns; a row has an index, 2 or 4 words of a descriptor and a status, all rows alike"
    )]
    Columns {
        /// The line.
        line: usize,
        /// The number of columns.
        found: usize,
    },
    /// A word is no hexadecimal number of at most 16 digits.
    #[error("line {line}: {word:?} is not a hexadecimal number of at most 16 digits")]
    Word {
        /// The line.
        line: usize,
        /// What stands there.
        word: String,
    },
    /// A unit is named, and its registers do not follow.
    #[error(
        "line {line}: {unit} is named, but no line with Base, Head and Tail follows; a unit that uses no queue is not named"
    )]
    NameOnly {
        /// The line.
        line: usize,
        /// The unit.
        unit: String,
    },
    /// Rows are missing at the end.
    #[error(
        "line {line}: the dump of {unit} has {rows} row(s) behind its Head and Tail; the ring has 256 slots, with a row for each"
    )]
    Cut {
        /// The line that names the unit.
        line: usize,
        /// The unit.
        unit: String,
        /// How many rows there are.
        rows: usize,
    },
}

/// What introduces a unit.
const TITLE: &str = "Invalidation queue on IOMMU:";

/// Whether a line introduces a unit's part of a dump.
pub fn begins(line: &str) -> bool {
    line.contains(TITLE)
}

/// Rows of a dump.
const ROWS: usize = 256;

/// Reads all dumps in a text. The second value says for each line whether it belongs to one.
///
/// # Errors
/// Any [`DumpError`].
///
/// ```
/// let mut text = "Invalidation queue on IOMMU: dmar1\n Base: 0x1672c9000\tHead: 1\tTail: 1\nIndex\tqw0\tqw1\tstatus\n".to_string();
/// for slot in 0..256 {
///     text += &format!("{slot}\t0000000200000025\t{:016x}\t0000000000000000\n", 0x1672be800_u64 + 4 * slot);
/// }
/// let (dumps, _) = vtd_qi_diagnose::dump::read(&text)?;
/// assert_eq!((dumps[0].registers, dumps[0].rows.len()), ((1, 1), 256));
/// # Ok::<(), vtd_qi_diagnose::dump::DumpError>(())
/// ```
pub fn read(text: &str) -> Result<(Vec<RingDump>, Vec<bool>), DumpError> {
    let mut dumps: Vec<RingDump> = Vec::new();
    let mut taken = Vec::new();
    let mut open: Option<OpenDump> = None;
    let mut inside = false;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some((_, unit)) = line.split_once(TITLE) {
            let begun = OpenDump { unit: unit.trim().to_string(), line: number, ..OpenDump::default() };
            dumps.extend(open.replace(begun).map(OpenDump::close).transpose()?);
            inside = true;
        } else if let Some(dump) = open.as_mut().filter(|_| inside) {
            let line = without_prefix(line);
            inside = line.is_empty() || dump.take(number, line)?;
        }
        taken.push(inside || begins(line));
    }
    dumps.extend(open.map(OpenDump::close).transpose()?);
    Ok((dumps, taken))
}

/// A dump that is being read.
#[derive(Default)]
struct OpenDump {
    unit: String,
    line: usize,
    registers: Option<(u64, u64, u64)>,
    words: usize,
    rows: Vec<DumpRow>,
}

impl OpenDump {
    /// The dump, if all of it is there.
    fn close(self) -> Result<RingDump, DumpError> {
        let OpenDump { unit, line, registers, words, rows } = self;
        match registers {
            None => Err(DumpError::NameOnly { line, unit }),
            Some(_) if rows.len() < ROWS => Err(DumpError::Cut { line, unit, rows: rows.len() }),
            Some((base, head, tail)) => Ok(RingDump { unit, line, base, registers: (head, tail), words, rows }),
        }
    }

    /// Takes a line; `false` if it is none of this unit's.
    fn take(&mut self, line: usize, text: &str) -> Result<bool, DumpError> {
        let columns: Vec<&str> = text.split_whitespace().collect();
        if columns[0] == "Base:" {
            let word = |name: &str| {
                let at = columns.iter().position(|word| word.strip_suffix(':') == Some(name));
                at.and_then(|at| columns.get(at + 1)).copied().unwrap_or("")
            };
            let wrong = |name, base| DumpError::Register { line, name, base, value: word(name).to_string() };
            let register = |name: &'static str| word(name).parse().map_err(|_| wrong(name, "decimal"));
            let base = u64::from_str_radix(word("Base").trim_start_matches("0x"), 16);
            let base = base.map_err(|_| wrong("Base", "hexadecimal"))?;
            self.registers = Some((base, register("Head")?, register("Tail")?));
            return Ok(true);
        }
        if columns[0] == "Index" {
            return Ok(true);
        }
        // What follows the rows: another program's line, which does not begin with a number and a word of 16 digits.
        let looks_like_row =
            columns.len() > 1 && columns[0].bytes().all(|b| b.is_ascii_digit()) && columns[1].len() >= 8;
        if !looks_like_row {
            return Ok(false);
        }
        let row = self.row(line, &columns)?;
        self.rows.push(row);
        Ok(true)
    }

    fn row(&mut self, line: usize, columns: &[&str]) -> Result<DumpRow, DumpError> {
        if self.registers.is_none() {
            return Err(DumpError::NoRegisters { line, unit: self.unit.clone() });
        }
        let index: u64 = columns[0].parse().unwrap_or(u64::MAX);
        let slot = u8::try_from(index).map_err(|_| DumpError::Index { line, index })?;
        match self.rows.last() {
            Some(before) if u64::from(before.slot) + 1 != index => {
                return Err(DumpError::Gap { line, index, before: before.slot });
            }
            _ => {}
        }
        let words = columns.len().saturating_sub(2);
        if !matches!(words, 2 | 4) || self.words != 0 && self.words != words {
            return Err(DumpError::Columns { line, found: columns.len() });
        }
        self.words = words;
        let word = |at: usize| {
            let digits = columns[at].trim_start_matches("0x");
            let short = (1..=16).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let value = u64::from_str_radix(digits, 16).ok().filter(|_| short);
            value.ok_or_else(|| DumpError::Word { line, word: columns[at].to_string() })
        };
        for at in 1..columns.len() {
            word(at)?;
        }
        Ok(DumpRow { line, slot, qw0: word(1)?, qw1: word(2)?, status: word(columns.len() - 1)? })
    }
}
