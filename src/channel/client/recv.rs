//! The receiver (step 8): meets the sender, decides, takes the chunks, verifies, puts into place.

use std::{sync::Arc, time::Duration};

use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    fault::ChannelError,
    inlet::{self, Arrived, InletError, QUEUE},
    relay::{Connection, RelayError},
    sealed::Sealed,
    seat::Door,
};
use crate::{
    channel::{
        Peer,
        pake::{self, Password, Received, Step},
        session::{Receiver, ReceiverAction},
        wire::{Message, Reason, Role, letter::Offer, request::Meet},
    },
    clock,
    transfer::{Manifest, Sink, seal::ChunkOpener, sink::Finished},
};

/// From whom, and how.
#[derive(Debug)]
pub struct Receiving {
    /// Where the relay is, `host:port`, in order of preference.
    pub relays: Vec<String>,
    /// How long one address may take to answer.
    pub patience: Duration,
    /// What both know.
    pub password: Password,
    /// Wait where the sender is not there yet.
    pub wait: bool,
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
    let mut control = Connection::open(&receiving.relays, receiving.patience).await?;
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
        let Received { pairwise, pass } = self.meet(control).await?;
        self.hear(RecvEvent::Known).await;
        let door = Door { channel: pass.channel, key: pass.key.clone(), role: Role::Receiver };
        door.enter(control);
        let mut session = Receiver::default();
        let mut sealed = Sealed::new(&pairwise, pass.transfer, Role::Receiver);
        let opener = Arc::new(ChunkOpener::new(&pass.content.bind(pass.channel, &pass.key), &pass.chunks()));
        let (give, mut chunks) = mpsc::channel::<Arrived>(QUEUE);
        let mut give = Some(give);
        let mut connections = JoinSet::new();
        let (mut seat, mut offered, mut finished, mut arrived) = (Peer::SENDER, None::<Offer>, None, None);
        loop {
            while let Some(action) = session.poll_action(clock::now()) {
                match action {
                    ReceiverAction::Tell(letter) => {
                        control.until_room().await?;
                        let body = sealed.seal(&letter).map_err(|error| ChannelError::Protocol(error.to_string()))?;
                        control.tell(&Message::Letter { peer: Peer::SENDER, body });
                    }
                    ReceiverAction::Ask { offer, manifest } => {
                        let answer = self.decided(control, &mut session, &mut sealed, decide.decide(&offer, &manifest)).await?;
                        let answer = answer.map(|sink| {
                            let from = sink.state().written;
                            self.sink = Some(sink);
                            from
                        });
                        if let Ok(from) = answer {
                            self.hear(RecvEvent::Begun { from }).await;
                            let (door, address, patience) = (door.clone(), control.address().to_owned(), self.receiving.patience);
                            let (streams, chunk, opener, give) = (offer.streams, offer.chunk, Arc::clone(&opener), give.take());
                            connections.spawn(async move {
                                let Some(give) = give else { return Err(ChannelError::Stopped) };
                                let joined = door.join_all(&address, patience, seat, streams, &[]).await?;
                                let mut taking = JoinSet::new();
                                for (stream, first) in joined {
                                    taking.spawn(inlet::take(stream, first, chunk, Arc::clone(&opener), give.clone()));
                                }
                                while let Some(taken) = taking.join_next().await {
                                    taken.unwrap_or(Ok::<(), InletError>(()))?;
                                }
                                Ok(())
                            });
                        }
                        offered = Some(offer);
                        session.handle_answer(answer);
                    }
                    ReceiverAction::Write(bytes) => {
                        let Some(sink) = &mut self.sink else { return Err(ChannelError::Stopped) };
                        if let Err(error) = sink.write(bytes).await {
                            return Err(self.failed(control, &mut session, &mut sealed, error.into()).await);
                        }
                    }
                    ReceiverAction::Verify(trailer) => {
                        let Some(sink) = self.sink.take() else { return Err(ChannelError::Stopped) };
                        match sink.finish(Some(trailer)).await {
                            Ok(done) => {
                                finished = Some(done);
                                session.handle_verified();
                            }
                            Err(error) => return Err(self.failed(control, &mut session, &mut sealed, error.into()).await),
                        }
                    }
                    ReceiverAction::Over(how) => {
                        control.flush().await?;
                        return how.map_err(ChannelError::of).and_then(|()| finished.ok_or(ChannelError::Stopped));
                    }
                }
            }
            if let Some(sink) = &self.sink {
                session.handle_durable(sink.state().durable);
            }
            let timeout = session.next_timeout().map(Instant::from_std);
            tokio::select! {
                message = control.next() => match message? {
                    Message::Entered(entered) => seat = entered.seat,
                    Message::Letter { peer: Peer::SENDER, body } => match sealed.open(&body) {
                        Ok(letter) => session.handle_letter(letter),
                        Err(error) => return Err(self.failed(control, &mut session, &mut sealed, error.into()).await),
                    },
                    Message::Gone(gone) if gone.peer == Peer::SENDER && seat != Peer::SENDER => return Err(ChannelError::Gone(gone.reason)),
                    Message::Letter { .. } | Message::Gone(_) | Message::Met(_) | Message::Pace(_) => {}
                    other => return Err(RelayError::unexpected(&other).into()),
                },
                chunk = chunks.recv(), if offered.is_some() => match chunk {
                    // Its failure is the session's, which ends by it.
                    Some((header, plain)) => drop(session.check(&header).and_then(|()| session.handle_chunk(&header, plain))),
                    None => offered = None,
                },
                taken = connections.join_next(), if !connections.is_empty() => {
                    if let Some(Ok(Err(error))) = taken {
                        arrived = Some(error);
                    }
                }
                () = async { match timeout { Some(at) => sleep_until(at).await, None => std::future::pending().await } } => {}
            }
            match arrived.take() {
                // That the sender is gone is told by the relay, with the reason.
                None | Some(ChannelError::Broken(_) | ChannelError::Relay(_)) => {}
                Some(error) => return Err(self.failed(control, &mut session, &mut sealed, error).await),
            }
        }
    }

    /// The decision. A person takes as long as it takes: meanwhile the relay is answered, and the sender heard.
    async fn decided(
        &self,
        control: &mut Connection,
        session: &mut Receiver,
        sealed: &mut Sealed,
        decision: impl Future<Output = Result<Sink, String>>,
    ) -> Result<Result<Sink, String>, ChannelError> {
        let mut decision = std::pin::pin!(decision);
        loop {
            tokio::select! {
                decided = &mut decision => return Ok(decided),
                message = control.next() => match message? {
                    Message::Letter { peer: Peer::SENDER, body } => session.handle_letter(sealed.open(&body)?),
                    Message::Gone(gone) if gone.peer == Peer::SENDER => return Err(ChannelError::Gone(gone.reason)),
                    _ => {}
                },
            }
        }
    }

    /// Finds the sender, and comes to a key with it.
    async fn meet(&mut self, control: &mut Connection) -> Result<Received, ChannelError> {
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

    /// Tells the sender what happened here, and gives it back.
    async fn failed(&self, control: &mut Connection, session: &mut Receiver, sealed: &mut Sealed, error: ChannelError) -> ChannelError {
        session.handle_failure(error.told());
        while let Some(action) = session.poll_action(clock::now()) {
            if let ReceiverAction::Tell(letter) = action
                && let Ok(body) = sealed.seal(&letter)
            {
                control.tell(&Message::Letter { peer: Peer::SENDER, body });
            }
        }
        // That the sender may not hear of it changes nothing here.
        let _ = control.flush().await;
        error
    }

    async fn hear(&self, event: RecvEvent) {
        // Whoever does not want to hear has dropped the other end.
        let _ = self.events.send(event).await;
    }
}
