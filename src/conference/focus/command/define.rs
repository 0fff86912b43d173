//! What a conference is: create, lock, PIN, end. The store has it first, the shell its reply afterwards.

use super::{
    super::{Cx, Effect, Focus, MAX_SAVES, SaveId, StoreOperation, Stored, Timer, conference::Conference},
    failure,
    shell::Reply,
};
use crate::{
    account::{Pin, Rights},
    conference::wire::control::{Create, Data, ErrorCode, Failure},
    id::{ConferenceName, ParticipantId, UserName},
    sip::endpoint::Reason,
    store::ConferenceRecord,
};

/// What is done when the store has answered.
#[derive(Debug)]
pub(in super::super) enum Saving {
    /// A new conference.
    Create { reply: Reply, record: Box<ConferenceRecord> },
    /// A changed definition.
    Replace { reply: Reply, answer: Answer, record: Box<ConferenceRecord> },
    /// The end of one.
    End { reply: Reply, name: ConferenceName, reason: Reason },
    /// The end of one that was empty, or whose time was up: nobody waits.
    Quiet { name: ConferenceName },
}

/// What a shell is told of a changed definition.
#[derive(Debug)]
pub(in super::super) enum Answer {
    /// The conference, without its participants.
    Conference,
    /// Those whom the change was about.
    Participants(Vec<ParticipantId>),
}

impl Focus {
    pub(super) fn create(&mut self, cx: &mut Cx<'_>, reply: &Reply, user: &UserName, create: Create) -> Result<(), Failure> {
        let name: ConferenceName = create.name.parse().map_err(|e: crate::id::IdError| failure(ErrorCode::Usage, e.to_string()))?;
        if self.conferences.contains_key(&name) {
            return Err(failure(ErrorCode::Conflict, format!("conference {name} exists already")));
        }
        if self.conferences.len() >= self.config.max_conferences {
            return Err(failure(
                ErrorCode::Conflict,
                format!("there are {} conferences already, the most allowed", self.conferences.len()),
            ));
        }
        if self.draining {
            return Err(failure(ErrorCode::Unreachable, "the server is stopping".to_owned()));
        }
        if let Some(codec) = create.codecs.iter().find(|c| !["PCMU", "PCMA"].iter().any(|known| known.eq_ignore_ascii_case(c))) {
            return Err(failure(ErrorCode::Usage, format!("codec {codec} is not known; there are PCMU and PCMA")));
        }
        let mut rights = Rights::default();
        for (right, preset) in &create.rights {
            self.known_right(right)?;
            rights.set_preset(right, *preset).map_err(|why| failure(ErrorCode::Usage, why.to_string()))?;
        }
        let pin = create.pin.map(|pin| self.seal_pin(&name, &pin));
        let record = ConferenceRecord {
            name,
            title: create.title.unwrap_or_default(),
            pin,
            guests: create.guests,
            max_participants: create.max,
            ttl: create.ttl_seconds.map(std::time::Duration::from_secs),
            ends_with_chair: false,
            ends_when_empty: false,
            locked: false,
            rights: rights.to_string(),
            creator: Some(user.clone()),
            created: cx.wall,
            revision: 1,
        };
        let operation = StoreOperation::Add(Box::new(record.clone()));
        self.save(operation, Saving::Create { reply: reply.clone(), record: Box::new(record) })
    }

    pub(super) fn seal_pin(&self, name: &ConferenceName, pin: &Pin) -> Vec<u8> {
        pin.seal(&self.key, name).0
    }

    /// A change of the definition: stored first where the store holds it.
    pub(super) fn redefine(
        &mut self,
        cx: &mut Cx<'_>,
        reply: &Reply,
        name: &ConferenceName,
        answer: Answer,
        change: impl FnOnce(&mut ConferenceRecord),
    ) -> Result<(), Failure> {
        let Some(conference) = self.conferences.get_mut(name) else {
            return Err(failure(ErrorCode::NotFound, format!("no conference {name}")));
        };
        if conference.saving {
            return Err(failure(ErrorCode::Conflict, format!("{name} is being changed by somebody else; try again")));
        }
        let mut record = conference.record.clone();
        change(&mut record);
        if !conference.stored {
            conference.record = record;
            self.redefined(cx, reply, &answer, name);
            return Ok(());
        }
        let operation = StoreOperation::Replace(Box::new(record.clone()));
        self.save(operation, Saving::Replace { reply: reply.clone(), answer, record: Box::new(record) })?;
        if let Some(conference) = self.conferences.get_mut(name) {
            conference.saving = true;
        }
        Ok(())
    }

    /// A definition is another now.
    fn redefined(&mut self, cx: &mut Cx<'_>, reply: &Reply, answer: &Answer, name: &ConferenceName) {
        self.show_rights(cx, name);
        let data = match answer {
            Answer::Conference => self.details_without_roster(name),
            Answer::Participants(ids) => Ok(self.participants(name, ids)),
        };
        self.reply(cx, reply, data);
        self.publish_state(cx, name);
    }

