//! SDP → values.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use super::{
    Batch, Connection, DISCARD, Direction, Disposition, Endpoint, Fingerprint, Line, LineError, MAX_RECIPIENTS, MAX_TRANSFER_ID, MAX_VALUE,
    Media, Setup, Spelling, Transport, selector, write,
};
use crate::fileshare::{
    BatchId,
    wire::{
        control::MAX_TEXT,
        fingerprint::{FingerprintError, from_colon_hex},
    },
};

/// How the m-line is written; `None` where it is none of a share.
pub(super) fn spelling(media: &Media) -> Option<Spelling> {
    let bare = matches!(media.proto.as_str(), "" | write::NOTHING);
    if media.is_kind(write::SEED) && bare {
        return Some(Spelling::Seed);
    }
    (media.is_kind(write::KIND) && protocol(media).is_some()).then_some(Spelling::Ours)
}

fn protocol(media: &Media) -> Option<Transport> {
    [Transport::Tls, Transport::Tcp].into_iter().find(|transport| media.is_proto(transport.proto()))
}

pub(super) fn line(media: &Media) -> Result<Option<Line>, LineError> {
    let Some(spelling) = spelling(media) else { return Ok(None) };
    if media.port == 0 {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let transport = protocol(media).unwrap_or(Transport::Tcp);
        return Ok(Some(Line { spelling, ip: None, ..Line::at(transport, nowhere, Direction::Inactive) }));
    }
    if media.attributes.iter().any(|a| a.value.as_ref().is_some_and(|value| value.len() > MAX_VALUE)) {
        return Err(LineError::Malformed("length of an attribute"));
    }
    let fingerprint = fingerprint(media)?;
    let bare = if fingerprint.is_some() { Transport::Tls } else { Transport::Tcp };
    Ok(Some(Line {
        spelling,
        transport: protocol(media).unwrap_or(bare),
        ip: media.ip().map(|ip| ip.to_canonical()),
        port: media.port,
        direction: media.direction,
        setup: one(media, "setup", Setup::from_word)?,
        connection: one(media, "connection", Connection::from_word)?.unwrap_or_default(),
        fingerprint,
        batch: batch(media)?,
        transfer_id: one(media, "file-transfer-id", transfer_id)?,
        // A disposition that we do not know says nothing to us.
        disposition: one(media, "file-disposition", |word| Some(Disposition::from_word(word)))?.flatten(),
        source: one(media, write::SOURCE, address_and_port)?,
        recipients: recipients(media)?,
        share: one(media, write::SHARE, parsed)?,
        conf: one(media, write::CONF, parsed)?,
        key: one(media, write::KEY, parsed)?,
    }))
}

pub(super) fn source(line: &Line) -> Result<SocketAddr, LineError> {
    if line.is_refused() {
        return Err(LineError::Refused);
    }
    // Without a=setup the sender of an offer connects (RFC 4145 §4.1); what our terminals answer, they say.
    if !matches!(line.setup, None | Some(Setup::Active | Setup::ActPass)) {
        return Err(LineError::Setup);
    }
    let source = match line.source {
        Some(source) if line.port == source.port() || line.port == DISCARD => source,
        Some(_) => return Err(LineError::Port),
        None if line.port == DISCARD => return Err(LineError::Port),
        None => SocketAddr::new(line.ip.ok_or(LineError::Address)?, line.port),
    };
    one_host(source)
}

pub(super) fn endpoint(line: &Line) -> Result<Endpoint, LineError> {
    if line.is_refused() {
        return Err(LineError::Refused);
    }
    if !matches!(line.setup, None | Some(Setup::Passive)) {
        return Err(LineError::Setup);
    }
    if line.port == DISCARD {
        return Err(LineError::Port);
    }
    let address = one_host(SocketAddr::new(line.ip.ok_or(LineError::Address)?, line.port))?;
    let fingerprint = match line.transport {
        Transport::Tls => Some(line.fingerprint.ok_or(LineError::Fingerprint)?),
        Transport::Tcp => None,
    };
    Ok(Endpoint { address, fingerprint, key: line.key.clone().ok_or(LineError::Key)? })
}

