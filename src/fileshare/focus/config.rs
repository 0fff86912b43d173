//! Settings of file sharing at the application server.

use std::time::Duration;

use crate::{
    account::Preset,
    fileshare::wire::control::Limits,
    sip::{
        Hop, Transport,
        message::{Host, SipUri, Uri},
    },
};

/// Settings of [`FileSharing`](super::FileSharing).
#[derive(Debug, Clone)]
pub struct FileSharingConfig {
    /// File servers, in order of preference among equals.
    pub servers: Vec<FileServerAddress>,
    /// From of our own requests: `sip:files@<our domain>`.
    pub uri: Uri,
    /// Who may share, where nothing else was granted.
    pub share: Preset,
    /// Who receives, where nothing else was granted.
    pub receive: Preset,
    /// Bandwidth limits of each data conference.
    pub limits: Limits,
    /// Between two looks at a file server's liveness; `None` asks none, and only its calls tell.
    pub ping: Option<Duration>,
    /// How long a file server may be away before its shares wait for it, and nobody is offered them any more.
    pub failure: Duration,
    /// How long the shares of a file server that is away, or was stopped, wait for it, or for its next process; then they end. Without
    /// `ping` they end at once.
    pub resume: Duration,
    /// How long a terminal may take to answer an offer by INFO (S807); then it takes no part.
    pub answer: Duration,
}

/// One file server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileServerAddress {
    /// Its host in `sip:conf=<ConfID>@<host>`.
    pub host: Host,
    /// Port, where it is not the transport's default.
    pub port: Option<u16>,
    /// How to reach it.
    pub hop: Hop,
}

impl FileServerAddress {
    /// The file server in this process.
    pub fn local() -> Self {
        Self { host: Host::Name("fs.invalid".to_owned()), port: None, hop: Hop::local("fs") }
    }

    /// `sip:<user>@<host>`.
    pub fn uri(&self, user: Option<&str>) -> Uri {
        let uri = SipUri::new(user, self.host.clone(), self.port);
        match self.hop.transport {
            Transport::Tcp => uri.with_param("transport", Some("tcp")).into(),
            Transport::Tls => uri.with_param("transport", Some("tls")).into(),
            Transport::Udp | Transport::Local => uri.into(),
        }
    }
}

impl Default for FileSharingConfig {
    fn default() -> Self {
        Self {
            servers: vec![FileServerAddress::local()],
            uri: SipUri::new(Some("files"), Host::Name("localhost".to_owned()), None).into(),
            share: Preset::All,
            receive: Preset::All,
            limits: Limits::default(),
            ping: Some(Duration::from_secs(2)),
            failure: Duration::from_secs(4),
            resume: Duration::from_secs(600),
            answer: Duration::from_secs(60),
        }
    }
}
