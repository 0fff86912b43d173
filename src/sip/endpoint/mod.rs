//! The user-agent core (RFC 3261 §8 and §10–15 above transactions): calls, requests, subscriptions, as one pure machine.
//!
//! Application server, media server, file server and terminals each own an [`Endpoint`]. Bytes go in by
//! [`handle_bytes`](Endpoint::handle_bytes), bytes come out by [`poll_transmit`](Endpoint::poll_transmit), what the owner
//! has to know or answer by [`poll_event`](Endpoint::poll_event). After each call into it both polls are drained and
//! [`next_timeout`](Endpoint::next_timeout) is asked again.
//!
//! It does by itself what every user agent has to: 100, `rport` and `received`, 2xx again until the ACK, ACK again on each
//! 2xx, CANCEL and 487, a 2xx that crosses a CANCEL (ACK, BYE), forked 2xx, CSeq order, 481, 405, 501, 420, 416, 482, 489,
//! glare, digest retries, session timers, route sets, large requests over TCP, expiry and refresh of subscriptions.
//!
//! A handle whose call has meanwhile ended may be used: nothing happens, and `Ended` is or was among the events.

mod config;
mod event;
mod handle;
mod reason;

use std::time::Instant;

use bytes::Bytes;

pub use config::{EndpointConfig, Limits, MIN_SE, SESSION_EXPIRES, SentBy};
pub use event::{Ending, Event, SubscriptionEnding};
pub use handle::{
    Body, Call, Incoming, Invite, OutOfDialog, Outgoing, Peer, Refused, Sequence, Subscribe, Subscription, SubscriptionState,
};
pub use reason::{Reason, ReasonError};

pub use crate::sip::{digest::Credentials, hop::Transmit};

use crate::sip::{
    Hop, Transport,
    message::{Method, NameAddr},
};

/// A user agent: see the [module](self).
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
}

#[expect(unused_variables, clippy::unimplemented, clippy::needless_pass_by_value, clippy::unused_self, reason = "signatures first")]
impl Endpoint {
    /// A user agent without calls. `seed` makes its tags, branches, Call-IDs and waiting times.
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Self {
        Self { config }
    }

    /// Takes one framed message; over a stream, `from.flow` names its connection.
    pub fn handle_bytes(&mut self, now: Instant, bytes: Bytes, from: Hop) {
        unimplemented!()
    }

    /// Takes word that a message to `hop` could not be delivered.
    pub fn handle_transport_error(&mut self, now: Instant, hop: &Hop) {
        unimplemented!()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        unimplemented!()
    }

    /// When `handle_timeout` is wanted next.
    pub fn next_timeout(&self) -> Option<Instant> {
        unimplemented!()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        unimplemented!()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        unimplemented!()
    }

    /// Our Contact on a transport: `sip:user@host:port;transport=…` (the transport unsaid for UDP, `sips` never).
    pub fn contact(&self, user: Option<&str>, transport: Transport) -> NameAddr {
        unimplemented!()
    }

    /// Changes the settings for what comes from now on; bounds, timers and names included.
    pub fn config_mut(&mut self) -> &mut EndpointConfig {
        &mut self.config
    }

    // The calling side.

    /// Calls somebody (RFC 3261 §13.2). `Progress`, then `Accepted` or `Rejected` follow.
    pub fn invite(&mut self, now: Instant, invite: Invite) -> Result<Call, Refused> {
        unimplemented!()
    }

    /// Acknowledges the 2xx of `Accepted`, with the answer where the 2xx carried the offer.
    pub fn ack(&mut self, now: Instant, call: Call, body: Option<Body>) {
        unimplemented!()
    }

    /// Takes an INVITE back (RFC 3261 §9.1), or a re-INVITE. A CANCEL waits for the first provisional response; a 2xx that
    /// comes nevertheless is acknowledged and the call ended.
    pub fn cancel(&mut self, now: Instant, call: Call, reason: Option<Reason>) {
        unimplemented!()
    }

    /// Ends a call as its state wants it: BYE; CANCEL for an outgoing one without an answer; 603 for an incoming one without
    /// an answer. A BYE waits for the ACK to our 2xx (RFC 3261 §15). `Ended` comes with the BYE's answer or its timeout.
    pub fn bye(&mut self, now: Instant, call: Call, reason: Option<Reason>, headers: Vec<(String, String)>) {
        unimplemented!()
    }

