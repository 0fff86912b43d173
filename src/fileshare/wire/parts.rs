//! Manifests and trailers, which may be longer than one packet: cut into parts, and put together again.

use bytes::{Bytes, BytesMut};

use super::packet::{Kind, MAX_PAYLOAD, Packet, PacketError, Route};
use crate::transfer::manifest::MAX_MANIFEST;

/// Longest manifest or trailer, in bytes. A longer one is [`PacketError::TooLong`] as soon as its parts show it.
pub const MAX_WHOLE: usize = MAX_MANIFEST + 1024;

/// Cuts a manifest or trailer into packets of at most [`MAX_PAYLOAD`]; an empty one is one empty packet.
pub fn cut(route: Route, kind: Kind, whole: Bytes) -> impl Iterator<Item = Packet> {
    let size = MAX_PAYLOAD as usize;
    let total = whole.len().div_ceil(size).max(1);
    (0..total).map(move |part| {
        let from = part.saturating_mul(size).min(whole.len());
        let to = from.saturating_add(size).min(whole.len());
        route.packet(kind, total as u64, part as u64, whole.slice(from..to))
    })
}

/// Puts the parts of one manifest or trailer together.
#[derive(Debug)]
pub struct Parts {
    kind: Kind,
    total: u64,
    next: u64,
    whole: BytesMut,
}

impl Parts {
    /// Nothing yet of a manifest or a trailer.
    pub fn new(kind: Kind) -> Self {
        Self { kind, total: 0, next: 0, whole: BytesMut::new() }
    }

    /// Takes the next part; gives the whole with the last, and then begins anew.
    ///
    /// # Errors
    /// [`PacketError::Sequence`] for a part out of order, of another total, or of another kind; [`PacketError::TooLong`] above
    /// [`MAX_WHOLE`].
    pub fn take(&mut self, packet: &Packet) -> Result<Option<Bytes>, PacketError> {
        let header = packet.header;
        let fits = header.kind == self.kind && header.sequence == self.next && (self.next == 0 || header.total == self.total);
        if !fits || header.sequence >= header.total {
            return Err(PacketError::Sequence { sequence: header.sequence, total: header.total });
        }
        if self.whole.len().saturating_add(packet.data.len()) > MAX_WHOLE {
            return Err(PacketError::TooLong { length: header.length, max: MAX_WHOLE as u32 });
        }
        // Empty parts would let a peer count up for ever.
        if packet.data.is_empty() && header.total > 1 {
            return Err(PacketError::Empty);
        }
        self.whole.extend_from_slice(&packet.data);
        (self.total, self.next) = (header.total, header.sequence.saturating_add(1));
        if self.next < self.total {
            return Ok(None);
        }
        (self.total, self.next) = (0, 0);
        Ok(Some(self.whole.split().freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fileshare::{BatchId, wire::Way};

    fn route() -> Route {
        Route { way: Way::ToServer, terminal: ([192, 0, 2, 7], 40000).into(), batch: BatchId(1) }
    }

    #[test]
    fn a_whole_of_any_length_comes_together_again() {
        let mut parts = Parts::new(Kind::Manifest);
        let size = MAX_PAYLOAD as usize;
        for (length, count) in [(0, 1), (1, 1), (size, 1), (size + 1, 2), (3 * size, 3)] {
            let whole: Bytes = (0..length).map(|at| at as u8).collect::<Vec<_>>().into();
            let packets: Vec<_> = cut(route(), Kind::Manifest, whole.clone()).collect();
            assert_eq!(packets.len(), count);
            let taken: Vec<_> = packets.iter().map(|packet| parts.take(packet).expect("in order")).collect();
            assert_eq!(taken.last(), Some(&Some(whole)));
            assert!(taken.iter().rev().skip(1).all(Option::is_none));
        }
    }

    #[test]
    fn parts_out_of_order_or_without_end_are_refused() {
        let part = |kind, total, sequence, length| route().packet(kind, total, sequence, vec![0; length].into());
        let refuse = |first: Packet, second: Packet| {
            let mut parts = Parts::new(Kind::Manifest);
            assert_eq!(parts.take(&first), Ok(None));
            parts.take(&second).expect_err("refused")
        };
        let sequence = |sequence, total| PacketError::Sequence { sequence, total };
        assert_eq!(refuse(part(Kind::Manifest, 3, 0, 1), part(Kind::Manifest, 3, 0, 1)), sequence(0, 3));
        assert_eq!(refuse(part(Kind::Manifest, 3, 0, 1), part(Kind::Manifest, 3, 2, 1)), sequence(2, 3));
        assert_eq!(refuse(part(Kind::Manifest, 3, 0, 1), part(Kind::Manifest, 4, 1, 1)), sequence(1, 4));
        assert_eq!(refuse(part(Kind::Manifest, 3, 0, 1), part(Kind::Trailer, 3, 1, 1)), sequence(1, 3));
        assert_eq!(refuse(part(Kind::Manifest, 3, 0, 1), part(Kind::Manifest, 3, 1, 0)), PacketError::Empty);
        let mut parts = Parts::new(Kind::Trailer);
        let filled = (0..u64::MAX).find_map(|n| parts.take(&part(Kind::Trailer, u64::MAX, n, MAX_PAYLOAD as usize)).err());
        assert!(matches!(filled, Some(PacketError::TooLong { .. })));
    }
}
