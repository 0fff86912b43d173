//! What shells ask: an INVITE to `sip:control@as` with no media, requests in INFO, replies in INFO the other way (RFC 6086).
//!
//! An INFO is answered 200 at once; what comes of it is sent when it is known: a person's answer may take longer than a
//! transaction lives.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    Caller, Cx, Effect, Focus, MAX_SAVES, SaveId, StoreOperation, Stored, Use,
    conference::{Change, Conference, Mix},
    moderate::{failure, volume},
    refer::status_of,
};
use crate::{
    conference::{
        policy::Commander,
        roster::{Entry, Joining, Who as Member},
        wire::control::{
            self, Body as Control, CONTENT_TYPE, Command, ControlError, Create, Data, Details, ErrorCode, Failure, INFO_PACKAGE, Invitee,
            Participant, Pin, Reply as WireReply, Request as ControlRequest, Status, Summary,
        },
    },
    id::{ConferenceName, ParticipantId, UserName},
    sip::{
        endpoint::{Body, Call, Incoming, Reason, Subscription},
        message::{Method, Request},
    },
    store::ConferenceRecord,
};

/// Shells at once. Another one is answered 503.
const MAX_SHELLS: usize = 1000;
/// Requests of one shell that wait for their outcome. Another one is refused as a conflict.
const MAX_JOBS_PER_SHELL: usize = 64;
/// List members in one INFO: more go into further INFOs, so that a body stays below the 64 KiB of a datagram.
const ITEMS_PER_REPLY: usize = 40;
/// Parts of replies that wait for their turn in one dialog. A shell that does not take them is hung up on.
const MAX_QUEUE: usize = 256;

/// A shell's dialog.
#[derive(Debug)]
pub(super) struct Shell {
    user: UserName,
    admin: bool,
    /// Replies that wait until the one before is answered, so that they arrive in order.
    queue: VecDeque<Body>,
    sending: bool,
    jobs: usize,
}

/// A reply on its way: the shell and the request's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    dialog: Call,
    id: String,
}

/// A command that waits for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct JobId(u64);

/// What a command waits for, and what has come of it so far.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) owner: Owner,
    pub(super) waiting: usize,
    pub(super) outcome: Outcome,
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// A shell.
    Shell(Reply),
    /// Whoever sent a REFER; `None` when it wants to hear nothing.
    Refer { subscription: Option<Subscription> },
}

/// What has come of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Participants that were changed, or the first failure.
    Changed { conference: ConferenceName, ids: Vec<ParticipantId>, failure: Option<Failure> },
    /// Invitations.
    Invited(Vec<Invitee>),
}

/// What is done when the store has answered.
#[derive(Debug)]
pub(super) enum Saving {
    /// A new conference.
    Create { reply: Reply, record: Box<ConferenceRecord> },
    /// A changed definition.
    Replace { reply: Reply, record: Box<ConferenceRecord> },
    /// The end of one.
    End { reply: Reply, name: ConferenceName, reason: Reason },
    /// The end of one that was empty, or whose time was up: nobody waits.
    Quiet,
}

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

impl Focus {
    /// A shell opens its dialog.
    pub(super) fn open_control(&mut self, cx: &mut Cx<'_>, call: Call, request: &Request, caller: &Caller) {
        let Some(user) = caller.user.clone() else {
            return cx.endpoint.reject(
                cx.now,
                call,
                403,
                vec![("Warning".to_owned(), "399 confkit \"control needs an account\"".to_owned())],
            );
        };
        if self.shells.len() >= MAX_SHELLS {
            return cx.endpoint.reject(cx.now, call, 503, vec![("Retry-After".to_owned(), "5".to_owned())]);
        }
        let shell = Shell { user, admin: caller.admin, queue: VecDeque::new(), sending: false, jobs: 0 };
        self.shells.insert(call, shell);
        self.uses.insert(call, Use::Control);
        cx.endpoint.accept(cx.now, call, control_answer(request), Vec::new());
    }