    /// Offers a new session in a call (RFC 3261 §14), or asks for an offer. It waits for its turn: for other INVITEs in
    /// either direction, and after 491. `Accepted` or `ReinviteRejected` follows.
    pub fn reinvite(&mut self, now: Instant, call: Call, body: Option<Body>) -> Result<(), Refused> {
        unimplemented!()
    }

    /// Takes back the re-INVITEs that still wait for their turn, and says how many: after a `Reinvite` of the peer their
    /// offers may no longer fit.
    pub fn withdraw_reinvites(&mut self, call: Call) -> usize {
        unimplemented!()
    }

    /// Sends a request in a call's dialog: INFO, MESSAGE, REFER, OPTIONS, NOTIFY, … Its failure does not end the call, but for
    /// a 481, a 408 or no answer, which a probe has to confirm.
    pub fn request(
        &mut self,
        now: Instant,
        call: Call,
        method: Method,
        headers: Vec<(String, String)>,
        body: Option<Body>,
    ) -> Result<Outgoing, Refused> {
        unimplemented!()
    }

    /// Sends a request outside any dialog.
    pub fn send(&mut self, now: Instant, request: OutOfDialog) -> Result<Outgoing, Refused> {
        unimplemented!()
    }

    // The called side.

    /// Answers an INVITE or re-INVITE 101 to 199.
    pub fn provisional(&mut self, now: Instant, call: Call, status: u16, body: Option<Body>) {
        unimplemented!()
    }

    /// Answers an INVITE or re-INVITE 200. A Contact in `headers` replaces the made one, here and for the rest of the call.
    pub fn accept(&mut self, now: Instant, call: Call, body: Option<Body>, headers: Vec<(String, String)>) {
        unimplemented!()
    }

    /// Answers an INVITE or re-INVITE 300 to 699; an INVITE's call is over by it.
    pub fn reject(&mut self, now: Instant, call: Call, status: u16, headers: Vec<(String, String)>) {
        unimplemented!()
    }

    /// Answers a request. A 2xx to OPTIONS gets Allow, Accept, Supported and Recv-Info, unless given.
    pub fn respond(&mut self, now: Instant, incoming: Incoming, status: u16, headers: Vec<(String, String)>, body: Option<Body>) {
        unimplemented!()
    }

    // Subscriptions.

    /// Subscribes to somebody's state (RFC 6665 §4.1); refreshed before it runs out.
    pub fn subscribe(&mut self, now: Instant, subscribe: Subscribe) -> Result<Subscription, Refused> {
        unimplemented!()
    }

    /// Ends a subscription of ours with `Expires: 0`; as notifier, the same as `notify` with `Terminated`.
    pub fn unsubscribe(&mut self, now: Instant, subscription: Subscription) {
        unimplemented!()
    }

    /// Answers a SUBSCRIBE 200 and grants at most `expires` seconds: `notify` it of the full state at once.
    pub fn accept_subscription(&mut self, now: Instant, incoming: Incoming, expires: u32) -> Result<Subscription, Refused> {
        unimplemented!()
    }

    /// Answers a REFER 202 and makes the subscription that it implies (RFC 3515 §2.4.4); `None` when the peer wants none
    /// (`Refer-Sub: false`, RFC 4488).
    pub fn accept_refer(&mut self, now: Instant, incoming: Incoming) -> Result<Option<Subscription>, Refused> {
        unimplemented!()
    }

    /// Tells a subscriber the state. NOTIFYs of a subscription are sent one after the other, so that they arrive in order.
    pub fn notify(
        &mut self,
        now: Instant,
        subscription: Subscription,
        state: SubscriptionState,
        body: Option<Body>,
    ) -> Result<(), Refused> {
        unimplemented!()
    }

    /// NOTIFYs of a subscription that wait for their turn or an answer.
    pub fn notify_backlog(&self, subscription: Subscription) -> usize {
        unimplemented!()
    }

    // Reading.

    /// What is known of the other side of a call.
    pub fn call_peer(&self, call: Call) -> Option<Peer> {
        unimplemented!()
    }

    /// Calls at present.
    pub fn calls(&self) -> usize {
        unimplemented!()
    }

    /// Subscriptions at present, of both roles.
    pub fn subscriptions(&self) -> usize {
        unimplemented!()
    }
}
