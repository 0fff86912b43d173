//! The data plane over real sockets, with a small client of its own.

mod admitting;
mod besieged;
mod bounded;
mod downloading;
mod ending;
mod keeping;
mod restarting;
mod terminals;
mod uploading;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::TlsConnector;

use super::*;
use crate::{
    clock,
    fileshare::wire::{
        Decoder, FailureCode, Header, Kind, Packet, Route, TransferKey, Way,
        packet::MAX_PAYLOAD,
        parts, payload,
        proof::{Admission, Binding, EXPORTER_LABEL, Mac, Role},
    },
    transfer,
};

const PAYLOAD: usize = 4096;
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const BATCH: BatchId = BatchId(77);
const SOON: Duration = Duration::from_secs(20);

fn conf() -> ConfId {
    "c1".parse().expect("an id")
}

/// Bytes that no two packets have in common.
fn content(length: usize) -> Bytes {
    (0..length).map(|at| (at / PAYLOAD * 31 + at % 251) as u8).collect::<Vec<u8>>().into()
}

async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(SOON, work).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

/// Who shares.
const SHARER: &str = "sip:alice@192.0.2.1";

struct Rig {
    engine: Engine,
    port: u16,
    next: u64,
    folder: Arc<tempfile::TempDir>,
    /// The data conference that is meant.
    conf: ConfId,
}

/// A member on the list, whose terminal has bound its port.
struct Member {
    id: MemberId,
    role: Role,
    key: TransferKey,
    source: SocketAddr,
    socket: TcpSocket,
}

fn socket() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(HERE, 0)).expect("a port");
    let source = socket.local_addr().expect("an address");
    (socket, source)
}

impl Rig {
    fn new(change: impl FnOnce(&mut EngineConfig)) -> Self {
        Self::again(Arc::new(tempfile::tempdir().expect("a folder")), change)
    }

    /// On a folder that another engine had.
    fn again(folder: Arc<tempfile::TempDir>, change: impl FnOnce(&mut EngineConfig)) -> Self {
        let mut config = EngineConfig { payload: PAYLOAD as u32, ..EngineConfig::new(folder.path().join("fileshare"), HERE) };
        change(&mut config);
        let mut engine = Engine::start(config).expect("an engine");
        let port = engine.open(&conf(), Some(BATCH), Some(SHARER)).expect("a port");
        Self { engine, port, next: 1, folder, conf: conf() }
    }

    /// From now on another data conference is meant.
    fn turn_to(&mut self, name: &str) {
        self.conf = name.parse().expect("an id");
        self.port = self.engine.open(&self.conf, Some(BATCH), Some(SHARER)).expect("a port");
    }

    fn member(&mut self, role: Role) -> Member {
        self.next += 1;
        let id = MemberId(self.next);
        let key = TransferKey::from_bytes([self.next as u8; 32]);
        let (socket, source) = socket();
        self.engine.admit(&self.conf, id, Pass { role, source, key: key.clone() });
        Member { id, role, key, source, socket }
    }

    /// The member declares another port.
    fn reconnect(&mut self, id: MemberId, role: Role, key: &TransferKey) -> Member {
        let (socket, source) = socket();
        self.engine.admit(&self.conf, id, Pass { role, source, key: key.clone() });
        Member { id, role, key: key.clone(), source, socket }
    }

    async fn join(&mut self, role: Role, start: u64) -> Link {
        let member = self.member(role);
        self.join_as(member, start).await
    }

    async fn join_as(&mut self, member: Member, start: u64) -> Link {
        let mut link = self.knock(member.socket, member.source, member.id).await;
        link.prove(member.role, &member.key, start).await;
        let welcome = link.expect(Kind::Welcome).await;
        link.welcome = Some(payload::Welcome::read(&welcome.data).expect("a welcome"));
        link.first = welcome.header.sequence;
        link
    }

