//! The listening ports of data conferences: one each, from a range, on every address of the server.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted on one listening socket.
const BACKLOG: i32 = 1024;
/// Ports tried when the system chooses and there are several addresses: the port must be free on all.
const TRIES: usize = 16;

/// Ports from which data conferences take theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// First port; 0 (with `last` 0) lets the system choose.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

impl PortRange {
    /// The system chooses.
    pub const EPHEMERAL: Self = Self { first: 0, last: 0 };
}

/// Why there is no port.
#[derive(Debug)]
pub(super) enum NoPort {
    /// All are taken, by us or by others.
    Taken,
    /// The system refuses.
    System(io::Error),
}

/// The ports that are free. One given back waits behind all others, so that late connections to an old data conference do not reach a new one.
#[derive(Debug)]
pub(super) struct Ports {
    range: PortRange,
    free: Mutex<VecDeque<u16>>,
}

impl Ports {
    pub(super) fn new(range: PortRange) -> Self {
        let free = if range.last == 0 { VecDeque::new() } else { (range.first..=range.last).collect() };
        Self { range, free: Mutex::new(free) }
    }

    /// Listens on the next free port, on all addresses.
    pub(super) fn listen(&self, addresses: &[IpAddr]) -> Result<(u16, Vec<std::net::TcpListener>), NoPort> {
        if self.range.last == 0 {
            return (0..TRIES).find_map(|_| chosen(addresses).transpose()).unwrap_or(Err(NoPort::Taken));
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..free.len() {
            let Some(port) = free.pop_front() else { break };
            match on_all(addresses, port) {
                Ok(listeners) => return Ok((port, listeners)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => free.push_back(port),
                Err(error) => {
                    free.push_back(port);
                    return Err(NoPort::System(error));
                }
            }
        }
        Err(NoPort::Taken)
    }

    /// Nobody listens on a port any more.
    pub(super) fn give_back(&self, port: u16) {
        if self.range.last != 0 {
            self.free.lock().unwrap_or_else(PoisonError::into_inner).push_back(port);
        }
    }
}

/// A port of the system's choice that is free on all addresses; `None` where the one that it chose is not.
fn chosen(addresses: &[IpAddr]) -> Result<Option<(u16, Vec<std::net::TcpListener>)>, NoPort> {
    let Some((first, others)) = addresses.split_first() else { return Err(NoPort::Taken) };
    let listener = listen(SocketAddr::new(*first, 0)).map_err(NoPort::System)?;
    let port = listener.local_addr().map_err(NoPort::System)?.port();
    match on_all(others, port) {
        Ok(mut listeners) => {
            listeners.push(listener);
            Ok(Some((port, listeners)))
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(NoPort::System(error)),
    }
}

fn on_all(addresses: &[IpAddr], port: u16) -> io::Result<Vec<std::net::TcpListener>> {
    addresses.iter().map(|ip| listen(SocketAddr::new(*ip, port))).collect()
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of the one before, in their last state (TIME_WAIT), do not keep the port.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_port_that_somebody_else_has_is_passed_over_and_the_last_one_is_the_end() {
        let (first, taken) = (0..200)
            .find_map(|_| {
                let taken = std::net::TcpListener::bind((HERE, 0)).ok()?;
                let port = taken.local_addr().ok()?.port();
                let next = std::net::TcpListener::bind((HERE, port.checked_add(1)?)).ok()?;
                drop(next);
                Some((port, taken))
            })
            .expect("two ports in a row");
        let ports = Ports::new(PortRange { first, last: first + 1 });
        let (port, listeners) = ports.listen(&[HERE]).expect("the second");
        assert_eq!((port, listeners.len()), (first + 1, 1));
        assert!(matches!(ports.listen(&[HERE]), Err(NoPort::Taken)));
        drop((listeners, taken));
        ports.give_back(port);
        assert_eq!(ports.listen(&[HERE]).expect("free again").0, first);
    }

    #[test]
    fn the_system_chooses_one_port_for_all_addresses() {
        let other: IpAddr = "127.0.0.2".parse().expect("an address");
        let (port, listeners) = Ports::new(PortRange::EPHEMERAL).listen(&[HERE, other]).expect("a port");
        assert!(listeners.len() == 2 && listeners.iter().all(|l| l.local_addr().is_ok_and(|at| at.port() == port)));
    }
}
