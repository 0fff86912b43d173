//! The server transaction of every other request: Figure 8 of RFC 3261 (§17.2.2), with RFC 6026 §8.8 for transport errors.

use std::time::Instant;

use super::{
    ServerKey, TransactionEvent,
    source::{fallback_hop, response_hop},
    table::{Context, Machine},
    timer::Timer,
};
use crate::sip::{
    hop::Hop,
    message::{Message, Response, Via},
};

/// One request that we received.
#[derive(Debug)]
pub(super) struct NonInviteServer {
    key: ServerKey,
    hop: Hop,
    /// Where else to send when the connection of the request is gone.
    fallback: Option<Hop>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Waits for the user; repetitions are swallowed.
    Trying,
    /// A 1xx was sent: repetitions get it again.
    Proceeding {
        provisional: Response,
    },
    /// A final response was sent: repetitions get it again until timer J.
    Completed {
        response: Response,
        j: Instant,
    },
    Terminated,
}

impl NonInviteServer {
    /// Takes a new request.
    pub fn begin(key: ServerKey, via: &Via, from: &Hop) -> Self {
        Self { key, hop: response_hop(via, from), fallback: fallback_hop(via, from), state: State::Trying }
    }

    /// The request came again.
    pub fn handle_repeated_request(&mut self, cx: &mut Context<'_>) {
        match &self.state {
            State::Proceeding { provisional: response } | State::Completed { response, .. } => {
                cx.send(Message::Response(response.clone()), &self.hop);
            }
            State::Trying | State::Terminated => {}
        }
    }

    /// The user answers.
    pub fn respond(&mut self, cx: &mut Context<'_>, response: Response) {
        self.state = match (std::mem::replace(&mut self.state, State::Terminated), response.status) {
            (State::Trying | State::Proceeding { .. }, ..200) => {
                cx.send(Message::Response(response.clone()), &self.hop);
                State::Proceeding { provisional: response }
            }
            (State::Trying | State::Proceeding { .. }, 200..) => {
                cx.send(Message::Response(response.clone()), &self.hop);
                State::Completed { response, j: cx.timers.deadline(cx.now, Timer::J, self.hop.transport.reliable()) }
            }
            (state @ (State::Completed { .. } | State::Terminated), _) => state,
        };
    }
}

impl Machine for NonInviteServer {
    fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::Completed { j, .. } if j <= cx.now => self.state = State::Terminated,
            State::Trying | State::Proceeding { .. } | State::Completed { .. } | State::Terminated => {}
        }
    }

    fn handle_transport_error(&mut self, cx: &mut Context<'_>) {
        let last = match &self.state {
            State::Trying => None,
            State::Proceeding { provisional: response } | State::Completed { response, .. } => Some(response),
            State::Terminated => return,
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
            State::Completed { j, .. } => Some(*j),
            State::Trying | State::Proceeding { .. } | State::Terminated => None,
        }
    }

    fn hop(&self) -> &Hop {
        &self.hop
    }

    fn state(&self) -> &'static str {
        match self.state {
            State::Trying => "Trying",
            State::Proceeding { .. } => "Proceeding",
            State::Completed { .. } => "Completed",
            State::Terminated => "Terminated",
        }
    }

    fn ended(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
