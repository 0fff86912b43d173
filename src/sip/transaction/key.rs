//! Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3).
use std::sync::Arc;

use crate::sip::message::Method;

/// Names a client transaction: branch and method of its request (§17.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey {
    branch: Arc<str>,
    method: Method,
}

/// Names a server transaction (§17.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey(Arc<str>);
