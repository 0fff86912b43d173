//! Gateways and peers (the seed's 205): calls that come from them are let in, and calls to numbers and hosts that are not ours go out by
//! them, as routes say.

use std::{fmt, net::IpAddr, str::FromStr};

use crate::sip::{digest::Credentials, message::SipUri};

/// Most stars of a pattern.
const MAX_STARS: usize = 8;
/// Longest number that is called, in digits (E.164 has 15; prefixes come before).
const MAX_NUMBER: usize = 32;

/// A gateway or peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its name, for people.
    pub name: String,
    /// Where calls go.
    pub uri: SipUri,
    /// Where calls come from that are let in without a password.
    pub networks: Vec<Network>,
    /// What we prove to be when it asks.
    pub credentials: Option<Credentials>,
}

/// A way out: where the calls to whatever fits a pattern go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What is called.
    pub pattern: Pattern,
    /// The place of a gateway among [`Gateways::gateways`]; `None` for the host that the URI names.
    pub gateway: Option<usize>,
}

/// All gateways and routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateways {
    /// Gateways.
    pub gateways: Vec<Gateway>,
    /// Routes; the first that fits is taken.
    pub routes: Vec<Route>,
}

impl Default for Gateways {
    /// No gateway: URIs go to the host that they name, numbers nowhere.
    fn default() -> Self {
        Self { gateways: Vec::new(), routes: vec![Route { pattern: Pattern("*@*".to_owned()), gateway: None }] }
    }
}

/// Where a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way<'a> {
    /// To the host that the URI names.
    Direct,
    /// By a gateway.
    By(&'a Gateway),
}

impl Gateways {
    /// The gateway that calls from an address come from.
    pub fn at(&self, address: IpAddr) -> Option<&Gateway> {
        self.gateways.iter().find(|gateway| gateway.networks.iter().any(|network| network.contains(address)))
    }

    /// The way to what is called: a number, or `user@host`.
    pub fn way(&self, called: &str) -> Option<Way<'_>> {
        let route = self.routes.iter().find(|route| route.pattern.fits(called))?;
        match route.gateway {
            None => Some(Way::Direct),
            Some(at) => self.gateways.get(at).map(Way::By),
        }
    }
}

/// The number in a text as a person or a `tel:` URI (RFC 3966) writes it: `+49 (30) 123-45` is `+493012345`. `None` if it is none.
pub(super) fn number(text: &str) -> Option<String> {
    let text = text.strip_prefix("tel:").unwrap_or(text);
    let text = text.split(';').next().unwrap_or(text);
    let digits: String = text.chars().filter(|c| !"-.() ".contains(*c)).collect();
    let bare = digits.strip_prefix('+').unwrap_or(&digits);
    let dialled = |c: char| c.is_ascii_digit() || c == '*' || c == '#';
    (!bare.is_empty() && bare.len() <= MAX_NUMBER && bare.chars().all(dialled)).then_some(digits)
}

/// Why a text is no network or pattern. The configuration's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GatewayError(String);

/// What a route is for: a text with `*` for any text, the empty one included; case does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// True if a number, or `user@host`, fits.
    pub fn fits(&self, called: &str) -> bool {
        let called = called.to_ascii_lowercase();
        let mut pieces = self.0.split('*');
        let Some(mut rest) = pieces.next().and_then(|first| called.strip_prefix(first)) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        for piece in pieces {
            let Some((_, behind)) = rest.split_once(piece) else { return false };
            rest = behind;
        }
        rest.ends_with(last)
    }

    /// True if it is for `user@host`, false if for numbers.
    pub fn is_for_addresses(&self) -> bool {
        self.0.contains('@')
    }
}

impl FromStr for Pattern {
    type Err = GatewayError;

