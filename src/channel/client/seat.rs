//! A seat in a channel: entering it by the control connection, and the data connections that belong to it.

use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::{
    fault::ChannelError,
    relay::{Connection, RelayError, Relays},
};
use crate::channel::{
    ChannelNumber, Peer,
    wire::{
        ChannelKey, Message, Role,
        proof::{Admission, Purpose},
        request::{Enter, Join},
    },
};

/// A channel that one may enter.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) channel: ChannelNumber,
    pub(super) key: ChannelKey,
    pub(super) role: Role,
}

impl Door {
    /// Asks to enter: the answer is `entered`, or a refusal.
    pub(super) fn enter(&self, control: &mut Connection) {
        let purpose = Purpose::Enter { seat: Peer::SENDER };
        let admission = Admission { challenge: control.challenge(), channel: self.channel, role: self.role, purpose };
        let proof = admission.prove(&self.key);
        control.tell(&Message::Enter(Enter { channel: self.channel, role: self.role, proof, seat: None }));
    }

    /// A data connection of a seat, once the other end's has joined as well.
    pub(super) async fn join(
        &self,
        relay: &Relays,
        patience: Duration,
        (seat, stream): (Peer, u8),
        to: Vec<Peer>,
    ) -> Result<(TcpStream, BytesMut), ChannelError> {
        let mut data = Connection::open(relay, patience).await?;
        let purpose = Purpose::Join { seat, stream };
        let admission = Admission { challenge: data.challenge(), channel: self.channel, role: self.role, purpose };
        let proof = admission.prove(&self.key);
        data.tell(&Message::Join(Join { channel: self.channel, seat, stream, proof, to }));
        // The other end joins when it is ready, and others of several receivers decide for as long as they like.
        data.may_be_quiet();
        match data.next().await? {
            Message::Joined => Ok(data.into_stream().await?),
            other => Err(RelayError::unexpected(&other).into()),
        }
    }

    /// All data connections of a seat, in the order of their indices.
    pub(super) async fn join_all(
        &self,
        relay: &Relays,
        patience: Duration,
        seat: Peer,
        streams: u8,
        to: &[Peer],
    ) -> Result<Vec<(TcpStream, BytesMut)>, ChannelError> {
        let mut joining = tokio::task::JoinSet::new();
        for stream in 0..streams {
            let (door, relay, to) = (self.clone(), relay.clone(), to.to_vec());
            joining.spawn(async move { (stream, door.join(&relay, patience, (seat, stream), to).await) });
        }
        let mut joined = Vec::new();
        while let Some(done) = joining.join_next().await {
            // Only a runtime that goes down cancels one.
            let (stream, connection) = done.map_err(|_| ChannelError::Stopped)?;
            joined.push((stream, connection?));
        }
        joined.sort_by_key(|(stream, _)| *stream);
        Ok(joined.into_iter().map(|(_, connection)| connection).collect())
    }
}
