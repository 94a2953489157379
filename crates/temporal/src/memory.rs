//! Memory that searches share. It counts how much there is and how much was taken.
//!
//! A [`Memory`] is a number of bytes. Whoever needs some holds a [`Share`] and makes it larger *before* allocating; a
//! share that is dropped gives its bytes back. What cannot be had is [`Exhausted`]: the search then stops with what it
//! knows ([`Coverage::CutByMemory`](crate::graph::Coverage::CutByMemory)), instead of being ended by the machine.
//!
//! Where several searches run at once, [`Memory::split`] promises each a part of its own, so that a large one does not
//! starve the others, and leaves the rest to whoever asks first.
//!
//! ```
//! use stateright_temporal::memory::{Exhausted, Memory};
//!
//! let memory = Memory::of(1000);
//! let mut graph = memory.share();
//! graph.grow(700)?;
//! assert_eq!(memory.share().grow(400), Err(Exhausted));
//! drop(graph);
//! memory.share().grow(400)?;
//! # Ok::<(), Exhausted>(())
//! ```

use std::fmt;
use std::sync::{Arc, Mutex};

use bytesize::ByteSize;
use thiserror::Error;

/// A number of bytes that searches may take. A clone is the same memory.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    /// How much may be taken here.
    own: usize,
    /// How much is taken, what was taken from `common` included.
    taken: Mutex<usize>,
    /// Where what exceeds `own` is taken from.
    common: Option<Memory>,
    /// How much all of it was before it was split.
    whole: usize,
}

/// The memory that was allowed is used up, or the machine has no more.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the memory that was allowed is used up")]
pub struct Exhausted;

impl Memory {
    /// Returns a memory of so many bytes.
    pub fn of(bytes: usize) -> Memory {
        Memory(Arc::new(Pool { own: bytes, taken: Mutex::new(0), common: None, whole: bytes }))
    }

    /// Returns a memory without a bound: as much as the machine gives.
    pub fn unlimited() -> Memory {
        Memory::of(usize::MAX)
    }

    /// Divides the memory among several searches that run at once. Half of it is divided equally, and each search can
    /// rely on its part. The other half goes to the searches that need more.
    pub fn split(&self, searches: usize) -> Vec<Memory> {
        let whole = self.0.own;
        if searches <= 1 {
            return vec![self.clone(); searches];
        }
        let own = whole / 2 / searches;
        let common = Memory(Arc::new(Pool { own: whole - own * searches, taken: Mutex::new(0), common: None, whole }));
        let part = || Memory(Arc::new(Pool { own, taken: Mutex::new(0), common: Some(common.clone()), whole }));
        (0..searches).map(|_| part()).collect()
    }

    /// Returns an empty share of it.
    pub fn share(&self) -> Share {
        Share { memory: self.clone(), bytes: 0 }
    }

    /// Takes bytes, first those of its own.
    fn take(&self, bytes: usize) -> Result<(), Exhausted> {
        let Pool { own, taken, common, .. } = &*self.0;
        let mut taken = taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let wanted = taken.checked_add(bytes).ok_or(Exhausted)?;
        let from_common = wanted.saturating_sub(*own.max(&*taken));
        match common {
            _ if from_common == 0 => {}
            Some(common) => common.take(from_common)?,
            None => return Err(Exhausted),
        }
        *taken = wanted;
        Ok(())
    }

    /// Gives bytes back, first those that are not its own.
    fn give_back(&self, bytes: usize) {
        let Pool { own, taken, common, .. } = &*self.0;
        let mut taken = taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let left = *taken - bytes;
        if let Some(common) = common {
            common.give_back(taken.saturating_sub(*own.max(&left)));
        }
        *taken = left;
    }
}

/// Displays how much was allowed before it was split, for example `3.2 GB`.
impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", ByteSize::b(self.0.whole as u64).display().si())
    }
}

/// Bytes that were taken from a [`Memory`]. They are given back when the share is dropped.
#[derive(Debug)]
pub struct Share {
    memory: Memory,
    bytes: usize,
}

