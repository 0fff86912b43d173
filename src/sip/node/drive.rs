//! The one loop between a node and the world.

use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::{Arrival, Node, SendFault};
use crate::{
    clock,
    sip::{Hop, transport::Transports},
};

/// Most arrivals taken before commands and timers get their turn.
pub const BATCH: usize = 64;

/// Runs `node` until it has finished, `token` is cancelled, or the transports are gone, and gives it back. What the node had
/// to send when the end came has been handed to the transports, which deliver it as they shut down.
pub async fn drive<N: Node>(
    mut node: N,
    transports: Transports,
    mut arrivals: Receiver<Arrival>,
    mut commands: Receiver<N::Command>,
    token: CancellationToken,
) -> N {
    let _ = (&mut node, &transports, &mut arrivals, &mut commands, &token, BATCH, clock::now());
    let _: Option<(Hop, SendFault)> = None;
    unimplemented!()
}
