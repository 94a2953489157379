//! A text told apart by its content: dumps, a kernel's log, a trace of calls, a QEMU log. All may be in one text.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::dmesg::KernelLog;
use crate::dump::{self, DumpError, RingDump};
use crate::ftrace::CallTrace;

/// What a text holds.
#[derive(Clone, Debug)]
pub struct Material {
    /// Where it comes from, as a person knows it.
    pub name: String,
    /// Its lines.
    pub lines: usize,
    /// A hash of the text: two files with one text count once.
    pub hash: u64,
    /// Dumps of rings.
    pub dumps: Vec<RingDump>,
    /// What a kernel said.
    pub log: KernelLog,
    /// Calls and submissions.
    pub trace: CallTrace,
    /// How many of its lines are QEMU's about its unit.
    pub qemu: usize,
    /// Those lines, each at its place, the others empty; nothing without any.
    pub qemu_log: String,
}

impl Material {
    /// Reads a text.
    ///
    /// # Errors
    /// [`DumpError`], if a dump in it cannot be used.
    ///
    /// ```
    /// use vtd_qi_diagnose::material::Material;
    /// let text = "[   39.0] DMAR: VT-d detected Invalidation Time-out Error: SID 0\n";
    /// let material = Material::read("dmesg", text)?;
    /// assert_eq!((material.log.faults.len(), material.dumps.len()), (1, 0));
    /// # Ok::<(), vtd_qi_diagnose::dump::DumpError>(())
    /// ```
    pub fn read(name: &str, text: &str) -> Result<Material, DumpError> {
        let (dumps, of_dump) = dump::read(text)?;
        let skip = |line: usize| of_dump[line - 1];
        let of_qemu = |line: &&str| ["vtd_inv_", "vtd_reg_", "vtd_x_"].iter().any(|kind| line.contains(kind));
        let qemu = text.lines().filter(of_qemu).count();
        let only = |line| if of_qemu(&line) { line } else { "" };
        let qemu_log: String = match qemu {
            0 => String::new(),
            _ => text.lines().flat_map(|line| [only(line), "\n"]).collect(),
        };
        Ok(Material {
            name: name.to_string(),
            lines: of_dump.len(),
            hash: hash(text),
            dumps,
            log: KernelLog::read(text, skip),
            trace: CallTrace::read(text, skip),
            qemu,
            qemu_log,
        })
    }

    /// Whether there is nothing in it that is known.
    pub fn is_unknown(&self) -> bool {
        self.dumps.is_empty() && !self.log.says_something() && !self.trace.says_something() && self.qemu == 0
    }

    /// The first of several that has the text of this one, if that is another.
    pub fn first_alike<'a>(&self, all: &'a [Material]) -> Option<&'a Material> {
        all.iter().find(|other| other.hash == self.hash).filter(|other| !std::ptr::eq(*other, self))
    }

    /// What it holds, in words.
    pub fn kinds(&self) -> Vec<String> {
        let kind = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
        let calls = self.trace.calls.len();
        [
            kind(self.dumps.len(), "dump(s) of a ring"),
            self.log.says_something().then(|| {
                format!("a kernel's log ({} fault(s), {} lockup(s))", self.log.faults.len(), self.log.lockups.len())
            }),
            self.trace
                .says_something()
                .then(|| format!("a trace of calls ({calls} call(s), {} submission(s))", self.trace.submissions)),
            kind(self.qemu, "lines of a QEMU log"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
