//! Why a transfer ends before its end, and whose fault it is.

use std::time::Duration;

use crate::{
    fileshare::wire::{Failure, FailureCode, Kind, PacketError, flow::FlowError},
    transfer::ManifestError,
};

/// Why a machine gave up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// What came is no packet that we take. The file server's.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// Data packets that do not follow each other. The file server's.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// A packet that was not due. The file server's.
    #[error("the file server sent a packet ({0:?}) that was not due")]
    Unexpected(Kind),
    /// A packet of another batch, or for another terminal. The file server's.
    #[error("the file server sent a packet of another batch, or for another terminal")]
    Route,
    /// Whoever answered does not have the transfer key: it is not the file server of the conference.
    #[error("the server does not prove that it knows the transfer key")]
    Impostor,
    /// More is acknowledged than was sent. The file server's.
    #[error("the file server acknowledged {acknowledged} bytes, and {sent} were sent")]
    Acknowledged {
        /// As it said.
        acknowledged: u64,
        /// What was sent.
        sent: u64,
    },
    /// The file server wants to go on where that cannot be. The file server's.
    #[error("the file server goes on at byte {wanted}, and {have} is where it broke off")]
    Position {
        /// As it said.
        wanted: u64,
        /// What there is.
        have: u64,
    },
    /// The manifest cannot be used. The sharer's.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The batch is not the one that was broken off. The sharer's.
    #[error("the files changed since the transfer broke off")]
    OtherBatch,
    /// The hashes do not belong to the batch, or to its bytes. The sharer's, or the file server's.
    #[error("what came is not what was sent: {0}")]
    Damaged(&'static str),
    /// The file server gives up, and says why; the text is its own, and not yet safe for a terminal.
    #[error("the file server says: {0}")]
    Refused(Failure),
    /// Cancelled at the other side; the text is its own, and not yet safe for a terminal.
    #[error("the transfer was cancelled: {0}")]
    CancelledThere(String),
    /// Cancelled here.
    #[error("the transfer was cancelled here")]
    CancelledHere,
    /// We gave up; the caller told why.
    #[error("{0}")]
    GaveUp(Failure),
    /// The connection ended. Nobody's.
    #[error("the connection was closed")]
    Closed,
    /// Nothing came for so long. The network's, or the file server's.
    #[error("the file server was silent for {} seconds", .0.as_secs())]
    Silent(Duration),
    /// Not admitted in time. The file server's.
    #[error("the file server did not admit within {} seconds", .0.as_secs())]
    Admission(Duration),
    /// Nothing of what was sent became durable for so long. The file server's.
    #[error("the file server acknowledged nothing for {} seconds", .0.as_secs())]
    Unacknowledged(Duration),
}

impl Fault {
    /// What the other side is told; `None` where there is nobody to tell, or nothing that it does not know.
    pub(in crate::fileshare::client) fn failure(&self) -> Option<Failure> {
        let code = match self {
            Self::Packet(error) => error.code(),
            Self::Flow(error) => error.code(),
            Self::Unexpected(_) | Self::Route | Self::Acknowledged { .. } | Self::Position { .. } => FailureCode::Protocol,
            Self::Manifest(_) => FailureCode::Usage,
            Self::OtherBatch => FailureCode::Conflict,
            Self::Damaged(_) => FailureCode::Integrity,
            Self::Silent(_) | Self::Unacknowledged(_) => FailureCode::Unreachable,
            Self::GaveUp(failure) => return Some(failure.clone()),
            Self::CancelledHere => FailureCode::Cancelled,
            Self::Impostor | Self::Refused(_) | Self::CancelledThere(_) | Self::Closed | Self::Admission(_) => return None,
        };
        Some(Failure::new(code, self.to_string()))
    }

    /// The kind, for programs: what the other side said, or what was wrong with it.
    pub fn code(&self) -> FailureCode {
        match self {
            Self::Refused(failure) | Self::GaveUp(failure) => failure.code,
            Self::CancelledThere(_) => FailureCode::Cancelled,
            Self::Closed | Self::Admission(_) => FailureCode::Unreachable,
            Self::Impostor => FailureCode::Forbidden,
            other => other.failure().map_or(FailureCode::Failed, |failure| failure.code),
        }
    }

    /// Another connection may go on where this one ended: nobody did wrong.
    pub fn is_resumable(&self) -> bool {
        match self {
            Self::Closed | Self::Silent(_) | Self::Admission(_) | Self::Unacknowledged(_) | Self::Packet(PacketError::Truncated) => true,
            Self::Refused(failure) => matches!(failure.code, FailureCode::Busy | FailureCode::Unreachable),
            _ => false,
        }
    }
}
