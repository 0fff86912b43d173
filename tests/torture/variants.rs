//! The same message in other words: other names, hosts, tags, another order of header fields, other case, compact or long names, other
//! folding. What a message must get does not depend on any of these.
//!
//! Only the header is changed, and nothing in it that makes the message what it is: the start line keeps its form, fields of one name
//! keep their order, the body and its length stay.

use std::collections::HashMap;

use rand::{RngExt as _, seq::SliceRandom as _};
use rand_chacha::ChaCha12Rng;

const COMPACT: [(&str, &str); 9] = [
    ("c", "Content-Type"),
    ("f", "From"),
    ("i", "Call-ID"),
    ("k", "Supported"),
    ("l", "Content-Length"),
    ("m", "Contact"),
    ("s", "Subject"),
    ("t", "To"),
    ("v", "Via"),
];

/// Words that are names of people, rooms and hosts in the messages.
const NAMES: [&[u8]; 24] = [
    b"alice",
    b"amazinglylongcallername",
    b"atlanta",
    b"biloxi",
    b"caller",
    b"company",
    b"desk",
    b"edge",
    b"example",
    b"gw",
    b"hill",
    b"host",
    b"host1",
    b"host5",
    b"other",
    b"resource",
    b"rooms",
    b"rosa",
    b"saturn",
    b"target",
    b"user",
    b"watson",
    b"weekly",
    b"hungry",
];

/// A variant of a message.
pub fn vary(message: &[u8], rng: &mut ChaCha12Rng) -> Vec<u8> {
    let end = message.windows(4).position(|w| w == b"\r\n\r\n").map_or(message.len(), |at| at + 2);
    let (head, rest) = message.split_at(end);
    let mut units = units(head.strip_suffix(b"\r\n").unwrap_or(head)).into_iter();
    let ends = head.ends_with(b"\r\n");
    let mut renamed = HashMap::new();
    let mut out = rename(&units.next().unwrap_or_default(), &mut renamed, rng);
    let unique = word(rng);
    for unit in shuffled(units.collect(), rng) {
        out.extend(b"\r\n");
        out.extend(field(&unit, &unique, &mut renamed, rng));
    }
    if ends {
        out.extend(b"\r\n");
    }
    out.extend_from_slice(rest);
    out
}

/// The same message with branches and a Call-ID of its own, and nothing else changed.
pub fn renumber(message: &[u8], unique: &[u8]) -> Vec<u8> {
    let end = message.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(message.len());
    let (head, rest) = message.split_at(end);
    let numbered = units(head).into_iter().map(|unit| match long_name(&unit).as_str() {
        "call-id" => [&unit, unique].concat(),
        "via" => rebranch(&unit, unique),
        _ => unit,
    });
    [numbered.collect::<Vec<_>>().join(&b"\r\n"[..]), rest.to_vec()].concat()
}

/// Lines with their continuations.
fn units(head: &[u8]) -> Vec<Vec<u8>> {
    let (mut units, mut rest) = (vec![Vec::new()], head);
    while !rest.is_empty() {
        let end = rest.windows(2).position(|w| w == b"\r\n").unwrap_or(rest.len());
        let (line, more) = rest.split_at(end);
        rest = more.get(2..).unwrap_or_default();
        let first = units.len() == 1 && units[0].is_empty();
        match units.last_mut() {
            Some(unit) if first || line.starts_with(b" ") || line.starts_with(b"\t") => {
                if !first {
                    unit.extend(b"\r\n");
                }
                unit.extend_from_slice(line);
            }
            _ => units.push(line.to_vec()),
        }
    }
    units
}

