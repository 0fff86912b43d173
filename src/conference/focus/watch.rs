//! Subscribers of the conference event package (RFC 4575, RFC 6665): full state first, then what changed.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::{Caller, Cx, Focus, FocusConfig, Timer, conference::Conference, dial_in::retry_after};
use crate::{
    conference::{
        policy::Denied,
        roster::{CallState, Entry, Joining},
        wire::conference_info::{
            AvailableMedia, CONTENT_TYPE, ConferenceInfo, ConferenceState, Description, DisconnectionMethod, Endpoint, EndpointStatus,
            Execution, Extension, JoiningMethod, Media, MediaStatus, State, User, Users,
        },
    },
    id::{ConferenceName, ParticipantId, UserName},
    sip::{
        endpoint::{Body, Incoming, Reason, Refused, Subscription, SubscriptionState, warning},
        message::Request,
    },
};

/// NOTIFYs of one subscriber that may wait for their turn. One more, and it gets the full state when it has caught up.
const MAX_BACKLOG: usize = 16;
/// Parts of the full state that may wait for their turn; the next ones are printed when there is room.
const PARTS_AHEAD: usize = 8;
/// How soon it is looked whether there is room for the next part.
const NEXT_PART: Duration = Duration::from_millis(100);
/// How soon a subscriber that was too slow is looked after.
const CATCH_UP: Duration = Duration::from_secs(1);
/// Most users in one document: more go into further documents, so that a message stays below the 64 KiB of a datagram.
const USERS_PER_DOCUMENT: usize = 50;

/// One subscriber.
#[derive(Debug)]
pub(super) struct Watch {
    /// What it watches.
    conference: ConferenceName,
    /// Whose it is; `None` for a guest's.
    user: Option<UserName>,
    /// Version of the last document it was sent.
    version: u32,
    /// How much of the full state it has.
    full: Full,
}

/// How much of the full state a subscriber has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    /// All: it is told what changes.
    Sent,
    /// As far as this participant; it is told what changes.
    UpTo(ParticipantId),
    /// None of it, since it is new or has missed a change; changes need not be told.
    Owed,
}

impl Focus {
    /// A SUBSCRIBE outside a dialog.
    pub(super) fn on_subscribe(&mut self, cx: &mut Cx<'_>, incoming: Incoming, request: &Request, caller: &Caller) {
        let name = request.uri.user().and_then(|user| user.parse::<ConferenceName>().ok());
        let Some((name, conference)) = name.and_then(|name| self.conferences.get(&name).map(|c| (name, c))) else {
            return cx.endpoint.respond(cx.now, incoming, 404, Vec::new(), None);
        };
        if self.draining {
            return cx.endpoint.respond(cx.now, incoming, 503, retry_after(), None);
        }
        if caller.user.is_none() && !conference.record.guests.unwrap_or(self.config.guests) {
            return cx.endpoint.respond(cx.now, incoming, 403, Denied::Guest.headers(), None);
        }
        // Who is in there is not for those who could not get in themselves.
        if caller.user.is_none() && conference.record.pin.is_some() {
            return cx.endpoint.respond(cx.now, incoming, 403, vec![warning("a conference with a PIN is watched with an account")], None);
        }
        if request.headers.get("Accept").is_some() && !accepts(request) {
            return cx.endpoint.respond(cx.now, incoming, 406, vec![("Accept".to_owned(), CONTENT_TYPE.to_owned())], None);
        }
        let expires = request.headers.get("Expires").and_then(|v| v.trim().parse().ok()).unwrap_or(3600);
        if let Ok(subscription) = cx.endpoint.accept_subscription(cx.now, incoming, expires) {
            self.watches.insert(subscription, Watch { conference: name, user: caller.user.clone(), version: 0, full: Full::Owed });
            self.send_full(cx, subscription);
        }
    }

    /// A refresh, or the end: either wants the full state (RFC 6665 §4.2.1.2).
    pub(super) fn on_resubscribe(&mut self, cx: &mut Cx<'_>, subscription: Subscription, _expires: u32) -> bool {
        let ours = self.watches.contains_key(&subscription);
        if ours {
            self.send_full(cx, subscription);
        }
        ours
    }

    /// A subscription is over.
    pub(super) fn on_watch_ended(&mut self, subscription: Subscription) -> bool {
        self.timers.cancel(&Timer::Watch(subscription));
        self.watches.remove(&subscription).is_some()
    }

    fn send_full(&mut self, cx: &mut Cx<'_>, subscription: Subscription) {
        if let Some(watch) = self.watches.get_mut(&subscription) {
            watch.full = Full::Owed;
            self.send_parts(cx, subscription);
        }
    }

