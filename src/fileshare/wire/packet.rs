//! The transfer packet (table 1): its header, and a packet with its data.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 1 | operation type: [`OPERATION_FILE_SHARING`] |
//! | 1 | 1 | version: [`VERSION`] |
//! | 2 | 1 | kind: [`Kind`] |
//! | 3 | 1 | length of the header, checksum included: [`HEADER_LENGTH`] or more |
//! | 4 | 2 | flags: bit 0, who does not know the kind skips the packet; the others are 0, and ignored |
//! | 6 | 1 | direction: [`Way`] |
//! | 7 | 1 | IP type: 4 or 6 |
//! | 8 | 16 | IP address of the terminal; IPv4 in the first 4 bytes, the others 0 |
//! | 24 | 2 | port of the terminal |
//! | 26 | 8 | batch id |
//! | 34 | 8 | total packets in the batch, 0 = not known yet |
//! | 42 | 8 | sequence number |
//! | 50 | 4 | data length |
//! | 54 | 4 | CRC-32C of the header before it |
//! | 58 | … | data |
//!
//! Network byte order. A longer header of the same version has its new fields between the length and the checksum; a reader that does
//! not know them passes over them. A change that such a reader could not live with raises the version.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{Buf as _, BufMut as _, Bytes};
use crc::{CRC_32_ISCSI, Crc};

use super::FailureCode;
use crate::fileshare::BatchId;

/// The operation type of file sharing. Others (votes, …) are reserved, and refused as unsupported.
pub const OPERATION_FILE_SHARING: u8 = 1;
/// The version that this side speaks.
pub const VERSION: u8 = 1;
/// Length of the header that we write, in bytes.
pub const HEADER_LENGTH: usize = 58;
/// Smallest fixed payload size of a batch, in bytes.
pub const MIN_PAYLOAD: u32 = 1024;
/// Fixed payload size of a batch where nobody says another, in bytes.
pub const DEFAULT_PAYLOAD: u32 = 256 * 1024;
/// Largest payload of any packet, in bytes. A longer one is [`PacketError::TooLong`] before it is read.
pub const MAX_PAYLOAD: u32 = 1024 * 1024;
/// Largest payload of a packet that is neither data nor part of a manifest or trailer, in bytes. As [`MAX_PAYLOAD`].
pub const MAX_CONTROL: u32 = 4096;

/// Who does not know the kind skips the packet.
const FLAG_OPTIONAL: u16 = 1;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
const CHECKSUM_LENGTH: usize = 4;

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A piece of the batch's byte stream. `sequence` counts from 0; every payload has the batch's fixed size, but for the last.
    Data = 1,
    /// A part of the batch header ([`super::payload::Manifest`]). `sequence` and `total` count parts.
    Manifest = 2,
    /// FS → terminal, first on a connection: [`super::payload::Challenge`].
    Challenge = 3,
    /// Terminal → FS: [`super::payload::Proof`]. `sequence`: the first data packet that a downloading terminal lacks, else 0.
    Proof = 4,
    /// FS → terminal: admitted, [`super::payload::Welcome`]. `sequence`: the data packet to go on with.
    Welcome = 5,
    /// Durable receipt: [`super::payload::Acknowledgement`]. `sequence`: all data packets below it are on disk.
    Acknowledgement = 6,
    /// A part of the hashes behind the last data packet ([`super::payload::Trailer`]). `sequence` and `total` count parts.
    Trailer = 7,
    /// The sender of the packet gives up for a reason: [`super::Failure`].
    Error = 8,
    /// Somebody has cancelled: [`super::payload::Cancel`].
    Cancel = 9,
    /// Nothing but a sign of life. No payload.
    Heartbeat = 10,
}

