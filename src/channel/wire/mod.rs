//! What terminals and the relay say to each other: bytes ⇄ values. Bounded, never panicking, no sockets, no clock.
//!
//! | file | what |
//! |---|---|
//! | [`proof`] | the channel key, and the proof of it |
//! | [`letter`] | what sender and receiver say under seal |
//! | [`chunk`] | what stands before a chunk on a data connection |

pub mod chunk;
pub mod letter;
pub mod proof;

pub use proof::{ChannelKey, Proof, Role};
