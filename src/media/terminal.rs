//! The media of a terminal: a microphone, an ear, and one leg between them and a peer.
//!
//! Driven like a mixer: [`Terminal::receive`] for what came, [`Terminal::tick`] every 20 ms, [`Terminal::poll_packet`] until it gives nothing. What was heard is
//! measured all along; [`Terminal::snapshot`] copies the measurements, and turning them into a report can be done elsewhere.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

use super::{
    Clip, LegMedia, LegStats,
    codec::Codec,
    ear::Ear,
    inbound::Inbound,
    mixer::Port,
    outbound::{MAX_PACKET, Outbound},
    rtcp,
    tone::Generator,
};

pub use super::ear::{Heard, Report, Snapshot};

/// Most digits kept for the report; later ones are not.
pub const MAX_DIGITS: usize = 256;

/// What a terminal says.
#[derive(Debug, Clone, PartialEq)]
pub enum Mic {
    /// Nothing: packets of silence.
    Silence,
    /// A steady tone.
    Tone {
        /// Hertz.
        frequency: f32,
        /// Level, in dB relative to a full-scale sine.
        level_dbfs: f32,
    },
    /// A recording; silence behind it unless it is repeated.
    Clip {
        /// What.
        clip: Clip,
        /// Again and again.
        repeat: bool,
    },
}

/// One terminal's media.
#[derive(Debug)]
pub struct Terminal {
    rng: ChaCha12Rng,
    moment: (Instant, SystemTime),
    mic: Source,
    call: Option<Call>,
    ear: Ear,
    digits: String,
    packet: [u8; MAX_PACKET],
    frame: Vec<i16>,
    stage: Stage,
}

#[derive(Debug)]
struct Call {
    media: LegMedia,
    inbound: Inbound,
    outbound: Outbound,
    reports: rtcp::Session,
    ended: bool,
}

#[derive(Debug)]
enum Source {
    Silence,
    Tone(Generator),
    Clip { clip: Clip, at: usize, repeat: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Frame,
    More,
    Report,
    Done,
}

impl Terminal {
    /// A terminal that says nothing to nobody. `now` and `wall` are the same moment on the two clocks.
    pub fn new(now: Instant, wall: SystemTime, seed: [u8; 32]) -> Self {
        Self {
            rng: ChaCha12Rng::from_seed(seed),
            moment: (now, wall),
            mic: Source::Silence,
            call: None,
            ear: Ear::new(Codec::Pcmu.sample_rate()),
            digits: String::new(),
            packet: [0; MAX_PACKET],
            frame: Vec::new(),
            stage: Stage::Done,
        }
    }

    /// What was negotiated, at first or anew.
    pub fn start(&mut self, now: Instant, media: LegMedia) {
        if let Some(call) = &mut self.call {
            call.inbound.renegotiate(&media);
            call.outbound.renegotiate(&media);
            call.media = media;
            return;
        }
        let wall = self.moment.1 + now.saturating_duration_since(self.moment.0);
        let reports = rtcp::Session::new(now, wall, media.format.codec.clock_rate(), ChaCha12Rng::from_seed(self.rng.random()));
        let (inbound, outbound) = (Inbound::new(&media), Outbound::new(&media, &mut self.rng));
        self.call = Some(Call { media, inbound, outbound, reports, ended: false });
    }

    /// Another microphone, from its beginning.
    pub fn set_mic(&mut self, mic: Mic) {
        self.mic = match mic {
            Mic::Silence => Source::Silence,
            Mic::Tone { frequency, level_dbfs } => Source::Tone(Generator::endless(frequency, level_dbfs, Clip::RATE)),
            Mic::Clip { clip, repeat } => Source::Clip { clip, at: 0, repeat },
        };
    }

    /// True when the microphone has nothing more to say: a clip that is not repeated has been played.
    pub fn mic_is_over(&self) -> bool {
        matches!(&self.mic, Source::Clip { clip, at, repeat: false } if *at >= clip.0.len())
    }

    /// Queues keys to be sent as telephone-events; tells how many were taken (none without a call that negotiated them).
    pub fn send_digits(&mut self, digits: &str) -> usize {
        self.call.as_mut().map_or(0, |call| call.outbound.press(digits))
    }

    /// True when the microphone has come to its end and no key waits; never for a tone, for a clip that is repeated, or for silence.
    pub fn has_said_all(&self) -> bool {
        self.mic_is_over() && !self.is_sending_digits()
    }

    /// True while keys are being sent.
    pub fn is_sending_digits(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.outbound.is_pressing())
    }

    /// Takes a datagram from the RTP port, read at `now`, arrived at `arrival`.
    pub fn receive(&mut self, now: Instant, arrival: Instant, from: SocketAddr, datagram: &[u8]) {
        let Some(call) = &mut self.call else { return };
        if let Some(digit) = call.inbound.receive(now, arrival, from, datagram) {
            self.note_digit(digit.key);
        }
    }

    /// Takes a datagram from the RTCP port.
    pub fn receive_report(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        if let Some(call) = &mut self.call
            && call.inbound.is_peer_host(from)
        {
            // Garbage shows as reports that are missing.
            let _ = call.reports.receive(now, call.outbound.sent().ssrc, datagram);
        }
    }

