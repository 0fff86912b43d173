//! Shares by INFO: `application/vnd.confkit.fileshare+xml`, namespace `urn:confkit:fileshare:1`.
//!
//! Every body is one [`Body`]: a request id, the share or data conference it is about, and a [`Message`]. INFO requests are answered 200
//! with an empty body; an answer comes as an INFO of the other direction with the request's id (RFC 6086), and may be a
//! [`Message::Refusal`] whatever was asked. The same bodies go between terminal and AS and between AS and FS; the dialog says who speaks.
//! Element tables and examples: `docs/protocols/fileshare.md`.

mod read;
mod write;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use super::{Failure, FailureCode, Fingerprint, TransferKey};
use crate::{
    conference::wire::{XmlError, fields, words::words},
    fileshare::{BatchId, ConfId, ShareId},
};

/// Content type of these bodies.
pub const CONTENT_TYPE: &str = "application/vnd.confkit.fileshare+xml";
/// The INFO package (RFC 6086) that they travel in.
pub const INFO_PACKAGE: &str = "vnd.confkit.fileshare";
/// XML namespace of every element.
pub const NAMESPACE: &str = "urn:confkit:fileshare:1";
/// Most files that a body names. A batch may have more: the first ones are named, the count says how many there are, the manifest tells
/// all. A body that names more is refused when read.
pub const MAX_FILES: usize = 64;
/// Most recipients that a share may be limited to, and most members in a report. More are refused when read; a longer report comes in
/// several bodies.
pub const MAX_MEMBERS: usize = 256;
/// Most shares in a body. More are refused when read; a longer list comes in several bodies.
pub const MAX_SHARES: usize = 16;
/// Longest name, URI, reason or id, in bytes. Longer ones are refused when read; strangers' texts are cut when written.
pub const MAX_TEXT: usize = fields::MAX_TEXT;
/// Longest retry time, in seconds: an hour. A longer one is refused when read.
pub const MAX_RETRY_SECONDS: u32 = 3600;

/// The names of all messages: [`Message::name`].
pub const MESSAGES: [&str; 27] = [
    "share-request",
    "share-answer",
    "download-offer",
    "download-answer",
    "download-go",
    "go-acknowledged",
    "upload-request",
    "upload-ready",
    "upload-not-ready",
    "upload-complete",
    "download-prepare",
    "download-ready",
    "download-request",
    "download-complete",
    "download-error",
    "share-complete",
    "share-ended",
    "share-suspended",
    "reconnect",
    "reconnected",
    "status-request",
    "status",
    "shares-request",
    "shares",
    "limits",
    "done",
    "refusal",
];

