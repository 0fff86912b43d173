//! Codecs and payload formats (RFC 3551).
//!
//! PCMU and PCMA now. What depends on the codec asks it for its rate and its samples per packet, so that wide-band codecs
//! are added here and in the encoder and decoder, not everywhere.

use std::fmt;

use super::g711;

/// RTP payload type of comfort noise at 8 kHz (RFC 3389 §4, RFC 3551 §6).
pub const COMFORT_NOISE: u8 = 13;

/// Length of one tick of every mixer and terminal, in milliseconds: the default packet time of RFC 3551 §4.2.
pub const TICK_MS: u32 = 20;

/// An audio codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl Codec {
    /// Every codec, in the order in which we prefer them.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The encoding name of `a=rtpmap` (RFC 3551 §6).
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The codec of an encoding name (compared without case) and a clock rate in hertz; `None` for one that we do not have.
    pub fn from_name(name: &str, clock_rate: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name) && codec.clock_rate() == clock_rate)
    }

    /// The static payload type (RFC 3551 §6).
    pub fn static_payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// RTP clock rate in hertz. (Of G.722 it will be 8000 although its audio has 16000: RFC 3551 §4.5.2.)
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
        }
    }

    /// Audio sample rate in hertz.
    pub fn sample_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
        }
    }

    /// Samples of audio in one tick.
    pub fn frame(self) -> usize {
        (self.sample_rate() * TICK_MS / 1000) as usize
    }

    /// How many samples a payload holds; also the units by which the RTP clock advances.
    pub fn samples_in(self, payload: &[u8]) -> usize {
        match self {
            Self::Pcmu | Self::Pcma => payload.len(),
        }
    }

    /// Encodes samples; `payload` has the length that they take.
    pub fn encode(self, samples: &[i16], payload: &mut [u8]) {
        match self {
            Self::Pcmu => g711::encode_ulaw_all(samples, payload),
            Self::Pcma => g711::encode_alaw_all(samples, payload),
        }
    }

    /// Decodes a payload; `samples` has the length that it gives.
    pub fn decode(self, payload: &[u8], samples: &mut [i16]) {
        match self {
            Self::Pcmu => g711::decode_ulaw_all(payload, samples),
            Self::Pcma => g711::decode_alaw_all(payload, samples),
        }
    }

    /// The format of this codec under its static payload type.
    pub fn format(self) -> Format {
        Format { codec: self, payload_type: self.static_payload_type() }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A codec under a payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Format {
    /// Codec.
    pub codec: Codec,
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
}
