//! The sender in the channel, from entering to the end.

use std::{future::pending, io::ErrorKind};

use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Decide, RecvEvent, Terminal,
    download::{By, Download},
};
use crate::{
    channel::{
        Peer,
        client::{
            direct::{Dialling, Unreached, over, soon},
            fault::ChannelError,
            inlet::{Arrivals, Inlet},
            relay::{Connection, RelayError, Relays},
            sealed::Sealed,
            seat::Door,
        },
        pake::Received,
        session::{Intake, Receiver, ReceiverAction},
        wire::{
            Message, Role,
            letter::{Letter, Offer, Way},
        },
    },
    clock,
    transfer::{Manifest, Trailer, seal::ChunkOpener, sink::Finished},
};

/// See the [module](self).
pub(super) struct Session<'a, 't> {
    terminal: &'a mut Terminal<'t>,
    door: Door,
    /// Ours; the sender's until the relay has said which it is.
    seat: Peer,
    machine: Receiver,
    sealed: Sealed,
    /// Until chunks are asked for.
    opener: Option<ChunkOpener>,
    /// From then on.
    arrivals: Option<Arrivals>,
    /// The data connections have ended.
    ended: bool,
    /// Dropping it ends what is in it.
    connections: JoinSet<Result<(), ChannelError>>,
    finished: Option<Finished>,
    /// The direct way, while it is looked for.
    dialling: Option<Dialling>,
    way: Way,
    /// A data connection broke: until then the reason may come by the relay.
    broken: Option<(Instant, ChannelError)>,
}

impl<'a, 't> Session<'a, 't> {
    /// In the channel of the pass, or on the way into it: then `seat` is the sender's.
    pub(super) fn new(terminal: &'a mut Terminal<'t>, control: &Connection, known: &Received, seat: Peer) -> Self {
        let Received { pairwise, pass } = known;
        let door = Door { channel: pass.channel, key: pass.key.clone(), role: Role::Receiver };
        let (ways, patience) = (control.ways(terminal.receiving.ways), terminal.receiving.patience);
        Self {
            terminal,
            door,
            seat,
            machine: Receiver::default(),
            sealed: Sealed::new(pairwise, pass.transfer, Role::Receiver),
            opener: Some(ChunkOpener::new(&pass.content.bind(pass.channel, &pass.key), &pass.chunks())),
            arrivals: None,
            ended: false,
            connections: JoinSet::new(),
            finished: None,
            dialling: (ways.may_be_direct() && !pass.direct.is_empty()).then(|| {
                let patience = (!ways.may_be_relayed()).then_some(patience);
                Dialling::begin(&pass.direct, pairwise.clone(), patience)
            }),
            way: Way::Relay,
            broken: None,
        }
    }

    /// Hears what is offered, has it decided on, and takes it.
    pub(super) async fn run(mut self, control: &mut Connection, decide: &mut impl Decide) -> Result<Finished, ChannelError> {
        loop {
            while let Some(action) = self.machine.poll_action(clock::now()) {
                match action {
                    ReceiverAction::Tell(letter) => {
                        control.until_room().await?;
                        self.tell(control, &letter)?;
                    }
                    ReceiverAction::Ask { offer, manifest } => self.ask(control, decide, &offer, &manifest).await?,
                    ReceiverAction::Verify(trailer) => self.verify(control, trailer).await?,
                    ReceiverAction::Over(how) => {
                        control.flush().await?;
                        return how.map_err(ChannelError::of).and_then(|()| self.finished.ok_or(ChannelError::Stopped));
                    }
                }
            }
            if let Some(sink) = &self.terminal.sink {
                self.machine.handle_durable(sink.state().durable);
            }
            let timeout = self.machine.next_timeout().map(Instant::from_std);
            tokio::select! {
                message = control.next() => match message? {
                    Message::Entered(entered) => self.seat = entered.seat,
                    Message::Letter { peer: Peer::SENDER, body } => match self.sealed.open(&body) {
                        Ok(letter) => self.machine.handle_letter(letter),
                        Err(error) => return Err(self.failed(control, error.into()).await),
                    },
                    Message::Gone(gone) if gone.peer == Peer::SENDER && self.seat != Peer::SENDER => return Err(ChannelError::Gone(gone.reason)),
                    Message::Letter { .. } | Message::Gone(_) | Message::Met(_) | Message::Pace(_) => {}
                    other => return Err(RelayError::unexpected(&other).into()),
                },
                landed = async { match &mut self.arrivals { Some(arrivals) => arrivals.next().await, None => pending().await } } => {
                    self.machine.handle_landed(landed);
                }
                Some(taken) = self.connections.join_next() => match taken.unwrap_or(Ok(())) {
                    Ok(()) => self.ended = true,
                    // Through the relay only somebody between cuts a chunk where nobody is gone.
                    Err(ChannelError::Broken(error)) if self.way == Way::Relay && error.kind() == ErrorKind::UnexpectedEof => self.ended = true,
                    // That the sender is gone is told by the relay, with the reason.
                    Err(error @ (ChannelError::Broken(_) | ChannelError::Relay(_))) => self.broken = Some(soon(error)),
                    Err(error) => return Err(self.failed(control, error).await),
                },
                error = over(&mut self.broken) => return Err(self.failed(control, error).await),
                () = async { match timeout { Some(at) => sleep_until(at).await, None => pending().await } } => {}
            }
            if let Some(arrivals) = self.arrivals.as_ref().filter(|_| self.ended) {
                self.machine.handle_landed(arrivals.latest());
                self.machine.handle_chunks_ended(clock::now());
            }
        }
    }

