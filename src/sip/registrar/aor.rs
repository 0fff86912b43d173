//! Addresses of record: what a user is called by others.

use std::{fmt, str::FromStr};

use crate::sip::message::{Host, Request, SipUri};

/// A user's public address in canonical form, `user@domain`: escapes decoded, domain in lower case, no port, password or
/// parameters (RFC 3261 §10.3 step 5).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Aor {
    user: String,
    domain: String,
}

/// Why there is no address of record. The peer's fault; answered 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AorError {
    /// The To is not a SIP or SIPS URI (RFC 4475 §3.3.4).
    #[error("an address of record is a sip: or sips: URI")]
    NotSip,
    /// The URI names no user.
    #[error("an address of record needs a user part")]
    NoUser,
}

impl Aor {
    /// The address of record that a URI means.
    ///
    /// # Errors
    /// The URI names no user.
    pub fn of_uri(uri: &SipUri) -> Result<Self, AorError> {
        let user = uri.decoded_user().ok_or(AorError::NoUser)?;
        Ok(Self { user, domain: uri.host.to_string() })
    }

    /// The address of record that a REGISTER is about: its To.
    ///
    /// # Errors
    /// There is none in it.
    pub fn of_request(request: &Request) -> Result<Self, AorError> {
        let to = request.to().ok_or(AorError::NotSip)?;
        Self::of_uri(to.uri.sip().ok_or(AorError::NotSip)?)
    }

    /// User part, decoded; it may hold any character.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Domain in lower case, or an address (IPv6 in brackets).
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl FromStr for Aor {
    type Err = AorError;

    /// Reads what [`Aor`] prints; the domain is what stands behind the last `@`.
    fn from_str(text: &str) -> Result<Self, AorError> {
        let (user, domain) = text.rsplit_once('@').ok_or(AorError::NoUser)?;
        let domain: Host = domain.parse().map_err(|_| AorError::NotSip)?;
        if user.is_empty() { Err(AorError::NoUser) } else { Ok(Self { user: user.to_owned(), domain: domain.to_string() }) }
    }
}

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.domain)
    }
}
