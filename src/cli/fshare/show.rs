//! What is shown while files move: bars for people, events for programs (`docs/json.md`).

use serde::Serialize;

use crate::{
    cli::{
        Failure,
        output::{Output, Page, Report, Text},
    },
    clock,
    conference::wire::Timestamp,
    fileshare::{
        ShareId,
        client::Downloaded,
        wire::control::{Batch, MAX_FILES, Member, MemberState},
    },
    transfer::sink::Placed,
};

/// An event of `fshare share`, `get` and `resume`, and of `confctl join`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Moved {
    /// A share of ours is there.
    Shared {
        /// When.
        at: Timestamp,
        /// Its name in the conference.
        share: String,
        /// Files, folders and links in it.
        entries: u64,
        /// Bytes, where known.
        bytes: Option<u64>,
        /// Files in it, for people.
        #[serde(skip)]
        files: Option<u64>,
    },
    /// All of it is at the server.
    Uploaded {
        /// When.
        at: Timestamp,
        /// Its name in the conference.
        share: String,
        /// Bytes.
        bytes: u64,
    },
    /// All who were asked have finished.
    Finished {
        /// When.
        at: Timestamp,
        /// Its name in the conference.
        share: String,
        /// How each fared.
        members: Vec<Fared>,
        /// Nobody else is waited for: it is not told again.
        last: bool,
    },
    /// Somebody shares.
    Offered {
        /// When.
        at: Timestamp,
        /// Its name in the conference.
        share: String,
        /// Who shares.
        from: String,
        /// Files, folders and links in it.
        entries: u64,
        /// Bytes, where known.
        bytes: Option<u64>,
        /// The first names.
        names: Vec<String>,
        /// Whether it is received.
        wanted: bool,
    },
    /// All of a share is here, verified.
    Received {
        /// When.
        at: Timestamp,
        /// Its name in the conference.
        share: String,
        /// Bytes.
        bytes: u64,
        /// Every file.
        files: Vec<Received>,
    },
    /// How far it is: once a second at most, with `--json` only.
    Progress {
        /// When.
        at: Timestamp,
        /// Its name in the conference.
        share: String,
        /// Bytes moved.
        bytes: u64,
        /// Bytes in all, where known.
        total: Option<u64>,
        /// Bytes a second.
        rate: u64,
        /// Seconds to go, where that can be said.
        eta: Option<u64>,
        /// By which way: `conference`.
        source: &'static str,
        /// Connections that broke and were made again.
        retries: u32,
    },
    /// Somebody who was receiving what we share broke off, and is waited for.
    Waiting {
        /// When.
        at: Timestamp,
        /// Its name in the conference.
        share: String,
        /// Who: its address.
        who: String,
        /// Bytes that it has.
        bytes: u64,
        /// Until when it is waited for at most, where the server waits as long as it usually does.
        until: Timestamp,
    },
    /// A connection broke, and is made again.
    Broken {
        /// When.
        at: Timestamp,
        /// Its name in the conference.
        share: String,
        /// Why.
        reason: String,
        /// In so many seconds.
        again_in: f64,
    },
    /// A transfer failed; the others go on.
    Failed {
        /// When.
        at: Timestamp,
        /// Its name in the conference.
        share: String,
        /// Why.
        reason: String,
        /// What `fshare resume` takes, where it can be gone on with.
        transfer: Option<String>,
    },
}

/// How a member fared.
#[derive(Debug, Clone, Serialize)]
pub struct Fared {
    /// Who: its address.
    pub who: String,
    /// `complete`, `failed`, `declined`, `not-taking-part`, `left`.
    pub state: String,
    /// Bytes that it has.
    pub bytes: u64,
    /// Why it failed.
    pub reason: Option<String>,
}

/// A file that came.
#[derive(Debug, Clone, Serialize)]
pub struct Received {
    /// Its name in the share's folder.
    pub name: String,
    /// Where it is; none when it was skipped, or went to standard output.
    pub path: Option<String>,
    /// Its BLAKE3, in hexadecimal digits; none when it was skipped.
    pub blake3: Option<String>,
}

impl Received {
    /// Whether something of its name was there, and was left as it was.
    pub fn is_skipped(&self) -> bool {
        self.blake3.is_none()
    }

    /// As it is in its place.
    pub fn of(placed: &Placed) -> Self {
        Self {
            name: placed.name.as_str().to_owned(),
            path: placed.path.as_ref().map(|path| path.display().to_string()),
            blake3: placed.digest.as_ref().map(ToString::to_string),
        }
    }
}

/// Tells what happens. With `-q` people want to hear results and nothing else: what was received, and who has what was shared.
pub fn tell(output: &Output, event: &Moved) -> Result<(), Failure> {
    let wanted = output.is_json() || !output.is_quiet() || matches!(event, Moved::Received { .. } | Moved::Finished { .. });
    if wanted { output.event(event) } else { Ok(()) }
}

/// Now, for an event.
pub fn at() -> Timestamp {
    clock::wall().into()
}

impl Moved {
    /// Somebody shares this.
    pub fn offered(share: ShareId, from: &str, batch: &Batch, wanted: bool) -> Self {
        let names = batch.files.iter().map(|file| file.name.clone()).collect();
        let (entries, bytes) = (batch.entries.into(), batch.bytes);
        Self::Offered { at: at(), share: share.to_string(), from: from.to_owned(), entries, bytes, names, wanted }
    }

