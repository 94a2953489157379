//! A timeline as the lines of a terminal: the layout that fits its width, and what is folded.
//!
//! | columns | layout |
//! | --- | --- |
//! | 110 and more | the patch's lanes, one for each submitter and one for the hardware, and beside each step the whole ring |
//! | 110 and more, but too few for that | the lanes, and beside each step what has changed in the ring |
//! | 90 to 109 | one lane, each step with the name of who does it, and beside it what has changed |
//! | fewer | the same on two lines a step |

use std::cmp::Reverse;
use std::fmt;
use std::ops::Range;

use super::{Held, Row, Timeline};

/// What the signs of a drawing mean.
pub const LEGEND: &str =
    "status of a slot: . QI_FREE, u QI_IN_USE, D QI_DONE, A QI_ABORT; * was written by the hardware";

/// A run of more steps is folded.
const MOST: usize = 100;

/// A repetition is folded if it has this many laps at least,
const LAPS: usize = 4;

/// and each of them this many steps at most.
const LONGEST_LAP: usize = 100;

/// Below this many columns there is one lane.
const LANES: usize = 110;

/// Below this many columns a step takes two lines.
const ONE_LINE: usize = 90;

/// A line of a drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it belongs to.
    pub part: Part,
    /// The line itself.
    pub text: String,
}

/// What a line of a drawing belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The titles and the ring at first.
    Head,
    /// A step.
    Step,
    /// The step that does the harm, and what that is.
    Harm,
    /// A step of the loop.
    Loop,
    /// Steps that are not shown.
    Folded,
}

/// How a step is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// A lane for each submitter and one for the hardware; the whole ring.
    Lanes,
    /// The same with what has changed in the ring.
    Changes,
    /// One lane with names; what has changed.
    Names,
    /// The same on two lines.
    TwoLines,
}

/// Steps of a run that are drawn together.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// One step, by its row.
    Step(usize),
    /// Several, in one sentence.
    Folded(Range<usize>, String),
}

impl Piece {
    fn rows(&self) -> Range<usize> {
        match self {
            Piece::Step(row) => *row..row + 1,
            Piece::Folded(rows, _) => rows.clone(),
        }
    }
}

/// Lines of a given width in the making.
struct Page {
    width: usize,
    /// Columns before those of the ring.
    left: usize,
    layout: Layout,
    /// Columns before each lane.
    indents: Vec<usize>,
    lines: Vec<Line>,
}

impl Page {
    /// Adds what is done and what the ring holds: beside each other if there is room, else below each other.
    fn add(&mut self, part: Part, mark: &str, left: &str, right: &[String]) {
        let beside = right.join("  ");
        let room = self.width.saturating_sub(2 + self.left);
        let fits = self.layout == Layout::Lanes || beside.chars().count() <= room;
        let whole = left.chars().count() + 2 <= self.width;
        if right.is_empty() && whole || self.layout != Layout::TwoLines && left.chars().count() <= self.left && fits {
            return self.line(part, format!("{mark}{left:<width$}{beside}", width = self.left));
        }
        let goes_on = if part == Part::Loop { "\u{2502} " } else { "  " };
        let (head, rest) = broken(left, self.width.saturating_sub(2));
        self.line(part, format!("{mark}{head}"));
        let indent = match self.layout {
            Layout::Lanes | Layout::Changes => self.left,
            Layout::Names | Layout::TwoLines => NAMED,
        };
        let indent = indent.min(self.width / 2);
        if !rest.is_empty() {
            self.line(part, format!("{goes_on}{:indent$}{rest}", ""));
        }
        for filled in fill(right, "  ", self.width.saturating_sub(2 + indent)) {
            self.line(part, format!("{goes_on}{:indent$}{filled}", ""));
        }
    }

    fn line(&mut self, part: Part, text: String) {
        self.lines.push(Line { part, text: text.trim_end().to_string() });
    }
}

/// What the titles say of the second of two lines, where there is room.
const BELOW: &str = "; below it, changes in the ring";

/// Columns before what is done, where there is one lane: the number of the step and who does it.
const NAMED: usize = 4 + 2 + 8 + 2;