    /// Has it decided on; where it is wanted, chunks are asked for.
    async fn ask(
        &mut self,
        control: &mut Connection,
        decide: &mut impl Decide,
        offer: &Offer,
        manifest: &Manifest,
    ) -> Result<(), ChannelError> {
        let mut dialling = self.dialling.take();
        let mut direct = None;
        if !self.terminal.receiving.ways.may_be_relayed() {
            // Before anybody is asked about what cannot come.
            match self.decided(control, settle(dialling.take(), offer.streams)).await? {
                Ok(connections) => direct = Some(connections),
                Err(unreached) => return Err(self.failed(control, ChannelError::Unreached(unreached.to_string())).await),
            }
        }
        let decision = async {
            let sink = decide.decide(offer, manifest).await?;
            if dialling.is_some() {
                direct = settle(dialling, offer.streams).await.inspect_err(|why| tracing::info!(%why, "not directly")).ok();
            }
            Ok((sink, direct))
        };
        let answer = match self.decided(control, decision).await? {
            Ok((sink, direct)) => {
                let from = sink.state().written;
                let Some(opener) = self.opener.take() else { return Err(ChannelError::Stopped) };
                let intake = Intake::new(from, manifest.total(), offer.chunk, offer.streams);
                let (inlet, arrivals) = Inlet::new(opener, offer.chunk, intake, sink.writer());
                self.way = if direct.is_some() { Way::Direct } else { Way::Relay };
                (self.terminal.sink, self.arrivals) = (Some(sink), Some(arrivals));
                self.terminal.hear(RecvEvent::Begun { from, way: self.way }).await;
                self.take(control.here(), offer.streams, inlet, direct);
                Ok((from, self.way))
            }
            Err(why) => Err(why),
        };
        self.machine.handle_answer(answer);
        Ok(())
    }

    fn take(&mut self, relay: &Relays, streams: u8, inlet: Inlet, direct: Option<Vec<TcpStream>>) {
        let by = match direct {
            Some(connections) => By::Direct(connections),
            None => By::Relay {
                relay: relay.clone(),
                door: self.door.clone(),
                seat: self.seat,
                streams,
                patience: self.terminal.receiving.patience,
            },
        };
        self.connections.spawn(Download { by, inlet }.run());
    }

    /// The decision. A person takes as long as it takes: meanwhile the relay is answered, and the sender heard.
    async fn decided<T>(&mut self, control: &mut Connection, decision: impl Future<Output = T>) -> Result<T, ChannelError> {
        let mut decision = std::pin::pin!(decision);
        loop {
            tokio::select! {
                decided = &mut decision => return Ok(decided),
                message = control.next() => match message? {
                    Message::Letter { peer: Peer::SENDER, body } => self.machine.handle_letter(self.sealed.open(&body)?),
                    Message::Gone(gone) if gone.peer == Peer::SENDER => return Err(ChannelError::Gone(gone.reason)),
                    _ => {}
                },
            }
        }
    }

    async fn verify(&mut self, control: &mut Connection, trailer: Trailer) -> Result<(), ChannelError> {
        let Some(sink) = self.terminal.sink.take() else { return Err(ChannelError::Stopped) };
        tracing::debug!(inversions = self.machine.inversions(), "all chunks have come, so many of them in another order");
        match sink.finish(Some(trailer)).await {
            Ok(done) => {
                self.finished = Some(done);
                self.machine.handle_verified();
                Ok(())
            }
            Err(error) => Err(self.failed(control, error.into()).await),
        }
    }

    fn tell(&mut self, control: &mut Connection, letter: &Letter) -> Result<(), ChannelError> {
        let body = self.sealed.seal(letter).map_err(|error| ChannelError::Protocol(error.to_string()))?;
        control.tell(&Message::Letter { peer: Peer::SENDER, body });
        Ok(())
    }

    /// Tells the sender what happened here, and gives it back.
    async fn failed(&mut self, control: &mut Connection, error: ChannelError) -> ChannelError {
        self.machine.handle_failure(error.told());
        while let Some(action) = self.machine.poll_action(clock::now()) {
            if let ReceiverAction::Tell(letter) = action {
                // A letter that cannot be sealed is not missed: the sender hears that we have left.
                let _ = self.tell(control, &letter);
            }
        }
        // That the sender may not hear of it changes nothing here.
        let _ = control.flush().await;
        error
    }
}

/// The direct connections, once they are there.
async fn settle(dialling: Option<Dialling>, streams: u8) -> Result<Vec<TcpStream>, Unreached> {
    match dialling {
        Some(dialling) => dialling.settle(streams).await,
        None => Err(Unreached::default()),
    }
}
