//! The shell of the file server: the one loop over its transports, and the bell that its data plane rings.

use std::sync::Arc;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Command, FileServer, Gauges, engine::Engine};
use crate::sip::{
    node::{Arrival, drive},
    transport::Transports,
};

/// Commands that wait for the server. Their senders wait when it is full.
const COMMANDS: usize = 64;

/// A file server that runs.
#[derive(Debug, Clone)]
pub struct Running {
    /// What it can be told.
    pub commands: Sender<Command>,
    /// What it carries.
    pub gauges: Arc<Gauges>,
    /// Cancelled when it has ended: after [`Command::End`], when the calls are over.
    pub ended: CancellationToken,
}

/// Runs `server` until it has finished or `token` is cancelled. What it still had to send is then handed to the transports;
/// the caller shuts those down.
pub fn run(
    server: FileServer<Engine>,
    transports: Transports,
    arrivals: Receiver<Arrival>,
    tasks: &TaskTracker,
    token: CancellationToken,
) -> Running {
    let (commands, orders) = mpsc::channel(COMMANDS);
    let running = Running { commands: commands.clone(), gauges: server.gauges(), ended: token.child_token() };
    let (doorbell, ended) = (server.plane().doorbell(), running.ended.clone());
    // A weak sender does not keep the server's inbox open.
    let bell = commands.downgrade();
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = ended.cancelled() => return,
                () = doorbell.notified() => {}
            }
            let Some(bell) = bell.upgrade() else { return };
            if bell.send(Command::Plane).await.is_err() {
                return;
            }
        }
    });
    let ended = running.ended.clone();
    tasks.spawn(async move {
        let server = drive(server, transports, arrivals, orders, token).await;
        // What is left of the data plane ends before anybody hears that all has ended.
        server.into_plane().shut_down().await;
        ended.cancel();
    });
    running
}
