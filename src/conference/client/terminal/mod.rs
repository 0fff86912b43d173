//! A terminal (UE): registers if told to, calls, is called, negotiates its audio, and says what was agreed.
//!
//! One call at a time. Its session is made of lines that its parts own: audio here, and what others add with
//! [`Part`]. Out of scope: the audio itself; whoever owns the terminal joins it to what is agreed.

mod call;
mod outside;
mod part;
mod register;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

pub use outside::{OutsideCommand, OutsideEvent};
pub use part::{Part, PartCommand, PartEvent};
pub use register::Registration;

use super::{Identity, Machine, Refusal, ServerAddress};
use crate::{
    conference::wire::control::{AdmissionState, Body as Control, CONTENT_TYPE, INFO_PACKAGE, Pin},
    sdp::{AudioStream, LocalAudio, Negotiation},
    sip::{
        Transmit,
        endpoint::{Call, Endpoint, Event, Reason},
        message::{Method, NameAddr, Request, Uri},
        node::{Arrival, Node},
    },
};

/// Settings of a terminal.
#[derive(Debug, Clone)]
pub struct TerminalConfig {
    /// Who it is.
    pub identity: Identity,
    /// Its server.
    pub server: ServerAddress,
    /// Its audio: where it receives, what it can.
    pub audio: LocalAudio,
    /// Identifies its sessions; random.
    pub session_id: u64,
    /// Answer calls by itself; else they are refused as busy.
    pub answer: bool,
    /// Ring for so long before answering.
    pub ring: Duration,
    /// What else its session is made of than audio.
    pub part: Option<Part>,
}

/// Whom to call.
#[derive(Debug, Clone)]
pub struct Dial {
    /// Request-URI.
    pub uri: Uri,
    /// PIN to show, in a body part beside the offer.
    pub pin: Option<Pin>,
    /// Send no offer: the other side makes one.
    pub offerless: bool,
    /// Call without audio: for the lines of a part alone.
    pub without_audio: bool,
}

/// How to end a call.
#[derive(Debug, Clone, Default)]
pub struct Hangup {
    /// Why.
    pub reason: Option<Reason>,
}

/// What a terminal is told.
#[derive(Debug, Clone)]
pub enum TerminalCommand {
    /// Register for so many seconds and keep registered; 0 takes the registration back.
    Register(u32),
    /// Call.
    Dial(Box<Dial>),
    /// Answer the call that rings; without one nothing happens.
    Answer,
    /// End the call; without one nothing happens.
    Hangup(Hangup),
    /// Hold the call, or take it up again.
    Hold(bool),
    /// Ask the other side of the call whether it is still there. One that is not ends the call; without a call nothing happens.
    Ask,
    /// Something for the part that owns further lines.
    Part(PartCommand),
    /// A request outside the call.
    Outside(OutsideCommand),
    /// End the call and the registration, then be over.
    Leave,
}

/// What a terminal tells.
#[derive(Debug, Clone, PartialEq)]
pub enum TerminalEvent {
    /// Registered for so many seconds.
    Registered(u32),
    /// The registration was refused.
    RegistrationFailed(Refusal),
    /// The other side rings.
    Ringing,
    /// Somebody calls.
    Called {
        /// Who.
        from: NameAddr,
    },
    /// The call is up, with this audio; `None` when none was agreed.
    Established {
        /// The other side is a conference (RFC 4579 `isfocus`).
        focus: bool,
        /// What was agreed.
        audio: Option<AudioStream>,
        /// The conference wants a PIN typed before it lets us in: [`TerminalEvent::Admitted`] follows, or the end.
        pin_wanted: bool,
    },
    /// The conference that wanted a PIN has let us in.
    Admitted,
    /// The session changed: the other side's re-INVITE, or ours.
    Changed {
        /// What was agreed.
        audio: Option<AudioStream>,
    },
    /// Our change was refused; the session is as it was.
    NotChanged(Refusal),
    /// An instant message.
    Message {
        /// From whom.
        from: NameAddr,
        /// What.
        text: String,
    },
    /// Our call was refused.
    Refused(Refusal),
    /// The call is over.
    Ended {
        /// True when the other side ended it, or it broke off.
        by_peer: bool,
        /// True when it broke off, or our good-bye got no answer: the other side may be gone.
        lost: bool,
        /// Why, when it was said.
        reason: Option<Reason>,
    },
    /// Something for the part that owns further lines.
    Part(PartEvent),
    /// About a request outside the call, to an owner who takes such.
    Outside(OutsideEvent),
    /// The terminal is over, as asked.
    Left,
}

