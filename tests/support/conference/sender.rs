//! Somebody who sends instant messages. Commands: `message sip:bob@conf.example some text`, `offer sip:bob@conf.example` (a body of transfers).

use std::{collections::VecDeque, time::Instant};

use confkit::{
    channel::wire::transfer,
    conference::client::{Identity, MessageEvent, SendMessage, ServerAddress},
    sip::{
        endpoint::{Body, Endpoint, EndpointConfig},
        hop::Transport,
        message::Host,
        node::{Arrival, Node as _},
    },
};

use super::{
    super::ladder::{Node, Output},
    Seat,
};

pub struct Sender {
    own: std::net::SocketAddr,
    seed: [u8; 32],
    identity: Identity,
    server: ServerAddress,
    sending: Option<SendMessage>,
    outputs: VecDeque<Output>,
}

impl Sender {
    pub fn new(seat: &Seat<'_>) -> Self {
        let identity = seat.identity(seat.account());
        Self { own: seat.own, seed: seat.seed, identity, server: seat.server(), sending: None, outputs: VecDeque::new() }
    }

    fn listen(&mut self) {
        while let Some(event) = self.sending.as_mut().and_then(confkit::conference::client::Machine::poll_event) {
            self.outputs.push_back(Output::Saw(match event {
                MessageEvent::Delivered { status } => format!("it delivered ({status})"),
                MessageEvent::Refused(refusal) => format!("it refused: {} {}", refusal.status, refusal.text),
            }));
        }
    }
}

impl Node for Sender {
    fn command(&mut self, now: Instant, text: &str, _details: &[String]) {
        let to = |to: &str| to.parse().expect("a URI");
        self.seed[1] += 1; // another endpoint is nobody's twin
        let endpoint = Endpoint::new(EndpointConfig::default().at(Transport::Udp, Host::Ip(self.own.ip()), None), self.seed);
        self.sending = Some(match text.splitn(3, ' ').collect::<Vec<_>>()[..] {
            ["message", uri, what] => SendMessage::new(now, endpoint, &self.identity, &self.server, to(uri), what),
            ["offer", uri] => {
                let body = Body::new(transfer::CONTENT_TYPE, "<offer/>");
                SendMessage::with_body(now, endpoint, &self.identity, &self.server, to(uri), body)
            }
            _ => panic!("message URI TEXT, or offer URI"),
        });
        self.listen();
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        if let Some(sending) = &mut self.sending {
            sending.handle_arrival(now, arrival);
        }
        self.listen();
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(sending) = &mut self.sending {
            sending.handle_timeout(now);
        }
        self.listen();
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.sending.as_ref().and_then(confkit::sip::node::Node::next_timeout)
    }

    fn poll(&mut self) -> Option<Output> {
        self.sending.as_mut().and_then(confkit::sip::node::Node::poll_transmit).map(Output::Send).or_else(|| self.outputs.pop_front())
    }

    fn closing(&self) -> Vec<String> {
        Vec::new()
    }
}
