use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::fileshare::wire::Decoder;

fn route(way: Way) -> Route {
    Route { way, terminal: "192.0.2.7:40000".parse().expect("address"), batch: BatchId(0x0102_0304_0506_0708) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The header of a good data packet with some bytes changed, and the checksum made right again.
fn changed(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = route(Way::ToServer).packet(Kind::Data, 5, 2, Bytes::from_static(b"hello")).to_bytes().to_vec();
    for (at, byte) in changes {
        bytes[*at] = *byte;
    }
    let end = HEADER_LENGTH - CHECKSUM_LENGTH;
    let checksum = CRC.checksum(&bytes[..end]).to_be_bytes();
    bytes[end..HEADER_LENGTH].copy_from_slice(&checksum);
    bytes
}

#[test]
fn a_data_packet_has_these_bytes() {
    let packet = route(Way::ToServer).packet(Kind::Data, 5, 2, Bytes::from_static(b"hello"));
    let golden = [
        "01",                               // operation type: file sharing
        "01",                               // version
        "01",                               // kind: data
        "3a",                               // header length: 58
        "0000",                             // flags
        "02",                               // direction: terminal to FS
        "04",                               // IP type
        "c0000207000000000000000000000000", // IP address
        "9c40",                             // port
        "0102030405060708",                 // batch id
        "0000000000000005",                 // total
        "0000000000000002",                 // sequence number
        "00000005",                         // data length
        GOLDEN_CHECKSUM,                    // CRC-32C of the 54 bytes before
        "68656c6c6f",                       // data
    ];
    assert_eq!(hex(&packet.to_bytes()), golden.concat());
    assert_eq!(Header::decode(&packet.to_bytes()), Ok(Some((packet.header, HEADER_LENGTH))));
}

/// Computed bit by bit outside this program (polynomial 0x1EDC6F41, reflected).
const GOLDEN_CHECKSUM: &str = "8ad44312";
const GOLDEN_CHECKSUM_6: &str = "17ab3079";

#[test]
fn an_acknowledgement_to_an_ipv6_terminal_has_these_bytes() {
    let route = Route { terminal: "[2001:db8::7]:9".parse().expect("address"), ..route(Way::ToTerminal) };
    let data = crate::fileshare::wire::payload::Acknowledgement { durable: 786_432, complete: false }.to_bytes();
    let golden = format!(
        "0101063a0000010620010db8000000000000000000000007 0009 0102030405060708 0000000000000000 0000000000000003 00000009 {} {}",
        GOLDEN_CHECKSUM_6, "00000000000c0000 00"
    );
    assert_eq!(hex(&route.packet(Kind::Acknowledgement, 0, 3, data).to_bytes()), golden.replace(' ', ""));
}

#[test]
fn ipv4_in_ipv6_clothes_goes_as_ipv4() {
    let dressed = Route { terminal: "[::ffff:192.0.2.7]:40000".parse().expect("address"), ..route(Way::ToServer) };
    let packet = dressed.packet(Kind::Heartbeat, 0, 0, Bytes::new());
    assert_eq!(packet, route(Way::ToServer).packet(Kind::Heartbeat, 0, 0, Bytes::new()));
    assert!(dressed.carries(&packet.header) && !route(Way::ToTerminal).carries(&packet.header));
}

#[test]
fn malformed_packets_get_their_error() {
    let crc = |bytes: &mut Vec<u8>| bytes[57] ^= 1;
    let mut broken = changed(&[]);
    crc(&mut broken);
    let dressed = {
        let mut changes = vec![(7, 6), (18, 0xff), (19, 0xff)];
        changes.extend((8..18).map(|at| (at, 0)));
        changed(&changes)
    };
    for (bytes, error) in [
        (b"GET / HTTP/1.1\r\n".to_vec(), PacketError::Operation(b'G')),
        (vec![0x16, 3, 1], PacketError::Operation(0x16)),
        (vec![0], PacketError::Operation(0)),
        (vec![2], PacketError::Operation(2)),
        (vec![1, 0], PacketError::Version(0)),
        (vec![1, 2], PacketError::Version(2)),
        (vec![1, 1, 1, 57], PacketError::HeaderLength(57)),
        (vec![1, 1, 1, 0], PacketError::HeaderLength(0)),
        (broken, PacketError::Checksum),
        (changed(&[(2, 0)]), PacketError::Kind(0)),
        (changed(&[(2, 11)]), PacketError::Kind(11)),
        (changed(&[(2, 255)]), PacketError::Kind(255)),
        (changed(&[(6, 0)]), PacketError::Way),
        (changed(&[(6, 3)]), PacketError::Way),
        (changed(&[(2, Kind::Challenge as u8)]), PacketError::Way),
        (changed(&[(2, Kind::Welcome as u8)]), PacketError::Way),
        (changed(&[(2, Kind::Proof as u8), (6, 1)]), PacketError::Way),
        (changed(&[(7, 5)]), PacketError::Address),
        (changed(&[(12, 1)]), PacketError::Address),
        (changed(&[(23, 1)]), PacketError::Address),
        (dressed, PacketError::Address),
        (changed(&[(24, 0), (25, 0)]), PacketError::Address),
        (changed(&[(53, 0)]), PacketError::Empty),
        (changed(&[(51, 0x10)]), PacketError::TooLong { length: 0x10_0005, max: MAX_PAYLOAD }),
        (changed(&[(50, 0xff)]), PacketError::TooLong { length: 0xff00_0005, max: MAX_PAYLOAD }),
        (changed(&[(2, Kind::Heartbeat as u8)]), PacketError::TooLong { length: 5, max: 0 }),
        (changed(&[(2, Kind::Error as u8), (52, 0x10)]), PacketError::TooLong { length: 0x1005, max: MAX_CONTROL }),
        (changed(&[(2, 200), (5, 1), (52, 0x10)]), PacketError::TooLong { length: 0x1005, max: MAX_CONTROL }),
        (changed(&[(49, 5)]), PacketError::Sequence { sequence: 5, total: 5 }),
        (changed(&[(42, 0xff)]), PacketError::Sequence { sequence: 0xff00_0000_0000_0002, total: 5 }),
        (changed(&[(2, Kind::Manifest as u8), (41, 0)]), PacketError::Sequence { sequence: 2, total: 0 }),
        (changed(&[(2, Kind::Trailer as u8), (41, 2)]), PacketError::Sequence { sequence: 2, total: 2 }),
        (changed(&[(2, Kind::Acknowledgement as u8), (49, 6)]), PacketError::Sequence { sequence: 6, total: 5 }),
    ] {
        let mut decoder = Decoder::new(Way::ToServer, MAX_PAYLOAD);
        decoder.room().extend_from_slice(&bytes);
        assert_eq!(decoder.next_packet(), Err(error.clone()), "{}", hex(&bytes));
        decoder.room().extend_from_slice(&changed(&[]));
        assert_eq!(decoder.next_packet(), Err(error), "after an error the stream is lost");
    }
}

#[test]
fn a_stranger_is_told_apart_by_the_first_byte_and_waits_for_nothing() {
    for length in 0..HEADER_LENGTH {
        assert_eq!(Header::decode(&changed(&[])[..length]), Ok(None), "{length} good bytes are not enough");
    }
    assert_eq!(Header::decode(b"S"), Err(PacketError::Operation(b'S')));
}

#[test]
fn a_longer_header_and_an_unknown_kind_that_may_be_skipped_are_passed_over() {
    let grown = |kind: u8, flags: u8| {
        let mut bytes = changed(&[(2, kind), (3, 66), (5, flags)])[..HEADER_LENGTH - CHECKSUM_LENGTH].to_vec();
        bytes.extend_from_slice(b"newfield");
        bytes.extend_from_slice(&CRC.checksum(&bytes).to_be_bytes());
        bytes.extend_from_slice(b"hello");
        bytes
    };
    let mut decoder = Decoder::new(Way::ToServer, MAX_PAYLOAD);
    for bytes in [grown(1, 0), grown(200, 1), changed(&[(2, 99), (5, 1)]), grown(1, 0xfe)] {
        decoder.room().extend_from_slice(&bytes);
    }
    for _ in 0..2 {
        let packet = decoder.next_packet().expect("good").expect("whole");
        assert_eq!((packet.header.sequence, &packet.data[..]), (2, &b"hello"[..]));
    }
    assert_eq!(decoder.next_packet(), Ok(None));
    assert_eq!(decoder.finish(), Ok(()));
    assert_eq!(Header::decode(&grown(200, 1)), Err(PacketError::Kind(200)));
}

#[test]
fn packets_come_out_as_they_went_in_however_the_stream_is_cut() {
    for seed in 0..50 {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let packets: Vec<Packet> = (0..20).map(|_| any_packet(&mut rng)).collect();
        let stream: Vec<u8> = packets.iter().flat_map(|packet| packet.to_bytes().to_vec()).collect();
        let (mut decoder, mut read, mut rest) = (Decoder::new(Way::ToServer, MAX_PAYLOAD), Vec::new(), &stream[..]);
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rng.random_range(1..=rest.len().min(3000)));
            decoder.room().extend_from_slice(piece);
            rest = behind;
            while let Some(packet) = decoder.next_packet().unwrap_or_else(|e| panic!("seed {seed}: {e}")) {
                read.push(packet);
            }
        }
        assert_eq!(read, packets, "seed {seed}");
        assert_eq!(decoder.finish(), Ok(()));
    }
}

