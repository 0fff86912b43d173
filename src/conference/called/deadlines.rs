//! When something is due, for many things at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// At most one deadline for each key.
#[derive(Debug)]
pub struct Deadlines<K> {
    of: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Clone> Default for Deadlines<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + Clone> Deadlines<K> {
    /// None.
    pub fn new() -> Self {
        Self { of: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// Sets, moves or, with `None`, takes away the deadline of a key.
    pub fn set(&mut self, key: &K, at: Option<Instant>) {
        if let Some(old) = self.of.remove(key) {
            self.order.remove(&(old, key.clone()));
        }
        if let Some(at) = at {
            self.of.insert(key.clone(), at);
            self.order.insert((at, key.clone()));
        }
    }

    /// The earliest.
    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes a key whose deadline has come.
    pub fn due(&mut self, now: Instant) -> Option<K> {
        let (_, key) = self.order.first().filter(|(at, _)| *at <= now)?.clone();
        self.set(&key, None);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn keys_come_due_in_order_and_once() {
        let zero = crate::clock::now();
        let at = |s| Some(zero + Duration::from_secs(s));
        let mut deadlines = Deadlines::new();
        deadlines.set(&"a", at(3));
        deadlines.set(&"b", at(1));
        deadlines.set(&"c", at(2));
        deadlines.set(&"a", at(1));
        deadlines.set(&"c", None);
        assert_eq!(deadlines.next(), at(1));
        assert_eq!(deadlines.due(zero), None);
        let now = zero + Duration::from_secs(9);
        assert_eq!([deadlines.due(now), deadlines.due(now), deadlines.due(now)], [Some("a"), Some("b"), None]);
    }
}