    pub(super) fn on_control_ended(&mut self, call: Call) {
        self.shells.remove(&call);
    }

    /// An INFO of a shell.
    pub(super) fn on_control_info(&mut self, cx: &mut Cx<'_>, incoming: Incoming, call: Call, request: &Request) {
        if request.headers.get("Info-Package").is_some_and(|p| !p.trim().eq_ignore_ascii_case(INFO_PACKAGE)) {
            let recv = vec![("Recv-Info".to_owned(), INFO_PACKAGE.to_owned())];
            return cx.endpoint.respond(cx.now, incoming, 469, recv, None);
        }
        if request.content_type().as_deref() != Some(CONTENT_TYPE) {
            return cx.endpoint.respond(cx.now, incoming, 415, vec![("Accept".to_owned(), CONTENT_TYPE.to_owned())], None);
        }
        match Control::parse(&request.body) {
            Ok(Control::Request(asked)) => {
                cx.endpoint.respond(cx.now, incoming, 200, Vec::new(), None);
                self.on_command(cx, call, asked);
            }
            Err(ControlError::Refused { id, text }) => {
                cx.endpoint.respond(cx.now, incoming, 200, Vec::new(), None);
                self.reply(cx, &Reply { dialog: call, id }, Err(failure(ErrorCode::Usage, text)));
            }
            Ok(_) | Err(_) => cx.endpoint.respond(cx.now, incoming, 400, Vec::new(), None),
        }
    }

    /// An INFO of a participant: digits of old telephones are taken note of, packages that we did not announce are not.
    pub(super) fn on_participant_info(cx: &mut Cx<'_>, incoming: Incoming, request: &Request) {
        match request.headers.get("Info-Package") {
            Some(_) => cx.endpoint.respond(cx.now, incoming, 469, vec![("Recv-Info".to_owned(), String::new())], None),
            None => cx.endpoint.respond(cx.now, incoming, 200, Vec::new(), None),
        }
    }

    fn on_command(&mut self, cx: &mut Cx<'_>, dialog: Call, request: ControlRequest) {
        let Some(shell) = self.shells.get_mut(&dialog) else { return };
        let reply = Reply { dialog, id: request.id };
        if shell.jobs >= MAX_JOBS_PER_SHELL {
            return self.reply(cx, &reply, Err(failure(ErrorCode::Conflict, "too many commands are under way".to_owned())));
        }
        shell.jobs += 1;
        let (user, admin) = (shell.user.clone(), shell.admin);
        if let Some(outcome) = self.carry_out(cx, &reply, &user, admin, request.command).transpose() {
            self.reply(cx, &reply, outcome);
        }
    }

