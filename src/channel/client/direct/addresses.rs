//! Which addresses an end names, and in which order the other tries them. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::channel::wire::pass::MAX_DIRECT;

/// Lowest port that is called: either end listens on one of the system's. So nobody who knows a code can have the other knock at well-known doors.
const LOWEST_PORT: u16 = 1024;

/// Beginnings of names of interfaces behind which there are only containers and virtual machines of the same host.
const VIRTUAL: &[&str] = &["docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "cni", "flannel", "cali", "lxc", "lxd", "podman"];

/// An address of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The interface's name: `eth0`.
    pub name: String,
    /// The address.
    pub ip: IpAddr,
    /// So many of its bits are those of its network.
    pub prefix: u8,
}

/// The addresses that an end names, the best first, at most [`MAX_DIRECT`]. `via` is the one by which it reaches the relay; `here` says that
/// the relay is reached by this machine alone, and so whoever comes is on it.
///
/// Not named are addresses of IPv6 that hold for one link, as they say nothing without the name of an interface at the other end.
pub fn named(own: &[Interface], via: Option<IpAddr>, here: bool) -> Vec<IpAddr> {
    let mut named: Vec<(u8, IpAddr)> = Vec::new();
    for interface in own {
        let ip = interface.ip.to_canonical();
        let rank = match ip {
            _ if ip.is_loopback() != here || ip.is_unspecified() || ip.is_multicast() || of_one_link(ip) => continue,
            _ if Some(ip) == via => 0,
            _ if VIRTUAL.iter().any(|name| interface.name.starts_with(name)) => 3,
            IpAddr::V4(v4) if v4.is_link_local() => 2,
            _ => 1,
        };
        if named.iter().all(|(_, known)| *known != ip) {
            named.push((rank, ip));
        }
    }
    named.sort_by_key(|(rank, _)| *rank);
    named.into_iter().map(|(_, ip)| ip).take(MAX_DIRECT).collect()
}

/// In which order an end with these interfaces tries what the other has named: the same host, the same network, the others.
///
/// Left out is what cannot lead to the other end, or would lead elsewhere: addresses that name nobody or many; loopback, where it names
/// addresses of other machines, which it does unless `here`: we reach the relay by loopback ourselves, and so does whoever else reaches it; addresses of one link where we are on no such link; ports below 1,024.
pub fn order(offered: &[SocketAddr], own: &[Interface], here: bool) -> Vec<SocketAddr> {
    let ours = |ip: IpAddr| own.iter().any(|interface| interface.ip.to_canonical() == ip);
    let beside = |ip: IpAddr| own.iter().any(|interface| !interface.ip.is_loopback() && interface.holds(ip));
    let mut order: Vec<(u8, SocketAddr)> = Vec::new();
    for address in offered {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let ip = address.ip();
        let nobody = ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) || of_one_link(ip);
        let on_a_link = matches!(ip, IpAddr::V4(v4) if v4.is_link_local());
        let rank = match ip {
            _ if nobody || address.port() < LOWEST_PORT => continue,
            _ if ip.is_loopback() && !here => continue,
            _ if ip.is_loopback() || ours(ip) => 0,
            _ if beside(ip) => 1,
            _ if on_a_link => continue,
            _ => 2,
        };
        if order.iter().all(|(_, known)| *known != address) {
            order.push((rank, address));
        }
    }
    order.sort_by_key(|(rank, _)| *rank);
    order.into_iter().map(|(_, address)| address).take(MAX_DIRECT).collect()
}

