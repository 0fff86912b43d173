//! A connection to a relay: the preface, the challenge, and messages both ways.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::{Buf as _, BytesMut};
use socket2::SockRef;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{
    direct::Ways,
    proxy::{Proxies, ProxyError},
    race::{Attempt, Race},
};
use crate::{
    channel::wire::{
        Decoder, FrameError, Message, Reason, RefusalCode, Refused,
        frame::{MAX_BODY, PREFACE},
        proof::Challenge,
        request::Leave,
    },
    clock,
};

/// How long a connection may be quiet before a sign of life is asked for.
const QUIET: Duration = Duration::from_secs(5);
/// How long it may be quiet before the relay is taken for gone.
const SILENT: Duration = Duration::from_secs(15);
/// How long one relay, or one address of a relay's name, is waited for before the next is called as well (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);
/// And for who has a code whose number may mean somebody else at another relay.
const LONG_HEAD_START: Duration = Duration::from_secs(2);
/// Most addresses of a name that are called.
const MAX_ADDRESSES: usize = 16;
/// Bytes that wait to be sent from which on a session says no more until some are gone.
const ENOUGH: usize = 256 * 1024;
/// Bytes that the kernel may have and not have sent: a sign of life that is wanted on a slow way is behind them.
const UNSENT: u32 = 64 * 1024;
/// Bytes that were heard and wait to be looked at from which on no more are read while something has to be sent first.
const UNHEARD: usize = 256 * 1024;

/// Why the relay is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// Nobody listens, or nothing gets there.
    #[error("the relay {address} cannot be reached: {why}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        why: String,
    },
    /// Something is there that is no relay, or does not say that it is one.
    #[error("no relay answers at {address}: {what}")]
    NoRelay {
        /// Where.
        address: String,
        /// What does.
        what: String,
    },
    /// The proxy before it is of no use.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// None of several does.
    #[error("none of the relays can be reached: {0}")]
    NoneReachable(String),
    /// The connection broke.
    #[error("the connection to the relay broke: {0}")]
    Broken(io::Error),
    /// It was closed without a word.
    #[error("the relay closed the connection")]
    Closed,
    /// It gave no sign of life.
    #[error("the relay has not answered for {} s", SILENT.as_secs())]
    Silent,
    /// It said no.
    #[error("the relay refuses: {}", .0.text)]
    Refused(Refused),
    /// What it says is none of its protocol. Its fault.
    #[error("the relay says what it must not say: {0}")]
    Protocol(#[from] FrameError),
}

impl RelayError {
    /// Another relay may do what this one does not, or cannot.
    pub(super) fn leads_elsewhere(&self) -> bool {
        matches!(self, Self::Refused(Refused { code: RefusalCode::Draining | RefusalCode::NoCapacity, .. }))
    }

    /// It knows no such place.
    pub(super) fn is_no_such_place(&self) -> bool {
        matches!(self, Self::Refused(Refused { code: RefusalCode::NoSuchPlace, .. }))
    }

    /// What it says has its turn at another time, or at the other side.
    pub(super) fn unexpected(message: &Message) -> Self {
        Self::Protocol(FrameError::Unexpected(message.kind().name()))
    }
}

/// Why nobody has greeted us as a relay does.
enum Ungreeted {
    /// It speaks as this does.
    Stranger(&'static str),
    Relay(RelayError),
}

impl From<RelayError> for Ungreeted {
    fn from(error: RelayError) -> Self {
        Self::Relay(error)
    }
}

/// Who begins like this.
fn stranger(said: &[u8]) -> &'static str {
    let begins: [(&[u8], &str); 6] = [
        (b"HTTP/", "a web server"),
        (b"SIP/", "a SIP server"),
        (b"SSH-", "an SSH server"),
        (b"220", "a mail or FTP server"),
        (b"\x15\x03", "something that wants TLS"),
        (b"<", "something that speaks XML or HTML"),
    ];
    begins.iter().find(|(begin, _)| said.starts_with(begin)).map_or("something else", |(_, who)| who)
}

/// As people are told of it: never none.
fn seconds(time: Duration) -> u64 {
    time.as_secs().max(1)
}

