//! The sender (steps 5 to 7): a channel, a code, a receiver that knows it, and the batch.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    fault::ChannelError,
    outlet::{self, OutletError, Sent},
    relay::{Connection, RelayError},
    sealed::Sealed,
    seat::Door,
};
use crate::{
    channel::{
        Code, Nameplate, Peer, Place,
        code::CodeError,
        keys::{ContentKey, Pairwise, ResumeSecret},
        pake::{self, Password, Step},
        session::{Sender, SenderAction},
        wire::{
            Message, Reason, Role,
            answer::Allocated,
            letter::{Content, MAX_NAMES, Offer},
            pass::{Pass, TransferId},
            request::{Apply, Meet, Wanted},
        },
    },
    clock,
    transfer::{
        CHUNK, Digest, Manifest, Source,
        seal::{ChunkSealer, Cipher},
    },
};

/// What is sent, and how.
#[derive(Debug)]
pub struct Sending {
    /// The batch.
    pub source: Source,
    /// Files, or a text to be shown.
    pub content: Content,
    /// Where the relay is, `host:port`, in order of preference.
    pub relays: Vec<String>,
    /// How long one address may take to answer.
    pub patience: Duration,
    /// The code.
    pub secret: Secret,
    /// Data connections, from 1 to 16.
    pub streams: u8,
    /// Most bytes a second.
    pub rate: Option<NonZeroU64>,
}

/// What the receiver has to know.
#[derive(Debug)]
pub enum Secret {
    /// A code that is drawn, with so many words.
    Drawn {
        /// Words, from 2 to 8.
        words: usize,
    },
    /// A code that was chosen.
    Chosen(Code),
}

/// What a sender hears meanwhile.
#[derive(Debug)]
pub enum SendEvent {
    /// This is the code; a receiver is waited for.
    Code(Code),
    /// A receiver knows the code, and decides.
    Offered,
    /// It wants it, from this byte of the batch's stream on.
    Begun {
        /// The byte.
        from: u64,
    },
    /// For so much of the last second bytes waited for the receiver.
    Pace(Duration),
}

/// How far it is, readable at any time.
#[derive(Debug, Default)]
pub struct Progress {
    sent: Arc<AtomicU64>,
    received: AtomicU64,
}

impl Progress {
    /// Up to which byte of the batch's stream the own kernel has taken it.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// And the receiver.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// Sends a batch to one receiver who knows the code. `events` that nobody takes hold it up.
///
/// # Errors
/// See [`ChannelError`]; the receiver is told of what happened here.
pub async fn send(
    sending: &Sending,
    events: &mpsc::Sender<SendEvent>,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Sent, ChannelError> {
    let mut control = Connection::open(&sending.relays, sending.patience).await?;
    let mut sender = Terminal { sending, events, progress, rng: ChaCha12Rng::from_seed(clock::seed()) };
    let ended = tokio::select! {
        ended = sender.run(&mut control) => ended,
        () = stop.cancelled() => Err(ChannelError::Stopped),
    };
    let reason = match &ended {
        Ok(_) => Reason::Done,
        Err(ChannelError::Stopped) => Reason::Cancelled,
        Err(_) => Reason::Failed,
    };
    control.say_farewell(reason, sending.patience).await;
    ended
}

struct Terminal<'a> {
    sending: &'a Sending,
    events: &'a mpsc::Sender<SendEvent>,
    progress: &'a Progress,
    rng: ChaCha12Rng,
}

/// A receiver that knows the code.
struct Known {
    pairwise: Pairwise,
    pass: Pass,
}

impl Terminal<'_> {
    async fn run(&mut self, control: &mut Connection) -> Result<Sent, ChannelError> {
        let (allocated, code) = self.apply(control).await?;
        self.hear(SendEvent::Code(code.clone())).await;
        let known = self.meet(control, &allocated, &code).await?;
        let door = Door { channel: allocated.channel, key: allocated.key, role: Role::Sender };
        door.enter(control);
        let seat = self.receiver(control).await?;
        self.session(control, &door, seat, &known).await
    }

