//! The certificate of the listening ports: made at the start of the server, known by its fingerprint (RFC 8122), trusted by nothing else.

use std::{fmt, sync::Arc};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    version::TLS13,
};
use tokio_rustls::TlsAcceptor;

use crate::fileshare::wire::Fingerprint;

/// How the listening ports speak TLS.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    pub(super) fingerprint: Fingerprint,
}

impl Tls {
    /// A new key and certificate. TLS 1.3 only: both ends are ours. No tickets: each connection proves itself anew.
    pub(super) fn new() -> Result<Self, String> {
        let wrong = |error: &dyn fmt::Display| error.to_string();
        let key = KeyPair::generate().map_err(|e| wrong(&e))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "confkit fileshare");
        let certificate = params.self_signed(&key).map_err(|e| wrong(&e))?.der().clone();
        let fingerprint = Fingerprint::of_certificate(&certificate);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).map_err(|e| wrong(&e))?;
        let mut config = config.with_no_client_auth().with_single_cert(vec![certificate], key).map_err(|e| wrong(&e))?;
        config.send_tls13_tickets = 0;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), fingerprint })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.fingerprint)
    }
}
