//! XML → values.

use std::collections::BTreeMap;

use roxmltree::Node;

use super::{
    AdmissionState, Body, CallState, Command, ControlError, Create, Data, Details, ErrorCode, Failure, Given, Invitee, Issued, Join,
    MAX_GAIN_DB, MAX_GIVEN_TOLD, MAX_TTL_SECONDS, MAX_URIS, MediaServer, NAMESPACE, Participant, Pin, PinError, Preset, Reply, Request,
    Role, Status, Summary, VolumeDirection, Who,
};
use crate::{
    account::{AudienceError, MAX_PRESETS, TicketTextError},
    conference::wire::{
        fields::{self, Why, flag, maybe_flag, maybe_number, maybe_text, maybe_word, missing, number, shown, text, time, word},
        xml,
    },
};

pub(super) fn body(bytes: &[u8]) -> Result<Body, ControlError> {
    let document = xml::read(bytes)?;
    let root = document.root_element();
    if root.tag_name().namespace() != Some(NAMESPACE) {
        return Err(ControlError::OtherDocument);
    }
    match root.tag_name().name() {
        "request" => {
            let id = text(root, "id").map_err(ControlError::Malformed)?;
            match command(root) {
                Ok(command) => Ok(Body::Request(Request { id, command })),
                Err(text) => Err(ControlError::Refused { id, text }),
            }
        }
        "result" => reply(root).map(Body::Reply).map_err(ControlError::Malformed),
        "join" => pin(root).map(|pin| Body::Join(Join { pin })).map_err(ControlError::Malformed),
        "admission" => word(root, "state", AdmissionState::from_word).map(Body::Admission).map_err(ControlError::Malformed),
        _ => Err(ControlError::OtherDocument),
    }
}

fn command(request: Node<'_, '_>) -> Why<Command> {
    let mut commands = xml::children(request, NAMESPACE);
    let node = commands.next().ok_or("the request holds no command")?;
    if commands.next().is_some() {
        return Err("a request holds one command".to_owned());
    }
    let conference = || text(node, "conference");
    Ok(match node.tag_name().name() {
        "create" => Command::Create(create(node)?),
        "list" => Command::List,
        "show" => Command::Show { conference: conference()? },
        "end" => Command::End { conference: conference()?, reason: maybe_text(node, "reason")? },
        "invite" => {
            let uris: Vec<String> = list(node, "uri")?;
            match uris.len() {
                0 => return Err("an invitation needs at least one uri".to_owned()),
                n if n > MAX_URIS => return Err(format!("an invitation takes at most {MAX_URIS} uris")),
                _ => Command::Invite { conference: conference()?, uris },
            }
        }
        "kick" => Command::Kick { conference: conference()?, who: who(node)?, reason: maybe_text(node, "reason")? },
        "mute" => Command::Mute { conference: conference()?, who: who(node)?, on: flag(node, "on")? },
        "deaf" => Command::Deaf { conference: conference()?, who: who(node)?, on: flag(node, "on")? },
        "volume" => Command::Volume {
            conference: conference()?,
            who: who(node)?,
            direction: maybe_word(node, "direction", VolumeDirection::from_word)?.unwrap_or_default(),
            gain_db: gain(node, "gain")?,
        },
        "lock" => Command::Lock { conference: conference()?, on: flag(node, "on")? },
        "pin" => Command::Pin { conference: conference()?, pin: pin(node)? },
        "role" => Command::Role { conference: conference()?, who: who(node)?, role: word(node, "role", Role::from_word)? },
        "grant" => Command::Grant { conference: conference()?, who: who(node)?, right: text(node, "right")?, on: flag(node, "on")? },
        "status" => Command::Status,
        "ticket" => Command::Ticket {
            audience: text(node, "audience")?.parse().map_err(|e: AudienceError| e.to_string())?,
            action: maybe_text(node, "action")?,
        },
        other => return Err(format!("there is no command {}", shown(other))),
    })
}

