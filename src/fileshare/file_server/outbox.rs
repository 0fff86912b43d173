//! What waits to be told to the application server in one dialog: INFO after INFO, so that they arrive in order.

use std::collections::VecDeque;

use crate::{fileshare::wire::control::Body, sip::endpoint::Outgoing};

/// Most bodies that wait; the oldest goes first when there are more: a peer that answers no INFO for that long is about to be taken for dead.
pub(super) const MAX_WAITING: usize = 64;

/// One dialog's outbox. It opens when the dialog is confirmed.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    open: bool,
    waiting: VecDeque<Body>,
    in_flight: Option<Outgoing>,
}

impl Outbox {
    /// The dialog is confirmed.
    pub(super) fn open(&mut self) {
        self.open = true;
    }

    pub(super) fn push(&mut self, body: Body) {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(body);
    }

    /// The next body, when its turn has come; [`Self::sent`] must follow.
    pub(super) fn next(&mut self) -> Option<Body> {
        if self.open && self.in_flight.is_none() { self.waiting.pop_front() } else { None }
    }

    pub(super) fn sent(&mut self, outgoing: Outgoing) {
        self.in_flight = Some(outgoing);
    }

    /// The INFO that was sent last was answered.
    pub(super) fn answered(&mut self) {
        self.in_flight = None;
    }

    /// The INFO that waits for its answer.
    pub(super) fn in_flight(&self) -> Option<Outgoing> {
        self.in_flight
    }
}
