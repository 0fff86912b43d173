//! Somebody at the other end of a wire who need not behave: any bytes out, messages in, over UDP, TCP and streams of this process.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bytes::Bytes;
use confkit::{
    clock,
    sip::{
        framing::{Frame, Framer},
        message::{Framing, Message, Request, Response, parse},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream},
    net::{TcpSocket, UdpSocket},
    time::timeout,
};

/// How long anything may take before a test gives up; a test that passes does not wait for it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An address of loopback that nobody else is likely to use: to the server, another host. On Linux all of 127/8 is loopback.
pub fn another_host() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = std::process::id().wrapping_mul(0x9E37).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
    let [_, high, middle, low] = number.to_be_bytes();
    Ipv4Addr::new(127, high | 1, middle, low.clamp(1, 254)).into()
}

/// The other end of a wire.
pub struct Wire {
    way: Way,
    name: &'static str,
    /// Our address, where there is one.
    local: Option<SocketAddr>,
    /// Length of what came last, in bytes.
    pub length: usize,
}

enum Way {
    Datagrams { socket: UdpSocket, server: SocketAddr },
    Stream { stream: Pin<Box<dyn Stream>>, framer: Framer },
}

trait Stream: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

/// What came.
#[derive(Debug)]
pub enum Heard {
    /// A response; without its message where it repeats what made our request malformed.
    Response(u16, Option<Response>),
    Request(Request),
}

impl Wire {
    /// UDP from `own`; the port of an address with port 0 is chosen by the system.
    pub async fn udp(own: SocketAddr, server: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(own).await?;
        let local = socket.local_addr()?;
        Ok(Self { way: Way::Datagrams { socket, server }, name: "UDP", local: Some(local), length: 0 })
    }

    /// TCP from `own`.
    pub async fn tcp(own: IpAddr, server: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((own, 0).into())?;
        let stream = timeout(PATIENCE, socket.connect(server)).await.expect("connected in time")?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        Ok(Self { way: Way::Stream { stream: Box::pin(stream), framer: Framer::new() }, name: "TCP", local: Some(local), length: 0 })
    }

    /// A stream of this process.
    pub fn stream(stream: DuplexStream) -> Self {
        Self { way: Way::Stream { stream: Box::pin(stream), framer: Framer::new() }, name: "TCP", local: None, length: 0 }
    }

    /// A Via of ours.
    pub fn via(&self, branch: &str) -> String {
        let host = self.local.map_or_else(|| "stranger.invalid".to_owned(), |local| local.to_string());
        format!("SIP/2.0/{} {host};branch=z9hG4bK{branch};rport", self.name)
    }

    /// Our address as it stands in a URI.
    pub fn host(&self) -> String {
        self.local.map_or_else(|| "stranger.invalid".to_owned(), |local| local.to_string())
    }

    /// Sends bytes; false when the other end takes no more.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        match &mut self.way {
            Way::Datagrams { socket, server } => socket.send_to(bytes, *server).await.is_ok(),
            Way::Stream { stream, .. } => timeout(PATIENCE, stream.write_all(bytes)).await.expect("taken in time").is_ok(),
        }
    }

    /// Says that nothing more will come.
    pub async fn finish(&mut self) {
        if let Way::Stream { stream, .. } = &mut self.way {
            // An end that is closed already is an end.
            let _ = stream.shutdown().await;
        }
    }

    /// The next message; `None` at the end of a stream.
    pub async fn next(&mut self) -> Option<Heard> {
        self.within(PATIENCE).await.expect("something comes in time")
    }

    /// The next message, if one comes in some time; in none, one that is there already.
    pub async fn within(&mut self, time: Duration) -> Option<Option<Heard>> {
        let bytes = timeout(time, self.receive()).await.ok()?;
        self.length = bytes.as_ref().map_or(0, Bytes::len);
        Some(bytes.map(|bytes| heard(&bytes)))
    }

    /// Reads whatever comes, SIP or not, until the other end has closed.
    pub async fn skip_to_end(&mut self) {
        let Way::Stream { stream, .. } = &mut self.way else { panic!("datagrams have no end") };
        let mut piece = [0; 4096];
        while timeout(PATIENCE, stream.read(&mut piece)).await.expect("closed in time").is_ok_and(|len| len > 0) {}
    }

    async fn receive(&mut self) -> Option<Bytes> {
        match &mut self.way {
            Way::Datagrams { socket, .. } => loop {
                let mut piece = vec![0; usize::from(u16::MAX)];
                // An earlier datagram that found nobody says so here; the next may come all the same.
                if let Ok((len, _)) = socket.recv_from(&mut piece).await {
                    piece.truncate(len);
                    return Some(piece.into());
                }
            },
            Way::Stream { stream, framer } => loop {
                match framer.next().expect("what a server of ours writes can be framed") {
                    Some(Frame::Message(bytes)) => return Some(bytes),
                    Some(Frame::Ping | Frame::Pong) => continue,
                    None => {}
                }
                let mut piece = [0; 4096];
                match stream.read(&mut piece).await {
                    Ok(0) | Err(_) => return None,
                    Ok(len) => framer.push(clock::now(), &piece[..len]),
                }
            },
        }
    }
}

fn heard(bytes: &Bytes) -> Heard {
    match parse(bytes, Framing::Datagram) {
        Ok(Message::Response(response)) => Heard::Response(response.status, Some(response)),
        Ok(Message::Request(request)) => Heard::Request(request),
        Err(_) => {
            let text = String::from_utf8_lossy(bytes);
            let status = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok());
            Heard::Response(status.unwrap_or_else(|| panic!("this is no message: {text}")), None)
        }
    }
}