fn any_packet(rng: &mut ChaCha12Rng) -> Packet {
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.only_way() != Some(Way::ToTerminal)).collect();
    let kind = kinds[rng.random_range(0..kinds.len())];
    let length = rng.random_range(1..=kind.max_payload().clamp(1, 5000)).min(kind.max_payload());
    let terminal =
        if rng.random() { SocketAddr::from(([10, 0, 0, 1], rng.random_range(1..=u16::MAX))) } else { "[::1]:5".parse().expect("address") };
    let sequence = rng.random_range(0..u64::MAX);
    let total = if rng.random() && kind == Kind::Data { 0 } else { rng.random_range(sequence + 1..=u64::MAX) };
    let data = (0..length).map(|_| rng.random::<u8>()).collect::<Vec<_>>();
    Route { way: Way::ToServer, terminal, batch: BatchId(rng.random()) }.packet(kind, total, sequence, data.into())
}

#[test]
fn a_decoder_keeps_to_its_limit_and_to_its_way() {
    let large = route(Way::ToServer).packet(Kind::Data, 0, 0, vec![0; 5000].into()).to_bytes();
    let mut decoder = Decoder::new(Way::ToServer, MAX_CONTROL);
    decoder.room().extend_from_slice(&large[..HEADER_LENGTH]);
    assert_eq!(decoder.next_packet(), Err(PacketError::TooLong { length: 5000, max: MAX_CONTROL }), "known by the header alone");
    let mut decoder = Decoder::new(Way::ToServer, MAX_CONTROL);
    decoder.set_limit(5000);
    decoder.room().extend_from_slice(&large);
    assert!(decoder.next_packet().is_ok_and(|packet| packet.is_some()));
    let mut decoder = Decoder::new(Way::ToTerminal, MAX_PAYLOAD);
    decoder.room().extend_from_slice(&large);
    assert_eq!(decoder.next_packet(), Err(PacketError::Way));
}

