//! From the documents of the event package to what `watch` prints: participants, and what changed between two pictures.

use std::collections::BTreeMap;

use crate::{
    cli::confctl::events::Watched,
    conference::wire::{
        Timestamp,
        conference_info::{ConferenceInfo, Endpoint, EndpointStatus, JoiningMethod, User},
        control::{CallState, Participant, Role},
    },
    sip::{endpoint::Reason, message::Uri},
};

/// The events that lead from one picture of a conference to the next; without one before, the whole state. `document` is what led there: it says
/// why those who left did.
pub fn changes(
    name: &str,
    at: Timestamp,
    before: Option<&ConferenceInfo>,
    after: &ConferenceInfo,
    document: &ConferenceInfo,
) -> Vec<Watched> {
    let conference = || name.to_owned();
    let now = roster(after);
    let Some(before) = before else {
        let description = after.description.as_ref();
        return vec![Watched::State {
            at,
            conference: conference(),
            title: description.and_then(|d| d.display_text.clone()),
            uri: after.entity.clone(),
            locked: locked(after),
            max: description.and_then(|d| d.maximum_user_count),
            roster: now.into_values().collect(),
        }];
    };
    let was = roster(before);
    let mut events = Vec::new();
    for (id, participant) in &was {
        if !now.contains_key(id) {
            let reason = reason(document, &participant.id);
            events.push(Watched::Left { at, conference: conference(), participant: participant.clone(), reason });
        }
    }
    for (id, participant) in &now {
        match was.get(id) {
            None => events.push(Watched::Joined { at, conference: conference(), participant: participant.clone() }),
            Some(old) => {
                let fields = fields(old, participant);
                if !fields.is_empty() {
                    events.push(Watched::Changed { at, conference: conference(), participant: participant.clone(), fields });
                }
            }
        }
    }
    if talkers(&was) != talkers(&now) {
        events.push(Watched::Talking { at, conference: conference(), talkers: talkers(&now) });
    }
    match (locked(before), locked(after)) {
        (false, true) => events.push(Watched::Locked { at, conference: conference() }),
        (true, false) => events.push(Watched::Unlocked { at, conference: conference() }),
        _ => {}
    }
    events
}

/// Why somebody left (RFC 4575 §5.7.8): the text of a Reason where it is one (RFC 3326), else what it says.
fn reason(document: &ConferenceInfo, id: &str) -> Option<String> {
    let mut endpoints = document.users.iter().flat_map(|all| &all.users).flat_map(|user| &user.endpoints);
    let of = |endpoint: &&Endpoint| endpoint.extension.as_ref().map_or(endpoint.entity.as_str(), |e| e.id.as_str()) == id;
    let text = endpoints.find(of)?.disconnection_info.as_ref()?.reason.clone()?;
    match text.parse::<Reason>() {
        Ok(Reason { text: Some(text), .. }) => Some(text),
        Ok(_) | Err(_) => Some(text),
    }
}

fn locked(info: &ConferenceInfo) -> bool {
    info.conference_state.as_ref().and_then(|s| s.locked).unwrap_or(false)
}

fn talkers(roster: &BTreeMap<(u32, String), Participant>) -> Vec<String> {
    roster.values().filter(|p| p.talking).map(|p| p.id.clone()).collect()
}

/// Which fields differ; `talking` has an event of its own.
fn fields(old: &Participant, new: &Participant) -> Vec<String> {
    let differ = [
        ("name", old.name != new.name),
        ("uri", old.uri != new.uri),
        ("role", old.role != new.role),
        ("state", old.state != new.state),
        ("joined", old.joined != new.joined),
        ("muted", old.muted != new.muted),
        ("deaf", old.deaf != new.deaf),
    ];
    differ.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect()
}

/// The participants of a picture, by number where they have one of ours.
pub fn roster(info: &ConferenceInfo) -> BTreeMap<(u32, String), Participant> {
    let users = info.users.iter().flat_map(|all| &all.users);
    let all = users.flat_map(|user| user.endpoints.iter().map(move |endpoint| participant(user, endpoint)));
    all.map(|p| ((p.id.strip_prefix('p').and_then(|n| n.parse().ok()).unwrap_or(u32::MAX), p.id.clone()), p)).collect()
}

fn participant(user: &User, endpoint: &Endpoint) -> Participant {
    let extension = endpoint.extension.as_ref();
    let role = |name: &str| user.roles.iter().any(|r| r.eq_ignore_ascii_case(name));
    let role = match () {
        () if role("chair") => Role::Chair,
        () if role("guest") => Role::Guest,
        () => Role::Member,
    };
    let muted_by_focus = endpoint.status == Some(EndpointStatus::MutedViaFocus);
    // A focus of ours tells guests of one address apart by a parameter that is not part of it.
    let uri = user.entity.split(";participant=").next().unwrap_or(&user.entity).to_owned();
    Participant {
        id: extension.map_or_else(|| endpoint.entity.clone(), |e| e.id.clone()),
        name: user.display_text.clone(),
        user: uri.parse::<Uri>().ok().and_then(|u| u.user()).filter(|_| role != Role::Guest),
        uri,
        role,
        state: match endpoint.status {
            Some(EndpointStatus::Pending) => CallState::Pending,
            Some(EndpointStatus::DialingOut) => CallState::DialingOut,
            Some(EndpointStatus::DialingIn) => CallState::DialingIn,
            Some(EndpointStatus::Alerting) => CallState::Alerting,
            Some(EndpointStatus::OnHold) => CallState::OnHold,
            Some(EndpointStatus::Disconnecting) => CallState::Disconnecting,
            Some(EndpointStatus::Disconnected) => CallState::Disconnected,
            Some(EndpointStatus::Connected | EndpointStatus::MutedViaFocus) | None => CallState::Connected,
        },
        dialed_out: endpoint.joining_method == Some(JoiningMethod::DialedOut),
        joined: endpoint.joining_info.as_ref().and_then(|i| i.when),
        // What other foci leave out says nothing.
        audio: extension.is_none() || !endpoint.media.is_empty(),
        muted: muted_by_focus || extension.is_some_and(|e| e.muted),
        deaf: extension.is_some_and(|e| e.deaf),
        talking: extension.is_some_and(|e| e.talking),
        gain_in_db: 0,
        gain_out_db: 0,
        codec: None,
        agent: None,
    }
}
