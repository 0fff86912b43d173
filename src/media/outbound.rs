//! The sending half of a leg or terminal: from a frame a tick to RTP packets of the negotiated length, and keys in between.

use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;

use super::{
    codec::Format,
    dtmf,
    leg::LegMedia,
    rtcp::Sent,
    rtp::{HEADER_LENGTH, HeaderWriter},
};

/// Longest packet that we send, in milliseconds of audio.
pub const MAX_PTIME_MS: u8 = 60;
/// Longest packet that we send, in bytes.
pub const MAX_PACKET: usize = HEADER_LENGTH + 480;

/// The sending half.
#[derive(Debug)]
pub struct Outbound {
    header: HeaderWriter,
    format: Format,
    dtmf_payload_type: Option<u8>,
    /// Units in a packet.
    length: usize,
    /// Time stamp of the first sample in `waiting`.
    timestamp: u32,
    /// Encoded and not yet sent, where packets are not as long as ticks.
    waiting: Vec<u8>,
    /// The next packet is the first after silence.
    marker: bool,
    keys: dtmf::Sender,
    packets: u64,
    octets: u64,
}

impl Outbound {
    /// A stream with names and numbers of its own.
    pub fn new(media: &LegMedia, rng: &mut ChaCha12Rng) -> Self {
        Self {
            header: HeaderWriter::new(rng.random(), rng.random()),
            format: media.format,
            dtmf_payload_type: media.dtmf_payload_type,
            length: length(media),
            timestamp: rng.random(),
            waiting: Vec::new(),
            marker: true,
            keys: dtmf::Sender::new(media.format.codec.clock_rate()),
            packets: 0,
            octets: 0,
        }
    }

    /// What was negotiated anew; numbers and time go on.
    pub fn renegotiate(&mut self, media: &LegMedia) {
        if media.format != self.format || length(media) != self.length {
            self.timestamp = self.timestamp.wrapping_add(self.waiting.len() as u32);
            self.waiting.clear();
        }
        self.format = media.format;
        self.length = length(media);
        self.dtmf_payload_type = media.dtmf_payload_type;
    }

    /// The format that is sent.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What was sent so far.
    pub fn sent(&self) -> Sent {
        Sent { ssrc: self.header.ssrc(), timestamp: self.timestamp, packets: self.packets, octets: self.octets }
    }

    /// Queues keys; tells how many were taken: none where telephone-events were not negotiated.
    pub fn press(&mut self, keys: &str) -> usize {
        if self.dtmf_payload_type.is_some() { self.keys.press(keys) } else { 0 }
    }

    /// True while keys are being sent.
    pub fn is_pressing(&self) -> bool {
        self.keys.is_active()
    }

    /// A tick in which nothing may be sent: time goes on.
    pub fn skip(&mut self) {
        self.timestamp = self.timestamp.wrapping_add((self.waiting.len() + self.format.codec.frame()) as u32);
        self.waiting.clear();
        self.marker = true;
    }

    /// True where the packet of a tick is written in one go by [`Outbound::write_frame`]: packets are as long as ticks, and no key is pressed.
    /// Otherwise [`Outbound::push`] is the way.
    pub fn takes_frames(&self) -> bool {
        self.length == self.format.codec.frame() && self.waiting.is_empty() && !self.keys.is_active()
    }

    /// Writes the packet of a tick, whose payload `encode` fills: its length.
    pub fn write_frame(&mut self, packet: &mut [u8; MAX_PACKET], encode: impl FnOnce(&mut [u8])) -> usize {
        let length = self.length.min(MAX_PACKET - HEADER_LENGTH);
        encode(&mut packet[HEADER_LENGTH..HEADER_LENGTH + length]);
        self.finish(packet, length)
    }

    /// The audio of a tick, which `encode` fills in. Then [`Outbound::poll_packet`] until it gives nothing.
    pub fn push(&mut self, encode: impl FnOnce(&mut [u8])) {
        let before = self.waiting.len();
        self.waiting.resize(before + self.format.codec.frame(), 0);
        encode(&mut self.waiting[before..]);
    }

    /// The next packet that is ready, written to `packet`: its length.
    pub fn poll_packet(&mut self, packet: &mut [u8; MAX_PACKET]) -> Option<usize> {
        if self.keys.is_active() && !self.waiting.is_empty() {
            return self.poll_key(packet);
        }
        if self.waiting.len() < self.length {
            return None;
        }
        packet.get_mut(HEADER_LENGTH..HEADER_LENGTH + self.length)?.copy_from_slice(&self.waiting[..self.length]);
        self.waiting.drain(..self.length);
        Some(self.finish(packet, self.length))
    }