    /// Carries a command out. `None` when the reply comes later.
    fn carry_out(
        &mut self,
        cx: &mut Cx<'_>,
        reply: &Reply,
        user: &UserName,
        admin: bool,
        command: Command,
    ) -> Result<Option<Data>, Failure> {
        let name = conference_of(&command)?;
        if let Some(name) = &name {
            let Some(conference) = self.conferences.get(name) else {
                return Err(failure(ErrorCode::NotFound, format!("no conference {name}")));
            };
            let commander = Commander {
                user,
                admin,
                creator: conference.is_creator(user),
                chair: self.is_chair(name, user),
                member: conference.roster.iter().any(|e| e.who == Member::User(user.clone())),
            };
            commander.may(&command)?;
        }
        let name = name.as_ref();
        let done = match (command, name) {
            (Command::Create(create), _) => return self.create(cx, reply, user, create).map(|()| None),
            (Command::List, _) => Data::Conferences { conferences: self.conferences.values().map(|c| self.summary(c)).collect() },
            (Command::Status, _) => Data::Status(Box::new(self.status(cx))),
            (Command::Show { .. }, Some(name)) => self.details(name)?,
            (Command::End { reason, .. }, Some(name)) => return self.order_end(cx, reply, name, reason.as_deref()).map(|()| None),
            (Command::Invite { uris, .. }, Some(name)) => {
                self.invite_all(cx, reply, name, &uris);
                return Ok(None);
            }
            (Command::Kick { who, reason, .. }, Some(name)) => self.kick(cx, name, &who, reason.as_deref())?,
            (Command::Mute { who, on, .. }, Some(name)) => return self.order(cx, reply, name, &who, Change::Muted(on)),
            (Command::Deaf { who, on, .. }, Some(name)) => return self.order(cx, reply, name, &who, Change::Deaf(on)),
            (Command::Volume { who, direction, gain_db, .. }, Some(name)) => {
                return self.order(cx, reply, name, &who, volume(direction, gain_db));
            }
            (Command::Lock { on, .. }, Some(name)) => return self.redefine(cx, reply, name, |record| record.locked = on).map(|()| None),
            (Command::Pin { pin, .. }, Some(name)) => {
                let sealed = pin.map(|pin| self.seal_pin(name, &pin));
                return self.redefine(cx, reply, name, |record| record.pin = sealed).map(|()| None);
            }
            (Command::Role { who, role, .. }, Some(name)) => {
                let ids = self.find(name, &who)?;
                let changed = self.give_role(cx, name, &ids, role)?;
                self.participants(name, &changed)
            }
            (_, None) => return Err(failure(ErrorCode::Usage, "the command names no conference".to_owned())),
        };
        Ok(Some(done))
    }

