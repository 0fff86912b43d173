//! The data plane over real sockets, with a small client of its own.

use std::{
    net::{Ipv4Addr, SocketAddr},
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

struct Rig {
    engine: Engine,
    port: u16,
    next: u64,
    folder: Arc<tempfile::TempDir>,
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
        let port = engine.open(&conf(), Some(BATCH)).expect("a port");
        Self { engine, port, next: 1, folder }
    }

    fn member(&mut self, role: Role) -> Member {
        self.next += 1;
        let id = MemberId(self.next);
        let key = TransferKey::from_bytes([self.next as u8; 32]);
        let (socket, source) = socket();
        self.engine.admit(&conf(), id, Pass { role, source, key: key.clone() });
        Member { id, role, key, source, socket }
    }

    /// The member declares another port.
    fn reconnect(&mut self, id: MemberId, role: Role, key: &TransferKey) -> Member {
        let (socket, source) = socket();
        self.engine.admit(&conf(), id, Pass { role, source, key: key.clone() });
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
        Link { stream, decoder: Decoder::new(Way::ToTerminal, MAX_PAYLOAD), route, binding, member, nonce: None, welcome: None, first: 0 }
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
        let proof = payload::Proof { role, nonce: [5; 32], proof, conf: conf() };
        self.send(Kind::Proof, 0, start, proof.to_bytes()).await;
    }

    fn proof(&self, role: Role, key: &TransferKey) -> Mac {
        let admission = Admission {
            role,
            conf: &conf(),
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
        let whole = payload::Manifest { payload_size: PAYLOAD as u32, bytes: Some(bytes as u64), json: json("talk/slides.pdf", bytes) };
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

#[tokio::test]
async fn what_is_uploaded_by_tls_is_downloaded_by_members_and_told() {
    let mut rig = Rig::new(|_| {});
    let content = content(3 * PAYLOAD + 77);
    let mut alice = rig.join(Role::Upload, 0).await;
    assert_eq!(rig.event().await, PlaneEvent::Connected { conf: conf(), member: alice.member });
    alice.upload(&content).await;
    assert_eq!(alice.next().await, None, "the connection ends when all is there");
    let mut bob = rig.join(Role::Download, 0).await;
    assert_eq!(bob.download().await, content);
    assert_eq!(bob.next().await, None);

    let (alice, bob) = (alice.member, bob.member);
    let bytes = content.len() as u64;
    assert_eq!(rig.event().await, PlaneEvent::Uploaded { conf: conf(), bytes });
    let mut rest = vec![rig.news().await, rig.news().await, rig.news().await];
    rest.sort_by_key(|event| format!("{event:?}"));
    assert_eq!(
        rest,
        [
            PlaneEvent::Broken { conf: conf(), member: alice, why: None },
            PlaneEvent::Broken { conf: conf(), member: bob, why: None },
            PlaneEvent::Received { conf: conf(), member: bob, bytes },
        ]
    );
    let progress = rig.engine.progress(&conf());
    assert_eq!(
        (progress.batch, progress.entries, progress.bytes, progress.durable, progress.complete),
        (Some(BATCH), 1, Some(bytes), bytes, true)
    );
    assert_eq!((rig.engine.received(&conf(), alice), rig.engine.received(&conf(), bob)), (bytes, bytes));
}

#[tokio::test]
async fn a_download_runs_while_the_upload_is_held() {
    let mut rig = Rig::new(|config| config.tls = false);
    let content = content(4 * PAYLOAD);
    let mut bob = rig.join(Role::Download, 0).await;
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..1).await;
    bob.expect(Kind::Manifest).await;
    let first = bob.expect(Kind::Data).await;
    assert_eq!((first.header.sequence, first.header.total, &first.data[..]), (0, 4, &content[..PAYLOAD]), "alice has sent no more yet");
    alice.data(&content, 1..4).await;
    alice.trailer(&content).await;
    for sequence in 1..4 {
        assert_eq!(bob.expect(Kind::Data).await.header.sequence, sequence);
    }
    bob.expect(Kind::Trailer).await;
}

#[tokio::test]
async fn twenty_members_download_at_once_while_the_upload_runs() {
    let mut rig = Rig::new(|config| config.payload = 16 * PAYLOAD as u32);
    let content = content(64 * PAYLOAD);
    let mut members = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut member = rig.join(Role::Download, 0).await;
        members.spawn(async move { member.download().await });
    }
    let mut alice = rig.join(Role::Upload, 0).await;
    let whole = payload::Manifest { payload_size: 16 * PAYLOAD as u32, bytes: Some(content.len() as u64), json: json("a", content.len()) };
    for packet in parts::cut(alice.route, Kind::Manifest, whole.to_bytes()) {
        alice.raw(&packet.to_bytes()).await;
    }
    for sequence in 0..4 {
        alice.send(Kind::Data, 4, sequence, content.slice(sequence as usize * 16 * PAYLOAD..(sequence as usize + 1) * 16 * PAYLOAD)).await;
    }
    let whole = payload::Trailer { packets: 4, ..trailer(&content) };
    alice.send(Kind::Trailer, 1, 0, whole.to_bytes()).await;
    alice.acknowledged().await;
    let mut count = 0;
    while let Some(got) = members.join_next().await {
        assert_eq!(got.expect("a member"), content);
        count += 1;
    }
    assert_eq!((count, rig.counts().sent), (20, 20 * content.len() as u64));
}

#[tokio::test]
async fn whoever_did_not_declare_its_port_is_closed_at_once_and_disturbs_nobody() {
    let mut rig = Rig::new(|_| {});
    let content = content(2 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    let bob = rig.member(Role::Download);
    // A stranger, and whoever has bob's key on another port: both come from a port that nobody declared.
    for _ in 0..2 {
        let (socket, _) = socket();
        let mut stream = soon("connecting", socket.connect(SocketAddr::new(HERE, rig.port))).await.expect("connected");
        let closed = soon("being closed", stream.read(&mut [0; 16])).await;
        assert!(matches!(closed, Ok(0) | Err(_)), "nothing is said to strangers: {closed:?}");
    }
    assert_eq!(rig.counts().strangers, 2);
    alice.upload(&content).await;
    assert_eq!(rig.join_as(bob, 0).await.download().await, content);
}

#[tokio::test]
async fn the_right_address_with_a_wrong_key_is_told_so_and_the_right_key_still_admits() {
    let mut rig = Rig::new(|_| {});
    let member = rig.member(Role::Upload);
    let (id, role, key) = (member.id, member.role, member.key.clone());
    let mut link = rig.knock(member.socket, member.source, member.id).await;
    link.prove(role, &TransferKey::from_bytes([0; 32]), 0).await;
    assert_eq!(link.error().await, FailureCode::Forbidden);
    assert_eq!(link.next().await, None);
    assert_eq!((rig.counts().unproved, rig.counts().admitted), (1, 0));
    let again = rig.reconnect(id, role, &key);
    rig.join_as(again, 0).await.upload(&content(10)).await;
}

#[tokio::test]
async fn a_member_that_says_nothing_is_closed_after_a_while() {
    let mut rig = Rig::new(|config| config.handshake = Duration::from_millis(50));
    let member = rig.member(Role::Download);
    // Nothing at all, not even TLS.
    let mut stream = soon("connecting", member.socket.connect(SocketAddr::new(HERE, rig.port))).await.expect("connected");
    let closed = soon("being closed", stream.read(&mut [0; 16])).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    // TLS, and then nothing.
    let again = rig.reconnect(member.id, member.role, &member.key);
    let mut link = rig.knock(again.socket, again.source, again.id).await;
    link.expect(Kind::Challenge).await;
    assert_eq!(link.next().await, None);
    assert_eq!((rig.counts().unfinished, rig.counts().admitted), (2, 0));
}

#[tokio::test]
async fn an_admitted_member_that_falls_silent_is_closed_and_may_come_again() {
    let mut rig = Rig::new(|config| config.heartbeat = Duration::from_millis(30));
    let mut bob = rig.join(Role::Download, 0).await;
    assert_eq!(bob.error().await, FailureCode::Unreachable);
    match rig.news().await {
        PlaneEvent::Broken { member, why: Some(why), .. } => assert_eq!((member, why.code), (bob.member, FailureCode::Unreachable)),
        other => panic!("{other:?}"),
    }
    let key = TransferKey::from_bytes([2; 32]);
    let again = rig.reconnect(bob.member, Role::Download, &key);
    rig.join_as(again, 0).await;
}

#[tokio::test]
async fn strangers_who_come_after_a_member_do_not_put_it_out() {
    let mut rig = Rig::new(|config| (config.behind_nat, config.tls) = (true, false));
    let member = rig.member(Role::Upload);
    let mut alice = rig.knock(member.socket, member.source, member.id).await;
    let mut idle = Vec::new();
    for _ in 0..accept::MAX_PENDING + 10 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.2:0".parse().expect("an address")).expect("a port");
        idle.push(soon("connecting", socket.connect(SocketAddr::new(HERE, rig.port))).await.expect("connected"));
    }
    soon("strangers being closed", async {
        while rig.counts().unfinished < 10 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    alice.prove(Role::Upload, &member.key, 0).await;
    alice.expect(Kind::Welcome).await;
}

#[tokio::test]
async fn strangers_who_hold_sockets_open_disturb_nobody() {
    let mut rig = Rig::new(|config| (config.behind_nat, config.tls) = (true, false));
    let mut idle = Vec::new();
    for _ in 0..accept::MAX_PENDING + 10 {
        idle.push(soon("connecting", TcpStream::connect(SocketAddr::new(HERE, rig.port))).await.expect("connected"));
    }
    let content = content(PAYLOAD);
    rig.join(Role::Upload, 0).await.upload(&content).await;
    assert_eq!(rig.join(Role::Download, 0).await.download().await, content);
    assert!(rig.counts().unfinished >= 10, "the oldest had to make room: {:?}", rig.counts());
}

#[tokio::test]
async fn behind_nat_the_key_admits_whatever_the_address() {
    let mut rig = Rig::new(|config| config.behind_nat = true);
    let member = rig.member(Role::Upload);
    let (other, _) = socket();
    let mut link = rig.knock(other, member.source, member.id).await;
    link.prove(Role::Upload, &member.key, 0).await;
    link.expect(Kind::Welcome).await;
}

#[tokio::test]
async fn wrong_packets_end_the_connection_with_an_error_and_the_next_goes_on() {
    let content = content(4 * PAYLOAD);
    let sound = Route { way: Way::ToServer, terminal: SocketAddr::new(HERE, 1), batch: BATCH };
    let data = |route: Route, total, sequence, length: usize| route.packet(Kind::Data, total, sequence, content.slice(..length)).to_bytes();
    type Bad<'a> = Box<dyn Fn(Route) -> Bytes + 'a>;
    let cases: Vec<(&str, FailureCode, Bad<'_>)> = vec![
        ("total", FailureCode::Protocol, Box::new(|route| data(route, 9, 1, PAYLOAD))),
        ("sequence", FailureCode::Protocol, Box::new(|route| data(route, 4, 2, PAYLOAD))),
        ("repeated sequence", FailureCode::Protocol, Box::new(|route| data(route, 4, 0, PAYLOAD))),
        ("short length", FailureCode::Protocol, Box::new(|route| data(route, 4, 1, PAYLOAD - 1))),
        ("long length", FailureCode::Protocol, Box::new(|route| data(route, 4, 1, PAYLOAD + 1))),
        ("batch", FailureCode::Protocol, Box::new(|route| data(Route { batch: BatchId(1), ..route }, 4, 1, PAYLOAD))),
        ("direction", FailureCode::Protocol, Box::new(|route| data(Route { way: Way::ToTerminal, ..route }, 4, 1, PAYLOAD))),
        ("terminal", FailureCode::Protocol, Box::new(|_| data(sound, 4, 1, PAYLOAD))),
        ("kind", FailureCode::Protocol, Box::new(|route| route.packet(Kind::Acknowledgement, 0, 0, Bytes::new()).to_bytes())),
        ("operation", FailureCode::Unsupported, Box::new(|route| [&[2], &data(route, 4, 1, PAYLOAD)[1..]].concat().into())),
        ("checksum", FailureCode::Protocol, Box::new(|route| [&data(route, 4, 1, PAYLOAD)[..57], &[0; 99]].concat().into())),
        (
            "too large",
            FailureCode::Limit,
            Box::new(|route| {
                let header = route.header(Kind::Data, 4, 1, MAX_PAYLOAD + 1);
                Bytes::copy_from_slice(&header.encode())
            }),
        ),
    ];
    let mut rig = Rig::new(|config| config.tls = false);
    let mut bob = rig.join(Role::Download, 0).await;
    let member = rig.member(Role::Upload);
    let (id, key) = (member.id, member.key.clone());
    let mut alice = rig.join_as(member, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..1).await;
    bob.expect(Kind::Manifest).await;
    bob.expect(Kind::Data).await;
    let faults = cases.len() as u64;
    for (what, code, bad) in cases {
        assert_eq!(alice.first + u64::from(alice.welcome.as_ref().is_none_or(|w| !w.has_manifest)), 1, "{what}: all was kept");
        let bytes = bad(alice.route);
        alice.raw(&bytes).await;
        assert_eq!(alice.error().await, code, "{what}");
        match rig.news().await {
            PlaneEvent::Broken { member, why: Some(why), .. } => assert_eq!((member, why.code), (id, code), "{what}"),
            other => panic!("{what}: {other:?}"),
        }
        let again = rig.reconnect(id, Role::Upload, &key);
        alice = rig.join_as(again, 0).await;
    }
    assert_eq!(rig.counts().faults, faults);
    alice.upload(&content).await;
    for _ in 1..4 {
        bob.expect(Kind::Data).await;
    }
    bob.expect(Kind::Trailer).await;
}

#[tokio::test]
async fn an_upload_that_can_never_be_whole_fails_for_everybody_with_the_reason() {
    let whole = |json: Bytes, bytes| payload::Manifest { payload_size: PAYLOAD as u32, bytes: Some(bytes), json }.to_bytes();
    let manifests = [
        ("a name that climbs", FailureCode::Usage, whole(json("../x", 5), 5)),
        ("an absolute name", FailureCode::Usage, whole(json("/etc/passwd", 5), 5)),
        ("more bytes than allowed", FailureCode::Limit, whole(json("x", 1 << 30), 1 << 30)),
        ("sizes that do not add up", FailureCode::Protocol, whole(json("x", 5), 6)),
        ("more entries than allowed", FailureCode::Limit, {
            let entry = |n| format!(r#"{{"path":"{n}","type":"file","size":0}}"#);
            let entries: Vec<String> = (0..11).map(entry).collect();
            whole(format!(r#"{{"version":1,"entries":[{}]}}"#, entries.join(",")).into(), 0)
        }),
    ];
    for (what, code, manifest) in manifests {
        let mut rig = Rig::new(|config| (config.batch_bytes, config.entries) = (1 << 20, 10));
        let mut bob = rig.join(Role::Download, 0).await;
        let mut alice = rig.join(Role::Upload, 0).await;
        alice.send(Kind::Manifest, 1, 0, manifest).await;
        assert_eq!(alice.error().await, code, "{what}");
        assert_eq!(bob.error().await, code, "{what}");
        loop {
            match rig.news().await {
                PlaneEvent::UploadFailed { why, .. } => break assert_eq!(why.code, code, "{what}"),
                PlaneEvent::Broken { .. } => {}
                other => panic!("{what}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn hashes_that_differ_fail_the_upload() {
    let mut rig = Rig::new(|_| {});
    let content = content(2 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..2).await;
    let wrong = payload::Trailer { blake3: [0; 32], ..trailer(&content) };
    alice.send(Kind::Trailer, 1, 0, wrong.to_bytes()).await;
    assert_eq!(alice.error().await, FailureCode::Integrity);
    assert!(!rig.engine.progress(&conf()).complete);
}

#[tokio::test]
async fn hashes_of_files_that_differ_fail_the_upload_though_that_of_the_whole_is_right() {
    let content = content(2 * PAYLOAD);
    let (one, two) = content.split_at(PAYLOAD + 7);
    let file = |bytes: &[u8]| payload::FileHash { size: bytes.len() as u64, blake3: *blake3::hash(bytes).as_bytes() };
    let right = vec![file(one), file(b""), file(two)];
    let mut damaged = right.clone();
    damaged[2].blake3[0] ^= 1;
    let mut longer = right.clone();
    longer[0].size += 1;
    let mut swapped = right.clone();
    swapped.swap(0, 2);
    let fewer = right[..2].to_vec();
    for (what, files, complete) in [
        ("right", right, true),
        ("damaged", damaged, false),
        ("longer", longer, false),
        ("swapped", swapped, false),
        ("fewer", fewer, false),
    ] {
        let mut rig = Rig::new(|config| config.tls = false);
        let mut alice = rig.join(Role::Upload, 0).await;
        let entry = |(at, size): (usize, usize)| format!(r#"{{"path":"{at}","type":"file","size":{size}}}"#);
        let entries: Vec<String> = [one.len(), 0, two.len()].into_iter().enumerate().map(entry).collect();
        let json = format!(r#"{{"version":1,"entries":[{}]}}"#, entries.join(",")).into();
        let manifest = payload::Manifest { payload_size: PAYLOAD as u32, bytes: Some(content.len() as u64), json };
        alice.send(Kind::Manifest, 1, 0, manifest.to_bytes()).await;
        alice.data(&content, 0..2).await;
        let trailer = payload::Trailer { files, ..trailer(&content) };
        alice.send(Kind::Trailer, 1, 0, trailer.to_bytes()).await;
        if complete {
            alice.acknowledged().await;
            // What was verified once is verified when it is taken up again.
            let folder = rig.folder.clone();
            drop(rig);
            let mut rig = Rig::again(folder, |config| config.tls = false);
            assert!(matches!(rig.news().await, PlaneEvent::Uploaded { .. }));
        } else {
            assert_eq!(alice.error().await, FailureCode::Integrity, "{what}");
        }
    }
}

#[tokio::test]
async fn what_is_acknowledged_is_noted_on_disk() {
    let mut rig = Rig::new(|config| config.tls = false);
    let content = content(8 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..5).await;
    let record = rig.folder.path().join("fileshare/c-c1.json");
    loop {
        let packet = alice.expect(Kind::Acknowledgement).await;
        let durable = payload::Acknowledgement::read(&packet.data).expect("an acknowledgement").durable;
        let noted: serde_json::Value = serde_json::from_slice(&std::fs::read(&record).expect("a record")).expect("a record");
        assert!(noted["durable"].as_u64().is_some_and(|noted| noted >= durable), "{durable} acknowledged, {noted}");
        if durable == 5 * PAYLOAD as u64 {
            break;
        }
    }
}

#[tokio::test]
async fn a_receiver_that_acknowledges_nothing_is_closed_and_one_that_waits_for_the_sharer_is_not() {
    let mut rig = Rig::new(|config| (config.tls, config.patience) = (false, Duration::from_millis(200)));
    let content = content(2 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..1).await;
    let (mut bob, mut carol) = (rig.join(Role::Download, 0).await, rig.join(Role::Download, 0).await);
    for link in [&mut bob, &mut carol] {
        link.expect(Kind::Manifest).await;
        link.expect(Kind::Data).await;
    }
    let acknowledgement = payload::Acknowledgement { durable: PAYLOAD as u64, complete: false };
    carol.send(Kind::Acknowledgement, 2, 1, acknowledgement.to_bytes()).await;
    assert_eq!(bob.error().await, FailureCode::Unreachable);
    sleep(Duration::from_millis(300)).await;
    alice.data(&content, 1..2).await;
    carol.expect(Kind::Data).await;
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_is_closed() {
    let mut rig = Rig::new(|config| (config.tls, config.patience, config.payload) = (false, Duration::from_millis(200), MAX_PAYLOAD));
    let content = content(16 << 20);
    let mut alice = rig.join(Role::Upload, 0).await;
    let whole = payload::Manifest { payload_size: MAX_PAYLOAD, bytes: Some(content.len() as u64), json: json("a", content.len()) };
    alice.send(Kind::Manifest, 1, 0, whole.to_bytes()).await;
    let size = MAX_PAYLOAD as usize;
    let packets = content.len().div_ceil(size);
    for sequence in 0..packets {
        let data = content.slice(sequence * size..content.len().min((sequence + 1) * size));
        alice.send(Kind::Data, packets as u64, sequence as u64, data).await;
    }
    let member = rig.member(Role::Download);
    member.socket.set_recv_buffer_size(16 * 1024).expect("set");
    let bob = rig.join_as(member, 0).await;
    match rig.news().await {
        PlaneEvent::Broken { member, .. } => assert_eq!(member, bob.member),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_stored_and_cannot_be_used_is_deleted_with_its_share() {
    let mut rig = Rig::new(|_| {});
    rig.join(Role::Upload, 0).await.upload(&content(2 * PAYLOAD)).await;
    let folder = rig.folder.clone();
    drop(rig);
    let files = folder.path().join("fileshare");
    std::fs::write(files.join("c-c1.spool"), vec![0; 2 * PAYLOAD]).expect("damaged");
    let mut rig = Rig::again(folder, |_| {});
    match rig.news().await {
        PlaneEvent::UploadFailed { why, .. } => assert_eq!(why.code, FailureCode::Integrity),
        other => panic!("{other:?}"),
    }
    assert!(stored(&files) > 0);
    rig.engine.close(&conf(), &Failure::new(FailureCode::Ended, "over"));
    soon("the files being deleted", async {
        while stored(&files) > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_told_so() {
    let rig = Rig::new(|_| {});
    let config = || EngineConfig::new(rig.folder.path().join("fileshare"), HERE);
    let refused = Engine::start(config()).expect_err("in use");
    assert!(matches!(refused, EngineError::InUse { .. }) && refused.to_string().contains("in use"), "{refused}");
    let folder = rig.folder.clone();
    drop(rig);
    Rig::again(folder, |_| {});
}

#[tokio::test]
async fn a_break_that_is_heard_of_when_the_member_has_come_again_is_none() {
    let mut rig = Rig::new(|config| config.tls = false);
    let bob = rig.join(Role::Download, 0).await;
    let event = |member| PlaneEvent::Broken { conf: conf(), member, why: None };
    for member in [bob.member, MemberId(99)] {
        rig.engine.common.tell(event(member)).await;
    }
    assert_eq!(rig.news().await, event(MemberId(99)), "bob is here");
}

#[tokio::test]
async fn what_a_member_had_is_forgotten_when_it_is_struck() {
    let mut rig = Rig::new(|config| config.tls = false);
    let content = content(PAYLOAD);
    rig.join(Role::Upload, 0).await.upload(&content).await;
    let mut bob = rig.join(Role::Download, 0).await;
    bob.download().await;
    while !matches!(rig.news().await, PlaneEvent::Received { .. }) {}
    assert_eq!(rig.engine.received(&conf(), bob.member), PAYLOAD as u64);
    rig.engine.strike(&conf(), bob.member, &Failure::new(FailureCode::Ended, "done"));
    assert_eq!(rig.engine.received(&conf(), bob.member), 0);
}

#[tokio::test]
async fn a_sharer_that_a_stopping_server_sends_away_goes_on_with_the_next() {
    let mut rig = Rig::new(|_| {});
    let content = content(6 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..4).await;
    while payload::Acknowledgement::read(&alice.expect(Kind::Acknowledgement).await.data).expect("one").durable < 4 * PAYLOAD as u64 {}
    let Rig { engine, folder, .. } = rig;
    let sent_away = async {
        let why = alice.error().await;
        drop(alice);
        why
    };
    let ((), why) = tokio::join!(engine.shut_down(), sent_away);
    assert_eq!(why, FailureCode::Busy, "terminals try again after this");
    let mut rig = Rig::again(folder, |_| {});
    let mut alice = rig.join(Role::Upload, 0).await;
    assert_eq!(alice.first, 4);
    alice.upload(&content).await;
}

#[tokio::test]
async fn a_sharer_that_gives_up_says_why() {
    let mut rig = Rig::new(|_| {});
    let mut alice = rig.join(Role::Upload, 0).await;
    let why = Failure::new(FailureCode::SourceChanged, "a.txt shrank");
    alice.send(Kind::Error, 0, 0, why.to_bytes()).await;
    assert_eq!(rig.news().await, PlaneEvent::GaveUp { conf: conf(), member: alice.member, why });
}

#[tokio::test]
async fn both_ways_go_on_after_a_break_without_sending_anything_twice() {
    let mut rig = Rig::new(|_| {});
    let content = content(8 * PAYLOAD + 5);
    let member = rig.member(Role::Upload);
    let (alice_id, alice_key) = (member.id, member.key.clone());
    let mut alice = rig.join_as(member, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..5).await;
    let mut bob = rig.join(Role::Download, 0).await;
    bob.expect(Kind::Manifest).await;
    for _ in 0..5 {
        bob.expect(Kind::Data).await;
    }
    drop((alice, bob));
    let mut alice_again = {
        let again = rig.reconnect(alice_id, Role::Upload, &alice_key);
        rig.join_as(again, 0).await
    };
    assert_eq!(alice_again.first, 5);
    alice_again.upload(&content).await;
    assert_eq!(rig.counts().received, content.len() as u64, "no packet came twice");
    let mut carol = rig.join(Role::Download, 3).await;
    assert_eq!(carol.download().await, content[3 * PAYLOAD..]);
}

#[tokio::test]
async fn a_new_connection_of_a_member_closes_the_old() {
    let mut rig = Rig::new(|_| {});
    let member = rig.member(Role::Upload);
    let (id, key) = (member.id, member.key.clone());
    let mut old = rig.join_as(member, 0).await;
    let again = rig.reconnect(id, Role::Upload, &key);
    assert_eq!(old.error().await, FailureCode::Conflict);
    assert_eq!(old.next().await, None);
    rig.join_as(again, 0).await.upload(&content(10)).await;
}

#[tokio::test]
async fn a_struck_member_is_told_why_and_the_others_go_on() {
    let mut rig = Rig::new(|_| {});
    let content = content(3 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    let (mut bob, mut carol) = (rig.join(Role::Download, 0).await, rig.join(Role::Download, 0).await);
    rig.engine.strike(&conf(), bob.member, &Failure::new(FailureCode::Ended, "put out"));
    assert_eq!(bob.error().await, FailureCode::Ended);
    alice.upload(&content).await;
    assert_eq!(carol.download().await, content);
}

#[tokio::test]
async fn a_released_port_refuses_connections_and_those_there_go_on() {
    let mut rig = Rig::new(|_| {});
    let content = content(3 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    rig.engine.release(&conf());
    refused(rig.port).await;
    alice.upload(&content).await;
    rig.port = rig.engine.open(&conf(), None).expect("another port");
    assert_eq!(rig.join(Role::Download, 0).await.download().await, content);
}

/// Waits until nobody listens on a port.
async fn refused(port: u16) {
    soon("the port being closed", async {
        while let Ok(stream) = TcpStream::connect(SocketAddr::new(HERE, port)).await {
            drop(stream);
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Files of data conferences in a folder.
fn stored(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").file_name());
    names.filter(|name| name != LOCK).count()
}

#[tokio::test]
async fn the_end_of_a_data_conference_leaves_nothing() {
    let mut rig = Rig::new(|_| {});
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(3 * PAYLOAD).await;
    alice.data(&content(3 * PAYLOAD), 0..2).await;
    let folder = rig.folder.path().join("fileshare");
    let files = || stored(&folder);
    assert!(files() > 0);
    rig.engine.close(&conf(), &Failure::new(FailureCode::Ended, "over"));
    assert_eq!(alice.error().await, FailureCode::Ended);
    refused(rig.port).await;
    soon("the files being deleted", async {
        while files() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn another_process_goes_on_with_an_upload_that_the_first_left() {
    let mut rig = Rig::new(|_| {});
    let content = content(6 * PAYLOAD);
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.manifest(content.len()).await;
    alice.data(&content, 0..4).await;
    // All four are there when somebody has got them.
    let mut bob = rig.join(Role::Download, 0).await;
    bob.expect(Kind::Manifest).await;
    for _ in 0..4 {
        bob.expect(Kind::Data).await;
    }
    let folder = rig.folder.clone();
    drop(rig);
    let mut rig = Rig::again(folder, |_| {});
    let mut alice = rig.join(Role::Upload, 0).await;
    assert_eq!((alice.first, alice.welcome.as_ref().map(|welcome| welcome.has_manifest)), (4, Some(true)));
    alice.upload(&content).await;
    assert_eq!(rig.join(Role::Download, 0).await.download().await, content);
}

#[tokio::test]
async fn a_complete_upload_is_there_after_a_restart_too() {
    let mut rig = Rig::new(|_| {});
    let content = content(2 * PAYLOAD + 1);
    rig.join(Role::Upload, 0).await.upload(&content).await;
    let folder = rig.folder.clone();
    drop(rig);
    let mut rig = Rig::again(folder, |_| {});
    assert_eq!(rig.news().await, PlaneEvent::Uploaded { conf: conf(), bytes: content.len() as u64 });
    assert_eq!(rig.join(Role::Download, 0).await.download().await, content);
    let mut alice = rig.join(Role::Upload, 0).await;
    alice.acknowledged().await;
}

#[tokio::test]
async fn a_stream_of_unknown_length_ends_with_its_trailer() {
    let mut rig = Rig::new(|_| {});
    let content = content(2 * PAYLOAD + 9);
    let mut bob = rig.join(Role::Download, 0).await;
    let mut alice = rig.join(Role::Upload, 0).await;
    let json = Bytes::from_static(br#"{"version":1,"entries":[{"path":"stdin","type":"file"}]}"#);
    let whole = payload::Manifest { payload_size: PAYLOAD as u32, bytes: None, json };
    alice.send(Kind::Manifest, 1, 0, whole.to_bytes()).await;
    for sequence in 0..3 {
        let data = content.slice(sequence * PAYLOAD..content.len().min((sequence + 1) * PAYLOAD));
        alice.send(Kind::Data, 0, sequence as u64, data).await;
    }
    alice.trailer(&content).await;
    alice.acknowledged().await;
    assert_eq!(bob.download().await, content);
}

#[tokio::test]
async fn an_empty_batch_is_complete_with_its_trailer() {
    let mut rig = Rig::new(|_| {});
    rig.join(Role::Upload, 0).await.upload(&Bytes::new()).await;
    assert!(rig.join(Role::Download, 0).await.download().await.is_empty());
}

#[tokio::test]
async fn a_limit_of_bytes_a_second_holds_for_each_and_for_all() {
    const RATE: u64 = 400 * 1024;
    let content = content(200 * 1024);
    for (each, total, members, least) in [(Some(RATE), None, 1, 400), (None, Some(RATE), 2, 900)] {
        let mut rig = Rig::new(|_| {});
        rig.join(Role::Upload, 0).await.upload(&content).await;
        rig.engine.set_limits(&conf(), Limits { total, each });
        let started = clock::now();
        let slowest = Arc::new(AtomicU64::new(0));
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..members {
            let (mut member, slowest) = (rig.join(Role::Download, 0).await, slowest.clone());
            running.spawn(async move {
                member.download().await;
                slowest.fetch_max(clock::now().duration_since(started).as_millis() as u64, Ordering::Relaxed);
            });
        }
        running.join_all().await;
        let took = slowest.load(Ordering::Relaxed);
        assert!(took >= least, "{members} members took {took} ms, at least {least} were due");
    }
}

#[tokio::test]
async fn a_receiver_cannot_acknowledge_what_it_was_not_sent() {
    let mut rig = Rig::new(|_| {});
    rig.join(Role::Upload, 0).await.upload(&content(PAYLOAD)).await;
    let mut bob = rig.join(Role::Download, 0).await;
    bob.expect(Kind::Manifest).await;
    let acknowledgement = payload::Acknowledgement { durable: 2 * PAYLOAD as u64, complete: true };
    bob.send(Kind::Acknowledgement, 0, 0, acknowledgement.to_bytes()).await;
    loop {
        match bob.next().await {
            Some(Packet { header: Header { kind: Kind::Error, .. }, data }) => {
                break assert_eq!(Failure::read(&data).expect("a failure").code, FailureCode::Protocol);
            }
            Some(_) => {}
            None => panic!("the connection ended without a word"),
        }
    }
}

#[test]
fn the_manifest_of_these_tests_is_one() {
    assert_eq!(transfer::Manifest::from_json(&json("talk/slides.pdf", 7)).expect("a manifest").total(), Some(7));
}

/// The terminals of this crate, with real files in a folder each.
mod with_our_terminals {
    use std::{fs, path::Path};

    use super::*;
    use crate::{
        fileshare::{
            client::{Downloader, LocalPort, Settings, Ticket, Uploader},
            wire::control::Endpoint,
        },
        transfer::{SinkOptions, Source, SourceOptions},
    };

    impl Rig {
        /// A member that has declared the port of one of our terminals.
        fn terminal(&mut self, role: Role) -> (LocalPort, Ticket) {
            self.next += 1;
            self.declare(MemberId(self.next), role, TransferKey::from_bytes([self.next as u8; 32]))
        }

        fn declare(&mut self, id: MemberId, role: Role, key: TransferKey) -> (LocalPort, Ticket) {
            let port = LocalPort::bind(HERE).expect("a port");
            self.engine.admit(&conf(), id, Pass { role, source: port.address(), key: key.clone() });
            let endpoint = Endpoint { address: SocketAddr::new(HERE, self.port), fingerprint: self.engine.fingerprint(), key };
            (port, Ticket { conf: conf(), batch: BATCH, endpoint })
        }
    }

    fn files(folder: &Path) {
        fs::create_dir_all(folder.join("talk/empty")).expect("made");
        fs::write(folder.join("talk/slides.pdf"), content(900_001)).expect("written");
        fs::write(folder.join("talk/notes.txt"), content(5)).expect("written");
        fs::write(folder.join("talk/nothing"), b"").expect("written");
    }

    async fn received(mut downloader: Downloader, port: LocalPort, ticket: Ticket) {
        soon("the download", downloader.run(port, &ticket, &Settings::default())).await.expect("downloaded");
    }

    #[tokio::test]
    async fn folders_go_through_to_several_receivers_and_the_upload_survives_a_cut_and_a_restart() {
        let here = tempfile::tempdir().expect("a folder");
        files(here.path());
        let mut rig = Rig::new(|config| config.payload = 64 * 1024);
        let source = Source::from_paths(vec![here.path().join("talk")], SourceOptions::default()).await.expect("a source");
        let mut alice = Uploader::new(source).expect("an uploader");

        // A limit holds the upload while it is cut off, and the server with it.
        let (port, ticket) = rig.terminal(Role::Upload);
        let (id, key) = (MemberId(rig.next), ticket.endpoint.key.clone());
        let settings = Settings { limit: NonZeroU64::new(400_000), ..Settings::default() };
        let stop = settings.stop.clone();
        let cut = async {
            while rig.counts().received < 200_000 {
                sleep(Duration::from_millis(5)).await;
            }
            stop.cancel();
        };
        let (broken, ()) = soon("the cut", async { tokio::join!(alice.run(port, &ticket, &settings), cut) }).await;
        assert!(broken.expect_err("cut off").is_resumable());
        let folder = rig.folder.clone();
        drop(rig);
        let mut rig = Rig::again(folder, |config| config.payload = 64 * 1024);
        rig.next = id.0;

        let mut receivers = tokio::task::JoinSet::new();
        let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().expect("a folder")).collect();
        for folder in &folders {
            let (port, ticket) = rig.terminal(Role::Download);
            let downloader = Downloader::to_folder(folder.path().to_owned(), SinkOptions::default());
            receivers.spawn(received(downloader, port, ticket));
        }
        let (port, ticket) = rig.declare(id, Role::Upload, key);
        let uploaded = soon("the upload", alice.run(port, &ticket, &Settings::default())).await.expect("uploaded");
        assert_eq!(uploaded.bytes, 900_006);
        assert!(rig.counts().received < 900_006 - 3 * 64 * 1024, "what was there was not sent again");
        while let Some(done) = receivers.join_next().await {
            done.expect("a receiver");
        }
        for folder in &folders {
            let read = |name: &str| fs::read(folder.path().join(name)).expect(name);
            assert!(read("talk/slides.pdf") == content(900_001) && read("talk/notes.txt") == content(5) && read("talk/nothing").is_empty());
            assert!(folder.path().join("talk/empty").is_dir());
        }
    }
}
