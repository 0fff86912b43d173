//! The header, cut into fields as the rest of the house wants them.

use super::{
    super::{Headers, scan},
    Framing, MAX_FIELDS, Malformed,
};
use bytes::Bytes;

/// Compact names (RFC 3261 §7.3.3 and those registered since).
const COMPACT: [(&str, &str); 18] = [
    ("a", "Accept-Contact"),
    ("b", "Referred-By"),
    ("c", "Content-Type"),
    ("d", "Request-Disposition"),
    ("e", "Content-Encoding"),
    ("f", "From"),
    ("i", "Call-ID"),
    ("j", "Reject-Contact"),
    ("k", "Supported"),
    ("l", "Content-Length"),
    ("m", "Contact"),
    ("o", "Event"),
    ("r", "Refer-To"),
    ("s", "Subject"),
    ("t", "To"),
    ("u", "Allow-Events"),
    ("v", "Via"),
    ("x", "Session-Expires"),
];

/// Fields of which each member of a list becomes an entry of its own.
const LISTS: [&str; 5] = ["Via", "Route", "Record-Route", "Contact", "Path"];

/// Fields whose text must be UTF-8, because it is compared or sent back. In others a wrong byte is replaced.
const EXACT: [&str; 12] = [
    "Via",
    "Route",
    "Record-Route",
    "Contact",
    "Path",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Refer-To",
    "Authorization",
    "Proxy-Authorization",
];

/// A header cut into fields.
pub(super) struct Lines<'a> {
    /// The first line.
    pub start: &'a [u8],
    /// The fields that could be read.
    pub fields: Headers,
    /// The first thing that was wrong.
    pub fault: Option<Malformed>,
}

/// Cuts a header, without the empty line at its end, into fields.
pub(super) fn read(head: &[u8]) -> Lines<'_> {
    let mut lines = physical(head);
    let start = lines.next().unwrap_or_default();
    let mut read = Lines { start, fields: Headers::new(), fault: stray(start) };
    let mut count = 0;
    let mut current: Option<Vec<u8>> = None;
    for line in lines.map(Some).chain([None]) {
        match (line, &mut current) {
            // A continuation counts as one space (RFC 3261 §7.3.1).
            (Some([b' ' | b'\t', rest @ ..]), Some(field)) => {
                read.fault = read.fault.or(stray(rest));
                field.push(b' ');
                field.extend_from_slice(rest.trim_ascii());
            }
            (Some([b' ' | b'\t', ..]), None) => read.fault = read.fault.or(Some(Malformed::HeaderLine)),
            (line, _) => {
                if let Some(field) = current.take() {
                    // Beyond the bound as well, for the answer, and lest a stream lose its framing with the message.
                    match field_into(&field, &mut read.fields) {
                        Ok(members) => count += members,
                        Err(why) => read.fault = read.fault.or(Some(why)),
                    }
                }
                current = line.map(<[u8]>::to_vec);
            }
        }
    }
    if count > MAX_FIELDS {
        read.fault = read.fault.or(Some(Malformed::TooManyFields));
    }
    read
}

/// Lines that end in CRLF.
fn physical(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(head);
    std::iter::from_fn(move || {
        let all = rest?;
        let end = all.windows(2).position(|w| w == b"\r\n");
        rest = end.and_then(|end| all.get(end + 2..));
        all.get(..end.unwrap_or(all.len()))
    })
}

/// A CR or LF that ends no line would end one in the eyes of another reader.
fn stray(line: &[u8]) -> Option<Malformed> {
    line.iter().any(|b| matches!(b, b'\r' | b'\n')).then_some(Malformed::LineEnd)
}

/// Adds what stands on one line, and says how many fields it was.
fn field_into(line: &[u8], fields: &mut Headers) -> Result<usize, Malformed> {
    let colon = line.iter().position(|b| *b == b':').ok_or(Malformed::HeaderLine)?;
    let (name, value) = line.split_at(colon);
    let name = std::str::from_utf8(name).map_err(|_| Malformed::HeaderLine)?.trim_end_matches([' ', '\t']);
    if !scan::is_token(name) {
        return Err(Malformed::HeaderLine);
    }
    let name = COMPACT.iter().find(|(short, _)| name.eq_ignore_ascii_case(short)).map_or(name, |(_, long)| long);
    let value = String::from_utf8_lossy(value.get(1..).unwrap_or_default());
    let exact = EXACT.iter().any(|n| name.eq_ignore_ascii_case(n));
    let wrong = stray(line).or_else(|| {
        let replaced = matches!(value, std::borrow::Cow::Owned(_));
        (replaced && exact || has_control(&value)).then_some(Malformed::Character)
    });
    // What is wrong is kept for the answer, but for what would break its lines or a reader's screen.
    let value = if wrong.is_some() { value.replace(|c: char| c.is_ascii_control(), " ").into() } else { value };
    let value = scan::trim(&value);
    if LISTS.iter().any(|n| name.eq_ignore_ascii_case(n)) {
        let members = scan::split_outside_quotes(value, b',');
        // All are counted, but no more kept than may be.
        for member in members.iter().take(MAX_FIELDS + 1) {
            fields.push(name, *member);
        }
        wrong.map_or(Ok(members.len()), Err)
    } else {
        fields.push(name, value);
        wrong.map_or(Ok(1), Err)
    }
}

/// True with a control character that is not escaped within quotation marks (RFC 3261 §25.1, quoted-pair).
fn has_control(value: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    value.bytes().any(|b| {
        let was_escaped = std::mem::take(&mut escaped);
        match b {
            b'"' if !was_escaped => quoted = !quoted,
            b'\\' if quoted && !was_escaped => escaped = true,
            _ => {}
        }
        b.is_ascii_control() && b != b'\t' && !was_escaped
    })
}

/// The length of the body by Content-Length, on a stream; the fields are those of one header without its empty line.
pub(crate) fn content_length(head: &[u8]) -> Result<usize, Malformed> {
    declared(&read(head).fields)?.ok_or(Malformed::NoContentLength)
}

/// How much of what follows the header is the body.
pub(super) fn body_length(fields: &Headers, rest: &Bytes, framing: Framing) -> Result<usize, Malformed> {
    match (declared(fields)?, framing) {
        (Some(length), Framing::Datagram) if length <= rest.len() => Ok(length),
        (Some(length), Framing::Stream) if length == rest.len() => Ok(length),
        (Some(_), _) => Err(Malformed::BodyLength),
        (None, Framing::Datagram) => Ok(rest.len()),
        (None, Framing::Stream) => Err(Malformed::NoContentLength),
    }
}

/// The one Content-Length, if there is one. A number too large for this machine counts as the largest.
fn declared(fields: &Headers) -> Result<Option<usize>, Malformed> {
    let mut values = fields.all("Content-Length");
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() || value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Malformed::ContentLength);
    }
    Ok(Some(value.parse().unwrap_or(usize::MAX)))
}
