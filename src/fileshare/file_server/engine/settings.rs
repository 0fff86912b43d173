//! The settings of the data plane.

use std::{net::IpAddr, num::NonZeroU64, path::PathBuf, time::Duration};

use super::PortRange;
use crate::fileshare::{
    file_server::{Limits, space::Bounds},
    wire::packet::DEFAULT_PAYLOAD,
};

/// Bytes of manifests and trailers in memory, of all shares together: a thousand shares of some thousand files each, or seven of the largest.
const LISTS: usize = 256 * 1024 * 1024;

/// Settings of the data plane.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where batches are stored; made where it is not there. Nobody else may write to it.
    pub directory: PathBuf,
    /// Addresses that are listened on, each with the same port.
    pub addresses: Vec<IpAddr>,
    /// Ports of data conferences, one each.
    pub ports: PortRange,
    /// TLS; plain TCP otherwise.
    pub tls: bool,
    /// The transfer key alone admits; otherwise address and port must be those declared, too.
    pub behind_nat: bool,
    /// Fixed payload size of batches, in bytes.
    pub payload: u32,
    /// Most bytes of a batch.
    pub batch_bytes: u64,
    /// Most entries of a batch.
    pub entries: usize,
    /// What all shares together may hold of the disk. Whoever finds no room is refused before the first byte, a stream of unknown size stopped.
    pub space: Bounds,
    /// Bytes of manifests and trailers in memory, of all shares together. Whoever finds no room is told to come again.
    pub lists: usize,
    /// Bytes a second of all connections of a data conference together, where nothing else is set for it.
    pub total: Option<NonZeroU64>,
    /// Bytes a second of each connection, where nothing else is set for its data conference.
    pub each: Option<NonZeroU64>,
    /// How long a connection may take to prove itself.
    pub handshake: Duration,
    /// How long a connection is quiet before each side sends a sign of life; three times as long, and the other is taken for gone. Whole
    /// seconds reach the terminals.
    pub heartbeat: Duration,
    /// How long a receiver may neither take bytes nor acknowledge those that it was sent; then its connection is closed. It may come again.
    pub patience: Duration,
    /// How long what an earlier process stored is kept for whoever comes to go on with it.
    pub keep: Duration,
    /// Threads that move bytes; 0: as many as there are cores, but at most four.
    pub threads: usize,
}

impl EngineConfig {
    /// Settings for a folder and an address.
    pub fn new(directory: PathBuf, address: IpAddr) -> Self {
        Self {
            directory,
            addresses: vec![address],
            ports: PortRange::EPHEMERAL,
            tls: true,
            behind_nat: false,
            payload: DEFAULT_PAYLOAD,
            batch_bytes: Limits::default().batch_bytes,
            entries: Limits::default().entries,
            space: Bounds::default(),
            lists: LISTS,
            total: None,
            each: None,
            handshake: Duration::from_secs(10),
            heartbeat: Duration::from_secs(10),
            patience: Duration::from_secs(300),
            keep: Duration::from_secs(600),
            threads: 0,
        }
    }

    pub(super) fn heartbeat_seconds(&self) -> u16 {
        u16::try_from(self.heartbeat.as_secs().max(1)).unwrap_or(u16::MAX)
    }

    /// How long the other end may be silent.
    pub(super) fn stall(&self) -> Duration {
        self.heartbeat.saturating_mul(3)
    }
}
