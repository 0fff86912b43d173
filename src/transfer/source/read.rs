//! The loop of a reader of files: chunks are filled across the borders of files, so that ten thousand small files are a few large reads to
//! whoever sends them.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{
    Batch, Content, SourceError,
    buffers::Buffers,
    file::{Found, Reading},
};
use crate::transfer::cursor::{Cursor, Step};

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
        loop {
            let mut chunk = buffers.take();
            let mut filled = 0;
            let mut room = chunk.as_mut();
            while let Some(step) = cursor.next(room.len()) {
                match step {
                    Step::Begin { .. } => {}
                    Step::Data { offset, len, .. } => {
                        let file = match &mut reading {
                            Some(file) => file,
                            None => reading.insert(found(files, &cursor)?.open(offset)?),
                        };
                        let (now, rest) = room.split_at_mut(len);
                        file.fill(now)?;
                        self.digests().update(cursor.files_done(), offset, now);
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
                        self.digests().end(at, files.get(at).map_or(0, Found::size));
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

    /// Digests what no reader has passed.
    pub(super) fn digest_missing(&self, files: &[Found]) -> Result<(), SourceError> {
        let mut buffer = Vec::new();
        for (at, found) in files.iter().enumerate() {
            let Some(mut offset) = self.digests().missing(at) else { continue };
            buffer.resize(self.options.chunk, 0);
            let mut file = found.open(offset)?;
            while offset < found.size() {
                let len = usize::try_from(found.size() - offset).unwrap_or(usize::MAX).min(buffer.len());
                let now = buffer.split_at_mut(len).0;
                file.fill(now)?;
                self.digests().update(at, offset, now);
                offset += len as u64;
            }
            file.finish()?;
            self.digests().end(at, found.size());
        }
        Ok(())
    }
}

/// The file that a cursor stands in.
fn found<'a>(files: &'a [Found], cursor: &Cursor) -> Result<&'a Found, SourceError> {
    files.get(cursor.files_done()).ok_or(SourceError::Offset { offset: cursor.position() })
}