    fn create(&mut self, cx: &mut Cx<'_>, reply: &Reply, user: &UserName, create: Create) -> Result<(), Failure> {
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
            creator: Some(user.clone()),
            created: cx.wall,
            revision: 1,
        };
        let operation = StoreOperation::Add(Box::new(record.clone()));
        self.save(operation, Saving::Create { reply: reply.clone(), record: Box::new(record) })
    }

    fn seal_pin(&self, name: &ConferenceName, pin: &Pin) -> Vec<u8> {
        pin.seal(&self.key, name).0
    }

    /// A change of the definition: stored first where the store holds it.
    fn redefine(
        &mut self,
        cx: &mut Cx<'_>,
        reply: &Reply,
        name: &ConferenceName,
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
            let data = self.details_without_roster(name);
            self.reply(cx, reply, data);
            self.publish_state(cx, name);
            return Ok(());
        }
        let operation = StoreOperation::Replace(Box::new(record.clone()));
        self.save(operation, Saving::Replace { reply: reply.clone(), record: Box::new(record) })?;
        if let Some(conference) = self.conferences.get_mut(name) {
            conference.saving = true;
        }
        Ok(())
    }

    fn order_end(&mut self, cx: &mut Cx<'_>, reply: &Reply, name: &ConferenceName, reason: Option<&str>) -> Result<(), Failure> {
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
    pub(super) fn delete_stored(&mut self, name: &ConferenceName) {
        // At the bound the record stays, and is found empty at the next start: late, not lost.
        let _ = self.save(StoreOperation::Delete(name.clone()), Saving::Quiet);
    }

    /// The store has answered.
    pub fn handle_stored(&mut self, cx: &mut Cx<'_>, save: SaveId, outcome: Stored) {
        match (self.saves.remove(&save), outcome) {
            (None | Some(Saving::Quiet), _) => {}
            (Some(Saving::Create { reply, mut record }), Stored::Done(revision)) => {
                record.revision = revision;
                let name = record.name.clone();
                tracing::info!(conference = %name, creator = ?record.creator, "created");
                if let Some(adhoc) = self.conferences.get_mut(&name) {
                    // Somebody dialled the name while it was being stored: the definition is the shell's.
                    adhoc.record = *record;
                    adhoc.stored = true;
                } else {
                    self.conferences.insert(name.clone(), Conference::new(*record, true));
                }
                self.schedule_end(cx, &name);
                if let Some(summary) = self.conferences.get(&name).map(|c| self.summary(c)) {
                    self.reply(cx, &reply, Ok(Data::Created(Box::new(summary))));
                }
            }
            (Some(Saving::Replace { reply, mut record }), Stored::Done(revision)) => {
                record.revision = revision;
                let name = record.name.clone();
                if let Some(conference) = self.conferences.get_mut(&name) {
                    conference.record = *record;
                    conference.saving = false;
                }
                let data = self.details_without_roster(&name);
                self.reply(cx, &reply, data);
                self.publish_state(cx, &name);
            }
            (Some(Saving::End { reply, name, reason }), Stored::Done(_)) => {
                self.end(cx, &name, &reason);
                self.reply(cx, &reply, Ok(Data::Done {}));
            }
            (Some(Saving::Create { reply, record }), Stored::Exists) => {
                self.reply(cx, &reply, Err(failure(ErrorCode::Conflict, format!("conference {} exists already", record.name))));
            }
            (Some(Saving::Create { reply, .. }), Stored::Failed(text)) => self.reply(cx, &reply, Err(failure(ErrorCode::Failed, text))),
            (Some(Saving::Replace { reply, record }), other) => self.not_saved(cx, &reply, &record.name, other),
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

    fn invite_all(&mut self, cx: &mut Cx<'_>, reply: &Reply, name: &ConferenceName, uris: &[String]) {
        let invited = uris.iter().map(|uri| Invitee { uri: uri.clone(), participant: None, failure: None }).collect();
        let job = self.new_job(Job { owner: Owner::Shell(reply.clone()), waiting: uris.len(), outcome: Outcome::Invited(invited) });
        if uris.is_empty() {
            return self.finish(cx, job);
        }
        for (at, uri) in uris.iter().enumerate() {
            match cx.users.locate(cx.now, uri) {
                Ok(callee) => self.dial_out(cx, name, callee, job, at),
                Err(failure) => self.job_invited(cx, job, at, Err(failure)),
            }
        }
    }

    fn kick(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, who: &control::Who, reason: Option<&str>) -> Result<Data, Failure> {
        let ids = self.find(name, who)?;
        let gone = self.participants(name, &ids);
        for id in ids {
            self.put_out(cx, name, id, &Reason::sip(200, reason.unwrap_or("removed from the conference")));
        }
        Ok(gone)
    }

    fn order(
        &mut self,
        cx: &mut Cx<'_>,
        reply: &Reply,
        name: &ConferenceName,
        who: &control::Who,
        change: Change,
    ) -> Result<Option<Data>, Failure> {
        let mut ids = self.find(name, who)?;
        if *who == control::Who::All {
            // Everybody who is in; who is on the way comes in as the conference then is.
            let present = |id: &ParticipantId| self.conferences.get(name).and_then(|c| c.roster.get(*id)).is_some_and(Entry::present);
            ids.retain(present);
        }
        let outcome = Outcome::Changed { conference: name.clone(), ids: Vec::new(), failure: None };
        let job = self.new_job(Job { owner: Owner::Shell(reply.clone()), waiting: ids.len(), outcome });
        if ids.is_empty() {
            self.finish(cx, job);
        }
        self.change(cx, name, &ids, change, job);
        Ok(None)
    }

    pub(super) fn new_job(&mut self, job: Job) -> JobId {
        let id = JobId(self.fresh_id());
        self.jobs.insert(id, job);
        id
    }

    /// One participant was changed, or not.
    pub(super) fn job_changed(&mut self, cx: &mut Cx<'_>, job: JobId, id: ParticipantId, outcome: Result<(), Failure>) {
        let Some(waiting) = self.jobs.get_mut(&job) else { return };
        if let Outcome::Changed { ids, failure, .. } = &mut waiting.outcome {
            match outcome {
                Ok(()) => ids.push(id),
                Err(why) => *failure = failure.take().or(Some(why)),
            }
        }
        self.count_down(cx, job);
    }

    /// One invitation was taken, or not.
    pub(super) fn job_invited(&mut self, cx: &mut Cx<'_>, job: JobId, at: usize, outcome: Result<ParticipantId, Failure>) {
        let Some(waiting) = self.jobs.get_mut(&job) else { return };
        if let Owner::Refer { subscription } = waiting.owner {
            let status = status_of(outcome.as_ref().map(|_| ()));
            self.jobs.remove(&job);
            return Self::sipfrag(cx, subscription, status, true);
        }
        if let Outcome::Invited(invited) = &mut waiting.outcome
            && let Some(invitee) = invited.get_mut(at)
        {
            match outcome {
                Ok(id) => invitee.participant = Some(id.to_string()),
                Err(why) => invitee.failure = Some(why),
            }
        }
        self.count_down(cx, job);
    }

    fn count_down(&mut self, cx: &mut Cx<'_>, job: JobId) {
        let Some(waiting) = self.jobs.get_mut(&job) else { return };
        waiting.waiting = waiting.waiting.saturating_sub(1);
        if waiting.waiting == 0 {
            self.finish(cx, job);
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_>, job: JobId) {
        let Some(Job { owner: Owner::Shell(reply), outcome, .. }) = self.jobs.remove(&job) else { return };
        let outcome = match outcome {
            Outcome::Changed { failure: Some(failure), .. } => Err(failure),
            Outcome::Changed { conference, ids, .. } => Ok(self.participants(&conference, &ids)),
            Outcome::Invited(invited) => Ok(Data::Invited { invited }),
        };
        self.reply(cx, &reply, outcome);
    }

    fn reply(&mut self, cx: &mut Cx<'_>, reply: &Reply, outcome: Result<Data, Failure>) {
        let Some(shell) = self.shells.get_mut(&reply.dialog) else { return };
        shell.jobs = shell.jobs.saturating_sub(1);
        let whole = WireReply { id: reply.id.clone(), more: false, outcome };
        for part in whole.split(ITEMS_PER_REPLY) {
            shell.queue.push_back(Body::new(CONTENT_TYPE, Control::Reply(part).to_xml()));
        }
        if shell.queue.len() > MAX_QUEUE {
            tracing::warn!(user = %shell.user, "shell does not take its replies");
            return cx.endpoint.bye(cx.now, reply.dialog, Some(Reason::sip(500, "replies are not taken")), Vec::new());
        }
        self.send_reply(cx, reply.dialog);
    }

    fn send_reply(&mut self, cx: &mut Cx<'_>, dialog: Call) {
        let Some(shell) = self.shells.get_mut(&dialog).filter(|s| !s.sending) else { return };
        let Some(body) = shell.queue.pop_front() else { return };
        let headers =
            vec![("Info-Package".to_owned(), INFO_PACKAGE.to_owned()), ("Content-Disposition".to_owned(), "Info-Package".to_owned())];
        if let Ok(outgoing) = cx.endpoint.request(cx.now, dialog, Method::Info, headers, Some(body)) {
            shell.sending = true;
            self.asked.insert(outgoing, super::Asked::Reply { dialog });
        }
    }

    /// A reply was answered: the next one.
    pub(super) fn on_reply_sent(&mut self, cx: &mut Cx<'_>, dialog: Call, status: u16) {
        if let Some(shell) = self.shells.get_mut(&dialog) {
            shell.sending = false;
            if status >= 300 {
                tracing::debug!(user = %shell.user, status, "shell refused a reply");
            }
            self.send_reply(cx, dialog);
        }
    }

    /// Puts the end of a conference that has one on the clock.
    pub(super) fn schedule_end(&mut self, cx: &Cx<'_>, name: &ConferenceName) {
        let Some(record) = self.conferences.get(name).map(|c| &c.record) else { return };
        if let Some(ttl) = record.ttl {
            let age = cx.wall.duration_since(record.created).unwrap_or_default();
            self.timers.set(super::Timer::Lifetime(name.clone()), cx.now + ttl.saturating_sub(age));
        }
    }

    pub(super) fn on_lifetime(&mut self, cx: &mut Cx<'_>, name: &ConferenceName) {
        if self.conferences.get(name).is_some_and(|c| c.stored) {
            self.delete_stored(name);
        }
        self.end(cx, name, &Reason::sip(200, "the conference's time is up"));
    }

    fn summary(&self, conference: &Conference) -> Summary {
        let record = &conference.record;
        let server = match conference.mix {
            Mix::Up { server, .. } => self.servers.get(server).map(|s| s.config.uri(None).to_string()),
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
            created: record.created.into(),
            ends: record.ttl.and_then(|ttl| record.created.checked_add(ttl)).map(Into::into),
            owner: record.creator.as_ref().map(ToString::to_string),
            media_server: server,
        }
    }

    fn details(&self, name: &ConferenceName) -> Result<Data, Failure> {
        let Some(conference) = self.conferences.get(name) else {
            return Err(failure(ErrorCode::NotFound, format!("no conference {name}")));
        };
        let roster = conference.roster.iter().map(participant).collect();
        Ok(Data::Conference(Box::new(Details { summary: self.summary(conference), roster })))
    }

    fn details_without_roster(&self, name: &ConferenceName) -> Result<Data, Failure> {
        let data = self.details(name)?;
        Ok(match data {
            Data::Conference(mut details) => {
                details.roster.clear();
                Data::Conference(details)
            }
            other => other,
        })
    }

    fn participants(&self, name: &ConferenceName, ids: &[ParticipantId]) -> Data {
        let roster = self.conferences.get(name).map(|c| &c.roster);
        let participants = roster.map(|r| ids.iter().filter_map(|id| r.get(*id)).map(participant).collect()).unwrap_or_default();
        Data::Participants { participants }
    }

    fn status(&self, cx: &Cx<'_>) -> Status {
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
                .map(|s| control::MediaServer {
                    uri: s.config.uri(None).to_string(),
                    reachable: s.known && s.away_since.is_none(),
                    legs: s.load.legs,
                    capacity: s.load.capacity,
                    load: s.load.load,
                })
                .collect(),
        }
    }
}

/// The conference that a command is about.
fn conference_of(command: &Command) -> Result<Option<ConferenceName>, Failure> {
    match command.conference() {
        Some(name) if !matches!(command, Command::Create(_)) => {
            name.parse().map(Some).map_err(|e: crate::id::IdError| failure(ErrorCode::Usage, e.to_string()))
        }
        _ => Ok(None),
    }
}

fn participant(entry: &Entry) -> Participant {
    Participant {
        id: entry.id.to_string(),
        uri: entry.uri.to_string(),
        name: Some(entry.name()),
        user: match &entry.who {
            Member::User(user) => Some(user.to_string()),
            Member::Guest(_) => None,
        },
        role: entry.role,
        state: entry.state,
        dialed_out: entry.joining == Joining::DialedOut,
        joined: entry.joined.map(Into::into),
        muted: entry.muted,
        deaf: entry.deaf,
        talking: entry.talking,
        gain_in_db: entry.gain_in_db,
        gain_out_db: entry.gain_out_db,
        codec: entry.codec.clone(),
        agent: entry.agent.clone(),
    }
}

/// The answer to the offer of a control dialog: no media; a line that is offered nevertheless is refused in its place.
pub(super) fn control_answer(request: &Request) -> Option<Body> {
    let offer = super::mix::sdp_of(request.headers.get("Content-Type"), &request.body);
    if offer.is_empty() {
        return Some(Body::sdp(Bytes::from_static(b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n")));
    }
    super::leave::refuse_all(&offer)
}
