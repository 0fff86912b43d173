//! Values → XML.

use super::{Accepted, Body, Cancelled, Channel, Declined, MAX_TEXT, NAMESPACE, Offer};
use crate::conference::wire::xml::Element;

pub(super) fn body(body: &Body) -> String {
    let root = Element::new(body.name()).attr("xmlns", NAMESPACE).attr("transfer", body.transfer());
    match body {
        Body::Offer(offer) => self::offer(root, offer),
        Body::Accepted(Accepted { transfer: _, share, identity, signature }) => {
            root.attr("share", share).attr("identity", identity).attr("signature", signature)
        }
        Body::Declined(Declined { transfer: _, reason, text }) => people(root.attr("reason", reason), text),
        Body::Channel(Channel { transfer: _, grant, keys, signature }) => root
            .attr("number", grant.number)
            .attr("key", grant.key.reveal().as_str())
            .maybe_attr("share", keys.map(|(share, _)| share))
            .maybe_attr("identity", keys.map(|(_, identity)| identity))
            .attr("signature", signature)
            .children(grant.addresses.iter().map(|address| Element::of_text("address", address))),
        Body::Cancelled(Cancelled { transfer: _, text }) => people(root, text),
    }
    .to_xml()
}

fn offer(root: Element, offer: &Offer) -> Element {
    root.attr("from", &offer.from)
        .attr("to", &offer.to)
        .attr("count", offer.count)
        .maybe_attr("size", offer.size)
        .attr("kind", &offer.kind)
        .attr("applies", offer.applies)
        .attr("share", offer.share)
        .attr("identity", offer.identity)
        .attr("signature", offer.signature)
}

/// Escaped, a character of a text is up to six bytes; so many leave room for the rest of the body.
fn people(root: Element, text: &str) -> Element {
    let mut written = 0_usize;
    let fits = |c: &char| {
        written += match c {
            '<' | '>' | '&' | '"' | '\'' => 6,
            // What XML cannot hold is replaced.
            c if c.is_control() => 3,
            c => c.len_utf8(),
        };
        written <= MAX_TEXT
    };
    let cut: String = text.chars().take_while(fits).collect();
    root.maybe_attr("text", Some(cut).filter(|text| !text.is_empty()))
}
