//! What has happened, in order, for those who wait for something of it.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};

/// Most happenings kept of one terminal or conference. When it is full, the older half is forgotten.
const MAX_LOG: usize = 10_000;

/// What has happened so far; who waits for something is woken.
#[derive(Debug)]
pub struct Log<T>(watch::Sender<Kept<T>>);

#[derive(Debug)]
struct Kept<T> {
    /// How many were forgotten.
    forgotten: usize,
    all: Vec<T>,
}

impl<T> Kept<T> {
    /// Those from a place on.
    fn from(&self, place: usize) -> &[T] {
        self.all.get(place.saturating_sub(self.forgotten)..).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.forgotten + self.all.len()
    }
}

impl<T> Log<T> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(watch::Sender::new(Kept { forgotten: 0, all: Vec::new() }))
    }

    /// Something happened.
    pub fn push(&self, happened: T) {
        self.0.send_modify(|kept| {
            if kept.all.len() >= MAX_LOG {
                kept.all.drain(..MAX_LOG / 2);
                kept.forgotten += MAX_LOG / 2;
            }
            kept.all.push(happened);
        });
    }

    /// How much has happened: the place of what happens next.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// The first thing from the place `from` on that `wanted` takes; what does not happen in time is `None`.
    pub async fn find<R>(&self, from: usize, within: Duration, mut wanted: impl FnMut(&T) -> Option<R>) -> Option<R> {
        let mut found = None;
        let mut seen = from;
        let mut told = self.0.subscribe();
        let waiting = told.wait_for(|kept| {
            found = kept.from(seen).iter().find_map(&mut wanted);
            seen = seen.max(kept.len());
            found.is_some()
        });
        // Whether it came or the time is up is seen by what was found.
        let _ = timeout(within, waiting).await.map(|_| ());
        found
    }

    /// Looks at what has happened from a place on.
    pub fn look<R>(&self, from: usize, at: impl FnOnce(&[T]) -> R) -> R {
        at(self.0.borrow().from(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_happened_before_and_what_happens_in_time_is_found() {
        let log = Log::new();
        log.push(1);
        assert_eq!(log.find(0, Duration::ZERO, |n| (*n == 1).then_some(*n)).await, Some(1));
        assert_eq!(log.find(1, Duration::ZERO, |n| (*n == 1).then_some(*n)).await, None, "it happened before");
        let (found, ()) = tokio::join!(log.find(1, Duration::from_secs(30), |n| (*n == 2).then_some(*n)), async {
            tokio::task::yield_now().await;
            log.push(3);
            log.push(2);
        });
        assert_eq!((found, log.len()), (Some(2), 3));
    }

    #[tokio::test]
    async fn a_log_that_is_full_forgets_its_older_half_and_keeps_its_places() {
        let log = Log::new();
        (0..MAX_LOG + 1).for_each(|n| log.push(n));
        assert_eq!((log.len(), log.look(0, <[usize]>::len)), (MAX_LOG + 1, MAX_LOG / 2 + 1));
        assert_eq!(log.find(MAX_LOG, Duration::ZERO, |n| Some(*n)).await, Some(MAX_LOG));
        assert_eq!(log.look(0, |kept| kept.first().copied()), Some(MAX_LOG / 2));
        assert_eq!(log.look(MAX_LOG + 1, <[usize]>::len), 0);
    }
}
