//! RTP packets (RFC 3550 §5): reading them in place, and writing headers.
//!
//! Reading is our own: the `rtp` crate's `Unmarshal` allocates per packet and panics on a header extension whose element runs past its end, which
//! any stranger can send. Writing goes through its `Header`, which does neither.
//! Out of scope: what the numbers mean from packet to packet (see [`super::source`]).

use webrtc_util::marshal::Marshal;

/// Bytes of a header without contributing sources and extensions.
pub const HEADER_LENGTH: usize = 12;

/// Longest datagram that is looked at; the rest of a longer one is cut off, and what is left fails or is taken for what it says.
pub const MAX_DATAGRAM: usize = 2048;

/// Why a datagram is not an RTP packet. The sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than its header says.
    #[error("the packet is shorter than its header")]
    Short,
    /// The version is not 2: STUN, DTLS, or noise.
    #[error("the version is not 2")]
    Version,
    /// RTCP on the RTP port (told by RFC 5761 §4).
    #[error("the packet is RTCP")]
    Rtcp,
    /// The padding is empty or longer than the payload.
    #[error("the padding does not fit")]
    Padding,
}

/// An RTP packet in its datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Marker: of audio, the first packet after silence (RFC 3551 §4.1).
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Time stamp, in units of the payload's clock rate.
    pub timestamp: u32,
    /// Synchronization source.
    pub ssrc: u32,
    /// The payload, without padding; may be empty.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram: the checks of RFC 3550 A.1 that need no state. Contributing sources and extensions are skipped.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (header, mut rest) = datagram.split_first_chunk::<HEADER_LENGTH>().ok_or(Malformed::Short)?;
        let [flags, kind, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *header;
        if flags >> 6 != 2 {
            return Err(Malformed::Version);
        }
        if (192..=223).contains(&kind) {
            return Err(Malformed::Rtcp);
        }
        if flags & 0x0f != 0 {
            rest = rest.get(usize::from(flags & 0x0f) * 4..).ok_or(Malformed::Short)?;
        }
        if flags & 0x10 != 0 {
            let (extension, behind) = rest.split_first_chunk::<4>().ok_or(Malformed::Short)?;
            let words = usize::from(u16::from_be_bytes([extension[2], extension[3]]));
            rest = behind.get(words * 4..).ok_or(Malformed::Short)?;
        }
        if flags & 0x20 != 0 {
            let padding = usize::from(*rest.last().ok_or(Malformed::Padding)?);
            if padding == 0 || padding > rest.len() {
                return Err(Malformed::Padding);
            }
            rest = &rest[..rest.len() - padding];
        }
        Ok(Self {
            marker: kind & 0x80 != 0,
            payload_type: kind & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
            payload: rest,
        })
    }
}

/// The headers of one stream that we send.
#[derive(Debug)]
pub struct HeaderWriter {
    header: rtp::header::Header,
}

impl HeaderWriter {
    /// A stream of this source; its first packet has `sequence`.
    pub fn new(ssrc: u32, sequence: u16) -> Self {
        Self { header: rtp::header::Header { version: 2, ssrc, sequence_number: sequence, ..Default::default() } }
    }

    /// Our source.
    pub fn ssrc(&self) -> u32 {
        self.header.ssrc
    }

    /// Writes the header of the next packet to the front of `packet`, which must have [`HEADER_LENGTH`] bytes, and steps the sequence number on.
    pub fn write(&mut self, marker: bool, payload_type: u8, timestamp: u32, packet: &mut [u8]) {
        self.header.marker = marker;
        self.header.payload_type = payload_type & 0x7f;
        self.header.timestamp = timestamp;
        let written = self.header.marshal_to(packet);
        debug_assert!(matches!(written, Ok(HEADER_LENGTH)), "the caller gives room for a header");
        self.header.sequence_number = self.header.sequence_number.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(flags: u8, behind: &[u8]) -> Vec<u8> {
        [&[flags, 0x80, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef], behind].concat()
    }

    #[test]
    fn a_header_that_was_written_is_read_back() {
        let mut writer = HeaderWriter::new(0xdead_beef, 0xffff);
        let mut bytes = [0u8; 14];
        for (sequence, marker) in [(0xffff, true), (0, false)] {
            writer.write(marker, 8, 0xffff_ff60, &mut bytes);
            bytes[12..].copy_from_slice(&[7, 9]);
            let read = Packet::parse(&bytes).unwrap();
            assert_eq!(read, Packet { marker, payload_type: 8, sequence, timestamp: 0xffff_ff60, ssrc: 0xdead_beef, payload: &[7, 9] });
        }
    }

    #[test]
    fn sources_extensions_and_padding_are_taken_off_the_payload() {
        let cases: [(&str, u8, &[u8], &[u8]); 5] = [
            ("two contributing sources", 0x82, &[1, 1, 1, 1, 2, 2, 2, 2, 7], &[7]),
            ("an extension of one word", 0x90, &[0xbe, 0xde, 0, 1, 9, 9, 9, 9, 7], &[7]),
            ("an extension element that runs past its end", 0x90, &[0xbe, 0xde, 0, 1, 0x1f, 9, 9, 9, 7], &[7]),
            ("padding of three", 0xa0, &[7, 0, 0, 3], &[7]),
            ("nothing but padding", 0xa0, &[0, 2], &[]),
        ];
        for (what, flags, behind, payload) in cases {
            assert_eq!(Packet::parse(&packet(flags, behind)).map(|packet| packet.payload), Ok(payload), "{what}");
        }
    }

    #[test]
    fn what_is_not_rtp_is_told_why() {
        let cases: [(&str, Vec<u8>, Malformed); 8] = [
            ("nothing", vec![], Malformed::Short),
            ("eleven bytes", packet(0x80, &[])[..11].to_vec(), Malformed::Short),
            ("STUN", packet(0x00, &[]), Malformed::Version),
            ("fifteen sources that are not there", packet(0x8f, &[1; 59]), Malformed::Short),
            ("half an extension header", packet(0x90, &[0xbe, 0xde]), Malformed::Short),
            ("an extension longer than the packet", packet(0x90, &[0xbe, 0xde, 0xff, 0xff, 1]), Malformed::Short),
            ("no padding behind the padding bit", packet(0xa0, &[]), Malformed::Padding),
            ("padding longer than the payload", packet(0xa0, &[1, 2, 200]), Malformed::Padding),
        ];
        for (what, bytes, why) in cases {
            assert_eq!(Packet::parse(&bytes), Err(why), "{what}");
        }
        let mut report = packet(0x80, &[]);
        report[1] = 200;
        assert_eq!(Packet::parse(&report), Err(Malformed::Rtcp));
    }
}
