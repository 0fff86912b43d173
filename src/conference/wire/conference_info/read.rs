//! XML → values.

use roxmltree::Node;

use super::{
    AvailableMedia, ConferenceInfo, ConferenceInfoError, ConferenceState, Description, DisconnectionMethod, EXTENSION_NAMESPACE, Endpoint,
    EndpointStatus, Execution, Extension, JoiningMethod, MAX_USERS, Media, MediaStatus, NAMESPACE, State, User, Users,
};
use crate::conference::wire::xml::{self, child_text, children, yes_no};

type Read<T> = Result<T, ConferenceInfoError>;

pub(super) fn document(bytes: &[u8]) -> Read<ConferenceInfo> {
    let document = xml::read(bytes)?;
    let root = document.root_element();
    if !root.has_tag_name((NAMESPACE, "conference-info")) {
        return Err(ConferenceInfoError::OtherDocument);
    }
    let version = root.attribute("version").ok_or_else(|| malformed("the version is missing"))?;
    Ok(ConferenceInfo {
        entity: key(root, "entity")?,
        state: state(root)?,
        version: version.trim().parse().map_err(|_| malformed("the version is no number"))?,
        description: child(root, "conference-description").map(description).transpose()?,
        conference_state: child(root, "conference-state").map(conference_state).transpose()?,
        users: child(root, "users").map(users).transpose()?,
    })
}

fn description(node: Node<'_, '_>) -> Read<Description> {
    let entries = |name| child(node, name).into_iter().flat_map(|list| named(list, "entry"));
    let media = |entry: Node<'_, '_>| {
        Ok(AvailableMedia {
            label: key(entry, "label")?,
            kind: child_text(entry, NAMESPACE, "type").unwrap_or_default(),
            status: word(entry, "status", MediaStatus::from_word)?,
        })
    };
    Ok(Description {
        display_text: child_text(node, NAMESPACE, "display-text"),
        subject: child_text(node, NAMESPACE, "subject"),
        conf_uris: entries("conf-uris").filter_map(|entry| child_text(entry, NAMESPACE, "uri")).collect(),
        maximum_user_count: word(node, "maximum-user-count", |n| n.parse().ok())?,
        available_media: entries("available-media").map(media).collect::<Read<_>>()?,
    })
}

fn conference_state(node: Node<'_, '_>) -> Read<ConferenceState> {
    Ok(ConferenceState {
        user_count: word(node, "user-count", |n| n.parse().ok())?,
        active: word(node, "active", yes_no)?,
        locked: word(node, "locked", yes_no)?,
    })
}

fn users(node: Node<'_, '_>) -> Read<Users> {
    if named(node, "user").nth(MAX_USERS).is_some() {
        return Err(malformed("too many users"));
    }
    Ok(Users { state: state(node)?, users: named(node, "user").map(user).collect::<Read<_>>()? })
}

fn user(node: Node<'_, '_>) -> Read<User> {
    Ok(User {
        entity: key(node, "entity")?,
        state: state(node)?,
        display_text: child_text(node, NAMESPACE, "display-text"),
        roles: child(node, "roles").into_iter().flat_map(|roles| named(roles, "entry")).map(xml::text).collect(),
        endpoints: named(node, "endpoint").map(endpoint).collect::<Read<_>>()?,
    })
}

fn endpoint(node: Node<'_, '_>) -> Read<Endpoint> {
    Ok(Endpoint {
        entity: key(node, "entity")?,
        state: state(node)?,
        display_text: child_text(node, NAMESPACE, "display-text"),
        referred: child(node, "referred").map(execution).transpose()?,
        status: word(node, "status", EndpointStatus::from_word)?,
        joining_method: word(node, "joining-method", JoiningMethod::from_word)?,
        joining_info: child(node, "joining-info").map(execution).transpose()?,
        disconnection_method: word(node, "disconnection-method", DisconnectionMethod::from_word)?,
        disconnection_info: child(node, "disconnection-info").map(execution).transpose()?,
        media: named(node, "media").map(media).collect::<Read<_>>()?,
        extension: xml::child(node, EXTENSION_NAMESPACE, "participant").map(extension),
    })
}

fn execution(node: Node<'_, '_>) -> Read<Execution> {
    Ok(Execution {
        when: word(node, "when", |t| t.parse().ok())?,
        reason: child_text(node, NAMESPACE, "reason"),
        by: child_text(node, NAMESPACE, "by"),
    })
}

fn media(node: Node<'_, '_>) -> Read<Media> {
    Ok(Media {
        id: key(node, "id")?,
        kind: child_text(node, NAMESPACE, "type"),
        label: child_text(node, NAMESPACE, "label"),
        src_id: child_text(node, NAMESPACE, "src-id"),
        status: word(node, "status", MediaStatus::from_word)?,
    })
}

fn extension(node: Node<'_, '_>) -> Extension {
    let flag = |name| node.attribute(name).and_then(yes_no).unwrap_or(false);
    Extension {
        id: node.attribute("id").unwrap_or_default().to_owned(),
        talking: flag("talking"),
        muted: flag("muted"),
        deaf: flag("deaf"),
    }
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    xml::child(node, NAMESPACE, name)
}

fn named<'a, 'i: 'a>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    children(node, NAMESPACE).filter(move |n| n.tag_name().name() == name)
}

fn key(node: Node<'_, '_>, name: &str) -> Read<String> {
    node.attribute(name)
        .filter(|v| !v.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| malformed(&format!("a {} has no {name}", node.tag_name().name())))
}

fn state(node: Node<'_, '_>) -> Read<State> {
    node.attribute("state").map_or(Ok(State::Full), |word| State::from_word(word).ok_or_else(|| malformed("an unknown state")))
}

/// The text of a child through a reader: absent is `None`, unreadable an error.
fn word<T>(node: Node<'_, '_>, name: &str, of: impl Fn(&str) -> Option<T>) -> Read<Option<T>> {
    child_text(node, NAMESPACE, name)
        .map(|text| of(&text).ok_or_else(|| malformed(&format!("the value of {name} is not understood"))))
        .transpose()
}

fn malformed(why: &str) -> ConferenceInfoError {
    ConferenceInfoError::Malformed(why.to_owned())
}
