//! The server's side: challenges, and judges the answers.

use std::time::{Duration, Instant};

use super::{Algorithm, Ha1};
use crate::sip::message::Request;

/// How a server authenticates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Realm: what H(A1) was made with.
    pub realm: String,
    /// Algorithms offered, in this order.
    pub algorithms: Vec<Algorithm>,
    /// How long a nonce is good for.
    pub nonce_life: Duration,
    /// Nonces whose counts are remembered at once. When full, the oldest is forgotten and its next use is stale.
    pub max_nonces: usize,
}

impl ServerConfig {
    /// SHA-256 before MD5, nonces good for five minutes, 4096 of them remembered.
    pub fn new(realm: impl Into<String>) -> Self {
        Self {
            realm: realm.into(),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            nonce_life: Duration::from_secs(300),
            max_nonces: 4096,
        }
    }
}

/// Judges requests by their Authorization.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
}

/// What is to be done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It comes from this user.
    Accepted {
        /// The user name, as the account has it.
        username: String,
    },
    /// Answer 401 with [`Server::challenges`] in WWW-Authenticate.
    Challenge {
        /// Why.
        why: Denied,
        /// Pass on to [`Server::challenges`].
        stale: bool,
        /// Whom the sender says to be, for back-off per account; not verified.
        username: Option<String>,
    },
    /// Answer 400: the credentials cannot be read, or are for another request.
    Malformed,
}

/// Why a request was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// No credentials for our realm in it: everyone's first request.
    Missing,
    /// The nonce has expired, or its count was used.
    Stale,
    /// The nonce was never ours.
    ForeignNonce,
    /// No such user, or not this password: counts towards back-off.
    Wrong,
}

impl Server {
    /// A server; `seed` makes its nonces unforgeable.
    pub fn new(config: ServerConfig, now: Instant, seed: [u8; 32]) -> Self {
        let _ = (now, seed);
        Self { config }
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.config.realm
    }

    /// The values of the WWW-Authenticate fields of a 401, strongest first (RFC 8760 §2.4).
    pub fn challenges(&mut self, now: Instant, stale: bool) -> Vec<String> {
        let _ = (now, stale);
        unimplemented!()
    }

    /// Judges the Authorization of `request`. `find` looks an account's H(A1) up. ACK and CANCEL cannot be challenged
    /// (RFC 3261 §22.1) and are not to be judged.
    pub fn verify(&mut self, now: Instant, request: &Request, find: impl FnMut(&str, Algorithm) -> Option<Ha1>) -> Verdict {
        let _ = (now, request, find);
        unimplemented!()
    }
}
