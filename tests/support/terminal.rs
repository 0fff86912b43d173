//! A terminal of a relay channel by hand: what `fshare` does, step by step, so that a test may look at each, keep what it got, and do something else
//! instead. `docs/protocols/channel.md` is what it speaks.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use confkit::{
    channel::{
        ChannelNumber, Code, Peer, Place,
        agreement::Agreed as Agreement,
        client::{Connection, RelayError},
        handover,
        keys::{ContentKey, Pairwise, ResumeSecret},
        pake::{self, ExchangeError, Password, Received, Step},
        wire::{
            ChannelKey, Message, Reason, Role,
            answer::Allocated,
            chunk::{HEADER, Header},
            letter::{Content, End, Letter, Offer},
            pass::{Pass, TransferId},
            proof::{Admission, Purpose},
            request::{Apply, Enter, Join, Leave, Meet, Wanted},
        },
    },
    transfer::{
        Algorithm, Digest, Manifest, Trailer,
        seal::{ChunkOpener, ChunkSealer, Cipher, Direction, Opener, Sealer, Stream, TAG_LEN},
    },
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Plaintext of a chunk.
pub const CHUNK: usize = 64 * 1024;

pub fn rng() -> ChaCha12Rng {
    ChaCha12Rng::from_seed(confkit::clock::seed())
}

pub async fn open(relay: &str) -> Connection {
    Connection::open(&vec![relay.to_owned()].into(), PATIENCE).await.expect("a relay")
}

/// The next message, in time.
pub async fn next(control: &mut Connection) -> Result<Message, RelayError> {
    timeout(PATIENCE, control.next()).await.expect("an answer in time")
}

/// Says something, and that it is sent.
pub async fn say(control: &mut Connection, message: &Message) {
    control.tell(message);
    control.flush().await.expect("the relay takes it");
}

/// Applies for a channel with a nameplate.
pub async fn apply(control: &mut Connection) -> Result<Allocated, RelayError> {
    let nameplate = Some(Wanted::Any(true));
    control.tell(&Message::Apply(Apply { ticket: None, peer: None, kind: None, receivers: 1, nameplate }));
    match next(control).await? {
        Message::Allocated(allocated) => Ok(allocated),
        other => panic!("the relay says {}", other.kind().name()),
    }
}

/// What is said to enter a channel.
pub fn enter(control: &Connection, channel: ChannelNumber, key: &ChannelKey, role: Role) -> Message {
    let purpose = Purpose::Enter { seat: Peer::SENDER };
    let proof = Admission { challenge: control.challenge(), channel, role, purpose }.prove(key);
    Message::Enter(Enter { channel, role, proof, seat: None })
}

/// Enters it: the own seat, and those that are taken.
pub async fn entered(
    control: &mut Connection,
    channel: ChannelNumber,
    key: &ChannelKey,
    role: Role,
) -> Result<(Peer, Vec<Peer>), RelayError> {
    control.tell(&enter(control, channel, key, role));
    loop {
        match next(control).await? {
            Message::Entered(entered) => return Ok((entered.seat, entered.present)),
            // What was on its way from the place of their meeting.
            Message::Met(_) | Message::Gone(_) | Message::Letter { .. } => {}
            other => panic!("the relay says {}", other.kind().name()),
        }
    }
}

/// A data connection, once the other end's has joined as well, and what came with the answer.
pub async fn join(relay: &str, channel: ChannelNumber, key: &ChannelKey, seat: Peer, stream: u8, to: Vec<Peer>) -> (TcpStream, BytesMut) {
    let mut data = open(relay).await;
    let role = if seat == Peer::SENDER { Role::Sender } else { Role::Receiver };
    let purpose = Purpose::Join { seat, stream };
    let proof = Admission { challenge: data.challenge(), channel, role, purpose }.prove(key);
    data.tell(&Message::Join(Join { channel, seat, stream, proof, to }));
    match next(&mut data).await.expect("it may join") {
        Message::Joined => data.into_stream().await.expect("a stream"),
        other => panic!("the relay says {}", other.kind().name()),
    }
}

