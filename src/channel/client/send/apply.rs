//! Steps 2 and 3 of the second embodiment: the sender applies, and makes the pass of what it was given.

use super::Terminal;
use crate::{
    channel::{
        Nameplate,
        client::{
            again::Resume,
            direct::Opening,
            fault::ChannelError,
            relay::{Connection, RelayError},
            rendezvous,
        },
        keys::{ContentKey, ResumeSecret},
        wire::{
            Message,
            answer::Allocated,
            letter::Content,
            pass::{Pass, TransferId},
            request::{Apply, Ticket, Wanted},
        },
    },
    transfer::seal::Cipher,
};

impl Terminal<'_> {
    /// A channel of ours, and a nameplate where one is wanted. A relay that has none, or is about to stop, leads to the next of the list.
    ///
    /// Where it is not the first of the list the nameplate is drawn: receivers look for it at the first one before, and the smallest number that
    /// is free here is likely to be somebody else's there.
    pub(super) async fn apply(&mut self, control: &mut Connection, nameplate: Option<Wanted>) -> Result<Allocated, ChannelError> {
        loop {
            let kind = (self.sending.content == Content::Text).then(|| "text".to_owned());
            let nameplate = match nameplate {
                Some(Wanted::Any(true)) if !control.is_preferred() => Some(Wanted::This(Nameplate::by_lot(&mut self.rng))),
                asked => asked,
            };
            let ticket = self.ticket(control).await;
            control.tell(&Message::Apply(Apply { ticket, peer: None, kind, receivers: self.sending.receivers.get(), nameplate }));
            let why = match control.next().await {
                Ok(Message::Allocated(allocated)) => return Ok(allocated),
                Ok(other) => return Err(RelayError::unexpected(&other).into()),
                Err(why) => why,
            };
            if !why.leads_elsewhere() || !control.has_others() {
                return Err(why.into());
            }
            tracing::info!(%why, "another relay is tried");
            if let Err(error) = control.elsewhere(self.sending.patience).await {
                // What the one before has said says more.
                tracing::info!(%error, "no other relay answers");
                return Err(why.into());
            }
        }
    }

    /// What says who we are, once the relay has wanted to know.
    async fn ticket(&self, control: &Connection) -> Option<Ticket> {
        rendezvous::ticket(control, self.sending.account.as_deref().filter(|_| self.vouched)).await
    }

    /// How a port is opened for a receiver that can reach us.
    pub(super) fn opening(&self, control: &Connection, allocated: &Allocated) -> Opening {
        Opening::at(control, &allocated.addresses, self.sending.ways, self.sending.streams)
    }

    /// The same where we are at a place already, and so at the relay where the receiver is.
    pub(super) async fn apply_here(&self, control: &mut Connection) -> Result<Allocated, ChannelError> {
        let kind = (self.sending.content == Content::Text).then(|| "text".to_owned());
        let ticket = self.ticket(control).await;
        control.tell(&Message::Apply(Apply { ticket, peer: None, kind, receivers: 1, nameplate: None }));
        loop {
            match control.next().await? {
                Message::Allocated(allocated) => return Ok(allocated),
                Message::Gone(gone) => return Err(ChannelError::Gone(gone.reason)),
                Message::Met(_) | Message::Letter { .. } => {}
                other => return Err(RelayError::unexpected(&other).into()),
            }
        }
    }

    /// What a receiver has to know of it. Transfer and resume secret stay what they are after a break.
    pub(super) fn pass(&mut self, allocated: &Allocated, resume: Option<&Resume>) -> Pass {
        Pass {
            cipher: Cipher::Aes256Gcm,
            transfer: resume.map_or_else(|| TransferId::random(&mut self.rng), |resume| resume.transfer),
            channel: allocated.channel,
            key: allocated.key.clone(),
            content: ContentKey::random(&mut self.rng),
            resume: resume.map_or_else(|| ResumeSecret::random(&mut self.rng), |resume| resume.secret.clone()),
            relays: allocated.addresses.clone(),
            direct: Vec::new(),
        }
    }
}
