//! Relay channels (CN101150595A): a batch of files from one terminal to another while it is being read, through a relay that stores nothing
//! and can read nothing. `docs/protocols/channel.md` is what is spoken.
//!
//! | file | what | pure |
//! |---|---|---|
//! | `id.rs` | channel numbers, nameplates, places, seats | yes |
//! | [`agreement`] | the keys of two users with accounts: offer, acceptance, channel | yes |
//! | [`attempt`] | when a transfer that broke is tried again | yes |
//! | [`code`] | what a sender reads out and a receiver types | yes |
//! | [`handover`] | the pass under seal, from the sender to a receiver | yes |
//! | [`identity`] | who a client is to others, and whom it knows | yes |
//! | [`invite`] | how two users come to a channel by instant messages | yes |
//! | [`keys`] | the keys of the two ends, and what each is made from | yes |
//! | [`pake`] | from a code or a resume secret to a key of the two | yes |
//! | `pinned.rs` | files of pinned lines, with the remarks of people | yes |
//! | [`realm`] | which realm a server named at first | yes |
//! | [`relay`] | the relay's machine: who gets a channel, who may enter it, who hears what | yes |
//! | [`session`] | the sealed session of a sender and a receiver | yes |
//! | [`terminal`] | a terminal that offers to other users, or takes their offers | yes |
//! | [`wire`] | what terminals and the relay say to each other | yes |
//! | `link.rs` | the socket between the two, plain or by TLS | no |
//! | [`server`] | the relay as it runs: sockets, copying | no |
//! | [`client`] | what terminals do: send, receive | no |

pub mod agreement;
pub mod attempt;
pub mod client;
pub mod code;
pub mod handover;
mod id;
pub mod identity;
pub mod invite;
pub mod keys;
mod link;
pub mod pake;
mod pinned;
pub mod realm;
pub mod relay;
pub mod server;
pub mod session;
pub mod terminal;
pub mod wire;

pub use code::{Code, CodeError};
pub use id::{ChannelNumber, IdError, MAX_NAMEPLATE, Nameplate, PLACE_LEN, Peer, Place};
