//! The server's side: challenges, and judges the answers.

use std::time::{Duration, Instant};

use super::{Algorithm, Answer, Challenge, DigestError, Ha1, Qop, hash::hex, nonce::Nonces};
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
    nonces: Nonces,
    opaque: String,
}

/// What is to be done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It comes from this user.
    Accepted {
        /// The user name that `find` knew.
        username: String,
        /// The algorithm that the client chose.
        algorithm: Algorithm,
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
    /// Answer 400: the credentials cannot be read.
    Malformed,
}

/// Why a request was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// No credentials for our realm and algorithms in it: everyone's first request.
    Missing,
    /// The response is right, but for a nonce that has expired or is not of this server's life.
    Stale,
    /// The response is right, and was used before.
    Replayed,
    /// No such user, or not this password: counts towards back-off.
    Wrong,
}

impl Server {
    /// A server; `seed` makes its nonces unforgeable.
    pub fn new(config: ServerConfig, now: Instant, seed: [u8; 32]) -> Self {
        let nonces = Nonces::new(now, &seed, config.nonce_life, config.max_nonces);
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &[b"opaque", &seed[..]].concat());
        let opaque = hex(hash.as_ref().get(..8).unwrap_or_default());
        Self { config, nonces, opaque }
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.config.realm
    }

    /// True for the algorithm that is offered last.
    pub fn is_last(&self, algorithm: Algorithm) -> bool {
        self.config.algorithms.last() == Some(&algorithm)
    }

    /// The values of the WWW-Authenticate fields of a 401, strongest first (RFC 8760 §2.4), each a field of its own.
    pub fn challenges(&mut self, now: Instant, stale: bool) -> Vec<String> {
        let nonce = self.nonces.make(now);
        let challenge = |algorithm: &Algorithm| Challenge {
            realm: self.config.realm.clone(),
            nonce: nonce.clone(),
            opaque: Some(self.opaque.clone()),
            algorithm: Some(algorithm.to_string()),
            qop: Some(vec![Qop::Auth]),
            stale,
        };
        self.config.algorithms.iter().map(|a| challenge(a).to_string()).collect()
    }

    /// Judges the Authorization of `request`. `find` looks an account's H(A1) up. ACK and CANCEL cannot be challenged
    /// (RFC 3261 §22.1) and are not to be judged.
    ///
    /// The response is judged before the nonce, so that `stale` is said only to who knows the password (RFC 7616 §3.3). That
    /// the hashed URI is the Request-URI is not asked for: a proxy may have changed it (RFC 3261 §22.4).
    pub fn verify(&mut self, now: Instant, request: &Request, mut find: impl FnMut(&str, Algorithm) -> Option<Ha1>) -> Verdict {
        let (answer, algorithm) = match self.own_answer(request) {
            Ok(Some(found)) => found,
            Ok(None) => return Verdict::Challenge { why: Denied::Missing, stale: false, username: None },
            Err(()) => return Verdict::Malformed,
        };
        let known = find(&answer.username, algorithm).filter(|ha1| ha1.algorithm() == algorithm);
        // For a user that does not exist the same work is done, so that the time tells nothing.
        let ha1 = known.clone().unwrap_or_else(|| Ha1::new(algorithm, &answer.username, &self.config.realm, &self.opaque));
        let right = ha1.response(&answer.nonce, answer.proof.as_ref(), request.method.as_str(), &answer.uri, &request.body);
        let equal = aws_lc_rs::constant_time::verify_slices_are_equal(right.as_bytes(), answer.response.as_bytes()).is_ok();
        let denied = |why, stale| Verdict::Challenge { why, stale, username: Some(answer.username.clone()) };
        if !equal || known.is_none() {
            return denied(Denied::Wrong, false);
        }
        let Some(nonce) = self.nonces.recognise(now, &answer.nonce) else {
            return denied(Denied::Stale, true);
        };
        // An answer without a count (RFC 2069) is good for one request.
        if !self.nonces.spend(now, nonce, answer.proof.as_ref().map_or(1, |p| p.nc)) {
            return denied(Denied::Replayed, true);
        }
        Verdict::Accepted { username: answer.username, algorithm }
    }

    /// Whom the answer to our challenge in a request says to be, unverified: whom [`Self::verify`] would judge.
    pub fn claimed(&self, request: &Request) -> Option<String> {
        Some(self.own_answer(request).ok()??.0.username)
    }

    /// The answer to one of our challenges; `Err` when there is one that cannot be read.
    fn own_answer(&self, request: &Request) -> Result<Option<(Answer, Algorithm)>, ()> {
        let mut malformed = false;
        for value in request.headers.all("Authorization") {
            match value.parse::<Answer>() {
                Ok(answer) if answer.realm == self.config.realm => {
                    let offered = answer.known_algorithm().filter(|a| self.config.algorithms.contains(a));
                    if let Some(algorithm) = offered {
                        return Ok(Some((answer, algorithm)));
                    }
                }
                Ok(_) | Err(DigestError::Scheme) => {}
                Err(DigestError::Malformed) => malformed = true,
            }
        }
        if malformed { Err(()) } else { Ok(None) }
    }
}
