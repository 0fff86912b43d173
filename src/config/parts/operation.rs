//! Bounds, log, trace, stopping.

use std::path::PathBuf;

use crate::config::{
    schema::section,
    value::{Count, LogFormat, Span, Text},
};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

section! {
    /// Bounds. What exceeds one is refused with an answer that says so (503 with Retry-After for calls); what is running goes on.
    pub struct Limits {
        /// Calls at once, in any state.
        calls: Count<1, 1_000_000> = Count::of(20_000),
        /// Subscriptions at once.
        subscriptions: Count<1, 1_000_000> = Count::of(20_000),
        /// Requests from outside, beside calls, that wait for their answer or are remembered for late copies. At the bound, the one that was
        /// answered first is forgotten.
        requests: Count<64, 1_000_000> = Count::of(40_000),
        /// Registered contacts of one user.
        contacts_per_user: Count<1, 64> = Count::of(10),
        /// Registered contacts in all.
        contacts: Count<1, 1_000_000> = Count::of(10_000),
        /// SIP connections at once.
        connections: Count<1, 100_000> = Count::of(4096),
        /// SIP connections from one address (of IPv6: one /64).
        connections_per_address: Count<1, 100_000> = Count::of(1024),
        /// How long a SIP connection may say nothing at first, or take for its TLS handshake; then it is closed.
        connection_first_byte: Span<100, { 10 * MINUTE }> = Span::of_millis(15 * SECOND),
        /// How long a message on a SIP connection may take from its first byte to its last; then the connection is closed.
        connection_message: Span<100, { 10 * MINUTE }> = Span::of_millis(20 * SECOND),
        /// How long a SIP connection may be silent in both directions; then it is closed. Longer than sip.session_expires, so that calls keep
        /// their connections.
        connection_idle: Span<SECOND, { 24 * 60 * MINUTE }> = Span::of_millis(2000 * SECOND),
        /// How long the other end of a SIP connection may take none of what it is sent; then it is closed.
        connection_write: Span<100, { 10 * MINUTE }> = Span::of_millis(20 * SECOND),
    }
}

section! {
    /// The log, on standard error.
    pub struct Log {
        /// What is logged: a level (error, warn, info, debug, trace), or levels per part such as `warn,confkit::sip=debug`.
        filter: Text = Text("warn,confkit=info".to_owned()),
        /// How: human on a terminal and json otherwise (auto), or always the one.
        format: LogFormat = LogFormat::Auto,
    }
}

section! {
    /// A record of every SIP message.
    pub struct TraceSip {
        /// File for a ladder that people read; a capture for Wireshark is written beside it, with .pcap behind its name.
        file: Option<PathBuf> = None,
        /// Leave digests, PINs and keys readable instead of masking them.
        secrets: bool = false,
    }
}

section! {
    /// Stopping on SIGTERM.
    pub struct Stop {
        /// How long calls get to end after their BYE, and transfers to finish.
        grace: Span<0, 3_600_000> = Span::of_millis(10_000),
    }
}
