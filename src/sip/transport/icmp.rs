//! What ICMP says about datagrams of ours (RFC 3261 §18.4), where the system tells it: on Linux by a socket's error queue.

use std::{io, net::SocketAddr};

use tokio::net::UdpSocket;

use crate::sip::node::SendFault;

/// Asks the system to tell.
#[cfg(target_os = "linux")]
pub(super) fn enable(socket: &socket2::Socket, address: SocketAddr) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    match address {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

/// Elsewhere transactions find out by their timers.
#[cfg(not(target_os = "linux"))]
pub(super) fn enable(_socket: &socket2::Socket, _address: SocketAddr) -> io::Result<()> {
    Ok(())
}

/// The next error: whom it concerns and what it says; `Ok(None)` for one that §18.4 wants ignored.
///
/// # Errors
/// `WouldBlock` when there is none.
#[cfg(target_os = "linux")]
pub(super) fn next_error(socket: &UdpSocket) -> io::Result<Option<(SocketAddr, SendFault)>> {
    use std::{io::IoSliceMut, os::fd::AsRawFd as _};

    use nix::{
        libc,
        sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg},
    };

    /// Destination unreachable, ICMP and ICMPv6; time exceeded, source quench and too big are ignored.
    const UNREACHABLE: (u8, u8) = (3, 1);

    // The datagram itself is of no interest; a byte of it will do.
    let mut payload = [0; 1];
    let mut iov = [IoSliceMut::new(&mut payload)];
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut iov, Some(&mut control), flags)?;
    let peer = message.address.as_ref().and_then(|address| {
        let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
    });
    let Some(peer) = peer else { return Ok(None) };
    for part in message.cmsgs()? {
        let (error, unreachable) = match part {
            ControlMessageOwned::Ipv4RecvErr(error, _) => {
                (error, error.ee_origin == libc::SO_EE_ORIGIN_ICMP && error.ee_type == UNREACHABLE.0)
            }
            ControlMessageOwned::Ipv6RecvErr(error, _) => {
                (error, error.ee_origin == libc::SO_EE_ORIGIN_ICMP6 && error.ee_type == UNREACHABLE.1)
            }
            _ => continue,
        };
        // "Fragmentation needed" is of type 3 as well, and the kernel's affair.
        let told = i32::try_from(error.ee_errno).ok().filter(|errno| unreachable && *errno != libc::EMSGSIZE);
        return Ok(told.map(|errno| (peer, SendFault::from(&io::Error::from_raw_os_error(errno)))));
    }
    Ok(None)
}

/// See the other.
#[cfg(not(target_os = "linux"))]
pub(super) fn next_error(_socket: &UdpSocket) -> io::Result<Option<(SocketAddr, SendFault)>> {
    Err(io::ErrorKind::WouldBlock.into())
}