    /// A key takes the place of the audio of this tick.
    fn poll_key(&mut self, packet: &mut [u8; MAX_PACKET]) -> Option<usize> {
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(self.waiting.len() as u32);
        self.waiting.clear();
        self.marker = true;
        let key = self.keys.tick(timestamp)?;
        let payload = key.event.to_bytes();
        packet.get_mut(HEADER_LENGTH..HEADER_LENGTH + payload.len())?.copy_from_slice(&payload);
        self.header.write(key.marker, self.dtmf_payload_type?, key.timestamp, packet);
        self.packets += 1;
        self.octets += payload.len() as u64;
        Some(HEADER_LENGTH + payload.len())
    }

    fn finish(&mut self, packet: &mut [u8; MAX_PACKET], length: usize) -> usize {
        self.header.write(std::mem::take(&mut self.marker), self.format.payload_type, self.timestamp, packet);
        self.timestamp = self.timestamp.wrapping_add(length as u32);
        self.packets += 1;
        self.octets += length as u64;
        HEADER_LENGTH + length
    }
}

fn length(media: &LegMedia) -> usize {
    let ms = if (10..=MAX_PTIME_MS).contains(&media.ptime_ms) { media.ptime_ms } else { 20 };
    media.format.codec.clock_rate() as usize * usize::from(ms) / 1000
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;
    use crate::media::{Codec, rtp::Packet};

    fn outbound(ptime_ms: u8, dtmf: Option<u8>) -> Outbound {
        let mut media = LegMedia::new(([192, 0, 2, 1], 4000).into(), Codec::Pcmu.format());
        (media.ptime_ms, media.dtmf_payload_type) = (ptime_ms, dtmf);
        Outbound::new(&media, &mut ChaCha12Rng::from_seed([9; 32]))
    }

    /// What 120 ms of audio, one code per tick, look like on the wire: time stamp from the start, length, marker.
    fn sent(outbound: &mut Outbound) -> Vec<(u32, usize, bool)> {
        let start = outbound.sent().timestamp;
        let mut packets = Vec::new();
        let mut expected = None;
        for tick in 0..6u8 {
            let mut packet = [0; MAX_PACKET];
            let mut take = |bytes: &[u8]| {
                let read = Packet::parse(bytes).unwrap();
                assert!(expected.is_none_or(|expected| read.sequence == expected), "numbers follow each other");
                expected = Some(read.sequence.wrapping_add(1));
                packets.push((read.timestamp.wrapping_sub(start), read.payload.len(), read.marker));
            };
            if outbound.takes_frames() {
                let length = outbound.write_frame(&mut packet, |payload| payload.fill(tick));
                take(&packet[..length]);
                continue;
            }
            outbound.push(|payload| payload.fill(tick));
            while let Some(length) = outbound.poll_packet(&mut packet) {
                take(&packet[..length]);
            }
        }
        packets
    }

    #[test]
    fn packets_are_as_long_as_was_negotiated() {
        let times = |length: u32| -> Vec<_> { (0..960 / length).map(|i| (i * length, length as usize, i == 0)).collect() };
        assert_eq!(sent(&mut outbound(20, None)), times(160));
        assert_eq!(sent(&mut outbound(10, None)), times(80));
        assert_eq!(sent(&mut outbound(30, None)), times(240));
        assert_eq!(sent(&mut outbound(60, None)), times(480));
        assert_eq!(sent(&mut outbound(200, None)), times(160), "too long is taken as 20 ms");
    }

    #[test]
    fn a_key_takes_the_place_of_audio_and_keeps_its_time_stamp() {
        let mut outbound = outbound(20, Some(101));
        assert_eq!(outbound.press("7"), 1);
        let shown = sent(&mut outbound);
        assert_eq!(shown, [(0, 4, true), (0, 4, false), (0, 4, false), (0, 4, false), (0, 4, false), (0, 4, false)]);
        assert_eq!(sent(&mut outbound)[0], (0u32.wrapping_sub(960), 4, false), "the third end");
    }

    #[test]
    fn keys_are_dropped_where_they_were_not_negotiated() {
        assert_eq!(outbound(20, None).press("123"), 0);
    }

    #[test]
    fn time_goes_on_while_nothing_may_be_sent() {
        let mut outbound = outbound(20, None);
        let start = outbound.sent().timestamp;
        sent(&mut outbound);
        outbound.skip();
        outbound.skip();
        assert_eq!(outbound.sent().timestamp.wrapping_sub(start), 8 * 160);
        assert_eq!(sent(&mut outbound)[0], (0, 160, true), "with the marker");
        assert_eq!(outbound.sent().packets, 12);
    }
}
