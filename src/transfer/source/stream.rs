//! Standard input: read once, and kept for a while, so that a broken connection does not end the transfer.

use std::{
    collections::VecDeque,
    fmt,
    io::{ErrorKind, Read},
    path::Path,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Batch, Content, MAX_RETAINED, SourceError, buffers::Buffers, io_error};
use crate::transfer::hash::{Algorithm, Hasher};

/// Most pieces kept, however short they are. At the bound reading waits.
const MAX_PIECES: usize = 16 * 1024;

/// What was read of a stream and not yet acknowledged.
#[derive(Debug)]
pub(super) struct Retained {
    kept: Mutex<Kept>,
    changed: Condvar,
    /// The stream and its digest, with whoever reads: nobody else waits for it while holding `kept`.
    input: Mutex<Input>,
}

#[derive(Debug, Default)]
struct Kept {
    chunks: VecDeque<Bytes>,
    /// Where the first of them stands.
    start: u64,
    /// And where the next will.
    end: u64,
    acknowledged: u64,
    /// The stream has ended, well or not.
    ended: bool,
    /// How it failed, for whoever reads on.
    failed: Option<(ErrorKind, String)>,
    /// Readers so far: only the last one reads.
    turn: u64,
}

struct Input {
    stream: Box<dyn Read + Send>,
    hasher: Option<Hasher>,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Input")
    }
}

impl Retained {
    pub(super) fn new(stream: Box<dyn Read + Send>, algorithm: Algorithm) -> Self {
        let input = Input { stream, hasher: Some(Hasher::new(algorithm)) };
        Self { kept: Mutex::default(), changed: Condvar::new(), input: Mutex::new(input) }
    }

    /// A new reader's turn, from an offset on.
    pub(super) fn begin(&self, offset: u64) -> Result<u64, SourceError> {
        let mut kept = self.kept();
        if offset < kept.start || offset > kept.end {
            return Err(SourceError::Offset { offset });
        }
        kept.turn += 1;
        self.changed.notify_all();
        Ok(kept.turn)
    }

    pub(super) fn acknowledge(&self, offset: u64) {
        let mut kept = self.kept();
        kept.acknowledged = kept.acknowledged.max(offset);
        while let Some(len) = kept.chunks.front().map(|chunk| chunk.len() as u64).filter(|len| kept.start + len <= kept.acknowledged) {
            kept.chunks.pop_front();
            kept.start += len;
        }
        self.changed.notify_all();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept from an offset on, or waits for room to read more. None when this turn is over or the stream has ended.
    fn wait(&self, turn: u64, offset: u64, is_over: impl Fn() -> bool) -> Option<Next> {
        let mut kept = self.kept();
        loop {
            if kept.turn != turn || is_over() {
                return None;
            }
            if offset < kept.end {
                let mut at = kept.start;
                return kept.chunks.iter().find_map(|chunk| {
                    let from = usize::try_from(offset.checked_sub(at)?).ok()?;
                    at += chunk.len() as u64;
                    (from < chunk.len()).then(|| Next::Kept(chunk.slice(from..)))
                });
            }
            if let Some((kind, why)) = &kept.failed {
                return Some(Next::Failed(std::io::Error::new(*kind, why.clone())));
            }
            if kept.ended {
                return None;
            }
            if kept.end - kept.start < MAX_RETAINED && kept.chunks.len() < MAX_PIECES {
                return Some(Next::Read);
            }
            // A reader that was dropped does not wake us; look now and then.
            kept = self.changed.wait_timeout(kept, std::time::Duration::from_millis(500)).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A reader's hold on the stream.
#[derive(Debug)]
pub(super) struct Tap {
    turn: u64,
    buffers: Buffers,
}

impl Tap {
    /// In a turn, by reads of so many bytes.
    pub(super) fn new(turn: u64, chunk: usize) -> Self {
        Self { turn, buffers: Buffers::new(chunk) }
    }
}

enum Next {
    Kept(Bytes),
    Read,
    Failed(std::io::Error),
}

impl Batch {
    /// What is kept from an offset on, or what comes; none when the stream has ended, nobody wants more, or another reader takes over.
    fn next(&self, tap: &mut Tap, offset: u64, is_over: impl Fn() -> bool) -> Result<Option<Bytes>, SourceError> {
        let Content::Stream(retained) = &self.bytes else { return Ok(None) };
        while let Some(next) = retained.wait(tap.turn, offset, &is_over) {
            match next {
                Next::Kept(bytes) => return Ok(Some(bytes)),
                Next::Read => self.read_more(retained, tap.turn, &mut tap.buffers),
                Next::Failed(error) => return Err(io_error(Path::new("standard input"))(error)),
            }
        }
        Ok(None)
    }

    /// Fills the room with what is next, as far as that goes.
    pub(super) fn draw(&self, tap: &mut Tap, offset: u64, room: &mut [u8], is_over: impl Fn() -> bool) -> Result<usize, SourceError> {
        let next = self.next(tap, offset, is_over)?.unwrap_or_default();
        let len = next.len().min(room.len());
        room.split_at_mut(len).0.copy_from_slice(next.split_at(len).0);
        Ok(len)
    }

    /// Gives all that is left, until nobody wants more.
    pub(super) fn pour_stream(
        &self,
        mut tap: Tap,
        mut offset: u64,
        give: &mpsc::Sender<Result<Bytes, SourceError>>,
    ) -> Result<(), SourceError> {
        while let Some(bytes) = self.next(&mut tap, offset, || give.is_closed())? {
            offset += bytes.len() as u64;
            if give.blocking_send(Ok(bytes)).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// One read of the stream into what is kept. What comes after a turn is over is kept for the next.
    fn read_more(&self, retained: &Retained, turn: u64, buffers: &mut Buffers) {
        let mut input = retained.input.lock().unwrap_or_else(PoisonError::into_inner);
        // The reader before us may have been waiting in the read that has just ended.
        let before = retained.kept();
        if before.turn != turn || before.ended {
            return;
        }
        drop(before);
        let mut chunk = buffers.take();
        let read = loop {
            match input.stream.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let mut kept = retained.kept();
        let len = match read {
            Ok(len) => len,
            Err(error) => {
                (kept.ended, kept.failed) = (true, Some((error.kind(), error.to_string())));
                return;
            }
        };
        if len == 0 {
            kept.ended = true;
            if let Some(hasher) = input.hasher.take() {
                self.digests().remember(0, hasher.finish());
            }
        } else {
            // A terminal or a slow pipe gives little at a time: that is not to hold a whole chunk each.
            let bytes = if len < chunk.len() / 2 { Bytes::copy_from_slice(chunk.split_at(len).0) } else { buffers.give(chunk, len) };
            if let Some(hasher) = &mut input.hasher {
                hasher.update(&bytes);
            }
            kept.end += len as u64;
            kept.chunks.push_back(bytes);
        }
        retained.changed.notify_all();
    }
}
