//! What terminals and the relay say to each other: bytes ⇄ values. Bounded, never panicking, no sockets, no clock.
//!
//! | file | what |
//! |---|---|
//! | [`frame`] | preface, types, the frame |
//! | `decoder` | frames out of a stream of bytes |
//! | `message` | every frame as a value: [`Message`] |
//! | [`address`] | where a relay is, and whether by TLS |
//! | [`request`] | what terminals ask |
//! | [`answer`] | what the relay tells |
//! | [`refusal`] | why it refuses, and why somebody is gone |
//! | [`proof`] | the channel key, and the proof of it |
//! | [`pass`] | what the sender hands over with its last letter of the exchange |
//! | [`letter`] | what sender and receiver say under seal |
//! | [`direct`] | what is said on a direct connection before its chunks |
//! | [`chunk`] | what stands before a chunk on a data connection |
//! | [`transfer`] | what two users say to each other by instant message |

pub mod address;
pub mod answer;
pub mod chunk;
mod decoder;
pub mod direct;
pub mod frame;
pub mod letter;
mod message;
pub mod pass;
pub mod proof;
pub mod refusal;
pub mod request;
pub mod transfer;

pub use decoder::{Decoder, FrameError, MAX_BUFFERED};
pub use frame::{Frame, Kind};
pub use message::{Echo, Message};
pub use proof::{ChannelKey, Proof, Role};
pub use refusal::{Reason, RefusalCode, Refused};
