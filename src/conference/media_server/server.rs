//! Runs the media server over its transports, and rings it when its media threads have events.

use tokio::sync::mpsc::Receiver;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Command, Gauges, MediaServer, engine::Engine};
use crate::{
    conference::called::run::{self, Server},
    sip::{node::Arrival, transport::Transports},
};

/// A media server that runs.
pub type Running = run::Running<Command, Gauges>;

/// Runs `server` until it has finished or `token` is cancelled; see [`run::run`].
pub fn run(
    server: MediaServer<Engine>,
    transports: Transports,
    arrivals: Receiver<Arrival>,
    tasks: &TaskTracker,
    token: CancellationToken,
) -> Running {
    let (gauges, doorbell) = (server.gauges(), server.plane().doorbell());
    let server = Server { node: server, gauges, doorbell, rung: Command::Media };
    run::run(server, transports, arrivals, tasks, token, |_| std::future::ready(()))
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Duration};

    use tokio::{net::UdpSocket, time::timeout};

    use super::*;
    use crate::{
        clock,
        conference::{
            called::Access,
            media_server::{MediaServerConfig, engine::EngineConfig},
            wire::services::Services,
        },
        sdp::Description,
        sip::{
            Transport,
            message::{Framing, Host, Message, Response, parse},
            transport::TransportConfig,
        },
    };

    /// A caller by UDP.
    struct Caller {
        socket: UdpSocket,
        server: SocketAddr,
    }

    impl Caller {
        async fn send(&self, method: &str, cseq: u32, to_tag: &str, body: &str) {
            let me = self.socket.local_addr().expect("an address");
            let (server, kind) = (self.server, if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" });
            let text = format!(
                "{method} sip:conf=try@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{method}{cseq};rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:as@{me}>;tag=a\r\nTo: <sip:conf=try@{server}>{to_tag}\r\nCall-ID: try\r\nCSeq: {cseq} {method}\r\n\
                 Contact: <sip:as@{me}>\r\nAccept: */*\r\n{kind}Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            self.socket.send_to(text.as_bytes(), server).await.expect("sent");
        }

        /// The next final response.
        async fn answer(&self) -> Response {
            let mut buffer = vec![0; 65_536];
            loop {
                let length = timeout(Duration::from_secs(20), self.socket.recv(&mut buffer)).await.expect("in time").expect("received");
                let bytes = bytes::Bytes::copy_from_slice(&buffer[..length]);
                match parse(&bytes, Framing::Datagram) {
                    Ok(Message::Response(response)) if response.status >= 200 => return response,
                    _ => {}
                }
            }
        }
    }

    #[tokio::test]
    async fn a_caller_by_udp_gets_media_from_the_threads_and_the_end_is_orderly() {
        let local = "127.0.0.1:0".parse().expect("an address");
        let (transports, arrivals) =
            Transports::bind(TransportConfig { udp: vec![local], ..TransportConfig::default() }).await.expect("a free port");
        let address = transports.local_addr(Transport::Udp).expect("bound");
        let endpoint = MediaServerConfig::endpoint().at(Transport::Udp, Host::Ip(address.ip()), Some(address.port()));
        let mut config = MediaServerConfig::new(endpoint, address.ip());
        config.access = Access { loopback: vec![local], ..Access::default() };
        let engine = Engine::start(EngineConfig { threads: 1, ..EngineConfig::default() }).expect("a media thread");
        let (tasks, token) = (TaskTracker::new(), CancellationToken::new());
        let running = run(MediaServer::new(config, engine, clock::seed()), transports.clone(), arrivals, &tasks, token.clone());

        let caller = Caller { socket: UdpSocket::bind(local).await.expect("a socket"), server: address };
        let media = UdpSocket::bind(local).await.expect("a socket");
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n",
            media.local_addr().expect("an address").port()
        );
        caller.send("INVITE", 1, "", &offer).await;
        let answer = caller.answer().await;
        assert_eq!(answer.status, 200, "{}", answer.reason);
        let tag = format!(";tag={}", answer.to().and_then(|to| to.tag().map(str::to_owned)).expect("a tag"));
        caller.send("ACK", 1, &tag, "").await;
        let port = Description::parse(&answer.body).expect("an answer").media[0].port;

        let mut packet = [0; 2048];
        let (length, from) = timeout(Duration::from_secs(20), media.recv_from(&mut packet)).await.expect("in time").expect("received");
        assert_eq!((length, packet[0], packet[1] & 0x7f, from.port()), (172, 0x80, 0, port), "20 ms of PCMU from the port of the answer");

        caller.send("OPTIONS", 2, "", "").await;
        let services = Services::parse(&caller.answer().await.body).expect("services");
        assert_eq!((services.role.as_str(), services.load.map(|l| l.legs), running.gauges.legs()), ("ms", Some(1), 1));

        running.commands.send(Command::End { reason: "over".into() }).await.expect("it runs");
        let mut buffer = vec![0; 65_536];
        let bye = loop {
            let length = timeout(Duration::from_secs(20), caller.socket.recv(&mut buffer)).await.expect("in time").expect("received");
            if let Ok(Message::Request(request)) = parse(&bytes::Bytes::copy_from_slice(&buffer[..length]), Framing::Datagram) {
                break request;
            }
        };
        assert_eq!((bye.method.as_str(), bye.headers.get("Reason")), ("BYE", Some("SIP;cause=503;text=\"over\"")));
        caller.socket.send_to(&bye.response(200, "").to_bytes(), address).await.expect("sent");
        timeout(Duration::from_secs(20), running.ended.cancelled()).await.expect("it ends when the calls are over");
        transports.shutdown().await;
        tasks.close();
        timeout(Duration::from_secs(20), tasks.wait()).await.expect("no task is left");
    }
}
