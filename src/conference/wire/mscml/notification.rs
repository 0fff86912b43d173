//! Notifications (RFC 5022 §5.7, §7.1).

use roxmltree::Node;

use super::{
    KeypressMethod, MAX_TALKERS, Notification,
    element::{key, length, write_length},
};
use crate::conference::wire::xml::{self, Element};

pub(super) fn read(node: Node<'_, '_>) -> Result<Notification, &'static str> {
    let event = xml::children(node, "").next().ok_or("an empty notification")?;
    match event.tag_name().name() {
        "conference" => conference(event),
        "keypress" => keypress(event),
        _ => Err("an unknown notification"),
    }
}

fn conference(node: Node<'_, '_>) -> Result<Notification, &'static str> {
    let talkers: Vec<String> = xml::child(node, "", "activetalkers").map_or_else(Vec::new, |list| {
        xml::children(list, "")
            .filter(|t| t.has_tag_name("talker"))
            .filter_map(|t| t.attribute("callid"))
            .take(MAX_TALKERS + 1)
            .map(str::to_owned)
            .collect()
    });
    if talkers.len() > MAX_TALKERS {
        return Err("too many talkers");
    }
    Ok(Notification::Conference {
        unique_id: node.attribute("uniqueid").ok_or("a conference without uniqueid")?.to_owned(),
        num_talkers: node.attribute("numtalkers").and_then(|n| n.trim().parse().ok()).ok_or("a conference without numtalkers")?,
        talkers,
    })
}

fn keypress(node: Node<'_, '_>) -> Result<Notification, &'static str> {
    Ok(Notification::Keypress {
        digit: node.attribute("digit").and_then(key).ok_or("a keypress without digit")?,
        long: node.attribute("length") == Some("long"),
        method: node.attribute("method").and_then(KeypressMethod::from_word).ok_or("a keypress without method")?,
        since_last: node.attribute("interdigittime").and_then(length).unwrap_or_default(),
    })
}

pub(super) fn write(notification: &Notification) -> Element {
    match notification {
        Notification::Conference { unique_id, num_talkers, talkers } => {
            let talkers = talkers.iter().map(|t| Element::new("talker").attr("callid", t));
            Element::new("conference")
                .attr("uniqueid", unique_id)
                .attr("numtalkers", num_talkers)
                .child(Element::new("activetalkers").children(talkers))
        }
        Notification::Keypress { digit, long, method, since_last } => Element::new("keypress")
            .attr("digit", digit)
            .attr("length", if *long { "long" } else { "standard" })
            .attr("method", method)
            .attr("interdigittime", write_length(*since_last)),
    }
}