impl Timeline {
    /// Draws it in at most `width` columns, where its words are not longer than that, and in about `most` steps: the rest is folded.
    /// A run that is longer than can be read is folded even if nothing is said.
    ///
    /// The step that does the harm is marked with `!`, a loop is bracketed, and folded steps stand behind `:`.
    pub fn lines(&self, width: usize, most: Option<usize>) -> Vec<Line> {
        let layout = match width {
            _ if width < ONE_LINE => Layout::TwoLines,
            _ if width < LANES => Layout::Names,
            _ if 2 + self.lanes() + self.widest_ring() <= width => Layout::Lanes,
            _ if 2 + self.lanes() + 24 <= width => Layout::Changes,
            _ => Layout::Names,
        };
        let pieces = self.pieces(most.unwrap_or(MOST));
        let text = pieces.iter().flat_map(|piece| piece.rows().take(1)).map(|row| self.rows[row].text.chars().count());
        let left = match layout {
            Layout::Lanes | Layout::Changes => self.lanes(),
            Layout::Names | Layout::TwoLines => NAMED + text.max().unwrap_or(0).clamp(12, width / 2) + 2,
        };
        let mut page = Page { width, left, layout, indents: self.indents(), lines: Vec::new() };
        self.head(&mut page, &pieces);
        for piece in &pieces {
            match piece {
                Piece::Step(row) => self.step(&mut page, *row),
                Piece::Folded(rows, what) => {
                    // The ring at first has no line of its own where the first steps are folded.
                    let nothing = Held { slots: Vec::new(), numbered: true, fields: Vec::new() };
                    let since = if rows.start == 0 { &nothing } else { self.before(rows.start) };
                    page.add(Part::Folded, ": ", what, &self.ring(layout, since, rows.end - 1));
                }
            }
        }
        page.lines
    }

    /// The lines of [`Timeline::lines`] as one text.
    pub fn fitted(&self, width: usize) -> String {
        self.lines(width, None).into_iter().map(|line| line.text + "\n").collect()
    }

    /// The titles, and the ring before the first step.
    fn head(&self, page: &mut Page, pieces: &[Piece]) {
        let first = Held { slots: Vec::new(), numbered: true, fields: Vec::new() };
        let start = match page.layout {
            Layout::Lanes => vec![self.start.to_string()],
            _ => self.start.changes(&first),
        };
        let titles = match page.layout {
            Layout::Lanes | Layout::Changes => {
                let titles = self.titles();
                let lanes = titles.iter().zip(self.widths());
                lanes.map(|(title, width)| format!("{title:<width$}  ")).collect::<String>()
            }
            Layout::Names | Layout::TwoLines => format!("{:>4}  {:<8}  what it does", "step", "who"),
        };
        match page.layout {
            Layout::Lanes => page.add(Part::Head, "  ", &titles, &start),
            Layout::TwoLines if page.width >= 2 + titles.len() + BELOW.len() => {
                page.line(Part::Head, format!("  {titles}{BELOW}"))
            }
            _ => page.add(Part::Head, "  ", &titles, &["changes in the ring".to_string()]),
        }
        let rule = match page.layout {
            Layout::Lanes => page.left + self.widest_ring(),
            _ => page.width - 2,
        };
        page.line(Part::Head, format!("  {}", "=".repeat(rule)));
        if page.layout != Layout::Lanes && matches!(pieces.first(), Some(Piece::Step(_))) {
            page.add(Part::Head, "  ", &format!("{:>width$}", "at first", width = NAMED - 2), &start);
        }
    }

    fn step(&self, page: &mut Page, row: usize) {
        let harm = self.harm.as_ref().filter(|harm| harm.row == row);
        let part = match harm {
            Some(_) => Part::Harm,
            None if row >= self.loop_from() => Part::Loop,
            None => Part::Step,
        };
        let mark = if harm.is_some() { "! " } else { self.bracket(row) };
        page.add(
            part,
            mark,
            &self.left(page.layout, &page.indents, row),
            &self.ring(page.layout, self.before(row), row),
        );
        if let Some(harm) = harm {
            let words: Vec<String> = format!("^ this step {}", harm.what).split(' ').map(String::from).collect();
            for filled in fill(&words, " ", page.width - 2) {
                page.line(Part::Harm, format!("  {filled}"));
            }
        }
    }

    /// What is done, in its lane or with the name of who does it.
    fn left(&self, layout: Layout, indents: &[usize], row: usize) -> String {
        let step = &self.rows[row];
        match layout {
            Layout::Lanes | Layout::Changes => {
                format!("{:before$}{}", "", step.text, before = indents[self.column(step)])
            }
            Layout::Names | Layout::TwoLines => format!("{:>4}  {:<8}  {}", row + 1, who(step), step.text),
        }
    }

    /// What the ring holds after a row, or what has changed since.
    fn ring(&self, layout: Layout, since: &Held, row: usize) -> Vec<String> {
        match layout {
            Layout::Lanes => vec![self.rows[row].ring.to_string()],
            _ => self.rows[row].ring.changes(since),
        }
    }

