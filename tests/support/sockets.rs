//! The sockets of a process, as the system tells them.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
};

/// The sockets of a process, in the order of their descriptors; of TCP those in a state of `/proc/net/tcp`. Those on loopback alone come before
/// those on every address.
pub fn sockets(pid: u32, protocol: &str, state: Option<&str>) -> Vec<SocketAddr> {
    let table = fs::read_to_string(format!("/proc/{pid}/net/{protocol}")).expect("a table");
    let of_inode = |inode: &str| {
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            (fields.get(9) == Some(&inode) && state.is_none_or(|state| fields[3] == state)).then(|| {
                let (ip, port) = fields[1].split_once(':').expect("an address");
                let ip = u32::from_str_radix(ip, 16).expect("an address").swap_bytes();
                SocketAddr::from((Ipv4Addr::from(ip), u16::from_str_radix(port, 16).expect("a port")))
            })
        })
    };
    let mut descriptors: Vec<(u32, String)> = fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("descriptors")
        .filter_map(Result::ok)
        .filter_map(|fd| {
            let target = fs::read_link(fd.path()).ok()?.to_string_lossy().into_owned();
            let inode = target.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
            Some((fd.file_name().to_str()?.parse().ok()?, inode))
        })
        .collect();
    descriptors.sort_unstable();
    let mut found: Vec<SocketAddr> = descriptors.iter().filter_map(|(_, inode)| of_inode(inode)).collect();
    found.sort_by_key(|address| !address.ip().is_loopback());
    found
}