fn create(node: Node<'_, '_>) -> Why<Create> {
    Ok(Create {
        name: text(node, "name")?,
        title: maybe_text(node, "title")?,
        pin: pin(node)?,
        guests: maybe_flag(node, "guests")?,
        max: maybe_number(node, "max")?,
        ttl_seconds: ttl(node)?,
        rights: rights(node)?,
        codecs: list(node, "codec")?,
    })
}

fn reply(root: Node<'_, '_>) -> Why<Reply> {
    let id = text(root, "id")?;
    let more = maybe_flag(root, "more")?.unwrap_or(false);
    let outcome = match root.attribute("status") {
        Some("ok") => Ok(data(root)?),
        Some("error") => Err(failure(xml::child(root, NAMESPACE, "error").ok_or("the result has no error")?)?),
        _ => return Err("the result's status is neither ok nor error".to_owned()),
    };
    Ok(Reply { id, more, outcome })
}

fn data(result: Node<'_, '_>) -> Why<Data> {
    let Some(node) = xml::children(result, NAMESPACE).next() else { return Ok(Data::Done {}) };
    let all = |name: &'static str| xml::children(node, NAMESPACE).filter(move |n| n.tag_name().name() == name);
    Ok(match node.tag_name().name() {
        "created" => Data::Created(Box::new(summary(xml::child(node, NAMESPACE, "conference").ok_or("the result has no conference")?)?)),
        "conferences" => Data::Conferences { conferences: all("conference").map(summary).collect::<Why<_>>()? },
        "conference" => Data::Conference(Box::new(Details {
            summary: summary(node)?,
            given: all("given").take(MAX_GIVEN_TOLD).map(given).collect::<Why<_>>()?,
            roster: all("participant").map(participant).collect::<Why<_>>()?,
        })),
        "invited" => Data::Invited { invited: all("invitee").map(invitee).collect::<Why<_>>()? },
        "participants" => Data::Participants { participants: all("participant").map(participant).collect::<Why<_>>()? },
        "status" => Data::Status(Box::new(status(node)?)),
        "ticket" => Data::Ticket(Box::new(issued(node)?)),
        other => return Err(format!("the result holds an unknown {}", shown(other))),
    })
}

fn given(node: Node<'_, '_>) -> Why<Given> {
    Ok(Given { right: text(node, "right")?, who: text(node, "who")?, on: flag(node, "on")? })
}

fn summary(node: Node<'_, '_>) -> Why<Summary> {
    Ok(Summary {
        name: text(node, "name")?,
        title: maybe_text(node, "title")?,
        uri: text(node, "uri")?,
        participants: number(node, "participants")?,
        max: maybe_number(node, "max")?,
        locked: flag(node, "locked")?,
        pin: flag(node, "pin")?,
        guests: flag(node, "guests")?,
        rights: rights(node)?,
        created: time(node, "created")?.ok_or_else(|| missing("created"))?,
        ends: time(node, "ends")?,
        owner: maybe_text(node, "owner")?,
        media_server: maybe_text(node, "media-server")?,
    })
}

fn participant(node: Node<'_, '_>) -> Why<Participant> {
    Ok(Participant {
        id: text(node, "id")?,
        uri: text(node, "uri")?,
        name: maybe_text(node, "name")?,
        user: maybe_text(node, "user")?,
        role: word(node, "role", Role::from_word)?,
        state: word(node, "state", CallState::from_word)?,
        dialed_out: flag(node, "dialed-out")?,
        joined: time(node, "joined")?,
        audio: maybe_flag(node, "audio")?.unwrap_or(true),
        muted: flag(node, "muted")?,
        deaf: flag(node, "deaf")?,
        talking: flag(node, "talking")?,
        gain_in_db: gain(node, "gain-in")?,
        gain_out_db: gain(node, "gain-out")?,
        codec: maybe_text(node, "codec")?,
        agent: maybe_text(node, "agent")?,
    })
}

