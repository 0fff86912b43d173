//! The shell of the client machines: one machine over transports of its own, told by a queue, telling by another.

use std::{net::SocketAddr, time::Instant};

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{Machine, ServerAddress};
use crate::{
    clock,
    sip::{
        Address, Transmit, Transport,
        endpoint::{Endpoint, EndpointConfig},
        message::Host,
        node::{Arrival, Node, SendFault, drive},
        transport::{BindError, TlsStore, Trace, TransportConfig, Transports, source_towards},
    },
};

/// Commands and events that wait. A machine's events beyond it are dropped only when its owner no longer listens.
const QUEUE: usize = 256;

/// Transports of a client, bound so that the server can reach it.
#[derive(Debug)]
pub struct ClientTransports {
    transports: Transports,
    arrivals: Receiver<Arrival>,
    /// The address that the server sees, and where media is best received.
    pub local: SocketAddr,
}

/// A machine that runs.
#[derive(Debug)]
pub struct Session<M: Machine> {
    /// What it can be told.
    pub commands: Sender<M::Command>,
    /// What it tells; ends when the machine is over.
    pub events: Receiver<M::Event>,
    tasks: TaskTracker,
    _stop: DropGuard,
}

impl ClientTransports {
    /// Binds what a client of `server` needs: UDP and TCP on one port, or none for TLS, which calls out.
    ///
    /// # Errors
    /// A name that is unknown, or no way to the server: [`SendFault`] as text. Sockets that cannot be had: [`BindError`].
    pub async fn bind(
        server: &ServerAddress,
        tls: Option<std::sync::Arc<TlsStore>>,
        trace: Option<Trace>,
        label: Option<String>,
    ) -> Result<Self, ClientError> {
        let peer = match server.hop().address {
            Address::Socket(peer) => peer,
            Address::Name { host, port } => tokio::net::lookup_host((host.as_str(), port))
                .await
                .ok()
                .and_then(|mut found| found.next())
                .ok_or(ClientError::Name(host))?,
        };
        let ip = source_towards(peer.ip()).map_err(|e| ClientError::Way(peer, SendFault::from(&e)))?;
        let any = SocketAddr::new(ip, 0);
        let config = TransportConfig { udp: vec![any], tcp: vec![any], tls_store: tls, trace, label, ..TransportConfig::default() };
        let (transports, arrivals) = Transports::bind(config).await?;
        let local = transports.local_addr(Transport::Udp).unwrap_or(any);
        Ok(Self { transports, arrivals, local })
    }

    /// An endpoint that these transports carry.
    pub fn endpoint(&self, mut config: EndpointConfig) -> Endpoint {
        for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
            let at = self.transports.local_addr(transport).unwrap_or(self.local);
            config = config.at(transport, Host::Ip(at.ip()), Some(at.port()));
        }
        Endpoint::new(config, clock::seed())
    }

    /// Runs a machine until it is over or the session is dropped.
    pub fn run<M>(self, machine: M) -> Session<M>
    where
        M: Machine + Send + 'static,
        M::Command: Send,
        M::Event: Send,
    {
        let (commands, orders) = mpsc::channel(QUEUE);
        let (tell, events) = mpsc::channel(QUEUE);
        let token = CancellationToken::new();
        let tasks = TaskTracker::new();
        let (transports, stop) = (self.transports, token.clone());
        tasks.spawn(async move {
            let mut telling = Telling { machine, tell };
            telling.pass_on();
            drive(telling, transports.clone(), self.arrivals, orders, stop).await;
            transports.shutdown().await;
        });
        tasks.close();
        Session { commands, events, tasks, _stop: token.drop_guard() }
    }
}

impl<M: Machine> Session<M> {
    /// Tells the machine something; false when it is over.
    pub async fn tell(&self, command: M::Command) -> bool {
        self.commands.send(command).await.is_ok()
    }

    /// The next event; `None` when the machine is over.
    pub async fn next(&mut self) -> Option<M::Event> {
        self.events.recv().await
    }

    /// Waits until the machine is over and its last message is on its way.
    pub async fn over(self) {
        let Self { commands, events, tasks, _stop } = self;
        drop((commands, events));
        tasks.wait().await;
    }
}

/// Why a client has no transports.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server's name is unknown.
    #[error("the name {0} cannot be resolved")]
    Name(String),
    /// No way there.
    #[error("{0} cannot be reached: {1}")]
    Way(SocketAddr, SendFault),
    /// No sockets.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// A machine whose events go out by a queue.
struct Telling<M: Machine> {
    machine: M,
    tell: Sender<M::Event>,
}

impl<M: Machine> Telling<M> {
    fn pass_on(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            if self.tell.try_send(event).is_err() {
                tracing::debug!("an event was not taken");
            }
        }
    }
}

impl<M: Machine> Node for Telling<M> {
    type Command = M::Command;

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        self.machine.handle_arrival(now, arrival);
        self.pass_on();
    }

    fn handle_command(&mut self, now: Instant, command: M::Command) {
        self.machine.handle_command(now, command);
        self.pass_on();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.machine.handle_timeout(now);
        self.pass_on();
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.machine.next_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.machine.poll_transmit()
    }

    fn finished(&self) -> bool {
        self.machine.finished()
    }
}
