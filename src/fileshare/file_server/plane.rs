//! Between signalling and bytes: what the machine asks of the data plane, and what it hears from it.
//!
//! Nothing here waits: sockets are bound and lists changed at once, and what comes of connections is told by [`DataPlane::poll_event`].

use super::{
    admission::{MemberId, Pass},
    space::Full,
};
use crate::fileshare::{
    BatchId, ConfId,
    wire::{Failure, Fingerprint, control::Limits},
};

/// Sockets and disks of a file server.
pub trait DataPlane {
    /// The port of a data conference, which is made where it is not there: listening on all addresses of the server, its store empty or that of
    /// an earlier process, or what was [set aside](DataPlane::set_aside) of the same batch of the same sharer. `limits` hold until others are set;
    /// `batch` and `sharer` where they are known.
    ///
    /// # Errors
    /// [`PlaneError`]; a data conference that was there stays as it was.
    fn open(&mut self, conf: &ConfId, batch: Option<BatchId>, sharer: Option<&str>) -> Result<u16, PlaneError>;

    /// Stops listening; connections and bytes stay, and [`DataPlane::open`] listens again, on another port.
    fn release(&mut self, conf: &ConfId);

    /// Ends a data conference: tells those connected why, closes them and the port, deletes the bytes.
    fn close(&mut self, conf: &ConfId, why: &Failure);

    /// Ends a data conference that nobody ended, as its application server stops or is gone: like [`DataPlane::close`], but the bytes are kept for a
    /// while, for whoever shares them again.
    fn set_aside(&mut self, conf: &ConfId, why: &Failure);

    /// Puts a member on the list in place of its former entry, and closes the connection that it had.
    fn admit(&mut self, conf: &ConfId, member: MemberId, pass: Pass);

    /// Strikes a member from the list: tells it why and closes its connection.
    fn strike(&mut self, conf: &ConfId, member: MemberId, why: &Failure);

    /// Sets bandwidth limits, for connections that there are and those to come.
    fn set_limits(&mut self, conf: &ConfId, limits: Limits);

    /// How the bytes of a data conference stand.
    fn progress(&self, conf: &ConfId) -> Progress;

    /// Bytes that a member has, as it last acknowledged them; of the sharer, those that the FS has on disk.
    fn received(&self, conf: &ConfId, member: MemberId) -> u64;

    /// The certificate of the ports; `None` where they are plain TCP.
    fn fingerprint(&self) -> Option<Fingerprint>;

    /// Whether a batch of so many bytes would be taken now.
    ///
    /// # Errors
    /// What has no room for it.
    fn would_take(&self, conf: &ConfId, bytes: u64) -> Result<(), Full>;

    /// What happened.
    fn poll_event(&mut self) -> Option<PlaneEvent>;
}

/// How the bytes of a data conference stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The batch.
    pub batch: Option<BatchId>,
    /// Entries of its manifest, once known.
    pub entries: u32,
    /// Its bytes, once known.
    pub bytes: Option<u64>,
    /// Bytes of it that are on disk.
    pub durable: u64,
    /// All of it is, verified.
    pub complete: bool,
}

/// Why the plane does not do something. Ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaneError {
    /// Every port of the range is taken.
    #[error("all ports for files are taken")]
    Ports,
    /// The system refuses.
    #[error("the port for files cannot be opened: {0}")]
    System(String),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaneEvent {
    /// A member was admitted.
    Connected {
        /// The data conference.
        conf: ConfId,
        /// The member.
        member: MemberId,
    },
    /// A member's connection is gone, and it may come again. Not told where the plane was asked to close it.
    Broken {
        /// The data conference.
        conf: ConfId,
        /// The member.
        member: MemberId,
        /// What it did wrong, or what went wrong here; `None` where the connection just broke.
        why: Option<Failure>,
    },
    /// The whole upload is on disk and verified.
    Uploaded {
        /// The data conference.
        conf: ConfId,
        /// Bytes of the batch.
        bytes: u64,
    },
    /// The upload cannot be completed.
    UploadFailed {
        /// The data conference.
        conf: ConfId,
        /// Why.
        why: Failure,
    },
    /// A member acknowledged the whole batch.
    Received {
        /// The data conference.
        conf: ConfId,
        /// The member.
        member: MemberId,
        /// Bytes of the batch.
        bytes: u64,
    },
    /// A member gave up, and said why.
    GaveUp {
        /// The data conference.
        conf: ConfId,
        /// The member.
        member: MemberId,
        /// Why.
        why: Failure,
    },
}
