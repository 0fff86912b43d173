//! What a shell asks.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Pin, Preset};
use crate::account::Audience;

/// A command with the id that its reply will carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Made by the shell, unique in its dialog.
    pub id: String,
    /// What to do.
    pub command: Command,
}

/// What a shell can ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make a conference. Reply: [`Data::Created`].
    Create(Create),
    /// All conferences that the caller may see. Reply: [`Data::Conferences`].
    List,
    /// One conference with its participants. Reply: [`Data::Conference`].
    Show {
        /// Conference.
        conference: String,
    },
    /// End a conference: everybody gets BYE. Reply: [`Data::Done`].
    End {
        /// Conference.
        conference: String,
        /// Text for the Reason header.
        reason: Option<String>,
    },
    /// Call people into a conference. The reply comes when each has answered, refused or not been reached:
    /// [`Data::Invited`].
    Invite {
        /// Conference.
        conference: String,
        /// Whom to call: URIs, or users of this server.
        uris: Vec<String>,
    },
    /// Put somebody out. Reply: [`Data::Participants`] with those who left.
    Kick {
        /// Conference.
        conference: String,
        /// Whom.
        who: Who,
        /// Text for the Reason header.
        reason: Option<String>,
    },
    /// Stop or let the conference hear somebody. Reply: [`Data::Participants`] with those changed.
    Mute {
        /// Conference.
        conference: String,
        /// Whom.
        who: Who,
        /// True mutes, false unmutes.
        on: bool,
    },
    /// Stop or let somebody hear the conference. Reply: [`Data::Participants`] with those changed.
    Deaf {
        /// Conference.
        conference: String,
        /// Whom.
        who: Who,
        /// True deafens, false undeafens.
        on: bool,
    },
    /// Make somebody louder or softer. Reply: [`Data::Participants`] with those changed.
    Volume {
        /// Conference.
        conference: String,
        /// Whom.
        who: Who,
        /// Which way.
        direction: VolumeDirection,
        /// Gain in dB, −[`MAX_GAIN_DB`] to [`MAX_GAIN_DB`]; 0 changes nothing.
        gain_db: i8,
    },
    /// Close or open the conference to newcomers. Reply: [`Data::Conference`] without participants.
    Lock {
        /// Conference.
        conference: String,
        /// True locks, false unlocks.
        on: bool,
    },
    /// Set or clear the PIN. Reply: [`Data::Conference`] without participants.
    Pin {
        /// Conference.
        conference: String,
        /// The new PIN; `None` clears it.
        pin: Option<Pin>,
    },
    /// Give somebody a role. Reply: [`Data::Participants`] with those changed.
    Role {
        /// Conference.
        conference: String,
        /// Whom.
        who: Who,
        /// The role.
        role: Role,
    },
    /// Give participants a right, or take it from them: what rights there are is known to whoever stands beside the focus. Reply:
    /// [`Data::Participants`] with those named.
    Grant {
        /// Conference.
        conference: String,
        /// Whom.
        who: Who,
        /// The right, such as `share`.
        right: String,
        /// True gives it, false takes it.
        on: bool,
    },
    /// How the server does. Reply: [`Data::Status`].
    Status,
    /// A ticket of the caller's own, to be let in on by another role. Reply: [`Data::Ticket`].
    Ticket {
        /// Which role.
        audience: Audience,
        /// The one action that it is wanted for; none: whatever the caller may do there.
        action: Option<String>,
    },
}

/// Largest gain either way, in dB. Larger ones are refused when read.
pub const MAX_GAIN_DB: i8 = 40;

/// The facts of a new conference. What is `None` is taken from the server's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Create {
    /// Name: the user part of the conference's URI.
    pub name: String,
    /// Title for people.
    pub title: Option<String>,
    /// PIN that callers must show.
    pub pin: Option<Pin>,
    /// Whether callers without an account may come in.
    pub guests: Option<bool>,
    /// Most participants.
    pub max: Option<u32>,
    /// Seconds after which the conference ends.
    pub ttl_seconds: Option<u64>,
    /// Who has which right without a grant; of those that are not named, as the configuration says.
    pub rights: BTreeMap<String, Preset>,
    /// Codecs by their SDP names, in order of preference. Read, checked for names that we know, and without effect: codecs are the media
    /// server's settings. No program of ours says any.
    pub codecs: Vec<String>,
}

/// Who is meant: in `WHO` a user, a participant id or a URI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// Everybody.
    All,
    /// One, by user, participant id or URI. What fits several is an error that lists them.
    One(String),
}

/// Which way a volume works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeDirection {
    /// How loud the others hear this participant.
    #[default]
    In,
    /// How loud this participant hears the others.
    Out,
}

/// A participant's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May control the conference.
    Chair,
    /// Has an account.
    Member,
    /// Was let in without one.
    Guest,
}

impl Command {
    /// The command's element name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::List => "list",
            Self::Show { .. } => "show",
            Self::End { .. } => "end",
            Self::Invite { .. } => "invite",
            Self::Kick { .. } => "kick",
            Self::Mute { .. } => "mute",
            Self::Deaf { .. } => "deaf",
            Self::Volume { .. } => "volume",
            Self::Lock { .. } => "lock",
            Self::Pin { .. } => "pin",
            Self::Role { .. } => "role",
            Self::Grant { .. } => "grant",
            Self::Status => "status",
            Self::Ticket { .. } => "ticket",
        }
    }

    /// The conference that the command is about.
    pub fn conference(&self) -> Option<&str> {
        match self {
            Self::Create(create) => Some(&create.name),
            Self::Show { conference }
            | Self::End { conference, .. }
            | Self::Invite { conference, .. }
            | Self::Kick { conference, .. }
            | Self::Mute { conference, .. }
            | Self::Deaf { conference, .. }
            | Self::Volume { conference, .. }
            | Self::Lock { conference, .. }
            | Self::Pin { conference, .. }
            | Self::Role { conference, .. }
            | Self::Grant { conference, .. } => Some(conference),
            Self::List | Self::Status | Self::Ticket { .. } => None,
        }
    }
}

words!(Role { Chair = "chair", Member = "member", Guest = "guest" });
words!(VolumeDirection { In = "in", Out = "out" });
