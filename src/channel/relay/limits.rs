//! What a relay is told before it starts, and what it bears.

use std::{num::NonZeroU32, time::Duration};

use crate::account::BackoffLimits;

/// Settings of a relay's machine.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Bounds.
    pub limits: Limits,
    /// Who may apply without a ticket.
    pub anonymous: Anonymous,
    /// Where terminals find the relay, `host:port`, in order of preference; what `allocated` names. At most
    /// [`crate::channel::wire::answer::MAX_ADDRESSES`] are told.
    pub addresses: Vec<String>,
}

/// Who may apply for a channel without a ticket. Receiving needs none in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Anonymous {
    /// Those on the relay's own host.
    #[default]
    Loopback,
    /// Everybody.
    Everybody,
    /// Nobody.
    Nobody,
}

/// Bounds of a relay.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most connections, control and data; one more is closed at once.
    pub connections: usize,
    /// Most connections of one address (one IPv6 /64); one more is closed at once.
    pub connections_per_address: usize,
    /// Most channels; an application beyond is refused with `no-capacity`.
    pub channels: usize,
    /// Most channels of one user, or of one address without an account; an application beyond is refused with `quota`.
    pub channels_per_user: usize,
    /// Applications a minute of one user, or of one address without an account, as many at once; beyond, `rate` with `retry`.
    pub applications_per_minute: NonZeroU32,
    /// Most users and addresses that are remembered who have no channel; the one that applied least recently makes room.
    pub applicants: usize,
    /// A connection has so long to its first whole request; then it is closed with `expired`.
    pub handshake: Duration,
    /// A channel, or a connection, that nobody uses is ended after so long, with `expired`.
    pub unused: Duration,
    /// Who waits at a place is sent away after so long, with `expired`.
    pub waiting: Duration,
    /// A control connection that has been silent for so long is asked for a sign of life.
    pub ping: Duration,
    /// A control connection that has been silent for so long is gone (`silent`).
    pub silent: Duration,
    /// A receiver that holds others back for so long is gone (`slow`).
    pub patience: Duration,
    /// Most frames that wait for a terminal; who sends to it then is read no further until half of them are written. One frame of each
    /// who sends may come on top.
    pub letters: usize,
    /// The same in bytes.
    pub letter_bytes: usize,
    /// How often an address may ask for places that are not there, and guess wrong.
    pub guesses: BackoffLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            connections_per_address: 1024,
            channels: 4096,
            channels_per_user: 64,
            applications_per_minute: const { NonZeroU32::new(60).expect("not zero") },
            applicants: 10_000,
            handshake: Duration::from_secs(10),
            unused: Duration::from_secs(60),
            waiting: Duration::from_secs(24 * 3600),
            ping: Duration::from_secs(5),
            silent: Duration::from_secs(15),
            patience: Duration::from_secs(30),
            letters: 16,
            letter_bytes: 1024 * 1024,
            guesses: BackoffLimits::default(),
        }
    }
}
