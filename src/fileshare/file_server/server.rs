//! Runs the file server over its transports, and rings it when its data plane has events.

use tokio::sync::mpsc::Receiver;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Command, FileServer, Gauges, engine::Engine};
use crate::{
    conference::called::run::{self, Server},
    sip::{node::Arrival, transport::Transports},
};

/// A file server that runs.
pub type Running = run::Running<Command, Gauges>;

/// Runs `server` until it has finished or `token` is cancelled; see [`run::run`]. What is left of the data plane ends before anybody hears that
/// all has ended.
pub fn run(
    server: FileServer<Engine>,
    transports: Transports,
    arrivals: Receiver<Arrival>,
    tasks: &TaskTracker,
    token: CancellationToken,
) -> Running {
    let (gauges, doorbell) = (server.gauges(), server.plane().doorbell());
    let server = Server { node: server, gauges, doorbell, rung: Command::Plane };
    run::run(server, transports, arrivals, tasks, token, |server| server.into_plane().shut_down())
}
