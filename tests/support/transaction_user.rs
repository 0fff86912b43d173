//! A [`TransactionLayer`] and the script above it, as a column of a ladder.
//!
//! Commands: `send INVITE` (details: headers, `branch:`), `respond 486 [INVITE]` and `respond once 401 [INVITE]` (details: headers),
//! `abandon INVITE`, `transport fails [at ADDRESS]` (else for the place it sends to), `flow fails` (the connection to the other column).

use std::{collections::VecDeque, net::SocketAddr, time::Instant};

use confkit::sip::{
    hop::{FlowId, Hop, Transmit, Transport},
    message::{CSeq, Framing, Headers, MAGIC_COOKIE, Message, Method, Request, Uri, parse},
    node::Arrival,
    transaction::{ClientKey, Limits, ServerKey, Timers, TransactionEvent, TransactionLayer},
};

use super::ladder::{Column, Node, Output, Script, summary};

/// Where the columns of these ladders live.
const PLACES: [&str; 2] = ["192.0.2.1:5060", "192.0.2.2:5060"];

/// The columns of a ladder of transactions.
///
/// | directive | meaning |
/// |---|---|
/// | `over udp` | or tcp or tls; UDP without |
/// | `peer 192.0.2.2:49152` | where the other side's messages come from |
/// | `limit clients 1`, `limit servers 1` | bounds of the tables |
/// | `wired` | two machines, `alice` and `bob`; else `tu` and a played column |
pub fn columns(script: &Script, timers: &Timers) -> Vec<Column> {
    let mut limits = Limits::default();
    let (mut transport, mut peer, mut wired) = (Transport::Udp, PLACES[1], false);
    for (name, value) in &script.directives {
        match (name.as_str(), value.as_str()) {
            ("over", "udp") => transport = Transport::Udp,
            ("over", "tcp") => transport = Transport::Tcp,
            ("over", "tls") => transport = Transport::Tls,
            ("peer", place) => peer = place,
            ("limit", bound) => match bound.split_once(' ') {
                Some(("clients", n)) => limits.clients = n.parse().expect("a number"),
                Some(("servers", n)) => limits.servers = n.parse().expect("a number"),
                _ => panic!("limit clients N or limit servers N, not {bound:?}"),
            },
            ("wired", _) => wired = true,
            _ => panic!("no directive {name} {value}"),
        }
    }
    let hop = |place: &str| Hop::new(transport, place.parse::<SocketAddr>().expect("an address"));
    let user = |name: &'static str, me: &str, peer: &str| -> Option<Box<dyn Node>> {
        Some(Box::new(TransactionUser {
            name,
            layer: TransactionLayer::new(timers.clone(), limits),
            here: hop(me),
            peer: hop(peer),
            sent: Vec::new(),
            received: Vec::new(),
            outputs: VecDeque::new(),
        }))
    };
    let [first, second] = if wired { ["alice", "bob"] } else { ["tu", "peer"] };
    vec![
        Column { name: first, hops: vec![hop(PLACES[0])], node: user(first, PLACES[0], peer) },
        Column { name: second, hops: vec![hop(peer)], node: if wired { user(second, PLACES[1], PLACES[0]) } else { None } },
    ]
}

struct TransactionUser {
    name: &'static str,
    layer: TransactionLayer,
    here: Hop,
    peer: Hop,
    sent: Vec<(ClientKey, Request)>,
    received: Vec<(ServerKey, Request)>,
    outputs: VecDeque<Output>,
}

impl Node for TransactionUser {
    fn command(&mut self, now: Instant, text: &str, details: &[String]) {
        let words: Vec<_> = text.split(' ').collect();
        match words[..] {
            ["send", method] => self.send(now, &Method::from_token(method), details),
            ["respond", "once", status, ref method @ ..] => self.respond(now, status, method.first(), details, true),
            ["respond", status, ref method @ ..] => self.respond(now, status, method.first(), details, false),
            ["abandon", method] => {
                let key = self.sent.iter().rev().find(|(_, r)| r.method.as_str() == method).expect("such a request").0.clone();
                self.layer.abandon(now, &key);
            }
            ["transport", "fails"] => self.layer.handle_transport_error(now, &self.peer.clone()),
            ["transport", "fails", "at", place] => {
                let hop = Hop::new(self.here.transport, place.parse::<SocketAddr>().expect("an address"));
                self.layer.handle_transport_error(now, &hop);
            }
            ["flow", "fails"] => {
                let hop = Hop { flow: Some(FlowId(1)), ..self.peer.clone() };
                self.layer.handle_transport_error(now, &hop);
            }
            _ => panic!("no command {text:?}"),
        }
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        let Arrival::Message { bytes, from, .. } = arrival else { panic!("the harness delivers messages only") };
        let framing = if from.transport.reliable() { Framing::Stream } else { Framing::Datagram };
        let message = parse(&bytes, framing).expect("ladders are of well-formed messages");
        if let Message::Request(cancel) = &message
            && cancel.method == Method::Cancel
        {
            let found = self.layer.matching_invite(cancel).map_or("no INVITE", |key| self.layer.server_state(&key));
            self.outputs.push_back(Output::Saw(format!("that the CANCEL matches: {found}")));
        }
        self.layer.receive(now, message, from);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.layer.next_timeout()
    }

