//! The conference event package's document (RFC 4575): `application/conference-info+xml`, full and partial.
//!
//! Written by the focus, read by `confctl watch` and by any other subscriber's software. What the RFC has no word for
//! (who talks, who is deaf, participant ids) stands in an element of ours, as its schema allows. Sidebars and host
//! information are out of scope: they are skipped when read. [`Coherent`] puts a subscriber's documents together (§4.6).

mod coherent;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use coherent::{Applied, Coherent};

use serde::Serialize;

use super::{Timestamp, XmlError};

/// Content type of these documents.
pub const CONTENT_TYPE: &str = "application/conference-info+xml";
/// XML namespace of RFC 4575.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:conference-info";
/// XML namespace of our extension element.
pub const EXTENSION_NAMESPACE: &str = "urn:confkit:conference:1";
/// Most users in a document that is read. More make it unreadable.
pub const MAX_USERS: usize = 4096;

/// What an element says about itself (§4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Everything there is.
    #[default]
    Full,
    /// What changed.
    Partial,
    /// It is gone.
    Deleted,
}

/// A document (§5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConferenceInfo {
    /// The conference's URI.
    pub entity: String,
    /// Full, partial, or deleted: the conference is over.
    pub state: State,
    /// Raised by one for each notification of a subscription that reports a change.
    pub version: u32,
    /// §5.3; always in a full document.
    pub description: Option<Description>,
    /// §5.5.
    pub conference_state: Option<ConferenceState>,
    /// §5.6; always in a full document.
    pub users: Option<Users>,
}

/// The conference as a whole (§5.3).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Description {
    /// Title.
    pub display_text: Option<String>,
    /// Subject.
    pub subject: Option<String>,
    /// URIs to take part by.
    pub conf_uris: Vec<String>,
    /// Most users.
    pub maximum_user_count: Option<u32>,
    /// Media that a participant can have.
    pub available_media: Vec<AvailableMedia>,
}

/// §5.3.4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AvailableMedia {
    /// Key, unique in the conference.
    pub label: String,
    /// `audio`, `video`, …
    pub kind: String,
    /// From the participants' point of view.
    pub status: Option<MediaStatus>,
}

/// §5.5.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ConferenceState {
    /// Participants.
    pub user_count: Option<u32>,
    /// Can be called.
    pub active: Option<bool>,
    /// Closed to newcomers.
    pub locked: Option<bool>,
}

/// §5.6.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Users {
    /// Whether these are all.
    pub state: State,
    /// Users; the key is `entity`.
    pub users: Vec<User>,
}

/// One participant (§5.6).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct User {
    /// Key: the user's URI.
    pub entity: String,
    /// Full, partial or deleted.
    pub state: State,
    /// Name, as the user gave it.
    pub display_text: Option<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Terminals; the key is `entity`.
    pub endpoints: Vec<Endpoint>,
}

/// One terminal of a participant (§5.7).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Endpoint {
    /// Key: the terminal's contact URI.
    pub entity: String,
    /// Full, partial or deleted.
    pub state: State,
    /// Name of the terminal.
    pub display_text: Option<String>,
    /// Who had this terminal brought in (§5.7.2).
    pub referred: Option<Execution>,
    /// Where its call stands (§5.7.3).
    pub status: Option<EndpointStatus>,
    /// How it came (§5.7.4).
    pub joining_method: Option<JoiningMethod>,
    /// When, why and by whom it came (§5.7.5).
    pub joining_info: Option<Execution>,
    /// How it went (§5.7.6).
    pub disconnection_method: Option<DisconnectionMethod>,
    /// When, why and by whom it went (§5.7.7).
    pub disconnection_info: Option<Execution>,
    /// Streams; the key is `id`.
    pub media: Vec<Media>,
    /// Ours: what the RFC has no word for.
    pub extension: Option<Extension>,
}

/// When, why and by whom (§5.7.2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Execution {
    /// When.
    pub when: Option<Timestamp>,
    /// Why, in the form of a Reason header.
    pub reason: Option<String>,
    /// By whom.
    pub by: Option<String>,
}

/// One stream (§5.8).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Media {
    /// Key.
    pub id: String,
    /// `audio`, `video`, …
    pub kind: Option<String>,
    /// The stream's label in [`Description::available_media`].
    pub label: Option<String>,
    /// SSRC of what the terminal sends.
    pub src_id: Option<String>,
    /// From the participant's point of view: a muted one has [`MediaStatus::RecvOnly`].
    pub status: Option<MediaStatus>,
}

