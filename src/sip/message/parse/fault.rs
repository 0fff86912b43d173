//! What the front-end says of bytes that are no message.

use super::super::Response;

/// The verdict on bytes that are no acceptable message. The peer's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Say nothing: a response, an ACK, or bytes without even a Via to answer to.
    #[error("message dropped: {0}")]
    Drop(Malformed),
    /// Send this response, statelessly, to where the bytes came from (RFC 4475 §3.2.1). It holds what could be read of Via,
    /// From, To, Call-ID and CSeq; `received` and `rport` are the sender's to add.
    #[error("message answered {}: {why}", response.status)]
    Answer {
        /// The response: 400, 505 or 513.
        response: Box<Response>,
        /// What was wrong.
        why: Malformed,
    },
}

/// What is wrong with a message. The text is fit for a Warning or a log: it holds nothing of the message but header names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Longer than [`super::MAX_MESSAGE`].
    #[error("the message is longer than {} bytes", super::MAX_MESSAGE)]
    TooLarge,
}
