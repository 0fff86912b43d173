//! Values → XML.

use super::{
    Body, Command, Create, Data, Failure, Given, Invitee, MediaServer, NAMESPACE, Participant, Pin, Preset, Reply, Request, Status,
    Summary, VolumeDirection, Who,
};
use crate::conference::wire::{
    fields::cut,
    xml::{Element, yes_or_no},
};

pub(super) fn body(body: &Body) -> String {
    let root = match body {
        Body::Request(request) => self::request(request),
        Body::Reply(reply) => self::reply(reply),
        Body::Join(join) => root("join").maybe_child(join.pin.as_ref().map(pin)),
        Body::Admission(state) => root("admission").attr("state", state),
    };
    root.to_xml()
}

fn root(name: &'static str) -> Element {
    Element::new(name).attr("xmlns", NAMESPACE)
}

fn request(request: &Request) -> Element {
    let command = &request.command;
    let mut node = match command {
        Command::Create(create) => self::create(create),
        other => Element::new(other.name()).maybe_attr("conference", other.conference()),
    };
    node = match command {
        Command::Create(_) | Command::List | Command::Show { .. } | Command::Status => node,
        Command::Ticket { audience, action } => node.attr("audience", audience).maybe_attr("action", action.as_ref()),
        Command::End { reason, .. } => node.maybe_attr("reason", reason.as_ref()),
        Command::Invite { uris, .. } => node.children(uris.iter().map(|uri| Element::of_text("uri", uri))),
        Command::Kick { who, reason, .. } => self::who(node, who).maybe_attr("reason", reason.as_ref()),
        Command::Mute { who, on, .. } | Command::Deaf { who, on, .. } => self::who(node, who).attr("on", yes_or_no(*on)),
        Command::Volume { who, direction, gain_db, .. } => {
            let direction = Some(direction).filter(|d| **d != VolumeDirection::In);
            self::who(node, who).maybe_attr("direction", direction).attr("gain", gain_db)
        }
        Command::Lock { on, .. } => node.attr("on", yes_or_no(*on)),
        Command::Pin { pin, .. } => node.maybe_child(pin.as_ref().map(self::pin)),
        Command::Role { who, role, .. } => self::who(node, who).attr("role", role),
        Command::Grant { who, right, on, .. } => self::who(node, who).attr("right", right).attr("on", yes_or_no(*on)),
    };
    root("request").attr("id", &request.id).child(node)
}

fn create(create: &Create) -> Element {
    Element::new("create")
        .attr("name", &create.name)
        .maybe_attr("title", create.title.as_ref())
        .maybe_attr("guests", create.guests.map(yes_or_no))
        .maybe_attr("max", create.max)
        .maybe_attr("ttl", create.ttl_seconds)
        .maybe_child(create.pin.as_ref().map(pin))
        .children(create.rights.iter().map(right))
        .children(create.codecs.iter().map(|codec| Element::of_text("codec", codec)))
}

fn right((name, preset): (&String, &Preset)) -> Element {
    Element::new("right").attr("name", name).attr("preset", preset)
}

fn who(node: Element, who: &Who) -> Element {
    match who {
        Who::All => node.attr("all", "yes"),
        Who::One(who) => node.attr("who", who),
    }
}

fn pin(pin: &Pin) -> Element {
    Element::of_text("pin", pin.reveal())
}

fn reply(reply: &Reply) -> Element {
    let node = root("result").attr("id", &reply.id).maybe_attr("more", reply.more.then_some("yes"));
    match &reply.outcome {
        Ok(data) => node.attr("status", "ok").maybe_child(self::data(data)),
        Err(failure) => node.attr("status", "error").child(self::failure(failure)),
    }
}

fn data(data: &Data) -> Option<Element> {
    Some(match data {
        Data::Done {} => return None,
        Data::Created(summary) => Element::new("created").child(self::summary(summary)),
        Data::Conferences { conferences } => Element::new("conferences").children(conferences.iter().map(summary)),
        Data::Conference(details) => {
            summary(&details.summary).children(details.given.iter().map(given)).children(details.roster.iter().map(participant))
        }
        Data::Invited { invited } => Element::new("invited").children(invited.iter().map(invitee)),
        Data::Participants { participants } => Element::new("participants").children(participants.iter().map(participant)),
        Data::Status(status) => self::status(status),
        Data::Ticket(issued) => {
            Element::of_text("ticket", issued.ticket.reveal()).attr("audience", issued.audience).attr("expires", issued.expires)
        }
    })
}

fn summary(summary: &Summary) -> Element {
    Element::new("conference")
        .attr("name", &summary.name)
        .maybe_attr("title", summary.title.as_ref())
        .attr("uri", &summary.uri)
        .attr("participants", summary.participants)
        .maybe_attr("max", summary.max)
        .attr("locked", yes_or_no(summary.locked))
        .attr("pin", yes_or_no(summary.pin))
        .attr("guests", yes_or_no(summary.guests))
        .attr("created", summary.created)
        .maybe_attr("ends", summary.ends)
        .maybe_attr("owner", summary.owner.as_ref())
        .maybe_attr("media-server", summary.media_server.as_ref())
        .children(summary.rights.iter().map(right))
}

fn given(given: &Given) -> Element {
    Element::new("given").attr("right", &given.right).attr("who", &given.who).attr("on", yes_or_no(given.on))
}

fn participant(participant: &Participant) -> Element {
    let some = |text: &Option<String>| text.as_deref().map(cut);
    Element::new("participant")
        .attr("id", &participant.id)
        .attr("uri", &participant.uri)
        .maybe_attr("name", some(&participant.name))
        .maybe_attr("user", some(&participant.user))
        .attr("role", participant.role)
        .attr("state", participant.state)
        .attr("dialed-out", yes_or_no(participant.dialed_out))
        .maybe_attr("joined", participant.joined)
        .maybe_attr("audio", (!participant.audio).then_some("no"))
        .attr("muted", yes_or_no(participant.muted))
        .attr("deaf", yes_or_no(participant.deaf))
        .attr("talking", yes_or_no(participant.talking))
        .attr("gain-in", participant.gain_in_db)
        .attr("gain-out", participant.gain_out_db)
        .maybe_attr("codec", some(&participant.codec))
        .maybe_attr("agent", some(&participant.agent))
}

fn invitee(invitee: &Invitee) -> Element {
    Element::new("invitee")
        .attr("uri", &invitee.uri)
        .maybe_attr("participant", invitee.participant.as_ref())
        .maybe_child(invitee.failure.as_ref().map(failure))
}

fn failure(failure: &Failure) -> Element {
    Element::new("error")
        .attr("code", failure.code)
        .attr("text", cut(&failure.text))
        .children(failure.candidates.iter().map(|c| Element::of_text("candidate", cut(c))))
}

fn status(status: &Status) -> Element {
    Element::new("status")
        .attr("version", &status.version)
        .attr("uptime", status.uptime_seconds)
        .attr("draining", yes_or_no(status.draining))
        .attr("conferences", status.conferences)
        .attr("participants", status.participants)
        .attr("contacts", status.contacts)
        .children(status.roles.iter().map(|role| Element::of_text("role", role)))
        .children(status.media_servers.iter().map(media_server))
}

fn media_server(server: &MediaServer) -> Element {
    Element::new("media-server")
        .attr("uri", &server.uri)
        .attr("reachable", yes_or_no(server.reachable))
        .attr("legs", server.legs)
        .attr("capacity", server.capacity)
        .attr("load", server.load)
}