impl Kind {
    /// Every kind, in the order of its numbers.
    pub const ALL: [Self; 10] = [
        Self::Data,
        Self::Manifest,
        Self::Challenge,
        Self::Proof,
        Self::Welcome,
        Self::Acknowledgement,
        Self::Trailer,
        Self::Error,
        Self::Cancel,
        Self::Heartbeat,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// The only way that it goes; `None` where it goes both.
    fn only_way(self) -> Option<Way> {
        match self {
            Self::Challenge | Self::Welcome => Some(Way::ToTerminal),
            Self::Proof => Some(Way::ToServer),
            Self::Data | Self::Manifest | Self::Acknowledgement | Self::Trailer | Self::Error | Self::Cancel | Self::Heartbeat => None,
        }
    }

    /// Largest payload, in bytes.
    pub fn max_payload(self) -> u32 {
        match self {
            Self::Data | Self::Manifest | Self::Trailer => MAX_PAYLOAD,
            Self::Heartbeat => 0,
            Self::Challenge | Self::Proof | Self::Welcome | Self::Acknowledgement | Self::Error | Self::Cancel => MAX_CONTROL,
        }
    }
}

/// The direction of table 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Way {
    /// FS → terminal.
    ToTerminal = 1,
    /// Terminal → FS.
    ToServer = 2,
}

/// A packet's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the packet is.
    pub kind: Kind,
    /// Which way it goes.
    pub way: Way,
    /// Address and port of the terminal, whichever way the packet goes. Never an IPv4 address in IPv6 clothes, never port 0.
    pub terminal: SocketAddr,
    /// The batch.
    pub batch: BatchId,
    /// Data packets in the batch, 0 where not known yet; parts, for a manifest or trailer.
    pub total: u64,
    /// See [`Kind`]; 0 where it says nothing.
    pub sequence: u64,
    /// Bytes of data behind the header.
    pub length: u32,
}

/// A packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The header; its `length` is that of `data`.
    pub header: Header,
    /// The payload.
    pub data: Bytes,
}

/// What is the same in all packets that one side sends on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Which way they go.
    pub way: Way,
    /// The terminal's declared address and port.
    pub terminal: SocketAddr,
    /// The batch.
    pub batch: BatchId,
}

/// Why bytes are no packet that we take. The peer's fault; the stream cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// Another kind of data conference than file sharing, or no transfer packet at all.
    #[error("operation type {0} is not supported (file sharing is {OPERATION_FILE_SHARING})")]
    Operation(u8),
    /// A version that we do not speak.
    #[error("version {0} of the transfer packet is not supported (this side speaks {VERSION})")]
    Version(u8),
    /// Shorter than a header can be.
    #[error("a packet header of {0} bytes is too short (at least {HEADER_LENGTH})")]
    HeaderLength(u8),
    /// The header was changed on its way.
    #[error("the checksum of a packet header is wrong")]
    Checksum,
    /// A kind that we do not know, and may not skip.
    #[error("packets of kind {0} are not supported")]
    Kind(u8),
    /// Neither direction, or the one that this packet does not go.
    #[error("a packet has the wrong direction")]
    Way,
    /// An IP type other than 4 and 6, an address in another spelling than its own, port 0.
    #[error("a packet has no proper address of the terminal")]
    Address,
    /// More data than the kind, or this side in its present state, takes.
    #[error("a packet of {length} bytes is too long (at most {max})")]
    TooLong {
        /// As the header says.
        length: u32,
        /// The bound.
        max: u32,
    },
    /// A data packet without data.
    #[error("a data packet holds no data")]
    Empty,
    /// A sequence number at or above the total.
    #[error("packet {sequence} is outside the {total} packets of the batch")]
    Sequence {
        /// As the header says.
        sequence: u64,
        /// As the header says.
        total: u64,
    },
    /// A payload that is not what its kind holds.
    #[error("the {0} of a packet is malformed")]
    Payload(&'static str),
    /// The stream ended inside a packet.
    #[error("the connection ended in the middle of a packet")]
    Truncated,
}

impl PacketError {
    /// The kind of failure that the peer is told.
    pub fn code(&self) -> FailureCode {
        match self {
            Self::Operation(_) | Self::Version(_) | Self::Kind(_) => FailureCode::Unsupported,
            Self::TooLong { .. } => FailureCode::Limit,
            Self::HeaderLength(_)
            | Self::Checksum
            | Self::Way
            | Self::Address
            | Self::Empty
            | Self::Sequence { .. }
            | Self::Payload(_)
            | Self::Truncated => FailureCode::Protocol,
        }
    }
}

