//! Transports (RFC 3261 §18): UDP, TCP, TLS and byte streams inside this process. The shell under every node.
//!
//! [`Transports::bind`] opens the listeners and gives a handle to send with and a queue of [`Arrival`]s;
//! [`drive`](super::node::drive) joins both to a [`Node`](super::node::Node).
//!
//! * **Ways out.** A hop with a living connection is sent to by it. Without one, the connection that was opened to that
//!   address (or, by TLS, that name) is used, or a new one is opened. An answer whose connection is gone goes by a new one to
//!   where its request came from, at the port of the topmost Via (§18.2.2). Requests to a connection that the peer had opened
//!   and that is gone fail. A connection accepted by TLS serves our requests, too, when its certificate proves the name in a
//!   Via with `alias` (RFC 5923).
//! * **UDP** leaves by the socket that heard the peer, else by one of its kind. A socket bound to the wildcard sends from the
//!   address that the system picks, and [`Arrival::Message`] then says the wildcard as place of arrival; who has several
//!   networks listens on each address.
//! * **Names** are looked up by the system's resolver, a few at a time, and remembered for half a minute; literals and
//!   `localhost` need no look-up. Out of scope: NAPTR and SRV (RFC 3263); a hop has its port and transport already.
//! * **Bounds** are [`TransportLimits`]; [`TransportStats`] counts what they cost.
//! * Out of scope, too: multicast, SCTP, compression.
//!
//! | file | what |
//! |---|---|
//! | `config` | what to listen on, bounds, errors at the start |
//! | `bind`, `icmp` | sockets and what the system says about them |
//! | `inner` | which way a message takes |
//! | `udp` | datagrams |
//! | `flows`, `flow/` | the table of connections; one connection |
//! | `accept`, `connect` | connections in and out |
//! | `local` | streams between roles of this process |
//! | `names` | names to addresses |
//! | `tls/` | certificates |
//! | `trace/` | ladder and pcap |

mod accept;
mod bind;
mod config;
mod connect;
mod flow;
mod flows;
mod icmp;
mod inner;
mod local;
mod names;
mod stats;
#[cfg(test)]
mod tests;
mod tls;
mod trace;
mod udp;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use tokio::sync::mpsc::{self, Receiver};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

pub use bind::source_towards;
pub use config::{BindError, TransportConfig, TransportLimits};
pub use local::LocalHub;
pub use stats::TransportStats;
pub use tls::{Authority, Issued, KeyPem, TlsError, TlsMaterial, TlsStore, fingerprint};
pub use trace::{Sink, Trace, TraceConfig};

use super::{
    Address, Hop, Transport,
    node::{Arrival, SendFault},
};
use flows::Flows;
use inner::Inner;
use names::Names;
use trace::{OwnEnd, Tracer};
use udp::UdpPorts;

/// The transports of one node. Clones share them; when the last clone is dropped they close.
#[derive(Debug, Clone)]
pub struct Transports {
    inner: Arc<Inner>,
    _alive: Arc<Alive>,
}

/// What lives as long as a handle does.
#[derive(Debug)]
struct Alive {
    _stop: DropGuard,
    _ends: Vec<OwnEnd>,
}

