//! One contact of a user.

use std::time::Instant;

use super::Aor;
use crate::sip::{Hop, message::NameAddr};

/// One contact of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The contact as registered, with its own parameters (without `q` and `expires`).
    pub contact: NameAddr,
    /// Preference in thousandths, 0 to 1000.
    pub q: u16,
    /// When it expires.
    pub expires: Instant,
    /// Call-ID of the REGISTER that made or refreshed it.
    pub call_id: String,
    /// CSeq number of that REGISTER.
    pub cseq: u32,
    /// Where that REGISTER came from: requests to the user leave by this flow while it lives (RFC 5626 §5.3).
    pub hop: Hop,
    /// Path of that REGISTER, topmost first (RFC 3327): the route to the contact.
    pub path: Vec<NameAddr>,
    /// When it was made or refreshed last.
    pub registered: Instant,
}

/// A binding as a store keeps it: text and numbers only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The user.
    pub aor: Aor,
    /// Contact, as a header value.
    pub contact: String,
    /// Preference in thousandths.
    pub q: u16,
    /// When it expires, in seconds since 1970.
    pub expires_unix: u64,
    /// Call-ID of the last REGISTER.
    pub call_id: String,
    /// CSeq number of the last REGISTER.
    pub cseq: u32,
    /// Where it came from, as [`Hop`] prints itself. Flows do not outlive the process.
    pub hop: String,
    /// Path values, topmost first.
    pub path: Vec<String>,
}
