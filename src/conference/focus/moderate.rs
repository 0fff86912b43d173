//! Mute, deaf, volume, role: changes of participants, asked of the media server where it mixes them.

use super::{
    Cx, Focus, JobId,
    conference::{Change, Stage},
};
use crate::{
    conference::{
        roster::{Entry, Role},
        wire::control::{ErrorCode, Failure, VolumeDirection, Who},
    },
    id::{ConferenceName, ParticipantId},
};

impl Focus {
    /// Those whom `who` means.
    pub(super) fn find(&self, name: &ConferenceName, who: &Who) -> Result<Vec<ParticipantId>, Failure> {
        let Some(conference) = self.conferences.get(name) else {
            return Err(failure(ErrorCode::NotFound, format!("no conference {name}")));
        };
        match who {
            Who::All => Ok(conference.roster.iter().map(|e| e.id).collect()),
            Who::One(who) => conference.roster.find(who).map(|id| vec![id]).map_err(|unclear| match unclear {
                crate::conference::roster::Unclear::Nobody(_) => failure(ErrorCode::NotFound, format!("{unclear} in {name}")),
                crate::conference::roster::Unclear::Several { ref candidates, .. } => {
                    Failure { code: ErrorCode::Usage, text: unclear.to_string(), candidates: candidates.clone() }
                }
            }),
        }
    }

    /// Changes the place in the mix of each of `ids`; the job is told when the media server has said so for all. Who is so
    /// already is left as it is, and so is who rings or has to show a PIN. Who is just coming in is changed once in.
    pub(super) fn change(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, ids: &[ParticipantId], change: Change, job: JobId) {
        for id in ids {
            let conference = self.conferences.get_mut(name);
            // What is so already is not what was asked for last.
            let asked = conference.as_ref().is_some_and(|c| c.is_changing(*id));
            let (Some(member), Some(entry)) = conference.map_or((None, None), |c| (c.members.get_mut(id), c.roster.get(*id))) else {
                self.job_changed(cx, job, *id, Err(failure(ErrorCode::NotFound, format!("{id} has left"))));
                continue;
            };
            let same = !asked
                && match change {
                    Change::Muted(on) => entry.muted == on,
                    Change::Deaf(on) => entry.deaf == on,
                    Change::GainIn(db) => entry.gain_in_db == db,
                    Change::GainOut(db) => entry.gain_out_db == db,
                };
            if member.takes_later() && !(same && member.later.is_empty()) {
                member.later.push((change, job));
            } else if same {
                self.job_changed(cx, job, *id, Ok(()));
            } else if member.stage != Stage::In {
                let text = format!("{id} is not in the conference yet");
                self.job_changed(cx, job, *id, Err(failure(ErrorCode::Conflict, text)));
            } else if !self.ask_change(cx, name, *id, change, job) {
                let text = "the media server cannot be asked".to_owned();
                self.job_changed(cx, job, *id, Err(failure(ErrorCode::Unreachable, text)));
            }
        }
    }

    /// What the media server said to a change.
    pub(super) fn on_changed(
        &mut self,
        cx: &mut Cx<'_>,
        name: &ConferenceName,
        id: ParticipantId,
        change: Change,
        job: JobId,
        outcome: Result<(), String>,
    ) {
        let outcome = match (outcome, self.conferences.get_mut(name).and_then(|c| c.roster.get_mut(id))) {
            (Err(text), _) => Err(failure(ErrorCode::Failed, text)),
            (Ok(()), None) => Err(failure(ErrorCode::NotFound, format!("{id} has left"))),
            (Ok(()), Some(entry)) => {
                match change {
                    Change::Muted(on) => {
                        entry.muted = on;
                        entry.talking &= !on;
                    }
                    Change::Deaf(on) => entry.deaf = on,
                    Change::GainIn(db) => entry.gain_in_db = db,
                    Change::GainOut(db) => entry.gain_out_db = db,
                }
                Ok(())
            }
        };
        if outcome.is_ok() {
            self.publish_user(cx, name, id);
        }
        self.job_changed(cx, job, id, outcome);
    }

    /// Gives a role. There is one chair: the one before becomes a member.
    pub(super) fn give_role(
        &mut self,
        cx: &mut Cx<'_>,
        name: &ConferenceName,
        ids: &[ParticipantId],
        role: Role,
    ) -> Result<Vec<ParticipantId>, Failure> {
        let Some(conference) = self.conferences.get_mut(name) else {
            return Err(failure(ErrorCode::NotFound, format!("no conference {name}")));
        };
        if role == Role::Chair && ids.len() > 1 {
            return Err(failure(ErrorCode::Usage, "a conference has one chair".to_owned()));
        }
        let mut changed = Vec::new();
        let before: Vec<ParticipantId> =
            conference.roster.iter().filter(|e| e.role == Role::Chair && role == Role::Chair).map(|e| e.id).collect();
        let without = |id: ParticipantId| (id, conference.roster.get(id).map_or(Role::Guest, Entry::plain_role));
        let roles: Vec<_> =
            before.into_iter().filter(|id| !ids.contains(id)).map(without).chain(ids.iter().map(|id| (*id, role))).collect();
        for (id, role) in roles {
            if let Some(entry) = conference.roster.get_mut(id)
                && entry.role != role
            {
                entry.role = role;
                changed.push(id);
            }
        }
        let given = conference.given_chair.filter(|chair| !ids.contains(chair));
        conference.given_chair = if role == Role::Chair { ids.first().copied() } else { given };
        changed.sort_unstable();
        self.publish_users(cx, name, &changed);
        Ok(changed)
    }
}

/// The change that `volume` asks for.
pub(super) fn volume(direction: VolumeDirection, gain_db: i8) -> Change {
    match direction {
        VolumeDirection::In => Change::GainIn(gain_db),
        VolumeDirection::Out => Change::GainOut(gain_db),
    }
}

pub(super) fn failure(code: ErrorCode, text: String) -> Failure {
    Failure { code, text, candidates: Vec::new() }
}
