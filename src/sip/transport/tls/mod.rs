//! Certificates: what we show, what we trust, what a peer proved.
//!
//! A server asks clients for a certificate and takes those that show none, or one that our roots do not verify: many phones
//! show what their maker put in. Only a verified one gives the connection a name ([`PeerIdentity::Certificate`]), and roles
//! that want a name refuse the others by it. An outgoing connection is made only to a peer whose certificate our roots verify
//! and which holds the name or address asked for, or which is pinned.
//!
//! Revocation lists are out of scope: certificates of [`Authority`] live a year and are replaced by reload.

mod authority;
mod verify;

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use sha2::{Digest as _, Sha256};

use crate::sip::node::PeerIdentity;

pub use authority::{Authority, Issued};
pub(super) use verify::Seen;
use verify::{AnyClient, TrustedServer};

/// A private key in PEM. Debug shows nothing of it.
#[derive(Clone)]
pub struct KeyPem(String);

impl KeyPem {
    /// Takes PEM text; it is read when a store is made of it.
    pub fn new(pem: impl Into<String>) -> Self {
        Self(pem.into())
    }

    /// The PEM text; to be written to files of mode 0600 only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for KeyPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyPem(…)")
    }
}

/// What a store is made of.
#[derive(Debug, Clone, Default)]
pub struct TlsMaterial {
    /// Our certificate, then the ones that lead to its authority, in PEM, and its key. Without it nothing can listen with
    /// TLS, and outgoing connections show no certificate.
    pub identity: Option<(String, KeyPem)>,
    /// Authorities whose certificates are believed, in PEM; of peers that we connect to and of clients that show one. Empty
    /// trusts nobody, and clients are not asked.
    pub roots: String,
    /// SHA-256 fingerprints of certificates believed by outgoing connections without any root: the peer's own, whatever name
    /// it holds, or its authority's if the peer shows that one.
    pub pins: Vec<[u8; 32]>,
}

/// Why certificates cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The PEM text is not what it should be.
    #[error("the {what} cannot be read as PEM: {why}")]
    Pem {
        /// Certificate, key or roots.
        what: &'static str,
        /// What was wrong.
        why: String,
    },
    /// There is nothing of the kind in the text.
    #[error("there is no {what} in the text")]
    Empty {
        /// Certificate, key or roots.
        what: &'static str,
    },
    /// The key does not belong to the certificate, or cannot be used.
    #[error("the certificate and its key cannot be used: {0}")]
    Identity(String),
    /// An authority's certificate cannot be used as a root.
    #[error("an authority's certificate cannot be used: {0}")]
    Root(String),
    /// A certificate could not be made.
    #[error("the certificate cannot be issued: {0}")]
    Issue(String),
    /// Listening goes on, so a reload must bring a certificate.
    #[error("the new material has no certificate, but the old has")]
    NoIdentity,
}

/// Certificates in use; changed by [`TlsStore::reload`] while connections live on.
#[derive(Debug)]
pub struct TlsStore {
    current: RwLock<Arc<Loaded>>,
}

impl TlsStore {
    /// Reads the material.
    ///
    /// # Errors
    /// What of it cannot be used.
    pub fn new(material: &TlsMaterial) -> Result<Self, TlsError> {
        Ok(Self { current: RwLock::new(Arc::new(Loaded::new(material)?)) })
    }

    /// Takes new material for connections made from now on. On an error the old stays in use.
    ///
    /// # Errors
    /// What of it cannot be used.
    pub fn reload(&self, material: &TlsMaterial) -> Result<(), TlsError> {
        let loaded = Arc::new(Loaded::new(material)?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.server.is_some() && loaded.server.is_none() {
            return Err(TlsError::NoIdentity);
        }
        *current = loaded;
        Ok(())
    }

    /// True when there is a certificate to listen with.
    pub fn can_listen(&self) -> bool {
        self.loaded().server.is_some()
    }

    /// What other listeners of the process (HTTP) do their handshakes with now; `None` without a certificate.
    pub fn server_config(&self) -> Option<Arc<ServerConfig>> {
        self.loaded().server.clone()
    }

    /// What connections that something else than SIP opens do their handshakes with now: the peer is verified as one of ours is.
    pub fn client_config(&self) -> Arc<ClientConfig> {
        self.loaded().client().0
    }

    pub(super) fn loaded(&self) -> Arc<Loaded> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One generation of material, ready for handshakes.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) server: Option<Arc<ServerConfig>>,
    client: ClientConfig,
    trust: Arc<Trust>,
}

