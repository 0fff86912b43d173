//! Certificates: what we show, what we trust.

use std::time::SystemTime;

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
    /// Authorities whose certificates are believed, in PEM; of peers that we connect to and of clients that show one.
    pub roots: String,
    /// SHA-256 fingerprints of certificates believed by outgoing connections without any root: the peer's own, or its
    /// authority's if the peer shows that one.
    pub pins: Vec<[u8; 32]>,
}

/// Why certificates cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The PEM text is not what it should be.
    #[error("the {what} is not readable as PEM: {why}")]
    Pem {
        /// Certificate, key or roots.
        what: &'static str,
        /// What was wrong.
        why: String,
    },
    /// There is no certificate in the text.
    #[error("there is no {what} in the text")]
    Empty {
        /// Certificate, key or roots.
        what: &'static str,
    },
    /// The key does not belong to the certificate, or cannot be used.
    #[error("the certificate and its key cannot be used: {0}")]
    Identity(String),
    /// A certificate could not be made.
    #[error("the certificate cannot be issued: {0}")]
    Issue(String),
}

/// Certificates in use; changed by [`TlsStore::reload`] while connections live on.
#[derive(Debug)]
pub struct TlsStore {}

impl TlsStore {
    /// Reads the material.
    ///
    /// # Errors
    /// What of it cannot be used.
    pub fn new(material: &TlsMaterial) -> Result<Self, TlsError> {
        let _ = material;
        unimplemented!()
    }

    /// Takes new material for connections made from now on. On an error the old stays in use.
    ///
    /// # Errors
    /// What of it cannot be used.
    pub fn reload(&self, material: &TlsMaterial) -> Result<(), TlsError> {
        let _ = material;
        unimplemented!()
    }
}

/// A certificate authority of our own.
#[derive(Debug)]
pub struct Authority {}

/// A certificate fresh from an [`Authority`].
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate, then the authority's, in PEM: clients may pin either.
    pub chain: String,
    /// Its key.
    pub key: KeyPem,
}

impl Authority {
    /// Makes a new authority, good for ten years from `now`.
    ///
    /// # Errors
    /// The key could not be made.
    pub fn generate(now: SystemTime) -> Result<Self, TlsError> {
        let _ = now;
        unimplemented!()
    }

    /// Takes an authority made before.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn from_pem(certificate: &str, key: &KeyPem) -> Result<Self, TlsError> {
        let _ = (certificate, key);
        unimplemented!()
    }

    /// The authority's certificate in PEM: what clients trust.
    pub fn certificate(&self) -> &str {
        unimplemented!()
    }

    /// The authority's key.
    pub fn key(&self) -> &KeyPem {
        unimplemented!()
    }

    /// Issues a certificate for servers and clients, good for a year from `now`, for localhost, 127.0.0.1, ::1, `hosts`
    /// (names or addresses) and `roles` (as `<role>.invalid`).
    ///
    /// # Errors
    /// A name cannot stand in a certificate.
    pub fn issue(&self, now: SystemTime, hosts: &[String], roles: &[String]) -> Result<Issued, TlsError> {
        let _ = (now, hosts, roles);
        unimplemented!()
    }
}

/// The SHA-256 fingerprint of the first certificate in PEM text.
///
/// # Errors
/// There is none.
pub fn fingerprint(pem: &str) -> Result<[u8; 32], TlsError> {
    let _ = pem;
    unimplemented!()
}
