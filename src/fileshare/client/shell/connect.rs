//! A port that is declared before it is used, and the connection from it.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::TLS13,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Settings, TransferError};
use crate::fileshare::wire::{
    Fingerprint,
    control::Endpoint,
    proof::{Binding, EXPORTER_LABEL, Role},
};

/// What is read from the socket at once on the way to TLS, in bytes: of a download, of an upload, which hears little. TLS itself would ask for 4 KiB.
const READ: (usize, usize) = (256 * 1024, 8 * 1024);
/// Plaintext that TLS takes in before it has to be sent, in bytes: a whole packet, so that it goes by few large writes.
const UNSENT: usize = 320 * 1024;

/// A port to connect from: bound, so that signalling can declare it, and good for one connection.
#[derive(Debug)]
pub struct LocalPort {
    socket: TcpSocket,
    address: SocketAddr,
}

impl LocalPort {
    /// A port that the system chooses, on an address of this host. To be called inside a runtime of tokio.
    ///
    /// # Errors
    /// [`TransferError::Port`].
    pub fn bind(ip: IpAddr) -> Result<Self, TransferError> {
        Self::bind_to(SocketAddr::new(ip, 0))
    }

    /// A certain port, where a firewall wants that. It can be taken again at once after a connection from it has ended.
    ///
    /// # Errors
    /// [`TransferError::Port`].
    pub fn bind_to(address: SocketAddr) -> Result<Self, TransferError> {
        let bound = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            // The system would give a port that another of ours has already.
            socket.set_reuseaddr(address.port() != 0)?;
            socket.bind(address)?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        bound().map_err(|source| TransferError::Port { address, source })
    }

    /// What is to be declared.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connects. When the connection is dropped, what the system has not sent of it yet is dropped with it: a transfer that goes on over another
    /// connection sends by that one only. What the other side is to hear is to be followed by a shutdown, and its close awaited.
    pub(super) async fn connect(self, endpoint: &Endpoint, role: Role, settings: &Settings) -> Result<Connection, TransferError> {
        let server = endpoint.address;
        let after = settings.connect_timeout;
        let connected = timeout(after, self.socket.connect(server)).await;
        let stream = connected
            .map_err(|_| TransferError::TimedOut { server, after })?
            .and_then(|stream| stream.set_nodelay(true).and_then(|()| stream.set_zero_linger()).map(|()| stream))
            .map_err(|source| TransferError::Unreachable { server, source })?;
        let Some(fingerprint) = endpoint.fingerprint else { return Ok(Connection::Plain(stream)) };
        let after = settings.handshake_timeout;
        let broken = |source| TransferError::Tls { server, source };
        let connector = TlsConnector::from(client_config(fingerprint).map_err(|error| broken(io::Error::other(error)))?);
        let stream = BufReader::with_capacity(if role == Role::Download { READ.0 } else { READ.1 }, stream);
        let mut stream = timeout(after, connector.connect(ServerName::IpAddress(server.ip().into()), stream))
            .await
            .map_err(|_| TransferError::TimedOut { server, after })?
            .map_err(|error| if is_about_certificate(&error) { TransferError::Certificate { server } } else { broken(error) })?;
        stream.get_mut().1.set_buffer_limit(Some(UNSENT));
        Ok(Connection::Tls(Box::new(stream)))
    }
}

/// A connection that was made.
pub(super) enum Connection {
    Plain(TcpStream),
    Tls(Box<TlsStream<BufReader<TcpStream>>>),
}

/// What bytes go over.
pub(super) trait Stream: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Stream for S {}

impl Connection {
    /// What ties proofs to it.
    pub(super) fn binding(&self) -> Result<Binding, io::Error> {
        match self {
            Self::Plain(_) => Ok(Binding::Plain),
            Self::Tls(stream) => {
                let exported = stream.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None);
                exported.map(Binding::Exporter).map_err(io::Error::other)
            }
        }
    }

    pub(super) fn into_stream(self) -> Box<dyn Stream> {
        match self {
            Self::Plain(stream) => Box::new(stream),
            Self::Tls(stream) => stream,
        }
    }
}

fn is_about_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(inner, Some(Error::InvalidCertificate(_)))
}

/// TLS 1.3 only, as both ends are ours; no tickets, as each connection proves itself anew.
fn client_config(fingerprint: Fingerprint) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(OnlyThis { fingerprint, provider: provider.clone() });
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
    let mut config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// Believes the one certificate that signalling named (RFC 8122 §6): its names, its authority and its dates say nothing.
#[derive(Debug)]
struct OnlyThis {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OnlyThis {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        _rest: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if Fingerprint::of_certificate(own) == self.fingerprint {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, own, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, own, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
