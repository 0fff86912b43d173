//! XML of strangers within limits, and XML of ours.
//!
//! Reading: the text is scanned for depth, attributes and document types before roxmltree sees it, so that no hostile
//! body costs more than one pass. Writing: a small tree that quick-xml prints; characters that XML cannot hold become
//! U+FFFD, so that what we print can always be read.

use std::borrow::Cow;

use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use roxmltree::{Document, Node, ParsingOptions};

/// Longest document read, in bytes. Longer ones are refused.
pub const MAX_BYTES: usize = 256 * 1024;
/// Deepest nesting of elements read. Deeper documents are refused.
pub const MAX_DEPTH: usize = 32;
/// Most attributes of one element. Elements with more make the document refused.
pub const MAX_ATTRIBUTES: usize = 64;
/// Most nodes (elements, texts, comments) of a document. More make it refused.
pub const MAX_NODES: u32 = 32 * 1024;

/// Why a body is not XML that we read. The sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlError {
    /// Longer than [`MAX_BYTES`].
    #[error("the XML is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("the XML is not UTF-8")]
    NotUtf8,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("the XML is nested deeper than {MAX_DEPTH} elements")]
    TooDeep,
    /// An element with more than [`MAX_ATTRIBUTES`] attributes.
    #[error("an element of the XML has more than {MAX_ATTRIBUTES} attributes")]
    TooManyAttributes,
    /// A document type or entity declaration.
    #[error("the XML has a document type declaration")]
    Dtd,
    /// Not well formed, or more than [`MAX_NODES`] nodes.
    #[error("the XML is not well formed: {0}")]
    Malformed(String),
}

/// Reads a document.
///
/// # Errors
/// [`XmlError`] says which limit or rule was broken.
pub fn read(bytes: &[u8]) -> Result<Document<'_>, XmlError> {
    if bytes.len() > MAX_BYTES {
        return Err(XmlError::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| XmlError::NotUtf8)?;
    scan(text)?;
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    // An error may quote the document at length.
    Document::parse_with_options(text, options).map_err(|e| XmlError::Malformed(e.to_string().chars().take(200).collect()))
}

/// One pass over the tags: depth, attributes, no document type. What is not well formed is left to the parser.
fn scan(text: &str) -> Result<(), XmlError> {
    let (mut rest, mut depth) = (text, 0_usize);
    while let Some((_, tag)) = rest.split_once('<') {
        rest = if let Some(comment) = tag.strip_prefix("!--") {
            behind(comment, "-->")
        } else if let Some(cdata) = tag.strip_prefix("![CDATA[") {
            behind(cdata, "]]>")
        } else if tag.starts_with('!') {
            return Err(XmlError::Dtd);
        } else if let Some(instruction) = tag.strip_prefix('?') {
            behind(instruction, "?>")
        } else if let Some(close) = tag.strip_prefix('/') {
            depth = depth.saturating_sub(1);
            behind(close, ">")
        } else {
            let (open, rest) = start_tag(tag)?;
            depth += usize::from(open);
            if depth > MAX_DEPTH {
                return Err(XmlError::TooDeep);
            }
            rest
        };
    }
    Ok(())
}

/// Reads to the end of a start tag; true when the element stays open.
fn start_tag(tag: &str) -> Result<(bool, &str), XmlError> {
    let (mut quote, mut attributes, mut last) = (None, 0, b' ');
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Ok((last != b'/', tag.get(at + 1..).unwrap_or(""))),
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                attributes += 1;
                if attributes > MAX_ATTRIBUTES {
                    return Err(XmlError::TooManyAttributes);
                }
            }
            (Some(open), _) if open == byte => quote = None,
            (None | Some(_), _) => {}
        }
        last = byte;
    }
    Ok((true, ""))
}

fn behind<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

/// The child elements of a namespace (`""` for none), in order.
pub(crate) fn children<'a, 'i>(node: Node<'a, 'i>, namespace: &'a str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().namespace().unwrap_or("") == namespace)
}

/// The first child element of that name.
pub(crate) fn child<'a, 'i>(node: Node<'a, 'i>, namespace: &'a str, name: &str) -> Option<Node<'a, 'i>> {
    children(node, namespace).find(|child| child.tag_name().name() == name)
}

/// All text directly inside an element, trimmed.
pub(crate) fn text(node: Node<'_, '_>) -> String {
    let text: String = node.children().filter(Node::is_text).filter_map(|t| t.text()).collect();
    text.trim().to_owned()
}

/// The text of the first child element of that name.
pub(crate) fn child_text(node: Node<'_, '_>, namespace: &str, name: &str) -> Option<String> {
    child(node, namespace, name).map(text)
}

