//! Our values as rsip's typed headers, which print them.
//!
//! One path each direction. In: our own readers only, for rsip's refuse IPv6, unknown transports and methods, folding and
//! quoted parameters. Out: Via, From, To, CSeq and other addresses become rsip's typed values and are printed by rsip;
//! what its types cannot hold (an unknown transport or method, another scheme than sip, a URI with headers) is printed by
//! the few lines beside the reader. Parameters pass as `Param::Other`, because rsip would rewrite the known ones.

use rsip::common::uri::{Auth, Domain, HostWithPort, Param, Scheme};

use super::{CSeq, Host, Method, NameAddr, SipUri, Uri, Via, scan};

type Params = [(String, Option<String>)];

impl Via {
    /// This Via as rsip has it; `None` for a transport that rsip does not know.
    pub fn to_rsip(&self) -> Option<rsip::typed::Via> {
        let transport = match self.transport.as_str() {
            "UDP" => rsip::Transport::Udp,
            "TCP" => rsip::Transport::Tcp,
            "TLS" => rsip::Transport::Tls,
            "SCTP" => rsip::Transport::Sctp,
            "TLS-SCTP" => rsip::Transport::TlsSctp,
            "WS" => rsip::Transport::Ws,
            "WSS" => rsip::Transport::Wss,
            _ => return None,
        };
        let uri = rsip::Uri { host_with_port: host_with_port(&self.host, self.port), ..Default::default() };
        Some(rsip::typed::Via { version: rsip::Version::V2, transport, uri, params: header_params(&self.params) })
    }
}

impl NameAddr {
    /// This address as rsip's From has it, which prints like its To and Contact; `None` unless it is a SIP URI without headers.
    pub fn to_rsip(&self) -> Option<rsip::typed::From> {
        let Uri::Sip(uri) = &self.uri else { return None };
        Some(rsip::typed::From {
            display_name: self.display.as_deref().map(scan::quote),
            uri: uri.to_rsip()?,
            params: header_params(&self.params),
        })
    }
}

impl SipUri {
    /// This URI as rsip has it; `None` with headers, which rsip drops.
    pub fn to_rsip(&self) -> Option<rsip::Uri> {
        self.headers.is_none().then(|| rsip::Uri {
            scheme: Some(if self.secure { Scheme::Sips } else { Scheme::Sip }),
            auth: self.user.clone().map(|user| Auth { user, password: self.password.clone() }),
            host_with_port: host_with_port(&self.host, self.port),
            params: self.params.iter().map(|(name, value)| Param::Other(name.as_str().into(), value.as_deref().map(Into::into))).collect(),
            headers: Vec::new(),
        })
    }
}

impl CSeq {
    /// This CSeq as rsip has it; `None` for a method that rsip does not know.
    pub fn to_rsip(&self) -> Option<rsip::typed::CSeq> {
        let method = match &self.method {
            Method::Ack => rsip::Method::Ack,
            Method::Bye => rsip::Method::Bye,
            Method::Cancel => rsip::Method::Cancel,
            Method::Info => rsip::Method::Info,
            Method::Invite => rsip::Method::Invite,
            Method::Message => rsip::Method::Message,
            Method::Notify => rsip::Method::Notify,
            Method::Options => rsip::Method::Options,
            Method::Prack => rsip::Method::PRack,
            Method::Publish => rsip::Method::Publish,
            Method::Refer => rsip::Method::Refer,
            Method::Register => rsip::Method::Register,
            Method::Subscribe => rsip::Method::Subscribe,
            Method::Update => rsip::Method::Update,
            Method::Other(_) => return None,
        };
        Some(rsip::typed::CSeq { seq: self.seq, method })
    }
}

/// rsip prints an IPv6 address bare; as a name it keeps the brackets.
fn host_with_port(host: &Host, port: Option<u16>) -> HostWithPort {
    HostWithPort { host: rsip::Host::Domain(Domain::from(host.to_string())), port: port.map(Into::into) }
}

fn header_params(params: &Params) -> Vec<Param> {
    let value = |name: &str, value: &Option<String>| value.as_deref().map(|v| scan::param_value(name, v).into_owned().into());
    params.iter().map(|(n, v)| Param::Other(n.as_str().into(), value(n, v))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_rsip_prints_as_ours() {
        for name in rsip::Method::all().iter().map(ToString::to_string) {
            let cseq = CSeq { seq: 7, method: Method::from_token(&name) };
            assert_eq!(cseq.to_rsip().map(|c| c.to_string()), Some(format!("7 {name}")));
        }
        let odd = CSeq { seq: 7, method: Method::Other("NEW".into()) };
        assert_eq!((odd.to_rsip(), odd.to_string().as_str()), (None, "7 NEW"));
    }

    #[test]
    fn rsip_prints_what_our_readers_read() {
        for text in
            ["SIP/2.0/UDP [2001:db8::9:1]:5070;branch=z9hG4bKas3;rport;received=2001:db8::9:255", "SIP/2.0/TCP as.invalid;x=\"a;b\""]
        {
            let via: Via = text.parse().expect(text);
            assert_eq!(via.to_rsip().map(|v| v.to_string()).as_deref(), Some(text));
        }
        for text in ["\"A\" <sip:a%20b:c@[::1]:5070;transport=tcp;lr>;tag=1", "<sips:h.example>"] {
            let addr: NameAddr = text.parse().expect(text);
            assert_eq!(addr.to_rsip().map(|a| a.to_string()).as_deref(), Some(text));
        }
    }
}