    /// Connects, and does the TLS handshake.
    async fn knock(&self, socket: TcpSocket, source: SocketAddr, member: MemberId) -> Link {
        let stream = soon("connecting", socket.connect(SocketAddr::new(HERE, self.port))).await.expect("connected");
        stream.set_nodelay(true).expect("set");
        let (stream, binding): (Box<dyn Stream>, _) = match self.engine.fingerprint() {
            None => (Box::new(stream), Binding::Plain),
            Some(fingerprint) => {
                let (stream, binding) = shake(stream, fingerprint).await;
                (Box::new(stream), binding)
            }
        };
        let route = Route { way: Way::ToServer, terminal: source, batch: BATCH };
        Link {
            stream,
            decoder: Decoder::new(Way::ToTerminal, MAX_PAYLOAD),
            route,
            binding,
            conf: self.conf.clone(),
            member,
            nonce: None,
            welcome: None,
            first: 0,
        }
    }

    async fn event(&mut self) -> PlaneEvent {
        let bell = self.engine.doorbell();
        soon("an event", async {
            loop {
                let rung = bell.notified();
                if let Some(event) = self.engine.poll_event() {
                    return event;
                }
                rung.await;
            }
        })
        .await
    }

    /// The next event but for those of connections that begin.
    async fn news(&mut self) -> PlaneEvent {
        loop {
            let event = self.event().await;
            if !matches!(event, PlaneEvent::Connected { .. }) {
                return event;
            }
        }
    }

    fn counts(&self) -> Counts {
        self.engine.stats().counts()
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn shake(stream: TcpStream, fingerprint: Fingerprint) -> (tokio_rustls::client::TlsStream<TcpStream>, Binding) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Known(fingerprint)))
        .with_no_client_auth();
    let name = ServerName::try_from("fs.invalid").expect("a name");
    let mut stream = soon("the handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await.expect("TLS");
    let exported = stream.get_mut().1.export_keying_material([0; 32], EXPORTER_LABEL, None).expect("exported");
    (stream, Binding::Exporter(exported))
}

/// Believes the certificate of one fingerprint.
#[derive(Debug)]
struct Known(Fingerprint);

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        assert_eq!(Fingerprint::of_certificate(certificate), self.0, "the fingerprint is that of the certificate");
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A terminal's connection.
struct Link {
    stream: Box<dyn Stream>,
    decoder: Decoder,
    route: Route,
    binding: Binding,
    conf: ConfId,
    member: MemberId,
    nonce: Option<[u8; 32]>,
    welcome: Option<payload::Welcome>,
    /// The packet to go on with.
    first: u64,
}

impl Link {
    /// The next packet but for signs of life; `None` at the end, however it came.
    async fn next(&mut self) -> Option<Packet> {
        soon("a packet", async {
            loop {
                match self.decoder.next_packet().expect("a packet") {
                    Some(packet) if packet.header.kind == Kind::Heartbeat => {}
                    Some(packet) => return Some(packet),
                    None => {
                        if !matches!(self.stream.read_buf(self.decoder.room()).await, Ok(1..)) {
                            return None;
                        }
                    }
                }
            }
        })
        .await
    }

    async fn expect(&mut self, kind: Kind) -> Packet {
        let packet = self.next().await.unwrap_or_else(|| panic!("the connection ended where {kind:?} was due"));
        assert_eq!(packet.header.kind, kind, "{packet:?}");
        packet
    }

