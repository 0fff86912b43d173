//! What is told when the daemon is ready: where it listens, and the environment that other programs find it by.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use serde::Serialize;

use super::{DaemonError, data_dir::write_private};
use crate::sip::{Transport, message::SipUri};

/// What is told when the daemon is ready; the members are those of the ready line, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ready {
    /// Always `ready`.
    pub event: &'static str,
    /// The first SIP listener without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sip: Option<String>,
    /// The first SIP listener with TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sips: Option<String>,
    /// The first HTTP listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// The first listener for relay channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// The data directory.
    pub data_dir: String,
    /// The roles that run.
    pub roles: Vec<String>,
    /// What other programs find this server by.
    pub env: BTreeMap<String, String>,
    /// Every address listened on, for people.
    #[serde(skip)]
    pub listening: Vec<String>,
}

/// Where the daemon listens, and what clients need beside that.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// SIP listeners in the order of the configuration.
    pub(super) sip: Vec<(Transport, SocketAddr)>,
    /// URLs of HTTP listeners.
    pub(super) http: Vec<String>,
    /// Listeners for relay channels.
    pub(super) relay: Vec<String>,
    pub(super) roles: Vec<String>,
    /// The account to act as, where we made one.
    pub(super) user: Option<String>,
}

impl Ready {
    pub(super) fn new(places: &Places, data_dir: &Path, credentials: &Path, ca: Option<&Path>) -> Self {
        let first = |wanted: fn(Transport) -> bool| places.sip.iter().find(|(transport, _)| wanted(*transport));
        let plain = first(|transport| transport != Transport::Tls).map(|(transport, address)| uri(*transport, *address));
        let tls = first(|transport| transport == Transport::Tls).map(|(transport, address)| uri(*transport, *address));
        let text = |path: &Path| path.display().to_string();
        // Without a transport a client takes UDP, or TCP for what is too large.
        let server = match first(|transport| transport == Transport::Udp) {
            Some((_, address)) => Some(SipUri::at(None, reachable(*address)).to_string()),
            None => plain.clone().or_else(|| tls.clone()),
        };
        let relay = &places.relay;
        let env = [
            ("CONFKIT_SERVER", server),
            ("CONFKIT_USER", places.user.clone()),
            ("CONFKIT_CREDENTIALS", credentials.exists().then(|| text(credentials))),
            ("CONFKIT_HTTP", places.http.first().cloned()),
            ("CONFKIT_CA", ca.map(text)),
            ("CONFKIT_RELAY", relay.first().cloned()),
        ];
        let listening = places.sip.iter().map(|(transport, address)| uri(*transport, *address)).chain(places.http.iter().cloned());
        let listening = listening.chain(relay.iter().map(|address| format!("relay {address}")));
        Self {
            event: "ready",
            sip: plain,
            sips: tls,
            http: places.http.first().cloned(),
            relay: relay.first().cloned(),
            data_dir: text(data_dir),
            roles: places.roles.clone(),
            env: env.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
            listening: listening.collect(),
        }
    }

    /// The environment as lines that a shell can source.
    pub fn env_lines(&self) -> String {
        let mut lines = String::new();
        for (name, value) in &self.env {
            // In single quotes nothing has a meaning but the quote itself.
            let _ = writeln!(lines, "export {name}='{}'", value.replace('\'', "'\\''"));
        }
        lines
    }

    /// Writes those lines to a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_env_file(&self, path: &Path) -> Result<(), DaemonError> {
        write_private(path, self.env_lines().as_bytes())
    }
}

fn uri(transport: Transport, address: SocketAddr) -> String {
    SipUri::at(None, reachable(address)).with_param("transport", Some(transport.uri_param())).to_string()
}

/// The address that programs on this machine reach a listener by.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(sip: &[(Transport, &str)]) -> Ready {
        let sip = sip.iter().map(|(transport, address)| (*transport, address.parse().expect("address"))).collect();
        let places = Places {
            sip,
            http: vec!["http://127.0.0.1:8080".into()],
            relay: vec!["127.0.0.1:7420".to_owned()],
            roles: vec!["as".into()],
            user: Some("admin".into()),
        };
        Ready::new(&places, Path::new("/d"), Path::new("/"), Some(Path::new("/d/it's ca.pem")))
    }

    #[test]
    fn the_ready_line_has_the_members_of_the_contract() {
        let ready = ready(&[(Transport::Udp, "127.0.0.1:5060"), (Transport::Tcp, "127.0.0.1:5060"), (Transport::Tls, "[::]:5061")]);
        assert_eq!(
            serde_json::to_string(&ready).expect("json"),
            "{\"event\":\"ready\",\"sip\":\"sip:127.0.0.1:5060;transport=udp\",\"sips\":\"sip:[::1]:5061;transport=tls\",\
             \"http\":\"http://127.0.0.1:8080\",\"relay\":\"127.0.0.1:7420\",\"data_dir\":\"/d\",\"roles\":[\"as\"],\"env\":{\"CONFKIT_CA\":\"/d/it's ca.pem\",\
             \"CONFKIT_CREDENTIALS\":\"/\",\"CONFKIT_HTTP\":\"http://127.0.0.1:8080\",\"CONFKIT_RELAY\":\"127.0.0.1:7420\",\"CONFKIT_SERVER\":\"sip:127.0.0.1:5060\",\
             \"CONFKIT_USER\":\"admin\"}}"
        );
    }

    #[test]
    fn without_udp_the_server_is_named_with_its_transport() {
        assert_eq!(ready(&[(Transport::Tls, "127.0.0.1:5061")]).env["CONFKIT_SERVER"], "sip:127.0.0.1:5061;transport=tls");
        assert_eq!(ready(&[(Transport::Tcp, "0.0.0.0:5070")]).env["CONFKIT_SERVER"], "sip:127.0.0.1:5070;transport=tcp");
    }

    #[test]
    fn a_shell_that_sources_the_lines_gets_the_values() {
        let lines = ready(&[(Transport::Udp, "127.0.0.1:5060")]).env_lines();
        let script = format!("{lines}printf %s \"$CONFKIT_CA|$CONFKIT_SERVER\"");
        let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "/d/it's ca.pem|sip:127.0.0.1:5060");
    }
}
