//! How a sender finds its receiver again after a break: at the place of what both have kept.

use std::collections::BTreeMap;

use super::{Known, Terminal, exchange::admit};
use crate::channel::{
    Peer,
    client::{
        again::Resume,
        fault::ChannelError,
        relay::{Connection, RelayError},
    },
    pake::{self, Agreed, Password, Step},
    wire::{Message, Reason, Role, request::Meet},
};

/// Most exchanges at once: connections of the receiver that the relay has not missed yet are among them.
const MOST: usize = 16;

impl Terminal<'_> {
    /// Waits for the receiver, and gives it a channel of this attempt. The channel is applied for when it is there: whoever waits for long
    /// takes none from others.
    pub(super) async fn by_resume(&mut self, control: &mut Connection, resume: &Resume) -> Result<Known, ChannelError> {
        let password = Password::of_resume(&resume.secret);
        control.tell(&Message::Meet(Meet { place: password.place(), role: Role::Sender, wait: true }));
        let (peer, agreed) = self.agree(control, &password).await?;
        let allocated = self.apply_here(control).await?;
        let opening = self.opening(control, &allocated);
        let pass = self.pass(&allocated, Some(resume));
        admit(control, (peer, agreed), &opening, pass)
    }

    /// Nobody guesses 32 bytes: an exchange that fails is forgotten, and who failed may begin anew.
    async fn agree(&mut self, control: &mut Connection, password: &Password) -> Result<(Peer, Agreed), ChannelError> {
        let mut exchanges = BTreeMap::new();
        loop {
            match control.next().await? {
                Message::Letter { peer, body } => {
                    if exchanges.len() >= MOST && !exchanges.contains_key(&peer) {
                        exchanges.clear();
                    }
                    let machine = exchanges.entry(peer).or_insert_with(|| pake::Sender::new(password));
                    match machine.handle_letter(&body, &mut self.rng) {
                        Ok(Step::Send(letter)) => control.tell(&Message::Letter { peer, body: letter.into() }),
                        Ok(Step::Agreed(agreed)) => return Ok((peer, agreed)),
                        Err(error) => {
                            tracing::debug!(%error, "somebody at the place to go on failed to show that it knows the secret");
                            exchanges.remove(&peer);
                        }
                    }
                }
                // It has not gone to come again: it has called it off.
                Message::Gone(gone) if gone.reason == Reason::Cancelled => return Err(ChannelError::Gone(gone.reason)),
                Message::Gone(gone) => drop(exchanges.remove(&gone.peer)),
                Message::Met(_) => {}
                other => return Err(RelayError::unexpected(&other).into()),
            }
        }
    }
}
