//! How a request leaves: its fields, Via and branch, the change to TCP for large ones (RFC 3261 §18.1.1), credentials
//! (§22), and a second try under a new number.

use std::time::Instant;

use rand::Rng as _;

use super::{Body, Endpoint, Refused, SentBy, dialogs::DialogKey};
use crate::sip::{
    Hop, Transmit, Transport,
    dialog::{MAX_FORWARDS, route},
    digest,
    message::{CSeq, Headers, Host, MAGIC_COOKIE, Message, Method, NameAddr, Request, Response, SipUri, Uri, Via},
    transaction::ClientKey,
};

/// What a client transaction is for, and so who is told of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The call's INVITE, whichever is under way.
    Invite(u64),
    /// The CANCEL of one: its answer tells nothing.
    Cancel,
    /// A BYE whose answer ends the call.
    Bye(u64),
    /// A BYE that nobody waits for.
    LastBye,
    /// An OPTIONS that asks whether the dialog is still there.
    Probe(u64),
    /// The owner's request, in a call's dialog or outside.
    Request { outgoing: u64, call: Option<u64> },
    /// A SUBSCRIBE of ours.
    Subscribe(u64),
    /// A NOTIFY of ours.
    Notify(u64),
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Pending {
    pub purpose: Purpose,
    /// As sent, with its Via.
    pub request: Request,
    /// Where it was sent to.
    pub hop: Hop,
    /// Where it would have gone, had it been small.
    pub small_hop: Option<Hop>,
    /// The dialog it was sent in.
    pub dialog: Option<DialogKey>,
    /// Credentials of a request that belongs to no call or subscription.
    pub auth: Option<digest::Client>,
}

/// A request that is ready but for its Via.
#[derive(Debug)]
pub(super) struct Draft {
    pub purpose: Purpose,
    pub request: Request,
    pub hop: Hop,
    pub dialog: Option<DialogKey>,
    pub auth: Option<digest::Client>,
}

/// What a request outside a dialog is made of (RFC 3261 §8.1.1).
pub(super) struct Outside<'a> {
    pub method: Method,
    pub uri: Uri,
    pub to: &'a NameAddr,
    pub from: &'a NameAddr,
    pub tag: &'a str,
    pub call_id: &'a str,
    pub seq: u32,
    pub route: &'a [NameAddr],
}

impl Outside<'_> {
    /// The request, with the headers that every one begins with, and its route.
    pub fn request(self) -> Request {
        let mut headers = Headers::new();
        headers.push("From", self.from.clone().with_param("tag", Some(self.tag)).to_string());
        headers.push("To", self.to.to_string());
        headers.push("Call-ID", self.call_id);
        headers.push("CSeq", CSeq { seq: self.seq, method: self.method.clone() }.to_string());
        headers.push("Max-Forwards", MAX_FORWARDS);
        let mut request = Request { method: self.method, uri: self.uri, headers, body: bytes::Bytes::new() };
        route(&mut request, self.route);
        request
    }
}

impl Endpoint {
    /// Sends a request and notes what it is for.
    pub(super) fn dispatch(&mut self, now: Instant, draft: Draft) -> Result<ClientKey, Refused> {
        let Draft { purpose, mut request, hop, dialog, auth } = draft;
        let bounded = !matches!(purpose, Purpose::Bye(_) | Purpose::LastBye | Purpose::Invite(_));
        if bounded && self.pending.len() >= self.config.limits.outgoing {
            return Err(Refused::Full);
        }
        self.authorize(purpose, &mut request);
        let (hop, small_hop) = self.hop_for_size(&request, hop);
        self.push_via(&mut request, &hop);
        self.launch(now, Box::new(Pending { purpose, request, hop, small_hop, dialog, auth }))
    }

    /// Sends a request that has its Via already, as a CANCEL has that of its INVITE.
    pub(super) fn launch(&mut self, now: Instant, pending: Box<Pending>) -> Result<ClientKey, Refused> {
        self.drain_layer_transmits();
        let sent = self.layer.send(now, pending.request.clone(), pending.hop.clone());
        let key = sent.map_err(|_| Refused::Full)?;
        self.pending.insert(key.clone(), pending);
        Ok(key)
    }

    /// Sends an ACK to a 2xx, which is no transaction. Returns what to send again when the 2xx comes again.
    pub(super) fn send_ack(&mut self, mut request: Request, hop: Hop) -> SentAck {
        let (hop, small_hop) = self.hop_for_size(&request, hop);
        self.push_via(&mut request, &hop);
        self.transmit(request.to_bytes(), hop.clone());
        SentAck { request, hop, small_hop }
    }

