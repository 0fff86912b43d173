//! Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3).
//!
//! Branches and tags are tokens and so compared without case (§7.3.1); a Call-ID is compared with it (§20.8).

use std::sync::Arc;

use crate::sip::message::{Host, MAGIC_COOKIE, Method, NameAddr, Request, Response, Via};

/// Names a client transaction: branch and method of its request (§17.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey {
    branch: Arc<str>,
    method: Method,
}

impl ClientKey {
    /// The key of the transaction that `request` begins; `None` without a branch.
    pub(super) fn of_request(request: &Request) -> Option<Self> {
        Self::new(&request.via()?, request.method.clone())
    }

    /// The key of the transaction that `response` belongs to; `None` without a branch or CSeq.
    pub(super) fn of_response(response: &Response) -> Option<Self> {
        Self::new(&response.via()?, response.cseq()?.method)
    }

    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.method
    }

    fn new(via: &Via, method: Method) -> Option<Self> {
        let branch = via.branch().filter(|b| !b.is_empty())?;
        Some(Self { branch: branch.to_ascii_lowercase().into(), method })
    }
}

/// Names a server transaction (§17.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey(Arc<Identity>);

#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Identity {
    /// A branch with the cookie: unique among all that its client sends.
    Rfc3261 { branch: String, host: Host, port: u16, method: Method },
    /// A branch without: everything that RFC 2543 compares. The To tag stands last, so that the transactions that an ACK may belong to are
    /// neighbours in a table: its To tag is the one of our response, not the one of the INVITE.
    Rfc2543 { via: String, call_id: String, from_tag: Option<String>, seq: u32, uri: String, method: Method, to_tag: Option<String> },
}

impl ServerKey {
    /// The key of the transaction that a request begins or repeats; `None` where the headers for it are missing.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let to_tag = request.to().as_ref().and_then(tag);
        Self::matching(request, &request.method, to_tag)
    }

    /// The key of the INVITE that a CANCEL cancels.
    pub(super) fn of_cancelled(cancel: &Request) -> Option<Self> {
        let to_tag = cancel.to().as_ref().and_then(tag);
        Self::matching(cancel, &Method::Invite, to_tag)
    }

    /// The key of the INVITE that an ACK belongs to: with the cookie the very key; without it the lowest of the neighbours that
    /// [`same_but_for_to_tag`](Self::same_but_for_to_tag) tells apart.
    pub(super) fn of_acknowledged(ack: &Request) -> Option<Self> {
        Self::matching(ack, &Method::Invite, None)
    }

    /// True when the branch has no cookie, so that the To tag decides where an ACK belongs.
    pub(super) fn needs_to_tag(&self) -> bool {
        matches!(*self.0, Identity::Rfc2543 { .. })
    }

    /// True for keys of RFC 2543 that differ in nothing or in the To tag.
    pub(super) fn same_but_for_to_tag(&self, other: &Self) -> bool {
        match (&*self.0, &*other.0) {
            (
                Identity::Rfc2543 { via, call_id, from_tag, seq, uri, method, to_tag: _ },
                Identity::Rfc2543 { via: via2, call_id: call_id2, from_tag: from_tag2, seq: seq2, uri: uri2, method: method2, to_tag: _ },
            ) => (via, call_id, from_tag, seq, uri, method) == (via2, call_id2, from_tag2, seq2, uri2, method2),
            (Identity::Rfc3261 { .. }, _) | (_, Identity::Rfc3261 { .. }) => false,
        }
    }

    fn matching(request: &Request, method: &Method, to_tag: Option<String>) -> Option<Self> {
        let via = request.via()?;
        let branch = via.branch().unwrap_or("").to_ascii_lowercase();
        let identity = if has_cookie(&branch) {
            Identity::Rfc3261 { branch, port: via.port_or_default(), host: via.host, method: method.clone() }
        } else {
            Identity::Rfc2543 {
                via: via.to_string().to_ascii_lowercase(),
                call_id: request.call_id()?.to_owned(),
                from_tag: request.from().as_ref().and_then(tag),
                seq: request.cseq()?.seq,
                uri: request.uri.to_string(),
                method: method.clone(),
                to_tag,
            }
        };
        Some(Self(Arc::new(identity)))
    }
}

/// True for the cookie with something behind it. The bare cookie names nothing, so RFC 2543's rules have to do (RFC 4475 §3.2.1).
fn has_cookie(branch: &str) -> bool {
    branch.len() > MAGIC_COOKIE.len() && branch.get(..MAGIC_COOKIE.len()).is_some_and(|b| b.eq_ignore_ascii_case(MAGIC_COOKIE))
}

/// The tag of an address, as keys hold it.
pub(super) fn tag(address: &NameAddr) -> Option<String> {
    address.tag().map(str::to_ascii_lowercase)
}
