//! The sender in the channel, from entering to the end.

use std::{future::pending, io::ErrorKind, time::Duration};

use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Decide, No, Placed, RecvEvent, Terminal,
    download::{By, Download, Taken},
    reach::{Reaching, Tell},
};
use crate::{
    channel::{
        Peer,
        attempt::Ending,
        client::{
            again::Resume,
            direct::{Opening, over, soon},
            fault::ChannelError,
            inlet::{Arrivals, Inlet},
            relay::{Connection, RelayError, Relays},
            sealed::Sealed,
            seat::Door,
        },
        pake::Received,
        session::{Intake, Receiver, ReceiverAction},
        wire::{
            Message, Reason, Role,
            letter::{Compression, Letter, Offer, Way},
            pass::Pass,
        },
    },
    clock,
    transfer::{Manifest, Sink, SinkWriter, Trailer, seal::ChunkOpener, sink::Finished},
};

/// After a break: how long the next chunks may take that are on their way here…
const QUIET: Duration = Duration::from_millis(500);
/// …and all of them.
const REST: Duration = Duration::from_secs(5);
/// How long the sender has to hear that all is in its place, and to leave.
const HEARING: Duration = Duration::from_secs(2);

/// See the [module](self).
pub(super) struct Session<'a, 't> {
    terminal: &'a mut Terminal<'t>,
    door: Door,
    pass: Pass,
    /// Ours; the sender's until the relay has said which it is.
    seat: Peer,
    machine: Receiver,
    sealed: Sealed,
    /// Until chunks are asked for.
    opener: Option<ChunkOpener>,
    /// From then on.
    arrivals: Option<Arrivals>,
    writes: Option<Writes>,
    /// The data connections have ended.
    ended: bool,
    /// Dropping it ends what is in it.
    connections: JoinSet<Taken>,
    /// The direct way, until it is decided.
    reaching: Option<Reaching>,
    /// What the sender says of its calls goes there.
    called: Option<Tell>,
    way: Way,
    /// A data connection broke: until then the reason may come by the relay.
    broken: Option<(Instant, ChannelError)>,
}

impl<'a, 't> Session<'a, 't> {
    /// In the channel of the pass, or on the way into it: then `seat` is the sender's.
    pub(super) fn new(terminal: &'a mut Terminal<'t>, control: &Connection, known: Received, seat: Peer) -> Self {
        let Received { pairwise, pass } = known;
        let door = Door { channel: pass.channel, key: pass.key.clone(), role: Role::Receiver };
        let (ways, patience) = (control.ways(terminal.receiving.ways), terminal.receiving.patience);
        let reaching = Some(Reaching::begin(&pass, pairwise.clone(), ways, patience, control.is_of_this_machine()));
        Self {
            terminal,
            door,
            seat,
            machine: Receiver::default(),
            sealed: Sealed::new(&pairwise, pass.transfer, Role::Receiver),
            opener: Some(ChunkOpener::new(&pass.content.bind(pass.channel, &pass.key), &pass.chunks())),
            pass,
            arrivals: None,
            writes: None,
            ended: false,
            connections: JoinSet::new(),
            reaching,
            called: None,
            way: Way::Relay,
            broken: None,
        }
    }

    /// Hears what is offered, has it decided on, and takes it.
    pub(super) async fn run(mut self, control: &mut Connection, decide: &mut impl Decide) -> Result<Finished, ChannelError> {
        match self.work(control, decide).await {
            Ok(()) => self.told(control).await,
            Err(error) => {
                if matches!(error.ending(), Ending::Passing { .. }) {
                    self.take_the_rest().await;
                }
                Err(error)
            }
        }
    }