    /// Ticks that the shell had to leave out: the time of what is sent goes on.
    pub fn skip(&mut self, ticks: u32) {
        if let Some(call) = &mut self.call {
            (0..ticks).for_each(|_| call.outbound.skip());
        }
    }

    /// A tick of 20 ms: what is heard in it, for a recording. Nothing before the call.
    pub fn tick(&mut self, now: Instant) -> &[i16] {
        self.stage = Stage::Frame;
        let Some(call) = &mut self.call else { return &[] };
        let digit = call.inbound.handle_timeout(now);
        let frame = call.inbound.pull();
        self.ear.hear(frame.samples);
        if let Some(digit) = digit {
            self.note_digit(digit.key);
        }
        self.call.as_ref().map_or(&[], |call| call.inbound.frame())
    }

    /// The next packet of this tick: from which port, where to, its bytes.
    pub fn poll_packet(&mut self, now: Instant) -> Option<(Port, SocketAddr, &[u8])> {
        loop {
            let made = match self.stage {
                Stage::Frame => {
                    self.stage = Stage::More;
                    self.speak()
                }
                Stage::More => {
                    let more = self.more();
                    if more.is_none() {
                        self.stage = Stage::Report;
                    }
                    more
                }
                Stage::Report => {
                    self.stage = Stage::Done;
                    self.report(now)
                }
                Stage::Done => return None,
            };
            if let Some((port, to, length)) = made {
                return Some((port, to, &self.packet[..length]));
            }
        }
    }

    /// Ends the call: the next packet is the good-bye, and no other follows.
    pub fn stop(&mut self) {
        if let Some(call) = &mut self.call {
            call.ended = true;
            self.stage = Stage::Report;
        }
    }

    /// What was heard and counted so far.
    pub fn snapshot(&self) -> Snapshot {
        let mut stats = LegStats::default();
        if let Some(call) = &self.call {
            call.inbound.count_into(&mut stats);
            let (sent, told) = (call.outbound.sent(), call.reports.told());
            (stats.packets_out, stats.octets_out) = (sent.packets, sent.octets);
            (stats.remote_loss, stats.remote_jitter, stats.round_trip) = (told.loss, told.jitter, told.round_trip);
        }
        self.ear.snapshot(stats, self.digits.clone())
    }

    fn note_digit(&mut self, key: char) {
        if self.digits.len() < MAX_DIGITS {
            self.digits.push(key);
        }
    }

    fn speak(&mut self) -> Option<(Port, SocketAddr, usize)> {
        let call = self.call.as_mut().filter(|call| !call.ended)?;
        let codec = call.outbound.format().codec;
        self.frame.resize(codec.frame(), 0);
        self.mic.fill(&mut self.frame);
        let Some(to) = call.inbound.remote().filter(|_| call.media.direction.sends()) else {
            call.outbound.skip();
            return None;
        };
        if call.outbound.takes_frames() {
            let length = call.outbound.write_frame(&mut self.packet, |payload| codec.encode(&self.frame, payload));
            return Some((Port::Media, to, length));
        }
        call.outbound.push(|payload| codec.encode(&self.frame, payload));
        None
    }

    fn more(&mut self) -> Option<(Port, SocketAddr, usize)> {
        let call = self.call.as_mut()?;
        let length = call.outbound.poll_packet(&mut self.packet)?;
        Some((Port::Media, call.inbound.remote()?, length))
    }

    fn report(&mut self, now: Instant) -> Option<(Port, SocketAddr, usize)> {
        let call = self.call.as_mut()?;
        let media = call.inbound.remote()?;
        let to = call.media.remote_rtcp.or_else(|| Some(SocketAddr::new(media.ip(), media.port().checked_add(1)?)))?;
        let sent = call.outbound.sent();
        let report = if call.ended {
            let bye = call.reports.goodbye(sent);
            self.call = None;
            bye
        } else if call.reports.next_timeout() <= now {
            call.reports.report(now, sent, call.inbound.source())
        } else {
            return None;
        };
        self.packet.get_mut(..report.len())?.copy_from_slice(&report);
        Some((Port::Reports, to, report.len()))
    }
}

impl Source {
    fn fill(&mut self, frame: &mut [i16]) {
        match self {
            Self::Silence => frame.fill(0),
            Self::Tone(generator) => frame.iter_mut().zip(generator).for_each(|(sample, made)| *sample = made),
            Self::Clip { clip, at, repeat } => {
                for sample in frame {
                    if *repeat && *at >= clip.0.len() {
                        *at = 0;
                    }
                    *sample = clip.0.get(*at).copied().unwrap_or(0);
                    *at = (*at + 1).min(clip.0.len());
                }
            }
        }
    }
}

/// How long a number of samples of a terminal lasts.
pub(super) fn time_of(samples: u64, rate: u32) -> Duration {
    Duration::from_secs_f64(samples as f64 / f64::from(rate))
}

#[cfg(test)]
mod tests;
