//! What the server answers: in one part, or in several where a list is long.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Preset, Role};
use crate::{
    account::{Audience, SignedTicket},
    conference::wire::Timestamp,
};

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The request's id.
    pub id: String,
    /// True when another INFO with more of the same list follows; see [`Reply::join`].
    pub more: bool,
    /// What came of it.
    pub outcome: Result<Data, Failure>,
}

/// What a command that was carried out has to say. Serialises as what `confctl --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Data {
    /// Nothing more than that it is done.
    Done {},
    /// The new conference.
    Created(Box<Summary>),
    /// Conferences.
    Conferences {
        /// By name.
        conferences: Vec<Summary>,
    },
    /// One conference.
    Conference(Box<Details>),
    /// What became of each invitation, in the order of the request.
    Invited {
        /// One for each URI.
        invited: Vec<Invitee>,
    },
    /// The participants that a command changed, as they now are.
    Participants {
        /// By id.
        participants: Vec<Participant>,
    },
    /// How the server does.
    Status(Box<Status>),
    /// A ticket.
    Ticket(Box<Issued>),
}

/// A ticket that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issued {
    /// The ticket: whoever has it is the caller, at that role.
    pub ticket: SignedTicket,
    /// Which role it is for.
    pub audience: Audience,
    /// When it ends.
    pub expires: Timestamp,
}

/// One conference in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Name: the user part of the URI.
    pub name: String,
    /// Title for people.
    pub title: Option<String>,
    /// Where to call.
    pub uri: String,
    /// Participants now in it.
    pub participants: u32,
    /// Most participants.
    pub max: Option<u32>,
    /// Closed to newcomers.
    pub locked: bool,
    /// Asks for a PIN.
    pub pin: bool,
    /// Lets callers without an account in.
    pub guests: bool,
    /// Who has which right without a grant, for each right that there is.
    pub rights: BTreeMap<String, Preset>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends by itself.
    pub ends: Option<Timestamp>,
    /// The account that made it.
    pub owner: Option<String>,
    /// The media server that mixes it; `None` before anybody came.
    pub media_server: Option<String>,
}

/// One conference with its participants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Details {
    /// The conference.
    #[serde(flatten)]
    pub summary: Summary,
    /// Who was given a right, or had it taken, there or not: this goes before the preset. At most [`MAX_GIVEN_TOLD`], all in the first part.
    pub given: Vec<Given>,
    /// Participants by id; in a long reply, those of this part.
    pub roster: Vec<Participant>,
}

/// A right that somebody was given, or had taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Given {
    /// The right.
    pub right: String,
    /// The account; of somebody without one, the participant's id.
    pub who: String,
    /// Given; else taken.
    pub on: bool,
}

/// One participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Participant {
    /// Id, unique in the conference, never used again.
    pub id: String,
    /// Address.
    pub uri: String,
    /// Name shown to people, as the caller gave it: not yet safe for a terminal.
    pub name: Option<String>,
    /// Account; `None` for guests and strangers.
    pub user: Option<String>,
    /// Role.
    pub role: Role,
    /// Where the call stands.
    pub state: CallState,
    /// True when the conference called, false when the participant did.
    pub dialed_out: bool,
    /// When the participant came in.
    pub joined: Option<Timestamp>,
    /// False for a dialog without audio, such as one that only shares files: it does not count.
    pub audio: bool,
    /// The conference does not hear this participant.
    pub muted: bool,
    /// This participant does not hear the conference.
    pub deaf: bool,
    /// Speaking now.
    pub talking: bool,
    /// Gain in dB on what the participant says.
    pub gain_in_db: i8,
    /// Gain in dB on what the participant hears.
    pub gain_out_db: i8,
    /// Codec by its SDP name.
    pub codec: Option<String>,
    /// User-Agent of the participant's terminal, as it gave it.
    pub agent: Option<String>,
}

/// Where a participant's call stands: the words of RFC 4575 §5.7.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallState {
    /// Expected, not called yet.
    Pending,
    /// Being called.
    DialingOut,
    /// Ringing.
    Alerting,
    /// Calling in, not yet admitted.
    DialingIn,
    /// In the conference.
    Connected,
    /// In the conference, holding.
    OnHold,
    /// Being put out.
    Disconnecting,
    /// Gone.
    Disconnected,
}

/// What became of one invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invitee {
    /// Whom the request named.
    pub uri: String,
    /// The participant, when the call was answered.
    pub participant: Option<String>,
    /// Why it was not.
    #[serde(flatten)]
    pub failure: Option<Failure>,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// The kind: decides the shell's exit code.
    pub code: ErrorCode,
    /// For people; lower case, fit for "failed to …".
    pub text: String,
    /// What an ambiguous `WHO` fits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}

