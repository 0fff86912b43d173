//! A reader that follows the writer.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::watch;

use super::{Shared, SpoolError, SpoolState, disk};

/// A reader. It keeps the file's bytes readable as long as it lives, even when the spool is deleted.
#[derive(Debug)]
pub struct SpoolReader {
    shared: Arc<Shared>,
    state: watch::Receiver<SpoolState>,
    position: u64,
    /// The last chunk, whose memory is used again once its user has dropped it.
    last: Bytes,
}

impl SpoolReader {
    pub(super) fn new(shared: Arc<Shared>, position: u64) -> Self {
        let state = shared.state.subscribe();
        Self { shared, state, position, last: Bytes::new() }
    }

    /// The next bytes, at most `max` and at least one; waits at the end of what is written; none at the end of a complete stream.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// The stream broke or was deleted, or the disk.
    pub async fn next(&mut self, max: usize) -> Result<Option<Bytes>, SpoolError> {
        let position = self.position;
        let ready = self.state.wait_for(|state| state.written > position || state.end.is_some() || max == 0).await;
        let written = {
            let state = ready.map_err(|_| SpoolError::Closed)?;
            match &state.end {
                // What is deleted is not read any more.
                Some(Err(SpoolError::Closed)) => return Err(SpoolError::Closed),
                Some(end) if state.written <= position => return end.clone().map(|()| None),
                _ => state.written,
            }
        };
        let len = usize::try_from(written - position).unwrap_or(usize::MAX).min(max);
        let mut chunk = match std::mem::take(&mut self.last).try_into_mut() {
            Ok(free) if free.len() >= len => free,
            _ => BytesMut::zeroed(len),
        };
        let room = chunk.len().min(len);
        // What was written lately is in memory, as it nearly always is: another thread would cost more than the copy.
        let (chunk, count) = match disk::read_cached(&self.shared, chunk.split_at_mut(room).0, position) {
            Some(count) => (chunk.freeze(), count),
            None => {
                let shared = Arc::clone(&self.shared);
                let read = disk::blocking(move || {
                    disk::read(&shared.file, &shared.path, chunk.split_at_mut(room).0, position)?;
                    Ok(chunk.freeze())
                });
                (read.await?, room)
            }
        };
        let bytes = chunk.slice(..count);
        self.last = chunk;
        self.position += count as u64;
        Ok(Some(bytes))
    }

    /// Where the next bytes stand.
    pub fn position(&self) -> u64 {
        self.position
    }
}
