//! A pair of sockets: RTP on an even port, RTCP on the next (RFC 3550 §11).

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
};

use nix::sys::socket::{setsockopt, sockopt::ReceiveTimestampns};

/// Attempts to find an even port with a free neighbour before the system is believed to have none.
const ATTEMPTS: usize = 64;

/// The two sockets of a leg, non-blocking.
#[derive(Debug)]
pub struct Pair {
    /// RTP.
    pub media: UdpSocket,
    /// RTCP.
    pub reports: UdpSocket,
}

impl Pair {
    /// Binds an even port and the next.
    ///
    /// # Errors
    /// The system's, where the address is not ours or a port is in use.
    pub fn bind(ip: IpAddr, even: u16) -> io::Result<Self> {
        Ok(Self { media: socket(ip, even)?, reports: socket(ip, even + 1)? })
    }

    /// Binds a pair that the system chooses.
    ///
    /// # Errors
    /// The system's; of kind `AddrInUse` where it has no pair left.
    pub fn bind_any(ip: IpAddr) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let chosen = socket(ip, 0)?;
            let port = chosen.local_addr()?.port();
            // The neighbour may be taken; then the system is asked again while this one is still held, so that it gives another.
            if port.is_multiple_of(2) {
                if let Ok(reports) = socket(ip, port + 1) {
                    return Ok(Self { media: chosen, reports });
                }
            } else if let Ok(media) = socket(ip, port - 1) {
                return Ok(Self { media, reports: chosen });
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no pair of neighbouring ports is free"))
    }

    /// Where RTP comes in.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.media.local_addr()
    }
}

fn socket(ip: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((ip, port))?;
    socket.set_nonblocking(true)?;
    // Arrival times by the kernel: the thread itself looks only every 20 ms, far too coarse for jitter and round trips.
    setsockopt(&socket, ReceiveTimestampns, &true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn the_system_gives_even_ports_with_their_neighbours() {
        for _ in 0..20 {
            let pair = Pair::bind_any(LOOPBACK).unwrap();
            let (media, reports) = (pair.local_addr().unwrap().port(), pair.reports.local_addr().unwrap().port());
            assert!(media.is_multiple_of(2) && reports == media + 1, "{media} {reports}");
        }
    }

    #[test]
    fn a_pair_in_use_is_an_error() {
        let pair = Pair::bind_any(LOOPBACK).unwrap();
        assert_eq!(Pair::bind(LOOPBACK, pair.local_addr().unwrap().port()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