    fn poll(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        if let Some(transmit) = self.layer.poll_transmit() {
            return Some(Output::Send(Transmit { bytes: transmit.message.to_bytes(), hop: transmit.hop }));
        }
        let event = self.layer.poll_event()?;
        Some(Output::Saw(self.told(event)))
    }

    fn closing(&self) -> Vec<String> {
        let clients = self.sent.iter().map(|(key, r)| (&r.method, self.layer.client_state(key)));
        let servers = self.received.iter().map(|(key, r)| (&r.method, self.layer.server_state(key)));
        let states: Vec<_> = clients.chain(servers).collect();
        match states[..] {
            [(_, state)] => vec![format!("state {state}")],
            _ => states.iter().map(|(method, state)| format!("state {method} {state}")).collect(),
        }
    }
}

impl TransactionUser {
    fn send(&mut self, now: Instant, method: &Method, details: &[String]) {
        let invite = self.sent.iter().rev().find(|(_, r)| r.method == Method::Invite).map(|(_, r)| r);
        let request = match invite {
            Some(invite) if *method == Method::Cancel => cancel(invite),
            _ => self.new_request(method, details),
        };
        match self.layer.send(now, request.clone(), self.peer.clone()) {
            Ok(key) => self.sent.push((key, request)),
            Err(error) => self.outputs.push_back(Output::Saw(format!("failed to send: {error}"))),
        }
    }

    fn new_request(&self, method: &Method, details: &[String]) -> Request {
        let n = self.sent.len() + 1;
        let (me, you) = (self.here.socket().expect("an address"), self.peer.socket().expect("an address"));
        let mut headers = Headers::new();
        headers.push("Via", format!("SIP/2.0/{} {me};rport;branch={MAGIC_COOKIE}{}{n}", self.here.transport.via_name(), self.name));
        headers.push("Max-Forwards", "70");
        headers.push("From", format!("<sip:{}@{me}>;tag={}", self.name, self.name));
        headers.push("To", format!("<sip:{you}>"));
        headers.push("Call-ID", format!("{}-{n}", self.name));
        headers.push("CSeq", CSeq { seq: n as u32, method: method.clone() }.to_string());
        for (name, value) in details.iter().filter_map(|d| d.split_once(": ")) {
            headers.set(name, value);
        }
        let uri: Uri = format!("sip:{you}").parse().expect("a URI");
        Request { method: method.clone(), uri, headers, body: bytes::Bytes::new() }
    }

    fn respond(&mut self, now: Instant, status: &str, method: Option<&&str>, details: &[String], once: bool) {
        let fits = |r: &Request| method.is_none_or(|m| r.method.as_str() == *m);
        let Some((key, request)) = self.received.iter().rev().find(|(_, r)| fits(r)).cloned() else {
            return self.outputs.push_back(Output::Saw("no request to answer".to_owned()));
        };
        let mut response = request.response(status.parse().expect("a status"), self.name);
        for (name, value) in details.iter().filter_map(|d| d.split_once(": ")) {
            response.headers.set(name, value);
        }
        if once {
            self.layer.respond_once(now, &key, response);
        } else {
            self.layer.respond(now, &key, response);
        }
    }

    fn told(&mut self, event: TransactionEvent) -> String {
        match event {
            TransactionEvent::Request { key, request, from: _ } => {
                let told = request.method.to_string();
                self.received.push((key, request));
                told
            }
            TransactionEvent::Ack { request, from: _ } => request.method.to_string(),
            TransactionEvent::Response { key: _, response, from: _ } => summary(&Message::Response(response)),
            TransactionEvent::StrayResponse { response, from: _ } => format!("a stray {}", summary(&Message::Response(response))),
            TransactionEvent::TimedOut { key } => format!("{} time out", key.method()),
            TransactionEvent::TransportFailed { key } => format!("{} fail to be sent", key.method()),
            TransactionEvent::ResponseFailed { key } => format!("the response to {} fail to be sent", self.method(&key)),
            TransactionEvent::NoAck { key } => format!("no ACK for {}", self.method(&key)),
            TransactionEvent::ClientEnded { key } => format!("{} end", key.method()),
            TransactionEvent::ServerEnded { key } => format!("{} end", self.method(&key)),
        }
    }

    fn method(&self, key: &ServerKey) -> String {
        self.received.iter().find(|(k, _)| k == key).expect("a request that we were told of").1.method.to_string()
    }
}

fn cancel(invite: &Request) -> Request {
    let mut headers = Headers::new();
    for name in ["Via", "Max-Forwards", "From", "To", "Call-ID"] {
        headers.push(name, invite.headers.get(name).expect("a header of every INVITE"));
    }
    headers.push("CSeq", CSeq { seq: invite.cseq().expect("a CSeq").seq, method: Method::Cancel }.to_string());
    Request { method: Method::Cancel, uri: invite.uri.clone(), headers, body: bytes::Bytes::new() }
}