/// A connection to one of the addresses of a name, of both families in turn.
async fn called(name: &str) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host(name).await?.take(MAX_ADDRESSES).collect();
    let attempts = in_turn(addresses).into_iter().map(|address| {
        let attempt: Attempt<TcpStream, io::Error> = Box::pin(TcpStream::connect(address));
        attempt
    });
    let failed = match Race::new(attempts, HEAD_START).first().await {
        Ok(stream) => return Ok(stream),
        Err(failed) => failed,
    };
    Err(failed.into_iter().next().unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "its name stands for no address")))
}

/// The first of the system's order first, then one of the other family, and so on (RFC 8305 §4).
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut one, mut other): (VecDeque<_>, VecDeque<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let mut turns = Vec::new();
    while !one.is_empty() || !other.is_empty() {
        turns.extend(one.pop_front());
        turns.extend(other.pop_front());
    }
    turns
}

/// Why none of several relays is of use: what one of them said goes before what nobody said.
fn none_of(mut failed: Vec<(String, RelayError)>) -> RelayError {
    let nobody = |error: &RelayError| matches!(error, RelayError::Unreachable { .. } | RelayError::NoRelay { .. });
    if let Some(at) = failed.iter().position(|(_, error)| !nobody(error)) {
        return failed.swap_remove(at).1;
    }
    if failed.len() < 2 {
        return failed.pop().map_or(RelayError::Closed, |(_, error)| error);
    }
    let each = failed.iter().map(|(relay, error)| match error {
        RelayError::Unreachable { why, .. } | RelayError::NoRelay { what: why, .. } => format!("{relay} ({why})"),
        other => format!("{relay} ({other})"),
    });
    RelayError::NoneReachable(each.collect::<Vec<_>>().join(", "))
}

/// Where relays are, `host:port`, in the order of preference.
#[derive(Debug, Clone, Default)]
pub struct Relays {
    names: Vec<String>,
    proxies: Option<Proxies>,
}

impl From<Vec<String>> for Relays {
    fn from(names: Vec<String>) -> Self {
        Self { names, proxies: None }
    }
}

impl Relays {
    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Others, reached as these are.
    #[must_use]
    pub fn with_names(&self, names: Vec<String>) -> Self {
        Self { names, proxies: self.proxies.clone() }
    }

    /// Those, by way of these proxies.
    #[must_use]
    pub fn by(self, proxies: Proxies) -> Self {
        Self { proxies: Some(proxies), ..self }
    }

    fn without(&self, name: &str) -> Self {
        self.with_names(self.names.iter().filter(|one| *one != name).cloned().collect())
    }
}

/// A connection that is up.
#[derive(Debug)]
pub struct Connection {
    /// As it was given.
    name: String,
    /// Where data connections go.
    here: Relays,
    /// No proxy is between.
    direct: bool,
    /// The rest of the list.
    others: Relays,
    preferred: bool,
    stream: TcpStream,
    decoder: Decoder,
    out: BytesMut,
    challenge: Challenge,
    /// When the relay gave its last sign of life: something of it came, or of what the kernel had no room for something went.
    heard: Instant,
    asked: bool,
    /// When we last said something.
    told: Instant,
    /// The kernel had no room for all that there was to be sent.
    full: bool,
    /// It may be quiet for as long as it likes.
    quiet: bool,
}

impl Connection {
    /// Connects to the first relay of a list that answers: the next is tried, too, when one has not answered within [`HEAD_START`], or cannot be
    /// reached.
    ///
    /// # Errors
    /// None answers in the given time each, or is a relay of ours.
    pub async fn open(relays: &Relays, patience: Duration) -> Result<Self, RelayError> {
        Self::first(relays, patience, HEAD_START).await
    }

    /// As [`Connection::open`], and the first of the list is waited for longer: for who has a code whose number may mean somebody else at another
    /// relay.
    pub(super) async fn open_preferred(relays: &Relays, patience: Duration) -> Result<Self, RelayError> {
        Self::first(relays, patience, LONG_HEAD_START).await
    }

