//! What was passed on to one receiver, and how long it was waited for.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::{io::AsyncWrite as _, net::TcpStream};

use crate::clock;

/// Readable at any time.
#[derive(Debug)]
pub(super) struct Meter {
    bytes: AtomicU64,
    /// Nanoseconds that bytes waited for it, until the present wait.
    waited: AtomicU64,
    /// When the present wait began, in nanoseconds since `made`; 0 without one.
    waits: AtomicU64,
    made: Instant,
}

impl Default for Meter {
    fn default() -> Self {
        Self { bytes: AtomicU64::new(0), waited: AtomicU64::new(0), waits: AtomicU64::new(0), made: clock::now() }
    }
}

impl Meter {
    /// Bytes that its kernel took.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How long bytes have waited for it, in all, a wait that goes on included.
    pub(super) fn waited(&self) -> Duration {
        let now = match self.waits.load(Ordering::Relaxed) {
            0 => 0,
            since => self.elapsed().saturating_sub(since),
        };
        Duration::from_nanos(self.waited.load(Ordering::Relaxed).saturating_add(now))
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) async fn write(&self, to: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut wait = None;
            let written = poll_fn(|context| {
                let written = Pin::new(&mut *to).poll_write(context, bytes);
                if written.is_pending() {
                    wait.get_or_insert_with(|| Wait::of(self));
                }
                written
            });
            let written = written.await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.bytes.fetch_add(written as u64, Ordering::Relaxed);
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A wait for a receiver, until it is dropped.
struct Wait<'a> {
    meter: &'a Meter,
    since: u64,
}

impl<'a> Wait<'a> {
    fn of(meter: &'a Meter) -> Self {
        let since = meter.elapsed().max(1);
        meter.waits.store(since, Ordering::Relaxed);
        Self { meter, since }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.meter.waits.store(0, Ordering::Relaxed);
        self.meter.waited.fetch_add(self.meter.elapsed().saturating_sub(self.since), Ordering::Relaxed);
    }
}
