//! The receiving half of a leg or terminal: which datagrams are the peer's audio, and what it says this tick.
//!
//! A datagram passes the address rule ([`super::latch`]), the header checks ([`super::rtp`]) and the source's own ([`super::source`]) before it
//! reaches the playout. Whatever fails is counted and forgotten: strangers, noise, unknown payload types and second sources never disturb
//! the stream that is heard.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    codec::{COMFORT_NOISE, Codec, Format},
    dtmf::{self, Digit},
    jitter::Arrival,
    latch::{Latch, Sender},
    leg::{LegMedia, MAX_FORMATS},
    playout::{Frame, Playout},
    rtp::Packet,
    source::{Source, Verdict},
    stats::LegStats,
};

/// Sources on probation at once; the one unheard for the longest gives way.
const MAX_CANDIDATES: usize = 4;

/// The receiving half.
#[derive(Debug)]
pub struct Inbound {
    latch: Latch,
    receives: bool,
    /// In place, not behind a pointer: looked at for every packet.
    formats: [Option<Format>; MAX_FORMATS],
    dtmf_payload_type: Option<u8>,
    current: Option<Peer>,
    candidates: Vec<Peer>,
    playout: Playout,
    events: dtmf::Receiver,
    counters: Counters,
}

#[derive(Debug, Clone)]
struct Peer {
    address: SocketAddr,
    source: Source,
    heard: Instant,
}

#[derive(Debug, Default)]
struct Counters {
    packets: u64,
    octets: u64,
    strangers: u64,
    malformed: u64,
    unknown_payload: u64,
    restarts: u64,
    concealed: u64,
    lost_before: i64,
    last_rtp: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Audio(Codec),
    Event,
    ComfortNoise,
}

impl Inbound {
    /// What was negotiated.
    pub fn new(media: &LegMedia) -> Self {
        let codec = media.format.codec;
        Self {
            latch: Latch::new(media.remote_rtp, media.latch),
            receives: media.direction.receives(),
            formats: formats(media),
            dtmf_payload_type: media.dtmf_accepts.or(media.dtmf_payload_type),
            current: None,
            candidates: Vec::new(),
            playout: Playout::new(codec),
            events: dtmf::Receiver::new(codec.clock_rate()),
            counters: Counters::default(),
        }
    }

    /// What was negotiated anew: what did not change goes on unbroken.
    pub fn renegotiate(&mut self, media: &LegMedia) {
        self.latch.signal(media.remote_rtp, media.latch);
        self.receives = media.direction.receives();
        self.formats = formats(media);
        self.dtmf_payload_type = media.dtmf_accepts.or(media.dtmf_payload_type);
    }

    /// Where to send.
    pub fn remote(&self) -> Option<SocketAddr> {
        self.latch.remote()
    }

    /// True for an address on the peer's host.
    pub fn is_peer_host(&self, from: SocketAddr) -> bool {
        self.latch.is_peer_host(from)
    }

    /// The source that is heard, for reports.
    pub fn source(&mut self) -> Option<&mut Source> {
        self.current.as_mut().map(|peer| &mut peer.source)
    }

    /// When the last valid packet came.
    pub fn last_rtp(&self) -> Option<Instant> {
        self.counters.last_rtp
    }

    /// Takes a datagram that was read at `now` and arrived at `arrival`. Gives a digit when it tells of one.
    pub fn receive(&mut self, now: Instant, arrival: Instant, from: SocketAddr, datagram: &[u8]) -> Option<Digit> {
        if !self.receives {
            return None;
        }
        let sender = match &self.current {
            // The usual case, without a comparison of more than the address.
            Some(peer) if peer.address == from && self.latch.remote() == Some(from) => Sender::Peer,
            _ => self.latch.judge(now, from),
        };
        if sender == Sender::Stranger {
            self.counters.strangers += 1;
            return None;
        }
        let Ok(packet) = Packet::parse(datagram) else {
            self.counters.malformed += 1;
            return None;
        };
        let kind = self.kind(&packet);
        let known = self.current.as_ref().is_some_and(|peer| peer.address == from && peer.source.ssrc() == packet.ssrc);
        if !known && (kind.is_none() || !self.admit(now, sender, from, &packet)) {
            self.counters.unknown_payload += u64::from(kind.is_none());
            return None;
        }
        let peer = self.current.as_mut()?;
        let verdict = if known { peer.source.receive(packet.sequence) } else { Verdict::Restarted(i64::from(packet.sequence)) };
        let sequence = match verdict {
            Verdict::Valid(sequence) => sequence,
            Verdict::Restarted(sequence) => {
                self.playout.reset();
                self.events.reset();
                self.counters.restarts += u64::from(known);
                sequence
            }
            Verdict::Doubtful => return None,
        };
        if known {
            // A source that goes on is no longer in question.
            self.candidates.retain(|candidate| candidate.address != from);
        }
        peer.heard = now;
        self.latch.heard(now, from);
        let Some(kind) = kind else {
            self.counters.unknown_payload += 1;
            return None;
        };
        self.counters.last_rtp = Some(now);
        self.take(now, arrival, kind, sequence, &packet)
    }

