//! Whose certificate is believed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{Trust, fingerprint_of};
use crate::clock;

/// Certificates of one peer that are looked at; a chain of more is cut.
const MAX_CHAIN: usize = 10;

/// The fingerprints of what a peer showed in one handshake.
#[derive(Debug, Default)]
pub(in super::super) struct Seen(Mutex<Vec<[u8; 32]>>);

impl Seen {
    /// The peer's own first; empty when it showed none.
    pub(in super::super) fn presented(&self) -> Vec<[u8; 32]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Believes servers that our roots verify for the name asked for, or that are pinned.
#[derive(Debug)]
pub(super) struct TrustedServer {
    trust: Arc<Trust>,
    seen: Arc<Seen>,
}

impl TrustedServer {
    pub(super) fn new(trust: &Arc<Trust>) -> (Arc<Self>, Arc<Seen>) {
        let seen = Arc::<Seen>::default();
        (Arc::new(Self { trust: trust.clone(), seen: seen.clone() }), seen)
    }
}

impl ServerCertVerifier for TrustedServer {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let rest = rest.get(..MAX_CHAIN).unwrap_or(rest);
        let presented: Vec<_> = std::iter::once(own).chain(rest).map(|shown| fingerprint_of(shown)).collect();
        let pinned = presented.iter().position(|shown| self.trust.pins.contains(shown));
        *self.seen.0.lock().unwrap_or_else(PoisonError::into_inner) = presented;
        // Who pins a certificate has seen it: neither its names nor its authority say more.
        if pinned == Some(0) {
            return Ok(ServerCertVerified::assertion());
        }
        let certificate = ParsedCertificate::try_from(own)?;
        let algorithms = self.trust.provider.signature_verification_algorithms.all;
        let mut roots = &self.trust.roots;
        let mut pinned_root = RootCertStore::empty();
        if let Some(authority) = pinned.and_then(|at| rest.get(at - 1)) {
            pinned_root.add(authority.clone().into_owned())?;
            roots = &pinned_root;
        }
        if roots.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        verify_server_cert_signed_by_trust_anchor(&certificate, roots, rest, now, algorithms)?;
        verify_server_name(&certificate, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, own, signed, &self.trust.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, own, signed, &self.trust.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Lets any client in; whether it is believed is asked after the handshake, by [`client_is_trusted`]. That it holds the key of
/// the certificate it shows is checked here.
#[derive(Debug)]
pub(super) struct AnyClient {
    trust: Arc<Trust>,
    subjects: Vec<DistinguishedName>,
}

impl AnyClient {
    pub(super) fn new(trust: &Arc<Trust>) -> Self {
        Self { trust: trust.clone(), subjects: trust.roots.subjects() }
    }
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        _own: &CertificateDer<'_>,
        _rest: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, own, signed, &self.trust.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, own, signed, &self.trust.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// True when our roots verify a client's certificate.
pub(super) fn client_is_trusted(trust: &Trust, own: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> bool {
    let Ok(certificate) = webpki::EndEntityCert::try_from(own) else { return false };
    let now = clock::wall().duration_since(SystemTime::UNIX_EPOCH).map_or(Duration::ZERO, |since| since);
    let algorithms = trust.provider.signature_verification_algorithms.all;
    let rest = rest.get(..MAX_CHAIN).unwrap_or(rest);
    certificate
        .verify_for_usage(
            algorithms,
            &trust.roots.roots,
            rest,
            UnixTime::since_unix_epoch(now),
            webpki::KeyUsage::client_auth(),
            None,
            None,
        )
        .is_ok()
}
