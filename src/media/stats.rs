//! What is counted for each leg and each terminal.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// The counters of one leg. All of them count from the opening of the leg.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LegStats {
    /// Valid audio packets received.
    pub packets_in: u64,
    /// Payload bytes of these.
    pub octets_in: u64,
    /// RTP packets sent.
    pub packets_out: u64,
    /// Payload bytes of these.
    pub octets_out: u64,
    /// Packets that could not be handed to the network.
    pub send_errors: u64,
    /// Packets lost on the way to us: expected less received (RFC 3550 §6.4.1); negative where duplicates outweigh losses.
    pub lost: i64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that overtook others.
    pub reordered: u64,
    /// Audio made up by loss concealment.
    pub concealed: Duration,
    /// Datagrams from an address that is not the peer's.
    pub strangers: u64,
    /// Datagrams that are not RTP.
    pub malformed: u64,
    /// RTP packets of a payload type that was not negotiated.
    pub unknown_payload: u64,
    /// Times the peer's SSRC changed or its sequence or clock jumped.
    pub restarts: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// How long audio waits in the playout buffer now.
    pub delay: Duration,
    /// When the last valid packet came.
    pub last_rtp: Option<Instant>,
    /// Where we send to now.
    pub remote: Option<SocketAddr>,
    /// The peer's SSRC.
    pub ssrc: Option<u32>,
    /// Share of our packets that the peer reports as lost in its last interval, 0 to 1.
    pub remote_loss: Option<f32>,
    /// Jitter that the peer reports.
    pub remote_jitter: Option<Duration>,
    /// Round trip measured by RTCP (RFC 3550 §6.4.1, LSR and DLSR).
    pub round_trip: Option<Duration>,
    /// Level of what the leg said in the last tick, dB relative to a full-scale sine; `None` for digital silence.
    pub level_dbfs: Option<f32>,
}
