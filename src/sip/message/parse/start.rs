//! The start line (RFC 3261 §7.1, §7.2): exact, for a liberal reading would let two elements disagree about a request.

use super::{
    super::{Method, Uri, scan},
    Malformed,
};

/// What the first line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// A request, or what is meant as one.
    Request {
        /// Its first word, where that is a token; kept when the rest is wrong, because an ACK is never answered.
        method: Method,
        /// The Request-URI, or what is wrong with the line.
        uri: Result<Uri, Malformed>,
    },
    /// A response: status and reason phrase, or what is wrong with the line.
    Response(Result<(u16, String), Malformed>),
    /// Neither.
    Noise,
}

impl Start {
    /// What is wrong with the line.
    pub fn fault(&self) -> Option<Malformed> {
        match self {
            Self::Request { uri: Ok(_), .. } | Self::Response(Ok(_)) => None,
            Self::Request { uri: Err(why), .. } | Self::Response(Err(why)) => Some(*why),
            Self::Noise => Some(Malformed::StartLine),
        }
    }
}

/// Reads the first line, without its line end.
pub(super) fn read(line: &[u8]) -> Start {
    let line = String::from_utf8_lossy(line);
    if line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/")) {
        return Start::Response(response(&line));
    }
    let Some((method, rest)) = line.split_once(' ').filter(|(method, _)| scan::is_token(method)) else {
        return Start::Noise;
    };
    let version = rest.trim_end_matches(' ').rsplit(' ').next().unwrap_or("");
    if !version.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/")) {
        return Start::Noise;
    }
    Start::Request { method: Method::from_token(method), uri: request(rest, version) }
}

/// `rest` is everything behind the method and its space.
fn request(rest: &str, version: &str) -> Result<Uri, Malformed> {
    if !is_2_0(version)? {
        return Err(Malformed::Version);
    }
    let (uri, last) = rest.split_once(' ').ok_or(Malformed::StartLine)?;
    // A second space anywhere, or one at the end, and the last word is not the version.
    if last != version || uri.is_empty() {
        return Err(Malformed::StartLine);
    }
    let uri: Uri = uri.parse().map_err(Malformed::RequestUri)?;
    if uri.sip().is_some_and(|uri| uri.headers.is_some()) {
        return Err(Malformed::UriHeaders);
    }
    Ok(uri)
}

fn response(line: &str) -> Result<(u16, String), Malformed> {
    let (version, rest) = line.split_once(' ').ok_or(Malformed::StartLine)?;
    if !is_2_0(version)? {
        return Err(Malformed::Version);
    }
    // The space behind the code belongs there even without a phrase, but nothing is unclear without it (RFC 4475 §3.1.1.13).
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let digits = code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit());
    let status = code.parse().ok().filter(|code| digits && (100..700).contains(code)).ok_or(Malformed::Status)?;
    if reason.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
        return Err(Malformed::Character);
    }
    Ok((status, reason.to_owned()))
}

/// True for `SIP/2.0`, false for another well-formed version.
fn is_2_0(version: &str) -> Result<bool, Malformed> {
    let (major, minor) = version.get(4..).and_then(|v| v.split_once('.')).ok_or(Malformed::StartLine)?;
    let number = |v: &str| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit());
    if !number(major) || !number(minor) {
        return Err(Malformed::StartLine);
    }
    Ok((major, minor) == ("2", "0"))
}
