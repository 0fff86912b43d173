//! A connection to a relay: the preface, the challenge, and messages both ways.

mod called;
mod error;
mod list;
mod secure;
#[cfg(test)]
mod tests;

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use bytes::{Buf as _, BytesMut};
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use self::{
    called::{HEAD_START, called},
    error::{Ungreeted, WORDLESS, none_of, stranger},
    secure::{secured, speaks},
};
pub use self::{error::RelayError, list::Relays, secure::Distrust};
use super::{
    direct::Ways,
    race::{Attempt, Race},
};
use crate::{
    channel::{
        link::Link,
        wire::{
            Decoder, FrameError, Message, Reason, address,
            frame::{MAX_BODY, PREFACE},
            proof::Challenge,
            request::Leave,
        },
    },
    clock,
    sip::transport::{TlsError, TlsMaterial, TlsStore},
};

/// How long a connection may be quiet before a sign of life is asked for.
const QUIET: Duration = Duration::from_secs(5);
/// How long it may be quiet before the relay is taken for gone.
const SILENT: Duration = Duration::from_secs(15);
/// And for who has a code whose number may mean somebody else at another relay.
const LONG_HEAD_START: Duration = Duration::from_secs(2);
/// Bytes that wait to be sent from which on a session says no more until some are gone.
const ENOUGH: usize = 256 * 1024;
/// Bytes that the kernel may have and not have sent: a sign of life that is wanted on a slow way is behind them.
const UNSENT: u32 = 64 * 1024;
/// Bytes that were heard and wait to be looked at from which on no more are read while something has to be sent first.
const UNHEARD: usize = 256 * 1024;

/// As people are told of it: never none.
fn seconds(time: Duration) -> u64 {
    time.as_secs().max(1)
}

/// That somebody is there who says nothing.
fn unanswered(patience: Duration) -> String {
    format!("what is there takes the connection and gives no answer in {} s", seconds(patience))
}

