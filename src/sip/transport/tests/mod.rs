//! Transports over real loopback sockets, ports chosen by the system, and over streams of this process.

mod bounds;
mod datagrams;
mod local;
mod secure;
mod streams;
mod traced;

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc::Receiver,
    time::timeout,
};

use super::*;
use crate::sip::{
    FlowId,
    framing::{Frame, Framer},
    node::PeerIdentity,
};

/// Longest wait for what must come; a test that passes does not wait for it.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Node {
    pub(super) transports: Transports,
    pub(super) arrivals: Receiver<Arrival>,
}

pub(super) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// UDP and TCP at one port of loopback.
pub(super) fn plain() -> TransportConfig {
    TransportConfig { udp: vec![loopback()], tcp: vec![loopback()], ..TransportConfig::default() }
}

pub(super) async fn node(config: TransportConfig) -> Node {
    let (transports, arrivals) = Transports::bind(config).await.expect("loopback can be listened on");
    Node { transports, arrivals }
}

/// What came with a message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) text: String,
    pub(super) from: Hop,
    pub(super) peer: PeerIdentity,
    pub(super) to: Address,
}

impl Node {
    pub(super) fn tcp(&self) -> SocketAddr {
        self.transports.local_addr(Transport::Tcp).expect("TCP is listened on")
    }

    pub(super) fn udp(&self) -> SocketAddr {
        self.transports.local_addr(Transport::Udp).expect("UDP is listened on")
    }

    pub(super) fn tls(&self) -> SocketAddr {
        self.transports.local_addr(Transport::Tls).expect("TLS is listened on")
    }

    pub(super) fn send(&self, hop: &Hop, text: &str) {
        self.transports.send(hop, Bytes::copy_from_slice(text.as_bytes())).expect("queued");
    }

    pub(super) async fn next(&mut self) -> Arrival {
        timeout(PATIENCE, self.arrivals.recv()).await.expect("in time").expect("the transports live")
    }

    pub(super) async fn message(&mut self) -> Message {
        match self.next().await {
            Arrival::Message { bytes, from, peer, to } => {
                Message { text: String::from_utf8(bytes.to_vec()).expect("text"), from, peer, to }
            }
            other => panic!("a message was awaited, not {other:?}"),
        }
    }

    /// Waits until every connection is closed, which no arrival tells.
    pub(super) async fn none_open(&self) {
        let closed = async {
            while self.transports.stats().connections > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, closed).await.expect("in time");
    }

    pub(super) async fn failed(&mut self) -> (Hop, SendFault) {
        match self.next().await {
            Arrival::Failed { hop, why } => (hop, why),
            other => panic!("a failure was awaited, not {other:?}"),
        }
    }

    pub(super) async fn closed(&mut self) -> FlowId {
        match self.next().await {
            Arrival::Closed { flow, .. } => flow,
            other => panic!("an end was awaited, not {other:?}"),
        }
    }
}

pub(super) fn request(method: &str, via: &str, body: &str) -> String {
    format!(
        "{method} sip:room@127.0.0.1 SIP/2.0\r\nVia: {via};branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
         Call-ID: c1\r\nCSeq: 1 {method}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(super) fn response(status: &str, via: &str) -> String {
    format!(
        "SIP/2.0 {status}\r\nVia: {via};branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: c1\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// A peer that is nothing but a TCP connection.
pub(super) struct Raw {
    pub(super) stream: TcpStream,
    framer: Framer,
}

impl Raw {
    pub(super) async fn connect(to: SocketAddr) -> Self {
        Self::new(timeout(PATIENCE, TcpStream::connect(to)).await.expect("in time").expect("somebody listens"))
    }

    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, framer: Framer::new() }
    }

    pub(super) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("written");
    }

    /// The next frame, or `None` at the end.
    pub(super) async fn frame(&mut self) -> Option<Frame> {
        let mut piece = [0; 4096];
        loop {
            if let Some(frame) = self.framer.next().expect("what our transport writes can be framed") {
                return Some(frame);
            }
            match timeout(PATIENCE, self.stream.read(&mut piece)).await.expect("in time") {
                Ok(0) | Err(_) => return None,
                Ok(len) => self.framer.push(crate::clock::now(), &piece[..len]),
            }
        }
    }

    pub(super) async fn message(&mut self) -> String {
        match self.frame().await {
            Some(Frame::Message(bytes)) => String::from_utf8(bytes.to_vec()).expect("text"),
            other => panic!("a message was awaited, not {other:?}"),
        }
    }

    /// Waits until the other end has closed; whatever comes before is thrown away.
    pub(super) async fn end(mut self) {
        while self.frame().await.is_some() {}
    }
}
