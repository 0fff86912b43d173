//! The INVITE client transaction: Figure 5 of RFC 6026 (RFC 3261 §17.1.1).

use std::time::Instant;

use super::{
    ClientKey, TransactionEvent,
    table::{Context, Machine},
    timer::{Repeat, Timer},
};
use crate::sip::{
    hop::Hop,
    message::{CSeq, Headers, Message, Method, Request, Response},
};

/// One INVITE that we sent.
#[derive(Debug)]
pub(super) struct InviteClient {
    key: ClientKey,
    hop: Hop,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Sent, nothing heard: timer A repeats it, timer B gives up.
    Calling {
        invite: Request,
        a: Option<Repeat>,
        b: Instant,
    },
    /// A 1xx came: no timer runs, the user decides how long it waits.
    Proceeding {
        invite: Request,
    },
    /// A 300–699 came: every repetition gets the ACK again until timer D.
    Completed {
        ack: Request,
        d: Instant,
    },
    /// A 2xx came: every further one goes up until timer M (RFC 6026 §7.2).
    Accepted {
        m: Instant,
    },
    Terminated,
}

impl InviteClient {
    /// Sends the INVITE.
    pub fn begin(cx: &mut Context<'_>, key: ClientKey, invite: Request, hop: Hop) -> Self {
        cx.send(Message::Request(invite.clone()), &hop);
        let reliable = hop.transport.reliable();
        let state = State::Calling {
            invite,
            a: Repeat::begin(cx.now, cx.timers, Timer::A, reliable),
            b: cx.timers.deadline(cx.now, Timer::B, reliable),
        };
        Self { key, hop, state }
    }

    /// Takes a response that matches.
    pub fn handle_response(&mut self, cx: &mut Context<'_>, response: Response, from: Hop) {
        let reliable = self.hop.transport.reliable();
        self.state = match (std::mem::replace(&mut self.state, State::Terminated), response.status) {
            (State::Calling { invite, .. } | State::Proceeding { invite }, ..200) => {
                self.deliver(cx, response, from);
                State::Proceeding { invite }
            }
            (State::Calling { .. } | State::Proceeding { .. }, 200..300) => {
                self.deliver(cx, response, from);
                State::Accepted { m: cx.timers.deadline(cx.now, Timer::M, reliable) }
            }
            (State::Calling { invite, .. } | State::Proceeding { invite }, 300..) => {
                let ack = ack(&invite, &response);
                cx.send(Message::Request(ack.clone()), &self.hop);
                self.deliver(cx, response, from);
                State::Completed { ack, d: cx.timers.deadline(cx.now, Timer::D, reliable) }
            }
            (State::Completed { ack, d }, 300..) => {
                cx.send(Message::Request(ack.clone()), &self.hop);
                State::Completed { ack, d }
            }
            (State::Accepted { m }, 200..300) => {
                self.deliver(cx, response, from);
                State::Accepted { m }
            }
            (state @ State::Completed { .. }, ..300) | (state @ State::Accepted { .. }, ..200 | 300..) | (state @ State::Terminated, _) => {
                state
            }
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

impl Machine for InviteClient {
    fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        self.state = match std::mem::replace(&mut self.state, State::Terminated) {
            State::Calling { b, .. } if b <= now => {
                cx.tell(TransactionEvent::TimedOut { key: self.key.clone() });
                State::Terminated
            }
            State::Calling { invite, a: Some(a), b } if a.at <= now => {
                cx.send(Message::Request(invite.clone()), &self.hop);
                State::Calling { invite, a: Some(a.doubled(now)), b }
            }
            State::Completed { d: end, .. } | State::Accepted { m: end } if end <= now => State::Terminated,
            state @ (State::Calling { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated) => state,
        };
    }

    /// §17.1.4, for the states that Figure 5 names: those in which the machine itself sends. While the peer rings, and after it has
    /// accepted, a lost connection is no reason to end: its response may come by another one.
    fn handle_transport_error(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::Calling { .. } | State::Completed { .. } => {
                cx.tell(TransactionEvent::TransportFailed { key: self.key.clone() });
                self.state = State::Terminated;
            }
            State::Proceeding { .. } | State::Accepted { .. } | State::Terminated => {}
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Calling { a, b, .. } => Some(a.map_or(*b, |a| a.at.min(*b))),
            State::Completed { d: end, .. } | State::Accepted { m: end } => Some(*end),
            State::Proceeding { .. } | State::Terminated => None,
        }
    }

    fn hop(&self) -> &Hop {
        &self.hop
    }

    fn state(&self) -> &'static str {
        match self.state {
            State::Calling { .. } => "Calling",
            State::Proceeding { .. } => "Proceeding",
            State::Completed { .. } => "Completed",
            State::Accepted { .. } => "Accepted",
            State::Terminated => "Terminated",
        }
    }

    fn ended(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}

/// The ACK to a 300–699 (§17.1.1.3).
fn ack(invite: &Request, response: &Response) -> Request {
    let mut headers = Headers::new();
    if let Some(via) = invite.headers.get("Via") {
        headers.push("Via", via);
    }
    headers.push("Max-Forwards", invite.headers.get("Max-Forwards").unwrap_or("70"));
    for route in invite.headers.all("Route") {
        headers.push("Route", route);
    }
    for (name, value) in [
        ("From", invite.headers.get("From")),
        ("To", response.headers.get("To").or(invite.headers.get("To"))),
        ("Call-ID", invite.headers.get("Call-ID")),
    ] {
        headers.push(name, value.unwrap_or_default());
    }
    let seq = invite.cseq().map_or(0, |cseq| cseq.seq);
    headers.push("CSeq", CSeq { seq, method: Method::Ack }.to_string());
    Request { method: Method::Ack, uri: invite.uri.clone(), headers, body: bytes::Bytes::new() }
}
