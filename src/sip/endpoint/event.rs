//! What an endpoint tells its owner.

use super::{Call, Incoming, Outgoing, Reason, Subscription};
use crate::sip::{
    Hop,
    message::{Request, Response},
};

/// Something that the owner of an endpoint should know or answer.
///
/// For each [`Call`] the last event is [`Event::Ended`], exactly once, however it ended; for each [`Subscription`] it is
/// [`Event::SubscriptionEnded`]; for each [`Outgoing`] exactly one [`Event::Response`] with a final status.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A new call: answer with `provisional`, `accept` or `reject`. 100 has been sent.
    Invite {
        /// The call.
        call: Call,
        /// The INVITE.
        request: Request,
        /// The peer it came from.
        from: Hop,
    },
    /// The peer wants to change the session (or refresh it): answer with `accept` or `reject`. A rejected one keeps the call.
    Reinvite {
        /// The call.
        call: Call,
        /// The INVITE.
        request: Request,
    },
    /// The peer took its re-INVITE back (CANCEL); it has been answered 487 and the call goes on as before.
    ReinviteCancelled {
        /// The call.
        call: Call,
    },
    /// The ACK for our 2xx came: with the answer in its body when the 2xx carried the offer. Comes once for each 2xx.
    Acked {
        /// The call.
        call: Call,
        /// The ACK.
        request: Request,
    },
    /// No ACK came for our 2xx in 64·T1 (RFC 3261 §13.3.1.4). A BYE has been sent; `Ended` follows.
    AckMissing {
        /// The call.
        call: Call,
    },
    /// The caller took the call back before it was answered (CANCEL); it has been answered 487. `Ended` follows.
    Cancelled {
        /// The call.
        call: Call,
        /// Why, when the CANCEL says so.
        reason: Option<Reason>,
    },
    /// A provisional response but 100 to our INVITE or re-INVITE.
    Progress {
        /// The call.
        call: Call,
        /// 101 to 199.
        response: Response,
    },
    /// A 2xx to our INVITE or re-INVITE: call `ack`, with the answer when the 2xx carried the offer.
    Accepted {
        /// The call.
        call: Call,
        /// The 2xx.
        response: Response,
    },
    /// Our INVITE failed. A timeout comes as a 408 and a transport failure as a 503, both made here ([`Response::unheard`]). `Ended` follows.
    Rejected {
        /// The call.
        call: Call,
        /// 300 to 699.
        response: Response,
    },
    /// Our re-INVITE failed for good; the call goes on with the session it had. (481 and 408 end the call instead.)
    ReinviteRejected {
        /// The call.
        call: Call,
        /// 300 to 699.
        response: Response,
    },
    /// A session refresh of ours (RFC 4028) was answered 2xx and acknowledged; the body is an answer like any other.
    Refreshed {
        /// The call.
        call: Call,
        /// The 2xx.
        response: Response,
    },
    /// A request that wants `respond`: any method but INVITE, ACK, BYE and CANCEL. A SUBSCRIBE for something new wants
    /// `accept_subscription`, a REFER `accept_refer`, or `respond` to refuse.
    Request {
        /// What to give to `respond`.
        incoming: Incoming,
        /// The call in whose dialog it came.
        call: Option<Call>,
        /// The request.
        request: Request,
        /// The peer it came from.
        from: Hop,
    },
    /// The final response to a request of ours. A timeout comes as a 408 and a transport failure as a 503, both made here ([`Response::unheard`]).
    Response {
        /// What `request` or `send` returned.
        outgoing: Outgoing,
        /// 200 to 699.
        response: Response,
    },
    /// A subscriber refreshed (`expires` > 0) or ended (0) its subscription and has been answered 200: `notify` it of the
    /// full state. After `expires` 0 the next NOTIFY is the last; one without a body is sent when none comes in a second.
    Subscribe {
        /// The subscription.
        subscription: Subscription,
        /// The SUBSCRIBE.
        request: Request,
        /// Seconds granted.
        expires: u32,
    },
    /// Our SUBSCRIBE (the first, or a refresh) was answered 2xx. A NOTIFY may have come before.
    Subscribed {
        /// The subscription.
        subscription: Subscription,
        /// The 2xx.
        response: Response,
    },
    /// The state of what we subscribed to: answer with `respond`. `SubscriptionEnded` follows when it was the last.
    Notify {
        /// The subscription.
        subscription: Subscription,
        /// What to give to `respond`.
        incoming: Incoming,
        /// The NOTIFY.
        request: Request,
    },
    /// A subscription is over, in either role.
    SubscriptionEnded {
        /// The subscription.
        subscription: Subscription,
        /// How it ended.
        why: SubscriptionEnding,
    },
    /// A call is over. The handle means nothing from here on.
    Ended {
        /// The call.
        call: Call,
        /// How it ended.
        why: Ending,
    },
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The peer sent BYE.
    ByeReceived {
        /// Why, when the BYE says so.
        reason: Option<Reason>,
    },
    /// Our BYE was answered.
    ByeSent,
    /// Nobody answered our BYE: the peer may be gone.
    ByeUnanswered,
    /// Our INVITE failed with this status.
    Rejected {
        /// 300 to 699.
        status: u16,
    },
    /// We refused the INVITE with this status.
    Refused {
        /// 300 to 699.
        status: u16,
    },
    /// The caller, the peer or we, took the INVITE back.
    Cancelled,
    /// No ACK came for our 2xx.
    AckMissing,
    /// The session timer ran out (RFC 4028 §10).
    Expired,
    /// The peer no longer knows the dialog, or no longer answers: a 481, a 408 or silence that a probe confirmed, or one to a re-INVITE.
    Gone {
        /// 481 or 408; 503 where nothing gets there any more.
        status: u16,
    },
}

impl Ending {
    /// Whether the peer stopped, or is gone: nobody ended what the call was for.
    pub fn is_away(&self) -> bool {
        match self {
            Self::ByeReceived { reason } => reason.as_ref().is_some_and(Reason::is_of_stopping),
            Self::ByeUnanswered | Self::AckMissing | Self::Gone { .. } | Self::Expired => true,
            Self::ByeSent | Self::Rejected { .. } | Self::Refused { .. } | Self::Cancelled => false,
        }
    }
}

/// How a subscription ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionEnding {
    /// The notifier said `terminated` (RFC 6665 §4.1.3); as notifier, the owner did.
    Terminated {
        /// `deactivated`, `probation`, `rejected`, `timeout`, `giveup`, `noresource`, `invariant`, or what else was said.
        reason: Option<String>,
        /// Seconds to wait before another SUBSCRIBE.
        retry_after: Option<u32>,
    },
    /// The subscriber ended it with `Expires: 0`, and has had its last NOTIFY.
    Unsubscribed,
    /// It ran out without a refresh.
    Expired,
    /// Our SUBSCRIBE, or our NOTIFY, was refused with this status (408 and 503 made here for timeout and transport failure).
    Refused {
        /// 300 to 699.
        status: u16,
        /// The response, where one was given or made: its own words, and why none came.
        response: Option<Box<Response>>,
    },
}