impl Share {
    /// Takes so many bytes more.
    ///
    /// # Errors
    /// [`Exhausted`] if they cannot be had; nothing has changed then.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.memory.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives some of the bytes back.
    ///
    /// # Panics
    /// If the share has fewer.
    pub fn shrink(&mut self, bytes: usize) {
        assert!(bytes <= self.bytes, "a share of {} bytes cannot give back {bytes}", self.bytes);
        self.memory.give_back(bytes);
        self.bytes -= bytes;
    }

    /// Returns how many bytes it has.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns another, empty share of the same memory.
    pub fn another(&self) -> Share {
        self.memory.share()
    }

    /// Makes room for more elements in a vector. The bytes are taken first, then allocated. The room is doubled, so
    /// that a vector seldom grows, or made larger by a quarter where there is not that much.
    ///
    /// `beside` is the number of bytes that each element costs elsewhere.
    ///
    /// # Errors
    /// [`Exhausted`] if there is not so much room, or the machine has not so much memory; nothing has changed then.
    pub fn make_room<T>(&mut self, vector: &mut Vec<T>, more: usize, beside: usize) -> Result<(), Exhausted> {
        let (room, needed) = (vector.capacity(), vector.len() + more);
        if needed <= room {
            return Ok(());
        }
        // Linux moves the pages of large blocks instead of copying them; elsewhere there are two for a moment.
        let copied = if cfg!(target_os = "linux") { 0 } else { room * size_of::<T>() };
        for wanted in [needed.max(2 * room), needed.max(room + room / 4)] {
            let bytes = (wanted - room).saturating_mul(size_of::<T>() + beside);
            if self.grow(bytes.saturating_add(copied)).is_err() {
                continue;
            }
            self.shrink(copied);
            if vector.try_reserve_exact(wanted - vector.len()).is_ok() {
                return Ok(());
            }
            self.shrink(bytes);
        }
        Err(Exhausted)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(memory: &Memory) -> usize {
        let mut share = memory.share();
        (0..).take_while(|_| share.grow(1).is_ok()).count()
    }

    #[test]
    fn a_share_is_taken_once_and_given_back() {
        let memory = Memory::of(100);
        let (mut one, mut other) = (memory.share(), memory.share());
        one.grow(60).unwrap();
        assert_eq!(other.grow(41), Err(Exhausted));
        other.grow(40).unwrap();
        one.shrink(10);
        assert_eq!((one.bytes(), other.bytes(), free(&memory)), (50, 40, 10));
        drop((one, other));
        assert_eq!(free(&memory), 100);
        assert_eq!(Memory::of(3_200_000_000).to_string(), "3.2 GB");
    }

    #[test]
    fn each_search_has_a_part_that_the_others_cannot_take() {
        let parts = Memory::of(100).split(4);
        let mut large = parts[0].share();
        assert_eq!(large.grow(65), Err(Exhausted));
        large.grow(64 - 2).unwrap();
        assert_eq!(parts[1..].iter().map(free).collect::<Vec<_>>(), [14, 14, 14]);
        large.shrink(60);
        assert_eq!(free(&parts[1]), 64);
        drop(large);
        assert!(parts.iter().all(|part| free(part) == 64));
    }

    #[test]
    fn a_vector_grows_as_far_as_its_share() {
        let memory = Memory::of(1000);
        let (mut share, mut vector) = (memory.share(), Vec::<u64>::new());
        while share.make_room(&mut vector, 1, 2).is_ok() {
            vector.push(0);
            assert_eq!(share.bytes(), vector.capacity() * 10);
        }
        assert!(vector.len() >= 80 && share.bytes() <= 1000, "{} elements", vector.len());
        let mut too_large: Vec<u8> = Vec::new();
        assert_eq!(Memory::unlimited().share().make_room(&mut too_large, usize::MAX / 2, 0), Err(Exhausted));
    }
}
