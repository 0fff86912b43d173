//! A terminal that shares and receives.
//!
//! Commands: `dial standup [without audio]`, `hang up`, `hold`, `resume`; `share notes.txt 1000 from 20001 [via info] [to bob]`,
//! `receive share-1 from 20001`, `take up share-1 from 20001`, `decline share-1`, `end share-1`; `say share-1 upload-request`, `complete 1000`, `error`, `reconnect 20002`,
//! `status`, `suspended`, `ended`; `list`; `die` (it is gone without a word). What is offered is received from port 21001 on, unless the script says `asks`.

use std::{collections::VecDeque, net::SocketAddr, time::Instant};

use confkit::{
    conference::client::{Dial, Hangup, Machine as _, ServerAddress, TerminalCommand, TerminalConfig, TerminalEvent},
    fileshare::{
        BatchId, ShareId,
        terminal::{Opening, Order, SharingCommand, SharingEvent, SharingTerminal},
        wire::{
            Failure, FailureCode,
            control::{Batch, Endpoint, FileFacts, Message},
        },
    },
    sdp::{Format, LocalAudio},
    sip::node::{Arrival, Node as _},
};

use super::{
    super::ladder::{Node, Output},
    Seat, phone,
};

pub struct Filer {
    terminal: SharingTerminal,
    server: ServerAddress,
    own: SocketAddr,
    receives: bool,
    next_port: u16,
    last_key: u64,
    files: Vec<FileFacts>,
    outputs: VecDeque<Output>,
    dead: bool,
}

impl Filer {
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
        Self {
            terminal: SharingTerminal::new(seat.endpoint(), config),
            server,
            own: seat.own,
            receives: !seat.world.asks.iter().any(|n| n == seat.name),
            next_port: 21_001,
            last_key: 0,
            files: Vec::new(),
            outputs: VecDeque::new(),
            dead: false,
        }
    }

    fn at(&self, port: &str) -> SocketAddr {
        SocketAddr::new(self.own.ip(), port.parse().expect("a port"))
    }

    fn saw(&mut self, text: String) {
        self.outputs.push_back(Output::Saw(text));
    }

    fn listen(&mut self, now: Instant) {
        while let Some(event) = self.terminal.poll_event() {
            match event {
                SharingEvent::Terminal(TerminalEvent::Part(_)) => panic!("a part's event on its way to the owner"),
                SharingEvent::Terminal(event) => self.saw(phone::told(event)),
                SharingEvent::Shared { key, share, endpoint, .. } => {
                    self.saw(format!("its batch {key} shared as {share}: {}", place(&endpoint)));
                }
                SharingEvent::NotShared { key, why } => {
                    self.saw(format!("its batch {key} not shared: {}: {}", why.code.as_str(), why.text));
                }
                SharingEvent::Offered { share, offer } => {
                    let names: Vec<&str> = offer.batch.files.iter().map(|f| f.name.as_str()).collect();
                    self.saw(format!("{share} offered: {} at {}", names.join(", "), offer.address));
                    if self.receives {
                        let source = SocketAddr::new(self.own.ip(), self.next_port);
                        self.next_port += 1;
                        self.terminal.handle_command(now, SharingCommand::Receive { share, source, plain: false });
                    }
                }
                SharingEvent::Go { share, endpoint, .. } => self.saw(format!("where {share} is: {}", place(&endpoint))),
                SharingEvent::Ended { share, why } => {
                    let why = why.map_or(String::new(), |why| format!(": {}: {}", why.code.as_str(), why.text));
                    self.saw(format!("the end of {share}{why}"));
                }
                SharingEvent::Said { share, message } => {
                    let share = share.map_or("nothing".to_owned(), |share| share.to_string());
                    self.saw(format!("{} of {share}{}", message.name(), details(&message)));
                }
            }
        }
    }
}

fn place(endpoint: &Endpoint) -> String {
    let tls = if endpoint.fingerprint.is_some() { " by TLS" } else { "" };
    format!("{}{tls}, with a key", endpoint.address)
}

fn details(message: &Message) -> String {
    match message {
        Message::Refusal(why) | Message::ShareEnded(why) => format!(": {}: {}", why.code.as_str(), why.text),
        Message::UploadComplete { bytes } => format!(": {bytes} bytes"),
        Message::ShareComplete { members, .. } => format!(": {}", members_told(members)),
        Message::Status(status) => format!(": {} bytes uploaded; {}", status.uploaded, members_told(&status.members)),
        Message::Reconnected(endpoint) => format!(": {}", place(endpoint)),
        Message::Shares { shares, .. } => {
            let one = |s: &confkit::fileshare::wire::control::ShareSummary| {
                let own = if s.own { " (own)" } else { "" };
                format!("{} of {}{own}, {} of {} have it", s.share, s.from, s.finished, s.members)
            };
            format!(": {}", shares.iter().map(one).collect::<Vec<_>>().join("; "))
        }
        _ => String::new(),
    }
}

