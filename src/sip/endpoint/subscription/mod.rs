//! Subscriptions (RFC 6665): the usage of a dialog that NOTIFYs belong to, in both roles.
//!
//! | file | what |
//! |---|---|
//! | `subscriber.rs` | SUBSCRIBE, its refresh and end; NOTIFY comes in |
//! | `notifier.rs` | SUBSCRIBE comes in; NOTIFY, its order, expiry |
//! | `refer.rs` | what a REFER implies (RFC 3515, RFC 4488) |
//!
//! Out of scope: what the state is (event packages belong to their owners), resource lists (RFC 4662), several dialogs by one
//! forked SUBSCRIBE (the second is answered 481, RFC 6665 §4.1.4).

mod notifier;
mod refer;
mod subscriber;

use std::{collections::VecDeque, time::Instant};

use super::{Body, Endpoint, Event, Subscription, SubscriptionEnding, SubscriptionState, dialogs::DialogKey};
use crate::sip::{digest, message::Headers};

/// One subscription.
#[derive(Debug)]
pub(super) struct SubscriptionUsage {
    pub event: EventName,
    pub dialog: Option<DialogKey>,
    pub auth: Option<digest::Client>,
    pub expires_at: Option<Instant>,
    role: Role,
}

#[derive(Debug)]
enum Role {
    Notifier(Notifier),
    Subscriber(Subscriber),
}

/// The notifier's side.
#[derive(Debug, Default)]
struct Notifier {
    /// NOTIFYs that wait for the answer to the one under way.
    queue: VecDeque<(SubscriptionState, Option<Body>)>,
    under_way: bool,
    /// The last NOTIFY is wanted, or has been queued or sent.
    last: Option<Last>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Last {
    /// The owner is to say it.
    Wanted(SubscriptionEnding),
    /// It is queued or under way.
    Said(SubscriptionEnding),
}

/// The subscriber's side.
#[derive(Debug)]
struct Subscriber {
    call_id: String,
    local_tag: String,
    /// What we ask for each time.
    expires: u32,
    headers: Vec<(String, String)>,
    /// Our SUBSCRIBE with `Expires: 0` has been sent, or waits for the 2xx to the one before.
    ending: bool,
    /// A SUBSCRIBE is under way.
    under_way: bool,
    /// The first 2xx came, or the first NOTIFY.
    begun: bool,
}

/// The Event header: a package and, where several subscriptions share a dialog, an id (RFC 6665 §8.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventName {
    pub package: String,
    pub id: Option<String>,
}

impl EventName {
    /// Reads the Event of a message.
    pub fn of(headers: &Headers) -> Option<Self> {
        Some(Self::read(headers.get("Event")?))
    }

    fn read(value: &str) -> Self {
        let mut parts = value.split(';').map(str::trim);
        let package = parts.next().unwrap_or_default().to_owned();
        let id = parts.find_map(|part| part.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("id")));
        Self { package, id: id.map(|(_, id)| id.trim().to_owned()) }
    }
}

impl std::fmt::Display for EventName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.package)?;
        self.id.as_ref().map_or(Ok(()), |id| write!(f, ";id={id}"))
    }
}

impl Endpoint {
    /// Ends a subscription of ours with `Expires: 0`; as notifier, the same as `notify` with `Terminated` for `noresource`.
    pub fn unsubscribe(&mut self, now: Instant, subscription: Subscription) {
        match self.subscriptions.get(&subscription.0).map(|usage| &usage.role) {
            Some(Role::Subscriber(_)) => self.end_ours(now, subscription.0),
            Some(Role::Notifier(_)) => {
                let state = SubscriptionState::Terminated { reason: "noresource".to_owned(), retry_after: None };
                // It can only be over already.
                let _ = self.notify(now, subscription, state, None);
            }
            None => {}
        }
        self.settle(now);
    }

    /// Time is up, in either role.
    pub(super) fn on_subscription_expired(&mut self, now: Instant, subscription: u64) {
        match self.subscriptions.get(&subscription).map(|usage| &usage.role) {
            Some(Role::Notifier(_)) => self.expire_theirs(now, subscription),
            Some(Role::Subscriber(_)) => self.end_subscription(subscription, SubscriptionEnding::Expired),
            None => {}
        }
    }

    /// Forgets a subscription and says so, once.
    pub(super) fn end_subscription(&mut self, subscription: u64, why: SubscriptionEnding) {
        let Some(usage) = self.subscriptions.remove(&subscription) else { return };
        self.timers.stop_subscription(subscription);
        if let Some(dialog) = usage.dialog {
            self.dialogs.release_subscription(dialog, subscription);
        }
        if let Role::Subscriber(subscriber) = usage.role {
            self.half_dialogs.remove(&(subscriber.call_id, subscriber.local_tag));
        }
        self.events.push_back(Event::SubscriptionEnded { subscription: Subscription(subscription), why });
    }

    /// The subscription in a dialog that a message's Event names.
    fn find_subscription(&self, dialog: DialogKey, event: &EventName, notifier: bool) -> Option<u64> {
        let entry = self.dialogs.get(dialog)?;
        entry.subscriptions.iter().copied().find(|id| {
            self.subscriptions.get(id).is_some_and(|usage| matches!(usage.role, Role::Notifier(_)) == notifier && usage.event == *event)
        })
    }
}
