//! The shell of a server that is called: the one loop over its transports, and the bell that the threads of its plane ring.

use std::sync::Arc;

use tokio::sync::{
    Notify,
    mpsc::{self, Receiver, Sender},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::sip::{
    node::{Arrival, Node, drive},
    transport::Transports,
};

/// Commands that wait for the server. Their senders wait when it is full.
const COMMANDS: usize = 64;

/// A server as it is handed to [`run`].
#[derive(Debug)]
pub struct Server<N: Node, G> {
    /// The machine.
    pub node: N,
    /// What it tells the rest of the process.
    pub gauges: Arc<G>,
    /// Rung when its plane has events.
    pub doorbell: Arc<Notify>,
    /// What it is told then.
    pub rung: N::Command,
}

/// A server that runs.
#[derive(Debug)]
pub struct Running<C, G> {
    /// What it can be told.
    pub commands: Sender<C>,
    /// What it carries.
    pub gauges: Arc<G>,
    /// Cancelled when it has ended: told to end, when the calls are over.
    pub ended: CancellationToken,
}

/// Runs a server until it has finished or `token` is cancelled; `last` is what remains to be done with it then, before anybody hears that it has
/// ended. What it still had to send is handed to the transports; the caller shuts those down.
pub fn run<N, G, L>(
    server: Server<N, G>,
    transports: Transports,
    arrivals: Receiver<Arrival>,
    tasks: &TaskTracker,
    token: CancellationToken,
    last: impl FnOnce(N) -> L + Send + 'static,
) -> Running<N::Command, G>
where
    N: Node + Send + 'static,
    N::Command: Clone + Send + Sync + 'static,
    L: Future<Output = ()> + Send + 'static,
{
    let Server { node, gauges, doorbell, rung } = server;
    let (commands, orders) = mpsc::channel(COMMANDS);
    let running = Running { commands: commands.clone(), gauges, ended: token.child_token() };
    let ended = running.ended.clone();
    // A weak sender does not keep the server's inbox open.
    let bell = commands.downgrade();
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = ended.cancelled() => return,
                () = doorbell.notified() => {}
            }
            let Some(bell) = bell.upgrade() else { return };
            if bell.send(rung.clone()).await.is_err() {
                return;
            }
        }
    });
    let ended = running.ended.clone();
    tasks.spawn(async move {
        last(drive(node, transports, arrivals, orders, token).await).await;
        ended.cancel();
    });
    running
}