    /// Answers a challenge: the same request with credentials, a new number and a new branch (§22.2). Gives the response back
    /// when there is no answer to it.
    pub(super) fn answer_challenge(
        &mut self,
        now: Instant,
        mut pending: Box<Pending>,
        response: &Response,
    ) -> Result<ClientKey, Box<Pending>> {
        let Some(mut client) = self.take_auth(&mut pending) else { return Err(pending) };
        let mut request = pending.request.clone();
        self.renumber(&mut request, pending.dialog);
        request.headers.remove("Via");
        let answer = client.answer(response, &mut request, &mut self.rng);
        self.put_auth(&mut pending, client);
        if answer.is_err() {
            return Err(pending);
        }
        let hop = pending.small_hop.clone().unwrap_or_else(|| pending.hop.clone());
        let (hop, small_hop) = self.hop_for_size(&request, hop);
        self.push_via(&mut request, &hop);
        let Pending { purpose, dialog, auth, .. } = *pending;
        self.relaunch(now, Box::new(Pending { purpose, request, hop, small_hop, dialog, auth }))
    }

    /// Sends a request once more with other fields, under a new number and branch.
    pub(super) fn send_again(
        &mut self,
        now: Instant,
        mut pending: Box<Pending>,
        change: impl FnOnce(&mut Headers),
    ) -> Result<ClientKey, Box<Pending>> {
        let mut request = pending.request.clone();
        self.renumber(&mut request, pending.dialog);
        request.headers.remove("Via");
        request.headers.remove("Authorization");
        request.headers.remove("Proxy-Authorization");
        change(&mut request.headers);
        if let Some(mut client) = self.take_auth(&mut pending) {
            client.authorize(&mut request, &mut self.rng);
            self.put_auth(&mut pending, client);
        }
        self.push_via(&mut request, &pending.hop);
        pending.request = request;
        self.relaunch(now, pending)
    }

    /// TCP was refused: sends the request by UDP after all and remembers the peer (§18.1.1).
    pub(super) fn send_small(&mut self, now: Instant, pending: Box<Pending>) -> Result<ClientKey, Box<Pending>> {
        let Some(hop) = pending.small_hop.clone() else { return Err(pending) };
        self.tcp_refusers.insert(now, pending.hop.address.clone(), ());
        let mut request = pending.request.clone();
        request.headers.remove("Via");
        self.push_via(&mut request, &hop);
        let Pending { purpose, dialog, auth, .. } = *pending;
        self.relaunch(now, Box::new(Pending { purpose, request, hop, small_hop: None, dialog, auth }))
    }

    fn relaunch(&mut self, now: Instant, pending: Box<Pending>) -> Result<ClientKey, Box<Pending>> {
        self.drain_layer_transmits();
        match self.layer.send(now, pending.request.clone(), pending.hop.clone()) {
            Ok(key) => {
                self.pending.insert(key.clone(), pending);
                Ok(key)
            }
            Err(_) => Err(pending),
        }
    }

    /// Adds what the owner gives, then what it has not given: User-Agent and, by method, Allow, Supported, Recv-Info.
    pub(super) fn furnish(&self, request: &mut Request, extra: Vec<(String, String)>, body: Option<Body>) {
        add_extra(&mut request.headers, extra);
        let headers = &mut request.headers;
        add_missing(headers, "User-Agent", || self.config.user_agent.clone());
        match request.method {
            Method::Invite | Method::Update => {
                add_missing(headers, "Allow", || self.config.allow_value());
                add_missing(headers, "Supported", || self.config.supported_value());
                if request.method == Method::Invite {
                    add_missing(headers, "Recv-Info", || self.config.recv_info.join(", "));
                }
            }
            Method::Options | Method::Register | Method::Subscribe | Method::Refer => {
                add_missing(headers, "Supported", || self.config.supported_value());
            }
            Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Info
            | Method::Message
            | Method::Notify
            | Method::Prack
            | Method::Publish
            | Method::Other(_) => {}
        }
        if let Some(body) = body {
            request.headers.set("Content-Type", body.content_type);
            request.body = body.bytes;
        }
    }

    /// Our Contact on a transport: `sip:user@host:port;transport=…`; UDP is unsaid.
    pub fn contact(&self, user: Option<&str>, transport: Transport) -> NameAddr {
        let SentBy { host, port } = self.sent_by(transport);
        let uri = SipUri::new(user, host, port);
        NameAddr::new(match transport {
            Transport::Udp => uri,
            Transport::Tcp | Transport::Tls | Transport::Local => uri.with_param("transport", Some(transport.uri_param())),
        })
    }

    /// A fresh token of 64 random bits, for tags and branches.
    pub(super) fn token(&mut self) -> String {
        format!("{:016x}", self.rng.next_u64())
    }

