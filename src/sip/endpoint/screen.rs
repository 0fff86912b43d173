//! The checks that every request has to pass (RFC 3261 §8.2), and the answers to those that do not.

use std::time::Instant;

use rand::Rng as _;
use sha2::{Digest as _, Sha256};

use super::{Endpoint, EndpointConfig, send::add_missing};
use crate::sip::{
    message::{Headers, Method, NameAddr, Request, Response, Uri},
    transaction::ServerKey,
};

/// Seconds that a peer is asked to wait when we are at a bound.
const RETRY_AFTER: &str = "10";

/// What a merged request has in common with the one that came first (§8.2.2.2), as a hash: strangers choose the texts, and
/// many are remembered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeenKey([u8; 16]);

impl SeenKey {
    fn of(request: &Request) -> Self {
        let from_tag = request.from().and_then(|from| from.tag().map(str::to_owned)).unwrap_or_default();
        let mut hash = Sha256::new();
        for text in [request.call_id().unwrap_or_default(), &from_tag, request.headers.get("CSeq").unwrap_or_default()] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Self(key)
    }
}

impl Endpoint {
    /// Looks a request outside dialogs over; false when it has been answered here.
    pub(super) fn screen_outside(&mut self, now: Instant, key: &ServerKey, request: &Request) -> bool {
        if !self.screen_method(now, key, request) {
            return false;
        }
        let scheme = match &request.uri {
            Uri::Sip(uri) if uri.secure => "sips",
            Uri::Sip(_) => "sip",
            Uri::Other { scheme, .. } => scheme,
        };
        if !self.config.schemes.iter().any(|known| known == scheme) {
            self.refuse(now, key, request, 416, &[]);
            return false;
        }
        let seen = SeenKey::of(request);
        if self.seen.get(&seen).is_some() {
            // The same request by another way; its first copy is answered properly.
            self.refuse(now, key, request, 482, &[]);
            return false;
        }
        self.seen.insert(now, seen, ());
        if !self.screen_extensions(now, key, request) {
            return false;
        }
        match request.method {
            // These live in dialogs only.
            Method::Bye | Method::Info | Method::Notify | Method::Update | Method::Prack => {
                self.refuse(now, key, request, 481, &[]);
                false
            }
            Method::Subscribe => self.screen_event(now, key, request),
            Method::Refer => self.screen_refer(now, key, request),
            Method::Ack
            | Method::Cancel
            | Method::Invite
            | Method::Message
            | Method::Options
            | Method::Publish
            | Method::Register
            | Method::Other(_) => true,
        }
    }

    /// Method (§8.2.1): 405 for one that we know and do not take, 501 for one that we do not know.
    pub(super) fn screen_method(&mut self, now: Instant, key: &ServerKey, request: &Request) -> bool {
        if self.config.allow.contains(&request.method) {
            return true;
        }
        let status = if matches!(request.method, Method::Other(_)) { 501 } else { 405 };
        let allow = self.config.allow_value();
        self.refuse(now, key, request, status, &[("Allow", allow)]);
        false
    }

    /// Require (§8.2.2.3), Content-Encoding (§8.2.3) and the INFO package (RFC 6086 §4.2.2).
    pub(super) fn screen_extensions(&mut self, now: Instant, key: &ServerKey, request: &Request) -> bool {
        let unsupported: Vec<&str> = request.headers.tokens("Require").filter(|tag| !self.config.supports(tag)).collect();
        if !unsupported.is_empty() {
            let unsupported = unsupported.join(", ");
            self.refuse(now, key, request, 420, &[("Unsupported", unsupported)]);
            return false;
        }
        if request.headers.tokens("Content-Encoding").any(|coding| !coding.eq_ignore_ascii_case("identity")) {
            self.refuse(now, key, request, 415, &[("Accept-Encoding", "identity".to_owned())]);
            return false;
        }
        if request.method == Method::Info
            && let Some(package) = request.headers.get("Info-Package").map(super::call::package_name)
            && !self.config.recv_info.iter().any(|known| known.eq_ignore_ascii_case(&package))
        {
            let recv_info = self.config.recv_info.join(", ");
            self.refuse(now, key, request, 469, &[("Recv-Info", recv_info)]);
            return false;
        }
        true
    }

