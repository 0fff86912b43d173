//! One file to a stream.

use std::{
    io::{ErrorKind, Write},
    time::Duration,
};

use tokio::sync::watch;

use super::{Finished, Placed, SinkError, SinkState, work::Work};
use crate::transfer::{
    hash::{Algorithm, Hasher, Trailer},
    manifest::{Kind, Manifest},
};

/// Bytes wait no longer than this to be handed on.
const FLUSH: Duration = Duration::from_millis(500);

/// Writes what comes, and digests it. What was written cannot be taken back: a wrong digest is told at the end.
pub(super) struct StreamCore {
    stream: Box<dyn Write + Send>,
    manifest: Manifest,
    algorithm: Algorithm,
    hasher: Hasher,
    state: watch::Sender<SinkState>,
}

impl StreamCore {
    pub(super) fn new(
        stream: Box<dyn Write + Send>,
        manifest: Manifest,
        algorithm: Algorithm,
        state: watch::Sender<SinkState>,
    ) -> Result<Self, SinkError> {
        match manifest.entries() {
            [entry] if matches!(entry.kind, Kind::File { .. }) => {
                Ok(Self { stream, manifest, algorithm, hasher: Hasher::new(algorithm), state })
            }
            _ => Err(SinkError::NotOneFile),
        }
    }

    fn fault(error: std::io::Error, needed: u64) -> SinkError {
        let path = "standard output".to_owned();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                SinkError::NoSpace { path, needed, available: 0 }
            }
            _ => SinkError::Io { path, source: error },
        }
    }
}

impl Work for StreamCore {
    fn data(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let len = bytes.len() as u64;
        let written = self.state.borrow().written;
        if self.manifest.total().is_some_and(|total| len > total.saturating_sub(written)) {
            return Err(SinkError::TooLong);
        }
        self.stream.write_all(bytes).map_err(|error| Self::fault(error, len))?;
        self.hasher.update(bytes);
        self.state.send_modify(|state| state.written += len);
        Ok(())
    }

    fn is_dirty(&self) -> bool {
        let state = self.state.borrow();
        state.durable < state.written
    }

    fn patience(&self) -> Duration {
        FLUSH
    }

    /// What has been handed on is as durable as it can be here.
    fn checkpoint(&mut self) -> Result<u64, SinkError> {
        self.stream.flush().map_err(|error| Self::fault(error, 0))?;
        self.state.send_modify(|state| state.durable = state.written);
        Ok(self.state.borrow().durable)
    }

    fn finish(&mut self, trailer: Option<&Trailer>) -> Result<Finished, SinkError> {
        let received = self.checkpoint()?;
        if let Some(total) = self.manifest.total().filter(|total| *total != received) {
            return Err(SinkError::TooShort { received, total });
        }
        let ours = Trailer { algorithm: self.algorithm, files: vec![self.hasher.clone().finish()] };
        if let Some(trailer) = trailer {
            super::place::compare(&self.manifest, trailer, &ours.files.iter().copied().map(Some).collect::<Vec<_>>(), self.algorithm)
                .map_err(|(_, error)| error)?;
        }
        self.state.send_modify(|state| state.files = 1);
        let files = self.manifest.files().zip(&ours.files).map(|((entry, at), digest)| Placed {
            entry,
            path: None,
            name: at.path.clone(),
            digest: Some(*digest),
        });
        Ok(Finished { files: files.collect(), root: Some(ours.root(&self.manifest)), warnings: Vec::new() })
    }

    fn suspend(&mut self) -> Result<SinkState, SinkError> {
        self.checkpoint()?;
        Ok(*self.state.borrow())
    }

    fn abort(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
