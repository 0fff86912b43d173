//! Steps 2 and 3 of the second embodiment: the sender applies, and makes the pass of what it was given.

use std::net::SocketAddr;

use super::{Sending, Terminal};
use crate::{
    channel::{
        client::{
            direct::Opening,
            fault::ChannelError,
            relay::{Connection, RelayError},
        },
        keys::{ContentKey, ResumeSecret},
        wire::{
            Message,
            answer::Allocated,
            letter::Content,
            pass::{Pass, TransferId},
            request::{Apply, Wanted},
        },
    },
    transfer::seal::Cipher,
};

impl Terminal<'_> {
    /// A channel of ours, and a nameplate where one is wanted.
    pub(super) async fn apply(&self, control: &mut Connection, nameplate: Option<Wanted>) -> Result<Allocated, ChannelError> {
        let kind = (self.sending.content == Content::Text).then(|| "text".to_owned());
        control.tell(&Message::Apply(Apply { ticket: None, peer: None, kind, receivers: 1, nameplate }));
        match control.next().await? {
            Message::Allocated(allocated) => Ok(allocated),
            other => Err(RelayError::unexpected(&other).into()),
        }
    }

    /// How a port is opened for a receiver that can reach us.
    pub(super) fn opening(&self, control: &Connection, allocated: &Allocated) -> Opening {
        let Sending { ways, streams, .. } = *self.sending;
        // A relay that says of itself that only this machine reaches it has nobody else to bring.
        let here = allocated.addresses.iter().all(|address| address.parse().is_ok_and(|address: SocketAddr| address.ip().is_loopback()));
        Opening { ways, via: control.local_ip(), here, streams }
    }

    /// What a receiver has to know of it.
    pub(super) fn pass(&mut self, allocated: &Allocated) -> Pass {
        Pass {
            cipher: Cipher::Aes256Gcm,
            transfer: TransferId::random(&mut self.rng),
            channel: allocated.channel,
            key: allocated.key.clone(),
            content: ContentKey::random(&mut self.rng),
            resume: ResumeSecret::random(&mut self.rng),
            relays: allocated.addresses.clone(),
            direct: Vec::new(),
        }
    }
}
