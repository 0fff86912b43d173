//! One media section: the m-line and what belongs to it.

use std::net::{IpAddr, SocketAddr};

use sdp_types as types;

/// One media section of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, `application`, …, as written.
    pub kind: String,
    /// Port; 0 refuses or ends the stream.
    pub port: u16,
    /// Protocol, as written: `RTP/AVP`, `TCP/TLS/fileshare`, …. Compare with [`Media::is_proto`].
    pub proto: String,
    /// Formats: RTP payload types, or whatever the protocol has. Without meaning when the port is 0.
    pub formats: Vec<String>,
    /// Address of the c= line that holds for this section: an IP address or a name. Multicast suffixes are kept as written.
    pub connection: Option<String>,
    /// Which ways media flows, as the sender of the description sees it.
    pub direction: Direction,
    /// b= lines: kind and amount.
    pub bandwidth: Vec<(String, u64)>,
    /// Attributes in order, but for the direction.
    pub attributes: Vec<Attribute>,
}

/// An a= line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Name, as written; compared without case.
    pub name: String,
    /// What stands behind the colon.
    pub value: Option<String>,
}

/// Which ways media flows, as the sender of the description sees it (RFC 8866 §6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// Only from the sender of the description: it holds the peer.
    SendOnly,
    /// Only to the sender of the description.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// The direction of an attribute's name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive].into_iter().find(|d| d.name().eq_ignore_ascii_case(name))
    }

    /// The attribute's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The direction that sends and receives as told.
    pub fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// True where the sender of the description sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// True where the sender of the description receives.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow seen from the other side.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self::of(self.receives(), self.sends())
    }

    /// What both allow: the answer to an offer is our wish restricted by the reversed offer (RFC 3264 §6.1).
    #[must_use]
    pub fn restricted_by(self, other: Self) -> Self {
        Self::of(self.sends() && other.sends(), self.receives() && other.receives())
    }
}

impl Media {
    /// A section at an address, both ways, without attributes.
    pub fn new(kind: &str, address: SocketAddr, proto: &str, formats: Vec<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            port: address.port(),
            proto: proto.to_owned(),
            formats,
            connection: Some(address.ip().to_string()),
            direction: Direction::SendRecv,
            bandwidth: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// The same m-line with port 0, as it is refused or ended (RFC 3264 §6, §8.2).
    #[must_use]
    pub fn refused(&self) -> Self {
        Self {
            port: 0,
            // One format is enough, and there must be one.
            formats: self.formats.first().cloned().into_iter().collect(),
            connection: None,
            direction: Direction::Inactive,
            bandwidth: Vec::new(),
            attributes: Vec::new(),
            ..self.clone()
        }
    }

    /// Whether the media type is this one, without case.
    pub fn is_kind(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind)
    }

    /// Whether the protocol is this one, without case: linphone writes that of a refused line in capitals.
    pub fn is_proto(&self, proto: &str) -> bool {
        self.proto.eq_ignore_ascii_case(proto)
    }

    /// The IP address of the c= line; `None` where it is a name or missing.
    pub fn ip(&self) -> Option<IpAddr> {
        self.connection.as_deref()?.split('/').next()?.parse().ok()
    }

    /// Where the sender of the description wants its media; `None` where the c= line has no IP address.
    pub fn address(&self) -> Option<SocketAddr> {
        self.ip().map(|ip| SocketAddr::new(ip, self.port))
    }

    /// True for c= 0.0.0.0 (and `::`, and the `.invalid` names of RFC 6157): nothing may be sent (RFC 3264 §8.4).
    pub fn is_black_holed(&self) -> bool {
        let unspecified = self.ip().is_some_and(|ip| ip.is_unspecified());
        unspecified || self.connection.as_deref().is_some_and(|c| c.to_ascii_lowercase().ends_with(".invalid"))
    }

    /// The first value of an attribute: `Some("")` where it stands without one.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes_named(name).next()
    }

    /// All values of an attribute, in order; `""` where one stands without a value.
    pub fn attributes_named(&self, name: &str) -> impl Iterator<Item = &str> {
        self.attributes.iter().filter(move |a| a.name.eq_ignore_ascii_case(name)).map(|a| a.value.as_deref().unwrap_or(""))
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with_attribute(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// Where the sender of the description wants RTCP: `a=rtcp` (RFC 3605), else the port above (RFC 3550 §11). `None`
    /// without an IP address, or where there is no port above.
    pub fn rtcp_address(&self) -> Option<SocketAddr> {
        let rtp = self.address()?;
        let above = || rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port));
        let Some(value) = self.attribute("rtcp") else { return above() };
        let mut words = value.split_whitespace();
        let Some(port) = words.next().and_then(|p| p.parse::<u16>().ok()).filter(|p| *p != 0) else { return above() };
        let ip = words.nth(2).and_then(|ip| ip.parse().ok()).unwrap_or(rtp.ip());
        Some(SocketAddr::new(ip, port))
    }
}

