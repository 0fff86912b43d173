//! Attributes and texts of the bodies that are ours: required or not, bounded, with a reason that can be sent back.

use roxmltree::Node;

use super::{Timestamp, xml};

/// Longest text in a body of ours, in bytes. Longer ones are refused when read.
pub(crate) const MAX_TEXT: usize = 1024;

/// Why an element cannot be used; the caller knows whether its sender can be told.
pub(crate) type Why<T> = Result<T, String>;

/// The texts of all children of a name.
pub(crate) fn list(node: Node<'_, '_>, namespace: &str, name: &'static str) -> Why<Vec<String>> {
    let all = node.children().filter(|n| n.has_tag_name((namespace, name)));
    all.map(|n| bounded(name, xml::text(n))).collect()
}

pub(crate) fn text(node: Node<'_, '_>, name: &'static str) -> Why<String> {
    maybe_text(node, name)?.ok_or_else(|| missing(name))
}

/// An empty text says no more than an absent one.
pub(crate) fn maybe_text(node: Node<'_, '_>, name: &'static str) -> Why<Option<String>> {
    node.attribute(name).filter(|value| !value.is_empty()).map(|value| bounded(name, value.to_owned())).transpose()
}

pub(crate) fn bounded(name: &'static str, value: String) -> Why<String> {
    if value.len() > MAX_TEXT { Err(format!("the {name} is longer than {MAX_TEXT} bytes")) } else { Ok(value) }
}

pub(crate) fn flag(node: Node<'_, '_>, name: &'static str) -> Why<bool> {
    maybe_flag(node, name)?.ok_or_else(|| missing(name))
}

pub(crate) fn maybe_flag(node: Node<'_, '_>, name: &'static str) -> Why<Option<bool>> {
    maybe_word(node, name, xml::yes_no)
}

pub(crate) fn word<T>(node: Node<'_, '_>, name: &'static str, of: fn(&str) -> Option<T>) -> Why<T> {
    maybe_word(node, name, of)?.ok_or_else(|| missing(name))
}

pub(crate) fn maybe_word<T>(node: Node<'_, '_>, name: &'static str, of: fn(&str) -> Option<T>) -> Why<Option<T>> {
    node.attribute(name).map(|value| of(value).ok_or_else(|| format!("{} is no {name}", shown(value)))).transpose()
}

pub(crate) fn number<T: std::str::FromStr>(node: Node<'_, '_>, name: &'static str) -> Why<T> {
    maybe_number(node, name)?.ok_or_else(|| missing(name))
}

pub(crate) fn maybe_number<T: std::str::FromStr>(node: Node<'_, '_>, name: &'static str) -> Why<Option<T>> {
    node.attribute(name).map(|value| value.parse().map_err(|_| format!("{} is no {name}", shown(value)))).transpose()
}

pub(crate) fn time(node: Node<'_, '_>, name: &'static str) -> Why<Option<Timestamp>> {
    node.attribute(name).map(|value| value.parse().map_err(|e| format!("{name}: {e}"))).transpose()
}

pub(crate) fn missing(name: &str) -> String {
    format!("the {name} is missing")
}

/// A word of the sender as it may stand in a message: short, and nothing that a terminal would obey.
pub(crate) fn shown(word: &str) -> String {
    format!("\"{}\"", word.chars().take(40).flat_map(char::escape_default).collect::<String>())
}

/// A text of strangers (names, user agents) at a length that the other side reads.
pub(crate) fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default().to_owned()
}
