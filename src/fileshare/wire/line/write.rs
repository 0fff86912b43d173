//! Values → SDP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Batch, Connection, Line, Media, Spelling, Transport, selector};
use crate::{fileshare::wire::fingerprint::colon_hex, sdp::Attribute};

/// The m-line's media type.
pub(super) const KIND: &str = "application";
/// The seed's.
pub(super) const SEED: &str = "Fileshare";
/// What `sdp` has for the protocol and the format that the seed's line lacks.
pub(super) const NOTHING: &str = "-";
pub(super) const SOURCE: &str = "confkit-source";
pub(super) const BATCH: &str = "confkit-batch";
pub(super) const SHARE: &str = "confkit-share";
pub(super) const CONF: &str = "confkit-conf";
pub(super) const TO: &str = "confkit-to";
pub(super) const KEY: &str = "confkit-key";

impl Transport {
    /// The protocol of the m-line.
    pub fn proto(self) -> &'static str {
        match self {
            Self::Tls => "TCP/TLS/fileshare",
            Self::Tcp => "TCP/fileshare",
        }
    }
}

pub(super) fn media(line: &Line) -> Media {
    let (kind, proto, format) = match line.spelling {
        Spelling::Ours => (KIND, line.transport.proto(), "*"),
        Spelling::Seed => (SEED, NOTHING, NOTHING),
    };
    let address = SocketAddr::new(line.ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), line.port);
    let mut media = Media::new(kind, address, proto, vec![format.to_owned()]);
    if line.ip.is_none() {
        media.connection = None;
    }
    media.direction = line.direction;
    if line.is_refused() {
        return media.refused();
    }
    let mut add = |name: &str, value: Option<String>| {
        media.attributes.extend(value.map(|value| Attribute::with_value(name, value)));
    };
    add("setup", line.setup.map(|setup| setup.to_string()));
    // "new" says nothing where nobody says who connects.
    let connection = line.setup.is_some() || line.connection != Connection::New;
    add("connection", connection.then(|| line.connection.to_string()));
    add("fingerprint", line.fingerprint.map(|fingerprint| fingerprint.to_string()));
    add(SOURCE, line.source.map(|source| format!("{} {}", source.ip(), source.port())));
    add(SHARE, line.share.map(|share| share.to_string()));
    add(CONF, line.conf.as_ref().map(ToString::to_string));
    add(BATCH, line.batch.as_ref().map(batch));
    add("file-selector", line.batch.as_ref().and_then(single));
    add("file-transfer-id", line.transfer_id.clone());
    add("file-disposition", line.disposition.map(|disposition| disposition.to_string()));
    add(KEY, line.key.as_ref().map(|key| key.reveal().to_string()));
    media.attributes.extend(line.recipients.iter().map(|who| Attribute::with_value(TO, who)));
    media
}

fn batch(batch: &Batch) -> String {
    let mut value = format!("{} entries:{}", batch.id, batch.entries);
    if let Some(bytes) = batch.bytes {
        value.push_str(&format!(" bytes:{bytes}"));
    }
    if let Some(manifest) = &batch.manifest {
        value.push_str(&format!(" manifest:{}", colon_hex(manifest)));
    }
    value
}

/// The selector of a batch that is one file.
fn single(batch: &Batch) -> Option<String> {
    match batch.files.as_slice() {
        [file] if batch.entries == 1 && !file.name.is_empty() => Some(selector::write(file)),
        _ => None,
    }
}
