//! The notifier (RFC 6665 §4.2): subscriptions of others to our state.

use std::time::{Duration, Instant};

use super::{
    super::{
        Body, Endpoint, Event, Incoming, Refused, Subscription, SubscriptionEnding, SubscriptionState,
        dialogs::DialogKey,
        out_of_dialog::Waiting,
        screen::dress,
        send::Purpose,
        timer::{SubscriptionTimer, Timer},
    },
    EventName, Last, Notifier, Role, SubscriptionUsage,
};
use crate::sip::{
    Hop,
    dialog::Dialog,
    message::{Method, Request, Response},
    transaction::ServerKey,
};

/// How long the owner has for the last NOTIFY of a subscription before one without a body is sent.
const OWNER_TIME: Duration = Duration::from_secs(1);

/// Granted when the subscriber does not say how long; each package may have a default of its own (RFC 6665 §4.1.2.1).
const DEFAULT_EXPIRES: u32 = 3600;

impl Endpoint {
    /// Answers a SUBSCRIBE 200 and grants at most `expires` seconds: `notify` it of the full state at once.
    ///
    /// # Errors
    /// [`Refused::Full`] at the bound on subscriptions (the SUBSCRIBE has been answered 503); [`Refused::State`] when
    /// `incoming` is no SUBSCRIBE that waits.
    pub fn accept_subscription(&mut self, now: Instant, incoming: Incoming, expires: u32) -> Result<Subscription, Refused> {
        if self.incoming.get(&incoming.0).is_none_or(|waiting| waiting.request.method != Method::Subscribe) {
            return Err(Refused::State);
        }
        let waiting = self.take_incoming(incoming).ok_or(Refused::State)?;
        let event = EventName::of(&waiting.request.headers).ok_or(Refused::State)?;
        let granted = self.granted(&waiting.request).min(expires);
        let subscription = self.install(now, &waiting, event, granted, 200)?;
        if granted == 0 {
            // A fetch (§4.4.3): the first NOTIFY is the last.
            self.want_last(now, subscription.0, SubscriptionEnding::Unsubscribed);
        }
        self.settle(now);
        Ok(subscription)
    }

    /// Tells a subscriber the state. NOTIFYs of a subscription are sent one after the other, so that they arrive in order.
    ///
    /// # Errors
    /// [`Refused::State`] when the subscription is over or its last NOTIFY has been said; [`Refused::Full`] when too many
    /// wait: say the full state later.
    pub fn notify(
        &mut self,
        now: Instant,
        subscription: Subscription,
        state: SubscriptionState,
        body: Option<Body>,
    ) -> Result<(), Refused> {
        let waiting = self.config.limits.waiting;
        let usage = self.subscriptions.get_mut(&subscription.0).ok_or(Refused::State)?;
        let Role::Notifier(notifier) = &mut usage.role else { return Err(Refused::State) };
        let state = match (notifier.last.take(), state) {
            (Some(said @ Last::Said(_)), _) => {
                notifier.last = Some(said);
                return Err(Refused::State);
            }
            // A fetch, or the answer to `Expires: 0`.
            (Some(Last::Wanted(why)), SubscriptionState::Active | SubscriptionState::Pending) => {
                notifier.last = Some(Last::Said(why));
                SubscriptionState::Terminated { reason: "timeout".to_owned(), retry_after: None }
            }
            (wanted, SubscriptionState::Terminated { reason, retry_after }) => {
                let why = match wanted {
                    Some(Last::Wanted(why)) => why,
                    Some(Last::Said(_)) | None => SubscriptionEnding::Terminated { reason: Some(reason.clone()), retry_after },
                };
                notifier.last = Some(Last::Said(why));
                SubscriptionState::Terminated { reason, retry_after }
            }
            (None, state) if notifier.queue.len() >= waiting => {
                let _ = state;
                return Err(Refused::Full);
            }
            (None, state) => state,
        };
        if notifier.last.is_some() {
            self.timers.stop(Timer::Subscription(subscription.0, SubscriptionTimer::Last));
            self.timers.stop(Timer::Subscription(subscription.0, SubscriptionTimer::Expire));
        }
        notifier.queue.push_back((state, body));
        self.next_notify(now, subscription.0);
        self.settle(now);
        Ok(())
    }

    /// Tells a subscriber a part of the state, to be completed by further parts and one [`Self::notify`]: it never ends the subscription, not
    /// even one that only fetches (RFC 6665 §4.4.3).
    ///
    /// # Errors
    /// As [`Self::notify`].
    pub fn notify_part(&mut self, now: Instant, subscription: Subscription, body: Body) -> Result<(), Refused> {
        let waiting = self.config.limits.waiting;
        let usage = self.subscriptions.get_mut(&subscription.0).ok_or(Refused::State)?;
        let Role::Notifier(notifier) = &mut usage.role else { return Err(Refused::State) };
        if matches!(notifier.last, Some(Last::Said(_))) {
            return Err(Refused::State);
        }
        if notifier.queue.len() >= waiting {
            return Err(Refused::Full);
        }
        notifier.queue.push_back((SubscriptionState::Active, Some(body)));
        self.next_notify(now, subscription.0);
        self.settle(now);
        Ok(())
    }

