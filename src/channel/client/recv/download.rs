//! The chunks, on tasks of their own.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    channel::{
        Peer,
        client::{
            fault::ChannelError,
            inlet::{self, Arrived, InletError},
            seat::Door,
        },
    },
    transfer::seal::ChunkOpener,
};

/// What takes the chunks, by connections of the relay.
pub(super) struct Download {
    pub(super) door: Door,
    pub(super) address: String,
    pub(super) patience: Duration,
    pub(super) seat: Peer,
    pub(super) streams: u8,
    pub(super) chunk: u32,
    pub(super) opener: Arc<ChunkOpener>,
    pub(super) give: mpsc::Sender<Arrived>,
}

impl Download {
    pub(super) async fn run(self) -> Result<(), ChannelError> {
        let joined = self.door.join_all(&self.address, self.patience, self.seat, self.streams, &[]).await?;
        let mut taking = JoinSet::new();
        for (stream, first) in joined {
            taking.spawn(inlet::take(stream, first, self.chunk, Arc::clone(&self.opener), self.give.clone()));
        }
        while let Some(taken) = taking.join_next().await {
            taken.unwrap_or(Ok::<(), InletError>(()))?;
        }
        Ok(())
    }
}
