//! Whose packets are heard: the address rule of a leg (symmetric RTP, RFC 4961, for peers behind NAT).
//!
//! Without latching only the address of the SDP is heard. With it, the address of the SDP is believed at once and any other after a few packets in
//! sequence; whoever was believed first stays, and everyone else is a stranger, until he has been silent for [`RELATCH_AFTER`].
//! An attacker who knows the port can therefore take a leg that latches only while its owner does not send; SRTP is the remedy.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// How long a latched source must have been silent before another may take its place.
pub const RELATCH_AFTER: Duration = Duration::from_secs(2);

/// What the address of a packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The peer.
    Peer,
    /// It may become the peer once its packets prove valid.
    Candidate,
    /// Not the peer: to be ignored.
    Stranger,
}

/// The address rule of one leg.
#[derive(Debug, Clone)]
pub struct Latch {
    signalled: SocketAddr,
    open: bool,
    latched: Option<SocketAddr>,
    last_heard: Option<Instant>,
}

impl Latch {
    /// Only `signalled` is heard, or with `open` whoever comes first.
    pub fn new(signalled: SocketAddr, open: bool) -> Self {
        Self { signalled: canonical(signalled), open, latched: None, last_heard: None }
    }

    /// A new offer or answer: an address that did not change keeps what was latched.
    pub fn signal(&mut self, signalled: SocketAddr, open: bool) {
        if canonical(signalled) != self.signalled || !open {
            *self = Self::new(signalled, open);
        }
        self.open = open;
    }

    /// Where to send: to whom we hear, else where signalling said. `None` for an address that cannot be sent to (a hold in the manner of RFC 2543).
    pub fn remote(&self) -> Option<SocketAddr> {
        let remote = self.latched.unwrap_or(self.signalled);
        (remote.port() != 0 && !remote.ip().is_unspecified()).then_some(remote)
    }

    /// True when this is the peer's host, for reports that come from another port than the media.
    pub fn is_peer_host(&self, from: SocketAddr) -> bool {
        canonical(from).ip() == self.latched.unwrap_or(self.signalled).ip()
    }

    /// Judges a sender.
    pub fn judge(&self, now: Instant, from: SocketAddr) -> Sender {
        let from = canonical(from);
        if !self.open {
            return if from == self.signalled { Sender::Peer } else { Sender::Stranger };
        }
        match self.latched {
            Some(latched) if latched == from => Sender::Peer,
            Some(_) if self.last_heard.is_some_and(|heard| now.saturating_duration_since(heard) < RELATCH_AFTER) => Sender::Stranger,
            _ if from == self.signalled => Sender::Peer,
            _ => Sender::Candidate,
        }
    }

    /// A valid packet came from here.
    pub fn heard(&mut self, now: Instant, from: SocketAddr) {
        self.last_heard = Some(now);
        if self.open {
            self.latched = Some(canonical(from));
        }
    }
}

/// An IPv4 address in IPv6 clothes is the same address.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn without_latching_only_the_signalled_address_is_heard() {
        let now = crate::clock::now();
        let latch = Latch::new(at(4000), false);
        assert_eq!(latch.judge(now, at(4000)), Sender::Peer);
        assert_eq!(latch.judge(now, "[::ffff:192.0.2.1]:4000".parse().unwrap()), Sender::Peer);
        assert_eq!(latch.judge(now, at(4001)), Sender::Stranger);
        assert_eq!(latch.remote(), Some(at(4000)));
    }

    #[test]
    fn the_first_valid_source_stays_until_it_is_silent() {
        let now = crate::clock::now();
        let mut latch = Latch::new(at(4000), true);
        assert_eq!(latch.judge(now, at(5000)), Sender::Candidate);
        latch.heard(now, at(5000));
        assert_eq!(latch.remote(), Some(at(5000)));
        assert_eq!(latch.judge(now + RELATCH_AFTER / 2, at(6000)), Sender::Stranger);
        assert_eq!(latch.judge(now + RELATCH_AFTER / 2, at(4000)), Sender::Stranger, "not even the signalled one");
        assert_eq!(latch.judge(now + RELATCH_AFTER, at(6000)), Sender::Candidate);
        assert_eq!(latch.judge(now + RELATCH_AFTER, at(4000)), Sender::Peer);
        latch.heard(now + RELATCH_AFTER, at(6000));
        assert_eq!(latch.remote(), Some(at(6000)));
    }

    #[test]
    fn a_new_offer_keeps_what_was_latched_unless_the_address_changed() {
        let now = crate::clock::now();
        let mut latch = Latch::new(at(4000), true);
        latch.heard(now, at(5000));
        latch.signal(at(4000), true);
        assert_eq!(latch.remote(), Some(at(5000)));
        latch.signal(at(4400), true);
        assert_eq!(latch.remote(), Some(at(4400)));
        assert_eq!(latch.judge(now, at(4400)), Sender::Peer);
    }

    #[test]
    fn nothing_is_sent_to_a_held_address() {
        assert_eq!(Latch::new(SocketAddr::from(([0, 0, 0, 0], 4000)), true).remote(), None);
        assert_eq!(Latch::new(at(0), true).remote(), None);
    }
}
