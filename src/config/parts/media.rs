//! Media.

use std::net::IpAddr;

use crate::{
    config::{
        schema::section,
        value::{CodecName, Count, PortRange, Threads},
    },
    media::Codec,
};

section! {
    /// Media, for the role ms.
    pub struct Media {
        /// UDP ports for RTP and RTCP: a pair for each participant.
        ports: PortRange = PortRange::Range { first: 20_000, last: 29_999 },
        /// Addresses that media is received on and that SDP names, best first; without any, those that SIP is listened for on.
        addresses: Vec<IpAddr> = Vec::new(),
        /// Codecs, best first.
        codecs: Vec<CodecName> = vec![CodecName(Codec::Pcmu), CodecName(Codec::Pcma)],
        /// Send media to where the first valid packet came from instead of where the SDP says, and (role as) requests in a call to where
        /// its messages come from instead of to the Contact: for participants behind NAT.
        latch: bool = false,
        /// Media threads.
        threads: Threads = Threads(None),
        /// Most conferences that are mixed at once; one more is answered 503.
        max_conferences: Count<1, 100_000> = Count::of(4096),
        /// Most participants in all; one more is answered 503.
        max_participants: Count<1, 100_000> = Count::of(10_000),
    }
}
