//! Transports (RFC 3261 §18): UDP, TCP, TLS and byte streams inside this process. The shell under every node.
mod config;
mod local;
mod tls;
mod trace;

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use tokio::sync::mpsc::Receiver;

pub use config::{BindError, TransportConfig, TransportLimits};
pub use local::LocalHub;
pub use tls::{Authority, Issued, KeyPem, TlsError, TlsMaterial, TlsStore, fingerprint};
pub use trace::{Trace, TraceConfig};

use super::{
    Hop, Transport,
    node::{Arrival, SendFault},
};

/// The transports of one node. Clones share them; when the last clone is dropped they close.
#[derive(Debug, Clone)]
pub struct Transports {}

impl Transports {
    /// Opens everything `config` names. Arrivals come by the receiver; its end stops the transports.
    ///
    /// # Errors
    /// Which address could not be opened, and what to do about it. Then nothing stays open.
    pub async fn bind(config: TransportConfig) -> Result<(Self, Receiver<Arrival>), BindError> {
        let _ = config;
        unimplemented!()
    }

    /// Sends `bytes` to `hop`. Never blocks: what fails later comes back as [`Arrival::Failed`].
    ///
    /// # Errors
    /// What can be told at once. [`drive`](super::node::drive) turns it into [`Arrival::Failed`], too.
    pub fn send(&self, hop: &Hop, bytes: Bytes) -> Result<(), SendFault> {
        let _ = (hop, bytes);
        unimplemented!()
    }

    /// The first address listened on with this transport.
    pub fn local_addr(&self, transport: Transport) -> Option<SocketAddr> {
        self.local_addrs(transport).first().copied()
    }

    /// Every address listened on with this transport, in the order of the configuration.
    pub fn local_addrs(&self, transport: Transport) -> Vec<SocketAddr> {
        let _ = transport;
        unimplemented!()
    }

    /// Closes: queued messages leave within [`TransportLimits::flush`], then every connection ends and every task is done.
    pub async fn shutdown(&self) {
        unimplemented!()
    }
}

/// The address that this machine would send from to `peer`, for a Via or a Contact where a listener is bound to the wildcard.
/// No packet is sent.
///
/// # Errors
/// There is no route.
pub fn source_towards(peer: IpAddr) -> std::io::Result<IpAddr> {
    let _ = peer;
    unimplemented!()
}
