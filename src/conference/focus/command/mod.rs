//! What shells ask: an INVITE to `sip:control@as` with no media, requests in INFO, replies in INFO the other way (RFC 6086).
//!
//! An INFO is answered 200 at once; what comes of it is sent when it is known: a person's answer may take longer than a
//! transaction lives.
//!
//! | file | what |
//! |---|---|
//! | `shell.rs` | shells' dialogs, and the replies in them |
//! | `define.rs` | what a conference is: create, lock, PIN, end; the store |
//! | `rights.rs` | who may do what: grant, revoke |
//! | `jobs.rs` | commands that wait for others: invite, mute and the like |
//! | `view.rs` | what replies say of conferences and participants |

mod define;
mod jobs;
mod rights;
mod shell;
mod view;

pub use self::view::{Facts, UnderWay};
pub(super) use self::{
    define::Saving,
    jobs::{Job, JobId, Outcome, Owner},
    shell::{Shell, control_answer},
};

use self::{define::Answer, shell::Reply};
use super::{
    Cx, Focus,
    conference::Change,
    moderate::{failure, volume},
};
use crate::{
    conference::{
        policy::Commander,
        roster::Who as Member,
        wire::control::{
            Body as Control, CONTENT_TYPE, Command, ControlError, Data, ErrorCode, Failure, INFO_PACKAGE, Request as ControlRequest,
        },
    },
    id::{ConferenceName, UserName},
    sip::{
        endpoint::{Call, Incoming, warning},
        message::Request,
    },
};

/// Requests of one shell that wait for their outcome. Another one is refused as a conflict.
const MAX_JOBS_PER_SHELL: usize = 64;

impl Focus {
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
                self.tell(cx, &Reply { dialog: call, id }, Err(failure(ErrorCode::Usage, text)));
            }
            Ok(_) => cx.endpoint.respond(cx.now, incoming, 400, vec![warning("the body holds no request")], None),
            Err(why) => cx.endpoint.respond(cx.now, incoming, 400, vec![warning(&why.to_string())], None),
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
        // Looked up anew: the account may have changed since the dialog was opened.
        let Some(admin) = cx.users.is_admin(&shell.user) else {
            return self.tell(cx, &reply, Err(failure(ErrorCode::Forbidden, "the account is gone".to_owned())));
        };
        if shell.jobs >= MAX_JOBS_PER_SHELL {
            return self.tell(cx, &reply, Err(failure(ErrorCode::Conflict, "too many commands are under way".to_owned())));
        }
        shell.jobs += 1;
        let user = shell.user.clone();
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
            (Command::Ticket { audience, action }, _) => Data::Ticket(Box::new(cx.users.ticket(cx.wall, user, audience, action)?)),
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
            (Command::Lock { on, .. }, Some(name)) => {
                return self.redefine(cx, reply, name, Answer::Conference, |record| record.locked = on).map(|()| None);
            }
            (Command::Pin { pin, .. }, Some(name)) => {
                let sealed = pin.map(|pin| self.seal_pin(name, &pin));
                return self.redefine(cx, reply, name, Answer::Conference, |record| record.pin = sealed).map(|()| None);
            }
            (Command::Role { who, role, .. }, Some(name)) => {
                let ids = self.find(name, &who)?;
                let changed = self.give_role(cx, name, &ids, role)?;
                self.participants(name, &changed)
            }
            (Command::Grant { who, right, on, .. }, Some(name)) => return self.grant(cx, reply, name, &who, &right, on),
            (_, None) => return Err(failure(ErrorCode::Usage, "the command names no conference".to_owned())),
        };
        Ok(Some(done))
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
