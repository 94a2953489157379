//! A few items in place, so that a state of the specification is one block of memory.

use std::fmt::{self, Formatter};
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};

use super::MAX_SUBMITTERS;

/// Room in a [`List`]: a batch of each submitter, and whatever a hardware that holds four descriptors can add to that when
/// the ring has gone wrong.
const ROOM: usize = MAX_SUBMITTERS + 4;

/// A few items in place: a slice that can grow at its end and shrink at its front.
///
/// There is room for 12: a legal state has at most [`MAX_SUBMITTERS`], one that a faulty ring maps to may have more.
///
/// # Examples
/// ```
/// use vtd_qi::spec::List;
///
/// let mut list = List::default();
/// list.push(7);
/// list.push(8);
/// list.pop_front();
/// assert_eq!(list[..], [8]);
/// ```
#[derive(Clone, Copy)]
pub struct List<T> {
    /// Those from `len` on mean nothing.
    items: [T; ROOM],
    len: u8,
}

impl<T: Copy> List<T> {
    /// Adds an item at the end.
    ///
    /// # Panics
    /// If there are 12 already.
    pub fn push(&mut self, item: T) {
        assert!(self.len() < ROOM, "more than {ROOM} items");
        self.items[usize::from(self.len)] = item;
        self.len += 1;
    }

    /// Removes the items that are not to be kept.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let mut kept = 0;
        for i in 0..usize::from(self.len) {
            if keep(&self.items[i]) {
                self.items[kept] = self.items[i];
                kept += 1;
            }
        }
        self.len = kept as u8;
    }

    /// Removes the first item.
    ///
    /// # Panics
    /// If there is none.
    pub fn pop_front(&mut self) {
        self.items.copy_within(1..usize::from(self.len), 0);
        self.len -= 1;
    }
}

impl<T: Copy + Default> Default for List<T> {
    fn default() -> Self {
        List { items: [T::default(); ROOM], len: 0 }
    }
}

impl<T> Deref for List<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.items[..usize::from(self.len)]
    }
}

impl<T> DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items[..usize::from(self.len)]
    }
}

impl<T: PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for List<T> {}

impl<T: Hash> Hash for List<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
