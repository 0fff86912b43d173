//! What two users say to each other by instant message before they have a channel: `application/vnd.confkit.transfer+xml`, namespace
//! `urn:confkit:transfer:1`, in a MESSAGE (RFC 3428) by way of the AS.
//!
//! | body | who says it | step of CN101150595A |
//! |---|---|---|
//! | [`Offer`] | sender | 1 |
//! | [`Accepted`] | receiver, where the sender applies | 2 of the second embodiment |
//! | [`Declined`] | receiver | – |
//! | [`Channel`] | whoever has applied | 4 |
//! | [`Cancelled`] | either | – |
//!
//! Every body is below [`MAX_BODY`] and names its transfer. Names of files are in none of them: they travel in the sealed session
//! ([`super::letter`]). What is signed, and with what, is in [`crate::channel::agreement`]; here it is only carried. A later version may add
//! attributes and elements, which are not looked at.

mod read;
mod write;

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{ChannelKey, address, pass::TransferId};
use crate::{
    account::{PublicKey, Signature},
    channel::ChannelNumber,
    conference::wire::{XmlError, words::words},
    id::UserName,
};

/// Content type of these bodies.
pub const CONTENT_TYPE: &str = "application/vnd.confkit.transfer+xml";
/// XML namespace of every element.
pub const NAMESPACE: &str = "urn:confkit:transfer:1";
/// The feature tag (RFC 3840) with which a terminal registers that understands these bodies.
pub const FEATURE_TAG: &str = "+confkit.channel";
/// Longest body, in bytes: a MESSAGE with it stays below the 1,300 of RFC 3428 §8 but for its header. A longer one is not read.
pub const MAX_BODY: usize = 1200;
/// Longest text for people, in bytes. A longer one is cut when written, and refused when read.
pub const MAX_TEXT: usize = 256;
/// Longest kind of file, in bytes.
pub const MAX_KIND: usize = 64;
/// Most bytes of all addresses of a [`Channel`]; those that would go beyond are left out by [`Grant::cut`].
pub const MAX_TOLD: usize = 512;
/// Most addresses of a [`Channel`].
pub const MAX_ADDRESSES: usize = 4;

/// One body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Step 1.
    Offer(Offer),
    /// Step 2 of the second embodiment.
    Accepted(Accepted),
    /// The offer is not taken.
    Declined(Declined),
    /// Step 4.
    Channel(Channel),
    /// Whoever sent it goes on no further.
    Cancelled(Cancelled),
}

/// Which side applies to the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Applies {
    /// First embodiment.
    Receiver,
    /// Second embodiment.
    Sender,
}

/// An offer of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The transfer.
    pub transfer: TransferId,
    /// Who offers.
    pub from: UserName,
    /// To whom.
    pub to: UserName,
    /// Files and folders.
    pub count: u32,
    /// Bytes of all; none where not known yet.
    pub size: Option<u64>,
    /// What it is: a word or a media type ([`is_kind`]).
    pub kind: String,
    /// Who is to apply.
    pub applies: Applies,
    /// The sender's ephemeral key.
    pub share: Share,
    /// The sender's identity key.
    pub identity: PublicKey,
    /// The sender's.
    pub signature: Signature,
}

/// The offer is taken; the sender is to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The transfer.
    pub transfer: TransferId,
    /// The receiver's ephemeral key.
    pub share: Share,
    /// The receiver's identity key.
    pub identity: PublicKey,
    /// The receiver's.
    pub signature: Signature,
}

/// The offer is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declined {
    /// The transfer.
    pub transfer: TransferId,
    /// For programs.
    pub reason: DeclineReason,
    /// For people. As the other side wrote it: not yet safe for a terminal.
    pub text: String,
}

/// Why an offer is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeclineReason {
    /// The user does not want it.
    Refused,
    /// The user was asked and has said nothing.
    NoAnswer,
    /// Too many offers are waiting.
    Busy,
    /// The receiver applied, and got no channel.
    NoChannel,
    /// The sender's identity key is another than the one that the receiver knows.
    Identity,
    /// For a reason that this version does not know.
    Other,
}