/// Whom we believe.
#[derive(Debug)]
struct Trust {
    roots: RootCertStore,
    pins: Vec<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl Loaded {
    fn new(material: &TlsMaterial) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        for root in certificates(&material.roots, "roots")? {
            roots.add(root).map_err(|error| TlsError::Root(error.to_string()))?;
        }
        let trust = Arc::new(Trust { roots, pins: material.pins.clone(), provider: provider.clone() });
        let identity = material.identity.as_ref().map(|(chain, key)| identity(chain, key)).transpose()?;
        let cannot = |error: rustls::Error| TlsError::Identity(error.to_string());

        let client = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().map_err(cannot)?;
        let client = client.dangerous().with_custom_certificate_verifier(TrustedServer::new(&trust).0);
        let client = match &identity {
            Some((chain, key)) => client.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(cannot)?,
            None => client.with_no_client_auth(),
        };
        let server = identity.map(|(chain, key)| {
            let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
            let server = if trust.roots.is_empty() {
                server.with_no_client_auth()
            } else {
                server.with_client_cert_verifier(Arc::new(AnyClient::new(&trust)))
            };
            server.with_single_cert(chain, key).map(Arc::new)
        });
        Ok(Self { server: server.transpose().map_err(cannot)?, client, trust })
    }

    /// The configuration for one outgoing connection, and what tells afterwards which certificates its peer showed.
    pub(super) fn client(&self) -> (Arc<ClientConfig>, Arc<Seen>) {
        let (verifier, seen) = TrustedServer::new(&self.trust);
        let mut config = self.client.clone();
        config.dangerous().set_certificate_verifier(verifier);
        (Arc::new(config), seen)
    }

    /// What the client of a finished handshake proved to be.
    pub(super) fn client_identity(&self, shown: Option<&[CertificateDer<'_>]>, ip: IpAddr) -> PeerIdentity {
        match shown {
            Some([own, rest @ ..]) if verify::client_is_trusted(&self.trust, own, rest) => identity_of(own, ip),
            Some(_) | None => PeerIdentity::Anonymous,
        }
    }

    /// What the server of a finished handshake proved to be; it was verified in the handshake.
    pub(super) fn server_identity(shown: Option<&[CertificateDer<'_>]>, ip: IpAddr) -> PeerIdentity {
        shown.and_then(<[_]>::first).map_or(PeerIdentity::Anonymous, |own| identity_of(own, ip))
    }
}

/// The names of a certificate: DNS and URI, and the peer's address where it is among them.
fn identity_of(own: &CertificateDer<'_>, ip: IpAddr) -> PeerIdentity {
    let Ok(certificate) = webpki::EndEntityCert::try_from(own) else { return PeerIdentity::Anonymous };
    let mut names: Vec<String> = certificate.valid_dns_names().chain(certificate.valid_uri_names()).map(str::to_ascii_lowercase).collect();
    if certificate.verify_is_valid_for_subject_name(&ServerName::IpAddress(ip.into())).is_ok() {
        names.push(ip.to_string());
    }
    names.sort();
    names.dedup();
    PeerIdentity::Certificate { names }
}

fn identity(chain: &str, key: &KeyPem) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(chain, "certificate")?;
    if chain.is_empty() {
        return Err(TlsError::Empty { what: "certificate" });
    }
    // The error says what is wrong with the armour, not what is in it.
    let key = PrivateKeyDer::from_pem_slice(key.0.as_bytes()).map_err(|error| TlsError::Pem { what: "key", why: error.to_string() })?;
    Ok((chain, key))
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(|error| TlsError::Pem { what, why: error.to_string() })
}

/// The SHA-256 fingerprint of the first certificate in PEM text.
///
/// # Errors
/// There is none.
pub fn fingerprint(pem: &str) -> Result<[u8; 32], TlsError> {
    certificates(pem, "certificate")?.first().map(|own| fingerprint_of(own)).ok_or(TlsError::Empty { what: "certificate" })
}

fn fingerprint_of(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
}
