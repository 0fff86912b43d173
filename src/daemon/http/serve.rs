//! HTTP/1.1 over TCP and TLS, within bounds.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{config::HttpListener, daemon::DaemonError, sip::transport::TlsStore};

/// Connections at once, over all listeners. One more waits in the kernel.
const CONNECTIONS: usize = 1024;
/// Time for a TLS handshake, and for the head of each request; then the connection is closed.
const HEAD: Duration = Duration::from_secs(10);
/// Most header fields of a request; more is answered 431.
const MAX_HEADERS: usize = 64;
/// Most bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;
/// Pause after the system refused to accept, such as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener that is open.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    /// Where.
    pub address: SocketAddr,
    tls: bool,
}

impl Bound {
    /// The URL of the listener, as clients on this machine reach it where it listens on a wildcard.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", crate::daemon::ready::reachable(self.address))
    }
}

/// Opens the listeners, or none.
pub fn bind(listeners: &[HttpListener]) -> Result<Vec<Bound>, DaemonError> {
    let open = |listener: &HttpListener| {
        let failed = |source| DaemonError::Listen { what: "http", address: listener.address, source };
        let socket = std::net::TcpListener::bind(listener.address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let socket = TcpListener::from_std(socket).map_err(failed)?;
        Ok(Bound { address: socket.local_addr().map_err(failed)?, listener: socket, tls: listener.tls })
    };
    listeners.iter().map(open).collect()
}

/// Serves until `stop`; connections that are open then end with the answer they are at. Tasks belong to `tracker`.
pub fn serve(bound: Vec<Bound>, routes: &Router, certificates: &Arc<TlsStore>, tracker: &TaskTracker, stop: &CancellationToken) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    for listener in bound {
        let shared = Shared {
            routes: routes.clone(),
            certificates: listener.tls.then(|| certificates.clone()),
            tracker: tracker.clone(),
            stop: stop.clone(),
        };
        tracker.spawn(accept(listener.listener, permits.clone(), shared));
    }
}

/// What a connection needs.
#[derive(Clone)]
struct Shared {
    routes: Router,
    certificates: Option<Arc<TlsStore>>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

async fn accept(listener: TcpListener, permits: Arc<Semaphore>, shared: Shared) {
    let next = async || -> io::Result<(OwnedSemaphorePermit, TcpStream)> {
        // Closed by nobody.
        let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
        Ok((permit, listener.accept().await?.0))
    };
    loop {
        let accepted = tokio::select! {
            accepted = next() => accepted,
            () = shared.stop.cancelled() => return,
        };
        match accepted {
            Ok((permit, stream)) => {
                shared.tracker.spawn(connection(stream, permit, shared.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection cannot be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, _permit: OwnedSemaphorePermit, shared: Shared) {
    // Answers are small and written at once.
    let _ = stream.set_nodelay(true);
    let Some(certificates) = &shared.certificates else { return talk(stream, &shared).await };
    let Some(config) = certificates.server_config() else { return };
    match timeout(HEAD, TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(stream)) => talk(stream, &shared).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake for HTTP failed"),
        Err(_) => tracing::debug!("a TLS handshake for HTTP took too long"),
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: &Shared) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD);
    let service = TowerToHyperService::new(shared.routes.clone());
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = shared.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            // An answer that the peer does not take is given up with the head's time.
            timeout(HEAD, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection broke off");
    }
}
