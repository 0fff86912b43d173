//! A name, and whichever of its addresses answers first (RFC 8305).

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use tokio::net::{TcpStream, lookup_host};

use crate::channel::client::race::{Attempt, Race};

/// How long one relay, or one address of a relay's name, is waited for before the next is called as well (RFC 8305 §5).
pub(super) const HEAD_START: Duration = Duration::from_millis(250);
/// Most addresses of a name that are called.
const MAX_ADDRESSES: usize = 16;

/// A connection to one of the addresses of a name, of both families in turn.
pub(super) async fn called(name: &str) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host(name).await?.take(MAX_ADDRESSES).collect();
    let attempts = in_turn(addresses).into_iter().map(|address| {
        let attempt: Attempt<TcpStream, io::Error> = Box::pin(TcpStream::connect(address));
        attempt
    });
    let failed = match Race::new(attempts, HEAD_START).first().await {
        Ok(stream) => return Ok(stream),
        Err(failed) => failed,
    };
    Err(failed.into_iter().next().unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "its name has no address")))
}

/// The first of the system's order first, then one of the other family, and so on (RFC 8305 §4).
pub(super) fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut one, mut other): (VecDeque<_>, VecDeque<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let mut turns = Vec::new();
    while !one.is_empty() || !other.is_empty() {
        turns.extend(one.pop_front());
        turns.extend(other.pop_front());
    }
    turns
}
