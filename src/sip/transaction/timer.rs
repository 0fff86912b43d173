//! The timers of transactions (RFC 3261 table 4, RFC 6026 §8.11) as an enum and a table.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

/// A timer of the transaction layer. C is missing because only proxies have it.
///
/// | timer | value over UDP | over streams | machine and state | when it fires |
/// |---|---|---|---|---|
/// | A | T1, doubling without a cap | never | INVITE client, Calling | the INVITE is sent again |
/// | B | 64·T1 | 64·T1 | INVITE client, Calling | timed out |
/// | D | 32 s | 0 | INVITE client, Completed | ended |
/// | E | T1, doubling up to T2; T2 in Proceeding | never | non-INVITE client, Trying and Proceeding | the request is sent again |
/// | F | 64·T1 | 64·T1 | non-INVITE client, Trying and Proceeding | timed out |
/// | G | T1, doubling up to T2 | never | INVITE server, Completed | the response is sent again |
/// | H | 64·T1 | 64·T1 | INVITE server, Completed | no ACK came |
/// | I | T4 | 0 | INVITE server, Confirmed | ended |
/// | J | 64·T1 | 0 | non-INVITE server, Completed | ended |
/// | K | T4 | 0 | non-INVITE client, Completed | ended |
/// | L | 64·T1 | 64·T1 | INVITE server, Accepted | ended |
/// | M | 64·T1 | 64·T1 | INVITE client, Accepted | ended |
/// | 100 | 200 ms | 200 ms | INVITE server, Proceeding without any response | a 100 is sent (§17.2.1) |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the table above says what each letter is")]
pub enum Timer {
    A,
    B,
    D,
    E,
    F,
    G,
    H,
    I,
    J,
    K,
    L,
    M,
    /// The unnamed one of §17.2.1: a 100 when the user has said nothing for so long.
    Trying,
}

impl Timer {
    /// Every timer, in the order of the table.
    pub const ALL: [Self; 13] =
        [Self::A, Self::B, Self::D, Self::E, Self::F, Self::G, Self::H, Self::I, Self::J, Self::K, Self::L, Self::M, Self::Trying];
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trying => f.write_str("100"),
            lettered => fmt::Debug::fmt(lettered, f),
        }
    }
}

/// The values of all timers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timers {
    /// T1, the estimate of a round trip: 500 ms. A, E and G begin with it; B, F, H, J, L and M are 64 times it.
    pub t1: Duration,
    /// T2, the longest interval between retransmissions of a request other than INVITE, or of a response to an INVITE: 4 s.
    pub t2: Duration,
    /// T4, how long a message may stay in the network: 5 s. I and K.
    pub t4: Duration,
    /// Timer D over UDP: 32 s, and never less than that towards strangers, because it covers the peer's timer H.
    pub d: Duration,
    /// How long the user may keep silent on an INVITE before a 100 is sent: 200 ms.
    pub trying: Duration,
    /// Timers set by themselves, for UDP (`false`) or for streams (`true`), whatever the fields above say.
    pub own: BTreeMap<(Timer, bool), Duration>,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            d: Duration::from_secs(32),
            trying: Duration::from_millis(200),
            own: BTreeMap::new(),
        }
    }
}

impl Timers {
    /// A timer's first value, by whether the transport is reliable. `None` where the timer does not run.
    pub fn of(&self, timer: Timer, reliable: bool) -> Option<Duration> {
        if let Some(own) = self.own.get(&(timer, reliable)) {
            return Some(*own);
        }
        let unless_reliable = |value| if reliable { Duration::ZERO } else { value };
        match timer {
            Timer::A | Timer::E | Timer::G => (!reliable).then_some(self.t1),
            Timer::B | Timer::F | Timer::H | Timer::L | Timer::M => Some(self.give_up()),
            Timer::D => Some(unless_reliable(self.d)),
            Timer::I | Timer::K => Some(unless_reliable(self.t4)),
            Timer::J => Some(unless_reliable(self.give_up())),
            Timer::Trying => Some(self.trying),
        }
    }

    /// 64·T1: how long the protocol tries before it gives up.
    pub fn give_up(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// When a timer that begins now fires.
    pub(super) fn deadline(&self, now: Instant, timer: Timer, reliable: bool) -> Option<Instant> {
        self.of(timer, reliable).map(|value| now + value)
    }
}

/// A running retransmission timer (A, E, G).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeat {
    /// When it fires.
    pub at: Instant,
    /// How long it has been running by then.
    pub interval: Duration,
}

impl Repeat {
    /// Begins; `None` where the timer does not run.
    pub fn begin(now: Instant, interval: Option<Duration>) -> Option<Self> {
        interval.map(|interval| Self { at: now + interval, interval })
    }

    /// The next round, twice as long.
    pub fn doubled(self, now: Instant) -> Self {
        let interval = self.interval.saturating_mul(2);
        Self { at: now + interval, interval }
    }

    /// The next round, twice as long but no longer than `cap`.
    pub fn doubled_up_to(self, now: Instant, cap: Duration) -> Self {
        let interval = self.interval.saturating_mul(2).min(cap);
        Self { at: now + interval, interval }
    }
}
