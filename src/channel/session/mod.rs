//! The sealed session of a sender and a receiver: what is offered, from where it goes on, how far it is, and how it ends. Neither socket, clock
//! nor disk: the shells of `client` bring letters and chunks and carry out what is said here.
//!
//! | file | what |
//! |---|---|
//! | `sender.rs` | the sender's side of one receiver |
//! | `group.rs` | and of several |
//! | `receiver.rs` | the receiver's side |
//! | `intake.rs` | the batch's stream out of its chunks |
//! | `order.rs` | chunks of several connections, put in order |

mod group;
mod intake;
mod order;
mod receiver;
mod sender;

pub use group::{Group, GroupAction, Parted};
pub use intake::{Intake, Landed};
pub use order::{Order, OrderError};
pub use receiver::{Receiver, ReceiverAction};
pub use sender::{Failure, Sender, SenderAction};

/// How far a sender is ahead of what the receiver has said it received, in bytes of the batch's stream. At the bound it waits.
pub const WINDOW: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests;