    pub(super) fn order_end(&mut self, cx: &mut Cx<'_>, reply: &Reply, name: &ConferenceName, reason: Option<&str>) -> Result<(), Failure> {
        let reason = Reason::sip(200, reason.unwrap_or("conference ended"));
        let Some(conference) = self.conferences.get_mut(name) else {
            return Err(failure(ErrorCode::NotFound, format!("no conference {name}")));
        };
        if !conference.stored {
            self.end(cx, name, &reason);
            self.reply(cx, reply, Ok(Data::Done {}));
            return Ok(());
        }
        if conference.saving {
            return Err(failure(ErrorCode::Conflict, format!("{name} is being changed by somebody else; try again")));
        }
        self.save(StoreOperation::Delete(name.clone()), Saving::End { reply: reply.clone(), name: name.clone(), reason })?;
        if let Some(conference) = self.conferences.get_mut(name) {
            conference.saving = true;
        }
        Ok(())
    }

    fn save(&mut self, operation: StoreOperation, saving: Saving) -> Result<(), Failure> {
        if self.saves.len() >= MAX_SAVES {
            return Err(failure(ErrorCode::Conflict, "the store is busy; try again".to_owned()));
        }
        let save = SaveId(self.fresh_id());
        self.saves.insert(save, saving);
        self.effects.push_back(Effect::Store { save, operation });
        Ok(())
    }

    /// A stored conference ends without anybody's command.
    pub(in super::super) fn delete_stored(&mut self, name: &ConferenceName) {
        // At the bound the record stays, and is found empty at the next start: late, not lost.
        if let Err(failure) = self.save(StoreOperation::Delete(name.clone()), Saving::Quiet { name: name.clone() }) {
            tracing::error!(conference = %name, why = failure.text, "the definition of an ended conference stays in the store");
        }
    }

    /// The store has answered.
    pub fn handle_stored(&mut self, cx: &mut Cx<'_>, save: SaveId, outcome: Stored) {
        match (self.saves.remove(&save), outcome) {
            (None, _) | (Some(Saving::Quiet { .. }), Stored::Done(_)) => {}
            (Some(Saving::Quiet { name }), other) => {
                tracing::error!(conference = %name, why = ?other, "the definition of an ended conference stays in the store");
            }
            (Some(Saving::Create { reply, mut record }), Stored::Done(revision)) => {
                record.revision = revision;
                let name = record.name.clone();
                tracing::info!(conference = %name, creator = record.creator.as_ref().map(tracing::field::display), "created");
                if let Some(adhoc) = self.conferences.get_mut(&name) {
                    // Somebody dialled the name while it was being stored: the definition is the shell's.
                    adhoc.record = *record;
                    adhoc.stored = true;
                } else {
                    self.conferences.insert(name.clone(), Conference::new(*record, true));
                }
                self.show_rights(cx, &name);
                self.schedule_end(cx, &name);
                self.publish_state(cx, &name);
                if let Some(summary) = self.conferences.get(&name).map(|c| self.summary(c)) {
                    self.reply(cx, &reply, Ok(Data::Created(Box::new(summary))));
                }
            }
            (Some(Saving::Replace { reply, answer, mut record }), Stored::Done(revision)) => {
                record.revision = revision;
                let name = record.name.clone();
                if let Some(conference) = self.conferences.get_mut(&name) {
                    conference.record = *record;
                    conference.saving = false;
                }
                self.redefined(cx, &reply, &answer, &name);
            }
            (Some(Saving::End { reply, name, reason }), Stored::Done(_)) => {
                self.end(cx, &name, &reason);
                self.reply(cx, &reply, Ok(Data::Done {}));
            }
            (Some(Saving::Create { reply, record }), Stored::Exists) => {
                self.reply(cx, &reply, Err(failure(ErrorCode::Conflict, format!("conference {} exists already", record.name))));
            }
            (Some(Saving::Create { reply, .. }), Stored::Failed(text)) => self.reply(cx, &reply, Err(failure(ErrorCode::Failed, text))),
            (Some(Saving::Replace { reply, record, .. }), other) => self.not_saved(cx, &reply, &record.name, other),
            (Some(Saving::End { reply, name, .. }), other) => self.not_saved(cx, &reply, &name, other),
        }
    }

    fn not_saved(&mut self, cx: &mut Cx<'_>, reply: &Reply, name: &ConferenceName, outcome: Stored) {
        if let Some(conference) = self.conferences.get_mut(name) {
            conference.saving = false;
        }
        let text = match outcome {
            Stored::Failed(text) => text,
            Stored::Done(_) | Stored::Exists => format!("{name} was changed by somebody else; try again"),
        };
        self.reply(cx, reply, Err(failure(ErrorCode::Failed, text)));
    }

    /// Puts the end of a conference that has one on the clock.
    pub(in super::super) fn schedule_end(&mut self, cx: &Cx<'_>, name: &ConferenceName) {
        let Some(record) = self.conferences.get(name).map(|c| &c.record) else { return };
        if let Some(ttl) = record.ttl {
            let age = cx.wall.duration_since(record.created).unwrap_or_default();
            self.timers.set_after(Timer::Lifetime(name.clone()), cx.now, ttl.saturating_sub(age));
        }
    }

    pub(in super::super) fn on_lifetime(&mut self, cx: &mut Cx<'_>, name: &ConferenceName) {
        if self.conferences.get(name).is_some_and(|c| c.stored) {
            self.delete_stored(name);
        }
        self.end(cx, name, &Reason::sip(200, "the conference's time is up"));
    }
}
