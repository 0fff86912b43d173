//! What stands between the bytes of strangers and sdp-types.
//!
//! Only the lines that we use reach it (v, o, s, c, b, a, m): a malformed e= or z= line is no reason to refuse a call. m-lines
//! get the spaces, protocol and formats that sdp-types wants.

use super::{MAX_MEDIA, SdpError};

/// The seed's media type (CN101272266A): `m=Fileshare <port>`, without protocol and formats.
const SEED_MEDIA: &str = "fileshare";
/// What stands for the missing protocol and formats until [`denormalise`].
const NOTHING: &str = "-";

/// The lines that we use, in the form that sdp-types reads.
pub(super) fn normalise(text: &str) -> Result<String, SdpError> {
    let mut out = String::with_capacity(text.len() + 16);
    let mut sections = 0;
    for line in text.trim_end_matches(['\0', '\r', '\n', ' ']).split('\n') {
        let line = line.trim_end();
        let Some((kind, value)) = line.split_once('=') else {
            if line.is_empty() {
                continue;
            }
            return Err(SdpError::Malformed(format!("\"{}\" is no line of a description", shown(line))));
        };
        let line = match kind {
            "m" => {
                sections += 1;
                if sections > MAX_MEDIA {
                    return Err(SdpError::TooManyMedia);
                }
                media_line(value)
            }
            "o" => origin_line(value),
            // A port or an attribute name would be lost at its first space.
            "v" | "c" => format!("{kind}={}", value.split_whitespace().collect::<Vec<_>>().join(" ")),
            "s" | "a" => line.trim_start().to_owned(),
            "b" if is_bandwidth(value) => line.to_owned(),
            _ if kind.trim().len() == 1 => continue,
            _ => return Err(SdpError::Malformed(format!("\"{}\" is no line of a description", shown(line)))),
        };
        out.push_str(&line);
        out.push_str("\r\n");
    }
    Ok(out)
}

/// Takes the placeholders out of the seed's lines.
pub(super) fn denormalise(text: &str) -> String {
    text.split_inclusive("\r\n")
        .map(|line| match line.trim_end().strip_suffix(" - -") {
            Some(seed) if line.starts_with("m=") => format!("{seed}\r\n"),
            _ => line.to_owned(),
        })
        .collect()
}

/// `<media> <port> <proto> <fmt>…` with single spaces; a protocol and a format where none stand.
fn media_line(value: &str) -> String {
    let mut words: Vec<&str> = value.split_whitespace().collect();
    if words.len() == 2 && words.first().is_some_and(|w| w.eq_ignore_ascii_case(SEED_MEDIA)) {
        words.push(NOTHING);
    }
    if words.len() == 3 {
        words.push(NOTHING);
    }
    format!("m={}", words.join(" "))
}

/// Six words: what a user name with spaces has too many is joined.
fn origin_line(value: &str) -> String {
    let words: Vec<&str> = value.split_whitespace().collect();
    let surplus = words.len().saturating_sub(6);
    let (user, rest) = words.split_at(words.len().min(surplus + 1));
    // Versions above 64 bits occur (NTP time with fractions run together); only change of it matters, so its end is kept.
    let rest = rest.iter().enumerate().map(|(at, word)| match word.char_indices().rev().nth(17) {
        Some((start, _)) if at == 1 && word.bytes().all(|b| b.is_ascii_digit()) => word.get(start..).unwrap_or(word),
        _ => word,
    });
    let rest: Vec<&str> = rest.collect();
    format!("o={} {}", user.join("_"), rest.join(" "))
}

fn is_bandwidth(value: &str) -> bool {
    value.split_once(':').is_some_and(|(kind, amount)| {
        !kind.is_empty() && !amount.is_empty() && amount.len() < 19 && amount.bytes().all(|b| b.is_ascii_digit())
    })
}

fn shown(line: &str) -> String {
    line.chars().take(40).flat_map(char::escape_default).collect()
}
