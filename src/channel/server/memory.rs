//! The relay's memory for bytes on their way: one budget, and buffers that grow within it.
//!
//! A buffer begins with [`LEAST`] bytes and doubles each time a read fills it, to [`MOST`], as long as the budget has room; an idle connection
//! has none at all. So a thousand channels that wait cost nothing, and one that is busy takes few system calls for a mebibyte.
//!
//! All channels of one applicant grow within half of it ([`Budget::part`]): whoever lets bytes wait on purpose leaves the others room.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::{Bytes, BytesMut};

/// Bytes of a buffer at first. They are had whatever the budget says: connections have a bound of their own.
pub(super) const LEAST: usize = 16 * 1024;
/// Most bytes of a buffer.
pub(super) const MOST: usize = 1024 * 1024;

/// What all buffers together may take.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    taken: AtomicU64,
    /// What it is a part of.
    whole: Option<Arc<Self>>,
}

/// A part of a [`Budget`], given back when dropped.
#[derive(Debug)]
struct Grant {
    budget: Arc<Budget>,
    bytes: u64,
}

/// Where bytes of one connection are while they are passed on.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: BytesMut,
    grant: Grant,
}

/// Room for a piece that several receivers will share.
#[derive(Debug)]
pub(super) struct Room {
    /// To be read into, empty.
    pub(super) bytes: BytesMut,
    grant: Grant,
}

/// A piece that several receivers share. It counts until the last of them lets go of it.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    bytes: Bytes,
    _grant: Arc<Grant>,
}

impl Budget {
    /// Of so many bytes.
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, taken: AtomicU64::new(0), whole: None })
    }

    /// What one applicant may have of it: half, and room for one connection at least.
    pub(super) fn part(self: &Arc<Self>) -> Arc<Self> {
        let limit = (self.limit / 2).max(MOST as u64);
        Arc::new(Self { limit, taken: AtomicU64::new(0), whole: Some(Arc::clone(self)) })
    }

    /// Bytes that buffers have now. May be more than the limit by [`LEAST`] for each connection that is busy.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Room for a piece, as long as there is some.
    pub(super) fn try_room(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        self.try_take(bytes as u64).then(|| Room::new(Grant { budget: Arc::clone(self), bytes: bytes as u64 }, bytes))
    }

    /// [`LEAST`] bytes for a piece, whatever there is: for a connection that has none on its way.
    pub(super) fn least_room(self: &Arc<Self>) -> Room {
        let mut grant = Grant { budget: Arc::clone(self), bytes: 0 };
        grant.set(LEAST as u64);
        Room::new(grant, LEAST)
    }

    fn try_take(&self, bytes: u64) -> bool {
        let more = |taken: u64| taken.checked_add(bytes).filter(|taken| *taken <= self.limit);
        if self.taken.try_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            return false;
        }
        let had = self.whole.as_ref().is_none_or(|whole| whole.try_take(bytes));
        if !had {
            self.taken.fetch_sub(bytes, Ordering::Relaxed);
        }
        had
    }

    fn take(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.take(bytes);
        }
    }

    fn give_back(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.give_back(bytes);
        }
    }
}

impl Grant {
    fn set(&mut self, bytes: u64) {
        if bytes >= self.bytes {
            self.budget.take(bytes - self.bytes);
        } else {
            self.budget.give_back(self.bytes - bytes);
        }
        self.bytes = bytes;
    }
}

impl Room {
    fn new(grant: Grant, bytes: usize) -> Self {
        Self { bytes: BytesMut::with_capacity(bytes), grant }
    }

    /// What was read, to be shared. Little of it is moved into as little memory, so that many such pieces keep no more than they hold.
    pub(super) fn share(mut self) -> Shared {
        let bytes = if self.bytes.len() < self.bytes.capacity() / 4 {
            let bytes = Bytes::copy_from_slice(&self.bytes);
            self.grant.set(bytes.len() as u64);
            bytes
        } else {
            self.bytes.freeze()
        };
        Shared { bytes, _grant: Arc::new(self.grant) }
    }
}

impl std::ops::Deref for Shared {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Buffer {
    /// One without memory yet.
    pub(super) fn new(budget: &Arc<Budget>) -> Self {
        Self { bytes: BytesMut::new(), grant: Grant { budget: Arc::clone(budget), bytes: 0 } }
    }

    /// Room to read into, empty.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        self.bytes.clear();
        if self.bytes.capacity() < LEAST {
            self.grant.set(LEAST as u64);
            self.bytes = BytesMut::with_capacity(LEAST);
        }
        &mut self.bytes
    }

    /// What was read.
    pub(super) fn read(&self) -> &[u8] {
        &self.bytes
    }

