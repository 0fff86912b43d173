//! The relay.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use super::Ground;
use crate::{
    channel::{
        relay::{Limits, Settings},
        server::{Admit, Bound, Gauges, NoTickets, Running},
        wire::address::TLS,
    },
    clock,
    config::{self, Config, RelayAddress, Role},
    daemon::{
        DaemonError,
        metrics::{Kind, Numbers, Page},
        ready::reachable,
        tickets::Tickets,
    },
    sip::transport::TlsStore,
};

/// How often it is looked whether channels are over, when the relay is to stop.
const LOOK: Duration = Duration::from_millis(100);

/// A relay that runs.
#[derive(Debug)]
pub(super) struct Relay {
    running: Running,
    /// Where it listens, as programs on this machine reach it.
    addresses: Vec<String>,
    /// Where terminals are told that it is.
    told: Option<String>,
}

impl Relay {
    /// Opens its listeners and starts it.
    pub(super) fn start(ground: &Ground<'_>) -> Result<Self, DaemonError> {
        let config = ground.config;
        let bound = bind(config, Some(ground.certificates.store()))?;
        let listeners: Vec<(bool, SocketAddr)> = config.listen.relay.iter().map(|listener| listener.tls).zip(bound.addresses()).collect();
        let addresses: Vec<String> = listeners.iter().map(|(tls, address)| shown(*tls, *address)).collect();
        let told = told(&config.relay.advertise, &listeners);
        let first = told.first().cloned();
        let settings = Settings { limits: limits(&config.relay), anonymous: config.relay.anonymous, addresses: told };
        let admit: Arc<dyn Admit> = match config.relay.ticket_key {
            Some(key) => Arc::new(Tickets::Elsewhere(key)),
            None if config.roles.has(Role::As) => Arc::new(Tickets::Here(Arc::clone(ground.accounts))),
            None => Arc::new(NoTickets),
        };
        let running = Running::start(bound, settings, config.relay.memory.get(), admit);
        Ok(Self { running, addresses, told: first })
    }

    /// Where terminals are told that it is, `host:port` or `host`.
    pub(super) fn told(&self) -> Option<String> {
        self.told.clone()
    }

    /// Where it listens, as programs on this machine reach it.
    pub(super) fn listening(&self) -> Vec<String> {
        self.addresses.clone()
    }

    pub(super) fn numbers(&self) -> Arc<dyn Numbers> {
        Arc::new(Told(self.running.gauges()))
    }

    pub(super) async fn ended(&self) {
        self.running.ended().await;
    }

