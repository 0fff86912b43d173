//! What an endpoint is told once, before anything starts.

use std::{collections::BTreeMap, time::Duration};

use crate::sip::{
    Transport,
    message::{Host, Method},
    transaction::Timers,
};

/// Shortest session interval we accept or ask for (RFC 4028 §4: the least that the RFC allows).
pub const MIN_SE: Duration = Duration::from_secs(90);

/// Session interval that we ask for (RFC 4028 §4 recommends half an hour).
pub const SESSION_EXPIRES: Duration = Duration::from_secs(1800);

/// Settings of an [`Endpoint`](super::Endpoint).
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// Said in User-Agent and Server, such as `confkit/0.1.0`.
    pub user_agent: String,
    /// Our side of each bound transport, for Via and Contact; the shell fills it after binding. A request by a transport
    /// that is missing here borrows the host of another, which `rport` mends.
    pub sent_by: BTreeMap<Transport, SentBy>,
    /// Methods that are taken: the Allow header. A request of another known method is answered 405, of an unknown one 501.
    pub allow: Vec<Method>,
    /// Option tags beside `timer` (which follows [`session_expires`](Self::session_expires)): the Supported header, and
    /// what a peer may put into Require without a 420.
    pub supported: Vec<String>,
    /// Media types that are taken, such as `application/sdp`: the Accept header of OPTIONS answers and of 415.
    pub accept: Vec<String>,
    /// INFO packages that are taken: the Recv-Info header (RFC 6086). Empty says that none is.
    pub recv_info: Vec<String>,
    /// Event packages whose SUBSCRIBE is taken; another is answered 489 (RFC 6665 §7.2). `refer` belongs to REFER alone.
    pub events: Vec<String>,
    /// Schemes of Request-URIs that are taken; another is answered 416 (RFC 3261 §8.2.2.1). In lower case.
    pub schemes: Vec<String>,
    /// Session interval that we ask for, `None` for no session timers of our own (a peer's are still kept).
    pub session_expires: Option<Duration>,
    /// Shortest session interval that we take from a peer; shorter is answered 422 (RFC 4028 §6). At least [`MIN_SE`] outside tests.
    pub min_se: Duration,
    /// Requests of more bytes than this leave by TCP where UDP was meant (RFC 3261 §18.1.1). `None` never changes the transport.
    pub large_request: Option<usize>,
    /// True sends requests in a dialog to where its messages come from when the peer's Contact is another address and no proxy
    /// has recorded a route: for peers behind address translators that do not know their own address.
    pub symmetric: bool,
    /// Longest expiry granted to a subscriber.
    pub max_subscription: Duration,
    /// Timers of transactions; T1, T2 and 64·T1 are those of the 2xx and its ACK, too.
    pub timers: Timers,
    /// Bounds.
    pub limits: Limits,
}

/// Our host and port on one transport, as peers shall see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentBy {
    /// Host.
    pub host: Host,
    /// Port; `None` leaves the transport's default unsaid.
    pub port: Option<u16>,
}

/// Bounds of an [`Endpoint`](super::Endpoint). At each bound a request from outside is answered 503 with Retry-After, and
/// one of ours is refused with [`Refused::Full`](super::Refused::Full).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Calls at once, in either direction and any state.
    pub calls: usize,
    /// Early dialogs of one outgoing call (RFC 3261 §12.1: one for each To tag of a fork). More are ignored.
    pub early_dialogs: usize,
    /// Subscriptions at once, of both roles.
    pub subscriptions: usize,
    /// Incoming requests that wait for an answer of their owner. As many server transactions are kept beside those of calls; see
    /// [`transaction::Limits`](crate::sip::transaction::Limits::servers) for what happens at that bound.
    pub incoming: usize,
    /// Outgoing requests without a final response.
    pub outgoing: usize,
    /// Re-INVITEs of one call, and NOTIFYs of one subscription, that wait for their turn.
    pub waiting: usize,
    /// Peers remembered to refuse TCP. The oldest is forgotten first.
    pub tcp_refusers: usize,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        use Method::{Ack, Bye, Cancel, Info, Invite, Message, Notify, Options, Refer, Subscribe};
        Self {
            user_agent: concat!("confkit/", env!("CARGO_PKG_VERSION")).to_owned(),
            sent_by: BTreeMap::new(),
            allow: vec![Invite, Ack, Bye, Cancel, Options, Info, Message, Notify, Refer, Subscribe],
            supported: Vec::new(),
            accept: vec!["application/sdp".to_owned()],
            recv_info: Vec::new(),
            events: Vec::new(),
            schemes: vec!["sip".to_owned(), "sips".to_owned()],
            session_expires: Some(SESSION_EXPIRES),
            min_se: MIN_SE,
            large_request: Some(1300),
            symmetric: false,
            max_subscription: Duration::from_secs(3600),
            timers: Timers::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls: 20_000, early_dialogs: 8, subscriptions: 20_000, incoming: 40_000, outgoing: 40_000, waiting: 32, tcp_refusers: 1024 }
    }
}

impl EndpointConfig {
    /// A config that has `host` and `port` on a transport beside the others.
    #[must_use]
    pub fn at(mut self, transport: Transport, host: Host, port: Option<u16>) -> Self {
        self.sent_by.insert(transport, SentBy { host, port });
        self
    }

    /// A config that is `<role>.invalid` on the in-process transport.
    #[must_use]
    pub fn role(self, role: &str) -> Self {
        self.at(Transport::Local, Host::Name(format!("{role}.invalid")), None)
    }
}
