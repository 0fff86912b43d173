//! What terminals do with channels: `fshare send`, `fshare recv`. Prints nothing.
//!
//! | file | what | pure |
//! |---|---|---|
//! | `relay.rs` | a connection to a relay | no |
//! | `seat.rs` | entering a channel, joining with data connections | no |
//! | `sealed.rs` | letters under the seal of the two ends | yes |
//! | `outlet.rs`, `inlet.rs` | chunks out and in | no |
//! | `send/`, `recv/` | the two sides: how they come to know each other is one thing, what happens in the channel another | no |
//! | `fault.rs` | why a transfer came to nothing | yes |

mod fault;
mod inlet;
mod outlet;
mod recv;
mod relay;
mod sealed;
mod seat;
mod send;
#[cfg(test)]
mod tests;

pub use fault::ChannelError;
pub use inlet::InletError;
pub use outlet::{OutletError, Sent};
pub use recv::{Decide, Receiving, RecvEvent, receive};
pub use relay::{Connection, RelayError};
pub use sealed::SealedError;
pub use send::{Progress, Secret, SendEvent, Sending, send};