    /// More room for the next read, if this one had too little and the budget has some. What was read is gone.
    pub(super) fn grow_if_full(&mut self) {
        let (now, wanted) = (self.bytes.capacity(), self.bytes.capacity().saturating_mul(2).min(MOST));
        if self.bytes.len() < now || wanted <= now || !self.grant.budget.try_take((wanted - now) as u64) {
            return;
        }
        self.grant.bytes += (wanted - now) as u64;
        // The old one first: both together are not what was granted.
        self.bytes = BytesMut::new();
        self.bytes = BytesMut::with_capacity(wanted);
    }

    /// Gives its memory back until it is needed again.
    pub(super) fn release(&mut self) {
        self.bytes = BytesMut::new();
        self.grant.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(buffer: &mut Buffer) -> usize {
        let room = buffer.room();
        let capacity = room.capacity();
        room.resize(capacity, 7);
        buffer.grow_if_full();
        capacity
    }

    #[test]
    fn a_buffer_doubles_while_reads_fill_it_up_to_a_mebibyte() {
        let budget = Budget::new(64 * 1024 * 1024);
        let mut buffer = Buffer::new(&budget);
        assert_eq!(budget.taken(), 0, "an idle connection has none");
        let sizes: Vec<usize> = (0..9).map(|_| fill(&mut buffer) / 1024).collect();
        assert_eq!(sizes, [16, 32, 64, 128, 256, 512, 1024, 1024, 1024]);
        assert_eq!(budget.taken(), MOST as u64);
        buffer.release();
        assert_eq!(budget.taken(), 0);
        assert_eq!(fill(&mut buffer), LEAST, "and begins anew");
        drop(buffer);
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn a_read_that_leaves_room_asks_for_no_more() {
        let budget = Budget::new(64 * 1024 * 1024);
        let mut buffer = Buffer::new(&budget);
        buffer.room().extend_from_slice(b"little");
        assert_eq!(buffer.read(), b"little");
        buffer.grow_if_full();
        assert_eq!((buffer.room().capacity(), budget.taken()), (LEAST, LEAST as u64));
    }

    #[test]
    fn beyond_the_budget_nothing_grows_and_all_still_have_the_least() {
        let budget = Budget::new(100 * 1024);
        let mut buffers: Vec<Buffer> = (0..10).map(|_| Buffer::new(&budget)).collect();
        for _ in 0..10 {
            buffers.iter_mut().for_each(|buffer| {
                fill(buffer);
            });
        }
        // The first grew before the others were there.
        assert!(buffers.iter_mut().all(|buffer| buffer.room().capacity() >= LEAST));
        assert!(budget.taken() <= 100 * 1024 + 10 * LEAST as u64, "{}", budget.taken());
        drop(buffers);
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn one_applicant_takes_half_of_it_and_leaves_the_others_room_to_grow() {
        let budget = Budget::new(8 * MOST as u64);
        let (one, other) = (budget.part(), budget.part());
        let mut greedy: Vec<Buffer> = (0..20).map(|_| Buffer::new(&one)).collect();
        for _ in 0..8 {
            greedy.iter_mut().for_each(|buffer| {
                fill(buffer);
            });
        }
        assert!(one.taken() <= 4 * MOST as u64 + 20 * LEAST as u64, "{}", one.taken());
        assert_eq!(budget.taken(), one.taken());
        let mut modest = Buffer::new(&other);
        let grown: Vec<usize> = (0..8).map(|_| fill(&mut modest)).collect();
        assert_eq!(grown.last(), Some(&MOST));
        drop((greedy, modest));
        assert_eq!((budget.taken(), one.taken(), other.taken()), (0, 0, 0));
        let room = one.try_room(4 * MOST).expect("room");
        assert!(one.try_room(1).is_none() && other.try_room(4 * MOST).is_some());
        drop(room);
        let everything = budget.try_room(8 * MOST);
        assert!(everything.is_some() && one.try_room(1).is_none());
        drop(everything);
        assert_eq!(one.taken(), 0, "what the whole has not is not taken of a part");
    }

    #[test]
    fn what_several_share_counts_once_until_the_last_lets_go_and_little_counts_as_little() {
        let budget = Budget::new(3 * LEAST as u64);
        let mut room = budget.try_room(2 * LEAST).expect("room");
        assert!(budget.try_room(2 * LEAST).is_none());
        room.bytes.extend_from_slice(&[7; 2 * LEAST]);
        let shared = room.share();
        let other = shared.clone();
        drop(shared);
        assert_eq!((other.len(), budget.taken()), (2 * LEAST, 2 * LEAST as u64));
        let mut room = budget.least_room();
        room.bytes.extend_from_slice(b"little");
        let little = room.share();
        assert_eq!((&*little, budget.taken()), (&b"little"[..], 2 * LEAST as u64 + 6));
        drop((other, little));
        assert_eq!(budget.taken(), 0);
    }
}
