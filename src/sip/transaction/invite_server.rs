//! The INVITE server transaction: Figure 7 of RFC 6026 (RFC 3261 §17.2.1).

use std::time::Instant;

use super::{
    ServerKey, TransactionEvent, key,
    source::{fallback_hop, response_hop},
    table::{Context, Machine},
    timer::{Repeat, Timer},
};
use crate::sip::{
    hop::Hop,
    message::{Message, Request, Response, Via},
};

/// One INVITE that we received.
#[derive(Debug)]
pub(super) struct InviteServer {
    key: ServerKey,
    hop: Hop,
    /// Where else to send when the connection of the request is gone.
    fallback: Option<Hop>,
    /// The To tag of our final response, which tells an ACK by RFC 2543's rules.
    answer_tag: Option<String>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Waits for the user.
    Proceeding(Provisional),
    /// A 300–699 was sent: timer G repeats it, timer H gives up.
    Completed {
        response: Response,
        g: Option<Repeat>,
        h: Instant,
        insistent: bool,
    },
    /// The ACK came: its repetitions are swallowed until timer I.
    Confirmed {
        i: Instant,
    },
    /// A 2xx was sent: the user repeats it and gets its ACK, until timer L (RFC 6026 §8.7).
    Accepted {
        l: Instant,
    },
    Terminated,
}

#[derive(Debug)]
enum Provisional {
    /// None yet; a 100 goes out when the user stays silent.
    Due { trying: Response, at: Instant },
    /// The newest one sent.
    Sent(Response),
}

impl InviteServer {
    /// Takes a new INVITE, its source stamped.
    pub fn begin(cx: &Context<'_>, key: ServerKey, invite: &Request, via: &Via, from: &Hop) -> Self {
        let trying = invite.response(100, "");
        let at = cx.timers.deadline(cx.now, Timer::Trying, from.transport.reliable());
        Self {
            key,
            hop: response_hop(via, from),
            fallback: fallback_hop(via, from),
            answer_tag: None,
            state: State::Proceeding(Provisional::Due { trying, at }),
        }
    }

    /// The INVITE came again.
    pub fn handle_repeated_request(&mut self, cx: &mut Context<'_>) {
        match &self.state {
            State::Proceeding(Provisional::Sent(response)) | State::Completed { response, .. } => {
                cx.send(Message::Response(response.clone()), &self.hop);
            }
            State::Proceeding(Provisional::Due { .. }) | State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => {}
        }
    }

    /// An ACK that matches. True when the user shall have it.
    pub fn handle_ack(&mut self, cx: &Context<'_>) -> bool {
        match self.state {
            State::Completed { .. } => {
                self.state = State::Confirmed { i: cx.timers.deadline(cx.now, Timer::I, self.hop.transport.reliable()) };
                false
            }
            State::Accepted { .. } => true,
            State::Proceeding(_) | State::Confirmed { .. } | State::Terminated => false,
        }
    }

    /// The user answers; `insistent` says whether timer G repeats a 300–699 and whether anybody wants to know of a missing ACK.
    pub fn respond(&mut self, cx: &mut Context<'_>, response: Response, insistent: bool) {
        let reliable = self.hop.transport.reliable();
        self.state = match (std::mem::replace(&mut self.state, State::Terminated), response.status) {
            (State::Proceeding(_), ..200) => {
                cx.send(Message::Response(response.clone()), &self.hop);
                State::Proceeding(Provisional::Sent(response))
            }
            (State::Proceeding(_), 200..300) => {
                self.answer_tag = response.to().as_ref().and_then(key::tag);
                cx.send(Message::Response(response), &self.hop);
                State::Accepted { l: cx.timers.deadline(cx.now, Timer::L, reliable) }
            }
            (State::Proceeding(_), 300..) => {
                self.answer_tag = response.to().as_ref().and_then(key::tag);
                cx.send(Message::Response(response.clone()), &self.hop);
                let g = if insistent { Repeat::begin(cx.now, cx.timers, Timer::G, reliable) } else { None };
                State::Completed { response, g, h: cx.timers.deadline(cx.now, Timer::H, reliable), insistent }
            }
            (State::Accepted { l }, 200..300) => {
                cx.send(Message::Response(response), &self.hop);
                State::Accepted { l }
            }
            (state @ State::Accepted { .. }, ..200 | 300..)
            | (state @ (State::Completed { .. } | State::Confirmed { .. } | State::Terminated), _) => state,
        };
    }

    /// The To tag of our final response, once there is one.
    pub fn answer_tag(&self) -> Option<&str> {
        self.answer_tag.as_deref()
    }
}

impl Machine for InviteServer {
    fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let (now, t2) = (cx.now, cx.timers.t2);
        self.state = match std::mem::replace(&mut self.state, State::Terminated) {
            State::Proceeding(Provisional::Due { trying, at }) if at <= now => {
                cx.send(Message::Response(trying.clone()), &self.hop);
                State::Proceeding(Provisional::Sent(trying))
            }
            State::Completed { h, insistent, .. } if h <= now => {
                if insistent {
                    cx.tell(TransactionEvent::NoAck { key: self.key.clone() });
                }
                State::Terminated
            }
            State::Completed { response, g: Some(g), h, insistent } if g.at <= now => {
                cx.send(Message::Response(response.clone()), &self.hop);
                State::Completed { response, g: Some(g.doubled_up_to(now, t2)), h, insistent }
            }
            State::Confirmed { i: end } | State::Accepted { l: end } if end <= now => State::Terminated,
            state @ (State::Proceeding(_)
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Accepted { .. }
            | State::Terminated) => state,
        };
    }

    /// §17.2.4 as RFC 6026 §8.8 has it: try the other way, else say so and stay.
    fn handle_transport_error(&mut self, cx: &mut Context<'_>) {
        let last = match &self.state {
            State::Proceeding(Provisional::Sent(response)) | State::Completed { response, .. } => Some(response),
            State::Proceeding(Provisional::Due { .. }) | State::Accepted { .. } => None,
            State::Confirmed { .. } | State::Terminated => return,
        };
        let Some(other) = self.fallback.take() else {
            cx.tell(TransactionEvent::ResponseFailed { key: self.key.clone() });
            return;
        };
        self.hop = other;
        if let Some(response) = last {
            cx.send(Message::Response(response.clone()), &self.hop);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Proceeding(Provisional::Due { at, .. }) => Some(*at),
            State::Completed { g, h, .. } => Some(g.map_or(*h, |g| g.at.min(*h))),
            State::Confirmed { i: end } | State::Accepted { l: end } => Some(*end),
            State::Proceeding(Provisional::Sent(_)) | State::Terminated => None,
        }
    }

    fn hop(&self) -> &Hop {
        &self.hop
    }

    fn state(&self) -> &'static str {
        match self.state {
            State::Proceeding(_) => "Proceeding",
            State::Completed { .. } => "Completed",
            State::Confirmed { .. } => "Confirmed",
            State::Accepted { .. } => "Accepted",
            State::Terminated => "Terminated",
        }
    }

    fn ended(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
