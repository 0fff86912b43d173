//! What the tasks of one [`Transports`](super::Transports) share, and the choice of the way for a message.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    LocalHub, TlsStore, TransportLimits, connect,
    flows::{self, Flows, NotQueued, Outgoing, Target},
    names::Names,
    stats::Counters,
    trace::Tracer,
    udp::UdpPorts,
};
use crate::sip::{
    Address, Hop, Transport,
    message::Via,
    node::{Arrival, SendFault},
};

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) limits: TransportLimits,
    pub(super) arrivals: mpsc::Sender<Arrival>,
    pub(super) udp: UdpPorts,
    pub(super) flows: Flows,
    pub(super) names: Names,
    pub(super) tls: Option<Arc<TlsStore>>,
    pub(super) local: Option<(LocalHub, String)>,
    pub(super) tracer: Option<Tracer>,
    pub(super) counters: Counters,
    pub(super) tracker: TaskTracker,
    /// Cancelled when everything shall end.
    pub(super) stop: CancellationToken,
    pub(super) listening: BTreeMap<Transport, Vec<SocketAddr>>,
}

impl Inner {
    /// Hands an arrival up, waiting for room. False when nobody takes arrivals any more.
    pub(super) async fn deliver(&self, arrival: Arrival) -> bool {
        match &arrival {
            Arrival::Message { .. } => self.counters.messages_in.up(),
            Arrival::Failed { hop, why } => {
                self.counters.failed.up();
                tracing::debug!(%hop, %why, "a message could not be sent");
            }
            Arrival::Closed { .. } => {}
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            sent = self.arrivals.send(arrival) => sent.is_ok(),
        }
    }

    /// Sends by whichever way the hop names.
    pub(super) fn send(self: &Arc<Self>, hop: &Hop, bytes: Bytes) -> Result<(), SendFault> {
        let sent = match hop.transport {
            Transport::Udp => super::udp::send(self, hop, bytes),
            Transport::Tcp | Transport::Tls | Transport::Local => self.send_stream(hop, Outgoing { bytes, hop: Some(hop.clone()) }),
        };
        sent.inspect_err(|_| self.counters.failed.up())
    }

    fn send_stream(self: &Arc<Self>, hop: &Hop, mut outgoing: Outgoing) -> Result<(), SendFault> {
        if let Some(id) = hop.flow {
            if let Some(sender) = self.flows.sender(id) {
                match sender.send(outgoing) {
                    Ok(()) => return Ok(()),
                    Err(NotQueued::Full) => return Err(SendFault::Full),
                    Err(NotQueued::Gone(back)) => outgoing = back,
                }
            }
            if outgoing.is_response() {
                return self.answer_anew(hop, outgoing);
            }
            if !flows::is_ours(id) {
                return Err(SendFault::Closed);
            }
        }
        self.send_to(Target::of(hop), outgoing)
    }

    /// Sends by the connection to `target`, which is opened where there is none.
    fn send_to(self: &Arc<Self>, target: Target, outgoing: Outgoing) -> Result<(), SendFault> {
        if target.transport == Transport::Tls && self.tls.is_none() {
            return Err(SendFault::NoTransport);
        }
        if let Some(place) = self.flows.send_to(&target, outgoing)? {
            connect::open(self, place, target)?;
        }
        Ok(())
    }

    /// RFC 3261 §18.2.2: the connection that a request came by is gone, so its answer goes by a new one to the address that
    /// the request came from, at the port of the topmost Via.
    pub(super) fn answer_anew(self: &Arc<Self>, hop: &Hop, outgoing: Outgoing) -> Result<(), SendFault> {
        let via = top_via(&outgoing.bytes).ok_or(SendFault::Closed)?;
        let (address, server_name) = match &hop.address {
            Address::Socket(source) => {
                let address = SocketAddr::new(source.ip(), via.port_or_default());
                (Address::Socket(address), (hop.transport == Transport::Tls).then(|| bare(&via)))
            }
            role @ Address::Name { .. } => (role.clone(), None),
        };
        self.send_to(Target { transport: hop.transport, address, server_name }, outgoing)
    }
}

/// The host of a sent-by as a certificate names it.
pub(super) fn bare(via: &Via) -> String {
    via.host.to_string().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

/// The topmost Via of a message in bytes.
pub(super) fn top_via(bytes: &[u8]) -> Option<Via> {
    let head = bytes.windows(4).position(|w| w == b"\r\n\r\n").and_then(|end| bytes.get(..end)).unwrap_or(bytes);
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n").skip(1);
    let value = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let name = name.trim_end();
        (name.eq_ignore_ascii_case("via") || name.eq_ignore_ascii_case("v")).then_some(value)
    })?;
    value.split(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topmost_via_is_found_in_any_dress() {
        let port = |text: &str| top_via(text.as_bytes()).map(|via| via.port_or_default());
        assert_eq!(port("SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP a.example:5070;branch=z9hG4bK1, SIP/2.0/TCP b\r\n\r\n"), Some(5070));
        assert_eq!(port("SIP/2.0 200 OK\r\nTo: x\r\nv : SIP/2.0/TLS [2001:db8::1];branch=z9hG4bK1\r\nVia: x\r\n\r\n"), Some(5061));
        assert_eq!(port("SIP/2.0 200 OK\r\nTo: x\r\n\r\nVia: SIP/2.0/TCP a.example:5070"), None, "the body is no header");
        assert_eq!(port("SIP/2.0 200 OK\r\nVia: nonsense\r\n\r\n"), None);
    }
}
