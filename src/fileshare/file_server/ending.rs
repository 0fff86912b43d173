//! How members come to their connections and lose them, how they leave, how a data conference ends, and what becomes due.

use std::time::Instant;

use super::{
    admission::MemberId,
    node::{Due, FileServer},
    plane::DataPlane,
};
use crate::{
    fileshare::{
        ConfId,
        wire::{
            Failure, FailureCode,
            control::{MemberState, Message, Status},
            proof::Role,
        },
    },
    sip::endpoint::{Call, Ending, Reason},
};

/// The share is over, for this reason.
pub(super) fn ended(why: &str) -> Failure {
    Failure::new(FailureCode::Ended, why)
}

impl<P: DataPlane> FileServer<P> {
    /// Whether a dialog is that of a sharer whose upload is complete: its connections are of no consequence any more.
    pub(super) fn has_uploaded(&self, call: Call) -> bool {
        let Some(session) = self.sessions.get(&call).filter(|session| session.role == Role::Upload) else { return false };
        self.shares.get(&session.conf).is_some_and(|share| share.complete.is_some())
    }

    pub(super) fn on_connected(&mut self, conf: &ConfId, member: MemberId) {
        let Some(call) = self.by_member.get(&member).copied() else { return };
        let complete = self.has_uploaded(call);
        if let Some(session) = self.sessions.get_mut(&call)
            && !complete
            && !session.is_over()
        {
            session.state = MemberState::Transferring;
            session.failure = None;
        }
        if let Some(share) = self.shares.get_mut(conf) {
            share.connected.insert(call);
        }
        self.deadlines.set(&Due::Window(call), None);
        self.deadlines.set(&Due::Idle(conf.clone()), None);
    }

    pub(super) fn on_broken(&mut self, now: Instant, conf: &ConfId, member: MemberId, why: Option<&Failure>) {
        let Some(call) = self.by_member.get(&member).copied() else { return };
        if let Some(share) = self.shares.get_mut(conf) {
            share.connected.remove(&call);
        }
        self.watch_idle(now, conf);
        let complete = self.has_uploaded(call);
        let Some(session) = self.sessions.get_mut(&call) else { return };
        if complete || session.is_over() {
            return;
        }
        session.state = MemberState::Broken;
        session.failure = why.cloned();
        let receives = session.role == Role::Download;
        self.deadlines.set(&Due::Window(call), Some(now + self.config.resume_window));
        // Whoever receives may have it in another dialog by now: the application server knows.
        if why.is_some() || receives {
            self.report(now, call);
        }
    }

    pub(super) fn on_uploaded(&mut self, now: Instant, conf: &ConfId, bytes: u64) {
        let Some(share) = self.shares.get_mut(conf) else { return };
        share.complete = Some(bytes);
        let sharer = share.sharer;
        self.deadlines.set(&Due::Window(sharer), None);
        if let Some(session) = self.sessions.get_mut(&sharer) {
            session.state = MemberState::Complete;
        }
        self.tell(now, sharer, Message::UploadComplete { bytes });
        self.release_if_finished(conf);
    }

    pub(super) fn on_received(&mut self, now: Instant, conf: &ConfId, member: MemberId, bytes: u64) {
        let Some(call) = self.by_member.get(&member).copied() else { return };
        self.deadlines.set(&Due::Window(call), None);
        if let Some(session) = self.sessions.get_mut(&call) {
            session.state = MemberState::Complete;
            session.bytes = Some(bytes);
            session.failure = None;
        }
        self.watch_idle(now, conf);
        self.release_if_finished(conf);
    }

    /// A member's terminal said on its connection that it gives up.
    pub(super) fn on_gave_up(&mut self, now: Instant, conf: &ConfId, member: MemberId, why: Failure) {
        let Some(call) = self.by_member.get(&member).copied() else { return };
        match self.sessions.get(&call).map(|session| session.role) {
            Some(Role::Upload) if self.shares.get(conf).is_some_and(|share| share.complete.is_none()) => self.fail_share(now, conf, &why),
            Some(Role::Download) => {
                self.tell(now, call, Message::DownloadError(why.clone()));
                self.finish_member(now, call, MemberState::Failed, Some(why));
            }
            Some(Role::Upload) | None => {}
        }
    }

