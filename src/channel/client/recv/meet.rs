//! How a receiver comes to know the sender: at a place that both know, by an exchange.

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;

use super::{Receiving, RecvEvent, Terminal};
use crate::{
    channel::{
        Peer,
        client::{
            fault::ChannelError,
            relay::{Connection, RelayError},
        },
        pake::{self, Received, Step},
        wire::{Message, Role, request::Meet},
    },
    clock,
};

impl Terminal<'_> {
    /// Finds the sender, and comes to a key with it.
    pub(super) async fn meet(&self, control: &mut Connection) -> Result<Received, ChannelError> {
        let mut rng = ChaCha12Rng::from_seed(clock::seed());
        let Receiving { password, wait, .. } = self.receiving;
        control.tell(&Message::Meet(Meet { place: password.place(), role: Role::Receiver, wait: *wait }));
        self.hear(RecvEvent::Waiting).await;
        let mut exchange = None;
        // We have shown what we know: a sender that goes now has found it wrong.
        let mut confirmed = false;
        loop {
            match control.next().await? {
                Message::Met(met) if met.peer == Peer::SENDER => {
                    let (machine, letter) = pake::Receiver::new(password, &mut rng);
                    exchange = Some(machine);
                    control.tell(&Message::Letter { peer: Peer::SENDER, body: letter.into() });
                }
                Message::Letter { peer: Peer::SENDER, body } => {
                    let Some(machine) = &mut exchange else { continue };
                    match machine.handle_letter(&body)? {
                        Step::Send(letter) => {
                            control.tell(&Message::Letter { peer: Peer::SENDER, body: letter.into() });
                            confirmed = true;
                        }
                        Step::Agreed(received) => return Ok(received),
                    }
                }
                Message::Spent { .. } | Message::Gone(_) if confirmed => return Err(ChannelError::WrongCode),
                Message::Gone(gone) if gone.peer == Peer::SENDER && exchange.is_some() => return Err(ChannelError::Gone(gone.reason)),
                Message::Spent { .. } => return Err(RelayError::Closed.into()),
                Message::Met(_) | Message::Letter { .. } | Message::Gone(_) => {}
                other => return Err(RelayError::unexpected(&other).into()),
            }
        }
    }
}
