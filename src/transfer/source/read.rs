//! The loop of a reader of files: chunks are filled across the borders of files, so that ten thousand small files are a few large reads to
//! whoever sends them.

use std::sync::PoisonError;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{
    Batch, Content, SourceError,
    buffers::Buffers,
    file::{Found, Reading},
};
use crate::transfer::{
    cursor::{Cursor, Step},
    hash::{Digest, Hasher},
};

impl Batch {
    /// Reads from a place to the end, or until nobody wants more.
    pub(super) fn read(&self, cursor: Cursor, give: &mpsc::Sender<Result<Bytes, SourceError>>) {
        let Content::Files(files) = &self.bytes else { return };
        if let Err(error) = self.read_files(files, cursor, give) {
            // Nobody to tell: the reader was dropped.
            let _ = give.blocking_send(Err(error));
        }
    }

    fn read_files(&self, files: &[Found], mut cursor: Cursor, give: &mpsc::Sender<Result<Bytes, SourceError>>) -> Result<(), SourceError> {
        let mut buffers = Buffers::new(self.options.chunk);
        let mut reading: Option<Reading<'_>> = None;
        let mut hasher: Option<Hasher> = None;
        loop {
            let mut chunk = buffers.take();
            let mut filled = 0;
            let mut room = chunk.as_mut();
            while let Some(step) = cursor.next(room.len()) {
                match step {
                    Step::Begin { .. } => hasher = Some(Hasher::new(self.options.algorithm)),
                    Step::Data { offset, len, .. } => {
                        let file = match &mut reading {
                            Some(file) => file,
                            None => reading.insert(found(files, &cursor)?.open(offset)?),
                        };
                        let (now, rest) = room.split_at_mut(len);
                        file.fill(now)?;
                        if let Some(hasher) = &mut hasher {
                            hasher.update(now);
                        }
                        filled += len;
                        room = rest;
                    }
                    Step::End { .. } => {
                        let at = cursor.files_done().saturating_sub(1);
                        match reading.take() {
                            Some(file) => file.finish()?,
                            // An empty file was not opened; it may have bytes by now.
                            None => files.get(at).map_or(Ok(()), |file| file.open(0)?.finish())?,
                        }
                        if let Some(hasher) = hasher.take() {
                            self.remember(at, hasher.finish());
                        }
                    }
                }
            }
            if filled == 0 {
                return Ok(());
            }
            if give.blocking_send(Ok(buffers.give(chunk, filled))).is_err() {
                return Ok(());
            }
        }
    }

    /// Digests the files that no reader has read from start to end.
    pub(super) fn digest_missing(&self, files: &[Found]) -> Result<(), SourceError> {
        let mut buffer = Vec::new();
        for (at, found) in files.iter().enumerate() {
            if self.digests.lock().unwrap_or_else(PoisonError::into_inner).get(at).is_none_or(Option::is_some) {
                continue;
            }
            buffer.resize(self.options.chunk, 0);
            let (mut file, mut hasher, mut left) = (found.open(0)?, Hasher::new(self.options.algorithm), found.size());
            while left > 0 {
                let len = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                let now = buffer.split_at_mut(len).0;
                file.fill(now)?;
                hasher.update(now);
                left -= len as u64;
            }
            file.finish()?;
            self.remember(at, hasher.finish());
        }
        Ok(())
    }

    pub(super) fn remember(&self, file: usize, digest: Digest) {
        if let Some(slot) = self.digests.lock().unwrap_or_else(PoisonError::into_inner).get_mut(file) {
            *slot = Some(digest);
        }
    }
}

/// The file that a cursor stands in.
fn found<'a>(files: &'a [Found], cursor: &Cursor) -> Result<&'a Found, SourceError> {
    files.get(cursor.files_done()).ok_or(SourceError::Offset { offset: cursor.position() })
}
