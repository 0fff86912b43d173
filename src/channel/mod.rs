//! Relay channels (CN101150595A): a batch of files from one terminal to another while it is being read, through a relay that stores nothing
//! and can read nothing. `docs/protocols/channel.md` is what is spoken.

mod id;
pub mod session;
pub mod wire;

pub use id::{ChannelNumber, IdError, MAX_NAMEPLATE, Nameplate, PLACE_LEN, Peer, Place};
