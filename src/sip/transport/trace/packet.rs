//! Messages as packets, so that Wireshark takes a message of any transport apart: made-up headers of IP and UDP or TCP around
//! the real text. UDP messages stand in UDP, all others in TCP, those of TLS readable. Roles of this process get addresses of
//! 127.127.0.0/16.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use pcap_file::{
    DataLink, PcapError,
    pcap::{PcapHeader, PcapPacket, PcapWriter},
};

use super::{Record, Sink};
use crate::sip::{Address, Transport, transport::source_towards};

/// Bytes of a message in one TCP segment; a message of more is cut, and put together by Wireshark.
const SEGMENT: usize = 32 * 1024;

/// TCP directions whose position is remembered. At the bound all begin anew, which Wireshark calls a gap.
const MAX_STREAMS: usize = 16 * 1024;

/// Roles that get an address of their own, and peers whose route is remembered. At the bound all are forgotten.
const MAX_NAMES: usize = 4096;

const UDP: u8 = 17;
const TCP: u8 = 6;

/// Largest packet: a full IPv6 one fits.
const MAX_PACKET: u32 = 0x0002_0000;

/// The pcap being written.
pub(super) struct Packets {
    writer: PcapWriter<SharedSink>,
    sink: SharedSink,
    sent: BTreeMap<(SocketAddr, SocketAddr), u32>,
    roles: BTreeMap<String, Ipv4Addr>,
    routes: BTreeMap<IpAddr, IpAddr>,
    idents: u16,
}

impl Packets {
    pub(super) fn new(sink: Sink) -> io::Result<Self> {
        let sink = SharedSink(Arc::new(Mutex::new(sink)));
        let header = PcapHeader { datalink: DataLink::RAW, snaplen: MAX_PACKET, ..PcapHeader::default() };
        let writer = PcapWriter::with_header(sink.clone(), header).map_err(io_error)?;
        Ok(Self { writer, sink, sent: BTreeMap::new(), roles: BTreeMap::new(), routes: BTreeMap::new(), idents: 0 })
    }

