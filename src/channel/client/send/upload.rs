//! The chunks, on a task of their own.

use std::sync::{Arc, atomic::Ordering};

use tokio::sync::watch;

use super::Terminal;
use crate::{
    channel::{
        Peer,
        client::{
            fault::ChannelError,
            outlet::{self, OutletError, Sent},
            seat::Door,
        },
        wire::pass::Pass,
    },
    transfer::seal::ChunkSealer,
};

impl Terminal<'_> {
    /// What sends the chunks, by connections of the relay.
    pub(super) fn upload(
        &self,
        address: &str,
        door: &Door,
        seat: Peer,
        pass: &Pass,
        from: u64,
        limits: watch::Receiver<u64>,
    ) -> impl Future<Output = Result<Sent, ChannelError>> + use<> {
        let (source, rate, patience, streams) =
            (self.sending.source.clone(), self.sending.rate, self.sending.patience, self.sending.streams);
        let (door, address, gone) = (door.clone(), address.to_owned(), Arc::clone(&self.progress.sent));
        let sealer = ChunkSealer::new(&pass.content.bind(pass.channel, &pass.key), &pass.chunks());
        gone.fetch_max(from, Ordering::Relaxed);
        async move {
            let reader = source.read_from(from).map_err(OutletError::Source)?;
            let joined = door.join_all(&address, patience, Peer::SENDER, streams, &[seat]).await?;
            let connections = joined.into_iter().map(|(stream, _)| stream).collect();
            Ok(outlet::send(reader, connections, sealer, limits, rate, gone).await?)
        }
    }
}