fn invitee(node: Node<'_, '_>) -> Why<Invitee> {
    Ok(Invitee {
        uri: text(node, "uri")?,
        participant: maybe_text(node, "participant")?,
        failure: xml::child(node, NAMESPACE, "error").map(failure).transpose()?,
    })
}

fn failure(node: Node<'_, '_>) -> Why<Failure> {
    Ok(Failure {
        code: word(node, "code", ErrorCode::from_word)?,
        text: maybe_text(node, "text")?.unwrap_or_default(),
        candidates: list(node, "candidate")?,
    })
}

fn status(node: Node<'_, '_>) -> Why<Status> {
    let servers = xml::children(node, NAMESPACE).filter(|n| n.tag_name().name() == "media-server");
    Ok(Status {
        version: text(node, "version")?,
        uptime_seconds: number(node, "uptime")?,
        roles: list(node, "role")?,
        draining: flag(node, "draining")?,
        conferences: number(node, "conferences")?,
        participants: number(node, "participants")?,
        contacts: number(node, "contacts")?,
        media_servers: servers.map(media_server).collect::<Why<_>>()?,
    })
}

fn issued(node: Node<'_, '_>) -> Why<Issued> {
    Ok(Issued {
        ticket: xml::text(node).parse().map_err(|e: TicketTextError| e.to_string())?,
        audience: text(node, "audience")?.parse().map_err(|e: AudienceError| e.to_string())?,
        expires: time(node, "expires")?.ok_or_else(|| missing("expires"))?,
    })
}

fn media_server(node: Node<'_, '_>) -> Why<MediaServer> {
    Ok(MediaServer {
        uri: text(node, "uri")?,
        reachable: flag(node, "reachable")?,
        legs: number(node, "legs")?,
        capacity: number(node, "capacity")?,
        load: number(node, "load")?,
    })
}

fn pin(node: Node<'_, '_>) -> Why<Option<Pin>> {
    xml::child_text(node, NAMESPACE, "pin").map(|digits| digits.parse().map_err(|e: PinError| e.to_string())).transpose()
}

fn who(node: Node<'_, '_>) -> Why<Who> {
    match (maybe_text(node, "who")?, maybe_flag(node, "all")?) {
        (Some(who), None | Some(false)) => Ok(Who::One(who)),
        (None, Some(true)) => Ok(Who::All),
        (None | Some(_), _) => Err("say either who or all".to_owned()),
    }
}

fn rights(node: Node<'_, '_>) -> Why<BTreeMap<String, Preset>> {
    let all = xml::children(node, NAMESPACE).filter(|n| n.tag_name().name() == "right");
    let rights: BTreeMap<_, _> = all.map(|n| Ok((text(n, "name")?, word(n, "preset", |w| w.parse().ok())?))).collect::<Why<_>>()?;
    if rights.len() > MAX_PRESETS {
        return Err(format!("a conference has at most {MAX_PRESETS} rights"));
    }
    Ok(rights)
}

fn ttl(node: Node<'_, '_>) -> Why<Option<u64>> {
    match maybe_number(node, "ttl")? {
        Some(seconds) if seconds > MAX_TTL_SECONDS => Err(format!("the ttl is longer than ten years ({MAX_TTL_SECONDS} s)")),
        ttl => Ok(ttl),
    }
}

fn gain(node: Node<'_, '_>, name: &'static str) -> Why<i8> {
    let gain: i8 = number(node, name)?;
    if (-MAX_GAIN_DB..=MAX_GAIN_DB).contains(&gain) {
        Ok(gain)
    } else {
        Err(format!("the {name} goes from -{MAX_GAIN_DB} to {MAX_GAIN_DB} dB"))
    }
}

/// The texts of all children of a name.
fn list(node: Node<'_, '_>, name: &'static str) -> Why<Vec<String>> {
    fields::list(node, NAMESPACE, name)
}