    /// A member is done, in one way or the other: it is struck from the list, and its connection closed. Its dialog stays.
    pub(super) fn finish_member(&mut self, now: Instant, call: Call, state: MemberState, why: Option<Failure>) {
        let Some(session) = self.sessions.get_mut(&call) else { return };
        let (conf, member) = (session.conf.clone(), session.member);
        let bytes = self.plane.received(&conf, member);
        session.bytes.get_or_insert(bytes);
        (session.state, session.failure) = (state, why.clone());
        self.deadlines.set(&Due::Window(call), None);
        if let Some(share) = self.shares.get_mut(&conf) {
            share.connected.remove(&call);
            self.plane.strike(&conf, member, &why.unwrap_or_else(|| ended("this member has finished")));
        }
        self.watch_idle(now, &conf);
        self.release_if_finished(&conf);
    }

    /// The port-0 re-INVITE: the sharer ends the share, another member its part in it. The dialog stays until its BYE.
    pub(super) fn leave(&mut self, now: Instant, call: Call) {
        let Some(session) = self.sessions.get(&call) else { return };
        match session.role {
            Role::Upload => {
                let conf = session.conf.clone();
                self.end_share(now, &conf, &ended("the sharer has ended the share"));
            }
            Role::Download => self.finish_member(now, call, MemberState::Left, Some(ended("this member has left the share"))),
        }
    }

    /// A dialog is over: the sharer's takes the data conference with it, another one leaves it. Where it is the application server that stops, or
    /// is gone, nobody ended the share: what was uploaded is kept for whoever shares it again.
    pub(super) fn on_ended(&mut self, now: Instant, call: Call, why: &Ending) {
        let Some(session) = self.sessions.get(&call) else { return };
        let (role, conf, member) = (session.role, session.conf.clone(), session.member);
        if self.ending {
            return self.let_go(call);
        }
        match role {
            Role::Upload if why.is_away() => {
                self.take_down(now, &conf, &Failure::new(FailureCode::Unreachable, "the application server is gone"), true);
            }
            Role::Upload => self.end_share(now, &conf, &ended("the sharer has left")),
            Role::Download => self.finish_member(now, call, MemberState::Left, Some(ended("this member has left the share"))),
        }
        self.by_member.remove(&member);
        if let Some(share) = self.shares.get_mut(&conf) {
            share.members.remove(&call);
        }
        if let Some(session) = self.sessions.remove(&call) {
            self.forget_told(session.outbox.in_flight());
        }
        // Whoever left does not count any more among those that have to finish.
        self.release_if_finished(&conf);
    }

    /// A dialog is over because this process is: what was uploaded stays for the next, which the application server calls.
    fn let_go(&mut self, call: Call) {
        let Some(session) = self.sessions.remove(&call) else { return };
        self.forget_told(session.outbox.in_flight());
        self.by_member.remove(&session.member);
        self.deadlines.set(&Due::Window(call), None);
        let emptied = self.shares.get_mut(&session.conf).is_some_and(|share| {
            share.members.remove(&call);
            share.connected.remove(&call);
            share.members.is_empty()
        });
        if emptied {
            self.shares.remove(&session.conf);
            self.deadlines.set(&Due::Idle(session.conf), None);
        }
    }

    /// The upload cannot come to its end: the sharer's application server is told, and the data conference ends.
    pub(super) fn fail_share(&mut self, now: Instant, conf: &ConfId, why: &Failure) {
        let Some(share) = self.shares.get(conf) else { return };
        let sharer = share.sharer;
        if let Some(session) = self.sessions.get_mut(&sharer) {
            session.state = MemberState::Failed;
            session.failure = Some(why.clone());
        }
        tracing::warn!(%conf, code = why.code.as_str(), why = why.text, "share failed");
        self.tell(now, sharer, Message::ShareEnded(why.clone()));
        self.end_share(now, conf, why);
    }