    /// Steps 2 and 3 of the second embodiment: the sender applies.
    async fn apply(&mut self, control: &mut Connection) -> Result<(Allocated, Code), ChannelError> {
        let nameplate = match &self.sending.secret {
            Secret::Drawn { .. } => Wanted::Any(true),
            Secret::Chosen(code) => Wanted::This(code.nameplate()),
        };
        let kind = (self.sending.content == Content::Text).then(|| "text".to_owned());
        control.tell(&Message::Apply(Apply { ticket: None, peer: None, kind, receivers: 1, nameplate: Some(nameplate) }));
        let allocated = match control.next().await? {
            Message::Allocated(allocated) => allocated,
            other => return Err(RelayError::unexpected(&other).into()),
        };
        let code = match &self.sending.secret {
            Secret::Drawn { words } => self.draw(allocated.nameplate, *words)?,
            Secret::Chosen(code) => code.clone(),
        };
        Ok((allocated, code))
    }

    fn draw(&mut self, nameplate: Option<Nameplate>, words: usize) -> Result<Code, ChannelError> {
        let nameplate = nameplate.ok_or_else(|| ChannelError::Protocol("the relay gave no nameplate".to_owned()))?;
        Code::draw(nameplate, words, &mut self.rng).map_err(|error: CodeError| ChannelError::Protocol(error.to_string()))
    }

    /// Waits for a receiver that shows that it knows the code.
    async fn meet(&mut self, control: &mut Connection, allocated: &Allocated, code: &Code) -> Result<Known, ChannelError> {
        let password = Password::of_code(code);
        let place = Place::Nameplate(code.nameplate());
        control.tell(&Message::Meet(Meet { place, role: Role::Sender, wait: true }));
        // One at a time: a code has one guess, and whoever comes while it is being made waits.
        let mut exchange: Option<(Peer, pake::Sender)> = None;
        loop {
            match control.next().await? {
                Message::Letter { peer, body } => {
                    let (at, machine) = exchange.get_or_insert_with(|| (peer, pake::Sender::new(&password)));
                    if *at != peer {
                        continue;
                    }
                    match machine.handle_letter(&body, &mut self.rng) {
                        Ok(Step::Send(letter)) => control.tell(&Message::Letter { peer, body: letter.into() }),
                        Ok(Step::Agreed(agreed)) => {
                            let pass = self.pass(allocated);
                            let (pairwise, letter) = agreed.letter(&pass).map_err(|error| ChannelError::Protocol(error.to_string()))?;
                            control.tell(&Message::Letter { peer, body: letter.into() });
                            control.tell(&Message::Spent { guess: None });
                            return Ok(Known { pairwise, pass });
                        }
                        Err(error) if error.spends() => {
                            control.tell(&Message::Spent { guess: Some(peer) });
                            return Err(error.into());
                        }
                        // Nothing was guessed: another may come.
                        Err(_) => exchange = None,
                    }
                }
                Message::Gone(gone) => exchange = exchange.filter(|(at, _)| *at != gone.peer),
                Message::Met(_) => {}
                other => return Err(RelayError::unexpected(&other).into()),
            }
        }
    }

