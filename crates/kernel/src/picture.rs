//! A run of the C as a timeline, in the layout of [`vtd_qi::timeline`].

use super::access::{Access, errno};
use super::board::Board;
use super::machine::Machine;
use vtd_qi::impl_qi::{Desc, HwStep, Request, Slot, Unit};
use vtd_qi::timeline::{Held, Row, Timeline};

/// A timeline in the making.
pub(super) struct Picture {
    submitters: usize,
    start: Held,
    rows: Vec<Row>,
}

impl Picture {
    pub(super) fn new(machine: &Machine, submitters: usize) -> Picture {
        Picture::begin(submitters, ring(machine.board()))
    }

    pub(super) fn begin(submitters: usize, start: Held) -> Picture {
        Picture { submitters, start, rows: Vec::new() }
    }

    pub(super) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    fn row(&mut self, machine: &Machine, submitter: Option<usize>, text: String) {
        self.add(Row { submitter, text, ring: ring(machine.board()) });
    }

    pub(super) fn call(&mut self, machine: &Machine, t: usize, request: Request) {
        self.row(machine, Some(t), format!("qi_submit_sync({})", request.text()));
    }

    pub(super) fn access(&mut self, machine: &Machine, t: usize, access: Access, returned: Option<i32>) {
        let cells = &machine.board().cells;
        let left: String = cells.iter().map(|(number, value)| format!(", cell {number}={value:#x}")).collect();
        let text = match returned {
            Some(rc) => format!("{access}, return {}{left}", errno(rc)),
            None => access.to_string(),
        };
        self.row(machine, Some(t), text);
    }

    pub(super) fn note(&mut self, machine: &Machine, t: Option<usize>, text: String) {
        self.row(machine, t, text);
    }

    pub(super) fn hardware(&mut self, machine: &Machine, step: HwStep, iqh_before: Slot) {
        let text = match step {
            HwStep::Fetch => format!("fetch {iqh_before}"),
            HwStep::Execute { position } => format!("execute ID (pending {position})"),
            HwStep::Complete => "complete WD*".to_string(),
            HwStep::Iqe => "IQE*".to_string(),
            HwStep::TimeOut { .. } => "time-out: ITE*".to_string(),
            HwStep::LoseAnswer { .. } => "answer lost: ITE*".to_string(),
            HwStep::Ice => "ICE*".to_string(),
            HwStep::Remove { device } => format!("device {device} goes"),
        };
        self.row(machine, None, text);
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn finish(self) -> Timeline {
        Timeline { submitters: self.submitters, start: self.start, rows: self.rows, repeating: 0, harm: None }
    }

    /// Leaves the last rows, which begin with the ring as it was before them.
    pub(super) fn keep_last(&mut self, rows: usize) {
        let cut = self.rows.len().saturating_sub(rows);
        if let Some(before) = self.rows.drain(..cut).next_back() {
            self.start = before.ring;
        }
    }
}

/// What the ring holds: descriptor and status of each slot, the private fields, the registers. A long ring is shown
/// as eight slots from `free_tail` on.
pub(super) fn ring(board: &Board) -> Held {
    let length = Unit::length(board);
    let [head, tail, cnt] = board.fields();
    let cell = |slot: Slot| {
        let desc = match board.desc(slot) {
            Desc::Blank => "",
            Desc::Id { .. } => "ID",
            Desc::Wd { .. } => "WD",
            Desc::InvalidWd { .. } => "W!",
        };
        let status = match board.raw_status(slot) {
            0 => ".".to_string(),
            1 => "u".to_string(),
            2 => "D".to_string(),
            3 => "A".to_string(),
            other => other.to_string(),
        };
        (slot, format!("{desc:<2} {status}"))
    };
    let numbered = length.slots() > 16;
    let slots = match numbered {
        false => length.iter().map(cell).collect(),
        true => {
            let from = tail.rem_euclid(i64::from(length.slots())) as Slot;
            (0..8).map(|k| cell(length.add(from, k))).collect()
        }
    };
    let fields = [("tail", tail.to_string()), ("head", head.to_string()), ("cnt", cnt.to_string())];
    let registers = [("IQH", board.iqh().to_string()), ("IQT", board.iqt().to_string())];
    let faults = (board.fsts().bits() != 0).then(|| ("FSTS", board.fsts().names()));
    let fields = fields.into_iter().chain(registers).chain(faults).map(|(name, value)| (name.into(), value));
    Held { slots, numbered, fields: fields.collect() }
}
