//! A connection to a relay: the preface, the challenge, and messages both ways.

use std::{io, net::IpAddr, time::Duration};

use bytes::{Buf as _, BytesMut};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    channel::wire::{
        Decoder, FrameError, Message, Reason, Refused,
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
/// Bytes that wait to be sent from which on a session says no more until some are gone.
const ENOUGH: usize = 256 * 1024;

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
    /// What it says has its turn at another time, or at the other side.
    pub(super) fn unexpected(message: &Message) -> Self {
        Self::Protocol(FrameError::Unexpected(message.kind().name()))
    }
}

/// A connection that is up.
#[derive(Debug)]
pub struct Connection {
    address: String,
    stream: TcpStream,
    decoder: Decoder,
    out: BytesMut,
    challenge: Challenge,
    heard: Instant,
    asked: bool,
}

impl Connection {
    /// Connects to one of a relay's addresses, in their order, and takes its challenge.
    ///
    /// # Errors
    /// None answers in the given time each, or the one that does is no relay of ours.
    pub async fn open(addresses: &[String], patience: Duration) -> Result<Self, RelayError> {
        let mut failed = RelayError::Closed;
        for address in addresses {
            let unreachable = |why: String| RelayError::Unreachable { address: address.clone(), why };
            match timeout(patience, Self::connect(address)).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error @ (RelayError::Refused(_) | RelayError::Protocol(_)))) => return Err(error),
                Ok(Err(RelayError::Broken(error))) => failed = unreachable(error.to_string()),
                Ok(Err(error)) => failed = unreachable(error.to_string()),
                Err(_) => failed = unreachable(format!("no answer in {} s", patience.as_secs())),
            }
        }
        Err(failed)
    }

    async fn connect(address: &str) -> Result<Self, RelayError> {
        let stream = TcpStream::connect(address).await.map_err(RelayError::Broken)?;
        stream.set_nodelay(true).map_err(RelayError::Broken)?;
        let mut connection = Self {
            address: address.to_owned(),
            stream,
            decoder: Decoder::default(),
            out: BytesMut::from(&PREFACE[..]),
            challenge: Challenge::default(),
            heard: clock::now().into(),
            asked: false,
        };
        match connection.next().await? {
            Message::Challenge(challenge) => connection.challenge = challenge,
            other => return Err(RelayError::unexpected(&other)),
        }
        // Letters may come from now on.
        connection.decoder.set_limit(MAX_BODY);
        Ok(connection)
    }

    /// The address that answered.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Our own address, as the relay's host sees it where nothing between rewrites it.
    pub(super) fn local_ip(&self) -> Option<IpAddr> {
        self.stream.local_addr().ok().map(|address| address.ip().to_canonical())
    }

    /// What proofs on this connection are made over.
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// Says something: it goes out with [`Connection::next`] and [`Connection::flush`].
    pub fn tell(&mut self, message: &Message) {
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
            self.stream.writable().await.map_err(RelayError::Broken)?;
            self.write()?;
        }
        Ok(())
    }

    /// The socket and what came behind the last message: for data connections, once they have joined.
    ///
    /// # Errors
    /// The connection broke before all was sent.
    pub async fn into_stream(mut self) -> Result<(TcpStream, BytesMut), RelayError> {
        self.flush().await?;
        Ok((self.stream, self.decoder.into_rest()))
    }

    /// Reads or writes what can be.
    async fn turn(&mut self) -> Result<(), RelayError> {
        let ask = self.heard + if self.asked { SILENT } else { QUIET };
        tokio::select! {
            ready = self.stream.readable() => match ready.and_then(|()| self.stream.try_read_buf(self.decoder.room())) {
                Ok(0) => {
                    self.decoder.finish()?;
                    Err(RelayError::Closed)
                }
                Ok(_) => {
                    (self.heard, self.asked) = (clock::now().into(), false);
                    Ok(())
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(()),
                Err(error) => Err(RelayError::Broken(error)),
            },
            ready = self.stream.writable(), if !self.out.is_empty() => {
                ready.map_err(RelayError::Broken)?;
                self.write()
            }
            () = sleep_until(ask) => {
                if self.asked {
                    return Err(RelayError::Silent);
                }
                self.asked = true;
                self.tell(&Message::Ping(*b"anybody?"));
                Ok(())
            }
        }
    }

    fn write(&mut self) -> Result<(), RelayError> {
        match self.stream.try_write(&self.out) {
            Ok(written) => {
                self.out.advance(written);
                Ok(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(()),
            Err(error) => Err(RelayError::Broken(error)),
        }
    }
}
