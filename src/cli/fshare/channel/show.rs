//! What is shown while a channel carries files.

use serde::Serialize;

use crate::{
    channel::wire::letter::Way,
    cli::{
        Failure,
        fshare::{
            bar::{Bars, Files},
            show::{self, Received, at, human},
        },
        output::{Output, Page, Report, Text},
    },
    clock,
    conference::wire::Timestamp,
    transfer::Estimator,
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

impl Report for Carried {
    fn page(&self, page: &mut Page) {
        match self {
            Self::Code { code, files, bytes, qr, text, .. } => {
                page.line([Text::from(format!("{} to send; on the other side:", what(*text, *files, *bytes)))]);
                page.line([Text::from("  fshare recv "), Text::strong(code)]);
                page.lines(qr.as_deref().unwrap_or_default())
            }
            Self::Offering { to, bytes, count, .. } => page.line([Text::from(format!("offering to {to}: {}", pieces(*count, *bytes)))]),
            Self::Waiting { user, from, .. } => {
                let whom = from.as_ref().map_or_else(|| "anybody's".to_owned(), |from| format!("{from}'s"));
                page.line([Text::from(format!("signed in as {user}, waiting for {whom} files"))])
            }
            Self::Invited { from, count, bytes, kind, .. } => {
                let what = if kind == "text" { "a text".to_owned() } else { pieces(*count, *bytes) };
                page.line([Text::strong(from), Text::from(format!(" offers {what}"))])
            }
            Self::Identity { known: true, compare: false, .. } | Self::Begun { from: 0, .. } | Self::Progress { .. } => page,
            Self::Identity { contact, known, words, own_words, .. } => {
                if !known {
                    page.line([Text::from(format!("{contact} is new here"))]);
                }
                page.line([Text::from("  its words: "), Text::strong(words)]);
                page.line([Text::from("  our words: "), Text::strong(own_words)])
            }
            Self::Offered { files, bytes, names, .. } => {
                let what = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
                let more = if names.len() > 3 { ", …" } else { "" };
                page.line([Text::strong(format!("{what}{more}")), Text::from(format!(": {}", amount(*files, *bytes)))])
            }
            Self::Receiver { receiver, of, state, reason, .. } => {
                let why = reason.as_deref().unwrap_or_default();
                let how = match state {
                    ReceiverState::Joined => match of.saturating_sub(*receiver) {
                        0 => "has joined and is deciding".to_owned(),
                        more => format!("has joined and is deciding; waiting for {more} more"),
                    },
                    ReceiverState::Broken => format!("lost, reconnecting: {why}"),
                    ReceiverState::Back => "is back and gets the rest".to_owned(),
                    ReceiverState::Done => "has everything, verified".to_owned(),
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
            Self::Sent { bytes, saved, files, seconds, source, text, .. } => {
                let wire = saved.map_or_else(String::new, |wire| format!(", {} on the wire,", human(wire)));
                let what = what(*text, *files, Some(*bytes));
                page.line([Text::from(format!("sent and verified, {what}{wire} in {seconds:.1} s {}", by(source)))])
            }
            Self::Text { text, .. } => page.lines(text),
            Self::Received { bytes, files, seconds, source, .. } => {
                let whole = amount(files.len() as u64, Some(*bytes));
                page.line([Text::from(format!("received and verified, {whole} in {seconds:.1} s {}", by(source)))]);
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

/// How a way is called in a sentence.
fn by(source: &str) -> &'static str {
    if source == Way::Direct.as_str() { "directly" } else { "by relay" }
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

/// The bar of a transfer.
pub struct Bar {
    bars: Bars,
    what: String,
    total: Option<u64>,
    source: &'static str,
    estimator: Estimator,
}

impl Bar {
    /// A bar that begins at a byte.
    pub fn new(output: &Output, what: &str, from: u64, total: Option<u64>, way: Way) -> Self {
        let bars = Bars::new(output, what, total, Files::default());
        Self { bars, what: what.to_owned(), total, source: way.as_str(), estimator: Estimator::new(clock::now(), from) }
    }

    /// So many bytes have moved.
    pub fn show(&mut self, output: &Output, bytes: u64, limited: bool) -> Result<(), Failure> {
        let now = clock::now();
        self.estimator.update(now, bytes);
        let by = if limited { format!("{}, limited by the receiver", self.source) } else { self.source.to_owned() };
        self.bars.draw(output, &format!("{} ({by})", self.what), bytes, self.total);
        if !output.is_json() || bytes == 0 || !self.bars.is_due(now) {
            return Ok(());
        }
        let (rate, total, source) = (self.estimator.rate() as u64, self.total, self.source);
        let eta = self.estimator.eta(total).map(|eta| eta.as_secs());
        output.event(&Carried::Progress { at: at(), bytes, total, rate, eta, source, limited })
    }
}