    /// Sends the next parts of the full state, as many as there is room for.
    fn send_parts(&mut self, cx: &mut Cx<'_>, subscription: Subscription) {
        loop {
            let Some(watch) = self.watches.get_mut(&subscription) else { return };
            let Some(conference) = self.conferences.get(&watch.conference) else { return };
            let after = match watch.full {
                Full::Sent => return,
                Full::UpTo(id) => Some(id),
                Full::Owed => None,
            };
            if cx.endpoint.notify_backlog(subscription) >= PARTS_AHEAD {
                return self.timers.set(Timer::Watch(subscription), cx.now + NEXT_PART);
            }
            let mut rest = conference.roster.after(after).filter(|e| is_shown(e));
            let some: Vec<&Entry> = rest.by_ref().take(USERS_PER_DOCUMENT).collect();
            let next = some.last().filter(|_| rest.next().is_some()).map_or(Full::Sent, |last| Full::UpTo(last.id));
            drop(rest);
            let first = some.first().map(|e| e.id);
            let users = users(&self.config, conference, &some, |other| first.is_some_and(|first| other.id < first));
            let entity = self.config.uri(watch.conference.as_str()).to_string();
            let version = watch.version.saturating_add(1);
            let document = match after {
                None => ConferenceInfo {
                    description: Some(description(conference, &entity)),
                    conference_state: Some(state_of(conference)),
                    users: Some(Users { state: State::Full, users }),
                    ..ConferenceInfo::new(entity, State::Full, version)
                },
                Some(_) => ConferenceInfo {
                    users: Some(Users { state: State::Partial, users }),
                    ..ConferenceInfo::new(entity, State::Partial, version)
                },
            };
            let body = Body::new(CONTENT_TYPE, document.to_xml());
            let sent = match next {
                Full::Sent => cx.endpoint.notify(cx.now, subscription, SubscriptionState::Active, Some(body)),
                Full::UpTo(_) | Full::Owed => cx.endpoint.notify_part(cx.now, subscription, body),
            };
            match sent {
                Ok(()) => (watch.version, watch.full) = (version, next),
                Err(Refused::Full) => return self.fall_behind(cx, subscription),
                // It is over.
                Err(_) => return,
            }
        }
    }

    fn fall_behind(&mut self, cx: &Cx<'_>, subscription: Subscription) {
        if let Some(watch) = self.watches.get_mut(&subscription) {
            watch.full = Full::Owed;
            self.timers.set(Timer::Watch(subscription), cx.now + CATCH_UP);
        }
    }

    /// A subscriber may have room for the next parts of the full state.
    pub(super) fn on_watch_timer(&mut self, cx: &mut Cx<'_>, subscription: Subscription) {
        self.send_parts(cx, subscription);
    }

    /// One participant came or changed.
    pub(super) fn publish_user(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, id: ParticipantId) {
        self.publish_users(cx, name, &[id]);
    }

    /// Participants came or changed: one document, one version; several of either if they are many.
    pub(super) fn publish_users(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, ids: &[ParticipantId]) {
        let Some(conference) = self.conferences.get(name) else { return };
        let entries: Vec<&Entry> = ids.iter().filter_map(|id| conference.roster.get(*id)).filter(|e| is_shown(e)).collect();
        let users = users(&self.config, conference, &entries, |_| false);
        let state = state_of(conference);
        for some in users.chunks(USERS_PER_DOCUMENT) {
            self.publish(cx, name, Some(state.clone()), some.to_vec());
        }
        for id in ids {
            self.show_companion(cx, name, *id);
        }
    }

    /// A participant is gone.
    pub(super) fn publish_gone(
        &mut self,
        cx: &mut Cx<'_>,
        name: &ConferenceName,
        entry: &Entry,
        how: DisconnectionMethod,
        reason: Option<&Reason>,
    ) {
        let Some(conference) = self.conferences.get(name) else { return };
        let when = Some(cx.wall.into());
        let endpoint = Endpoint {
            state: State::Deleted,
            status: Some(EndpointStatus::Disconnected),
            disconnection_method: Some(how),
            disconnection_info: Some(Execution { when, reason: reason.map(ToString::to_string), by: None }),
            media: Vec::new(),
            ..endpoint(entry)
        };
        // Its account may be there with another dialog.
        let stays = others(conference, entry).next().is_some();
        let gone = User {
            entity: entity(&self.config, entry),
            state: if stays { State::Partial } else { State::Deleted },
            display_text: Some(entry.name()),
            roles: roles(conference, entry),
            endpoints: vec![endpoint],
        };
        let state = Some(state_of(conference));
        self.publish(cx, name, state, vec![gone]);
    }

