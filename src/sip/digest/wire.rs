//! Challenges and answers to them, text ⇄ values (RFC 7616 §3.3, §3.4; RFC 3261 §25.1).

use std::{fmt, str::FromStr};

use super::Algorithm;
use crate::sip::message::scan::{self, quote};

/// Parameters that a challenge or an answer may have; one with more is malformed.
const MAX_PARAMS: usize = 32;

/// Why a text is no challenge or answer. The peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// Another scheme than Digest: not ours to judge (RFC 4475 §3.3.7).
    #[error("the authentication scheme is not Digest")]
    Scheme,
    /// A parameter is missing, malformed or there twice.
    #[error("the digest parameters are malformed")]
    Malformed,
}

/// Quality of protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qop {
    /// `auth`: method and URI are covered.
    Auth,
    /// `auth-int`: the body as well.
    AuthInt,
}

impl Qop {
    /// The word in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    fn from_token(token: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|q| token.eq_ignore_ascii_case(q.as_str()))
    }
}

/// A challenge: one value of WWW-Authenticate or Proxy-Authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Realm.
    pub realm: String,
    /// Nonce.
    pub nonce: String,
    /// Opaque, to be sent back.
    pub opaque: Option<String>,
    /// Algorithm as it was named: missing means MD5.
    pub algorithm: Option<String>,
    /// The protections offered that are known here; `None` without the parameter (RFC 2069).
    pub qop: Option<Vec<Qop>>,
    /// True when only the nonce of the last answer was wrong.
    pub stale: bool,
}

impl Challenge {
    /// The algorithm, if it is known here.
    pub fn known_algorithm(&self) -> Option<Algorithm> {
        self.algorithm.as_deref().map_or(Some(Algorithm::Md5), Algorithm::from_token)
    }
}

/// An answer: one value of Authorization or Proxy-Authorization. The response is no secret once it was sent, but Debug
/// shows nothing of it that would help to guess a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// User name.
    pub username: String,
    /// Realm.
    pub realm: String,
    /// Nonce.
    pub nonce: String,
    /// The Request-URI that was hashed.
    pub uri: String,
    /// The response, in lower-case hex digits.
    pub response: String,
    /// Algorithm as it was named: missing means MD5.
    pub algorithm: Option<String>,
    /// Opaque of the challenge.
    pub opaque: Option<String>,
    /// What came with `qop`; `None` without it (RFC 2069).
    pub proof: Option<Proof>,
}

/// What an answer with `qop` adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Protection.
    pub qop: Qop,
    /// The client's own nonce.
    pub cnonce: String,
    /// How often the client has used the server's nonce, this time included.
    pub nc: u32,
}

impl Answer {
    /// The algorithm, if it is known here.
    pub fn known_algorithm(&self) -> Option<Algorithm> {
        self.algorithm.as_deref().map_or(Some(Algorithm::Md5), Algorithm::from_token)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({} in {}, …)", self.username, self.realm)
    }
}

impl FromStr for Challenge {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let params = Params::read(text)?;
        let qop = params.get("qop").map(|list| list.split(',').filter_map(|q| Qop::from_token(scan::trim(q))).collect());
        Ok(Self {
            realm: params.need("realm")?,
            nonce: params.need("nonce")?,
            opaque: params.own("opaque"),
            algorithm: params.own("algorithm"),
            qop,
            stale: params.get("stale").is_some_and(|v| v.eq_ignore_ascii_case("true")),
        })
    }
}

impl FromStr for Answer {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let params = Params::read(text)?;
        let proof = match params.get("qop") {
            Some(qop) => {
                let count = params.get("nc").filter(|nc| nc.len() == 8 && nc.bytes().all(|b| b.is_ascii_hexdigit()));
                let nc = count.and_then(|nc| u32::from_str_radix(nc, 16).ok()).filter(|nc| *nc > 0);
                Some(Proof {
                    qop: Qop::from_token(qop).ok_or(DigestError::Malformed)?,
                    cnonce: params.need("cnonce")?,
                    nc: nc.ok_or(DigestError::Malformed)?,
                })
            }
            None => None,
        };
        let response = params.need("response")?.to_ascii_lowercase();
        if !response.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(DigestError::Malformed);
        }
        Ok(Self {
            username: params.need("username")?,
            realm: params.need("realm")?,
            nonce: params.need("nonce")?,
            uri: params.need("uri")?,
            response,
            algorithm: params.own("algorithm"),
            opaque: params.own("opaque"),
            proof,
        })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}, nonce={}", quote(&self.realm), quote(&self.nonce))?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", quote(opaque))?;
        }
        if let Some(algorithm) = &self.algorithm {
            write!(f, ", algorithm={}", scan::param_value("algorithm", algorithm))?;
        }
        if let Some(qop) = &self.qop {
            let words: Vec<_> = qop.iter().map(|q| q.as_str()).collect();
            write!(f, ", qop=\"{}\"", words.join(","))?;
        }
        if self.stale { f.write_str(", stale=true") } else { Ok(()) }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest username={}, realm={}", quote(&self.username), quote(&self.realm))?;
        write!(f, ", nonce={}, uri={}, response=\"{}\"", quote(&self.nonce), quote(&self.uri), self.response)?;
        if let Some(algorithm) = &self.algorithm {
            write!(f, ", algorithm={}", scan::param_value("algorithm", algorithm))?;
        }
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", quote(opaque))?;
        }
        if let Some(Proof { qop, cnonce, nc }) = &self.proof {
            write!(f, ", qop={}, cnonce={}, nc={nc:08x}", qop.as_str(), quote(cnonce))?;
        }
        Ok(())
    }
}

/// `Digest name=value, …`, names in lower case, each once.
struct Params(Vec<(String, String)>);

impl Params {
    fn read(text: &str) -> Result<Self, DigestError> {
        let text = scan::trim(text);
        let (scheme, list) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(DigestError::Scheme);
        }
        let parts = scan::split_outside_quotes(list, b',');
        if parts.len() > MAX_PARAMS {
            return Err(DigestError::Malformed);
        }
        let mut params: Vec<(String, String)> = Vec::with_capacity(parts.len());
        for part in parts {
            let Some((name, Some(value))) = scan::param(part) else { return Err(DigestError::Malformed) };
            if params.iter().any(|(n, _)| *n == name) {
                return Err(DigestError::Malformed);
            }
            params.push((name, value));
        }
        Ok(Self(params))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn own(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    fn need(&self, name: &str) -> Result<String, DigestError> {
        self.own(name).ok_or(DigestError::Malformed)
    }
}
