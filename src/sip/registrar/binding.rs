//! One contact of a user, in memory and in a store.

use std::time::{Instant, SystemTime};

use super::Aor;
use crate::sip::{
    Hop, Transport,
    message::{NameAddr, SipUri},
};

/// One contact of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The contact as registered, with its own parameters (without `q` and `expires`). Its URI is a SIP or SIPS URI.
    pub contact: NameAddr,
    /// Preference in thousandths, 0 to 1000.
    pub q: u16,
    /// When it expires.
    pub expires: Instant,
    /// Call-ID of the REGISTER that made or refreshed it.
    pub call_id: String,
    /// CSeq number of that REGISTER.
    pub cseq: u32,
    /// Where that REGISTER came from: without a [`Self::path`], requests to the user leave to there, which is the way through
    /// the user's NAT (RFC 5626 §5.3). `None` when that was a connection that is gone: then the contact's URI is all there is.
    pub hop: Option<Hop>,
    /// Path of that REGISTER, topmost first (RFC 3327): the route to the contact.
    pub path: Vec<NameAddr>,
    /// When it was made or refreshed last.
    pub registered: Instant,
}

/// A binding as a store keeps it: text, numbers and wall-clock time only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The user.
    pub aor: Aor,
    /// Contact, as a header value.
    pub contact: String,
    /// Preference in thousandths.
    pub q: u16,
    /// When it expires.
    pub expires: SystemTime,
    /// Call-ID of the last REGISTER.
    pub call_id: String,
    /// CSeq number of the last REGISTER.
    pub cseq: u32,
    /// Where it came from, as [`Hop`] prints itself (`udp:192.0.2.1:5060`); empty where that was a connection, which does not
    /// outlive the process.
    pub hop: String,
    /// Path values, topmost first.
    pub path: Vec<String>,
}

impl Binding {
    /// The URI of the contact; `None` never happens for what a registrar gives out.
    pub fn uri(&self) -> Option<&SipUri> {
        self.contact.uri.sip()
    }

    /// The instance of the user agent, which keeps its binding when its address changes (RFC 5626 §4.1).
    pub fn instance(&self) -> Option<&str> {
        self.contact.param("+sip.instance")
    }

    /// True for what a REGISTER with `other` is about: the same flow of the same instance (RFC 5626 §6), or the same URI by
    /// RFC 3261 §19.1.4.
    pub(super) fn is_about(&self, other: &NameAddr) -> bool {
        let key = |contact: &NameAddr| contact.param("+sip.instance").map(|i| (i.to_owned(), contact.param("reg-id").map(str::to_owned)));
        if let (Some(a), Some(b)) = (key(&self.contact), key(other))
            && a == b
        {
            return true;
        }
        match (self.uri(), other.uri.sip()) {
            (Some(a), Some(b)) => a.equivalent(b),
            _ => false,
        }
    }

    /// The Contact of a 200: with `q`, and with what is left of the time in seconds, rounded up.
    pub(super) fn to_header(&self, now: Instant) -> String {
        let left = self.expires.saturating_duration_since(now);
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        let q = f64::from(self.q) / 1000.0;
        self.contact.clone().with_param("q", Some(&q.to_string())).with_param("expires", Some(&seconds.to_string())).to_string()
    }

    pub(super) fn save(&self, aor: &Aor, now: Instant, wall: SystemTime) -> Saved {
        Saved {
            aor: aor.clone(),
            contact: self.contact.to_string(),
            q: self.q,
            expires: wall + self.expires.saturating_duration_since(now),
            call_id: self.call_id.clone(),
            cseq: self.cseq,
            hop: self.hop.as_ref().filter(|hop| hop.transport == Transport::Udp).map_or_else(String::new, ToString::to_string),
            path: self.path.iter().map(ToString::to_string).collect(),
        }
    }

    /// `None` for what has expired or cannot be read.
    pub(super) fn restore(saved: &Saved, now: Instant, wall: SystemTime) -> Option<Self> {
        let left = saved.expires.duration_since(wall).ok().filter(|left| !left.is_zero())?;
        let contact: NameAddr = saved.contact.parse().ok()?;
        contact.uri.sip()?;
        Some(Self {
            contact,
            q: saved.q.min(1000),
            expires: now.checked_add(left)?,
            call_id: saved.call_id.clone(),
            cseq: saved.cseq,
            hop: saved.hop.strip_prefix("udp:").and_then(|a| a.parse().ok()).map(|source| Hop::new(Transport::Udp, source)),
            path: saved.path.iter().map(|p| p.parse().ok()).collect::<Option<_>>()?,
            registered: now,
        })
    }
}
