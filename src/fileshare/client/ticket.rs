//! What signalling brings before a terminal may connect.

use std::net::SocketAddr;

use crate::fileshare::{
    BatchId, ConfId,
    wire::{Route, TransferKey, Way, control::Endpoint},
};

/// Where to connect, and by what right (S404, S410, S804, S810).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The data conference.
    pub conf: ConfId,
    /// The batch.
    pub batch: BatchId,
    /// The file server's port, its certificate, and the member's key.
    pub endpoint: Endpoint,
}

/// The part of a [`Ticket`] that machines need, and where the terminal said that it connects from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The data conference.
    pub conf: ConfId,
    /// The batch.
    pub batch: BatchId,
    /// The member's key.
    pub key: TransferKey,
    /// The terminal's address and port as declared.
    pub source: SocketAddr,
}

impl Ticket {
    /// With the declared address and port.
    pub fn from_source(&self, source: SocketAddr) -> Place {
        Place { conf: self.conf.clone(), batch: self.batch, key: self.endpoint.key.clone(), source }
    }
}

impl Place {
    pub(super) fn route(&self, way: Way) -> Route {
        Route { way, terminal: self.source, batch: self.batch }
    }
}