/// One body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Made by whoever asks, unique in its dialog; answers repeat it. What nobody asked for (reports) has an id of its own.
    pub id: String,
    /// The share, between terminal and AS: a dialog may have several.
    pub share: Option<ShareId>,
    /// The data conference, between AS and FS; and to a terminal beside an [`Endpoint`], whose proof names it.
    pub conf: Option<ConfId>,
    /// What is said.
    pub message: Message,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// S801, terminal → AS: make a data conference for this batch. Answer: [`Message::ShareAnswer`].
    ShareRequest(ShareRequest),
    /// S804, AS → terminal: upload there.
    ShareAnswer(Endpoint),
    /// S806, AS → terminal: there is something to download. Without the key: that comes with [`Message::DownloadGo`]. Answer:
    /// [`Message::DownloadAnswer`] or a refusal.
    DownloadOffer(DownloadOffer),
    /// S807, terminal → AS: wanted; the terminal will connect from here.
    DownloadAnswer {
        /// The terminal's address and port.
        source: SocketAddr,
    },
    /// S810, AS → terminal: download there. Answer: [`Message::GoAcknowledged`].
    DownloadGo(Endpoint),
    /// S811, terminal → AS.
    GoAcknowledged,
    /// S601, S602, terminal → AS → FS: may the upload of these files begin? Answer: [`Message::UploadReady`] or
    /// [`Message::UploadNotReady`].
    UploadRequest {
        /// The first [`MAX_FILES`] names.
        files: Vec<FileFacts>,
    },
    /// S603, S604, FS → AS → terminal: it may.
    UploadReady,
    /// S603, S604: not yet; ask again later.
    UploadNotReady {
        /// Seconds to wait, at most [`MAX_RETRY_SECONDS`].
        retry_seconds: u32,
        /// Why, for people.
        reason: Option<String>,
    },
    /// After S605, FS → AS → terminal: all of the upload has arrived, is on disk and verified.
    UploadComplete {
        /// Bytes of the batch.
        bytes: u64,
    },
    /// S701, AS → terminal: these files can be downloaded now; is the terminal ready? Answer: [`Message::DownloadReady`] or a refusal.
    DownloadPrepare {
        /// The first [`MAX_FILES`] names.
        files: Vec<FileFacts>,
    },
    /// S702, terminal → AS, and S704, FS → AS: ready.
    DownloadReady,
    /// S703, AS → FS: let the member of this dialog download. Answer: [`Message::DownloadReady`] or a refusal.
    DownloadRequest,
    /// After S705, terminal → AS → FS: all has arrived, is in its place and verified.
    DownloadComplete {
        /// Bytes of the batch.
        bytes: u64,
    },
    /// Terminal → AS, and stop to the FS: the download failed for good.
    DownloadError(Failure),
    /// AS → sharer: all members have finished.
    ShareComplete {
        /// How each fared; at most [`MAX_MEMBERS`] of them in one body ([`Body::split`]).
        members: Vec<Member>,
        /// True when another body with more members follows.
        more: bool,
    },
    /// AS → members, FS → AS: the share is over, nothing more will come. Terminal → AS, where there is no line to set to port 0: the
    /// sharer ends it (from whichever dialog of its account), a member leaves it; answered by [`Message::Done`].
    ShareEnded(Failure),
    /// Terminal → AS: the sharer leaves before its upload is complete, and means to come again by [`Message::Reconnect`] in another dialog
    /// of its account. The share outlives the dialog, as long as the FS waits for the upload. Answer: [`Message::Done`] or a refusal.
    ShareSuspended,
    /// Terminal → AS → FS: it will connect anew, from here; the old connection is closed. In another dialog of the sharer's account: the
    /// upload goes on from there, and the share belongs to that dialog. Answer: [`Message::Reconnected`].
    Reconnect {
        /// The new address and port.
        source: SocketAddr,
    },
    /// FS → AS → terminal: connect there.
    Reconnected(Endpoint),
    /// AS → FS, terminal → AS: how does the share stand? Answer: [`Message::Status`].
    StatusRequest,
    /// FS → AS → terminal.
    Status(Status),
    /// Terminal → AS: which shares are there? About no share. Answer: [`Message::Shares`].
    SharesRequest,
    /// AS → terminal.
    Shares {
        /// Live shares of the conference by their numbers; at most [`MAX_SHARES`] of them in one body ([`Body::split`]).
        shares: Vec<ShareSummary>,
        /// True when another body with more shares follows.
        more: bool,
    },
    /// AS → FS: from now on no more than this. Answer: [`Message::Done`].
    Limits(Limits),
    /// What was asked is done and needs no more words.
    Done,
    /// What was asked is not done.
    Refusal(Failure),
}

/// What a terminal wants to share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareRequest {
    /// The batch.
    pub batch: Batch,
    /// Where the terminal will connect from.
    pub source: SocketAddr,
    /// Without TLS; only where the configuration of both sides allows it.
    pub plain: bool,
    /// Who may receive, by user, participant id or URI; empty: everybody who has the right.
    pub recipients: Vec<String>,
}

/// A batch in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// Entries of the manifest: files, folders, links.
    pub entries: u32,
    /// Bytes; `None` where not known yet.
    pub bytes: Option<u64>,
    /// SHA-256 of the manifest's JSON.
    pub manifest: Option<[u8; 32]>,
    /// The first [`MAX_FILES`] files.
    pub files: Vec<FileFacts>,
}

