//! What terminals and the relay say to each other: bytes ⇄ values. Bounded, never panicking, no sockets, no clock.
//!
//! | file | what |
//! |---|---|
//! | [`proof`] | the channel key, and the proof of it |

pub mod proof;

pub use proof::{ChannelKey, Proof, Role};
