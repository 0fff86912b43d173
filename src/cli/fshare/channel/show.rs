//! What is told while a channel carries files: events for programs, lines for people.

use std::{borrow::Cow, time::Duration};

use serde::Serialize;

use super::{DEFAULT_RELAY, to::TEXT};
use crate::{
    channel::wire::letter::Way,
    cli::{
        Failure,
        fshare::show::{self, Received, at, human},
        output::{Output, Page, Report, Text, safe_line},
    },
    conference::wire::Timestamp,
};

/// An event of `fshare send` and `fshare recv`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Carried {
    /// The code is there, and a receiver is waited for.
    Code {
        /// When.
        at: Timestamp,
        /// What the receiver types.
        code: String,
        /// Relays that it is good at, in the order in which they are tried.
        relay: Vec<String>,
        /// Regular files that are sent.
        files: u64,
        /// Bytes, where known.
        bytes: Option<u64>,
        /// The code as a picture, for people.
        #[serde(skip)]
        qr: Option<String>,
        /// It is a text, for people.
        #[serde(skip)]
        text: bool,
    },
    /// It is offered to another user, who is waited for.
    Offering {
        /// When.
        at: Timestamp,
        /// The transfer.
        transfer: String,
        /// To whom.
        to: String,
        /// Files and folders.
        count: u32,
        /// Bytes, where known.
        bytes: Option<u64>,
    },
    /// Offers of other users are waited for.
    Waiting {
        /// When.
        at: Timestamp,
        /// As whom.
        user: String,
        /// Of whom; of anybody where there is none.
        from: Option<String>,
    },
    /// Another user offers us something.
    Invited {
        /// When.
        at: Timestamp,
        /// The transfer.
        transfer: String,
        /// Who.
        from: String,
        /// Files and folders.
        count: u32,
        /// Bytes, where known.
        bytes: Option<u64>,
        /// What it is, in a word.
        kind: String,
    },
    /// Who the other side is.
    Identity {
        /// When.
        at: Timestamp,
        /// The contact, `USER@REALM`.
        contact: String,
        /// Whether its identity is the one that was known before.
        known: bool,
        /// The words of its identity.
        words: String,
        /// The words of ours.
        own_words: String,
        /// People are to compare them.
        #[serde(skip)]
        compare: bool,
    },
    /// This is offered to us.
    Offered {
        /// When.
        at: Timestamp,
        /// Regular files in it.
        files: u64,
        /// Bytes, where known.
        bytes: Option<u64>,
        /// The first names.
        names: Vec<String>,
    },
    /// The other side is waited for.
    Awaited {
        /// When.
        at: Timestamp,
        /// Which: `sender`, `receiver`.
        who: &'static str,
    },
    /// The receiver is there, and decides.
    Deciding {
        /// When.
        at: Timestamp,
    },
    /// Of several receivers, one came with a wrong code, which spends it.
    Guessed {
        /// When.
        at: Timestamp,
        /// It goes on with so many.
        receivers: usize,
        /// How many were waited for.
        of: usize,
    },
    /// Of several receivers, one that knew the code did not come in time.
    Missed {
        /// When.
        at: Timestamp,
        /// Another one may have its place.
        open: bool,
    },
    /// The relay wants us to wait, and we do.
    Paused {
        /// When.
        at: Timestamp,
        /// Why, as it says.
        reason: String,
        /// For so many seconds.
        again_in: u64,
    },
    /// The relay was lost while nobody had come: it is looked for, to wait there with the same code.
    Astray {
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
        /// For so many seconds at most.
        patience: u64,
    },
    /// It was found again, and the code is good.
    Back {
        /// When.
        at: Timestamp,
    },
    /// Bytes move.
    Begun {
        /// When.
        at: Timestamp,
        /// From this byte on: what is before it is there already.
        from: u64,
        /// By which way: `relay`, `direct`.
        source: &'static str,
    },
    /// How far it is: once a second at most, with `--json` only.
    Progress {
        /// When.
        at: Timestamp,
        /// Bytes moved.
        bytes: u64,
        /// Bytes in all, where known.
        total: Option<u64>,
        /// Bytes a second.
        rate: u64,
        /// Seconds to go, where that can be said.
        eta: Option<u64>,
        /// By which way: `relay`, `direct`.
        source: &'static str,
        /// The file that moves; none once all has.
        file: Option<String>,
        /// Breaks, after which it went on, in this process.
        retries: u32,
        /// Whether the receiver takes less than could be sent.
        limited: bool,
    },
    /// Of several receivers, this is how one is.
    Receiver {
        /// When.
        at: Timestamp,
        /// Which, from 1 on, in the order in which they came.
        receiver: usize,
        /// How many there are.
        of: usize,
        /// How it is.
        state: ReceiverState,
        /// With `done`: files that it has left as they were there.
        #[serde(skip_serializing_if = "Option::is_none")]
        skipped: Option<u32>,
        /// Why it was lost, or has not got all of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// It broke, and the other side is looked for.
    Broken {
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
        /// For so many seconds at most.
        patience: u64,
    },
    /// The receiver has everything, verified.
    Sent {
        /// When.
        at: Timestamp,
        /// Bytes.
        bytes: u64,
        /// What went over the wire for them in this process.
        wire: u64,
        /// The same, for people: where it is less than the bytes that were sent.
        #[serde(skip)]
        saved: Option<u64>,
        /// Regular files.
        files: u64,
        /// Those of them that the receiver has left as they were there; of several receivers, the fewest of any.
        skipped: u32,
        /// Seconds from the first byte on.
        seconds: f64,
        /// By which way: `relay`, `direct`.
        source: &'static str,
        /// It is a text, for people.
        #[serde(skip)]
        text: bool,
    },
    /// A text came.
    Text {
        /// When.
        at: Timestamp,
        /// It.
        text: String,
    },
    /// All of it is here, verified.
    Received {
        /// When.
        at: Timestamp,
        /// Bytes.
        bytes: u64,
        /// Every file.
        files: Vec<Received>,
        /// Seconds from the first byte on.
        seconds: f64,
        /// By which way: `relay`, `direct`.
        source: &'static str,
    },
}