    fn pass(&mut self, allocated: &Allocated) -> Pass {
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

    /// Waits for the receiver to enter the channel.
    async fn receiver(&mut self, control: &mut Connection) -> Result<Peer, ChannelError> {
        loop {
            match control.next().await? {
                Message::Entered(entered) => {
                    if let Some(seat) = entered.present.iter().find(|seat| seat.is_receivers_seat()) {
                        return Ok(*seat);
                    }
                }
                Message::Met(met) if met.peer.is_receivers_seat() => return Ok(met.peer),
                Message::Gone(gone) => return Err(ChannelError::Gone(gone.reason)),
                Message::Met(_) | Message::Letter { .. } => {}
                other => return Err(RelayError::unexpected(&other).into()),
            }
        }
    }

    async fn session(&mut self, control: &mut Connection, door: &Door, seat: Peer, known: &Known) -> Result<Sent, ChannelError> {
        let manifest = self.sending.source.manifest();
        let json = Bytes::from(manifest.to_json());
        let mut session = Sender::new(offer(self.sending, manifest, &json), json);
        let mut sealed = Sealed::new(&known.pairwise, known.pass.transfer, Role::Sender);
        let (limit, limits) = watch::channel(session.limit());
        // Dropping it ends what is in it.
        let mut uploading = JoinSet::new();
        let mut sent = None;
        self.hear(SendEvent::Offered).await;
        loop {
            while let Some(action) = session.poll_action() {
                match action {
                    SenderAction::Tell(letter) => {
                        control.until_room().await?;
                        let body = sealed.seal(&letter).map_err(|error| ChannelError::Protocol(error.to_string()))?;
                        control.tell(&Message::Letter { peer: seat, body });
                    }
                    SenderAction::Begin { from } => {
                        self.hear(SendEvent::Begun { from }).await;
                        uploading.spawn(self.upload(control.address(), door, seat, &known.pass, from, limits.clone()));
                    }
                    SenderAction::Over(how) => {
                        control.flush().await?;
                        return how.map_err(ChannelError::of).and_then(|()| sent.ok_or(ChannelError::Stopped));
                    }
                }
            }
            tokio::select! {
                message = control.next() => match message? {
                    Message::Letter { peer, body } if peer == seat => match sealed.open(&body) {
                        Ok(letter) => {
                            session.handle_letter(letter);
                            self.progress.received.fetch_max(session.received(), Ordering::Relaxed);
                            self.sending.source.acknowledge(session.durable());
                            limit.send_replace(session.limit());
                        }
                        Err(error) => session.handle_failure(ChannelError::from(error).told()),
                    },
                    Message::Pace(pace) if pace.seat == seat => {
                        self.hear(SendEvent::Pace(Duration::from_millis(pace.waiting.into()))).await;
                    }
                    Message::Gone(gone) if gone.peer == seat => return Err(ChannelError::Gone(gone.reason)),
                    Message::Letter { .. } | Message::Pace(_) | Message::Gone(_) | Message::Met(_) => {}
                    other => return Err(RelayError::unexpected(&other).into()),
                },
                Some(done) = uploading.join_next() => {
                    match done.unwrap_or(Err(ChannelError::Stopped)) {
                        Ok(done) => {
                            let trailer = self.sending.source.trailer().await?;
                            sent = Some(done);
                            session.handle_sent(done.end, done.chunks, &trailer);
                        }
                        // That the receiver is gone is told by the relay, with the reason.
                        Err(ChannelError::Broken(_) | ChannelError::Relay(_)) => {}
                        Err(error) => {
                            session.handle_failure(error.told());
                            drain(control, &mut session, &mut sealed, seat).await?;
                            return Err(error);
                        }
                    }
                }
            }
        }
    }

    /// What sends the chunks, on a task of its own.
    fn upload(
        &self,
        address: &str,
        door: &Door,
        seat: Peer,
        pass: &Pass,
        from: u64,
        limits: watch::Receiver<u64>,
    ) -> impl Future<Output = Result<Sent, ChannelError>> + use<> {
        let (source, rate, patience, streams) =
            (self.sending.source.clone(), self.sending.rate, self.sending.patience, self.sending.streams);
        let (door, address, gone) = (door.clone(), address.to_owned(), Arc::clone(&self.progress.sent));
        let sealer = ChunkSealer::new(&pass.content.bind(pass.channel, &pass.key), &pass.chunks());
        gone.fetch_max(from, Ordering::Relaxed);
        async move {
            let reader = source.read_from(from).map_err(OutletError::Source)?;
            let joined = door.join_all(&address, patience, Peer::SENDER, streams, &[seat]).await?;
            let connections = joined.into_iter().map(|(stream, _)| stream).collect();
            Ok(outlet::send(reader, connections, sealer, limits, rate, gone).await?)
        }
    }

    async fn hear(&self, event: SendEvent) {
        // Whoever does not want to hear has dropped the other end.
        let _ = self.events.send(event).await;
    }
}

/// The last letters of a session that failed here.
async fn drain(control: &mut Connection, session: &mut Sender, sealed: &mut Sealed, seat: Peer) -> Result<(), ChannelError> {
    while let Some(action) = session.poll_action() {
        if let SenderAction::Tell(letter) = action {
            let body = sealed.seal(&letter).map_err(|error| ChannelError::Protocol(error.to_string()))?;
            control.tell(&Message::Letter { peer: seat, body });
        }
    }
    Ok(control.flush().await?)
}

fn offer(sending: &Sending, manifest: &Manifest, json: &Bytes) -> Offer {
    let roots = manifest.entries().iter().filter(|entry| !entry.path.as_str().contains('/'));
    Offer {
        content: sending.content,
        files: u32::try_from(manifest.files().len()).unwrap_or(u32::MAX),
        bytes: manifest.total(),
        names: roots.take(MAX_NAMES).map(|entry| entry.path.as_str().to_owned()).collect(),
        manifest: u32::try_from(json.len()).unwrap_or(u32::MAX),
        digest: Digest::blake3(json),
        chunk: u32::try_from(CHUNK).unwrap_or(u32::MAX),
        streams: sending.streams,
    }
}
