//! Bandwidth limits: a bucket for all connections of a data conference, and one for each. They keep files from starving the audio.

use std::{
    num::NonZeroU64,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    clock,
    fileshare::wire::control::Limits,
    transfer::{TokenBucket, rate::grain},
};

/// The limits of one data conference. Those who share them move pieces so small that the turn of each comes within half a heartbeat: bytes are a
/// sign of life.
#[derive(Debug)]
pub(super) struct Paces {
    /// Bytes a second of each connection; 0: no limit.
    each: AtomicU64,
    total: Mutex<Option<TokenBucket>>,
    /// Connections that share the total.
    users: AtomicUsize,
    /// Longest wait for a turn.
    patience: Duration,
}

/// The limits as one connection feels them.
#[derive(Debug)]
pub(super) struct Pace {
    of: Arc<Paces>,
    rate: u64,
    own: Option<TokenBucket>,
}

impl Paces {
    /// Limits for connections that give a sign of life every `heartbeat`.
    pub(super) fn new(total: Option<NonZeroU64>, each: Option<NonZeroU64>, heartbeat: Duration) -> Self {
        Self {
            each: AtomicU64::new(each.map_or(0, NonZeroU64::get)),
            total: Mutex::new(total.map(bucket)),
            users: AtomicUsize::new(0),
            patience: heartbeat / 2,
        }
    }

    /// Sets what `limits` names.
    pub(super) fn set(&self, limits: Limits) {
        if let Some(each) = limits.each {
            self.each.store(each, Ordering::Relaxed);
        }
        if let Some(rate) = limits.total {
            let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
            match (NonZeroU64::new(rate), total.as_mut()) {
                (Some(rate), Some(bucket)) => bucket.set_rate(clock::now(), rate, grain(rate.get())),
                (rate, _) => *total = rate.map(bucket),
            }
        }
    }

    /// Bytes a second of each connection; 0: no limit.
    pub(super) fn each(&self) -> u64 {
        self.each.load(Ordering::Relaxed)
    }

    /// Bytes that one of so many may move at once, so that the turn of each comes in time.
    fn piece(&self, rate: u64, users: u64) -> u64 {
        let turn = u128::from(rate).saturating_mul(self.patience.as_millis()) / 1000 / u128::from(users.max(1));
        grain(rate).min(u64::try_from(turn).unwrap_or(u64::MAX)).max(1)
    }

    fn total_rate(&self) -> Option<u64> {
        self.total.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|bucket| bucket.rate().get())
    }
}

impl Pace {
    pub(super) fn new(of: Arc<Paces>) -> Self {
        of.users.fetch_add(1, Ordering::Relaxed);
        Self { of, rate: 0, own: None }
    }

    /// The most that may be moved at once; `None` without limits.
    pub(super) fn grain(&self) -> Option<usize> {
        let each = Some(self.of.each()).filter(|each| *each != 0);
        let users = self.of.users.load(Ordering::Relaxed) as u64;
        let own = each.map(|rate| self.of.piece(rate, 1));
        let all = self.of.total_rate().map(|rate| self.of.piece(rate, users));
        usize::try_from([own, all].into_iter().flatten().min()?).ok()
    }

    /// So many bytes are moved: waits as long as the limits want.
    pub(super) async fn spend(&mut self, bytes: usize) {
        let wait = self.reserve(clock::now(), bytes as u64);
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }

    /// How long to wait before so many bytes may be moved.
    fn reserve(&mut self, now: Instant, bytes: u64) -> Duration {
        let rate = self.of.each();
        if rate != self.rate {
            self.rate = rate;
            self.own = NonZeroU64::new(rate).map(bucket);
        }
        let own = self.own.as_mut().map(|bucket| bucket.reserve(now, bytes));
        let all = self.of.total.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(|bucket| bucket.reserve(now, bytes));
        // A limit that leaves no byte for a sign of life, or one that was lowered far, is overdrawn rather than connections taken for dead.
        own.into_iter().chain(all).max().unwrap_or_default().min(self.of.patience)
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.of.users.fetch_sub(1, Ordering::Relaxed);
    }
}

fn bucket(rate: NonZeroU64) -> TokenBucket {
    TokenBucket::new(clock::now(), rate, grain(rate.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: Duration = Duration::from_secs(10);

    fn sharing(members: usize, total: Option<u64>, each: Option<u64>) -> Vec<Pace> {
        let paces = Arc::new(Paces::new(total.and_then(NonZeroU64::new), each.and_then(NonZeroU64::new), HEARTBEAT));
        (0..members).map(|_| Pace::new(paces.clone())).collect()
    }

    #[test]
    fn each_of_many_members_moves_something_in_every_heartbeat_and_all_together_no_more_than_the_limit() {
        for (members, total, each) in
            [(100, Some(10_000), None), (1000, Some(20_000), None), (1, None, Some(100)), (5, Some(50_000), Some(90))]
        {
            let mut members = sharing(members, total, each);
            let (now, mut moved) = (clock::now(), 0);
            for pace in &mut members {
                let piece = pace.grain().expect("a limit") as u64;
                moved += piece;
                assert!(pace.reserve(now, piece) < HEARTBEAT, "{total:?} {each:?}");
            }
            let limit = total.unwrap_or(u64::MAX).min(each.unwrap_or(u64::MAX).saturating_mul(members.len() as u64));
            assert!(moved <= limit * HEARTBEAT.as_secs(), "{moved} of {limit} a second");
        }
    }

    #[test]
    fn whoever_is_alone_again_moves_larger_pieces() {
        let mut members = sharing(100, Some(10_000), None);
        let crowded = members[0].grain();
        members.truncate(1);
        assert_eq!((crowded, members[0].grain()), (Some(500), Some(4096)));
    }

    #[test]
    fn a_limit_that_leaves_nothing_for_a_sign_of_life_is_overdrawn() {
        let mut members = sharing(100, Some(1), None);
        let now = clock::now();
        assert!(members.iter_mut().all(|pace| pace.grain() == Some(1) && pace.reserve(now, 60_000) < HEARTBEAT));
    }
}
