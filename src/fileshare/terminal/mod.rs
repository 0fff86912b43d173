//! A terminal that shares and receives: the signalling of files beside the audio of one call, or in a call without audio.
//!
//! It is a [`Terminal`] of the conference with a part of its own: lines of shares (S401, S404, S406, S407, S410, S411) and INFOs (S601–S605,
//! S701–S705, S801–S812). Both openings lead to the same events: what is offered, where to connect, by which key. The bytes are its owner's
//! matter.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | what it is told, what it tells |
//! | `lines.rs` | by re-INVITE |
//! | `info.rs` | by INFO |

mod info;
mod lines;

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Instant,
};

use self::lines::{Answering, Slot};
use super::{
    ConfId, ShareId,
    wire::{
        Failure, FailureCode,
        control::{self, Batch, DownloadOffer, Endpoint, Message},
        line::{Line, Transport},
    },
};
use crate::{
    conference::client::{Machine, Part, PartCommand, PartEvent, Phone, Terminal, TerminalCommand, TerminalConfig, TerminalEvent},
    sip::{
        Transmit, endpoint,
        node::{Arrival, Node},
    },
};

/// Most shares that one terminal is about to begin. Another one is refused as busy.
const MAX_BEGINNING: usize = 16;
/// Most offers by INFO that wait for their owner. Another one is declined.
const MAX_OFFERS: usize = 64;

/// How a share is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Opening {
    /// By re-INVITE (S401).
    #[default]
    Reinvite,
    /// By INFO (S801).
    Info,
}

/// What is to be shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The owner's name for it, until it has a [`ShareId`].
    pub key: u64,
    /// The batch.
    pub batch: Batch,
    /// Where the terminal will connect from.
    pub source: SocketAddr,
    /// Without TLS.
    pub plain: bool,
    /// How.
    pub opening: Opening,
    /// Who may receive, by user, participant id or URI; empty: everybody with the right.
    pub recipients: Vec<String>,
}

/// What a terminal is told.
#[derive(Debug, Clone)]
pub enum SharingCommand {
    /// Something about its call.
    Terminal(TerminalCommand),
    /// Share. [`SharingEvent::Shared`] or [`SharingEvent::NotShared`] follows.
    Share(Box<Order>),
    /// Receive a share that was offered, or, by a line of our own, one that was not. [`SharingEvent::Go`] or [`SharingEvent::Ended`] follows.
    Receive {
        /// Which.
        share: ShareId,
        /// Where the terminal will connect from.
        source: SocketAddr,
        /// Without TLS.
        plain: bool,
    },
    /// Decline what was offered.
    Decline {
        /// Which.
        share: ShareId,
    },
    /// End a share of ours, or our part in one.
    End {
        /// Which.
        share: ShareId,
    },
    /// Go on with the upload of a share of our account that another dialog began. [`SharingEvent::Go`] follows, or
    /// [`SharingEvent::Said`] with `upload-complete` or a refusal.
    TakeUp {
        /// Which.
        share: ShareId,
        /// Where the terminal will connect from.
        source: SocketAddr,
    },
    /// Ask which shares there are: [`SharingEvent::Said`] with `shares` follows.
    List,
    /// Say something about a share by INFO: `upload-request`, `download-ready`, `download-complete`, `download-error`, `reconnect`,
    /// `status-request`. What is answered comes by [`SharingEvent::Said`].
    Say {
        /// Which.
        share: ShareId,
        /// What.
        message: Box<Message>,
    },
}

/// What a terminal tells.
#[derive(Debug, Clone, PartialEq)]
pub enum SharingEvent {
    /// Something about its call.
    Terminal(TerminalEvent),
    /// Our share is there: upload to this place (S404, S804).
    Shared {
        /// The owner's name for it.
        key: u64,
        /// Its name in the conference.
        share: ShareId,
        /// The data conference: what the file server knows it by.
        conf: ConfId,
        /// Where, by which certificate and key.
        endpoint: Endpoint,
    },
    /// Our share was refused.
    NotShared {
        /// The owner's name for it.
        key: u64,
        /// Why.
        why: Failure,
    },
    /// Somebody shares (S406, S806): answer with [`SharingCommand::Receive`] or [`SharingCommand::Decline`], soon: by re-INVITE the call
    /// waits for it.
    Offered {
        /// Its name in the conference.
        share: ShareId,
        /// What; `from` is empty where it was not said.
        offer: Box<DownloadOffer>,
    },
    /// Download from this place (S410, S810). Also what a change of our port is answered with.
    Go {
        /// Which.
        share: ShareId,
        /// The data conference: what the file server knows it by.
        conf: ConfId,
        /// Where, by which certificate and key.
        endpoint: Endpoint,
    },
    /// A share, or our part in it, is over.
    Ended {
        /// Which.
        share: ShareId,
        /// Why, when it was said.
        why: Option<Failure>,
    },
    /// Something was said about a share.
    Said {
        /// Which; `None` where a refusal names none.
        share: Option<ShareId>,
        /// What.
        message: Box<Message>,
    },
}

/// A terminal with files; see the [module](self).
#[derive(Debug)]
pub struct SharingTerminal {
    terminal: Terminal,
    slots: BTreeMap<usize, Slot>,
    /// Shares of ours that are being offered by line.
    beginning: Vec<(u64, Line)>,
    /// Shares of others that are asked for by a line of ours.
    joining: Vec<(ShareId, Line)>,
    answering: Option<Answering>,
    info: info::Info,
    events: VecDeque<SharingEvent>,
    last_id: u64,
}

