//! The application server (AS): registrar, instant messages and conference focus behind one door.
//!
//! | file | what |
//! |---|---|
//! | `config.rs` | settings, and which hosts are ours |
//! | `door.rs` | who sends a request: digest, guests, back-off |
//! | `gateway.rs` | gateways: who is let in by address, and the way out |
//! | `offers.rs` | clients that drop a challenge which they do not know |
//! | `receive.rs` | new requests, to whom they belong |
//! | `register.rs` | REGISTER, answered when the store has it |
//! | `message.rs` | MESSAGE from user to user (RFC 3428) |
//! | `users.rs` | whom a URI or a name means, and where to call |
//! | `node.rs` | the whole as one machine that the network drives |
//! | `run.rs` | the shell: transports, store, clock |
//!
//! All but `run.rs` is pure. Out of scope: media (the media server's), and calls from user to user: the AS is a focus, not a
//! proxy.

mod config;
mod door;
mod gateway;
mod message;
mod node;
mod offers;
mod receive;
mod register;
mod run;
mod users;

pub use config::{OurHosts, ServerConfig};
pub use gateway::{Gateway, GatewayError, Gateways, Network, Pattern, Route, Way};
pub use node::{ApplicationServer, Command, Effect, Figures, Report};
pub use run::{Kept, Running, load, run};
pub use users::hop_of;