    /// The error that ends the connection; acknowledgements may come before it.
    async fn error(&mut self) -> FailureCode {
        loop {
            match self.next().await.expect("an error before the end") {
                Packet { header: Header { kind: Kind::Error, .. }, data } => return Failure::read(&data).expect("a failure").code,
                Packet { header: Header { kind: Kind::Acknowledgement, .. }, .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn prove(&mut self, role: Role, key: &TransferKey, start: u64) {
        let challenge = payload::Challenge::read(&self.expect(Kind::Challenge).await.data).expect("a challenge");
        self.nonce = Some(challenge.nonce);
        let proof = self.proof(role, key);
        let proof = payload::Proof { role, nonce: [5; 32], proof, conf: self.conf.clone() };
        self.send(Kind::Proof, 0, start, proof.to_bytes()).await;
    }

    fn proof(&self, role: Role, key: &TransferKey) -> Mac {
        let admission = Admission {
            role,
            conf: &self.conf,
            batch: self.route.batch,
            terminal: self.route.terminal,
            server_nonce: &self.nonce.expect("a challenge"),
            terminal_nonce: &[5; 32],
            binding: self.binding,
        };
        admission.terminal_proof(key)
    }

    async fn send(&mut self, kind: Kind, total: u64, sequence: u64, data: Bytes) {
        let bytes = self.route.packet(kind, total, sequence, data).to_bytes();
        self.raw(&bytes).await;
    }

    /// Writes; what the server does not take any more is its matter.
    async fn raw(&mut self, bytes: &[u8]) {
        soon("writing", async {
            let _ = self.stream.write_all(bytes).await;
            let _ = self.stream.flush().await;
        })
        .await;
    }

    async fn manifest(&mut self, bytes: usize) {
        self.send_manifest(Some(bytes as u64), json("talk/slides.pdf", bytes)).await;
    }

    /// Of a batch whose size nobody knows yet.
    async fn manifest_of_a_stream(&mut self) {
        self.send_manifest(None, r#"{"version":1,"entries":[{"path":"stdin","type":"file"}]}"#.into()).await;
    }

    async fn send_manifest(&mut self, bytes: Option<u64>, json: Bytes) {
        let whole = payload::Manifest { payload_size: PAYLOAD as u32, bytes, json };
        for packet in parts::cut(self.route, Kind::Manifest, whole.to_bytes()) {
            self.raw(&packet.to_bytes()).await;
        }
    }

    /// Sends these packets of a batch, as many as there are.
    async fn data(&mut self, content: &Bytes, packets: std::ops::Range<usize>) {
        let total = content.len().div_ceil(PAYLOAD);
        for sequence in packets {
            let data = content.slice(sequence * PAYLOAD..content.len().min((sequence + 1) * PAYLOAD));
            self.send(Kind::Data, total as u64, sequence as u64, data).await;
        }
    }

    async fn trailer(&mut self, content: &Bytes) {
        for packet in parts::cut(self.route, Kind::Trailer, trailer(content).to_bytes()) {
            self.raw(&packet.to_bytes()).await;
        }
    }

    /// The whole upload, up to the acknowledgement that all is there.
    async fn upload(&mut self, content: &Bytes) {
        if !self.welcome.as_ref().is_some_and(|welcome| welcome.has_manifest) {
            self.manifest(content.len()).await;
        }
        self.data(content, self.first as usize..content.len().div_ceil(PAYLOAD)).await;
        self.trailer(content).await;
        self.acknowledged().await;
    }

    async fn acknowledged(&mut self) {
        loop {
            let packet = self.expect(Kind::Acknowledgement).await;
            if payload::Acknowledgement::read(&packet.data).expect("an acknowledgement").complete {
                return;
            }
        }
    }

    /// Downloads from the packet asked for to the hashes, and gives what came.
    async fn download(&mut self) -> Vec<u8> {
        let (mut got, mut next) = (Vec::new(), self.first);
        assert_eq!(self.expect(Kind::Manifest).await.header.sequence, 0);
        loop {
            let packet = self.next().await.expect("more");
            match packet.header.kind {
                Kind::Data => {
                    assert_eq!((packet.header.sequence, packet.header.terminal), (next, self.route.terminal));
                    next += 1;
                    got.extend_from_slice(&packet.data);
                }
                Kind::Trailer => {
                    let trailer = payload::Trailer::read(&packet.data).expect("hashes");
                    let acknowledgement = payload::Acknowledgement { durable: trailer.bytes, complete: true };
                    self.send(Kind::Acknowledgement, 0, 0, acknowledgement.to_bytes()).await;
                    return got;
                }
                _ => panic!("{packet:?}"),
            }
        }
    }
}

fn json(name: &str, size: usize) -> Bytes {
    format!(r#"{{"version":1,"entries":[{{"path":"{name}","type":"file","size":{size}}}]}}"#).into()
}

fn trailer(content: &Bytes) -> payload::Trailer {
    let blake3 = *blake3::hash(content).as_bytes();
    payload::Trailer {
        bytes: content.len() as u64,
        packets: content.len().div_ceil(PAYLOAD) as u64,
        blake3,
        sha256: None,
        files: vec![payload::FileHash { size: content.len() as u64, blake3 }],
    }
}

/// Files of data conferences in a folder.
fn stored(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").file_name());
    names.filter(|name| name != LOCK).count()
}

#[test]
fn the_manifest_of_these_tests_is_one() {
    assert_eq!(transfer::Manifest::from_json(&json("talk/slides.pdf", 7)).expect("a manifest").total(), Some(7));
}
