//! What was passed on to one receiver, and how long it was waited for.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::net::TcpStream;

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
    pub(super) async fn write(&self, to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match to.try_write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.bytes.fetch_add(written as u64, Ordering::Relaxed);
                    bytes = bytes.get(written..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(to).await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn wait(&self, to: &TcpStream) -> io::Result<()> {
        let since = self.elapsed().max(1);
        self.waits.store(since, Ordering::Relaxed);
        let ready = to.writable().await;
        self.waits.store(0, Ordering::Relaxed);
        self.waited.fetch_add(self.elapsed().saturating_sub(since), Ordering::Relaxed);
        ready
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
