//! A picture with less in it: what repeats is left out, so that the rest fits a ring that can be explored.
//!
//! A state of the reduced shape is looked for, not the state itself. Where a rule tells odd slots from even ones, batches go in such
//! numbers, and IDs by twos, that each slot that is left stays on its side.

use crate::picture::{BatchPicture, Picture, SlotPicture};

/// Whether it matters on which side, odd or even, a slot lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// It does: an ITE walk over odd slots may have been there.
    Kept,
    /// It does not.
    Free,
}

/// How much is left.
#[derive(Clone, Copy)]
struct Measure {
    sides: Sides,
    /// Most IDs of a batch, at least; one more may be left for the sides.
    ids: usize,
    /// How many batches that are alike, one behind the other.
    alike: usize,
}

/// A reduced picture of more slots is too large to be explored soon, and is reduced once more;
const MANY_SLOTS: usize = 12;

/// so is one of more batches that are not over.
const MANY_BATCHES: usize = 3;

impl Picture {
    /// The same picture with less in it.
    pub fn reduced(&self, sides: Sides) -> Picture {
        let reduced = self.by(Measure { sides, ids: 4, alike: 2 });
        match reduced.slots() > MANY_SLOTS || reduced.busy() > MANY_BATCHES {
            true => reduced.by(Measure { sides, ids: 1, alike: 1 }),
            false => reduced,
        }
    }

    fn by(&self, measure: Measure) -> Picture {
        let mut batches: Vec<BatchPicture> = self.batches.iter().map(|batch| batch.short(measure)).collect();
        while let Some(repeated) = repeated(&batches, measure) {
            batches.drain(repeated);
        }
        let odd = self.odd && measure.sides == Sides::Kept;
        Picture { batches: gaps_reduced(batches, measure), odd, ..self.clone() }
    }
}

/// Batches that can go: they come again behind them, and what is left stays on its side.
fn repeated(batches: &[BatchPicture], measure: Measure) -> Option<std::ops::Range<usize>> {
    (1..=2).find_map(|length| {
        (0..batches.len()).find_map(|at| {
            // They come again as often as is to be left.
            let copies = if length == 1 { measure.alike } else { 1 };
            let piece = batches.get(at..at + length)?;
            let comes_again = |copy: usize| batches.get(at + copy * length..at + (copy + 1) * length) == Some(piece);
            let slots: usize = piece.iter().map(|batch| batch.0.len()).sum();
            let stays = measure.sides == Sides::Free || slots.is_multiple_of(2);
            (stays && (1..=copies).all(comes_again)).then_some(at..at + length)
        })
    })
}

impl BatchPicture {
    /// The same with few IDs.
    fn short(&self, measure: Measure) -> BatchPicture {
        let mut slots = self.0.clone();
        let step = match measure.sides {
            Sides::Kept => 2,
            Sides::Free => 1,
        };
        // IDs that come again right behind; the WD stays.
        for length in [2, 1] {
            let mut at = 0;
            while at + length + step.max(length) < slots.len() {
                match goes(&slots[at..slots.len() - 1], length, step) {
                    true => drop(slots.drain(at..at + step.max(length))),
                    false => at += 1,
                }
            }
        }
        while slots.len() > measure.ids + step {
            slots.drain(0..step);
        }
        BatchPicture(slots)
    }

    /// The same with as few IDs as can be, for what is over.
    pub fn shortest(&self, sides: Sides) -> BatchPicture {
        self.short(Measure { sides, ids: 1, alike: 1 })
    }
}

/// Whether the first IDs can go: with them goes as much as the step, and what follows repeats them.
fn goes(ids: &[SlotPicture], length: usize, step: usize) -> bool {
    let gone = step.max(length);
    ids.len() >= gone + length
        && (0..gone).all(|k| ids[k] == ids[k % length])
        && ids[gone..gone + length] == ids[..length]
}

/// Makes each run of batches that are over as short as can be: one batch, or two where that alone keeps the side of what follows.
fn gaps_reduced(batches: Vec<BatchPicture>, measure: Measure) -> Vec<BatchPicture> {
    let mut reduced = Vec::new();
    let mut gap: Vec<BatchPicture> = Vec::new();
    for batch in batches {
        match batch.is_over() {
            true => gap.push(batch.shortest(measure.sides)),
            false => {
                reduced.extend(bridge(&std::mem::take(&mut gap), measure.sides));
                reduced.push(batch);
            }
        }
    }
    reduced.extend(bridge(&gap, measure.sides));
    reduced
}

/// A gap that is as short as can be.
fn bridge(gap: &[BatchPicture], sides: Sides) -> Vec<BatchPicture> {
    let even = gap.iter().map(|batch| batch.0.len()).sum::<usize>().is_multiple_of(2);
    let fits = |batch: &&BatchPicture| sides == Sides::Free || batch.0.len().is_multiple_of(2) == even;
    match (gap.iter().filter(fits).min_by_key(|batch| batch.0.len()), gap.first()) {
        (Some(one), _) => vec![one.clone()],
        (None, Some(odd)) => vec![odd.clone(), odd.clone()],
        (None, None) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use vtd_qi::impl_qi::Status;

    use crate::picture::Content;

    /// Batches as text: a slot is a letter for its status, capital where it is a device's ID; `|` ends a batch, whose last is its WD.
    fn picture(text: &str) -> Picture {
        let batch = |letters: &str| {
            let last = letters.len() - 1;
            let slot = |(at, letter): (usize, char)| SlotPicture {
                slot: 0,
                content: if at == last { Content::Wd } else { Content::UnitId },
                status: match letter {
                    '.' => Status::Free,
                    'u' => Status::InUse,
                    'D' => Status::Done,
                    _ => Status::Abort,
                },
                fetched: true,
            };
            BatchPicture(letters.char_indices().map(slot).collect())
        };
        Picture { odd: true, batches: text.split('|').map(batch).collect(), rest: 100 }
    }

    fn text(picture: &Picture) -> String {
        let batch = |batch: &BatchPicture| batch.0.iter().map(|slot| slot.status.letter()).collect::<String>();
        picture.batches.iter().map(batch).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn what_repeats_goes_and_each_slot_stays_on_its_side() {
        for (all, kept, free) in [
            ("uuu", "uuu", "uu"),
            ("uuuuuuuuu", "uuu", "uu"),
            ("AuAuAuAuA", "AuA", "AuA"),
            ("uAuAuAuAu", "uAu", "uAu"),
            ("uu|uu|uu|uu", "uu|uu", "uu|uu"),
            ("uuu|uuu|uuu", "uuu|uuu|uuu", "uu|uu"),
            ("uuu|uuu|uuu|uuu", "uuu|uuu", "uu|uu"),
            ("uu|..|...|...|uu", "uu|..|uu", "uu|..|uu"),
            ("uu|...|...|uu", "uu|...|...|uu", "uu|..|uu"),
            ("uu|...|...|...|uu", "uu|...|uu", "uu|..|uu"),
            ("AuA|uAu|AuA|uAu", "AuA|uAu", "AuA|uAu"),
        ] {
            let reduced = picture(all).reduced(Sides::Kept);
            assert_eq!(text(&reduced), kept, "{all}, sides kept");
            assert_eq!(reduced.slots() % 2, picture(all).slots() % 2, "{all}");
            assert_eq!(text(&picture(all).reduced(Sides::Free)), free, "{all}, sides free");
        }
    }
}
