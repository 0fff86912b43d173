//! Packets out of a stream of bytes, however it is cut.

use bytes::{Buf as _, BytesMut};

use super::packet::{HEADER_LENGTH, Packet, PacketError, Start, Way, start};
use crate::transfer::spare::{LEAST, Spare};

/// What is asked of the socket while nothing is known of the next packet, in bytes.
const FIRST_READ: usize = 4096;

/// Cuts a stream of bytes into packets. Payloads are split off the buffer that they were read into, not copied.
///
/// Read into [`Decoder::room`], which asks for the rest of one packet and the next header; then take packets until
/// [`Decoder::next_packet`] has none. After an error every further call gives the same error.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    way: Way,
    limit: u32,
    failed: Option<PacketError>,
    spare: Spare,
}

impl Decoder {
    /// A decoder of the packets that come this way. `limit`: the longest payload taken for now, in bytes; [`super::packet::MAX_CONTROL`]
    /// until the peer is admitted, so that a stranger costs no memory.
    pub fn new(way: Way, limit: u32) -> Self {
        Self { buffer: BytesMut::new(), way, limit, failed: None, spare: Spare::default() }
    }

    /// Sets the longest payload taken from now on, in bytes.
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// Room to read into (`read_buf`): what the packet at hand still needs and the header behind it, or a first read of 4 KiB. Never asks
    /// for more than the longest packet taken.
    pub fn room(&mut self) -> &mut BytesMut {
        let wanted = match start(&self.buffer) {
            _ if self.buffer.is_empty() => FIRST_READ,
            Ok(Start::Partial { needed }) => needed.saturating_sub(self.buffer.len()).max(FIRST_READ),
            Ok(Start::Packet { data_at, length, .. }) if length <= self.limit => {
                let whole = data_at.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
                whole.saturating_sub(self.buffer.len()).saturating_add(HEADER_LENGTH)
            }
            // `next_packet` says why.
            Ok(Start::Packet { .. }) | Err(_) => HEADER_LENGTH,
        };
        let missing = wanted > self.buffer.capacity().saturating_sub(self.buffer.len());
        if missing
            && wanted >= LEAST
            && let Some(mut free) = self.spare.take(self.buffer.len().saturating_add(wanted))
        {
            free.extend_from_slice(&self.buffer);
            self.buffer = free;
        }
        self.buffer.reserve(wanted);
        &mut self.buffer
    }

    /// True when [`Decoder::next_packet`] has something to say: a packet, or why there is none.
    pub fn has_packet(&self) -> bool {
        match start(&self.buffer) {
            Ok(Start::Packet { data_at, length, .. }) => {
                length > self.limit || self.buffer.len().saturating_sub(data_at) >= usize::try_from(length).unwrap_or(usize::MAX)
            }
            Ok(Start::Partial { .. }) => false,
            Err(_) => true,
        }
    }

    /// The next whole packet; `None` where more bytes are needed.
    ///
    /// # Errors
    /// [`PacketError`]: the peer's fault, and the stream is lost.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, PacketError> {
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
    /// [`PacketError::Truncated`] inside a packet.
    pub fn finish(&self) -> Result<(), PacketError> {
        if self.buffer.is_empty() { Ok(()) } else { Err(PacketError::Truncated) }
    }

    fn cut(&mut self) -> Result<Option<Packet>, PacketError> {
        loop {
            let Start::Packet { header, data_at, length } = start(&self.buffer)? else { return Ok(None) };
            if length > self.limit {
                return Err(PacketError::TooLong { length, max: self.limit });
            }
            if header.is_some_and(|header| header.way != self.way) {
                return Err(PacketError::Way);
            }
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if self.buffer.len() < data_at.saturating_add(length) {
                return Ok(None);
            }
            self.buffer.advance(data_at);
            let data = self.buffer.split_to(length).freeze();
            self.spare.keep(&data);
            if let Some(header) = header {
                return Ok(Some(Packet { header, data }));
            }
        }
    }
}
