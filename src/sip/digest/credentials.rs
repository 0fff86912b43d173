//! The client's side: answers the challenges of a 401 or 407.

use std::fmt;

use rand::Rng;

use super::{Algorithm, Answer, Challenge, Ha1, Proof, Qop, hash::hex};
use crate::sip::message::{Request, Response};

/// Realms whose nonces a client keeps; a response that asks for more is answered for the first of them.
const MAX_REALMS: usize = 4;

/// Challenges answered for one request. Two are usual: the first one, and a stale nonce.
const MAX_ROUNDS: u32 = 4;

/// A user name and its password. Debug shows the name only.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    username: String,
    password: String,
}

impl Credentials {
    /// A user name and its password, good for any realm.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: password.into() }
    }

    /// The user name.
    pub fn username(&self) -> &str {
        &self.username
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
    sessions: Vec<Session>,
    /// Challenges answered for the request under way.
    rounds: u32,
}

/// A nonce in use.
#[derive(Debug, Clone)]
struct Session {
    side: Side,
    challenge: Challenge,
    algorithm: Algorithm,
    qop: Option<Qop>,
    /// How often the nonce was used.
    nc: u32,
    /// True when the request under way carries an answer to a challenge of its own, so that a further challenge means
    /// that the password is wrong; false when it used a nonce of earlier days.
    answered: bool,
}

/// Who asks: the server itself or a proxy on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Server,
    Proxy,
}

impl Side {
    fn asks_in(self) -> &'static str {
        match self {
            Self::Server => "WWW-Authenticate",
            Self::Proxy => "Proxy-Authenticate",
        }
    }

    fn answered_in(self) -> &'static str {
        match self {
            Self::Server => "Authorization",
            Self::Proxy => "Proxy-Authorization",
        }
    }
}

impl Client {
    /// A client that was not challenged yet.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, sessions: Vec::new(), rounds: 0 }
    }

    /// Answers the challenges of a 401 or 407: sets Authorization or Proxy-Authorization in `request`, which is the request
    /// that got the response. The caller raises its CSeq, gives it a new branch and sends it.
    ///
    /// # Errors
    /// The response is final then; the request is left as it was.
    pub fn answer(&mut self, response: &Response, request: &mut Request, rng: &mut impl Rng) -> Result<(), Refused> {
        let side = match response.status {
            401 => Side::Server,
            407 => Side::Proxy,
            _ => return Err(Refused::NoChallenge),
        };
        let mut best: Vec<(Algorithm, Option<Qop>, Challenge)> = Vec::new();
        for value in response.headers.all(side.asks_in()) {
            let Some((algorithm, qop, challenge)) = value.parse().ok().and_then(usable) else { continue };
            match best.iter().position(|(_, _, known)| known.realm == challenge.realm) {
                Some(at) => {
                    if let Some(known) = best.get_mut(at).filter(|known| algorithm < known.0) {
                        *known = (algorithm, qop, challenge);
                    }
                }
                None if best.len() < MAX_REALMS => best.push((algorithm, qop, challenge)),
                None => {}
            }
        }
        if best.is_empty() {
            return Err(Refused::NoChallenge);
        }
        let carried: Vec<Answer> = request.headers.all(side.answered_in()).filter_map(|v| v.parse().ok()).collect();
        if carried.is_empty() {
            self.rounds = 0;
        }
        for (_, _, challenge) in best.iter().filter(|(_, _, c)| !c.stale) {
            let session = self.sessions.iter().find(|s| s.side == side && s.challenge.realm == challenge.realm);
            if session.is_some_and(|s| s.answered && carried.iter().any(|a| a.realm == s.challenge.realm && a.nonce == s.challenge.nonce)) {
                return Err(Refused::Rejected);
            }
        }
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            return Err(Refused::Loop);
        }
        for (algorithm, qop, challenge) in best {
            self.sessions.retain(|s| s.side != side || s.challenge.realm != challenge.realm);
            self.sessions.push(Session { side, challenge, algorithm, qop, nc: 0, answered: true });
        }
        while self.sessions.len() > 2 * MAX_REALMS {
            self.sessions.remove(0);
        }
        self.write(side, request, rng);
        Ok(())
    }

    /// Adds answers to the challenges seen so far, so that a further request is accepted at once (RFC 7616 §3.6). Does
    /// nothing before the first challenge.
    pub fn authorize(&mut self, request: &mut Request, rng: &mut impl Rng) {
        self.rounds = 0;
        for session in &mut self.sessions {
            session.answered = false;
        }
        for side in [Side::Server, Side::Proxy] {
            self.write(side, request, rng);
        }
    }

    /// Puts an answer for each realm of one side into the request, in place of old ones.
    fn write(&mut self, side: Side, request: &mut Request, rng: &mut impl Rng) {
        request.headers.remove(side.answered_in());
        let uri = request.uri.to_string();
        for session in self.sessions.iter_mut().filter(|s| s.side == side) {
            let answer = session.answer(&self.credentials, request.method.as_str(), &uri, &request.body, rng);
            request.headers.push(side.answered_in(), answer.to_string());
        }
    }
}

impl Session {
    fn answer(&mut self, credentials: &Credentials, method: &str, uri: &str, body: &[u8], rng: &mut impl Rng) -> Answer {
        let Credentials { username, password } = credentials;
        let Challenge { realm, nonce, opaque, algorithm, .. } = &self.challenge;
        let proof = self.qop.map(|qop| {
            let mut cnonce = [0; 16];
            rng.fill_bytes(&mut cnonce);
            // A nonce that was used four thousand million times is asked to be replaced by the server long before.
            self.nc = self.nc.saturating_add(1);
            Proof { qop, cnonce: hex(&cnonce), nc: self.nc }
        });
        let ha1 = Ha1::new(self.algorithm, username, realm, password);
        Answer {
            username: username.clone(),
            realm: realm.clone(),
            nonce: nonce.clone(),
            uri: uri.to_owned(),
            response: ha1.response(nonce, proof.as_ref(), method, uri, body),
            algorithm: algorithm.clone(),
            opaque: opaque.clone(),
            proof,
        }
    }
}

/// A challenge that can be answered, with the algorithm and the protection that the answer will have.
fn usable(challenge: Challenge) -> Option<(Algorithm, Option<Qop>, Challenge)> {
    let algorithm = challenge.known_algorithm()?;
    let qop = match &challenge.qop {
        None => None,
        Some(offered) => Some([Qop::Auth, Qop::AuthInt].into_iter().find(|q| offered.contains(q))?),
    };
    Some((algorithm, qop, challenge))
}
