//! How a receiver comes to know the sender: at a place that both know, by an exchange; by what was agreed on with another user; and again, after a
//! break, by what both have kept.

use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use tokio::time::timeout;

use super::{Receiving, RecvEvent, Terminal};
use crate::channel::{
    Peer,
    client::{
        again::Resume,
        fault::ChannelError,
        relay::{Connection, RelayError},
        rendezvous::Rendezvous,
        seat::Door,
    },
    handover,
    pake::{self, Password, Received, Step},
    wire::{Message, Reason, Role, request::Meet},
};

/// How long a sender who has agreed on a channel may take to come into it: its person may be comparing words.
const COMING: Duration = Duration::from_secs(300);
/// How long it may take to answer what we have shown of the code: no person has a part in that.
const ANSWER: Duration = Duration::from_secs(30);

impl Terminal<'_> {
    /// Finds the sender at the relay that has answered, or at another of the list where that one knows no such place, or cannot do more. Who waits
    /// for a sender that has not come yet waits at the first that answers.
    pub(super) async fn meet_anywhere(
        &self,
        control: &mut Connection,
        password: &Password,
        wait: bool,
        rng: &mut ChaCha12Rng,
    ) -> Result<Received, ChannelError> {
        let Receiving { relays, patience, .. } = self.receiving;
        let several = control.has_others();
        loop {
            match self.meet(control, password, wait && !several, rng).await {
                Err(ChannelError::Relay(why)) if why.leads_elsewhere() || why.is_no_such_place() => {
                    if control.has_others() {
                        match control.elsewhere(*patience).await {
                            Ok(()) => continue,
                            // What the one before has said says more.
                            Err(error) => tracing::info!(%error, "no other relay answers"),
                        }
                    }
                    if !wait || !several {
                        return Err(why.into());
                    }
                    *control = Connection::open(relays, *patience).await?;
                    return self.meet(control, password, true, rng).await;
                }
                ended => return ended,
            }
        }
    }

    /// Finds the sender, and comes to a key with it.
    ///
    /// Who is there may test one guess against what we show of the code, be it the relay itself. That is one of four million; so it is shown
    /// once: whatever comes of it, nothing is tried again with this code, here or at another relay.
    pub(super) async fn meet(
        &self,
        control: &mut Connection,
        password: &Password,
        wait: bool,
        rng: &mut ChaCha12Rng,
    ) -> Result<Received, ChannelError> {
        control.tell(&Message::Meet(Meet { place: password.place(), role: Role::Receiver, wait }));
        if wait {
            self.there.cancel();
        }
        self.hear(RecvEvent::Waiting).await;
        let mut exchange = None;
        loop {
            match control.next().await? {
                Message::Met(met) if met.peer == Peer::SENDER => {
                    self.came.cancel();
                    let (machine, letter) = pake::Receiver::new(password, rng);
                    exchange = Some(machine);
                    control.tell(&Message::Letter { peer: Peer::SENDER, body: letter.into() });
                }
                Message::Letter { peer: Peer::SENDER, body } => {
                    let Some(machine) = &mut exchange else { continue };
                    match machine.handle_letter(&body)? {
                        Step::Send(letter) => {
                            control.tell(&Message::Letter { peer: Peer::SENDER, body: letter.into() });
                            let answered = timeout(ANSWER, answer(control, machine)).await;
                            return answered
                                .unwrap_or_else(|_| Err(ChannelError::Unanswered(Box::new(ChannelError::Gone(Reason::Silent)))));
                        }
                        Step::Agreed(received) => return Ok(received),
                    }
                }
                Message::Gone(gone) if gone.peer == Peer::SENDER && exchange.is_some() => return Err(ChannelError::Gone(gone.reason)),
                Message::Spent { .. } => return Err(RelayError::Closed.into()),
                Message::Met(_) | Message::Letter { .. } | Message::Gone(_) => {}
                other => return Err(RelayError::unexpected(&other).into()),
            }
        }
    }

    /// Enters the channel that was agreed on, and waits there for the sender's pass. Gives our seat, too.
    pub(super) async fn by_account(&self, control: &mut Connection, rendezvous: &Rendezvous) -> Result<(Received, Peer), ChannelError> {
        let agreed = rendezvous.take()?;
        Door { channel: agreed.grant.number, key: agreed.grant.key.clone(), role: Role::Receiver }.enter(control);
        self.hear(RecvEvent::Waiting).await;
        let handed = async {
            let mut seat = Peer::SENDER;
            loop {
                match control.next().await? {
                    Message::Entered(entered) => seat = entered.seat,
                    Message::Letter { peer: Peer::SENDER, body } => return Ok((handover::open_letter(&agreed, &body)?, seat)),
                    Message::Gone(gone) if gone.peer == Peer::SENDER => return Err(ChannelError::Gone(gone.reason)),
                    Message::Met(_) | Message::Letter { .. } | Message::Gone(_) => {}
                    other => return Err(RelayError::unexpected(&other).into()),
                }
            }
        };
        let (pass, seat) = timeout(COMING, handed).await.unwrap_or(Err(ChannelError::Gone(Reason::Expired)))?;
        rendezvous.meet();
        Ok((Received { pairwise: agreed.pairwise, pass }, seat))
    }

    /// Finds the sender again after a break, by what both have kept. It may take a while to come, and may come twice: the relay may still take it
    /// to be there by a connection that has gone.
    pub(super) async fn meet_again(
        &self,
        control: &mut Connection,
        resume: &Resume,
        rng: &mut ChaCha12Rng,
    ) -> Result<Received, ChannelError> {
        let password = Password::of_resume(&resume.secret);
        control.tell(&Message::Meet(Meet { place: password.place(), role: Role::Receiver, wait: true }));
        self.hear(RecvEvent::Waiting).await;
        let mut exchange = None;
        loop {
            match control.next().await? {
                Message::Met(met) if met.peer == Peer::SENDER => {
                    let (machine, letter) = pake::Receiver::new(&password, rng);
                    exchange = Some(machine);
                    control.tell(&Message::Letter { peer: Peer::SENDER, body: letter.into() });
                }
                Message::Letter { peer: Peer::SENDER, body } => {
                    let Some(machine) = &mut exchange else { continue };
                    match machine.handle_letter(&body)? {
                        Step::Send(letter) => control.tell(&Message::Letter { peer: Peer::SENDER, body: letter.into() }),
                        Step::Agreed(received) if received.pass.transfer == resume.transfer => return Ok(received),
                        Step::Agreed(_) => return Err(ChannelError::Protocol("this is another transfer".to_owned())),
                    }
                }
                // It has not gone to come again: it has called it off.
                Message::Gone(gone) if gone.peer == Peer::SENDER && gone.reason == Reason::Cancelled => {
                    return Err(ChannelError::Gone(gone.reason));
                }
                Message::Gone(gone) if gone.peer == Peer::SENDER => exchange = None,
                Message::Spent { .. } | Message::Met(_) | Message::Letter { .. } | Message::Gone(_) => {}
                other => return Err(RelayError::unexpected(&other).into()),
            }
        }
    }
}

/// What the sender says to what we have shown of the code. Every other end has used the code up.
async fn answer(control: &mut Connection, machine: &mut pake::Receiver) -> Result<Received, ChannelError> {
    loop {
        match control.next().await {
            Ok(Message::Letter { peer: Peer::SENDER, body }) => match machine.handle_letter(&body)? {
                Step::Agreed(received) => return Ok(received),
                Step::Send(_) => return Err(ChannelError::WrongCode),
            },
            // The way to the sender broke before it could answer.
            Ok(Message::Gone(gone)) if gone.peer == Peer::SENDER && !gone.reason.is_a_terminals_own() => {
                return Err(ChannelError::Unanswered(Box::new(ChannelError::Gone(gone.reason))));
            }
            // It has found it wrong, or somebody else takes its place.
            Ok(Message::Spent { .. } | Message::Gone(_) | Message::Met(_)) => return Err(ChannelError::WrongCode),
            Ok(Message::Letter { .. }) => {}
            Ok(other) => return Err(ChannelError::Unanswered(Box::new(RelayError::unexpected(&other).into()))),
            Err(error) => return Err(ChannelError::Unanswered(Box::new(error.into()))),
        }
    }
}

#[cfg(test)]
mod tests;
