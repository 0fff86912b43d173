//! The client transaction of every other request: Figure 6 of RFC 3261 (§17.1.2).

use std::time::Instant;

use super::{
    ClientKey, TransactionEvent,
    table::{Context, Machine},
    timer::{Repeat, Timer},
};
use crate::sip::{
    hop::Hop,
    message::{Message, Request, Response},
};

/// One request that we sent.
#[derive(Debug)]
pub(super) struct NonInviteClient {
    key: ClientKey,
    hop: Hop,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Sent, nothing heard: timer E repeats it, timer F gives up.
    Trying {
        request: Request,
        e: Option<Repeat>,
        f: Instant,
    },
    /// A 1xx came: timer E goes on, at T2, because only a repeated request makes the server repeat a lost final response.
    Proceeding {
        request: Request,
        e: Option<Repeat>,
        f: Instant,
    },
    /// A final response came: its repetitions are swallowed until timer K.
    Completed {
        k: Instant,
    },
    Terminated,
}

impl NonInviteClient {
    /// Sends the request.
    pub fn begin(cx: &mut Context<'_>, key: ClientKey, request: Request, hop: Hop) -> Self {
        cx.send(Message::Request(request.clone()), &hop);
        let reliable = hop.transport.reliable();
        let state = State::Trying {
            request,
            e: Repeat::begin(cx.now, cx.timers, Timer::E, reliable),
            f: cx.timers.deadline(cx.now, Timer::F, reliable),
        };
        Self { key, hop, state }
    }

    /// Takes a response that matches.
    pub fn handle_response(&mut self, cx: &mut Context<'_>, response: Response, from: Hop) {
        self.state = match (std::mem::replace(&mut self.state, State::Terminated), response.status) {
            // The running timer E is left as it is: T2 is for the next round.
            (State::Trying { request, e, f } | State::Proceeding { request, e, f }, ..200) => {
                self.deliver(cx, response, from);
                State::Proceeding { request, e, f }
            }
            (State::Trying { .. } | State::Proceeding { .. }, 200..) => {
                self.deliver(cx, response, from);
                State::Completed { k: cx.timers.deadline(cx.now, Timer::K, self.hop.transport.reliable()) }
            }
            (state @ (State::Completed { .. } | State::Terminated), _) => state,
        };
    }

    /// Ends without a word.
    pub fn abandon(&mut self) {
        self.state = State::Terminated;
    }

    fn deliver(&self, cx: &mut Context<'_>, response: Response, from: Hop) {
        cx.tell(TransactionEvent::Response { key: self.key.clone(), response, from });
    }
}

impl Machine for NonInviteClient {
    fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let (now, t2) = (cx.now, cx.timers.t2);
        self.state = match std::mem::replace(&mut self.state, State::Terminated) {
            State::Trying { f, .. } | State::Proceeding { f, .. } if f <= now => {
                cx.tell(TransactionEvent::TimedOut { key: self.key.clone() });
                State::Terminated
            }
            State::Trying { request, e: Some(e), f } if e.at <= now => {
                cx.send(Message::Request(request.clone()), &self.hop);
                State::Trying { request, e: Some(e.doubled_up_to(now, t2)), f }
            }
            State::Proceeding { request, e: Some(e), f } if e.at <= now => {
                cx.send(Message::Request(request.clone()), &self.hop);
                State::Proceeding { request, e: Some(Repeat::again(now, t2)), f }
            }
            State::Completed { k } if k <= now => State::Terminated,
            state @ (State::Trying { .. } | State::Proceeding { .. } | State::Completed { .. } | State::Terminated) => state,
        };
    }

    fn handle_transport_error(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::Trying { .. } | State::Proceeding { .. } => {
                cx.tell(TransactionEvent::TransportFailed { key: self.key.clone() });
                self.state = State::Terminated;
            }
            State::Completed { .. } | State::Terminated => {}
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Trying { e, f, .. } | State::Proceeding { e, f, .. } => Some(e.map_or(*f, |e| e.at.min(*f))),
            State::Completed { k } => Some(*k),
            State::Terminated => None,
        }
    }

    fn hop(&self) -> &Hop {
        &self.hop
    }

    fn state(&self) -> &'static str {
        match self.state {
            State::Trying { .. } => "Trying",
            State::Proceeding { .. } => "Proceeding",
            State::Completed { .. } => "Completed",
            State::Terminated => "Terminated",
        }
    }

    fn ended(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
