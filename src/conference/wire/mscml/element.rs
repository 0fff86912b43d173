//! The document around every body, and the value types of its attributes (RFC 5022 §4).

use std::time::Duration;

use roxmltree::Node;

use super::{Body, MscmlError, Response, Time, notification, request, response};
use crate::conference::wire::xml::{self, Element};

/// Longest time that is believed; longer ones count as it. A week is beyond every prompt and collection.
const MAX_TIME: Duration = Duration::from_secs(7 * 24 * 3600);

pub(super) fn body(bytes: &[u8]) -> Result<Body, MscmlError> {
    let document = xml::read(bytes)?;
    let root = document.root_element();
    if !root.has_tag_name("MediaServerControl") {
        return Err(MscmlError::OtherDocument("no MediaServerControl"));
    }
    if !root.attribute("version").is_some_and(|v| v.trim().starts_with("1.")) {
        return Err(MscmlError::OtherDocument("not of version 1"));
    }
    let mut children = xml::children(root, "");
    let node = children.next().ok_or(MscmlError::OtherDocument("empty"))?;
    if children.next().is_some() {
        return Err(MscmlError::OtherDocument("more than one request, response or notification"));
    }
    match node.tag_name().name() {
        "request" => request::read(node).map(Body::Request),
        "response" => response::read(node).map(Body::Response).map_err(MscmlError::OtherDocument),
        "notification" => notification::read(node).map(Body::Notification).map_err(MscmlError::OtherDocument),
        _ => Err(MscmlError::OtherDocument("neither request nor response nor notification")),
    }
}

pub(super) fn to_xml(body: &Body) -> String {
    let child = match body {
        Body::Request(request) => Element::new("request").child(request::write(request)),
        Body::Response(response) => response::write(response),
        Body::Notification(notification) => Element::new("notification").child(notification::write(notification)),
    };
    Element::new("MediaServerControl").attr("version", "1.0").child(child).to_xml()
}

/// A refusal of a request whose verb and id could be read.
pub(super) fn refused(id: Option<&str>, verb: &str, code: u16, text: impl Into<String>) -> MscmlError {
    let verb: String = verb.chars().take(64).collect();
    MscmlError::Refused(Box::new(Response::new(id.map(str::to_owned), verb, code, text)))
}

/// §4.2.1: `10s`, `500ms`, `500`, `immediate`, `infinite`. Fractions are understood, as CSS has them.
pub(super) fn time(text: &str) -> Option<Time> {
    match text.trim() {
        "immediate" => Some(Time::Immediate),
        "infinite" => Some(Time::Infinite),
        text => length(text).map(Time::After),
    }
}

/// A time that is neither immediate nor infinite.
pub(super) fn length(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => text.strip_suffix('s').map_or((text, 1e-3), |number| (number, 1.0)),
    };
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds = number.parse::<f64>().ok().filter(|_| plain)? * unit;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(MAX_TIME).min(MAX_TIME))
}

/// A length as we write it.
pub(super) fn write_length(length: Duration) -> String {
    format!("{}ms", length.as_millis())
}

/// A level in dB, with or without a unit behind it.
pub(super) fn decibels(text: &str) -> Option<f32> {
    let number = text.trim().trim_end_matches(['d', 'B', 'b', ' ']);
    number.parse::<f32>().ok().filter(|db| db.is_finite() && db.abs() <= 200.0)
}

/// One of the sixteen keys.
pub(super) fn key(text: &str) -> Option<char> {
    let mut chars = text.trim().chars();
    let key = chars.next()?.to_ascii_uppercase();
    (chars.next().is_none() && "0123456789ABCD*#".contains(key)).then_some(key)
}

/// An attribute through a reader: absent is `None`, unreadable an error that names it.
pub(super) fn read_attr<T>(node: Node<'_, '_>, name: &'static str, of: impl Fn(&str) -> Option<T>) -> Result<Option<T>, String> {
    node.attribute(name).map(|value| of(value).ok_or_else(|| format!("the value of {name} is not understood"))).transpose()
}
