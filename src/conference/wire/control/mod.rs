//! Control of conferences by a shell: `application/vnd.confkit.conference+xml`, namespace `urn:confkit:conference:1`.
//!
//! `confctl` opens a dialog with `sip:control@as`, sends one [`Request`] in an INFO and receives its [`Reply`], with the
//! request's id, in an INFO of the other direction; a long reply comes in several INFOs ([`Reply::more`]). A caller that
//! must show a PIN puts a [`Join`] beside its SDP. Element tables and examples: `docs/protocols/conference.md`.

mod ask;
mod read;
mod reply;
mod write;

#[cfg(test)]
mod tests;

use serde::Serialize;

use super::{XmlError, fields};

pub use self::{
    ask::{Command, Create, MAX_GAIN_DB, Request, Role, VolumeDirection, Who},
    reply::{CallState, Data, Details, ErrorCode, Failure, Given, Invitee, Issued, MediaServer, Participant, Reply, Status, Summary},
};
pub use crate::account::{Pin, PinError, Preset};

/// Content type of these bodies.
pub const CONTENT_TYPE: &str = "application/vnd.confkit.conference+xml";
/// The INFO package (RFC 6086) that they travel in.
pub const INFO_PACKAGE: &str = "vnd.confkit.conference";
/// The session description of a control dialog, offer and answer alike: no m-lines.
pub const NO_MEDIA: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
/// XML namespace of every element.
pub const NAMESPACE: &str = "urn:confkit:conference:1";
/// Most decisions about somebody's rights that are told of a conference.
pub const MAX_GIVEN_TOLD: usize = 256;
/// Most URIs in one `invite`. More are refused as [`ErrorCode::Usage`].
pub const MAX_URIS: usize = 64;
/// Longest life of a conference, in seconds: ten years. A longer one is refused when read.
pub const MAX_TTL_SECONDS: u64 = 10 * 366 * 24 * 3600;
/// Longest name, title, URI, reason or id, in bytes. Longer ones are refused when read.
pub const MAX_TEXT: usize = fields::MAX_TEXT;

/// Any body of this type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// What a shell asks.
    Request(Request),
    /// What the server answers.
    Reply(Reply),
    /// What a caller shows to be let in.
    Join(Join),
    /// What a caller is told who was answered before it was let in.
    Admission(AdmissionState),
}

/// The header field of the answer to an INVITE that says what the caller has to do to be let in.
pub const ADMISSION: &str = "Confkit-Admission";

/// Whether a caller whose call is up is in the conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdmissionState {
    /// Not before it has typed the PIN.
    Pin,
    /// It is in.
    In,
}

/// What a caller shows to be let in, in a body part beside its SDP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Join {
    /// The conference's PIN.
    pub pin: Option<Pin>,
}

/// Why a body is not one of these. The sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Not XML within the limits.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// XML of another kind.
    #[error("the body holds no {NAMESPACE} request, result, join or admission")]
    OtherDocument,
    /// A request whose id could be read and whose content could not: answer it with this text as [`ErrorCode::Usage`].
    #[error("{text}")]
    Refused {
        /// The request's id.
        id: String,
        /// Why.
        text: String,
    },
    /// A result or join that lacks something or has something odd.
    #[error("the body is malformed: {0}")]
    Malformed(String),
}

impl Body {
    /// Reads a body of this content type.
    ///
    /// # Errors
    /// [`ControlError`] says what is wrong; with [`ControlError::Refused`] the sender can be told by a [`Reply`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ControlError> {
        read::body(bytes)
    }

    /// The body as XML.
    pub fn to_xml(&self) -> String {
        write::body(self)
    }
}

words!(AdmissionState { Pin = "pin", In = "in" });