/// No authority is trusted.
fn nobody() -> Result<Arc<TlsStore>, TlsError> {
    TlsStore::new(&TlsMaterial::default()).map(Arc::new)
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
    link: Link,
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
            let (name, relays) = (name.clone(), relays.clone());
            let attempt: Attempt<Self, (String, RelayError)> =
                Box::pin(async move { Self::connect(&name, &relays, patience).await.map_err(|error| (name, error)) });
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

    async fn connect(name: &str, relays: &Relays, patience: Duration) -> Result<Self, RelayError> {
        let until = Instant::from_std(clock::now()) + patience;
        let (mut connection, said) = Self::reach(name, relays, until, patience).await?;
        connection.decoder.room().extend_from_slice(&said);
        let no_relay = |what: String| RelayError::NoRelay { address: name.to_owned(), what };
        connection.challenge = match timeout_at(until, connection.greeted()).await {
            Ok(Ok(challenge)) => challenge,
            Ok(Err(Ungreeted::Stranger(what))) => return Err(no_relay(format!("{what} does"))),
            Ok(Err(Ungreeted::Relay(RelayError::Closed | RelayError::Broken(_)))) => {
                return Err(no_relay(WORDLESS.to_owned()));
            }
            Ok(Err(Ungreeted::Relay(error))) => return Err(error),
            Err(_) => return Err(no_relay(unanswered(patience))),
        };
        // Letters may come from now on.
        connection.decoder.set_limit(MAX_BODY);
        Ok(connection)
    }

    /// A connection on which nothing was said but by a proxy, whose next bytes may have come with its last.
    async fn reach(name: &str, relays: &Relays, until: Instant, patience: Duration) -> Result<(Self, BytesMut), RelayError> {
        let (tls, place) = address::split(name);
        let unreachable = |why: String| RelayError::Unreachable { address: name.to_owned(), why };
        let proxy =
            relays.proxies.as_ref().map_or(Ok(None), |proxies| proxies.before(place)).map_err(|error| unreachable(error.to_string()))?;
        let (stream, said, here) = match proxy {
            Some(proxy) => {
                let connected = timeout_at(until, proxy.connect(place)).await;
                let (stream, said) = connected.unwrap_or_else(|_| Err(proxy.silent(seconds(patience))))?;
                (stream, said, None)
            }
            None => {
                let connected = timeout_at(until, called(place)).await;
                let silent = || Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer in {} s", seconds(patience))));
                let stream = connected.unwrap_or_else(|_| silent()).map_err(|error| unreachable(error.to_string()))?;
                let here = stream.peer_addr().map_err(|error| unreachable(error.to_string()))?;
                (stream, BytesMut::new(), Some(here))
            }
        };
        stream.set_nodelay(true).map_err(|error| unreachable(error.to_string()))?;
        SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT).map_err(|error| unreachable(error.to_string()))?;
        let (link, said) = if tls {
            // Who speaks TLS does not speak first.
            speaks(name, &said)?;
            let trust = relays.trust.clone().map_or_else(nobody, Ok).map_err(|error| unreachable(error.to_string()))?;
            let silent = || RelayError::NoRelay { address: name.to_owned(), what: unanswered(patience) };
            timeout_at(until, secured(name, place, stream, &trust)).await.unwrap_or_else(|_| Err(silent()))?
        } else {
            (Link::plain(stream), said)
        };
        let connection = Self {
            name: name.to_owned(),
            // A name may stand for several hosts: data connections go to the one where the channel is, unless the proxy chooses. They are without TLS.
            here: relays.with_names(vec![here.map_or_else(|| place.to_owned(), |here| here.to_string())]),
            direct: here.is_some(),
            others: Relays::default(),
            preferred: true,
            link,
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
        self.link.socket().local_addr().ok().map(|address| address.ip().to_canonical())
    }

    /// The relay is reached by loopback: whoever else is there is on this machine, too.
    pub(super) fn is_of_this_machine(&self) -> bool {
        self.local_ip().is_some_and(|ip| ip.is_loopback())
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
        self.link.say_goodbye();
    }

    async fn send_down_to(&mut self, waiting: usize) -> Result<(), RelayError> {
        // What TLS has taken has gone when the kernel has it.
        while self.out.len() > waiting || (waiting == 0 && self.link.has_to_write(&self.out)) {
            tokio::select! {
                ready = self.link.socket().writable() => {
                    ready.map_err(RelayError::Broken)?;
                    self.write()?;
                }
                // What it says meanwhile is a sign of life, and would be in the way of what it has to read.
                ready = self.link.socket().readable(), if self.decoder.buffered() < UNHEARD => {
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
        SockRef::from(self.link.socket()).set_tcp_notsent_lowat(0).map_err(RelayError::Broken)?;
        let stream = self.link.into_socket().ok_or_else(|| RelayError::Broken(io::ErrorKind::Unsupported.into()))?;
        Ok((stream, self.decoder.into_rest()))
    }

    /// Reads or writes what can be.
    async fn turn(&mut self) -> Result<(), RelayError> {
        let lost = self.heard + SILENT;
        // Who hears a great deal, and says nothing, is as quiet to the relay as one that is gone.
        let ask = if self.asked { lost } else { self.heard.min(self.told) + QUIET };
        tokio::select! {
            // One that asks for signs of life and takes none is asked no further.
            ready = self.link.socket().readable(), if self.out.len() <= 2 * ENOUGH => {
                ready.map_err(RelayError::Broken)?;
                if !self.read()? {
                    self.decoder.finish()?;
                    return Err(RelayError::Closed);
                }
                Ok(())
            }
            ready = self.link.socket().writable(), if self.link.has_to_write(&self.out) => {
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
        match self.link.try_read(self.decoder.room()) {
            Ok(Some(0)) => Ok(false),
            Ok(_) => {
                (self.heard, self.asked) = (clock::now().into(), false);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(true),
            Err(error) => Err(RelayError::Broken(error)),
        }
    }

    fn write(&mut self) -> Result<(), RelayError> {
        let before = self.link.sent();
        let wrote = self.link.try_write(&self.out);
        if self.full && self.link.sent() > before {
            // The kernel took more, so the other end has.
            self.heard = clock::now().into();
        }
        match wrote {
            Ok(written) => {
                self.out.advance(written);
                self.full = self.link.has_to_write(&self.out);
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
