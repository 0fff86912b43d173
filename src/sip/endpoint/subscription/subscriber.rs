//! The subscriber (RFC 6665 §4.1): our subscriptions to the state of others.

use std::time::{Duration, Instant};

use super::{
    super::{
        Endpoint, Event, Refused, Subscribe, Subscription, SubscriptionEnding,
        dialogs::DialogKey,
        invite::untagged,
        send::{Draft, Outside, Pending, Purpose},
        session_timer::seconds,
        timer::{SubscriptionTimer, Timer},
    },
    EventName, Role, Subscriber, SubscriptionUsage,
};
use crate::sip::{
    Hop,
    dialog::{Dialog, DialogId},
    digest,
    message::{Headers, Method, Request, Response, scan},
    transaction::ServerKey,
};

/// How long before its end a subscription is refreshed at the latest, where a tenth of its time is less.
const REFRESH_MARGIN: Duration = Duration::from_secs(5);

/// A notifier cannot make us refresh more often than this.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

impl Endpoint {
    /// Subscribes to somebody's state (RFC 6665 §4.1); refreshed before it runs out.
    ///
    /// # Errors
    /// [`Refused::Full`] at the bound on subscriptions or requests.
    pub fn subscribe(&mut self, now: Instant, subscribe: Subscribe) -> Result<Subscription, Refused> {
        if self.subscriptions.len() >= self.config.limits.subscriptions {
            return Err(Refused::Full);
        }
        let Subscribe { uri, to, from, contact, hop, route, event, expires, accept, mut headers, body, credentials } = subscribe;
        let (local_tag, call_id) = (self.token(), self.call_id());
        let to = untagged(to);
        let mut request =
            Outside { method: Method::Subscribe, uri, to: &to, from: &from, tag: &local_tag, call_id: &call_id, seq: 1, route: &route }
                .request();
        headers.insert(0, ("Event".to_owned(), event.clone()));
        if !accept.is_empty() {
            headers.insert(1, ("Accept".to_owned(), accept.join(", ")));
        }
        request.headers.push("Contact", contact.to_string());
        request.headers.push("Expires", expires.to_string());
        self.furnish(&mut request, headers.clone(), body);
        let id = self.next_id();
        let half = (call_id.clone(), local_tag.clone());
        let subscriber = Subscriber { call_id, local_tag, expires, headers, ending: expires == 0, under_way: true, begun: false };
        let usage = SubscriptionUsage {
            event: EventName::read(&event),
            dialog: None,
            auth: credentials.map(digest::Client::new),
            expires_at: None,
            role: Role::Subscriber(subscriber),
        };
        self.subscriptions.insert(id, usage);
        match self.dispatch(now, Draft { purpose: Purpose::Subscribe(id), request, hop, dialog: None, auth: None }) {
            Ok(_) => {
                self.half_dialogs.insert(half, id);
                self.expect_notify(now, id);
                self.settle(now);
                Ok(Subscription(id))
            }
            Err(refused) => {
                self.subscriptions.remove(&id);
                Err(refused)
            }
        }
    }

    /// The final response to a SUBSCRIBE of ours.
    pub(in super::super) fn on_subscribe_final(&mut self, now: Instant, id: u64, pending: Box<Pending>, response: Response, from: &Hop) {
        let Some(usage) = self.subscriptions.get_mut(&id) else { return };
        let Role::Subscriber(subscriber) = &mut usage.role else { return };
        let status = response.status;
        if status >= 300 {
            return self.on_subscribe_failed(now, id, pending, &response);
        }
        subscriber.under_way = false;
        subscriber.begun = true;
        let (ending, asked) = (subscriber.ending, subscriber.expires);
        match usage.dialog {
            Some(dialog) => {
                if let Some(entry) = self.dialogs.get_mut(dialog) {
                    entry.dialog.refresh(&Method::Subscribe, &response.headers, from);
                }
            }
            None => {
                if let Ok(dialog) = Dialog::caller(&pending.request, &response, from) {
                    self.join_dialog(id, dialog);
                }
            }
        }
        let sent_end = pending.request.headers.get("Expires") == Some("0");
        if ending && !sent_end {
            return self.send_subscribe(now, id, 0);
        }
        if !sent_end {
            // The notifier may shorten the time, never lengthen it (§4.1.2.1).
            let granted = seconds(&response.headers, "Expires").unwrap_or(Duration::from_secs(asked.into()));
            self.run_until(now, id, granted);
        }
        self.events.push_back(Event::Subscribed { subscription: Subscription(id), response });
    }

