//! Handles and the values that go with them.

use bytes::Bytes;

use super::Credentials;
use crate::sip::{
    Hop,
    message::{Method, NameAddr, Uri},
};

/// An INVITE dialog usage: one call leg from the INVITE to `Ended`. Numbers are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Call(pub(super) u64);

/// A request that waits for `respond`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incoming(pub(super) u64);

/// A request that we sent, outside INVITE and SUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outgoing(pub(super) u64);

/// A subscription, as notifier or as subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subscription(pub(super) u64);

/// A body and its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Content-Type with its parameters.
    pub content_type: String,
    /// Content.
    pub bytes: Bytes,
}

impl Body {
    /// A body.
    pub fn new(content_type: &str, bytes: impl Into<Bytes>) -> Self {
        Self { content_type: content_type.to_owned(), bytes: bytes.into() }
    }

    /// A session description.
    pub fn sdp(bytes: impl Into<Bytes>) -> Self {
        Self::new("application/sdp", bytes)
    }

    /// A session description, as opposed to what else an INVITE may carry (a control body, a PIN).
    pub(super) fn is_sdp(&self) -> bool {
        self.content_type.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case("application/sdp"))
    }
}

/// An outgoing call.
#[derive(Debug, Clone)]
pub struct Invite {
    /// Request-URI.
    pub uri: Uri,
    /// To, without a tag.
    pub to: NameAddr,
    /// From, without a tag.
    pub from: NameAddr,
    /// Contact; see [`Endpoint::contact`](super::Endpoint::contact).
    pub contact: NameAddr,
    /// Where to send it.
    pub hop: Hop,
    /// A route set known beforehand (RFC 3261 §8.1.2), such as an outbound proxy.
    pub route: Vec<NameAddr>,
    /// Further header fields.
    pub headers: Vec<(String, String)>,
    /// Body; without one the peer is asked for an offer.
    pub body: Option<Body>,
    /// Credentials for a 401 or 407, of this request and of all in its dialog.
    pub credentials: Option<Credentials>,
}

/// A request outside any dialog: REGISTER, OPTIONS, MESSAGE, …
#[derive(Debug, Clone)]
pub struct OutOfDialog {
    /// Any method but INVITE, ACK, BYE, CANCEL and SUBSCRIBE.
    pub method: Method,
    /// Request-URI.
    pub uri: Uri,
    /// To, without a tag.
    pub to: NameAddr,
    /// From, without a tag.
    pub from: NameAddr,
    /// Contact, where the method wants one. Several, or `*`, go into `headers`.
    pub contact: Option<NameAddr>,
    /// Where to send it.
    pub hop: Hop,
    /// A route set known beforehand.
    pub route: Vec<NameAddr>,
    /// Call-ID and CSeq to go on from (RFC 3261 §10.2: a client's REGISTERs share a Call-ID); `None` makes new ones.
    pub sequence: Option<Sequence>,
    /// Further header fields.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Option<Body>,
    /// Credentials for a 401 or 407.
    pub credentials: Option<Credentials>,
}

/// A Call-ID that several requests outside a dialog share, and the CSeq number of the next. A challenge may use up two
/// more numbers: go on from the CSeq of the response plus one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Call-ID.
    pub call_id: String,
    /// CSeq number.
    pub cseq: u32,
}

/// A subscription of ours.
#[derive(Debug, Clone)]
pub struct Subscribe {
    /// Request-URI.
    pub uri: Uri,
    /// To, without a tag.
    pub to: NameAddr,
    /// From, without a tag.
    pub from: NameAddr,
    /// Contact.
    pub contact: NameAddr,
    /// Where to send it.
    pub hop: Hop,
    /// A route set known beforehand.
    pub route: Vec<NameAddr>,
    /// Event package, such as `conference`.
    pub event: String,
    /// Seconds asked for; 0 fetches the state once.
    pub expires: u32,
    /// Media types of the state that are taken.
    pub accept: Vec<String>,
    /// Further header fields.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Option<Body>,
    /// Credentials for a 401 or 407.
    pub credentials: Option<Credentials>,
}

/// What a NOTIFY says of its subscription (RFC 6665 §4.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionState {
    /// It lasts, with the rest of its time in `expires`.
    Active,
    /// It lasts, and has not been authorised yet.
    Pending,
    /// It is over.
    Terminated {
        /// `deactivated`, `probation`, `rejected`, `timeout`, `giveup`, `noresource`, `invariant`.
        reason: String,
        /// Seconds to wait before another SUBSCRIBE.
        retry_after: Option<u32>,
    },
}

/// What is known of the other side of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    /// Its address: From of its requests, without the tag.
    pub address: NameAddr,
    /// Its Contact, as last refreshed.
    pub contact: Option<NameAddr>,
    /// Where its messages last came from, or where ours go.
    pub hop: Hop,
    /// Call-ID of the dialog.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// Its tag, once known.
    pub remote_tag: Option<String>,
    /// INFO packages it takes (Recv-Info); `None` when it said nothing, as clients before RFC 6086 do.
    pub recv_info: Option<Vec<String>>,
    /// Methods it takes; `None` when it said nothing.
    pub allow: Option<Vec<Method>>,
    /// True when its Contact says `isfocus` (RFC 4579).
    pub focus: bool,
    /// User-Agent or Server.
    pub user_agent: Option<String>,
}

/// Why something could not be done. Ours or the caller's fault, never the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// A bound of [`Limits`](super::Limits) is reached.
    #[error("the endpoint is at its limit")]
    Full,
    /// The call or subscription is over, or not yet (or no longer) where this can be done.
    #[error("the call is not in a state for this")]
    State,
}
