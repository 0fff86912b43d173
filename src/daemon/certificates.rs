//! The certificate store of the process: from the configured files, or a certificate of our own authority.

use std::{fs, path::Path, sync::Arc};

use super::{DaemonError, data_dir::DataDir, first_start};
use crate::{
    clock,
    config::{Config, Role},
    sip::{
        message::Host,
        transport::{Authority, KeyPem, TlsMaterial, TlsStore},
    },
};

/// Where this process's certificates come from.
#[derive(Debug)]
pub struct Certificates {
    authority: Authority,
    store: Arc<TlsStore>,
}

impl Certificates {
    /// Loads or makes them.
    ///
    /// # Errors
    /// A file cannot be read or used.
    pub fn load(directory: &DataDir, config: &Config) -> Result<Self, DaemonError> {
        let authority = first_start::authority(directory)?;
        let material = material(&authority, config)?;
        let store = TlsStore::new(&material).map_err(|source| DaemonError::Tls { what: "certificates".into(), source })?;
        Ok(Self { authority, store: Arc::new(store) })
    }

    /// Reads the files again, or issues a new certificate, for the connections made from now on. On an error the old ones stay in use.
    ///
    /// # Errors
    /// A file cannot be read or used.
    pub fn reload(&self, config: &Config) -> Result<(), DaemonError> {
        let material = material(&self.authority, config)?;
        self.store.reload(&material).map_err(|source| DaemonError::Tls { what: "certificates".into(), source })
    }

    /// The store that transports use.
    pub fn store(&self) -> &Arc<TlsStore> {
        &self.store
    }

    /// The authority that clients are told to trust, in PEM; `None` where a certificate of somebody else's is configured.
    pub fn told_authority(&self, config: &Config) -> Option<&str> {
        config.tls.certificate.is_none().then(|| self.authority.certificate())
    }
}

fn material(authority: &Authority, config: &Config) -> Result<TlsMaterial, DaemonError> {
    let read = |path: &Path| fs::read_to_string(path).map_err(DaemonError::file("read", path));
    let identity = match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => (read(certificate)?, KeyPem::new(read(key)?)),
        // The key of a certificate of ours never reaches the disk: the next start issues another.
        _ => {
            let roles: Vec<String> = config.roles.iter().map(|role: Role| role.name().to_owned()).collect();
            let issued = authority
                .issue(clock::wall(), &hosts(config), &roles)
                .map_err(|source| DaemonError::Tls { what: "the certificate of this server".into(), source })?;
            (issued.chain, issued.key)
        }
    };
    let mut roots = authority.certificate().to_owned();
    if let Some(path) = &config.tls.authorities {
        roots.push('\n');
        roots.push_str(&read(path)?);
    }
    Ok(TlsMaterial { identity: Some(identity), roots, pins: Vec::new() })
}

/// The names and addresses that peers know us by.
fn hosts(config: &Config) -> Vec<String> {
    let bare = |host: &Host| match host {
        Host::Name(name) => name.clone(),
        Host::Ip(ip) => ip.to_string(),
    };
    let mut hosts: Vec<String> = config.domains.iter().map(|domain| bare(&domain.0)).collect();
    for listener in &config.listen.sip {
        hosts.extend(listener.advertise.as_ref().map(|advertised| bare(&advertised.host)));
        hosts.push(listener.address.ip().to_string());
    }
    for listener in config.listen.relay.iter().filter(|listener| listener.tls) {
        hosts.push(listener.address.ip().to_string());
    }
    hosts.extend(config.relay.advertise.iter().filter(|told| told.tls).map(|told| bare(&told.place.host)));
    hosts.extend(config.listen.http.iter().map(|listener| listener.address.ip().to_string()));
    hosts.retain(|host| host.parse().map_or(true, |ip: std::net::IpAddr| !ip.is_unspecified()));
    hosts.sort();
    hosts.dedup();
    hosts
}