    /// The data conference ends (claim 7): its port is closed, its bytes are deleted, and the dialogs of its other members end.
    pub(super) fn end_share(&mut self, now: Instant, conf: &ConfId, why: &Failure) {
        self.take_down(now, conf, why, false);
    }

    fn take_down(&mut self, now: Instant, conf: &ConfId, why: &Failure, keeps: bool) {
        let Some(share) = self.shares.remove(conf) else { return };
        tracing::info!(%conf, why = why.text, keeps, lasted = ?now.duration_since(share.since), "share ended");
        if keeps {
            self.plane.set_aside(conf, why);
        } else {
            self.plane.close(conf, why);
        }
        self.deadlines.set(&Due::Idle(conf.clone()), None);
        for call in share.members {
            self.deadlines.set(&Due::Window(call), None);
            if let Some(session) = self.sessions.get_mut(&call) {
                self.by_member.remove(&session.member);
                if !session.is_over() {
                    session.state = MemberState::Left;
                }
            }
            if call != share.sharer {
                self.endpoint.bye(now, call, Some(Reason::sip(200, &why.text)), Vec::new());
            }
        }
    }

    pub(super) fn on_due(&mut self, now: Instant, due: Due) {
        match due {
            Due::Idle(conf) => {
                if let Some(share) = self.shares.get_mut(&conf)
                    && share.connected.is_empty()
                    && share.port.take().is_some()
                {
                    tracing::info!(%conf, "nobody is connected: the port is given back");
                    self.plane.release(&conf);
                }
            }
            Due::Window(call) => self.on_window(now, call),
        }
    }

    /// A member did not come (again) in its time.
    fn on_window(&mut self, now: Instant, call: Call) {
        let Some(session) = self.sessions.get(&call).filter(|session| !session.is_over()) else { return };
        if self.has_uploaded(call) {
            return;
        }
        let (role, conf) = (session.role, session.conf.clone());
        // What went wrong before says more than that nothing came after.
        let late = || Failure::new(FailureCode::Unreachable, format!("no connection within {:?}", self.config.resume_window));
        let why = session.failure.clone().unwrap_or_else(late);
        match role {
            Role::Upload => self.fail_share(now, &conf, &why),
            Role::Download => {
                self.tell(now, call, Message::DownloadError(why.clone()));
                self.finish_member(now, call, MemberState::Failed, Some(why));
            }
        }
    }

    /// Sets the timer of a data conference to which nobody is connected.
    pub(super) fn watch_idle(&mut self, now: Instant, conf: &ConfId) {
        let idle = self.shares.get(conf).is_some_and(|share| share.port.is_some() && share.connected.is_empty());
        self.deadlines.set(&Due::Idle(conf.clone()), idle.then(|| now + self.config.idle));
    }

    /// Gives the port back when all have finished.
    pub(super) fn release_if_finished(&mut self, conf: &ConfId) {
        let Some(share) = self.shares.get(conf) else { return };
        if share.port.is_some() && share.is_finished(|call| self.sessions.get(&call)) {
            tracing::info!(%conf, "all have finished: the port is given back");
            self.plane.release(conf);
            if let Some(share) = self.shares.get_mut(conf) {
                share.port = None;
            }
            self.deadlines.set(&Due::Idle(conf.clone()), None);
        }
    }

    /// Tells the application server how one member stands.
    fn report(&mut self, now: Instant, call: Call) {
        let Some(status) = self.status_of(call, |_| true) else { return };
        let members = self.sessions.get(&call).map(|session| session.report(self.plane.received(&session.conf, session.member)));
        self.tell(now, call, Message::Status(Status { members: members.into_iter().collect(), ..status }));
    }
}
