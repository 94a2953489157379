//! A line of a log, in each of the forms that QEMU has written, and its fields.

use super::error::{TraceError, beginning};
use super::{Fetched, What};

/// Address of the low half of the tail register (VT-d 11.4.9.2).
const IQT_REG: u64 = 0x88;

/// Address of the fault status register (VT-d 11.4.7.1).
const FSTS_REG: u64 = 0x34;

/// The kinds of events that concern the ring, and the fields that each has.
const KINDS: [(&str, &[&str]); 11] = [
    ("vtd_inv_qi_enable", &["enabled"]),
    ("vtd_inv_qi_setup", &["addr", "size"]),
    ("vtd_reg_write", &["addr", "size", "value"]),
    ("vtd_inv_qi_tail", &["tail"]),
    ("vtd_inv_qi_head", &["head"]),
    ("vtd_inv_desc", &["type", "high", "low"]),
    ("vtd_inv_desc_wait_sw", &["addr", "data"]),
    ("vtd_x_dev_noresp", &["head"]),
    ("vtd_x_wait_pend", &["head", "status", "addr"]),
    ("vtd_x_ite_set", &["head", "tail", "aborted", "waits"]),
    ("vtd_x_fsts_write", &["fsts", "now"]),
];

/// What a line is.
pub(super) enum Parsed<'a> {
    /// An event of QEMU.
    Event(Line<'a>),
    /// Something else, such as a message of QEMU or of another program.
    Other,
    /// What may have been an event that concerns the ring, and cannot be read.
    Damaged,
}

/// An event, taken apart.
pub(super) struct Line<'a> {
    pub number: u64,
    pub thread: Option<u64>,
    pub kind: &'a str,
    /// The fields that the kind may have and what each says, in the order of the text.
    fields: Vec<(&'static str, &'a str)>,
}

/// What an event says.
pub(super) enum Said {
    /// The queue is enabled or disabled.
    Enable(bool),
    /// The ring exists, at an address and with so many slots.
    Setup { address: u64, size: u64 },
    /// A step of the ring.
    Ring(What),
    /// Nothing of the ring.
    Nothing,
}

impl<'a> Line<'a> {
    /// Reads a line: `THREAD@SECONDS.MICROS:event text`, `event text`, or either behind an ISO time and a space.
    pub fn parse(number: u64, text: &'a str) -> Parsed<'a> {
        let behind_time = text.split_once(' ').filter(|(time, _)| is_iso_time(time)).map(|(_, rest)| rest);
        let rest = behind_time.unwrap_or(text);
        let digits_at = rest.split_once('@').filter(|(thread, _)| is_number(thread));
        let parsed = match digits_at {
            Some((thread, event)) => event_of_thread(thread, event),
            None => Some((None, rest)),
        };
        let Some((thread, event)) = parsed else { return Parsed::Damaged };
        let (kind, said) = event.split_once(' ').unwrap_or((event, ""));
        let is_name = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match thread {
            // Without a thread a sentence may stand there as well as an event; events of QEMU have names of several words.
            None if !is_name || !kind.contains('_') => match names_an_event(text) {
                true => Parsed::Damaged,
                false => Parsed::Other,
            },
            _ if !is_name => Parsed::Damaged,
            _ => Parsed::Event(Line { number, thread, kind, fields: fields(kind, said) }),
        }
    }

    /// What the event says.
    ///
    /// # Errors
    /// A kind that is known and whose text is not what it has to be.
    pub fn said(&self, head: impl FnOnce() -> Option<u64>) -> Result<Said, TraceError> {
        self.says_nothing_twice()?;
        Ok(Said::Ring(match self.kind {
            "vtd_inv_qi_enable" => return Ok(Said::Enable(self.number("enabled")? != 0)),
            "vtd_inv_qi_setup" => {
                return Ok(Said::Setup { address: self.number("addr")?, size: self.number("size")? });
            }
            "vtd_reg_write" => match self.number("addr")? {
                IQT_REG => What::Register { value: self.register()? },
                FSTS_REG => What::FstsRegister { value: self.number("value")? },
                _ => return Ok(Said::Nothing),
            },
            "vtd_inv_qi_tail" => What::IqtWrite { slot: self.number("tail")? },
            "vtd_inv_qi_head" => What::Head { slot: self.number("head")? },
            "vtd_inv_desc" => {
                let desc = self.descriptor()?;
                What::Fetch { slot: head(), desc }
            }
            "vtd_inv_desc_wait_sw" => What::StatusWrite { address: self.number("addr")?, data: self.number("data")? },
            "vtd_x_dev_noresp" => What::NoAnswer { slot: self.number("head")? },
            "vtd_x_wait_pend" => What::Pends { slot: self.number("head")?, address: self.number("addr")? },
            "vtd_x_ite_set" => {
                let (head, tail) = (self.number("head")?, self.number("tail")?);
                What::Ite { head, tail, aborted: self.number("waits")? }
            }
            "vtd_x_fsts_write" => What::Fsts { now: self.number("now")? },
            _ => return Ok(Said::Nothing),
        }))
    }

    fn says_nothing_twice(&self) -> Result<(), TraceError> {
        for (i, (field, second)) in self.fields.iter().enumerate() {
            if let Some((_, first)) = self.fields[..i].iter().find(|(name, _)| name == field) {
                let (first, second) = (beginning(first.as_bytes()), beginning(second.as_bytes()));
                return Err(TraceError::Repeated { line: self.number, kind: self.kind.into(), field, first, second });
            }
        }
        Ok(())
    }

    /// What stands after a name in the text, up to the next one.
    pub fn word(&self, field: &'static str, limit: &'static str) -> Result<&'a str, TraceError> {
        let said = self.fields.iter().find(|(name, said)| *name == field && !said.is_empty());
        said.map(|(_, said)| *said).ok_or_else(|| self.bad(field, "nothing", limit))
    }