/// How one of several receivers is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiverState {
    /// It has come, and decides.
    Joined,
    /// It was lost, and is looked for.
    Broken,
    /// It was found again, and gets the rest.
    Back,
    /// It has everything, verified.
    Done,
    /// It has not got all of it.
    Failed,
}

impl Carried {
    /// That we do as a relay wants, which is busy, or warned.
    pub fn paused(why: &str, wait: Duration) -> Self {
        Self::Paused { at: at(), reason: safe_line(why), again_in: wait.as_secs() }
    }

    /// That the relay is looked for where nobody had come.
    pub fn astray(why: &str, left: Duration) -> Self {
        Self::Astray { at: at(), reason: safe_line(why), patience: left.as_secs() }
    }

    /// Tells it: programs by an event; people on standard error, where it goes on beside the transfer.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub fn tell(&self, output: &Output) -> Result<(), Failure> {
        if output.is_json() || self.aside().is_none() {
            return output.event(self);
        }
        self.remark(output);
        Ok(())
    }

    /// Says on standard error what goes on beside the transfer: standard output is for what comes.
    pub fn remark(&self, output: &Output) {
        match self.aside() {
            Some((true, text)) => output.warn(text),
            Some((false, text)) => output.note(text),
            None => {}
        }
    }

    /// What goes on beside the transfer, for people, and whether it may be something wrong.
    fn aside(&self) -> Option<(bool, String)> {
        Some(match self {
            Self::Awaited { who, .. } => (false, format!("waiting for the {who}")),
            Self::Deciding { .. } => (false, "the receiver has joined and is deciding".to_owned()),
            Self::Guessed { receivers, of, .. } => {
                (true, format!("someone entered a wrong code, so the code is used up; continuing with {receivers} of {of} receivers"))
            }
            Self::Missed { open, .. } => {
                let next = if *open { "the code is still valid for someone else" } else { "continuing without that receiver" };
                (true, format!("someone who entered the right code did not join in time: {next}"))
            }
            Self::Paused { reason, again_in, .. } => (false, format!("{reason}; asking again in {again_in} s")),
            Self::Astray { reason, patience, .. } => {
                (true, format!("{reason}; looking for it for up to {patience} s; the code stays valid"))
            }
            Self::Back { .. } => (false, "back at the relay; the code is still valid".to_owned()),
            Self::Waiting { user, from, .. } => {
                (false, format!("signed in as {user}, waiting for files from {}", from.as_deref().unwrap_or("anybody")))
            }
            Self::Invited { from, count, bytes, kind, .. } => (false, format!("{from} offers {}", offered(kind, *count, *bytes))),
            Self::Identity { known: true, compare: false, .. } => return None,
            Self::Identity { contact, words, own_words, .. } => (false, format!("{contact} has the words {words}; yours are {own_words}")),
            _ => return None,
        })
    }
}

