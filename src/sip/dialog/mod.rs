//! Dialogs (RFC 3261 §12): what two user agents know of each other between requests.
//!
//! Pure and without timers: ids, CSeq numbers, route set, remote target. What goes on inside a dialog (calls,
//! subscriptions) belongs to [`sip::endpoint`](super::endpoint), which keeps one [`Dialog`] for all its usages (RFC 5057).
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the dialog's state: making it, order of requests, target refresh |
//! | `route.rs` | where a request goes: loose and strict routing, the next hop of a URI |

mod route;
#[cfg(test)]
mod tests;

use super::{
    FlowId, Hop, Transport,
    message::{CSeq, Headers, Method, NameAddr, Request, Response, Uri},
};

pub use route::{hop_of, route};

/// What Max-Forwards starts with (RFC 3261 §8.1.1.6).
pub const MAX_FORWARDS: &str = "70";

/// What names a dialog at one of its ends (RFC 3261 §12).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: String,
    /// The tag of this end.
    pub local_tag: String,
    /// The tag of the other end; empty for a peer of RFC 2543 that has none.
    pub remote_tag: String,
}

/// Why a message makes no dialog. The peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message has no well-formed {0}")]
pub struct DialogError(pub &'static str);

/// A dialog.
#[derive(Debug, Clone, PartialEq)]
pub struct Dialog {
    id: DialogId,
    local: NameAddr,
    remote: NameAddr,
    /// Our Contact.
    contact: NameAddr,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    target: Uri,
    route_set: Vec<NameAddr>,
    secure: bool,
    last: Hop,
}

impl DialogId {
    /// The dialog that a request inside it names: our tag stands in its To.
    pub fn of_request(request: &Request) -> Option<Self> {
        let to = request.to()?;
        Some(Self { call_id: request.call_id()?.to_owned(), local_tag: to.tag()?.to_owned(), remote_tag: tag_of(&request.from()?) })
    }

    /// The dialog that a response to a request of ours names: our tag stands in its From.
    pub fn of_response(response: &Response) -> Option<Self> {
        let from = response.from()?;
        Some(Self { call_id: response.call_id()?.to_owned(), local_tag: from.tag()?.to_owned(), remote_tag: tag_of(&response.to()?) })
    }
}

impl Dialog {
    /// The caller's end, of a request of ours and a response with a To tag (§12.1.2).
    ///
    /// # Errors
    /// The response lacks a header that the dialog needs.
    pub fn caller(request: &Request, response: &Response, from: &Hop) -> Result<Self, DialogError> {
        let id = DialogId::of_response(response).ok_or(DialogError("From, To or Call-ID"))?;
        let mut dialog = Self {
            id,
            local: request.from().ok_or(DialogError("From"))?,
            remote: response.to().ok_or(DialogError("To"))?,
            contact: request.contacts().next().ok_or(DialogError("Contact"))?,
            local_cseq: request.cseq().ok_or(DialogError("CSeq"))?.seq,
            remote_cseq: None,
            target: request.uri.clone(),
            route_set: Vec::new(),
            secure: from.transport == Transport::Tls && request.uri.sip().is_some_and(|uri| uri.secure),
            last: from.clone(),
        };
        dialog.learn(response, from);
        Ok(dialog)
    }

    /// The callee's end, of a request and the tag that we answer with (§12.1.1). `contact` is ours.
    ///
    /// # Errors
    /// The request lacks a header that the dialog needs, or a Contact: answer 400. RFC 2543 knew neither From tags nor a
    /// Contact in every INVITE: of who sends neither, the From is called back (RFC 4475 §3.4.1).
    pub fn callee(request: &Request, local_tag: &str, contact: NameAddr, from: &Hop) -> Result<Self, DialogError> {
        let remote = request.from().ok_or(DialogError("From"))?;
        let to = request.to().ok_or(DialogError("To"))?;
        let target = match request.contacts().next() {
            Some(contact) => contact.uri,
            None if remote.tag().is_none() => remote.uri.clone(),
            None => return Err(DialogError("Contact")),
        };
        Ok(Self {
            id: DialogId {
                call_id: request.call_id().ok_or(DialogError("Call-ID"))?.to_owned(),
                local_tag: local_tag.to_owned(),
                remote_tag: tag_of(&remote),
            },
            local: to.with_param("tag", Some(local_tag)),
            remote,
            contact,
            local_cseq: 0,
            remote_cseq: Some(request.cseq().ok_or(DialogError("CSeq"))?.seq),
            target,
            route_set: record_route(&request.headers),
            secure: from.transport == Transport::Tls && request.uri.sip().is_some_and(|uri| uri.secure),
            last: from.clone(),
        })
    }

    /// Takes route set and remote target from a response, as the caller does with the 2xx of a dialog that was early
    /// (§13.2.2.4). A response without Contact, which a 2xx may not be, leaves the target as it is: the Request-URI at first.
    pub fn learn(&mut self, response: &Response, from: &Hop) {
        if let Some(contact) = response.contacts().next() {
            self.target = contact.uri;
        }
        self.route_set = record_route(&response.headers);
        self.route_set.reverse();
        self.last = from.clone();
    }

    /// Takes the new remote target of a target refresh (§12.2.1.2, §12.2.2): a re-INVITE, an UPDATE, a SUBSCRIBE or NOTIFY,
    /// or the 2xx to one. Without a Contact it stays. Of every other message, only the way it came is noted.
    pub fn refresh(&mut self, method: &Method, headers: &Headers, from: &Hop) {
        if matches!(method, Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer)
            && let Some(contact) = headers.all("Contact").find_map(|value| value.parse::<NameAddr>().ok())
        {
            self.target = contact.uri;
        }
        self.last = from.clone();
    }

    /// Notes the CSeq number of a request of the peer; false when it is lower than one before, which is to be answered 500
    /// (§12.2.2).
    pub fn in_order(&mut self, seq: u32) -> bool {
        if self.remote_cseq.is_some_and(|last| seq < last) {
            return false;
        }
        self.remote_cseq = Some(seq);
        true
    }

    /// Our next request, without a Via (§12.2.1.1). ACK and CANCEL are not made by this.
    pub fn request(&mut self, method: Method) -> Request {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.made(method, self.local_cseq)
    }

    /// The ACK to the 2xx of our INVITE with this CSeq number, without a Via (§13.2.2.4).
    pub fn ack(&self, seq: u32) -> Request {
        self.made(Method::Ack, seq)
    }

    /// Raises our CSeq number to at least this: what was sent before the dialog was known here.
    pub fn raise_cseq(&mut self, seq: u32) {
        self.local_cseq = self.local_cseq.max(seq);
    }

    /// The next CSeq number, taken, for a request that is sent once more under a new number.
    pub fn next_cseq(&mut self) -> u32 {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.local_cseq
    }

    /// Where our requests go: the first of the route set, else the remote target. With `symmetric`, a target at another address
    /// than the one that the peer's messages come from stands for the latter.
    pub fn hop(&self, symmetric: bool) -> Hop {
        let next = self.route_set.first().map_or(&self.target, |route| &route.uri);
        let hop = hop_of(next, &self.last, self.secure);
        let translated = symmetric && self.route_set.is_empty() && hop.socket().map(|a| a.ip()) != self.last.socket().map(|a| a.ip());
        if translated { self.last.clone() } else { hop }
    }

    /// The connection that the peer's messages came by is gone. Where the peer has said how to reach it (§12.2.1.1, §18.1.1), our
    /// requests open a new one; who cannot be reached but by its own connection stays unreachable until it comes back.
    pub fn lose_flow(&mut self, flow: FlowId, symmetric: bool) {
        let reachable = self.last.transport == Transport::Local || self.hop(symmetric).address != self.last.address;
        if self.last.flow == Some(flow) && reachable {
            self.last.flow = None;
        }
    }

    /// What names it.
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Our address, with our tag.
    pub fn local(&self) -> &NameAddr {
        &self.local
    }

    /// The peer's address, with its tag.
    pub fn remote(&self) -> &NameAddr {
        &self.remote
    }

    /// Our Contact.
    pub fn contact(&self) -> &NameAddr {
        &self.contact
    }

    /// Replaces our Contact; the next request or response that carries it tells the peer.
    pub fn set_contact(&mut self, contact: NameAddr) {
        self.contact = contact;
    }

    /// The remote target.
    pub fn target(&self) -> &Uri {
        &self.target
    }

    /// True when it was made over TLS for a `sips:` URI: it stays on TLS.
    pub fn secure(&self) -> bool {
        self.secure
    }

    fn made(&self, method: Method, seq: u32) -> Request {
        let mut headers = Headers::new();
        headers.push("From", self.local.to_string());
        headers.push("To", self.remote.to_string());
        headers.push("Call-ID", self.id.call_id.as_str());
        headers.push("CSeq", CSeq { seq, method: method.clone() }.to_string());
        headers.push("Max-Forwards", MAX_FORWARDS);
        if matches!(method, Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer) {
            headers.push("Contact", self.contact.to_string());
        }
        let mut request = Request { method, uri: self.target.clone(), headers, body: bytes::Bytes::new() };
        route(&mut request, &self.route_set);
        request
    }
}

fn record_route(headers: &Headers) -> Vec<NameAddr> {
    headers.all("Record-Route").filter_map(|value| value.parse().ok()).collect()
}

fn tag_of(address: &NameAddr) -> String {
    address.tag().unwrap_or_default().to_owned()
}
