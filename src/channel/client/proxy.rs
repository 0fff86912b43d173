//! A proxy before relays: SOCKS5 (RFC 1928, passwords by RFC 1929), or CONNECT of HTTP (RFC 9110 §9.3.6). Which relay goes by which proxy is
//! decided as curl does ([`hyper_util::client::proxy::matcher`]).
//!
//! Names of relays are resolved by the proxy, also where its URL says `socks5` and not `socks5h`: who hides behind one does not want the names
//! asked for from here. Out of scope: proxies that are spoken to by TLS, SOCKS4, other authentication than a name and a password.

use std::{fmt, io, str::FromStr, sync::Arc};

use axum::body::Body;
use bytes::BytesMut;
use hyper::{Request, StatusCode, Uri, client::conn::http1, header};
use hyper_util::{
    client::proxy::matcher::{Intercept, Matcher},
    rt::TokioIo,
};
use tokio::{net::TcpStream, task::JoinSet};
use tokio_socks::tcp::Socks5Stream;

/// The port of a SOCKS proxy where none is given.
const SOCKS_PORT: u16 = 1080;
/// And of the other kind.
const HTTP_PORT: u16 = 80;

/// Why a proxy is of no use. It is named without its password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// Nobody listens, or nothing gets there.
    #[error("the proxy {proxy} cannot be reached: {why}")]
    Unreachable {
        /// Which.
        proxy: String,
        /// Why.
        why: io::Error,
    },
    /// It wants a name and a password, or others.
    #[error("the proxy {proxy} requires {}", if *.given { "another name or password" } else { "a name and a password" })]
    Credentials {
        /// Which.
        proxy: String,
        /// Some were given.
        given: bool,
    },
    /// It does not connect to the relay: because it may not, or cannot.
    #[error("the proxy {proxy} does not connect to the relay: {why}")]
    Refused {
        /// Which.
        proxy: String,
        /// Why, as far as it says.
        why: String,
    },
    /// It takes the connection, and says nothing.
    #[error("the proxy {proxy} did not answer within {seconds} s: it is not a proxy of this kind, or is waiting for the relay")]
    Silent {
        /// Which.
        proxy: String,
        /// For so long it was waited for.
        seconds: u64,
    },
    /// What it says is none of its protocol.
    #[error("the proxy {proxy} does not speak its protocol: {why}")]
    Protocol {
        /// Which.
        proxy: String,
        /// What is wrong.
        why: String,
    },
}

/// A text that is no proxy of ours. The text is not repeated: there may be a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a proxy is socks5h://HOST:PORT or http://HOST:PORT, with USER:PASSWORD@ before HOST if it requires that")]
pub struct ProxyUrlError;

/// The URL of a proxy. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(String);

impl FromStr for ProxyUrl {
    type Err = ProxyUrlError;

    fn from_str(text: &str) -> Result<Self, ProxyUrlError> {
        let url = Self(text.to_owned());
        // Whatever the relay: it is the URL that is looked at.
        url.intercept().filter(|proxy| Kind::of(proxy).is_some()).map(|_| url.clone()).ok_or(ProxyUrlError)
    }
}

impl ProxyUrl {
    fn intercept(&self) -> Option<Intercept> {
        Matcher::builder().all(self.0.as_str()).build().intercept(&Uri::from_static("https://relay"))
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.intercept() {
            Some(proxy) => f.write_str(&shown(&proxy)),
            None => f.write_str("…"),
        }
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({self})")
    }
}

/// Which relays go by a proxy.
#[derive(Debug, Clone)]
pub struct Proxies {
    matcher: Arc<Matcher>,
    /// From the environment, whose proxies are for what is far away.
    spares_loopback: bool,
}

impl Proxies {
    /// This one, but for those that `no_proxy` names (`relay.example, .lan, 192.168.0.0/16`).
    pub fn of(url: &ProxyUrl, no_proxy: &str) -> Self {
        let matcher = Matcher::builder().all(url.0.as_str()).no(no_proxy).build();
        Self { matcher: Arc::new(matcher), spares_loopback: false }
    }

