//! The few lexical pieces that typed headers share (RFC 3261 §25.1): tokens, quoted strings, parameters.

use std::{borrow::Cow, fmt};

/// Parameters that one value may have; a value with more is malformed.
pub const MAX_PARAMS: usize = 64;

/// Media feature tags of RFC 3840 §9 that are quoted like those with a plus sign.
const FEATURES: [&str; 11] =
    ["class", "description", "duplex", "events", "extensions", "language", "methods", "mobility", "priority", "schemes", "type"];

/// Takes white space away on both sides: SP and HTAB, which is all that is left of LWS once lines are unfolded.
pub fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// True for one or more token characters.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

/// Splits at `separator` outside quoted strings and angle brackets. Parts are trimmed; empty parts are kept.
pub fn split_outside_quotes(text: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped, mut angle) = (Vec::new(), 0, false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !angle => quoted = !quoted,
            b'<' if !quoted => angle = true,
            b'>' if !quoted => angle = false,
            b if b == separator && !quoted && !angle => {
                parts.push(trim(&text[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(trim(&text[start..]));
    parts
}

/// Parses `;name=value;flag`, names to lower case, quoted values unquoted; `None` where a name is no token or stands twice
/// (RFC 3261 §7.3.1), and beyond [`MAX_PARAMS`].
pub fn params(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let mut parts = split_outside_quotes(text, b';').into_iter();
    if !parts.next()?.is_empty() || parts.len() > MAX_PARAMS {
        return None;
    }
    let mut params: Vec<(String, Option<String>)> = Vec::with_capacity(parts.len());
    for part in parts {
        let (name, value) = param(part)?;
        if params.iter().any(|(n, _)| *n == name) {
            return None;
        }
        params.push((name, value));
    }
    Some(params)
}

/// Parses one `name=value` or `name`.
pub fn param(part: &str) -> Option<(String, Option<String>)> {
    let (name, value) = part.split_once('=').map_or((part, None), |(n, v)| (trim(n), Some(trim(v))));
    if !is_token(name) {
        return None;
    }
    let value = match value {
        Some(v) if v.starts_with('"') => Some(unquote(v)?),
        // A value is a token or a host; colons and brackets come with IPv6 and URNs.
        Some(v) if v.is_empty() || v.bytes().any(|b| !b.is_ascii_graphic() || b"\",;<>".contains(&b)) => return None,
        Some(v) => Some(v.to_owned()),
        None => None,
    };
    Some((name.to_ascii_lowercase(), value))
}

/// `delta-seconds`: digits that make a number below 2³².
pub fn delta_seconds(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// The content of a quoted string with its backslash escapes resolved; `None` when it is not one.
pub fn unquote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?;
    let (mut out, mut chars) = (String::new(), inner.chars());
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(out),
            '\\' => out.push(chars.next()?),
            c => out.push(c),
        }
    }
}

/// A quoted string that holds `text`. Control characters are escaped; a line break, which nothing can carry, becomes a space.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\r' | '\n' => out.push(' '),
            '"' | '\\' | '\0'..='\x08' | '\x0b'..='\x1f' | '\x7f' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Writes parameters as `;name=value;flag`.
pub fn write_params(f: &mut fmt::Formatter<'_>, params: &[(String, Option<String>)]) -> fmt::Result {
    for (name, value) in params {
        match value {
            Some(v) => write!(f, ";{name}={}", param_value(name, v))?,
            None => write!(f, ";{name}")?,
        }
    }
    Ok(())
}

/// A parameter's value as it is written: quoted where it is no plain word, and where its name is a media feature tag.
pub fn param_value<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && !b"\",;<>=?@\\".contains(&b));
    if plain && !name.starts_with('+') && !FEATURES.contains(&name) { Cow::Borrowed(value) } else { Cow::Owned(quote(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_carries_every_character_but_line_breaks() {
        let odd = "a\"b\\c\x07d\0e\tf\u{7f}g\u{20ac}";
        assert_eq!(unquote(&quote(odd)).as_deref(), Some(odd));
        assert_eq!(quote("one\r\nVia: two"), "\"one  Via: two\"");
    }

    #[test]
    fn a_parameter_stands_once_and_has_a_name() {
        assert_eq!(params(";a;b = \"x;y\" ;C=d").map(|p| p.len()), Some(3));
        for text in [";a;a=1", ";;a", ";a;", ";=x", ";a=", ";a=\"x", "a;b", ";a=x y"] {
            assert_eq!(params(text), None, "{text}");
        }
        assert_eq!(params(&(0..=MAX_PARAMS).map(|n| format!(";p{n}")).collect::<String>()), None);
    }

    #[test]
    fn feature_tags_keep_their_quotes() {
        assert_eq!(param_value("+g.oma", "x"), "\"x\"");
        assert_eq!(param_value("methods", "INVITE"), "\"INVITE\"");
        assert_eq!(param_value("tag", "x"), "x");
    }
}
