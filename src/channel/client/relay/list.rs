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

    /// Those that a relay or the other end tells of, reached as these are; where one of either list is spoken to by TLS, none without it, and these
    /// where that leaves none: nobody else leads out of TLS.
    #[must_use]
    pub(in crate::channel::client) fn or_told(&self, mut told: Vec<String>) -> Self {
        let secured = |name: &String| address::split(name).0;
        if told.iter().chain(&self.names).any(secured) {
            told.retain(secured);
        }
        if told.is_empty() { self.clone() } else { self.with_names(told) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_leads_out_of_tls_by_what_he_tells_of_relays() {
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (own, told, expected) in [
            ("a:1", "", "a:1"),
            ("a:1", "b:2 c:3", "b:2 c:3"),
            ("a:1", "b:2 tls://c:3", "tls://c:3"),
            ("tls://a:1", "tls://a:1 a:2", "tls://a:1"),
            ("tls://a:1", "a:2", "tls://a:1"),
            ("b:1 tls://a:1", "c:2", "b:1 tls://a:1"),
        ] {
            assert_eq!(Relays::from(names(own)).or_told(names(told)).names(), names(expected), "{own}, told {told}");
        }
    }
}