/// A file in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Name, as the sharer gave it: not yet safe as a path or for a terminal. Cut to [`MAX_TEXT`] when written.
    pub name: String,
    /// Bytes; `None` where not known yet.
    pub size: Option<u64>,
    /// MIME type.
    pub mime: Option<String>,
    /// SHA-256 of the content, where the sharer knows it beforehand.
    pub sha256: Option<[u8; 32]>,
}

/// What is offered to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadOffer {
    /// Who shares: a URI.
    pub from: String,
    /// The batch.
    pub batch: Batch,
    /// Where the FS listens.
    pub address: SocketAddr,
    /// Certificate of the listening port; `None`: plain TCP.
    pub fingerprint: Option<Fingerprint>,
}

/// Where and how a member connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where the FS listens.
    pub address: SocketAddr,
    /// Certificate of the listening port; `None`: plain TCP.
    pub fingerprint: Option<Fingerprint>,
    /// The member's transfer key.
    pub key: TransferKey,
}

/// How one member stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// User, participant id or URI, as the AS knows it.
    pub who: String,
    /// Where it stands.
    pub state: MemberState,
    /// Bytes that are on disk at the receiving end.
    pub bytes: u64,
    /// Why it failed or does not take part.
    pub failure: Option<Failure>,
}

/// Where a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MemberState {
    /// Asked; has not answered yet.
    Offered,
    /// Said that it will connect.
    Accepted,
    /// Connected.
    Transferring,
    /// The connection broke; may come back.
    Broken,
    /// Has everything, verified.
    Complete,
    /// Failed for good.
    Failed,
    /// Does not want it.
    Declined,
    /// Its terminal does not know file sharing.
    NotTakingPart,
    /// Left or was put out.
    Left,
}

/// How a share stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The batch.
    pub batch: Batch,
    /// Bytes of the upload that are on the FS's disk.
    pub uploaded: u64,
    /// The upload is complete and verified.
    pub complete: bool,
    /// Receiving members; at most [`MAX_MEMBERS`] of them in one body ([`Body::split`]).
    pub members: Vec<Member>,
    /// True when another body with more members follows.
    pub more: bool,
}

/// One share in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareSummary {
    /// Its name.
    pub share: ShareId,
    /// Who shares: a URI.
    pub from: String,
    /// It belongs to the account that asks, or to its dialog.
    pub own: bool,
    /// The batch.
    pub batch: Batch,
    /// Bytes of the upload that are on the FS's disk.
    pub uploaded: u64,
    /// The upload is complete and verified.
    pub complete: bool,
    /// Receiving members that have everything.
    pub finished: u32,
    /// Receiving members.
    pub members: u32,
}

/// Bandwidth limits, in bytes a second; `None`: as before; 0: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// All connections of the data conference together.
    pub total: Option<u64>,
    /// Each connection.
    pub each: Option<u64>,
}

/// Why a body is not one of these. The sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Not XML within the limits.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// XML of another kind.
    #[error("the body is no {NAMESPACE} document")]
    OtherDocument,
    /// Without a usable id: the sender cannot be told which of its bodies it was.
    #[error("the body is malformed: {0}")]
    Malformed(String),
    /// Something is missing or odd: answer with [`ControlError::refusal`].
    #[error("{text}")]
    Refused {
        /// The body's id.
        id: String,
        /// Why.
        text: String,
    },
}

impl ControlError {
    /// The body that tells the sender; `None` where it cannot be told.
    pub fn refusal(&self) -> Option<Body> {
        match self {
            Self::Refused { id, text } => Some(Body {
                id: id.clone(),
                share: None,
                conf: None,
                message: Message::Refusal(Failure::new(FailureCode::Usage, text.as_str())),
            }),
            Self::Xml(_) | Self::OtherDocument | Self::Malformed(_) => None,
        }
    }
}

impl Body {
    /// A body about a share, between terminal and AS.
    pub fn of_share(id: impl Into<String>, share: ShareId, message: Message) -> Self {
        Self { id: id.into(), share: Some(share), conf: None, message }
    }

