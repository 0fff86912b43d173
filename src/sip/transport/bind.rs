//! Opening sockets.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdUdpSocket},
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::{BindError, TransportConfig, icmp};
use crate::sip::Transport;

/// Receive buffer asked for, in bytes; the system may grant less. It holds what comes while the node is busy.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// Send buffer asked for, in bytes.
const SEND_BUFFER: usize = 1024 * 1024;

/// Connections that may wait in the kernel to be accepted.
const BACKLOG: i32 = 1024;

/// Ports tried for a pair of UDP and TCP at one number.
const PAIR_TRIES: usize = 32;

/// Silence after which the system asks a peer whether it lives, and the time between its questions.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15));

/// The sockets of a configuration.
pub(super) struct Sockets {
    pub(super) udp: Vec<(UdpSocket, SocketAddr)>,
    pub(super) tcp: Vec<(TcpListener, SocketAddr)>,
    pub(super) tls: Vec<(TcpListener, SocketAddr)>,
}

/// Opens all of them, or none.
pub(super) fn open(config: &TransportConfig) -> Result<Sockets, BindError> {
    let mut sockets = Sockets { udp: Vec::new(), tcp: Vec::new(), tls: Vec::new() };
    let mut tcp = config.tcp.clone();
    for address in &config.udp {
        let twin = tcp.iter().position(|a| a == address && address.port() == 0);
        match twin {
            Some(twin) => {
                tcp.remove(twin);
                let (udp, listener) = pair(*address)?;
                sockets.udp.push(udp);
                sockets.tcp.push(listener);
            }
            None => sockets.udp.push(udp(*address).map_err(|e| BindError::new(Transport::Udp, *address, e))?),
        }
    }
    for address in tcp {
        sockets.tcp.push(listener(address).map_err(|e| BindError::new(Transport::Tcp, address, e))?);
    }
    for address in &config.tls {
        sockets.tls.push(listener(*address).map_err(|e| BindError::new(Transport::Tls, *address, e))?);
    }
    Ok(sockets)
}

type Bound<S> = (S, SocketAddr);

/// UDP and TCP at one port that the system chooses.
fn pair(address: SocketAddr) -> Result<(Bound<UdpSocket>, Bound<TcpListener>), BindError> {
    let mut tries = 0;
    loop {
        let (tcp, bound) = listener(address).map_err(|e| BindError::new(Transport::Tcp, address, e))?;
        match udp(bound) {
            Ok(udp) => return Ok((udp, (tcp, bound))),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < PAIR_TRIES => tries += 1,
            Err(error) => return Err(BindError::new(Transport::Udp, bound, error)),
        }
    }
}

fn udp(address: SocketAddr) -> io::Result<Bound<UdpSocket>> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Larger buffers are a wish: where the system grants less, less is lost later.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    icmp::enable(&socket, address)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    let local = socket.local_addr()?;
    Ok((socket, local))
}

fn listener(address: SocketAddr) -> io::Result<Bound<TcpListener>> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart may follow connections that still linger; on Unix this does not let two programs share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let local = listener.local_addr()?;
    Ok((listener, local))
}

/// Sets what every connection has: no delay for small messages, and the system's question whether the peer lives.
pub(super) fn tune(stream: &TcpStream) {
    let (silence, between) = KEEPALIVE;
    let keepalive = TcpKeepalive::new().with_time(silence).with_interval(between);
    if let Err(error) = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive)) {
        tracing::debug!(%error, "a connection cannot be tuned");
    }
}

/// The address that this machine would send from to `peer`, for a Via or a Contact where a listener is bound to the wildcard.
/// No packet is sent.
///
/// # Errors
/// There is no route.
pub fn source_towards(peer: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = StdUdpSocket::bind(SocketAddr::new(any, 0))?;
    // Connecting a datagram socket only asks for a route; any port will do.
    socket.connect(SocketAddr::new(peer, 5060))?;
    Ok(socket.local_addr()?.ip())
}
