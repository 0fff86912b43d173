//! One line a message: when, from whom to whom, what.

use std::fmt::Write as _;

use super::{End, Record};
use crate::sip::{Address, Transport};

/// Longest start line shown, in characters.
const MAX_START: usize = 160;

/// `2026-11-20T06:28:01.123456Z  alice -> as  INVITE sip:room@192.0.2.1 SIP/2.0  [udp 812 bytes, 1 INVITE, call a84b4c76e66710]`
pub(super) fn line(record: &Record, message: &[u8]) -> String {
    let mut line = humantime::format_rfc3339_micros(record.at).to_string();
    let head = message.windows(4).position(|w| w == b"\r\n\r\n").and_then(|end| message.get(..end)).unwrap_or(message);
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let start = lines.next().unwrap_or_default();
    let transport = if record.transport == Transport::Local { "local" } else { record.transport.uri_param() };
    let _ = write!(line, "  {} -> {}  {}  [{transport} {} bytes", Name(&record.from), Name(&record.to), printable(start), message.len());
    let (mut cseq, mut call) = (None, None);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name = name.trim();
        if name.eq_ignore_ascii_case("cseq") {
            cseq = cseq.or(Some(value.trim()));
        } else if name.eq_ignore_ascii_case("call-id") || name.eq_ignore_ascii_case("i") {
            call = call.or(Some(value.trim()));
        }
    }
    if let Some(cseq) = cseq {
        let _ = write!(line, ", {}", printable(cseq));
    }
    if let Some(call) = call {
        let _ = write!(line, ", call {}", printable(call));
    }
    line.push_str("]\n");
    line
}

struct Name<'a>(&'a End);

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.0.label, &self.0.address) {
            (Some(label), _) => f.write_str(label),
            (None, Address::Socket(address)) => write!(f, "{address}"),
            (None, Address::Name { host, .. }) => f.write_str(host.strip_suffix(".invalid").unwrap_or(host)),
        }
    }
}

/// Peers' text for a terminal: no control characters, and not too much.
fn printable(text: &str) -> String {
    text.chars().take(MAX_START).map(|c| if c.is_control() { '.' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_line_says_when_who_what_and_harms_no_terminal() {
        let message = Bytes::from_static(b"SIP/2.0 486 Busy\x1b[2J Here\r\nCSeq: 1 INVITE\r\ni: a84b4c\r\n\r\nCSeq: body");
        let record = Record {
            at: SystemTime::UNIX_EPOCH + Duration::from_micros(1_500_000),
            transport: Transport::Udp,
            from: End { address: Address::Socket("192.0.2.1:5060".parse().expect("an address")), label: None },
            to: End { address: Address::Name { host: "as.invalid".into(), port: 5060 }, label: None },
            bytes: message.clone(),
        };
        assert_eq!(
            line(&record, &message),
            "1970-01-01T00:00:01.500000Z  192.0.2.1:5060 -> as  SIP/2.0 486 Busy.[2J Here  [udp 66 bytes, 1 INVITE, call a84b4c]\n"
        );
    }
}
