//! Bandwidth limits: a bucket for all connections of a data conference, and one for each. They keep files from starving the audio.

use std::{
    num::NonZeroU64,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::time::sleep;

use crate::{clock, fileshare::wire::control::Limits, transfer::TokenBucket};

/// Smallest and largest piece that is moved at once under a limit, in bytes.
const GRAIN: (u64, u64) = (4 * 1024, 64 * 1024);
/// Pieces in a second under a limit: what is moved at once is a twentieth of it.
const PIECES: u64 = 20;

/// The limits of one data conference.
#[derive(Debug)]
pub(super) struct Paces {
    /// Bytes a second of each connection; 0: no limit.
    each: AtomicU64,
    total: Mutex<Option<TokenBucket>>,
}

/// The limits as one connection feels them.
#[derive(Debug)]
pub(super) struct Pace {
    of: Arc<Paces>,
    rate: u64,
    own: Option<TokenBucket>,
}

impl Paces {
    pub(super) fn new(total: Option<NonZeroU64>, each: Option<NonZeroU64>) -> Self {
        Self { each: AtomicU64::new(each.map_or(0, NonZeroU64::get)), total: Mutex::new(total.map(bucket)) }
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

    fn total_rate(&self) -> Option<u64> {
        self.total.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|bucket| bucket.rate().get())
    }
}

impl Pace {
    pub(super) fn new(of: Arc<Paces>) -> Self {
        Self { of, rate: 0, own: None }
    }

    /// The most that may be moved at once; `None` without limits.
    pub(super) fn grain(&self) -> Option<usize> {
        let each = Some(self.of.each()).filter(|each| *each != 0);
        let rate = [each, self.of.total_rate()].into_iter().flatten().min()?;
        usize::try_from(grain(rate)).ok()
    }

    /// So many bytes are moved: waits as long as the limits want.
    pub(super) async fn spend(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        let now = clock::now();
        let rate = self.of.each();
        if rate != self.rate {
            self.rate = rate;
            self.own = NonZeroU64::new(rate).map(bucket);
        }
        let own = self.own.as_mut().map(|bucket| bucket.reserve(now, bytes));
        let all = self.of.total.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(|bucket| bucket.reserve(now, bytes));
        let wait = own.into_iter().chain(all).max().unwrap_or_default();
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

fn bucket(rate: NonZeroU64) -> TokenBucket {
    TokenBucket::new(clock::now(), rate, grain(rate.get()))
}

fn grain(rate: u64) -> u64 {
    (rate / PIECES).clamp(GRAIN.0, GRAIN.1)
}
