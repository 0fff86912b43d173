//! Chunks that come by several connections, put in order by their numbers (claim 11 of the seed), within a window.

use std::collections::BTreeMap;

/// A chunk that cannot be. The peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// It came before.
    #[error("chunk {0} came twice")]
    Twice(u64),
    /// Chunks before it are missing by more than the window.
    #[error("chunk {index} came while {next} was missing, beyond the window of {window}")]
    Beyond {
        /// Its number.
        index: u64,
        /// The first that is missing.
        next: u64,
        /// How many may wait.
        window: u64,
    },
    /// It comes after the one that said it was the last, or another one said so.
    #[error("chunk {0} does not fit with the last one")]
    Last(u64),
}

/// See the [module](self). What a chunk is, is the caller's.
#[derive(Debug)]
pub struct Order<T> {
    next: u64,
    window: u64,
    waiting: BTreeMap<u64, T>,
    last: Option<u64>,
    highest: Option<u64>,
    inversions: u64,
}

impl<T> Order<T> {
    /// Expects chunk 0. At most `window` chunks wait for one that is missing; one that comes from further on is an error.
    pub fn new(window: u64) -> Self {
        Self { next: 0, window: window.max(1), waiting: BTreeMap::new(), last: None, highest: None, inversions: 0 }
    }

    /// Whether this chunk may come: to be asked before it is read and opened.
    ///
    /// # Errors
    /// It may not.
    pub fn check(&self, index: u64, last: bool) -> Result<(), OrderError> {
        if index < self.next || self.waiting.contains_key(&index) {
            return Err(OrderError::Twice(index));
        }
        if index - self.next >= self.window {
            return Err(OrderError::Beyond { index, next: self.next, window: self.window });
        }
        let fits = match (self.last, last) {
            (Some(end), false) => index < end,
            (Some(end), true) => index == end,
            (None, true) => self.highest.is_none_or(|highest| highest < index),
            (None, false) => true,
        };
        if fits { Ok(()) } else { Err(OrderError::Last(index)) }
    }

    /// Counts a chunk as given where it is the very next; false where it has to wait.
    ///
    /// # Errors
    /// As [`Order::check`].
    pub fn pass(&mut self, index: u64, last: bool) -> Result<bool, OrderError> {
        self.check(index, last)?;
        if index != self.next {
            return Ok(false);
        }
        self.note(index, last);
        self.next += 1;
        Ok(true)
    }

    /// Takes a chunk that was opened.
    ///
    /// # Errors
    /// As [`Order::check`].
    pub fn put(&mut self, index: u64, last: bool, chunk: T) -> Result<(), OrderError> {
        self.check(index, last)?;
        self.note(index, last);
        self.waiting.insert(index, chunk);
        Ok(())
    }

    fn note(&mut self, index: u64, last: bool) {
        if last {
            self.last = Some(index);
        }
        if self.highest.is_some_and(|highest| index < highest) {
            self.inversions += 1;
        }
        self.highest = self.highest.max(Some(index));
    }

    /// The next chunk in order, if it is there.
    pub fn poll(&mut self) -> Option<T> {
        let chunk = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(chunk)
    }

    /// Chunks given in order.
    pub fn count(&self) -> u64 {
        self.next
    }

    /// Whether the last was given.
    pub fn is_complete(&self) -> bool {
        self.last.is_some_and(|last| last < self.next)
    }

    /// Chunks that came after one of a higher number.
    pub fn inversions(&self) -> u64 {
        self.inversions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(order: &mut Order<u64>) -> Vec<u64> {
        std::iter::from_fn(|| order.poll()).collect()
    }

    #[test]
    fn the_five_chunks_of_the_seed_come_as_1_4_3_2_5_and_are_put_in_order() {
        let mut order = Order::new(8);
        let mut given = Vec::new();
        for index in [0, 3, 2, 1, 4] {
            order.put(index, index == 4, index + 1).expect("in the window");
            given.push(all(&mut order));
        }
        assert_eq!(given, [vec![1], vec![], vec![], vec![2, 3, 4], vec![5]]);
        assert_eq!((order.count(), order.inversions(), order.is_complete()), (5, 2, true));
    }

    #[test]
    fn a_chunk_comes_once_within_the_window_and_none_behind_the_last() {
        let mut order = Order::new(4);
        order.put(0, false, 0).expect("the first");
        assert_eq!(all(&mut order), [0]);
        order.put(2, false, 2).expect("waits");
        for (index, last, why) in [
            (0, false, OrderError::Twice(0)),
            (2, false, OrderError::Twice(2)),
            (5, false, OrderError::Beyond { index: 5, next: 1, window: 4 }),
            (u64::MAX, false, OrderError::Beyond { index: u64::MAX, next: 1, window: 4 }),
            (1, true, OrderError::Last(1)),
        ] {
            assert_eq!(order.put(index, last, 9), Err(why));
        }
        order.put(3, true, 3).expect("the last");
        assert_eq!(order.put(4, false, 4), Err(OrderError::Last(4)));
        assert_eq!(order.put(4, true, 4), Err(OrderError::Last(4)));
        assert!(!order.is_complete(), "chunk 1 is missing");
        order.put(1, false, 1).expect("the missing one");
        assert_eq!(all(&mut order), [1, 2, 3]);
        assert!(order.is_complete());
        assert_eq!(order.inversions(), 1);
    }
}