/// Ours: `<participant xmlns="urn:confkit:conference:1" id="p3" talking="yes" …/>` inside an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Extension {
    /// The participant's id in control commands.
    pub id: String,
    /// Speaking now.
    pub talking: bool,
    /// The conference does not hear this participant.
    pub muted: bool,
    /// This participant does not hear the conference.
    pub deaf: bool,
}

/// §5.7.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the words are the RFC's")]
pub enum EndpointStatus {
    Pending,
    DialingOut,
    DialingIn,
    Alerting,
    OnHold,
    Connected,
    MutedViaFocus,
    Disconnecting,
    Disconnected,
}

/// §5.7.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the words are the RFC's")]
pub enum JoiningMethod {
    DialedIn,
    DialedOut,
    FocusOwner,
}

/// §5.7.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the words are the RFC's")]
pub enum DisconnectionMethod {
    Departed,
    Booted,
    Failed,
    Busy,
}

/// §5.8.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words are the RFC's")]
pub enum MediaStatus {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// Why a document cannot be used. The sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConferenceInfoError {
    /// Not XML within the limits.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// XML of another kind.
    #[error("the document is no conference-info of RFC 4575")]
    OtherDocument,
    /// Something required is missing or no value of its type.
    #[error("the document is malformed: {0}")]
    Malformed(String),
}

/// How a version of zero is printed.
const VERSION: &str = " version=\"0\"";

/// A document that was printed once and is sent with many versions.
#[derive(Debug, Clone)]
pub struct Printed {
    xml: String,
    /// Where the version's digit stands.
    at: usize,
}

impl Printed {
    /// The document of this version as XML.
    pub fn with_version(&self, version: u32) -> String {
        let (head, tail) = self.xml.split_at(self.at);
        format!("{head}{version}{}", tail.strip_prefix('0').unwrap_or(tail))
    }
}

impl ConferenceInfo {
    /// An empty document about a conference.
    pub fn new(entity: impl Into<String>, state: State, version: u32) -> Self {
        Self { entity: entity.into(), state, version, description: None, conference_state: None, users: None }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`ConferenceInfoError`] says what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConferenceInfoError> {
        read::document(bytes)
    }

    /// The document as XML.
    pub fn to_xml(&self) -> String {
        write::document(self)
    }

    /// The document as XML for many subscribers, who differ in the version alone.
    pub fn print(&self) -> Printed {
        let xml = write::document(&Self { version: 0, ..self.clone() });
        // The root's: whatever stands before it cannot hold a quotation mark of its own.
        let at = xml.find(VERSION).map_or(xml.len(), |at| at + VERSION.len() - 2);
        Printed { xml, at }
    }

    /// Cuts a document that has more than `users` users (0 counts as 1) into one with the first of them and partial ones
    /// with the rest, versions rising by one. A full state of hundreds would not fit a SIP message; a subscriber that
    /// follows §4.6 ends with the whole.
    pub fn split(mut self, users: usize) -> Vec<Self> {
        let users = users.max(1);
        let Some(all) = self.users.as_mut().filter(|all| all.users.len() > users) else { return vec![self] };
        let mut rest = all.users.split_off(users).into_iter().peekable();
        let (entity, mut version) = (self.entity.clone(), self.version);
        let mut parts = vec![self];
        while rest.peek().is_some() {
            version = version.saturating_add(1);
            let some = Users { state: State::Partial, users: rest.by_ref().take(users).collect() };
            parts.push(Self { users: Some(some), ..Self::new(entity.clone(), State::Partial, version) });
        }
        parts
    }
}

words!(State { Full = "full", Partial = "partial", Deleted = "deleted" });
words!(EndpointStatus {
    Pending = "pending",
    DialingOut = "dialing-out",
    DialingIn = "dialing-in",
    Alerting = "alerting",
    OnHold = "on-hold",
    Connected = "connected",
    MutedViaFocus = "muted-via-focus",
    Disconnecting = "disconnecting",
    Disconnected = "disconnected",
});
words!(JoiningMethod { DialedIn = "dialed-in", DialedOut = "dialed-out", FocusOwner = "focus-owner" });
words!(DisconnectionMethod { Departed = "departed", Booted = "booted", Failed = "failed", Busy = "busy" });
words!(MediaStatus { SendRecv = "sendrecv", SendOnly = "sendonly", RecvOnly = "recvonly", Inactive = "inactive" });
