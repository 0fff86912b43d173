//! Values → XML, elements in the order of the RFC's schema (§6).

use super::{
    AvailableMedia, ConferenceInfo, ConferenceState, Description, EXTENSION_NAMESPACE, Endpoint, Execution, Extension, Media, NAMESPACE,
    User, Users,
};
use crate::conference::wire::xml::Element;

pub(super) fn document(info: &ConferenceInfo) -> String {
    Element::new("conference-info")
        .attr("xmlns", NAMESPACE)
        .attr("entity", &info.entity)
        .attr("state", info.state)
        .attr("version", info.version)
        .maybe_child(info.description.as_ref().map(description))
        .maybe_child(info.conference_state.as_ref().map(conference_state))
        .maybe_child(info.users.as_ref().map(users))
        .to_xml()
}

fn description(d: &Description) -> Element {
    let uris = |uris: &[String]| uris.iter().map(|uri| Element::new("entry").child(Element::of_text("uri", uri))).collect();
    Element::new("conference-description")
        .maybe_text("display-text", d.display_text.as_ref())
        .maybe_text("subject", d.subject.as_ref())
        .maybe_child(list("conf-uris", uris(&d.conf_uris)))
        .maybe_text("maximum-user-count", d.maximum_user_count)
        .maybe_child(list("available-media", d.available_media.iter().map(available).collect()))
}

/// A list element, which the schema does not allow to be empty.
fn list(name: &'static str, entries: Vec<Element>) -> Option<Element> {
    (!entries.is_empty()).then(|| Element::new(name).children(entries))
}

fn available(media: &AvailableMedia) -> Element {
    Element::new("entry").attr("label", &media.label).child(Element::of_text("type", &media.kind)).maybe_text("status", media.status)
}

fn conference_state(state: &ConferenceState) -> Element {
    Element::new("conference-state")
        .maybe_text("user-count", state.user_count)
        .maybe_text("active", state.active)
        .maybe_text("locked", state.locked)
}

fn users(users: &Users) -> Element {
    Element::new("users").attr("state", users.state).children(users.users.iter().map(user))
}

fn user(user: &User) -> Element {
    Element::new("user")
        .attr("entity", &user.entity)
        .attr("state", user.state)
        .maybe_text("display-text", user.display_text.as_ref())
        .maybe_child(list("roles", user.roles.iter().map(|role| Element::of_text("entry", role)).collect()))
        .children(user.endpoints.iter().map(endpoint))
}

fn endpoint(e: &Endpoint) -> Element {
    let maybe = |name, what: &Option<Execution>| what.as_ref().map(|e| execution(name, e));
    Element::new("endpoint")
        .attr("entity", &e.entity)
        .attr("state", e.state)
        .maybe_text("display-text", e.display_text.as_ref())
        .maybe_child(maybe("referred", &e.referred))
        .maybe_text("status", e.status)
        .maybe_text("joining-method", e.joining_method)
        .maybe_child(maybe("joining-info", &e.joining_info))
        .maybe_text("disconnection-method", e.disconnection_method)
        .maybe_child(maybe("disconnection-info", &e.disconnection_info))
        .children(e.media.iter().map(media))
        .maybe_child(e.extension.as_ref().map(extension))
}

fn execution(name: &'static str, e: &Execution) -> Element {
    Element::new(name).maybe_text("when", e.when).maybe_text("reason", e.reason.as_ref()).maybe_text("by", e.by.as_ref())
}

fn media(m: &Media) -> Element {
    Element::new("media")
        .attr("id", &m.id)
        .maybe_text("type", m.kind.as_ref())
        .maybe_text("label", m.label.as_ref())
        .maybe_text("src-id", m.src_id.as_ref())
        .maybe_text("status", m.status)
}

fn extension(e: &Extension) -> Element {
    let yes = |flag: bool| flag.then_some("yes");
    Element::new("participant")
        .attr("xmlns", EXTENSION_NAMESPACE)
        .attr("id", &e.id)
        .maybe_attr("talking", yes(e.talking))
        .maybe_attr("muted", yes(e.muted))
        .maybe_attr("deaf", yes(e.deaf))
}