impl Report for Carried {
    fn page(&self, page: &mut Page) {
        match self {
            Self::Code { code, relay, files, bytes, qr, text, .. } => {
                page.line([Text::from(format!("{} to send; on the other side:", what(*text, *files, *bytes)))]);
                page.line([Text::from("  fshare recv "), Text::strong(code), Text::from(flags(relay))]);
                page.lines(qr.as_deref().unwrap_or_default())
            }
            Self::Offering { to, bytes, count, .. } => page.line([Text::from(format!("offering to {to}: {}", pieces(*count, *bytes)))]),
            Self::Waiting { user, from, .. } => {
                let whom = from.as_ref().map_or_else(|| "anybody".to_owned(), ToString::to_string);
                page.line([Text::from(format!("signed in as {user}, waiting for files from {whom}"))])
            }
            Self::Invited { from, count, bytes, kind, .. } => {
                page.line([Text::strong(from), Text::from(format!(" offers {}", offered(kind, *count, *bytes)))])
            }
            Self::Identity { known: true, compare: false, .. }
            | Self::Begun { from: 0, .. }
            | Self::Progress { .. }
            // And remarks.
            | Self::Awaited { .. }
            | Self::Deciding { .. }
            | Self::Guessed { .. }
            | Self::Missed { .. }
            | Self::Paused { .. }
            | Self::Astray { .. }
            | Self::Back { .. } => page,
            Self::Identity { contact, known, words, own_words, .. } => {
                if !known {
                    page.line([Text::from(format!("{contact} is new here"))]);
                }
                page.line([Text::from("  its words:  "), Text::strong(words)]);
                page.line([Text::from("  your words: "), Text::strong(own_words)])
            }
            Self::Offered { files, bytes, names, .. } => {
                let what = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
                let more = if names.len() > 3 { ", …" } else { "" };
                page.line([Text::strong(format!("{what}{more}")), Text::from(format!(": {}", amount(*files, *bytes)))])
            }
            Self::Receiver { receiver, of, state, skipped, reason, .. } => {
                let why = reason.as_deref().unwrap_or_default();
                let how = match state {
                    ReceiverState::Joined => match of.saturating_sub(*receiver) {
                        0 => "has joined and is deciding".to_owned(),
                        more => format!("has joined and is deciding; waiting for {more} more"),
                    },
                    ReceiverState::Broken => format!("lost, reconnecting: {why}"),
                    ReceiverState::Back => "is back and gets the rest".to_owned(),
                    ReceiverState::Done => match skipped {
                        None | Some(0) => "has everything, verified".to_owned(),
                        Some(kept) => format!("is done, and kept its own {}", amount(u64::from(*kept), None)),
                    },
                    ReceiverState::Failed => format!("did not get everything: {why}"),
                };
                let line = format!("receiver {receiver} of {of} {how}");
                let odd = matches!(state, ReceiverState::Broken | ReceiverState::Failed);
                page.line([if odd { Text::odd(line) } else { Text::from(line) }])
            }
            Self::Broken { reason, patience, .. } => {
                page.line([Text::odd(format!("broken off: {reason}; looking for the other side for up to {patience} s"))])
            }
            Self::Begun { from, .. } => page.line([Text::from(format!("resuming at {}", human(*from)))]),
            Self::Sent { bytes, saved, files, skipped, seconds, source, text, .. } => {
                let wire = saved.map_or_else(String::new, |wire| format!(", {} on the wire,", human(wire)));
                let what = what(*text, *files, Some(*bytes));
                let left = left(*skipped, *files);
                let verified = if left.as_ref().is_some_and(|(all, _)| *all) { "sent" } else { "sent and verified" };
                let left = left.map_or_else(String::new, |(_, left)| format!("; {left}"));
                page.line([Text::from(format!("{verified}, {what}{wire} in {seconds:.1} s {}{left}", by(source)))])
            }
            Self::Text { text, .. } => page.lines(text),
            Self::Received { bytes, files, seconds, source, .. } => {
                let whole = amount(files.len() as u64, Some(*bytes));
                let how = match files.iter().filter(|file| file.is_skipped()).count() {
                    0 => format!("received and verified, {whole}"),
                    kept if kept == files.len() => format!("nothing kept of {whole}: files of these names are there already"),
                    kept => format!("received and verified, {whole}, {kept} of them not kept: there already"),
                };
                page.line([Text::from(format!("{how} in {seconds:.1} s {}", by(source)))]);
                for file in files.iter().take(20) {
                    let path = file.path.clone().unwrap_or_else(|| format!("{} (skipped)", file.name));
                    page.line([Text::from("  "), Text::from(path)]);
                }
                if let Some(more) = files.len().checked_sub(20).filter(|more| *more > 0) {
                    page.line([Text::from(format!("  and {more} more"))]);
                }
                page
            }
        };
    }
}

