//! The table of transactions.

use std::time::Instant;

use super::{ClientKey, Limits, SendError, ServerKey, Timers, TransactionEvent, Transmit};
use crate::sip::{
    hop::Hop,
    message::{Message, Request, Response},
};

/// All transactions of one endpoint.
#[derive(Debug)]
pub struct TransactionLayer {
    timers: Timers,
    limits: Limits,
}

#[expect(unused_variables, clippy::needless_pass_by_value, clippy::unused_self, clippy::unimplemented, reason = "bodies follow")]
impl TransactionLayer {
    /// An empty layer.
    pub fn new(timers: Timers, limits: Limits) -> Self {
        Self { timers, limits }
    }

    /// The values of the timers.
    pub fn timers(&self) -> &Timers {
        &self.timers
    }

    /// Begins a client transaction and sends its request. The caller has put a top Via with a fresh branch on it, except on a CANCEL, which
    /// takes the branch of its INVITE (§9.1). An ACK to a 2xx is no transaction and does not come this way.
    ///
    /// # Errors
    /// [`SendError`]; nothing is sent then.
    pub fn send(&mut self, now: Instant, request: Request, hop: Hop) -> Result<ClientKey, SendError> {
        unimplemented!()
    }

    /// Answers a request. 1xx as often as wanted, then one final response; in the Accepted state of an INVITE the 2xx may be given again, for
    /// its retransmission is the caller's. What no state allows any more is discarded (RFC 6026 §8.3).
    pub fn respond(&mut self, now: Instant, key: &ServerKey, response: Response) {
        unimplemented!()
    }

    /// Answers an INVITE with a 300–699 that timer G does not repeat and whose missing ACK nobody is told of: for challenges and other
    /// refusals to senders who have not proved anything, so that they cannot make us send more than they do (§26.3.2.4). It goes out again
    /// when the INVITE comes again, and clients repeat it as long as they have heard nothing: so give no 1xx before. For other methods the
    /// same as [`respond`](Self::respond).
    pub fn respond_once(&mut self, now: Instant, key: &ServerKey, response: Response) {
        unimplemented!()
    }

    /// Takes a message that came in.
    pub fn receive(&mut self, now: Instant, message: Message, from: Hop) {
        unimplemented!()
    }

    /// The INVITE that a CANCEL asks to cancel (§9.2), in whatever state it is; `None` asks for a 481.
    pub fn matching_invite(&self, cancel: &Request) -> Option<ServerKey> {
        unimplemented!()
    }

    /// Ends a client transaction without another event than [`TransactionEvent::ClientEnded`]: 64·T1 after a CANCEL that no final response
    /// followed (§9.1), or when the caller has lost interest for another reason.
    pub fn abandon(&mut self, key: &ClientKey) {
        unimplemented!()
    }

    /// A message could not be sent to a hop, or the connection `hop.flow` is gone.
    pub fn handle_transport_error(&mut self, now: Instant, hop: &Hop) {
        unimplemented!()
    }

    /// Fires every timer that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        unimplemented!()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        unimplemented!()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        unimplemented!()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<TransactionEvent> {
        unimplemented!()
    }

    /// Client transactions in the table.
    pub fn clients(&self) -> usize {
        unimplemented!()
    }

    /// Server transactions in the table.
    pub fn servers(&self) -> usize {
        unimplemented!()
    }

    /// The state of a client transaction by the RFC's name; `Terminated` when it is not in the table.
    pub fn client_state(&self, key: &ClientKey) -> &'static str {
        unimplemented!()
    }

    /// The state of a server transaction by the RFC's name; `Terminated` when it is not in the table.
    pub fn server_state(&self, key: &ServerKey) -> &'static str {
        unimplemented!()
    }
}
