//! Several bodies in one message: `multipart/mixed` and its kin (RFC 2046 §5.1), as RFC 5022 §3 and PINs beside SDP need.
//!
//! Read: any `multipart/…` with at most [`MAX_PARTS`] parts of the message's own size; parts are not decoded further, and
//! a multipart inside a multipart stays one part. Content-Transfer-Encoding other than 7bit, 8bit and binary is refused.

use bytes::Bytes;

/// Most parts. More make the body unreadable.
pub const MAX_PARTS: usize = 8;
/// Longest boundary (RFC 2046 §5.1.1).
pub const MAX_BOUNDARY: usize = 70;
/// Most bytes of one part's header fields. More make the body unreadable.
pub const MAX_PART_HEADERS: usize = 2048;

/// One body of a multipart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Content-Type as written; `text/plain` when absent.
    pub content_type: String,
    /// Content-Disposition as written.
    pub disposition: Option<String>,
    /// Content.
    pub bytes: Bytes,
}

/// Why a multipart cannot be read. The sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultipartError {
    /// Not a multipart, or no usable boundary parameter.
    #[error("the multipart Content-Type has no usable boundary")]
    Boundary,
    /// No part, or no closing boundary.
    #[error("the multipart is not closed")]
    Unclosed,
    /// More than [`MAX_PARTS`].
    #[error("the multipart has more than {MAX_PARTS} parts")]
    TooManyParts,
    /// A part's header fields are malformed or longer than [`MAX_PART_HEADERS`].
    #[error("the header fields of a body part are malformed")]
    Headers,
    /// A transfer encoding that SIP does not need (RFC 3261 §7.4.1).
    #[error("a body part has a transfer encoding that is not understood")]
    Encoding,
}

impl Part {
    /// A part without a disposition.
    pub fn new(content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { content_type: content_type.into(), disposition: None, bytes: bytes.into() }
    }

    /// Content-Type without its parameters, in lower case.
    pub fn media_type(&self) -> String {
        media_type(&self.content_type)
    }
}

/// A Content-Type without its parameters, in lower case.
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// The bodies of a message: the parts of a multipart, or the one body that it is. No body gives no parts.
///
/// # Errors
/// [`MultipartError`] when it says multipart and is none.
pub fn bodies(content_type: &str, body: &Bytes) -> Result<Vec<Part>, MultipartError> {
    if body.is_empty() {
        Ok(Vec::new())
    } else if media_type(content_type).starts_with("multipart/") {
        read(content_type, body)
    } else {
        Ok(vec![Part::new(content_type, body.clone())])
    }
}

/// Reads a multipart.
///
/// # Errors
/// [`MultipartError`] says what is wrong.
pub fn read(content_type: &str, body: &Bytes) -> Result<Vec<Part>, MultipartError> {
    let boundary = boundary(content_type).ok_or(MultipartError::Boundary)?;
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    // Where the content of the part that is open begins; none while still in the preamble.
    let mut open: Option<usize> = None;
    let mut at = 0;
    while at <= body.len() {
        let rest = body.get(at..).unwrap_or(&[]);
        let line = rest.iter().position(|b| *b == b'\n').map_or(rest, |end| rest.get(..=end).unwrap_or(rest));
        if let Some(kind) = delimiter_line(line, delimiter.as_bytes()) {
            if let Some(start) = open {
                if parts.len() == MAX_PARTS {
                    return Err(MultipartError::TooManyParts);
                }
                // The line end before a delimiter belongs to the delimiter.
                let content = body.slice(start..line_end_before(body, start, at));
                parts.push(part(&content)?);
            }
            match kind {
                Delimiter::Close => return if parts.is_empty() { Err(MultipartError::Unclosed) } else { Ok(parts) },
                Delimiter::Next => open = Some(at + line.len()),
            }
        }
        if line.is_empty() {
            break;
        }
        at += line.len();
    }
    Err(MultipartError::Unclosed)
}

