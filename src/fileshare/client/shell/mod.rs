//! Everything here touches sockets, clocks and disks.
//!
//! | file | what |
//! |---|---|
//! | `connect.rs` | a declared port, TCP, TLS |
//! | `link.rs` | packets on a connection |
//! | `meter.rs` | progress |
//! | `upload.rs` | a source, the upload machine, a connection |
//! | `download.rs`, `desk.rs` | a connection, the download machine, a sink |
//! | `landing.rs` | the sink, beside the connection |

mod connect;
mod desk;
mod download;
mod landing;
mod link;
mod meter;
mod upload;

#[cfg(test)]
mod tests;

use std::{io, net::SocketAddr, num::NonZeroU64, time::Duration};

use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::fault::Fault;
use crate::{
    fileshare::wire::{Failure, FailureCode},
    transfer::{SinkError, SourceError},
};

pub use connect::LocalPort;
pub use download::{Downloaded, Downloader};
pub use meter::{Phase, Snapshot};
pub use upload::{Uploaded, Uploader};

/// How long the last packets may take to leave, and the other side to close.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long the disk gets to put down what came, and the other side to close, once whoever wanted it leaves.
const LAST_ORDERS: Duration = Duration::from_secs(1);

/// How a connection is made and led.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Most bytes a second; the file server may want fewer.
    pub limit: Option<NonZeroU64>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long the TLS handshake may take.
    pub handshake_timeout: Duration,
    /// Where to tell how far it is, ten times a second at most.
    pub progress: Option<watch::Sender<Snapshot>>,
    /// Breaks off at once, and keeps everything, so that it can go on later.
    pub stop: CancellationToken,
    /// Gives up for good, and tells the other side.
    pub cancel: CancellationToken,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limit: None,
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            progress: None,
            stop: CancellationToken::new(),
            cancel: CancellationToken::new(),
        }
    }
}

impl Settings {
    /// Comes to its end when the transfer is broken off or given up here.
    async fn leaving(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.cancel.cancelled() => {}
        }
    }

    /// Comes to its end a moment after that.
    async fn left(&self) {
        self.leaving().await;
        sleep(LAST_ORDERS).await;
    }

    /// Which of both it was.
    fn why_left(&self) -> TransferError {
        if self.stop.is_cancelled() { TransferError::Stopped } else { Fault::CancelledHere.into() }
    }

    /// Says the last words, and lets the other side close; not for long, where the transfer is broken off here meanwhile.
    async fn part(&self, words: impl Future<Output = ()>) {
        let stopped = async {
            self.stop.cancelled().await;
            sleep(LAST_ORDERS).await;
        };
        tokio::select! {
            () = words => {}
            () = stopped => {}
        }
    }
}