    /// The ring before a row.
    fn before(&self, row: usize) -> &Held {
        row.checked_sub(1).map_or(&self.start, |before| &self.rows[before].ring)
    }

    /// The row at which the loop begins.
    fn loop_from(&self) -> usize {
        self.rows.len() - self.repeating
    }

    /// What stands before a row: the rows of the loop are bracketed.
    fn bracket(&self, row: usize) -> &'static str {
        match row {
            _ if row < self.loop_from() => "  ",
            _ if self.repeating == 1 => "\u{27f3} ",
            _ if row == self.loop_from() => "\u{250c} ",
            _ if row + 1 == self.rows.len() => "\u{2514} ",
            _ => "\u{2502} ",
        }
    }

    /// The widths of the lanes.
    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.titles().iter().map(|title| title.len()).collect();
        for row in &self.rows {
            let width = &mut widths[self.column(row)];
            *width = (*width).max(row.text.chars().count());
        }
        widths
    }

    /// Columns before each lane.
    fn indents(&self) -> Vec<usize> {
        let widths = self.widths();
        (0..widths.len()).map(|lane| widths[..lane].iter().map(|width| width + 2).sum()).collect()
    }

    /// The width of all lanes.
    fn lanes(&self) -> usize {
        self.widths().iter().map(|width| width + 2).sum()
    }

    fn widest_ring(&self) -> usize {
        let rings = self.rows.iter().map(|row| &row.ring).chain([&self.start]);
        rings.map(|ring| ring.to_string().chars().count()).max().unwrap_or(0)
    }

    /// The steps, folded where there are more than `most`: repetitions first, else what is far from the harm and from the end.
    fn pieces(&self, most: usize) -> Vec<Piece> {
        let all = self.rows.len();
        let mut folds = Vec::new();
        if all > most {
            let harm = self.harm.as_ref().map_or(0, |harm| harm.row);
            let (before, after) = (0..harm, (harm + 1).min(self.loop_from())..self.loop_from());
            for rows in [before, after, self.loop_from()..all] {
                folds.extend(self.repetitions(rows));
            }
            let shown = all - folds.iter().map(|(rows, _)| rows.len() - 1).sum::<usize>();
            if shown > most {
                folds = self.far(most);
            }
        }
        let mut pieces = Vec::new();
        let mut at = 0;
        for (rows, what) in folds {
            pieces.extend((at..rows.start).map(Piece::Step));
            at = rows.end;
            pieces.push(Piece::Folded(rows, what));
        }
        pieces.extend((at..all).map(Piece::Step));
        pieces
    }

    /// The laps after the first of whatever is done again and again, but for the numbers in it.
    fn repetitions(&self, rows: Range<usize>) -> Vec<(Range<usize>, String)> {
        let done: Vec<(Option<usize>, String)> =
            self.rows[..rows.end].iter().map(|row| (row.submitter, without_digits(&row.text))).collect();
        let mut folds = Vec::new();
        let mut at = rows.start;
        while at < rows.end {
            let longest = LONGEST_LAP.min((rows.end - at) / LAPS);
            let laps = |lap: usize| (at + lap..rows.end).take_while(|&row| done[row] == done[row - lap]).count() / lap;
            let repeats = (1..=longest).map(|lap| (lap, laps(lap))).filter(|(_, laps)| laps + 1 >= LAPS);
            match repeats.max_by_key(|(lap, laps)| (lap * laps, Reverse(*lap))) {
                Some((lap, laps)) => {
                    let folded = at + lap..at + lap * (laps + 1);
                    let the_steps = if lap == 1 { "step".to_string() } else { format!("{lap} steps") };
                    let again = format!("the {the_steps} above {laps} times more");
                    let what = format!("{} steps: {}, {again}", thousands(folded.len()), self.take_turns(&folded));
                    at = folded.end;
                    folds.push((folded, what));
                }
                None => at += 1,
            }
        }
        folds
    }

    /// All but about `most` steps: those near the harm, or the end of what is before the loop, and those of the loop.
    fn far(&self, most: usize) -> Vec<(Range<usize>, String)> {
        let all = self.rows.len();
        let last = self.loop_from().saturating_sub(1);
        let harm = self.harm.as_ref().map_or(last, |harm| harm.row);
        // What leads to the harm is worth more than what follows, and what a loop begins with more than the rest of it.
        let distance = |row: usize| match row {
            _ if row >= self.loop_from() => row - self.loop_from(),
            _ if row <= harm => harm - row,
            _ => (2 * (row - harm)).min(last - row),
        };
        let mut nearest: Vec<usize> = (0..all).collect();
        nearest.sort_by_key(|&row| distance(row));
        let mut kept: Vec<usize> = nearest.into_iter().take(most).collect();
        kept.sort_unstable();
        let mut folds = Vec::new();
        let mut at = 0;
        for row in kept.into_iter().chain([all]) {
            // A fold does not reach from before the loop into it, and two steps take no more room than their fold.
            for rows in [at..row.min(self.loop_from()), at.max(self.loop_from())..row] {
                if rows.len() > 2 {
                    let what = format!("{} steps: {}", thousands(rows.len()), self.take_turns(&rows));
                    folds.push((rows, what));
                }
            }
            at = row + 1;
        }
        folds
    }

    /// Who does some steps: `T1 and the hardware take turns`.
    fn take_turns(&self, rows: &Range<usize>) -> String {
        let mut columns: Vec<usize> = self.rows[rows.clone()].iter().map(|row| self.column(row)).collect();
        columns.sort_unstable();
        columns.dedup();
        let name =
            |column: usize| if column == self.submitters { "the hardware".into() } else { format!("T{}", column + 1) };
        let names: Vec<String> = columns.into_iter().map(name).collect();
        match names.as_slice() {
            [] => String::new(),
            [one] => format!("{one} alone"),
            [others @ .., last] => format!("{} and {last} take turns", others.join(", ")),
        }
    }
}

