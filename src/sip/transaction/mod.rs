//! Transactions (RFC 3261 §17, corrected by RFC 6026): one request, its retransmissions, and all its responses.
//!
//! Pure: the time is an argument, nothing is random, nothing is sent from here. After every `handle`-like call
//! ([`TransactionLayer::send`], [`respond`](TransactionLayer::respond), [`receive`](TransactionLayer::receive),
//! [`handle_timeout`](TransactionLayer::handle_timeout), [`handle_transport_error`](TransactionLayer::handle_transport_error))
//! drain [`poll_transmit`](TransactionLayer::poll_transmit) and [`poll_event`](TransactionLayer::poll_event), then sleep until
//! [`next_timeout`](TransactionLayer::next_timeout).
//!
//! | file | what it holds |
//! |---|---|
//! | `invite_client.rs` | Figure 5 of RFC 6026: timers A, B, D, M; makes the ACK to a 300–699 |
//! | `non_invite_client.rs` | Figure 6 of RFC 3261: timers E, F, K |
//! | `invite_server.rs` | Figure 7 of RFC 6026: the 100 after 200 ms, timers G, H, I, L |
//! | `non_invite_server.rs` | Figure 8 of RFC 3261: timer J |
//! | `timer.rs` | the timers as a table |
//! | `key.rs` | matching of messages to transactions, §17.1.3 and §17.2.3, with RFC 2543's rules for branches without the cookie |
//! | `source.rs` | `received` and `rport`, and where responses go (§18.2, RFC 3581) |
//! | `table.rs` | the table of one side: by key, by deadline, by hop |
//! | `layer.rs` | the two tables, and which message goes to which machine |
//! | `overload.rs` | the 503 of a full table, and its ACK |
//!
//! What the user of this layer does itself: the ACK to a 2xx and the retransmission of a 2xx until its ACK (§13.3.1.4), giving up on
//! an INVITE that rings for ever ([`TransactionLayer::abandon`], §9.1), switching to TCP for large requests (§18.1.1), fail-over.
//! Out of scope: timer C, which only proxies have.

mod invite_client;
mod invite_server;
mod key;
mod layer;
mod non_invite_client;
mod non_invite_server;
mod overload;
mod source;
mod table;
mod timer;

#[cfg(test)]
mod tests;

pub use key::{ClientKey, ServerKey};
pub use layer::TransactionLayer;
pub use source::{response_hop, stamp_source};
pub use timer::{Timer, Timers};

use std::time::Duration;

use super::{
    hop::Hop,
    message::{Message, Request, Response},
};

/// A message to be handed to a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// The message.
    pub message: Message,
    /// Where it goes.
    pub hop: Hop,
}

/// How many transactions there may be. The two tables are apart, so that a flood of requests does not keep us from sending ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Client transactions; one more is refused with [`SendError::Full`].
    pub clients: usize,
    /// Server transactions. At the bound, one that has sent its final response and waits for copies of its request (or for the ACK of
    /// its refusal) makes room, the longest answered first, so that a flood of requests does not keep others out; a copy that comes
    /// later is a new request then. When all still wait for their answers, the request that would make one more is answered 503
    /// without any state, an ACK is not answered at all.
    pub servers: usize,
    /// What the Retry-After of that 503 says, in whole seconds.
    pub retry_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { clients: 32_768, servers: 32_768, retry_after: Duration::from_secs(10) }
    }
}

/// Why a request was not sent. The caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// [`Limits::clients`] transactions are running.
    #[error("too many requests are under way")]
    Full,
    /// The request is an ACK, or its top Via has no branch, or its branch belongs to a transaction that is still running.
    #[error("the request cannot begin a transaction: it has no branch of its own, or is an ACK")]
    Unfit,
}

/// What the user of the layer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionEvent {
    /// A new request, other than ACK. It waits for [`TransactionLayer::respond`]. Its top Via carries `received` and `rport` already.
    Request {
        /// To answer with.
        key: ServerKey,
        /// The request.
        request: Request,
        /// Where it came from.
        from: Hop,
    },
    /// An ACK that the transactions did not need for themselves: the one of a 2xx.
    Ack {
        /// The ACK.
        request: Request,
        /// Where it came from.
        from: Hop,
    },
    /// A response to a request of ours. A final one comes once, except that every 2xx to an INVITE comes up until timer M fires.
    Response {
        /// The request's transaction.
        key: ClientKey,
        /// The response.
        response: Response,
        /// Where it came from.
        from: Hop,
    },
    /// A 2xx to an INVITE that no transaction waits for any more. RFC 6026 wants it ignored unless the user knows better.
    StrayResponse {
        /// The response.
        response: Response,
        /// Where it came from.
        from: Hop,
    },
    /// No final response came in time (timers B and F): as if a 408 had come.
    TimedOut {
        /// The request's transaction.
        key: ClientKey,
    },
    /// The request (or the ACK of its failure) could not be sent: as if a 503 had come, when no final response came before.
    TransportFailed {
        /// The request's transaction.
        key: ClientKey,
    },
    /// A response could not be sent. The transaction stays as it is (RFC 6026 §8.8).
    ResponseFailed {
        /// The request's transaction.
        key: ServerKey,
    },
    /// No ACK came to our 300–699 (timer H).
    NoAck {
        /// The INVITE's transaction.
        key: ServerKey,
    },
    /// The last word on a client transaction: it is out of the table. Comes exactly once.
    ClientEnded {
        /// The transaction that was.
        key: ClientKey,
    },
    /// The last word on a server transaction: it is out of the table, [`TransactionLayer::respond`] does nothing any more. Comes exactly once.
    ServerEnded {
        /// The transaction that was.
        key: ServerKey,
    },
}
