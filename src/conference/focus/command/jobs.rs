//! Commands that wait for others: for a person to answer, for a media server to respond.

use super::{
    super::{Cx, Focus, conference::Change, refer::status_of},
    shell::Reply,
};
use crate::{
    conference::{
        roster::Entry,
        wire::control::{CallState, Data, Failure, Invitee, Who},
    },
    id::{ConferenceName, ParticipantId},
    sip::endpoint::{Reason, Subscription},
};

/// A command that waits for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in super::super) struct JobId(u64);

/// What a command waits for, and what has come of it so far.
#[derive(Debug)]
pub(in super::super) struct Job {
    pub(in super::super) owner: Owner,
    pub(in super::super) waiting: usize,
    pub(in super::super) outcome: Outcome,
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Owner {
    /// A shell.
    Shell(Reply),
    /// Whoever sent a REFER; `None` when it wants to hear nothing.
    Refer { subscription: Option<Subscription> },
}

/// What has come of it.
#[derive(Debug)]
pub(in super::super) enum Outcome {
    /// Participants that were changed, or the first failure.
    Changed { conference: ConferenceName, ids: Vec<ParticipantId>, failure: Option<Failure> },
    /// Invitations.
    Invited(Vec<Invitee>),
}

impl Focus {
    pub(super) fn invite_all(&mut self, cx: &mut Cx<'_>, reply: &Reply, name: &ConferenceName, uris: &[String]) {
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

    pub(super) fn kick(&mut self, cx: &mut Cx<'_>, name: &ConferenceName, who: &Who, reason: Option<&str>) -> Result<Data, Failure> {
        let mut ids = self.find(name, who)?;
        self.add_further_dialogs(name, who, &mut ids);
        let mut gone = self.participants(name, &ids);
        if let Data::Participants { participants } = &mut gone {
            for participant in participants {
                participant.state = CallState::Disconnected;
                participant.talking = false;
            }
        }
        for id in ids {
            self.put_out(cx, name, id, &Reason::sip(200, reason.unwrap_or("removed from the conference")));
        }
        Ok(gone)
    }

    /// Who is put out by name goes with the dialogs without audio that it has beside.
    fn add_further_dialogs(&self, name: &ConferenceName, who: &Who, ids: &mut Vec<ParticipantId>) {
        let Some(conference) = self.conferences.get(name) else { return };
        let by_name = matches!(who, Who::One(text) if text.trim().parse::<ParticipantId>().is_err());
        let users: Vec<_> = ids.iter().filter_map(|id| conference.roster.get(*id)?.user()).collect();
        let theirs =
            |entry: &&Entry| by_name && !entry.audio && entry.user().is_some_and(|user| users.contains(&user)) && !ids.contains(&entry.id);
        let further: Vec<ParticipantId> = conference.roster.iter().filter(theirs).map(|entry| entry.id).collect();
        ids.extend(further);
    }

    pub(super) fn order(
        &mut self,
        cx: &mut Cx<'_>,
        reply: &Reply,
        name: &ConferenceName,
        who: &Who,
        change: Change,
    ) -> Result<Option<Data>, Failure> {
        let mut ids = self.find(name, who)?;
        if *who == Who::All {
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

    pub(in super::super) fn new_job(&mut self, job: Job) -> JobId {
        let id = JobId(self.fresh_id());
        self.jobs.insert(id, job);
        id
    }

    /// One participant was changed, or not.
    pub(in super::super) fn job_changed(&mut self, cx: &mut Cx<'_>, job: JobId, id: ParticipantId, outcome: Result<(), Failure>) {
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
    pub(in super::super) fn job_invited(&mut self, cx: &mut Cx<'_>, job: JobId, at: usize, outcome: Result<ParticipantId, Failure>) {
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
            Outcome::Changed { conference, mut ids, .. } => {
                ids.sort_unstable();
                Ok(self.participants(&conference, &ids))
            }
            Outcome::Invited(invited) => Ok(Data::Invited { invited }),
        };
        self.reply(cx, &reply, outcome);
    }
}
