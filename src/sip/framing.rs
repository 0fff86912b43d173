//! Messages out of a byte stream (RFC 3261 §18.3, RFC 5626 §3.5.1): TCP, TLS and the in-process transport.
//!
//! [`Framer`] is a machine: bytes in, frames out, time as an argument. A shell reads a bounded piece, pushes it, and takes
//! frames until there is none:
//!
//! ```text
//! framer.push(now, &piece);
//! while let Some(frame) = framer.next()? { … }
//! ```

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::message::Response;

/// Largest piece that may be pushed at once, in bytes; a shell's read buffer is not larger.
pub const MAX_PIECE: usize = 16 * 1024;

/// How long a message may take from its first byte to its last.
pub const MESSAGE_TIME: Duration = Duration::from_secs(20);

/// What keeps a flow alive: double CRLF, answered with one (RFC 5626 §3.5.1).
pub const PING: &[u8] = b"\r\n\r\n";

/// The answer to [`PING`].
pub const PONG: &[u8] = b"\r\n";

/// One thing found in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole message, from its start line to the end of its body; [`super::message::parse`] reads it.
    Message(Bytes),
    /// A keep-alive: send [`PONG`].
    Ping,
    /// The answer to a keep-alive of ours.
    Pong,
}

/// Why a stream can be read no further: close it, after `response` where there is one. The peer's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stream cannot be read on: {why}")]
pub struct FramingError {
    /// What was wrong.
    pub why: Unframed,
    /// The 400 or 513 to send before closing, where the bytes were a request that can be answered.
    pub response: Option<Box<Response>>,
}

/// What made a stream unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unframed {
    /// A message did not end within [`MESSAGE_TIME`].
    #[error("a message did not end in {} s", MESSAGE_TIME.as_secs())]
    Slow,
}

/// Cuts a stream into messages.
#[derive(Debug, Default)]
pub struct Framer {}

impl Framer {
    /// A framer at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was read. Pieces are at most [`MAX_PIECE`] long and [`Self::next`] is drained between them; a longer
    /// backlog makes the stream unreadable.
    pub fn push(&mut self, now: Instant, piece: &[u8]) {
        let _ = (now, piece);
        unimplemented!()
    }

    /// The next frame, or `None` until more is pushed.
    ///
    /// # Errors
    /// The stream must be closed; every later call says so again.
    #[expect(clippy::should_implement_trait, reason = "a framer is no iterator: it goes on after None")]
    pub fn next(&mut self) -> Result<Option<Frame>, FramingError> {
        unimplemented!()
    }

    /// When a message that has begun must have ended.
    pub fn next_timeout(&self) -> Option<Instant> {
        unimplemented!()
    }

    /// Time has passed: after [`Self::next_timeout`], [`Self::next`] says that the stream must be closed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
        unimplemented!()
    }
}