    /// Those of `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` among these variables, or in small letters; never for this machine.
    pub fn of_environment(variables: &[(String, String)]) -> Self {
        let variable = |name: &str| {
            let named = |wanted: &str| variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
            named(name).or_else(|| named(&name.to_lowercase())).unwrap_or_default().to_owned()
        };
        let matcher = Matcher::builder().all(variable("ALL_PROXY")).https(variable("HTTPS_PROXY")).no(variable("NO_PROXY")).build();
        Self { matcher: Arc::new(matcher), spares_loopback: true }
    }

    /// The proxy for a relay, `host:port`; none where it is reached without one.
    ///
    /// # Errors
    /// It is no such address: what the proxy would have hidden is not to go by any other way.
    pub(super) fn before(&self, relay: &str) -> io::Result<Option<Proxy>> {
        let uri: Uri = format!("https://{relay}").parse().map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        if here && self.spares_loopback {
            return Ok(None);
        }
        Ok(self.matcher.intercept(&uri).map(Proxy))
    }
}

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Socks,
    Http,
}

impl Kind {
    fn of(proxy: &Intercept) -> Option<Self> {
        match proxy.uri().scheme_str()? {
            "socks5" | "socks5h" => Some(Self::Socks),
            "http" => Some(Self::Http),
            _ => None,
        }
    }
}

/// A proxy without its password.
fn shown(proxy: &Intercept) -> String {
    proxy.uri().to_string().trim_end_matches('/').to_owned()
}

/// A proxy that a relay is reached by.
pub(super) struct Proxy(Intercept);

/// Without its password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

impl Proxy {
    /// It has not connected us in time.
    pub(super) fn silent(&self, seconds: u64) -> ProxyError {
        ProxyError::Silent { proxy: shown(&self.0), seconds }
    }