/// What another user offers.
fn offered(kind: &str, count: u32, bytes: Option<u64>) -> String {
    if kind == TEXT { "a text".to_owned() } else { pieces(count, bytes) }
}

/// What the receiver has left as it was there, and whether that is all of it.
fn left(skipped: u32, files: u64) -> Option<(bool, String)> {
    match u64::from(skipped) {
        0 => None,
        skipped if skipped < files => Some((false, format!("the receiver kept its own {} (--skip)", amount(skipped, None)))),
        _ => Some((true, "but the receiver has files of these names, and kept its own (--skip)".to_owned())),
    }
}

/// What makes the other side look at these relays; nothing where it does so by itself. What made us may not be there: a variable, a configuration.
fn flags(relays: &[String]) -> String {
    if relays == [DEFAULT_RELAY] {
        return String::new();
    }
    relays.iter().map(|relay| format!(" --relay {}", word(relay))).collect()
}

/// A word as it is typed into a shell: brackets of an address are a pattern there.
fn word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_');
    if !text.is_empty() && text.chars().all(plain) { text.into() } else { format!("'{}'", text.replace('\'', r"'\''")).into() }
}

/// How a way is called in a sentence.
fn by(source: &str) -> &'static str {
    if source == Way::Direct.as_str() { "directly" } else { "through the relay" }
}

/// `3 files and folders, 1.2 MiB`.
fn pieces(count: u32, bytes: Option<u64>) -> String {
    let count = if count == 1 { "1 file or folder".to_owned() } else { format!("{count} files and folders") };
    bytes.map_or(count.clone(), |bytes| format!("{count}, {}", human(bytes)))
}

/// What is sent: a text, or files.
fn what(text: bool, files: u64, bytes: Option<u64>) -> String {
    if text { bytes.map_or_else(|| "a text".to_owned(), |bytes| format!("a text of {}", human(bytes))) } else { amount(files, bytes) }
}

/// `3 files, 1.2 MiB`.
fn amount(files: u64, bytes: Option<u64>) -> String {
    show::amount(Some(files), 0, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_beside_a_transfer_is_a_remark_to_people_and_what_it_comes_to_is_not() {
        let remark = |event: Carried| event.aside();
        let paused = Carried::paused("busy\u{1b}[2J", Duration::from_secs(7));
        assert_eq!(remark(paused), Some((false, "busy\\u{1b}[2J; asking again in 7 s".to_owned())));
        assert!(remark(Carried::astray("lost", Duration::from_secs(60))).is_some_and(|(odd, text)| odd && text.contains("for up to 60 s")));
        assert!(
            remark(Carried::Guessed { at: at(), receivers: 1, of: 3 })
                .is_some_and(|(odd, text)| odd && text.ends_with("with 1 of 3 receivers"))
        );
        assert_eq!(remark(Carried::Begun { at: at(), from: 1, source: "relay" }), None);
    }

    #[test]
    fn the_other_side_is_told_of_every_relay_that_it_does_not_look_at_by_itself() {
        let shown = |relays: &[&str]| flags(&relays.iter().map(|relay| (*relay).to_owned()).collect::<Vec<_>>());
        assert_eq!(shown(&[DEFAULT_RELAY]), "");
        assert_eq!(shown(&["relay.example:7420"]), " --relay relay.example:7420");
        assert_eq!(shown(&[DEFAULT_RELAY, "b:1"]), " --relay 127.0.0.1:7420 --relay b:1");
        assert_eq!(shown(&["[2001:db8::1]:7420"]), " --relay '[2001:db8::1]:7420'");
        assert_eq!((word("it's;x"), word("")), (r"'it'\''s;x'".into(), "''".into()));
    }
}
