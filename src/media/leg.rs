//! What a leg of a mix is told from above: its names, where its media comes from and goes to, and its place in the mix.

use std::{fmt, net::SocketAddr, sync::Arc};

use super::codec::Format;

/// The name of a room: the `<id>` of `sip:conf=<id>@ms` (RFC 4240 §5).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(Arc<str>);

impl RoomId {
    /// A room of this name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One leg of one plane; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leg-{}", self.0)
    }
}

/// Which ways the media of a leg flows, as we see it (the answer's direction where we answered; RFC 3264 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// We send and receive.
    #[default]
    SendReceive,
    /// We only send.
    SendOnly,
    /// We only receive.
    ReceiveOnly,
    /// Neither: held on both sides.
    Inactive,
}

impl Direction {
    /// True where we send.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendReceive | Self::SendOnly)
    }

    /// True where we receive.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendReceive | Self::ReceiveOnly)
    }
}

/// What signalling agreed for the media of a leg. Given again after each re-INVITE: what did not change goes on unbroken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegMedia {
    /// Where the peer's SDP says that RTP goes. An unspecified address or port 0 (a hold in the manner of RFC 2543): nothing is sent there.
    pub remote_rtp: SocketAddr,
    /// Where RTCP goes (`a=rtcp`, RFC 3605); `None` for the port above the RTP port.
    pub remote_rtcp: Option<SocketAddr>,
    /// What we send.
    pub format: Format,
    /// What we take: every format that was negotiated. [`LegMedia::format`] is taken in any case, so this may be empty;
    /// at most [`MAX_FORMATS`], the rest are ignored. Comfort noise (payload type 13) is always taken.
    pub accepts: Vec<Format>,
    /// Payload type of the telephone-events (RFC 4733) that we send, at the clock rate of the codec; `None` where they were not negotiated.
    pub dtmf_payload_type: Option<u8>,
    /// Payload type of those that the peer sends; `None` for the same.
    pub dtmf_accepts: Option<u8>,
    /// Which ways the media flows.
    pub direction: Direction,
    /// Milliseconds of audio in each packet that we send, 10 to 60; anything else is taken as 20.
    pub ptime_ms: u8,
    /// True: behind NAT the media may come from, and is then sent to, another address than the SDP's (symmetric RTP, RFC 4961): the first valid
    /// source is kept until it has been silent for [`super::latch::RELATCH_AFTER`]. False: only [`LegMedia::remote_rtp`] is heard.
    pub latch: bool,
}

/// Most receive formats kept per leg.
pub const MAX_FORMATS: usize = 8;

impl LegMedia {
    /// Both ways, 20 ms, `format` only, no telephone-event, no latching.
    pub fn new(remote_rtp: SocketAddr, format: Format) -> Self {
        Self {
            remote_rtp,
            remote_rtcp: None,
            format,
            accepts: Vec::new(),
            dtmf_payload_type: None,
            dtmf_accepts: None,
            direction: Direction::SendReceive,
            ptime_ms: 20,
            latch: false,
        }
    }
}

/// A leg's place in the mix. A leg that was just opened is parked with everything else off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mix {
    /// True: in the mix ("full" of RFC 5022). False: parked: neither heard nor hearing, but prompts to the leg and its digits work.
    pub joined: bool,
    /// Not heard by the others.
    pub mute: bool,
    /// Does not hear the others (prompts to the leg itself are heard).
    pub deaf: bool,
    /// Gain of what the leg says, in dB, clamped to [`super::level::MAX_GAIN_DB`] both ways; the least of it means silence.
    pub gain_in_db: i8,
    /// Gain of what the leg hears, likewise.
    pub gain_out_db: i8,
}

impl Mix {
    /// Parked: the state after opening.
    pub const PARKED: Self = Self { joined: false, mute: false, deaf: false, gain_in_db: 0, gain_out_db: 0 };
    /// In the mix, heard and hearing, at unchanged volume.
    pub const FULL: Self = Self { joined: true, mute: false, deaf: false, gain_in_db: 0, gain_out_db: 0 };
}