/// A terminal.
#[derive(Debug)]
pub struct Terminal {
    endpoint: Endpoint,
    config: TerminalConfig,
    call: Option<CallState>,
    registration: Registration,
    outside: outside::Outside,
    ring_at: Option<Instant>,
    events: VecDeque<TerminalEvent>,
    leaving: bool,
    left: bool,
}

/// The one call.
#[derive(Debug)]
struct CallState {
    call: Call,
    negotiation: Negotiation,
    phase: Phase,
    audio: Option<AudioStream>,
    /// Audio takes no part in it.
    without_audio: bool,
    part: part::PartState,
    hold: Hold,
    /// We hung up: however it ends now, it ends as was wanted.
    hung_up: bool,
    /// Why the caller took it back.
    taken_back: Option<Reason>,
    /// The conference has not let us in yet: it wants a PIN.
    pin_wanted: bool,
}

/// Whether the call is held, by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Hold {
    /// As last agreed.
    held: bool,
    /// Our offer under way: to hold, or to take up again.
    asked: Option<bool>,
    /// What is wanted once no exchange is open.
    wanted: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// We called.
    Calling,
    /// We are called, and ring.
    Ringing,
    /// Answered; the ACK, which may hold the answer, is awaited.
    Answered,
    /// Up.
    Up,
}

impl Terminal {
    /// A terminal without a call.
    pub fn new(mut endpoint: Endpoint, config: TerminalConfig) -> Self {
        endpoint.config_mut().recv_info = vec![INFO_PACKAGE.to_owned()];
        endpoint.config_mut().accept = vec!["application/sdp".to_owned(), CONTENT_TYPE.to_owned()];
        if let Some(part) = &config.part {
            endpoint.config_mut().recv_info.push(part.package.to_owned());
            endpoint.config_mut().accept.push(part.content_type.to_owned());
        }
        Self {
            endpoint,
            config,
            call: None,
            registration: Registration::default(),
            outside: outside::Outside::default(),
            ring_at: None,
            events: VecDeque::new(),
            leaving: false,
            left: false,
        }
    }

    /// True while a call is up or on its way.
    pub fn in_call(&self) -> bool {
        self.call.is_some()
    }

    /// True when nothing is left: no call, no request, and no memory of one.
    pub fn is_idle(&self) -> bool {
        self.call.is_none() && self.endpoint.is_idle()
    }

    /// True while the call is up: answered and acknowledged.
    pub fn is_up(&self) -> bool {
        self.call.as_ref().is_some_and(|c| c.phase == Phase::Up)
    }

