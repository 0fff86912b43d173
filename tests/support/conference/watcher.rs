//! A subscriber of the conference event package. Commands: `watch standup`, `leave`.

use std::{collections::VecDeque, time::Instant};

use confkit::{
    conference::{
        client::{Identity, ServerAddress, Watch, WatchCommand, WatchEvent},
        wire::conference_info::{self, State, User},
    },
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

pub struct Watcher {
    config: EndpointConfig,
    seed: [u8; 32],
    identity: Identity,
    server: ServerAddress,
    pub watch: Option<Watch>,
    outputs: VecDeque<Output>,
}

impl Watcher {
    pub fn new(seat: &Seat<'_>) -> Self {
        let account = if seat.name == "watcher" { "carol" } else { seat.account() };
        let config = seat.configure(EndpointConfig::default()).at(Transport::Udp, Host::Ip(seat.own.ip()), None);
        Self { config, seed: seat.seed, identity: seat.identity(account), server: seat.server(), watch: None, outputs: VecDeque::new() }
    }

    fn listen(&mut self) {
        while let Some(event) = self.watch.as_mut().and_then(confkit::conference::client::Machine::poll_event) {
            let text = match event {
                WatchEvent::News { document, .. } => {
                    let users: Vec<String> = document.users.iter().flat_map(|u| &u.users).map(one).collect();
                    let state = document.conference_state.as_ref();
                    let count = state.and_then(|s| s.user_count).map_or(String::new(), |n| format!(" ({n})"));
                    let locked = if state.and_then(|s| s.locked).unwrap_or(false) { " locked" } else { "" };
                    format!("{} {}{count}{locked}: {}", document.state, document.version, users.join(", "))
                }
                WatchEvent::Gone => "the conference gone".to_owned(),
                WatchEvent::Failed(refusal) => format!("the subscription fail: {} {}", refusal.status, refusal.text),
                WatchEvent::Ended => "the subscription end".to_owned(),
            };
            self.outputs.push_back(Output::Saw(text));
        }
    }
}

/// A user in a few words, and each of its endpoints.
fn one(user: &User) -> String {
    let mut text = user.display_text.clone().unwrap_or_else(|| "-".to_owned());
    if user.state == State::Deleted {
        text += " is gone";
    }
    let chair = user.roles.contains(&"chair".to_owned());
    text + &user.endpoints.iter().map(|one| endpoint(one, chair)).collect::<Vec<_>>().join(" and")
}

fn endpoint(endpoint: &conference_info::Endpoint, chair: bool) -> String {
    let mut text = endpoint.status.map_or(String::new(), |s| format!(" {s}"));
    text += &endpoint.disconnection_method.map_or(String::new(), |m| format!(" {m}"));
    let extension = endpoint.extension.as_ref();
    let silent = endpoint.media.is_empty() && endpoint.state != State::Deleted;
    let marks = [
        (chair, " (chair)"),
        (extension.is_some_and(|e| e.talking), " talking"),
        (extension.is_some_and(|e| e.deaf), " deaf"),
        (silent, " without audio"),
    ];
    text += &marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect::<String>();
    text
}

impl Node for Watcher {
    fn command(&mut self, now: Instant, text: &str, _details: &[String]) {
        let words: Vec<_> = text.split(' ').collect();
        match words[..] {
            ["watch", name] => {
                let name = name.parse().expect("a name");
                self.seed[1] += 1; // another endpoint is nobody's twin
                self.watch = Some(Watch::new(now, Endpoint::new(self.config.clone(), self.seed), &self.identity, &self.server, &name));
            }
            ["ask"] => self.watch.as_mut().expect("a subscription").handle_command(now, WatchCommand::Ask),
            ["leave"] => self.watch.as_mut().expect("a subscription").handle_command(now, WatchCommand::Leave),
            _ => panic!("no command {text:?}"),
        }
        self.listen();
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        if let Some(watch) = &mut self.watch {
            watch.handle_arrival(now, arrival);
        }
        self.listen();
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(watch) = &mut self.watch {
            watch.handle_timeout(now);
        }
        self.listen();
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.watch.as_ref().and_then(confkit::sip::node::Node::next_timeout)
    }

    fn poll(&mut self) -> Option<Output> {
        self.watch.as_mut().and_then(confkit::sip::node::Node::poll_transmit).map(Output::Send).or_else(|| self.outputs.pop_front())
    }

    fn closing(&self) -> Vec<String> {
        let on = self.watch.as_ref().is_some_and(|w| !w.finished());
        if on { vec!["is subscribed".to_owned()] } else { Vec::new() }
    }
}