/// The kinds of failure: the exit table of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// For a reason not below (exit 1).
    Failed,
    /// The request was malformed or out of range (exit 2).
    Usage,
    /// Not authenticated or not permitted (exit 3).
    Forbidden,
    /// No such conference, participant or user (exit 4).
    NotFound,
    /// Exists already, locked, full (exit 5).
    Conflict,
    /// The other side declined or hung up (exit 6).
    Declined,
    /// Unreachable or timed out (exit 7).
    Unreachable,
}

/// How the server does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Seconds since its start.
    pub uptime_seconds: u64,
    /// Roles that run in this process.
    pub roles: Vec<String>,
    /// No new calls are taken.
    pub draining: bool,
    /// Conferences.
    pub conferences: u32,
    /// Participants over all conferences.
    pub participants: u32,
    /// Registered contacts.
    pub contacts: u32,
    /// Media servers known to the AS.
    pub media_servers: Vec<MediaServer>,
}

/// A media server as the AS sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MediaServer {
    /// URI.
    pub uri: String,
    /// It answers.
    pub reachable: bool,
    /// Legs in use.
    pub legs: u32,
    /// Most legs.
    pub capacity: u32,
    /// Load of its busiest media thread, in thousandths of a core.
    pub load: u32,
}

impl Reply {
    /// A reply that the command was carried out.
    pub fn ok(id: impl Into<String>, data: Data) -> Self {
        Self { id: id.into(), more: false, outcome: Ok(data) }
    }

    /// A reply that it was not.
    pub fn failed(id: impl Into<String>, failure: Failure) -> Self {
        Self { id: id.into(), more: false, outcome: Err(failure) }
    }

    /// Cuts a reply into parts of at most `items` list members each, all but the last with [`Reply::more`]; what has no
    /// list, or a short one, stays one part. `items` of 0 counts as 1.
    pub fn split(self, items: usize) -> Vec<Self> {
        let items = items.max(1);
        let (id, more) = (self.id, self.more);
        let parts: Vec<Data> = match self.outcome {
            Err(failure) => return vec![Self { id, more, outcome: Err(failure) }],
            Ok(Data::Conferences { conferences }) => {
                chunks(conferences, items).map(|conferences| Data::Conferences { conferences }).collect()
            }
            Ok(Data::Participants { participants }) => {
                chunks(participants, items).map(|participants| Data::Participants { participants }).collect()
            }
            Ok(Data::Invited { invited }) => chunks(invited, items).map(|invited| Data::Invited { invited }).collect(),
            Ok(Data::Conference(details)) => {
                let (summary, given) = (details.summary, details.given);
                chunks(details.roster, items)
                    .enumerate()
                    .map(|(at, roster)| {
                        let given = if at == 0 { given.clone() } else { Vec::new() };
                        Data::Conference(Box::new(Details { summary: summary.clone(), given, roster }))
                    })
                    .collect()
            }
            Ok(data @ (Data::Done {} | Data::Created(_) | Data::Status(_) | Data::Ticket(_))) => vec![data],
        };
        let last = parts.len().saturating_sub(1);
        parts.into_iter().enumerate().map(|(at, data)| Self { id: id.clone(), more: more || at < last, outcome: Ok(data) }).collect()
    }

    /// Adds the next part of the same reply. A failure replaces what came before it; a part of another kind is ignored.
    pub fn join(&mut self, next: Self) {
        self.more = next.more;
        match (&mut self.outcome, next.outcome) {
            (outcome, Err(failure)) => *outcome = Err(failure),
            (Ok(Data::Conferences { conferences }), Ok(Data::Conferences { conferences: more })) => conferences.extend(more),
            (Ok(Data::Participants { participants }), Ok(Data::Participants { participants: more })) => participants.extend(more),
            (Ok(Data::Invited { invited }), Ok(Data::Invited { invited: more })) => invited.extend(more),
            (Ok(Data::Conference(details)), Ok(Data::Conference(more))) => details.roster.extend(more.roster),
            (Ok(_) | Err(_), Ok(_)) => {}
        }
    }
}

/// At least one chunk, so that an empty list is still answered.
fn chunks<T>(list: Vec<T>, size: usize) -> impl Iterator<Item = Vec<T>> {
    let (mut list, mut first) = (list.into_iter().peekable(), true);
    std::iter::from_fn(move || {
        let some = std::mem::take(&mut first) || list.peek().is_some();
        some.then(|| list.by_ref().take(size).collect())
    })
}

impl Failure {
    /// A failure without candidates.
    pub fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), candidates: Vec::new() }
    }
}

words!(CallState {
    Pending = "pending",
    DialingOut = "dialing-out",
    Alerting = "alerting",
    DialingIn = "dialing-in",
    Connected = "connected",
    OnHold = "on-hold",
    Disconnecting = "disconnecting",
    Disconnected = "disconnected",
});
words!(ErrorCode {
    Failed = "failed",
    Usage = "usage",
    Forbidden = "forbidden",
    NotFound = "not-found",
    Conflict = "conflict",
    Declined = "declined",
    Unreachable = "unreachable",
});
