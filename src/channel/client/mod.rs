//! What terminals do with channels: `fshare send`, `fshare recv`. Prints nothing.
//!
//! | file | what | pure |
//! |---|---|---|
//! | `relay.rs` | a connection to a relay | no |
//! | `proxy.rs` | a proxy before it | no |
//! | `seat.rs` | entering a channel, joining with data connections | no |
//! | `identities.rs` | the files of the own identities, and of those that are known | no |
//! | `rendezvous.rs` | a channel that was agreed on with another user, until it is entered | no |
//! | `sealed.rs` | letters under the seal of the two ends | yes |
//! | `outlet.rs`, `inlet.rs`, `cut.rs` | chunks out and in, on threads | no |
//! | `send/`, `recv/` | the two sides: how they come to know each other is one thing, what happens in the channel another | no |
//! | `direct/` | the way without a relay | partly |
//! | `race.rs` | several attempts, each with a head start | no |
//! | `again.rs` | what both keep to go on after a break | no |
//! | `call_off.rs` | that what was broken off is given up | no |
//! | `fault.rs` | why a transfer came to nothing | yes |

mod again;
mod call_off;
mod cut;
mod direct;
mod fault;
mod identities;
mod inlet;
mod outlet;
mod proxy;
mod race;
mod recv;
mod relay;
mod rendezvous;
mod sealed;
mod seat;
mod send;
#[cfg(test)]
mod tests;

pub use again::Resume;
pub use call_off::call_off;
pub use direct::{Tried, Unreached, Ways};
pub use fault::ChannelError;
pub use identities::{Identities, IdentityError};
pub use inlet::InletError;
pub use outlet::{OutletError, Sent, chunk_of};
pub use proxy::{Proxies, ProxyError, ProxyUrl, ProxyUrlError};
pub use recv::{Decide, No, Receiving, RecvEvent, Way, receive};
pub use relay::{Connection, Distrust, RelayError, Relays};
pub use rendezvous::{Rendezvous, Vouch, apply, grant};
pub use sealed::SealedError;
pub use send::{Fared, Progress, Secret, SendEvent, Sending, send};
