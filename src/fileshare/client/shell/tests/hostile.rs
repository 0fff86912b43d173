//! Servers that do wrong.

use bytes::Bytes;
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::fileshare::{
    client::model::Server,
    wire::{
        Decoder, Fingerprint, Header, Kind, Packet, Route, Way,
        packet::MAX_PAYLOAD,
        parts,
        payload::{self, FileHash},
        proof::Binding,
    },
};

pub(super) const PAYLOAD: u32 = 1024;

/// What a server does after a packet.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Then {
    More,
    /// It says nothing more.
    Silence,
    /// It closes.
    End,
}

/// A server that has a batch of one file.
pub(super) fn stocked(bytes: &[u8]) -> Server {
    let mut server = Server::new(PAYLOAD);
    let json = format!(r#"{{"version":1,"entries":[{{"path":"a.bin","type":"file","size":{}}}]}}"#, bytes.len());
    let header = payload::Manifest { payload_size: PAYLOAD, bytes: Some(bytes.len() as u64), json: json.into() };
    let blake3 = *blake3::hash(bytes).as_bytes();
    let size = bytes.len() as u64;
    let trailer = payload::Trailer {
        bytes: size,
        packets: size.div_ceil(PAYLOAD.into()),
        blake3,
        sha256: None,
        files: vec![FileHash { size, blake3 }],
    };
    (server.manifest, server.trailer) = (Some(header.to_bytes()), Some(trailer.to_bytes()));
    server.bytes = bytes.to_vec();
    server
}

/// Serves one connection; what it sends goes through `spoil`, which gives bytes, and what then.
pub(super) async fn serve(listener: TcpListener, mut server: Server, mut spoil: impl FnMut(Packet) -> (Bytes, Then)) -> Server {
    let (mut stream, from) = listener.accept().await.expect("a connection");
    let mut connection = server.open(from, 1, Binding::Plain);
    let mut decoder = Decoder::new(Way::ToServer, MAX_PAYLOAD);
    loop {
        while let Some(packet) = server.give(&mut connection) {
            let (bytes, then) = spoil(packet);
            if stream.write_all(&bytes).await.is_err() || then != Then::More {
                if then == Then::End {
                    let _ = stream.shutdown().await;
                }
                // The terminal's last words.
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                return server;
            }
        }
        if !matches!(stream.read_buf(decoder.room()).await, Ok(1..)) {
            return server;
        }
        while let Some(packet) = decoder.next_packet().expect("a packet") {
            if matches!(packet.header.kind, Kind::Error | Kind::Cancel) {
                return server;
            }
            server.take(&mut connection, &packet);
        }
    }
}

/// A download from such a server: how it failed, and what is in its folder.
async fn spoiled(bytes: &[u8], spoil: impl FnMut(Packet) -> (Bytes, Then)) -> (TransferError, BTreeMap<String, Vec<u8>>) {
    let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
    let server = stocked(bytes);
    let ticket = server.ticket(listener.local_addr().expect("an address"), None);
    let target = tempfile::tempdir().expect("a folder");
    let mut downloader = Downloader::to_folder(target.path().to_owned(), SinkOptions::default());
    let port = LocalPort::bind(HERE).expect("a port");
    let settings = Settings::default();
    let (_, result) = tokio::join!(soon(serve(listener, server, spoil)), soon(downloader.run(port, &ticket, &settings)));
    downloader.abort().await.expect("removed");
    (result.expect_err("it did wrong"), files(target.path()))
}

pub(super) fn as_is(packet: &Packet) -> (Bytes, Then) {
    (packet.to_bytes(), Then::More)
}

#[tokio::test]
async fn what_a_server_does_wrong_has_its_name_and_leaves_no_file() {
    type Spoil = Box<dyn FnMut(Packet) -> (Bytes, Then)>;
    let change = |kind: Kind, change: fn(&mut Packet)| -> Spoil {
        Box::new(move |mut packet| {
            if packet.header.kind == kind {
                change(&mut packet);
            }
            as_is(&packet)
        })
    };
    let instead = |kind: Kind, bytes: fn(&Packet) -> Vec<u8>| -> Spoil {
        Box::new(move |packet| if packet.header.kind == kind { (bytes(&packet).into(), Then::End) } else { as_is(&packet) })
    };
    let bytes = content(20, 5000);
    for (what, spoil, code, words) in [
        (
            "garbage",
            instead(Kind::Challenge, |_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            FailureCode::Unsupported,
            "operation type 72",
        ),
        ("a later version", instead(Kind::Data, |_| vec![1, 2, 1, 58]), FailureCode::Unsupported, "version 2"),
        (
            "a long packet before admission",
            instead(Kind::Challenge, |packet| {
                let header = Header { kind: Kind::Data, total: 9, length: MAX_PAYLOAD, ..packet.header };
                header.encode().to_vec()
            }),
            FailureCode::Limit,
            "1048576 bytes is too long",
        ),
        (
            "data out of order",
            change(Kind::Data, |packet| packet.header.sequence ^= 1),
            FailureCode::Protocol,
            "packet 1 came where packet 0",
        ),
        ("another batch", change(Kind::Data, |packet| packet.header.batch = BatchId(8)), FailureCode::Protocol, "another batch"),
        ("no key", change(Kind::Welcome, |packet| packet.data = spoilt(packet)), FailureCode::Forbidden, "transfer key"),
        (
            "changed bytes",
            change(Kind::Data, |packet| packet.data = packet.data.iter().map(|byte| byte ^ 1).collect()),
            FailureCode::Integrity,
            "damaged",
        ),
        (
            "wrong hashes",
            change(Kind::Trailer, |packet| {
                let mut trailer = payload::Trailer::read(&packet.data).expect("a trailer");
                trailer.files[0].blake3[0] ^= 1;
                trailer.blake3 = payload::Trailer::digest_of(&trailer.files);
                packet.data = trailer.to_bytes();
            }),
            FailureCode::Integrity,
            "damaged",
        ),
        (
            "a name that leads out",
            change(Kind::Manifest, |packet| packet.data = manifest(packet, "../a.bin")),
            FailureCode::Usage,
            "../a.bin",
        ),
        (
            "an end in the middle",
            instead(Kind::Data, |packet| packet.to_bytes()[..500].to_vec()),
            FailureCode::Protocol,
            "middle of a packet",
        ),
    ] {
        let (error, left) = spoiled(&bytes, spoil).await;
        assert_eq!(error.code(), code, "{what}: {error}");
        assert!(error.to_string().contains(words), "{what}: {error}");
        assert_eq!(left, BTreeMap::new(), "{what}");
        assert_eq!(error.is_resumable(), what == "an end in the middle", "{what}");
    }
}

fn spoilt(packet: &Packet) -> Bytes {
    let mut data = packet.data.to_vec();
    data[0] ^= 1;
    data.into()
}

/// The batch header with another name, of the same length.
fn manifest(packet: &Packet, name: &str) -> Bytes {
    let mut header = payload::Manifest::read(packet.data.clone()).expect("a header");
    header.json = String::from_utf8_lossy(&header.json).replace("a.bin", name).into();
    let whole = header.to_bytes();
    let route = Route { way: Way::ToTerminal, terminal: packet.header.terminal, batch: packet.header.batch };
    assert_eq!(parts::cut(route, Kind::Manifest, whole.clone()).count(), 1);
    whole
}

#[tokio::test]
async fn another_certificate_than_signalling_named_gets_not_a_byte() {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::default().self_signed(&key).expect("a certificate").der().clone();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.clone()], private).expect("a certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let right = Fingerprint::of_certificate(&certificate);
    for fingerprint in [Fingerprint([0; 32]), right] {
        let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
        let ticket = stocked(b"x").ticket(listener.local_addr().expect("an address"), Some(fingerprint));
        let serving = async {
            let (stream, _) = listener.accept().await.expect("a connection");
            acceptor.accept(stream).await.map(|_| ()).is_ok()
        };
        let port = LocalPort::bind(HERE).expect("a port");
        let target = tempfile::tempdir().expect("a folder");
        let mut downloader = Downloader::to_folder(target.path().to_owned(), SinkOptions::default());
        let settings = Settings::default();
        let (shaken, result) = tokio::join!(soon(serving), soon(downloader.run(port, &ticket, &settings)));
        let error = result.expect_err("nothing was served");
        assert_eq!(shaken, fingerprint == right);
        assert_eq!(matches!(error, TransferError::Certificate { .. }), fingerprint != right, "{error}");
        assert_eq!(error.is_resumable(), fingerprint == right, "{error}");
    }
}

#[tokio::test]
async fn nobody_there_and_nobody_who_speaks_end_in_time() {
    let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let target = tempfile::tempdir().expect("a folder");
    let mut downloader = Downloader::to_folder(target.path().to_owned(), SinkOptions::default());
    let settings = Settings { handshake_timeout: Duration::from_millis(50), ..Settings::default() };
    // The kernel takes the connection, and nobody answers.
    let ticket = stocked(b"x").ticket(address, Some(Fingerprint([0; 32])));
    let error = soon(downloader.run(LocalPort::bind(HERE).expect("a port"), &ticket, &settings)).await.expect_err("silence");
    assert!(matches!(error, TransferError::TimedOut { .. }) && error.is_resumable(), "{error}");
    drop(listener);
    let error = soon(downloader.run(LocalPort::bind(HERE).expect("a port"), &ticket, &settings)).await.expect_err("nobody");
    assert!(matches!(error, TransferError::Unreachable { .. }) && error.is_resumable(), "{error}");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_after_three_heartbeats() {
    let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
    let server = Server { heartbeat: 1, ..stocked(&content(21, 5000)) };
    let ticket = server.ticket(listener.local_addr().expect("an address"), None);
    let target = tempfile::tempdir().expect("a folder");
    let mut downloader = Downloader::to_folder(target.path().to_owned(), SinkOptions::default());
    let mut sent = 0;
    // Challenge, welcome, manifest, and two of five packets.
    let spoil = |packet: Packet| {
        sent += 1;
        (packet.to_bytes(), if sent < 5 { Then::More } else { Then::Silence })
    };
    let port = LocalPort::bind(HERE).expect("a port");
    let settings = Settings::default();
    let (_, result) = tokio::join!(soon(serve(listener, server, spoil)), soon(downloader.run(port, &ticket, &settings)));
    let error = result.expect_err("silence");
    assert!(error.is_resumable(), "{error}");
    assert!(matches!(error, TransferError::Fault(Fault::Silent(after)) if after == Duration::from_secs(3)), "{error}");
    assert_eq!(downloader.state().written, 2 * u64::from(PAYLOAD), "what came is kept");
}