    async fn work(&mut self, control: &mut Connection, decide: &mut impl Decide) -> Result<(), ChannelError> {
        loop {
            while let Some(action) = self.machine.poll_action(clock::now()) {
                match action {
                    ReceiverAction::Tell(letter) => {
                        control.until_room().await?;
                        self.tell(control, &letter)?;
                    }
                    ReceiverAction::Ask { offer, manifest } => Box::pin(self.ask(control, decide, &offer, &manifest)).await?,
                    ReceiverAction::Verify(trailer) => self.verify(control, trailer).await?,
                    ReceiverAction::Over(Ok(())) => return Ok(()),
                    ReceiverAction::Over(Err(failure)) => {
                        // Whether the last of our letters gets there changes nothing.
                        let _ = control.flush().await;
                        return Err(ChannelError::of(failure));
                    }
                }
            }
            if let Some(sink) = &self.terminal.sink {
                self.machine.handle_durable(sink.state().durable);
            }
            let due = self.machine.next_timeout().map(Instant::from_std);
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
                    Err((ChannelError::Broken(error), _)) if self.way == Way::Relay && error.kind() == ErrorKind::UnexpectedEof => {
                        self.ended = true;
                    }
                    // That the sender is gone is told by the relay, with the reason.
                    Err((error @ (ChannelError::Broken(_) | ChannelError::Relay(_)), _)) => self.broken = Some(soon(error)),
                    // Once they are cut the relay lets nobody hear from us any more.
                    Err((error, cut)) => {
                        self.terminal.uncut = cut;
                        return Err(self.failed(control, error).await);
                    }
                },
                () = at(due) => {}
                error = over(&mut self.broken) => return Err(self.failed(control, error).await),
            }
            if let Some(arrivals) = self.arrivals.as_ref().filter(|_| self.ended) {
                self.machine.handle_landed(arrivals.latest());
                self.machine.handle_chunks_ended(clock::now());
            }
        }
    }

    /// Has it decided on, unless it was before a break; where it is wanted, chunks are asked for.
    async fn ask(
        &mut self,
        control: &mut Connection,
        decide: &mut impl Decide,
        offer: &Offer,
        manifest: &Manifest,
    ) -> Result<(), ChannelError> {
        let stands = match self.stand(manifest).await {
            Ok(stands) => stands,
            Err(error) => return Err(self.failed(control, error).await),
        };
        let Some(mut reaching) = self.reaching.take() else { return Err(ChannelError::Stopped) };
        self.listen(control, &mut reaching, offer.streams).await?;
        let (mut reaching, mut direct) = (Some(reaching), None);
        if !self.terminal.receiving.ways.may_be_relayed()
            && let Some(reaching) = reaching.take()
        {
            // Before anybody is asked about what cannot come.
            match self.decided(control, reaching.settle(offer.streams)).await? {
                Ok(connections) => direct = Some(connections),
                Err(why) => return Err(self.failed(control, ChannelError::Unreached(why)).await),
            }
        }
        let resume = Resume::of(&self.pass, control, &self.terminal.receiving.relays);
        let begins = match stands {
            Some(from) => Ok(from),
            // It is ours from here on, whatever comes between.
            None => match self.decided(control, decide.decide(offer, manifest, &resume)).await? {
                Ok(sink) => {
                    let from = sink.state().written;
                    self.terminal.sink = Some(sink);
                    Ok(from)
                }
                Err(No::Declined(why)) => Err(why),
                Err(No::Unfit(error)) => return Err(self.failed(control, error).await),
            },
        };
        if begins.is_ok()
            && let Some(reaching) = reaching.take()
        {
            let settled = self.decided(control, reaching.settle(offer.streams)).await?;
            direct = settled.inspect_err(|why| tracing::info!(%why, "not directly")).ok();
        }
        let answer = match begins {
            Ok(from) => {
                let Some(opener) = self.opener.take() else { return Err(ChannelError::Stopped) };
                if self.terminal.sink.as_ref().is_some_and(|sink| sink.record().is_none()) {
                    self.machine.keep_nothing();
                }
                let writer = self.terminal.sink.as_ref().map(Sink::writer);
                let intake = Intake::new(from, manifest.total(), offer.chunk, offer.streams);
                let (inlet, arrivals) =
                    Inlet::new(opener, offer.chunk, offer.compression == Some(Compression::Zstd), intake, writer.clone());
                (self.arrivals, self.writes) = (Some(arrivals), writer.map(Writes));
                self.way = direct.as_ref().map_or(Way::Relay, |(way, _)| *way);
                self.terminal.begun.cancel();
                self.terminal.hear(RecvEvent::Begun { from, way: self.way }).await;
                self.take(control.here(), offer.streams, inlet, direct.map(|(_, connections)| connections));
                Ok((from, self.way))
            }
            Err(why) => Err(why),
        };
        self.machine.handle_answer(answer);
        Ok(())
    }

    /// Tells a sender that calls where to, unless we have got through to it by now.
    async fn listen(&mut self, control: &mut Connection, reaching: &mut Reaching, streams: u8) -> Result<(), ChannelError> {
        if !self.machine.may_be_called() {
            return Ok(());
        }
        let opening = Opening::at(control, &self.pass.relays, self.terminal.receiving.ways, streams);
        let Some((addresses, tell)) = self.decided(control, reaching.open(&opening)).await? else { return Ok(()) };
        self.called = Some(tell);
        self.machine.handle_listening(addresses);
        while let Some(letter) = self.machine.take_letter() {
            control.until_room().await?;
            self.tell(control, &letter)?;
        }
        Ok(())
    }

    /// From where it goes on after a break; none where nothing has begun in this process.
    async fn stand(&mut self, manifest: &Manifest) -> Result<Option<u64>, ChannelError> {
        if let Some(placed) = &self.terminal.placed {
            return if placed.manifest == *manifest { Ok(Some(placed.bytes)) } else { Err(ChannelError::OtherBatch) };
        }
        let Some(sink) = &mut self.terminal.sink else { return Ok(None) };
        if *sink.manifest() != *manifest {
            return Err(ChannelError::OtherBatch);
        }
        Ok(Some(sink.checkpoint().await?))
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
                    Message::Letter { peer: Peer::SENDER, body } => {
                        self.machine.handle_letter(self.sealed.open(&body)?);
                        if let Some(called) = self.machine.called()
                            && let Some(tell) = self.called.take()
                        {
                            // Who wanted to know may have got through meanwhile.
                            let _ = tell.send(called.map_err(str::to_owned));
                        }
                    }
                    Message::Gone(gone) if gone.peer == Peer::SENDER => return Err(ChannelError::Gone(gone.reason)),
                    _ => {}
                },
            }
        }
    }

    async fn verify(&mut self, control: &mut Connection, trailer: Trailer) -> Result<(), ChannelError> {
        if self.terminal.placed.is_none() {
            let Some(sink) = self.terminal.sink.take() else { return Err(ChannelError::Stopped) };
            tracing::debug!(inversions = self.machine.inversions(), "all chunks have come, so many of them in another order");
            let (manifest, bytes) = (sink.manifest().clone(), sink.state());
            match sink.finish(Some(trailer)).await {
                Ok(finished) => self.terminal.placed = Some(Placed { manifest, bytes: bytes.written, finished }),
                Err(error) => return Err(self.failed(control, error.into()).await),
            }
        }
        let left = |placed: &Placed| placed.finished.files.iter().filter(|file| file.digest.is_none()).count();
        let skipped = self.terminal.placed.as_ref().map_or(0, left);
        self.machine.handle_verified(u32::try_from(skipped).unwrap_or(u32::MAX));
        Ok(())
    }

    /// All is in its place: the sender is to know it. By its leaving it shows that it does; what breaks before that is gone on with.
    async fn told(self, control: &mut Connection) -> Result<Finished, ChannelError> {
        let leaves = async {
            loop {
                match control.next().await? {
                    Message::Gone(gone) if gone.peer == Peer::SENDER && gone.reason == Reason::Done => return Ok(()),
                    Message::Gone(gone) if gone.peer == Peer::SENDER => return Err(ChannelError::Gone(gone.reason)),
                    _ => {}
                }
            }
        };
        match timeout(HEARING, leaves).await {
            Ok(Ok(())) | Err(_) => self.terminal.placed.take().map(|placed| placed.finished).ok_or(ChannelError::Stopped),
            Ok(Err(error)) => Err(error),
        }
    }

    /// After a break: what has come as far as this machine need not come again.
    async fn take_the_rest(&mut self) {
        let Self { connections, arrivals: Some(arrivals), .. } = self else { return };
        let rest = async {
            let mut before = arrivals.latest();
            // Threads that stand still have nothing more to take.
            while timeout(QUIET, connections.join_next()).await.is_err() {
                let now = arrivals.latest();
                if now == std::mem::replace(&mut before, now) {
                    return;
                }
            }
        };
        // Whatever is left is sent again.
        let _ = timeout(REST, rest).await;
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

/// What the data connections write by. Once this is dropped nothing is written any more, though a thread may still have a chunk: the next attempt
/// begins where this one has ended.
struct Writes(SinkWriter);

impl Drop for Writes {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// At a moment; never where there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
