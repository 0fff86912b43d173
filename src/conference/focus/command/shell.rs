//! Shells' dialogs, and the replies in them.

use std::collections::VecDeque;

use super::super::{Asked, Caller, Cx, Focus, Use, leave::refuse_all, mix::sdp_of};
use crate::{
    conference::wire::control::{self, Body as Control, CONTENT_TYPE, Data, Failure, INFO_PACKAGE, Reply as WireReply},
    id::UserName,
    sip::{
        endpoint::{Body, Call, Reason, warning},
        message::{Method, Request},
    },
};

/// Shells at once. Another one is answered 503.
const MAX_SHELLS: usize = 1000;
/// Shells of one account at once, so that none takes all. Another one is answered 503.
const MAX_SHELLS_PER_ACCOUNT: usize = 50;
/// List members in one INFO: more go into further INFOs, so that a body stays below the 64 KiB of a datagram.
const ITEMS_PER_REPLY: usize = 40;
/// Parts of replies that wait for their turn in one dialog. A shell that does not take them is hung up on.
const MAX_QUEUE: usize = 256;

/// A shell's dialog.
#[derive(Debug)]
pub(in super::super) struct Shell {
    pub(super) user: UserName,
    /// Replies that wait until the one before is answered, so that they arrive in order.
    queue: VecDeque<Body>,
    sending: bool,
    pub(super) jobs: usize,
}

/// A reply on its way: the shell and the request's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Reply {
    pub(super) dialog: Call,
    pub(super) id: String,
}

impl Focus {
    /// A shell opens its dialog.
    pub(in super::super) fn open_control(&mut self, cx: &mut Cx<'_>, call: Call, request: &Request, caller: &Caller) {
        let Some(user) = caller.user.clone() else {
            return cx.endpoint.reject(cx.now, call, 403, vec![warning("control needs an account")]);
        };
        let own = self.shells.values().filter(|shell| shell.user == user).count();
        if self.draining || self.shells.len() >= MAX_SHELLS || own >= MAX_SHELLS_PER_ACCOUNT {
            return cx.endpoint.reject(cx.now, call, 503, vec![("Retry-After".to_owned(), "5".to_owned())]);
        }
        let shell = Shell { user, queue: VecDeque::new(), sending: false, jobs: 0 };
        self.shells.insert(call, shell);
        self.uses.insert(call, Use::Control);
        cx.endpoint.accept(cx.now, call, control_answer(request), Vec::new());
    }

    /// Accounts have changed: the shells of those that are gone are hung up on, and so are their calls; they watch no longer.
    pub fn handle_accounts(&mut self, cx: &mut Cx<'_>) {
        let gone = |shell: &Shell| cx.users.is_admin(&shell.user).is_none();
        let calls: Vec<Call> = self.shells.iter().filter(|(_, shell)| gone(shell)).map(|(call, _)| *call).collect();
        for call in calls {
            cx.endpoint.bye(cx.now, call, Some(Reason::sip(403, "the account is gone")), Vec::new());
        }
        self.end_watches_of_the_gone(cx);
        let there = self.conferences.iter().flat_map(|(name, c)| c.roster.iter().map(move |entry| (name, entry)));
        let gone = there.filter(|(_, entry)| entry.user().is_some_and(|user| cx.users.is_admin(user).is_none()));
        let gone: Vec<_> = gone.map(|(name, entry)| (name.clone(), entry.id)).collect();
        for (name, id) in gone {
            self.put_out(cx, &name, id, &Reason::sip(403, "the account is gone"));
        }
    }

    pub(in super::super) fn on_control_ended(&mut self, call: Call) {
        self.shells.remove(&call);
    }

    /// What came of a command that was taken: it is under way no longer.
    pub(super) fn reply(&mut self, cx: &mut Cx<'_>, reply: &Reply, outcome: Result<Data, Failure>) {
        if let Some(shell) = self.shells.get_mut(&reply.dialog) {
            shell.jobs = shell.jobs.saturating_sub(1);
        }
        self.tell(cx, reply, outcome);
    }

    /// The same of one that was not taken, and so was never counted.
    pub(super) fn tell(&mut self, cx: &mut Cx<'_>, reply: &Reply, outcome: Result<Data, Failure>) {
        let Some(shell) = self.shells.get_mut(&reply.dialog) else { return };
        let whole = WireReply { id: reply.id.clone(), more: false, outcome };
        for part in whole.split(ITEMS_PER_REPLY) {
            shell.queue.push_back(Body::new(CONTENT_TYPE, Control::Reply(part).to_xml()));
        }
        if shell.queue.len() > MAX_QUEUE {
            return Self::hang_up_on(cx, reply.dialog, shell, "too many wait for their turn");
        }
        self.send_reply(cx, reply.dialog);
    }

    fn send_reply(&mut self, cx: &mut Cx<'_>, dialog: Call) {
        let Some(shell) = self.shells.get_mut(&dialog).filter(|s| !s.sending) else { return };
        let Some(body) = shell.queue.pop_front() else { return };
        let headers =
            vec![("Info-Package".to_owned(), INFO_PACKAGE.to_owned()), ("Content-Disposition".to_owned(), "Info-Package".to_owned())];
        match cx.endpoint.request(cx.now, dialog, Method::Info, headers, Some(body)) {
            Ok(outgoing) => {
                shell.sending = true;
                self.asked.insert(outgoing, Asked::Reply { dialog });
            }
            Err(why) => Self::hang_up_on(cx, dialog, shell, &why.to_string()),
        }
    }

    /// A reply that does not arrive leaves the shell waiting for ever: it learns by BYE that none will come.
    fn hang_up_on(cx: &mut Cx<'_>, dialog: Call, shell: &mut Shell, why: &str) {
        tracing::warn!(user = %shell.user, why, "a shell's reply is lost");
        shell.queue.clear();
        cx.endpoint.bye(cx.now, dialog, Some(Reason::sip(500, &format!("a reply is lost: {why}"))), Vec::new());
    }

    /// A reply was answered: the next one.
    pub(in super::super) fn on_reply_sent(&mut self, cx: &mut Cx<'_>, dialog: Call, status: u16) {
        if let Some(shell) = self.shells.get_mut(&dialog) {
            shell.sending = false;
            if status >= 300 {
                return Self::hang_up_on(cx, dialog, shell, &format!("the shell answered {status}"));
            }
            self.send_reply(cx, dialog);
        }
    }
}

/// The answer to the offer of a control dialog: no media; a line that is offered nevertheless is refused in its place.
pub(in super::super) fn control_answer(request: &Request) -> Option<Body> {
    let offer = sdp_of(request.headers.get("Content-Type"), &request.body);
    if offer.is_empty() {
        return Some(Body::sdp(control::NO_MEDIA));
    }
    refuse_all(&offer)
}
