//! Values of a configuration: each is checked when it is read, so that whoever gets one need not ask again.

mod bytes;
mod media;
mod number;
mod place;
mod word;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

pub use bytes::{Bandwidth, MaxSize, Size};
pub use media::{CodecName, PortRange};
pub use number::{Count, Span, Threads, Until};
pub use place::{Advertised, Controller, Domain, Realm, RelayAddress};
use serde_yaml::Value;
pub use word::{DigestAlgorithm, LogFormat, Role, Roles, SipTransport};

use super::{
    node::{Faults, Node, Setting},
    schema::Kind,
};
use crate::{
    account::{GuestPolicy, PublicKey},
    channel::client::{ProxyUrl, ProxyUrlError},
    conference::server::{Network, Pattern},
    id::UserName,
    sip::message::SipUri,
};

/// Makes a [`Setting`] of types that parse and print as one text.
macro_rules! text_setting {
    ($($ty:ty: $form:literal),* $(,)?) => { $(
        impl Setting for $ty {
            fn kind() -> Kind {
                Kind::value($form)
            }

            fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
                node.parse($form, faults)
            }

            fn show(&self) -> Value {
                Value::String(self.to_string())
            }
        }
    )* };
}

text_setting! {
    IpAddr: "an IP address",
    SocketAddr: "an address and a port such as 127.0.0.1:5060",
    GuestPolicy: "auto, yes or no",
    PublicKey: "an Ed25519 key in base64url",
    UserName: "a user name",
    SipUri: "a SIP URI such as sip:gateway.example;transport=tcp",
    Domain: "a domain or an address",
    Realm: "a realm",
    Advertised: "a host, or a host and a port",
    RelayAddress: "a host, or a host and a port, with tls:// before it for TLS",
    PortRange: "a range of ports such as 20000-29999, or system",
    CodecName: "pcmu or pcma",
    Controller: "an address on loopback or a name in a certificate",
    Network: "an address or a network such as 192.0.2.0/24",
    Pattern: "a pattern such as +49* or *@example.org",
    Size: "an amount such as 4GiB",
    MaxSize: "an amount such as 4GiB, or none",
    Bandwidth: "an amount a second such as 10MiB, or none",
    Text: "a text",
    Threads: "auto, or a number from 1 to 64",
}

impl Setting for ProxyUrl {
    fn kind() -> Kind {
        Kind::value("the URL of a proxy")
    }

    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let text = node.scalar("the URL of a proxy", faults)?;
        // There may be a password in it: it is not repeated.
        text.parse().map_err(|why: ProxyUrlError| faults.add(&node.at, format!("is none: {why}"))).ok()
    }

    fn show(&self) -> Value {
        Value::String(self.to_string())
    }
}

/// Why a value is not of its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(String);

impl ValueError {
    /// An error that says why: for values that stand elsewhere, such as in scenario files.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

fn wrong<T>(why: impl Into<String>) -> Result<T, ValueError> {
    Err(ValueError(why.into()))
}

/// A text of one line that is not empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(pub String);

impl FromStr for Text {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() || text.contains(char::is_control) {
            wrong("it is empty or has a control character")
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
