//! The receiver (step 8): comes to know the sender, decides, takes the chunks, verifies, puts into place.
//!
//! | file | what |
//! |---|---|
//! | `meet.rs` | how it comes to know the sender: by a code, or by what was agreed on with another user |
//! | `session.rs` | the sender in the channel, from entering to the end |
//! | `download.rs` | the chunks |

mod download;
mod meet;
mod session;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::session::Session;
use super::{
    direct::Ways,
    fault::ChannelError,
    relay::{Connection, Relays},
    rendezvous::Rendezvous,
    seat::Door,
};
use crate::{
    channel::{
        Peer,
        pake::Password,
        wire::{
            Reason, Role,
            letter::{self, Offer},
        },
    },
    transfer::{Manifest, Sink, sink::Finished},
};

/// From whom, and how.
#[derive(Debug)]
pub struct Receiving {
    /// Where the relay is.
    pub relays: Relays,
    /// How long one address may take to answer.
    pub patience: Duration,
    /// How the sender is found.
    pub by: Way,
    /// By which ways the bytes may come.
    pub ways: Ways,
}

/// How a receiver comes to know the sender.
#[derive(Debug)]
pub enum Way {
    /// By a password that both know, at its place.
    Password {
        /// It.
        password: Password,
        /// Wait where the sender is not there yet.
        wait: bool,
    },
    /// By a channel that was agreed on with another user.
    Agreed(Rendezvous),
}

/// What a receiver hears meanwhile.
#[derive(Debug)]
pub enum RecvEvent {
    /// The sender is waited for.
    Waiting,
    /// It knows the code, too.
    Known,
    /// Chunks come, from this byte of the batch's stream on.
    Begun {
        /// The byte.
        from: u64,
        /// By this way.
        way: letter::Way,
    },
}

/// Decides on what is offered: a sink for it, or why not.
pub trait Decide {
    /// The decision.
    fn decide(&mut self, offer: &Offer, manifest: &Manifest) -> impl Future<Output = Result<Sink, String>> + Send;
}

/// Receives a batch.
///
/// # Errors
/// See [`ChannelError`]; the sender is told of what happened here.
pub async fn receive(
    receiving: &Receiving,
    decide: &mut impl Decide,
    events: &mpsc::Sender<RecvEvent>,
    stop: &CancellationToken,
) -> Result<Finished, ChannelError> {
    let mut control = match &receiving.by {
        Way::Agreed(rendezvous) => rendezvous.reach(&receiving.relays, receiving.patience).await?,
        // The same small number is somebody else's at another relay, and a guess there is somebody else's loss.
        Way::Password { password, .. } if password.place().is_of_one_relay() => {
            Connection::open_preferred(&receiving.relays, receiving.patience).await?
        }
        Way::Password { .. } => Connection::open(&receiving.relays, receiving.patience).await?,
    };
    let mut terminal = Terminal { receiving, events, sink: None };
    let ended = tokio::select! {
        ended = terminal.run(&mut control, decide) => ended,
        () = stop.cancelled() => Err(ChannelError::Stopped),
    };
    let reason = match &ended {
        Ok(_) => Reason::Done,
        Err(ChannelError::Stopped) => Reason::Cancelled,
        Err(ChannelError::Declined(_)) => Reason::Declined,
        Err(_) => Reason::Failed,
    };
    control.say_farewell(reason, receiving.patience).await;
    if let Some(sink) = terminal.sink {
        // What is durable is kept where there is a record, whatever else the disk says.
        let _ = sink.suspend().await;
    }
    ended
}

struct Terminal<'a> {
    receiving: &'a Receiving,
    events: &'a mpsc::Sender<RecvEvent>,
    sink: Option<Sink>,
}

impl Terminal<'_> {
    async fn run(&mut self, control: &mut Connection, decide: &mut impl Decide) -> Result<Finished, ChannelError> {
        let (known, seat) = match &self.receiving.by {
            Way::Agreed(rendezvous) => self.by_account(control, rendezvous).await?,
            Way::Password { password, wait } => {
                let known = self.meet_anywhere(control, password, *wait).await?;
                let door = Door { channel: known.pass.channel, key: known.pass.key.clone(), role: Role::Receiver };
                door.enter(control);
                (known, Peer::SENDER)
            }
        };
        self.hear(RecvEvent::Known).await;
        Session::new(self, control, &known, seat).run(control, decide).await
    }

    async fn hear(&self, event: RecvEvent) {
        // Whoever does not want to hear has dropped the other end.
        let _ = self.events.send(event).await;
    }
}
