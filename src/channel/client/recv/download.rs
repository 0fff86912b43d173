//! The chunks, on a task of their own.

use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;

use crate::channel::{
    Peer,
    client::{cut::Cut, fault::ChannelError, inlet::Inlet, relay::Relays, seat::Door},
};

/// Where the data connections come from.
pub(super) enum By {
    /// We join at the relay, with so many.
    Relay { relay: Relays, door: Door, seat: Peer, streams: u8, patience: Duration },
    /// We have called the sender.
    Direct(Vec<TcpStream>),
}

/// How taking the chunks ended.
pub(super) type Taken = Result<(), (ChannelError, Option<Cut>)>;

/// What takes the chunks.
pub(super) struct Download {
    pub(super) by: By,
    pub(super) inlet: Inlet,
}

impl Download {
    /// Takes all of them. With an error comes what the connections are cut by, where there are any.
    pub(super) async fn run(self) -> Taken {
        let joined = match self.by {
            By::Relay { relay, door, seat, streams, patience } => {
                door.join_all(&relay, patience, seat, streams, &[]).await.map_err(|error| (error, None))?
            }
            By::Direct(connections) => connections.into_iter().map(|stream| (stream, BytesMut::new())).collect(),
        };
        self.inlet.take(joined).await.map_err(|(error, cut)| (error.into(), Some(cut)))
    }
}