impl Interface {
    /// Whether an address is of its network.
    fn holds(&self, ip: IpAddr) -> bool {
        match (self.ip, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(self.prefix.into())).unwrap_or(0);
                (own.to_bits() ^ ip.to_bits()) & mask == 0
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(self.prefix.into())).unwrap_or(0);
                (own.to_bits() ^ ip.to_bits()) & mask == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether it takes the name of an interface to mean anything.
fn of_one_link(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if Ipv6Addr::is_unicast_link_local(&v6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(list: &[(&str, &str)]) -> Vec<Interface> {
        let read = |(name, net): &(&str, &str)| {
            let (ip, prefix) = net.split_once('/').expect("a network");
            Interface { name: (*name).to_owned(), ip: ip.parse().expect("an address"), prefix: prefix.parse().expect("bits") }
        };
        list.iter().map(read).collect()
    }

    fn joined(list: &[impl ToString]) -> String {
        list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_sender_names_what_others_may_reach_the_likeliest_first() {
        let all = [
            ("lo", "127.0.0.1/8"),
            ("lo", "::1/128"),
            ("docker0", "172.17.0.1/16"),
            ("eth0", "192.168.1.5/24"),
            ("eth0", "fe80::5/64"),
            ("eth0", "2001:db8::5/64"),
            ("eth0", "2001:db8::5/64"),
            ("usb0", "169.254.3.4/16"),
            ("wg0", "10.9.0.2/32"),
        ];
        for (what, own_list, via, here, expected) in [
            ("in their order", &all[..], None, false, "192.168.1.5 2001:db8::5 10.9.0.2 169.254.3.4 172.17.0.1"),
            ("the relay's first", &all, Some("10.9.0.2"), false, "10.9.0.2 192.168.1.5 2001:db8::5 169.254.3.4 172.17.0.1"),
            ("though it is virtual", &all, Some("172.17.0.1"), false, "172.17.0.1 192.168.1.5 2001:db8::5 10.9.0.2 169.254.3.4"),
            ("a relay on this machine", &all, Some("127.0.0.1"), true, "127.0.0.1 ::1"),
            ("no network", &all[..2], None, false, ""),
            ("nothing", &[], None, true, ""),
        ] {
            assert_eq!(joined(&named(&own(own_list), via.map(|ip| ip.parse().expect("an address")), here)), expected, "{what}");
        }
        let many: Vec<Interface> = (0..40).flat_map(|at| own(&[("eth0", &format!("10.0.0.{at}/8"))])).collect();
        assert_eq!(named(&many, None, false).len(), MAX_DIRECT);
    }

    #[test]
    fn a_receiver_tries_its_own_host_first_then_its_networks_then_the_others() {
        let home = [("lo", "127.0.0.1/8"), ("eth0", "192.168.1.9/24"), ("eth0", "2001:db8:1::9/64"), ("docker0", "172.17.0.1/16")];
        for (what, here, own_list, offered, expected) in [
            ("a neighbour", false, &home[..], "203.0.113.7:4000 192.168.1.5:4000", "192.168.1.5:4000 203.0.113.7:4000"),
            ("by IPv6", false, &home, "10.0.0.5:4000 [2001:db8:1::5]:4000", "[2001:db8:1::5]:4000 10.0.0.5:4000"),
            ("far away", false, &home, "192.168.2.5:4000 [2001:db8:2::5]:4000", "192.168.2.5:4000 [2001:db8:2::5]:4000"),
            ("ourselves", true, &home, "10.0.0.5:4000 192.168.1.9:4000 127.0.0.1:4000", "192.168.1.9:4000 127.0.0.1:4000 10.0.0.5:4000"),
            ("loopback alone", true, &home, "127.0.0.1:4000 [::1]:4000", "127.0.0.1:4000 [::1]:4000"),
            ("loopback alone, though the relay is elsewhere", false, &home, "127.0.0.1:4000 [::1]:4000", ""),
            ("ourselves, and a door of ours", false, &home, "172.17.0.1:4000 127.0.0.1:6379", "172.17.0.1:4000"),
            ("another's loopback", false, &home, "192.168.1.5:4000 127.0.0.1:4000", "192.168.1.5:4000"),
            ("one link, not ours", false, &home, "169.254.3.4:4000 [fe80::5]:4000 10.0.0.5:4000", "10.0.0.5:4000"),
            ("one link, ours", false, &[("usb0", "169.254.9.9/16")], "169.254.3.4:4000", "169.254.3.4:4000"),
            ("nobody", false, &home, "0.0.0.0:4000 [::]:4000 224.0.0.1:4000 255.255.255.255:4000 [ff02::1]:4000", ""),
            ("doors that are none of ours", false, &home, "192.168.1.5:22 192.168.1.5:0", ""),
            ("twice, and in disguise", false, &home, "192.168.1.5:4000 [::ffff:192.168.1.5]:4000", "192.168.1.5:4000"),
            ("no network of our own", false, &[], "203.0.113.7:4000", "203.0.113.7:4000"),
            ("nothing", false, &home, "", ""),
        ] {
            let offered: Vec<SocketAddr> = offered.split_whitespace().map(|address| address.parse().expect("an address")).collect();
            assert_eq!(joined(&order(&offered, &own(own_list), here)), expected, "{what}");
        }
    }

    #[test]
    fn a_network_is_told_by_its_bits() {
        for (net, ip, holds) in [
            ("192.168.1.9/24", "192.168.1.200", true),
            ("192.168.1.9/24", "192.168.2.9", false),
            ("192.168.1.9/32", "192.168.1.9", true),
            ("192.168.1.9/32", "192.168.1.8", false),
            ("192.168.1.9/0", "10.0.0.1", true),
            ("2001:db8::1/64", "2001:db8::ffff", true),
            ("2001:db8::1/64", "2001:db8:0:1::1", false),
            ("2001:db8::1/0", "::1", true),
            ("192.168.1.9/24", "::ffff:192.168.1.9", false),
            ("192.168.1.9/99", "192.168.1.9", true),
        ] {
            assert_eq!(own(&[("eth0", net)])[0].holds(ip.parse().expect("an address")), holds, "{net} {ip}");
        }
    }
}
