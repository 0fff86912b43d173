//! What terminals ask of the relay, in JSON. Members that are not known are ignored, so that later versions may add some.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{
    Proof, Role,
    proof::Challenge,
    refusal::{Reason, cut},
};
use crate::channel::{ChannelNumber, Nameplate, Peer, Place};

/// Most receivers of a channel.
pub const MAX_RECEIVERS: u8 = 16;
/// Most data connections of a sender in a channel: their indices are below it.
pub const MAX_STREAMS: u8 = 16;
/// Longest ticket, in bytes.
pub const MAX_TICKET: usize = 4096;
/// Longest name of a peer in an application, in bytes.
pub const MAX_PEER: usize = 256;
/// Longest kind of file in an application, in bytes.
pub const MAX_KIND: usize = 64;

/// `apply`: for a channel (step 2: both identities, the applicant's credential, the kind of file).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apply {
    /// The applicant's credential, got by signing in; none where it applies anonymously. At most [`MAX_TICKET`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    /// Who the channel is with, if known. At most [`MAX_PEER`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// The kind of file. At most [`MAX_KIND`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Most receivers at once, 1 to [`MAX_RECEIVERS`].
    #[serde(default = "one")]
    pub receivers: u8,
    /// Whether a nameplate is wanted, and which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nameplate: Option<Wanted>,
}

/// The action of the ticket that a terminal applies with: it is good on the connection with this challenge, and on no other.
pub fn ticket_action(challenge: &Challenge) -> String {
    challenge.iter().fold(String::from("apply:"), |mut action, byte| {
        // Writing to a String does not fail.
        let _ = write!(action, "{byte:02x}");
        action
    })
}

/// A credential as it is sent; not shown in Debug.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(pub String);

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ticket(…)")
    }
}

/// Which nameplate is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Wanted {
    /// `true`: the smallest that is free. `false`: none.
    Any(bool),
    /// This one.
    This(Nameplate),
}

/// `meet`: at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meet {
    /// Where.
    pub place: Place,
    /// As what.
    pub role: Role,
    /// To wait where nobody is there yet.
    #[serde(default, skip_serializing_if = "is_false")]
    pub wait: bool,
}

/// `enter`: a channel (step 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enter {
    /// Which.
    pub channel: ChannelNumber,
    /// As what.
    pub role: Role,
    /// That the terminal has the channel key.
    pub proof: Proof,
    /// The seat of a receiver that comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Peer>,
}

/// `join`: with a data connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// Which channel.
    pub channel: ChannelNumber,
    /// The terminal's seat there; 0 for the sender.
    pub seat: Peer,
    /// Index of the data connection, below [`MAX_STREAMS`]: the sender's goes to the receivers' of the same index.
    pub stream: u8,
    /// That the terminal has the channel key.
    pub proof: Proof,
    /// From the sender: the seats that these bytes are for; none means those that are taken now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<Peer>,
}

/// `leave`: the clean end, told to the others as `gone`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// For programs; one of a terminal's own.
    pub reason: Reason,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

impl Leave {
    /// A farewell; the text is cut to [`super::refusal::MAX_TEXT`].
    pub fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self { reason, text: cut(text) }
    }
}

fn one() -> u8 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}