    /// The digit whose end was lost, once its time is over. To be asked now and then.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Digit> {
        self.events.handle_timeout(now)
    }

    /// What the peer says this tick.
    pub fn pull(&mut self) -> Frame<'_> {
        let frame = self.playout.pull();
        self.counters.concealed += frame.concealed as u64;
        frame
    }

    /// What [`Inbound::pull`] gave last.
    pub fn frame(&self) -> &[i16] {
        self.playout.frame()
    }

    /// The counters of this half.
    pub fn count_into(&self, stats: &mut LegStats) {
        let (counters, jitter) = (&self.counters, self.playout.counters());
        let rate = self.formats[0].map_or(8000, |format| format.codec.sample_rate());
        let time = |samples: u64| Duration::from_secs_f64(samples as f64 / f64::from(rate));
        stats.packets_in = counters.packets;
        stats.octets_in = counters.octets;
        stats.lost = counters.lost_before + self.current.as_ref().map_or(0, |peer| peer.source.lost());
        stats.late = jitter.late;
        stats.duplicates = jitter.duplicates;
        stats.reordered = jitter.reordered;
        stats.concealed = time(counters.concealed);
        stats.strangers = counters.strangers;
        stats.malformed = counters.malformed;
        stats.unknown_payload = counters.unknown_payload;
        stats.restarts = counters.restarts + jitter.reseated;
        stats.jitter = self.current.as_ref().map_or(Duration::ZERO, |peer| peer.source.jitter());
        stats.delay = time(self.playout.buffered() as u64);
        stats.last_rtp = counters.last_rtp;
        stats.remote = self.latch.remote();
        stats.ssrc = self.current.as_ref().map(|peer| peer.source.ssrc());
    }

    fn kind(&self, packet: &Packet<'_>) -> Option<Kind> {
        if Some(packet.payload_type) == self.dtmf_payload_type {
            return Some(Kind::Event);
        }
        match self.formats.iter().flatten().find(|format| format.payload_type == packet.payload_type) {
            Some(format) => Some(Kind::Audio(format.codec)),
            None => (packet.payload_type == COMFORT_NOISE).then_some(Kind::ComfortNoise),
        }
    }

    /// Whether a packet from another source than the current one makes that source the current one.
    fn admit(&mut self, now: Instant, sender: Sender, from: SocketAddr, packet: &Packet<'_>) -> bool {
        let clock_rate = self.formats[0].map_or(8000, |format| format.codec.clock_rate());
        if self.current.is_none() && sender == Sender::Peer {
            let mut source = Source::new(packet.ssrc, packet.sequence, clock_rate, true, now);
            source.receive(packet.sequence);
            self.install(Peer { address: from, source, heard: now });
            return true;
        }
        let place = self.candidates.iter().position(|candidate| candidate.address == from && candidate.source.ssrc() == packet.ssrc);
        let Some(place) = place else {
            let mut source = Source::new(packet.ssrc, packet.sequence, clock_rate, false, now);
            source.receive(packet.sequence);
            if self.candidates.len() >= MAX_CANDIDATES {
                let oldest = (0..self.candidates.len()).min_by_key(|&at| self.candidates[at].heard);
                oldest.map(|at| self.candidates.swap_remove(at));
            }
            self.candidates.push(Peer { address: from, source, heard: now });
            self.counters.strangers += u64::from(sender == Sender::Candidate);
            return false;
        };
        let candidate = &mut self.candidates[place];
        candidate.heard = now;
        if !matches!(candidate.source.receive(packet.sequence), Verdict::Valid(_)) {
            self.counters.strangers += u64::from(sender == Sender::Candidate);
            return false;
        }
        let peer = self.candidates.swap_remove(place);
        self.install(peer);
        true
    }

    fn install(&mut self, peer: Peer) {
        self.candidates.clear();
        if let Some(before) = self.current.replace(peer) {
            self.counters.lost_before += before.source.lost();
            self.counters.restarts += 1;
        }
    }

    fn take(&mut self, now: Instant, arrival: Instant, kind: Kind, sequence: i64, packet: &Packet<'_>) -> Option<Digit> {
        match kind {
            Kind::Audio(codec) => {
                if codec.samples_in(packet.payload) == 0 {
                    self.counters.malformed += 1;
                    return None;
                }
                self.counters.packets += 1;
                self.counters.octets += packet.payload.len() as u64;
                if let Some(peer) = &mut self.current {
                    peer.source.measure(packet.timestamp, arrival);
                }
                self.playout.push(Arrival { sequence, timestamp: packet.timestamp, codec, payload: packet.payload });
                None
            }
            Kind::Event => {
                self.playout.pause(sequence);
                let event = dtmf::Event::parse(packet.payload);
                self.counters.malformed += u64::from(event.is_none());
                event.and_then(|event| self.events.receive(now, packet.timestamp, event))
            }
            Kind::ComfortNoise => {
                self.playout.pause(sequence);
                None
            }
        }
    }
}

fn formats(media: &LegMedia) -> [Option<Format>; MAX_FORMATS] {
    let mut others = media.accepts.iter().filter(|&&format| format != media.format).copied();
    std::array::from_fn(|place| if place == 0 { Some(media.format) } else { others.next() })
}

#[cfg(test)]
mod tests;
