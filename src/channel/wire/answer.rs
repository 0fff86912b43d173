//! What the relay tells terminals, in JSON. Members that are not known are ignored, so that later versions may add some.

use serde::{Deserialize, Serialize};

use super::{
    ChannelKey,
    refusal::{Reason, cut},
};
use crate::channel::{ChannelNumber, Nameplate, Peer};

/// Most addresses of a relay.
pub const MAX_ADDRESSES: usize = 8;
/// Longest address of a relay, in bytes: a name of 255, a colon, a port.
pub const MAX_ADDRESS: usize = 261;

/// `allocated`: a channel (step 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocated {
    /// Its number.
    pub channel: ChannelNumber,
    /// Where it is, `host:port` or `tls://host:port` ([`address`](super::address)), in order of preference; at most [`MAX_ADDRESSES`].
    pub addresses: Vec<String>,
    /// What admits to it.
    pub key: ChannelKey,
    /// Seconds for which it may stay unused.
    pub expires: u32,
    /// The nameplate, where one was wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nameplate: Option<Nameplate>,
}

/// `met`: a terminal is there that letters can be exchanged with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// Its number: 0 for the sender, a seat in a channel, or a number of the meeting.
    pub peer: Peer,
    /// The number in the meeting of one that has now a seat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Peer>,
}

/// `entered`: the channel (step 6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entered {
    /// The own seat; 0 for the sender.
    pub seat: Peer,
    /// All seats that are taken, in order, the own one included.
    pub present: Vec<Peer>,
}

/// `pace`: a receiver takes less than the sender sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Which receiver.
    pub seat: Peer,
    /// Milliseconds of the last second that bytes waited for it.
    pub waiting: u32,
}

/// `gone`: a terminal is no longer there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Which.
    pub peer: Peer,
    /// For programs.
    pub reason: Reason,
    /// For people. As the other side wrote it: not yet safe for a terminal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

impl Gone {
    /// A notice; the text is cut to [`super::refusal::MAX_TEXT`].
    pub fn new(peer: Peer, reason: Reason, text: impl Into<String>) -> Self {
        Self { peer, reason, text: cut(text) }
    }
}