    /// The conference as a whole changed: lock, title, size.
    pub(super) fn publish_state(&mut self, cx: &mut Cx<'_>, name: &ConferenceName) {
        let state = self.conferences.get(name).map(state_of);
        self.publish(cx, name, state, Vec::new());
    }

    fn publish(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, state: Option<ConferenceState>, users: Vec<User>) {
        let watching: Vec<Subscription> =
            self.watches.iter().filter(|(_, w)| w.conference == *name && w.full != Full::Owed).map(|(s, _)| *s).collect();
        if watching.is_empty() {
            return;
        }
        // Printed once for all.
        let printed = ConferenceInfo {
            conference_state: state,
            users: (!users.is_empty()).then_some(Users { state: State::Partial, users }),
            ..ConferenceInfo::new(self.config.uri(name.as_str()).to_string(), State::Partial, 0)
        }
        .print();
        for subscription in watching {
            let Some(watch) = self.watches.get_mut(&subscription) else { continue };
            if cx.endpoint.notify_backlog(subscription) >= MAX_BACKLOG {
                self.fall_behind(cx, subscription);
                continue;
            }
            let version = watch.version.saturating_add(1);
            let body = Body::new(CONTENT_TYPE, printed.with_version(version));
            match cx.endpoint.notify_part(cx.now, subscription, body) {
                Ok(()) => watch.version = version,
                Err(Refused::Full) => self.fall_behind(cx, subscription),
                // It is over.
                Err(_) => {}
            }
        }
    }

    /// Accounts have changed: those that are gone watch no longer (RFC 6665 §4.1.3, `rejected`).
    pub(super) fn end_watches_of_the_gone(&mut self, cx: &mut Cx<'_>) {
        let gone = |watch: &Watch| watch.user.as_ref().is_some_and(|user| cx.users.is_admin(user).is_none());
        let watching: Vec<Subscription> = self.watches.iter().filter(|(_, w)| gone(w)).map(|(s, _)| *s).collect();
        for subscription in watching {
            self.watches.remove(&subscription);
            self.timers.cancel(&Timer::Watch(subscription));
            let over = SubscriptionState::Terminated { reason: "rejected".to_owned(), retry_after: None };
            let _ = cx.endpoint.notify(cx.now, subscription, over, None);
        }
    }

    /// The server stops: watchers of conferences that stay may subscribe anew (RFC 6665 §4.1.3, `deactivated`).
    pub(super) fn deactivate_watches(&mut self, cx: &mut Cx<'_>) {
        for subscription in std::mem::take(&mut self.watches).into_keys() {
            self.timers.cancel(&Timer::Watch(subscription));
            let over = SubscriptionState::Terminated { reason: "deactivated".to_owned(), retry_after: None };
            let _ = cx.endpoint.notify(cx.now, subscription, over, None);
        }
    }

    /// The conference is over: the last NOTIFY of each watcher (RFC 6665 §4.1.3, `noresource`).
    pub(super) fn end_watches(&mut self, cx: &mut Cx<'_>, name: &ConferenceName) {
        let watching: Vec<Subscription> = self.watches.iter().filter(|(_, w)| w.conference == *name).map(|(s, _)| *s).collect();
        let entity = self.config.uri(name.as_str()).to_string();
        for subscription in watching {
            let Some(watch) = self.watches.remove(&subscription) else { continue };
            self.timers.cancel(&Timer::Watch(subscription));
            let document = ConferenceInfo::new(entity.clone(), State::Deleted, watch.version.saturating_add(1));
            let over = SubscriptionState::Terminated { reason: "noresource".to_owned(), retry_after: None };
            let _ = cx.endpoint.notify(cx.now, subscription, over, Some(Body::new(CONTENT_TYPE, document.to_xml())));
        }
    }
}

fn description(conference: &Conference, entity: &str) -> Description {
    Description {
        display_text: Some(conference.record.title.clone()).filter(|t| !t.is_empty()),
        conf_uris: vec![entity.to_owned()],
        maximum_user_count: conference.record.max_participants,
        available_media: vec![AvailableMedia { label: "1".to_owned(), kind: "audio".to_owned(), status: Some(MediaStatus::SendRecv) }],
        ..Description::default()
    }
}

/// Who calls in is shown once it is in; who is called, from the start.
fn is_shown(entry: &Entry) -> bool {
    entry.joining == Joining::DialedOut || entry.joined.is_some()
}

