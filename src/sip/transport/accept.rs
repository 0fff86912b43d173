//! Connections from outside, and from other roles of this process.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{
    bind,
    flow::{self, Connection},
    flows::Place,
    inner::Inner,
    local::{LocalListener, Visit},
};
use crate::sip::{Address, Hop, Transport, node::PeerIdentity};

/// First and longest wait after an error of the system, such as no free descriptor: accepting on at once would only spin.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Accepts on one listener until everything stops.
pub(super) async fn listen(inner: Arc<Inner>, transport: Transport, listener: TcpListener) {
    let mut wait = BACK_OFF.0;
    loop {
        let accepted = tokio::select! {
            biased;
            () = inner.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                wait = BACK_OFF.0;
                admit(&inner, transport, stream, peer);
            }
            Err(error) if is_of_one_connection(&error) => inner.counters.accept_errors.up(),
            Err(error) => {
                inner.counters.accept_errors.up();
                if wait == BACK_OFF.0 {
                    tracing::warn!(%error, "connections cannot be accepted; trying again");
                }
                tokio::select! {
                    () = inner.stop.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
                wait = (wait * 2).min(BACK_OFF.1);
            }
        }
    }
}

/// True for errors that say nothing of the next connection (accept(2) hands on what befell this one).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::ConnectionRefused
            | Kind::Interrupted
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
    )
}

fn admit(inner: &Arc<Inner>, transport: Transport, stream: TcpStream, peer: SocketAddr) {
    let Some(place) = inner.flows.accept(Some(peer.ip())) else {
        inner.counters.refused.up();
        tracing::debug!(%peer, "too many connections: closed");
        return;
    };
    inner.counters.accepted.up();
    bind::tune(&stream);
    let shared = inner.clone();
    inner.tracker.spawn(async move {
        let to = stream.local_addr().map_or(peer, |local| local);
        let from = Hop { transport, address: Address::Socket(peer), flow: Some(place.id) };
        let to = Address::Socket(to);
        if transport == Transport::Tls {
            shake(shared, place, stream, from, to, peer).await;
        } else {
            flow::serve(shared, Connection { from, to, peer: PeerIdentity::Anonymous, place, accepted: true }, stream).await;
        }
    });
}

async fn shake(inner: Arc<Inner>, place: Place, stream: TcpStream, from: Hop, to: Address, peer: SocketAddr) {
    // A listener for TLS is not opened without a certificate, and a reload keeps one.
    let Some(store) = inner.tls.clone() else { return };
    let loaded = store.loaded();
    let Some(server) = loaded.server.clone() else { return };
    let shaken = tokio::select! {
        () = inner.stop.cancelled() => return,
        shaken = tokio::time::timeout(inner.limits.first_byte, TlsAcceptor::from(server).accept(stream)) => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => {
            let identity = loaded.client_identity(stream.get_ref().1.peer_certificates(), peer.ip());
            flow::serve(inner, Connection { from, to, peer: identity, place, accepted: true }, stream).await;
        }
        Ok(Err(error)) => {
            inner.counters.handshakes_failed.up();
            tracing::debug!(%peer, %error, "the TLS handshake failed");
        }
        Err(_) => {
            inner.counters.timed_out.up();
            tracing::debug!(%peer, "the TLS handshake took too long");
        }
    }
}

/// Accepts the streams of other roles until everything stops.
pub(super) async fn listen_local(inner: Arc<Inner>, mut listener: LocalListener, role: String) {
    loop {
        let visit = tokio::select! {
            biased;
            () = inner.stop.cancelled() => return,
            visit = listener.accept() => visit,
        };
        let Some(Visit { from: visitor, stream }) = visit else { return };
        let Some(place) = inner.flows.accept(None) else { continue };
        let Hop { transport, address, .. } = Hop::local(&visitor);
        let from = Hop { transport, address, flow: Some(place.id) };
        let connection =
            Connection { from, to: Hop::local(&role).address, peer: PeerIdentity::Local { role: visitor }, place, accepted: true };
        inner.tracker.spawn(flow::serve(inner.clone(), connection, stream));
    }
}
