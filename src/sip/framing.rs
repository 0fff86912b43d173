//! Messages out of a byte stream (RFC 3261 §18.3, RFC 5626 §3.5.1): TCP, TLS and the in-process transport.
//!
//! [`Framer`] is a machine: bytes in, frames out, time as an argument. A shell reads a bounded piece, pushes it, and takes
//! frames until there is none:
//!
//! ```text
//! framer.push(now, &piece);
//! while let Some(frame) = framer.next()? { … }
//! ```
//!
//! A stream whose framing is lost cannot be read on: what comes behind could be body or header, and two elements that
//! guess differently can be made to see different requests (RFC 4475 §3.1.2.2, §3.1.2.3, §3.3.9).

use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes, BytesMut};

use super::message::{
    MAX_MESSAGE, Malformed, Response,
    parse::{content_length, end_of_head, refuse},
};

/// Largest piece that may be pushed at once, in bytes; a shell's read buffer is not larger.
pub const MAX_PIECE: usize = 16 * 1024;

/// Longest header accepted, in bytes, with start line and empty line; a longer one is answered 513.
pub const MAX_HEAD: usize = 32 * 1024;

/// How long a message may take from its first byte to its last, where nobody says otherwise.
pub const MESSAGE_TIME: Duration = Duration::from_secs(20);

/// What keeps a flow alive: double CRLF, answered with one (RFC 5626 §3.5.1).
pub const PING: &[u8] = b"\r\n\r\n";

/// The answer to [`PING`].
pub const PONG: &[u8] = b"\r\n";

/// Two line ends further apart than this are two answers, not one keep-alive that was torn apart on its way.
const TORN_PING: Duration = Duration::from_secs(2);

/// One thing found in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole message, from its start line to the end of its body; [`super::message::parse()`] reads it.
    Message(Bytes),
    /// A keep-alive: send [`PONG`].
    Ping,
    /// The answer to a keep-alive of ours, or a lone line end in front of a message.
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
    /// A message did not end within the time that it may take.
    #[error("a message did not end in time")]
    Slow,
    /// The header did not end within [`MAX_HEAD`].
    #[error("a header is longer than {MAX_HEAD} bytes")]
    HeadTooLarge,
    /// Content-Length is missing or wrong, or announces more than fits.
    #[error(transparent)]
    Message(#[from] Malformed),
    /// More was pushed than may be.
    #[error("more was pushed than a reader may hold back")]
    Backlog,
}

/// Cuts a stream into messages. It holds one message and one piece at most, and looks at every byte once.
#[derive(Debug)]
pub struct Framer {
    /// How long a message may take.
    time: Duration,
    buffer: BytesMut,
    /// How far the end of the header was looked for.
    searched: usize,
    /// Length of the whole message that stands at the front, once its header is there.
    length: Option<usize>,
    /// When the first byte of that message came.
    begun: Option<Instant>,
    /// When the last piece came.
    pushed: Option<Instant>,
    /// When a lone line end came: the first half of a keep-alive, perhaps.
    half_ping: Option<Instant>,
    failed: Option<FramingError>,
}

impl Framer {
    /// A framer at the start of a stream, whose messages may take [`MESSAGE_TIME`] each.
    pub fn new() -> Self {
        Self::within(MESSAGE_TIME)
    }

    /// A framer at the start of a stream, whose messages may take `time` each from their first byte to their last.
    pub fn within(time: Duration) -> Self {
        Self { time, buffer: BytesMut::new(), searched: 0, length: None, begun: None, pushed: None, half_ping: None, failed: None }
    }

    /// Takes what was read. Pieces are at most [`MAX_PIECE`] long and [`Self::next`] is drained between them; a longer
    /// backlog makes the stream unreadable.
    pub fn push(&mut self, now: Instant, piece: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        if self.buffer.len() + piece.len() > MAX_MESSAGE + MAX_PIECE {
            self.fail(Unframed::Backlog, None);
            return;
        }
        self.buffer.extend_from_slice(piece);
        self.pushed = Some(now);
        if !self.buffer.is_empty() {
            self.begun.get_or_insert(now);
        }
    }

