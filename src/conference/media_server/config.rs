//! What a media server is told before it starts.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use super::{plane::Codec, prompts::PromptLibrary};
use crate::{
    conference::{
        called::{Access, address_near},
        wire::{mscml, services},
    },
    sip::{endpoint::EndpointConfig, message::Method},
};

/// Seconds that a caller is told to wait when there is no room (Retry-After).
pub const RETRY_AFTER: u32 = 5;

/// Settings of a media server.
#[derive(Debug, Clone)]
pub struct MediaServerConfig {
    /// The user agent under it; begin with [`MediaServerConfig::endpoint`] and add the addresses.
    pub endpoint: EndpointConfig,
    /// Who is let in.
    pub access: Access,
    /// Addresses that media is received on and that SDP names, in order of preference; at least one. A caller on loopback
    /// gets one there where there is one, others get one elsewhere, of the address family of their offer.
    pub addresses: Vec<IpAddr>,
    /// Codecs, best first.
    pub codecs: Vec<Codec>,
    /// Send media to where the first valid packet came from.
    pub latch: bool,
    /// Most legs; one more is answered 503 with Retry-After.
    pub capacity: u32,
    /// Most conferences; one more is answered 503 with Retry-After.
    pub max_conferences: usize,
    /// What prompts stand for.
    pub prompts: PromptLibrary,
}

/// What the rest of the process may know at any time.
#[derive(Debug, Default)]
pub struct Gauges {
    legs: AtomicU32,
    conferences: AtomicU32,
    draining: AtomicBool,
}

impl MediaServerConfig {
    /// Settings at an address, with all codecs.
    pub fn new(endpoint: EndpointConfig, address: IpAddr) -> Self {
        Self {
            endpoint,
            access: Access::default(),
            addresses: vec![address],
            codecs: Codec::ALL.to_vec(),
            latch: false,
            capacity: 10_000,
            max_conferences: 4096,
            prompts: PromptLibrary::new(),
        }
    }

    /// A user agent as a media server is one, without addresses.
    pub fn endpoint() -> EndpointConfig {
        EndpointConfig {
            allow: vec![Method::Invite, Method::Ack, Method::Bye, Method::Cancel, Method::Options, Method::Info],
            // RFC 5022 §3: MSCML is announced in Accept, and multipart/mixed must be understood.
            accept: vec!["application/sdp".to_owned(), mscml::CONTENT_TYPE.to_owned(), "multipart/mixed".to_owned()],
            ..EndpointConfig::default()
        }
    }

    /// The address for the media of a caller whose own is `remote`.
    pub(super) fn media_address(&self, remote: Option<IpAddr>) -> Option<IpAddr> {
        address_near(&self.addresses, remote)
    }
}

impl Gauges {
    /// Legs now.
    pub fn legs(&self) -> u32 {
        self.legs.load(Ordering::Relaxed)
    }

    /// Conferences now.
    pub fn conferences(&self) -> u32 {
        self.conferences.load(Ordering::Relaxed)
    }

    /// No new calls are taken.
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(super) fn set(self: &Arc<Self>, legs: usize, conferences: usize, draining: bool) {
        self.legs.store(u32::try_from(legs).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.conferences.store(u32::try_from(conferences).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.draining.store(draining, Ordering::Relaxed);
    }
}

/// The body of the answer to OPTIONS.
pub(super) fn services(gauges: &Gauges, instance: &str, capacity: u32, load: u32) -> services::Services {
    services::Services {
        role: "ms".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        draining: gauges.draining(),
        instance: Some(instance.to_owned()),
        load: Some(services::Load { legs: gauges.legs(), capacity, load }),
        ..services::Services::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_is_received_near_its_caller() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let mut config = MediaServerConfig::new(MediaServerConfig::endpoint(), ip("127.0.0.1"));
        config.addresses.extend([ip("192.0.2.1"), ip("2001:db8::1")]);
        for (remote, expected) in [
            (Some("127.0.0.5"), Some("127.0.0.1")),
            (Some("198.51.100.7"), Some("192.0.2.1")),
            (Some("::ffff:198.51.100.7"), Some("192.0.2.1")),
            (Some("0.0.0.0"), Some("127.0.0.1")),
            (Some("2001:db8::9"), Some("2001:db8::1")),
            (Some("::1"), Some("2001:db8::1")),
            (None, Some("127.0.0.1")),
        ] {
            assert_eq!(config.media_address(remote.map(ip)), expected.map(ip), "{remote:?}");
        }
        config.addresses = vec![ip("192.0.2.1")];
        assert_eq!(config.media_address(Some(ip("::1"))), None, "no address of that family");
    }
}
