//! What the file server keeps of a data conference: the conference list, and how the upload stands.

use std::{collections::BTreeSet, time::Instant};

use super::{config::Limits, session::Session};
use crate::{
    fileshare::{
        BatchId,
        wire::{Failure, FailureCode, control::Batch},
    },
    sip::endpoint::Call,
};

/// One data conference.
#[derive(Debug)]
pub(super) struct Share {
    /// The sharer's dialog.
    pub(super) sharer: Call,
    /// Dialogs of everybody on the list, the sharer's included.
    pub(super) members: BTreeSet<Call>,
    /// Those of them that have a connection.
    pub(super) connected: BTreeSet<Call>,
    /// The port that is listened on; `None` after it was given back.
    pub(super) port: Option<u16>,
    /// The batch as the sharer's application server described it.
    pub(super) batch: Option<Batch>,
    /// Bytes of the batch, once all are there.
    pub(super) complete: Option<u64>,
    /// When it was made.
    pub(super) since: Instant,
}

impl Share {
    pub(super) fn new(now: Instant, sharer: Call, port: u16, batch: Option<Batch>) -> Self {
        Self { sharer, members: BTreeSet::from([sharer]), connected: BTreeSet::new(), port: Some(port), batch, complete: None, since: now }
    }

    /// Id of the batch, where it is known.
    pub(super) fn batch_id(&self) -> Option<BatchId> {
        self.batch.as_ref().map(|batch| batch.id)
    }

    /// Nobody will need the port any more: the upload is complete, there are receivers, and each has finished in one way or the other.
    pub(super) fn is_finished<'a>(&self, session: impl Fn(Call) -> Option<&'a Session>) -> bool {
        let mut receivers = self.members.iter().filter(|call| **call != self.sharer).filter_map(|call| session(*call)).peekable();
        self.complete.is_some() && receivers.peek().is_some() && receivers.all(Session::is_over)
    }
}

/// Whether a batch is within bounds, as far as it is described.
///
/// # Errors
/// [`FailureCode::Limit`] with what is too much.
pub(super) fn within(limits: &Limits, entries: usize, bytes: Option<u64>) -> Result<(), Failure> {
    if entries > limits.entries {
        return Err(Failure::new(FailureCode::Limit, format!("the batch has {entries} entries, more than {}", limits.entries)));
    }
    match bytes {
        Some(bytes) if bytes > limits.batch_bytes => {
            Err(Failure::new(FailureCode::Limit, format!("the batch has {bytes} bytes, more than {}", limits.batch_bytes)))
        }
        _ => Ok(()),
    }
}
