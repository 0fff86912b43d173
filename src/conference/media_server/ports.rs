//! The RTP ports of a media server: pairs of an even port and the next from a configured range (RFC 3550 §11).
//!
//! Numbers only; who binds them is the engine's business. A pair given back waits behind all others, so that late packets of
//! an old call do not reach a new one.

use std::collections::VecDeque;

/// Ports from which legs take theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// First port; 0 (with `last` 0) lets the system choose.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

impl PortRange {
    /// The system chooses.
    pub const EPHEMERAL: Self = Self { first: 0, last: 0 };

    /// True where the system chooses.
    pub fn is_ephemeral(self) -> bool {
        self.last == 0
    }

    /// How many pairs it holds.
    pub fn pairs(self) -> usize {
        self.evens().count()
    }

    fn evens(self) -> impl Iterator<Item = u16> {
        let (first, last) = (u32::from(self.first.max(1)).next_multiple_of(2), u32::from(self.last));
        (first..last).step_by(2).map(|port| port as u16)
    }
}

/// The pairs that are free.
#[derive(Debug)]
pub struct PortPool {
    range: PortRange,
    free: VecDeque<u16>,
}

impl PortPool {
    /// All of a range.
    pub fn new(range: PortRange) -> Self {
        Self { range, free: range.evens().collect() }
    }

    /// The range.
    pub fn range(&self) -> PortRange {
        self.range
    }

    /// The even port of a free pair; `None` when all are taken.
    pub fn take(&mut self) -> Option<u16> {
        self.free.pop_front()
    }

    /// Gives a pair back.
    pub fn give_back(&mut self, even: u16) {
        debug_assert!(!self.free.contains(&even), "a pair is given back once");
        self.free.push_back(even);
    }

    /// How many pairs are free.
    pub fn free(&self) -> usize {
        self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(first: u16, last: u16) -> Vec<u16> {
        let mut pool = PortPool::new(PortRange { first, last });
        std::iter::from_fn(|| pool.take()).collect()
    }

    #[test]
    fn pairs_are_even_and_lie_wholly_in_the_range() {
        assert_eq!(all(10000, 10005), [10000, 10002, 10004]);
        assert_eq!(all(10001, 10005), [10002, 10004]);
        assert_eq!(all(10000, 10004), [10000, 10002]);
        assert_eq!(all(10001, 10002), [] as [u16; 0]);
        assert_eq!(all(65532, 65535), [65532, 65534]);
        assert_eq!(all(0, 5), [2, 4]);
        assert!(PortRange::EPHEMERAL.is_ephemeral() && PortRange::EPHEMERAL.pairs() == 0);
    }

    #[test]
    fn a_pair_given_back_is_the_last_to_be_used_again() {
        let mut pool = PortPool::new(PortRange { first: 10000, last: 10005 });
        let first = pool.take().unwrap();
        pool.give_back(first);
        assert_eq!([pool.take(), pool.take(), pool.take(), pool.take()], [Some(10002), Some(10004), Some(10000), None]);
    }
}