    fn on_subscribe_failed(&mut self, now: Instant, id: u64, pending: Box<Pending>, response: &Response) {
        let Some(usage) = self.subscriptions.get_mut(&id) else { return };
        let Role::Subscriber(subscriber) = &mut usage.role else { return };
        let status = response.status;
        if status == 423
            && let Some(least) = seconds(&response.headers, "Min-Expires").and_then(|least| u32::try_from(least.as_secs()).ok())
            && least > subscriber.expires
            && !subscriber.ending
        {
            subscriber.expires = least;
            if self.send_again(now, pending, |headers| headers.set("Expires", least.to_string())).is_ok() {
                return;
            }
            return self.end_subscription(id, SubscriptionEnding::Refused { status, response: Some(Box::new(response.clone())) });
        }
        subscriber.under_way = false;
        if !subscriber.begun || subscriber.ending || matches!(status, 404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604) {
            // Whoever answers at all has heard that it is over.
            let why = if subscriber.begun && subscriber.ending && response.unheard.is_none() {
                SubscriptionEnding::Unsubscribed
            } else {
                SubscriptionEnding::Refused { status, response: Some(Box::new(response.clone())) }
            };
            return self.end_subscription(id, why);
        }
        // A failed refresh leaves the subscription as long as it was granted (§4.1.2.2).
        self.timers.stop(Timer::Subscription(id, SubscriptionTimer::NoNotify));
        self.refresh_later(now, id);
    }

    /// A NOTIFY in a dialog.
    pub(in super::super) fn on_notify(&mut self, now: Instant, key: ServerKey, request: Request, from: Hop, dialog: DialogKey) {
        let Some(event) = EventName::of(&request.headers) else { return self.refuse(now, &key, &request, 400, &[]) };
        match self.find_subscription(dialog, &event, false) {
            Some(id) => self.take_notify(now, key, request, from, id, dialog),
            None => {
                // The state of a REFER that the owner sent in the call (RFC 3515 §2.4.4) is the owner's to read.
                let call = self.dialogs.get(dialog).and_then(|entry| entry.call).filter(|_| event.package == "refer");
                match call {
                    Some(call) => self.hand_over(now, key, request, from, Some(call), Some(dialog)),
                    None => self.refuse(now, &key, &request, 481, &[]),
                }
            }
        }
    }

    /// A NOTIFY in no dialog yet: it may come before the 2xx to our SUBSCRIBE, and makes the dialog then (§4.1.2.4).
    pub(in super::super) fn on_early_notify(&mut self, now: Instant, key: ServerKey, request: Request, from: Hop) {
        let half = DialogId::of_request(&request).map(|id| (id.call_id, id.local_tag));
        let id = half.as_ref().and_then(|half| self.half_dialogs.get(half)).copied();
        let Some(id) = id else { return self.refuse(now, &key, &request, 481, &[]) };
        if !self.screen_method(now, &key, &request) || !self.screen_extensions(now, &key, &request) {
            return;
        }
        let Some(usage) = self.subscriptions.get(&id) else { return };
        // Another branch of a fork (§4.1.4), or another subscription's.
        if usage.dialog.is_some() || EventName::of(&request.headers).as_ref() != Some(&usage.event) {
            return self.refuse(now, &key, &request, 481, &[]);
        }
        let local_tag = half.map(|(_, tag)| tag).unwrap_or_default();
        // Our Contact and number are those of the SUBSCRIBE under way.
        let sent = self.pending.values().find(|pending| pending.purpose == Purpose::Subscribe(id)).map(|pending| &pending.request);
        let contact = sent.and_then(|request| request.contacts().next());
        let seq = sent.and_then(Request::cseq).map_or(1, |cseq| cseq.seq);
        let contact = contact.unwrap_or_else(|| self.contact(None, from.transport));
        let Ok(mut dialog) = Dialog::callee(&request, &local_tag, contact, &from) else {
            return self.refuse(now, &key, &request, 400, &[]);
        };
        dialog.raise_cseq(seq);
        if let Some(dialog) = self.join_dialog(id, dialog) {
            self.take_notify(now, key, request, from, id, dialog);
        }
    }

    fn take_notify(&mut self, now: Instant, key: ServerKey, request: Request, from: Hop, id: u64, dialog: DialogKey) {
        let Some(usage) = self.subscriptions.get_mut(&id) else { return };
        if let Role::Subscriber(subscriber) = &mut usage.role {
            subscriber.begun = true;
        }
        self.timers.stop(Timer::Subscription(id, SubscriptionTimer::NoNotify));
        let state = StateHeader::of(&request.headers);
        let Some(incoming) = self.wait_for_owner(now, key, &request, from, None, Some(dialog)) else { return };
        self.events.push_back(Event::Notify { subscription: Subscription(id), incoming, request });
        match state {
            StateHeader::Terminated { reason, retry_after } => {
                let ended_by_us = matches!(self.subscriptions.get(&id).map(|usage| &usage.role), Some(Role::Subscriber(s)) if s.ending);
                let why =
                    if ended_by_us { SubscriptionEnding::Unsubscribed } else { SubscriptionEnding::Terminated { reason, retry_after } };
                self.end_subscription(id, why);
            }
            StateHeader::Lasts { expires: Some(left) } => {
                // A NOTIFY may shorten the time, never lengthen it (§4.2.2).
                let granted = self.subscriptions.get(&id).and_then(|usage| usage.expires_at);
                let left = granted.map_or(left, |at| left.min(at.saturating_duration_since(now)));
                self.run_until(now, id, left);
            }
            StateHeader::Lasts { expires: None } => {}
        }
    }

