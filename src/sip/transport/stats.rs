//! What a transport counts, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start, and gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TransportStats {
    /// Messages handed to the node.
    pub messages_in: u64,
    /// Messages written to a socket or stream.
    pub messages_out: u64,
    /// Datagrams dropped because the socket and our queue before it were full.
    pub datagrams_dropped: u64,
    /// Datagrams that held only a keep-alive, or nothing.
    pub keepalives: u64,
    /// ICMP errors that came back for datagrams of ours.
    pub icmp_errors: u64,
    /// Connections open now, in and out, those inside the process too.
    pub connections: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections closed at once because a bound was reached.
    pub refused: u64,
    /// Errors of the system when accepting, such as no free descriptor.
    pub accept_errors: u64,
    /// TLS handshakes that failed, in or out.
    pub handshakes_failed: u64,
    /// Connections closed because the other end was silent, slow to send or slow to take.
    pub timed_out: u64,
    /// Connections closed because what came could not be framed.
    pub unframed: u64,
    /// Messages that could not be sent.
    pub failed: u64,
}

/// The counters behind [`TransportStats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) messages_in: Counter,
    pub(super) messages_out: Counter,
    pub(super) datagrams_dropped: Counter,
    pub(super) keepalives: Counter,
    pub(super) icmp_errors: Counter,
    pub(super) accepted: Counter,
    pub(super) refused: Counter,
    pub(super) accept_errors: Counter,
    pub(super) handshakes_failed: Counter,
    pub(super) timed_out: Counter,
    pub(super) unframed: Counter,
    pub(super) failed: Counter,
}

/// A count that several tasks raise.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(super) fn snapshot(&self, connections: usize) -> TransportStats {
        TransportStats {
            messages_in: self.messages_in.read(),
            messages_out: self.messages_out.read(),
            datagrams_dropped: self.datagrams_dropped.read(),
            keepalives: self.keepalives.read(),
            icmp_errors: self.icmp_errors.read(),
            connections: connections as u64,
            accepted: self.accepted.read(),
            refused: self.refused.read(),
            accept_errors: self.accept_errors.read(),
            handshakes_failed: self.handshakes_failed.read(),
            timed_out: self.timed_out.read(),
            unframed: self.unframed.read(),
            failed: self.failed.read(),
        }
    }
}
