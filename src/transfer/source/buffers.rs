//! Chunks whose memory is used again when nobody holds them any more.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Most chunks kept for reuse: those under way to the network, and one being filled.
const KEPT: usize = 6;

/// Chunks of one size.
#[derive(Debug)]
pub(super) struct Buffers {
    given: VecDeque<Bytes>,
    size: usize,
}

impl Buffers {
    pub(super) fn new(size: usize) -> Self {
        Self { given: VecDeque::new(), size }
    }

    /// A chunk to be filled: of full length, with old bytes in it.
    pub(super) fn take(&mut self) -> BytesMut {
        for _ in 0..self.given.len() {
            let Some(oldest) = self.given.pop_front() else { break };
            match oldest.try_into_mut() {
                Ok(free) => return free,
                Err(held) => self.given.push_back(held),
            }
        }
        BytesMut::zeroed(self.size)
    }

    /// The first bytes of a chunk, to be given away.
    pub(super) fn give(&mut self, chunk: BytesMut, len: usize) -> Bytes {
        let whole = chunk.freeze();
        let given = whole.slice(..len.min(whole.len()));
        if self.given.len() < KEPT {
            self.given.push_back(whole);
        }
        given
    }
}
