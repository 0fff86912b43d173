//! The client's side: answers the challenges of a 401 or 407.

use rand::Rng;

use super::Ha1;
use crate::sip::message::{Request, Response};

/// A user name and what proves it. Debug shows the name only.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    username: String,
    password: String,
    hashes: Vec<Ha1>,
}

impl Credentials {
    /// A user name and its password, good for any realm.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: password.into(), hashes: Vec::new() }
    }

    /// The user name.
    pub fn username(&self) -> &str {
        &self.username
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, …)", self.username)
    }
}

/// Why a challenge is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The response holds no challenge that we can answer. The server's fault.
    #[error("the server asks for an authentication that is not known here")]
    NoChallenge,
    /// The credentials were sent and not accepted. The caller's fault.
    #[error("user name or password are wrong")]
    Rejected,
    /// Challenge after challenge. The server's fault.
    #[error("the server asks again and again for the same credentials")]
    Loop,
}

/// What a client knows of the servers that challenged it: nonces and their counts. One per call or registration.
#[derive(Debug, Clone)]
pub struct Client {
    credentials: Credentials,
}

impl Client {
    /// A client that was not challenged yet.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials }
    }

    /// Answers the challenges of a 401 or 407: sets Authorization or Proxy-Authorization in `request`. The caller raises
    /// its CSeq, gives it a new branch and sends it.
    ///
    /// # Errors
    /// The response is final then; the request is left as it was.
    pub fn answer(&mut self, response: &Response, request: &mut Request, rng: &mut impl Rng) -> Result<(), Refused> {
        let _ = (response, request, rng, &self.credentials);
        unimplemented!()
    }

    /// Adds answers to the challenges seen so far, so that a further request is accepted at once (RFC 7616 §3.6). Does
    /// nothing before the first challenge.
    pub fn authorize(&mut self, request: &mut Request, rng: &mut impl Rng) {
        let _ = (request, rng);
        unimplemented!()
    }
}
