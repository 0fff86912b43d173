//! A user agent whose every byte the test chooses: requests as text, answers as they come.

use std::collections::VecDeque;

use confkit::sip::{
    digest::{Client, Credentials},
    message::{Framing, Message, Method, Request, Response, parse},
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

use crate::{
    harness::Daemon,
    wire::{Heard, Wire, another_host},
};

/// Somebody who speaks SIP by hand.
pub struct Agent {
    pub wire: Wire,
    pub server: String,
    /// The address in From.
    pub address: String,
    digest: Option<Client>,
    rng: ChaCha12Rng,
    id: String,
    made: u32,
    /// What the server asked meanwhile; all of it was answered 200.
    pub asked: VecDeque<Request>,
}

/// A dialog of an agent.
#[derive(Debug, Clone)]
pub struct Dialog {
    pub call_id: String,
    pub from: String,
    pub to: String,
    pub target: String,
    pub seq: u32,
    /// The 2xx that made it.
    pub accepted: Response,
}

impl Agent {
    pub fn new(wire: Wire, daemon: &Daemon, user: &str) -> Self {
        let id = format!("{:016x}", rand::random::<u64>());
        let address = format!("sip:{user}@{}", wire.host());
        let rng = ChaCha12Rng::seed_from_u64(rand::random());
        Self { wire, server: daemon.sip().to_string(), address, digest: None, rng, id, made: 0, asked: VecDeque::new() }
    }

    /// A guest by UDP, from a host of its own.
    pub async fn udp(daemon: &Daemon) -> Self {
        let wire = Wire::udp((another_host(), 0).into(), daemon.sip()).await.expect("a port");
        Self::new(wire, daemon, "mallory")
    }

    /// A guest by TCP, from a host of its own.
    pub async fn tcp(daemon: &Daemon) -> Self {
        let wire = Wire::tcp(another_host(), daemon.sip()).await.expect("connected");
        Self::new(wire, daemon, "mallory")
    }

    /// The same with an account.
    pub fn with_account(mut self, user: &str, password: &str) -> Self {
        self.address = format!("sip:{user}@{}", self.server);
        self.digest = Some(Client::new(Credentials::new(user, password)));
        self
    }

    /// `sip:<user>@<server>`.
    pub fn at(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.server)
    }

    fn next(&mut self) -> u32 {
        self.made += 1;
        self.made
    }

    /// A request outside dialogs. `extra` are whole header lines.
    pub fn request(&mut self, method: &str, uri: &str, extra: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
        let (n, body) = (self.next(), body.as_ref());
        let head = format!(
            "{method} {uri} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: <{}>;tag={}{n}\r\nTo: <{uri}>\r\nCall-ID: {}-{n}\r\n\
             CSeq: {n} {method}\r\nContact: <sip:mallory@{}>\r\n{extra}Content-Length: {}\r\n\r\n",
            self.wire.via(&format!("{}{n}", self.id)),
            self.address,
            self.id,
            self.id,
            self.wire.host(),
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    /// Sends a request and waits for its final answer. What the server asks meanwhile is answered 200 and kept.
    pub async fn ask(&mut self, request: &[u8]) -> Response {
        assert!(self.wire.send(request).await, "sent");
        let (call_id, cseq) = identity(request);
        loop {
            match self.hear().await {
                Some(response)
                    if response.status >= 200 && response.call_id() == Some(&call_id) && response.headers.get("CSeq") == Some(&cseq) =>
                {
                    return response;
                }
                _ => {}
            }
        }
    }

    /// The next message: a response, or nothing of it when it was a request, which is answered and kept.
    pub async fn hear(&mut self) -> Option<Response> {
        match self.wire.next().await.expect("the connection stays") {
            Heard::Response(status, response) => {
                assert!(response.is_some() || status >= 400, "an answer that cannot be read");
                response
            }
            Heard::Request(request) => {
                if request.method != Method::Ack {
                    assert!(self.wire.send(request.response(200, "mallory").to_bytes()).await, "answered");
                }
                self.asked.push_back(request);
                None
            }
        }
    }

    /// Sends a request, and once more with a password when it is asked for.
    pub async fn ask_as_user(&mut self, request: &[u8]) -> Response {
        let first = self.ask(request).await;
        if first.status != 401 {
            return first;
        }
        let again = self.answer_challenge(request, &first);
        self.ask(&again).await
    }

    /// The request once more, with an answer to the challenge of its 401.
    pub fn answer_challenge(&mut self, request: &[u8], challenge: &Response) -> Vec<u8> {
        let mut request = read(request);
        let n = self.next();
        let digest = self.digest.as_mut().expect("a password");
        digest.answer(challenge, &mut request, &mut self.rng).expect("a challenge that can be answered");
        request.headers.set("CSeq", format!("{} {}", n + 1000, request.method));
        request.headers.set("Via", self.wire.via(&format!("{}{n}a", self.id)));
        request.to_bytes().to_vec()
    }

    /// A request that answers an earlier challenge at once, with the next count of its nonce.
    pub fn authorized(&mut self, request: &[u8]) -> Vec<u8> {
        let mut request = read(request);
        self.digest.as_mut().expect("a password").authorize(&mut request, &mut self.rng);
        request.to_bytes().to_vec()
    }

    /// Calls; the call is up when this returns.
    pub async fn invite(&mut self, uri: &str, extra: &str, body: impl AsRef<[u8]>) -> Result<Dialog, Response> {
        let request = self.request("INVITE", uri, extra, body);
        let response = if self.digest.is_some() { self.ask_as_user(&request).await } else { self.ask(&request).await };
        let mut dialog = self.dialog(&response);
        self.acknowledge(&mut dialog).await;
        if response.status < 300 { Ok(dialog) } else { Err(response) }
    }

    /// The dialog that a final answer to an INVITE makes, or would have made.
    pub fn dialog(&self, response: &Response) -> Dialog {
        let header = |name: &str| response.headers.get(name).unwrap_or_else(|| panic!("{name} in {response:?}")).to_owned();
        let target = response.contacts().next().map_or_else(|| self.at("nobody"), |contact| contact.uri.to_string());
        let seq = response.cseq().expect("a CSeq").seq;
        Dialog { call_id: header("Call-ID"), from: header("From"), to: header("To"), target, seq, accepted: response.clone() }
    }

    /// The ACK to the final answer.
    pub async fn acknowledge(&mut self, dialog: &mut Dialog) {
        let refused = dialog.accepted.status >= 300;
        // The ACK to a refusal belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
        let via = dialog.accepted.headers.get("Via").filter(|_| refused).map(str::to_owned);
        let seq = dialog.seq;
        let ack = self.inside(dialog, "ACK", seq, via, "", "");
        assert!(self.wire.send(ack).await, "sent");
    }

    /// A request in a dialog, with a number of the caller's choice.
    pub fn inside(&mut self, dialog: &Dialog, method: &str, seq: u32, via: Option<String>, extra: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
        let (n, body) = (self.next(), body.as_ref());
        let via = via.unwrap_or_else(|| self.wire.via(&format!("{}{n}", self.id)));
        let Dialog { call_id, from, to, target, .. } = dialog;
        let head = format!(
            "{method} {target} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {seq} {method}\r\n\
             Contact: <sip:mallory@{}>\r\n{extra}Content-Length: {}\r\n\r\n",
            self.wire.host(),
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    /// The next request in a dialog: its final answer.
    pub async fn ask_inside(&mut self, dialog: &mut Dialog, method: &str, extra: &str, body: impl AsRef<[u8]>) -> Response {
        dialog.seq += 1;
        let request = self.inside(dialog, method, dialog.seq, None, extra, body);
        self.ask(&request).await
    }

    /// An OPTIONS is answered.
    pub async fn is_answered(&mut self) {
        let request = self.request("OPTIONS", &self.at("control"), "", "");
        assert_eq!(self.ask(&request).await.status, 200, "OPTIONS");
    }
}

/// Session description of somebody at an address.
pub fn sdp(rtp: std::net::SocketAddr) -> String {
    let (ip, port) = (rtp.ip(), rtp.port());
    format!(
        "v=0\r\no=mallory 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=sendrecv\r\n"
    )
}

/// Content-Type of a session description, as a header line.
pub const SDP: &str = "Content-Type: application/sdp\r\n";

/// The text of a Warning.
pub fn warning(response: &Response) -> String {
    confkit::sip::endpoint::warned(&response.headers).unwrap_or_default()
}

fn read(request: &[u8]) -> Request {
    match parse(&request.to_vec().into(), Framing::Datagram) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// Call-ID and CSeq, whatever else the request holds.
fn identity(request: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(request);
    let header = |name: &str| {
        let line = text.split("\r\n").find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in {text}"));
        line.trim().to_owned()
    };
    (header("Call-ID:"), header("CSeq:"))
}