    /// A body about a data conference, between AS and FS.
    pub fn of_conf(id: impl Into<String>, conf: ConfId, message: Message) -> Self {
        Self { id: id.into(), share: None, conf: Some(conf), message }
    }

    /// The answer to this body: same id, same share and data conference.
    #[must_use]
    pub fn answer(&self, message: Message) -> Self {
        Self { message, ..self.clone() }
    }

    /// Cuts a report into bodies of at most `items` members or shares each, all but the last with `more`; what has no list, or a short one,
    /// stays one body. `items` of 0 counts as 1; more than [`MAX_MEMBERS`] or [`MAX_SHARES`] as that.
    pub fn split(self, items: usize) -> Vec<Self> {
        if let Message::Shares { shares, more } = &self.message {
            let size = items.clamp(1, MAX_SHARES);
            let count = shares.len().div_ceil(size);
            let part = |(at, part): (usize, &[ShareSummary])| {
                self.answer(Message::Shares { shares: part.to_vec(), more: *more || at.saturating_add(1) < count })
            };
            let parts: Vec<_> = shares.chunks(size).enumerate().map(part).collect();
            return if parts.is_empty() { vec![self] } else { parts };
        }
        let size = items.clamp(1, MAX_MEMBERS);
        let (all, last) = match &self.message {
            Message::ShareComplete { members, more } => (members, *more),
            Message::Status(status) => (&status.members, status.more),
            _ => return vec![self],
        };
        // An empty report is a report, too.
        let mut parts: Vec<_> = all.chunks(size).map(|part| (part.to_vec(), true)).collect();
        match parts.last_mut() {
            Some((_, more)) => *more = last,
            None => return vec![self],
        }
        let with = |(members, more)| match &self.message {
            Message::Status(status) => self.answer(Message::Status(Status { members, more, ..status.clone() })),
            _ => self.answer(Message::ShareComplete { members, more }),
        };
        parts.into_iter().map(with).collect()
    }

    /// Reads a body of this content type.
    ///
    /// # Errors
    /// [`ControlError`] says what is wrong, and whether the sender can be told.
    pub fn parse(bytes: &[u8]) -> Result<Self, ControlError> {
        read::body(bytes)
    }

    /// The body as XML.
    pub fn to_xml(&self) -> String {
        write::body(self)
    }
}

impl Message {
    /// The root element's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ShareRequest(_) => "share-request",
            Self::ShareAnswer(_) => "share-answer",
            Self::DownloadOffer(_) => "download-offer",
            Self::DownloadAnswer { .. } => "download-answer",
            Self::DownloadGo(_) => "download-go",
            Self::GoAcknowledged => "go-acknowledged",
            Self::UploadRequest { .. } => "upload-request",
            Self::UploadReady => "upload-ready",
            Self::UploadNotReady { .. } => "upload-not-ready",
            Self::UploadComplete { .. } => "upload-complete",
            Self::DownloadPrepare { .. } => "download-prepare",
            Self::DownloadReady => "download-ready",
            Self::DownloadRequest => "download-request",
            Self::DownloadComplete { .. } => "download-complete",
            Self::DownloadError(_) => "download-error",
            Self::ShareComplete { .. } => "share-complete",
            Self::ShareEnded(_) => "share-ended",
            Self::ShareSuspended => "share-suspended",
            Self::Reconnect { .. } => "reconnect",
            Self::Reconnected(_) => "reconnected",
            Self::StatusRequest => "status-request",
            Self::Status(_) => "status",
            Self::SharesRequest => "shares-request",
            Self::Shares { .. } => "shares",
            Self::Limits(_) => "limits",
            Self::Done => "done",
            Self::Refusal(_) => "refusal",
        }
    }
}

words!(MemberState {
    Offered = "offered",
    Accepted = "accepted",
    Transferring = "transferring",
    Broken = "broken",
    Complete = "complete",
    Failed = "failed",
    Declined = "declined",
    NotTakingPart = "not-taking-part",
    Left = "left",
});