/// As a receiver at a place: comes to a key with the sender, or to what went wrong. `seen` gets each letter of the sender.
pub async fn meet(control: &mut Connection, password: &Password, mut seen: impl FnMut(&Bytes)) -> Result<Received, ExchangeError> {
    control.tell(&Message::Meet(Meet { place: password.place(), role: Role::Receiver, wait: false }));
    let mut exchange = None;
    loop {
        match next(control).await {
            Ok(Message::Met(met)) if met.peer == Peer::SENDER => {
                let (machine, letter) = pake::Receiver::new(password, &mut rng());
                exchange = Some(machine);
                control.tell(&Message::Letter { peer: Peer::SENDER, body: letter.into() });
            }
            Ok(Message::Letter { body, .. }) => {
                seen(&body);
                match exchange.as_mut().expect("we began").handle_letter(&body)? {
                    Step::Send(letter) => control.tell(&Message::Letter { peer: Peer::SENDER, body: letter.into() }),
                    Step::Agreed(received) => return Ok(received),
                }
            }
            // The sender has left, as it does when a guess was wrong.
            Ok(Message::Gone(_) | Message::Spent { .. }) | Err(_) => return Err(ExchangeError::WrongGuess),
            Ok(other) => panic!("the relay says {}", other.kind().name()),
        }
    }
}

/// One that has come to a key with its other end, and is in the channel.
pub struct Terminal {
    pub relay: String,
    pub control: Connection,
    pub pairwise: Pairwise,
    pub pass: Pass,
    role: Role,
    /// The receiver's seat.
    pub seat: Peer,
    sealer: Sealer,
    opener: Opener,
}

impl Terminal {
    fn new(relay: &str, control: Connection, received: Received, role: Role, seat: Peer) -> Self {
        let Received { pairwise, pass } = received;
        let key = pairwise.letters();
        let stream = |direction| Stream { cipher: Cipher::Aes256Gcm, direction, transfer: pass.transfer.0.to_vec(), file: 0, epoch: 0 };
        let (own, other) = match role {
            Role::Sender => (Direction::FromOfferer, Direction::ToOfferer),
            Role::Receiver => (Direction::ToOfferer, Direction::FromOfferer),
        };
        let (sealer, opener) = (Sealer::new(&key, &stream(own)), Opener::new(&key, &stream(other)));
        Self { relay: relay.to_owned(), control, pairwise, pass, role, seat, sealer, opener }
    }

    /// A receiver that knows the code.
    pub async fn receiver(relay: &str, code: &Code) -> Self {
        Self::receiver_on(open(relay).await, relay, code).await
    }

    /// The same on a connection of its own; data connections go to `relay`.
    pub async fn receiver_on(mut control: Connection, relay: &str, code: &Code) -> Self {
        let received = meet(&mut control, &Password::of_code(code), |_| {}).await.expect("the code is right");
        let (seat, _) = entered(&mut control, received.pass.channel, &received.pass.key, Role::Receiver).await.expect("let in");
        Self::new(relay, control, received, Role::Receiver, seat)
    }

    /// A receiver that has agreed on a channel with another user; with the connection by which it has applied, where it was the one.
    pub async fn of_account(relay: &str, control: Option<Connection>, agreed: Agreement) -> Self {
        let mut control = match control {
            Some(control) => control,
            None => open(relay).await,
        };
        let (seat, _) = entered(&mut control, agreed.grant.number, &agreed.grant.key, Role::Receiver).await.expect("let in");
        let pass = loop {
            if let Message::Letter { body, .. } = next(&mut control).await.expect("the relay is there") {
                break handover::open_letter(&agreed, &body).expect("a pass");
            }
        };
        Self::new(relay, control, Received { pairwise: agreed.pairwise, pass }, Role::Receiver, seat)
    }

    fn other(&self) -> Peer {
        if self.role == Role::Sender { self.seat } else { Peer::SENDER }
    }

    /// Says something to the other end.
    pub async fn tell(&mut self, letter: &Letter) {
        self.tell_bytes(letter.write()).await;
    }

    /// Says anything.
    pub async fn tell_bytes(&mut self, mut body: Vec<u8>) {
        self.sealer.seal(&mut body, false).expect("sealed");
        let peer = self.other();
        say(&mut self.control, &Message::Letter { peer, body: body.into() }).await;
    }

    /// What the other end says next; or why it says nothing more.
    pub async fn hear(&mut self) -> Result<Letter, Reason> {
        loop {
            match next(&mut self.control).await.expect("the relay is there") {
                Message::Letter { peer, body } if peer == self.other() => {
                    let mut bytes = body.to_vec();
                    let plain = self.opener.open(&mut bytes, false).expect("sealed by the other end").to_vec();
                    return Ok(Letter::read(&plain.into()).expect("a letter"));
                }
                Message::Gone(gone) if gone.peer == self.other() => return Err(gone.reason),
                _ => {}
            }
        }
    }