    /// NOTIFYs of a subscription that wait for their turn or an answer.
    pub fn notify_backlog(&self, subscription: Subscription) -> usize {
        match self.subscriptions.get(&subscription.0).map(|usage| &usage.role) {
            Some(Role::Notifier(notifier)) => notifier.queue.len() + usize::from(notifier.under_way),
            Some(Role::Subscriber(_)) | None => 0,
        }
    }

    /// Makes the usage, in its dialog, and answers the request that asked for it.
    pub(super) fn install(
        &mut self,
        now: Instant,
        waiting: &Waiting,
        event: EventName,
        granted: u32,
        status: u16,
    ) -> Result<Subscription, Refused> {
        if self.subscriptions.len() >= self.config.limits.subscriptions {
            self.refuse_full(now, &waiting.key, &waiting.request);
            return Err(Refused::Full);
        }
        if waiting.dialog.is_some_and(|dialog| self.dialogs.get(dialog).is_none()) {
            // Its dialog has ended meanwhile.
            self.refuse(now, &waiting.key, &waiting.request, 481, &[]);
            return Err(Refused::State);
        }
        let contact = match waiting.dialog.and_then(|dialog| self.dialogs.get(dialog)) {
            Some(entry) => entry.dialog.contact().clone(),
            None => self.contact(waiting.request.uri.user().as_deref(), waiting.from.transport),
        };
        let dialog = match waiting.dialog {
            Some(dialog) => dialog,
            None => match Dialog::callee(&waiting.request, &waiting.tag, contact.clone(), &waiting.from) {
                Ok(dialog) => self.dialogs.insert(dialog),
                Err(_) => {
                    self.refuse(now, &waiting.key, &waiting.request, 400, &[]);
                    return Err(Refused::State);
                }
            },
        };
        let id = self.next_id();
        if let Some(entry) = self.dialogs.get_mut(dialog) {
            entry.subscriptions.push(id);
        }
        let expires = Duration::from_secs(granted.into());
        let usage = SubscriptionUsage {
            event,
            dialog: Some(dialog),
            auth: None,
            expires_at: Some(now + expires),
            role: Role::Notifier(Notifier::default()),
        };
        self.subscriptions.insert(id, usage);
        self.timers.set(Timer::Subscription(id, SubscriptionTimer::Expire), now + expires);
        let mut response = self.answer_to(waiting, status);
        dress(&waiting.request, &mut response, Some(&contact));
        if waiting.request.method == Method::Subscribe {
            response.headers.push("Expires", granted.to_string());
        }
        self.layer.respond(now, &waiting.key, response);
        Ok(Subscription(id))
    }

    /// A SUBSCRIBE in a dialog: a refresh, an end, or another subscription beside the call (§4.2.1).
    pub(in super::super) fn on_inside_subscribe(&mut self, now: Instant, key: ServerKey, request: Request, from: Hop, dialog: DialogKey) {
        let Some(event) = EventName::of(&request.headers) else { return self.refuse(now, &key, &request, 400, &[]) };
        let Some(id) = self.find_subscription(dialog, &event, true) else {
            let call = self.dialogs.get(dialog).and_then(|entry| entry.call);
            if call.is_none() {
                return self.refuse(now, &key, &request, 481, &[]);
            }
            if self.screen_event(now, &key, &request) {
                self.hand_over(now, key, request, from, call, Some(dialog));
            }
            return;
        };
        let granted = self.granted(&request);
        let said_last = match self.subscriptions.get(&id).map(|usage| &usage.role) {
            Some(Role::Notifier(notifier)) => notifier.last.is_some(),
            Some(Role::Subscriber(_)) | None => true,
        };
        if said_last {
            return self.refuse(now, &key, &request, 481, &[]);
        }
        let Some(entry) = self.dialogs.get(dialog) else { return };
        let contact = entry.dialog.contact().clone();
        let mut response = request.response(200, "");
        dress(&request, &mut response, Some(&contact));
        response.headers.push("Expires", granted.to_string());
        response.headers.push("Server", self.config.user_agent.as_str());
        self.layer.respond(now, &key, response);
        if granted == 0 {
            self.want_last(now, id, SubscriptionEnding::Unsubscribed);
        } else {
            let expires_at = now + Duration::from_secs(granted.into());
            if let Some(usage) = self.subscriptions.get_mut(&id) {
                usage.expires_at = Some(expires_at);
            }
            self.timers.set(Timer::Subscription(id, SubscriptionTimer::Expire), expires_at);
        }
        self.events.push_back(Event::Subscribe { subscription: Subscription(id), request, expires: granted });
    }

