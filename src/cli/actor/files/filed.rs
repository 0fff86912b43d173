//! What happens to the files of a terminal, as it is told.

use std::path::PathBuf;

use crate::fileshare::ShareId;

/// What happened to the files of a terminal.
#[derive(Debug, Clone, PartialEq)]
pub enum Filed {
    /// Somebody shares.
    Offered { share: ShareId, from: String, names: Vec<String> },
    /// The terminal does not want it.
    Declined { share: ShareId },
    /// The conference has taken its share.
    Shared { share: ShareId },
    /// The conference has not.
    NotShared { why: String },
    /// All of its share is at the server.
    Uploaded { share: ShareId, bytes: u64 },
    /// All who were asked have finished.
    Finished { share: ShareId, members: Vec<(String, String)> },
    /// All of a share is here, verified.
    Received { share: ShareId, files: Vec<Here>, seconds: f64 },
    /// A connection broke, and is made again.
    Broken { share: ShareId, why: String },
    /// A transfer failed, or was ended.
    Failed { share: ShareId, why: String },
    /// Another terminal has what this one sent through a channel.
    Sent { to: String, bytes: u64 },
    /// What another terminal sent through a channel is here, verified.
    Taken { from: String, files: Vec<Here>, seconds: f64 },
}

/// A file that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// Its name in the share.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl Filed {
    /// The word for it, and what more is to be said of it.
    pub fn told(&self) -> (&'static str, String) {
        match self {
            Self::Offered { share, names, .. } => ("offered", format!("{share}: {}", names.join(", "))),
            Self::Declined { share } => ("declined", share.to_string()),
            Self::Shared { share } => ("shared", share.to_string()),
            Self::NotShared { why } => ("not-shared", why.clone()),
            Self::Uploaded { share, bytes } => ("uploaded", format!("{share}: {bytes} bytes")),
            Self::Finished { share, members } => {
                let members = members.iter().map(|(who, state)| format!("{who} {state}")).collect::<Vec<_>>().join(", ");
                ("finished", format!("{share}: {members}"))
            }
            Self::Received { share, files, .. } => ("received", format!("{share}: {}", names(files))),
            Self::Taken { from, files, .. } => ("received", format!("{from}: {}", names(files))),
            Self::Sent { to, bytes } => ("sent", format!("{to}: {bytes} bytes")),
            Self::Broken { share, why } => ("broken", format!("{share}: {why}")),
            Self::Failed { share, why } => ("failed", format!("{share}: {why}")),
        }
    }

    /// The share that it is about.
    pub fn share(&self) -> Option<ShareId> {
        match self {
            Self::NotShared { .. } | Self::Sent { .. } | Self::Taken { .. } => None,
            Self::Offered { share, .. }
            | Self::Declined { share }
            | Self::Shared { share }
            | Self::Uploaded { share, .. }
            | Self::Finished { share, .. }
            | Self::Received { share, .. }
            | Self::Broken { share, .. }
            | Self::Failed { share, .. } => Some(*share),
        }
    }

    /// The file of this name, where it came with this.
    pub fn received(&self, name: &str) -> Option<(&Here, f64)> {
        match self {
            Self::Received { files, seconds, .. } | Self::Taken { files, seconds, .. } => {
                files.iter().find(|file| is_named(&file.name, name)).map(|file| (file, *seconds))
            }
            _ => None,
        }
    }
}

fn names(files: &[Here]) -> String {
    files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Whether a name in a share is meant by a name in a scenario: all of it, or its last part.
pub fn is_named(name: &str, meant: &str) -> bool {
    name == meant || name.rsplit('/').next() == Some(meant)
}
