//! What is said about shares: transfer packets and what they hold, XML bodies, the m-line.

use bytes::Bytes;
use crc::{CRC_32_ISCSI, Crc};

use crate::{
    fileshare::wire::{
        Decoder, Failure, Packet, PacketError, Way, control,
        flow::Flow,
        line::Line,
        packet::{HEADER_LENGTH, Kind, MAX_PAYLOAD},
        parts::Parts,
        payload::{Acknowledgement, Cancel, Challenge, Manifest, Proof, Trailer, Welcome},
    },
    sdp::Description,
};

/// A stream of packets, taken whole, byte by byte, and once more with the first header's checksum made right, so that what is behind the
/// checksum is met as well.
pub fn packet(data: &[u8]) {
    let whole = packets(data, usize::MAX);
    assert_eq!(packets(data, 1), whole, "however it is cut");
    let mut mended = data.to_vec();
    let length = mended.get(3).map_or(0, |length| usize::from(*length));
    if let Some((covered, checksum)) = mended.get_mut(..length.max(HEADER_LENGTH)).and_then(|head| head.split_last_chunk_mut::<4>()) {
        *checksum = Crc::<u32>::new(&CRC_32_ISCSI).checksum(covered).to_be_bytes();
        packets(&mended, usize::MAX);
    }
}

/// What comes out of a stream cut into pieces of a size. Whatever comes out goes in again, and through all that takes packets.
fn packets(data: &[u8], size: usize) -> (Vec<Packet>, Option<PacketError>) {
    let way = if data.get(6) == Some(&(Way::ToTerminal as u8)) { Way::ToTerminal } else { Way::ToServer };
    let (mut decoder, mut read) = (Decoder::new(way, MAX_PAYLOAD), Vec::<Packet>::new());
    for piece in data.chunks(size.min(data.len().max(1))) {
        decoder.room().extend_from_slice(piece);
        loop {
            match decoder.next_packet() {
                Ok(Some(packet)) => read.push(packet),
                Ok(None) => break,
                Err(error) => return (read, Some(error)),
            }
        }
    }
    let mut flow = read.first().map(|packet| Flow::new(packet.header.batch, packet.header.length, packet.header.sequence));
    let mut parts = [Parts::new(Kind::Manifest), Parts::new(Kind::Trailer)];
    for packet in &read {
        let mut again = Decoder::new(way, MAX_PAYLOAD);
        again.room().extend_from_slice(&packet.to_bytes());
        assert_eq!(again.next_packet(), Ok(Some(packet.clone())), "read again");
        if let Some(flow) = &mut flow {
            let _ = flow.take(&packet.header);
        }
        for parts in &mut parts {
            let _ = parts.take(packet);
        }
    }
    (read, None)
}

/// The payload of the kind that the first byte says: what is written is read back the same.
pub fn payload(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    macro_rules! settles {
        ($type:ty) => {
            if let Ok(value) = <$type>::read(data) {
                assert_eq!(<$type>::read(&value.to_bytes()), Ok(value));
            }
        };
    }
    match kind % 8 {
        0 => settles!(Challenge),
        1 => settles!(Proof),
        2 => settles!(Welcome),
        3 => settles!(Acknowledgement),
        4 => settles!(Trailer),
        5 => settles!(Failure),
        6 => settles!(Cancel),
        _ => {
            if let Ok(manifest) = Manifest::read(Bytes::copy_from_slice(data)) {
                assert_eq!(Manifest::read(manifest.to_bytes()), Ok(manifest));
            }
        }
    }
}

/// XML bodies; a refusal can be sent back.
pub fn control(data: &[u8]) {
    let body = match control::Body::parse(data) {
        Ok(body) => body,
        Err(error) => match error.refusal() {
            Some(refusal) => refusal,
            None => return,
        },
    };
    let first = body.to_xml();
    let again = control::Body::parse(first.as_bytes()).unwrap_or_else(|e| panic!("{e} in what was printed:\n{first}"));
    assert_eq!(again.to_xml(), first);
}

/// Every line of a share in a description is printed and read back the same.
pub fn line(data: &[u8]) {
    let Ok(description) = Description::parse(data) else { return };
    for media in &description.media {
        let Ok(Some(line)) = Line::read(media) else { continue };
        let _ = (line.source(), line.endpoint());
        let printed = Description { media: vec![line.to_media()], ..description.clone() }.to_text();
        let again: Description = printed.parse().unwrap_or_else(|e| panic!("{e} in what was printed:\n{printed}"));
        let again = again.media.first().map(Line::read);
        let Some(Ok(Some(again))) = again else { panic!("{again:?} of what was printed:\n{printed}") };
        assert_eq!(again.to_media(), line.to_media(), "{printed}");
    }
}