    async fn first(relays: &Relays, patience: Duration, head_start: Duration) -> Result<Self, RelayError> {
        let attempts = relays.names().iter().map(|name| {
            let (name, proxies) = (name.clone(), relays.proxies.clone());
            let attempt: Attempt<Self, (String, RelayError)> =
                Box::pin(async move { Self::connect(&name, proxies.as_ref(), patience).await.map_err(|error| (name, error)) });
            attempt
        });
        match Race::new(attempts, head_start).first().await {
            Ok(mut connection) => {
                connection.preferred = relays.names().first() == Some(&connection.name);
                connection.others = relays.without(&connection.name);
                Ok(connection)
            }
            Err(failed) => Err(none_of(failed)),
        }
    }

    /// Leaves this relay for another of the list.
    ///
    /// # Errors
    /// There is none left that answers.
    pub(super) async fn elsewhere(&mut self, patience: Duration) -> Result<(), RelayError> {
        *self = Self::open(&self.others, patience).await?;
        self.preferred = false;
        Ok(())
    }

    async fn connect(name: &str, proxies: Option<&Proxies>, patience: Duration) -> Result<Self, RelayError> {
        let until = Instant::from_std(clock::now()) + patience;
        let (mut connection, said) = Self::reach(name, proxies, until, patience).await?;
        connection.decoder.room().extend_from_slice(&said);
        let no_relay = |what: String| RelayError::NoRelay { address: name.to_owned(), what };
        connection.challenge = match timeout_at(until, connection.greeted()).await {
            Ok(Ok(challenge)) => challenge,
            Ok(Err(Ungreeted::Stranger(what))) => return Err(no_relay(format!("{what} does"))),
            Ok(Err(Ungreeted::Relay(RelayError::Closed | RelayError::Broken(_)))) => {
                return Err(no_relay("what is there closes the connection without a word".to_owned()));
            }
            Ok(Err(Ungreeted::Relay(error))) => return Err(error),
            Err(_) => return Err(no_relay(format!("what is there takes the connection and gives no answer in {} s", seconds(patience)))),
        };
        // Letters may come from now on.
        connection.decoder.set_limit(MAX_BODY);
        Ok(connection)
    }