    /// No new channels; those that are there have until `until` to end.
    pub(super) async fn leave(&self, until: tokio::time::Instant) {
        self.running.drain().await;
        let gauges = self.running.gauges();
        while gauges.read().1.channels > 0 && tokio::time::Instant::from_std(clock::now()) < until {
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(super) async fn close(&self) {
        self.running.shut_down().await;
    }
}

/// Whether its listeners can be opened; they are closed again.
pub(super) fn free(config: &Config) -> Result<(), DaemonError> {
    if config.roles.has(Role::Relay) { bind(config, None).map(drop) } else { Ok(()) }
}

fn bind(config: &Config, certificates: Option<&Arc<TlsStore>>) -> Result<Bound, DaemonError> {
    let listeners = config.listen.relay.iter().map(|listener| (listener.address, certificates.filter(|_| listener.tls).cloned()));
    Bound::open_with(listeners).map_err(|(address, source)| DaemonError::Listen { what: "relay", address, source })
}

fn shown(tls: bool, address: SocketAddr) -> String {
    format!("{}{}", if tls { TLS } else { "" }, reachable(address))
}

/// Where terminals are told that the relay is: what is to be told of it, by TLS first, or its listeners, those without TLS only where none has it.
fn told(advertised: &[RelayAddress], listeners: &[(bool, SocketAddr)]) -> Vec<String> {
    if advertised.is_empty() {
        let wanted = listeners.iter().any(|(tls, _)| *tls);
        return listeners.iter().filter(|(tls, _)| *tls == wanted).map(|(tls, address)| shown(*tls, *address)).collect();
    }
    let port = |wanted| listeners.iter().find(|(tls, _)| *tls == wanted).map_or(0, |(_, address)| address.port());
    let of = |wanted| advertised.iter().filter(move |told| told.tls == wanted).map(|told| told.with_port(port(told.tls)));
    of(true).chain(of(false)).collect()
}

fn limits(relay: &config::Relay) -> Limits {
    Limits {
        connections: relay.connections.size(),
        connections_per_address: relay.connections_per_address.size(),
        channels: relay.channels.size(),
        channels_per_user: relay.channels_per_user.size(),
        applications_per_minute: u32::try_from(relay.applications_per_minute.size())
            .ok()
            .and_then(std::num::NonZeroU32::new)
            .unwrap_or(std::num::NonZeroU32::MAX),
        handshake: relay.handshake_timeout.get(),
        unused: relay.unused.get(),
        waiting: relay.waiting.get(),
        patience: relay.patience.get(),
        ..Limits::default()
    }
}

#[derive(Debug)]
struct Told(Arc<Gauges>);

impl Numbers for Told {
    fn collect<'a>(&'a self, page: &'a mut Page) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let (numbers, standing, memory) = self.0.read();
        let size = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        page.number(Kind::Gauge, "confkit_relay_connections", "Connections of terminals to the relay.", size(standing.connections));
        page.number(Kind::Gauge, "confkit_relay_channels", "Relay channels.", size(standing.channels));
        page.number(Kind::Gauge, "confkit_relay_meetings", "Places where terminals wait for each other.", size(standing.meetings));
        page.number(Kind::Gauge, "confkit_relay_memory_bytes", "Memory for bytes on their way.", memory);
        let mut counter = |name, help, value| page.number(Kind::Counter, name, help, value);
        counter("confkit_relay_connections_total", "Connections that were taken.", numbers.connections);
        counter(
            "confkit_relay_turned_away_total",
            "Connections that were closed at once because there were too many.",
            numbers.turned_away,
        );
        counter("confkit_relay_applications_total", "Applications for channels.", numbers.applications);
        counter("confkit_relay_channels_total", "Channels that were allocated.", numbers.channels);
        counter("confkit_relay_wrong_guesses_total", "Codes that were spent by a wrong guess.", numbers.guesses);
        counter("confkit_relay_letters_total", "Letters between terminals.", numbers.letters);
        counter("confkit_relay_bytes_total", "Bytes that data connections carried, counted once for each receiver.", numbers.bytes);
        for (code, count) in &numbers.refused {
            let help = "Requests that were refused.";
            page.labelled(Kind::Counter, "confkit_relay_refused_total", help, &[("code", code.as_str())], *count);
        }
        for (reason, count) in &numbers.gone {
            let help = "Terminals that left a channel.";
            page.labelled(Kind::Counter, "confkit_relay_gone_total", help, &[("reason", reason.as_str())], *count);
        }
        Box::pin(async {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_told_what_is_advertised_with_the_port_of_its_listener_else_the_listeners_and_of_tls_before_anything_without() {
        let listeners = [(false, "0.0.0.0:7419"), (true, "192.0.2.1:7420")].map(|(tls, at)| (tls, at.parse().expect("an address")));
        for (advertised, expected) in [
            ("", "tls://192.0.2.1:7420"),
            ("relay.example tls://relay.example", "tls://relay.example:7420 relay.example:7419"),
            ("tls://relay.example relay.example", "tls://relay.example:7420 relay.example:7419"),
            ("tls://relay.example:443", "tls://relay.example:443"),
            ("tls://[2001:db8::1]", "tls://[2001:db8::1]:7420"),
        ] {
            let advertised: Vec<RelayAddress> = advertised.split_terminator(' ').map(|one| one.parse().expect("one")).collect();
            assert_eq!(told(&advertised, &listeners).join(" "), expected);
        }
        assert_eq!(told(&[], &listeners[..1]).join(" "), "127.0.0.1:7419");
    }
}