    /// The Event of a SUBSCRIBE (RFC 6665 §4.2.1.1): 400 without one, 489 for a package that is not served.
    pub(super) fn screen_event(&mut self, now: Instant, key: &ServerKey, request: &Request) -> bool {
        let Some(event) = request.headers.get("Event") else {
            self.refuse(now, key, request, 400, &[]);
            return false;
        };
        let package = event.split(';').next().unwrap_or_default().trim();
        if self.config.events.iter().any(|known| known == package) {
            return true;
        }
        let events = self.config.events.join(", ");
        self.refuse(now, key, request, 489, &[("Allow-Events", events)]);
        false
    }

    /// A REFER has exactly one Refer-To (RFC 3515 §2.4.2): 400 otherwise.
    pub(super) fn screen_refer(&mut self, now: Instant, key: &ServerKey, request: &Request) -> bool {
        let mut targets = request.headers.all("Refer-To");
        let one = targets.next().is_some_and(|value| value.parse::<NameAddr>().is_ok()) && targets.next().is_none();
        if !one {
            self.refuse(now, key, request, 400, &[]);
        }
        one
    }

    /// Answers a request that gets no further than this.
    pub(super) fn refuse(&mut self, now: Instant, key: &ServerKey, request: &Request, status: u16, headers: &[(&str, String)]) {
        let tag = self.token();
        let mut response = request.response(status, &tag);
        for (name, value) in headers {
            add_missing(&mut response.headers, name, || value.clone());
        }
        add_missing(&mut response.headers, "Server", || self.config.user_agent.clone());
        self.layer.respond_once(now, key, response);
    }

    /// Answers 503: we are at a bound.
    pub(super) fn refuse_full(&mut self, now: Instant, key: &ServerKey, request: &Request) {
        self.refuse(now, key, request, 503, &[("Retry-After", RETRY_AFTER.to_owned())]);
    }

    /// Answers 500 with a Retry-After of 0 to 10 seconds (§14.2), where the peer is too fast.
    pub(super) fn refuse_for_now(&mut self, now: Instant, key: &ServerKey, request: &Request) {
        let wait = (self.rng.next_u32() % 11).to_string();
        self.refuse(now, key, request, 500, &[("Retry-After", wait)]);
    }

    /// Whether the body's type is one of [`EndpointConfig::accept`] (§8.2.3): `None` when it is, else the 415 and its Accept for
    /// `respond` or `reject`. No body, and one that may be ignored (`handling=optional`), are taken.
    pub fn refuse_body(&self, request: &Request) -> Option<(u16, Vec<(String, String)>)> {
        let optional = request.headers.get("Content-Disposition").is_some_and(|d| d.to_ascii_lowercase().contains("handling=optional"));
        let taken = request.content_type().is_none_or(|body| self.config.accept.iter().any(|known| known.eq_ignore_ascii_case(&body)));
        let fine = request.body.is_empty() || optional || taken;
        (!fine).then(|| (415, vec![("Accept".to_owned(), self.config.accept.join(", "))]))
    }
}

impl EndpointConfig {
    /// The value of Allow.
    pub(super) fn allow_value(&self) -> String {
        self.allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
    }

    /// The value of Supported.
    pub(super) fn supported_value(&self) -> String {
        self.supported.iter().map(String::as_str).chain(["timer"]).collect::<Vec<_>>().join(", ")
    }

    /// True for an option tag that a peer may require.
    pub(super) fn supports(&self, tag: &str) -> bool {
        tag.eq_ignore_ascii_case("timer") || self.supported.iter().any(|known| known.eq_ignore_ascii_case(tag))
    }
}

/// Whether the sender of a request takes a media type in the response (RFC 3261 §20.1); else answer 406. Without Accept, only
/// `application/sdp` is.
pub fn takes(headers: &Headers, media_type: &str) -> bool {
    let mut ranges = headers.tokens("Accept").map(|range| range.split(';').next().unwrap_or_default().trim()).peekable();
    if headers.get("Accept").is_none() {
        return media_type.eq_ignore_ascii_case("application/sdp");
    }
    let (kind, _) = media_type.split_once('/').unwrap_or((media_type, ""));
    ranges.any(|range| match range.split_once('/') {
        Some(("*", "*")) => true,
        Some((k, "*")) => k.eq_ignore_ascii_case(kind),
        _ => range.eq_ignore_ascii_case(media_type),
    })
}

/// Copies the Record-Routes, as every response that makes a dialog has to (RFC 3261 §12.1.1), and names us.
pub(super) fn dress(request: &Request, response: &mut Response, contact: Option<&NameAddr>) {
    for value in request.headers.all("Record-Route") {
        response.headers.push("Record-Route", value);
    }
    if let Some(contact) = contact {
        response.headers.set("Contact", contact.to_string());
    }
}