/// What stands at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Less than a header.
    Partial {
        /// How many bytes the header has, as far as one can tell.
        needed: usize,
    },
    /// A whole header.
    Packet {
        /// The header; `None` where the packet is to be skipped.
        header: Option<Header>,
        /// Where the data begins.
        data_at: usize,
        /// Bytes of data.
        length: u32,
    },
}

impl Route {
    /// The header of a packet on this route. `length` is in bytes, at most [`Kind::max_payload`]: the caller sees to it.
    pub fn header(&self, kind: Kind, total: u64, sequence: u64, length: u32) -> Header {
        Header { kind, way: self.way, terminal: canonical(self.terminal), batch: self.batch, total, sequence, length }
    }

    /// A packet on this route. What is longer than [`Kind::max_payload`] is cut: only data, manifests and trailers can be that long, and
    /// their makers cut them into packets.
    pub fn packet(&self, kind: Kind, total: u64, sequence: u64, mut data: Bytes) -> Packet {
        data.truncate(usize::try_from(kind.max_payload()).unwrap_or(0));
        let length = u32::try_from(data.len()).unwrap_or(0);
        Packet { header: self.header(kind, total, sequence, length), data }
    }

    /// True where a packet came by this route: same way, terminal and batch.
    pub fn carries(&self, header: &Header) -> bool {
        (header.way, header.terminal, header.batch) == (self.way, canonical(self.terminal), self.batch)
    }
}

impl Header {
    /// The bytes of the header; the data follows it, so that a vectored write needs no copy of it.
    pub fn encode(&self) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        let terminal = canonical(self.terminal);
        let mut head = &mut bytes[..];
        head.put_u8(OPERATION_FILE_SHARING);
        head.put_u8(VERSION);
        head.put_u8(self.kind as u8);
        head.put_u8(HEADER_LENGTH as u8);
        head.put_u16(0);
        head.put_u8(self.way as u8);
        head.put_slice(&address_bytes(terminal.ip()));
        head.put_u16(terminal.port());
        head.put_u64(self.batch.0);
        head.put_u64(self.total);
        head.put_u64(self.sequence);
        head.put_u32(self.length);
        let (covered, checksum) = bytes.split_at_mut(HEADER_LENGTH - CHECKSUM_LENGTH);
        checksum.copy_from_slice(&CRC.checksum(covered).to_be_bytes());
        bytes
    }

    /// Reads the header at the start of some bytes: `None` where more are needed, else the header and where its data begins.
    ///
    /// # Errors
    /// [`PacketError`], as soon as the bytes there show it: the first two tell a stranger's protocol.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, PacketError> {
        match start(bytes)? {
            Start::Partial { .. } => Ok(None),
            Start::Packet { header: Some(header), data_at, .. } => Ok(Some((header, data_at))),
            Start::Packet { header: None, .. } => Err(PacketError::Kind(bytes.get(2).copied().unwrap_or(0))),
        }
    }
}

impl Packet {
    /// Header and data in one piece. For control packets and tests; a writer of data writes [`Header::encode`] and the data.
    pub fn to_bytes(&self) -> Bytes {
        [&self.header.encode()[..], &self.data].concat().into()
    }
}

/// Reads what can be told from the start of some bytes.
pub(super) fn start(bytes: &[u8]) -> Result<Start, PacketError> {
    if let Some(operation) = bytes.first().copied().filter(|operation| *operation != OPERATION_FILE_SHARING) {
        return Err(PacketError::Operation(operation));
    }
    if let Some(version) = bytes.get(1).copied().filter(|version| *version != VERSION) {
        return Err(PacketError::Version(version));
    }
    let Some(header_length) = bytes.get(3).copied() else { return Ok(Start::Partial { needed: HEADER_LENGTH }) };
    let data_at = usize::from(header_length);
    if data_at < HEADER_LENGTH {
        return Err(PacketError::HeaderLength(header_length));
    }
    let Some(head) = bytes.get(..data_at) else { return Ok(Start::Partial { needed: data_at }) };
    let (covered, checksum) = head.split_at(data_at - CHECKSUM_LENGTH);
    if checksum != CRC.checksum(covered).to_be_bytes() {
        return Err(PacketError::Checksum);
    }
    let (header, length) = fields(covered)?;
    Ok(Start::Packet { header, data_at, length })
}