    fn from_str(text: &str) -> Result<Self, GatewayError> {
        if text.is_empty() || text.contains(|c: char| c.is_control() || c.is_whitespace()) || text.matches('*').count() > MAX_STARS {
            return Err(GatewayError(format!("it is empty, has a space, or more than {MAX_STARS} stars")));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An address, or all that share its first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// True if the address lies in it. An IPv4 address mapped into IPv6 is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                net.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(net), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                net.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = GatewayError;

    fn from_str(text: &str) -> Result<Self, GatewayError> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let Ok(address) = address.parse::<IpAddr>() else { return Err(GatewayError(format!("\"{address}\" is no IP address"))) };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits.map(str::parse::<u8>) {
            None => most,
            Some(Ok(bits)) if bits <= most => bits,
            Some(_) => return Err(GatewayError(format!("behind the / stands a number from 0 to {most}"))),
        };
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = if self.address.is_ipv4() { 32 } else { 128 };
        if self.bits == most { write!(f, "{}", self.address) } else { write!(f, "{}/{}", self.address, self.bits) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, called: &str) -> bool {
        pattern.parse::<Pattern>().expect("pattern").fits(called)
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(fits("+49*", "+4930123") && fits("+49*", "+49") && !fits("+49*", "+4830"));
        assert!(fits("*@example.org", "bob@EXAMPLE.org") && !fits("*@example.org", "bob@example.org.evil"));
        assert!(fits("*@*", "bob@192.0.2.1") && !fits("*@*", "+4930"));
        assert!(fits("100", "100") && !fits("100", "1001"));
        assert!(fits("a*b*c", "aXbYc") && !fits("a*b*c", "ac") && !fits("a*a", "a"));
    }

    #[test]
    fn a_network_holds_the_addresses_that_share_its_bits() {
        let holds = |network: &str, address: &str| network.parse::<Network>().expect("network").contains(address.parse().expect("address"));
        assert!(holds("192.0.2.0/24", "192.0.2.255") && !holds("192.0.2.0/24", "192.0.3.0"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && holds("::/0", "2001:db8::1") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("192.0.2.1", "::ffff:192.0.2.1") && holds("2001:db8::/32", "2001:db8:ffff::1"));
        assert!("192.0.2.0/33".parse::<Network>().is_err() && "x/8".parse::<Network>().is_err());
    }

    #[test]
    fn a_number_is_called_without_what_makes_it_readable() {
        for (text, expected) in
            [("+49 (30) 123-45", "+493012345"), ("tel:+1-201-555-0123;phone-context=x", "+12015550123"), ("*97#", "*97#"), ("100", "100")]
        {
            assert_eq!(number(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "+", "bob", "12a", "sip:100@x", &"1".repeat(33)] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn the_first_route_that_fits_is_taken() {
        let gateway = |name: &str, network: &str| Gateway {
            name: name.into(),
            uri: format!("sip:{name}.example").parse().expect("uri"),
            networks: vec![network.parse().expect("network")],
            credentials: None,
        };
        let route = |pattern: &str, gateway| Route { pattern: pattern.parse().expect("pattern"), gateway };
        let gateways = Gateways {
            gateways: vec![gateway("near", "192.0.2.0/25"), gateway("far", "192.0.2.0/24")],
            routes: vec![route("+4930*", Some(0)), route("+*", Some(1)), route("*@*", None)],
        };
        let way = |called: &str| match gateways.way(called) {
            Some(Way::By(gateway)) => gateway.name.clone(),
            Some(Way::Direct) => "direct".to_owned(),
            None => "none".to_owned(),
        };
        assert_eq!(["+4930123", "+4940123", "bob@example.org", "100"].map(way), ["near", "far", "direct", "none"]);
        let at = |address: &str| gateways.at(address.parse().expect("address")).map(|gateway| gateway.name.as_str());
        assert_eq!((at("192.0.2.1"), at("192.0.2.200"), at("192.0.3.1")), (Some("near"), Some("far"), None));
        assert_eq!(Gateways::default().way("bob@example.org"), Some(Way::Direct));
        assert_eq!(Gateways::default().way("+4930"), None);
    }
}