impl fmt::Display for Timeline {
    /// The whole run in the patch's lanes, unmarked and unfolded, with the whole ring beside each step.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, indents) = (self.lanes(), self.indents());
        let titles: String =
            self.titles().iter().zip(self.widths()).map(|(title, width)| format!("{title:<width$}  ")).collect();
        writeln!(f, "  {titles}{}", self.start)?;
        writeln!(f, "  {}", "=".repeat(left + self.widest_ring()))?;
        for (number, row) in self.rows.iter().enumerate() {
            writeln!(f, "{}{:<left$}{}", self.bracket(number), self.left(Layout::Lanes, &indents, number), row.ring)?;
        }
        Ok(())
    }
}

/// Who does a step.
fn who(row: &Row) -> String {
    row.submitter.map_or("hardware".to_string(), |t| format!("T{}", t + 1))
}

/// A text with each number replaced by the same sign.
fn without_digits(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            _ if !c.is_ascii_digit() => out.push(c),
            _ if !out.ends_with('#') => out.push('#'),
            _ => {}
        }
    }
    out
}

/// A number with its thousands apart: `2,990`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or("")).collect();
    groups.join(",")
}

/// A text broken at the last space at which its first part has at most `width` columns, if it is longer than that.
fn broken(text: &str, width: usize) -> (&str, &str) {
    let Some((end, next)) = text.char_indices().nth(width) else { return (text, "") };
    match text[..end + next.len_utf8()].rfind(' ') {
        Some(space) if !text[..space].trim().is_empty() => (&text[..space], &text[space + 1..]),
        _ => (text, ""),
    }
}

