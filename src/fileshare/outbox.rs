//! What waits to be told in one dialog: INFO after INFO, so that they arrive in order.

use std::collections::VecDeque;

use crate::{fileshare::wire::control::Body, sip::endpoint::Outgoing};

/// Most bodies that wait; the oldest goes first when there are more: a peer that answers no INFO for that long is about to be taken for dead.
pub(in crate::fileshare) const MAX_WAITING: usize = 64;

/// One dialog's outbox. It opens when the dialog is confirmed.
#[derive(Debug, Default)]
pub(in crate::fileshare) struct Outbox {
    open: bool,
    waiting: VecDeque<Body>,
    in_flight: Option<Outgoing>,
}

impl Outbox {
    /// The dialog is confirmed.
    pub(in crate::fileshare) fn open(&mut self) {
        self.open = true;
    }

    pub(in crate::fileshare) fn push(&mut self, body: Body) {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(body);
    }

    /// The next body, when its turn has come; [`Self::sent`] must follow.
    pub(in crate::fileshare) fn next(&mut self) -> Option<Body> {
        if self.open && self.in_flight.is_none() { self.waiting.pop_front() } else { None }
    }

    pub(in crate::fileshare) fn sent(&mut self, outgoing: Outgoing) {
        self.in_flight = Some(outgoing);
    }

    /// The INFO that was sent last was answered.
    pub(in crate::fileshare) fn answered(&mut self) {
        self.in_flight = None;
    }

    /// The INFO that waits for its answer.
    pub(in crate::fileshare) fn in_flight(&self) -> Option<Outgoing> {
        self.in_flight
    }
}
