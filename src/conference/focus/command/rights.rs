//! Who may do what in a conference: `grant` and `revoke`. What accounts are given is part of the definition, which the store keeps; what guests
//! are given goes with them.

use super::{
    super::{Cx, Focus, conference::Conference},
    define::Answer,
    failure,
    shell::Reply,
};
use crate::{
    conference::{
        roster::Unclear,
        wire::control::{Data, ErrorCode, Failure, Who},
    },
    id::{ConferenceName, ParticipantId, UserName},
};

/// Whom a grant is for.
#[derive(Debug, Default)]
struct Holders {
    /// Accounts, there or not.
    users: Vec<UserName>,
    /// Participants without one.
    guests: Vec<ParticipantId>,
    /// All that are there.
    present: Vec<ParticipantId>,
}

impl Focus {
    /// Whether anybody looks after a right.
    pub(super) fn known_right(&self, right: &str) -> Result<(), Failure> {
        let known = self.companion.as_ref().map_or(&[][..], |companion| companion.rights());
        if known.contains(&right) {
            return Ok(());
        }
        let there = if known.is_empty() { "this server has none".to_owned() } else { format!("there are {}", known.join(" and ")) };
        Err(failure(ErrorCode::Usage, format!("there is no right \"{}\"; {there}", right.escape_default())))
    }

    /// Gives a right, or takes it. `None` when the reply comes later.
    pub(super) fn grant(
        &mut self,
        cx: &mut Cx<'_>,
        reply: &Reply,
        name: &ConferenceName,
        who: &Who,
        right: &str,
        on: bool,
    ) -> Result<Option<Data>, Failure> {
        self.known_right(right)?;
        let Holders { users, guests, present } = self.holders(cx, name, who)?;
        if users.is_empty() {
            self.give_guests(cx, name, &guests, right, on);
            return Ok(Some(self.participants(name, &present)));
        }
        let Some(mut rights) = self.conferences.get(name).map(Conference::rights) else {
            return Err(failure(ErrorCode::NotFound, format!("no conference {name}")));
        };
        for user in users {
            rights.give(right, user, on).map_err(|why| failure(ErrorCode::Conflict, why.to_string()))?;
        }
        self.redefine(cx, reply, name, Answer::Participants(present), |record| record.rights = rights.to_string())?;
        self.give_guests(cx, name, &guests, right, on);
        Ok(None)
    }

    /// Whom `who` means: an account with all its dialogs, there or not, or somebody without one.
    fn holders(&self, cx: &Cx<'_>, name: &ConferenceName, who: &Who) -> Result<Holders, Failure> {
        let mut holders = Holders::default();
        let Some(conference) = self.conferences.get(name) else {
            return Err(failure(ErrorCode::NotFound, format!("no conference {name}")));
        };
        let account = |text: &str| text.trim().parse::<UserName>().ok().filter(|user| cx.users.is_admin(user).is_some());
        match who {
            Who::All => holders.present = conference.roster.iter().map(|entry| entry.id).collect(),
            Who::One(text) => match (conference.roster.find(text), account(text)) {
                (Ok(id), _) => holders.present = vec![id],
                (Err(Unclear::Nobody(_) | Unclear::Several { .. }), Some(user)) => holders.users = vec![user],
                (Err(_), None) => holders.present = self.find(name, who)?,
            },
        }
        for entry in holders.present.iter().filter_map(|id| conference.roster.get(*id)) {
            match entry.user() {
                Some(user) => holders.users.push(user.clone()),
                None => holders.guests.push(entry.id),
            }
        }
        holders.users.sort_unstable();
        holders.users.dedup();
        // A right is an account's: all its dialogs have it.
        let theirs = |entry: &&crate::conference::roster::Entry| entry.user().is_some_and(|user| holders.users.contains(user));
        holders.present = conference.roster.iter().filter(|e| theirs(e) || holders.guests.contains(&e.id)).map(|e| e.id).collect();
        Ok(holders)
    }
}