    /// A connection to a relay, `host:port`, with what the relay has said already.
    pub(super) async fn connect(&self, relay: &str) -> Result<(TcpStream, BytesMut), ProxyError> {
        let (proxy, uri) = (shown(&self.0), self.0.uri());
        let kind = Kind::of(&self.0)
            .ok_or_else(|| ProxyError::Protocol { proxy: proxy.clone(), why: "proxies of its kind are not supported".to_owned() })?;
        let port = uri.port_u16().unwrap_or(match kind {
            Kind::Socks => SOCKS_PORT,
            Kind::Http => HTTP_PORT,
        });
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, port)).await.map_err(|why| ProxyError::Unreachable { proxy: proxy.clone(), why })?;
        match kind {
            Kind::Socks => self.socks(stream, relay, proxy).await.map(|stream| (stream, BytesMut::new())),
            Kind::Http => self.http(stream, relay, proxy).await,
        }
    }

    async fn socks(&self, stream: TcpStream, relay: &str, proxy: String) -> Result<TcpStream, ProxyError> {
        let credentials = self.0.raw_auth();
        let connected = match credentials {
            Some((user, password)) => Socks5Stream::connect_with_password_and_socket(stream, relay, user, password).await,
            None => Socks5Stream::connect_with_socket(stream, relay).await,
        };
        connected.map(Socks5Stream::into_inner).map_err(|error| {
            use tokio_socks::Error;
            let why = error.to_string();
            match error {
                Error::PasswordAuthFailure(_) | Error::AuthorizationRequired | Error::NoAcceptableAuthMethods => {
                    ProxyError::Credentials { proxy, given: credentials.is_some() }
                }
                Error::InvalidResponseVersion | Error::UnknownAuthMethod | Error::InvalidReservedByte | Error::UnknownAddressType => {
                    ProxyError::Protocol { proxy, why }
                }
                Error::Io(why) => ProxyError::Unreachable { proxy, why },
                _ => ProxyError::Refused { proxy, why: why.to_lowercase() },
            }
        })
    }

    async fn http(&self, stream: TcpStream, relay: &str, proxy: String) -> Result<(TcpStream, BytesMut), ProxyError> {
        let protocol = |why: String| ProxyError::Protocol { proxy: proxy.clone(), why };
        let authority: Uri = relay.parse().map_err(|_| protocol(format!("{relay} is not an address that it can connect to")))?;
        let mut request = Request::connect(authority).header(header::HOST, relay);
        if let Some(credentials) = self.0.basic_auth() {
            request = request.header(header::PROXY_AUTHORIZATION, credentials);
        }
        let request = request.body(Body::empty()).map_err(|error| protocol(error.to_string()))?;
        let (mut asking, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| protocol(error.to_string()))?;
        // Dropping it ends what is in it.
        let mut driver = JoinSet::new();
        driver.spawn(connection.with_upgrades());
        let answer = asking.send_request(request).await.map_err(|error| protocol(error.to_string()))?;
        match answer.status() {
            status if status.is_success() => {}
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                return Err(ProxyError::Credentials { proxy, given: self.0.basic_auth().is_some() });
            }
            status => return Err(ProxyError::Refused { proxy, why: status.to_string() }),
        }
        let upgraded = hyper::upgrade::on(answer).await.map_err(|error| protocol(error.to_string()))?;
        drop(driver);
        // The stream is what it was made of.
        let parts = upgraded.downcast::<TokioIo<TcpStream>>().map_err(|_| protocol("the connection is not what it was".to_owned()))?;
        Ok((parts.io.into_inner(), BytesMut::from(&parts.read_buf[..])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_by_its_url_and_shown_without_its_password() {
        for (text, expected) in [
            ("socks5h://127.0.0.1:9050", "socks5h://127.0.0.1:9050"),
            ("socks5://bob:secret@proxy.example", "socks5://proxy.example"),
            ("http://bob:se%40cret@[::1]:3128/", "http://[::1]:3128"),
            ("proxy.example:3128", "http://proxy.example:3128"),
        ] {
            let url: ProxyUrl = text.parse().expect("a proxy");
            assert_eq!((url.to_string(), format!("{url:?}")), (expected.to_owned(), format!("ProxyUrl({expected})")));
        }
        for text in ["", "https://proxy.example", "socks4://proxy.example", "ftp://proxy.example", "http://", "a b"] {
            assert_eq!(text.parse::<ProxyUrl>(), Err(ProxyUrlError), "{text:?}");
        }
    }

    #[test]
    fn which_relay_goes_by_which_proxy() {
        let variables =
            |list: &[(&str, &str)]| list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>();
        let url: ProxyUrl = "socks5h://p:1".parse().expect("a proxy");
        let all = Proxies::of_environment(&variables(&[("ALL_PROXY", "socks5://p:1"), ("no_proxy", ".lan,10.0.0.0/8")]));
        let https = Proxies::of_environment(&variables(&[
            ("https_proxy", "http://h:2"),
            ("ALL_PROXY", "socks5://p:1"),
            ("HTTP_PROXY", "http://x"),
        ]));
        for (what, proxies, relay, expected) in [
            ("asked for", Proxies::of(&url, ""), "relay.example:7420", Some("socks5h://p:1")),
            ("for this machine, too", Proxies::of(&url, ""), "127.0.0.1:7420", Some("socks5h://p:1")),
            ("not for these", Proxies::of(&url, "relay.example"), "relay.example:7420", None),
            ("all", all.clone(), "relay.example:7420", Some("socks5://p:1")),
            ("by IPv6", all.clone(), "[2001:db8::1]:7420", Some("socks5://p:1")),
            ("not the house", all.clone(), "relay.lan:7420", None),
            ("not the house's network", all.clone(), "10.1.2.3:7420", None),
            ("not this machine", all.clone(), "localhost:7420", None),
            ("nor by number", all, "[::1]:7420", None),
            ("the one for what is sealed", https, "relay.example:7420", Some("http://h:2")),
            ("nothing is said", Proxies::of_environment(&[]), "relay.example:7420", None),
        ] {
            assert_eq!(proxies.before(relay).expect("an address").map(|proxy| shown(&proxy.0)).as_deref(), expected, "{what}");
        }
    }
}
