//! The chunks, on tasks of their own.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::{net::TcpStream, sync::mpsc, task::JoinSet};

use crate::{
    channel::{
        Peer,
        client::{
            fault::ChannelError,
            inlet::{self, Arrived, InletError},
            relay::Relays,
            seat::Door,
        },
    },
    transfer::seal::ChunkOpener,
};

/// Where the data connections come from.
pub(super) enum By {
    /// We join at the relay, with so many.
    Relay { relay: Relays, door: Door, seat: Peer, streams: u8, patience: Duration },
    /// We have called the sender.
    Direct(Vec<TcpStream>),
}

/// What takes the chunks.
pub(super) struct Download {
    pub(super) by: By,
    pub(super) chunk: u32,
    pub(super) opener: Arc<ChunkOpener>,
    pub(super) give: mpsc::Sender<Arrived>,
}

impl Download {
    pub(super) async fn run(self) -> Result<(), ChannelError> {
        let joined = match self.by {
            By::Relay { relay, door, seat, streams, patience } => door.join_all(&relay, patience, seat, streams, &[]).await?,
            By::Direct(connections) => connections.into_iter().map(|stream| (stream, BytesMut::new())).collect(),
        };
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
