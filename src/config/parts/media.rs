//! Media.

use std::net::IpAddr;

use crate::{
    config::{
        schema::section,
        value::{CodecName, Count, PortRange, Threads, Until},
    },
    media::Codec,
};

section! {
    /// Media, for the role ms.
    pub struct Media {
        /// UDP ports for RTP and RTCP: a pair for each participant.
        ports: PortRange = PortRange::Range { first: 20_000, last: 29_999 },
        /// Address that media is received on and that the SDP names; the one that the call arrived at if there is none.
        address: Option<IpAddr> = None,
        /// Codecs, best first.
        codecs: Vec<CodecName> = vec![CodecName(Codec::Pcmu), CodecName(Codec::Pcma)],
        /// Send media to where the first valid packet came from instead of where the SDP says: for participants behind NAT.
        latch: bool = false,
        /// After this time without a packet a participant that should send counts as silent.
        silence_timeout: Until<1000, 3_600_000> = Until::of_millis(30_000),
        /// Media threads.
        threads: Threads = Threads(None),
        /// Most rooms at once.
        max_rooms: Count<1, 100_000> = Count::of(4096),
        /// Most participants of one room.
        max_room: Count<1, 100_000> = Count::of(4096),
    }
}
