//! The direct way: one end calls the other, and chunks need no relay. The receiver calls first; where it does not get through at once, the sender
//! calls it, too. `docs/protocols/channel.md`, "Direct connections".
//!
//! | file | what | pure |
//! |---|---|---|
//! | `addresses.rs` | which addresses are named, and in which order they are tried | yes |
//! | `interfaces.rs` | the addresses of this machine | no |
//! | `listener.rs` | who is called: a port for one attempt | no |
//! | `dialler.rs` | who calls: all addresses within a second | no |
//!
//! Both ends prove that they have the pairwise key, over a challenge of each: so nobody else gets chunks, and nobody else's chunks are waited for.
//! Nothing of this touches what the relay sees: addresses travel in the sealed pass, and in a sealed letter.

mod addresses;
mod dialler;
mod interfaces;
mod listener;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, sleep_until};

pub use self::dialler::Unreached;
pub(super) use self::{
    dialler::Dialling,
    listener::{Opening, Serving},
};
use super::fault::ChannelError;
use crate::clock;

/// How long the reason may take by the relay, once a data connection broke.
const REASON: Duration = Duration::from_millis(500);

/// By which ways the bytes of a batch may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ways {
    /// Directly where the two can reach each other, else through the relay.
    #[default]
    Any,
    /// Through the relay: the other end learns no address of ours.
    RelayOnly,
    /// Directly, or not at all.
    DirectOnly,
}

impl Ways {
    /// Whether they may go directly.
    pub fn may_be_direct(self) -> bool {
        self != Self::RelayOnly
    }

    /// Whether they may go through the relay.
    pub fn may_be_relayed(self) -> bool {
        self != Self::DirectOnly
    }
}

/// An address that was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Where.
    pub address: SocketAddr,
    /// Why it was of no use.
    pub why: String,
}

/// A data connection broke. That may be all there is, or the other end has gone: then the relay says so within a moment, with the reason.
pub(super) fn soon(error: ChannelError) -> (Instant, ChannelError) {
    (Instant::from_std(clock::now()) + REASON, error)
}

/// When that moment is over, what broke; never where nothing did.
pub(super) async fn over(broken: &mut Option<(Instant, ChannelError)>) -> ChannelError {
    match broken {
        Some((until, _)) => sleep_until(*until).await,
        None => std::future::pending().await,
    }
    broken.take().map_or(ChannelError::Stopped, |(_, error)| error)
}