impl Transports {
    /// Opens everything `config` names. Arrivals come by the receiver.
    ///
    /// # Errors
    /// Which address could not be opened, and what to do about it. Then nothing stays open.
    #[expect(clippy::unused_async, reason = "sockets and tasks belong to a runtime; an async function cannot be called outside of one")]
    pub async fn bind(config: TransportConfig) -> Result<(Self, Receiver<Arrival>), BindError> {
        if let Some(address) = config.tls.first().filter(|_| !config.tls_store.as_ref().is_some_and(|store| store.can_listen())) {
            return Err(BindError::NoCertificate { address: *address });
        }
        let local = match &config.local {
            Some((hub, role)) => Some(hub.register(role).ok_or_else(|| BindError::RoleTaken { role: role.clone() })?),
            None => None,
        };
        let bind::Sockets { udp, tcp, tls } = bind::open(&config)?;
        let (arrivals, receiver) = mpsc::channel(config.limits.arrivals);
        let listening = BTreeMap::from([
            (Transport::Udp, udp.iter().map(|(_, address)| *address).collect::<Vec<_>>()),
            (Transport::Tcp, tcp.iter().map(|(_, address)| *address).collect()),
            (Transport::Tls, tls.iter().map(|(_, address)| *address).collect()),
        ]);
        let (udp, datagrams) = UdpPorts::new(udp, &config.limits);
        let inner = Arc::new(Inner {
            flows: Flows::new(&config.limits),
            names: Names::new(&config.limits),
            limits: config.limits,
            arrivals,
            udp,
            tls: config.tls_store,
            local: config.local,
            tracer: config.trace.map(|trace| Tracer::new(trace, config.label)),
            counters: stats::Counters::default(),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            listening,
        });
        for task in datagrams {
            inner.tracker.spawn(task.run(inner.clone()));
        }
        for (transport, listeners) in [(Transport::Tcp, tcp), (Transport::Tls, tls)] {
            for (listener, _) in listeners {
                inner.tracker.spawn(accept::listen(inner.clone(), transport, listener));
            }
        }
        if let (Some(listener), Some((_, role))) = (local, &inner.local) {
            inner.tracker.spawn(accept::listen_local(inner.clone(), listener, role.clone()));
        }
        let alive = Alive { _ends: own_ends(&inner), _stop: inner.stop.clone().drop_guard() };
        Ok((Self { inner, _alive: Arc::new(alive) }, receiver))
    }

    /// Whether the listeners that `config` names can be opened: they are, and closed again. Within a tokio runtime.
    ///
    /// # Errors
    /// Which address could not be opened, and what to do about it.
    pub fn can_bind(config: &TransportConfig) -> Result<(), BindError> {
        bind::open(config).map(drop)
    }

    /// Sends `bytes` to `hop`. Never blocks: what fails later comes back as [`Arrival::Failed`].
    ///
    /// # Errors
    /// What can be told at once. [`drive`](super::node::drive) turns it into [`Arrival::Failed`], too.
    pub fn send(&self, hop: &Hop, bytes: Bytes) -> Result<(), SendFault> {
        self.inner.send(hop, bytes)
    }

    /// The first address listened on with this transport.
    pub fn local_addr(&self, transport: Transport) -> Option<SocketAddr> {
        self.local_addrs(transport).first().copied()
    }

    /// Every address listened on with this transport. Those that got one port for UDP and TCP stand first, the others in the
    /// order of the configuration.
    pub fn local_addrs(&self, transport: Transport) -> &[SocketAddr] {
        self.inner.listening.get(&transport).map_or(&[], Vec::as_slice)
    }

    /// Counts so far.
    pub fn stats(&self) -> TransportStats {
        self.inner.counters.snapshot(self.inner.flows.len())
    }

    /// Closes: queued messages leave within [`TransportLimits::flush`], then every connection ends and every task is done.
    pub async fn shutdown(&self) {
        self.inner.stop.cancel();
        self.inner.tracker.close();
        self.inner.tracker.wait().await;
    }
}

/// Makes our ends known to the trace, so that what other nodes of this process send us is not written down twice.
fn own_ends(inner: &Inner) -> Vec<OwnEnd> {
    let Some(tracer) = &inner.tracer else { return Vec::new() };
    let sockets = inner.listening.iter().flat_map(|(transport, all)| all.iter().map(|socket| (*transport, Address::Socket(*socket))));
    let role = inner.local.iter().map(|(_, role)| (Transport::Local, Hop::local(role).address));
    sockets.chain(role).map(|(transport, address)| tracer.own(transport, address)).collect()
}