    /// The next frame, or `None` until more is pushed.
    ///
    /// # Errors
    /// The stream must be closed; every later call says so again.
    #[expect(clippy::should_implement_trait, reason = "a framer is no iterator: it goes on after None")]
    pub fn next(&mut self) -> Result<Option<Frame>, FramingError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        if let Some(frame) = self.keep_alive() {
            return Ok(Some(frame));
        }
        // No message begins like this: half a line end, whose other half is still on its way.
        if matches!(&*self.buffer, b"\r" | b"\r\n\r") {
            return Ok(None);
        }
        let Some(length) = self.message_length() else {
            return self.failed.clone().map_or(Ok(None), Err);
        };
        if self.buffer.len() < length {
            return Ok(None);
        }
        let message = self.buffer.split_to(length).freeze();
        self.restart();
        Ok(Some(Frame::Message(message)))
    }

    /// When a message that has begun must have ended.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.begun.filter(|_| self.failed.is_none()).map(|begun| begun + self.time)
    }

    /// Time has passed: after [`Self::next_timeout`], [`Self::next`] says that the stream must be closed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_timeout().is_some_and(|due| due <= now) {
            self.fail(Unframed::Slow, None);
        }
    }

    /// Line ends in front of a message.
    fn keep_alive(&mut self) -> Option<Frame> {
        let now = self.pushed?;
        let (length, frame) = match &*self.buffer {
            [b'\r', b'\n', b'\r', b'\n', ..] => (4, Frame::Ping),
            // Its last byte is still on its way.
            [b'\r', b'\n', b'\r'] => return None,
            [b'\r', b'\n', ..] if self.half_ping.is_some_and(|first| now.saturating_duration_since(first) < TORN_PING) => (2, Frame::Ping),
            [b'\r', b'\n', ..] => (2, Frame::Pong),
            _ => return None,
        };
        self.buffer.advance(length);
        let lone = frame == Frame::Pong && self.buffer.is_empty();
        self.restart();
        self.half_ping = lone.then_some(now);
        Some(frame)
    }

    /// The length of the message at the front, once its header is there; a fault is noted.
    fn message_length(&mut self) -> Option<usize> {
        if self.length.is_some() {
            return self.length;
        }
        let Some(head) = end_of_head(&self.buffer, self.searched.saturating_sub(3)) else {
            self.searched = self.buffer.len();
            if self.searched > MAX_HEAD {
                self.fail_on_head(Unframed::HeadTooLarge, Malformed::TooLarge, self.searched);
            }
            return None;
        };
        if head > MAX_HEAD {
            self.fail_on_head(Unframed::HeadTooLarge, Malformed::TooLarge, head);
            return None;
        }
        match content_length(self.buffer.get(..head - 4).unwrap_or_default()) {
            Ok(body) if body <= MAX_MESSAGE - head => self.length = Some(head + body),
            Ok(_) => self.fail_on_head(Malformed::TooLarge.into(), Malformed::TooLarge, head),
            Err(why) => self.fail_on_head(why.into(), why, head),
        }
        self.length
    }

    fn fail_on_head(&mut self, why: Unframed, malformed: Malformed, head: usize) {
        let response = refuse(&self.buffer.split_to(head).freeze(), malformed);
        self.fail(why, response);
    }

    fn fail(&mut self, why: Unframed, response: Option<Box<Response>>) {
        self.failed = Some(FramingError { why, response });
        self.buffer = BytesMut::new();
    }

    /// The front of the buffer is the start of something new.
    fn restart(&mut self) {
        (self.searched, self.length, self.half_ping) = (0, None, None);
        self.begun = if self.buffer.is_empty() { None } else { self.pushed };
    }
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
