//! REGISTER (RFC 3261 §10.3): answered when the store has it, so that no acknowledged contact is lost.

use super::node::{ApplicationServer, Effect, Pending};
use crate::{
    conference::focus::Caller,
    id::UserName,
    sip::{
        Hop,
        endpoint::Incoming,
        message::{Host, NameAddr, Request},
        registrar::Aor,
    },
};

/// Most REGISTERs that wait for the store. Another one is answered 503.
const MAX_PENDING: usize = 1024;

impl ApplicationServer {
    pub(super) fn on_register(&mut self, incoming: Incoming, request: &Request, caller: &Caller, from: &Hop) {
        let user: Option<UserName> = request.to().and_then(|to| to.uri.user()).and_then(|user| user.parse().ok());
        let allowed = caller.admin || (user.is_some() && user == caller.user);
        let known = user.as_ref().is_some_and(|user| self.door.directory.account(user).is_some());
        let Some(user) = user.filter(|_| allowed && known) else {
            // A third party may not register for others (RFC 3261 §10.3 step 3); for the administrator there must be a user.
            return self.respond(incoming, if allowed { 404 } else { 403 }, Vec::new());
        };
        if self.pending.len() >= MAX_PENDING {
            return self.respond(incoming, 503, vec![("Retry-After".to_owned(), "2".to_owned())]);
        }
        // One user has one address of record, by whichever of our names it was registered.
        let canonical = canonical(request, &user, &self.domain);
        let outcome = self.registrar.register(self.now, &canonical, from);
        match outcome.changed {
            Some(aor) => self.save_contacts(aor, Some(Pending { incoming, status: outcome.status, headers: outcome.headers })),
            None => self.respond(incoming, outcome.status, outcome.headers),
        }
    }

    /// Has a user's contacts stored; what waits for it is answered then.
    pub(super) fn save_contacts(&mut self, aor: Aor, pending: Option<Pending>) {
        let save = self.next_save();
        if let Some(pending) = pending {
            self.pending.insert(save, pending);
        }
        let contacts = self.registrar.export(self.now, self.wall, Some(&aor));
        self.effects.push_back(Effect::StoreContacts { save, aor, contacts });
    }

    /// The store has a user's contacts, or has failed.
    pub(super) fn on_contacts_stored(&mut self, save: u64, outcome: Result<(), String>) {
        let failed = outcome.is_err();
        if let Err(why) = outcome {
            tracing::error!(%why, "contacts were not stored");
        }
        let Some(pending) = self.pending.remove(&save) else { return };
        if failed {
            self.respond(pending.incoming, 500, vec![("Retry-After".to_owned(), "5".to_owned())]);
        } else {
            self.respond(pending.incoming, pending.status, pending.headers);
        }
    }
}

fn canonical(request: &Request, user: &UserName, domain: &Host) -> Request {
    let mut request = request.clone();
    let to = NameAddr::new(crate::sip::message::SipUri::new(Some(user.as_str()), domain.clone(), None));
    request.headers.set("To", to.to_string());
    request
}