/// Words put into as few lines of a width as they fit in, in their order.
fn fill(words: &[String], between: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.chars().count() + between.len() + word.chars().count() <= width => {
                *line += between;
                *line += word;
            }
            _ => lines.push(word.clone()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::timeline::Harm;

    /// A run by hand: who, what, and the tail afterwards.
    fn run(rows: &[(Option<usize>, String, usize)], repeating: usize, harm: Option<usize>) -> Timeline {
        let held = |tail: usize| Held {
            slots: (0..4)
                .map(|slot| (slot, if usize::from(slot) == tail % 4 { "WD1 D*".into() } else { "    . ".into() }))
                .collect(),
            numbered: false,
            fields: vec![("tail".into(), tail.to_string()), ("cnt".into(), "4".to_string())],
        };
        let rows: Vec<Row> = rows
            .iter()
            .map(|(submitter, text, tail)| Row { submitter: *submitter, text: text.clone(), ring: held(*tail) })
            .collect();
        let harm =
            harm.map(|row| Harm { row, what: "takes away the QI_DONE of WD2, which T2 has not seen".to_string() });
        Timeline { submitters: 2, start: held(0), rows, repeating, harm }
    }

    /// Round and round: three steps of two, each with numbers of its own.
    fn round(laps: usize) -> Vec<(Option<usize>, String, usize)> {
        let lap = |lap: usize| {
            [
                (Some(0), format!("WD{lap}"), lap),
                (None, format!("fetch WD{lap}"), lap),
                (Some(0), "unlock".into(), lap + 1),
            ]
        };
        (0..laps).flat_map(lap).collect()
    }

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn a_text_is_broken_between_its_words() {
        assert_eq!(broken("one two", 7), ("one two", ""));
        assert_eq!(broken("one two three", 8), ("one two", "three"));
        assert_eq!(broken("one two\u{2192}three", 7), ("one", "two\u{2192}three"));
        assert_eq!(broken("\u{27f3}\u{27f3}\u{27f3}", 2), ("\u{27f3}\u{27f3}\u{27f3}", ""));
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let rows = [&round(3)[..], &[(Some(1), "while(WD2!=QI_DONE)".to_string(), 3)]].concat();
        for width in [40, 60, 80, 89, 90, 100, 109, 110, 140, 200] {
            for most in [None, Some(5)] {
                let drawn = run(&rows, 1, Some(8)).lines(width, most);
                let widest = drawn.iter().map(|line| line.text.chars().count()).max().unwrap();
                assert!(widest <= width, "{width}: {:#?}", texts(&drawn));
            }
        }
    }

    #[test]
    fn few_columns_show_what_changes_and_who() {
        let rows = [(Some(1), "lock".to_string(), 0), (None, "fetch WD1".to_string(), 1)];
        let drawn = run(&rows, 0, None);
        let names = drawn.lines(100, None);
        assert_eq!(
            texts(&names)[3..],
            ["     1  T2        lock", "     2  hardware  fetch WD1     [0] .  [1] WD1 D*  tail=1"]
        );
        let two = drawn.lines(80, None);
        assert_eq!(
            texts(&two)[4..],
            ["     1  T2        lock", "     2  hardware  fetch WD1", "                  [0] .  [1] WD1 D*  tail=1"]
        );
        let lanes = drawn.lines(140, None);
        assert!(lanes[3].text.ends_with("fetch WD1  |    . |WD1 D*|    . |    . | tail=1 cnt=4"), "{:?}", lanes[3]);
    }

    #[test]
    fn the_harm_is_marked_and_said() {
        let drawn = run(&round(2), 0, Some(3)).lines(100, None);
        let harm: Vec<&str> =
            drawn.iter().filter(|line| line.part == Part::Harm).map(|line| line.text.as_str()).collect();
        assert!(harm[0].starts_with("!    4  T1        WD1"), "{harm:?}");
        assert_eq!(harm[1..], ["  ^ this step takes away the QI_DONE of WD2, which T2 has not seen"]);
    }

    #[test]
    fn what_is_done_again_and_again_is_folded_but_not_the_harm() {
        let rows = [round(300), vec![(Some(1), "returns".to_string(), 0)]].concat();
        let drawn = run(&rows, 0, Some(450)).lines(100, None);
        let folds: Vec<&str> = texts(&drawn).into_iter().filter(|line| line.starts_with(": ")).collect();
        assert_eq!(folds.len(), 2, "{folds:?}");
        assert!(
            folds[0].starts_with(": 447 steps: T1 and the hardware take turns, the 3 steps above 149 times more"),
            "{folds:?}"
        );
        assert!(texts(&drawn).iter().any(|line| line.starts_with("!  451")), "{:#?}", texts(&drawn));
        assert!(texts(&drawn).last().unwrap().contains("returns"));
        assert!(drawn.len() < 20, "{:#?}", texts(&drawn));
    }

    #[test]
    fn a_run_in_few_lines_keeps_the_harm_and_the_loop() {
        let loop_of = [(Some(1), "lock".to_string(), 0), (Some(1), "unlock".to_string(), 0)];
        let rows = [round(10), loop_of.to_vec()].concat();
        let drawn = run(&rows, 2, Some(20)).lines(100, Some(8));
        let texts = texts(&drawn);
        assert!(texts.iter().any(|line| line.starts_with("!   21")), "{texts:#?}");
        assert_eq!(drawn.iter().filter(|line| line.part == Part::Loop).count(), 2, "{texts:#?}");
        // The head, the eight steps, what the harm is, and the folds.
        assert!(drawn.len() <= 3 + 8 + 1 + 3 && texts.iter().any(|line| line.contains(" steps: ")), "{texts:#?}");
        let shown = drawn.iter().filter(|line| matches!(line.part, Part::Step | Part::Loop)).count();
        assert_eq!(shown + 1, 8, "{texts:#?}");
    }

    #[test]
    fn thousands_are_kept_apart() {
        assert_eq!([7, 999, 1_000, 2_990, 1_234_567].map(thousands), ["7", "999", "1,000", "2,990", "1,234,567"]);
    }
}