    /// All of it is here.
    pub fn received(share: ShareId, downloaded: &Downloaded) -> Self {
        let files = downloaded.files.files.iter().map(Received::of);
        Self::Received { at: at(), share: share.to_string(), bytes: downloaded.bytes, files: files.collect() }
    }

    /// How all fared, each once: whoever has it by one of its dialogs has it, and of the others the last counts.
    pub fn finished(share: ShareId, members: &[Member], last: bool) -> Self {
        let mut people: Vec<&Member> = Vec::new();
        for member in members {
            match people.iter_mut().find(|known| known.who == member.who) {
                Some(known) if known.state == MemberState::Complete => {}
                Some(known) => *known = member,
                None => people.push(member),
            }
        }
        let members = people.into_iter().map(|member| Fared {
            who: member.who.clone(),
            state: member.state.to_string(),
            bytes: member.bytes,
            reason: member.failure.as_ref().map(|why| why.text.clone()),
        });
        Self::Finished { at: at(), share: share.to_string(), members: members.collect(), last }
    }
}

impl Report for Moved {
    fn page(&self, page: &mut Page) {
        let name = |share: &String| Text::strong(share);
        match self {
            Self::Shared { share, entries, bytes, files, .. } => {
                page.line([name(share), Text::from(format!(": {}", amount(*files, *entries, *bytes)))])
            }
            Self::Uploaded { share, bytes, .. } => page.line([name(share), Text::from(format!(": uploaded, {}", human(*bytes)))]),
            Self::Finished { share, members, .. } => {
                let complete: Vec<&str> = members.iter().filter(|m| m.state == "complete").map(|m| m.who.as_str()).collect();
                let more = if complete.len() > NAMED { format!(" and {} more", complete.len() - NAMED) } else { String::new() };
                let first = complete.get(..complete.len().min(NAMED)).unwrap_or_default().join(", ");
                let who = if complete.is_empty() { String::new() } else { format!(": {first}{more}") };
                page.line([name(share), Text::from(format!(": {} of {} have it{who}", complete.len(), members.len()))]);
                for member in members.iter().filter(|member| member.state != "complete") {
                    let why = member.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                    page.line([Text::from("  "), Text::odd(&member.who), Text::from(format!(" {}{why}", member.state))]);
                }
                page
            }
            Self::Offered { share, from, entries, bytes, names, wanted, .. } => {
                // Where not all are named, it is not known how many of the entries are files.
                let named = Some(names.len() as u64).filter(|_| !names.is_empty() && names.len() < MAX_FILES);
                let what = if names.len() == 1 { names.first().cloned().unwrap_or_default() } else { amount(named, *entries, *bytes) };
                let sized =
                    if names.len() == 1 { bytes.map(|bytes| format!(", {}", human(bytes))).unwrap_or_default() } else { String::new() };
                let by = if from.is_empty() { String::new() } else { format!(" from {from}") };
                let hint = if *wanted { "" } else { " (not received)" };
                page.line([name(share), Text::from(format!("{by}: {what}{sized}{hint}"))])
            }
            Self::Received { share, bytes, files, .. } => {
                page.line([
                    name(share),
                    Text::from(format!(": received and verified, {}", amount(Some(files.len() as u64), 0, Some(*bytes)))),
                ]);
                if files.len() <= 20 {
                    for file in files {
                        let path = file.path.clone().unwrap_or_else(|| format!("{} (skipped)", file.name));
                        page.line([Text::from("  "), Text::from(path)]);
                    }
                }
                page
            }
            Self::Progress { .. } => page,
            Self::Waiting { share, who, bytes, until, .. } => {
                let broke_off =
                    format!(": {who} broke off at {}; waiting until {until}, Ctrl-C ends the wait and the share", human(*bytes));
                page.line([name(share), Text::odd(broke_off)])
            }
            Self::Broken { share, reason, again_in, .. } => {
                page.line([name(share), Text::odd(format!(": {reason}; trying again in {again_in:.1} s"))])
            }
            Self::Failed { share, reason, .. } => page.line([name(share), Text::bad(format!(": {reason}"))]),
        };
    }
}

/// Of those who have it, how many are named on the line that says so.
const NAMED: usize = 3;

/// `3 files, 1.2 MiB`; where it is not known how many are files, `3 files and folders, 1.2 MiB`.
pub fn amount(files: Option<u64>, entries: u64, bytes: Option<u64>) -> String {
    let count = match (files, entries) {
        (Some(1), _) | (None, 1) => "1 file".to_owned(),
        (Some(files), _) => format!("{files} files"),
        (None, entries) => format!("{entries} files and folders"),
    };
    bytes.map_or(count.clone(), |bytes| format!("{count}, {}", human(bytes)))
}

/// Bytes for people.
pub fn human(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_not_called_one() {
        assert_eq!(amount(Some(5), 9, Some(2048)), "5 files, 2.00 KiB");
        assert_eq!(amount(None, 9, None), "9 files and folders");
        assert_eq!((amount(None, 1, None), amount(Some(1), 2, None)), ("1 file".to_owned(), "1 file".to_owned()));
    }
}
