//! A channel that two users have agreed on by instant messages, until it is entered.

use std::{
    fmt,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    fault::ChannelError,
    relay::{Connection, RelayError, Relays},
};
use crate::channel::{
    agreement::Agreed,
    wire::{
        Message,
        answer::Allocated,
        proof::Challenge,
        request::{Apply, Ticket},
        transfer::Grant,
    },
};

/// See the [module](self). It is good for one attempt: what breaks then is gone on with at the place of the resume secret.
pub struct Rendezvous(Mutex<Inner>);

struct Inner {
    agreed: Option<Agreed>,
    /// Ours, where we have applied.
    control: Option<Connection>,
    /// Both are in the channel.
    met: bool,
}

impl Rendezvous {
    /// What was agreed on; with the connection by which we have applied, where it was we.
    pub fn new(agreed: Agreed, control: Option<Connection>) -> Self {
        Self(Mutex::new(Inner { agreed: Some(agreed), control, met: false }))
    }

    /// Whether the two have met in the channel. What ends before that, the other side learns by message or not at all.
    pub fn is_met(&self) -> bool {
        self.with(|inner| inner.met)
    }

    /// They have.
    pub(super) fn meet(&self) {
        self.with(|inner| inner.met = true);
    }

    /// The connection to the relay: ours, or one to where the other side says that it is.
    pub(super) async fn reach(&self, relays: &Relays, patience: Duration) -> Result<Connection, RelayError> {
        let (control, told) = self.with(|inner| (inner.control.take(), inner.agreed.as_ref().map(|agreed| agreed.grant.addresses.clone())));
        match control {
            Some(control) => Ok(control),
            None => Connection::open(&relays.or_told(told.unwrap_or_default()), patience).await,
        }
    }

    /// What was agreed on, once.
    pub(super) fn take(&self) -> Result<Agreed, ChannelError> {
        self.with(|inner| inner.agreed.take()).ok_or_else(|| ChannelError::Protocol("what was agreed on is used up".to_owned()))
    }

    fn with<T>(&self, ask: impl FnOnce(&mut Inner) -> T) -> T {
        ask(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Rendezvous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rendezvous(…)")
    }
}

/// Gets tickets of an account's server for the relay.
pub trait Vouch: fmt::Debug + Send + Sync {
    /// Does what takes a person's time, such as typing a password, before a connection is made, on which the relay counts seconds.
    fn prepare(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    /// A ticket that is good on the connection with this challenge ([`ticket_action`](crate::channel::wire::request::ticket_action)); none where
    /// there is none to be had.
    fn ticket(&self, challenge: Challenge) -> Pin<Box<dyn Future<Output = Option<Ticket>> + Send + '_>>;
}

/// Applies for a channel (step 2), and gives what the relay said (step 3) with the connection that holds it.
///
/// # Errors
/// The relay cannot be reached, or refuses.
pub async fn apply(
    relays: &Relays,
    patience: Duration,
    account: Option<&dyn Vouch>,
    apply: Apply,
) -> Result<(Connection, Allocated), RelayError> {
    let mut control = Connection::open(relays, patience).await?;
    let ticket = ticket(&control, account).await;
    control.tell(&Message::Apply(Apply { ticket, ..apply }));
    match control.next().await? {
        Message::Allocated(allocated) => Ok((control, allocated)),
        other => Err(RelayError::unexpected(&other)),
    }
}

/// A ticket for a connection, where there is an account that gives one.
pub(super) async fn ticket(control: &Connection, account: Option<&dyn Vouch>) -> Option<Ticket> {
    match account {
        Some(account) => account.ticket(*control.challenge()).await,
        None => None,
    }
}

/// What is passed on to the other side (step 4).
pub fn grant(allocated: &Allocated) -> Grant {
    Grant { number: allocated.channel, addresses: allocated.addresses.clone(), key: allocated.key.clone() }
}