/// `yes`, `no` and the other words that RFC 5022 §4.2 allows for them.
pub(crate) fn yes_no(word: &str) -> Option<bool> {
    match word {
        "yes" | "true" | "1" => Some(true),
        "no" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// The word for a flag.
pub(crate) fn yes_or_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

/// An element to be written.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    content: Vec<Content>,
}

#[derive(Debug, Clone)]
enum Content {
    Element(Element),
    Text(String),
}

impl Element {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, attributes: Vec::new(), content: Vec::new() }
    }

    /// An element that holds a text.
    #[expect(clippy::needless_pass_by_value, reason = "callers give numbers, words and references alike")]
    pub(crate) fn of_text(name: &'static str, text: impl ToString) -> Self {
        Self { content: vec![Content::Text(text.to_string())], ..Self::new(name) }
    }

    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers give numbers, words and references alike")]
    pub(crate) fn attr(mut self, name: &'static str, value: impl ToString) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    /// An attribute that is left out when there is no value.
    #[must_use]
    pub(crate) fn maybe_attr(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    #[must_use]
    pub(crate) fn child(mut self, child: Self) -> Self {
        self.content.push(Content::Element(child));
        self
    }

    #[must_use]
    pub(crate) fn maybe_child(self, child: Option<Self>) -> Self {
        match child {
            Some(child) => self.child(child),
            None => self,
        }
    }

    #[must_use]
    pub(crate) fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.content.extend(children.into_iter().map(Content::Element));
        self
    }

    /// A child that holds a text, left out when there is none.
    #[must_use]
    pub(crate) fn maybe_text(self, name: &'static str, text: Option<impl ToString>) -> Self {
        self.maybe_child(text.map(|text| Self::of_text(name, text)))
    }

    /// The document with this element as its root.
    pub(crate) fn to_xml(&self) -> String {
        let mut writer = quick_xml::Writer::new(Vec::new());
        // Writing to memory does not fail.
        let _ = writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        self.write(&mut writer);
        String::from_utf8(writer.into_inner()).unwrap_or_default()
    }

    fn write(&self, writer: &mut quick_xml::Writer<Vec<u8>>) {
        let mut start = BytesStart::new(self.name);
        for (name, value) in &self.attributes {
            start.push_attribute((*name, legal(value, true).as_ref()));
        }
        if self.content.is_empty() {
            let _ = writer.write_event(Event::Empty(start));
            return;
        }
        let _ = writer.write_event(Event::Start(start));
        for content in &self.content {
            match content {
                Content::Element(element) => element.write(writer),
                Content::Text(text) => {
                    let _ = writer.write_event(Event::Text(BytesText::new(&legal(text, false))));
                }
            }
        }
        let _ = writer.write_event(Event::End(BytesEnd::new(self.name)));
    }
}

/// Replaces what XML 1.0 §2.2 cannot hold. In attributes line ends and tabs become spaces, and in texts every line end a line
/// feed, as a reader would have them (§2.11, §3.3.3).
fn legal(text: &str, attribute: bool) -> Cow<'_, str> {
    let bad = |c: char| match c {
        '\t' | '\n' => attribute,
        '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => false,
        _ => true,
    };
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let (mut legal, mut rest) = (String::with_capacity(text.len()), text.chars().peekable());
    while let Some(c) = rest.next() {
        match c {
            '\r' if rest.peek() == Some(&'\n') && !attribute => {}
            '\r' if !attribute => legal.push('\n'),
            c if !bad(c) => legal.push(c),
            c if c.is_ascii_whitespace() => legal.push(' '),
            _ => legal.push(char::REPLACEMENT_CHARACTER),
        }
    }
    Cow::Owned(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_documents_are_refused_before_they_are_parsed() {
        let deep = "<a>".repeat(10_000) + &"</a>".repeat(10_000);
        assert_eq!(read(deep.as_bytes()).err(), Some(XmlError::TooDeep));
        let wide = format!("<a {}/>", (0..5000).map(|n| format!("b{n}=\"\" ")).collect::<String>());
        assert_eq!(read(wide.as_bytes()).err(), Some(XmlError::TooManyAttributes));
        let laughs = "<!DOCTYPE a [<!ENTITY b \"ha\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        assert_eq!(read(laughs.as_bytes()).err(), Some(XmlError::Dtd));
        let external = "<?xml version=\"1.0\"?><!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>";
        assert_eq!(read(external.as_bytes()).err(), Some(XmlError::Dtd));
        assert_eq!(read(&vec![b' '; MAX_BYTES + 1]).err(), Some(XmlError::TooLong));
        assert_eq!(read(b"<a>\xff</a>").err(), Some(XmlError::NotUtf8));
        let many = format!("<a>{}</a>", "<b/>".repeat(40_000));
        assert!(matches!(read(many.as_bytes()), Err(XmlError::Malformed(_))), "node limit");
        for broken in ["", "<", "<a", "<a b=\"", "<a></b>", "</a>", "<a/><b/>", "<a>&nbsp;</a>", "<x:a/>", "<!", "<?", "<!--", "<![CDATA["]
        {
            assert!(read(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn tags_inside_comments_cdata_and_values_do_not_count() {
        let deep = "<b>".repeat(MAX_DEPTH + 1);
        let text = format!("<?pi {deep}?><!--{deep}--><a v='>/'><![CDATA[{deep}]]></a>");
        let document = read(text.as_bytes()).expect("depth one");
        assert_eq!(document.root_element().attribute("v"), Some(">/"));
        assert_eq!(super::text(document.root_element()), deep);
    }

    #[test]
    fn what_is_written_can_be_read_whatever_the_text() {
        for value in ["plain", "<&\"'>", "]]>", "tab\tline\nreturn\rnul\0bell\u{7}", "\u{fffe}", "\u{1f600}", "  "] {
            let xml = Element::new("a").attr("v", value).child(Element::of_text("b", value)).to_xml();
            let document = read(xml.as_bytes()).unwrap_or_else(|e| panic!("{value:?}: {e}"));
            assert_eq!(document.root_element().attribute("v"), Some(legal(value, true).as_ref()));
            let text = child_text(document.root_element(), "", "b");
            assert_eq!(text.as_deref(), Some(legal(value, false).trim()));
        }
    }
}
