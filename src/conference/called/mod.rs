//! What media servers and file servers have in common: each is a user agent that an application server calls, and no more.
//!
//! | file | what |
//! |---|---|
//! | `access` | who is let in |
//! | `address` | which of our addresses a peer is told |
//! | [`deadlines`] | when something is due, for many things at once |
//! | [`mod@run`] | the shell: the loop over transports, and the bell of the threads that do the work |

mod access;
mod address;
pub mod deadlines;
pub mod run;

pub use access::{Access, refuse};
pub use address::address_near;
