//! Who a ticket is from: what the relay asks of the accounts.

use std::sync::Arc;

use super::accounts::Accounts;
use crate::{
    account::{Audience, PublicKey, SigningKey, Ticket, TicketError},
    channel::{relay::Applicant, server::Admit},
    clock,
};

/// The action of who applies for a channel (step 2 of CN101150595A).
const APPLY: &str = "apply";

/// Tickets of the `as` in this process, or of one elsewhere.
#[derive(Debug)]
pub(super) enum Tickets {
    /// Of this process: the account has to be there still.
    Here(Arc<Accounts>),
    /// Of the server with this key.
    Elsewhere(PublicKey),
}

impl Tickets {
    fn verify(&self, ticket: &str) -> Result<Applicant, TicketError> {
        let (directory, key) = match self {
            Self::Here(accounts) => {
                let directory = accounts.current();
                let key = directory.tickets().map(SigningKey::public).ok_or(TicketError::Signature)?;
                (Some(directory), key)
            }
            Self::Elsewhere(key) => (None, *key),
        };
        let ticket = Ticket::verify(ticket, &key, Audience::Relay, clock::wall())?;
        ticket.permits(APPLY)?;
        if directory.is_some_and(|directory| directory.account(&ticket.user).is_none()) {
            return Ok(Applicant::Unverified(format!("the account \"{}\" is gone", ticket.user)));
        }
        Ok(Applicant::User(ticket.user))
    }
}

impl Admit for Tickets {
    fn applicant(&self, ticket: &str) -> Applicant {
        self.verify(ticket).unwrap_or_else(|why| Applicant::Unverified(why.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elsewhere() -> Tickets {
        Tickets::Elsewhere(SigningKey::from_seed(&[7; 32]).public())
    }

    fn shown(seed: u8, audience: Audience, action: Option<&str>) -> Applicant {
        let ticket = Ticket::new("alice".parse().expect("a name"), audience, action.map(str::to_owned), clock::wall());
        elsewhere().applicant(ticket.sign(&SigningKey::from_seed(&[seed; 32])).expect("a ticket").reveal())
    }

    #[test]
    fn a_ticket_for_the_relay_names_its_user_and_any_other_says_why_it_does_not() {
        let alice = Applicant::User("alice".parse().expect("a name"));
        assert_eq!(shown(7, Audience::Relay, None), alice);
        assert_eq!(shown(7, Audience::Relay, Some("apply")), alice);
        for (applicant, why) in [
            (shown(8, Audience::Relay, None), "the ticket is not signed by the server that this one trusts: sign in there again"),
            (shown(7, Audience::Board, None), "the ticket is for board, not for relay"),
            (shown(7, Audience::Relay, Some("delete")), "the ticket is for another action"),
            (elsewhere().applicant("?"), "the ticket is none: not base64url"),
        ] {
            assert_eq!(applicant, Applicant::Unverified(why.to_owned()));
        }
    }
}