/// Writes a multipart: the Content-Type with a boundary that occurs in no part, and the body. `subtype` is `mixed` or
/// such.
pub fn write(subtype: &str, parts: &[Part]) -> (String, Bytes) {
    let occurs = |boundary: &str| parts.iter().any(|p| p.bytes.windows(boundary.len()).any(|w| w == boundary.as_bytes()));
    let boundary = (0_u64..).map(|n| format!("confkit-part-{n}")).find(|b| !occurs(b)).unwrap_or_default();
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(format!("--{boundary}\r\nContent-Type: {}\r\n", part.content_type).as_bytes());
        if let Some(disposition) = &part.disposition {
            body.extend_from_slice(format!("Content-Disposition: {disposition}\r\n").as_bytes());
        }
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(&part.bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/{subtype};boundary={boundary}"), body.into())
}

enum Delimiter {
    Next,
    Close,
}

fn delimiter_line(line: &[u8], delimiter: &[u8]) -> Option<Delimiter> {
    let rest = line.strip_prefix(delimiter)?.trim_ascii_end();
    match rest {
        b"" => Some(Delimiter::Next),
        b"--" => Some(Delimiter::Close),
        _ => None,
    }
}

fn line_end_before(body: &[u8], start: usize, at: usize) -> usize {
    let content = body.get(start..at).unwrap_or(&[]);
    let content = content.strip_suffix(b"\n").map_or(content, |c| c.strip_suffix(b"\r").unwrap_or(c));
    start + content.len()
}

fn part(raw: &Bytes) -> Result<Part, MultipartError> {
    // Header fields end at the first empty line; a part may begin with one and have none.
    let mut part = Part::new("text/plain", Bytes::new());
    let mut at = 0;
    loop {
        let rest = raw.get(at..).unwrap_or(&[]);
        let Some(end) = rest.iter().position(|b| *b == b'\n') else { return Err(MultipartError::Headers) };
        let line = rest.get(..end).unwrap_or(&[]);
        at += end + 1;
        if at > MAX_PART_HEADERS {
            return Err(MultipartError::Headers);
        }
        let line = std::str::from_utf8(line).map_err(|_| MultipartError::Headers)?.trim_end();
        if line.is_empty() {
            part.bytes = raw.slice(at.min(raw.len())..);
            return Ok(part);
        }
        if line.starts_with([' ', '\t']) {
            // A folded line: nothing that we read is ever that long, and its field keeps what stood before.
            continue;
        }
        let (name, value) = line.split_once(':').ok_or(MultipartError::Headers)?;
        let value = value.trim();
        match name.trim_end().to_ascii_lowercase().as_str() {
            "content-type" | "c" => value.clone_into(&mut part.content_type),
            "content-disposition" => part.disposition = Some(value.to_owned()),
            "content-transfer-encoding" if !["7bit", "8bit", "binary"].iter().any(|e| value.eq_ignore_ascii_case(e)) => {
                return Err(MultipartError::Encoding);
            }
            _ => {}
        }
    }
}

fn boundary(content_type: &str) -> Option<String> {
    let (kind, params) = content_type.split_once(';')?;
    if !kind.trim().to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    let value = boundary_param(params)?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
    let valid = !value.is_empty() && value.len() <= MAX_BOUNDARY && value.bytes().all(allowed) && !value.ends_with(' ');
    valid.then_some(value)
}

fn boundary_param(params: &str) -> Option<String> {
    // A quoted value may hold semicolons of its own, so the parameters are walked, not split.
    let mut rest = params.trim_start();
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, behind) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(';').unwrap_or(after.len())),
        };
        if name.trim().eq_ignore_ascii_case("boundary") {
            return Some(value.trim_end().to_owned());
        }
        rest = behind.split_once(';')?.1.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_read_as_written_whatever_they_hold() {
        let parts = vec![
            Part::new("application/sdp", "v=0\r\n"),
            Part { disposition: Some("session;handling=required".into()), ..Part::new("application/x", "--confkit-part-0\r\n\r\n") },
            Part::new("application/empty", ""),
        ];
        let (content_type, body) = write("mixed", &parts);
        assert_eq!(content_type, "multipart/mixed;boundary=confkit-part-1", "a boundary that occurs in a part is not used");
        assert_eq!(read(&content_type, &body), Ok(parts));
    }

    #[test]
    fn preamble_epilogue_quotes_and_bare_line_feeds_are_read() {
        let body = Bytes::from("preamble\n--a b\n\nplain\n--a b  \r\nContent-Type : text/x\n\nx\r\n\r\n--a b--\r\nepilogue");
        let parts = read("Multipart/Related; type=\"a;b\" ; Boundary=\"a b\"", &body).expect("two parts");
        assert_eq!(
            parts.iter().map(|p| (p.content_type.as_str(), &p.bytes[..])).collect::<Vec<_>>(),
            [("text/plain", &b"plain"[..]), ("text/x", &b"x\r\n"[..])]
        );
    }

    #[test]
    fn odd_multiparts_are_refused() {
        let odd = |content_type: &str, body: &str| read(content_type, &Bytes::from(body.to_owned())).expect_err(body);
        assert_eq!(odd("application/sdp", ""), MultipartError::Boundary);
        assert_eq!(odd("multipart/mixed", ""), MultipartError::Boundary);
        assert_eq!(odd("multipart/mixed;boundary=\"\"", ""), MultipartError::Boundary);
        assert_eq!(odd("multipart/mixed;boundary=x", "--x\r\n\r\nnever closed"), MultipartError::Unclosed);
        assert_eq!(odd("multipart/mixed;boundary=x", "--x--\r\n"), MultipartError::Unclosed);
        assert_eq!(odd("multipart/mixed;boundary=x", "--x\r\nno colon\r\n\r\n--x--"), MultipartError::Headers);
        assert_eq!(
            odd("multipart/mixed;boundary=x", "--x\r\nContent-Transfer-Encoding: base64\r\n\r\nAA==\r\n--x--"),
            MultipartError::Encoding
        );
        assert_eq!(odd("multipart/mixed;boundary=x", &("--x\r\n\r\n\r\n".repeat(9) + "--x--")), MultipartError::TooManyParts);
    }

    #[test]
    fn a_single_body_is_its_own_part() {
        assert_eq!(bodies("application/sdp", &Bytes::from("v=0")), Ok(vec![Part::new("application/sdp", "v=0")]));
        assert_eq!(bodies("", &Bytes::new()), Ok(Vec::new()));
    }
}