#[test]
fn a_payload_is_read_to_where_it_stays() {
    let packet = route(Way::ToServer).packet(Kind::Data, 0, 0, vec![7; DEFAULT_PAYLOAD as usize].into());
    let bytes = packet.to_bytes();
    let mut decoder = Decoder::new(Way::ToServer, MAX_PAYLOAD);
    decoder.room().extend_from_slice(&bytes[..HEADER_LENGTH]);
    let room = decoder.room();
    assert!(room.capacity() - room.len() >= bytes.len(), "the whole payload and the next header fit");
    room.extend_from_slice(&bytes[HEADER_LENGTH..]);
    let place = room[HEADER_LENGTH..].as_ptr();
    let read = decoder.next_packet().expect("good").expect("whole");
    assert_eq!(read.data.as_ptr(), place, "not copied");
}

#[test]
fn a_decoder_that_is_kept_full_stays_bounded() {
    let data = Bytes::from(vec![7; MAX_PAYLOAD as usize]);
    for keep in [false, true] {
        let mut decoder = Decoder::new(Way::ToServer, MAX_PAYLOAD);
        let stream: Vec<u8> =
            (0..16).flat_map(|n| route(Way::ToServer).packet(Kind::Data, 0, n, data.clone()).to_bytes().to_vec()).collect();
        let (mut rest, mut kept, mut count) = (&stream[..], Vec::new(), 0);
        while !rest.is_empty() {
            let room = decoder.room();
            let (piece, behind) = rest.split_at((room.capacity() - room.len()).min(rest.len()));
            room.extend_from_slice(piece);
            assert!(room.capacity() <= 2 * (MAX_PAYLOAD as usize + HEADER_LENGTH), "{}", room.capacity());
            rest = behind;
            while let Some(packet) = decoder.next_packet().expect("good") {
                count += 1;
                kept.extend(keep.then_some(packet));
            }
        }
        assert_eq!(count, 16);
    }
}

#[test]
fn a_connection_that_ends_inside_a_packet_is_noticed() {
    let bytes = changed(&[]);
    let mut decoder = Decoder::new(Way::ToServer, MAX_PAYLOAD);
    decoder.room().extend_from_slice(&bytes[..bytes.len() - 1]);
    assert_eq!(decoder.next_packet(), Ok(None));
    assert_eq!(decoder.finish(), Err(PacketError::Truncated));
}