    /// The number after a name in the text, hexadecimal after `0x`.
    fn number(&self, field: &'static str) -> Result<u64, TraceError> {
        const LIMIT: &str = "a number below 2^64, decimal or 0x and hexadecimal";
        let word = self.word(field, LIMIT)?;
        let value = match word.strip_prefix("0x") {
            Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u64::from_str_radix(hex, 16).ok(),
            Some(_) => None,
            None => digits(word),
        };
        value.ok_or_else(|| self.bad(field, word, LIMIT))
    }

    fn descriptor(&self) -> Result<Fetched, TraceError> {
        const LIMIT: &str = "iotlb, device, iec, context-cache, p-iotlb, pasid-cache, device-piotlb or wait";
        /// Names and numbers of the types (VT-d 6.5.2).
        const TYPES: [(&str, u64); 8] = [
            ("context-cache", 1),
            ("iotlb", 2),
            (DEVICE, 3),
            ("iec", 4),
            (WAIT, 5),
            ("p-iotlb", 6),
            ("pasid-cache", 7),
            (DEVICE_PIOTLB, 8),
        ];
        const WAIT: &str = "wait";
        const DEVICE: &str = "device";
        const DEVICE_PIOTLB: &str = "device-piotlb";
        /// Bit 5 of a WD: write the status (VT-d 6.5.2.8).
        const SW: u64 = 1 << 5;
        let (address, low) = (self.number("high")?, self.number("low")?);
        let said = self.word("type", LIMIT)?;
        let Some(&(name, code)) = TYPES.iter().find(|(name, _)| *name == said) else {
            return Err(self.bad("type", said, LIMIT));
        };
        if low & 0xf != code {
            return Err(TraceError::Type { line: self.number, name, low, code });
        }
        Ok(match name {
            WAIT => Fetched::Wd { data: low >> 32, address, writes: low & SW != 0 },
            _ => Fetched::Id { device: name == DEVICE || name == DEVICE_PIOTLB, high: address, low },
        })
    }

    /// The value that IQT is written.
    fn register(&self) -> Result<u64, TraceError> {
        const LIMIT: &str = "0x4 or 0x8, the bytes that a write of IQT can have";
        match self.number("size")? {
            4 | 8 => self.number("value"),
            _ => Err(self.bad("size", self.word("size", LIMIT)?, LIMIT)),
        }
    }

    pub fn bad(&self, field: &'static str, value: &str, limit: &'static str) -> TraceError {
        let value = beginning(value.as_bytes());
        TraceError::Field { line: self.number, kind: self.kind.into(), field, value, limit }
    }
}

/// Thread and event of `THREAD@SECONDS.MICROS:event text`, of which the first `@` has been taken.
fn event_of_thread<'a>(thread: &str, event: &'a str) -> Option<(Option<u64>, &'a str)> {
    let (time, event) = event.split_once(':')?;
    let (seconds, micros) = time.split_once('.')?;
    digits(seconds)?.checked_mul(1_000_000)?.checked_add(digits(micros)?)?;
    Some((Some(digits(thread)?), event))
}

/// Whether a word is a time as QEMU's `-msg timestamp=on` writes it: `2026-03-01T10:00:00.123456Z`.
fn is_iso_time(word: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let Some((time, fraction)) = word.as_bytes().split_at_checked(SHAPE.len()) else { return false };
    let fits = |(byte, shape): (&u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    let fraction = fraction.strip_suffix(b"Z").unwrap_or(fraction);
    time.iter().zip(SHAPE).all(fits)
        && (fraction.is_empty()
            || fraction
                .strip_prefix(b".")
                .is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)))
}

/// Whether a line that is no event has the name of one that concerns the ring as a word: two lines that were written into each other.
fn names_an_event(text: &str) -> bool {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.into_iter().any(|word| KINDS.iter().any(|(kind, _)| *kind == word))
}

/// The fields in the text of a kind that is known, each with what stands before the next one. The words before the first are
/// for people.
fn fields<'a>(kind: &str, text: &'a str) -> Vec<(&'static str, &'a str)> {
    let Some((_, names)) = KINDS.iter().find(|(known, _)| *known == kind) else { return Vec::new() };
    let text = text.trim_end();
    let mut fields: Vec<(&'static str, &'a str)> = Vec::with_capacity(names.len());
    // Where what is said of the last field begins, once there is one.
    let (mut begin, mut at) = (0, 0);
    for word in text.split(' ') {
        if let Some(name) = names.iter().find(|name| **name == word) {
            if let Some((_, said)) = fields.last_mut() {
                *said = text[begin..at].trim();
            }
            fields.push((name, ""));
            begin = (at + word.len()).min(text.len());
        }
        at += word.len() + 1;
    }
    if let Some((_, said)) = fields.last_mut() {
        *said = text[begin..].trim();
    }
    fields
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number in decimal digits, nothing else.
fn digits(text: &str) -> Option<u64> {
    is_number(text).then(|| text.parse().ok()).flatten()
}