    /// The offer, and the manifest behind it.
    pub async fn offered(&mut self) -> (Offer, Manifest) {
        let Ok(Letter::Offer(offer)) = self.hear().await else { panic!("an offer") };
        let mut json = Vec::new();
        while json.len() < offer.manifest as usize {
            let Ok(Letter::Manifest(part)) = self.hear().await else { panic!("a manifest") };
            json.extend_from_slice(&part);
        }
        (offer, Manifest::from_json(&json).expect("a manifest"))
    }

    /// A data connection of this end.
    pub async fn join(&self, stream: u8) -> (TcpStream, BytesMut) {
        let (seat, to) = if self.role == Role::Sender { (Peer::SENDER, vec![self.seat]) } else { (self.seat, Vec::new()) };
        join(&self.relay, self.pass.channel, &self.pass.key, seat, stream, to).await
    }

    /// What opens the chunks.
    pub fn chunks(&self) -> ChunkOpener {
        ChunkOpener::new(&self.pass.content.bind(self.pass.channel, &self.pass.key), &self.pass.chunks())
    }

    /// A chunk as it goes over a data connection.
    pub fn chunk(&self, index: u64, flags: u8, plain: &[u8]) -> Vec<u8> {
        let length = u32::try_from(plain.len() + TAG_LEN).expect("short");
        let mut whole = [&Header { length, index, flags }.write()[..], plain, &[0; TAG_LEN]].concat();
        let sealer = ChunkSealer::new(&self.pass.content.bind(self.pass.channel, &self.pass.key), &self.pass.chunks());
        sealer.seal_at(index, flags, &mut whole[HEADER..]).expect("sealed");
        whole
    }

    /// Leaves.
    pub async fn leave(&mut self, reason: Reason) {
        say(&mut self.control, &Message::Leave(Leave::new(reason, ""))).await;
    }
}

/// The next chunk of a data connection, opened; none at its end.
pub async fn chunk(stream: &mut TcpStream, first: &mut BytesMut, opener: &ChunkOpener) -> Option<(Header, Vec<u8>)> {
    let mut header = [0; HEADER];
    fill(stream, first, &mut header).await?;
    let header = Header::read(header, u32::MAX).expect("a header");
    let mut sealed = vec![0; header.length as usize];
    fill(stream, first, &mut sealed).await?;
    let plain = opener.open_at(header.index, header.flags, &mut sealed).expect("it opens").to_vec();
    Some((header, plain))
}

async fn fill(stream: &mut TcpStream, first: &mut BytesMut, into: &mut [u8]) -> Option<()> {
    let there = first.len().min(into.len());
    into[..there].copy_from_slice(&first.split_to(there));
    timeout(PATIENCE, stream.read_exact(&mut into[there..])).await.expect("bytes in time").ok().map(|_| ())
}

/// A sender that has a channel and a code, and waits for a receiver.
pub struct Waiting {
    relay: String,
    control: Connection,
    pub allocated: Allocated,
    pub code: Code,
}

impl Waiting {
    pub async fn new(relay: &str) -> Self {
        let mut control = open(relay).await;
        let allocated = apply(&mut control).await.expect("a channel");
        let code = Code::draw(allocated.nameplate.expect("a nameplate"), 2, &mut rng()).expect("a code");
        let place = Place::Nameplate(code.nameplate());
        say(&mut control, &Message::Meet(Meet { place, role: Role::Sender, wait: true })).await;
        Self { relay: relay.to_owned(), control, allocated, code }
    }

    /// What an honest one would hand over.
    pub fn pass(&self) -> Pass {
        Pass {
            cipher: Cipher::Aes256Gcm,
            transfer: TransferId::random(&mut rng()),
            channel: self.allocated.channel,
            key: self.allocated.key.clone(),
            content: ContentKey::random(&mut rng()),
            resume: ResumeSecret::random(&mut rng()),
            relays: self.allocated.addresses.clone(),
            direct: Vec::new(),
        }
    }

