//! What a full table answers: a 503 with Retry-After, made from the request alone and remembered nowhere (RFC 3261 §8.2.7).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::sip::message::{Request, Response};

/// The 503. One for each copy of the request, so a stranger gets no more from us than it sends.
pub(super) fn unavailable(request: &Request, retry_after: std::time::Duration) -> Response {
    request.response(503, &tag(request)).with_header("Retry-After", retry_after.as_secs().to_string())
}

/// True for the ACK of such a 503: its To tag is the one that we gave.
pub(super) fn acknowledges_unavailable(ack: &Request) -> bool {
    ack.to().is_some_and(|to| to.tag().is_some_and(|t| t.eq_ignore_ascii_case(&tag(ack))))
}

/// The same for all copies of a request and for its ACK, as §8.2.7 asks of a tag that nobody remembers.
fn tag(request: &Request) -> String {
    let mut hasher = DefaultHasher::new();
    request.call_id().hash(&mut hasher);
    request.cseq().map(|cseq| cseq.seq).hash(&mut hasher);
    request.from().and_then(|from| from.tag().map(str::to_owned)).hash(&mut hasher);
    request.via().and_then(|via| via.branch().map(str::to_owned)).hash(&mut hasher);
    format!("busy{:016x}", hasher.finish())
}
