//! What both ends of a channel keep of a transfer, so that another process can go on with it: by which code it began, by which secret the two find
//! each other again, at which relay; of what is sent also which files. Files of records are for their owner alone (0600).

use std::{num::NonZeroU64, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    channel::{
        Place,
        client::{Resume, Ways},
        keys::ResumeSecret,
        pake::Password,
    },
    cli::{
        Failure,
        fshare::kept::{self, KIND, Kept, LIMIT, MAX_PATHS, RECEIVE, SEND},
    },
    transfer::{Manifest, Policy, Record, RecordStore, TransferName, resume::ResumeError},
};

/// Most characters of a code in a name.
const MAX_CODE: usize = 64;
/// Hexadecimal digits in a name, of the place where the two meet again: codes come again.
const DIGITS: usize = 8;

/// Where a record keeps the relays…
const RELAYS: &str = "relays";
/// …and the proxy before them, without its password.
const PROXY: &str = "proxy";
/// Most relays in one.
const MAX_RELAYS: usize = 16;

/// What is sent, as a person named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The code; empty where there was none.
    pub code: String,
    /// Files and folders, absolute.
    pub paths: Vec<PathBuf>,
    /// Whether links were followed.
    pub follow_links: bool,
    /// Whether extended attributes were sent.
    pub xattrs: bool,
    /// Data connections.
    pub streams: u8,
    /// Most bytes a second.
    pub limit: Option<NonZeroU64>,
    /// Which chunks are compressed.
    pub compress: Policy,
    /// By which ways the bytes may go.
    pub ways: Ways,
}

impl Named {
    /// What a record says; none where it does not say how to go on.
    pub fn of(record: &Record) -> Option<(Self, Resume)> {
        let detail = |key: &str| record.details.get(key);
        let (resume, ways) = resume(record)?;
        let named = Self {
            code: detail("code").cloned().unwrap_or_default(),
            paths: kept::paths(record),
            follow_links: detail("follow-links").is_some(),
            xattrs: detail("xattrs").is_some(),
            streams: detail("streams").and_then(|streams| streams.parse().ok()).filter(|streams| (1..=16).contains(streams))?,
            limit: kept::limit(record),
            compress: detail("compress").and_then(|word| Policy::from_word(word)).unwrap_or_default(),
            ways,
        };
        Some((named, resume))
    }

    /// Begins a record; `None` where there is too much to name.
    ///
    /// # Errors
    /// The disk.
    pub async fn keep(&self, records: RecordStore, resume: &Resume, manifest: &Manifest) -> Result<Option<Kept>, Failure> {
        let (Ok(paths), Some(transfer)) = (serde_json::to_string(&self.paths), name(SEND, &self.code, resume)) else { return Ok(None) };
        if paths.len() > MAX_PATHS {
            return Ok(None);
        }
        let mut details = details(SEND, &self.code, resume, self.ways);
        details.extend([("paths", paths), ("streams", self.streams.to_string())]);
        details.extend(self.follow_links.then(|| ("follow-links", "yes".to_owned())));
        details.extend(self.xattrs.then(|| ("xattrs", "yes".to_owned())));
        details.extend(self.limit.map(|limit| (LIMIT, limit.to_string())));
        details.extend((self.compress != Policy::Auto).then(|| ("compress", self.compress.as_str().to_owned())));
        Kept::create(records, transfer, details, manifest).await.map(Some)
    }
}

/// The record of what comes: its name, and what is in it.
pub fn of_received(code: &str, resume: &Resume, ways: Ways) -> Option<(TransferName, Vec<(&'static str, String)>)> {
    Some((name("recv", code, resume)?, details(RECEIVE, code, resume, ways)))
}

/// By what the two of a record find each other, and by which ways the bytes may go.
pub fn resume(record: &Record) -> Option<(Resume, Ways)> {
    let detail = |key: &str| record.details.get(key);
    let ways = match detail("ways").map(String::as_str) {
        Some("relay") => Ways::RelayOnly,
        Some("direct") => Ways::DirectOnly,
        _ => Ways::Any,
    };
    let resume = Resume {
        transfer: detail("transfer")?.parse().ok()?,
        secret: ResumeSecret::from_bytes(URL_SAFE_NO_PAD.decode(detail("secret")?).ok()?.try_into().ok()?),
        relays: kept::list(record, RELAYS),
        anywhere: false,
        proxy: detail(PROXY).cloned(),
    };
    Some((resume, ways))
}

/// The records of what came by a code and was broken off, and that no process is at.
///
/// # Errors
/// They cannot be read.
pub fn begun(records: &RecordStore, code: &str) -> Result<Vec<Record>, ResumeError> {
    let is_it = |record: &Record| kept::is_receive(record) && record.details.get("code").is_some_and(|of| of == code);
    let mut known = records.list()?;
    known.retain(|record| is_it(record) && !records.is_held(&record.transfer));
    Ok(known)
}

fn details(kind: &str, code: &str, resume: &Resume, ways: Ways) -> Vec<(&'static str, String)> {
    let ways = match ways {
        Ways::Any => None,
        Ways::RelayOnly => Some("relay"),
        Ways::DirectOnly => Some("direct"),
    };
    let details = [
        (KIND, kind.to_owned()),
        ("code", code.to_owned()),
        ("transfer", resume.transfer.to_string()),
        ("secret", URL_SAFE_NO_PAD.encode(resume.secret.as_bytes())),
        (RELAYS, serde_json::to_string(&resume.relays).unwrap_or_default()),
    ];
    let ways = ways.map(|ways| ("ways", ways.to_owned()));
    details.into_iter().chain(ways).chain(resume.proxy.clone().map(|proxy| (PROXY, proxy))).collect()
}

/// What whoever goes on later has to know of what is named now: further relays, behind those of before, and that a proxy is before one.
pub fn news(record: &Record, given: &[String], proxy: Option<String>) -> Vec<(&'static str, String)> {
    let mut relays: Vec<String> = kept::list(record, RELAYS);
    let known = relays.len();
    for relay in given {
        if relays.len() < MAX_RELAYS && !relays.contains(relay) {
            relays.push(relay.clone());
        }
    }
    let relays = (relays.len() > known).then(|| (RELAYS, serde_json::to_string(&relays).unwrap_or_default()));
    let proxy = proxy.filter(|proxy| record.details.get(PROXY) != Some(proxy)).map(|proxy| (PROXY, proxy));
    relays.into_iter().chain(proxy).collect()
}

/// A name that says which transfer it is to whoever saw the code.
fn name(what: &str, code: &str, resume: &Resume) -> Option<TransferName> {
    let fit = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let code: String = code.chars().map(fit).take(MAX_CODE).collect();
    // Of several receivers each has a place of its own.
    let digits: String = match Password::of_resume(&resume.secret).place() {
        Place::Secret(place) => place.iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect(),
        Place::Nameplate(_) => String::new(),
    };
    let code = if code.is_empty() { code } else { format!("{code}-") };
    TransferName::new(&format!("{what}-{code}{digits}")).ok()
}