impl Attribute {
    /// An attribute without a value.
    pub fn flag(name: &str) -> Self {
        Self { name: name.to_owned(), value: None }
    }

    /// An attribute with a value.
    #[expect(clippy::needless_pass_by_value, reason = "callers give numbers, words and references alike")]
    pub fn with_value(name: &str, value: impl ToString) -> Self {
        Self { name: name.to_owned(), value: Some(value.to_string()) }
    }

    pub(super) fn to_types(&self) -> types::Attribute {
        types::Attribute { attribute: self.name.clone(), value: self.value.clone() }
    }
}

/// Attributes but for directions.
pub(super) fn attributes(attributes: Vec<types::Attribute>) -> Vec<Attribute> {
    attributes
        .into_iter()
        .map(|a| Attribute { name: a.attribute.trim().to_owned(), value: a.value.map(|v| v.trim().to_owned()) })
        .filter(|a| a.value.is_some() || Direction::from_name(&a.name).is_none())
        .collect()
}

pub(super) fn from_types(media: types::Media, connection: Option<&String>, direction: Direction) -> Media {
    let own = media.attributes.iter().filter(|a| a.value.is_none()).find_map(|a| Direction::from_name(a.attribute.trim()));
    Media {
        kind: media.media,
        port: media.port,
        proto: media.proto,
        formats: media.fmt.split_ascii_whitespace().map(str::to_owned).collect(),
        connection: media.connections.into_iter().next().map(|c| c.connection_address).or_else(|| connection.cloned()),
        direction: own.unwrap_or(direction),
        bandwidth: media.bandwidths.into_iter().map(|b| (b.bwtype, b.bandwidth)).collect(),
        attributes: attributes(media.attributes),
    }
}

pub(super) fn to_types(media: &Media, session_connection: Option<&str>) -> types::Media {
    let own = media.connection.as_deref().filter(|c| Some(*c) != session_connection && media.port != 0);
    let mut attributes: Vec<_> = media.attributes.iter().map(Attribute::to_types).collect();
    if media.port != 0 {
        attributes.push(types::Attribute { attribute: media.direction.name().to_owned(), value: None });
    }
    types::Media {
        media: media.kind.clone(),
        port: media.port,
        num_ports: None,
        proto: media.proto.clone(),
        fmt: if media.formats.is_empty() { "-".to_owned() } else { media.formats.join(" ") },
        media_title: None,
        connections: own.map(connection).into_iter().collect(),
        bandwidths: media.bandwidth.iter().map(|(kind, amount)| types::Bandwidth { bwtype: kind.clone(), bandwidth: *amount }).collect(),
        key: None,
        attributes,
    }
}

pub(super) fn connection(address: &str) -> types::Connection {
    types::Connection::new(types::NetType::In, address_type(address), address)
}

/// IP6 where the address is one, else IP4: that of names, too.
pub(super) fn address_type(address: &str) -> types::AddrType {
    if address.contains(':') { types::AddrType::Ip6 } else { types::AddrType::Ip4 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audio() -> Media {
        Media::new("audio", "192.0.2.1:4000".parse().expect("address"), "RTP/AVP", vec!["0".into()])
    }

    #[test]
    fn an_answer_follows_the_offer_and_our_wish() {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        for (wish, offer, answer) in [
            (SendRecv, SendRecv, SendRecv),
            (SendRecv, SendOnly, RecvOnly),
            (SendRecv, RecvOnly, SendOnly),
            (SendRecv, Inactive, Inactive),
            (SendOnly, SendRecv, SendOnly),
            (SendOnly, SendOnly, Inactive),
        ] {
            assert_eq!(wish.restricted_by(offer.reversed()), answer, "{wish:?} for {offer:?}");
        }
    }

    #[test]
    fn rtcp_goes_where_rfc_3605_says_or_one_above() {
        let at = |value: &str| audio().with_attribute(Attribute::with_value("rtcp", value)).rtcp_address();
        assert_eq!(audio().rtcp_address(), "192.0.2.1:4001".parse().ok());
        assert_eq!(at("53020"), "192.0.2.1:53020".parse().ok());
        assert_eq!(at("53020 IN IP4 192.0.2.9"), "192.0.2.9:53020".parse().ok());
        assert_eq!(at("53020 IN IP6 2001:db8::1"), "[2001:db8::1]:53020".parse().ok());
        for odd in ["", "0", "none", "99999"] {
            assert_eq!(at(odd), "192.0.2.1:4001".parse().ok(), "{odd}");
        }
        assert_eq!(Media { port: 65535, ..audio() }.rtcp_address(), None);
    }

    #[test]
    fn black_holes_are_seen_in_each_family() {
        for (connection, expected) in [("0.0.0.0", true), ("::", true), ("x.invalid", true), ("192.0.2.1", false), ("host.example", false)]
        {
            assert_eq!(Media { connection: Some(connection.into()), ..audio() }.is_black_holed(), expected, "{connection}");
        }
    }
}
