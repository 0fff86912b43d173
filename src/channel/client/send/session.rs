//! One receiver in the channel, from its entering to its end.

use std::{net::SocketAddr, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use tokio::{
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{Known, SendEvent, Sending, Terminal, upload::By};
use crate::{
    channel::{
        Peer,
        client::{
            direct::{Dialling, Serving, Unreached, over, soon},
            fault::ChannelError,
            outlet::{Sent, chunk_of},
            relay::{Connection, RelayError},
            sealed::Sealed,
            seat::Door,
        },
        handover,
        session::{Sender, SenderAction},
        wire::{
            Message, Role,
            letter::{Compression, Letter, MAX_NAMES, Offer, Way},
        },
    },
    transfer::{Digest, Manifest, Policy, Trailer},
};

/// How long a receiver that has the pass may take to enter the channel: where it agreed on it with `--verify`, somebody reads words aloud.
const COMING: Duration = Duration::from_secs(300);

/// Our calls to a receiver that has named addresses. Dropping them ends them.
#[derive(Default)]
struct Calls {
    addresses: Vec<SocketAddr>,
    running: JoinSet<Result<Vec<TcpStream>, Unreached>>,
    ended: Option<Result<Vec<TcpStream>, Unreached>>,
}

/// See the [module](self).
pub(super) struct Session<'a> {
    terminal: &'a Terminal<'a>,
    known: &'a Known,
    door: Door,
    seat: Peer,
    machine: Sender,
    sealed: Sealed,
    limit: watch::Sender<u64>,
    /// Dropping it ends what is in it.
    uploading: JoinSet<Result<(Sent, Trailer), ChannelError>>,
    sent: Option<Sent>,
    /// Until the receiver has said by which way it comes.
    serving: Option<Serving>,
    calls: Calls,
    way: Way,
    /// A data connection broke: until then the reason may come by the relay.
    broken: Option<(Instant, ChannelError)>,
}

impl<'a> Session<'a> {
    /// Enters the channel of the pass, and waits for the receiver to enter it.
    pub(super) async fn enter(
        terminal: &'a Terminal<'a>,
        control: &mut Connection,
        known: &'a Known,
        serving: Option<Serving>,
    ) -> Result<Self, ChannelError> {
        let door = Door { channel: known.pass.channel, key: known.pass.key.clone(), role: Role::Sender };
        door.enter(control);
        let coming = timeout(COMING, receiver(control, known.met)).await;
        let seat = coming.unwrap_or(Err(ChannelError::Absent(COMING)))?;
        let manifest = terminal.sending.source.manifest();
        let json = Bytes::from(manifest.to_json());
        let calls = control.ways(terminal.sending.ways).may_be_direct();
        let machine = Sender::new(Offer { calls, ..offer(terminal.sending, manifest, &json) }, json);
        let limit = watch::Sender::new(machine.limit());
        let sealed = Sealed::new(&known.pairwise, known.pass.transfer, Role::Sender);
        let (uploading, sent, calls, way, broken) = (JoinSet::new(), None, Calls::default(), Way::Relay, None);
        Ok(Self { terminal, known, door, seat, machine, sealed, limit, uploading, sent, serving, calls, way, broken })
    }

    /// Hands the pass over to a receiver who has agreed on the channel, and knows nothing of it yet but number and key.
    pub(super) fn hand_over(&self, control: &mut Connection) -> Result<(), ChannelError> {
        let letter = handover::letter(&self.known.pairwise, &self.known.pass).map_err(|error| ChannelError::Protocol(error.to_string()))?;
        control.tell(&Message::Letter { peer: self.seat, body: letter.into() });
        Ok(())
    }

    /// Offers the batch, and sends it.
    pub(super) async fn run(mut self, control: &mut Connection) -> Result<Sent, ChannelError> {
        loop {
            while let Some(action) = self.machine.poll_action() {
                match action {
                    SenderAction::Tell(letter) => {
                        control.until_room().await?;
                        self.tell(control, &letter)?;
                    }
                    SenderAction::Call(addresses) => self.call(addresses, control.is_of_this_machine()),
                    SenderAction::Begin { from, way, packed } => self.begin(control, (from, packed), way).await?,
                    SenderAction::Over(how) => {
                        // Whether the last of our letters gets there changes nothing.
                        let _ = control.flush().await;
                        let skipped = self.machine.skipped();
                        let sent = self.sent.map(|sent| Sent { skipped, ..sent }).ok_or(ChannelError::Stopped);
                        return how.map_err(ChannelError::of).and(sent);
                    }
                }
            }
            tokio::select! {
                message = control.next() => self.handle_message(message?).await?,
                Some(done) = self.uploading.join_next() => {
                    self.handle_upload(control, done.unwrap_or(Err(ChannelError::Stopped))).await?;
                }
                Some(called) = self.calls.running.join_next() => {
                    let called = called.unwrap_or_else(|_| Err(Unreached::default()));
                    // What is behind which address here is nobody else's matter.
                    let why = called.as_ref().err().map(|unreached| {
                        tracing::info!(%unreached, "the receiver cannot be called");
                        format!("none of {} addresses answered as it", unreached.0.len())
                    });
                    self.machine.handle_called(why);
                    self.calls.ended = Some(called);
                }
                error = over(&mut self.broken) => return self.failed(control, error).await,
            }
        }
    }

    /// Calls the receiver, while it decides and may still get through to us.
    fn call(&mut self, addresses: Vec<SocketAddr>, here: bool) {
        let Sending { ways, patience, streams, .. } = self.terminal.sending;
        let patience = (!ways.may_be_relayed()).then_some(*patience);
        let dialling = Dialling::begin(&addresses, self.known.pairwise.clone(), Role::Sender, patience, here);
        self.calls.running.spawn(dialling.settle(*streams));
        self.calls.addresses = addresses;
    }

    /// The receiver wants it from this byte on, compressed or not, and comes by this way.
    async fn begin(&mut self, control: &mut Connection, (from, packed): (u64, bool), way: Way) -> Result<(), ChannelError> {
        let (serving, calls) = (self.serving.take(), std::mem::take(&mut self.calls));
        let by = match (way, serving, calls.ended) {
            (Way::Direct, Some(serving), _) => By::Direct(serving),
            (Way::Called, _, Some(Ok(connections))) => By::Called(connections),
            (Way::Relay, unused, ended) => {
                let tried = self.tried(&calls.addresses, ended.as_ref());
                if !self.terminal.sending.ways.may_be_relayed() {
                    return self.failed(control, ChannelError::Unreached(tried)).await;
                }
                if unused.is_some() {
                    tracing::info!(tried, "the receiver comes by the relay, though it was offered to come directly");
                }
                By::Relay { relay: control.here().clone(), door: self.door.clone(), seats: vec![self.seat] }
            }
            (Way::Direct | Way::Called, ..) => {
                let why = "the receiver comes directly, which nobody offered".to_owned();
                return self.failed(control, ChannelError::Protocol(why)).await;
            }
        };
        self.way = way;
        self.terminal.begun.cancel();
        let once = self.machine.keeps_nothing();
        self.terminal.once.store(once, Ordering::Relaxed);
        self.terminal.hear(SendEvent::Begun { from, way, once }).await;
        self.uploading.spawn(self.terminal.upload(by, &self.known.pass, from, packed, self.limit.subscribe()));
        Ok(())
    }

    /// What came of both ways to go directly, in words.
    fn tried(&self, called: &[SocketAddr], ended: Option<&Result<Vec<TcpStream>, Unreached>>) -> String {
        let offered: Vec<String> = self.known.pass.direct.iter().map(ToString::to_string).collect();
        let theirs = match &offered[..] {
            [] => "this machine has no address for the receiver to come to".to_owned(),
            offered => format!("the receiver came to none of {}", offered.join(", ")),
        };
        let ours = match ended {
            _ if called.is_empty() => "and named no address of its own".to_owned(),
            Some(Err(unreached)) => format!("and could not be called: {unreached}"),
            Some(Ok(_)) | None => "and did not wait to be called".to_owned(),
        };
        format!("{theirs}, {ours}")
    }

    async fn handle_message(&mut self, message: Message) -> Result<(), ChannelError> {
        match message {
            Message::Letter { peer, body } if peer == self.seat => match self.sealed.open(&body) {
                Ok(letter) => {
                    self.machine.handle_letter(letter);
                    self.terminal.progress.received.fetch_max(self.machine.received(), Ordering::Relaxed);
                    self.terminal.progress.durable.fetch_max(self.machine.durable(), Ordering::Relaxed);
                    self.terminal.sending.source.acknowledge(self.machine.durable());
                    self.limit.send_replace(self.machine.limit());
                }
                Err(error) => self.machine.handle_failure(ChannelError::from(error).told()),
            },
            Message::Pace(pace) if pace.seat == self.seat => {
                self.terminal.hear(SendEvent::Pace(Duration::from_millis(pace.waiting.into()))).await;
            }
            Message::Gone(gone) if gone.peer == self.seat => return Err(ChannelError::Gone(gone.reason)),
            Message::Letter { .. } | Message::Pace(_) | Message::Gone(_) | Message::Met(_) => {}
            other => return Err(RelayError::unexpected(&other).into()),
        }
        Ok(())
    }

    async fn handle_upload(&mut self, control: &mut Connection, done: Result<(Sent, Trailer), ChannelError>) -> Result<(), ChannelError> {
        match done {
            Ok((done, trailer)) => {
                self.sent = Some(done);
                self.machine.handle_sent(done.end, done.chunks, &trailer);
            }
            // That the receiver is gone is told by the relay, with the reason.
            Err(error @ (ChannelError::Broken(_) | ChannelError::Relay(_))) => self.broken = Some(soon(error)),
            Err(error) => return self.failed(control, error).await,
        }
        Ok(())
    }

    /// Tells the receiver what happened here, and gives it back.
    async fn failed<T>(&mut self, control: &mut Connection, error: ChannelError) -> Result<T, ChannelError> {
        self.machine.handle_failure(error.told());
        self.drain(control).await?;
        Err(error)
    }

    /// The last letters of a session that failed here.
    async fn drain(&mut self, control: &mut Connection) -> Result<(), ChannelError> {
        while let Some(action) = self.machine.poll_action() {
            if let SenderAction::Tell(letter) = action {
                self.tell(control, &letter)?;
            }
        }
        Ok(control.flush().await?)
    }

    fn tell(&mut self, control: &mut Connection, letter: &Letter) -> Result<(), ChannelError> {
        let body = self.sealed.seal(letter).map_err(|error| ChannelError::Protocol(error.to_string()))?;
        control.tell(&Message::Letter { peer: self.seat, body });
        Ok(())
    }
}

/// Waits for the receiver to enter the channel.
async fn receiver(control: &mut Connection, known: Option<Peer>) -> Result<Peer, ChannelError> {
    loop {
        match control.next().await? {
            Message::Entered(entered) => {
                if let Some(seat) = entered.present.iter().find(|seat| seat.is_receivers_seat()) {
                    return Ok(*seat);
                }
            }
            Message::Met(met) if met.peer.is_receivers_seat() => return Ok(met.peer),
            // Others may leave the place meanwhile, who are nothing to us.
            Message::Gone(gone) if gone.peer.is_receivers_seat() || Some(gone.peer) == known => {
                return Err(ChannelError::Gone(gone.reason));
            }
            Message::Gone(_) | Message::Met(_) | Message::Letter { .. } => {}
            other => return Err(RelayError::unexpected(&other).into()),
        }
    }
}

pub(super) fn offer(sending: &Sending, manifest: &Manifest, json: &Bytes) -> Offer {
    let roots = manifest.entries().iter().filter(|entry| !entry.path.as_str().contains('/'));
    Offer {
        content: sending.content,
        files: u32::try_from(manifest.files().len()).unwrap_or(u32::MAX),
        bytes: manifest.total(),
        names: roots.take(MAX_NAMES).map(|entry| entry.path.as_str().to_owned()).collect(),
        manifest: u32::try_from(json.len()).unwrap_or(u32::MAX),
        digest: Digest::blake3(json),
        chunk: u32::try_from(chunk_of(manifest.total(), sending.rate)).unwrap_or(u32::MAX),
        streams: sending.streams,
        compression: (sending.compress != Policy::Never).then_some(Compression::Zstd),
        sparse: sending.source.sparse(),
        calls: false,
    }
}