    /// A connection on which nothing was said but by a proxy, whose next bytes may have come with its last.
    async fn reach(name: &str, proxies: Option<&Proxies>, until: Instant, patience: Duration) -> Result<(Self, BytesMut), RelayError> {
        let unreachable = |why: String| RelayError::Unreachable { address: name.to_owned(), why };
        let proxy = proxies.map_or(Ok(None), |proxies| proxies.before(name)).map_err(|error| unreachable(error.to_string()))?;
        let (stream, said, here) = match proxy {
            Some(proxy) => {
                let connected = timeout_at(until, proxy.connect(name)).await;
                let (stream, said) = connected.unwrap_or_else(|_| Err(proxy.silent(seconds(patience))))?;
                (stream, said, None)
            }
            None => {
                let connected = timeout_at(until, called(name)).await;
                let silent = || Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer in {} s", seconds(patience))));
                let stream = connected.unwrap_or_else(|_| silent()).map_err(|error| unreachable(error.to_string()))?;
                let here = stream.peer_addr().map_err(|error| unreachable(error.to_string()))?;
                (stream, BytesMut::new(), Some(here))
            }
        };
        stream.set_nodelay(true).map_err(|error| unreachable(error.to_string()))?;
        SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT).map_err(|error| unreachable(error.to_string()))?;
        let connection = Self {
            name: name.to_owned(),
            // A name may stand for several hosts: data connections go to the one where the channel is, unless the proxy chooses.
            here: Relays { names: vec![here.map_or_else(|| name.to_owned(), |here| here.to_string())], proxies: proxies.cloned() },
            direct: here.is_some(),
            others: Relays::default(),
            preferred: true,
            stream,
            decoder: Decoder::default(),
            out: BytesMut::from(&PREFACE[..]),
            challenge: Challenge::default(),
            heard: clock::now().into(),
            asked: false,
            told: clock::now().into(),
            full: false,
            quiet: false,
        };
        Ok((connection, said))
    }

    /// What a relay says first.
    async fn greeted(&mut self) -> Result<Challenge, Ungreeted> {
        while self.decoder.buffered() == 0 {
            self.turn().await?;
        }
        let stranger = stranger(self.decoder.room());
        match self.next().await {
            Ok(Message::Challenge(challenge)) => Ok(challenge),
            Ok(other) => Err(RelayError::unexpected(&other).into()),
            Err(RelayError::Protocol(FrameError::Preface)) => Err(Ungreeted::Stranger(stranger)),
            Err(error) => Err(error.into()),
        }
    }

    /// The relay, as it was given.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the first of the list.
    pub(super) fn is_preferred(&self) -> bool {
        self.preferred
    }

    /// Whether there are others in the list.
    pub(super) fn has_others(&self) -> bool {
        !self.others.names().is_empty()
    }

    /// The relay that answered: for data connections.
    pub fn here(&self) -> &Relays {
        &self.here
    }

    /// By which ways bytes may go, where `ways` are allowed: who reaches the relay by a proxy may not want to be seen by others, and does not call
    /// them unless nothing else is allowed.
    pub(super) fn ways(&self, ways: Ways) -> Ways {
        if self.direct || ways == Ways::DirectOnly { ways } else { Ways::RelayOnly }
    }

    /// Our own address, as the relay's host sees it where nothing between rewrites it.
    pub(super) fn local_ip(&self) -> Option<IpAddr> {
        if !self.direct {
            return None;
        }
        self.stream.local_addr().ok().map(|address| address.ip().to_canonical())
    }

    /// No sign of life is asked for: that is the matter of another connection.
    pub(super) fn may_be_quiet(&mut self) {
        self.quiet = true;
    }

    /// What proofs on this connection are made over.
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// Says something: it goes out with [`Connection::next`] and [`Connection::flush`].
    pub fn tell(&mut self, message: &Message) {
        self.told = clock::now().into();
        message.to_frame().write(&mut self.out);
    }

    /// The next message; sends what waits meanwhile, and answers signs of life. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The connection is of no use any more; a refusal is among them.
    pub async fn next(&mut self) -> Result<Message, RelayError> {
        loop {
            while let Some(frame) = self.decoder.next_frame()? {
                match Message::read(frame)? {
                    Message::Ping(echo) => self.tell(&Message::Pong(echo)),
                    Message::Pong(_) => {}
                    Message::Refused(refused) => return Err(RelayError::Refused(refused)),
                    message => return Ok(message),
                }
            }
            self.turn().await?;
        }
    }

    /// Sends what waits.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn flush(&mut self) -> Result<(), RelayError> {
        self.send_down_to(0).await
    }

    /// Sends until little enough waits that more may be said: for sessions that say much. What is heard meanwhile waits its turn.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub async fn until_room(&mut self) -> Result<(), RelayError> {
        self.send_down_to(ENOUGH - 1).await
    }

    /// Says that it leaves, and why. What ended the session says more than that this did not get through.
    pub(super) async fn say_farewell(&mut self, reason: Reason, patience: Duration) {
        self.tell(&Message::Leave(Leave::new(reason, "")));
        let _ = timeout(patience, self.flush()).await;
    }

    async fn send_down_to(&mut self, waiting: usize) -> Result<(), RelayError> {
        while self.out.len() > waiting {
            tokio::select! {
                ready = self.stream.writable() => {
                    ready.map_err(RelayError::Broken)?;
                    self.write()?;
                }
                // What it says meanwhile is a sign of life, and would be in the way of what it has to read.
                ready = self.stream.readable(), if self.decoder.buffered() < UNHEARD => {
                    ready.map_err(RelayError::Broken)?;
                    match self.read() {
                        Ok(true) => {}
                        // What it has said before may say why.
                        Ok(false) | Err(_) if self.decoder.buffered() > 0 => return Ok(()),
                        Ok(false) => return Err(RelayError::Closed),
                        Err(error) => return Err(error),
                    }
                }
                // A relay that takes nothing and says nothing is gone.
                () = sleep_until(self.heard + SILENT) => return Err(RelayError::Silent),
            }
        }
        Ok(())
    }

    /// The socket and what came behind the last message: for data connections, once they have joined.
    ///
    /// # Errors
    /// The connection broke before all was sent.
    pub async fn into_stream(mut self) -> Result<(TcpStream, BytesMut), RelayError> {
        self.flush().await?;
        // What is carried may fill the kernel's room.
        SockRef::from(&self.stream).set_tcp_notsent_lowat(0).map_err(RelayError::Broken)?;
        Ok((self.stream, self.decoder.into_rest()))
    }

    /// Reads or writes what can be.
    async fn turn(&mut self) -> Result<(), RelayError> {
        let lost = self.heard + SILENT;
        // Who hears a great deal, and says nothing, is as quiet to the relay as one that is gone.
        let ask = if self.asked { lost } else { self.heard.min(self.told) + QUIET };
        tokio::select! {
            // One that asks for signs of life and takes none is asked no further.
            ready = self.stream.readable(), if self.out.len() <= 2 * ENOUGH => {
                ready.map_err(RelayError::Broken)?;
                if !self.read()? {
                    self.decoder.finish()?;
                    return Err(RelayError::Closed);
                }
                Ok(())
            }
            ready = self.stream.writable(), if !self.out.is_empty() => {
                ready.map_err(RelayError::Broken)?;
                self.write()
            }
            () = sleep_until(ask), if !self.quiet => {
                if self.asked {
                    return Err(RelayError::Silent);
                }
                self.asked = true;
                self.tell(&Message::Ping(*b"anybody?"));
                Ok(())
            }
        }
    }

    /// Reads what can be; false at the end.
    fn read(&mut self) -> Result<bool, RelayError> {
        match self.stream.try_read_buf(self.decoder.room()) {
            Ok(0) => Ok(false),
            Ok(_) => {
                (self.heard, self.asked) = (clock::now().into(), false);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(true),
            Err(error) => Err(RelayError::Broken(error)),
        }
    }

    fn write(&mut self) -> Result<(), RelayError> {
        match self.stream.try_write(&self.out) {
            Ok(written) => {
                self.out.advance(written);
                if self.full && written > 0 {
                    // The kernel took more, so the other end has.
                    self.heard = clock::now().into();
                }
                self.full = !self.out.is_empty();
                Ok(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                self.full = true;
                Ok(())
            }
            Err(error) => Err(RelayError::Broken(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        time::{advance, pause, sleep},
    };

    use super::*;
    use crate::channel::Peer;

    #[tokio::test]
    async fn a_relay_that_takes_nothing_is_taken_for_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let relay = async {
            let (mut relay, _) = listener.accept().await.expect("accepted");
            let mut said = BytesMut::from(&PREFACE[..]);
            Message::Challenge(Challenge::default()).to_frame().write(&mut said);
            relay.write_all(&said).await.expect("sent");
            relay
        };
        let relays = vec![address].into();
        let (connection, _relay) = tokio::join!(Connection::open(&relays, SILENT), relay);
        let mut connection = connection.expect("a relay");
        // More than the kernel takes.
        for _ in 0..1000 {
            connection.tell(&Message::Letter { peer: Peer::SENDER, body: vec![7; MAX_BODY].into() });
        }
        pause();
        assert!(matches!(connection.flush().await, Err(RelayError::Silent)));
    }

    /// A connection, and the relay's end of it, which has said its challenge and takes little at once.
    async fn greeted() -> (Connection, TcpStream) {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(16 * 1024).expect("a socket option");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let listener = socket.listen(1).expect("listens");
        let relays = vec![listener.local_addr().expect("an address").to_string()].into();
        let relay = async {
            let (mut relay, _) = listener.accept().await.expect("accepted");
            let mut said = BytesMut::from(&PREFACE[..]);
            Message::Challenge(Challenge::default()).to_frame().write(&mut said);
            relay.write_all(&said).await.expect("sent");
            relay
        };
        let (connection, relay) = tokio::join!(Connection::open(&relays, SILENT), relay);
        (connection.expect("a relay"), relay)
    }

    #[tokio::test]
    async fn a_relay_that_takes_much_slowly_and_says_nothing_meanwhile_is_not_taken_for_silent() {
        let (mut connection, mut relay) = greeted().await;
        for _ in 0..64 {
            connection.tell(&Message::Letter { peer: Peer::SENDER, body: vec![7; MAX_BODY].into() });
        }
        pause();
        // As long as a thread is busy time goes on only when it is told to: the kernel takes its own.
        let (over, until) = std::sync::mpsc::sync_channel::<()>(1);
        let _busy = tokio::task::spawn_blocking(move || until.recv());
        let begun = clock::now();
        let (mut all, mut piece) = (connection.out.len(), vec![0; 256 * 1024]);
        let slow = async {
            while all > 0 {
                advance(QUIET - Duration::from_secs(1)).await;
                let most = all.min(piece.len());
                all -= relay.read_exact(&mut piece[..most]).await.expect("read");
            }
            advance(QUIET / 2).await;
            relay.write_all(&Message::Joined.to_frame().to_bytes()).await.expect("sent");
            relay
        };
        let terminal = async {
            connection.flush().await.expect("all of it goes");
            connection.next().await.expect("and the relay is there")
        };
        let (heard, _relay) = tokio::join!(terminal, slow);
        drop(over);
        assert_eq!(heard, Message::Joined);
        let took = clock::now() - begun;
        assert!(took > 2 * SILENT, "{took:?}");
    }

    #[tokio::test]
    async fn what_the_relay_says_while_much_has_to_be_sent_first_is_heard_even_where_it_is_its_last_word() {
        let (mut connection, mut relay) = greeted().await;
        for _ in 0..1000 {
            connection.tell(&Message::Letter { peer: Peer::SENDER, body: vec![7; MAX_BODY].into() });
        }
        let refused = Message::Refused(Refused::new(RefusalCode::Expired, "nobody came in time"));
        relay.write_all(&refused.to_frame().to_bytes()).await.expect("sent");
        relay.shutdown().await.expect("ended");
        let _ = connection.until_room().await;
        let heard = connection.next().await;
        assert!(matches!(heard, Err(RelayError::Refused(Refused { code: RefusalCode::Expired, .. }))), "{heard:?}");
    }

    #[tokio::test]
    async fn who_hears_much_and_says_nothing_says_that_it_is_there() {
        let (mut connection, mut relay) = greeted().await;
        pause();
        let talks = async {
            loop {
                relay.write_all(&Message::Joined.to_frame().to_bytes()).await.expect("sent");
                sleep(QUIET / 3).await;
                let mut said = [0; 64];
                // Its preface is the first.
                if let Ok(17..) = relay.peek(&mut said).await {
                    return said[8];
                }
            }
        };
        let hears = async {
            loop {
                connection.next().await.expect("the relay talks");
            }
        };
        tokio::select! {
            kind = timeout(2 * QUIET, talks) => assert_eq!(kind.expect("in time"), crate::channel::wire::Kind::Ping as u8),
            () = hears => {}
        }
    }

    #[test]
    fn addresses_of_both_families_take_turns_the_system_s_first_before_all() {
        let turns = |text: &str| {
            let addresses = text.split(' ').map(|ip| SocketAddr::new(ip.parse().expect("an address"), 1)).collect();
            in_turn(addresses).iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(turns("::1 ::2 ::3 10.0.0.1 10.0.0.2"), "::1 10.0.0.1 ::2 10.0.0.2 ::3");
        assert_eq!(turns("10.0.0.1 10.0.0.2 ::1"), "10.0.0.1 ::1 10.0.0.2");
        assert_eq!(turns("10.0.0.1"), "10.0.0.1");
    }

    #[test]
    fn of_several_that_failed_what_one_has_said_goes_before_what_nobody_said() {
        let silent = |name: &str| (name.to_owned(), RelayError::Unreachable { address: name.to_owned(), why: "refused".to_owned() });
        let refused = ("c:3".to_owned(), RelayError::Refused(Refused::new(RefusalCode::Version, "too old")));
        assert_eq!(none_of(vec![silent("a:1")]).to_string(), "the relay a:1 cannot be reached: refused");
        assert_eq!(
            none_of(vec![silent("a:1"), silent("b:2")]).to_string(),
            "none of the relays can be reached: a:1 (refused), b:2 (refused)"
        );
        assert_eq!(none_of(vec![silent("a:1"), refused]).to_string(), "the relay refuses: too old");
    }

    #[tokio::test]
    async fn a_name_that_stands_for_both_families_is_reached_by_the_one_where_somebody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("up").port();
        // On most machines it stands for ::1 as well, where nobody listens.
        let stream = called(&format!("localhost:{port}")).await.expect("reached");
        assert_eq!(stream.peer_addr().expect("up").port(), port);
    }
}
