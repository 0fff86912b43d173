//! What is said to a terminal in the background over its socket: a request on a line, a reply on a line, both JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::cli::{
    ExitCode, Failure,
    actor::Stands,
    fshare::show::human,
    output::{Page, Report, Table, Text},
};

/// Longest line, in bytes. A longer one ends the connection.
pub const MAX_LINE: u64 = 256 * 1024;

/// What a terminal is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Request {
    /// Call a conference of its server, or a URI.
    Call {
        /// Whom: a conference's name, or a URI.
        to: String,
        /// The PIN to enter with.
        pin: Option<String>,
    },
    /// Answer the call that rings.
    Answer,
    /// End its call.
    Hangup,
    /// Share files in its call.
    Share {
        /// Files and folders.
        paths: Vec<PathBuf>,
        /// By INFO, not by re-INVITE.
        info: bool,
        /// Who may receive; empty: everybody with the right.
        to: Vec<String>,
        /// The reply comes when all is at the server, not when the conference has taken it.
        #[serde(default)]
        wait: bool,
    },
    /// Have all of a share.
    Get {
        /// Its name, or that of a file in it.
        file: String,
        /// Where to put it; otherwise where all goes.
        folder: Option<PathBuf>,
    },
    /// End a share, or leave it.
    Unshare {
        /// Its name, or that of a file in it.
        file: String,
    },
    /// Press keys.
    Dtmf {
        /// Which.
        keys: String,
    },
    /// Say nothing, or speak again.
    Mute {
        /// Say nothing.
        on: bool,
    },
    /// Send an instant message.
    Message {
        /// To whom: a user, or a URI.
        to: String,
        /// What.
        text: String,
    },
    /// Say how it stands.
    Status,
    /// End everything. The connection is closed when it has.
    Stop,
}

impl Request {
    /// Whoever asks waits for a transfer, however long it takes.
    pub fn waits(&self) -> bool {
        matches!(self, Self::Get { .. } | Self::Share { wait: true, .. })
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// It is done.
    Done,
    /// The conference has taken a share: its name.
    Shared(String),
    /// How it stands.
    Stands(Box<Standing>),
    /// It is not done.
    Failed {
        /// The exit code.
        code: u8,
        /// What happened.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// How a terminal stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Who it is.
    pub address: String,
    /// Its process.
    pub pid: u32,
    /// It is in a call.
    pub in_call: bool,
    /// It was called last, or has called.
    pub peer: Option<String>,
    /// It says nothing.
    pub muted: bool,
    /// RTP packets received, over all its calls.
    pub packets_received: u64,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets lost on the way to it.
    pub packets_lost: i64,
    /// How loud it is what it hears; null for silence.
    pub level_dbfs: Option<f64>,
    /// Shares of its call.
    pub shares: Vec<ShareStanding>,
    /// What happened to it last.
    pub happened: Vec<Happened>,
}

/// How a share stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareStanding {
    /// Its name in the conference.
    pub share: String,
    /// The last that happened to it: `offered`, `declined`, `shared`, `uploaded`, `finished`, `received`, `broken`, `failed`.
    pub state: String,
    /// Bytes that were moved, where it is shared or received.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Of how many, where that is known.
    #[serde(default)]
    pub total: Option<u64>,
}

impl From<Stands> for ShareStanding {
    fn from(Stands { share, state, moved }: Stands) -> Self {
        let (bytes, total) = moved.map_or((None, None), |(bytes, total)| (Some(bytes), total));
        Self { share: share.to_string(), state: state.to_owned(), bytes, total }
    }
}

impl ShareStanding {
    /// The state, and how far it is.
    fn told(&self) -> String {
        match (self.bytes, self.total) {
            (Some(bytes), Some(total)) => format!("{}, {} of {}", self.state, human(bytes), human(total)),
            (Some(bytes), None) => format!("{}, {}", self.state, human(bytes)),
            (None, _) => self.state.clone(),
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// When, as RFC 3339 writes it.
    pub at: String,
    /// What: a word.
    pub what: String,
    /// More about it.
    pub text: String,
}

/// Names and states of all terminals, as `ua list` prints them.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Terminals, by name.
    pub terminals: Vec<Standing>,
}

/// What `ua NAME share` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Taken {
    /// The share's name in the conference.
    pub share: String,
}

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Self {
        let Failure { code, message, hint, .. } = failure;
        Self::Failed { code: code.number(), message, hint }
    }
}

impl Reply {
    /// The failure, if it is one.
    ///
    /// # Errors
    /// It is one.
    pub fn done(self) -> Result<Self, Failure> {
        match self {
            Self::Failed { code, message, hint } => {
                let code = ExitCode::ALL.into_iter().find(|known| known.number() == code).unwrap_or(ExitCode::Failed);
                Err(Failure { hint, ..Failure::new(code, message) })
            }
            other => Ok(other),
        }
    }
}

impl Standing {
    fn state(&self) -> String {
        match (self.in_call, &self.peer) {
            (true, Some(peer)) => format!("in a call: {peer}"),
            (true, None) => "in a call".to_owned(),
            (false, _) => "idle".to_owned(),
        }
    }
}

impl Report for Standing {
    fn page(&self, page: &mut Page) {
        page.field("terminal", [Text::strong(&self.name)]).field("address", [&self.address]).field("process", [self.pid.to_string()]);
        page.field("state", [format!("{}{}", self.state(), if self.muted { ", muted" } else { "" })]);
        page.field("packets", [format!("{} received, {} sent, {} lost", self.packets_received, self.packets_sent, self.packets_lost)]);
        page.field("hears", [self.level_dbfs.map_or_else(|| "silence".to_owned(), |level| format!("{level:.1} dBFS"))]);
        for share in &self.shares {
            page.field(&share.share, [share.told()]);
        }
        if let Some(last) = self.happened.last() {
            page.field("last", [format!("{} {} {}", last.at, last.what, last.text).trim_end().to_owned()]);
        }
    }
}

impl Report for Listed {
    fn page(&self, page: &mut Page) {
        let mut table = Table::new(["NAME", "ADDRESS", "STATE"]);
        for terminal in &self.terminals {
            table.row([Text::strong(&terminal.name), Text::from(&terminal.address), Text::from(terminal.state())]);
        }
        page.table(table);
    }
}

impl Report for Taken {
    fn page(&self, page: &mut Page) {
        page.line([Text::strong(&self.share)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies_are_read_as_they_were_written() {
        let requests = [
            Request::Call { to: "standup".into(), pin: None },
            Request::Share { paths: vec!["/tmp/x".into()], info: true, to: vec!["bob".into()], wait: true },
            Request::Stop,
        ];
        for request in requests {
            let line = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request, "{line}");
        }
        let failure = Failure::new(ExitCode::NotFound, "bob is in no call").hint("call first");
        let line = serde_json::to_string(&Reply::from(failure.clone())).unwrap();
        assert_eq!(serde_json::from_str::<Reply>(&line).unwrap().done(), Err(failure), "{line}");
        assert_eq!(serde_json::from_str::<Reply>("\"done\"").unwrap().done(), Ok(Reply::Done));
        assert!(serde_json::from_str::<Request>("{\"do\":\"explode\"}").is_err());
    }
}