fn members_told(members: &[confkit::fileshare::wire::control::Member]) -> String {
    let one = |m: &confkit::fileshare::wire::control::Member| {
        let why = m.failure.as_ref().map_or(String::new(), |why| format!(" ({})", why.text));
        format!("{} {}{why}", m.who, m.state.as_str())
    };
    members.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl Node for Filer {
    fn command(&mut self, now: Instant, text: &str, _details: &[String]) {
        if text == "die" {
            self.dead = true;
            return;
        }
        let words: Vec<_> = text.split(' ').collect();
        let share = |text: &str| text.parse::<ShareId>().expect("a share");
        let terminal = SharingCommand::Terminal;
        let command = match words[..] {
            ["dial", room, ref rest @ ..] => {
                let uri = self.server.at(room);
                let dial = Dial { uri, pin: None, offerless: false, without_audio: rest == ["without", "audio"] };
                terminal(TerminalCommand::Dial(Box::new(dial)))
            }
            ["hang", "up"] => terminal(TerminalCommand::Hangup(Hangup::default())),
            ["hold"] => terminal(TerminalCommand::Hold(true)),
            ["resume"] => terminal(TerminalCommand::Hold(false)),
            ["share", name, size, "from", port, ref rest @ ..] => {
                self.last_key += 1;
                let bytes = size.parse().expect("bytes");
                self.files = vec![FileFacts { name: name.to_owned(), size: Some(bytes), mime: None, sha256: None }];
                let to = rest.windows(2).find(|w| w[0] == "to").map(|w| w[1].to_owned());
                let order = Order {
                    key: self.last_key,
                    batch: Batch { id: BatchId(self.last_key), entries: 1, bytes: Some(bytes), manifest: None, files: self.files.clone() },
                    source: self.at(port),
                    plain: rest.contains(&"plain"),
                    opening: if rest.starts_with(&["via", "info"]) { Opening::Info } else { Opening::Reinvite },
                    recipients: to.into_iter().collect(),
                };
                SharingCommand::Share(Box::new(order))
            }
            ["receive", id, "from", port] => SharingCommand::Receive { share: share(id), source: self.at(port), plain: false },
            ["take", "up", id, "from", port] => SharingCommand::TakeUp { share: share(id), source: self.at(port) },
            ["decline", id] => SharingCommand::Decline { share: share(id) },
            ["end", id] => SharingCommand::End { share: share(id) },
            ["list"] => SharingCommand::List,
            ["say", id, ref what @ ..] => {
                let message = match what[..] {
                    ["upload-request"] => Message::UploadRequest { files: self.files.clone() },
                    ["complete", bytes] => Message::DownloadComplete { bytes: bytes.parse().expect("bytes") },
                    ["error"] => Message::DownloadError(Failure::new(FailureCode::NoSpace, "the disk is full")),
                    ["reconnect", port] => Message::Reconnect { source: self.at(port) },
                    ["status"] => Message::StatusRequest,
                    ["suspended"] => Message::ShareSuspended,
                    ["ended"] => Message::ShareEnded(Failure::new(FailureCode::Ended, "the sharer ended the share")),
                    _ => panic!("no command {text:?}"),
                };
                SharingCommand::Say { share: share(id), message: Box::new(message) }
            }
            _ => panic!("no command {text:?}"),
        };
        self.terminal.handle_command(now, command);
        self.listen(now);
    }

    fn arrive(&mut self, now: Instant, arrival: Arrival) {
        if self.dead {
            return;
        }
        self.terminal.handle_arrival(now, arrival);
        self.listen(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.dead {
            return;
        }
        self.terminal.handle_timeout(now);
        self.listen(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.terminal.next_timeout().filter(|_| !self.dead)
    }

    fn poll(&mut self) -> Option<Output> {
        self.terminal.poll_transmit().map(Output::Send).or_else(|| self.outputs.pop_front())
    }

    fn closing(&self) -> Vec<String> {
        if self.dead {
            return vec!["is dead".to_owned()];
        }
        if self.terminal.terminal().in_call() { vec!["is in a call".to_owned()] } else { Vec::new() }
    }
}
