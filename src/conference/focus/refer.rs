//! REFER to the conference (RFC 4579 §5.5, §5.10): invite somebody, or remove somebody, told of by NOTIFYs with a sipfrag.

use super::{
    Caller, Cx, Focus,
    command::{Job, Outcome, Owner},
};
use crate::{
    conference::{
        policy::Commander,
        roster::{Role, Who},
        wire::control::{Command, ErrorCode, Failure, Who as Whom},
    },
    id::{ConferenceName, ParticipantId, UserName},
    sip::{
        endpoint::{Body, Incoming, Reason, Subscription, SubscriptionState},
        message::{NameAddr, Request},
    },
};

impl Focus {
    /// A REFER in a participant's dialog, or outside any.
    pub(super) fn on_refer(
        &mut self,
        cx: &mut Cx<'_>,
        incoming: Incoming,
        participant: Option<(ConferenceName, ParticipantId)>,
        request: &Request,
        caller: Option<&Caller>,
    ) {
        let name = participant.as_ref().map(|(name, _)| name.clone()).or_else(|| request.uri.user().and_then(|u| u.parse().ok()));
        let Some((name, conference)) = name.and_then(|name| self.conferences.get(&name).map(|c| (name, c))) else {
            return cx.endpoint.respond(cx.now, incoming, 404, Vec::new(), None);
        };
        let entry = participant.and_then(|(_, id)| conference.roster.get(id));
        let by_roster = entry.and_then(|e| match &e.who {
            Who::User(user) => Some(user.clone()),
            Who::Guest(_) => None,
        });
        let user: Option<UserName> = caller.and_then(|c| c.user.clone()).or(by_roster);
        let Some(target) = request.headers.get("Refer-To").and_then(|v| v.parse::<NameAddr>().ok()) else {
            return cx.endpoint.respond(cx.now, incoming, 400, Vec::new(), None);
        };
        let method = target.uri.sip().and_then(|u| u.param("method")).unwrap_or("INVITE").to_ascii_uppercase();
        let who = bare(&target);
        let command = match method.as_str() {
            "INVITE" => Command::Invite { conference: name.to_string(), uris: vec![who.clone()] },
            "BYE" => Command::Kick { conference: name.to_string(), who: Whom::One(who.clone()), reason: None },
            _ => return cx.endpoint.respond(cx.now, incoming, 501, Vec::new(), None),
        };
        let allowed = user.as_ref().is_some_and(|user| {
            let commander = Commander {
                user,
                admin: caller.is_some_and(|c| c.admin),
                creator: conference.is_creator(user),
                chair: entry.is_some_and(|e| e.role == Role::Chair) || self.is_chair(&name, user),
                member: entry.is_some(),
            };
            commander.may(&command).is_ok()
        });
        if !allowed {
            return cx.endpoint.respond(cx.now, incoming, 403, Vec::new(), None);
        }
        let Ok(subscription) = cx.endpoint.accept_refer(cx.now, incoming) else { return };
        Self::sipfrag(cx, subscription, 100, false);
        match command {
            Command::Kick { who, .. } => {
                let found = self.find(&name, &who);
                let status = if found.is_ok() { 200 } else { 404 };
                for id in found.unwrap_or_default() {
                    self.put_out(cx, &name, id, &Reason::sip(200, "removed by REFER"));
                }
                Self::sipfrag(cx, subscription, status, true);
            }
            _ => {
                let job = self.new_job(Job { owner: Owner::Refer { subscription }, waiting: 1, outcome: Outcome::Invited(Vec::new()) });
                match cx.users.locate(cx.now, &who) {
                    Ok(callee) => self.dial_out(cx, &name, callee, job, 0),
                    Err(failure) => self.job_invited(cx, job, 0, Err(failure)),
                }
            }
        }
    }

    /// True when the chair of the conference is this account.
    pub(super) fn is_chair(&self, name: &ConferenceName, user: &UserName) -> bool {
        self.conferences.get(name).is_some_and(|c| c.roster.iter().any(|e| e.role == Role::Chair && e.who == Who::User(user.clone())))
    }

    /// Tells how far a REFER has come (RFC 3515 §2.4.5).
    pub(super) fn sipfrag(cx: &mut Cx<'_>, subscription: Option<Subscription>, status: u16, last: bool) {
        let Some(subscription) = subscription else { return };
        let state = if last {
            SubscriptionState::Terminated { reason: "noresource".to_owned(), retry_after: None }
        } else {
            SubscriptionState::Active
        };
        let text = format!("SIP/2.0 {status} {}\r\n", crate::sip::message::reason_phrase(status));
        let _ = cx.endpoint.notify(cx.now, subscription, state, Some(Body::new("message/sipfrag;version=2.0", text)));
    }
}

/// What became of an invitation, as a status for the sipfrag.
pub(super) fn status_of(outcome: Result<(), &Failure>) -> u16 {
    match outcome.map_err(|f| f.code) {
        Ok(()) => 200,
        Err(ErrorCode::NotFound) => 404,
        Err(ErrorCode::Declined) => 603,
        Err(ErrorCode::Conflict) => 486,
        Err(ErrorCode::Forbidden) => 403,
        Err(ErrorCode::Unreachable) => 408,
        Err(ErrorCode::Failed | ErrorCode::Usage) => 500,
    }
}

/// The URI without the parts that steer the REFER.
fn bare(target: &NameAddr) -> String {
    match target.uri.sip() {
        Some(uri) => {
            let mut uri = uri.clone();
            uri.params.retain(|(name, _)| name != "method");
            uri.headers = None;
            uri.to_string()
        }
        None => target.uri.to_string(),
    }
}