/// A channel, from who has applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// The transfer.
    pub transfer: TransferId,
    /// The channel.
    pub grant: Grant,
    /// The receiver's keys, where it is the receiver that has applied.
    pub keys: Option<(Share, PublicKey)>,
    /// The signature of who says it.
    pub signature: Signature,
}

/// What the relay gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its number.
    pub number: ChannelNumber,
    /// Where the relay is, `host:port`, the best first.
    pub addresses: Vec<String>,
    /// What admits to it.
    pub key: ChannelKey,
}

/// Whoever sent it goes on no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancelled {
    /// The transfer.
    pub transfer: TransferId,
    /// For people. As the other side wrote it: not yet safe for a terminal.
    pub text: String,
}

/// An ephemeral key: the public half of an X25519 key (RFC 7748).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Share(pub [u8; 32]);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({self})")
    }
}

/// A text that is no ephemeral key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an ephemeral key is 32 bytes in base64url")]
pub struct ShareError;

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        if text.len() > MAX_TEXT {
            return Err(ShareError);
        }
        URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(ShareError)
    }
}

/// Why a body is not one of these. The sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// Longer than [`MAX_BODY`].
    #[error("the body is longer than {MAX_BODY} bytes")]
    TooLong,
    /// Not XML within the limits.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// XML of another kind.
    #[error("the body is no {NAMESPACE} document")]
    OtherDocument,
    /// Something is missing or odd.
    #[error("the body is malformed: {0}")]
    Malformed(String),
}

impl Body {
    /// Reads a body of this content type.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, TransferError> {
        read::body(bytes)
    }

    /// The body as XML, at most [`MAX_BODY`] bytes where its parts are within their bounds.
    pub fn to_xml(&self) -> String {
        write::body(self)
    }

    /// Which transfer it is about.
    pub fn transfer(&self) -> TransferId {
        match self {
            Self::Offer(Offer { transfer, .. })
            | Self::Accepted(Accepted { transfer, .. })
            | Self::Declined(Declined { transfer, .. })
            | Self::Channel(Channel { transfer, .. })
            | Self::Cancelled(Cancelled { transfer, .. }) => *transfer,
        }
    }

    /// Its element's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Offer(_) => "offer",
            Self::Accepted(_) => "accepted",
            Self::Declined(_) => "declined",
            Self::Channel(_) => "channel",
            Self::Cancelled(_) => "cancelled",
        }
    }
}

impl Grant {
    /// The same with as many of its addresses, from the best on, as a body has room for.
    #[must_use]
    pub fn cut(mut self) -> Self {
        let mut room = MAX_TOLD;
        let fits = |address: &&String| {
            let left = room.checked_sub(address.len()).filter(|_| is_address(address));
            room = left.unwrap_or_default();
            left.is_some()
        };
        let told = self.addresses.iter().take(MAX_ADDRESSES).take_while(fits).count();
        self.addresses.truncate(told);
        self
    }
}

/// True for what may stand as the kind of an offer: 1 to [`MAX_KIND`] lower-case letters, digits, and those signs that media types have.
pub fn is_kind(kind: &str) -> bool {
    let may = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/.+-".contains(&byte);
    (1..=MAX_KIND).contains(&kind.len()) && kind.bytes().all(may)
}

/// Whether it could be one, `host:port` or `[address]:port`, of either behind `tls://`; whether it is, shows when it is called.
fn is_address(told: &str) -> bool {
    let may = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]%".contains(&byte);
    let (_, place) = address::split(told);
    let Some((host, port)) = place.rsplit_once(':') else { return false };
    let whole = host.strip_prefix('[').map_or(!host.is_empty() && !host.contains([':', '[', ']']), |rest| rest.ends_with(']'));
    told.len() <= MAX_TOLD && place.bytes().all(may) && whole && port.parse::<u16>().is_ok_and(|port| port > 0)
}

words!(Applies { Receiver = "receiver", Sender = "sender" });
words!(DeclineReason {
    Refused = "refused",
    NoAnswer = "no-answer",
    Busy = "busy",
    NoChannel = "no-channel",
    Identity = "identity",
    Other = "other",
});
