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

    /// When a timer that begins now fires: at once where it does not run.
    pub(super) fn deadline(&self, now: Instant, timer: Timer, reliable: bool) -> Instant {
        now + self.of(timer, reliable).unwrap_or_default()
    }
}

/// The shortest interval between retransmissions, whatever the configuration says: it is what keeps a zero from becoming a storm.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

/// A running retransmission timer (A, E, G).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeat {
    /// When it fires.
    pub at: Instant,
    /// How long it will have been running by then.
    interval: Duration,
}

impl Repeat {
    /// Begins a timer; `None` where it does not run.
    pub fn begin(now: Instant, timers: &Timers, timer: Timer, reliable: bool) -> Option<Self> {
        timers.of(timer, reliable).map(|interval| Self::again(now, interval))
    }

    /// The next round, twice as long.
    pub fn doubled(self, now: Instant) -> Self {
        Self::again(now, self.interval.saturating_mul(2))
    }

    /// The next round, twice as long but no longer than `cap`.
    pub fn doubled_up_to(self, now: Instant, cap: Duration) -> Self {
        Self::again(now, self.interval.saturating_mul(2).min(cap))
    }

    /// The next round, of a given length.
    pub fn again(now: Instant, interval: Duration) -> Self {
        let interval = interval.max(SHORTEST_INTERVAL);
        Self { at: now + interval, interval }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_table_4() {
        let timers = Timers::default();
        let ms = |timer, reliable| timers.of(timer, reliable).map(|value| value.as_millis());
        let table: Vec<_> = Timer::ALL.iter().map(|t| (t.to_string(), ms(*t, false), ms(*t, true))).collect();
        let row = |name: &str, udp, stream| (name.to_owned(), Some(udp), stream);
        assert_eq!(
            table,
            [
                row("A", 500, None),
                row("B", 32_000, Some(32_000)),
                row("D", 32_000, Some(0)),
                row("E", 500, None),
                row("F", 32_000, Some(32_000)),
                row("G", 500, None),
                row("H", 32_000, Some(32_000)),
                row("I", 5_000, Some(0)),
                row("J", 32_000, Some(0)),
                row("K", 5_000, Some(0)),
                row("L", 32_000, Some(32_000)),
                row("M", 32_000, Some(32_000)),
                row("100", 200, Some(200)),
            ]
        );
    }

    #[test]
    fn another_t1_moves_everything_that_is_made_of_it_and_nothing_else() {
        let (old, new) = (Timers::default(), Timers { t1: Duration::from_secs(1), ..Timers::default() });
        let moved: String = Timer::ALL.iter().filter(|t| old.of(**t, false) != new.of(**t, false)).map(Timer::to_string).collect();
        assert_eq!(moved, "ABEFGHJLM");
    }

    #[test]
    fn a_timer_set_by_itself_moves_no_other() {
        let mut timers = Timers::default();
        timers.own.insert((Timer::H, false), Duration::from_secs(1));
        assert_eq!(timers.of(Timer::H, false), Some(Duration::from_secs(1)));
        assert_eq!(timers.of(Timer::H, true), Some(Duration::from_secs(32)));
        assert_eq!(timers.of(Timer::B, false), Some(Duration::from_secs(32)));
    }
}
