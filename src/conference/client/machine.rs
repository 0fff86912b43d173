//! What the client machines have in common.

use crate::sip::node::Node;

/// A [`Node`] that tells its owner something.
pub trait Machine: Node {
    /// What it tells.
    type Event;

    /// The next event. Asked until `None` after each `handle_*`.
    fn poll_event(&mut self) -> Option<Self::Event>;
}
