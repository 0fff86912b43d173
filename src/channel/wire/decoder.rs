//! Frames out of a stream of bytes, however it is cut.

use bytes::{Buf as _, BytesMut};

use super::frame::{FIRST_OPTIONAL, Frame, HEADER_LENGTH, Kind, MAX_BODY, MAX_CONTROL, PREFACE, VERSION};
use crate::channel::Peer;

/// Most bytes that a decoder keeps: the longest frame, and as much again that was read with it. See [`Decoder::push`].
pub const MAX_BUFFERED: usize = 2 * (HEADER_LENGTH + MAX_BODY);
/// What is asked of the socket while nothing is known of the next frame, in bytes.
const FIRST_READ: usize = 4096;
const LENGTH_OF_MAGIC: usize = 4;

/// Why bytes are no frame that we take. The peer's fault but for [`FrameError::Overflow`]; the stream cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The connection does not begin with the preface: something else than a terminal or a relay.
    #[error("this is not a connection to a relay")]
    Preface,
    /// A version that we do not speak.
    #[error("version {0} of the relay's protocol is not supported (supported: {VERSION})")]
    Version(u8),
    /// A type that we do not know, and may not pass over.
    #[error("frames of type {0:#04x} are not known")]
    Kind(u8),
    /// A longer body than the type, or this side in its present state, takes.
    #[error("a frame of {length} bytes is too long (at most {max})")]
    TooLong {
        /// As the header says.
        length: u32,
        /// The bound.
        max: usize,
    },
    /// A body that is not what its type holds.
    #[error("the body of \"{kind}\" is malformed: {why}")]
    Body {
        /// The type.
        kind: &'static str,
        /// What is wrong with it; nothing of the body is repeated.
        why: String,
    },
    /// A type that this side never gets.
    #[error("\"{0}\" is not for this side, or not now")]
    Unexpected(&'static str),
    /// The stream ended inside a frame.
    #[error("the connection ended in the middle of a frame")]
    Truncated,
    /// More was pushed than a decoder keeps: the caller did not take the frames out. Our fault.
    #[error("more bytes were pushed into a decoder than it keeps")]
    Overflow,
}

/// Cuts a stream of bytes into frames. Bodies are split off the buffer that they were read into, not copied.
///
/// Either read into [`Decoder::room`] or [`Decoder::push`] bytes; then take frames until [`Decoder::next_frame`] has none. After an error
/// every further call gives the same error.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    limit: usize,
    greeted: bool,
    failed: Option<FrameError>,
}

impl Default for Decoder {
    /// One that waits for the preface, and takes bodies of [`MAX_CONTROL`].
    fn default() -> Self {
        Self { buffer: BytesMut::new(), limit: MAX_CONTROL, greeted: false, failed: None }
    }
}

impl Decoder {
    /// Sets the longest body taken from now on, in bytes; never more than [`MAX_BODY`].
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(MAX_BODY);
    }

    /// True once the peer's preface has come.
    pub fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// Bytes that wait for the rest of their frame.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Room to read into (`read_buf`): what the frame at hand still needs, or a first read of 4 KiB.
    pub fn room(&mut self) -> &mut BytesMut {
        let whole = match self.start() {
            Ok(Some((_, length))) => HEADER_LENGTH.saturating_add(length),
            // `next_frame` says why.
            Ok(None) | Err(_) => 0,
        };
        self.buffer.reserve(whole.saturating_sub(self.buffer.len()).max(FIRST_READ));
        &mut self.buffer
    }

    /// Adds bytes that were read elsewhere, by copying them.
    ///
    /// # Errors
    /// [`FrameError::Overflow`] when more than [`MAX_BUFFERED`] would be kept: the caller takes frames out between pushes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        if self.buffer.len().saturating_add(bytes.len()) > MAX_BUFFERED {
            return Err(FrameError::Overflow);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole frame; `None` where more bytes are needed.
    ///
    /// # Errors
    /// [`FrameError`]: the peer's fault, and the stream is lost.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.cut().inspect_err(|error| {
            self.failed = Some(error.clone());
            self.buffer.clear();
        })
    }

    /// To be asked when the stream has ended.
    ///
    /// # Errors
    /// [`FrameError::Truncated`] inside a frame.
    pub fn finish(&self) -> Result<(), FrameError> {
        if self.buffer.is_empty() { Ok(()) } else { Err(FrameError::Truncated) }
    }

    /// The bytes behind the last frame taken: on a data connection the first of what is carried.
    pub fn into_rest(self) -> BytesMut {
        self.buffer
    }

    fn cut(&mut self) -> Result<Option<Frame>, FrameError> {
        if !self.greeted {
            self.greeted = greeted(&self.buffer)?;
            if !self.greeted {
                return Ok(None);
            }
            self.buffer.advance(PREFACE.len());
        }
        loop {
            let Some((kind, length)) = self.start()? else { return Ok(None) };
            if self.buffer.len() < HEADER_LENGTH.saturating_add(length) {
                return Ok(None);
            }
            let peer = Peer(self.buffer.get(1).copied().unwrap_or_default());
            self.buffer.advance(HEADER_LENGTH);
            let body = self.buffer.split_to(length).freeze();
            if let Some(kind) = kind {
                return Ok(Some(Frame { kind, peer, body }));
            }
        }
    }

    /// Type (`None`: passed over) and length of the frame at hand, once its header is there.
    fn start(&self) -> Result<Option<(Option<Kind>, usize)>, FrameError> {
        let Some(&number) = self.buffer.first().filter(|_| self.greeted) else { return Ok(None) };
        let kind = Kind::from_number(number);
        if kind.is_none() && number < FIRST_OPTIONAL {
            return Err(FrameError::Kind(number));
        }
        let Some(&[_, _, _, _, a, b, c, d]) = self.buffer.first_chunk::<HEADER_LENGTH>() else { return Ok(None) };
        let length = u32::from_be_bytes([a, b, c, d]);
        let max = kind.map_or(MAX_CONTROL, Kind::max_body).min(self.limit);
        match usize::try_from(length) {
            Ok(short) if short <= max => Ok(Some((kind, short))),
            Ok(_) | Err(_) => Err(FrameError::TooLong { length, max }),
        }
    }
}

/// True where the preface is there whole; a stranger is told apart by its first byte.
fn greeted(buffer: &[u8]) -> Result<bool, FrameError> {
    let magic = PREFACE.iter().zip(buffer).take(LENGTH_OF_MAGIC);
    if magic.clone().any(|(ours, theirs)| ours != theirs) {
        return Err(FrameError::Preface);
    }
    match buffer.get(LENGTH_OF_MAGIC) {
        Some(&VERSION) | None => Ok(buffer.len() >= PREFACE.len()),
        Some(version) => Err(FrameError::Version(*version)),
    }
}
