//! How transfers are made, and what is told of them.

use std::{num::NonZeroU64, time::Duration};

use crate::{
    fileshare::{
        BatchId, ShareId,
        client::{Downloaded, TransferError},
        terminal::Opening,
        wire::Failure,
    },
    transfer::TransferName,
};

/// How long a file server keeps what it has of a share that stands still, where nobody configured it otherwise.
pub const RESUME_WINDOW: Duration = Duration::from_secs(600);

/// What is the same for all transfers.
#[derive(Debug, Clone)]
pub struct TransferOptions {
    /// Most bytes a second of each.
    pub limit: Option<NonZeroU64>,
    /// How long nothing may move, however often a connection is made again, before the transfer has broken off.
    pub window: Duration,
    /// How long the conference may take to answer what is asked about a share.
    pub patience: Duration,
    /// An upload that breaks off is left to be gone on with in another dialog of the account (`share-suspended`), instead of ending its share.
    pub come_again: bool,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self { limit: None, window: RESUME_WINDOW, patience: Duration::from_secs(15), come_again: false }
    }
}

/// How a share is made.
#[derive(Debug, Clone, Default)]
pub struct ShareOptions {
    /// By re-INVITE or by INFO.
    pub opening: Opening,
    /// Who may receive; empty: everybody with the right.
    pub recipients: Vec<String>,
    /// The batch is shared again, by the id that it had: a file server that has something of it takes that up. A new one is drawn otherwise.
    pub batch: Option<BatchId>,
}

/// What became of a transfer.
#[derive(Debug)]
pub enum TransferEvent {
    /// A share of ours is there, and its upload begins.
    Shared {
        /// As [`Transfers::share`] gave it.
        key: u64,
        /// Its name in the conference.
        share: ShareId,
        /// Its batch.
        batch: BatchId,
    },
    /// A share of ours is refused.
    NotShared {
        /// As [`Transfers::share`] gave it.
        key: u64,
        /// Why.
        why: Failure,
    },
    /// All of a share of ours is at the file server.
    Uploaded {
        /// Which.
        share: ShareId,
        /// Bytes of the batch.
        bytes: u64,
    },
    /// All of a share is here, verified and in its place.
    Downloaded {
        /// Which.
        share: ShareId,
        /// Where.
        downloaded: Box<Downloaded>,
    },
    /// A connection broke; another one is made.
    Broken {
        /// Which.
        share: ShareId,
        /// Why.
        error: TransferError,
        /// When it is made.
        again_in: Duration,
    },
    /// A transfer has failed, or has broken off.
    Failed {
        /// Which.
        share: ShareId,
        /// Why.
        error: TransferError,
        /// What a download can be gone on with later.
        record: Option<TransferName>,
    },
    /// A transfer was ended by the conference, or the file server did not take it up again.
    Ended {
        /// Which.
        share: ShareId,
        /// Why, where it was said.
        why: Option<Failure>,
        /// What a download can be gone on with later.
        record: Option<TransferName>,
    },
}
