//! Which of our addresses a peer is told.

use std::net::IpAddr;

/// Of our addresses, in order of preference, the one for a peer whose own is `remote`: one on loopback for a peer there where there is one,
/// one elsewhere for others, always of the peer's family.
pub fn address_near(addresses: &[IpAddr], remote: Option<IpAddr>) -> Option<IpAddr> {
    let remote = remote.map(|ip| ip.to_canonical());
    let family = |ip: &IpAddr| remote.is_none_or(|r| r.is_ipv6() == ip.is_ipv6());
    let near = |ip: &IpAddr| remote.is_none_or(|r| r.is_unspecified() || r.is_loopback() == ip.is_loopback());
    let mut of_family = addresses.iter().copied().filter(family);
    let first = of_family.clone().next();
    of_family.find(near).or(first)
}