fn one_host(address: SocketAddr) -> Result<SocketAddr, LineError> {
    let ip = address.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    match address.port() {
        0 => Err(LineError::Port),
        _ if ip.is_unspecified() || ip.is_multicast() || broadcast => Err(LineError::Address),
        port => Ok(SocketAddr::new(ip, port)),
    }
}

/// An attribute that stands at most once.
fn one<T>(media: &Media, name: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, LineError> {
    let mut values = media.attributes_named(name);
    let Some(value) = values.next() else { return Ok(None) };
    match (read(value), values.next()) {
        (Some(read), None) => Ok(Some(read)),
        (None | Some(_), _) => Err(LineError::Malformed(name)),
    }
}

/// There may be several (RFC 8122 §5); the one by SHA-256 counts.
fn fingerprint(media: &Media) -> Result<Option<Fingerprint>, LineError> {
    let mut other = false;
    for value in media.attributes_named("fingerprint") {
        match value.parse() {
            Ok(fingerprint) => return Ok(Some(fingerprint)),
            Err(FingerprintError::Hash) => other = true,
            Err(FingerprintError::Bytes) => return Err(LineError::Malformed("fingerprint")),
        }
    }
    if other { Err(LineError::Fingerprint) } else { Ok(None) }
}

/// `a=confkit-batch`, with the file of `a=file-selector` where there is one. A selector alone (another program's) is a batch 0 of one.
fn batch(media: &Media) -> Result<Option<Batch>, LineError> {
    let selector = one(media, "file-selector", selector::read)?;
    let batch = one(media, write::BATCH, batch_value)?;
    let Some(file) = selector else { return Ok(batch) };
    if file.name.len() > MAX_TEXT {
        return Err(LineError::Malformed("file-selector"));
    }
    let alone = Batch { id: BatchId(0), entries: 1, bytes: file.size, manifest: None, files: Vec::new() };
    Ok(Some(Batch { files: vec![file], ..batch.unwrap_or(alone) }))
}

/// `<id> entries:<n> [bytes:<n>] [manifest:<sha-256>]`; words that we do not know are passed over.
fn batch_value(value: &str) -> Option<Batch> {
    let mut words = value.split_ascii_whitespace();
    let (id, mut entries, mut bytes, mut manifest) = (BatchId(words.next()?.parse().ok()?), None, None, None);
    for word in words {
        match word.split_once(':')? {
            ("entries", number) => entries = Some(number.parse().ok()?),
            ("bytes", number) => bytes = Some(number.parse().ok()?),
            ("manifest", hash) => manifest = Some(from_colon_hex(hash)?),
            _ => {}
        }
    }
    Some(Batch { id, entries: entries?, bytes, manifest, files: Vec::new() })
}

/// `<address> <port>`.
fn address_and_port(value: &str) -> Option<SocketAddr> {
    let (ip, port) = value.split_once(' ')?;
    let ip: IpAddr = ip.parse().ok()?;
    Some(SocketAddr::new(ip.to_canonical(), port.trim().parse().ok()?))
}

fn recipients(media: &Media) -> Result<Vec<String>, LineError> {
    let sound = |who: &&str| (1..=MAX_TEXT).contains(&who.len()) && !who.contains(|c: char| c.is_control() || c.is_whitespace());
    let all: Vec<&str> = media.attributes_named(write::TO).collect();
    if all.len() > MAX_RECIPIENTS || !all.iter().all(sound) {
        return Err(LineError::Malformed(write::TO));
    }
    Ok(all.into_iter().map(str::to_owned).collect())
}

fn transfer_id(value: &str) -> Option<String> {
    let token = value.bytes().all(|b| b.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]".contains(&b));
    (token && (1..=MAX_TRANSFER_ID).contains(&value.len())).then(|| value.to_owned())
}

fn parsed<T: FromStr>(value: &str) -> Option<T> {
    value.parse().ok()
}
