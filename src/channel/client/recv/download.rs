//! The chunks, on a task of their own.

use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;

use crate::channel::{
    Peer,
    client::{fault::ChannelError, inlet::Inlet, relay::Relays, seat::Door},
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
    pub(super) inlet: Inlet,
}

impl Download {
    pub(super) async fn run(self) -> Result<(), ChannelError> {
        let joined = match self.by {
            By::Relay { relay, door, seat, streams, patience } => door.join_all(&relay, patience, seat, streams, &[]).await?,
            By::Direct(connections) => connections.into_iter().map(|stream| (stream, BytesMut::new())).collect(),
        };
        Ok(self.inlet.take(joined).await?)
    }
}
