//! Relay channels.

use crate::{
    account::PublicKey,
    channel::relay::Anonymous,
    config::{
        schema::section,
        value::{Count, RelayAddress, Size, Span},
    },
};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

section! {
    /// Relay channels, for the role relay: files that go from terminal to terminal while they are being read. Nothing of them is kept.
    pub struct Relay {
        /// What terminals are told to reach the relay by instead of its addresses, such as relay.example:7420, or tls://relay.example:7420 for a listener with tls, the best first. Without a port, that of the listener.
        advertise: Vec<RelayAddress> = Vec::new(),
        /// Who may have a channel without an account: loopback (terminals on this machine), everybody, or nobody. Receiving needs no account.
        anonymous: Anonymous = Anonymous::Loopback,
        /// What tickets are verified with where the role as runs elsewhere: the ticket-key of its /.well-known/confkit.
        ticket_key: Option<PublicKey> = None,
        /// Most channels at once; one more is refused.
        channels: Count<1, 1_000_000> = Count::of(4096),
        /// Most channels at once of one user, or of one address without an account.
        channels_per_user: Count<1, 100_000> = Count::of(64),
        /// Most applications for channels a minute of one user, or of one address without an account.
        applications_per_minute: Count<1, 100_000> = Count::of(60),
        /// Most connections at once: two of each terminal in a channel, one of each that waits. One more is closed at once.
        connections: Count<4, 1_000_000> = Count::of(8192),
        /// Most connections at once of one address (one IPv6 /64).
        connections_per_address: Count<4, 1_000_000> = Count::of(1024),
        /// Most memory for bytes on their way: each data connection takes 16KiB, and up to 1MiB as long as there is some left.
        memory: Size = Size::of(256 << 20),
        /// How long whoever connects may take to its first request.
        handshake_timeout: Span<100, { 5 * MINUTE }> = Span::of_millis(10 * SECOND),
        /// How long a channel may be without anybody in it.
        unused: Span<SECOND, HOUR> = Span::of_millis(60 * SECOND),
        /// How long a code may wait for its receiver.
        waiting: Span<SECOND, { 31 * 24 * HOUR }> = Span::of_millis(24 * HOUR),
        /// How long one of several receivers may hold the others back before it is left behind, one that reads nothing may keep its sender from being read, and one at a nameplate may say nothing to the sender there.
        patience: Span<SECOND, HOUR> = Span::of_millis(30 * SECOND),
    }
}
