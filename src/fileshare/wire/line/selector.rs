//! `a=file-selector` (RFC 5547 §6): name, type, size and hashes of one file.

use crate::{
    conference::wire::fields::cut,
    fileshare::wire::{control::FileFacts, fingerprint},
};

/// Most selectors of one attribute. More make it malformed.
const MAX_SELECTORS: usize = 16;

/// Reads the value of the attribute; `None` where it is malformed or says a thing twice. Unknown hashes and selectors are passed over. A
/// file without a name has an empty one.
pub(super) fn read(value: &str) -> Option<FileFacts> {
    let (mut name, mut mime, mut size, mut sha256) = (None, None, None, None);
    let mut rest = value.trim();
    for _ in 0..MAX_SELECTORS {
        if rest.is_empty() {
            break;
        }
        let (kind, behind) = rest.split_once(':')?;
        let text;
        (text, rest) = word(behind)?;
        match kind {
            "name" => once(&mut name, unescape(text.strip_prefix('"')?.strip_suffix('"')?)?)?,
            "type" => once(&mut mime, mime_type(text)?)?,
            "size" => once(&mut size, integer(text)?)?,
            "hash" => {
                let (hash, bytes) = text.split_once(':')?;
                if hash.eq_ignore_ascii_case("sha-256") {
                    once(&mut sha256, fingerprint::from_colon_hex(bytes)?)?;
                }
            }
            _ => {}
        }
    }
    rest.is_empty().then(|| FileFacts { name: name.unwrap_or_default(), size, mime, sha256 })
}

/// The value of the attribute. What the syntax does not allow in a name, and what parts directories, is percent-encoded.
pub(super) fn write(file: &FileFacts) -> String {
    let mut words = vec![format!("name:\"{}\"", escape(&cut(&file.name)))];
    words.extend(file.mime.as_deref().and_then(mime_type).map(|mime| format!("type:{mime}")));
    words.extend(file.size.map(|size| format!("size:{size}")));
    words.extend(file.sha256.map(|hash| format!("hash:sha-256:{}", fingerprint::colon_hex(&hash))));
    words.join(" ")
}

/// The text up to the next space outside quotes, and what is behind it.
fn word(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let end = text.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b' ' && !quoted
    });
    match end {
        Some(end) => Some((text.get(..end)?, text.get(end..)?.trim_start())),
        None if quoted => None,
        None => Some((text, "")),
    }
}

/// Each selector stands once.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// RFC 4566 `integer` is a digit string without sign.
fn integer(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

/// `type/subtype`, perhaps with parameters: the words of RFC 2045. Anything else is no type.
fn mime_type(text: &str) -> Option<String> {
    let token = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    let (essence, parameters) = text.split_once(';').map_or((text, None), |(essence, parameters)| (essence, Some(parameters)));
    let (kind, subtype) = essence.split_once('/')?;
    let clean = parameters.is_none_or(|p| !p.contains(|c: char| c.is_control() || c == ' ') && p.matches('"').count() % 2 == 0);
    (token(kind) && token(subtype) && clean).then(|| text.to_owned())
}

fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_control() || matches!(c, '"' | '%' | '/' | '\\') {
            let mut bytes = [0; 4];
            escaped.extend(c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((plain, behind)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        let (digits, behind) = behind.split_at_checked(2)?;
        bytes.push(fingerprint::hex_byte(digits)?);
        rest = behind;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok().filter(|name| !name.is_empty())
}