/// Another order, in which the fields of one name come as they came.
fn shuffled(units: Vec<Vec<u8>>, rng: &mut ChaCha12Rng) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = (0..units.len()).collect();
    places.shuffle(rng);
    let mut groups: HashMap<String, Vec<usize>> = HashMap::new();
    for (unit, place) in units.iter().zip(&places) {
        groups.entry(long_name(unit)).or_default().push(*place);
    }
    for group in groups.values_mut() {
        group.sort_unstable_by(|a, b| b.cmp(a));
    }
    let mut out = vec![Vec::new(); units.len()];
    for unit in units {
        let place = groups.get_mut(&long_name(&unit)).and_then(Vec::pop).expect("a place for each");
        out[place] = unit;
    }
    out
}

fn long_name(unit: &[u8]) -> String {
    let Some(colon) = unit.iter().position(|b| *b == b':') else { return String::new() };
    let name = String::from_utf8_lossy(&unit[..colon]).trim().to_lowercase();
    COMPACT.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long.to_lowercase())
}

/// The field with another name, spacing, folding, and other people in it.
fn field(unit: &[u8], unique: &[u8], renamed: &mut HashMap<Vec<u8>, Vec<u8>>, rng: &mut ChaCha12Rng) -> Vec<u8> {
    let Some(colon) = unit.iter().position(|b| *b == b':').filter(|at| *at > 0) else { return unit.to_vec() };
    let name = long_name(unit);
    let compact = COMPACT.iter().find(|(_, long)| long.eq_ignore_ascii_case(&name)).map(|(short, _)| *short);
    let written = compact.filter(|_| rng.random()).unwrap_or(&name);
    let mut out: Vec<u8> = written.bytes().map(|b| if rng.random() { b.to_ascii_uppercase() } else { b }).collect();
    out.extend(pick(&["", "", " ", "\t "], rng).bytes());
    out.push(b':');
    out.extend(pick(&["", " ", " ", "\t", "\r\n ", " \r\n\t  "], rng).bytes());
    let mut value = rename(unit[colon + 1..].trim_ascii_start(), renamed, rng);
    match name.as_str() {
        "from" | "to" => value = retag(&value, rng),
        "call-id" if !value.is_empty() => value.extend_from_slice(unique),
        "via" => value = rebranch(&value, unique),
        _ => {}
    }
    out.extend(value);
    out
}

/// Other names for people and hosts, the same for the same throughout the message.
fn rename(text: &[u8], renamed: &mut HashMap<Vec<u8>, Vec<u8>>, rng: &mut ChaCha12Rng) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let end = text[at..].iter().position(|b| !b.is_ascii_alphanumeric()).map_or(text.len(), |n| at + n);
        let run = &text[at..end];
        if NAMES.contains(&run) {
            out.extend_from_slice(renamed.entry(run.to_vec()).or_insert_with(|| word(rng)));
        } else {
            out.extend_from_slice(run);
        }
        out.extend(text.get(end));
        at = end + 1;
    }
    out
}

/// Another tag.
fn retag(value: &[u8], rng: &mut ChaCha12Rng) -> Vec<u8> {
    let Some(at) = value.windows(4).rposition(|w| w == b"tag=") else { return value.to_vec() };
    let (before, tag) = value.split_at(at + 4);
    let end = tag.iter().position(|b| b" ;\t\r".contains(b)).unwrap_or(tag.len());
    [before, &word(rng), &tag[end..]].concat()
}

/// A branch of its own, so that no two variants are one transaction.
fn rebranch(value: &[u8], unique: &[u8]) -> Vec<u8> {
    const COOKIE: &[u8] = b"z9hG4bK";
    let follows = |at: usize| value.get(at + COOKIE.len()).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-');
    match value.windows(COOKIE.len()).position(|w| w == COOKIE).filter(|at| follows(*at)) {
        Some(at) => [&value[..at + COOKIE.len()], unique, &value[at + COOKIE.len()..]].concat(),
        None => value.to_vec(),
    }
}

fn word(rng: &mut ChaCha12Rng) -> Vec<u8> {
    (0..rng.random_range(3..12)).map(|_| rng.random_range(b'a'..=b'z')).collect()
}

fn pick(choices: &[&'static str], rng: &mut ChaCha12Rng) -> &'static str {
    choices[rng.random_range(0..choices.len())]
}
