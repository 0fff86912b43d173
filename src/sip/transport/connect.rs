//! Connections that we open.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    bind,
    flow::{self, Connection},
    flows::{Place, Target},
    inner::Inner,
    tls::Loaded,
};
use crate::sip::{
    Address, Hop, Transport,
    node::{PeerIdentity, SendFault},
};

/// Opens the connection of a place whose queue holds what shall leave by it. What goes wrong after the first moment is told
/// of each hop in the queue.
pub(super) fn open(inner: &Arc<Inner>, place: Place, target: Target) -> Result<(), SendFault> {
    if target.transport == Transport::Local {
        return open_local(inner, place, &target.address);
    }
    let shared = inner.clone();
    inner.tracker.spawn(async move {
        let reached = tokio::select! {
            () = shared.stop.cancelled() => Err(SendFault::Closed),
            reached = reach(&shared, &target) => reached,
        };
        match reached {
            Ok(stream) => talk(shared, place, target, stream).await,
            Err(why) => flow::give_up(&shared, place, &why).await,
        }
    });
    Ok(())
}

fn open_local(inner: &Arc<Inner>, place: Place, address: &Address) -> Result<(), SendFault> {
    let (hub, role) = inner.local.as_ref().ok_or(SendFault::NoTransport)?;
    let Address::Name { host, .. } = address else { return Err(SendFault::NoSuchRole) };
    let stream = hub.connect(role, host)?;
    let peer = PeerIdentity::Local { role: host.trim_end_matches(".invalid").to_owned() };
    let from = Hop { transport: Transport::Local, address: address.clone(), flow: Some(place.id) };
    let connection = Connection { from, to: Hop::local(role).address, peer, place, accepted: false };
    inner.tracker.spawn(flow::serve(inner.clone(), connection, stream));
    Ok(())
}

/// The first address of the target that takes a connection.
async fn reach(inner: &Inner, target: &Target) -> Result<TcpStream, SendFault> {
    let addresses = match &target.address {
        Address::Socket(address) => vec![*address],
        Address::Name { host, port } => inner.names.resolve(host, *port).await?,
    };
    let mut last = SendFault::NoSuchHost;
    for address in addresses {
        last = match timeout(inner.limits.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => SendFault::from(&error),
            Err(_) => SendFault::TimedOut,
        };
    }
    Err(last)
}

async fn talk(inner: Arc<Inner>, place: Place, target: Target, stream: TcpStream) {
    bind::tune(&stream);
    let (peer, local) = match (stream.peer_addr(), stream.local_addr()) {
        (Ok(peer), Ok(local)) => (peer, local),
        (Err(error), _) | (_, Err(error)) => return flow::give_up(&inner, place, &SendFault::from(&error)).await,
    };
    let from = Hop { transport: target.transport, address: Address::Socket(peer), flow: Some(place.id) };
    let to = Address::Socket(local);
    let traced = inner.tracer.as_ref().map(|tracer| tracer.own(target.transport, to.clone()));
    if target.transport == Transport::Tls {
        match shake(&inner, &target, stream, peer).await {
            Ok((stream, identity)) => flow::serve(inner, Connection { from, to, peer: identity, place, accepted: false }, stream).await,
            Err(why) => flow::give_up(&inner, place, &why).await,
        }
    } else {
        place.aliases().learn([Target { transport: target.transport, address: Address::Socket(peer), server_name: None }]);
        flow::serve(inner, Connection { from, to, peer: PeerIdentity::Anonymous, place, accepted: false }, stream).await;
    }
    drop(traced);
}

async fn shake(
    inner: &Inner,
    target: &Target,
    stream: TcpStream,
    peer: SocketAddr,
) -> Result<(TlsStream<TcpStream>, PeerIdentity), SendFault> {
    let loaded = inner.tls.as_ref().ok_or(SendFault::NoTransport)?.loaded();
    let wanted = target.server_name.clone().unwrap_or_else(|| peer.ip().to_string());
    let name = ServerName::try_from(wanted).map_err(|_| SendFault::NoSuchHost)?;
    let (config, seen) = loaded.client();
    let shaken = tokio::select! {
        () = inner.stop.cancelled() => return Err(SendFault::Closed),
        shaken = timeout(inner.limits.first_byte, TlsConnector::from(config).connect(name, stream)) => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => {
            let identity = Loaded::server_identity(stream.get_ref().1.peer_certificates(), peer.ip());
            Ok((stream, identity))
        }
        Ok(Err(error)) => {
            inner.counters.handshakes_failed.up();
            Err(handshake_fault(&error, seen.presented()))
        }
        Err(_) => {
            inner.counters.timed_out.up();
            Err(SendFault::TimedOut)
        }
    }
}

fn handshake_fault(error: &io::Error, presented: Vec<[u8; 32]>) -> SendFault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => SendFault::Untrusted { why: why.to_string(), presented },
        Some(other) => SendFault::Handshake(other.to_string()),
        None => SendFault::Handshake(error.to_string()),
    }
}