    /// The time for a refresh has come.
    pub(in super::super) fn on_resubscribe(&mut self, now: Instant, id: u64) {
        let Some(usage) = self.subscriptions.get(&id) else { return };
        if let Role::Subscriber(subscriber) = &usage.role
            && !subscriber.under_way
            && !subscriber.ending
        {
            let expires = subscriber.expires;
            self.send_subscribe(now, id, expires);
        }
    }

    /// No NOTIFY came in 64·T1 after a SUBSCRIBE (timer N): the subscription is over.
    pub(in super::super) fn on_no_notify(&mut self, id: u64) {
        let why = match self.subscriptions.get(&id).map(|usage| &usage.role) {
            Some(Role::Subscriber(subscriber)) if subscriber.ending && subscriber.expires > 0 => SubscriptionEnding::Unsubscribed,
            _ => SubscriptionEnding::Refused { status: 408, response: None },
        };
        self.end_subscription(id, why);
    }

    /// Ends one of ours: `Expires: 0` now, or as soon as the SUBSCRIBE under way is answered.
    pub(super) fn end_ours(&mut self, now: Instant, id: u64) {
        let Some(usage) = self.subscriptions.get_mut(&id) else { return };
        let Role::Subscriber(subscriber) = &mut usage.role else { return };
        if std::mem::replace(&mut subscriber.ending, true) {
            return;
        }
        if !subscriber.under_way {
            self.send_subscribe(now, id, 0);
        }
    }

    fn send_subscribe(&mut self, now: Instant, id: u64, expires: u32) {
        let Some(usage) = self.subscriptions.get_mut(&id) else { return };
        let Some(dialog) = usage.dialog else {
            return self.end_subscription(id, SubscriptionEnding::Unsubscribed);
        };
        let Role::Subscriber(subscriber) = &mut usage.role else { return };
        subscriber.under_way = true;
        let mut headers = subscriber.headers.clone();
        headers.push(("Expires".to_owned(), expires.to_string()));
        match self.send_inside(now, dialog, Purpose::Subscribe(id), Method::Subscribe, headers, None) {
            Ok(()) => self.expect_notify(now, id),
            Err(_) => self.end_subscription(id, SubscriptionEnding::Refused { status: 503, response: None }),
        }
    }

    /// A NOTIFY has to follow each SUBSCRIBE (timer N, §4.1.2.4).
    fn expect_notify(&mut self, now: Instant, id: u64) {
        let at = now + self.layer.timers().give_up();
        self.timers.set(Timer::Subscription(id, SubscriptionTimer::NoNotify), at);
    }

    fn run_until(&mut self, now: Instant, id: u64, left: Duration) {
        let Some(usage) = self.subscriptions.get_mut(&id) else { return };
        usage.expires_at = Some(now + left);
        self.timers.set(Timer::Subscription(id, SubscriptionTimer::Expire), now + left);
        let margin = (left / 10).max(REFRESH_MARGIN).min(left / 2);
        let wait = (left - margin).max(SHORTEST_WAIT);
        self.timers.set(Timer::Subscription(id, SubscriptionTimer::Refresh), now + wait);
    }

    fn refresh_later(&mut self, now: Instant, id: u64) {
        let Some(left) = self.subscriptions.get(&id).and_then(|usage| usage.expires_at).map(|at| at.saturating_duration_since(now)) else {
            return;
        };
        if left > REFRESH_MARGIN {
            self.timers.set(Timer::Subscription(id, SubscriptionTimer::Refresh), now + left / 2);
        }
    }

    fn join_dialog(&mut self, id: u64, dialog: Dialog) -> Option<DialogKey> {
        let key = self.dialogs.insert(dialog);
        self.dialogs.get_mut(key)?.subscriptions.push(id);
        self.subscriptions.get_mut(&id)?.dialog = Some(key);
        Some(key)
    }
}

/// Subscription-State as it comes in (§4.1.3). What is not understood lasts.
enum StateHeader {
    Lasts { expires: Option<Duration> },
    Terminated { reason: Option<String>, retry_after: Option<u32> },
}

impl StateHeader {
    fn of(headers: &Headers) -> Self {
        let value = headers.get("Subscription-State").unwrap_or_default();
        let (state, params) = value.split_at(value.find(';').unwrap_or(value.len()));
        let params = scan::params(params).unwrap_or_default();
        let param = |name: &str| params.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.clone());
        let number = |name: &str| param(name).and_then(|v| v.parse::<u32>().ok());
        if state.trim().eq_ignore_ascii_case("terminated") {
            Self::Terminated { reason: param("reason"), retry_after: number("retry-after") }
        } else {
            Self::Lasts { expires: number("expires").map(|s| Duration::from_secs(s.into())) }
        }
    }
}
