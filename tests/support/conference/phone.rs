//! A terminal.
//!
//! Commands: `dial standup [pin 4711] [offerless]`, `hang up`, `hold`, `resume`, `register`, `unregister`, `leave`.

use std::{collections::VecDeque, time::Instant};

use confkit::{
    account::Pin,
    conference::client::{Dial, Hangup, Machine as _, ServerAddress, Terminal, TerminalCommand, TerminalConfig, TerminalEvent},
    sdp::{Format, LocalAudio},
    sip::node::{Arrival, Node as _},
};

use super::{
    super::ladder::{Node, Output},
    Seat,
};

pub struct Phone {
    pub terminal: Terminal,
    server: ServerAddress,
    outputs: VecDeque<Output>,
}

impl Phone {
    pub fn new(seat: &Seat<'_>) -> Self {
        let server = seat.server();
        let config = TerminalConfig {
            identity: seat.identity(seat.account()),
            server: server.clone(),
            audio: LocalAudio::new(seat.rtp(), vec![Format::of_static(0).expect("PCMU")]),
            session_id: u64::from(seat.seed[0]),
            answer: seat.world.answer,
            ring: seat.ring(),
            part: None,
        };
        Self { terminal: Terminal::new(seat.endpoint(), config), server, outputs: VecDeque::new() }
    }

    fn listen(&mut self) {
        while let Some(event) = self.terminal.poll_event() {
            let text = told(event);
            self.outputs.push_back(Output::Saw(text));
        }
    }
}

/// What a terminal tells, in a few words.
pub fn told(event: TerminalEvent) -> String {
    match event {
        TerminalEvent::Registered(seconds) => format!("its registration for {seconds} s"),
        TerminalEvent::RegistrationFailed(refusal) => format!("its registration fail: {} {}", refusal.status, refusal.text),
        TerminalEvent::Ringing => "ringing".to_owned(),
        TerminalEvent::Called { from } => format!("a call of {}", from.uri),
        TerminalEvent::Established { focus, audio, pin_wanted } => {
            let to = audio.and_then(|a| a.remote_rtp).map_or("no audio".to_owned(), |a| format!("audio to {a}"));
            let waits = if pin_wanted { ", a PIN is wanted" } else { "" };
            format!("the call up{}, {to}{waits}", if focus { " with a focus" } else { "" })
        }
        TerminalEvent::Changed { audio } => {
            format!("the session change: {}", audio.map_or("no audio".to_owned(), |a| a.direction.name().to_owned()))
        }
        TerminalEvent::NotChanged(refusal) => format!("no change: {} {}", refusal.status, refusal.text),
        TerminalEvent::Message { from, text } => format!("a message of {}: {text}", from.uri),
        TerminalEvent::Refused(refusal) => format!("its call refused: {} {}", refusal.status, refusal.text),
        TerminalEvent::Admitted => "itself let in".to_owned(),
        TerminalEvent::Ended { by_peer, lost, reason } => {
            let who = if by_peer { "the other side" } else { "itself" };
            let lost = if lost && !by_peer { " without an answer" } else { "" };
            format!("the call ended by {who}{lost}{}", reason.map_or(String::new(), |r| format!(": {r}")))
        }
        TerminalEvent::Left => "its end".to_owned(),
        TerminalEvent::Part(event) => format!("{event:?}"),
        TerminalEvent::Outside(event) => format!("{event:?}"),
    }
}

impl Node for Phone {
    fn command(&mut self, now: Instant, text: &str, _details: &[String]) {
        let words: Vec<_> = text.split(' ').collect();
        let command = match words[..] {
            ["dial", room, ref rest @ ..] => {
                let pin = rest.windows(2).find(|w| w[0] == "pin").map(|w| w[1].parse::<Pin>().expect("a PIN"));
                let uri = self.server.at(room);
                TerminalCommand::Dial(Box::new(Dial { uri, pin, offerless: rest.contains(&"offerless"), without_audio: false }))
            }
            ["hang", "up"] => TerminalCommand::Hangup(Hangup::default()),
            ["hold"] => TerminalCommand::Hold(true),
            ["resume"] => TerminalCommand::Hold(false),
            ["register"] => TerminalCommand::Register(3600),
            ["register", "as", feature] => {
                self.terminal.announce(feature);
                TerminalCommand::Register(3600)
            }
            ["unregister"] => TerminalCommand::Register(0),
            ["ask"] => TerminalCommand::Ask,
            ["leave"] => TerminalCommand::Leave,
            _ => panic!("no command {text:?}"),
        };
        self.terminal.handle_command(now, command);
        self.listen();
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        self.terminal.handle_arrival(now, arrival);
        self.listen();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.terminal.handle_timeout(now);
        self.listen();
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.terminal.next_timeout()
    }

    fn poll(&mut self) -> Option<Output> {
        self.terminal.poll_transmit().map(Output::Send).or_else(|| self.outputs.pop_front())
    }

    fn closing(&self) -> Vec<String> {
        if self.terminal.in_call() { vec!["is in a call".to_owned()] } else { Vec::new() }
    }
}
