//! The chunks, on a task of their own.

use std::sync::atomic::Ordering;

use tokio::{net::TcpStream, sync::watch};

use super::Terminal;
use crate::{
    channel::{
        Peer,
        client::{
            direct::Serving,
            fault::ChannelError,
            outlet::{Outlet, OutletError, Sent, chunk_of},
            relay::Relays,
            seat::Door,
        },
        wire::pass::Pass,
    },
    transfer::{Policy, Trailer, seal::ChunkSealer},
};

/// Where the data connections come from.
pub(super) enum By {
    /// We join at the relay, which joins them with those of these seats.
    Relay { relay: Relays, door: Door, seats: Vec<Peer> },
    /// The receiver has come to our own port.
    Direct(Serving),
    /// We have called the receiver.
    Called(Vec<TcpStream>),
}

impl Terminal<'_> {
    /// What sends the chunks, and gives the digests of all files.
    pub(super) fn upload(
        &self,
        by: By,
        pass: &Pass,
        from: u64,
        packed: bool,
        limits: watch::Receiver<u64>,
    ) -> impl Future<Output = Result<(Sent, Trailer), ChannelError>> + use<> {
        let (source, rate, patience, streams) =
            (self.sending.source.clone(), self.sending.rate, self.sending.patience, self.sending.streams);
        let policy = if packed { self.sending.compress } else { Policy::Never };
        let gone = self.progress.gone.clone();
        let sealer = ChunkSealer::new(&pass.content.bind(pass.channel, &pass.key), &pass.chunks());
        gone.end.store(from, Ordering::Relaxed);
        async move {
            let chunk = chunk_of(source.manifest().total(), rate);
            let reader = source.open(from).map_err(OutletError::Source)?;
            let connections = match by {
                By::Relay { relay, door, seats } => {
                    let joined = door.join_all(&relay, patience, Peer::SENDER, streams, &seats).await?;
                    joined.into_iter().map(|(stream, _)| stream).collect()
                }
                By::Direct(serving) => serving.take().await.map_err(ChannelError::Broken)?,
                By::Called(connections) => connections,
            };
            let sent = Outlet { reader, sealer, chunk, limit: limits, rate, policy, gone }.send(connections).await?;
            // What was sent before a break may have to be read again for it.
            Ok((sent, source.trailer().await?))
        }
    }
}
