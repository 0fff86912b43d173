//! Shared files.

use std::net::IpAddr;

use crate::config::{
    schema::section,
    value::{Bandwidth, Count, MaxSize, PortRange, Size, Span},
};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

section! {
    /// Shared files, for the role fs. What is uploaded is kept in the folder fileshare of data_dir until its share ends.
    pub struct Files {
        /// TCP ports that terminals connect to: one for each share.
        ports: PortRange = PortRange::Range { first: 30_000, last: 30_999 },
        /// Addresses that terminals connect to and that SDP names, best first; without any, those that SIP is listened for on. Each is listened
        /// on with the port of the share.
        addresses: Vec<IpAddr> = Vec::new(),
        /// Addresses that SDP names instead of those that are listened on, best first: those of a gateway that passes the same ports on. Where it
        /// changes the addresses that terminals come from, behind_nat has to be set, too.
        advertise: Vec<IpAddr> = Vec::new(),
        /// TLS for the bytes, with a certificate made at the start whose fingerprint travels by SIP. Without it, plain TCP.
        tls: bool = true,
        /// Required without tls where terminals on other machines can connect.
        allow_plain: bool = false,
        /// Admit whoever proves its transfer key, from whatever address; otherwise it must connect from the address and port that it declared.
        behind_nat: bool = false,
        /// Most bytes a second of all connections of a share together, so that files do not starve the audio.
        share_bandwidth: Bandwidth = Bandwidth(None),
        /// Most bytes a second of each connection.
        member_bandwidth: Bandwidth = Bandwidth(None),
        /// Most shares at once; one more is answered 503.
        max_shares: Count<1, 100_000> = Count::of(1000),
        /// Most members of a share; one more is answered 503.
        max_members: Count<1, 10_000> = Count::of(1000),
        /// Most bytes of a share; a larger one is refused.
        max_bytes: Size = Size::of(1 << 40),
        /// Bytes that stay free on the disk of data_dir. A share that would leave fewer is refused before its first byte, one whose size nobody knows
        /// before (standard input) is stopped where it comes to it.
        min_free: Size = Size::of(256 << 20),
        /// Most bytes that all shares together hold on the disk, those included that were let in and are still to come; another share is refused.
        max_total: MaxSize = MaxSize(None),
        /// Most files, folders and links of a share; one with more is refused.
        max_entries: Count<1, 100_000> = Count::of(100_000),
        /// How long whoever connects may take to prove its transfer key; then it is closed.
        handshake_timeout: Span<100, { 5 * MINUTE }> = Span::of_millis(10 * SECOND),
        /// How long a connection is quiet before a sign of life is sent; after three times as long without one the other end is taken for gone.
        heartbeat: Span<SECOND, { 10 * MINUTE }> = Span::of_millis(10 * SECOND),
        /// How long nobody is connected to a share before its port is given back. Its bytes stay.
        idle: Span<SECOND, { 24 * 60 * MINUTE }> = Span::of_millis(2 * MINUTE),
        /// How long a broken upload or download is waited for; then it has failed.
        resume_window: Span<SECOND, { 24 * 60 * MINUTE }> = Span::of_millis(10 * MINUTE),
    }
}