fn accepts(request: &Request) -> bool {
    request.headers.tokens("Accept").any(|t| {
        let t = t.split(';').next().unwrap_or("").trim();
        t.eq_ignore_ascii_case(CONTENT_TYPE) || t == "*/*" || t.eq_ignore_ascii_case("application/*")
    })
}

fn state_of(conference: &Conference) -> ConferenceState {
    let count = conference.roster.iter().filter(|e| e.present()).count();
    ConferenceState { user_count: u32::try_from(count).ok(), active: Some(true), locked: Some(conference.record.locked) }
}

/// The key of a user: an account's address; with the participant id for who has none, since guests of one address are several.
fn entity(config: &FocusConfig, entry: &Entry) -> String {
    match entry.user() {
        Some(user) => config.uri(user.as_str()).to_string(),
        None => format!("{};participant={}", entry.uri, entry.id),
    }
}

/// Participants as users (RFC 4575 §5.6): the dialogs of one account are the endpoints of one user, who is always told as a whole. Users with a
/// dialog that is `told` already are left out.
fn users(config: &FocusConfig, conference: &Conference, entries: &[&Entry], told: impl Fn(&Entry) -> bool) -> Vec<User> {
    let mut users: Vec<User> = Vec::new();
    for entry in entries {
        let entity = entity(config, entry);
        if users.iter().any(|user| user.entity == entity) || others(conference, entry).any(&told) {
            continue;
        }
        let mut dialogs: Vec<&Entry> = others(conference, entry).chain([*entry]).collect();
        dialogs.sort_by_key(|dialog| dialog.id);
        users.push(User {
            entity,
            state: State::Full,
            display_text: Some(entry.name()),
            roles: roles(conference, entry),
            endpoints: dialogs.into_iter().map(endpoint).collect(),
        });
    }
    users
}

/// Other dialogs of an account that are shown.
fn others<'a>(conference: &'a Conference, entry: &'a Entry) -> impl Iterator<Item = &'a Entry> {
    let same = move |other: &&Entry| other.id != entry.id && entry.user().is_some() && other.user() == entry.user();
    conference.roster.iter().filter(|e| is_shown(e)).filter(same)
}

/// The highest role of somebody's dialogs, this one of course included.
fn roles(conference: &Conference, entry: &Entry) -> Vec<String> {
    let present = conference.roster.get(entry.id).map(|e| e.role);
    // Of who is gone, those that it leaves count.
    let left = others(conference, entry).map(|e| e.role).chain(present).min();
    vec![left.unwrap_or(entry.role).to_string()]
}

/// One dialog. Its participant id is part of its key, so that partial documents never mix two up.
fn endpoint(entry: &Entry) -> Endpoint {
    let status = match entry.state {
        CallState::Pending => EndpointStatus::Pending,
        CallState::DialingOut => EndpointStatus::DialingOut,
        CallState::Alerting => EndpointStatus::Alerting,
        CallState::DialingIn => EndpointStatus::DialingIn,
        CallState::Connected if entry.muted => EndpointStatus::MutedViaFocus,
        CallState::Connected => EndpointStatus::Connected,
        CallState::OnHold => EndpointStatus::OnHold,
        CallState::Disconnecting => EndpointStatus::Disconnecting,
        CallState::Disconnected => EndpointStatus::Disconnected,
    };
    let media = match (entry.muted, entry.deaf) {
        (false, false) => MediaStatus::SendRecv,
        (true, false) => MediaStatus::RecvOnly,
        (false, true) => MediaStatus::SendOnly,
        (true, true) => MediaStatus::Inactive,
    };
    let joining = match entry.joining {
        Joining::DialedIn => JoiningMethod::DialedIn,
        Joining::DialedOut => JoiningMethod::DialedOut,
    };
    let contact = entry.endpoint.as_ref().unwrap_or(&entry.uri);
    Endpoint {
        entity: if entry.user().is_some() { format!("{contact};participant={}", entry.id) } else { contact.to_string() },
        state: State::Full,
        status: Some(status),
        joining_method: Some(joining),
        joining_info: entry.joined.map(|at| Execution { when: Some(at.into()), ..Execution::default() }),
        // None for a dialog without audio: a further endpoint of its user, as far as the RFC is concerned.
        media: entry
            .audio
            .then(|| Media {
                id: "1".to_owned(),
                kind: Some("audio".to_owned()),
                label: Some("1".to_owned()),
                src_id: None,
                status: Some(media),
            })
            .into_iter()
            .collect(),
        extension: Some(Extension { id: entry.id.to_string(), talking: entry.talking, muted: entry.muted, deaf: entry.deaf }),
        ..Endpoint::default()
    }
}