    /// What is agreed for the audio of the call.
    pub fn audio(&self) -> Option<&AudioStream> {
        self.call.as_ref().and_then(|c| c.audio.as_ref())
    }

    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            self.on_event(now, event);
        }
        let busy = self.registration.busy() || self.outside.busy();
        if self.leaving && !self.left && self.call.is_none() && self.endpoint.calls() == 0 && !busy {
            self.left = true;
            self.events.push_back(TerminalEvent::Left);
        }
    }

    fn on_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Invite { call, request, .. } => self.on_invite(now, call, &request),
            Event::Reinvite { call, request } => self.on_reinvite(now, call, &request),
            Event::Acked { call, request } => self.on_acked(now, call, &request),
            Event::Progress { response, .. } if response.status == 180 => self.events.push_back(TerminalEvent::Ringing),
            Event::Accepted { call, response } => self.on_accepted(now, call, &response),
            Event::Rejected { call, response } => self.on_rejected(call, &response),
            Event::ReinviteRejected { call, response } => self.on_reinvite_rejected(now, call, &response),
            Event::ReinviteCancelled { call } => self.on_reinvite_cancelled(now, call),
            Event::Cancelled { call, reason } => {
                if let Some(state) = self.call.as_mut().filter(|s| s.call == call) {
                    state.taken_back = reason;
                }
            }
            Event::Ended { call, why } => self.on_ended(call, &why),
            Event::Response { outgoing, response } if self.on_part_answer(outgoing, response.status) => {}
            Event::Response { outgoing, response } if self.on_outside_answer(outgoing, &response) => {}
            Event::Response { outgoing, response } => self.on_registered(now, outgoing, &response),
            Event::Request { incoming, call: None, request, .. } if self.on_outside_message(incoming, &request) => {}
            Event::Request { incoming, call, request, .. } => {
                let status = self.on_part_info(call, &request).unwrap_or_else(|| self.on_request(call, &request));
                self.endpoint.respond(now, incoming, status, Vec::new(), None);
            }
            Event::Notify { incoming, .. } => self.endpoint.respond(now, incoming, 481, Vec::new(), None),
            _ => {}
        }
    }

    fn on_request(&mut self, call: Option<Call>, request: &Request) -> u16 {
        match request.method {
            Method::Options => 200,
            Method::Info => match request.headers.get("Info-Package") {
                None => 200,
                Some(package) if package.trim().eq_ignore_ascii_case(INFO_PACKAGE) => self.on_word(call, request),
                Some(_) => 469,
            },
            Method::Message if request.content_type().as_deref() == Some("text/plain") => {
                let from = request.from().unwrap_or_else(|| NameAddr::new(request.uri.clone()));
                let text = String::from_utf8_lossy(&request.body).into_owned();
                self.events.push_back(TerminalEvent::Message { from: NameAddr { params: Vec::new(), ..from }, text });
                200
            }
            Method::Message => 415,
            _ => 405,
        }
    }

    /// A word of the conference on the call: whether it has let us in.
    fn on_word(&mut self, call: Option<Call>, request: &Request) -> u16 {
        if request.content_type().as_deref() != Some(CONTENT_TYPE) {
            return 415;
        }
        let Ok(Control::Admission(state)) = Control::parse(&request.body) else { return 400 };
        if state == AdmissionState::In
            && let Some(state) = self.call.as_mut().filter(|state| Some(state.call) == call)
            && std::mem::take(&mut state.pin_wanted)
        {
            self.events.push_back(TerminalEvent::Admitted);
        }
        200
    }
}

impl Node for Terminal {
    type Command = TerminalCommand;

    fn handle_arrival(&mut self, now: Instant, arrival: Arrival) {
        match arrival {
            Arrival::Message { bytes, from, .. } => self.endpoint.handle_bytes(now, bytes, from),
            Arrival::Failed { hop, why } => self.endpoint.handle_transport_error(now, &hop, &why),
            Arrival::Closed { .. } => {}
        }
        self.settle(now);
    }

    fn handle_command(&mut self, now: Instant, command: TerminalCommand) {
        match command {
            TerminalCommand::Register(seconds) => self.register(now, seconds),
            TerminalCommand::Dial(dial) => self.dial(now, &dial),
            TerminalCommand::Answer => {
                if self.ring_at.take().is_some() {
                    self.answer(now);
                }
            }
            TerminalCommand::Hangup(hangup) => self.hang_up(now, hangup.reason),
            TerminalCommand::Hold(on) => self.hold(now, on),
            TerminalCommand::Ask => self.ask(now),
            TerminalCommand::Part(command) => self.on_part_command(now, command),
            TerminalCommand::Outside(command) => self.on_outside_command(now, command),
            TerminalCommand::Leave => {
                self.leaving = true;
                self.hang_up(now, None);
                self.unregister(now);
            }
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        if self.ring_at.is_some_and(|at| at <= now) {
            self.ring_at = None;
            self.answer(now);
        }
        self.refresh_registration(now);
        self.settle(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        [self.endpoint.next_timeout(), self.ring_at, self.registration.next_timeout()].into_iter().flatten().min()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    fn finished(&self) -> bool {
        self.left
    }
}

impl Machine for Terminal {
    type Event = TerminalEvent;

    fn poll_event(&mut self) -> Option<TerminalEvent> {
        self.events.pop_front()
    }
}