/// The fields of a header whose checksum is right.
fn fields(mut head: &[u8]) -> Result<(Option<Header>, u32), PacketError> {
    // The length was checked before; should it not fit, the header is too short.
    let short = |_| PacketError::HeaderLength(0);
    head.advance(2);
    let number = head.try_get_u8().map_err(short)?;
    head.advance(1);
    let flags = head.try_get_u16().map_err(short)?;
    let way = match head.try_get_u8().map_err(short)? {
        1 => Way::ToTerminal,
        2 => Way::ToServer,
        _ => return Err(PacketError::Way),
    };
    let (ip_type, mut ip) = (head.try_get_u8().map_err(short)?, [0; 16]);
    head.try_copy_to_slice(&mut ip).map_err(short)?;
    let ip = address(ip_type, ip).ok_or(PacketError::Address)?;
    let port = head.try_get_u16().map_err(short)?;
    if port == 0 {
        return Err(PacketError::Address);
    }
    let batch = BatchId(head.try_get_u64().map_err(short)?);
    let total = head.try_get_u64().map_err(short)?;
    let sequence = head.try_get_u64().map_err(short)?;
    let length = head.try_get_u32().map_err(short)?;
    let Some(kind) = Kind::from_number(number) else {
        let skipped = flags & FLAG_OPTIONAL != 0;
        return match (skipped, length) {
            (false, _) => Err(PacketError::Kind(number)),
            (true, 0..=MAX_CONTROL) => Ok((None, length)),
            (true, _) => Err(PacketError::TooLong { length, max: MAX_CONTROL }),
        };
    };
    let header = Header { kind, way, terminal: SocketAddr::new(ip, port), batch, total, sequence, length };
    header.check()?;
    Ok((Some(header), length))
}

impl Header {
    /// What one header can show by itself.
    fn check(&self) -> Result<(), PacketError> {
        let max = self.kind.max_payload();
        if self.kind.only_way().is_some_and(|way| way != self.way) {
            return Err(PacketError::Way);
        }
        if self.length > max {
            return Err(PacketError::TooLong { length: self.length, max });
        }
        let outside = match self.kind {
            Kind::Data => self.total != 0 && self.sequence >= self.total,
            Kind::Manifest | Kind::Trailer => self.sequence >= self.total,
            Kind::Proof | Kind::Welcome | Kind::Acknowledgement => self.total != 0 && self.sequence > self.total,
            Kind::Challenge | Kind::Error | Kind::Cancel | Kind::Heartbeat => false,
        };
        match self.kind {
            _ if outside => Err(PacketError::Sequence { sequence: self.sequence, total: self.total }),
            Kind::Data if self.length == 0 => Err(PacketError::Empty),
            _ => Ok(()),
        }
    }
}

/// IP type and the 16 bytes of the address: in headers, and in what is proved.
pub(super) fn address_bytes(ip: IpAddr) -> [u8; 17] {
    let mut bytes = [0; 17];
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            bytes[0] = 4;
            bytes[1..5].copy_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            bytes[0] = 6;
            bytes[1..].copy_from_slice(&v6.octets());
        }
    }
    bytes
}

/// The address, in the one spelling that it has.
fn address(ip_type: u8, bytes: [u8; 16]) -> Option<IpAddr> {
    let ip = match (ip_type, bytes) {
        (4, [a, b, c, d, ..]) => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        (6, bytes) => IpAddr::V6(Ipv6Addr::from(bytes)),
        _ => return None,
    };
    (address_bytes(ip)[1..] == bytes && address_bytes(ip)[0] == ip_type).then_some(ip)
}

/// IPv4 addresses never in IPv6 clothes; a scope or flow label is nothing of the packet's.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests;
