//! A bounded table whose entries are forgotten a fixed time after they were made.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

/// Entries by key. At the bound the oldest makes room.
#[derive(Debug)]
pub(super) struct Expiring<K, V> {
    life: Duration,
    limit: usize,
    entries: BTreeMap<K, (V, u64)>,
    order: VecDeque<(Instant, K, u64)>,
    made: u64,
}

impl<K: Ord + Clone, V> Expiring<K, V> {
    /// An empty table for at most `limit` entries that live for `life`.
    pub fn new(life: Duration, limit: usize) -> Self {
        Self { life, limit, entries: BTreeMap::new(), order: VecDeque::new(), made: 0 }
    }

    /// Adds an entry, in place of an older one of the same key. Returns the one that had to make room.
    pub fn insert(&mut self, now: Instant, key: K, value: V) -> Option<(K, V)> {
        let evicted = if self.order.len() >= self.limit { self.forget_oldest() } else { None };
        self.made += 1;
        self.entries.insert(key.clone(), (value, self.made));
        self.order.push_back((now + self.life, key, self.made));
        evicted
    }

    /// An entry.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(value, _)| value)
    }

    /// An entry, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(value, _)| value)
    }

    /// All entries, in the order of their keys.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.values_mut().map(|(value, _)| value)
    }

    /// Forgets what has lived long enough.
    pub fn expire(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, ..)| *at <= now) {
            self.forget_oldest();
        }
    }

    /// Takes out the oldest entry that has lived long enough.
    pub fn pop(&mut self, now: Instant) -> Option<(K, V)> {
        while self.order.front().is_some_and(|(at, ..)| *at <= now) {
            if let Some(entry) = self.forget_oldest() {
                return Some(entry);
            }
        }
        None
    }

    /// When the oldest entry is forgotten.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.order.front().map(|(at, ..)| *at)
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn forget_oldest(&mut self) -> Option<(K, V)> {
        let (_, key, made) = self.order.pop_front()?;
        self.entries.get(&key).filter(|(_, m)| *m == made)?;
        self.entries.remove(&key).map(|(value, _)| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_forgotten_by_age_and_by_bound() {
        let start = crate::clock::now();
        let at = |s| start + Duration::from_secs(s);
        let mut table = Expiring::new(Duration::from_secs(10), 2);
        table.insert(at(0), 'a', 1);
        table.insert(at(5), 'b', 2);
        assert_eq!(table.next_timeout(), Some(at(10)));
        table.insert(at(6), 'c', 3);
        assert_eq!((table.get(&'a'), table.get(&'b')), (None, Some(&2)), "the oldest made room");
        table.insert(at(14), 'b', 4);
        table.expire(at(15));
        assert_eq!(table.get(&'b'), Some(&4), "a renewed entry lives on");
        table.expire(at(24));
        assert!(table.is_empty());
        assert_eq!(table.next_timeout(), None);
    }
}
