//! Somebody who sends instant messages. Command: `message sip:bob@conf.example some text`.

use std::{collections::VecDeque, time::Instant};

use confkit::{
    conference::client::{Identity, MessageEvent, SendMessage, ServerAddress},
    sip::{
        endpoint::{Endpoint, EndpointConfig},
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
        let (to, what) = text.strip_prefix("message ").and_then(|rest| rest.split_once(' ')).expect("message URI TEXT");
        self.seed[1] += 1; // another endpoint is nobody's twin
        let endpoint = Endpoint::new(EndpointConfig::default().at(Transport::Udp, Host::Ip(self.own.ip()), None), self.seed);
        self.sending = Some(SendMessage::new(now, endpoint, &self.identity, &self.server, to.parse().expect("a URI"), what));
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
