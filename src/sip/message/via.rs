//! Via (RFC 3261 §20.42, RFC 3581).

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use super::{Host, scan, uri};

/// What every branch of RFC 3261 begins with (§8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// A Via value that is malformed: the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Via is malformed")]
pub struct ViaError;

/// One Via value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// Transport in upper case: `UDP`, `TCP`, `TLS`, … or a token that we do not know.
    pub transport: String,
    /// Host of sent-by.
    pub host: Host,
    /// Port of sent-by, when written.
    pub port: Option<u16>,
    /// Parameters, names in lower case.
    pub params: Vec<(String, Option<String>)>,
}

impl Via {
    /// The branch.
    pub fn branch(&self) -> Option<&str> {
        self.param("branch")
    }

    /// A parameter's value: `Some("")` when it stands without one. `name` in lower case.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_deref().unwrap_or(""))
    }

    /// Sets a parameter, in its old place if it stands already.
    pub fn set_param(&mut self, name: &str, value: Option<String>) {
        match self.params.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = value,
            None => self.params.push((name.to_owned(), value)),
        }
    }

    /// The address in `received`, brackets around IPv6 tolerated (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        self.param("received").and_then(|r| r.trim_start_matches('[').trim_end_matches(']').parse().ok())
    }

    /// Notes where the request came from, as the receiver of a request does with its topmost Via (RFC 3261 §18.2.1, RFC 3581
    /// §4): `received` where sent-by says another address or `rport` is asked for, and the value of `rport`. What the sender
    /// wrote into these two itself is overwritten.
    pub fn note_source(&mut self, source: SocketAddr) {
        let asks = self.param("rport").is_some();
        let ip = source.ip().to_canonical();
        if asks {
            self.set_param("rport", Some(source.port().to_string()));
        }
        if asks || self.param("received").is_some() || self.host.ip().map(|ip| ip.to_canonical()) != Some(ip) {
            self.set_param("received", Some(ip.to_string()));
        }
    }

    /// The sent-by port, or the transport's default: 5061 for TLS, else 5060.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.transport == "TLS" { 5061 } else { 5060 })
    }
}

impl FromStr for Via {
    type Err = ViaError;

    fn from_str(text: &str) -> Result<Self, ViaError> {
        let mut slashes = text.splitn(3, '/');
        let (name, version, rest) = (slashes.next().ok_or(ViaError)?, slashes.next().ok_or(ViaError)?, slashes.next().ok_or(ViaError)?);
        if !scan::trim(name).eq_ignore_ascii_case("SIP") || scan::trim(version) != "2.0" {
            return Err(ViaError);
        }
        let rest = scan::trim(rest);
        let (transport, rest) = rest.split_at(rest.find([' ', '\t']).ok_or(ViaError)?);
        if !scan::is_token(transport) {
            return Err(ViaError);
        }
        let (sent_by, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
        // LWS may stand around the colon of sent-by.
        let sent_by: String = sent_by.split_ascii_whitespace().collect::<Vec<_>>().join(" ").replace(" :", ":").replace(": ", ":");
        let (host, port) = uri::host_port(&sent_by).map_err(|_| ViaError)?;
        let params = if params.is_empty() { Vec::new() } else { scan::params(params).ok_or(ViaError)? };
        Ok(Self { transport: transport.to_ascii_uppercase(), host, port, params })
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(typed) = self.to_rsip() {
            return typed.fmt(f);
        }
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        scan::write_params(f, &self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_and_addresses_are_read() {
        let via: Via = "SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8".parse().expect("RFC 4475 wsinv");
        assert_eq!((via.transport.as_str(), via.branch()), ("TCP", Some("z9hG4bK9ikj8")));
        let via: Via = "SIP/2.0/UDP [2001:db8::9:1]:5070;received=[2001:db8::9:255];branch=z9hG4bKas3".parse().expect("RFC 5118");
        assert_eq!((via.port, via.received()), (Some(5070), "2001:db8::9:255".parse().ok()));
        assert!("SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw".parse::<Via>().is_err());
        assert!("SIP/2.0/UDP 192.0.2.15:".parse::<Via>().is_err());
    }
    #[test]
    fn the_source_of_a_request_is_noted_as_rfc3581_asks() {
        let noted = |text: &str, source: &str| {
            let mut via: Via = text.parse().expect(text);
            via.note_source(source.parse().expect(source));
            via.to_string()
        };
        assert_eq!(
            noted("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff", "192.0.2.1:9988"),
            "SIP/2.0/UDP 10.1.1.1:4540;rport=9988;branch=z9hG4bKkjshdyff;received=192.0.2.1"
        );
        assert_eq!(
            noted("SIP/2.0/UDP 192.0.2.1:9988;rport;branch=z9hG4bK1", "192.0.2.1:9988"),
            "SIP/2.0/UDP 192.0.2.1:9988;rport=9988;branch=z9hG4bK1;received=192.0.2.1",
            "filled even when it tells nothing new"
        );
        assert_eq!(noted("SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1", "192.0.2.1:9988"), "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1");
        assert_eq!(noted("SIP/2.0/UDP 192.0.2.1;received=10.9.9.9", "192.0.2.1:5060"), "SIP/2.0/UDP 192.0.2.1;received=192.0.2.1");
        assert_eq!(
            noted("SIP/2.0/UDP h.example;branch=z9hG4bK1", "[2001:db8::7]:5060"),
            "SIP/2.0/UDP h.example;branch=z9hG4bK1;received=2001:db8::7",
            "an address in received has no brackets (RFC 5118 §4.5)"
        );
    }

    #[test]
    fn transports_that_rsip_does_not_know_print_as_well() {
        for text in ["SIP/2.0/UNKNOWN t4.example;branch=z9hG4bKa", "SIP/2.0/SCTP [::1]:9;ttl=3;maddr=224.0.0.1", "SIP/2.0/WSS as.invalid"] {
            assert_eq!(text.parse::<Via>().expect(text).to_string(), text);
        }
    }
}
