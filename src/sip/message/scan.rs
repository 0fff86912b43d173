//! The few lexical pieces that typed headers share (RFC 3261 §25.1): tokens, quoted strings, parameters.

use std::fmt;

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
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// Parses `;name=value;flag`, names to lower case, quoted values unquoted; `None` where a name is no token.
pub fn params(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let mut parts = split_outside_quotes(text, b';').into_iter();
    if !parts.next()?.is_empty() {
        return None;
    }
    parts.map(param).collect()
}

/// Parses one `name=value` or `name`.
pub fn param(part: &str) -> Option<(String, Option<String>)> {
    let (name, value) = part.split_once('=').map_or((part, None), |(n, v)| (n.trim_end(), Some(v.trim_start())));
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

/// A quoted string that holds `text`.
pub fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Writes parameters as `;name=value;flag`, quoting values that are no plain words.
pub fn write_params(f: &mut fmt::Formatter<'_>, params: &[(String, Option<String>)]) -> fmt::Result {
    for (name, value) in params {
        match value {
            Some(v) if v.is_empty() || v.bytes().any(|b| !b.is_ascii_graphic() || b"\",;<>=?@".contains(&b)) => {
                write!(f, ";{name}={}", quote(v))?;
            }
            Some(v) => write!(f, ";{name}={v}")?,
            None => write!(f, ";{name}")?,
        }
    }
    Ok(())
}
