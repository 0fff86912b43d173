//! Settings of file sharing at the application server.

use std::time::Duration;

use crate::{
    account::Preset,
    conference::servers::ServerAt,
    fileshare::wire::control::Limits,
    sip::message::{Host, SipUri, Uri},
};

/// Settings of [`FileSharing`](super::FileSharing).
#[derive(Debug, Clone)]
pub struct FileSharingConfig {
    /// File servers, in order of preference among equals.
    pub servers: Vec<ServerAt>,
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

impl Default for FileSharingConfig {
    fn default() -> Self {
        Self {
            servers: vec![ServerAt::local("fs")],
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
