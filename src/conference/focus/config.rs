//! Settings of the focus, checked before it is made.

use std::time::Duration;

use crate::{
    conference::servers::ServerAt,
    sip::{
        Transport,
        message::{Host, SipUri, Uri},
    },
};

/// Settings of a [`Focus`](super::Focus).
#[derive(Debug, Clone)]
pub struct FocusConfig {
    /// Domain of our URIs, such as `conf.example` or `127.0.0.1:5060`: host, and port where it is not the default.
    pub domain: (Host, Option<u16>),
    /// Make a conference of an unused name by the first INVITE to it.
    pub auto_create: bool,
    /// Let callers without an account in, where the conference says nothing of its own.
    pub guests: bool,
    /// Most participants of a conference that says nothing of its own.
    pub max_participants: u32,
    /// Most conferences. Another one is refused: 503 to a caller, a conflict to a shell.
    pub max_conferences: usize,
    /// End an ad-hoc conference (one that no `create` made) when the last participant leaves.
    pub end_when_empty: bool,
    /// How long somebody who is called may let it ring.
    pub ringing: Duration,
    /// How long a media server may take for an MSCML response.
    pub mscml: Duration,
    /// Between two looks at a media server's liveness; `None` asks none, and only its calls tell.
    pub ping: Option<Duration>,
    /// How long a media server may be away before its participants are sent home.
    pub media_server_failure: Duration,
    /// Wrong PINs before a caller is sent away.
    pub pin_tries: u32,
    /// Media servers, in order of preference among equals.
    pub media_servers: Vec<ServerAt>,
    /// Transport that calls to other hosts leave by when their URI says nothing.
    pub outbound: Transport,
    /// Version of the program.
    pub version: String,
    /// Roles of this process, for `status`.
    pub roles: Vec<String>,
}

impl Default for FocusConfig {
    fn default() -> Self {
        Self {
            domain: (Host::Name("localhost".to_owned()), None),
            auto_create: true,
            guests: true,
            max_participants: 1000,
            max_conferences: 10_000,
            end_when_empty: true,
            ringing: Duration::from_secs(60),
            mscml: Duration::from_secs(10),
            ping: Some(Duration::from_secs(2)),
            media_server_failure: Duration::from_secs(4),
            pin_tries: 3,
            media_servers: vec![ServerAt::local("ms")],
            outbound: Transport::Udp,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            roles: vec!["as".to_owned()],
        }
    }
}

impl FocusConfig {
    /// `sip:<user>@<our domain>`.
    pub fn uri(&self, user: &str) -> Uri {
        SipUri::new(Some(user), self.domain.0.clone(), self.domain.1).into()
    }
}
