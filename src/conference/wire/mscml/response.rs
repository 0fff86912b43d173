//! Responses (RFC 5022 §10).

use roxmltree::Node;

use super::{
    ErrorInfo, MAX_DIGITS, MAX_ID, Reason, Response,
    element::{length, write_length},
};
use crate::conference::wire::xml::{self, Element};

/// Longest text that is kept of a response, in characters; the rest is cut off.
const MAX_TEXT: usize = 512;

pub(super) fn read(node: Node<'_, '_>) -> Result<Response, &'static str> {
    let code = |node: Node<'_, '_>| node.attribute("code").and_then(|c| c.trim().parse().ok()).filter(|c| (100..700).contains(c));
    let text = |node: Node<'_, '_>, name: &str| node.attribute(name).map(|t| t.chars().take(MAX_TEXT).collect::<String>());
    Ok(Response {
        id: node.attribute("id").filter(|id| id.len() <= MAX_ID).map(str::to_owned),
        request: text(node, "request").ok_or("a response without request")?,
        code: code(node).ok_or("a response without code")?,
        text: text(node, "text").unwrap_or_default(),
        // A reason that we do not know says no more than none.
        reason: node.attribute("reason").and_then(Reason::from_word),
        digits: node
            .attribute("digits")
            .map(|d| d.chars().filter(|c| "0123456789ABCDabcd*#".contains(*c)).take(usize::from(MAX_DIGITS)).collect()),
        play_duration: node.attribute("playduration").and_then(length),
        play_offset: node.attribute("playoffset").and_then(length),
        error: xml::child(node, "", "error_info").and_then(|e| {
            Some(ErrorInfo { code: code(e)?, text: text(e, "text").unwrap_or_default(), context: text(e, "context").unwrap_or_default() })
        }),
    })
}

pub(super) fn write(response: &Response) -> Element {
    Element::new("response")
        .maybe_attr("id", response.id.as_ref())
        .attr("request", &response.request)
        .attr("code", response.code)
        .attr("text", &response.text)
        .maybe_attr("reason", response.reason)
        .maybe_attr("digits", response.digits.as_ref())
        .maybe_attr("playduration", response.play_duration.map(write_length))
        .maybe_attr("playoffset", response.play_offset.map(write_length))
        .maybe_child(
            response
                .error
                .as_ref()
                .map(|e| Element::new("error_info").attr("code", e.code).attr("text", &e.text).attr("context", &e.context)),
        )
}
