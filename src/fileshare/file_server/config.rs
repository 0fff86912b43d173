//! What a file server is told before it starts.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::{
    conference::{called::Access, wire::services},
    fileshare::wire::control,
    sip::{endpoint::EndpointConfig, message::Method},
};

/// Seconds that a caller is told to wait when there is no room (Retry-After, and `upload-not-ready`).
pub const RETRY_AFTER: u32 = 5;

/// Settings of a file server's signalling.
#[derive(Debug, Clone)]
pub struct FileServerConfig {
    /// The user agent under it; begin with [`FileServerConfig::endpoint`] and add the addresses.
    pub endpoint: EndpointConfig,
    /// Who is let in; everybody else gets 403.
    pub access: Access,
    /// Addresses that terminals connect to and that SDP names, in order of preference; at least one. A terminal on loopback gets one there
    /// where there is one, others get one elsewhere, of the address family of theirs.
    pub addresses: Vec<IpAddr>,
    /// Bounds.
    pub limits: Limits,
    /// A data conference to which nobody is connected for so long gives its port back. Its bytes stay.
    pub idle: Duration,
    /// A terminal whose connection broke, or that never connected, gets so long to come (again); then it has failed. Where that was the
    /// sharer before its upload was complete, the data conference ends.
    pub resume_window: Duration,
}

/// Bounds of a file server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most data conferences; one more is answered 503 with Retry-After.
    pub shares: usize,
    /// Most members of a data conference, its sharer included; one more is answered 503 with Retry-After.
    pub members: usize,
    /// Most bytes of a batch. A larger one is refused: by 413 where the INVITE tells, by a refusal where `upload-request` does, else by an
    /// error packet when the manifest or the bytes come.
    pub batch_bytes: u64,
    /// Most entries of a batch. As `batch_bytes`.
    pub entries: usize,
}

/// What the rest of the process may know at any time.
#[derive(Debug, Default)]
pub struct Gauges {
    shares: AtomicU32,
    members: AtomicU32,
    draining: AtomicBool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { shares: 1000, members: 1000, batch_bytes: 1 << 40, entries: crate::transfer::manifest::MAX_ENTRIES }
    }
}

impl FileServerConfig {
    /// Settings at an address.
    pub fn new(endpoint: EndpointConfig, address: IpAddr) -> Self {
        Self {
            endpoint,
            access: Access::default(),
            addresses: vec![address],
            limits: Limits::default(),
            idle: Duration::from_secs(120),
            resume_window: Duration::from_secs(600),
        }
    }

    /// A user agent as a file server is one, without addresses.
    pub fn endpoint() -> EndpointConfig {
        EndpointConfig {
            allow: vec![Method::Invite, Method::Ack, Method::Bye, Method::Cancel, Method::Options, Method::Info],
            accept: vec!["application/sdp".to_owned(), control::CONTENT_TYPE.to_owned()],
            recv_info: vec![control::INFO_PACKAGE.to_owned()],
            ..EndpointConfig::default()
        }
    }
}

impl Gauges {
    /// Data conferences now.
    pub fn shares(&self) -> u32 {
        self.shares.load(Ordering::Relaxed)
    }

    /// Members now, sharers included.
    pub fn members(&self) -> u32 {
        self.members.load(Ordering::Relaxed)
    }

    /// No new calls are taken.
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(super) fn set(self: &Arc<Self>, shares: usize, members: usize, draining: bool) {
        self.shares.store(u32::try_from(shares).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.members.store(u32::try_from(members).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.draining.store(draining, Ordering::Relaxed);
    }
}

/// The body of the answer to OPTIONS: members count as legs, and most of them there can be as capacity.
pub(super) fn services(gauges: &Gauges, instance: &str, limits: &Limits) -> services::Services {
    let capacity = u32::try_from(limits.shares.saturating_mul(limits.members)).unwrap_or(u32::MAX);
    services::Services {
        role: "fs".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        draining: gauges.draining(),
        instance: Some(instance.to_owned()),
        load: Some(services::Load { legs: gauges.members(), capacity, load: 0 }),
        ..services::Services::default()
    }
}