    pub(super) fn write(&mut self, record: &Record, message: &[u8]) -> io::Result<()> {
        let (from, to) = (self.socket(&record.from.address), self.socket(&record.to.address));
        let (from, to) = (self.routed(from, to), self.routed(to, from));
        let at = record.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match record.transport {
            Transport::Udp => {
                let packet = self.packet(from, to, UDP, |pseudo| udp(from, to, message, pseudo));
                self.put(at, packet)
            }
            Transport::Tcp | Transport::Tls | Transport::Local => {
                for piece in message.chunks(SEGMENT) {
                    let (seq, ack) = (self.position(from, to), self.position(to, from));
                    let packet = self.packet(from, to, TCP, |pseudo| tcp(from, to, (seq, ack), piece, pseudo));
                    // Pieces are far below 4 GiB.
                    self.sent.insert((from, to), seq.wrapping_add(u32::try_from(piece.len()).unwrap_or(u32::MAX)));
                    self.put(at, packet)?;
                }
                Ok(())
            }
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.sink.clone().flush()
    }

    fn put(&mut self, at: Duration, packet: Option<Vec<u8>>) -> io::Result<()> {
        let Some(packet) = packet else { return Ok(()) };
        let len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        self.writer.write_packet(&PcapPacket::new(at, len, &packet)).map_err(io_error).map(drop)
    }

    fn socket(&mut self, address: &Address) -> SocketAddr {
        match address {
            Address::Socket(socket) => *socket,
            Address::Name { host, port } => {
                if self.roles.len() >= MAX_NAMES {
                    self.roles.clear();
                }
                let next = u16::try_from(self.roles.len() + 1).unwrap_or(u16::MAX).to_be_bytes();
                let ip = self.roles.entry(host.clone()).or_insert(Ipv4Addr::new(127, 127, next[0], next[1]));
                SocketAddr::from((*ip, *port))
            }
        }
    }

    /// What stands for an address of ours that is the wildcard: the one that the system would send from.
    fn routed(&mut self, socket: SocketAddr, other: SocketAddr) -> SocketAddr {
        if !socket.ip().is_unspecified() {
            return socket;
        }
        if self.routes.len() >= MAX_NAMES {
            self.routes.clear();
        }
        let ip = *self.routes.entry(other.ip()).or_insert_with(|| source_towards(other.ip()).unwrap_or(socket.ip()));
        SocketAddr::new(ip, socket.port())
    }

    fn position(&mut self, from: SocketAddr, to: SocketAddr) -> u32 {
        if self.sent.len() >= MAX_STREAMS {
            self.sent.clear();
        }
        *self.sent.entry((from, to)).or_insert(1)
    }

    /// IP around what `transport` makes; `None` for a message between address families, which there is none of.
    fn packet(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        protocol: u8,
        transport: impl FnOnce(u32) -> Option<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        self.idents = self.idents.wrapping_add(1);
        let mut pseudo = Vec::with_capacity(36);
        let (head, payload) = match (from.ip(), to.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                pseudo.extend_from_slice(&source.octets());
                pseudo.extend_from_slice(&destination.octets());
                let payload = transport(sum(&pseudo, u32::from(protocol)))?;
                let total = u16::try_from(payload.len() + 20).ok()?;
                let mut head = vec![0x45, 0];
                head.extend_from_slice(&total.to_be_bytes());
                head.extend_from_slice(&self.idents.to_be_bytes());
                head.extend_from_slice(&[0x40, 0, 64, protocol, 0, 0]);
                head.extend_from_slice(&pseudo);
                let checksum = fold(sum(&head, 0));
                head.splice(10..12, checksum.to_be_bytes());
                (head, payload)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                pseudo.extend_from_slice(&source.octets());
                pseudo.extend_from_slice(&destination.octets());
                let payload = transport(sum(&pseudo, u32::from(protocol)))?;
                let mut head = vec![0x60, 0, 0, 0];
                head.extend_from_slice(&u16::try_from(payload.len()).ok()?.to_be_bytes());
                head.extend_from_slice(&[protocol, 64]);
                head.extend_from_slice(&pseudo);
                (head, payload)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
        };
        Some([head, payload].concat())
    }
}

/// pcap-file's writer owns what it writes to and cannot flush it: a second handle does.
#[derive(Clone)]
struct SharedSink(Arc<Mutex<Sink>>);

impl io::Write for SharedSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

fn udp(from: SocketAddr, to: SocketAddr, message: &[u8], pseudo: u32) -> Option<Vec<u8>> {
    let len = u16::try_from(message.len() + 8).ok()?;
    let mut out = Vec::with_capacity(usize::from(len));
    for field in [from.port(), to.port(), len, 0] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    out.extend_from_slice(message);
    // RFC 768: a sum of zero is sent as all ones, zero means none.
    let checksum = match fold(sum(&out, pseudo + u32::from(len))) {
        0 => u16::MAX,
        checksum => checksum,
    };
    out.splice(6..8, checksum.to_be_bytes());
    Some(out)
}

fn tcp(from: SocketAddr, to: SocketAddr, (seq, ack): (u32, u32), piece: &[u8], pseudo: u32) -> Option<Vec<u8>> {
    let len = u16::try_from(piece.len() + 20).ok()?;
    let mut out = Vec::with_capacity(usize::from(len));
    out.extend_from_slice(&from.port().to_be_bytes());
    out.extend_from_slice(&to.port().to_be_bytes());
    out.extend_from_slice(&seq.to_be_bytes());
    out.extend_from_slice(&ack.to_be_bytes());
    // Five words of header; PSH and ACK; a full window; checksum; no urgent data.
    out.extend_from_slice(&[0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    out.extend_from_slice(piece);
    let checksum = fold(sum(&out, pseudo + u32::from(len)));
    out.splice(16..18, checksum.to_be_bytes());
    Some(out)
}

/// The Internet checksum's sum (RFC 1071), carried on. 64 KiB of words stay below 2³¹.
fn sum(bytes: &[u8], start: u32) -> u32 {
    bytes.chunks(2).fold(start, |sum, pair| {
        let word = u16::from_be_bytes([pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)]);
        sum.wrapping_add(u32::from(word))
    })
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Nothing but the low half is left.
    !u16::try_from(sum).unwrap_or(0)
}

fn io_error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other.to_string()),
    }
}
