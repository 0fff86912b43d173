//! The file server (FS): a SIP user agent that keeps data conferences, reached by `sip:conf=<ConfId>@fs`, and the ports where their bytes
//! come in and go out. Steps S402–S405, S408–S409, S412, S601–S605, S701–S705, S802, S808, seen from the FS; claims 6, 7, 13.
//!
//! | file | what |
//! |---|---|
//! | [`node`] | the whole as a machine: user agent, dialogs, data plane |
//! | `invite` | S402, S408: what an INVITE asks for; re-INVITE: reconnecting, port 0 |
//! | `info` | XML requests in a dialog |
//! | `ending` | how members leave, how a data conference ends, what becomes due |
//! | `share`, `session` | what is kept of a data conference (the conference list), and of a dialog |
//! | [`admission`] | who may connect: address, port and key, decided without a socket |
//! | [`space`] | who holds how much of the disk, decided without one |
//! | [`plane`] | the trait between signalling and bytes |
//! | [`simulated`] | a plane without sockets, for ladders and simulations |
//! | [`engine`] | the real plane: listening sockets, TLS, packets, the store |
//! | [`server`] | runs it |

pub mod admission;
mod config;
mod ending;
pub mod engine;
mod info;
mod invite;
pub mod node;
pub mod plane;
pub mod server;
mod session;
mod share;
pub mod simulated;
pub mod space;

#[cfg(test)]
mod tests;

pub use config::{FileServerConfig, Gauges, Limits};
pub use node::{Command, FileServer};
