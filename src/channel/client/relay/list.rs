//! The relays that a terminal knows.

use crate::channel::client::proxy::Proxies;

/// Where relays are, `host:port`, in the order of preference.
#[derive(Debug, Clone, Default)]
pub struct Relays {
    pub(super) names: Vec<String>,
    pub(super) proxies: Option<Proxies>,
}

impl From<Vec<String>> for Relays {
    fn from(names: Vec<String>) -> Self {
        Self { names, proxies: None }
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
        Self { names, proxies: self.proxies.clone() }
    }

    /// Those, by way of these proxies.
    #[must_use]
    pub fn by(self, proxies: Proxies) -> Self {
        Self { proxies: Some(proxies), ..self }
    }

    /// The proxy before a relay, `host:port`, without its password; none where it is reached without one.
    pub fn proxy_before(&self, relay: &str) -> Option<String> {
        self.proxies.as_ref()?.before(relay).ok()?.map(|proxy| proxy.to_string())
    }

    /// All but one.
    pub(super) fn without(&self, name: &str) -> Self {
        self.with_names(self.names.iter().filter(|one| *one != name).cloned().collect())
    }
}