    /// Comes to a key with a receiver that knows the code, and hands it a pass.
    pub async fn agree(mut self, pass: Pass) -> Agreed {
        let mut machine = pake::Sender::new(&Password::of_code(&self.code));
        loop {
            let Message::Letter { peer, body } = next(&mut self.control).await.expect("the relay is there") else { continue };
            match machine.handle_letter(&body, &mut rng()).expect("the receiver knows the code") {
                Step::Send(letter) => say(&mut self.control, &Message::Letter { peer, body: letter.into() }).await,
                Step::Agreed(agreed) => {
                    let (pairwise, letter) = agreed.letter(&pass).expect("a pass");
                    self.control.tell(&Message::Letter { peer, body: letter.into() });
                    say(&mut self.control, &Message::Spent { guess: None }).await;
                    return Agreed { relay: self.relay, control: self.control, received: Received { pairwise, pass } };
                }
            }
        }
    }
}

/// A sender that has come to a key with a receiver, and is not yet in the channel.
pub struct Agreed {
    relay: String,
    control: Connection,
    received: Received,
}

impl Agreed {
    /// Enters the channel, and waits for the receiver to do so.
    pub async fn enter(mut self) -> Terminal {
        let (channel, key) = (self.received.pass.channel, self.received.pass.key.clone());
        let (_, present) = entered(&mut self.control, channel, &key, Role::Sender).await.expect("let in");
        let mut seat = present.into_iter().find(|seat| seat.is_receivers_seat());
        while seat.is_none() {
            if let Message::Met(met) = next(&mut self.control).await.expect("the relay is there") {
                seat = Some(met.peer).filter(|peer| peer.is_receivers_seat());
            }
        }
        Terminal::new(&self.relay, self.control, self.received, Role::Sender, seat.expect("a seat"))
    }

    /// What the relay says to it next.
    pub async fn next(&mut self) -> Result<Message, RelayError> {
        next(&mut self.control).await
    }
}

/// One file as a sender by hand offers it.
pub struct File<'a> {
    pub manifest: Vec<u8>,
    pub content: &'a [u8],
}

impl<'a> File<'a> {
    /// By any name, be it one that `fshare` would not send.
    pub fn new(name: &str, content: &'a [u8]) -> Self {
        let size = content.len();
        let entry = confkit::transfer::Entry::new(
            confkit::transfer::SafePath::new("a-name").expect("a name"),
            confkit::transfer::Kind::File { size: Some(size as u64) },
        );
        let manifest = Manifest::new(vec![entry]).expect("a manifest").to_json();
        let json = String::from_utf8(manifest).expect("JSON");
        let name = serde_json::to_string(name).expect("a text");
        Self { manifest: json.replace("\"a-name\"", &name).into_bytes(), content }
    }

    pub fn offer(&self, streams: u8) -> Offer {
        Offer {
            content: Content::Files,
            files: 1,
            bytes: Some(self.content.len() as u64),
            names: vec!["a file".to_owned()],
            manifest: u32::try_from(self.manifest.len()).expect("short"),
            digest: Digest::blake3(&self.manifest),
            chunk: u32::try_from(CHUNK).expect("short"),
            streams,
            compression: None,
            sparse: confkit::transfer::Sparse::default(),
            calls: false,
        }
    }

    /// Offers it, and says what the receiver decides.
    pub async fn offered_by(&self, terminal: &mut Terminal, streams: u8) -> Result<Letter, Reason> {
        terminal.tell(&Letter::Offer(self.offer(streams))).await;
        terminal.tell(&Letter::Manifest(self.manifest.clone().into())).await;
        terminal.hear().await
    }

    /// The chunks of it, in order, the last one empty.
    pub fn chunks(&self, terminal: &Terminal) -> Vec<Vec<u8>> {
        let pieces = self.content.chunks(CHUNK);
        let last = pieces.len() as u64;
        let mut chunks: Vec<Vec<u8>> = pieces.enumerate().map(|(at, plain)| terminal.chunk(at as u64, 0, plain)).collect();
        chunks.push(terminal.chunk(last, confkit::channel::wire::chunk::LAST, &[]));
        chunks
    }

    /// The letters at the end.
    pub async fn end(&self, terminal: &mut Terminal, chunks: u64) {
        let trailer = Trailer { algorithm: Algorithm::default(), files: vec![Digest::blake3(self.content)] };
        terminal.tell(&Letter::Digests(Bytes::copy_from_slice(&trailer.files[0].0))).await;
        let bytes = self.content.len() as u64;
        terminal.tell(&Letter::End(End { bytes, chunks, algorithm: trailer.algorithm, files: 1 })).await;
    }
}

/// Writes pieces, and ends the stream. What is not taken any more after a failure is nobody's loss.
pub async fn write(stream: &mut TcpStream, pieces: &[Vec<u8>]) {
    for piece in pieces {
        if stream.write_all(piece).await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}
