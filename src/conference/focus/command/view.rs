//! What replies say of conferences, participants and the server.

use std::collections::BTreeMap;

use super::{
    super::{
        Asked, Cx, Focus,
        conference::{Conference, Mix},
    },
    failure,
};
use crate::{
    conference::{
        roster::{Entry, Joining, Who},
        wire::control::{Data, Details, ErrorCode, Failure, Given, MAX_GIVEN_TOLD, MediaServer, Participant, Preset, Status, Summary},
    },
    id::{ConferenceName, ParticipantId},
};

/// Numbers for metrics and status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Conferences.
    pub conferences: usize,
    /// Participants in a mix.
    pub participants: usize,
    /// Subscriptions of the conference event package.
    pub watchers: usize,
    /// No new calls are taken.
    pub draining: bool,
}

/// What the focus has in hand, for whoever wants to know that nothing is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnderWay {
    /// Participants, legs, control legs and shells: dialogs that it knows the use of.
    pub dialogs: usize,
    /// Requests without a final response.
    pub requests: usize,
    /// MSCML requests without a response.
    pub mscml: usize,
    /// Commands that wait for others.
    pub jobs: usize,
    /// Store operations without an answer.
    pub saves: usize,
    /// Subscriptions.
    pub watches: usize,
    /// Deadlines, those of pings and of conferences' ends aside.
    pub deadlines: usize,
}

impl UnderWay {
    /// True when it has nothing.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl Focus {
    /// What there is in hand.
    pub fn under_way(&self) -> UnderWay {
        UnderWay {
            dialogs: self.uses.len().max(self.shells.len()),
            requests: self.asked.values().filter(|asked| !matches!(asked, Asked::Ping { .. })).count(),
            mscml: self.conferences.values().map(|c| c.asked.len()).sum(),
            jobs: self.jobs.len(),
            saves: self.saves.len(),
            watches: self.watches.len(),
            deadlines: self.timers.of_calls(),
        }
    }

    pub(super) fn summary(&self, conference: &Conference) -> Summary {
        let record = &conference.record;
        let server = match conference.mix {
            Mix::Up { server, .. } => self.servers.get(server).map(|s| s.at.uri(None).to_string()),
            Mix::Down | Mix::Opening { .. } => None,
        };
        Summary {
            name: record.name.to_string(),
            title: Some(record.title.clone()).filter(|t| !t.is_empty()),
            uri: self.config.uri(record.name.as_str()).to_string(),
            participants: u32::try_from(conference.roster.iter().filter(|e| e.present()).count()).unwrap_or(u32::MAX),
            max: record.max_participants,
            locked: record.locked,
            pin: record.pin.is_some(),
            guests: record.guests.unwrap_or(self.config.guests),
            rights: self.presets(&record.name),
            created: record.created.into(),
            ends: record.ttl.and_then(|ttl| record.created.checked_add(ttl)).map(Into::into),
            owner: record.creator.as_ref().map(ToString::to_string),
            media_server: server,
        }
    }

    /// Who has which right in a conference without a grant.
    fn presets(&self, name: &ConferenceName) -> BTreeMap<String, Preset> {
        let Some(companion) = self.companion() else { return BTreeMap::new() };
        companion.rights().iter().map(|right| ((*right).to_owned(), companion.preset(name, right))).collect()
    }

    /// Who was given which right, or had it taken: accounts, there or not, and guests who are there.
    fn given(&self, conference: &Conference) -> Vec<Given> {
        let Some(companion) = self.companion() else { return Vec::new() };
        let rights = conference.rights();
        let accounts = rights.all_given().map(|(right, user, on)| Given { right: right.to_owned(), who: user.to_string(), on });
        let guests = companion.given_guests(&conference.record.name).into_iter();
        let guests = guests.map(|(right, id, on)| Given { right: right.to_owned(), who: id.to_string(), on });
        accounts.chain(guests).take(MAX_GIVEN_TOLD).collect()
    }

    /// Everybody in a conference, those on their way included.
    pub fn roster(&self, name: &ConferenceName) -> Vec<Participant> {
        self.conferences.get(name).map(|c| c.roster.iter().map(participant).collect()).unwrap_or_default()
    }

    pub(super) fn details(&self, name: &ConferenceName) -> Result<Data, Failure> {
        let Some(conference) = self.conferences.get(name) else {
            return Err(failure(ErrorCode::NotFound, format!("no conference {name}")));
        };
        let roster = conference.roster.iter().map(participant).collect();
        let given = self.given(conference);
        Ok(Data::Conference(Box::new(Details { summary: self.summary(conference), given, roster })))
    }

    pub(super) fn details_without_roster(&self, name: &ConferenceName) -> Result<Data, Failure> {
        let data = self.details(name)?;
        Ok(match data {
            Data::Conference(mut details) => {
                details.roster.clear();
                Data::Conference(details)
            }
            other => other,
        })
    }

    pub(super) fn participants(&self, name: &ConferenceName, ids: &[ParticipantId]) -> Data {
        let roster = self.conferences.get(name).map(|c| &c.roster);
        let participants = roster.map(|r| ids.iter().filter_map(|id| r.get(*id)).map(participant).collect()).unwrap_or_default();
        Data::Participants { participants }
    }

    pub(super) fn status(&self, cx: &Cx<'_>) -> Status {
        let facts = self.facts();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Status {
            version: self.config.version.clone(),
            uptime_seconds: cx.users.uptime(cx.now).as_secs(),
            roles: self.config.roles.clone(),
            draining: self.draining,
            conferences: count(facts.conferences),
            participants: count(facts.participants),
            contacts: count(cx.users.contacts()),
            media_servers: self
                .media_servers()
                .map(|s| MediaServer {
                    uri: s.at.uri(None).to_string(),
                    reachable: s.known && s.away_since.is_none(),
                    legs: s.load.legs,
                    capacity: s.load.capacity,
                    load: s.load.load,
                })
                .collect(),
        }
    }
}

fn participant(entry: &Entry) -> Participant {
    Participant {
        id: entry.id.to_string(),
        uri: entry.uri.to_string(),
        name: Some(entry.name()),
        user: match &entry.who {
            Who::User(user) => Some(user.to_string()),
            Who::Guest(_) => None,
        },
        role: entry.role,
        state: entry.state,
        dialed_out: entry.joining == Joining::DialedOut,
        joined: entry.joined.map(Into::into),
        audio: entry.audio,
        muted: entry.muted,
        deaf: entry.deaf,
        talking: entry.talking,
        gain_in_db: entry.gain_in_db,
        gain_out_db: entry.gain_out_db,
        codec: entry.codec.clone(),
        agent: entry.agent.clone(),
    }
}
