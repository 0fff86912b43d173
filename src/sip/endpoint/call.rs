//! The state of a call.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{Body, Ending, Reason, dialogs::DialogKey, session_timer::SessionTimer};
use crate::sip::{
    Hop, digest,
    message::{Headers, Method, NameAddr, Request, Response},
    transaction::{ClientKey, ServerKey},
};

/// Which end of the dialog we are. The caller owns the Call-ID (RFC 3261 §14.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Caller,
    Callee,
}

/// Where a call is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Ours, without a final response.
    Calling,
    /// The peer's, without a final response.
    Ringing,
    /// Answered.
    Up,
    /// Our BYE is on its way.
    Closing(Ending),
}

/// An INVITE of ours under way, up to our ACK.
#[derive(Debug)]
pub(super) struct ClientInvite {
    pub what: What,
    pub seq: u32,
    pub key: ClientKey,
    pub body: Option<Body>,
    pub state: ClientState,
    pub cancel: Cancel,
}

/// What an INVITE of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Initial,
    Reinvite { tries: u8 },
    Refresh,
}

/// How far an INVITE of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientState {
    /// Nothing came yet.
    Calling,
    /// A provisional response came.
    Proceeding,
    /// A 2xx came, and the owner has not said `ack`.
    Accepted,
}

/// Whether an INVITE of ours is being taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cancel {
    No,
    /// Wanted, but no provisional response came yet (§9.1).
    Wanted(Option<Reason>),
    Sent,
}

/// An INVITE of the peer under way, up to its ACK.
#[derive(Debug)]
pub(super) struct ServerInvite {
    pub key: ServerKey,
    pub request: Request,
    pub initial: bool,
    pub state: ServerState,
}

/// How far an INVITE of the peer is.
#[derive(Debug)]
pub(super) enum ServerState {
    /// The owner has not given a final response. Holds its last provisional one, and whether a 100 was sent.
    Waiting { provisional: Option<Response>, trying: bool },
    /// Answered 2xx, which is repeated until the ACK comes.
    Answered { response: Response, interval: Duration },
}

/// A re-INVITE that waits for its turn.
#[derive(Debug)]
pub(super) struct WaitingReinvite {
    pub body: Option<Body>,
    pub tries: u8,
    pub not_before: Option<Instant>,
}

/// A request of the owner that waits for its turn.
#[derive(Debug)]
pub(super) struct WaitingRequest {
    pub outgoing: u64,
    pub method: Method,
    pub headers: Vec<(String, String)>,
    pub body: Option<Body>,
}

/// What the peer has said of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub contact: Option<NameAddr>,
    pub recv_info: Option<Vec<String>>,
    pub allow: Option<Vec<Method>>,
    pub user_agent: Option<String>,
}

/// A call: one INVITE usage.
#[derive(Debug)]
pub(super) struct CallState {
    pub side: Side,
    pub stage: Stage,
    /// The dialog: the callee's from the start, the caller's from the 2xx.
    pub dialog: Option<DialogKey>,
    /// The caller's early dialogs.
    pub early: Vec<DialogKey>,
    pub call_id: String,
    pub local_tag: String,
    /// The other side, without a tag.
    pub remote: NameAddr,
    pub contact: NameAddr,
    pub hop: Hop,
    pub auth: Option<digest::Client>,
    pub said: Said,
    pub client: Option<ClientInvite>,
    pub server: Option<ServerInvite>,
    pub reinvites: VecDeque<WaitingReinvite>,
    pub requests: VecDeque<WaitingRequest>,
    /// The owner's request that the next one waits for.
    pub requesting: Option<u64>,
    pub session: SessionTimer,
    /// A BYE that waits for the ACK to our 2xx (§15).
    pub bye_wanted: Option<(Ending, Vec<(String, String)>)>,
    /// A probe is on its way.
    pub probing: bool,
}

impl CallState {
    /// True when a re-INVITE of ours may be sent now (§14.1): none of either side is under way, and no request that it could overtake.
    pub fn may_reinvite(&self) -> bool {
        let idle = self.client.is_none() && self.server.is_none() && self.requesting.is_none();
        self.stage == Stage::Up && idle && self.bye_wanted.is_none()
    }

    /// True when no request of ours is under way that the next one could overtake: what the peer has answered, it has numbered.
    pub fn may_request(&self) -> bool {
        let inviting = self.client.as_ref().is_some_and(|client| client.state == ClientState::Calling);
        self.requesting.is_none() && !inviting && !self.probing
    }
}

impl ServerInvite {
    /// True while the owner has not given a final response.
    pub fn waits(&self) -> bool {
        matches!(self.state, ServerState::Waiting { .. })
    }
}

impl Said {
    /// Takes note of what a message of the peer says of it; what it does not mention stays.
    pub fn note(&mut self, headers: &Headers) {
        if let Some(contact) = headers.all("Contact").find_map(|value| value.parse().ok()) {
            self.contact = Some(contact);
        }
        if headers.get("Recv-Info").is_some() {
            self.recv_info = Some(headers.tokens("Recv-Info").map(package_name).take(64).collect());
        }
        if headers.get("Allow").is_some() {
            self.allow = Some(headers.tokens("Allow").map(Method::from_token).take(64).collect());
        }
        if let Some(agent) = headers.get("User-Agent").or_else(|| headers.get("Server")) {
            self.user_agent = Some(agent.to_owned());
        }
    }
}

/// An INFO package without its parameters (RFC 6086 §8.3).
pub(super) fn package_name(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