    /// Nobody has refreshed it (§4.2.2): the last NOTIFY says so.
    pub(super) fn expire_theirs(&mut self, now: Instant, subscription: u64) {
        self.say_last(now, subscription, SubscriptionEnding::Expired);
    }

    /// The owner has not said the last NOTIFY.
    pub(in super::super) fn on_last_notify_due(&mut self, now: Instant, subscription: u64) {
        let busy = self.notify_backlog(Subscription(subscription)) > 0;
        if busy {
            // It is saying it, part by part; a NOTIFY without an answer ends by itself.
            self.timers.set(Timer::Subscription(subscription, SubscriptionTimer::Last), now + OWNER_TIME);
        } else {
            self.say_last(now, subscription, SubscriptionEnding::Unsubscribed);
        }
    }

    /// The answer to a NOTIFY (§4.2.2): the next one, or the end.
    pub(in super::super) fn on_notify_final(&mut self, now: Instant, subscription: u64, response: &Response) {
        let Some(usage) = self.subscriptions.get_mut(&subscription) else { return };
        let Role::Notifier(notifier) = &mut usage.role else { return };
        notifier.under_way = false;
        if let Some(Last::Said(why)) = notifier.last.clone().filter(|_| notifier.queue.is_empty()) {
            return self.end_subscription(subscription, why);
        }
        match response.status {
            404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604 => {
                let why = SubscriptionEnding::Refused { status: response.status, response: Some(Box::new(response.clone())) };
                self.end_subscription(subscription, why);
            }
            _ => self.next_notify(now, subscription),
        }
    }

    fn want_last(&mut self, now: Instant, subscription: u64, why: SubscriptionEnding) {
        let Some(usage) = self.subscriptions.get_mut(&subscription) else { return };
        let Role::Notifier(notifier) = &mut usage.role else { return };
        notifier.last.get_or_insert(Last::Wanted(why));
        self.timers.stop(Timer::Subscription(subscription, SubscriptionTimer::Expire));
        self.timers.set(Timer::Subscription(subscription, SubscriptionTimer::Last), now + OWNER_TIME);
    }

    fn say_last(&mut self, now: Instant, subscription: u64, why: SubscriptionEnding) {
        let Some(usage) = self.subscriptions.get_mut(&subscription) else { return };
        let Role::Notifier(notifier) = &mut usage.role else { return };
        let why = match notifier.last.take() {
            Some(Last::Wanted(wanted)) => wanted,
            said @ Some(Last::Said(_)) => {
                notifier.last = said;
                return;
            }
            None => why,
        };
        notifier.last = Some(Last::Said(why));
        notifier.queue.push_back((SubscriptionState::Terminated { reason: "timeout".to_owned(), retry_after: None }, None));
        self.next_notify(now, subscription);
    }

    fn next_notify(&mut self, now: Instant, subscription: u64) {
        let Some(usage) = self.subscriptions.get_mut(&subscription) else { return };
        let (event, dialog, expires_at) = (usage.event.to_string(), usage.dialog, usage.expires_at);
        let Role::Notifier(notifier) = &mut usage.role else { return };
        if notifier.under_way {
            return;
        }
        let Some((state, body)) = notifier.queue.pop_front() else { return };
        notifier.under_way = true;
        let left = expires_at.map_or(0, |at| at.saturating_duration_since(now).as_secs());
        let state = match state {
            // A part of what is fetched: there is no time left to speak of.
            SubscriptionState::Active if left == 0 => "active".to_owned(),
            SubscriptionState::Active => format!("active;expires={left}"),
            SubscriptionState::Pending => format!("pending;expires={left}"),
            SubscriptionState::Terminated { reason, retry_after: None } => format!("terminated;reason={reason}"),
            SubscriptionState::Terminated { reason, retry_after: Some(s) } => format!("terminated;reason={reason};retry-after={s}"),
        };
        let headers = vec![("Event".to_owned(), event), ("Subscription-State".to_owned(), state)];
        let Some(dialog) = dialog else { return };
        if self.send_inside(now, dialog, Purpose::Notify(subscription), Method::Notify, headers, body).is_err() {
            // At the bound of requests: as if the subscriber had not answered.
            self.end_subscription(subscription, SubscriptionEnding::Refused { status: 503, response: None });
        }
    }

    fn granted(&self, request: &Request) -> u32 {
        let asked = request.headers.get("Expires").and_then(|value| value.trim().parse().ok()).unwrap_or(DEFAULT_EXPIRES);
        asked.min(u32::try_from(self.config.max_subscription.as_secs()).unwrap_or(u32::MAX))
    }
}
