//! The relays that a terminal knows.

use std::sync::Arc;

use crate::{
    channel::{client::proxy::Proxies, wire::address},
    sip::transport::TlsStore,
};

/// Where relays are, `host:port` or `tls://host:port`, in the order of preference.
#[derive(Debug, Clone, Default)]
pub struct Relays {
    pub(super) names: Vec<String>,
    pub(super) proxies: Option<Proxies>,
    /// Whose certificates are believed; without it nobody's.
    pub(super) trust: Option<Arc<TlsStore>>,
}

impl From<Vec<String>> for Relays {
    fn from(names: Vec<String>) -> Self {
        Self { names, proxies: None, trust: None }
    }
}

impl Relays {
    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Others, reached as these are.
    #[must_use]
    pub fn with_names(&self, names: Vec<String>) -> Self {
        Self { names, proxies: self.proxies.clone(), trust: self.trust.clone() }
    }

    /// Those, by way of these proxies.
    #[must_use]
    pub fn by(self, proxies: Proxies) -> Self {
        Self { proxies: Some(proxies), ..self }
    }

    /// The proxy before a relay, without its password; none where it is reached without one.
    pub fn proxy_before(&self, relay: &str) -> Option<String> {
        self.proxies.as_ref()?.before(address::split(relay).1).ok()?.map(|proxy| proxy.to_string())
    }

    /// Those, and whose certificates are believed of them that are spoken to by TLS.
    #[must_use]
    pub fn believing(self, trust: Arc<TlsStore>) -> Self {
        Self { trust: Some(trust), ..self }
    }

    /// All but one.
    pub(super) fn without(&self, name: &str) -> Self {
        self.with_names(self.names.iter().filter(|one| *one != name).cloned().collect())
    }
}
