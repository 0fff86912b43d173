//! The addresses of this machine, as the system has them.

use std::net::IpAddr;

use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags, sys::socket::SockaddrStorage};

use super::addresses::Interface;

/// Those of interfaces that are up. None where the system does not tell: then nothing goes directly.
pub(super) fn own() -> Vec<Interface> {
    let Ok(all) = getifaddrs() else { return Vec::new() };
    all.filter(|one| one.flags.contains(InterfaceFlags::IFF_UP))
        .filter_map(|one| {
            let ip = ip(one.address.as_ref()?)?;
            let prefix = one.netmask.as_ref().and_then(self::ip).map_or(u8::MAX, bits);
            Some(Interface { name: one.interface_name, ip, prefix })
        })
        .collect()
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => Some(IpAddr::V4(v4.ip())),
        (None, Some(v6)) => Some(IpAddr::V6(v6.ip())),
        (None, None) => None,
    }
}

/// How many bits a mask has in front: at most 128.
fn bits(mask: IpAddr) -> u8 {
    let ones = match mask {
        IpAddr::V4(mask) => mask.to_bits().leading_ones(),
        IpAddr::V6(mask) => mask.to_bits().leading_ones(),
    };
    u8::try_from(ones).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_loopback_with_the_network_of_loopback() {
        let own = own();
        let loopback = own.iter().find(|one| one.ip == IpAddr::from([127, 0, 0, 1])).expect("a loopback");
        assert_eq!(loopback.prefix, 8, "{own:?}");
    }
}
