//! Who a ticket is from: what the relay asks of the accounts.

use std::sync::Arc;

use super::accounts::Accounts;
use crate::{
    account::{Audience, PublicKey, SigningKey, Ticket, TicketError},
    channel::{
        relay::Applicant,
        server::Admit,
        wire::{proof::Challenge, request::ticket_action},
    },
    clock,
};

/// Tickets of the `as` in this process, or of one elsewhere.
#[derive(Debug)]
pub(super) enum Tickets {
    /// Of this process: the account has to be there still.
    Here(Arc<Accounts>),
    /// Of the server with this key.
    Elsewhere(PublicKey),
}

impl Tickets {
    fn verify(&self, ticket: &str, challenge: &Challenge) -> Result<Applicant, TicketError> {
        let (directory, key) = match self {
            Self::Here(accounts) => {
                let directory = accounts.current();
                let key = directory.tickets().map(SigningKey::public).ok_or(TicketError::Signature)?;
                (Some(directory), key)
            }
            Self::Elsewhere(key) => (None, *key),
        };
        let ticket = Ticket::verify(ticket, &key, Audience::Relay, clock::wall())?;
        // For this connection alone (step 2 of CN101150595A): a ticket that was overheard admits nobody else, and nobody twice.
        if ticket.action != Some(ticket_action(challenge)) {
            return Err(TicketError::Action);
        }
        if directory.is_some_and(|directory| directory.account(&ticket.user).is_none()) {
            return Ok(Applicant::Unverified(format!("the account \"{}\" is gone", ticket.user)));
        }
        Ok(Applicant::User(ticket.user))
    }
}

impl Admit for Tickets {
    fn applicant(&self, ticket: &str, challenge: &Challenge) -> Applicant {
        self.verify(ticket, challenge).unwrap_or_else(|why| Applicant::Unverified(why.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        account::{Password, Role, SealKey},
        store::{Sqlite, Store},
    };

    /// The challenge of the connection that the tickets are for.
    const HERE: Challenge = [1; 32];

    fn elsewhere() -> Tickets {
        Tickets::Elsewhere(SigningKey::from_seed(&[7; 32]).public())
    }

    fn ticket(audience: Audience, action: Option<String>) -> Ticket {
        Ticket::new("alice".parse().expect("a name"), audience, action, clock::wall())
    }

    fn shown_to(tickets: &Tickets, seed: u8, ticket: &Ticket) -> Applicant {
        tickets.applicant(ticket.sign(&SigningKey::from_seed(&[seed; 32])).expect("a ticket").reveal(), &HERE)
    }

    fn why(text: &str) -> Applicant {
        Applicant::Unverified(text.to_owned())
    }

    #[test]
    fn a_ticket_for_the_relay_names_its_user_and_any_other_says_why_it_does_not() {
        let (relay, here) = (Audience::Relay, Some(ticket_action(&HERE)));
        assert_eq!(shown_to(&elsewhere(), 7, &ticket(relay, here.clone())), Applicant::User("alice".parse().expect("a name")));
        for (applicant, text) in [
            (
                shown_to(&elsewhere(), 8, &ticket(relay, here.clone())),
                "the ticket is not signed by the server that this one trusts: sign in there again",
            ),
            (shown_to(&elsewhere(), 7, &ticket(Audience::Board, here.clone())), "the ticket is for board, not for relay"),
            (shown_to(&elsewhere(), 7, &ticket(relay, Some("delete".to_owned()))), "the ticket is for another action"),
            (shown_to(&elsewhere(), 7, &ticket(relay, None)), "the ticket is for another action"),
            (elsewhere().applicant("?", &HERE), "the ticket is none: not base64url"),
        ] {
            assert_eq!(applicant, why(text));
        }
    }

    #[test]
    fn a_ticket_of_another_connection_or_another_time_admits_nobody() {
        let overheard = ticket(Audience::Relay, Some(ticket_action(&[2; 32])));
        assert_eq!(shown_to(&elsewhere(), 7, &overheard), why("the ticket is for another action"));
        let now = ticket(Audience::Relay, Some(ticket_action(&HERE)));
        let old = Ticket { issued: now.issued - Duration::from_secs(700).as_secs(), ..now.clone() };
        assert_eq!(shown_to(&elsewhere(), 7, &old), why("the ticket has expired 100 s ago: sign in again"));
        let Applicant::Unverified(early) = shown_to(&elsewhere(), 7, &Ticket { issued: now.issued + 90, ..now }) else {
            panic!("a ticket of the future")
        };
        assert!(early.contains("in the future"), "{early}");
    }

    #[tokio::test]
    async fn a_ticket_of_this_process_is_good_as_long_as_its_account_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&folder.path().join("db")).await.expect("a store"));
        let (key, tickets) = (Arc::new(SealKey::new(&[3; 32])), Arc::new(SigningKey::from_seed(&[7; 32])));
        let accounts = Arc::new(Accounts::open(store, key, tickets, "realm".to_owned()).await.expect("accounts"));
        let alice = "alice".parse().expect("a name");
        let here = Tickets::Here(Arc::clone(&accounts));
        let good = ticket(Audience::Relay, Some(ticket_action(&HERE)));
        assert_eq!(shown_to(&here, 7, &good), why("the account \"alice\" is gone"), "it has never been there");
        accounts.add(&alice, Role::User, &Password::new("secret words").expect("a password"), false).await.expect("added");
        assert_eq!(shown_to(&here, 7, &good), Applicant::User(alice.clone()));
        assert_eq!(shown_to(&here, 8, &good), why("the ticket is not signed by the server that this one trusts: sign in there again"));
        accounts.delete(&alice).await.expect("removed");
        assert_eq!(shown_to(&here, 7, &good), why("the account \"alice\" is gone"));
    }
}