    /// A fresh Call-ID of 128 random bits (§8.1.1.4).
    pub(super) fn call_id(&mut self) -> String {
        format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64())
    }

    fn push_via(&mut self, request: &mut Request, hop: &Hop) {
        let SentBy { host, port } = self.sent_by(hop.transport);
        let mut params = vec![("branch".to_owned(), Some(format!("{MAGIC_COOKIE}{}", self.token())))];
        if hop.transport == Transport::Udp {
            params.push(("rport".to_owned(), None));
        }
        let via = Via { transport: hop.transport.via_name().to_owned(), host, port, params };
        request.headers.push_front("Via", via.to_string());
    }

    fn sent_by(&self, transport: Transport) -> SentBy {
        if let Some(sent_by) = self.config.sent_by.get(&transport) {
            return sent_by.clone();
        }
        // A client that listens on nothing of this kind: the peer answers to where the request came from.
        let other = self.config.sent_by.iter().find(|(t, _)| **t != Transport::Local);
        SentBy { host: other.map_or_else(|| Host::Name("unbound.invalid".to_owned()), |(_, s)| s.host.clone()), port: None }
    }

    /// TCP in place of UDP for a request that is too large (§18.1.1), unless the peer is known to refuse it. The second hop
    /// is the one to fall back to.
    fn hop_for_size(&mut self, request: &Request, hop: Hop) -> (Hop, Option<Hop>) {
        let large = self.config.large_request.is_some_and(|limit| printed_len(request) > limit);
        if hop.transport != Transport::Udp || !large || self.tcp_refusers.get(&hop.address).is_some() {
            return (hop, None);
        }
        (Hop { transport: Transport::Tcp, address: hop.address.clone(), flow: None }, Some(hop))
    }

    fn renumber(&mut self, request: &mut Request, dialog: Option<DialogKey>) {
        let sent = request.cseq().map_or(0, |cseq| cseq.seq);
        let seq = match dialog.and_then(|key| self.dialogs.get_mut(key)) {
            Some(entry) => entry.dialog.next_cseq(),
            None => sent.saturating_add(1),
        };
        request.headers.set("CSeq", CSeq { seq, method: request.method.clone() }.to_string());
    }

    /// Credentials for challenges that are known already, so that the request is taken at once.
    fn authorize(&mut self, purpose: Purpose, request: &mut Request) {
        let auth = match purpose {
            Purpose::Invite(call) | Purpose::Bye(call) | Purpose::Probe(call) | Purpose::Request { call: Some(call), .. } => {
                self.calls.get_mut(&call).and_then(|call| call.auth.as_mut())
            }
            Purpose::Subscribe(subscription) => self.subscriptions.get_mut(&subscription).and_then(|s| s.auth.as_mut()),
            Purpose::Cancel | Purpose::LastBye | Purpose::Request { call: None, .. } | Purpose::Notify(_) => None,
        };
        if let Some(client) = auth {
            client.authorize(request, &mut self.rng);
        }
    }

    fn take_auth(&mut self, pending: &mut Pending) -> Option<digest::Client> {
        self.auth_of(pending).take()
    }

    fn put_auth(&mut self, pending: &mut Pending, client: digest::Client) {
        *self.auth_of(pending) = Some(client);
    }

    fn auth_of<'a>(&'a mut self, pending: &'a mut Pending) -> &'a mut Option<digest::Client> {
        match pending.purpose {
            Purpose::Invite(call) | Purpose::Bye(call) | Purpose::Probe(call) | Purpose::Request { call: Some(call), .. } => {
                match self.calls.get_mut(&call) {
                    Some(call) => &mut call.auth,
                    None => &mut pending.auth,
                }
            }
            Purpose::Subscribe(subscription) => match self.subscriptions.get_mut(&subscription) {
                Some(subscription) => &mut subscription.auth,
                None => &mut pending.auth,
            },
            Purpose::Cancel | Purpose::LastBye | Purpose::Request { call: None, .. } | Purpose::Notify(_) => &mut pending.auth,
        }
    }

    /// Takes the layer's messages over, so that all leave in the order in which they were made.
    pub(super) fn drain_layer_transmits(&mut self) {
        while let Some(transmit) = self.layer.poll_transmit() {
            let bytes = match &transmit.message {
                Message::Request(request) => request.to_bytes(),
                Message::Response(response) => response.to_bytes(),
            };
            self.transmits.push_back(Transmit { bytes, hop: transmit.hop });
        }
    }

    /// Sends what is no transaction's business.
    pub(super) fn transmit(&mut self, bytes: bytes::Bytes, hop: Hop) {
        self.drain_layer_transmits();
        self.transmits.push_back(Transmit { bytes, hop });
    }
}

/// An ACK that was sent, to be sent again.
#[derive(Debug)]
pub(super) struct SentAck {
    pub request: Request,
    pub hop: Hop,
    pub small_hop: Option<Hop>,
}

/// What the owner gives replaces what was made here, field by field.
pub(super) fn add_extra(headers: &mut Headers, extra: Vec<(String, String)>) {
    let mut replaced: Vec<String> = Vec::new();
    for (name, value) in extra {
        if !replaced.iter().any(|seen| seen.eq_ignore_ascii_case(&name)) {
            headers.remove(&name);
            replaced.push(name.clone());
        }
        headers.push(&name, value);
    }
}

/// Adds a field that is not there yet, unless there is nothing to say in it.
pub(super) fn add_missing(headers: &mut Headers, name: &str, value: impl FnOnce() -> String) {
    if headers.get(name).is_none() {
        let value = value();
        if !value.is_empty() {
            headers.push(name, value);
        }
    }
}

/// Bytes that the request will have on the wire, its Via not yet counted but allowed for.
fn printed_len(request: &Request) -> usize {
    const VIA_AND_LENGTH: usize = 120;
    let start = request.method.as_str().len() + request.uri.to_string().len() + 12;
    let headers: usize = request.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    start + headers + VIA_AND_LENGTH + request.body.len()
}