/// Why a connection did not bring the transfer to its end. Whose fault it is, each says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// Ours: there is no port to connect from.
    #[error("no port on {address} to connect from: {source}")]
    Port {
        /// Where it should have been.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Nobody listens there, or the network has no way.
    #[error("the file server at {server} cannot be reached: {source}")]
    Unreachable {
        /// Where it should be.
        server: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The network's, or the file server's.
    #[error("the file server at {server} did not answer within {} seconds", .after.as_secs())]
    TimedOut {
        /// Where it should be.
        server: SocketAddr,
        /// How long we waited.
        after: Duration,
    },
    /// Another server than the one that signalling named.
    #[error("the server at {server} has another certificate than the conference says")]
    Certificate {
        /// Where it is.
        server: SocketAddr,
    },
    /// The file server's, or of somebody between.
    #[error("no TLS with the file server at {server}: {source}")]
    Tls {
        /// Where it is.
        server: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// As the machine says.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Ours: the files cannot be read, or were changed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Ours: the files cannot be put down; or the sharer's: they are damaged.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The batch is digested by SHA-256; transfer packets carry BLAKE3. The caller's.
    #[error("a batch that is shared in a conference is digested by BLAKE3")]
    Algorithm,
    /// Broken off by [`Settings::stop`].
    #[error("the transfer was broken off here")]
    Stopped,
}

impl TransferError {
    /// Another connection may go on where this one ended, after another port was declared.
    pub fn is_resumable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Stopped | Self::Sink(SinkError::NoSpace { .. }) => true,
            // Whatever broke the handshake, it was not the certificate.
            Self::Tls { source, .. } => source.kind() != io::ErrorKind::InvalidData,
            Self::Fault(fault) => fault.is_resumable(),
            Self::Port { .. } | Self::Certificate { .. } | Self::Source(_) | Self::Sink(_) | Self::Algorithm => false,
        }
    }

    /// What there is of a download is as good as before: once what stood in the way is gone (a full disk, a file of that name), another
    /// attempt may go on with it, where there is a record; in another process, too.
    pub fn keeps(&self) -> bool {
        match self {
            Self::Sink(error) => match error {
                SinkError::NoSpace { .. }
                | SinkError::Exists { .. }
                | SinkError::InTheWay { .. }
                | SinkError::Io { .. }
                | SinkError::Digest { .. }
                | SinkError::Resume(_)
                | SinkError::Stopped => true,
                SinkError::TooLong
                | SinkError::TooShort { .. }
                | SinkError::Algorithm { .. }
                | SinkError::NotOneFile
                | SinkError::OtherBatch => false,
            },
            Self::Port { .. } | Self::Certificate { .. } | Self::Tls { .. } => true,
            other => other.is_resumable(),
        }
    }

    /// Another connection is worth making at once: neither the user nor the disk has a say in it.
    pub(in crate::fileshare::client) fn is_transient(&self) -> bool {
        self.is_resumable() && !matches!(self, Self::Stopped | Self::Sink(_))
    }

    /// What the other side of the connection is told.
    fn failure(&self) -> Option<Failure> {
        match self {
            Self::Fault(fault) => fault.failure(),
            Self::Source(error) => Some(of_source(error)),
            Self::Sink(error) => Some(of_sink(error)),
            _ => None,
        }
    }

    /// The kind, for programs and for signalling (`download-error`).
    pub fn code(&self) -> FailureCode {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => FailureCode::Unreachable,
            Self::Certificate { .. } => FailureCode::Forbidden,
            Self::Port { .. } | Self::Tls { .. } | Self::Algorithm => FailureCode::Failed,
            Self::Fault(fault) => fault.code(),
            Self::Source(error) => of_source(error).code,
            Self::Sink(error) => of_sink(error).code,
            Self::Stopped => FailureCode::Cancelled,
        }
    }
}

/// What the file server is told of our files: nothing of paths that are only ours.
fn of_source(error: &SourceError) -> Failure {
    match error {
        SourceError::Shrunk { .. } | SourceError::Grown { .. } | SourceError::Changed { .. } => {
            Failure::new(FailureCode::SourceChanged, "a file of the sharer was changed while it was sent")
        }
        SourceError::Io { .. } => Failure::new(FailureCode::SourceChanged, "a file of the sharer cannot be read any more"),
        _ => Failure::new(FailureCode::Failed, "the sharer cannot go on"),
    }
}

/// What the file server is told of our disk.
fn of_sink(error: &SinkError) -> Failure {
    let (code, text) = match error {
        SinkError::Exists { .. } | SinkError::InTheWay { .. } => (FailureCode::Conflict, "a file of that name exists at the receiver"),
        SinkError::NoSpace { .. } => (FailureCode::NoSpace, "the receiver's disk is full"),
        SinkError::TooLong | SinkError::TooShort { .. } | SinkError::Digest { .. } => {
            (FailureCode::Integrity, "what came is not what was sent")
        }
        SinkError::OtherBatch => (FailureCode::Conflict, "the files changed since the transfer broke off"),
        SinkError::NotOneFile => (FailureCode::Declined, "the receiver takes one file, and the batch is another"),
        _ => (FailureCode::Failed, "the receiver cannot put the files down"),
    };
    Failure::new(code, text)
}
