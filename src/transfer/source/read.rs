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

/// How far a reader is.
#[derive(Debug)]
pub(super) struct Passage {
    cursor: Cursor,
    /// The file that it stands in, once a byte of it was read.
    reading: Option<Reading>,
    /// How many of the bytes that were read last are in holes.
    pub(super) holes: usize,
}

impl Passage {
    /// From a place.
    pub(super) fn new(cursor: Cursor) -> Self {
        Self { cursor, reading: None, holes: 0 }
    }
}

impl Batch {
    /// Fills the room, and says how far: less than all of it at the end.
    pub(super) fn fill(&self, Passage { cursor, reading, holes }: &mut Passage, mut room: &mut [u8]) -> Result<usize, SourceError> {
        let Content::Files(files) = &self.bytes else { return Ok(0) };
        let mut filled = 0;
        *holes = 0;
        while let Some(step) = cursor.next(room.len()) {
            match step {
                Step::Begin { .. } => {}
                Step::Data { offset, len, .. } => {
                    let file = match reading {
                        Some(file) => file,
                        None => reading.insert(found(files, cursor)?.open(offset)?),
                    };
                    let (now, rest) = room.split_at_mut(len);
                    *holes += file.fill(now)?;
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
        Ok(filled)
    }

    /// Gives all that is left, until nobody wants more.
    pub(super) fn pour(&self, mut passage: Passage, give: &mpsc::Sender<Result<Bytes, SourceError>>) -> Result<(), SourceError> {
        let mut buffers = Buffers::new(self.options.chunk);
        loop {
            let mut chunk = buffers.take();
            let filled = self.fill(&mut passage, chunk.as_mut())?;
            if filled == 0 || give.blocking_send(Ok(buffers.give(chunk, filled))).is_err() {
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