impl SharingTerminal {
    /// A terminal without a call. The config's part is set here.
    pub fn new(endpoint: endpoint::Endpoint, config: TerminalConfig) -> Self {
        let part = Part { owns: Line::is_share, package: control::INFO_PACKAGE, content_type: control::CONTENT_TYPE };
        Self {
            terminal: Terminal::new(endpoint, TerminalConfig { part: Some(part), ..config }),
            slots: BTreeMap::new(),
            beginning: Vec::new(),
            joining: Vec::new(),
            answering: None,
            info: info::Info::default(),
            events: VecDeque::new(),
            last_id: 0,
        }
    }

    /// The terminal under it.
    pub fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    fn fresh_id(&mut self) -> String {
        self.last_id = self.last_id.wrapping_add(1);
        format!("t-{}", self.last_id)
    }

    fn part(&mut self, now: Instant, command: PartCommand) {
        self.terminal.handle_command(now, TerminalCommand::Part(command));
    }

    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.terminal.poll_event() {
            match event {
                TerminalEvent::Part(PartEvent::Offered(lines)) => self.on_offered(now, &lines),
                TerminalEvent::Part(PartEvent::TakenBack) => self.on_taken_back(),
                TerminalEvent::Part(PartEvent::Answered { offered, answered }) => self.on_answered(&offered, &answered),
                TerminalEvent::Part(PartEvent::Refused(refusal)) => {
                    self.on_refused(&Failure::new(FailureCode::Failed, format!("{} {}", refusal.status, refusal.text)));
                }
                TerminalEvent::Part(PartEvent::Info(body)) => self.on_info(now, &body),
                TerminalEvent::Part(PartEvent::InfoFailed { id, status }) => self.on_info_failed(&id, status),
                ended @ TerminalEvent::Ended { lost, .. } => {
                    self.on_call_ended(lost);
                    self.events.push_back(SharingEvent::Terminal(ended));
                }
                other => self.events.push_back(SharingEvent::Terminal(other)),
            }
        }
    }

    fn share(&mut self, now: Instant, order: Order) {
        if self.beginning.len() >= MAX_BEGINNING {
            let why = Failure::new(FailureCode::Busy, "too many shares are about to begin");
            return self.events.push_back(SharingEvent::NotShared { key: order.key, why });
        }
        match order.opening {
            Opening::Reinvite => self.share_by_line(now, order),
            Opening::Info => self.share_by_info(now, order),
        }
    }

    fn receive(&mut self, now: Instant, share: ShareId, source: SocketAddr, plain: bool) {
        let transport = if plain { Transport::Tcp } else { Transport::Tls };
        match self.info.offered.remove(&share) {
            Some(id) => self.accept_by_info(now, share, id, source),
            None => self.receive_by_line(now, share, source, transport),
        }
    }

    fn decline(&mut self, now: Instant, share: ShareId) {
        match self.info.offered.remove(&share) {
            Some(id) => self.decline_by_info(now, share, id),
            None => self.decline_by_line(now, share),
        }
    }

    fn end(&mut self, now: Instant, share: ShareId) {
        if !self.end_by_line(now, share) {
            self.end_by_info(now, share);
        }
    }

    /// `lost`: nobody ended it; the other side may be gone, and the shares may live.
    fn on_call_ended(&mut self, lost: bool) {
        let gone = lost.then(|| Failure::new(FailureCode::Unreachable, "the call to the conference broke off"));
        let over = |share| SharingEvent::Ended { share, why: gone.clone() };
        let lines = std::mem::take(&mut self.slots).into_values().filter_map(|slot| slot.share);
        let info = std::mem::take(&mut self.info);
        let ended: Vec<ShareId> = lines.chain(info.live).collect();
        self.events.extend(ended.into_iter().map(over));
        let why = Failure::new(FailureCode::Ended, "the call has ended");
        let by_line = std::mem::take(&mut self.beginning).into_iter().map(|(key, _)| key);
        for key in by_line.chain(info.asked.into_values()) {
            self.events.push_back(SharingEvent::NotShared { key, why: why.clone() });
        }
        for (share, _) in std::mem::take(&mut self.joining) {
            self.events.push_back(SharingEvent::Ended { share, why: Some(why.clone()) });
        }
        self.answering = None;
    }
}

impl Node for SharingTerminal {
    type Command = SharingCommand;

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        self.terminal.handle_arrival(now, arrival);
        self.settle(now);
    }

    fn handle_command(&mut self, now: Instant, command: SharingCommand) {
        match command {
            SharingCommand::Terminal(command) => self.terminal.handle_command(now, command),
            SharingCommand::Share(order) => self.share(now, *order),
            SharingCommand::Receive { share, source, plain } => self.receive(now, share, source, plain),
            SharingCommand::Decline { share } => self.decline(now, share),
            SharingCommand::End { share } => self.end(now, share),
            SharingCommand::TakeUp { share, source } => self.take_up(now, share, source),
            SharingCommand::List => self.list(now),
            SharingCommand::Say { share, message } => self.say(now, share, *message),
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.terminal.handle_timeout(now);
        self.settle(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.terminal.next_timeout()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.terminal.poll_transmit()
    }

    fn finished(&self) -> bool {
        self.terminal.finished()
    }
}

impl Machine for SharingTerminal {
    type Event = SharingEvent;

    fn poll_event(&mut self) -> Option<SharingEvent> {
        self.events.pop_front()
    }
}

impl Phone for SharingTerminal {
    fn command(command: TerminalCommand) -> SharingCommand {
        SharingCommand::Terminal(command)
    }

    fn terminal_event(event: &SharingEvent) -> Option<&TerminalEvent> {
        match event {
            SharingEvent::Terminal(event) => Some(event),
            _ => None,
        }
    }
}
